/* gemm_avx512bf16.c: the packed product of BF16 pairs: 12 rows of x by 32 outputs in 24 registers. The instruction takes
 * subnormal numbers for zeros, and gives none. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { LANES = 16, OUTS = 2 * LANES, ROWS = 12 };

typedef __m512 acc;
typedef __m512bh step;
typedef uint32_t word;

static __mmask16 first_of(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1u : 0xffffu);
}

static __m512 load(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(first_of(n), x);
}

void tsri_gemm_round_pairs_avx512(uint32_t *to, const float *x, size_t k)
{
    size_t p = 0;
    for (; p + 32 <= k; p += 32)
        _mm512_storeu_si512(to + p / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + p + 16), _mm512_loadu_ps(x + p)));
    if (p < k) {
        __m512 low = load(x + p, k - p), high = k - p > 16 ? load(x + p + 16, k - p - 16) : _mm512_setzero_ps();
        _mm512_storeu_si512(to + p / 2, (__m512i)_mm512_cvtne2ps_pbh(high, low)); /* rows of `to` are whole lines */
    }
}

static __m512i widened(const float *x, size_t n)
{
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load(x, n)));
}

void tsri_gemm_pair_rows_avx512(uint32_t *to, const float *even, const float *odd, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        size_t left = n - i;
        __m512i pair = widened(even + i, left);
        if (odd)
            pair = _mm512_or_si512(pair, _mm512_slli_epi32(widened(odd + i, left), 16));
        _mm512_mask_storeu_epi32(to + i, first_of(left), pair);
    }
}

void tsri_gemm_rest_avx512(float *to, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __m512 v = load(x + i, n - i);
        __m512 rounded = _mm512_castsi512_ps(_mm512_slli_epi32(widened(x + i, n - i), 16));
        _mm512_mask_storeu_ps(to + i, first_of(n - i), _mm512_sub_ps(v, rounded));
    }
}

static inline acc acc_zero(void)
{
    return _mm512_setzero_ps();
}

static inline acc acc_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void acc_store(float *p, acc a)
{
    _mm512_storeu_ps(p, a);
}

static inline acc acc_add(acc a, acc b)
{
    return _mm512_add_ps(a, b);
}

static inline acc acc_fma(step w, step x, acc a)
{
    return _mm512_dpbf16_ps(a, w, x);
}

static inline step step_load(const uint32_t *panel)
{
    return (__m512bh)_mm512_load_si512(panel);
}

static inline step step_set(word x)
{
    return (__m512bh)_mm512_set1_epi32((int)x);
}

#include "gemm_simd.h"

const tsri_gemm_kernel tsri_gemm_avx512bf16 = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 2,
                                               .pack_bf16 = tsri_gemm_pack_pairs_avx512, .pair_rows = tsri_gemm_pair_rows_avx512,
                                               .round = tsri_gemm_round_pairs_avx512, .rest = tsri_gemm_rest_avx512, .multiply = multiply};
