/* film_notes.h: what a model noted about stretches of a film, a line for each event, as notes with times. */
#ifndef TSR_FILM_NOTES_H
#define TSR_FILM_NOTES_H

#include "tsr_utf8.h"

typedef struct tsri_film_note {
    double at_s, to_s;  /* to_s: where the next one begins, or its window ends */
    bool has_time;      /* the model gave one within the window; else at_s is where the window begins, or the last time */
    size_t from, len;   /* of its text in `text` */
} tsri_film_note;

typedef struct tsri_film_notes {
    tsr_text text;       /* of all notes, without line ends */
    tsri_film_note *at;  /* [n], times never decrease */
    size_t n, cap;
    size_t n_moved;      /* that stood outside of their window, or before the one above, and were moved there */
} tsri_film_notes;

/* Append what was answered about [from_s, to_s], which begins where the last window ended or later. A line may begin
 * with a bullet, a bracket or stars, then its time, or a time and another; what is empty then is left out. */
tsr_status tsri_film_notes_read(tsri_film_notes *notes, const char *answer, size_t len, double from_s, double to_s,
                                tsr_error *err);
/* "MM:SS text" lines of the notes from the `first` on, appended to *out. */
tsr_status tsri_film_notes_write(const tsri_film_notes *notes, size_t first, tsr_text *out, tsr_error *err);
void tsri_film_notes_deinit(tsri_film_notes *notes); /* zeroed is fine */

#endif
