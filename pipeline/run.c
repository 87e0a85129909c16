/* run.c: one request from file bytes to answer: plan, load, encode, prefill; run_answer.c generates. */
#include <string.h>

#include "budget.h"
#include "contact_sheet.h"
#include "prompt.h"
#include "run.h"
#include "run_internal.h"
#include "tsr_alloc.h"
#include "tsr_clock.h"
#include "tsr_kv_cache.h"

enum { DEFAULT_MAX_TOKENS = 1024, PREFILL_CHUNK = 512 };

typedef tsri_run_state run;

/* ---- the request ---- */

static bool is_budget(size_t b)
{
    return b == 0 || tsri_is_budget(b);
}

static tsr_status check_request(run *u)
{
    const tessera_request *rq = u->rq;
    bool has_content = u->whole.earlier != NULL;
    for (size_t i = u->whole.n_earlier; i < rq->n_parts; i++) {
        if ((unsigned)rq->parts[i].kind > (unsigned)TESSERA_PART_PDF)
            return tsr_fail(u->err, TSR_ERR_USAGE, "part %zu is of no known kind", i - u->whole.n_earlier);
        has_content = has_content || rq->parts[i].kind != TESSERA_PART_SYSTEM;
    }
    if (!has_content)
        return tsr_fail(u->err, TSR_ERR_USAGE, "the request has no part but system text");
    if (u->whole.n_earlier && (u->given || u->given_sound))
        return tsr_fail(u->err, TSR_ERR_USAGE, "no messages here: pictures and sounds are asked about one by one");
    if ((!is_budget(rq->budget) && rq->budget != TESSERA_BUDGET_AUTO) || !is_budget(rq->video_budget) || !is_budget(rq->max_budget))
        return tsr_fail(u->err, TSR_ERR_USAGE, "budget %zu (films %zu, at most %zu): known are 70, 140, 280, 560, 1120",
                        rq->budget, rq->video_budget, rq->max_budget);
    if (!(rq->start >= 0 && rq->start < 1e9) || !(rq->end >= 0 && rq->end < 1e9) || (rq->end > 0 && rq->end <= rq->start))
        return tsr_fail(u->err, TSR_ERR_USAGE, "start %g and end %g seconds are no part of a film", rq->start, rq->end);
    if (!(rq->max_audio_seconds >= 0 && rq->max_audio_seconds <= TSRI_MAX_SOUND_SECONDS))
        return tsr_fail(u->err, TSR_ERR_USAGE, "sound is limited to %d seconds per clip, not %g", TSRI_MAX_SOUND_SECONDS,
                        rq->max_audio_seconds);
    u->kv_type = rq->exact ? TSR_F32 : TSR_KV_CHOSEN;
    return rq->kv ? tsr_kv_type_parse(&u->kv_type, rq->kv, u->err) : TSR_OK;
}

static tsr_status set_products(run *u)
{
    u->r->products = u->rq->exact ? "exact" : "fast";
    return tsr_pool_set_products(u->m->pool, u->rq->exact ? TSR_PRODUCTS_EXACT : TSR_PRODUCTS_FAST, u->err);
}

/* ---- media and prompt ---- */

static size_t context_limit(const run *u)
{
    size_t most = tsri_model_config(u->m)->max_positions;
    return u->rq->ctx && (u->rq->ctx < most || most == 0) ? u->rq->ctx : most ? most : SIZE_MAX / 4;
}

static tsr_status build_prompt(run *u)
{
    tsr_prompt_deinit(&u->prompt);
    tsr_status st = tsri_prompt_build(&u->prompt, &u->media, u->err);
    return st == TSR_OK ? tsri_prompt_check_fit(&u->prompt, &u->media, context_limit(u), u->err) : st;
}

