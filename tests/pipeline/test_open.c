/* test_open.c: a model folder is opened whole or refused by name, whatever is wrong with it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash_model.h"
#include "st_edit.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

static const char *const models[] = {"e2b", "e4b", "26b", "12b", "text"}; /* 31b is sharded: test_run */
enum { N_MODELS = sizeof models / sizeof *models };

static const char *model_dir(const char *name)
{
    const char *dir = test_path(test_root, name);
    tsr_error err = {TSR_OK, ""};
    if (oracle_model_write_once(dir, name, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
    return dir;
}

static tessera_status open_and_close(const char *dir, tessera_error *err)
{
    tessera_model *m = NULL;
    memset(err, 0, sizeof *err);
    tessera_model_opts o = {.threads = 1};
    tessera_status st = tessera_model_open(&m, dir, &o, err);
    assert_true((st == TESSERA_OK) == (m != NULL));
    tessera_model_close(m);
    return st;
}

static void expect_refusal(const char *dir, const char *named)
{
    tessera_error err;
    tessera_status st = open_and_close(dir, &err);
    if (st != TESSERA_ERR_MODEL || !strstr(err.text, named))
        fail_msg("wanted a bad model that names %s, got %d: %s", named, (int)st, err.text);
}

/* A folder whose small files are copies and whose weights are written anew for each case. */
static const char *broken_dir(const char *name, st_edit *e)
{
    static const char *const files[] = {"config.json", "tokenizer.json", "generation_config.json",
                                        "processor_config.json"};
    char *from = strdup(model_dir(name));
    char folder[64];
    snprintf(folder, sizeof folder, "broken-%s", name);
    char *dir = strdup(test_path(test_root, folder));
    assert_true(mkdir(dir, 0777) == 0 || access(dir, F_OK) == 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        if (access(test_path(from, files[i]), F_OK) != 0)
            continue;
        unsigned char *bytes = test_read_file(test_path(from, files[i]), &len);
        test_write_file(test_path(dir, files[i]), bytes, len);
        free(bytes);
    }
    assert_true(st_edit_read(e, test_path(from, "model.safetensors")));
    const char *out = test_path(test_root, folder);
    free(from);
    free(dir);
    return out;
}

static void weights_path(char *path, size_t cap, const char *dir)
{
    snprintf(path, cap, "%s/model.safetensors", dir);
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_MODELS; k++) {
        st_edit e;
        char name[512], other[520], path[1100], dir[1024];
        snprintf(dir, sizeof dir, "%s", broken_dir(models[k], &e));
        weights_path(path, sizeof path, dir);
        size_t n = 0;
        for (; st_edit_name(&e, n, name, sizeof name); n++) {
            snprintf(other, sizeof other, "%s", name);
            other[0] = 'X'; /* what was there is missing, or what is optional is unknown now */
            assert_true(st_edit_rename(&e, path, name, other));
            expect_refusal(dir, name + 1);
        }
        assert_true(n > 50);
        st_edit_free(&e);
    }
}

/* Break one tensor of a file that is then written to `path`. */
typedef bool (*breaker)(const st_edit *e, const char *path, const char *name);

static bool make_integer(const st_edit *e, const char *path, const char *name)
{
    return st_edit_write(e, path, name, "\"F32\"", "\"I32\"");
}

/* One dimension more keeps the bytes and is never what is wanted. */
static bool add_dimension(const st_edit *e, const char *path, const char *name)
{
    return st_edit_write(e, path, name, "\"shape\":[]", "\"shape\":[1,1]") ||
           st_edit_write(e, path, name, "\"shape\":[", "\"shape\":[1,");
}

/* What a layer holds and never uses, since it reads another one's keys and values, may be of any kind. */
static bool may_be_unused(const char *name)
{
    return strstr(name, ".k_") || strstr(name, ".v_");
}

static void each_tensor_broken_is_named(breaker break_one)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        st_edit e;
        char name[512], path[1100], dir[1024];
        snprintf(dir, sizeof dir, "%s", broken_dir(models[k], &e));
        weights_path(path, sizeof path, dir);
        for (size_t i = 0; st_edit_name(&e, i, name, sizeof name); i++) {
            tessera_error err;
            assert_true(break_one(&e, path, name));
            tessera_status st = open_and_close(dir, &err);
            if (st == TESSERA_OK && may_be_unused(name))
                continue;
            if (st != TESSERA_ERR_MODEL || !strstr(err.text, name))
                fail_msg("%s: %d: %s", name, (int)st, err.text);
        }
        st_edit_free(&e);
    }
}

static void every_mistyped_tensor_is_named(void **state)
{
    (void)state;
    each_tensor_broken_is_named(make_integer);
}

static void every_misshaped_tensor_is_named(void **state)
{
    (void)state;
    each_tensor_broken_is_named(add_dimension);
}

