/* int8_vnni.c: AVX-512 with VNNI. vpdpbusd adds four products of unsigned and signed bytes to each of 16 sums, so weights
 * are the unsigned side and inputs the signed one; the zero of the weights is in the sums' starting values. */
#include "int8_vnni.h"
#include "int8_x86_rows.h"
#include "registers_internal.h"

#include <math.h>

/* ---- inputs ---- */

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x0), _mm512_abs_ps(x1)));
    __mmask16 bad = _mm512_fpclass_ps_mask(x0, 0x99) | _mm512_fpclass_ps_mask(x1, 0x99); /* NaN or infinite */
    float scale = top / 127.0f, inverse = scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
    if (bad) {
        _mm256_storeu_si256((void *)p, _mm256_setzero_si256());
        _mm256_storeu_si256((void *)sums, _mm256_setzero_si256());
        return NAN;
    }
    __m512 by = _mm512_set1_ps(inverse);
    __m128i p0 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x0, by)));
    __m128i p1 = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x1, by)));
    __m256i bytes = _mm256_set_m128i(p1, p0);
    _mm256_storeu_si256((void *)p, bytes);
    _mm256_storeu_si256((void *)sums, _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes));
    return scale;
}

/* The largest of the 16 lanes of each of four vectors, in all lanes of a quarter. */
INLINE __m512i most_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_max_epu32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    __m512i cd = _mm512_max_epu32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    __m512i m = _mm512_max_epu32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
    m = _mm512_max_epu32(m, _mm512_shuffle_epi32(m, _MM_PERM_BADC));
    return _mm512_max_epu32(m, _mm512_shuffle_epi32(m, _MM_PERM_CDAB));
}

/* Numbers of two blocks, by[i] times x. */
INLINE __m512i bytes_of_two(const float *x, __m512 by0, __m512 by1)
{
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0); /* packs work within quarters */
    __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), by0));
    __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), by0));
    __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 32), by1));
    __m512i d = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 48), by1));
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

/* Sums of four lanes, in all lanes of a quarter. */
INLINE __m512i sums_of_quarters(__m512i v)
{
    v = _mm512_add_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_BADC));
    return _mm512_add_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_CDAB));
}

/* Four blocks at a time: as whole numbers, sizes of floats are in order too, with the infinity and what is no number on top. */
static void round_blocks(int8_t *p, float *xs, int32_t *halves, int32_t *fours, const float *x, size_t n)
{
    const __m512i ones = _mm512_set1_epi8(1), quarters = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 28, 24, 20, 16, 12, 8, 4, 0);
    const __m512i size = _mm512_set1_epi32(0x7fffffff);
    for (; n >= 4; n -= 4, p += 128, xs += 4, halves += 8, x += 128) {
        __m512i top[4];
        IN_REGISTERS
        for (size_t b = 0; b < 4; b++)
            top[b] = _mm512_max_epu32(_mm512_and_si512(size, _mm512_loadu_si512(x + 32 * b)),
                                      _mm512_and_si512(size, _mm512_loadu_si512(x + 32 * b + 16)));
        __m512i most = most_of_four(top[0], top[1], top[2], top[3]);
        if (_mm512_cmpge_epu32_mask(most, _mm512_set1_epi32(0x7f800000))) {
            tsri_int8_round_each(round32, p, xs, halves, fours, x, 4);
            fours += fours ? 32 : 0;
            continue;
        }
        __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(most), _mm512_set1_ps(127.0f));
        __mmask16 normal = _mm512_cmp_ps_mask(scale, _mm512_set1_ps(0x1p-126f), _CMP_GE_OQ);
        __m512 by = _mm512_maskz_div_ps(normal, _mm512_set1_ps(1.0f), scale);
        __m512i two = bytes_of_two(x, _mm512_shuffle_f32x4(by, by, 0x00), _mm512_shuffle_f32x4(by, by, 0x55));
        __m512i others = bytes_of_two(x + 64, _mm512_shuffle_f32x4(by, by, 0xaa), _mm512_shuffle_f32x4(by, by, 0xff));
        __m512i f0 = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, two), f1 = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, others);
        __m512i h = _mm512_permutex2var_epi32(sums_of_quarters(f0), quarters, sums_of_quarters(f1));
        _mm512_storeu_si512(p, two);
        _mm512_storeu_si512(p + 64, others);
        _mm_storeu_ps(xs, _mm512_castps512_ps128(_mm512_permutexvar_ps(quarters, scale)));
        _mm256_storeu_si256((void *)halves, _mm512_castsi512_si256(h));
        if (fours) {
            _mm512_storeu_si512(fours, f0);
            _mm512_storeu_si512(fours + 16, f1);
            fours += 32;
        }
    }
    tsri_int8_round_each(round32, p, xs, halves, fours, x, n);
}

