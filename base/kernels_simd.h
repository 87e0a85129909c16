/* kernels_simd.h: the kernels of kernels_internal.h, for a file that has said what a vector is: vec, LANES and
 *
 *   vec_zero, vec_set, vec_load, vec_store, vec_add, vec_sub, vec_mul, vec_div, vec_sum
 *   vec_fma(a, b, c) = a b + c, vec_fnma(a, b, c) = c - a b
 *   vec_most(a, b), vec_least(a, b): b where one of them is no number, or where they are equal
 *   vec_clear_less(a, b, v): 0 where a < b, else v; vec_pick_less(a, b, u, v): u where a < b, else v
 *   vec_abs, vec_with_sign(a, x): a, not below 0, with x's sign; vec_minus
 *   vec_nearest, and vec_power(n): 2^n of whole numbers -126 .. 127
 *   load_f32, load_bf16, load_f16; scale_q8(block), load_q8(block, at, scale): numbers [at, at + LANES) of a block of q8_0
 *   wide (LANES sums of f64), wide_zero, wide_add(sums, vec), wide_add_squares(sums, vec), wide_join(a, b), wide_sum
 *
 * and TILE_ROWS, the rows of x that tile_bf16 takes at once. */
#ifndef TSR_KERNELS_SIMD_H
#define TSR_KERNELS_SIMD_H

#include "kernels_internal.h"
#include "registers_internal.h"

#define INLINED static inline __attribute__((always_inline))

/* Four accumulators hide the latency of the FMA; the tail goes through a zeroed block. */
#define DOT(type, load)                                                                    \
    vec a0 = vec_zero(), a1 = a0, a2 = a0, a3 = a0;                                        \
    size_t i = 0;                                                                          \
    for (; i + 4 * LANES <= n; i += 4 * LANES) {                                           \
        a0 = vec_fma(load(w + i), vec_load(x + i), a0);                                    \
        a1 = vec_fma(load(w + i + LANES), vec_load(x + i + LANES), a1);                    \
        a2 = vec_fma(load(w + i + 2 * LANES), vec_load(x + i + 2 * LANES), a2);            \
        a3 = vec_fma(load(w + i + 3 * LANES), vec_load(x + i + 3 * LANES), a3);            \
    }                                                                                      \
    for (; i + LANES <= n; i += LANES)                                                     \
        a0 = vec_fma(load(w + i), vec_load(x + i), a0);                                    \
    if (i < n) {                                                                           \
        type tw[LANES] = {0};                                                              \
        float tx[LANES] = {0};                                                             \
        for (size_t j = 0; i + j < n; j++) {                                               \
            tw[j] = w[i + j];                                                              \
            tx[j] = x[i + j];                                                              \
        }                                                                                  \
        a1 = vec_fma(load(tw), vec_load(tx), a1);                                          \
    }                                                                                      \
    return vec_sum(vec_add(vec_add(a0, a1), vec_add(a2, a3)))

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

static void decode_block(float *dst, const uint8_t *block)
{
    vec d = scale_q8(block);
    for (size_t i = 0; i < TSRI_Q8_ELEMS; i += LANES)
        vec_store(dst + i, load_q8(block, i, d));
}

