/* Products with inputs rounded to int8, or, of many rows where the processor multiplies tiles of them, to pairs of BF16: against f64
 * on the same rounded inputs and weights, at every CPU level, for every type, at the borders of tiles, panels and passes.
 *
 * test_int8                        the check
 * test_int8 --bench [THREADS [LEVEL [TYPE]]]   products timed, as CSV
 * test_int8 --bench-tiles          one thread's tiles alone, in turns with the way that isn't in use, where there is one, as CSV
 * test_int8 --bench-rows           likewise rows for decode, from the first two caches */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "int8_forms.h"
#include "pairs_internal.h"
#include "pool_internal.h"
#include "tsr_clock.h"
#include "tsr_matmul.h"
#include "tsr_rows.h"

static uint64_t rng = 1;

static uint32_t next_u32(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

static float unit(void) /* -1 .. 1 */
{
    return (float)(int32_t)next_u32() * 0x1p-31f;
}

/* ---- weights ----------------------------------------------------------------------------- */

/* Where the f16 scales of a block stand; all other bytes may be anything. */
static size_t halves_of(tsr_type type, size_t at[2])
{
    switch (type) {
    case TSR_Q4_1:
    case TSR_Q5_1:
    case TSR_Q4_K:
    case TSR_Q5_K: at[0] = 0, at[1] = 2; return 2;
    case TSR_Q2_K: at[0] = 80, at[1] = 82; return 2;
    case TSR_Q3_K: at[0] = 108; return 1;
    case TSR_Q6_K: at[0] = 208; return 1;
    case TSR_MXFP4: return 0;
    default: at[0] = 0; return 1;
    }
}

static void fill_blocks(tsr_type type, unsigned char *w, size_t n_blocks)
{
    for (size_t i = 0; type == TSR_BF16 && i < n_blocks; i++)
        memcpy(w + 2 * i, &(uint16_t){tsr_f32_to_bf16(unit())}, 2);
    if (type == TSR_BF16)
        return;
    const tsr_type_traits *t = tsr_type_info(type);
    size_t at[2], n = halves_of(type, at);
    for (size_t b = 0; b < n_blocks; b++, w += t->block_bytes) {
        for (size_t i = 0; i < t->block_bytes; i++)
            w[i] = (unsigned char)(next_u32() >> 7);
        for (size_t i = 0; i < n; i++)
            memcpy(w + at[i], &(uint16_t){tsr_f32_to_f16(unit() * 0.01f)}, 2);
        if (type == TSR_MXFP4)
            w[0] = (unsigned char)(120 + next_u32() % 8);
    }
}

/* Memory that ends at an unreadable page. */
typedef struct guarded {
    unsigned char *at, *base;
    size_t mapped;
} guarded;

static guarded guarded_bytes(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (n + page - 1) / page * page;
    guarded g = {.mapped = whole + page};
    g.base = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.base != MAP_FAILED);
    assert_int_equal(mprotect(g.base + whole, page, PROT_NONE), 0);
    g.at = g.base + whole - n;
    return g;
}

static tsr_view view_of(tsr_type type, const void *w, size_t out, size_t k)
{
    tsr_view v = {.data = w, .type = type, .n_dims = 2, .shape = {out, k, 1, 1}, .n_elems = out * k};
    v.n_bytes = out * k / tsr_type_info(type)->block_elems * tsr_type_info(type)->block_bytes;
    return v;
}

static bool is_block(int type)
{
    return tsr_type_is_block((tsr_type)type);
}

static void numbers_and_scales_are_the_values_that_blocks_decode_to(void **state)
{
    (void)state;
    for (int type = 0; type < TSR_N_TYPES; type++) {
        if (!is_block(type))
            continue;
        const tsr_type_traits *t = tsr_type_info((tsr_type)type);
        tsri_int8_form form = tsri_int8_form_of((tsr_type)type);
        for (int round = 0; round < 50; round++) {
            unsigned char b[256];
            float want[TSRI_QUANT_MAX_ELEMS];
            tsri_int8_block got;
            fill_blocks((tsr_type)type, b, 1);
            tsri_quant_decode((tsr_type)type, b, 0, t->block_elems, want);
            tsri_int8_unpack(&got, (tsr_type)type, b);
            for (size_t i = 0; i < t->block_elems; i++) {
                size_t g = i / form.group;
                float v = got.a[g] * (float)(got.q[i] - form.zero) + (form.offsets ? got.o[g] : 0.0f);
                if (!(fabsf(v - want[i]) <= 1e-6f * fabsf(want[i])))
                    fail_msg("%s: element %zu is %g, decoded %g", t->name, i, (double)v, (double)want[i]);
            }
        }
    }
}

/* ---- products ----------------------------------------------------------------------------- */

static bool as_pairs(size_t n)
{
    return n >= TSRI_PAIRS_MIN_ROWS && tsri_pairs_get();
}

static void rounded_to_bf16(const float *x, size_t k, double *out)
{
    for (size_t i = 0; i < k; i++)
        out[i] = (double)tsr_bf16_to_f32(tsr_f32_to_bf16(x[i]));
}

static float top_of(const float *block)
{
    float top = 0;
    for (size_t i = 0; i < 32; i++)
        top = fmaxf(top, fabsf(block[i]));
    return top;
}

