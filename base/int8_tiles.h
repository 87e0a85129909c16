/* int8_tiles.h: `tile` of the kernels where sums of AT_ONCE rows of input lie in memory as floats, for a file that has said INLINE, AT_ONCE,
 * tile_rows, which adds a panel's products with n rows, fine ones or not, to them, and rows_of_tile, how many of n rows that are left come
 * next: AT_ONCE, 2 or 1. */
#ifndef TSR_INT8_TILES_H
#define TSR_INT8_TILES_H

#include "int8_forms.h"

INLINE void tile_rows_of(bool fine, size_t n, tsri_int8_form form, float sums[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                      const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (n == AT_ONCE)
        tile_rows(AT_ONCE, fine, form, sums, panel, x, first, k0, k);
    else if (n == 2)
        tile_rows(2, fine, form, sums, panel, x, first, k0, k);
    else
        tile_rows(1, fine, form, sums, panel, x, first, k0, k);
}

/* Most often all outputs of a panel: a copy of a constant size needs no call. */
INLINE void copy_outputs(float *to, const float *from, size_t n)
{
    if (n == TSRI_INT8_OUT)
        memcpy(to, from, TSRI_INT8_OUT * sizeof *to);
    else
        memcpy(to, from, n * sizeof *to);
}

static void tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                 const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    for (size_t i = 0, now; i < n; i += now) {
        now = rows_of_tile(n - i);
        float sums[AT_ONCE][TSRI_INT8_OUT] = {{0}};
        for (size_t r = 0; from && r < now; r++)
            copy_outputs(sums[r], from + (i + r) * ldf, n_out);
        if (x->lo)
            tile_rows_of(true, now, form, sums, panel, x, first + i, k0, k);
        else
            tile_rows_of(false, now, form, sums, panel, x, first + i, k0, k);
        for (size_t r = 0; r < now; r++)
            copy_outputs(y + (i + r) * ldy, sums[r], n_out);
    }
}

#endif
