/* Where somebody may be speaking: in quiet and in noise, loud, soft and whispered, beside beeps and music; and
 * steady noise is nobody. Sounds are made here, so that it is known when what is heard. */
#include <math.h>
#include <stdio.h>

#include "stream_fixture.h"
#include "tsr_audio.h"
#include "tsr_voice.h"

enum { RATE = TSR_VOICE_RATE, SECONDS = 20, N = SECONDS * RATE, N_FRAMES = N / TSR_VOICE_FRAME };

static float sound[N];
static bool voiced[N_FRAMES + 1];
static size_t n_frames;

/* ---- sounds ---- */

static double uniform(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / 8388608.0 - 1.0;
}

static void silence(void)
{
    memset(sound, 0, sizeof sound);
}

static void add_white(double from, double to, double level)
{
    uint32_t seed = 7;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++)
        sound[i] += (float)(level * 1.7 * uniform(&seed));
}

/* Three poles and zeros that fall by about 3 dB an octave. */
static void add_pink(double from, double to, double level)
{
    uint32_t seed = 11;
    double a = 0, b = 0, c = 0;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++) {
        double w = uniform(&seed);
        a = 0.99765 * a + w * 0.0990460;
        b = 0.96300 * b + w * 0.2965164;
        c = 0.57000 * c + w * 1.0526913;
        sound[i] += (float)(level * (a + b + c + w * 0.1848));
    }
}

static void add_tone(double from, double to, double hz, double level)
{
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++) {
        double t = (double)i / RATE, edge = fmin(t - from, to - t) / 0.01;
        sound[i] += (float)(level * fmin(1, edge) * sin(6.283185307179586 * hz * t));
    }
}

/* Like speech: a source (a buzz at 120 Hz, or noise for a whisper) through three resonances that move, four syllables a
 * second. */
static void add_talk(double from, double to, double level, bool whisper)
{
    static const double vowels[4][3] = {{700, 1200, 2600}, {300, 2200, 3000}, {350, 900, 2300}, {550, 1700, 2500}};
    double y[3][2] = {{0}};
    uint32_t seed = 3;
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++) {
        double t = (double)i / RATE - from, out = 0;
        double loud = fmax(0, sin(3.14159265 * fmod(t * 4, 1)));
        double source = whisper ? 0.3 * uniform(&seed) : fmod(t * 120, 1) - 0.5 + 0.02 * uniform(&seed);
        const double *f = vowels[(size_t)(t * 4) % 4];
        for (size_t k = 0; k < 3; k++) {
            double r = exp(-3.14159265 * 90 / RATE), c = 2 * r * cos(6.283185307179586 * f[k] / RATE);
            double x = (1 - r) * source + c * y[k][0] - r * r * y[k][1];
            y[k][1] = y[k][0];
            y[k][0] = x;
            out += x;
        }
        sound[i] += (float)(level * loud * out);
    }
}

/* ---- listening ---- */

static void listen(size_t piece)
{
    tsr_voice *v;
    static tsr_voice_frame frames[N_FRAMES + 1];
    assert_int_equal(tsr_voice_open(&v, NULL), TSR_OK);
    n_frames = 0;
    for (size_t at = 0; at < N; at += piece) {
        size_t n = N - at < piece ? N - at : piece, got = tsr_voice_push(v, sound + at, n, frames);
        for (size_t k = 0; k < got; k++)
            voiced[n_frames++] = frames[k].is_voiced;
    }
    assert_int_equal(n_frames, N_FRAMES);
    tsr_voice_close(v);
}

/* How much of a stretch is voiced, 0 to 1. */
static double share(double from, double to)
{
    size_t a = (size_t)(from * 50), b = (size_t)(to * 50), n = 0;
    for (size_t i = a; i < b; i++)
        n += voiced[i];
    return (double)n / (double)(b - a);
}

static void expect(const char *what, double from, double to, double least, double most)
{
    double x = share(from, to);
    if (!(x >= least && x <= most))
        fail_msg("%s: %.1f to %.1f s: %.2f is voiced, wanted %.2f to %.2f", what, from, to, x, least, most);
}

/* ---- the promises ---- */

static void silence_is_nobody(void **state)
{
    (void)state;
    silence();
    listen(1000);
    expect("silence", 0, 20, 0, 0);
    for (size_t i = 0; i < N; i++)
        sound[i] = 0.3f; /* an offset of the converter */
    listen(1000);
    expect("a constant", 0.3, 20, 0, 0);
}

static void talk_is_found_in_time(void **state)
{
    (void)state;
    static const double levels[] = {1.0, 0.1, 0.02};
    for (size_t i = 0; i < 3; i++) {
        silence();
        add_talk(0, 3, levels[i], false); /* from the first sample on */
        add_talk(8, 12, levels[i], false);
        listen(320);
        expect("talk at the start", 0.12, 2.9, 0.9, 1);
        expect("the pause", 3.2, 7.95, 0, 0);
        expect("talk", 8.12, 11.9, 0.9, 1);
        expect("the end", 12.3, 20, 0, 0);
    }
}

static void whispers_are_found(void **state)
{
    (void)state;
    static const double levels[] = {1.0, 0.1};
    for (size_t i = 0; i < 2; i++) {
        silence();
        add_pink(0, 20, levels[i] * 0.0005);
        add_talk(8, 12, levels[i], true);
        listen(320);
        expect("before", 4, 7.9, 0, 0);
        expect("a whisper", 8.15, 11.9, 0.8, 1);
        expect("after", 12.4, 20, 0, 0);
    }
}

