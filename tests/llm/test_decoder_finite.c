/* Weights that are not finite numbers: the first layer where it shows is named, and no token comes out. */
#include "tiny_run.h"

#include <math.h>
#include <stdio.h>

#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_rows.h"

enum { N = 40, LAYER = 1 }; /* a middle one of every kind */

typedef struct outcome {
    tsr_status status;
    tsr_error err;
} outcome;

/* Open what `w` holds, read a prompt and go on by one token; w is closed. */
static outcome run(tsr_weights *w, const tsr_text_config *cfg, tsr_type kv_type, size_t chunk)
{
    outcome o = {.status = TSR_OK};
    tsr_pool *pool = NULL;
    tsr_decoder *d = NULL;
    tsr_context *c = NULL;
    tiny_prompt p;
    tsr_context_opts opts = tsr_context_opts_default();
    float *logits = malloc(cfg->vocab * sizeof *logits);
    tiny_prompt_make(&p, cfg, N, true, 4);
    p.in.wanted = NULL;
    opts.ctx_tokens = N + 1;
    opts.max_chunk = chunk;
    opts.kv_type = kv_type;
    assert_int_equal(tsr_pool_open(&pool, 2, NULL), TSR_OK);
    if ((o.status = tsr_decoder_open(&d, w, cfg, &o.err)) == TSR_OK &&
        (o.status = tsr_context_open(&c, d, pool, &opts, &o.err)) == TSR_OK &&
        (o.status = tsr_context_prefill(c, &p.in, NULL, &o.err)) == TSR_OK)
        o.status = tsr_context_step(c, 1, logits, &o.err);
    tsr_context_close(c);
    tsr_decoder_close(d);
    tsr_pool_close(pool);
    tsr_weights_close(w);
    tiny_prompt_free(&p);
    free(logits);
    return o;
}

static outcome run_file(const char *dir, const tsr_text_config *cfg, tsr_type kv_type, size_t chunk)
{
    tsr_weights *w;
    assert_int_equal(tsr_weights_open(&w, dir, NULL), TSR_OK);
    return run(w, cfg, kv_type, chunk);
}

/* Of layer LAYER and used there. */
static bool is_of_layer(const char *name)
{
    char part[32];
    snprintf(part, sizeof part, "layers.%d.", LAYER);
    return strstr(name, part) != NULL;
}

static void a_bad_value_in_any_tensor_of_a_layer_names_the_layer(void **state)
{
    (void)state;
    char *dir = test_tmp_make(), want[64];
    snprintf(want, sizeof want, "layer %d: not a finite number ", LAYER);
    for (int kind = 0; kind < TINY_N; kind++) {
        tsr_text_config c;
        size_t n, n_met = 0;
        tiny_parse((tiny_kind)kind, &c);
        tiny_tensor *t = tiny_tensors((tiny_kind)kind, &c, &n);
        for (size_t i = 0; i < n; i++)
            for (int fault = TINY_NAN; is_of_layer(t[i].name) && fault <= TINY_INF; fault++) {
                tiny_write(dir, (tiny_kind)kind, TSR_F32, t[i].name, (tiny_fault)fault);
                outcome o = run_file(dir, &c, fault == TINY_NAN ? TSR_F32 : TSR_Q8_0, i % 2 ? N : 7);
                /* An element of one expert may never be met. */
                if (o.status == TSR_OK && strstr(t[i].name, "expert"))
                    continue;
                if (o.status != TSR_ERR_MODEL || strncmp(o.err.text, want, strlen(want)) != 0)
                    fail_msg("%s, %s: status %d, '%s'", t[i].name, fault == TINY_NAN ? "NaN" : "-inf", (int)o.status,
                             o.err.text);
                n_met++;
            }
        assert_true(n_met >= 20);
        free(t);
        tsr_text_config_deinit(&c);
    }
    test_tmp_remove(dir);
}

