/* test_mel.c: log-mel frames against a direct DFT in f64 and against frames of the reference. */
#include "test_main.h"

#include <math.h>

#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_mel.h"

static const double PI = 3.14159265358979323846;

static tsr_mel *open_default(void)
{
    tsr_mel *m = NULL;
    tsr_error err = {0};
    tsr_mel_opts opts = tsr_mel_opts_default();
    assert_int_equal(tsr_mel_open(&m, &opts, &err), TSR_OK);
    return m;
}

/* As in make_mel_ref.py. */
static float sample(size_t i)
{
    uint32_t h = (uint32_t)i * 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    double noise = (double)(h >> 8) * 0x1p-23 - 1.0, saw = (double)(i % 73) / 73.0 - 0.5;
    return (float)((i < 2500 ? 0.01 : 0.3) * noise + 0.5 * saw);
}

static void frames_are_floor_of_n_minus_1_over_160(void **state)
{
    tsr_mel *m = open_default();
    (void)state;
    for (size_t n = 0; n < 2000; n++)
        assert_int_equal(tsr_mel_frames(m, n), n == 0 ? 0 : (n - 1) / 160);
    assert_int_equal(tsr_mel_frames(m, 160), 0);
    assert_int_equal(tsr_mel_frames(m, 161), 1);
    assert_int_equal(tsr_mel_frames(m, 480000), 2999);
    assert_int_equal(tsr_mel_frames(m, SIZE_MAX), (SIZE_MAX - 1) / 160);
    tsr_mel_close(m);
}

static void frames_equal_the_reference(void **state)
{
    enum { N = 5000, FRAMES = 31 };
    tsr_mel *m = open_default();
    size_t len = 0;
    unsigned char *bytes = test_read_file(test_path(TSR_TEST_DIR, "data/mel_ref.f32"), &len);
    static float x[N], got[FRAMES * 128], want[FRAMES * 128];
    (void)state;
    assert_int_equal(len, sizeof want);
    memcpy(want, bytes, sizeof want);
    for (size_t i = 0; i < N; i++)
        x[i] = sample(i);
    assert_int_equal(tsr_mel_frames(m, N), FRAMES);
    tsr_mel_compute(m, x, N, got);
    for (size_t i = 0; i < FRAMES * 128; i++)
        assert_true(fabsf(got[i] - want[i]) <= 1e-6f); /* observed 4.8e-7, one unit in the last place */
    free(bytes);
    tsr_mel_close(m);
}

/* Filter f of 128 between 0 and 8,000 Hz at a bin, from the definition. */
static double triangle(size_t f, size_t bin)
{
    double top = 2595.0 * log10(1.0 + 8000.0 / 700.0), edge[3];
    for (size_t k = 0; k < 3; k++)
        edge[k] = 700.0 * (pow(10.0, top * (double)(f + k) / 129.0 / 2595.0) - 1.0);
    double hz = 31.25 * (double)bin;
    return fmax(0.0, fmin((hz - edge[0]) / (edge[1] - edge[0]), (edge[2] - hz) / (edge[2] - edge[1])));
}

static void direct_frame(const float *x, size_t n, size_t frame, double *out)
{
    double magnitude[257];
    for (size_t bin = 0; bin < 257; bin++) {
        double re = 0.0, im = 0.0;
        for (size_t i = 0; i < 320; i++) {
            size_t at = frame * 160 + i;
            double s = at >= 160 && at - 160 < n ? (double)x[at - 160] : 0.0;
            s *= 0.5 - 0.5 * cos(2.0 * PI * (double)i / 320.0);
            re += s * cos(2.0 * PI * (double)(i * bin % 512) / 512.0);
            im -= s * sin(2.0 * PI * (double)(i * bin % 512) / 512.0);
        }
        magnitude[bin] = sqrt(re * re + im * im);
    }
    for (size_t f = 0; f < 128; f++) {
        double sum = 0.0;
        for (size_t bin = 0; bin < 257; bin++)
            sum += magnitude[bin] * triangle(f, bin);
        out[f] = log(sum + 1e-3);
    }
}