/* The rounding as the header has it, written anew. */
static void rounded_to(float most, const float *x, size_t k, double *out)
{
    for (size_t b = 0; b < k; b += 32) {
        float scale = top_of(x + b) / most, inverse = scale >= 0x1p-126f ? 1.0f / scale : 0.0f;
        for (size_t i = 0; i < 32; i++)
            out[b + i] = (double)scale * (double)nearbyintf(x[b + i] * inverse);
    }
}

static void rounded_to_int8(const float *x, size_t k, double *out)
{
    rounded_to(127.0f, x, k, out);
}

static void rounded_to_16_bits(const float *x, size_t k, double *out)
{
    rounded_to(127.0f * 256.0f, x, k, out);
    for (size_t i = 0; i < k; i++) {
        double step = (double)top_of(x + i / 32 * 32) / 32512;
        if (step > 0 && lrint(out[i] / step) % 256 == (out[i] > 0 ? 128 : -128)) /* the lower half can't be -128 */
            out[i] += step;
    }
}

typedef void (*rounding)(const float *x, size_t k, double *out);

typedef struct outcome {
    size_t n_wrong;
    char first[200];
} outcome;

/* y against sums in f64; the bound follows from what the terms could be. */
static outcome compare_as(rounding how, const tsr_view *w, const float *x, size_t ldx, size_t n, const float *y, size_t ldy)
{
    bool pairs = how == rounded_to_bf16;
    size_t k = w->shape[1];
    float *row = malloc(k * sizeof *row);
    double *in = malloc(n * k * sizeof *in), *weights = malloc(k * sizeof *weights);
    outcome o = {0};
    assert_non_null(row);
    assert_non_null(in);
    assert_non_null(weights);
    for (size_t i = 0; i < n; i++)
        how(x + i * ldx, k, in + i * k);
    for (size_t r = 0; r < w->shape[0]; r++) {
        tsr_view_decode(w, r, 0, k, row);
        for (size_t e = 0; e < k; e++)
            weights[e] = (double)row[e];
        if (pairs)
            rounded_to_bf16(row, k, weights);
        for (size_t i = 0; i < n; i++) {
            double want = 0, size = 0, most = 0;
            for (size_t e = 0; e < k; e++) {
                double term = weights[e] * in[i * k + e];
                want += term;
                size += fabs(term);
                most = fmax(most, fabs(term));
            }
            /* offsets and zeros are taken off again: their terms count as if each element were as large as its block's top */
            double limit = 16.0 * FLT_EPSILON * sqrt((double)k / 32 + 1) * (size + 1e-3);
            if (pairs) /* weights halfway between two of BF16, but for a rounding, may become either: two may be such */
                limit += 2 * 0x1p-8 * most;
            if (!(fabs((double)y[i * ldy + r] - want) <= limit) && o.n_wrong++ == 0)
                snprintf(o.first, sizeof o.first, "%s %zux%zu row %zu of %zu, output %zu: %.9g, want %.9g +- %.2g",
                         tsr_type_info(w->type)->name, w->shape[0], k, i, n, r, (double)y[i * ldy + r], want, limit);
        }
    }
    free(row);
    free(in);
    free(weights);
    return o;
}

static outcome compare(const tsr_view *w, const float *x, size_t ldx, size_t n, const float *y, size_t ldy)
{
    return compare_as(as_pairs(n) ? rounded_to_bf16 : rounded_to_int8, w, x, ldx, n, y, ldy);
}

static tsr_pool *fast_pool(unsigned threads)
{
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, threads, NULL), TSR_OK);
    assert_int_equal(tsr_pool_set_products(pool, TSR_PRODUCTS_FAST, NULL), TSR_OK);
    return pool;
}

enum { PAD_X = 3, PAD_Y = 5, CANARY = 0x7fc0dead };

static void check_shape(tsr_pool *const pools[3], tsr_type type, size_t out, size_t k, size_t n)
{
    size_t ldx = k + PAD_X, ldy = out + PAD_Y;
    tsr_view v = view_of(type, NULL, out, k);
    guarded w = guarded_bytes(v.n_bytes);
    float *x = malloc(n * ldx * sizeof *x), *y[3];
    v.data = w.at;
    fill_blocks(type, w.at, v.n_elems / tsr_type_info(type)->block_elems);
    for (size_t i = 0; i < n * ldx; i++)
        x[i] = unit() * (i / 97 % 5 == 0 ? 30.0f : 1.0f);
    for (size_t p = 0; p < 3; p++) {
        y[p] = malloc(n * ldy * sizeof *y[p]);
        for (size_t i = 0; i < n * ldy; i++)
            memcpy(y[p] + i, &(uint32_t){CANARY}, 4);
        tsr_matmul(pools[p], &v, x, ldx, n, y[p], ldy);
    }
    assert_memory_equal(y[0], y[1], n * ldy * sizeof *y[0]);
    assert_memory_equal(y[0], y[2], n * ldy * sizeof *y[0]);
    for (size_t i = 0; i < n; i++)
        for (size_t c = out; c < ldy; c++)
            assert_memory_equal(y[0] + i * ldy + c, &(uint32_t){CANARY}, 4);
    outcome o = compare(&v, x, ldx, n, y[0], ldy);
    if (o.n_wrong)
        fail_msg("%s: %zu wrong, first: %s", tsr_cpu_level_name(tsr_cpu_get()), o.n_wrong, o.first);
    for (size_t p = 0; p < 3; p++)
        free(y[p]);
    free(x);
    munmap(w.base, w.mapped);
}

