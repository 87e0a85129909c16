/* tsr_pdf.h: pages of a PDF document become pictures, through poppler's programs pdfinfo and pdftoppm. They
 * run as processes of their own under limits of memory, processor time and real time, and get the bytes
 * from a descriptor: neither a shell nor a file name of the user's is involved.
 *
 * A tsr_pdf belongs to one thread at a time; its source must outlive it. */
#ifndef TSR_PDF_H
#define TSR_PDF_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_image.h"
#include "tsr_source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_pdf_opts {
    size_t max_pixels;    /* of one page; default 178,956,970 */
    uint64_t max_bytes;   /* of the source; default 2 GiB */
    uint64_t max_memory;  /* of poppler's processes, bytes; default 2 GiB */
    unsigned cpu_seconds; /* for each page; default 60 */
    unsigned timeout_ms;  /* for each page; default 60,000 */
} tsr_pdf_opts;

tsr_pdf_opts tsr_pdf_opts_default(void);

typedef struct tsr_pdf tsr_pdf;

/* Look into the document; opts NULL: the defaults. TSR_ERR_DATA: no PDF, empty, damaged or cut short, or
 * encrypted with a password (the text says which; one that opens without a password is read);
 * TSR_ERR_UNSUPPORTED: poppler's programs are missing. On failure *out is NULL. */
tsr_status tsr_pdf_open(tsr_pdf **out, const tsr_source *src, const tsr_pdf_opts *opts, tsr_error *err);
void tsr_pdf_close(tsr_pdf *d); /* NULL is fine */

size_t tsr_pdf_n_pages(const tsr_pdf *d); /* >= 1 */

/* Size of a page (from 1) as it is shown, in points of 1/72 inch. */
tsr_status tsr_pdf_page_size(tsr_pdf *d, size_t page, double *width_pt, double *height_pt, tsr_error *err);

/* Render a page (from 1) at `dpi` (1 to 2,400) into *out (zeroed or deinit'ed before; the caller
 * deinits it). TSR_ERR_LIMIT when it would have more than max_pixels; TSR_ERR_BUSY: out of time. */
tsr_status tsr_pdf_render(tsr_pdf *d, size_t page, double dpi, tsr_image *out, tsr_error *err);

/* The first complaint that poppler made about the page rendered last, "" for none: the picture may
 * then lack something. */
const char *tsr_pdf_warning(const tsr_pdf *d);

/* The resolution, a whole number from 50 to 600, at which a page has somewhat more pixels than a picture
 * of target_pixels in its proportions (a quarter more along each side, so that fitting scales down). */
double tsr_pdf_dpi_for(double width_pt, double height_pt, size_t target_pixels);

/* Read "1-3,7" (also "5-": to the last page; NULL or "": all) into page numbers in the order given. *pages is
 * the caller's (tsr_free). TSR_ERR_USAGE names what is wrong: not a number, 0, backwards, or beyond
 * n_pages; TSR_ERR_LIMIT: more than max pages. */
tsr_status tsr_pdf_pages_parse(size_t **pages, size_t *n, const char *text, size_t n_pages, size_t max,
                               tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
