/* run.h: a request inside the library, where a picture or a sound may be in memory already. */
#ifndef TSR_RUN_H
#define TSR_RUN_H

#include "session.h"
#include "tessera.h"
#include "tsr_audio.h"
#include "tsr_image.h"
#include "tsr_status.h"

/* As tessera_run. `given` (NULL: none) is what the request's one IMAGE part shows, borrowed for the call; the part's
 * path is then its name alone and nothing is opened. */
tsr_status tsri_run(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn,
                    void *user, tessera_result **out, tsr_error *err);

/* The same with the samples of the request's one AUDIO part, mono at the rate that the model hears at (16 kHz). */
tsr_status tsri_run_sound(tessera_model *m, const tessera_request *rq, const tsr_audio *given, tessera_event_fn fn,
                          void *user, tessera_result **out, tsr_error *err);

/* The same after `earlier` messages (in place of the request's), with what `session` has kept, which keeps what this request
 * adds. A request without parts of its own answers the last message. */
tsr_status tsri_run_kept(tessera_model *m, const tessera_request *rq, const tsri_messages *earlier, tsri_session *session,
                         tessera_event_fn fn, void *user, tessera_result **out, tsr_error *err);

#endif
