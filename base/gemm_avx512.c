/* gemm_avx512.c: the packed product with AVX-512: 12 rows of x by 32 outputs in 24 registers. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { LANES = 16, OUTS = 2 * LANES, ROWS = 12 };

typedef __m512 acc, step;
typedef float word;

/* r[i], column c becomes r[c], column i. */
static inline __attribute__((always_inline)) void transpose(__m512i r[16])
{
    __m512i t[16];
    for (size_t i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4) { /* lane l of r[i + c]: column 4 l + c of rows i .. i + 3 */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (size_t c = 0; c < 4; c++) { /* lanes 0 and 2, then 1 and 3, of two */
        t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
        t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    }
    for (size_t c = 0; c < 4; c++) {
        r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
        r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
        r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
        r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
    }
}

/* 64 bytes, or what is left of them, of rows i < n; other rows are zeros and not touched. */
static inline __attribute__((always_inline)) void load(__m512i r[16], const unsigned char *w, size_t row_bytes, size_t n,
                                                       size_t left)
{
    __mmask64 m = left < 64 ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
    for (size_t i = 0; i < 16; i++)
        r[i] = i < n ? _mm512_maskz_loadu_epi8(m, w + i * row_bytes) : _mm512_setzero_si512();
}

/* 16 rows of `len` bytes; of each 4 bytes either themselves or the two BF16 in them, widened. */
static inline __attribute__((always_inline)) void pack_lanes(uint32_t *panel, const unsigned char *w, size_t row_bytes,
                                                             size_t n, size_t len, bool widen)
{
    const __m512i high = _mm512_set1_epi32((int)0xffff0000);
    for (size_t at = 0; at < len; at += 64) {
        __m512i r[16];
        load(r, w + at, row_bytes, n, len - at);
        transpose(r);
        for (size_t c = 0; c < 16; c++, panel += widen ? 2 * OUTS : OUTS) {
            _mm512_store_si512(panel, widen ? _mm512_slli_epi32(r[c], 16) : r[c]);
            if (widen)
                _mm512_store_si512(panel + OUTS, _mm512_and_si512(r[c], high));
        }
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
    return _mm512_fmadd_ps(w, x, a);
}

static inline step step_load(const uint32_t *panel)
{
    return _mm512_load_ps(panel);
}

static inline step step_set(word x)
{
    return _mm512_set1_ps(x);
}

#include "gemm_pack.h"
#include "gemm_simd.h"

void tsri_gemm_pack_pairs_avx512(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, false);
}

const tsri_gemm_kernel tsri_gemm_avx512 = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 1,
                                           .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
