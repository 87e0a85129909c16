/* tsr_text_config.h: the text model's configuration, read from config.json.
 *
 * Both forms are understood: as published (flat keys: global_head_dim, num_global_key_value_heads)
 * and as newer transformers saves it (per_layer_config: overrides keyed by layer). What comes out is
 * resolved per layer and range-checked, so that products of its numbers fit into size_t; the decoder
 * compares it with the tensors' shapes. Absent keys take the reference's defaults. */
#ifndef TSR_TEXT_CONFIG_H
#define TSR_TEXT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which family member it is follows from structure, never from size or name. */
typedef enum tsr_variant {
    TSR_VARIANT_E,   /* E2B or E4B (they differ by numbers only): per-layer embeddings */
    TSR_VARIANT_26B, /* routed experts */
    TSR_VARIANT_12B, /* gemma4_unified: no towers */
    TSR_VARIANT_31B  /* dense, none of the above */
} tsr_variant;

/* "E2B/E4B", "26B-A4B", "12B Unified", "31B". */
const char *tsr_variant_name(tsr_variant v);

typedef enum tsr_layer_type { TSR_LAYER_SLIDING, TSR_LAYER_FULL, TSR_N_LAYER_TYPES } tsr_layer_type;

enum {
    TSR_TEXT_MAX_LAYERS = 4096,
    TSR_TEXT_MAX_HIDDEN = 1 << 20,
    TSR_TEXT_MAX_HEADS = 1 << 14,
    TSR_TEXT_MAX_HEAD_DIM = 2048,
    TSR_TEXT_MAX_FFN = 1 << 24,
    TSR_TEXT_MAX_EXPERTS = 1 << 16,
    TSR_TEXT_MAX_PLE_DIM = 16384,
    TSR_TEXT_MAX_POSITIONS = 1 << 30
};

typedef struct tsr_layer_config {
    tsr_layer_type type;
    size_t head_dim;   /* even */
    size_t n_kv_heads; /* divides n_heads */
    size_t ffn_width;
    size_t kv_source; /* the layer whose K and V it reads; its own index where has_kv */
    bool has_kv;      /* computes and caches its own K and V */
    bool k_eq_v;      /* has no v_proj: V comes from the raw K projection */
} tsr_layer_config;

typedef struct tsr_rope_config {
    double theta;
    size_t n_rotated; /* leading frequencies that turn; the others (up to head_dim / 2) stand still */
    double factor;    /* divides every frequency */
} tsr_rope_config;

typedef struct tsr_text_config {
    size_t n_layers, hidden, n_heads, vocab;
    size_t window;        /* keys a sliding layer sees, the query's own included */
    size_t max_positions; /* as the file says; not enforced here */
    size_t n_shared;      /* layers at the end that read another layer's K and V */
    size_t ple_dim;       /* width of the per-layer embeddings; 0: none */
    size_t ple_vocab;
    size_t n_experts, top_k, expert_width; /* n_experts 0: no routed experts */
    int32_t pad_id;                        /* stands in for soft tokens in the per-layer table */
    float eps;
    float soft_cap; /* 0: none */
    bool tied;      /* the output may be the embedding table */
    tsr_variant variant;
    bool empty_thought;        /* thinking off puts an empty thought before the answer */
    bool bidirectional_vision; /* vision soft tokens see their whole block in sliding layers */
    tsr_rope_config rope[TSR_N_LAYER_TYPES]; /* theta 0 where no layer has the type */
    size_t head_dim[TSR_N_LAYER_TYPES];      /* one per type; 0 where no layer has it */
    tsr_layer_config *layers;                /* [n_layers], owned */
} tsr_text_config;

/* Read a whole config.json (with text_config inside, or a text-only one). `file` is named in errors,
 * which have the form "FILE: KEY is VALUE; expected ...". TSR_ERR_MODEL for what is wrong,
 * TSR_ERR_UNSUPPORTED for what is valid but not done here. On failure *out is all zero. */
tsr_status tsr_text_config_parse(tsr_text_config *out, const tsr_json *root, const char *file, tsr_error *err);

tsr_status tsr_text_config_copy(tsr_text_config *out, const tsr_text_config *from, tsr_error *err);
void tsr_text_config_deinit(tsr_text_config *c); /* NULL and an all-zero one are fine */

#ifdef __cplusplus
}
#endif
#endif
