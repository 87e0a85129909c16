/* film_watch.c: films window by window: notes of each, which carry the last ones along, and an answer from the notes. */
#include "film.h"

#include <stdio.h>
#include <string.h>

#include "film_time.h"
#include "json_build.h"
#include "model_internal.h"
#include "overlay.h"
#include "result_internal.h"
#include "run.h"
#include "tsr_alloc.h"

/* ---- one window ---- */

typedef struct watch {
    tessera_model *m;
    const tessera_request *rq;
    const tsri_films *f;
    tsri_ask_fn *ask;
    tessera_event_fn fn;
    void *user;
    tsr_text question;
    tessera_part *parts; /* of the prompt that is asked */
    size_t n_asked;      /* windows so far, of all films */
    size_t n_noted;      /* of these: with notes on them */
    bool cancelled;
    tsr_json *windows; /* borrowed; NULL: not wanted */
    tsr_error *err;
} watch;

/* What is answered about a window is no answer yet. */
static int without_answer(void *user, const tessera_event *ev)
{
    watch *w = user;
    if (ev->kind == TESSERA_EVENT_TEXT || ev->kind == TESSERA_EVENT_THOUGHT || !w->fn)
        return 0;
    return w->fn(w->user, ev);
}

static bool is_stopped(watch *w, const char *stage, size_t done, size_t total)
{
    tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = stage, .len = strlen(stage), .done = done, .total = total};
    w->cancelled = w->cancelled || (w->fn && w->fn(w->user, &ev));
    return w->cancelled;
}

/* The last notes, as many as fit into `most` bytes, from the beginning of a line on. */
static void tail_of(const tsr_text *notes, size_t most, const char **at, size_t *len)
{
    size_t from = notes->len > most ? notes->len - most : 0;
    while (from && from < notes->len && notes->at[from - 1] != '\n')
        from++;
    *at = notes->at ? notes->at + from : "";
    *len = notes->len - from;
}

/* Which window failed, and why. */
static tsr_status blame_window(watch *w, double from, double to, tsr_status st, const tsr_error *why)
{
    char a[TSRI_FILM_TIME], b[TSRI_FILM_TIME];
    tsri_film_time_write(a, from, false);
    tsri_film_time_write(b, to, false);
    return tsr_fail(w->err, st, "window %zu of %zu (%s to %s): %s", w->n_asked + 1, w->f->plan.n_windows, a, b, why->text);
}

/* The sheet of the n-th window of all films, the caller's; NULL where none is wanted. */
static tsr_status sheet_name(char **out, const watch *w, size_t n)
{
    *out = NULL;
    if (!w->rq->contact_sheet)
        return TSR_OK;
    *out = tsri_overlay_path(w->rq->contact_sheet, n, w->f->plan.n_windows);
    return *out ? TSR_OK : tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: the name of a contact sheet");
}

/* No sheet takes the place of a file of the whole request, of which a window shows one alone. */
static tsr_status check_sheets(const watch *w)
{
    tsr_status st = TSR_OK;
    for (size_t n = 0; w->rq->contact_sheet && n < w->f->plan.n_windows && st == TSR_OK; n++) {
        char *sheet;
        st = sheet_name(&sheet, w, n);
        if (st == TSR_OK)
            st = tsri_spare_inputs(w->rq, sheet, "the contact sheet", w->err);
        tsr_free(sheet);
    }
    return st;
}

