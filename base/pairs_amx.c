/* pairs_amx.c: products of BF16 pairs with AMX: 32 rows of x by 32 outputs are four tiles of sums, and two tiles of each side
 * give four products of 16 x 16 x 32. Sums stay in the tiles over a whole stretch. The instruction takes subnormal numbers
 * for zeros, and gives none.
 *
 * A tile product takes as long for 16 pairs as for 32 bytes of one group, and sums of groups would have to leave the tiles for
 * their scales; so weights of block types become BF16 too, once for all rows. */
#include <immintrin.h>
#include <string.h>

#include "counts_internal.h"
#include "gemm_internal.h"
#include "pairs_internal.h"

#define INLINE static inline __attribute__((always_inline))

enum { SIDE = 16, OUTS = 2 * SIDE, ROWS = 2 * SIDE, LINE_BYTES = 64, PANEL_LINE = 4 * OUTS };

/* ---- tiles ---- */

/* What LDTILECFG reads: tiles 0 .. 3 are sums, 4 and 5 rows of x, 6 and 7 of the panel. */
typedef struct tile_shapes {
    uint8_t palette, start, none[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

/* Tiles for `first` and `second` rows of x, at most 16 each, and at most 16 steps. The intrinsic would let a compiler drop all but
 * eight bytes. */
static void shape_tiles(size_t first, size_t second, size_t steps)
{
    tile_shapes s = {.palette = 1};
    for (size_t t = 0; t < 8; t++) {
        s.rows[t] = (uint8_t)(t >= 6 ? steps : (t == 2 || t == 3 || t == 5) ? second : first);
        s.row_bytes[t] = (uint16_t)(t == 4 || t == 5 ? 4 * steps : LINE_BYTES);
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(s) : "memory");
}

/* Rows of x, of pairs: 16 rows of a tile are `row` apart, the next 16 pairs `tile` further on, the next 16 rows `block`. */
typedef struct rows {
    const uint32_t *at;
    size_t row, tile, block;
} rows;

/* Sums of 32 rows or, where there is no second half, 16, and 32 outputs, over n tiles of steps. from: NULL for zeros. */
INLINE void add_tiles(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const rows x, bool second, size_t n)
{
    const uint32_t *at = x.at;
    size_t y_bytes = 4 * ldy, f_bytes = 4 * ldf, x_bytes = 4 * x.row;
    if (from) {
        _tile_loadd(0, from, f_bytes);
        _tile_loadd(1, from + SIDE, f_bytes);
        if (second) {
            _tile_loadd(2, from + SIDE * ldf, f_bytes);
            _tile_loadd(3, from + SIDE * ldf + SIDE, f_bytes);
        }
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (; n > 0; n--, panel += SIDE * OUTS, at += x.tile) {
        _tile_loadd(4, at, x_bytes);
        _tile_loadd(6, panel, PANEL_LINE);
        _tile_loadd(7, panel + SIDE, PANEL_LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (second) {
            _tile_loadd(5, at + x.block, x_bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, y, y_bytes);
    _tile_stored(1, y + SIDE, y_bytes);
    if (second) {
        _tile_stored(2, y + SIDE * ldy, y_bytes);
        _tile_stored(3, y + SIDE * ldy + SIDE, y_bytes);
    }
}

/* Rows of which all are there, 32 at a time: by far the most of the work. */
static void add_blocks(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const rows *x, size_t n,
                       size_t tiles)
{
    rows now = *x;
    shape_tiles(SIDE, SIDE, SIDE);
    for (; n > 0; n--, y += ROWS * ldy, from += from ? ROWS * ldf : 0, now.at += 2 * now.block)
        add_tiles(y, ldy, from, ldf, panel, now, true, tiles);
}

/* n <= 32 rows. */
static void add_rows(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const rows *x, size_t n, size_t steps,
                     size_t tiles)
{
    shape_tiles(tsri_least(SIDE, n), n > SIDE ? n - SIDE : SIDE, steps);
    if (n > SIDE)
        add_tiles(y, ldy, from, ldf, panel, *x, true, tiles);
    else
        add_tiles(y, ldy, from, ldf, panel, *x, false, tiles);
}

/* Any number of rows and steps; y may be from. */
static void add_all(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const rows *x, size_t n, size_t steps)
{
    size_t whole = steps / SIDE, rest = steps % SIDE, blocks = n / ROWS;
    rows last = *x;
    add_blocks(y, ldy, from, ldf, panel, x, blocks, whole);
    last.at += 2 * last.block * blocks;
    if (n % ROWS > 0)
        add_rows(y + blocks * ROWS * ldy, ldy, from ? from + blocks * ROWS * ldf : NULL, ldf, panel, &last, n % ROWS, SIDE, whole);
    last.at = x->at + whole * x->tile;
    panel += whole * SIDE * OUTS;
    for (size_t i = 0; i < n && rest > 0; i += ROWS, last.at += 2 * last.block)
        add_rows(y + i * ldy, ldy, y + i * ldy, ldy, panel, &last, tsri_least(ROWS, n - i), rest, 1);
    _tile_release();
}

INLINE __mmask16 first_of(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1u : 0xffffu);
}

static void copy_rows(float *to, size_t ldto, const float *from, size_t ldfrom, size_t n, size_t n_out)
{
    __mmask16 m0 = first_of(n_out), m1 = first_of(n_out > SIDE ? n_out - SIDE : 0);
    for (size_t i = 0; i < n; i++) {
        _mm512_mask_storeu_ps(to + i * ldto, m0, _mm512_maskz_loadu_ps(m0, from + i * ldfrom));
        _mm512_mask_storeu_ps(to + i * ldto + SIDE, m1, _mm512_maskz_loadu_ps(m1, from + i * ldfrom + SIDE));
    }
}

static void tile(float *y, size_t ldy, const float *from, size_t ldf, const uint32_t *panel, const uint32_t *x, size_t n, size_t k,
                 size_t n_out)
{
    rows in = {x, SIDE, SIDE * SIDE, SIDE * TSRI_PAIRS_K / 2};
    if (n_out == OUTS) {
        add_all(y, ldy, from, ldf, panel, &in, n, k / 2);
        return;
    }
    float aside[ROWS * OUTS] = {0};
    for (size_t i = 0, now; i < n; i += now, in.at += 2 * in.block) {
        now = tsri_least(ROWS, n - i);
        if (from)
            copy_rows(aside, OUTS, from + i * ldf, ldf, now, n_out);
        __asm__ volatile("" : : "r"(aside) : "memory"); /* tiles are loaded unseen by the compiler */
        add_all(aside, OUTS, from ? aside : NULL, OUTS, panel, &in, now, k / 2);
        copy_rows(y + i * ldy, ldy, aside, OUTS, now, n_out);
    }
}

static void round_row(uint32_t *to, const float *x, size_t k)
{
    for (size_t at = 0; at < k; at += TSRI_PAIRS_WHOLE, to += SIDE * SIDE)
        _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + at + 16), _mm512_loadu_ps(x + at)));
}

/* ---- panels ---- */

/* Bytes of `four` at place `at` of each lane, as values. */
INLINE __m512 values_of(__m512i four, unsigned at, __m512 a, __m512 o)
{
    __m512i q = at == 3 ? _mm512_srli_epi32(four, 24) : _mm512_and_si512(_mm512_srli_epi32(four, 8 * at), _mm512_set1_epi32(255));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(q), a, o);
}

/* Sixteen pairs of BF16: even[i], odd[i]. */
INLINE __m512i pairs_of(__m512 even, __m512 odd)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                           18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* The numbers of a panel become values, a (q - zero) + o. */
static void pairs_of_panel(uint32_t *to, const tsri_int8_panel *from, tsri_int8_form form, size_t k)
{
    const uint8_t *q = from->q;
    const __m512 zero = _mm512_set1_ps(-(float)form.zero);
    for (size_t g = 0; g < k / form.group; g++)
        for (size_t half = 0; half < OUTS; half += SIDE) {
            __m512 a = _mm512_loadu_ps(from->a + g * OUTS + half);
            __m512 o = form.offsets ? _mm512_loadu_ps(from->o + g * OUTS + half) : _mm512_mul_ps(zero, a);
            for (size_t e = g * form.group; e < (g + 1) * form.group; e += 4) {
                __m512i four = _mm512_loadu_si512(q + e * OUTS + 4 * half);
                uint32_t *step = to + e / 2 * OUTS + half;
                _mm512_storeu_si512(step, pairs_of(values_of(four, 0, a, o), values_of(four, 1, a, o)));
                _mm512_storeu_si512(step + OUTS, pairs_of(values_of(four, 2, a, o), values_of(four, 3, a, o)));
            }
        }
}

static void pack(uint32_t *panel, tsri_int8_panel *work, tsr_type type, const uint8_t *w, size_t row_bytes, size_t n, size_t k)
{
    if (type == TSR_BF16) {
        tsri_gemm_pack_pairs_avx512(panel, (const uint16_t *)(const void *)w, row_bytes / 2, n, k);
        return;
    }
    tsri_int8_get()->pack(work, type, w, row_bytes, n, k);
    pairs_of_panel(panel, work, tsri_int8_form_of(type), k);
}

/* ---- as kernels ---- */

static void multiply(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n, size_t steps)
{
    add_all(y, ldy, add ? y : NULL, ldy, panel, &(rows){x, ldx, SIDE, SIDE * ldx}, n, steps);
}

const tsri_gemm_kernel tsri_gemm_amx = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 2,
                                        .pack_bf16 = tsri_gemm_pack_pairs_avx512, .pair_rows = tsri_gemm_pair_rows_avx512,
                                        .round = tsri_gemm_round_pairs_avx512, .multiply = multiply};

const tsri_pairs_kernels tsri_pairs_amx = {.round = round_row, .pack = pack, .tile = tile};
