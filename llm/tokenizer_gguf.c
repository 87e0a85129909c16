/* tokenizer_gguf.c: the tokenizer.ggml.* keys of a GGUF file are read for tokenizer_build.c.
 *
 * Such a file holds less than a tokenizer.json: no normalizer, no decoder, no added tokens. They are fixed
 * by the tokenizer's kind ("gemma4": spaces as U+2581, byte fallback) and by the type of each token. What
 * would make another tokenizer of them than the published one is refused. */
#include <stdio.h>
#include <string.h>

#include "tokenizer_build_internal.h"
#include "tsr_tokenizer_export.h"

#define KEY(name) "tokenizer.ggml." name

enum { STR_HEAD_BYTES = 8 }; /* the length before each string of the file */

typedef struct walk {
    tsri_vocab b;
    const tsr_gguf *g;
    const tsr_gguf_value *tokens, *types, *merges;
    size_t n_added;
    tsr_error *err;
} walk;

static tsr_status bad(const walk *w, tsr_status st, const char *key, const char *why)
{
    const tsr_gguf_value *v = tsr_gguf_find(w->g, key);
    if (!v) return tsr_fail(w->err, st, "%s: key %s: %s", tsr_gguf_path(w->g), key, why);
    return tsr_fail(w->err, st, "%s: key %s at byte %zu: %s", tsr_gguf_path(w->g), key, v->at, why);
}

/* Element i of an array of strings or ids. */
static tsr_status bad_element(const walk *w, const char *key, size_t i, const char *why, const char *s, size_t len)
{
    char q[TSRI_QUOTE_BYTES + 1], what[TSR_ERROR_TEXT];
    snprintf(what, sizeof what, "element %zu, \"%s\": %s", i, tsri_quote(q, s, len), why);
    return bad(w, TSR_ERR_MODEL, key, what);
}

/* ---- Settings ---- */

static bool is(tsr_gguf_str s, const char *want)
{
    return s.len == strlen(want) && memcmp(s.data, want, s.len) == 0;
}

static tsr_status unknown_name(const walk *w, const char *key, tsr_gguf_str s)
{
    char q[TSRI_QUOTE_BYTES + 1], what[TSR_ERROR_TEXT];
    snprintf(what, sizeof what, "\"%s\" isn't supported, only \"gemma4\" is", tsri_quote(q, s.data, s.len));
    return bad(w, TSR_ERR_UNSUPPORTED, key, what);
}

/* The kind stands in `model`; a general BPE may name it in `pre`, which otherwise says nothing more. */
static tsr_status check_kind(const walk *w)
{
    tsr_gguf_str model = {0}, pre = {"default", 7};
    bool prefix = false;
    tsr_status st = tsr_gguf_get_str(w->g, KEY("model"), TSR_GGUF_REQUIRED, &model, w->err);
    if (st == TSR_OK) st = tsr_gguf_get_str(w->g, KEY("pre"), TSR_GGUF_OPTIONAL, &pre, w->err);
    if (st == TSR_OK) st = tsr_gguf_get_bool(w->g, KEY("add_space_prefix"), TSR_GGUF_OPTIONAL, &prefix, w->err);
    if (st != TSR_OK) return st;
    if (!is(model, "gemma4") && !(is(model, "gpt2") && is(pre, "gemma4"))) return unknown_name(w, KEY("model"), model);
    if (!is(pre, "gemma4") && !is(pre, "default")) return unknown_name(w, KEY("pre"), pre);
    if (prefix) return bad(w, TSR_ERR_UNSUPPORTED, KEY("add_space_prefix"), "a space before each text isn't supported");
    return TSR_OK;
}

static tsr_status find_array(const walk *w, const char *key, bool strings, const tsr_gguf_value **out)
{
    const char *wanted = strings ? "an array of strings expected" : "an array of whole numbers expected";
    int64_t number;
    const tsr_gguf_value *v = *out = tsr_gguf_find(w->g, key);
    if (!v) return bad(w, TSR_ERR_MODEL, key, "is missing");
    if (!v->is_array || (strings ? v->type != TSR_GGUF_STR : v->n && !tsr_gguf_value_i64(v, 0, &number)))
        return bad(w, TSR_ERR_MODEL, key, wanted);
    return TSR_OK;
}

static tsr_status check_length(const walk *w, const char *key, const tsr_gguf_value *v)
{
    char what[TSR_ERROR_TEXT];
    if (v->n == w->tokens->n) return TSR_OK;
    snprintf(what, sizeof what, "%zu elements for %zu tokens", v->n, w->tokens->n);
    return bad(w, TSR_ERR_MODEL, key, what);
}

/* Scores aren't used, since merges say more; but where they are, they are there for each token. */
static tsr_status check_scores(const walk *w)
{
    double x;
    int64_t number;
    const tsr_gguf_value *v = tsr_gguf_find(w->g, KEY("scores"));
    if (!v) return TSR_OK;
    if (!v->is_array || (v->n && !tsr_gguf_value_f64(v, 0, &x) && !tsr_gguf_value_i64(v, 0, &number)))
        return bad(w, TSR_ERR_MODEL, KEY("scores"), "an array of numbers expected");
    return check_length(w, KEY("scores"), v);
}

