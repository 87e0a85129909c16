/* transcribe_ask.h: a model as the one who hears. */
#ifndef TSR_TRANSCRIBE_ASK_H
#define TSR_TRANSCRIBE_ASK_H

#include "transcribe.h"

typedef struct tsri_asker {
    tessera_model *m;
    const tessera_request *rq; /* the caller's settings */
    const tessera_transcribe_opts *o;
    const char *name;     /* of the sound */
    tsr_text question;
    tessera_part *parts;  /* system texts, the question, the sound: [n_parts] */
    size_t n_parts;
} tsri_asker;

/* Write the question; model, settings and options must outlive it. TSR_ERR_USAGE for parts that are no system text,
 * and for names of languages that are none. */
tsr_status tsri_asker_open(tsri_asker *a, tessera_model *m, const char *name, const tessera_request *rq,
                           const tessera_transcribe_opts *o, tsr_error *err);
void tsri_asker_deinit(tsri_asker *a);

/* A tsri_hear_fn; `hearer` is the asker. */
tsr_status tsri_asker_hear(void *hearer, const tsri_hearing *what, tessera_event_fn fn, void *user, tsri_heard *out,
                           tsr_error *err);

#endif