/* One block as numbers of 16 bits, the largest 127 * 256. */
static float round32_fine(int8_t *p, int8_t *lo, int32_t fours[8], const float *x)
{
    __m512i x0 = _mm512_loadu_si512(x), x1 = _mm512_loadu_si512(x + 16), size = _mm512_set1_epi32(0x7fffffff);
    uint32_t most = _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(x0, size), _mm512_and_si512(x1, size)));
    float top, scale;
    memcpy(&top, &most, sizeof top);
    scale = top / 32512.0f;
    if (most >= 0x7f800000 || scale < 0x1p-126f) { /* not finite, or nothing */
        memset(p, 0, TSRI_INT8_BLOCK);
        memset(lo, 0, TSRI_INT8_BLOCK);
        memset(fours, 0, 8 * sizeof *fours);
        return most >= 0x7f800000 ? NAN : scale;
    }
    __m512 by = _mm512_set1_ps(1.0f / scale);
    __m512i n[2] = {_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(x0), by)),
                    _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(x1), by))};
    for (size_t h = 0; h < 2; h++) {
        __m512i high = _mm512_srai_epi32(_mm512_add_epi32(n[h], _mm512_set1_epi32(128)), 8);
        __m512i low = _mm512_max_epi32(_mm512_sub_epi32(n[h], _mm512_slli_epi32(high, 8)), _mm512_set1_epi32(-127));
        _mm_storeu_si128((void *)(p + 16 * h), _mm512_cvtepi32_epi8(high));
        _mm_storeu_si128((void *)(lo + 16 * h), _mm512_cvtepi32_epi8(low));
        _mm512_mask_compressstoreu_epi32(fours + 4 * h, 0x1111, sums_of_quarters(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low)));
    }
    return scale;
}

static void round_fine(int8_t *p, int8_t *lo, float *xs, int32_t *halves, int32_t *fours, const float *x, size_t n)
{
    tsri_int8_round_fine_each(round32_fine, p, lo, xs, halves, fours, x, n);
}

/* ---- rows ---- */

enum { LINE = 64 }; /* bytes that a vector holds */

/* Sums of q's products with 64 elements of input: a lane has four of them, and the first lane of a group what belongs to the
 * group's zero. group: 0 where there is none. */
INLINE __m512i dot64(const tsri_int8_row *x, size_t at, __m512i q, size_t group)
{
    const __m512i each = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    const int32_t *zeros = x->zeros + (group ? at / group : 0);
    __m512i s = _mm512_setzero_si512();
    if (group == 16)
        s = _mm512_maskz_permutexvar_epi32(0x1111, each, _mm512_castsi128_si512(load16(zeros)));
    if (group == 32)
        s = _mm512_maskz_permutexvar_epi32(0x0101, _mm512_srli_epi32(each, 1), _mm512_castsi128_si512(_mm_loadl_epi64((const void *)zeros)));
    if (x->lo) {
        __m512i high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, _mm512_loadu_si512(x->p + at));
        s = _mm512_dpbusd_epi32(s, q, _mm512_loadu_si512(x->lo + at));
        return _mm512_add_epi32(s, _mm512_slli_epi32(high, 8));
    }
    return _mm512_dpbusd_epi32(s, q, _mm512_loadu_si512(x->p + at));
}

/* Numbers of two blocks, eight lanes each. */
INLINE __m512 two_of(const float *v)
{
    return _mm512_insertf32x8(_mm512_set1_ps(v[0]), _mm256_set1_ps(v[1]), 1);
}

INLINE __m512i twice32(const uint8_t *p)
{
    return _mm512_broadcast_i64x4(load32(p));
}

INLINE int16_t word(const uint8_t *p)
{
    int16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Nibbles of 16 bytes that stand in two lanes: the low halves in the first, the high ones in the second. */
INLINE __m512i spread_nibbles(__m512i twice)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0);
    return _mm512_and_si512(_mm512_srlv_epi16(twice, by), _mm512_set1_epi8(15));
}

