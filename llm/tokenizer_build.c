/* tokenizer_build.c: names, added tokens and merges, in whatever file they stood, become the tables of
 * tokenizer_internal.h. Everything is checked here or by the reader, so that encoding and decoding need
 * no checks. */
#include <stdio.h>
#include <string.h>

#include "tokenizer_build_internal.h"
#include "tsr_alloc.h"

enum { MAX_PROBES = 4096 }; /* a table that needs more was made to collide */

const char *const tsri_control_names[] = {
    "<pad>",     "<eos>",       "<bos>",       "<unk>",          "<|tool>",         "<tool|>",
    "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>",  "<|think|>",
    "<|channel>", "<channel|>", "<|turn>",     "<turn|>",        "<|image>",        "<|audio>",
    "<|image|>", "<|audio|>",   "<image|>",    "<audio|>",       "<|video|>",       NULL,
};

static bool is_control_name(const char *s, size_t len)
{
    for (size_t i = 0; tsri_control_names[i]; i++)
        if (strlen(tsri_control_names[i]) == len && memcmp(tsri_control_names[i], s, len) == 0) return true;
    return false;
}

const char *tsri_quote(char out[TSRI_QUOTE_BYTES + 1], const char *s, size_t len)
{
    size_t n = len < TSRI_QUOTE_BYTES ? len : TSRI_QUOTE_BYTES;
    for (size_t i = 0; i < n; i++) out[i] = s[i] >= 0x20 && s[i] < 0x7F ? s[i] : '?';
    out[n] = '\0';
    return out;
}

static size_t power_of_two_above(size_t n)
{
    size_t p = 16;
    while (p < n) p *= 2;
    return p;
}

/* ---- Begin and end ---- */

tsr_status tsri_vocab_begin(tsri_vocab *b, const char *file, const char *names_at, const char *merges_at,
                            tsr_error *err)
{
    *b = (tsri_vocab){.file = file, .names_at = names_at, .merges_at = merges_at, .err = err};
    b->t = tsr_calloc(1, sizeof *b->t);
    if (!b->t) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", file);
    memset(b->t->raw.root, 0xFF, sizeof b->t->raw.root);
    memset(b->t->normalized.root, 0xFF, sizeof b->t->normalized.root);
    b->t->unk = -1;
    return TSR_OK;
}

tsr_status tsri_vocab_end(tsri_vocab *b, tsr_status st, tsr_tokenizer **out)
{
    *out = st == TSR_OK ? b->t : NULL;
    if (st != TSR_OK) tsr_tokenizer_close(b->t);
    b->t = NULL;
    return st;
}

void tsr_tokenizer_close(tsr_tokenizer *t)
{
    if (!t) return;
    tsr_free(t->names);
    tsr_free(t->tokens);
    tsr_free(t->by_name);
    tsr_free(t->merges);
    tsr_free(t->by_pair);
    tsr_free(t->raw.nodes);
    tsr_free(t->normalized.nodes);
    tsr_free(t->pairs);
    tsr_free(t);
}

/* ---- Names ---- */

uint64_t tsri_hash_more(uint64_t h, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001B3u; /* FNV-1a */
    return h;
}

