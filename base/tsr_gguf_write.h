/* tsr_gguf_write.h: a GGUF file (version 3) written whole or not at all, in one pass and in bounded memory.
 *
 *   tsr_gguf_writer *w;
 *   st = tsr_gguf_writer_open(&w, "model.gguf", 0, err);
 *   tsr_gguf_put_str(w, "general.architecture", "gemma4", 6);   metadata in the order of the calls
 *   tsr_gguf_add_tensor(w, "token_embd.weight", TSR_Q6_K, 2, shape);
 *   st = tsr_gguf_writer_begin(w, err);                         the header, with every offset
 *   st = tsr_gguf_writer_data(w, bytes, n, err);                tensor after tensor, in pieces of any size
 *   st = tsr_gguf_writer_finish(w, err);
 *   tsr_gguf_writer_close(w);
 *
 * All goes into a temporary file beside PATH, which takes PATH's place when it is complete and synced.
 * Before that, whatever fails or is given up leaves an old PATH as it was and no temporary file; only a
 * killed process leaves one, PATH.<pid>-<n>.tmp.
 *
 * The puts and adds cannot fail where they stand: the first failure (memory, a key or tensor given twice, a
 * name that no reader takes, a shape that the type's blocks do not divide) is kept and begin tells it.
 * Threads: one at a time. */
#ifndef TSR_GGUF_WRITE_H
#define TSR_GGUF_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf.h"
#include "tsr_status.h"
#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_gguf_writer tsr_gguf_writer;

/* alignment: a power of two from 8 on, or 0 for the format's 32; another one is written as
 * general.alignment. Nothing is created on disk yet. On failure *out is NULL. */
tsr_status tsr_gguf_writer_open(tsr_gguf_writer **out, const char *path, size_t alignment, tsr_error *err);
void tsr_gguf_writer_close(tsr_gguf_writer *w); /* NULL is fine; gives up what is not finished */

void tsr_gguf_put_u8(tsr_gguf_writer *w, const char *key, uint8_t v);
void tsr_gguf_put_i8(tsr_gguf_writer *w, const char *key, int8_t v);
void tsr_gguf_put_u16(tsr_gguf_writer *w, const char *key, uint16_t v);
void tsr_gguf_put_i16(tsr_gguf_writer *w, const char *key, int16_t v);
void tsr_gguf_put_u32(tsr_gguf_writer *w, const char *key, uint32_t v);
void tsr_gguf_put_i32(tsr_gguf_writer *w, const char *key, int32_t v);
void tsr_gguf_put_u64(tsr_gguf_writer *w, const char *key, uint64_t v);
void tsr_gguf_put_i64(tsr_gguf_writer *w, const char *key, int64_t v);
void tsr_gguf_put_f32(tsr_gguf_writer *w, const char *key, float v);
void tsr_gguf_put_f64(tsr_gguf_writer *w, const char *key, double v);
void tsr_gguf_put_bool(tsr_gguf_writer *w, const char *key, bool v);
void tsr_gguf_put_str(tsr_gguf_writer *w, const char *key, const char *s, size_t len);

/* n numbers of C's type for `type` (uint32_t for U32, float for F32, bool for BOOL); neither STR nor ARRAY. */
void tsr_gguf_put_array(tsr_gguf_writer *w, const char *key, tsr_gguf_type type, const void *data, size_t n);
void tsr_gguf_put_strs(tsr_gguf_writer *w, const char *key, const tsr_gguf_str *strs, size_t n);

/* A value of an open file as it stands there. */
void tsr_gguf_put_value(tsr_gguf_writer *w, const char *key, const tsr_gguf_value *v);

/* The next tensor; shape in PyTorch's order, copied as the name is. At most 63 bytes of name: other programs
 * take no more. */
void tsr_gguf_add_tensor(tsr_gguf_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape);

/* Write the header and take the room for all data. TSR_ERR_USAGE or NOMEM for what was put and added,
 * TSR_ERR_IO, PERM or NOINPUT for what the system refuses. Afterwards nothing can be put or added. */
tsr_status tsr_gguf_writer_begin(tsr_gguf_writer *w, tsr_error *err);

uint64_t tsr_gguf_writer_total_bytes(const tsr_gguf_writer *w); /* of the whole file; known after begin */

/* The next len bytes of the tensors' data; padding is the writer's. */
tsr_status tsr_gguf_writer_data(tsr_gguf_writer *w, const void *data, size_t len, tsr_error *err);

/* sync: all data is there and on the disk. finish: syncs what is not, and PATH is the new file. With several
 * files that belong together, sync each before the first is finished. Between the two the complete file stands
 * under tsr_gguf_writer_temporary, to be looked at (NULL before begin and after finish). */
tsr_status tsr_gguf_writer_sync(tsr_gguf_writer *w, tsr_error *err);
tsr_status tsr_gguf_writer_finish(tsr_gguf_writer *w, tsr_error *err);
const char *tsr_gguf_writer_temporary(const tsr_gguf_writer *w);

#ifdef __cplusplus
}
#endif
#endif
