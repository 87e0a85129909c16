/* tokenizer.c: encoding and decoding.
 *
 * Text is cut at added tokens, then wherever two characters stand side by side that no entry
 * holds side by side (no merge can cross such a place), and each piece is merged by a queue
 * ordered by rank, then place: the order of the reference, which decides equal results. */
#include <string.h>

#include "tokenizer_internal.h"
#include "tsr_alloc.h"

/* ---- Growing id lists ---- */

void tsr_ids_deinit(tsr_ids *ids)
{
    tsr_free(ids->at);
    memset(ids, 0, sizeof *ids);
}

tsr_status tsr_ids_fill(tsr_ids *ids, int32_t id, size_t n, tsr_error *err)
{
    size_t need, cap = ids->cap ? ids->cap : 64, bytes;
    int32_t *grown;
    if (!tsr_add_size(&need, ids->n, n)) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: token ids");
    if (need > ids->cap) {
        while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(ids->at, bytes) : NULL;
        if (!grown) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu token ids", cap);
        ids->at = grown;
        ids->cap = cap;
    }
    for (size_t i = 0; i < n; i++) ids->at[ids->n++] = id;
    return TSR_OK;
}

tsr_status tsr_ids_add(tsr_ids *ids, int32_t id, tsr_error *err)
{
    return tsr_ids_fill(ids, id, 1, err);
}

/* ---- Merging one piece ---- */

typedef struct symbol {
    int32_t id;
    int32_t prev, next; /* -1: none */
} symbol;

/* A merge that may have become stale: the pair at `at` then gives another whole. */
typedef struct candidate {
    uint32_t rank, at;
    int32_t whole;
} candidate;

typedef struct encoder {
    const tsr_tokenizer *t;
    tsr_ids *ids;
    symbol *symbols;
    candidate *queue; /* a heap, the least (rank, at) first */
    size_t n_symbols, n_queue, cap; /* cap symbols, 3 cap candidates */
    tsr_error *err;
} encoder;

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void queue_push(encoder *e, candidate c)
{
    size_t i = e->n_queue++;
    while (i > 0 && before(&c, e->queue + (i - 1) / 2)) {
        e->queue[i] = e->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    e->queue[i] = c;
}

static candidate queue_pop(encoder *e)
{
    candidate top = e->queue[0], last = e->queue[--e->n_queue];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < e->n_queue) {
        if (child + 1 < e->n_queue && before(e->queue + child + 1, e->queue + child)) child++;
        if (!before(e->queue + child, &last)) break;
        e->queue[i] = e->queue[child];
        i = child;
    }
    e->queue[i] = last;
    return top;
}

/* Queue the pair that starts at `at`, if it merges. Each merge queues at most two, and there are
 * fewer merges than symbols: 3 cap candidates are enough for all. */
static void queue_pair(encoder *e, int32_t at)
{
    int32_t rank;
    if (at < 0 || e->symbols[at].next < 0) return;
    rank = tsri_tokenizer_merge(e->t, e->symbols[at].id, e->symbols[e->symbols[at].next].id);
    if (rank >= 0) queue_push(e, (candidate){(uint32_t)rank, (uint32_t)at, e->t->merges[rank].whole});
}

static void merge_all(encoder *e)
{
    symbol *s = e->symbols;
    e->n_queue = 0;
    for (size_t i = 0; i + 1 < e->n_symbols; i++) queue_pair(e, (int32_t)i);
    while (e->n_queue) {
        candidate c = queue_pop(e);
        int32_t at = (int32_t)c.at, next = s[at].next, rank;
        if (s[at].id < 0 || next < 0) continue;
        rank = tsri_tokenizer_merge(e->t, s[at].id, s[next].id);
        if (rank < 0 || e->t->merges[rank].whole != c.whole) continue;
        s[at].id = c.whole;
        s[at].next = s[next].next;
        s[next].id = -1;
        if (s[at].next >= 0) s[s[at].next].prev = at;
        queue_pair(e, s[at].prev);
        queue_pair(e, at);
    }
}

static void add_symbol(encoder *e, int32_t id)
{
    int32_t i = (int32_t)e->n_symbols++;
    e->symbols[i] = (symbol){.id = id, .prev = i - 1, .next = -1};
    if (i > 0) e->symbols[i - 1].next = i;
}

