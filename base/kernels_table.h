/* kernels_table.h: the table of a file that has all kernels of kernels_internal.h, under their own names. */
#ifndef TSR_KERNELS_TABLE_H
#define TSR_KERNELS_TABLE_H

#include "kernels_internal.h"

static void init_all(tsri_kernels *k)
{
    k->dot_f32 = dot_f32;
    k->dot_bf16 = dot_bf16;
    k->dot_f16 = dot_f16;
    k->dot_q8_0 = dot_q8_0;
    k->dot4_bf16 = dot4_bf16;
    k->tile_bf16 = tile_bf16;
    k->axpy_f32 = axpy_f32;
    k->axpy_bf16 = axpy_bf16;
    k->axpy_f16 = axpy_f16;
    k->axpy_q8_0 = axpy_q8_0;
    k->decode_bf16 = decode_bf16;
    k->decode_f16 = decode_f16;
    k->decode_q8_0 = decode_q8_0;
    k->exp_sum = exp_sum;
    k->gelu_mul = gelu_mul;
    k->sigmoid_mul = sigmoid_mul;
    k->max_f32 = max_f32;
    k->clamp = clamp;
    k->rms_norm = rms_norm;
    k->soft_cap = soft_cap;
}

#endif
