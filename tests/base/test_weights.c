/* Weight folders: one file or shards that tell the same story, and tables that claim every tensor. */
#include "test_main.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "st_writer.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_weights.h"

static const float numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* One file: m.a [2,3] F32, m.b [4] BF16, m.s [] F32, m.one [1] F16, ids [2] I64. */
static void write_model(const char *name)
{
    static const int64_t ids[2] = {3, 4};
    st_writer *w = st_new();
    st_add(w, "ids", TSR_I64, 1, (const size_t[]){2}, ids);
    st_add_f32(w, "m.a", TSR_F32, 2, (const size_t[]){2, 3}, numbers);
    st_add_f32(w, "m.s", TSR_F32, 0, NULL, numbers + 5);
    st_add_f32(w, "m.b", TSR_BF16, 1, (const size_t[]){4}, numbers + 2);
    st_add_f32(w, "m.one", TSR_F16, 1, (const size_t[]){1}, numbers + 7);
    st_write(w, test_path(test_root, name));
    st_free(w);
}

static void write_shard(const char *name, const char *tensor)
{
    st_writer *w = st_new();
    st_add_f32(w, tensor, TSR_F32, 1, (const size_t[]){3}, numbers);
    st_write(w, test_path(test_root, name));
    st_free(w);
}

static void write_index(const char *text)
{
    test_write_file(test_path(test_root, "model.safetensors.index.json"), text, strlen(text));
}

static void refuse(const char *path, tsr_status st, const char *a, const char *b)
{
    size_t live = tsr_alloc_live();
    tsr_weights *w = (tsr_weights *)test_root;
    tsr_error e = {0};
    tsr_status got = tsr_weights_open(&w, path, &e);
    if (got != st)
        fail_msg("wanted status %d, got %d: %s", (int)st, (int)got, e.text);
    assert_null(w);
    assert_error(&e, st, a, b);
    assert_int_equal(tsr_alloc_live(), live);
}

static void file_and_folder_open_alike(void **state)
{
    (void)state;
    tsr_weights *w;
    write_model("model.safetensors");
    for (int as_folder = 0; as_folder < 2; as_folder++) {
        const char *path = as_folder ? test_root : test_path(test_root, "model.safetensors");
        assert_int_equal(tsr_weights_open(&w, path, NULL), TSR_OK);
        assert_string_equal(tsr_weights_path(w), path);
        assert_int_equal(tsr_weights_count(w), 5);
        for (size_t i = 1; i < 5; i++)
            assert_true(strcmp(tsr_weights_name(w, i - 1), tsr_weights_name(w, i)) < 0);
        const tsr_view *a = tsr_weights_find(w, "m.a");
        assert_non_null(a);
        assert_memory_equal(a->data, numbers, 24);
        assert_ptr_equal(tsr_weights_view(w, 1), a);
        assert_true(a->in_file);
        assert_null(tsr_weights_find(w, "m.aa"));
        assert_null(tsr_weights_find(w, ""));
        assert_true(tsr_weights_has_prefix(w, "m."));
        assert_true(tsr_weights_has_prefix(w, ""));
        assert_false(tsr_weights_has_prefix(w, "n."));
        assert_false(tsr_weights_has_prefix(w, "m.one."));
        assert_true(tsr_weights_mapped_bytes(w) > 24);
        tsr_weights_close(w);
    }
    tsr_weights_close(NULL);
}

