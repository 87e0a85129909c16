/* The one product and the small f32 kernels against f64: every weight type, odd shapes, strides,
 * thread counts and CPU levels, and the guard against an OpenBLAS that computes wrongly.
 *
 * test_matmul                             the checks
 * test_matmul --bench [THREADS [LEVEL]]   decode and prefill shapes, timed beside the machine's own limits, as CSV */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "blas_internal.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_matmul.h"

static uint64_t rng = 20;

static uint32_t next_u32(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

static float unit(void) /* -1 .. 1 */
{
    return (float)(int32_t)next_u32() * 0x1p-31f;
}

static bool same_bits(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n) == 0;
}

/* ---- one product with all that surrounds it ----------------------------------------------- */

enum { PAD_X = 3, PAD_Y = 5 };

typedef struct product {
    size_t n, out, k, ldx, ldy;
    tsr_view w;
    void *w_bytes;
    float *x, *y;
    double *want, *mag; /* [n, out] */
} product;

static uint32_t canary(size_t i)
{
    return 0xdead0000u ^ (uint32_t)i;
}

static void clear_y(product *p)
{
    for (size_t i = 0; i < p->n * p->ldy; i++) {
        uint32_t c = canary(i);
        memcpy(&p->y[i], &c, sizeof c);
    }
}

static void fill_weights(product *p, tsr_type type)
{
    size_t n = p->out * p->k, bytes = tsr_type_info(type)->block_bytes;
    p->w_bytes = must_realloc(NULL, n * bytes);
    for (size_t i = 0; i < n; i++) {
        float f = unit();
        uint16_t h = type == TSR_BF16 ? tsr_f32_to_bf16(f) : tsr_f32_to_f16(f);
        memcpy((unsigned char *)p->w_bytes + i * bytes, type == TSR_F32 ? (const void *)&f : &h, bytes);
    }
    p->w = (tsr_view){.data = p->w_bytes, .type = type, .n_dims = 2, .shape = {p->out, p->k, 1, 1}};
    p->w.n_elems = n;
    p->w.n_bytes = n * bytes;
}

static void compute_wanted(product *p)
{
    float *row = must_realloc(NULL, p->k * sizeof *row);
    for (size_t o = 0; o < p->out; o++) {
        tsr_view_decode(&p->w, o, 0, p->k, row);
        for (size_t i = 0; i < p->n; i++) {
            double sum = 0, mag = 0;
            for (size_t k = 0; k < p->k; k++) {
                double q = (double)p->x[i * p->ldx + k] * (double)row[k];
                sum += q;
                mag += fabs(q);
            }
            p->want[i * p->out + o] = sum;
            p->mag[i * p->out + o] = mag;
        }
    }
    free(row);
}

/* Padding of x is NaN: reading it would show. */
static product make_product(tsr_type type, size_t n, size_t out, size_t k, bool padded)
{
    product p = {.n = n, .out = out, .k = k, .ldx = k + (padded ? PAD_X : 0), .ldy = out + (padded ? PAD_Y : 0)};
    p.x = must_realloc(NULL, n * p.ldx * sizeof *p.x);
    p.y = must_realloc(NULL, n * p.ldy * sizeof *p.y);
    p.want = must_realloc(NULL, n * out * sizeof *p.want);
    p.mag = must_realloc(NULL, n * out * sizeof *p.mag);
    for (size_t i = 0; i < n * p.ldx; i++)
        p.x[i] = i % p.ldx < k ? unit() : NAN;
    fill_weights(&p, type);
    compute_wanted(&p);
    return p;
}

static void free_product(product *p)
{
    free(p->w_bytes);
    free(p->x);
    free(p->y);
    free(p->want);
    free(p->mag);
}

