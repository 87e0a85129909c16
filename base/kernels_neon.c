/* kernels_neon.c: NEON variants of what reads rows; functions of one value at a time stay those of kernels_c.c. */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "kernels_internal.h"

static inline float32x4_t load_f32(const float *p)
{
    return vld1q_f32(p);
}

static inline float32x4_t load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline float32x4_t load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

/* Four accumulators hide the latency of the FMA; the tail goes through a zeroed block. */
#define DOT(type, load)                                                       \
    float32x4_t a0 = vdupq_n_f32(0.0f), a1 = a0, a2 = a0, a3 = a0;            \
    size_t i = 0;                                                             \
    for (; i + 16 <= n; i += 16) {                                            \
        a0 = vfmaq_f32(a0, load(w + i), vld1q_f32(x + i));                    \
        a1 = vfmaq_f32(a1, load(w + i + 4), vld1q_f32(x + i + 4));            \
        a2 = vfmaq_f32(a2, load(w + i + 8), vld1q_f32(x + i + 8));            \
        a3 = vfmaq_f32(a3, load(w + i + 12), vld1q_f32(x + i + 12));          \
    }                                                                         \
    for (; i + 4 <= n; i += 4)                                                \
        a0 = vfmaq_f32(a0, load(w + i), vld1q_f32(x + i));                    \
    if (i < n) {                                                              \
        type tw[4] = {0};                                                     \
        float tx[4] = {0};                                                    \
        memcpy(tw, w + i, (n - i) * sizeof *tw);                              \
        memcpy(tx, x + i, (n - i) * sizeof *tx);                              \
        a1 = vfmaq_f32(a1, load(tw), vld1q_f32(tx));                          \
    }                                                                         \
    return vaddvq_f32(vaddq_f32(vaddq_f32(a0, a1), vaddq_f32(a2, a3)))

static float dot_f32(const float *w, const float *x, size_t n)
{
    DOT(float, load_f32);
}

static float dot_bf16(const uint16_t *w, const float *x, size_t n)
{
    DOT(uint16_t, load_bf16);
}

static float dot_f16(const uint16_t *w, const float *x, size_t n)
{
    DOT(uint16_t, load_f16);
}

static void dot4_bf16(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    for (size_t r = 0; r < 4; r++)
        out[r] = dot_bf16(w + r * stride, x, n);
}

static void tile_bf16(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx, size_t n,
                      size_t k)
{
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++) {
            float s = dot_bf16(w + r * ldw, x + i * ldx, k);
            y[i * ldy + r] = add ? y[i * ldy + r] + s : s;
        }
}

#define AXPY(type, load)                                                              \
    float32x4_t by = vdupq_n_f32(a);                                                  \
    size_t i = 0;                                                                     \
    for (; i + 4 <= n; i += 4)                                                        \
        vst1q_f32(y + i, vfmaq_f32(vld1q_f32(y + i), by, load(x + i)));               \
    if (i < n) {                                                                      \
        type tx[4] = {0};                                                             \
        float ty[4] = {0};                                                            \
        memcpy(tx, x + i, (n - i) * sizeof *tx);                                      \
        memcpy(ty, y + i, (n - i) * sizeof *ty);                                      \
        vst1q_f32(ty, vfmaq_f32(vld1q_f32(ty), by, load(tx)));                        \
        memcpy(y + i, ty, (n - i) * sizeof *ty);                                      \
    }

static void axpy_f32(float *y, float a, const float *x, size_t n)
{
    AXPY(float, load_f32)
}

static void axpy_bf16(float *y, float a, const uint16_t *x, size_t n)
{
    AXPY(uint16_t, load_bf16)
}

static void axpy_f16(float *y, float a, const uint16_t *x, size_t n)
{
    AXPY(uint16_t, load_f16)
}

#define DECODE(load)                                    \
    size_t i = 0;                                       \
    for (; i + 4 <= n; i += 4)                          \
        vst1q_f32(dst + i, load(src + i));              \
    if (i < n) {                                        \
        uint16_t t[4] = {0};                            \
        float f[4];                                     \
        memcpy(t, src + i, (n - i) * sizeof *t);        \
        vst1q_f32(f, load(t));                          \
        memcpy(dst + i, f, (n - i) * sizeof *f);        \
    }

static void decode_bf16(float *dst, const uint16_t *src, size_t n)
{
    DECODE(load_bf16)
}

static void decode_f16(float *dst, const uint16_t *src, size_t n)
{
    DECODE(load_f16)
}

/* The instruction that takes the number of the two where one is none. */
static float max_f32(const float *x, size_t n)
{
    float32x4_t top = vdupq_n_f32(-INFINITY);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        top = vmaxnmq_f32(top, vld1q_f32(x + i));
    float most = vmaxnmvq_f32(top);
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

void tsri_kernels_init_neon(tsri_kernels *k)
{
    k->dot_f32 = dot_f32;
    k->dot_bf16 = dot_bf16;
    k->dot_f16 = dot_f16;
    k->dot4_bf16 = dot4_bf16;
    k->tile_bf16 = tile_bf16;
    k->axpy_f32 = axpy_f32;
    k->axpy_bf16 = axpy_bf16;
    k->axpy_f16 = axpy_f16;
    k->decode_bf16 = decode_bf16;
    k->decode_f16 = decode_f16;
    k->max_f32 = max_f32;
}
