/* transcribe.c: the sound is read a second at a time; what voice detection and the planner make a window of is heard
 * at once, and only samples that a window may still need are kept. */
#include "transcribe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "media_part.h"
#include "transcribe_ask.h"
#include "transcribe_internal.h"
#include "tsr_alloc.h"
#include "tsr_audio.h"

enum {
    BLOCK = TSR_VOICE_RATE,
    MOST_KEPT = (TSRI_PLAN_LONGEST + 3 * 50) * TSR_VOICE_FRAME, /* a window, its margin, a block and its padding */
    MOST_NOTES = 100
};

/* The sound as it is read. */
typedef struct listener {
    tsri_transcriber t;
    tsr_source *source;
    tsr_audio_stream *stream;
    tsr_voice *voice;
    tsri_plan plan;
    tsri_window window; /* not on the stack, it is large */
    float *kept;        /* [n_kept] of MOST_KEPT */
    size_t n_kept;
    tsr_voice_frame frames[BLOCK / TSR_VOICE_FRAME + 2];
} listener;

/* ---- telling ---- */

void tsri_transcribe_tell(tsri_transcriber *t, tessera_event_kind kind, const char *text, size_t len)
{
    tessera_event ev = {.kind = kind, .text = text, .len = len};
    if (kind == TESSERA_EVENT_STAGE) {
        ev.done = (size_t)fmax(0, tsri_transcribe_time(t, (double)t->told) - t->offset_s);
        ev.total = t->duration_s > 0 ? (size_t)ceil(t->duration_s) : 0;
    }
    int said = t->fn ? t->fn(t->user, &ev) : TESSERA_GO_ON;
    t->stop_soon = t->stop_soon || said == TESSERA_STOP_SOON;
    t->stop_now = t->stop_now || (said != TESSERA_GO_ON && said != TESSERA_STOP_SOON);
}

void tsri_transcribe_progress(tsri_transcriber *t)
{
    tsri_transcribe_tell(t, TESSERA_EVENT_STAGE, "sound", 5);
}

void tsri_transcribe_note(tsri_transcriber *t, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : strlen(text);
    len -= tsr_utf8_open_tail(text, len);
    if (tsr_json_len(t->notes.v) < MOST_NOTES)
        tsri_add(&t->notes, tsr_json_new_string(text, len));
    tsri_transcribe_tell(t, TESSERA_EVENT_NOTE, text, len);
}

double tsri_transcribe_time(const tsri_transcriber *t, double frame)
{
    double end = (double)t->n_samples / TSR_VOICE_RATE, at = frame * TSR_VOICE_FRAME / TSR_VOICE_RATE;
    double s = t->offset_s + (at < end ? at : end);
    return s > 0 ? s : 0;
}

/* ---- windows ---- */

/* The last n of what is kept were added: let voice detection and the planner see them. */
static tsr_status look_at(listener *l, size_t n)
{
    tsri_transcriber *t = &l->t;
    tsr_status st = TSR_OK;
    size_t n_frames = tsr_voice_push(l->voice, l->kept + l->n_kept - n, n, l->frames);
    t->samples = l->kept;
    for (size_t i = 0; i < n_frames && st == TSR_OK; i++)
        if (tsri_plan_push(&l->plan, &l->frames[i], &l->window))
            st = tsri_transcribe_hear(t, &l->window);
    return st;
}

static void forget(listener *l)
{
    size_t n = (size_t)(tsri_plan_oldest(&l->plan) * TSR_VOICE_FRAME - l->t.first);
    n = n < l->n_kept ? n : l->n_kept;
    if (n == 0)
        return;
    l->n_kept -= n;
    l->t.first += n;
    memmove(l->kept, l->kept + n, l->n_kept * sizeof *l->kept);
}

/* The first samples have come, and with them their place in time: in films sound may begin later than pictures. */
static tsr_status place_sound(listener *l)
{
    tsri_transcriber *t = &l->t;
    double begin = t->rq->start;
    t->offset_s = (double)tsr_audio_stream_facts(l->stream)->start_us / 1e6;
    if (t->offset_s < begin + 0.001)
        return TSR_OK;
    t->facts.silence += t->offset_s - begin;
    return tsri_writer_gap(t, TESSERA_SPAN_SILENCE, begin, t->offset_s, NULL);
}

static tsr_status read_block(listener *l, bool *end)
{
    size_t n = 0;
    tsr_status st = tsr_audio_stream_read(l->stream, l->kept + l->n_kept, BLOCK, &n, l->t.err);
    *end = n == 0;
    if (st != TSR_OK || n == 0)
        return st;
    if (l->t.n_samples == 0)
        st = place_sound(l);
    l->n_kept += n;
    l->t.n_samples += n;
    if (st == TSR_OK)
        st = look_at(l, n);
    forget(l);
    return st;
}

