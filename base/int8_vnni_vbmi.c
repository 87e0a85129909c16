/* int8_vnni_vbmi.c: rows as those of int8_vnni.c, on processors that permute bytes too. */
#include "int8_512_rows.h"

void tsri_int8_rows_vbmi(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_input *x, size_t i, size_t k)
{
    rows(y, type, w, row_bytes, n, x, i, k);
}
