/* int8_vnni.c: AVX-512 with VNNI. vpdpbusd adds four products of unsigned and signed bytes to each of 16 sums, so weights
 * are the unsigned side and inputs the signed one; the zero of the weights is in the sums' starting values.
 *
 * A tile of 32 outputs by up to 6 rows of input has 12 integer sums, which each group turns into shares of 12 float ones. */
#include <immintrin.h>
#include <math.h>

#include "int8_forms.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- inputs ---- */

static float round32(int8_t *p, const float *x)
{
    __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x0), _mm512_abs_ps(x1)));
    __mmask16 bad = _mm512_fpclass_ps_mask(x0, 0x99) | _mm512_fpclass_ps_mask(x1, 0x99); /* NaN or infinite */
    float scale = top / 127.0f, inverse = scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
    if (bad) {
        _mm256_storeu_si256((__m256i *)(void *)p, _mm256_setzero_si256());
        return NAN;
    }
    __m512 by = _mm512_set1_ps(inverse);
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x0, by))));
    _mm_storeu_si128((__m128i *)(void *)(p + 16), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x1, by))));
    return scale;
}

/* ---- tiles ---- */

static void pack(tsri_int8_panel *panel, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k)
{
    tsri_int8_pack_rows(panel, type, w, row_bytes, n, k);
}

INLINE int32_t four(const int8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* What tiles of all sizes share: constants where it is inlined. */
INLINE void tile_of(size_t n, size_t group, bool offsets, float *y, size_t ldy, bool add, const tsri_int8_panel *panel,
                    const tsri_int8_input *x, size_t first, size_t k0, size_t k, __mmask16 m0, __mmask16 m1)
{
    const int8_t *p = x->p + first * x->ldp + k0;
    const float *xs = x->xs + first * x->lds + k0 / TSRI_INT8_BLOCK;
    const int32_t *zeros = (const int32_t *)x->corr + first * x->ldc + k0 / group;
    const float *sums = (const float *)x->corr + first * x->ldc + k0 / group;
    const uint8_t *q = panel->q;
    const float *a = panel->a, *o = panel->o;
    __m512 f[TSRI_INT8_ROWS][2];
    for (size_t i = 0; i < n; i++) {
        f[i][0] = add ? _mm512_maskz_loadu_ps(m0, y + i * ldy) : _mm512_setzero_ps();
        f[i][1] = add ? _mm512_maskz_loadu_ps(m1, y + i * ldy + 16) : _mm512_setzero_ps();
    }
    for (size_t g = 0; g < k / group; g++) {
        __m512i s[TSRI_INT8_ROWS][2];
        for (size_t i = 0; i < n; i++)
            s[i][0] = s[i][1] = offsets ? _mm512_setzero_si512() : _mm512_set1_epi32(zeros[i * x->ldc + g]);
        for (size_t e = 0; e < group; e += 4, q += 4 * TSRI_INT8_OUT) {
            __m512i w0 = _mm512_loadu_si512(q), w1 = _mm512_loadu_si512(q + 64);
            for (size_t i = 0; i < n; i++) {
                __m512i v = _mm512_set1_epi32(four(p + i * x->ldp + g * group + e));
                s[i][0] = _mm512_dpbusd_epi32(s[i][0], w0, v);
                s[i][1] = _mm512_dpbusd_epi32(s[i][1], w1, v);
            }
        }
        __m512 a0 = _mm512_loadu_ps(a + g * TSRI_INT8_OUT), a1 = _mm512_loadu_ps(a + g * TSRI_INT8_OUT + 16);
        for (size_t i = 0; i < n; i++) {
            __m512 by = _mm512_set1_ps(xs[i * x->lds + g * group / TSRI_INT8_BLOCK]);
            f[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[i][0]), _mm512_mul_ps(a0, by), f[i][0]);
            f[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[i][1]), _mm512_mul_ps(a1, by), f[i][1]);
        }
        if (offsets) {
            __m512 o0 = _mm512_loadu_ps(o + g * TSRI_INT8_OUT), o1 = _mm512_loadu_ps(o + g * TSRI_INT8_OUT + 16);
            for (size_t i = 0; i < n; i++) {
                __m512 by = _mm512_set1_ps(sums[i * x->ldc + g]);
                f[i][0] = _mm512_fmadd_ps(o0, by, f[i][0]);
                f[i][1] = _mm512_fmadd_ps(o1, by, f[i][1]);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        _mm512_mask_storeu_ps(y + i * ldy, m0, f[i][0]);
        _mm512_mask_storeu_ps(y + i * ldy + 16, m1, f[i][1]);
    }
}

#define TILE(n, group, offsets)                                                                                         \
    static void tile_##n##_##group##_##offsets(float *y, size_t ldy, bool add, const tsri_int8_panel *panel,            \
                                               const tsri_int8_input *x, size_t first, size_t k0, size_t k,             \
                                               __mmask16 m0, __mmask16 m1)                                              \
    {                                                                                                                   \
        tile_of(n, group, offsets, y, ldy, add, panel, x, first, k0, k, m0, m1);                                        \
    }
