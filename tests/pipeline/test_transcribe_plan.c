/* Windows out of voice frames: within their length, at pauses where there are any, and nothing that is said is
 * outside. */
#include "test_main.h"

#include "transcribe_plan.h"

enum { MOST = 20000, MOST_WINDOWS = 400 };

static bool voiced[MOST];
static float levels[MOST];
static tsri_window windows[MOST_WINDOWS];
static size_t n_windows;

static size_t sec(double s)
{
    return (size_t)(s * 50 + 0.5);
}

static void quiet(void)
{
    memset(voiced, 0, sizeof voiced);
    for (size_t i = 0; i < MOST; i++)
        levels[i] = -80;
}

static void talk(double from, double to)
{
    for (size_t i = sec(from); i < sec(to); i++) {
        voiced[i] = true;
        levels[i] = -20;
    }
}

static void plan(double seconds, const tsri_plan_opts *o)
{
    static tsri_plan p;
    n_windows = 0;
    tsri_plan_begin(&p, o);
    for (size_t i = 0; i < sec(seconds); i++) {
        const tsr_voice_frame f = {voiced[i], levels[i]};
        uint64_t oldest = tsri_plan_oldest(&p);
        if (tsri_plan_push(&p, &f, &windows[n_windows])) {
            assert_true(windows[n_windows].from >= oldest);
            assert_true(n_windows + 1 < MOST_WINDOWS);
            n_windows++;
        }
        assert_true(tsri_plan_oldest(&p) >= oldest);
        assert_true(p.at - tsri_plan_oldest(&p) <= o->longest);
    }
    if (tsri_plan_end(&p, &windows[n_windows]))
        n_windows++;
}

/* What holds for all plans. */
static void check_windows(double seconds, const tsri_plan_opts *o)
{
    for (size_t i = 0; i < n_windows; i++) {
        const tsri_window *w = &windows[i], *before = i ? &windows[i - 1] : NULL;
        assert_true(w->from < w->to && w->to <= sec(seconds) && w->to - w->from <= o->longest);
        assert_true(w->n_voiced > 0);
        for (size_t k = 0; k < w->n_voiced; k++) {
            assert_true(w->voiced[k].from >= w->from && w->voiced[k].to <= w->to && w->voiced[k].from < w->voiced[k].to);
            assert_true(k == 0 || w->voiced[k].from > w->voiced[k - 1].to);
        }
        if (!before)
            continue;
        assert_true(w->from > before->from && w->to > before->to);
        assert_int_equal(before->ends, w->begins);
        if (w->begins == TSRI_CUT_OVERLAP)
            assert_true(w->from < before->to && before->to - w->from <= o->overlap + 1);
        else
            assert_true(w->from >= before->to);
    }
}

static bool is_covered(size_t frame)
{
    for (size_t i = 0; i < n_windows; i++)
        if (frame >= windows[i].from && frame < windows[i].to)
            return true;
    return false;
}

static void expect_window(size_t i, double from, double to, tsri_cut begins, tsri_cut ends)
{
    if (i >= n_windows || windows[i].from != sec(from) || windows[i].to != sec(to) || windows[i].begins != begins ||
        windows[i].ends != ends)
        fail_msg("window %zu of %zu: %.2f to %.2f, wanted %.2f to %.2f", i, n_windows, (double)windows[i].from / 50,
                 (double)windows[i].to / 50, from, to);
}

static void silence_has_no_window(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    quiet();
    plan(300, &o);
    assert_int_equal(n_windows, 0);
    talk(5, 5.04); /* a click */
    plan(300, &o);
    assert_int_equal(n_windows, 0);
}

static void stretches_are_windows_with_a_margin(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    quiet();
    talk(0, 2);
    talk(5, 8);
    talk(8.5, 9); /* a short pause within */
    talk(12, 14);
    plan(14.1, &o);
    check_windows(14.1, &o);
    assert_int_equal(n_windows, 3);
    expect_window(0, 0, 2.2, TSRI_CUT_PAUSE, TSRI_CUT_PAUSE);
    expect_window(1, 4.8, 9.2, TSRI_CUT_PAUSE, TSRI_CUT_PAUSE);
    expect_window(2, 11.8, 14.1, TSRI_CUT_PAUSE, TSRI_CUT_PAUSE);
    assert_int_equal(windows[1].n_voiced, 2);
}

static void long_talk_is_cut_at_short_pauses(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    quiet();
    for (double t = 0; t < 60; t += 6)
        talk(t, t + 5.5); /* half a second between: enough once a window is 10 s long */
    plan(62, &o);
    check_windows(62, &o);
    assert_int_equal(n_windows, 5);
    expect_window(0, 0, 11.7, TSRI_CUT_PAUSE, TSRI_CUT_PAUSE);
    expect_window(1, 11.8, 23.7, TSRI_CUT_PAUSE, TSRI_CUT_PAUSE);
}

static void a_window_that_is_full_goes_back_to_its_longest_pause(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    quiet();
    talk(0, 12);
    talk(12.14, 20); /* too short to end a window by itself */
    talk(20.3, 40);
    plan(45, &o);
    check_windows(45, &o);
    assert_int_equal(n_windows, 2);
    assert_int_equal(windows[0].to, sec(20) + 7); /* the middle of the pause */
    assert_int_equal(windows[1].from, sec(20.3) - 7);
}