static void bad_paths_are_told_apart(void **state)
{
    (void)state;
    refuse(test_path(test_root, "none.safetensors"), TSR_ERR_NOINPUT, "none.safetensors", "cannot be opened");
    refuse(test_root, TSR_ERR_NOINPUT, test_root, "neither model.safetensors nor");
    test_write_file(test_path(test_root, "empty.safetensors"), "", 0);
    refuse(test_path(test_root, "empty.safetensors"), TSR_ERR_MODEL, "empty.safetensors", "too short");
    test_write_file(test_path(test_root, "pickle.bin"), "PK\3\4 and so on and on", 20);
    refuse(test_path(test_root, "pickle.bin"), TSR_ERR_MODEL, "pickle.bin", "header of");
    refuse("/dev/null", TSR_ERR_NOINPUT, "/dev/null", "not a regular file");
    assert_int_equal(mkdir(test_path(test_root, "model.safetensors"), 0700), 0);
    refuse(test_root, TSR_ERR_NOINPUT, "model.safetensors", "folder");
}

static void file_cut_at_any_byte_is_refused_by_name(void **state)
{
    (void)state;
    size_t len;
    write_model("whole");
    unsigned char *bytes = test_read_file(test_path(test_root, "whole"), &len);
    for (size_t n = 0; n < len; n++) {
        test_write_file(test_path(test_root, "cut"), bytes, n);
        refuse(test_path(test_root, "cut"), TSR_ERR_MODEL, "/cut: ", NULL);
    }
    free(bytes);
}

#define INDEX(map) "{\"metadata\":{\"total_size\":24},\"weight_map\":" map "}"

static void shards_open_as_one(void **state)
{
    (void)state;
    tsr_weights *w;
    write_shard("model-1.safetensors", "x");
    write_shard("model-2.safetensors", "a");
    write_index(INDEX("{\"x\":\"model-1.safetensors\",\"a\":\"model-2.safetensors\"}"));
    assert_int_equal(tsr_weights_open(&w, test_root, NULL), TSR_OK);
    assert_int_equal(tsr_weights_count(w), 2);
    assert_string_equal(tsr_weights_name(w, 0), "a");
    assert_memory_equal(tsr_weights_find(w, "x")->data, numbers, 12);
    tsr_weights_close(w);
    write_model("model.safetensors"); /* goes before the index, as in transformers */
    assert_int_equal(tsr_weights_open(&w, test_root, NULL), TSR_OK);
    assert_int_equal(tsr_weights_count(w), 5);
    tsr_weights_close(w);
}

static void index_and_shards_must_agree(void **state)
{
    (void)state;
    write_shard("s1", "x");
    write_shard("s2", "a");
    write_index(INDEX("{\"x\":\"s1\",\"a\":\"gone\"}"));
    refuse(test_root, TSR_ERR_NOINPUT, "/gone", "cannot be opened");
    write_index(INDEX("{\"x\":\"s2\",\"a\":\"s1\"}"));
    refuse(test_root, TSR_ERR_MODEL, "index.json: tensor a is not in the shard s1", NULL);
    write_index(INDEX("{\"x\":\"s1\"}"));
    write_shard("s1", "y");
    refuse(test_root, TSR_ERR_MODEL, "index.json: tensor y is in a shard but not in weight_map", NULL);
    write_shard("s1", "x");
    write_index(INDEX("{\"x\":\"s1\",\"a\":\"s2\",\"more\":\"s2\"}"));
    refuse(test_root, TSR_ERR_MODEL, "names 3 tensors, the shards hold 2", NULL);
    write_index(INDEX("{\"x\":\"s1\",\"more\":\"s1\"}"));
    refuse(test_root, TSR_ERR_MODEL, "names 2 tensors, the shards hold 1", NULL);
    write_shard("s2", "x");
    write_index(INDEX("{\"x\":\"s1\",\"a\":\"s2\"}"));
    refuse(test_root, TSR_ERR_MODEL, "tensor x stands in more than one shard", NULL);
}

