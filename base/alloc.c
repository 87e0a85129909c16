/* alloc.c: malloc with a 64-byte header that holds the block's size, so that live bytes can be
 * counted and every block is aligned for the widest vector.
 *
 * Blocks are not rounded up and the unused part of the header is poisoned under AddressSanitizer:
 * one byte too far on either side is found, as with plain malloc. */
#define _DEFAULT_SOURCE /* madvise */
#include "tsr_alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "counts_internal.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#endif
#if defined(HAVE_ASAN)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

static atomic_size_t live_blocks, live_bytes, peak_bytes, n_requests;
static atomic_size_t fail_countdown; /* 0: never; 1: the next request fails, and stays at 1 */

static bool must_fail(void)
{
    size_t k = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (k > 1) /* a failed exchange loads k anew; no thread may step from 1 to 0 */
        if (atomic_compare_exchange_weak_explicit(&fail_countdown, &k, k - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return false;
    return k == 1;
}

static void count_in(size_t n)
{
    size_t now = atomic_fetch_add_explicit(&live_bytes, n, memory_order_relaxed) + n;
    size_t peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&peak_bytes, &peak, now, memory_order_relaxed,
                                                                memory_order_relaxed)) {
    }
    atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
}

void *tsr_alloc(size_t n)
{
    atomic_fetch_add_explicit(&n_requests, 1, memory_order_relaxed);
    void *raw;
    bool huge = n >= HUGE_PAGE;
    if (must_fail() || n > (size_t)PTRDIFF_MAX - ALIGN || posix_memalign(&raw, huge ? HUGE_PAGE : ALIGN, n + ALIGN) != 0)
        return NULL;
    if (huge)
        madvise(raw, n + ALIGN, MADV_HUGEPAGE); /* fewer faults; where it can't be, pages stay small */
    memcpy(raw, &n, sizeof n);
    count_in(n);
    unsigned char *block = (unsigned char *)raw + ALIGN;
    ASAN_POISON_MEMORY_REGION(block - (ALIGN - sizeof n), ALIGN - sizeof n);
    return block;
}

static size_t size_of(const void *p)
{
    size_t n;
    memcpy(&n, (const unsigned char *)p - ALIGN, sizeof n);
    return n;
}

void tsr_free(void *p)
{
    if (!p)
        return;
    atomic_fetch_sub_explicit(&live_bytes, size_of(p), memory_order_relaxed);
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free((unsigned char *)p - ALIGN);
}

void tsr_alloc_give_back(void *p, size_t keep)
{
    long page = sysconf(_SC_PAGESIZE);
    size_t n = size_of(p), at = (uintptr_t)p;
    if (page <= 0 || keep >= n)
        return;
    size_t from = tsri_whole(at + keep, (size_t)page), to = (at + n) / (size_t)page * (size_t)page;
    if (from < to)
        madvise((unsigned char *)p + (from - at), to - from, MADV_DONTNEED); /* where that can't be they stay */
}

void *tsr_calloc(size_t n, size_t size)
{
    size_t total;
    if (!tsr_mul_size(&total, n, size))
        return NULL;
    void *p = tsr_alloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void *tsr_realloc(void *p, size_t n)
{
    if (!p)
        return tsr_alloc(n);
    void *q = tsr_alloc(n);
    if (!q)
        return NULL;
    size_t old = size_of(p);
    memcpy(q, p, old < n ? old : n);
    tsr_free(p);
    return q;
}

tsr_status tsr_alloc_array(void *out, size_t n, size_t size, const char *what, tsr_error *err)
{
    size_t total;
    void *p = NULL;
    if (tsr_mul_size(&total, n, size))
        p = tsr_alloc(total);
    memcpy(out, &p, sizeof p);
    if (!p)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu x %zu bytes", what, n, size);
    return TSR_OK;
}

char *tsr_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = tsr_alloc(n + 1);
    if (p) {
        memcpy(p, s, n);
        p[n] = '\0';
    }
    return p;
}

char *tsr_strdup(const char *s)
{
    return tsr_strndup(s, strlen(s));
}

bool tsr_mul_size(size_t *out, size_t a, size_t b)
{
    bool ok = b == 0 || a <= SIZE_MAX / b;
    *out = ok ? a * b : 0;
    return ok;
}

bool tsr_add_size(size_t *out, size_t a, size_t b)
{
    bool ok = a <= SIZE_MAX - b;
    *out = ok ? a + b : 0;
    return ok;
}

size_t tsr_alloc_live(void)
{
    return atomic_load(&live_blocks);
}

size_t tsr_alloc_live_bytes(void)
{
    return atomic_load(&live_bytes);
}

size_t tsr_alloc_peak_bytes(void)
{
    return atomic_load(&peak_bytes);
}

size_t tsr_alloc_count(void)
{
    return atomic_load(&n_requests);
}

void tsr_alloc_fail_at(size_t k)
{
    atomic_store(&fail_countdown, k);
}
