/* test_gguf_towers.c: towers from mmproj files give the bits that the same weights give from safetensors, and every
 * peculiarity of that format is seen to matter. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "hash_model.h"
#include "mmproj_towers.h"
#include "recipes.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_towers.h"

/* ---- the table ---- */

static void the_table_is_that_of_the_reference_package(void **state)
{
    char hf[128], gguf[128];
    size_t n_lines = 0, n_rows = 0, layer;
    (void)state;
    tsr_gguf_tower_tensors(&n_rows);
    for (; mm_names_line(n_lines, hf, gguf); n_lines++) {
        char *hole = strchr(hf, '#'), *there = strchr(gguf, '#');
        if (hole)
            *hole = *there = '7';
        const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_hf(hf, &layer);
        assert_non_null(row);
        assert_int_equal(layer, hole ? 7 : 0);
        const tsr_gguf_tower_tensor *read = tsr_gguf_tower_find_gguf(row->towers, gguf, &layer);
        assert_true(read == row || (read && row->turn == TSR_GGUF_TURN_SOFTPLUS));
        assert_string_equal(read->gguf, row->gguf);
        assert_int_equal(layer, hole ? 7 : 0);
    }
    assert_int_equal(n_lines + 1, n_rows); /* the finished softplus is read under a name of ours */
    assert_null(tsr_gguf_tower_find_hf("model.vision_tower.encoder.layers.x.input_layernorm.weight", &layer));
    assert_null(tsr_gguf_tower_find_gguf(TSR_GGUF_GEMMA4A, "v.blk.0.ln1.weight", &layer));
}

/* What a writer gets of each tensor is what a converter writes, and reading it gives the tensor again. */
static void tensors_turn_both_ways(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++) {
        mm_towers t;
        enc_model e = mm_small_model(kind);
        mm_open_small(&t, &e, mm_sense(kind));
        mm_model m = mm_file_of(&t);
        assert_int_equal(m.n, tsr_weights_count(t.w));
        for (size_t i = 0; i < tsr_weights_count(t.w); i++) {
            char name[128];
            size_t layer;
            tsr_view there, back;
            void *memory = NULL, *again = NULL;
            const tsr_view *here = tsr_weights_view(t.w, i);
            const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_hf(tsr_weights_name(t.w, i), &layer);
            assert_non_null(row);
            assert_true(tsr_gguf_name_print(name, sizeof name, row->gguf, layer));
            const mm_tensor *want = mm_find(&m, name);
            assert_int_equal(tsr_gguf_tower_to_file(&there, &memory, row, here, "t", NULL), TSR_OK);
            assert_int_equal(there.n_dims, want->n_dims);
            assert_memory_equal(there.shape, want->shape, sizeof want->shape);
            assert_int_equal(there.n_bytes, want->n_bytes);
            assert_memory_equal(there.data, want->data, want->n_bytes);
            assert_int_equal(tsr_gguf_tower_from_file(&back, &again, row, &there, "t", NULL), TSR_OK);
            assert_int_equal(back.n_dims, here->n_dims);
            assert_memory_equal(back.shape, here->shape, sizeof here->shape);
            if (row->turn != TSR_GGUF_TURN_SOFTPLUS)
                assert_memory_equal(back.data, here->data, here->n_bytes);
            tsr_free(memory);
            tsr_free(again);
        }
        mm_free(&m);
        mm_close(&t);
        enc_model_free(&e);
    }
}

/* ---- the same bits ---- */

static void every_variant_gives_the_bits_of_its_folder(void **state)
{
    static const char *const variants[] = {"e2b", "e4b", "26b", "31b", "12b", "e2b-bf16"};
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        mm_towers folder, file;
        tsr_error err = {0};
        char *dir = test_tmp_make();
        if (oracle_model_write(dir, variants[i], &err) != TSR_OK)
            fail_msg("%s", err.text);
        mm_open_folder(&folder, dir);
        mm_model m = mm_file_of(&folder);
        mm_open_file(&file, &m, folder.text_hidden);
        assert_int_equal(file.a != NULL, strstr("e2b e4b 12b e2b-bf16", variants[i]) != NULL);
        assert_same_rows(&folder, &file);
        mm_close(&file);
        mm_free(&m);
        mm_close(&folder);
        test_tmp_remove(dir);
    }
}

static void every_kind_and_type_gives_the_bits_of_its_weights(void **state)
{
    static const tsr_type types[] = {TSR_F32, TSR_F16, TSR_BF16};
    (void)state;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            mm_towers folder, file;
            enc_model e = mm_small_model(kind);
            e.type = types[i];
            mm_open_small(&folder, &e, mm_sense(kind));
            mm_model m = mm_file_of(&folder);
            mm_open_file(&file, &m, ENC_TEXT_HIDDEN);
            assert_same_rows(&folder, &file);
            mm_close(&file);
            mm_free(&m);
            mm_close(&folder);
            enc_model_free(&e);
        }
}

