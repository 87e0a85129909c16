/* tsr_pool.h: the one thread pool. Work is cut into items by the caller, never by the number of
 * threads, so 1 and N threads compute the same bits.
 *
 * A pool serves one caller at a time: tsr_pool_run is not reentrant and items must not call it. */
#ifndef TSR_POOL_H
#define TSR_POOL_H

#include <stddef.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_pool tsr_pool;

/* Every worker has this much scratch of its own, aligned to 64 bytes. */
enum { TSR_POOL_SCRATCH_BYTES = 1 << 20, TSR_POOL_SHARED_BYTES = 1 << 20, TSR_POOL_MAX_THREADS = 256 };

/* n_threads counts the calling thread; 0 means as many as the affinity mask and the cgroup quota
 * allow. Where fewer threads can be started than asked for, the pool works with those that did.
 * On failure *out is NULL. */
tsr_status tsr_pool_open(tsr_pool **out, unsigned n_threads, tsr_error *err);
void tsr_pool_close(tsr_pool *p); /* NULL is fine */

/* Threads that work, the caller's included. */
unsigned tsr_pool_threads(const tsr_pool *p);

/* TSR_POOL_SHARED_BYTES, aligned to 64 bytes, unspecified in content, for what the items of one function's runs leave for
 * each other: any call of another function may overwrite it. Its pages are touched as far as they are used. */
void *tsr_pool_shared(const tsr_pool *p);

/* How tsr_matmul multiplies on this pool. F32 and F16 weights are always multiplied as exactly as f32 sums allow. */
typedef enum tsr_products {
    TSR_PRODUCTS_EXACT, /* all weights are: each as the value it decodes to, times f32 inputs; so it is at first */
    TSR_PRODUCTS_FAST   /* inputs of BF16 weights are rounded to BF16, those of block types to int8 by blocks of 32 (those of
                           fine products, see tsr_matmul.h, to 16 bits), or, of 16 rows and more at level amx, they and the weights to
                           BF16; the picture tower's attention goes in BF16 where its weights are of such types, the decoder's at level
                           amx with 16 bits of significand */
} tsr_products;

/* TSR_ERR_NOMEM leaves it as it was. Not while a run is under way. */
tsr_status tsr_pool_set_products(tsr_pool *p, tsr_products how, tsr_error *err);
tsr_products tsr_pool_products(const tsr_pool *p);

/* What products of many rows took for their inputs goes back to the system; it is had again when it is needed. Not while a run is
 * under way. */
void tsr_pool_give_back(tsr_pool *p);

/* Processors this process may use (affinity and cgroup CPU quota), at least 1. */
unsigned tsr_pool_cpus_allowed(void);

/* One item; worker < tsr_pool_threads(p) is this thread's number, scratch its own memory of
 * TSR_POOL_SCRATCH_BYTES, unspecified in content. */
typedef void (*tsr_pool_fn)(void *ctx, size_t item, unsigned worker, void *scratch);

/* Run fn for items 0 .. n_items - 1 in any order and return when all are done. Cannot fail. */
void tsr_pool_run(tsr_pool *p, size_t n_items, tsr_pool_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
