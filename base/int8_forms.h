/* int8_forms.h: blocks become whole numbers and scales (int8_internal.h), as quant.c makes values of them.
 *
 * Functions are static inline: each level compiles them with its own instructions. */
#ifndef TSR_INT8_FORMS_H
#define TSR_INT8_FORMS_H

#include <math.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "int8_internal.h"
#include "quant_internal.h"

static inline void tsri_int8_halves(int32_t halves[2], const int32_t fours[8])
{
    halves[0] = fours[0] + fours[1] + fours[2] + fours[3];
    halves[1] = fours[4] + fours[5] + fours[6] + fours[7];
}

/* `round` of the kernels by a function that rounds one block, tells its sums of four and gives its scale. */
static inline __attribute__((always_inline)) void tsri_int8_round_each(float (*one)(int8_t *p, int32_t fours[8], const float *x),
                                                                       int8_t *p, float *xs, int32_t *halves, const float *x, size_t n)
{
    int32_t fours[8];
    for (size_t b = 0; b < n; b++, p += TSRI_INT8_BLOCK, x += TSRI_INT8_BLOCK) {
        xs[b] = one(p, fours, x);
        tsri_int8_halves(halves + 2 * b, fours);
    }
}

/* The scale by which the largest of a block becomes `most`, and its inverse: 0 beside a top so small that it overflows, so that everything is
 * 0. NaN where the block holds one or an infinity. */
static inline float tsri_int8_scale(const float *x, float most, float *inverse)
{
    float top = 0.0f;
    bool finite = true;
    for (size_t i = 0; i < TSRI_INT8_BLOCK; i++) {
        float size = fabsf(x[i]);
        finite = finite && isfinite(size);
        top = size > top ? size : top;
    }
    float scale = top / most;
    *inverse = finite && scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
    return finite ? scale : NAN;
}

/* `round_fine` likewise. */
static inline __attribute__((always_inline)) void tsri_int8_round_fine_each(float (*one)(int8_t *p, int8_t *lo, int32_t fours[8], const float *x),
                                                                            int8_t *p, int8_t *lo, float *xs, int32_t *halves,
                                                                            const float *x, size_t n)
{
    int32_t fours[8];
    for (size_t b = 0; b < n; b++, p += TSRI_INT8_BLOCK, lo += TSRI_INT8_BLOCK, x += TSRI_INT8_BLOCK) {
        xs[b] = one(p, lo, fours, x);
        tsri_int8_halves(halves + 2 * b, fours);
    }
}

/* The largest number is 127 * 256, so that its upper half fits. */
static inline float tsri_int8_round32_fine(int8_t *p, int8_t *lo, int32_t fours[8], const float *x)
{
    float inverse, scale = tsri_int8_scale(x, 127.0f * 256.0f, &inverse);
    memset(fours, 0, 8 * sizeof *fours);
    for (size_t i = 0; i < TSRI_INT8_BLOCK; i++) {
        int32_t v = isnan(scale) ? 0 : (int32_t)nearbyintf(x[i] * inverse), low = ((v + 128) & 255) - 128;
        p[i] = (int8_t)((v - low) / 256);
        lo[i] = (int8_t)(low > -128 ? low : -127);
        fours[i / 4] += 256 * p[i] + lo[i];
    }
    return scale;
}

/* `round_fine` of the kernels, where it is not worth more. */
static inline void tsri_int8_round_fine(int8_t *p, int8_t *lo, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_fine_each(tsri_int8_round32_fine, p, lo, xs, halves, x, n);
}

/* How many of n rows that are left come next in a tile of at most `most`: of the last ones a half, as four and four take less time than six
 * and two. */
static inline size_t tsri_int8_rows_of_tile(size_t n, size_t most)
{
    return n >= 2 * most ? most : n > most ? (n + 1) / 2 : n;
}

/* The numbers of one block and what belongs to them. */
typedef struct tsri_int8_block {
    uint8_t q[TSRI_QUANT_MAX_ELEMS];
    float a[TSRI_QUANT_MAX_ELEMS / 16], o[TSRI_QUANT_MAX_ELEMS / 16];
} tsri_int8_block;

static inline float tsri_int8_half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
#if defined(__F16C__)
    return _cvtsh_ss(h);
#elif defined(__aarch64__)
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
#else
    return tsr_f16_to_f32(h);
#endif
}

/* q[i] = p[i] >> shift & mask, for n bytes, a multiple of 16; mask within what is left of a byte. Compilers make single bytes
 * of the loop, which costs a fifth of a product. */
