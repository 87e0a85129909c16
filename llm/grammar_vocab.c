/* grammar_vocab.c: see the header. */
#include "grammar_vocab_internal.h"

#include <string.h>

#include "tsr_alloc.h"
#include "tsr_utf8.h"

static void tree_deinit(tsri_tree *t)
{
    tsr_free(t->byte);
    tsr_free(t->skip);
    tsr_free(t->below);
    tsr_free(t->first);
    tsr_free(t->tokens);
}

void tsr_vocab_close(tsr_vocab *v)
{
    if (!v)
        return;
    tree_deinit(&v->plain);
    tree_deinit(&v->other);
    tsr_free(v->up_to);
    tsr_free(v->all);
    tsr_free(v->ends);
    tsr_free(v->texts);
    tsr_free(v->text_at);
    tsr_free(v);
}

/* ---- texts ---- */

static const char SPACE[] = "\xE2\x96\x81"; /* U+2581 stands for a space */

/* The text of a token, as decoding gives it, into out[TSRI_TOKEN_MOST]; 0: it takes no part. */
static size_t text_of(const tsr_tokenizer *t, int32_t id, char *out)
{
    size_t len, n = 0;
    const char *s = tsr_tokenizer_piece(t, id, &len);
    int byte = tsr_tokenizer_byte_of(t, id);
    if (!s || tsr_tokenizer_is_control(t, id))
        return 0;
    if (byte >= 0) {
        out[0] = (char)byte;
        return 1;
    }
    if (!tsr_utf8_valid(s, len))
        return 0;
    for (size_t i = 0; i < len;) {
        bool space = len - i >= 3 && memcmp(s + i, SPACE, 3) == 0;
        if (n == TSRI_TOKEN_MOST)
            return 0;
        out[n++] = space ? ' ' : s[i];
        i += space ? 3 : 1;
    }
    return n;
}

static bool is_listed(const int32_t *ids, size_t n, size_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && (size_t)ids[i] == id)
            return true;
    return false;
}

static tsr_status read_texts(tsr_vocab *v, const tsr_tokenizer *t, const tsr_vocab_opts *o, tsr_error *err)
{
    size_t count = tsr_tokenizer_count(t);
    char text[TSRI_TOKEN_MOST];
    tsr_text all = {0};
    tsr_status st = tsr_alloc_array(&v->text_at, v->n_vocab + 1, sizeof *v->text_at, "texts of tokens", err);
    for (size_t id = 0; id < v->n_vocab && st == TSR_OK; id++) {
        bool out = id >= count || is_listed(o->never, o->n_never, id) || is_listed(o->ends, o->n_ends, id);
        size_t n = out ? 0 : text_of(t, (int32_t)id, text);
        v->text_at[id] = (uint32_t)all.len;
        st = tsr_text_add(&all, text, n, err);
        if (all.len > UINT32_MAX / 2)
            st = tsr_fail(err, TSR_ERR_LIMIT, "the tokens' texts have more than %u bytes", UINT32_MAX / 2);
        if (n == 1)
            v->has_byte[(uint8_t)text[0]] = true;
        if (n)
            tsri_set_bit(v->all, id);
        v->longest = n > v->longest ? n : v->longest;
    }
    if (st == TSR_OK)
        v->text_at[v->n_vocab] = (uint32_t)all.len;
    v->texts = all.at;
    return st;
}

/* ---- sorting: by a byte at a time (multikey quicksort), so that common beginnings are read once ---- */

typedef struct sorter {
    const tsr_vocab *v;
    int32_t *ids;
} sorter;

/* The byte of a token's text at `depth`, -1 behind its end. */
static int byte_at(const sorter *s, int32_t id, size_t depth)
{
    uint32_t at = s->v->text_at[id], len = s->v->text_at[id + 1] - at;
    return depth < len ? (uint8_t)s->v->texts[at + depth] : -1;
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t t = *a;
    *a = *b;
    *b = t;
}

/* The two outer parts are sorted by calls that halve at the middle at least on the usual vocabulary; depth of calls is
 * bounded by the bytes of a token times the kinds of bytes. */
