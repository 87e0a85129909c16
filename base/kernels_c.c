/* kernels_c.c: the plain kernels: short, always built, the check for every other variant. */
#include <math.h>

#include "kernels_internal.h"
#include "tsr_tensor.h"

/* Eight partial sums: the rounding error of a long row stays near that of a SIMD variant. */
#define DOT8(decode)                                        \
    float s[8] = {0};                                       \
    size_t i = 0;                                           \
    for (; i + 8 <= n; i += 8)                              \
        for (size_t j = 0; j < 8; j++)                      \
            s[j] += decode(w[i + j]) * x[i + j];            \
    for (size_t j = 0; i < n; i++, j++)                     \
        s[j] += decode(w[i]) * x[i];                        \
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))

static float same(float f)
{
    return f;
}

static float dot_f32(const float *w, const float *x, size_t n)
{
    DOT8(same);
}

static float dot_bf16(const uint16_t *w, const float *x, size_t n)
{
    DOT8(tsr_bf16_to_f32);
}

static float dot_f16(const uint16_t *w, const float *x, size_t n)
{
    DOT8(tsr_f16_to_f32);
}

static void dot4_bf16(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    for (size_t r = 0; r < 4; r++)
        out[r] = dot_bf16(w + r * stride, x, n);
}

static void tile_bf16(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                      size_t n, size_t k)
{
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++) {
            float s = dot_bf16(w + r * ldw, x + i * ldx, k);
            y[i * ldy + r] = add ? y[i * ldy + r] + s : s;
        }
}

static void axpy_f32(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void decode_bf16(float *dst, const uint16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = tsr_bf16_to_f32(src[i]);
}

static void decode_f16(float *dst, const uint16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = tsr_f16_to_f32(src[i]);
}

static double exp_sum(float *x, float top, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - top);
        sum += (double)x[i];
    }
    return sum;
}

static void gelu_mul(float *g, const float *u, size_t n)
{
    const float c = 0.79788456080286535588f; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        float x = g[i];
        float y = 0.5f * x * (1.0f + tanhf(c * (x + 0.044715f * x * x * x)));
        g[i] = u ? y * u[i] : y;
    }
}

void tsri_kernels_init_c(tsri_kernels *k)
{
    k->dot_f32 = dot_f32;
    k->dot_bf16 = dot_bf16;
    k->dot_f16 = dot_f16;
    k->dot4_bf16 = dot4_bf16;
    k->tile_bf16 = tile_bf16;
    k->axpy_f32 = axpy_f32;
    k->decode_bf16 = decode_bf16;
    k->decode_f16 = decode_f16;
    k->exp_sum = exp_sum;
    k->gelu_mul = gelu_mul;
}
