/* generation.h: what generation_config.json says about sampling and ending. */
#ifndef TSR_GENERATION_H
#define TSR_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf.h"
#include "tsr_status.h"

enum { TSRI_MAX_LISTED_IDS = 4096 };

typedef struct tsri_generation {
    bool do_sample; /* false: greedy unless the request says otherwise */
    double temperature, top_p, min_p, repetition_penalty;
    long top_k;
    int32_t *eos, *suppress; /* tsr_alloc'ed lists */
    size_t n_eos, n_suppress;
    bool found; /* the file was there */
} tsri_generation;

/* Read DIR/generation_config.json; where it is absent: temperature 1, top_k 64, top_p 0.95, the
 * published models' own defaults. `vocab` bounds the ids. TSR_ERR_MODEL names file and key. */
tsr_status tsri_generation_read(tsri_generation *out, const char *dir, size_t vocab, tsr_error *err);
/* The same from a GGUF file: general.sampling.{temp, top_k, top_p, min_p, penalty_repeat}, each by itself as the
 * published models have it where it is absent; tokenizer.ggml.{eos, eot, eom}_token_id end an answer,
 * tokenizer.ggml.suppress_tokens are never sampled. A temperature of 0 is greedy. */
tsr_status tsri_generation_read_gguf(tsri_generation *out, const tsr_gguf *g, size_t vocab, tsr_error *err);

void tsri_generation_deinit(tsri_generation *g); /* zeroed is fine */

#endif
