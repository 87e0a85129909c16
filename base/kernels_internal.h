/* kernels_internal.h: the table of kernels that have SIMD variants, and its levels.
 *
 * A variant computes the same sum in another order; tests/base/test_kernels.c bounds the distance
 * from the exact value. Pointers need no alignment; lengths may be 0. */
#ifndef TSR_KERNELS_INTERNAL_H
#define TSR_KERNELS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_cpu.h"

enum { TSRI_Q8_ELEMS = 32, TSRI_Q8_BYTES = 34 }; /* a block of q8_0 */

typedef struct tsri_kernels {
    float (*dot_f32)(const float *w, const float *x, size_t n);
    float (*dot_bf16)(const uint16_t *w, const float *x, size_t n);
    float (*dot_f16)(const uint16_t *w, const float *x, size_t n);
    /* n values in blocks of an f16 scale and 32 int8 (34 bytes, of no alignment); all of the last block may be
     * read, whatever n is. So for all kernels of q8_0. */
    float (*dot_q8_0)(const uint8_t *w, const float *x, size_t n);
    /* Four rows, `stride` elements apart, at once: for rows so long that x leaves the first cache. */
    void (*dot4_bf16)(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n);
    /* Four rows of w, ldw apart, times n rows of x: y[i * ldy + r] (+)= sum over k of x[i, k] w[r, k], i < n,
     * r < 4. The order of each sum depends on k alone. Works on W's own bytes, where SGEMM needs it decoded. */
    void (*tile_bf16)(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                      size_t n, size_t k);
    void (*axpy_f32)(float *y, float a, const float *x, size_t n);
    void (*axpy_bf16)(float *y, float a, const uint16_t *x, size_t n);
    void (*axpy_f16)(float *y, float a, const uint16_t *x, size_t n);
    void (*axpy_q8_0)(float *y, float a, const uint8_t *x, size_t n);
    void (*decode_bf16)(float *dst, const uint16_t *src, size_t n); /* exact */
    void (*decode_f16)(float *dst, const uint16_t *src, size_t n);  /* exact */
    void (*decode_q8_0)(float *dst, const uint8_t *src, size_t n);  /* exact: 11 bits times 8 */
    /* x[i] := exp(x[i] - top), of which every x[i] - top is at most 0 or -INFINITY; gives their sum.
     * Results below the normal range of f32 may be 0. */
    double (*exp_sum)(float *x, float top, size_t n);
    /* g[i] := gelu_tanh(g[i]) * u[i]; u NULL stands for ones. */
    void (*gelu_mul)(float *g, const float *u, size_t n);
    /* y[i] := a[i] * sigmoid(b[i]); y may be a, b or both. */
    void (*sigmoid_mul)(float *y, const float *a, const float *b, size_t n);
    /* The largest value, -INFINITY where there is none; what is not a number does not count. */
    float (*max_f32)(const float *x, size_t n);
    /* As tsr_clamp and tsr_rms_norm. */
    void (*clamp)(float *y, const float *x, float min, float max, size_t n);
    bool (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* As tsr_soft_cap. */
    void (*soft_cap)(float *x, float cap, size_t n);
} tsri_kernels;

void tsri_kernels_init(tsri_kernels *k, tsr_cpu_level level); /* later lines win: C first, newest last */
const tsri_kernels *tsri_kernels_get(void);                   /* the table for tsr_cpu_get() */

void tsri_kernels_init_c(tsri_kernels *k);
void tsri_kernels_init_avx2(tsri_kernels *k);
void tsri_kernels_init_avx512(tsri_kernels *k);
void tsri_kernels_init_neon(tsri_kernels *k);

#endif
