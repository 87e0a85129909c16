/* Which type a tensor gets, by the shapes of real models: the layers that are lifted are written out here as llama.cpp's
 * quantizer lifts them. And what the second file is called. */
#include <stdio.h>

#include "quantize.h"
#include "test_main.h"
#include "tsr_alloc.h"

typedef struct sizes {
    size_t hidden, n_layers, n_heads, n_kv, ffn, ple;
    size_t n_experts, expert_width;
    bool k_eq_v; /* every sixth layer has no attn_v */
} sizes;

static const sizes E2B = {1536, 35, 8, 1, 6144, 256, 0, 0, false};
static const sizes M12B = {3840, 48, 16, 8, 15360, 0, 0, 0, true};
static const sizes M26B = {2816, 30, 16, 8, 2112, 0, 128, 704, true};

static void add(tsr_weights *w, const char *name, unsigned n_dims, size_t a, size_t b, size_t c)
{
    size_t shape[3] = {a, b, c};
    tsr_view v;
    assert_int_equal(tsr_view_make(&v, TSR_BF16, n_dims, shape, NULL, SIZE_MAX, name, NULL), TSR_OK);
    assert_int_equal(tsr_weights_add(w, name, &v, NULL), TSR_OK);
}

static void add_layer(tsr_weights *w, size_t layer, const char *name, unsigned n_dims, size_t a, size_t b, size_t c)
{
    char full[96];
    snprintf(full, sizeof full, "blk.%zu.%s", layer, name);
    add(w, full, n_dims, a, b, c);
}

static tsr_weights *model_of(const sizes *s)
{
    tsr_weights *w;
    assert_int_equal(tsr_weights_new(&w, "model", NULL), TSR_OK);
    add(w, "token_embd.weight", 2, 262144, s->hidden, 0);
    add(w, "output_norm.weight", 1, s->hidden, 0, 0);
    add(w, "rope_freqs.weight", 1, 256, 0, 0);
    if (s->ple) {
        add(w, "per_layer_token_embd.weight", 2, 262144, s->ple * s->n_layers, 0);
        add(w, "per_layer_model_proj.weight", 2, s->ple * s->n_layers, s->hidden, 0);
    }
    for (size_t i = 0; i < s->n_layers; i++) {
        bool has_v = !s->k_eq_v || (i + 1) % 6 != 0;
        add_layer(w, i, "attn_norm.weight", 1, s->hidden, 0, 0);
        add_layer(w, i, "attn_q.weight", 2, s->n_heads * 256, s->hidden, 0);
        add_layer(w, i, "attn_k.weight", 2, s->n_kv * 256, s->hidden, 0);
        if (has_v)
            add_layer(w, i, "attn_v.weight", 2, s->n_kv * 256, s->hidden, 0);
        add_layer(w, i, "attn_output.weight", 2, s->hidden, s->n_heads * 256, 0);
        add_layer(w, i, "ffn_gate.weight", 2, s->ffn, s->hidden, 0);
        add_layer(w, i, "ffn_down.weight", 2, s->hidden, s->ffn, 0);
        add_layer(w, i, "layer_output_scale.weight", 1, 1, 0, 0);
        if (s->ple)
            add_layer(w, i, "inp_gate.weight", 2, s->ple, s->hidden, 0);
        if (s->n_experts) {
            add_layer(w, i, "ffn_gate_inp.weight", 2, s->n_experts, s->hidden, 0);
            add_layer(w, i, "ffn_gate_inp.scale", 1, s->hidden, 0, 0);
            add_layer(w, i, "ffn_gate_up_exps.weight", 3, s->n_experts, 2 * s->expert_width, s->hidden);
            add_layer(w, i, "ffn_down_exps.weight", 3, s->n_experts, s->hidden, s->expert_width);
        }
    }
    return w;
}

static tsri_type_choice choice(const tsr_weights *w, const char *mixture, const char *name)
{
    tsri_mixture_model m = tsri_mixture_look(w);
    const tsr_view *v = tsr_weights_find(w, name);
    assert_non_null(v);
    return tsri_mixture_text_type(tsri_mixture_find(mixture), &m, name, v);
}

/* "0 1 4": the layers whose `tensor` gets `type`. */
static void expect_layers(const tsr_weights *w, const sizes *s, const char *mixture, const char *tensor, tsr_type type,
                          const char *layers)
{
    char got[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < s->n_layers; i++) {
        char name[96];
        snprintf(name, sizeof name, "blk.%zu.%s", i, tensor);
        if (tsr_weights_find(w, name) && choice(w, mixture, name).type == type)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%zu", n ? " " : "", i);
    }
    assert_string_equal(got, layers);
}

