/* config.json: both published and saved forms, every default, every bad value by its key. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "tiny_model.h"
#include "tsr_alloc.h"

static tsr_status parse(tsr_text_config *c, const char *text, tsr_error *err)
{
    tsr_json *j;
    assert_int_equal(tsr_json_parse(&j, text, strlen(text), "config.json", NULL), TSR_OK);
    memset(err, 0, sizeof *err);
    tsr_status st = tsr_text_config_parse(c, j, "config.json", err);
    tsr_json_free(j);
    return st;
}

static void parse_good(tsr_text_config *c, const char *text)
{
    tsr_error err;
    if (parse(c, text, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static void absent_keys_take_the_reference_defaults(void **state)
{
    (void)state;
    tsr_text_config c;
    parse_good(&c, "{\"model_type\":\"gemma4\",\"text_config\":{}}");
    assert_int_equal(c.n_layers, 30);
    assert_int_equal(c.hidden, 2304);
    assert_int_equal(c.n_heads, 8);
    assert_int_equal(c.vocab, 262144);
    assert_int_equal(c.window, 512);
    assert_int_equal(c.max_positions, 131072);
    assert_int_equal(c.ple_dim, 256);
    assert_int_equal(c.ple_vocab, 262144);
    assert_int_equal(c.n_shared, 0);
    assert_int_equal(c.n_experts, 0);
    assert_true(c.soft_cap == 0.0f && c.eps == 1e-6f && c.tied && !c.bidirectional_vision && !c.empty_thought);
    for (size_t i = 0; i < 30; i++) {
        bool full = i % 6 == 5;
        assert_int_equal(c.layers[i].type, full ? TSR_LAYER_FULL : TSR_LAYER_SLIDING);
        assert_int_equal(c.layers[i].head_dim, full ? 512 : 256);
        assert_int_equal(c.layers[i].n_kv_heads, 4);
        assert_int_equal(c.layers[i].ffn_width, 9216);
        assert_true(c.layers[i].has_kv && !c.layers[i].k_eq_v && c.layers[i].kv_source == i);
    }
    assert_true(c.rope[TSR_LAYER_SLIDING].theta == 1e4 && c.rope[TSR_LAYER_SLIDING].n_rotated == 128);
    assert_true(c.rope[TSR_LAYER_FULL].theta == 1e6 && c.rope[TSR_LAYER_FULL].n_rotated == 64);
    tsr_text_config_deinit(&c);

    parse_good(&c, "{\"model_type\":\"gemma4_unified\",\"text_config\":{}}");
    assert_int_equal(c.window, 1024);
    assert_int_equal(c.max_positions, 262144);
    assert_int_equal(c.ple_dim, 0);
    assert_true(c.bidirectional_vision);
    assert_int_equal(c.variant, TSR_VARIANT_12B);
    tsr_text_config_deinit(&c);
}

/* The published E2B: 35 layers, every fifth full, twenty shared, double-wide there. */
static void the_published_flat_form_resolves_every_layer(void **state)
{
    (void)state;
    char text[4096], types[2048] = "";
    for (size_t i = 0; i < 35; i++)
        snprintf(types + strlen(types), sizeof types - strlen(types), "%s\"%s_attention\"", i ? "," : "",
                 i % 5 == 4 ? "full" : "sliding");
    snprintf(text, sizeof text,
             "{\"model_type\":\"gemma4\",\"text_config\":{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":35,"
             "\"hidden_size\":1536,\"num_attention_heads\":8,\"num_key_value_heads\":1,\"head_dim\":256,"
             "\"global_head_dim\":512,\"num_global_key_value_heads\":null,\"intermediate_size\":6144,"
             "\"use_double_wide_mlp\":true,\"num_kv_shared_layers\":20,\"sliding_window\":512,"
             "\"final_logit_softcapping\":30.0,\"num_experts\":null,\"top_k_experts\":null,"
             "\"moe_intermediate_size\":null,\"use_bidirectional_attention\":null,\"layer_types\":[%s]}}", types);
    tsr_text_config c;
    parse_good(&c, text);
    assert_int_equal(c.variant, TSR_VARIANT_E);
    assert_true(c.soft_cap == 30.0f);
    for (size_t i = 0; i < 35; i++) {
        const tsr_layer_config *l = &c.layers[i];
        bool full = i % 5 == 4, shared = i >= 15;
        assert_int_equal(l->head_dim, full ? 512 : 256);
        assert_int_equal(l->n_kv_heads, 1);
        assert_int_equal(l->ffn_width, shared ? 12288 : 6144);
        assert_int_equal(l->has_kv, !shared);
        assert_int_equal(l->kv_source, !shared ? i : full ? 14 : 13);
    }
    tsr_text_config_deinit(&c);
}

