/* What the writer wrote is what the reader finds; what it cannot write it says before anything is on disk;
 * and however it ends, an old file of that name is whole. */
#include "test_main.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf_write.h"

static void must(tsr_status st, const tsr_error *err)
{
    if (st != TSR_OK)
        fail_msg("%s", err->text);
}

/* A file of every kind of value and of tensors whose sizes need padding. */
static void put_all(tsr_gguf_writer *w)
{
    static const uint32_t u32s[] = {0, 1, UINT32_MAX};
    static const int32_t i32s[] = {INT32_MIN, -1, 7};
    static const float f32s[] = {0.5f, -1e30f};
    static const double f64s[] = {1e300};
    static const bool bools[] = {true, false, true};
    static const uint8_t u8s[] = {1, 255};
    static const int16_t i16s[] = {-32768};
    static const uint64_t u64s[] = {UINT64_MAX};
    static const tsr_gguf_str strs[] = {{"one", 3}, {"", 0}, {"a\0b", 3}};
    tsr_gguf_put_str(w, "general.architecture", "test", 4);
    tsr_gguf_put_u8(w, "s.u8", 200);
    tsr_gguf_put_i8(w, "s.i8", -100);
    tsr_gguf_put_u16(w, "s.u16", 60000);
    tsr_gguf_put_i16(w, "s.i16", -30000);
    tsr_gguf_put_u32(w, "s.u32", UINT32_MAX);
    tsr_gguf_put_i32(w, "s.i32", INT32_MIN);
    tsr_gguf_put_u64(w, "s.u64", UINT64_MAX);
    tsr_gguf_put_i64(w, "s.i64", INT64_MIN);
    tsr_gguf_put_f32(w, "s.f32", 1e-6f);
    tsr_gguf_put_f64(w, "s.f64", 0.1);
    tsr_gguf_put_bool(w, "s.yes", true);
    tsr_gguf_put_bool(w, "s.no", false);
    tsr_gguf_put_array(w, "a.u32", TSR_GGUF_U32, u32s, 3);
    tsr_gguf_put_array(w, "a.i32", TSR_GGUF_I32, i32s, 3);
    tsr_gguf_put_array(w, "a.f32", TSR_GGUF_F32, f32s, 2);
    tsr_gguf_put_array(w, "a.f64", TSR_GGUF_F64, f64s, 1);
    tsr_gguf_put_array(w, "a.bool", TSR_GGUF_BOOL, bools, 3);
    tsr_gguf_put_array(w, "a.u8", TSR_GGUF_U8, u8s, 2);
    tsr_gguf_put_array(w, "a.i16", TSR_GGUF_I16, i16s, 1);
    tsr_gguf_put_array(w, "a.u64", TSR_GGUF_U64, u64s, 1);
    tsr_gguf_put_array(w, "a.none", TSR_GGUF_U32, NULL, 0);
    tsr_gguf_put_strs(w, "a.str", strs, 3);
    tsr_gguf_add_tensor(w, "a", TSR_F32, 1, (const size_t[]){3});
    tsr_gguf_add_tensor(w, "b", TSR_Q8_0, 2, (const size_t[]){2, 32});
    tsr_gguf_add_tensor(w, "c", TSR_BF16, 4, (const size_t[]){2, 1, 3, 5});
    tsr_gguf_add_tensor(w, "d", TSR_Q4_K, 3, (const size_t[]){2, 3, 256});
}

enum { DATA_BYTES = 12 + 68 + 60 + 864 };

static unsigned char data_byte(size_t i)
{
    return (unsigned char)(i * 31 + i / 7);
}

/* All data in pieces of `piece` bytes, which cross the tensors' ends. */
static void write_data(tsr_gguf_writer *w, size_t piece)
{
    unsigned char bytes[DATA_BYTES];
    tsr_error e = {0};
    for (size_t i = 0; i < DATA_BYTES; i++)
        bytes[i] = data_byte(i);
    for (size_t at = 0; at < DATA_BYTES; at += piece)
        must(tsr_gguf_writer_data(w, bytes + at, at + piece < DATA_BYTES ? piece : DATA_BYTES - at, &e), &e);
}

