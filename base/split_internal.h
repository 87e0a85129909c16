/* split_internal.h: products of many f32 vectors with kept rows (tsr_rows.h) by tiles of BF16, where the processor has them.
 *
 * Each number is taken as the sum of two of BF16, which is 16 bits of significand, of the four products of such halves the three
 * larger ones are made: what is left out is below 2^-16 of each term. Rows of F16 and BF16 are such sums exactly. Where so much isn't
 * asked for, numbers are rounded to BF16: there are larger halves alone, and one product. */
#ifndef TSR_SPLIT_INTERNAL_H
#define TSR_SPLIT_INTERNAL_H

#include <stdbool.h>

#include "gemm_internal.h"
#include "tsr_pool.h"
#include "tsr_tensor.h"

/* y[i * ldy + o] (+)= products of row i < n of x with output o < 32 of the panel, over `steps` pairs, as tsri_gemm_kernel's multiply.
 * Smaller halves of x begin x_apart pairs after the larger ones, those of the panel panel_apart; 0: there are none. */
typedef void (*tsri_split_multiply_fn)(float *y, size_t ldy, bool add, const uint32_t *panel, size_t panel_apart, const uint32_t *x,
                                       size_t x_apart, size_t ldx, size_t n, size_t steps);

tsri_split_multiply_fn tsri_split_multiply(void); /* of the present level; NULL where it has none */

void tsri_split_multiply_amx(float *y, size_t ldy, bool add, const uint32_t *panel, size_t panel_apart, const uint32_t *x,
                             size_t x_apart, size_t ldx, size_t n, size_t steps);

/* n vectors of `dim` numbers, and room for a tile of rows and its weights. */
typedef struct tsri_split {
    const tsri_gemm_kernel *gemm; /* whose pairs these are */
    tsri_split_multiply_fn multiply;
    size_t n, dim, halves; /* halves: of a number, 1 or 2 */
    uint32_t *vectors; /* [n, 2, half a row and a line]: pairs of the larger halves, then of the smaller */
    uint32_t *weights; /* [n, 2, TSRI_ROWS_TILE / 2], likewise */
    uint32_t *panels;  /* of a tile of rows, all larger halves, then the smaller */
    uint32_t *pairs;   /* [2, 32 rows, dim / 2] */
    float *rows, *rest; /* [32 rows, dim]: as they are read, and the smaller halves */
} tsri_split;

/* Whether rows of this type and length go so on this pool: not where products are exact, nor rows of F32. */
bool tsri_split_takes(const tsr_pool *pool, tsr_type type, size_t dim);

/* Floats that n vectors need, rounded or not, a multiple of 16; and the work begins in so many, aligned to 64 bytes. */
size_t tsri_split_floats(size_t dim, size_t n);
void tsri_split_begin(tsri_split *s, size_t dim, size_t n, bool rounded, float *room);

/* Vector i is x [dim]. */
void tsri_split_vector(const tsri_split *s, size_t i, const float *x);

/* As tsri_rows_kernels, for all n vectors; n_rows at most TSRI_ROWS_TILE. Scores beyond n_rows are overwritten too. */
void tsri_split_scores(const tsri_split *s, tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, float *scores);
void tsri_split_mix(const tsri_split *s, tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, const float *w,
                    float *y);

#endif
