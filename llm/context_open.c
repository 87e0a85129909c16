/* context_open.c: what one conversation takes is planned and had when it opens: the cache in the type asked
 * for, and scratch for the rows of a chunk. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_alloc.h"

static const size_t MAX_CTX_TOKENS = (size_t)1 << 30;

tsr_context_opts tsr_context_opts_default(void)
{
    return (tsr_context_opts){.ctx_tokens = 4096, .max_chunk = 512, .max_block = 512, .kv_type = TSR_KV_CHOSEN};
}

static tsr_status check_opts(const tsr_context_opts *o, tsr_error *err)
{
    if (o->ctx_tokens == 0 || o->ctx_tokens > MAX_CTX_TOKENS)
        return tsr_fail(err, TSR_ERR_USAGE, "context: %zu positions asked for; expected 1 to %zu", o->ctx_tokens,
                        MAX_CTX_TOKENS);
    if (o->max_chunk == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "context: a chunk of 0 tokens was asked for");
    return TSR_OK;
}

/* ---- the cache ---- */

/* The largest magnitude that a key or value of layer l can have. Normed rows have at most sqrt(head_dim);
 * keys are then weighed, and turning moves length between two values. NaN and infinite weights count as 0:
 * they are found when they are met. */
static double kv_bound(const tsr_decoder *d, size_t l)
{
    size_t dim = d->config.layers[l].head_dim;
    double top = 1.0;
    for (size_t i = 0; i < dim; i++) {
        double w = fabs((double)d->layers[l].k_norm[i]);
        if (isfinite(w) && w > top)
            top = w;
    }
    return top * sqrt((double)dim);
}

/* The first layer whose keys or values `type` cannot hold; n_layers where there is none. */
static size_t first_too_large(const tsr_decoder *d, tsr_type type)
{
    for (size_t l = 0; l < d->config.n_layers; l++)
        if (d->config.layers[l].has_kv && kv_bound(d, l) > tsr_row_limit(type))
            return l;
    return d->config.n_layers;
}

tsr_type tsr_decoder_kv_type(const tsr_decoder *d)
{
    bool all_f32 = true;
    for (size_t l = 0; l < d->config.n_layers; l++)
        if (d->config.layers[l].has_kv)
            all_f32 = all_f32 && d->layers[l].k.type == TSR_F32;
    return all_f32 || first_too_large(d, TSR_F16) < d->config.n_layers ? TSR_F32 : TSR_F16;
}

static tsr_status check_kv_type(const tsr_decoder *d, tsr_type type, tsr_error *err)
{
    size_t l = tsr_kv_type_name(type) ? first_too_large(d, type) : d->config.n_layers;
    if (l == d->config.n_layers)
        return TSR_OK; /* an unknown type is the cache's to refuse */
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "key/value cache: keys of layer %zu can be as large as %g, and %s ends at "
                    "%g; use f32", l, kv_bound(d, l), tsr_kv_type_name(type), tsr_row_limit(type));
}

/* One for each layer; the caller's (tsr_free). NULL when memory is short. */
static tsr_kv_layer_spec *make_specs(const tsr_text_config *cfg, size_t slack)
{
    tsr_kv_layer_spec *specs = tsr_calloc(cfg->n_layers, sizeof *specs);
    for (size_t i = 0; specs && i < cfg->n_layers; i++) {
        const tsr_layer_config *l = &cfg->layers[i];
        specs[i].n_kv_heads = l->has_kv ? l->n_kv_heads : 0;
        specs[i].head_dim = l->head_dim;
        specs[i].window = l->type == TSR_LAYER_SLIDING ? cfg->window : 0;
        specs[i].slack = slack;
    }
    return specs;
}

/* Open the cache into *kv, or where kv is NULL only count its bytes. `o` has passed settle_opts. */
static tsr_status make_cache(tsr_kv_cache **kv, size_t *bytes, const tsr_decoder *d, const tsr_context_opts *o,
                             size_t max_rows, tsr_error *err)
{
    size_t n = d->config.n_layers;
    tsr_kv_layer_spec *specs = make_specs(&d->config, o->slack);
    if (!specs)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: key/value cache of %zu layers", n);
    tsr_status st = kv ? tsr_kv_cache_open(kv, specs, n, o->ctx_tokens, max_rows, o->kv_type, err)
                       : tsr_kv_cache_plan(bytes, specs, n, o->ctx_tokens, max_rows, o->kv_type, err);
    tsr_free(specs);
    return st;
}

