/* transcribe_internal.h: the parts of a transcript at work: transcribe.c reads the sound and plans windows,
 * transcribe_try.c has each heard until the answer can be trusted, transcribe_join.c joins neighbors and accounts
 * for every moment, transcribe_write.c makes the document. */
#ifndef TSR_TRANSCRIBE_INTERNAL_H
#define TSR_TRANSCRIBE_INTERNAL_H

#include "json_build.h"
#include "subtitles.h"
#include "transcribe.h"
#include "transcribe_plan.h"
#include "transcribe_words.h"

/* A window that was heard. */
typedef struct tsri_piece {
    tsri_window w;
    tsri_words text, translation;
    const char *failure;  /* static; NULL: the text can be trusted */
    tsr_text rejected;    /* of a failure: what the model said last */
    unsigned tries;
    const char *seam;     /* how it was joined with the piece before: "aligned", "estimated"; NULL: it wasn't */
    size_t n_told;        /* words of what is shown that are in the document already */
} tsri_piece;

void tsri_piece_deinit(tsri_piece *p); /* zeroed is fine */

typedef struct tsri_writer {
    tessera_transcript_form form;
    bool shows_translation;
    bool keeps;          /* the document is collected in doc */
    tsr_text doc, part;  /* part: what is handed out next */
    bool line_is_open;   /* txt */
    size_t n_cues;
    int64_t last_ms;
    tsri_build spans, cues; /* JSON */
    tsr_text text, translation;
} tsri_writer;

typedef struct tsri_transcriber {
    const tessera_transcribe_opts *o;
    const tessera_request *rq;
    const char *name; /* of the sound */
    tsri_hear_fn *hear;
    void *hearer;
    tessera_event_fn fn;
    void *user;
    tsri_plan_opts plan;
    double offset_s;    /* of the first sample on the time line of the file */
    double duration_s;  /* from there on, by the header; negative: unknown */
    uint64_t n_samples; /* read so far */
    const float *samples; /* those from `first` on that are still needed */
    uint64_t first;
    tsri_piece pending;   /* shares sound with a piece to come */
    bool has_pending;
    uint64_t told;        /* frames that are accounted for */
    tsri_writer writer;
    tessera_transcript facts;
    size_t prompt_tokens, audio_tokens, completion_tokens;
    double heard_s;       /* seconds spent with the model */
    tsri_build notes;
    bool stop_soon, stop_now;
    bool model_failed;    /* with an error, not with a bad answer */
    tsr_error *err;
} tsri_transcriber;

/* Tell the caller; what the event function gives back is kept in stop_soon and stop_now. */
void tsri_transcribe_tell(tsri_transcriber *t, tessera_event_kind kind, const char *text, size_t len);
void tsri_transcribe_progress(tsri_transcriber *t);
void tsri_transcribe_note(tsri_transcriber *t, const char *fmt, ...) TSR_PRINTF(2, 3);

/* Seconds of a frame on the time line; a place behind the last sample is the end. */
double tsri_transcribe_time(const tsri_transcriber *t, double frame);

/* ---- transcribe_try.c ---- */

/* Have the window heard; what comes out, one piece or several, goes to tsri_transcribe_join. */
tsr_status tsri_transcribe_hear(tsri_transcriber *t, const tsri_window *w);

/* ---- transcribe_join.c ---- */

/* The next piece in time, handed over (zeroed). */
tsr_status tsri_transcribe_join(tsri_transcriber *t, tsri_piece *p);
/* There is no next one: the document has everything up to the last sample, and what was not read is a failure. */
tsr_status tsri_transcribe_join_end(tsri_transcriber *t);

/* ---- transcribe_write.c ---- */

const tsri_words *tsri_writer_shown(const tsri_writer *w, const tsri_piece *p);
tsr_status tsri_writer_begin(tsri_transcriber *t);
/* The first n words that are shown of p won't change. */
tsr_status tsri_writer_early(tsri_transcriber *t, tsri_piece *p, size_t n);
tsr_status tsri_writer_piece(tsri_transcriber *t, const tsri_piece *p);
tsr_status tsri_writer_gap(tsri_transcriber *t, tessera_span_kind kind, double from, double to, const char *reason);
/* error: what ended it before its end, or NULL. */
tsr_status tsri_writer_end(tsri_transcriber *t, const char *error);
void tsri_writer_deinit(tsri_writer *w);

#endif
