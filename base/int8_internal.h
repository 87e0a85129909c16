/* int8_internal.h: products of block types with inputs rounded to int8.
 *
 * A weight of a block type is a[g] (q - zero) + o[g]: q a whole number of 0 .. 255, g its group of 16 or 32 elements, zero
 * one number for the type, o only in types that have offsets. An input is xs[b] p: p of int8, b its block of 32 elements.
 * So a group's share of a dot product is xs a (sum of q p - zero sum of p) + o xs (sum of p): the first sum is the kernels'
 * work, the others belong to the input alone and are made once for all rows of weights (`corr`).
 *
 * Sums of a group are exact; what differs between levels is the order in which groups are added. */
#ifndef TSR_INT8_INTERNAL_H
#define TSR_INT8_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_cpu.h"
#include "tsr_tensor.h"

enum {
    TSRI_INT8_BLOCK = 32,     /* elements of an input that share a scale */
    TSRI_INT8_OUT = 32,       /* rows of weights in a panel */
    TSRI_INT8_PANEL_K = 512,  /* elements of a row in a panel: whole blocks of every type */
    TSRI_INT8_MAX_K = 1 << 20,
    TSRI_INT8_PAD = 256       /* arrays of an input are as long as if its row were a multiple of this; zeros fill them */
};

/* How a type's numbers are to be read. group 0: no block type. */
typedef struct tsri_int8_form {
    uint8_t group; /* elements that share a and o: 16 or 32 */
    uint8_t zero;
    bool offsets;
    uint8_t top;   /* the largest q there can be */
    bool nibbles;  /* a block has 32 elements, and of them i < 16 and 16 + i in one byte */
} tsri_int8_form;

tsri_int8_form tsri_int8_form_of(tsr_type type);

/* Rows of input, rounded. Row i of each array begins i * its stride after the pointer. Fine ones have numbers of 16 bits, 256 p + lo: what is
 * said of p below is then said of these. No lo is -128, whose sign some levels could not turn: such a number is taken for the next larger
 * one. */
typedef struct tsri_int8_input {
    int8_t *p;     /* [n, k] */
    int8_t *lo;    /* [n, k], or NULL */
    bool in_order; /* p and lo are in the order of nibbles: of each four blocks all first halves, then all second ones */
    float *xs;     /* [n, k / 32]; NaN where the block holds a value that is not finite */
    void *corr;    /* [n, k / group]: int32 -zero * (sum of p), or with offsets f32 xs * (sum of p) */
    size_t ldp, lds, ldc; /* strides, in elements */
} tsri_int8_input;

/* 32 rows of weights over at most PANEL_K elements, in the order in which a tile reads them. */
typedef struct tsri_int8_panel {
    uint8_t q[TSRI_INT8_PANEL_K * TSRI_INT8_OUT];      /* [k / 4, 32 rows, 4] */
    float a[TSRI_INT8_PANEL_K / 16 * TSRI_INT8_OUT];   /* [k / group, 32] */
    float o[TSRI_INT8_PANEL_K / 16 * TSRI_INT8_OUT];
} tsri_int8_panel;

/* y[i * ldy + r] = from[i * ldf + r] + products of the panel's row r < n_out with row i < n of x from its element k0 on, over k
 * elements. from: NULL for zeros; it may be y. Nothing beyond n_out is written. */
typedef void tsri_int8_tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                            const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out);

/* y[r] = products of rows r < n of w, row_bytes apart, with row i of x; k whole blocks. */
typedef void tsri_int8_rows(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_input *x, size_t i, size_t k);

typedef struct tsri_int8_kernels {
    /* n blocks of input: their numbers p[32 n], scales xs[n], and sums of 16 numbers halves[2 n]. NaN, and all else 0, for a
     * block with a NaN or an infinity. */
    void (*round)(int8_t *p, float *xs, int32_t *halves, const float *x, size_t n);
    /* The same of fine ones. */
    void (*round_fine)(int8_t *p, int8_t *lo, float *xs, int32_t *halves, const float *x, size_t n);
    /* Rows [0, n) of w, row_bytes apart, k elements from a block's border on: into a panel. Rows n .. 31 become zeros. */
    void (*pack)(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k);
    tsri_int8_tile *tile;
    tsri_int8_tile *other_tile; /* another way to the same bits, which took longer here; NULL where there is none */
    tsri_int8_rows *rows;
    tsri_int8_rows *other_rows; /* likewise, which isn't the way for this processor */
    bool by_nibbles; /* rows of types with nibbles want inputs in their order */
} tsri_int8_kernels;

void tsri_int8_init(tsri_int8_kernels *k, tsr_cpu_level level); /* later lines win: C first, newest last */
const tsri_int8_kernels *tsri_int8_get(void);                   /* the table for tsr_cpu_get() */

void tsri_int8_init_c(tsri_int8_kernels *k);
void tsri_int8_init_avx2(tsri_int8_kernels *k);
void tsri_int8_init_avxvnni(tsri_int8_kernels *k);
void tsri_int8_init_vnni(tsri_int8_kernels *k);
void tsri_int8_init_dotprod(tsri_int8_kernels *k);
void tsri_int8_init_i8mm(tsri_int8_kernels *k);

#endif
