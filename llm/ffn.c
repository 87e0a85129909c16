/* ffn.c: the feed-forward block of a layer: a gated dense branch, with routed experts beside it
 * where the model has them. */
#include "decoder_internal.h"
#include "tsr_matmul.h"

void tsri_ffn(tsr_context *c, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    size_t hidden = c->d->config.hidden, width = c->d->config.layers[l].ffn_width;
    tsri_norm_rows(c, c->x, c->h, w->pre_ffn_norm);
    c->place = TSRI_IN_FFN;
    tsr_gated(c->pool, &w->gate, &w->up, c->x, hidden, c->n, c->gate, c->up, width);
    tsr_matmul(c->pool, &w->down, c->gate, width, c->n, c->y, hidden);
    if (c->d->config.n_experts) {
        tsri_norm_rows(c, c->y, c->y, w->post_ffn_norm_1);
        tsri_moe(c, l);
    }
    tsri_add_normed_rows(c, c->h, c->y, w->post_ffn_norm);
}
