/* Bytes of files, pipes and memory through one door. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream_fixture.h"
#include "source_internal.h"

static void a_file_is_read_at_any_place(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    unsigned char buf[16];
    size_t got;
    tsr_source *s;
    test_write_file(test_path(dir, "f"), "0123456789", 10);
    assert_int_equal(tsr_source_open(&s, test_path(dir, "f"), 0, NULL), TSR_OK);
    assert_int_equal(tsr_source_size(s), 10);
    assert_int_equal(tsr_source_read(s, 4, buf, 3, &got, NULL), TSR_OK);
    assert_int_equal(got, 3);
    assert_memory_equal(buf, "456", 3);
    assert_int_equal(tsr_source_read(s, 8, buf, sizeof buf, &got, NULL), TSR_OK);
    assert_int_equal(got, 2);
    assert_memory_equal(buf, "89", 2);
    assert_int_equal(tsr_source_read(s, UINT64_MAX, buf, 1, &got, NULL), TSR_OK);
    assert_int_equal(got, 0);
    tsr_source_close(s);
    test_tmp_remove(dir);
}

static void a_file_that_shrinks_ends_early(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    unsigned char buf[16];
    size_t got;
    tsr_source *s;
    test_write_file(test_path(dir, "f"), "0123456789", 10);
    assert_int_equal(tsr_source_open(&s, test_path(dir, "f"), 0, NULL), TSR_OK);
    assert_int_equal(truncate(test_path(dir, "f"), 4), 0);
    assert_int_equal(tsr_source_read(s, 2, buf, 8, &got, NULL), TSR_OK);
    assert_int_equal(got, 2);
    tsr_source_close(s);
    test_tmp_remove(dir);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    tsr_source *s;
    tsr_error e = {0};
    assert_int_equal(tsr_source_open(&s, test_path(dir, "none.wav"), 10, &e), TSR_ERR_NOINPUT);
    assert_null(s);
    assert_non_null(strstr(e.text, "none.wav"));
    tsr_error_clear(&e);
    assert_int_equal(tsr_source_open(&s, dir, 10, &e), TSR_ERR_NOINPUT);
    assert_null(s);
    test_tmp_remove(dir);
}

static void a_pipe_is_spooled_up_to_its_limit(void **state)
{
    (void)state;
    char path[64];
    unsigned char buf[8];
    size_t got;
    tsr_source *s;
    tsr_error e = {0};
    for (size_t limit = 4; limit <= 5; limit++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        assert_int_equal(write(p[1], "abcde", 5), 5);
        close(p[1]);
        snprintf(path, sizeof path, "/dev/fd/%d", p[0]);
        tsr_status st = tsr_source_open(&s, path, limit, &e);
        close(p[0]);
        assert_int_equal(st, limit == 4 ? TSR_ERR_LIMIT : TSR_OK);
    }
    assert_int_equal(tsr_source_size(s), 5);
    assert_int_equal(tsr_source_read(s, 1, buf, 8, &got, NULL), TSR_OK);
    assert_memory_equal(buf, "bcde", 4);
    tsr_source_close(s);
}

static void a_descriptor_has_the_bytes(void **state)
{
    (void)state;
    char b[8];
    int fd;
    tsr_source *s = open_bytes("hello", 5, NULL);
    assert_string_equal(tsr_source_name(s), "memory");
    assert_int_equal(tsri_source_dup_fd(s, &fd, NULL), TSR_OK);
    assert_int_equal(pread(fd, b, sizeof b, 0), 5);
    assert_memory_equal(b, "hello", 5);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    tsr_source_close(s);
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_source *s;
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_source_open(&s, fixture_path("speech.mp3"), 1 << 20, NULL);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            assert_true(k > 1);
            tsr_source_close(s);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(s);
        assert_int_equal(tsr_alloc_live(), live);
    }
    assert_int_equal(tsr_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_at_any_place),
        cmocka_unit_test(a_file_that_shrinks_ends_early),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_pipe_is_spooled_up_to_its_limit),
        cmocka_unit_test(a_descriptor_has_the_bytes),
        cmocka_unit_test(open_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
