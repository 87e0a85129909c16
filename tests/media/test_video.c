/* Films of frame codes (see fixtures_streams/make.sh): which frame was decoded can be read off the
 * picture. Then geometry, colours, limits. */
#include <math.h>

#include "stream_fixture.h"
#include "tsr_video.h"

static tsr_video *open_film(tsr_source *s, const tsr_video_opts *o)
{
    tsr_video *v;
    tsr_error e = {0};
    if (tsr_video_open(&v, s, o, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return v;
}

static tsr_image next_picture(tsr_video *v)
{
    tsr_image img = {0, 0, NULL};
    bool end;
    tsr_error e = {0};
    if (tsr_video_next(v, &img, &end, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_false(end);
    assert_int_equal(img.width, tsr_video_get_facts(v)->width);
    assert_int_equal(img.height, tsr_video_get_facts(v)->height);
    return img;
}

static void assert_at_end(tsr_video *v)
{
    tsr_image img = {0, 0, NULL};
    bool end = false;
    assert_int_equal(tsr_video_next(v, &img, &end, NULL), TSR_OK);
    assert_true(end);
    assert_null(img.rgb);
}

static const unsigned char *pixel(const tsr_image *img, size_t x, size_t y)
{
    return img->rgb + (y * img->width + x) * 3;
}

/* The number that the bars show. */
static unsigned read_code(const tsr_image *img)
{
    unsigned code = 0;
    for (unsigned b = 0; b < 8; b++)
        if (pixel(img, (2 * b + 1) * img->width / 16, img->height / 2)[1] > 127)
            code |= 1u << b;
    return code;
}

/* Decode all picks; each must show its frame. Returns a sum over all pixels. */
static uint64_t check_codes(const char *file, const tsr_video_opts *o)
{
    size_t n;
    uint64_t sum = 14695981039346656037u;
    tsr_source *s = open_fixture(file);
    tsr_video *v = open_film(s, o);
    const tsr_video_pick *p = tsr_video_get_picks(v, &n);
    for (size_t i = 0; i < n; i++) {
        tsr_image img = next_picture(v);
        if (read_code(&img) != p[i].frame % 256)
            fail_msg("%s: pick %zu at %g s shows frame %u, not %zu", file, i, p[i].time_s, read_code(&img),
                     p[i].frame);
        for (size_t k = 0; k < img.width * img.height * 3; k++)
            sum = (sum ^ img.rgb[k]) * 1099511628211u;
        tsr_image_deinit(&img);
    }
    assert_at_end(v);
    tsr_video_close(v);
    tsr_source_close(s);
    return sum;
}

typedef struct film {
    const char *file, *codec;
    size_t frames;
    double fps;
} film;

static const film films[] = {
    {"code.mp4", "h264", 150, 25},        {"code_open.mkv", "h264", 150, 25}, {"code_refresh.mkv", "h264", 150, 25},
    {"code_vp8.webm", "vp8", 100, 25},    {"code_vp9.webm", "vp9", 100, 25},  {"code_b.avi", "mpeg4", 75, 25},
    {"code.avi", "mpeg4", 75, 25},        {"code.mov", "mjpeg", 50, 25},      {"code.ogv", "theora", 50, 25},
    {"code_hevc.mp4", "hevc", 50, 25},    {"code_av1.mp4", "av1", 25, 25},    {"code_2997.mkv", "h264", 90, 29.97},
    {"code.ts", "h264", 75, 25},          {"code.m2ts", "mpeg2video", 50, 25},
};
enum { N_FILMS = sizeof films / sizeof films[0] };

static void every_container_and_codec_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILMS; i++) {
        tsr_source *s = open_fixture(films[i].file);
        tsr_video *v = open_film(s, NULL);
        const tsr_video_facts *f = tsr_video_get_facts(v);
        size_t n;
        assert_string_equal(f->codec, films[i].codec);
        assert_int_equal(f->n_frames, films[i].frames);
        assert_int_equal(f->width, 96);
        assert_int_equal(f->height, 64);
        assert_true(fabs(f->fps - films[i].fps) < 0.01);
        double seconds = (double)films[i].frames / films[i].fps;
        assert_true(fabs((double)f->duration_us / 1e6 - seconds) < 0.002);
        tsr_video_get_picks(v, &n);
        assert_int_equal(n, (size_t)ceil(seconds - 0.002));
        tsr_video_close(v);
        tsr_source_close(s);
        check_codes(films[i].file, NULL);
    }
}

/* Each way of getting to a frame gives the same pictures: jumping with and without the container's seek,
 * and decoding everything. */
static void jumping_equals_decoding_everything(void **state)
{
    (void)state;
    static const double rates[] = {0.3, 0.7, 1, 3.3, 25};
    for (size_t i = 0; i < N_FILMS; i++)
        for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
            tsr_video_opts o = tsr_video_opts_default();
            o.fps = rates[k];
            o.decode_all = true;
            uint64_t all = check_codes(films[i].file, &o);
            o.decode_all = false;
            assert_int_equal(check_codes(films[i].file, &o), all);
            o.seek_bytes = 0;
            assert_int_equal(check_codes(films[i].file, &o), all);
        }
}

static void one_late_moment_equals_decoding_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILMS; i++)
        for (int64_t ms = 0; ms < (int64_t)(1000 * (double)films[i].frames / films[i].fps) - 2; ms += 370) {
            tsr_video_opts o = tsr_video_opts_default();
            o.start_us = ms * 1000;
            o.n_frames = 1;
            o.decode_all = true;
            uint64_t all = check_codes(films[i].file, &o);
            o.decode_all = false;
            o.seek_bytes = 0;
            assert_int_equal(check_codes(films[i].file, &o), all);
        }
}

