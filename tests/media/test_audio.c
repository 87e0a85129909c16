/* Sound files become mono samples: exact where nothing is lossy, in place and of the right length where
 * something is, and refused where they are too long. */
#include <math.h>

#include "stream_fixture.h"
#include "tsr_audio.h"

static tsr_audio decode(tsr_source *s, const tsr_audio_opts *o)
{
    tsr_audio a;
    tsr_error e = {0};
    if (tsr_audio_decode(&a, s, o, &e) != TSR_OK)
        fail_msg("%s", e.text);
    tsr_source_close(s);
    return a;
}

static tsr_audio decode_bytes(const void *p, size_t n)
{
    return decode(open_bytes(p, n, "made.wav"), NULL);
}

static tsr_status refuse(tsr_source *s, const tsr_audio_opts *o, tsr_error *e)
{
    tsr_audio a;
    tsr_error_clear(e);
    tsr_status st = tsr_audio_decode(&a, s, o, e);
    assert_null(a.samples);
    assert_int_equal(a.n_samples, 0);
    tsr_source_close(s);
    return st;
}

/* ---- plain samples ---- */

static void a_wav_at_the_rate_is_exact(void **state)
{
    (void)state;
    enum { N = 65536 };
    static unsigned char wav[WAV_HEAD + 2 * N];
    for (size_t i = 0; i < N; i++)
        put_le(wav + WAV_HEAD + 2 * i, (uint32_t)i, 2); /* every value there is */
    put_wav_head(wav, 1, 1, 16000, 16, 2 * N);
    tsr_audio a = decode_bytes(wav, sizeof wav);
    assert_int_equal(a.n_samples, N);
    assert_int_equal(a.sample_rate, 16000);
    assert_string_equal(a.source.container, "wav");
    assert_string_equal(a.source.codec, "pcm_s16le");
    assert_int_equal(a.source.duration_us, 4096000);
    for (int i = 0; i < N; i++)
        assert_true(a.samples[i] == (float)(i < 32768 ? i : i - 65536) / 32768.0f);
    tsr_audio_deinit(&a);
}

static void other_sample_types_are_exact_too(void **state)
{
    (void)state;
    enum { N = 200 };
    unsigned char wav[WAV_HEAD + 8 * N];
    static const struct {
        unsigned format, bits;
    } types[] = {{1, 8}, {1, 24}, {1, 32}, {3, 32}, {3, 64}};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        size_t size = types[t].bits / 8;
        for (size_t i = 0; i < N; i++) {
            unsigned char *p = wav + WAV_HEAD + size * i;
            int v = (int)i - 100; /* of 128 */
            float f = (float)v / 128.0f;
            double d = v / 128.0;
            memset(p, 0, size);
            if (types[t].format == 3)
                memcpy(p, size == 4 ? (void *)&f : (void *)&d, size);
            else
                p[size - 1] = (unsigned char)(size == 1 ? v + 128 : v);
        }
        put_wav_head(wav, types[t].format, 1, 16000, types[t].bits, size * N);
        tsr_audio a = decode_bytes(wav, WAV_HEAD + size * N);
        assert_int_equal(a.n_samples, N);
        for (int i = 0; i < N; i++)
            assert_true(a.samples[i] == (float)(i - 100) / 128.0f);
        tsr_audio_deinit(&a);
    }
}

static void stereo_becomes_the_mean(void **state)
{
    (void)state;
    enum { N = 1000 };
    static unsigned char wav[WAV_HEAD + 4 * N];
    for (size_t i = 0; i < N; i++) {
        put_le(wav + WAV_HEAD + 4 * i, (uint32_t)(i * 30), 2);
        put_le(wav + WAV_HEAD + 4 * i + 2, (uint32_t)(-(int)(i * 10)), 2);
    }
    put_wav_head(wav, 1, 2, 16000, 16, 4 * N);
    tsr_audio a = decode_bytes(wav, sizeof wav);
    assert_int_equal(a.source.channels, 2);
    assert_int_equal(a.n_samples, N);
    for (int i = 0; i < N; i++)
        assert_true(a.samples[i] == (float)(i * 10) / 32768.0f);
    tsr_audio_deinit(&a);
}