static void check_product(const product *p, const char *what)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t o = 0; o < p->ldy; o++) {
            float got = p->y[i * p->ldy + o];
            if (o >= p->out) {
                uint32_t c = canary(i * p->ldy + o);
                if (!same_bits(&c, &got, sizeof c))
                    fail_msg("%s: wrote past row %zu", what, i);
                continue;
            }
            double want = p->want[i * p->out + o];
            double tol = 4.0 * (double)FLT_EPSILON * sqrt((double)p->k) * p->mag[i * p->out + o] + FLT_MIN;
            if (!(fabs((double)got - want) <= tol)) /* NaN fails */
                fail_msg("%s, n %zu out %zu k %zu: [%zu, %zu] got %.9g, want %.9g within %.3g", what, p->n, p->out, p->k,
                         i, o, (double)got, want, tol);
        }
}

static void run(product *p, tsr_pool *pool)
{
    clear_y(p);
    tsr_matmul(pool, &p->w, p->x, p->ldx, p->n, p->y, p->ldy);
}

/* Every level within the bound, and 1, 2, 3 and 5 threads to the last bit. */
static void check_everywhere(product *p)
{
    static tsr_pool *pools[4];
    static const unsigned threads[4] = {1, 2, 3, 5};
    size_t bytes = p->n * p->ldy * sizeof *p->y;
    float *one = must_realloc(NULL, bytes);
    for (int i = 0; i < 4; i++)
        if (!pools[i])
            assert_int_equal(tsr_pool_open(&pools[i], threads[i], NULL), TSR_OK);
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (int t = 0; t < 4; t++) {
            run(p, pools[t]);
            check_product(p, tsr_cpu_level_name((tsr_cpu_level)l));
            if (t == 0)
                memcpy(one, p->y, bytes);
            else if (!same_bits(one, p->y, bytes))
                fail_msg("level %d, n %zu out %zu k %zu: %u threads give other bits than 1", l, p->n, p->out, p->k,
                         threads[t]);
        }
    }
    tsr_cpu_set(tsr_cpu_detect());
    free(one);
}

static void products_are_right_for_every_type_shape_and_thread_count(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1},    {1, 1, 2500},  {1, 300, 7},    {1, 65, 2048}, {2, 64, 64},   {3, 63, 65},   {3, 129, 1025},
        {1, 7, 4096}, {1, 66, 4099}, {3, 5, 5000},   {4, 1, 1},     {4, 129, 3},   {4, 3, 1024},  {5, 127, 1023},
        {5, 1, 2500}, {7, 128, 128}, {7, 300, 1025}, {255, 2, 5},   {256, 130, 4}, {257, 129, 9}, {300, 300, 300},
        {300, 1, 1},  {300, 31, 2500}};
    for (int type = TSR_F32; type <= TSR_BF16; type++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            product p = make_product((tsr_type)type, shapes[s][0], shapes[s][1], shapes[s][2], s % 2 == 1);
            check_everywhere(&p);
            free_product(&p);
        }
    for (int i = 0; i < 60; i++) { /* and whatever comes */
        static const size_t rows[] = {1, 2, 3, 4, 5, 6, 7, 12, 40, 48, 49};
        size_t n = rows[next_u32() % 11], out = 1 + next_u32() % 200, k = 1 + next_u32() % (i % 2 ? 2500 : 100);
        product p = make_product((tsr_type)(next_u32() % 3), n, out, k, next_u32() % 2);
        check_everywhere(&p);
        free_product(&p);
    }
}

static void nothing_to_do_writes_nothing_and_no_length_gives_zero(void **state)
{
    (void)state;
    float x[8] = {0}, y[8], w[1] = {0};
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, 1, NULL), TSR_OK);
    for (size_t n = 0; n <= 4; n += 4) {
        for (size_t i = 0; i < 8; i++)
            y[i] = 7.0f;
        tsr_view none = tsr_view_of_f32(w, 0, 4), empty = tsr_view_of_f32(w, 2, 0), half = empty;
        half.type = TSR_BF16;
        tsr_matmul(pool, &none, x, 1, n, y, 2);
        for (size_t i = 0; i < 8; i++)
            assert_true(y[i] == 7.0f);
        tsr_matmul(pool, &empty, x, 1, n, y, 2);
        for (size_t i = 0; i < 2 * n; i++)
            assert_true(y[i] == 0.0f);
        for (size_t i = 0; i < 8; i++)
            y[i] = 7.0f;
        tsr_matmul(pool, &half, x, 1, n, y, 2);
        for (size_t i = 0; i < 8; i++)
            assert_true(y[i] == (i < 2 * n ? 0.0f : 7.0f));
    }
    tsr_pool_close(pool);
}

