/* Block types: every committed block decodes to the reference's bits, reads stay inside the blocks, products
 * equal those with the decoded weights, and what comes from outside is checked where views are made.
 *
 * quant_blocks.bin and ggml_types.txt come from make_quant_fixtures.py, which describes them. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "test_main.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ggml_types_internal.h"
#include "quant_internal.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_matmul.h"

enum { FIRST_BLOCK_TYPE = TSR_Q8_0, MAX_BLOCK_BYTES = 256, PATTERN = 0xc5 };

/* ---- the fixture ---------------------------------------------------------------------------- */

typedef struct sample {
    size_t n, n_full;             /* blocks, and how many of them in full */
    const unsigned char *blocks;  /* n blocks */
    const unsigned char *crc;     /* u32 of each block's f32 */
    const unsigned char *full;    /* f32 of the first n_full blocks */
} sample;

static sample samples[TSR_N_TYPES];

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int read_fixture(void **state)
{
    size_t len;
    (void)state;
    const unsigned char *p = test_read_file(TSR_TEST_DIR "/quant_blocks.bin", &len), *end = p + len;
    while (p < end) {
        char name[9] = {0};
        tsr_type t = TSR_F32;
        memcpy(name, p, 8);
        assert_true(tsr_type_from_name(name, &t) && tsr_type_is_block(t));
        const tsr_type_traits *i = tsr_type_info(t);
        sample *s = &samples[t];
        s->n = u32_at(p + 8);
        s->n_full = u32_at(p + 12);
        s->blocks = p + 16;
        s->crc = s->blocks + s->n * i->block_bytes;
        s->full = s->crc + s->n * 4;
        p = s->full + s->n_full * i->block_elems * 4;
    }
    assert_true(p == end);
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++)
        assert_true(samples[t].n >= 20);
    return 0;
}

static const unsigned char *block_of(tsr_type t, size_t i)
{
    return samples[t].blocks + i % samples[t].n * tsr_type_info(t)->block_bytes;
}

/* NaN has one form in the fixture. */
static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return isnan(f) ? 0x7fc00000u : u;
}

