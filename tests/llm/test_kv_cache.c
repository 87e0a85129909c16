/* The cache: what was written is found at its position, however often the sliding rows moved, in every
 * type; what comes back is the row as that type rounds it. */
#include "test_main.h"

#include <math.h>

#include "tsr_alloc.h"
#include "tsr_kv_cache.h"

enum { HEADS = 2, DIM = 3, WINDOW = 5 };

static const tsr_kv_layer_spec specs[] = {{HEADS, DIM, WINDOW, 0}, {0, DIM, WINDOW, 0}, {HEADS, DIM, 0, 0}};

static const tsr_type types[] = {TSR_F32, TSR_F16, TSR_BF16, TSR_Q8_0};
enum { N_TYPES = sizeof types / sizeof *types };

/* Position pos of head h: neighbours differ in every type. */
static void make_row(float row[DIM], size_t h, size_t pos, float mark)
{
    row[0] = (float)(1 + pos % 97) + mark;
    row[1] = 8.0f * (float)(pos / 97);
    row[2] = 30.0f * (float)h;
}

static void write_all(tsr_kv_cache *kv, size_t pos, float mark)
{
    float k[HEADS * DIM], v[HEADS * DIM];
    for (size_t h = 0; h < HEADS; h++)
        make_row(k + h * DIM, h, pos, mark);
    for (size_t i = 0; i < HEADS * DIM; i++)
        v[i] = -k[i];
    assert_true(tsr_kv_write(kv, 0, pos, k, v));
    assert_true(tsr_kv_write(kv, 2, pos, k, v));
}

static void check_position(const tsr_kv_cache *kv, size_t layer, size_t pos, float mark)
{
    tsr_kv_rows r = tsr_kv_layer_rows(kv, layer);
    assert_true(pos >= r.first);
    for (size_t h = 0; h < HEADS; h++) {
        _Alignas(16) unsigned char row[64];
        float want[DIM], k[DIM], v[DIM];
        size_t at = h * r.head_stride + (pos - r.first) * r.row_bytes;
        make_row(want, h, pos, mark);
        assert_true(tsr_row_write(r.type, row, want, DIM));
        tsr_rows_read(r.type, row, 1, DIM, want);
        tsr_rows_read(r.type, r.k + at, 1, DIM, k);
        tsr_rows_read(r.type, r.v + at, 1, DIM, v);
        for (size_t i = 0; i < DIM; i++)
            assert_true(k[i] == want[i] && v[i] == -want[i]);
    }
}

static void check_windows(tsr_type type)
{
    for (size_t max_rows = 1; max_rows <= 9; max_rows++) {
        tsr_kv_cache *kv;
        size_t n = 0;
        assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 500, max_rows, type, NULL), TSR_OK);
        for (size_t turn = 0; n + max_rows <= 500; turn++) {
            size_t take = 1 + turn % max_rows;
            tsr_kv_reserve(kv, take);
            for (size_t i = 0; i < take; i++)
                write_all(kv, n + i, 0.0f);
            size_t oldest = n + 1 > WINDOW ? n + 1 - WINDOW : 0;
            for (size_t p = oldest; p < n + take; p++)
                check_position(kv, 0, p, 0.0f);
            for (size_t p = 0; p < n + take; p++)
                check_position(kv, 2, p, 0.0f);
            tsr_kv_commit(kv, take);
            n += take;
            assert_int_equal(tsr_kv_tokens(kv), n);
        }
        tsr_kv_cache_close(kv);
    }
}

static void every_query_finds_its_window_and_full_layers_find_everything(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        check_windows(types[t]);
}

static void check_written_over(tsr_type type)
{
    tsr_kv_cache *kv;
    assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 10, 4, type, NULL), TSR_OK);
    tsr_kv_reserve(kv, 4);
    for (size_t i = 0; i < 4; i++)
        write_all(kv, i, 7.0f);
    tsr_kv_reserve(kv, 2);
    for (size_t i = 0; i < 2; i++)
        write_all(kv, i, 0.0f);
    tsr_kv_commit(kv, 2);
    check_position(kv, 0, 1, 0.0f);
    check_position(kv, 2, 1, 0.0f);
    assert_int_equal(tsr_kv_tokens(kv), 2);
    tsr_kv_cache_close(kv);
}

