/* tokenizer_load.c: a tokenizer.json becomes the tables of tokenizer_internal.h.
 *
 * One pass finds the big values (vocabulary, merges), which are then read in place; the small ones
 * go through tsr_json. Everything is checked here, so that encoding and decoding need no checks. */
#include <stdio.h>
#include <string.h>

#include "tokenizer_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

enum {
    MAX_PROBES = 4096,       /* a table that needs more was made to collide */
    MAX_PART_BYTES = 1 << 16, /* of one side of a merge */
    QUOTE_BYTES = 48
};

/* The values of the file that matter. len 0: absent. */
typedef struct layout {
    tsri_span normalizer, pre_tokenizer, decoder, added, model;
    tsri_span type, dropout, unk, prefix, suffix, fuse, fallback, ignore, vocab, merges;
} layout;

typedef struct loader {
    tsr_tokenizer *t;
    const char *text, *name;
    size_t len;
    layout where;
    size_t tokens_cap, merges_cap;
    char *part; /* [2 * MAX_PART_BYTES] */
    tsr_error *err;
} loader;

typedef struct known_key {
    const char *key;
    size_t offset; /* of its span in layout */
} known_key;

static const known_key top_keys[] = {
    {"normalizer", offsetof(layout, normalizer)}, {"pre_tokenizer", offsetof(layout, pre_tokenizer)},
    {"decoder", offsetof(layout, decoder)},       {"added_tokens", offsetof(layout, added)},
    {"model", offsetof(layout, model)},
};
static const known_key model_keys[] = {
    {"type", offsetof(layout, type)},
    {"dropout", offsetof(layout, dropout)},
    {"unk_token", offsetof(layout, unk)},
    {"continuing_subword_prefix", offsetof(layout, prefix)},
    {"end_of_word_suffix", offsetof(layout, suffix)},
    {"fuse_unk", offsetof(layout, fuse)},
    {"byte_fallback", offsetof(layout, fallback)},
    {"ignore_merges", offsetof(layout, ignore)},
    {"vocab", offsetof(layout, vocab)},
    {"merges", offsetof(layout, merges)},
};

/* Text of a file for an error message: short, printable. */
static const char *quote(char out[QUOTE_BYTES + 1], const char *s, size_t len)
{
    size_t n = len < QUOTE_BYTES ? len : QUOTE_BYTES;
    for (size_t i = 0; i < n; i++) out[i] = s[i] >= 0x20 && s[i] < 0x7F ? s[i] : '?';
    out[n] = '\0';
    return out;
}

static tsri_pull pull_at(const loader *l, tsri_span s)
{
    return (tsri_pull){.text = l->text, .len = s.at + s.len, .at = s.at, .name = l->name, .err = l->err};
}