static uint32_t crc32_of(const float *f, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < 4 * n; i++) {
        c ^= bits(f[i / 4]) >> i % 4 * 8 & 255u;
        for (int b = 0; b < 8; b++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

/* ---- values --------------------------------------------------------------------------------- */

static uint64_t rng = 66;

static uint32_t next_u32(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

static float unit(void) /* -1 .. 1 */
{
    return (float)(int32_t)next_u32() * 0x1p-31f;
}

/* Random blocks whose scales are ordinary: halves of both signs with exponents 2^-8 to 2^-5. */
static unsigned char *random_rows(tsr_type t, size_t n_blocks)
{
    static const size_t halves[TSR_N_TYPES][2] = {
        [TSR_Q4_1] = {0, 2}, [TSR_Q5_1] = {0, 2}, [TSR_Q2_K] = {80, 82}, [TSR_Q3_K] = {108, 108},
        [TSR_Q4_K] = {0, 2}, [TSR_Q5_K] = {0, 2}, [TSR_Q6_K] = {208, 208}};
    size_t bytes = tsr_type_info(t)->block_bytes;
    unsigned char *b = must_realloc(NULL, n_blocks * bytes + 1);
    for (size_t i = 0; i < n_blocks * bytes; i++)
        b[i] = (unsigned char)(next_u32() >> 8);
    for (size_t i = 0; i < n_blocks; i++)
        for (int h = 0; h < 2; h++) {
            unsigned char *p = b + i * bytes + halves[t][h];
            if (t == TSR_MXFP4)
                p[0] = (unsigned char)(118 + (p[0] & 3));
            else
                p[1] = (unsigned char)(0x1c + next_u32() % 16 + (p[1] & 0x80));
        }
    return b;
}

static tsr_view view_of(tsr_type t, size_t rows, size_t cols, const void *data)
{
    tsr_view v;
    tsr_error e = {0};
    if (tsr_view_make(&v, t, 2, (const size_t[]){rows, cols}, data, SIZE_MAX, "w", &e) != TSR_OK)
        fail_msg("%s", e.text);
    return v;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static void every_block_decodes_to_the_bits_of_the_reference(void **state)
{
    (void)state;
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++) {
        const tsr_type_traits *info = tsr_type_info((tsr_type)t);
        const sample *s = &samples[t];
        tsr_view v = view_of((tsr_type)t, s->n, info->block_elems, s->blocks);
        for (size_t i = 0; i < s->n; i++) {
            float got[TSRI_QUANT_MAX_ELEMS];
            tsr_view_decode(&v, i, 0, info->block_elems, got);
            for (size_t k = 0; i < s->n_full && k < info->block_elems; k++) {
                uint32_t want = u32_at(s->full + 4 * (i * info->block_elems + k));
                if (bits(got[k]) != want)
                    fail_msg("%s, block %zu, element %zu: got %08x, want %08x", info->name, i, k, bits(got[k]), want);
            }
            if (crc32_of(got, info->block_elems) != u32_at(s->crc + 4 * i))
                fail_msg("%s, block %zu: the CRC is not the reference's", info->name, i);
        }
    }
}

static void fixture_holds_nan_infinity_subnormals_and_negative_zero(void **state)
{
    (void)state;
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++) {
        const tsr_type_traits *info = tsr_type_info((tsr_type)t);
        size_t n = samples[t].n * info->block_elems, n_nan = 0, n_inf = 0, n_tiny = 0, n_negative_zero = 0;
        float *got = must_realloc(NULL, n * sizeof *got);
        tsri_quant_decode((tsr_type)t, samples[t].blocks, 0, n, got);
        for (size_t i = 0; i < n; i++) {
            n_nan += isnan(got[i]) ? 1 : 0;
            n_inf += isinf(got[i]) ? 1 : 0;
            n_tiny += got[i] != 0.0f && fabsf(got[i]) < 0x1p-14f;
            n_negative_zero += bits(got[i]) == 0x80000000u;
        }
        free(got);
        assert_true(n_inf > 0 && n_tiny > 0);
        if (t == TSR_MXFP4) /* whose scales are all finite and positive; the greatest of them overflow */
            assert_true(n_nan == 0 && n_negative_zero == 0);
        else
            assert_true(n_nan > 0 && n_negative_zero > 0);
    }
}

typedef struct guarded {
    unsigned char *page; /* `size` readable bytes between two unreadable pages */
    size_t size;
} guarded;

static guarded guard_make(size_t at_least)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (at_least + page - 1) / page * page;
    unsigned char *p = mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p, page, PROT_NONE), 0);
    assert_int_equal(mprotect(p + page + size, page, PROT_NONE), 0);
    memset(p + page, PATTERN, size);
    return (guarded){.page = p + page, .size = size};
}

static void guard_free(guarded *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap(g->page - page, g->size + 2 * page), 0);
}

/* Blocks and result end (or begin) at an unreadable page, and what surrounds the result stays as it was. */
static void check_guarded(tsr_type t, size_t n_blocks, bool at_end)
{
    const tsr_type_traits *info = tsr_type_info(t);
    size_t in = n_blocks * info->block_bytes, n = n_blocks * info->block_elems, out = n * sizeof(float);
    guarded gi = guard_make(in + 1), go = guard_make(out + 1);
    unsigned char *src = at_end ? gi.page + gi.size - in : gi.page, *dst = at_end ? go.page + go.size - out : go.page;
    for (size_t i = 0; i < n_blocks; i++)
        memcpy(src + i * info->block_bytes, block_of(t, i), info->block_bytes);
    tsr_view v = {.data = src, .type = t, .n_dims = 2, .shape = {1, n, 1, 1}, .n_elems = n, .n_bytes = in};
    tsr_view_decode(&v, 0, 0, n, (float *)(void *)dst);
    for (unsigned char *p = go.page; p < go.page + go.size; p++)
        if ((p < dst || p >= dst + out) && *p != PATTERN)
            fail_msg("%s, %zu blocks: wrote outside", info->name, n_blocks);
    for (size_t i = 0; i < n_blocks; i++)
        assert_int_equal(crc32_of((const float *)(const void *)dst + i * info->block_elems, info->block_elems),
                         u32_at(samples[t].crc + 4 * (i % samples[t].n)));
    guard_free(&gi);
    guard_free(&go);
}

static void any_number_of_blocks_is_read_and_written_within_its_bounds(void **state)
{
    (void)state;
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++)
        for (size_t n = 0; n <= 20; n++)
            for (int at_end = 0; at_end < 2; at_end++)
                check_guarded((tsr_type)t, n, at_end);
}

