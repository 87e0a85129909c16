/* tsr_gguf.h: the GGUF container as data: its metadata and its tensors, memory-mapped. What the keys
 * and tensors mean is known to the parts that use them.
 *
 * Version 3 and, where it is the same, 2; little-endian. A split file (NAME-00001-of-0000N.gguf) is
 * opened by its first part. Every count, length, offset and type is checked against the bytes there
 * are before memory is taken: an error reads "FILE: key NAME at byte N: reason".
 *
 * How it slots in: the opener of a model (pipeline/) chooses by the file's first bytes; the parts that
 * know the architecture fill their configurations through the typed getters, and the tokenizer keeps
 * the spans of tsr_gguf_get_strs; a table in those parts maps names to ours, and under these names each
 * view enters the one table of tsr_weights.h, so that taking, claiming and checking stay as they are.
 * The tsr_gguf must outlive all of that.
 *
 * Threads: read-only once open, so any number may read. */
#ifndef TSR_GGUF_H
#define TSR_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"
#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_gguf tsr_gguf;

/* Whether PATH is to be opened as a GGUF file: its first bytes tell, whatever it is called. Where they are
 * those of no container of weights at all its name does, so that the right reader says what is wrong. A
 * folder is none. What mapping the file gave is the status. */
tsr_status tsr_gguf_sniff(bool *is_gguf, const char *path, tsr_error *err);

/* Map and check PATH and, when it is the first part of a split file, all other parts. On failure *out
 * is NULL: TSR_ERR_MODEL for a file that is not right, else what mapping it gave. */
tsr_status tsr_gguf_open(tsr_gguf **out, const char *path, tsr_error *err);
/* The same for telling what a file holds, not for using it: tensors of types that are not supported pass, without
 * data. All else is checked as for opening. */
tsr_status tsr_gguf_look(tsr_gguf **out, const char *path, tsr_error *err);
void tsr_gguf_close(tsr_gguf *g); /* NULL is fine; every view, key and span dies with it */

const char *tsr_gguf_path(const tsr_gguf *g); /* what was opened */
uint32_t tsr_gguf_version(const tsr_gguf *g);
size_t tsr_gguf_alignment(const tsr_gguf *g); /* of tensor data in the first part */
size_t tsr_gguf_n_parts(const tsr_gguf *g);   /* files; 1 when not split */
const char *tsr_gguf_part_path(const tsr_gguf *g, size_t part);
size_t tsr_gguf_part_bytes(const tsr_gguf *g, size_t part); /* of that file */
size_t tsr_gguf_mapped_bytes(const tsr_gguf *g);

/* tsr_file_let_go for all of these bytes: for when keys and small tensors have been read. */
void tsr_gguf_let_go(const tsr_gguf *g);

/* Types of metadata values, numbered as in the file. */
typedef enum tsr_gguf_type {
    TSR_GGUF_U8, TSR_GGUF_I8, TSR_GGUF_U16, TSR_GGUF_I16, TSR_GGUF_U32, TSR_GGUF_I32, TSR_GGUF_F32,
    TSR_GGUF_BOOL, TSR_GGUF_STR, TSR_GGUF_ARRAY, TSR_GGUF_U64, TSR_GGUF_I64, TSR_GGUF_F64,
    TSR_GGUF_N_TYPES
} tsr_gguf_type;

const char *tsr_gguf_type_name(tsr_gguf_type t); /* "u32" */

/* A string as it stands in the file: no zero byte ends it, and nobody checked that it is UTF-8. */
typedef struct tsr_gguf_str {
    const char *data;
    size_t len;
} tsr_gguf_str;

/* One metadata value. An array has one element type, never ARRAY. */
typedef struct tsr_gguf_value {
    tsr_gguf_type type; /* of the elements when is_array */
    bool is_array;
    size_t n;                  /* elements; 1 without an array */
    const unsigned char *data; /* the elements in the file, little-endian, unaligned */
    size_t n_bytes;            /* of all elements */
    size_t at;                 /* byte of the file where the key's record begins */
} tsr_gguf_value;

/* The metadata in the file's order (of the first part, where the file is split). Keys are printable
 * ASCII and stand once. */
size_t tsr_gguf_n_keys(const tsr_gguf *g);
const char *tsr_gguf_key(const tsr_gguf *g, size_t i);
const tsr_gguf_value *tsr_gguf_value_at(const tsr_gguf *g, size_t i);
const tsr_gguf_value *tsr_gguf_find(const tsr_gguf *g, const char *key); /* NULL when absent */

/* Element i < n as the widest number of its kind. False, and *out 0, when it isn't of that kind or
 * doesn't fit: u64 takes whole numbers >= 0, i64 whole numbers up to INT64_MAX, f64 F32 and F64. */