static void every_sampler_shows_its_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILMS; i++) {
        tsr_video_opts o = tsr_video_opts_default();
        o.n_frames = 7;
        check_codes(films[i].file, &o);
        o.n_frames = 0;
        o.hf = true;
        check_codes(films[i].file, &o);
        o.hf = false;
        o.fps = 50; /* each frame twice */
        check_codes(films[i].file, &o);
    }
}

/* Frame N of these comes on show at N * N / 50 seconds. */
static void variable_rates_are_right(void **state)
{
    (void)state;
    static const char *const files[] = {"code_vfr.mp4", "code_vfr.mkv"};
    for (size_t i = 0; i < 2; i++) {
        tsr_video_opts o = tsr_video_opts_default();
        o.fps = 10;
        size_t n;
        tsr_source *s = open_fixture(files[i]);
        tsr_video *v = open_film(s, &o);
        const tsr_video_pick *p = tsr_video_get_picks(v, &n);
        assert_true(n >= 58);
        for (size_t k = 0; k < n; k++) {
            size_t want = (size_t)floor(sqrt(p[k].time_s * 50) + 1e-9);
            tsr_image img = next_picture(v);
            assert_int_equal(read_code(&img), want < 18 ? want : 17);
            tsr_image_deinit(&img);
        }
        tsr_video_close(v);
        tsr_source_close(s);
    }
}

/* ---- geometry ---- */

static void assert_near(const tsr_image *img, size_t x, size_t y, int r, int g, int b, int tolerance)
{
    const unsigned char *p = pixel(img, x, y);
    if (abs(p[0] - r) > tolerance || abs(p[1] - g) > tolerance || abs(p[2] - b) > tolerance)
        fail_msg("pixel %zu, %zu is (%d, %d, %d), not (%d, %d, %d)", x, y, p[0], p[1], p[2], r, g, b);
}

static tsr_image first_picture(const char *file, tsr_video_facts *f)
{
    tsr_source *s = open_fixture(file);
    tsr_video *v = open_film(s, NULL);
    tsr_image img = next_picture(v);
    *f = *tsr_video_get_facts(v);
    tsr_video_close(v);
    tsr_source_close(s);
    return img;
}