static void the_saved_form_gives_the_same_as_the_flat_one(void **state)
{
    (void)state;
    static const char *const flat =
        "{\"model_type\":\"gemma4\",\"text_config\":{\"num_hidden_layers\":12,\"num_attention_heads\":16,"
        "\"num_key_value_heads\":8,\"num_global_key_value_heads\":2,\"attention_k_eq_v\":true,"
        "\"head_dim\":64,\"global_head_dim\":96,\"hidden_size_per_layer_input\":0}}";
    static const char *const saved =
        "{\"model_type\":\"gemma4\",\"text_config\":{\"num_hidden_layers\":12,\"num_attention_heads\":16,"
        "\"num_key_value_heads\":8,\"attention_k_eq_v\":true,\"head_dim\":64,\"hidden_size_per_layer_input\":0,"
        "\"per_layer_config\":{\"05\":{\"head_dim\":96,\"num_key_value_heads\":2},"
        "\"11\":{\"head_dim\":96,\"num_key_value_heads\":2}}}}";
    tsr_text_config a, b;
    parse_good(&a, flat);
    parse_good(&b, saved);
    assert_int_equal(a.variant, TSR_VARIANT_31B);
    assert_int_equal(b.variant, TSR_VARIANT_31B);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(a.layers[i].head_dim, i % 6 == 5 ? 96 : 64);
        assert_int_equal(a.layers[i].n_kv_heads, i % 6 == 5 ? 2 : 8);
        assert_int_equal(a.layers[i].k_eq_v, i % 6 == 5);
        assert_int_equal(b.layers[i].head_dim, a.layers[i].head_dim);
        assert_int_equal(b.layers[i].n_kv_heads, a.layers[i].n_kv_heads);
        assert_int_equal(b.layers[i].k_eq_v, a.layers[i].k_eq_v);
    }
    tsr_text_config_deinit(&a);
    tsr_text_config_deinit(&b);
}

static void global_kv_heads_count_only_where_k_is_v(void **state)
{
    (void)state;
    tsr_text_config c;
    parse_good(&c, "{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":6,\"num_global_key_value_heads\":2}");
    assert_int_equal(c.layers[5].n_kv_heads, 4);
    tsr_text_config_deinit(&c);
    /* With overrides present the flat global keys are not looked at; the last layer is full. */
    parse_good(&c, "{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":2,\"global_head_dim\":128,"
                   "\"layer_types\":[\"sliding_attention\",\"sliding_attention\"],\"per_layer_config\":{}}");
    assert_int_equal(c.layers[1].type, TSR_LAYER_FULL);
    assert_int_equal(c.layers[1].head_dim, 256);
    tsr_text_config_deinit(&c);
}

static void the_variant_follows_from_structure(void **state)
{
    (void)state;
    static const tsr_variant want[TINY_N] = {TSR_VARIANT_E, TSR_VARIANT_31B, TSR_VARIANT_26B, TSR_VARIANT_12B,
                                             TSR_VARIANT_E};
    for (int k = 0; k < TINY_N; k++) {
        tsr_text_config c;
        parse_good(&c, tiny_config[k]);
        assert_int_equal(c.variant, want[k]);
        assert_int_equal(c.empty_thought, want[k] != TSR_VARIANT_E);
        assert_int_equal(c.bidirectional_vision, want[k] != TSR_VARIANT_E);
        assert_true(strlen(tsr_variant_name(c.variant)) > 0);
        tsr_text_config_deinit(&c);
    }
}

static void rope_parameters_are_read_per_layer_type(void **state)
{
    (void)state;
    tsr_text_config c;
    parse_good(&c, "{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":6,\"rope_parameters\":{"
                   "\"sliding_attention\":{\"rope_type\":\"proportional\",\"rope_theta\":500,\"factor\":8,"
                   "\"partial_rotary_factor\":0.3},\"full_attention\":{\"rope_type\":\"default\",\"rope_theta\":7e5,"
                   "\"partial_rotary_factor\":0.25}}}");
    assert_true(c.rope[TSR_LAYER_SLIDING].theta == 500.0 && c.rope[TSR_LAYER_SLIDING].factor == 8.0);
    assert_int_equal(c.rope[TSR_LAYER_SLIDING].n_rotated, 38); /* floor(0.3 * 256 / 2) */
    assert_int_equal(c.rope[TSR_LAYER_FULL].n_rotated, 256);   /* "default" turns all */
    tsr_text_config_deinit(&c);
    /* Layers of one type only: the other needs no parameters. */
    parse_good(&c, "{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":1,\"rope_parameters\":{"
                   "\"full_attention\":{\"rope_type\":\"proportional\",\"rope_theta\":1e6}}}");
    assert_int_equal(c.rope[TSR_LAYER_FULL].n_rotated, 256);
    assert_int_equal(c.head_dim[TSR_LAYER_SLIDING], 0);
    tsr_text_config_deinit(&c);
}

