/* tsr_page_text.h: the text layer of a PDF page: its words with their places, through poppler's program pdftotext, which
 * runs as a process of its own under the limits of tsr_pdf.h.
 *
 * Boxes are in points of 1/72 inch, from the upper left corner of the page as it is shown (cropped and turned). The order is
 * poppler's order of reading. What lies beside the page is not there, since nobody sees it on the page either. */
#ifndef TSR_PAGE_TEXT_H
#define TSR_PAGE_TEXT_H

#include <stddef.h>

#include "tsr_pdf.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_page_box {
    double x0, y0, x1, y1; /* x0 <= x1, y0 <= y1, inside the page */
} tsr_page_box;

typedef struct tsr_page_word {
    tsr_page_box box;
    const char *text; /* UTF-8 without control characters, never empty, terminated */
    size_t len;
} tsr_page_word;

typedef struct tsr_page_line {
    tsr_page_box box;
    size_t first, n; /* of the words; n >= 1 */
} tsr_page_line;

typedef struct tsr_page_block {
    tsr_page_box box;
    size_t first, n; /* of the lines; n >= 1 */
    size_t flow;     /* blocks of one number are read on from one to the next, as a column is */
} tsr_page_block;

typedef struct tsr_page_text {
    double width, height; /* of the page */
    tsr_page_word *words;
    tsr_page_line *lines;
    tsr_page_block *blocks;
    size_t n_words, n_lines, n_blocks; /* 0 of each: a page without text, such as a scan */
    char *chars; /* what the words' texts point into */
} tsr_page_text;

/* Read the text of a page (from 1) into *out (zeroed or deinit'ed before; the caller deinits it). TSR_ERR_UNSUPPORTED: the
 * program is missing; TSR_ERR_DATA, LIMIT (more than 32 MiB as XML), BUSY (out of time), USAGE (no such page), NOMEM. */
tsr_status tsr_pdf_page_text(tsr_pdf *d, size_t page, tsr_page_text *out, tsr_error *err);
void tsr_page_text_deinit(tsr_page_text *t); /* zeroed is fine */

#ifdef __cplusplus
}
#endif
#endif
