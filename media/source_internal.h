/* source_internal.h: what the document reader needs beside tsr_source.h. */
#ifndef TSR_SOURCE_INTERNAL_H
#define TSR_SOURCE_INTERNAL_H

#include "tsr_source.h"

/* A descriptor of a regular file that holds the source's bytes: the source's own, or a temporary
 * file without a name. The caller closes *fd. */
tsr_status tsri_source_dup_fd(const tsr_source *s, int *fd, tsr_error *err);

#endif