static inline void tsri_int8_bits(uint8_t *q, const uint8_t *p, size_t n, unsigned shift, unsigned mask)
{
#if defined(__SSE2__)
    for (size_t i = 0; i < n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        v = _mm_and_si128(_mm_srl_epi16(v, _mm_cvtsi32_si128((int)shift)), _mm_set1_epi8((char)mask));
        _mm_storeu_si128((__m128i *)(void *)(q + i), v);
    }
#elif defined(__aarch64__)
    for (size_t i = 0; i < n; i += 16)
        vst1q_u8(q + i, vandq_u8(vshlq_u8(vld1q_u8(p + i), vdupq_n_s8((int8_t)-(int)shift)), vdupq_n_u8((uint8_t)mask)));
#else
    for (size_t i = 0; i < n; i++)
        q[i] = (uint8_t)(p[i] >> shift & mask);
#endif
}

/* q[i] += bit `bit` of p[i] << to, likewise. */
static inline void tsri_int8_add_bit(uint8_t *q, const uint8_t *p, size_t n, unsigned bit, unsigned to)
{
    uint8_t one[32];
    for (size_t i = 0; i < n; i += sizeof one) {
        tsri_int8_bits(one, p + i, sizeof one, bit, 1);
        for (size_t j = 0; j < sizeof one; j++)
            q[i + j] = (uint8_t)(q[i + j] + (one[j] << to));
    }
}

static inline void tsri_int8_nibbles(uint8_t *q, const uint8_t *qs)
{
    tsri_int8_bits(q, qs, 16, 0, 15);
    tsri_int8_bits(q + 16, qs, 16, 4, 15);
}

static inline void tsri_int8_fifth_bits(uint8_t *q, const uint8_t *qh)
{
    uint8_t each[32]; /* bit i of qh in bit i % 8 of byte i */
    static const uint8_t bit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    for (size_t i = 0; i < 4; i++)
        memset(each + 8 * i, qh[i], 8);
    for (size_t i = 0; i < 32; i++)
        q[i] = (uint8_t)(q[i] + ((each[i] & bit[i % 8]) ? 16 : 0));
}

static inline void tsri_int8_two_bits(uint8_t *q, const uint8_t *qs)
{
    for (unsigned part = 0; part < 8; part++)
        tsri_int8_bits(q + 32 * part, qs + part / 4 * 32, 32, part % 4 * 2, 3);
}

static inline void tsri_int8_q2_k(tsri_int8_block *to, const uint8_t *b)
{
    float d = tsri_int8_half(b + 80), dmin = tsri_int8_half(b + 82);
    tsri_int8_two_bits(to->q, b + 16);
    for (size_t g = 0; g < 16; g++) {
        to->a[g] = d * (float)(b[g] & 15);
        to->o[g] = -(dmin * (float)(b[g] >> 4));
    }
}

static inline void tsri_int8_q3_k(tsri_int8_block *to, const uint8_t *b)
{
    float d = tsri_int8_half(b + 108);
    tsri_int8_two_bits(to->q, b + 32);
    for (unsigned part = 0; part < 8; part++)
        tsri_int8_add_bit(to->q + 32 * part, b, 32, part, 2);
    for (size_t g = 0; g < 16; g++)
        to->a[g] = d * (float)tsri_q3_k_scale(b + 96, g);
}

static inline void tsri_int8_q45_k(tsri_int8_block *to, const uint8_t *b, const uint8_t *qh, const uint8_t *qs)
{
    float d = tsri_int8_half(b), dmin = tsri_int8_half(b + 2);
    for (unsigned g = 0; g < 8; g++) {
        int s, o;
        tsri_take_k_scale(b + 4, g, &s, &o);
        to->a[g] = d * (float)s;
        to->o[g] = -(dmin * (float)o);
        tsri_int8_bits(to->q + 32 * g, qs + g / 2 * 32, 32, g % 2 * 4, 15);
        if (qh)
            tsri_int8_add_bit(to->q + 32 * g, qh, 32, g, 4);
    }
}

static inline void tsri_int8_q6_k(tsri_int8_block *to, const uint8_t *b)
{
    uint8_t high[256];
    float d = tsri_int8_half(b + 208);
    tsri_int8_two_bits(high, b + 128);
    for (size_t half = 0; half < 2; half++) {
        tsri_int8_bits(to->q + 128 * half, b + 64 * half, 64, 0, 15);
        tsri_int8_bits(to->q + 128 * half + 64, b + 64 * half, 64, 4, 15);
    }
    for (size_t i = 0; i < 256; i++)
        to->q[i] = (uint8_t)(to->q[i] + (high[i] << 4));
    for (size_t g = 0; g < 16; g++)
        to->a[g] = d * (float)(int8_t)b[192 + g];
}

