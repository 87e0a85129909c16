/* matmul.c: y = x W^T, one tile of W at a time.
 *
 * One to three rows of x: each output is one dot product on the file's own bytes (decode is bound by
 * reading W once). Twelve and more, where the processor has kernels for it: W is packed (gemm.c). Else rows of
 * BF16: tiles of 4 outputs by 6 rows, on those bytes too. Else rows of another type: a tile of W is decoded into
 * the worker's scratch and multiplied by SGEMM. A row of a block
 * type is decoded into the scratch in either case, and few rows of x are multiplied as F32's are. The
 * borders of all are fixed numbers, so results do not depend on the thread count. Where products may be fast (tsr_pool.h),
 * block types, and BF16 where the processor multiplies tiles of it, go to rounded.c. */
#include "tsr_matmul.h"

#include <assert.h>
#include <string.h>

#include "blas_internal.h"
#include "counts_internal.h"
#include "gemm_internal.h"
#include "kernels_internal.h"
#include "pairs_internal.h"
#include "pool_internal.h"
#include "quant_internal.h"
#include "rounded_internal.h"

enum {
    GEMV_MAX_ROWS = 3,   /* up to here reading W again for each row of x is cheaper than a tile */
    BF16_MIN_ROWS = 3,   /* from here the tile kernel serves BF16; an item is GEMV_TILE outputs by */
    BF16_IN = 96,        /* so many rows of x, of which */
    BF16_STEP = 6,       /* so many at a time, */
    BF16_K = 1024,       /* this long, stay in the first cache */
    GEMV_TILE = 64,      /* outputs of one item */
    GEMV_LONG_ROW = 4096, /* from here x crowds the first cache, and four rows at once read it less often */
    GEMM_MIN_ROWS = 12,  /* from here packing W pays, where the processor has kernels for it (gemm.c) */
    TILE_OUT = 128,      /* rows of W in one item */
    TILE_K = 1024,       /* and the part of their length that is decoded at once: whole blocks of any type */
    TILE_IN = 256,       /* rows of x in one item */
    RUN_K = TSR_POOL_SCRATCH_BYTES / 4 /* elements of one row of a block type that are decoded at once */
};

_Static_assert(TILE_OUT * TILE_K * sizeof(float) <= TSR_POOL_SCRATCH_BYTES, "a decoded tile fits the scratch");
_Static_assert(TILE_K % TSRI_QUANT_MAX_ELEMS == 0 && RUN_K % TSRI_QUANT_MAX_ELEMS == 0, "no block is decoded twice");

typedef struct job {
    const tsr_view *w;
    const float *x;
    float *y;
    size_t ldx, ldy, n;
    size_t out, k;
    size_t row_bytes;
    size_t n_out_tiles;
    const tsri_kernels *kern;
} job;

static float dot_row(const job *j, size_t o, const float *x)
{
    const void *row = (const unsigned char *)j->w->data + o * j->row_bytes;
    switch (j->w->type) {
    case TSR_F32: return j->kern->dot_f32(row, x, j->k);
    case TSR_BF16: return j->kern->dot_bf16(row, x, j->k);
    case TSR_F16: return j->kern->dot_f16(row, x, j->k);
    default: return 0.0f; /* block types are not multiplied here, and others are no float types */
    }
}

static void four_rows(const job *j, size_t o)
{
    const uint16_t *w = (const uint16_t *)j->w->data + o * j->k;
    float out[4];
    for (size_t i = 0; i < j->n; i++) {
        j->kern->dot4_bf16(out, w, j->k, j->x + i * j->ldx, j->k);
        memcpy(j->y + i * j->ldy + o, out, sizeof out);
    }
}

/* One output of each row of x, from a row of blocks that is decoded once. */
static void blocks_row(const job *j, size_t o, float *row)
{
    for (size_t i = 0; i < j->n; i++)
        j->y[i * j->ldy + o] = 0.0f;
    for (size_t k = 0; k < j->k; k += RUN_K) {
        size_t n_k = tsri_least(RUN_K, j->k - k);
        tsr_view_decode(j->w, o, k, n_k, row);
        for (size_t i = 0; i < j->n; i++)
            j->y[i * j->ldy + o] += j->kern->dot_f32(row, j->x + i * j->ldx + k, n_k);
    }
}

static void blocks_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    for (size_t o = item * GEMV_TILE, last = tsri_least(o + GEMV_TILE, j->out); o < last; o++)
        blocks_row(j, o, scratch);
}

static void gemv_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    (void)scratch;
    size_t o = item * GEMV_TILE, last = tsri_least(o + GEMV_TILE, j->out);
    if (j->w->type == TSR_BF16 && j->k >= GEMV_LONG_ROW)
        for (; o + 4 <= last; o += 4)
            four_rows(j, o);
    for (; o < last; o++)
        for (size_t i = 0; i < j->n; i++)
            j->y[i * j->ldy + o] = dot_row(j, o, j->x + i * j->ldx);
}

/* A stretch of a few rows of x stays in the first cache while the item's rows of W, which stay in the
 * second, pass by. Outputs beyond a multiple of four are dot products. */
