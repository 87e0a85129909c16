/* tokenizer_export.c: an open tokenizer as the metadata of a GGUF file; tokenizer_gguf.c reads it again. */
#include <stdio.h>
#include <string.h>

#include "tokenizer_build_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_tokenizer_export.h"

enum {
    FILLER_BYTES = 32, /* "[PADn]" for any size_t */
    MAX_CONFIG_BYTES = 1 << 24
};

static const float SCORE = -1000.0f; /* of every token, as the converter writes where merges say the order */

void tsr_tokenizer_export_deinit(tsr_tokenizer_export *e)
{
    tsr_free(e->tokens);
    tsr_free(e->scores);
    tsr_free(e->types);
    tsr_free(e->merges);
    tsr_free(e->normalized);
    tsr_free(e->merge_text);
    tsr_free(e->filler_text);
    tsr_free(e->template_text);
    tsr_tokenizer_close(e->owned);
    memset(e, 0, sizeof *e);
}

/* ---- Tokens ---- */

static const tsri_token *token_at(const tsr_tokenizer *t, size_t id)
{
    return id < t->n_ids && t->tokens[id].flags ? t->tokens + id : NULL;
}

/* Control tokens that other programs shall print, so that what follows the model can take its text apart. */
static bool is_visible(const char *s, size_t len)
{
    static const char *const names[] = {"<|channel>",       "<channel|>",       "<|tool_call>", "<tool_call|>",
                                        "<|tool_response>", "<tool_response|>", "<|\"|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0) return true;
    return false;
}

static tsr_token_type type_of(const tsr_tokenizer *t, const tsri_token *k)
{
    if (!k) return TSR_TOKEN_UNUSED;
    if (k->flags & TSRI_TOKEN_BYTE) return TSR_TOKEN_BYTE;
    if (!(k->flags & TSRI_TOKEN_ADDED)) return TSR_TOKEN_NORMAL;
    if (k->flags & TSRI_TOKEN_CONTROL && !is_visible(t->names + k->at, k->len)) return TSR_TOKEN_CONTROL;
    return TSR_TOKEN_USER_DEFINED;
}

static tsr_status unsupported(tsr_error *err, const tsr_tokenizer *t, size_t id, const char *why)
{
    char q[TSRI_QUOTE_BYTES + 1];
    const tsri_token *k = t->tokens + id;
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "gguf: token %zu, \"%s\": %s", id,
                    tsri_quote(q, t->names + k->at, k->len), why);
}

/* What the types would turn into another tokenizer. */
static tsr_status check_tokens(const tsr_tokenizer *t, tsr_error *err)
{
    for (unsigned b = 0; b < 256; b++)
        if (!t->byte_fallback || t->byte_id[b] < 0)
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "gguf: a tokenizer without a token for byte 0x%02X", b);
    for (size_t id = 0; id < t->n_ids; id++)
        if (token_at(t, id) && (t->tokens[id].flags & TSRI_TOKEN_BYTE) && (t->tokens[id].flags & TSRI_TOKEN_ADDED))
            return unsupported(err, t, id, "an added token that stands for a byte");
    for (size_t i = 0; tsri_control_names[i]; i++) {
        int32_t id = tsr_tokenizer_id_of(t, tsri_control_names[i]);
        if (id >= 0 && !(t->tokens[id].flags & TSRI_TOKEN_ADDED))
            return unsupported(err, t, (size_t)id, "a control token that isn't among the added tokens");
    }
    return TSR_OK;
}

static tsr_status name_filler(const tsr_tokenizer *t, size_t id, char *dst, tsr_gguf_str *out, tsr_error *err)
{
    snprintf(dst, FILLER_BYTES, "[PAD%zu]", id);
    *out = (tsr_gguf_str){dst, strlen(dst)};
    if (tsr_tokenizer_id_of(t, dst) >= 0)
        return unsupported(err, t, (size_t)tsr_tokenizer_id_of(t, dst), "the name of a row without a token");
    return TSR_OK;
}

