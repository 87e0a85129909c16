/* test_gguf_towers_refuse.c: what is wrong with an mmproj file is named as the file calls it; what doesn't matter in it
 * doesn't. */
#include "test_main.h"

#include <stdio.h>

#include "mmproj_towers.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf_towers.h"

static void assert_refused(mm_model *m, tsr_status st, const char *a, const char *b)
{
    mm_towers t;
    tsr_error err = {0};
    assert_int_equal(mm_try_file(&t, m, ENC_TEXT_HIDDEN, &err), st);
    assert_error(&err, st, a, b);
    assert_error(&err, st, "mmproj.gguf: ", NULL);
    mm_close(&t);
}

/* A size is read from it, so others are found to contradict it. */
static bool decides_a_size(const char *name)
{
    return strcmp(name, "v.blk.0.attn_q_norm.weight") == 0 || strcmp(name, "a.blk.0.conv_dw.weight") == 0;
}

static void every_tensor_is_named_when_missing_of_another_shape_or_type(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++) {
        if (kind == MM_MODULES) /* the same file as the other name's */
            continue;
        mm_model m = mm_small_file(kind);
        for (size_t i = 0; i < m.n; i++) {
            char name[160];
            mm_tensor *t = &m.tensors[i], was = *t;
            snprintf(name, sizeof name, "tensor %s", was.name);
            size_t last = was.n_dims - 1;
            t->shape[last] *= 2;
            t->n_bytes *= 2;
            t->data = must_realloc(NULL, t->n_bytes);
            memcpy(t->data, was.data, was.n_bytes);
            memcpy(t->data + was.n_bytes, was.data, was.n_bytes);
            assert_refused(&m, TSR_ERR_MODEL, decides_a_size(was.name) ? "shape" : name, NULL);
            free(t->data);
            *t = was;
            t->type = TSR_I32;
            assert_refused(&m, TSR_ERR_MODEL, name, "type I32");
            *t = m.tensors[--m.n]; /* taken out, and put back */
            if (!mm_is_limit(was.name))
                assert_refused(&m, TSR_ERR_MODEL, name, "missing");
            m.tensors[m.n++] = *t;
            *t = was;
        }
        mm_free(&m);
    }
}

typedef enum need { NEEDED, OPTIONAL, IGNORED } need;

static need key_need(size_t kind, const char *name)
{
    static const char *const ignored[] = {"general.type", "clip.vision.image_size",
                                          "clip.audio.attention.layer_norm_epsilon"};
    static const char *const unified[] = {".feed_forward_length", ".block_count", ".head_count", ".num_mel_bins"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strcmp(name, ignored[i]) == 0)
            return IGNORED;
    for (size_t i = 0; i < sizeof unified / sizeof *unified; i++)
        if ((kind == MM_UNIFIED || kind == MM_SOUND_UNIFIED) && strstr(name, unified[i]))
            return IGNORED;
    return strstr(name, ".image_mean") || strstr(name, ".image_std") ? OPTIONAL : NEEDED;
}

static void every_key_is_named_when_missing_or_of_another_kind(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++) {
        mm_model m = mm_small_file(kind);
        for (size_t i = 0; kind != MM_MODULES && i < m.n_keys; i++) {
            mm_towers t;
            tsr_error err = {0};
            mm_key was = m.keys[i];
            need n = key_need(kind, was.name);
            m.keys[i] = m.keys[--m.n_keys];
            assert_int_equal(mm_try_file(&t, &m, ENC_TEXT_HIDDEN, &err), n == NEEDED ? TSR_ERR_MODEL : TSR_OK);
            if (n == NEEDED)
                assert_error(&err, TSR_ERR_MODEL, was.name, "mmproj.gguf: ");
            mm_close(&t);
            m.keys[m.n_keys++] = m.keys[i];
            m.keys[i] = was;
            m.keys[i].kind = was.kind == MM_STR ? MM_F32 : MM_STR;
            if (n == IGNORED)
                assert_int_equal(mm_try_file(&t, &m, ENC_TEXT_HIDDEN, NULL), TSR_OK), mm_close(&t);
            else
                assert_refused(&m, TSR_ERR_MODEL, was.name, NULL);
            m.keys[i] = was;
        }
        mm_free(&m);
    }
}

