/* .npy files: headers as NumPy reads them, rows counted at the end, nothing half written. */
#include "test_main.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_npy.h"

/* The file is version 1.0 with this dictionary, aligned to 64 bytes, then exactly these data. */
static void assert_npy(const char *path, const char *dict, const void *data, size_t n_bytes)
{
    size_t len;
    unsigned char *f = test_read_file(path, &len);
    assert_true(len > 128);
    assert_memory_equal(f, "\x93NUMPY\x01\x00", 8);
    size_t header = f[8] | (size_t)f[9] << 8;
    assert_int_equal((header + 10) % 64, 0);
    assert_int_equal(f[9 + header], '\n');
    assert_memory_equal(f + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i < 9 + header; i++)
        assert_int_equal(f[i], ' ');
    assert_int_equal(len, 10 + header + n_bytes);
    assert_memory_equal(f + 10 + header, data, n_bytes);
    free(f);
}

static void arrays_are_written_whole(void **state)
{
    (void)state;
    float f[6] = {0.0f, -1.5f, 2, 3, 4, 5};
    int32_t i[3] = {1, -2, 3};
    unsigned char u[24];
    for (size_t k = 0; k < 24; k++)
        u[k] = (unsigned char)(k * 11);
    const char *p = test_path(test_root, "a.npy");
    assert_int_equal(tsr_npy_write(p, TSR_F32, 2, (const size_t[]){2, 3}, f, NULL), TSR_OK);
    assert_npy(p, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3,), }", f, sizeof f);
    assert_int_equal(tsr_npy_write(p, TSR_I32, 1, (const size_t[]){3}, i, NULL), TSR_OK);
    assert_npy(p, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", i, sizeof i);
    assert_int_equal(tsr_npy_write(p, TSR_U8, 4, (const size_t[]){2, 2, 2, 3}, u, NULL), TSR_OK);
    assert_npy(p, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2, 3,), }", u, sizeof u);
    assert_int_equal(test_tmp_count(test_root), 1);
}

static void rows_are_counted_at_the_end(void **state)
{
    (void)state;
    float f[50];
    tsr_npy_writer *w;
    const char *p = test_path(test_root, "rows.npy");
    for (size_t k = 0; k < 50; k++)
        f[k] = (float)k;
    assert_int_equal(tsr_npy_open(&w, p, TSR_F32, 2, (const size_t[]){0, 5}, NULL), TSR_OK);
    assert_int_equal(tsr_npy_append(w, f, 3, NULL), TSR_OK);
    assert_int_equal(tsr_npy_append(w, f, 0, NULL), TSR_OK);
    assert_int_equal(tsr_npy_append(w, f + 15, 7, NULL), TSR_OK);
    assert_int_equal(access(p, F_OK), -1); /* not before it is whole */
    assert_int_equal(tsr_npy_close(w, true, NULL), TSR_OK);
    assert_npy(p, "{'descr': '<f4', 'fortran_order': False, 'shape': (10, 5,), }", f, sizeof f);
    assert_int_equal(test_tmp_count(test_root), 1);
}

static void unwanted_file_leaves_nothing(void **state)
{
    (void)state;
    tsr_npy_writer *w;
    const float one = 1;
    assert_int_equal(tsr_npy_open(&w, test_path(test_root, "x.npy"), TSR_F32, 1, (const size_t[]){0}, NULL), TSR_OK);
    assert_int_equal(tsr_npy_append(w, &one, 1, NULL), TSR_OK);
    assert_int_equal(tsr_npy_close(w, false, NULL), TSR_OK);
    assert_int_equal(test_tmp_count(test_root), 0);
    assert_int_equal(tsr_npy_close(NULL, true, NULL), TSR_OK);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    tsr_npy_writer *w = (tsr_npy_writer *)test_root;
    tsr_error e = {0}, f = {0}, g = {0}, h = {0};
    const char *p = test_path(test_root, "x.npy");
    assert_int_equal(tsr_npy_open(&w, p, TSR_BF16, 1, (const size_t[]){1}, &e), TSR_ERR_BUG);
    assert_null(w);
    assert_error(&e, TSR_ERR_BUG, "x.npy", "BF16");
    assert_int_equal(tsr_npy_open(&w, p, TSR_F32, 0, NULL, NULL), TSR_ERR_BUG);
    assert_int_equal(tsr_npy_open(&w, p, TSR_F32, 3, (const size_t[]){0, SIZE_MAX / 2, 4}, &f), TSR_ERR_LIMIT);
    assert_error(&f, TSR_ERR_LIMIT, "x.npy", "overflows");
    assert_int_equal(tsr_npy_open(&w, p, TSR_U8, 4, (const size_t[]){0, SIZE_MAX, 0, SIZE_MAX}, &g), TSR_OK);
    assert_int_equal(tsr_npy_close(w, false, NULL), TSR_OK);
    assert_int_equal(tsr_npy_open(&w, test_path(test_root, "no/x.npy"), TSR_F32, 1, (const size_t[]){0}, &h),
                     TSR_ERR_NOINPUT);
    assert_error(&h, TSR_ERR_NOINPUT, "no/x.npy", NULL);
    assert_int_equal(test_tmp_count(test_root), 0);
}

static int fill_the_disk(const char *path)
{
    static float big[20000];
    struct rlimit small = {1000, 1000};
    tsr_npy_writer *w;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 2;
    if (tsr_npy_open(&w, path, TSR_F32, 1, (const size_t[]){0}, NULL) != TSR_OK)
        return 3;
    tsr_npy_append(w, big, 20000, NULL); /* may succeed into a buffer; the close must then tell */
    if (tsr_npy_close(w, true, NULL) != TSR_ERR_IO)
        return 4;
    if (tsr_npy_write(path, TSR_F32, 1, (const size_t[]){20000}, big, NULL) != TSR_ERR_IO)
        return 5;
    return 0;
}

static void full_disk_is_told_and_leaves_the_old_file(void **state)
{
    (void)state;
    const char *p = test_path(test_root, "kept.npy");
    const float one = 1;
    int status;
    assert_int_equal(tsr_npy_write(p, TSR_F32, 1, (const size_t[]){1}, &one, NULL), TSR_OK);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_the_disk(p));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_npy(p, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", &one, sizeof one);
    assert_int_equal(test_tmp_count(test_root), 1);
}

static void write_survives_every_failed_allocation(void **state)
{
    (void)state;
    const float one = 1;
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_npy_write(test_path(test_root, "x.npy"), TSR_F32, 1, (const size_t[]){1}, &one, NULL);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_int_equal(test_tmp_count(test_root), 0);
    }
}

#define in_dir(f) cmocka_unit_test_setup_teardown(f, test_root_make, test_root_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_dir(arrays_are_written_whole),
        in_dir(rows_are_counted_at_the_end),
        in_dir(unwanted_file_leaves_nothing),
        in_dir(what_cannot_be_written_is_refused),
        in_dir(full_disk_is_told_and_leaves_the_old_file),
        in_dir(write_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
