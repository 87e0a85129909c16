/* int8_512_rows.h: rows of weights with AVX-512 and VNNI, for files that compile them with other instructions besides. Where bytes can be
 * permuted (VBMI) they are. The bits are the same. */
#ifndef TSR_INT8_512_ROWS_H
#define TSR_INT8_512_ROWS_H

#include "int8_vnni.h"
#include "int8_x86_rows.h"
#include "registers_internal.h"

enum { LINE = 64 }; /* bytes that a vector holds */

/* Sums of q's products with 64 elements of input, four to a lane. */
INLINE __m512i dot64(const tsri_int8_row *x, size_t at, __m512i q)
{
    __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, _mm512_loadu_si512(x->p + at));
    return x->lo ? _mm512_dpbusd_epi32(_mm512_slli_epi32(s, 8), q, _mm512_loadu_si512(x->lo + at)) : s;
}

INLINE __m512i twice32(const uint8_t *p)
{
    return _mm512_broadcast_i64x4(load32(p));
}

/* Nibbles of 16 bytes that stand in two lanes: the low halves in the first, the high ones in the second. */
INLINE __m512i spread_nibbles(__m512i twice)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0);
    return _mm512_and_si512(_mm512_srlv_epi16(twice, by), _mm512_set1_epi8(15));
}

/* ---- types of 32 elements with nibbles: four blocks at a time, of which each has four lanes ---- */

/* Inputs, in the order of nibbles (int8_internal.h). Rows are taken one at a time: to share this among some lets them wait for memory in turns. */
typedef struct four_blocks {
    __m512i low, high, zeros;
    __m512i fine_low, fine_high; /* of the lower halves, of fine ones */
    __m512 xs, sums; /* the sum in one of its lanes */
} four_blocks;

INLINE four_blocks four_of(const nibble_type t, const tsri_int8_row *x, size_t at)
{
    const __m512i each = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    const __mmask16 one = 0x1111;
    four_blocks f = {.low = _mm512_loadu_si512(x->p + at), .high = _mm512_loadu_si512(x->p + at + LINE)};
    f.fine_low = f.fine_high = _mm512_setzero_si512();
    if (x->lo) {
        f.fine_low = _mm512_loadu_si512(x->lo + at);
        f.fine_high = _mm512_loadu_si512(x->lo + at + LINE);
    }
    f.xs = _mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_loadu_ps(x->xs + at / 32)));
    f.zeros = _mm512_setzero_si512();
    f.sums = _mm512_setzero_ps();
    if (t.offsets)
        f.sums = _mm512_maskz_permutexvar_ps(one, each, _mm512_castps128_ps512(_mm_loadu_ps(x->sums + at / 32)));
    else
        f.zeros = _mm512_maskz_permutexvar_epi32(one, each, _mm512_castsi128_si512(load16(x->zeros + at / 32)));
    return f;
}

/* Which words of four blocks are their nibbles, eight of each; and their scales, four times each, then what follows the scales. */
INLINE __m512i words_of_nibbles(const nibble_type t)
{
    const __m512i block = _mm512_set_epi64(0x0003000300030003, 0x0003000300030003, 0x0002000200020002, 0x0002000200020002,
                                           0x0001000100010001, 0x0001000100010001, 0, 0);
    const __m512i each = _mm512_broadcast_i32x4(_mm_set_epi16(7, 6, 5, 4, 3, 2, 1, 0));
    __m512i words = _mm512_add_epi16(_mm512_mullo_epi16(block, _mm512_set1_epi16((short)t.words)), each);
    return _mm512_add_epi16(words, _mm512_set1_epi16((short)t.qs));
}

INLINE __m512i words_of_halves(const nibble_type t)
{
    const __m512i block = _mm512_broadcast_i64x4(_mm256_set_epi64x(0x0003000300030003, 0x0002000200020002, 0x0001000100010001, 0));
    __m512i words = _mm512_mullo_epi16(block, _mm512_set1_epi16((short)t.words));
    return _mm512_add_epi16(words, _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(1), 1));
}

