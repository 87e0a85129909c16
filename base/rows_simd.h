/* rows_simd.h: the kernels of rows_internal.h, for a file that has said what a vector is: vec, LANES, vec_zero, vec_set,
 * vec_fma(a, b, c) = a b + c, vec_sum, vec_load, vec_store, load_f16, load_bf16, load_q8; and MAX_QUERIES. Counts are
 * constants at every call, so that the accumulators live in registers. */
#ifndef TSR_ROWS_SIMD_H
#define TSR_ROWS_SIMD_H

#include "kernels_internal.h"
#include "registers_internal.h"
#include "rows_internal.h"

#define INLINED static inline __attribute__((always_inline))

enum { MAX_ROWS = 6 };

/* Ask for the memory of values from `at` on. */
INLINED void ask_for(tsr_type type, const unsigned char *row, size_t at)
{
    size_t bytes = type == TSR_Q8_0 ? at + at / 16 : type == TSR_F32 ? 4 * at : 2 * at; /* 34 for 32 numbers */
    __builtin_prefetch(row + bytes, 0, 2);
}

/* Values [at, at + LANES) of a row; at is a multiple of LANES. */
INLINED vec load_row(tsr_type type, const unsigned char *row, size_t at)
{
    switch (type) {
    case TSR_F16: return load_f16(row + 2 * at);
    case TSR_BF16: return load_bf16(row + 2 * at);
    case TSR_Q8_0: return load_q8(row + at / TSRI_Q8_ELEMS * TSRI_Q8_BYTES, at % TSRI_Q8_ELEMS);
    default: return vec_load((const float *)(const void *)(row + 4 * at));
    }
}

/* n_q vectors by n_rows rows, of which `left` exist: the last of them stands for the others. `next` lies like rows. */
INLINED void score_tile(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t left, size_t n,
                        const float *q, size_t n_q, float *s, const unsigned char *next)
{
    vec a[MAX_ROWS][MAX_QUERIES], k[MAX_ROWS];
    const unsigned char *row[MAX_ROWS];
    for (size_t r = 0; r < n_rows; r++) {
        row[r] = rows + (r < left ? r : left - 1) * row_bytes;
        for (size_t i = 0; i < n_q; i++)
            a[r][i] = vec_zero();
    }
    for (size_t at = 0; at < n; at += LANES) {
        for (size_t r = 0; r < n_rows; r++) {
            k[r] = load_row(type, row[r], at);
            ask_for(type, next + (row[r] - rows), at);
        }
        for (size_t i = 0; i < n_q; i++) {
            vec x = vec_load(q + i * n + at);
            HOLD(x);
            for (size_t r = 0; r < n_rows; r++)
                a[r][i] = vec_fma(k[r], x, a[r][i]);
        }
    }
    IN_REGISTERS
    for (size_t r = 0; r < n_rows; r++) {
        IN_REGISTERS
        for (size_t i = 0; i < n_q; i++) {
            float sum = vec_sum(a[r][i]);
            if (r < left)
                s[i * TSRI_ROWS_TILE + r] = sum;
        }
    }
}

INLINED void score_rows(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t step, size_t n,
                        const float *q, size_t n_q, float *s, const unsigned char *next)
{
    for (size_t r = 0; r < n_rows; r += step)
        score_tile(type, rows + r * row_bytes, row_bytes, step, n_rows - r, n, q, n_q, s + r,
                   next + r * row_bytes);
}

/* Two vectors of each row. */
INLINED void mix_tile(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t at, size_t n,
                      const float *w, size_t n_q, float *y, const unsigned char *next)
{
    vec a[MAX_QUERIES][2];
    IN_REGISTERS
    for (size_t i = 0; i < n_q; i++) {
        a[i][0] = vec_load(y + i * n + at);
        a[i][1] = vec_load(y + i * n + at + LANES);
    }
    for (size_t r = 0; r < n_rows; r++, rows += row_bytes, next += row_bytes) {
        ask_for(type, next, at);
        vec v0 = load_row(type, rows, at), v1 = load_row(type, rows, at + LANES);
        for (size_t i = 0; i < n_q; i++) {
            vec x = vec_set(w[i * TSRI_ROWS_TILE + r]);
            a[i][0] = vec_fma(v0, x, a[i][0]);
            a[i][1] = vec_fma(v1, x, a[i][1]);
        }
    }
    IN_REGISTERS
    for (size_t i = 0; i < n_q; i++) {
        vec_store(y + i * n + at, a[i][0]);
        vec_store(y + i * n + at + LANES, a[i][1]);
    }
}

