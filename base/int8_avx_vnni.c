/* int8_avx_vnni.c: AVX2 with VNNI in vectors of 256 bits, as Intel's processors for desks and laps have it that know no AVX-512. As in
 * int8_vnni.c weights are the unsigned side, and their zero is in the sums' starting values.
 *
 * A tile of 32 outputs by 3 rows of input has 12 integer sums, one vector of weights at a time and the three rows' numbers: 16 registers. */
enum { AT_ONCE = 3, SIGNED_APART = 0 };

#include "int8_256.h"

INLINE void group_sums(__m256i s[AT_ONCE][LANES], size_t n, size_t group, size_t steps, const int32_t *begin, const uint8_t *q,
                       const int8_t *p, size_t ldp)
{
    (void)steps;
    IN_REGISTERS
    for (size_t i = 0; i < n; i++) {
        IN_REGISTERS
        for (size_t l = 0; l < LANES; l++)
            s[i][l] = _mm256_set1_epi32(begin[i]);
    }
    for (size_t e = 0; e < group; e += 4) {
        __m256i four[AT_ONCE];
        IN_REGISTERS
        for (size_t i = 0; i < n; i++)
            four[i] = _mm256_set1_epi32(four_numbers(p + i * ldp + e));
        IN_REGISTERS
        for (size_t l = 0; l < LANES; l++) {
            __m256i w = load32(q + e * TSRI_INT8_OUT + 32 * l);
            IN_REGISTERS
            for (size_t i = 0; i < n; i++)
                s[i][l] = _mm256_dpbusd_avx_epi32(s[i][l], w, four[i]);
        }
    }
}

/* Signed numbers become unsigned by their zero, which add_zeros takes away. */
INLINE __m256i from_zero(__m256i q, unsigned zero)
{
    return zero ? _mm256_add_epi8(q, _mm256_set1_epi8((char)zero)) : q;
}

INLINE __m256i sums_of(const tsri_int8_row *x, size_t at, __m256i q, unsigned zero)
{
    q = from_zero(q, zero);
    __m256i s = _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), q, load32(x->p + at));
    return x->lo ? _mm256_dpbusd_avx_epi32(_mm256_slli_epi32(s, 8), q, load32(x->lo + at)) : s;
}

INLINE __m256i sums_of_two(const tsri_int8_row *x, const size_t at[2], const __m256i q[2], unsigned zero)
{
    __m256i a = from_zero(q[0], zero), b = from_zero(q[1], zero);
    __m256i s = _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), a, load32(x->p + at[0])), b, load32(x->p + at[1]));
    if (!x->lo)
        return s;
    s = _mm256_dpbusd_avx_epi32(_mm256_slli_epi32(s, 8), a, load32(x->lo + at[0]));
    return _mm256_dpbusd_avx_epi32(s, b, load32(x->lo + at[1]));
}

void tsri_int8_init_avxvnni(tsri_int8_kernels *k)
{
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = round_fine, .pack = tsri_int8_pack_rows, .tile = tile, .rows = rows,
                             .by_nibbles = true};
}