/* A vector of the `blocks` blocks at w, from byte `from` on, and zeros behind their end. */
INLINE __m512i line_of(const nibble_type t, const uint8_t *w, size_t from, size_t blocks)
{
    size_t n = 2 * blocks * t.words;
    if (blocks == 4)
        return _mm512_loadu_si512(w + from);
    return _mm512_maskz_loadu_epi8(n <= from ? 0 : n - from >= LINE ? ~0ull : (1ull << (n - from)) - 1, w + from);
}

/* The nibbles and the scales of the first `blocks` of four; of those that aren't there the scales are zeros, as their inputs are. */
INLINE void weights_of_four(const nibble_type t, const uint8_t *w, size_t blocks, __m512i *nibbles, __m512i *halves)
{
    const size_t last = 8 * t.words - LINE;
    __m512i z0 = line_of(t, w, 0, blocks), nibble_words = words_of_nibbles(t), half_words = words_of_halves(t);
    HOLD(z0); /* as operands in memory they are read twice, over lines of the cache */
#if defined(__AVX512VBMI__)
    if (t.words <= 10) { /* all but the last nibbles are in the first line */
        __m512i low = _mm512_set1_epi16(0x0100);
        *nibbles = _mm512_permutexvar_epi8(_mm512_add_epi8(_mm512_mullo_epi16(nibble_words, _mm512_set1_epi16(0x0202)), low), z0);
        *halves = _mm512_permutexvar_epi8(_mm512_add_epi8(_mm512_mullo_epi16(half_words, _mm512_set1_epi16(0x0202)), low), z0);
        if (blocks == 4)
            *nibbles = _mm512_inserti32x4(*nibbles, load16(w + 2 * (3 * t.words + t.qs)), 3);
        return;
    }
#endif
    __m512i z1 = line_of(t, w, last, blocks), two[2];
    HOLD(z1);
    for (size_t i = 0; i < 2; i++) {
        __m512i words = i ? half_words : nibble_words;
        __mmask32 beyond = _mm512_cmpgt_epi16_mask(words, _mm512_set1_epi16(31));
        words = _mm512_mask_add_epi16(words, beyond, words, _mm512_set1_epi16((short)(32 - (int)last / 2)));
        two[i] = i && 3 * t.words + 1 < 32 ? _mm512_permutexvar_epi16(words, z0) : _mm512_permutex2var_epi16(z0, words, z1);
    }
    *nibbles = two[0];
    *halves = two[1];
}

INLINE __mmask64 fifths_of(const nibble_type t, const uint8_t *w, size_t half, size_t blocks)
{
    __mmask64 bits = 0;
    for (size_t b = blocks; b-- > 0;)
        bits = bits << 16 | (uint16_t)word(w + 2 * (b * t.words + t.fifths + half));
    return bits;
}

/* sum + the products of `blocks` blocks at w, four at most, with input from element `at` on. */
INLINE __m512 nibble_four(const nibble_type t, __m512 sum, const uint8_t *w, size_t blocks, const tsri_int8_row *row, size_t at)
{
    const __m512i low = _mm512_set1_epi8(15);
    four_blocks x = four_of(t, row, at);
    __m512i z, d;
    weights_of_four(t, w, blocks, &z, &d);
    __m512i q0 = nibble_numbers(t, _mm512_and_si512(z, low), t.fifths ? fifths_of(t, w, 0, blocks) : 0);
    __m512i q1 = nibble_numbers(t, _mm512_and_si512(_mm512_srli_epi16(z, 4), low), t.fifths ? fifths_of(t, w, 1, blocks) : 0);
    __m512i s = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(row->lo ? _mm512_setzero_si512() : x.zeros, q0, x.low), q1, x.high);
    if (row->lo) {
        s = _mm512_add_epi32(x.zeros, _mm512_slli_epi32(s, 8));
        s = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(s, q0, x.fine_low), q1, x.fine_high);
    }
    __m512 scale = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(d)), x.xs);
    if (t.offsets)
        sum = _mm512_fmadd_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(d, 1)), x.sums, sum);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, sum);
}

/* Numbers of two blocks of Q8_0, as unsigned ones. Those that are not there have whatever number: their scales are zeros. */
INLINE __m512i q8_0_pair(const uint8_t *w, size_t blocks)
{
    __m512i q = blocks > 0 ? _mm512_castsi256_si512(load32(w + 2)) : _mm512_setzero_si512();
    q = _mm512_inserti64x4(q, blocks > 1 ? load32(w + Q8_0_BYTES + 2) : _mm256_setzero_si256(), 1);
    return _mm512_xor_si512(q, _mm512_set1_epi8((char)0x80));
}

