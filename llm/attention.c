/* attention.c: one layer's attention. Scores are q·k with scale 1; the norms of q and k take the
 * place of 1/sqrt(d). V is normed without a weight. Products are those of the values that the cache holds.
 *
 * What a row sees is one interval of keys: full layers [0, pos + 1), sliding ones
 * [pos - window + 1, key_end), where key_end passes pos + 1 only inside a vision block. */
#include "decoder_internal.h"
#include "tsr_matmul.h"
#include "tsr_row_attention.h"

_Static_assert((int)TSR_TEXT_MAX_HEAD_DIM <= (int)TSR_ROW_ATTENTION_MAX_DIM, "heads of every model");

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

void tsri_attention_keys(tsr_context *c, size_t l, bool with_queries)
{
    const tsr_layer_config *lc = &c->d->config.layers[l];
    const tsri_layer *w = &c->d->layers[l];
    size_t hidden = c->d->config.hidden, width = lc->n_kv_heads * lc->head_dim;
    kv_job j = {.layer = l, .raw_v = lc->k_eq_v ? c->k : c->v};
    tsr_product p[3] = {{&w->k, c->k, width, true}};
    size_t n = 1;
    if (!lc->k_eq_v)
        p[n++] = (tsr_product){&w->v, c->v, width, true};
    if (with_queries)
        p[n++] = (tsr_product){&w->q, c->q, c->d->config.n_heads * lc->head_dim, false};
    tsr_matmul_each(c->pool, p, n, c->x, hidden, c->n);
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

void tsri_attention_queries(tsr_context *c, size_t l, bool has_queries)
{
    const tsr_text_config *cfg = &c->d->config;
    const tsr_layer_config *lc = &cfg->layers[l];
    const tsri_layer *w = &c->d->layers[l];
    size_t width = cfg->n_heads * lc->head_dim;
    tsr_kv_rows kv = tsr_kv_layer_rows(c->kv, lc->kv_source);
    tsr_row_attention a = {.n = c->n, .n_heads = cfg->n_heads, .n_kv = lc->n_kv_heads, .dim = lc->head_dim, .q = c->q,
                           .out = c->attn, .ldq = width, .ldout = width, .type = kv.type, .k = kv.k, .v = kv.v,
                           .head_stride = kv.head_stride, .first = kv.first, .pos = c->pos, .end = c->key_end,
                           .window = lc->type == TSR_LAYER_SLIDING ? cfg->window : 0,
                           .rounded = tsr_type_may_round(w->q.type)};
    if (!has_queries)
        tsr_matmul(c->pool, &w->q, c->x, cfg->hidden, c->n, c->q, width);
    tsri_for_rows(c, c->n, finish_q_row, &l);
    tsr_attend_rows(c->pool, &a);
    tsr_matmul_each(c->pool, &(tsr_product){&w->o, c->y, cfg->hidden, true}, 1, c->attn, width, c->n);
}