static tsr_status prepare_media(run *u)
{
    double t0 = tsr_clock_s();
    u->media = (tsri_media_list){.model = u->m, .rq = u->rq, .earlier = u->whole.earlier, .given = u->given,
                                 .given_sound = u->given_sound,
                                 .fn = u->fn, .user = u->user, .notes = u->r->notes};
    tsr_status st = u->session ? tsri_session_lend(u->session, &u->media, u->err) : TSR_OK;
    if (st == TSR_OK)
        st = tsri_media_plan(&u->media, u->err);
    if (st == TSR_OK && u->rq->contact_sheet)
        st = tsri_contact_sheet_check(&u->media, u->rq->contact_sheet, u->err);
    if (st == TSR_OK)
        st = build_prompt(u);
    if (st == TSR_OK)
        st = tsri_media_load(&u->media, u->err);
    if (st == TSR_OK && u->rq->contact_sheet)
        st = tsri_contact_sheet_write(&u->media, u->rq->contact_sheet, u->err);
    if (st == TSR_OK && u->media.changed) /* headers of sound are not exact */
        st = build_prompt(u);
    if (st == TSR_OK)
        st = tsri_dump_ids(&u->dump, "prompt_ids", u->prompt.ids.at, u->prompt.ids.n, u->err);
    double t1 = tsr_clock_s();
    if (st == TSR_OK)
        st = tsri_media_encode(&u->media, u->err);
    for (size_t i = u->media.n_kept; i < u->media.n && st == TSR_OK; i++) {
        st = tsri_dump_part(&u->dump, i, &u->media.at[i], tsri_model_config(u->m)->hidden, u->err);
        if (st == TSR_OK && !tsr_json_append(u->r->media, tsri_media_json(&u->media, &u->media.at[i])))
            st = tsr_fail(u->err, TSR_ERR_NOMEM, "out of memory: facts about media");
    }
    u->r->timings.open_media_s = t1 - t0;
    u->r->timings.encode_s = tsr_clock_s() - t1;
    u->r->prompt_tokens = u->prompt.ids.n;
    u->r->image_tokens = u->prompt.n_image;
    u->r->audio_tokens = u->prompt.n_audio;
    u->r->video_tokens = u->prompt.n_video;
    return st;
}

/* ---- prefill ---- */

typedef struct spans {
    tsr_soft_span *soft; /* [n_soft] that are not in the cache, counted from its end */
    size_t n_soft;
    uint8_t *kinds, *wanted;
} spans;

static void spans_deinit(spans *s)
{
    tsr_free(s->soft);
    tsr_free(s->kinds);
    tsr_free(s->wanted);
}

/* The prompt's spans with the rows that belong to them. */
static tsr_status make_spans(const run *u, spans *s)
{
    const tsr_prompt *p = &u->prompt;
    size_t hidden = tsri_model_config(u->m)->hidden;
    memset(s, 0, sizeof *s);
    tsr_status st = tsr_alloc_array(&s->soft, p->n_spans, sizeof *s->soft, "soft-token spans", u->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&s->kinds, p->ids.n, sizeof *s->kinds, "token kinds", u->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&s->wanted, p->ids.n, sizeof *s->wanted, "wanted positions", u->err);
    if (st != TSR_OK)
        return st;
    memset(s->kinds, TSR_TOKEN_TEXT, p->ids.n);
    memset(s->wanted, u->rq->dump && u->rq->dump_all_logits, p->ids.n);
    s->wanted[p->ids.n - 1] = 1;
    for (size_t i = 0; i < p->n_spans; i++) {
        const tsr_prompt_span *sp = &p->spans[i];
        const tsri_media *m = &u->media.at[sp->part];
        size_t first = sp->kind == TSR_PART_VIDEO ? sp->frame * m->tokens_each : 0;
        if (sp->start >= u->n_cached)
            s->soft[s->n_soft++] =
                (tsr_soft_span){.at = sp->start - u->n_cached, .n = sp->len, .rows = m->rows + first * hidden};
        memset(s->kinds + sp->start, sp->kind == TSR_PART_AUDIO ? TSR_TOKEN_AUDIO : TSR_TOKEN_VISION, sp->len);
    }
    return TSR_OK;
}