#define TILES(n) TILE(n, 16, 0) TILE(n, 16, 1) TILE(n, 32, 0) TILE(n, 32, 1)
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)

typedef void (*tile_fn)(float *y, size_t ldy, bool add, const tsri_int8_panel *panel, const tsri_int8_input *x, size_t first,
                        size_t k0, size_t k, __mmask16 m0, __mmask16 m1);
#define ENTRY(n) {tile_##n##_16_0, tile_##n##_16_1, tile_##n##_32_0, tile_##n##_32_1}
static const tile_fn tiles[TSRI_INT8_ROWS][4] = {ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4), ENTRY(5), ENTRY(6)};

static void tile(float *y, size_t ldy, bool add, const tsri_int8_panel *panel, tsri_int8_form form, const tsri_int8_input *x,
                 size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    __mmask16 m0 = (__mmask16)(n_out >= 16 ? 0xffffu : (1u << n_out) - 1u);
    __mmask16 m1 = (__mmask16)(n_out >= 32 ? 0xffffu : n_out > 16 ? (1u << (n_out - 16)) - 1u : 0u);
    tiles[n - 1][(form.group == 32) * 2 + form.offsets](y, ldy, add, panel, x, first, k0, k, m0, m1);
}

/* ---- rows ---- */

/* Row i of an input, as the kernels of rows read it. */
typedef struct one_row {
    const int8_t *p;
    const float *xs, *sums; /* [k / 32], and [k / group] in types with offsets */
    const int32_t *lanes;
} one_row;

INLINE __m512i lanes_of(const one_row *x, size_t at)
{
    return _mm512_loadu_si512(x->lanes + at / 4);
}

INLINE __m512i p_of(const one_row *x, size_t at)
{
    return _mm512_loadu_si512(x->p + at);
}

/* Two scales of input blocks, eight lanes each. */
INLINE __m512 two_scales(const float *xs)
{
    return _mm512_insertf32x8(_mm512_set1_ps(xs[0]), _mm256_set1_ps(xs[1]), 1);
}

/* Numbers of 16 nibbles in lanes 0 and 2, of the same bytes' upper halves in lanes 1 and 3. */
INLINE __m512i spread_nibbles(__m512i twice)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0);
    return _mm512_and_si512(_mm512_srlv_epi16(twice, by), _mm512_set1_epi8(15));
}

/* Two blocks of Q4_0 that begin at word 0 of z, times 64 elements of input. */
INLINE __m512 q4_0_pair(__m512 sum, __m512i z, __m512i p, __m512i lanes, __m512 xs)
{
    const __m512i quants = _mm512_set_epi16(17, 16, 15, 14, 13, 12, 11, 10, 17, 16, 15, 14, 13, 12, 11, 10, 8, 7, 6, 5, 4, 3, 2, 1, 8,
                                            7, 6, 5, 4, 3, 2, 1);
    const __m256i scales = _mm256_set_epi16(9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512i q = spread_nibbles(_mm512_permutexvar_epi16(quants, z));
    __m512 d = _mm512_cvtph_ps(_mm256_permutexvar_epi16(scales, _mm512_castsi512_si256(z)));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_dpbusd_epi32(lanes, q, p)), _mm512_mul_ps(d, xs), sum);
}

enum { Q4_0_BYTES = 18, AT_ONCE = 4 };

/* n rows (a constant), of which none but the last may end where memory does: `roomy` says that it doesn't. */
INLINE void q4_0_rows(size_t n, float *y, const uint8_t *w, size_t row_bytes, const one_row *x, size_t k, bool roomy)
{
    __m512 sums[AT_ONCE];
    size_t at = 0;
    for (size_t r = 0; r < n; r++)
        sums[r] = _mm512_setzero_ps();
    for (; roomy && at + 64 <= k; at += 64) {
        __m512i p = p_of(x, at), lanes = lanes_of(x, at);
        __m512 xs = two_scales(x->xs + at / 32);
        for (size_t r = 0; r < n; r++)
            sums[r] = q4_0_pair(sums[r], _mm512_loadu_si512(w + r * row_bytes + at / 32 * Q4_0_BYTES), p, lanes, xs);
    }
    for (; at < k; at += 64) { /* scales beyond a row's end are 0 on both sides */
        __mmask32 words = k - at >= 64 ? 0x3ffffu : 0x1ffu;
        __m512i p = p_of(x, at), lanes = lanes_of(x, at);
        __m512 xs = two_scales(x->xs + at / 32);
        for (size_t r = 0; r < n; r++)
            sums[r] = q4_0_pair(sums[r], _mm512_maskz_loadu_epi16(words, w + r * row_bytes + at / 32 * Q4_0_BYTES), p, lanes, xs);
    }
    for (size_t r = 0; r < n; r++)
        y[r] = _mm512_reduce_add_ps(sums[r]);
}

