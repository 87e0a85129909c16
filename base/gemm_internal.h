/* gemm_internal.h: y = x W^T for many rows of x, W packed a tile at a time.
 *
 * Two ways. Wide: W as f32, x as it is: as exact as f32 sums allow. Dot: BF16 W and x rounded to BF16 once, for processors
 * that multiply pairs of BF16 faster than they multiply f32.
 *
 * A step is what a kernel takes of a row at once: one f32, or a pair of BF16, 4 bytes in either case. A panel holds `outs`
 * rows of W, step by step: [steps, outs] of 4 bytes. Each sum is made step by step in one accumulator, so its bits depend
 * on the kernel and on k alone. */
#ifndef TSR_GEMM_INTERNAL_H
#define TSR_GEMM_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_cpu.h"
#include "tsr_pool.h"
#include "tsr_tensor.h"

enum {
    TSRI_GEMM_MAX_ROWS = 32, /* of all kernels */
    TSRI_GEMM_MAX_OUTS = 32,
    TSRI_GEMM_PACK_STEPS = 32 /* pack may write up to the next multiple of so many steps */
};

typedef struct tsri_gemm_kernel {
    size_t outs, rows;            /* outputs of a panel; rows of x that multiply takes at most */
    size_t tile_outs, tile_steps; /* what is packed at once: the second cache holds it */
    size_t step;                  /* elements in a step: 1, or 2 where inputs are rounded */
    /* Rows [0, n) of w, ldw elements apart, k elements of each; zeros stand for rows n .. outs - 1 and for half a pair. */
    void (*pack_bf16)(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k);
    void (*pack_f32)(uint32_t *panel, const float *w, size_t ldw, size_t n, size_t k); /* NULL where inputs are rounded */
    /* Two rows of n values, each a step of them: the n steps of (even, odd) as pairs of BF16; odd NULL stands for zeros. NULL
     * where inputs are not rounded. */
    void (*pair_rows)(uint32_t *to, const float *even, const float *odd, size_t n);
    /* One row of k inputs as pairs of BF16, to nearest even, in whole lines of 16 steps; `to` may be x itself. NULL
     * where they stay as they are. */
    void (*round)(uint32_t *to, const float *x, size_t k);
    /* What rounding to BF16 takes from x: to[i] = x[i] - rounded x[i]. NULL where inputs are not rounded. */
    void (*rest)(float *to, const float *x, size_t n);
    /* y[i * ldy + o] (+)= sum over s < steps of x[i * ldx + s] panel[s * outs + o], i < n, o < outs; ldx in steps. */
    void (*multiply)(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n,
                     size_t steps);
} tsri_gemm_kernel;

const tsri_gemm_kernel *tsri_gemm_wide(tsr_cpu_level level);
/* NULL where the level has no products of BF16. */
const tsri_gemm_kernel *tsri_gemm_dot(tsr_cpu_level level);

/* Whether products of pairs are there at the present level and faster than wide ones on this processor. */
bool tsri_gemm_pairs_pay(void);

/* The way for these weights on this pool, at the present level. */
const tsri_gemm_kernel *tsri_gemm_pick(const tsr_pool *pool, const tsr_view *w);

/* As tsr_matmul. w: of a float type, of BF16 where the kernel rounds; that kernel wants a pool with fast products and a row
 * that fits its inputs (tsri_gemm_fits). */
void tsri_gemm(const tsri_gemm_kernel *kern, tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n,
               float *y, size_t ldy);
bool tsri_gemm_fits(const tsri_gemm_kernel *kern, size_t k);

extern const tsri_gemm_kernel tsri_gemm_c, tsri_gemm_avx2, tsri_gemm_avx512, tsri_gemm_avx512bf16, tsri_gemm_amx, tsri_gemm_neon;

/* Pairs as they stand, pair_rows, round and rest, for the kernels of pairs. */
void tsri_gemm_pack_pairs_avx512(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k);
void tsri_gemm_pair_rows_avx512(uint32_t *to, const float *even, const float *odd, size_t n);
void tsri_gemm_round_pairs_avx512(uint32_t *to, const float *x, size_t k);
void tsri_gemm_rest_avx512(float *to, const float *x, size_t n);

#endif
