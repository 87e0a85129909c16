/* gguf_towers_internal.h: what the configuration and the weights of an mmproj file both ask it. */
#ifndef TSRI_GGUF_TOWERS_INTERNAL_H
#define TSRI_GGUF_TOWERS_INTERNAL_H

#include "tsr_gguf_towers.h"

enum {
    TSRI_GGUF_VISION_TOWERS = TSR_GGUF_GEMMA4V | TSR_GGUF_GEMMA4UV,
    TSRI_GGUF_SOUND_TOWERS = TSR_GGUF_GEMMA4A | TSR_GGUF_GEMMA4UA
};

/* The file's towers as bits of tsr_gguf_tower: of each sense at most one, and at least one in all. Refuses other
 * architectures and projectors by name. */
tsr_status tsri_gguf_towers_in(unsigned *towers, const tsr_gguf *g, tsr_error *err);

/* The whole number at clip.`sense`.`key`, min <= *out <= max. */
tsr_status tsri_gguf_towers_size(const tsr_gguf *g, const char *sense, const char *key, size_t min, size_t max,
                                 size_t *out, tsr_error *err);

/* Layers of gemma4v and gemma4a. */
tsr_status tsri_gguf_towers_n_layers(const tsr_gguf *g, tsr_gguf_tower tower, size_t *out, tsr_error *err);

#endif