/* The last frame is filled up with silence. */
static tsr_status hear_rest(listener *l)
{
    size_t rest = (size_t)(l->t.n_samples % TSR_VOICE_FRAME), n = rest ? TSR_VOICE_FRAME - rest : 0;
    memset(l->kept + l->n_kept, 0, n * sizeof *l->kept);
    l->n_kept += n;
    tsr_status st = look_at(l, n);
    if (st == TSR_OK && tsri_plan_end(&l->plan, &l->window))
        st = tsri_transcribe_hear(&l->t, &l->window);
    return st;
}

/* Damage of the sound is the last thing that is known of it: what came before is heard all the same. */
static tsr_status listen(listener *l)
{
    tsri_transcriber *t = &l->t;
    tsr_error damage = {TSR_OK, ""}, *all = t->err;
    tsr_status st = TSR_OK;
    bool end = false;
    while (!end && st == TSR_OK && !t->stop_soon && !t->stop_now) {
        st = read_block(l, &end);
        if (st == TSR_OK)
            tsri_transcribe_progress(t);
    }
    t->facts.cancelled = t->stop_soon || t->stop_now;
    if (!end || st == TSR_OK)
        return st == TSR_OK ? hear_rest(l) : st;
    damage = *all;
    tsr_error_clear(all);
    st = hear_rest(l);
    t->facts.cancelled = t->facts.cancelled || t->stop_now;
    return st != TSR_OK ? st : tsr_fail(all, damage.status, "%s", damage.text);
}

/* The document as far as it came, whatever happened. */
static tsr_status write_down(listener *l)
{
    tsri_transcriber *t = &l->t;
    tsr_error first = {TSR_OK, ""}, *err = t->err;
    tsr_status st = tsri_writer_begin(t);
    if (st == TSR_OK)
        st = listen(l);
    if (st != TSR_OK)
        first = *err;
    t->facts.cancelled = t->facts.cancelled || t->stop_now || t->stop_soon;
    t->facts.seconds = (double)t->n_samples / TSR_VOICE_RATE;
    tsr_status told = tsri_transcribe_join_end(t);
    if (told == TSR_OK)
        told = tsri_writer_end(t, st != TSR_OK ? first.text : NULL);
    return st != TSR_OK ? st : told;
}

/* ---- opening ---- */

static tsr_audio_opts audio_opts(const tessera_request *rq)
{
    tsr_audio_opts o = tsr_audio_opts_default();
    o.max_seconds = tsri_or(rq->max_film_seconds, 86400);
    o.start_us = (int64_t)(rq->start * 1e6 + 0.5);
    o.end_us = rq->end > 0 ? (int64_t)(rq->end * 1e6 + 0.5) : -1;
    o.max_packets = rq->max_packets ? rq->max_packets : o.max_packets;
    o.timeout_ms = tsri_deadline_ms(rq);
    return o;
}

static tsr_status open_sound(listener *l, const tessera_sound *s, const tessera_request *rq)
{
    tsr_error *err = l->t.err;
    const tsr_audio_opts o = audio_opts(rq);
    size_t most = tsri_or_size(rq->max_file_bytes, TSRI_DEFAULT_MAX_FILE_BYTES);
    if (s->read) {
        const tsr_audio_reader reader = {s->read, s->read_user, l->t.name};
        return tsr_audio_stream_open_live(&l->stream, &reader, s->rate, most, &o, err);
    }
    if (s->rate)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a rate is for bare samples that come in", l->t.name);
    tsr_status st = s->data ? tsr_source_open_memory(&l->source, s->data, s->len, l->t.name, err)
                            : tsr_source_open(&l->source, l->t.name, most, err);
    return st == TSR_OK ? tsr_audio_stream_open(&l->stream, l->source, &o, err) : st;
}

static tsr_status check(const tessera_request *rq, const tessera_transcribe_opts *o, tsr_error *err)
{
    if ((unsigned)o->form > (unsigned)TESSERA_TRANSCRIPT_JSON)
        return tsr_fail(err, TSR_ERR_USAGE, "form %d of transcripts is not known", (int)o->form);
    if (!(o->window == 0 || (o->window >= 1 && o->window <= TSRI_MAX_SOUND_SECONDS)))
        return tsr_fail(err, TSR_ERR_USAGE, "a window of %g seconds is outside 1 to %d", o->window,
                        TSRI_MAX_SOUND_SECONDS);
    if (!(o->overlap >= 0 && o->overlap <= 10) || !(o->pause >= 0 && o->pause <= 60))
        return tsr_fail(err, TSR_ERR_USAGE, "an overlap of %g or a pause of %g seconds is out of range (10, 60)",
                        o->overlap, o->pause);
    bool in_range = rq->start >= 0 && rq->start < 1e9 && rq->end >= 0 && rq->end < 1e9;
    if (!in_range || (rq->end > 0 && rq->end <= rq->start))
        return tsr_fail(err, TSR_ERR_USAGE, "start %g and end %g seconds are no part of a sound", rq->start, rq->end);
    return TSR_OK;
}