static tsr_status find_values(loader *l, tsri_span in, const known_key *keys, size_t n_keys)
{
    tsri_pull p = pull_at(l, in);
    bool first = true;
    char key[32];
    size_t key_len;

    tsri_pull_take(&p, '{');
    while (tsri_pull_more(&p, &first, '}')) {
        tsri_span value;
        if (!tsri_pull_key(&p, key, sizeof key, &key_len)) break;
        value = tsri_pull_skip(&p);
        for (size_t i = 0; i < n_keys && p.status == TSR_OK; i++) {
            tsri_span *s = (tsri_span *)(void *)((char *)&l->where + keys[i].offset);
            if (strcmp(key, keys[i].key) != 0) continue;
            if (s->len) tsri_pull_fail(&p, TSR_ERR_MODEL, "a key stands twice");
            *s = value;
        }
    }
    if (p.status == TSR_OK && tsri_pull_peek(&p) != 0) tsri_pull_fail(&p, TSR_ERR_MODEL, "text after the end");
    return p.status;
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

static bool grow_tokens(loader *l, size_t n)
{
    size_t cap = l->tokens_cap ? l->tokens_cap : 1024, bytes;
    tsri_token *grown;
    while (cap < n) cap *= 2;
    if (cap != l->tokens_cap) {
        if (!tsr_mul_size(&bytes, cap, sizeof *grown)) return false;
        grown = tsr_realloc(l->t->tokens, bytes);
        if (!grown) return false;
        memset(grown + l->tokens_cap, 0, (cap - l->tokens_cap) * sizeof *grown);
        l->t->tokens = grown;
        l->tokens_cap = cap;
    }
    if (n > l->t->n_ids) l->t->n_ids = n;
    return true;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* Give the name at the end of `names` to an id that has none. */
static tsr_status name_token(loader *l, size_t id, size_t len, unsigned flags)
{
    tsr_tokenizer *t = l->t;
    const char *s = t->names + t->names_len;
    tsri_token *k;

    if (!grow_tokens(l, id + 1)) return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s: %zu ids", l->name, id + 1);
    k = t->tokens + id;
    k->at = (uint32_t)t->names_len;
    k->len = (uint32_t)len;
    k->flags = (uint8_t)(TSRI_TOKEN_PRESENT | flags);
    if (len == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' && hex_of(s[3]) >= 0 && hex_of(s[4]) >= 0) {
        k->flags |= TSRI_TOKEN_BYTE;
        k->byte = (uint8_t)(hex_of(s[3]) << 4 | hex_of(s[4]));
    }
    t->names_len += len;
    return TSR_OK;
}

static tsr_status read_vocab(loader *l, size_t *n_entries)
{
    tsri_pull p = pull_at(l, l->where.vocab);
    tsr_tokenizer *t = l->t;
    bool first = true;
    tsr_status st = TSR_OK;

    tsri_pull_take(&p, '{');
    for (*n_entries = 0; st == TSR_OK && tsri_pull_more(&p, &first, '}'); ++*n_entries) {
        size_t len = tsri_pull_string(&p, t->names + t->names_len, t->names_cap - t->names_len);
        size_t id;
        tsri_pull_take(&p, ':');
        id = (size_t)tsri_pull_int(&p);
        if (p.status != TSR_OK) break;
        if (len == 0 || !tsr_utf8_valid(t->names + t->names_len, len))
            return tsri_pull_fail(&p, TSR_ERR_MODEL, "an entry without text or not in UTF-8");
        if (id >= TSR_TOKENIZER_MAX_IDS)
            return tsri_pull_fail(&p, TSR_ERR_MODEL, "an id out of range (at most 4194303)");
        if (id < t->n_ids && t->tokens[id].flags)
            return tsri_pull_fail(&p, TSR_ERR_MODEL, "an id that another entry has");
        st = name_token(l, id, len, 0);
    }
    if (p.status == TSR_OK && st == TSR_OK && *n_entries == 0)
        tsri_pull_fail(&p, TSR_ERR_MODEL, "an empty vocabulary");
    return p.status != TSR_OK ? p.status : st;
}

static size_t power_of_two_above(size_t n)
{
    size_t p = 16;
    while (p < n) p *= 2;
    return p;
}

static tsr_status insert_name(loader *l, size_t id)
{
    tsr_tokenizer *t = l->t;
    const tsri_token *k = t->tokens + id;
    size_t mask = t->n_name_slots - 1;
    size_t at = tsri_hash_end(tsri_hash_more(TSRI_HASH_START, t->names + k->at, k->len)) & mask;
    char q[QUOTE_BYTES + 1];

    for (size_t probes = 0; probes < MAX_PROBES; probes++, at = (at + 1) & mask) {
        uint32_t other = t->by_name[at];
        if (other == 0) {
            t->by_name[at] = (uint32_t)id + 1;
            return TSR_OK;
        }
        if (t->tokens[other - 1].len == k->len &&
            memcmp(t->names + t->tokens[other - 1].at, t->names + k->at, k->len) == 0)
            return tsr_fail(l->err, TSR_ERR_MODEL, "%s: vocab: ids %u and %zu are both \"%s\"", l->name, other - 1, id,
                            quote(q, t->names + k->at, k->len));
    }
    return tsr_fail(l->err, TSR_ERR_LIMIT, "%s: vocab: too many entries collide, near \"%s\"", l->name,
                    quote(q, t->names + k->at, k->len));
}

static tsr_status index_names(loader *l, size_t n_names)
{
    tsr_tokenizer *t = l->t;
    tsr_status st = TSR_OK;
    t->n_name_slots = power_of_two_above(2 * n_names);
    t->by_name = tsr_calloc(t->n_name_slots, sizeof *t->by_name);
    if (!t->by_name) return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s: names", l->name);
    for (size_t id = 0; id < t->n_ids && st == TSR_OK; id++)
        if (t->tokens[id].flags) st = insert_name(l, id);
    return st;
}

/* ---- Added tokens ---- */

/* The model's own control tokens (spec 1.4): control even where a file forgets to mark them. */
static bool is_control_name(const char *s, size_t len)
{
    static const char *const names[] = {
        "<pad>",          "<eos>",           "<bos>",       "<unk>",       "<|tool>",   "<tool|>",   "<|tool_call>",
        "<tool_call|>",   "<|tool_response>", "<tool_response|>", "<|\"|>", "<|think|>", "<|channel>", "<channel|>",
        "<|turn>",        "<turn|>",         "<|image>",    "<|audio>",    "<|image|>", "<|audio|>", "<image|>",
        "<audio|>",       "<|video|>",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0) return true;
    return false;
}

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

static tsr_status name_added(loader *l, size_t i, const char *s, size_t len, size_t id)
{
    tsr_tokenizer *t = l->t;
    tsr_status st;
    if (id < t->n_ids && t->tokens[id].flags)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: added_tokens[%zu]: id %zu belongs to another entry", l->name, i, id);
    if (len > t->names_cap - t->names_len) return tsr_fail(l->err, TSR_ERR_BUG, "%s: names overflow", l->name);
    memcpy(t->names + t->names_len, s, len);
    st = name_token(l, id, len, 0);
    return st == TSR_OK ? insert_name(l, id) : st;
}

static tsr_status read_added(loader *l, size_t i, const tsr_json *v)
{
    static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
    tsr_tokenizer *t = l->t;
    size_t len = 0, id;
    const char *s = tsr_json_string(tsr_json_get(v, "content"), &len);
    bool special = false, normalized = false, flag;
    int32_t known;
    tsr_status st = TSR_OK;

    if (!s || len == 0 || len > TSR_TOKENIZER_MAX_ADDED_BYTES)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: added_tokens[%zu]: content must be 1 to %d bytes", l->name, i,
                        TSR_TOKENIZER_MAX_ADDED_BYTES);
    if (!tsr_json_to_size(tsr_json_get(v, "id"), &id) || id >= TSR_TOKENIZER_MAX_IDS)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: added_tokens[%zu]: id missing or out of range", l->name, i);
    for (size_t k = 0; k < sizeof unsupported / sizeof *unsupported; k++)
        if (tsr_json_to_bool(tsr_json_get(v, unsupported[k]), &flag) && flag)
            return tsr_fail(l->err, TSR_ERR_UNSUPPORTED, "%s: added_tokens[%zu]: %s", l->name, i, unsupported[k]);
    tsr_json_to_bool(tsr_json_get(v, "special"), &special);
    normalized = !special;
    tsr_json_to_bool(tsr_json_get(v, "normalized"), &normalized);

    known = tsri_tokenizer_find(t, s, len, "", 0);
    if (known >= 0 && (size_t)known != id)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: added_tokens[%zu]: id %zu, but the vocabulary says %d", l->name, i,
                        id, (int)known);
    if (known < 0) st = name_added(l, i, s, len, id);
    if (st != TSR_OK) return st;
    if (special || is_control_name(s, len)) t->tokens[id].flags |= TSRI_TOKEN_CONTROL;
    if (t->tokens[id].flags & TSRI_TOKEN_ADDED) return TSR_OK;
    t->tokens[id].flags |= TSRI_TOKEN_ADDED;
    return normalized ? trie_add_normalized(&t->normalized, s, len, (int32_t)id, l->err)
                      : trie_add(&t->raw, s, len, (int32_t)id, l->err);
}

