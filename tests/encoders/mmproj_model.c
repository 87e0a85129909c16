/* mmproj_model.c: towers as mmproj files. */
#include "mmproj_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml_types_internal.h"
#include "gguf_internal.h"
#include "gguf_writer.h"
#include "test_tmp.h"
#include "tsr_gguf_name.h"

static void give_up(const char *what, const char *name)
{
    fprintf(stderr, "%s: %s\n", what, name);
    exit(1);
}

/* ---- names ---- */

bool mm_names_line(size_t i, char *hf, char *gguf)
{
    static char *text; /* as long as the program */
    size_t len;
    if (!text)
        text = (char *)test_read_file(TSR_TEST_DIR "/data/mmproj_names.txt", &len);
    const char *at = text;
    for (; at && i > 0; i--)
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    return at && sscanf(at, "%127[^\t\n]\t%127[^\n]", hf, gguf) == 2;
}

/* False for what is no tower's. */
static bool name_in_file(const char *name, char *out, size_t cap)
{
    char hf[128], gguf[128], published[160];
    size_t layer;
    static const char module[] = "model.embed_vision.p"; /* patch_ln1, pos_norm: names of the reference's modules */
    if (strncmp(name, module, sizeof module - 1) == 0) {
        snprintf(published, sizeof published, "model.vision_embedder.%s", name + sizeof module - 2);
        name = published;
    }
    if (strcmp(name, "model.embed_vision.multimodal_embedder.embedding_projection.weight") == 0)
        name = "model.embed_vision.embedding_projection.weight";
    for (size_t i = 0; mm_names_line(i, hf, gguf); i++)
        if (tsr_gguf_name_match(hf, name, &layer))
            return tsr_gguf_name_print(out, cap, gguf, layer);
    return false;
}

/* ---- the table ---- */

mm_tensor *mm_find(mm_model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    give_up("no tensor", name);
    return NULL;
}

void mm_remove(mm_model *m, const char *name)
{
    mm_tensor *t = mm_find(m, name);
    free(t->data);
    *t = m->tensors[--m->n];
}

mm_tensor *mm_add(mm_model *m, const char *name, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                  size_t n_bytes)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->tensors = must_realloc(m->tensors, m->cap * sizeof *m->tensors);
    }
    mm_tensor *t = &m->tensors[m->n++];
    *t = (mm_tensor){.type = type, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .n_bytes = n_bytes};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (unsigned d = 0; d < n_dims; d++)
        t->shape[d] = shape[d];
    t->data = must_realloc(NULL, n_bytes);
    memcpy(t->data, data, n_bytes);
    return t;
}

void mm_swap(mm_model *m, const char *a, const char *b)
{
    mm_tensor *x = mm_find(m, a), *y = mm_find(m, b);
    snprintf(x->name, sizeof x->name, "%s", b);
    snprintf(y->name, sizeof y->name, "%s", a);
}

mm_key *mm_find_key(mm_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_keys; i++)
        if (strcmp(m->keys[i].name, name) == 0)
            return &m->keys[i];
    give_up("no key", name);
    return NULL;
}

void mm_remove_key(mm_model *m, const char *name)
{
    *mm_find_key(m, name) = m->keys[m->n_keys - 1];
    m->n_keys--;
}

static mm_key *key_to_set(mm_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_keys; i++)
        if (strcmp(m->keys[i].name, name) == 0)
            return &m->keys[i];
    if (m->n_keys == sizeof m->keys / sizeof *m->keys)
        give_up("too many keys", name);
    mm_key *k = &m->keys[m->n_keys++];
    *k = (mm_key){0};
    snprintf(k->name, sizeof k->name, "%s", name);
    return k;
}

static void set_kind(mm_model *m, const char *name, mm_kind kind, double number)
{
    mm_key *k = key_to_set(m, name);
    k->kind = kind;
    k->number = number;
}

void mm_set_number(mm_model *m, const char *name, double number)
{
    set_kind(m, name, floor(number) == number ? MM_U32 : MM_F32, number);
}

void mm_set_text(mm_model *m, const char *name, const char *text)
{
    mm_key *k = key_to_set(m, name);
    k->kind = MM_STR;
    snprintf(k->text, sizeof k->text, "%s", text);
}

/* ---- values ---- */

static size_t count(const mm_tensor *t)
{
    return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3];
}

