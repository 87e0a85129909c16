/* Sound in pieces is the same sound, from files and from bytes that come in, in memory that doesn't grow. */
#include <math.h>

#include "stream_fixture.h"
#include "tsr_audio.h"

/* ---- reading a stream ---- */

typedef struct heard {
    float *at;
    size_t n;
    tsr_status st;
    tsr_error err;
} heard;

static heard drain(tsr_audio_stream *s, size_t piece)
{
    heard h = {0};
    size_t n = 1;
    while (n > 0 && h.st == TSR_OK) {
        h.at = must_realloc(h.at, (h.n + piece) * sizeof *h.at);
        h.st = tsr_audio_stream_read(s, h.at + h.n, piece, &n, &h.err);
        h.n += n;
    }
    return h;
}

static heard hear_file(const char *name, size_t piece)
{
    tsr_error e = {0};
    tsr_audio_stream *s;
    tsr_source *src = open_fixture(name);
    if (tsr_audio_stream_open(&s, src, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    heard h = drain(s, piece);
    tsr_audio_stream_close(s);
    tsr_source_close(src);
    return h;
}

static tsr_audio whole(const char *name)
{
    tsr_audio a;
    tsr_error e = {0};
    tsr_source *src = open_fixture(name);
    if (tsr_audio_decode(&a, src, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    tsr_source_close(src);
    return a;
}

static void pieces_are_the_whole(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.wav",  "speech.flac", "speech.mov",  "speech.mp3", "speech.ogg",
                                        "speech.opus", "speech.m4a",  "speech.aac",  "speech.mkv", "speech.webm",
                                        "speech.avi",  "speech.aiff", "tone.amr",    "code.mp4",   "cover.m4a",
                                        "hole.mkv",    "hole.mp4"};
    static const size_t pieces[] = {1, 333, 100000};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tsr_audio want = whole(files[i]);
        for (size_t k = i == 0 ? 0 : 1; k < 3; k++) {
            heard h = hear_file(files[i], pieces[k]);
            if (h.st != TSR_OK || h.n != want.n_samples)
                fail_msg("%s: %zu of %zu samples: %s", files[i], h.n, want.n_samples, h.err.text);
            assert_memory_equal(h.at, want.samples, h.n * sizeof *h.at);
            free(h.at);
        }
        tsr_audio_deinit(&want);
    }
}

/* An hour of samples that are made as they are asked for. */
typedef struct hour {
    uint64_t at, end;
    bool failed;
} hour;

static ptrdiff_t read_hour(void *user, void *buf, size_t n)
{
    hour *h = user;
    if (h->at == h->end)
        return h->failed ? TSR_READ_FAILED : 0;
    n = h->end - h->at < n ? (size_t)(h->end - h->at) : n;
    memset(buf, (int)(h->at / 65536 % 64), n);
    h->at += n;
    return (ptrdiff_t)n;
}

static void an_hour_takes_little_memory(void **state)
{
    (void)state;
    hour h = {.end = 3600ull * 44100 * 2};
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_audio_stream *s;
    tsr_error e = {0};
    o.max_seconds = 4000;
    assert_int_equal(tsr_audio_stream_open_live(&s, &(tsr_audio_reader){read_hour, &h, "hour"}, 44100, 0, &o, &e), TSR_OK);
    static float piece[16000];
    uint64_t total = 0;
    for (size_t n = 1; n > 0; total += n)
        if (tsr_audio_stream_read(s, piece, 16000, &n, &e) != TSR_OK)
            fail_msg("%s", e.text);
    assert_int_equal(total, 3600 * 16000);
    assert_true(tsr_alloc_peak_bytes() < 8u << 20);
    tsr_audio_stream_close(s);
}

/* ---- bytes that come in ---- */

typedef struct script {
    const unsigned char *at;
    size_t left, piece;
    ptrdiff_t at_end; /* what the reader says then */
} script;

static ptrdiff_t read_script(void *user, void *buf, size_t n)
{
    script *s = user;
    if (s->left == 0)
        return s->at_end;
    n = s->piece < n ? s->piece : n;
    n = s->left < n ? s->left : n;
    memcpy(buf, s->at, n);
    s->at += n;
    s->left -= n;
    return (ptrdiff_t)n;
}

static heard hear_live(script sc, unsigned raw_rate, size_t max_spool, const tsr_audio_opts *o, tsr_audio_facts *facts)
{
    tsr_audio_stream *s;
    heard h = {0};
    h.st = tsr_audio_stream_open_live(&s, &(tsr_audio_reader){read_script, &sc, "pipe"}, raw_rate, max_spool, o, &h.err);
    if (h.st != TSR_OK) {
        assert_null(s);
        return h;
    }
    h = drain(s, 1000);
    if (facts)
        *facts = *tsr_audio_stream_facts(s);
    tsr_audio_stream_close(s);
    return h;
}

static void a_wav_that_comes_in_is_the_file(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.wav", "six.wav"};
    static const size_t pieces[] = {1, 7, 4096};
    for (size_t i = 0; i < 2; i++) {
        tsr_audio want = whole(files[i]);
        size_t len;
        unsigned char *bytes = test_read_file(fixture_path(files[i]), &len);
        for (size_t k = 0; k < 3; k++) {
            tsr_audio_facts facts;
            heard h = hear_live((script){bytes, len, pieces[k], 0}, 0, 1 << 20, NULL, &facts);
            if (h.st != TSR_OK || h.n != want.n_samples)
                fail_msg("%s: %zu of %zu samples: %s", files[i], h.n, want.n_samples, h.err.text);
            assert_memory_equal(h.at, want.samples, h.n * sizeof *h.at);
            assert_string_equal(facts.container, "wav");
            assert_string_equal(facts.codec, want.source.codec);
            assert_int_equal(facts.channels, want.source.channels);
            assert_int_equal(facts.duration_us, want.source.duration_us);
            free(h.at);
        }
        free(bytes);
        tsr_audio_deinit(&want);
    }
}

static void every_plain_type_comes_in_exactly(void **state)
{
    (void)state;
    enum { N = 200 };
    unsigned char wav[WAV_HEAD + 8 * N];
    static const struct {
        unsigned format, bits;
    } types[] = {{1, 8}, {1, 16}, {1, 24}, {1, 32}, {3, 32}, {3, 64}};
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
        heard h = hear_live((script){wav, WAV_HEAD + size * N, 33, 0}, 0, 0, NULL, NULL);
        assert_int_equal(h.n, N);
        for (int i = 0; i < N; i++)
            assert_true(h.at[i] == (float)(i - 100) / 128.0f);
        free(h.at);
    }
}

static void a_size_that_is_no_promise_means_until_the_end(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 0xffffffff, 0x7fffffff, 0x80000000};
    unsigned char wav[WAV_HEAD + 2000] = {0};
    for (size_t i = 0; i < 4; i++) {
        put_wav_head(wav, 1, 1, 16000, 16, 2000);
        put_le(wav + 4, sizes[i], 4);
        put_le(wav + 40, sizes[i], 4);
        tsr_audio_facts facts;
        heard h = hear_live((script){wav, sizeof wav, 100, 0}, 0, 0, NULL, &facts);
        assert_int_equal(h.st, TSR_OK);
        assert_int_equal(h.n, 1000);
        assert_int_equal(facts.duration_us, -1);
        free(h.at);
    }
}

