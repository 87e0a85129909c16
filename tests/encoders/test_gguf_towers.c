/* test_gguf_towers.c: towers from mmproj files give the bits that the same weights give from safetensors; every trap of
 * that format is seen to matter; what is not right is named as the file calls it. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "enc_model.h"
#include "hash_model.h"
#include "mmproj_model.h"
#include "recipes.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_towers.h"
#include "tsr_hearing.h"
#include "tsr_vision.h"

/* ---- both routes ---- */

typedef struct towers {
    size_t text_hidden;
    tsr_weights *w;
    tsr_json *config;
    tsr_pool *pool;
    tsr_vision *v;  /* NULL: sees nothing */
    tsr_hearing *a; /* NULL: hears nothing */
} towers;

static void close_towers(towers *t)
{
    tsr_vision_close(t->v);
    tsr_hearing_close(t->a);
    tsr_pool_close(t->pool);
    tsr_json_free(t->config);
    tsr_weights_close(t->w);
    *t = (towers){0};
}

static tsr_status open_parts(towers *t, const tsr_json *extractor, tsr_error *err)
{
    tsr_status st = tsr_pool_open(&t->pool, 1, err);
    if (st == TSR_OK && tsr_vision_present(t->w))
        st = tsr_vision_open(&t->v, t->w, tsr_json_get(t->config, "vision_config"), t->text_hidden, t->pool, err);
    if (st == TSR_OK && tsr_hearing_present(t->w))
        st = tsr_hearing_open(&t->a, t->w, tsr_json_get_set(t->config, "audio_config"), extractor, t->text_hidden, t->pool,
                              err);
    return st;
}

