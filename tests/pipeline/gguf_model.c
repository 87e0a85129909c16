/* gguf_model.c: keys as the converter of llama.cpp writes them, from the folder's configuration. */
#include "gguf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_writer.h"
#include "test_tmp.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_text.h"
#include "tsr_text_config.h"
#include "tsr_tokenizer_export.h"
#include "tsr_weights.h"

enum { GGML_F32 = 0, GGML_F16 = 1, GGML_BF16 = 30, MAX_LAYERS = 64 };

static void must(tsr_status st, const tsr_error *err)
{
    if (st == TSR_OK)
        return;
    fprintf(stderr, "gguf_model: %s\n", err->text);
    exit(1);
}

static uint32_t ggml_type(tsr_type t)
{
    return t == TSR_BF16 ? GGML_BF16 : t == TSR_F16 ? GGML_F16 : GGML_F32;
}

/* ---- keys ---- */

static void put_bools(gg_writer *w, const char *key, const bool *v, size_t n)
{
    unsigned char b[MAX_LAYERS];
    for (size_t i = 0; i < n; i++)
        b[i] = v[i];
    gg_array(w, key, TSR_GGUF_BOOL, n, b, n);
}

static void put_u32s(gg_writer *w, const char *key, const uint32_t *v, size_t n)
{
    gg_array(w, key, TSR_GGUF_U32, n, v, 4 * n);
}

static void put_layers(gg_writer *w, const tsr_text_config *c)
{
    bool sliding[MAX_LAYERS];
    uint32_t kv[MAX_LAYERS], ffn[MAX_LAYERS];
    size_t last = c->n_layers - 1;
    for (size_t i = 0; i < c->n_layers; i++) {
        sliding[i] = c->layers[i].type == TSR_LAYER_SLIDING;
        kv[i] = (uint32_t)c->layers[i].n_kv_heads;
        ffn[i] = (uint32_t)c->layers[i].ffn_width;
    }
    put_bools(w, "gemma4.attention.sliding_window_pattern", sliding, c->n_layers);
    if (c->layers[0].n_kv_heads == c->layers[last].n_kv_heads)
        gg_u32(w, "gemma4.attention.head_count_kv", kv[0]);
    else
        put_u32s(w, "gemma4.attention.head_count_kv", kv, c->n_layers);
    if (ffn[0] == ffn[last])
        gg_u32(w, "gemma4.feed_forward_length", ffn[0]);
    else
        put_u32s(w, "gemma4.feed_forward_length", ffn, c->n_layers);
}

static void put_heads(gg_writer *w, const tsr_text_config *c)
{
    uint32_t full = (uint32_t)c->head_dim[TSR_LAYER_FULL], sliding = (uint32_t)c->head_dim[TSR_LAYER_SLIDING];
    gg_u32(w, "gemma4.attention.key_length", full);
    gg_u32(w, "gemma4.attention.value_length", full);
    gg_u32(w, "gemma4.attention.key_length_swa", sliding);
    gg_u32(w, "gemma4.attention.value_length_swa", sliding);
    gg_u32(w, "gemma4.rope.dimension_count", full);
    gg_u32(w, "gemma4.rope.dimension_count_swa", sliding);
    gg_f32(w, "gemma4.rope.freq_base", (float)c->rope[TSR_LAYER_FULL].theta);
    gg_f32(w, "gemma4.rope.freq_base_swa", (float)c->rope[TSR_LAYER_SLIDING].theta);
}

static void put_config(gg_writer *w, const tsr_text_config *c)
{
    gg_str(w, "general.architecture", "gemma4");
    gg_str(w, "general.type", "model");
    gg_u32(w, "gemma4.block_count", (uint32_t)c->n_layers);
    gg_u32(w, "gemma4.context_length", (uint32_t)c->max_positions);
    gg_u32(w, "gemma4.embedding_length", (uint32_t)c->hidden);
    gg_u32(w, "gemma4.attention.head_count", (uint32_t)c->n_heads);
    gg_f32(w, "gemma4.attention.layer_norm_rms_epsilon", c->eps);
    gg_u32(w, "gemma4.attention.sliding_window", (uint32_t)c->window);
    gg_u32(w, "gemma4.attention.shared_kv_layers", (uint32_t)c->n_shared);
    gg_u32(w, "gemma4.embedding_length_per_layer_input", (uint32_t)c->ple_dim);
    if (c->soft_cap > 0)
        gg_f32(w, "gemma4.final_logit_softcapping", c->soft_cap);
    put_layers(w, c);
    put_heads(w, c);
    if (c->n_experts == 0)
        return;
    gg_u32(w, "gemma4.expert_count", (uint32_t)c->n_experts);
    gg_u32(w, "gemma4.expert_used_count", (uint32_t)c->top_k);
    gg_u32(w, "gemma4.expert_feed_forward_length", (uint32_t)c->expert_width);
}

static void put_strings(gg_writer *w, const char *key, const tsr_gguf_str *s, size_t n)
{
    char **copy = must_realloc(NULL, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i] = must_realloc(NULL, s[i].len + 1);
        memcpy(copy[i], s[i].data, s[i].len);
        copy[i][s[i].len] = '\0';
    }
    gg_strs(w, key, n, (const char *const *)copy);
    for (size_t i = 0; i < n; i++)
        free(copy[i]);
    free(copy);
}

