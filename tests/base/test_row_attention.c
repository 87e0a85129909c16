/* Attention on kept rows against f64 at every CPU level: every type, windows, blocks that see ahead, many and few
 * queries, heads that share keys; and what must not change its bits. */
#include "test_main.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_row_attention.h"
#include "tsr_rows.h"

static uint64_t rng = 1;

static float unit(void) /* -1 .. 1 */
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(rng >> 32) * 0x1p-31f;
}

typedef struct shape {
    size_t n, n_heads, n_kv, dim;
    size_t held, first;   /* keys before the first query; those that are gone */
    size_t window, ahead; /* a sliding row sees so many keys after itself, as far as there are */
    float steep;
} shape;

typedef struct data {
    size_t n_keys, width;
    float *q, *k, *v, *out; /* k, v: [n_kv, n_keys, dim], as they are read back */
    unsigned char *rows_k, *rows_v;
    size_t *pos, *end;
    tsr_row_attention a;
} data;

static void *must(size_t n, size_t size)
{
    void *p = tsr_calloc(n, size);
    assert_non_null(p);
    return p;
}

static void make_rows(unsigned char *rows, float *as_read, tsr_type type, size_t n, size_t dim)
{
    size_t bytes = tsr_row_bytes(type, dim);
    for (size_t i = 0; i < n; i++) {
        for (size_t e = 0; e < dim; e++)
            as_read[i * dim + e] = unit();
        tsr_row_write(type, rows + i * bytes, as_read + i * dim, dim);
    }
    tsr_rows_read(type, rows, n, dim, as_read);
}

static data make(const shape *s, tsr_type type)
{
    data d = {.n_keys = s->held + s->n - s->first, .width = s->n_heads * s->dim};
    size_t bytes = tsr_row_bytes(type, s->dim), n = s->n_kv * d.n_keys;
    d.q = must(s->n * d.width, sizeof *d.q);
    d.out = must(s->n * d.width, sizeof *d.out);
    d.k = must(n * s->dim, sizeof *d.k);
    d.v = must(n * s->dim, sizeof *d.v);
    d.rows_k = must(n, bytes);
    d.rows_v = must(n, bytes);
    d.pos = must(s->n, sizeof *d.pos);
    d.end = must(s->n, sizeof *d.end);
    for (size_t i = 0; i < s->n * d.width; i++)
        d.q[i] = unit() * s->steep;
    make_rows(d.rows_k, d.k, type, n, s->dim);
    make_rows(d.rows_v, d.v, type, n, s->dim);
    for (size_t i = 0; i < s->n; i++) {
        size_t ahead = s->n - 1 - i < s->ahead ? s->n - 1 - i : s->ahead;
        d.pos[i] = s->held + i;
        d.end[i] = d.pos[i] + 1 + ahead;
    }
    d.a = (tsr_row_attention){.n = s->n, .n_heads = s->n_heads, .n_kv = s->n_kv, .dim = s->dim, .q = d.q, .out = d.out,
                              .ldq = d.width, .ldout = d.width, .type = type, .k = d.rows_k, .v = d.rows_v,
                              .head_stride = d.n_keys * bytes, .first = s->first, .pos = d.pos, .end = d.end,
                              .window = s->window};
    return d;
}

static void drop(data *d)
{
    tsr_free(d->q);
    tsr_free(d->out);
    tsr_free(d->k);
    tsr_free(d->v);
    tsr_free(d->rows_k);
    tsr_free(d->rows_v);
    tsr_free(d->pos);
    tsr_free(d->end);
}

/* Row i, head h, in f64. */
static void want(const shape *s, const data *d, size_t i, size_t h, double *out)
{
    size_t pos = d->pos[i], from = s->window && pos + 1 > s->window ? pos + 1 - s->window : 0;
    size_t to = s->window ? d->end[i] : pos + 1, head = h / (s->n_heads / s->n_kv) * d->n_keys;
    const float *q = d->q + i * d->width + h * s->dim;
    double sum = 0.0, *score = must(to - from, sizeof *score), top = -INFINITY;
    for (size_t k = from; k < to; k++) {
        for (size_t e = 0; e < s->dim; e++)
            score[k - from] += (double)q[e] * (double)d->k[(head + k - s->first) * s->dim + e];
        top = score[k - from] > top ? score[k - from] : top;
    }
    memset(out, 0, s->dim * sizeof *out);
    for (size_t k = from; k < to; k++) {
        double w = exp(score[k - from] - top);
        sum += w;
        for (size_t e = 0; e < s->dim; e++)
            out[e] += w * (double)d->v[(head + k - s->first) * s->dim + e];
    }
    for (size_t e = 0; e < s->dim; e++)
        out[e] /= sum;
    tsr_free(score);
}

