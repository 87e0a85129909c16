/* tsr_sampler.h: logits become the next token.
 *
 * Penalties, then temperature, top-k, top-p, min-p, in the order and with the definitions of
 * transformers; presence and frequency as OpenAI defines them. One thread at a time. */
#ifndef TSR_SAMPLER_H
#define TSR_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_sampler_opts {
    double temperature; /* 0: greedy, which ignores top_k, top_p, min_p and seed */
    size_t top_k;       /* 0: off. Ties with the k-th are kept */
    double top_p;       /* 0..1; 1: off. The most likely token always stays */
    double min_p;       /* 0..1; 0: off */
    uint64_t seed;
    double repetition_penalty; /* > 0; 1: off. Tokens of the prompt and the answer, once each */
    double presence_penalty;   /* 0: off. Tokens of the answer, once each */
    double frequency_penalty;  /* 0: off. Tokens of the answer, each time */

    /* Never given: what the model's files suppress, and what must never be sampled whatever they
     * say. Ids outside the vocabulary are ignored. Borrowed while opening. */
    const int32_t *suppress, *never;
    size_t n_suppress, n_never;
} tsr_sampler_opts;

tsr_sampler_opts tsr_sampler_opts_default(void); /* greedy, everything off */

typedef struct tsr_sampler tsr_sampler; /* options, scratch for n_vocab logits, the random state */

/* TSR_ERR_USAGE names an option out of range. On failure *out is NULL. */
tsr_status tsr_sampler_open(tsr_sampler **out, const tsr_sampler_opts *opts, size_t n_vocab, tsr_error *err);
void tsr_sampler_close(tsr_sampler *s); /* NULL is fine */

/* Tokens of the prompt, for the repetition penalty. */
void tsr_sampler_see_prompt(tsr_sampler *s, const int32_t *ids, size_t n);

/* Choose from logits [n_vocab]; the choice counts as part of the answer. Equal logits: the lowest
 * id. Nothing is allocated. The random numbers are xoshiro256**, seeded through splitmix64, one for
 * each choice: the same on every machine. TSR_ERR_MODEL when a logit is NaN or none is left. */
tsr_status tsr_sampler_next(tsr_sampler *s, const float *logits, int32_t *id, tsr_error *err);

/* From now on choose among the ids whose bit is set alone: bit `id % 32` of word `id / 32`, for n_vocab ids. What is left
 * out counts as never given, before penalties and everything else. Borrowed until the next call of this; NULL: all. */
void tsr_sampler_allow(tsr_sampler *s, const uint32_t *allowed);

/* A token of the answer that was chosen elsewhere. */
void tsr_sampler_see(tsr_sampler *s, int32_t id);

/* What the last tsr_sampler_next chose from: ids and probabilities (sum 1), for tests and display.
 * Greedy: the one. Valid until the next call. */
size_t tsr_sampler_candidates(const tsr_sampler *s, const int32_t **ids, const double **probs);

#ifdef __cplusplus
}
#endif
#endif
