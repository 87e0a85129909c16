/* tsr_file.h: opening, mapping, reading and replacing files. Every error names the file. */
#ifndef TSR_FILE_H
#define TSR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_bytes {
    const unsigned char *data;
    size_t len;
} tsr_bytes;

/* A read-only view of a whole regular file. The bytes live until tsr_file_unmap; an empty file maps
 * to len 0. For files of our own model folder; media files are read instead (tsr_file_read),
 * since a file that shrinks under a mapping ends the process. */
typedef struct tsr_mapping {
    tsr_bytes bytes;
    void *base; /* NULL when nothing is mapped */
} tsr_mapping;

tsr_status tsr_file_map(tsr_mapping *out, const char *path, tsr_error *err);
void tsr_file_unmap(tsr_mapping *m); /* zeroed is fine */

/* The pages with these n bytes of a mapping are no longer counted as this process's memory, and stay in the page cache: what is touched
 * again comes back from there. For bytes that are read once. Of memory that isn't a mapping the content would be lost. Any thread, while
 * others read them. */
void tsr_file_let_go(const void *bytes, size_t n);

/* Read a whole file ("-" is standard input) of at most max_bytes into memory of the caller's
 * (tsr_free). One zero byte follows the data and isn't counted. TSR_ERR_LIMIT when longer. */
tsr_status tsr_file_read(unsigned char **out, size_t *len, const char *path, size_t max_bytes, tsr_error *err);

/* Write a file whole or not at all: a temporary file beside it, synced, then renamed. */
tsr_status tsr_file_replace(const char *path, const void *data, size_t len, tsr_error *err);

bool tsr_file_is_dir(const char *path);
bool tsr_file_exists(const char *path);
bool tsr_file_is_same(const char *a, const char *b); /* two names of one file; false when either is not there */

/* "DIR/NAME" in memory of the caller's (tsr_free); NULL when memory is short. */
char *tsr_path_join(const char *dir, const char *name);

#ifdef __cplusplus
}
#endif
#endif
