/* Files: what may be opened, how long it may be, and that a replace never harms the old file. */
#include "test_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_internal.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

static void refuse(const char *path, tsr_status st, const char *part)
{
    tsr_mapping m = {.base = test_root};
    tsr_error e = {0}, f = {0};
    unsigned char *data = (unsigned char *)test_root;
    size_t len = 7;
    assert_int_equal(tsr_file_map(&m, path, &e), st);
    assert_error(&e, st, path, part);
    assert_null(m.base);
    assert_int_equal(tsr_file_read(&data, &len, path, 1000, &f), st);
    assert_error(&f, st, path, part);
    assert_null(data);
    assert_int_equal(len, 0);
}

static void missing_folder_and_forbidden_files_are_told_apart(void **state)
{
    (void)state;
    test_write_file(test_path(test_root, "f"), "abc", 3);
    refuse(test_path(test_root, "nothing"), TSR_ERR_NOINPUT, "cannot be opened");
    refuse(test_path(test_root, "f/below"), TSR_ERR_NOINPUT, "cannot be opened");
    refuse(test_root, TSR_ERR_NOINPUT, "folder");
    if (geteuid() != 0) { /* root may read all */
        assert_int_equal(chmod(test_path(test_root, "f"), 0), 0);
        refuse(test_path(test_root, "f"), TSR_ERR_PERM, "cannot be opened");
    }
}

static void map_and_read_give_the_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i], len;
        const char *path = test_path(test_root, "data");
        unsigned char *want = must_realloc(NULL, n), *got;
        tsr_mapping m;
        for (size_t j = 0; j < n; j++)
            want[j] = (unsigned char)(j * 7 + j / 251);
        test_write_file(path, want, n);
        assert_int_equal(tsr_file_map(&m, path, NULL), TSR_OK);
        assert_int_equal(m.bytes.len, n);
        assert_true(n == 0 || memcmp(m.bytes.data, want, n) == 0);
        tsr_file_unmap(&m);
        assert_null(m.base);
        tsr_file_unmap(&m);
        assert_int_equal(tsr_file_read(&got, &len, path, n, NULL), TSR_OK);
        assert_int_equal(len, n);
        assert_true(n == 0 || memcmp(got, want, n) == 0);
        assert_int_equal(got[n], 0);
        tsr_free(got);
        if (n > 0) {
            tsr_error e = {0};
            assert_int_equal(tsr_file_read(&got, &len, path, n - 1, &e), TSR_ERR_LIMIT);
            assert_error(&e, TSR_ERR_LIMIT, path, "limit");
            assert_null(got);
        }
        free(want);
    }
}