static void products_are_right_for_every_type_level_and_thread_count(void **state)
{
    static const size_t shapes[][3] = {/* out, k in blocks, n */
                                       {1, 1, 1},   {5, 2, 2},  {33, 3, 3},  {66, 5, 4},  {16, 1, 5},  {17, 2, 6},
                                       {70, 3, 7},  {31, 1, 13}, {32, 4, 12}, {130, 2, 8}, {64, 17, 6}, {40, 33, 9},
                                       {1, 1, 16},  {64, 2, 17}, {33, 9, 31}, {300, 3, 32}, {66, 33, 33}, {32, 20, 48}, {97, 5, 71}};
    (void)state;
    tsr_pool *const pools[3] = {fast_pool(1), fast_pool(2), fast_pool(5)};
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (int type = 0; type < TSR_N_TYPES; type++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                size_t blocks = shapes[s][1], elems = type == TSR_BF16 ? TSRI_PAIRS_WHOLE : tsr_type_info((tsr_type)type)->block_elems;
                if (!is_block(type) && !(type == TSR_BF16 && as_pairs(shapes[s][2])))
                    continue;
                blocks = elems > 32 && blocks > 5 ? blocks / 6 : blocks;
                check_shape(pools, (tsr_type)type, shapes[s][0], blocks * elems, shapes[s][2]);
            }
    }
    tsr_cpu_set(tsr_cpu_detect());
    for (size_t p = 0; p < 3; p++)
        tsr_pool_close(pools[p]);
}

static void a_wrong_scale_is_found(void **state)
{
    enum { OUT = 32, K = 256, N = 6 };
    (void)state;
    tsr_pool *pool = fast_pool(1);
    tsr_view v = view_of(TSR_Q4_0, NULL, OUT, K);
    unsigned char *w = malloc(v.n_bytes);
    float x[N * K], y[N * OUT];
    v.data = w;
    fill_blocks(TSR_Q4_0, w, OUT * K / 32);
    for (size_t i = 0; i < N * K; i++)
        x[i] = unit();
    tsr_matmul(pool, &v, x, K, N, y, OUT);
    assert_int_equal(compare(&v, x, K, N, y, OUT).n_wrong, 0);
    memcpy(w + 18, &(uint16_t){tsr_f32_to_f16(0.012f)}, 2);
    assert_true(compare(&v, x, K, N, y, OUT).n_wrong > 0);
    tsr_matmul(pool, &v, x, K, N, y, OUT);
    size_t largest = 0;
    for (size_t i = 0; i < N * OUT; i++)
        largest = fabsf(y[i]) > fabsf(y[largest]) ? i : largest;
    y[largest] *= 1.001f;
    assert_int_equal(compare(&v, x, K, N, y, OUT).n_wrong, 1);
    free(w);
    tsr_pool_close(pool);
}

/* A row with a value that is not finite gives none that is, and of int8 no number at all; the other rows are as ever. */
static void what_is_not_finite_stays_visible(void **state)
{
    enum { OUT = 40, K = 512, N = 18 };
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    (void)state;
    tsr_pool *pool = fast_pool(2);
    tsr_view v = view_of(TSR_Q6_K, NULL, OUT, K);
    unsigned char *w = malloc(v.n_bytes);
    float *x = malloc(N * K * sizeof *x), *y = malloc(N * OUT * sizeof *y);
    v.data = w;
    fill_blocks(TSR_Q6_K, w, OUT * K / 256);
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++)
        for (size_t b = 0; b < 3; b++)
            for (size_t n = 2; n <= N; n += n == 2 ? 6 : 10) {
                tsr_cpu_set((tsr_cpu_level)l);
                for (size_t i = 0; i < N * K; i++)
                    x[i] = unit();
                x[K + 77] = bad[b];
                tsr_matmul(pool, &v, x, K, n, y, OUT);
                for (size_t i = 0; i < n * OUT; i++)
                    assert_int_equal(as_pairs(n) ? !isfinite(y[i]) : isnan(y[i]) != 0, i / OUT == 1);
            }
    tsr_cpu_set(tsr_cpu_detect());
    free(w);
    free(x);
    free(y);
    tsr_pool_close(pool);
}

static float *random_rows(size_t n, size_t ld)
{
    float *x = malloc(n * ld * sizeof *x);
    for (size_t i = 0; i < n * ld; i++)
        x[i] = unit();
    return x;
}

/* By tsr_matmul_fine, or as a fine one of some products. */
static void multiply_fine(tsr_pool *pool, bool as_product, const tsr_view *v, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    if (as_product)
        tsr_matmul_each(pool, &(tsr_product){v, y, ldy, true}, 1, x, ldx, n);
    else
        tsr_matmul_fine(pool, v, x, ldx, n, y, ldy);
}

