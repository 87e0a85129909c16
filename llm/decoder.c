/* decoder.c: the model's tensors. One table per layer says what there must be; nothing is copied but
 * norms and scalars, which are decoded to f32. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "decoder_internal.h"
#include "tsr_alloc.h"

enum { MAX_SPECS = 32, NAME_BYTES = 96 };

/* The table of one layer or of the model, filled row by row. */
typedef struct spec_table {
    tsr_weight_spec spec[MAX_SPECS];
    size_t n;
} spec_table;

static tsr_weight_spec *add(spec_table *t, const char *name, unsigned n_dims, size_t a, size_t b, size_t c)
{
    tsr_weight_spec *s = &t->spec[t->n++];
    *s = (tsr_weight_spec){.name = name, .n_dims = n_dims, .shape = {a, b, c}};
    return s;
}

static void add_vector(spec_table *t, const char *name, float **out, size_t n)
{
    add(t, name, 1, n, 0, 0)->f32 = out;
}

static void add_matrix(spec_table *t, const char *name, tsr_view *out, size_t rows, size_t cols)
{
    add(t, name, 2, rows, cols, 0)->view = out;
}

static void add_stack(spec_table *t, const char *name, tsr_view *out, size_t n, size_t rows, size_t cols)
{
    add(t, name, 3, n, rows, cols)->view = out;
}

static void list_attention(spec_table *t, const tsr_text_config *c, const tsr_layer_config *lc, tsri_layer *l)
{
    size_t q_rows = c->n_heads * lc->head_dim, kv_rows = lc->n_kv_heads * lc->head_dim;
    add_matrix(t, "self_attn.q_proj.weight", &l->q, q_rows, c->hidden);
    add_vector(t, "self_attn.q_norm.weight", &l->q_norm, lc->head_dim);
    add_matrix(t, "self_attn.o_proj.weight", &l->o, c->hidden, q_rows);
    if (!lc->has_kv)
        return;
    add_matrix(t, "self_attn.k_proj.weight", &l->k, kv_rows, c->hidden);
    add_vector(t, "self_attn.k_norm.weight", &l->k_norm, lc->head_dim);
    if (!lc->k_eq_v)
        add_matrix(t, "self_attn.v_proj.weight", &l->v, kv_rows, c->hidden);
}

/* Files hold an expert's gate and up rows in one tensor or in two. */
static bool experts_are_split(const tsr_weights *w, const char *layer_prefix)
{
    char fused[NAME_BYTES + 32], gate[NAME_BYTES + 32];
    snprintf(fused, sizeof fused, "%sexperts.gate_up_proj", layer_prefix);
    snprintf(gate, sizeof gate, "%sexperts.gate_proj", layer_prefix);
    return !tsr_weights_find(w, fused) && tsr_weights_find(w, gate);
}

static void list_experts(spec_table *t, const tsr_text_config *c, bool split, tsri_layer *l)
{
    add_matrix(t, "router.proj.weight", &l->router, c->n_experts, c->hidden);
    add_vector(t, "router.scale", &l->router_scale, c->hidden);
    add_vector(t, "router.per_expert_scale", &l->expert_scale, c->n_experts);
    if (split) {
        add_stack(t, "experts.gate_proj", &l->experts_gate, c->n_experts, c->expert_width, c->hidden);
        add_stack(t, "experts.up_proj", &l->experts_up, c->n_experts, c->expert_width, c->hidden);
    } else {
        add_stack(t, "experts.gate_up_proj", &l->experts_in, c->n_experts, 2 * c->expert_width, c->hidden);
    }
    add_stack(t, "experts.down_proj", &l->experts_out, c->n_experts, c->hidden, c->expert_width);
    add_vector(t, "post_feedforward_layernorm_1.weight", &l->post_ffn_norm_1, c->hidden);
    add_vector(t, "post_feedforward_layernorm_2.weight", &l->post_ffn_norm_2, c->hidden);
    add_vector(t, "pre_feedforward_layernorm_2.weight", &l->pre_ffn_norm_2, c->hidden);
}

