/* int8_i8mm.c: aarch64 with products of 2x8 by 8x2 matrices of int8 (SMMLA): two outputs by two rows of input at once. */
#include "int8_neon.h"

/* Bytes of two steps of four outputs: eight elements of each, one output after the other. */
INLINE void eights(int8x16_t w[2], bool is_signed, const uint8_t *q)
{
    int32x4_t first = vreinterpretq_s32_s8(numbers(is_signed, q));
    int32x4_t second = vreinterpretq_s32_s8(numbers(is_signed, q + 4 * TSRI_INT8_OUT));
    w[0] = vreinterpretq_s8_s32(vzip1q_s32(first, second));
    w[1] = vreinterpretq_s8_s32(vzip2q_s32(first, second));
}

INLINE void by_pairs(int32x4_t s[AT_ONCE][LANES], size_t n, size_t group, bool is_signed, const uint8_t *q, const int8_t *p,
                     size_t ldp)
{
    int32x4_t m[AT_ONCE / 2][LANES][2]; /* of two rows: outputs 4 l, 4 l + 1 and then the next two, each by both rows */
    for (size_t i = 0; i < n / 2; i++)
        for (size_t l = 0; l < LANES; l++)
            m[i][l][0] = m[i][l][1] = vdupq_n_s32(0);
    for (size_t e = 0; e < group; e += 8) {
        int8x16_t x[AT_ONCE / 2];
        for (size_t i = 0; i < n / 2; i++)
            x[i] = vcombine_s8(vld1_s8(p + 2 * i * ldp + e), vld1_s8(p + (2 * i + 1) * ldp + e));
        for (size_t l = 0; l < LANES; l++) {
            int8x16_t w[2];
            eights(w, is_signed, q + e * TSRI_INT8_OUT + 16 * l);
            for (size_t i = 0; i < n / 2; i++) {
                m[i][l][0] = vmmlaq_s32(m[i][l][0], w[0], x[i]);
                m[i][l][1] = vmmlaq_s32(m[i][l][1], w[1], x[i]);
            }
        }
    }
    for (size_t i = 0; i < n / 2; i++)
        for (size_t l = 0; l < LANES; l++) {
            s[2 * i][l] = vaddq_s32(s[2 * i][l], vuzp1q_s32(m[i][l][0], m[i][l][1]));
            s[2 * i + 1][l] = vaddq_s32(s[2 * i + 1][l], vuzp2q_s32(m[i][l][0], m[i][l][1]));
        }
}

INLINE void group_sums(int32x4_t s[AT_ONCE][LANES], size_t n, size_t group, bool is_signed, const uint8_t *q, const int8_t *p,
                       size_t ldp)
{
    if (n == 1)
        group_sums_by_dots(s, n, group, is_signed, q, p, ldp);
    else
        by_pairs(s, n, group, is_signed, q, p, ldp);
}

void tsri_int8_init_i8mm(tsri_int8_kernels *k)
{
    *k = TSRI_INT8_NEON_KERNELS;
}
