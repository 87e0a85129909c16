/* int8_neon.h: what the levels with dot products of int8 share on aarch64. Their instructions take signed bytes on both sides:
 * numbers up to 63 are that already, and those of types with the zero 128 are, with their top bit turned.
 *
 * A file includes this after it has said what group_sums does. */
#ifndef TSR_INT8_NEON_H
#define TSR_INT8_NEON_H

#include <arm_neon.h>
#include <math.h>

#include "int8_forms.h"

#define INLINE static inline __attribute__((always_inline))

/* Sums of a tile in registers: so many rows of input by LANES times four outputs, half of a panel's. */
enum { AT_ONCE = 6, LANES = TSRI_INT8_OUT / 8 };

INLINE int8x16_t load_s8(const void *p)
{
    return vld1q_s8(p);
}

/* Numbers of a panel or a block as signed bytes. */
INLINE int8x16_t numbers(bool is_signed, const uint8_t *q)
{
    uint8x16_t v = vld1q_u8(q);
    return vreinterpretq_s8_u8(is_signed ? veorq_u8(v, vdupq_n_u8(0x80)) : v);
}

/* s[i][l] += group's products of outputs 4 l .. 4 l + 3 with row i < n of input; n is 6, 2 or 1. */
INLINE void group_sums(int32x4_t s[AT_ONCE][LANES], size_t n, size_t group, bool is_signed, const uint8_t *q, const int8_t *p,
                       size_t ldp);

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    float32x4_t v[8], top = vdupq_n_f32(0.0f);
    uint32x4_t fine = vdupq_n_u32(~0u);
    for (size_t i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        float32x4_t size = vabsq_f32(v[i]);
        fine = vandq_u32(fine, vcltq_f32(size, vdupq_n_f32(INFINITY))); /* NaN is not less */
        top = vmaxnmq_f32(top, size);
    }
    if (vminvq_u32(fine) == 0) {
        memset(p, 0, 32);
        memset(sums, 0, 8 * sizeof *sums);
        return NAN;
    }
    float scale = vmaxvq_f32(top) / 127.0f;
    float32x4_t by = vdupq_n_f32(scale >= 0x1p-126f ? 1.0f / scale : 0.0f);
    for (size_t i = 0; i < 8; i++) {
        int32x4_t w = vcvtnq_s32_f32(vmulq_f32(v[i], by)); /* to nearest even */
        int8_t bytes[8];
        vst1_s8(bytes, vmovn_s16(vcombine_s16(vmovn_s32(w), vdup_n_s16(0))));
        memcpy(p + 4 * i, bytes, 4);
        sums[i] = vaddvq_s32(w);
    }
    return scale;
}

static void round_blocks(int8_t *p, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_each(round32, p, xs, halves, x, n);
}

/* Outputs [out, out + 4 LANES) of a panel. */
INLINE void tile_of(size_t n, bool fine, size_t group, tsri_int8_form form, float y[AT_ONCE][TSRI_INT8_OUT], size_t out,
                    const tsri_int8_panel *panel, const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    bool is_signed = form.zero == 128;
    for (size_t g = 0; g < k / group; g++) {
        const float *a = panel->a + g * TSRI_INT8_OUT + out, *o = panel->o + g * TSRI_INT8_OUT + out;
        const int8_t *p = x->p + first * x->ldp + k0 + g * group;
        const uint8_t *q = panel->q + g * group * TSRI_INT8_OUT + 4 * out;
        int32x4_t s[AT_ONCE][LANES];
        if (fine) {
            for (size_t i = 0; i < n; i++)
                for (size_t l = 0; l < LANES; l++)
                    s[i][l] = vdupq_n_s32(0);
            group_sums(s, n, group, is_signed, q, p, x->ldp);
        }
        for (size_t i = 0; i < n; i++) {
            int32_t zero = is_signed || form.offsets ? 0 : ((const int32_t *)x->corr)[(first + i) * x->ldc + k0 / group + g];
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = fine ? vaddq_s32(vdupq_n_s32(zero), vshlq_n_s32(s[i][l], 8)) : vdupq_n_s32(zero);
        }
        group_sums(s, n, group, is_signed, q, fine ? x->lo + (p - x->p) : p, x->ldp);
        for (size_t i = 0; i < n; i++) {
            float by = x->xs[(first + i) * x->lds + (k0 + g * group) / TSRI_INT8_BLOCK];
            float sums = form.offsets ? ((const float *)x->corr)[(first + i) * x->ldc + k0 / group + g] : 0.0f;
            for (size_t l = 0; l < LANES; l++) {
                float32x4_t f = vld1q_f32(y[i] + out + 4 * l);
                f = vfmaq_f32(f, vcvtq_f32_s32(s[i][l]), vmulq_n_f32(vld1q_f32(a + 4 * l), by));
                if (form.offsets)
                    f = vfmaq_n_f32(f, vld1q_f32(o + 4 * l), sums);
                vst1q_f32(y[i] + out + 4 * l, f);
            }
        }
    }
}

