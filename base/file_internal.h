/* file_internal.h: the new file that will take another's place. */
#ifndef TSR_FILE_INTERNAL_H
#define TSR_FILE_INTERNAL_H

#include "tsr_file.h"

/* Create "PATH.<something>.tmp" for writing; nobody else holds it. On success the caller closes *fd,
 * renames or unlinks *tmp and frees the name (tsr_free); on failure *fd is -1 and *tmp NULL. */
tsr_status tsri_file_create_beside(int *fd, char **tmp, const char *path, tsr_error *err);

/* What stands in its way to becoming PATH, which errors name. reserve: room for len bytes is taken at once, so
 * that a full disk is told before the work; place: the name changes hands and the folder is synced. */
tsr_status tsri_file_reserve(int fd, size_t len, const char *path, tsr_error *err);
tsr_status tsri_file_write(int fd, const void *data, size_t len, const char *path, tsr_error *err);
tsr_status tsri_file_sync(int fd, const char *path, tsr_error *err);
tsr_status tsri_file_place(const char *tmp, const char *path, tsr_error *err);

#endif