static void frames_equal_a_direct_transform(void **state)
{
    static const size_t lengths[] = {161, 320, 321, 479, 481, 1500};
    tsr_mel *m = open_default();
    float x[1500], got[9 * 128];
    double want[128];
    (void)state;
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        size_t n = lengths[l];
        for (size_t i = 0; i < n; i++)
            x[i] = sample(i + 1000 * l) + 0.3f * sinf((float)i * 0.2f);
        tsr_mel_compute(m, x, n, got);
        for (size_t t = 0; t < tsr_mel_frames(m, n); t++) {
            direct_frame(x, n, t, want);
            for (size_t f = 0; f < 128; f++)
                assert_true(fabs((double)got[t * 128 + f] - want[f]) <= 2e-6); /* observed 5e-7 */
        }
    }
    tsr_mel_close(m);
}

static void silence_is_the_floor_and_filter_0_is_empty(void **state)
{
    tsr_mel *m = open_default();
    float x[400] = {0}, got[2 * 128];
    const float floor_value = (float)log(1e-3);
    (void)state;
    tsr_mel_compute(m, x, 400, got);
    for (size_t i = 0; i < 2 * 128; i++)
        assert_true(got[i] == floor_value);
    for (size_t i = 0; i < 400; i++)
        x[i] = 1.0f;
    tsr_mel_compute(m, x, 400, got);
    assert_true(got[0] == floor_value && got[128] == floor_value);
    assert_true(got[129] > floor_value);
    tsr_mel_close(m);
}

static void later_samples_do_not_change_earlier_frames(void **state)
{
    tsr_mel *m = open_default();
    float x[1500], whole[9 * 128], part[4 * 128];
    (void)state;
    for (size_t i = 0; i < 1500; i++)
        x[i] = sample(i);
    tsr_mel_compute(m, x, 1500, whole);
    tsr_mel_compute(m, x, 641, part);
    assert_memory_equal(whole, part, sizeof part);
    tsr_mel_close(m);
}

static tsr_status read_opts(const char *json, tsr_mel_opts *opts, tsr_error *err)
{
    tsr_json *j = NULL;
    assert_int_equal(tsr_json_parse(&j, json, strlen(json), "extractor", NULL), TSR_OK);
    tsr_status st = tsr_mel_opts_read(opts, j, err);
    tsr_json_free(j);
    return st;
}

static void options_are_read_as_saved(void **state)
{
    static const char saved[] =
        "{\"dither\": 0.0, \"feature_size\": 128, \"fft_length\": 512, \"fft_overdrive\": false, \"frame_length\": 320, "
        "\"hop_length\": 160, \"input_scale_factor\": 1.0, \"max_frequency\": 8000.0, \"mel_floor\": 0.001, "
        "\"min_frequency\": 0.0, \"per_bin_mean\": null, \"per_bin_stddev\": null, \"preemphasis\": 0.0, "
        "\"preemphasis_htk_flavor\": true, \"sampling_rate\": 16000}";
    tsr_mel_opts o, d = tsr_mel_opts_default();
    tsr_error err = {0};
    (void)state;
    assert_int_equal(read_opts(saved, &o, &err), TSR_OK);
    assert_memory_equal(&o, &d, sizeof o);
    assert_int_equal(tsr_mel_opts_read(&o, NULL, &err), TSR_OK);
    assert_memory_equal(&o, &d, sizeof o);
    assert_int_equal(read_opts("{\"feature_size\": 80, \"frame_length_ms\": 32.0, \"max_frequency\": 7600.0}", &o, &err),
                     TSR_OK);
    assert_int_equal(o.n_mels, 80);
    assert_int_equal(o.frame_len, 512);
    assert_int_equal(o.fft_len, 512);
    assert_true(o.max_hz == 7600.0);
}

