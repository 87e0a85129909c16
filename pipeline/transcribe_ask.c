/* transcribe_ask.c: the questions of the model card for speech and for its translation, one window at a time. */
#include "transcribe_ask.h"

#include <string.h>

#include "result_internal.h"
#include "run.h"
#include "transcribe_plan.h"
#include "tsr_alloc.h"

enum {
    MOST_NAME = 100, /* bytes of a language's name */
    TOKENS_AT_LEAST = 32,
    TOKENS_PER_SECOND = 12 /* fast speech has about 8 */
};

/* ---- the question ---- */

static tsr_status check_language(const char *what, const char *name, tsr_error *err)
{
    size_t n = name ? strlen(name) : 1;
    for (size_t i = 0; name && i < n; i++)
        if ((unsigned char)name[i] < 0x20)
            n = 0;
    if (n > 0 && n <= MOST_NAME)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_USAGE, "%s is no name of a language", what);
}

static tsr_status add(tsri_asker *a, tsr_error *err, size_t n, const char *const *pieces)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        st = tsr_text_add(&a->question, pieces[i], strlen(pieces[i]), err);
    return st;
}

#define ADD(...)                                                    \
    add(a, err, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static tsr_status ask_for_text(tsri_asker *a, tsr_error *err)
{
    const char *language = a->o->language;
    tsr_status st = ADD("Transcribe the following speech segment in ");
    if (st == TSR_OK)
        st = language ? ADD(language, " into ", language, " text.\n\n") : ADD("its original language.\n\n");
    return st != TSR_OK ? st
                        : ADD("Follow these specific instructions for formatting the answer:\n"
                              "* Only output the transcription, with no newlines.\n"
                              "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, "
                              "and write 3 instead of three.");
}

static tsr_status ask_for_translation(tsri_asker *a, tsr_error *err)
{
    const char *from = a->o->language ? a->o->language : "its original language", *to = a->o->translate;
    return ADD("Transcribe the following speech segment in ", from, ", then translate it into ", to,
               ".\nWhen formatting the answer, first output the transcription in ", from,
               ", then one newline, then output the string '", to, ": ', then the translation in ", to, ".");
}

static tsr_status write_question(tsri_asker *a, tsr_error *err)
{
    tsr_status st = check_language("language", a->o->language, err);
    if (st == TSR_OK)
        st = check_language("translate", a->o->translate, err);
    if (st == TSR_OK)
        st = a->o->translate ? ask_for_translation(a, err) : ask_for_text(a, err);
    if (st == TSR_OK && a->o->prompt)
        st = ADD(a->o->translate ? "\n" : "\n* ", "Names and words that may occur, written like this: ", a->o->prompt);
    return st;
}

tsr_status tsri_asker_open(tsri_asker *a, tessera_model *m, const char *name, const tessera_request *rq,
                           const tessera_transcribe_opts *o, tsr_error *err)
{
    *a = (tsri_asker){.m = m, .rq = rq, .o = o, .name = name};
    tsr_status st = write_question(a, err);
    if (st == TSR_OK && !(a->parts = tsr_calloc(rq->n_parts + 2, sizeof *a->parts)))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the prompt");
    for (size_t i = 0; i < rq->n_parts && st == TSR_OK; i++) {
        if (rq->parts[i].kind != TESSERA_PART_SYSTEM)
            st = tsr_fail(err, TSR_ERR_USAGE, "a transcript has a question of its own; part %zu is no system text", i);
        else
            a->parts[a->n_parts++] = rq->parts[i];
    }
    if (st != TSR_OK) {
        tsri_asker_deinit(a);
        return st;
    }
    a->parts[a->n_parts++] =
        (tessera_part){.kind = TESSERA_PART_TEXT, .text = a->question.at, .text_len = a->question.len};
    a->parts[a->n_parts++] = (tessera_part){.kind = TESSERA_PART_AUDIO, .path = name};
    return TSR_OK;
}

void tsri_asker_deinit(tsri_asker *a)
{
    tsr_text_deinit(&a->question);
    tsr_free(a->parts);
    memset(a, 0, sizeof *a);
}

/* ---- a window ---- */

static tessera_request request_for(const tsri_asker *a, const tsri_hearing *what)
{
    tessera_request rq = *a->rq;
    double seconds = (double)what->n / TSR_VOICE_RATE;
    rq.parts = a->parts;
    rq.n_parts = a->n_parts;
    rq.think = 0;
    rq.raw = 0;
    rq.tools = rq.messages = NULL;
    rq.max_audio_seconds = 0; /* limits are of the whole sound */
    rq.start = rq.end = 0;
    rq.temperature = what->temperature;
    if (what->attempt && !rq.seed_set) { /* the same sound gives the same transcript */
        rq.seed = what->attempt;
        rq.seed_set = 1;
    }
    if (rq.max_tokens == 0)
        rq.max_tokens = TOKENS_AT_LEAST + (size_t)(seconds * TOKENS_PER_SECOND * (a->o->translate ? 2.5 : 1));
    return rq;
}

tsr_status tsri_asker_hear(void *hearer, const tsri_hearing *what, tessera_event_fn fn, void *user, tsri_heard *out,
                           tsr_error *err)
{
    const tsri_asker *a = hearer;
    tessera_request rq = request_for(a, what);
    tessera_result *r;
    tsr_audio sound = {.n_samples = what->n, .sample_rate = TSR_VOICE_RATE};
    memcpy(&sound.samples, &what->samples, sizeof sound.samples); /* borrowed: nothing writes there */
    tsr_status st = tsri_run_sound(a->m, &rq, &sound, fn, user, &r, err);
    if (st != TSR_OK)
        return st;
    st = tsr_text_add(&out->text, r->text.at, strlen(r->text.at), err);
    out->is_cut = strcmp(r->finish, "length") == 0;
    out->is_stopped = strcmp(r->finish, "cancelled") == 0;
    out->prompt_tokens = r->prompt_tokens;
    out->audio_tokens = r->audio_tokens;
    out->completion_tokens = r->ids.n;
    tessera_result_free(r);
    return st;
}
