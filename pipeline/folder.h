/* folder.h: what of model files stands in a folder, by names alone: GGUF files with their parts, mmproj files,
 * safetensors, and what is missing of them. Nothing is opened but model.safetensors.index.json. */
#ifndef TSR_FOLDER_H
#define TSR_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* Strings of the owner's that grow (tsri_names_deinit). Zeroed is empty. */
typedef struct tsri_names {
    char **at;
    size_t n;
} tsri_names;

tsr_status tsri_names_add(tsri_names *list, const char *s, size_t len, tsr_error *err);
void tsri_names_deinit(tsri_names *list);
/* "a, b, c" in memory of the caller's (tsr_free), at most `most` of them and then how many more; NULL when
 * memory is short. */
char *tsri_names_join(const tsri_names *list, size_t most);

/* What stands in DIR, sorted by name, without "." and "..". TSR_ERR_LIMIT beyond 65,536 entries. */
tsr_status tsri_folder_names(tsri_names *out, const char *dir, tsr_error *err);

enum { TSRI_TAG_BYTES = 24 };

/* The type that a file's name carries, in capitals: "gemma-4-E2B-it-q4_k_m.gguf" gives "Q4_K_M", with a
 * publisher's "UD-" before it where that is there; "" when there is none. The last one counts. */
void tsri_type_tag(char tag[TSRI_TAG_BYTES], const char *name);

typedef struct tsri_gguf_file {
    char *path;       /* of the file, or of the first part of a split one */
    const char *name; /* below the folder that was scanned: points into path */
    char tag[TSRI_TAG_BYTES];
    bool is_mmproj; /* the name says so */
    size_t n_parts; /* that there should be */
    tsri_names missing; /* parts that are not there, and links to nothing */
    uint64_t n_bytes;   /* of what is there */
} tsri_gguf_file;

typedef struct tsri_folder {
    char *path;
    tsri_gguf_file *ggufs; /* in the order of their names */
    size_t n_ggufs;
    bool has_config;      /* config.json, or a link to nothing of that name */
    bool has_safetensors; /* any, in this folder itself */
    uint64_t safetensors_bytes;
    tsri_names missing;   /* files that the safetensors model of this folder needs and that are not there */
    tsri_names folders;   /* paths of the folders in it, when they were not scanned too */
} tsri_folder;

/* Scan DIR; with `deep`, the folders in it too, up to 3 levels down, for GGUF files. */
tsr_status tsri_folder_scan(tsri_folder *out, const char *dir, bool deep, tsr_error *err);
void tsri_folder_deinit(tsri_folder *f);

/* The one mmproj among f's files that belongs to the text model `gguf`: its width is that of the text model. Of
 * several, one in the model's own folder, then one whose name has the model's in it, then BF16, F16, F32, Q8_0. *path
 * is the caller's (tsr_free); NULL when there is none, or when the text model can't be opened. A mmproj that can't be
 * opened is an error where no other one fits. */
tsr_status tsri_folder_mmproj(char **path, const tsri_folder *f, const char *gguf, tsr_error *err);

/* Where tsri_folder_mmproj found none: a sentence on the first mmproj in f that does not fit and why. *text is the
 * caller's (tsr_free); NULL when there is no mmproj at all. */
tsr_status tsri_folder_unfit_mmproj(char **text, const tsri_folder *f, const char *gguf, tsr_error *err);

#endif