static void options_that_are_not_built_are_refused(void **state)
{
    static const struct {
        const char *json;
        tsr_status st;
        const char *key;
    } cases[] = {
        {"{\"preemphasis\": 0.97}", TSR_ERR_UNSUPPORTED, "preemphasis"},
        {"{\"dither\": 0.0001}", TSR_ERR_UNSUPPORTED, "dither"},
        {"{\"input_scale_factor\": 2.0}", TSR_ERR_UNSUPPORTED, "input_scale_factor"},
        {"{\"sampling_rate\": 8000}", TSR_ERR_UNSUPPORTED, "sampling_rate"},
        {"{\"per_bin_mean\": [0.0]}", TSR_ERR_UNSUPPORTED, "per_bin_mean"},
        {"{\"per_bin_stddev\": [1.0]}", TSR_ERR_UNSUPPORTED, "per_bin_stddev"},
        {"{\"frame_length\": 400}", TSR_ERR_UNSUPPORTED, "frame_length"},
        {"{\"fft_length\": 1024}", TSR_ERR_UNSUPPORTED, "fft_length"},
        {"{\"feature_size\": \"many\"}", TSR_ERR_MODEL, "feature_size"},
        {"{\"feature_size\": 0}", TSR_ERR_MODEL, "feature_size"},
        {"{\"hop_length_ms\": -10}", TSR_ERR_MODEL, "hop_length_ms"},
        {"{\"frame_length_ms\": 1e300}", TSR_ERR_MODEL, "frame_length_ms"},
        {"{\"mel_floor\": [1]}", TSR_ERR_MODEL, "mel_floor"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_mel_opts o;
        tsr_error err = {0};
        assert_int_equal(read_opts(cases[i].json, &o, &err), cases[i].st);
        assert_error(&err, cases[i].st, cases[i].key, NULL);
    }
}

static void impossible_options_do_not_open(void **state)
{
    tsr_mel_opts all[7];
    (void)state;
    for (size_t i = 0; i < 7; i++)
        all[i] = tsr_mel_opts_default();
    all[0].fft_len = 500;
    all[1].frame_len = 513;
    all[2].max_hz = 9000.0;
    all[3].min_hz = 8000.0;
    all[4].floor = 0.0;
    all[5].hop_len = 0;
    all[6].n_mels = 0;
    for (size_t i = 0; i < 7; i++) {
        tsr_mel *m = NULL;
        assert_int_equal(tsr_mel_open(&m, &all[i], NULL), TSR_ERR_MODEL);
        assert_null(m);
    }
}

static void open_survives_every_failed_allocation(void **state)
{
    tsr_mel_opts opts = tsr_mel_opts_default();
    (void)state;
    size_t live = tsr_alloc_live(), k = 0;
    for (tsr_status st = TSR_ERR_NOMEM; st != TSR_OK;) {
        tsr_mel *m = NULL;
        tsr_alloc_fail_at(++k);
        st = tsr_mel_open(&m, &opts, NULL);
        tsr_alloc_fail_at(0);
        assert_true(st == TSR_OK || (st == TSR_ERR_NOMEM && !m));
        tsr_mel_close(m);
        assert_int_equal(tsr_alloc_live(), live);
    }
    assert_true(k > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_floor_of_n_minus_1_over_160),
        cmocka_unit_test(frames_equal_the_reference),
        cmocka_unit_test(frames_equal_a_direct_transform),
        cmocka_unit_test(silence_is_the_floor_and_filter_0_is_empty),
        cmocka_unit_test(later_samples_do_not_change_earlier_frames),
        cmocka_unit_test(options_are_read_as_saved),
        cmocka_unit_test(options_that_are_not_built_are_refused),
        cmocka_unit_test(impossible_options_do_not_open),
        cmocka_unit_test(open_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
