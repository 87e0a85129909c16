/* test_hearing.c: both sound kinds against their plain f64 computation, and what must not change their bits. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "enc_model.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_hearing.h"

typedef struct bench {
    enc_model model;
    char *dir;
    tsr_weights *w;
    tsr_json *config;
    tsr_pool *pool;
    tsr_hearing *a;
} bench;

static tsr_status try_open(bench *b, enc_model model, unsigned n_threads, tsr_error *err)
{
    *b = (bench){.model = model, .dir = test_tmp_make()};
    b->w = enc_open(&model, b->dir);
    b->config = enc_config(&model);
    assert_int_equal(tsr_pool_open(&b->pool, n_threads, NULL), TSR_OK);
    return tsr_hearing_open(&b->a, b->w, b->config, NULL, ENC_TEXT_HIDDEN, b->pool, err);
}

static void close_all(bench *b)
{
    tsr_hearing_close(b->a);
    tsr_pool_close(b->pool);
    tsr_json_free(b->config);
    tsr_weights_close(b->w);
    test_tmp_remove(b->dir);
    enc_model_free(&b->model);
}

static void open_all(bench *b, enc_model model, unsigned n_threads)
{
    tsr_error err = {0};
    if (try_open(b, model, n_threads, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tsr_weights_check_unclaimed(b->w, &err), TSR_OK);
}

/* Features and rows of a clip, both the caller's (free). */
static float *hear(bench *b, size_t n_samples, unsigned seed, float **features, size_t *n_frames, size_t *n_rows)
{
    tsr_error err = {0};
    float *x = enc_sound(n_samples, seed);
    size_t need = tsr_hearing_tokens_for(b->a, n_samples);
    *n_frames = tsr_hearing_frames_for(b->a, n_samples);
    *features = must_realloc(NULL, (*n_frames + 1) * tsr_hearing_describe(b->a).feature_width * sizeof **features);
    tsr_hearing_features(b->a, x, n_samples, *features);
    float *rows = must_realloc(NULL, (need + 1) * ENC_TEXT_HIDDEN * sizeof *rows);
    if (tsr_hearing_encode(b->a, *features, *n_frames, rows, need, n_rows, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(*n_rows, need);
    free(x);
    return rows;
}

/* 1, 2, 4 and 5 frames; a whole window of attention and one more; past two windows. */
static const size_t LENGTHS[] = {161, 321, 641, 801, 7681, 7841, 16000, 24161};

static void compare_tower(enc_model model)
{
    bench b;
    open_all(&b, model, 1);
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        size_t n_frames = 0, n = 0;
        float *mel = NULL, *got = hear(&b, LENGTHS[i], (unsigned)i, &mel, &n_frames, &n);
        double *want = enc_ref_sound_tower(b.w, mel, n_frames, true);
        double diff = enc_difference(got, want, n * ENC_TEXT_HIDDEN);
        if (!(diff <= 1e-5)) /* observed 3e-6 */
            fail_msg("%zu samples: %g", LENGTHS[i], diff);
        free(mel);
        free(got);
        free(want);
    }
    close_all(&b);
}

static void tower_equals_f64_with_and_without_limits(void **state)
{
    (void)state;
    compare_tower(enc_sound_tower(true));
    compare_tower(enc_sound_tower(false));
}

static void tower_of_bf16_weights_computes_with_their_exact_values(void **state)
{
    enc_model m = enc_sound_tower(true);
    (void)state;
    m.type = TSR_BF16;
    compare_tower(m);
}

static void limits_bite(void **state)
{
    bench b;
    size_t n_frames = 0, n = 0;
    float *mel = NULL;
    (void)state;
    open_all(&b, enc_sound_tower(true), 1);
    float *got = hear(&b, 8000, 1, &mel, &n_frames, &n);
    double *want = enc_ref_sound_tower(b.w, mel, n_frames, false);
    assert_true(enc_difference(got, want, n * ENC_TEXT_HIDDEN) > 1e-2);
    free(mel);
    free(got);
    free(want);
    close_all(&b);
}

static void unified_equals_f64(void **state)
{
    static const size_t lengths[] = {1, 639, 640, 641, 16000};
    bench b;
    (void)state;
    open_all(&b, enc_sound_unified(), 1);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n_frames = 0, n = 0;
        float *frames = NULL, *got = hear(&b, lengths[i], (unsigned)i, &frames, &n_frames, &n);
        float *x = enc_sound(lengths[i], (unsigned)i);
        double *want = enc_ref_sound_unified(b.w, x, lengths[i]);
        assert_true(enc_difference(got, want, n * ENC_TEXT_HIDDEN) <= 1e-5); /* observed 5e-7 */
        assert_memory_equal(frames, x, lengths[i] * sizeof *x);
        for (size_t k = lengths[i]; k < n_frames * 640; k++)
            assert_true(frames[k] == 0.0f);
        free(frames);
        free(got);
        free(x);
        free(want);
    }
    close_all(&b);
}