static void bare_samples_have_the_rate_that_is_told(void **state)
{
    (void)state;
    unsigned char bytes[4001];
    for (size_t i = 0; i < 2000; i++)
        put_le(bytes + 2 * i, (uint16_t)(int16_t)((int)i - 1000), 2);
    bytes[4000] = 1; /* half a sample at the end */
    heard h = hear_live((script){bytes, sizeof bytes, 3, 0}, 16000, 0, NULL, NULL);
    assert_int_equal(h.n, 2000);
    for (int i = 0; i < 2000; i++)
        assert_true(h.at[i] == (float)(i - 1000) / 32768.0f);
    free(h.at);
    h = hear_live((script){bytes, 4000, 500, 0}, 8000, 0, NULL, NULL);
    assert_int_equal(h.n, 4000);
    free(h.at);
    h = hear_live((script){bytes, 4000, 500, 0}, 999, 0, NULL, NULL);
    assert_error(&h.err, TSR_ERR_USAGE, "pipe", "999");
}

static void other_files_are_collected_first(void **state)
{
    (void)state;
    static const char *const files[] = {"speech.mp3", "speech.m4a", "speech.avi"};
    for (size_t i = 0; i < 3; i++) {
        tsr_audio want = whole(files[i]);
        size_t len;
        unsigned char *bytes = test_read_file(fixture_path(files[i]), &len);
        heard h = hear_live((script){bytes, len, 999, 0}, 0, 1 << 20, NULL, NULL);
        assert_int_equal(h.n, want.n_samples);
        assert_memory_equal(h.at, want.samples, h.n * sizeof *h.at);
        free(h.at);
        h = hear_live((script){bytes, len, 999, 0}, 0, len - 1, NULL, NULL);
        assert_error(&h.err, TSR_ERR_LIMIT, "pipe", "bytes");
        free(bytes);
        tsr_audio_deinit(&want);
    }
}

