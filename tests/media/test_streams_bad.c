/* Bad input to sound and film: cut files, flipped bytes, playlists, foreign references. Whatever comes, the
 * answer is a result or a reason that names the file; no crash, leak or hang. */
#include "stream_fixture.h"
#include "tsr_audio.h"
#include "tsr_video.h"

static const char *const sounds[] = {"speech.wav",  "speech.flac", "speech.mp3",  "speech.ogg",  "speech.opus",
                                     "speech.m4a",  "speech.aac",  "speech.mkv",  "speech.webm", "speech.mov",
                                     "speech.avi",  "speech.aiff", "tone.amr",    "six.wav",     "cover.m4a",
                                     "speech.ts"};
static const char *const films[] = {"code.mp4",      "code_open.mkv", "code_vp8.webm", "code_vp9.webm", "code_b.avi",
                                    "code.mov",      "code.ogv",      "code_hevc.mp4", "code_av1.mp4",  "code_vfr.mkv",
                                    "turn_90.mp4",   "sar.mp4",       "colour_odd.mov", "code.m2ts",     "code_cut.ts"};
enum { N_SOUNDS = sizeof sounds / sizeof sounds[0], N_FILMS = sizeof films / sizeof films[0] };

static void assert_reason(tsr_status st, const tsr_error *e)
{
    assert_int_equal(e->status, st);
    assert_non_null(strstr(e->text, "bad"));
    assert_true(st == TSR_ERR_DATA || st == TSR_ERR_UNSUPPORTED || st == TSR_ERR_LIMIT || st == TSR_ERR_USAGE);
}

static tsr_status try_sound(const void *p, size_t n)
{
    tsr_audio a;
    tsr_error e = {0};
    tsr_source *s = open_bytes(p, n, "bad");
    size_t live = tsr_alloc_live();
    tsr_status st = tsr_audio_decode(&a, s, NULL, &e);
    if (st != TSR_OK)
        assert_reason(st, &e);
    else
        assert_true(a.n_samples > 0 && a.n_samples <= 480000);
    tsr_audio_deinit(&a);
    assert_int_equal(tsr_alloc_live(), live);
    tsr_source_close(s);
    return st;
}

static tsr_status try_film(const void *p, size_t n)
{
    tsr_video *v;
    tsr_video_opts o = tsr_video_opts_default();
    tsr_error e = {0};
    tsr_source *s = open_bytes(p, n, "bad");
    bool end = false;
    o.n_frames = 4;
    o.max_pixels = 1 << 22;
    o.seek_bytes = 0;
    tsr_status st = tsr_video_open(&v, s, &o, &e);
    while (st == TSR_OK && !end) {
        tsr_image img = {0, 0, NULL};
        st = tsr_video_next(v, &img, &end, &e);
        tsr_image_deinit(&img);
    }
    if (st == TSR_ERR_IO) /* damage that is read differently the second time */
        assert_non_null(strstr(e.text, "changed while"));
    else if (st != TSR_OK)
        assert_reason(st, &e);
    tsr_video_close(v);
    tsr_source_close(s);
    return st;
}

typedef tsr_status (*try_fn)(const void *p, size_t n);

/* Cut at every `step` bytes; `*n_ok` counts what was taken as whole. */
static void cut(const char *file, size_t step, try_fn try, size_t *n_ok, size_t *n_tried)
{
    size_t len;
    unsigned char *p = test_read_file(fixture_path(file), &len);
    *n_ok = *n_tried = 0;
    for (size_t n = 0; n < len; n += step) {
        unsigned char *exact = malloc(n ? n : 1); /* so that a read behind the end is seen */
        assert_non_null(exact);
        memcpy(exact, p, n);
        *n_ok += try(exact, n) == TSR_OK;
        ++*n_tried;
        free(exact);
    }
    free(p);
}

/* These tell somewhere how long they are, so every cut is found. */
static void cut_sounds_are_refused(void **state)
{
    (void)state;
    static const char *const sure[] = {"speech.wav", "speech.flac", "speech.mp3", "speech.m4a", "speech.mkv",
                                       "speech.webm", "speech.mov", "speech.avi", "speech.aiff", "six.wav"};
    for (size_t i = 0; i < sizeof sure / sizeof sure[0]; i++) {
        size_t ok, tried;
        cut(sure[i], 499, try_sound, &ok, &tried);
        if (ok > 0)
            fail_msg("%s: %zu of %zu cuts were not seen", sure[i], ok, tried);
    }
}