/* Check options, put in what is to be chosen, and find the most rows at once. */
static tsr_status settle_opts(tsr_context_opts *o, size_t *max_rows, const tsr_decoder *d, tsr_error *err)
{
    tsr_status st = check_opts(o, err);
    if (st != TSR_OK)
        return st;
    if (o->kv_type == TSR_KV_CHOSEN)
        o->kv_type = tsr_decoder_kv_type(d);
    *max_rows = d->config.bidirectional_vision && o->max_block > o->max_chunk ? o->max_block : o->max_chunk;
    if (*max_rows > o->ctx_tokens)
        *max_rows = o->ctx_tokens;
    return check_kv_type(d, o->kv_type, err);
}

tsr_status tsr_context_plan_cache(size_t *bytes, const tsr_decoder *d, const tsr_context_opts *opts, tsr_error *err)
{
    tsr_context_opts o = opts ? *opts : tsr_context_opts_default();
    size_t max_rows;
    *bytes = 0;
    tsr_status st = settle_opts(&o, &max_rows, d, err);
    return st == TSR_OK ? make_cache(NULL, bytes, d, &o, max_rows, err) : st;
}

/* ---- scratch ---- */

/* The widest layer in each respect. */
typedef struct widths {
    size_t q, kv, ffn;
} widths;

static widths find_widths(const tsr_text_config *cfg)
{
    widths w = {0, 0, 0};
    for (size_t i = 0; i < cfg->n_layers; i++) {
        const tsr_layer_config *l = &cfg->layers[i];
        size_t q = cfg->n_heads * l->head_dim, kv = l->has_kv ? l->n_kv_heads * l->head_dim : 0;
        w.q = q > w.q ? q : w.q;
        w.kv = kv > w.kv ? kv : w.kv;
        w.ffn = l->ffn_width > w.ffn ? l->ffn_width : w.ffn;
    }
    return w;
}

/* One scratch array of `rows` x `cols` elements, which the context owns; the first failure sticks. */
static void plan(tsr_context *c, void *out, size_t rows, size_t cols, size_t size, tsr_status *st, tsr_error *err)
{
    size_t n;
    if (*st != TSR_OK)
        return;
    if (!tsr_mul_size(&n, rows, cols) || n > SIZE_MAX / size ||
        !tsr_add_size(&c->scratch_bytes, c->scratch_bytes, n * size)) {
        *st = tsr_fail(err, TSR_ERR_LIMIT, "context: scratch of %zu x %zu values does not fit in memory", rows, cols);
        return;
    }
    assert(c->n_blocks < TSRI_BLOCKS_MOST);
    *st = tsr_alloc_array(out, n, size, "decoder scratch", err);
    if (*st == TSR_OK) {
        tsri_block *b = &c->blocks[c->n_blocks++];
        memcpy(&b->at, out, sizeof b->at);
        b->row_bytes = cols * size;
    }
}

static tsr_status open_moe_scratch(tsr_context *c, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    tsri_moe_scratch *m = &c->moe;
    size_t n = c->max_rows;
    tsr_status st = TSR_OK;
    if (cfg->n_experts == 0)
        return TSR_OK;
    plan(c, &m->probs, n, cfg->n_experts, sizeof *m->probs, &st, err);
    plan(c, &m->chosen, n, cfg->top_k, sizeof *m->chosen, &st, err);
    plan(c, &m->weight, n, cfg->top_k, sizeof *m->weight, &st, err);
    plan(c, &m->order, n, cfg->top_k, sizeof *m->order, &st, err);
    plan(c, &m->start, 1, cfg->n_experts + 1, sizeof *m->start, &st, err);
    plan(c, &m->in, n, cfg->hidden, sizeof *m->in, &st, err);
    plan(c, &m->mid, n, 2 * cfg->expert_width, sizeof *m->mid, &st, err);
    plan(c, &m->out, n, cfg->hidden, sizeof *m->out, &st, err);
    plan(c, &m->sum, n, cfg->hidden, sizeof *m->sum, &st, err);
    return st;
}

