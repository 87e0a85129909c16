/* gemm_pack.h: packing of BF16 and F32 rows of W (gemm_internal.h), for a file that has OUTS, LANES and pack_lanes: LANES rows
 * of `len` bytes each, those from n on zeros; of each 4 bytes either themselves or the two BF16 in them, widened. */
#ifndef TSR_GEMM_PACK_H
#define TSR_GEMM_PACK_H

#include "gemm_internal.h"

static inline __attribute__((always_inline)) void pack(uint32_t *panel, const void *w, size_t row_bytes, size_t n,
                                                       size_t len, bool widen)
{
    for (size_t r = 0; r < OUTS; r += LANES)
        pack_lanes(panel + r, (const unsigned char *)w + (r < n ? r * row_bytes : 0), row_bytes, n > r ? n - r : 0, len,
                   widen);
}

static void pack_bf16(uint32_t *panel, const uint16_t *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, true);
}

static void pack_f32(uint32_t *panel, const float *w, size_t ldw, size_t n, size_t k)
{
    pack(panel, w, ldw * sizeof *w, n, k * sizeof *w, false);
}

#endif
