/* row_attention.c: see the header. Queries of one key head are counted row by row, head by head; an item is a block of them
 * and a part of the keys that they see, which it walks in tiles with a running maximum and sum. Where keys come in parts,
 * each leaves its maximum, sum and weighted values in the pool's shared memory, and they are joined in order.
 *
 * Many queries decode a tile once, few multiply it as it lies; where the processor multiplies tiles of BF16 many are split into two
 * numbers of it each, or rounded to one (split.c). */
#include "tsr_row_attention.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "counts_internal.h"
#include "kernels_internal.h"
#include "rows_internal.h"
#include "split_internal.h"
#include "tsr_matmul.h"
#include "tsr_rows.h"

enum {
    MAX_QUERIES = 96,   /* of an item */
    MAX_SPLIT = 256,    /* of an item, where they are split */
    MIN_SPLIT = 64,     /* queries, in all, from which they are */
    MIN_DECODE = 12,    /* queries from which a tile is decoded first */
    WANTED_ITEMS = 16,  /* parts are made until there are about so many */
    MIN_PART = 128,     /* keys */
    LONG_DIM = 512,     /* beyond it tiles have half the keys */
    SCRATCH_FLOATS = TSR_POOL_SCRATCH_BYTES / 4,
    SHARED_FLOATS = TSR_POOL_SHARED_BYTES / 4,
    JOINED = 16,        /* queries whose parts an item joins */
    PART_HEAD = 4       /* floats before a part's values: maximum and sum */
};

_Static_assert(TSRI_ROWS_TILE / 2 * TSR_ROW_ATTENTION_MAX_DIM + MAX_QUERIES * TSRI_ROWS_TILE +
                       8 * 2 * TSR_ROW_ATTENTION_MAX_DIM <= SCRATCH_FLOATS, "8 queries of the longest heads fit");

typedef struct job {
    const tsr_row_attention *a;
    const tsri_kernels *kern;
    const tsri_rows_kernels *rows;
    size_t group, n_queries;  /* query heads and queries of one key head */
    size_t block, n_blocks;   /* queries of an item */
    size_t tile, row_bytes;
    bool splits;
    size_t n_parts;
    float *parts; /* [n_kv, n_queries, n_parts, PART_HEAD + dim] where there is more than one */
} job;

/* An item at work. */
typedef struct work {
    const job *j;
    size_t u, n;                /* its queries */
    const unsigned char *k, *v; /* of its key head */
    float *q, *acc;             /* [n, dim] */
    float *scores;              /* [n, TSRI_ROWS_TILE] */
    float *decoded;             /* [tile, dim] */
    tsri_split split;           /* in place of q and decoded */
    float max[MAX_SPLIT];
    double sum[MAX_SPLIT];
} work;

static size_t first_key(const tsr_row_attention *a, size_t row)
{
    size_t pos = a->pos[row];
    return a->window && pos + 1 > a->window ? pos + 1 - a->window : 0;
}

static size_t end_key(const tsr_row_attention *a, size_t row)
{
    return a->window ? a->end[row] : a->pos[row] + 1;
}

/* The keys that one of the rows [row, last] sees. */
static void span_of(const tsr_row_attention *a, size_t row, size_t last, size_t *lo, size_t *hi)
{
    *lo = SIZE_MAX;
    *hi = 0;
    for (; row <= last; row++) {
        size_t first = first_key(a, row), end = end_key(a, row);
        *lo = first < *lo ? first : *lo;
        *hi = end > *hi ? end : *hi;
    }
}

/* ---- a tile of keys ---- */

/* Scores of query i against keys [at, at + n) become weights, 0 outside of what it sees. */
static void weigh(work *w, size_t i, size_t at, size_t n)
{
    const job *j = w->j;
    size_t row = (w->u + i) / j->group, lo = first_key(j->a, row), hi = end_key(j->a, row), dim = j->a->dim;
    size_t from = lo > at ? tsri_least(lo - at, n) : 0, to = hi > at ? tsri_least(hi - at, n) : 0;
    float *s = w->scores + i * TSRI_ROWS_TILE;
    if (from >= to) {
        memset(s, 0, n * sizeof *s);
        return;
    }
    float most = j->kern->max_f32(s + from, to - from);
    if (most > w->max[i]) {
        float factor = expf(w->max[i] - most), *acc = w->acc + i * dim;
        w->sum[i] *= (double)factor;
        w->max[i] = most;
        for (size_t e = 0; e < dim; e++)
            acc[e] *= factor;
    }
    memset(s, 0, from * sizeof *s);
    memset(s + to, 0, (n - to) * sizeof *s);
    w->sum[i] += j->kern->exp_sum(s + from, w->max[i], to - from);
}