static float dot_q8_0(const uint8_t *w, const float *x, size_t n)
{
    vec a[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    for (; n >= TSRI_Q8_ELEMS; n -= TSRI_Q8_ELEMS, x += TSRI_Q8_ELEMS, w += TSRI_Q8_BYTES) {
        vec d = scale_q8(w);
        for (size_t i = 0; i < TSRI_Q8_ELEMS / LANES; i++)
            a[i % 4] = vec_fma(load_q8(w, i * LANES, d), vec_load(x + i * LANES), a[i % 4]);
    }
    float sum = 0.0f;
    if (n > 0) {
        float tail[TSRI_Q8_ELEMS];
        decode_block(tail, w);
        sum = dot_f32(tail, x, n);
    }
    return vec_sum(vec_add(vec_add(a[0], a[1]), vec_add(a[2], a[3]))) + sum;
}

/* Two accumulators for each row: with four rows that hides the latency as well. */
static void dot4_bf16(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    vec a[4], b[4];
    size_t i = 0;
    for (size_t r = 0; r < 4; r++)
        a[r] = b[r] = vec_zero();
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vec x0 = vec_load(x + i), x1 = vec_load(x + i + LANES);
        for (size_t r = 0; r < 4; r++) {
            a[r] = vec_fma(load_bf16(w + r * stride + i), x0, a[r]);
            b[r] = vec_fma(load_bf16(w + r * stride + i + LANES), x1, b[r]);
        }
    }
    for (; i < n; i += LANES) { /* at most twice; what is missing is a zero */
        uint16_t tw[4][LANES] = {{0}};
        float tx[LANES] = {0};
        for (size_t j = 0; j < LANES && i + j < n; j++) {
            tx[j] = x[i + j];
            for (size_t r = 0; r < 4; r++)
                tw[r][j] = w[r * stride + i + j];
        }
        for (size_t r = 0; r < 4; r++)
            a[r] = vec_fma(load_bf16(tw[r]), vec_load(tx), a[r]);
    }
    IN_REGISTERS
    for (size_t r = 0; r < 4; r++)
        out[r] = vec_sum(vec_add(a[r], b[r]));
}

/* Accumulators, 4 rows of w and one of x fill the registers. */
INLINED void tile_step(vec a[TILE_ROWS][4], const uint16_t *w, size_t ldw, const float *x, size_t ldx, size_t n)
{
    vec v[4];
    for (size_t r = 0; r < 4; r++)
        v[r] = load_bf16(w + r * ldw);
    for (size_t i = 0; i < n; i++) {
        vec xi = vec_load(x + i * ldx);
        for (size_t r = 0; r < 4; r++)
            a[i][r] = vec_fma(v[r], xi, a[i][r]);
    }
}

INLINED void tile_rows(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx, size_t n,
                       size_t k)
{
    vec a[TILE_ROWS][4];
    size_t p = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < 4; r++)
            a[i][r] = vec_zero();
    for (; p + LANES <= k; p += LANES)
        tile_step(a, w + p, ldw, x + p, ldx, n);
    if (p < k) { /* what is missing is a zero */
        uint16_t tw[4][LANES] = {{0}};
        float tx[TILE_ROWS][LANES] = {{0}};
        for (size_t j = 0; p + j < k; j++) {
            for (size_t r = 0; r < 4; r++)
                tw[r][j] = w[r * ldw + p + j];
            for (size_t i = 0; i < n; i++)
                tx[i][j] = x[i * ldx + p + j];
        }
        tile_step(a, tw[0], LANES, tx[0], LANES, n);
    }
    IN_REGISTERS
    for (size_t i = 0; i < n; i++) {
        IN_REGISTERS
        for (size_t r = 0; r < 4; r++)
            y[i * ldy + r] = vec_sum(a[i][r]) + (add ? y[i * ldy + r] : 0.0f);
    }
}

static void tile_bf16(float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx,
                      size_t n, size_t k)
{
    size_t i = 0;
    for (; i + TILE_ROWS <= n; i += TILE_ROWS)
        tile_rows(y + i * ldy, ldy, add, w, ldw, x + i * ldx, ldx, TILE_ROWS, k);
    for (; i < n; i++)
        tile_rows(y + i * ldy, ldy, add, w, ldw, x + i * ldx, ldx, 1, k);
}

static void axpy_f32(float *y, float a, const float *x, size_t n)
{
    vec va = vec_set(a);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(y + i, vec_fma(va, vec_load(x + i), vec_load(y + i)));
    for (; i < n; i++)
        y[i] += a * x[i];
}