static tsr_status read_all_added(loader *l, const tsr_json *list)
{
    tsr_status st = TSR_OK;
    size_t n = tsr_json_len(list);
    if (n > TSR_TOKENIZER_MAX_ADDED)
        return tsr_fail(l->err, TSR_ERR_LIMIT, "%s: added_tokens: %zu, at most %d", l->name, n, TSR_TOKENIZER_MAX_ADDED);
    for (size_t i = 0; i < n && st == TSR_OK; i++) st = read_added(l, i, tsr_json_at(list, i));
    return st;
}

/* ---- Merges ---- */

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

/* Read `["a","b"]` or `"a b"`; false after a failure. */
static bool read_parts(loader *l, tsri_pull *p, const char **a, size_t *a_len, const char **b, size_t *b_len)
{
    *a = l->part;
    if (tsri_pull_peek(p) == '[') {
        p->at++;
        *a_len = tsri_pull_string(p, l->part, MAX_PART_BYTES);
        tsri_pull_take(p, ',');
        *b = l->part + *a_len;
        *b_len = tsri_pull_string(p, l->part + *a_len, MAX_PART_BYTES);
        tsri_pull_take(p, ']');
    } else {
        size_t n = tsri_pull_string(p, l->part, MAX_PART_BYTES);
        char *cut = memchr(l->part, ' ', n);
        if (p->status == TSR_OK && (!cut || memchr(cut + 1, ' ', n - (size_t)(cut + 1 - l->part))))
            tsri_pull_fail(p, TSR_ERR_MODEL, "a merge is two entries with one space between them");
        if (p->status != TSR_OK) return false;
        *a_len = (size_t)(cut - l->part);
        *b = cut + 1;
        *b_len = n - *a_len - 1;
    }
    return p->status == TSR_OK;
}

