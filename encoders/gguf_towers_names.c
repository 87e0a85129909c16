/* gguf_towers_names.c: the table between the names of mmproj files and those of published checkpoints.
 *
 * The file's names are those of llama.cpp's converter. Two of them mislead: conv_norm is the norm before the
 * light convolution and norm_conv the one inside it; a.pre_encode.out is the output projection. */
#include "tsr_gguf_name.h"
#include "tsr_gguf_towers.h"

#define V TSR_GGUF_GEMMA4V
#define UV TSR_GGUF_GEMMA4UV
#define A TSR_GGUF_GEMMA4A
#define UA TSR_GGUF_GEMMA4UA

/* A tensor that is the same on both sides. */
#define SAME(towers, gguf, hf) {gguf, hf, NULL, towers, TSR_GGUF_AS_IS, false}
#define OPTIONAL(towers, gguf, hf) {gguf, hf, NULL, towers, TSR_GGUF_AS_IS, true}
#define TURNED(towers, turn, gguf, hf) {gguf, hf, NULL, towers, turn, false}
#define LIMIT(towers, gguf, hf) {gguf, hf, NULL, towers, TSR_GGUF_TURN_SCALAR, true}
/* A linear layer and, next to it, its clip limits. */
#define LINEAR(towers, gguf, hf)                                                                            \
    SAME(towers, gguf ".weight", hf ".linear.weight"), LIMIT(towers, gguf ".input_min", hf ".input_min"),    \
        LIMIT(towers, gguf ".input_max", hf ".input_max"), LIMIT(towers, gguf ".output_min", hf ".output_min"), \
        LIMIT(towers, gguf ".output_max", hf ".output_max")

#define VISION "model.vision_tower."
#define VISION_LAYER VISION "encoder.layers.#."
#define SOUND "model.audio_tower."
#define SOUND_LAYER SOUND "layers.#."
#define SUBSAMPLE SOUND "subsample_conv_projection."
/* The encoder-free kind has two names. */
#define UNIFIED(turn, gguf, name) \
    {gguf, "model.vision_embedder." name, "model.embed_vision." name, UV, turn, false}

