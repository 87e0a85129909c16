/* attention.c: full attention in blocks with the kernels of the packed product.
 *
 * An item is some queries of one head of one set. It goes over the keys a block at a time: packs the block's keys and
 * values; then, for a few queries at once, makes the scores (product with the keys), turns them into weights relative to
 * the largest score so far, and adds their product with the values to what is there, scaled down where the largest score
 * has grown. With rounded inputs the same goes in pairs of BF16: queries are rounded once for an item, keys and values as they
 * are packed, weights after their sum is taken. */
#include "tsr_attention.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "counts_internal.h"
#include "gemm_internal.h"
#include "kernels_internal.h"
#include "pool_internal.h"
#include "tsr_matmul.h"

enum {
    MAX_QUERIES = 384, /* of an item: packing a block of keys costs as much as about 8 of them */
    MAX_KEYS = 256,    /* of a block: with its values, and the scores of a few queries, in the second cache */
    PAD = 16,          /* floats between rows of scores, so that they don't meet in one set of the cache */
    LINE = 16          /* steps that a kernel rounds at once */
};

typedef struct job {
    const tsr_attention *a;
    const tsri_gemm_kernel *gemm;
    const tsri_kernels *kern;
    size_t n_queries, n_blocks; /* queries of an item; items of one head */
    size_t n_keys;              /* of a block */
    size_t key_panel, value_panel; /* sizes in 4 bytes */
    size_t dim;                 /* head_dim, up to whole panels */
    size_t ld_scores;
    size_t ld_rounded;          /* steps of a rounded query or key; 0: they stay as they are */
} job;

/* A worker's scratch. */
typedef struct work {
    uint32_t *keys;   /* panels of keys: [head_dim, outs] each */
    uint32_t *values; /* panels of dimensions: [n_keys, outs] each */
    float *scores;    /* [rows of the kernel, ld_scores] */
    float *out;       /* [n_queries, dim] */
    double *sum;      /* [n_queries]: of weights */
    float *top;       /* [n_queries]: the largest score */
    uint32_t *queries, *aside; /* rounded: [n_queries, ld_rounded], and keys of a panel: [outs, ld_rounded] */
} work;

static size_t scratch_floats(const job *j)
{
    size_t outs = j->gemm->outs;
    return tsri_parts(j->n_keys, outs) * j->key_panel + j->dim / outs * j->value_panel + j->gemm->rows * j->ld_scores +
           j->n_queries * (j->dim + 4) + PAD + (j->n_queries + outs) * j->ld_rounded;
}

/* Blocks as large as they may be; of very long heads smaller ones. */
static void plan(job *j)
{
    size_t d = j->a->head_dim, outs = j->gemm->outs, rows = j->gemm->rows;
    j->dim = tsri_whole(d, outs);
    j->key_panel = tsri_whole(tsri_parts(d, j->gemm->step), TSRI_GEMM_PACK_STEPS) * outs;
    j->ld_rounded = j->gemm->round ? tsri_whole(tsri_parts(d, 2), LINE) : 0;
    j->n_keys = MAX_KEYS;
    j->n_queries = tsri_whole(tsri_parts(j->a->n, tsri_parts(j->a->n, MAX_QUERIES)), rows);
    for (;;) {
        j->value_panel = tsri_parts(j->n_keys, j->gemm->step) * outs;
        j->ld_scores = tsri_whole(j->n_keys, outs) + PAD;
        if (scratch_floats(j) * sizeof(float) <= TSR_POOL_SCRATCH_BYTES)
            break;
        if (j->n_keys > 2 * outs)
            j->n_keys /= 2;
        else
            j->n_queries = tsri_whole(j->n_queries / 2, rows);
    }
    j->n_blocks = tsri_parts(j->a->n, j->n_queries);
}

static work split(const job *j, void *scratch)
{
    size_t outs = j->gemm->outs;
    work w = {.keys = scratch};
    w.values = w.keys + tsri_parts(j->n_keys, outs) * j->key_panel;
    w.scores = (float *)(void *)(w.values + j->dim / outs * j->value_panel);
    w.out = w.scores + j->gemm->rows * j->ld_scores;
    w.sum = (double *)(void *)(w.out + j->n_queries * j->dim); /* an even number of floats from an aligned place */
    w.top = (float *)(void *)(w.sum + j->n_queries);
    w.queries = (uint32_t *)(void *)w.top + j->n_queries;
    w.aside = w.queries + j->n_queries * j->ld_rounded;
    return w;
}

static void pack_keys(const job *j, const work *w, const float *k, size_t n)
{
    size_t outs = j->gemm->outs, d = j->a->head_dim, ld = j->ld_rounded;
    for (size_t p = 0; p < n; p += outs) {
        uint32_t *panel = w->keys + p / outs * j->key_panel;
        size_t here = tsri_least(outs, n - p);
        if (!ld) {
            j->gemm->pack_f32(panel, k + p * j->a->ldk, j->a->ldk, here, d);
            continue;
        }
        for (size_t i = 0; i < here; i++)
            j->gemm->round(w->aside + i * ld, k + (p + i) * j->a->ldk, d);
        j->gemm->pack_bf16(panel, (const uint16_t *)(const void *)w->aside, 2 * ld, here, d);
    }
}