static void numbers_out_of_range_are_named(void **state)
{
    static const struct {
        size_t kind;
        const char *key;
        double number;
    } cases[] = {
        {MM_CLIPPED, "clip.vision.block_count", 0},
        {MM_CLIPPED, "clip.vision.block_count", 4e9},
        {MM_CLIPPED, "clip.vision.embedding_length", 4e9},
        {MM_CLIPPED, "clip.vision.patch_size", 0},
        {MM_CLIPPED, "clip.vision.projector.scale_factor", 0},
        {MM_CLIPPED, "clip.vision.attention.layer_norm_epsilon", 1.5},
        {MM_CLIPPED, "clip.vision.projection_dim", 12},
        {MM_CLIPPED, "clip.use_silu", 1}, /* a number, not a truth */
        {MM_CLIPPED, "clip.vision.attention.head_count_kv", 0},
        {MM_CLIPPED, "clip.vision.attention.head_count", 3},
        {MM_SOUND, "clip.audio.attention.head_count", 3},
        {MM_SOUND, "clip.audio.feed_forward_length", 84},
        {MM_SOUND, "clip.audio.num_mel_bins", 0},
        {MM_SOUND, "clip.audio.block_count", 4e9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model m = mm_small_file(cases[i].kind);
        mm_set_number(&m, cases[i].key, cases[i].number);
        assert_refused(&m, TSR_ERR_MODEL, cases[i].key, NULL);
        mm_free(&m);
    }
}

static void other_mel_bands_contradict_the_projection(void **state)
{
    (void)state;
    mm_model m = mm_small_file(MM_SOUND);
    mm_set_number(&m, "clip.audio.num_mel_bins", 80);
    assert_refused(&m, TSR_ERR_MODEL, "a.input_projection.weight", "shape");
    mm_free(&m);
}

static void other_settings_are_refused_by_name(void **state)
{
    (void)state;
    mm_model m = mm_small_file(MM_CLIPPED);
    mm_find_key(&m, "clip.vision.image_mean")->number = 0.5;
    assert_refused(&m, TSR_ERR_UNSUPPORTED, "clip.vision.image_mean", "0.5");
    mm_find_key(&m, "clip.vision.image_mean")->number = 0.0;
    mm_find_key(&m, "clip.vision.image_std")->number = 0.5;
    assert_refused(&m, TSR_ERR_UNSUPPORTED, "clip.vision.image_std", "0.5");
    mm_find_key(&m, "clip.vision.image_std")->number = 1.0;
    mm_set_number(&m, "clip.use_silu", 1);
    mm_find_key(&m, "clip.use_silu")->kind = MM_BOOL;
    assert_refused(&m, TSR_ERR_UNSUPPORTED, "clip.use_silu", NULL);
    mm_free(&m);
}

static void gelu_is_tanh_gelu_whatever_the_file_says_of_it(void **state)
{
    (void)state;
    for (double yes = 0.0; yes < 2.0; yes += 1.0) {
        mm_model silent = mm_small_file(MM_CLIPPED), said = mm_small_file(MM_CLIPPED);
        mm_set_number(&said, "clip.use_gelu", yes);
        mm_find_key(&said, "clip.use_gelu")->kind = MM_BOOL;
        assert_rows(&silent, &said, true);
        mm_free(&silent);
        mm_free(&said);
    }
}

static void other_projectors_and_architectures_are_refused_by_name(void **state)
{
    static const char *const names[] = {"gemma3", "mlp", "qwen2vl_merger", "gemma4a", "gemma4", ""};
    (void)state;
    mm_model m = mm_small_file(MM_CLIPPED);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", names[i]);
        mm_set_text(&m, "clip.vision.projector_type", names[i]);
        assert_refused(&m, TSR_ERR_UNSUPPORTED, "clip.vision.projector_type", quoted);
    }
    mm_set_text(&m, "general.architecture", "llama");
    assert_refused(&m, TSR_ERR_UNSUPPORTED, "general.architecture", "\"llama\"");
    mm_free(&m);
}