static bool decodes(const work *w)
{
    return w->j->a->type != TSR_F32 && w->n >= MIN_DECODE;
}

/* The row of the at-th key. */
static const unsigned char *row_of(const work *w, const unsigned char *rows, size_t at)
{
    return rows + (at - w->j->a->first) * w->j->row_bytes;
}

/* What is to be asked for while `now` is at work: rows from the at-th on, if they are read as they lie. */
static const unsigned char *next_rows(const work *w, const unsigned char *rows, size_t at, const unsigned char *now)
{
    return decodes(w) ? now : row_of(w, rows, at);
}

/* n rows from the at-th on, decoded where that pays. */
static const unsigned char *take_rows(work *w, const unsigned char *rows, size_t at, size_t n, tsr_type *type,
                                      size_t *row_bytes)
{
    const job *j = w->j;
    *type = j->a->type;
    *row_bytes = j->row_bytes;
    rows = row_of(w, rows, at);
    if (!decodes(w))
        return rows;
    *type = TSR_F32;
    *row_bytes = j->a->dim * sizeof(float);
    tsr_rows_read(j->a->type, rows, n, j->a->dim, w->decoded);
    return (const unsigned char *)w->decoded;
}

/* Keys [at, at + n); n more come next where has_next says so. */
static void take_tile(work *w, size_t at, size_t n, bool has_next)
{
    const job *j = w->j;
    size_t dim = j->a->dim, row_bytes;
    tsr_type type;
    if (j->splits) {
        tsri_split_scores(&w->split, j->a->type, row_of(w, w->k, at), j->row_bytes, n, w->scores);
        for (size_t i = 0; i < w->n; i++)
            weigh(w, i, at, n);
        tsri_split_mix(&w->split, j->a->type, row_of(w, w->v, at), j->row_bytes, n, w->scores, w->acc);
        return;
    }
    const unsigned char *rows = take_rows(w, w->k, at, n, &type, &row_bytes);
    j->rows->scores(type, rows, row_bytes, n, dim, w->q, w->n, w->scores, next_rows(w, w->v, at, rows));
    for (size_t i = 0; i < w->n; i++)
        weigh(w, i, at, n);
    rows = take_rows(w, w->v, at, n, &type, &row_bytes);
    j->rows->mix(type, rows, row_bytes, n, dim, w->scores, w->n, w->acc,
                 next_rows(w, w->k, has_next ? at + n : at, rows));
}

/* ---- an item ---- */

static size_t place_of(const job *j, size_t head, size_t u)
{
    return u / j->group * j->a->ldq + (head * j->group + u % j->group) * j->a->dim;
}

static float *part_of(const job *j, size_t head, size_t u, size_t part)
{
    return j->parts + ((head * j->n_queries + u) * j->n_parts + part) * (PART_HEAD + j->a->dim);
}

static void begin(work *w, const job *j, size_t head, void *scratch)
{
    size_t dim = j->a->dim;
    w->scores = scratch;
    w->acc = w->scores + (j->splits ? j->block : MAX_QUERIES) * TSRI_ROWS_TILE;
    w->q = w->acc + j->block * dim;
    w->decoded = w->q + j->block * dim;
    if (j->splits)
        tsri_split_begin(&w->split, dim, w->n, j->a->rounded, w->q);
    w->k = j->a->k + head * j->a->head_stride;
    w->v = j->a->v + head * j->a->head_stride;
    memset(w->acc, 0, w->n * dim * sizeof *w->acc);
    for (size_t i = 0; i < w->n; i++) {
        const float *q = j->a->q + place_of(j, head, w->u + i);
        if (j->splits)
            tsri_split_vector(&w->split, i, q);
        else
            memcpy(w->q + i * dim, q, dim * sizeof *w->q);
        w->max[i] = -INFINITY;
        w->sum[i] = 0.0;
    }
}

static float *out_of(const job *j, size_t head, size_t u)
{
    return j->a->out + u / j->group * j->a->ldout + (head * j->group + u % j->group) * j->a->dim;
}

static void put(float *to, const float *from, float factor, size_t dim)
{
    for (size_t e = 0; e < dim; e++)
        to[e] = from[e] * factor;
}

static void finish(const work *w, size_t head, size_t part)
{
    const job *j = w->j;
    size_t dim = j->a->dim;
    for (size_t i = 0; i < w->n; i++) {
        const float *acc = w->acc + i * dim;
        if (j->n_parts == 1) {
            put(out_of(j, head, w->u + i), acc, (float)(1.0 / w->sum[i]), dim);
            continue;
        }
        float *p = part_of(j, head, w->u + i, part);
        p[0] = w->max[i];
        p[1] = (float)w->sum[i];
        memcpy(p + PART_HEAD, acc, dim * sizeof *acc);
    }
}

