/* Rounding: the error stays below llama.cpp's on every type, whatever is finite becomes something finite that is no
 * worse than zeros, and what a type can say exactly is kept.
 *
 * quantize_errors.txt comes from tests/oracle/quant_error.py, whose weights stand here again. */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "test_tmp.h"
#include "tsr_quantize.h"

enum { N_DATA = 32768, N_KINDS = 3, BLOCK_MAX = 256, PATTERN = 0xc5 };

static bool is_rounded(tsr_type t) /* block types and halves */
{
    return tsr_type_can_quantize(t) && t != TSR_F32;
}

static size_t bytes_of(tsr_type t, size_t n)
{
    return n / tsr_type_info(t)->block_elems * tsr_type_info(t)->block_bytes;
}

static void decode(tsr_type t, const unsigned char *row, size_t n, float *y)
{
    tsr_view v;
    assert_int_equal(tsr_view_make(&v, t, 2, (const size_t[]){1, n}, row, SIZE_MAX, "row", NULL), TSR_OK);
    tsr_view_decode(&v, 0, 0, n, y);
}

/* x rounded and decoded. The bytes behind the row stay as they are. */
static tsr_quantize_result round_trip(tsr_type t, const float *x, size_t n, float *y)
{
    size_t len = bytes_of(t, n);
    unsigned char *row = must_realloc(NULL, len + 8);
    memset(row, PATTERN, len + 8);
    tsr_quantize_result r = tsr_quantize(t, x, n, row);
    for (size_t i = len; i < len + 8; i++)
        assert_int_equal(row[i], PATTERN);
    decode(t, row, n, y);
    free(row);
    return r;
}

static double error_of(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum;
}

static double energy(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* ---- weights: in step with quant_error.py --------------------------------------------------- */

static double uniform(uint64_t index)
{
    uint64_t z = (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) * 0x1p-53;
}

enum { NORMAL, T4, LAPLACE };

static float weight(int kind, uint64_t i)
{
    double u[4], pi = 3.14159265358979323846;
    for (uint64_t k = 0; k < 4; k++)
        u[k] = uniform(4 * i + k);
    double normal = sqrt(-2 * log(u[0])) * cos(2 * pi * u[1]);
    if (kind == NORMAL)
        return (float)(0.02 * normal);
    if (kind == T4)
        return (float)(0.02 * (normal / sqrt(-log(u[2] * u[3]) / 2)));
    return (float)(0.02 * (u[3] < 0.5 ? log(2 * u[3]) : -log(2 * (1 - u[3]))));
}

static float *data[N_KINDS];

static int make_data(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        data[k] = must_realloc(NULL, N_DATA * sizeof *data[k]);
        for (size_t i = 0; i < N_DATA; i++)
            data[k][i] = weight(k, i);
    }
    return 0;
}

static int free_data(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++)
        free(data[k]);
    return 0;
}

/* ---- errors --------------------------------------------------------------------------------- */

static void check_type(tsr_type t, const double theirs[N_KINDS], const double ours[N_KINDS], float *y)
{
    static const char *const kinds[] = {"normal", "t4", "Laplace"};
    for (int k = 0; k < N_KINDS; k++) {
        assert_int_equal(round_trip(t, data[k], N_DATA, y), TSR_QUANTIZE_OK);
        double e = error_of(data[k], y, N_DATA) / energy(data[k], N_DATA);
        if (!(e <= 1.01 * theirs[k]) || !(e <= 1.001 * ours[k]))
            fail_msg("%s on %s: error %.6e, llama.cpp's %.6e, ours was %.6e", tsr_type_info(t)->name, kinds[k], e,
                     theirs[k], ours[k]);
    }
}

/* At most 1 % above llama.cpp's, as promised, and no larger than was observed. */
static void mean_squared_error_is_at_most_that_of_llama_cpp(void **state)
{
    (void)state;
    size_t len, n_types = 0;
    char *text = (char *)test_read_file(TSR_TEST_DIR "/quantize_errors.txt", &len);
    float *y = must_realloc(NULL, N_DATA * sizeof *y);
    char *end = text + len;
    for (char *line = text; line < end; line = memchr(line, '\n', (size_t)(end - line)), line++) {
        char name[16];
        double a[N_KINDS], b[N_KINDS];
        tsr_type t = TSR_F32;
        if (*line == '#')
            continue;
        assert_int_equal(
            sscanf(line, "%15s %lf %lf %lf %lf %lf %lf", name, &a[0], &b[0], &a[1], &b[1], &a[2], &b[2]), 7);
        assert_true(tsr_type_from_name(name, &t));
        check_type(t, a, b, y);
        n_types++;
    }
    for (int t = 0; t < TSR_N_TYPES; t++)
        n_types -= is_rounded((tsr_type)t);
    assert_int_equal(n_types, 0);
    free(y);
    free(text);
}