/* A constant for either kind: the compiler makes none of a choice between two. */
INLINE void tile_of_either(bool offsets, size_t n, bool fine, size_t group, float y[AT_ONCE][TSRI_INT8_OUT], size_t out, const tsri_int8_panel *panel,
                           const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (offsets)
        tile_of(n, fine, group, (tsri_int8_form){.offsets = true}, y, out, panel, x, first, k0, k);
    else
        tile_of(n, fine, group, (tsri_int8_form){0}, y, out, panel, x, first, k0, k);
}

/* Constants for the kinds of numbers there are. */
INLINE void tile_rows(size_t n, bool fine, tsri_int8_form form, float y[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                      const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    for (size_t out = 0; out < TSRI_INT8_OUT; out += 4 * LANES)
        if (form.zero == 128)
            tile_of(n, fine, 32, (tsri_int8_form){.zero = 128}, y, out, panel, x, first, k0, k);
        else if (form.group == 32)
            tile_of_either(form.offsets, n, fine, 32, y, out, panel, x, first, k0, k);
        else
            tile_of_either(form.offsets, n, fine, 16, y, out, panel, x, first, k0, k);
}

INLINE size_t rows_of_tile(size_t n)
{
    return n >= AT_ONCE ? AT_ONCE : n >= 2 ? 2 : 1;
}

#include "int8_tiles.h"

/* As group_sums, four elements at a time. */
INLINE void group_sums_by_dots(int32x4_t s[AT_ONCE][LANES], size_t n, size_t group, bool is_signed, const uint8_t *q,
                               const int8_t *p, size_t ldp)
{
    for (size_t e = 0; e < group; e += 4) {
        int8x16_t w[LANES];
        for (size_t l = 0; l < LANES; l++)
            w[l] = numbers(is_signed, q + e * TSRI_INT8_OUT + 16 * l);
        for (size_t i = 0; i < n; i++) {
            int32_t four;
            memcpy(&four, p + i * ldp + e, sizeof four);
            int8x16_t v = vreinterpretq_s8_s32(vdupq_n_s32(four));
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = vdotq_s32(s[i][l], w[l], v);
        }
    }
}

/* ---- rows ---- */

/* s + the products of 16 numbers with elements from `at` on. */
INLINE int32x4_t dot16(int32x4_t s, int8x16_t q, const tsri_int8_row *x, size_t at)
{
    if (!x->lo)
        return vdotq_s32(s, q, load_s8(x->p + at));
    int32x4_t high = vdotq_s32(vdupq_n_s32(0), q, load_s8(x->p + at));
    return vaddq_s32(vdotq_s32(s, q, load_s8(x->lo + at)), vshlq_n_s32(high, 8));
}

/* sum + scale * (32 numbers times elements from `at` on). */
INLINE float32x4_t add32(float32x4_t sum, int8x16_t q0, int8x16_t q1, const tsri_int8_row *x, size_t at, bool zeros, float scale)
{
    int32x4_t s = vsetq_lane_s32(zeros ? x->zeros[at / 32] : 0, vdupq_n_s32(0), 0);
    s = dot16(dot16(s, q0, x, at), q1, x, at + 16);
    return vfmaq_n_f32(sum, vcvtq_f32_s32(s), scale);
}

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    float32x4_t sum = vdupq_n_f32(0.0f);
    for (size_t at = 0; at < k; at += 32, w += 34)
        sum = add32(sum, load_s8(w + 2), load_s8(w + 18), x, at, false, tsri_int8_half(w) * x->xs[at / 32]);
    return vaddvq_f32(sum);
}

INLINE int8x16_t low_nibbles(uint8x16_t v)
{
    return vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15)));
}

INLINE int8x16_t high_nibbles(uint8x16_t v)
{
    return vreinterpretq_s8_u8(vshrq_n_u8(v, 4));
}

INLINE float q4_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    float32x4_t sum = vdupq_n_f32(0.0f);
    for (size_t at = 0; at < k; at += 32, w += 18) {
        uint8x16_t v = vld1q_u8(w + 2);
        sum = add32(sum, low_nibbles(v), high_nibbles(v), x, at, true, tsri_int8_half(w) * x->xs[at / 32]);
    }
    return vaddvq_f32(sum);
}

