/* film.c: what films need, and the plan for them. */
#include "film.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "film_time.h"
#include "json_build.h"
#include "media_part.h"
#include "prompt.h"
#include "text_build.h"
#include "tsr_alloc.h"
#include "whole_request.h"

enum { DEFAULT_ANSWER = 1024, DEFAULT_MAX_FRAMES = 512 };

/* ---- is there anything to plan? ---- */

static tsr_status has_film(bool *has, const tessera_part *parts, size_t n, tsr_error *err)
{
    bool is_stream = false;
    *has = false;
    for (size_t i = 0; i < n; i++) {
        const tessera_part *p = &parts[i];
        tessera_part_kind kind = p->kind;
        tessera_error why = {TESSERA_OK, ""};
        if (kind == TESSERA_PART_TEXT || kind == TESSERA_PART_SYSTEM)
            continue;
        is_stream = is_stream || (!p->data && p->path && strcmp(p->path, "-") == 0); /* can be read once */
        if (kind == TESSERA_PART_FILE && !is_stream && tessera_sniff(p, &kind, &why) != TESSERA_OK)
            return tsr_fail(err, (tsr_status)why.status, "%s", why.text);
        *has = *has || kind == TESSERA_PART_VIDEO;
    }
    *has = *has && !is_stream;
    return TSR_OK;
}

/* ---- measuring ---- */

typedef struct measure {
    tessera_model *m;
    const tessera_request *rq;
    tsri_whole whole; /* the same, of one frame for each film */
    tsri_media_list media;
    tsr_prompt prompt;
    tsri_films *out;
    tessera_event_fn fn;
    void *user;
    tsr_error *err;
} measure;

/* What is noted is noted again by the run. */
static int stages_alone(void *user, const tessera_event *ev)
{
    const measure *u = user;
    return ev->kind == TESSERA_EVENT_STAGE && u->fn ? u->fn(u->user, ev) : 0;
}

static tsr_status count_text(const measure *u, const char *text, size_t len, size_t *n)
{
    tsr_ids ids = {0};
    tsr_status st = tsr_tokenizer_encode(u->m->tokenizer, text, len, TSR_ENCODE_PLAIN, &ids, u->err);
    *n = ids.n;
    tsr_ids_deinit(&ids);
    return st;
}

/* Markers, and the longest time stamp there is in the film. */
static tsr_status count_frame(const measure *u, tsri_film *f)
{
    char stamp[48];
    size_t n;
    snprintf(stamp, sizeof stamp, " %02.0f:%02.0f ", floor(f->end / 60), 59.0);
    tsr_status st = count_text(u, stamp, strlen(stamp), &n);
    f->need.frame_tokens = f->soft_tokens + n + 2;
    return st;
}

static tsr_status add_film(measure *u, const tsri_media *m)
{
    tsri_film *f = &u->out->at[u->out->n++];
    *f = (tsri_film){.part = m->part - u->whole.n_earlier, .name = u->media.inputs[m->part].name, .begin = m->begin, .end = m->end,
                     .width = m->width, .height = m->height, .budget = m->budget, .soft_tokens = m->tokens_each,
                     .need = {.seconds = m->end - m->begin}};
    return count_frame(u, f);
}

/* A sound that stands behind a film is its own. */
static void add_sound(measure *u, const tsri_media *m, size_t *others)
{
    size_t rate_hz = tsr_hearing_describe(u->m->hearing).rate_hz;
    for (size_t i = 0; i < u->out->n; i++)
        if (u->out->at[i].part + u->whole.n_earlier == m->part) {
            double most = (double)tsr_hearing_tokens_for(u->m->hearing, TSRI_MAX_SOUND_SECONDS * rate_hz);
            u->out->at[i].need.sound_tokens = most / TSRI_MAX_SOUND_SECONDS;
            *others -= m->n_tokens;
        }
}

static tsr_status measure_films(measure *u, size_t *others, size_t *media_tokens)
{
    tsr_status st = tsr_alloc_array(&u->out->at, u->media.n, sizeof *u->out->at, "films", u->err);
    *others = u->prompt.ids.n - u->prompt.n_video;
    for (size_t i = 0; i < u->media.n && st == TSR_OK; i++) {
        const tsri_media *m = &u->media.at[i];
        if (m->kind == TSRI_VIDEO)
            st = add_film(u, m);
        else if (m->kind == TSRI_AUDIO)
            add_sound(u, m, others);
    }
    *media_tokens = u->prompt.n_image; /* a window is shown without them */
    return st;
}

static size_t context_of(const measure *u)
{
    size_t most = tsri_model_config(u->m)->max_positions;
    return u->rq->ctx && (u->rq->ctx < most || most == 0) ? u->rq->ctx : most ? most : SIZE_MAX / 4;
}

