/* audio_internal.h: the sound tower behind tsr_hearing.h: subsampling convolutions, conformer layers. */
#ifndef TSRI_ENC_AUDIO_INTERNAL_H
#define TSRI_ENC_AUDIO_INTERNAL_H

#include "layer_internal.h"
#include "tsr_hearing.h"

/* ---- subsampling: two convolutions 3 x 3 of stride 2, channel norms, ReLU, projection ---- */

typedef struct tsri_subsample {
    size_t n_mels, channels[2], hidden;
    float eps;
    float *conv[2]; /* [channels out, 3, 3, channels in]: time, mel, channel fastest */
    float *norm[2]; /* [channels out] */
    tsr_view proj;  /* [hidden, ceil(ceil(n_mels / 2) / 2) * channels[1]] */
} tsri_subsample;

/* n_mels, channels, hidden and eps are set by the caller. */
tsr_status tsri_subsample_take(tsri_subsample *s, tsr_weights *w, tsr_error *err);
void tsri_subsample_deinit(tsri_subsample *s);
/* Values of scratch for n_frames. */
tsr_status tsri_subsample_plan(const tsri_subsample *s, size_t n_frames, size_t *total, tsr_error *err);
/* mel: [n_frames, n_mels]; out: [ceil(n_frames / 4), hidden]. */
void tsri_subsample_run(const tsri_subsample *s, tsr_pool *pool, tsri_enc_scratch *scratch, const float *mel,
                        size_t n_frames, float *out, const tsri_enc_tap *tap);

/* ---- one conformer layer ---- */

typedef struct tsri_conformer_shape {
    size_t hidden, n_heads, head_dim, conv_kernel;
    size_t n_past;      /* keys a query sees, itself among them */
    size_t n_future;    /* and keys after it */
    size_t n_distances; /* distances that have a position: n_distances - 1 down to 0 */
    float logit_cap, residual_weight, clip, eps;
    bool clipped;
} tsri_conformer_shape;

typedef struct tsri_conformer_ffn {
    float *pre_norm, *post_norm;
    tsri_enc_linear up, down;
} tsri_conformer_ffn;

typedef struct tsri_conformer {
    tsri_conformer_ffn ffn[2];
    tsri_enc_linear q, k, v, post;
    tsr_view relative;  /* [hidden, hidden] */
    float *per_dim;     /* [head_dim]: raw at first, then the factor of q */
    float *distances;   /* [n_distances, hidden]: the relative keys */
    float *norm_pre_attn, *norm_post_attn, *norm_out;
    tsri_enc_linear conv_start, conv_end;
    float *conv_pre_norm, *conv_norm;
    float *conv; /* [conv_kernel, hidden] */
} tsri_conformer;

/* encodings: [n_distances, hidden]. */
tsr_status tsri_conformer_take(tsri_conformer *c, const tsri_conformer_shape *s, tsr_weights *w, const char *prefix,
                               const float *encodings, tsr_pool *pool, tsr_error *err);
void tsri_conformer_deinit(tsri_conformer *c); /* zeroed is fine */

/* Buffers of a run over n rows; all are the caller's. */
typedef struct tsri_conformer_run {
    tsr_pool *pool;
    size_t n;
    float *h;       /* [n, hidden]: the stream, in place */
    float *x;       /* [n, hidden] */
    float *clamped; /* [n, hidden] */
    float *work;    /* [n, 4 * hidden] */
} tsri_conformer_run;

void tsri_conformer_apply(const tsri_conformer *c, const tsri_conformer_shape *s, const tsri_conformer_run *r);

/* ---- the tower ---- */

typedef struct tsri_audio_tower tsri_audio_tower;
tsr_status tsri_audio_tower_open(tsri_audio_tower **out, tsr_weights *w, const tsr_json *config, size_t n_mels,
                                 size_t text_hidden, tsr_pool *pool, tsr_hearing_info *info, tsr_error *err);
void tsri_audio_tower_close(tsri_audio_tower *t);
/* rows: [ceil(n_frames / 4), text_hidden]. */
tsr_status tsri_audio_tower_encode(tsri_audio_tower *t, const float *mel, size_t n_frames, float *rows,
                                   const tsri_enc_tap *tap, tsr_error *err);

/* Rungs of a tower: "conv" (index 0, 1), "subsampled", "layer" (index), "output", "rows". */
void tsri_hearing_set_tap(tsr_hearing *a, tsri_enc_tap tap);

#endif