static void tokens_are_known_before_the_sound(void **state)
{
    bench b;
    (void)state;
    open_all(&b, enc_sound_tower(false), 1);
    for (size_t n = 0; n < 3000; n++) {
        size_t frames = n ? (n - 1) / 160 : 0;
        assert_int_equal(tsr_hearing_frames_for(b.a, n), frames);
        assert_int_equal(tsr_hearing_tokens_for(b.a, n), (frames + 3) / 4);
    }
    assert_int_equal(tsr_hearing_tokens_for(b.a, 480000), 750);
    assert_int_equal(tsr_hearing_tokens_for(b.a, 16000), 25);
    tsr_hearing_info info = tsr_hearing_describe(b.a);
    assert_int_equal(info.feature_width, 128);
    assert_int_equal(info.rate_hz, 16000);
    assert_false(info.is_unified);
    close_all(&b);
    open_all(&b, enc_sound_unified(), 1);
    assert_int_equal(tsr_hearing_tokens_for(b.a, 0), 0);
    assert_int_equal(tsr_hearing_tokens_for(b.a, 1), 1);
    assert_int_equal(tsr_hearing_tokens_for(b.a, 640), 1);
    assert_int_equal(tsr_hearing_tokens_for(b.a, 641), 2);
    assert_true(tsr_hearing_describe(b.a).is_unified);
    close_all(&b);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    static const unsigned threads[] = {1, 2, 3, 5};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        float *first = NULL;
        for (size_t i = 0; i < 4; i++) {
            bench b;
            size_t n_frames = 0, n = 0;
            float *features = NULL;
            open_all(&b, kind ? enc_sound_unified() : enc_sound_tower(true), threads[i]);
            float *rows = hear(&b, 20000, 5, &features, &n_frames, &n);
            free(features);
            if (first) {
                assert_memory_equal(rows, first, n * ENC_TEXT_HIDDEN * sizeof *rows);
                free(rows);
            } else {
                first = rows;
            }
            close_all(&b);
        }
        free(first);
    }
}

static void a_clip_gives_the_same_bits_after_any_other(void **state)
{
    bench b;
    size_t n_frames = 0, n = 0;
    float *mel = NULL;
    (void)state;
    open_all(&b, enc_sound_tower(true), 1);
    float *first = hear(&b, 3333, 1, &mel, &n_frames, &n);
    free(mel);
    free(hear(&b, 20000, 2, &mel, &n_frames, &n));
    free(mel);
    float *again = hear(&b, 3333, 1, &mel, &n_frames, &n);
    assert_memory_equal(first, again, n * ENC_TEXT_HIDDEN * sizeof *first);
    free(mel);
    free(first);
    free(again);
    close_all(&b);
}

/* The window is causal: rows before the first changed frame's row keep their values. */
static void later_sound_does_not_change_earlier_rows(void **state)
{
    bench b;
    size_t n_frames = 0, n = 0, n_short = 0;
    float *mel = NULL;
    (void)state;
    open_all(&b, enc_sound_tower(true), 1);
    float *whole = hear(&b, 20000, 1, &mel, &n_frames, &n);
    float *part = must_realloc(NULL, n * ENC_TEXT_HIDDEN * sizeof *part);
    assert_int_equal(tsr_hearing_encode(b.a, mel, 60, part, n, &n_short, NULL), TSR_OK);
    assert_int_equal(n_short, 15);
    /* The last row's convolutions saw a border instead of the next frames. */
    for (size_t i = 0; i < (n_short - 1) * ENC_TEXT_HIDDEN; i++)
        assert_true(fabsf(whole[i] - part[i]) <= 1e-5f);
    free(mel);
    free(whole);
    free(part);
    close_all(&b);
}

