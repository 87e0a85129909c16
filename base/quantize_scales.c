/* quantize_scales.c: Q3_K, Q6_K and IQ4_XS: 256 values in groups, each with a scale that is a signed whole number
 * times the block's f16 scale d.
 *
 * First every group's own best scale is found; then the d whose multiples come nearest to them; then, with d
 * rounded to f16, every group takes the multiple with the least squared error, d is fitted to the levels that
 * came out, and the groups choose once more. */
#include "quantize_internal.h"

#include <float.h>
#include <string.h>

enum { N = 256, MAX_GROUPS = 16, ROUNDS = 2 };

typedef struct scaled_type {
    tsri_levels levels;
    tsri_reach reach;
    size_t n_groups;
    int lo, hi; /* of a group's number */
} scaled_type;

typedef struct scaled_block {
    uint16_t d;
    int8_t scales[MAX_GROUPS]; /* the groups' numbers */
    uint8_t codes[N];
    float err;
} scaled_block;

typedef struct search {
    const scaled_type *type;
    float x[N], unit, s[MAX_GROUPS]; /* each group's own best scale */
    size_t group; /* values in one */
} search;

/* The groups' squared distances from multiples of d. */
static float distance(const search *f, float d)
{
    float sum = 0;
    for (size_t g = 0; g < f->type->n_groups; g++) {
        float e = f->s[g] - d * (float)tsri_near(f->s[g] / d, f->type->lo, f->type->hi);
        sum += e * e;
    }
    return sum;
}

/* The largest scale is put within a tenth of either end of the numbers. 0 if all scales are 0. */
static float first_d(const search *f)
{
    enum { STEPS = 8 };
    float top = tsri_largest(f->s, f->type->n_groups), best = FLT_MAX, d = 0;
    for (int i = 0; i < 2 * (2 * STEPS + 1) && top != 0.0f; i++) {
        float end = (float)(i % 2 ? f->type->hi : f->type->lo);
        float candidate = top / end * (1.0f + 0.1f / STEPS * (float)(i / 2 - STEPS)), off = distance(f, candidate);
        if (off < best) {
            best = off;
            d = candidate;
        }
    }
    return d;
}

/* The number of group g with the least error, of those around the nearest, which wins a tie. Gives the scale. */
static float choose(const search *f, size_t g, float d, int8_t *number, float *err)
{
    static const float no_offset[TSRI_LANES];
    const scaled_type *t = f->type;
    float s[TSRI_LANES], errs[TSRI_LANES];
    int near = tsri_near(f->s[g] / d, t->lo, t->hi), n[TSRI_LANES];
    for (int l = 0; l < TSRI_LANES; l++) {
        n[l] = near + (l % 2 ? -(l + 1) / 2 : l / 2);
        n[l] = n[l] < t->lo ? t->lo : n[l] > t->hi ? t->hi : n[l];
        s[l] = d * (float)n[l];
    }
    tsri_errors(&t->levels, f->x + g * f->group, f->group, s, no_offset, errs);
    size_t best = tsri_least(errs);
    *number = (int8_t)n[best];
    *err += errs[best];
    return s[best];
}

/* Every group's number and levels for d; gives the d that fits them best. */
static float settle(const search *f, float d, scaled_block *b)
{
    double dq = 0, dd = 0;
    b->d = tsri_half_scale(d, f->unit);
    b->err = 0;
    d = tsri_half_value(b->d, f->unit);
    for (size_t g = 0; g < f->type->n_groups; g++) {
        size_t at = g * f->group;
        tsri_sums sums;
        tsri_line line = {.s = choose(f, g, d, &b->scales[g], &b->err)};
        tsri_take_levels(&f->type->levels, f->x + at, f->group, line, b->codes + at, &sums);
        dq += (double)b->scales[g] * (double)sums.xq;
        dd += (double)b->scales[g] * (double)b->scales[g] * (double)sums.qq;
    }
    return dd > 0 ? (float)(dq / dd) : 0.0f;
}

static void round_block(scaled_block *b, const float *src, const scaled_type *t)
{
    search f = {.type = t, .group = N / t->n_groups};
    f.unit = tsri_to_units(f.x, src, N);
    for (size_t g = 0; g < t->n_groups; g++)
        f.s[g] = tsri_search_scale(&t->levels, f.x + g * f.group, f.group, &t->reach);
    float d = first_d(&f);
    *b = (scaled_block){.err = FLT_MAX};
    for (int i = 0; i < ROUNDS && d != 0.0f; i++) {
        scaled_block next;
        d = settle(&f, d, &next);
        if (next.err < b->err)
            *b = next;
    }
}

/* ---- the types ------------------------------------------------------------------------------ */

void tsri_quantize_q3_k(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const scaled_type type = {{-4, 3, NULL}, {0.8f, 1.3f, 16}, 16, -32, 31};
    scaled_block b;
    (void)book;
    round_block(&b, x, &type);
    memset(block, 0, 110);
    tsri_put_2_bits(block + 32, b.codes);
    for (size_t i = 0; i < N; i++)
        block[i % 32] |= (uint8_t)((b.codes[i] >> 2) << i / 32);
    for (size_t g = 0; g < 16; g++) {
        int code = b.scales[g] + 32;
        block[96 + g % 8] |= (uint8_t)((code & 15) << g / 8 * 4);
        block[104 + g % 4] |= (uint8_t)((code >> 4) << g / 4 * 2);
    }
    tsri_put_u16(block + 108, b.d);
}

void tsri_quantize_q6_k(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const scaled_type type = {{-32, 31, NULL}, {0.9f, 1.08f, 24}, 16, -128, 127};
    uint8_t high[N];
    scaled_block b;
    (void)book;
    round_block(&b, x, &type);
    for (size_t i = 0; i < N; i++)
        high[i] = b.codes[i] >> 4;
    for (size_t i = 0; i < 128; i++) {
        const uint8_t *c = b.codes + i / 64 * 128 + i % 64;
        block[i] = (uint8_t)((c[0] & 15) | (c[64] & 15) << 4);
    }
    tsri_put_2_bits(block + 128, high);
    memcpy(block + 192, b.scales, 16);
    tsri_put_u16(block + 208, b.d);
}

void tsri_quantize_iq4_xs(uint8_t *block, const float *x, const tsri_codebook *book)
{
    const scaled_type type = {{-127, 113, book}, {0.85f, 1.15f, 16}, 8, -32, 31};
    unsigned high = 0;
    scaled_block b;
    round_block(&b, x, &type);
    memset(block, 0, 8);
    for (size_t g = 0; g < 8; g++) {
        unsigned code = (unsigned)(b.scales[g] + 32);
        block[4 + g / 2] |= (uint8_t)((code & 15) << g % 2 * 4);
        high |= code >> 4 << 2 * g;
        tsri_put_nibbles(block + 8 + 16 * g, b.codes + 32 * g);
    }
    tsri_put_u16(block, b.d);
    tsri_put_u16(block + 2, (uint16_t)high);
}
