/* ple.c: per-layer embeddings. Every token has a small vector per layer: a table row (by its id; the
 * pad id for soft tokens) and a projection of what enters the first layer, normed, summed and
 * scaled by 2^-1/2. A layer gates it with the stream and adds it after its feed-forward block. */
#include <math.h>

#include "decoder_internal.h"
#include "tsr_matmul.h"

_Static_assert((size_t)TSR_POOL_SCRATCH_BYTES >= sizeof(float) * TSR_TEXT_MAX_PLE_DIM, "one row of one layer");

typedef struct ple_job {
    const int32_t *ids;
    const uint8_t *kinds; /* NULL: all text */
} ple_job;

static void prepare_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const ple_job *j = arg;
    const tsr_decoder *d = c->d;
    size_t dim = d->config.ple_dim, n_layers = d->config.n_layers;
    bool soft = j->kinds && j->kinds[r] != TSR_TOKEN_TEXT;
    size_t id = (size_t)(soft ? d->config.pad_id : j->ids[r]);
    float project = (float)(1.0 / sqrt((double)d->config.hidden)), both = (float)(1.0 / sqrt(2.0));
    float *row = c->ple + r * n_layers * dim, *token = scratch;
    for (size_t l = 0; l < n_layers; l++) {
        float *p = row + l * dim;
        tsr_view_decode(&d->ple_table, id, l * dim, dim, token);
        for (size_t i = 0; i < dim; i++)
            p[i] *= project;
        tsr_rms_norm(p, p, d->ple_norm, dim, d->config.eps);
        for (size_t i = 0; i < dim; i++)
            p[i] = (p[i] + token[i] * d->ple_scale) * both;
    }
}

void tsri_ple_prepare(tsr_context *c, const int32_t *ids, const uint8_t *kinds)
{
    ple_job j = {.ids = ids, .kinds = kinds};
    size_t hidden = c->d->config.hidden;
    tsr_matmul(c->pool, &c->d->ple_proj, c->h, hidden, c->n, c->ple, tsr_view_rows(&c->d->ple_proj));
    tsri_for_rows(c, c->n, prepare_row, &j);
}

static void gate_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const size_t *layer = arg;
    size_t dim = c->d->config.ple_dim;
    (void)scratch;
    tsr_gelu_mul(c->ple_mid + r * dim, c->ple + (r * c->d->config.n_layers + *layer) * dim, dim);
}

void tsri_ple_layer(tsr_context *c, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    size_t hidden = c->d->config.hidden, dim = c->d->config.ple_dim;
    tsr_matmul(c->pool, &w->ple_gate, c->h, hidden, c->n, c->ple_mid, dim);
    tsri_for_rows(c, c->n, gate_row, &l);
    tsr_matmul(c->pool, &w->ple_proj, c->ple_mid, dim, c->n, c->y, hidden);
    tsri_add_normed_rows(c, c->h, c->y, w->post_ple_norm);
}
