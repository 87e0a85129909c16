/* rows_avx512.c: products of rows with several vectors, with AVX-512. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16, MAX_QUERIES = 8 };

#define HOLD(x) __asm__("" : "+v"(x))

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

/* Sums of two halves of quarters: [a's first two, its last two, b's likewise]. */
static inline vec halves(vec a, vec b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

/* Sums of two quarters each: of a in the first two, of b in the others. */
static inline vec quarters(vec a, vec b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* The lanes of n vectors, added in the order of _mm512_reduce_add_ps; eight of them together, in a third of its steps. */
static inline __attribute__((always_inline)) void vec_sums(float *sums, const vec *a, size_t n)
{
    if (n != 8) {
        for (size_t i = 0; i < n; i++)
            sums[i] = _mm512_reduce_add_ps(a[i]);
        return;
    }
    vec x = quarters(halves(a[0], a[1]), halves(a[2], a[3])), y = quarters(halves(a[4], a[5]), halves(a[6], a[7]));
    vec z = _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xee)); /* quarter i: twos of a[i], of a[4 + i] */
    z = _mm512_add_ps(z, _mm512_permute_ps(z, 0xb1));
    const __m512i order = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 10, 6, 2, 12, 8, 4, 0);
    _mm256_storeu_ps(sums, _mm512_castps512_ps256(_mm512_permutexvar_ps(order, z)));
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
