/* int8_dotprod.c: aarch64 with dot products of four int8 (SDOT). */
#include "int8_neon.h"

INLINE void group_sums(int32x4_t s[AT_ONCE][LANES], size_t n, size_t group, bool is_signed, const uint8_t *q, const int8_t *p,
                       size_t ldp)
{
    group_sums_by_dots(s, n, group, is_signed, q, p, ldp);
}

void tsri_int8_init_dotprod(tsri_int8_kernels *k)
{
    *k = TSRI_INT8_NEON_KERNELS;
}
