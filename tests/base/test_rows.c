/* Rows that are written at run time: each type's error is its own, products are those of the values that
 * are read back, and what is not finite stays so. */
#include "test_main.h"

#include <float.h>
#include <math.h>

#include "tsr_cpu.h"
#include "tsr_rows.h"

enum { MAX_DIM = 100, N_ROWS = 9 };

static const tsr_type types[] = {TSR_F32, TSR_F16, TSR_BF16, TSR_Q8_0};
enum { N_TYPES = sizeof types / sizeof *types };

/* In -1 .. 1. */
static float noise(size_t i)
{
    uint32_t h = (uint32_t)i * 2654435761u + 12345u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (float)(h >> 8) * 0x1p-23f - 1.0f;
}

/* Half a unit in the last place; of Q8_0 half a 127th of the largest of the block, and what the scale loses. */
static float error_bound(tsr_type type, const float *x, size_t n, size_t i)
{
    float top = 0.0f;
    switch (type) {
    case TSR_F16: return fabsf(x[i]) * 0x1p-11f + 0x1p-25f;
    case TSR_BF16: return fabsf(x[i]) * 0x1p-8f;
    case TSR_Q8_0:
        for (size_t k = i / 32 * 32; k < n && k < i / 32 * 32 + 32; k++)
            top = fabsf(x[k]) > top ? fabsf(x[k]) : top;
        return top * (0.501f / 127.0f);
    default: return 0.0f;
    }
}

static void what_is_read_is_what_was_written_within_the_types_error(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        for (size_t n = 1; n <= MAX_DIM; n++) {
            float x[MAX_DIM], y[MAX_DIM];
            _Alignas(16) unsigned char row[MAX_DIM * 4 + 40];
            size_t bytes = tsr_row_bytes(types[t], n);
            memset(row, 0xa5, sizeof row);
            for (size_t i = 0; i < n; i++)
                x[i] = 20.0f * noise(n * 1000 + i) * noise(i);
            assert_true(tsr_row_write(types[t], row, x, n));
            tsr_rows_read(types[t], row, 1, n, y);
            for (size_t i = 0; i < n; i++)
                if (!(fabsf(y[i] - x[i]) <= error_bound(types[t], x, n, i)))
                    fail_msg("%s, n %zu: [%zu] %a became %a", tsr_type_info(types[t])->name, n, i, (double)x[i],
                             (double)y[i]);
            for (size_t i = bytes; i < sizeof row; i++)
                assert_int_equal(row[i], 0xa5);
            for (size_t i = n % 32; types[t] == TSR_Q8_0 && i && i < 32; i++)
                assert_int_equal(row[bytes - 32 + i], 0);
        }
}

/* Against f64 on the values that are read back, at every level. */
static void products_are_those_of_the_values_read_back(void **state)
{
    (void)state;
    for (int level = TSR_CPU_C; level <= (int)tsr_cpu_detect(); level++) {
        tsr_cpu_set((tsr_cpu_level)level);
        for (size_t t = 0; t < N_TYPES; t++)
            for (size_t n = 1; n <= MAX_DIM; n += n < 8 ? 1 : 7) {
                float rows[N_ROWS * MAX_DIM], x[MAX_DIM], y[MAX_DIM], w[N_ROWS], out[N_ROWS];
                _Alignas(16) unsigned char data[N_ROWS * (MAX_DIM * 4 + 40)];
                for (size_t r = 0; r < N_ROWS; r++) {
                    for (size_t i = 0; i < n; i++)
                        x[i] = noise(r * 100 + i);
                    tsr_row_write(types[t], data + r * tsr_row_bytes(types[t], n), x, n);
                    w[r] = noise(r + 7000);
                }
                for (size_t i = 0; i < n; i++) {
                    x[i] = noise(i + 8000);
                    y[i] = noise(i + 9000);
                }
                tsr_rows_read(types[t], data, N_ROWS, n, rows);
                tsr_rows_dot(types[t], data, N_ROWS, n, x, out);
                tsr_rows_mix(types[t], data, N_ROWS, n, w, y);
                for (size_t r = 0; r < N_ROWS; r++) {
                    double want = 0;
                    for (size_t i = 0; i < n; i++)
                        want += (double)rows[r * n + i] * (double)x[i];
                    assert_true(fabs((double)out[r] - want) <= 1e-5);
                }
                for (size_t i = 0; i < n; i++) {
                    double want = (double)noise(i + 9000);
                    for (size_t r = 0; r < N_ROWS; r++)
                        want += (double)w[r] * (double)rows[r * n + i];
                    assert_true(fabs((double)y[i] - want) <= 1e-5);
                }
            }
    }
    tsr_cpu_set(tsr_cpu_detect());
}

static void what_is_not_finite_is_told_and_stays_so(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t t = 0; t < N_TYPES; t++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++)
            for (size_t at = 0; at < 70; at++) {
                float x[70], y[70];
                _Alignas(16) unsigned char row[70 * 4];
                for (size_t i = 0; i < 70; i++)
                    x[i] = noise(i);
                x[at] = bad[b];
                assert_false(tsr_row_write(types[t], row, x, 70));
                tsr_rows_read(types[t], row, 1, 70, y);
                assert_true(!isfinite(y[at]));
            }
}

static void the_limit_is_the_last_value_that_stays_finite(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        float x = (float)tsr_row_limit(types[t]), y, beyond = nextafterf(x, INFINITY);
        _Alignas(16) unsigned char row[40];
        assert_true(tsr_row_write(types[t], row, &x, 1));
        tsr_rows_read(types[t], row, 1, 1, &y);
        assert_true(isfinite(y) && fabsf(y - x) <= x * 1e-3f);
        beyond *= 1.01f; /* past what rounds back */
        tsr_row_write(types[t], row, &beyond, 1);
        tsr_rows_read(types[t], row, 1, 1, &y);
        assert_true(!isfinite(y));
    }
}

static void tiny_values_become_zero_and_zero_stays(void **state)
{
    (void)state;
    static const float tiny[] = {0.0f, -0.0f, FLT_TRUE_MIN, -1e-30f, 1e-9f};
    for (size_t t = 0; t < N_TYPES; t++) {
        float y[5];
        _Alignas(16) unsigned char row[40];
        assert_true(tsr_row_write(types[t], row, tiny, 5));
        tsr_rows_read(types[t], row, 1, 5, y);
        for (size_t i = 0; i < 5; i++)
            assert_true(fabsf(y[i] - tiny[i]) <= (types[t] == TSR_F32 ? 0.0f : 1e-8f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_was_written_within_the_types_error),
        cmocka_unit_test(products_are_those_of_the_values_read_back),
        cmocka_unit_test(what_is_not_finite_is_told_and_stays_so),
        cmocka_unit_test(the_limit_is_the_last_value_that_stays_finite),
        cmocka_unit_test(tiny_values_become_zero_and_zero_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
