/* int8_x86.h: what rows of weights share at AVX2 and above: scales and other small parts of blocks. */
#ifndef TSR_INT8_X86_H
#define TSR_INT8_X86_H

#include <immintrin.h>
#include <string.h>

#include "int8_forms.h"

#define INLINE static inline __attribute__((always_inline))

enum { Q8_0_BYTES = 34, MXFP4_BYTES = 17, Q2_K_BYTES = 84, Q3_K_BYTES = 110, Q4_K_BYTES = 144, Q5_K_BYTES = 176,
       Q6_K_BYTES = 210, IQ4_XS_BYTES = 136 };

/* Types of 32 elements with 16 bytes of nibbles, sizes in words of 16 bits. A block begins with its scale, then the offset. */
typedef struct nibble_type {
    size_t words, qs; /* of a block; before its nibbles */
    bool offsets, values;
    size_t fifths; /* words before the fifth bits, 0: none */
} nibble_type;

#define TYPE_Q4_0 ((nibble_type){.words = 9, .qs = 1})
#define TYPE_Q4_1 ((nibble_type){.words = 10, .qs = 2, .offsets = true})
#define TYPE_Q5_0 ((nibble_type){.words = 11, .qs = 3, .fifths = 1})
#define TYPE_Q5_1 ((nibble_type){.words = 12, .qs = 4, .fifths = 2, .offsets = true})
#define TYPE_IQ4_NL ((nibble_type){.words = 9, .qs = 1, .values = true})

INLINE __m256i load32(const void *p)
{
    return _mm256_loadu_si256(p);
}

INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128(p);
}

INLINE uint32_t four_bytes(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE int16_t word(const uint8_t *p)
{
    int16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Four numbers of input, to be spread. */
INLINE int32_t four_numbers(const int8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The scales of the eight groups of a Q4_K or Q5_K block, then their offsets (tsri_take_k_scale), as bytes. It begins with d and dmin and
 * four bytes of each of s, t and u: those of scales, of offsets, and of the last four groups of both. */
INLINE __m128i k_scale_bytes(const uint8_t *w)
{
    __m128i head = load16(w);
    __m128i low = _mm_srlv_epi32(_mm_shuffle_epi32(head, 0xed), _mm_set_epi32(4, 0, 0, 0)); /* s, u, t and the high halves of u */
    __m128i high = _mm_srli_epi32(_mm_shuffle_epi32(head, 0xa5), 2);                       /* s and t in the second and last place */
    low = _mm_and_si128(low, _mm_set_epi32(0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f));
    return _mm_or_si128(low, _mm_and_si128(high, _mm_set_epi32(0x30303030, 0, 0x30303030, 0)));
}

/* The sixteen scales of a Q3_K block (tsri_q3_k_scale), as bytes and 32 too large. */
INLINE __m128i q3_k_scale_bytes(const uint8_t *s)
{
    const uint32_t low = 0x0f0f0f0f, two = 0x03030303;
    uint32_t s0 = four_bytes(s), s1 = four_bytes(s + 4), t = four_bytes(s + 8);
    return _mm_set_epi32((int)((s1 >> 4 & low) | (t >> 6 & two) << 4), (int)((s0 >> 4 & low) | (t >> 4 & two) << 4),
                         (int)((s1 & low) | (t >> 2 & two) << 4), (int)((s0 & low) | (t & two) << 4));
}

/* tsri_e8m0_half of the eight bytes that begin at w, `bytes` apart. */
INLINE __m256 eight_e8m0_halves(const uint8_t *w, size_t bytes)
{
    __m128i b = _mm_cvtsi32_si128(w[0]);
    b = _mm_insert_epi8(b, w[1 * bytes], 1);
    b = _mm_insert_epi8(b, w[2 * bytes], 2);
    b = _mm_insert_epi8(b, w[3 * bytes], 3);
    b = _mm_insert_epi8(b, w[4 * bytes], 4);
    b = _mm_insert_epi8(b, w[5 * bytes], 5);
    b = _mm_insert_epi8(b, w[6 * bytes], 6);
    __m256i e = _mm256_cvtepu8_epi32(_mm_insert_epi8(b, w[7 * bytes], 7)), one = _mm256_set1_epi32(1);
    __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e), others = _mm256_slli_epi32(_mm256_sub_epi32(e, one), 23);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(others, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}

/* The scales of an IQ4_XS block's eight groups (tsri_iq4_xs_scale). */
INLINE __m256 iq4_xs_scales(const uint8_t *w)
{
    const __m256i group = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    __m256i low = _mm256_srlv_epi32(_mm256_set1_epi32(four_numbers((const int8_t *)w + 4)), _mm256_slli_epi32(group, 2));
    __m256i high = _mm256_srlv_epi32(_mm256_set1_epi32(word(w + 2)), _mm256_slli_epi32(group, 1));
    low = _mm256_and_si256(low, _mm256_set1_epi32(15));
    high = _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(3)), 4);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_or_si256(low, high), _mm256_set1_epi32(32)));
}

#endif