/* The scales of four blocks of Q8_0, four times each: zeros for those that aren't there. */
INLINE __m512 q8_0_scales(const uint8_t *w, size_t blocks)
{
    enum { SECOND = 2 * Q8_0_BYTES }; /* where the third block is: each of two lines has two scales */
    const __m256i words = _mm256_set_epi64x(0x0031003100310031, 0x0020002000200020, 0x0011001100110011, 0);
    __m512i z0 = _mm512_maskz_loadu_epi16(blocks > 1 ? 0x20001 : 1, w), z1 = _mm512_maskz_loadu_epi16(blocks > 3 ? 0x20001 : blocks > 2, w + SECOND);
    if (blocks == 4) {
        z0 = _mm512_loadu_si512(w);
        z1 = _mm512_loadu_si512(w + SECOND);
    }
    HOLD(z0);
    HOLD(z1);
    return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutex2var_epi16(z0, _mm512_castsi256_si512(words), z1)));
}

INLINE __m512 q8_0_four(__m512 sum, const uint8_t *w, size_t blocks, const tsri_int8_row *row, size_t at)
{
    four_blocks x = four_of((nibble_type){0}, row, at);
    __m512i q0 = q8_0_pair(w, blocks), q1 = q8_0_pair(w + 2 * Q8_0_BYTES, blocks > 2 ? blocks - 2 : 0);
    __m512i s0 = dot64(row, at, q0), s1 = dot64(row, at + LINE, q1);
    __m512i s = _mm512_add_epi32(_mm512_shuffle_i64x2(s0, s1, 0x88), _mm512_shuffle_i64x2(s0, s1, 0xdd)); /* of eight lanes four */
    s = _mm512_add_epi32(s, x.zeros);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(q8_0_scales(w, blocks), x.xs), sum);
}

typedef enum four_kind { FOUR_Q8_0, FOUR_NIBBLES } four_kind;

/* sum + the products of `blocks` blocks of this kind, of nibbles t, four at most. */
INLINE __m512 add_four(four_kind kind, const nibble_type t, __m512 sum, const uint8_t *w, size_t blocks, const tsri_int8_row *x, size_t at)
{
    return kind == FOUR_Q8_0 ? q8_0_four(sum, w, blocks, x, at) : nibble_four(t, sum, w, blocks, x, at);
}

/* A row of blocks of `bytes` bytes. Sixteen of them are whole lines of the cache but for a rest, so that few are asked for twice. */
INLINE float row_of_fours(four_kind kind, const nibble_type t, size_t bytes, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t at = 0;
    while (at + 512 <= k) {
        tsri_int8_ask_ahead(x, w, 16 * bytes);
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++, at += 128, w += 4 * bytes)
            sum[j % 2] = add_four(kind, t, sum[j % 2], w, 4, x, at);
    }
    for (; at + 128 <= k; at += 128, w += 4 * bytes) {
        tsri_int8_ask_ahead(x, w, 4 * bytes);
        sum[0] = add_four(kind, t, sum[0], w, 4, x, at);
    }
    if (at < k)
        sum[1] = add_four(kind, t, sum[1], w, (k - at) / 32, x, at);
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

INLINE float nibble_row(const nibble_type t, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    return row_of_fours(FOUR_NIBBLES, t, 2 * t.words, w, x, k);
}

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    return row_of_fours(FOUR_Q8_0, (nibble_type){0}, Q8_0_BYTES, w, x, k);
}

INLINE __m256 half_of(const uint8_t *p)
{
    return _mm256_set1_ps(_cvtsh_ss((uint16_t)word(p)));
}

/* Number 2 j of the first eight in eight lanes, number 2 j + 1 in the others. */
INLINE __m512 spread_pair(__m512 eight, size_t j)
{
    const __m512i first = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int)(2 * j))), eight);
}

/* Numbers 4 j .. 4 j + 3 of sixteen in four lanes each. */
INLINE __m512 spread_four(__m512 sixteen, size_t j)
{
    const __m512i first = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int)(4 * j))), sixteen);
}