INLINE __m512i two_halves(const uint8_t *low, const uint8_t *high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)low)),
                              _mm256_loadu_si256((const __m256i *)(const void *)high), 1);
}

INLINE int16_t word(const uint8_t *p)
{
    int16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

enum { Q8_0_BYTES = 34 };

static float q8_0_row(const uint8_t *w, const one_row *x, size_t k)
{
    __m512 sum = _mm512_setzero_ps();
    size_t at = 0;
    for (; at + 64 <= k; at += 64, w += 2 * Q8_0_BYTES) {
        __m512i q = _mm512_xor_si512(two_halves(w + 2, w + Q8_0_BYTES + 2), _mm512_set1_epi8((char)0x80));
        __m256i d = _mm256_set_m128i(_mm_set1_epi16(word(w + Q8_0_BYTES)), _mm_set1_epi16(word(w)));
        __m512i s = _mm512_dpbusd_epi32(lanes_of(x, at), q, p_of(x, at));
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(_mm512_cvtph_ps(d), two_scales(x->xs + at / 32)), sum);
    }
    if (at < k) {
        __m512i q = _mm512_zextsi256_si512(_mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(w + 2)), _mm256_set1_epi8((char)0x80)));
        __m512i s = _mm512_dpbusd_epi32(lanes_of(x, at), q, p_of(x, at));
        __m512 d = _mm512_zextps256_ps512(_mm256_cvtph_ps(_mm_set1_epi16(word(w))));
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(d, two_scales(x->xs + at / 32)), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

/* Scales (times d) and offsets (times dmin) of the eight groups of a Q4_K or Q5_K block. */
INLINE void k_scales(const uint8_t *b, __m256 *a, __m256 *o)
{
    uint32_t s[3], low, high;
    memcpy(s, b + 4, sizeof s);
    __m256 d = _mm256_set1_ps(_cvtsh_ss((uint16_t)word(b))), dmin = _mm256_set1_ps(_cvtsh_ss((uint16_t)word(b + 2)));
    low = s[0] & 0x3f3f3f3f;
    high = (s[2] & 0x0f0f0f0f) | (s[0] >> 2 & 0x30303030);
    *a = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_set_epi32(0, 0, (int)high, (int)low))));
    low = s[1] & 0x3f3f3f3f;
    high = (s[2] >> 4 & 0x0f0f0f0f) | (s[1] >> 2 & 0x30303030);
    *o = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_set_epi32(0, 0, (int)high, (int)low))));
}

/* The scale of group 2 j in eight lanes, that of group 2 j + 1 in the other eight. */
INLINE __m512 spread_pair(__m256 eight, size_t j)
{
    const __m512i first = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32((int)(2 * j))), _mm512_castps256_ps512(eight));
}

enum { Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 210 };

INLINE float q45_k_row(bool five, const uint8_t *w, const one_row *x, size_t k)
{
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0, 0, 0, 0);
    __m512 sum = _mm512_setzero_ps();
    __m256 less = _mm256_setzero_ps(), a, o;
    for (size_t at = 0; at < k; at += 256, w += five ? Q5_K_BYTES : Q4_K_BYTES) {
        const uint8_t *qs = w + (five ? 48 : 16);
        k_scales(w, &a, &o);
        a = _mm256_mul_ps(a, _mm256_loadu_ps(x->xs + at / 32));
        less = _mm256_fmadd_ps(o, _mm256_loadu_ps(x->sums + at / 32), less);
        __m512i high = five ? _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)(w + 16))) : _mm512_setzero_si512();
        for (size_t j = 0; j < 4; j++) {
            __m512i q = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)(qs + 32 * j)));
            q = _mm512_and_si512(_mm512_srlv_epi16(q, by), _mm512_set1_epi8(15));
            if (five) { /* bit 2 j of the lower half's bytes, 2 j + 1 of the upper half's */
                __mmask64 fifth = _mm512_test_epi8_mask(high, _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << 2 * j)), _mm256_set1_epi8((char)(2 << 2 * j)), 1));
                q = _mm512_mask_add_epi8(q, fifth, q, _mm512_set1_epi8(16));
            }
            __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, p_of(x, at + 64 * j));
            sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), spread_pair(a, j), sum);
        }
    }
    __m128 rest = _mm_add_ps(_mm256_castps256_ps128(less), _mm256_extractf128_ps(less, 1));
    rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
    rest = _mm_add_ss(rest, _mm_movehdup_ps(rest));
    return _mm512_reduce_add_ps(sum) - _mm_cvtss_f32(rest);
}