INLINE float q4_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    float32x4_t sum = vdupq_n_f32(0.0f);
    float less = 0.0f;
    for (size_t at = 0; at < k; at += 256, w += 144) {
        float d = tsri_int8_half(w), dmin = tsri_int8_half(w + 2);
        const float *xs = x->xs + at / 32, *sums = x->sums + at / 32;
        for (unsigned j = 0; j < 4; j++) {
            uint8x16_t v0 = vld1q_u8(w + 16 + 32 * j), v1 = vld1q_u8(w + 32 + 32 * j);
            int a0, o0, a1, o1;
            tsri_take_k_scale(w + 4, 2 * j, &a0, &o0);
            tsri_take_k_scale(w + 4, 2 * j + 1, &a1, &o1);
            less += dmin * ((float)o0 * sums[2 * j] + (float)o1 * sums[2 * j + 1]);
            sum = add32(sum, low_nibbles(v0), low_nibbles(v1), x, at + 64 * j, false, d * (float)a0 * xs[2 * j]);
            sum = add32(sum, high_nibbles(v0), high_nibbles(v1), x, at + 64 * j + 32, false, d * (float)a1 * xs[2 * j + 1]);
        }
    }
    return vaddvq_f32(sum) - less;
}

/* 16 numbers at a time share a scale: 4 bits from low halves of bytes or high ones, 2 from others. */
INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    float32x4_t sum = vdupq_n_f32(0.0f);
    for (size_t at = 0; at < k; at += 256, w += 210) {
        float d = tsri_int8_half(w + 208);
        for (size_t g = 0; g < 16; g++) {
            size_t part = g / 2 % 4, within = 16 * (g % 2);
            uint8x16_t l = vld1q_u8(w + 64 * (g / 8) + 32 * (part % 2) + within), h = vld1q_u8(w + 128 + 32 * (g / 8) + within);
            h = vshlq_n_u8(vandq_u8(vshlq_u8(h, vdupq_n_s8((int8_t)(-2 * (int)part))), vdupq_n_u8(3)), 4);
            l = part >= 2 ? vshrq_n_u8(l, 4) : vandq_u8(l, vdupq_n_u8(15));
            int32x4_t s = vsetq_lane_s32(x->zeros[at / 16 + g], vdupq_n_s32(0), 0);
            s = dot16(s, vreinterpretq_s8_u8(vorrq_u8(l, h)), x, at + 16 * g);
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(s), d * (float)(int8_t)w[192 + g] * x->xs[(at + 16 * g) / TSRI_INT8_BLOCK]);
        }
    }
    return vaddvq_f32(sum);
}

/* Types without a kernel of their own. */
INLINE float block_row(const uint8_t *w, tsr_type type, const tsri_int8_row *x, size_t k)
{
    const tsr_type_traits *t = tsr_type_info(type);
    tsri_int8_form form = tsri_int8_form_of(type);
    float32x4_t sum = vdupq_n_f32(0.0f);
    float more = 0.0f;
    tsri_int8_block block;
    for (size_t at = 0; at < k; at += t->block_elems, w += t->block_bytes) {
        tsri_int8_unpack(&block, type, w);
        for (size_t g = 0; g < t->block_elems / form.group; g++) {
            size_t e = at + g * form.group, n = e / form.group;
            bool is_signed = form.zero == 128;
            int32x4_t s = vsetq_lane_s32(is_signed || form.offsets ? 0 : x->zeros[n], vdupq_n_s32(0), 0);
            for (size_t i = 0; i < form.group; i += 16)
                s = dot16(s, numbers(is_signed, block.q + g * form.group + i), x, e + i);
            sum = vfmaq_n_f32(sum, vcvtq_f32_s32(s), block.a[g] * x->xs[e / TSRI_INT8_BLOCK]);
            more += form.offsets ? block.o[g] * x->sums[n] : 0.0f;
        }
    }
    return vaddvq_f32(sum) + more;
}

INLINE float one_product(tsr_type type, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    switch (type) {
    case TSR_Q8_0: return q8_0_row(w, x, k);
    case TSR_Q4_0: return q4_0_row(w, x, k);
    case TSR_Q4_K: return q4_k_row(w, x, k);
    case TSR_Q6_K: return q6_k_row(w, x, k);
    default: return block_row(w, type, x, k);
    }
}

#include "int8_rows.h"

#define TSRI_INT8_NEON_KERNELS \
    (tsri_int8_kernels) {.round = round_blocks, .round_fine = tsri_int8_round_fine, .pack = tsri_int8_pack_rows, .tile = tile, .rows = rows}

#endif
