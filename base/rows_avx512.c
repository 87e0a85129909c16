/* rows_avx512.c: products of rows with several vectors, with AVX-512. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16, MAX_QUERIES = 8 };

typedef __m512 vec;

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec vec_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline float vec_sum(vec a)
{
    return _mm512_reduce_add_ps(a);
}

static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

static inline vec load_f16(const unsigned char *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline vec load_bf16(const unsigned char *p)
{
    __m256i u = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(u), 16));
}

/* Numbers [at, at + 16) of a block, times its scale. */
static inline vec load_q8(const unsigned char *block, size_t at)
{
    __m128i q = _mm_loadu_si128((const __m128i *)(const void *)(block + 2 + at));
    vec scale = _mm512_set1_ps(_cvtsh_ss((unsigned short)(block[0] | block[1] << 8)));
    return _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)));
}

#include "rows_simd.h"

const tsri_rows_kernels tsri_rows_avx512 = {.scores = scores, .mix = mix};
