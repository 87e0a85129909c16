/* gguf_text_out.c: configuration, tokenizer and names of a text model as a GGUF file has them. */
#include "tsr_gguf_text_out.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_text.h"

enum { NAME_BYTES = 96, KEY_BYTES = 64 };

/* A frequency divided by this turns its pair by nothing that F32 can tell, at any position. */
static const float STILL = 1e30f;

/* ---- keys ---- */

static const char *key_of(char buf[KEY_BYTES], const char *name)
{
    snprintf(buf, KEY_BYTES, "gemma4.%s", name);
    return buf;
}

/* The configuration's own limits keep all numbers below 2^31. */
static void put_size(tsr_gguf_writer *w, const char *name, size_t v)
{
    char key[KEY_BYTES];
    tsr_gguf_put_u32(w, key_of(key, name), (uint32_t)v);
}

static void put_real(tsr_gguf_writer *w, const char *name, double v)
{
    char key[KEY_BYTES];
    tsr_gguf_put_f32(w, key_of(key, name), (float)v);
}

static size_t ffn_width(const tsr_layer_config *l)
{
    return l->ffn_width;
}

static size_t kv_heads(const tsr_layer_config *l)
{
    return l->n_kv_heads;
}

/* One number where all layers agree, else one for each. */
static void put_per_layer(tsr_gguf_writer *w, const char *name, const tsr_text_config *c,
                          size_t (*of)(const tsr_layer_config *l))
{
    int32_t values[TSR_TEXT_MAX_LAYERS];
    char key[KEY_BYTES];
    bool same = true;
    for (size_t i = 0; i < c->n_layers; i++) {
        values[i] = (int32_t)of(&c->layers[i]);
        same = same && values[i] == values[0];
    }
    if (same)
        put_size(w, name, (size_t)values[0]);
    else
        tsr_gguf_put_array(w, key_of(key, name), TSR_GGUF_I32, values, c->n_layers);
}

static void put_pattern(tsr_gguf_writer *w, const tsr_text_config *c)
{
    bool is_sliding[TSR_TEXT_MAX_LAYERS];
    char key[KEY_BYTES];
    for (size_t i = 0; i < c->n_layers; i++)
        is_sliding[i] = c->layers[i].type == TSR_LAYER_SLIDING;
    tsr_gguf_put_array(w, key_of(key, "attention.sliding_window_pattern"), TSR_GGUF_BOOL, is_sliding, c->n_layers);
}

/* Readers ask for the sliding layers' numbers also where there are no such layers. */
static void put_heads(tsr_gguf_writer *w, const tsr_text_config *c)
{
    size_t full = c->head_dim[TSR_LAYER_FULL], sliding = c->head_dim[TSR_LAYER_SLIDING];
    sliding = sliding ? sliding : full;
    put_size(w, "attention.key_length", full);
    put_size(w, "attention.value_length", full);
    put_size(w, "attention.key_length_swa", sliding);
    put_size(w, "attention.value_length_swa", sliding);
    put_real(w, "rope.freq_base", c->rope[TSR_LAYER_FULL].theta);
    if (c->head_dim[TSR_LAYER_SLIDING])
        put_real(w, "rope.freq_base_swa", c->rope[TSR_LAYER_SLIDING].theta);
    put_size(w, "rope.dimension_count", full);
    put_size(w, "rope.dimension_count_swa", sliding);
}

void tsr_gguf_text_put_config(tsr_gguf_writer *w, const tsr_text_config *c)
{
    put_size(w, "block_count", c->n_layers);
    put_size(w, "context_length", c->max_positions);
    put_size(w, "embedding_length", c->hidden);
    put_per_layer(w, "feed_forward_length", c, ffn_width);
    put_size(w, "attention.head_count", c->n_heads);
    put_per_layer(w, "attention.head_count_kv", c, kv_heads);
    put_real(w, "attention.layer_norm_rms_epsilon", (double)c->eps);
    if (c->soft_cap > 0.0f)
        put_real(w, "final_logit_softcapping", (double)c->soft_cap);
    put_size(w, "attention.sliding_window", c->window);
    put_pattern(w, c);
    put_size(w, "attention.shared_kv_layers", c->n_shared);
    put_size(w, "embedding_length_per_layer_input", c->ple_dim);
    put_heads(w, c);
    if (c->n_experts == 0)
        return;
    put_size(w, "expert_count", c->n_experts);
    put_size(w, "expert_used_count", c->top_k);
    put_size(w, "expert_feed_forward_length", c->expert_width);
}

void tsr_gguf_text_put_tokenizer(tsr_gguf_writer *w, const tsr_tokenizer_export *e, const int32_t *suppress,
                                 size_t n_suppress)
{
    tsr_tokenizer_export_put(e, w);
    if (n_suppress)
        tsr_gguf_put_array(w, "tokenizer.ggml.suppress_tokens", TSR_GGUF_I32, suppress, n_suppress);
}

