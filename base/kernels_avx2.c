/* kernels_avx2.c: AVX2 + FMA + F16C variants. Compiled with its own flags; only static code from
 * shared headers may be used here, so that no AVX2 copy of an inline function escapes. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 8, TILE_ROWS = 2 };

typedef __m256 vec;

typedef struct wide {
    __m256d low, high;
} wide;

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec vec_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vec_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline float vec_sum(vec v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec vec_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vec vec_most(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec vec_least(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec vec_clear_less(vec a, vec b, vec v)
{
    return _mm256_andnot_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ), v);
}

static inline vec vec_pick_less(vec a, vec b, vec u, vec v)
{
    return _mm256_blendv_ps(v, u, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline vec vec_abs(vec v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

static inline vec vec_with_sign(vec a, vec x)
{
    return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), x));
}

static inline vec vec_minus(vec v)
{
    return _mm256_xor_ps(v, _mm256_set1_ps(-0.0f));
}

static inline vec vec_nearest(vec v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec vec_power(vec n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

static inline vec load_f32(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline vec load_bf16(const uint16_t *p)
{
    __m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(u, 16));
}

static inline vec load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vec scale_q8(const uint8_t *block)
{
    return _mm256_set1_ps(_cvtsh_ss((unsigned short)(block[0] | block[1] << 8)));
}

static inline vec load_q8(const uint8_t *block, size_t at, vec scale)
{
    __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)(block + 2 + at));
    return _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)));
}

static inline wide wide_zero(void)
{
    return (wide){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

static inline __m256d low_of(vec v)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}

static inline __m256d high_of(vec v)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}

static inline wide wide_add(wide a, vec v)
{
    return (wide){_mm256_add_pd(a.low, low_of(v)), _mm256_add_pd(a.high, high_of(v))};
}

static inline wide wide_add_squares(wide a, vec v)
{
    return (wide){_mm256_fmadd_pd(low_of(v), low_of(v), a.low), _mm256_fmadd_pd(high_of(v), high_of(v), a.high)};
}

static inline wide wide_join(wide a, wide b)
{
    return (wide){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}

static inline double wide_sum(wide a)
{
    double part[4];
    _mm256_storeu_pd(part, _mm256_add_pd(a.low, a.high));
    return (part[0] + part[2]) + (part[1] + part[3]);
}

#include "kernels_simd.h"

void tsri_kernels_init_avx2(tsri_kernels *k)
{
    init_all(k);
}