static const shape shapes[] = {
    {1, 8, 1, 64, 0, 0, 0, 0, 1},        /* a single key */
    {1, 8, 1, 64, 700, 0, 0, 0, 1},      /* decoding: parts by keys */
    {1, 8, 1, 32, 900, 300, 512, 0, 1},  /* in a window, older keys gone */
    {1, 6, 2, 96, 300, 0, 0, 0, 4},      /* three heads share */
    {2, 7, 7, 32, 200, 0, 0, 0, 1},      /* none share */
    {3, 4, 1, 40, 261, 0, 0, 0, 1},      /* no whole vectors */
    {40, 8, 1, 64, 100, 0, 0, 0, 1},     /* several blocks of queries */
    {33, 4, 2, 64, 150, 20, 50, 0, 1},   /* each row its own window */
    {30, 4, 1, 32, 70, 0, 24, 9, 1},     /* and keys ahead */
    {13, 2, 1, 640, 30, 0, 0, 0, 0.25f}, /* long heads */
    {40, 2, 1, 640, 60, 0, 0, 0, 0.25f}, /* and many queries */
    {75, 8, 2, 256, 130, 0, 0, 0, 0.5f},
    {97, 4, 1, 32, 40, 7, 33, 5, 1},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, MAX_DIM = 640 };
static const tsr_type types[] = {TSR_F32, TSR_F16, TSR_BF16, TSR_Q8_0};
enum { N_TYPES = sizeof types / sizeof *types };

static void compare(const shape *s, const data *d, tsr_type type, int level, bool rounded)
{
    /* a product of two BF16 is off by 2^-8 at most, and the sum of many by less */
    double out[MAX_DIM], limit = rounded ? 0x1p-8 * (1.0 + (double)s->steep * sqrt((double)s->dim) / 3.0) : 2e-5;
    for (size_t i = 0; i < s->n; i++)
        for (size_t h = 0; h < s->n_heads; h++) {
            want(s, d, i, h, out);
            for (size_t e = 0; e < s->dim; e++) {
                double got = (double)d->out[i * d->width + h * s->dim + e];
                if (!(fabs(got - out[e]) <= limit))
                    fail_msg("%s, level %d, shape %zu: row %zu head %zu [%zu] %g, not %g", tsr_type_info(type)->name,
                             level, (size_t)(s - shapes), i, h, e, got, out[e]);
            }
        }
}

static tsr_pool *pool_of(unsigned threads, tsr_products products)
{
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, threads, NULL), TSR_OK);
    assert_int_equal(tsr_pool_set_products(pool, products, NULL), TSR_OK);
    return pool;
}

/* Also where products are fast: many queries may be split into halves then, or, where that is allowed, rounded. */
static void results_are_those_of_f64(void **state)
{
    (void)state;
    tsr_pool *const pools[] = {pool_of(2, TSR_PRODUCTS_EXACT), pool_of(2, TSR_PRODUCTS_FAST)};
    const struct {
        size_t pool;
        bool may_round;
    } ways[] = {{0, true}, {1, false}, {1, true}};
    for (int level = TSR_CPU_C; level <= (int)tsr_cpu_detect(); level++)
        for (size_t t = 0; t < N_TYPES; t++)
            for (size_t k = 0; k < N_SHAPES; k++)
                for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
                    tsr_cpu_set((tsr_cpu_level)level);
                    data d = make(&shapes[k], types[t]);
                    d.a.rounded = ways[w].may_round;
                    tsr_attend_rows(pools[ways[w].pool], &d.a);
                    compare(&shapes[k], &d, types[t], level, ways[w].pool == 1 && ways[w].may_round);
                    drop(&d);
                }
    tsr_cpu_set(tsr_cpu_detect());
    tsr_pool_close(pools[0]);
    tsr_pool_close(pools[1]);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2 * N_SHAPES; k++) {
        const shape *s = &shapes[k / 2];
        data d = make(s, TSR_F16);
        d.a.rounded = k % 2;
        size_t n = s->n * d.width;
        float *first = must(n, sizeof *first);
        for (unsigned threads = 1; threads <= 5; threads++) {
            tsr_pool *pool = pool_of(threads, TSR_PRODUCTS_FAST);
            memset(d.out, 0, n * sizeof *d.out);
            tsr_attend_rows(pool, &d.a);
            if (threads == 1)
                memcpy(first, d.out, n * sizeof *first);
            assert_memory_equal(first, d.out, n * sizeof *first);
            tsr_pool_close(pool);
        }
        tsr_free(first);
        drop(&d);
    }
}

/* A key or value that is not finite shows in the results of all that see it. */
static void what_is_not_finite_shows_where_it_is_seen(void **state)
{
    (void)state;
    tsr_pool *pool = pool_of(2, TSR_PRODUCTS_FAST);
    for (size_t k = 0; k < N_SHAPES; k++)
        for (size_t which = 0; which < 4; which++) {
            const shape *s = &shapes[k];
            data d = make(s, which < 2 ? TSR_F32 : TSR_BF16);
            d.a.rounded = true;
            unsigned char *rows = which % 2 ? d.rows_v : d.rows_k;
            for (size_t h = 0; h < s->n_kv; h++) { /* the newest key: the last row sees it */
                size_t at = ((h + 1) * d.n_keys - 1) * s->dim;
                memcpy(rows + at * (which < 2 ? 4 : 2), which < 2 ? (const void *)&(float){NAN} : &(uint16_t){0x7fc0}, which < 2 ? 4 : 2);
            }
            tsr_attend_rows(pool, &d.a);
            for (size_t h = 0; h < s->n_heads; h++)
                assert_true(isnan(d.out[(s->n - 1) * d.width + h * s->dim]));
            drop(&d);
        }
    tsr_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_f64),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(what_is_not_finite_shows_where_it_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
