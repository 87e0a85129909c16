/* Which frames are picked, by arithmetic alone: by time, by number, and as the reference does. Turning
 * frames upright is here too. */
#include <math.h>

#include "test_main.h"
#include "tsr_alloc.h"
#include "video_internal.h"

enum { MAX_N = 4000 };
static int64_t shown[MAX_N];

/* N frames at a constant rate. */
static tsri_film constant(size_t n, double fps)
{
    const tsri_film f = {"film", shown, n, llround((double)n * 1e6 / fps), 1, fps};
    assert_true(n <= MAX_N);
    for (size_t i = 0; i < n; i++)
        shown[i] = llround((double)i * 1e6 / fps);
    return f;
}

static tsr_video_pick *plan(const tsri_film *f, const tsr_video_opts *o, size_t *n)
{
    tsr_video_pick *p = NULL;
    tsr_error e = {0};
    if (tsri_video_check_opts(o, &e) != TSR_OK || tsri_video_plan(&p, n, f, o, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return p;
}

static void by_default_one_frame_a_second(void **state)
{
    (void)state;
    tsr_video_opts o = tsr_video_opts_default();
    static const struct {
        size_t frames;
        double fps;
        size_t picks;
    } rows[] = {{250, 25, 10}, {251, 25, 11}, {249, 25, 10}, {1, 25, 1}, {24, 25, 1}, {26, 25, 2}, {300, 29.97, 11},
                {240, 23.976, 11}, {3600, 60, 60}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n;
        tsri_film f = constant(rows[i].frames, rows[i].fps);
        tsr_video_pick *p = plan(&f, &o, &n);
        assert_int_equal(n, rows[i].picks);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(p[k].time_us, (int64_t)k * 1000000);
            assert_true(p[k].time_s == (double)k);
            assert_int_equal(p[k].frame, (size_t)floor((double)k * rows[i].fps + 1e-6));
            assert_int_equal(p[k].shown_us, shown[p[k].frame]);
        }
        tsr_free(p);
    }
}

/* Picking at the film's own rate takes each frame once, whatever rounding the times went through. */
static void at_the_films_rate_every_frame_once(void **state)
{
    (void)state;
    static const double rates[] = {10, 12.5, 15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        for (int ms = 0; ms <= 1; ms++) {
            size_t n;
            tsri_film f = constant(600, rates[i]);
            tsr_video_opts o = tsr_video_opts_default();
            o.fps = rates[i];
            o.max_frames = 600;
            if (ms) { /* as Matroska stores it */
                for (size_t k = 0; k < f.n_frames; k++)
                    shown[k] = llround((double)shown[k] / 1000) * 1000;
                f.end_us = shown[599] + llround(1e3 / rates[i]) * 1000;
                f.slack_us = 501;
            }
            tsr_video_pick *p = plan(&f, &o, &n);
            assert_int_equal(n, 600);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(p[k].frame, k);
            tsr_free(p);
        }
}

static void a_frame_is_on_show_until_the_next(void **state)
{
    (void)state;
    size_t n;
    tsr_video_opts o = tsr_video_opts_default();
    static const int64_t times[] = {300000, 900000, 1000000, 3999999, 4000000};
    static const size_t want[] = {0, 2, 2, 2, 4}; /* at 0 (before all), 1, 2, 3, 4 s */
    const tsri_film f = {"film", times, 5, 4500000, 1, 0};
    tsr_video_pick *p = plan(&f, &o, &n);
    assert_int_equal(n, 5);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(p[k].frame, want[k]);
    tsr_free(p);
}

static void start_and_end_bound_the_moments(void **state)
{
    (void)state;
    size_t n;
    tsri_film f = constant(250, 25);
    tsr_video_opts o = tsr_video_opts_default();
    o.start_us = 2500000;
    o.end_us = 5500000;
    tsr_video_pick *p = plan(&f, &o, &n);
    assert_int_equal(n, 3);
    assert_int_equal(p[0].time_us, 2500000);
    assert_int_equal(p[0].frame, 62);
    assert_int_equal(p[2].time_us, 4500000);
    tsr_free(p);
    o.end_us = 5500001 + 2;
    p = plan(&f, &o, &n);
    assert_int_equal(n, 4);
    tsr_free(p);
    o.end_us = INT64_MAX; /* later than the film: its end */
    o.fps = 2;
    p = plan(&f, &o, &n);
    assert_int_equal(n, 15);
    assert_int_equal(p[14].time_us, 9500000);
    tsr_free(p);
}

static void a_number_of_frames_is_spread_evenly(void **state)
{
    (void)state;
    size_t n;
    tsri_film f = constant(100, 25);
    tsr_video_opts o = tsr_video_opts_default();
    o.n_frames = 5;
    tsr_video_pick *p = plan(&f, &o, &n);
    assert_int_equal(n, 5);
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(p[k].frame, 20 * k);
        assert_int_equal(p[k].time_us, (int64_t)k * 800000);
    }
    tsr_free(p);
    o.n_frames = 500; /* more than there are: all of them */
    p = plan(&f, &o, &n);
    assert_int_equal(n, 100);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(p[k].frame, k);
    tsr_free(p);
    o.start_us = 1000000;
    o.end_us = 1200000;
    p = plan(&f, &o, &n);
    assert_int_equal(n, 5);
    assert_int_equal(p[0].frame, 25);
    assert_int_equal(p[4].frame, 29);
    tsr_free(p);
}

/* numpy: np.arange(32) * N // 32, and index / fps. */
static void hf_picks_as_the_reference(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 31, 32, 33, 63, 64, 65, 100, 750, 3999};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t n, all = counts[i], want = all < 32 ? all : 32;
        tsri_film f = constant(all, 29.97);
        tsr_video_opts o = tsr_video_opts_default();
        o.hf = true;
        tsr_video_pick *p = plan(&f, &o, &n);
        assert_int_equal(n, want);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(p[k].frame, k * all / want);
            assert_true(p[k].time_s == (double)p[k].frame / 29.97);
        }
        tsr_free(p);
        o.n_frames = 4;
        f.fps = 0;
        p = plan(&f, &o, &n);
        assert_int_equal(n, all < 4 ? all : 4);
        assert_true(p[n - 1].time_s == (double)p[n - 1].frame / 24.0);
        tsr_free(p);
    }
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    struct {
        double fps;
        size_t n;
        bool hf;
        int64_t start, end;
    } rows[] = {{1, 5, false, 0, -1},   {1, 0, true, 0, -1},  {0, 0, true, 1, -1},      {0, 0, true, 0, 5},
                {NAN, 0, false, 0, -1}, {-1, 0, false, 0, -1}, {INFINITY, 0, false, 0, -1}, {0, 0, false, -1, -1},
                {0, 0, false, 5, 5},    {0, 0, false, 5, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tsr_error e = {0};
        tsr_video_opts o = tsr_video_opts_default();
        o.fps = rows[i].fps;
        o.n_frames = rows[i].n;
        o.hf = rows[i].hf;
        o.start_us = rows[i].start;
        o.end_us = rows[i].end;
        assert_int_equal(tsri_video_check_opts(&o, &e), TSR_ERR_USAGE);
        assert_true(e.text[0] != '\0');
    }
}