static tsr_status on_logits(void *user, size_t at, const float *logits)
{
    run *u = user;
    if (at + u->n_cached == u->prompt.ids.n - 1)
        memcpy(u->logits, logits, tsri_model_config(u->m)->vocab * sizeof *logits);
    return tsri_dump_logits(&u->dump, logits, u->err);
}

static tsr_status report(run *u, const char *stage, size_t done, size_t total)
{
    return tsri_media_report(&u->media, stage, done, total, u->err);
}

static tsr_status on_progress(void *user, size_t done, size_t total)
{
    return report(user, "prefill", done, total);
}

/* One that is kept has room for all that may come, and can take back an answer of any length. */
static void widen_for_session(const run *u, tsr_context_opts *o)
{
    o->ctx_tokens = context_limit(u);
    o->max_chunk = o->ctx_tokens < PREFILL_CHUNK ? o->ctx_tokens : PREFILL_CHUNK;
    o->max_block = o->max_block < PREFILL_CHUNK ? PREFILL_CHUNK : o->max_block;
    o->slack = tsri_or_size(u->rq->max_tokens, DEFAULT_MAX_TOKENS) + TSR_KV_SLACK;
}

static tsr_status open_context(run *u)
{
    tsr_context_opts o = tsr_context_opts_default();
    size_t limit = context_limit(u), n = u->prompt.ids.n;
    tsr_status st;
    u->max_tokens = tsri_or_size(u->rq->max_tokens, DEFAULT_MAX_TOKENS);
    if (u->max_tokens > limit - n)
        u->max_tokens = limit - n;
    o.ctx_tokens = n + u->max_tokens;
    o.max_chunk = n < PREFILL_CHUNK ? n : PREFILL_CHUNK;
    o.max_block = 1;
    for (size_t i = 0; i < u->prompt.n_spans; i++)
        if (u->prompt.spans[i].kind != TSR_PART_AUDIO && u->prompt.spans[i].len > o.max_block)
            o.max_block = u->prompt.spans[i].len;
    o.keep_all = u->rq->skip_unneeded < 0;
    o.kv_type = u->kv_type;
    if (u->session) {
        widen_for_session(u, &o);
        st = tsri_session_fit(u->session, u->m, &o, &u->prompt, &u->media, &u->n_cached, u->err);
        u->is_fitted = true;
        u->ctx = u->session->ctx;
    } else {
        st = tsr_context_open(&u->ctx, u->m->decoder, u->m->pool, &o, u->err);
    }
    u->r->cached_tokens = u->n_cached;
    if (st == TSR_OK)
        u->r->cache = (tsri_cache_facts){.type = tsr_kv_type_name(tsr_context_kv_type(u->ctx)),
                                         .positions = o.ctx_tokens, .bytes = tsr_context_cache_bytes(u->ctx)};
    return st;
}

static tsr_status prefill(run *u)
{
    spans s = {0};
    double t0 = tsr_clock_s();
    tsr_status st = open_context(u);
    if (st == TSR_OK)
        st = tsri_structure_begin(&u->structure, u->m, u->rq, u->max_tokens, u->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&u->logits, tsri_model_config(u->m)->vocab, sizeof *u->logits, "logits", u->err);
    if (st == TSR_OK)
        st = make_spans(u, &s);
    if (st == TSR_OK) {
        size_t from = u->n_cached;
        tsr_input in = {.n = u->prompt.ids.n - from, .ids = u->prompt.ids.at + from, .kinds = s.kinds + from,
                        .soft = s.soft, .n_soft = s.n_soft, .wanted = s.wanted + from};
        tsr_prefill_sink sink = {.user = u, .on_logits = on_logits, .on_progress = on_progress};
        st = tsr_context_prefill(u->ctx, &in, &sink, u->err);
    }
    spans_deinit(&s);
    u->r->timings.prefill_s = tsr_clock_s() - t0;
    return st;
}

/* ---- the whole ---- */