static void check_fine(tsr_pool *const pools[2], bool as_product, tsr_type type, size_t out, size_t k, size_t n)
{
    size_t ldx = k + PAD_X, ldy = out + PAD_Y;
    tsr_view v = view_of(type, NULL, out, k);
    guarded w = guarded_bytes(v.n_bytes);
    float *x = random_rows(n, ldx), *y = malloc(n * ldy * sizeof *y), *other = malloc(n * ldy * sizeof *other);
    bool alone = !as_product && n <= TSR_FINE_ROWS; /* each row has the bits that it has alone */
    v.data = w.at;
    fill_blocks(type, w.at, v.n_elems / tsr_type_info(type)->block_elems);
    for (size_t i = 0; i < n * ldx; i++)
        x[i] *= i / 97 % 5 == 0 ? 30.0f : 1.0f;
    for (size_t i = 0; i < n * ldy; i++)
        memcpy(y + i, &(uint32_t){CANARY}, 4);
    memcpy(other, y, n * ldy * sizeof *y);
    multiply_fine(pools[0], as_product, &v, x, ldx, n, y, ldy);
    for (size_t i = 0; i < n && alone; i++)
        tsr_matmul_fine(pools[1], &v, x + i * ldx, ldx, 1, other + i * ldy, ldy);
    if (as_product)
        multiply_fine(pools[1], as_product, &v, x, ldx, n, other, ldy);
    else if (!alone)
        tsr_matmul(pools[1], &v, x, ldx, n, other, ldy);
    assert_memory_equal(y, other, n * ldy * sizeof *y);
    for (size_t i = 0; i < n; i++)
        for (size_t c = out; c < ldy; c++)
            assert_memory_equal(y + i * ldy + c, &(uint32_t){CANARY}, 4);
    outcome o = {0};
    if (as_product || alone)
        o = compare_as(!alone && as_pairs(n) ? rounded_to_bf16 : rounded_to_16_bits, &v, x, ldx, n, y, ldy);
    if (o.n_wrong)
        fail_msg("%s: %zu wrong, first: %s", tsr_cpu_level_name(tsr_cpu_get()), o.n_wrong, o.first);
    x[n / 2 * ldx + k / 2] = NAN; /* of one row */
    multiply_fine(pools[0], as_product, &v, x, ldx, n, other, ldy);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < out; r++)
            assert_true(i == n / 2 ? isnan(other[i * ldy + r]) : memcmp(other + i * ldy + r, y + i * ldy + r, sizeof *y) == 0);
    free(x);
    free(y);
    free(other);
    munmap(w.base, w.mapped);
}

static void fine_products_are_right_for_every_type_and_level(void **state)
{
    static const size_t shapes[][3] = {{1, 1, 1}, {33, 3, 1}, {70, 5, 2}, {31, 2, 3}, {66, 4, 4}, {40, 33, 9}, {65, 9, 16}, {34, 6, 17}, {33, 5, 6}, {97, 3, 29}};
    (void)state;
    tsr_pool *const pools[2] = {fast_pool(1), fast_pool(3)};
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (int type = 0; type < TSR_N_TYPES; type++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes && is_block(type); s++) {
                size_t k = shapes[s][1] * tsr_type_info((tsr_type)type)->block_elems;
                check_fine(pools, false, (tsr_type)type, shapes[s][0], k, shapes[s][2]);
                check_fine(pools, true, (tsr_type)type, shapes[s][0], k, shapes[s][2]);
            }
    }
    tsr_cpu_set(tsr_cpu_detect());
    for (size_t p = 0; p < 2; p++)
        tsr_pool_close(pools[p]);
}

/* The rows of a product are those of products of some of them, to the bit. */
static void check_rows_alone(size_t out, size_t k, size_t n)
{
    const size_t some_rows = as_pairs(n) ? 20 : 4;
    tsr_pool *pool = fast_pool(1);
    tsr_view v = view_of(TSR_Q8_0, NULL, out, k);
    unsigned char *w = malloc(v.n_bytes);
    float *x = malloc(n * k * sizeof *x), *y = malloc(n * out * sizeof *y), *some = malloc(some_rows * out * sizeof *some);
    v.data = w;
    fill_blocks(TSR_Q8_0, w, out * k / 32);
    for (size_t i = 0; i < n * k; i++)
        x[i] = unit();
    tsr_matmul(pool, &v, x, k, n, y, out);
    for (size_t i = 0; i < n; i += some_rows) {
        tsr_matmul(pool, &v, x + i * k, k, some_rows, some, out);
        assert_memory_equal(some, y + i * out, some_rows * out * sizeof *some);
    }
    free(w);
    free(x);
    free(y);
    free(some);
    tsr_pool_close(pool);
}

/* Inputs that are too many for the pool's memory are done in passes, sums that are too many for a worker's likewise; neither
 * changes a bit. */
static void more_rows_than_fit_are_done_in_passes(void **state)
{
    (void)state;
    for (int l = (int)tsr_cpu_detect(); l >= TSR_CPU_C && l + 3 > (int)tsr_cpu_detect(); l--) { /* with amx int8 is below it */
        tsr_cpu_set((tsr_cpu_level)l);
        check_rows_alone(8, 65536, 400);
        check_rows_alone(70, 1280, 2060);
    }
    tsr_cpu_set(tsr_cpu_detect());
}

