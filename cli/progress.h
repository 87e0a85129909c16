/* progress.h: how far long work is, and how long it still takes: one line on a terminal, or JSON lines. */
#ifndef TSR_CLI_PROGRESS_H
#define TSR_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/* The pace of one stage ("window", "page", "batch"). Zeroed is new. */
typedef struct progress {
    char stage[32];
    double began, shown;      /* seconds of a clock that never goes back */
    size_t first, done, total; /* units: when it began, now, in all (0: unknown) */
    bool has_begun, has_shown;
} progress;

enum { PROGRESS_NOT_COUNTED = -1 };

/* Note how far it is. Another stage, another total or less done than before begins anew. True where `done` is news. */
bool progress_note(progress *p, const char *stage, size_t len, size_t done, size_t total);

/* At the pace since it began; negative: not known yet. */
double progress_seconds_left(const progress *p);

/* Is it time for a line on the terminal (twice a second)? It then counts as shown. */
bool progress_is_due(progress *p);

/* "window 3/120, 0:12:05 left" on stderr, without a line's end; with n_failed >= 0 also ", 2 failed". */
void progress_show_line(const progress *p, long n_failed);
/* {"stage","done","total","failed" (n_failed >= 0),"seconds_left": a number or null} as a line on stderr. */
void progress_show_json(const progress *p, long n_failed);

/* A JSON string on stderr, of UTF-8 of ours. */
void progress_put_string(const char *s, size_t len);

#endif
