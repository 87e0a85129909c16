/* enc_model.c: the tables of small random encoders. */
#include "enc_model.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "st_writer.h"
#include "test_tmp.h"

float enc_noise(unsigned seed, size_t i)
{
    uint32_t h = seed * 2654435761u ^ (uint32_t)i * 2246822519u;
    h ^= h >> 15;
    h *= 3266489917u;
    h ^= h >> 13;
    h *= 668265263u;
    h ^= h >> 16;
    return (float)(h >> 8) * 0x1p-23f - 1.0f;
}

static unsigned hash_of(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

static void add(enc_model *m, const char *prefix, const char *name, unsigned n_dims, size_t a, size_t b, size_t c, size_t d,
                float lo, float hi)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->tensors = must_realloc(m->tensors, m->cap * sizeof *m->tensors);
    }
    enc_tensor *t = &m->tensors[m->n++];
    *t = (enc_tensor){.n_dims = n_dims, .shape = {a, b, c, d}, .lo = lo, .hi = hi};
    if ((size_t)snprintf(t->name, sizeof t->name, "%s%s", prefix, name) >= sizeof t->name)
        abort();
}

static void add_vector(enc_model *m, const char *prefix, const char *name, size_t n)
{
    add(m, prefix, name, 1, n, 1, 1, 1, 0.5f, 1.5f);
}

static void add_matrix(enc_model *m, const char *prefix, const char *name, size_t out, size_t in)
{
    float range = 1.7f / sqrtf((float)in);
    add(m, prefix, name, 2, out, in, 1, 1, -range, range);
}

/* Limits at about one standard deviation, so that each one bites. */
static void add_linear(enc_model *m, const char *prefix, const char *name, size_t out, size_t in, bool clipped)
{
    char full[128];
    snprintf(full, sizeof full, "%s.linear.weight", name);
    add_matrix(m, prefix, full, out, in);
    static const char *const limits[] = {"input_min", "input_max", "output_min", "output_max"};
    for (size_t i = 0; clipped && i < 4; i++) {
        snprintf(full, sizeof full, "%s.%s", name, limits[i]);
        if (i % 2 == 0)
            add(m, prefix, full, 0, 1, 1, 1, 1, -1.4f, -0.5f);
        else
            add(m, prefix, full, 0, 1, 1, 1, 1, 0.5f, 1.4f);
    }
}

const enc_dims enc_small = {ENC_HIDDEN, ENC_FFN,        ENC_LAYERS,     ENC_HEADS,
                            ENC_KV,     ENC_HEAD_DIM,   ENC_CHANNELS_1, ENC_SOUND_WIDTH};

enc_model enc_vision_tower(bool clipped)
{
    return enc_vision_tower_of(&enc_small, clipped);
}

enc_model enc_vision_tower_of(const enc_dims *d, bool clipped)
{
    enc_model m = {.type = TSR_F32};
    size_t h = d->hidden, dq = d->n_heads * d->head_dim, dk = d->n_kv * d->head_dim;
    const char *root = "model.vision_tower.";
    add_matrix(&m, root, "patch_embedder.input_proj.weight", h, 768);
    add(&m, root, "patch_embedder.position_embedding_table", 3, 2, ENC_POSITIONS, h, 1, -1.0f, 1.0f);
    add_matrix(&m, "model.", "embed_vision.embedding_projection.weight", ENC_TEXT_HIDDEN, h);
    if (!clipped) {
        add(&m, root, "std_bias", 1, h, 1, 1, 1, -5.0f, 5.0f);
        add_vector(&m, root, "std_scale", h);
    }
    for (size_t i = 0; i < d->n_layers; i++) {
        char p[96];
        snprintf(p, sizeof p, "%sencoder.layers.%zu.", root, i);
        add_linear(&m, p, "self_attn.q_proj", dq, h, clipped);
        add_linear(&m, p, "self_attn.k_proj", dk, h, clipped);
        add_linear(&m, p, "self_attn.v_proj", dk, h, clipped);
        add_linear(&m, p, "self_attn.o_proj", h, dq, clipped);
        add_linear(&m, p, "mlp.gate_proj", d->ffn, h, clipped);
        add_linear(&m, p, "mlp.up_proj", d->ffn, h, clipped);
        add_linear(&m, p, "mlp.down_proj", h, d->ffn, clipped);
        add_vector(&m, p, "self_attn.q_norm.weight", d->head_dim);
        add_vector(&m, p, "self_attn.k_norm.weight", d->head_dim);
        add_vector(&m, p, "input_layernorm.weight", h);
        add_vector(&m, p, "post_attention_layernorm.weight", h);
        add_vector(&m, p, "pre_feedforward_layernorm.weight", h);
        add_vector(&m, p, "post_feedforward_layernorm.weight", h);
    }
    snprintf(m.config, sizeof m.config,
             "{\"hidden_size\": %zu, \"intermediate_size\": %zu, \"num_hidden_layers\": %zu, \"num_attention_heads\": %zu, "
             "\"num_key_value_heads\": %zu, \"head_dim\": %zu, \"patch_size\": 16, \"pooling_kernel_size\": 3, "
             "\"position_embedding_size\": %d, \"rms_norm_eps\": 1e-06, \"hidden_activation\": \"gelu_pytorch_tanh\", "
             "\"rope_parameters\": {\"rope_theta\": 100.0, \"rope_type\": \"axial\"}, \"use_clipped_linears\": %s, "
             "\"standardize\": %s}",
             h, d->ffn, d->n_layers, d->n_heads, d->n_kv, d->head_dim, ENC_POSITIONS, clipped ? "true" : "false",
             clipped ? "false" : "true");
    return m;
}

