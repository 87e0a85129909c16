/* rounded_internal.h: products with rounded inputs (int8_internal.h, pairs_internal.h), on a pool with fast products. */
#ifndef TSR_ROUNDED_INTERNAL_H
#define TSR_ROUNDED_INTERNAL_H

#include "tsr_matmul.h"

/* As tsr_matmul_each, tsr_matmul_fine and tsr_mlp_run; false where these weights can't be multiplied so, together and with so many rows,
 * and nothing was done. n > 0. */
bool tsri_rounded_products(tsr_pool *pool, const tsr_product *p, size_t n_products, const float *x, size_t ldx, size_t n);
bool tsri_rounded_fine(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy);
bool tsri_rounded_mlp(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy);

#endif
