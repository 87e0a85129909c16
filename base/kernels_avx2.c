/* kernels_avx2.c: AVX2 + FMA + F16C variants. Compiled with its own flags; only static code from
 * shared headers may be used here, so that no AVX2 copy of an inline function escapes. */
#include <immintrin.h>

#include "kernels_internal.h"

static float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

static __m256 load_f32(const float *p)
{
    return _mm256_loadu_ps(p);
}

static __m256 load_bf16(const uint16_t *p)
{
    __m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(u, 16));
}

static __m256 load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Four accumulators hide the latency of the FMA; the tail goes through a zeroed block. */
#define DOT(type, load)                                                                        \
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;                                \
    size_t i = 0;                                                                              \
    for (; i + 32 <= n; i += 32) {                                                             \
        a0 = _mm256_fmadd_ps(load(w + i), _mm256_loadu_ps(x + i), a0);                         \
        a1 = _mm256_fmadd_ps(load(w + i + 8), _mm256_loadu_ps(x + i + 8), a1);                 \
        a2 = _mm256_fmadd_ps(load(w + i + 16), _mm256_loadu_ps(x + i + 16), a2);               \
        a3 = _mm256_fmadd_ps(load(w + i + 24), _mm256_loadu_ps(x + i + 24), a3);               \
    }                                                                                          \
    for (; i + 8 <= n; i += 8)                                                                 \
        a0 = _mm256_fmadd_ps(load(w + i), _mm256_loadu_ps(x + i), a0);                         \
    if (i < n) {                                                                               \
        type tw[8] = {0};                                                                      \
        float tx[8] = {0};                                                                     \
        for (size_t j = 0; i + j < n; j++) {                                                   \
            tw[j] = w[i + j];                                                                  \
            tx[j] = x[i + j];                                                                  \
        }                                                                                      \
        a1 = _mm256_fmadd_ps(load(tw), _mm256_loadu_ps(tx), a1);                               \
    }                                                                                          \
    return sum8(_mm256_add_ps(_mm256_add_ps(a0, a1), _mm256_add_ps(a2, a3)))

static float dot_f32(const float *w, const float *x, size_t n)
{
    DOT(float, load_f32);
}

static float dot_bf16(const uint16_t *w, const float *x, size_t n)
{
    DOT(uint16_t, load_bf16);
}

static float dot_f16(const uint16_t *w, const float *x, size_t n)
{
    DOT(uint16_t, load_f16);
}

/* Numbers [at, at + 8) of a block, times its scale: exact. */
static __m256 load_q8(const uint8_t *block, size_t at, __m256 scale)
{
    __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)(block + 2 + at));
    return _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)));
}

static __m256 scale_q8(const uint8_t *block)
{
    return _mm256_set1_ps(_cvtsh_ss((unsigned short)(block[0] | block[1] << 8)));
}

static void decode_block(float *dst, const uint8_t *block)
{
    __m256 d = scale_q8(block);
    for (size_t i = 0; i < TSRI_Q8_ELEMS; i += 8)
        _mm256_storeu_ps(dst + i, load_q8(block, i, d));
}

static float dot_q8_0(const uint8_t *w, const float *x, size_t n)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;
    for (; n >= TSRI_Q8_ELEMS; n -= TSRI_Q8_ELEMS, x += TSRI_Q8_ELEMS, w += TSRI_Q8_BYTES) {
        __m256 d = scale_q8(w);
        a0 = _mm256_fmadd_ps(load_q8(w, 0, d), _mm256_loadu_ps(x), a0);
        a1 = _mm256_fmadd_ps(load_q8(w, 8, d), _mm256_loadu_ps(x + 8), a1);
        a2 = _mm256_fmadd_ps(load_q8(w, 16, d), _mm256_loadu_ps(x + 16), a2);
        a3 = _mm256_fmadd_ps(load_q8(w, 24, d), _mm256_loadu_ps(x + 24), a3);
    }
    float sum = 0.0f;
    if (n > 0) {
        float tail[TSRI_Q8_ELEMS];
        decode_block(tail, w);
        sum = dot_f32(tail, x, n);
    }
    return sum8(_mm256_add_ps(_mm256_add_ps(a0, a1), _mm256_add_ps(a2, a3))) + sum;
}

