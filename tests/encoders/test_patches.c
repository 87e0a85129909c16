/* test_patches.c: the order and the values of patch vectors. */
#include "test_main.h"

#include "enc_model.h"
#include "tsr_patches.h"

static void values_are_the_bytes_over_255(void **state)
{
    tsr_pixel_values unit = tsr_pixel_values_unit(), sgn = tsr_pixel_values_signed();
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        float product = (float)((double)i * (1.0 / 255.0)); /* the reference's picture path */
        assert_true(unit.of[i] == product);
        assert_true(unit.of[i] == (float)i / 255.0f); /* and its film path */
        assert_true(sgn.of[i] == 2.0f * (product - 0.5f));
    }
    assert_true(sgn.of[0] == -1.0f && sgn.of[255] == 1.0f);
}

static void patches_run_along_rows_with_the_channel_fastest(void **state)
{
    tsr_image img = enc_picture(12, 8, 1);
    tsr_pixel_values unit = tsr_pixel_values_unit();
    float got[12 * 8 * 3];
    size_t at = 0;
    (void)state;
    assert_int_equal(tsr_patches_cut(got, sizeof got / sizeof *got, &img, 4, &unit, NULL), TSR_OK);
    for (size_t py = 0; py < 2; py++)
        for (size_t px = 0; px < 3; px++)
            for (size_t y = 0; y < 4; y++)
                for (size_t x = 0; x < 4; x++)
                    for (size_t c = 0; c < 3; c++)
                        assert_true(got[at++] == unit.of[img.rgb[((py * 4 + y) * 12 + px * 4 + x) * 3 + c]]);
    free(img.rgb);
}

static void one_patch_of_the_whole_picture_is_the_picture(void **state)
{
    tsr_image img = enc_picture(6, 6, 2);
    tsr_pixel_values unit = tsr_pixel_values_unit();
    float got[6 * 6 * 3];
    (void)state;
    assert_int_equal(tsr_patches_cut(got, sizeof got / sizeof *got, &img, 6, &unit, NULL), TSR_OK);
    for (size_t i = 0; i < 6 * 6 * 3; i++)
        assert_true(got[i] == unit.of[img.rgb[i]]);
    free(img.rgb);
}

static void sides_that_do_not_fit_are_refused(void **state)
{
    tsr_image img = enc_picture(12, 8, 1), empty = {0}, huge = {(size_t)1 << 62, (size_t)1 << 62, NULL};
    tsr_pixel_values unit = tsr_pixel_values_unit();
    float got[12 * 8 * 3];
    (void)state;
    size_t cap = sizeof got / sizeof *got;
    tsr_error err = {0};
    assert_int_equal(tsr_patches_cut(got, cap, &img, 5, &unit, &err), TSR_ERR_USAGE);
    assert_error(&err, TSR_ERR_USAGE, "12 x 8", "5");
    assert_int_equal(tsr_patches_cut(got, cap, &img, 0, &unit, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_patches_cut(got, cap, &empty, 4, &unit, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_patches_cut(got, cap - 1, &img, 4, &unit, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_patches_cut(got, cap, &huge, 4, &unit, NULL), TSR_ERR_LIMIT);
    free(img.rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_bytes_over_255),
        cmocka_unit_test(patches_run_along_rows_with_the_channel_fastest),
        cmocka_unit_test(one_patch_of_the_whole_picture_is_the_picture),
        cmocka_unit_test(sides_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
