/* test_hidden.c: the decoder's residual stream after every layer against the reference's, so that a
 * wrong layer is found where it is and not at the logits. */
#include <stdio.h>

#include "compare.h"
#include "hash_model.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_decoder.h"
#include "tsr_json.h"

static const double LIMIT = 1e-4; /* of the largest magnitude; observed: below 2e-5 */

typedef struct check {
    const oracle_npy *want; /* [layers, positions, hidden] */
    size_t n_seen, hidden;
    double worst;
} check;

/* Stage l + 1 is what leaves layer l. */
static tsr_status on_hidden(void *user, size_t stage, size_t at, size_t n, const float *rows)
{
    check *c = user;
    size_t n_layers = c->want->shape[0], n_positions = c->want->shape[1];
    oracle_diff d;
    if (stage == 0 || stage > n_layers)
        return TSR_OK;
    assert_true(at + n <= n_positions);
    const float *want = (const float *)c->want->data + ((stage - 1) * n_positions + at) * c->hidden;
    oracle_diff_f32(&d, rows, want, n * c->hidden);
    if (!oracle_diff_within_rel(&d, LIMIT))
        fail_msg("layer %zu: abs %g rel %g (limit %g) rms %g cos %.7f; worst at %zu: %g, not %g", stage - 1, d.max_abs,
                 d.max_rel, LIMIT, d.rms, d.cosine, d.worst, d.got, d.want);
    c->worst = d.max_rel > c->worst ? d.max_rel : c->worst;
    c->n_seen += n;
    return TSR_OK;
}

static void run_model(const char *root, const char *name)
{
    char dir[512], path[600];
    tsr_error err = {TSR_OK, ""};
    tsr_json *json;
    tsr_text_config config;
    tsr_weights *w;
    tsr_decoder *d;
    tsr_pool *pool;
    tsr_context *ctx;
    oracle_npy ids, want;
    snprintf(dir, sizeof dir, "%s", test_path(root, name));
    assert_int_equal(oracle_model_write(dir, name, &err), TSR_OK);
    assert_int_equal(tsr_json_parse_file(&json, test_path(dir, "config.json"), 1 << 20, &err), TSR_OK);
    assert_int_equal(tsr_text_config_parse(&config, json, "config.json", &err), TSR_OK);
    assert_int_equal(tsr_weights_open(&w, dir, &err), TSR_OK);
    assert_int_equal(tsr_decoder_open(&d, w, &config, &err), TSR_OK);
    assert_int_equal(tsr_pool_open(&pool, 1, &err), TSR_OK);
    assert_int_equal(tsr_context_open(&ctx, d, pool, NULL, &err), TSR_OK);
    snprintf(path, sizeof path, TSR_ORACLE_DIR "/refs/%s-text-short/prompt_ids.npy", name);
    assert_int_equal(oracle_npy_read(&ids, path, &err), TSR_OK);
    snprintf(path, sizeof path, TSR_ORACLE_DIR "/refs/%s-text-short/hidden.npy", name);
    assert_int_equal(oracle_npy_read(&want, path, &err), TSR_OK);
    assert_int_equal(want.shape[0], config.n_layers);
    assert_int_equal(want.shape[1], ids.n);
    assert_int_equal(want.shape[2], config.hidden);

    check c = {.want = &want, .hidden = config.hidden};
    tsr_input in = {.n = ids.n, .ids = ids.data};
    tsr_prefill_sink sink = {.user = &c, .on_hidden = on_hidden};
    if (tsr_context_prefill(ctx, &in, &sink, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(c.n_seen, config.n_layers * ids.n);
    print_message("%s: %zu layers, worst rel %.2e\n", name, config.n_layers, c.worst);

    oracle_npy_free(&ids);
    oracle_npy_free(&want);
    tsr_context_close(ctx);
    tsr_pool_close(pool);
    tsr_decoder_close(d);
    tsr_weights_close(w);
    tsr_text_config_deinit(&config);
    tsr_json_free(json);
}

static void every_layer_of_every_variant_matches(void **state)
{
    static const char *const names[] = {"text", "e2b", "e4b", "31b", "26b", "12b"};
    (void)state;
    char *root = test_tmp_make();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        run_model(root, names[i]);
    test_tmp_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layer_of_every_variant_matches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