static void product_allocates_nothing(void **state)
{
    (void)state;
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, 2, NULL), TSR_OK);
    product p = make_product(TSR_BF16, 7, 200, 1500, false);
    size_t before = tsr_alloc_count();
    run(&p, pool);
    assert_int_equal(tsr_alloc_count(), before);
    free_product(&p);
    tsr_pool_close(pool);
}

/* ---- products inside an item ---------------------------------------------------------------- */

static void check_gemm(size_t m, size_t n, size_t k)
{
    size_t lda = k + 2, ldb = k + 1, ldc = n + 3;
    float *a = must_realloc(NULL, m * lda * sizeof *a), *b = must_realloc(NULL, n * ldb * sizeof *b);
    float *c = must_realloc(NULL, m * ldc * sizeof *c);
    for (size_t i = 0; i < m * lda; i++)
        a[i] = i % lda < k ? unit() : NAN;
    for (size_t i = 0; i < n * ldb; i++)
        b[i] = i % ldb < ldb - 1 ? unit() : NAN;
    memset(c, 0xff, m * ldc * sizeof *c);
    tsr_gemm_nt(m, n, k, a, lda, b, ldb, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            double want = 0, mag = 0;
            for (size_t p = 0; j < n && p < k; p++) {
                double q = (double)a[i * lda + p] * (double)b[j * ldb + p];
                want += q;
                mag += fabs(q);
            }
            float got = c[i * ldc + j];
            uint32_t all = 0xffffffffu;
            if (j >= n ? !same_bits(&got, &all, sizeof all)
                       : !(fabs((double)got - want) <= 4.0 * (double)FLT_EPSILON * sqrt((double)k) * mag + FLT_MIN))
                fail_msg("m %zu n %zu k %zu: [%zu, %zu] got %.9g, want %.9g", m, n, k, i, j, (double)got, want);
        }
    free(a);
    free(b);
    free(c);
}

static void strided_products_are_right_at_every_level(void **state)
{
    (void)state;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (int i = 0; i < 60; i++) {
            size_t m = 1 + next_u32() % 70, n = 1 + next_u32() % 70, k = 1 + next_u32() % 300;
            check_gemm(m, n, k);
        }
        check_gemm(200, 130, 256);
        check_gemm(200, 256, 300);
        check_gemm(3, 4, 0);
    }
    tsr_cpu_set(tsr_cpu_detect());
}

/* ---- an OpenBLAS that computes wrongly ------------------------------------------------------- */

#define SGEMM_ARGS                                                                                             \
    bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc

static void simple_sgemm(SGEMM_ARGS)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)a[i * lda + p] * (double)b[j * ldb + p];
            c[i * ldc + j] = (float)sum + (add ? c[i * ldc + j] : 0.0f);
        }
}

static void sgemm_scales(SGEMM_ARGS)
{
    simple_sgemm(add, m, n, k, a, lda, b, ldb, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * ldc + j] *= 1.0001f;
}

static void sgemm_drops_tail(SGEMM_ARGS)
{
    simple_sgemm(add, m, n, k & ~(size_t)3, a, lda, b, ldb, c, ldc);
}

static void sgemm_forgets_last_row(SGEMM_ARGS)
{
    simple_sgemm(add, m > 32 ? m - 1 : m, n, k, a, lda, b, ldb, c, ldc);
}

static void sgemm_gives_nan(SGEMM_ARGS)
{
    simple_sgemm(add, m, n, k, a, lda, b, ldb, c, ldc);
    if (m > 100)
        c[7] = NAN;
}

static void sgemm_never_adds(SGEMM_ARGS)
{
    (void)add;
    simple_sgemm(false, m, n, k, a, lda, b, ldb, c, ldc);
}