/* As if the file had our order: the values of a patch, turned once more. */
static void unturn(mm_model *m, const char *name)
{
    mm_tensor *t = mm_find(m, name);
    size_t layer;
    tsr_view v, turned;
    void *memory = NULL;
    const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_gguf(TSR_GGUF_GEMMA4V | TSR_GGUF_GEMMA4UV, name, &layer);
    assert_int_equal(tsr_view_make(&v, t->type, t->n_dims, t->shape, t->data, t->n_bytes, name, NULL), TSR_OK);
    assert_int_equal(tsr_gguf_tower_from_file(&turned, &memory, row, &v, name, NULL), TSR_OK);
    memcpy(t->data, turned.data, t->n_bytes);
    tsr_free(memory);
}

/* A file without one of the format's peculiarities gives other rows, so that none can go unhandled. */
static void every_turn_matters(void **state)
{
    static const struct {
        size_t kind;
        const char *patch, *a, *b;
    } cases[] = {
        {MM_CLIPPED, "v.patch_embd.weight", NULL, NULL},
        {MM_UNIFIED, "v.patch_embd.weight", NULL, NULL},
        {MM_UNIFIED, "v.patch_norm.1.weight", NULL, NULL},
        {MM_UNIFIED, "v.patch_norm.1.bias", NULL, NULL},
        {MM_SOUND, NULL, "a.blk.0.conv_norm.weight", "a.blk.0.norm_conv.weight"},
        {MM_CLIPPED, NULL, "v.blk.0.ln2.weight", "v.blk.0.attn_post_norm.weight"},
        {MM_CLIPPED, NULL, "v.blk.1.attn_q.input_min", "v.blk.1.attn_k.input_min"},
        {MM_SOUND, NULL, "a.blk.0.ffn_norm.weight", "a.blk.0.ffn_norm_1.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model good = mm_small_file(cases[i].kind), bad = mm_small_file(cases[i].kind);
        if (cases[i].patch)
            unturn(&bad, cases[i].patch);
        else
            mm_swap(&bad, cases[i].a, cases[i].b);
        assert_rows(&good, &bad, false);
        mm_free(&good);
        mm_free(&bad);
    }
}

static void softplus_is_not_applied_again(void **state)
{
    (void)state;
    mm_model good = mm_small_file(MM_SOUND), bad = mm_small_file(MM_SOUND);
    mm_tensor *t = mm_find(&bad, "a.blk.1.per_dim_scale.weight");
    float *x = (float *)(void *)t->data;
    for (size_t i = 0; i < t->shape[0]; i++)
        x[i] = log1pf(expf(x[i]));
    assert_rows(&good, &bad, false);
    mm_free(&good);
    mm_free(&bad);
}

static void epsilon_counts_for_vision_and_is_known_for_sound(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < MM_N_KINDS; kind++) {
        bool sees = kind < MM_SOUND;
        mm_model good = mm_small_file(kind), other = mm_small_file(kind);
        char key[64];
        snprintf(key, sizeof key, "clip.%s.attention.layer_norm_epsilon", mm_sense(kind));
        mm_find_key(&other, key)->number = 0.5;
        assert_rows(&good, &other, !sees);
        mm_free(&good);
        mm_free(&other);
    }
}

static void a_file_without_limits_does_not_clip(void **state)
{
    static const size_t kinds[] = {MM_CLIPPED, MM_SOUND};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        mm_model none = mm_small_file(kinds[k]), open = mm_small_file(kinds[k]), all = mm_small_file(kinds[k]);
        for (size_t i = none.n; i-- > 0;)
            if (mm_is_limit(none.tensors[i].name))
                mm_remove(&none, none.tensors[i].name);
        for (size_t i = 0; i < open.n; i++)
            if (mm_is_limit(open.tensors[i].name)) {
                float far = strstr(open.tensors[i].name, "_max") ? INFINITY : -INFINITY;
                memcpy(open.tensors[i].data, &far, sizeof far);
            }
        assert_rows(&none, &open, true);
        assert_rows(&none, &all, false);
        mm_free(&none);
        mm_free(&open);
        mm_free(&all);
    }
}

