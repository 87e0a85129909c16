/* context.c: one conversation. A prompt is checked as a whole, then goes through the layers in
 * chunks; a token is a chunk of one. */
#include <math.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"

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
        tsri_ple_prepare(c, ch->in->ids + ch->start, ch->in->kinds ? ch->in->kinds + ch->start : NULL, ch->drop);
}

/* ---- layers ---- */

/* The earliest place where a row in flight stopped being finite; *row is the first one there. */
static tsri_place worst_place(const tsr_context *c, size_t *row)
{
    tsri_place place = TSRI_NOWHERE;
    for (size_t r = 0; r < c->n; r++)
        if (c->bad[r] != TSRI_NOWHERE && (place == TSRI_NOWHERE || c->bad[r] < (uint8_t)place)) {
            place = (tsri_place)c->bad[r];
            *row = r;
        }
    return place;
}

/* What the norms of layer l met. At its entry (l may be n_layers: the final norm) it is what came before. */
static tsr_status check_rows(const tsr_context *c, size_t l, tsr_error *err)
{
    static const char *const names[] = {[TSRI_IN_KEYS] = "in the keys and values", [TSRI_IN_ATTENTION] = "after attention",
                                        [TSRI_IN_FFN] = "after the feed-forward block",
                                        [TSRI_IN_PLE] = "after the per-layer embedding"};
    size_t row = 0;
    tsri_place place = worst_place(c, &row);
    if (place == TSRI_NOWHERE)
        return TSR_OK;
    if (place == TSRI_AT_ENTRY && l == 0)
        return tsr_fail(err, TSR_ERR_MODEL, "embedding: not a finite number at position %zu", c->pos[row]);
    if (place == TSRI_AT_ENTRY)
        return tsr_fail(err, TSR_ERR_MODEL, "layer %zu: not a finite number at its end, at position %zu", l - 1,
                        c->pos[row]);
    return tsr_fail(err, TSR_ERR_MODEL, "layer %zu: not a finite number %s, at position %zu", l, names[place],
                    c->pos[row]);
}

/* A prompt's scratch, but for n rows, isn't needed while its answer is made. */
static void give_back(tsr_context *c, size_t n)
{
    for (size_t i = 0; i < c->n_blocks; i++)
        tsr_alloc_give_back(c->blocks[i].at, n * c->blocks[i].row_bytes);
    tsr_pool_give_back(c->pool);
}

/* Only the wanted rows stay. last: no chunk follows. */
static void drop_rows(tsr_context *c, bool last)
{
    size_t hidden = c->d->config.hidden, n = 0;
    for (size_t r = 0; r < c->n; r++) {
        if (!c->wanted[r])
            continue;
        c->pos[n] = c->pos[r];
        c->key_end[n] = c->key_end[r];
        c->wanted[n] = true;
        memmove(c->h + n * hidden, c->h + r * hidden, hidden * sizeof *c->h);
        memmove(c->x + n * hidden, c->x + r * hidden, hidden * sizeof *c->x);
        n++;
    }
    if (n == c->n)
        return;
    c->n = n;
    tsri_rope_fill(c);
    if (last)
        give_back(c, n);
}

static tsr_status run_layer(tsr_context *c, const chunk *ch, size_t l, tsr_error *err)
{
    const tsri_layer *w = &c->d->layers[l];
    memset(c->bad, TSRI_NOWHERE, c->n * sizeof *c->bad);
    c->place = TSRI_AT_ENTRY;
    tsri_norm_rows(c, c->x, c->h, w->input_norm);
    c->place = TSRI_IN_KEYS;
    bool drops = l == c->d->last_kv_layer && ch->drop, together = c->d->config.layers[l].has_kv && !drops;
    if (c->d->config.layers[l].has_kv)
        tsri_attention_keys(c, l, together);
    if (drops) {
        tsr_status st = check_rows(c, l, err); /* before rows go */
        if (st != TSR_OK)
            return st;
        drop_rows(c, ch->start + ch->n == ch->in->n);
    }
    if (c->n == 0)
        return TSR_OK;
    c->place = TSRI_IN_ATTENTION;
    tsri_attention_queries(c, l, together);
    tsri_add_normed_rows(c, c->h, c->y, w->post_attn_norm);
    tsri_ffn(c, l);
    c->place = TSRI_IN_PLE;
    if (c->d->config.ple_dim)
        tsri_ple_layer(c, l);
    tsri_scale_rows(c, c->h, w->scalar[0]);
    return check_rows(c, l, err);
}

static tsr_status show_hidden(const tsr_context *c, const chunk *ch, size_t stage)
{
    if (!ch->sink || !ch->sink->on_hidden)
        return TSR_OK;
    return ch->sink->on_hidden(ch->sink->user, stage, ch->start, c->n, c->h);
}

static tsr_status run_layers(tsr_context *c, const chunk *ch, tsr_error *err)
{
    tsr_status st = show_hidden(c, ch, 0);
    for (size_t l = 0; l < c->d->config.n_layers && c->n && st == TSR_OK; l++) {
        st = run_layer(c, ch, l, err);
        if (st == TSR_OK)
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
    tsr_soft_cap(j->logits + item * CAP_BLOCK, j->cap, end - item * CAP_BLOCK);
}

_Static_assert((int)TSRI_LOGIT_ROWS <= (int)TSR_FINE_ROWS, "all inputs of the output matrix are fine ones");

/* out [n, vocab]: logits of the first n rows of c->x after the soft-cap. What is rounded there shows in them as it is: two fifths of all
 * that rounding to int8 did to them came from this product. */
static void make_logits(tsr_context *c, size_t n, float *out)
{
    const tsr_text_config *cfg = &c->d->config;
    cap_job j = {.logits = out, .n = n * cfg->vocab, .cap = cfg->soft_cap};
    tsr_matmul_fine(c->pool, &c->d->output, c->x, cfg->hidden, n, out, cfg->vocab);
    if (cfg->soft_cap > 0.0f)
        tsr_pool_run(c->pool, (j.n + CAP_BLOCK - 1) / CAP_BLOCK, cap_block, &j);
}

static tsr_status check_logits(const tsr_context *c, const float *logits, size_t pos, tsr_error *err)
{
    for (size_t i = 0; i < c->d->config.vocab; i++)
        if (!isfinite(logits[i]))
            return tsr_fail(err, TSR_ERR_MODEL, "output: the logits of position %zu are not finite numbers, first that "
                            "of token %zu", pos, i);
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
    c->place = TSRI_AT_ENTRY;
    for (size_t r = 0; r < c->n && st == TSR_OK; r++) {
        if (c->wanted[r]) {
            tsri_note_row(c, r, tsr_rms_norm(c->x + n * cfg->hidden, c->h + r * cfg->hidden, c->d->norm, cfg->hidden,
                                             cfg->eps));
            rows[n++] = r;
        }
        if (n && (n == TSRI_LOGIT_ROWS || r + 1 == c->n)) {
            if ((st = check_rows(c, cfg->n_layers, err)) == TSR_OK)
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
    tsr_status st = run_layers(c, ch, err);
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
    if (input->n > 1)
        give_back(c, 1);
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
