/* quantize_types.h: which type each tensor of a GGUF file gets.
 *
 * A name such as "q4_k_m" is a mixture: one type for most matrices and others for those that suffer most. The
 * mixtures are those that users of llama.cpp know by these names; docs/quantize.md tells them in words. */
#ifndef TSR_QUANTIZE_TYPES_H
#define TSR_QUANTIZE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_tensor.h"
#include "tsr_weights.h"

typedef struct tsri_mixture {
    const char *name;      /* "q4_k_m" */
    const char *file_type; /* as general.file_type calls it: "Q4_K_M" */
    tsr_type base;
    bool for_towers; /* may be asked for vision and sound */
} tsri_mixture;

/* NULL when there is none of that name; capitals don't matter. */
const tsri_mixture *tsri_mixture_find(const char *name);
/* "f32, f16, ..." into buf: all, or those for towers. */
void tsri_mixture_names(char *buf, size_t cap, bool for_towers);

/* What the rules ask of a text model, under GGUF names. */
typedef struct tsri_mixture_model {
    const tsr_weights *tensors;
    size_t n_layers;
    size_t n_attn_v;     /* layers with attn_v: k is v elsewhere */
    bool has_output;     /* an output matrix of its own */
    bool has_experts;
    bool is_grouped;     /* four or more query heads for each key head in the first layer */
} tsri_mixture_model;

tsri_mixture_model tsri_mixture_look(const tsr_weights *tensors);

typedef struct tsri_type_choice {
    tsr_type type;
    tsr_type wanted; /* by the rule; another than `type` where its blocks don't divide the rows */
} tsri_type_choice;

/* The type of the tensor `name` of a text model. What always stays in F32 (norms, scales, the router) and what keeps
 * its type (the projection of the per-layer embeddings under a block type) is among it. */
tsri_type_choice tsri_mixture_text_type(const tsri_mixture *mix, const tsri_mixture_model *m, const char *name,
                                        const tsr_view *v);
/* The same of the towers and embedders. */
tsri_type_choice tsri_mixture_tower_type(const tsri_mixture *mix, const char *name, const tsr_view *v);

#endif
