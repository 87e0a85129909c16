/* gemm_c.c: the packed product in plain C, in loops that a compiler turns into vectors of any width. */
#include "gemm_internal.h"

#include <string.h>

enum { OUTS = 8, ROWS = 4 };

static void put(uint32_t *panel, size_t k, size_t r, float f)
{
    memcpy(&panel[k * OUTS + r], &f, sizeof f);
}

static void pack_bf16(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    for (size_t r = 0; r < OUTS; r++)
        for (size_t p = 0; p < k; p++)
            put(panel, p, r, r < n ? tsr_bf16_to_f32(w[r * ldw + p]) : 0.0f);
}

static void pack_f32(uint32_t *panel, const float *w, size_t ldw, size_t n, size_t k)
{
    for (size_t r = 0; r < OUTS; r++)
        for (size_t p = 0; p < k; p++)
            put(panel, p, r, r < n ? w[r * ldw + p] : 0.0f);
}

static void multiply(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n,
                     size_t steps)
{
    const float *xf = x;
    float sum[ROWS][OUTS] = {{0}};
    for (size_t s = 0; s < steps; s++) {
        float w[OUTS];
        memcpy(w, panel + s * OUTS, sizeof w);
        for (size_t i = 0; i < ROWS; i++) {
            float xi = xf[(i < n ? i : 0) * ldx + s];
            for (size_t o = 0; o < OUTS; o++)
                sum[i][o] += w[o] * xi;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t o = 0; o < OUTS; o++)
            y[i * ldy + o] = sum[i][o] + (add ? y[i * ldy + o] : 0.0f);
}

const tsri_gemm_kernel tsri_gemm_c = {.outs = OUTS, .rows = ROWS, .tile_outs = 64, .tile_steps = 256, .step = 1,
                                      .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
