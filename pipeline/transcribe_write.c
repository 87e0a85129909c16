/* transcribe_write.c: the document of a transcript, handed out as it becomes certain: lines, cues, or one JSON
 * object at the end. */
#include <math.h>
#include <string.h>

#include "transcribe_internal.h"
#include "tsr_alloc.h"

/* ---- handing out ---- */

static tsr_status hand_out(tsri_transcriber *t)
{
    tsri_writer *w = &t->writer;
    tsr_status st = TSR_OK;
    if (w->part.len == 0)
        return st;
    if (w->keeps)
        st = tsr_text_add(&w->doc, w->part.at, w->part.len, t->err);
    if (st == TSR_OK)
        tsri_transcribe_tell(t, TESSERA_EVENT_TEXT, w->part.at, w->part.len);
    w->part.len = 0;
    return st;
}

static tsr_status put(tsri_transcriber *t, const char *s, size_t len)
{
    return tsr_text_add(&t->writer.part, s, len, t->err);
}

static bool as_cue_form(tessera_transcript_form form, tsri_cue_form *out)
{
    switch (form) {
    case TESSERA_TRANSCRIPT_SRT: *out = TSRI_CUE_SRT; return true;
    case TESSERA_TRANSCRIPT_VTT: *out = TSRI_CUE_VTT; return true;
    case TESSERA_TRANSCRIPT_TSV: *out = TSRI_CUE_TSV; return true;
    case TESSERA_TRANSCRIPT_TXT:
    case TESSERA_TRANSCRIPT_JSON: break;
    }
    return false;
}

const tsri_words *tsri_writer_shown(const tsri_writer *w, const tsri_piece *p)
{
    return w->shows_translation ? &p->translation : &p->text;
}

tsr_status tsri_writer_begin(tsri_transcriber *t)
{
    tsri_writer *w = &t->writer;
    tsri_cue_form form;
    if (w->form == TESSERA_TRANSCRIPT_JSON) {
        w->spans = tsri_build_list();
        w->cues = tsri_build_list();
    }
    if (!as_cue_form(w->form, &form))
        return TSR_OK;
    tsr_status st = put(t, tsri_cue_head(form), strlen(tsri_cue_head(form)));
    return st == TSR_OK ? hand_out(t) : st;
}

void tsri_writer_deinit(tsri_writer *w)
{
    tsr_text_deinit(&w->doc);
    tsr_text_deinit(&w->part);
    tsr_text_deinit(&w->text);
    tsr_text_deinit(&w->translation);
    tsr_json_free(w->spans.v);
    tsr_json_free(w->cues.v);
    memset(w, 0, sizeof *w);
}

/* ---- lines ---- */

/* Words [from, to) at the end of the line. */
static tsr_status put_words(tsri_transcriber *t, const tsri_words *words, size_t from, size_t to)
{
    tsri_writer *w = &t->writer;
    if (from >= to)
        return TSR_OK;
    bool spaced = w->line_is_open && (from ? words->at[from].is_spaced : tsri_words_want_space(words));
    size_t at = words->at[from].from;
    tsr_status st = spaced ? put(t, " ", 1) : TSR_OK;
    w->line_is_open = true;
    return st == TSR_OK ? put(t, words->text.at + at, words->at[to - 1].to - at) : st;
}

static tsr_status end_line(tsri_transcriber *t)
{
    bool open = t->writer.line_is_open;
    t->writer.line_is_open = false;
    return open ? put(t, "\n", 1) : TSR_OK;
}

tsr_status tsri_writer_early(tsri_transcriber *t, tsri_piece *p, size_t n)
{
    const tsri_words *shown = tsri_writer_shown(&t->writer, p);
    if (t->writer.form != TESSERA_TRANSCRIPT_TXT || n <= p->n_told)
        return TSR_OK;
    tsr_status st = put_words(t, shown, p->n_told, n);
    p->n_told = n;
    return st == TSR_OK ? hand_out(t) : st;
}

static tsr_status write_lines(tsri_transcriber *t, const tsri_piece *p)
{
    const tsri_words *shown = tsri_writer_shown(&t->writer, p);
    tsr_status st = p->failure ? TSR_OK : put_words(t, shown, p->n_told, shown->n);
    if (st == TSR_OK && (p->failure || p->w.ends == TSRI_CUT_PAUSE))
        st = end_line(t);
    return st;
}

/* ---- cues ---- */

static tsr_status write_cue(void *user, const tsri_cue *cue, tsr_error *err)
{
    tsri_transcriber *t = user;
    tsri_cue_form form = TSRI_CUE_SRT;
    as_cue_form(t->writer.form, &form);
    return tsri_cue_write(&t->writer.part, form, ++t->writer.n_cues, cue, err);
}

static tsr_json *text_json(const tsr_text *t)
{
    return tsr_json_new_string(t->len ? t->at : "", t->len);
}

