/* film.h: requests with films of any length, with whoever answers, so that windows and notes can be tried without a
 * model. */
#ifndef TSR_FILM_H
#define TSR_FILM_H

#include "detect.h"
#include "film_notes.h"
#include "film_plan.h"
#include "tsr_json.h"

typedef struct tsri_film {
    size_t part;       /* its index in the request */
    const char *name;  /* borrowed from the request */
    double begin, end; /* seconds: the part that is used */
    size_t width, height, budget, soft_tokens; /* of a frame as the model sees it */
    tsri_film_need need;
    double *moments; /* seconds of each frame, [n_moments], once they were looked for; NULL: they were not */
    size_t n_moments, n_cuts;
} tsri_film;

typedef struct tsri_films {
    tsri_film *at; /* [n] */
    size_t n;
    tsri_film_room room;
    tsri_film_plan plan;
} tsri_films;

/* Look at the films of a request and plan for them: files are opened and films read through, but neither films nor sounds
 * are decoded. out->n is 0, and there is no plan, where the request has no film, or says itself which frames to take
 * (frames, the reference's sampler) or what the whole prompt is (raw), or has films in its earlier messages. chapters: notes alone are wanted, no answer. fn hears
 * stages. On failure *out is empty. */
tsr_status tsri_films_plan(tsri_films *out, tessera_model *m, const tessera_request *rq, bool chapters,
                           tessera_event_fn fn, void *user, tsr_error *err);
/* For frames at scenes (TESSERA_FRAMES_AUTO), which takes decoding the films: where a run by this plan puts its frames. */
tsr_status tsri_films_find_moments(tsri_films *f, const tessera_request *rq, tessera_event_fn fn, void *user, tsr_error *err);
void tsri_films_deinit(tsri_films *f); /* zeroed is fine */

/* The plan, as an object or as lines for people (tsr_free). */
tsr_json *tsri_films_json(const tsri_films *f);
tsr_status tsri_films_text(const tsri_films *f, char **out, tsr_error *err);

/* Text parts of the prompts, appended to *out. Of a window [from, to] of film i, the n-th of n_windows; `before` are the
 * last notes that there are, which may be empty. */
tsr_status tsri_film_ask_window(tsr_text *out, const tsri_films *f, size_t i, size_t n, double from, double to,
                                const char *question, const char *before, size_t before_len, tsr_error *err);
/* In place of film i in the last prompt, before its notes. */
tsr_status tsri_film_ask_last(tsr_text *out, const tsri_films *f, size_t i, tsr_error *err);

/* The texts of the request one after the other, terminated: what is asked about its films. */
tsr_status tsri_film_question(tsr_text *out, const tessera_request *rq, tsr_error *err);

/* Answer the request by the plan f, made for it, with the answers that `ask` gives. Of windows, the result is that of the
 * last prompt, and tells of plan and notes. After a failure *out is what was noted before, where there is any. */
tsr_status tsri_films_watch(tessera_model *m, const tessera_request *rq, const tsri_films *f, tsri_ask_fn *ask,
                            tessera_event_fn fn, void *user, tessera_result **out, tsr_error *err);

/* tessera_watch as a tsri_ask_fn: by a plan where there are films, else as tsri_run does. */
tsr_status tsri_watch(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err);

/* The notes of all windows of film i alone, appended to *notes; windows_json (borrowed, may be NULL) gets an object for each
 * window, also for the one that failed. *n_noted windows have notes. *cancelled: fn stopped the work. *notes is what there
 * is, also after a failure, which names its window. */
tsr_status tsri_film_note_all(tessera_model *m, const tessera_request *rq, const tsri_films *f, size_t i,
                              tsri_ask_fn *ask, tessera_event_fn fn, void *user, tsri_film_notes *notes,
                              tsr_json *windows_json, size_t *n_noted, bool *cancelled, tsr_error *err);

#endif
