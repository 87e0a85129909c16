/* log.c: formats a line and hands it to the caller's function. */
#include "tsr_log.h"

#include <stdarg.h>
#include <stdio.h>

#include "status_internal.h"

void tsr_log_write(const tsr_log *log, tsr_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    if (!log || !log->fn || level > log->max_level)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    tsri_text_clean(line);
    log->fn(log->user, level, line);
}