static tsr_status ask_window(watch *w, size_t i, size_t n, double from, double to, const tsr_text *before,
                             tessera_result **out)
{
    const tsri_film *f = &w->f->at[i];
    tessera_request rq = *w->rq;
    tsr_text text = {0};
    const char *tail;
    size_t tail_len, n_parts = 0;
    char *sheet = NULL;
    tsr_error why = {TSR_OK, ""};
    tail_of(before, 2 * w->f->plan.note_tokens, &tail, &tail_len); /* a token of text has more than two bytes */
    tsr_status st = tsri_film_ask_window(&text, w->f, i, n, from, to, w->question.at, tail, tail_len, w->err);
    for (size_t k = 0; k < w->rq->n_parts; k++)
        if (w->rq->parts[k].kind == TESSERA_PART_SYSTEM)
            w->parts[n_parts++] = w->rq->parts[k];
    w->parts[n_parts] = w->rq->parts[f->part];
    w->parts[n_parts++].kind = TESSERA_PART_VIDEO;
    w->parts[n_parts++] = (tessera_part){.kind = TESSERA_PART_TEXT, .text = text.at, .text_len = text.len};
    rq.parts = w->parts;
    rq.n_parts = n_parts;
    rq.fps = w->f->plan.fps;
    rq.start = from;
    rq.end = to;
    rq.max_tokens = w->f->plan.note_tokens;
    rq.think = 0;
    rq.schema = rq.grammar = rq.tools = rq.messages = NULL;
    rq.stop = NULL;
    rq.n_stop = 0;
    if (st == TSR_OK)
        st = sheet_name(&sheet, w, w->n_asked);
    rq.contact_sheet = sheet;
    if (st == TSR_OK)
        st = w->ask(w->m, &rq, NULL, without_answer, w, out, &why);
    if (why.status != TSR_OK)
        st = blame_window(w, from, to, st, &why);
    tsr_free(sheet);
    tsr_text_deinit(&text);
    return st;
}

static tsr_json *notes_json(const tsri_film_notes *notes, size_t first)
{
    tsri_build list = tsri_build_list();
    for (size_t i = first; i < notes->n; i++) {
        const tsri_film_note *n = &notes->at[i];
        tsri_build o = tsri_build_object();
        char time[TSRI_FILM_TIME];
        tsri_film_time_write(time, n->at_s, false);
        tsri_put_real(&o, "from", n->at_s);
        tsri_put_real(&o, "to", n->to_s);
        tsri_put_text(&o, "time", time);
        tsri_put_bool(&o, "timed", n->has_time);
        tsri_put(&o, "text", tsr_json_new_string(notes->text.at + n->from, n->len));
        tsri_add(&list, tsri_build_end(&o));
    }
    return tsri_build_end(&list);
}

static tsr_status tell_window(watch *w, size_t i, double from, double to, const tessera_result *r,
                              const tsri_film_notes *notes, size_t first)
{
    tsri_build o = tsri_build_object();
    if (!w->windows)
        return TSR_OK;
    tsri_put_size(&o, "film", i);
    tsri_put_real(&o, "from", from);
    tsri_put_real(&o, "to", to);
    tsri_put_text(&o, "text", r->text.at);
    tsri_put_text(&o, "finish_reason", r->finish);
    tsri_put_size(&o, "prompt_tokens", r->prompt_tokens);
    tsri_put_size(&o, "completion_tokens", r->ids.n);
    tsri_put(&o, "notes", notes_json(notes, first));
    if (!tsr_json_append(w->windows, tsri_build_end(&o)))
        return tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: windows as JSON");
    return TSR_OK;
}

/* A window that failed is among the windows as well; where there is no memory for it, the failure is told all the same. */
static void tell_failed(watch *w, size_t i, double from, double to)
{
    tsri_build o = tsri_build_object();
    tsri_put_size(&o, "film", i);
    tsri_put_real(&o, "from", from);
    tsri_put_real(&o, "to", to);
    tsri_put_text(&o, "error", w->err->text);
    tsr_json *v = tsri_build_end(&o);
    if (w->windows && v)
        (void)tsr_json_append(w->windows, v);
    else
        tsr_json_free(v);
}

static tsr_status watch_window(watch *w, size_t i, size_t n, tsri_film_notes *notes, tsr_text *written)
{
    const tsri_film *f = &w->f->at[i];
    double from = f->begin + (double)n * w->f->plan.window, to = from + w->f->plan.window;
    size_t first = notes->n;
    tessera_result *r = NULL;
    if (to > f->end)
        to = f->end;
    tsr_status st = ask_window(w, i, n, from, to, written, &r);
    if (st == TSR_ERR_CANCELLED)
        w->cancelled = true;
    else if (st != TSR_OK)
        tell_failed(w, i, from, to);
    if (st != TSR_OK)
        return st;
    if (strcmp(r->finish, "cancelled") == 0)
        w->cancelled = true;
    else
        st = tsri_film_notes_read(notes, r->text.at, r->text.len - 1, from, to, w->err);
    if (st == TSR_OK && !w->cancelled)
        st = tsri_film_notes_write(notes, first, written, w->err);
    if (st == TSR_OK && !w->cancelled)
        st = tell_window(w, i, from, to, r, notes, first);
    w->n_noted += st == TSR_OK && !w->cancelled;
    tessera_result_free(r);
    return st;
}

