/* gemm.c: the packed product: which kernel, which tiles.
 *
 * An item is a tile of outputs by some rows of x. It packs its rows of W into the worker's scratch, a stretch of their
 * length at a time; a few rows of x, which the first cache holds, meet every panel of the tile, then the next few do.
 * Where inputs are rounded, that is done once, into the pool's memory for it, before the items begin. Sums don't depend on
 * where an item's rows end, so that may depend on the number of threads. */
#include "gemm_internal.h"

#include <assert.h>
#include <string.h>

#include "counts_internal.h"
#include "pairs_internal.h"
#include "pool_internal.h"
#include "quant_internal.h"

enum {
    MIN_ITEM_ROWS = 384, /* rows of x in an item, about, unless there are fewer: packing costs as much as 8 to 60 of them */
    ITEMS_OF_THREAD = 4, /* that many items of more rows are enough for all threads to end together */
    ROUND_ROWS = 16,  /* rows of x that an item rounds */
    DECODE_PAD = 16,  /* floats between decoded rows, so that they don't meet in one set of the cache */
    MAX_TILE_BYTES = 1 << 19
};

typedef struct job {
    const tsri_gemm_kernel *kern;
    const tsr_view *w;
    size_t out, k, n_tiles;
    const float *x; /* [n, k], ldx apart */
    size_t ldx;
    uint32_t *rounded; /* [n, steps], ld_rounded apart; NULL where x is taken as it is */
    size_t ld_rounded;
    float *y; /* [n, out], ldy apart */
    size_t ldy, n, item_rows;
} job;

/* ---- a tile ---- */

static size_t panel_size(const tsri_gemm_kernel *kern, size_t steps)
{
    return tsri_whole(steps, TSRI_GEMM_PACK_STEPS) * kern->outs;
}

/* n rows of W from row o on, n_k elements from k on; `rows` has room for them as f32. */
static void pack_panel(const job *j, uint32_t *panel, float *rows, size_t o, size_t n, size_t k, size_t n_k)
{
    size_t at = o * j->k + k, ld = n_k + DECODE_PAD;
    switch (j->w->type) {
    case TSR_BF16: j->kern->pack_bf16(panel, (const uint16_t *)j->w->data + at, j->k, n, n_k); return;
    case TSR_F32: j->kern->pack_f32(panel, (const float *)j->w->data + at, j->k, n, n_k); return;
    default: break;
    }
    for (size_t r = 0; r < n; r++)
        tsr_view_decode(j->w, o + r, k, n_k, rows + r * ld);
    j->kern->pack_f32(panel, rows, ld, n, n_k);
}

/* A panel of fewer than `outs` outputs is multiplied aside. */
static void multiply_part(const tsri_gemm_kernel *kern, float *y, size_t ldy, bool add, const uint32_t *panel,
                          const void *x, size_t ldx, size_t n, size_t n_out, size_t steps)
{
    float aside[TSRI_GEMM_MAX_ROWS * TSRI_GEMM_MAX_OUTS];
    kern->multiply(aside, kern->outs, false, panel, x, ldx, n, steps);
    for (size_t i = 0; i < n; i++)
        for (size_t o = 0; o < n_out; o++)
            y[i * ldy + o] = aside[i * kern->outs + o] + (add ? y[i * ldy + o] : 0.0f);
}

/* Rows [i0, i1) of x times the packed rows [o, o + n_out) of W, over `steps` steps from element k on. */
static void multiply_tile(const job *j, const uint32_t *tile, size_t i0, size_t i1, size_t o, size_t n_out, size_t k,
                          size_t steps)
{
    const tsri_gemm_kernel *kern = j->kern;
    size_t ldx = j->rounded ? j->ld_rounded : j->ldx, size = panel_size(kern, steps);
    for (size_t i = i0; i < i1; i += kern->rows) {
        const void *x = j->rounded ? (const void *)(j->rounded + i * ldx + k / kern->step) : j->x + i * ldx + k;
        size_t n = tsri_least(kern->rows, i1 - i);
        for (size_t p = 0; p < n_out; p += kern->outs) {
            float *y = j->y + i * j->ldy + o + p;
            const uint32_t *panel = tile + p / kern->outs * size;
            if (n_out - p >= kern->outs)
                kern->multiply(y, j->ldy, k > 0, panel, x, ldx, n, steps);
            else
                multiply_part(kern, y, j->ldy, k > 0, panel, x, ldx, n, n_out - p, steps);
        }
    }
}

static void tile_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    const tsri_gemm_kernel *kern = j->kern;
    size_t o = item % j->n_tiles * kern->tile_outs, n_out = tsri_least(kern->tile_outs, j->out - o);
    size_t i0 = item / j->n_tiles * j->item_rows, i1 = tsri_least(i0 + j->item_rows, j->n), k = 0;
    uint32_t *tile = scratch;
    float *rows = (float *)scratch + MAX_TILE_BYTES / sizeof(float);
    (void)worker;
    do { /* once where k is 0: that gives zeros */
        size_t n_k = tsri_least(kern->tile_steps * kern->step, j->k - k), steps = tsri_parts(n_k, kern->step);
        for (size_t p = 0; p < n_out; p += kern->outs)
            pack_panel(j, tile + p / kern->outs * panel_size(kern, steps), rows, o + p, tsri_least(kern->outs, n_out - p), k,
                       n_k);
        multiply_tile(j, tile, i0, i1, o, n_out, k, steps);
        k += n_k;
    } while (k < j->k);
}