/* The scale that puts the largest value at the end of the levels, rounded to f16. */
static double plain_error(const float *x, float lo, float hi)
{
    float top = 0, y[32];
    for (size_t i = 0; i < 32; i++)
        top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    float d = tsr_f16_to_f32(tsr_f32_to_f16(top / lo));
    for (size_t i = 0; i < 32; i++) {
        float q = d != 0.0f ? rintf(x[i] / d) : 0.0f;
        y[i] = d * (q < lo ? lo : q > hi ? hi : q);
    }
    return error_of(x, y, 32);
}

static void no_block_is_worse_than_plainly_rounded(void **state)
{
    static const struct {
        tsr_type type;
        float lo, hi;
    } plain[] = {{TSR_Q8_0, -127, 127}, {TSR_Q4_0, -8, 7}, {TSR_Q5_0, -16, 15}};
    (void)state;
    for (size_t p = 0; p < sizeof plain / sizeof *plain; p++)
        for (int k = 0; k < N_KINDS; k++)
            for (size_t i = 0; i + 32 <= N_DATA; i += 32) {
                float y[32];
                round_trip(plain[p].type, data[k] + i, 32, y);
                double e = error_of(data[k] + i, y, 32), limit = plain_error(data[k] + i, plain[p].lo, plain[p].hi);
                if (!(e <= limit * 1.00001))
                    fail_msg("%s: block %zu has the error %g, plainly %g", tsr_type_info(plain[p].type)->name, i / 32,
                             e, limit);
            }
}

/* ---- extremes ------------------------------------------------------------------------------- */

typedef void (*fill_fn)(float *x, size_t n);

static void fill_zeros(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 3 ? 0.0f : -0.0f;
}
static void fill_scaled(float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++)
        x[i] = weight(NORMAL, i) * by;
}
static void fill_1e_4(float *x, size_t n) { fill_scaled(x, n, 1e-4f); }
static void fill_1e_6(float *x, size_t n) { fill_scaled(x, n, 1e-6f); }
static void fill_1e_7(float *x, size_t n) { fill_scaled(x, n, 1e-7f); }
static void fill_1e_38(float *x, size_t n) { fill_scaled(x, n, 1e-36f); }
static void fill_subnormal(float *x, size_t n) { fill_scaled(x, n, 1e-40f); }
static void fill_1e7(float *x, size_t n) { fill_scaled(x, n, 1e7f); }
static void fill_1e39(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i % 7) * (i % 2 ? -4e37f : 4e37f);
}
static void fill_largest(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 5 % 2 ? FLT_MAX : -FLT_MAX;
}
static void fill_least(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 2 ? 0x1p-149f : -0x1p-149f;
}
static void fill_constant(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.3f;
}
static void fill_negative_constant(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = -0.37f;
}
static void fill_one_hot(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 32 == 7 ? -1.0f : 0.0f;
}
static void fill_outlier(float *x, size_t n)
{
    fill_scaled(x, n, 1.0f);
    x[n / 2] = 3e4f;
}
static void fill_huge_outlier(float *x, size_t n)
{
    fill_scaled(x, n, 1e-38f);
    x[n / 2] = -FLT_MAX;
}
/* Magnitudes of 2^-149 to 2^127 in one block: groups that are nothing beside others. */
static void fill_all_exponents(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = ldexpf(i % 3 ? 1.3f : -1.7f, (int)(i * 37 % 276) - 149);
}
/* Each group of 16 has a constant of its own and zeros; most constants are so far below the largest that their
 * inverse overflows. */
static void fill_steps(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 3 ? ldexpf(i / 32 % 2 ? 1.0f : -1.0f, -(int)(i / 16 * 9 % 140)) : 0.0f;
}
static void fill_positive(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 1.0f + weight(LAPLACE, i);
}
static void fill_negative(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = -1.0f - 0.01f * weight(NORMAL, i);
}
static void fill_one_step_apart(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 2 ? 1.0f : 1.0f + FLT_EPSILON;
}

static const fill_fn fills[] = {
    fill_zeros,    fill_1e_4,     fill_1e_6,           fill_1e_7,    fill_1e_38,    fill_subnormal,
    fill_1e7,      fill_1e39,     fill_largest,        fill_least,   fill_constant, fill_negative_constant,
    fill_one_hot,  fill_outlier,  fill_huge_outlier,   fill_all_exponents, fill_steps, fill_positive,
    fill_negative, fill_one_step_apart,
};

