/* whole_request.h: a request whose earlier messages are read, and whose list of parts begins with theirs. */
#ifndef TSR_WHOLE_REQUEST_H
#define TSR_WHOLE_REQUEST_H

#include "message.h"

/* Stays where it is once it is open: rq points into it. */
typedef struct tsri_whole {
    tessera_request rq;           /* without `messages`; parts: those of all earlier messages, then the request's own */
    const tsri_messages *earlier; /* NULL: none */
    size_t n_earlier;             /* parts of theirs */
    tsri_messages read;
    tessera_part *parts;
} tsri_whole;

/* `earlier` (NULL: none) is borrowed and comes in front; else what `rq->messages` holds. To be deinited in any case. */
tsr_status tsri_whole_open(tsri_whole *w, const tessera_request *rq, const tsri_messages *earlier, tsr_error *err);
void tsri_whole_deinit(tsri_whole *w); /* zeroed is fine */

#endif
