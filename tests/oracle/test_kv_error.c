/* test_kv_error.c: what each type of the key/value cache costs in exactness, on every variant: the logits of a
 * prompt longer than every window, against those with a cache in F32. docs/numerics.md has the table. */
#include <math.h>
#include <stdio.h>

#include "compare.h"
#include "hash_model.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_decoder.h"
#include "tsr_json.h"
#include "tsr_kv_cache.h"

typedef struct limit {
    tsr_type type;
    double max_rel, rms_rel; /* of the largest magnitude, of the root mean square */
    double same_best;        /* share of positions with the same best token, at least */
} limit;

enum { N_LIMITS = 3 };

/* About twice what was observed. */
static const limit dense[N_LIMITS] = {
    {TSR_F16, 1.5e-2, 5e-3, 0.97}, /* 7.2e-3, 2.4e-3, 0.987 */
    {TSR_BF16, 0.15, 4e-2, 0.87},  /* 7.6e-2, 2.0e-2, 0.933 */
    {TSR_Q8_0, 0.3, 0.12, 0.78},   /* 1.6e-1, 5.6e-2, 0.888 */
};

/* With experts a small difference sends a row to another one. */
static const limit routed[N_LIMITS] = {
    {TSR_F16, 0.5, 6e-2, 0.93}, /* 2.6e-1, 2.7e-2, 0.969 */
    {TSR_BF16, 0.8, 0.3, 0.6},  /* 3.9e-1, 1.3e-1, 0.799 */
    {TSR_Q8_0, 1.3, 0.6, 0.4},  /* 6.7e-1, 2.9e-1, 0.598 */
};

typedef struct model {
    tsr_json *json;
    tsr_text_config config;
    tsr_weights *weights;
    tsr_decoder *decoder;
    tsr_pool *pool;
    oracle_npy ids;
} model;

static void open_model(model *m, const char *root, const char *name)
{
    char dir[512], path[600];
    tsr_error err = {TSR_OK, ""};
    snprintf(dir, sizeof dir, "%s", test_path(root, name));
    assert_int_equal(oracle_model_write(dir, name, &err), TSR_OK);
    assert_int_equal(tsr_json_parse_file(&m->json, test_path(dir, "config.json"), 1 << 20, &err), TSR_OK);
    assert_int_equal(tsr_text_config_parse(&m->config, m->json, "config.json", &err), TSR_OK);
    assert_int_equal(tsr_weights_open(&m->weights, dir, &err), TSR_OK);
    assert_int_equal(tsr_decoder_open(&m->decoder, m->weights, &m->config, &err), TSR_OK);
    assert_int_equal(tsr_pool_open(&m->pool, 1, &err), TSR_OK);
    snprintf(path, sizeof path, TSR_ORACLE_DIR "/refs/%s-text-long/prompt_ids.npy", name);
    assert_int_equal(oracle_npy_read(&m->ids, path, &err), TSR_OK);
}

static void close_model(model *m)
{
    oracle_npy_free(&m->ids);
    tsr_pool_close(m->pool);
    tsr_decoder_close(m->decoder);
    tsr_weights_close(m->weights);
    tsr_text_config_deinit(&m->config);
    tsr_json_free(m->json);
}

typedef struct rows {
    float *at; /* [positions, vocab] */
    size_t vocab;
} rows;

static tsr_status on_logits(void *user, size_t at, const float *logits)
{
    rows *r = user;
    memcpy(r->at + at * r->vocab, logits, r->vocab * sizeof *logits);
    return TSR_OK;
}

/* The logits of all positions, [ids.n, vocab]; the caller's (free). */
static float *logits_of(const model *m, tsr_type type)
{
    tsr_error err = {TSR_OK, ""};
    tsr_context *ctx;
    tsr_context_opts o = tsr_context_opts_default();
    rows r = {.vocab = m->config.vocab};
    uint8_t *wanted = malloc(m->ids.n);
    tsr_input in = {.n = m->ids.n, .ids = m->ids.data, .wanted = wanted};
    tsr_prefill_sink sink = {.user = &r, .on_logits = on_logits};
    r.at = malloc(m->ids.n * r.vocab * sizeof *r.at);
    memset(wanted, 1, m->ids.n);
    o.ctx_tokens = m->ids.n;
    o.kv_type = type;
    assert_int_equal(tsr_context_open(&ctx, m->decoder, m->pool, &o, &err), TSR_OK);
    if (tsr_context_prefill(ctx, &in, &sink, &err) != TSR_OK)
        fail_msg("%s", err.text);
    tsr_context_close(ctx);
    free(wanted);
    return r.at;
}

static void check_type(const model *m, const char *name, const limit *l, const float *want)
{
    oracle_diff d;
    size_t n = m->ids.n, vocab = m->config.vocab, n_same = 0;
    double square = 0;
    float *got = logits_of(m, l->type);
    oracle_diff_f32(&d, got, want, n * vocab);
    for (size_t p = 0; p < n; p++)
        n_same += oracle_argmax(got + p * vocab, vocab) == oracle_argmax(want + p * vocab, vocab);
    for (size_t k = 0; k < n * vocab; k++)
        square += (double)want[k] * (double)want[k];
    double rms = d.rms / sqrt(square / (double)(n * vocab)), same = (double)n_same / (double)n;
    print_message("%-8s %-4s max %.1e rms %.1e best %.3f\n", name, tsr_kv_type_name(l->type), d.max_rel, rms, same);
    assert_int_equal(d.n_not_finite, 0);
    assert_true(d.max_rel <= l->max_rel && rms <= l->rms_rel && same >= l->same_best);
    assert_true(d.max_abs > 0); /* the type was in use */
    free(got);
}

static void each_type_costs_what_the_table_says(void **state)
{
    static const char *const names[] = {"text", "e2b", "e4b", "31b", "26b", "12b", "e2b-bf16", "26b-bf16"};
    (void)state;
    char *root = test_tmp_make();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model m;
        open_model(&m, root, names[i]);
        float *want = logits_of(&m, TSR_F32);
        for (size_t t = 0; t < N_LIMITS; t++)
            check_type(&m, names[i], m.config.n_experts ? &routed[t] : &dense[t], want);
        free(want);
        close_model(&m);
    }
    test_tmp_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_type_costs_what_the_table_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
