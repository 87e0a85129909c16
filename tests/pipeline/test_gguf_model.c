/* test_gguf_model.c: a GGUF text model gives the same bits as the folder that it was made from; what is wrong with it
 * is named as the file names it. */
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generation.h"
#include "gguf_model.h"
#include "gguf_writer.h"
#include "hash_model.h"
#include "recipes.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_decoder.h"
#include "tsr_gguf_text.h"
#include "tsr_text_config.h"

/* DIR of a model, written once. */
static const char *folder(const char *name)
{
    const char *dir = test_path(test_root, name);
    tsr_error err = {TSR_OK, ""};
    if (oracle_model_write_once(dir, name, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
    return dir;
}

/* ---- the same bits ---- */

static void run_text(const char *model, const char *dump)
{
    static const tessera_part part = {.kind = TESSERA_PART_TEXT, .text = "A short line, then 3 more: <b>zwölf</b>."};
    tessera_model_opts o = {.threads = 2};
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    tessera_result *r;
    if (tessera_model_open(&m, model, &o, &err) != TESSERA_OK)
        fail_msg("%s: %s", model, err.text);
    tessera_request rq = tessera_request_default();
    rq.parts = &part;
    rq.n_parts = 1;
    rq.temperature = 0;
    rq.max_tokens = 6;
    rq.dump = dump;
    rq.dump_all_logits = 1;
    if (tessera_run(m, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s: %s", model, err.text);
    tessera_result_free(r);
    tessera_model_close(m);
}

static void same_dumps(const char *a, const char *b, const char *what)
{
    static const char *const names[] = {"prompt_ids.npy", "logits.npy", "token_ids.npy"};
    for (size_t i = 0; i < 3; i++) {
        size_t la, lb;
        unsigned char *x = test_read_file(test_path(a, names[i]), &la);
        unsigned char *y = test_read_file(test_path(b, names[i]), &lb);
        if (la != lb || memcmp(x, y, la) != 0)
            fail_msg("%s: %s differs", what, names[i]);
        assert_true(la > 64);
        free(x);
        free(y);
    }
}

static void every_variant_and_form_gives_the_folders_bits(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        gm_form form;
    } cases[] = {
        {"e2b", {.output = true}}, {"e2b", {.drop_shared = true}}, {"e4b", {.drop_shared = false}},
        {"31b", {.output = false}}, {"26b", {.split_experts = false}}, {"26b", {.split_experts = true}},
        {"12b", {.output = false}}, {"text", {.drop_shared = true}},
        {"e2b-bf16", {.output = true}}, {"26b-bf16", {.split_experts = true}}, /* norms in BF16 too */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char dir[256], from[256], to[256], gguf[256], what[64];
        snprintf(dir, sizeof dir, "%s", folder(cases[i].model));
        snprintf(what, sizeof what, "case %zu, %s", i, cases[i].model);
        snprintf(from, sizeof from, "%s/folder-%zu", test_root, i);
        snprintf(to, sizeof to, "%s/gguf-%zu", test_root, i);
        snprintf(gguf, sizeof gguf, "%s/%zu.gguf", test_root, i);
        gm_write(gguf, dir, cases[i].form);
        run_text(dir, from);
        run_text(gguf, to);
        same_dumps(from, to, what);
        unlink(gguf);
    }
}

/* ---- what is wrong is named ---- */

/* Configuration, tensors and decoder of a file, as far as they go. */
static tsr_status open_text(const char *path, tsr_error *err)
{
    tsr_gguf *g;
    tsr_json *config = NULL;
    tsr_weights *w = NULL;
    tsr_decoder *d = NULL;
    tsr_text_config c = {0};
    tsr_status st = tsr_gguf_open(&g, path, err);
    if (st == TSR_OK)
        st = tsr_gguf_text_config(&config, g, err);
    if (st == TSR_OK)
        st = tsr_text_config_parse(&c, config, "(config)", err);
    if (st == TSR_OK)
        st = tsr_weights_new(&w, path, err);
    if (st == TSR_OK)
        st = tsr_gguf_text_weights(w, g, err);
    if (st == TSR_OK)
        st = tsr_decoder_open(&d, w, &c, err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(w, err);
    tsr_decoder_close(d);
    tsr_weights_close(w);
    tsr_text_config_deinit(&c);
    tsr_json_free(config);
    tsr_gguf_close(g);
    return st;
}

static void expect_refusal(const char *path, const char *a, const char *b)
{
    tsr_error err = {TSR_OK, ""};
    size_t live = tsr_alloc_live();
    tsr_status st = open_text(path, &err);
    if ((st != TSR_ERR_MODEL && st != TSR_ERR_UNSUPPORTED) || !strstr(err.text, a) || !strstr(err.text, b) ||
        !strstr(err.text, path))
        fail_msg("wanted a refusal that names '%s' and '%s', got %d: %s", a, b, (int)st, err.text);
    assert_int_equal(tsr_alloc_live(), live);
}

/* A file in memory, written to `path` with some of its bytes changed. */
typedef struct victim {
    char path[256];
    unsigned char *bytes;
    size_t len;
} victim;

static victim make_victim(const char *model, gm_form form)
{
    victim v;
    snprintf(v.path, sizeof v.path, "%s/victim.gguf", test_root);
    gm_write(v.path, folder(model), form);
    v.bytes = test_read_file(v.path, &v.len);
    return v;
}

static void patch(const victim *v, size_t at, const void *bytes, size_t n)
{
    FILE *f = fopen(v->path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void expect_broken(const victim *v, size_t at, const void *bytes, size_t n, const char *a, const char *b)
{
    patch(v, at, bytes, n);
    expect_refusal(v->path, a, b);
    patch(v, at, v->bytes + at, n);
}

/* Without it the model is another one, or the same. */
static bool may_be_missing(const char *name, const tsr_text_config *c)
{
    size_t layer;
    const tsr_gguf_text_tensor *row = tsr_gguf_text_find_gguf(name, &layer);
    assert_non_null(row);
    bool shared = strchr(row->gguf, '#') && !c->layers[layer].has_kv;
    return (shared && (strstr(name, "attn_k") || strstr(name, "attn_v"))) || strcmp(name, "output.weight") == 0 ||
           (strstr(name, "attn_v") && c->layers[layer].type == TSR_LAYER_FULL);
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    static const char *const models[] = {"e2b", "26b"};
    for (size_t k = 0; k < 2; k++) {
        victim v = make_victim(models[k], (gm_form){.split_experts = true, .output = true});
        tsr_gguf *g;
        tsr_json *config;
        tsr_text_config c;
        size_t n = 0;
        assert_int_equal(tsr_gguf_open(&g, v.path, NULL), TSR_OK);
        assert_int_equal(tsr_gguf_text_config(&config, g, NULL), TSR_OK);
        assert_int_equal(tsr_text_config_parse(&c, config, v.path, NULL), TSR_OK);
        for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++) {
            char name[128];
            snprintf(name, sizeof name, "%s", tsr_gguf_tensor_at(g, i)->name);
            if (may_be_missing(name, &c))
                continue;
            /* Of two halves of the experts, the other one alone is unknown, or this one is missed. */
            const char *told = strstr(name, "ffn_gate_exps") ? "ffn_" : name;
            expect_broken(&v, gm_find(v.bytes, v.len, name), "X", 1, told, "tensor ");
            n++;
        }
        assert_true(n > 100);
        tsr_text_config_deinit(&c);
        tsr_json_free(config);
        tsr_gguf_close(g);
        free(v.bytes);
    }
}

static void every_key_that_must_be_there_is_named(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "general.architecture", "gemma4.block_count", "gemma4.context_length", "gemma4.embedding_length",
        "gemma4.attention.head_count", "gemma4.attention.head_count_kv", "gemma4.attention.layer_norm_rms_epsilon",
        "gemma4.attention.sliding_window", "gemma4.attention.sliding_window_pattern",
        "gemma4.embedding_length_per_layer_input", "gemma4.feed_forward_length", "gemma4.attention.key_length",
        "gemma4.attention.key_length_swa", "gemma4.rope.freq_base", "gemma4.expert_used_count",
        "gemma4.expert_feed_forward_length"};
    victim v = make_victim("26b", (gm_form){.split_experts = false});
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        expect_broken(&v, gm_find(v.bytes, v.len, keys[i]), "X", 1, keys[i], "is missing");
    free(v.bytes);
}

static void wrong_values_name_their_key(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t elem; /* SIZE_MAX: no array */
        uint32_t value;
        const char *why;
    } cases[] = {
        {"gemma4.block_count", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.block_count", SIZE_MAX, 4097, "is 4097; expected"},
        {"gemma4.block_count", SIZE_MAX, 7, "sliding_window_pattern"},
        {"gemma4.embedding_length", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.embedding_length", SIZE_MAX, 64, "token_embd.weight"},
        {"gemma4.context_length", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.attention.head_count", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.attention.head_count", SIZE_MAX, 3, "blk.0.attn_q.weight"},
        {"gemma4.attention.head_count_kv", SIZE_MAX, 0, "layer 0 has 0"},
        {"gemma4.attention.head_count_kv", SIZE_MAX, 3, "layer 0 has 3"},
        {"gemma4.attention.sliding_window", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.attention.shared_kv_layers", SIZE_MAX, 8, "is 8; expected"},
        {"gemma4.attention.shared_kv_layers", SIZE_MAX, 7, "of layer"},
        {"gemma4.attention.key_length", SIZE_MAX, 5, "even"},
        {"gemma4.attention.key_length", SIZE_MAX, 4096, "even number in [2, 2048]"},
        {"gemma4.attention.value_length", SIZE_MAX, 10, "as in gemma4.attention.key_length"},
        {"gemma4.attention.value_length_swa", SIZE_MAX, 10, "as in gemma4.attention.key_length_swa"},
        {"gemma4.rope.dimension_count", SIZE_MAX, 4, "as in gemma4.attention.key_length"},
        {"gemma4.rope.dimension_count_swa", SIZE_MAX, 4, "as in gemma4.attention.key_length_swa"},
        {"gemma4.rope.freq_base", SIZE_MAX, 0, "is 0; expected a number > 0"},
        {"gemma4.rope.freq_base", SIZE_MAX, 0x7f800000u, "finite"},
        {"gemma4.rope.freq_base_swa", SIZE_MAX, 0xbf800000u, "is -1; expected"},
        {"gemma4.attention.layer_norm_rms_epsilon", SIZE_MAX, 0, "is 0; expected"},
        {"gemma4.final_logit_softcapping", SIZE_MAX, 0xbf800000u, "is -1; expected"},
        {"gemma4.embedding_length_per_layer_input", SIZE_MAX, 16385, "is 16385; expected"},
        {"gemma4.embedding_length_per_layer_input", SIZE_MAX, 7, "per_layer_token_embd.weight"},
        {"gemma4.embedding_length_per_layer_input", SIZE_MAX, 0, "tensor "},
        {"gemma4.feed_forward_length", 0, 0, "is 0; expected"},
        {"gemma4.feed_forward_length", 1, 5, "layer 1 has 5; expected"},
        {"gemma4.feed_forward_length", 6, 5, "layer 6 has 5; expected"},
        {"tokenizer.ggml.padding_token_id", SIZE_MAX, 1u << 30, "rows"},
    };
    victim v = make_victim("e2b", (gm_form){.output = false});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = gm_find(v.bytes, v.len, cases[i].key) + strlen(cases[i].key) + 4;
        at += cases[i].elem == SIZE_MAX ? 0 : 12 + 4 * cases[i].elem;
        expect_broken(&v, at, &cases[i].value, 4, cases[i].why, "");
    }
    static const unsigned char one = 1; /* the last of the 8 layers becomes a sliding one */
    const char *pattern = "gemma4.attention.sliding_window_pattern";
    expect_broken(&v, gm_find(v.bytes, v.len, pattern) + strlen(pattern) + 16 + 7, &one, 1, pattern, "last layer");
    free(v.bytes);
}

static void a_name_that_nobody_knows_is_told_as_the_file_has_it(void **state)
{
    (void)state;
    victim v = make_victim("e2b", (gm_form){.output = true});
    expect_broken(&v, gm_find(v.bytes, v.len, "output.weight"), "outlet", 6, "tensor outlet.weight is unknown", "");
    expect_broken(&v, gm_find(v.bytes, v.len, "blk.7.attn_k.weight") + 4, "9", 1,
                  "tensor blk.9.attn_k.weight is unknown", "");
    free(v.bytes);
}

/* A shape in the file: one dimension more than there is. */
static void a_tensor_of_another_shape_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.3.ffn_down.weight", "output_norm.weight",
                                        "blk.1.layer_output_scale.weight", "per_layer_proj_norm.weight"};
    victim v = make_victim("e2b", (gm_form){.output = false});
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t at = gm_find(v.bytes, v.len, names[i]) + strlen(names[i]) + 4; /* the first dimension of the file */
        uint64_t n;
        memcpy(&n, v.bytes + at, 8);
        n = n > 1 ? n - 1 : 2;
        patch(&v, at, &n, 8);
        tsr_error err = {TSR_OK, ""};
        assert_int_not_equal(open_text(v.path, &err), TSR_OK);
        if (!strstr(err.text, names[i]))
            fail_msg("%s isn't named: %s", names[i], err.text);
        patch(&v, at, v.bytes + at, 8);
    }
    free(v.bytes);
}

/* ---- rotated share ---- */

static size_t data_of(const victim *v, const char *tensor)
{
    tsr_gguf *g;
    assert_int_equal(tsr_gguf_open(&g, v->path, NULL), TSR_OK);
    const tsr_view *w = &tsr_gguf_find_tensor(g, tensor)->view;
    size_t at = 0;
    while (at + w->n_bytes <= v->len && memcmp(v->bytes + at, w->data, w->n_bytes) != 0)
        at += 32;
    tsr_gguf_close(g);
    assert_true(at < v->len);
    return at;
}

static size_t share_that_is_read(const victim *v, size_t *half)
{
    tsr_gguf *g;
    tsr_json *config;
    tsr_text_config c;
    assert_int_equal(tsr_gguf_open(&g, v->path, NULL), TSR_OK);
    assert_int_equal(tsr_gguf_text_config(&config, g, NULL), TSR_OK);
    assert_int_equal(tsr_text_config_parse(&c, config, v->path, NULL), TSR_OK);
    size_t n = c.rope[TSR_LAYER_FULL].n_rotated;
    *half = c.head_dim[TSR_LAYER_FULL] / 2;
    tsr_text_config_deinit(&c);
    tsr_json_free(config);
    tsr_gguf_close(g);
    return n;
}

static void rotated_frequencies_are_the_ones_of_rope_freqs(void **state)
{
    (void)state;
    victim v = make_victim("31b", (gm_form){.output = false});
    size_t at = data_of(&v, "rope_freqs.weight"), half;
    static const float factors[2] = {1e30f, 1.0f};
    share_that_is_read(&v, &half);
    for (size_t n = 0; n <= half; n++) {
        for (size_t i = 0; i < half; i++)
            patch(&v, at + 4 * i, &factors[i < n], 4);
        assert_int_equal(share_that_is_read(&v, &half), n);
    }
    free(v.bytes);
}

static void rope_freqs_of_another_kind_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {2.0f, 0.5f, 0.0f, -1.0f, 1e20f, -1e30f, (float)NAN};
    victim v = make_victim("31b", (gm_form){.output = false});
    size_t at = data_of(&v, "rope_freqs.weight");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_broken(&v, at, &bad[i], 4, "tensor rope_freqs.weight", "element 0");
    static const float one = 1.0f;
    size_t last = 0;
    tsr_gguf *g;
    assert_int_equal(tsr_gguf_open(&g, v.path, NULL), TSR_OK);
    last = tsr_gguf_find_tensor(g, "rope_freqs.weight")->view.n_elems - 1;
    tsr_gguf_close(g);
    patch(&v, at + 4 * last, &one, 4); /* ones again after those that stand still */
    expect_refusal(v.path, "tensor rope_freqs.weight", "ones, then 1e30");
    free(v.bytes);
}

/* ---- other files ---- */

static void refuse_architecture(const char *arch, const char *named)
{
    char path[256];
    gg_writer *w = gg_new();
    snprintf(path, sizeof path, "%s/other.gguf", test_root);
    gg_str(w, "general.architecture", arch);
    gg_write(w, path);
    gg_free(w);
    tessera_model *m;
    tessera_error err = {TESSERA_OK, ""};
    assert_int_equal(tessera_model_open(&m, path, NULL, &err), TESSERA_ERR_UNSUPPORTED);
    if (!strstr(err.text, named) || !strstr(err.text, arch) || !strstr(err.text, path))
        fail_msg("%s: %s", arch, err.text);
}

static void other_architectures_are_refused_by_name(void **state)
{
    (void)state;
    refuse_architecture("llama", "expected 'gemma4'");
    refuse_architecture("gemma3", "expected 'gemma4'");
    refuse_architecture("gemma4x", "expected 'gemma4'");
    refuse_architecture("clip", "mmproj");
    refuse_architecture("gemma4_mtp", "drafter");
}

static void a_drafter_is_checked_and_then_refused_as_one(void **state)
{
    (void)state;
    static const char *const keys[] = {"block_count", "embedding_length_out", "nextn_predict_layers",
                                       "attention.head_count", "feed_forward_length"};
    char key[96];
    victim v;
    snprintf(v.path, sizeof v.path, "%s/drafter.gguf", test_root);
    gm_write_drafter(v.path);
    v.bytes = test_read_file(v.path, &v.len);
    expect_refusal(v.path, "drafter", "gemma4-assistant");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "gemma4-assistant.%s", keys[i]);
        expect_broken(&v, gm_find(v.bytes, v.len, key), "X", 1, key, "is missing");
    }
    tsr_gguf *g;
    assert_int_equal(tsr_gguf_open(&g, v.path, NULL), TSR_OK);
    for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", tsr_gguf_tensor_at(g, i)->name);
        bool optional = strstr(name, "masked_embd");
        char renamed[64];
        snprintf(renamed, sizeof renamed, "X%s", name + 1);
        expect_broken(&v, gm_find(v.bytes, v.len, name), "X", 1, optional ? renamed : name, "tensor ");
    }
    tsr_gguf_close(g);
    uint32_t three = 3;
    size_t at = gm_find(v.bytes, v.len, "gemma4-assistant.nextn_predict_layers");
    expect_broken(&v, at + strlen("gemma4-assistant.nextn_predict_layers") + 4, &three, 4, "nextn_predict_layers",
                  "is 3; expected 2");
    free(v.bytes);
}

