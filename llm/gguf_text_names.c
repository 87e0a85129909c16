/* gguf_text_names.c: the table between the tensor names of GGUF files and of published checkpoints. */
#include <stdio.h>
#include <string.h>

#include "tsr_gguf_name.h"
#include "tsr_gguf_text.h"

#define ALL TSR_GGUF_TEXT_ALL
#define BOTH (TSR_GGUF_TEXT_ALL | TSR_GGUF_TEXT_DRAFTER)
#define PLE TSR_GGUF_TEXT_PLE
#define MOE TSR_GGUF_TEXT_MOE
#define DRAFTER TSR_GGUF_TEXT_DRAFTER

#define ROW(use, role, gguf, hf) {gguf, hf, TSR_GGUF_TEXT_##role, use, false}
#define OPTIONAL(use, role, gguf, hf) {gguf, hf, TSR_GGUF_TEXT_##role, use, true}

#define TEXT "model.language_model."
#define LAYER TEXT "layers.#."

/* Norms are the plain factor on both sides, rows of q and k in the same order. */
static const tsr_gguf_text_tensor TENSORS[] = {
    ROW(BOTH, MATRIX, "token_embd.weight", TEXT "embed_tokens.weight"),
    ROW(BOTH, VECTOR, "output_norm.weight", TEXT "norm.weight"),
    OPTIONAL(ALL, MATRIX, "output.weight", "lm_head.weight"),
    ROW(BOTH, VECTOR, "rope_freqs.weight", NULL),
    ROW(PLE, MATRIX, "per_layer_token_embd.weight", TEXT "embed_tokens_per_layer.weight"),
    ROW(PLE, MATRIX, "per_layer_model_proj.weight", TEXT "per_layer_model_projection.weight"),
    ROW(PLE, VECTOR, "per_layer_proj_norm.weight", TEXT "per_layer_projection_norm.weight"),

    ROW(BOTH, VECTOR, "blk.#.attn_norm.weight", LAYER "input_layernorm.weight"),
    ROW(BOTH, MATRIX, "blk.#.attn_q.weight", LAYER "self_attn.q_proj.weight"),
    OPTIONAL(ALL, MATRIX, "blk.#.attn_k.weight", LAYER "self_attn.k_proj.weight"),
    OPTIONAL(ALL, MATRIX, "blk.#.attn_v.weight", LAYER "self_attn.v_proj.weight"),
    ROW(BOTH, MATRIX, "blk.#.attn_output.weight", LAYER "self_attn.o_proj.weight"),
    ROW(BOTH, VECTOR, "blk.#.attn_q_norm.weight", LAYER "self_attn.q_norm.weight"),
    OPTIONAL(ALL, VECTOR, "blk.#.attn_k_norm.weight", LAYER "self_attn.k_norm.weight"),
    ROW(BOTH, VECTOR, "blk.#.post_attention_norm.weight", LAYER "post_attention_layernorm.weight"),
    ROW(BOTH, VECTOR, "blk.#.ffn_norm.weight", LAYER "pre_feedforward_layernorm.weight"),
    ROW(BOTH, MATRIX, "blk.#.ffn_gate.weight", LAYER "mlp.gate_proj.weight"),
    ROW(BOTH, MATRIX, "blk.#.ffn_up.weight", LAYER "mlp.up_proj.weight"),
    ROW(BOTH, MATRIX, "blk.#.ffn_down.weight", LAYER "mlp.down_proj.weight"),
    ROW(BOTH, VECTOR, "blk.#.post_ffw_norm.weight", LAYER "post_feedforward_layernorm.weight"),
    ROW(BOTH, VECTOR, "blk.#.layer_output_scale.weight", LAYER "layer_scalar"),

    ROW(PLE, MATRIX, "blk.#.inp_gate.weight", LAYER "per_layer_input_gate.weight"),
    ROW(PLE, MATRIX, "blk.#.proj.weight", LAYER "per_layer_projection.weight"),
    ROW(PLE, VECTOR, "blk.#.post_norm.weight", LAYER "post_per_layer_input_norm.weight"),

    ROW(MOE, MATRIX, "blk.#.ffn_gate_inp.weight", LAYER "router.proj.weight"),
    ROW(MOE, VECTOR, "blk.#.ffn_gate_inp.scale", LAYER "router.scale"),
    ROW(MOE, VECTOR, "blk.#.ffn_down_exps.scale", LAYER "router.per_expert_scale"),
    OPTIONAL(MOE, STACK, "blk.#.ffn_gate_up_exps.weight", LAYER "experts.gate_up_proj"),
    OPTIONAL(MOE, STACK, "blk.#.ffn_gate_exps.weight", LAYER "experts.gate_proj"),
    OPTIONAL(MOE, STACK, "blk.#.ffn_up_exps.weight", LAYER "experts.up_proj"),
    ROW(MOE, STACK, "blk.#.ffn_down_exps.weight", LAYER "experts.down_proj"),
    ROW(MOE, VECTOR, "blk.#.pre_ffw_norm_2.weight", LAYER "pre_feedforward_layernorm_2.weight"),
    ROW(MOE, VECTOR, "blk.#.post_ffw_norm_1.weight", LAYER "post_feedforward_layernorm_1.weight"),
    ROW(MOE, VECTOR, "blk.#.post_ffw_norm_2.weight", LAYER "post_feedforward_layernorm_2.weight"),

    ROW(DRAFTER, MATRIX, "nextn.pre_projection.weight", "pre_projection.weight"),
    ROW(DRAFTER, MATRIX, "nextn.post_projection.weight", "post_projection.weight"),
    OPTIONAL(DRAFTER, MATRIX, "masked_embd_centroids.weight", "masked_embedding.centroids.weight"),
    OPTIONAL(DRAFTER, TABLE, "masked_embd_ordering", "masked_embedding.token_ordering"),
};

enum { N_TENSORS = sizeof TENSORS / sizeof *TENSORS };

const tsr_gguf_text_tensor *tsr_gguf_text_tensors(size_t *n)
{
    *n = N_TENSORS;
    return TENSORS;
}

/* The pattern without "language_model." is that of a checkpoint of text alone. */
static bool matches_hf(const char *pattern, const char *name, size_t *layer)
{
    static const char model[] = "model.", inner[] = "language_model.";
    if (tsr_gguf_name_match(pattern, name, layer))
        return true;
    if (strncmp(pattern, TEXT, strlen(TEXT)) != 0 || strncmp(name, model, strlen(model)) != 0 ||
        strncmp(name, TEXT, strlen(TEXT)) == 0)
        return false;
    return tsr_gguf_name_match(pattern + strlen(model) + strlen(inner), name + strlen(model), layer);
}

const tsr_gguf_text_tensor *tsr_gguf_text_find_hf(const char *name, size_t *layer)
{
    for (size_t i = 0; i < N_TENSORS; i++)
        if (TENSORS[i].hf && matches_hf(TENSORS[i].hf, name, layer))
            return &TENSORS[i];
    *layer = 0;
    return NULL;
}

const tsr_gguf_text_tensor *tsr_gguf_text_find_gguf(const char *name, size_t *layer)
{
    for (size_t i = 0; i < N_TENSORS; i++)
        if (tsr_gguf_name_match(TENSORS[i].gguf, name, layer))
            return &TENSORS[i];
    *layer = 0;
    return NULL;
}
