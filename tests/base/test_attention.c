/* Full attention against f64 at every CPU level: at the borders of blocks and panels, with heads that share keys, several
 * sets, limits, results in place of the queries; and what must not change its bits. */
#include "test_main.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "test_tmp.h"
#include "tsr_attention.h"
#include "tsr_cpu.h"

static uint64_t rng = 1;

static float unit(void) /* -1 .. 1 */
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(rng >> 32) * 0x1p-31f;
}

enum { GAP = 3 }; /* floats between rows, which must keep what they hold */

typedef struct shape {
    size_t n_sets, n, n_heads, n_kv, head_dim;
    float steep; /* how far scores spread */
    bool in_place;
    float limit;
    bool rounded;
} shape;

typedef struct data {
    float *q, *k, *v, *out;
    tsr_attention a;
} data;

static float *rows(size_t n, size_t width, float scale)
{
    float *p = must_realloc(NULL, n * (width + GAP) * sizeof *p);
    for (size_t i = 0; i < n * (width + GAP); i++)
        p[i] = i % (width + GAP) < width ? unit() * scale : 77.0f;
    return p;
}

static data make(const shape *s)
{
    size_t n = s->n_sets * s->n, dq = s->n_heads * s->head_dim, dk = s->n_kv * s->head_dim;
    data d = {rows(n, dq, s->steep), rows(n, dk, 1.0f), rows(n, dk, 1.0f), rows(n, dq, 1.0f), {0}};
    d.a = (tsr_attention){.n_sets = s->n_sets, .n = s->n, .n_heads = s->n_heads, .n_kv = s->n_kv};
    d.a.head_dim = s->head_dim;
    d.a.q = d.q;
    d.a.k = d.k;
    d.a.v = d.v;
    d.a.out = s->in_place ? d.q : d.out;
    d.a.ldq = d.a.ldout = dq + GAP;
    d.a.ldk = d.a.ldv = dk + GAP;
    d.a.min = -s->limit;
    d.a.max = s->limit;
    d.a.rounded = s->rounded;
    return d;
}

static void drop(data *d)
{
    free(d->q);
    free(d->k);
    free(d->v);
    free(d->out);
}

static void attend(const data *d, unsigned n_threads)
{
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, n_threads, NULL), TSR_OK);
    if (d->a.rounded)
        assert_int_equal(tsr_pool_set_products(pool, TSR_PRODUCTS_FAST, NULL), TSR_OK);
    tsr_attend_all(pool, &d->a);
    tsr_pool_close(pool);
}

/* One query in f64. */
static void one(const tsr_attention *a, size_t row, size_t head, double *weights, double *out)
{
    size_t set = row / a->n * a->n, kv = head / (a->n_heads / a->n_kv) * a->head_dim;
    const float *q = a->q + row * a->ldq + head * a->head_dim;
    double top = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < a->n; i++) {
        weights[i] = 0.0;
        for (size_t c = 0; c < a->head_dim; c++)
            weights[i] += (double)q[c] * (double)a->k[(set + i) * a->ldk + kv + c];
        top = fmax(top, weights[i]);
    }
    for (size_t i = 0; i < a->n; i++)
        sum += weights[i] = exp(weights[i] - top);
    for (size_t c = 0; c < a->head_dim; c++) {
        out[c] = 0.0;
        for (size_t i = 0; i < a->n; i++)
            out[c] += weights[i] / sum * (double)a->v[(set + i) * a->ldv + kv + c];
        out[c] = fmin(fmax(out[c], (double)a->min), (double)a->max);
    }
}

/* Some rows, first and last among them: a full check would take most of the suite's time. */
static void check(const shape *s)
{
    data d = make(s);
    size_t n = s->n_sets * s->n, width = s->n_heads * s->head_dim, step = n > 64 ? n / 37 : 1;
    double *weights = must_realloc(NULL, s->n * sizeof *weights);
    double *want = must_realloc(NULL, n * width * sizeof *want);
    for (size_t r = 0; r < n; r = r + step < n || r == n - 1 ? r + step : n - 1)
        for (size_t h = 0; h < s->n_heads; h++)
            one(&d.a, r, h, weights, want + r * width + h * s->head_dim);
    attend(&d, 2);
    for (size_t r = 0; r < n; r = r + step < n || r == n - 1 ? r + step : n - 1) {
        for (size_t c = 0; c < width; c++) {
            double got = (double)d.a.out[r * d.a.ldout + c];
            /* a score's rounding grows with the root of its terms, and weights with it */
            double limit = 2e-6 * (1.0 + (double)s->steep) * fmax(1.0, sqrt((double)s->head_dim / 64.0));
            if (s->rounded) /* a product of two BF16 is off by 2^-8 at most, and the sum of many by less */
                limit = 0x1p-8 * (1.0 + (double)s->steep * sqrt((double)s->head_dim) / 3.0);
            if (!(fabs(got - want[r * width + c]) <= limit))
                fail_msg("n %zu dim %zu: row %zu [%zu] got %.9g, want %.9g", s->n, s->head_dim, r, c, got,
                         want[r * width + c]);
        }
        for (size_t c = width; c < width + GAP; c++)
            assert_float_equal(d.a.out[r * d.a.ldout + c], 77.0f, 0.0);
    }
    free(weights);
    free(want);
    drop(&d);
}

