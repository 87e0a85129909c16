/* context.c: one conversation. A prompt is checked as a whole, then goes through the layers in
 * chunks; a token is a chunk of one. */
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"

static const size_t MAX_CTX_TOKENS = (size_t)1 << 30;

/* ---- opening ---- */

tsr_context_opts tsr_context_opts_default(void)
{
    return (tsr_context_opts){.ctx_tokens = 4096, .max_chunk = 512, .max_block = 512, .kv_type = TSR_F32};
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

static tsr_status open_cache(tsr_context *c, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    tsr_kv_layer_spec *specs = tsr_calloc(cfg->n_layers, sizeof *specs);
    if (!specs)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: key/value cache of %zu layers", cfg->n_layers);
    for (size_t i = 0; i < cfg->n_layers; i++) {
        const tsr_layer_config *l = &cfg->layers[i];
        specs[i].n_kv_heads = l->has_kv ? l->n_kv_heads : 0;
        specs[i].head_dim = l->head_dim;
        specs[i].window = l->type == TSR_LAYER_SLIDING ? cfg->window : 0;
    }
    tsr_status st =
        tsr_kv_cache_open(&c->kv, specs, cfg->n_layers, c->opts.ctx_tokens, c->max_rows, c->opts.kv_type, err);
    tsr_free(specs);
    return st;
}

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

/* One scratch array of `rows` x `cols` elements; the first failure sticks. */
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
    *st = tsr_alloc_array(out, n, size, "decoder scratch", err);
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
    plan(c, &c->h, n, cfg->hidden, sizeof *c->h, &st, err);
    plan(c, &c->x, n, cfg->hidden, sizeof *c->x, &st, err);
    plan(c, &c->y, n, cfg->hidden, sizeof *c->y, &st, err);
    plan(c, &c->q, n, w.q, sizeof *c->q, &st, err);
    plan(c, &c->attn, n, w.q, sizeof *c->attn, &st, err);
    plan(c, &c->k, n, w.kv, sizeof *c->k, &st, err);
    plan(c, &c->v, n, w.kv, sizeof *c->v, &st, err);
    plan(c, &c->gate, n, w.ffn, sizeof *c->gate, &st, err);
    plan(c, &c->up, n, w.ffn, sizeof *c->up, &st, err);
    plan(c, &c->logits, logit_rows, cfg->vocab, sizeof *c->logits, &st, err);
    if (cfg->ple_dim) {
        plan(c, &c->ple, n, cfg->n_layers * cfg->ple_dim, sizeof *c->ple, &st, err);
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
    *out = NULL;
    tsr_status st = check_opts(&o, err);
    if (st != TSR_OK)
        return st;
    tsr_context *c = tsr_calloc(1, sizeof *c);
    if (!c)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: context");
    c->d = d;
    c->pool = pool;
    c->opts = o;
    c->max_rows = d->config.bidirectional_vision && o.max_block > o.max_chunk ? o.max_block : o.max_chunk;
    if (c->max_rows > o.ctx_tokens)
        c->max_rows = o.ctx_tokens;
    if ((st = open_cache(c, err)) != TSR_OK || (st = open_scratch(c, err)) != TSR_OK) {
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
    void *const owned[] = {c->pos,       c->key_end,     c->wanted,      c->h,          c->x,        c->y,
                           c->q,         c->attn,        c->k,           c->v,          c->gate,     c->up,
                           c->logits,    c->ple,         c->ple_mid,     c->moe.probs,  c->moe.chosen, c->moe.weight,
                           c->moe.order, c->moe.start,   c->moe.in,      c->moe.mid,    c->moe.out,  c->moe.sum};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        tsr_free(owned[i]);
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        tsr_free(c->rope[t].cos);
        tsr_free(c->rope[t].sin);
    }
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

/* ---- checking an input ---- */

static tsr_token_kind kind_at(const tsr_input *in, size_t i)
{
    return in->kinds ? (tsr_token_kind)in->kinds[i] : TSR_TOKEN_TEXT;
}

static tsr_status check_tokens(const tsr_context *c, const tsr_input *in, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    for (size_t i = 0; i < in->n; i++) {
        if (in->kinds && in->kinds[i] > TSR_TOKEN_AUDIO)
            return tsr_fail(err, TSR_ERR_USAGE, "input: position %zu has the unknown kind %u", i, (unsigned)in->kinds[i]);
        if (kind_at(in, i) != TSR_TOKEN_TEXT)
            continue;
        if (in->ids[i] < 0 || (size_t)in->ids[i] >= cfg->vocab)
            return tsr_fail(err, TSR_ERR_USAGE, "input: position %zu has the id %ld; the vocabulary has %zu", i,
                            (long)in->ids[i], cfg->vocab);
        if (cfg->ple_dim && (size_t)in->ids[i] >= cfg->ple_vocab)
            return tsr_fail(err, TSR_ERR_USAGE, "input: position %zu has the id %ld; the per-layer table has %zu rows", i,
                            (long)in->ids[i], cfg->ple_vocab);
    }
    return TSR_OK;
}

static tsr_status check_span(const tsr_context *c, const tsr_input *in, const tsr_soft_span *s, tsr_error *err)
{
    size_t hidden = c->d->config.hidden;
    if (s->n == 0 || s->at >= in->n || s->n > in->n - s->at)
        return tsr_fail(err, TSR_ERR_USAGE, "input: soft rows at %zu, %zu of them, do not lie in %zu positions", s->at,
                        s->n, in->n);
    for (size_t i = 0; i < s->n; i++) {
        if (kind_at(in, s->at + i) == TSR_TOKEN_TEXT)
            return tsr_fail(err, TSR_ERR_USAGE, "input: position %zu is text but has a soft row", s->at + i);
        for (size_t k = 0; k < hidden; k++)
            if (!isfinite(s->rows[i * hidden + k]))
                return tsr_fail(err, TSR_ERR_DATA, "input: the soft row of position %zu is not finite at %zu", s->at + i,
                                k);
    }
    return TSR_OK;
}

static tsr_status check_spans(const tsr_context *c, const tsr_input *in, tsr_error *err)
{
    size_t n_soft = 0, covered = 0, end = 0;
    for (size_t i = 0; i < in->n; i++)
        n_soft += kind_at(in, i) != TSR_TOKEN_TEXT;
    for (size_t i = 0; i < in->n_soft; i++) {
        if (in->soft[i].at < end)
            return tsr_fail(err, TSR_ERR_USAGE, "input: soft rows at %zu overlap or are not in order", in->soft[i].at);
        tsr_status st = check_span(c, in, &in->soft[i], err);
        if (st != TSR_OK)
            return st;
        end = in->soft[i].at + in->soft[i].n;
        covered += in->soft[i].n;
    }
    if (covered != n_soft)
        return tsr_fail(err, TSR_ERR_USAGE, "input: %zu positions are soft, but there are %zu rows", n_soft, covered);
    return TSR_OK;
}

/* One past the run of vision tokens that position i lies in; i + 1 where there is none. */
static size_t block_end(const tsr_context *c, const tsr_input *in, size_t i)
{
    if (!c->d->config.bidirectional_vision || kind_at(in, i) != TSR_TOKEN_VISION)
        return i + 1;
    while (i < in->n && kind_at(in, i) == TSR_TOKEN_VISION)
        i++;
    return i;
}

static tsr_status check_blocks(const tsr_context *c, const tsr_input *in, tsr_error *err)
{
    for (size_t i = 0; i < in->n;) {
        size_t end = block_end(c, in, i);
        if (end - i > c->max_rows)
            return tsr_fail(err, TSR_ERR_LIMIT, "input: %zu vision tokens from position %zu belong together; this context "
                            "takes at most %zu (max_block)", end - i, i, c->max_rows);
        i = end;
    }
    return TSR_OK;
}

static tsr_status check_input(const tsr_context *c, const tsr_input *in, tsr_error *err)
{
    size_t held = tsr_kv_tokens(c->kv);
    tsr_status st;
    if (in->n == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "input: no positions");
    if (in->n > c->opts.ctx_tokens - held)
        return tsr_fail(err, TSR_ERR_LIMIT, "context: %zu positions are held and %zu would come; it has room for %zu", held,
                        in->n, c->opts.ctx_tokens);
    if ((st = check_tokens(c, in, err)) != TSR_OK || (st = check_spans(c, in, err)) != TSR_OK)
        return st;
    return check_blocks(c, in, err);
}

/* ---- one chunk ---- */

/* A chunk of an input at work. */
typedef struct chunk {
    const tsr_input *in;
    const tsr_prefill_sink *sink;
    size_t start, n; /* its positions, counted from the input's start */
    size_t held;     /* positions before the input */
    bool drop;       /* rows whose logits nobody wants go no further than they must */
    float *logits;   /* where a single row's logits go; NULL: through the sink */
} chunk;

/* Where the next chunk ends: not inside a block. */
static size_t chunk_end(const tsr_context *c, const tsr_input *in, size_t start)
{
    size_t end = start;
    while (end < in->n) {
        size_t next = block_end(c, in, end);
        if (next - start > c->opts.max_chunk && end > start)
            break;
        end = next;
        if (end - start >= c->opts.max_chunk)
            break;
    }
    return end;
}

static void load_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const chunk *ch = arg;
    size_t hidden = c->d->config.hidden;
    float *h = c->h + r * hidden;
    (void)scratch;
    if (kind_at(ch->in, ch->start + r) != TSR_TOKEN_TEXT)
        return;
    tsr_view_decode(&c->d->embed, (size_t)ch->in->ids[ch->start + r], 0, hidden, h);
    for (size_t i = 0; i < hidden; i++)
        h[i] *= c->d->embed_scale;
}

static void load_soft(tsr_context *c, const chunk *ch)
{
    size_t hidden = c->d->config.hidden;
    for (size_t i = 0; i < ch->in->n_soft; i++) {
        const tsr_soft_span *s = &ch->in->soft[i];
        size_t from = s->at > ch->start ? s->at : ch->start;
        size_t to = s->at + s->n < ch->start + ch->n ? s->at + s->n : ch->start + ch->n;
        if (from < to)
            memcpy(c->h + (from - ch->start) * hidden, s->rows + (from - s->at) * hidden,
                   (to - from) * hidden * sizeof *c->h);
    }
}

static void load_chunk(tsr_context *c, const chunk *ch)
{
    size_t end = 0; /* of the block, counted from the input's start */
    c->n = ch->n;
    for (size_t r = 0; r < ch->n; r++) {
        size_t at = ch->start + r;
        if (at >= end)
            end = block_end(c, ch->in, at);
        c->pos[r] = ch->held + at;
        c->key_end[r] = ch->held + end;
        c->wanted[r] = ch->in->wanted ? ch->in->wanted[at] != 0 : at + 1 == ch->in->n;
    }
    tsri_for_rows(c, c->n, load_row, ch);
    load_soft(c, ch);
    tsri_rope_fill(c);
    if (c->d->config.ple_dim)
        tsri_ple_prepare(c, ch->in->ids + ch->start, ch->in->kinds ? ch->in->kinds + ch->start : NULL);
}

/* Only the wanted rows stay. */
static void drop_rows(tsr_context *c)
{
    size_t hidden = c->d->config.hidden, ple = c->d->config.n_layers * c->d->config.ple_dim, n = 0;
    for (size_t r = 0; r < c->n; r++) {
        if (!c->wanted[r])
            continue;
        c->pos[n] = c->pos[r];
        c->key_end[n] = c->key_end[r];
        c->wanted[n] = true;
        memmove(c->h + n * hidden, c->h + r * hidden, hidden * sizeof *c->h);
        memmove(c->x + n * hidden, c->x + r * hidden, hidden * sizeof *c->x);
        if (ple)
            memmove(c->ple + n * ple, c->ple + r * ple, ple * sizeof *c->ple);
        n++;
    }
    if (n == c->n)
        return;
    c->n = n;
    tsri_rope_fill(c);
}

static void run_layer(tsr_context *c, const chunk *ch, size_t l)
{
    const tsri_layer *w = &c->d->layers[l];
    tsri_norm_rows(c, c->x, c->h, w->input_norm);
    if (c->d->config.layers[l].has_kv)
        tsri_attention_keys(c, l);
    if (l == c->d->last_kv_layer && ch->drop)
        drop_rows(c);
    if (c->n == 0)
        return;
    tsri_attention_queries(c, l);
    tsri_add_normed_rows(c, c->h, c->y, w->post_attn_norm);
    tsri_ffn(c, l);
    if (c->d->config.ple_dim)
        tsri_ple_layer(c, l);
    tsri_scale_rows(c, c->h, w->scalar[0]);
}

static tsr_status show_hidden(const tsr_context *c, const chunk *ch, size_t stage)
{
    if (!ch->sink || !ch->sink->on_hidden)
        return TSR_OK;
    return ch->sink->on_hidden(ch->sink->user, stage, ch->start, c->n, c->h);
}

static tsr_status run_layers(tsr_context *c, const chunk *ch)
{
    tsr_status st = show_hidden(c, ch, 0);
    for (size_t l = 0; l < c->d->config.n_layers && c->n && st == TSR_OK; l++) {
        run_layer(c, ch, l);
        st = show_hidden(c, ch, l + 1);
    }
    return st;
}

/* ---- logits ---- */

typedef struct cap_job {
    float *logits;
    size_t n;
    float cap;
} cap_job;

enum { CAP_BLOCK = 4096 };

static void cap_block(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const cap_job *j = ctx;
    (void)worker;
    (void)scratch;
    size_t end = (item + 1) * CAP_BLOCK < j->n ? (item + 1) * CAP_BLOCK : j->n;
    for (size_t i = item * CAP_BLOCK; i < end; i++)
        j->logits[i] = tanhf(j->logits[i] / j->cap) * j->cap;
}

/* out [n, vocab]: logits of the first n rows of c->x after the soft-cap. */
static void make_logits(tsr_context *c, size_t n, float *out)
{
    const tsr_text_config *cfg = &c->d->config;
    cap_job j = {.logits = out, .n = n * cfg->vocab, .cap = cfg->soft_cap};
    tsr_matmul(c->pool, &c->d->output, c->x, cfg->hidden, n, out, cfg->vocab);
    if (cfg->soft_cap > 0.0f)
        tsr_pool_run(c->pool, (j.n + CAP_BLOCK - 1) / CAP_BLOCK, cap_block, &j);
}

static tsr_status check_logits(const tsr_context *c, const float *logits, size_t pos, tsr_error *err)
{
    for (size_t i = 0; i < c->d->config.vocab; i++)
        if (!isfinite(logits[i]))
            return tsr_fail(err, TSR_ERR_MODEL, "the logits of position %zu are not finite (first at id %zu)", pos, i);
    return TSR_OK;
}

/* The rows whose final norms lie in c->x, `rows` of c->n; pos_of says where. */
static tsr_status give_logits(tsr_context *c, const chunk *ch, const size_t *rows, size_t n, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    const tsr_prefill_sink *sink = ch->sink;
    float *out = ch->logits ? ch->logits : c->logits;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK && sink && sink->on_hidden; i++)
        st = sink->on_hidden(sink->user, cfg->n_layers + 1, c->pos[rows[i]] - ch->held, 1, c->x + i * cfg->hidden);
    if (st != TSR_OK || (!ch->logits && !(sink && sink->on_logits)))
        return st;
    make_logits(c, n, out);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        size_t pos = c->pos[rows[i]];
        st = check_logits(c, out + i * cfg->vocab, pos, err);
        if (st == TSR_OK && !ch->logits)
            st = sink->on_logits(sink->user, pos - ch->held, out + i * cfg->vocab);
    }
    return st;
}

