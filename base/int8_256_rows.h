/* int8_256_rows.h: rows of all types in vectors of 256 bits, for int8_256.h. Types of 32 elements go eight blocks at a time, as K types go by their blocks
 * of 256: what floats there are is made for eight at once, and what belongs to zeros is added by the eight. */
#ifndef TSR_INT8_256_ROWS_H
#define TSR_INT8_256_ROWS_H

#include "int8_x86_rows.h"
#include "registers_internal.h"

/* Sums of q's products with 32 elements of input from `at` on, four to a lane. q are signed numbers of a type with this zero, or unsigned ones of at most 63
 * where it is 0. */
INLINE __m256i sums_of(const tsri_int8_row *x, size_t at, __m256i q, unsigned zero);

/* The same of twice 32, in one vector, whose unsigned ones are at most 31. */
INLINE __m256i sums_of_two(const tsri_int8_row *x, const size_t at[2], const __m256i q[2], unsigned zero);

INLINE float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* The half at w and the next seven, `bytes` apart. */
INLINE __m256 eight_halves(const uint8_t *w, size_t bytes)
{
    __m128i h = _mm_cvtsi32_si128(word(w));
    h = _mm_insert_epi16(h, word(w + bytes), 1);
    h = _mm_insert_epi16(h, word(w + 2 * bytes), 2);
    h = _mm_insert_epi16(h, word(w + 3 * bytes), 3);
    h = _mm_insert_epi16(h, word(w + 4 * bytes), 4);
    h = _mm_insert_epi16(h, word(w + 5 * bytes), 5);
    h = _mm_insert_epi16(h, word(w + 6 * bytes), 6);
    return _mm256_cvtph_ps(_mm_insert_epi16(h, word(w + 7 * bytes), 7));
}

/* sum + what belongs to the zeros of eight groups with scales `by`; is_signed: of signed numbers. */
INLINE __m256 add_zeros(__m256 sum, __m256 by, const int32_t *zeros, bool is_signed)
{
    return is_signed && SIGNED_APART ? sum : _mm256_fmadd_ps(_mm256_cvtepi32_ps(load32(zeros)), by, sum);
}

INLINE __m256i values_of(const int8_t values[16], __m256i q)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(values)), q);
}

/* ---- types of 32 elements ---- */

INLINE __m256 q8_0_eight(__m256 sum, const uint8_t *w, const tsri_int8_row *x, size_t at)
{
    __m256 scales = _mm256_mul_ps(eight_halves(w, Q8_0_BYTES), _mm256_loadu_ps(x->xs + at / 32));
    float by[8];
    _mm256_storeu_ps(by, scales);
    sum = add_zeros(sum, scales, x->zeros + at / 32, true);
    IN_REGISTERS
    for (size_t b = 0; b < 8; b++) {
        __m256i s = sums_of(x, at + 32 * b, load32(w + b * Q8_0_BYTES + 2), 128);
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(by[b]), sum);
    }
    return sum;
}

