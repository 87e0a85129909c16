/* The one allocator: alignment, counting, planted failures, and that ASan still sees its edges. */
#define _DEFAULT_SOURCE /* mincore */
#include "test_main.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tsr_alloc.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#endif
#if defined(HAVE_ASAN)
#include <sanitizer/asan_interface.h>
#endif

static void blocks_are_aligned_and_counted(void **state)
{
    (void)state;
    size_t blocks = tsr_alloc_live(), bytes = tsr_alloc_live_bytes(), requests = tsr_alloc_count();
    void *p[200];
    size_t total = 0;
    for (size_t i = 0; i < 200; i++) {
        p[i] = tsr_alloc(i * 7);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        memset(p[i], 0xa5, i * 7);
        total += i * 7;
    }
    assert_int_equal(tsr_alloc_live() - blocks, 200);
    assert_int_equal(tsr_alloc_live_bytes() - bytes, total);
    assert_true(tsr_alloc_peak_bytes() >= bytes + total);
    assert_int_equal(tsr_alloc_count() - requests, 200);
    for (size_t i = 0; i < 200; i++)
        tsr_free(p[i]);
    tsr_free(NULL);
    assert_int_equal(tsr_alloc_live(), blocks);
    assert_int_equal(tsr_alloc_live_bytes(), bytes);
}

static void calloc_zeroes_and_refuses_overflow(void **state)
{
    (void)state;
    unsigned char *p = tsr_calloc(33, 3);
    assert_non_null(p);
    for (size_t i = 0; i < 99; i++)
        assert_int_equal(p[i], 0);
    tsr_free(p);
    assert_null(tsr_calloc(SIZE_MAX / 2, 3));
    assert_null(tsr_alloc(SIZE_MAX));
    assert_null(tsr_alloc(SIZE_MAX - 64));
    assert_null(tsr_alloc(PTRDIFF_MAX));
}

static size_t pages_resident(const unsigned char *p, size_t n, size_t page)
{
    unsigned char *first = (unsigned char *)(((uintptr_t)p + page - 1) / page * page), in[1024];
    size_t n_pages = (size_t)(p + n - first) / page, resident = 0;
    assert_true(n_pages <= sizeof in);
    assert_int_equal(mincore(first, n_pages * page, in), 0);
    for (size_t i = 0; i < n_pages; i++)
        resident += in[i] & 1;
    return resident;
}

/* Of a small block, and of one that huge pages are asked for. */
static void what_is_given_back_is_gone_and_can_be_had_again(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), sizes[] = {100, 40 * page + 77, 600 * page + 5}, keeps[] = {0, 1, page, 9 * page + 3};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof keeps / sizeof *keeps; j++) {
            size_t n = sizes[i], keep = keeps[j] < n ? keeps[j] : n;
            unsigned char *p = tsr_alloc(n);
            assert_non_null(p);
            memset(p, 0xa5, n);
            tsr_alloc_give_back(p, keeps[j]);
            for (size_t at = 0; at < keep; at++)
                assert_int_equal(p[at], 0xa5);
            if (n > 20 * page) /* the pages at both ends stay, and those of what is kept */
                assert_true(pages_resident(p, n, page) <= keep / page + 2);
            memset(p, 0x5a, n);
            for (size_t at = 0; at < n; at++)
                assert_int_equal(p[at], 0x5a);
            tsr_free(p);
        }
}

static void realloc_keeps_the_content_and_the_old_block_on_failure(void **state)
{
    (void)state;
    unsigned char *p = tsr_realloc(NULL, 10);
    assert_non_null(p);
    memcpy(p, "0123456789", 10);
    unsigned char *q = tsr_realloc(p, 1000);
    assert_non_null(q);
    assert_memory_equal(q, "0123456789", 10);
    tsr_alloc_fail_at(1);
    assert_null(tsr_realloc(q, 2000));
    tsr_alloc_fail_at(0);
    assert_memory_equal(q, "0123456789", 10);
    q = tsr_realloc(q, 3);
    assert_non_null(q);
    assert_memory_equal(q, "012", 3);
    tsr_free(q);
}

