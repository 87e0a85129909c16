/* quantize_lines.c: Q2_K, Q4_K and Q5_K: 256 values in groups, each with a scale and an offset that are whole
 * numbers, not negative, times the block's f16 d and -dmin.
 *
 * The way is that of quantize_scales.c: each group's own best scale and offset (not above 0); the d and dmin
 * whose multiples come nearest; then every group takes the pair of multiples with the least squared error, d and
 * dmin are fitted together to the levels that came out, and the groups choose once more. */
#include "quantize_internal.h"

#include <float.h>
#include <string.h>

enum { N = 256, MAX_GROUPS = 16, ROUNDS = 2 };

typedef struct lined_type {
    float hi; /* levels are 0..hi */
    size_t n_groups;
    int top; /* of a group's numbers */
} lined_type;

typedef struct lined_block {
    uint16_t d, dmin;
    uint8_t scales[MAX_GROUPS], offsets[MAX_GROUPS]; /* the groups' numbers */
    uint8_t codes[N];
    float err;
} lined_block;

/* The same for all groups: in units, or as multiplied by the groups' numbers. */
typedef struct pair {
    float d, dmin;
} pair;

typedef struct group {
    tsri_line line; /* its own best */
    float mean_x, mean_q;
} group;

typedef struct search {
    const lined_type *type;
    tsri_levels levels;
    float x[N], unit;
    group groups[MAX_GROUPS];
    size_t group; /* values in one */
} search;

static void search_group(search *f, size_t g)
{
    const float *x = f->x + g * f->group;
    group *a = &f->groups[g];
    uint8_t codes[TSRI_GROUP_MAX];
    tsri_sums sums;
    a->line = tsri_search_line(f->type->hi, x, f->group, true);
    tsri_take_levels(&f->levels, x, f->group, a->line, codes, &sums);
    a->mean_q = sums.q / (float)f->group;
    for (size_t i = 0; i < f->group; i++)
        a->mean_x += x[i];
    a->mean_x /= (float)f->group;
}

/* The best offset of a group whose scale is changed to s while its levels stay. */
static float offset_for(const group *a, float s)
{
    float o = a->line.o + (a->line.s - s) * a->mean_q;
    return o < 0 ? o : 0.0f;
}

/* The multiplier, near top / n, that the `n_values` values are nearest to whole multiples 0..n of. 0 for zeros. */
static float first_multiplier(const float *values, size_t n_values, int n)
{
    enum { STEPS = 8 };
    float top = 0, best = FLT_MAX, found = 0;
    for (size_t i = 0; i < n_values; i++)
        top = values[i] > top ? values[i] : top;
    for (int k = -STEPS; k <= STEPS && top > 0; k++) {
        float m = top / (float)n * (1.0f + 0.1f / STEPS * (float)k), sum = 0;
        for (size_t i = 0; i < n_values; i++) {
            float e = values[i] - m * (float)tsri_near(values[i] / m, 0, n);
            sum += e * e;
        }
        if (sum < best) {
            best = sum;
            found = m;
        }
    }
    return found;
}

/* The offsets are those that suit the scales as rounded to multiples of d. */
static pair first_pair(const search *f)
{
    float values[MAX_GROUPS] = {0};
    size_t n = f->type->n_groups;
    pair p;
    for (size_t g = 0; g < n; g++)
        values[g] = f->groups[g].line.s;
    p.d = first_multiplier(values, n, f->type->top);
    for (size_t g = 0; g < n; g++) {
        float s = p.d > 0 ? p.d * (float)tsri_near(values[g] / p.d, 0, f->type->top) : 0.0f;
        values[g] = -offset_for(&f->groups[g], s);
    }
    p.dmin = first_multiplier(values, n, f->type->top);
    return p;
}

static int clamp(int v, int top)
{
    return v < 0 ? 0 : v > top ? top : v;
}

/* The numbers of group g with the least error: 4 scales around its own, the nearest first, each with the 2 offsets
 * nearest to what suits it. */
static tsri_line choose(const search *f, size_t g, pair p, lined_block *b)
{
    static const int beside[TSRI_LANES / 2] = {0, 1, -1, 2};
    const group *a = &f->groups[g];
    int top = f->type->top, scales[TSRI_LANES], offsets[TSRI_LANES];
    int below = p.d > 0 ? tsri_near(a->line.s / p.d - 0.5f, 0, top) : 0;
    float s[TSRI_LANES], o[TSRI_LANES], err[TSRI_LANES];
    for (int l = 0; l < TSRI_LANES; l++) {
        scales[l] = clamp(below + beside[l / 2], top);
        s[l] = p.d * (float)scales[l];
        float want = p.dmin > 0 ? -offset_for(a, s[l]) / p.dmin : 0.0f;
        offsets[l] = clamp(tsri_near(want - 0.5f, 0, top) + l % 2, top);
        o[l] = -p.dmin * (float)offsets[l];
    }
    tsri_errors(&f->levels, f->x + g * f->group, f->group, s, o, err);
    size_t best = tsri_least(err);
    b->scales[g] = (uint8_t)scales[best];
    b->offsets[g] = (uint8_t)offsets[best];
    b->err += err[best];
    return (tsri_line){s[best], o[best]};
}

