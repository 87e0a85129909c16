/* int8_256.h: what AVX2 and AVX-VNNI share, vectors of 256 bits: rounding, a tile's floats, rows of all types. Before it is included a file
 * says AT_ONCE, the rows of input that its tile takes at most (2 or 3), SIGNED_APART, whether numbers whose zero is 128 are multiplied as signed
 * ones, without what is in the sums' starting values; and behind it what it declares. */
#ifndef TSR_INT8_256_H
#define TSR_INT8_256_H

#include "int8_x86_rows.h"
#include "registers_internal.h"

#include <math.h>

enum { LANES = TSRI_INT8_OUT / 8 };

/* Group g of `group` elements: begin[i] + sums of row i < n of input with 32 outputs. `steps`: of 4 elements, whose pairs fit 16
 * bits. */
INLINE void group_sums(__m256i s[AT_ONCE][LANES], size_t n, size_t group, size_t steps, bool is_signed, const int32_t *begin,
                       const uint8_t *q, const int8_t *p, size_t ldp);

/* Products of 32 numbers of at most 63, and what belongs to their zero. */
INLINE __m256 dot32(const tsri_int8_row *x, size_t at, __m256i q);

/* The same of 32 signed numbers, whose type has this zero. */
INLINE __m256 dot32_signed(const tsri_int8_row *x, size_t at, __m256i q, unsigned zero);

INLINE float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* ---- inputs ---- */

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], top = _mm256_setzero_ps(), bad = _mm256_setzero_ps();
    float eight[8], most = 0.0f;
    for (size_t i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(_mm256_sub_ps(v[i], v[i]), _mm256_setzero_ps(), _CMP_UNORD_Q)); /* NaN, infinite */
        top = _mm256_max_ps(top, _mm256_andnot_ps(sign, v[i]));
    }
    if (_mm256_movemask_ps(bad)) {
        _mm256_storeu_si256((void *)p, _mm256_setzero_si256());
        _mm256_storeu_si256((void *)sums, _mm256_setzero_si256());
        return NAN;
    }
    _mm256_storeu_ps(eight, top);
    for (size_t i = 0; i < 8; i++)
        most = eight[i] > most ? eight[i] : most;
    float scale = most / 127.0f;
    __m256 by = _mm256_set1_ps(scale >= 0x1p-126f ? 1.0f / scale : 0.0f);
    __m256i w[4];
    for (size_t i = 0; i < 4; i++)
        w[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], by));
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(w[0], w[1]), _mm256_packs_epi32(w[2], w[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0)); /* packs work within halves */
    __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
    _mm256_storeu_si256((void *)p, bytes);
    _mm256_storeu_si256((void *)sums, fours);
    return scale;
}

static void round_blocks(int8_t *p, float *xs, int32_t *halves, int32_t *fours, const float *x, size_t n)
{
    tsri_int8_round_each(round32, p, xs, halves, fours, x, n);
}

/* ---- tiles ---- */