static void refused_requests_write_nothing(void **state)
{
    bench b;
    float mel[8 * 128] = {0}, rows[2 * ENC_TEXT_HIDDEN];
    size_t n = 0;
    tsr_error err = {0};
    (void)state;
    open_all(&b, enc_sound_tower(true), 1);
    for (size_t i = 0; i < 2 * ENC_TEXT_HIDDEN; i++)
        rows[i] = 42.0f;
    assert_int_equal(tsr_hearing_encode(b.a, mel, 8, rows, 1, &n, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "2 rows", "1");
    assert_int_equal(n, 2);
    assert_int_equal(tsr_hearing_encode(b.a, mel, 0, rows, 1, &n, NULL), TSR_ERR_DATA);
    assert_int_equal(tsr_hearing_encode(b.a, mel, SIZE_MAX / 2, rows, SIZE_MAX, &n, NULL), TSR_ERR_LIMIT);
    for (size_t i = 0; i < 2 * ENC_TEXT_HIDDEN; i++)
        assert_true(rows[i] == 42.0f);
    assert_int_equal(tsr_hearing_encode(b.a, mel, 4, rows, 2, &n, NULL), TSR_OK);
    assert_true(rows[ENC_TEXT_HIDDEN] == 42.0f); /* nothing past the one row */
    close_all(&b);
}

static void assert_refused(enc_model m, const char *a, const char *b)
{
    bench t;
    tsr_error err = {0};
    assert_true(try_open(&t, m, 1, &err) != TSR_OK);
    assert_null(t.a);
    if (!strstr(err.text, a) || (b && !strstr(err.text, b)))
        fail_msg("wanted '%s' and '%s' in: %s", a, b ? b : "", err.text);
    close_all(&t);
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    for (size_t i = 0;; i++) {
        enc_model m = enc_sound_tower(true);
        if (i == m.n) {
            enc_model_free(&m);
            break;
        }
        char name[128];
        snprintf(name, sizeof name, "%s", m.tensors[i].name);
        enc_remove(&m, name);
        if (strstr(name, "layers.0.self_attn.q_proj.input_min"))
            assert_refused(m, "use_clipped_linears", NULL); /* the tensor that tells the kind */
        else
            assert_refused(m, name, "missing");
    }
}

static void every_wrong_shape_is_named(void **state)
{
    (void)state;
    for (size_t i = 0;; i++) {
        enc_model m = enc_sound_tower(true);
        if (i == m.n) {
            enc_model_free(&m);
            break;
        }
        enc_tensor *t = &m.tensors[i];
        if (t->n_dims == 0)
            t->n_dims = 1, t->shape[0] = 2;
        else
            t->shape[t->n_dims - 1]++;
        assert_refused(m, t->name, "shape");
    }
    enc_model m = enc_sound_unified();
    enc_find(&m, "model.embed_audio.embedding_projection.weight")->shape[1]++;
    assert_refused(m, "embed_audio.embedding_projection", "641");
}

static void configuration_and_weights_must_agree(void **state)
{
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"use_clipped_linears", "false"},    {"hidden_size", "24"},           {"hidden_size", "21"},
        {"num_attention_heads", "3"},        {"num_hidden_layers", "3"},      {"hidden_act", "\"gelu\""},
        {"conv_kernel_size", "0"},           {"attention_context_left", "1"}, {"attention_logit_cap", "0"},
        {"attention_invalid_logits_value", "-1e-9"}, {"gradient_clipping", "-1"}, {"rms_norm_eps", "2"},
        {"output_proj_dims", "15"},          {"residual_weight", "\"half\""}, {"num_hidden_layers", "99999999999"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enc_model m = enc_sound_tower(true);
        enc_set_config(&m, cases[i].key, cases[i].value);
        assert_refused(m, "", NULL);
    }
}

