/* quantize.c: rows of f32 to rows of any float type: the check of what comes in, the plain types, and f16 scales. */
#include "tsr_quantize.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "quant_internal.h"
#include "quantize_internal.h"

enum { HALF_MAX = 0x7bff };
#define HALF_MAX_F 65504.0f

/* ---- f16 scales ----------------------------------------------------------------------------- */

static uint32_t magnitude_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u & 0x7fffffffu;
}

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* The bits of magnitudes sort as the magnitudes do. */
static uint32_t largest_bits(const float *x, size_t n)
{
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = magnitude_bits(x[i]);
        top = u > top ? u : top;
    }
    return top;
}

static void scale_by_power(float *y, const float *x, size_t n, uint32_t exponent)
{
    float by = from_bits(exponent << 23);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * by;
}

int tsri_to_units_of_any(float *y, const float *x, size_t n)
{
    uint32_t exponent = largest_bits(x, n) >> 23;
    exponent = exponent < 1 ? 1 : exponent > 253 ? 253 : exponent; /* so that it and its inverse are normal */
    scale_by_power(y, x, n, 254 - exponent);
    return (int)exponent;
}

float tsri_to_units(float *y, const float *x, size_t n)
{
    int exponent = tsri_to_units_of_any(y, x, n);
    if (exponent >= 127 - 25)
        return from_bits((uint32_t)exponent << 23);
    memset(y, 0, n * sizeof *y);
    return 0;
}

uint16_t tsri_half_of(float v, float unit)
{
    float a = v * unit;
    if (a > HALF_MAX_F)
        return HALF_MAX;
    if (a < -HALF_MAX_F)
        return HALF_MAX | 0x8000;
    return tsr_f32_to_f16(a);
}

float tsri_half_value(uint16_t h, float unit)
{
    return tsr_f16_to_f32(h) / unit;
}

uint16_t tsri_half_beside(uint16_t h, int steps)
{
    int m = (h & 0x7fff) + steps;
    m = m < 0 ? 0 : m > HALF_MAX ? HALF_MAX : m;
    return (uint16_t)(m | (h & 0x8000));
}

uint16_t tsri_half_scale(float v, float unit)
{
    uint16_t h = tsri_half_of(v, unit);
    return (h & 0x7fff) == 0 && v != 0.0f ? (uint16_t)(h | 1) : h;
}

/* ---- plain types ---------------------------------------------------------------------------- */

/* Rounding up from the largest finite number would give infinity. */
static uint16_t f16_of(float f)
{
    return tsri_half_of(f, 1.0f);
}

static uint16_t bf16_of(float f)
{
    uint16_t b = tsr_f32_to_bf16(f);
    return (b & 0x7fff) == 0x7f80 ? (uint16_t)(b - 1) : b;
}

static void round_16(uint16_t (*round)(float), const float *src, size_t n, unsigned char *dst)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h = round(src[i]);
        memcpy(dst + 2 * i, &h, sizeof h);
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

typedef struct rounder {
    tsri_quantize_fn fn;
    float reach; /* larger magnitudes are clamped: the largest scale times the largest level of its weaker end */
} rounder;

/* In step with the facts of tensor.c, which give the sizes. */
static const rounder rounders[TSR_N_TYPES] = {
    [TSR_Q8_0] = {tsri_quantize_q8_0, 127 * HALF_MAX_F},
    [TSR_Q4_0] = {tsri_quantize_q4_0, 7 * HALF_MAX_F},
    [TSR_Q4_1] = {tsri_quantize_q4_1, HALF_MAX_F},
    [TSR_Q5_0] = {tsri_quantize_q5_0, 15 * HALF_MAX_F},
    [TSR_Q5_1] = {tsri_quantize_q5_1, HALF_MAX_F},
    [TSR_Q2_K] = {tsri_quantize_q2_k, 15 * HALF_MAX_F},
    [TSR_Q3_K] = {tsri_quantize_q3_k, 31 * 3 * HALF_MAX_F},
    [TSR_Q4_K] = {tsri_quantize_q4_k, 63 * HALF_MAX_F},
    [TSR_Q5_K] = {tsri_quantize_q5_k, 63 * HALF_MAX_F},
    [TSR_Q6_K] = {tsri_quantize_q6_k, 127 * 31 * HALF_MAX_F},
    [TSR_IQ4_NL] = {tsri_quantize_iq4_nl, 113 * HALF_MAX_F},
    [TSR_IQ4_XS] = {tsri_quantize_iq4_xs, 31 * 113 * HALF_MAX_F},
    [TSR_MXFP4] = {tsri_quantize_mxfp4, 0x1.8p127f},
};

static float reach_of(tsr_type type)
{
    if (type == TSR_F16)
        return HALF_MAX_F;
    if (type == TSR_BF16)
        return from_bits(0x7f7f0000u);
    return tsr_type_is_block(type) ? rounders[type].reach : FLT_MAX;
}

bool tsr_type_can_quantize(tsr_type type)
{
    return tsr_type_info(type)->is_float;
}

static void round_blocks(tsr_type type, const float *src, size_t n, unsigned char *dst)
{
    const tsr_type_traits *t = tsr_type_info(type);
    tsri_codebook book;
    assert(rounders[type].fn && n % t->block_elems == 0);
    if (type == TSR_IQ4_NL || type == TSR_IQ4_XS)
        tsri_codebook_init(&book, tsri_iq4_values);
    else if (type == TSR_MXFP4)
        tsri_codebook_init(&book, tsri_mxfp4_values);
    for (size_t i = 0; i < n / t->block_elems; i++)
        rounders[type].fn(dst + i * t->block_bytes, src + i * t->block_elems, &book);
}

tsr_quantize_result tsr_quantize(tsr_type type, const float *src, size_t n, void *dst)
{
    uint32_t top = largest_bits(src, n);
    assert(tsr_type_can_quantize(type));
    if (top >= 0x7f800000u)
        return TSR_QUANTIZE_NOT_FINITE;
    switch (type) {
    case TSR_F32: memcpy(dst, src, n * sizeof *src); break;
    case TSR_F16: round_16(f16_of, src, n, dst); break;
    case TSR_BF16: round_16(bf16_of, src, n, dst); break;
    default: round_blocks(type, src, n, dst); break;
    }
    return from_bits(top) > reach_of(type) ? TSR_QUANTIZE_CLAMPED : TSR_QUANTIZE_OK;
}
