/* blas_internal.h: single-threaded f32 products; the only place that knows OpenBLAS is blas.c. */
#ifndef TSR_BLAS_INTERNAL_H
#define TSR_BLAS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

/* c [m, n] (+)= a [m, k] * b [n, k]^T. add false overwrites c. */
void tsri_sgemm(bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                size_t ldc);

/* Make `candidate` (NULL: OpenBLAS) the product from now on if it passes the check against plain C, else
 * plain C; tells which. Called once by the first product; beyond that it is for tests, while nothing runs. */
typedef void (*tsri_sgemm_fn)(bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                              size_t ldb, float *c, size_t ldc);
bool tsri_sgemm_use(tsri_sgemm_fn candidate);

#endif