/* A character that is no entry: its bytes when all of them are entries. */
static bool add_bytes(encoder *e, const char *s, size_t len)
{
    if (!e->t->byte_fallback) return false;
    for (size_t i = 0; i < len; i++)
        if (e->t->byte_id[(unsigned char)s[i]] < 0) return false;
    for (size_t i = 0; i < len; i++) add_symbol(e, e->t->byte_id[(unsigned char)s[i]]);
    return true;
}

/* The symbols that a piece starts from. A pending unknown is written before the next known
 * character, as the reference does, even past byte tokens. */
static void start_symbols(encoder *e, const char *s, size_t len)
{
    bool pending = false, ok;
    uint32_t cp;
    size_t n;

    e->n_symbols = 0;
    for (size_t at = 0; at < len; at += n) {
        int32_t id;
        n = tsr_utf8_read(s + at, len - at, &cp, &ok);
        id = tsri_tokenizer_find(e->t, s + at, n, "", 0);
        if (id >= 0 && !tsr_tokenizer_is_control(e->t, id)) { /* a control token of one letter stays out of text too */
            if (pending) add_symbol(e, e->t->unk);
            pending = false;
            add_symbol(e, id);
        } else if (!add_bytes(e, s + at, n) && e->t->unk >= 0) {
            if (pending && !e->t->fuse_unk) add_symbol(e, e->t->unk);
            pending = true;
        }
    }
    if (pending) add_symbol(e, e->t->unk);
}

static tsr_status encode_piece(encoder *e, const char *s, size_t len)
{
    tsr_status st = TSR_OK;
    size_t need;
    if (len >= INT32_MAX) return tsr_fail(e->err, TSR_ERR_LIMIT, "text of %zu bytes", len);
    if (len > e->cap) { /* never more symbols than bytes */
        need = len < 256 ? 256 : len;
        tsr_free(e->symbols);
        tsr_free(e->queue);
        e->cap = 0;
        e->symbols = tsr_calloc(need, sizeof *e->symbols);
        e->queue = tsr_calloc(need, 3 * sizeof *e->queue);
        if (!e->symbols || !e->queue) return tsr_fail(e->err, TSR_ERR_NOMEM, "out of memory: text of %zu bytes", len);
        e->cap = need;
    }
    start_symbols(e, s, len);
    merge_all(e);
    for (int32_t i = e->n_symbols ? 0 : -1; i >= 0 && st == TSR_OK; i = e->symbols[i].next)
        st = tsr_ids_add(e->ids, e->symbols[i].id, e->err);
    return st;
}

/* Text without added tokens and spaces: cut where no merge can cross. */
static tsr_status encode_normalized(encoder *e, const char *s, size_t len)
{
    const tsr_tokenizer *t = e->t;
    tsr_status st = TSR_OK;
    size_t from = 0, n;
    uint32_t last = 0, cp;
    bool ok;

    for (size_t at = 0; at < len && st == TSR_OK; at += n, last = cp) {
        uint32_t bit;
        n = tsr_utf8_read(s + at, len - at, &cp, &ok);
        bit = tsri_pair_bit(last, cp);
        if (at == from || t->whole_text || (t->pairs[bit >> 3] >> (bit & 7) & 1)) continue;
        st = encode_piece(e, s + from, at - from);
        from = at;
    }
    return st == TSR_OK && from < len ? encode_piece(e, s + from, len - from) : st;
}

/* ---- Added tokens ---- */

/* The longest added token that starts at s; -1 and *len 0 when none does. */
static int32_t longest_added(const tsri_trie *tr, const char *s, size_t len, size_t *found)
{
    int32_t id = -1, node = tr->root[(unsigned char)s[0]];
    *found = 0;
    for (size_t at = 1; node >= 0; at++) {
        if (tr->nodes[node].id >= 0) {
            id = tr->nodes[node].id;
            *found = at;
        }
        if (at == len) break;
        for (node = tr->nodes[node].child; node >= 0 && tr->nodes[node].byte != (uint8_t)s[at];)
            node = tr->nodes[node].sibling;
    }
    return id;
}

typedef tsr_status (*encode_rest)(encoder *e, const char *s, size_t len);