/* Two accumulators for each row: with four rows that hides the latency as well. */
static void dot4_bf16(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    __m256 a[4], b[4];
    size_t i = 0;
    for (size_t r = 0; r < 4; r++)
        a[r] = b[r] = _mm256_setzero_ps();
    for (; i + 16 <= n; i += 16) {
        __m256 x0 = _mm256_loadu_ps(x + i), x1 = _mm256_loadu_ps(x + i + 8);
        for (size_t r = 0; r < 4; r++) {
            a[r] = _mm256_fmadd_ps(load_bf16(w + r * stride + i), x0, a[r]);
            b[r] = _mm256_fmadd_ps(load_bf16(w + r * stride + i + 8), x1, b[r]);
        }
    }
    for (; i < n; i += 8) { /* at most twice; what is missing is a zero */
        uint16_t tw[4][8] = {{0}};
        float tx[8] = {0};
        for (size_t j = 0; j < 8 && i + j < n; j++) {
            tx[j] = x[i + j];
            for (size_t r = 0; r < 4; r++)
                tw[r][j] = w[r * stride + i + j];
        }
        for (size_t r = 0; r < 4; r++)
            a[r] = _mm256_fmadd_ps(load_bf16(tw[r]), _mm256_loadu_ps(tx), a[r]);
    }
    for (size_t r = 0; r < 4; r++)
        out[r] = sum8(_mm256_add_ps(a[r], b[r]));
}

/* One or two rows of x at a time: 8 accumulators, 4 rows of w and one of x fill the registers. */
static inline void tile_step(__m256 a[2][4], const uint16_t *const w[4], const float *const x[2], size_t n)
{
    __m256 v[4];
    for (size_t r = 0; r < 4; r++)
        v[r] = load_bf16(w[r]);
    for (size_t i = 0; i < n; i++) {
        __m256 xi = _mm256_loadu_ps(x[i]);
        for (size_t r = 0; r < 4; r++)
            a[i][r] = _mm256_fmadd_ps(v[r], xi, a[i][r]);
    }
}

static inline void tile_rows(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                             size_t n, size_t k)
{
    __m256 a[2][4];
    size_t p = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++)
            a[i][r] = _mm256_setzero_ps();
    for (; p + 8 <= k; p += 8) {
        const uint16_t *const wp[4] = {w + p, w + ldw + p, w + 2 * ldw + p, w + 3 * ldw + p};
        const float *const xp[2] = {x + p, x + (n - 1) * ldx + p};
        tile_step(a, wp, xp, n);
    }
    if (p < k) { /* what is missing is a zero */
        uint16_t tw[4][8] = {{0}};
        float tx[2][8] = {{0}};
        for (size_t j = 0; p + j < k; j++) {
            for (size_t r = 0; r < 4; r++)
                tw[r][j] = w[r * ldw + p + j];
            for (size_t i = 0; i < n; i++)
                tx[i][j] = x[i * ldx + p + j];
        }
        const uint16_t *const wp[4] = {tw[0], tw[1], tw[2], tw[3]};
        const float *const xp[2] = {tx[0], tx[1]};
        tile_step(a, wp, xp, n);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++)
            y[i * ldy + r] = sum8(a[i][r]) + (add ? y[i * ldy + r] : 0.0f);
}

static void tile_bf16(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                      size_t n, size_t k)
{
    size_t i = 0;
    for (; i + 2 <= n; i += 2)
        tile_rows(y + i * ldy, ldy, add, w, ldw, x + i * ldx, ldx, 2, k);
    if (i < n)
        tile_rows(y + i * ldy, ldy, add, w, ldw, x + i * ldx, ldx, 1, k);
}

