/* int8_avx2.c: AVX2. vpmaddubsw adds two products of unsigned and signed bytes in 16 bits, which must hold them: numbers up to
 * 63 fit (2 * 63 * 127), and the smaller they are the more steps may be added before their sums become 32 bits wide. Larger
 * numbers all have the zero 128: they are taken as signed ones, whose sign goes to the other side, and as at most 128 fit
 * as well (2 * 128 * 127). */
enum { AT_ONCE = 2, SIGNED_APART = 1 };

#include "int8_256.h"

/* ---- tiles ---- */

INLINE __m256i pairs(bool is_signed, __m256i q, __m256i p)
{
    if (!is_signed)
        return _mm256_maddubs_epi16(q, p);
    __m256i s = _mm256_xor_si256(q, _mm256_set1_epi8((char)0x80));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(s), _mm256_sign_epi8(p, s));
}

INLINE void group_sums(__m256i s[AT_ONCE][LANES], size_t n, size_t group, size_t steps, bool is_signed, const int32_t *begin,
                       const uint8_t *q, const int8_t *p, size_t ldp)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t e = 0; e < group; e += 4 * steps) {
        __m256i few[AT_ONCE][LANES];
        IN_REGISTERS
        for (size_t t = 0; t < steps; t++) {
            __m256i four[AT_ONCE];
            IN_REGISTERS
            for (size_t i = 0; i < n; i++)
                four[i] = _mm256_set1_epi32(four_numbers(p + i * ldp + e + 4 * t));
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++) {
                __m256i w = load32(q + (e + 4 * t) * TSRI_INT8_OUT + 32 * l);
                IN_REGISTERS
                for (size_t i = 0; i < n; i++) {
                    __m256i v = pairs(is_signed, w, four[i]);
                    few[i][l] = t ? _mm256_add_epi16(few[i][l], v) : v;
                    HOLD(few[i][l]); /* of trees there would be more sums than registers */
                }
            }
        }
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = _mm256_add_epi32(e ? s[i][l] : _mm256_set1_epi32(begin[i]), _mm256_madd_epi16(few[i][l], ones));
        }
    }
}

/* ---- rows ---- */

/* Of bytes, unsigned and signed, or both signed: sums of four products times 1 or, of the upper halves of fine inputs, 256. */
INLINE __m256i sums_times(__m256i q, __m256i p, bool is_signed, short by)
{
    __m256i sizes = is_signed ? _mm256_abs_epi8(q) : q;
    return _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, is_signed ? _mm256_sign_epi8(p, q) : p), _mm256_set1_epi16(by));
}

INLINE __m256i sums_of(const tsri_int8_row *x, size_t at, __m256i q, unsigned zero)
{
    __m256i s = sums_times(q, load32(x->p + at), zero > 0, x->lo ? 256 : 1);
    return x->lo ? _mm256_add_epi32(s, sums_times(q, load32(x->lo + at), zero > 0, 1)) : s;
}

/* Twice two products of at most 31 * 127 fit 16 bits. */
INLINE __m256i two_sums_times(const int8_t *p, const size_t at[2], const __m256i q[2], short by)
{
    __m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(q[0], load32(p + at[0])), _mm256_maddubs_epi16(q[1], load32(p + at[1])));
    return _mm256_madd_epi16(s, _mm256_set1_epi16(by));
}

INLINE __m256i sums_of_two(const tsri_int8_row *x, const size_t at[2], const __m256i q[2], unsigned zero)
{
    if (zero > 0)
        return _mm256_add_epi32(sums_of(x, at[0], q[0], zero), sums_of(x, at[1], q[1], zero));
    __m256i s = two_sums_times(x->p, at, q, x->lo ? 256 : 1);
    return x->lo ? _mm256_add_epi32(s, two_sums_times(x->lo, at, q, 1)) : s;
}

void tsri_int8_init_avx2(tsri_int8_kernels *k)
{
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = round_fine, .pack = tsri_int8_pack_rows, .tile = tile, .rows = rows,
                             .by_nibbles = true};
}