static tsr_status add_cue_json(void *user, const tsri_cue *cue, tsr_error *err)
{
    tsri_transcriber *t = user;
    tsr_text text = {0};
    tsri_build o = tsri_build_object();
    tsr_status st = tsr_text_add(&text, cue->lines[0], cue->lens[0], err);
    if (st == TSR_OK && cue->lens[1])
        st = tsr_text_add(&text, "\n", 1, err);
    if (st == TSR_OK && cue->lens[1])
        st = tsr_text_add(&text, cue->lines[1], cue->lens[1], err);
    tsri_put_real(&o, "from", (double)cue->from_ms / 1000);
    tsri_put_real(&o, "to", (double)cue->to_ms / 1000);
    tsri_put_bool(&o, "from_interpolated", cue->from_is_guess);
    tsri_put_bool(&o, "to_interpolated", cue->to_is_guess);
    tsri_put(&o, "text", text_json(&text));
    tsri_add(&t->writer.cues, tsri_build_end(&o));
    tsr_text_deinit(&text);
    return st;
}

static tsr_status make_cues(tsri_transcriber *t, const tsri_piece *p)
{
    bool is_json = t->writer.form == TESSERA_TRANSCRIPT_JSON;
    if (p->failure)
        return TSR_OK;
    return tsri_cues_make(tsri_writer_shown(&t->writer, p), &p->w, t->offset_s, &t->writer.last_ms,
                          is_json ? add_cue_json : write_cue, t, t->err);
}

/* ---- spans ---- */

static double rounded(double seconds)
{
    return floor(seconds * 1000 + 0.5) / 1000;
}

static const char *cut_name(tsri_cut c)
{
    return c == TSRI_CUT_PAUSE ? "pause" : "overlap";
}

static void put_span(tsri_build *o, const char *kind, double from, double to)
{
    tsri_put_text(o, "kind", kind);
    tsri_put_real(o, "from", rounded(from));
    tsri_put_real(o, "to", rounded(to));
}

static void put_words_json(tsri_build *o, const char *key, const tsri_words *w)
{
    tsri_put(o, key, text_json(&w->text));
}

static tsr_status add_to_whole(tsr_text *whole, const tsri_words *w, tsr_error *err)
{
    if (w->n == 0)
        return TSR_OK;
    tsr_status st = whole->len && tsri_words_want_space(w) ? tsr_text_add(whole, " ", 1, err) : TSR_OK;
    return st == TSR_OK ? tsr_text_add(whole, w->text.at, w->text.len, err) : st;
}

/* What the model said is kept for whoever wants to judge by himself; it may end within a character. */
static tsr_json *rejected_json(const tsri_piece *p)
{
    tsri_words w = {0};
    tsr_json *v = NULL;
    if (tsri_words_read(&w, p->rejected.len ? p->rejected.at : "", p->rejected.len, NULL) == TSR_OK)
        v = text_json(&w.text);
    tsri_words_deinit(&w);
    return v;
}

static tsr_status add_piece_json(tsri_transcriber *t, const tsri_piece *p, double from, double to)
{
    tsri_writer *w = &t->writer;
    tsri_build o = tsri_build_object();
    put_span(&o, p->failure ? "failed" : "speech", from, to);
    if (p->failure) {
        tsri_put_text(&o, "reason", p->failure);
        tsri_put(&o, "heard", rejected_json(p));
    } else {
        put_words_json(&o, "text", &p->text);
    }
    if (!p->failure && t->o->translate)
        put_words_json(&o, "translation", &p->translation);
    tsri_put_text(&o, "begins", cut_name(p->w.begins));
    tsri_put_text(&o, "ends", cut_name(p->w.ends));
    if (p->seam)
        tsri_put_text(&o, "seam", p->seam);
    tsri_put_size(&o, "tries", p->tries);
    tsri_add(&w->spans, tsri_build_end(&o));
    tsr_status st = p->failure ? TSR_OK : add_to_whole(&w->text, &p->text, t->err);
    return st == TSR_OK && !p->failure ? add_to_whole(&w->translation, &p->translation, t->err) : st;
}

static char *copy_of(const tsr_text *t)
{
    return tsr_strndup(t->len ? t->at : "", t->len);
}

/* Terminated copies for the caller's function. */
static tsr_status tell_span(tsri_transcriber *t, const tsri_piece *p, double from, double to)
{
    tessera_span s = {.kind = p->failure ? TESSERA_SPAN_FAILED : TESSERA_SPAN_SPEECH, .from = from, .to = to,
                      .reason = p->failure};
    if (!t->o->span)
        return TSR_OK;
    char *text = p->failure ? NULL : copy_of(&p->text.text);
    char *translation = p->failure || !t->o->translate ? NULL : copy_of(&p->translation.text);
    s.text = text;
    s.translation = translation;
    bool ok = p->failure || (text && (translation || !t->o->translate));
    if (ok)
        t->o->span(t->o->span_user, &s);
    tsr_free(text);
    tsr_free(translation);
    return ok ? TSR_OK : tsr_fail(t->err, TSR_ERR_NOMEM, "out of memory: a span's text");
}

