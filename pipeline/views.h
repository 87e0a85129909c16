/* views.h: files become pictures, whole, one after the other: pictures, pages of documents, frames of films. */
#ifndef TSR_VIEWS_H
#define TSR_VIEWS_H

#include "json_build.h"
#include "media_part.h"

typedef struct tsri_view {
    tsri_media_kind kind; /* TSRI_IMAGE, TSRI_PAGE, TSRI_VIDEO (one frame) */
    const char *file;     /* its name, the request's */
    tsr_image picture;    /* upright; the caller's */
    size_t page;          /* pages: from 1 */
    double dpi;           /* pages */
    tsr_pdf *pdf;         /* pages: their document, open until the views are closed */
    double time_s;        /* frames */
    const char *warning;  /* what may lack in it, "" for nothing; valid until the next view */
} tsri_view;

/* "street.jpg", "street.pdf, page 2", "street.mp4, at 3.000 s". */
void tsri_view_name(char *buf, size_t size, const tsri_view *v);

/* Is it about one picture, or the answer to it? Then the others go on. */
bool tsri_is_of_one_view(tsr_status st);

typedef struct tsri_views tsri_views;

/* Open the files of a request (all parts but texts) and count what is in them; nothing is decoded yet. Model and
 * request must outlive it. TSR_ERR_DATA for a sound, and all that opening gives. On failure *out is NULL. */
tsr_status tsri_views_open(tsri_views **out, const tessera_model *m, const tessera_request *rq, tsr_error *err);
void tsri_views_close(tsri_views *v); /* NULL is fine */

size_t tsri_views_n(const tsri_views *v);       /* pictures in all */
size_t tsri_views_n_files(const tsri_views *v);

/* Where a picture is from: "file" where there are several or `whole`, "page" (whole: and "dpi"), "time". */
void tsri_views_put_place(const tsri_views *all, tsri_build *o, const tsri_view *v, bool whole);

const char *tsri_views_film(const tsri_views *v); /* the name of the first film, NULL for none */

/* Decode the next one into *out, which is zeroed or deinit'ed. *end: there is none. After a failure the rest of its
 * file is skipped by the next call; *n_skipped tells how many pictures that are, this one among them. */
tsr_status tsri_views_next(tsri_views *v, tsri_view *out, bool *end, size_t *n_skipped, tsr_error *err);

#endif
