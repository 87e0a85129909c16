/* layer_internal.h: what the towers share: linear layers with their clip limits, norms over rows,
 * scratch that only grows, and the tap through which tests see every rung. */
#ifndef TSRI_ENC_LAYER_INTERNAL_H
#define TSRI_ENC_LAYER_INTERNAL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "tsr_matmul.h"
#include "tsr_pool.h"
#include "tsr_tensor.h"
#include "tsr_weights.h"

/* ---- ranges ---- */

/* Values are clamped to it as by tsr_clamp. */
typedef struct tsri_enc_range {
    float min, max;
} tsri_enc_range;

static inline tsri_enc_range tsri_enc_open_range(void)
{
    return (tsri_enc_range){-INFINITY, INFINITY};
}

/* One row of n values; y may be x. Of an open range the values are copied, or left where they are. */
void tsri_enc_clamp_row(float *y, const float *x, size_t n, tsri_enc_range to);

/* What clamping to `first` and then to `second` does. */
tsri_enc_range tsri_enc_range_then(tsri_enc_range first, tsri_enc_range second);

/* ---- linear layers ---- */

/* y = clamp(W · clamp(x)). The clamps are there only when `clipped`. They are not passes of their own: who makes x and who
 * takes y clamps the rows as they pass by. */
typedef struct tsri_enc_linear {
    tsr_view w;            /* [rows, cols] */
    tsr_view limit_views[4]; /* scalars: input_min, input_max, output_min, output_max */
    bool clipped;
    float in_min, in_max, out_min, out_max;
} tsri_enc_linear;

/* Rows of a tsr_weight_spec table. `name` is a string literal. */
#define TSRI_ENC_LINEAR(name, lin, out, in) {name ".linear.weight", &(lin).w, NULL, 2, {out, in}, false}
#define TSRI_ENC_LIMITS(name, lin)                                       \
    {name ".input_min", &(lin).limit_views[0], NULL, 0, {0}, false},      \
        {name ".input_max", &(lin).limit_views[1], NULL, 0, {0}, false},  \
        {name ".output_min", &(lin).limit_views[2], NULL, 0, {0}, false}, \
        {name ".output_max", &(lin).limit_views[3], NULL, 0, {0}, false}
#define TSRI_ENC_VECTOR(name, ptr, n) {name, NULL, &(ptr), 1, {n}, false}
#define TSRI_ENC_MATRIX(name, view, out, in) {name, &(view), NULL, 2, {out, in}, false}

/* Decode the limits that were taken with TSRI_ENC_LIMITS. TSR_ERR_MODEL when one is NaN. */
tsr_status tsri_enc_linear_set_limits(tsri_enc_linear *lin, const char *prefix, const char *name, tsr_error *err);

/* The ranges of a layer's inputs and outputs; open ones where it isn't clipped. */
tsri_enc_range tsri_enc_in(const tsri_enc_linear *lin);
tsri_enc_range tsri_enc_out(const tsri_enc_linear *lin);
/* The range that may be applied to an input before several layers take it: theirs where it is one, else open. */
tsri_enc_range tsri_enc_common_in(const tsri_enc_linear *const *lins, size_t n);

/* x: [n, cols], clamped to `is_in`, row stride ldx; y: [n, rows], not clamped, row stride ldy. tmp: [n, cols], for an input
 * in another range than the layer's. */
void tsri_enc_linear_run(tsr_pool *pool, const tsri_enc_linear *lin, const float *x, size_t ldx, tsri_enc_range is_in,
                         size_t n, float *y, size_t ldy, float *tmp);

/* linear_run for n_lins layers of the same x, at most TSR_PRODUCTS_MOST: y[i], row stride ldy[i]. */
void tsri_enc_linears_run(tsr_pool *pool, const tsri_enc_linear *const *lins, size_t n_lins, const float *x, size_t ldx,
                          tsri_enc_range is_in, size_t n, float *const *y, const size_t *ldy, float *tmp);

