/* mmproj_model.h: the towers of a safetensors model as an mmproj file, laid out as llama.cpp's converter does it:
 * written from that converter's description alone, with the names of data/mmproj_names.txt. The file is a table that
 * a test may spoil. What goes wrong in making input ends the test program. */
#ifndef MMPROJ_MODEL_H
#define MMPROJ_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

typedef struct mm_tensor {
    char name[128];
    tsr_type type;
    unsigned n_dims;
    size_t shape[4]; /* as in the file, in PyTorch's order */
    unsigned char *data;
    size_t n_bytes;
} mm_tensor;

typedef enum mm_kind { MM_U32, MM_F32, MM_BOOL, MM_STR, MM_THREE /* of F32 */ } mm_kind;

typedef struct mm_key {
    char name[64];
    mm_kind kind;
    double number;
    char text[32];
} mm_key;

typedef struct mm_model {
    mm_tensor *tensors;
    size_t n, cap;
    mm_key keys[40];
    size_t n_keys;
    /* of the last mm_open */
    unsigned char *bytes;
    tsr_gguf *gguf;
} mm_model;

/* One line of data/mmproj_names.txt; false after the last. Both buffers hold 128 bytes. */
bool mm_names_line(size_t i, char *hf, char *gguf);

/* The towers in `w`; the configurations are those of the folder, NULL for a part that it lacks. */
mm_model mm_from(const tsr_weights *w, const tsr_json *vision, const tsr_json *audio, size_t text_hidden);
void mm_free(mm_model *m); /* closes what mm_open opened too */

mm_tensor *mm_find(mm_model *m, const char *name);
void mm_remove(mm_model *m, const char *name);
mm_tensor *mm_add(mm_model *m, const char *name, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                  size_t n_bytes);
void mm_swap(mm_model *m, const char *a, const char *b); /* their names */
mm_key *mm_find_key(mm_model *m, const char *name);
void mm_remove_key(mm_model *m, const char *name);
void mm_set_number(mm_model *m, const char *name, double number); /* adds a U32 or, with a fraction, an F32 */
void mm_set_text(mm_model *m, const char *name, const char *text);

/* Its values, n_elems of them, the caller's (free), and others in F32 instead. */
float *mm_values(const mm_tensor *t);
void mm_set_values(mm_tensor *t, const float *values);

/* The file as "mmproj.gguf", the model's until the next mm_open or mm_free. */
const tsr_gguf *mm_open(mm_model *m);

#endif