float *mm_values(const mm_tensor *t)
{
    tsr_view v;
    tsr_error err = {0};
    float *x = must_realloc(NULL, count(t) * sizeof *x);
    if (tsr_view_make(&v, t->type, t->n_dims, t->shape, t->data, t->n_bytes, t->name, &err) != TSR_OK)
        give_up("no view", err.text);
    size_t cols = tsr_view_cols(&v);
    for (size_t r = 0; r < tsr_view_rows(&v); r++)
        tsr_view_decode(&v, r, 0, cols, x + r * cols);
    return x;
}

void mm_set_values(mm_tensor *t, const float *values)
{
    t->type = TSR_F32;
    t->n_bytes = count(t) * sizeof *values;
    t->data = must_realloc(t->data, t->n_bytes);
    memcpy(t->data, values, t->n_bytes);
}

/* ---- the converter's ways ---- */

/* Pixel after pixel becomes channel after channel, in each row of side * side * 3. */
static void patches_to_planes(mm_tensor *t, size_t side)
{
    size_t width = side * side * 3, size = tsr_type_info(t->type)->block_bytes;
    unsigned char *turned = must_realloc(NULL, t->n_bytes), *to = turned;
    for (size_t row = 0; row < t->n_bytes / (width * size); row++)
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < side; y++)
                for (size_t x = 0; x < side; x++, to += size)
                    memcpy(to, t->data + (row * width + (y * side + x) * 3 + c) * size, size);
    free(t->data);
    t->data = turned;
}

static void swap_first_axes(mm_tensor *t)
{
    size_t n = t->shape[0], m = t->shape[1], bytes = t->n_bytes / (n * m);
    unsigned char *turned = must_realloc(NULL, t->n_bytes);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            memcpy(turned + (j * n + i) * bytes, t->data + (i * m + j) * bytes, bytes);
    free(t->data);
    t->data = turned;
    t->shape[0] = m;
    t->shape[1] = n;
}

static void softplus_of(mm_tensor *t)
{
    float *x = mm_values(t);
    for (size_t i = 0; i < count(t); i++)
        x[i] = log1pf(expf(x[i]));
    mm_set_values(t, x);
    free(x);
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

static void convert(mm_tensor *t, const char *hf)
{
    if (t->n_dims == 0) {
        t->n_dims = 1;
    } else if (ends_with(hf, "patch_embedder.input_proj.weight")) {
        size_t side = (size_t)sqrt((double)t->shape[1] / 3.0);
        patches_to_planes(t, side);
        t->n_dims = 4;
        t->shape[1] = 3;
        t->shape[2] = t->shape[3] = side;
    } else if (strstr(hf, ".patch_ln1.") || ends_with(hf, ".patch_dense.weight")) {
        patches_to_planes(t, (size_t)sqrt((double)t->shape[t->n_dims - 1] / 3.0));
    } else if (ends_with(hf, ".pos_embedding")) {
        swap_first_axes(t);
    } else if (ends_with(hf, ".per_dim_scale")) {
        softplus_of(t);
    } else if (ends_with(hf, ".depthwise_conv1d.weight")) {
        t->n_dims = 2;
        t->shape[1] = t->shape[2];
        t->shape[2] = 1;
    }
}

static double config_number(const tsr_json *config, const char *key, double fallback)
{
    tsr_json_to_double(tsr_json_get(config, key), &fallback);
    return fallback;
}

static void sense_keys(mm_model *m, const char *sense, const char *projector, const tsr_json *config,
                       size_t text_hidden)
{
    char name[64];
    double hidden = config_number(config, "hidden_size", config_number(config, "mm_embed_dim", 0));
    const struct {
        const char *key;
        double number;
    } sizes[] = {
        {"embedding_length", hidden},
        {"feed_forward_length", config_number(config, "intermediate_size", 4 * hidden)},
        {"block_count", config_number(config, "num_hidden_layers", 0)},
        {"attention.head_count", config_number(config, "num_attention_heads", 0)},
        {"projection_dim", (double)text_hidden},
    };
    snprintf(name, sizeof name, "clip.has_%s_encoder", sense);
    set_kind(m, name, MM_BOOL, 1.0);
    snprintf(name, sizeof name, "clip.%s.projector_type", sense);
    mm_set_text(m, name, projector);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(name, sizeof name, "clip.%s.%s", sense, sizes[i].key);
        mm_set_number(m, name, sizes[i].number);
    }
    snprintf(name, sizeof name, "clip.%s.attention.layer_norm_epsilon", sense);
    set_kind(m, name, MM_F32, config_number(config, "rms_norm_eps", 1e-6));
}