static void sort_ids(sorter *s, size_t lo, size_t hi, size_t depth)
{
    while (hi - lo > 1) {
        int pivot = byte_at(s, s->ids[lo + (hi - lo) / 2], depth);
        size_t lt = lo, gt = hi;
        for (size_t i = lo; i < gt;) {
            int b = byte_at(s, s->ids[i], depth);
            if (b < pivot)
                swap(&s->ids[lt++], &s->ids[i++]);
            else if (b > pivot)
                swap(&s->ids[i], &s->ids[--gt]);
            else
                i++;
        }
        sort_ids(s, lo, lt, depth);
        sort_ids(s, gt, hi, depth);
        if (pivot < 0)
            return;
        lo = lt;
        hi = gt;
        depth++;
    }
}

/* ---- trees ---- */

static size_t common(const tsr_vocab *v, int32_t a, int32_t b)
{
    const char *s = v->texts + v->text_at[a], *t = v->texts + v->text_at[b];
    size_t n = v->text_at[a + 1] - v->text_at[a], m = v->text_at[b + 1] - v->text_at[b], i = 0;
    while (i < n && i < m && s[i] == t[i])
        i++;
    return i;
}

static size_t len_of(const tsr_vocab *v, int32_t id)
{
    return v->text_at[id + 1] - v->text_at[id];
}

/* The tree of sorted ids, which are taken over. */
static tsr_status build_tree(tsri_tree *t, const tsr_vocab *v, int32_t *ids, size_t n, tsr_error *err)
{
    uint32_t open[TSRI_TOKEN_MOST]; /* nodes on the way to the last token */
    size_t n_nodes = 0, depth = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        n_nodes += len_of(v, ids[i]) - (i ? common(v, ids[i - 1], ids[i]) : 0);
    t->tokens = ids;
    t->n_tokens = n;
    t->n = n_nodes;
    tsr_status st = tsr_alloc_array(&t->byte, n_nodes, 1, "a tree of tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->skip, n_nodes, sizeof *t->skip, "a tree of tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->first, n_nodes + 1, sizeof *t->first, "a tree of tokens", err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        size_t shared = i ? common(v, ids[i - 1], ids[i]) : 0, len = len_of(v, ids[i]);
        for (; depth > shared; depth--)
            t->skip[open[depth - 1]] = (uint32_t)at;
        for (; depth < len; depth++) {
            t->byte[at] = (uint8_t)v->texts[v->text_at[ids[i]] + depth];
            t->first[at] = (uint32_t)i;
            open[depth] = (uint32_t)at++;
        }
    }
    for (; depth > 0; depth--)
        t->skip[open[depth - 1]] = (uint32_t)at;
    t->first[at] = (uint32_t)n;
    return TSR_OK;
}

/* Characters of a plain token, 0 for others. */
static size_t plain_chars(const tsr_vocab *v, size_t id)
{
    const char *s = v->texts + v->text_at[id];
    size_t len = len_of(v, (int32_t)id), n = 0;
    for (size_t i = 0; i < len; n++) {
        uint32_t ch;
        bool ok;
        i += tsr_utf8_read(s + i, len - i, &ch, &ok);
        if (!ok || !tsri_is_plain(ch))
            return 0;
    }
    return n <= TSRI_PLAIN_MOST ? n : 0;
}

static tsr_status build_tables(tsr_vocab *v, const uint8_t *chars, tsr_error *err)
{
    for (size_t id = 0; id < v->n_vocab; id++)
        v->longest_run = chars[id] > v->longest_run ? chars[id] : v->longest_run;
    size_t words;
    if (!tsr_mul_size(&words, v->longest_run + 1, v->n_words))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: masks of tokens");
    tsr_status st = tsr_alloc_array(&v->up_to, words, sizeof *v->up_to, "masks of tokens", err);
    if (st != TSR_OK)
        return st;
    memset(v->up_to, 0, words * sizeof *v->up_to);
    for (size_t id = 0; id < v->n_vocab; id++)
        if (chars[id])
            tsri_set_bit(v->up_to + chars[id] * v->n_words, id);
    for (size_t i = v->n_words; i < words; i++)
        v->up_to[i] |= v->up_to[i - v->n_words];
    return TSR_OK;
}