static void rows_that_are_not_finite_are_an_error_that_names_the_step(void **state)
{
    static const struct {
        bool is_unified;
        const char *tensor, *step;
        float value;
    } cases[] = {
        {false, "model.audio_tower.subsample_conv_projection.layer0.conv.weight", "\"conv\" 0", NAN},
        {false, "model.audio_tower.subsample_conv_projection.input_proj_linear.weight", "\"subsampled\" 0", NAN},
        {false, "model.audio_tower.layers.1.lconv1d.depthwise_conv1d.weight", "\"layer\" 1", NAN},
        {false, "model.audio_tower.layers.0.self_attn.per_dim_scale", "\"layer\" 0", NAN},
        {false, "model.audio_tower.output_proj.bias", "\"output\" 0", NAN},
        {false, "model.embed_audio.embedding_projection.weight", "\"rows\" 0", 3e38f},
        {true, "model.embed_audio.embedding_projection.weight", "\"rows\" 0", NAN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum { N_SAMPLES = 1300, MAX_ROWS = 3, MAX_VALUES = 2000 };
        bench b;
        tsr_error err = {0};
        float rows[MAX_ROWS * ENC_TEXT_HIDDEN], features[MAX_VALUES], *x = enc_sound(N_SAMPLES, 1);
        size_t n = 7;
        enc_model m = cases[i].is_unified ? enc_sound_unified() : enc_sound_tower(false);
        enc_find(&m, cases[i].tensor)->lo = enc_find(&m, cases[i].tensor)->hi = cases[i].value;
        open_all(&b, m, 1);
        size_t frames = tsr_hearing_frames_for(b.a, N_SAMPLES);
        assert_in_range(frames * tsr_hearing_describe(b.a).feature_width, 1, MAX_VALUES);
        tsr_hearing_features(b.a, x, N_SAMPLES, features);
        assert_int_equal(tsr_hearing_encode(b.a, features, frames, rows, MAX_ROWS, &n, &err), TSR_ERR_MODEL);
        assert_error(&err, TSR_ERR_MODEL, "hearing: row 0 is not finite", cases[i].step);
        assert_int_equal(n, 0);
        features[tsr_hearing_describe(b.a).feature_width] = NAN; /* then the sound is at fault */
        tsr_error_clear(&err);
        assert_int_equal(tsr_hearing_encode(b.a, features, frames, rows, MAX_ROWS, &n, &err), TSR_ERR_DATA);
        assert_error(&err, TSR_ERR_DATA, "frame 1", NULL);
        free(x);
        close_all(&b);
    }
}

static void buffers_of_older_files_are_ignored_by_name(void **state)
{
    bench b;
    enc_model m = enc_sound_tower(true);
    (void)state;
    snprintf(enc_find(&m, "model.audio_tower.output_proj.bias")->name, 128, "model.audio_tower.rel_pos_enc.inv_timescales");
    enc_model full = enc_sound_tower(true);
    full.tensors = must_realloc(full.tensors, (full.n + 2) * sizeof *full.tensors);
    full.tensors[full.n++] = *enc_find(&m, "model.audio_tower.rel_pos_enc.inv_timescales");
    enc_tensor softcap = {.name = "model.audio_tower.layers.1.self_attn.softcap", .lo = 50.0f, .hi = 50.0f};
    full.tensors[full.n++] = softcap;
    open_all(&b, full, 1); /* checks that nothing stays unclaimed */
    close_all(&b);
    enc_model_free(&m);
}

static void open_and_encode_survive_every_failed_allocation(void **state)
{
    float features[8 * 640] = {0}, rows[8 * ENC_TEXT_HIDDEN];
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        bench b;
        open_all(&b, kind ? enc_sound_unified() : enc_sound_tower(true), 1);
        tsr_hearing_close(b.a);
        b.a = NULL;
        size_t live = tsr_alloc_live(), k = 0, n = 0;
        for (tsr_status st = TSR_ERR_NOMEM; st != TSR_OK;) {
            tsr_alloc_fail_at(++k);
            st = tsr_hearing_open(&b.a, b.w, b.config, NULL, ENC_TEXT_HIDDEN, b.pool, NULL);
            assert_true((st == TSR_OK) == (b.a != NULL));
            if (st == TSR_OK)
                st = tsr_hearing_encode(b.a, features, 8, rows, 8, &n, NULL);
            tsr_alloc_fail_at(0);
            assert_true(st == TSR_OK || (st == TSR_ERR_NOMEM && n == 0));
            tsr_hearing_close(b.a);
            b.a = NULL;
            assert_int_equal(tsr_alloc_live(), live);
        }
        assert_true(k > (kind ? 1 : 20));
        close_all(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tower_equals_f64_with_and_without_limits),
        cmocka_unit_test(tower_of_bf16_weights_computes_with_their_exact_values),
        cmocka_unit_test(limits_bite),
        cmocka_unit_test(unified_equals_f64),
        cmocka_unit_test(tokens_are_known_before_the_sound),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(a_clip_gives_the_same_bits_after_any_other),
        cmocka_unit_test(later_sound_does_not_change_earlier_rows),
        cmocka_unit_test(refused_requests_write_nothing),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(every_wrong_shape_is_named),
        cmocka_unit_test(configuration_and_weights_must_agree),
        cmocka_unit_test(rows_that_are_not_finite_are_an_error_that_names_the_step),
        cmocka_unit_test(buffers_of_older_files_are_ignored_by_name),
        cmocka_unit_test(open_and_encode_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
