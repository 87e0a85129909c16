/* tsr_tensor.h: typed, read-only views of tensors. Shapes are in PyTorch's order, the last
 * dimension contiguous. Block types (quantised weights) fit in through tsr_type_traits. */
#ifndef TSR_TENSOR_H
#define TSR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_type {
    TSR_F32, TSR_F16, TSR_BF16, TSR_I64, TSR_I32, TSR_U8, TSR_BOOL,
    TSR_Q8_0, TSR_Q4_0, TSR_Q4_1, TSR_Q5_0, TSR_Q5_1, /* the block types, laid out as in quant.c */
    TSR_Q2_K, TSR_Q3_K, TSR_Q4_K, TSR_Q5_K, TSR_Q6_K, TSR_IQ4_NL, TSR_IQ4_XS, TSR_MXFP4,
    TSR_N_TYPES
} tsr_type;

typedef struct tsr_type_traits {
    const char *name;    /* "BF16" */
    size_t block_elems;  /* elements in one block along the last dimension; 1 for plain types */
    size_t block_bytes;
    bool is_float;       /* can be decoded to f32 */
} tsr_type_traits;

const tsr_type_traits *tsr_type_info(tsr_type t);
/* Types that hold several elements in one block: they have no address for a single element. */
static inline bool tsr_type_is_block(tsr_type t) { return tsr_type_info(t)->block_elems > 1; }
/* Types of weights beside which numbers may be rounded where products are fast (tsr_pool.h); with others they never are. */
static inline bool tsr_type_may_round(tsr_type t) { return t == TSR_BF16 || tsr_type_is_block(t); }
/* False, and *out as it was, when no type has that name ("BF16", "Q4_K"). */
bool tsr_type_from_name(const char *name, tsr_type *out);

enum { TSR_MAX_DIMS = 4 };

typedef struct tsr_view {
    const void *data;
    tsr_type type;
    unsigned n_dims;
    size_t shape[TSR_MAX_DIMS]; /* unused trailing entries are 1 */
    size_t n_elems;
    size_t n_bytes;
    bool in_file; /* data lies in a mapping of tsr_file.h */
} tsr_view;

/* Rows of a matrix view [rows, cols] and their size in bytes. For 3 dimensions [e, rows, cols]
 * take one slice first. */
static inline size_t tsr_view_rows(const tsr_view *v) { return v->n_dims >= 1 ? v->n_elems / v->shape[v->n_dims - 1] : 1; }
static inline size_t tsr_view_cols(const tsr_view *v) { return v->n_dims >= 1 ? v->shape[v->n_dims - 1] : 1; }
size_t tsr_view_row_bytes(const tsr_view *v);

/* Element i of the first dimension: [e, r, c] becomes [r, c]. i < shape[0]. */
tsr_view tsr_view_slice(const tsr_view *v, size_t i);
/* Rows [first, first + n) of a 2-d view. */
tsr_view tsr_view_take_rows(const tsr_view *v, size_t first, size_t n);
/* A view of f32 memory of the caller's, for weights that are made at open. */
tsr_view tsr_view_of_f32(const float *data, size_t rows, size_t cols);

/* A view of bytes that come from outside, checked: TSR_ERR_MODEL, with `what` in front of the reason, for more
 * than TSR_MAX_DIMS dimensions, a dimension of 0, a row that is not whole blocks of its type, a size that
 * overflows or that is more than the len_bytes at data, and data of a plain type that is not aligned to it.
 * A scalar (n_dims 0) is one element, so of a plain type. On failure *out is all 0. */
tsr_status tsr_view_make(tsr_view *out, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                         size_t len_bytes, const char *what, tsr_error *err);

/* Decode n elements starting at element `at` of row `row` into dst (f32). Float types only. Any `at` and n
 * within the row will do, but a part of a block costs as much as all of it. Exact for F32, F16 and BF16;
 * for block types each value is the reference's product of scale and number, to the bit. */
void tsr_view_decode(const tsr_view *v, size_t row, size_t at, size_t n, float *dst);

static inline float tsr_bf16_to_f32(uint16_t b)
{
    uint32_t u = (uint32_t)b << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
float tsr_f16_to_f32(uint16_t h);
uint16_t tsr_f32_to_bf16(float f); /* round to nearest even; NaN stays NaN */
uint16_t tsr_f32_to_f16(float f);  /* likewise; too large becomes infinity */

#ifdef __cplusplus
}
#endif
#endif
