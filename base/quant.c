/* quant.c: one function for each block type, from the bytes of one block to f32.
 *
 * A block is little-endian without padding, its address of no alignment: everything is read by the byte.
 * Types of 32 elements have an f16 scale d (and offset m) and nibbles: byte i holds element i in its low
 * half and element 16 + i in its high half. The K types have 256 elements in 16 or 8 groups whose own
 * scales are small whole numbers times d (and dmin). The order of the multiplications is that of the gguf
 * Python package (quants.py), and so is every bit of the result; a scale that is NaN or infinite is
 * multiplied like any other. */
#include "quant_internal.h"

#include <assert.h>
#include <stdbool.h>

static unsigned u16_at(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static float f16_at(const uint8_t *p)
{
    return tsr_f16_to_f32((uint16_t)u16_at(p));
}

/* d, qs[32] of int8 */
static void decode_q8_0(float *dst, const uint8_t *b)
{
    float d = f16_at(b);
    for (size_t i = 0; i < 32; i++)
        dst[i] = d * (float)(int8_t)b[2 + i];
}

/* d, qs[16] */
static void decode_q4_0(float *dst, const uint8_t *b)
{
    float d = f16_at(b);
    for (size_t i = 0; i < 16; i++) {
        dst[i] = d * (float)((b[2 + i] & 15) - 8);
        dst[16 + i] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

/* d, m, qs[16] */
static void decode_q4_1(float *dst, const uint8_t *b)
{
    float d = f16_at(b), m = f16_at(b + 2);
    for (size_t i = 0; i < 16; i++) {
        dst[i] = d * (float)(b[4 + i] & 15) + m;
        dst[16 + i] = d * (float)(b[4 + i] >> 4) + m;
    }
}

/* Bits 0 to 3 of 32 numbers are nibbles, bit 4 of number i is bit i of qh[4]. */
static void take_5_bits(int q[32], const uint8_t *qh, const uint8_t *qs)
{
    for (size_t i = 0; i < 16; i++) {
        q[i] = (qs[i] & 15) | (qh[i / 8] >> i % 8 & 1) << 4;
        q[16 + i] = qs[i] >> 4 | (qh[2 + i / 8] >> i % 8 & 1) << 4;
    }
}

/* d, qh[4], qs[16] */
static void decode_q5_0(float *dst, const uint8_t *b)
{
    int q[32];
    float d = f16_at(b);
    take_5_bits(q, b + 2, b + 6);
    for (size_t i = 0; i < 32; i++)
        dst[i] = d * (float)(q[i] - 16);
}

/* d, m, qh[4], qs[16] */
static void decode_q5_1(float *dst, const uint8_t *b)
{
    int q[32];
    float d = f16_at(b), m = f16_at(b + 2);
    take_5_bits(q, b + 4, b + 8);
    for (size_t i = 0; i < 32; i++)
        dst[i] = d * (float)q[i] + m;
}

/* 256 numbers of 2 bits in qs[64]: 128 of them in 32 bytes, 32 for each pair of bits. */
static void take_2_bits(uint8_t q[256], const uint8_t *qs)
{
    for (size_t part = 0; part < 8; part++)
        for (size_t i = 0; i < 32; i++)
            q[32 * part + i] = qs[part / 4 * 32 + i] >> part % 4 * 2 & 3;
}

/* scales[16] (scale in the low half, offset in the high), qs[64], d, dmin */
static void decode_q2_k(float *dst, const uint8_t *b)
{
    uint8_t q[256];
    float d = f16_at(b + 80), dmin = f16_at(b + 82);
    take_2_bits(q, b + 16);
    for (size_t g = 0; g < 16; g++) {
        float scale = d * (float)(b[g] & 15), offset = dmin * (float)(b[g] >> 4);
        for (size_t i = 16 * g; i < 16 * g + 16; i++)
            dst[i] = scale * (float)q[i] - offset;
    }
}

/* hmask[32], qs[64], scales[12], d. Bit i / 32 of hmask[i % 32] is set where 4 is NOT to be taken off. */
static void decode_q3_k(float *dst, const uint8_t *b)
{
    uint8_t q[256];
    float d = f16_at(b + 108);
    take_2_bits(q, b + 32);
    for (size_t part = 0; part < 8; part++)
        for (size_t i = 0; i < 32; i++)
            q[32 * part + i] |= (uint8_t)((b[i] >> part & 1) << 2);
    for (size_t g = 0; g < 16; g++) {
        float scale = d * (float)tsri_q3_k_scale(b + 96, g);
        for (size_t i = 16 * g; i < 16 * g + 16; i++)
            dst[i] = scale * (float)(q[i] - 4);
    }
}

/* d, dmin, scales[12], qs[128]: group g is half g % 2 of 32 bytes. With qh[32] before qs, which bit g of
 * each byte makes 5 bits wide: Q5_K. */
static void decode_q45_k(float *dst, const uint8_t *b, const uint8_t *qh, const uint8_t *qs)
{
    float d = f16_at(b), dmin = f16_at(b + 2);
    for (size_t g = 0; g < 8; g++) {
        int s, o;
        tsri_take_k_scale(b + 4, g, &s, &o);
        float scale = d * (float)s, offset = dmin * (float)o;
        for (size_t i = 0; i < 32; i++) {
            int q = qs[g / 2 * 32 + i] >> g % 2 * 4 & 15;
            if (qh)
                q |= (qh[i] >> g & 1) << 4;
            dst[32 * g + i] = scale * (float)q - offset;
        }
    }
}

static void decode_q4_k(float *dst, const uint8_t *b)
{
    decode_q45_k(dst, b, NULL, b + 16);
}

static void decode_q5_k(float *dst, const uint8_t *b)
{
    decode_q45_k(dst, b, b + 16, b + 48);
}

/* ql[128], qh[64], scales[16] of int8, d. Of 128 elements the low 4 bits lie in halves of 64 bytes, the
 * upper 2 in quarters of 32. */
static void decode_q6_k(float *dst, const uint8_t *b)
{
    uint8_t high[256];
    const uint8_t *scales = b + 192;
    float d = f16_at(b + 208);
    take_2_bits(high, b + 128);
    for (size_t g = 0; g < 16; g++) {
        const uint8_t *low = b + g / 8 * 64 + g % 4 * 16;
        float scale = d * (float)(int8_t)scales[g];
        for (size_t i = 0; i < 16; i++) {
            int q = (low[i] >> g / 4 % 2 * 4 & 15) | high[16 * g + i] << 4;
            dst[16 * g + i] = scale * (float)(q - 32);
        }
    }
}

/* d times the values that the nibbles of qs[16] stand for */
static void decode_values(float *dst, float d, const int8_t values[16], const uint8_t *qs)
{
    for (size_t i = 0; i < 16; i++) {
        dst[i] = d * (float)values[qs[i] & 15];
        dst[16 + i] = d * (float)values[qs[i] >> 4];
    }
}

/* d, qs[16] */
static void decode_iq4_nl(float *dst, const uint8_t *b)
{
    decode_values(dst, f16_at(b), tsri_iq4_values, b + 2);
}

/* d, scales_h (2 bits of each group in an u16), scales_l[4] (4 bits of each), qs[128] */
static void decode_iq4_xs(float *dst, const uint8_t *b)
{
    float d = f16_at(b);
    for (size_t g = 0; g < 8; g++) {
        decode_values(dst + 32 * g, d * (float)tsri_iq4_xs_scale(b, g), tsri_iq4_values, b + 8 + 16 * g);
    }
}

/* e, qs[16] */
static void decode_mxfp4(float *dst, const uint8_t *b)
{
    decode_values(dst, tsri_e8m0_half(b[0]), tsri_mxfp4_values, b + 1);
}

typedef void (*decode_fn)(float *dst, const uint8_t *block);

/* In step with the facts of tensor.c, which give the sizes. */
static const decode_fn decoders[TSR_N_TYPES] = {
    [TSR_Q8_0] = decode_q8_0,     [TSR_Q4_0] = decode_q4_0,     [TSR_Q4_1] = decode_q4_1, [TSR_Q5_0] = decode_q5_0,
    [TSR_Q5_1] = decode_q5_1,     [TSR_Q2_K] = decode_q2_k,     [TSR_Q3_K] = decode_q3_k, [TSR_Q4_K] = decode_q4_k,
    [TSR_Q5_K] = decode_q5_k,     [TSR_Q6_K] = decode_q6_k,     [TSR_IQ4_NL] = decode_iq4_nl,
    [TSR_IQ4_XS] = decode_iq4_xs, [TSR_MXFP4] = decode_mxfp4,
};

void tsri_quant_decode(tsr_type type, const void *row, size_t at, size_t n, float *dst)
{
    const tsr_type_traits *t = tsr_type_info(type);
    const uint8_t *block = (const uint8_t *)row + at / t->block_elems * t->block_bytes;
    size_t skip = at % t->block_elems;
    assert(decoders[type]);
    for (; n > 0; block += t->block_bytes, skip = 0) {
        float whole[TSRI_QUANT_MAX_ELEMS];
        size_t take = t->block_elems - skip < n ? t->block_elems - skip : n;
        bool cut = take < t->block_elems;
        decoders[type](cut ? whole : dst, block);
        if (cut)
            memcpy(dst, whole + skip, take * sizeof *dst);
        dst += take;
        n -= take;
    }
}