static void whatever_is_finite_stays_so_and_is_no_worse_than_zeros(void **state)
{
    (void)state;
    for (int t = 0; t < TSR_N_TYPES; t++)
        for (size_t f = 0; is_rounded((tsr_type)t) && f < sizeof fills / sizeof *fills; f++) {
            float x[2 * BLOCK_MAX], y[2 * BLOCK_MAX];
            size_t n = sizeof x / sizeof *x;
            fills[f](x, n);
            assert_int_not_equal(round_trip((tsr_type)t, x, n, y), TSR_QUANTIZE_NOT_FINITE);
            for (size_t i = 0; i < n; i++)
                if (!isfinite(y[i]))
                    fail_msg("%s, rows %zu: element %zu is %g", tsr_type_info((tsr_type)t)->name, f, i, (double)y[i]);
            double e = error_of(x, y, n), limit = energy(x, n);
            if (!(e <= limit * (1 + 1e-6)))
                fail_msg("%s, rows %zu: error %g, zeros have %g", tsr_type_info((tsr_type)t)->name, f, e, limit);
        }
}

/* The type's ordinary error as long as the f16 scale has digits; at the scale's least, 2^-24 (which IQ4_NL
 * multiplies by no less than 10 but for 1), not all is lost. */
static void small_weights_are_not_lost(void **state)
{
    (void)state;
    for (int t = TSR_Q8_0; t < TSR_N_TYPES; t++) {
        static const float scales[] = {1.0f, 0x1p-4f, 0x1p-16f};
        float x[BLOCK_MAX], y[BLOCK_MAX];
        double e[3];
        for (size_t i = 0; i < 3; i++) {
            fill_scaled(x, BLOCK_MAX, scales[i]);
            assert_int_equal(round_trip((tsr_type)t, x, BLOCK_MAX, y), TSR_QUANTIZE_OK);
            e[i] = error_of(x, y, BLOCK_MAX) / energy(x, BLOCK_MAX);
        }
        if (!(e[1] <= 1.2 * e[0]) || !(e[2] <= 0.5))
            fail_msg("%s: errors of ordinary, small and tiny weights %g %g %g", tsr_type_info((tsr_type)t)->name, e[0],
                     e[1], e[2]);
    }
}

static void what_is_beyond_a_type_is_reported_and_becomes_its_largest(void **state)
{
    /* The largest value that both signs have, in a block of FLT_MAX and -FLT_MAX. */
    static const float largest[TSR_N_TYPES] = {
        [TSR_F16] = 65504.0f,          [TSR_BF16] = 0x1.fep127f,           [TSR_Q8_0] = 127 * 65504.0f,
        [TSR_Q4_0] = 7 * 65504.0f,     [TSR_Q4_1] = 65504.0f,              [TSR_Q5_0] = 15 * 65504.0f,
        [TSR_Q5_1] = 65504.0f,         [TSR_Q2_K] = 15 * 65504.0f,         [TSR_Q3_K] = 31 * 3 * 65504.0f,
        [TSR_Q4_K] = 63 * 65504.0f,    [TSR_Q5_K] = 63 * 65504.0f,         [TSR_Q6_K] = 127 * 31 * 65504.0f,
        [TSR_IQ4_NL] = 113 * 65504.0f, [TSR_IQ4_XS] = 31 * 113 * 65504.0f, [TSR_MXFP4] = 0x1.8p127f};
    (void)state;
    for (int t = 0; t < TSR_N_TYPES; t++) {
        float x[BLOCK_MAX], y[BLOCK_MAX];
        if (!is_rounded((tsr_type)t))
            continue;
        fill_largest(x, BLOCK_MAX);
        assert_int_equal(round_trip((tsr_type)t, x, BLOCK_MAX, y), TSR_QUANTIZE_CLAMPED);
        for (size_t i = 0; i < BLOCK_MAX; i++) {
            assert_true((x[i] > 0) == (y[i] > 0));
            if (!(fabsf(y[i]) >= 0.99f * largest[t]))
                fail_msg("%s: %g became %g", tsr_type_info((tsr_type)t)->name, (double)x[i], (double)y[i]);
        }
        fill_constant(x, BLOCK_MAX);
        x[3] = 0.999f * largest[t];
        assert_int_equal(round_trip((tsr_type)t, x, BLOCK_MAX, y), TSR_QUANTIZE_OK);
        x[3] = 1.01f * largest[t];
        if (isfinite(x[3]))
            assert_int_equal(round_trip((tsr_type)t, x, BLOCK_MAX, y), TSR_QUANTIZE_CLAMPED);
    }
}