static void expect_model(const char *path, const char *mmproj, tessera_status st, const char *a, const char *b)
{
    tessera_model_opts o = {.threads = 1, .mmproj = mmproj};
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    tessera_status got = tessera_model_open(&m, path, &o, &err);
    if (got != st || !strstr(err.text, a) || !strstr(err.text, b))
        fail_msg("wanted %d naming '%s' and '%s', got %d: %s", (int)st, a, b, (int)got, err.text);
    tessera_model_close(m);
}

static void a_mmproj_of_another_model_is_refused_with_both_files_named(void **state)
{
    (void)state;
    victim v = make_victim("e2b", (gm_form){.output = false});
    char path[256];
    snprintf(path, sizeof path, "%s/towers.gguf", test_root);
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "clip");
    gg_u32(w, "clip.vision.projection_dim", 4096);
    gg_write(w, path);
    gg_free(w);
    expect_model(v.path, path, TESSERA_ERR_MODEL, path, v.path);
    expect_model(v.path, v.path, TESSERA_ERR_USAGE, v.path, "no mmproj");
    expect_model(v.path, test_path(test_root, "none.gguf"), TESSERA_ERR_NOINPUT, "none.gguf", "");
    expect_model(folder("e2b"), path, TESSERA_ERR_USAGE, path, "no GGUF model");
    free(v.bytes);
}