static void axpy_f32(float *y, float a, const float *x, size_t n)
{
    __m256 va = _mm256_set1_ps(a);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(va, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    for (; i < n; i++)
        y[i] += a * x[i];
}

#define AXPY_HALF(load)                                                                                 \
    __m256 va = _mm256_set1_ps(a);                                                                      \
    size_t i = 0;                                                                                       \
    for (; i + 8 <= n; i += 8)                                                                          \
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(va, load(x + i), _mm256_loadu_ps(y + i)));              \
    if (i < n) {                                                                                        \
        uint16_t in[8] = {0};                                                                           \
        float out[8];                                                                                   \
        for (size_t j = 0; i + j < n; j++)                                                              \
            in[j] = x[i + j];                                                                           \
        _mm256_storeu_ps(out, load(in));                                                                \
        axpy_f32(y + i, a, out, n - i);                                                                 \
    }

static void axpy_bf16(float *y, float a, const uint16_t *x, size_t n)
{
    AXPY_HALF(load_bf16)
}

static void axpy_f16(float *y, float a, const uint16_t *x, size_t n)
{
    AXPY_HALF(load_f16)
}

static void axpy_q8_0(float *y, float a, const uint8_t *x, size_t n)
{
    __m256 va = _mm256_set1_ps(a);
    for (; n >= TSRI_Q8_ELEMS; n -= TSRI_Q8_ELEMS, y += TSRI_Q8_ELEMS, x += TSRI_Q8_BYTES) {
        __m256 d = scale_q8(x);
        for (size_t i = 0; i < TSRI_Q8_ELEMS; i += 8)
            _mm256_storeu_ps(y + i, _mm256_fmadd_ps(va, load_q8(x, i, d), _mm256_loadu_ps(y + i)));
    }
    if (n > 0) {
        float tail[TSRI_Q8_ELEMS];
        decode_block(tail, x);
        axpy_f32(y, a, tail, n);
    }
}

#define DECODE(load)                                \
    size_t i = 0;                                   \
    for (; i + 8 <= n; i += 8)                      \
        _mm256_storeu_ps(dst + i, load(src + i));   \
    if (i < n) {                                    \
        uint16_t in[8] = {0};                       \
        float out[8];                               \
        for (size_t j = 0; i + j < n; j++)          \
            in[j] = src[i + j];                     \
        _mm256_storeu_ps(out, load(in));            \
        for (size_t j = 0; i + j < n; j++)          \
            dst[i + j] = out[j];                    \
    }

static void decode_bf16(float *dst, const uint16_t *src, size_t n)
{
    DECODE(load_bf16)
}

static void decode_f16(float *dst, const uint16_t *src, size_t n)
{
    DECODE(load_f16)
}

static void decode_q8_0(float *dst, const uint8_t *src, size_t n)
{
    for (; n >= TSRI_Q8_ELEMS; n -= TSRI_Q8_ELEMS, dst += TSRI_Q8_ELEMS, src += TSRI_Q8_BYTES)
        decode_block(dst, src);
    if (n > 0) {
        float tail[TSRI_Q8_ELEMS];
        decode_block(tail, src);
        for (size_t i = 0; i < n; i++)
            dst[i] = tail[i];
    }
}

/* exp(x) to about one unit in the last place; above 88 infinity, below -87 (where f32 loses digits) 0. x = n ln2 + r with
 * |r| <= ln2 / 2, ln2 in two parts so that r is exact; e^r by the Taylor polynomial of degree 7. */
