/* int8_vnni.h: what rows (int8_vnni.c), panels (int8_vnni_pack.c) and tiles (int8_vnni_tiles.c) of AVX-512 share. */
#ifndef TSR_INT8_VNNI_H
#define TSR_INT8_VNNI_H

#include "int8_x86.h"

/* The 16 values that nibbles stand for, moved by 128. */
INLINE __m512i iq4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_xor_si128(load16(tsri_iq4_values), _mm_set1_epi8((char)0x80)));
}

INLINE __m512i iq4_numbers(__m512i nibbles)
{
    return _mm512_shuffle_epi8(iq4_table(), nibbles);
}

/* Numbers of nibbles and, where the type has them, their fifth bits. */
INLINE __m512i nibble_numbers(const nibble_type t, __m512i nibbles, __mmask64 fifths)
{
    if (t.values)
        return iq4_numbers(nibbles);
    return t.fifths ? _mm512_mask_add_epi8(nibbles, fifths, nibbles, _mm512_set1_epi8(16)) : nibbles;
}

void tsri_int8_pack_avx512(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k);

tsri_int8_rows tsri_int8_rows_vbmi; /* for processors with AVX512_VBMI */

/* Both ways of a tile, the one that takes less time on this processor first: measured when they are asked for first. Any thread. */
void tsri_int8_tiles_avx512(tsri_int8_tile *ways[2]);

#endif
