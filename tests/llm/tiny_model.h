/* tiny_model.h: small random text models for the decoder's tests, in the real file format, and a plain
 * decoder in f64 that computes from the same numbers by the formulas alone: no cache, no blocks, no
 * chunks, every mask by its definition. The list of tensors here is written apart from the
 * decoder's, so that the two check each other. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include "test_main.h"
#include "tsr_decoder.h"

typedef enum tiny_kind {
    TINY_E,       /* per-layer embeddings, shared K/V, double-wide, flat config (E2B) */
    TINY_DENSE,   /* K is V in full layers, vision blocks, per_layer_config (31B) */
    TINY_EXPERTS, /* routed experts, default layer_types (26B) */
    TINY_UNIFIED, /* gemma4_unified (12B) */
    TINY_TEXT,    /* a text-only checkpoint: prefix "model.", untied output */
    TINY_N
} tiny_kind;

extern const char *const tiny_config[TINY_N]; /* config.json */

/* One tensor as it stands in the file. */
typedef struct tiny_tensor {
    char name[96];
    unsigned n_dims;
    size_t shape[3], n_elems;
} tiny_tensor;

/* Every tensor that the model needs, in the file's order; the caller's (free). */
tiny_tensor *tiny_tensors(tiny_kind kind, const tsr_text_config *c, size_t *n);

/* A fault to plant into the file: what the tensor `name` becomes. */
typedef enum tiny_fault { TINY_GOOD, TINY_MISSING, TINY_WRONG_SHAPE, TINY_WRONG_TYPE, TINY_NAN, TINY_INF } tiny_fault;

/* Write model.safetensors into dir; `name` may be NULL. */
void tiny_write(const char *dir, tiny_kind kind, tsr_type type, const char *name, tiny_fault fault);

/* An opened model in a folder of its own. */
typedef struct tiny_model {
    tiny_kind kind;
    tsr_type type, kv_type;
    char *dir;
    tsr_text_config config;
    tsr_weights *weights;
    tsr_decoder *decoder;
    tsr_pool *pool;
    size_t n_live; /* blocks that lived before */
} tiny_model;

void tiny_parse(tiny_kind kind, tsr_text_config *out);
void tiny_open(tiny_model *m, tiny_kind kind, tsr_type type, unsigned n_threads);
void tiny_close(tiny_model *m);
/* The cache is m->kv_type, F32 after tiny_open. */
tsr_context *tiny_context(const tiny_model *m, size_t ctx_tokens, size_t max_chunk, bool keep_all);

/* A prompt: text, and with `soft` pictures (some longer than the window) and a sound. Owned; free
 * with tiny_prompt_free. */
typedef struct tiny_prompt {
    tsr_input in;
    int32_t *ids;
    uint8_t *kinds, *wanted;
    float *rows;
    tsr_soft_span *spans;
} tiny_prompt;

void tiny_prompt_make(tiny_prompt *p, const tsr_text_config *c, size_t n, bool soft, uint64_t seed);
void tiny_prompt_free(tiny_prompt *p);

/* Logits [n, vocab] and, where hidden isn't NULL, the stream after each layer [n_layers, n, hidden]. Keys and
 * values are rounded to kv_type; F32 leaves them in f64. */
void tiny_reference(tiny_kind kind, tsr_type type, tsr_type kv_type, const tsr_input *in, double *logits,
                    double *hidden);

#endif