/* A panel and rows of input with any numbers that there may be. */
typedef struct tile_case {
    tsri_int8_panel panel;
    int8_t p[13 * 320], lo[13 * 320];
    float xs[13 * 10], from[13 * 32];
    int32_t corr[13 * 20];
    tsri_int8_input x;
} tile_case;

static void fill_tile_case(tile_case *c, tsri_int8_form form, bool fine)
{
    c->x = (tsri_int8_input){.p = c->p, .lo = fine ? c->lo : NULL, .xs = c->xs, .corr = c->corr, .ldp = 320, .lds = 10, .ldc = 20};
    for (size_t i = 0; i < sizeof c->panel.q; i++) /* often the largest, which sums of 16 bits must hold */
        c->panel.q[i] = (uint8_t)(next_u32() >> 8 & 1 ? form.top : next_u32() % (form.top + 1u));
    for (size_t i = 0; i < sizeof c->panel.a / sizeof *c->panel.a; i++)
        c->panel.a[i] = unit(), c->panel.o[i] = unit();
    for (size_t i = 0; i < sizeof c->p; i++) {
        c->p[i] = (int8_t)(i / 32 % 3 == 0 ? 127 : i / 32 % 3 == 1 ? -127 : (int)(next_u32() % 255) - 127);
        c->lo[i] = (int8_t)(i / 64 % 2 ? c->p[i] : (int)(next_u32() % 255) - 127);
    }
    for (size_t i = 0; i < sizeof c->xs / sizeof *c->xs; i++)
        c->xs[i] = unit();
    for (size_t i = 0; i < sizeof c->from / sizeof *c->from; i++)
        c->from[i] = unit();
    for (size_t i = 0; i < sizeof c->corr / sizeof *c->corr; i++)
        memcpy(c->corr + i, form.offsets ? (const void *)&(float){unit()} : (const void *)&(int32_t){(int32_t)next_u32() >> 12}, 4);
}

/* On outputs and elements that are whole and not, from zeros and not; nothing is written beside. */
static void check_ways(const tsri_int8_kernels *kern, tsr_type type, bool fine, size_t n, tile_case *c)
{
    enum { LDY = 37, WHOLE = 32, K = 288 };
    tsri_int8_form form = tsri_int8_form_of(type);
    tsri_int8_tile *const ways[2] = {kern->tile, kern->other_tile};
    for (unsigned kind = 0; kind < 4 && kern->other_tile; kind++) {
        size_t n_out = kind & 1 ? 27 : WHOLE;
        float y[2][13 * LDY];
        fill_tile_case(c, form, fine);
        memset(y, 0xff, sizeof y);
        for (size_t way = 0; way < 2; way++)
            ways[way](y[way], LDY, kind & 2 ? c->from : NULL, WHOLE, &c->panel, form, &c->x, 0, n, kind & 1 ? 32 : 0, K, n_out);
        for (size_t i = 0; i < 13 * LDY; i++)
            assert_int_equal(isnan(y[0][i]) != 0, i / LDY >= n || i % LDY >= n_out);
        assert_memory_equal(y[0], y[1], sizeof y[0]);
    }
}

/* `check` of 1 to 13 rows or blocks, fine ones and not, of each type at each level. */
static void check_both_ways(void (*check)(const tsri_int8_kernels *kern, tsr_type type, bool fine, size_t n, tile_case *c))
{
    tile_case *c = malloc(sizeof *c);
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsri_int8_kernels kern;
        tsri_int8_init(&kern, (tsr_cpu_level)l);
        for (int type = 0; type < TSR_N_TYPES; type++)
            for (size_t n = 1; n <= 13 && is_block(type); n++) {
                check(&kern, (tsr_type)type, false, n, c);
                check(&kern, (tsr_type)type, true, n, c);
            }
    }
    free(c);
}

static void both_ways_of_a_tile_give_the_same_bits(void **state)
{
    (void)state;
    check_both_ways(check_ways);
}

/* Rows of weights that end where memory does, with any numbers that a row of input may have; of `blocks` blocks. */
static void check_rows_ways(const tsri_int8_kernels *kern, tsr_type type, bool fine, size_t blocks, tile_case *c)
{
    enum { OUT = 3 };
    size_t k = blocks * tsr_type_info(type)->block_elems, row_bytes = tsr_row_bytes(type, k);
    tsri_int8_rows *const ways[2] = {kern->rows, kern->other_rows};
    if (!kern->other_rows)
        return;
    guarded w = guarded_bytes(OUT * row_bytes);
    float y[2][OUT];
    fill_tile_case(c, tsri_int8_form_of(type), fine);
    fill_blocks(type, w.at, OUT * blocks);
    for (size_t i = k / TSRI_INT8_BLOCK; i < sizeof c->xs / sizeof *c->xs; i++)
        c->xs[i] = 0.0f; /* beyond the row, and so of what is read of four blocks */
    for (size_t way = 0; way < 2; way++)
        ways[way](y[way], type, w.at, row_bytes, OUT, &c->x, 0, k);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    munmap(w.base, w.mapped);
}

static void both_ways_of_a_row_give_the_same_bits(void **state)
{
    (void)state;
    check_both_ways(check_rows_ways);
}

/* ---- several of one input ---------------------------------------------------------------------- */