static tsr_status watch_film(watch *w, size_t i, tsri_film_notes *notes)
{
    size_t n_windows = tsri_film_windows(w->f->at[i].need.seconds, w->f->plan.window);
    tsr_text written = {0};
    tsr_status st = TSR_OK;
    for (size_t n = 0; n < n_windows && st == TSR_OK; n++, w->n_asked++) {
        if (is_stopped(w, "window", w->n_asked, w->f->plan.n_windows))
            break;
        st = watch_window(w, i, n, notes, &written);
        if (w->cancelled)
            break;
    }
    tsr_text_deinit(&written);
    return st;
}

static tsr_status watch_begin(watch *w)
{
    if (w->rq->dump)
        return tsr_fail(w->err, TSR_ERR_USAGE, "a dump is of one prompt, and the films take %zu windows", w->f->plan.n_windows);
    tsr_status st = check_sheets(w);
    if (st == TSR_OK)
        st = tsri_film_question(&w->question, w->rq, w->err);
    return st == TSR_OK ? tsr_alloc_array(&w->parts, w->rq->n_parts + 2, sizeof *w->parts, "parts", w->err) : st;
}

static void watch_end(watch *w)
{
    tsr_text_deinit(&w->question);
    tsr_free(w->parts);
}

tsr_status tsri_film_note_all(tessera_model *m, const tessera_request *rq, const tsri_films *f, size_t i,
                              tsri_ask_fn *ask, tessera_event_fn fn, void *user, tsri_film_notes *notes,
                              tsr_json *windows_json, size_t *n_noted, bool *cancelled, tsr_error *err)
{
    watch w = {.m = m, .rq = rq, .f = f, .ask = ask, .fn = fn, .user = user, .windows = windows_json, .err = err};
    for (size_t k = 0; k < i; k++)
        w.n_asked += tsri_film_windows(f->at[k].need.seconds, f->plan.window);
    tsr_status st = watch_begin(&w);
    if (st == TSR_OK)
        st = watch_film(&w, i, notes);
    watch_end(&w);
    *cancelled = w.cancelled;
    *n_noted = w.n_noted;
    if (w.cancelled && err) /* stopping is no failure */
        tsr_error_clear(err);
    return w.cancelled ? TSR_OK : st;
}

/* ---- the answer ---- */

/* The request with notes in place of its films. */
static tsr_status ask_last(watch *w, const tsri_film_notes *notes, tessera_result **out)
{
    tessera_request rq = *w->rq;
    tsr_error why = {TSR_OK, ""};
    tsr_text *texts = tsr_calloc(w->f->n, sizeof *texts);
    tsr_status st = texts ? TSR_OK : tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: notes");
    memcpy(w->parts, w->rq->parts, w->rq->n_parts * sizeof *w->parts);
    for (size_t i = 0; i < w->f->n && st == TSR_OK; i++) {
        st = tsri_film_ask_last(&texts[i], w->f, i, w->err);
        if (st == TSR_OK)
            st = tsri_film_notes_write(&notes[i], 0, &texts[i], w->err);
        w->parts[w->f->at[i].part] =
            (tessera_part){.kind = TESSERA_PART_TEXT, .text = texts[i].at, .text_len = texts[i].len};
    }
    rq.parts = w->parts;
    rq.contact_sheet = NULL;
    rq.start = rq.end = 0;
    if (st == TSR_OK)
        st = w->ask(w->m, &rq, NULL, w->fn, w->user, out, &why);
    if (why.status != TSR_OK)
        st = tsr_fail(w->err, why.status, "the answer from the notes on %zu windows: %s", w->n_noted, why.text);
    for (size_t i = 0; texts && i < w->f->n; i++)
        tsr_text_deinit(&texts[i]);
    tsr_free(texts);
    return st;
}

