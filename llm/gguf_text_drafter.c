/* gguf_text_drafter.c: a drafter's file (architecture gemma4-assistant), checked. All of its layers read
 * the keys and values of the model that it guesses for, so it has queries alone. */
#include <stdio.h>
#include <string.h>

#include "gguf_text_internal.h"

enum { MAX_SPECS = 16, NAME_BYTES = 96 };

typedef struct spec_table {
    tsr_weight_spec spec[MAX_SPECS];
    tsr_view view[MAX_SPECS]; /* looked at by nobody: shapes and types are what is asked for */
    size_t n;
} spec_table;

static void want(spec_table *t, const char *name, unsigned n_dims, size_t a, size_t b)
{
    t->spec[t->n] = (tsr_weight_spec){.name = name, .view = &t->view[t->n], .n_dims = n_dims, .shape = {a, b}};
    t->n++;
}

static tsr_status check_layer(const tsri_gguf_facts *f, tsr_weights *w, size_t layer, tsr_error *err)
{
    char prefix[NAME_BYTES];
    spec_table t = {.n = 0};
    size_t dim = f->head_dim[f->sliding[layer] ? TSR_LAYER_SLIDING : TSR_LAYER_FULL], q_rows = f->n_heads * dim;
    want(&t, "input_layernorm.weight", 1, f->hidden, 0);
    want(&t, "self_attn.q_proj.weight", 2, q_rows, f->hidden);
    want(&t, "self_attn.q_norm.weight", 1, dim, 0);
    want(&t, "self_attn.o_proj.weight", 2, f->hidden, q_rows);
    want(&t, "post_attention_layernorm.weight", 1, f->hidden, 0);
    want(&t, "pre_feedforward_layernorm.weight", 1, f->hidden, 0);
    want(&t, "mlp.gate_proj.weight", 2, f->ffn_width, f->hidden);
    want(&t, "mlp.up_proj.weight", 2, f->ffn_width, f->hidden);
    want(&t, "mlp.down_proj.weight", 2, f->hidden, f->ffn_width);
    want(&t, "post_feedforward_layernorm.weight", 1, f->hidden, 0);
    want(&t, "layer_scalar", 1, 1, 0);
    snprintf(prefix, sizeof prefix, "model.language_model.layers.%zu.", layer);
    return tsr_weights_take(w, prefix, t.spec, t.n, err);
}

/* The list of tokens by cluster is of integers, which tsr_weights_take refuses. */
static tsr_status check_ordering(const tsri_gguf_facts *f, tsr_weights *w, tsr_error *err)
{
    const char *name = "masked_embedding.token_ordering";
    const tsr_view *v = tsr_weights_find(w, name);
    if (v && ((v->type != TSR_I32 && v->type != TSR_I64) || v->n_elems != f->vocab))
        return tsr_fail(err, TSR_ERR_MODEL,
                        "%s: tensor masked_embd_ordering: %zu elements of type %s; expected %zu of I32 or I64",
                        tsr_gguf_path(f->g), v->n_elems, tsr_type_info(v->type)->name, f->vocab);
    tsr_weights_ignore(w, name, "");
    return TSR_OK;
}

static tsr_status check_model(const tsri_gguf_facts *f, tsr_weights *w, tsr_error *err)
{
    spec_table t = {.n = 0};
    want(&t, "model.language_model.embed_tokens.weight", 2, f->vocab, f->hidden);
    want(&t, "model.language_model.norm.weight", 1, f->hidden, 0);
    want(&t, "pre_projection.weight", 2, f->hidden, 2 * (size_t)f->backbone);
    want(&t, "post_projection.weight", 2, f->backbone, f->hidden);
    want(&t, "masked_embedding.centroids.weight", 2, 0, f->hidden);
    t.spec[t.n - 1].optional = true;
    tsr_status st = tsr_weights_take(w, "", t.spec, t.n, err);
    if (st == TSR_OK)
        st = check_ordering(f, w, err);
    for (size_t i = 0; i < f->n_layers && st == TSR_OK; i++)
        st = check_layer(f, w, i, err);
    return st == TSR_OK ? tsr_weights_check_unclaimed(w, err) : st;
}

static tsr_status check_predicted(const tsri_gguf_facts *f, tsr_error *err)
{
    const char *key = "gemma4-assistant.nextn_predict_layers";
    uint32_t n = 0;
    tsr_status st = tsr_gguf_get_u32(f->g, key, TSR_GGUF_REQUIRED, &n, err);
    if (st == TSR_OK && n != f->n_layers)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is %u; expected %u, all of its layers", tsr_gguf_path(f->g),
                        key, (unsigned)n, (unsigned)f->n_layers);
    return st;
}

tsr_status tsri_gguf_drafter_check(const tsr_gguf *g, tsr_error *err)
{
    tsri_gguf_facts f;
    tsr_weights *w = NULL;
    tsr_status st = tsri_gguf_facts_read(&f, g, true, err);
    if (st == TSR_OK)
        st = check_predicted(&f, err);
    if (st == TSR_OK)
        st = tsr_weights_new(&w, tsr_gguf_path(g), err);
    if (st == TSR_OK)
        st = tsr_gguf_text_weights(w, g, err);
    if (st == TSR_OK)
        st = check_model(&f, w, err);
    tsr_weights_close(w);
    tsri_gguf_facts_deinit(&f);
    return st;
}