static tsr_status note_kinds(tsri_tree *t, tsr_error *err)
{
    tsr_status st = tsr_alloc_array(&t->below, t->n, sizeof *t->below, "a tree of tokens", err);
    for (size_t i = t->n; i-- > 0 && st == TSR_OK;) {
        t->below[i] = 0;
        for (size_t child = i + 1; child < t->skip[i]; child = t->skip[child])
            t->below[i] |= t->below[child] | tsri_plain_kind(t->byte[child]);
    }
    return st;
}

static tsr_status build(tsr_vocab *v, tsr_error *err)
{
    size_t n_plain = 0, n_other = 0;
    int32_t *plain = NULL, *other = NULL;
    uint8_t *chars = tsr_calloc(v->n_vocab, 1);
    tsr_status st = chars ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: tokens");
    if (st == TSR_OK)
        st = tsr_alloc_array(&plain, v->n_vocab, sizeof *plain, "tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&other, v->n_vocab, sizeof *other, "tokens", err);
    for (size_t id = 0; id < v->n_vocab && st == TSR_OK; id++) {
        if (len_of(v, (int32_t)id) == 0)
            continue;
        chars[id] = (uint8_t)plain_chars(v, id);
        if (chars[id])
            plain[n_plain++] = (int32_t)id;
        else
            other[n_other++] = (int32_t)id;
    }
    if (st == TSR_OK)
        st = build_tables(v, chars, err);
    if (st == TSR_OK) {
        sort_ids(&(sorter){v, plain}, 0, n_plain, 0);
        sort_ids(&(sorter){v, other}, 0, n_other, 0);
        st = build_tree(&v->plain, v, plain, n_plain, err);
        plain = NULL;
    }
    if (st == TSR_OK)
        st = note_kinds(&v->plain, err);
    if (st == TSR_OK) {
        st = build_tree(&v->other, v, other, n_other, err);
        other = NULL;
    }
    tsr_free(plain);
    tsr_free(other);
    tsr_free(chars);
    return st;
}

tsr_status tsr_vocab_open(tsr_vocab **out, const tsr_tokenizer *t, const tsr_vocab_opts *o, tsr_error *err)
{
    tsr_vocab *v = tsr_calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a vocabulary");
    v->n_vocab = o->n_vocab;
    v->n_words = (o->n_vocab + 31) / 32;
    v->all = tsr_calloc(v->n_words, sizeof *v->all);
    v->ends = tsr_calloc(v->n_words, sizeof *v->ends);
    tsr_status st = v->all && v->ends ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: masks of tokens");
    size_t n_ends = 0;
    for (size_t i = 0; i < o->n_ends && st == TSR_OK; i++)
        if (o->ends[i] >= 0 && (size_t)o->ends[i] < o->n_vocab && !is_listed(o->never, o->n_never, (size_t)o->ends[i])) {
            tsri_set_bit(v->ends, (size_t)o->ends[i]);
            n_ends++;
        }
    if (st == TSR_OK && n_ends == 0)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "the model has no token that ends an answer");
    if (st == TSR_OK)
        st = read_texts(v, t, o, err);
    if (st == TSR_OK)
        st = build(v, err);
    if (st == TSR_OK)
        *out = v;
    else
        tsr_vocab_close(v);
    return st;
}

/* ---- looking up ---- */

static void look_up(const tsri_tree *t, const uint8_t *text, size_t n, int32_t *id, size_t *len)
{
    size_t depth = 0;
    for (size_t i = 0, end = t->n; i < end && depth < n;) {
        if (t->byte[i] != text[depth]) {
            i = t->skip[i];
            continue;
        }
        depth++;
        if (t->first[i] < t->first[i + 1] && depth > *len) {
            *id = t->tokens[t->first[i]];
            *len = depth;
        }
        end = t->skip[i];
        i++;
    }
}

int32_t tsri_vocab_longest(const tsr_vocab *v, const uint8_t *text, size_t n, size_t *len)
{
    int32_t id = -1;
    *len = 0;
    look_up(&v->plain, text, n, &id, len);
    look_up(&v->other, text, n, &id, len);
    return id;
}
