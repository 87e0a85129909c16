/* terminal.h: what stands on stderr while work runs, and the answer as it streams to stdout. */
#ifndef TSR_CLI_TERMINAL_H
#define TSR_CLI_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "progress.h"

typedef struct terminal {
    const options *o;
    bool progress_line; /* a progress line stands on stderr and must be wiped first */
    bool show_progress; /* one line that is overwritten */
    progress whole;     /* of all of the work */
    long n_failed;      /* in it; PROGRESS_NOT_COUNTED */
    bool stream;        /* pieces of the answer go to stdout as they come */
    bool write_failed;  /* stdout is gone; errno of it in write_errno */
    int write_errno;
    char last; /* last byte of the answer written */
} terminal;

void terminal_init(terminal *t, const options *o);
int terminal_event(void *user, const tessera_event *ev);                        /* a tessera_event_fn */
/* A stage that all of the work is made of: shown where it is news, with the time left at its pace. */
void terminal_whole(terminal *t, const tessera_event *ev, long n_failed);
void terminal_log(void *user, tessera_log_level level, const char *line);       /* a log function */
void terminal_wipe(terminal *t);
void terminal_write(terminal *t, const char *text, size_t len);
int terminal_finish(terminal *t); /* flush stdout: 0, or 74 with the reason on stderr */

/* Standard output is a terminal that wants colors (NO_COLOR and TERM=dumb say no). */
bool terminal_has_color(void);

/* Wait a fifth of a second at most: 1 when standard input has something, or has ended; 0: not yet; -1: a signal came, at
 * whatever moment. */
int terminal_wait_input(void);

/* The signal, SIGINT or SIGTERM, that has come; the second one ends the process. */
extern volatile sig_atomic_t terminal_interrupted;
void terminal_catch_signals(void);

#endif