/* 16 in each byte whose bit is set, of the first or the other half of the 32 bits that all dwords of a half of v hold. */
INLINE __m256i fifths(__m256i v, bool others)
{
    const __m256i byte = _mm256_set_epi64x(0x0101010101010101, 0, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i each = _mm256_and_si256(_mm256_shuffle_epi8(v, others ? _mm256_add_epi8(byte, _mm256_set1_epi8(2)) : byte), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(each, bit), _mm256_set1_epi8(16));
}

/* Two blocks at a time, with inputs in the order of nibbles (int8_internal.h): a block has four lanes. */
INLINE __m256 nibble_eight(const nibble_type t, __m256 sum, const uint8_t *w, const tsri_int8_row *x, size_t at)
{
    const __m256i low = _mm256_set1_epi8(15), pair = _mm256_set_epi32(1, 1, 1, 1, 0, 0, 0, 0);
    size_t bytes = 2 * t.words;
    __m256 scales = _mm256_mul_ps(eight_halves(w, bytes), _mm256_loadu_ps(x->xs + at / 32));
    if (t.offsets)
        sum = _mm256_fmadd_ps(eight_halves(w + 2, bytes), _mm256_loadu_ps(x->sums + at / 32), sum);
    else
        sum = add_zeros(sum, scales, x->zeros + at / 32, t.values);
    IN_REGISTERS
    for (size_t j = 0; j < 4; j++) {
        const uint8_t *first = w + 2 * j * bytes, *second = first + bytes;
        size_t from = at + j / 2 * 128 + j % 2 * 32;
        __m256i z = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(first + 2 * t.qs)), load16(second + 2 * t.qs), 1);
        __m256i q[2] = {_mm256_and_si256(z, low), _mm256_and_si256(_mm256_srli_epi16(z, 4), low)};
        if (t.fifths) {
            __m128i one = _mm_set1_epi32((int)four_bytes(first + 2 * t.fifths)), other = _mm_set1_epi32((int)four_bytes(second + 2 * t.fifths));
            for (size_t h = 0; h < 2; h++)
                q[h] = _mm256_or_si256(q[h], fifths(_mm256_set_m128i(other, one), h));
        }
        for (size_t h = 0; h < 2 && t.values; h++)
            q[h] = values_of(tsri_iq4_values, q[h]);
        __m256i s = sums_of_two(x, (const size_t[2]){from, from + 64}, q, t.values ? 128 : 0);
        __m256 by = _mm256_permutevar8x32_ps(scales, _mm256_add_epi32(pair, _mm256_set1_epi32((int)(2 * j))));
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), by, sum);
    }
    return sum;
}

/* 32 nibbles of 16 bytes: the low halves, then the high ones. */
INLINE __m256i nibbles(const uint8_t *p)
{
    const __m256i by = _mm256_set_epi32(4, 4, 4, 4, 0, 0, 0, 0);
    return _mm256_and_si256(_mm256_srlv_epi32(_mm256_broadcastsi128_si256(load16(p)), by), _mm256_set1_epi8(15));
}

INLINE __m256 mxfp4_eight(__m256 sum, const uint8_t *w, const tsri_int8_row *x, size_t at)
{
    __m256 scales = _mm256_mul_ps(eight_e8m0_halves(w, MXFP4_BYTES), _mm256_loadu_ps(x->xs + at / 32));
    float by[8];
    _mm256_storeu_ps(by, scales);
    sum = add_zeros(sum, scales, x->zeros + at / 32, true);
    IN_REGISTERS
    for (size_t b = 0; b < 8; b++) {
        __m256i s = sums_of(x, at + 32 * b, values_of(tsri_mxfp4_values, nibbles(w + b * MXFP4_BYTES + 1)), 12);
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(by[b]), sum);
    }
    return sum;
}

typedef enum eights { EIGHT_Q8_0, EIGHT_MXFP4, EIGHT_NIBBLES } eights;

/* sum + the products of eight blocks of this kind, of nibbles t, at w with input from element `at` on. */
INLINE __m256 add_eight(eights kind, const nibble_type t, __m256 sum, const uint8_t *w, const tsri_int8_row *x, size_t at)
{
    switch (kind) {
    case EIGHT_Q8_0: return q8_0_eight(sum, w, x, at);
    case EIGHT_MXFP4: return mxfp4_eight(sum, w, x, at);
    default: return nibble_eight(t, sum, w, x, at);
    }
}

/* A row of blocks of `bytes` bytes, of which the last may be fewer than eight. */
INLINE float row_of_eights(eights kind, const nibble_type t, size_t bytes, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    size_t at = 0;
    for (; at + 256 <= k; at += 256, w += 8 * bytes) {
        tsri_int8_ask_ahead(x, w, 8 * bytes);
        sum = add_eight(kind, t, sum, w, x, at);
    }
    if (at < k) {
        uint8_t last[8 * Q8_0_BYTES] = {0};
        memcpy(last, w, (k - at) / 32 * bytes);
        sum = add_eight(kind, t, sum, last, x, at);
    }
    return sum8(sum);
}

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    return row_of_eights(EIGHT_Q8_0, (nibble_type){0}, Q8_0_BYTES, w, x, k);
}