static const shape shapes[] = {
    {1, 1, 1, 1, 4, 1.0f, false, INFINITY, false},
    {1, 7, 2, 1, 12, 1.0f, true, INFINITY, false},
    {1, 33, 4, 2, 64, 1.0f, true, 0.1f, false},
    {2, 255, 1, 1, 72, 3.0f, false, INFINITY, false},
    {1, 256, 2, 2, 20, 1.0f, true, INFINITY, false},
    {1, 257, 1, 1, 64, 30.0f, false, INFINITY, false},
    {3, 90, 2, 1, 36, 1.0f, true, INFINITY, false},
    {1, 770, 1, 1, 64, 1.0f, true, INFINITY, false},
    {1, 300, 1, 1, 1024, 0.3f, false, INFINITY, false},
    {1, 1, 1, 1, 4, 1.0f, false, INFINITY, true},
    {1, 33, 4, 2, 64, 1.0f, true, 0.1f, true},
    {2, 255, 1, 1, 72, 3.0f, false, INFINITY, true},
    {1, 257, 1, 1, 7, 2.0f, false, INFINITY, true},
    {3, 90, 2, 1, 36, 1.0f, true, INFINITY, true},
    {1, 770, 1, 1, 64, 1.0f, true, INFINITY, true},
    {1, 300, 1, 1, 1024, 0.1f, false, INFINITY, true},
};

static void every_level_computes_the_same(void **state)
{
    (void)state;
    tsr_cpu_level was = tsr_cpu_get();
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check(&shapes[i]);
    }
    tsr_cpu_set(was);
}

/* Weights of early keys vanish as later scores grow by thousands, and nothing overflows. */
static void scores_that_grow_forget_what_was(void **state)
{
    (void)state;
    const shape s = {1, 600, 1, 1, 8, 1.0f, false, INFINITY, false};
    data d = make(&s);
    for (size_t i = 0; i < s.n; i++)
        for (size_t c = 0; c < s.head_dim; c++) {
            d.q[i * d.a.ldq + c] = 1.0f;
            d.k[i * d.a.ldk + c] = (float)i;
        }
    attend(&d, 1);
    for (size_t i = 0; i < s.n; i += 13)
        for (size_t c = 0; c < s.head_dim; c++) {
            const float *v = d.v + (s.n - 1) * d.a.ldv;
            double e = exp(-8.0), want = ((double)v[c] + e * (double)(v - d.a.ldv)[c]) / (1.0 + e);
            assert_float_equal(d.out[i * d.a.ldout + c], (float)want, 1e-6f);
        }
    drop(&d);
}

static void bits_of(bool rounded)
{
    const shape s = {3, 400, 3, 1, 24, 2.0f, false, INFINITY, rounded};
    data d = make(&s);
    size_t bytes = s.n_sets * s.n * d.a.ldout * sizeof(float);
    attend(&d, 1);
    float *first = must_realloc(NULL, bytes);
    memcpy(first, d.out, bytes);
    for (unsigned n_threads = 2; n_threads <= 5; n_threads++) {
        attend(&d, n_threads);
        assert_memory_equal(d.out, first, bytes);
    }
    data alone = d;
    alone.a.n_sets = 1;
    alone.a.q += s.n * d.a.ldq;
    alone.a.k += s.n * d.a.ldk;
    alone.a.v += s.n * d.a.ldv;
    attend(&alone, 2);
    assert_memory_equal(d.out, first + s.n * d.a.ldout, bytes / 3);
    free(first);
    drop(&d);
}

static void bits_change_with_neither_threads_nor_company(void **state)
{
    (void)state;
    bits_of(false);
    bits_of(true);
}

static void numbers_of(bool rounded)
{
    const shape s = {1, 300, 1, 1, 16, 1.0f, false, 1.0f, rounded};
    for (size_t at = 0; at < s.n; at += 299) {
        data d = make(&s);
        d.v[at * d.a.ldv + 5] = NAN;
        attend(&d, 2);
        assert_true(isnan(d.out[100 * d.a.ldout + 5]));
        assert_true(!isnan(d.out[100 * d.a.ldout + 6]));
        d.k[at * d.a.ldk] = NAN;
        attend(&d, 2);
        assert_true(isnan(d.out[100 * d.a.ldout + 6]));
        drop(&d);
    }
}

static void what_is_not_a_number_comes_through(void **state)
{
    (void)state;
    numbers_of(false);
    numbers_of(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_computes_the_same),
        cmocka_unit_test(scores_that_grow_forget_what_was),
        cmocka_unit_test(bits_change_with_neither_threads_nor_company),
        cmocka_unit_test(what_is_not_a_number_comes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
