/* generation.c: how a model wants to be sampled, from generation_config.json or from the keys of a GGUF file. Keys
 * that generation_config.json leaves out take transformers' defaults (GenerationConfig): greedy, temperature 1,
 * top_k 50, top_p 1. */
#include "generation.h"

#include <math.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

enum { MAX_FILE_BYTES = 4 << 20 };

typedef struct reader {
    const tsr_json *root;
    const char *path;
    size_t vocab;
    tsr_error *err;
} reader;

static tsr_status read_real(const reader *r, const char *key, double least, double most, double *out)
{
    const tsr_json *v = tsr_json_get_set(r->root, key);
    double x;
    if (!v)
        return TSR_OK;
    if (!tsr_json_to_double(v, &x) || !isfinite(x) || x < least || x > most)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %s is no number between %g and %g", r->path, key, least, most);
    *out = x;
    return TSR_OK;
}

static tsr_status add_id(const reader *r, const char *key, const tsr_json *v, int32_t *out)
{
    size_t id;
    if (!tsr_json_to_size(v, &id) || id >= r->vocab)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %s holds something that is no id below %zu", r->path, key, r->vocab);
    *out = (int32_t)id;
    return TSR_OK;
}

/* A single id or a list of them. */
static tsr_status read_ids(const reader *r, const char *key, int32_t **ids, size_t *n)
{
    const tsr_json *v = tsr_json_get_set(r->root, key);
    if (!v)
        return TSR_OK;
    bool single = tsr_json_is_integer(v);
    size_t len = single ? 1 : tsr_json_len(v);
    if (!single && !tsr_json_is_array(v))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %s is neither an id nor a list of ids", r->path, key);
    if (len > TSRI_MAX_LISTED_IDS)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %s lists more than %d ids", r->path, key, TSRI_MAX_LISTED_IDS);
    tsr_status st = tsr_alloc_array(ids, len, sizeof **ids, key, r->err);
    for (size_t i = 0; i < len && st == TSR_OK; i++)
        st = add_id(r, key, single ? v : tsr_json_at(v, i), &(*ids)[i]);
    *n = st == TSR_OK ? len : 0;
    return st;
}

static tsr_status read_all(tsri_generation *g, const reader *r)
{
    double top_k = 50;
    *g = (tsri_generation){.temperature = 1, .top_p = 1, .repetition_penalty = 1, .found = true};
    const tsr_json *sample = tsr_json_get_set(r->root, "do_sample");
    if (!tsr_json_is_object(r->root))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: is no JSON object", r->path);
    if (sample && !tsr_json_to_bool(sample, &g->do_sample))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: do_sample is neither true nor false", r->path);
    tsr_status st = read_real(r, "temperature", 0, 100, &g->temperature);
    if (st == TSR_OK)
        st = read_real(r, "top_p", 0, 1, &g->top_p);
    if (st == TSR_OK)
        st = read_real(r, "min_p", 0, 1, &g->min_p);
    if (st == TSR_OK)
        st = read_real(r, "top_k", 0, 1e9, &top_k);
    if (st == TSR_OK)
        st = read_real(r, "repetition_penalty", 1e-3, 100, &g->repetition_penalty);
    if (st == TSR_OK)
        st = read_ids(r, "eos_token_id", &g->eos, &g->n_eos);
    if (st == TSR_OK)
        st = read_ids(r, "suppress_tokens", &g->suppress, &g->n_suppress);
    g->top_k = (long)top_k;
    return st;
}

static const tsri_generation published = {
    .do_sample = true, .temperature = 1, .top_k = 64, .top_p = 0.95, .repetition_penalty = 1};

tsr_status tsri_generation_read(tsri_generation *out, const char *dir, size_t vocab, tsr_error *err)
{
    tsr_json *doc = NULL;
    *out = published;
    char *path = tsr_path_join(dir, "generation_config.json");
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
    tsr_status st = TSR_OK;
    if (!tsr_file_exists(path))
        goto done;
    st = tsr_json_parse_file(&doc, path, MAX_FILE_BYTES, err);
    if (st == TSR_OK) {
        reader r = {doc, path, vocab, err};
        st = read_all(out, &r);
    }
    if (st != TSR_OK)
        tsri_generation_deinit(out);
done:
    tsr_json_free(doc);
    tsr_free(path);
    return st;
}