/* The least squares of x - d (s q) + dmin m over all values of the block, s and m being their group's numbers. */
typedef struct fit {
    double ss, sm, mm, xs, xm; /* sums of (s q)^2, s q m, m^2, x s q, x m */
} fit;

static void add_group(fit *a, double s, double m, const tsri_sums *sums, double mean_x, double n)
{
    a->ss += s * s * (double)sums->qq;
    a->sm += s * m * (double)sums->q;
    a->mm += m * m * n;
    a->xs += s * (double)sums->xq;
    a->xm += m * mean_x * n;
}

/* Zeros where the levels don't tell them. */
static pair solve(const fit *a)
{
    double det = a->ss * a->mm - a->sm * a->sm;
    if (a->mm == 0.0 && a->ss > 0.0)
        return (pair){(float)(a->xs / a->ss), 0.0f};
    if (!(det > 1e-9 * a->ss * a->mm))
        return (pair){0};
    return (pair){(float)((a->xs * a->mm - a->sm * a->xm) / det), (float)((a->sm * a->xs - a->ss * a->xm) / det)};
}

/* Every group's numbers and levels for p; gives the pair that fits them best. */
static pair settle(const search *f, pair p, lined_block *b)
{
    fit sum = {0};
    *b = (lined_block){.d = tsri_half_scale(p.d, f->unit), .dmin = tsri_half_scale(p.dmin, f->unit)};
    p = (pair){tsri_half_value(b->d, f->unit), tsri_half_value(b->dmin, f->unit)};
    for (size_t g = 0; g < f->type->n_groups; g++) {
        size_t at = g * f->group;
        tsri_sums sums;
        tsri_line line = choose(f, g, p, b);
        tsri_take_levels(&f->levels, f->x + at, f->group, line, b->codes + at, &sums);
        add_group(&sum, b->scales[g], b->offsets[g], &sums, (double)f->groups[g].mean_x, (double)f->group);
    }
    return solve(&sum);
}

static void round_block(lined_block *b, const float *src, const lined_type *t)
{
    search f = {.type = t, .levels = {0, t->hi, NULL}, .group = N / t->n_groups};
    lined_block next;
    memset(b, 0, sizeof *b);
    f.unit = tsri_to_units(f.x, src, N);
    if (f.unit == 0)
        return;
    for (size_t g = 0; g < t->n_groups; g++)
        search_group(&f, g);
    pair p = settle(&f, first_pair(&f), b);
    for (int i = 1; i < ROUNDS && p.d > 0 && p.dmin >= 0; i++) {
        p = settle(&f, p, &next);
        if (next.err < b->err)
            *b = next;
    }
}

/* ---- the types ------------------------------------------------------------------------------ */

void tsri_quantize_q2_k(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const lined_type type = {3, 16, 15};
    lined_block b;
    (void)book;
    round_block(&b, x, &type);
    for (size_t g = 0; g < 16; g++)
        block[g] = (uint8_t)(b.scales[g] | b.offsets[g] << 4);
    tsri_put_2_bits(block + 16, b.codes);
    tsri_put_u16(block + 80, b.d);
    tsri_put_u16(block + 82, b.dmin);
}

/* The 6 bits of the groups' numbers: the last four groups' upper 2 bits lie above the first four's 6. */
static void put_scales(uint8_t s[12], const lined_block *b)
{
    for (size_t g = 0; g < 4; g++) {
        s[g] = (uint8_t)(b->scales[g] | b->scales[g + 4] >> 4 << 6);
        s[4 + g] = (uint8_t)(b->offsets[g] | b->offsets[g + 4] >> 4 << 6);
        s[8 + g] = (uint8_t)((b->scales[g + 4] & 15) | (b->offsets[g + 4] & 15) << 4);
    }
}

static void put_q45(uint8_t *block, uint8_t *qs, const lined_block *b)
{
    tsri_put_u16(block, b->d);
    tsri_put_u16(block + 2, b->dmin);
    put_scales(block + 4, b);
    for (size_t i = 0; i < 128; i++) {
        const uint8_t *c = b->codes + i / 32 * 64 + i % 32;
        qs[i] = (uint8_t)((c[0] & 15) | (c[32] & 15) << 4);
    }
}

void tsri_quantize_q4_k(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const lined_type type = {15, 8, 63};
    lined_block b;
    (void)book;
    round_block(&b, x, &type);
    put_q45(block, block + 16, &b);
}

void tsri_quantize_q5_k(uint8_t *block, const float *x, const tsri_codebook *book)
{
    static const lined_type type = {31, 8, 63};
    lined_block b;
    (void)book;
    round_block(&b, x, &type);
    put_q45(block, block + 48, &b);
    memset(block + 16, 0, 32);
    for (size_t i = 0; i < N; i++)
        block[16 + i % 32] |= (uint8_t)((b.codes[i] >> 4) << i / 32);
}