uint64_t tsri_hash_end(uint64_t h)
{
    h ^= h >> 32; /* the multiplications only carry upwards */
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

tsr_status tsri_vocab_names(tsri_vocab *b, size_t n_bytes)
{
    b->t->names = tsr_alloc(n_bytes);
    if (!b->t->names) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", b->file, n_bytes);
    b->t->names_cap = n_bytes;
    return TSR_OK;
}

static bool grow_tokens(tsri_vocab *b, size_t n)
{
    size_t cap = b->tokens_cap ? b->tokens_cap : 1024, bytes;
    tsri_token *grown;
    while (cap < n) cap *= 2;
    if (cap != b->tokens_cap) {
        if (!tsr_mul_size(&bytes, cap, sizeof *grown)) return false;
        grown = tsr_realloc(b->t->tokens, bytes);
        if (!grown) return false;
        memset(grown + b->tokens_cap, 0, (cap - b->tokens_cap) * sizeof *grown);
        b->t->tokens = grown;
        b->tokens_cap = cap;
    }
    if (n > b->t->n_ids) b->t->n_ids = n;
    return true;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

tsr_status tsri_vocab_name(tsri_vocab *b, size_t id, size_t len, const char **why)
{
    tsr_tokenizer *t = b->t;
    const char *s = t->names + t->names_len;
    tsri_token *k;

    *why = NULL;
    if (len == 0 || !tsr_utf8_valid(s, len)) *why = "an entry without text or not in UTF-8";
    else if (id >= TSR_TOKENIZER_MAX_IDS) *why = "an id out of range (at most 4194303)";
    else if (id < t->n_ids && t->tokens[id].flags) *why = "an id that another entry has";
    if (*why) return TSR_ERR_MODEL;
    if (!grow_tokens(b, id + 1)) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s: %zu ids", b->file, id + 1);
    k = t->tokens + id;
    k->at = (uint32_t)t->names_len;
    k->len = (uint32_t)len;
    k->flags = TSRI_TOKEN_PRESENT;
    if (len == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' && hex_of(s[3]) >= 0 && hex_of(s[4]) >= 0) {
        k->flags |= TSRI_TOKEN_BYTE;
        k->byte = (uint8_t)(hex_of(s[3]) << 4 | hex_of(s[4]));
    }
    t->names_len += len;
    b->n_names++;
    return TSR_OK;
}

tsr_status tsri_vocab_index_name(tsri_vocab *b, size_t id)
{
    tsr_tokenizer *t = b->t;
    const tsri_token *k = t->tokens + id;
    size_t mask = t->n_name_slots - 1;
    size_t at = tsri_hash_end(tsri_hash_more(TSRI_HASH_START, t->names + k->at, k->len)) & mask;
    char q[TSRI_QUOTE_BYTES + 1];

    for (size_t probes = 0; probes < MAX_PROBES; probes++, at = (at + 1) & mask) {
        uint32_t other = t->by_name[at];
        if (other == 0) {
            t->by_name[at] = (uint32_t)id + 1;
            return TSR_OK;
        }
        if (t->tokens[other - 1].len == k->len &&
            memcmp(t->names + t->tokens[other - 1].at, t->names + k->at, k->len) == 0)
            return tsr_fail(b->err, TSR_ERR_MODEL, "%s: %s: ids %u and %zu are both \"%s\"", b->file, b->names_at,
                            other - 1, id, tsri_quote(q, t->names + k->at, k->len));
    }
    return tsr_fail(b->err, TSR_ERR_LIMIT, "%s: %s: too many entries collide, near \"%s\"", b->file, b->names_at,
                    tsri_quote(q, t->names + k->at, k->len));
}

tsr_status tsri_vocab_index(tsri_vocab *b, size_t n_more)
{
    tsr_tokenizer *t = b->t;
    tsr_status st = TSR_OK;
    t->n_name_slots = power_of_two_above(2 * (b->n_names + n_more));
    t->by_name = tsr_calloc(t->n_name_slots, sizeof *t->by_name);
    if (!t->by_name) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s: names", b->file);
    for (size_t id = 0; id < t->n_ids && st == TSR_OK; id++)
        if (t->tokens[id].flags) st = tsri_vocab_index_name(b, id);
    return st;
}

int32_t tsri_tokenizer_find(const tsr_tokenizer *t, const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t mask = t->n_name_slots - 1;
    size_t at = tsri_hash_end(tsri_hash_more(tsri_hash_more(TSRI_HASH_START, a, a_len), b, b_len)) & mask;
    for (; t->by_name[at]; at = (at + 1) & mask) {
        uint32_t id = t->by_name[at] - 1;
        const tsri_token *k = t->tokens + id;
        if (k->len == a_len + b_len && memcmp(t->names + k->at, a, a_len) == 0 &&
            memcmp(t->names + k->at + a_len, b, b_len) == 0)
            return (int32_t)id;
    }
    return -1;
}

/* ---- Added tokens ---- */

static tsr_status new_node(tsri_trie *tr, uint8_t byte, int32_t *out, tsr_error *err)
{
    if (tr->n == tr->cap) {
        size_t cap = tr->cap ? tr->cap * 2 : 256, bytes;
        tsri_node *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(tr->nodes, bytes) : NULL;
        if (!grown || cap > INT32_MAX) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: added tokens");
        tr->nodes = grown;
        tr->cap = cap;
    }
    tr->nodes[tr->n] = (tsri_node){.child = -1, .sibling = -1, .id = -1, .byte = byte};
    *out = (int32_t)tr->n++;
    return TSR_OK;
}

static tsr_status trie_add(tsri_trie *tr, const char *s, size_t len, int32_t id, tsr_error *err)
{
    int32_t at = -1, next;
    for (size_t i = 0; i < len; i++) {
        uint8_t b = (uint8_t)s[i];
        next = i == 0 ? tr->root[b] : tr->nodes[at].child;
        while (i && next >= 0 && tr->nodes[next].byte != b) next = tr->nodes[next].sibling;
        if (next < 0) {
            tsr_status st = new_node(tr, b, &next, err);
            if (st != TSR_OK) return st;
            if (i == 0) {
                tr->root[b] = next;
            } else {
                tr->nodes[next].sibling = tr->nodes[at].child;
                tr->nodes[at].child = next;
            }
        }
        at = next;
    }
    if (tr->nodes[at].id < 0) tr->nodes[at].id = id;
    return TSR_OK;
}

/* Tokens marked "normalized" are matched after spaces became U+2581, in their own text as well. */
static tsr_status trie_add_normalized(tsri_trie *tr, const char *s, size_t len, int32_t id, tsr_error *err)
{
    tsr_text text = {0};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < len && st == TSR_OK; i++)
        st = s[i] == ' ' ? tsr_text_add(&text, TSRI_SPACE, TSRI_SPACE_LEN, err) : tsr_text_add(&text, s + i, 1, err);
    if (st == TSR_OK) st = trie_add(tr, text.at, text.len, id, err);
    tsr_text_deinit(&text);
    return st;
}

tsr_status tsri_vocab_added(tsri_vocab *b, size_t id, bool special, bool normalized)
{
    tsr_tokenizer *t = b->t;
    tsri_token *k = t->tokens + id;
    const char *s = t->names + k->at;
    if (special || is_control_name(s, k->len)) k->flags |= TSRI_TOKEN_CONTROL;
    if (k->flags & TSRI_TOKEN_ADDED) return TSR_OK;
    k->flags |= TSRI_TOKEN_ADDED;
    if (!normalized) return trie_add(&t->raw, s, k->len, (int32_t)id, b->err);
    k->flags |= TSRI_TOKEN_NORMALIZED;
    return trie_add_normalized(&t->normalized, s, k->len, (int32_t)id, b->err);
}

/* ---- Merges ---- */

tsr_status tsri_vocab_merges(tsri_vocab *b, size_t n)
{
    size_t bytes;
    tsri_merge *grown = tsr_mul_size(&bytes, n, sizeof *grown) ? tsr_realloc(b->t->merges, bytes) : NULL;
    if (!grown) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s: %zu merges", b->file, n);
    b->t->merges = grown;
    b->merges_cap = n;
    return TSR_OK;
}

tsr_status tsri_vocab_merge(tsri_vocab *b, const char *l, size_t l_len, const char *r, size_t r_len, const char **why)
{
    tsr_tokenizer *t = b->t;
    tsri_merge m;
    tsr_status st = TSR_OK;

    *why = NULL;
    m.left = tsri_tokenizer_find(t, l, l_len, "", 0);
    m.right = tsri_tokenizer_find(t, r, r_len, "", 0);
    m.whole = tsri_tokenizer_find(t, l, l_len, r, r_len);
    if (m.left < 0 || m.right < 0) *why = "a merge of what is no entry";
    else if (m.whole < 0) *why = "a merge whose result is no entry";
    if (*why) return TSR_ERR_MODEL;
    if (t->n_merges == b->merges_cap) st = tsri_vocab_merges(b, b->merges_cap ? b->merges_cap * 2 : 4096);
    if (st == TSR_OK) t->merges[t->n_merges++] = m;
    return st;
}

static size_t pair_slot(const tsr_tokenizer *t, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return tsri_hash_end(key * 0xD6E8FEB86659FD93u) & (t->n_pair_slots - 1);
}

static tsr_status insert_pair(tsri_vocab *b, size_t rank)
{
    tsr_tokenizer *t = b->t;
    const tsri_merge *m = t->merges + rank;
    size_t at = pair_slot(t, m->left, m->right);
    for (size_t probes = 0; probes < MAX_PROBES; probes++, at = (at + 1) & (t->n_pair_slots - 1)) {
        const tsri_merge *other;
        if (t->by_pair[at] == 0) {
            t->by_pair[at] = (uint32_t)rank + 1;
            return TSR_OK;
        }
        other = t->merges + t->by_pair[at] - 1;
        if (other->left == m->left && other->right == m->right)
            return tsr_fail(b->err, TSR_ERR_MODEL, "%s: %s[%zu] repeats %s[%u]", b->file, b->merges_at, rank,
                            b->merges_at, t->by_pair[at] - 1);
    }
    return tsr_fail(b->err, TSR_ERR_LIMIT, "%s: too many merges collide, at %s[%zu]", b->file, b->merges_at, rank);
}

static tsr_status index_merges(tsri_vocab *b)
{
    tsr_tokenizer *t = b->t;
    tsr_status st = TSR_OK;
    t->n_pair_slots = power_of_two_above(2 * t->n_merges);
    t->by_pair = tsr_calloc(t->n_pair_slots, sizeof *t->by_pair);
    if (!t->by_pair) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s: merges", b->file);
    for (size_t i = 0; i < t->n_merges && st == TSR_OK; i++) {
        const tsri_merge *m = t->merges + i;
        /* Text must never become a control token, whatever a file says. */
        if (t->tokens[m->whole].flags & TSRI_TOKEN_CONTROL) continue;
        if ((t->tokens[m->left].flags | t->tokens[m->right].flags) & TSRI_TOKEN_BYTE) t->whole_text = true;
        if (m->left == t->unk || m->right == t->unk) t->whole_text = true;
        st = insert_pair(b, i);
    }
    return st;
}

int32_t tsri_tokenizer_merge(const tsr_tokenizer *t, int32_t left, int32_t right)
{
    size_t at = pair_slot(t, left, right);
    for (; t->by_pair[at]; at = (at + 1) & (t->n_pair_slots - 1)) {
        const tsri_merge *m = t->merges + t->by_pair[at] - 1;
        if (m->left == left && m->right == right) return (int32_t)(t->by_pair[at] - 1);
    }
    return -1;
}

/* ---- What follows from all of it ---- */

static void find_bytes(tsr_tokenizer *t)
{
    char name[8];
    for (int b = 0; b < 256; b++) {
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        t->byte_id[b] = tsri_tokenizer_find(t, name, 6, "", 0);
        if (t->byte_id[b] < 0 || !t->byte_fallback) t->whole_text = true; /* unknown characters may fuse */
    }
}

uint32_t tsri_pair_bit(uint32_t a, uint32_t b)
{
    uint64_t h = ((uint64_t)a << 21 | b) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> (64 - TSRI_PAIR_BITS));
}