/* Leftmost, then longest. In plain mode a control token that is found stays text, but its bytes
 * are passed over: no other added token is looked for inside it, as in the reference. */
static tsr_status split_added(encoder *e, const tsri_trie *tr, const char *s, size_t len, tsr_encode_mode mode,
                              encode_rest rest)
{
    tsr_status st = TSR_OK;
    size_t from = 0, at = 0, n;

    if (!tr->n) return len ? rest(e, s, len) : TSR_OK;
    while (at < len && st == TSR_OK) {
        int32_t id = longest_added(tr, s + at, len - at, &n);
        if (id < 0) {
            at++;
            continue;
        }
        if (mode == TSR_ENCODE_CONTROL || !tsr_tokenizer_is_control(e->t, id)) {
            if (from < at) st = rest(e, s + from, at - from);
            if (st == TSR_OK) st = tsr_ids_add(e->ids, id, e->err);
            from = at + n;
        }
        at += n;
    }
    return st == TSR_OK && from < len ? rest(e, s + from, len - from) : st;
}

static tsr_status normalize(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    tsr_status st = TSR_OK;
    size_t from = 0;
    for (size_t i = 0; i <= len && st == TSR_OK; i++) {
        if (i < len && s[i] != ' ') continue;
        st = tsr_text_add(out, s + from, i - from, err);
        if (st == TSR_OK && i < len) st = tsr_text_add(out, TSRI_SPACE, TSRI_SPACE_LEN, err);
        from = i + 1;
    }
    return st;
}

static tsr_status encode_raw_piece(encoder *e, const char *s, size_t len, tsr_encode_mode mode)
{
    tsr_text text = {0};
    tsr_status st = normalize(&text, s, len, e->err);
    if (st == TSR_OK) st = split_added(e, &e->t->normalized, text.at, text.len, mode, encode_normalized);
    tsr_text_deinit(&text);
    return st;
}

static tsr_status encode_raw_plain(encoder *e, const char *s, size_t len)
{
    return encode_raw_piece(e, s, len, TSR_ENCODE_PLAIN);
}

static tsr_status encode_raw_control(encoder *e, const char *s, size_t len)
{
    return encode_raw_piece(e, s, len, TSR_ENCODE_CONTROL);
}

tsr_status tsr_tokenizer_encode(const tsr_tokenizer *t, const char *text, size_t len, tsr_encode_mode mode,
                                tsr_ids *ids, tsr_error *err)
{
    encoder e = {.t = t, .ids = ids, .err = err};
    size_t n_before = ids->n;
    tsr_text good = {0};
    tsr_status st = TSR_OK;

    if (!tsr_utf8_valid(text, len)) {
        st = tsr_utf8_repair(&good, text, len, err);
        text = good.at;
        len = good.len;
    }
    if (st == TSR_OK)
        st = split_added(&e, &t->raw, text, len, mode, mode == TSR_ENCODE_PLAIN ? encode_raw_plain : encode_raw_control);
    if (st != TSR_OK) ids->n = n_before;
    tsr_free(e.symbols);
    tsr_free(e.queue);
    tsr_text_deinit(&good);
    return st;
}

/* ---- Looking up and decoding ---- */

size_t tsr_tokenizer_count(const tsr_tokenizer *t)
{
    return t->n_ids;
}

int32_t tsr_tokenizer_id_of(const tsr_tokenizer *t, const char *text)
{
    return tsri_tokenizer_find(t, text, strlen(text), "", 0);
}

static const tsri_token *token_of(const tsr_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->n_ids && t->tokens[id].flags ? t->tokens + id : NULL;
}

const char *tsr_tokenizer_piece(const tsr_tokenizer *t, int32_t id, size_t *len)
{
    const tsri_token *k = token_of(t, id);
    *len = k ? k->len : 0;
    return k ? t->names + k->at : NULL;
}

bool tsr_tokenizer_is_control(const tsr_tokenizer *t, int32_t id)
{
    const tsri_token *k = token_of(t, id);
    return k && (k->flags & TSRI_TOKEN_CONTROL);
}

int tsr_tokenizer_byte_of(const tsr_tokenizer *t, int32_t id)
{
    const tsri_token *k = token_of(t, id);
    return k && (k->flags & TSRI_TOKEN_BYTE) ? k->byte : -1;
}
