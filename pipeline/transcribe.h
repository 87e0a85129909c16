/* transcribe.h: tessera_transcribe with whoever hears, so that planning, joining and retrying can be tried without a
 * model. */
#ifndef TSR_TRANSCRIBE_H
#define TSR_TRANSCRIBE_H

#include "tessera.h"
#include "tsr_utf8.h"

/* What is to be heard: [n] samples, mono, 16 kHz. */
typedef struct tsri_hearing {
    const float *samples;
    size_t n;
    double from_s;      /* its place in the sound */
    unsigned attempt;   /* 0: the first at these samples */
    double temperature; /* 0: greedy */
} tsri_hearing;

typedef struct tsri_heard {
    tsr_text text;   /* the answer; zeroed before the call, freed by the caller */
    bool is_cut;     /* it did not come to its end */
    bool is_stopped; /* the event function stopped it; text is what there was */
    size_t prompt_tokens, audio_tokens, completion_tokens;
} tsri_heard;

typedef tsr_status tsri_hear_fn(void *hearer, const tsri_hearing *what, tessera_event_fn fn, void *user,
                                tsri_heard *out, tsr_error *err);

/* As tessera_transcribe, with the answers that `hear` gives. */
tsr_status tsri_transcribe(const tessera_sound *sound, const tessera_request *settings,
                           const tessera_transcribe_opts *opts, tsri_hear_fn *hear, void *hearer, tessera_event_fn fn,
                           void *user, tessera_transcript *facts, char **out, tsr_error *err);

#endif
