/* Names in order, however they come: found, counted and walked as in a sorted array, and no order of coming costs more
 * than moving a chunk for each. */
#include "test_main.h"

#include <stdio.h>

#include "name_order_internal.h"
#include "tsr_alloc.h"

enum { N = 65536, NAME_BYTES = 8 };

static char names[N][NAME_BYTES]; /* sorted: that of number i */

static void add(tsri_name_order *o, size_t i)
{
    bool is_new;
    tsr_error e = {0};
    if (tsri_name_order_add(o, names[i], i, &is_new, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_true(is_new);
}

/* o holds the names of all i for which has[i], and no others. */
static void assert_holds(const tsri_name_order *o, const bool *has)
{
    tsri_name_place p = {0, 0};
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        tsri_name_place found = tsri_name_order_find(o, names[i]);
        const tsri_named *at = tsri_name_order_next(o, &found);
        if (!has[i]) {
            assert_true(!at || at->number > i);
            continue;
        }
        assert_ptr_equal(at->name, names[i]);
        assert_int_equal(at->number, i);
        assert_ptr_equal(tsri_name_order_next(o, &p), at);
        if (n % 97 == 0)
            assert_ptr_equal(tsri_name_order_nth(o, n), at);
        n++;
    }
    assert_null(tsri_name_order_next(o, &p));
    assert_int_equal(o->n, n);
}

static size_t ascending(size_t k)
{
    return k;
}

static size_t descending(size_t k)
{
    return N - 1 - k;
}

static size_t from_both_ends(size_t k)
{
    return k % 2 ? N - 1 - k / 2 : k / 2;
}

/* Always into the middle of what is there. */
static size_t from_the_middle(size_t k)
{
    return k % 2 ? N / 2 - 1 - k / 2 : N / 2 + k / 2;
}

static size_t scattered(size_t k)
{
    return k * 40503 % N; /* an odd factor: every number once */
}

static void no_order_of_coming_is_a_burden(void **state)
{
    (void)state;
    static size_t (*const orders[])(size_t k) = {ascending, descending, from_both_ends, from_the_middle, scattered};
    static bool all[N];
    memset(all, 1, sizeof all);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        tsri_name_order o = {0};
        for (size_t k = 0; k < N; k++)
            add(&o, orders[i](k));
        assert_holds(&o, all);
        if (o.n_moved > (size_t)N * TSRI_NAME_CHUNK) /* one array would have moved up to N * N / 2 */
            fail_msg("order %zu: %zu names were moved", i, o.n_moved);
        tsri_name_order_deinit(&o);
    }
}

static void names_that_are_there_are_not_new(void **state)
{
    (void)state;
    static bool has[N];
    tsri_name_order o = {0};
    tsri_name_place p = tsri_name_order_find(&o, "any");
    assert_null(tsri_name_order_next(&o, &p));
    for (size_t k = 0; k < 3000; k++) {
        bool is_new;
        size_t i = k * 7919 % 2000; /* 1000 of them come twice */
        assert_int_equal(tsri_name_order_add(&o, names[i], i, &is_new, NULL), TSR_OK);
        assert_int_equal(is_new, !has[i]);
        has[i] = true;
    }
    assert_int_equal(o.n, 2000);
    assert_holds(&o, has);
    tsri_name_order_deinit(&o);
}

static void walks_begin_at_a_name_that_need_not_be_there(void **state)
{
    (void)state;
    tsri_name_order o = {0};
    for (size_t i = 0; i < 5000; i++)
        add(&o, i);
    tsri_name_place p = tsri_name_order_find(&o, "t012");
    for (size_t i = 1200; i < 5000; i++)
        assert_int_equal(tsri_name_order_next(&o, &p)->number, i);
    assert_null(tsri_name_order_next(&o, &p));
    p = tsri_name_order_find(&o, "u");
    assert_null(tsri_name_order_next(&o, &p));
    p = tsri_name_order_find(&o, "");
    assert_int_equal(tsri_name_order_next(&o, &p)->number, 0);
    tsri_name_order_deinit(&o);
}

static void adding_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live(), n_failed = 0;
    for (size_t k = 1;; k++) {
        static bool has[N];
        tsri_name_order o = {0};
        tsr_error e = {0};
        tsr_status st = TSR_OK;
        bool is_new;
        memset(has, 0, sizeof has);
        tsr_alloc_fail_at(k);
        for (size_t i = 0; i < 3000 && st == TSR_OK; i++) {
            st = tsri_name_order_add(&o, names[i], i, &is_new, &e);
            has[i] = st == TSR_OK;
        }
        tsr_alloc_fail_at(0);
        if (n_failed % 8 == 0 || st == TSR_OK)
            assert_holds(&o, has);
        tsri_name_order_deinit(&o);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_error(&e, TSR_ERR_NOMEM, "out of memory", NULL);
        n_failed++;
    }
    assert_true(n_failed > 20);
}

int main(void)
{
    for (size_t i = 0; i < N; i++)
        snprintf(names[i], NAME_BYTES, "t%05zu", i);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_order_of_coming_is_a_burden),
        cmocka_unit_test(names_that_are_there_are_not_new),
        cmocka_unit_test(walks_begin_at_a_name_that_need_not_be_there),
        cmocka_unit_test(adding_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
