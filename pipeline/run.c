/* run.c: one request from file bytes to answer: plan, load, encode, prefill, generate. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "budget.h"
#include "contact_sheet.h"
#include "dump.h"
#include "json_build.h"
#include "media_part.h"
#include "prompt.h"
#include "result_internal.h"
#include "run.h"
#include "structure.h"
#include "tsr_alloc.h"
#include "tsr_kv_cache.h"
#include "tsr_output.h"
#include "tsr_sampler.h"

enum { DEFAULT_MAX_TOKENS = 1024, PREFILL_CHUNK = 512 };

typedef struct run {
    tessera_model *m;
    const tessera_request *rq;
    const tsr_image *given; /* or NULL */
    const tsr_audio *given_sound;
    tessera_event_fn fn;
    void *user;
    tessera_result *r;
    tsri_media_list media;
    tsr_prompt prompt;
    tsri_dump dump;
    tsr_context *ctx;
    tsr_sampler *sampler;
    tsr_output *output;
    tsr_stops *stops;
    tsri_structure structure;
    tsr_text piece;   /* what the stop strings let through */
    float *logits;    /* [vocab] of the last position */
    size_t max_tokens;
    tsr_type kv_type; /* TSR_KV_CHOSEN: not asked for */
    bool stopped;     /* a stop string is complete */
    bool cancelled;   /* the callback said so */
    size_t n_calls;
    tsri_build calls; /* tool calls so far; v NULL until the first */
    tsr_error *err;
} run;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the request ---- */

static bool is_budget(size_t b)
{
    return b == 0 || tsri_is_budget(b);
}

static tsr_status check_request(run *u)
{
    const tessera_request *rq = u->rq;
    bool has_content = rq->messages != NULL;
    for (size_t i = 0; i < rq->n_parts; i++) {
        if ((unsigned)rq->parts[i].kind > (unsigned)TESSERA_PART_PDF)
            return tsr_fail(u->err, TSR_ERR_USAGE, "part %zu is of no known kind", i);
        has_content = has_content || rq->parts[i].kind != TESSERA_PART_SYSTEM;
    }
    if (!has_content)
        return tsr_fail(u->err, TSR_ERR_USAGE, "the request has no part but system text");
    if ((!is_budget(rq->budget) && rq->budget != TESSERA_BUDGET_AUTO) || !is_budget(rq->video_budget) || !is_budget(rq->max_budget))
        return tsr_fail(u->err, TSR_ERR_USAGE, "budget %zu (films %zu, at most %zu): known are 70, 140, 280, 560, 1120",
                        rq->budget, rq->video_budget, rq->max_budget);
    if (!(rq->start >= 0 && rq->start < 1e9) || !(rq->end >= 0 && rq->end < 1e9) || (rq->end > 0 && rq->end <= rq->start))
        return tsr_fail(u->err, TSR_ERR_USAGE, "start %g and end %g seconds are no part of a film", rq->start, rq->end);
    if (!(rq->max_audio_seconds >= 0 && rq->max_audio_seconds <= TSRI_MAX_SOUND_SECONDS))
        return tsr_fail(u->err, TSR_ERR_USAGE, "sound is limited to %d seconds per clip, not %g", TSRI_MAX_SOUND_SECONDS,
                        rq->max_audio_seconds);
    u->kv_type = TSR_KV_CHOSEN;
    return rq->kv ? tsr_kv_type_parse(&u->kv_type, rq->kv, u->err) : TSR_OK;
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
    double t0 = now_s();
    u->media = (tsri_media_list){.model = u->m, .rq = u->rq, .given = u->given, .given_sound = u->given_sound,
                                 .fn = u->fn, .user = u->user, .notes = u->r->notes};
    tsr_status st = tsri_media_plan(&u->media, u->err);
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
    double t1 = now_s();
    if (st == TSR_OK)
        st = tsri_media_encode(&u->media, u->err);
    for (size_t i = 0; i < u->media.n && st == TSR_OK; i++) {
        st = tsri_dump_part(&u->dump, i, &u->media.at[i], tsri_model_config(u->m)->hidden, u->err);
        if (st == TSR_OK && !tsr_json_append(u->r->media, tsri_media_json(&u->media, &u->media.at[i])))
            st = tsr_fail(u->err, TSR_ERR_NOMEM, "out of memory: facts about media");
    }
    u->r->timings.open_media_s = t1 - t0;
    u->r->timings.encode_s = now_s() - t1;
    u->r->prompt_tokens = u->prompt.ids.n;
    u->r->image_tokens = u->prompt.n_image;
    u->r->audio_tokens = u->prompt.n_audio;
    u->r->video_tokens = u->prompt.n_video;
    return st;
}