/* Let a child write n bytes into `fd` and end. */
static pid_t feed(int fd, size_t n)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)(i % 253);
            if (write(fd, &c, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(fd);
    return child;
}

static tsr_status read_piped(size_t n, size_t max_bytes, bool as_stdin)
{
    unsigned char *data;
    size_t len;
    int ends[2], saved = -1;
    char name[64] = "-";
    tsr_error e = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = feed(ends[1], n);
    if (as_stdin) {
        saved = dup(STDIN_FILENO);
        assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    } else {
        snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    }
    tsr_status st = tsr_file_read(&data, &len, name, max_bytes, &e);
    if (as_stdin) {
        assert_true(dup2(saved, STDIN_FILENO) >= 0);
        close(saved);
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    if (st == TSR_OK) {
        assert_int_equal(len, n);
        for (size_t i = 0; i < n; i++)
            if (data[i] != i % 253)
                fail_msg("byte %zu of %zu is wrong", i, n);
        assert_int_equal(data[n], 0);
        tsr_free(data);
    } else {
        assert_error(&e, TSR_ERR_LIMIT, as_stdin ? "standard input" : name, "limit");
        assert_null(data);
    }
    return st;
}

/* Which of n pages from p on this process has mapped; false where the system doesn't tell. */
static bool pages_held(const unsigned char *p, size_t n, bool *held)
{
    long page = sysconf(_SC_PAGESIZE);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool told = fd >= 0;
    for (size_t i = 0; i < n && told; i++) {
        uint64_t entry;
        off_t at = (off_t)((uintptr_t)p / (uintptr_t)page + i) * (off_t)sizeof entry;
        told = pread(fd, &entry, sizeof entry, at) == (ssize_t)sizeof entry;
        held[i] = told && entry >> 63;
    }
    if (fd >= 0)
        close(fd);
    return told;
}

static void what_is_let_go_comes_back_from_the_file(void **state)
{
    (void)state;
    enum { PAGES = 8 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = PAGES * page;
    unsigned char *want = must_realloc(NULL, n);
    bool held[PAGES];
    tsr_mapping m;
    for (size_t i = 0; i < n; i++)
        want[i] = (unsigned char)(i * 7 + i / 251);
    test_write_file(test_path(test_root, "data"), want, n);
    assert_int_equal(tsr_file_map(&m, test_path(test_root, "data"), NULL), TSR_OK);
    assert_memory_equal(m.bytes.data, want, n);
    bool told = pages_held(m.bytes.data, PAGES, held);
    for (size_t i = 0; i < PAGES && told; i++)
        assert_true(held[i]);
    tsr_file_let_go(m.bytes.data, 0);
    tsr_file_let_go(m.bytes.data + 3 * page - 1, page + 2); /* the last byte of page 2 to the first of page 4 */
    told = told && pages_held(m.bytes.data, PAGES, held);
    for (size_t i = 0; i < PAGES && told; i++)
        assert_int_equal(held[i], i < 2 || i > 4);
    assert_memory_equal(m.bytes.data, want, n);
    tsr_file_unmap(&m);
    free(want);
}

static void pipes_are_read_up_to_the_limit_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(read_piped(0, 100, true), TSR_OK);
    assert_int_equal(read_piped(0, 0, true), TSR_OK);
    assert_int_equal(read_piped(1, 0, true), TSR_ERR_LIMIT);
    assert_int_equal(read_piped(100, 100, true), TSR_OK);
    assert_int_equal(read_piped(101, 100, true), TSR_ERR_LIMIT);
    assert_int_equal(read_piped(70000, 70000, true), TSR_OK);
    assert_int_equal(read_piped(70001, 70000, false), TSR_ERR_LIMIT);
    assert_int_equal(read_piped(140000, 1 << 20, false), TSR_OK);
    /* growth may not overshoot: 65,537 doubles to more than this limit */
    assert_int_equal(read_piped(131076, 131075, false), TSR_ERR_LIMIT);
    assert_int_equal(read_piped(134000, 131076, false), TSR_ERR_LIMIT);
}

static void endless_device_meets_the_limit(void **state)
{
    (void)state;
    unsigned char *data;
    size_t len;
    tsr_error e = {0};
    assert_int_equal(tsr_file_read(&data, &len, "/dev/zero", 100000, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "/dev/zero", "100000");
    assert_int_equal(tsr_file_read(&data, &len, "/dev/null", 10, NULL), TSR_OK);
    assert_int_equal(len, 0);
    tsr_free(data);
}

static void fifo_is_not_mapped_and_does_not_hang(void **state)
{
    (void)state;
    tsr_mapping m;
    tsr_error e = {0};
    assert_int_equal(mkfifo(test_path(test_root, "fifo"), 0600), 0);
    assert_int_equal(tsr_file_map(&m, test_path(test_root, "fifo"), &e), TSR_ERR_NOINPUT);
    assert_error(&e, TSR_ERR_NOINPUT, "fifo", "not a regular file");
    assert_int_equal(tsr_file_map(&m, "/dev/null", NULL), TSR_ERR_NOINPUT);
}

static void read_survives_every_failed_allocation(void **state)
{
    (void)state;
    test_write_file(test_path(test_root, "f"), "abc", 3);
    size_t live = tsr_alloc_live();
    for (size_t k = 1; k < 10; k++) {
        unsigned char *data;
        size_t len;
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_file_read(&data, &len, test_path(test_root, "f"), 100, NULL);
        tsr_alloc_fail_at(0);
        assert_true(st == TSR_OK || (st == TSR_ERR_NOMEM && !data));
        tsr_free(data);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
    }
}

static void assert_content(const char *path, const char *want)
{
    size_t len;
    unsigned char *got = test_read_file(path, &len);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(got, want, len);
    free(got);
}

static void replace_writes_whole_files_and_leaves_nothing_beside(void **state)
{
    (void)state;
    const char *path = test_path(test_root, "out");
    assert_int_equal(tsr_file_replace(path, "first", 5, NULL), TSR_OK);
    assert_content(path, "first");
    assert_int_equal(tsr_file_replace(path, "second one", 10, NULL), TSR_OK);
    assert_content(path, "second one");
    assert_int_equal(tsr_file_replace(path, NULL, 0, NULL), TSR_OK);
    assert_content(path, "");
    assert_int_equal(test_tmp_count(test_root), 1);
}

static void replace_passes_over_a_left_temporary_file(void **state)
{
    (void)state;
    const char *path = test_path(test_root, "out");
    char *first, *second;
    int a, b;
    assert_int_equal(tsri_file_create_beside(&a, &first, path, NULL), TSR_OK);
    assert_int_equal(tsri_file_create_beside(&b, &second, path, NULL), TSR_OK);
    assert_string_not_equal(first, second);
    assert_int_equal(tsr_file_replace(path, "x", 1, NULL), TSR_OK);
    assert_content(path, "x");
    assert_int_equal(test_tmp_count(test_root), 3);
    close(a);
    close(b);
    tsr_free(first);
    tsr_free(second);
}

static void replace_fails_by_name(void **state)
{
    (void)state;
    tsr_error e = {0}, f = {0};
    assert_int_equal(tsr_file_replace(test_path(test_root, "no/such/folder"), "x", 1, &e), TSR_ERR_NOINPUT);
    assert_error(&e, TSR_ERR_NOINPUT, "no/such/folder", "cannot be created");
    assert_int_equal(mkdir(test_path(test_root, "sub"), 0700), 0);
    assert_int_equal(tsr_file_replace(test_path(test_root, "sub"), "x", 1, &f), TSR_ERR_IO);
    assert_error(&f, TSR_ERR_IO, "sub", "renamed");
    assert_int_equal(test_tmp_count(test_root), 1);
}

/* In a child that may write 1,000 bytes to a file: the replace must fail as I/O. */
static int replace_beyond_the_limit(const char *path)
{
    static unsigned char big[100000];
    struct rlimit small = {1000, 1000};
    tsr_error e = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 2;
    if (tsr_file_replace(path, big, sizeof big, &e) != TSR_ERR_IO)
        return 3;
    return strstr(e.text, path) && strstr(e.text, "cannot be written") ? 0 : 4;
}

static void failed_replace_leaves_the_old_file_whole(void **state)
{
    (void)state;
    const char *path = test_path(test_root, "kept");
    int status;
    assert_int_equal(tsr_file_replace(path, "precious", 8, NULL), TSR_OK);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(replace_beyond_the_limit(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_content(path, "precious");
    assert_int_equal(test_tmp_count(test_root), 1);
    tsr_alloc_fail_at(1);
    assert_int_equal(tsr_file_replace(path, "x", 1, NULL), TSR_ERR_NOMEM);
    tsr_alloc_fail_at(0);
    assert_content(path, "precious");
}

static void paths_join_with_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "/b"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *p = tsr_path_join(cases[i][0], cases[i][1]);
        assert_string_equal(p, cases[i][2]);
        tsr_free(p);
    }
    assert_true(tsr_file_is_dir(test_root));
    assert_true(tsr_file_exists(test_root));
    assert_false(tsr_file_exists(test_path(test_root, "none")));
    test_write_file(test_path(test_root, "f"), "", 0);
    assert_false(tsr_file_is_dir(test_path(test_root, "f")));
    test_write_file(test_path(test_root, "g"), "", 0);
    assert_true(tsr_file_is_same(test_path(test_root, "f"), test_path(test_root, "./f")));
    assert_false(tsr_file_is_same(test_path(test_root, "f"), test_path(test_root, "g")));
    assert_false(tsr_file_is_same(test_path(test_root, "none"), test_path(test_root, "none")));
}

#define in_dir(f) cmocka_unit_test_setup_teardown(f, test_root_make, test_root_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_dir(missing_folder_and_forbidden_files_are_told_apart),
        in_dir(map_and_read_give_the_bytes),
        in_dir(what_is_let_go_comes_back_from_the_file),
        in_dir(pipes_are_read_up_to_the_limit_and_no_further),
        in_dir(endless_device_meets_the_limit),
        in_dir(fifo_is_not_mapped_and_does_not_hang),
        in_dir(read_survives_every_failed_allocation),
        in_dir(replace_writes_whole_files_and_leaves_nothing_beside),
        in_dir(replace_passes_over_a_left_temporary_file),
        in_dir(replace_fails_by_name),
        in_dir(failed_replace_leaves_the_old_file_whole),
        in_dir(paths_join_with_one_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