/* Of a square b. */
static void sgemm_confuses_forms(SGEMM_ARGS)
{
    simple_sgemm(add, m, n, k, a, lda, b, ldb, c, ldc);
    for (size_t i = 0; i < m && n == k; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)a[i * lda + p] * (double)b[p * ldb + j];
            c[i * ldc + j] = (float)sum;
        }
}

static void faulty_backend_is_found_and_plain_c_stands_in(void **state)
{
    (void)state;
    static const tsri_sgemm_fn faults[] = {sgemm_scales,    sgemm_drops_tail, sgemm_forgets_last_row,
                                           sgemm_gives_nan, sgemm_never_adds, sgemm_confuses_forms};
    tsr_cpu_set(tsr_cpu_detect());
    if (tsr_cpu_detect() == TSR_CPU_C)
        skip(); /* the backend is plain C in any case */
    assert_non_null(strstr(tsr_matmul_backend(), "OpenBLAS"));
    for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
        assert_false(tsri_sgemm_use(faults[f]));
        assert_non_null(strstr(tsr_matmul_backend(), "plain C"));
        assert_non_null(strstr(tsr_matmul_backend(), "failed its check"));
        check_gemm(64, 40, 129);
    }
    product p = make_product(TSR_F16, 40, 70, 700, true);
    check_everywhere(&p);
    free_product(&p);
    assert_true(tsri_sgemm_use(simple_sgemm));
    assert_true(tsri_sgemm_use(NULL)); /* the OpenBLAS of this machine is right */
    assert_null(strstr(tsr_matmul_backend(), "plain C"));
    tsr_cpu_set(TSR_CPU_C);
    assert_string_equal(tsr_matmul_backend(), "plain C");
    tsr_cpu_set(tsr_cpu_detect());
}

/* ---- the small kernels ------------------------------------------------------------------------ */

static void rms_norm_matches_f64(void **state)
{
    (void)state;
    float x[700], w[700], y[700];
    for (size_t n = 1; n <= 700; n += n < 40 ? 1 : 61)
        for (int scale = -20; scale <= 18; scale += 19) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) {
                x[i] = unit() * powf(10.0f, (float)scale);
                w[i] = unit();
                sum += (double)x[i] * (double)x[i];
            }
            double rms = sqrt(sum / (double)n + (double)1e-6f);
            tsr_rms_norm(y, x, w, n, 1e-6f);
            for (size_t i = 0; i < n; i++) {
                double want = (double)x[i] / rms * (double)w[i];
                assert_true(fabs((double)y[i] - want) <= 2.0 * (double)FLT_EPSILON * fabs(want) + 0x1p-148);
            }
            tsr_rms_norm(y, x, NULL, n, 1e-6f);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)y[i] - (double)x[i] / rms) <=
                            2.0 * (double)FLT_EPSILON * fabs((double)x[i] / rms) + 0x1p-148);
            float once = y[n - 1];
            tsr_rms_norm(x, x, NULL, n, 1e-6f); /* in place */
            assert_true(same_bits(&once, &x[n - 1], sizeof once));
        }
}

static void softmax_matches_f64(void **state)
{
    (void)state;
    float x[300], before[300];
    for (size_t n = 1; n <= 300; n += 7)
        for (int spread = 1; spread <= 1000; spread *= 10) {
            double sum = 0, top = -INFINITY, total = 0;
            for (size_t i = 0; i < n; i++) {
                x[i] = before[i] = i % 5 == 4 ? -INFINITY : unit() * (float)spread;
                if ((double)x[i] > top)
                    top = (double)x[i];
            }
            for (size_t i = 0; i < n; i++)
                sum += exp((double)before[i] - top);
            tsr_softmax(x, n);
            for (size_t i = 0; i < n; i++) {
                double d = (double)before[i] - top, want = exp(d) / sum;
                /* What f32 holds with fewer digits only may be 0. */
                double tol = isinf(d) ? 0.0 : (double)FLT_EPSILON * (4.0 + fabs(d)) * want + 0x1p-125;
                assert_true(fabs((double)x[i] - want) <= tol);
                total += (double)x[i];
            }
            assert_true(fabs(total - 1.0) < 1e-5);
        }
}