/* Stored are red, green over blue, white; the files are named by turns counter-clockwise. */
static void turned_films_are_upright(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        unsigned turned;
        const char *quarters; /* left to right, top to bottom */
    } rows[] = {{"turn_90.mp4", 270, "gwrb"}, {"turn_180.mp4", 180, "wbgr"}, {"turn_270.mp4", 90, "brwg"}};
    for (size_t i = 0; i < 3; i++) {
        tsr_video_facts f;
        tsr_image img = first_picture(rows[i].file, &f);
        assert_int_equal(f.turned, rows[i].turned);
        assert_false(f.mirrored);
        assert_int_equal(f.coded_width, 64);
        assert_int_equal(img.width, rows[i].turned == 180 ? 64 : 32);
        assert_int_equal(img.height, rows[i].turned == 180 ? 32 : 64);
        for (size_t q = 0; q < 4; q++) {
            char c = rows[i].quarters[q];
            assert_near(&img, img.width / 4 + q % 2 * img.width / 2, img.height / 4 + q / 2 * img.height / 2,
                        c == 'r' || c == 'w' ? 255 : 0, c == 'g' || c == 'w' ? 255 : 0, c == 'b' || c == 'w' ? 255 : 0,
                        8);
        }
        tsr_image_deinit(&img);
    }
}

static void pixels_become_square(void **state)
{
    (void)state;
    tsr_video_facts f;
    tsr_image img = first_picture("sar.mp4", &f);
    assert_true(f.pixel_aspect == 1.5);
    assert_int_equal(f.coded_width, 64);
    assert_int_equal(f.width, 96);
    assert_int_equal(f.height, 32);
    assert_near(&img, 24, 8, 255, 0, 0, 8);
    assert_near(&img, 72, 24, 255, 255, 255, 8);
    tsr_image_deinit(&img);
}

/* ---- colours ---- */

static void colours_follow_matrix_and_range(void **state)
{
    (void)state;
    static const char *const files[] = {"colour_601.mp4",         "colour_709.mp4",        "colour_709_full.mp4",
                                        "colour_unmarked.mkv",    "colour_unmarked_hd.mkv", "colour_2020_10bit.mp4",
                                        "colour_full_10bit.mp4", "colour_odd.mov"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        tsr_video_facts f;
        tsr_image img = first_picture(files[i], &f);
        size_t x = img.width / 4, y = img.height / 4;
        /* The plain converter, which the reference's readers use too, cuts fractions: grey comes out 2 darker. */
        assert_near(&img, x, y, 200, 40, 60, 3);
        assert_near(&img, 3 * x, y, 30, 180, 90, 3);
        assert_near(&img, x, 3 * y, 20, 60, 210, 3);
        assert_near(&img, 3 * x, 3 * y, 128, 128, 128, 2);
        /* and the outermost pixels, where an odd size or a row's end could go wrong */
        assert_near(&img, 0, 0, 200, 40, 60, 3);
        assert_near(&img, img.width - 1, 0, 30, 180, 90, 3);
        assert_near(&img, 0, img.height - 1, 20, 60, 210, 3);
        assert_near(&img, img.width - 1, img.height - 1, 128, 128, 128, 2);
        tsr_image_deinit(&img);
    }
}

static void odd_sizes_are_kept(void **state)
{
    (void)state;
    tsr_video_facts f;
    tsr_image img = first_picture("colour_odd.mov", &f);
    assert_int_equal(img.width, 63);
    assert_int_equal(img.height, 61);
    tsr_image_deinit(&img);
}

/* ---- refusals, limits ---- */

static tsr_status refuse(const char *file, const tsr_video_opts *o, tsr_error *e)
{
    tsr_video *v;
    tsr_source *s = open_fixture(file);
    tsr_error_clear(e);
    size_t live = tsr_alloc_live();
    tsr_status st = tsr_video_open(&v, s, o, e);
    assert_null(v);
    assert_int_equal(tsr_alloc_live(), live);
    tsr_source_close(s);
    return st;
}

static void what_holds_no_film_is_refused(void **state)
{
    (void)state;
    tsr_error e = {0};
    assert_int_equal(refuse("speech.m4a", NULL, &e), TSR_ERR_DATA);
    assert_error(&e, TSR_ERR_DATA, "speech.m4a", "no moving pictures");
    assert_int_equal(refuse("cover.m4a", NULL, &e), TSR_ERR_DATA); /* a cover picture is none */
    assert_int_equal(refuse("speech.wav", NULL, &e), TSR_ERR_DATA);
}

