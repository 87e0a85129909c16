/* CPU levels: names, refusals, and a cap that can't be set beyond the machine. */
#include "test_main.h"

#include "kernels_internal.h"
#include "tsr_cpu.h"

static void names_parse_back_to_their_levels(void **state)
{
    (void)state;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_level got = TSR_N_CPU_LEVELS;
        tsr_error e = {0};
        if (!tsr_cpu_has((tsr_cpu_level)l))
            continue;
        assert_int_equal(tsr_cpu_parse(&got, tsr_cpu_level_name((tsr_cpu_level)l), &e), TSR_OK);
        assert_int_equal(got, l);
    }
}

static void unknown_name_lists_the_known(void **state)
{
    (void)state;
    tsr_cpu_level got = TSR_CPU_C;
    tsr_error e = {0};
    assert_int_equal(tsr_cpu_parse(&got, "sse9", &e), TSR_ERR_USAGE);
    assert_error(&e, TSR_ERR_USAGE, "'sse9'", tsr_cpu_level_name((tsr_cpu_level)(TSR_CPU_C + 1)));
    assert_int_equal(tsr_cpu_parse(&got, "", NULL), TSR_ERR_USAGE);
}

static void level_that_is_lacking_is_refused_by_name(void **state)
{
    (void)state;
    tsr_cpu_level got = TSR_CPU_C;
    tsr_error e = {0};
    if (tsr_cpu_detect() + 1 == TSR_N_CPU_LEVELS)
        skip(); /* this machine lacks none */
    const char *best = tsr_cpu_level_name((tsr_cpu_level)(TSR_N_CPU_LEVELS - 1));
    assert_int_equal(tsr_cpu_parse(&got, best, &e), TSR_ERR_UNSUPPORTED);
    assert_error(&e, TSR_ERR_UNSUPPORTED, best, tsr_cpu_level_name(tsr_cpu_detect()));
}

/* One in the middle that others above it don't imply. */
static void level_that_is_lacking_below_the_best_is_refused(void **state)
{
    (void)state;
    bool any = false;
    assert_true(tsr_cpu_has(TSR_CPU_C) && tsr_cpu_has(tsr_cpu_detect()));
    for (int l = TSR_CPU_C; l < (int)tsr_cpu_detect(); l++) {
        tsr_cpu_level got = TSR_N_CPU_LEVELS;
        tsr_error e = {0};
        if (tsr_cpu_has((tsr_cpu_level)l))
            continue;
        any = true;
        assert_int_equal(tsr_cpu_parse(&got, tsr_cpu_level_name((tsr_cpu_level)l), &e), TSR_ERR_UNSUPPORTED);
        assert_error(&e, TSR_ERR_UNSUPPORTED, tsr_cpu_level_name((tsr_cpu_level)l), tsr_cpu_level_name(tsr_cpu_detect()));
        assert_int_equal(got, TSR_N_CPU_LEVELS);
        tsr_cpu_set((tsr_cpu_level)l);
        assert_int_equal(tsr_cpu_get(), l - 1);
    }
    tsr_cpu_set(tsr_cpu_detect());
    if (!any)
        skip(); /* this machine lacks none */
}

static void set_picks_the_table_and_stays_within_the_machine(void **state)
{
    (void)state;
    tsri_kernels want;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        if (!tsr_cpu_has((tsr_cpu_level)l))
            continue;
        tsr_cpu_set((tsr_cpu_level)l);
        assert_int_equal(tsr_cpu_get(), l);
        tsri_kernels_init(&want, (tsr_cpu_level)l);
        assert_memory_equal(tsri_kernels_get(), &want, sizeof want);
    }
    tsr_cpu_set(TSR_N_CPU_LEVELS);
    assert_int_equal(tsr_cpu_get(), tsr_cpu_detect());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_parse_back_to_their_levels),
        cmocka_unit_test(unknown_name_lists_the_known),
        cmocka_unit_test(level_that_is_lacking_is_refused_by_name),
        cmocka_unit_test(level_that_is_lacking_below_the_best_is_refused),
        cmocka_unit_test(set_picks_the_table_and_stays_within_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
