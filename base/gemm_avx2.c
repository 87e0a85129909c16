/* gemm_avx2.c: the packed product with AVX2 and FMA: 6 rows of x by 16 outputs in 12 registers. */
#include <immintrin.h>

#include "gemm_internal.h"

enum { OUTS = 16, ROWS = 6 };

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
static inline __attribute__((always_inline)) void pack8(uint32_t *panel, const unsigned char *w, size_t row_bytes,
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

static inline __attribute__((always_inline)) void pack(uint32_t *panel, const void *w, size_t row_bytes, size_t n,
                                                       size_t len, bool widen)
{
    for (size_t r = 0; r < OUTS; r += 8)
        pack8(panel + r, (const unsigned char *)w + (r < n ? r * row_bytes : 0), row_bytes, n > r ? n - r : 0, len, widen);
}

static void pack_bf16(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, true);
}

static void pack_f32(uint32_t *panel, const float *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, false);
}

/* `n` is a constant at every call, so that the accumulators live in registers. */
static inline __attribute__((always_inline)) void rows(float *y, size_t ldy, bool add, const uint32_t *panel,
                                                       const float *x, size_t ldx, size_t n, size_t steps)
{
    __m256 a[ROWS][2];
    const float *three[ROWS / 3];
    for (size_t i = 0; i < n; i++)
        a[i][0] = a[i][1] = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 3)
        three[i / 3] = x + i * ldx;
    for (size_t s = 0; s < steps; s++, panel += OUTS) {
        const float *w = (const void *)panel;
        __m256 w0 = _mm256_load_ps(w), w1 = _mm256_load_ps(w + 8);
        for (size_t i = 0; i < n; i++) {
            __m256 xi = _mm256_broadcast_ss(&three[i / 3][i % 3 * ldx + s]);
            a[i][0] = _mm256_fmadd_ps(w0, xi, a[i][0]);
            a[i][1] = _mm256_fmadd_ps(w1, xi, a[i][1]);
        }
    }
    for (size_t i = 0; i < n; i++, y += ldy)
        for (size_t v = 0; v < 2; v++)
            _mm256_storeu_ps(y + 8 * v, add ? _mm256_add_ps(_mm256_loadu_ps(y + 8 * v), a[i][v]) : a[i][v]);
}

static void multiply(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n,
                     size_t steps)
{
    switch (n) {
    case 6: rows(y, ldy, add, panel, x, ldx, 6, steps); break;
    case 5: rows(y, ldy, add, panel, x, ldx, 5, steps); break;
    case 4: rows(y, ldy, add, panel, x, ldx, 4, steps); break;
    case 3: rows(y, ldy, add, panel, x, ldx, 3, steps); break;
    case 2: rows(y, ldy, add, panel, x, ldx, 2, steps); break;
    case 1: rows(y, ldy, add, panel, x, ldx, 1, steps); break;
    default: break;
    }
}

const tsri_gemm_kernel tsri_gemm_avx2 = {.outs = OUTS, .rows = ROWS, .tile_outs = 64, .tile_steps = 256, .step = 1,
                                         .pack_bf16 = pack_bf16, .pack_f32 = pack_f32, .multiply = multiply};
