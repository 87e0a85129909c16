/* Keys and names of GGUF text models: what they amount to, both ways, and which settings are refused. */
#include "test_main.h"

#include <stdio.h>

#include "gguf_writer.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_text.h"
#include "tsr_text_config.h"

/* ---- names ---- */

static void every_name_is_found_again_both_ways(void **state)
{
    (void)state;
    size_t n, layer;
    const tsr_gguf_text_tensor *rows = tsr_gguf_text_tensors(&n);
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        char gguf[128], hf[128];
        size_t want = strchr(rows[i].gguf, '#') ? 41 : 0;
        assert_true(tsr_gguf_name_print(gguf, sizeof gguf, rows[i].gguf, want));
        assert_ptr_equal(tsr_gguf_text_find_gguf(gguf, &layer), &rows[i]);
        assert_int_equal(layer, want);
        if (!rows[i].hf)
            continue;
        assert_int_equal(strchr(rows[i].hf, '#') != NULL, want != 0);
        assert_true(tsr_gguf_name_print(hf, sizeof hf, rows[i].hf, want));
        assert_ptr_equal(tsr_gguf_text_find_hf(hf, &layer), &rows[i]);
        assert_int_equal(layer, want);
    }
}

static void checkpoints_of_text_alone_have_shorter_names(void **state)
{
    (void)state;
    size_t layer;
    const tsr_gguf_text_tensor *q = tsr_gguf_text_find_hf("model.layers.12.self_attn.q_proj.weight", &layer);
    assert_non_null(q);
    assert_string_equal(q->gguf, "blk.#.attn_q.weight");
    assert_int_equal(layer, 12);
    assert_string_equal(tsr_gguf_text_find_hf("model.norm.weight", &layer)->gguf, "output_norm.weight");
    static const char *const none[] = {
        "", "model.", "model.language_model.", "model.language_model.language_model.norm.weight",
        "language_model.norm.weight",
        "model.layers.q.self_attn.q_proj.weight", "model.layers.01.self_attn.q_proj.weight",
        "model.layers.-1.self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight.", "norm.weight",
        "model.vision_tower.encoder.layers.0.input_layernorm.weight"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(tsr_gguf_text_find_hf(none[i], &layer));
}

static void patterns_match_plain_numbers_alone(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool matches;
        size_t layer;
    } cases[] = {{"a.0.b", true, 0},    {"a.7.b", true, 7},     {"a.999999.b", true, 999999}, {"a.1000000.b", false, 0},
                 {"a.00.b", false, 0},  {"a.07.b", false, 0},   {"a..b", false, 0},           {"a.#.b", false, 0},
                 {"a.1.b ", false, 0},  {"a.1", false, 0},      {"a.1.", false, 0},           {"A.1.b", false, 0},
                 {"a.+1.b", false, 0},  {"a.1x.b", false, 0}};
    char small[6];
    size_t layer;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        layer = 5;
        assert_int_equal(tsr_gguf_name_match("a.#.b", cases[i].name, &layer), cases[i].matches);
        assert_int_equal(layer, cases[i].layer);
    }
    assert_true(tsr_gguf_name_match("plain", "plain", &layer));
    assert_false(tsr_gguf_name_match("plain", "plain.", &layer));
    assert_true(tsr_gguf_name_print(small, sizeof small, "a.#.b", 3));
    assert_string_equal(small, "a.3.b");
    assert_false(tsr_gguf_name_print(small, sizeof small, "a.#.b", 33));
    assert_string_equal(small, "a.33.");
}

/* ---- keys ---- */

enum { WIDTH = 8, ROWS = 10, DIM = 4, FULL_DIM = 8, HEADS = 4 };

/* What differs from file to file. */
typedef struct file {
    uint32_t kv_full;       /* head_count_kv of the full layer; the sliding one has 2 */
    uint32_t k_rows;        /* of its attn_k: heads */
    bool has_v;             /* the full layer has attn_v */
    const char *key;        /* one key more, or NULL */
    uint32_t type;          /* its type */
    uint32_t bits;          /* its value, where it is no string */
    const char *text;       /* or where it is */
} file;

static void put_matrix(gg_writer *w, const char *name, size_t rows, size_t cols)
{
    static const float zeros[ROWS * WIDTH * FULL_DIM] = {0};
    const size_t shape[] = {rows, cols};
    assert_true(rows * cols <= sizeof zeros / sizeof *zeros);
    gg_tensor(w, name, 0, 2, shape, zeros, rows * cols * sizeof *zeros);
}