/* Rows of x in an item: parts of nearly the same size, each but the last whole groups of the kernel's rows. */
static void run_tiles(tsr_pool *pool, job *j)
{
    j->n_tiles = tsri_parts(j->out, j->kern->tile_outs);
    size_t wanted = tsri_parts((size_t)tsr_pool_threads(pool) * ITEMS_OF_THREAD, j->n_tiles);
    size_t n_parts = tsri_least(wanted, tsri_parts(j->n, MIN_ITEM_ROWS));
    j->item_rows = tsri_whole(tsri_parts(j->n, n_parts), j->kern->rows);
    tsr_pool_run(pool, j->n_tiles * tsri_parts(j->n, j->item_rows), tile_item, j);
}

/* ---- inputs ---- */

static void round_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    (void)scratch;
    for (size_t i = item * ROUND_ROWS, last = tsri_least(i + ROUND_ROWS, j->n); i < last; i++)
        j->kern->round(j->rounded + i * j->ld_rounded, j->x + i * j->ldx, j->k);
}

/* Whole lines of the cache, of an odd number, so that rows don't meet in one set of it. */
static size_t rounded_stride(size_t k)
{
    size_t line = 16;
    return (tsri_parts(tsri_parts(k, 2), line) | 1) * line;
}

static size_t rows_that_fit(size_t k)
{
    return TSRI_POOL_INPUT_BYTES / (rounded_stride(k) * sizeof(uint32_t));
}

bool tsri_gemm_fits(const tsri_gemm_kernel *kern, size_t k)
{
    return !kern->round || rows_that_fit(k) >= ROUND_ROWS;
}

/* As many rows at a time as fit. */
static void run_rounded(tsr_pool *pool, job *all)
{
    size_t fit = rows_that_fit(all->k) / ROUND_ROWS * ROUND_ROWS, most = tsri_parts(all->n, tsri_parts(all->n, fit));
    for (size_t i = 0; i < all->n; i += most) {
        job j = *all;
        j.x += i * j.ldx;
        j.y += i * j.ldy;
        j.n = tsri_least(most, all->n - i);
        j.rounded = tsri_pool_inputs(pool);
        j.ld_rounded = rounded_stride(j.k);
        tsr_pool_run(pool, tsri_parts(j.n, ROUND_ROWS), round_item, &j);
        run_tiles(pool, &j);
    }
}

/* ---- entry points ---- */

void tsri_gemm(const tsri_gemm_kernel *kern, tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n,
               float *y, size_t ldy)
{
    job j = {.kern = kern, .w = w, .x = x, .ldx = ldx, .y = y, .ldy = ldy, .n = n};
    assert(w->n_dims == 2 && tsr_type_info(w->type)->is_float);
    assert(kern->tile_outs * kern->tile_steps * sizeof(float) <= MAX_TILE_BYTES);
    assert(!kern->round || (w->type == TSR_BF16 && tsri_pool_inputs(pool) && tsri_gemm_fits(kern, w->shape[1])));
    j.out = w->shape[0];
    j.k = w->shape[1];
    if (n == 0 || j.out == 0)
        return;
    if (kern->round)
        run_rounded(pool, &j);
    else
        run_tiles(pool, &j);
}

const tsri_gemm_kernel *tsri_gemm_wide(tsr_cpu_level level)
{
#if defined(TSR_HAVE_X86_SIMD)
    if (level >= TSR_CPU_AVX512)
        return &tsri_gemm_avx512;
    if (level >= TSR_CPU_AVX2)
        return &tsri_gemm_avx2;
#elif defined(TSR_HAVE_ARM_SIMD)
    if (level >= TSR_CPU_NEON)
        return &tsri_gemm_neon;
#endif
    (void)level;
    return &tsri_gemm_c;
}

const tsri_gemm_kernel *tsri_gemm_dot(tsr_cpu_level level)
{
#if defined(TSR_HAVE_X86_SIMD)
    if (level >= TSR_CPU_AMX)
        return &tsri_gemm_amx;
    if (level >= TSR_CPU_AVX512_BF16)
        return &tsri_gemm_avx512bf16;
#endif
    (void)level;
    return NULL;
}

/* AMD's cores begin a product of BF16 pairs as often as an FMA, so twice the work is done. Intel's with this instruction
 * begin one for every four FMAs (measured on Sapphire Rapids), so f32 is twice as fast, and exact too; where they have AMX, its
 * tiles are many times as fast. */
bool tsri_gemm_pairs_pay(void)
{
#if defined(TSR_HAVE_X86_SIMD)
    __builtin_cpu_init();
    return tsr_cpu_get() >= TSR_CPU_AMX || (tsri_gemm_dot(tsr_cpu_get()) && __builtin_cpu_is("amd"));
#else
    return false;
#endif
}

const tsri_pairs_kernels *tsri_pairs_get(void)
{
#if defined(TSR_HAVE_X86_SIMD)
    if (tsr_cpu_get() >= TSR_CPU_AMX)
        return &tsri_pairs_amx;
#endif
    return NULL;
}

const tsri_gemm_kernel *tsri_gemm_pick(const tsr_pool *pool, const tsr_view *w)
{
    const tsri_gemm_kernel *dot = tsri_gemm_dot(tsr_cpu_get());
    if (w->type == TSR_BF16 && tsri_pool_inputs(pool) && tsri_gemm_pairs_pay() && tsri_gemm_fits(dot, w->shape[1]))
        return dot;
    return tsri_gemm_wide(tsr_cpu_get());
}
