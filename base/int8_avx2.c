/* int8_avx2.c: AVX2. The plain kernels, compiled with its instructions. */
#include "int8_forms.h"

static void pack(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k)
{
    tsri_int8_pack_rows(panel, type, w, row_bytes, n, k);
}

static void rows(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_input *x, size_t i,
                 size_t k)
{
    tsri_int8_rows_by_blocks(y, type, w, row_bytes, n, x, i, k);
}

void tsri_int8_init_avx2(tsri_int8_kernels *k)
{
    k->pack = pack;
    k->rows = rows;
}
