/* moe.c: routed experts. The router reads the un-normed stream through a weightless norm of its own;
 * the chosen experts' probabilities are renormalised to sum 1, then scaled per expert.
 *
 * Rows are grouped by expert, so that each expert's matrices are read once per chunk. Experts are
 * taken in ascending order: a row's sum has one order however the rows are grouped. */
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_matmul.h"

static void router_input_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    size_t hidden = c->d->config.hidden;
    const float *scale = arg;
    float root = (float)(1.0 / sqrt((double)hidden)), *z = c->x + r * hidden;
    (void)scratch;
    tsr_rms_norm(z, c->h + r * hidden, NULL, hidden, c->d->config.eps);
    for (size_t i = 0; i < hidden; i++)
        z[i] = z[i] * scale[i] * root;
}

/* The most probable expert that is not yet among the n chosen; of equals the lowest number. Some
 * valid number also where probabilities are NaN. */
static size_t best_of(const float *p, size_t n_experts, const uint32_t *chosen, size_t n)
{
    size_t best = SIZE_MAX;
    for (size_t e = 0; e < n_experts; e++) {
        bool taken = false;
        for (size_t i = 0; i < n; i++)
            taken = taken || chosen[i] == e;
        if (!taken && (best == SIZE_MAX || p[e] > p[best]))
            best = e;
    }
    return best;
}

static void choose_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const tsr_text_config *cfg = &c->d->config;
    const float *per_expert = arg;
    float *p = c->moe.probs + r * cfg->n_experts, *weight = c->moe.weight + r * cfg->top_k;
    uint32_t *chosen = c->moe.chosen + r * cfg->top_k;
    float sum = 0.0f;
    bool finite = true; /* one that is -INFINITY would just never be chosen */
    (void)scratch;
    for (size_t e = 0; e < cfg->n_experts; e++)
        finite &= isfinite(p[e]) != 0;
    tsri_note_row(c, r, finite);
    tsr_softmax(p, cfg->n_experts);
    for (size_t i = 0; i < cfg->top_k; i++) {
        size_t e = best_of(p, cfg->n_experts, chosen, i);
        chosen[i] = (uint32_t)e;
        weight[i] = p[e];
        sum += p[e];
    }
    for (size_t i = 0; i < cfg->top_k; i++)
        weight[i] = weight[i] / sum * per_expert[chosen[i]];
}

static void route(tsr_context *c, const tsri_layer *w)
{
    size_t hidden = c->d->config.hidden, n_experts = c->d->config.n_experts;
    tsri_for_rows(c, c->n, router_input_row, w->router_scale);
    tsr_matmul(c->pool, &w->router, c->x, hidden, c->n, c->moe.probs, n_experts);
    tsri_for_rows(c, c->n, choose_row, w->expert_scale);
}

/* Counting sort of all (row, place) pairs by expert; rows stay in order inside a group. */
static void group_by_expert(tsr_context *c)
{
    const tsr_text_config *cfg = &c->d->config;
    size_t n_pairs = c->n * cfg->top_k, *start = c->moe.start;
    memset(start, 0, (cfg->n_experts + 1) * sizeof *start);
    for (size_t i = 0; i < n_pairs; i++)
        start[c->moe.chosen[i] + 1]++;
    for (size_t e = 0; e < cfg->n_experts; e++)
        start[e + 1] += start[e];
    for (size_t i = 0; i < n_pairs; i++)
        c->moe.order[start[c->moe.chosen[i]]++] = i;
    /* start[e] has moved to the end of group e, which is the start of group e + 1. */
    memmove(start + 1, start, cfg->n_experts * sizeof *start);
    start[0] = 0;
}

static void gather_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const size_t *pairs = arg;
    size_t hidden = c->d->config.hidden, row = pairs[r] / c->d->config.top_k;
    (void)scratch;
    memcpy(c->moe.in + r * hidden, c->x + row * hidden, hidden * sizeof *c->x);
}

static void add_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const size_t *pairs = arg;
    size_t hidden = c->d->config.hidden, row = pairs[r] / c->d->config.top_k;
    (void)scratch;
    tsr_axpy(c->moe.sum + row * hidden, c->moe.weight[pairs[r]], c->moe.out + r * hidden, hidden);
}

/* The gate and up rows of one expert, from one tensor or from two. */
static void input_views(const tsri_layer *w, size_t e, size_t width, tsr_view *gate, tsr_view *up)
{
    if (w->experts_gate.data) {
        *gate = tsr_view_slice(&w->experts_gate, e);
        *up = tsr_view_slice(&w->experts_up, e);
        return;
    }
    tsr_view both = tsr_view_slice(&w->experts_in, e);
    *gate = tsr_view_take_rows(&both, 0, width);
    *up = tsr_view_take_rows(&both, width, width);
}

/* Gate and up are two products also where they lie together: the bits don't depend on the file's form. */
static void run_expert(tsr_context *c, const tsri_layer *w, size_t e)
{
    const tsr_text_config *cfg = &c->d->config;
    size_t hidden = cfg->hidden, width = cfg->expert_width;
    const size_t *pairs = c->moe.order + c->moe.start[e];
    size_t n = c->moe.start[e + 1] - c->moe.start[e];
    tsr_view gate, up, out = tsr_view_slice(&w->experts_out, e);
    input_views(w, e, width, &gate, &up);
    tsri_for_rows(c, n, gather_row, pairs);
    tsr_mlp mlp = {.gate = &gate, .up = &up, .down = &out};
    tsr_mlp_run(c->pool, &mlp, c->moe.in, hidden, n, c->moe.out, hidden, c->moe.mid);
    tsri_for_rows(c, n, add_row, pairs);
}

void tsri_moe(tsr_context *c, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    route(c, w);
    group_by_expert(c);
    tsri_norm_rows(c, c->x, c->h, w->pre_ffn_norm_2);
    memset(c->moe.sum, 0, c->n * c->d->config.hidden * sizeof *c->moe.sum);
    for (size_t e = 0; e < c->d->config.n_experts; e++)
        if (c->moe.start[e + 1] > c->moe.start[e])
            run_expert(c, w, e);
    tsri_norm_rows(c, c->moe.sum, c->moe.sum, w->post_ffn_norm_2);
    tsri_add_rows(c, c->y, c->moe.sum);
}
