/* places.h: where models lie on this machine. The one file that reads the environment for it. */
#ifndef TSR_PLACES_H
#define TSR_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_status.h"

typedef struct tsri_place {
    const char *what; /* "Hugging Face cache" */
    char *path;
    bool is_hf;  /* laid out as models--ORG--REPO/snapshots/COMMIT */
    bool is_flat; /* only the files in it, not the folders */
} tsri_place;

typedef struct tsri_places {
    tsri_place *at;
    size_t n;
} tsri_places;

/* The Hugging Face cache: HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub. It need not be there. *out is the caller's (tsr_free); NULL, and TSR_OK, when not even
 * HOME is set. */
tsr_status tsri_hf_cache_path(char **out, tsr_error *err);

/* All places, in this order, whether they are there or not: the Hugging Face cache; those of llama.cpp (LLAMA_CACHE,
 * else XDG_CACHE_HOME/llama.cpp, else ~/.cache/llama.cpp) and LM Studio (~/.lmstudio/models,
 * ~/.cache/lm-studio/models); our own (XDG_DATA_HOME/tessera/models, else ~/.local/share/tessera/models, and
 * share/tessera/models where the program was installed); each folder of TESSERA_MODELS (separated by colons). On
 * failure *out is empty. */
tsr_status tsri_places_find(tsri_places *out, tsr_error *err);
void tsri_places_deinit(tsri_places *p);

#endif