static const tsr_gguf_tower_tensor TENSORS[] = {
    TURNED(V, TSR_GGUF_TURN_PATCH, "v.patch_embd.weight", VISION "patch_embedder.input_proj.weight"),
    SAME(V, "v.position_embd.weight", VISION "patch_embedder.position_embedding_table"),
    OPTIONAL(V, "v.std_bias", VISION "std_bias"),
    OPTIONAL(V, "v.std_scale", VISION "std_scale"),
    SAME(V, "v.blk.#.ln1.weight", VISION_LAYER "input_layernorm.weight"),
    LINEAR(V, "v.blk.#.attn_q", VISION_LAYER "self_attn.q_proj"),
    LINEAR(V, "v.blk.#.attn_k", VISION_LAYER "self_attn.k_proj"),
    LINEAR(V, "v.blk.#.attn_v", VISION_LAYER "self_attn.v_proj"),
    LINEAR(V, "v.blk.#.attn_out", VISION_LAYER "self_attn.o_proj"),
    SAME(V, "v.blk.#.attn_q_norm.weight", VISION_LAYER "self_attn.q_norm.weight"),
    SAME(V, "v.blk.#.attn_k_norm.weight", VISION_LAYER "self_attn.k_norm.weight"),
    SAME(V, "v.blk.#.attn_post_norm.weight", VISION_LAYER "post_attention_layernorm.weight"),
    SAME(V, "v.blk.#.ln2.weight", VISION_LAYER "pre_feedforward_layernorm.weight"),
    LINEAR(V, "v.blk.#.ffn_gate", VISION_LAYER "mlp.gate_proj"),
    LINEAR(V, "v.blk.#.ffn_up", VISION_LAYER "mlp.up_proj"),
    LINEAR(V, "v.blk.#.ffn_down", VISION_LAYER "mlp.down_proj"),
    SAME(V, "v.blk.#.ffn_post_norm.weight", VISION_LAYER "post_feedforward_layernorm.weight"),

    UNIFIED(TSR_GGUF_TURN_PATCH, "v.patch_norm.1.weight", "patch_ln1.weight"),
    UNIFIED(TSR_GGUF_TURN_PATCH, "v.patch_norm.1.bias", "patch_ln1.bias"),
    UNIFIED(TSR_GGUF_TURN_PATCH, "v.patch_embd.weight", "patch_dense.weight"),
    UNIFIED(TSR_GGUF_AS_IS, "v.patch_embd.bias", "patch_dense.bias"),
    UNIFIED(TSR_GGUF_AS_IS, "v.patch_norm.2.weight", "patch_ln2.weight"),
    UNIFIED(TSR_GGUF_AS_IS, "v.patch_norm.2.bias", "patch_ln2.bias"),
    UNIFIED(TSR_GGUF_TURN_POSITIONS, "v.position_embd.weight", "pos_embedding"),
    UNIFIED(TSR_GGUF_AS_IS, "v.patch_norm.3.weight", "pos_norm.weight"),
    UNIFIED(TSR_GGUF_AS_IS, "v.patch_norm.3.bias", "pos_norm.bias"),
    {"mm.input_projection.weight", "model.embed_vision.embedding_projection.weight",
     "model.embed_vision.multimodal_embedder.embedding_projection.weight", V | UV, TSR_GGUF_AS_IS, false},

    SAME(A, "a.conv1d.0.weight", SUBSAMPLE "layer0.conv.weight"),
    SAME(A, "a.conv1d.0.norm.weight", SUBSAMPLE "layer0.norm.weight"),
    SAME(A, "a.conv1d.1.weight", SUBSAMPLE "layer1.conv.weight"),
    SAME(A, "a.conv1d.1.norm.weight", SUBSAMPLE "layer1.norm.weight"),
    SAME(A, "a.input_projection.weight", SUBSAMPLE "input_proj_linear.weight"),
    SAME(A, "a.blk.#.ffn_norm.weight", SOUND_LAYER "feed_forward1.pre_layer_norm.weight"),
    LINEAR(A, "a.blk.#.ffn_up", SOUND_LAYER "feed_forward1.ffw_layer_1"),
    LINEAR(A, "a.blk.#.ffn_down", SOUND_LAYER "feed_forward1.ffw_layer_2"),
    SAME(A, "a.blk.#.ffn_post_norm.weight", SOUND_LAYER "feed_forward1.post_layer_norm.weight"),
    SAME(A, "a.blk.#.attn_pre_norm.weight", SOUND_LAYER "norm_pre_attn.weight"),
    LINEAR(A, "a.blk.#.attn_q", SOUND_LAYER "self_attn.q_proj"),
    LINEAR(A, "a.blk.#.attn_k", SOUND_LAYER "self_attn.k_proj"),
    LINEAR(A, "a.blk.#.attn_v", SOUND_LAYER "self_attn.v_proj"),
    SAME(A, "a.blk.#.attn_k_rel.weight", SOUND_LAYER "self_attn.relative_k_proj.weight"),
    SAME(A, "a.blk.#.per_dim_scale.weight", SOUND_LAYER "self_attn.per_dim_softplus"), /* first, so that it is read */
    TURNED(A, TSR_GGUF_TURN_SOFTPLUS, "a.blk.#.per_dim_scale.weight", SOUND_LAYER "self_attn.per_dim_scale"),
    LINEAR(A, "a.blk.#.attn_out", SOUND_LAYER "self_attn.post"),
    SAME(A, "a.blk.#.attn_post_norm.weight", SOUND_LAYER "norm_post_attn.weight"),
    SAME(A, "a.blk.#.conv_norm.weight", SOUND_LAYER "lconv1d.pre_layer_norm.weight"),
    LINEAR(A, "a.blk.#.conv_pw1", SOUND_LAYER "lconv1d.linear_start"),
    TURNED(A, TSR_GGUF_TURN_DEPTHWISE, "a.blk.#.conv_dw.weight", SOUND_LAYER "lconv1d.depthwise_conv1d.weight"),
    SAME(A, "a.blk.#.norm_conv.weight", SOUND_LAYER "lconv1d.conv_norm.weight"),
    LINEAR(A, "a.blk.#.conv_pw2", SOUND_LAYER "lconv1d.linear_end"),
    SAME(A, "a.blk.#.ffn_norm_1.weight", SOUND_LAYER "feed_forward2.pre_layer_norm.weight"),
    LINEAR(A, "a.blk.#.ffn_up_1", SOUND_LAYER "feed_forward2.ffw_layer_1"),
    LINEAR(A, "a.blk.#.ffn_down_1", SOUND_LAYER "feed_forward2.ffw_layer_2"),
    SAME(A, "a.blk.#.ffn_post_norm_1.weight", SOUND_LAYER "feed_forward2.post_layer_norm.weight"),
    SAME(A, "a.blk.#.ln2.weight", SOUND_LAYER "norm_out.weight"),
    SAME(A, "a.pre_encode.out.weight", SOUND "output_proj.weight"),
    SAME(A, "a.pre_encode.out.bias", SOUND "output_proj.bias"),
    SAME(A | UA, "mm.a.input_projection.weight", "model.embed_audio.embedding_projection.weight"),
};

enum { N_TENSORS = sizeof TENSORS / sizeof *TENSORS };

const tsr_gguf_tower_tensor *tsr_gguf_tower_tensors(size_t *n)
{
    *n = N_TENSORS;
    return TENSORS;
}

const char *tsr_gguf_tower_name(tsr_gguf_tower tower)
{
    switch (tower) {
    case TSR_GGUF_GEMMA4V: return "gemma4v";
    case TSR_GGUF_GEMMA4UV: return "gemma4uv";
    case TSR_GGUF_GEMMA4A: return "gemma4a";
    case TSR_GGUF_GEMMA4UA: break;
    }
    return "gemma4ua";
}

const tsr_gguf_tower_tensor *tsr_gguf_tower_find_hf(const char *name, size_t *layer)
{
    for (size_t i = 0; i < N_TENSORS; i++) {
        const tsr_gguf_tower_tensor *t = &TENSORS[i];
        if (tsr_gguf_name_match(t->hf, name, layer) || (t->hf_also && tsr_gguf_name_match(t->hf_also, name, layer)))
            return t;
    }
    *layer = 0;
    return NULL;
}

const tsr_gguf_tower_tensor *tsr_gguf_tower_find_gguf(unsigned towers, const char *name, size_t *layer)
{
    for (size_t i = 0; i < N_TENSORS; i++)
        if ((TENSORS[i].towers & towers) && tsr_gguf_name_match(TENSORS[i].gguf, name, layer))
            return &TENSORS[i];
    *layer = 0;
    return NULL;
}
