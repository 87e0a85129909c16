/* Contact sheets: the grid, what is in the PNG, and what is refused; and the times that are written on them. */
#include "test_main.h"

#include <math.h>

#include "contact_sheet.h"
#include "film_time.h"
#include "overlay_internal.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

/* ---- times ---- */

static void times_are_written_with_hours_when_there_are_some(void **state)
{
    static const struct {
        double s;
        bool tenths;
        const char *want;
    } t[] = {{0, false, "00:00"},       {59.99, false, "00:59"},  {60, false, "01:00"},     {3599, false, "59:59"},
             {3600, false, "1:00:00"},  {45296, false, "12:34:56"}, {1.5, true, "00:01.5"}, {0.3, true, "00:00.3"},
             {3661.25, true, "1:01:01.2"}, {-3, false, "00:00"},  {(double)INFINITY, false, "00:00"}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char have[TSRI_FILM_TIME];
        tsri_film_time_write(have, t[i].s, t[i].tenths);
        assert_string_equal(have, t[i].want);
    }
}

static void times_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        double s;
    } t[] = {{"00:05 a ball", 5, 5},   {"75:03", 5, 4503},   {"1:00:07: x", 7, 3607}, {"00:01.5", 7, 1.5}, {"00:01. x", 5, 1},
             {"12:34:56", 8, 45296},   {"00:5", 0, 0},       {"00:60", 0, 0},         {"1:60:00", 0, 0},   {"00:123", 0, 0},
             {"7 balls", 0, 0},        {"", 0, 0},           {":07", 0, 0},           {"1:2:3", 0, 0},     {"01:02:03:04", 0, 0},
             {"00:05: then", 5, 5},    {"00:05:", 5, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        double s = 0;
        size_t n = tsri_film_time_read(t[i].text, strlen(t[i].text), &s);
        if (n != t[i].len || fabs(s - t[i].s) > 1e-9)
            fail_msg("%s: %zu bytes, %g s", t[i].text, n, s);
    }
}

/* ---- the grid ---- */

static void a_grid_holds_every_frame_within_its_width(void **state)
{
    static const size_t sizes[][2] = {{528, 288}, {288, 528}, {48, 48}, {2304, 48}, {48, 2304}};
    static const size_t counts[] = {1, 2, 7, 60, 512};
    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++) {
            tsri_sheet_grid g = tsri_sheet_grid_for(counts[k], sizes[i][0], sizes[i][1], 8);
            assert_true(g.columns * g.rows >= counts[k] && g.columns * (g.rows - 1) < counts[k]);
            assert_true(g.columns * (g.cell_width + TSRI_SHEET_GAP) + TSRI_SHEET_GAP <= TSRI_SHEET_WIDTH);
            assert_true(g.frame_width <= g.cell_width && g.frame_height < g.cell_height);
            assert_true(g.frame_width <= sizes[i][0] && g.frame_height <= sizes[i][1]);
            assert_true(g.top > 8);
        }
}

/* ---- the file ---- */

/* n frames, each of one color of its own. */
static tsr_image *frames(size_t n, size_t width, size_t height)
{
    tsr_image *f = tsr_calloc(n, sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < n; i++) {
        f[i] = (tsr_image){width, height, tsr_alloc(width * height * 3)};
        assert_non_null(f[i].rgb);
        for (size_t p = 0; p < width * height; p++)
            memcpy(f[i].rgb + p * 3, (const unsigned char[]){(unsigned char)(60 + 30 * i), 200, (unsigned char)(240 - 30 * i)}, 3);
    }
    return f;
}

static void forget(tsr_image *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tsr_image_deinit(&f[i]);
    tsr_free(f);
}

static const unsigned char *pixel(const tsr_image *img, size_t x, size_t y)
{
    assert_true(x < img->width && y < img->height);
    return img->rgb + (y * img->width + x) * 3;
}

/* Are there letters in this part of the picture? */
static bool is_lettered(const tsr_image *img, size_t x, size_t y, size_t width, size_t height)
{
    for (size_t j = y; j < y + height; j++)
        for (size_t i = x; i < x + width; i++)
            if (pixel(img, i, j)[0] > 0xc0 && pixel(img, i, j)[1] > 0xc0 && pixel(img, i, j)[2] > 0xc0)
                return true;
    return false;
}