/* Numbers of 16 nibbles that stand for values, which are moved so that the least is not below 0. */
static inline void tsri_int8_values(uint8_t *q, const int8_t values[16], int zero, const uint8_t *qs)
{
#if defined(__SSSE3__)
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)qs), low = _mm_set1_epi8(15);
    __m128i table = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)values), _mm_set1_epi8((char)zero));
    _mm_storeu_si128((__m128i *)(void *)q, _mm_shuffle_epi8(table, _mm_and_si128(v, low)));
    _mm_storeu_si128((__m128i *)(void *)(q + 16), _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(v, 4), low)));
#elif defined(__aarch64__)
    uint8x16_t v = vld1q_u8(qs), table = vaddq_u8(vreinterpretq_u8_s8(vld1q_s8(values)), vdupq_n_u8((uint8_t)zero));
    vst1q_u8(q, vqtbl1q_u8(table, vandq_u8(v, vdupq_n_u8(15))));
    vst1q_u8(q + 16, vqtbl1q_u8(table, vshrq_n_u8(v, 4)));
#else
    for (size_t i = 0; i < 16; i++) {
        q[i] = (uint8_t)(values[qs[i] & 15] + zero);
        q[16 + i] = (uint8_t)(values[qs[i] >> 4] + zero);
    }
#endif
}

static inline void tsri_int8_iq4_xs(tsri_int8_block *to, const uint8_t *b)
{
    float d = tsri_int8_half(b);
    for (size_t g = 0; g < 8; g++) {
        to->a[g] = d * (float)tsri_iq4_xs_scale(b, g);
        tsri_int8_values(to->q + 32 * g, tsri_iq4_values, 128, b + 8 + 16 * g);
    }
}

/* One block of `type`. o is written only by types that have offsets. */
static inline void tsri_int8_unpack(tsri_int8_block *to, tsr_type type, const uint8_t *b)
{
    switch (type) {
    case TSR_Q8_0:
        to->a[0] = tsri_int8_half(b);
        for (size_t i = 0; i < 32; i++)
            to->q[i] = b[2 + i] ^ 0x80;
        break;
    case TSR_Q4_0:
        to->a[0] = tsri_int8_half(b);
        tsri_int8_nibbles(to->q, b + 2);
        break;
    case TSR_Q4_1:
        to->a[0] = tsri_int8_half(b);
        to->o[0] = tsri_int8_half(b + 2);
        tsri_int8_nibbles(to->q, b + 4);
        break;
    case TSR_Q5_0:
        to->a[0] = tsri_int8_half(b);
        tsri_int8_nibbles(to->q, b + 6);
        tsri_int8_fifth_bits(to->q, b + 2);
        break;
    case TSR_Q5_1:
        to->a[0] = tsri_int8_half(b);
        to->o[0] = tsri_int8_half(b + 2);
        tsri_int8_nibbles(to->q, b + 8);
        tsri_int8_fifth_bits(to->q, b + 4);
        break;
    case TSR_Q2_K: tsri_int8_q2_k(to, b); break;
    case TSR_Q3_K: tsri_int8_q3_k(to, b); break;
    case TSR_Q4_K: tsri_int8_q45_k(to, b, NULL, b + 16); break;
    case TSR_Q5_K: tsri_int8_q45_k(to, b, b + 16, b + 48); break;
    case TSR_Q6_K: tsri_int8_q6_k(to, b); break;
    case TSR_IQ4_NL:
        to->a[0] = tsri_int8_half(b);
        tsri_int8_values(to->q, tsri_iq4_values, 128, b + 2);
        break;
    case TSR_IQ4_XS: tsri_int8_iq4_xs(to, b); break;
    case TSR_MXFP4:
        to->a[0] = tsri_e8m0_half(b[0]);
        tsri_int8_values(to->q, tsri_mxfp4_values, 12, b + 1);
        break;
    default: break; /* callers come with block types */
    }
}

/* Numbers of a row into its column of a panel. */
static inline void tsri_int8_put(tsri_int8_panel *panel, const tsri_int8_block *from, size_t row, size_t k, size_t n,
                                 tsri_int8_form form)
{
    uint8_t *q = panel->q + k / 4 * (4 * TSRI_INT8_OUT) + 4 * row;
    for (size_t i = 0; i < n; i += 4, q += 4 * TSRI_INT8_OUT)
        memcpy(q, from->q + i, 4);
    float *a = panel->a + k / form.group * TSRI_INT8_OUT + row, *o = panel->o + k / form.group * TSRI_INT8_OUT + row;
    for (size_t g = 0; g < n / form.group; g++)
        a[g * TSRI_INT8_OUT] = from->a[g];
    if (form.offsets)
        for (size_t g = 0; g < n / form.group; g++)
            o[g * TSRI_INT8_OUT] = from->o[g];
}