static tsr_status grow_merges(loader *l)
{
    size_t cap = l->merges_cap ? l->merges_cap * 2 : 4096, bytes;
    tsri_merge *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(l->t->merges, bytes) : NULL;
    if (!grown) return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s: %zu merges", l->name, cap);
    l->t->merges = grown;
    l->merges_cap = cap;
    return TSR_OK;
}

static tsr_status read_merges(loader *l)
{
    tsri_pull p = pull_at(l, l->where.merges);
    tsr_tokenizer *t = l->t;
    bool first = true;

    tsri_pull_take(&p, '[');
    while (tsri_pull_more(&p, &first, ']')) {
        const char *a, *b;
        size_t a_len, b_len;
        tsri_merge m;
        if (!read_parts(l, &p, &a, &a_len, &b, &b_len)) break;
        m.left = tsri_tokenizer_find(t, a, a_len, "", 0);
        m.right = tsri_tokenizer_find(t, b, b_len, "", 0);
        m.whole = tsri_tokenizer_find(t, a, a_len, b, b_len);
        if (m.left < 0 || m.right < 0) return tsri_pull_fail(&p, TSR_ERR_MODEL, "a merge of what is no entry");
        if (m.whole < 0) return tsri_pull_fail(&p, TSR_ERR_MODEL, "a merge whose result is no entry");
        if (t->n_merges == l->merges_cap && grow_merges(l) != TSR_OK) return TSR_ERR_NOMEM;
        t->merges[t->n_merges++] = m;
    }
    return p.status;
}

static size_t pair_slot(const tsr_tokenizer *t, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return tsri_hash_end(key * 0xD6E8FEB86659FD93u) & (t->n_pair_slots - 1);
}

static tsr_status insert_pair(loader *l, size_t rank)
{
    tsr_tokenizer *t = l->t;
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
            return tsr_fail(l->err, TSR_ERR_MODEL, "%s: merges[%zu] repeats merges[%u]", l->name, rank,
                            t->by_pair[at] - 1);
    }
    return tsr_fail(l->err, TSR_ERR_LIMIT, "%s: too many merges collide, at merges[%zu]", l->name, rank);
}