tsr_status tsri_writer_piece(tsri_transcriber *t, const tsri_piece *p)
{
    double from = tsri_transcribe_time(t, (double)p->w.from), to = tsri_transcribe_time(t, (double)p->w.to);
    tsr_status st = tell_span(t, p, from, to);
    if (st != TSR_OK)
        return st;
    if (t->writer.form == TESSERA_TRANSCRIPT_TXT)
        st = write_lines(t, p);
    else
        st = make_cues(t, p);
    if (st == TSR_OK && t->writer.form == TESSERA_TRANSCRIPT_JSON)
        st = add_piece_json(t, p, from, to);
    return st == TSR_OK ? hand_out(t) : st;
}

tsr_status tsri_writer_gap(tsri_transcriber *t, tessera_span_kind kind, double from, double to, const char *reason)
{
    if (t->o->span) {
        tessera_span s = {.kind = kind, .from = from, .to = to, .reason = reason};
        t->o->span(t->o->span_user, &s);
    }
    if (t->writer.form == TESSERA_TRANSCRIPT_JSON) {
        tsri_build o = tsri_build_object();
        put_span(&o, kind == TESSERA_SPAN_SILENCE ? "silence" : "failed", from, to);
        if (reason)
            tsri_put_text(&o, "reason", reason);
        tsri_add(&t->writer.spans, tsri_build_end(&o));
    }
    return TSR_OK;
}

/* ---- the end ---- */

static tsr_json *seconds_json(const tsri_transcriber *t)
{
    tsri_build o = tsri_build_object();
    tsri_put_real(&o, "speech", rounded(t->facts.speech));
    tsri_put_real(&o, "silence", rounded(t->facts.silence));
    tsri_put_real(&o, "failed", rounded(t->facts.failed));
    return tsri_build_end(&o);
}

static tsr_json *usage_json(const tsri_transcriber *t)
{
    tsri_build o = tsri_build_object();
    tsri_put_size(&o, "windows", t->facts.windows);
    tsri_put_size(&o, "tries", t->facts.tries);
    tsri_put_size(&o, "prompt_tokens", t->prompt_tokens);
    tsri_put_size(&o, "audio_tokens", t->audio_tokens);
    tsri_put_size(&o, "completion_tokens", t->completion_tokens);
    return tsri_build_end(&o);
}

static tsr_json *timings_json(const tsri_transcriber *t)
{
    tsri_build o = tsri_build_object();
    tsri_put_real(&o, "model_s", t->heard_s);
    return tsri_build_end(&o);
}

/* What came from a command line may be no UTF-8. */
static tsr_json *string_json(const char *s)
{
    tsr_text text = {0};
    tsr_json *v = NULL;
    if (tsr_utf8_repair(&text, s, strlen(s), NULL) == TSR_OK)
        v = text_json(&text);
    tsr_text_deinit(&text);
    return v;
}

static tsr_json *whole_json(tsri_transcriber *t, const char *error)
{
    tsri_writer *w = &t->writer;
    tsri_build o = tsri_build_object();
    tsri_put(&o, "file", string_json(t->name));
    tsri_put_real(&o, "duration", rounded(t->facts.seconds));
    tsri_put(&o, "language", t->o->language ? string_json(t->o->language) : tsr_json_new_null());
    tsri_put(&o, "text", text_json(&w->text));
    if (t->o->translate) {
        tsri_put(&o, "translated_into", string_json(t->o->translate));
        tsri_put(&o, "translation", text_json(&w->translation));
    }
    tsri_put(&o, "spans", tsri_build_end(&w->spans));
    tsri_put(&o, "cues", tsri_build_end(&w->cues));
    tsri_put(&o, "seconds", seconds_json(t));
    tsri_put(&o, "usage", usage_json(t));
    tsri_put(&o, "timings", timings_json(t));
    tsri_put(&o, "notes", tsri_build_end(&t->notes));
    tsri_put_bool(&o, "cancelled", t->facts.cancelled != 0);
    if (error)
        tsri_put(&o, "error", string_json(error));
    return tsri_build_end(&o);
}

tsr_status tsri_writer_end(tsri_transcriber *t, const char *error)
{
    tsr_status st = end_line(t);
    if (st == TSR_OK && t->writer.form == TESSERA_TRANSCRIPT_JSON) {
        char *text = NULL;
        tsr_json *v = whole_json(t, error);
        st = v ? tsr_json_dump(&text, v, 0, t->err) : tsr_fail(t->err, TSR_ERR_NOMEM, "out of memory: the transcript");
        tsr_json_free(v);
        if (st == TSR_OK)
            st = put(t, text, strlen(text));
        tsr_free(text);
        if (st == TSR_OK)
            st = put(t, "\n", 1);
    }
    return st == TSR_OK ? hand_out(t) : st;
}
