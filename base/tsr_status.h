/* tsr_status.h: how every fallible function reports.
 *
 * A function returns TSR_OK or a negative status; the tsr_error it was given keeps the first
 * cause (what, where, with numbers). `err` may be NULL everywhere. Threads: a tsr_error belongs
 * to one caller at a time. */
#ifndef TSR_STATUS_H
#define TSR_STATUS_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_status {
    TSR_OK = 0,
    TSR_ERR_USAGE = -1,       /* the request contradicts itself or an option is out of range */
    TSR_ERR_DATA = -2,        /* a media file is damaged or not what it says */
    TSR_ERR_NOINPUT = -3,     /* a named file is not there */
    TSR_ERR_UNSUPPORTED = -4, /* a program, codec, format or modality is missing */
    TSR_ERR_BUG = -5,         /* a promise of ours was broken */
    TSR_ERR_IO = -6,          /* reading or writing failed */
    TSR_ERR_BUSY = -7,        /* a deadline passed or a resource is taken: try later */
    TSR_ERR_PERM = -8,        /* the system does not permit it */
    TSR_ERR_MODEL = -9,       /* a model, tokenizer or configuration file is bad */
    TSR_ERR_NOMEM = -10,      /* memory could not be had */
    TSR_ERR_LIMIT = -11,      /* a documented limit would be passed */
    TSR_ERR_CANCELLED = -12   /* the caller's callback stopped the work */
} tsr_status;

enum { TSR_ERROR_TEXT = 1024 };

typedef struct tsr_error {
    tsr_status status;         /* TSR_OK while nothing failed */
    char text[TSR_ERROR_TEXT]; /* one line of UTF-8, no newline, always terminated */
} tsr_error;

#if defined(__GNUC__)
#define TSR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TSR_PRINTF(fmt, args)
#endif

/* The fixed name of a status ("bad data"), safe to show to a stranger. Never NULL. */
const char *tsr_status_name(tsr_status st);

/* Forget what `err` holds. */
void tsr_error_clear(tsr_error *err);

/* Record a failure and return `st`. An error that is already recorded is kept. */
tsr_status tsr_fail(tsr_error *err, tsr_status st, const char *fmt, ...) TSR_PRINTF(3, 4);
tsr_status tsr_failv(tsr_error *err, tsr_status st, const char *fmt, va_list ap);

/* The status that errno `e` stands for: ENOENT and ENOTDIR are NOINPUT, EACCES and EPERM are PERM, ENOMEM is
 * NOMEM, all else is IO. */
tsr_status tsr_status_from_errno(int e);

/* "PATH: WHAT: reason" with the reason and the status of errno, which is read first. */
tsr_status tsr_fail_errno(tsr_error *err, const char *path, const char *what);

#ifdef __cplusplus
}
#endif
#endif
