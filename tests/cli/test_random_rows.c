/* Random weights made as bytes have the size that is asked for, in every type that can be written. */
#include "test_main.h"

#include <math.h>

#include "random_rows.h"
#include "test_tmp.h"

enum { N = 1 << 16 };

static double deviation(tsr_type type, value_range range)
{
    static float values[N];
    static row_recipe recipe;
    const tsr_type_traits *t = tsr_type_info(type);
    size_t n_bytes = N / t->block_elems * t->block_bytes;
    unsigned char *bytes = must_realloc(NULL, n_bytes);
    random_bits bits = random_of_name(t->name);
    double sum = 0;
    row_recipe_init(&recipe, type, range);
    random_rows(&recipe, &bits, bytes, n_bytes);
    tsr_view v = {.data = bytes, .type = type, .n_dims = 2, .shape = {1, N, 1, 1}, .n_elems = N, .n_bytes = n_bytes};
    tsr_view_decode(&v, 0, 0, N, values);
    free(bytes);
    for (size_t i = 0; i < N; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum / N);
}

/* Observed: within 3 %; MXFP4, whose scales are powers of two, 12 %. */
static void values_have_the_size_that_is_asked_for(void **state)
{
    (void)state;
    value_range range = value_range_of("blk.0.attn_q.weight", 2, (const size_t[]){4096, 1536});
    double wanted = range.reach / sqrt(3.0);
    for (int t = 0; t < TSR_N_TYPES; t++) {
        if (!tsr_type_info((tsr_type)t)->is_float)
            continue;
        double got = deviation((tsr_type)t, range) / wanted, limit = t == TSR_MXFP4 ? 0.4 : 0.06;
        if (!(fabs(got - 1.0) <= limit))
            fail_msg("%s: %.3f of the deviation wanted", tsr_type_info((tsr_type)t)->name, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_have_the_size_that_is_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