static void what_was_not_committed_is_written_over(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        check_written_over(types[t]);
}

static void check_taken_back(tsr_type type)
{
    for (size_t n = 1; n < 400; n += 3) {
        for (size_t back = 0; back <= TSR_KV_SLACK && back <= n; back += 16) {
            tsr_kv_cache *kv;
            assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 500, 3, type, NULL), TSR_OK);
            for (size_t p = 0; p < n; p++) {
                tsr_kv_reserve(kv, 1);
                write_all(kv, p, 0.0f);
                tsr_kv_commit(kv, 1);
            }
            assert_true(tsr_kv_truncate(kv, n - back));
            assert_int_equal(tsr_kv_tokens(kv), n - back);
            for (size_t p = n - back + 1 > WINDOW ? n - back + 1 - WINDOW : 0; p < n - back; p++)
                check_position(kv, 0, p, 0.0f);
            tsr_kv_cache_close(kv);
        }
    }
}

static void the_newest_positions_can_always_be_taken_back(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        check_taken_back(types[t]);
}

static void check_lost_window(tsr_type type)
{
    tsr_kv_cache *kv;
    assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 500, 3, type, NULL), TSR_OK);
    for (size_t p = 0; p < 300; p++) {
        tsr_kv_reserve(kv, 1);
        write_all(kv, p, 0.0f);
        tsr_kv_commit(kv, 1);
    }
    size_t first = tsr_kv_layer_rows(kv, 0).first;
    assert_true(first > WINDOW);
    assert_false(tsr_kv_truncate(kv, 301));
    assert_false(tsr_kv_truncate(kv, first + WINDOW - 2));
    assert_int_equal(tsr_kv_tokens(kv), 300);
    assert_true(tsr_kv_truncate(kv, first + WINDOW - 1));
    assert_true(tsr_kv_truncate(kv, 0));
    assert_int_equal(tsr_kv_layer_rows(kv, 0).first, 0);
    tsr_kv_cache_close(kv);
}

/* As many as were asked for, whatever the chunks that wrote them. */
static void more_can_be_taken_back_where_it_is_asked_for(void **state)
{
    enum { SLACK = 150, N = 400 };
    const tsr_kv_layer_spec wide[] = {{HEADS, DIM, WINDOW, SLACK}, {0, DIM, WINDOW, SLACK}, {HEADS, DIM, 0, SLACK}};
    (void)state;
    for (size_t n = SLACK; n < N; n += 7) {
        tsr_kv_cache *kv;
        assert_int_equal(tsr_kv_cache_open(&kv, wide, 3, 500, 3, TSR_F32, NULL), TSR_OK);
        for (size_t p = 0; p < n; p++) {
            tsr_kv_reserve(kv, 1);
            write_all(kv, p, 0.0f);
            tsr_kv_commit(kv, 1);
        }
        assert_true(tsr_kv_truncate(kv, n - SLACK));
        for (size_t p = n - SLACK + 1 > WINDOW ? n - SLACK + 1 - WINDOW : 0; p < n - SLACK; p++)
            check_position(kv, 0, p, 0.0f);
        tsr_kv_cache_close(kv);
    }
}

static void a_lost_window_is_refused_and_nothing_changes(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        check_lost_window(types[t]);
}

/* Bytes of one position of one layer of test heads. */
static size_t position_bytes(tsr_type type)
{
    static const size_t row[TSR_N_TYPES] = {[TSR_F32] = 4 * DIM, [TSR_F16] = 2 * DIM, [TSR_BF16] = 2 * DIM, [TSR_Q8_0] = 34};
    return 2 * HEADS * row[type];
}

