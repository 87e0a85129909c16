/* int8_rows.h: `rows` of the kernels, for a file that has said one_product, of a row of weights with one of input, and INLINE. */
#ifndef TSR_INT8_ROWS_H
#define TSR_INT8_ROWS_H

#include "int8_forms.h"

INLINE void some_rows(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_row *x, size_t k)
{
    for (size_t r = 0; r < n; r++)
        y[r] = one_product(type, w + r * row_bytes, x, k);
}

/* Twice, so that in the second x.lo is known not to be. */
static void rows(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_input *in, size_t i,
                 size_t k)
{
    tsri_int8_row x = tsri_int8_row_of(in, i);
    if (x.lo) {
        some_rows(y, type, w, row_bytes, n, &x, k);
        return;
    }
    x.lo = NULL;
    some_rows(y, type, w, row_bytes, n, &x, k);
}

#endif