static tsr_status export_tokens(tsr_tokenizer_export *e, const tsr_tokenizer *t, tsr_error *err)
{
    size_t n_fillers = 0, n = e->n_tokens;
    tsr_status st;
    for (size_t id = 0; id < n; id++) n_fillers += !token_at(t, id);
    st = tsr_alloc_array(&e->tokens, n, sizeof *e->tokens, "tokens", err);
    if (st == TSR_OK) st = tsr_alloc_array(&e->scores, n, sizeof *e->scores, "scores", err);
    if (st == TSR_OK) st = tsr_alloc_array(&e->types, n, sizeof *e->types, "token types", err);
    if (st == TSR_OK) st = tsr_alloc_array(&e->filler_text, n_fillers, FILLER_BYTES, "unused tokens", err);
    n_fillers = 0;
    for (size_t id = 0; id < n && st == TSR_OK; id++) {
        const tsri_token *k = token_at(t, id);
        e->scores[id] = SCORE;
        e->types[id] = (int32_t)type_of(t, k);
        if (k) e->tokens[id] = (tsr_gguf_str){t->names + k->at, k->len};
        else st = name_filler(t, id, e->filler_text + FILLER_BYTES * n_fillers++, e->tokens + id, err);
    }
    return st;
}

static tsr_status export_normalized(tsr_tokenizer_export *e, const tsr_tokenizer *t, tsr_error *err)
{
    size_t n = 0;
    tsr_status st;
    for (size_t id = 0; id < t->n_ids; id++) n += (t->tokens[id].flags & TSRI_TOKEN_NORMALIZED) != 0;
    st = tsr_alloc_array(&e->normalized, n, sizeof *e->normalized, "normalized tokens", err);
    for (size_t id = 0; id < t->n_ids && st == TSR_OK; id++)
        if (t->tokens[id].flags & TSRI_TOKEN_NORMALIZED) e->normalized[e->n_normalized++] = (int32_t)id;
    return st;
}

/* ---- Merges ---- */

static tsr_status merge_bytes(const tsr_tokenizer *t, size_t *n_bytes, tsr_error *err)
{
    *n_bytes = 0;
    for (size_t i = 0; i < t->n_merges; i++) {
        const tsri_token *l = t->tokens + t->merges[i].left, *r = t->tokens + t->merges[i].right;
        /* The first space behind the first byte divides a merge. */
        if (memchr(t->names + l->at + 1, ' ', l->len - 1))
            return unsupported(err, t, (size_t)t->merges[i].left, "it merges, and holds a space");
        if (!tsr_add_size(n_bytes, *n_bytes, (size_t)l->len + r->len + 1))
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: merges");
    }
    return TSR_OK;
}

static tsr_status export_merges(tsr_tokenizer_export *e, const tsr_tokenizer *t, tsr_error *err)
{
    size_t n_bytes, at = 0;
    tsr_status st = merge_bytes(t, &n_bytes, err);
    if (st == TSR_OK) st = tsr_alloc_array(&e->merges, t->n_merges, sizeof *e->merges, "merges", err);
    if (st == TSR_OK) st = tsr_alloc_array(&e->merge_text, n_bytes, 1, "merges", err);
    for (size_t i = 0; i < t->n_merges && st == TSR_OK; i++) {
        const tsri_token *l = t->tokens + t->merges[i].left, *r = t->tokens + t->merges[i].right;
        char *s = e->merge_text + at;
        memcpy(s, t->names + l->at, l->len);
        s[l->len] = ' ';
        memcpy(s + l->len + 1, t->names + r->at, r->len);
        e->merges[e->n_merges++] = (tsr_gguf_str){s, (size_t)l->len + 1 + r->len};
        at += (size_t)l->len + 1 + r->len;
    }
    return st;
}

