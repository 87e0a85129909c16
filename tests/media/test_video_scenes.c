/* Cuts of films that are made here, with known cuts and with none; and frames placed on them. Then a real film through the
 * decoder. */
#include <math.h>

#include "stream_fixture.h"
#include "tsr_video.h"
#include "video_scenes.h"

enum { W = 64, H = 36, MOST_CUTS = 64 };
#define SECOND INT64_C(1000000)

typedef unsigned char (*painter)(size_t look, size_t x, size_t y, size_t channel);

static unsigned char clip(double v)
{
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Numbers without a pattern, the same in every run. */
static unsigned hash(unsigned a, unsigned b, unsigned c)
{
    unsigned h = a * 2654435761u ^ b * 2246822519u ^ c * 3266489917u;
    h = (h ^ (h >> 15)) * 2246822519u;
    return h ^ (h >> 13);
}

/* A scene: blocks of 8 x 6 pixels in colors of their own. */
static unsigned char scene(unsigned which, size_t x, size_t y, size_t c)
{
    return (unsigned char)(40 + hash(which * 7 + (unsigned)c, (unsigned)(x / 8), (unsigned)(y / 6)) % 176);
}

static size_t find(painter paint, size_t n_looks, tsri_scene_cut *cuts)
{
    static unsigned char rgb[W * H * 3];
    tsr_image img = {.width = W, .height = H, .rgb = rgb};
    tsri_scene_finder f;
    size_t n = 0;
    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < n_looks; i++) {
        tsri_scene_look look;
        for (size_t k = 0; k < sizeof rgb; k++)
            rgb[k] = paint(i, k / 3 % W, k / 3 / W, k % 3);
        tsri_scene_look_at(&look, &img, (int64_t)i * TSRI_SCENE_STEP_US);
        assert_true(n < MOST_CUTS);
        n += tsri_scene_push(&f, &look, &cuts[n]);
    }
    return n;
}

/* Cuts at looks 20, 33, 34 (too close), 60. */
static unsigned char four(size_t i, size_t x, size_t y, size_t c)
{
    return scene(i < 20 ? 1 : i < 33 ? 2 : i < 36 ? 3 : i < 60 ? 4 : 5, x, y, c);
}

static unsigned char moving(size_t i, size_t x, size_t y, size_t c)
{
    return scene(i < 40 ? 1 : 2, x + i, y, c); /* a pan of a pixel a look */
}

static unsigned char colors(size_t i, size_t x, size_t y, size_t c)
{
    (void)x, (void)y;
    static const unsigned char red[] = {200, 60, 60}, blue[] = {90, 90, 230}; /* of nearly the same luma */
    return i < 15 ? red[c] : blue[c];
}

static unsigned char still(size_t i, size_t x, size_t y, size_t c)
{
    (void)i;
    return scene(1, x, y, c);
}

/* To black within two seconds, and back. */
static unsigned char fade(size_t i, size_t x, size_t y, size_t c)
{
    double light = i < 20 ? 1 : i < 30 ? 1 - (double)(i - 20) / 10 : i < 40 ? 0 : i < 50 ? (double)(i - 40) / 10 : 1;
    return clip(light * scene(1, x, y, c));
}

static unsigned char dissolve(size_t i, size_t x, size_t y, size_t c)
{
    double part = i < 20 ? 0 : i < 28 ? (double)(i - 20) / 8 : 1;
    return clip((1 - part) * scene(1, x, y, c) + part * scene(2, x, y, c));
}

static unsigned char noise(size_t i, size_t x, size_t y, size_t c)
{
    return clip(scene(1, x, y, c) + (double)(hash((unsigned)i, (unsigned)(y * W + x), (unsigned)c) % 121) - 60);
}

static unsigned char flicker(size_t i, size_t x, size_t y, size_t c)
{
    return clip(scene(1, x, y, c) * (i % 2 ? 1.0 : 0.6));
}

static unsigned char flashes(size_t i, size_t x, size_t y, size_t c)
{
    return i % 17 == 16 ? 255 : scene(1, x, y, c);
}

static void known_cuts_are_found_at_their_place(void **state)
{
    tsri_scene_cut cuts[MOST_CUTS];
    (void)state;
    assert_int_equal(find(four, 80, cuts), 3);
    assert_true(cuts[0].time_us == 4 * SECOND && cuts[1].time_us == 66 * SECOND / 10 && cuts[2].time_us == 12 * SECOND);
    assert_true(cuts[0].strength > 20);
    assert_int_equal(find(moving, 80, cuts), 1);
    assert_true(cuts[0].time_us == 8 * SECOND);
    assert_int_equal(find(colors, 30, cuts), 1);
    assert_true(cuts[0].time_us == 3 * SECOND);
}