/* These don't: a cut between two frames or pages looks like an end, any other is found. */
static void most_cuts_of_streams_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.ogg", "speech.opus", "speech.aac", "tone.amr"};
    for (size_t i = 0; i < 4; i++) {
        size_t ok, tried;
        cut(files[i], 7, try_sound, &ok, &tried);
        if (ok * 5 > tried)
            fail_msg("%s: %zu of %zu cuts were not seen", files[i], ok, tried);
    }
}

static void the_smallest_sounds_are_cut_at_every_byte(void **state)
{
    (void)state;
    static const char *const files[] = {"tone.amr", "speech.opus"};
    for (size_t i = 0; i < 2; i++) {
        size_t ok, tried;
        cut(files[i], 1, try_sound, &ok, &tried);
    }
}

/* A recording of a broadcast ends anywhere, and says nowhere how long it is. */
static bool is_recording(const char *file)
{
    return strstr(file, ".ts") || strstr(file, ".m2ts");
}

static void cut_films_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILMS; i++) {
        size_t ok, tried;
        cut(films[i], 1021, try_film, &ok, &tried);
        if (is_recording(films[i]) && ok * 2 < tried)
            fail_msg("%s: %zu of %zu cuts were refused", films[i], tried - ok, tried);
        if (!is_recording(films[i]) && ok > (strstr(films[i], ".ogv") ? tried / 2 : 0))
            fail_msg("%s: %zu of %zu cuts were not seen", films[i], ok, tried);
    }
}

static void the_smallest_films_are_cut_at_every_byte(void **state)
{
    (void)state;
    static const char *const files[] = {"colour_odd.mov", "colour_unmarked.mkv"};
    for (size_t i = 0; i < 2; i++) {
        size_t ok, tried;
        cut(files[i], 1, try_film, &ok, &tried);
        assert_int_equal(ok, 0);
    }
}

static void flip(const char *file, size_t from, size_t to, size_t step, try_fn try)
{
    static const unsigned char masks[] = {0xff, 0x01, 0x80};
    size_t len;
    unsigned char *p = test_read_file(fixture_path(file), &len);
    for (size_t i = from; i < to && i < len; i += step) {
        unsigned char mask = masks[i / step % 3];
        p[i] ^= mask;
        try(p, len);
        p[i] ^= mask;
    }
    free(p);
}

static void flipped_header_bytes_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SOUNDS; i++)
        flip(sounds[i], 0, 200, 1, try_sound);
    for (size_t i = 0; i < N_FILMS; i++)
        flip(films[i], 0, 200, 1, try_film);
}

static void flipped_bytes_anywhere_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SOUNDS; i++)
        flip(sounds[i], 200, SIZE_MAX, 331, try_sound);
    for (size_t i = 0; i < N_FILMS; i++)
        flip(films[i], 200, SIZE_MAX, 97, try_film);
}

/* One picture near a time; its sum, or the refusal. */
static tsr_status one_picture(const void *p, size_t n, int64_t start_us, bool decode_all, uint64_t *sum)
{
    tsr_video *v;
    tsr_video_opts o = tsr_video_opts_default();
    tsr_image img = {0, 0, NULL};
    tsr_error e = {0};
    bool end;
    tsr_source *s = open_bytes(p, n, "bad");
    o.n_frames = 1;
    o.start_us = start_us;
    o.decode_all = decode_all;
    *sum = 0;
    tsr_status st = tsr_video_open(&v, s, &o, &e);
    if (st == TSR_OK)
        st = tsr_video_next(v, &img, &end, &e);
    for (size_t k = 0; st == TSR_OK && k < img.width * img.height * 3; k++)
        *sum = *sum * 31 + img.rgb[k];
    if (st != TSR_OK)
        assert_reason(st, &e);
    tsr_image_deinit(&img);
    tsr_video_close(v);
    tsr_source_close(s);
    return st;
}

/* Damage reaches as far as frames are predicted from each other, and no further. Decoding everything can
 * also meet damage in frames that the short way never looks at, but never less. */
