/* film_chapters.c: see the header. */
#include "film_chapters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "film_time.h"
#include "json_build.h"
#include "model_internal.h"
#include "run.h"
#include "subtitles.h"
#include "tsr_alloc.h"

#define SHORTEST_S 0.1 /* notes closer than this are of one moment */

/* ---- chapters ---- */

static bool says(const tsri_chapter *c, const char *text, size_t len)
{
    return c->text.len == len && memcmp(c->text.at, text, len) == 0;
}

static tsr_status add_note(tsri_chapters *out, const tsri_film_notes *notes, const tsri_film_note *n, tsr_error *err)
{
    const char *text = notes->text.at + n->from;
    tsri_chapter *last = out->n ? &out->at[out->n - 1] : NULL;
    if (last && says(last, text, n->len) && n->at_s <= last->to_s) {
        last->to_s = n->to_s > last->to_s ? n->to_s : last->to_s;
        return TSR_OK;
    }
    tsr_status st = TSR_OK;
    if (last && n->at_s - last->from_s < SHORTEST_S) {
        st = tsr_text_add(&last->text, " ", 1, err);
    } else {
        last = &out->at[out->n++];
        *last = (tsri_chapter){.from_s = n->at_s, .has_time = n->has_time};
    }
    last->to_s = n->to_s > last->from_s + SHORTEST_S ? n->to_s : last->from_s + SHORTEST_S;
    return st == TSR_OK ? tsr_text_add(&last->text, text, n->len, err) : st;
}

tsr_status tsri_chapters_make(tsri_chapters *out, const tsri_film_notes *notes, tsr_error *err)
{
    memset(out, 0, sizeof *out);
    tsr_status st = tsr_alloc_array(&out->at, notes->n, sizeof *out->at, "chapters", err);
    for (size_t i = 0; i < notes->n && st == TSR_OK; i++)
        st = add_note(out, notes, &notes->at[i], err);
    if (st != TSR_OK)
        tsri_chapters_deinit(out);
    return st;
}

void tsri_chapters_deinit(tsri_chapters *c)
{
    for (size_t i = 0; i < c->n; i++)
        tsr_text_deinit(&c->at[i].text);
    tsr_free(c->at);
    memset(c, 0, sizeof *c);
}

/* ---- their document ---- */

typedef struct writer {
    tsr_text *out;
    tsri_cue_form form;
    size_t n_cues;
} writer;

static tsr_status on_cue(void *user, const tsri_cue *cue, tsr_error *err)
{
    writer *w = user;
    return tsri_cue_write(w->out, w->form, ++w->n_cues, cue, err);
}

static tsr_status write_cues(tsr_text *out, tsri_cue_form form, const tsri_chapters *c, tsr_error *err)
{
    const double frames_per_s = (double)TSR_VOICE_RATE / TSR_VOICE_FRAME;
    writer w = {.out = out, .form = form};
    const char *head = tsri_cue_head(form);
    int64_t last_ms = 0;
    tsr_status st = tsr_text_add(out, head, strlen(head), err);
    for (size_t i = 0; i < c->n && st == TSR_OK; i++) {
        tsri_words words = {0};
        tsri_window window = {.from = 0, .begins = TSRI_CUT_PAUSE, .ends = TSRI_CUT_PAUSE, .n_voiced = 1};
        window.to = (uint64_t)floor((c->at[i].to_s - c->at[i].from_s) * frames_per_s);
        window.voiced[0] = (tsri_stretch){0, window.to};
        st = tsri_words_read(&words, c->at[i].text.at, c->at[i].text.len, err);
        if (st == TSR_OK)
            st = tsri_cues_make(&words, &window, c->at[i].from_s, &last_ms, on_cue, &w, err);
        tsri_words_deinit(&words);
    }
    return st;
}

static tsr_status write_lines(tsr_text *out, const tsri_chapters *c, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < c->n && st == TSR_OK; i++) {
        char time[TSRI_FILM_TIME];
        tsri_film_time_write(time, c->at[i].from_s, false);
        st = tsr_text_add(out, time, strlen(time), err);
        if (st == TSR_OK)
            st = tsr_text_add(out, " ", 1, err);
        if (st == TSR_OK)
            st = tsr_text_add(out, c->at[i].text.at, c->at[i].text.len, err);
        if (st == TSR_OK)
            st = tsr_text_add(out, "\n", 1, err);
    }
    return st;
}

static void put_chapters(tsri_build *list, const tsri_film *f, const tsri_chapters *c)
{
    for (size_t i = 0; i < c->n; i++) {
        tsri_build o = tsri_build_object();
        char time[TSRI_FILM_TIME];
        tsri_film_time_write(time, c->at[i].from_s, false);
        tsri_put(&o, "file", tsr_json_new_string(f->name, strlen(f->name)));
        tsri_put_real(&o, "from", c->at[i].from_s);
        tsri_put_real(&o, "to", c->at[i].to_s);
        tsri_put_text(&o, "time", time);
        tsri_put_bool(&o, "timed", c->at[i].has_time);
        tsri_put(&o, "text", tsr_json_new_string(c->at[i].text.at, c->at[i].text.len));
        tsri_add(list, tsri_build_end(&o));
    }
}

typedef struct chapters {
    const tsri_films *f;
    tessera_transcript_form form;
    tsri_build list;   /* JSON: of all films */
    tsr_json *windows; /* JSON */
    tsr_text text;     /* other forms */
    size_t n_moved, n_noted; /* notes; windows */
    bool cancelled;
    const char *failure; /* of a window; NULL: none */
} chapters;

