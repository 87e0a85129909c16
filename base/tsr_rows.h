/* tsr_rows.h: rows of numbers that are written while a model runs, in a type of the caller's choice.
 *
 * A row of n values takes tsr_row_bytes; rows follow each other without gaps. Of Q8_0 (blocks of an f16
 * scale and 32 int8) the last block may be partly used; what is beyond n is 0. This is the layout that
 * weights of these types have, so that both share their kernels. Nothing here needs alignment beyond the
 * type's own, can fail or allocates; any number of threads at once. A product is that of the decoded values:
 * only the order of its sum depends on the CPU level. */
#ifndef TSR_ROWS_H
#define TSR_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True for F32, F16, BF16 and Q8_0: the types that the functions below take. */
bool tsr_rows_have_type(tsr_type type);

size_t tsr_row_bytes(tsr_type type, size_t n);

/* The largest magnitude that stays finite when written. */
double tsr_row_limit(tsr_type type);

/* Write one row, each value rounded to nearest (Q8_0: the block's scale is its largest magnitude / 127).
 * False when a value is not finite: then what was written decodes to something that isn't either. */
bool tsr_row_write(tsr_type type, void *row, const float *x, size_t n);

/* dst [n_rows, n] := the values. */
void tsr_rows_read(tsr_type type, const void *rows, size_t n_rows, size_t n, float *dst);

/* out[i] := sum over k of row i [k] * x[k]. */
void tsr_rows_dot(tsr_type type, const void *rows, size_t n_rows, size_t n, const float *x, float *out);

/* y [n] += sum over i of w[i] * row i, in ascending order. */
void tsr_rows_mix(tsr_type type, const void *rows, size_t n_rows, size_t n, const float *w, float *y);

#ifdef __cplusplus
}
#endif
#endif
