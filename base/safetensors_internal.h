/* safetensors_internal.h: the header of one mapped .safetensors file becomes checked views. */
#ifndef TSR_SAFETENSORS_INTERNAL_H
#define TSR_SAFETENSORS_INTERNAL_H

#include "tsr_file.h"
#include "tsr_tensor.h"

/* Called for each tensor in the file's order; name lives for the call. */
typedef tsr_status (*tsri_tensor_fn)(void *user, const char *name, const tsr_view *view, tsr_error *err);

/* Check everything (lengths, shapes, types, offsets, that data ranges neither overlap nor leave holes)
 * and report each tensor. `path` stands in errors. */
tsr_status tsri_safetensors_read(tsr_bytes file, const char *path, tsri_tensor_fn fn, void *user, tsr_error *err);

#endif