static void write_file(const char *path, size_t alignment, size_t piece)
{
    tsr_gguf_writer *w;
    tsr_error e = {0};
    must(tsr_gguf_writer_open(&w, path, alignment, &e), &e);
    put_all(w);
    must(tsr_gguf_writer_begin(w, &e), &e);
    write_data(w, piece);
    must(tsr_gguf_writer_finish(w, &e), &e);
    tsr_gguf_writer_close(w);
}

static void check_values(const tsr_gguf *g)
{
    uint64_t u;
    int64_t i;
    double f;
    bool b;
    static const char *const unsigned_keys[] = {"s.u8", "s.u16", "s.u32", "s.u64"};
    static const uint64_t unsigned_values[] = {200, 60000, UINT32_MAX, UINT64_MAX};
    static const char *const signed_keys[] = {"s.i8", "s.i16", "s.i32", "s.i64"};
    static const int64_t signed_values[] = {-100, -30000, INT32_MIN, INT64_MIN};
    for (size_t k = 0; k < 4; k++) {
        assert_true(tsr_gguf_value_u64(tsr_gguf_find(g, unsigned_keys[k]), 0, &u) && u == unsigned_values[k]);
        assert_true(tsr_gguf_value_i64(tsr_gguf_find(g, signed_keys[k]), 0, &i) && i == signed_values[k]);
    }
    assert_true(tsr_gguf_value_f64(tsr_gguf_find(g, "s.f32"), 0, &f) && f == (double)1e-6f);
    assert_true(tsr_gguf_value_f64(tsr_gguf_find(g, "s.f64"), 0, &f) && f == 0.1);
    assert_true(tsr_gguf_value_bool(tsr_gguf_find(g, "s.yes"), 0, &b) && b);
    assert_true(tsr_gguf_value_bool(tsr_gguf_find(g, "s.no"), 0, &b) && !b);
}

static void check_arrays(const tsr_gguf *g)
{
    uint64_t u;
    int64_t i;
    double f;
    bool b;
    tsr_gguf_str *strs;
    size_t n;
    assert_int_equal(tsr_gguf_find(g, "a.u32")->n, 3);
    assert_true(tsr_gguf_value_u64(tsr_gguf_find(g, "a.u32"), 2, &u) && u == UINT32_MAX);
    assert_true(tsr_gguf_value_i64(tsr_gguf_find(g, "a.i32"), 0, &i) && i == INT32_MIN);
    assert_true(tsr_gguf_value_f64(tsr_gguf_find(g, "a.f32"), 1, &f) && f == (double)-1e30f);
    assert_true(tsr_gguf_value_f64(tsr_gguf_find(g, "a.f64"), 0, &f) && f == 1e300);
    assert_true(tsr_gguf_value_bool(tsr_gguf_find(g, "a.bool"), 1, &b) && !b);
    assert_true(tsr_gguf_value_u64(tsr_gguf_find(g, "a.u8"), 1, &u) && u == 255);
    assert_true(tsr_gguf_value_i64(tsr_gguf_find(g, "a.i16"), 0, &i) && i == -32768);
    assert_true(tsr_gguf_value_u64(tsr_gguf_find(g, "a.u64"), 0, &u) && u == UINT64_MAX);
    assert_int_equal(tsr_gguf_find(g, "a.none")->n, 0);
    assert_int_equal(tsr_gguf_get_strs(g, "a.str", TSR_GGUF_REQUIRED, &strs, &n, NULL), TSR_OK);
    assert_int_equal(n, 3);
    assert_int_equal(strs[2].len, 3);
    assert_memory_equal(strs[2].data, "a\0b", 3);
    tsr_free(strs);
}

