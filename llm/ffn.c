/* ffn.c: the feed-forward block of a layer: a gated dense branch, with routed experts beside it
 * where the model has them. */
#include "decoder_internal.h"
#include "tsr_matmul.h"

void tsri_ffn(tsr_context *c, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    const tsr_mlp mlp = {.gate = &w->gate, .up = &w->up, .down = &w->down};
    size_t hidden = c->d->config.hidden;
    tsri_norm_rows(c, c->x, c->h, w->pre_ffn_norm);
    c->place = TSRI_IN_FFN;
    tsr_mlp_run(c->pool, &mlp, c->x, hidden, c->n, c->y, hidden, c->mid);
    if (c->d->config.n_experts) {
        tsri_norm_rows(c, c->y, c->y, w->post_ffn_norm_1);
        tsri_moe(c, l);
    }
    tsri_add_normed_rows(c, c->h, c->y, w->post_ffn_norm);
}