/* ---- prefill ---- */

typedef struct spans {
    tsr_soft_span *soft;
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
        s->soft[i] = (tsr_soft_span){.at = sp->start, .n = sp->len, .rows = m->rows + first * hidden};
        memset(s->kinds + sp->start, sp->kind == TSR_PART_AUDIO ? TSR_TOKEN_AUDIO : TSR_TOKEN_VISION, sp->len);
    }
    return TSR_OK;
}

static tsr_status on_logits(void *user, size_t at, const float *logits)
{
    run *u = user;
    if (at == u->prompt.ids.n - 1)
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

static tsr_status open_context(run *u)
{
    tsr_context_opts o = tsr_context_opts_default();
    size_t limit = context_limit(u), n = u->prompt.ids.n;
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
    tsr_status st = tsr_context_open(&u->ctx, u->m->decoder, u->m->pool, &o, u->err);
    if (st == TSR_OK)
        u->r->cache = (tsri_cache_facts){.type = tsr_kv_type_name(tsr_context_kv_type(u->ctx)),
                                         .positions = o.ctx_tokens, .bytes = tsr_context_cache_bytes(u->ctx)};
    return st;
}

static tsr_status prefill(run *u)
{
    spans s = {0};
    double t0 = now_s();
    tsr_status st = open_context(u);
    if (st == TSR_OK)
        st = tsri_structure_begin(&u->structure, u->m, u->rq, u->max_tokens, u->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&u->logits, tsri_model_config(u->m)->vocab, sizeof *u->logits, "logits", u->err);
    if (st == TSR_OK)
        st = make_spans(u, &s);
    if (st == TSR_OK) {
        tsr_input in = {.n = u->prompt.ids.n, .ids = u->prompt.ids.at, .kinds = s.kinds, .soft = s.soft,
                        .n_soft = u->prompt.n_spans, .wanted = s.wanted};
        tsr_prefill_sink sink = {.user = u, .on_logits = on_logits, .on_progress = on_progress};
        st = tsr_context_prefill(u->ctx, &in, &sink, u->err);
    }
    spans_deinit(&s);
    u->r->timings.prefill_s = now_s() - t0;
    return st;
}

/* ---- generation ---- */

static tsr_status emit(run *u, tessera_event_kind kind, const char *text, size_t len)
{
    tessera_event ev = {.kind = kind, .text = text, .len = len};
    if (len && u->fn && u->fn(u->user, &ev))
        u->cancelled = true;
    return TSR_OK;
}

static tsr_status add_call(run *u, const tsr_output_event *ev)
{
    if (!ev->name) /* what cannot be read as a call stays visible in the text */
        return tsr_text_add(&u->r->text, ev->text, ev->len, u->err);
    char *arguments;
    tsr_status st = tsr_json_dump(&arguments, ev->arguments, 0, u->err);
    if (st != TSR_OK)
        return st;
    char id[32];
    snprintf(id, sizeof id, "call_%zu", u->n_calls++);
    if (!u->calls.v && !u->calls.failed)
        u->calls = tsri_build_list();
    tsri_build call = tsri_build_object(), function = tsri_build_object();
    tsri_put_text(&function, "name", ev->name);
    tsri_put_text(&function, "arguments", arguments);
    tsri_put_text(&call, "id", id);
    tsri_put_text(&call, "type", "function");
    tsri_put(&call, "function", tsri_build_end(&function));
    tsri_add(&u->calls, tsri_build_end(&call));
    tsr_free(arguments);
    return u->calls.failed ? tsr_fail(u->err, TSR_ERR_NOMEM, "out of memory: tool calls") : TSR_OK;
}

/* Content passes the stop strings before anyone sees it. */
static tsr_status hand_on(run *u)
{
    tsr_status st = tsr_text_add(&u->r->text, u->piece.at ? u->piece.at : "", u->piece.len, u->err);
    if (st == TSR_OK)
        st = emit(u, TESSERA_EVENT_TEXT, u->piece.at, u->piece.len);
    u->piece.len = 0;
    return st;
}

static tsr_status on_output(void *user, const tsr_output_event *ev)
{
    run *u = user;
    tsr_status st;
    switch (ev->kind) {
    case TSR_OUTPUT_THOUGHT:
        st = tsr_text_add(&u->r->thought, ev->text, ev->len, u->err);
        return st == TSR_OK ? emit(u, TESSERA_EVENT_THOUGHT, ev->text, ev->len) : st;
    case TSR_OUTPUT_CALL: return add_call(u, ev);
    case TSR_OUTPUT_CONTENT: break;
    }
    st = tsr_stops_push(u->stops, ev->text, ev->len, &u->piece, &u->stopped, u->err);
    return st == TSR_OK ? hand_on(u) : st;
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)(now_s() * 1e9);
    return seed >> 1; /* so that JSON's integers hold it */
}

