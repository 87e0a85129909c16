/* The thread pool: each item once, each worker its own scratch, and the same pool again and again. */
#include "test_main.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tsr_alloc.h"
#include "tsr_pool.h"

enum { MAX_ITEMS = 1000 };

typedef struct tally {
    tsr_pool *pool;
    unsigned char hits[MAX_ITEMS]; /* plain bytes: a race between two workers shows under tsan */
    atomic_size_t n_bad_workers;
    atomic_size_t n_bad_scratch;
} tally;

static void count_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    tally *t = ctx;
    t->hits[item]++;
    if (worker >= tsr_pool_threads(t->pool))
        atomic_fetch_add(&t->n_bad_workers, 1);
    if ((uintptr_t)scratch % 64 != 0)
        atomic_fetch_add(&t->n_bad_scratch, 1);
    memcpy(scratch, &item, sizeof item);
}

static void check_all_once(tally *t, size_t n)
{
    for (size_t i = 0; i < MAX_ITEMS; i++)
        if (t->hits[i] != (i < n))
            fail_msg("%zu items: item %zu ran %u times", n, i, t->hits[i]);
    assert_int_equal(atomic_load(&t->n_bad_workers), 0);
    assert_int_equal(atomic_load(&t->n_bad_scratch), 0);
}

static void every_item_runs_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 999, 1000};
    for (unsigned threads = 1; threads <= 8; threads++) {
        tsr_pool *p;
        assert_int_equal(tsr_pool_open(&p, threads, NULL), TSR_OK);
        assert_int_equal(tsr_pool_threads(p), threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            tally t = {.pool = p};
            tsr_pool_run(p, counts[c], count_item, &t);
            check_all_once(&t, counts[c]);
        }
        tsr_pool_close(p);
    }
}

static void add_up(void *ctx, size_t item, unsigned worker, void *scratch)
{
    (void)worker;
    (void)scratch;
    atomic_fetch_add_explicit((atomic_size_t *)ctx, item + 1, memory_order_relaxed);
}