static float q6_k_row(const uint8_t *w, const one_row *x, size_t k)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i first = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    const __m512i up2 = _mm512_set_epi64(0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0, 0, 0, 0);
    const __m512i low = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3);
    __m512 sum = _mm512_setzero_ps();
    for (size_t at = 0; at < k; at += 256, w += Q6_K_BYTES) {
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(w + 192))));
        __m512 xs = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(x->xs + at / 32)));
        a = _mm512_mul_ps(_mm512_mul_ps(a, _mm512_set1_ps(_cvtsh_ss((uint16_t)word(w + 208)))), xs);
        for (size_t half = 0; half < 2; half++) {
            __m512i l = _mm512_loadu_si512(w + 64 * half);
            __m512i h = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)(w + 128 + 32 * half)));
            __m512i h0 = _mm512_srlv_epi16(h, up2), h1 = _mm512_srli_epi16(h0, 4);
            __m512i q0 = _mm512_or_si512(_mm512_and_si512(l, low), _mm512_slli_epi16(_mm512_and_si512(h0, two), 4));
            __m512i q1 = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(l, 4), low), _mm512_slli_epi16(_mm512_and_si512(h1, two), 4));
            size_t e = at + 128 * half;
            __m512i s0 = _mm512_dpbusd_epi32(lanes_of(x, e), q0, p_of(x, e));
            __m512i s1 = _mm512_dpbusd_epi32(lanes_of(x, e + 64), q1, p_of(x, e + 64));
            __m512i at0 = _mm512_add_epi32(first, _mm512_set1_epi32((int)(8 * half)));
            sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s0), _mm512_permutexvar_ps(at0, a), sum);
            sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s1), _mm512_permutexvar_ps(_mm512_add_epi32(at0, _mm512_set1_epi32(4)), a), sum);
        }
    }
    return _mm512_reduce_add_ps(sum);
}

static void rows_of_q4_0(float *y, const uint8_t *w, size_t row_bytes, size_t n, const one_row *x, size_t k)
{
    bool roomy = row_bytes >= 64; /* then a row that another follows can be read 64 bytes at a time */
    size_t r = 0;
    for (; r + AT_ONCE < n; r += AT_ONCE)
        q4_0_rows(AT_ONCE, y + r, w + r * row_bytes, row_bytes, x, k, roomy);
    for (; r < n; r++)
        q4_0_rows(1, y + r, w + r * row_bytes, row_bytes, x, k, roomy && r + 1 < n);
}

static void rows(float *y, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, const tsri_int8_input *in, size_t i,
                 size_t k)
{
    one_row x = {.p = in->p + i * in->ldp, .xs = in->xs + i * in->lds, .sums = (const float *)in->corr + i * in->ldc,
                 .lanes = in->lanes + i * in->ldl};
    switch (type) {
    case TSR_Q4_0: rows_of_q4_0(y, w, row_bytes, n, &x, k); break;
    case TSR_Q8_0:
        for (size_t r = 0; r < n; r++)
            y[r] = q8_0_row(w + r * row_bytes, &x, k);
        break;
    case TSR_Q4_K:
        for (size_t r = 0; r < n; r++)
            y[r] = q45_k_row(false, w + r * row_bytes, &x, k);
        break;
    case TSR_Q5_K:
        for (size_t r = 0; r < n; r++)
            y[r] = q45_k_row(true, w + r * row_bytes, &x, k);
        break;
    case TSR_Q6_K:
        for (size_t r = 0; r < n; r++)
            y[r] = q6_k_row(w + r * row_bytes, &x, k);
        break;
    default: tsri_int8_rows_by_blocks(y, type, w, row_bytes, n, in, i, k); break;
    }
}

void tsri_int8_init_vnni(tsri_int8_kernels *k)
{
    *k = (tsri_int8_kernels){.round32 = round32, .pack = pack, .tile = tile, .rows = rows};
}