static void the_png_shows_every_frame_with_its_time(void **state)
{
    enum { N = 5, W = 192, H = 96 };
    const double times[N] = {0, 1, 2, 3, 4}, other[2] = {3599.5, 3600};
    tsr_image *f = frames(N, W, H), out = {0};
    tsri_sheet_film films[] = {{"folder/first.mp4", f, times, N}, {"second.mp4", f, other, 2}};
    const char *path = test_path(test_root, "sheet.png");
    tsr_error e = {TSR_OK, ""};
    unsigned char *bytes;
    size_t len;
    (void)state;
    if (!tsri_overlay_can_draw()) {
        assert_int_equal(tsri_sheet_write(path, films, 2, &e), TSR_ERR_UNSUPPORTED);
        assert_error(&e, TSR_ERR_UNSUPPORTED, "cairo", path);
        forget(f, N);
        return;
    }
    assert_int_equal(tsri_sheet_write(path, films, 2, &e), TSR_OK);
    assert_int_equal(tsr_file_read(&bytes, &len, path, 1 << 24, &e), TSR_OK);
    assert_int_equal(tsr_image_decode(&out, bytes, len, path, NULL, &e), TSR_OK);
    tsri_sheet_grid g = tsri_sheet_grid_for(N, W, H, TSRI_SHEET_GAP);
    assert_int_equal(g.columns, 2);
    for (size_t i = 0; i < N; i++) {
        size_t x = TSRI_SHEET_GAP + i % 2 * (g.cell_width + TSRI_SHEET_GAP), y = g.top + i / 2 * (g.cell_height + TSRI_SHEET_GAP);
        assert_memory_equal(pixel(&out, x, y), f[i].rgb, 3);
        assert_memory_equal(pixel(&out, x + W - 1, y + H - 1), f[i].rgb, 3);
        assert_true(is_lettered(&out, x, y + H, g.cell_width, g.cell_height - H));
    }
    assert_true(is_lettered(&out, 0, TSRI_SHEET_GAP, out.width, g.top - TSRI_SHEET_GAP));
    tsri_sheet_grid second = tsri_sheet_grid_for(2, W, H, g.top + g.rows * (g.cell_height + TSRI_SHEET_GAP));
    assert_memory_equal(pixel(&out, TSRI_SHEET_GAP, second.top), f[0].rgb, 3);
    tsr_image_deinit(&out);
    tsr_free(bytes);
    forget(f, N);
}

static void a_sheet_that_cannot_be_written_leaves_the_old_one(void **state)
{
    enum { N = 2 };
    const double times[N] = {0, 1};
    tsr_image *f = frames(N, 96, 96), *high = frames(1, 48, 20000);
    tsri_sheet_film films[] = {{"a.mp4", f, times, N}}, towers[] = {{"b.mp4", high, times, 1}, {"c.mp4", high, times, 1}};
    const char *path = test_path(test_root, "kept.png");
    tsr_error e = {TSR_OK, ""};
    unsigned char *bytes;
    size_t len;
    (void)state;
    test_write_file(path, "old", 3);
    assert_int_equal(tsri_sheet_write(path, towers, 2, &e), TSR_ERR_LIMIT);
    for (size_t k = 1; tsri_overlay_can_draw(); k++) {
        e = (tsr_error){TSR_OK, ""};
        tsr_alloc_fail_at(k);
        tsr_status st = tsri_sheet_write(path, films, 1, &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_int_equal(tsr_file_read(&bytes, &len, path, 100, &e), TSR_OK);
        assert_int_equal(len, 3);
        tsr_free(bytes);
    }
    forget(f, N);
    forget(high, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_with_hours_when_there_are_some),
        cmocka_unit_test(times_are_read_as_they_are_written),
        cmocka_unit_test(a_grid_holds_every_frame_within_its_width),
        cmocka_unit_test(the_png_shows_every_frame_with_its_time),
        cmocka_unit_test(a_sheet_that_cannot_be_written_leaves_the_old_one),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