static void talk_without_a_pause_is_heard_twice_at_the_cut(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    quiet();
    talk(1, 100);
    levels[sec(30.2)] = -50; /* a soft place near the end of the first window */
    plan(102, &o);
    check_windows(102, &o);
    assert_int_equal(n_windows, 4);
    assert_int_equal(windows[0].to, sec(30.2));
    assert_int_equal(windows[0].ends, TSRI_CUT_OVERLAP);
    assert_int_equal(windows[1].begins, TSRI_CUT_OVERLAP);
    for (size_t i = 1; i < n_windows; i++)
        assert_true(windows[i - 1].to - windows[i].from >= sec(2) - 1);
    for (size_t f = sec(1); f < sec(100); f++)
        assert_true(is_covered(f));
}

static void all_sound_leaves_nothing_out(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(10, 2, 1, true);
    quiet();
    talk(3, 5);
    talk(20, 41);
    plan(60, &o);
    check_windows(60, &o);
    for (size_t f = 0; f < sec(60); f++)
        assert_true(is_covered(f));
    quiet();
    plan(60, &o);
    check_windows(60, &o);
    assert_int_equal(windows[n_windows - 1].to, sec(60));
}

static void options_are_brought_into_range(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(1, 10, 0.1, false);
    assert_int_equal(o.longest, 50);
    assert_true(o.overlap <= o.longest / 3 && o.overlap > 0);
    assert_true(o.margin <= o.short_pause && o.short_pause <= o.pause);
    o = tsri_plan_opts_for(1e9, 3, 1, false);
    assert_int_equal(o.longest, TSRI_PLAN_LONGEST);
}

/* Any sound, any options: what is voiced is in a window, no window is too long, and they are in order. */
static void what_is_said_is_never_outside(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t round = 0; round < 150; round++) {
        size_t n = 0;
        tsri_plan_opts o = tsri_plan_opts_for(1 + (double)(round % 30), 0.1 + (double)(round % 7), 0.1 + (double)(round % 5) / 2,
                                              round % 4 == 0);
        quiet();
        for (bool on = false; n < MOST / 4; on = !on) {
            seed = seed * 1664525u + 1013904223u;
            size_t len = 5 + (seed >> 16) % (round % 3 == 0 ? 2000 : on ? 300 : 60);
            for (size_t i = 0; i < len && n < MOST / 4; i++, n++) {
                seed = seed * 1664525u + 1013904223u;
                voiced[n] = on;
                levels[n] = on ? -30 + (float)(seed >> 28) : -80;
            }
        }
        plan((double)n / 50, &o);
        check_windows((double)n / 50, &o);
        size_t run = 0;
        for (size_t f = 0; f <= n; f++) {
            bool on = f < n && voiced[f];
            if (!on && run >= 4) /* less is a click */
                for (size_t k = f - run; k < f; k++)
                    if (!is_covered(k))
                        fail_msg("round %zu: frame %zu is in no window", round, k);
            run = on ? run + 1 : 0;
        }
    }
}

/* ---- halves and places ---- */

static void halves_meet_at_a_pause_or_share_sound(void **state)
{
    (void)state;
    tsri_plan_opts o = tsri_plan_opts_for(30, 3, 1, false);
    tsri_window left, right;
    quiet();
    talk(0, 9);
    talk(9.3, 20);
    plan(25, &o);
    assert_int_equal(n_windows, 1);
    tsri_plan_halve(&windows[0], levels, 50, &left, &right);
    assert_int_equal(left.to, right.from);
    assert_int_equal(left.to, sec(9) + 7);
    assert_int_equal(left.ends, TSRI_CUT_PAUSE);
    quiet();
    talk(0, 20);
    levels[sec(11)] = -60;
    plan(25, &o);
    tsri_plan_halve(&windows[0], levels, 50, &left, &right);
    assert_int_equal(left.ends, TSRI_CUT_OVERLAP);
    assert_int_equal(right.begins, TSRI_CUT_OVERLAP);
    assert_int_equal(left.to - right.from, 50);
    assert_true(left.to > sec(10.9) && right.from < sec(11.1));
    assert_int_equal(left.from, 0);
    assert_int_equal(right.to, windows[0].to);
}

static void places_are_spread_over_what_is_voiced(void **state)
{
    (void)state;
    tsri_window w = {.from = 0, .to = 400, .voiced = {{100, 200}, {300, 400}}, .n_voiced = 2};
    assert_true(tsri_window_place(&w, 0, true) == 100);
    assert_true(tsri_window_place(&w, 0.25, true) == 150);
    assert_true(tsri_window_place(&w, 0.5, false) == 200);
    assert_true(tsri_window_place(&w, 0.5, true) == 300);
    assert_true(tsri_window_place(&w, 1, false) == 400);
    tsri_window_clip(&w, 210, 250);
    assert_int_equal(w.n_voiced, 1);
    assert_true(tsri_window_place(&w, 0.5, true) == 230);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_has_no_window),
        cmocka_unit_test(stretches_are_windows_with_a_margin),
        cmocka_unit_test(long_talk_is_cut_at_short_pauses),
        cmocka_unit_test(a_window_that_is_full_goes_back_to_its_longest_pause),
        cmocka_unit_test(talk_without_a_pause_is_heard_twice_at_the_cut),
        cmocka_unit_test(all_sound_leaves_nothing_out),
        cmocka_unit_test(options_are_brought_into_range),
        cmocka_unit_test(what_is_said_is_never_outside),
        cmocka_unit_test(halves_meet_at_a_pause_or_share_sound),
        cmocka_unit_test(places_are_spread_over_what_is_voiced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