static tsr_status find_arrays(walk *w)
{
    tsr_status st = find_array(w, KEY("tokens"), true, &w->tokens);
    if (st == TSR_OK && w->tokens->n == 0) st = bad(w, TSR_ERR_MODEL, KEY("tokens"), "an empty vocabulary");
    if (st == TSR_OK && w->tokens->n > TSR_TOKENIZER_MAX_IDS)
        st = bad(w, TSR_ERR_LIMIT, KEY("tokens"), "more than 4194304 tokens");
    if (st == TSR_OK && w->tokens->n_bytes > TSR_TOKENIZER_MAX_BYTES)
        st = bad(w, TSR_ERR_LIMIT, KEY("tokens"), "more than 268435456 bytes");
    if (st == TSR_OK) st = find_array(w, KEY("token_type"), false, &w->types);
    if (st == TSR_OK) st = check_length(w, KEY("token_type"), w->types);
    if (st == TSR_OK) st = check_scores(w);
    if (st == TSR_OK && !tsr_gguf_find(w->g, KEY("merges")))
        return bad(w, TSR_ERR_UNSUPPORTED, KEY("merges"), "is missing, and scores don't tell the order of merges");
    if (st == TSR_OK) st = find_array(w, KEY("merges"), true, &w->merges);
    return st;
}

/* ---- Tokens ---- */

static tsr_token_type type_of(const walk *w, size_t id)
{
    int64_t type = 0;
    tsr_gguf_value_i64(w->types, id, &type);
    return type >= TSR_TOKEN_NORMAL && type <= TSR_TOKEN_BYTE ? (tsr_token_type)type : (tsr_token_type)0;
}

/* What writers put where a row of the table has no token. */
static bool is_filler(const walk *w, size_t id, tsr_gguf_str s)
{
    char name[32];
    if (type_of(w, id) != TSR_TOKEN_UNUSED) return false;
    snprintf(name, sizeof name, "[PAD%zu]", id);
    return is(s, name);
}

static tsr_status name_token(walk *w, size_t id, tsr_gguf_str s)
{
    tsr_tokenizer *t = w->b.t;
    const char *why = NULL;
    tsr_status st = TSR_OK;
    char what[TSR_ERROR_TEXT];

    if (!type_of(w, id)) {
        snprintf(what, sizeof what, "element %zu is no type of a token (1 to 6)", id);
        return bad(w, TSR_ERR_MODEL, KEY("token_type"), what);
    }
    if (is_filler(w, id, s)) return TSR_OK;
    memcpy(t->names + t->names_len, s.data, s.len);
    st = tsri_vocab_name(&w->b, id, s.len, &why);
    if (st == TSR_OK && type_of(w, id) == TSR_TOKEN_BYTE && !(t->tokens[id].flags & TSRI_TOKEN_BYTE))
        why = "of type BYTE, but not of the form <0xHH>";
    return why ? bad_element(w, KEY("tokens"), id, why, s.data, s.len) : st;
}

static tsr_status read_tokens(walk *w)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(w->tokens);
    tsr_gguf_str s;
    tsr_status st = tsri_vocab_names(&w->b, w->tokens->n_bytes - STR_HEAD_BYTES * w->tokens->n);
    for (size_t id = 0; st == TSR_OK && tsr_gguf_strs_next(&it, &s); id++) st = name_token(w, id, s);
    return st == TSR_OK ? tsri_vocab_index(&w->b, 0) : st;
}

/* ---- Added tokens ---- */

static tsr_status add(walk *w, size_t id, bool special, bool normalized)
{
    const tsri_token *k = w->b.t->tokens + id;
    const char *why = NULL;
    if (!(k->flags & TSRI_TOKEN_ADDED)) w->n_added++;
    if (k->len > TSR_TOKENIZER_MAX_ADDED_BYTES) why = "an added token may have 512 bytes";
    else if (w->n_added > TSR_TOKENIZER_MAX_ADDED) why = "more than 131072 added tokens";
    if (why) return bad_element(w, KEY("tokens"), id, why, w->b.t->names + k->at, k->len);
    return tsri_vocab_added(&w->b, id, special, normalized);
}

static bool is_special(const walk *w, size_t id)
{
    return type_of(w, id) == TSR_TOKEN_CONTROL || type_of(w, id) == TSR_TOKEN_UNKNOWN;
}

