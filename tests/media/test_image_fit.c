/* test_image_fit.c: the size that a picture is fitted to, against the reference's function. */
#include "test_main.h"

#include "fit_expected.h"
#include "image_support.h"
#include "tsr_image.h"

static void fits_as_the_reference_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fitted / sizeof *fitted; i++) {
        size_t w, h, n;
        tsr_error err = {0};
        if (tsr_image_fit(&w, &h, &n, fitted[i].width, fitted[i].height, 16, 3, fitted[i].budget, &err) != TSR_OK)
            fail_msg("%s", err.text);
        if (w != fitted[i].to_w || h != fitted[i].to_h || n != w / 48 * (h / 48))
            fail_msg("%zux%zu in %zu: %zux%zu, %zu tokens", fitted[i].width, fitted[i].height, fitted[i].budget, w, h, n);
    }
}

static void every_size_stays_in_its_budget_on_the_grid(void **state)
{
    static const size_t budgets[] = {1, 70, 140, 280, 560, 1120};
    uint32_t seed = 99;
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        size_t width = 1 + next_random(&seed) % (1u << (i % 16 + 1)), height = 1 + next_random(&seed) % (1u << (i / 16 % 16 + 1));
        size_t budget = budgets[i % 6], w, h, n;
        tsr_status st = tsr_image_fit(&w, &h, &n, width, height, 16, 3, budget, NULL);
        if (st != TSR_OK) {
            assert_int_equal(st, TSR_ERR_DATA);
            assert_int_equal(w + h + n, 0);
            continue;
        }
        assert_true(w % 48 == 0 && h % 48 == 0 && n >= 1 && n <= budget);
    }
}

static void senseless_sizes_are_errors(void **state)
{
    size_t w, h, n;
    tsr_error err = {0};
    (void)state;
    assert_int_equal(tsr_image_fit(&w, &h, &n, 0, 5, 16, 3, 280, &err), TSR_ERR_USAGE);
    assert_error(&err, TSR_ERR_USAGE, "0x5", NULL);
    assert_int_equal(tsr_image_fit(&w, &h, &n, 5, 5, 16, 3, 0, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_image_fit(&w, &h, &n, SIZE_MAX, 2, 16, 3, 280, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_image_fit(&w, &h, &n, 5, 5, SIZE_MAX, 3, 280, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_image_fit(&w, &h, &n, 5, 5, 16, 3, SIZE_MAX, NULL), TSR_ERR_LIMIT);
    assert_int_equal(w + h + n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_as_the_reference_does),
        cmocka_unit_test(every_size_stays_in_its_budget_on_the_grid),
        cmocka_unit_test(senseless_sizes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
