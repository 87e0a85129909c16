/* Plans for films: what is chosen at which length and context, and that it fits by its own count. */
#include "test_main.h"

#include <math.h>

#include "film_plan.h"

static const tsri_film_room usual = {.ctx = 131072, .answer = 1024, .whole_others = 40, .window_others = 140,
                                     .last_others = 90, .max_frames = 512, .max_sound = 30};

static tsri_film_need film(double seconds)
{
    return (tsri_film_need){.seconds = seconds, .frame_tokens = 78};
}

static tsri_film_plan plan(const tsri_film_need *films, size_t n, const tsri_film_room *room)
{
    tsri_film_plan p;
    tsr_error e = {TSR_OK, ""};
    if (tsri_film_plan_make(&p, films, n, room, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return p;
}

static void expect_plan(const tsri_film_plan *p, tsri_film_mode mode, double step, double window, size_t n_windows)
{
    if (p->mode != mode || fabs(p->fps - 1 / step) > 1e-12 || fabs(p->window - window) > 1e-9 || p->n_windows != n_windows)
        fail_msg("mode %d, %g fps, window %g, %zu windows", (int)p->mode, p->fps, p->window, p->n_windows);
}

static void a_minute_is_seen_whole_a_frame_a_second(void **state)
{
    tsri_film_need f = film(60);
    (void)state;
    tsri_film_plan p = plan(&f, 1, &usual);
    expect_plan(&p, TSRI_FILM_WHOLE, 1, 0, 0);
    assert_int_equal(p.n_frames, 60);
    assert_int_equal(p.prompt_tokens, 40 + 60 * 78);
    assert_int_equal(p.last_tokens, 0);
}

static void longer_films_have_fewer_frames_then_windows(void **state)
{
    static const struct {
        double seconds;
        tsri_film_mode mode;
        double step, window;
        size_t n_windows;
    } t[] = {{512, TSRI_FILM_WHOLE, 1, 0, 0},        {513, TSRI_FILM_WHOLE, 2, 0, 0},   {1025, TSRI_FILM_WHOLE, 3, 0, 0},
             {2048, TSRI_FILM_WHOLE, 4, 0, 0},       {2049, TSRI_FILM_WINDOWS, 1, 60, 35},
             {3600, TSRI_FILM_WINDOWS, 1, 60, 60},   {4 * 3600, TSRI_FILM_WINDOWS, 1, 60, 240},
             {24 * 3600, TSRI_FILM_WINDOWS, 1, 60, 1440}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        tsri_film_need f = film(t[i].seconds);
        tsri_film_plan p = plan(&f, 1, &usual);
        expect_plan(&p, t[i].mode, t[i].step, t[i].window, t[i].n_windows);
    }
    tsri_film_need day = film(24 * 3600);
    assert_int_equal(plan(&day, 1, &usual).note_tokens, 64);
}

static void a_small_context_takes_fewer_frames_or_shorter_windows(void **state)
{
    tsri_film_room r = usual;
    tsri_film_need f = film(60);
    (void)state;
    r.ctx = 4096; /* 38 frames */
    tsri_film_plan p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WHOLE, 2, 0, 0);
    r.ctx = 2048; /* 12 frames: too few even with one every 4 seconds */
    p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 1, 21, 3); /* notes of 256 would need 4 windows of 17, and 90 + 4 * 256 > 1024 */
    assert_int_equal(p.note_tokens, 128);
}

/* Every plan keeps what it promises, whatever it was asked. */
static void plans_fit_by_their_own_count(void **state)
{
    static const double lengths[] = {0.01, 1, 7.5, 60, 61, 600, 3599.9, 7200, 86400, 1e7};
    static const size_t contexts[] = {600, 1500, 2048, 4096, 32768, 131072, 262144};
    static const double sounds[] = {0, 25};
    size_t n_plans = 0;
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t c = 0; c < sizeof contexts / sizeof *contexts; c++)
            for (size_t s = 0; s < 2; s++)
                for (size_t n = 1; n <= 3; n++) {
                    tsri_film_need f[3];
                    tsri_film_room r = usual;
                    tsri_film_plan p;
                    tsr_error e = {TSR_OK, ""};
                    r.ctx = contexts[c];
                    r.answer = 200;
                    for (size_t k = 0; k < n; k++)
                        f[k] = (tsri_film_need){lengths[i] * (double)(k + 1), 78, sounds[s]};
                    if (tsri_film_plan_make(&p, f, n, &r, &e) != TSR_OK) {
                        assert_int_equal(e.status, TSR_ERR_LIMIT);
                        assert_true(r.ctx < 1500 || lengths[i] >= 600);
                        continue;
                    }
                    n_plans++;
                    size_t frames = 0, windows = 0;
                    for (size_t k = 0; k < n; k++) {
                        frames += tsri_film_frames(f[k].seconds, p.fps);
                        windows += p.window > 0 ? tsri_film_windows(f[k].seconds, p.window) : 0;
                    }
                    assert_int_equal(frames, p.n_frames);
                    assert_int_equal(windows, p.n_windows);
                    if (p.mode == TSRI_FILM_WHOLE) {
                        assert_true(p.prompt_tokens + r.answer <= r.ctx);
                        continue;
                    }
                    assert_true(p.prompt_tokens + p.note_tokens <= r.ctx);
                    assert_true(p.last_tokens + r.answer <= r.ctx && p.last_tokens == r.last_others + windows * p.note_tokens);
                    assert_true(p.window * p.fps <= TSRI_FILM_WINDOW_FRAMES + 1e-9);
                    assert_true(sounds[s] == 0 || p.window <= r.max_sound + 1e-9);
                }
    assert_true(n_plans > 200);
}

