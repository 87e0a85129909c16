/* input.h: standard input and small text files, read whole. */
#ifndef TSR_CLI_INPUT_H
#define TSR_CLI_INPUT_H

#include <stddef.h>

#include "tessera.h"

/* Read PATH ("-": standard input) into memory of malloc's, NUL-terminated. 0, or the exit code with
 * the reason on stderr. */
int input_read(const char *path, size_t max_bytes, char **out, size_t *len);

/* The folder of a file, where paths within it start: of malloc's, NULL: out of memory. */
char *input_folder(const char *path);

/* Files and what is said become one prompt, as the model card advises: what is seen stands before the text, what is heard after
 * it. Gives how many parts there are: n_files + n_said, for which `to` has room. */
size_t input_order(tessera_part *to, const tessera_part *files, size_t n_files, const tessera_part *said, size_t n_said);

#endif