/* Words of z's two blocks of t: `n` of them from word `at` on, each pair of lanes with those of one block. */
INLINE __m512i words_of(const nibble_type t, __m512i z)
{
    const __m512i eight = _mm512_set_epi16(7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i first = _mm512_inserti64x4(_mm512_set1_epi16((short)t.qs), _mm256_set1_epi16((short)(t.words + t.qs)), 1);
    return _mm512_permutexvar_epi16(_mm512_add_epi16(eight, first), z);
}

INLINE __m512 halves_of(const nibble_type t, __m512i z, size_t at)
{
    __m256i which = _mm256_set_m128i(_mm_set1_epi16((short)(t.words + at)), _mm_set1_epi16((short)at));
    return _mm512_cvtph_ps(_mm256_permutexvar_epi16(which, _mm512_castsi512_si256(z)));
}

/* sum + the products of two blocks, whose words are z, with 64 elements of input. */
INLINE __m512 nibble_pair(const nibble_type t, __m512 sum, __m512i z, __mmask64 fifths, const tsri_int8_row *x, size_t at)
{
    __m512i q = nibble_numbers(t, spread_nibbles(words_of(t, z)), fifths);
    if (t.offsets) /* an eighth in each of eight lanes */
        sum = _mm512_fmadd_ps(halves_of(t, z, 1), _mm512_mul_ps(two_of(x->sums + at / 32), _mm512_set1_ps(0.125f)), sum);
    __m512 scale = _mm512_mul_ps(halves_of(t, z, 0), two_of(x->xs + at / 32));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at, q, t.offsets ? 0 : 32)), scale, sum);
}

/* The blocks of a row that don't fill four, from element `at` on. */
INLINE __m512 nibble_rest(const nibble_type t, __m512 sum, const uint8_t *w, const tsri_int8_row *x, size_t at, size_t k)
{
    for (; at < k; at += 64, w += 4 * t.words) {
        bool pair = k - at >= 64;
        __mmask32 words = (__mmask32)((1ull << (pair ? 2 * t.words : t.words)) - 1);
        __mmask64 fifths = 0;
        if (t.fifths) {
            fifths = four_bytes(w + 2 * t.fifths);
            if (pair)
                fifths |= (__mmask64)four_bytes(w + 2 * (t.words + t.fifths)) << 32;
        }
        sum = nibble_pair(t, sum, _mm512_maskz_loadu_epi16(words, w), fifths, x, at);
    }
    return sum;
}

/* Four blocks of input in the order of nibbles: elements 0 .. 15 of each for the low ones, 16 .. 31 for the high ones. A block
 * has four lanes. Rows are taken one at a time: to share this among some lets them wait for memory in turns. */
typedef struct four_blocks {
    __m512i low, high, zeros;
    __m512i fine_low, fine_high; /* of the lower halves, of fine ones */
    __m512 xs, sums; /* the sum in one of its lanes */
} four_blocks;

INLINE four_blocks four_of(const nibble_type t, const tsri_int8_row *x, size_t at)
{
    const __m512i low = _mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0), two = _mm512_set1_epi64(2);
    const __m512i each = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    const __mmask16 one = 0x1111;
    __m512i p0 = _mm512_loadu_si512(x->p + at), p1 = _mm512_loadu_si512(x->p + at + 64);
    four_blocks f = {.low = _mm512_permutex2var_epi64(p0, low, p1), .high = _mm512_permutex2var_epi64(p0, _mm512_add_epi64(low, two), p1)};
    f.fine_low = f.fine_high = _mm512_setzero_si512();
    if (x->lo) {
        p0 = _mm512_loadu_si512(x->lo + at);
        p1 = _mm512_loadu_si512(x->lo + at + 64);
        f.fine_low = _mm512_permutex2var_epi64(p0, low, p1);
        f.fine_high = _mm512_permutex2var_epi64(p0, _mm512_add_epi64(low, two), p1);
    }
    f.xs = _mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_loadu_ps(x->xs + at / 32)));
    f.zeros = _mm512_setzero_si512();
    f.sums = _mm512_setzero_ps();
    if (t.offsets)
        f.sums = _mm512_maskz_permutexvar_ps(one, each, _mm512_castps128_ps512(_mm_loadu_ps(x->sums + at / 32)));
    else
        f.zeros = _mm512_maskz_permutexvar_epi32(one, each, _mm512_castsi128_si512(load16(x->zeros + at / 32)));
    return f;
}