static void index_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "empty"},
        {"{", "line 1"},
        {"[]", "weight_map is missing"},
        {"{\"weight_map\":[]}", "weight_map is missing or no object"},
        {INDEX("{\"x\":7}"), "weight_map of x is no file name"},
        {INDEX("{\"x\":null}"), "weight_map of x is no file name"},
        {INDEX("{\"x\":\"../s1\"}"), "'../s1' is not a plain file name"},
        {INDEX("{\"x\":\"..\"}"), "is not a plain file name"},
        {INDEX("{\"x\":\"/etc/passwd\"}"), "is not a plain file name"},
        {INDEX("{\"x\":\"sub/s1\"}"), "is not a plain file name"},
        {INDEX("{\"x\":\"\"}"), "is not a plain file name"},
        {INDEX("{\"x\":\"s1\\u0000.safetensors\"}"), "weight_map of x is no file name"},
        {INDEX("{\"x\":\"s1\",\"x\":\"s1\"}"), "duplicate"},
    };
    write_shard("s1", "x");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_index(bad[i][0]);
        refuse(test_root, TSR_ERR_MODEL, "index.json", bad[i][1]);
    }
}

static void index_with_too_many_shards_is_refused(void **state)
{
    (void)state;
    char *text = must_realloc(NULL, 100000);
    size_t n = (size_t)snprintf(text, 100000, "{\"weight_map\":{");
    for (int i = 0; i < 1100; i++)
        n += (size_t)snprintf(text + n, 100000 - n, "%s\"t%d\":\"s%d\"", i ? "," : "", i, i);
    snprintf(text + n, 100000 - n, "}}");
    write_index(text);
    refuse(test_root, TSR_ERR_MODEL, "more than 1024 shards", NULL);
    free(text);
}

/* ---- tables ------------------------------------------------------------------------------ */