static void damage_is_refused_where_it_shows(void **state)
{
    (void)state;
    static const char *const files[] = {"code.mp4", "code_vp9.webm", "code_hevc.mp4"};
    size_t n_bad = 0, n_good = 0;
    for (size_t f = 0; f < 3; f++) {
        size_t len;
        unsigned char *p = test_read_file(fixture_path(files[f]), &len);
        for (size_t at = 300; at < len * 2 / 3; at += 61) { /* the index lies behind that */
            unsigned char keep[16];
            memcpy(keep, p + at, sizeof keep);
            memset(p + at, 0xa5, sizeof keep);
            for (int64_t t = 500000; t < 6000000; t += 1700000) {
                uint64_t a, b;
                tsr_status all = one_picture(p, len, t, true, &a), jump = one_picture(p, len, t, false, &b);
                if (all == TSR_OK) {
                    assert_int_equal(jump, TSR_OK);
                    assert_int_equal(a, b);
                }
                n_bad += jump == TSR_ERR_DATA;
                n_good += jump == TSR_OK;
            }
            memcpy(p + at, keep, sizeof keep);
        }
        free(p);
    }
    assert_true(n_bad > 10);
    assert_true(n_good > 10);
}

static void playlists_and_other_kinds_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile /etc/passwd\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period/></MPD>",
        "[playlist]\nFile1=http://127.0.0.1/a.mp3\n",
        "rtsp://127.0.0.1/stream\n",
        "http://127.0.0.1/a.mp4",
        "concat:a.mp3|b.mp3",
        "GIF89a\x01\x00\x01\x00",
        "%PDF-1.4\n",
        "PK\x03\x04",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(try_sound(texts[i], strlen(texts[i])), TSR_ERR_UNSUPPORTED);
        assert_int_equal(try_film(texts[i], strlen(texts[i])), TSR_ERR_UNSUPPORTED);
    }
    assert_int_equal(try_sound("", 0), TSR_ERR_DATA);
    assert_int_equal(try_film("", 0), TSR_ERR_DATA);
}

/* A MOV file may say that its samples lie in another file. That file is never opened. */
static void external_references_are_not_followed(void **state)
{
    (void)state;
    size_t len;
    unsigned char *p = test_read_file(fixture_path("colour_odd.mov"), &len);
    bool found = false;
    for (size_t i = 0; i + 12 < len; i++)
        if (memcmp(p + i, "url \0\0\0\1", 8) == 0 || memcmp(p + i, "alis\0\0\0\1", 8) == 0) {
            p[i + 7] = 0; /* no longer "in this file" */
            found = true;
        }
    assert_true(found);
    try_film(p, len); /* pictures of this file or a reason; the refusing hook is never passed */
    free(p);
}

/* A chunk of pictures is asked for by number only: numbers that no file can fill cost no memory. */
static void huge_numbers_take_no_memory(void **state)
{
    (void)state;
    unsigned char wav[WAV_HEAD + 8] = {0};
    static const uint32_t odd[] = {0, 1, 0x7fff, 0xffff};
    for (size_t c = 0; c < 4; c++)
        for (size_t b = 0; b < 4; b++) {
            put_wav_head(wav, 1, 1, 16000, 16, 8);
            put_le(wav + 22, odd[c], 2);
            put_le(wav + 34, odd[b], 2);
            try_sound(wav, sizeof wav);
            put_wav_head(wav, 3, 1, 0xffffffff, 32, 8);
            put_le(wav + 22, odd[c], 2);
            put_le(wav + 32, odd[b], 2);
            try_sound(wav, sizeof wav);
        }
    assert_true(tsr_alloc_peak_bytes() < 64u << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_sounds_are_refused),
        cmocka_unit_test(most_cuts_of_streams_are_refused),
        cmocka_unit_test(the_smallest_sounds_are_cut_at_every_byte),
        cmocka_unit_test(cut_films_are_refused),
        cmocka_unit_test(the_smallest_films_are_cut_at_every_byte),
        cmocka_unit_test(flipped_header_bytes_do_no_harm),
        cmocka_unit_test(flipped_bytes_anywhere_do_no_harm),
        cmocka_unit_test(damage_is_refused_where_it_shows),
        cmocka_unit_test(playlists_and_other_kinds_are_refused),
        cmocka_unit_test(external_references_are_not_followed),
        cmocka_unit_test(huge_numbers_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