static tsr_status mark_pairs(tsri_vocab *b)
{
    tsr_tokenizer *t = b->t;
    t->pairs = tsr_calloc((size_t)1 << (TSRI_PAIR_BITS - 3), 1);
    if (!t->pairs) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s: pairs", b->file);
    for (size_t id = 0; id < t->n_ids; id++) {
        const char *s = t->names + t->tokens[id].at;
        uint32_t before = 0, cp = 0;
        bool ok;
        for (size_t at = 0; at < t->tokens[id].len; before = cp) {
            size_t n = tsr_utf8_read(s + at, t->tokens[id].len - at, &cp, &ok);
            uint32_t bit = tsri_pair_bit(before, cp);
            if (at) t->pairs[bit >> 3] |= (uint8_t)(1u << (bit & 7));
            at += n;
        }
    }
    return TSR_OK;
}

/* Names were given room for what their source could hold at most. */
static void trim_names(tsr_tokenizer *t)
{
    char *fits = tsr_realloc(t->names, t->names_len);
    if (!fits) return;
    t->names = fits;
    t->names_cap = t->names_len;
}

tsr_status tsri_vocab_finish(tsri_vocab *b)
{
    tsr_status st = index_merges(b);
    if (st == TSR_OK) st = mark_pairs(b);
    if (st == TSR_OK) find_bytes(b->t);
    if (st == TSR_OK) trim_names(b->t);
    return st;
}