static void limits_hold_before_anything_is_decoded(void **state)
{
    (void)state;
    tsr_error e = {0};
    tsr_video_opts o = tsr_video_opts_default();
    o.max_pixels = 96 * 64 - 1;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "code.mp4", "96 x 64");
    o.max_pixels = 64 * 32 * 3 / 2 - 1; /* as scaled */
    assert_int_equal(refuse("sar.mp4", &o, &e), TSR_ERR_LIMIT);
    o = tsr_video_opts_default();
    o.max_frames = 5;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "6 frames", "limit is 5");
    o = tsr_video_opts_default();
    o.max_seconds = 5.9;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_LIMIT);
    o = tsr_video_opts_default();
    o.max_packets = 149;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_LIMIT);
    o = tsr_video_opts_default();
    o.max_bytes = 10000;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_LIMIT);
    o = tsr_video_opts_default();
    o.start_us = 6000000;
    assert_int_equal(refuse("code.mp4", &o, &e), TSR_ERR_USAGE);
    assert_error(&e, TSR_ERR_USAGE, "code.mp4", "6.000 s");
}

typedef struct stopper {
    size_t asked, after;
} stopper;

static bool stops(void *user)
{
    stopper *s = user;
    return s->asked++ >= s->after;
}

/* Whoever is asked may end it: at once, or while frames are decoded to find the cuts. Else nothing is changed by asking. */
static void a_call_can_be_stopped(void **state)
{
    tsr_source *s = open_fixture("code.mp4");
    tsr_video_opts o = tsr_video_opts_default();
    stopper who = {0, 0};
    tsr_error e = {0};
    tsr_video *v;
    (void)state;
    o.scenes = true;
    o.stop = stops;
    o.stop_user = &who;
    assert_int_equal(tsr_video_open(&v, s, &o, &e), TSR_ERR_CANCELLED);
    assert_non_null(strstr(e.text, "stopped on request"));
    assert_null(v);
    assert_int_equal(who.asked, 1); /* and never again */
    who = (stopper){0, SIZE_MAX};
    v = open_film(s, &o);
    assert_true(who.asked > 0);
    tsr_video_close(v);
    tsr_source_close(s);
}

/* One decoded frame at a time: memory does not grow with the number of picks. */
static void memory_does_not_grow_with_the_film(void **state)
{
    (void)state;
    tsr_source *s = open_fixture("code.mp4");
    tsr_video_opts o = tsr_video_opts_default();
    o.fps = 25;
    tsr_video *v = open_film(s, &o);
    size_t first = 0;
    for (size_t i = 0; i < 150; i++) {
        tsr_image img = next_picture(v);
        if (i == 0)
            first = tsr_alloc_live_bytes();
        assert_int_equal(tsr_alloc_live_bytes(), first);
        tsr_image_deinit(&img);
    }
    tsr_video_close(v);
    tsr_source_close(s);
}