/* ---- GGUF ---- */

static tsr_status get_real(const tsr_gguf *g, const char *key, float least, float most, double *out, tsr_error *err)
{
    float x = 0;
    tsr_status st = tsr_gguf_get_f32(g, key, TSR_GGUF_OPTIONAL, &x, err);
    if (st != TSR_OK || !tsr_gguf_find(g, key))
        return st;
    if (x < least || x > most)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is %g; expected a number between %g and %g", tsr_gguf_path(g),
                        key, (double)x, (double)least, (double)most);
    *out = (double)x;
    return TSR_OK;
}

static tsr_status get_sampling(tsri_generation *o, const tsr_gguf *g, tsr_error *err)
{
    double top_k = (double)o->top_k;
    tsr_status st = get_real(g, "general.sampling.temp", 0, 100, &o->temperature, err);
    if (st == TSR_OK)
        st = get_real(g, "general.sampling.top_k", 0, 1e9f, &top_k, err);
    if (st == TSR_OK)
        st = get_real(g, "general.sampling.top_p", 0, 1, &o->top_p, err);
    if (st == TSR_OK)
        st = get_real(g, "general.sampling.min_p", 0, 1, &o->min_p, err);
    if (st == TSR_OK)
        st = get_real(g, "general.sampling.penalty_repeat", 1e-3f, 100, &o->repetition_penalty, err);
    o->top_k = (long)top_k;
    o->do_sample = o->temperature > 0;
    return st;
}

static tsr_status check_gguf_id(const tsr_gguf *g, const char *key, uint64_t id, size_t vocab, tsr_error *err)
{
    if (id < vocab)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: %llu is no id below %zu", tsr_gguf_path(g), key,
                    (unsigned long long)id, vocab);
}

static tsr_status get_ends(tsri_generation *o, const tsr_gguf *g, size_t vocab, tsr_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    enum { N = sizeof keys / sizeof *keys };
    tsr_status st = tsr_alloc_array(&o->eos, N, sizeof *o->eos, "ids that end an answer", err);
    for (size_t i = 0; i < N && st == TSR_OK; i++) {
        uint32_t id = 0;
        st = tsr_gguf_get_u32(g, keys[i], TSR_GGUF_OPTIONAL, &id, err);
        if (st != TSR_OK || !tsr_gguf_find(g, keys[i]))
            continue;
        st = check_gguf_id(g, keys[i], id, vocab, err);
        o->eos[o->n_eos++] = (int32_t)id;
    }
    return st;
}

static tsr_status get_suppressed(tsri_generation *o, const tsr_gguf *g, size_t vocab, tsr_error *err)
{
    const char *key = "tokenizer.ggml.suppress_tokens";
    const tsr_gguf_value *v = tsr_gguf_find(g, key);
    if (!v)
        return TSR_OK;
    if (v->n > TSRI_MAX_LISTED_IDS)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: lists more than %d ids", tsr_gguf_path(g), key,
                        TSRI_MAX_LISTED_IDS);
    tsr_status st = tsr_alloc_array(&o->suppress, v->n, sizeof *o->suppress, key, err);
    if (st == TSR_OK)
        st = tsr_gguf_get_i32s(g, key, TSR_GGUF_REQUIRED, o->suppress, v->n, err);
    for (size_t i = 0; i < v->n && st == TSR_OK; i++)
        st = check_gguf_id(g, key, (uint64_t)(int64_t)o->suppress[i], vocab, err);
    o->n_suppress = st == TSR_OK ? v->n : 0;
    return st;
}

tsr_status tsri_generation_read_gguf(tsri_generation *out, const tsr_gguf *g, size_t vocab, tsr_error *err)
{
    *out = published;
    tsr_status st = get_sampling(out, g, err);
    if (st == TSR_OK)
        st = get_ends(out, g, vocab, err);
    if (st == TSR_OK)
        st = get_suppressed(out, g, vocab, err);
    if (st != TSR_OK)
        tsri_generation_deinit(out);
    return st;
}

void tsri_generation_deinit(tsri_generation *g)
{
    tsr_free(g->eos);
    tsr_free(g->suppress);
    memset(g, 0, sizeof *g);
}
