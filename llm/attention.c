/* attention.c: one layer's attention. Scores are q·k with scale 1; the norms of q and k take the
 * place of 1/sqrt(d). V is normed without a weight. Products are those of the values that the cache holds.
 *
 * What a row sees is one interval of keys: full layers [0, pos + 1), sliding ones
 * [pos - window + 1, key_end), where key_end passes pos + 1 only inside a vision block. A pool item is
 * one head and one block of rows; it walks the keys in tiles with a running maximum and sum, so
 * that scratch does not grow with the context. Borders follow from rows and positions alone. */
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_matmul.h"

enum {
    Q_ROWS = 32,
    KEY_TILE = 256,     /* keys at a time; of long rows that must be decoded fewer */
    MIN_DECODED = 32,
    SCRATCH_FLOATS = TSR_POOL_SCRATCH_BYTES / 4
};

_Static_assert(Q_ROWS * KEY_TILE + (2 * Q_ROWS + MIN_DECODED) * TSR_TEXT_MAX_HEAD_DIM <= SCRATCH_FLOATS,
               "one item's tiles fit into a worker's scratch");

/* ---- keys and values ---- */

typedef struct kv_job {
    size_t layer;
    const float *raw_v; /* V before its norm: c->v, or c->k where K is V */
} kv_job;

static void finish_kv_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const kv_job *j = arg;
    const tsr_text_config *cfg = &c->d->config;
    const tsr_layer_config *lc = &cfg->layers[j->layer];
    const tsri_layer *w = &c->d->layers[j->layer];
    size_t d = lc->head_dim, width = lc->n_kv_heads * d, n_rot = cfg->rope[lc->type].n_rotated;
    const float *cos = c->rope[lc->type].cos + r * n_rot, *sin = c->rope[lc->type].sin + r * n_rot;
    float *k = c->k + r * width, *v = c->v + r * width;
    (void)scratch;
    for (size_t h = 0; h < lc->n_kv_heads; h++) {
        /* V first: where K is V it is made from the raw projection. */
        tsr_rms_norm(v + h * d, j->raw_v + r * width + h * d, NULL, d, cfg->eps);
        tsr_rms_norm(k + h * d, k + h * d, w->k_norm, d, cfg->eps);
        tsri_rope_apply(k + h * d, cos, sin, n_rot, d);
    }
    /* Here and not only in the sum: a score of -INFINITY would hide the key. */
    tsri_note_row(c, r, tsr_kv_write(c->kv, j->layer, c->pos[r], k, v));
}

void tsri_attention_keys(tsr_context *c, size_t l)
{
    const tsr_layer_config *lc = &c->d->config.layers[l];
    const tsri_layer *w = &c->d->layers[l];
    size_t hidden = c->d->config.hidden, width = lc->n_kv_heads * lc->head_dim;
    kv_job j = {.layer = l, .raw_v = lc->k_eq_v ? c->k : c->v};
    tsr_matmul(c->pool, &w->k, c->x, hidden, c->n, c->k, width);
    if (!lc->k_eq_v)
        tsr_matmul(c->pool, &w->v, c->x, hidden, c->n, c->v, width);
    tsri_for_rows(c, c->n, finish_kv_row, &j);
}

/* ---- queries ---- */

static void finish_q_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    size_t l = *(const size_t *)arg;
    const tsr_text_config *cfg = &c->d->config;
    const tsr_layer_config *lc = &cfg->layers[l];
    size_t d = lc->head_dim, n_rot = cfg->rope[lc->type].n_rotated;
    float *q = c->q + r * cfg->n_heads * d;
    (void)scratch;
    for (size_t h = 0; h < cfg->n_heads; h++) {
        tsr_rms_norm(q + h * d, q + h * d, c->d->layers[l].q_norm, d, cfg->eps);
        tsri_rope_apply(q + h * d, c->rope[lc->type].cos + r * n_rot, c->rope[lc->type].sin + r * n_rot, n_rot, d);
    }
}

typedef struct attn_job {
    const tsr_context *c;
    tsr_kv_rows kv;
    size_t n_blocks, dim, width, group; /* width: floats in one row of q; group: query heads per KV head */
    size_t window;                      /* 0: full */
    size_t tile;                        /* keys at a time, at most KEY_TILE */
} attn_job;

/* One block of rows at work. */
typedef struct attn_block {
    const attn_job *j;
    size_t first_row, n_rows;
    const float *q;             /* of this head, as are */
    const unsigned char *k, *v; /* which begin at the position kv.first */
    float *scores;              /* [n_rows, KEY_TILE] */
    float *acc;                 /* [n_rows, dim] */
    float *part;                /* [n_rows, dim]: one tile's share of acc */
    float *decoded;             /* [tile, dim] */
    float max[Q_ROWS];
    double sum[Q_ROWS];
} attn_block;

static size_t first_key(const attn_job *j, size_t row)
{
    size_t pos = j->c->pos[row];
    return j->window && pos + 1 > j->window ? pos + 1 - j->window : 0;
}

static size_t end_key(const attn_job *j, size_t row)
{
    return j->window ? j->c->key_end[row] : j->c->pos[row] + 1;
}

/* Scores of row i against keys [at, at + n) become weights exp(s - max) in place, 0 outside of what
 * the row sees. Returns the factor for what was summed before. */
