/* program.h: the program run as a child, with its streams in files. What goes wrong here ends the test. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

#include "tsr_status.h"

enum { MAX_ARGS = 40 };

typedef struct outcome {
    int code; /* exit code, or 128 + signal */
    char *out, *err;
    size_t out_len;
} outcome;

void forget(outcome *o);

/* The program and the words of a line, which is cut at each `separator`; argv has MAX_ARGS + 1 places, NULL ends it. */
size_t program_words(char *line, char separator, char **argv);

/* Start argv[0] in the folder `dir` (NULL: this one); `in` is standard input, out and err are files that are made. */
pid_t program_start(char **argv, const char *dir, int in, const char *out, const char *err);
int program_wait(pid_t pid); /* as outcome.code */

/* Words of a line, cut at '|', with nothing on standard input, to their end; streams in ROOT/stdout and ROOT/stderr. */
outcome program_run(const char *root, const char *fmt, ...) TSR_PRINTF(2, 3);
void program_expect(const outcome *o, int code, const char *in_err);

/* The end of a program whose streams went to ROOT/stdout and ROOT/stderr. */
outcome program_finish(pid_t pid, const char *root);

#endif
