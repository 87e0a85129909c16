/* gguf_writer.h: .gguf files for tests, good ones and any broken one.
 *
 * A file is built from pairs and tensors in the order of the calls; whatever a good writer would refuse
 * can be written too, and gg_bytes tells where every count, length and type stands, to be overwritten.
 * Uses malloc, not tsr_alloc, so that allocation counts and planted failures see the library alone. */
#ifndef GGUF_WRITER_H
#define GGUF_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf.h"

typedef struct gg_writer gg_writer;

gg_writer *gg_new(void);   /* version 3, alignment 32 */
void gg_free(gg_writer *w); /* NULL is fine */

void gg_set_version(gg_writer *w, uint32_t version);
/* The alignment that data and offsets get; writes no key. */
void gg_set_alignment(gg_writer *w, size_t alignment);

void gg_u32(gg_writer *w, const char *key, uint32_t v);
void gg_f32(gg_writer *w, const char *key, float v);
void gg_str(gg_writer *w, const char *key, const char *v);
/* n_bytes of any value of any type, as they are. */
void gg_scalar(gg_writer *w, const char *key, uint32_t type, const void *data, size_t n_bytes);
/* An array that claims n elements, with n_bytes of them. */
void gg_array(gg_writer *w, const char *key, uint32_t elem_type, uint64_t n, const void *data, size_t n_bytes);
void gg_strs(gg_writer *w, const char *key, size_t n, const char *const *strings);
/* split.no (from 0), split.count, split.tensors.count with the types that other writers use. */
void gg_split(gg_writer *w, unsigned no, unsigned count, unsigned n_tensors);

/* A tensor by ggml's number of its type; shape in PyTorch's order; data behind the one before. */
void gg_tensor(gg_writer *w, const char *name, uint32_t ggml_type, unsigned n_dims, const size_t *shape,
               const void *data, size_t n_bytes);
/* The same with an offset of the caller's; adds no data. */
void gg_tensor_at(gg_writer *w, const char *name, uint32_t ggml_type, unsigned n_dims, const size_t *shape,
                  uint64_t offset);
/* Data that belongs to no tensor, behind the last one's. */
void gg_data(gg_writer *w, const void *data, size_t n_bytes);

/* A number in the file that a reader must distrust. */
typedef struct gg_mark {
    const char *what; /* "tensor count" */
    size_t at;
    size_t n_bytes; /* 4 or 8 */
} gg_mark;

/* The whole file, the caller's (free); header_len: bytes before the padding that the data follows.
 * marks: the writer's, until the next call. All but len may be NULL. */
unsigned char *gg_bytes(gg_writer *w, size_t *len, size_t *header_len, const gg_mark **marks, size_t *n_marks);
void gg_write(gg_writer *w, const char *path);

#endif