static void the_probe_tells_what_is_there(void **state)
{
    (void)state;
    tsr_media_facts f;
    static const struct {
        const char *file, *container;
        bool audio, video;
    } rows[] = {{"code.mp4", "mp4", true, true}, {"code.avi", "avi", false, true}, {"cover.m4a", "m4a", true, false},
                {"speech.webm", "webm", true, false}, {"code.ogv", "ogv", false, true},
                {"code.m2ts", "mpeg-ts", false, true}, {"speech.ts", "mpeg-ts", true, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tsr_source *s = open_fixture(rows[i].file);
        assert_int_equal(tsr_media_probe(&f, s, NULL), TSR_OK);
        assert_string_equal(f.container, rows[i].container);
        assert_int_equal(f.has_audio, rows[i].audio);
        assert_int_equal(f.has_video, rows[i].video);
        tsr_source_close(s);
    }
    tsr_source *s = open_fixture("code.mp4");
    assert_int_equal(tsr_media_probe(&f, s, NULL), TSR_OK);
    assert_int_equal(f.audio_us, 6000000);
    assert_int_equal(f.video_us, 6000000);
    assert_string_equal(f.audio_codec, "aac");
    assert_string_equal(f.video_codec, "h264");
    tsr_source_close(s);
}

/* What was recorded from a broadcast begins and ends between two pictures that stand alone. It is shown from the first of
 * those on, which stands for the moments before it. */
static void a_recording_is_shown_from_its_first_whole_picture(void **state)
{
    (void)state;
    enum { CUT = 8, WHOLE = 25 }; /* frames of the film that it was cut from: its first, and the first that stands alone */
    tsr_video_opts o = tsr_video_opts_default();
    o.fps = 5;
    tsr_source *s = open_fixture("code_cut.ts");
    for (int all = 0; all < 2; all++) {
        o.decode_all = all;
        tsr_video *v = open_film(s, &o);
        size_t n;
        const tsr_video_pick *p = tsr_video_get_picks(v, &n);
        assert_int_equal(n, 9);
        for (size_t i = 0; i < n; i++) {
            tsr_image img = next_picture(v);
            unsigned at = CUT + 5 * (unsigned)i;
            assert_int_equal(read_code(&img), at > WHOLE ? at : WHOLE);
            assert_true(fabs(p[i].time_s - 0.2 * (double)i) < 0.001);
            tsr_image_deinit(&img);
        }
        assert_at_end(v);
        tsr_video_close(v);
    }
    tsr_source_close(s);
}

/* Two recordings one after the other, as a recorder leaves them that starts anew: counters of packets go on, time doesn't. */
static void a_film_whose_time_jumps_back_is_refused(void **state)
{
    (void)state;
    enum { PACKET = 188, PIDS = 1 << 13 };
    static uint8_t counter[PIDS];
    size_t len;
    unsigned char *one = test_read_file(fixture_path("code.ts"), &len), *two = malloc(2 * len);
    memcpy(two, one, len);
    memcpy(two + len, one, len);
    for (size_t i = 0; i + PACKET <= 2 * len; i += PACKET) {
        unsigned char *p = two + i;
        unsigned pid = (p[1] & 0x1fu) << 8 | p[2];
        if (i >= len && p[3] & 0x10) /* it has a payload */
            counter[pid] = (counter[pid] + 1) & 15;
        else if (i < len)
            counter[pid] = p[3] & 15;
        p[3] = (unsigned char)((p[3] & 0xf0) | counter[pid]);
    }
    tsr_error err = {0};
    tsr_video *v;
    tsr_source *s = open_bytes(two, 2 * len, "twice");
    assert_int_equal(tsr_video_open(&v, s, NULL, &err), TSR_ERR_DATA);
    assert_non_null(strstr(err.text, "twice: its time stamps jump back, by 3.0 s before frame 75"));
    tsr_source_close(s);
    free(one);
    free(two);
}

static void a_film_survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char *const files[] = {"sar.mp4", "code_av1.mp4"};
    for (size_t i = 0; i < 2; i++) {
        tsr_source *s = open_fixture(files[i]);
        size_t live = tsr_alloc_live();
        for (size_t k = 1;; k++) {
            tsr_video *v;
            tsr_image img = {0, 0, NULL};
            bool end;
            tsr_alloc_fail_at(k);
            tsr_status st = tsr_video_open(&v, s, NULL, NULL);
            if (st == TSR_OK)
                st = tsr_video_next(v, &img, &end, NULL);
            tsr_alloc_fail_at(0);
            tsr_image_deinit(&img);
            tsr_video_close(v);
            assert_int_equal(tsr_alloc_live(), live);
            if (st == TSR_OK) {
                assert_true(k > 6);
                break;
            }
            assert_int_equal(st, TSR_ERR_NOMEM);
        }
        tsr_source_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_container_and_codec_is_read),
        cmocka_unit_test(jumping_equals_decoding_everything),
        cmocka_unit_test(one_late_moment_equals_decoding_everything),
        cmocka_unit_test(every_sampler_shows_its_frames),
        cmocka_unit_test(variable_rates_are_right),
        cmocka_unit_test(turned_films_are_upright),
        cmocka_unit_test(pixels_become_square),
        cmocka_unit_test(colours_follow_matrix_and_range),
        cmocka_unit_test(odd_sizes_are_kept),
        cmocka_unit_test(what_holds_no_film_is_refused),
        cmocka_unit_test(limits_hold_before_anything_is_decoded),
        cmocka_unit_test(a_call_can_be_stopped),
        cmocka_unit_test(memory_does_not_grow_with_the_film),
        cmocka_unit_test(the_probe_tells_what_is_there),
        cmocka_unit_test(a_recording_is_shown_from_its_first_whole_picture),
        cmocka_unit_test(a_film_whose_time_jumps_back_is_refused),
        cmocka_unit_test(a_film_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