INLINE float mxfp4_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    return row_of_eights(EIGHT_MXFP4, (nibble_type){0}, MXFP4_BYTES, w, x, k);
}

INLINE float nibble_row(const nibble_type t, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    return row_of_eights(EIGHT_NIBBLES, t, 2 * t.words, w, x, k);
}

/* ---- K types with groups of 32 ---- */

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
        IN_REGISTERS
        for (size_t j = 0; j < 8; j++) {
            __m256i q = load32(qs + 32 * (j / 2));
            q = _mm256_and_si256(j % 2 ? _mm256_srli_epi16(q, 4) : q, low);
            if (five) /* bit j, where bit 4 is wanted */
                q = _mm256_or_si256(q, _mm256_and_si256(j < 4 ? _mm256_slli_epi16(high, (int)(4 - j)) : _mm256_srli_epi16(high, (int)(j - 4)), fifth));
            sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums_of(x, at + 32 * j, q, 0)), _mm256_set1_ps(by[j]), sum);
        }
    }
    return sum8(_mm256_sub_ps(sum, less));
}

INLINE float iq4_xs_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += IQ4_XS_BYTES) {
        __m256 in = _mm256_mul_ps(_mm256_set1_ps(tsri_int8_half(w)), _mm256_loadu_ps(x->xs + at / 32)), scales = _mm256_mul_ps(iq4_xs_scales(w), in);
        float by[8];
        tsri_int8_ask_ahead(x, w, IQ4_XS_BYTES);
        _mm256_storeu_ps(by, scales);
        sum = add_zeros(sum, scales, x->zeros + at / 32, true);
        IN_REGISTERS
        for (size_t g = 0; g < 8; g++) {
            __m256i s = sums_of(x, at + 32 * g, values_of(tsri_iq4_values, nibbles(w + 8 + 16 * g)), 128);
            sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(by[g]), sum);
        }
    }
    return sum8(sum);
}

/* ---- K types with groups of 16: pairs of products are multiplied by a group's scale as whole numbers ---- */

/* What a block's products are multiplied by: sixteen whole numbers, one for each group, and d times the scales of its eight blocks of input. */
typedef struct scales_of_block {
    __m128i numbers;
    __m256i words[2]; /* numbers 0 .. 7 in each half of the first, the others in each half of the second */
    __m256 eight;
    float by[8];      /* the same as `eight` */
} scales_of_block;

INLINE scales_of_block scales_of(__m128i numbers, const uint8_t *d, const float *xs)
{
    __m256i words = _mm256_cvtepi8_epi16(numbers);
    scales_of_block s = {.numbers = numbers, .eight = _mm256_mul_ps(_mm256_set1_ps(tsri_int8_half(d)), _mm256_loadu_ps(xs))};
    s.words[0] = _mm256_permute2x128_si256(words, words, 0x00);
    s.words[1] = _mm256_permute2x128_si256(words, words, 0x11);
    _mm256_storeu_ps(s.by, s.eight);
    return s;
}

/* sum + the products of 32 unsigned numbers, groups 2 j and 2 j + 1 of a block, with the input that begins at `at` with the block. */
INLINE __m256 add_pair(__m256 sum, const scales_of_block *scales, size_t j, __m256i q, const tsri_int8_row *x, size_t at)
{
    const __m256i first = _mm256_set_m128i(_mm_set1_epi16(0x0302), _mm_set1_epi16(0x0100));
    __m256i by = _mm256_shuffle_epi8(scales->words[j / 4], _mm256_add_epi8(first, _mm256_set1_epi8((char)(4 * (j % 4)))));
    __m256i s = _mm256_maddubs_epi16(q, load32(x->p + at + 32 * j));
    if (x->lo) {
        __m256i lower = _mm256_madd_epi16(_mm256_maddubs_epi16(q, load32(x->lo + at + 32 * j)), by);
        s = _mm256_add_epi32(_mm256_madd_epi16(s, _mm256_slli_epi16(by, 8)), lower);
    } else {
        s = _mm256_madd_epi16(s, by);
    }
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(scales->by[j]), sum);
}