static void check_tensors(const tsr_gguf *g, size_t alignment)
{
    size_t at = 0;
    static const size_t shape[] = {2, 1, 3, 5};
    assert_int_equal(tsr_gguf_n_tensors(g), 4);
    assert_string_equal(tsr_gguf_tensor_at(g, 3)->name, "d");
    assert_int_equal(tsr_gguf_find_tensor(g, "c")->view.n_dims, 4);
    assert_memory_equal(tsr_gguf_find_tensor(g, "c")->view.shape, shape, sizeof shape);
    assert_int_equal(tsr_gguf_find_tensor(g, "d")->view.type, TSR_Q4_K);
    for (size_t t = 0; t < 4; t++) {
        const tsr_view *v = &tsr_gguf_tensor_at(g, t)->view;
        const unsigned char *p = v->data;
        assert_int_equal(tsr_gguf_tensor_at(g, t)->offset % alignment, 0);
        for (size_t i = 0; i < v->n_bytes; i++)
            if (p[i] != data_byte(at + i))
                fail_msg("tensor %zu, byte %zu", t, i);
        at += v->n_bytes;
    }
    assert_int_equal(at, DATA_BYTES);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    static const size_t alignments[] = {0, 8, 64, 4096}, pieces[] = {1, 13, DATA_BYTES};
    for (size_t a = 0; a < 4; a++)
        for (size_t p = 0; p < 3; p++) {
            tsr_gguf *g;
            tsr_error e = {0};
            size_t alignment = alignments[a] ? alignments[a] : 32;
            write_file(test_path(test_root, "w.gguf"), alignments[a], pieces[p]);
            must(tsr_gguf_open(&g, test_path(test_root, "w.gguf"), &e), &e);
            assert_int_equal(tsr_gguf_version(g), 3);
            assert_int_equal(tsr_gguf_alignment(g), alignment);
            assert_int_equal(tsr_gguf_mapped_bytes(g) % alignment, 0);
            check_values(g);
            check_arrays(g);
            check_tensors(g, alignment);
            tsr_gguf_close(g);
            assert_int_equal(test_tmp_count(test_root), 1);
        }
}

static void values_of_an_open_file_are_copied_to_the_bit(void **state)
{
    (void)state;
    tsr_gguf *g;
    tsr_gguf_writer *w;
    tsr_error e = {0};
    size_t la, lb;
    write_file(test_path(test_root, "a.gguf"), 0, DATA_BYTES);
    must(tsr_gguf_open(&g, test_path(test_root, "a.gguf"), &e), &e);
    must(tsr_gguf_writer_open(&w, test_path(test_root, "b.gguf"), 0, &e), &e);
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++)
        tsr_gguf_put_value(w, tsr_gguf_key(g, i), tsr_gguf_value_at(g, i));
    for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++) {
        const tsr_gguf_tensor *t = tsr_gguf_tensor_at(g, i);
        tsr_gguf_add_tensor(w, t->name, t->view.type, t->view.n_dims, t->view.shape);
    }
    must(tsr_gguf_writer_begin(w, &e), &e);
    write_data(w, DATA_BYTES);
    must(tsr_gguf_writer_finish(w, &e), &e);
    tsr_gguf_writer_close(w);
    tsr_gguf_close(g);
    unsigned char *a = test_read_file(test_path(test_root, "a.gguf"), &la);
    unsigned char *b = test_read_file(test_path(test_root, "b.gguf"), &lb);
    assert_int_equal(la, lb);
    assert_memory_equal(a, b, la);
    free(a);
    free(b);
}

/* ---- refusals ---- */

static void add_same_key(tsr_gguf_writer *w)
{
    tsr_gguf_put_u32(w, "k.twice", 1);
    tsr_gguf_put_u32(w, "k.other", 1);
    tsr_gguf_put_f32(w, "k.twice", 2);
}

static void add_same_tensor(tsr_gguf_writer *w)
{
    for (int i = 0; i < 2; i++)
        tsr_gguf_add_tensor(w, "t.twice", TSR_F32, 1, (const size_t[]){1});
}

static void add_long_name(tsr_gguf_writer *w)
{
    char name[65];
    memset(name, 'x', 64);
    name[64] = 0;
    tsr_gguf_add_tensor(w, name, TSR_F32, 1, (const size_t[]){1});
}

static void add_strange_key(tsr_gguf_writer *w)
{
    tsr_gguf_put_u32(w, "k\xc3\xa9", 1);
}

static void add_empty_key(tsr_gguf_writer *w)
{
    tsr_gguf_put_str(w, "", "", 0);
}

static void add_cut_blocks(tsr_gguf_writer *w)
{
    tsr_gguf_add_tensor(w, "t.cut", TSR_Q4_K, 2, (const size_t[]){2, 255});
}