static void any_part_of_a_row_is_that_part_of_the_whole(void **state)
{
    (void)state;
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++) {
        const tsr_type_traits *info = tsr_type_info((tsr_type)t);
        size_t n = 3 * info->block_elems;
        float whole[3 * TSRI_QUANT_MAX_ELEMS], part[3 * TSRI_QUANT_MAX_ELEMS + 1];
        tsr_view v = view_of((tsr_type)t, 2, n, samples[t].blocks);
        tsr_view_decode(&v, 1, 0, n, whole);
        for (int i = 0; i < 2000; i++) {
            size_t at = next_u32() % (n + 1), len = next_u32() % (n - at + 1);
            part[len] = 7.0f;
            tsr_view_decode(&v, 1, at, len, part);
            assert_true(part[len] == 7.0f);
            for (size_t k = 0; k < len; k++)
                assert_int_equal(bits(part[k]), bits(whole[at + k]));
        }
    }
}

static void slices_and_rows_of_block_views_lie_where_they_say(void **state)
{
    (void)state;
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++) {
        const tsr_type_traits *info = tsr_type_info((tsr_type)t);
        size_t cols = 2 * info->block_elems, row = 2 * info->block_bytes;
        tsr_view v;
        tsr_status st =
            tsr_view_make(&v, (tsr_type)t, 3, (const size_t[]){3, 3, cols}, samples[t].blocks, 9 * row, "w", NULL);
        assert_int_equal(st, TSR_OK);
        assert_int_equal(v.n_bytes, 9 * row);
        assert_int_equal(v.n_elems, 9 * cols);
        assert_int_equal(tsr_view_row_bytes(&v), row);
        tsr_view s = tsr_view_slice(&v, 2), r = tsr_view_take_rows(&s, 1, 2);
        assert_int_equal(s.n_bytes, 3 * row);
        assert_true(s.data == samples[t].blocks + 6 * row);
        assert_int_equal(r.n_bytes, 2 * row);
        assert_true(r.data == samples[t].blocks + 7 * row);
        float got[2 * TSRI_QUANT_MAX_ELEMS];
        tsr_view_decode(&r, 1, 0, cols, got);
        assert_int_equal(crc32_of(got, info->block_elems), u32_at(samples[t].crc + 4 * 16));
        assert_int_equal(crc32_of(got + info->block_elems, info->block_elems), u32_at(samples[t].crc + 4 * 17));
    }
}

/* ---- products ------------------------------------------------------------------------------- */

typedef struct product {
    size_t n, out, k, ldx, ldy;
    unsigned char *blocks;
    tsr_view w, w32; /* blocks, and what they decode to */
    float *decoded, *x, *y, *y32;
} product;

static product make_product(tsr_type t, size_t n, size_t out, size_t n_blocks)
{
    product p = {.n = n, .out = out, .k = n_blocks * tsr_type_info(t)->block_elems};
    p.ldx = p.k + 3;
    p.ldy = out + 2;
    p.blocks = random_rows(t, out * n_blocks);
    p.w = view_of(t, out, p.k, p.blocks);
    p.decoded = must_realloc(NULL, out * p.k * sizeof(float));
    for (size_t o = 0; o < out; o++)
        tsr_view_decode(&p.w, o, 0, p.k, p.decoded + o * p.k);
    p.w32 = tsr_view_of_f32(p.decoded, out, p.k);
    p.x = must_realloc(NULL, n * p.ldx * sizeof(float));
    for (size_t i = 0; i < n * p.ldx; i++)
        p.x[i] = i % p.ldx < p.k ? unit() : NAN; /* reading the padding would show */
    p.y = must_realloc(NULL, n * p.ldy * sizeof(float));
    p.y32 = must_realloc(NULL, n * p.ldy * sizeof(float));
    return p;
}

static void free_product(product *p)
{
    free(p->blocks);
    free(p->decoded);
    free(p->x);
    free(p->y);
    free(p->y32);
}

static tsr_pool *pool_of(unsigned threads)
{
    static tsr_pool *pools[6];
    if (!pools[threads])
        assert_int_equal(tsr_pool_open(&pools[threads], threads, NULL), TSR_OK);
    return pools[threads];
}

static void run(product *p, unsigned threads)
{
    memset(p->y, PATTERN, p->n * p->ldy * sizeof(float));
    tsr_matmul(pool_of(threads), &p->w, p->x, p->ldx, p->n, p->y, p->ldy);
}

/* Against f64 over the decoded weights, and against the same product with F32 weights: 1e-6 of the sum of
 * magnitudes, and the same bits where one path serves both. */
