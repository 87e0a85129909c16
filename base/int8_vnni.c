/* int8_vnni.c: AVX-512 with VNNI. vpdpbusd adds four products of unsigned and signed bytes to each of 16 sums, so weights
 * are the unsigned side and inputs the signed one; the zero of the weights is in the sums' starting values. */
#include "int8_512_rows.h"

#include <math.h>

/* ---- inputs ---- */

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x0), _mm512_abs_ps(x1)));
    __mmask16 bad = _mm512_fpclass_ps_mask(x0, 0x99) | _mm512_fpclass_ps_mask(x1, 0x99); /* NaN or infinite */
    float scale = top / 127.0f, inverse = scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
    if (bad) {
        _mm256_storeu_si256((void *)p, _mm256_setzero_si256());
        _mm256_storeu_si256((void *)sums, _mm256_setzero_si256());
        return NAN;
    }
    __m512 by = _mm512_set1_ps(inverse);
    __m128i p0 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x0, by)));
    __m128i p1 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x1, by)));
    __m256i bytes = _mm256_set_m128i(p1, p0);
    _mm256_storeu_si256((void *)p, bytes);
    _mm256_storeu_si256((void *)sums, _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes));
    return scale;
}

/* The largest of the 16 lanes of each of four vectors, in all lanes of a quarter. */
INLINE __m512i most_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_max_epu32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    __m512i cd = _mm512_max_epu32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    __m512i m = _mm512_max_epu32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
    m = _mm512_max_epu32(m, _mm512_shuffle_epi32(m, _MM_PERM_BADC));
    return _mm512_max_epu32(m, _mm512_shuffle_epi32(m, _MM_PERM_CDAB));
}

/* Numbers of two blocks, by[i] times x. */
INLINE __m512i bytes_of_two(const float *x, __m512 by0, __m512 by1)
{
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0); /* packs work within quarters */
    __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), by0));
    __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), by0));
    __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 32), by1));
    __m512i d = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 48), by1));
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

/* Sums of four lanes, in all lanes of a quarter. */
INLINE __m512i sums_of_quarters(__m512i v)
{
    v = _mm512_add_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_BADC));
    return _mm512_add_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_CDAB));
}

/* Four blocks at a time: as whole numbers, sizes of floats are in order too, with the infinity and what is no number on top. */
static void round_blocks(int8_t *p, float *xs, int32_t *halves, const float *x, size_t n)
{
    const __m512i ones = _mm512_set1_epi8(1), quarters = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 28, 24, 20, 16, 12, 8, 4, 0);
    const __m512i size = _mm512_set1_epi32(0x7fffffff);
    for (; n >= 4; n -= 4, p += 128, xs += 4, halves += 8, x += 128) {
        __m512i top[4];
        IN_REGISTERS
        for (size_t b = 0; b < 4; b++)
            top[b] = _mm512_max_epu32(_mm512_and_si512(size, _mm512_loadu_si512(x + 32 * b)),
                                      _mm512_and_si512(size, _mm512_loadu_si512(x + 32 * b + 16)));
        __m512i most = most_of_four(top[0], top[1], top[2], top[3]);
        if (_mm512_cmpge_epu32_mask(most, _mm512_set1_epi32(0x7f800000))) {
            tsri_int8_round_each(round32, p, xs, halves, x, 4);
            continue;
        }
        __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(most), _mm512_set1_ps(127.0f));
        __mmask16 normal = _mm512_cmp_ps_mask(scale, _mm512_set1_ps(0x1p-126f), _CMP_GE_OQ);
        __m512 by = _mm512_maskz_div_ps(normal, _mm512_set1_ps(1.0f), scale);
        __m512i two = bytes_of_two(x, _mm512_shuffle_f32x4(by, by, 0x00), _mm512_shuffle_f32x4(by, by, 0x55));
        __m512i others = bytes_of_two(x + 64, _mm512_shuffle_f32x4(by, by, 0xaa), _mm512_shuffle_f32x4(by, by, 0xff));
        __m512i f0 = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, two), f1 = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, others);
        __m512i h = _mm512_permutex2var_epi32(sums_of_quarters(f0), quarters, sums_of_quarters(f1));
        _mm512_storeu_si512(p, two);
        _mm512_storeu_si512(p + 64, others);
        _mm_storeu_ps(xs, _mm512_castps512_ps128(_mm512_permutexvar_ps(quarters, scale)));
        _mm256_storeu_si256((void *)halves, _mm512_castsi512_si256(h));
    }
    tsri_int8_round_each(round32, p, xs, halves, x, n);
}

/* One block as numbers of 16 bits, the largest 127 * 256. */
static float round32_fine(int8_t *p, int8_t *lo, int32_t fours[8], const float *x)
{
    __m512i x0 = _mm512_loadu_si512(x), x1 = _mm512_loadu_si512(x + 16), size = _mm512_set1_epi32(0x7fffffff);
    uint32_t most = _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(x0, size), _mm512_and_si512(x1, size)));
    float top, scale;
    memcpy(&top, &most, sizeof top);
    scale = top / 32512.0f;
    if (most >= 0x7f800000 || scale < 0x1p-126f) { /* not finite, or nothing */
        memset(p, 0, TSRI_INT8_BLOCK);
        memset(lo, 0, TSRI_INT8_BLOCK);
        memset(fours, 0, 8 * sizeof *fours);
        return most >= 0x7f800000 ? NAN : scale;
    }
    __m512 by = _mm512_set1_ps(1.0f / scale);
    __m512i n[2] = {_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(x0), by)),
                    _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(x1), by))};
    for (size_t h = 0; h < 2; h++) {
        __m512i high = _mm512_srai_epi32(_mm512_add_epi32(n[h], _mm512_set1_epi32(128)), 8);
        __m512i low = _mm512_max_epi32(_mm512_sub_epi32(n[h], _mm512_slli_epi32(high, 8)), _mm512_set1_epi32(-127));
        _mm_storeu_si128((void *)(p + 16 * h), _mm512_cvtepi32_epi8(high));
        _mm_storeu_si128((void *)(lo + 16 * h), _mm512_cvtepi32_epi8(low));
        _mm512_mask_compressstoreu_epi32(fours + 4 * h, 0x1111, sums_of_quarters(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low)));
    }
    return scale;
}

static void round_fine(int8_t *p, int8_t *lo, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_fine_each(round32_fine, p, lo, xs, halves, x, n);
}

void tsri_int8_init_vnni(tsri_int8_kernels *k)
{
    tsri_int8_tile *ways[2];
    tsri_int8_tiles_avx512(ways);
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = round_fine, .pack = tsri_int8_pack_avx512, .tile = ways[0],
                             .other_tile = ways[1], .rows = rows, .by_nibbles = true};
    if (__builtin_cpu_supports("avx512vbmi")) {
        bool amd = __builtin_cpu_is("amd"); /* permutes words with one instruction as well as bytes */
        k->rows = amd ? rows : tsri_int8_rows_vbmi;
        k->other_rows = amd ? tsri_int8_rows_vbmi : rows;
    }
}
