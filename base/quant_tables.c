/* quant_tables.c: values of nibbles that no formula gives.
 *
 * IQ4: llama.cpp's non-linear grid, the same in IQ4_NL and IQ4_XS. MXFP4: the OCP Microscaling v1.0 type
 * E2M1 (sign, 2 bits of exponent, 1 of mantissa), doubled so that all are whole; the scale is halved for it. */
#include "quant_internal.h"

const int8_t tsri_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

const int8_t tsri_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