static __m256 exp8(__m256 x)
{
    const __m256 least = _mm256_set1_ps(-87.0f), most = _mm256_set1_ps(88.0f);
    __m256 is_small = _mm256_cmp_ps(x, least, _CMP_LT_OQ), is_large = _mm256_cmp_ps(x, most, _CMP_GT_OQ);
    x = _mm256_max_ps(least, _mm256_min_ps(most, x)); /* in this order: a NaN in the second operand stays one */
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.0f / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i scale = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    p = _mm256_blendv_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(scale)), _mm256_set1_ps(__builtin_inff()), is_large);
    return _mm256_andnot_ps(is_small, p);
}

static double exp_sum(float *x, float top, size_t n)
{
    const __m256 vtop = _mm256_set1_ps(top);
    __m256d a = _mm256_setzero_pd(), b = a;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), vtop));
        _mm256_storeu_ps(x + i, e);
        a = _mm256_add_pd(a, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
        b = _mm256_add_pd(b, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
    }
    double part[4], sum;
    _mm256_storeu_pd(part, _mm256_add_pd(a, b));
    sum = (part[0] + part[2]) + (part[1] + part[3]);
    if (i < n) {
        float tail[8] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = x[i + j];
        _mm256_storeu_ps(tail, exp8(_mm256_sub_ps(_mm256_loadu_ps(tail), vtop)));
        for (size_t j = 0; i + j < n; j++) {
            x[i + j] = tail[j];
            sum += (double)tail[j];
        }
    }
    return sum;
}

/* x / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3))), which is 0.5 x (1 + tanh(...)). */
static __m256 gelu8(__m256 x)
{
    __m256 x2 = _mm256_mul_ps(x, x);
    __m256 inner = _mm256_mul_ps(x, _mm256_fmadd_ps(x2, _mm256_set1_ps(0.044715f), _mm256_set1_ps(1.0f)));
    __m256 e = exp8(_mm256_mul_ps(inner, _mm256_set1_ps(-1.59576912160573071176f)));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

static void gelu_mul(float *g, const float *u, size_t n)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(g + i, _mm256_mul_ps(gelu8(_mm256_loadu_ps(g + i)), u ? _mm256_loadu_ps(u + i) : one));
    if (i < n) {
        float tail[8] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = g[i + j];
        _mm256_storeu_ps(tail, gelu8(_mm256_loadu_ps(tail)));
        for (size_t j = 0; i + j < n; j++)
            g[i + j] = u ? tail[j] * u[i + j] : tail[j];
    }
}

static void sigmoid_mul(float *y, const float *a, const float *b, size_t n)
{
    const __m256 one = _mm256_set1_ps(1.0f), minus = _mm256_set1_ps(-0.0f);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 e = exp8(_mm256_xor_ps(_mm256_loadu_ps(b + i), minus));
        _mm256_storeu_ps(y + i, _mm256_div_ps(_mm256_loadu_ps(a + i), _mm256_add_ps(one, e)));
    }
    if (i < n) {
        float tail[8] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = b[i + j];
        _mm256_storeu_ps(tail, _mm256_add_ps(one, exp8(_mm256_xor_ps(_mm256_loadu_ps(tail), minus))));
        for (size_t j = 0; i + j < n; j++)
            y[i + j] = a[i + j] / tail[j];
    }
}

static float max_f32(const float *x, size_t n)
{
    __m256 a = _mm256_set1_ps(-__builtin_inff()), b = a;
    float part[8], top = -__builtin_inff();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) { /* a NaN in the first operand gives the second */
        a = _mm256_max_ps(_mm256_loadu_ps(x + i), a);
        b = _mm256_max_ps(_mm256_loadu_ps(x + i + 8), b);
    }
    _mm256_storeu_ps(part, _mm256_max_ps(a, b));
    for (size_t j = 0; j < 8; j++)
        top = part[j] > top ? part[j] : top;
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

static void clamp(float *y, const float *x, float min, float max, size_t n)
{
    const __m256 low = _mm256_set1_ps(min), high = _mm256_set1_ps(max);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) /* a NaN in the second operand stays one */
        _mm256_storeu_ps(y + i, _mm256_min_ps(high, _mm256_max_ps(low, _mm256_loadu_ps(x + i))));
    for (; i < n; i++) {
        float v = x[i] < min ? min : x[i];
        y[i] = v > max ? max : v;
    }
}