INLINE void tile_of(size_t n, bool fine, size_t group, size_t steps, tsri_int8_form form, float y[AT_ONCE][TSRI_INT8_OUT],
                    const tsri_int8_panel *panel, const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    bool is_signed = form.zero == 128, apart = is_signed && SIGNED_APART;
    for (size_t g = 0; g < k / group; g++) {
        const float *a = panel->a + g * TSRI_INT8_OUT, *o = panel->o + g * TSRI_INT8_OUT;
        const int8_t *p = x->p + first * x->ldp + k0 + g * group;
        const uint8_t *q = panel->q + g * group * TSRI_INT8_OUT;
        __m256i s[AT_ONCE][LANES], high[AT_ONCE][LANES];
        int32_t begin[AT_ONCE] = {0};
        if (fine) {
            group_sums(high, n, group, steps, is_signed, begin, q, p, x->ldp);
            READ_AGAIN(q);
        }
        for (size_t i = 0; i < n && !apart && !form.offsets; i++)
            begin[i] = ((const int32_t *)x->corr)[(first + i) * x->ldc + k0 / group + g];
        group_sums(s, n, group, steps, is_signed, begin, q, fine ? x->lo + (p - x->p) : p, x->ldp);
        for (size_t i = 0; i < n && fine; i++)
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = _mm256_add_epi32(s[i][l], _mm256_slli_epi32(high[i][l], 8));
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            __m256 by = _mm256_set1_ps(x->xs[(first + i) * x->lds + (k0 + g * group) / TSRI_INT8_BLOCK]);
            __m256 sums = _mm256_set1_ps(form.offsets ? ((const float *)x->corr)[(first + i) * x->ldc + k0 / group + g] : 0.0f);
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++) {
                __m256 f = _mm256_loadu_ps(y[i] + 8 * l);
                f = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s[i][l]), _mm256_mul_ps(_mm256_loadu_ps(a + 8 * l), by), f);
                if (form.offsets)
                    f = _mm256_fmadd_ps(_mm256_loadu_ps(o + 8 * l), sums, f);
                _mm256_storeu_ps(y[i] + 8 * l, f);
            }
        }
    }
}

/* A constant for either kind: the compiler makes none of a choice between two. */
INLINE void tile_of_either(bool offsets, size_t n, bool fine, size_t group, size_t steps, float y[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                           const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (offsets)
        tile_of(n, fine, group, steps, (tsri_int8_form){.offsets = true}, y, panel, x, first, k0, k);
    else
        tile_of(n, fine, group, steps, (tsri_int8_form){0}, y, panel, x, first, k0, k);
}

/* Constants for the kinds of numbers there are. */
INLINE void tile_rows(size_t n, bool fine, tsri_int8_form form, float y[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                      const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (form.zero == 128)
        tile_of(n, fine, 32, 1, (tsri_int8_form){.zero = 128}, y, panel, x, first, k0, k);
    else if (form.group == 32 && form.top > 15)
        tile_of_either(form.offsets, n, fine, 32, 4, y, panel, x, first, k0, k);
    else if (form.group == 32)
        tile_of_either(form.offsets, n, fine, 32, 8, y, panel, x, first, k0, k);
    else if (form.top > 15)
        tile_of_either(form.offsets, n, fine, 16, 2, y, panel, x, first, k0, k);
    else
        tile_of_either(form.offsets, n, fine, 16, 4, y, panel, x, first, k0, k);
}

INLINE size_t rows_of_tile(size_t n)
{
    return tsri_int8_rows_of_tile(n, AT_ONCE);
}

#include "int8_tiles.h"

/* ---- rows ---- */

/* 32 nibbles of 16 bytes: the low halves, then the high ones. */
INLINE __m256i nibbles(const uint8_t *p)
{
    const __m256i by = _mm256_set_epi32(4, 4, 4, 4, 0, 0, 0, 0);
    return _mm256_and_si256(_mm256_srlv_epi32(_mm256_broadcastsi128_si256(load16(p)), by), _mm256_set1_epi8(15));
}

/* 16 in each byte whose bit of the 32 is set. */
INLINE __m256i fifths(uint32_t bits)
{
    const __m256i byte = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i each = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(each, bit), _mm256_set1_epi8(16));
}

INLINE __m256i values_of(const int8_t values[16], __m256i q)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(values)), q);
}

/* The first number in four lanes, the second in the others. */
INLINE __m256 two_of(const float *v)
{
    return _mm256_set_m128(_mm_set1_ps(v[1]), _mm_set1_ps(v[0]));
}

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 32, w += Q8_0_BYTES) {
        tsri_int8_ask_ahead(x, w, Q8_0_BYTES);
        __m256 by = _mm256_set1_ps(tsri_int8_half(w) * x->xs[at / 32]);
        sum = _mm256_fmadd_ps(dot32_signed(x, at, load32(w + 2), 128), by, sum);
    }
    return sum8(sum);
}

