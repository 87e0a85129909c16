/* resample_internal.h: mono samples from one rate to another, piece by piece. */
#ifndef TSR_RESAMPLE_INTERNAL_H
#define TSR_RESAMPLE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* A growing array of samples. */
typedef struct tsri_samples {
    float *data; /* tsr_alloc'ed */
    size_t n, cap;
} tsri_samples;

/* Room for n more; the array at least doubles. */
tsr_status tsri_samples_reserve(tsri_samples *s, size_t n, const char *name, tsr_error *err);

typedef enum tsri_engine { TSRI_ENGINE_BEST, TSRI_ENGINE_SWR, TSRI_ENGINE_SOXR } tsri_engine;

typedef struct tsri_resampler tsri_resampler;

/* BEST is soxr where FFmpeg was built with it, else FFmpeg's own engine. `name` stands in messages
 * and must outlive the resampler. */
tsr_status tsri_resampler_open(tsri_resampler **out, unsigned from_hz, unsigned to_hz, tsri_engine engine,
                               const char *name, tsr_error *err);
void tsri_resampler_close(tsri_resampler *r); /* NULL is fine */

/* Take n samples and append what comes out; the caller may take samples off the front of *out between calls. */
tsr_status tsri_resampler_push(tsri_resampler *r, const float *in, size_t n, tsri_samples *out, tsr_error *err);
/* Append the tail: all that was pushed, n, makes round(n * to / from) samples in all. */
tsr_status tsri_resampler_finish(tsri_resampler *r, tsri_samples *out, tsr_error *err);

#endif
