/* session.h: what is kept from one request to the next, so that a prompt which begins as the last one did is not computed
 * again: the context with its keys and values, and the rows of pictures, films and sounds of earlier messages. */
#ifndef TSR_SESSION_H
#define TSR_SESSION_H

#include "media_part.h"
#include "tsr_decoder.h"
#include "tsr_prompt.h"

typedef struct tsri_kept_span {
    size_t start, len, frame;
    uint64_t serial; /* whose rows */
} tsri_kept_span;

/* Zeroed is a new one. One request at a time. */
typedef struct tsri_session {
    tsr_context *ctx; /* NULL until the first request */
    tsr_context_opts opts;
    tsr_ids ids;           /* what the context holds */
    tsri_kept_span *spans; /* [n_spans] soft tokens among them that are there whole, in order */
    size_t n_spans;
    tsri_media *media; /* [n_media] of the earlier messages, encoded; `part` counts the parts of these messages */
    size_t n_media;
    size_t n_parts; /* of earlier messages, whose media are all there */
    uint64_t last_serial;
    bool is_exact; /* the products that made all of this */
} tsri_session;

void tsri_session_deinit(tsri_session *s);

/* Put the kept media at the front of an empty list with its request, which borrows them. A request that is exact where the
 * last one was not, or the other way round, finds nothing kept: all is read and computed again. */
tsr_status tsri_session_lend(tsri_session *s, tsri_media_list *l, tsr_error *err);

/* Make the context ready for a prompt: it is one that suits `o`, and holds the first *n_cached positions of the prompt, as
 * many as it can (never all). Where sliding layers no longer hold what comes before the place of difference this is none.
 * The list's media get their serials. tsri_session_note must follow, whatever happens. */
tsr_status tsri_session_fit(tsri_session *s, const tessera_model *m, const tsr_context_opts *o, const tsr_prompt *p,
                            tsri_media_list *l, size_t *n_cached, tsr_error *err);

/* Remember what the context holds now: a beginning of the prompt and the answer. When memory is short it is forgotten. */
void tsri_session_note(tsri_session *s, const tsr_prompt *p, const tsri_media_list *l, const tsr_ids *answer);

/* Keep the media of a request that was answered, which become those of earlier messages. */
tsr_status tsri_session_take(tsri_session *s, tsri_media_list *l, tsr_error *err);

/* Only the first n_parts parts of earlier messages are left. */
void tsri_session_cut(tsri_session *s, size_t n_parts);

#endif