static void a_single_sense_may_name_its_projector_without_it(void **state)
{
    static const struct {
        size_t kind;
        const char *name;
    } cases[] = {{MM_CLIPPED, "gemma4v"},
                 {MM_UNIFIED, "gemma4uv"},
                 {MM_SOUND, "gemma4a"},
                 {MM_SOUND_UNIFIED, "gemma4ua"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[64];
        mm_model good = mm_small_file(cases[i].kind), plain = mm_small_file(cases[i].kind);
        snprintf(key, sizeof key, "clip.%s.projector_type", mm_sense(cases[i].kind));
        mm_remove_key(&plain, key);
        mm_set_text(&plain, "clip.projector_type", cases[i].name);
        assert_rows(&good, &plain, true);
        mm_set_text(&plain, "clip.projector_type", "gemma3");
        assert_refused(&plain, TSR_ERR_UNSUPPORTED, "clip.projector_type", "gemma3");
        mm_free(&good);
        mm_free(&plain);
    }
}

static void text_vision_and_sound_in_one_file_is_refused_by_name(void **state)
{
    static const char *const keys[] = {"gemma4.vision.block_count", "gemma4.audio.block_count"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tsr_error err = {0};
        mm_model m = mm_small_file(MM_CLIPPED);
        mm_set_text(&m, "general.architecture", "gemma4");
        assert_int_equal(tsr_gguf_towers_refuse_inline(mm_open(&m), &err), TSR_OK);
        mm_set_number(&m, keys[i], 16);
        assert_int_equal(tsr_gguf_towers_refuse_inline(mm_open(&m), &err), TSR_ERR_UNSUPPORTED);
        assert_error(&err, TSR_ERR_UNSUPPORTED, "Ollama", "mmproj.gguf");
        assert_refused(&m, TSR_ERR_UNSUPPORTED, "Ollama", NULL);
        mm_free(&m);
    }
}

static void a_file_of_another_model_is_refused(void **state)
{
    mm_towers t;
    tsr_error err = {0};
    (void)state;
    mm_model m = mm_small_file(MM_CLIPPED);
    assert_int_equal(mm_try_file(&t, &m, ENC_TEXT_HIDDEN + 1, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "clip.vision.projection_dim: 11", "another model");
    mm_close(&t);
    mm_free(&m);
}

static void unknown_tensors_are_refused_under_their_own_name(void **state)
{
    static const struct {
        size_t kind;
        const char *name, *reason;
    } cases[] = {
        {MM_CLIPPED, "v.blk.0.out_scale.weight", "is unknown"},
        {MM_CLIPPED, "v.blk.0.attn_q.bias", "is unknown"},
        {MM_CLIPPED, "a.blk.0.attn_q.weight", "is unknown"}, /* of a part that the file doesn't have */
        {MM_CLIPPED, "v.blk.2.ln1.weight", "beyond block_count"},
        {MM_CLIPPED, "v.blk.00.ln1.weight", "is unknown"},
        {MM_CLIPPED, "v.std_scale", "v.std_bias is missing"},
        {MM_UNIFIED, "v.blk.0.ln1.weight", "is unknown"},
        {MM_UNIFIED, "v.patch_norm.4.weight", "is unknown"},
        {MM_SOUND, "a.blk.0.per_dim_k_scale.weight", "is unknown"},
        {MM_SOUND_UNIFIED, "a.blk.0.ln2.weight", "is unknown"},
    };
    float ones[ENC_HIDDEN];
    size_t n = ENC_HIDDEN;
    (void)state;
    for (size_t i = 0; i < n; i++)
        ones[i] = 1.0f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model m = mm_small_file(cases[i].kind);
        mm_add(&m, cases[i].name, TSR_F32, 1, &n, ones, sizeof ones);
        assert_refused(&m, TSR_ERR_MODEL, cases[i].name, cases[i].reason);
        mm_free(&m);
    }
}

static void a_norm_before_the_projector_may_only_hold_ones(void **state)
{
    float ones[ENC_HIDDEN];
    size_t n = ENC_HIDDEN;
    (void)state;
    for (size_t i = 0; i < n; i++)
        ones[i] = 1.0f;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++) {
        const char *name = kind >= MM_SOUND ? "mm.a.soft_emb_norm.weight" : "mm.soft_emb_norm.weight";
        mm_model without = mm_small_file(kind), with = mm_small_file(kind);
        mm_tensor *t = mm_add(&with, name, TSR_F32, 1, &n, ones, sizeof ones);
        assert_rows(&without, &with, true);
        ones[n - 1] = 1.5f;
        memcpy(t->data, ones, sizeof ones);
        assert_refused(&with, TSR_ERR_UNSUPPORTED, name, "1.5");
        ones[n - 1] = 1.0f;
        mm_free(&without);
        mm_free(&with);
    }
}

