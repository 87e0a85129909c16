/* prompt_file.h: a text with files at their places, which becomes the parts of a turn. */
#ifndef TSR_CLI_PROMPT_FILE_H
#define TSR_CLI_PROMPT_FILE_H

#include "tessera.h"

/* Zeroed is an empty one. */
typedef struct prompt_file {
    tessera_part *parts; /* [n_parts] texts and files in their order; the paths are its own, the texts borrowed */
    size_t n_parts;
} prompt_file;

/* Split the text of a file, `bytes` of length len, which must outlive p. {{image:PATH}}, {{audio:PATH}}, {{video:PATH}},
 * {{pdf:PATH}} and {{file:PATH}} become parts; PATH starts at the folder of `path` ("-": standard input, this folder). A
 * backslash before {{ makes it text, and so is {{ before anything but a word and a colon; the newlines at the end are left
 * out. Gives 0, or an exit code with the line and the reason on stderr: an unknown word, a mark that doesn't end on its
 * line, a file that can't be read. p is freed by its owner in any case. */
int prompt_file_split(prompt_file *p, const char *path, const char *bytes, size_t len);
void prompt_file_free(prompt_file *p);

#endif