static void several_films_share_the_context(void **state)
{
    tsri_film_need f[] = {film(60), film(30), film(200)};
    tsri_film_room r = usual;
    (void)state;
    tsri_film_plan p = plan(f, 3, &r);
    expect_plan(&p, TSRI_FILM_WHOLE, 1, 0, 0);
    assert_int_equal(p.n_frames, 290);
    r.ctx = 8192; /* 91 frames: 58 of one every 5 seconds would, but not in whole films */
    p = plan(f, 3, &r);
    expect_plan(&p, TSRI_FILM_WHOLE, 4, 0, 0);
    assert_int_equal(p.n_frames, 15 + 8 + 50);
    r.ctx = 6000;
    p = plan(f, 3, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 1, 60, 6); /* windows don't reach from one film into the next */
}

static void sound_makes_windows_of_thirty_seconds(void **state)
{
    tsri_film_need f = {30, 78, 25};
    tsri_film_room r = usual;
    (void)state;
    tsri_film_plan p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WHOLE, 1, 0, 0);
    assert_int_equal(p.prompt_tokens, 40 + 30 * 78 + 750);
    f.seconds = 31;
    p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 1, 30, 2);
    f.seconds = 1e6; /* 33,334 windows */
    tsr_error e = {TSR_OK, ""};
    assert_int_equal(tsri_film_plan_make(&p, &f, 1, &r, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "leave the sound out", "131072");
}

static void the_frames_that_were_asked_for_are_kept(void **state)
{
    tsri_film_need f = film(60);
    tsri_film_room r = usual;
    (void)state;
    r.fps = 4;
    tsri_film_plan p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WHOLE, 0.25, 0, 0);
    assert_int_equal(p.n_frames, 240);
    f.seconds = 600;
    p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 0.25, 15, 40);
}

static void chapters_are_windows_even_of_short_films(void **state)
{
    tsri_film_need f = film(6);
    tsri_film_room r = usual;
    (void)state;
    r.windows_only = true;
    tsri_film_plan p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 1, 60, 1);
    assert_int_equal(p.last_tokens, 0);
    assert_int_equal(p.note_tokens, 256);
    f.seconds = 1e6; /* there is no last prompt that could overflow */
    p = plan(&f, 1, &r);
    expect_plan(&p, TSRI_FILM_WINDOWS, 1, 60, 16667);
}

static void a_context_without_room_for_a_frame_is_refused_with_what_it_takes(void **state)
{
    tsri_film_need f = film(6);
    tsri_film_room r = usual;
    tsri_film_plan p;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    r.ctx = 300;
    assert_int_equal(tsri_film_plan_make(&p, &f, 1, &r, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "needs 346 positions", "300");
}

static void counts_do_not_suffer_from_rounding(void **state)
{
    (void)state;
    assert_int_equal(tsri_film_frames(0.3, 10), 3);
    assert_int_equal(tsri_film_frames(0.31, 10), 4);
    assert_int_equal(tsri_film_frames(6, 1), 6);
    assert_int_equal(tsri_film_frames(0, 1), 1);
    assert_int_equal(tsri_film_windows(180, 60), 3);
    assert_int_equal(tsri_film_windows(180.5, 60), 4);
    assert_int_equal(tsri_film_windows(21.0 / 3, 7.0 / 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_is_seen_whole_a_frame_a_second),
        cmocka_unit_test(longer_films_have_fewer_frames_then_windows),
        cmocka_unit_test(a_small_context_takes_fewer_frames_or_shorter_windows),
        cmocka_unit_test(plans_fit_by_their_own_count),
        cmocka_unit_test(several_films_share_the_context),
        cmocka_unit_test(sound_makes_windows_of_thirty_seconds),
        cmocka_unit_test(the_frames_that_were_asked_for_are_kept),
        cmocka_unit_test(chapters_are_windows_even_of_short_films),
        cmocka_unit_test(a_context_without_room_for_a_frame_is_refused_with_what_it_takes),
        cmocka_unit_test(counts_do_not_suffer_from_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
