/* run_program.h: run another program on untrusted input, held to limits. Internal to the library. */
#ifndef TSR_RUN_PROGRAM_H
#define TSR_RUN_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

typedef struct tsri_run_limits {
    size_t max_output;    /* bytes on its standard output */
    uint64_t max_memory;  /* its address space, bytes */
    unsigned cpu_seconds; /* processor time */
    unsigned timeout_ms;  /* from start to end */
} tsri_run_limits;

enum { TSRI_RUN_ERRORS = 512, TSRI_RUN_FD = 3 };

typedef struct tsri_run_result {
    unsigned char *out; /* [out_len] what it wrote to standard output; tsr_alloc'ed, the caller's; never NULL
                         * after TSR_OK */
    size_t out_len;
    char errors[TSRI_RUN_ERRORS]; /* the beginning of its standard error, terminated */
    int exit_code;                /* 0 to 255; -1 when a signal ended it */
    int signal;
} tsri_run_result;

/* The absolute path of a program, searched in the absolute folders of PATH; the caller's (tsr_free).
 * TSR_ERR_UNSUPPORTED names program and Debian package when there is none. */
tsr_status tsri_find_program(char **path, const char *name, const char *package, tsr_error *err);

/* Start path with argv (argv[0] first, NULL last) without a shell and wait for its end. It sees fd as
 * descriptor 3 (open it as /dev/fd/3), an empty standard input, almost no environment, no other
 * descriptor of ours, and cannot write files. `name` stands in messages. TSR_ERR_BUSY: out of time,
 * it was killed; TSR_ERR_LIMIT: too much output, likewise. How it ended is for the caller to judge. */
tsr_status tsri_run_program(tsri_run_result *r, const char *path, const char *const argv[], int fd,
                            const tsri_run_limits *limits, const char *name, tsr_error *err);

#endif