static void more_patches_may_make_a_soft_token(void **state)
{
    mm_towers t;
    size_t n = 0;
    (void)state;
    mm_model m = mm_small_file(MM_PLAIN);
    mm_set_number(&m, "clip.vision.projector.scale_factor", 2);
    mm_open_file(&t, &m, ENC_TEXT_HIDDEN);
    assert_int_equal(tsr_vision_describe(t.v).pool, 2);
    assert_int_equal(tsr_vision_tokens_for(t.v, 96, 64, &n, NULL), TSR_OK);
    assert_int_equal(n, 6);
    mm_close(&t);
    mm_free(&m);
}

static void reading_survives_every_failed_allocation(void **state)
{
    static const size_t kinds[] = {MM_CLIPPED, MM_UNIFIED, MM_SOUND};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        mm_model m = mm_small_file(kinds[i]);
        const tsr_gguf *g = mm_open(&m);
        size_t live = tsr_alloc_live();
        for (size_t k = 1;; k++) {
            tsr_weights *w = NULL;
            tsr_json *config = tsr_json_new_object();
            assert_int_equal(tsr_weights_new(&w, "text.gguf", NULL), TSR_OK);
            tsr_alloc_fail_at(k);
            tsr_status st = tsr_gguf_towers_config(config, g, NULL);
            if (st == TSR_OK)
                st = tsr_gguf_towers_weights(w, g, NULL);
            tsr_alloc_fail_at(0);
            tsr_json_free(config);
            tsr_weights_close(w);
            assert_int_equal(tsr_alloc_live(), live);
            if (st == TSR_OK)
                break; /* nothing left to fail */
            assert_int_equal(st, TSR_ERR_NOMEM);
        }
        mm_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_named_when_missing_of_another_shape_or_type),
        cmocka_unit_test(every_key_is_named_when_missing_or_of_another_kind),
        cmocka_unit_test(numbers_out_of_range_are_named),
        cmocka_unit_test(other_mel_bands_contradict_the_projection),
        cmocka_unit_test(other_settings_are_refused_by_name),
        cmocka_unit_test(gelu_is_tanh_gelu_whatever_the_file_says_of_it),
        cmocka_unit_test(other_projectors_and_architectures_are_refused_by_name),
        cmocka_unit_test(a_single_sense_may_name_its_projector_without_it),
        cmocka_unit_test(text_vision_and_sound_in_one_file_is_refused_by_name),
        cmocka_unit_test(a_file_of_another_model_is_refused),
        cmocka_unit_test(unknown_tensors_are_refused_under_their_own_name),
        cmocka_unit_test(a_norm_before_the_projector_may_only_hold_ones),
        cmocka_unit_test(more_patches_may_make_a_soft_token),
        cmocka_unit_test(reading_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
