/* gemm_avx512.c: the packed product with AVX-512: 12 rows of x by 32 outputs in 24 registers. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { OUTS = 32, ROWS = 12 };

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
static inline __attribute__((always_inline)) void pack16(uint32_t *panel, const unsigned char *w, size_t row_bytes,
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

static inline __attribute__((always_inline)) void pack(uint32_t *panel, const void *w, size_t row_bytes, size_t n,
                                                       size_t len, bool widen)
{
    for (size_t r = 0; r < OUTS; r += 16)
        pack16(panel + r, (const unsigned char *)w + (r < n ? r * row_bytes : 0), row_bytes, n > r ? n - r : 0, len, widen);
}

static void pack_bf16(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, true);
}

static void pack_f32(uint32_t *panel, const float *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, false);
}

void tsri_gemm_pack_pairs_avx512(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, false);
}

/* `n` is a constant at every call, so that the accumulators live in registers. Three rows of x share a pointer: so
 * many, and the stride, are what addresses can say. */
static inline __attribute__((always_inline)) void rows(float *y, size_t ldy, bool add, const uint32_t *panel,
                                                       const float *x, size_t ldx, size_t n, size_t steps)
{
    __m512 a[ROWS][2];
    const float *three[ROWS / 3];
    for (size_t i = 0; i < n; i++)
        a[i][0] = a[i][1] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 3)
        three[i / 3] = x + i * ldx;
    for (size_t s = 0; s < steps; s++, panel += OUTS) {
        __m512 w0 = _mm512_load_ps(panel), w1 = _mm512_load_ps(panel + 16);
        for (size_t i = 0; i < n; i++) {
            __m512 xi = _mm512_set1_ps(three[i / 3][i % 3 * ldx + s]);
            a[i][0] = _mm512_fmadd_ps(w0, xi, a[i][0]);
            a[i][1] = _mm512_fmadd_ps(w1, xi, a[i][1]);
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

const tsri_gemm_kernel tsri_gemm_avx512 = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 1,
                                           .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
