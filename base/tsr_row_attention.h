/* tsr_row_attention.h: attention of some queries on rows of keys and values that are kept in a type of tsr_rows.h.
 *
 * What a query sees is one interval of keys. Scores exist for a few queries and keys at a time (online softmax), so that
 * memory doesn't grow with the context. Query heads that share a key head read it together. Few queries are shared out by
 * their keys too, in parts whose borders depend on shapes and positions alone: any number of threads gives the same
 * bits. */
#ifndef TSR_ROW_ATTENTION_H
#define TSR_ROW_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_pool.h"
#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TSR_ROW_ATTENTION_MAX_DIM = 2048 };

/* Query head h of row i is q + i * ldq + h * dim and sees key head h / (n_heads / n_kv). Key or value p of key head j is
 * the row at k or v + j * head_stride + (p - first) * tsr_row_bytes(type, dim). Row i sees the keys
 * [pos[i] + 1 - window, end[i]), or [0, pos[i] + 1) where window is 0: at least one, none before `first`. */
typedef struct tsr_row_attention {
    size_t n, n_heads, n_kv, dim; /* n_heads is a multiple of n_kv; dim at most TSR_ROW_ATTENTION_MAX_DIM */
    const float *q;               /* [n, n_heads, dim], scaled as wanted */
    float *out;                   /* [n, n_heads, dim] := softmax(q k^T) v */
    size_t ldq, ldout;            /* floats */
    tsr_type type;
    const unsigned char *k, *v;
    size_t head_stride, first;
    const size_t *pos, *end; /* [n]; end may be NULL where window is 0 */
    size_t window;
    bool rounded; /* q, k, v and the softmax's weights may be rounded to BF16, where that is fast and the pool allows it */
} tsr_row_attention;

/* Products are those of f32; with fast ones (tsr_pool.h) many queries and what they see may be taken as sums of two numbers of BF16,
 * 16 bits of significand, or as one. Called from outside the pool's items; uses the pool's shared memory. Cannot fail and allocates nothing. Keys and values
 * that are not finite make such results for all rows that see them, and may do so for others. */
void tsr_attend_rows(tsr_pool *pool, const tsr_row_attention *a);

#ifdef __cplusplus
}
#endif
#endif