static void full_scale_does_not_clip_or_fold(void **state)
{
    (void)state;
    unsigned char wav[WAV_HEAD + 8];
    static const int16_t v[4] = {32767, 32767, -32768, -32768};
    for (size_t i = 0; i < 4; i++)
        put_le(wav + WAV_HEAD + 2 * i, (uint16_t)v[i], 2);
    put_wav_head(wav, 1, 2, 16000, 16, 8);
    tsr_audio a = decode_bytes(wav, sizeof wav);
    assert_int_equal(a.n_samples, 2);
    assert_true(a.samples[0] == 32767.0f / 32768.0f);
    assert_true(a.samples[1] == -1.0f);
    tsr_audio_deinit(&a);
}

/* FFmpeg's own downmix would weight centre, surround and bass differently. */
static void six_channels_become_the_mean(void **state)
{
    (void)state;
    const double tau = 6.283185307179586;
    tsr_audio a = decode(open_fixture("six.wav"), NULL);
    assert_int_equal(a.source.channels, 6);
    assert_int_equal(a.n_samples, 1600);
    for (size_t i = 0; i < a.n_samples; i++) {
        double t = (double)i / 16000;
        double want = (0.5 * sin(880 * tau * t) + 0.1 * sin(440 * tau * t) + 0.3 - 0.2 + 0.1) / 6;
        assert_true(fabs((double)a.samples[i] - want) < 1e-6);
    }
    tsr_audio_deinit(&a);
}

static void samples_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    unsigned char wav[WAV_HEAD + 40] = {0};
    float f = NAN;
    tsr_error e = {0};
    memcpy(wav + WAV_HEAD + 20, &f, 4);
    put_wav_head(wav, 3, 1, 16000, 32, 40);
    assert_int_equal(refuse(open_bytes(wav, sizeof wav, "nan.wav"), NULL, &e), TSR_ERR_DATA);
    assert_non_null(strstr(e.text, "nan.wav"));
}

/* ---- codings ---- */

static double correlation(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / (sqrt(aa * bb) + 1e-30);
}

/* extra: samples of the coder's last frame, where the container does not say where the sound ends;
 * late: of its delay, where it does not tell that. */
static void every_coding_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *file, *container, *codec;
        size_t late, extra;
        double min;
    } rows[] = {
        {"speech.flac", "flac", "flac", 0, 0, 1.0},      {"speech.mov", "mov", "alac", 0, 0, 1.0},
        {"speech.mp3", "mp3", "mp3", 0, 0, 0.98},        {"speech.ogg", "ogg", "vorbis", 0, 0, 0.98},
        {"speech.opus", "ogg", "opus", 0, 0, 0.98},      {"speech.m4a", "m4a", "aac", 0, 0, 0.98},
        {"speech.aac", "aac", "aac", 1024, 480, 0.98},   {"speech.mkv", "mkv", "opus", 0, 0, 0.98},
        {"speech.webm", "webm", "vorbis", 0, 1024, 0.98}, {"speech.avi", "avi", "adpcm_ms", 0, 1024, 0.98},
        {"speech.aiff", "aiff", "pcm_mulaw", 0, 0, 0.98}, {"speech.ts", "mpeg-ts", "mp2", 481, 255, 0.98},
    };
    tsr_audio want = decode(open_fixture("speech.wav"), NULL);
    assert_int_equal(want.n_samples, 20000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tsr_audio a = decode(open_fixture(rows[i].file), NULL);
        assert_string_equal(a.source.container, rows[i].container);
        assert_string_equal(a.source.codec, rows[i].codec);
        size_t late = rows[i].late;
        if (a.n_samples < 20000 + late || a.n_samples > 20000 + late + rows[i].extra)
            fail_msg("%s: %zu samples", rows[i].file, a.n_samples);
        double c = correlation(a.samples + late, want.samples, 20000);
        if (rows[i].min >= 1.0)
            assert_memory_equal(a.samples, want.samples, 20000 * sizeof *want.samples);
        else if (!(c >= rows[i].min))
            fail_msg("%s: correlation %g", rows[i].file, c);
        tsr_audio_deinit(&a);
    }
    tsr_audio_deinit(&want);
}

static void amr_is_read(void **state)
{
    (void)state;
    tsr_audio a = decode(open_fixture("tone.amr"), NULL);
    double power = 0;
    assert_string_equal(a.source.codec, "amr_nb");
    assert_int_equal(a.source.sample_rate, 8000);
    assert_int_equal(a.n_samples, 8000);
    for (size_t i = 2000; i < 6000; i++)
        power += (double)a.samples[i] * (double)a.samples[i];
    power = sqrt(power / 4000);
    assert_true(power > 0.2 && power < 0.5); /* a sine of amplitude 0.5 has 0.354 */
    tsr_audio_deinit(&a);
}

