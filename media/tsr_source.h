/* tsr_source.h: where the bytes of a sound, a film or a document come from: a file that we opened
 * ourselves, or memory. Decoders read through it and never open anything.
 *
 * A source is read-only once open: any number of threads may read it at once. */
#ifndef TSR_SOURCE_H
#define TSR_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_source tsr_source;

/* Open PATH. A regular file is read where it lies, piece by piece, at its size of this moment (bytes
 * that vanish later read as the end). "-" (standard input) and anything that is not a regular file
 * is read whole into memory first: TSR_ERR_LIMIT beyond max_spool bytes. On failure *out is NULL. */
tsr_status tsr_source_open(tsr_source **out, const char *path, size_t max_spool, tsr_error *err);

/* Bytes of the caller's, borrowed until the close. `name` stands in messages; NULL: "memory". */
tsr_status tsr_source_open_memory(tsr_source **out, const void *data, size_t len, const char *name, tsr_error *err);

void tsr_source_close(tsr_source *s); /* NULL is fine */

const char *tsr_source_name(const tsr_source *s); /* for messages; lives as long as the source */
uint64_t tsr_source_size(const tsr_source *s);    /* bytes */

/* Read up to n bytes at offset `at`; *got receives how many there were: fewer than n only at the end.
 * TSR_ERR_IO when the system fails to read. */
tsr_status tsr_source_read(const tsr_source *s, uint64_t at, void *buf, size_t n, size_t *got, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
