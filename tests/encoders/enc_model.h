/* enc_model.h: small random encoders for tests: their tensors as a table that a test may spoil, written
 * as safetensors, and the plain f64 computation of what they should give.
 *
 * What goes wrong in making input ends the test program. Nothing here uses tsr_alloc for itself. */
#ifndef ENC_MODEL_H
#define ENC_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_image.h"
#include "tsr_json.h"
#include "tsr_weights.h"

typedef struct enc_tensor {
    char name[128];
    unsigned n_dims;
    size_t shape[4];
    float lo, hi; /* values are spread over this range by a hash of name and index */
} enc_tensor;

typedef struct enc_model {
    enc_tensor *tensors;
    size_t n, cap;
    char config[2048]; /* the vision_config or audio_config object */
    tsr_type type;     /* of all tensors in the file */
} enc_model;

enum { ENC_TEXT_HIDDEN = 11, ENC_HEADS = 4, ENC_KV = 2, ENC_HEAD_DIM = 8, ENC_HIDDEN = 20, ENC_FFN = 28, ENC_LAYERS = 2 };
enum { ENC_POSITIONS = 12, ENC_MELS = 128, ENC_CHANNELS_0 = 128, ENC_CHANNELS_1 = 3, ENC_CONV = 5, ENC_SOUND_WIDTH = 14 };

/* Sizes of a tower; enc_small are those of the constants above. */
typedef struct enc_dims {
    size_t hidden, ffn, n_layers, n_heads, n_kv, head_dim; /* ffn, n_kv and head_dim: of vision alone */
    size_t channels_1, sound_width;
} enc_dims;
extern const enc_dims enc_small;
enc_model enc_vision_tower_of(const enc_dims *d, bool clipped);
enc_model enc_sound_tower_of(const enc_dims *d, bool clipped);

/* A tower with (E2B's kind) or without (31B's kind) clip limits; the latter standardises. */
enc_model enc_vision_tower(bool clipped);
/* 12B's kind, under the names of published files or of the reference's modules. */
enc_model enc_vision_unified(bool module_names);
enc_model enc_sound_tower(bool clipped);
enc_model enc_sound_unified(void);
void enc_model_free(enc_model *m);

/* The tensor of this name; ends the program when there is none. */
enc_tensor *enc_find(enc_model *m, const char *name);
void enc_remove(enc_model *m, const char *name);
/* Replace "key": anything up to the next comma or brace by "key": value in the configuration. */
void enc_set_config(enc_model *m, const char *key, const char *value);

/* Write the file, open it. The caller closes the weights. `dir` is a folder for the file. */
tsr_weights *enc_open(const enc_model *m, const char *dir);
tsr_json *enc_config(const enc_model *m);

/* A picture of hashed noise; the caller frees rgb with free. */
tsr_image enc_picture(size_t width, size_t height, unsigned seed);
/* n samples of noise and tones, the caller's (free). */
float *enc_sound(size_t n, unsigned seed);
float enc_noise(unsigned seed, size_t i); /* in [-1, 1) */

/* f64 results of the models above, the caller's (free). With use_limits false the clip limits are ignored. */
double *enc_ref_vision_tower(const tsr_weights *w, const tsr_image *img, bool use_limits);
double *enc_ref_vision_unified(const tsr_weights *w, const tsr_image *img);
double *enc_ref_sound_tower(const tsr_weights *w, const float *mel, size_t n_frames, bool use_limits);
double *enc_ref_sound_unified(const tsr_weights *w, const float *samples, size_t n_samples);

/* Largest difference over the largest magnitude; infinity when a value is not finite. */
double enc_difference(const float *got, const double *want, size_t n);

#endif
