/* run_answer.c: from the logits of the prompt's last position to the end of the answer. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "run_internal.h"
#include "tsr_alloc.h"
#include "tsr_clock.h"

static tsr_status emit(tsri_run_state *u, tessera_event_kind kind, const char *text, size_t len)
{
    tessera_event ev = {.kind = kind, .text = text, .len = len};
    if (len && u->fn && u->fn(u->user, &ev))
        u->cancelled = true;
    return TSR_OK;
}

static tsr_status add_call(tsri_run_state *u, const tsr_output_event *ev)
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
static tsr_status hand_on(tsri_run_state *u)
{
    tsr_status st = tsr_text_add(&u->r->text, u->piece.at ? u->piece.at : "", u->piece.len, u->err);
    if (st == TSR_OK)
        st = emit(u, TESSERA_EVENT_TEXT, u->piece.at, u->piece.len);
    u->piece.len = 0;
    return st;
}

static tsr_status on_output(void *user, const tsr_output_event *ev)
{
    tsri_run_state *u = user;
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
        seed = (uint64_t)tsr_clock_ns();
    return seed >> 1; /* so that JSON's integers hold it */
}

static double asked_or(double asked, double models)
{
    return asked >= 0 ? asked : models;
}

static tsr_status open_sampler(tsri_run_state *u)
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

static bool ends(const tsri_run_state *u, int32_t id)
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
static tsr_status choose(tsri_run_state *u, int32_t *id)
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
static tsr_status generate(tsri_run_state *u)
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
        if (st == TSR_OK && tsri_media_report(&u->media, "answer", u->r->ids.n, u->max_tokens, u->err) != TSR_OK)
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

tsr_status tsri_run_answer(tsri_run_state *u)
{
    double t0 = tsr_clock_s();
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
    u->r->timings.decode_s = tsr_clock_s() - t0;
    return st;
}