static void expect(const tsr_weights *w, const char *mixture, const char *tensor, tsr_type type)
{
    tsr_type got = choice(w, mixture, tensor).type;
    if (got != type)
        fail_msg("%s: %s is %s, wanted %s", mixture, tensor, tsr_type_info(got)->name, tsr_type_info(type)->name);
}

static void sensitive_layers_get_more_bits(void **state)
{
    (void)state;
    static const char sensitive[] = "0 1 2 3 6 9 12 15 18 21 24 27 30 31 32 33 34";
    tsr_weights *w = model_of(&E2B);
    expect_layers(w, &E2B, "q4_k_m", "attn_v.weight", TSR_Q6_K, sensitive);
    expect_layers(w, &E2B, "q4_k_m", "ffn_down.weight", TSR_Q6_K, sensitive);
    expect_layers(w, &E2B, "q5_k_m", "ffn_down.weight", TSR_Q6_K, sensitive);
    expect_layers(w, &E2B, "q5_k_s", "ffn_down.weight", TSR_Q6_K, "");
    expect_layers(w, &E2B, "q4_k_s", "attn_v.weight", TSR_Q5_K, "0 1 2 3");
    expect_layers(w, &E2B, "q4_k_s", "ffn_down.weight", TSR_Q5_K, "0 1 2 3");
    expect_layers(w, &E2B, "q3_k_m", "attn_v.weight", TSR_Q5_K, "0 1");
    expect_layers(w, &E2B, "q3_k_m", "ffn_down.weight", TSR_Q5_K, "0 1");
    expect_layers(w, &E2B, "iq4_xs", "ffn_down.weight", TSR_Q5_K, "0 1 2 3");
    tsr_weights_close(w);
}

/* Layers without attn_v are not counted for attn_v; experts count by their layer. */
static void layers_are_counted_where_the_tensor_is(void **state)
{
    (void)state;
    static const char sensitive[] = "0 1 2 5 8 11 14 17 20 23 26 27 28 29";
    tsr_weights *w = model_of(&M26B);
    expect_layers(w, &M26B, "q4_k_m", "attn_v.weight", TSR_Q6_K, "0 1 2 6 9 13 16 20 24 25 26 27 28");
    expect_layers(w, &M26B, "q3_k_m", "attn_v.weight", TSR_Q5_K, "0 1");
    expect_layers(w, &M26B, "q3_k_m", "attn_v.weight", TSR_Q4_K,
                  "2 3 4 6 7 8 9 10 12 13 14 15 16 18 19 20 21 22 24 25 26 27 28");
    /* rows of 704 and 2112 are no blocks of 256: Q8_0 stands for Q6_K */
    expect_layers(w, &M26B, "q4_k_m", "ffn_down_exps.weight", TSR_Q8_0, sensitive);
    expect_layers(w, &M26B, "q4_k_m", "ffn_down.weight", TSR_Q8_0, sensitive);
    assert_int_equal(choice(w, "q4_k_m", "blk.3.ffn_down_exps.weight").type, TSR_Q5_0);
    assert_int_equal(choice(w, "q4_k_m", "blk.3.ffn_down_exps.weight").wanted, TSR_Q4_K);
    tsr_weights_close(w);
}

static void mixtures_differ_where_they_should(void **state)
{
    (void)state;
    tsr_weights *e = model_of(&E2B), *d = model_of(&M12B), *m = model_of(&M26B);
    expect(e, "q2_k", "blk.9.attn_v.weight", TSR_Q4_K); /* eight query heads for a key head */
    expect(d, "q2_k", "blk.9.attn_v.weight", TSR_Q3_K);
    expect(e, "q2_k", "blk.9.attn_output.weight", TSR_Q3_K);
    expect(e, "q2_k", "blk.9.attn_q.weight", TSR_Q2_K);
    expect(e, "q3_k_l", "blk.9.attn_output.weight", TSR_Q5_K);
    expect(e, "q3_k_s", "blk.0.attn_v.weight", TSR_Q3_K);
    expect(e, "iq4_nl", "blk.9.attn_v.weight", TSR_Q5_K);
    expect(d, "iq4_nl", "blk.9.attn_v.weight", TSR_IQ4_NL);
    expect(e, "q6_k", "blk.0.ffn_down.weight", TSR_Q6_K);
    expect(e, "q4_0", "blk.0.ffn_down.weight", TSR_Q4_0);
    expect(e, "mxfp4", "blk.0.ffn_down.weight", TSR_MXFP4); /* no experts: all matrices */
    expect(m, "mxfp4", "blk.0.ffn_down.weight", TSR_Q8_0);
    expect(m, "mxfp4", "blk.0.ffn_down_exps.weight", TSR_MXFP4);
    expect(m, "Q8_0", "blk.0.ffn_down.weight", TSR_Q8_0);
    tsr_weights_close(e);
    tsr_weights_close(d);
    tsr_weights_close(m);
}

