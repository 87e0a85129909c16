/* ple.c: per-layer embeddings. Every token has a small vector per layer: a table row (by its id; the
 * pad id for soft tokens) and a projection of what enters the first layer, normed, summed and
 * scaled by 2^-1/2. A layer gates it with the stream and adds it after its feed-forward block.
 *
 * They come in two parts: those of layers before the last one with keys and values of its own, and the rest, which rows that are
 * dropped there never need. */
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_file.h"
#include "tsr_matmul.h"

_Static_assert((size_t)TSR_POOL_SCRATCH_BYTES >= sizeof(float) * TSR_TEXT_MAX_PLE_DIM, "one row of one layer");

/* Rows of layers [first, first + n) of the table and its projection. */
typedef struct ple_job {
    const int32_t *ids;
    const uint8_t *kinds; /* NULL: all text */
    const size_t *from;   /* [rows]: which row in flight each one is; NULL: it is the same */
    float *out;           /* [rows, n, ple_dim] */
    size_t first, n;
} ple_job;

static ple_job job_of(const tsr_context *c, size_t part, const int32_t *ids, const uint8_t *kinds)
{
    size_t split = c->d->last_kv_layer;
    return (ple_job){.ids = ids, .kinds = kinds, .out = c->ple[part], .first = part ? split : 0,
                     .n = part ? c->d->config.n_layers - split : split};
}

/* A row of the table is read once, and the kernel maps as much around it as it holds in one piece: up to 2 MiB, which would be counted as
 * this process's for ever. */
static void let_row_go(const tsr_view *table, size_t id)
{
    enum { PIECE = 2 << 20 };
    uintptr_t begin = (uintptr_t)table->data, end = begin + table->n_bytes;
    uintptr_t row = begin + id * tsr_view_row_bytes(table), after = row + tsr_view_row_bytes(table);
    uintptr_t from = row / PIECE * PIECE, to = ((after - 1) / PIECE + 1) * PIECE;
    from = from > begin ? from : begin;
    to = to < end ? to : end;
    if (table->in_file)
        tsr_file_let_go((const void *)from, to - from);
}

static void prepare_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const ple_job *j = arg;
    const tsr_decoder *d = c->d;
    size_t dim = d->config.ple_dim, at = j->from ? j->from[r] : r;
    bool soft = j->kinds && j->kinds[at] != TSR_TOKEN_TEXT;
    size_t id = (size_t)(soft ? d->config.pad_id : j->ids[at]);
    float project = (float)(1.0 / sqrt((double)d->config.hidden)), both = (float)(1.0 / sqrt(2.0));
    float *row = j->out + r * j->n * dim, *token = scratch;
    for (size_t l = 0; l < j->n; l++) {
        float *p = row + l * dim;
        tsr_view_decode(&d->ple_table, id, (j->first + l) * dim, dim, token);
        for (size_t i = 0; i < dim; i++)
            p[i] *= project;
        tsr_rms_norm(p, p, d->ple_norm, dim, d->config.eps);
        for (size_t i = 0; i < dim; i++)
            p[i] = (p[i] + token[i] * d->ple_scale) * both;
    }
    let_row_go(&d->ple_table, id);
}

/* The projection's rows of a job's layers. */
static tsr_view projection_of(const tsr_context *c, const ple_job *j)
{
    size_t dim = c->d->config.ple_dim;
    return tsr_view_take_rows(&c->d->ple_proj, j->first * dim, j->n * dim);
}

/* The wanted rows of h, one after the other, in x, and their numbers; how many. */
static size_t gather_wanted(tsr_context *c)
{
    size_t hidden = c->d->config.hidden, n = 0;
    for (size_t r = 0; r < c->n; r++) {
        if (!c->wanted[r])
            continue;
        memcpy(c->x + n * hidden, c->h + r * hidden, hidden * sizeof *c->h);
        c->kept[n++] = r;
    }
    return n;
}

void tsri_ple_prepare(tsr_context *c, const int32_t *ids, const uint8_t *kinds, bool drop)
{
    ple_job parts[2] = {job_of(c, 0, ids, kinds), job_of(c, 1, ids, kinds)};
    tsr_view w[2] = {projection_of(c, &parts[0]), projection_of(c, &parts[1])};
    size_t hidden = c->d->config.hidden, rows[2] = {c->n, drop ? gather_wanted(c) : c->n}, first = parts[0].n > 0 ? 0 : 1;
    tsr_product p[2];
    for (size_t i = 0; i < 2; i++)
        p[i] = (tsr_product){&w[i], c->ple[i], w[i].shape[0], false};
    if (rows[1] == c->n) {
        tsr_matmul_each(c->pool, p + first, 2 - first, c->h, hidden, c->n);
    } else {
        parts[1].from = c->kept;
        if (first == 0)
            tsr_matmul(c->pool, &w[0], c->h, hidden, c->n, p[0].y, p[0].ldy);
        if (rows[1] > 0)
            tsr_matmul(c->pool, &w[1], c->x, hidden, rows[1], p[1].y, p[1].ldy);
    }
    for (size_t i = first; i < 2; i++)
        tsri_for_rows(c, rows[i], prepare_row, &parts[i]);
}

static void gate_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    size_t layer = *(const size_t *)arg, dim = c->d->config.ple_dim, part = layer >= c->d->last_kv_layer;
    ple_job j = job_of(c, part, NULL, NULL);
    (void)scratch;
    tsr_gelu_mul(c->ple_mid + r * dim, j.out + (r * j.n + layer - j.first) * dim, dim);
}

void tsri_ple_layer(tsr_context *c, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    size_t hidden = c->d->config.hidden, dim = c->d->config.ple_dim;
    tsr_matmul_each(c->pool, &(tsr_product){&w->ple_gate, c->ple_mid, dim, true}, 1, c->h, hidden, c->n);
    tsri_for_rows(c, c->n, gate_row, &l);
    tsr_matmul_each(c->pool, &(tsr_product){&w->ple_proj, c->y, hidden, true}, 1, c->ple_mid, dim, c->n);
    tsri_add_normed_rows(c, c->h, c->y, w->post_ple_norm);
}