static void check_values(product *p, const char *name, const char *level)
{
    bool same_path = p->n <= 3 && p->k <= 262144;
    uint32_t gap;
    memset(&gap, PATTERN, sizeof gap);
    for (size_t i = 0; i < p->n; i++)
        for (size_t o = 0; o < p->ldy; o++) {
            float got = p->y[i * p->ldy + o], beside = p->y32[i * p->ldy + o];
            double want = 0, mag = 0;
            if (o >= p->out) {
                assert_int_equal(bits(got), gap);
                continue;
            }
            for (size_t k = 0; k < p->k; k++) {
                double q = (double)p->x[i * p->ldx + k] * (double)p->decoded[o * p->k + k];
                want += q;
                mag += fabs(q);
            }
            double tol = 4.0 * (double)FLT_EPSILON * sqrt((double)p->k) * mag + FLT_MIN;
            if (!(fabs((double)got - want) <= tol) || !(fabs((double)got - (double)beside) <= 1e-6 * mag) ||
                (same_path && bits(got) != bits(beside)))
                fail_msg("%s at %s, n %zu out %zu k %zu: [%zu, %zu] got %.9g, f64 %.9g, with F32 %.9g", name, level,
                         p->n, p->out, p->k, i, o, (double)got, want, (double)beside);
        }
}

static void check_product(tsr_type t, size_t n, size_t out, size_t n_blocks)
{
    product p = make_product(t, n, out, n_blocks);
    size_t bytes = n * p.ldy * sizeof(float);
    float *one = must_realloc(NULL, bytes);
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsr_cpu_set((tsr_cpu_level)l);
        tsr_matmul(pool_of(1), &p.w32, p.x, p.ldx, n, p.y32, p.ldy);
        run(&p, 1);
        check_values(&p, tsr_type_info(t)->name, tsr_cpu_level_name((tsr_cpu_level)l));
        memcpy(one, p.y, bytes);
        for (unsigned threads = 2; threads <= 5; threads += 3) {
            run(&p, threads);
            if (memcmp(one, p.y, bytes) != 0)
                fail_msg("%s: %u threads give other bits than 1", tsr_type_info(t)->name, threads);
        }
    }
    tsr_cpu_set(tsr_cpu_detect());
    free(one);
    free_product(&p);
}

static void products_equal_those_with_the_decoded_weights(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1}, {1, 70, 3}, {2, 64, 2}, {3, 65, 5}, {3, 1, 33}, {4, 1, 1},
                                       {4, 129, 2}, {5, 130, 6}, {7, 3, 35}, {257, 5, 1}, {40, 128, 4}};
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_product((tsr_type)t, shapes[s][0], shapes[s][1], shapes[s][2]);
}

static void rows_longer_than_the_scratch_are_multiplied_in_parts(void **state)
{
    (void)state;
    check_product(TSR_Q8_0, 2, 2, 262144 / 32 + 1);
    check_product(TSR_Q6_K, 3, 1, 262144 / 256 * 2);
}

static void rows_without_length_give_zero(void **state)
{
    (void)state;
    float x[8] = {0}, y[8];
    for (int t = FIRST_BLOCK_TYPE; t < TSR_N_TYPES; t++)
        for (size_t n = 1; n <= 4; n += 3) {
            tsr_view w = {.data = x, .type = (tsr_type)t, .n_dims = 2, .shape = {2, 0, 1, 1}};
            memset(y, PATTERN, sizeof y);
            tsr_matmul(pool_of(1), &w, x, 1, n, y, 2);
            for (size_t i = 0; i < 2 * n; i++)
                assert_true(y[i] == 0.0f);
        }
}

/* One row of W holds a NaN scale, another an infinite one: that output of every row of x is not finite, and
 * no other is touched. */
static void scale_that_is_no_number_spoils_its_output_and_no_other(void **state)
{
    (void)state;
    static const unsigned char nan_half[2] = {0x00, 0x7e}, inf_half[2] = {0x00, 0x7c};
    for (size_t n = 1; n <= 9; n += 4) {
        product p = make_product(TSR_Q4_0, n, 70, 3);
        memcpy(p.blocks + (5 * 3 + 1) * 18, nan_half, 2);
        memcpy(p.blocks + (66 * 3 + 2) * 18, inf_half, 2);
        run(&p, 2);
        for (size_t i = 0; i < n; i++) {
            assert_true(isnan(p.y[i * p.ldy + 5]));
            assert_true(isnan(p.y[i * p.ldy + 66]) || isinf(p.y[i * p.ldy + 66]));
            for (size_t o = 0; o < p.out; o++)
                assert_true(o == 5 || o == 66 || isfinite(p.y[i * p.ldy + o]));
        }
        free_product(&p);
    }
}