static void what_is_no_cut_is_none(void **state)
{
    static const painter films[] = {still, fade, dissolve, noise, flicker, flashes};
    tsri_scene_cut cuts[MOST_CUTS];
    (void)state;
    for (size_t i = 0; i < sizeof films / sizeof *films; i++)
        if (find(films[i], 100, cuts) != 0)
            fail_msg("film %zu has a cut at %.1f s of strength %.1f", i, (double)cuts[0].time_us / 1e6, cuts[0].strength);
}

/* In order, from the beginning, and no gap longer than promised. */
static void check_places(const int64_t *at, size_t n, int64_t begin, int64_t end)
{
    double most = TSRI_SCENE_GAP * (double)(end - begin) / (double)n;
    assert_true(at[0] == begin);
    for (size_t i = 0; i < n; i++) {
        int64_t next = i + 1 < n ? at[i + 1] : end;
        assert_true(next > at[i] && (double)(next - at[i]) <= most + 1);
    }
}

static bool holds(const int64_t *at, size_t n, int64_t t)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] == t)
            return true;
    return false;
}

static void every_scene_has_a_frame_where_they_suffice(void **state)
{
    static const tsri_scene_cut cuts[] = {{12 * SECOND, 30}, {13 * SECOND, 50}, {14 * SECOND, 20}, {47 * SECOND, 40},
                                          {99 * SECOND, 99}};
    int64_t at[10];
    (void)state;
    assert_int_equal(tsri_scene_place(at, 10, 10 * SECOND, 60 * SECOND, cuts, 5, NULL), TSR_OK);
    check_places(at, 10, 10 * SECOND, 60 * SECOND);
    for (size_t i = 0; i < 4; i++)
        assert_true(holds(at, 10, cuts[i].time_us));
    assert_int_equal(tsri_scene_place(at, 10, 0, 50 * SECOND, NULL, 0, NULL), TSR_OK); /* without cuts: even */
    for (size_t i = 0; i < 10; i++)
        assert_true(at[i] == (int64_t)i * 5 * SECOND);
    assert_int_equal(tsri_scene_place(at, 1, 0, 50 * SECOND, cuts, 5, NULL), TSR_OK);
    assert_true(at[0] == 0);
}

static void gaps_hold_whatever_the_cuts(void **state)
{
    tsri_scene_cut cuts[MOST_CUTS];
    int64_t at[64];
    (void)state;
    for (unsigned k = 0; k < 500; k++) {
        size_t n = 1 + hash(k, 1, 0) % 64, n_cuts = hash(k, 2, 0) % MOST_CUTS;
        int64_t begin = (int64_t)(hash(k, 3, 0) % 1000) * SECOND, end = begin + (int64_t)n * SECOND - SECOND / 3, t = begin;
        for (size_t i = 0; i < n_cuts; i++) {
            t += (1 + hash(k, 4, (unsigned)i) % 15) * TSRI_SCENE_STEP_US;
            cuts[i] = (tsri_scene_cut){t, hash(k, 5, (unsigned)i) % 200};
        }
        assert_int_equal(tsri_scene_place(at, n, begin, end, cuts, n_cuts, NULL), TSR_OK);
        check_places(at, n, begin, end);
    }
}

static void no_memory_is_an_error(void **state)
{
    int64_t at[4];
    (void)state;
    for (size_t k = 1;; k++) {
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = tsri_scene_place(at, 4, 0, SECOND, NULL, 0, NULL);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
}

/* cuts.mp4: scenes from 0, 1.4, 6.2 and 8 s to 10 s. */
static void a_film_is_looked_through(void **state)
{
    static const double want[] = {1.4, 6.2, 8};
    tsr_source *s = open_fixture("cuts.mp4");
    tsr_video_opts o = tsr_video_opts_default();
    tsr_video *v, *again;
    tsr_error e = {0};
    size_t n, m;
    (void)state;
    o.scenes = true;
    o.fps = 0.5;
    if (tsr_video_open(&v, s, &o, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(tsr_video_get_facts(v)->n_cuts, 3);
    const tsr_video_pick *p = tsr_video_get_picks(v, &n);
    assert_int_equal(n, 5);
    for (size_t k = 0; k < 3; k++) {
        bool has = false;
        for (size_t i = 0; i < n; i++)
            has = has || fabs(p[i].time_s - want[k]) < 1e-9;
        assert_true(has);
    }
    assert_int_equal(tsr_video_open(&again, s, &o, &e), TSR_OK);
    const tsr_video_pick *q = tsr_video_get_picks(again, &m);
    assert_true(m == n && memcmp(p, q, n * sizeof *p) == 0);
    tsr_video_close(again);
    tsr_video_close(v);
    o.n_frames = 3;
    o.fps = 0;
    assert_int_equal(tsr_video_open(&v, s, &o, &e), TSR_ERR_USAGE);
    tsr_source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cuts_are_found_at_their_place),
        cmocka_unit_test(what_is_no_cut_is_none),
        cmocka_unit_test(every_scene_has_a_frame_where_they_suffice),
        cmocka_unit_test(gaps_hold_whatever_the_cuts),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(a_film_is_looked_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