static tsr_view random_view(tsr_type type, size_t out, size_t k)
{
    tsr_view v = view_of(type, NULL, out, k);
    unsigned char *w = malloc(v.n_bytes);
    fill_blocks(type, w, v.n_elems / tsr_type_info(type)->block_elems);
    v.data = w;
    return v;
}

/* Products together are those alone, to the bit: types of one form and of several, fast and exact; `fine`: bits of the fine ones. */
static void check_together(tsr_pool *pool, const tsr_type types[3], const size_t outs[3], size_t k, size_t n, unsigned fine)
{
    size_t ldx = k + PAD_X, ldy = outs[0] + outs[1] + outs[2] + PAD_Y;
    float *x = random_rows(n, ldx), *y[3], *want[3];
    tsr_view v[3];
    tsr_product p[3];
    for (size_t i = 0; i < 3; i++) {
        v[i] = random_view(types[i], outs[i], k);
        y[i] = calloc(n * ldy, sizeof *y[i]);
        want[i] = calloc(n * ldy, sizeof *want[i]);
        p[i] = (tsr_product){&v[i], y[i], ldy, fine >> i & 1};
        if (p[i].fine)
            tsr_matmul_each(pool, &(tsr_product){&v[i], want[i], ldy, true}, 1, x, ldx, n);
        else
            tsr_matmul(pool, &v[i], x, ldx, n, want[i], ldy);
    }
    tsr_matmul_each(pool, p, 3, x, ldx, n);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(y[i], want[i], n * ldy * sizeof *y[i]);
        free((void *)(uintptr_t)v[i].data);
        free(y[i]);
        free(want[i]);
    }
    free(x);
}

typedef enum mlp_kind { GATED, GATED_LIMITS, SILU_LIMITS } mlp_kind;

/* A feed-forward block is its products and what lies between them, to the bit. Its scratch stays as it was where nothing of it is to
 * be floats. */
static void check_mlp(tsr_pool *pool, const tsr_type types[3], size_t width, size_t out, size_t k, size_t n, mlp_kind kind,
                      bool scratch_stays)
{
    static const tsr_mlp_limits limits = {-0.5f, 0.75f, -0.25f, 0.5f, -0.125f, 0.25f};
    bool has_up = kind != SILU_LIMITS, has_limits = kind != GATED;
    size_t ldx = k + PAD_X, ldy = out + PAD_Y, ld = 2 * width;
    float *x = random_rows(n, ldx), *y = calloc(n * ldy, sizeof *y), *want = calloc(n * ldy, sizeof *want);
    float *work = calloc(n * ld, sizeof *work), *mid = calloc(n * ld, sizeof *mid), *none = calloc(n * ld, sizeof *none);
    tsr_view v[3] = {random_view(types[0], width, k), random_view(types[1], width, k), random_view(types[2], out, width)};
    tsr_matmul(pool, &v[0], x, ldx, n, mid, ld);
    tsr_matmul(pool, &v[1], x, ldx, n, mid + width, ld);
    for (size_t i = 0; i < n; i++) {
        float *g = mid + i * ld, *u = g + width;
        if (has_limits) {
            tsr_clamp(g, g, limits.gate_min, limits.gate_max, width);
            tsr_clamp(u, u, limits.up_min, limits.up_max, width);
        }
        if (has_up)
            tsr_gelu_mul(g, u, width);
        else
            tsr_sigmoid_mul(g, g, g, width);
        if (has_limits)
            tsr_clamp(g, g, limits.mid_min, limits.mid_max, width);
    }
    tsr_matmul(pool, &v[2], mid, ld, n, want, ldy);
    tsr_mlp m = {&v[0], has_up ? &v[1] : NULL, &v[2], has_up ? TSR_GELU_TANH : TSR_SILU, has_limits ? &limits : NULL};
    tsr_mlp_run(pool, &m, x, ldx, n, y, ldy, work);
    assert_memory_equal(y, want, n * ldy * sizeof *y);
    assert_int_equal(memcmp(work, none, n * ld * sizeof *work) == 0, scratch_stays);
    for (size_t i = 0; i < 3; i++)
        free((void *)(uintptr_t)v[i].data);
    float *const all[] = {x, y, want, work, mid, none};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void products_together_are_those_alone(void **state)
{
    static const tsr_type types[][3] = {{TSR_Q4_0, TSR_Q4_0, TSR_Q4_0}, {TSR_Q4_K, TSR_Q4_K, TSR_Q6_K}, {TSR_Q8_0, TSR_IQ4_XS, TSR_IQ4_NL},
                                        {TSR_Q4_1, TSR_Q5_1, TSR_Q4_K}, {TSR_Q6_K, TSR_Q6_K, TSR_Q6_K}, {TSR_Q4_0, TSR_Q4_0, TSR_BF16}};
    static const bool as_int8[] = {true, true, true, true, true, false};
    static const size_t outs[][3] = {{64, 64, 64}, {1, 1, 70}, {129, 129, 33}, {800, 800, 31}}, widths[] = {256, 768};
    static const size_t rows[] = {1, 3, 4, 13, 37};
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        tsr_pool *pool;
        assert_int_equal(tsr_pool_open(&pool, kind == 1 ? 3 : 1, NULL), TSR_OK);
        assert_int_equal(tsr_pool_set_products(pool, kind == 2 ? TSR_PRODUCTS_EXACT : TSR_PRODUCTS_FAST, NULL), TSR_OK);
        for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
            tsr_cpu_set((tsr_cpu_level)l);
            for (size_t t = 0; t < 6; t++)
                for (size_t r = 0; r < 5; r++) {
                    for (size_t o = 0; o < 4 && as_int8[t]; o++)
                        check_together(pool, types[t], outs[o], 512, rows[r], o < 3 ? (unsigned)(3 * o) : 1); /* none, the first two, the last two, the first */
                    for (size_t o = 0; o < 2; o++)
                        for (mlp_kind m = GATED; m <= SILU_LIMITS; m++)
                            check_mlp(pool, types[t], widths[o], o ? 70 : 1, 256, rows[r], m,
                                      kind < 2 && (as_int8[t] || as_pairs(rows[r])));
                }
        }
        tsr_cpu_set(tsr_cpu_detect());
        tsr_pool_close(pool);
    }
}