static tsr_weights *opened(void)
{
    tsr_weights *w;
    tsr_error e = {0};
    write_model("model.safetensors");
    if (tsr_weights_open(&w, test_root, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return w;
}

static void table_takes_checks_and_claims(void **state)
{
    (void)state;
    tsr_weights *w = opened();
    tsr_view a, gone = {.n_dims = 9};
    float *b, *s, *one, *none = (float *)&a;
    tsr_error e = {0}, f = {0};
    const tsr_weight_spec specs[] = {
        {.name = "a", .view = &a, .n_dims = 2, .shape = {2, 0}},
        {.name = "b", .f32 = &b, .n_dims = 1, .shape = {4}},
        {.name = "s", .f32 = &s},
        {.name = "one", .f32 = &one}, /* a scalar may be stored as [1] */
        {.name = "gone", .view = &gone, .n_dims = 1, .shape = {4}, .optional = true},
        {.name = "lost", .f32 = &none, .n_dims = 1, .shape = {4}, .optional = true},
    };
    assert_int_equal(tsr_weights_take(w, "m.", specs, 6, NULL), TSR_OK);
    assert_memory_equal(a.data, numbers, 24);
    assert_true(b[0] == 2.0f && b[3] == 5.0f && s[0] == 5.0f && one[0] == 7.0f);
    assert_int_equal(gone.n_dims, 0);
    assert_null(gone.data);
    assert_null(none);
    assert_int_equal(tsr_weights_check_unclaimed(w, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "tensor ids is unknown", "(1 unknown in all)");
    assert_int_equal(tsr_weights_ignore(w, "x", ""), 0);
    assert_int_equal(tsr_weights_ignore(w, "ids", "ids"), 0); /* prefix and suffix may not overlap */
    assert_int_equal(tsr_weights_ignore(w, "i", "s"), 1);
    assert_int_equal(tsr_weights_check_unclaimed(w, &f), TSR_OK);
    tsr_free(b);
    tsr_free(s);
    tsr_free(one);
    tsr_weights_close(w);
}

static void mismatches_name_tensor_wanted_and_found(void **state)
{
    (void)state;
    tsr_view v;
    const struct {
        const char *name;
        unsigned n_dims;
        size_t shape[4];
        const char *why;
    } bad[] = {
        {"m.gone", 1, {4}, "tensor m.gone is missing"},
        {"m.a", 2, {3, 2}, "tensor m.a: shape [2, 3], expected [3, 2]"},
        {"m.a", 2, {0, 4}, "shape [2, 3], expected [any, 4]"},
        {"m.a", 1, {6}, "shape [2, 3], expected [6]"},
        {"m.a", 3, {1, 2, 3}, "shape [2, 3], expected [1, 2, 3]"},
        {"m.a", 0, {0}, "shape [2, 3], expected []"},
        {"m.s", 1, {1}, "shape [], expected [1]"},
        {"m.b", 1, {5}, "shape [4], expected [5]"},
        {"ids", 1, {2}, "tensor ids: type I64, expected F32, F16, BF16 or a block type"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_weights *w = opened();
        float *later = (float *)&v;
        tsr_error e = {0};
        tsr_weight_spec specs[2] = {{.name = bad[i].name, .view = &v, .n_dims = bad[i].n_dims},
                                    {.name = "m.b", .f32 = &later, .n_dims = 1, .shape = {4}}};
        memcpy(specs[0].shape, bad[i].shape, sizeof specs[0].shape);
        assert_int_equal(tsr_weights_take(w, "", specs, 2, &e), TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, bad[i].why, test_root);
        assert_null(later); /* so that a deinit may free it */
        tsr_weights_close(w);
    }
}

static void optional_tensor_that_is_there_is_checked_too(void **state)
{
    (void)state;
    tsr_weights *w = opened();
    tsr_view v;
    const tsr_weight_spec spec = {.name = "m.a", .view = &v, .n_dims = 1, .shape = {6}, .optional = true};
    assert_int_equal(tsr_weights_take(w, "", &spec, 1, NULL), TSR_ERR_MODEL);
    tsr_weights_close(w);
}

static void overlong_name_is_our_bug(void **state)
{
    (void)state;
    tsr_weights *w = opened();
    char prefix[600];
    tsr_view v;
    const tsr_weight_spec spec = {.name = "a", .view = &v, .n_dims = 1};
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    assert_int_equal(tsr_weights_take(w, prefix, &spec, 1, NULL), TSR_ERR_BUG);
    tsr_weights_close(w);
}

static tsr_status open_and_take(tsr_error *e)
{
    tsr_weights *w;
    float *values[2] = {NULL, NULL};
    const tsr_weight_spec specs[] = {{.name = "x", .f32 = &values[0], .n_dims = 1, .shape = {3}},
                                     {.name = "a", .f32 = &values[1], .n_dims = 1, .shape = {3}}};
    tsr_status st = tsr_weights_open(&w, test_root, e);
    if (st != TSR_OK) {
        assert_null(w);
        return st;
    }
    st = tsr_weights_take(w, "", specs, 2, e);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(w, e);
    if (st == TSR_OK)
        assert_memory_equal(values[1], numbers, 12);
    tsr_free(values[0]);
    tsr_free(values[1]);
    tsr_weights_close(w);
    return st;
}

static void open_and_take_survive_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    write_shard("s1", "x");
    write_shard("s2", "a");
    write_index(INDEX("{\"x\":\"s1\",\"a\":\"s2\"}"));
    for (size_t k = 1;; k++) {
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = open_and_take(&e);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 40);
            break;
        }
        if (st != TSR_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, e.text);
        assert_error(&e, TSR_ERR_NOMEM, "out of memory", NULL);
    }
}

/* ---- tables filled from elsewhere ---------------------------------------------------------- */

static tsr_view view_of(const float *values, size_t n)
{
    return tsr_view_of_f32(values, 1, n);
}

static tsr_weights *empty_table(void)
{
    tsr_weights *w;
    tsr_error e = {0};
    if (tsr_weights_new(&w, "some.file", &e) != TSR_OK)
        fail_msg("%s", e.text);
    return w;
}

static void table_filled_in_any_order_finds_and_claims_all(void **state)
{
    (void)state;
    char name[16];
    tsr_weights *w = empty_table();
    tsr_view v;
    tsr_error e = {0};
    assert_int_equal(tsr_weights_count(w), 0);
    assert_false(tsr_weights_has_prefix(w, ""));
    for (size_t i = 0; i < 600; i++) { /* 7 and 600 have no common divisor: every number once */
        snprintf(name, sizeof name, "t%zu", i * 7 % 600);
        v = view_of(numbers, i % 12 + 1);
        assert_int_equal(tsr_weights_add(w, name, &v, NULL), TSR_OK);
    }
    assert_int_equal(tsr_weights_count(w), 600);
    for (size_t i = 1; i < 600; i++)
        assert_true(strcmp(tsr_weights_name(w, i - 1), tsr_weights_name(w, i)) < 0);
    for (size_t i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "t%zu", i * 7 % 600);
        assert_int_equal(tsr_weights_find(w, name)->n_elems, i % 12 + 1);
    }
    assert_int_equal(tsr_weights_ignore(w, "t", "1"), 60);
    v = view_of(numbers, 1); /* what is claimed stays so when another comes */
    assert_int_equal(tsr_weights_add(w, "a1", &v, NULL), TSR_OK);
    assert_int_equal(tsr_weights_check_unclaimed(w, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "some.file: tensor a1 is unknown", "(541 unknown in all)");
    assert_int_equal(tsr_weights_mapped_bytes(w), 0);
    tsr_weights_close(w);
}

/* As many as a file may hold, backwards; what it costs, test_name_order.c counts. */
static void tens_of_thousands_of_names_are_found_and_refused_twice(void **state)
{
    (void)state;
    enum { N = 65536 };
    char name[16];
    tsr_weights *w = empty_table();
    tsr_view v = view_of(numbers, 1);
    tsr_error e = {0};
    for (size_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "t%05zu", N - 1 - i);
        assert_int_equal(tsr_weights_add(w, name, &v, NULL), TSR_OK);
    }
    assert_int_equal(tsr_weights_add(w, "t40000", &v, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "some.file: tensor t40000 is there twice", NULL);
    for (size_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "t%05zu", i);
        assert_string_equal(tsr_weights_name(w, i), name);
    }
    tsr_weights_close(w);
}