typedef struct bad_case {
    const char *member; /* put into text_config */
    tsr_status status;
    const char *key, *expected;
} bad_case;

static const bad_case bad_cases[] = {
    {"\"num_hidden_layers\":0", TSR_ERR_MODEL, "text_config.num_hidden_layers is 0", "[1, 4096]"},
    {"\"num_hidden_layers\":4097", TSR_ERR_MODEL, "num_hidden_layers is 4097", "[1, 4096]"},
    {"\"num_hidden_layers\":-3", TSR_ERR_MODEL, "num_hidden_layers is -3", "an integer in"},
    {"\"num_hidden_layers\":\"6\"", TSR_ERR_MODEL, "num_hidden_layers is \"6\"", "an integer in"},
    {"\"num_hidden_layers\":6.0", TSR_ERR_MODEL, "num_hidden_layers is 6.0", "an integer in"},
    {"\"num_hidden_layers\":null", TSR_ERR_MODEL, "num_hidden_layers is null", "an integer in"},
    {"\"hidden_size\":0", TSR_ERR_MODEL, "hidden_size is 0", "[1, 1048576]"},
    {"\"hidden_size\":9223372036854775807", TSR_ERR_MODEL, "hidden_size is 9223372036854775807", "[1, 1048576]"},
    {"\"num_attention_heads\":0", TSR_ERR_MODEL, "num_attention_heads is 0", "an integer in"},
    {"\"vocab_size\":2147483648", TSR_ERR_MODEL, "vocab_size is 2147483648", "[1, 2147483647]"},
    {"\"sliding_window\":0", TSR_ERR_MODEL, "sliding_window is 0", "an integer in"},
    {"\"sliding_window\":null", TSR_ERR_MODEL, "sliding_window is null", "an integer in"},
    {"\"max_position_embeddings\":0", TSR_ERR_MODEL, "max_position_embeddings is 0", "an integer in"},
    {"\"head_dim\":0", TSR_ERR_MODEL, "head_dim is 0", "an integer in"},
    {"\"head_dim\":17", TSR_ERR_MODEL, "head dim of layer 0 is 17", "even"},
    {"\"head_dim\":4096", TSR_ERR_MODEL, "head_dim is 4096", "[2, 2048]"},
    {"\"global_head_dim\":null", TSR_ERR_MODEL, "global_head_dim is null", "an integer in"},
    {"\"num_key_value_heads\":3", TSR_ERR_MODEL, "layer 0 has 3 key/value heads", "divisor of num_attention_heads 8"},
    {"\"num_key_value_heads\":0", TSR_ERR_MODEL, "num_key_value_heads is 0", "an integer in"},
    {"\"num_global_key_value_heads\":0", TSR_ERR_MODEL, "num_global_key_value_heads is 0", "an integer in"},
    {"\"intermediate_size\":0", TSR_ERR_MODEL, "intermediate_size is 0", "an integer in"},
    {"\"use_double_wide_mlp\":1", TSR_ERR_MODEL, "use_double_wide_mlp is 1", "true or false"},
    {"\"attention_k_eq_v\":\"yes\"", TSR_ERR_MODEL, "attention_k_eq_v is \"yes\"", "true or false"},
    {"\"num_kv_shared_layers\":30", TSR_ERR_MODEL, "num_kv_shared_layers is 30", "[0, 29]"},
    {"\"num_kv_shared_layers\":27", TSR_ERR_MODEL, "num_kv_shared_layers is 27", "layer 5's type among the first 3"},
    {"\"layer_types\":[\"full_attention\"]", TSR_ERR_MODEL, "layer_types is [\"full_attention\"]", "one entry per layer"},
    {"\"layer_types\":5", TSR_ERR_MODEL, "layer_types is 5", "one entry per layer"},
    {"\"num_hidden_layers\":1,\"layer_types\":[\"chunked_attention\"]", TSR_ERR_UNSUPPORTED, "\"chunked_attention\"",
     "\"full_attention\""},
    {"\"num_hidden_layers\":1,\"layer_types\":[7]", TSR_ERR_UNSUPPORTED, "layer_types is 7", "\"full_attention\""},
    {"\"hidden_activation\":\"silu\"", TSR_ERR_UNSUPPORTED, "hidden_activation is \"silu\"", "gelu_pytorch_tanh"},
    {"\"attention_bias\":true", TSR_ERR_UNSUPPORTED, "attention_bias is true", "false"},
    {"\"use_bidirectional_attention\":\"all\"", TSR_ERR_UNSUPPORTED, "use_bidirectional_attention is \"all\"",
     "\"vision\""},
    {"\"use_bidirectional_attention\":\"some\"", TSR_ERR_MODEL, "is \"some\"", "\"vision\""},
    {"\"rms_norm_eps\":0", TSR_ERR_MODEL, "rms_norm_eps is 0", "a finite number > 0"},
    {"\"rms_norm_eps\":\"x\"", TSR_ERR_MODEL, "rms_norm_eps is \"x\"", "a finite number > 0"},
    {"\"final_logit_softcapping\":0", TSR_ERR_MODEL, "final_logit_softcapping is 0", "> 0"},
    {"\"final_logit_softcapping\":-30.0", TSR_ERR_MODEL, "final_logit_softcapping is -30.0", "> 0"},
    {"\"final_logit_softcapping\":1e300", TSR_ERR_MODEL, "final_logit_softcapping is", "finite"},
    {"\"pad_token_id\":262144", TSR_ERR_MODEL, "pad_token_id is 262144", "[0, 262143]"},
    {"\"pad_token_id\":9,\"vocab_size_per_layer_input\":9", TSR_ERR_MODEL, "pad_token_id is 9", "less than"},
    {"\"hidden_size_per_layer_input\":16385", TSR_ERR_MODEL, "hidden_size_per_layer_input is 16385", "[0, 16384]"},
    {"\"vocab_size_per_layer_input\":0", TSR_ERR_MODEL, "vocab_size_per_layer_input is 0", "an integer in"},
    {"\"enable_moe_block\":true", TSR_ERR_MODEL, "num_experts is missing", "an integer in"},
    {"\"enable_moe_block\":true,\"num_experts\":8,\"top_k_experts\":9,\"moe_intermediate_size\":4", TSR_ERR_MODEL,
     "top_k_experts is 9", "[1, 8]"},
    {"\"enable_moe_block\":true,\"num_experts\":8,\"top_k_experts\":2,\"moe_intermediate_size\":null", TSR_ERR_MODEL,
     "moe_intermediate_size is null", "an integer in"},
    {"\"per_layer_config\":7", TSR_ERR_MODEL, "per_layer_config is 7", "an object"},
    {"\"per_layer_config\":{\"30\":{}}", TSR_ERR_MODEL, "key \"30\"", "[0, 29]"},
    {"\"per_layer_config\":{\"x\":{}}", TSR_ERR_MODEL, "key \"x\"", "[0, 29]"},
    {"\"per_layer_config\":{\"\":{}}", TSR_ERR_MODEL, "key \"\"", "[0, 29]"},
    {"\"per_layer_config\":{\"99999999999999999999999\":{}}", TSR_ERR_MODEL, "key \"9999", "[0, 29]"},
    {"\"per_layer_config\":{\"1\":[]}", TSR_ERR_MODEL, "per_layer_config.1 is []", "an object"},
    {"\"per_layer_config\":{\"1\":{\"head_dim\":0}}", TSR_ERR_MODEL, "per_layer_config.1.head_dim is 0", "an integer in"},
    {"\"per_layer_config\":{\"1\":{\"head_dim\":64}}", TSR_ERR_MODEL, "head dim of layer 1 is 64", "256 as in"},
    {"\"per_layer_config\":{\"1\":{\"intermediate_size\":64}}", TSR_ERR_UNSUPPORTED,
     "per_layer_config.1.intermediate_size is 64", "only head_dim and num_key_value_heads"},
    {"\"num_kv_shared_layers\":6,\"per_layer_config\":{\"29\":{\"num_key_value_heads\":2}}", TSR_ERR_MODEL,
     "layer 29 has 2", "4 as in layer 23"},
    {"\"rope_parameters\":[]", TSR_ERR_MODEL, "rope_parameters is []", "keyed by layer type"},
    {"\"rope_parameters\":{}", TSR_ERR_MODEL, "rope_parameters.sliding_attention is missing", "an object"},
    {"\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"yarn\"}}", TSR_ERR_UNSUPPORTED,
     "sliding_attention.rope_type is \"yarn\"", "\"proportional\""},
    {"\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"default\"}}", TSR_ERR_MODEL,
     "sliding_attention.rope_theta is missing", "> 0"},
    {"\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":-1}}", TSR_ERR_MODEL,
     "rope_theta is -1", "> 0"},
    {"\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"proportional\",\"rope_theta\":1,"
     "\"partial_rotary_factor\":1.5}}", TSR_ERR_MODEL, "partial_rotary_factor is 1.5", "[0, 1]"},
    {"\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"proportional\",\"rope_theta\":1,\"factor\":0}}",
     TSR_ERR_MODEL, "sliding_attention.factor is 0", "> 0"},
    {"\"model_type\":\"llama\"", TSR_ERR_MODEL, "text_config.model_type is \"llama\"", "gemma4_text"},
};