/* The sound half of a mmproj as the 12B has it: one matrix. */
static void write_free_ear(const char *path, const char *projector, size_t width)
{
    static const unsigned char yes = 1;
    const size_t shape[] = {width, 16};
    float *x = must_realloc(NULL, width * 16 * sizeof *x);
    memset(x, 0, width * 16 * sizeof *x);
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "clip");
    gg_scalar(w, "clip.has_audio_encoder", TSR_GGUF_BOOL, &yes, 1);
    gg_str(w, "clip.audio.projector_type", projector);
    gg_u32(w, "clip.audio.projection_dim", (uint32_t)width);
    gg_u32(w, "clip.audio.embedding_length", 16);
    gg_u32(w, "clip.audio.feed_forward_length", 0);
    gg_u32(w, "clip.audio.block_count", 0);
    gg_u32(w, "clip.audio.attention.head_count", 0);
    gg_u32(w, "clip.audio.num_mel_bins", 128);
    gg_f32(w, "clip.audio.attention.layer_norm_epsilon", 1e-6f);
    gg_tensor(w, "mm.a.input_projection.weight", 0, 2, shape, x, width * 16 * sizeof *x);
    gg_write(w, path);
    gg_free(w);
    free(x);
}

static void expect_variant(const char *path, const char *mmproj, const char *variant, unsigned senses)
{
    char want[64], *json;
    tessera_model_opts o = {.threads = 1, .mmproj = mmproj};
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    if (tessera_model_open(&m, path, &o, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tessera_model_senses(m), senses);
    assert_int_equal(tessera_model_info(m, 1, &json, &err), TESSERA_OK);
    snprintf(want, sizeof want, "\"variant\": \"%s\"", variant);
    if (!strstr(json, want) || !strstr(json, "\"format\": \"GGUF\"") || !strstr(json, path) ||
        (mmproj && !strstr(json, mmproj)))
        fail_msg("no %s in %s", want, json);
    tessera_free(json);
    tessera_model_close(m);
}

static void the_mmproj_tells_a_12b_from_a_31b(void **state)
{
    (void)state;
    char ear[256], wav[256];
    const tessera_part sound = {.kind = TESSERA_PART_AUDIO, .path = wav};
    const uint32_t seed = 1;
    snprintf(ear, sizeof ear, "%s/ear.gguf", test_root);
    snprintf(wav, sizeof wav, "%s/ear.wav", test_root);
    assert_int_equal(oracle_sound_write(wav, 3200, &seed, 1, NULL), TSR_OK);
    victim v = make_victim("31b", (gm_form){.output = false});
    write_free_ear(ear, "gemma4ua", 104);
    expect_variant(v.path, NULL, "12B or 31B", 0);
    expect_variant(v.path, ear, "12B Unified", TESSERA_SENSE_SOUND);
    write_free_ear(ear, "gemma4ux", 104);
    expect_model(v.path, ear, TESSERA_ERR_UNSUPPORTED, ear, "gemma4ux");
    write_free_ear(ear, "gemma4ua", 105);
    expect_model(v.path, ear, TESSERA_ERR_MODEL, "105", "104");
    free(v.bytes);
    v = make_victim("e2b", (gm_form){.output = false});
    write_free_ear(ear, "gemma4ua", 88);
    expect_model(v.path, ear, TESSERA_ERR_MODEL, "per-layer embeddings", v.path);

    tessera_model *m; /* without one, it says what is missing */
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    tessera_request rq = tessera_request_default();
    rq.parts = &sound;
    rq.n_parts = 1;
    assert_int_equal(tessera_model_open(&m, v.path, NULL, &err), TESSERA_OK);
    assert_int_equal(tessera_run(m, &rq, NULL, NULL, &r, &err), TESSERA_ERR_UNSUPPORTED);
    if (!strstr(err.text, "cannot hear") || !strstr(err.text, "mmproj"))
        fail_msg("%s", err.text);
    tessera_model_close(m);
    free(v.bytes);
}

/* Kilobytes that mappings of `file` hold of this process's memory, all told; -1 where none is there. */
static long held_of(const char *file)
{
    long kb, held = -1;
    char line[512];
    bool its = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *path = strchr(line, '/');
        if (strchr(line, '-') && !strstr(line, "kB")) {
            its = path && strncmp(path, file, strlen(file)) == 0 && path[strlen(file)] == '\n';
            held = its && held < 0 ? 0 : held;
        } else if (its && sscanf(line, "Rss: %ld kB", &kb) == 1)
            held += kb;
    }
    fclose(f);
    return held;
}

