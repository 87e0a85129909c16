/* rows_neon.c: products of rows with several vectors, with NEON. */
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 4, MAX_QUERIES = 8 };

typedef float32x4_t vec;

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vec vec_set(float x)
{
    return vdupq_n_f32(x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline float vec_sum(vec a)
{
    return vaddvq_f32(a);
}

static inline vec vec_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vec_store(float *p, vec a)
{
    vst1q_f32(p, a);
}

static inline vec load_f16(const unsigned char *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline vec load_bf16(const unsigned char *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* Numbers [at, at + 4) of a block, times its scale. */
static inline vec load_q8(const unsigned char *block, size_t at)
{
    uint16_t half;
    uint32_t four;
    memcpy(&half, block, sizeof half);
    memcpy(&four, block + 2 + at, sizeof four);
    int8x8_t q = vreinterpret_s8_u32(vdup_n_u32(four));
    vec scale = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half)));
    return vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(q)))));
}

#include "rows_simd.h"

const tsri_rows_kernels tsri_rows_neon = {.scores = scores, .mix = mix};
