/* quant_internal.h: block types (quantised weights) become f32. */
#ifndef TSR_QUANT_INTERNAL_H
#define TSR_QUANT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_tensor.h"

enum { TSRI_QUANT_MAX_ELEMS = 256 }; /* of one block of any type */

/* Elements [at, at + n) of a row that is whole blocks of `type`, a block type. `row` needs no alignment;
 * no byte outside the blocks that hold those elements is read. */
void tsri_quant_decode(tsr_type type, const void *row, size_t at, size_t n, float *dst);

/* The 16 values that a nibble of IQ4_NL and IQ4_XS stands for, and one of MXFP4 (doubled). */
extern const int8_t tsri_iq4_values[16];
extern const int8_t tsri_mxfp4_values[16];

/* Scale g of 16 in s[12]: 4 bits in halves of the first 8 bytes, 2 bits in quarters of the last 4. */
static inline int tsri_q3_k_scale(const uint8_t *s, size_t g)
{
    int low = s[g % 8] >> g / 8 * 4 & 15, high = s[8 + g % 4] >> g / 4 * 2 & 3;
    return (low | high << 4) - 32;
}

/* Scale and offset g of 8, 6 bits each, in s[12]: the first four stand in the low 6 bits of s[0..3] and
 * s[4..7], whose upper 2 bits belong to the last four; those have their low 4 bits in s[8..11]. */
static inline void tsri_take_k_scale(const uint8_t *s, size_t g, int *scale, int *offset)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *offset = s[4 + g] & 63;
    } else {
        *scale = (s[4 + g] & 15) | s[g - 4] >> 6 << 4;
        *offset = s[4 + g] >> 4 | s[g] >> 6 << 4;
    }
}

/* Scale of group g of 8 of an IQ4_XS block at b: 2 bits of each in the u16 at 2, 4 bits at 4. */
static inline int tsri_iq4_xs_scale(const uint8_t *b, size_t g)
{
    int low = b[4 + g / 2] >> g % 2 * 4 & 15, high = b[2 + g / 4] >> g % 4 * 2 & 3;
    return (low | high << 4) - 32;
}

/* 2^(e - 128): half of the power that an E8M0 exponent stands for. E8M0's NaN, 255, is 2^127 here as in the
 * reference; the first two results are subnormal. */
static inline float tsri_e8m0_half(uint8_t e)
{
    uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1u) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

#endif