INLINE float nibble_row(const nibble_type t, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    float more = 0.0f;
    for (size_t at = 0; at < k; at += 32, w += 2 * t.words) {
        __m256i q = nibbles(w + 2 * t.qs);
        __m256 by = _mm256_set1_ps(tsri_int8_half(w) * x->xs[at / 32]);
        tsri_int8_ask_ahead(x, w, 2 * t.words);
        if (t.fifths)
            q = _mm256_or_si256(q, fifths(four_bytes(w + 2 * t.fifths)));
        if (t.offsets)
            more += tsri_int8_half(w + 2) * x->sums[at / 32];
        sum = _mm256_fmadd_ps(t.values ? dot32_signed(x, at, values_of(tsri_iq4_values, q), 128) : dot32(x, at, q), by, sum);
    }
    return sum8(sum) + more;
}

INLINE float mxfp4_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 32, w += MXFP4_BYTES) {
        __m256 by = _mm256_set1_ps(tsri_e8m0_half(w[0]) * x->xs[at / 32]);
        tsri_int8_ask_ahead(x, w, MXFP4_BYTES);
        sum = _mm256_fmadd_ps(dot32_signed(x, at, values_of(tsri_mxfp4_values, nibbles(w + 1)), 12), by, sum);
    }
    return sum8(sum);
}

INLINE float q45_k_row(bool five, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m256i low = _mm256_set1_epi8(15), fifth = _mm256_set1_epi8(16);
    size_t bytes = five ? Q5_K_BYTES : Q4_K_BYTES;
    __m256 sum = _mm256_setzero_ps(), less = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += bytes) {
        const uint8_t *qs = w + (five ? 48 : 16);
        __m256i high = five ? load32(w + 16) : _mm256_setzero_si256();
        float by[8];
        tsri_int8_ask_ahead(x, w, bytes);
        __m128i both = k_scale_bytes(w);
        __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(both)), o = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(both, 8)));
        a = _mm256_mul_ps(a, _mm256_mul_ps(_mm256_set1_ps(tsri_int8_half(w)), _mm256_loadu_ps(x->xs + at / 32)));
        o = _mm256_mul_ps(o, _mm256_set1_ps(tsri_int8_half(w + 2)));
        less = _mm256_fmadd_ps(o, _mm256_loadu_ps(x->sums + at / 32), less);
        _mm256_storeu_ps(by, a);
        for (size_t j = 0; j < 8; j++) {
            __m256i q = load32(qs + 32 * (j / 2));
            q = _mm256_and_si256(j % 2 ? _mm256_srli_epi16(q, 4) : q, low);
            if (five) /* bit j, where bit 4 is wanted */
                q = _mm256_or_si256(q, _mm256_and_si256(j < 4 ? _mm256_slli_epi16(high, (int)(4 - j)) : _mm256_srli_epi16(high, (int)(j - 4)), fifth));
            sum = _mm256_fmadd_ps(dot32(x, at + 32 * j, q), _mm256_set1_ps(by[j]), sum);
        }
    }
    return sum8(_mm256_sub_ps(sum, less));
}

INLINE float iq4_xs_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += IQ4_XS_BYTES) {
        float d = tsri_int8_half(w);
        tsri_int8_ask_ahead(x, w, IQ4_XS_BYTES);
        for (size_t g = 0; g < 8; g++) {
            float by = d * (float)tsri_iq4_xs_scale(w, g) * x->xs[at / 32 + g];
            sum = _mm256_fmadd_ps(dot32_signed(x, at + 32 * g, values_of(tsri_iq4_values, nibbles(w + 8 + 16 * g)), 128),
                                  _mm256_set1_ps(by), sum);
        }
    }
    return sum8(sum);
}