static tsr_status add_film(chapters *d, size_t i, const tsri_film_notes *notes, tsr_error *err)
{
    tsri_chapters c;
    tsr_status st = tsri_chapters_make(&c, notes, err);
    if (st != TSR_OK)
        return st;
    switch (d->form) {
    case TESSERA_TRANSCRIPT_JSON: put_chapters(&d->list, &d->f->at[i], &c); break;
    case TESSERA_TRANSCRIPT_TXT: st = write_lines(&d->text, &c, err); break;
    case TESSERA_TRANSCRIPT_SRT: st = write_cues(&d->text, TSRI_CUE_SRT, &c, err); break;
    case TESSERA_TRANSCRIPT_VTT: st = write_cues(&d->text, TSRI_CUE_VTT, &c, err); break;
    case TESSERA_TRANSCRIPT_TSV: st = write_cues(&d->text, TSRI_CUE_TSV, &c, err); break;
    }
    tsri_chapters_deinit(&c);
    return st;
}

/* The list and the windows are handed over. */
static tsr_status dump(chapters *d, char **out, tsr_error *err)
{
    tsri_build o = tsri_build_object();
    tsri_put(&o, "plan", tsri_films_json(d->f));
    tsri_put(&o, "chapters", tsri_build_end(&d->list));
    tsri_put(&o, "windows", d->windows);
    d->list = (tsri_build){NULL, false};
    d->windows = NULL;
    tsri_put_size(&o, "moved_times", d->n_moved);
    tsri_put_bool(&o, "cancelled", d->cancelled);
    if (d->failure)
        tsri_put_text(&o, "error", d->failure);
    tsr_json *whole = tsri_build_end(&o);
    tsr_status st = whole ? tsr_json_dump(out, whole, 0, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: chapters");
    tsr_json_free(whole);
    return st;
}

static tsr_status check(const tsri_films *f, const tessera_request *rq, tessera_transcript_form form, tsr_error *err)
{
    if ((unsigned)form > (unsigned)TESSERA_TRANSCRIPT_JSON)
        return tsr_fail(err, TSR_ERR_USAGE, "chapters have no form %d", (int)form);
    if (form != TESSERA_TRANSCRIPT_JSON && f->n > 1)
        return tsr_fail(err, TSR_ERR_USAGE, "chapters of %zu films can be told apart in JSON alone", f->n);
    if (rq->schema || rq->grammar || rq->tools || rq->messages)
        return tsr_fail(err, TSR_ERR_USAGE, "chapters take no schema, grammar, tools or messages");
    return TSR_OK;
}

static tsr_status finish(chapters *d, char **out, tsr_error *err)
{
    if (d->form == TESSERA_TRANSCRIPT_JSON)
        return dump(d, out, err);
    tsr_status st = tsr_text_add(&d->text, "", 1, err);
    if (st == TSR_OK) {
        *out = d->text.at;
        d->text = (tsr_text){0};
    }
    return st;
}

/* The notes of a film are its chapters, also those before a failure. */
static tsr_status watch_film(chapters *d, tessera_model *m, const tessera_request *rq, size_t i, tsri_ask_fn *ask,
                             tessera_event_fn fn, void *user, tsr_error *err)
{
    tsri_film_notes notes = {0};
    tsr_error lost = {TSR_OK, ""};
    size_t n_noted;
    tsr_status st = tsri_film_note_all(m, rq, d->f, i, ask, fn, user, &notes, d->windows, &n_noted, &d->cancelled, err);
    tsr_status added = add_film(d, i, &notes, st == TSR_OK ? err : &lost);
    d->n_moved += notes.n_moved;
    d->n_noted += added == TSR_OK ? n_noted : 0;
    tsri_film_notes_deinit(&notes);
    return st == TSR_OK ? added : st;
}

tsr_status tsri_films_chapters(tessera_model *m, const tessera_request *rq, const tsri_films *f,
                               tessera_transcript_form form, tsri_ask_fn *ask, tessera_event_fn fn, void *user,
                               char **out, tsr_error *err)
{
    chapters d = {.f = f, .form = form};
    tsr_error lost = {TSR_OK, ""};
    *out = NULL;
    tsr_status st = check(f, rq, form, err);
    d.list = tsri_build_list();
    d.windows = tsr_json_new_array();
    if (st == TSR_OK && !d.windows)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: chapters");
    for (size_t i = 0; i < f->n && st == TSR_OK && !d.cancelled; i++)
        st = watch_film(&d, m, rq, i, ask, fn, user, err);
    if (st == TSR_OK)
        st = finish(&d, out, err);
    else if (d.n_noted) {
        d.failure = err->text;
        (void)finish(&d, out, &lost); /* what there is of it; the failure stays what is told */
    }
    tsr_json_free(d.list.v);
    tsr_json_free(d.windows);
    tsr_text_deinit(&d.text);
    return st;
}

tessera_status tessera_chapters(tessera_model *m, const tessera_request *rq, tessera_transcript_form form,
                                tessera_event_fn fn, void *user, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsri_films f = {0};
    *out = NULL;
    tsr_status st = tsri_films_plan(&f, m, rq, true, fn, user, &err);
    if (st == TSR_OK && f.n == 0)
        st = tsr_fail(&err, TSR_ERR_USAGE, "chapters are of films whose frames are taken by time, and there is none");
    if (st == TSR_OK)
        st = tsri_films_chapters(m, rq, &f, form, tsri_run, fn, user, out, &err);
    tsri_films_deinit(&f);
    return tsri_public(perr, st, &err);
}
