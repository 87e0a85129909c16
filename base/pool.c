/* pool.c: workers sleep on a condition variable between runs; items are claimed by an atomic
 * counter. A run is published under the mutex, so a worker sees the whole of it. */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "tsr_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool_internal.h"
#include "tsr_alloc.h"

enum { SPINS_BEFORE_SLEEP = 2000 };

_Static_assert((int)TSR_POOL_SHARED_BYTES == (int)TSR_POOL_SCRATCH_BYTES, "the shared block is one more of them");

typedef struct worker {
    tsr_pool *pool;
    unsigned index;
    pthread_t thread;
} worker;

struct tsr_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a new run, or the end */
    pthread_cond_t idle; /* the last worker left the run */
    atomic_uint round;   /* grows by one with every run */
    atomic_bool closing;
    tsr_pool_fn fn;
    void *ctx;
    size_t n_items;
    atomic_size_t next;
    atomic_uint n_busy; /* workers that have not yet left the current run */
    unsigned n_threads;
    unsigned char *scratch; /* the shared block, then [n_threads] blocks */
    unsigned char *inputs;  /* [TSRI_POOL_INPUT_BYTES], or NULL */
    tsr_products products;
    worker workers[TSR_POOL_MAX_THREADS];
};

static void *scratch_of(tsr_pool *p, unsigned index)
{
    return p->scratch + TSR_POOL_SHARED_BYTES + (size_t)index * TSR_POOL_SCRATCH_BYTES;
}

static void work(tsr_pool *p, unsigned index)
{
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (item >= p->n_items)
            return;
        p->fn(p->ctx, item, index, scratch_of(p, index));
    }
}

static void wait_for_round(tsr_pool *p, unsigned seen)
{
    for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        if (atomic_load_explicit(&p->round, memory_order_acquire) != seen || atomic_load(&p->closing))
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->round) == seen && !atomic_load(&p->closing))
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    tsr_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        wait_for_round(p, seen);
        if (atomic_load(&p->closing))
            return NULL;
        seen = atomic_load_explicit(&p->round, memory_order_acquire);
        work(p, w->index);
        if (atomic_fetch_sub_explicit(&p->n_busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

/* "max 100000" or "150000 100000" in cgroup v2's cpu.max: quota and period in microseconds. */
static unsigned cgroup_cpus(void)
{
    char line[64];
    long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f)
        return 0;
    bool read_it = fgets(line, sizeof line, f) && sscanf(line, "%ld %ld", &quota, &period) == 2;
    fclose(f);
    if (!read_it || quota <= 0 || period <= 0)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

unsigned tsr_pool_cpus_allowed(void)
{
    long n;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    else
        n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than a cpu_set_t holds */
    unsigned quota = cgroup_cpus();
    if (quota && (long)quota < n)
        n = quota;
    return n > 0 ? (unsigned)n : 1;
}

static tsr_status start_workers(tsr_pool *p, unsigned n_threads, tsr_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0) /* signals belong to the caller's threads */
        return tsr_fail(err, TSR_ERR_BUG, "thread pool: the signal mask cannot be set");
    p->n_threads = 1;
    for (unsigned i = 1; i < n_threads; i++) {
        worker *w = &p->workers[i];
        w->pool = p;
        w->index = i;
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        p->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return TSR_OK;
}

tsr_status tsr_pool_open(tsr_pool **out, unsigned n_threads, tsr_error *err)
{
    *out = NULL;
    if (n_threads == 0) {
        n_threads = tsr_pool_cpus_allowed();
        if (n_threads > TSR_POOL_MAX_THREADS)
            n_threads = TSR_POOL_MAX_THREADS;
    }
    if (n_threads > TSR_POOL_MAX_THREADS)
        return tsr_fail(err, TSR_ERR_LIMIT, "thread pool: %u threads asked for, at most %d", n_threads,
                        TSR_POOL_MAX_THREADS);
    tsr_pool *p = tsr_calloc(1, sizeof *p);
    if (!p)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: thread pool");
    tsr_status st = tsr_alloc_array(&p->scratch, n_threads + 1, TSR_POOL_SCRATCH_BYTES, "thread scratch", err);
    if (st == TSR_OK && pthread_mutex_init(&p->lock, NULL) != 0)
        st = tsr_fail(err, TSR_ERR_NOMEM, "thread pool: no mutex");
    if (st != TSR_OK) {
        tsr_free(p->scratch);
        tsr_free(p);
        return st;
    }
    pthread_cond_init(&p->wake, NULL); /* cannot fail with default attributes on Linux */
    pthread_cond_init(&p->idle, NULL);
    st = start_workers(p, n_threads, err);
    if (st != TSR_OK) {
        p->n_threads = 1;
        tsr_pool_close(p);
        return st;
    }
    *out = p;
    return TSR_OK;
}

void tsr_pool_close(tsr_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->closing, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i < p->n_threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    pthread_mutex_destroy(&p->lock);
    tsr_free(p->scratch);
    tsr_free(p->inputs);
    tsr_free(p);
}

tsr_status tsr_pool_set_products(tsr_pool *p, tsr_products how, tsr_error *err)
{
    if (how == TSR_PRODUCTS_FAST && !p->inputs) {
        tsr_status st = tsr_alloc_array(&p->inputs, TSRI_POOL_INPUT_BYTES, 1, "inputs of products", err);
        if (st != TSR_OK)
            return st;
    }
    p->products = how;
    return TSR_OK;
}

tsr_products tsr_pool_products(const tsr_pool *p)
{
    return p->products;
}

void tsr_pool_give_back(tsr_pool *p)
{
    if (p->inputs)
        tsr_alloc_give_back(p->inputs, 0);
}

void *tsri_pool_inputs(const tsr_pool *p)
{
    return p->products == TSR_PRODUCTS_FAST ? p->inputs : NULL;
}

void *tsr_pool_shared(const tsr_pool *p)
{
    return p->scratch;
}

unsigned tsr_pool_threads(const tsr_pool *p)
{
    return p->n_threads;
}

void tsr_pool_run(tsr_pool *p, size_t n_items, tsr_pool_fn fn, void *ctx)
{
    if (n_items == 0)
        return;
    if (p->n_threads == 1 || n_items == 1) {
        for (size_t i = 0; i < n_items; i++)
            fn(ctx, i, 0, scratch_of(p, 0));
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->ctx = ctx;
    p->n_items = n_items;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->n_busy, p->n_threads - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    work(p, 0);
    for (int i = 0; i < SPINS_BEFORE_SLEEP && atomic_load_explicit(&p->n_busy, memory_order_acquire); i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->n_busy, memory_order_acquire) != 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