static tsr_status write_notes(watch *w, tsri_film_notes *notes)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < w->f->n && st == TSR_OK; i++) {
        st = watch_film(w, i, &notes[i]);
        if (st == TSR_OK && w->cancelled)
            st = tsr_fail(w->err, TSR_ERR_CANCELLED, "stopped on request after %zu of %zu windows", w->n_noted,
                          w->f->plan.n_windows);
    }
    return st;
}

/* What was noted, in place of an answer: lines with times, of several films below the name of each. The failure before it
 * stays what is told. */
static tsr_status keep_notes(watch *w, const tsri_film_notes *notes, tessera_result **out)
{
    tsr_error lost = {TSR_OK, ""};
    tessera_result *r = tsri_result_new();
    tsr_status st = r ? TSR_OK : TSR_ERR_NOMEM;
    for (size_t i = 0; i < w->f->n && st == TSR_OK; i++) {
        const char *name = w->f->at[i].name;
        if (w->f->n > 1 && notes[i].n)
            st = tsr_text_add(&r->text, name, strlen(name), &lost);
        if (st == TSR_OK && w->f->n > 1 && notes[i].n)
            st = tsr_text_add(&r->text, ":\n", 2, &lost);
        if (st == TSR_OK)
            st = tsri_film_notes_write(&notes[i], 0, &r->text, &lost);
    }
    if (st == TSR_OK)
        st = tsri_result_seal(r, &lost);
    if (st != TSR_OK) {
        tessera_result_free(r);
        return st;
    }
    r->cache.type = "none";
    r->products = w->rq->exact ? "exact" : "fast";
    r->finish = w->err->status == TSR_ERR_CANCELLED ? "cancelled" : "failed";
    *out = r;
    return TSR_OK;
}

static tsr_status note(watch *w, tsr_json *notes, const char *text)
{
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = text, .len = strlen(text)};
    if (w->fn)
        w->fn(w->user, &ev);
    if (!tsr_json_append(notes, tsr_json_new_string(text, strlen(text))))
        return tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: notes");
    return TSR_OK;
}

/* What was done to the films, said before it is done. */
static tsr_status note_plan(watch *w, tsr_json *notes)
{
    const tsri_film_plan *p = &w->f->plan;
    char text[256];
    if (p->mode == TSRI_FILM_WHOLE)
        snprintf(text, sizeof text, "a film frame every %g seconds, so that all fit (--plan tells more)", 1 / p->fps);
    else
        snprintf(text, sizeof text, "the film is too long for one prompt: notes on %zu windows of %g seconds, then an answer from "
                 "the notes (--plan tells more)", p->n_windows, p->window);
    return p->mode == TSRI_FILM_WHOLE && (w->f->room.fps > 0 || p->fps >= 1) ? TSR_OK : note(w, notes, text);
}

static tsr_status note_moved(watch *w, const tsri_film_notes *of_films, tsr_json *notes)
{
    size_t n_moved = 0;
    char text[160];
    for (size_t i = 0; i < w->f->n; i++)
        n_moved += of_films[i].n_moved;
    snprintf(text, sizeof text, "%zu times in the notes lay outside of what was seen, and were moved into it", n_moved);
    return n_moved ? note(w, notes, text) : TSR_OK;
}

/* After a failure *out is the notes before it, or NULL. */
static tsr_status watch_windows(watch *w, tsr_json *notes, tessera_result **out)
{
    tsri_film_notes *of_films = tsr_calloc(w->f->n, sizeof *of_films);
    tsr_status st = of_films ? watch_begin(w) : tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: notes");
    if (st == TSR_OK)
        st = write_notes(w, of_films);
    if (st == TSR_OK)
        st = note_moved(w, of_films, notes);
    if (st == TSR_OK)
        st = ask_last(w, of_films, out);
    if (st != TSR_OK && w->n_noted)
        (void)keep_notes(w, of_films, out);
    for (size_t i = 0; of_films && i < w->f->n; i++)
        tsri_film_notes_deinit(&of_films[i]);
    tsr_free(of_films);
    watch_end(w);
    return st;
}

static tsr_status watch_whole(watch *w, tessera_result **out)
{
    tessera_request rq = *w->rq;
    rq.fps = w->f->plan.fps;
    return w->ask(w->m, &rq, NULL, w->fn, w->user, out, w->err);
}

