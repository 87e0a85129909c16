/* kv_cache.c: see tsr_kv_cache.h for the layout and the rule by which sliding rows move. */
#include "tsr_kv_cache.h"

#include <assert.h>
#include <string.h>

#include "tsr_alloc.h"

typedef struct kv_layer {
    unsigned char *k, *v; /* [n_heads, capacity, row_bytes]; NULL for a layer without its own */
    size_t n_heads, dim, row_bytes, window, slack, capacity;
    size_t first; /* position of row 0 */
} kv_layer;

struct tsr_kv_cache {
    tsr_type type;
    size_t n_layers, n_tokens, n_bytes;
    kv_layer *layers;
};

static const struct {
    const char *name;
    tsr_type type;
} names[] = {{"f32", TSR_F32}, {"f16", TSR_F16}, {"bf16", TSR_BF16}, {"q8", TSR_Q8_0}};
enum { N_NAMES = sizeof names / sizeof *names };

const char *tsr_kv_type_name(tsr_type type)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

tsr_status tsr_kv_type_parse(tsr_type *out, const char *name, tsr_error *err)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].type;
            return TSR_OK;
        }
    return tsr_fail(err, TSR_ERR_USAGE, "key/value cache: type '%s'; known are f32, f16, bf16, q8", name);
}

/* Rows that a sliding layer keeps when it moves them. */
static size_t kept_rows(const kv_layer *l)
{
    return l->window - 1 + l->slack;
}

/* What a layer needs but its memory; adds its bytes to *n_bytes. */
static tsr_status plan_layer(kv_layer *l, const tsr_kv_layer_spec *spec, size_t ctx_tokens, size_t max_rows,
                             tsr_type type, size_t *n_bytes, tsr_error *err)
{
    size_t bytes;
    memset(l, 0, sizeof *l);
    if (spec->n_kv_heads == 0)
        return TSR_OK;
    l->n_heads = spec->n_kv_heads;
    l->dim = spec->head_dim;
    l->window = spec->window;
    l->slack = spec->slack ? spec->slack : TSR_KV_SLACK;
    if (l->slack > ctx_tokens)
        l->slack = ctx_tokens;
    l->capacity = ctx_tokens;
    /* The rows that stay and max_rows new ones; fewer where the whole context is smaller. */
    if (l->window && max_rows < ctx_tokens && kept_rows(l) < ctx_tokens - max_rows)
        l->capacity = kept_rows(l) + max_rows;
    l->row_bytes = l->dim > SIZE_MAX / 8 ? 0 : tsr_row_bytes(type, l->dim);
    if (l->row_bytes == 0 || !tsr_mul_size(&bytes, l->row_bytes, l->n_heads) ||
        !tsr_mul_size(&bytes, bytes, l->capacity) || !tsr_mul_size(&bytes, bytes, 2) ||
        !tsr_add_size(n_bytes, *n_bytes, bytes))
        return tsr_fail(err, TSR_ERR_LIMIT, "key/value cache: %zu positions of %zu x %zu do not fit in memory",
                        l->capacity, l->n_heads, l->dim);
    return TSR_OK;
}

static tsr_status check_type(tsr_type type, tsr_error *err)
{
    if (tsr_kv_type_name(type))
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "key/value cache: type %s; known are F32, F16, BF16, Q8_0",
                    (unsigned)type < TSR_N_TYPES ? tsr_type_info(type)->name : "(unknown)");
}

tsr_status tsr_kv_cache_plan(size_t *n_bytes, const tsr_kv_layer_spec *layers, size_t n_layers, size_t ctx_tokens,
                             size_t max_rows, tsr_type type, tsr_error *err)
{
    kv_layer l;
    tsr_status st = check_type(type, err);
    *n_bytes = 0;
    for (size_t i = 0; i < n_layers && st == TSR_OK; i++)
        st = plan_layer(&l, &layers[i], ctx_tokens, max_rows, type, n_bytes, err);
    return st;
}

/* Not calloc: rows are written before they are read, and only rows in use shall take memory. */
static tsr_status open_layer(kv_layer *l, tsr_error *err)
{
    tsr_status st;
    if (l->n_heads == 0)
        return TSR_OK;
    if ((st = tsr_alloc_array(&l->k, l->capacity, l->n_heads * l->row_bytes, "key cache", err)) != TSR_OK)
        return st;
    return tsr_alloc_array(&l->v, l->capacity, l->n_heads * l->row_bytes, "value cache", err);
}