static void put_tokenizer(gg_writer *w, const char *dir, size_t n_rows)
{
    static const unsigned char no = 0, yes = 1;
    tsr_tokenizer_export e;
    tsr_error err = {TSR_OK, ""};
    must(tsr_tokenizer_export_folder(&e, dir, n_rows, &err), &err);
    gg_str(w, "tokenizer.ggml.model", e.model);
    put_strings(w, "tokenizer.ggml.tokens", e.tokens, e.n_tokens);
    gg_array(w, "tokenizer.ggml.scores", TSR_GGUF_F32, e.n_tokens, e.scores, 4 * e.n_tokens);
    gg_array(w, "tokenizer.ggml.token_type", TSR_GGUF_I32, e.n_tokens, e.types, 4 * e.n_tokens);
    put_strings(w, "tokenizer.ggml.merges", e.merges, e.n_merges);
    for (size_t i = 0; i < e.n_ids; i++)
        gg_u32(w, e.ids[i].key, e.ids[i].id);
    gg_scalar(w, "tokenizer.ggml.add_space_prefix", TSR_GGUF_BOOL, &no, 1);
    gg_scalar(w, "tokenizer.ggml.add_bos_token", TSR_GGUF_BOOL, &yes, 1);
    tsr_tokenizer_export_deinit(&e);
}

/* ---- tensors ---- */

enum { FIRST_PART = 20 }; /* tensors in the first of two */

typedef struct parts {
    gg_writer *part[2]; /* the second NULL: one file */
    size_t n;           /* tensors */
} parts;

static gg_writer *next(parts *p)
{
    return p->part[p->n++ < FIRST_PART || !p->part[1] ? 0 : 1];
}

static void put_rope_freqs(gg_writer *w, size_t head_dim, size_t n_rotated)
{
    size_t n = head_dim / 2;
    float *x = must_realloc(NULL, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = i < n_rotated ? 1.0f : 1e30f;
    gg_tensor(w, "rope_freqs.weight", GGML_F32, 1, &n, x, n * sizeof *x);
    free(x);
}

/* Half 0: the gate rows of all experts, half 1: their up rows. */
static void put_half(parts *p, const char *name, const tsr_view *v, size_t half)
{
    size_t n = v->n_bytes / v->shape[0] / 2, shape[] = {v->shape[0], v->shape[1] / 2, v->shape[2]};
    unsigned char *out = must_realloc(NULL, n * v->shape[0]);
    for (size_t e = 0; e < v->shape[0]; e++)
        memcpy(out + e * n, (const unsigned char *)v->data + (2 * e + half) * n, n);
    gg_tensor(next(p), name, ggml_type(v->type), 3, shape, out, n * v->shape[0]);
    free(out);
}

static void put_tensor(parts *p, const char *hf, const tsr_view *v, const tsr_text_config *c, gm_form form)
{
    char name[128];
    size_t layer, one = 1;
    const tsr_gguf_text_tensor *row = tsr_gguf_text_find_hf(hf, &layer);
    if (!row)
        return; /* of the towers */
    if (form.drop_shared && layer >= c->n_layers - c->n_shared &&
        (strncmp(row->gguf, "blk.#.attn_k", 12) == 0 || strncmp(row->gguf, "blk.#.attn_v", 12) == 0))
        return;
    if (form.split_experts && strstr(row->gguf, "ffn_gate_up_exps")) {
        for (size_t half = 0; half < 2; half++) {
            snprintf(name, sizeof name, "blk.%zu.ffn_%s_exps.weight", layer, half ? "up" : "gate");
            put_half(p, name, v, half);
        }
        return;
    }
    tsr_gguf_name_print(name, sizeof name, row->gguf, layer);
    gg_tensor(next(p), name, ggml_type(v->type), v->n_dims ? v->n_dims : 1, v->n_dims ? v->shape : &one, v->data,
              v->n_bytes);
}

static void put_tensors(parts *p, const tsr_weights *weights, const tsr_text_config *c, gm_form form)
{
    put_rope_freqs(next(p), c->head_dim[TSR_LAYER_FULL], c->rope[TSR_LAYER_FULL].n_rotated);
    for (size_t i = 0; i < tsr_weights_count(weights); i++)
        put_tensor(p, tsr_weights_name(weights, i), tsr_weights_view(weights, i), c, form);
    for (size_t i = 0; form.output && i < tsr_weights_count(weights); i++) {
        const tsr_view *v = tsr_weights_view(weights, i);
        if (strstr(tsr_weights_name(weights, i), ".embed_tokens.weight"))
            gg_tensor(next(p), "output.weight", ggml_type(v->type), 2, v->shape, v->data, v->n_bytes);
    }
}

static void write_all(const char *const *paths, const char *dir, gm_form form)
{
    tsr_error err = {TSR_OK, ""};
    tsr_json *config;
    tsr_text_config c;
    tsr_weights *weights;
    parts p = {{gg_new(), paths[1] ? gg_new() : NULL}, 0};
    must(tsr_json_parse_file(&config, test_path(dir, "config.json"), 1 << 20, &err), &err);
    must(tsr_text_config_parse(&c, config, dir, &err), &err);
    must(tsr_weights_open(&weights, dir, &err), &err);
    put_config(p.part[0], &c);
    put_tokenizer(p.part[0], dir, c.vocab);
    put_tensors(&p, weights, &c, form);
    for (unsigned i = 0; i < 2 && p.part[i]; i++) {
        if (paths[1])
            gg_split(p.part[i], i, 2, (unsigned)p.n);
        gg_write(p.part[i], paths[i]);
        gg_free(p.part[i]);
    }
    tsr_weights_close(weights);
    tsr_text_config_deinit(&c);
    tsr_json_free(config);
}

void gm_write(const char *path, const char *dir, gm_form form)
{
    write_all((const char *const[]){path, NULL}, dir, form);
}

void gm_write_split(const char *first, const char *second, const char *dir)
{
    write_all((const char *const[]){first, second}, dir, (gm_form){.output = true});
}

/* ---- a drafter ---- */

static void put_zeros(gg_writer *w, const char *name, size_t rows, size_t cols)
{
    size_t shape[] = {rows, cols}, n = cols ? rows * cols : rows;
    float *x = must_realloc(NULL, n * sizeof *x);
    memset(x, 0, n * sizeof *x);
    gg_tensor(w, name, GGML_F32, cols ? 2 : 1, shape, x, n * sizeof *x);
    free(x);
}

static void put_drafter_layer(gg_writer *w, size_t layer, size_t dim)
{
    static const struct {
        const char *name;
        size_t rows, cols; /* 1 stands for the query rows, 2 for the head dim */
    } rows[] = {{"attn_norm", 16, 0}, {"attn_q", 1, 16}, {"attn_q_norm", 2, 0}, {"attn_output", 16, 1},
                {"post_attention_norm", 16, 0}, {"ffn_norm", 16, 0}, {"ffn_gate", 24, 16}, {"ffn_up", 24, 16},
                {"ffn_down", 16, 24}, {"post_ffw_norm", 16, 0}};
    char name[64];
    const size_t told[] = {0, 4 * dim, dim};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(name, sizeof name, "blk.%zu.%s.weight", layer, rows[i].name);
        put_zeros(w, name, rows[i].rows < 3 ? told[rows[i].rows] : rows[i].rows,
                  rows[i].cols < 3 ? told[rows[i].cols] : rows[i].cols);
    }
    snprintf(name, sizeof name, "blk.%zu.layer_output_scale.weight", layer);
    put_zeros(w, name, 1, 0);
}

