/* gguf_internal.h: one checked part of a GGUF file, and the table made of all parts. */
#ifndef GGUF_INTERNAL_H
#define GGUF_INTERNAL_H

#include "tsr_file.h"
#include "tsr_gguf.h"

enum {
    TSRI_GGUF_MAX_KEYS = 65536,    /* in one part */
    TSRI_GGUF_MAX_TENSORS = 65536, /* in all parts */
    TSRI_GGUF_MAX_KEY_LEN = 65535, /* the format's */
    TSRI_GGUF_MAX_NAME_LEN = 255,
    TSRI_GGUF_MAX_PARTS = 1024,
    TSRI_GGUF_MAX_META_BYTES = 256 << 20 /* of one part: keys and values are walked when it is opened; a large
                                          * vocabulary needs a tenth of it */
};

typedef struct tsri_gguf_pair {
    char *key;
    tsr_gguf_value value;
} tsri_gguf_pair;

typedef struct tsri_gguf_part {
    char *path;
    tsr_mapping map; /* zeroed when the bytes are the caller's */
    bool any_type;   /* tensors of types that are not supported pass, without data */
    uint32_t version;
    size_t alignment;
    tsri_gguf_pair *pairs; /* in the file's order */
    const tsri_gguf_pair **sorted; /* by key */
    size_t n_pairs;
    tsr_gguf_tensor *tensors; /* in the file's order; the part owns the names */
    size_t n_tensors;
} tsri_gguf_part;

struct tsr_gguf {
    tsri_gguf_part *parts;
    size_t n_parts;
    bool any_type;            /* of all parts */
    tsr_gguf_tensor *tensors; /* copies, part after part; the names stay the parts' */
    const tsr_gguf_tensor **sorted; /* by name */
    size_t n_tensors;
};

/* Check one file's bytes and fill *p (zeroed but for path, map and any_type). On failure the caller deinits too. */
tsr_status tsri_gguf_read(tsri_gguf_part *p, tsr_bytes file, tsr_error *err);
void tsri_gguf_part_deinit(tsri_gguf_part *p); /* unmaps */

const tsri_gguf_pair *tsri_gguf_part_find(const tsri_gguf_part *p, const char *key);

/* Bytes of one element; 0 for STR and ARRAY. */
size_t tsri_gguf_type_bytes(tsr_gguf_type t);

/* As tsr_gguf_open and tsr_gguf_look for bytes of the caller's, which must outlive *out. `path` stands in errors. A
 * part of a split file is refused. */
tsr_status tsri_gguf_open_bytes(tsr_gguf **out, tsr_bytes file, const char *path, tsr_error *err);
tsr_status tsri_gguf_look_bytes(tsr_gguf **out, tsr_bytes file, const char *path, tsr_error *err);

#endif