/* As a model's opener does it; *t is to be closed also after a failure. */
static tsr_status try_file(towers *t, mm_model *m, size_t text_hidden, tsr_error *err)
{
    char text[64];
    const tsr_gguf *g = mm_open(m);
    *t = (towers){.text_hidden = text_hidden};
    snprintf(text, sizeof text, "{\"text_config\": {\"hidden_size\": %zu}}", text_hidden);
    tsr_status st = tsr_json_parse(&t->config, text, strlen(text), "config", err);
    if (st == TSR_OK)
        st = tsr_weights_new(&t->w, "text.gguf", err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_config(t->config, g, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_weights(t->w, g, err);
    if (st == TSR_OK)
        st = open_parts(t, tsr_json_get(t->config, "feature_extractor"), err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(t->w, err);
    return st;
}

static void open_file(towers *t, mm_model *m, size_t text_hidden)
{
    tsr_error err = {0};
    if (try_file(t, m, text_hidden, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static void open_folder(towers *t, const char *dir)
{
    tsr_error err = {0};
    *t = (towers){0};
    if (tsr_json_parse_file(&t->config, test_path(dir, "config.json"), 1 << 20, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_true(tsr_json_to_size(tsr_json_get(tsr_json_get(t->config, "text_config"), "hidden_size"), &t->text_hidden));
    if (tsr_weights_open(&t->w, dir, &err) != TSR_OK || open_parts(t, NULL, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

/* The safetensors route of a small encoder; `sense` is "vision" or "audio". */
static void open_small(towers *t, enc_model *m, const char *sense)
{
    char key[32];
    tsr_error err = {0};
    char *dir = test_tmp_make();
    *t = (towers){.text_hidden = ENC_TEXT_HIDDEN, .w = enc_open(m, dir), .config = tsr_json_new_object()};
    test_tmp_remove(dir);
    snprintf(key, sizeof key, "%s_config", sense);
    assert_true(tsr_json_set(t->config, key, enc_config(m)));
    if (open_parts(t, NULL, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static mm_model file_of(const towers *t)
{
    return mm_from(t->w, tsr_json_get_set(t->config, "vision_config"), tsr_json_get_set(t->config, "audio_config"),
                   t->text_hidden);
}

/* Rows of a picture and of a sound, whatever of it these towers can take; the caller's (free). */
static float *rows_of(const towers *t, size_t *n_values)
{
    enum { N_SAMPLES = 5000 };
    float *rows = NULL;
    tsr_error err = {0};
    size_t seen = 0, heard = 0, n;
    tsr_image img = enc_picture(96, 48, 5);
    float *sound = enc_sound(N_SAMPLES, 6);
    if (t->v)
        assert_int_equal(tsr_vision_tokens_for(t->v, img.width, img.height, &seen, &err), TSR_OK);
    if (t->a)
        heard = tsr_hearing_tokens_for(t->a, N_SAMPLES);
    *n_values = (seen + heard) * t->text_hidden;
    assert_true(*n_values > 0);
    rows = must_realloc(NULL, *n_values * sizeof *rows);
    if (t->v && tsr_vision_encode(t->v, &img, 1, rows, seen, &n, &err) != TSR_OK)
        fail_msg("%s", err.text);
    if (t->a) {
        size_t frames = tsr_hearing_frames_for(t->a, N_SAMPLES);
        float *features = must_realloc(NULL, frames * tsr_hearing_describe(t->a).feature_width * sizeof *features);
        tsr_hearing_features(t->a, sound, N_SAMPLES, features);
        if (tsr_hearing_encode(t->a, features, frames, rows + seen * t->text_hidden, heard, &n, &err) != TSR_OK)
            fail_msg("%s", err.text);
        free(features);
    }
    free(img.rgb);
    free(sound);
    return rows;
}

/* Largest difference over the largest magnitude. */
static double row_difference(const towers *a, const towers *b)
{
    size_t n = 0, m = 0;
    double most = 0.0, largest = 0.0;
    float *x = rows_of(a, &n), *y = rows_of(b, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(x[i]) && isfinite(y[i]));
        most = fmax(most, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    free(x);
    free(y);
    return most / largest;
}

static void assert_same_rows(const towers *a, const towers *b)
{
    size_t n = 0, m = 0;
    float *x = rows_of(a, &n), *y = rows_of(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n * sizeof *x);
    free(x);
    free(y);
}

/* The kinds of small encoders. */
enum { KIND_CLIPPED, KIND_PLAIN, KIND_UNIFIED, KIND_MODULES, KIND_SOUND, KIND_SOUND_PLAIN, KIND_SOUND_UNIFIED, N_KINDS };

static const char *sense_of(size_t kind)
{
    return kind >= KIND_SOUND ? "audio" : "vision";
}

static enc_model small_model(size_t kind)
{
    switch (kind) {
    case KIND_CLIPPED: return enc_vision_tower(true);
    case KIND_PLAIN: return enc_vision_tower(false);
    case KIND_UNIFIED: return enc_vision_unified(false);
    case KIND_MODULES: return enc_vision_unified(true);
    case KIND_SOUND: return enc_sound_tower(true);
    case KIND_SOUND_PLAIN: return enc_sound_tower(false);
    default: return enc_sound_unified();
    }
}

/* The file of a small encoder. */
static mm_model small_file(size_t kind)
{
    towers t;
    enc_model e = small_model(kind);
    open_small(&t, &e, sense_of(kind));
    mm_model m = file_of(&t);
    close_towers(&t);
    enc_model_free(&e);
    return m;
}

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
        assert_ptr_equal(tsr_gguf_tower_find_gguf(row->towers, gguf, &layer), row);
        assert_int_equal(layer, hole ? 7 : 0);
    }
    assert_int_equal(n_lines, n_rows);
    assert_null(tsr_gguf_tower_find_hf("model.vision_tower.encoder.layers.x.input_layernorm.weight", &layer));
    assert_null(tsr_gguf_tower_find_gguf(TSR_GGUF_GEMMA4A, "v.blk.0.ln1.weight", &layer));
}

/* What a writer gets of each tensor is what a converter writes, and reading it gives the tensor again. */
static void tensors_turn_both_ways(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        towers t;
        enc_model e = small_model(kind);
        open_small(&t, &e, sense_of(kind));
        mm_model m = file_of(&t);
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
        close_towers(&t);
        enc_model_free(&e);
    }
}

/* ---- the same bits ---- */

static void every_variant_gives_the_bits_of_its_folder(void **state)
{
    static const char *const variants[] = {"e2b", "e4b", "26b", "31b", "12b", "e2b-bf16"};
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        towers folder, file;
        tsr_error err = {0};
        char *dir = test_tmp_make();
        if (oracle_model_write(dir, variants[i], &err) != TSR_OK)
            fail_msg("%s", err.text);
        open_folder(&folder, dir);
        mm_model m = file_of(&folder);
        open_file(&file, &m, folder.text_hidden);
        assert_int_equal(file.a != NULL, strstr("e2b e4b 12b e2b-bf16", variants[i]) != NULL);
        assert_same_rows(&folder, &file);
        close_towers(&file);
        mm_free(&m);
        close_towers(&folder);
        test_tmp_remove(dir);
    }
}

static void every_kind_and_type_gives_the_bits_of_its_weights(void **state)
{
    static const tsr_type types[] = {TSR_F32, TSR_F16, TSR_BF16};
    (void)state;
    for (size_t kind = 0; kind < N_KINDS; kind++)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            towers folder, file;
            enc_model e = small_model(kind);
            e.type = types[i];
            open_small(&folder, &e, sense_of(kind));
            mm_model m = file_of(&folder);
            open_file(&file, &m, ENC_TEXT_HIDDEN);
            assert_same_rows(&folder, &file);
            close_towers(&file);
            mm_free(&m);
            close_towers(&folder);
            enc_model_free(&e);
        }
}

/* Opens both and compares. */
static void assert_rows(mm_model *a, mm_model *b, bool same)
{
    towers x, y;
    open_file(&x, a, ENC_TEXT_HIDDEN);
    open_file(&y, b, ENC_TEXT_HIDDEN);
    if (same)
        assert_same_rows(&x, &y);
    else
        assert_true(row_difference(&x, &y) > 0.0);
    close_towers(&x);
    close_towers(&y);
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
        {KIND_CLIPPED, "v.patch_embd.weight", NULL, NULL},
        {KIND_UNIFIED, "v.patch_embd.weight", NULL, NULL},
        {KIND_UNIFIED, "v.patch_norm.1.weight", NULL, NULL},
        {KIND_UNIFIED, "v.patch_norm.1.bias", NULL, NULL},
        {KIND_SOUND, NULL, "a.blk.0.conv_norm.weight", "a.blk.0.norm_conv.weight"},
        {KIND_CLIPPED, NULL, "v.blk.0.ln2.weight", "v.blk.0.attn_post_norm.weight"},
        {KIND_CLIPPED, NULL, "v.blk.1.attn_q.input_min", "v.blk.1.attn_k.input_min"},
        {KIND_SOUND, NULL, "a.blk.0.ffn_norm.weight", "a.blk.0.ffn_norm_1.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model good = small_file(cases[i].kind), bad = small_file(cases[i].kind);
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
    mm_model good = small_file(KIND_SOUND), bad = small_file(KIND_SOUND);
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
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        bool sees = kind < KIND_SOUND;
        mm_model good = small_file(kind), other = small_file(kind);
        mm_find_key(&other, sees ? "clip.vision.attention.layer_norm_epsilon" : "clip.audio.attention.layer_norm_epsilon")
            ->number = 0.5;
        assert_rows(&good, &other, !sees);
        mm_free(&good);
        mm_free(&other);
    }
}

static bool is_limit(const char *name)
{
    return strstr(name, "put_m") != NULL;
}

static void a_file_without_limits_does_not_clip(void **state)
{
    static const size_t kinds[] = {KIND_CLIPPED, KIND_SOUND};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        mm_model none = small_file(kinds[k]), open = small_file(kinds[k]), all = small_file(kinds[k]);
        for (size_t i = none.n; i-- > 0;)
            if (is_limit(none.tensors[i].name))
                mm_remove(&none, none.tensors[i].name);
        for (size_t i = 0; i < open.n; i++)
            if (is_limit(open.tensors[i].name)) {
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
        {KIND_CLIPPED, "v.blk.0.attn_q.input_min", -INFINITY}, {KIND_CLIPPED, "v.blk.1.ffn_up.input_max", INFINITY},
        {KIND_SOUND, "a.blk.0.attn_q.input_min", -INFINITY},   {KIND_SOUND, "a.blk.1.conv_pw2.input_max", INFINITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model missing = small_file(cases[i].kind), open = small_file(cases[i].kind), all = small_file(cases[i].kind);
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
        towers t;
        enc_model e = kind ? enc_sound_tower_of(&dims, true) : enc_vision_tower_of(&dims, true);
        open_small(&t, &e, kind ? "audio" : "vision");
        mm_model blocks = file_of(&t), plain = file_of(&t);
        close_towers(&t);
        enc_model_free(&e);
        for (tsr_type type = 0; type < TSR_N_TYPES; type++) {
            towers x, y;
            if (!tsr_type_is_block(type))
                continue;
            block_pair(&blocks, &plain, type);
            open_file(&x, &blocks, ENC_TEXT_HIDDEN);
            open_file(&y, &plain, ENC_TEXT_HIDDEN);
            double diff = row_difference(&x, &y);
            if (!(diff <= 1e-5)) /* observed 0 */
                fail_msg("%s: %g", tsr_type_info(type)->name, diff);
            close_towers(&x);
            close_towers(&y);
        }
        mm_free(&blocks);
        mm_free(&plain);
    }
}

/* Their rows are cut where the columns are turned, so they become F32 first. */
static void a_patch_projection_of_a_block_type_equals_its_decoded_weights(void **state)
{
    (void)state;
    mm_model blocks = small_file(KIND_UNIFIED), plain = small_file(KIND_UNIFIED);
    fill_with_blocks(mm_find(&blocks, "v.patch_embd.weight"), TSR_Q4_K);
    float *x = mm_values(mm_find(&blocks, "v.patch_embd.weight"));
    mm_set_values(mm_find(&plain, "v.patch_embd.weight"), x);
    free(x);
    assert_rows(&blocks, &plain, true);
    mm_free(&blocks);
    mm_free(&plain);
}

/* ---- what is refused ---- */

static void assert_refused(mm_model *m, tsr_status st, const char *a, const char *b)
{
    towers t;
    tsr_error err = {0};
    assert_int_equal(try_file(&t, m, ENC_TEXT_HIDDEN, &err), st);
    assert_error(&err, st, a, b);
    assert_error(&err, st, "mmproj.gguf: ", NULL);
    close_towers(&t);
}

/* A size is read from it, so others are found to contradict it. */
static bool decides_a_size(const char *name)
{
    return strcmp(name, "v.blk.0.attn_q_norm.weight") == 0 || strcmp(name, "a.blk.0.conv_dw.weight") == 0;
}

static void every_tensor_is_named_when_missing_of_another_shape_or_type(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        if (kind == KIND_MODULES) /* the same file as the other name's */
            continue;
        mm_model m = small_file(kind);
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
            if (!is_limit(was.name))
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
        if ((kind == KIND_UNIFIED || kind == KIND_SOUND_UNIFIED) && strstr(name, unified[i]))
            return IGNORED;
    return strstr(name, ".image_mean") || strstr(name, ".image_std") ? OPTIONAL : NEEDED;
}

static void every_key_is_named_when_missing_or_of_another_kind(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        mm_model m = small_file(kind);
        for (size_t i = 0; kind != KIND_MODULES && i < m.n_keys; i++) {
            towers t;
            tsr_error err = {0};
            mm_key was = m.keys[i];
            need n = key_need(kind, was.name);
            m.keys[i] = m.keys[--m.n_keys];
            assert_int_equal(try_file(&t, &m, ENC_TEXT_HIDDEN, &err), n == NEEDED ? TSR_ERR_MODEL : TSR_OK);
            if (n == NEEDED)
                assert_error(&err, TSR_ERR_MODEL, was.name, "mmproj.gguf: ");
            close_towers(&t);
            m.keys[m.n_keys++] = m.keys[i];
            m.keys[i] = was;
            m.keys[i].kind = was.kind == MM_STR ? MM_F32 : MM_STR;
            if (n == IGNORED)
                assert_int_equal(try_file(&t, &m, ENC_TEXT_HIDDEN, NULL), TSR_OK), close_towers(&t);
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
        tsr_status st;
    } cases[] = {
        {KIND_CLIPPED, "clip.vision.block_count", 0, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.block_count", 4e9, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.embedding_length", 4e9, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.patch_size", 0, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.projector.scale_factor", 0, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.attention.layer_norm_epsilon", 1.5, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.vision.projection_dim", 12, TSR_ERR_MODEL},
        {KIND_CLIPPED, "clip.use_silu", 1, TSR_ERR_MODEL}, /* a number, not a truth */
        {KIND_CLIPPED, "clip.vision.attention.head_count_kv", 0, TSR_ERR_MODEL},
        {KIND_SOUND, "clip.audio.feed_forward_length", 84, TSR_ERR_MODEL},
        {KIND_SOUND, "clip.audio.num_mel_bins", 0, TSR_ERR_MODEL},
        {KIND_SOUND, "clip.audio.block_count", 4e9, TSR_ERR_MODEL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model m = small_file(cases[i].kind);
        mm_set_number(&m, cases[i].key, cases[i].number);
        assert_refused(&m, cases[i].st, cases[i].key, NULL);
        mm_free(&m);
    }
}

static void other_mel_bands_contradict_the_projection(void **state)
{
    (void)state;
    mm_model m = small_file(KIND_SOUND);
    mm_set_number(&m, "clip.audio.num_mel_bins", 80);
    assert_refused(&m, TSR_ERR_MODEL, "a.input_projection.weight", "shape");
    mm_free(&m);
}

static void other_settings_are_refused_by_name(void **state)
{
    (void)state;
    mm_model m = small_file(KIND_CLIPPED);
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
        mm_model silent = small_file(KIND_CLIPPED), said = small_file(KIND_CLIPPED);
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
    mm_model m = small_file(KIND_CLIPPED);
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
    } cases[] = {{KIND_CLIPPED, "gemma4v"}, {KIND_UNIFIED, "gemma4uv"}, {KIND_SOUND, "gemma4a"}, {KIND_SOUND_UNIFIED, "gemma4ua"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[64];
        mm_model good = small_file(cases[i].kind), plain = small_file(cases[i].kind);
        snprintf(key, sizeof key, "clip.%s.projector_type", sense_of(cases[i].kind));
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
        mm_model m = small_file(KIND_CLIPPED);
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
    towers t;
    tsr_error err = {0};
    (void)state;
    mm_model m = small_file(KIND_CLIPPED);
    assert_int_equal(try_file(&t, &m, ENC_TEXT_HIDDEN + 1, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "clip.vision.projection_dim: 11", "another model");
    close_towers(&t);
    mm_free(&m);
}

static void unknown_tensors_are_refused_under_their_own_name(void **state)
{
    static const struct {
        size_t kind;
        const char *name, *reason;
    } cases[] = {
        {KIND_CLIPPED, "v.blk.0.out_scale.weight", "is unknown"},
        {KIND_CLIPPED, "v.blk.0.attn_q.bias", "is unknown"},
        {KIND_CLIPPED, "a.blk.0.attn_q.weight", "is unknown"}, /* of a part that the file doesn't have */
        {KIND_CLIPPED, "v.blk.2.ln1.weight", "beyond block_count"},
        {KIND_CLIPPED, "v.blk.00.ln1.weight", "is unknown"},
        {KIND_CLIPPED, "v.std_scale", "v.std_bias is missing"},
        {KIND_UNIFIED, "v.blk.0.ln1.weight", "is unknown"},
        {KIND_UNIFIED, "v.patch_norm.4.weight", "is unknown"},
        {KIND_SOUND, "a.blk.0.per_dim_k_scale.weight", "is unknown"},
        {KIND_SOUND_UNIFIED, "a.blk.0.ln2.weight", "is unknown"},
    };
    float ones[ENC_HIDDEN];
    size_t n = ENC_HIDDEN;
    (void)state;
    for (size_t i = 0; i < n; i++)
        ones[i] = 1.0f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mm_model m = small_file(cases[i].kind);
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
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        const char *name = kind >= KIND_SOUND ? "mm.a.soft_emb_norm.weight" : "mm.soft_emb_norm.weight";
        mm_model without = small_file(kind), with = small_file(kind);
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
    towers t;
    size_t n = 0;
    (void)state;
    mm_model m = small_file(KIND_PLAIN);
    mm_set_number(&m, "clip.vision.projector.scale_factor", 2);
    open_file(&t, &m, ENC_TEXT_HIDDEN);
    assert_int_equal(tsr_vision_describe(t.v).pool, 2);
    assert_int_equal(tsr_vision_tokens_for(t.v, 96, 64, &n, NULL), TSR_OK);
    assert_int_equal(n, 6);
    close_towers(&t);
    mm_free(&m);
}

static void reading_survives_every_failed_allocation(void **state)
{
    static const size_t kinds[] = {KIND_CLIPPED, KIND_UNIFIED, KIND_SOUND};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        mm_model m = small_file(kinds[i]);
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