static void list_ffn(spec_table *t, const tsr_text_config *c, const tsr_layer_config *lc, tsri_layer *l)
{
    add_matrix(t, "mlp.gate_proj.weight", &l->gate, lc->ffn_width, c->hidden);
    add_matrix(t, "mlp.up_proj.weight", &l->up, lc->ffn_width, c->hidden);
    add_matrix(t, "mlp.down_proj.weight", &l->down, c->hidden, lc->ffn_width);
}

static void list_layer(spec_table *t, const tsr_text_config *c, const tsr_layer_config *lc, tsri_layer *l)
{
    add_vector(t, "input_layernorm.weight", &l->input_norm, c->hidden);
    add_vector(t, "post_attention_layernorm.weight", &l->post_attn_norm, c->hidden);
    add_vector(t, "pre_feedforward_layernorm.weight", &l->pre_ffn_norm, c->hidden);
    add_vector(t, "post_feedforward_layernorm.weight", &l->post_ffn_norm, c->hidden);
    add_vector(t, "layer_scalar", &l->scalar, 1);
    list_attention(t, c, lc, l);
    list_ffn(t, c, lc, l);
    if (c->ple_dim == 0)
        return;
    add_matrix(t, "per_layer_input_gate.weight", &l->ple_gate, c->ple_dim, c->hidden);
    add_matrix(t, "per_layer_projection.weight", &l->ple_proj, c->hidden, c->ple_dim);
    add_vector(t, "post_per_layer_input_norm.weight", &l->post_ple_norm, c->hidden);
}

/* Files may carry K and V tensors for layers that read another layer's. */
static void ignore_shared(tsr_weights *w, const char *layer_prefix)
{
    static const char *const unused[] = {"k_proj.weight", "v_proj.weight", "k_norm.weight", "v_norm.weight"};
    char name[NAME_BYTES + 32];
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
        snprintf(name, sizeof name, "%sself_attn.%s", layer_prefix, unused[i]);
        tsr_weights_ignore(w, name, "");
    }
}

static tsr_status take_layers(tsr_decoder *d, tsr_weights *w, const char *prefix, tsr_error *err)
{
    const tsr_text_config *c = &d->config;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < c->n_layers && st == TSR_OK; i++) {
        spec_table t = {.n = 0};
        char layer_prefix[NAME_BYTES];
        snprintf(layer_prefix, sizeof layer_prefix, "%slayers.%zu.", prefix, i);
        list_layer(&t, c, &c->layers[i], &d->layers[i]);
        if (c->n_experts)
            list_experts(&t, c, experts_are_split(w, layer_prefix), &d->layers[i]);
        st = tsr_weights_take(w, layer_prefix, t.spec, t.n, err);
        if (st == TSR_OK && !c->layers[i].has_kv)
            ignore_shared(w, layer_prefix);
    }
    return st;
}

static tsr_status take_model(tsr_decoder *d, tsr_weights *w, const char *prefix, tsr_error *err)
{
    const tsr_text_config *c = &d->config;
    spec_table t = {.n = 0};
    add_matrix(&t, "embed_tokens.weight", &d->embed, c->vocab, c->hidden);
    add_vector(&t, "norm.weight", &d->norm, c->hidden);
    if (c->ple_dim) {
        size_t width = c->n_layers * c->ple_dim;
        add_matrix(&t, "embed_tokens_per_layer.weight", &d->ple_table, c->ple_vocab, width);
        add_matrix(&t, "per_layer_model_projection.weight", &d->ple_proj, width, c->hidden);
        add_vector(&t, "per_layer_projection_norm.weight", &d->ple_norm, c->ple_dim);
    }
    return tsr_weights_take(w, prefix, t.spec, t.n, err);
}

/* A separate output matrix is used wherever there is one: the reference ties it only when its values
 * equal the embedding's, and then both give the same bits. */