static void add_type_that_gguf_lacks(tsr_gguf_writer *w)
{
    tsr_gguf_add_tensor(w, "t.bool", TSR_BOOL, 1, (const size_t[]){1});
}

static void add_more_than_files_hold(tsr_gguf_writer *w)
{
    for (char c = 'a'; c < 'e'; c++)
        tsr_gguf_add_tensor(w, (const char[]){c, 0}, TSR_F32, 2,
                            (const size_t[]){(size_t)1 << 30, (size_t)1 << 30});
}

static void what_cannot_be_written_is_named_and_nothing_is_created(void **state)
{
    (void)state;
    static const struct {
        void (*add)(tsr_gguf_writer *w);
        tsr_status st;
        const char *named, *why;
    } cases[] = {
        {add_same_key, TSR_ERR_USAGE, "key k.twice", "twice"},
        {add_same_tensor, TSR_ERR_USAGE, "tensor t.twice", "twice"},
        {add_long_name, TSR_ERR_USAGE, "tensor xxx", "1 to 63"},
        {add_strange_key, TSR_ERR_USAGE, "key", "ASCII"},
        {add_empty_key, TSR_ERR_USAGE, "key", "ASCII"},
        {add_cut_blocks, TSR_ERR_MODEL, "tensor t.cut", "255"},
        {add_type_that_gguf_lacks, TSR_ERR_UNSUPPORTED, "tensor t.bool", "BOOL"},
        {add_more_than_files_hold, TSR_ERR_LIMIT, "tensor b", "2^63"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_gguf_writer *w;
        tsr_error e = {0}, f = {0};
        must(tsr_gguf_writer_open(&w, test_path(test_root, "w.gguf"), 0, &e), &e);
        cases[i].add(w);
        assert_int_equal(tsr_gguf_writer_begin(w, &f), cases[i].st);
        assert_error(&f, cases[i].st, cases[i].named, cases[i].why);
        assert_non_null(strstr(f.text, "w.gguf: "));
        assert_int_equal(test_tmp_count(test_root), 0);
        tsr_gguf_writer_close(w);
    }
}

static void bad_alignments_and_folders_are_refused(void **state)
{
    (void)state;
    static const size_t bad[] = {1, 4, 24, 33, (size_t)1 << 40};
    tsr_gguf_writer *w;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_error e = {0};
        assert_int_equal(tsr_gguf_writer_open(&w, "w.gguf", bad[i], &e), TSR_ERR_USAGE);
        assert_error(&e, TSR_ERR_USAGE, "w.gguf", "power of two");
        assert_null(w);
    }
    tsr_error e = {0};
    must(tsr_gguf_writer_open(&w, test_path(test_root, "no/w.gguf"), 0, &e), &e);
    assert_int_equal(tsr_gguf_writer_begin(w, &e), TSR_ERR_NOINPUT);
    assert_error(&e, TSR_ERR_NOINPUT, "no/w.gguf", "created");
    tsr_gguf_writer_close(w);
}

static void data_out_of_place_is_a_bug(void **state)
{
    (void)state;
    tsr_gguf_writer *w;
    tsr_error e = {0}, f = {0}, g = {0}, h = {0};
    must(tsr_gguf_writer_open(&w, test_path(test_root, "w.gguf"), 0, &e), &e);
    assert_int_equal(tsr_gguf_writer_data(w, "x", 1, NULL), TSR_ERR_BUG);
    put_all(w);
    must(tsr_gguf_writer_begin(w, &e), &e);
    assert_int_equal(tsr_gguf_writer_finish(w, &f), TSR_ERR_BUG);
    assert_error(&f, TSR_ERR_BUG, "w.gguf", "missing");
    assert_int_equal(tsr_gguf_writer_begin(w, NULL), TSR_ERR_BUG);
    write_data(w, DATA_BYTES);
    assert_int_equal(tsr_gguf_writer_data(w, "x", 1, &g), TSR_ERR_BUG);
    assert_error(&g, TSR_ERR_BUG, "w.gguf", "more than");
    must(tsr_gguf_writer_sync(w, &e), &e);
    assert_int_equal(tsr_gguf_writer_data(w, "x", 1, &h), TSR_ERR_BUG);
    assert_int_equal(test_tmp_count(test_root), 1);
    tsr_gguf_writer_close(w); /* never finished */
    assert_int_equal(test_tmp_count(test_root), 0);
}

