/* ggml_types_internal.h: the numbers that GGUF files give to types, in one place for reader and writer. */
#ifndef TSR_GGML_TYPES_INTERNAL_H
#define TSR_GGML_TYPES_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "tsr_tensor.h"

/* False, and *out as it was, for a type that is not supported (it may still have a name) or not known. */
bool tsri_ggml_type_find(uint32_t id, tsr_type *out);

/* The name that ggml gives to a number ("Q4_K", "IQ2_XXS"), also of types that are not supported and of
 * numbers that are no longer in use; NULL for a number that means nothing. */
const char *tsri_ggml_type_name(uint32_t id);

/* What is known of a type that is not supported: name, elements and bytes of a block. NULL for one that is, for one
 * whose blocks are not known, and for a number that means nothing. */
const tsr_type_traits *tsri_ggml_type_other(uint32_t id);

/* False, and *id as it was, for the types that ggml lacks: U8 and BOOL. */
bool tsri_ggml_type_id(tsr_type t, uint32_t *id);

#endif
