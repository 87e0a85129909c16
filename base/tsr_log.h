/* tsr_log.h: the library prints nothing; what it has to tell goes to a callback. */
#ifndef TSR_LOG_H
#define TSR_LOG_H

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_log_level { TSR_LOG_ERROR, TSR_LOG_WARN, TSR_LOG_INFO, TSR_LOG_DEBUG } tsr_log_level;

/* `text` is one line without a newline and lives for the call only. May be called from any
 * thread that works for the caller. */
typedef void (*tsr_log_fn)(void *user, tsr_log_level level, const char *text);

typedef struct tsr_log {
    tsr_log_fn fn; /* NULL: silent */
    void *user;
    tsr_log_level max_level; /* what is more detailed than this is dropped */
} tsr_log;

/* `log` may be NULL. Lines longer than 1,023 bytes are cut. */
void tsr_log_write(const tsr_log *log, tsr_log_level level, const char *fmt, ...) TSR_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