static double asked_or(double asked, double models)
{
    return asked >= 0 ? asked : models;
}

static tsr_status open_sampler(run *u)
{
    const tessera_request *rq = u->rq;
    const tsri_generation *g = &u->m->generation;
    const int32_t never[] = {u->m->ids.image, u->m->ids.audio, u->m->ids.video};
    tsr_sampler_opts o = tsr_sampler_opts_default();
    o.temperature = asked_or(rq->temperature, g->do_sample ? g->temperature : 0);
    o.top_k = rq->top_k >= 0 ? (size_t)rq->top_k : (size_t)g->top_k;
    o.top_p = asked_or(rq->top_p, g->top_p);
    o.min_p = asked_or(rq->min_p, g->min_p);
    o.repetition_penalty = rq->repetition_penalty > 0 ? rq->repetition_penalty : g->repetition_penalty;
    o.presence_penalty = rq->presence_penalty;
    o.frequency_penalty = rq->frequency_penalty;
    o.seed = rq->seed_set ? rq->seed : random_seed();
    o.suppress = g->suppress;
    o.n_suppress = g->n_suppress;
    o.never = never;
    o.n_never = sizeof never / sizeof *never;
    u->r->seed = o.seed;
    u->r->greedy = o.temperature == 0;
    tsr_status st = tsr_sampler_open(&u->sampler, &o, tsri_model_config(u->m)->vocab, u->err);
    if (st == TSR_OK)
        tsr_sampler_see_prompt(u->sampler, u->prompt.ids.at, u->prompt.ids.n);
    return st;
}

static bool ends(const run *u, int32_t id)
{
    const tsri_generation *g = &u->m->generation;
    if (id == u->m->ids.eos || id == u->m->ids.turn_end || id == u->m->ids.tool_response)
        return true;
    for (size_t i = 0; i < g->n_eos; i++)
        if (g->eos[i] == id)
            return true;
    return false;
}

