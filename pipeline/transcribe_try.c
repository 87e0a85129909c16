/* transcribe_try.c: a window is heard until the answer can be trusted. A model that has got stuck is asked again
 * about each half, since other cuts bring it to other words, and where a half is too short to cut, with some chance
 * in the choice of words. */
#include <math.h>
#include <string.h>

#include "transcribe_internal.h"
#include "tsr_alloc.h"
#include "tsr_clock.h"

enum {
    MOST_HALVINGS = 3,
    LEAST_HALVED = 300,  /* frames: 6 s */
    SHARED_BY_HALVES = 50 /* frames, where no pause is between them */
};

static const double warmer[] = {0.4, 0.8}; /* added to the temperature */
enum { N_WARMER = sizeof warmer / sizeof *warmer };

static const char stopped[] = "stopped on request";

void tsri_piece_deinit(tsri_piece *p)
{
    tsri_words_deinit(&p->text);
    tsri_words_deinit(&p->translation);
    tsr_text_deinit(&p->rejected);
    memset(p, 0, sizeof *p);
}

/* ---- the answer ---- */

/* ASCII letters of either case are the same. */
static bool begins_with(const char *s, size_t len, const char *what)
{
    size_t n = strlen(what);
    if (len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char a = s[i], b = what[i];
        a = a >= 'A' && a <= 'Z' ? (char)(a - 'A' + 'a') : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b - 'A' + 'a') : b;
        if (a != b)
            return false;
    }
    return true;
}

/* "what was said\nLANGUAGE: its translation". False where there is no such line. */
static bool find_translation(const char *s, size_t len, const char *language, size_t *said, size_t *at)
{
    size_t n = strlen(language);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && s[i - 1] != '\n')
            continue;
        if (begins_with(s + i, len - i, language) && i + n < len && s[i + n] == ':') {
            *said = i;
            *at = i + n + 1;
            return true;
        }
    }
    return false;
}

static tsr_status read_answer(const tsri_transcriber *t, const tsr_text *answer, tsri_piece *p)
{
    const char *s = answer->len ? answer->at : "";
    size_t said = answer->len, at = answer->len;
    if (t->o->translate && !find_translation(s, answer->len, t->o->translate, &said, &at))
        p->failure = "no translation in the answer";
    tsr_status st = tsri_words_read(&p->text, s, said, t->err);
    if (st == TSR_OK)
        st = tsri_words_read(&p->translation, s + at, answer->len - at, t->err);
    if (p->text.n == 0 && p->translation.n == 0 && at == answer->len)
        p->failure = NULL; /* nothing was said, so nothing lacks */
    return st;
}

static void judge(tsri_piece *p, const tsri_heard *h)
{
    double seconds = (double)(p->w.to - p->w.from) * TSR_VOICE_FRAME / TSR_VOICE_RATE;
    const char *stuck = tsri_words_stuck(&p->text, seconds);
    if (!stuck)
        stuck = tsri_words_stuck(&p->translation, seconds);
    if (h->is_stopped)
        p->failure = stopped;
    else if (stuck)
        p->failure = stuck;
    else if (h->is_cut)
        p->failure = "the answer did not come to its end";
}

/* ---- asking ---- */

/* What the model tells on its way: notes go on, all else only shows that it is alive. */
static int relay(void *user, const tessera_event *ev)
{
    tsri_transcriber *t = user;
    if (ev->kind == TESSERA_EVENT_NOTE)
        tsri_transcribe_note(t, "%.*s", (int)ev->len, ev->text);
    else
        tsri_transcribe_progress(t);
    return t->stop_now;
}

static const float *samples_of(const tsri_transcriber *t, const tsri_window *w)
{
    return t->samples + (w->from * TSR_VOICE_FRAME - t->first);
}

