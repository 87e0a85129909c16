/* The packed products against f64: every kernel of every level, at the borders of panels, tiles and stretches, with F32,
 * BF16, F16 and block types, and the pairs of BF16 against inputs that are rounded likewise. */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "gemm_internal.h"
#include "tsr_cpu.h"

static uint64_t rng = 3;

static float unit(void) /* -1 .. 1 */
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(rng >> 32) * 0x1p-31f;
}

typedef struct product {
    tsr_view w;
    unsigned char *bytes;
    float *x, *y;
    size_t n, out, k, ldx, ldy;
} product;

static const uint32_t CANARY = 0x7fc0beef;

static product make(tsr_type type, size_t n, size_t out, size_t k)
{
    const tsr_type_traits *t = tsr_type_info(type);
    product p = {.n = n, .out = out, .k = k, .ldx = k + 3, .ldy = out + 5};
    p.w = (tsr_view){.type = type, .n_dims = 2, .shape = {out, k, 1, 1}, .n_elems = out * k};
    p.w.n_bytes = out * k / t->block_elems * t->block_bytes;
    p.bytes = malloc(p.w.n_bytes + 1);
    p.x = malloc((n * p.ldx + 1) * sizeof *p.x);
    p.y = malloc(n * p.ldy * sizeof *p.y);
    p.w.data = p.bytes;
    for (size_t i = 0; i < out * k; i++) {
        float v = unit();
        if (type == TSR_F32)
            memcpy(p.bytes + 4 * i, &v, 4);
        else if (type == TSR_BF16)
            memcpy(p.bytes + 2 * i, &(uint16_t){tsr_f32_to_bf16(v)}, 2);
        else if (type == TSR_F16)
            memcpy(p.bytes + 2 * i, &(uint16_t){tsr_f32_to_f16(v)}, 2);
    }
    for (size_t i = 0; type == TSR_Q8_0 && i < p.w.n_bytes; i++)
        p.bytes[i] = i % 34 == 0 ? 0 : i % 34 == 1 ? 0x20 : (unsigned char)(int)(unit() * 127.0f);
    for (size_t i = 0; i < n * p.ldx; i++)
        p.x[i] = unit();
    return p;
}

static void drop(product *p)
{
    free(p->bytes);
    free(p->x);
    free(p->y);
}

static void multiply(product *p, const tsri_gemm_kernel *kern, tsr_pool *pool)
{
    for (size_t i = 0; i < p->n * p->ldy; i++)
        memcpy(p->y + i, &CANARY, sizeof CANARY);
    tsri_gemm(kern, pool, &p->w, p->x, p->ldx, p->n, p->y, p->ldy);
}

/* How many values are wrong; those beside the output count. */
static size_t n_wrong(const product *p, bool rounds)
{
    size_t wrong = 0;
    float *row = malloc((p->k + 1) * sizeof *row);
    for (size_t o = 0; o < p->out; o++) {
        tsr_view_decode(&p->w, o, 0, p->k, row);
        for (size_t i = 0; i < p->n; i++) {
            double want = 0, size = 0;
            for (size_t e = 0; e < p->k; e++) {
                float x = p->x[i * p->ldx + e];
                x = rounds ? tsr_bf16_to_f32(tsr_f32_to_bf16(x)) : x;
                want += (double)row[e] * (double)x;
                size += fabs((double)row[e] * (double)x);
            }
            double limit = 4.0 * FLT_EPSILON * sqrt((double)p->k) * size + FLT_MIN;
            wrong += !(fabs((double)p->y[i * p->ldy + o] - want) <= limit);
        }
    }
    for (size_t i = 0; i < p->n; i++)
        for (size_t o = p->out; o < p->ldy; o++)
            wrong += memcmp(p->y + i * p->ldy + o, &CANARY, sizeof CANARY) != 0;
    free(row);
    return wrong;
}

static tsr_pool *pool_of(unsigned threads)
{
    tsr_pool *pool;
    assert_int_equal(tsr_pool_open(&pool, threads, NULL), TSR_OK);
    assert_int_equal(tsr_pool_set_products(pool, TSR_PRODUCTS_FAST, NULL), TSR_OK);
    return pool;
}