enc_model enc_vision_unified(bool module_names)
{
    enc_model m = {.type = TSR_F32};
    const char *p = module_names ? "model.embed_vision." : "model.vision_embedder.";
    size_t width = 48 * 48 * 3;
    add_vector(&m, p, "patch_ln1.weight", width);
    add(&m, p, "patch_ln1.bias", 1, width, 1, 1, 1, -0.5f, 0.5f);
    add_matrix(&m, p, "patch_dense.weight", ENC_HIDDEN, width);
    add(&m, p, "patch_dense.bias", 1, ENC_HIDDEN, 1, 1, 1, -0.5f, 0.5f);
    add_vector(&m, p, "patch_ln2.weight", ENC_HIDDEN);
    add(&m, p, "patch_ln2.bias", 1, ENC_HIDDEN, 1, 1, 1, -0.5f, 0.5f);
    add(&m, p, "pos_embedding", 3, ENC_POSITIONS, 2, ENC_HIDDEN, 1, -1.0f, 1.0f);
    add_vector(&m, p, "pos_norm.weight", ENC_HIDDEN);
    add(&m, p, "pos_norm.bias", 1, ENC_HIDDEN, 1, 1, 1, -0.5f, 0.5f);
    add_matrix(&m, "model.embed_vision.",
               module_names ? "multimodal_embedder.embedding_projection.weight" : "embedding_projection.weight",
               ENC_TEXT_HIDDEN, ENC_HIDDEN);
    snprintf(m.config, sizeof m.config,
             "{\"patch_size\": 16, \"pooling_kernel_size\": 3, \"mm_embed_dim\": %d, \"mm_posemb_size\": %d, "
             "\"rms_norm_eps\": 1e-06}",
             ENC_HIDDEN, ENC_POSITIONS);
    return m;
}

enc_model enc_sound_tower(bool clipped)
{
    return enc_sound_tower_of(&enc_small, clipped);
}

enc_model enc_sound_tower_of(const enc_dims *d, bool clipped)
{
    enc_model m = {.type = TSR_F32};
    size_t h = d->hidden;
    const char *root = "model.audio_tower.", *sub = "model.audio_tower.subsample_conv_projection.";
    add(&m, sub, "layer0.conv.weight", 4, ENC_CHANNELS_0, 1, 3, 3, -0.5f, 0.5f);
    add(&m, sub, "layer1.conv.weight", 4, d->channels_1, ENC_CHANNELS_0, 3, 3, -0.1f, 0.1f);
    add_vector(&m, sub, "layer0.norm.weight", ENC_CHANNELS_0);
    add_vector(&m, sub, "layer1.norm.weight", d->channels_1);
    add_matrix(&m, sub, "input_proj_linear.weight", h, ENC_MELS / 4 * d->channels_1);
    for (size_t i = 0; i < d->n_layers; i++) {
        char p[96];
        snprintf(p, sizeof p, "%slayers.%zu.", root, i);
        add_linear(&m, p, "feed_forward1.ffw_layer_1", 4 * h, h, clipped);
        add_linear(&m, p, "feed_forward1.ffw_layer_2", h, 4 * h, clipped);
        add_vector(&m, p, "feed_forward1.pre_layer_norm.weight", h);
        add_vector(&m, p, "feed_forward1.post_layer_norm.weight", h);
        add_linear(&m, p, "feed_forward2.ffw_layer_1", 4 * h, h, clipped);
        add_linear(&m, p, "feed_forward2.ffw_layer_2", h, 4 * h, clipped);
        add_vector(&m, p, "feed_forward2.pre_layer_norm.weight", h);
        add_vector(&m, p, "feed_forward2.post_layer_norm.weight", h);
        add_linear(&m, p, "self_attn.q_proj", h, h, clipped);
        add_linear(&m, p, "self_attn.k_proj", h, h, clipped);
        add_linear(&m, p, "self_attn.v_proj", h, h, clipped);
        add_linear(&m, p, "self_attn.post", h, h, clipped);
        add_matrix(&m, p, "self_attn.relative_k_proj.weight", h, h);
        add(&m, p, "self_attn.per_dim_scale", 1, h / d->n_heads, 1, 1, 1, -1.0f, 2.0f);
        add_vector(&m, p, "norm_pre_attn.weight", h);
        add_vector(&m, p, "norm_post_attn.weight", h);
        add_vector(&m, p, "norm_out.weight", h);
        add_linear(&m, p, "lconv1d.linear_start", 2 * h, h, clipped);
        add_linear(&m, p, "lconv1d.linear_end", h, h, clipped);
        add(&m, p, "lconv1d.depthwise_conv1d.weight", 3, h, 1, ENC_CONV, 1, -0.7f, 0.7f);
        add_vector(&m, p, "lconv1d.pre_layer_norm.weight", h);
        add_vector(&m, p, "lconv1d.conv_norm.weight", h);
    }
    add_matrix(&m, root, "output_proj.weight", d->sound_width, h);
    add(&m, root, "output_proj.bias", 1, d->sound_width, 1, 1, 1, -1.0f, 1.0f);
    add_matrix(&m, "model.", "embed_audio.embedding_projection.weight", ENC_TEXT_HIDDEN, d->sound_width);
    snprintf(m.config, sizeof m.config,
             "{\"hidden_size\": %zu, \"num_hidden_layers\": %zu, \"num_attention_heads\": %zu, \"hidden_act\": \"silu\", "
             "\"subsampling_conv_channels\": [%d, %zu], \"conv_kernel_size\": %d, \"residual_weight\": 0.5, "
             "\"attention_chunk_size\": 12, \"attention_context_left\": 13, \"attention_context_right\": 0, "
             "\"attention_logit_cap\": 50.0, \"attention_invalid_logits_value\": -1000000000.0, "
             "\"use_clipped_linears\": %s, \"rms_norm_eps\": 1e-06, \"gradient_clipping\": 1e10, "
             "\"output_proj_dims\": %zu}",
             h, d->n_layers, d->n_heads, ENC_CHANNELS_0, d->channels_1, ENC_CONV, clipped ? "true" : "false",
             d->sound_width);
    return m;
}