static double sum_of_squares(const float *x, size_t n)
{
    __m256d a[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
    double part[4], sum = 0.0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 4; j++) {
            __m256d v = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * j));
            a[j] = _mm256_fmadd_pd(v, v, a[j]);
        }
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    _mm256_storeu_pd(part, _mm256_add_pd(_mm256_add_pd(a[0], a[1]), _mm256_add_pd(a[2], a[3])));
    return sum + ((part[0] + part[1]) + (part[2] + part[3]));
}

static bool rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double sum = sum_of_squares(x, n);
    float scale = (float)(1.0 / __builtin_sqrt(sum / (double)n + (double)eps));
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), s);
        _mm256_storeu_ps(y + i, w ? _mm256_mul_ps(v, _mm256_loadu_ps(w + i)) : v);
    }
    for (; i < n; i++)
        y[i] = w ? x[i] * scale * w[i] : x[i] * scale;
    return __builtin_isfinite(sum);
}

/* Near 0 a polynomial in x^2 (Cephes), so that small values keep all their digits; else by exp, which is infinite where
 * the result is 1. */
static __m256 tanh8(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f), sign = _mm256_set1_ps(-0.0f);
    __m256 a = _mm256_andnot_ps(sign, x), z = _mm256_mul_ps(x, x), p = _mm256_set1_ps(-5.70498872745e-3f);
    p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(2.06390887954e-2f));
    p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-5.37397155531e-2f));
    p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(1.33314422036e-1f));
    p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-3.33332819422e-1f));
    __m256 near = _mm256_fmadd_ps(_mm256_mul_ps(p, z), x, x);
    __m256 far = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(exp8(_mm256_mul_ps(two, a)), one)));
    far = _mm256_or_ps(far, _mm256_and_ps(sign, x));
    return _mm256_blendv_ps(far, near, _mm256_cmp_ps(a, _mm256_set1_ps(0.625f), _CMP_LT_OQ));
}

/* x - x is 0, or NaN where x is not finite. */
static void soft_cap8(float *x, __m256 cap)
{
    __m256 v = _mm256_loadu_ps(x), y = _mm256_mul_ps(tanh8(_mm256_div_ps(v, cap)), cap);
    _mm256_storeu_ps(x, _mm256_add_ps(y, _mm256_sub_ps(v, v)));
}

static void soft_cap(float *x, float cap, size_t n)
{
    const __m256 c = _mm256_set1_ps(cap);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        soft_cap8(x + i, c);
    float tail[8] = {0};
    for (size_t j = i; j < n; j++)
        tail[j - i] = x[j];
    soft_cap8(tail, c);
    for (size_t j = i; j < n; j++)
        x[j] = tail[j - i];
}

void tsri_kernels_init_avx2(tsri_kernels *k)
{
    k->dot_f32 = dot_f32;
    k->dot_bf16 = dot_bf16;
    k->dot_f16 = dot_f16;
    k->dot_q8_0 = dot_q8_0;
    k->dot4_bf16 = dot4_bf16;
    k->tile_bf16 = tile_bf16;
    k->axpy_f32 = axpy_f32;
    k->axpy_bf16 = axpy_bf16;
    k->axpy_f16 = axpy_f16;
    k->axpy_q8_0 = axpy_q8_0;
    k->decode_bf16 = decode_bf16;
    k->decode_f16 = decode_f16;
    k->decode_q8_0 = decode_q8_0;
    k->exp_sum = exp_sum;
    k->gelu_mul = gelu_mul;
    k->sigmoid_mul = sigmoid_mul;
    k->max_f32 = max_f32;
    k->clamp = clamp;
    k->rms_norm = rms_norm;
    k->soft_cap = soft_cap;
}