static void attend_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t part = item % j->n_parts, block = item / j->n_parts % j->n_blocks, head = item / j->n_parts / j->n_blocks;
    work w = {.j = j, .u = block * j->block};
    size_t lo, hi;
    (void)worker;
    w.n = tsri_least(j->block, j->n_queries - w.u);
    begin(&w, j, head, scratch);
    span_of(j->a, w.u / j->group, (w.u + w.n - 1) / j->group, &lo, &hi);
    size_t keys = tsri_parts(tsri_parts(hi - lo, j->n_parts), j->tile) * j->tile;
    lo = tsri_least(lo + part * keys, hi);
    hi = tsri_least(lo + keys, hi);
    for (size_t at = lo; at < hi; at += j->tile)
        take_tile(&w, at, tsri_least(j->tile, hi - at), hi - at >= 2 * j->tile);
    finish(&w, head, part);
}

/* ---- parts ---- */

/* A part whose keys a query doesn't see has no sum. */
static void join(const job *j, size_t head, size_t u)
{
    float top = -INFINITY, *out = out_of(j, head, u);
    double sum = 0.0;
    memset(out, 0, j->a->dim * sizeof *out);
    for (size_t p = 0; p < j->n_parts; p++)
        top = part_of(j, head, u, p)[0] > top ? part_of(j, head, u, p)[0] : top;
    for (size_t p = 0; p < j->n_parts; p++) {
        const float *part = part_of(j, head, u, p);
        if (part[1] == 0.0f)
            continue;
        float factor = expf(part[0] - top);
        sum += (double)part[1] * (double)factor;
        tsr_axpy(out, factor, part + PART_HEAD, j->a->dim);
    }
    put(out, out, (float)(1.0 / sum), j->a->dim);
}

static void join_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t end = tsri_least((item + 1) * JOINED, j->a->n_kv * j->n_queries);
    (void)worker;
    (void)scratch;
    for (size_t u = item * JOINED; u < end; u++)
        join(j, u / j->n_queries, u % j->n_queries);
}

/* Queries of an item that is split: as many as the scratch has room for. */
static size_t split_block(const tsr_row_attention *a)
{
    size_t n = MAX_SPLIT;
    while (n > 0 && n * (TSRI_ROWS_TILE + a->dim) + tsri_split_floats(a->dim, n) > SCRATCH_FLOATS)
        n -= MIN_SPLIT / 2;
    return n;
}

static void plan(job *j, tsr_pool *pool)
{
    const tsr_row_attention *a = j->a;
    size_t lo, hi, items, each = PART_HEAD + a->dim;
    j->group = a->n_heads / a->n_kv;
    j->n_queries = a->n * j->group;
    j->row_bytes = tsr_row_bytes(a->type, a->dim);
    j->tile = a->dim > LONG_DIM ? TSRI_ROWS_TILE / 2 : TSRI_ROWS_TILE;
    j->block = tsri_least((SCRATCH_FLOATS - MAX_QUERIES * TSRI_ROWS_TILE - j->tile * a->dim) / (2 * a->dim), MAX_QUERIES);
    size_t split = j->n_queries >= MIN_SPLIT && tsri_split_takes(pool, a->type, a->dim) ? split_block(a) : 0;
    j->splits = split > 0;
    if (j->splits)
        j->block = split;
    j->block = tsri_least(j->block, j->n_queries);
    j->n_blocks = tsri_parts(j->n_queries, j->block);
    j->n_parts = 1;
    items = a->n_kv * j->n_blocks;
    if (items * 2 > WANTED_ITEMS)
        return;
    span_of(a, 0, a->n - 1, &lo, &hi);
    j->n_parts = tsri_least(WANTED_ITEMS / items, tsri_parts(hi - lo, MIN_PART));
    j->n_parts = tsri_least(j->n_parts, SHARED_FLOATS / (a->n_kv * j->n_queries * each));
    if (j->n_parts == 0)
        j->n_parts = 1;
    j->parts = tsr_pool_shared(pool);
}

void tsr_attend_rows(tsr_pool *pool, const tsr_row_attention *a)
{
    job j = {.a = a, .kern = tsri_kernels_get(), .rows = tsri_rows_kernels_get(a->dim)};
    assert(a->dim > 0 && a->dim <= TSR_ROW_ATTENTION_MAX_DIM && a->n_kv > 0 && a->n_heads % a->n_kv == 0);
    if (a->n == 0)
        return;
    plan(&j, pool);
    tsr_pool_run(pool, a->n_kv * j.n_blocks * j.n_parts, attend_item, &j);
    if (j.n_parts > 1)
        tsr_pool_run(pool, tsri_parts(a->n_kv * j.n_queries, JOINED), join_item, &j);
}
