/* int8_256.h: what AVX2 and AVX-VNNI share, vectors of 256 bits: rounding, a tile's floats, rows of all types. Before it is included a file
 * says AT_ONCE, the rows of input that its tile takes at most (2 or 3), SIGNED_APART, whether numbers whose zero is 128 are multiplied as signed
 * ones, without what is in the sums' starting values, and in tiles of their own; and behind it what it declares. */
#ifndef TSR_INT8_256_H
#define TSR_INT8_256_H

#include "int8_x86.h"
#include "registers_internal.h"

#include <math.h>

enum { LANES = TSRI_INT8_OUT / 8 };

/* Group g of `group` elements: begin[i] + sums of row i < n of input with 32 outputs. `steps`: of 4 elements, whose pairs fit 16
 * bits. */
INLINE void group_sums(__m256i s[AT_ONCE][LANES], size_t n, size_t group, size_t steps, const int32_t *begin, const uint8_t *q,
                       const int8_t *p, size_t ldp);

/* ---- inputs ---- */

/* A block's values and the largest of them; NaN where one isn't finite. */
INLINE float block_of(__m256 v[4], const float *x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 top = _mm256_setzero_ps(), bad = _mm256_setzero_ps();
    float eight[8], most = 0.0f;
    for (size_t i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(_mm256_sub_ps(v[i], v[i]), _mm256_setzero_ps(), _CMP_UNORD_Q)); /* NaN, infinite */
        top = _mm256_max_ps(top, _mm256_andnot_ps(sign, v[i]));
    }
    _mm256_storeu_ps(eight, top);
    for (size_t i = 0; i < 8; i++)
        most = eight[i] > most ? eight[i] : most;
    return _mm256_movemask_ps(bad) ? NAN : most;
}

/* Whole numbers: v by the inverse of this scale, or zeros where it is too small for one. */
INLINE void numbers_of(__m256i w[4], const __m256 v[4], float scale)
{
    __m256 by = _mm256_set1_ps(scale >= 0x1p-126f ? 1.0f / scale : 0.0f);
    for (size_t i = 0; i < 4; i++)
        w[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], by));
}

INLINE __m256i bytes_of(const __m256i w[4])
{
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(w[0], w[1]), _mm256_packs_epi32(w[2], w[3]));
    return _mm256_permutevar8x32_epi32(bytes, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0)); /* packs work within halves */
}

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    __m256 v[4];
    __m256i w[4];
    float most = block_of(v, x), scale = most / 127.0f;
    if (isnan(most)) {
        memset(p, 0, TSRI_INT8_BLOCK);
        memset(sums, 0, 8 * sizeof *sums);
        return NAN;
    }
    numbers_of(w, v, scale);
    __m256i bytes = bytes_of(w);
    _mm256_storeu_si256((void *)p, bytes);
    _mm256_storeu_si256((void *)sums, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1)));
    return scale;
}

/* One block as numbers of 16 bits, the largest 127 * 256. */
static float round32_fine(int8_t *p, int8_t *lo, int32_t sums[8], const float *x)
{
    __m256 v[4];
    __m256i w[4], high[4], low[4];
    float most = block_of(v, x), scale = most / 32512.0f;
    if (isnan(most)) {
        memset(p, 0, TSRI_INT8_BLOCK);
        memset(lo, 0, TSRI_INT8_BLOCK);
        memset(sums, 0, 8 * sizeof *sums);
        return NAN;
    }
    numbers_of(w, v, scale);
    for (size_t i = 0; i < 4; i++) {
        high[i] = _mm256_srai_epi32(_mm256_add_epi32(w[i], _mm256_set1_epi32(128)), 8);
        low[i] = _mm256_max_epi32(_mm256_sub_epi32(w[i], _mm256_slli_epi32(high[i], 8)), _mm256_set1_epi32(-127));
        w[i] = _mm256_add_epi32(_mm256_slli_epi32(high[i], 8), low[i]);
    }
    __m256i fours = _mm256_hadd_epi32(_mm256_hadd_epi32(w[0], w[1]), _mm256_hadd_epi32(w[2], w[3]));
    _mm256_storeu_si256((void *)sums, _mm256_permutevar8x32_epi32(fours, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0)));
    _mm256_storeu_si256((void *)p, bytes_of(high));
    _mm256_storeu_si256((void *)lo, bytes_of(low));
    return scale;
}