enc_model enc_sound_unified(void)
{
    enc_model m = {.type = TSR_F32};
    add_matrix(&m, "model.", "embed_audio.embedding_projection.weight", ENC_TEXT_HIDDEN, 640);
    snprintf(m.config, sizeof m.config, "{\"audio_embed_dim\": 640, \"rms_norm_eps\": 1e-06}");
    return m;
}

void enc_model_free(enc_model *m)
{
    free(m->tensors);
    *m = (enc_model){0};
}

enc_tensor *enc_find(enc_model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    fprintf(stderr, "no tensor %s\n", name);
    exit(1);
}

void enc_remove(enc_model *m, const char *name)
{
    *enc_find(m, name) = m->tensors[m->n - 1];
    m->n--;
}

void enc_set_config(enc_model *m, const char *key, const char *value)
{
    char quoted[64], rest[sizeof m->config];
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    char *at = strstr(m->config, quoted);
    if (!at) {
        fprintf(stderr, "no key %s\n", key);
        exit(1);
    }
    at += strlen(quoted);
    snprintf(rest, sizeof rest, "%s%s", value, at + strcspn(at, ",}"));
    snprintf(at, sizeof m->config - (size_t)(at - m->config), "%s", rest);
}

tsr_weights *enc_open(const enc_model *m, const char *dir)
{
    st_writer *st = st_new();
    float *values = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const enc_tensor *t = &m->tensors[i];
        size_t n = 1;
        for (unsigned d = 0; d < t->n_dims; d++)
            n *= t->shape[d];
        values = must_realloc(values, n * sizeof *values);
        for (size_t k = 0; k < n; k++)
            values[k] = t->lo + (t->hi - t->lo) * (0.5f * enc_noise(hash_of(t->name), k) + 0.5f);
        st_add_f32(st, t->name, m->type, t->n_dims, t->shape, values);
    }
    free(values);
    st_write(st, test_path(dir, "model.safetensors"));
    st_free(st);
    tsr_weights *w = NULL;
    tsr_error err = {0};
    if (tsr_weights_open(&w, dir, &err) != TSR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return w;
}

tsr_json *enc_config(const enc_model *m)
{
    tsr_json *j = NULL;
    tsr_error err = {0};
    if (tsr_json_parse(&j, m->config, strlen(m->config), "config", &err) != TSR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return j;
}

tsr_image enc_picture(size_t width, size_t height, unsigned seed)
{
    tsr_image img = {width, height, must_realloc(NULL, width * height * 3)};
    for (size_t i = 0; i < width * height * 3; i++)
        img.rgb[i] = (unsigned char)(127.9f + 127.9f * enc_noise(seed, i));
    return img;
}

float *enc_sound(size_t n, unsigned seed)
{
    float *x = must_realloc(NULL, (n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = 0.1f * enc_noise(seed, i) + 0.4f * (float)sin((double)i * (0.05 + 1e-6 * (double)i)) +
               0.2f * (float)cos(0.7 * (double)i);
    return x;
}
