/* weight_file.h: a GGUF file, or safetensors (a file or a folder), as what it is on disk: files, metadata, tensors in
 * the file's order with their places. For looking at; models are opened elsewhere. */
#ifndef TSR_WEIGHT_FILE_H
#define TSR_WEIGHT_FILE_H

#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

typedef struct tsri_weight_part {
    char *path;
    uint64_t n_bytes;
    tsr_json *header; /* of safetensors; NULL for GGUF */
} tsri_weight_part;

typedef struct tsri_weight_row {
    const char *name; /* as the file calls it */
    const tsr_type_traits *type;
    const tsr_view *view; /* of a type that is not supported, without data: tsr_gguf_look */
    size_t part;
    uint64_t offset; /* byte of its part where the data begins */
} tsri_weight_row;

typedef struct tsri_weight_file {
    char *path;
    tsr_gguf *gguf; /* one of these two */
    tsr_weights *weights;
    tsri_weight_part *parts;
    size_t n_parts;
    tsri_weight_row *rows; /* part after part, in the file's order */
    size_t n_rows;
} tsri_weight_file;

/* Which it is, is told by the first bytes. Checked as for opening a model, but that tensors of types which are not
 * supported pass. On failure *out is all zero. */
tsr_status tsri_weight_file_open(tsri_weight_file *out, const char *path, tsr_error *err);
void tsri_weight_file_close(tsri_weight_file *f);

static inline bool tsri_weight_row_is_supported(const tsri_weight_row *r) { return r->view->data != NULL; }

#endif