/* The next token; one that the grammar permits, when there is one. */
static tsr_status choose(run *u, int32_t *id)
{
    tsr_guide *guide = u->structure.guide;
    const uint32_t *allowed = NULL;
    tsr_status st = guide ? tsr_guide_mask(guide, &allowed, u->err) : TSR_OK;
    if (st == TSR_OK && guide && tsr_guide_cuts(guide, u->logits))
        u->r->grammar.closed_early = true;
    tsr_sampler_allow(u->sampler, allowed);
    if (st == TSR_OK)
        st = tsr_sampler_next(u->sampler, u->logits, id, u->err);
    return st == TSR_OK && guide ? tsr_guide_push(guide, *id, u->err) : st;
}

/* Choose, tell and feed tokens until something ends it; r->finish says what. */
static tsr_status generate(run *u)
{
    tsr_status st = TSR_OK;
    u->r->finish = "length";
    while (st == TSR_OK && u->r->ids.n < u->max_tokens) {
        int32_t id;
        st = choose(u, &id);
        if (st == TSR_OK)
            st = tsr_ids_add(&u->r->ids, id, u->err);
        if (st != TSR_OK)
            break;
        if (ends(u, id)) {
            u->r->finish = u->r->grammar.closed_early ? "length" : "stop";
            break;
        }
        st = tsr_output_push(u->output, id, u->err);
        if (st == TSR_OK && report(u, "answer", u->r->ids.n, u->max_tokens) != TSR_OK)
            u->cancelled = true;
        if (u->stopped || u->cancelled) {
            u->r->finish = u->stopped ? "stop" : "cancelled";
            break;
        }
        if (st == TSR_OK && u->r->ids.n < u->max_tokens)
            st = tsr_context_step(u->ctx, id, u->logits, u->err);
    }
    return st;
}

static tsr_status answer(run *u)
{
    double t0 = now_s();
    tsr_status st = open_sampler(u);
    if (st == TSR_OK)
        st = tsr_output_open(&u->output, u->m->tokenizer, on_output, u, u->err);
    if (st == TSR_OK)
        st = tsr_stops_open(&u->stops, u->rq->stop, u->rq->n_stop, u->err);
    if (st == TSR_OK)
        st = generate(u);
    if (u->cancelled && u->err)
        tsr_error_clear(u->err); /* stopping early is no failure */
    if (st == TSR_OK)
        st = tsr_output_finish(u->output, u->err);
    if (u->stopped) /* perhaps only by what was held back until now */
        u->r->finish = "stop";
    if (st == TSR_OK)
        st = tsr_stops_finish(u->stops, &u->piece, u->err);
    if (st == TSR_OK)
        st = hand_on(u);
    if (st == TSR_OK && u->n_calls) {
        u->r->tool_calls = tsri_build_end(&u->calls);
        if (strcmp(u->r->finish, "stop") == 0)
            u->r->finish = "tool_calls";
    }
    if (st == TSR_OK)
        st = tsri_dump_ids(&u->dump, "token_ids", u->r->ids.at, u->r->ids.n, u->err);
    u->r->timings.decode_s = now_s() - t0;
    return st;
}

/* ---- the whole ---- */

static tsr_status run_all(run *u)
{
    tsr_status st = check_request(u);
    if (st == TSR_OK)
        st = tsri_structure_read(&u->structure, u->rq, &u->r->grammar, u->err);
    if (st == TSR_OK)
        st = tsri_dump_open(&u->dump, u->rq->dump, tsri_model_config(u->m)->vocab, u->err);
    if (st == TSR_OK)
        st = prepare_media(u);
    if (st == TSR_OK)
        st = prefill(u);
    if (st == TSR_OK)
        st = answer(u);
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
    return st;
}

static void run_deinit(run *u)
{
    tsr_json_free(u->calls.v);
    tsr_stops_close(u->stops);
    tsr_output_close(u->output);
    tsr_sampler_close(u->sampler);
    tsri_structure_deinit(&u->structure);
    tsr_context_close(u->ctx);
    tsr_free(u->logits);
    tsr_text_deinit(&u->piece);
    tsr_prompt_deinit(&u->prompt);
    tsri_media_deinit(&u->media);
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