static void round_blocks(int8_t *p, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_each(round32, p, xs, halves, x, n);
}

static void round_fine(int8_t *p, int8_t *lo, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_fine_each(round32_fine, p, lo, xs, halves, x, n);
}

/* ---- tiles ---- */

INLINE void tile_of(bool offsets, size_t n, bool fine, size_t group, size_t steps, float y[AT_ONCE][TSRI_INT8_OUT],
                    const tsri_int8_panel *panel, const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    for (size_t g = 0; g < k / group; g++) {
        const float *a = panel->a + g * TSRI_INT8_OUT, *o = panel->o + g * TSRI_INT8_OUT;
        const int8_t *p = x->p + first * x->ldp + k0 + g * group;
        const uint8_t *q = panel->q + g * group * TSRI_INT8_OUT;
        __m256i s[AT_ONCE][LANES], high[AT_ONCE][LANES];
        int32_t begin[AT_ONCE] = {0};
        if (fine) {
            group_sums(high, n, group, steps, begin, q, p, x->ldp);
            READ_AGAIN(q);
        }
        for (size_t i = 0; i < n && !offsets; i++)
            begin[i] = ((const int32_t *)x->corr)[(first + i) * x->ldc + k0 / group + g];
        group_sums(s, n, group, steps, begin, q, fine ? x->lo + (p - x->p) : p, x->ldp);
        for (size_t i = 0; i < n && fine; i++)
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = _mm256_add_epi32(s[i][l], _mm256_slli_epi32(high[i][l], 8));
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            __m256 by = _mm256_set1_ps(x->xs[(first + i) * x->lds + (k0 + g * group) / TSRI_INT8_BLOCK]);
            __m256 sums = _mm256_set1_ps(offsets ? ((const float *)x->corr)[(first + i) * x->ldc + k0 / group + g] : 0.0f);
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++) {
                __m256 f = _mm256_loadu_ps(y[i] + 8 * l);
                f = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s[i][l]), _mm256_mul_ps(_mm256_loadu_ps(a + 8 * l), by), f);
                if (offsets)
                    f = _mm256_fmadd_ps(_mm256_loadu_ps(o + 8 * l), sums, f);
                _mm256_storeu_ps(y[i] + 8 * l, f);
            }
        }
    }
}

/* A constant for either kind: the compiler makes none of a choice between two. */
INLINE void tile_of_either(bool offsets, size_t n, bool fine, size_t group, size_t steps, float y[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                           const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (offsets)
        tile_of(true, n, fine, group, steps, y, panel, x, first, k0, k);
    else
        tile_of(false, n, fine, group, steps, y, panel, x, first, k0, k);
}

/* Constants for the kinds of numbers there are. */
INLINE void tile_rows(size_t n, bool fine, tsri_int8_form form, float y[AT_ONCE][TSRI_INT8_OUT], const tsri_int8_panel *panel,
                      const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    if (form.group == 32 && form.top > 15)
        tile_of_either(form.offsets, n, fine, 32, 4, y, panel, x, first, k0, k);
    else if (form.group == 32)
        tile_of_either(form.offsets, n, fine, 32, 8, y, panel, x, first, k0, k);
    else if (form.top > 15)
        tile_of_either(form.offsets, n, fine, 16, 2, y, panel, x, first, k0, k);
    else
        tile_of_either(form.offsets, n, fine, 16, 4, y, panel, x, first, k0, k);
}

INLINE size_t rows_of_tile(size_t n)
{
    return tsri_int8_rows_of_tile(n, AT_ONCE);
}

#include "int8_tiles.h"

#include "int8_256_rows.h"

#endif
