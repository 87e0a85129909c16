/* tokenizer_load.c: a tokenizer.json is read for tokenizer_build.c.
 *
 * One pass finds the big values (vocabulary, merges), which are then read in place; the small ones
 * go through tsr_json. */
#include <stdio.h>
#include <string.h>

#include "tokenizer_build_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

enum { MAX_PART_BYTES = 1 << 16 }; /* of one side of a merge */

/* The values of the file that matter. len 0: absent. */
typedef struct layout {
    tsri_span normalizer, pre_tokenizer, decoder, added, model;
    tsri_span type, dropout, unk, prefix, suffix, fuse, fallback, ignore, vocab, merges;
} layout;

typedef struct loader {
    tsri_vocab b;
    const char *text, *name;
    size_t len;
    layout where;
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

static tsr_status read_vocab(loader *l)
{
    tsri_pull p = pull_at(l, l->where.vocab);
    tsr_tokenizer *t = l->b.t;
    bool first = true;
    const char *why = NULL;
    tsr_status st = TSR_OK;

    tsri_pull_take(&p, '{');
    while (st == TSR_OK && tsri_pull_more(&p, &first, '}')) {
        size_t len = tsri_pull_string(&p, t->names + t->names_len, t->names_cap - t->names_len);
        size_t id;
        tsri_pull_take(&p, ':');
        id = (size_t)tsri_pull_int(&p);
        if (p.status != TSR_OK) break;
        st = tsri_vocab_name(&l->b, id, len, &why);
    }
    if (why) return tsri_pull_fail(&p, st, why);
    if (p.status == TSR_OK && st == TSR_OK && t->n_ids == 0) tsri_pull_fail(&p, TSR_ERR_MODEL, "an empty vocabulary");
    return p.status != TSR_OK ? p.status : st;
}

/* ---- Added tokens ---- */

/* An added token that the vocabulary doesn't have. */
static tsr_status name_added(loader *l, size_t i, const char *s, size_t len, size_t id)
{
    tsr_tokenizer *t = l->b.t;
    const char *why;
    tsr_status st;
    if (len > t->names_cap - t->names_len) return tsr_fail(l->err, TSR_ERR_BUG, "%s: names overflow", l->name);
    memcpy(t->names + t->names_len, s, len);
    st = tsri_vocab_name(&l->b, id, len, &why);
    if (why) return tsr_fail(l->err, st, "%s: added_tokens[%zu]: id %zu: %s", l->name, i, id, why);
    return st == TSR_OK ? tsri_vocab_index_name(&l->b, id) : st;
}

static tsr_status read_added(loader *l, size_t i, const tsr_json *v)
{
    static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
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

    known = tsri_tokenizer_find(l->b.t, s, len, "", 0);
    if (known >= 0 && (size_t)known != id)
        return tsr_fail(l->err, TSR_ERR_MODEL, "%s: added_tokens[%zu]: id %zu, but the vocabulary says %d", l->name, i,
                        id, (int)known);
    if (known < 0) st = name_added(l, i, s, len, id);
    return st == TSR_OK ? tsri_vocab_added(&l->b, id, special, normalized) : st;
}

static tsr_status read_all_added(loader *l, const tsr_json *list)
{
    tsr_status st = TSR_OK;
    size_t n = tsr_json_len(list);
    if (n > TSR_TOKENIZER_MAX_ADDED)
        return tsr_fail(l->err, TSR_ERR_LIMIT, "%s: added_tokens: %zu, at most %d", l->name, n,
                        TSR_TOKENIZER_MAX_ADDED);
    for (size_t i = 0; i < n && st == TSR_OK; i++) st = read_added(l, i, tsr_json_at(list, i));
    return st;
}

/* ---- Merges ---- */

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

static tsr_status read_merges(loader *l)
{
    tsri_pull p = pull_at(l, l->where.merges);
    bool first = true;
    const char *why = NULL;
    tsr_status st = TSR_OK;

    tsri_pull_take(&p, '[');
    while (st == TSR_OK && tsri_pull_more(&p, &first, ']')) {
        const char *a, *b;
        size_t a_len, b_len;
        if (!read_parts(l, &p, &a, &a_len, &b, &b_len)) break;
        st = tsri_vocab_merge(&l->b, a, a_len, b, b_len, &why);
    }
    if (why) return tsri_pull_fail(&p, st, why);
    return p.status != TSR_OK ? p.status : st;
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
    char q[TSRI_QUOTE_BYTES + 1];
    tsr_status st = parse_span(l, s, what, &v);
    if (st == TSR_OK && (v || needed) && !ok(v)) {
        type = tsr_json_string(tsr_json_get(v, "type"), &len);
        st = tsr_fail(l->err, TSR_ERR_UNSUPPORTED, "%s: %s of type \"%s\" in a form that isn't supported", l->name,
                      what, tsri_quote(q, type ? type : "none", type ? len : 4));
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
    if (v && !tsr_json_to_bool(v, out))
        st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: %s: true or false expected", l->name, what);
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
    if (st == TSR_OK) st = read_bool(l, w->fallback, "model byte_fallback", &l->b.t->byte_fallback);
    if (st == TSR_OK) st = read_bool(l, w->fuse, "model fuse_unk", &l->b.t->fuse_unk);
    return st;
}

static tsr_status read_unk(loader *l)
{
    tsr_json *v;
    size_t len = 0;
    const char *s;
    tsr_status st = parse_span(l, l->where.unk, "model unk_token", &v);
    s = tsr_json_string(v, &len);
    if (s) l->b.t->unk = tsri_tokenizer_find(l->b.t, s, len, "", 0);
    if (s && l->b.t->unk < 0) st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: unk_token is no entry", l->name);
    tsr_json_free(v);
    return st;
}

/* ---- Entry points ---- */

static tsr_status load(loader *l)
{
    tsri_span all = {0, l->len};
    tsr_json *added = NULL;
    tsr_status st = find_values(l, all, top_keys, sizeof top_keys / sizeof *top_keys);

    if (st == TSR_OK && !l->where.model.len) st = tsr_fail(l->err, TSR_ERR_MODEL, "%s: no \"model\"", l->name);
    if (st == TSR_OK) st = find_values(l, l->where.model, model_keys, sizeof model_keys / sizeof *model_keys);
    if (st == TSR_OK) st = check_settings(l);
    if (st == TSR_OK) st = parse_span(l, l->where.added, "added_tokens", &added);
    if (st == TSR_OK) st = tsr_alloc_array(&l->part, 2, MAX_PART_BYTES, l->name, l->err);
    /* An unescaped string is never longer than its source. */
    if (st == TSR_OK) st = tsri_vocab_names(&l->b, l->where.vocab.len + l->where.added.len + TSR_UTF8_MAX);
    if (st == TSR_OK) st = read_vocab(l);
    if (st == TSR_OK) st = tsri_vocab_index(&l->b, tsr_json_len(added));
    if (st == TSR_OK) st = read_all_added(l, added);
    if (st == TSR_OK) st = read_unk(l);
    if (st == TSR_OK) st = read_merges(l);
    if (st == TSR_OK) st = tsri_vocab_finish(&l->b);
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
    st = tsri_vocab_begin(&l.b, name, "vocab", "merges", err);
    if (st == TSR_OK) st = load(&l);
    return tsri_vocab_end(&l.b, st, out);
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