/* Notes of ours stand before those of the run; windows and notes are handed over. */
static tsr_status add_facts(watch *w, tessera_result *r, tsr_json *notes, const char *failure)
{
    tsri_build o = tsri_build_object();
    for (size_t i = 0; i < tsr_json_len(r->notes); i++) {
        const char *s = tsr_json_string(tsr_json_at(r->notes, i), NULL);
        if (!tsr_json_append(notes, tsr_json_new_string(s, strlen(s))))
            return tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: notes");
    }
    tsri_put(&o, "plan", tsri_films_json(w->f));
    if (w->windows)
        tsri_put(&o, "windows", w->windows);
    w->windows = NULL;
    if (failure)
        tsri_put_text(&o, "error", failure);
    r->film = tsri_build_end(&o);
    return r->film ? TSR_OK : tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: facts about films");
}

tsr_status tsri_films_watch(tessera_model *m, const tessera_request *rq, const tsri_films *f, tsri_ask_fn *ask,
                            tessera_event_fn fn, void *user, tessera_result **out, tsr_error *err)
{
    bool whole = f->plan.mode == TSRI_FILM_WHOLE;
    watch w = {.m = m, .rq = rq, .f = f, .ask = ask, .fn = fn, .user = user, .err = err};
    tsr_json *notes = tsr_json_new_array();
    *out = NULL;
    w.windows = whole ? NULL : tsr_json_new_array();
    tsr_status st = notes && (whole || w.windows) ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: notes");
    if (st == TSR_OK)
        st = note_plan(&w, notes);
    if (st == TSR_OK)
        st = whole ? watch_whole(&w, out) : watch_windows(&w, notes, out);
    tsr_error lost = {TSR_OK, ""};
    tsr_status told = TSR_OK;
    if (*out) {
        w.err = st == TSR_OK ? err : &lost;
        told = add_facts(&w, *out, notes, st == TSR_OK ? NULL : err->text);
        st = st == TSR_OK ? told : st;
    }
    if (*out && told == TSR_OK) {
        tsr_json *of_run = (*out)->notes;
        (*out)->notes = notes;
        notes = of_run;
    } else {
        tessera_result_free(*out);
        *out = NULL;
    }
    tsr_json_free(notes);
    tsr_json_free(w.windows);
    return st;
}

/* ---- the public functions ---- */

tsr_status tsri_watch(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err)
{
    tsri_films f = {0};
    *out = NULL;
    tsr_status st = tsri_films_plan(&f, m, rq, false, fn, user, err);
    if (st == TSR_OK)
        st = f.n ? tsri_films_watch(m, rq, &f, tsri_run, fn, user, out, err) : tsri_run(m, rq, given, fn, user, out, err);
    tsri_films_deinit(&f);
    return st;
}

tessera_status tessera_watch(tessera_model *m, const tessera_request *rq, tessera_event_fn fn, void *user,
                             tessera_result **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_public(perr, tsri_watch(m, rq, NULL, fn, user, out, &err), &err);
}

tessera_status tessera_film_plan(tessera_model *m, const tessera_request *rq, int chapters, int as_json,
                                 tessera_event_fn fn, void *user, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsri_films f = {0};
    tsr_json *plan = NULL;
    *out = NULL;
    tsr_status st = tsri_films_plan(&f, m, rq, chapters != 0, fn, user, &err);
    if (st == TSR_OK && f.n == 0)
        st = tsr_fail(&err, TSR_ERR_USAGE, "there is nothing to plan: no film, or its frames are chosen already");
    if (st == TSR_OK && rq->frames == TESSERA_FRAMES_AUTO)
        st = tsri_films_find_moments(&f, rq, fn, user, &err);
    if (st == TSR_OK && !as_json)
        st = tsri_films_text(&f, out, &err);
    if (st == TSR_OK && as_json && !(plan = tsri_films_json(&f)))
        st = tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: the plan");
    if (st == TSR_OK && as_json)
        st = tsr_json_dump(out, plan, 0, &err);
    tsr_json_free(plan);
    tsri_films_deinit(&f);
    return tsri_public(perr, st, &err);
}