static void check_message(tiny_kind kind, const char *name, tiny_fault fault, const char *a, const char *b)
{
    char *dir = test_tmp_make();
    tsr_text_config c;
    tiny_parse(kind, &c);
    tiny_write(dir, kind, TSR_BF16, name, fault);
    outcome o = run_file(dir, &c, TSR_KV_CHOSEN, N);
    assert_int_equal(o.status, TSR_ERR_MODEL);
    assert_error(&o.err, TSR_ERR_MODEL, a, b);
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

static void the_message_says_what_the_layer_was_at(void **state)
{
    (void)state;
#define L "model.language_model.layers.1."
    check_message(TINY_E, L "self_attn.k_proj.weight", TINY_NAN, "layer 1", "in the keys and values, at position 0");
    check_message(TINY_E, L "self_attn.k_norm.weight", TINY_INF, "layer 1", "in the keys and values");
    check_message(TINY_E, L "self_attn.q_proj.weight", TINY_INF, "layer 1", "after attention");
    check_message(TINY_E, L "self_attn.o_proj.weight", TINY_NAN, "layer 1", "after attention");
    check_message(TINY_E, L "post_attention_layernorm.weight", TINY_NAN, "layer 1", "after attention");
    check_message(TINY_E, L "mlp.down_proj.weight", TINY_INF, "layer 1", "after the feed-forward block");
    check_message(TINY_E, L "per_layer_projection.weight", TINY_NAN, "layer 1", "after the per-layer embedding");
    check_message(TINY_E, L "layer_scalar", TINY_INF, "layer 1", "at its end");
    check_message(TINY_EXPERTS, L "router.proj.weight", TINY_INF, "layer 1", "after the feed-forward block");
#undef L
    /* Around the layers. */
    check_message(TINY_E, "model.language_model.layers.6.layer_scalar", TINY_NAN, "layer 6", "at its end, at position 39");
    check_message(TINY_E, "model.language_model.norm.weight", TINY_NAN, "output", "position 40");
    check_message(TINY_TEXT, "lm_head.weight", TINY_INF, "output", "not finite");
}

/* An infinite logit would leave the soft-cap as a plain 30. */
static void an_infinite_output_row_does_not_pass_the_soft_cap(void **state)
{
    (void)state;
    tsr_text_config c;
    char *dir = test_tmp_make();
    tiny_parse(TINY_TEXT, &c);
    c.soft_cap = 30.0f;
    tiny_write(dir, TINY_TEXT, TSR_F32, "lm_head.weight", TINY_INF);
    outcome o = run_file(dir, &c, TSR_F32, N);
    assert_int_equal(o.status, TSR_ERR_MODEL);
    assert_error(&o.err, TSR_ERR_MODEL, "output", "token 35");
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

static void an_embedding_that_is_not_a_number_is_named(void **state)
{
    (void)state;
    tsr_text_config c;
    tsr_weights *w;
    tiny_prompt p;
    char *dir = test_tmp_make();
    tiny_parse(TINY_E, &c);
    tiny_prompt_make(&p, &c, N, true, 4);
    tiny_write(dir, TINY_E, TSR_F32, NULL, TINY_GOOD);
    assert_int_equal(tsr_weights_open(&w, dir, NULL), TSR_OK);
    /* The file's tables with one row changed: that of the token at position 7. */
    const tsr_view *v = tsr_weights_find(w, "model.language_model.embed_tokens.weight");
    tsr_decoder *d;
    tsr_pool *pool;
    tsr_context *ctx;
    tsr_error err = {0};
    float *copy = malloc(v->n_bytes);
    memcpy(copy, v->data, v->n_bytes);
    tsr_weights *changed;
    assert_int_equal(tsr_weights_new(&changed, dir, NULL), TSR_OK);
    for (size_t i = 0; i < tsr_weights_count(w); i++) {
        tsr_view t = *tsr_weights_view(w, i);
        if (strstr(tsr_weights_name(w, i), "embed_tokens.weight"))
            t.data = copy;
        assert_int_equal(tsr_weights_add(changed, tsr_weights_name(w, i), &t, NULL), TSR_OK);
    }
    copy[(size_t)p.ids[7] * c.hidden + 3] = NAN;
    assert_int_equal(tsr_decoder_open(&d, changed, &c, NULL), TSR_OK);
    assert_int_equal(tsr_pool_open(&pool, 1, NULL), TSR_OK);
    assert_int_equal(tsr_context_open(&ctx, d, pool, NULL, NULL), TSR_OK);
    assert_int_equal(tsr_context_prefill(ctx, &p.in, NULL, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "embedding", "position 7");
    assert_int_equal(tsr_context_tokens(ctx), 0);
    tsr_context_close(ctx);
    tsr_pool_close(pool);
    tsr_decoder_close(d);
    tsr_weights_close(changed);
    tsr_weights_close(w);
    free(copy);
    tiny_prompt_free(&p);
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

/* A matrix in Q8_0, one of whose scales is `scale` (f16 bits). */
static tsr_view make_blocks(const tsr_view *f32, uint16_t scale, void **memory)
{
    size_t rows = f32->shape[0], cols = f32->shape[1], bytes = tsr_row_bytes(TSR_Q8_0, cols);
    unsigned char *b = tsr_alloc(rows * bytes);
    tsr_view v;
    assert_non_null(b);
    for (size_t r = 0; r < rows; r++)
        assert_true(tsr_row_write(TSR_Q8_0, b + r * bytes, (const float *)f32->data + r * cols, cols));
    if (scale)
        memcpy(b + rows / 2 * bytes, &scale, sizeof scale);
    assert_int_equal(tsr_view_make(&v, TSR_Q8_0, 2, f32->shape, b, rows * bytes, "blocks", NULL), TSR_OK);
    *memory = b;
    return v;
}

static outcome run_with_scale(const char *dir, const tsr_text_config *c, const char *name, uint16_t scale, size_t chunk)
{
    tsr_weights *w, *blocks;
    assert_int_equal(tsr_weights_open(&w, dir, NULL), TSR_OK);
    assert_int_equal(tsr_weights_new(&blocks, dir, NULL), TSR_OK);
    for (size_t i = 0; i < tsr_weights_count(w); i++) {
        const char *at = tsr_weights_name(w, i);
        tsr_view v = *tsr_weights_view(w, i);
        void *memory = NULL;
        if (v.n_dims == 2 && v.shape[1] % 32 == 0 && strstr(at, "layers."))
            v = make_blocks(&v, strcmp(at, name) == 0 ? scale : 0, &memory);
        if (memory)
            assert_int_equal(tsr_weights_add_owned(blocks, at, &v, memory, NULL), TSR_OK);
        else
            assert_int_equal(tsr_weights_add(blocks, at, &v, NULL), TSR_OK);
    }
    outcome o = run(blocks, c, TSR_KV_CHOSEN, chunk);
    tsr_weights_close(w);
    return o;
}

static void a_scale_of_a_block_that_is_not_finite_names_the_layer(void **state)
{
    (void)state;
    static const char *const names[] = {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
                                        "self_attn.o_proj.weight", "mlp.gate_proj.weight",    "mlp.up_proj.weight"};
    static const uint16_t scales[] = {0x7e00, 0x7c00, 0xfc00}; /* NaN, infinity, minus infinity */
    char *dir = test_tmp_make(), full[96];
    tsr_text_config c;
    tiny_parse(TINY_TEXT, &c);
    tiny_write(dir, TINY_TEXT, TSR_F32, NULL, TINY_GOOD);
    assert_int_equal(run_with_scale(dir, &c, "none", 0, N).status, TSR_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
            snprintf(full, sizeof full, "model.layers.2.%s", names[i]);
            outcome o = run_with_scale(dir, &c, full, scales[s], s ? 1 : N);
            assert_int_equal(o.status, TSR_ERR_MODEL);
            assert_error(&o.err, TSR_ERR_MODEL, "layer 2: not a finite number", NULL);
        }
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_value_in_any_tensor_of_a_layer_names_the_layer),
        cmocka_unit_test(the_message_says_what_the_layer_was_at),
        cmocka_unit_test(an_infinite_output_row_does_not_pass_the_soft_cap),
        cmocka_unit_test(an_embedding_that_is_not_a_number_is_named),
        cmocka_unit_test(a_scale_of_a_block_that_is_not_finite_names_the_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