static inline void tsri_int8_pack_rows(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n,
                                       size_t k)
{
    const tsr_type_traits *t = tsr_type_info(type);
    tsri_int8_form form = tsri_int8_form_of(type);
    size_t elems = t->block_elems;
    tsri_int8_block block;
    if (n < TSRI_INT8_OUT)
        memset(panel, 0, sizeof *panel);
    for (size_t r = 0; r < n; r++) {
        const uint8_t *b = w + r * row_bytes;
        for (size_t at = 0; at < k; at += elems, b += t->block_bytes) {
            tsri_int8_unpack(&block, type, b);
            tsri_int8_put(panel, &block, r, at, elems, form);
        }
    }
}

/* ---- rows ---- */

/* Row i of an input, as kernels of rows read it. */
typedef struct tsri_int8_row {
    const int8_t *p, *lo;   /* lo NULL: it isn't fine */
    const float *xs, *sums; /* [k / 32], and [k / group] in types with offsets */
    const int32_t *zeros;   /* [k / group] in the others */
    bool to_first;          /* memory far ahead is asked for into the first cache */
} tsri_int8_row;

/* AMD's first cache takes what is asked for early; Intel's, which holds fewer lines under way, takes it from the second one soon before
 * it is needed. */
static inline bool tsri_int8_to_first_cache(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_is("amd");
#else
    return false;
#endif
}

static inline tsri_int8_row tsri_int8_row_of(const tsri_int8_input *in, size_t i)
{
    const float *sums = (const float *)in->corr + i * in->ldc;
    const int32_t *zeros = (const int32_t *)in->corr + i * in->ldc;
    return (tsri_int8_row){.p = in->p + i * in->ldp, .lo = in->lo ? in->lo + i * in->ldp : NULL, .xs = in->xs + i * in->lds, .sums = sums,
                           .zeros = zeros, .to_first = tsri_int8_to_first_cache()};
}

/* Asks for the memory of n bytes of weights some way ahead of those at work: the processor's own prefetching stops at pages,
 * and gives two thirds of what memory can. */
static inline __attribute__((always_inline)) void tsri_int8_ask_ahead(const tsri_int8_row *x, const uint8_t *w, size_t n)
{
    enum { FAR = 8192, NEAR = 2048, LINE_BYTES = 64 }; /* bytes ahead */
    for (size_t i = 0; i < n; i += LINE_BYTES)
        if (x->to_first) {
            __builtin_prefetch(w + FAR + i, 0, 3);
        } else {
            __builtin_prefetch(w + FAR + i, 0, 2);
            __builtin_prefetch(w + NEAR + i, 0, 3);
        }
}

/* Products of rows of weights with row i of x, a block at a time, for types without a kernel of their own. */
static inline void tsri_int8_rows_by_blocks(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n,
                                            const tsri_int8_input *x, size_t i, size_t k)
{
    const tsr_type_traits *t = tsr_type_info(type);
    tsri_int8_form form = tsri_int8_form_of(type);
    tsri_int8_block block;
    for (size_t r = 0; r < n; r++) {
        const uint8_t *b = w + r * row_bytes;
        const int8_t *p = x->p + i * x->ldp, *lo = x->lo ? x->lo + i * x->ldp : NULL;
        const float *xs = x->xs + i * x->lds;
        const int32_t *corr = (const int32_t *)x->corr + i * x->ldc;
        float s = 0.0f;
        for (size_t at = 0; at < k; at += t->block_elems, b += t->block_bytes) {
            tsri_int8_unpack(&block, type, b);
            for (size_t g = 0; g < t->block_elems / form.group; g++, corr++, p += form.group) {
                int32_t sum = 0;
                for (size_t e = 0; e < form.group; e++)
                    sum += block.q[g * form.group + e] * (lo ? 256 * p[e] + lo[e] : p[e]);
                lo = lo ? lo + form.group : NULL;
                float scale = block.a[g] * xs[(at + g * form.group) / TSRI_INT8_BLOCK], sums;
                memcpy(&sums, corr, sizeof sums);
                s += form.offsets ? scale * (float)sum + block.o[g] * sums : scale * (float)(sum + *corr);
            }
        }
        y[r] = s;
    }
}

#endif