/* ---- what is wrong ---- */

static void what_was_whole_is_given_before_the_failure(void **state)
{
    (void)state;
    unsigned char wav[WAV_HEAD + 2000] = {0};
    put_wav_head(wav, 1, 1, 16000, 16, 2000);
    heard h = hear_live((script){wav, WAV_HEAD + 1000, 100, 0}, 0, 0, NULL, NULL);
    assert_int_equal(h.n, 500);
    assert_error(&h.err, TSR_ERR_DATA, "pipe: is cut short", "1000 bytes");
    free(h.at);
    h = hear_live((script){wav, WAV_HEAD + 1000, 100, TSR_READ_STOPPED}, 0, 0, NULL, NULL); /* nobody wants more */
    assert_int_equal(h.st, TSR_OK);
    assert_int_equal(h.n, 500);
    free(h.at);
    h = hear_live((script){wav, WAV_HEAD + 1000, 100, TSR_READ_FAILED}, 0, 0, NULL, NULL);
    assert_int_equal(h.n, 500);
    assert_error(&h.err, TSR_ERR_IO, "pipe", NULL);
    free(h.at);
    h = hear_live((script){wav, WAV_HEAD + 1000, 100, -7}, 0, 0, NULL, NULL);
    assert_error(&h.err, TSR_ERR_BUG, "pipe", "-7");
    free(h.at);
}

static void a_limit_of_seconds_holds_for_bytes_that_come_in(void **state)
{
    (void)state;
    hour h = {.end = 1u << 20};
    tsr_audio_opts o = tsr_audio_opts_default();
    tsr_audio_stream *s;
    tsr_error e = {0};
    o.max_seconds = 2;
    assert_int_equal(tsr_audio_stream_open_live(&s, &(tsr_audio_reader){read_hour, &h, "pipe"}, 16000, 0, &o, &e), TSR_OK);
    heard got = drain(s, 5000);
    assert_true(got.n <= 32000);
    assert_error(&got.err, TSR_ERR_LIMIT, "more than 2.00 s", "pipe");
    assert_true(h.at < 200000);
    free(got.at);
    tsr_audio_stream_close(s);
    o.start_us = 1;
    assert_int_equal(tsr_audio_stream_open_live(&s, &(tsr_audio_reader){read_hour, &h, "pipe"}, 16000, 0, &o, NULL),
                     TSR_ERR_USAGE);
}

static void every_cut_and_flip_of_a_header_is_survived(void **state)
{
    (void)state;
    unsigned char wav[WAV_HEAD + 64] = {0}, broken[sizeof wav];
    put_wav_head(wav, 1, 1, 16000, 16, 64);
    for (size_t n = 0; n < sizeof wav; n++) {
        heard h = hear_live((script){wav, n, 5, 0}, 0, 1 << 16, NULL, NULL);
        assert_int_not_equal(h.st, TSR_OK);
        assert_true(h.err.text[0]);
        free(h.at);
    }
    for (size_t i = 0; i < WAV_HEAD; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(broken, wav, sizeof wav);
            broken[i] ^= (unsigned char)(1u << bit);
            heard h = hear_live((script){broken, sizeof broken, 5, 0}, 0, 1 << 16, NULL, NULL);
            assert_true(h.st == TSR_OK || h.err.text[0]);
            free(h.at);
        }
}