static tsr_status run_logits(tsr_context *c, const chunk *ch, tsr_error *err)
{
    const tsr_text_config *cfg = &c->d->config;
    size_t rows[TSRI_LOGIT_ROWS], n = 0;
    tsr_status st = TSR_OK;
    for (size_t r = 0; r < c->n && st == TSR_OK; r++) {
        if (c->wanted[r]) {
            tsr_rms_norm(c->x + n * cfg->hidden, c->h + r * cfg->hidden, c->d->norm, cfg->hidden, cfg->eps);
            rows[n++] = r;
        }
        if (n && (n == TSRI_LOGIT_ROWS || r + 1 == c->n)) {
            st = give_logits(c, ch, rows, n, err);
            n = 0;
        }
    }
    return st;
}

/* ---- entry points ---- */

static tsr_status run_chunk(tsr_context *c, const chunk *ch, tsr_error *err)
{
    tsr_kv_reserve(c->kv, ch->n);
    load_chunk(c, ch);
    tsr_status st = run_layers(c, ch);
    if (st != TSR_OK)
        return st;
    tsr_kv_commit(c->kv, ch->n);
    if ((st = run_logits(c, ch, err)) != TSR_OK)
        return st;
    if (ch->sink && ch->sink->on_progress)
        st = ch->sink->on_progress(ch->sink->user, ch->start + ch->n, ch->in->n);
    return st;
}

tsr_status tsr_context_prefill(tsr_context *c, const tsr_input *input, const tsr_prefill_sink *sink, tsr_error *err)
{
    tsr_status st = check_input(c, input, err);
    chunk ch = {.in = input, .sink = sink, .held = tsr_kv_tokens(c->kv)};
    ch.drop = !c->opts.keep_all && !(sink && sink->on_hidden);
    while (st == TSR_OK && ch.start < input->n) {
        ch.n = chunk_end(c, input, ch.start) - ch.start;
        st = run_chunk(c, &ch, err);
        ch.start += ch.n;
    }
    if (st != TSR_OK && err && err->status == TSR_OK)
        tsr_fail(err, st, "prefill stopped by its caller");
    return st;
}

tsr_status tsr_context_step(tsr_context *c, int32_t id, float *logits, tsr_error *err)
{
    uint8_t wanted = logits != NULL;
    tsr_input in = {.n = 1, .ids = &id, .wanted = &wanted};
    tsr_status st = check_input(c, &in, err);
    chunk ch = {.in = &in, .n = 1, .held = tsr_kv_tokens(c->kv), .drop = !c->opts.keep_all, .logits = logits};
    return st == TSR_OK ? run_chunk(c, &ch, err) : st;
}