static void tables_get_six_bits_and_what_is_small_stays(void **state)
{
    (void)state;
    static const char *const blocks[] = {"q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_s", "q4_k_m", "q6_k", "iq4_xs"};
    static const struct {
        const char *mixture;
        tsr_type table, proj;
    } others[] = {{"f32", TSR_F32, TSR_F32}, {"f16", TSR_F16, TSR_F16}, {"bf16", TSR_BF16, TSR_BF16},
                  {"q8_0", TSR_Q8_0, TSR_BF16}, {"mxfp4", TSR_Q8_0, TSR_BF16}};
    tsr_weights *e = model_of(&E2B), *m = model_of(&M26B);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        expect(e, blocks[i], "token_embd.weight", TSR_Q6_K);
        expect(e, blocks[i], "per_layer_token_embd.weight", TSR_Q6_K);
        expect(e, blocks[i], "per_layer_model_proj.weight", TSR_BF16); /* as it was */
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect(e, others[i].mixture, "token_embd.weight", others[i].table);
        expect(e, others[i].mixture, "per_layer_token_embd.weight", others[i].table);
        expect(e, others[i].mixture, "per_layer_model_proj.weight", others[i].proj);
        expect(e, others[i].mixture, "output_norm.weight", TSR_F32);
        expect(e, others[i].mixture, "rope_freqs.weight", TSR_F32);
        expect(e, others[i].mixture, "blk.3.layer_output_scale.weight", TSR_F32);
        expect(m, others[i].mixture, "blk.3.ffn_gate_inp.weight", TSR_F32);
        expect(m, others[i].mixture, "blk.3.ffn_gate_inp.scale", TSR_F32);
    }
    tsr_weights_close(e);
    tsr_weights_close(m);
}

static void with_an_output_of_its_own_the_table_is_as_the_rest(void **state)
{
    (void)state;
    tsr_weights *w = model_of(&E2B);
    add(w, "output.weight", 2, 262144, 1536, 0);
    expect(w, "q4_k_m", "output.weight", TSR_Q6_K);
    expect(w, "q4_k_m", "token_embd.weight", TSR_Q4_K);
    expect(w, "q8_0", "output.weight", TSR_Q8_0);
    tsr_weights_close(w);
}

static void rows_that_are_no_blocks_fall_back_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *mixture;
        size_t cols;
        tsr_type type;
    } cases[] = {
        {"q2_k", 96, TSR_Q4_0},   {"q3_k_s", 96, TSR_Q4_0}, {"q4_k_s", 96, TSR_Q5_0}, {"q5_k_s", 96, TSR_Q5_1},
        {"q6_k", 96, TSR_Q8_0},   {"iq4_xs", 96, TSR_IQ4_NL}, {"q4_k_s", 88, TSR_F16}, {"q8_0", 88, TSR_F16},
        {"mxfp4", 88, TSR_F16},   {"iq4_nl", 88, TSR_F16},  {"bf16", 88, TSR_BF16},   {"q4_k_s", 512, TSR_Q4_K},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsri_mixture_model m = {.n_layers = 8};
        const tsri_mixture *mix = tsri_mixture_find(cases[i].mixture);
        tsr_view v;
        assert_int_equal(tsr_view_make(&v, TSR_F32, 2, (const size_t[]){4, cases[i].cols}, NULL, SIZE_MAX, "v", NULL), TSR_OK);
        tsri_type_choice c = tsri_mixture_text_type(mix, &m, "blk.5.attn_q.weight", &v);
        assert_int_equal(c.type, cases[i].type);
        assert_int_equal(c.wanted, mix->base);
    }
    assert_null(tsri_mixture_find("q4_k"));
    assert_null(tsri_mixture_find("q4_k_ms"));
    assert_ptr_equal(tsri_mixture_find("Q4_K_M"), tsri_mixture_find("q4_k_m"));
}

