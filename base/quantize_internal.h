/* quantize_internal.h: what rounding to every block type is made of.
 *
 * A group of at most 32 values x that share a scale s and an offset o (0 in many types) becomes levels q with
 * x ~ s q + o. Candidates for s and o are tried in lanes, side by side, and each lane sums over the values in
 * their order: the compiler may use vectors of any width, and the sums are the same bits.
 *
 * Values are searched in units of a power of two near the block's largest magnitude, so that no square
 * overflows or vanishes, whatever finite f32 the weights are. */
#ifndef TSR_QUANTIZE_INTERNAL_H
#define TSR_QUANTIZE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TSRI_LANES = 8, TSRI_GROUP_MAX = 32 };

/* The value of a codebook that is nearest to t, |t| <= 128, is nearest[i], its nibble index[i], with i = 2 t + 256
 * rounded down: the borders between the values of a codebook of whole numbers are multiples of 1/2. */
typedef struct tsri_codebook {
    float nearest[512];
    uint8_t index[512];
} tsri_codebook;

void tsri_codebook_init(tsri_codebook *c, const int8_t values[16]);

/* What q may be: every whole number from lo to hi, or the values of a codebook, of which lo and hi are the ends. */
typedef struct tsri_levels {
    float lo, hi;
    const tsri_codebook *book; /* NULL: whole numbers */
} tsri_levels;

/* How s is searched where o is 0: n candidates (a multiple of TSRI_LANES) that put the largest value at
 * from..to times an end of the levels; at either end, unless lo is -hi. */
typedef struct tsri_reach {
    float from, to;
    unsigned n;
} tsri_reach;

typedef struct tsri_line {
    float s, o;
} tsri_line;

/* Sums over a group of q, q^2 and q x. */
typedef struct tsri_sums {
    float q, qq, xq;
} tsri_sums;

/* The s of either sign with the least squared error for o = 0; 0 for zeros. */
float tsri_search_scale(const tsri_levels *lv, const float *x, size_t n, const tsri_reach *reach);
/* The s >= 0 and o with the least squared error for levels 0 to hi; with `below`, o <= 0. */
tsri_line tsri_search_line(float hi, const float *x, size_t n, bool below);

/* The squared errors of a group for each lane's s and o. */
void tsri_errors(const tsri_levels *lv, const float *x, size_t n, const float s[TSRI_LANES], const float o[TSRI_LANES],
                 float err[TSRI_LANES]);
/* Each value's level, as the number that is stored: q - lo, or a codebook's nibble. `sums` may be NULL. */
void tsri_take_levels(const tsri_levels *lv, const float *x, size_t n, tsri_line line, uint8_t *codes, tsri_sums *sums);

/* The value of the largest magnitude, the first of equals. */
float tsri_largest(const float *x, size_t n);
/* The lane with the least number, the first of equals. */
size_t tsri_least(const float v[TSRI_LANES]);

/* ---- f16 scales ---- */

/* Values in units: x = y * 2^(e - 127) with |y| < 4; gives e, 1 to 253. */
int tsri_to_units_of_any(float *y, const float *x, size_t n);
/* The same; gives the unit, or 0, and zeros in y, where any type with f16 scales is best with zeros: no |x| is
 * above half of the least f16. */
float tsri_to_units(float *y, const float *x, size_t n);
/* The finite f16 nearest to v units, and back. */
uint16_t tsri_half_of(float v, float unit);
float tsri_half_value(uint16_t h, float unit);
/* The f16 `steps` beside h in magnitude, not beyond 0 and the largest finite one. */
uint16_t tsri_half_beside(uint16_t h, int steps);
/* The nearest f16 again, but not 0 unless v is: a scale that whole numbers multiply. */
uint16_t tsri_half_scale(float v, float unit);

/* ---- bytes ---- */

static inline void tsri_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* 32 nibbles: those of the second half above those of the first. */
static inline void tsri_put_nibbles(uint8_t *qs, const uint8_t *codes)
{
    for (size_t i = 0; i < 16; i++)
        qs[i] = (uint8_t)((codes[i] & 15) | (codes[16 + i] & 15) << 4);
}

/* 256 numbers of 2 bits in 64 bytes: 128 of them in 32 bytes, 32 for each pair of bits. */
static inline void tsri_put_2_bits(uint8_t *qs, const uint8_t *codes)
{
    for (size_t i = 0; i < 64; i++) {
        const uint8_t *c = codes + i / 32 * 128 + i % 32;
        qs[i] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
}

/* The nearest whole number within lo..hi. */
static inline int tsri_near(float t, int lo, int hi)
{
    if (!(t > (float)lo))
        return lo;
    return t < (float)hi ? (int)((t + 0x1.8p23f) - 0x1.8p23f) : hi;
}

/* ---- the types: one block each, from finite values ---- */


typedef void (*tsri_quantize_fn)(uint8_t *block, const float *x, const tsri_codebook *book);

void tsri_quantize_q8_0(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q4_0(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q4_1(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q5_0(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q5_1(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_iq4_nl(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_mxfp4(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q2_k(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q3_k(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q4_k(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q5_k(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_q6_k(uint8_t *block, const float *x, const tsri_codebook *book);
void tsri_quantize_iq4_xs(uint8_t *block, const float *x, const tsri_codebook *book);

#endif
