/* overlay.h: a picture with boxes and labels drawn on it, as a PNG or SVG file.
 *
 * Drawing is done by cairo, which a build may lack: overlay_cairo.c is then replaced by overlay_none.c. What needs
 * no library (names of files, colors, where labels go) is in overlay.c and overlay_labels.c. */
#ifndef TSR_OVERLAY_H
#define TSR_OVERLAY_H

#include "boxes.h"
#include "tsr_image.h"

/* Can it be drawn? TSR_ERR_USAGE: the name ends neither in .png nor in .svg; TSR_ERR_UNSUPPORTED: this build has no
 * cairo. */
tsr_status tsri_overlay_check(const char *path, tsr_error *err);

/* `path` itself when n == 1, else FILE-3.png for FILE.png and i == 2; the caller's (tsr_free), NULL when memory is
 * short. */
char *tsri_overlay_path(const char *path, size_t i, size_t n);

/* Draw boxes (of this very picture) and write the file whole or not at all. Lines and letters scale with the picture; a
 * label has one color, the same for all its boxes; labels don't cover each other where there is room. Letters are set
 * one by one: scripts that join them are not shaped. TSR_ERR_USAGE, UNSUPPORTED, LIMIT: a side of more than 32,767
 * pixels, IO, PERM, NOMEM. */
tsr_status tsri_overlay_write(const char *path, const tsr_image *picture, const tsri_box *boxes, size_t n,
                              tsr_error *err);

#endif
