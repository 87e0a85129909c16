/* status.c: names of the statuses and the first-failure-wins error record. */
#include "tsr_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *tsr_status_name(tsr_status st)
{
    switch (st) {
    case TSR_OK: return "ok";
    case TSR_ERR_USAGE: return "bad usage";
    case TSR_ERR_DATA: return "bad data";
    case TSR_ERR_NOINPUT: return "no such input";
    case TSR_ERR_UNSUPPORTED: return "not supported";
    case TSR_ERR_BUG: return "internal error";
    case TSR_ERR_IO: return "input/output error";
    case TSR_ERR_BUSY: return "try later";
    case TSR_ERR_PERM: return "not permitted";
    case TSR_ERR_MODEL: return "bad model";
    case TSR_ERR_NOMEM: return "out of memory";
    case TSR_ERR_LIMIT: return "limit reached";
    case TSR_ERR_CANCELLED: return "cancelled";
    }
    return "unknown status";
}

void tsr_error_clear(tsr_error *err)
{
    if (err) {
        err->status = TSR_OK;
        err->text[0] = '\0';
    }
}

tsr_status tsr_failv(tsr_error *err, tsr_status st, const char *fmt, va_list ap)
{
    if (!err || err->status != TSR_OK)
        return st;
    err->status = st;
    if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0)
        err->text[0] = '\0';
    for (char *c = err->text; *c; c++) /* file names may hold anything; the text stays one line */
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return st;
}

tsr_status tsr_fail(tsr_error *err, tsr_status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    st = tsr_failv(err, st, fmt, ap);
    va_end(ap);
    return st;
}

tsr_status tsr_status_from_errno(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR: return TSR_ERR_NOINPUT;
    case EACCES:
    case EPERM: return TSR_ERR_PERM;
    case ENOMEM: return TSR_ERR_NOMEM;
    default: return TSR_ERR_IO;
    }
}
