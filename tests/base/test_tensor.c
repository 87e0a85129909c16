/* Types, conversions of 16-bit floats against an independent formula, and views of views. */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tsr_cpu.h"
#include "tsr_tensor.h"

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* The value of a float with `exp_bits` and `man_bits`, by its definition. NaN for NaN. */
static double value_of(unsigned h, int exp_bits, int man_bits)
{
    int bias = (1 << (exp_bits - 1)) - 1, exp = (int)(h >> man_bits) & ((1 << exp_bits) - 1);
    double man = (double)(h & ((1u << man_bits) - 1u)), sign = h >> (exp_bits + man_bits) ? -1.0 : 1.0;
    if (exp == (1 << exp_bits) - 1)
        return man > 0 ? NAN : sign * (double)INFINITY;
    if (exp == 0)
        return sign * ldexp(man, 1 - bias - man_bits);
    return sign * ldexp(man + ldexp(1.0, man_bits), exp - bias - man_bits);
}

static void all_halves_decode_to_their_defined_value(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        double want16 = value_of(h, 5, 10), wantb = value_of(h, 8, 7);
        float got16 = tsr_f16_to_f32((uint16_t)h), gotb = tsr_bf16_to_f32((uint16_t)h);
        assert_true(isnan(want16) ? isnan(got16) : bits(got16) == bits((float)want16));
        assert_true(isnan(wantb) ? isnan(gotb) : bits(gotb) == bits((float)wantb));
    }
}

static void all_halves_round_trip(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float f16 = tsr_f16_to_f32((uint16_t)h), fb = tsr_bf16_to_f32((uint16_t)h);
        if (isnan(f16))
            assert_true(isnan(tsr_f16_to_f32(tsr_f32_to_f16(f16))));
        else
            assert_int_equal(tsr_f32_to_f16(f16), h);
        if (isnan(fb))
            assert_true(isnan(tsr_bf16_to_f32(tsr_f32_to_bf16(fb))));
        else
            assert_int_equal(tsr_f32_to_bf16(fb), h);
    }
}

/* Round |x| to a multiple of its format's step, ties to even, in f64 where each step is exact. */
static double rounded(double x, int exp_bits, int man_bits)
{
    int bias = (1 << (exp_bits - 1)) - 1, e;
    double a = fabs(x);
    frexp(a, &e); /* a = m * 2^e, m in [0.5, 1) */
    if (e - 1 < 1 - bias)
        e = 2 - bias;
    double step = ldexp(1.0, e - 1 - man_bits), q = a / step, down = floor(q), rest = q - down;
    if (rest > 0.5 || (rest == 0.5 && fmod(down, 2.0) != 0.0))
        down += 1.0;
    a = down * step;
    if (a >= ldexp(1.0, bias + 1))
        a = (double)INFINITY;
    return copysign(a, x);
}

static void check_rounding(float f)
{
    float got16 = tsr_f16_to_f32(tsr_f32_to_f16(f)), gotb = tsr_bf16_to_f32(tsr_f32_to_bf16(f));
    if (isnan(f)) {
        assert_true(isnan(got16) && isnan(gotb));
        return;
    }
    if (isinf(f)) {
        assert_true(bits(got16) == bits(f) && bits(gotb) == bits(f));
        return;
    }
    if (bits(got16) != bits((float)rounded((double)f, 5, 10)) || bits(gotb) != bits((float)rounded((double)f, 8, 7)))
        fail_msg("%a: f16 %a, wanted %a; bf16 %a, wanted %a", (double)f, (double)got16, rounded((double)f, 5, 10),
                 (double)gotb, rounded((double)f, 8, 7));
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    uint32_t r = 12345;
    for (unsigned h = 0; h < 65536; h++) /* each half, the ties above it and their neighbours */
        for (int d = -2; d <= 2; d++) {
            uint32_t u16 = bits(tsr_f16_to_f32((uint16_t)h)), ub = (uint32_t)h << 16;
            const uint32_t around[4] = {u16 + (uint32_t)d, u16 + 0x1000u + (uint32_t)d, ub + (uint32_t)d,
                                        ub + 0x8000u + (uint32_t)d};
            for (int i = 0; i < 4; i++) {
                float f;
                memcpy(&f, &around[i], sizeof f);
                check_rounding(f);
            }
        }
    for (int i = 0; i < 1000000; i++) { /* and anything */
        float f;
        r = r * 1664525u + 1013904223u;
        uint32_t u = r ^ r >> 15;
        memcpy(&f, &u, sizeof f);
        check_rounding(f);
    }
    for (int e = -26; e <= -13; e++) /* the subnormal halves, with their ties */
        for (int m = 0; m < 4096; m++)
            check_rounding(ldexpf(1.0f + (float)m / 4096.0f, e));
    check_rounding(65519.996f);
    check_rounding(65520.0f);
    check_rounding(FLT_MAX);
}