/* Also when it is the one that tells the kind. */
static void a_limit_that_is_missing_does_not_limit(void **state)
{
    static const struct {
        size_t kind;
        const char *name;
        float far;
    } cases[] = {
        {MM_CLIPPED, "v.blk.0.attn_q.input_min", -INFINITY}, {MM_CLIPPED, "v.blk.1.ffn_up.input_max", INFINITY},
        {MM_SOUND, "a.blk.0.attn_q.input_min", -INFINITY},   {MM_SOUND, "a.blk.1.conv_pw2.input_max", INFINITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model missing = mm_small_file(cases[i].kind), open = mm_small_file(cases[i].kind);
        mm_model all = mm_small_file(cases[i].kind);
        mm_remove(&missing, cases[i].name);
        memcpy(mm_find(&open, cases[i].name)->data, &cases[i].far, sizeof cases[i].far);
        assert_rows(&missing, &open, true);
        assert_rows(&missing, &all, false);
        mm_free(&missing);
        mm_free(&open);
        mm_free(&all);
    }
}

/* ---- block types ---- */

/* Blocks of hashed bytes. A byte's low seven bits stay below 0x2c, so that an f16 anywhere is at most 0.06; the scale
 * of MXFP4, a power of two, stands in a block's first byte. */
static void fill_with_blocks(mm_tensor *t, tsr_type type)
{
    const tsr_type_traits *traits = tsr_type_info(type);
    size_t n = t->shape[0] * t->shape[1] / traits->block_elems;
    t->type = type;
    t->n_bytes = n * traits->block_bytes;
    t->data = must_realloc(t->data, t->n_bytes);
    for (size_t i = 0; i < t->n_bytes; i++) {
        uint32_t h = oracle_mix32((uint32_t)i + (uint32_t)strlen(t->name));
        t->data[i] = (unsigned char)((h & 0x80u) | ((h >> 8) % 0x2cu));
        if (type == TSR_MXFP4 && i % traits->block_bytes == 0)
            t->data[i] = (unsigned char)(0x78u + h % 4u);
    }
}

static bool is_matrix(const mm_tensor *t)
{
    return t->n_dims == 2 && !strstr(t->name, "conv_dw");
}

/* All linear layers of the file get blocks in `a` and the same numbers in `b`. */
static void block_pair(mm_model *a, mm_model *b, tsr_type type)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!is_matrix(&a->tensors[i]))
            continue;
        fill_with_blocks(&a->tensors[i], type);
        float *x = mm_values(&a->tensors[i]);
        mm_set_values(mm_find(b, a->tensors[i].name), x);
        free(x);
    }
}

static void linear_layers_of_every_block_type_equal_their_decoded_weights(void **state)
{
    static const enc_dims dims = {256, 256, 1, 4, 2, 64, 8, 256};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        mm_towers t;
        enc_model e = kind ? enc_sound_tower_of(&dims, true) : enc_vision_tower_of(&dims, true);
        mm_open_small(&t, &e, kind ? "audio" : "vision");
        mm_model blocks = mm_file_of(&t), plain = mm_file_of(&t);
        mm_close(&t);
        enc_model_free(&e);
        for (tsr_type type = 0; type < TSR_N_TYPES; type++) {
            mm_towers x, y;
            if (!tsr_type_is_block(type))
                continue;
            block_pair(&blocks, &plain, type);
            mm_open_file(&x, &blocks, ENC_TEXT_HIDDEN);
            mm_open_file(&y, &plain, ENC_TEXT_HIDDEN);
            double diff = mm_row_difference(&x, &y);
            if (!(diff <= 1e-5)) /* observed 0 */
                fail_msg("%s: %g", tsr_type_info(type)->name, diff);
            mm_close(&x);
            mm_close(&y);
        }
        mm_free(&blocks);
        mm_free(&plain);
    }
}

/* Their rows are cut where the columns are turned, so they become F32 first. */
static void a_patch_projection_of_a_block_type_equals_its_decoded_weights(void **state)
{
    (void)state;
    mm_model blocks = mm_small_file(MM_UNIFIED), plain = mm_small_file(MM_UNIFIED);
    fill_with_blocks(mm_find(&blocks, "v.patch_embd.weight"), TSR_Q4_K);
    float *x = mm_values(mm_find(&blocks, "v.patch_embd.weight"));
    mm_set_values(mm_find(&plain, "v.patch_embd.weight"), x);
    free(x);
    assert_rows(&blocks, &plain, true);
    mm_free(&blocks);
    mm_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_that_of_the_reference_package),
        cmocka_unit_test(tensors_turn_both_ways),
        cmocka_unit_test(every_variant_gives_the_bits_of_its_folder),
        cmocka_unit_test(every_kind_and_type_gives_the_bits_of_its_weights),
        cmocka_unit_test(every_turn_matters),
        cmocka_unit_test(softplus_is_not_applied_again),
        cmocka_unit_test(epsilon_counts_for_vision_and_is_known_for_sound),
        cmocka_unit_test(a_file_without_limits_does_not_clip),
        cmocka_unit_test(a_limit_that_is_missing_does_not_limit),
        cmocka_unit_test(linear_layers_of_every_block_type_equal_their_decoded_weights),
        cmocka_unit_test(a_patch_projection_of_a_block_type_equals_its_decoded_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
