/* kernels_avx512.c: AVX-512 variants of the dot products and of what needs exp; masks take the tail. What is bound by
 * memory stays with AVX2. */
#include <immintrin.h>

#include "kernels_internal.h"
#include "registers_internal.h"

static __mmask16 first(size_t n)
{
    return (__mmask16)((1u << n) - 1u); /* n < 16 */
}

static __m512 load_f32(const float *p)
{
    return _mm512_loadu_ps(p);
}

static __m512 load_f32_part(const float *p, __mmask16 m)
{
    return _mm512_maskz_loadu_ps(m, p);
}

static __m512 widen_bf16(__m256i u)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(u), 16));
}

static __m512 load_bf16(const uint16_t *p)
{
    return widen_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static __m512 load_bf16_part(const uint16_t *p, __mmask16 m)
{
    return widen_bf16(_mm256_maskz_loadu_epi16(m, p));
}

static __m512 load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static __m512 load_f16_part(const uint16_t *p, __mmask16 m)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p));
}

#define DOT(load)                                                                              \
    __m512 a0 = _mm512_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;                                \
    size_t i = 0;                                                                              \
    for (; i + 64 <= n; i += 64) {                                                             \
        a0 = _mm512_fmadd_ps(load(w + i), _mm512_loadu_ps(x + i), a0);                         \
        a1 = _mm512_fmadd_ps(load(w + i + 16), _mm512_loadu_ps(x + i + 16), a1);               \
        a2 = _mm512_fmadd_ps(load(w + i + 32), _mm512_loadu_ps(x + i + 32), a2);               \
        a3 = _mm512_fmadd_ps(load(w + i + 48), _mm512_loadu_ps(x + i + 48), a3);               \
    }                                                                                          \
    for (; i + 16 <= n; i += 16)                                                               \
        a0 = _mm512_fmadd_ps(load(w + i), _mm512_loadu_ps(x + i), a0);                         \
    if (i < n) {                                                                               \
        __mmask16 m = first(n - i);                                                            \
        a1 = _mm512_fmadd_ps(load##_part(w + i, m), _mm512_maskz_loadu_ps(m, x + i), a1);      \
    }                                                                                          \
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a0, a1), _mm512_add_ps(a2, a3)))

static float dot_f32(const float *w, const float *x, size_t n)
{
    DOT(load_f32);
}

static float dot_bf16(const uint16_t *w, const float *x, size_t n)
{
    DOT(load_bf16);
}

static float dot_f16(const uint16_t *w, const float *x, size_t n)
{
    DOT(load_f16);
}

/* Numbers [at, at + 16) of a block of q8_0, times its scale: exact. */
static __m512 load_q8(const uint8_t *block, size_t at, __m512 scale)
{
    __m128i q = _mm_loadu_si128((const __m128i *)(const void *)(block + 2 + at));
    return _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)));
}

static __m512 scale_q8(const uint8_t *block)
{
    return _mm512_set1_ps(_cvtsh_ss((unsigned short)(block[0] | block[1] << 8)));
}

static float dot_q8_0(const uint8_t *w, const float *x, size_t n)
{
    __m512 a0 = _mm512_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;
    for (; n >= 2 * TSRI_Q8_ELEMS; n -= 2 * TSRI_Q8_ELEMS, x += 2 * TSRI_Q8_ELEMS, w += 2 * TSRI_Q8_BYTES) {
        const uint8_t *next = w + TSRI_Q8_BYTES;
        __m512 d = scale_q8(w), e = scale_q8(next);
        a0 = _mm512_fmadd_ps(load_q8(w, 0, d), _mm512_loadu_ps(x), a0);
        a1 = _mm512_fmadd_ps(load_q8(w, 16, d), _mm512_loadu_ps(x + 16), a1);
        a2 = _mm512_fmadd_ps(load_q8(next, 0, e), _mm512_loadu_ps(x + 32), a2);
        a3 = _mm512_fmadd_ps(load_q8(next, 16, e), _mm512_loadu_ps(x + 48), a3);
    }
    for (size_t at = 0; at < n; at += 16) { /* at most two blocks, the last in part */
        const uint8_t *block = w + at / TSRI_Q8_ELEMS * TSRI_Q8_BYTES;
        __mmask16 m = n - at < 16 ? first(n - at) : (__mmask16)0xffff;
        a0 = _mm512_mask3_fmadd_ps(load_q8(block, at % TSRI_Q8_ELEMS, scale_q8(block)), _mm512_maskz_loadu_ps(m, x + at),
                                   a0, m);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a0, a1), _mm512_add_ps(a2, a3)));
}

