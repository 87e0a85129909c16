/* Resampling by both engines: the right number of samples, in place, and a clean spectrum. */
#include <math.h>

#include "stream_fixture.h"
#include "resample_internal.h"

static const double TAU = 6.283185307179586;
enum { OUT_RATE = 16000, EDGE = 400 /* output samples where the filter hangs over an end */ };

static double tone(double t, double hz)
{
    return 0.5 * sin(TAU * hz * t);
}

/* Resample n samples of a tone in pieces of `piece`. */
static tsri_samples resample_tone(unsigned rate, size_t n, double hz, size_t piece, tsri_engine engine)
{
    tsri_resampler *r;
    tsri_samples out = {NULL, 0, 0};
    float buf[5000];
    tsr_error e = {0};
    assert_true(piece <= 5000);
    if (tsri_resampler_open(&r, rate, OUT_RATE, engine, "tone", &e) != TSR_OK)
        fail_msg("%s", e.text);
    for (size_t i = 0; i < n; i += piece) {
        size_t k = n - i < piece ? n - i : piece;
        for (size_t j = 0; j < k; j++)
            buf[j] = (float)tone((double)(i + j) / rate, hz);
        assert_int_equal(tsri_resampler_push(r, buf, k, &out, &e), TSR_OK);
    }
    assert_int_equal(tsri_resampler_finish(r, &out, &e), TSR_OK);
    tsri_resampler_close(r);
    return out;
}

static double snr_db(const tsri_samples *s, double hz)
{
    double signal = 0, noise = 0;
    for (size_t i = EDGE; i + EDGE < s->n; i++) {
        double want = tone((double)i / OUT_RATE, hz), d = (double)s->data[i] - want;
        signal += want * want;
        noise += d * d;
    }
    return 10 * log10(signal / (noise + 1e-30));
}

static void check_engine(tsri_engine engine)
{
    static const unsigned rates[] = {8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000};
    static const double tones[] = {100, 440, 1000, 3000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        for (size_t k = 0; k < sizeof tones / sizeof tones[0]; k++) {
            unsigned rate = rates[i];
            size_t n = rate + 7;
            tsri_samples s = resample_tone(rate, n, tones[k], 997, engine);
            assert_int_equal(s.n, (n * (uint64_t)OUT_RATE + rate / 2) / rate);
            double db = snr_db(&s, tones[k]);
            if (!(db > 80)) /* 98 dB and more were seen, 60 are promised */
                fail_msg("%u Hz, tone of %g Hz: %g dB", rate, tones[k], db);
            tsr_free(s.data);
        }
}

static void ffmpegs_own_engine_keeps_tones(void **state)
{
    (void)state;
    check_engine(TSRI_ENGINE_SWR);
}

static void the_best_engine_keeps_tones(void **state)
{
    (void)state;
    check_engine(TSRI_ENGINE_BEST);
}

/* What 16 kHz cannot carry must vanish, not fold back. */
static void tones_beyond_the_band_vanish(void **state)
{
    (void)state;
    static const double tones[] = {9500, 12000, 15000, 20000};
    for (size_t k = 0; k < sizeof tones / sizeof tones[0]; k++) {
        tsri_samples s = resample_tone(48000, 48000, tones[k], 4096, TSRI_ENGINE_BEST);
        double power = 0;
        for (size_t i = EDGE; i + EDGE < s.n; i++)
            power += (double)s.data[i] * (double)s.data[i];
        power = 10 * log10(power / (double)(s.n - 2 * EDGE) / 0.125 + 1e-30);
        if (!(power < -70))
            fail_msg("a tone of %g Hz is left at %g dB", tones[k], power);
        tsr_free(s.data);
    }
}

static void pieces_of_any_size_give_the_same(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 160, 4999};
    tsri_samples whole = resample_tone(44100, 5000, 440, 5000, TSRI_ENGINE_BEST);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        tsri_samples s = resample_tone(44100, 5000, 440, pieces[i], TSRI_ENGINE_BEST);
        assert_int_equal(s.n, whole.n);
        for (size_t k = 0; k < s.n; k++)
            assert_true(fabs((double)s.data[k] - (double)whole.data[k]) < 1e-6);
        tsr_free(s.data);
    }
    tsr_free(whole.data);
}

static void short_sounds_have_their_length(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        tsri_samples s = resample_tone(44100, n, 440, 64, TSRI_ENGINE_BEST);
        assert_int_equal(s.n, (n * 16000 + 22050) / 44100);
        for (size_t i = 0; i < s.n; i++)
            assert_true(isfinite(s.data[i]));
        tsr_free(s.data);
    }
}

static void equal_rates_copy(void **state)
{
    (void)state;
    tsri_samples s = resample_tone(16000, 1234, 440, 100, TSRI_ENGINE_BEST);
    assert_int_equal(s.n, 1234);
    for (size_t i = 0; i < s.n; i++)
        assert_true(s.data[i] == (float)tone((double)i / 16000, 440));
    tsr_free(s.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ffmpegs_own_engine_keeps_tones),   cmocka_unit_test(the_best_engine_keeps_tones),
        cmocka_unit_test(tones_beyond_the_band_vanish),     cmocka_unit_test(pieces_of_any_size_give_the_same),
        cmocka_unit_test(short_sounds_have_their_length),   cmocka_unit_test(equal_rates_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