static void streams_survive_every_failed_allocation(void **state)
{
    (void)state;
    size_t len;
    unsigned char *bytes = test_read_file(fixture_path("speech.mp3"), &len);
    size_t live = tsr_alloc_live();
    tsr_audio_opts o = tsr_audio_opts_default();
    o.sample_rate = 8000;
    for (size_t k = 1;; k++) {
        tsr_alloc_fail_at(k);
        heard h = hear_live((script){bytes, len, 9999, 0}, 0, 1 << 20, &o, NULL);
        tsr_alloc_fail_at(0);
        free(h.at);
        assert_int_equal(tsr_alloc_live(), live);
        if (h.st == TSR_OK)
            break;
        assert_int_equal(h.st, TSR_ERR_NOMEM);
    }
    free(bytes);
}

/* Root mean square of [from, to) seconds. */
static double level(const tsr_audio *a, double from, double to)
{
    double sum = 0;
    size_t i = (size_t)(from * a->sample_rate), end = (size_t)(to * a->sample_rate), n = end - i;
    assert_true(end <= a->n_samples);
    for (; i < end; i++)
        sum += (double)a->samples[i] * (double)a->samples[i];
    return sqrt(sum / (double)n);
}

/* A tone to 1.02 s and from 3.02 s to 4 s. */
static void time_stamps_that_jump_leave_silence_and_later_sound_its_time(void **state)
{
    static const char *const files[] = {"hole.mkv", "hole.mp4"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tsr_audio a = whole(files[i]), b;
        tsr_audio_opts o = tsr_audio_opts_default();
        assert_int_equal(a.source.n_holes, 1);
        assert_true(llabs((long long)a.source.hole_us - 2000000) < 10000);
        assert_true(fabs((double)a.n_samples / a.sample_rate - 4) < 0.05);
        assert_true(level(&a, 0.1, 0.9) > 0.05 && level(&a, 3.1, 3.9) > 0.05);
        assert_true(level(&a, 1.15, 2.95) < 1e-3);
        tsr_source *src = open_fixture(files[i]);
        o.start_us = 2000000; /* inside of the hole */
        o.end_us = 3500000;
        assert_int_equal(tsr_audio_decode(&b, src, &o, NULL), TSR_OK);
        assert_true(fabs((double)b.n_samples / b.sample_rate - 1.5) < 0.01);
        assert_true(level(&b, 0, 0.9) < 1e-3 && level(&b, 1.1, 1.45) > 0.05);
        tsr_audio_deinit(&b);
        o.start_us = 3500000; /* behind it */
        o.end_us = -1;
        assert_int_equal(tsr_audio_decode(&b, src, &o, NULL), TSR_OK);
        assert_true(fabs((double)b.n_samples / b.sample_rate - 0.5) < 0.05);
        tsr_audio_deinit(&b);
        o.start_us = 0;
        o.max_seconds = 2.5; /* silence counts */
        assert_int_equal(tsr_audio_decode(&b, src, &o, NULL), TSR_ERR_LIMIT);
        tsr_source_close(src);
        tsr_audio_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_takes_little_memory), /* first: the peak is of the process */
        cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(a_wav_that_comes_in_is_the_file),
        cmocka_unit_test(every_plain_type_comes_in_exactly),
        cmocka_unit_test(a_size_that_is_no_promise_means_until_the_end),
        cmocka_unit_test(bare_samples_have_the_rate_that_is_told),
        cmocka_unit_test(other_files_are_collected_first),
        cmocka_unit_test(what_was_whole_is_given_before_the_failure),
        cmocka_unit_test(a_limit_of_seconds_holds_for_bytes_that_come_in),
        cmocka_unit_test(every_cut_and_flip_of_a_header_is_survived),
        cmocka_unit_test(time_stamps_that_jump_leave_silence_and_later_sound_its_time),
        cmocka_unit_test(streams_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
