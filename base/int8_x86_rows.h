/* int8_x86_rows.h: the rows of all types, for a file that has said those of each (int8_avx2.c, int8_vnni.c). */
#ifndef TSR_INT8_X86_ROWS_H
#define TSR_INT8_X86_ROWS_H

#include "int8_x86.h"

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float mxfp4_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float q2_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float q3_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float iq4_xs_row(const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float nibble_row(const nibble_type t, const uint8_t *w, const tsri_int8_row *x, size_t k);
INLINE float q45_k_row(bool five, const uint8_t *w, const tsri_int8_row *x, size_t k);

INLINE float one_product(tsr_type type, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    switch (type) {
    case TSR_Q8_0: return q8_0_row(w, x, k);
    case TSR_Q4_0: return nibble_row(TYPE_Q4_0, w, x, k);
    case TSR_Q4_1: return nibble_row(TYPE_Q4_1, w, x, k);
    case TSR_Q5_0: return nibble_row(TYPE_Q5_0, w, x, k);
    case TSR_Q5_1: return nibble_row(TYPE_Q5_1, w, x, k);
    case TSR_IQ4_NL: return nibble_row(TYPE_IQ4_NL, w, x, k);
    case TSR_MXFP4: return mxfp4_row(w, x, k);
    case TSR_Q2_K: return q2_k_row(w, x, k);
    case TSR_Q3_K: return q3_k_row(w, x, k);
    case TSR_Q4_K: return q45_k_row(false, w, x, k);
    case TSR_Q5_K: return q45_k_row(true, w, x, k);
    case TSR_Q6_K: return q6_k_row(w, x, k);
    default: return iq4_xs_row(w, x, k); /* the last of them: callers come with block types */
    }
}

#include "int8_rows.h"

#endif