/* The texts of windows and of the last prompt, at their longest. */
static tsr_status count_prompts(measure *u, size_t *window, size_t *last)
{
    tsr_text w = {0}, l = {0};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < u->out->n && st == TSR_OK; i++) {
        w.len = 0;
        st = tsri_film_ask_window(&w, u->out, i, 99999, u->out->at[i].end, u->out->at[i].end, "", "", 0, u->err);
        if (st == TSR_OK)
            st = tsri_film_ask_last(&l, u->out, i, u->err);
    }
    if (st == TSR_OK)
        st = count_text(u, w.at, w.len, window);
    if (st == TSR_OK)
        st = count_text(u, l.at, l.len, last);
    tsr_text_deinit(&w);
    tsr_text_deinit(&l);
    return st;
}

static tsr_status make_room(measure *u, bool chapters, size_t others, size_t media_tokens)
{
    tsri_film_room *r = &u->out->room;
    size_t window = 0, last = 0;
    tsr_status st = count_prompts(u, &window, &last);
    *r = (tsri_film_room){.ctx = context_of(u), .whole_others = others, .last_others = others + last,
                          .window_others = others - media_tokens + window, .windows_only = chapters,
                          .max_frames = tsri_or_size(u->rq->max_frames, DEFAULT_MAX_FRAMES),
                          .max_sound = tsri_or(u->rq->max_audio_seconds, TSRI_MAX_SOUND_SECONDS),
                          .fps = u->rq->fps > 0 ? u->rq->fps : 0};
    r->answer = tsri_or_size(u->rq->max_tokens, r->ctx / 4 < DEFAULT_ANSWER ? r->ctx / 4 : DEFAULT_ANSWER);
    return st;
}

static tsr_status plan_all(measure *u, bool chapters)
{
    tsri_film_need *needs = NULL;
    size_t others, media_tokens;
    tsr_status st = tsri_media_plan(&u->media, u->err);
    if (st == TSR_OK)
        st = tsri_prompt_build(&u->prompt, &u->media, u->err);
    if (st == TSR_OK)
        st = measure_films(u, &others, &media_tokens);
    if (st == TSR_OK)
        st = make_room(u, chapters, others, media_tokens);
    if (st == TSR_OK)
        st = tsr_alloc_array(&needs, u->out->n, sizeof *needs, "films", u->err);
    for (size_t i = 0; st == TSR_OK && i < u->out->n; i++)
        needs[i] = u->out->at[i].need;
    if (st == TSR_OK)
        st = tsri_film_plan_make(&u->out->plan, needs, u->out->n, &u->out->room, u->err);
    tsr_free(needs);
    return st;
}