/* Words of four blocks, by their numbers from the first on, in z0, the first 64 bytes, and z1, the last. */
INLINE __m512i words_of_four(const nibble_type t, __m512i z0, __m512i words, __m512i z1)
{
    __mmask32 last = _mm512_cmpgt_epi16_mask(words, _mm512_set1_epi16(31));
    words = _mm512_mask_add_epi16(words, last, words, _mm512_set1_epi16((short)(64 - 4 * (int)t.words)));
    return _mm512_permutex2var_epi16(z0, words, z1);
}

/* The nibbles, eight words of each block. */
INLINE __m512i nibbles_of_four(const nibble_type t, __m512i z0, __m512i z1)
{
    const __m512i block = _mm512_set_epi64(0x0003000300030003, 0x0003000300030003, 0x0002000200020002, 0x0002000200020002,
                                           0x0001000100010001, 0x0001000100010001, 0, 0);
    const __m512i each = _mm512_broadcast_i32x4(_mm_set_epi16(7, 6, 5, 4, 3, 2, 1, 0));
    __m512i words = _mm512_add_epi16(_mm512_mullo_epi16(block, _mm512_set1_epi16((short)t.words)), each);
    return words_of_four(t, z0, _mm512_add_epi16(words, _mm512_set1_epi16((short)t.qs)), z1);
}

/* The scales, four times each, then the offsets. */
INLINE __m512i halves_of_four(const nibble_type t, __m512i z0, __m512i z1)
{
    const __m512i block = _mm512_broadcast_i64x4(_mm256_set_epi64x(0x0003000300030003, 0x0002000200020002, 0x0001000100010001, 0));
    __m512i words = _mm512_mullo_epi16(block, _mm512_set1_epi16((short)t.words));
    words = _mm512_add_epi16(words, _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(1), 1));
    return 3 * t.words + 1 < 32 ? _mm512_permutexvar_epi16(words, z0) : words_of_four(t, z0, words, z1);
}

INLINE __mmask64 fifths_of(const nibble_type t, const uint8_t *w, size_t half)
{
    __mmask64 bits = 0;
    for (size_t b = 4; b-- > 0;)
        bits = bits << 16 | (uint16_t)word(w + 2 * (b * t.words + t.fifths + half));
    return bits;
}

/* sum + the products of four blocks at w with four of input. */
INLINE __m512 nibble_four(const nibble_type t, __m512 sum, const uint8_t *w, const four_blocks *x, bool fine)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512i z0 = _mm512_loadu_si512(w), z1 = _mm512_loadu_si512(w + 8 * t.words - LINE);
    HOLD(z0); /* as operands in memory they are read twice, over lines of the cache */
    HOLD(z1);
    __m512i z = nibbles_of_four(t, z0, z1), d = halves_of_four(t, z0, z1);
    __m512i q0 = nibble_numbers(t, _mm512_and_si512(z, low), t.fifths ? fifths_of(t, w, 0) : 0);
    __m512i q1 = nibble_numbers(t, _mm512_and_si512(_mm512_srli_epi16(z, 4), low), t.fifths ? fifths_of(t, w, 1) : 0);
    __m512i s = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(fine ? _mm512_setzero_si512() : x->zeros, q0, x->low), q1, x->high);
    if (fine) {
        s = _mm512_add_epi32(x->zeros, _mm512_slli_epi32(s, 8));
        s = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(s, q0, x->fine_low), q1, x->fine_high);
    }
    __m512 scale = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(d)), x->xs);
    if (t.offsets)
        sum = _mm512_fmadd_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(d, 1)), x->sums, sum);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), scale, sum);
}

INLINE float nibble_row(const nibble_type t, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum = _mm512_setzero_ps();
    size_t at = 0;
    for (; at + 128 <= k; at += 128, w += 8 * t.words) {
        four_blocks in = four_of(t, x, at);
        tsri_int8_ask_ahead(x, w, 8 * t.words);
        sum = nibble_four(t, sum, w, &in, x->lo != NULL);
    }
    return _mm512_reduce_add_ps(nibble_rest(t, sum, w, x, at, k));
}