static void product_of_blocks_allocates_nothing(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 5; n += 4) {
        product p = make_product(TSR_Q4_K, n, 200, 5);
        pool_of(2);
        size_t before = tsr_alloc_count();
        run(&p, 2);
        assert_int_equal(tsr_alloc_count(), before);
        free_product(&p);
    }
}

/* ---- views of what comes from outside --------------------------------------------------------- */

static void view_that_its_bytes_cannot_hold_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        tsr_type type;
        unsigned n_dims;
        size_t shape[5];
        size_t len;
        const char *why; /* NULL: a good view */
    } cases[] = {
        {TSR_Q4_K, 2, {2, 256}, 288, NULL},
        {TSR_Q4_K, 2, {2, 256}, 289, NULL},
        {TSR_Q4_K, 2, {2, 256}, 287, "need 288 bytes, 287 are there"},
        {TSR_Q4_K, 2, {2, 255}, 288, "rows of 255 elements are not whole blocks of 256, as Q4_K needs"},
        {TSR_Q4_K, 2, {2, 128}, 288, "rows of 128 elements"}, /* one block in all, but no whole block in a row */
        {TSR_Q4_K, 2, {256, 2}, 288, "rows of 2 elements"},
        {TSR_Q4_K, 1, {256}, 144, NULL},
        {TSR_Q4_K, 0, {0}, 144, "rows of 1 elements"},
        {TSR_Q8_0, 2, {3, 33}, 1000, "rows of 33 elements are not whole blocks of 32, as Q8_0 needs"},
        {TSR_Q8_0, 4, {2, 2, 2, 32}, 272, NULL},
        {TSR_Q8_0, 5, {1, 1, 1, 1, 32}, 1000, "has 5 dimensions"},
        {TSR_Q8_0, 2, {0, 32}, 1000, "dimension 1 of 2 is 0"},
        {TSR_Q8_0, 2, {2, 0}, 1000, "dimension 2 of 2 is 0"},
        {TSR_Q8_0, 2, {SIZE_MAX / 32 + 1, 32}, 1000, "overflows"},
        {TSR_Q8_0, 2, {SIZE_MAX / 32, 32}, 1000, "overflows"}, /* in bytes only */
        {TSR_MXFP4, 2, {SIZE_MAX / 32, 32}, 1000, "bytes, 1000 are there"},
        {TSR_F32, 2, {2, 3}, 24, NULL},
        {TSR_F32, 2, {2, 3}, 23, "need 24 bytes, 23 are there"},
        {TSR_F32, 0, {0}, 4, NULL},
        {TSR_I64, 1, {SIZE_MAX / 4}, 24, "overflows"},
    };
    static const _Alignas(16) unsigned char data[1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_error e = {0};
        tsr_view v, none = {0};
        memset(&v, PATTERN, sizeof v);
        tsr_status st = tsr_view_make(&v, cases[i].type, cases[i].n_dims, cases[i].shape, data, cases[i].len,
                                      "file: t", &e);
        if (!cases[i].why) {
            assert_int_equal(st, TSR_OK);
            assert_int_equal(tsr_view_rows(&v) * tsr_view_row_bytes(&v), v.n_bytes);
            assert_true(v.data == data && v.type == cases[i].type && v.n_dims == cases[i].n_dims);
            continue;
        }
        assert_int_equal(st, TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, "file: t: ", cases[i].why);
        assert_true(v.data == NULL && v.n_dims == none.n_dims && v.n_bytes == none.n_bytes);
    }
}

