/* int8_vnni_tiles.c: AVX-512 with VNNI: panels of weights by rows of input.
 *
 * A tile of 32 outputs by up to 6 rows of input has 12 integer sums, which each group turns into shares of 12 float ones. vpdpbusd
 * makes these sums. On AMD's processors it has two pipes, which it shares with the multiplications of floats, while the multiplier of
 * whole numbers has one more beside them. So there are mixed tiles, whose last rows use that one: vpmaddubsw makes sums of two
 * products in 16 bits, some of these are added up as long as they must fit, and vpmaddwd makes 32 bits of them. Where all of this
 * shares the same pipes, as on Intel's, it costs more. Sums of whole numbers are exact: either way gives the same bits, so the first
 * use measures which takes less time. */
#include "int8_vnni.h"
#include "registers_internal.h"
#include "tsr_clock.h"

#include <pthread.h>

enum { ROWS = 6 }; /* of input that a tile takes at most */

/* s += products of a group of weights, from q on, with n rows of numbers. */
INLINE void add_group(__m512i s[ROWS][2], size_t n, size_t group, const uint8_t *q, const int8_t *p, size_t ldp)
{
    for (size_t e = 0; e < group; e += 4, q += 4 * TSRI_INT8_OUT) {
        __m512i w0 = _mm512_loadu_si512(q), w1 = _mm512_loadu_si512(q + 64);
        for (size_t i = 0; i < n; i++) {
            __m512i v = _mm512_set1_epi32(four_numbers(p + i * ldp + e));
            s[i][0] = _mm512_dpbusd_epi32(s[i][0], w0, v);
            s[i][1] = _mm512_dpbusd_epi32(s[i][1], w1, v);
        }
    }
}

/* s += products of 64 weights with v, by way of h, 16 bits wide: the first of those that add up there, the last of them. */
INLINE void add_narrow(__m512i *s, __m512i *h, __m512i w, __m512i v, bool first, bool last)
{
    __m512i pairs = _mm512_maddubs_epi16(w, v);
    *h = first ? pairs : _mm512_add_epi16(*h, pairs);
    HOLD(*h);
    if (last) {
        *s = _mm512_add_epi32(*s, _mm512_madd_epi16(*h, _mm512_set1_epi16(1)));
        HOLD(*s);
    }
}

/* The same as add_group, with the last `narrow` rows in sums of 16 bits, `fours` times four products each. */
INLINE void add_group_mixed(__m512i s[ROWS][2], size_t n, size_t narrow, size_t fours, size_t group, const uint8_t *q, const int8_t *p,
                            size_t ldp)
{
    __m512i h[ROWS][2];
    IN_REGISTERS
    for (size_t f = 0; f < group / 4; f++, q += 4 * TSRI_INT8_OUT) {
        __m512i w[2] = {_mm512_loadu_si512(q), _mm512_loadu_si512(q + 64)};
        for (size_t i = 0; i < n; i++) {
            __m512i v = _mm512_set1_epi32(four_numbers(p + i * ldp + 4 * f));
            for (size_t o = 0; o < 2; o++)
                if (i < n - narrow)
                    s[i][o] = _mm512_dpbusd_epi32(s[i][o], w[o], v);
                else
                    add_narrow(&s[i][o], &h[i][o], w[o], v, f % fours == 0, f % fours == fours - 1);
        }
    }
}

/* How a tile multiplies. fours: of sums of 16 bits, which so many times four products must fit. */
typedef struct tile_shape {
    size_t n, narrow, fours, group; /* rows of input, those of them in 16 bits */
    bool offsets, fine;
} tile_shape;

INLINE void add_products(tile_shape t, __m512i s[ROWS][2], const uint8_t *q, const int8_t *p, size_t ldp)
{
    if (t.narrow > 0)
        add_group_mixed(s, t.n, t.narrow, t.fours, t.group, q, p, ldp);
    else
        add_group(s, t.n, t.group, q, p, ldp);
}

