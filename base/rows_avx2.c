/* rows_avx2.c: products of rows with several vectors, with AVX2, FMA and F16C. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8, MAX_QUERIES = 4 };

typedef __m256 vec;

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec vec_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline float vec_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

static inline vec load_f16(const unsigned char *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vec load_bf16(const unsigned char *p)
{
    __m128i u = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(u), 16));
}

/* Numbers [at, at + 8) of a block, times its scale. */
static inline vec load_q8(const unsigned char *block, size_t at)
{
    __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)(block + 2 + at));
    vec scale = _mm256_set1_ps(_cvtsh_ss((unsigned short)(block[0] | block[1] << 8)));
    return _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)));
}

#include "rows_simd.h"

const tsri_rows_kernels tsri_rows_avx2 = {.scores = scores, .mix = mix};