static void plain_types_must_be_aligned_and_blocks_need_not(void **state)
{
    (void)state;
    static const _Alignas(16) unsigned char data[64];
    tsr_error e = {0};
    tsr_view v;
    assert_int_equal(tsr_view_make(&v, TSR_BF16, 1, (const size_t[]){2}, data + 1, 63, "t", &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "t: its data is not aligned to its type BF16", NULL);
    assert_int_equal(tsr_view_make(&v, TSR_Q4_0, 1, (const size_t[]){32}, data + 1, 63, "t", NULL), TSR_OK);
    float got[32];
    tsr_view_decode(&v, 0, 0, 32, got);
    assert_true(got[31] == 0.0f);
}

/* ---- ggml's numbers ----------------------------------------------------------------------------- */

static void ggml_numbers_are_those_of_the_reference(void **state)
{
    (void)state;
    size_t len, n_supported = 0, n_others = 0, n = 0;
    char *text = (char *)test_read_file(TSR_TEST_DIR "/ggml_types.txt", &len), *line = text;
    for (; *line; n++) {
        char *end;
        unsigned long id = strtoul(line, &end, 10);
        char *name = end + 1, *after = strchr(name, ' ');
        *after = '\0';
        unsigned long elems = strtoul(after + 1, &end, 10), bytes = strtoul(end, &end, 10);
        line = end + 1;
        assert_non_null(tsri_ggml_type_name((uint32_t)id));
        assert_string_equal(tsri_ggml_type_name((uint32_t)id), name);
        tsr_type t = TSR_N_TYPES;
        const tsr_type_traits *other = tsri_ggml_type_other((uint32_t)id);
        if (!tsri_ggml_type_find((uint32_t)id, &t)) {
            assert_int_equal(t, TSR_N_TYPES);
            assert_true(!other == (strcmp(name, "Q8_1") == 0)); /* whose blocks have been of two sizes */
            if (!other)
                continue;
            assert_string_equal(other->name, name);
            assert_int_equal(other->block_elems, elems);
            assert_int_equal(other->block_bytes, bytes);
            assert_false(other->is_float);
            n_others++;
            continue;
        }
        assert_null(other);
        uint32_t back = 0;
        n_supported++;
        assert_string_equal(tsr_type_info(t)->name, name);
        assert_int_equal(tsr_type_info(t)->block_elems, elems);
        assert_int_equal(tsr_type_info(t)->block_bytes, bytes);
        assert_true(tsri_ggml_type_id(t, &back));
        assert_int_equal(back, id);
    }
    free(text);
    assert_true(n > 30);
    assert_true(n_supported == TSR_N_TYPES - 2); /* all but U8 and BOOL */
    assert_true(n_others == n - n_supported - 1);
}

static void numbers_without_a_type_have_at_most_a_name(void **state)
{
    (void)state;
    tsr_type t = TSR_N_TYPES;
    uint32_t id = 77;
    assert_string_equal(tsri_ggml_type_name(4), "Q4_2"); /* retired */
    assert_false(tsri_ggml_type_find(4, &t));
    assert_false(tsri_ggml_type_find(16, &t));
    assert_string_equal(tsri_ggml_type_name(16), "IQ2_XXS");
    assert_null(tsri_ggml_type_other(4));
    for (uint32_t i = 0; i < 42; i++)
        assert_non_null(tsri_ggml_type_name(i));
    static const uint32_t unknown[] = {42, 43, 1000, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_null(tsri_ggml_type_name(unknown[i]));
        assert_null(tsri_ggml_type_other(unknown[i]));
        assert_false(tsri_ggml_type_find(unknown[i], &t));
    }
    assert_false(tsri_ggml_type_id(TSR_U8, &id));
    assert_false(tsri_ggml_type_id(TSR_BOOL, &id));
    assert_int_equal(t, TSR_N_TYPES);
    assert_int_equal(id, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_decodes_to_the_bits_of_the_reference),
        cmocka_unit_test(fixture_holds_nan_infinity_subnormals_and_negative_zero),
        cmocka_unit_test(any_number_of_blocks_is_read_and_written_within_its_bounds),
        cmocka_unit_test(any_part_of_a_row_is_that_part_of_the_whole),
        cmocka_unit_test(slices_and_rows_of_block_views_lie_where_they_say),
        cmocka_unit_test(products_equal_those_with_the_decoded_weights),
        cmocka_unit_test(rows_longer_than_the_scratch_are_multiplied_in_parts),
        cmocka_unit_test(rows_without_length_give_zero),
        cmocka_unit_test(scale_that_is_no_number_spoils_its_output_and_no_other),
        cmocka_unit_test(product_of_blocks_allocates_nothing),
        cmocka_unit_test(view_that_its_bytes_cannot_hold_is_refused_with_the_reason),
        cmocka_unit_test(plain_types_must_be_aligned_and_blocks_need_not),
        cmocka_unit_test(ggml_numbers_are_those_of_the_reference),
        cmocka_unit_test(numbers_without_a_type_have_at_most_a_name),
    };
    return cmocka_run_group_tests(tests, read_fixture, NULL);
}
