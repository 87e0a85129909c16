/* int8_vnni.h: what rows (int8_vnni.c) and panels (int8_vnni_pack.c) of AVX-512 share. */
#ifndef TSR_INT8_VNNI_H
#define TSR_INT8_VNNI_H

#include <immintrin.h>
#include <string.h>

#include "int8_forms.h"

#define INLINE static inline __attribute__((always_inline))

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

enum { Q8_0_BYTES = 34 };

/* The 16 values of nibbles, moved by 128. */
INLINE __m512i iq4_numbers(__m512i nibbles)
{
    __m128i values = _mm_loadu_si128((const __m128i *)(const void *)tsri_iq4_values);
    __m512i table = _mm512_broadcast_i32x4(_mm_xor_si128(values, _mm_set1_epi8((char)0x80)));
    return _mm512_shuffle_epi8(table, nibbles);
}

/* Numbers of nibbles and, where the type has them, their fifth bits. */
INLINE __m512i nibble_numbers(const nibble_type t, __m512i nibbles, __mmask64 fifths)
{
    if (t.values)
        return iq4_numbers(nibbles);
    return t.fifths ? _mm512_mask_add_epi8(nibbles, fifths, nibbles, _mm512_set1_epi8(16)) : nibbles;
}

void tsri_int8_pack_avx512(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k);

#endif
