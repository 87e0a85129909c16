/* tsr_alloc.h: the one allocator. Everything that the library itself allocates comes from here,
 * so that tests can count it and make the k-th request fail.
 *
 * Blocks are aligned to 64 bytes. A size of 0 gives a valid block. Any thread may call. For blocks of 2 MiB and more huge
 * pages are asked for, where the system gives them on request: what is touched grows by up to 2 MiB a block. */
#ifndef TSR_ALLOC_H
#define TSR_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when memory cannot be had. The caller frees with tsr_free. */
void *tsr_alloc(size_t n_bytes);
void *tsr_calloc(size_t n, size_t size); /* zeroed; NULL also when n * size overflows */
void *tsr_realloc(void *p, size_t n_bytes); /* p stays valid when NULL comes back */
void tsr_free(void *p);                     /* NULL is fine */

/* What lies behind the first `keep` bytes of a block goes back to the system, by whole pages: the block stays valid, and these bytes are
 * unspecified. They are had again when they are written, as in a new block. No other thread is at them meanwhile. */
void tsr_alloc_give_back(void *p, size_t keep);

/* As above with the failure recorded: "out of memory: WHAT needs N bytes". */
tsr_status tsr_alloc_array(void *out, size_t n, size_t size, const char *what, tsr_error *err);

char *tsr_strdup(const char *s);
char *tsr_strndup(const char *s, size_t n); /* copies exactly n bytes and terminates them */

/* False when the result does not fit; *out is then 0. */
bool tsr_mul_size(size_t *out, size_t a, size_t b);
bool tsr_add_size(size_t *out, size_t a, size_t b);

/* For tests and statistics. */
size_t tsr_alloc_live(void);       /* blocks not yet freed */
size_t tsr_alloc_live_bytes(void); /* and their bytes */
size_t tsr_alloc_peak_bytes(void); /* the most bytes that were live at once */
size_t tsr_alloc_count(void);      /* requests so far: constant over the token loop */
void tsr_alloc_fail_at(size_t k);  /* the k-th request from now fails, and all after it; 0: none fails */

#ifdef __cplusplus
}
#endif
#endif