static void put_keys(gg_writer *w, const file *f)
{
    static const unsigned char sliding[] = {1, 0};
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"gemma4.block_count", 2}, {"gemma4.context_length", 4096}, {"gemma4.embedding_length", WIDTH},
                {"gemma4.attention.head_count", HEADS}, {"gemma4.attention.sliding_window", 16},
                {"gemma4.feed_forward_length", 24}, {"gemma4.attention.key_length", FULL_DIM},
                {"gemma4.attention.key_length_swa", DIM}, {"gemma4.embedding_length_per_layer_input", 0}};
    const uint32_t kv[] = {2, f->kv_full};
    gg_str(w, "general.architecture", "gemma4");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        gg_u32(w, keys[i].key, keys[i].value);
    gg_array(w, "gemma4.attention.head_count_kv", TSR_GGUF_U32, 2, kv, sizeof kv);
    gg_array(w, "gemma4.attention.sliding_window_pattern", TSR_GGUF_BOOL, 2, sliding, 2);
    gg_f32(w, "gemma4.attention.layer_norm_rms_epsilon", 1e-6f);
    gg_f32(w, "gemma4.rope.freq_base", 1e6f);
    if (f->text)
        gg_str(w, f->key, f->text);
    else if (f->key)
        gg_scalar(w, f->key, f->type, &f->bits, f->type == TSR_GGUF_BOOL ? 1 : 4);
}

static void write_file(const char *path, const file *f)
{
    static const float freqs[FULL_DIM / 2] = {1.0f, 1e30f, 1e30f, 1e30f};
    const size_t n = FULL_DIM / 2;
    gg_writer *w = gg_new();
    put_keys(w, f);
    put_matrix(w, "token_embd.weight", ROWS, WIDTH);
    gg_tensor(w, "rope_freqs.weight", 0, 1, &n, freqs, sizeof freqs);
    put_matrix(w, "blk.1.attn_k.weight", f->k_rows * FULL_DIM, WIDTH);
    if (f->has_v)
        put_matrix(w, "blk.1.attn_v.weight", f->k_rows * FULL_DIM, WIDTH);
    gg_write(w, path);
    gg_free(w);
}

static tsr_status read_file(tsr_text_config *c, const file *f, tsr_error *err)
{
    char *dir = test_tmp_make();
    const char *path = test_path(dir, "f.gguf");
    tsr_gguf *g;
    tsr_json *config = NULL;
    *c = (tsr_text_config){0};
    write_file(path, f);
    assert_int_equal(tsr_gguf_open(&g, path, err), TSR_OK);
    tsr_status st = tsr_gguf_text_config(&config, g, err);
    if (st == TSR_OK)
        st = tsr_text_config_parse(c, config, "(made)", err);
    tsr_json_free(config);
    tsr_gguf_close(g);
    test_tmp_remove(dir);
    return st;
}

