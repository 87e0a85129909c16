/* model_facts.h: what a model on disk is, from its headers alone. */
#ifndef TSR_MODEL_FACTS_H
#define TSR_MODEL_FACTS_H

#include "folder.h"

typedef struct tsri_model_facts {
    char *name;          /* for -m */
    char *path;          /* a folder, or a GGUF's first part */
    char *mmproj;        /* NULL: none */
    const char *format;  /* "safetensors", "GGUF" */
    const char *variant; /* "E2B", "E4B", "12B", "26B-A4B", "31B", "12B/31B", "mmproj", "drafter"; "-": not known */
    char type[TSRI_TAG_BYTES]; /* "BF16", "Q4_K_M"; "-": not known */
    uint64_t n_bytes;    /* on disk, with the mmproj */
    bool sees, hears;
    tsri_names problems;
} tsri_model_facts;

/* Facts of the safetensors model in a scanned folder, or of one of its GGUF files with the mmproj that belongs to it.
 * What is wrong with the files is a problem in the list; failures are TSR_ERR_NOMEM. `name` is copied. On failure
 * *out is all zero. */
tsr_status tsri_facts_of_folder(tsri_model_facts *out, const char *name, const tsri_folder *f, tsr_error *err);
tsr_status tsri_facts_of_gguf(tsri_model_facts *out, const char *name, const tsri_folder *f, const tsri_gguf_file *file,
                              tsr_error *err);
void tsri_model_facts_deinit(tsri_model_facts *m);

#endif
