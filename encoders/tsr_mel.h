/* tsr_mel.h: sound samples become log-mel frames, equal to the reference's feature extractor
 * (MODEL.md, "Sound features"): frames of 20 ms every 10 ms, periodic Hann window, magnitude of a
 * zero-padded FFT, HTK triangles without area normalisation, log(mel + floor). */
#ifndef TSR_MEL_H
#define TSR_MEL_H

#include <stddef.h>

#include "tsr_json.h"
#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_mel_opts {
    size_t n_mels;      /* filters; 128 */
    size_t rate_hz;     /* of the samples; 16,000 */
    size_t frame_len;   /* samples in a window; 320 */
    size_t hop_len;     /* samples between windows; 160 */
    size_t fft_len;     /* a power of two >= frame_len; 512 */
    double min_hz, max_hz; /* 0 to 8,000 */
    double floor;       /* added before the logarithm; 0.001 */
} tsr_mel_opts;

tsr_mel_opts tsr_mel_opts_default(void);

/* Read the options from a feature extractor's JSON object (NULL: the defaults). TSR_ERR_MODEL for a
 * value of the wrong kind or out of range; TSR_ERR_UNSUPPORTED for steps that the published models
 * do not have (preemphasis, dither, input scale, per-bin normalisation, another rate). */
tsr_status tsr_mel_opts_read(tsr_mel_opts *out, const tsr_json *extractor, tsr_error *err);

typedef struct tsr_mel tsr_mel; /* window, filters and scratch; one thread at a time */

tsr_status tsr_mel_open(tsr_mel **out, const tsr_mel_opts *opts, tsr_error *err); /* on failure *out is NULL */
void tsr_mel_close(tsr_mel *m);                                                   /* NULL is fine */

size_t tsr_mel_width(const tsr_mel *m); /* n_mels */

/* Frames that n_samples give: floor((n - 1) / 160) with the defaults, so 0 for 160 samples or fewer. */
size_t tsr_mel_frames(const tsr_mel *m, size_t n_samples);

/* samples: [n_samples] mono, -1 to 1, at rate_hz. frames: [tsr_mel_frames, n_mels], the caller's. */
void tsr_mel_compute(tsr_mel *m, const float *samples, size_t n_samples, float *frames);

#ifdef __cplusplus
}
#endif
#endif