/* Rows of values are steps already, or pairs of them are. */
static void pack_values(const job *j, const work *w, const float *v, size_t n)
{
    size_t outs = j->gemm->outs, d = j->a->head_dim, ld = j->a->ldv;
    for (size_t p = 0; p < d; p += outs) {
        uint32_t *panel = w->values + p / outs * j->value_panel;
        size_t here = tsri_least(outs, d - p);
        for (size_t i = 0; i < n; i += j->gemm->step, panel += outs) {
            const float *row = v + i * ld + p;
            if (j->gemm->pair_rows)
                j->gemm->pair_rows(panel, row, i + 1 < n ? row + ld : NULL, here);
            else
                memcpy(panel, row, here * sizeof *panel);
            memset(panel + here, 0, (outs - here) * sizeof *panel);
        }
    }
}

/* Scores of n keys become weights; what is there of this query is scaled to go with them. */
static void weigh(const job *j, float *scores, size_t n, float *top, double *sum, float *out)
{
    float most = j->kern->max_f32(scores, n);
    if (most > *top) {
        float scale = expf(*top - most);
        for (size_t i = 0; i < j->dim; i++)
            out[i] *= scale;
        *sum *= (double)scale;
        *top = most;
    }
    *sum += j->kern->exp_sum(scores, *top, n);
}

/* Queries [i, i + n) of the item meet n_keys packed keys; q: the item's first query. */
static void meet(const job *j, const work *w, const float *q, size_t i, size_t n, size_t n_keys)
{
    const tsri_gemm_kernel *g = j->gemm;
    size_t ldq = j->ld_rounded ? j->ld_rounded : j->a->ldq;
    const void *from = j->ld_rounded ? (const void *)(w->queries + i * ldq) : q + i * ldq;
    for (size_t p = 0; p < n_keys; p += g->outs)
        g->multiply(w->scores + p, j->ld_scores, false, w->keys + p / g->outs * j->key_panel, from, ldq, n,
                    tsri_parts(j->a->head_dim, g->step));
    for (size_t r = 0; r < n; r++) {
        float *scores = w->scores + r * j->ld_scores;
        weigh(j, scores, n_keys, &w->top[i + r], &w->sum[i + r], w->out + (i + r) * j->dim);
        if (g->round)
            g->round((uint32_t *)(void *)scores, scores, n_keys);
    }
    for (size_t p = 0; p < j->dim; p += g->outs)
        g->multiply(w->out + i * j->dim + p, j->dim, true, w->values + p / g->outs * j->value_panel, w->scores,
                    j->ld_scores, n, tsri_parts(n_keys, g->step));
}

static void finish(const job *j, const work *w, float *out, size_t m)
{
    size_t d = j->a->head_dim;
    for (size_t i = 0; i < m; i++, out += j->a->ldout) {
        const float *from = w->out + i * j->dim;
        float inv = (float)(1.0 / w->sum[i]);
        for (size_t c = 0; c < d; c++)
            out[c] = from[c] * inv;
        tsr_clamp(out, out, j->a->min, j->a->max, d);
    }
}

static void attend_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    const tsr_attention *a = j->a;
    work w = split(j, scratch);
    (void)worker;
    size_t first = item % j->n_blocks * j->n_queries, m = tsri_least(j->n_queries, a->n - first);
    size_t head = item / j->n_blocks % a->n_heads, row = item / j->n_blocks / a->n_heads * a->n;
    size_t kv = head / (a->n_heads / a->n_kv) * a->head_dim;
    const float *q = a->q + (row + first) * a->ldq + head * a->head_dim;
    memset(w.out, 0, m * j->dim * sizeof *w.out);
    for (size_t i = 0; i < m; i++) {
        w.top[i] = -INFINITY;
        w.sum[i] = 0.0;
        if (j->ld_rounded)
            j->gemm->round(w.queries + i * j->ld_rounded, q + i * a->ldq, a->head_dim);
    }
    for (size_t k = 0; k < a->n; k += j->n_keys) {
        size_t n_keys = tsri_least(j->n_keys, a->n - k);
        pack_keys(j, &w, a->k + (row + k) * a->ldk + kv, n_keys);
        pack_values(j, &w, a->v + (row + k) * a->ldv + kv, n_keys);
        for (size_t i = 0; i < m; i += j->gemm->rows)
            meet(j, &w, q, i, tsri_least(j->gemm->rows, m - i), n_keys);
    }
    finish(j, &w, a->out + (row + first) * a->ldout + head * a->head_dim, m);
}

void tsr_attend_all(tsr_pool *pool, const tsr_attention *a)
{
    bool pairs = a->rounded && tsri_pool_inputs(pool) && tsri_gemm_pairs_pay();
    tsr_cpu_level level = tsr_cpu_get();
    job j = {.a = a, .gemm = pairs ? tsri_gemm_dot(level) : tsri_gemm_wide(level), .kern = tsri_kernels_get()};
    assert(a->head_dim > 0 && a->head_dim <= TSR_ATTENTION_MAX_DIM && a->n_kv > 0 && a->n_heads % a->n_kv == 0);
    if (a->n == 0)
        return;
    plan(&j);
    tsr_pool_run(pool, a->n_sets * a->n_heads * j.n_blocks, attend_item, &j);
}