/* What tiles of all shapes share: constants where it is inlined. */
INLINE void tile_of(tile_shape t, float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel,
                    const tsri_int8_input *x, size_t first, size_t k0, size_t k, __mmask16 m0, __mmask16 m1)
{
    const int8_t *p = x->p + first * x->ldp + k0, *lo = t.fine ? x->lo + first * x->ldp + k0 : NULL;
    const float *xs = x->xs + first * x->lds + k0 / TSRI_INT8_BLOCK;
    const int32_t *zeros = (const int32_t *)x->corr + first * x->ldc + k0 / t.group;
    const float *sums = (const float *)x->corr + first * x->ldc + k0 / t.group;
    const uint8_t *q = panel->q;
    const float *a = panel->a, *o = panel->o;
    __m512 f[ROWS][2];
    IN_REGISTERS
    for (size_t i = 0; i < t.n; i++) {
        f[i][0] = from ? _mm512_maskz_loadu_ps(m0, from + i * ldf) : _mm512_setzero_ps();
        f[i][1] = from ? _mm512_maskz_loadu_ps(m1, from + i * ldf + 16) : _mm512_setzero_ps();
    }
    for (size_t g = 0; g < k / t.group; g++, q += t.group * TSRI_INT8_OUT) {
        __m512i s[ROWS][2];
        if (t.fine) {
            for (size_t i = 0; i < t.n; i++)
                s[i][0] = s[i][1] = _mm512_setzero_si512();
            add_products(t, s, q, p + g * t.group, x->ldp);
            READ_AGAIN(q);
        }
        for (size_t i = 0; i < t.n; i++) {
            __m512i zero = t.offsets ? _mm512_setzero_si512() : _mm512_set1_epi32(zeros[i * x->ldc + g]);
            s[i][0] = t.fine ? _mm512_add_epi32(zero, _mm512_slli_epi32(s[i][0], 8)) : zero;
            s[i][1] = t.fine ? _mm512_add_epi32(zero, _mm512_slli_epi32(s[i][1], 8)) : zero;
        }
        add_products(t, s, q, (t.fine ? lo : p) + g * t.group, x->ldp);
        __m512 a0 = _mm512_loadu_ps(a + g * TSRI_INT8_OUT), a1 = _mm512_loadu_ps(a + g * TSRI_INT8_OUT + 16);
        for (size_t i = 0; i < t.n; i++) {
            __m512 by = _mm512_set1_ps(xs[i * x->lds + g * t.group / TSRI_INT8_BLOCK]);
            f[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[i][0]), _mm512_mul_ps(a0, by), f[i][0]);
            f[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[i][1]), _mm512_mul_ps(a1, by), f[i][1]);
        }
        if (t.offsets) {
            __m512 o0 = _mm512_loadu_ps(o + g * TSRI_INT8_OUT), o1 = _mm512_loadu_ps(o + g * TSRI_INT8_OUT + 16);
            for (size_t i = 0; i < t.n; i++) {
                __m512 by = _mm512_set1_ps(sums[i * x->ldc + g]);
                f[i][0] = _mm512_fmadd_ps(o0, by, f[i][0]);
                f[i][1] = _mm512_fmadd_ps(o1, by, f[i][1]);
            }
        }
    }
    IN_REGISTERS
    for (size_t i = 0; i < t.n; i++) {
        _mm512_mask_storeu_ps(y + i * ldy, m0, f[i][0]);
        _mm512_mask_storeu_ps(y + i * ldy + 16, m1, f[i][1]);
    }
}

typedef void (*tile_fn)(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel,
                        const tsri_int8_input *x, size_t first, size_t k0, size_t k, __mmask16 m0, __mmask16 m1);

#define TILE(n, narrow, fours, group, offsets, fine)                                                                             \
    static void tile_##n##_##narrow##_##fours##_##group##_##offsets##_##fine(                                                    \
        float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, const tsri_int8_input *x, size_t first, \
        size_t k0, size_t k, __mmask16 m0, __mmask16 m1)                                                                         \
    {                                                                                                                            \
        tile_of((tile_shape){n, narrow, fours, group, offsets, fine}, y, ldy, from, ldf, panel, x, first, k0, k, m0, m1);        \
    }
#define TILES(n, narrow, fours, group)                                             \
    TILE(n, narrow, fours, group, 0, 0) TILE(n, narrow, fours, group, 0, 1)        \
    TILE(n, narrow, fours, group, 1, 0) TILE(n, narrow, fours, group, 1, 1)
