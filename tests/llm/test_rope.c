/* Rotary positions: which pairs turn, by which angle, and that the others do not change a bit. */
#include "test_main.h"

#include <math.h>

#include "decoder_internal.h"

static void frequencies_follow_the_formula_of_the_whole_head(void **state)
{
    (void)state;
    float f[256];
    const tsr_rope_config full = {.theta = 1e6, .n_rotated = 64, .factor = 1.0};
    const tsr_rope_config sliding = {.theta = 1e4, .n_rotated = 128, .factor = 1.0};
    tsri_rope_frequencies(f, &full, 512);
    assert_true(f[0] == 1.0f);
    for (size_t i = 0; i < 64; i++) /* the exponent's denominator is 512, not the rotated width */
        assert_true(fabs((double)f[i] * pow(1e6, 2.0 * (double)i / 512.0) - 1.0) < 1e-6);
    tsri_rope_frequencies(f, &sliding, 256);
    for (size_t i = 0; i < 128; i++)
        assert_true(fabs((double)f[i] * pow(1e4, 2.0 * (double)i / 256.0) - 1.0) < 1e-6);
}

/* Made by the reference for the two types of the real models (head dims 256 and 512). */
static void frequencies_equal_the_reference_to_one_bit(void **state)
{
    (void)state;
    static const struct {
        size_t i;
        float sliding, full;
    } want[] = {
#include "fixtures_decoder/inv_freq.inc"
    };
    float s[128], f[64];
    tsri_rope_frequencies(s, &(tsr_rope_config){.theta = 1e4, .n_rotated = 128, .factor = 1.0}, 256);
    tsri_rope_frequencies(f, &(tsr_rope_config){.theta = 1e6, .n_rotated = 64, .factor = 1.0}, 512);
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        assert_true(fabsf(s[want[k].i] - want[k].sliding) <= 1.2e-7f * want[k].sliding);
        if (want[k].i < 64)
            assert_true(fabsf(f[want[k].i] - want[k].full) <= 1.2e-7f * want[k].full);
    }
}

static void a_factor_divides_every_frequency(void **state)
{
    (void)state;
    float a[4], b[4];
    tsri_rope_frequencies(a, &(tsr_rope_config){.theta = 1e4, .n_rotated = 4, .factor = 1.0}, 8);
    tsri_rope_frequencies(b, &(tsr_rope_config){.theta = 1e4, .n_rotated = 4, .factor = 8.0}, 8);
    for (size_t i = 0; i < 4; i++)
        assert_true(a[i] == 8.0f * b[i]);
}

static void pairs_lie_half_a_head_apart_and_the_rest_stands_still(void **state)
{
    (void)state;
    enum { D = 16, TURNING = 3 };
    float x[D], y[D], cos_[TURNING], sin_[TURNING];
    for (size_t i = 0; i < D; i++)
        x[i] = y[i] = (float)i * 0.7f - 3.0f;
    for (size_t i = 0; i < TURNING; i++) {
        cos_[i] = cosf(0.4f + (float)i);
        sin_[i] = sinf(0.4f + (float)i);
    }
    tsri_rope_apply(y, cos_, sin_, TURNING, D);
    for (size_t i = 0; i < D / 2; i++) {
        if (i >= TURNING) {
            assert_true(y[i] == x[i] && y[i + D / 2] == x[i + D / 2]);
            continue;
        }
        double angle = 0.4 + (double)i, a = (double)x[i], b = (double)x[i + D / 2];
        assert_true(fabs((double)y[i] - (a * cos(angle) - b * sin(angle))) < 1e-5);
        assert_true(fabs((double)y[i + D / 2] - (b * cos(angle) + a * sin(angle))) < 1e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_follow_the_formula_of_the_whole_head),
        cmocka_unit_test(frequencies_equal_the_reference_to_one_bit),
        cmocka_unit_test(a_factor_divides_every_frequency),
        cmocka_unit_test(pairs_lie_half_a_head_apart_and_the_rest_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
