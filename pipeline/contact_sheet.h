/* contact_sheet.h: the frames of films that go into a prompt, with their times, on one PNG. Letters are drawn by cairo,
 * as in overlays; a build without it refuses the sheet by name. */
#ifndef TSR_CONTACT_SHEET_H
#define TSR_CONTACT_SHEET_H

#include "media_part.h"

typedef struct tsri_sheet_film {
    const char *name;
    const tsr_image *frames; /* [n], all of one size */
    const double *times;     /* seconds, [n] */
    size_t n;
} tsri_sheet_film;

/* Where things are on the sheet, in pixels. Rows of a film are rows of cells: a frame, and its time under it. */
typedef struct tsri_sheet_grid {
    size_t columns, rows;
    size_t frame_width, frame_height; /* never more than the frames have */
    size_t cell_width, cell_height;
    double letters;
    size_t top; /* of the first row of cells; the film's name stands above */
} tsri_sheet_grid;

/* The grid of a film of n frames of this size, whose part of the sheet begins at `top`: about 4:3, at most
 * TSRI_SHEET_WIDTH wide. */
enum { TSRI_SHEET_WIDTH = 3840, TSRI_SHEET_GAP = 8 };
tsri_sheet_grid tsri_sheet_grid_for(size_t n, size_t width, size_t height, size_t top);

/* Draw and write it whole or not at all. TSR_ERR_LIMIT: it would be higher than 32,767 pixels. */
tsr_status tsri_sheet_write(const char *path, const tsri_sheet_film *films, size_t n, tsr_error *err);

/* Can it be written, of planned media? TSR_ERR_USAGE: the name doesn't end in .png, is one of the inputs, or there is no
 * film; TSR_ERR_UNSUPPORTED: this build has no cairo. */
tsr_status tsri_contact_sheet_check(const tsri_media_list *l, const char *path, tsr_error *err);
/* Of media that are loaded. */
tsr_status tsri_contact_sheet_write(const tsri_media_list *l, const char *path, tsr_error *err);

#endif