/* Each file of the folder cut at many places: refused with its name, never a crash. */
static void every_cut_file_is_refused(void **state)
{
    static const char *const files[] = {"config.json", "tokenizer.json", "generation_config.json", "model.safetensors"};
    (void)state;
    st_edit e;
    char dir[1024], path[1100];
    snprintf(dir, sizeof dir, "%s", broken_dir("e2b", &e));
    weights_path(path, sizeof path, dir);
    test_write_file(path, e.file, e.len);
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t len;
        snprintf(path, sizeof path, "%s/%s", dir, files[f]);
        unsigned char *bytes = test_read_file(path, &len);
        size_t step = len / 40 + 1;
        size_t last = len - 1; /* the closing bracket is needed; what follows it is not */
        while (last > 0 && (bytes[last] == '\n' || bytes[last] == ' '))
            last--;
        for (size_t cut = 0; cut <= last; cut += step) {
            test_write_file(path, bytes, cut);
            tessera_error err;
            tessera_status st = open_and_close(dir, &err);
            if (st != TESSERA_ERR_MODEL || !strstr(err.text, files[f]))
                fail_msg("%s cut at %zu: %d: %s", files[f], cut, (int)st, err.text);
        }
        test_write_file(path, bytes, len);
        free(bytes);
    }
    st_edit_free(&e);
}

/* A flipped byte may leave a file that still says something; then it opens, else it is refused by name. */
static void flipped_bytes_are_survived(void **state)
{
    static const char *const files[] = {"config.json", "tokenizer.json", "generation_config.json", "model.safetensors"};
    (void)state;
    st_edit e;
    char dir[1024], path[1100];
    snprintf(dir, sizeof dir, "%s", broken_dir("26b", &e));
    weights_path(path, sizeof path, dir);
    test_write_file(path, e.file, e.len);
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t len;
        snprintf(path, sizeof path, "%s/%s", dir, files[f]);
        unsigned char *bytes = test_read_file(path, &len);
        size_t header = f == 3 ? e.header_len + 8 : len, step = header / 150 + 1;
        for (size_t at = 0; at < header; at += at < 16 ? 1 : step) {
            tessera_error err;
            bytes[at] ^= (unsigned char)(1u << at % 8);
            test_write_file(path, bytes, len);
            tessera_status st = open_and_close(dir, &err);
            if (st != TESSERA_OK && (st == TESSERA_ERR_BUG || !err.text[0]))
                fail_msg("%s byte %zu: %d: %s", files[f], at, (int)st, err.text);
            bytes[at] ^= (unsigned char)(1u << at % 8);
        }
        test_write_file(path, bytes, len);
        free(bytes);
    }
    st_edit_free(&e);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    tessera_error err;
    assert_int_equal(open_and_close(test_path(test_root, "nowhere"), &err), TESSERA_ERR_NOINPUT);
    assert_non_null(strstr(err.text, "nowhere"));
    st_edit e;
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", broken_dir("text", &e));
    unlink(test_path(dir, "model.safetensors"));
    assert_int_equal(open_and_close(dir, &err), TESSERA_ERR_NOINPUT);
    assert_non_null(strstr(err.text, "model.safetensors"));
    test_write_file(test_path(dir, "model.safetensors"), e.file, e.len);
    assert_int_equal(open_and_close(dir, &err), TESSERA_OK);
    unlink(test_path(dir, "generation_config.json"));
    assert_int_equal(open_and_close(dir, &err), TESSERA_OK);
    unlink(test_path(dir, "tokenizer.json"));
    assert_int_equal(open_and_close(dir, &err), TESSERA_ERR_NOINPUT);
    assert_non_null(strstr(err.text, "tokenizer.json"));
    st_edit_free(&e);
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    const char *const names[] = {"e2b", "26b", "12b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char dir[1024];
        snprintf(dir, sizeof dir, "%s", model_dir(names[i]));
        for (size_t k = 1, step = 1;; k += step) {
            tessera_error err;
            size_t live = tsr_alloc_live();
            tsr_alloc_fail_at(k);
            tessera_status st = open_and_close(dir, &err);
            tsr_alloc_fail_at(0);
            assert_int_equal(tsr_alloc_live(), live);
            if (st == TESSERA_OK)
                break;
            if (st != TESSERA_ERR_NOMEM || !err.text[0])
                fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
            step = k < 400 ? 1 : 1 + k % 13; /* thousands of alike ones behind */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_missing_tensor_is_named),    cmocka_unit_test(every_mistyped_tensor_is_named),
        cmocka_unit_test(every_misshaped_tensor_is_named),  cmocka_unit_test(every_cut_file_is_refused),
        cmocka_unit_test(flipped_bytes_are_survived),       cmocka_unit_test(missing_files_are_named),          cmocka_unit_test(open_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