static tsr_status ask(tsri_transcriber *t, tsri_piece *p, unsigned attempt)
{
    tsri_heard h = {{0}, false, false, 0, 0, 0};
    double base = t->rq->temperature >= 0 ? t->rq->temperature : 0, t0 = tsr_clock_s();
    tsr_error why = {TSR_OK, ""};
    const tsri_hearing what = {.samples = samples_of(t, &p->w), .n = (size_t)(p->w.to - p->w.from) * TSR_VOICE_FRAME,
                               .from_s = tsri_transcribe_time(t, (double)p->w.from), .attempt = attempt,
                               .temperature = base + (attempt ? warmer[attempt - 1] : 0)};
    p->failure = NULL;
    p->tries++;
    t->facts.tries++;
    tsr_status st = t->hear(t->hearer, &what, relay, t, &h, &why);
    t->heard_s += tsr_clock_s() - t0;
    t->prompt_tokens += h.prompt_tokens;
    t->audio_tokens += h.audio_tokens;
    t->completion_tokens += h.completion_tokens;
    if (st == TSR_ERR_CANCELLED) {
        st = TSR_OK;
        h.is_stopped = true;
    }
    if (st != TSR_OK)
        tsr_fail(t->err, st, "%s", why.text);
    if (st == TSR_OK)
        st = read_answer(t, &h.text, p);
    if (st == TSR_OK)
        judge(p, &h);
    tsr_text_deinit(&p->rejected);
    if (st == TSR_OK && p->failure)
        p->rejected = h.text; /* handed over */
    else
        tsr_text_deinit(&h.text);
    return st;
}

/* ---- again ---- */

static tsr_status hear(tsri_transcriber *t, const tsri_window *w, unsigned depth);

static void levels_of(const tsri_transcriber *t, const tsri_window *w, float *levels)
{
    const float *x = samples_of(t, w);
    for (uint64_t f = w->from; f < w->to; f++, x += TSR_VOICE_FRAME) {
        float sum = 1e-9f;
        for (size_t i = 0; i < TSR_VOICE_FRAME; i++)
            sum += x[i] * x[i] / TSR_VOICE_FRAME;
        levels[f - w->from] = 10.0f * log10f(sum);
    }
}

static tsr_status hear_halves(tsri_transcriber *t, const tsri_window *w, unsigned depth)
{
    struct {
        float levels[TSRI_PLAN_LONGEST];
        tsri_window left, right;
    } *h = tsr_alloc(sizeof *h);
    if (!h)
        return tsr_fail(t->err, TSR_ERR_NOMEM, "out of memory: the halves of a window");
    levels_of(t, w, h->levels);
    tsri_plan_halve(w, h->levels, SHARED_BY_HALVES, &h->left, &h->right);
    tsr_status st = hear(t, &h->left, depth + 1);
    if (st == TSR_OK)
        st = hear(t, &h->right, depth + 1);
    tsr_free(h);
    return st;
}

static tsr_status hear(tsri_transcriber *t, const tsri_window *w, unsigned depth)
{
    tsri_piece p = {.w = *w};
    bool may_halve = depth < MOST_HALVINGS && w->to - w->from >= LEAST_HALVED;
    tsr_status st = TSR_OK;
    if (t->stop_now)
        p.failure = stopped;
    else
        st = ask(t, &p, 0);
    if (st == TSR_OK && p.failure && !t->stop_now && may_halve) {
        tsri_piece_deinit(&p);
        return hear_halves(t, w, depth);
    }
    for (unsigned i = 1; i <= N_WARMER && st == TSR_OK && p.failure && !t->stop_now; i++)
        st = ask(t, &p, i);
    if (st == TSR_OK)
        st = tsri_transcribe_join(t, &p);
    tsri_piece_deinit(&p);
    return st;
}

tsr_status tsri_transcribe_hear(tsri_transcriber *t, const tsri_window *w)
{
    t->facts.windows++;
    tsr_status st = hear(t, w, 0);
    t->model_failed = t->model_failed || st != TSR_OK;
    return st;
}
