/* input.h: standard input and small text files, read whole. */
#ifndef TSR_CLI_INPUT_H
#define TSR_CLI_INPUT_H

#include <stddef.h>

/* Read PATH ("-": standard input) into memory of malloc's, NUL-terminated. 0, or the exit code with
 * the reason on stderr. */
int input_read(const char *path, size_t max_bytes, char **out, size_t *len);

/* The folder of a file, where paths within it start: of malloc's, NULL: out of memory. */
char *input_folder(const char *path);

#endif
