/* film_chapters.h: the notes on a film's windows as timed captions. */
#ifndef TSR_FILM_CHAPTERS_H
#define TSR_FILM_CHAPTERS_H

#include "film.h"

typedef struct tsri_chapter {
    double from_s, to_s; /* the next one begins at to_s, or later */
    bool has_time;       /* from_s was told by the model, else it is where its window begins */
    tsr_text text;
} tsri_chapter;

typedef struct tsri_chapters {
    tsri_chapter *at; /* [n], in order; from_s < to_s */
    size_t n;
} tsri_chapters;

/* Notes of one film become chapters: those with one time are one, and a text that is said again goes on. On failure *out
 * is empty. */
tsr_status tsri_chapters_make(tsri_chapters *out, const tsri_film_notes *notes, tsr_error *err);
void tsri_chapters_deinit(tsri_chapters *c); /* zeroed is fine */

/* As tessera_chapters, by the plan f, with the answers that `ask` gives. */
tsr_status tsri_films_chapters(tessera_model *m, const tessera_request *rq, const tsri_films *f,
                               tessera_transcript_form form, tsri_ask_fn *ask, tessera_event_fn fn, void *user,
                               char **out, tsr_error *err);

#endif
