/* gemm_neon.c: the packed product with NEON: 12 rows of x by 8 outputs in 24 registers. */
#include <arm_neon.h>

#include "gemm_internal.h"

enum { LANES = 4, OUTS = 2 * LANES, ROWS = 12 };

typedef float32x4_t acc, step;
typedef float word;

/* r[i], column c becomes r[c], column i. */
static inline __attribute__((always_inline)) void transpose(uint32x4_t r[4])
{
    uint32x4_t a = vzip1q_u32(r[0], r[2]), b = vzip2q_u32(r[0], r[2]);
    uint32x4_t c = vzip1q_u32(r[1], r[3]), d = vzip2q_u32(r[1], r[3]);
    r[0] = vzip1q_u32(a, c);
    r[1] = vzip2q_u32(a, c);
    r[2] = vzip1q_u32(b, d);
    r[3] = vzip2q_u32(b, d);
}

static uint32x4_t load(const unsigned char *w, size_t left)
{
    unsigned char part[16] = {0};
    if (left >= sizeof part)
        return vreinterpretq_u32_u8(vld1q_u8(w));
    for (size_t i = 0; i < left; i++)
        part[i] = w[i];
    return vreinterpretq_u32_u8(vld1q_u8(part));
}

/* 4 rows of `len` bytes, those from n on zeros; of each 4 bytes either themselves or the two BF16 in them, widened. */
static inline __attribute__((always_inline)) void pack_lanes(uint32_t *panel, const unsigned char *w, size_t row_bytes,
                                                             size_t n, size_t len, bool widen)
{
    const uint32x4_t high = vdupq_n_u32(0xffff0000);
    for (size_t at = 0; at < len; at += 16) {
        uint32x4_t r[4];
        for (size_t i = 0; i < 4; i++)
            r[i] = i < n ? load(w + i * row_bytes + at, len - at) : vdupq_n_u32(0);
        transpose(r);
        for (size_t c = 0; c < 4; c++, panel += widen ? 2 * OUTS : OUTS) {
            vst1q_u32(panel, widen ? vshlq_n_u32(r[c], 16) : r[c]);
            if (widen)
                vst1q_u32(panel + OUTS, vandq_u32(r[c], high));
        }
    }
}

static inline acc acc_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline acc acc_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void acc_store(float *p, acc a)
{
    vst1q_f32(p, a);
}

static inline acc acc_add(acc a, acc b)
{
    return vaddq_f32(a, b);
}

static inline acc acc_fma(step w, step x, acc a)
{
    return vfmaq_f32(a, w, x);
}

static inline step step_load(const uint32_t *panel)
{
    return vreinterpretq_f32_u32(vld1q_u32(panel));
}

static inline step step_set(word x)
{
    return vdupq_n_f32(x);
}

#include "gemm_pack.h"
#include "gemm_simd.h"

const tsri_gemm_kernel tsri_gemm_neon = {.outs = OUTS, .rows = ROWS, .tile_outs = 64, .tile_steps = 256, .step = 1,
                                         .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