/* sum + what belongs to the zeros of sixteen groups with scales a: whole numbers, as floats exact up to 2^24. */
INLINE __m512 add_zeros(__m512 sum, __m512 a, __m512i zeros)
{
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(zeros), a, sum);
}

/* Scales of eight input blocks, for the sixteen groups of a block of weights. */
INLINE __m512 scales_twice(const float *xs)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(xs)));
}

/* Scales of a Q4_K or Q5_K block times d, in the first eight lanes, and its offsets times dmin. */
INLINE __m512 k_scales_and_offsets(const uint8_t *w)
{
    const __m512i which = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 d = _mm512_permutexvar_ps(which, _mm512_castps128_ps512(_mm_cvtph_ps(load16(w))));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(k_scale_bytes(w))), d);
}

INLINE float q45_k_row(bool five, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0, 0, 0, 0);
    size_t bytes = five ? Q5_K_BYTES : Q4_K_BYTES;
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, less = _mm512_setzero_ps(); /* less: in its last eight lanes */
    for (size_t at = 0; at < k; at += 256, w += bytes) {
        __m512i high = five ? twice32(w + 16) : _mm512_setzero_si512();
        __m512 in = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(x->xs + at / 32)), _mm256_loadu_ps(x->sums + at / 32), 1);
        tsri_int8_ask_ahead(x, w, bytes);
        __m512 both = _mm512_mul_ps(k_scales_and_offsets(w), in);
        less = _mm512_add_ps(less, both);
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i q = _mm512_srlv_epi16(twice32(w + (five ? 48 : 16) + 32 * j), by);
            q = _mm512_and_si512(q, _mm512_set1_epi8(15));
            if (five) { /* bit 2 j of bytes for the first group, bit 2 j + 1 for the second */
                __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * j)), _mm256_set1_epi8((char)(2 << 2 * j)), 1);
                q = _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(high, bit), q, _mm512_set1_epi8(16));
            }
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q)), spread_pair(both, j), sum[j % 2]);
        }
    }
    sum[0] = _mm512_add_ps(sum[0], sum[1]);
    return _mm512_reduce_add_ps(_mm512_mask_sub_ps(sum[0], 0xff00, sum[0], less));
}

/* sums + the products of eight groups of numbers, 16 bytes of nibbles each that begin at qs and lie `bytes` apart, with input from element `at` on.
 * a: their scales and the input's; values: their numbers, moved by -zero. */
INLINE void add_eight(__m512 sum[2], const uint8_t *qs, size_t bytes, __m512i values, __m256 a, const tsri_int8_row *x, size_t at)
{
    const __m512i each_twice = _mm512_set_epi64(3, 2, 3, 2, 1, 0, 1, 0);
    __m512 by = _mm512_zextps256_ps512(a);
    sum[0] = add_zeros(sum[0], by, _mm512_zextsi256_si512(load32(x->zeros + at / 32)));
    IN_REGISTERS
    for (size_t j = 0; j < 4; j++, qs += 2 * bytes) {
        __m256i two = bytes == 16 ? load32(qs) : _mm256_set_m128i(load16(qs + bytes), load16(qs));
        __m512i nibbles = spread_nibbles(_mm512_permutexvar_epi64(each_twice, _mm512_castsi256_si512(two)));
        __m512i s = dot64(x, at + 64 * j, _mm512_shuffle_epi8(values, nibbles));
        sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), spread_pair(by, j), sum[j % 2]);
    }
}

