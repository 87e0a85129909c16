/* detect.h: tessera_detect with whoever answers, so that what becomes of answers can be tried without a model. */
#ifndef TSR_DETECT_H
#define TSR_DETECT_H

#include "tessera.h"
#include "tsr_image.h"
#include "tsr_status.h"

/* tsri_run, or what stands in for it. */
typedef tsr_status tsri_ask_fn(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn,
                               void *user, tessera_result **out, tsr_error *err);

/* As tessera_detect, with the answers that `ask` gives. */
tsr_status tsri_detect(tessera_model *m, const tessera_request *rq, const tessera_detect_opts *opts, tsri_ask_fn *ask,
                       tessera_event_fn fn, void *user, char **out, size_t *n_failed, tsr_error *err);

#endif