INLINED void mix_rows(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *w,
                      size_t n_q, float *y, const unsigned char *next)
{
    for (size_t at = 0; at < n; at += (size_t)2 * LANES)
        mix_tile(type, rows, row_bytes, n_rows, at, n, w, n_q, y, next);
}

/* As many vectors at once as there are, down by halves; the fewer, the more rows, since sums wait for each other. */
INLINED void scores_of(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *q,
                       size_t n_q, float *s, const unsigned char *next)
{
    for (; MAX_QUERIES >= 8 && n_q >= 8; n_q -= 8, q += 8 * n, s += 8 * TSRI_ROWS_TILE)
        score_rows(type, rows, row_bytes, n_rows, 3, n, q, 8, s, next);
    for (; n_q >= 4; n_q -= 4, q += 4 * n, s += 4 * TSRI_ROWS_TILE)
        score_rows(type, rows, row_bytes, n_rows, MAX_QUERIES / 2, n, q, 4, s, next);
    for (; n_q >= 2; n_q -= 2, q += 2 * n, s += 2 * TSRI_ROWS_TILE)
        score_rows(type, rows, row_bytes, n_rows, 4, n, q, 2, s, next);
    if (n_q)
        score_rows(type, rows, row_bytes, n_rows, MAX_ROWS, n, q, 1, s, next);
}

INLINED void mix_of(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *w,
                    size_t n_q, float *y, const unsigned char *next)
{
    for (; MAX_QUERIES >= 8 && n_q >= 8; n_q -= 8, w += 8 * TSRI_ROWS_TILE, y += 8 * n)
        mix_rows(type, rows, row_bytes, n_rows, n, w, 8, y, next);
    for (; n_q >= 4; n_q -= 4, w += 4 * TSRI_ROWS_TILE, y += 4 * n)
        mix_rows(type, rows, row_bytes, n_rows, n, w, 4, y, next);
    for (; n_q >= 2; n_q -= 2, w += 2 * TSRI_ROWS_TILE, y += 2 * n)
        mix_rows(type, rows, row_bytes, n_rows, n, w, 2, y, next);
    if (n_q)
        mix_rows(type, rows, row_bytes, n_rows, n, w, 1, y, next);
}

static void scores(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *q,
                   size_t n_q, float *s, const unsigned char *next)
{
    switch (type) {
    case TSR_F16: scores_of(TSR_F16, rows, row_bytes, n_rows, n, q, n_q, s, next); break;
    case TSR_BF16: scores_of(TSR_BF16, rows, row_bytes, n_rows, n, q, n_q, s, next); break;
    case TSR_Q8_0: scores_of(TSR_Q8_0, rows, row_bytes, n_rows, n, q, n_q, s, next); break;
    default: scores_of(TSR_F32, rows, row_bytes, n_rows, n, q, n_q, s, next); break;
    }
}

static void mix(tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, size_t n, const float *w,
                size_t n_q, float *y, const unsigned char *next)
{
    switch (type) {
    case TSR_F16: mix_of(TSR_F16, rows, row_bytes, n_rows, n, w, n_q, y, next); break;
    case TSR_BF16: mix_of(TSR_BF16, rows, row_bytes, n_rows, n, w, n_q, y, next); break;
    case TSR_Q8_0: mix_of(TSR_Q8_0, rows, row_bytes, n_rows, n, w, n_q, y, next); break;
    default: mix_of(TSR_F32, rows, row_bytes, n_rows, n, w, n_q, y, next); break;
    }
}

#endif