INLINE float q8_0_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i top = _mm512_set1_epi8((char)0x80);
    __m512 sum = _mm512_setzero_ps();
    for (size_t at = 0; at < k; at += 64, w += 2 * Q8_0_BYTES) {
        bool pair = k - at >= 64; /* of a single block the other half has scale 0 */
        __m512i q = _mm512_castsi256_si512(load32(w + 2));
        __m256i d = _mm256_castsi128_si256(_mm_set1_epi16(word(w)));
        tsri_int8_ask_ahead(x, w, LINE);
        q = _mm512_inserti64x4(q, pair ? load32(w + Q8_0_BYTES + 2) : _mm256_setzero_si256(), 1);
        d = _mm256_inserti128_si256(d, pair ? _mm_set1_epi16(word(w + Q8_0_BYTES)) : _mm_setzero_si128(), 1);
        __m512 scale = _mm512_mul_ps(_mm512_cvtph_ps(d), two_of(x->xs + at / 32));
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at, _mm512_xor_si512(q, top), 32)), scale, sum);
    }
    return _mm512_reduce_add_ps(sum);
}

INLINE float mxfp4_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m128i values = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)tsri_mxfp4_values), _mm_set1_epi8(12));
    const __m256i table = _mm256_broadcastsi128_si256(values);
    const __m256i by = _mm256_set_epi64x(0x0004000400040004, 0x0004000400040004, 0, 0);
    __m256 sum = _mm256_setzero_ps();
    for (size_t at = 0; at < k; at += 32, w += MXFP4_BYTES) {
        __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(w + 1)));
        __m256i q = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srlv_epi16(twice, by), _mm256_set1_epi8(15)));
        __m256i lanes = _mm256_loadu_si256((const __m256i *)(const void *)(x->lanes + at / 4));
        __m256i s = _mm256_dpbusd_epi32(x->lo ? _mm256_setzero_si256() : lanes, q, load32((const uint8_t *)x->p + at));
        if (x->lo)
            s = _mm256_dpbusd_epi32(_mm256_add_epi32(lanes, _mm256_slli_epi32(s, 8)), q, load32((const uint8_t *)x->lo + at));
        tsri_int8_ask_ahead(x, w, LINE);
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), _mm256_set1_ps(tsri_e8m0_half(w[0]) * x->xs[at / 32]), sum);
    }
    return _mm512_reduce_add_ps(_mm512_zextps256_ps512(sum));
}

INLINE __m256 half_of(const uint8_t *p)
{
    return _mm256_set1_ps(_cvtsh_ss((uint16_t)word(p)));
}

/* Number 2 j of the first eight in eight lanes, number 2 j + 1 in the others. */
INLINE __m512 spread_pair(__m512 eight, size_t j)
{
    const __m512i first = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int)(2 * j))), eight);
}

/* Numbers 4 j .. 4 j + 3 of sixteen in four lanes each. */
INLINE __m512 spread_four(__m512 sixteen, size_t j)
{
    const __m512i first = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int)(4 * j))), sixteen);
}

/* Scales of eight input blocks, for the sixteen groups of a block of weights. */
INLINE __m512 scales_twice(const float *xs)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(xs)));
}

/* Scales of a Q4_K or Q5_K block times d, in the first eight lanes, and its offsets times dmin. */
INLINE __m512 k_scales_and_offsets(const uint8_t *w)
{
    const __m512i which = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 d = _mm512_permutexvar_ps(which, _mm512_castps128_ps512(_mm_cvtph_ps(load16(w))));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(k_scale_bytes(w))), d);
}

INLINE float q45_k_row(bool five, const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0, 0, 0, 0);
    size_t bytes = five ? Q5_K_BYTES : Q4_K_BYTES;
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, less = _mm512_setzero_ps(); /* less: in its last eight lanes */
    for (size_t at = 0; at < k; at += 256, w += bytes) {
        __m512i high = five ? twice32(w + 16) : _mm512_setzero_si512();
        __m512 in = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(x->xs + at / 32)), _mm256_loadu_ps(x->sums + at / 32), 1);
        tsri_int8_ask_ahead(x, w, bytes);
        __m512 both = _mm512_mul_ps(k_scales_and_offsets(w), in);
        less = _mm512_add_ps(less, both);
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i q = _mm512_srlv_epi16(twice32(w + (five ? 48 : 16) + 32 * j), by);
            q = _mm512_and_si512(q, _mm512_set1_epi8(15));
            if (five) { /* bit 2 j of bytes for the first group, bit 2 j + 1 for the second */
                __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * j)), _mm256_set1_epi8((char)(2 << 2 * j)), 1);
                q = _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(high, bit), q, _mm512_set1_epi8(16));
            }
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q, 0)), spread_pair(both, j), sum[j % 2]);
        }
    }
    sum[0] = _mm512_add_ps(sum[0], sum[1]);
    return _mm512_reduce_add_ps(_mm512_mask_sub_ps(sum[0], 0xff00, sum[0], less));
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

