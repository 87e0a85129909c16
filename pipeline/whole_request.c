/* whole_request.c: see the header. */
#include "whole_request.h"

#include <string.h>

#include "tsr_alloc.h"

static tsr_status join_parts(tsri_whole *w, const tessera_request *rq, tsr_error *err)
{
    size_t n = tsri_messages_parts(w->earlier), room;
    if (!tsr_add_size(&room, n, rq->n_parts))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: parts");
    tsr_status st = tsr_alloc_array(&w->parts, room, sizeof *w->parts, "parts", err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < w->earlier->n; i++)
        for (size_t k = 0; k < w->earlier->at[i].parts.n; k++)
            w->parts[w->n_earlier++] = w->earlier->at[i].parts.at[k];
    if (rq->n_parts)
        memcpy(w->parts + n, rq->parts, rq->n_parts * sizeof *rq->parts);
    w->rq.parts = w->parts;
    w->rq.n_parts = room;
    return TSR_OK;
}

tsr_status tsri_whole_open(tsri_whole *w, const tessera_request *rq, const tsri_messages *earlier, tsr_error *err)
{
    tsr_status st = TSR_OK;
    *w = (tsri_whole){.rq = *rq, .earlier = earlier};
    w->rq.messages = NULL;
    if (!earlier && rq->messages) {
        const char *name = rq->messages_name ? rq->messages_name : "messages";
        st = tsri_messages_parse(&w->read, rq->messages, name, rq->messages_dir, err);
        w->earlier = &w->read;
    }
    return st == TSR_OK && w->earlier ? join_parts(w, rq, err) : st;
}

void tsri_whole_deinit(tsri_whole *w)
{
    tsri_messages_deinit(&w->read);
    tsr_free(w->parts);
    *w = (tsri_whole){.n_earlier = 0};
}