bool tsr_gguf_value_u64(const tsr_gguf_value *v, size_t i, uint64_t *out);
bool tsr_gguf_value_i64(const tsr_gguf_value *v, size_t i, int64_t *out);
bool tsr_gguf_value_f64(const tsr_gguf_value *v, size_t i, double *out);
bool tsr_gguf_value_bool(const tsr_gguf_value *v, size_t i, bool *out); /* BOOL alone */

/* Walk the strings of a STR value, array or not: begin, then next until it returns false. */
typedef struct tsr_gguf_strs {
    const unsigned char *at;
    size_t left; /* strings */
} tsr_gguf_strs;

tsr_gguf_strs tsr_gguf_strs_begin(const tsr_gguf_value *v); /* no strings when v is of another type */
bool tsr_gguf_strs_next(tsr_gguf_strs *it, tsr_gguf_str *out);

typedef enum tsr_gguf_need { TSR_GGUF_OPTIONAL, TSR_GGUF_REQUIRED } tsr_gguf_need;

/* One value by its key. Absent and OPTIONAL: TSR_OK, and *out stays as it was, so put the default there
 * first. Absent and REQUIRED, an array, another kind, or out of range: TSR_ERR_MODEL that names the key,
 * and *out stays too. A whole number of any width converts where its value fits; f32 takes F32, F64
 * (rounded) and whole numbers that it holds exactly, but neither NaN nor infinity. */
tsr_status tsr_gguf_get_u32(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint32_t *out, tsr_error *err);
tsr_status tsr_gguf_get_i32(const tsr_gguf *g, const char *key, tsr_gguf_need need, int32_t *out, tsr_error *err);
tsr_status tsr_gguf_get_u64(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint64_t *out, tsr_error *err);
tsr_status tsr_gguf_get_f32(const tsr_gguf *g, const char *key, tsr_gguf_need need, float *out, tsr_error *err);
tsr_status tsr_gguf_get_bool(const tsr_gguf *g, const char *key, tsr_gguf_need need, bool *out, tsr_error *err);
tsr_status tsr_gguf_get_str(const tsr_gguf *g, const char *key, tsr_gguf_need need, tsr_gguf_str *out, tsr_error *err);

/* n values by one key: an array of exactly n, or a single value that then stands for each (as writers
 * do for what may differ per layer). Otherwise as above; after an error dst is undefined. */
tsr_status tsr_gguf_get_u32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint32_t *dst, size_t n,
                             tsr_error *err);
tsr_status tsr_gguf_get_i32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, int32_t *dst, size_t n,
                             tsr_error *err);
tsr_status tsr_gguf_get_f32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, float *dst, size_t n,
                             tsr_error *err);
tsr_status tsr_gguf_get_bools(const tsr_gguf *g, const char *key, tsr_gguf_need need, bool *dst, size_t n,
                              tsr_error *err);

/* The spans of an array of strings, in memory of the caller's (tsr_free): 16 bytes for each, at most
 * twice the file's. Absent and OPTIONAL, or after an error: *out NULL, *n 0. */
tsr_status tsr_gguf_get_strs(const tsr_gguf *g, const char *key, tsr_gguf_need need, tsr_gguf_str **out, size_t *n,
                             tsr_error *err);

typedef struct tsr_gguf_tensor {
    const char *name; /* printable ASCII; stands once in all parts */
    /* Into the mapping, shape in PyTorch's order: the file's dimensions reversed. Of a type that is not supported, as
     * tsr_gguf_look lets in, data is NULL and type TSR_N_TYPES. */
    tsr_view view;
    const tsr_type_traits *traits; /* of the type in the file, supported or not */
    size_t part;
    size_t at;     /* byte of its part where its record begins, for messages */
    size_t offset; /* byte of its part where its data begins */
} tsr_gguf_tensor;

/* The tensors in the file's order, part after part. */
size_t tsr_gguf_n_tensors(const tsr_gguf *g);
const tsr_gguf_tensor *tsr_gguf_tensor_at(const tsr_gguf *g, size_t i);
const tsr_gguf_tensor *tsr_gguf_find_tensor(const tsr_gguf *g, const char *name); /* NULL when absent */

/* True when PATH is named as part *no (from 1) of *count: NAME-00001-of-0000N.gguf. */
bool tsr_gguf_split_name(const char *path, uint64_t *no, uint64_t *count);
/* The path of part `no` (from 1) beside PATH, which is named so; the caller's (tsr_free), NULL when memory is short. */
char *tsr_gguf_split_path(const char *path, uint64_t no);

/* The value of general.file_type: one number for the mixture of types in a file, as llama.cpp gives them.
 * NULL for a number that means nothing. */
const char *tsr_gguf_file_type_name(uint32_t id); /* "Q4_K_M" */
/* Upper or lower case; false, and *id as it was, for a name that is none. */
bool tsr_gguf_file_type_find(const char *name, uint32_t *id);

#ifdef __cplusplus
}
#endif
#endif