static tsr_status open_scratch(tsr_context *c, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    widths w = find_widths(cfg);
    size_t n = c->max_rows, logit_rows = n < TSRI_LOGIT_ROWS ? n : TSRI_LOGIT_ROWS;
    tsr_status st = TSR_OK;
    plan(c, &c->pos, n, 1, sizeof *c->pos, &st, err);
    plan(c, &c->key_end, n, 1, sizeof *c->key_end, &st, err);
    plan(c, &c->wanted, n, 1, sizeof *c->wanted, &st, err);
    plan(c, &c->bad, n, 1, sizeof *c->bad, &st, err);
    plan(c, &c->h, n, cfg->hidden, sizeof *c->h, &st, err);
    plan(c, &c->x, n, cfg->hidden, sizeof *c->x, &st, err);
    plan(c, &c->y, n, cfg->hidden, sizeof *c->y, &st, err);
    plan(c, &c->q, n, w.q, sizeof *c->q, &st, err);
    plan(c, &c->attn, n, w.q, sizeof *c->attn, &st, err);
    plan(c, &c->k, n, w.kv, sizeof *c->k, &st, err);
    plan(c, &c->v, n, w.kv, sizeof *c->v, &st, err);
    plan(c, &c->mid, n, 2 * w.ffn, sizeof *c->mid, &st, err);
    plan(c, &c->logits, logit_rows, cfg->vocab, sizeof *c->logits, &st, err);
    if (cfg->ple_dim) {
        size_t split = c->d->last_kv_layer;
        plan(c, &c->ple[0], n, split * cfg->ple_dim, sizeof(float), &st, err);
        plan(c, &c->ple[1], n, (cfg->n_layers - split) * cfg->ple_dim, sizeof(float), &st, err);
        plan(c, &c->kept, n, 1, sizeof *c->kept, &st, err);
        plan(c, &c->ple_mid, n, cfg->ple_dim, sizeof *c->ple_mid, &st, err);
    }
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        plan(c, &c->rope[t].cos, n, cfg->rope[t].n_rotated, sizeof(float), &st, err);
        plan(c, &c->rope[t].sin, n, cfg->rope[t].n_rotated, sizeof(float), &st, err);
    }
    return st == TSR_OK ? open_moe_scratch(c, err) : st;
}

tsr_status tsr_context_open(tsr_context **out, const tsr_decoder *d, tsr_pool *pool, const tsr_context_opts *opts,
                            tsr_error *err)
{
    tsr_context_opts o = opts ? *opts : tsr_context_opts_default();
    size_t max_rows;
    *out = NULL;
    tsr_status st = settle_opts(&o, &max_rows, d, err);
    if (st != TSR_OK)
        return st;
    tsr_context *c = tsr_calloc(1, sizeof *c);
    if (!c)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: context");
    c->d = d;
    c->pool = pool;
    c->opts = o;
    c->max_rows = max_rows;
    if ((st = make_cache(&c->kv, NULL, d, &o, max_rows, err)) != TSR_OK || (st = open_scratch(c, err)) != TSR_OK) {
        tsr_context_close(c);
        return st;
    }
    *out = c;
    return TSR_OK;
}

void tsr_context_close(tsr_context *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_blocks; i++)
        tsr_free(c->blocks[i].at);
    tsr_kv_cache_close(c->kv);
    tsr_free(c);
}

size_t tsr_context_tokens(const tsr_context *c)
{
    return tsr_kv_tokens(c->kv);
}

size_t tsr_context_capacity(const tsr_context *c)
{
    return c->opts.ctx_tokens;
}

size_t tsr_context_cache_bytes(const tsr_context *c)
{
    return tsr_kv_bytes(c->kv);
}

tsr_type tsr_context_kv_type(const tsr_context *c)
{
    return c->opts.kv_type;
}

size_t tsr_context_scratch_bytes(const tsr_context *c)
{
    return c->scratch_bytes;
}

void tsr_context_reset(tsr_context *c)
{
    tsr_kv_reset(c->kv);
}

tsr_status tsr_context_truncate(tsr_context *c, size_t n, tsr_error *err)
{
    size_t held = tsr_kv_tokens(c->kv);
    if (n > held)
        return tsr_fail(err, TSR_ERR_USAGE, "context: %zu positions to keep, but only %zu are held", n, held);
    if (!tsr_kv_truncate(c->kv, n))
        return tsr_fail(err, TSR_ERR_LIMIT, "context: the window before position %zu is no longer held (%zu positions are)",
                        n, held);
    return TSR_OK;
}
