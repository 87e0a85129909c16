/* tsr_kv_cache.h: the keys and values of every layer that computes its own, in F32, F16, BF16 or Q8_0.
 *
 * A layer's rows lie contiguous per KV head, oldest first: [n_kv_heads, capacity] rows of head_dim values,
 * laid out as base/tsr_rows.h says. A row is rounded once, when it is written, and whoever attends reads it
 * back, the chunk that wrote it too: so a prompt's chunks and what is cached do not show in the result. Full
 * layers have a row for every position of the context. Sliding layers have fewer: when their rows run
 * out, the newest window - 1 + slack move to the front, so that every query of the next max_rows still
 * finds its window, the last `slack` positions can be taken back at any time, and products see one plain
 * block of memory.
 *
 * One thread at a time; tsr_kv_write may run in parallel for different rows. */
#ifndef TSR_KV_CACHE_H
#define TSR_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_rows.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TSR_KV_SLACK = 64 };

typedef struct tsr_kv_cache tsr_kv_cache;

typedef struct tsr_kv_layer_spec {
    size_t n_kv_heads, head_dim; /* 0 heads: this layer has no K and V of its own */
    size_t window;               /* 0: full */
    size_t slack;                /* newest positions that can always be taken back; 0: TSR_KV_SLACK */
} tsr_kv_layer_spec;

/* Rows of one layer. Position p of head j is k + j * head_stride + (p - first) * row_bytes. */
typedef struct tsr_kv_rows {
    const unsigned char *k, *v;
    tsr_type type;
    size_t head_stride, row_bytes;
    size_t first; /* oldest position held */
} tsr_kv_rows;

/* The types by the names that users know: "f32", "f16", "bf16", "q8" (Q8_0). NULL for another type. */
const char *tsr_kv_type_name(tsr_type type);
/* TSR_ERR_USAGE lists the names. */
tsr_status tsr_kv_type_parse(tsr_type *out, const char *name, tsr_error *err);

/* Bytes that the cache opened with the same arguments reserves. Statuses as there, without NOMEM. */
tsr_status tsr_kv_cache_plan(size_t *n_bytes, const tsr_kv_layer_spec *layers, size_t n_layers, size_t ctx_tokens,
                             size_t max_rows, tsr_type type, tsr_error *err);

/* max_rows: the most positions that one tsr_kv_reserve asks for. TSR_ERR_UNSUPPORTED for a type without
 * a name above, TSR_ERR_LIMIT for sizes that overflow. Memory of the rows is first touched when they are
 * written. On failure *out is NULL. */
tsr_status tsr_kv_cache_open(tsr_kv_cache **out, const tsr_kv_layer_spec *layers, size_t n_layers, size_t ctx_tokens,
                             size_t max_rows, tsr_type type, tsr_error *err);
void tsr_kv_cache_close(tsr_kv_cache *kv); /* NULL is fine */

size_t tsr_kv_tokens(const tsr_kv_cache *kv); /* committed positions */
size_t tsr_kv_bytes(const tsr_kv_cache *kv);

/* Make room for n more positions in all layers. n <= max_rows and tokens + n <= ctx_tokens are the
 * caller's promise. */
void tsr_kv_reserve(tsr_kv_cache *kv, size_t n);
/* Position pos (tokens <= pos < tokens + reserved): k, v: [n_kv_heads, head_dim] of the layer, at most
 * tsr_row_limit(type) in magnitude. False when one of them is not finite. */
bool tsr_kv_write(tsr_kv_cache *kv, size_t layer, size_t pos, const float *k, const float *v);
/* Keep the n positions just written. Without it, the next reserve starts over at the same place. */
void tsr_kv_commit(tsr_kv_cache *kv, size_t n);

tsr_kv_rows tsr_kv_layer_rows(const tsr_kv_cache *kv, size_t layer);

void tsr_kv_reset(tsr_kv_cache *kv);
/* Keep the first n positions. False, and nothing changed, when a sliding layer has lost rows that a
 * query at position n could see (never while n + slack >= tokens), or n is more than there are. */
bool tsr_kv_truncate(tsr_kv_cache *kv, size_t n);

#ifdef __cplusplus
}
#endif
#endif
