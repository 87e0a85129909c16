/* test_image_resize.c: resized pictures against Pillow's, bit for bit, and what must hold at any size. */
#include "test_main.h"

#include "image_support.h"
#include "resize_expected.h"
#include "tsr_alloc.h"
#include "tsr_image.h"

enum { N_SIZES = sizeof resized / sizeof *resized };

/* The patterns of make_image_fixtures.py. 0: noise; 1: noise of 0 and 255; 2: a steep ramp. */
static unsigned char pattern_at(unsigned kind, uint32_t x, uint32_t y, uint32_t c)
{
    if (kind == 2)
        return (unsigned char)(x * 7 + y * 13 + c * 29);
    uint32_t s = x * 2654435761u ^ y * 2246822519u ^ c * 3266489917u;
    s ^= s >> 15;
    s *= 2246822519u;
    s ^= s >> 13;
    return (unsigned char)(kind == 0 ? s & 255 : s & 64 ? 255 : 0);
}

static tsr_image pattern(unsigned kind, size_t width, size_t height)
{
    tsr_image img = {width, height, tsr_alloc(width * height * 3)};
    if (!img.rgb)
        abort();
    unsigned char *p = img.rgb;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                *p++ = pattern_at(kind, x, y, c);
    return img;
}

static void resizes_to_the_bits_of_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        tsr_error err = {0};
        tsr_image out, src = pattern(resized[i].pattern, resized[i].from_w, resized[i].from_h);
        assert_int_equal(tsr_image_resize(&out, &src, resized[i].to_w, resized[i].to_h, &err), TSR_OK);
        assert_int_equal(out.width, resized[i].to_w);
        assert_int_equal(out.height, resized[i].to_h);
        if (crc32_of(out.rgb, out.width * out.height * 3) != resized[i].crc)
            fail_msg("pattern %u, %zux%zu to %zux%zu differs", resized[i].pattern, resized[i].from_w,
                     resized[i].from_h, resized[i].to_w, resized[i].to_h);
        tsr_image_deinit(&out);
        tsr_image_deinit(&src);
    }
}

static void one_colour_stays_itself_at_any_size(void **state)
{
    static const size_t sides[] = {1, 2, 3, 5, 17, 48, 203};
    enum { N = sizeof sides / sizeof *sides };
    (void)state;
    for (size_t i = 0; i < N * N * N * N; i++) {
        size_t w = sides[i % N], h = sides[i / N % N], to_w = sides[i / N / N % N], to_h = sides[i / N / N / N];
        tsr_image out, src = {w, h, tsr_alloc(w * h * 3)};
        assert_non_null(src.rgb);
        memset(src.rgb, (int)(i * 37 % 256), w * h * 3);
        assert_int_equal(tsr_image_resize(&out, &src, to_w, to_h, NULL), TSR_OK);
        for (size_t k = 0; k < to_w * to_h * 3; k++)
            assert_int_equal(out.rgb[k], i * 37 % 256);
        tsr_image_deinit(&out);
        tsr_image_deinit(&src);
    }
}

static void the_source_is_left_as_it_was(void **state)
{
    tsr_image out, src = pattern(0, 31, 17);
    uint32_t before = crc32_of(src.rgb, 31 * 17 * 3);
    (void)state;
    assert_int_equal(tsr_image_resize(&out, &src, 48, 48, NULL), TSR_OK);
    tsr_image_deinit(&out);
    assert_int_equal(tsr_image_resize(&out, &src, 31, 17, NULL), TSR_OK); /* equal sizes: a copy */
    assert_ptr_not_equal(out.rgb, src.rgb);
    assert_int_equal(crc32_of(out.rgb, 31 * 17 * 3), before);
    assert_int_equal(crc32_of(src.rgb, 31 * 17 * 3), before);
    tsr_image_deinit(&out);
    tsr_image_deinit(&src);
}

static void a_side_of_zero_is_refused(void **state)
{
    tsr_error err = {0};
    tsr_image out, src = pattern(0, 3, 3);
    (void)state;
    assert_int_equal(tsr_image_resize(&out, &src, 0, 3, &err), TSR_ERR_USAGE);
    assert_error(&err, TSR_ERR_USAGE, "3x3 to 0x3", NULL);
    assert_int_equal(tsr_image_resize(&out, &src, 3, 0, NULL), TSR_ERR_USAGE);
    assert_null(out.rgb);
    tsr_image_deinit(&src);
}

static void sizes_that_overflow_are_errors(void **state)
{
    tsr_image out, src = pattern(0, 3, 3);
    (void)state;
    assert_int_not_equal(tsr_image_resize(&out, &src, SIZE_MAX / 2, 3, NULL), TSR_OK);
    assert_null(out.rgb);
    assert_int_not_equal(tsr_image_resize(&out, &src, 3, SIZE_MAX / 4, NULL), TSR_OK);
    assert_null(out.rgb);
    tsr_image_deinit(&src);
}

static void resize_survives_every_failed_allocation(void **state)
{
    static const size_t to[][2] = {{48, 48}, {20, 3}, {31, 48}, {48, 17}, {31, 17}};
    (void)state;
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        tsr_image src = pattern(0, 31, 17);
        size_t live = tsr_alloc_live();
        for (size_t k = 1;; k++) {
            tsr_image out;
            tsr_error err = {0};
            tsr_alloc_fail_at(k);
            tsr_status st = tsr_image_resize(&out, &src, to[i][0], to[i][1], &err);
            tsr_alloc_fail_at(0);
            if (st == TSR_OK) {
                tsr_image_deinit(&out);
                break;
            }
            assert_int_equal(st, TSR_ERR_NOMEM);
            assert_error(&err, TSR_ERR_NOMEM, "out of memory", NULL);
            assert_null(out.rgb);
            assert_int_equal(tsr_alloc_live(), live);
        }
        tsr_image_deinit(&src);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizes_to_the_bits_of_pillow),      cmocka_unit_test(one_colour_stays_itself_at_any_size),
        cmocka_unit_test(the_source_is_left_as_it_was),       cmocka_unit_test(a_side_of_zero_is_refused),
        cmocka_unit_test(sizes_that_overflow_are_errors),     cmocka_unit_test(resize_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
