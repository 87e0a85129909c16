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
#include "split_internal.h"

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

/* What is multiplied, one such after the other into the same sums: rows of x and a panel. */
typedef struct operands {
    const uint32_t *x, *panel;
} operands;

/* Of rows of x, in pairs: from row to row of a tile, to the next 16 pairs, to the next 16 rows. */
typedef struct strides {
    size_t row, tile, block;
} strides;

/* Where sums go, and where they come from: NULL for zeros. */
typedef struct target {
    float *y;
    size_t ldy;
    const float *from;
    size_t ldf;
} target;

/* Sums of 32 rows or, where there is no second half, 16, and 32 outputs, over n_tiles tiles of steps of each operand. */
INLINE void add_tiles(const target t, const operands *op, size_t n_op, const strides by, bool second, size_t n_tiles)
{
    size_t y_bytes = 4 * t.ldy, f_bytes = 4 * t.ldf, x_bytes = 4 * by.row;
    if (t.from) {
        _tile_loadd(0, t.from, f_bytes);
        _tile_loadd(1, t.from + SIDE, f_bytes);
        if (second) {
            _tile_loadd(2, t.from + SIDE * t.ldf, f_bytes);
            _tile_loadd(3, t.from + SIDE * t.ldf + SIDE, f_bytes);
        }
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t o = 0; o < n_op; o++) {
        const uint32_t *x = op[o].x, *panel = op[o].panel;
        for (size_t n = n_tiles; n > 0; n--, panel += SIDE * OUTS, x += by.tile) {
            _tile_loadd(4, x, x_bytes);
            _tile_loadd(6, panel, PANEL_LINE);
            _tile_loadd(7, panel + SIDE, PANEL_LINE);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            if (second) {
                _tile_loadd(5, x + by.block, x_bytes);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
    _tile_stored(0, t.y, y_bytes);
    _tile_stored(1, t.y + SIDE, y_bytes);
    if (second) {
        _tile_stored(2, t.y + SIDE * t.ldy, y_bytes);
        _tile_stored(3, t.y + SIDE * t.ldy + SIDE, y_bytes);
    }
}

/* On to the next 32 rows. */
INLINE void next_rows(target *t, operands *op, size_t n_op, const strides by)
{
    t->y += ROWS * t->ldy;
    t->from += t->from ? ROWS * t->ldf : 0;
    for (size_t o = 0; o < n_op; o++)
        op[o].x += 2 * by.block;
}

/* Rows of which all are there, 32 at a time: by far the most of the work. */
static void add_blocks(target *t, operands *op, size_t n_op, const strides by, size_t n, size_t n_tiles)
{
    shape_tiles(SIDE, SIDE, SIDE);
    for (; n > 0; n--, next_rows(t, op, n_op, by))
        add_tiles(*t, op, n_op, by, true, n_tiles);
}

/* n <= 32 rows. */
static void add_rows(const target *t, const operands *op, size_t n_op, const strides by, size_t n, size_t steps, size_t n_tiles)
{
    shape_tiles(tsri_least(SIDE, n), n > SIDE ? n - SIDE : SIDE, steps);
    if (n > SIDE)
        add_tiles(*t, op, n_op, by, true, n_tiles);
    else
        add_tiles(*t, op, n_op, by, false, n_tiles);
}

enum { MOST_OPERANDS = 3 };

/* Any number of rows and steps; y may be from. */
static void add_all(const target *to, const operands *all, size_t n_op, const strides by, size_t n, size_t steps)
{
    size_t whole = steps / SIDE, rest = steps % SIDE;
    operands op[MOST_OPERANDS];
    target t = *to;
    memcpy(op, all, n_op * sizeof *op);
    add_blocks(&t, op, n_op, by, n / ROWS, whole);
    if (n % ROWS > 0)
        add_rows(&t, op, n_op, by, n % ROWS, SIDE, whole);
    for (size_t o = 0; o < n_op; o++)
        op[o] = (operands){all[o].x + whole * by.tile, all[o].panel + whole * SIDE * OUTS};
    t = (target){to->y, to->ldy, to->y, to->ldy};
    for (size_t i = 0; i < n && rest > 0; i += ROWS, next_rows(&t, op, n_op, by))
        add_rows(&t, op, n_op, by, tsri_least(ROWS, n - i), rest, 1);
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
    const strides by = {SIDE, SIDE * SIDE, SIDE * TSRI_PAIRS_K / 2};
    operands op = {x, panel};
    if (n_out == OUTS) {
        add_all(&(target){y, ldy, from, ldf}, &op, 1, by, n, k / 2);
        return;
    }
    float aside[ROWS * OUTS] = {0};
    for (size_t i = 0, now; i < n; i += now, op.x += 2 * by.block) {
        now = tsri_least(ROWS, n - i);
        if (from)
            copy_rows(aside, OUTS, from + i * ldf, ldf, now, n_out);
        __asm__ volatile("" : : "r"(aside) : "memory"); /* tiles are loaded unseen by the compiler */
        add_all(&(target){aside, OUTS, from ? aside : NULL, OUTS}, &op, 1, by, now, k / 2);
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
    const strides by = {ldx, SIDE, SIDE * ldx};
    add_all(&(target){y, ldy, add ? y : NULL, ldy}, &(operands){x, panel}, 1, by, n, steps);
}

void tsri_split_multiply_amx(float *y, size_t ldy, bool add, const uint32_t *panel, size_t panel_apart, const uint32_t *x,
                             size_t x_apart, size_t ldx, size_t n, size_t steps)
{
    const strides by = {ldx, SIDE, SIDE * ldx};
    const operands op[MOST_OPERANDS] = {{x, panel + panel_apart}, {x + x_apart, panel}, {x, panel}}, *larger = op + 2;
    add_all(&(target){y, ldy, add ? y : NULL, ldy}, panel_apart ? op : larger, panel_apart ? MOST_OPERANDS : 1, by, n, steps);
}

const tsri_gemm_kernel tsri_gemm_amx = {.outs = OUTS, .rows = ROWS, .tile_outs = 128, .tile_steps = 512, .step = 2,
                                        .pack_bf16 = tsri_gemm_pack_pairs_avx512, .pair_rows = tsri_gemm_pair_rows_avx512,
                                        .round = tsri_gemm_round_pairs_avx512, .rest = tsri_gemm_rest_avx512, .multiply = multiply};

const tsri_pairs_kernels tsri_pairs_amx = {.round = round_row, .pack = pack, .tile = tile};