#define ENTRY(n, narrow, fours, group)                                                                                       \
    {tile_##n##_##narrow##_##fours##_##group##_0_0, tile_##n##_##narrow##_##fours##_##group##_0_1,                          \
     tile_##n##_##narrow##_##fours##_##group##_1_0, tile_##n##_##narrow##_##fours##_##group##_1_1}

TILES(1, 0, 0, 16) TILES(2, 0, 0, 16) TILES(3, 0, 0, 16) TILES(4, 0, 0, 16) TILES(5, 0, 0, 16) TILES(6, 0, 0, 16)
TILES(1, 0, 0, 32) TILES(2, 0, 0, 32) TILES(3, 0, 0, 32) TILES(4, 0, 0, 32) TILES(5, 0, 0, 32) TILES(6, 0, 0, 32)
TILES(4, 1, 2, 16) TILES(6, 2, 2, 16) TILES(4, 1, 4, 32) TILES(6, 2, 4, 32) TILES(4, 1, 8, 32) TILES(6, 2, 8, 32)

#define PLAIN(n) {ENTRY(n, 0, 0, 16), ENTRY(n, 0, 0, 32)}
static const tile_fn plain_tiles[ROWS][2][4] = {PLAIN(1), PLAIN(2), PLAIN(3), PLAIN(4), PLAIN(5), PLAIN(6)};
#define MIXED(n, narrow) {ENTRY(n, narrow, 2, 16), ENTRY(n, narrow, 4, 32), ENTRY(n, narrow, 8, 32)}
static const tile_fn mixed_tiles[2][3][4] = {MIXED(4, 1), MIXED(6, 2)};

/* The mixed tiles of a form: which of a row of mixed_tiles, or -1. 128 times 2 * 127, the most that two products can be for each unit of q,
 * fit 16 bits. */
static int mixed_of(tsri_int8_form form)
{
    if (form.group == 16)
        return 2 * form.top <= 128 ? 0 : -1;
    return 8 * form.top <= 128 ? 2 : 4 * form.top <= 128 ? 1 : -1;
}

static void tile(bool may_mix, float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                 const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    __mmask16 m0 = (__mmask16)(n_out >= 16 ? 0xffffu : (1u << n_out) - 1u);
    __mmask16 m1 = (__mmask16)(n_out >= 32 ? 0xffffu : n_out > 16 ? (1u << (n_out - 16)) - 1u : 0u);
    size_t kind = (form.offsets ? 2u : 0u) + (x->lo ? 1u : 0u);
    int mixed = may_mix ? mixed_of(form) : -1;
    for (size_t i = 0, rows; i < n; i += rows) {
        rows = tsri_int8_rows_of_tile(n - i, ROWS);
        tile_fn f = plain_tiles[rows - 1][form.group == 32][kind];
        if (mixed >= 0 && (rows == 4 || rows == 6))
            f = mixed_tiles[rows == 6][mixed][kind];
        f(y + i * ldy, ldy, from ? from + i * ldf : NULL, ldf, panel, x, first + i, k0, k, m0, m1);
    }
}

static void plain_tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                       const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    tile(false, y, ldy, from, ldf, panel, form, x, first, n, k0, k, n_out);
}

static void mixed_tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                       const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    tile(true, y, ldy, from, ldf, panel, form, x, first, n, k0, k, n_out);
}

/* ---- which is faster here ---- */

static tsri_int8_tile *const both[2] = {plain_tile, mixed_tile};

/* The least time that some calls of each took, in turns: a tenth of a millisecond in all. It does not depend on the numbers. */
static void measure(double least[2])
{
    enum { TURNS = 16, CALLS = 6, K = TSRI_INT8_PANEL_K, LD = K / TSRI_INT8_BLOCK };
    tsri_int8_panel panel;
    int8_t p[ROWS * K] = {0};
    float xs[ROWS * LD] = {0}, y[ROWS * TSRI_INT8_OUT];
    int32_t corr[ROWS * LD] = {0};
    tsri_int8_input x = {.p = p, .xs = xs, .corr = corr, .ldp = K, .lds = LD, .ldc = LD};
    memset(&panel, 0, sizeof panel);
    least[0] = least[1] = INFINITY;
    for (size_t turn = 0; turn < 2 * TURNS; turn++) {
        double t = tsr_clock_s(), *least_of = &least[turn % 2];
        for (size_t i = 0; i < CALLS; i++)
            both[turn % 2](y, TSRI_INT8_OUT, NULL, 0, &panel, tsri_int8_form_of(TSR_Q4_0), &x, 0, ROWS, 0, K, TSRI_INT8_OUT);
        t = tsr_clock_s() - t;
        *least_of = t < *least_of ? t : *least_of;
    }
}

static size_t faster; /* of both */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    double least[2];
    measure(least);
    faster = least[1] < 0.97 * least[0] ? 1 : 0;
}

void tsri_int8_tiles_avx512(tsri_int8_tile *ways[2])
{
    pthread_once(&once, choose);
    ways[0] = both[faster];
    ways[1] = both[1 - faster];
}