tsr_status tsri_films_plan(tsri_films *out, tessera_model *m, const tessera_request *rq, bool chapters,
                           tessera_event_fn fn, void *user, tsr_error *err)
{
    measure u = {.m = m, .rq = rq, .out = out, .fn = fn, .user = user, .err = err};
    bool has = false, has_earlier = false;
    memset(out, 0, sizeof *out);
    if ((rq->frames && rq->frames != TESSERA_FRAMES_AUTO) || rq->sampler == TESSERA_FRAMES_HF || rq->raw)
        return TSR_OK;
    tsr_status st = has_film(&has, rq->parts, rq->n_parts, err);
    if (st != TSR_OK || !has)
        return st;
    tsr_json *notes = tsr_json_new_array();
    st = notes ? tsri_whole_open(&u.whole, rq, NULL, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: notes");
    if (st == TSR_OK)
        st = has_film(&has_earlier, u.whole.rq.parts, u.whole.n_earlier, err);
    u.whole.rq.frames = 1;
    u.whole.rq.fps = 0;
    u.media = (tsri_media_list){.model = m, .rq = &u.whole.rq, .earlier = u.whole.earlier, .fn = stages_alone, .user = &u,
                                .notes = notes};
    if (st == TSR_OK && !has_earlier)
        st = plan_all(&u, chapters);
    tsr_prompt_deinit(&u.prompt);
    tsri_media_deinit(&u.media);
    tsri_whole_deinit(&u.whole);
    tsr_json_free(notes);
    if (st != TSR_OK)
        tsri_films_deinit(out);
    return st;
}

void tsri_films_deinit(tsri_films *f)
{
    for (size_t i = 0; i < f->n; i++)
        tsr_free(f->at[i].moments);
    tsr_free(f->at);
    memset(f, 0, sizeof *f);
}

/* ---- telling ---- */

static tsr_json *film_json(const tsri_film *f, const tsri_film_plan *p)
{
    tsri_build o = tsri_build_object(), covered = tsri_build_list(), size = tsri_build_list();
    tsri_put(&o, "name", tsr_json_new_string(f->name, strlen(f->name)));
    tsri_add(&covered, tsr_json_new_double(f->begin));
    tsri_add(&covered, tsr_json_new_double(f->end));
    tsri_put(&o, "covered", tsri_build_end(&covered));
    tsri_add_size(&size, f->width);
    tsri_add_size(&size, f->height);
    tsri_put(&o, "size", tsri_build_end(&size));
    tsri_put_size(&o, "budget", f->budget);
    tsri_put_size(&o, "tokens_per_frame", f->soft_tokens);
    tsri_put_size(&o, "frames", tsri_film_frames(f->need.seconds, p->fps));
    if (p->mode == TSRI_FILM_WINDOWS)
        tsri_put_size(&o, "windows", tsri_film_windows(f->need.seconds, p->window));
    tsri_put_bool(&o, "sound", f->need.sound_tokens > 0);
    if (f->moments) {
        tsri_build times = tsri_build_list();
        for (size_t i = 0; i < f->n_moments; i++)
            tsri_add(&times, tsr_json_new_double(f->moments[i]));
        tsri_put(&o, "times", tsri_build_end(&times));
        tsri_put_size(&o, "cuts", f->n_cuts);
    }
    return tsri_build_end(&o);
}

tsr_json *tsri_films_json(const tsri_films *f)
{
    const tsri_film_plan *p = &f->plan;
    tsri_build o = tsri_build_object(), films = tsri_build_list();
    tsri_put_text(&o, "mode", p->mode == TSRI_FILM_WHOLE ? "whole" : "windows");
    tsri_put_real(&o, "fps", p->fps);
    tsri_put_size(&o, "frames", p->n_frames);
    if (p->mode == TSRI_FILM_WINDOWS) {
        tsri_put_size(&o, "windows", p->n_windows);
        tsri_put_real(&o, "window_seconds", p->window);
        tsri_put_size(&o, "note_tokens", p->note_tokens);
        tsri_put_size(&o, "last_prompt_tokens", p->last_tokens);
    }
    tsri_put_size(&o, "prompt_tokens", p->prompt_tokens);
    tsri_put_size(&o, "answer_tokens", f->room.answer);
    tsri_put_size(&o, "context", f->room.ctx);
    for (size_t i = 0; i < f->n; i++)
        tsri_add(&films, film_json(&f->at[i], p));
    tsri_put(&o, "films", tsri_build_end(&films));
    return tsri_build_end(&o);
}

/* Ten in a line. */
static void print_moments(tsri_lines *l, const tsri_film *f)
{
    tsri_print(l, "%zu cut%s found; frames at", f->n_cuts, f->n_cuts == 1 ? "" : "s");
    for (size_t i = 0; i < f->n_moments; i++) {
        char time[TSRI_FILM_TIME];
        tsri_film_time_write(time, f->moments[i], true);
        tsri_print(l, "%s%s", i % 10 ? " " : "\n  ", time);
    }
    tsri_print(l, "\n");
}

static void print_film(tsri_lines *l, const tsri_film *f, const tsri_film_plan *p)
{
    char from[TSRI_FILM_TIME], to[TSRI_FILM_TIME];
    size_t n = tsri_film_frames(f->need.seconds, p->fps);
    tsri_film_time_write(from, f->begin, true);
    tsri_film_time_write(to, f->end, true);
    tsri_print_escaped(l, f->name, strlen(f->name), 200);
    tsri_print(l, ": %s to %s, %zu frame%s of %zu x %zu pixels, %zu soft tokens each%s\n", from, to, n, n == 1 ? "" : "s",
               f->width, f->height, f->soft_tokens, f->need.sound_tokens > 0 ? ", and the sound" : "");
    if (f->moments)
        print_moments(l, f);
}

tsr_status tsri_films_text(const tsri_films *f, char **out, tsr_error *err)
{
    const tsri_film_plan *p = &f->plan;
    tsri_lines l = tsri_lines_begin(false, err);
    for (size_t i = 0; i < f->n; i++)
        print_film(&l, &f->at[i], p);
    if (p->fps >= 1)
        tsri_print(&l, "frames: %g a second", p->fps);
    else
        tsri_print(&l, "frames: one every %g seconds", 1 / p->fps);
    if (p->mode == TSRI_FILM_WHOLE) {
        tsri_print(&l, ", all in one prompt of about %zu positions; %zu for the answer; the context has %zu\n", p->prompt_tokens,
                   f->room.answer, f->room.ctx);
    } else {
        tsri_print(&l, ", in %zu window%s of %g seconds: about %zu positions each, and %zu for notes\n", p->n_windows,
                   p->n_windows == 1 ? "" : "s", p->window, p->prompt_tokens, p->note_tokens);
        if (!f->room.windows_only)
            tsri_print(&l, "then the answer, from at most %zu positions of notes and question; %zu for the answer\n",
                       p->last_tokens, f->room.answer);
        tsri_print(&l, "the context has %zu\n", f->room.ctx);
    }
    return tsri_lines_end(&l, out);
}
