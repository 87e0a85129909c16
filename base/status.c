/* status.c: names of the statuses and the first-failure-wins error record. */
#include "status_internal.h"
#include "tsr_status.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
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

/* Bytes of the character at s when it is valid UTF-8 beyond ASCII, else 0. Reads up to the NUL only. */
static size_t utf8_len(const unsigned char *s)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc0 && s[0] < 0xe0 ? 2 : 0;
    if (n == 0)
        return 0;
    uint32_t c = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < 0xa0 ? 0 : n;
}

void tsri_text_clean(char *s)
{
    for (unsigned char *c = (unsigned char *)s; *c;) {
        size_t n = *c >= 0x20 && *c < 0x7f ? 1 : utf8_len(c);
        if (n == 0)
            *c = '?';
        c += n ? n : 1;
    }
}

tsr_status tsr_failv(tsr_error *err, tsr_status st, const char *fmt, va_list ap)
{
    if (!err || err->status != TSR_OK)
        return st;
    err->status = st;
    if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0)
        err->text[0] = '\0';
    tsri_text_clean(err->text);
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

tsr_status tsr_fail_errno(tsr_error *err, const char *path, const char *what)
{
    int e = errno;
    char why[128];
    if (strerror_r(e, why, sizeof why) != 0)
        snprintf(why, sizeof why, "errno %d", e);
    return tsr_fail(err, tsr_status_from_errno(e), "%s: %s: %s", path, what, why);
}