static void vision_keys(mm_model *m, const tsr_json *config, size_t text_hidden)
{
    bool is_unified = tsr_json_get(config, "mm_embed_dim") != NULL;
    sense_keys(m, "vision", is_unified ? "gemma4uv" : "gemma4v", config, text_hidden);
    if (is_unified)
        mm_set_number(m, "clip.vision.feed_forward_length", 0);
    mm_set_number(m, "clip.vision.image_size", 224);
    mm_set_number(m, "clip.vision.patch_size", config_number(config, "patch_size", 16));
    set_kind(m, "clip.vision.image_mean", MM_THREE, 0.0);
    set_kind(m, "clip.vision.image_std", MM_THREE, 1.0);
}

static void sound_keys(mm_model *m, const tsr_json *config, size_t text_hidden)
{
    bool is_unified = tsr_json_get(config, "audio_embed_dim") != NULL;
    sense_keys(m, "audio", is_unified ? "gemma4ua" : "gemma4a", config, text_hidden);
    if (is_unified) {
        mm_set_number(m, "clip.audio.embedding_length", config_number(config, "audio_embed_dim", 0));
        mm_set_number(m, "clip.audio.feed_forward_length", 0);
    }
    mm_set_number(m, "clip.audio.num_mel_bins", 128);
}

mm_model mm_from(const tsr_weights *w, const tsr_json *vision, const tsr_json *audio, size_t text_hidden)
{
    mm_model m = {0};
    mm_set_text(&m, "general.architecture", "clip");
    mm_set_text(&m, "general.type", "mmproj");
    if (vision)
        vision_keys(&m, vision, text_hidden);
    if (audio)
        sound_keys(&m, audio, text_hidden);
    for (size_t i = 0; i < tsr_weights_count(w); i++) {
        char name[128];
        const tsr_view *v = tsr_weights_view(w, i);
        if (name_in_file(tsr_weights_name(w, i), name, sizeof name))
            convert(mm_add(&m, name, v->type, v->n_dims, v->shape, v->data, v->n_bytes), tsr_weights_name(w, i));
    }
    return m;
}

/* ---- the file ---- */

static void close_file(mm_model *m)
{
    tsr_gguf_close(m->gguf);
    free(m->bytes);
    m->gguf = NULL;
    m->bytes = NULL;
}

void mm_free(mm_model *m)
{
    close_file(m);
    for (size_t i = 0; i < m->n; i++)
        free(m->tensors[i].data);
    free(m->tensors);
    *m = (mm_model){0};
}

static void write_key(gg_writer *g, const mm_key *k)
{
    float three[3] = {(float)k->number, (float)k->number, (float)k->number};
    unsigned char yes = k->number != 0.0;
    switch (k->kind) {
    case MM_U32: gg_u32(g, k->name, (uint32_t)k->number); break;
    case MM_F32: gg_f32(g, k->name, (float)k->number); break;
    case MM_BOOL: gg_scalar(g, k->name, TSR_GGUF_BOOL, &yes, 1); break;
    case MM_STR: gg_str(g, k->name, k->text); break;
    case MM_THREE: gg_array(g, k->name, TSR_GGUF_F32, 3, three, sizeof three); break;
    }
}

const tsr_gguf *mm_open(mm_model *m)
{
    tsr_error err = {0};
    size_t len = 0;
    uint32_t type = 0;
    gg_writer *g = gg_new();
    for (size_t i = 0; i < m->n_keys; i++)
        write_key(g, &m->keys[i]);
    for (size_t i = 0; i < m->n; i++) {
        const mm_tensor *t = &m->tensors[i];
        if (!tsri_ggml_type_id(t->type, &type))
            give_up("no type of a file", t->name);
        gg_tensor(g, t->name, type, t->n_dims, t->shape, t->data, t->n_bytes);
    }
    close_file(m);
    m->bytes = gg_bytes(g, &len, NULL, NULL, NULL);
    gg_free(g);
    if (tsri_gguf_open_bytes(&m->gguf, (tsr_bytes){m->bytes, len}, "mmproj.gguf", &err) != TSR_OK)
        give_up("not opened", err.text);
    return m->gguf;
}