static void sliding_layers_stay_small(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        tsr_kv_cache *kv;
        size_t planned;
        const tsr_kv_layer_spec one = {HEADS, DIM, WINDOW, 0};
        assert_int_equal(tsr_kv_cache_open(&kv, &one, 1, 1 << 20, 8, types[t], NULL), TSR_OK);
        assert_int_equal(tsr_kv_bytes(kv), (size_t)(WINDOW - 1 + TSR_KV_SLACK + 8) * position_bytes(types[t]));
        assert_int_equal(tsr_kv_cache_plan(&planned, &one, 1, 1 << 20, 8, types[t], NULL), TSR_OK);
        assert_int_equal(planned, tsr_kv_bytes(kv));
        tsr_kv_cache_close(kv);
        /* A window larger than the context costs no more than the context. */
        const tsr_kv_layer_spec wide = {HEADS, DIM, SIZE_MAX / 2, 0};
        assert_int_equal(tsr_kv_cache_open(&kv, &wide, 1, 32, 8, types[t], NULL), TSR_OK);
        assert_int_equal(tsr_kv_bytes(kv), 32 * position_bytes(types[t]));
        tsr_kv_cache_close(kv);
    }
}

static void what_is_not_finite_is_told(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        tsr_kv_cache *kv;
        float good[HEADS * DIM] = {1, 2, 3, 4, 5, 6}, bad[HEADS * DIM] = {1, 2, 3, 4, 5, NAN};
        assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 32, 8, types[t], NULL), TSR_OK);
        tsr_kv_reserve(kv, 1);
        assert_true(tsr_kv_write(kv, 2, 0, good, good));
        assert_false(tsr_kv_write(kv, 2, 0, bad, good));
        assert_false(tsr_kv_write(kv, 2, 0, good, bad));
        tsr_kv_cache_close(kv);
    }
}

static void types_have_names(void **state)
{
    (void)state;
    tsr_type type;
    tsr_error err = {0};
    for (size_t t = 0; t < N_TYPES; t++) {
        assert_int_equal(tsr_kv_type_parse(&type, tsr_kv_type_name(types[t]), NULL), TSR_OK);
        assert_int_equal(type, types[t]);
    }
    assert_null(tsr_kv_type_name(TSR_Q4_0));
    assert_null(tsr_kv_type_name(TSR_N_TYPES));
    assert_int_equal(tsr_kv_type_parse(&type, "q4", &err), TSR_ERR_USAGE);
    assert_error(&err, TSR_ERR_USAGE, "'q4'", "f32, f16, bf16, q8");
}

static void impossible_sizes_and_types_are_refused(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        static const tsr_kv_layer_spec huge[] = {{SIZE_MAX / 16, 64, 0, 0}, {1, SIZE_MAX, 0, 0}, {1, SIZE_MAX / 9, 0, 0}, {1, 0, 0, 0}};
        for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
            tsr_kv_cache *kv;
            size_t planned;
            assert_int_equal(tsr_kv_cache_open(&kv, &huge[i], 1, 32, 8, types[t], NULL), TSR_ERR_LIMIT);
            assert_null(kv);
            assert_int_equal(tsr_kv_cache_plan(&planned, &huge[i], 1, 32, 8, types[t], NULL), TSR_ERR_LIMIT);
        }
    }
    tsr_kv_cache *kv;
    tsr_error err = {0};
    assert_int_equal(tsr_kv_cache_open(&kv, specs, 3, 32, 8, TSR_Q4_0, &err), TSR_ERR_UNSUPPORTED);
    assert_error(&err, TSR_ERR_UNSUPPORTED, "Q4_0", "F32");
    assert_null(kv);
    for (size_t k = 1;; k++) {
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_kv_cache_open(&kv, specs, 3, 32, 8, TSR_Q8_0, NULL);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(kv);
        assert_int_equal(tsr_alloc_live(), 0);
    }
    tsr_kv_cache_close(kv);
    assert_int_equal(tsr_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_finds_its_window_and_full_layers_find_everything),
        cmocka_unit_test(what_was_not_committed_is_written_over),
        cmocka_unit_test(the_newest_positions_can_always_be_taken_back),
        cmocka_unit_test(more_can_be_taken_back_where_it_is_asked_for),
        cmocka_unit_test(a_lost_window_is_refused_and_nothing_changes),
        cmocka_unit_test(sliding_layers_stay_small),
        cmocka_unit_test(what_is_not_finite_is_told),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(impossible_sizes_and_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