static void dot4_bf16(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    __m512 a[4], b[4];
    size_t i = 0;
    for (size_t r = 0; r < 4; r++)
        a[r] = b[r] = _mm512_setzero_ps();
    for (; i + 32 <= n; i += 32) {
        __m512 x0 = _mm512_loadu_ps(x + i), x1 = _mm512_loadu_ps(x + i + 16);
        for (size_t r = 0; r < 4; r++) {
            a[r] = _mm512_fmadd_ps(load_bf16(w + r * stride + i), x0, a[r]);
            b[r] = _mm512_fmadd_ps(load_bf16(w + r * stride + i + 16), x1, b[r]);
        }
    }
    for (; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? first(n - i) : (__mmask16)0xffff;
        __m512 x0 = _mm512_maskz_loadu_ps(m, x + i);
        for (size_t r = 0; r < 4; r++)
            a[r] = _mm512_fmadd_ps(load_bf16_part(w + r * stride + i, m), x0, a[r]);
    }
    IN_REGISTERS
    for (size_t r = 0; r < 4; r++)
        out[r] = _mm512_reduce_add_ps(_mm512_add_ps(a[r], b[r]));
}

enum { TILE_X = 6 }; /* 24 accumulators, 4 rows of w and one of x in 32 registers */

/* `n` and `whole` are constants at every call, so that the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile_step(__m512 a[TILE_X][4], const uint16_t *w, size_t ldw,
                                                            const float *x, size_t ldx, size_t n, bool whole,
                                                            __mmask16 m)
{
    __m512 v[4];
    for (size_t r = 0; r < 4; r++)
        v[r] = whole ? load_bf16(w + r * ldw) : load_bf16_part(w + r * ldw, m);
    for (size_t i = 0; i < n; i++) {
        __m512 xi = whole ? _mm512_loadu_ps(x + i * ldx) : _mm512_maskz_loadu_ps(m, x + i * ldx);
        for (size_t r = 0; r < 4; r++)
            a[i][r] = _mm512_fmadd_ps(v[r], xi, a[i][r]);
    }
}

static inline __attribute__((always_inline)) void tile_rows(float *y, size_t ldy, bool add, const uint16_t *w,
                                                            size_t ldw, const float *x, size_t ldx, size_t n, size_t k)
{
    __m512 a[TILE_X][4];
    size_t p = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++)
            a[i][r] = _mm512_setzero_ps();
    for (; p + 16 <= k; p += 16)
        tile_step(a, w + p, ldw, x + p, ldx, n, true, 0);
    if (p < k)
        tile_step(a, w + p, ldw, x + p, ldx, n, false, first(k - p));
    IN_REGISTERS
    for (size_t i = 0; i < n; i++) {
        IN_REGISTERS
        for (size_t r = 0; r < 4; r++)
            y[i * ldy + r] = _mm512_reduce_add_ps(a[i][r]) + (add ? y[i * ldy + r] : 0.0f);
    }
}

static void tile_bf16(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                      size_t n, size_t k)
{
    for (; n >= TILE_X; n -= TILE_X, x += TILE_X * ldx, y += TILE_X * ldy)
        tile_rows(y, ldy, add, w, ldw, x, ldx, TILE_X, k);
    switch (n) {
    case 5: tile_rows(y, ldy, add, w, ldw, x, ldx, 5, k); break;
    case 4: tile_rows(y, ldy, add, w, ldw, x, ldx, 4, k); break;
    case 3: tile_rows(y, ldy, add, w, ldw, x, ldx, 3, k); break;
    case 2: tile_rows(y, ldy, add, w, ldw, x, ldx, 2, k); break;
    case 1: tile_rows(y, ldy, add, w, ldw, x, ldx, 1, k); break;
    default: break;
    }
}

/* As exp_of of kernels_simd.h, which see: above 88.7 infinity, below -87 zero. */
static __m512 exp16(__m512 x)
{
    __mmask16 is_normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ); /* NaN counts */
    x = _mm512_min_ps(_mm512_set1_ps(89.0f), x); /* a NaN in the second operand stays one */
    const __m512 whole = _mm512_set1_ps(0x1.8p23f); /* with it, a sum has no room for a fraction */
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(1.44269504088896341f), whole), whole);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.0f / 5040);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(is_normal, p, n);
}

