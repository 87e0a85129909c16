/* int8_vnni_pack.c: panels packed sixteen rows of weights at a time: a quarter of a vector is a row's 16 bytes, and columns of
 * four bytes are what a panel holds next to each other. */
#include "int8_vnni.h"

enum { SOME = 16 }; /* rows at a time */

/* Bytes 4 i .. 4 i + 3 of sixteen rows, `stride` apart: column[i], i < 4. */
INLINE void columns_of(__m512i column[4], const uint8_t *p, size_t stride)
{
    __m512i four[4]; /* rows j, 4 + j, 8 + j and 12 + j */
    for (size_t j = 0; j < 4; j++) {
        __m512i v = _mm512_castsi128_si512(load16(p + j * stride));
        v = _mm512_inserti32x4(v, load16(p + (4 + j) * stride), 1);
        v = _mm512_inserti32x4(v, load16(p + (8 + j) * stride), 2);
        four[j] = _mm512_inserti32x4(v, load16(p + (12 + j) * stride), 3);
    }
    __m512i a = _mm512_unpacklo_epi32(four[0], four[1]), b = _mm512_unpackhi_epi32(four[0], four[1]);
    __m512i c = _mm512_unpacklo_epi32(four[2], four[3]), d = _mm512_unpackhi_epi32(four[2], four[3]);
    column[0] = _mm512_unpacklo_epi64(a, c);
    column[1] = _mm512_unpackhi_epi64(a, c);
    column[2] = _mm512_unpacklo_epi64(b, d);
    column[3] = _mm512_unpackhi_epi64(b, d);
}

/* Elements k .. k + 3 of rows `row` .. row + 15. */
INLINE void put(tsri_int8_panel *panel, size_t row, size_t k, __m512i column)
{
    _mm512_storeu_si512(panel->q + k / 4 * (4 * TSRI_INT8_OUT) + 4 * row, column);
}

INLINE __m512 halves_of_rows(const uint8_t *p, size_t stride)
{
    uint16_t h[SOME];
    for (size_t r = 0; r < SOME; r++)
        memcpy(&h[r], p + r * stride, sizeof h[r]);
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)h));
}

INLINE __m512i dwords_of_rows(const uint8_t *p, size_t stride)
{
    uint32_t d[SOME];
    for (size_t r = 0; r < SOME; r++)
        memcpy(&d[r], p + r * stride, sizeof d[r]);
    return _mm512_loadu_si512(d);
}

/* Which bytes of column i have their fifth bit: bit 4 i + e of a row is that of its element e there. */
INLINE __mmask64 fifths_of_column(__m512i bits, unsigned i)
{
    const __m512i first = _mm512_broadcast_i32x4(_mm_set_epi8(12, 12, 12, 12, 8, 8, 8, 8, 4, 4, 4, 4, 0, 0, 0, 0));
    __m512i four = _mm512_shuffle_epi8(_mm512_srli_epi32(bits, 4 * i), first);
    return _mm512_test_epi8_mask(four, _mm512_set1_epi32(0x08040201));
}

INLINE void pack_nibbles(const nibble_type t, tsri_int8_panel *panel, size_t row, const uint8_t *w, size_t row_bytes, size_t k)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t at = 0; at < k; at += 32, w += 2 * t.words) {
        __m512i c[4], bits = t.fifths ? dwords_of_rows(w + 2 * t.fifths, row_bytes) : low;
        columns_of(c, w + 2 * t.qs, row_bytes);
        for (unsigned i = 0; i < 4; i++) {
            __m512i high = _mm512_and_si512(_mm512_srli_epi16(c[i], 4), low);
            put(panel, row, at + 4 * i, nibble_numbers(t, _mm512_and_si512(c[i], low), t.fifths ? fifths_of_column(bits, i) : 0));
            put(panel, row, at + 16 + 4 * i, nibble_numbers(t, high, t.fifths ? fifths_of_column(bits, 4 + i) : 0));
        }
        _mm512_storeu_ps(panel->a + at / 32 * TSRI_INT8_OUT + row, halves_of_rows(w, row_bytes));
        if (t.offsets)
            _mm512_storeu_ps(panel->o + at / 32 * TSRI_INT8_OUT + row, halves_of_rows(w + 2, row_bytes));
    }
}

static void pack_q8_0(tsri_int8_panel *panel, size_t row, const uint8_t *w, size_t row_bytes, size_t k)
{
    for (size_t at = 0; at < k; at += 32, w += Q8_0_BYTES) {
        for (size_t half = 0; half < 32; half += 16) {
            __m512i c[4];
            columns_of(c, w + 2 + half, row_bytes);
            for (size_t i = 0; i < 4; i++)
                put(panel, row, at + half + 4 * i, _mm512_xor_si512(c[i], _mm512_set1_epi8((char)0x80)));
        }
        _mm512_storeu_ps(panel->a + at / 32 * TSRI_INT8_OUT + row, halves_of_rows(w, row_bytes));
    }
}

/* Any type: blocks of sixteen rows are unpacked, then turned. */
static void pack_blocks(tsri_int8_panel *panel, tsr_type type, size_t row, const uint8_t *w, size_t row_bytes, size_t k)
{
    const tsr_type_traits *t = tsr_type_info(type);
    tsri_int8_form form = tsri_int8_form_of(type);
    tsri_int8_block b[SOME];
    for (size_t at = 0; at < k; at += t->block_elems, w += t->block_bytes) {
        for (size_t r = 0; r < SOME; r++)
            tsri_int8_unpack(&b[r], type, w + r * row_bytes);
        for (size_t e = 0; e < t->block_elems; e += 16) {
            __m512i c[4];
            columns_of(c, b->q + e, sizeof *b);
            for (size_t i = 0; i < 4; i++)
                put(panel, row, at + e + 4 * i, c[i]);
        }
        float *a = panel->a + at / form.group * TSRI_INT8_OUT + row, *o = panel->o + at / form.group * TSRI_INT8_OUT + row;
        for (size_t g = 0; g < t->block_elems / form.group; g++, a += TSRI_INT8_OUT, o += TSRI_INT8_OUT)
            for (size_t r = 0; r < SOME; r++) {
                a[r] = b[r].a[g];
                if (form.offsets)
                    o[r] = b[r].o[g];
            }
    }
}

void tsri_int8_pack_avx512(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k)
{
    if (n < TSRI_INT8_OUT) { /* the last rows of a matrix */
        tsri_int8_pack_rows(panel, type, w, row_bytes, n, k);
        return;
    }
    for (size_t row = 0; row < TSRI_INT8_OUT; row += SOME, w += SOME * row_bytes)
        switch (type) {
        case TSR_Q8_0: pack_q8_0(panel, row, w, row_bytes, k); break;
        case TSR_Q4_0: pack_nibbles(TYPE_Q4_0, panel, row, w, row_bytes, k); break;
        case TSR_Q4_1: pack_nibbles(TYPE_Q4_1, panel, row, w, row_bytes, k); break;
        case TSR_Q5_0: pack_nibbles(TYPE_Q5_0, panel, row, w, row_bytes, k); break;
        case TSR_Q5_1: pack_nibbles(TYPE_Q5_1, panel, row, w, row_bytes, k); break;
        case TSR_IQ4_NL: pack_nibbles(TYPE_IQ4_NL, panel, row, w, row_bytes, k); break;
        default: pack_blocks(panel, type, row, w, row_bytes, k);
        }
}