static void gelu_matches_f64_and_is_tame_at_the_ends(void **state)
{
    (void)state;
    float g[500], u[500], x[500];
    for (int round = 0; round < 2; round++)
        for (int scale = -6; scale <= 6; scale++) {
            for (size_t i = 0; i < 500; i++) {
                g[i] = x[i] = unit() * powf(10.0f, (float)scale);
                u[i] = unit();
            }
            tsr_gelu_mul(g, round ? u : NULL, 500);
            for (size_t i = 0; i < 500; i++) {
                double v = (double)x[i], m = round ? (double)u[i] : 1.0;
                double want = 0.5 * v * (1.0 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))) * m;
                assert_true(fabs((double)g[i] - want) <= 8.0 * (double)FLT_EPSILON * fabs(v * m) + 0x1p-148);
            }
        }
    float ends[4] = {1e30f, -1e30f, 0.0f, FLT_MAX};
    tsr_gelu_mul(ends, NULL, 4);
    assert_true(ends[0] == 1e30f && ends[1] == 0.0f && ends[2] == 0.0f && ends[3] == FLT_MAX);
}

static void dot_and_axpy_are_the_kernels(void **state)
{
    (void)state;
    float a[37], b[37], y[37];
    double want = 0;
    for (size_t i = 0; i < 37; i++) {
        a[i] = unit();
        b[i] = unit();
        y[i] = 1.0f;
        want += (double)a[i] * (double)b[i];
    }
    assert_true(fabs((double)tsr_dot(a, b, 37) - want) < 1e-5);
    tsr_axpy(y, 2.0f, a, 37);
    for (size_t i = 0; i < 37; i++)
        assert_true(fabs((double)y[i] - (1.0 + 2.0 * (double)a[i])) < 1e-6);
}

/* ---- bench ------------------------------------------------------------------------------------ */

enum { BENCH_RUNS = 9, READ_BYTES = 256 << 20 };

static clockid_t bench_clock = CLOCK_MONOTONIC;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(bench_clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void sum_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const uint64_t *p = (const uint64_t *)ctx + item * ((1 << 20) / 8);
    uint64_t s[8] = {0};
    (void)worker;
    for (size_t i = 0; i < (1 << 20) / 8; i += 8)
        for (size_t j = 0; j < 8; j++)
            s[j] += p[i + j];
    memcpy(scratch, s, sizeof s);
}

/* GB/s of plain reading with all threads: what a product of one row could reach. */
static double read_limit(tsr_pool *pool, void *bytes)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double t0 = now_s();
        tsr_pool_run(pool, READ_BYTES >> 20, sum_item, bytes);
        double r = 1e-9 * READ_BYTES / (now_s() - t0);
        best = r > best ? r : best;
    }
    return best;
}

static void sgemm_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    float *m = ctx;
    (void)item;
    (void)worker;
    tsr_gemm_nt(256, 128, 512, m, 512, m + 256 * 512, 512, scratch, 128);
}

/* GFLOP/s of OpenBLAS on small matrices in cache: what a product of many rows could reach. */
static double flop_limit(tsr_pool *pool, float *m)
{
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double t0 = now_s();
        tsr_pool_run(pool, 64, sgemm_item, m);
        double r = 1e-9 * 64 * 2.0 * 256 * 128 * 512 / (now_s() - t0);
        best = r > best ? r : best;
    }
    return best;
}