tsr_status tsr_tokenizer_export_init(tsr_tokenizer_export *e, const tsr_tokenizer *t, size_t n_rows, tsr_error *err)
{
    tsr_status st = check_tokens(t, err);
    *e = (tsr_tokenizer_export){.model = "gemma4", .n_tokens = n_rows ? n_rows : t->n_ids};
    if (st == TSR_OK && e->n_tokens < t->n_ids)
        st = tsr_fail(err, TSR_ERR_MODEL, "gguf: %zu token ids, but the embedding table has %zu rows", t->n_ids,
                      n_rows);
    if (st == TSR_OK && e->n_tokens > TSR_TOKENIZER_MAX_IDS)
        st = tsr_fail(err, TSR_ERR_LIMIT, "gguf: %zu rows of tokens, at most %d", n_rows, TSR_TOKENIZER_MAX_IDS);
    if (st == TSR_OK) st = export_tokens(e, t, err);
    if (st == TSR_OK) st = export_normalized(e, t, err);
    if (st == TSR_OK) st = export_merges(e, t, err);
    if (st != TSR_OK) tsr_tokenizer_export_deinit(e);
    return st;
}

/* ---- Roles ---- */

static const struct {
    const char *name, *number, *key; /* in tokenizer_config.json, in config.json, in the GGUF file */
} roles[TSR_TOKENIZER_MAX_ROLES] = {
    {"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
    {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
    {"sep_token", "sep_token_id", "tokenizer.ggml.seperator_token_id"}, /* so it is written */
    {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"},
    {"mask_token", "mask_token_id", "tokenizer.ggml.mask_token_id"},
};

static bool has_role(const tsr_tokenizer_export *e, const char *key)
{
    for (size_t i = 0; i < e->n_ids; i++)
        if (strcmp(e->ids[i].key, key) == 0) return true;
    return false;
}

/* "<bos>" or {"content": "<bos>", ...}; only an added token can have a role. */
static void role_by_name(tsr_tokenizer_export *e, const tsr_tokenizer *t, const tsr_json *v, const char *key)
{
    size_t len;
    const char *s = tsr_json_string(tsr_json_is_object(v) ? tsr_json_get(v, "content") : v, &len);
    int32_t id = s ? tsri_tokenizer_find(t, s, len, "", 0) : -1;
    if (id >= 0 && (t->tokens[id].flags & TSRI_TOKEN_ADDED))
        e->ids[e->n_ids++] = (tsr_tokenizer_role){key, (uint32_t)id};
}

tsr_status tsr_tokenizer_export_ids(tsr_tokenizer_export *e, const tsr_tokenizer *t, const tsr_json *tokenizer_config,
                                    const tsr_json *config, tsr_error *err)
{
    e->n_ids = 0;
    for (size_t i = 0; i < TSR_TOKENIZER_MAX_ROLES; i++)
        role_by_name(e, t, tsr_json_get(tokenizer_config, roles[i].name), roles[i].key);
    for (size_t i = 0; i < TSR_TOKENIZER_MAX_ROLES; i++) {
        const tsr_json *v = tsr_json_get_set(config, roles[i].number);
        int64_t id;
        if (!v) v = tsr_json_get(tsr_json_get(config, "text_config"), roles[i].number);
        if (has_role(e, roles[i].key) || !tsr_json_is_integer(v) || !tsr_json_to_i64(v, &id)) continue;
        if (id < 0 || !token_at(t, (size_t)id)) {
            e->n_ids = 0;
            return tsr_fail(err, TSR_ERR_MODEL, "config.json: %s: %lld is the id of no token", roles[i].number,
                            (long long)id);
        }
        e->ids[e->n_ids++] = (tsr_tokenizer_role){roles[i].key, (uint32_t)id};
    }
    return TSR_OK;
}

/* ---- A folder ---- */

typedef struct folder {
    const char *path;
    tsr_json *tokenizer_config, *config;
    tsr_error *err;
} folder;

static tsr_status join(const folder *f, const char *name, char **path)
{
    *path = tsr_path_join(f->path, name);
    return *path ? TSR_OK : tsr_fail(f->err, TSR_ERR_NOMEM, "out of memory: %s/%s", f->path, name);
}

/* A file that may be missing: *out stays NULL. */
static tsr_status read_json(const folder *f, const char *name, tsr_json **out)
{
    char *path;
    tsr_status st = join(f, name, &path);
    if (st == TSR_OK && tsr_file_exists(path)) st = tsr_json_parse_file(out, path, MAX_CONFIG_BYTES, f->err);
    tsr_free(path);
    return st;
}

static tsr_status open_tokenizer(const folder *f, tsr_tokenizer **out)
{
    char *path;
    tsr_status st = join(f, "tokenizer.json", &path);
    if (st == TSR_OK) st = tsr_tokenizer_open(out, path, f->err);
    tsr_free(path);
    return st;
}

/* The text itself, or that of the list's "default". */
static const char *template_in(const tsr_json *v, size_t *len)
{
    for (size_t i = 0; i < tsr_json_len(v); i++) {
        const char *name = tsr_json_string(tsr_json_get(tsr_json_at(v, i), "name"), NULL);
        if (name && strcmp(name, "default") == 0)
            return tsr_json_string(tsr_json_get(tsr_json_at(v, i), "template"), len);
    }
    return tsr_json_string(v, len);
}

static tsr_status read_template(const folder *f, tsr_tokenizer_export *e)
{
    const tsr_json *inside = tsr_json_get_set(f->tokenizer_config, "chat_template");
    size_t len = 0;
    const char *s = template_in(inside, &len);
    unsigned char *text = NULL;
    char *path = NULL;
    tsr_status st = TSR_OK;

    if (s) {
        e->template_text = tsr_strndup(s, len);
        if (!e->template_text) st = tsr_fail(f->err, TSR_ERR_NOMEM, "out of memory: %s: chat template", f->path);
    } else if (!inside) {
        st = join(f, "chat_template.jinja", &path);
        if (st == TSR_OK && tsr_file_exists(path)) st = tsr_file_read(&text, &len, path, MAX_CONFIG_BYTES, f->err);
        if (text && !tsr_utf8_valid((char *)text, len)) st = tsr_fail(f->err, TSR_ERR_MODEL, "%s: not in UTF-8", path);
        e->template_text = (char *)text;
        tsr_free(path);
    }
    if (e->template_text) e->chat_template = (tsr_gguf_str){e->template_text, len};
    return st;
}

tsr_status tsr_tokenizer_export_folder(tsr_tokenizer_export *e, const char *path, size_t n_rows, tsr_error *err)
{
    folder f = {.path = path, .err = err};
    tsr_tokenizer *t = NULL;
    tsr_status st = open_tokenizer(&f, &t);
    memset(e, 0, sizeof *e);
    if (st == TSR_OK) st = read_json(&f, "tokenizer_config.json", &f.tokenizer_config);
    if (st == TSR_OK) st = read_json(&f, "config.json", &f.config);
    if (st == TSR_OK) st = tsr_tokenizer_export_init(e, t, n_rows, err);
    e->owned = t;
    if (st == TSR_OK) st = tsr_tokenizer_export_ids(e, t, f.tokenizer_config, f.config, err);
    if (st == TSR_OK) st = read_template(&f, e);
    if (st != TSR_OK) tsr_tokenizer_export_deinit(e);
    tsr_json_free(f.tokenizer_config);
    tsr_json_free(f.config);
    return st;
}

void tsr_tokenizer_export_put(const tsr_tokenizer_export *e, tsr_gguf_writer *w)
{
    tsr_gguf_put_str(w, "tokenizer.ggml.model", e->model, strlen(e->model));
    tsr_gguf_put_strs(w, "tokenizer.ggml.tokens", e->tokens, e->n_tokens);
    tsr_gguf_put_array(w, "tokenizer.ggml.scores", TSR_GGUF_F32, e->scores, e->n_tokens);
    tsr_gguf_put_array(w, "tokenizer.ggml.token_type", TSR_GGUF_I32, e->types, e->n_tokens);
    tsr_gguf_put_strs(w, "tokenizer.ggml.merges", e->merges, e->n_merges);
    for (size_t i = 0; i < e->n_ids; i++) tsr_gguf_put_u32(w, e->ids[i].key, e->ids[i].id);
    tsr_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
    if (e->chat_template.data)
        tsr_gguf_put_str(w, "tokenizer.chat_template", e->chat_template.data, e->chat_template.len);
    tsr_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
    if (e->n_normalized)
        tsr_gguf_put_array(w, TSR_TOKENIZER_NORMALIZED_KEY, TSR_GGUF_I32, e->normalized, e->n_normalized);
}