#define AXPY_HALF(load)                                                       \
    vec va = vec_set(a);                                                      \
    size_t i = 0;                                                             \
    for (; i + LANES <= n; i += LANES)                                        \
        vec_store(y + i, vec_fma(va, load(x + i), vec_load(y + i)));          \
    if (i < n) {                                                              \
        uint16_t in[LANES] = {0};                                             \
        float out[LANES];                                                     \
        for (size_t j = 0; i + j < n; j++)                                    \
            in[j] = x[i + j];                                                 \
        vec_store(out, load(in));                                             \
        axpy_f32(y + i, a, out, n - i);                                       \
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
    vec va = vec_set(a);
    for (; n >= TSRI_Q8_ELEMS; n -= TSRI_Q8_ELEMS, y += TSRI_Q8_ELEMS, x += TSRI_Q8_BYTES) {
        vec d = scale_q8(x);
        for (size_t i = 0; i < TSRI_Q8_ELEMS; i += LANES)
            vec_store(y + i, vec_fma(va, load_q8(x, i, d), vec_load(y + i)));
    }
    if (n > 0) {
        float tail[TSRI_Q8_ELEMS];
        decode_block(tail, x);
        axpy_f32(y, a, tail, n);
    }
}

#define DECODE(load)                                \
    size_t i = 0;                                   \
    for (; i + LANES <= n; i += LANES)              \
        vec_store(dst + i, load(src + i));          \
    if (i < n) {                                    \
        uint16_t in[LANES] = {0};                   \
        float out[LANES];                           \
        for (size_t j = 0; i + j < n; j++)          \
            in[j] = src[i + j];                     \
        vec_store(out, load(in));                   \
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
INLINED vec exp_of(vec x)
{
    const vec least = vec_set(-87.0f), most = vec_set(88.0f), given = x;
    x = vec_most(least, vec_least(most, x)); /* in this order, a NaN stays one */
    vec n = vec_nearest(vec_mul(x, vec_set(1.44269504088896341f)));
    vec r = vec_fnma(n, vec_set(0.693359375f), x);
    r = vec_fnma(n, vec_set(-2.12194440e-4f), r);
    vec p = vec_set(1.0f / 5040);
    p = vec_fma(p, r, vec_set(1.0f / 720));
    p = vec_fma(p, r, vec_set(1.0f / 120));
    p = vec_fma(p, r, vec_set(1.0f / 24));
    p = vec_fma(p, r, vec_set(1.0f / 6));
    p = vec_fma(p, r, vec_set(0.5f));
    p = vec_fma(p, r, vec_set(1.0f));
    p = vec_fma(p, r, vec_set(1.0f));
    p = vec_pick_less(most, given, vec_set(__builtin_inff()), vec_mul(p, vec_power(n)));
    return vec_clear_less(given, least, p);
}

static double exp_sum(float *x, float top, size_t n)
{
    const vec vtop = vec_set(top);
    wide all = wide_zero();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec e = exp_of(vec_sub(vec_load(x + i), vtop));
        vec_store(x + i, e);
        all = wide_add(all, e);
    }
    double sum = wide_sum(all);
    if (i < n) {
        float tail[LANES] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = x[i + j];
        vec_store(tail, exp_of(vec_sub(vec_load(tail), vtop)));
        for (size_t j = 0; i + j < n; j++) {
            x[i + j] = tail[j];
            sum += (double)tail[j];
        }
    }
    return sum;
}

/* x / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3))), which is 0.5 x (1 + tanh(...)). */
INLINED vec gelu_of(vec x)
{
    vec inner = vec_mul(x, vec_fma(vec_mul(x, x), vec_set(0.044715f), vec_set(1.0f)));
    vec e = exp_of(vec_mul(inner, vec_set(-1.59576912160573071176f)));
    return vec_div(x, vec_add(vec_set(1.0f), e));
}

static void gelu_mul(float *g, const float *u, size_t n)
{
    const vec one = vec_set(1.0f);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(g + i, vec_mul(gelu_of(vec_load(g + i)), u ? vec_load(u + i) : one));
    if (i < n) {
        float tail[LANES] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = g[i + j];
        vec_store(tail, gelu_of(vec_load(tail)));
        for (size_t j = 0; i + j < n; j++)
            g[i + j] = u ? tail[j] * u[i + j] : tail[j];
    }
}