static void steady_noise_becomes_floor(void **state)
{
    (void)state;
    static const double levels[] = {0.5, 0.1, 0.01, 0.001};
    for (size_t i = 0; i < 8; i++) {
        silence();
        if (i < 4)
            add_white(0, 20, levels[i]);
        else
            add_pink(0, 20, 0.2 * levels[i - 4]);
        listen(320);
        expect(i < 4 ? "white noise" : "pink noise", 4, 20, 0, 0.002);
    }
}

static void talk_in_noise_is_found_and_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        silence();
        if (i == 0)
            add_white(0, 20, 0.01);
        else
            add_pink(0, 20, 0.01);
        add_talk(8, 12, 1.0, false);
        listen(320);
        expect("noise before", 4, 7.9, 0, 0.01);
        expect("talk in noise", 8.15, 11.9, 0.8, 1);
        expect("noise after", 12.4, 20, 0, 0.01);
    }
}

static void beeps_and_tunes_of_pure_tones_are_nobody(void **state)
{
    (void)state;
    static const double scale[] = {262, 294, 330, 349, 392, 440, 494, 523, 880, 1760};
    silence();
    add_white(0, 20, 0.0003);
    for (size_t i = 0; i < 72; i++)
        add_tone(1 + 0.25 * (double)i, 1.22 + 0.25 * (double)i, scale[i * 7 % 10], 0.3);
    listen(320);
    expect("a tune", 4, 20, 0, 0.02);
}

/* A held chord of an instrument with harmonics is sound that may be speech, but not for long. */
static void a_held_chord_becomes_floor_and_hides_no_talk(void **state)
{
    (void)state;
    silence();
    for (unsigned h = 1; h <= 8; h++)
        for (size_t k = 0; k < 3; k++)
            add_tone(1, 19, (double[]){196, 247, 294}[k] * h, 0.02 / h);
    add_talk(10, 13, 1.0, false);
    listen(320);
    expect("the chord", 6, 9.9, 0, 0.02);
    expect("talk over it", 10.2, 12.9, 0.8, 1);
    expect("the chord again", 13.5, 18.5, 0, 0.05);
}

static void clicks_are_nobody(void **state)
{
    (void)state;
    silence();
    for (size_t i = 1; i < SECONDS; i++)
        for (size_t k = 0; k < 40; k++)
            sound[i * RATE + k] = k % 2 ? 0.8f : -0.8f;
    listen(320);
    expect("clicks", 0, 20, 0, 0);
}

static void pieces_do_not_matter(void **state)
{
    (void)state;
    static bool first[N_FRAMES];
    static const size_t pieces[] = {1, 319, 4321, N};
    silence();
    add_pink(0, 20, 0.005);
    add_talk(5, 9, 0.5, false);
    listen(320);
    memcpy(first, voiced, sizeof first);
    for (size_t i = 0; i < 4; i++) {
        listen(pieces[i]);
        assert_memory_equal(first, voiced, sizeof first);
    }
}

static void take_file(const char *path)
{
    tsr_audio a;
    tsr_source *src;
    tsr_error e = {0};
    if (tsr_source_open(&src, path, 1 << 24, &e) != TSR_OK || tsr_audio_decode(&a, src, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    silence();
    for (size_t i = 0; i < a.n_samples && i + 5 * RATE < N; i++)
        sound[5 * RATE + i] = a.samples[i];
    tsr_audio_deinit(&a);
    tsr_source_close(src);
}

static void spoken_samples_are_found(void **state)
{
    (void)state;
    take_file(TSR_SOURCE_DIR "/samples/numbers.wav"); /* seven words in 4.4 seconds */
    listen(320);
    expect("before", 0, 5, 0, 0);
    expect("seven numbers", 5.1, 9.3, 0.85, 1);
    expect("after", 9.8, 20, 0, 0);
}

static void other_voices_are_found(void **state)
{
    static const char *const voices[] = {"en-us", "en+f2", "en+whisper", "de"};
    (void)state;
    if (system("espeak-ng --version >/dev/null 2>&1") != 0) {
        print_message("espeak-ng is not installed: its voices are not tried\n");
        skip();
    }
    char *root = test_tmp_make(), line[512];
    for (size_t i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "espeak-ng -v %s -s 150 -w %s/v.wav 'the door is open, go to the garden'", voices[i], root);
        assert_int_equal(system(line), 0);
        take_file(test_path(root, "v.wav"));
        add_pink(0, 20, 0.001);
        listen(320);
        expect(voices[i], 3.9, 5, 0, 0.02);
        expect(voices[i], 5.15, 6.4, 0.8, 1);
        expect(voices[i], 9, 20, 0, 0.01);
    }
    test_tmp_remove(root);
}

static void opening_survives_a_failed_allocation(void **state)
{
    (void)state;
    tsr_voice *v;
    tsr_error e = {0};
    tsr_alloc_fail_at(1);
    assert_int_equal(tsr_voice_open(&v, &e), TSR_ERR_NOMEM);
    tsr_alloc_fail_at(0);
    assert_null(v);
    tsr_voice_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_nobody),
        cmocka_unit_test(talk_is_found_in_time),
        cmocka_unit_test(whispers_are_found),
        cmocka_unit_test(steady_noise_becomes_floor),
        cmocka_unit_test(talk_in_noise_is_found_and_ends),
        cmocka_unit_test(beeps_and_tunes_of_pure_tones_are_nobody),
        cmocka_unit_test(a_held_chord_becomes_floor_and_hides_no_talk),
        cmocka_unit_test(clicks_are_nobody),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(spoken_samples_are_found),
        cmocka_unit_test(other_voices_are_found),
        cmocka_unit_test(opening_survives_a_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
