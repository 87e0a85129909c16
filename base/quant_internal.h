/* quant_internal.h: block types (quantised weights) become f32. */
#ifndef TSR_QUANT_INTERNAL_H
#define TSR_QUANT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_tensor.h"

enum { TSRI_QUANT_MAX_ELEMS = 256 }; /* of one block of any type */

/* Elements [at, at + n) of a row that is whole blocks of `type`, a block type. `row` needs no alignment;
 * no byte outside the blocks that hold those elements is read. */
void tsri_quant_decode(tsr_type type, const void *row, size_t at, size_t n, float *dst);

/* The 16 values that a nibble of IQ4_NL and IQ4_XS stands for, and one of MXFP4 (doubled). */
extern const int8_t tsri_iq4_values[16];
extern const int8_t tsri_mxfp4_values[16];

#endif