static void must_read(tsr_text_config *c, const file *f)
{
    tsr_error err = {TSR_OK, ""};
    if (read_file(c, f, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static void what_a_file_leaves_out_follows_from_structure(void **state)
{
    (void)state;
    tsr_text_config c;
    must_read(&c, &(file){.kv_full = 1, .k_rows = 1});
    assert_int_equal(c.n_layers, 2);
    assert_int_equal(c.vocab, ROWS);
    assert_int_equal(c.n_shared, 0);
    assert_int_equal(c.n_experts, 0);
    assert_int_equal(c.ple_dim, 0);
    assert_true(c.bidirectional_vision && c.empty_thought && c.tied);
    assert_true(c.soft_cap == 0.0f && c.eps == 1e-6f);
    assert_true(c.layers[1].k_eq_v && !c.layers[0].k_eq_v);
    assert_int_equal(c.layers[0].n_kv_heads, 2);
    assert_int_equal(c.layers[1].n_kv_heads, 1);
    assert_int_equal(c.layers[0].head_dim, DIM);
    assert_int_equal(c.layers[1].head_dim, FULL_DIM);
    assert_true(c.rope[TSR_LAYER_SLIDING].theta == 1e4 && c.rope[TSR_LAYER_FULL].theta == 1e6);
    assert_int_equal(c.rope[TSR_LAYER_SLIDING].n_rotated, DIM / 2);
    assert_int_equal(c.rope[TSR_LAYER_FULL].n_rotated, 1);
    assert_int_equal(c.variant, TSR_VARIANT_31B);
    tsr_text_config_deinit(&c);
}

/* A converter writes the number for full layers also where the model, which has V there, doesn't use it. */
static void heads_of_full_layers_are_those_of_their_matrix(void **state)
{
    (void)state;
    tsr_text_config c;
    must_read(&c, &(file){.kv_full = 1, .k_rows = 2, .has_v = true});
    assert_int_equal(c.layers[1].n_kv_heads, 2);
    assert_false(c.layers[1].k_eq_v);
    tsr_text_config_deinit(&c);
    must_read(&c, &(file){.kv_full = 1, .k_rows = 1, .has_v = true});
    assert_int_equal(c.layers[1].n_kv_heads, 1);
    tsr_text_config_deinit(&c);
    must_read(&c, &(file){.kv_full = 1, .k_rows = 2}); /* V from K: the key is right, the matrix will be refused */
    assert_int_equal(c.layers[1].n_kv_heads, 1);
    tsr_text_config_deinit(&c);
}

static uint32_t bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static void settings_that_would_change_the_computation_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *key;
        uint32_t type, good, bad;
    } cases[] = {
        {"gemma4.attention.scale", TSR_GGUF_F32, bits(1.0f), bits(0.0625f)},
        {"gemma4.attn_logit_softcapping", TSR_GGUF_F32, bits(0.0f), bits(50.0f)},
        {"gemma4.rope.scaling.factor", TSR_GGUF_F32, bits(1.0f), bits(8.0f)},
        {"gemma4.expert_gating_func", TSR_GGUF_U32, 1, 2},
        {"gemma4.expert_shared_count", TSR_GGUF_U32, 0, 1},
        {"gemma4.leading_dense_block_count", TSR_GGUF_U32, 0, 1},
        {"gemma4.attention.causal", TSR_GGUF_BOOL, 1, 0},
        {"gemma4.expert_weights_norm", TSR_GGUF_BOOL, 1, 0},
        {"gemma4.vocab_size", TSR_GGUF_U32, ROWS, ROWS + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_text_config c;
        tsr_error err = {TSR_OK, ""};
        file f = {.kv_full = 1, .k_rows = 1, .key = cases[i].key, .type = cases[i].type, .bits = cases[i].good};
        must_read(&c, &f);
        tsr_text_config_deinit(&c);
        f.bits = cases[i].bad;
        assert_int_not_equal(read_file(&c, &f, &err), TSR_OK);
        assert_error(&err, err.status, cases[i].key, "f.gguf");
    }
}

static void rope_scaling_is_refused_by_its_name(void **state)
{
    (void)state;
    tsr_text_config c;
    tsr_error err = {TSR_OK, ""};
    file f = {.kv_full = 1, .k_rows = 1, .key = "gemma4.rope.scaling.type", .text = "none"};
    must_read(&c, &f);
    tsr_text_config_deinit(&c);
    f.text = "yarn";
    assert_int_equal(read_file(&c, &f, &err), TSR_ERR_UNSUPPORTED);
    assert_error(&err, TSR_ERR_UNSUPPORTED, "gemma4.rope.scaling.type", "'yarn'");
}

static void unknown_keys_of_no_consequence_are_left_alone(void **state)
{
    (void)state;
    tsr_text_config c;
    must_read(&c, &(file){.kv_full = 1, .k_rows = 1, .key = "gemma4.some_new_key", .text = "whatever"});
    tsr_text_config_deinit(&c);
}

static void reading_survives_every_failed_allocation(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    const char *path = test_path(dir, "f.gguf");
    tsr_gguf *g;
    write_file(path, &(file){.kv_full = 1, .k_rows = 1});
    assert_int_equal(tsr_gguf_open(&g, path, NULL), TSR_OK);
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_json *config = NULL;
        tsr_weights *w = NULL;
        tsr_error err = {TSR_OK, ""};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_gguf_text_config(&config, g, &err);
        if (st == TSR_OK)
            st = tsr_weights_new(&w, path, &err);
        if (st == TSR_OK)
            st = tsr_gguf_text_weights(w, g, &err);
        tsr_alloc_fail_at(0);
        tsr_weights_close(w);
        tsr_json_free(config);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 50);
            break;
        }
        if (st != TSR_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
    }
    tsr_gguf_close(g);
    test_tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found_again_both_ways),
        cmocka_unit_test(checkpoints_of_text_alone_have_shorter_names),
        cmocka_unit_test(patterns_match_plain_numbers_alone),
        cmocka_unit_test(what_a_file_leaves_out_follows_from_structure),
        cmocka_unit_test(heads_of_full_layers_are_those_of_their_matrix),
        cmocka_unit_test(settings_that_would_change_the_computation_are_refused),
        cmocka_unit_test(rope_scaling_is_refused_by_its_name),
        cmocka_unit_test(unknown_keys_of_no_consequence_are_left_alone),
        cmocka_unit_test(reading_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