static void bench_shape(tsr_pool *pool, tsr_type type, unsigned char *w, size_t n, size_t out, size_t k, float *x,
                        float *y, double gb_limit, double gf_limit)
{
    double s[BENCH_RUNS];
    size_t bytes = out * k * tsr_type_info(type)->block_bytes, copies = READ_BYTES / bytes, repeat = n < 8 ? 8 : 1;
    for (int i = -1; i < BENCH_RUNS; i++) { /* the first one warms up; others find W in memory, not in cache */
        double t0 = now_s();
        for (size_t j = 0; j < repeat; j++) {
            size_t which = ((size_t)(i + 1) * repeat + j) % copies;
            tsr_view v = {.data = w + which * bytes, .type = type, .n_dims = 2, .shape = {out, k, 1, 1}};
            v.n_elems = out * k;
            v.n_bytes = bytes;
            tsr_matmul(pool, &v, x, k, n, y, out);
        }
        if (i >= 0)
            s[i] = (now_s() - t0) / (double)repeat;
    }
    qsort(s, BENCH_RUNS, sizeof *s, by_value);
    double t = s[BENCH_RUNS / 2], gb = 1e-9 * (double)bytes / t, gf = 2e-9 * (double)(n * out) * (double)k / t;
    printf("%s,%u,%s,%zu,%zu,%zu,%.3f,%.3f,%.3f,%.1f,%.0f,%.1f,%.0f\n", tsr_cpu_level_name(tsr_cpu_get()),
           tsr_pool_threads(pool), tsr_type_info(type)->name, n, out, k, 1e3 * t, 1e3 * s[0], 1e3 * s[BENCH_RUNS - 1], gb,
           100 * gb / gb_limit, gf, 100 * gf / gf_limit);
    fflush(stdout);
}

static int bench(unsigned threads)
{
    static const size_t shapes[][2] = {{6144, 1536}, {1536, 6144}, {10240, 2560}, {2560, 10240}, {2048, 1536}, {256, 1536}};
    static const size_t rows[] = {1, 2, 3, 4, 8, 16, 32, 48, 300};
    tsr_pool *pool;
    unsigned char *w = must_realloc(NULL, READ_BYTES);
    float *x = must_realloc(NULL, 300 * 10240 * sizeof *x), *y = must_realloc(NULL, 300 * 10240 * sizeof *y);
    if (tsr_pool_open(&pool, threads, NULL) != TSR_OK)
        return EXIT_FAILURE;
    if (tsr_pool_threads(pool) == 1)
        bench_clock = CLOCK_THREAD_CPUTIME_ID; /* leaves out what other programs took */
    for (size_t i = 0; i < READ_BYTES; i += 2) /* finite as BF16, F16 and F32 */
        memcpy(w + i, &(uint16_t){(uint16_t)(0x3c00 + i % 509)}, 2);
    for (size_t i = 0; i < 300 * 10240; i++)
        x[i] = unit();
    double gb = read_limit(pool, w), gf = flop_limit(pool, x);
    printf("# %s; limits with %u threads: %.1f GB/s read, %.1f GFLOP/s\n", tsr_matmul_backend(), tsr_pool_threads(pool), gb,
           gf);
    puts("level,threads,type,n,out,k,ms_median,ms_min,ms_max,GB_per_s,percent_of_read,GFLOP_per_s,percent_of_flops");
    for (int type = TSR_BF16; type >= TSR_F32; type -= TSR_BF16 - TSR_F32)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                bench_shape(pool, (tsr_type)type, w, rows[r], shapes[s][0], shapes[s][1], x, y, gb, gf);
    tsr_pool_close(pool);
    free(w);
    free(x);
    free(y);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_right_for_every_type_shape_and_thread_count),
        cmocka_unit_test(nothing_to_do_writes_nothing_and_no_length_gives_zero),
        cmocka_unit_test(product_allocates_nothing),
        cmocka_unit_test(strided_products_are_right_at_every_level),
        cmocka_unit_test(faulty_backend_is_found_and_plain_c_stands_in),
        cmocka_unit_test(rms_norm_matches_f64),
        cmocka_unit_test(softmax_matches_f64),
        cmocka_unit_test(gelu_matches_f64_and_is_tame_at_the_ends),
        cmocka_unit_test(dot_and_axpy_are_the_kernels),
    };
    tsr_cpu_level level;
    if (argc >= 4 && tsr_cpu_parse(&level, argv[3], NULL) == TSR_OK)
        tsr_cpu_set(level);
    if (argc >= 2 && strcmp(argv[1], "--bench") == 0)
        return bench(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
