/* subtitles.h: text with its time becomes cues of at most two lines of 42 columns, and cues become SRT, WebVTT or
 * TSV. */
#ifndef TSR_SUBTITLES_H
#define TSR_SUBTITLES_H

#include <stdint.h>

#include "transcribe_plan.h"
#include "transcribe_words.h"

enum { TSRI_CUE_COLUMNS = 42, TSRI_CUE_LINES = 2 };

/* Times are milliseconds; cues don't overlap and none is empty. */
typedef struct tsri_cue {
    int64_t from_ms, to_ms;
    bool from_is_guess, to_is_guess; /* interpolated, not a place where speech was found to begin or end */
    const char *lines[TSRI_CUE_LINES];
    size_t lens[TSRI_CUE_LINES]; /* bytes; 0: no second line */
} tsri_cue;

/* Called for each cue in order; what it points to lives for the call. */
typedef tsr_status tsri_cue_fn(void *user, const tsri_cue *cue, tsr_error *err);

/* Cut `words`, said within window w, into cues. Its first and last cue begin and end where speech does, unless w is
 * cut in the middle of speech there; what is between is spread evenly over what is voiced. offset_s is added to all
 * times. *last_ms is the end of the last cue so far: none begins before. A wide character (Han and the like) takes
 * two columns; a word longer than a line is cut. */
tsr_status tsri_cues_make(const tsri_words *words, const tsri_window *w, double offset_s, int64_t *last_ms,
                          tsri_cue_fn *fn, void *user, tsr_error *err);

typedef enum tsri_cue_form { TSRI_CUE_SRT, TSRI_CUE_VTT, TSRI_CUE_TSV } tsri_cue_form;

/* What a file begins with; "" for SRT. */
const char *tsri_cue_head(tsri_cue_form form);
/* Append the n-th cue, counted from 1. */
tsr_status tsri_cue_write(tsr_text *out, tsri_cue_form form, size_t n, const tsri_cue *cue, tsr_error *err);

#endif