static bool upper_case_alias(const char *name, char *buf, size_t cap)
{
    if (strncmp(name, "m.", 2) != 0)
        return false;
    snprintf(buf, cap, "M_%s", name + 2);
    return true;
}

static bool other_alias(const char *name, char *buf, size_t cap)
{
    if (strcmp(name, "v") != 0)
        return false;
    snprintf(buf, cap, "VISION");
    return true;
}

static void messages_speak_the_words_of_the_file_that_is_meant(void **state)
{
    (void)state;
    tsr_view v = view_of(numbers, 3), got;
    float *values = NULL;
    tsr_weights *w = empty_table();
    assert_int_equal(tsr_weights_set_alias(w, "text.gguf", upper_case_alias, NULL), TSR_OK);
    assert_int_equal(tsr_weights_set_alias(w, "tower.gguf", other_alias, NULL), TSR_OK);
    assert_int_equal(tsr_weights_add(w, "m.a", &v, NULL), TSR_OK);
    const struct {
        tsr_weight_spec spec;
        const char *why;
    } bad[] = {
        {{.name = "m.b", .view = &got, .n_dims = 1}, "text.gguf: tensor M_b is missing"},
        {{.name = "v", .view = &got, .n_dims = 1}, "tower.gguf: tensor VISION is missing"},
        {{.name = "other", .view = &got, .n_dims = 1}, "some.file: tensor other is missing"},
        {{.name = "m.a", .f32 = &values, .n_dims = 1, .shape = {3}}, "text.gguf: tensor M_a: shape [1, 3], expected [3]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_error e = {0};
        assert_int_equal(tsr_weights_take(w, "", &bad[i].spec, 1, &e), TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, bad[i].why, NULL);
    }
    tsr_error e = {0};
    assert_int_equal(tsr_weights_add(w, "m.a", &v, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "text.gguf: tensor M_a is there twice", NULL);
    assert_int_equal(tsr_weights_count(w), 1);
    e = (tsr_error){0};
    assert_int_equal(tsr_weights_check_unclaimed(w, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "text.gguf: tensor M_a is unknown", NULL);
    tsr_weights_close(w);
}

static char closed[8];

static void note_closed(void *thing)
{
    closed[strlen(closed)] = *(const char *)thing;
}

static void memory_and_things_go_with_the_table(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    tsr_weights *w = empty_table();
    memset(closed, 0, sizeof closed);
    for (int i = 0; i < 2; i++) { /* the second is a double: refused, its memory freed all the same */
        float *own = tsr_alloc(sizeof numbers);
        assert_non_null(own);
        memcpy(own, numbers, sizeof numbers);
        tsr_view v = view_of(own, 12);
        assert_int_equal(tsr_weights_add_owned(w, "own", &v, own, NULL), i ? TSR_ERR_MODEL : TSR_OK);
    }
    assert_memory_equal(tsr_weights_find(w, "own")->data, numbers, sizeof numbers);
    assert_false(tsr_weights_find(w, "own")->in_file);
    assert_int_equal(tsr_weights_keep(w, "1", note_closed, NULL), TSR_OK);
    assert_int_equal(tsr_weights_keep(w, "2", note_closed, NULL), TSR_OK);
    tsr_weights_close(w);
    assert_string_equal(closed, "21");
    assert_int_equal(tsr_alloc_live(), live);
}

static tsr_status fill(tsr_error *e)
{
    tsr_weights *w;
    tsr_view v = view_of(numbers, 3);
    memset(closed, 0, sizeof closed);
    tsr_status st = tsr_weights_new(&w, "some.file", e);
    if (st != TSR_OK) {
        assert_null(w);
        return st;
    }
    st = tsr_weights_keep(w, "1", note_closed, e);
    if (st == TSR_OK)
        st = tsr_weights_set_alias(w, "text.gguf", upper_case_alias, e);
    if (st == TSR_OK)
        st = tsr_weights_add(w, "m.a", &v, e);
    float *own = st == TSR_OK ? tsr_alloc(4) : NULL;
    if (own) {
        *own = 1.0f;
        v = view_of(own, 1);
        st = tsr_weights_add_owned(w, "m.b", &v, own, e);
    } else if (st == TSR_OK) {
        st = tsr_fail(e, TSR_ERR_NOMEM, "out of memory: the test's own");
    }
    tsr_weights_close(w);
    assert_string_equal(closed, "1");
    return st;
}

static void filling_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = fill(&e);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 9);
            break;
        }
        if (st != TSR_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, e.text);
        assert_error(&e, TSR_ERR_NOMEM, "out of memory", NULL);
    }
}

#define in_dir(f) cmocka_unit_test_setup_teardown(f, test_root_make, test_root_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_dir(file_and_folder_open_alike),
        in_dir(bad_paths_are_told_apart),
        in_dir(file_cut_at_any_byte_is_refused_by_name),
        in_dir(shards_open_as_one),
        in_dir(index_and_shards_must_agree),
        in_dir(index_that_is_none_is_refused),
        in_dir(index_with_too_many_shards_is_refused),
        in_dir(table_takes_checks_and_claims),
        in_dir(mismatches_name_tensor_wanted_and_found),
        in_dir(optional_tensor_that_is_there_is_checked_too),
        in_dir(overlong_name_is_our_bug),
        in_dir(open_and_take_survive_every_failed_allocation),
        in_dir(table_filled_in_any_order_finds_and_claims_all),
        in_dir(tens_of_thousands_of_names_are_found_and_refused_twice),
        in_dir(messages_speak_the_words_of_the_file_that_is_meant),
        in_dir(memory_and_things_go_with_the_table),
        in_dir(filling_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