static void cover_pictures_are_no_film_and_do_no_harm(void **state)
{
    (void)state;
    tsr_audio a = decode(open_fixture("cover.m4a"), NULL);
    assert_int_equal(a.n_samples, 20000);
    tsr_audio_deinit(&a);
}

static void the_sound_of_a_film_is_read(void **state)
{
    (void)state;
    tsr_audio a = decode(open_fixture("code.mp4"), NULL);
    assert_int_equal(a.n_samples, 96000);
    tsr_audio_deinit(&a);
}

static void other_rates_have_their_length(void **state)
{
    (void)state;
    tsr_audio_opts o = tsr_audio_opts_default();
    static const unsigned rates[] = {8000, 22050, 48000};
    for (size_t i = 0; i < 3; i++) {
        o.sample_rate = rates[i];
        tsr_audio a = decode(open_fixture("speech.wav"), &o);
        assert_int_equal(a.n_samples, (20000ull * rates[i] + 8000) / 16000);
        assert_int_equal(a.sample_rate, rates[i]);
        tsr_audio_deinit(&a);
    }
}

/* ---- parts and limits ---- */

static void a_part_is_that_part(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.wav", "speech.flac", "speech.m4a", "speech.opus"};
    for (size_t i = 0; i < 4; i++) {
        tsr_audio_opts o = tsr_audio_opts_default();
        tsr_audio whole = decode(open_fixture(files[i]), NULL);
        o.start_us = 250000;
        o.end_us = 750000;
        tsr_audio part = decode(open_fixture(files[i]), &o);
        assert_int_equal(part.n_samples, 8000);
        if (whole.source.sample_rate == 16000) /* resampling at the cut differs a little */
            assert_memory_equal(part.samples, whole.samples + 4000, 8000 * sizeof *part.samples);
        else
            assert_true(correlation(part.samples, whole.samples + 4000, 8000) > 0.999);
        tsr_audio_deinit(&whole);
        tsr_audio_deinit(&part);
    }
}

static void an_empty_part_is_refused(void **state)
{
    (void)state;
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_error e = {0};
    o.start_us = 1000;
    o.end_us = 1000;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_USAGE);
    o.start_us = 5000000;
    o.end_us = -1;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_DATA);
    assert_non_null(strstr(e.text, "1.25 s"));
}

static void too_long_is_refused_and_never_cut(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.wav", "speech.mp3", "speech.aac", "speech.opus", "speech.webm"};
    for (size_t i = 0; i < 5; i++) {
        tsr_audio_opts o = tsr_audio_opts_default();
        tsr_error e = {0};
        o.max_seconds = 1.0;
        assert_int_equal(refuse(open_fixture(files[i]), &o, &e), TSR_ERR_LIMIT);
        assert_non_null(strstr(e.text, "the limit is 1 s"));
        assert_non_null(strstr(e.text, files[i]));
    }
}

static void the_limit_counts_single_samples(void **state)
{
    (void)state;
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_error e = {0};
    o.max_seconds = 1.25;
    tsr_audio a = decode(open_fixture("speech.wav"), &o);
    assert_int_equal(a.n_samples, 20000);
    tsr_audio_deinit(&a);
    a = decode(open_fixture("speech.m4a"), &o); /* though its coder's last frame is longer */
    assert_int_equal(a.n_samples, 20000);
    tsr_audio_deinit(&a);
    o.max_seconds = 19999.0 / 16000.0;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_LIMIT);
}

/* A long sound must be refused by its header, before memory is taken for it. */
static void a_long_header_is_refused_at_once(void **state)
{
    (void)state;
    enum { BYTES = 31 * 16000 * 2 };
    static unsigned char wav[WAV_HEAD + BYTES];
    tsr_error e = {0};
    put_wav_head(wav, 1, 1, 16000, 16, BYTES);
    size_t count = tsr_alloc_count();
    assert_int_equal(refuse(open_bytes(wav, sizeof wav, "long.wav"), NULL, &e), TSR_ERR_LIMIT);
    assert_non_null(strstr(e.text, "31.00 s"));
    assert_true(tsr_alloc_count() - count < 10);
}

