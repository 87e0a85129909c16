/* tsr_gguf_text.h: the text model of a GGUF file (architecture "gemma4"): its keys as a config.json, its
 * tensors under the names of published checkpoints. The same table serves who writes such a file.
 *
 * Keys and names are those that llama.cpp's converter writes. What the file leaves out follows from
 * structure: without per-layer embeddings vision is bidirectional, full layers without attn_v take V from
 * K. A text file doesn't tell the 12B from the 31B, and nothing here depends on it; the mmproj does.
 *
 * An error names the file and the key or tensor as the file calls it. */
#ifndef TSR_GGUF_TEXT_H
#define TSR_GGUF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading ---- */

/* What general.architecture says a file is. */
typedef enum tsr_gguf_kind {
    TSR_GGUF_KIND_OTHER,  /* some other model, or no architecture at all */
    TSR_GGUF_KIND_TEXT,   /* "gemma4" */
    TSR_GGUF_KIND_MMPROJ, /* "clip": the vision and sound parts that stand beside a text model */
    TSR_GGUF_KIND_DRAFTER /* "gemma4-assistant" and other names for it: guesses tokens for a larger model */
} tsr_gguf_kind;

tsr_gguf_kind tsr_gguf_text_kind(const tsr_gguf *g);

/* The config.json that the file's keys amount to, for tsr_text_config_parse: {"model_type": "gemma4",
 * "text_config": {...}, ...}; the caller's. All that this one would refuse is refused here, by the file's
 * own key. Any other architecture is TSR_ERR_UNSUPPORTED, named; a drafter is checked (keys and tensors:
 * TSR_ERR_MODEL) and then refused as one. rope_freqs must be ones, then 1e30: the share of ones is the
 * rotated share. On failure *out is NULL. */
tsr_status tsr_gguf_text_config(tsr_json **out, const tsr_gguf *g, tsr_error *err);

/* Add all tensors to w under Hugging Face names; g must outlive w. Messages about them then speak the
 * file's words. Split experts keep the names experts.gate_proj and experts.up_proj, which the decoder
 * takes instead of experts.gate_up_proj. What is known and not used is left out; what is unknown is
 * added under its own name, so that tsr_weights_check_unclaimed names it. */
tsr_status tsr_gguf_text_weights(tsr_weights *w, const tsr_gguf *g, tsr_error *err);

/* ---- the table of names ---- */

typedef enum tsr_gguf_text_role {
    TSR_GGUF_TEXT_MATRIX, /* may be of any float type */
    TSR_GGUF_TEXT_STACK,  /* one matrix for each expert */
    TSR_GGUF_TEXT_VECTOR, /* norms and scales: F32 where written, F16 and BF16 read as well */
    TSR_GGUF_TEXT_TABLE   /* of integers */
} tsr_gguf_text_role;

/* In which files it stands. */
typedef enum tsr_gguf_text_use {
    TSR_GGUF_TEXT_ALL = 1,     /* models */
    TSR_GGUF_TEXT_PLE = 2,     /* models with per-layer embeddings */
    TSR_GGUF_TEXT_MOE = 4,     /* models with experts */
    TSR_GGUF_TEXT_DRAFTER = 8  /* drafters; together with another bit: these as well */
} tsr_gguf_text_use;

/* One tensor, or one of each layer: then '#' in both names stands for the layer's number
 * (tsr_gguf_name.h). */
typedef struct tsr_gguf_text_tensor {
    const char *gguf;
    const char *hf; /* of a model with towers, "model.language_model."; NULL where it isn't a tensor there */
    tsr_gguf_text_role role;
    unsigned use;  /* bits of tsr_gguf_text_use */
    bool optional; /* not in every such file, or not in every layer */
} tsr_gguf_text_tensor;

const tsr_gguf_text_tensor *tsr_gguf_text_tensors(size_t *n); /* all rows */

/* The row of a tensor by its Hugging Face name (with "model.language_model." or, as in checkpoints of text
 * alone, "model.") or by the file's; NULL when there is none. *layer receives the number at '#'. */
const tsr_gguf_text_tensor *tsr_gguf_text_find_hf(const char *name, size_t *layer);
const tsr_gguf_text_tensor *tsr_gguf_text_find_gguf(const char *name, size_t *layer);

#ifdef __cplusplus
}
#endif
#endif