/* x := exp(x - top) of the lanes in m, which are added to sums. */
static inline __attribute__((always_inline)) void exp_step(float *x, __mmask16 m, __m512 top, __m512d sums[2])
{
    __m512 e = _mm512_maskz_mov_ps(m, exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, x), top)));
    _mm512_mask_storeu_ps(x, m, e);
    sums[0] = _mm512_add_pd(sums[0], _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
    sums[1] = _mm512_add_pd(sums[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
}

static double exp_sum(float *x, float top, size_t n)
{
    const __m512 vtop = _mm512_set1_ps(top);
    __m512d sums[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        exp_step(x + i, 0xffff, vtop, sums); /* the mask goes */
    if (i < n)
        exp_step(x + i, first(n - i), vtop, sums);
    return _mm512_reduce_add_pd(_mm512_add_pd(sums[0], sums[1]));
}

/* As gelu_of of kernels_simd.h. */
static void gelu_mul(float *g, const float *u, size_t n)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? first(n - i) : (__mmask16)0xffff;
        __m512 x = _mm512_maskz_loadu_ps(m, g + i), x2 = _mm512_mul_ps(x, x);
        __m512 inner = _mm512_mul_ps(x, _mm512_fmadd_ps(x2, _mm512_set1_ps(0.044715f), one));
        __m512 e = exp16(_mm512_mul_ps(inner, _mm512_set1_ps(-1.59576912160573071176f)));
        __m512 y = _mm512_div_ps(x, _mm512_add_ps(one, e));
        _mm512_mask_storeu_ps(g + i, m, u ? _mm512_mul_ps(y, _mm512_maskz_loadu_ps(m, u + i)) : y);
    }
}

static void sigmoid_mul(float *y, const float *a, const float *b, size_t n)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? first(n - i) : (__mmask16)0xffff;
        __m512 e = exp16(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_maskz_loadu_ps(m, b + i)));
        _mm512_mask_storeu_ps(y + i, m, _mm512_div_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_add_ps(one, e)));
    }
}

static float max_f32(const float *x, size_t n)
{
    const __m512 none = _mm512_set1_ps(-__builtin_inff());
    __m512 a = none, b = none;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) { /* a NaN in the first operand gives the second */
        a = _mm512_max_ps(_mm512_loadu_ps(x + i), a);
        b = _mm512_max_ps(_mm512_loadu_ps(x + i + 16), b);
    }
    for (; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? first(n - i) : (__mmask16)0xffff;
        a = _mm512_max_ps(_mm512_mask_loadu_ps(none, m, x + i), a);
    }
    return _mm512_reduce_max_ps(_mm512_max_ps(a, b));
}

void tsri_kernels_init_avx512(tsri_kernels *k)
{
    k->dot_f32 = dot_f32;
    k->dot_bf16 = dot_bf16;
    k->dot_f16 = dot_f16;
    k->dot_q8_0 = dot_q8_0;
    k->dot4_bf16 = dot4_bf16;
    k->tile_bf16 = tile_bf16;
    k->exp_sum = exp_sum;
    k->gelu_mul = gelu_mul;
    k->sigmoid_mul = sigmoid_mul;
    k->max_f32 = max_f32;
}