static void values_that_are_not_finite_are_refused_and_nothing_is_written(void **state)
{
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    (void)state;
    for (int t = 0; t < TSR_N_TYPES; t++)
        for (size_t at = 0; tsr_type_can_quantize((tsr_type)t) && at < 4 * BLOCK_MAX; at++) {
            float x[BLOCK_MAX];
            unsigned char row[BLOCK_MAX * sizeof(float)];
            memcpy(x, data[NORMAL], sizeof x);
            x[at / 4] = bad[at % 4];
            memset(row, PATTERN, sizeof row);
            assert_int_equal(tsr_quantize((tsr_type)t, x, BLOCK_MAX, row), TSR_QUANTIZE_NOT_FINITE);
            for (size_t i = 0; i < sizeof row; i++)
                assert_int_equal(row[i], PATTERN);
        }
}

/* ---- what is kept --------------------------------------------------------------------------- */

/* Types whose own values are found again: the true scale lies among the candidates. */
static void decoded_weights_are_rounded_to_themselves(void **state)
{
    static const tsr_type types[] = {TSR_F32,  TSR_F16,  TSR_BF16,   TSR_Q8_0,
                                     TSR_Q4_0, TSR_Q5_0, TSR_IQ4_NL, TSR_MXFP4};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (int k = 0; k < N_KINDS; k++) {
            enum { N = 4096 };
            float once[N], twice[N];
            round_trip(types[t], data[k], N, once);
            round_trip(types[t], once, N, twice);
            for (size_t i = 0; i < N; i++)
                if (once[i] != twice[i])
                    fail_msg("%s: element %zu was %.9g, then %.9g", tsr_type_info(types[t])->name, i, (double)once[i],
                             (double)twice[i]);
        }
}

/* A model trained for Q4_0 has such weights: whole multiples of a scale, the largest at -8. */
static void weights_on_a_grid_keep_every_bit(void **state)
{
    (void)state;
    for (uint64_t b = 0; b < 500; b++) {
        float x[32], y[32], d = tsr_f16_to_f32(tsr_f32_to_f16(weight(LAPLACE, 7 * b)));
        for (uint64_t i = 0; i < 32; i++)
            x[i] = d * (float)((int)(16 * uniform(77 * b + i)) - 8);
        x[b % 32] = d * -8;
        assert_int_equal(round_trip(TSR_Q4_0, x, 32, y), TSR_QUANTIZE_OK);
        for (size_t i = 0; i < 32; i++)
            assert_true(x[i] == y[i]);
    }
}

/* A row is its blocks, wherever they stand, and the same bytes each time. */
static void blocks_do_not_know_each_other(void **state)
{
    (void)state;
    for (int t = TSR_Q8_0; t < TSR_N_TYPES; t++) {
        enum { N = 2048 };
        const tsr_type_traits *info = tsr_type_info((tsr_type)t);
        unsigned char row[N * 2], block[BLOCK_MAX];
        tsr_quantize((tsr_type)t, data[T4], N, row + 1); /* no alignment is needed */
        for (size_t i = N / info->block_elems; i-- > 0;) {
            tsr_quantize((tsr_type)t, data[T4] + i * info->block_elems, info->block_elems, block);
            assert_memory_equal(block, row + 1 + i * info->block_bytes, info->block_bytes);
        }
    }
}

static void halves_are_the_nearest(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4096; i++) {
        uint16_t f16, bf16;
        float x = ldexpf(data[T4][i], (int)(i % 40) - 24);
        tsr_quantize(TSR_F16, &x, 1, &f16);
        tsr_quantize(TSR_BF16, &x, 1, &bf16);
        assert_int_equal(f16, fabsf(x) < 65504.0f ? tsr_f32_to_f16(x) : (x < 0 ? 0xfbff : 0x7bff));
        assert_int_equal(bf16, tsr_f32_to_bf16(x));
    }
}

static void float_types_can_be_rounded_to_and_others_cannot(void **state)
{
    (void)state;
    for (int t = 0; t < TSR_N_TYPES; t++) {
        bool whole = t == TSR_I64 || t == TSR_I32 || t == TSR_U8 || t == TSR_BOOL;
        assert_true(tsr_type_can_quantize((tsr_type)t) != whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_squared_error_is_at_most_that_of_llama_cpp),
        cmocka_unit_test(no_block_is_worse_than_plainly_rounded),
        cmocka_unit_test(whatever_is_finite_stays_so_and_is_no_worse_than_zeros),
        cmocka_unit_test(small_weights_are_not_lost),
        cmocka_unit_test(what_is_beyond_a_type_is_reported_and_becomes_its_largest),
        cmocka_unit_test(values_that_are_not_finite_are_refused_and_nothing_is_written),
        cmocka_unit_test(decoded_weights_are_rounded_to_themselves),
        cmocka_unit_test(weights_on_a_grid_keep_every_bit),
        cmocka_unit_test(blocks_do_not_know_each_other),
        cmocka_unit_test(halves_are_the_nearest),
        cmocka_unit_test(float_types_can_be_rounded_to_and_others_cannot),
    };
    return cmocka_run_group_tests(tests, make_data, free_data);
}
