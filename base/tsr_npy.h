/* tsr_npy.h: writing arrays as NumPy's .npy files (version 1.0, C order, little-endian). */
#ifndef TSR_NPY_H
#define TSR_NPY_H

#include <stddef.h>

#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whole arrays of F32, I32 or U8, put into place by a rename, so never half there (but not synced: a
 * dump is no document). 1 <= n_dims <= TSR_MAX_DIMS. */
tsr_status tsr_npy_write(const char *path, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                         tsr_error *err);

/* Row by row, for arrays that need not fit in memory: the header is completed by the close, which
 * renames the file into place. shape[0] is counted. */
typedef struct tsr_npy_writer tsr_npy_writer;
tsr_status tsr_npy_open(tsr_npy_writer **out, const char *path, tsr_type type, unsigned n_dims, const size_t *shape,
                        tsr_error *err);
tsr_status tsr_npy_append(tsr_npy_writer *w, const void *rows, size_t n_rows, tsr_error *err);
/* keep false (or a failure before, which is then reported): the temporary file is removed, nothing is
 * left behind. w is gone in every case; NULL is fine. */
tsr_status tsr_npy_close(tsr_npy_writer *w, bool keep, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
