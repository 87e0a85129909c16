/* rows.c: see the headers. Reading, products and sums each choose among the same four types, but by kernels of other
 * parameters. */
#include "tsr_rows.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels_internal.h"
#include "rows_internal.h"

enum { Q8_MAX = 127 };

static const double F16_MAX = 65504.0, BF16_MAX = 0x1.fep127;

bool tsr_rows_have_type(tsr_type type)
{
    return type == TSR_F32 || type == TSR_F16 || type == TSR_BF16 || type == TSR_Q8_0;
}

size_t tsr_row_bytes(tsr_type type, size_t n)
{
    const tsr_type_traits *t = tsr_type_info(type);
    return (n + t->block_elems - 1) / t->block_elems * t->block_bytes;
}

double tsr_row_limit(tsr_type type)
{
    switch (type) {
    case TSR_F16: return F16_MAX;
    case TSR_BF16: return BF16_MAX;
    case TSR_Q8_0: return F16_MAX * Q8_MAX;
    default: return (double)FLT_MAX;
    }
}

/* ---- writing ---- */

static bool all_finite(const float *x, size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        found |= (u & 0x7f800000u) == 0x7f800000u;
    }
    return !found;
}

/* The scale is rounded to f16 first, so that the numbers are the nearest for the scale that is kept. Only
 * where f16 has no normal number left can a value be out of reach of 127 of them. */
static void write_q8_block(unsigned char *b, const float *x, size_t n, float top)
{
    uint16_t scale = tsr_f32_to_f16(top / Q8_MAX);
    float d = tsr_f16_to_f32(scale), inv = d > 0.0f ? 1.0f / d : 0.0f;
    memcpy(b, &scale, sizeof scale);
    for (size_t i = 0; i < n; i++) {
        float q = rintf(x[i] * inv);
        q = q > (float)Q8_MAX ? (float)Q8_MAX : q < (float)-Q8_MAX ? (float)-Q8_MAX : q;
        b[2 + i] = (unsigned char)(int8_t)q;
    }
    memset(b + 2 + n, 0, TSRI_Q8_ELEMS - n);
}

/* A block whose scale is not a number. */
static void write_q8_nan(unsigned char *b)
{
    uint16_t nan = tsr_f32_to_f16(NAN);
    memset(b, 0, TSRI_Q8_BYTES);
    memcpy(b, &nan, sizeof nan);
}

static void write_q8(unsigned char *row, const float *x, size_t n)
{
    for (; n > 0; row += TSRI_Q8_BYTES) {
        size_t take = n < TSRI_Q8_ELEMS ? n : TSRI_Q8_ELEMS;
        float top = 0.0f;
        for (size_t i = 0; i < take; i++)
            top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
        if (all_finite(x, take))
            write_q8_block(row, x, take, top);
        else
            write_q8_nan(row);
        x += take;
        n -= take;
    }
}

bool tsr_row_write(tsr_type type, void *row, const float *x, size_t n)
{
    uint16_t *half = row;
    assert(tsr_rows_have_type(type));
    switch (type) {
    case TSR_F16:
        for (size_t i = 0; i < n; i++)
            half[i] = tsr_f32_to_f16(x[i]);
        break;
    case TSR_BF16:
        for (size_t i = 0; i < n; i++)
            half[i] = tsr_f32_to_bf16(x[i]);
        break;
    case TSR_Q8_0: write_q8(row, x, n); break;
    default: memcpy(row, x, n * sizeof *x); break;
    }
    return all_finite(x, n);
}

/* ---- reading ---- */

void tsr_rows_read(tsr_type type, const void *rows, size_t n_rows, size_t n, float *dst)
{
    const tsri_kernels *k = tsri_kernels_get();
    const unsigned char *row = rows;
    size_t bytes = tsr_row_bytes(type, n);
    assert(tsr_rows_have_type(type));
    for (size_t i = 0; i < n_rows; i++, row += bytes, dst += n)
        switch (type) {
        case TSR_F16: k->decode_f16(dst, (const void *)row, n); break;
        case TSR_BF16: k->decode_bf16(dst, (const void *)row, n); break;
        case TSR_Q8_0: k->decode_q8_0(dst, row, n); break;
        default: memcpy(dst, row, n * sizeof *dst); break;
        }
}

void tsr_rows_dot(tsr_type type, const void *rows, size_t n_rows, size_t n, const float *x, float *out)
{
    const tsri_kernels *k = tsri_kernels_get();
    const unsigned char *row = rows;
    size_t bytes = tsr_row_bytes(type, n);
    assert(tsr_rows_have_type(type));
    for (size_t i = 0; i < n_rows; i++, row += bytes)
        switch (type) {
        case TSR_F16: out[i] = k->dot_f16((const void *)row, x, n); break;
        case TSR_BF16: out[i] = k->dot_bf16((const void *)row, x, n); break;
        case TSR_Q8_0: out[i] = k->dot_q8_0(row, x, n); break;
        default: out[i] = k->dot_f32((const void *)row, x, n); break;
        }
}

void tsr_rows_mix(tsr_type type, const void *rows, size_t n_rows, size_t n, const float *w, float *y)
{
    const tsri_kernels *k = tsri_kernels_get();
    const unsigned char *row = rows;
    size_t bytes = tsr_row_bytes(type, n);
    assert(tsr_rows_have_type(type));
    for (size_t i = 0; i < n_rows; i++, row += bytes)
        switch (type) {
        case TSR_F16: k->axpy_f16(y, w[i], (const void *)row, n); break;
        case TSR_BF16: k->axpy_bf16(y, w[i], (const void *)row, n); break;
        case TSR_Q8_0: k->axpy_q8_0(y, w[i], row, n); break;
        default: k->axpy_f32(y, w[i], (const void *)row, n); break;
        }
}

/* ---- several vectors ---- */

static void scores_one_by_one(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n,
                              const float *q, size_t n_q, float *s, const unsigned char *next)
{
    assert(row_bytes == tsr_row_bytes(type, n));
    for (size_t i = 0; i < n_q; i++)
        tsr_rows_dot(type, rows, n_rows, n, q + i * n, s + i * TSRI_ROWS_TILE);
    (void)row_bytes;
    (void)next;
}

static void mix_one_by_one(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n,
                           const float *w, size_t n_q, float *y, const unsigned char *next)
{
    assert(row_bytes == tsr_row_bytes(type, n));
    for (size_t i = 0; i < n_q; i++)
        tsr_rows_mix(type, rows, n_rows, n, w + i * TSRI_ROWS_TILE, y + i * n);
    (void)row_bytes;
    (void)next;
}

const tsri_rows_kernels *tsri_rows_kernels_get(size_t n)
{
    static const tsri_rows_kernels one_by_one = {.scores = scores_one_by_one, .mix = mix_one_by_one};
#if defined(TSR_HAVE_X86_SIMD)
    if (n % TSRI_ROWS_UNIT == 0 && tsr_cpu_get() >= TSR_CPU_AVX512)
        return &tsri_rows_avx512;
    if (n % TSRI_ROWS_UNIT == 0 && tsr_cpu_get() >= TSR_CPU_AVX2)
        return &tsri_rows_avx2;
#elif defined(TSR_HAVE_ARM_SIMD)
    if (n % TSRI_ROWS_UNIT == 0 && tsr_cpu_get() >= TSR_CPU_NEON)
        return &tsri_rows_neon;
#endif
    (void)n;
    return &one_by_one;
}
