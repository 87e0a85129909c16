/* model_files.h: the files that a model is made of, opened, and the two forms of them made one: a folder as
 * Hugging Face publishes it, or a GGUF text model and its mmproj. */
#ifndef TSR_MODEL_FILES_H
#define TSR_MODEL_FILES_H

#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

typedef struct tsri_model_files {
    char *path;       /* what was opened: a folder, a .safetensors or the (first) .gguf */
    char *dir;        /* the folder that it is or lies in */
    tsr_gguf *text;   /* NULL: safetensors */
    tsr_gguf *mmproj; /* vision and sound of a GGUF model; NULL: none */
    char *unfit;      /* then: why one that stands beside the model isn't it; NULL: none stands there */
    tsr_json *config; /* in the form of config.json */
    char *config_name; /* the file that it is, or was made from */
    tsr_json *processor; /* the document that the feature extractor stands in; NULL: none */
} tsri_model_files;

/* Find (tsri_find_model) and open the files of `spec`; `mmproj` names the towers' file of a GGUF model, NULL: the
 * one beside it, if any. Files are told apart by their first bytes. TSR_ERR_USAGE for a mmproj of a model that isn't
 * GGUF; TSR_ERR_MODEL names both files where the mmproj is of another model. f is the caller's also after an error
 * (tsri_model_files_close). */
tsr_status tsri_model_files_open(tsri_model_files *f, const char *spec, const char *mmproj, tsr_error *err);
void tsri_model_files_close(tsri_model_files *f); /* zeroed is fine */

/* All tensors, under the names of published checkpoints. f must outlive *w. */
tsr_status tsri_model_files_weights(tsr_weights **w, const tsri_model_files *f, tsr_error *err);

/* The feature extractor's object, in f's memory; NULL when no file has one. For models that hear. */
tsr_status tsri_model_files_extractor(const tsr_json **out, tsri_model_files *f, tsr_error *err);

/* Bytes mapped from all files; w: their tensors. */
size_t tsri_model_files_mapped_bytes(const tsri_model_files *f, const tsr_weights *w);

/* What opening read of them here and there no longer counts as this process's memory (tsr_file_let_go): the kernel maps large pieces
 * around each place. */
void tsri_model_files_let_go(const tsri_model_files *f, const tsr_weights *w);

#endif
