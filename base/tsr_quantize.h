/* tsr_quantize.h: f32 weights are rounded to any float type, block types included.
 *
 * Every type is rounded for the least squared error, each value counting the same (there is no importance
 * matrix): scales and offsets are searched for, not taken from the largest value. The result depends on the
 * values alone, not on the CPU level or on what stands in other rows. docs/formats.md has the layouts, what the
 * search does and how large its errors are. No state, no allocation: any number of threads at once. */
#ifndef TSR_QUANTIZE_H
#define TSR_QUANTIZE_H

#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_quantize_result {
    TSR_QUANTIZE_OK,
    TSR_QUANTIZE_CLAMPED,   /* done, but a value is larger than the type can always say (most scales are f16): it may
                             * have become the largest one that can be said, which is finite when decoded */
    TSR_QUANTIZE_NOT_FINITE /* a value is NaN or infinite: nothing was written */
} tsr_quantize_result;

/* True for F32, F16, BF16 and all block types. */
bool tsr_type_can_quantize(tsr_type type);

/* Round a row of n values, whole blocks of `type`, which can be quantized, into the
 * n / block_elems * block_bytes bytes at dst; they need no alignment and don't overlap src. Values too small for
 * the type's scale become 0. F32, F16 and BF16 round to nearest even. What was written decodes to finite values. */
tsr_quantize_result tsr_quantize(tsr_type type, const float *src, size_t n, void *dst);

#ifdef __cplusplus
}
#endif
#endif