/* Our own writer says which are matched after the normalizer; where nobody says it, none is. */
static tsr_status add_normalized(walk *w)
{
    const tsr_gguf_value *v = NULL;
    tsr_status st = TSR_OK;
    int64_t id;
    if (!tsr_gguf_find(w->g, TSR_TOKENIZER_NORMALIZED_KEY)) return TSR_OK;
    st = find_array(w, TSR_TOKENIZER_NORMALIZED_KEY, false, &v);
    for (size_t i = 0; st == TSR_OK && i < v->n; i++) {
        if (!tsr_gguf_value_i64(v, i, &id) || id < 0 || (size_t)id >= w->b.t->n_ids || !w->b.t->tokens[id].flags)
            return bad(w, TSR_ERR_MODEL, TSR_TOKENIZER_NORMALIZED_KEY, "an id of no token");
        st = add(w, (size_t)id, is_special(w, (size_t)id), true);
    }
    return st;
}

/* Control tokens by their type, and the model's own by name: some are typed USER_DEFINED so that other
 * programs print them, and one is easily forgotten. */
static tsr_status add_all(walk *w)
{
    const tsr_tokenizer *t = w->b.t;
    tsr_status st = add_normalized(w);
    for (size_t id = 0; id < t->n_ids && st == TSR_OK; id++)
        if (t->tokens[id].flags && (is_special(w, id) || type_of(w, id) == TSR_TOKEN_USER_DEFINED))
            st = add(w, id, is_special(w, id), false);
    for (size_t i = 0; tsri_control_names[i] && st == TSR_OK; i++) {
        int32_t id = tsr_tokenizer_id_of(t, tsri_control_names[i]);
        if (id >= 0) st = add(w, (size_t)id, true, false);
    }
    return st;
}

/* ---- Merges ---- */

/* "left right": the first space that isn't the first byte divides them. */
static tsr_status read_merge(walk *w, size_t i, tsr_gguf_str s)
{
    const char *why = "a merge is two tokens with a space between them";
    const char *cut = s.len > 1 ? memchr(s.data + 1, ' ', s.len - 1) : NULL;
    tsr_status st = TSR_ERR_MODEL;
    if (cut) {
        size_t l_len = (size_t)(cut - s.data);
        st = tsri_vocab_merge(&w->b, s.data, l_len, cut + 1, s.len - l_len - 1, &why);
    }
    return why ? bad_element(w, KEY("merges"), i, why, s.data, s.len) : st;
}

static tsr_status read_merges(walk *w)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(w->merges);
    tsr_gguf_str s;
    tsr_status st = w->merges->n ? tsri_vocab_merges(&w->b, w->merges->n) : TSR_OK;
    for (size_t i = 0; st == TSR_OK && tsr_gguf_strs_next(&it, &s); i++) st = read_merge(w, i, s);
    return st;
}

/* ---- Ids of roles ---- */

/* Who needs such an id finds it by name; here a file that contradicts itself is refused. */
static tsr_status check_roles(const walk *w)
{
    static const char *const keys[] = {
        KEY("bos_token_id"),     KEY("eos_token_id"),  KEY("eot_token_id"),       KEY("eom_token_id"),
        KEY("unknown_token_id"), KEY("mask_token_id"), KEY("seperator_token_id"), KEY("padding_token_id"),
    };
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && st == TSR_OK; i++) {
        uint32_t id = UINT32_MAX;
        st = tsr_gguf_get_u32(w->g, keys[i], TSR_GGUF_OPTIONAL, &id, w->err);
        if (st != TSR_OK || !tsr_gguf_find(w->g, keys[i])) continue;
        if (id >= w->b.t->n_ids || !w->b.t->tokens[id].flags)
            st = bad(w, TSR_ERR_MODEL, keys[i], "the id of no token");
    }
    return st;
}

/* With all of them every character can be written, so that no text needs the unknown token. */
static tsr_status check_bytes(const walk *w)
{
    char what[64];
    for (unsigned b = 0; b < 256; b++) {
        if (w->b.t->byte_id[b] >= 0) continue;
        snprintf(what, sizeof what, "no token \"<0x%02X>\" for a byte", b);
        return bad(w, TSR_ERR_MODEL, KEY("tokens"), what);
    }
    return TSR_OK;
}

static tsr_status load(walk *w)
{
    tsr_status st = check_kind(w);
    w->b.t->byte_fallback = w->b.t->fuse_unk = true;
    if (st == TSR_OK) st = find_arrays(w);
    if (st == TSR_OK) st = read_tokens(w);
    if (st == TSR_OK) st = add_all(w);
    if (st == TSR_OK) st = check_roles(w);
    if (st == TSR_OK) st = read_merges(w);
    if (st == TSR_OK) st = tsri_vocab_finish(&w->b);
    if (st == TSR_OK) st = check_bytes(w);
    return st;
}

tsr_status tsr_tokenizer_open_gguf(tsr_tokenizer **out, const tsr_gguf *g, tsr_error *err)
{
    walk w = {.g = g, .err = err};
    tsr_status st;
    *out = NULL;
    st = tsri_vocab_begin(&w.b, tsr_gguf_path(g), KEY("tokens"), KEY("merges"), err);
    if (st == TSR_OK) st = load(&w);
    return tsri_vocab_end(&w.b, st, out);
}