static void pool_serves_ten_thousand_runs(void **state)
{
    (void)state;
    tsr_pool *p;
    assert_int_equal(tsr_pool_open(&p, 3, NULL), TSR_OK);
    for (size_t round = 0; round < 10000; round++) {
        size_t n = round % 17;
        atomic_size_t sum;
        atomic_init(&sum, 0);
        tsr_pool_run(p, n, add_up, &sum);
        assert_int_equal(atomic_load(&sum), n * (n + 1) / 2);
        if (round % 1000 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* lets the workers fall asleep, so that waking them is tried as well */
    }
    tsr_pool_close(p);
}

typedef struct chain {
    size_t *from, *to;
} chain;

static void pass_on(void *ctx, size_t item, unsigned worker, void *scratch)
{
    chain *c = ctx;
    (void)worker;
    (void)scratch;
    c->to[item] = c->from[(item + 1) % 64] + 1;
}

static void what_one_run_wrote_the_next_run_sees(void **state)
{
    (void)state;
    size_t a[64] = {0}, b[64] = {0};
    tsr_pool *p;
    assert_int_equal(tsr_pool_open(&p, 4, NULL), TSR_OK);
    for (size_t round = 0; round < 1000; round++) {
        chain c = {.from = round % 2 ? b : a, .to = round % 2 ? a : b};
        tsr_pool_run(p, 64, pass_on, &c);
    }
    tsr_pool_close(p);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(a[i], 1000);
}

typedef struct owners {
    atomic_uintptr_t of[TSR_POOL_MAX_THREADS];
    atomic_size_t n_moved;
} owners;

static void fill_scratch(void *ctx, size_t item, unsigned worker, void *scratch)
{
    owners *o = ctx;
    uintptr_t before = atomic_exchange(&o->of[worker], (uintptr_t)scratch);
    if (before && before != (uintptr_t)scratch)
        atomic_fetch_add(&o->n_moved, 1);
    memset(scratch, (int)item, TSR_POOL_SCRATCH_BYTES);
    for (size_t i = 0; i < TSR_POOL_SCRATCH_BYTES; i += 4093)
        if (((unsigned char *)scratch)[i] != (unsigned char)item)
            atomic_fetch_add(&o->n_moved, 1);
}

static void each_worker_has_its_own_whole_scratch(void **state)
{
    (void)state;
    static owners o;
    tsr_pool *p;
    assert_int_equal(tsr_pool_open(&p, 4, NULL), TSR_OK);
    for (int i = 0; i < 20; i++)
        tsr_pool_run(p, 16, fill_scratch, &o);
    tsr_pool_close(p);
    assert_int_equal(atomic_load(&o.n_moved), 0);
}

static void one_item_runs_on_the_caller(void *ctx, size_t item, unsigned worker, void *scratch)
{
    (void)scratch;
    *(int *)ctx = item == 0 && worker == 0 ? 1 : 2;
}

static void single_item_stays_with_the_caller(void **state)
{
    (void)state;
    int seen = 0;
    tsr_pool *p;
    assert_int_equal(tsr_pool_open(&p, 3, NULL), TSR_OK);
    tsr_pool_run(p, 1, one_item_runs_on_the_caller, &seen);
    tsr_pool_close(p);
    assert_int_equal(seen, 1);
}

static void zero_threads_means_what_the_machine_allows(void **state)
{
    (void)state;
    tsr_pool *p;
    unsigned allowed = tsr_pool_cpus_allowed();
    assert_true(allowed >= 1);
    assert_int_equal(tsr_pool_open(&p, 0, NULL), TSR_OK);
    assert_int_equal(tsr_pool_threads(p), allowed < TSR_POOL_MAX_THREADS ? allowed : TSR_POOL_MAX_THREADS);
    tsr_pool_close(p);
    tsr_pool_close(NULL);
}

static void too_many_threads_are_refused(void **state)
{
    (void)state;
    tsr_pool *p = (tsr_pool *)&p;
    tsr_error e = {0};
    assert_int_equal(tsr_pool_open(&p, TSR_POOL_MAX_THREADS + 1, &e), TSR_ERR_LIMIT);
    assert_null(p);
    assert_error(&e, TSR_ERR_LIMIT, "257", "256");
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_pool *p;
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_pool_open(&p, 2, &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            tsr_pool_close(p);
            assert_true(k > 2);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(p);
    }
    assert_int_equal(tsr_alloc_live(), live);
}

/* Runs in a child: no thread can be started there. Exit code 0 when the pool works all the same. */
static int work_without_workers(void)
{
    struct rlimit none = {0, 0};
    tsr_pool *p;
    tally t;
    memset(&t, 0, sizeof t);
    if (geteuid() == 0 && setuid(65534) != 0) /* the limit does not bind root */
        return 2;
    if (setrlimit(RLIMIT_NPROC, &none) != 0)
        return 2;
    if (tsr_pool_open(&p, 4, NULL) != TSR_OK)
        return 3;
    if (tsr_pool_threads(p) != 1)
        return 4;
    t.pool = p;
    tsr_pool_run(p, 100, count_item, &t);
    for (size_t i = 0; i < 100; i++)
        if (t.hits[i] != 1)
            return 5;
    tsr_pool_close(p);
    return 0;
}

static void pool_works_with_the_threads_that_started(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* its runtime ends the process when a thread can't be started */
#endif
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(work_without_workers());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip(); /* the limit can't be set here */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_runs_once),
        cmocka_unit_test(pool_serves_ten_thousand_runs),
        cmocka_unit_test(what_one_run_wrote_the_next_run_sees),
        cmocka_unit_test(each_worker_has_its_own_whole_scratch),
        cmocka_unit_test(single_item_stays_with_the_caller),
        cmocka_unit_test(zero_threads_means_what_the_machine_allows),
        cmocka_unit_test(too_many_threads_are_refused),
        cmocka_unit_test(open_survives_every_failed_allocation),
        cmocka_unit_test(pool_works_with_the_threads_that_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
