/* batch.h: tessera_batch with whoever answers and whatever environment, so that it can be tried without a model. */
#ifndef TSR_BATCH_H
#define TSR_BATCH_H

#include "shard.h"
#include "tessera.h"
#include "tsr_image.h"
#include "tsr_status.h"

/* tsri_run, or what stands in for it. */
typedef tsr_status tsri_answer_fn(tessera_model *m, const tessera_request *rq, const tsr_image *given,
                                  tessera_event_fn fn, void *user, tessera_result **out, tsr_error *err);

/* As tessera_batch, with the answers that `ask` gives and the variables that `env` knows (with `env_user`). facts is
 * not NULL. */
tsr_status tsri_batch(tessera_model *m, const char *manifest, const char *out, const tessera_request *settings,
                      const tessera_batch_opts *opts, tsri_answer_fn *ask, tsri_env_fn *env, void *env_user,
                      tessera_event_fn fn, void *user, tessera_batch_facts *facts, tsr_error *err);

#endif
