/* gemm_avx2.c: the packed product with AVX2 and FMA: 6 rows of x by 16 outputs in 12 registers. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { LANES = 8, OUTS = 2 * LANES, ROWS = 6 };

typedef __m256 acc, step;
typedef float word;

/* r[i], column c becomes r[c], column i. */
static inline __attribute__((always_inline)) void transpose(__m256i r[8])
{
    __m256i t[8];
    for (size_t i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) { /* lane l of r[i + c]: column 4 l + c of rows i .. i + 3 */
        r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (size_t c = 0; c < 4; c++) {
        t[c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x20);
        t[4 + c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x31);
    }
    for (size_t c = 0; c < 8; c++)
        r[c] = t[c];
}

static __m256i load(const unsigned char *w, size_t left)
{
    unsigned char part[32] = {0};
    if (left >= sizeof part)
        return _mm256_loadu_si256((const __m256i *)(const void *)w);
    for (size_t i = 0; i < left; i++)
        part[i] = w[i];
    return _mm256_loadu_si256((const __m256i *)(const void *)part);
}

/* 8 rows of `len` bytes, those from n on zeros; of each 4 bytes either themselves or the two BF16 in them, widened. */
static inline __attribute__((always_inline)) void pack_lanes(uint32_t *panel, const unsigned char *w, size_t row_bytes,
                                                             size_t n, size_t len, bool widen)
{
    const __m256i high = _mm256_set1_epi32((int)0xffff0000);
    for (size_t at = 0; at < len; at += 32) {
        __m256i r[8];
        for (size_t i = 0; i < 8; i++)
            r[i] = i < n ? load(w + i * row_bytes + at, len - at) : _mm256_setzero_si256();
        transpose(r);
        for (size_t c = 0; c < 8; c++, panel += widen ? 2 * OUTS : OUTS) {
            _mm256_store_si256((__m256i *)(void *)panel, widen ? _mm256_slli_epi32(r[c], 16) : r[c]);
            if (widen)
                _mm256_store_si256((__m256i *)(void *)(panel + OUTS), _mm256_and_si256(r[c], high));
        }
    }
}

static inline acc acc_zero(void)
{
    return _mm256_setzero_ps();
}

static inline acc acc_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void acc_store(float *p, acc a)
{
    _mm256_storeu_ps(p, a);
}

static inline acc acc_add(acc a, acc b)
{
    return _mm256_add_ps(a, b);
}

static inline acc acc_fma(step w, step x, acc a)
{
    return _mm256_fmadd_ps(w, x, a);
}

static inline step step_load(const uint32_t *panel)
{
    return _mm256_load_ps((const void *)panel);
}

static inline step step_set(word x)
{
    return _mm256_set1_ps(x);
}

#include "gemm_pack.h"
#include "gemm_simd.h"

const tsri_gemm_kernel tsri_gemm_avx2 = {.outs = OUTS, .rows = ROWS, .tile_outs = 64, .tile_steps = 256, .step = 1,
                                         .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