/* sum + what belongs to the zeros of a block's groups, in lanes of its blocks of input. */
INLINE __m256 add_sixteen_zeros(__m256 sum, const scales_of_block *scales, const int32_t *zeros)
{
    __m256 first = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales->numbers));
    __m256 others = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(scales->numbers, 8)));
    first = _mm256_mul_ps(first, _mm256_cvtepi32_ps(load32(zeros)));
    others = _mm256_mul_ps(others, _mm256_cvtepi32_ps(load32(zeros + 8)));
    __m256d pairs = _mm256_castps_pd(_mm256_hadd_ps(first, others)); /* of 0, 1, 4, 5, then 2, 3, 6, 7 */
    return _mm256_fmadd_ps(_mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8)), scales->eight, sum);
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
        scales_of_block scales = scales_of(_mm_and_si128(both, low), w + 80, x->xs + at / 32);
        tsri_int8_ask_ahead(x, w, Q2_K_BYTES);
        for (size_t i = 0; i < 2; i++) {
            __m256 o = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(i ? _mm_srli_si128(offsets, 8) : offsets));
            less = _mm256_fmadd_ps(_mm256_mul_ps(o, dmin), _mm256_loadu_ps(x->sums + at / 16 + 8 * i), less);
        }
        IN_REGISTERS
        for (size_t j = 0; j < 8; j++)
            sum = add_pair(sum, &scales, j, two_bits(w + 16 + 32 * (j / 4), j % 4), x, at);
    }
    return sum8(_mm256_sub_ps(sum, less));
}

INLINE float q3_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m256i third = _mm256_set1_epi8(4);
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q3_K_BYTES) {
        __m256i high = load32(w);
        scales_of_block scales = scales_of(_mm_sub_epi8(q3_k_scale_bytes(w + 96), _mm_set1_epi8(32)), w + 108, x->xs + at / 32);
        tsri_int8_ask_ahead(x, w, Q3_K_BYTES);
        sum = add_sixteen_zeros(sum, &scales, x->zeros + at / 16);
        IN_REGISTERS
        for (size_t j = 0; j < 8; j++) { /* bit j, where bit 2 is wanted */
            __m256i bit = j < 2 ? _mm256_slli_epi16(high, (int)(2 - j)) : _mm256_srli_epi16(high, (int)(j - 2));
            __m256i q = _mm256_or_si256(two_bits(w + 32 + 32 * (j / 4), j % 4), _mm256_and_si256(bit, third));
            sum = add_pair(sum, &scales, j, q, x, at);
        }
    }
    return sum8(sum);
}

INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m256i low = _mm256_set1_epi8(15), upper = _mm256_set1_epi8(0x30);
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q6_K_BYTES) {
        scales_of_block scales = scales_of(load16(w + 192), w + 208, x->xs + at / 32);
        tsri_int8_ask_ahead(x, w, Q6_K_BYTES);
        sum = add_sixteen_zeros(sum, &scales, x->zeros + at / 16);
        IN_REGISTERS
        for (size_t j = 0; j < 8; j++) { /* 32 numbers: low halves of 32 bytes or high ones, two bits from 32 others, of which those above follow */
            __m256i l = load32(w + 64 * (j / 4) + 32 * (j % 2)), h = load32(w + 128 + 32 * (j / 4));
            l = _mm256_and_si256(j % 4 >= 2 ? _mm256_srli_epi16(l, 4) : l, low);
            h = j % 4 < 2 ? _mm256_slli_epi16(h, (int)(4 - 2 * (j % 4))) : _mm256_srli_epi16(h, (int)(2 * (j % 4) - 4));
            __m256i q = _mm256_or_si256(l, _mm256_and_si256(h, upper));
            sum = add_pair(sum, &scales, j, q, x, at);
        }
    }
    return sum8(sum);
}

#endif
