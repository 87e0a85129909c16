/* pairs_internal.h: products of many rows as pairs of BF16, where the processor multiplies tiles of them (AMX).
 *
 * Inputs are rounded to BF16, weights of block types too, which is nearer to the exact product than inputs of int8. A panel
 * holds 32 rows of weights over at most TSRI_PAIRS_K elements: [k / 2, 32 rows, 2]. Inputs lie as tiles are read: [k /
 * TSRI_PAIRS_K, n / 16, TSRI_PAIRS_K / 32, 16 rows, 32], so that those which meet a panel are together. */
#ifndef TSR_PAIRS_INTERNAL_H
#define TSR_PAIRS_INTERNAL_H

#include "int8_internal.h"

enum {
    TSRI_PAIRS_MIN_ROWS = 16, /* from here making values of blocks pays */
    TSRI_PAIRS_WHOLE = 32,    /* rows of inputs have a multiple of so many elements, which are part of a tile of */
    TSRI_PAIRS_ROWS = 16,     /* so many rows */
    TSRI_PAIRS_MAX_K = 1 << 17,
    TSRI_PAIRS_K = 256        /* elements of a row in a panel: it and the tiles it meets stay in the first cache */
};

typedef struct tsri_pairs_kernels {
    /* k inputs of one row, a multiple of TSRI_PAIRS_WHOLE and at most a stretch, to nearest even: 16 pairs in each of k / 32 tiles. */
    void (*round)(uint32_t *to, const float *x, size_t k);
    /* Rows [0, n) of w, row_bytes apart, k elements from a block's border on; zeros stand for rows n .. 31. Of BF16 or a block
     * type. work: a panel of its numbers. */
    void (*pack)(uint32_t *panel, tsri_int8_panel *work, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k);
    /* y[i * ldy + r] = from[i * ldf + r] + products of the panel's row r < n_out with row i < n of x, over k elements of the
     * stretch that begins at x. from: NULL for zeros; it may be y. Nothing beyond n_out is written. */
    void (*tile)(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const uint32_t *x, size_t n, size_t k,
                 size_t n_out);
} tsri_pairs_kernels;

/* Of the present level; NULL where it has none. */
const tsri_pairs_kernels *tsri_pairs_get(void);

extern const tsri_pairs_kernels tsri_pairs_amx;

#endif
