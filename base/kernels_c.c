/* kernels_c.c: the plain kernels: short, always built, the check for every other variant. */
#include <math.h>

#include "kernels_internal.h"
#include "quant_internal.h"
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

/* A block at a time is decoded and multiplied; its sums go on where the last block's ended. */
static float dot_q8_0(const uint8_t *w, const float *x, size_t n)
{
    float s[8] = {0}, v[TSRI_Q8_ELEMS];
    for (; n > 0; w += TSRI_Q8_BYTES) {
        size_t take = n < TSRI_Q8_ELEMS ? n : TSRI_Q8_ELEMS;
        tsri_quant_decode(TSR_Q8_0, w, 0, take, v);
        for (size_t i = 0; i < take; i++)
            s[i % 8] += v[i] * x[i];
        x += take;
        n -= take;
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static void axpy_f32(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void axpy_bf16(float *y, float a, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * tsr_bf16_to_f32(x[i]);
}

static void axpy_f16(float *y, float a, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * tsr_f16_to_f32(x[i]);
}

static void axpy_q8_0(float *y, float a, const uint8_t *x, size_t n)
{
    float v[TSRI_Q8_ELEMS];
    for (; n > 0; x += TSRI_Q8_BYTES) {
        size_t take = n < TSRI_Q8_ELEMS ? n : TSRI_Q8_ELEMS;
        tsri_quant_decode(TSR_Q8_0, x, 0, take, v);
        axpy_f32(y, a, v, take);
        y += take;
        n -= take;
    }
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

static void decode_q8_0(float *dst, const uint8_t *src, size_t n)
{
    tsri_quant_decode(TSR_Q8_0, src, 0, n, dst);
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

static void sigmoid_mul(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] / (1.0f + expf(-b[i]));
}

static float max_f32(const float *x, size_t n)
{
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

static void clamp(float *y, const float *x, float min, float max, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < min ? min : x[i];
        y[i] = v > max ? max : v;
    }
}

static bool rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float scale = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = w ? x[i] * scale * w[i] : x[i] * scale;
    return isfinite(sum);
}

static void soft_cap(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = isfinite(x[i]) ? tanhf(x[i] / cap) * cap : NAN;
}

#include "kernels_table.h"

void tsri_kernels_init_c(tsri_kernels *k)
{
    init_all(k);
}