static tsr_status take_output(tsr_decoder *d, tsr_weights *w, tsr_error *err)
{
    spec_table t = {.n = 0};
    add_matrix(&t, "lm_head.weight", &d->output, d->config.vocab, d->config.hidden);
    t.spec[0].optional = d->config.tied;
    tsr_status st = tsr_weights_take(w, "", t.spec, t.n, err);
    if (st == TSR_OK && !d->output.data)
        d->output = d->embed;
    return st;
}

/* The published tables are BF16, and the reference rounds the factor to that. Any other type is a
 * conversion of them, or blocks: such a table stands for its values decoded to F32, and has that factor. */
static float root_in_type(size_t width, tsr_type type)
{
    float root = (float)sqrt((double)width);
    return type == TSR_BF16 ? tsr_bf16_to_f32(tsr_f32_to_bf16(root)) : root;
}

static tsr_status make_tables(tsr_decoder *d, tsr_error *err)
{
    const tsr_text_config *c = &d->config;
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        if (c->head_dim[t] == 0)
            continue;
        tsr_status st = tsr_alloc_array(&d->inv_freq[t], c->rope[t].n_rotated, sizeof(float), "frequencies", err);
        if (st != TSR_OK)
            return st;
        tsri_rope_frequencies(d->inv_freq[t], &c->rope[t], c->head_dim[t]);
    }
    d->embed_scale = root_in_type(c->hidden, d->embed.type);
    d->ple_scale = root_in_type(c->ple_dim, d->ple_table.type);
    for (size_t i = 0; i < c->n_layers; i++)
        if (c->layers[i].has_kv)
            d->last_kv_layer = i;
    return TSR_OK;
}

static tsr_status take_all(tsr_decoder *d, tsr_weights *w, tsr_error *err)
{
    const char *prefix = "model.language_model.";
    tsr_status st;
    if (!tsr_weights_has_prefix(w, prefix))
        prefix = "model."; /* text-only checkpoints */
    if ((st = take_model(d, w, prefix, err)) != TSR_OK || (st = take_output(d, w, err)) != TSR_OK ||
        (st = take_layers(d, w, prefix, err)) != TSR_OK)
        return st;
    return make_tables(d, err);
}

tsr_status tsr_decoder_open(tsr_decoder **out, tsr_weights *w, const tsr_text_config *config, tsr_error *err)
{
    tsr_status st;
    *out = NULL;
    tsr_decoder *d = tsr_calloc(1, sizeof *d);
    if (!d)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: decoder");
    if ((st = tsr_text_config_copy(&d->config, config, err)) != TSR_OK)
        goto done;
    d->layers = tsr_calloc(config->n_layers, sizeof *d->layers);
    if (!d->layers) {
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu layers", config->n_layers);
        goto done;
    }
    if ((st = take_all(d, w, err)) != TSR_OK)
        goto done;
    *out = d;
    d = NULL; /* handed over */
done:
    tsr_decoder_close(d);
    return st;
}

static void free_layer(tsri_layer *l)
{
    float *const owned[] = {l->input_norm,      l->post_attn_norm,  l->pre_ffn_norm,   l->post_ffn_norm,
                            l->q_norm,          l->k_norm,          l->post_ple_norm,  l->post_ffn_norm_1,
                            l->post_ffn_norm_2, l->pre_ffn_norm_2,  l->router_scale,   l->expert_scale,
                            l->scalar};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        tsr_free(owned[i]);
}

void tsr_decoder_close(tsr_decoder *d)
{
    if (!d)
        return;
    for (size_t i = 0; d->layers && i < d->config.n_layers; i++)
        free_layer(&d->layers[i]);
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++)
        tsr_free(d->inv_freq[t]);
    tsr_free(d->layers);
    tsr_free(d->norm);
    tsr_free(d->ple_norm);
    tsr_text_config_deinit(&d->config);
    tsr_free(d);
}

const tsr_text_config *tsr_decoder_config(const tsr_decoder *d)
{
    return &d->config;
}
