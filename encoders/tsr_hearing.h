/* tsr_hearing.h: sound samples become soft tokens for the language model.
 *
 * Two kinds stand behind it, told apart by their tensors: log-mel frames and a conformer tower (E2B,
 * E4B), and raw frames of 640 samples (12B). Features (what the reference's feature extractor gives)
 * and rows are two steps, so that a caller can look at both. */
#ifndef TSR_HEARING_H
#define TSR_HEARING_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_json.h"
#include "tsr_pool.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_hearing tsr_hearing; /* weights and scratch; one thread at a time */

/* True when the weights hold anything of a sound part. */
bool tsr_hearing_present(const tsr_weights *w);

/* Build the sound part. `config` is the audio_config object, `extractor` the feature extractor's
 * (feature_extractor in processor_config.json, or a preprocessor_config.json); NULL stands for the
 * defaults of either; both are borrowed for the call. `w` and `pool` must outlive *out. text_hidden is the
 * width of the language model. All sound tensors are claimed. TSR_ERR_MODEL names a missing or
 * mis-shaped tensor or a value that contradicts them; TSR_ERR_UNSUPPORTED a step that is not built. On
 * failure *out is NULL. */
tsr_status tsr_hearing_open(tsr_hearing **out, tsr_weights *w, const tsr_json *config, const tsr_json *extractor,
                            size_t text_hidden, tsr_pool *pool, tsr_error *err);
void tsr_hearing_close(tsr_hearing *a); /* NULL is fine */

typedef struct tsr_hearing_info {
    bool is_unified;         /* the encoder-free kind */
    size_t rate_hz;          /* of the samples: 16,000 */
    size_t feature_width;    /* values of a frame: 128 mel bands or 640 samples */
    size_t hidden, n_layers; /* of the tower; 0 for the encoder-free kind */
    size_t text_hidden;      /* floats of a row */
} tsr_hearing_info;

tsr_hearing_info tsr_hearing_describe(const tsr_hearing *a);

/* Frames of features and soft tokens of a clip, known before it is decoded. 0 for a clip too short to give
 * any (160 samples or fewer with a tower, none without). */
size_t tsr_hearing_frames_for(const tsr_hearing *a, size_t n_samples);
size_t tsr_hearing_tokens_for(const tsr_hearing *a, size_t n_samples);

/* samples: [n_samples] mono f32, -1 to 1. features: [tsr_hearing_frames_for, feature_width], the caller's. */
void tsr_hearing_features(tsr_hearing *a, const float *samples, size_t n_samples, float *features);

/* Encode one clip's features. rows: [cap, text_hidden] f32, the caller's; *n_rows receives the rows written.
 * TSR_ERR_DATA for no frames or features that aren't finite; TSR_ERR_LIMIT when cap is too small (*n_rows then holds the
 * number needed); TSR_ERR_MODEL names the first row that isn't finite and the step where that began.
 * Scratch grows to the longest clip seen and is kept. */
tsr_status tsr_hearing_encode(tsr_hearing *a, const float *features, size_t n_frames, float *rows, size_t cap,
                              size_t *n_rows, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