tsr_status tsr_kv_cache_open(tsr_kv_cache **out, const tsr_kv_layer_spec *layers, size_t n_layers, size_t ctx_tokens,
                             size_t max_rows, tsr_type type, tsr_error *err)
{
    *out = NULL;
    tsr_status st = check_type(type, err);
    if (st != TSR_OK)
        return st;
    tsr_kv_cache *kv = tsr_calloc(1, sizeof *kv);
    if (!kv)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: key/value cache");
    kv->layers = tsr_calloc(n_layers, sizeof *kv->layers);
    if (!kv->layers)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: key/value cache of %zu layers", n_layers);
    else
        kv->n_layers = n_layers;
    kv->type = type;
    for (size_t i = 0; i < n_layers && st == TSR_OK; i++)
        if ((st = plan_layer(&kv->layers[i], &layers[i], ctx_tokens, max_rows, type, &kv->n_bytes, err)) == TSR_OK)
            st = open_layer(&kv->layers[i], err);
    if (st != TSR_OK) {
        tsr_kv_cache_close(kv);
        return st;
    }
    *out = kv;
    return TSR_OK;
}

void tsr_kv_cache_close(tsr_kv_cache *kv)
{
    if (!kv)
        return;
    for (size_t i = 0; i < kv->n_layers; i++) {
        tsr_free(kv->layers[i].k);
        tsr_free(kv->layers[i].v);
    }
    tsr_free(kv->layers);
    tsr_free(kv);
}

size_t tsr_kv_tokens(const tsr_kv_cache *kv)
{
    return kv->n_tokens;
}

size_t tsr_kv_bytes(const tsr_kv_cache *kv)
{
    return kv->n_bytes;
}

static void move_to_front(kv_layer *l, size_t n_tokens)
{
    size_t keep = kept_rows(l);
    if (keep > n_tokens - l->first)
        keep = n_tokens - l->first;
    size_t from = n_tokens - keep - l->first;
    for (size_t j = 0; j < l->n_heads && keep; j++) {
        unsigned char *k = l->k + j * l->capacity * l->row_bytes, *v = l->v + j * l->capacity * l->row_bytes;
        memmove(k, k + from * l->row_bytes, keep * l->row_bytes);
        memmove(v, v + from * l->row_bytes, keep * l->row_bytes);
    }
    l->first += from;
}

void tsr_kv_reserve(tsr_kv_cache *kv, size_t n)
{
    for (size_t i = 0; i < kv->n_layers; i++) {
        kv_layer *l = &kv->layers[i];
        if (!l->k)
            continue;
        if (l->window && n > l->capacity - (kv->n_tokens - l->first))
            move_to_front(l, kv->n_tokens);
        assert(n <= l->capacity - (kv->n_tokens - l->first));
    }
}

bool tsr_kv_write(tsr_kv_cache *kv, size_t layer, size_t pos, const float *k, const float *v)
{
    kv_layer *l = &kv->layers[layer];
    size_t row = pos - l->first;
    bool finite = true;
    assert(row < l->capacity);
    for (size_t j = 0; j < l->n_heads; j++) {
        size_t at = (j * l->capacity + row) * l->row_bytes;
        finite &= tsr_row_write(kv->type, l->k + at, k + j * l->dim, l->dim);
        finite &= tsr_row_write(kv->type, l->v + at, v + j * l->dim, l->dim);
    }
    return finite;
}

void tsr_kv_commit(tsr_kv_cache *kv, size_t n)
{
    kv->n_tokens += n;
}

tsr_kv_rows tsr_kv_layer_rows(const tsr_kv_cache *kv, size_t layer)
{
    const kv_layer *l = &kv->layers[layer];
    return (tsr_kv_rows){.k = l->k, .v = l->v, .type = kv->type, .head_stride = l->capacity * l->row_bytes,
                         .row_bytes = l->row_bytes, .first = l->first};
}

void tsr_kv_reset(tsr_kv_cache *kv)
{
    kv->n_tokens = 0;
    for (size_t i = 0; i < kv->n_layers; i++)
        kv->layers[i].first = 0;
}

bool tsr_kv_truncate(tsr_kv_cache *kv, size_t n)
{
    if (n > kv->n_tokens)
        return false;
    if (n == 0) {
        tsr_kv_reset(kv);
        return true;
    }
    for (size_t i = 0; i < kv->n_layers; i++) {
        const kv_layer *l = &kv->layers[i];
        size_t oldest = l->window && n + 1 > l->window ? n + 1 - l->window : 0;
        if (l->k && l->first > oldest)
            return false;
    }
    kv->n_tokens = n;
    return true;
}
