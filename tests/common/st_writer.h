/* st_writer.h: .safetensors files for tests, good ones and (through st_raw) any broken one.
 *
 * Uses malloc, not tsr_alloc, so that allocation counts and planted failures see the library alone.
 * What goes wrong here ends the test program: a test that can't make its input has no result. */
#ifndef ST_WRITER_H
#define ST_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_tensor.h"

typedef struct st_writer st_writer;

st_writer *st_new(void);
void st_free(st_writer *w); /* NULL is fine */

/* Append one tensor; `data` (its bytes, C order) is copied. Data stands in the file in this order. */
void st_add(st_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape, const void *data);

/* The same from f32 values, rounded to `type` (F32, F16 or BF16). */
void st_add_f32(st_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape,
                const float *values);

/* The whole file, the caller's (free). The header is padded with spaces to 8 bytes. */
unsigned char *st_bytes(const st_writer *w, size_t *len);
void st_write(const st_writer *w, const char *path);

/* A file of exactly this header text and these data bytes, padded with nothing; the caller's (free). */
unsigned char *st_raw(const char *header, size_t header_len, const void *data, size_t data_len, size_t *len);

#endif
