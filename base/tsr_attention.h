/* tsr_attention.h: attention in which every query sees every key of its own set: patches of a picture.
 *
 * Scores exist for a few queries and keys at a time (online softmax), so that memory doesn't grow with the square of the
 * rows. Borders depend on shapes alone: any number of threads gives the same bits, and a set those it has alone. */
#ifndef TSR_ATTENTION_H
#define TSR_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TSR_ATTENTION_MAX_DIM = 1024 };

/* n_sets sets of n rows one after the other. Strides are in floats; row r of head h begins at q + r * ldq + h * head_dim.
 * Query head h sees key head h / (n_heads / n_kv). out := softmax(q k^T) v, within min and max; it may be q itself with
 * ldout == ldq, and must not overlap k or v. */
typedef struct tsr_attention {
    size_t n_sets, n;
    size_t n_heads, n_kv, head_dim; /* n_heads is a multiple of n_kv; head_dim at most TSR_ATTENTION_MAX_DIM */
    const float *q;                 /* [n_sets * n, n_heads, head_dim], scaled as wanted */
    const float *k, *v;             /* [n_sets * n, n_kv, head_dim] */
    float *out;                     /* [n_sets * n, n_heads, head_dim] */
    size_t ldq, ldk, ldv, ldout;
    float min, max; /* -INFINITY and INFINITY: no limits */
    bool rounded;   /* q, k, v and the softmax's weights may be rounded to BF16, where that is fast and the pool allows it */
} tsr_attention;

/* Called from outside the pool's items. Cannot fail and allocates nothing. */
void tsr_attend_all(tsr_pool *pool, const tsr_attention *a);

#ifdef __cplusplus
}
#endif
#endif
