/* The comparator catches planted faults, and the .npy reader refuses what it can't read. */
#include "test_tmp.h" /* before cmocka, which takes one of its names */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "compare.h"
#include "tsr_npy.h"

enum { N = 600 };

typedef struct pair {
    float got[N], want[N];
} pair;

static void fill(pair *p)
{
    for (size_t i = 0; i < N; i++) {
        p->want[i] = (float)((double)((i * 7919 + 13) % 1000) / 100.0 - 5.0);
        p->got[i] = p->want[i] * (1.0f + FLT_EPSILON);
    }
}

static oracle_diff diff(const pair *p)
{
    oracle_diff d;
    oracle_diff_f32(&d, p->got, p->want, N);
    return d;
}

static bool passes(const oracle_diff *d)
{
    return oracle_diff_within_abs(d, 1e-4) && oracle_diff_within_rel(d, 1e-4) && oracle_diff_cosine_over(d, 0.9999);
}

static void rounding_passes(void **state)
{
    (void)state;
    pair p;
    fill(&p);
    oracle_diff d = diff(&p);
    assert_true(passes(&d));
    assert_int_equal(d.n, N);
}

static void dropped_tail_is_caught(void **state)
{
    (void)state;
    pair p;
    fill(&p);
    p.want[N - 1] = 4.0f;
    p.got[N - 1] = 0.0f;
    oracle_diff d = diff(&p);
    assert_false(oracle_diff_within_rel(&d, 1e-4));
    assert_int_equal(d.worst, N - 1);
    assert_true(d.got == 0.0 && d.want == 4.0 && d.max_abs == 4.0);
}

static void shift_by_one_is_caught(void **state)
{
    (void)state;
    pair p;
    fill(&p);
    memmove(p.got, p.got + 1, (N - 1) * sizeof *p.got);
    oracle_diff d = diff(&p);
    assert_false(oracle_diff_within_rel(&d, 1e-4));
    assert_false(oracle_diff_cosine_over(&d, 0.9999));
}

static void small_scale_error_is_caught(void **state)
{
    (void)state;
    pair p;
    fill(&p);
    for (size_t i = 0; i < N; i++)
        p.got[i] *= 1.0002f;
    oracle_diff d = diff(&p);
    assert_false(oracle_diff_within_rel(&d, 1e-4));
    assert_true(oracle_diff_cosine_over(&d, 0.9999)); /* a cosine alone can't see it */
}

static void nan_and_infinity_fail_anywhere(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t k = 0; k < 6; k++) {
        for (size_t at = 0; at < N; at += N - 1) {
            pair p;
            fill(&p);
            (k < 3 ? p.got : p.want)[at] = bad[k % 3];
            oracle_diff d = diff(&p);
            assert_int_equal(d.n_not_finite, 1);
            assert_int_equal(d.worst, at);
            assert_false(oracle_diff_within_abs(&d, 1e30) || oracle_diff_within_rel(&d, 1e30) ||
                         oracle_diff_cosine_over(&d, -2.0));
        }
    }
    pair p;
    fill(&p);
    p.got[3] = p.want[3] = INFINITY; /* equal, and still no result */
    oracle_diff d = diff(&p);
    assert_false(passes(&d));
}

static void zeros_compare_as_documented(void **state)
{
    (void)state;
    pair p;
    memset(&p, 0, sizeof p);
    oracle_diff d = diff(&p);
    assert_true(passes(&d) && d.cosine == 1.0);
    p.got[5] = 1e-6f;
    d = diff(&p);
    assert_false(oracle_diff_within_rel(&d, 1e-4));
    assert_true(d.cosine == 0.0);
}

static void argmax_gives_the_first_of_equals(void **state)
{
    (void)state;
    const float v[] = {-3.0f, 2.0f, 1.0f, 2.0f};
    assert_int_equal(oracle_argmax(v, 4), 1);
    assert_int_equal(oracle_argmax(v, 1), 0);
}

static void npy_comes_back_as_written(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    const size_t shape[3] = {2, 3, 1};
    const float values[6] = {1, 2, 3, 4, 5, 6.5f};
    oracle_npy a;
    assert_int_equal(tsr_npy_write(test_path(dir, "a.npy"), TSR_F32, 3, shape, values, NULL), TSR_OK);
    assert_int_equal(oracle_npy_read(&a, test_path(dir, "a.npy"), NULL), TSR_OK);
    assert_int_equal(a.type, ORACLE_F32);
    assert_int_equal(a.n_dims, 3);
    assert_memory_equal(a.shape, shape, sizeof shape);
    assert_int_equal(oracle_npy_row_len(&a), 3);
    assert_memory_equal(a.data, values, sizeof values);
    oracle_npy_free(&a);
    test_tmp_remove(dir);
}

static void npy_cut_anywhere_is_refused(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    const size_t shape[1] = {5};
    const int32_t values[5] = {1, 2, 3, 4, 5};
    size_t len = 0;
    oracle_npy a;
    assert_int_equal(tsr_npy_write(test_path(dir, "a.npy"), TSR_I32, 1, shape, values, NULL), TSR_OK);
    unsigned char *file = test_read_file(test_path(dir, "a.npy"), &len);
    for (size_t n = 0; n < len; n++) {
        tsr_error err = {0};
        test_write_file(test_path(dir, "cut.npy"), file, n);
        assert_int_equal(oracle_npy_read(&a, test_path(dir, "cut.npy"), &err), TSR_ERR_DATA);
        assert_non_null(strstr(err.text, "cut.npy"));
    }
    free(file);
    test_tmp_remove(dir);
}

static void npy_of_another_kind_is_refused(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    const char *const heads[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        unsigned char file[160] = "\x93NUMPY\x01";
        size_t n = strlen(heads[i]);
        oracle_npy a;
        file[8] = (unsigned char)n;
        memcpy(file + 10, heads[i], n);
        test_write_file(test_path(dir, "b.npy"), file, 10 + n + 4);
        assert_int_equal(oracle_npy_read(&a, test_path(dir, "b.npy"), NULL), TSR_ERR_DATA);
    }
    test_tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_passes),
        cmocka_unit_test(dropped_tail_is_caught),
        cmocka_unit_test(shift_by_one_is_caught),
        cmocka_unit_test(small_scale_error_is_caught),
        cmocka_unit_test(nan_and_infinity_fail_anywhere),
        cmocka_unit_test(zeros_compare_as_documented),
        cmocka_unit_test(argmax_gives_the_first_of_equals),
        cmocka_unit_test(npy_comes_back_as_written),
        cmocka_unit_test(npy_cut_anywhere_is_refused),
        cmocka_unit_test(npy_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