static tsr_status index_merges(loader *l)
{
    tsr_tokenizer *t = l->t;
    tsr_status st = TSR_OK;
    t->n_pair_slots = power_of_two_above(2 * t->n_merges);
    t->by_pair = tsr_calloc(t->n_pair_slots, sizeof *t->by_pair);
    if (!t->by_pair) return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s: merges", l->name);
    for (size_t i = 0; i < t->n_merges && st == TSR_OK; i++) {
        const tsri_merge *m = t->merges + i;
        /* Text must never become a control token, whatever a file says. */
        if (t->tokens[m->whole].flags & TSRI_TOKEN_CONTROL) continue;
        if ((t->tokens[m->left].flags | t->tokens[m->right].flags) & TSRI_TOKEN_BYTE) t->whole_text = true;
        if (m->left == t->unk || m->right == t->unk) t->whole_text = true;
        st = insert_pair(l, i);
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

/* ---- Settings ---- */

static bool string_is(const tsr_json *v, const char *want)
{
    size_t len;
    const char *s = tsr_json_string(v, &len);
    return s && len == strlen(want) && memcmp(s, want, len) == 0;
}

static bool type_is(const tsr_json *v, const char *want)
{
    return string_is(tsr_json_get(v, "type"), want);
}

static bool is_replace(const tsr_json *v, const char *from, const char *to)
{
    return type_is(v, "Replace") && string_is(tsr_json_get(tsr_json_get(v, "pattern"), "String"), from) &&
           string_is(tsr_json_get(v, "content"), to);
}

static bool normalizer_ok(const tsr_json *v)
{
    const tsr_json *list = tsr_json_get(v, "normalizers");
    if (type_is(v, "Sequence") && tsr_json_len(list) == 1) v = tsr_json_at(list, 0);
    return is_replace(v, " ", TSRI_SPACE);
}

/* After the normalizer no space is left, so that splitting at spaces does nothing. */
static bool pre_tokenizer_ok(const tsr_json *v)
{
    bool invert = false;
    if (tsr_json_is_null(v)) return true;
    tsr_json_to_bool(tsr_json_get(v, "invert"), &invert);
    return type_is(v, "Split") && string_is(tsr_json_get(tsr_json_get(v, "pattern"), "String"), " ") && !invert;
}

static bool decoder_ok(const tsr_json *v)
{
    const tsr_json *d = tsr_json_get(v, "decoders");
    return type_is(v, "Sequence") && tsr_json_len(d) == 3 && is_replace(tsr_json_at(d, 0), TSRI_SPACE, " ") &&
           type_is(tsr_json_at(d, 1), "ByteFallback") && type_is(tsr_json_at(d, 2), "Fuse");
}

/* Parse one small value; an absent one gives NULL. */
static tsr_status parse_span(const loader *l, tsri_span s, const char *what, tsr_json **out)
{
    char name[128];
    *out = NULL;
    if (!s.len) return TSR_OK;
    snprintf(name, sizeof name, "%.80s: %s", l->name, what);
    return tsr_json_parse(out, l->text + s.at, s.len, name, l->err);
}

static tsr_status check_part(const loader *l, tsri_span s, const char *what, bool (*ok)(const tsr_json *), bool needed)
{
    tsr_json *v;
    size_t len = 0;
    const char *type;
    char q[QUOTE_BYTES + 1];
    tsr_status st = parse_span(l, s, what, &v);
    if (st == TSR_OK && (v || needed) && !ok(v)) {
        type = tsr_json_string(tsr_json_get(v, "type"), &len);
        st = tsr_fail(l->err, TSR_ERR_UNSUPPORTED, "%s: %s of type \"%s\" in a form that isn't supported", l->name, what,
                      quote(q, type ? type : "none", type ? len : 4));
    }
    tsr_json_free(v);
    return st;
}

static bool is_bpe(const tsr_json *v) { return string_is(v, "BPE"); }
static bool is_off(const tsr_json *v)
{
    bool on = false;
    double x = 0;
    size_t len = 0;
    tsr_json_to_bool(v, &on);
    tsr_json_to_double(v, &x);
    tsr_json_string(v, &len);
    return !on && x == 0 && len == 0;
}

static tsr_status read_bool(const loader *l, tsri_span s, const char *what, bool *out)
{
    tsr_json *v;
    tsr_status st = parse_span(l, s, what, &v);
    if (v && !tsr_json_to_bool(v, out)) st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: %s: true or false expected", l->name, what);
    tsr_json_free(v);
    return st;
}

static tsr_status check_settings(loader *l)
{
    const layout *w = &l->where;
    tsr_status st = TSR_OK;
    if (!w->vocab.len || !w->merges.len)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: model: no \"%s\"", l->name, w->vocab.len ? "merges" : "vocab");
    if (w->type.len) st = check_part(l, w->type, "model type", is_bpe, true); /* very old files leave it out */
    if (st == TSR_OK) st = check_part(l, w->normalizer, "normalizer", normalizer_ok, true);
    if (st == TSR_OK) st = check_part(l, w->pre_tokenizer, "pre_tokenizer", pre_tokenizer_ok, false);
    if (st == TSR_OK) st = check_part(l, w->decoder, "decoder", decoder_ok, true);
    if (st == TSR_OK) st = check_part(l, w->dropout, "model dropout", is_off, false);
    if (st == TSR_OK) st = check_part(l, w->prefix, "model continuing_subword_prefix", is_off, false);
    if (st == TSR_OK) st = check_part(l, w->suffix, "model end_of_word_suffix", is_off, false);
    if (st == TSR_OK) st = check_part(l, w->ignore, "model ignore_merges", is_off, false);
    if (st == TSR_OK) st = read_bool(l, w->fallback, "model byte_fallback", &l->t->byte_fallback);
    if (st == TSR_OK) st = read_bool(l, w->fuse, "model fuse_unk", &l->t->fuse_unk);
    return st;
}

static tsr_status read_unk(loader *l)
{
    tsr_json *v;
    size_t len = 0;
    const char *s;
    tsr_status st = parse_span(l, l->where.unk, "model unk_token", &v);
    s = tsr_json_string(v, &len);
    l->t->unk = s ? tsri_tokenizer_find(l->t, s, len, "", 0) : -1;
    if (s && l->t->unk < 0) st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: unk_token is no entry", l->name);
    tsr_json_free(v);
    return st;
}

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

static tsr_status mark_pairs(loader *l)
{
    tsr_tokenizer *t = l->t;
    t->pairs = tsr_calloc((size_t)1 << (TSRI_PAIR_BITS - 3), 1);
    if (!t->pairs) return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s: pairs", l->name);
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

/* ---- Entry points ---- */

static tsr_status load(loader *l)
{
    tsr_tokenizer *t = l->t;
    tsri_span all = {0, l->len};
    tsr_json *added = NULL;
    size_t n_entries = 0;
    tsr_status st = find_values(l, all, top_keys, sizeof top_keys / sizeof *top_keys);

    if (st == TSR_OK && !l->where.model.len) st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: no \"model\"", l->name);
    if (st == TSR_OK) st = find_values(l, l->where.model, model_keys, sizeof model_keys / sizeof *model_keys);
    if (st == TSR_OK) st = check_settings(l);
    if (st == TSR_OK) st = parse_span(l, l->where.added, "added_tokens", &added);
    if (st != TSR_OK) goto done;

    /* An unescaped string is never longer than its source. */
    t->names_cap = l->where.vocab.len + l->where.added.len + TSR_UTF8_MAX;
    t->names = tsr_alloc(t->names_cap);
    l->part = tsr_alloc(2 * MAX_PART_BYTES);
    if (!t->names || !l->part) {
        st = tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", l->name, t->names_cap);
        goto done;
    }
    st = read_vocab(l, &n_entries);
    if (st == TSR_OK) st = index_names(l, n_entries + tsr_json_len(added));
    if (st == TSR_OK) st = read_all_added(l, added);
    if (st == TSR_OK) st = read_unk(l);
    if (st == TSR_OK) st = read_merges(l);
    if (st == TSR_OK) st = index_merges(l);
    if (st == TSR_OK) st = mark_pairs(l);
    if (st == TSR_OK) find_bytes(t);
done:
    tsr_json_free(added);
    tsr_free(l->part);
    return st;
}

tsr_status tsr_tokenizer_open_bytes(tsr_tokenizer **out, const void *json, size_t len, const char *name,
                                    tsr_error *err)
{
    loader l = {.text = json, .len = len, .name = name, .err = err};
    tsr_status st;

    *out = NULL;
    if (len > TSR_TOKENIZER_MAX_BYTES)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu bytes, at most %d", name, len, TSR_TOKENIZER_MAX_BYTES);
    l.t = tsr_calloc(1, sizeof *l.t);
    if (!l.t) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    memset(l.t->raw.root, 0xFF, sizeof l.t->raw.root);
    memset(l.t->normalized.root, 0xFF, sizeof l.t->normalized.root);
    st = load(&l);
    if (st == TSR_OK) {
        *out = l.t;
        l.t = NULL;
    }
    tsr_tokenizer_close(l.t);
    return st;
}

tsr_status tsr_tokenizer_open(tsr_tokenizer **out, const char *path, tsr_error *err)
{
    tsr_mapping m = {0};
    tsr_status st;
    *out = NULL;
    st = tsr_file_map(&m, path, err);
    if (st == TSR_OK) st = tsr_tokenizer_open_bytes(out, m.bytes.data, m.bytes.len, path, err);
    tsr_file_unmap(&m);
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