INLINE float iq4_xs_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += IQ4_XS_BYTES) {
        tsri_int8_ask_ahead(x, w, IQ4_XS_BYTES);
        __m256 in = _mm256_mul_ps(half_of(w), _mm256_loadu_ps(x->xs + at / 32));
        add_eight(sum, w + 8, 16, iq4_table(), _mm256_mul_ps(iq4_xs_scales(w), in), x, at);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

INLINE void mxfp4_eight(__m512 sum[2], const uint8_t *w, const tsri_int8_row *x, size_t at)
{
    __m128i values = _mm_add_epi8(load16(tsri_mxfp4_values), _mm_set1_epi8(12));
    __m256 a = _mm256_mul_ps(eight_e8m0_halves(w, MXFP4_BYTES), _mm256_loadu_ps(x->xs + at / 32));
    add_eight(sum, w + 1, MXFP4_BYTES, _mm512_broadcast_i32x4(values), a, x, at);
}

INLINE float mxfp4_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t at = 0;
    for (; at + 256 <= k; at += 256, w += 8 * MXFP4_BYTES) {
        tsri_int8_ask_ahead(x, w, 8 * MXFP4_BYTES);
        mxfp4_eight(sum, w, x, at);
    }
    if (at < k) { /* beyond the row inputs are zeros */
        uint8_t last[8 * MXFP4_BYTES] = {0};
        memcpy(last, w, (k - at) / 32 * MXFP4_BYTES);
        mxfp4_eight(sum, last, x, at);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

/* Numbers of 2 bits: 32 bytes hold 128 of them, 32 for each pair of bits. The first 64 or the others. */
INLINE __m512i two_bits(const uint8_t *p, bool others)
{
    const __m512i by = _mm512_set_epi64(0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0, 0, 0, 0);
    __m512i z = _mm512_srlv_epi16(twice32(p), by);
    return _mm512_and_si512(others ? _mm512_srli_epi16(z, 4) : z, _mm512_set1_epi8(3));
}

INLINE float q2_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, less = _mm512_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q2_K_BYTES) {
        __m128i both = _mm_loadu_si128((const __m128i *)(const void *)w), low = _mm_set1_epi8(15);
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(both, low)));
        __m512 o = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(both, 4), low)));
        tsri_int8_ask_ahead(x, w, Q2_K_BYTES);
        a = _mm512_mul_ps(_mm512_mul_ps(a, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 80)))), scales_twice(x->xs + at / 32));
        o = _mm512_mul_ps(o, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 82))));
        less = _mm512_fmadd_ps(o, _mm512_loadu_ps(x->sums + at / 16), less);
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i q = two_bits(w + 16 + 32 * (j / 2), j % 2);
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_sub_ps(_mm512_add_ps(sum[0], sum[1]), less));
}

INLINE __m512 q3_k_scales(const uint8_t *s)
{
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(q3_k_scale_bytes(s)), _mm512_set1_epi32(32)));
}

INLINE float q3_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += Q3_K_BYTES) {
        __m512i high = twice32(w);
        tsri_int8_ask_ahead(x, w, Q3_K_BYTES);
        __m512 a = _mm512_mul_ps(q3_k_scales(w + 96), _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 108))));
        a = _mm512_mul_ps(a, scales_twice(x->xs + at / 32));
        sum[0] = add_zeros(sum[0], a, _mm512_loadu_si512(x->zeros + at / 16));
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * j)), _mm256_set1_epi8((char)(2 << 2 * j)), 1);
            __m512i q = two_bits(w + 32 + 32 * (j / 2), j % 2);
            q = _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(high, bit), q, _mm512_set1_epi8(4));
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

/* Bits 4 and 5 of 64 numbers: of 32 bytes the first or the third pair of bits, then of the same bytes the pair that follows. */
INLINE __m512i upper_bits(const uint8_t *p, bool others)
{
    const __m512i up = _mm512_set_epi64(0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002,
                                        0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0x0004000400040004);
    const __m512i down = _mm512_set_epi64(0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0, 0, 0, 0);
    __m512i z = others ? _mm512_srlv_epi16(twice32(p), down) : _mm512_sllv_epi16(twice32(p), up);
    return _mm512_and_si512(z, _mm512_set1_epi8(0x30));
}

INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += Q6_K_BYTES) {
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(w + 192))));
        tsri_int8_ask_ahead(x, w, Q6_K_BYTES);
        a = _mm512_mul_ps(_mm512_mul_ps(a, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 208)))), scales_twice(x->xs + at / 32));
        sum[0] = add_zeros(sum[0], a, _mm512_loadu_si512(x->zeros + at / 16));
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i l = _mm512_loadu_si512(w + 64 * (j / 2));
            l = j % 2 ? _mm512_srli_epi16(l, 4) : l;
            __m512i q = _mm512_ternarylogic_epi64(l, low, upper_bits(w + 128 + 32 * (j / 2), j % 2), 0xea); /* (l & low) | upper */
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

#endif
