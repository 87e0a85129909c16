/* gemm_avx512bf16.c: the packed product of BF16 pairs: 12 rows of x by 32 outputs in 24 registers. The instruction takes
 * subnormal numbers for zeros, and gives none. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { OUTS = 32, ROWS = 12 };

static __m512 load(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)(n < 16 ? (1u << n) - 1u : 0xffffu), x);
}

static void round_row(uint32_t *to, const float *x, size_t k)
{
    size_t p = 0;
    for (; p + 32 <= k; p += 32)
        _mm512_storeu_si512(to + p / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + p + 16), _mm512_loadu_ps(x + p)));
    if (p < k) {
        __m512 low = load(x + p, k - p), high = k - p > 16 ? load(x + p + 16, k - p - 16) : _mm512_setzero_ps();
        _mm512_storeu_si512(to + p / 2, (__m512i)_mm512_cvtne2ps_pbh(high, low)); /* rows of `to` are whole lines */
    }
}

/* `n` is a constant at every call; three rows of x share a pointer: as in gemm_avx512.c. */
static inline __attribute__((always_inline)) void rows(float *y, size_t ldy, bool add, const uint32_t *panel,
                                                       const uint32_t *x, size_t ldx, size_t n, size_t steps)
{
    __m512 a[ROWS][2];
    const uint32_t *three[ROWS / 3];
    for (size_t i = 0; i < n; i++)
        a[i][0] = a[i][1] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 3)
        three[i / 3] = x + i * ldx;
    for (size_t s = 0; s < steps; s++, panel += OUTS) {
        __m512bh w0 = (__m512bh)_mm512_load_si512(panel), w1 = (__m512bh)_mm512_load_si512(panel + 16);
        for (size_t i = 0; i < n; i++) {
            __m512bh xi = (__m512bh)_mm512_set1_epi32((int)three[i / 3][i % 3 * ldx + s]);
            a[i][0] = _mm512_dpbf16_ps(a[i][0], w0, xi);
            a[i][1] = _mm512_dpbf16_ps(a[i][1], w1, xi);
        }
    }
    for (size_t i = 0; i < n; i++, y += ldy)
        for (size_t v = 0; v < 2; v++)
            _mm512_storeu_ps(y + 16 * v, add ? _mm512_add_ps(_mm512_loadu_ps(y + 16 * v), a[i][v]) : a[i][v]);
}

static void multiply(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n,
                     size_t steps)
{
    switch (n) {
    case 12: rows(y, ldy, add, panel, x, ldx, 12, steps); break;
    case 11: rows(y, ldy, add, panel, x, ldx, 11, steps); break;
    case 10: rows(y, ldy, add, panel, x, ldx, 10, steps); break;
    case 9: rows(y, ldy, add, panel, x, ldx, 9, steps); break;
    case 8: rows(y, ldy, add, panel, x, ldx, 8, steps); break;
    case 7: rows(y, ldy, add, panel, x, ldx, 7, steps); break;
    case 6: rows(y, ldy, add, panel, x, ldx, 6, steps); break;
    case 5: rows(y, ldy, add, panel, x, ldx, 5, steps); break;
    case 4: rows(y, ldy, add, panel, x, ldx, 4, steps); break;
    case 3: rows(y, ldy, add, panel, x, ldx, 3, steps); break;
    case 2: rows(y, ldy, add, panel, x, ldx, 2, steps); break;
    case 1: rows(y, ldy, add, panel, x, ldx, 1, steps); break;
    default: break;
    }
}

const tsri_gemm_kernel tsri_gemm_avx512bf16 = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 2,
                                               .pack_bf16 = tsri_gemm_pack_pairs_avx512, .round = round_row,
                                               .multiply = multiply};