static void every_mixture_has_a_number_in_files(void **state)
{
    (void)state;
    char names[256], *at = names, *next;
    size_t n = 0;
    uint32_t id;
    tsri_mixture_names(names, sizeof names, false);
    for (; at; at = next, n++) {
        next = strstr(at, ", ");
        if (next) {
            *next = 0;
            next += 2;
        }
        assert_true(tsr_gguf_file_type_find(tsri_mixture_find(at)->file_type, &id));
    }
    assert_int_equal(n, 20);
    tsri_mixture_names(names, sizeof names, true);
    assert_string_equal(names, "f32, f16, bf16, q8_0");
}

static void towers_keep_what_others_would_spoil(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned n_dims;
        size_t shape[4];
        tsr_type f16, bf16, q8_0;
    } cases[] = {
        {"v.patch_embd.weight", 4, {768, 3, 16, 16}, TSR_F16, TSR_F32, TSR_F32},
        {"v.position_embd.weight", 3, {2, 10240, 768}, TSR_F32, TSR_F32, TSR_F32},
        {"v.blk.3.attn_q.weight", 2, {768, 768}, TSR_F16, TSR_BF16, TSR_Q8_0},
        {"v.blk.3.ffn_down.weight", 2, {1152, 4304}, TSR_F16, TSR_BF16, TSR_F16},
        {"v.blk.3.attn_q.input_min", 1, {1}, TSR_F32, TSR_F32, TSR_F32},
        {"v.blk.3.ln1.weight", 1, {768}, TSR_F32, TSR_F32, TSR_F32},
        {"mm.input_projection.weight", 2, {1536, 768}, TSR_F16, TSR_BF16, TSR_Q8_0},
        {"a.conv1d.0.weight", 4, {128, 1, 3, 3}, TSR_F32, TSR_F32, TSR_F32},
        {"a.input_projection.weight", 2, {1024, 1024}, TSR_F32, TSR_F32, TSR_F32},
        {"a.blk.0.conv_dw.weight", 2, {1024, 5}, TSR_F32, TSR_F32, TSR_F32},
        {"a.blk.0.conv_pw1.weight", 2, {2048, 1024}, TSR_F16, TSR_BF16, TSR_Q8_0},
        {"a.pre_encode.out.bias", 1, {1536}, TSR_F32, TSR_F32, TSR_F32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_view v;
        assert_int_equal(tsr_view_make(&v, TSR_BF16, cases[i].n_dims, cases[i].shape, NULL, SIZE_MAX, "v", NULL), TSR_OK);
        assert_int_equal(tsri_mixture_tower_type(tsri_mixture_find("f16"), cases[i].name, &v).type, cases[i].f16);
        assert_int_equal(tsri_mixture_tower_type(tsri_mixture_find("bf16"), cases[i].name, &v).type, cases[i].bf16);
        assert_int_equal(tsri_mixture_tower_type(tsri_mixture_find("q8_0"), cases[i].name, &v).type, cases[i].q8_0);
        assert_int_equal(tsri_mixture_tower_type(tsri_mixture_find("f32"), cases[i].name, &v).type, TSR_F32);
    }
}

static void the_second_file_is_named_after_the_first(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"gemma-4-E2B-it-Q4_K_M.gguf", "mmproj-gemma-4-E2B-it-BF16.gguf"},
        {"dir/gemma-4-E2B-it-q4_k_m.gguf", "dir/mmproj-gemma-4-E2B-it-BF16.gguf"},
        {"/a.b/gemma.q8_0.gguf", "/a.b/mmproj-gemma-BF16.gguf"},
        {"m-mxfp4.gguf", "mmproj-m-BF16.gguf"},
        {"gemma", "mmproj-gemma-BF16.gguf"},
        {"Q4_K_M.gguf", "mmproj-Q4_K_M-BF16.gguf"},
        {"model.bin", "mmproj-model.bin-BF16.gguf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got;
        assert_int_equal(tsri_mmproj_name(&got, cases[i][0], tsri_mixture_find("bf16"), NULL), TSR_OK);
        assert_string_equal(got, cases[i][1]);
        tsr_free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sensitive_layers_get_more_bits),
        cmocka_unit_test(layers_are_counted_where_the_tensor_is),
        cmocka_unit_test(mixtures_differ_where_they_should),
        cmocka_unit_test(tables_get_six_bits_and_what_is_small_stays),
        cmocka_unit_test(with_an_output_of_its_own_the_table_is_as_the_rest),
        cmocka_unit_test(rows_that_are_no_blocks_fall_back_by_name),
        cmocka_unit_test(every_mixture_has_a_number_in_files),
        cmocka_unit_test(towers_keep_what_others_would_spoil),
        cmocka_unit_test(the_second_file_is_named_after_the_first),
    };
    return cmocka_run_group_tests_name("quantize_types", tests, NULL, NULL);
}
