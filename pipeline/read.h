/* read.h: tessera_read with whoever answers, so that what becomes of answers can be tried without a model. */
#ifndef TSR_READ_H
#define TSR_READ_H

#include "detect.h"

/* As tessera_read, with the answers that `ask` gives. */
tsr_status tsri_read(tessera_model *m, const tessera_request *rq, const tessera_read_opts *opts, tsri_ask_fn *ask,
                     tessera_event_fn fn, void *user, char **out, size_t *n_failed, tsr_error *err);

#endif