static void bf16_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    (void)scratch;
    size_t first = item % j->n_out_tiles * GEMV_TILE, last = tsri_least(first + GEMV_TILE, j->out);
    size_t i0 = item / j->n_out_tiles * BF16_IN, i1 = tsri_least(i0 + BF16_IN, j->n), fours = last - (last - first) % 4;
    const uint16_t *w = j->w->data;
    for (size_t k = 0; k < j->k; k += BF16_K)
        for (size_t i = i0; i < i1; i += BF16_STEP)
            for (size_t o = first; o < fours; o += 4)
                j->kern->tile_bf16(j->y + i * j->ldy + o, j->ldy, k > 0, w + o * j->k + k, j->k, j->x + i * j->ldx + k,
                                   j->ldx, tsri_least(BF16_STEP, i1 - i), tsri_least(BF16_K, j->k - k));
    for (size_t o = fours; o < last; o++)
        for (size_t i = i0; i < i1; i++)
            j->y[i * j->ldy + o] = dot_row(j, o, j->x + i * j->ldx);
}

static void gemm_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    size_t o = item % j->n_out_tiles * TILE_OUT, n_out = tsri_least(TILE_OUT, j->out - o);
    size_t i = item / j->n_out_tiles * TILE_IN, n_in = tsri_least(TILE_IN, j->n - i);
    const float *x = j->x + i * j->ldx;
    float *y = j->y + i * j->ldy + o;
    if (j->w->type == TSR_F32) {
        const float *w = (const float *)j->w->data + o * j->k;
        tsri_sgemm(false, n_in, n_out, j->k, x, j->ldx, w, j->k, y, j->ldy);
        return;
    }
    float *tile = scratch;
    if (j->k == 0)
        tsri_sgemm(false, n_in, n_out, 0, x, j->ldx, tile, 0, y, j->ldy);
    for (size_t k = 0; k < j->k; k += TILE_K) {
        size_t n_k = tsri_least(TILE_K, j->k - k);
        for (size_t r = 0; r < n_out; r++)
            tsr_view_decode(j->w, o + r, k, n_k, tile + r * n_k);
        tsri_sgemm(k > 0, n_in, n_out, n_k, x + k, j->ldx, tile, n_k, y, j->ldy);
    }
}

static void multiply(tsr_pool *pool, const tsr_product *p, const float *x, size_t ldx, size_t n)
{
    const tsr_view *w = p->w;
    float *y = p->y;
    size_t ldy = p->ldy;
    job j = {.w = w, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .n = n};
    assert(w->n_dims == 2 && tsr_type_info(w->type)->is_float);
    j.out = w->shape[0];
    j.k = w->shape[1];
    j.row_bytes = tsr_view_row_bytes(w);
    j.kern = tsri_kernels_get();
    if (n == 0 || j.out == 0)
        return;
    if (tsri_rounded_products(pool, p, 1, x, ldx, n))
        return;
    if (n >= GEMM_MIN_ROWS && tsr_cpu_get() > TSR_CPU_C) {
        tsri_gemm(tsri_gemm_pick(pool, w), pool, w, x, ldx, n, y, ldy);
        return;
    }
    if (w->type == TSR_BF16 && n >= BF16_MIN_ROWS && j.k > 0) {
        j.n_out_tiles = tsri_parts(j.out, GEMV_TILE);
        tsr_pool_run(pool, j.n_out_tiles * tsri_parts(n, BF16_IN), bf16_item, &j);
    } else if (n <= GEMV_MAX_ROWS) {
        tsr_pool_run(pool, tsri_parts(j.out, GEMV_TILE), tsr_type_is_block(w->type) ? blocks_item : gemv_item, &j);
    } else {
        j.n_out_tiles = tsri_parts(j.out, TILE_OUT);
        tsr_pool_run(pool, j.n_out_tiles * tsri_parts(n, TILE_IN), gemm_item, &j);
    }
}

void tsr_matmul(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    multiply(pool, &(tsr_product){w, y, ldy, false}, x, ldx, n);
}

void tsr_matmul_fine(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    if (n == 0 || !tsri_rounded_fine(pool, w, x, ldx, n, y, ldy))
        tsr_matmul(pool, w, x, ldx, n, y, ldy);
}

void tsr_matmul_each(tsr_pool *pool, const tsr_product *p, size_t n_products, const float *x, size_t ldx, size_t n)
{
    if (n > 0 && n_products > 1 && tsri_rounded_products(pool, p, n_products, x, ldx, n))
        return;
    for (size_t i = 0; i < n_products; i++)
        multiply(pool, &p[i], x, ldx, n);
}

const char *tsr_matmul_path(tsr_type type)
{
    if (tsr_type_is_block(type))
        return tsri_pairs_get() ? "int8/bf16" : "int8";
    return type == TSR_BF16 && tsri_gemm_pairs_pay() ? "bf16" : "exact";
}

void tsr_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                 size_t ldc)
{
    tsri_sgemm(false, m, n, k, a, lda, b, ldb, c, ldc);
}