static double seconds_told(const tsr_audio_stream *s, const tessera_request *rq)
{
    int64_t us = tsr_audio_stream_facts(s)->duration_us;
    double end = us >= 0 ? (double)us / 1e6 : -1;
    if (rq->end > 0 && (end < 0 || rq->end < end))
        end = rq->end;
    return end < 0 ? -1 : end > rq->start ? end - rq->start : 0;
}

static tsr_status prepare(listener *l, const tessera_sound *sound)
{
    tsri_transcriber *t = &l->t;
    const tessera_transcribe_opts *o = t->o;
    tsr_status st = check(t->rq, o, t->err);
    if (st == TSR_OK)
        st = tsr_voice_open(&l->voice, t->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&l->kept, MOST_KEPT, sizeof *l->kept, "the sound of a window", t->err);
    if (st == TSR_OK)
        st = open_sound(l, sound, t->rq);
    if (st != TSR_OK)
        return st;
    t->duration_s = seconds_told(l->stream, t->rq);
    t->plan = tsri_plan_opts_for(tsri_or(o->window, TSRI_MAX_SOUND_SECONDS), tsri_or(o->overlap, 3),
                                 tsri_or(o->pause, 1), o->all_sound != 0);
    tsri_plan_begin(&l->plan, &t->plan);
    return TSR_OK;
}

static void close_listener(listener *l)
{
    tsri_piece_deinit(&l->t.pending);
    tsri_writer_deinit(&l->t.writer);
    tsr_json_free(l->t.notes.v);
    tsr_audio_stream_close(l->stream);
    tsr_source_close(l->source);
    tsr_voice_close(l->voice);
    tsr_free(l->kept);
    tsr_free(l);
}

static const char *name_of(const tessera_sound *s)
{
    return s->path ? s->path : s->read ? "sound" : "memory";
}

tsr_status tsri_transcribe(const tessera_sound *sound, const tessera_request *settings,
                           const tessera_transcribe_opts *opts, tsri_hear_fn *hear, void *hearer, tessera_event_fn fn,
                           void *user, tessera_transcript *facts, char **out, tsr_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    if (out)
        *out = NULL;
    if (facts)
        memset(facts, 0, sizeof *facts);
    listener *l = tsr_calloc(1, sizeof *l);
    if (!l)
        return tsr_fail(perr, TSR_ERR_NOMEM, "out of memory: %s", name_of(sound));
    l->t = (tsri_transcriber){.o = opts, .rq = settings, .name = name_of(sound), .hear = hear, .hearer = hearer,
                              .fn = fn, .user = user, .duration_s = -1, .err = &err, .notes = tsri_build_list()};
    l->t.writer = (tsri_writer){.form = opts->form, .shows_translation = opts->translate != NULL, .keeps = out != NULL};
    tsr_status st = prepare(l, sound);
    if (st == TSR_OK)
        st = write_down(l);
    if (facts)
        *facts = l->t.facts;
    if (out && (st == TSR_OK || l->t.writer.doc.len)) {
        *out = tsr_strndup(l->t.writer.doc.len ? l->t.writer.doc.at : "", l->t.writer.doc.len);
        if (!*out && st == TSR_OK)
            st = tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: the transcript");
    }
    close_listener(l);
    return st == TSR_OK ? st : tsr_fail(perr, st, "%s", err.text);
}

tessera_status tessera_transcribe(tessera_model *m, const tessera_sound *sound, const tessera_request *settings,
                                  const tessera_transcribe_opts *opts, tessera_event_fn fn, void *user,
                                  tessera_transcript *facts, char **out, tessera_error *perr)
{
    static const tessera_transcribe_opts none = {0};
    const tessera_request usual = tessera_request_default();
    tsri_asker a;
    tsr_error err = {TSR_OK, ""};
    if (out)
        *out = NULL;
    settings = settings ? settings : &usual;
    opts = opts ? opts : &none;
    tsr_status st = tsri_need_hearing(m, name_of(sound), &err);
    if (st == TSR_OK)
        st = tsri_asker_open(&a, m, name_of(sound), settings, opts, &err);
    if (st == TSR_OK) {
        st = tsri_transcribe(sound, settings, opts, tsri_asker_hear, &a, fn, user, facts, out, &err);
        tsri_asker_deinit(&a);
    }
    return tsri_public(perr, st, &err);
}
