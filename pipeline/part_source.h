/* part_source.h: what a line of a manifest or a message says about a file becomes a path or bytes. Nothing is fetched. */
#ifndef TSR_PART_SOURCE_H
#define TSR_PART_SOURCE_H

#include <stddef.h>

#include "tsr_status.h"

/* "photo.jpg" (relative to `dir`), "/a/photo.jpg" and "file:///a/photo.jpg" give *path, a data: URL *data and *len; all
 * are the caller's (tsr_free), the others NULL. TSR_ERR_UNSUPPORTED: any other URL, by its name; TSR_ERR_DATA: one that
 * is broken. */
tsr_status tsri_part_source(const char *text, const char *dir, char **path, unsigned char **data, size_t *len,
                             tsr_error *err);

/* Base64 with its padding and nothing else; *out is the caller's, NULL on failure. `what` names it in errors. */
tsr_status tsri_base64(unsigned char **out, size_t *n, const char *text, size_t len, const char *what, tsr_error *err);

/* "data:;base64,..." of the bytes, which tsri_part_source reads again; the caller's, NULL on failure. */
tsr_status tsri_data_url(char **out, const void *bytes, size_t n, tsr_error *err);

#endif
