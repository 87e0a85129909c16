/* kernels_neon.c: NEON variants. */
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 4, TILE_ROWS = 3 };

typedef float32x4_t vec;

typedef struct wide {
    float64x2_t low, high;
} wide;

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vec vec_set(float x)
{
    return vdupq_n_f32(x);
}

static inline vec vec_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vec_store(float *p, vec v)
{
    vst1q_f32(p, v);
}

static inline vec vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}

static inline float vec_sum(vec v)
{
    return vaddvq_f32(v);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec vec_fnma(vec a, vec b, vec c)
{
    return vfmsq_f32(c, a, b);
}

static inline vec vec_most(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vec vec_least(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec vec_clear_less(vec a, vec b, vec v)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcltq_f32(a, b)));
}

static inline vec vec_pick_less(vec a, vec b, vec u, vec v)
{
    return vbslq_f32(vcltq_f32(a, b), u, v);
}

static inline vec vec_abs(vec v)
{
    return vabsq_f32(v);
}

static inline vec vec_with_sign(vec a, vec x)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), x, a);
}

static inline vec vec_minus(vec v)
{
    return vnegq_f32(v);
}

static inline vec vec_nearest(vec v)
{
    return vrndnq_f32(v);
}

static inline vec vec_power(vec n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}

static inline vec load_f32(const float *p)
{
    return vld1q_f32(p);
}

static inline vec load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline vec load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline vec scale_q8(const uint8_t *block)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16((uint16_t)(block[0] | block[1] << 8))));
}

static inline vec load_q8(const uint8_t *block, size_t at, vec scale)
{
    uint32_t four;
    memcpy(&four, block + 2 + at, sizeof four);
    int16x8_t q = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
    return vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(q))));
}

static inline wide wide_zero(void)
{
    return (wide){vdupq_n_f64(0.0), vdupq_n_f64(0.0)};
}

static inline float64x2_t low_of(vec v)
{
    return vcvt_f64_f32(vget_low_f32(v));
}

static inline float64x2_t high_of(vec v)
{
    return vcvt_high_f64_f32(v);
}

static inline wide wide_add(wide a, vec v)
{
    return (wide){vaddq_f64(a.low, low_of(v)), vaddq_f64(a.high, high_of(v))};
}

static inline wide wide_add_squares(wide a, vec v)
{
    return (wide){vfmaq_f64(a.low, low_of(v), low_of(v)), vfmaq_f64(a.high, high_of(v), high_of(v))};
}

static inline wide wide_join(wide a, wide b)
{
    return (wide){vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
}

static inline double wide_sum(wide a)
{
    return vaddvq_f64(vaddq_f64(a.low, a.high));
}

#include "kernels_simd.h"

void tsri_kernels_init_neon(tsri_kernels *k)
{
    init_all(k);
}
