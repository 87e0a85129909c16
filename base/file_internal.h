/* file_internal.h: the new file that will take another's place. */
#ifndef TSR_FILE_INTERNAL_H
#define TSR_FILE_INTERNAL_H

#include "tsr_file.h"

/* Create "PATH.<something>.tmp" for writing; nobody else holds it. On success the caller closes *fd,
 * renames or unlinks *tmp and frees the name (tsr_free); on failure *fd is -1 and *tmp NULL. */
tsr_status tsri_file_create_beside(int *fd, char **tmp, const char *path, tsr_error *err);

#endif
