/* hash_model.h: the tiny models of make_models.py, made again in C from the committed manifests.
 *
 * Every weight is a fixed function of the tensor's name and the element's index, so a model folder
 * costs nothing to keep; the bytes are the same as the Python script's. */
#ifndef ORACLE_HASH_MODEL_H
#define ORACLE_HASH_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* The start of a tensor's sequence: FNV-1a of its name. */
uint32_t oracle_hash_seed(const char *name);

/* f32(offset + scale * u(i)), u in [-1, 1). */
float oracle_hash_value(uint32_t seed, uint64_t i, double offset, double scale);

uint16_t oracle_bf16_from_f32(float v); /* to nearest, ties to even; v is finite */

/* Write the model `name` ("e2b", "e4b", "31b", "26b", "12b", "text", each also with "-bf16") into the
 * folder `dir`, made if absent: configuration, tokenizer and weights. */
tsr_status oracle_model_write(const char *dir, const char *name, tsr_error *err);
/* Unless it is there. */
tsr_status oracle_model_write_once(const char *dir, const char *name, tsr_error *err);

#endif
