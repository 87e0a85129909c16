/* run_internal.h: a request at work: run.c brings it to its first logits, run_answer.c from there to its end. */
#ifndef TSR_RUN_INTERNAL_H
#define TSR_RUN_INTERNAL_H

#include "dump.h"
#include "json_build.h"
#include "media_part.h"
#include "result_internal.h"
#include "session.h"
#include "structure.h"
#include "tsr_output.h"
#include "tsr_sampler.h"
#include "whole_request.h"

typedef struct tsri_run_state {
    tessera_model *m;
    tsri_whole whole;
    const tessera_request *rq;    /* whole.rq once that is open */
    const tsri_messages *earlier; /* or NULL: what rq->messages says */
    tsri_session *session;        /* or NULL: nothing is kept */
    const tsr_image *given;       /* or NULL */
    const tsr_audio *given_sound;
    tessera_event_fn fn;
    void *user;
    tessera_result *r;
    tsri_media_list media;
    tsr_prompt prompt;
    tsri_dump dump;
    tsr_context *ctx;   /* the session's, where there is one */
    bool is_fitted;     /* the session's context has been made ready */
    size_t n_cached;    /* positions of the prompt that it held already */
    tsr_sampler *sampler;
    tsr_output *output;
    tsr_stops *stops;
    tsri_structure structure;
    tsr_text piece;   /* what the stop strings let through */
    float *logits;    /* [vocab] of the last position */
    size_t max_tokens;
    tsr_type kv_type; /* TSR_KV_CHOSEN: not asked for */
    bool stopped;     /* a stop string is complete */
    bool cancelled;   /* the callback said so */
    size_t n_calls;
    tsri_build calls; /* tool calls so far; v NULL until the first */
    tsr_error *err;
} tsri_run_state;

/* From the first logits to the end of the answer. */
tsr_status tsri_run_answer(tsri_run_state *u);

#endif