static void every_type_has_its_facts(void **state)
{
    (void)state;
    static const struct { const char *name; size_t elems, bytes; bool is_float; } want[] = {
        {"F32", 1, 4, true},      {"F16", 1, 2, true},      {"BF16", 1, 2, true},     {"I64", 1, 8, false},
        {"I32", 1, 4, false},     {"U8", 1, 1, false},      {"BOOL", 1, 1, false},    {"Q8_0", 32, 34, true},
        {"Q4_0", 32, 18, true},   {"Q4_1", 32, 20, true},   {"Q5_0", 32, 22, true},   {"Q5_1", 32, 24, true},
        {"Q2_K", 256, 84, true},  {"Q3_K", 256, 110, true}, {"Q4_K", 256, 144, true}, {"Q5_K", 256, 176, true},
        {"Q6_K", 256, 210, true}, {"IQ4_NL", 32, 18, true}, {"IQ4_XS", 256, 136, true}, {"MXFP4", 32, 17, true},
    };
    _Static_assert(sizeof want / sizeof *want == TSR_N_TYPES, "every type is here");
    for (int t = 0; t < TSR_N_TYPES; t++) {
        const tsr_type_traits *i = tsr_type_info((tsr_type)t);
        assert_string_equal(i->name, want[t].name);
        assert_int_equal(i->block_elems, want[t].elems);
        assert_int_equal(i->block_bytes, want[t].bytes);
        assert_int_equal(i->is_float, want[t].is_float);
        assert_int_equal(tsr_type_is_block((tsr_type)t), want[t].elems > 1);
        tsr_type found = TSR_N_TYPES;
        assert_true(tsr_type_from_name(want[t].name, &found));
        assert_int_equal(found, t);
    }
}

static void names_of_no_type_are_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {"", "F", "F3", "F322", "f32", "q4_k", "Q4_K_M", "IQ2_XXS", "Q8_1", " F32"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tsr_type found = TSR_N_TYPES;
        assert_false(tsr_type_from_name(names[i], &found));
        assert_int_equal(found, TSR_N_TYPES);
    }
}

static void views_slice_and_decode_where_they_say(void **state)
{
    (void)state;
    uint16_t w[2 * 3 * 5];
    float got[5];
    for (size_t i = 0; i < 30; i++)
        w[i] = tsr_f32_to_bf16((float)i);
    tsr_view v = {.data = w, .type = TSR_BF16, .n_dims = 3, .shape = {2, 3, 5, 1}, .n_elems = 30, .n_bytes = 60};
    assert_int_equal(tsr_view_rows(&v), 6);
    assert_int_equal(tsr_view_row_bytes(&v), 10);
    tsr_view s = tsr_view_slice(&v, 1);
    assert_int_equal(s.n_dims, 2);
    assert_int_equal(s.shape[0], 3);
    assert_int_equal(s.shape[1], 5);
    assert_int_equal(s.shape[2], 1);
    assert_int_equal(s.n_elems, 15);
    assert_int_equal(s.n_bytes, 30);
    tsr_view_decode(&s, 2, 1, 3, got); /* elements 26, 27, 28 */
    assert_true(got[0] == 26.0f && got[1] == 27.0f && got[2] == 28.0f);
    tsr_view r = tsr_view_take_rows(&s, 1, 2);
    assert_int_equal(r.shape[0], 2);
    assert_int_equal(r.n_bytes, 20);
    tsr_view_decode(&r, 0, 0, 5, got);
    assert_true(got[0] == 20.0f && got[4] == 24.0f);
    tsr_view none = tsr_view_take_rows(&s, 3, 0);
    assert_int_equal(none.n_elems, 0);
}

static void decode_is_exact_for_every_half_at_every_level(void **state)
{
    (void)state;
    uint16_t *all = malloc(65536 * sizeof *all);
    float *got = malloc(65536 * sizeof *got);
    assert_non_null(all);
    assert_non_null(got);
    for (unsigned h = 0; h < 65536; h++)
        all[h] = (uint16_t)h;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (int t = TSR_F16; t <= TSR_BF16; t++) {
            tsr_view v = {.data = all, .type = (tsr_type)t, .n_dims = 2, .shape = {256, 256, 1, 1}};
            v.n_elems = 65536;
            v.n_bytes = 131072;
            for (size_t r = 0; r < 256; r++)
                tsr_view_decode(&v, r, 0, 256, got + r * 256);
            for (unsigned h = 0; h < 65536; h++) {
                float want = t == TSR_F16 ? tsr_f16_to_f32((uint16_t)h) : tsr_bf16_to_f32((uint16_t)h);
                assert_true(isnan(want) ? isnan(got[h]) : bits(want) == bits(got[h]));
            }
        }
    }
    free(all);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_decode_to_their_defined_value),
        cmocka_unit_test(all_halves_round_trip),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(every_type_has_its_facts),
        cmocka_unit_test(names_of_no_type_are_not_found),
        cmocka_unit_test(views_slice_and_decode_where_they_say),
        cmocka_unit_test(decode_is_exact_for_every_half_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