/* More outputs than a few rows' item may have, more rows than sums are kept of, more than the pool's memory holds. */
static void large_gated_blocks_are_their_products(void **state)
{
    static const tsr_type types[3] = {TSR_Q4_0, TSR_Q4_0, TSR_Q8_0};
    tsr_pool *pool;
    (void)state;
    assert_int_equal(tsr_pool_open(&pool, 2, NULL), TSR_OK);
    assert_int_equal(tsr_pool_set_products(pool, TSR_PRODUCTS_FAST, NULL), TSR_OK);
    check_mlp(pool, types, 450016, 2, 32, 3, GATED, true);
    check_mlp(pool, types, 96, 33, 64, 1030, GATED, true);
    check_mlp(pool, types, 864, 33, 32, 1364, GATED, true);
    check_mlp(pool, types, 131072, 2, 32, 130, GATED, true);
    /* As many rows as the memory holds, a row of each input being 512 bytes of int8. */
    enum { MOST_ROWS = TSRI_POOL_INPUT_BYTES / (2 * 512) };
    for (int l = (int)tsr_cpu_detect(); as_pairs(MOST_ROWS); l--)
        tsr_cpu_set((tsr_cpu_level)l);
    check_mlp(pool, types, 32, 1, 32, MOST_ROWS, GATED, true);
    tsr_cpu_set(tsr_cpu_detect());
    tsr_pool_close(pool);
}

/* ---- bench ---------------------------------------------------------------------------------- */