static void writing_survives_every_failed_allocation(void **state)
{
    (void)state;
    const char *path = test_path(test_root, "w.gguf");
    size_t live = tsr_alloc_live();
    for (size_t k = 1; k < 1000; k++) {
        tsr_gguf_writer *w;
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_gguf_writer_open(&w, path, 64, &e);
        if (st == TSR_OK) {
            put_all(w);
            st = tsr_gguf_writer_begin(w, &e);
        }
        tsr_alloc_fail_at(0);
        if (st != TSR_OK)
            assert_error(&e, TSR_ERR_NOMEM, "out of memory", NULL);
        tsr_gguf_writer_close(w);
        assert_int_equal(tsr_alloc_live(), live);
        assert_int_equal(test_tmp_count(test_root), 0);
        if (st == TSR_OK)
            return;
    }
    fail_msg("allocations did not come to an end");
}

/* ---- the old file ---- */

static void assert_old_file(size_t n_files)
{
    size_t len;
    unsigned char *got = test_read_file(test_path(test_root, "w.gguf"), &len);
    assert_int_equal(len, 8);
    assert_memory_equal(got, "precious", 8);
    free(got);
    assert_int_equal(test_tmp_count(test_root), n_files);
}

/* In a child that may make files of 3,000 bytes: the room is refused before data is made. */
static int write_beyond_the_limit(const char *path)
{
    struct rlimit small = {3000, 3000};
    tsr_gguf_writer *w;
    tsr_error e = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 2;
    if (tsr_gguf_writer_open(&w, path, 0, &e) != TSR_OK)
        return 3;
    put_all(w);
    tsr_gguf_add_tensor(w, "large", TSR_F32, 1, (const size_t[]){1000000});
    tsr_status st = tsr_gguf_writer_begin(w, &e);
    tsr_gguf_writer_close(w);
    return st == TSR_ERR_IO && strstr(e.text, path) && strstr(e.text, "cannot be written") ? 0 : 4;
}

/* In a child that dies in the middle of the data. */
static int die_while_writing(const char *path)
{
    tsr_gguf_writer *w;
    if (tsr_gguf_writer_open(&w, path, 0, NULL) != TSR_OK)
        return 2;
    put_all(w);
    if (tsr_gguf_writer_begin(w, NULL) != TSR_OK || tsr_gguf_writer_data(w, "some", 4, NULL) != TSR_OK)
        return 3;
    kill(getpid(), SIGKILL);
    return 4;
}

static int status_of(int (*fn)(const char *path))
{
    int status;
    const char *path = test_path(test_root, "w.gguf");
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fn(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void full_disk_and_kill_leave_the_old_file_whole(void **state)
{
    (void)state;
    test_write_file(test_path(test_root, "w.gguf"), "precious", 8);
    int status = status_of(write_beyond_the_limit);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_old_file(1);
    status = status_of(die_while_writing);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_old_file(2); /* and what the dead process left */
    write_file(test_path(test_root, "w.gguf"), 0, DATA_BYTES);
    tsr_gguf *g;
    tsr_error e = {0};
    must(tsr_gguf_open(&g, test_path(test_root, "w.gguf"), &e), &e);
    check_values(g);
    tsr_gguf_close(g);
}

#define in_dir(f) cmocka_unit_test_setup_teardown(f, test_root_make, test_root_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_dir(what_was_written_is_read),
        in_dir(values_of_an_open_file_are_copied_to_the_bit),
        in_dir(what_cannot_be_written_is_named_and_nothing_is_created),
        in_dir(bad_alignments_and_folders_are_refused),
        in_dir(data_out_of_place_is_a_bug),
        in_dir(writing_survives_every_failed_allocation),
        in_dir(full_disk_and_kill_leave_the_old_file_whole),
    };
    return cmocka_run_group_tests_name("gguf_write", tests, NULL, NULL);
}
