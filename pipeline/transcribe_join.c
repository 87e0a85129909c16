/* transcribe_join.c: pieces come in the order of time. One that shares sound with the next waits for it, and both
 * are cut in the middle of what they share: the texts at a word, the times there too. What lies between pieces is
 * silence. */
#include <string.h>

#include "transcribe_internal.h"

enum { UNSURE_WORDS = 3 /* beside twice those that are expected in the overlap */ };

/* ---- words and places ---- */

/* Words whose middle is spoken before a frame, as if all were spoken evenly. */
static size_t words_before(const tsri_words *words, const tsri_window *w, uint64_t frame)
{
    size_t n = 0;
    while (n < words->n) {
        double middle = (double)(words->at[n].from + words->at[n].to) / 2 / (double)words->text.len;
        if (tsri_window_place(w, middle, true) >= (double)frame)
            break;
        n++;
    }
    return n;
}

/* False where nothing in common was found. */
static bool join_words(tsri_words *a, const tsri_window *wa, size_t first, tsri_words *b, const tsri_window *wb)
{
    size_t keep, skip, n_a = a->n - words_before(a, wa, wb->from), n_b = words_before(b, wb, wa->to);
    bool found = tsri_words_seam(a, first, n_a, b, n_b, &keep, &skip);
    tsri_words_keep_front(a, keep);
    tsri_words_drop_front(b, skip);
    return found;
}

/* Both texts are about the sound from b's beginning to a's end: each keeps its half. */
static void stitch(const tsri_transcriber *t, tsri_piece *a, tsri_piece *b)
{
    uint64_t from = b->w.from, to = a->w.to, seam = from + (to - from) / 2;
    if (a->failure || b->failure) {
        seam = !a->failure ? to : !b->failure ? from : seam; /* what can be trusted keeps it all */
    } else {
        bool shows_translation = t->o->translate != NULL;
        bool found = join_words(&a->text, &a->w, shows_translation ? 0 : a->n_told, &b->text, &b->w);
        if (shows_translation)
            found = join_words(&a->translation, &a->w, a->n_told, &b->translation, &b->w) && found;
        b->seam = found ? "aligned" : "estimated";
    }
    tsri_window_clip(&a->w, a->w.from, seam);
    tsri_window_clip(&b->w, seam, b->w.to);
}

/* ---- the account ---- */

static double seconds_of(const tsri_transcriber *t, uint64_t from, uint64_t to)
{
    return tsri_transcribe_time(t, (double)to) - tsri_transcribe_time(t, (double)from);
}

static tsr_status tell_silence(tsri_transcriber *t, uint64_t to)
{
    if (to <= t->told)
        return TSR_OK;
    double from_s = tsri_transcribe_time(t, (double)t->told), to_s = tsri_transcribe_time(t, (double)to);
    t->told = to;
    if (to_s <= from_s)
        return TSR_OK;
    t->facts.silence += to_s - from_s;
    return tsri_writer_gap(t, TESSERA_SPAN_SILENCE, from_s, to_s, NULL);
}

/* The model failed, and what came after was not heard, whether somebody speaks or not. */
static tsr_status tell_unheard(tsri_transcriber *t, uint64_t to)
{
    double from_s = tsri_transcribe_time(t, (double)t->told), to_s = tsri_transcribe_time(t, (double)to);
    t->told = to;
    t->facts.failed += to_s - from_s;
    return to_s > from_s ? tsri_writer_gap(t, TESSERA_SPAN_FAILED, from_s, to_s, "the model failed") : TSR_OK;
}

static tsr_status tell_piece(tsri_transcriber *t, const tsri_piece *p)
{
    tsr_status st = tell_silence(t, p->w.from);
    double seconds = seconds_of(t, p->w.from, p->w.to);
    if (p->failure) {
        t->facts.failed += seconds;
        t->facts.n_failed++;
        tsri_transcribe_note(t, "%s: %.2f to %.2f s: no transcript: %s", t->name,
                             tsri_transcribe_time(t, (double)p->w.from), tsri_transcribe_time(t, (double)p->w.to),
                             p->failure);
    } else {
        t->facts.speech += seconds;
    }
    t->told = p->w.to;
    return st == TSR_OK ? tsri_writer_piece(t, p) : st;
}

static tsr_status tell_pending(tsri_transcriber *t)
{
    tsr_status st = t->has_pending ? tell_piece(t, &t->pending) : TSR_OK;
    tsri_piece_deinit(&t->pending);
    t->has_pending = false;
    return st;
}

/* ---- pieces ---- */

/* Its last words may still change, the others go out. */
static tsr_status tell_early(tsri_transcriber *t, tsri_piece *p)
{
    const tsri_words *shown = tsri_writer_shown(&t->writer, p);
    uint64_t shared = 2 * t->plan.overlap, from = p->w.to > shared ? p->w.to - shared : 0;
    size_t sure = words_before(shown, &p->w, from > p->w.from ? from : p->w.from);
    return tsri_writer_early(t, p, sure > UNSURE_WORDS ? sure - UNSURE_WORDS : 0);
}

tsr_status tsri_transcribe_join(tsri_transcriber *t, tsri_piece *p)
{
    if (t->has_pending && p->w.begins == TSRI_CUT_OVERLAP && p->w.from < t->pending.w.to)
        stitch(t, &t->pending, p);
    tsr_status st = tell_pending(t);
    if (st != TSR_OK)
        return st;
    if (p->w.ends != TSRI_CUT_OVERLAP) {
        st = tell_piece(t, p);
    } else {
        t->pending = *p; /* handed over */
        t->has_pending = true;
        memset(p, 0, sizeof *p);
        if (!t->pending.failure)
            st = tell_early(t, &t->pending);
    }
    tsri_transcribe_progress(t);
    return st;
}

tsr_status tsri_transcribe_join_end(tsri_transcriber *t)
{
    uint64_t end = (t->n_samples + TSR_VOICE_FRAME - 1) / TSR_VOICE_FRAME;
    tsr_status st = tell_pending(t);
    if (st == TSR_OK)
        st = t->model_failed ? tell_unheard(t, end) : tell_silence(t, end);
    double read_to = tsri_transcribe_time(t, (double)end), all = t->offset_s + t->duration_s;
    bool is_short = t->facts.cancelled || (t->err && t->err->status != TSR_OK);
    if (st != TSR_OK || !is_short || t->duration_s < 0 || all <= read_to)
        return st;
    t->facts.failed += all - read_to;
    return tsri_writer_gap(t, TESSERA_SPAN_FAILED, read_to, all, "not read");
}