static void sigmoid_mul(float *y, const float *a, const float *b, size_t n)
{
    const vec one = vec_set(1.0f);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(y + i, vec_div(vec_load(a + i), vec_add(one, exp_of(vec_minus(vec_load(b + i))))));
    if (i < n) {
        float tail[LANES] = {0};
        for (size_t j = 0; i + j < n; j++)
            tail[j] = b[i + j];
        vec_store(tail, vec_add(one, exp_of(vec_minus(vec_load(tail)))));
        for (size_t j = 0; i + j < n; j++)
            y[i + j] = a[i + j] / tail[j];
    }
}

static float max_f32(const float *x, size_t n)
{
    vec a = vec_set(-__builtin_inff()), b = a;
    float part[LANES], top = -__builtin_inff();
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) { /* a NaN in the first operand gives the second */
        a = vec_most(vec_load(x + i), a);
        b = vec_most(vec_load(x + i + LANES), b);
    }
    vec_store(part, vec_most(a, b));
    for (size_t j = 0; j < LANES; j++)
        top = part[j] > top ? part[j] : top;
    for (; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

static void clamp(float *y, const float *x, float min, float max, size_t n)
{
    const vec low = vec_set(min), high = vec_set(max);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) /* a NaN in the second operand stays one */
        vec_store(y + i, vec_least(high, vec_most(low, vec_load(x + i))));
    for (; i < n; i++) {
        float v = x[i] < min ? min : x[i];
        y[i] = v > max ? max : v;
    }
}

static double sum_of_squares(const float *x, size_t n)
{
    wide a = wide_zero(), b = a;
    double sum = 0.0;
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        a = wide_add_squares(a, vec_load(x + i));
        b = wide_add_squares(b, vec_load(x + i + LANES));
    }
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum + wide_sum(wide_join(a, b));
}

static bool rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double sum = sum_of_squares(x, n);
    float scale = (float)(1.0 / __builtin_sqrt(sum / (double)n + (double)eps));
    const vec s = vec_set(scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec v = vec_mul(vec_load(x + i), s);
        vec_store(y + i, w ? vec_mul(v, vec_load(w + i)) : v);
    }
    for (; i < n; i++)
        y[i] = w ? x[i] * scale * w[i] : x[i] * scale;
    return __builtin_isfinite(sum);
}

/* Near 0 a polynomial in x^2 (Cephes), so that small values keep all their digits; else by exp, which is infinite where
 * the result is 1. */
INLINED vec tanh_of(vec x)
{
    const vec one = vec_set(1.0f), two = vec_set(2.0f);
    vec a = vec_abs(x), z = vec_mul(x, x), p = vec_set(-5.70498872745e-3f);
    p = vec_fma(p, z, vec_set(2.06390887954e-2f));
    p = vec_fma(p, z, vec_set(-5.37397155531e-2f));
    p = vec_fma(p, z, vec_set(1.33314422036e-1f));
    p = vec_fma(p, z, vec_set(-3.33332819422e-1f));
    vec near = vec_fma(vec_mul(p, z), x, x);
    vec far = vec_sub(one, vec_div(two, vec_add(exp_of(vec_mul(two, a)), one)));
    return vec_pick_less(a, vec_set(0.625f), near, vec_with_sign(far, x));
}

/* x - x is 0, or NaN where x is not finite. */
INLINED void soft_cap_of(float *x, vec cap)
{
    vec v = vec_load(x), y = vec_mul(tanh_of(vec_div(v, cap)), cap);
    vec_store(x, vec_add(y, vec_sub(v, v)));
}

static void soft_cap(float *x, float cap, size_t n)
{
    const vec c = vec_set(cap);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        soft_cap_of(x + i, c);
    float tail[LANES] = {0};
    for (size_t j = i; j < n; j++)
        tail[j - i] = x[j];
    soft_cap_of(tail, c);
    for (size_t j = i; j < n; j++)
        x[j] = tail[j - i];
}

#include "kernels_table.h"

#endif
