/* quantize_search.c: the best scale, or scale and offset, of one group.
 *
 * For levels q that are given, the best s and o are a least-squares fit, and how much of the values' energy the
 * fit explains follows from three sums. So a candidate is only a way to choose q: each lane rounds with its own
 * inverse scale and offset, the sums say how good its q are, the best lane's fit wins. A second round tries the
 * winner's neighbours. */
#include "quantize_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Keeps the compiler from taking a loop over lanes apart before it can make vectors of it. */
#if defined(__GNUC__) && !defined(__clang__)
#define LANES_TOGETHER _Pragma("GCC unroll 1")
#else
#define LANES_TOGETHER
#endif

/* In units: what isn't above it counts as 0, so that its inverse stays finite. */
#define TINY 1e-36f

static inline float clamp(float t, float lo, float hi)
{
    t = t < lo ? lo : t;
    return t > hi ? hi : t;
}

/* To nearest even, for |t| < 2^22. */
static inline float whole(float t)
{
    return (t + 0x1.8p23f) - 0x1.8p23f;
}

static inline int book_at(float t)
{
    return (int)(clamp(t, -128.0f, 127.5f) * 2.0f + 256.0f);
}

void tsri_codebook_init(tsri_codebook *c, const int8_t values[16])
{
    for (int i = 0; i < 512; i++) {
        float t = 0.5f * (float)(i - 256) + 0.25f, best = FLT_MAX; /* the middle of what rounds down to i */
        for (uint8_t k = 0; k < 16; k++)
            if (fabsf(t - (float)values[k]) < best) {
                best = fabsf(t - (float)values[k]);
                c->nearest[i] = (float)values[k];
                c->index[i] = k;
            }
    }
}

size_t tsri_least(const float v[TSRI_LANES])
{
    size_t best = 0;
    for (size_t l = 1; l < TSRI_LANES; l++)
        if (v[l] < v[best])
            best = l;
    return best;
}

float tsri_largest(const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(top))
            top = x[i];
    return top;
}

/* ---- lanes ---------------------------------------------------------------------------------- */

static inline void look_up(float *restrict q, const tsri_codebook *book, float v, const float *restrict inv)
{
    int at[TSRI_LANES];
    LANES_TOGETHER
    for (size_t l = 0; l < TSRI_LANES; l++)
        at[l] = book_at(v * inv[l]);
    for (size_t l = 0; l < TSRI_LANES; l++)
        q[l] = book->nearest[at[l]];
}