static void a_start_behind_the_end_is_refused(void **state)
{
    (void)state;
    size_t n;
    tsr_video_pick *p;
    tsr_error e = {0};
    tsri_film f = constant(50, 25);
    tsr_video_opts o = tsr_video_opts_default();
    o.start_us = 2000000;
    assert_int_equal(tsri_video_plan(&p, &n, &f, &o, &e), TSR_ERR_USAGE);
    assert_null(p);
    assert_error(&e, TSR_ERR_USAGE, "film", "2.000 s");
}

static void too_many_frames_are_refused_before_memory_is_taken(void **state)
{
    (void)state;
    size_t n, count = tsr_alloc_count();
    tsr_video_pick *p;
    tsri_film f = constant(100, 25);
    tsr_video_opts o = tsr_video_opts_default();
    tsr_error e = {0};
    o.fps = 1000;
    assert_int_equal(tsri_video_plan(&p, &n, &f, &o, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "4000 frames", "limit is 512");
    f.end_us = INT64_MAX / 4;
    tsr_error_clear(&e);
    assert_int_equal(tsri_video_plan(&p, &n, &f, &o, &e), TSR_ERR_LIMIT);
    assert_int_equal(tsr_alloc_count(), count);
}

/* ---- turning ---- */

static void every_turn_puts_each_pixel_in_its_place(void **state)
{
    (void)state;
    enum { W = 3, H = 2, STRIDE = 16 };
    /* pixel (x, y) is 10 y + x */
    unsigned char src[H * STRIDE], dst[W * H * 3];
    static const struct {
        int a, b, c, d;
        unsigned char want[W * H];
    } rows[] = {
        {1, 0, 0, 1, {0, 1, 2, 10, 11, 12}},   {-1, 0, 0, -1, {12, 11, 10, 2, 1, 0}},
        {-1, 0, 0, 1, {2, 1, 0, 12, 11, 10}},  {1, 0, 0, -1, {10, 11, 12, 0, 1, 2}},
        {0, 1, -1, 0, {10, 0, 11, 1, 12, 2}}, /* a quarter clockwise */
        {0, -1, 1, 0, {2, 12, 1, 11, 0, 10}}, {0, 1, 1, 0, {0, 10, 1, 11, 2, 12}},
        {0, -1, -1, 0, {12, 2, 11, 1, 10, 0}},
    };
    memset(src, 99, sizeof src);
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++)
            memset(src + y * STRIDE + 3 * x, (int)(10 * y + x), 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int32_t m[9] = {rows[i].a * 65536, rows[i].b * 65536, 0, rows[i].c * 65536, rows[i].d * 65536, 0, 0, 0,
                              1 << 30};
        tsri_turn_rgb(dst, src, W, H, STRIDE, tsri_turn_of_matrix(m));
        for (size_t k = 0; k < W * H; k++) {
            assert_int_equal(dst[3 * k], rows[i].want[k]);
            assert_int_equal(dst[3 * k + 2], rows[i].want[k]);
        }
    }
    assert_false(tsri_turn_of_matrix(NULL).transpose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_one_frame_a_second),
        cmocka_unit_test(at_the_films_rate_every_frame_once),
        cmocka_unit_test(a_frame_is_on_show_until_the_next),
        cmocka_unit_test(start_and_end_bound_the_moments),
        cmocka_unit_test(a_number_of_frames_is_spread_evenly),
        cmocka_unit_test(hf_picks_as_the_reference),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(a_start_behind_the_end_is_refused),
        cmocka_unit_test(too_many_frames_are_refused_before_memory_is_taken),
        cmocka_unit_test(every_turn_puts_each_pixel_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
