/* vision_internal.h: the two kinds behind tsr_vision.h, and the tap for tests. */
#ifndef TSRI_VISION_INTERNAL_H
#define TSRI_VISION_INTERNAL_H

#include "layer_internal.h"
#include "tsr_vision.h"

enum {
    TSRI_VISION_MAX_PATCHES = 1 << 18,
    TSRI_VISION_BATCH_PATCHES = 2560 /* small pictures go through the products together, up to so many patches */
};

typedef struct tsri_vision_open_args {
    tsr_weights *w;
    const tsr_json *config;
    size_t text_hidden;
    tsr_pool *pool;
} tsri_vision_open_args;

typedef struct tsri_vision_tower tsri_vision_tower;
tsr_status tsri_vision_tower_open(tsri_vision_tower **out, const tsri_vision_open_args *args, tsr_vision_info *info,
                                  tsr_error *err);
void tsri_vision_tower_close(tsri_vision_tower *t);
/* Checked pictures of one size; rows: [their tokens, text_hidden]. A tap sees all pictures' values of a rung as one. */
tsr_status tsri_vision_tower_encode(tsri_vision_tower *t, const tsr_image *images, size_t n_images, float *rows,
                                    const tsri_enc_tap *tap, tsr_error *err);

typedef struct tsri_vision_unified tsri_vision_unified;
tsr_status tsri_vision_unified_open(tsri_vision_unified **out, const tsri_vision_open_args *args, tsr_vision_info *info,
                                    tsr_error *err);
void tsri_vision_unified_close(tsri_vision_unified *u);
tsr_status tsri_vision_unified_encode(tsri_vision_unified *u, const tsr_image *img, float *rows, const tsri_enc_tap *tap,
                                      tsr_error *err);
/* True when the weights hold the encoder-free embedder under either of its names. */
bool tsri_vision_unified_present(const tsr_weights *w);

/* Rungs of a tower: "patches" (signed pixels), "embed", "layer" (index), "pooled", "rows"; of the other kind:
 * "patches", "ln1", "dense", "ln2", "embed" (after pos_norm), "rows". */
void tsri_vision_set_tap(tsr_vision *v, tsri_enc_tap tap);

#endif