/* Sums of x q and q^2 for q = x inv, rounded. */
static void sum_scales(const tsri_levels *lv, const float *x, size_t n, const float *restrict inv, float *restrict xq,
                       float *restrict qq)
{
    float lo = lv->lo, hi = lv->hi;
    memset(xq, 0, TSRI_LANES * sizeof *xq);
    memset(qq, 0, TSRI_LANES * sizeof *qq);
    if (lv->book) {
        for (size_t i = 0; i < n; i++) {
            float v = x[i], q[TSRI_LANES];
            look_up(q, lv->book, v, inv);
            LANES_TOGETHER
            for (size_t l = 0; l < TSRI_LANES; l++) {
                xq[l] += v * q[l];
                qq[l] += q[l] * q[l];
            }
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        LANES_TOGETHER
        for (size_t l = 0; l < TSRI_LANES; l++) {
            float q = whole(clamp(v * inv[l], lo, hi));
            xq[l] += v * q;
            qq[l] += q * q;
        }
    }
}

/* Sums of q, q^2 and c q for q = (c - o) inv, rounded to 0..hi. */
static void sum_lines(float hi, const float *c, size_t n, const float *restrict inv, const float *restrict o,
                      float *restrict q1, float *restrict qq, float *restrict cq)
{
    memset(q1, 0, TSRI_LANES * sizeof *q1);
    memset(qq, 0, TSRI_LANES * sizeof *qq);
    memset(cq, 0, TSRI_LANES * sizeof *cq);
    for (size_t i = 0; i < n; i++) {
        float v = c[i];
        LANES_TOGETHER
        for (size_t l = 0; l < TSRI_LANES; l++) {
            float q = whole(clamp((v - o[l]) * inv[l], 0.0f, hi));
            q1[l] += q;
            qq[l] += q * q;
            cq[l] += v * q;
        }
    }
}

static float inverse(float s)
{
    return fabsf(s) > TINY ? 1.0f / s : 0.0f;
}

static void sum_errors(const tsri_levels *lv, const float *x, size_t n, const float *restrict s,
                       const float *restrict inv, const float *restrict o, float *restrict err)
{
    float lo = lv->lo, hi = lv->hi;
    memset(err, 0, TSRI_LANES * sizeof *err);
    if (lv->book) { /* their offsets are 0 */
        for (size_t i = 0; i < n; i++) {
            float v = x[i], q[TSRI_LANES];
            look_up(q, lv->book, v, inv);
            LANES_TOGETHER
            for (size_t l = 0; l < TSRI_LANES; l++) {
                float e = v - s[l] * q[l];
                err[l] += e * e;
            }
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        LANES_TOGETHER
        for (size_t l = 0; l < TSRI_LANES; l++) {
            float e = v - o[l];
            e -= s[l] * whole(clamp(e * inv[l], lo, hi));
            err[l] += e * e;
        }
    }
}

void tsri_errors(const tsri_levels *lv, const float *x, size_t n, const float s[TSRI_LANES], const float o[TSRI_LANES],
                 float err[TSRI_LANES])
{
    float inv[TSRI_LANES];
    for (size_t l = 0; l < TSRI_LANES; l++)
        inv[l] = inverse(s[l]);
    sum_errors(lv, x, n, s, inv, o, err);
}

void tsri_take_levels(const tsri_levels *lv, const float *x, size_t n, tsri_line line, uint8_t *codes, tsri_sums *sums)
{
    float inv = inverse(line.s), q[TSRI_GROUP_MAX];
    for (size_t i = 0; i < n; i++) {
        float t = (x[i] - line.o) * inv;
        if (lv->book) {
            q[i] = lv->book->nearest[book_at(t)];
            codes[i] = lv->book->index[book_at(t)];
        } else {
            q[i] = whole(clamp(t, lv->lo, lv->hi));
            codes[i] = (uint8_t)(int)(q[i] - lv->lo);
        }
    }
    if (!sums)
        return;
    memset(sums, 0, sizeof *sums);
    for (size_t i = 0; i < n; i++) {
        sums->q += q[i];
        sums->qq += q[i] * q[i];
        sums->xq += q[i] * x[i];
    }
}

/* ---- scale alone ---------------------------------------------------------------------------- */

typedef struct best_scale {
    float s, gain; /* gain: by how much the squared error is below that of zeros */
} best_scale;

static void try_scales(best_scale *best, const tsri_levels *lv, const float *x, size_t n, const float inv[TSRI_LANES])
{
    float xq[TSRI_LANES], qq[TSRI_LANES];
    sum_scales(lv, x, n, inv, xq, qq);
    for (size_t l = 0; l < TSRI_LANES; l++)
        if (xq[l] * xq[l] > best->gain * qq[l]) {
            best->s = xq[l] / qq[l];
            best->gain = xq[l] * best->s;
        }
}

float tsri_search_scale(const tsri_levels *lv, const float *x, size_t n, const tsri_reach *reach)
{
    bool two_ends = lv->lo != -lv->hi;
    unsigned n_steps = two_ends ? reach->n / 2 : reach->n;
    float top = tsri_largest(x, n), inv[TSRI_LANES], step = (reach->to - reach->from) / (float)(n_steps - 1);
    best_scale best = {0};
    if (!(fabsf(top) > TINY))
        return 0.0f;
    float lo = lv->lo / top, hi = lv->hi / top;
    for (unsigned i = 0; i < reach->n; i += TSRI_LANES) {
        for (unsigned l = 0; l < TSRI_LANES; l++) {
            unsigned k = two_ends ? (i + l) / 2 : i + l;
            inv[l] = (two_ends && l % 2 ? hi : lo) * (reach->from + step * (float)k);
        }
        try_scales(&best, lv, x, n, inv);
    }
    return best.s;
}

/* ---- scale and offset ----------------------------------------------------------------------- */

typedef struct line_search {
    float hi, c[TSRI_GROUP_MAX], mean; /* c: the values less their mean */
    size_t n;
    bool below;
    tsri_line line; /* the best so far */
    float gain;     /* by how much its squared error is below that of a constant, the mean */
} line_search;

static void try_lines(line_search *f, const float inv[TSRI_LANES], const float o[TSRI_LANES])
{
    float q[TSRI_LANES], qq[TSRI_LANES], cq[TSRI_LANES], n = (float)f->n;
    sum_lines(f->hi, f->c, f->n, inv, o, q, qq, cq);
    for (size_t l = 0; l < TSRI_LANES; l++) {
        float spread = qq[l] - q[l] * q[l] / n, gain = -FLT_MAX;
        tsri_line line = {0};
        if (spread > 0.0f) {
            line.s = cq[l] / spread;
            line.o = f->mean - line.s * q[l] / n;
            gain = line.s * cq[l];
        }
        if (f->below && qq[l] > 0.0f && (line.o > 0.0f || !(spread > 0.0f))) { /* the best through the origin */
            float xq = cq[l] + f->mean * q[l];
            line = (tsri_line){.s = xq / qq[l]};
            gain = line.s * xq - n * f->mean * f->mean;
        }
        if (gain > f->gain && line.s > 0.0f) {
            f->line = line;
            f->gain = gain;
        }
    }
}

/* Cuts off -0.4, 0, 0.4 or 0.8 steps at either end of the range, which reaches from lo up. */
static void try_ends(line_search *f, float lo, float range)
{
    float inv[TSRI_LANES], o[TSRI_LANES], step = range / f->hi;
    for (unsigned k = 0; k < 16; k += TSRI_LANES) {
        for (unsigned l = 0; l < TSRI_LANES; l++) {
            unsigned i = k + l;
            float at_lo = 0.4f * (float)(i % 4) - 0.4f, at_top = 0.4f * (float)(i / 4) - 0.4f;
            o[l] = lo + at_lo * step - f->mean;
            inv[l] = 1.0f / (step * (1.0f - (at_lo + at_top) / f->hi));
        }
        try_lines(f, inv, o);
    }
}

/* The best line so far and its neighbours: a range wider or narrower by up to 0.8 of a step, moved by up to 0.2;
 * both times `narrow`. */
static void try_beside(line_search *f, float narrow)
{
    static const float wider[TSRI_LANES] = {0, -0.8f, 0.8f, 0, 0, -0.8f, 0.8f, 0.4f};
    static const float moved[TSRI_LANES] = {0, 0, 0, -0.2f, 0.2f, 0.2f, -0.2f, 0.1f};
    float inv[TSRI_LANES], o[TSRI_LANES], s = f->line.s;
    if (!(s > TINY))
        return;
    for (unsigned l = 0; l < TSRI_LANES; l++) {
        float new_s = s * (1.0f + narrow * wider[l] / f->hi);
        float middle = f->line.o - f->mean + 0.5f * f->hi * s + narrow * moved[l] * s;
        inv[l] = 1.0f / new_s;
        o[l] = middle - 0.5f * f->hi * new_s;
    }
    try_lines(f, inv, o);
}

tsri_line tsri_search_line(float hi, const float *x, size_t n, bool below)
{
    line_search f = {.hi = hi, .n = n, .below = below};
    float lo = x[0], top = x[0], sum = 0;
    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        top = x[i] > top ? x[i] : top;
        sum += x[i];
    }
    f.mean = sum / (float)n;
    if (below && lo > 0.0f)
        lo = 0.0f;
    if (below && f.mean > 0.0f) /* zeros */
        f.gain = -(float)n * f.mean * f.mean;
    else
        f.line.o = f.mean;
    if (!(top - lo > TINY))
        return f.line;
    for (size_t i = 0; i < n; i++)
        f.c[i] = x[i] - f.mean;
    try_ends(&f, lo, top - lo);
    try_beside(&f, 1.0f);
    try_beside(&f, 0.5f);
    return f.line;
}
