/* text_build.h: text for people, put together without a test at every step: the first failure sticks, and the end
 * gives it. What comes from files is made harmless for terminals. */
#ifndef TSR_TEXT_BUILD_H
#define TSR_TEXT_BUILD_H

#include <stdbool.h>

#include "tsr_utf8.h"

typedef struct tsri_lines {
    tsr_text text;
    tsr_status st;
    tsr_error *err;
    bool color; /* styles are written as ANSI sequences */
} tsri_lines;

typedef enum tsri_style { TSRI_PLAIN, TSRI_HEAD, TSRI_DIM, TSRI_BAD } tsri_style;

tsri_lines tsri_lines_begin(bool color, tsr_error *err);
/* *out is the whole text, terminated, the caller's (tsr_free); on failure NULL, and all memory is given back. */
tsr_status tsri_lines_end(tsri_lines *l, char **out);

/* At most 1,023 bytes each time. */
void tsri_print(tsri_lines *l, const char *fmt, ...) TSR_PRINTF(2, 3);
void tsri_style_begin(tsri_lines *l, tsri_style style);
void tsri_style_end(tsri_lines *l, tsri_style style);

/* Characters of a file: control characters, those that turn the direction of text, and bytes that are no UTF-8 are
 * written as \n, \x1b, \u202e. At most max_bytes of `s`, cut between characters and then "..."; SIZE_MAX: all. */
void tsri_print_escaped(tsri_lines *l, const char *s, size_t len, size_t max_bytes);

/* "9.6 GiB", "35.2 MiB", "1.5 KiB", "68 B". */
void tsri_bytes_text(char buf[16], uint64_t n);

#endif