static void failure_comes_at_the_wanted_request_and_stays(void **state)
{
    (void)state;
    tsr_alloc_fail_at(3);
    void *a = tsr_alloc(1), *b = tsr_alloc(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(tsr_alloc(1));
    assert_null(tsr_calloc(1, 1));
    assert_null(tsr_strdup("x"));
    tsr_alloc_fail_at(0);
    void *c = tsr_alloc(1);
    assert_non_null(c);
    tsr_free(a);
    tsr_free(b);
    tsr_free(c);
}

static void array_failure_says_what_and_how_much(void **state)
{
    (void)state;
    tsr_error e = {0};
    float *p = (float *)&e;
    assert_int_equal(tsr_alloc_array(&p, SIZE_MAX / 2, 4, "cache", &e), TSR_ERR_NOMEM);
    assert_null(p);
    assert_error(&e, TSR_ERR_NOMEM, "cache", " x 4 bytes");
    assert_int_equal(tsr_alloc_array(&p, 5, sizeof *p, "cache", NULL), TSR_OK);
    assert_non_null(p);
    tsr_free(p);
}

static void strings_are_copied_exactly(void **state)
{
    (void)state;
    char *p = tsr_strndup("a\0b", 3);
    assert_non_null(p);
    assert_memory_equal(p, "a\0b", 4);
    tsr_free(p);
    p = tsr_strdup("");
    assert_string_equal(p, "");
    tsr_free(p);
    assert_null(tsr_strndup("x", SIZE_MAX));
}

static void checked_sizes_refuse_what_does_not_fit(void **state)
{
    (void)state;
    size_t n = 9;
    assert_true(tsr_mul_size(&n, SIZE_MAX, 1));
    assert_int_equal(n, SIZE_MAX);
    assert_true(tsr_mul_size(&n, SIZE_MAX, 0));
    assert_int_equal(n, 0);
    assert_true(tsr_mul_size(&n, (size_t)1 << 31, (size_t)1 << 32));
    assert_int_equal(n, (size_t)1 << 63);
    assert_false(tsr_mul_size(&n, (size_t)1 << 32, (size_t)1 << 32));
    assert_int_equal(n, 0);
    assert_true(tsr_add_size(&n, SIZE_MAX - 1, 1));
    assert_int_equal(n, SIZE_MAX);
    assert_false(tsr_add_size(&n, SIZE_MAX, 1));
    assert_int_equal(n, 0);
}

static void one_byte_too_far_is_found(void **state)
{
    (void)state;
#if defined(HAVE_ASAN)
    for (size_t n = 0; n < 130; n++) {
        char *p = tsr_alloc(n);
        assert_true(__asan_address_is_poisoned(p + n));
        assert_true(__asan_address_is_poisoned(p - 1));
        assert_true(n == 0 || !__asan_address_is_poisoned(p + n - 1));
        tsr_free(p);
    }
#else
    skip(); /* needs AddressSanitizer */
#endif
}

static void *churn(void *refused)
{
    size_t n = 0;
    for (int i = 0; i < 5000; i++) {
        void *p = tsr_alloc((size_t)i % 300);
        n += p == NULL;
        tsr_free(p);
    }
    *(size_t *)refused = n;
    return NULL;
}

static void counts_and_failures_hold_with_many_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    size_t refused[4], total = 0, live = tsr_alloc_live(), bytes = tsr_alloc_live_bytes();
    tsr_alloc_fail_at(10001);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, churn, &refused[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        total += refused[i];
    }
    tsr_alloc_fail_at(0);
    assert_int_equal(total, 20000 - 10000);
    assert_int_equal(tsr_alloc_live(), live);
    assert_int_equal(tsr_alloc_live_bytes(), bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_counted),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(what_is_given_back_is_gone_and_can_be_had_again),
        cmocka_unit_test(realloc_keeps_the_content_and_the_old_block_on_failure),
        cmocka_unit_test(failure_comes_at_the_wanted_request_and_stays),
        cmocka_unit_test(array_failure_says_what_and_how_much),
        cmocka_unit_test(strings_are_copied_exactly),
        cmocka_unit_test(checked_sizes_refuse_what_does_not_fit),
        cmocka_unit_test(one_byte_too_far_is_found),
        cmocka_unit_test(counts_and_failures_hold_with_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