static tsr_status run_all(run *u)
{
    tsr_status st = tsri_whole_open(&u->whole, u->rq, u->earlier, u->err);
    u->rq = &u->whole.rq;
    if (st == TSR_OK)
        st = check_request(u);
    if (st == TSR_OK)
        st = set_products(u);
    if (st == TSR_OK)
        st = tsri_structure_read(&u->structure, u->rq, &u->r->grammar, u->err);
    if (st == TSR_OK)
        st = tsri_dump_open(&u->dump, u->rq->dump, tsri_model_config(u->m)->vocab, u->err);
    if (st == TSR_OK)
        st = prepare_media(u);
    if (st == TSR_OK)
        st = prefill(u);
    if (st == TSR_OK)
        st = tsri_run_answer(u);
    tsr_status closed = tsri_dump_close(&u->dump, st == TSR_OK, u->err);
    if (st == TSR_OK)
        st = closed;
    if (st == TSR_OK && strcmp(u->r->finish, "length") == 0 && u->max_tokens < tsri_or_size(u->rq->max_tokens, DEFAULT_MAX_TOKENS))
        st = tsri_media_note(&u->media, u->err, "the answer ends where the context is full");
    if (st == TSR_OK && u->r->grammar.closed_early)
        st = tsri_media_note(&u->media, u->err, "the tokens ran out: the answer was brought to the nearest end that its %s has",
                             u->rq->schema ? "schema" : "grammar");
    if (st == TSR_OK)
        st = tsri_result_seal(u->r, u->err);
    if (st == TSR_OK && u->session)
        st = tsri_session_take(u->session, &u->media, u->err);
    return st;
}

static void run_deinit(run *u)
{
    if (u->is_fitted)
        tsri_session_note(u->session, &u->prompt, &u->media, &u->r->ids);
    tsr_json_free(u->calls.v);
    tsr_stops_close(u->stops);
    tsr_output_close(u->output);
    tsr_sampler_close(u->sampler);
    tsri_structure_deinit(&u->structure);
    if (!u->session)
        tsr_context_close(u->ctx);
    tsr_free(u->logits);
    tsr_text_deinit(&u->piece);
    tsr_prompt_deinit(&u->prompt);
    tsri_media_deinit(&u->media);
    tsri_whole_deinit(&u->whole);
}

static tsr_status run_whole(run *u, tessera_result **out, tsr_error *err)
{
    tsr_error first = {TSR_OK, ""}; /* cleared when the work is stopped on request */
    *out = NULL;
    u->err = &first;
    u->r = tsri_result_new();
    tsr_status st = u->r ? run_all(u) : tsr_fail(&first, TSR_ERR_NOMEM, "out of memory: the result");
    run_deinit(u);
    if (st == TSR_OK)
        *out = u->r;
    else
        tessera_result_free(u->r);
    return st == TSR_OK ? st : tsr_fail(err, st, "%s", first.text);
}

tsr_status tsri_run_kept(tessera_model *m, const tessera_request *rq, const tsri_messages *earlier, tsri_session *session,
                         tessera_event_fn fn, void *user, tessera_result **out, tsr_error *err)
{
    run u = {.m = m, .rq = rq, .earlier = earlier, .session = session, .fn = fn, .user = user};
    return run_whole(&u, out, err);
}

tsr_status tsri_run(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn,
                    void *user, tessera_result **out, tsr_error *err)
{
    run u = {.m = m, .rq = rq, .given = given, .fn = fn, .user = user};
    return run_whole(&u, out, err);
}

tsr_status tsri_run_sound(tessera_model *m, const tessera_request *rq, const tsr_audio *given, tessera_event_fn fn,
                          void *user, tessera_result **out, tsr_error *err)
{
    run u = {.m = m, .rq = rq, .given_sound = given, .fn = fn, .user = user};
    return run_whole(&u, out, err);
}

tessera_status tessera_run(tessera_model *m, const tessera_request *rq, tessera_event_fn fn, void *user,
                           tessera_result **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_public(perr, tsri_run(m, rq, NULL, fn, user, out, &err), &err);
}