enum { RUNS = 7, BENCH_ROWS = 512, WEIGHT_BYTES = 192 << 20 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_one(tsr_pool *pool, tsr_type type, const unsigned char *w, size_t n, size_t out, size_t k, const float *x,
                      float *y)
{
    tsr_view v = view_of(type, w, out, k);
    size_t copies = WEIGHT_BYTES / v.n_bytes, repeat = n < 4 ? copies : 1;
    double s[RUNS];
    for (int i = -1; i < RUNS; i++) {
        double t0 = tsr_clock_s();
        for (size_t c = 0; c < repeat; c++) {
            v.data = w + c % copies * v.n_bytes;
            tsr_matmul(pool, &v, x, k, n, y, out);
        }
        if (i >= 0)
            s[i] = (tsr_clock_s() - t0) / (double)repeat;
    }
    qsort(s, RUNS, sizeof *s, by_value);
    double t = s[RUNS / 2];
    printf("%s,%u,%s,%zu,%zu,%zu,%.3f,%.3f,%.3f,%.1f,%.1f\n", tsr_cpu_level_name(tsr_cpu_get()), tsr_pool_threads(pool),
           tsr_type_info(type)->name, n, out, k, 1e3 * t, 1e3 * s[0], 1e3 * s[RUNS - 1], 1e-9 * (double)v.n_bytes / t,
           2e-9 * (double)(n * out) * (double)k / t);
    fflush(stdout);
}

static int bench(unsigned threads, const char *only)
{
    static const size_t shapes[][2] = {{6144, 1536}, {1536, 6144}};
    static const size_t rows[] = {1, BENCH_ROWS};
    tsr_pool *pool = fast_pool(threads);
    unsigned char *w = malloc(WEIGHT_BYTES);
    float *x = malloc(BENCH_ROWS * 6144 * sizeof *x), *y = malloc(BENCH_ROWS * 6144 * sizeof *y);
    for (size_t i = 0; i < BENCH_ROWS * 6144; i++)
        x[i] = unit();
    puts("level,threads,type,n,out,k,ms_median,ms_min,ms_max,GB_per_s,GOP_per_s");
    for (int type = 0; type < TSR_N_TYPES; type++) {
        if (!is_block(type) || (only && strcmp(only, tsr_type_info((tsr_type)type)->name) != 0))
            continue;
        fill_blocks((tsr_type)type, w, WEIGHT_BYTES / tsr_type_info((tsr_type)type)->block_bytes);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                bench_one(pool, (tsr_type)type, w, rows[r], shapes[s][0], shapes[s][1], x, y);
    }
    free(w);
    free(x);
    free(y);
    tsr_pool_close(pool);
    return EXIT_SUCCESS;
}

/* Of a panel in the first cache and 48 rows of input: GOP/s of `ways`, the best of some turns. */
static void time_tiles(tsri_int8_tile *const ways[2], tsri_int8_form form, bool fine, double gops[2])
{
    enum { N = 48, K = 512, TURNS = 60, CALLS = 20 };
    static tsri_int8_panel panel;
    static int8_t p[2][N * (K + 64)];
    static float xs[N * K / 32], y[N * 32];
    static int32_t corr[N * K / 16];
    tsri_int8_input x = {.p = p[0], .lo = fine ? p[1] : NULL, .xs = xs, .corr = corr, .ldp = K + 64, .lds = K / 32, .ldc = K / 16};
    double least[2] = {INFINITY, INFINITY};
    for (size_t turn = 0; turn < 2 * TURNS; turn++) {
        double t0 = tsr_clock_s();
        for (size_t i = 0; i < CALLS; i++)
            ways[turn % 2](y, 32, NULL, 0, &panel, form, &x, 0, N, 0, K, 32);
        least[turn % 2] = fmin(least[turn % 2], (tsr_clock_s() - t0) / CALLS);
    }
    for (size_t way = 0; way < 2; way++)
        gops[way] = 2e-9 * N * K * 32 / least[way];
}

static int bench_tiles(void)
{
    const tsri_int8_kernels *kern = tsri_int8_get();
    puts("level,type,fine,GOP_per_s,other_GOP_per_s");
    for (int type = 0; type < TSR_N_TYPES; type++)
        for (int fine = 0; fine < 2 && is_block(type); fine++) {
            double gops[2];
            time_tiles((tsri_int8_tile *const[2]){kern->tile, kern->other_tile ? kern->other_tile : kern->tile},
                       tsri_int8_form_of((tsr_type)type), fine, gops);
            printf("%s,%s,%d,%.0f,", tsr_cpu_level_name(tsr_cpu_get()), tsr_type_info((tsr_type)type)->name, fine, gops[0]);
            if (kern->other_tile)
                printf("%.0f", gops[1]);
            putchar('\n');
        }
    return EXIT_SUCCESS;
}

/* Of 32 rows in the first two caches with one of input: ns for 64 elements of `ways`, the best of some turns. */
static void time_rows(tsri_int8_rows *const ways[2], tsr_type type, bool fine, double ns[2])
{
    enum { N = 32, K = 2048, TURNS = 60, CALLS = 40 };
    static uint8_t w[N * 2 * K + 16384]; /* memory is asked for ahead */
    static int8_t p[2][K];
    static float xs[K / 32], y[N];
    static int32_t corr[K / 16];
    tsri_int8_input x = {.p = p[0], .lo = fine ? p[1] : NULL, .xs = xs, .corr = corr};
    double least[2] = {INFINITY, INFINITY};
    for (size_t turn = 0; turn < 2 * TURNS; turn++) {
        double t0 = tsr_clock_s();
        for (size_t i = 0; i < CALLS; i++)
            ways[turn % 2](y, type, w, tsr_row_bytes(type, K), N, &x, 0, K);
        least[turn % 2] = fmin(least[turn % 2], (tsr_clock_s() - t0) / CALLS);
    }
    for (size_t way = 0; way < 2; way++)
        ns[way] = 1e9 * least[way] / (N * K / 64);
}

static int bench_rows(void)
{
    const tsri_int8_kernels *kern = tsri_int8_get();
    puts("level,type,fine,ns_per_64,other_ns_per_64");
    for (int type = 0; type < TSR_N_TYPES; type++)
        for (int fine = 0; fine < 2 && is_block(type); fine++) {
            double ns[2];
            time_rows((tsri_int8_rows *const[2]){kern->rows, kern->other_rows ? kern->other_rows : kern->rows}, (tsr_type)type, fine, ns);
            printf("%s,%s,%d,%.2f,", tsr_cpu_level_name(tsr_cpu_get()), tsr_type_info((tsr_type)type)->name, fine, ns[0]);
            if (kern->other_rows)
                printf("%.2f", ns[1]);
            putchar('\n');
        }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_scales_are_the_values_that_blocks_decode_to),
        cmocka_unit_test(products_are_right_for_every_type_level_and_thread_count),
        cmocka_unit_test(fine_products_are_right_for_every_type_and_level),
        cmocka_unit_test(both_ways_of_a_tile_give_the_same_bits),
        cmocka_unit_test(both_ways_of_a_row_give_the_same_bits),
        cmocka_unit_test(a_wrong_scale_is_found),
        cmocka_unit_test(what_is_not_finite_stays_visible),
        cmocka_unit_test(more_rows_than_fit_are_done_in_passes),
        cmocka_unit_test(products_together_are_those_alone),
        cmocka_unit_test(large_gated_blocks_are_their_products),
    };
    tsr_cpu_level level;
    if (argc >= 4 && tsr_cpu_parse(&level, argv[3], NULL) == TSR_OK)
        tsr_cpu_set(level);
    if (argc >= 2 && strcmp(argv[1], "--bench") == 0)
        return bench(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0, argc > 4 ? argv[4] : NULL);
    if (argc >= 2 && strcmp(argv[1], "--bench-tiles") == 0)
        return bench_tiles();
    if (argc >= 2 && strcmp(argv[1], "--bench-rows") == 0)
        return bench_rows();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
