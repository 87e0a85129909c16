/* tiny_run.h: a tiny model at work: what a prefill gives, and how far two results are apart. */
#ifndef TINY_RUN_H
#define TINY_RUN_H

#include "tiny_model.h"

/* Prefill, which must succeed, and keep all logits that come: [n, vocab], zero where none did; the caller's
 * (free). hidden: receives the stream after each layer [n_layers, n, hidden], or NULL. */
float *tiny_prefill(tsr_context *ctx, const tiny_model *m, const tsr_input *in, float *hidden);

/* The largest difference over the largest magnitude. NaN fails by being large. */
double tiny_distance(const float *got, const double *want, size_t n);
double tiny_between(const float *got, const float *want, size_t n);

#endif
