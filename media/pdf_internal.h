/* pdf_internal.h: what the files about PDF documents share. */
#ifndef TSR_PDF_INTERNAL_H
#define TSR_PDF_INTERNAL_H

#include "run_program.h"
#include "tsr_page_text.h"
#include "tsr_pdf.h"

#define TSRI_PDF_PACKAGE "poppler-utils"
#define TSRI_PDF_INPUT "/dev/fd/3"

struct tsr_pdf {
    tsr_pdf_opts opts;
    const char *name; /* the source's */
    int fd;
    char *pdfinfo, *pdftoppm; /* absolute paths */
    char *pdftotext;          /* likewise, once it is needed */
    size_t n_pages;
    char warning[TSRI_RUN_ERRORS];
};

/* TSR_ERR_USAGE when there is no such page. */
tsr_status tsri_pdf_check_page(const tsr_pdf *d, size_t page, tsr_error *err);

/* TSR_ERR_DATA that says why a program of poppler's ended as it did: encrypted, empty, or damaged (`what` it could not). */
tsr_status tsri_pdf_refuse(const tsr_pdf *d, const tsri_run_result *r, const char *what, tsr_error *err);

/* Read what `pdftotext -bbox-layout` printed about one page: [len] bytes. *t has width and height, and is else zeroed; after a
 * failure it is so again. TSR_ERR_DATA names `name`, `page` and the byte at which it isn't of that form; TSR_ERR_NOMEM. */
tsr_status tsri_page_text_parse(tsr_page_text *t, const char *xml, size_t len, const char *name, size_t page, tsr_error *err);

#endif
