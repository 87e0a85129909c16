/* tessera.c: the border of the library: statuses, defaults, and what needs no model file of its own. */
#include "tessera.h"

#include <string.h>

#include "model_internal.h"
#include "tsr_alloc.h"

#define SAME(name) _Static_assert((int)TESSERA_##name == (int)TSR_##name, "the public statuses are the inner ones")
SAME(OK);
SAME(ERR_USAGE);
SAME(ERR_DATA);
SAME(ERR_NOINPUT);
SAME(ERR_UNSUPPORTED);
SAME(ERR_BUG);
SAME(ERR_IO);
SAME(ERR_BUSY);
SAME(ERR_PERM);
SAME(ERR_MODEL);
SAME(ERR_NOMEM);
SAME(ERR_LIMIT);
SAME(ERR_CANCELLED);
_Static_assert(sizeof((tessera_error *)0)->text == sizeof((tsr_error *)0)->text, "an error's text fits");

tessera_status tsri_public(tessera_error *out, tsr_status st, const tsr_error *err)
{
    if (out && st != TSR_OK) {
        out->status = (tessera_status)st;
        memcpy(out->text, err->text, sizeof out->text);
    }
    return (tessera_status)st;
}

const char *tessera_version(void)
{
    return TESSERA_VERSION;
}

const char *tessera_status_name(tessera_status st)
{
    return tsr_status_name((tsr_status)st);
}

int tessera_exit_code(tessera_status st)
{
    switch (st) {
    case TESSERA_OK: return 0;
    case TESSERA_ERR_USAGE: return 2;
    case TESSERA_ERR_DATA:
    case TESSERA_ERR_LIMIT: return 65;
    case TESSERA_ERR_NOINPUT: return 66;
    case TESSERA_ERR_UNSUPPORTED: return 69;
    case TESSERA_ERR_BUG: return 70;
    case TESSERA_ERR_IO: return 74;
    case TESSERA_ERR_BUSY:
    case TESSERA_ERR_NOMEM:
    case TESSERA_ERR_CANCELLED: return 75;
    case TESSERA_ERR_PERM: return 77;
    case TESSERA_ERR_MODEL: return 78;
    }
    return 70;
}

void tessera_free(void *p)
{
    tsr_free(p);
}

tessera_request tessera_request_default(void)
{
    tessera_request rq;
    memset(&rq, 0, sizeof rq);
    rq.temperature = rq.top_p = rq.min_p = rq.repetition_penalty = -1;
    rq.top_k = -1;
    return rq;
}