INLINE float iq4_xs_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i each_twice = _mm512_set_epi64(3, 2, 3, 2, 1, 0, 1, 0);
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += IQ4_XS_BYTES) {
        tsri_int8_ask_ahead(x, w, IQ4_XS_BYTES);
        __m256 in = _mm256_mul_ps(half_of(w), _mm256_loadu_ps(x->xs + at / 32));
        __m512 a = _mm512_castps256_ps512(_mm256_mul_ps(iq4_xs_scales(w), in));
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i z = _mm512_permutexvar_epi64(each_twice, _mm512_castsi256_si512(load32(w + 8 + 32 * j)));
            __m512i q = iq4_numbers(spread_nibbles(z));
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q, 32)), spread_pair(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

/* Numbers of 2 bits: 32 bytes hold 128 of them, 32 for each pair of bits. The first 64 or the others. */
INLINE __m512i two_bits(const uint8_t *p, bool others)
{
    const __m512i by = _mm512_set_epi64(0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0, 0, 0, 0);
    __m512i z = _mm512_srlv_epi16(twice32(p), by);
    return _mm512_and_si512(others ? _mm512_srli_epi16(z, 4) : z, _mm512_set1_epi8(3));
}

INLINE float q2_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, less = _mm512_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q2_K_BYTES) {
        __m128i both = _mm_loadu_si128((const __m128i *)(const void *)w), low = _mm_set1_epi8(15);
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(both, low)));
        __m512 o = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(both, 4), low)));
        tsri_int8_ask_ahead(x, w, Q2_K_BYTES);
        a = _mm512_mul_ps(_mm512_mul_ps(a, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 80)))), scales_twice(x->xs + at / 32));
        o = _mm512_mul_ps(o, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 82))));
        less = _mm512_fmadd_ps(o, _mm512_loadu_ps(x->sums + at / 16), less);
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i q = two_bits(w + 16 + 32 * (j / 2), j % 2);
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q, 0)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_sub_ps(_mm512_add_ps(sum[0], sum[1]), less));
}

INLINE __m512 q3_k_scales(const uint8_t *s)
{
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(q3_k_scale_bytes(s)), _mm512_set1_epi32(32)));
}

INLINE float q3_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += Q3_K_BYTES) {
        __m512i high = twice32(w);
        tsri_int8_ask_ahead(x, w, Q3_K_BYTES);
        __m512 a = _mm512_mul_ps(q3_k_scales(w + 96), _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 108))));
        a = _mm512_mul_ps(a, scales_twice(x->xs + at / 32));
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * j)), _mm256_set1_epi8((char)(2 << 2 * j)), 1);
            __m512i q = two_bits(w + 32 + 32 * (j / 2), j % 2);
            q = _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(high, bit), q, _mm512_set1_epi8(4));
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q, 16)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

INLINE float q6_k_row(const uint8_t *w, const tsri_int8_row *x, size_t k)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t at = 0; at < k; at += 256, w += Q6_K_BYTES) {
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(w + 192))));
        tsri_int8_ask_ahead(x, w, Q6_K_BYTES);
        a = _mm512_mul_ps(_mm512_mul_ps(a, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 208)))), scales_twice(x->xs + at / 32));
        IN_REGISTERS
        for (size_t j = 0; j < 4; j++) {
            __m512i l = _mm512_loadu_si512(w + 64 * (j / 2));
            l = _mm512_and_si512(j % 2 ? _mm512_srli_epi16(l, 4) : l, low);
            __m512i q = _mm512_or_si512(l, _mm512_slli_epi16(two_bits(w + 128 + 32 * (j / 2), j % 2), 4));
            sum[j % 2] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot64(x, at + 64 * j, q, 16)), spread_four(a, j), sum[j % 2]);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

void tsri_int8_init_vnni(tsri_int8_kernels *k)
{
    tsri_int8_tile *ways[2];
    tsri_int8_tiles_avx512(ways);
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = round_fine, .pack = tsri_int8_pack_avx512, .tile = ways[0],
                             .other_tile = ways[1], .rows = rows};
}