static void check_kernel(const tsri_gemm_kernel *kern, const char *level)
{
    static const size_t shapes[][3] = {{1, 1, 1},    {2, 5, 0},    {3, 33, 7},   {12, 32, 64}, {13, 31, 65}, {25, 160, 33},
                                       {7, 129, 600}, {400, 40, 40}, {5, 17, 2100}};
    static const tsr_type types[] = {TSR_F32, TSR_BF16, TSR_F16, TSR_Q8_0};
    tsr_pool *pools[3] = {pool_of(1), pool_of(2), pool_of(5)};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            if (kern->round && types[t] != TSR_BF16)
                continue;
            size_t k = types[t] == TSR_Q8_0 ? shapes[s][2] / 32 * 32 : shapes[s][2];
            product p = make(types[t], shapes[s][0], shapes[s][1], k);
            float *first = malloc(p.n * p.ldy * sizeof *first);
            for (size_t i = 0; i < 3; i++) {
                multiply(&p, kern, pools[i]);
                if (i == 0)
                    memcpy(first, p.y, p.n * p.ldy * sizeof *first);
                assert_memory_equal(first, p.y, p.n * p.ldy * sizeof *first);
            }
            size_t wrong = n_wrong(&p, kern->round != NULL);
            if (wrong)
                fail_msg("%s %s, %zu rows, %zu outputs of %zu: %zu values are wrong", level, tsr_type_info(types[t])->name, p.n,
                         p.out, p.k, wrong);
            free(first);
            drop(&p);
        }
    for (size_t i = 0; i < 3; i++)
        tsr_pool_close(pools[i]);
}

static void every_kernel_is_right_at_every_border(void **state)
{
    (void)state;
    const tsri_gemm_kernel *before = NULL;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        const tsri_gemm_kernel *wide = tsri_gemm_wide((tsr_cpu_level)l), *dot = tsri_gemm_dot((tsr_cpu_level)l);
        if (wide != before)
            check_kernel(wide, tsr_cpu_level_name((tsr_cpu_level)l));
        if (dot)
            check_kernel(dot, tsr_cpu_level_name((tsr_cpu_level)l));
        before = wide;
    }
}

static void what_is_wrong_is_found(void **state)
{
    (void)state;
    tsr_pool *pool = pool_of(1);
    product p = make(TSR_BF16, 4, 40, 100);
    multiply(&p, tsri_gemm_wide(tsr_cpu_detect()), pool);
    assert_int_equal(n_wrong(&p, false), 0);
    assert_true(n_wrong(&p, true) > 0); /* inputs were not rounded */
    p.y[p.ldy + 39] += 1e-3f;
    p.y[2 * p.ldy + 40] = 0.0f;
    assert_int_equal(n_wrong(&p, false), 2);
    p.y[7] = NAN;
    assert_int_equal(n_wrong(&p, false), 3);
    drop(&p);
    tsr_pool_close(pool);
}

static void not_a_number_and_infinity_pass_through(void **state)
{
    (void)state;
    tsr_pool *pool = pool_of(2);
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++)
        for (int rounds = 0; rounds < 2; rounds++) {
            const tsri_gemm_kernel *kern = rounds ? tsri_gemm_dot((tsr_cpu_level)l) : tsri_gemm_wide((tsr_cpu_level)l);
            product p = make(TSR_BF16, 14, 33, 70);
            if (kern) {
                p.x[3 * p.ldx + 5] = NAN;
                p.x[5 * p.ldx + 69] = INFINITY;
                multiply(&p, kern, pool);
                for (size_t i = 0; i < p.n; i++)
                    for (size_t o = 0; o < p.out; o++)
                        assert_int_equal(isfinite(p.y[i * p.ldy + o]) != 0, i != 3 && i != 5);
            }
            drop(&p);
        }
    tsr_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_is_right_at_every_border),
        cmocka_unit_test(what_is_wrong_is_found),
        cmocka_unit_test(not_a_number_and_infinity_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