/* Sixteen whole numbers less `minus`, times d, and each two of them times one of eight scales of input. */
INLINE void sixteen_scales(float by[16], __m128i numbers, int minus, float d, const float *xs)
{
    const __m256i pairs = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);
    __m256 in = _mm256_mul_ps(_mm256_loadu_ps(xs), _mm256_set1_ps(d));
    for (int i = 0; i < 2; i++) {
        __m256i n = _mm256_sub_epi32(_mm256_cvtepu8_epi32(i ? _mm_srli_si128(numbers, 8) : numbers), _mm256_set1_epi32(minus));
        __m256 each = _mm256_permutevar8x32_ps(in, _mm256_add_epi32(pairs, _mm256_set1_epi32(4 * i)));
        _mm256_storeu_ps(by + 8 * i, _mm256_mul_ps(_mm256_cvtepi32_ps(n), each));
    }
}

/* 32 numbers of two bits: pair `pair` of each byte. */
INLINE __m256i two_bits(const uint8_t *p, size_t pair)
{
    return _mm256_and_si256(_mm256_srli_epi16(load32(p), (int)(2 * pair)), _mm256_set1_epi8(3));
}

INLINE float q2_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m128i low = _mm_set1_epi8(15);
    __m256 sum = _mm256_setzero_ps(), less = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q2_K_BYTES) {
        __m128i both = load16(w), offsets = _mm_and_si128(_mm_srli_epi16(both, 4), low);
        __m256 dmin = _mm256_set1_ps(tsri_int8_half(w + 82));
        float by[16];
        tsri_int8_ask_ahead(x, w, Q2_K_BYTES);
        sixteen_scales(by, _mm_and_si128(both, low), 0, tsri_int8_half(w + 80), x->xs + at / 32);
        for (size_t i = 0; i < 2; i++) {
            __m256 o = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(i ? _mm_srli_si128(offsets, 8) : offsets));
            less = _mm256_fmadd_ps(_mm256_mul_ps(o, dmin), _mm256_loadu_ps(x->sums + at / 16 + 8 * i), less);
        }
        for (size_t j = 0; j < 8; j++)
            sum = _mm256_fmadd_ps(dot32(x, at + 32 * j, two_bits(w + 16 + 32 * (j / 4), j % 4)), two_of(by + 2 * j), sum);
    }
    return sum8(_mm256_sub_ps(sum, less));
}

INLINE float q3_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m256i third = _mm256_set1_epi8(4);
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q3_K_BYTES) {
        __m256i high = load32(w);
        float by[16];
        tsri_int8_ask_ahead(x, w, Q3_K_BYTES);
        sixteen_scales(by, q3_k_scale_bytes(w + 96), 32, tsri_int8_half(w + 108), x->xs + at / 32);
        for (size_t j = 0; j < 8; j++) { /* bit j, where bit 2 is wanted */
            __m256i bit = j < 2 ? _mm256_slli_epi16(high, (int)(2 - j)) : _mm256_srli_epi16(high, (int)(j - 2));
            __m256i q = _mm256_or_si256(two_bits(w + 32 + 32 * (j / 4), j % 4), _mm256_and_si256(bit, third));
            sum = _mm256_fmadd_ps(dot32(x, at + 32 * j, q), two_of(by + 2 * j), sum);
        }
    }
    return sum8(sum);
}

INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q6_K_BYTES) {
        float by[16];
        tsri_int8_ask_ahead(x, w, Q6_K_BYTES);
        /* signed scales: the top bit turned, 128 too large */
        sixteen_scales(by, _mm_xor_si128(load16(w + 192), _mm_set1_epi8((char)0x80)), 128, tsri_int8_half(w + 208), x->xs + at / 32);
        for (size_t j = 0; j < 8; j++) { /* 32 numbers: low halves of 32 bytes or high ones, two bits from 32 others */
            __m256i l = load32(w + 64 * (j / 4) + 32 * (j % 2));
            l = _mm256_and_si256(j % 4 >= 2 ? _mm256_srli_epi16(l, 4) : l, low);
            __m256i q = _mm256_or_si256(l, _mm256_slli_epi16(two_bits(w + 128 + 32 * (j / 4), j % 4), 4));
            sum = _mm256_fmadd_ps(dot32(x, at + 32 * j, q), two_of(by + 2 * j), sum);
        }
    }
    return sum8(sum);
}

#endif