static float weigh_row(attn_block *b, size_t i, size_t at, size_t n)
{
    size_t lo = first_key(b->j, b->first_row + i), hi = end_key(b->j, b->first_row + i);
    float *s = b->scores + i * KEY_TILE, top = b->max[i];
    size_t from = lo > at ? lo - at : 0, to = hi > at ? hi - at : 0;
    if (to > n)
        to = n;
    if (from >= to) {
        memset(s, 0, n * sizeof *s);
        return 1.0f;
    }
    double sum = tsr_row_weigh(s + from, to - from, &top);
    float factor = b->sum[i] > 0.0 ? expf(b->max[i] - top) : 0.0f;
    memset(s, 0, from * sizeof *s);
    memset(s + to, 0, (n - to) * sizeof *s);
    b->max[i] = top;
    b->sum[i] = b->sum[i] * (double)factor + sum;
    return factor;
}

/* n rows as f32: where they lie, or decoded. */
static const float *as_f32(const attn_block *b, const unsigned char *rows, size_t n)
{
    if (b->j->kv.type == TSR_F32)
        return (const float *)(const void *)rows;
    tsr_rows_read(b->j->kv.type, rows, n, b->j->dim, b->decoded);
    return b->decoded;
}

static void take_tile(attn_block *b, size_t at, size_t n)
{
    const attn_job *j = b->j;
    size_t d = j->dim, from = (at - j->kv.first) * j->kv.row_bytes;
    float factor[Q_ROWS];
    tsr_gemm_nt(b->n_rows, n, d, b->q, j->width, as_f32(b, b->k + from, n), d, b->scores, KEY_TILE);
    for (size_t i = 0; i < b->n_rows; i++)
        factor[i] = weigh_row(b, i, at, n);
    tsr_gemm_nn(b->n_rows, d, n, b->scores, KEY_TILE, as_f32(b, b->v + from, n), d, b->part, d);
    for (size_t i = 0; i < b->n_rows; i++) {
        float *acc = b->acc + i * d;
        const float *part = b->part + i * d;
        for (size_t e = 0; e < d; e++)
            acc[e] = acc[e] * factor[i] + part[e];
    }
}

/* The same for a single row (decoding), where every key is visible: no product is worth a call. */
static void take_tile_of_one(attn_block *b, size_t at, size_t n)
{
    size_t d = b->j->dim, from = (at - b->j->kv.first) * b->j->kv.row_bytes;
    tsr_rows_dot(b->j->kv.type, b->k + from, n, d, b->q, b->scores);
    float factor = weigh_row(b, 0, at, n);
    for (size_t e = 0; e < d; e++)
        b->acc[e] *= factor;
    tsr_rows_mix(b->j->kv.type, b->v + from, n, d, b->scores, b->acc);
}

static void attend_block(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const attn_job *j = ctx;
    const tsr_context *c = j->c;
    size_t head = item / j->n_blocks, row = item % j->n_blocks * Q_ROWS;
    attn_block b = {.j = j, .first_row = row, .n_rows = c->n - row < Q_ROWS ? c->n - row : Q_ROWS};
    size_t lo = SIZE_MAX, hi = 0;
    (void)worker;
    b.q = c->q + row * j->width + head * j->dim;
    b.k = j->kv.k + head / j->group * j->kv.head_stride;
    b.v = j->kv.v + head / j->group * j->kv.head_stride;
    b.scores = scratch;
    b.acc = b.scores + Q_ROWS * KEY_TILE;
    b.part = b.acc + Q_ROWS * j->dim;
    b.decoded = b.part + Q_ROWS * j->dim;
    memset(b.acc, 0, b.n_rows * j->dim * sizeof *b.acc);
    for (size_t i = 0; i < b.n_rows; i++) {
        size_t first = first_key(j, row + i), end = end_key(j, row + i);
        b.max[i] = -INFINITY;
        lo = first < lo ? first : lo;
        hi = end > hi ? end : hi;
    }
    for (size_t at = lo; at < hi; at += j->tile) {
        size_t n = hi - at < j->tile ? hi - at : j->tile;
        if (b.n_rows == 1)
            take_tile_of_one(&b, at, n);
        else
            take_tile(&b, at, n);
    }
    for (size_t i = 0; i < b.n_rows; i++) {
        float *out = c->attn + (row + i) * j->width + head * j->dim;
        float inv = (float)(1.0 / b.sum[i]); /* every row sees at least itself */
        for (size_t e = 0; e < j->dim; e++)
            out[e] = b.acc[i * j->dim + e] * inv;
    }
}

/* As many as decoded rows leave room for; a number of the shapes alone. */
static size_t tile_keys(tsr_type type, size_t dim)
{
    size_t room = (SCRATCH_FLOATS - Q_ROWS * KEY_TILE - 2 * Q_ROWS * dim) / dim;
    return type == TSR_F32 || room > KEY_TILE ? KEY_TILE : room;
}

void tsri_attention_queries(tsr_context *c, size_t l)
{
    const tsr_text_config *cfg = &c->d->config;
    const tsr_layer_config *lc = &cfg->layers[l];
    const tsri_layer *w = &c->d->layers[l];
    attn_job j = {.c = c, .kv = tsr_kv_layer_rows(c->kv, lc->kv_source), .dim = lc->head_dim};
    j.n_blocks = (c->n + Q_ROWS - 1) / Q_ROWS;
    j.width = cfg->n_heads * lc->head_dim;
    j.group = cfg->n_heads / lc->n_kv_heads;
    j.window = lc->type == TSR_LAYER_SLIDING ? cfg->window : 0;
    j.tile = tile_keys(j.kv.type, j.dim);
    tsr_matmul(c->pool, &w->q, c->x, cfg->hidden, c->n, c->q, j.width);
    tsri_for_rows(c, c->n, finish_q_row, &l);
    tsr_pool_run(c->pool, cfg->n_heads * j.n_blocks, attend_block, &j);
    tsr_matmul(c->pool, &w->o, c->attn, j.width, c->n, c->y, cfg->hidden);
}
