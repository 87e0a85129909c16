/* gguf_text_internal.h: what the keys of a Gemma 4 GGUF file say, read and checked. */
#ifndef GGUF_TEXT_INTERNAL_H
#define GGUF_TEXT_INTERNAL_H

#include <stdint.h>

#include "tsr_gguf_text.h"
#include "tsr_text_config.h"

typedef struct tsri_gguf_facts {
    const tsr_gguf *g;
    bool drafter;
    char arch[24]; /* prefix of the keys */
    uint32_t n_layers, hidden, n_heads, window, positions;
    uint32_t n_shared; /* layers at the end that read another layer's K and V */
    uint32_t ple_dim, n_experts, top_k, expert_width;
    uint32_t backbone;                    /* drafter: width of the model it guesses for */
    uint32_t head_dim[TSR_N_LAYER_TYPES]; /* 0 where no layer has the type */
    uint32_t n_kv[TSR_N_LAYER_TYPES];
    uint32_t ffn_width; /* of layers with K and V of their own */
    bool wide;          /* the others have twice that */
    bool k_eq_v;
    bool *sliding; /* [n_layers], owned */
    float eps, soft_cap;
    float theta[TSR_N_LAYER_TYPES];
    size_t n_rotated; /* leading frequencies that turn in full layers */
    size_t vocab, ple_vocab;
    uint32_t pad_id;
} tsri_gguf_facts;

/* Read and check all keys, and the tensors that say what no key says (vocabulary, rope_freqs, attn_v).
 * What was read is freed by deinit, also after an error. */
tsr_status tsri_gguf_facts_read(tsri_gguf_facts *f, const tsr_gguf *g, bool drafter, tsr_error *err);
void tsri_gguf_facts_deinit(tsri_gguf_facts *f);

/* Check a drafter's keys and tensors. */
tsr_status tsri_gguf_drafter_check(const tsr_gguf *g, tsr_error *err);

#endif