static void expect_none_held(const char *path, const char *mmproj, const char *file)
{
    tessera_model_opts o = {.threads = 1, .mmproj = mmproj};
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    if (tessera_model_open(&m, path, &o, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    if (held_of(file) != 0 || (mmproj && held_of(mmproj) != 0))
        fail_msg("%s: %ld kB held, of its mmproj %ld", file, held_of(file), mmproj ? held_of(mmproj) : 0);
    tessera_model_close(m);
    assert_int_equal(held_of(file), -1);
}

static void what_opening_read_is_let_go(void **state)
{
    (void)state;
    char ear[256], dir[256], one[300];
    victim v = make_victim("31b", (gm_form){.output = false});
    snprintf(ear, sizeof ear, "%s/ear.gguf", test_root);
    write_free_ear(ear, "gemma4ua", 104);
    expect_none_held(v.path, ear, v.path);
    free(v.bytes);
    snprintf(dir, sizeof dir, "%s", folder("e2b"));
    snprintf(one, sizeof one, "%s/model.safetensors", dir);
    expect_none_held(dir, NULL, one);
}

static void a_split_model_opens_by_its_first_part_and_its_folder(void **state)
{
    (void)state;
    char folder_path[256], part[2][300];
    snprintf(folder_path, sizeof folder_path, "%s/parts", test_root);
    assert_int_equal(mkdir(folder_path, 0700), 0);
    for (unsigned i = 0; i < 2; i++)
        snprintf(part[i], sizeof part[i], "%s/m-0000%u-of-00002.gguf", folder_path, i + 1);
    gm_write_split(part[0], part[1], folder("text"));
    expect_variant(part[0], NULL, "E2B/E4B", 0);
    tessera_model *m;
    tessera_error err = {TESSERA_OK, ""};
    if (tessera_model_open(&m, folder_path, NULL, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    tessera_model_close(m);
    unlink(part[1]);
    expect_model(part[0], NULL, TESSERA_ERR_NOINPUT, part[1], "");
}

static void ids_and_sampling_that_contradict_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
        const char *why;
    } cases[] = {
        {"tokenizer.ggml.bos_token_id", 1, "<bos>"},
        {"tokenizer.ggml.eos_token_id", 300, "no control token"},
        {"tokenizer.ggml.eos_token_id", 1u << 30, ""},
    };
    victim v = make_victim("text", (gm_form){.output = false});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = gm_find(v.bytes, v.len, cases[i].key) + strlen(cases[i].key) + 4;
        patch(&v, at, &cases[i].value, 4);
        expect_model(v.path, NULL, TESSERA_ERR_MODEL, cases[i].key, cases[i].why);
        patch(&v, at, v.bytes + at, 4);
    }
    free(v.bytes);
}

static tsr_status read_sampling(tsri_generation *out, const char *key, uint32_t type, const void *value, tsr_error *err)
{
    char path[256];
    tsr_gguf *g;
    gg_writer *w = gg_new();
    snprintf(path, sizeof path, "%s/sampling.gguf", test_root);
    if (key)
        gg_scalar(w, key, type, value, 4);
    gg_write(w, path);
    gg_free(w);
    assert_int_equal(tsr_gguf_open(&g, path, NULL), TSR_OK);
    tsr_status st = tsri_generation_read_gguf(out, g, 100, err);
    tsr_gguf_close(g);
    return st;
}

static void sampling_is_the_files_or_the_published_one(void **state)
{
    (void)state;
    static const float half = 0.5f, none = 0.0f, two = 2.0f;
    static const int32_t seven = 7, far = 100;
    tsri_generation g;
    assert_int_equal(read_sampling(&g, NULL, 0, NULL, NULL), TSR_OK);
    assert_true(g.do_sample && g.temperature == 1 && g.top_k == 64 && g.top_p == 0.95 && g.repetition_penalty == 1);
    assert_int_equal(g.n_eos, 0);
    tsri_generation_deinit(&g);
    assert_int_equal(read_sampling(&g, "general.sampling.top_p", TSR_GGUF_F32, &half, NULL), TSR_OK);
    assert_true(g.do_sample && g.top_p == 0.5 && g.top_k == 64);
    tsri_generation_deinit(&g);
    assert_int_equal(read_sampling(&g, "general.sampling.temp", TSR_GGUF_F32, &none, NULL), TSR_OK);
    assert_false(g.do_sample);
    tsri_generation_deinit(&g);
    assert_int_equal(read_sampling(&g, "general.sampling.top_k", TSR_GGUF_I32, &seven, NULL), TSR_OK);
    assert_int_equal(g.top_k, 7);
    tsri_generation_deinit(&g);
    assert_int_equal(read_sampling(&g, "tokenizer.ggml.eot_token_id", TSR_GGUF_U32, &seven, NULL), TSR_OK);
    assert_true(g.n_eos == 1 && g.eos[0] == 7);
    tsri_generation_deinit(&g);
    const struct {
        const char *key;
        uint32_t type;
        const void *value;
    } bad[] = {{"general.sampling.top_p", TSR_GGUF_F32, &two}, {"general.sampling.min_p", TSR_GGUF_F32, &two},
               {"general.sampling.penalty_repeat", TSR_GGUF_F32, &none},
               {"tokenizer.ggml.eos_token_id", TSR_GGUF_U32, &far}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_error err = {TSR_OK, ""};
        assert_int_equal(read_sampling(&g, bad[i].key, bad[i].type, bad[i].value, &err), TSR_ERR_MODEL);
        assert_error(&err, TSR_ERR_MODEL, bad[i].key, "sampling.gguf");
    }
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    victim v = make_victim("text", (gm_form){.output = false});
    tessera_model_opts o = {.threads = 1};
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k += k < 200 ? 1 : 13) {
        tessera_model *m;
        tessera_error err = {TESSERA_OK, ""};
        tsr_alloc_fail_at(k);
        tessera_status st = tessera_model_open(&m, v.path, &o, &err);
        tsr_alloc_fail_at(0);
        tessera_model_close(m);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TESSERA_OK) {
            assert_true(k > 200);
            break;
        }
        if (st != TESSERA_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
    }
    free(v.bytes);
}