/* A feed-forward block: y = down · clamp(activation(gate · x) * up · x), outputs of gate and up clamped too, y not. up: NULL for
 * none. x: [n, cols], clamped to `is_in`; y: [n, rows of down], which may be x. work: as tsr_mlp_run wants it; tmp: [n, cols],
 * as above. */
typedef struct tsri_enc_mlp {
    const tsri_enc_linear *gate, *up, *down;
    tsr_activation activation;
} tsri_enc_mlp;
void tsri_enc_mlp_run(tsr_pool *pool, const tsri_enc_mlp *m, const float *x, tsri_enc_range is_in, size_t n, float *y, float *work,
                      float *tmp);

/* ---- rows ---- */

/* Calls fn for runs of rows [first, first + n) that cover n_rows; runs depend on n_rows alone. */
typedef void (*tsri_enc_rows_fn)(void *ctx, size_t first, size_t n);
void tsri_enc_rows(tsr_pool *pool, size_t n_rows, tsri_enc_rows_fn fn, void *ctx);

typedef struct tsri_enc_norm {
    const float *weight; /* [dim], or NULL */
    size_t dim;
    float eps;
    tsri_enc_range in, out; /* inputs are clamped first, outputs last */
} tsri_enc_norm;

/* y = clamp(rms(clamp(x))); y may be x. Both [n, dim] without gaps. */
void tsri_enc_rms(tsr_pool *pool, const tsri_enc_norm *norm, const float *x, size_t n, float *y);

/* h += scale * clamp(rms(clamp(x))); x is overwritten. */
void tsri_enc_rms_add(tsr_pool *pool, const tsri_enc_norm *norm, float *x, size_t n, float scale, float *h);

/* One row y = (x - mean) / sqrt(var + eps) * w + b; b may be NULL, y may be x. Sums are f64. */
void tsri_enc_layer_norm_row(float *y, const float *x, const float *w, const float *b, size_t n, float eps);

/* As torch computes it in f32. */
float tsri_enc_softplus(float x);

/* ---- scratch ---- */

typedef struct tsri_enc_scratch {
    float *data;
    size_t cap, used; /* floats */
} tsri_enc_scratch;

/* Sizes are planned first, in the same order as they are taken, then reserved at once. */
tsr_status tsri_enc_scratch_plan(size_t *total, size_t rows, size_t cols, const char *what, tsr_error *err);
tsr_status tsri_enc_scratch_reserve(tsri_enc_scratch *s, size_t total, const char *what, tsr_error *err);
float *tsri_enc_scratch_take(tsri_enc_scratch *s, size_t rows, size_t cols);
void tsri_enc_scratch_deinit(tsri_enc_scratch *s);

/* ---- the tap ---- */

/* Called on the caller's thread with each rung's values; `index` counts layers. */
typedef struct tsri_enc_tap {
    void (*fn)(void *user, const char *rung, size_t index, const float *data, size_t rows, size_t cols);
    void *user;
} tsri_enc_tap;

void tsri_enc_tap_show(const tsri_enc_tap *tap, const char *rung, size_t index, const float *data, size_t rows,
                       size_t cols);

/* ---- values that are not finite ---- */

/* The first row with NaN or an infinity; n_rows when there is none. */
size_t tsri_enc_first_bad_row(const float *rows, size_t n_rows, size_t width);

/* Notes the first rung with such a row: encode once more with its tap. */
typedef struct tsri_enc_fault {
    const char *rung; /* NULL while there is none */
    size_t index;
} tsri_enc_fault;

tsri_enc_tap tsri_enc_fault_tap(tsri_enc_fault *fault);
/* TSR_ERR_MODEL: row `row` of `what` is not finite, first in that rung. */
tsr_status tsri_enc_fault_fail(const tsri_enc_fault *fault, const char *what, size_t row, tsr_error *err);

#endif