/* ---- tensors ---- */

/* Only full layers have factors; their leading frequencies turn. */
static tsr_status add_factors(tsr_weights *out, const tsr_text_config *c, tsr_error *err)
{
    size_t n = c->head_dim[TSR_LAYER_FULL] / 2;
    float *factors;
    tsr_view v;
    tsr_status st = tsr_alloc_array(&factors, n, sizeof *factors, "frequency factors", err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        factors[i] = i < c->rope[TSR_LAYER_FULL].n_rotated ? 1.0f : STILL;
    st = tsr_view_make(&v, TSR_F32, 1, &n, factors, n * sizeof *factors, "frequency factors", err);
    if (st == TSR_OK)
        return tsr_weights_add_owned(out, "rope_freqs.weight", &v, factors, err);
    tsr_free(factors);
    return st;
}

static bool is_embedding_again(const tsr_weights *from, const tsr_view *head)
{
    const tsr_view *e = tsr_weights_find(from, "model.language_model.embed_tokens.weight");
    if (!e)
        e = tsr_weights_find(from, "model.embed_tokens.weight");
    return e && e->type == head->type && e->n_bytes == head->n_bytes &&
           (e->data == head->data || memcmp(e->data, head->data, e->n_bytes) == 0);
}

tsr_status tsr_gguf_text_rename(tsr_weights *out, const tsr_weights *from, const tsr_text_config *c, tsr_error *err)
{
    tsr_status st = add_factors(out, c, err);
    for (size_t i = 0; i < tsr_weights_count(from) && st == TSR_OK; i++) {
        char name[NAME_BYTES];
        size_t layer;
        const tsr_view *v = tsr_weights_view(from, i);
        const tsr_gguf_text_tensor *row = tsr_gguf_text_find_hf(tsr_weights_name(from, i), &layer);
        if (!row || (strcmp(row->gguf, "output.weight") == 0 && is_embedding_again(from, v)))
            continue;
        tsr_gguf_name_print(name, sizeof name, row->gguf, layer); /* patterns are short */
        st = tsr_weights_add(out, name, v, err);
    }
    return st;
}

/* ---- reading back ---- */

static bool same_layers(const tsr_text_config *a, const tsr_text_config *b)
{
    for (size_t i = 0; i < a->n_layers; i++) {
        const tsr_layer_config *x = &a->layers[i], *y = &b->layers[i];
        if (x->type != y->type || x->head_dim != y->head_dim || x->n_kv_heads != y->n_kv_heads ||
            x->ffn_width != y->ffn_width || x->kv_source != y->kv_source || x->has_kv != y->has_kv ||
            x->k_eq_v != y->k_eq_v)
            return false;
    }
    return true;
}

static bool same_rope(const tsr_text_config *a, const tsr_text_config *b)
{
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        const tsr_rope_config *x = &a->rope[t], *y = &b->rope[t];
        if (a->head_dim[t] != b->head_dim[t])
            return false;
        if (a->head_dim[t] && ((float)x->theta != (float)y->theta || x->n_rotated != y->n_rotated || x->factor != y->factor))
            return false;
    }
    return true;
}

tsr_status tsr_gguf_text_compare(const tsr_text_config *a, const tsr_text_config *b, const char *file, tsr_error *err)
{
    const struct {
        bool same;
        const char *key;
    } facts[] = {
        {a->n_layers == b->n_layers, "num_hidden_layers"},
        {a->n_layers == b->n_layers && same_layers(a, b), "the configuration of the layers"},
        {a->hidden == b->hidden, "hidden_size"},
        {a->n_heads == b->n_heads, "num_attention_heads"},
        {a->vocab == b->vocab, "vocab_size"},
        {a->window == b->window, "sliding_window"},
        {a->max_positions == b->max_positions, "max_position_embeddings"},
        {a->n_shared == b->n_shared, "num_kv_shared_layers"},
        {a->ple_dim == b->ple_dim, "hidden_size_per_layer_input"},
        {a->ple_vocab == b->ple_vocab, "vocab_size_per_layer_input"},
        {a->ple_dim == 0 || a->pad_id == b->pad_id, "pad_token_id"},
        {a->n_experts == b->n_experts && a->top_k == b->top_k, "num_experts, top_k_experts"},
        {a->n_experts == 0 || a->expert_width == b->expert_width, "moe_intermediate_size"},
        {a->eps == b->eps, "rms_norm_eps"},
        {a->soft_cap == b->soft_cap, "final_logit_softcapping"},
        {a->bidirectional_vision == b->bidirectional_vision, "use_bidirectional_attention"},
        {same_rope(a, b), "rope_parameters"},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (!facts[i].same)
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: a GGUF file cannot say this model's %s", file, facts[i].key);
    return TSR_OK;
}