static void limits_of_bytes_and_packets_hold(void **state)
{
    (void)state;
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_error e = {0};
    o.max_bytes = 1000;
    assert_int_equal(refuse(open_fixture("speech.mp3"), &o, &e), TSR_ERR_LIMIT);
    o = tsr_audio_opts_default();
    o.max_packets = 3;
    assert_int_equal(refuse(open_fixture("speech.mp3"), &o, &e), TSR_ERR_LIMIT);
    assert_non_null(strstr(e.text, "3 packets"));
}

static void the_deadline_is_kept(void **state)
{
    (void)state;
    enum { BYTES = 48000 * 2 * 600 };
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_error e = {0};
    unsigned char *wav = calloc(1, WAV_HEAD + BYTES);
    assert_non_null(wav);
    put_wav_head(wav, 1, 1, 48000, 16, BYTES);
    o.timeout_ms = 1;
    o.max_seconds = 1e5;
    assert_int_equal(refuse(open_bytes(wav, WAV_HEAD + BYTES, "slow.wav"), &o, &e), TSR_ERR_BUSY);
    assert_non_null(strstr(e.text, "slow.wav"));
    free(wav);
}

/* Writers into a pipe leave sizes that no file has. */
static void sizes_left_open_are_read_to_the_end(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0xffffffffu, 0x7ffff000u, 0x7fffffffu, 0x80000000u};
    unsigned char wav[WAV_HEAD + 3200] = {0};
    for (size_t i = 0; i < 4; i++) {
        put_wav_head(wav, 1, 1, 16000, 16, 3200);
        put_le(wav + 4, sizes[i], 4);
        put_le(wav + 40, sizes[i], 4);
        tsr_audio a = decode_bytes(wav, sizeof wav);
        assert_int_equal(a.n_samples, 1600);
        tsr_audio_deinit(&a);
    }
}

static void what_holds_no_sound_is_refused(void **state)
{
    (void)state;
    tsr_error e = {0};
    unsigned char wav[WAV_HEAD];
    put_wav_head(wav, 1, 1, 16000, 16, 0);
    assert_int_equal(refuse(open_bytes(wav, sizeof wav, "still.wav"), NULL, &e), TSR_ERR_DATA);
    assert_int_equal(refuse(open_fixture("sar.mp4"), NULL, &e), TSR_ERR_DATA);
    assert_non_null(strstr(e.text, "no sound"));
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    tsr_error e = {0};
    tsr_audio_opts o = tsr_audio_opts_default();
    o.sample_rate = 0;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_USAGE);
    o = tsr_audio_opts_default();
    o.max_seconds = NAN;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_USAGE);
    o = tsr_audio_opts_default();
    o.start_us = -1;
    assert_int_equal(refuse(open_fixture("speech.wav"), &o, &e), TSR_ERR_USAGE);
}

static void decode_survives_every_failed_allocation(void **state)
{
    (void)state;
    tsr_audio_opts o = tsr_audio_opts_default();
    o.sample_rate = 8000;
    tsr_source *s = open_fixture("speech.opus");
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_audio a;
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_audio_decode(&a, s, &o, NULL);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            assert_true(k > 3);
            tsr_audio_deinit(&a);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(a.samples);
        assert_int_equal(tsr_alloc_live(), live);
    }
    assert_int_equal(tsr_alloc_live(), live);
    tsr_source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wav_at_the_rate_is_exact),
        cmocka_unit_test(other_sample_types_are_exact_too),
        cmocka_unit_test(stereo_becomes_the_mean),
        cmocka_unit_test(full_scale_does_not_clip_or_fold),
        cmocka_unit_test(six_channels_become_the_mean),
        cmocka_unit_test(samples_that_are_no_numbers_are_refused),
        cmocka_unit_test(every_coding_is_read),
        cmocka_unit_test(amr_is_read),
        cmocka_unit_test(cover_pictures_are_no_film_and_do_no_harm),
        cmocka_unit_test(the_sound_of_a_film_is_read),
        cmocka_unit_test(other_rates_have_their_length),
        cmocka_unit_test(a_part_is_that_part),
        cmocka_unit_test(an_empty_part_is_refused),
        cmocka_unit_test(too_long_is_refused_and_never_cut),
        cmocka_unit_test(the_limit_counts_single_samples),
        cmocka_unit_test(a_long_header_is_refused_at_once),
        cmocka_unit_test(limits_of_bytes_and_packets_hold),
        cmocka_unit_test(the_deadline_is_kept),
        cmocka_unit_test(sizes_left_open_are_read_to_the_end),
        cmocka_unit_test(what_holds_no_sound_is_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(decode_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
