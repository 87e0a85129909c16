/* test_tmp.h: a folder of its own for a test, and files in it. What goes wrong here ends the program. */
#ifndef TEST_TMP_H
#define TEST_TMP_H

#include <stddef.h>

/* A new empty folder under TMPDIR (or /tmp); the caller's (test_tmp_remove frees it too). */
char *test_tmp_make(void);
void test_tmp_remove(char *dir); /* with all that is in it; NULL is fine */
size_t test_tmp_count(const char *dir);  /* files and folders in it, not deeper */

/* "DIR/NAME" in a static buffer that lives until the fourth call after this one. */
const char *test_path(const char *dir, const char *name);

void test_write_file(const char *path, const void *data, size_t len);
unsigned char *test_read_file(const char *path, size_t *len); /* the caller's (free), one zero byte follows */
void *test_read_npy(const char *path, size_t *n); /* the n numbers of a .npy file (version 1.0), 4 bytes each; the caller's (free) */

void *must_realloc(void *p, size_t n); /* never NULL */

#endif
