/* quantize_32.c: the types whose blocks are 32 values: one scale, or a scale and an offset. */
#include "quantize_internal.h"

#include <math.h>
#include <string.h>

enum { N = 32 };

/* Bit 4 of code i is bit i of qh[4]. */
static void put_5_bits(uint8_t *qh, uint8_t *qs, const uint8_t codes[N])
{
    tsri_put_nibbles(qs, codes);
    memset(qh, 0, 4);
    for (size_t i = 0; i < N; i++)
        qh[i / 8] |= (uint8_t)((codes[i] >> 4) << i % 8);
}

/* ---- scale alone ---------------------------------------------------------------------------- */

/* The codes of a block, and its scale as f16: the best of those around the best scale, which wins a tie, and of the
 * scale that puts the largest value at the end of the levels, as plain rounding does: so it is never worse. */
static uint16_t round_scale(uint8_t codes[N], const float *src, const tsri_levels *lv, const tsri_reach *reach)
{
    static const int beside[TSRI_LANES - 1] = {0, 1, -1, 2, -2, 3, -3};
    static const float no_offset[TSRI_LANES];
    float x[N], s[TSRI_LANES], err[TSRI_LANES], unit = tsri_to_units(x, src, N);
    tsri_line line = {0};
    uint16_t h[TSRI_LANES] = {0};
    size_t best = 0;
    if (unit > 0) {
        uint16_t found = tsri_half_of(tsri_search_scale(lv, x, N, reach), unit);
        for (size_t l = 0; l < TSRI_LANES - 1; l++)
            h[l] = tsri_half_beside(found, beside[l]);
        h[TSRI_LANES - 1] = tsri_half_of(tsri_largest(x, N) / lv->lo, unit);
        for (size_t l = 0; l < TSRI_LANES; l++)
            s[l] = tsri_half_value(h[l], unit);
        tsri_errors(lv, x, N, s, no_offset, err);
        best = tsri_least(err);
        line.s = s[best];
    }
    tsri_take_levels(lv, x, N, line, codes, NULL);
    return h[best];
}

void tsri_quantize_q8_0(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const tsri_levels lv = {-127, 127, NULL};
    static const tsri_reach reach = {0.93f, 1.0f, 16};
    uint8_t codes[N];
    (void)book;
    tsri_put_u16(block, round_scale(codes, x, &lv, &reach));
    for (size_t i = 0; i < N; i++)
        block[2 + i] = (uint8_t)(codes[i] - 127);
}

void tsri_quantize_q4_0(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const tsri_levels lv = {-8, 7, NULL};
    static const tsri_reach reach = {0.857f, 1.2f, 16};
    uint8_t codes[N];
    (void)book;
    tsri_put_u16(block, round_scale(codes, x, &lv, &reach));
    tsri_put_nibbles(block + 2, codes);
}

void tsri_quantize_q5_0(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const tsri_levels lv = {-16, 15, NULL};
    static const tsri_reach reach = {0.867f, 1.1f, 16};
    uint8_t codes[N];
    (void)book;
    tsri_put_u16(block, round_scale(codes, x, &lv, &reach));
    put_5_bits(block + 2, block + 6, codes);
}

void tsri_quantize_iq4_nl(uint8_t *block, const float *x, const tsri_codebook *book)
{
    tsri_levels lv = {-127, 113, book};
    static const tsri_reach reach = {0.8f, 1.2f, 16};
    uint8_t codes[N];
    tsri_put_u16(block, round_scale(codes, x, &lv, &reach));
    tsri_put_nibbles(block + 2, codes);
}

/* ---- scale and offset ----------------------------------------------------------------------- */

typedef struct halves {
    uint16_t d, m;
} halves;

/* The codes of a block, and its scale and offset as f16: the best of those around the best, which win a tie. */
static halves round_line(uint8_t codes[N], const float *src, float hi)
{
    static const int d_beside[TSRI_LANES] = {0, -1, 1, 0, 0, -1, 1, 2};
    static const int m_beside[TSRI_LANES] = {0, 0, 0, -1, 1, 1, -1, 0};
    const tsri_levels lv = {0, hi, NULL};
    float x[N], s[TSRI_LANES], o[TSRI_LANES], err[TSRI_LANES], unit = tsri_to_units(x, src, N);
    halves h[TSRI_LANES] = {{0}};
    tsri_line line = {0};
    size_t best = 0;
    if (unit > 0) {
        line = tsri_search_line(hi, x, N, false);
        for (size_t l = 0; l < TSRI_LANES; l++) {
            h[l].d = tsri_half_beside(tsri_half_of(line.s, unit), d_beside[l]);
            h[l].m = tsri_half_beside(tsri_half_of(line.o, unit), m_beside[l]);
            s[l] = tsri_half_value(h[l].d, unit);
            o[l] = tsri_half_value(h[l].m, unit);
        }
        tsri_errors(&lv, x, N, s, o, err);
        best = tsri_least(err);
        line = (tsri_line){s[best], o[best]};
    }
    tsri_take_levels(&lv, x, N, line, codes, NULL);
    return h[best];
}

void tsri_quantize_q4_1(uint8_t *block, const float *x, const tsri_codebook *book)
{
    uint8_t codes[N];
    halves h = round_line(codes, x, 15);
    (void)book;
    tsri_put_u16(block, h.d);
    tsri_put_u16(block + 2, h.m);
    tsri_put_nibbles(block + 4, codes);
}

void tsri_quantize_q5_1(uint8_t *block, const float *x, const tsri_codebook *book)
{
    uint8_t codes[N];
    halves h = round_line(codes, x, 31);
    (void)book;
    tsri_put_u16(block, h.d);
    tsri_put_u16(block + 2, h.m);
    put_5_bits(block + 4, block + 8, codes);
}

/* ---- a power of two ------------------------------------------------------------------------- */

/* e is the exponent field of twice the scale: candidates lie around what puts the largest value between 4 and 8,
 * the largest level being 6. From 253 on, 6 decodes to infinity. */
void tsri_quantize_mxfp4(uint8_t *block, const float *x, const tsri_codebook *book)
{
    enum { E_MAX = 252 };
    static const float no_offset[TSRI_LANES];
    tsri_levels lv = {-12, 12, book};
    float y[N], s[TSRI_LANES], err[TSRI_LANES];
    uint8_t codes[N];
    int top = tsri_to_units_of_any(y, x, N), e[TSRI_LANES];
    for (int l = 0; l < TSRI_LANES; l++) {
        e[l] = top - 5 + l;
        e[l] = e[l] < 0 ? 0 : e[l] > E_MAX ? E_MAX : e[l];
        s[l] = ldexpf(1.0f, e[l] - 1 - top);
    }
    tsri_errors(&lv, y, N, s, no_offset, err);
    size_t best = tsri_least(err);
    tsri_take_levels(&lv, y, N, (tsri_line){.s = s[best]}, codes, NULL);
    block[0] = (uint8_t)e[best];
    tsri_put_nibbles(block + 1, codes);
}