static void every_bad_value_is_named_with_what_was_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        char text[1024];
        tsr_error err;
        tsr_text_config c;
        snprintf(text, sizeof text, "{\"model_type\":\"gemma4\",\"text_config\":{%s}}", bad_cases[i].member);
        assert_int_equal(parse(&c, text, &err), bad_cases[i].status);
        assert_error(&err, bad_cases[i].status, bad_cases[i].key, bad_cases[i].expected);
        assert_non_null(strstr(err.text, "config.json: "));
        assert_null(c.layers);
        assert_int_equal(c.n_layers, 0);
    }
    assert_int_equal(tsr_alloc_live(), 0);
}

static void a_file_of_another_kind_is_refused_by_its_type(void **state)
{
    (void)state;
    tsr_error err;
    tsr_text_config c;
    assert_int_equal(parse(&c, "{\"model_type\":\"llama\"}", &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "model_type is \"llama\"", "gemma4");
    assert_int_equal(parse(&c, "{}", &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "model_type is missing", "gemma4");
    assert_int_equal(parse(&c, "[]", &err), TSR_ERR_MODEL);
    assert_int_equal(parse(&c, "{\"model_type\":\"gemma4\"}", &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "text_config is missing", "an object");
    assert_int_equal(parse(&c, "{\"model_type\":\"gemma4\",\"text_config\":{},\"tie_word_embeddings\":3}", &err),
                     TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "tie_word_embeddings", NULL);
}

static void a_long_value_is_cut_in_the_message(void **state)
{
    (void)state;
    char text[4096], long_name[2000];
    tsr_error err;
    tsr_text_config c;
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    snprintf(text, sizeof text, "{\"model_type\":\"gemma4\",\"text_config\":{\"hidden_activation\":\"%s\"}}", long_name);
    assert_int_equal(parse(&c, text, &err), TSR_ERR_UNSUPPORTED);
    assert_error(&err, TSR_ERR_UNSUPPORTED, "xxx...; expected", "gelu_pytorch_tanh");
}

static void parsing_and_copying_survive_every_failed_allocation(void **state)
{
    (void)state;
    tsr_json *j;
    const char *text = tiny_config[TINY_E];
    assert_int_equal(tsr_json_parse(&j, text, strlen(text), "config.json", NULL), TSR_OK);
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_text_config a, b;
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_text_config_parse(&a, j, "config.json", NULL);
        memset(&b, 0, sizeof b);
        if (st == TSR_OK)
            st = tsr_text_config_copy(&b, &a, NULL);
        tsr_alloc_fail_at(0);
        tsr_text_config_deinit(&a);
        tsr_text_config_deinit(&b);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsr_json_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_take_the_reference_defaults),
        cmocka_unit_test(the_published_flat_form_resolves_every_layer),
        cmocka_unit_test(the_saved_form_gives_the_same_as_the_flat_one),
        cmocka_unit_test(global_kv_heads_count_only_where_k_is_v),
        cmocka_unit_test(the_variant_follows_from_structure),
        cmocka_unit_test(rope_parameters_are_read_per_layer_type),
        cmocka_unit_test(every_bad_value_is_named_with_what_was_expected),
        cmocka_unit_test(a_file_of_another_kind_is_refused_by_its_type),
        cmocka_unit_test(a_long_value_is_cut_in_the_message),
        cmocka_unit_test(parsing_and_copying_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