static int disarm(void **state)
{
    (void)state;
    tsr_alloc_fail_at(0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_and_form_gives_the_folders_bits),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(every_key_that_must_be_there_is_named),
        cmocka_unit_test(wrong_values_name_their_key),
        cmocka_unit_test(a_name_that_nobody_knows_is_told_as_the_file_has_it),
        cmocka_unit_test(a_tensor_of_another_shape_is_named),
        cmocka_unit_test(rotated_frequencies_are_the_ones_of_rope_freqs),
        cmocka_unit_test(rope_freqs_of_another_kind_are_refused),
        cmocka_unit_test(other_architectures_are_refused_by_name),
        cmocka_unit_test(a_drafter_is_checked_and_then_refused_as_one),
        cmocka_unit_test(a_mmproj_of_another_model_is_refused_with_both_files_named),
        cmocka_unit_test(the_mmproj_tells_a_12b_from_a_31b),
        cmocka_unit_test(what_opening_read_is_let_go),
        cmocka_unit_test(a_split_model_opens_by_its_first_part_and_its_folder),
        cmocka_unit_test(ids_and_sampling_that_contradict_are_named),
        cmocka_unit_test(sampling_is_the_files_or_the_published_one),
        cmocka_unit_test_teardown(open_survives_every_failed_allocation, disarm),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
