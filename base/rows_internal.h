/* rows_internal.h: products of rows (tsr_rows.h) with several vectors at once: each row is read once for all. */
#ifndef TSR_ROWS_INTERNAL_H
#define TSR_ROWS_INTERNAL_H

#include <stddef.h>

#include "tsr_tensor.h"

enum {
    TSRI_ROWS_TILE = 96, /* the most rows in one call, and floats between the weights or scores of two vectors */
    TSRI_ROWS_UNIT = 32  /* lengths of rows are multiples of it */
};

/* Of F32, F16, BF16 and Q8_0. A sum's order depends on its length alone. `next`: rows that come next, whose memory is
 * asked for meanwhile; they may be the same. */
typedef struct tsri_rows_kernels {
    /* s[i * TSRI_ROWS_TILE + r] := q_i . row r, i < n_q, r < n_rows; q_i = q + i * n. */
    void (*scores)(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *q,
                   size_t n_q, float *s, const unsigned char *next);
    /* y_i += sum over r of w[i * TSRI_ROWS_TILE + r] row r, ascending; y_i = y + i * n. */
    void (*mix)(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *w,
                size_t n_q, float *y, const unsigned char *next);
} tsri_rows_kernels;

/* For rows of n values at the present level: where there is nothing better, one vector at a time. */
const tsri_rows_kernels *tsri_rows_kernels_get(size_t n);

extern const tsri_rows_kernels tsri_rows_avx2, tsri_rows_avx512, tsri_rows_neon;

#endif