void gm_write_drafter(const char *path)
{
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"block_count", 2}, {"context_length", 512}, {"embedding_length", 16}, {"attention.head_count", 4},
                {"attention.head_count_kv", 1}, {"attention.sliding_window", 8}, {"feed_forward_length", 24},
                {"attention.key_length", 8}, {"attention.value_length", 8}, {"attention.key_length_swa", 4},
                {"attention.value_length_swa", 4}, {"embedding_length_out", 64}, {"nextn_predict_layers", 2}};
    static const bool sliding[] = {true, false};
    static const int64_t order[12] = {0};
    const size_t n_order = 12;
    char key[96];
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "gemma4-assistant");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "gemma4-assistant.%s", keys[i].key);
        gg_u32(w, key, keys[i].value);
    }
    put_bools(w, "gemma4-assistant.attention.sliding_window_pattern", sliding, 2);
    gg_f32(w, "gemma4-assistant.attention.layer_norm_rms_epsilon", 1e-6f);
    gg_f32(w, "gemma4-assistant.rope.freq_base", 1e6f);
    put_rope_freqs(w, 8, 1);
    put_zeros(w, "token_embd.weight", 12, 16);
    put_zeros(w, "output_norm.weight", 16, 0);
    put_zeros(w, "nextn.pre_projection.weight", 16, 128);
    put_zeros(w, "nextn.post_projection.weight", 64, 16);
    put_zeros(w, "masked_embd_centroids.weight", 3, 16);
    gg_tensor(w, "masked_embd_ordering", 27 /* I64 */, 1, &n_order, order, sizeof order);
    for (size_t i = 0; i < 2; i++)
        put_drafter_layer(w, i, sliding[i] ? 4 : 8);
    gg_write(w, path);
    gg_free(w);
}

/* ---- places ---- */

size_t gm_find(const unsigned char *bytes, size_t len, const char *s)
{
    size_t n = strlen(s);
    unsigned char head[8];
    for (size_t i = 0; i < 8; i++)
        head[i] = (unsigned char)((uint64_t)n >> (8 * i));
    for (size_t at = 0; at + 8 + n <= len; at++)
        if (bytes[at] == head[0] && memcmp(bytes + at, head, 8) == 0 && memcmp(bytes + at + 8, s, n) == 0)
            return at + 8;
    fprintf(stderr, "gguf_model: no %s in the file\n", s);
    exit(1);
}
