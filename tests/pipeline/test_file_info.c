/* test_file_info.c: what `info FILE` tells of files of weights is what stands in them, harmless for a terminal, and
 * --check finds every value that is not finite. */
#include <math.h>
#include <stdio.h>

#include "gguf_writer.h"
#include "hash_model.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

#define GGUF_DIR TSR_SOURCE_DIR "/tests/base/fixtures_gguf"

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q4_K = 12, IQ2_XXS = 16, I32 = 26, BF16 = 30 }; /* ggml's numbers */

static const unsigned char zeros[4096];

static char *info(const char *path, tessera_file_opts o, size_t *n_problems)
{
    char *text;
    tessera_error err = {TESSERA_OK, ""};
    if (tessera_file_info(path, &o, &text, n_problems, &err) != TESSERA_OK)
        fail_msg("%s: %s", path, err.text);
    return text;
}

static tsr_json *info_json(const char *path, int full, int check, size_t *n_problems)
{
    tsr_json *v;
    tsr_error err = {TSR_OK, ""};
    char *text = info(path, (tessera_file_opts){.as_json = 1, .full = full, .check = check}, n_problems);
    if (tsr_json_parse(&v, text, strlen(text), path, &err) != TSR_OK)
        fail_msg("%s", err.text);
    tessera_free(text);
    return v;
}

static const char *text_of(const tsr_json *v, const char *key)
{
    const char *s = tsr_json_string(tsr_json_get(v, key), NULL);
    assert_non_null(s);
    return s;
}

static size_t size_of(const tsr_json *v, const char *key)
{
    size_t n = SIZE_MAX;
    assert_true(tsr_json_to_size(tsr_json_get(v, key), &n));
    return n;
}

/* ---- what is told is what is there ---- */

static void offsets_lead_to_the_data(const char *path, size_t want_parts, size_t want_tensors)
{
    size_t n_problems, n_bytes = 0;
    tsr_json *v = info_json(path, 0, 0, &n_problems);
    const tsr_json *parts = tsr_json_get(v, "parts"), *list = tsr_json_get(v, "tensors"), *types = tsr_json_get(v, "types");
    assert_int_equal(n_problems, 0);
    assert_int_equal(tsr_json_len(parts), want_parts);
    assert_int_equal(tsr_json_len(list), want_tensors);
    tsr_weights *w = NULL;
    tsr_gguf *g = NULL;
    if (strcmp(text_of(v, "format"), "GGUF") == 0)
        assert_int_equal(tsr_gguf_open(&g, path, NULL), TSR_OK);
    else
        assert_int_equal(tsr_weights_open(&w, path, NULL), TSR_OK);
    for (size_t p = 0; p < want_parts; p++) {
        size_t len;
        unsigned char *bytes = test_read_file(text_of(tsr_json_at(parts, p), "file"), &len);
        assert_int_equal(len, size_of(tsr_json_at(parts, p), "bytes"));
        for (size_t i = 0; i < want_tensors; i++) {
            const tsr_json *t = tsr_json_at(list, i);
            const char *name = text_of(t, "name");
            const tsr_view *view = g ? &tsr_gguf_find_tensor(g, name)->view : tsr_weights_find(w, name);
            size_t at = size_of(t, "offset");
            if (size_of(t, "part") != p)
                continue;
            assert_string_equal(text_of(t, "type"), tsr_type_info(view->type)->name);
            assert_int_equal(size_of(t, "bytes"), view->n_bytes);
            assert_int_equal(tsr_json_len(tsr_json_get(t, "shape")), view->n_dims);
            assert_true(at <= len && view->n_bytes <= len - at);
            assert_memory_equal(bytes + at, view->data, view->n_bytes);
            n_bytes += view->n_bytes;
        }
        free(bytes);
    }
    for (size_t i = 0; i < tsr_json_len(types); i++)
        n_bytes -= size_of(tsr_json_at(types, i), "bytes");
    assert_int_equal(n_bytes, 0);
    tsr_gguf_close(g);
    tsr_weights_close(w);
    tsr_json_free(v);
}

static void tensors_of_every_container_are_told(void **state)
{
    (void)state;
    tsr_error err = {TSR_OK, ""};
    const char *dir = test_path(test_root, "31b"); /* sharded */
    assert_int_equal(oracle_model_write(dir, "31b", &err), TSR_OK);
    offsets_lead_to_the_data(GGUF_DIR "/whole.gguf", 1, 7);
    offsets_lead_to_the_data(GGUF_DIR "/padded.gguf", 1, 7);
    offsets_lead_to_the_data(GGUF_DIR "/split-00001-of-00003.gguf", 3, 7);
    tsr_weights *w;
    assert_int_equal(tsr_weights_open(&w, dir, NULL), TSR_OK);
    size_t n = tsr_weights_count(w);
    tsr_weights_close(w);
    offsets_lead_to_the_data(dir, 3, n);
    dir = test_path(test_root, "text");
    assert_int_equal(oracle_model_write(dir, "text", &err), TSR_OK);
    assert_int_equal(tsr_weights_open(&w, dir, NULL), TSR_OK);
    n = tsr_weights_count(w);
    tsr_weights_close(w);
    offsets_lead_to_the_data(test_path(test_path(test_root, "text"), "model.safetensors"), 1, n);
}

static void metadata_is_told_with_its_types(void **state)
{
    (void)state;
    static const float odd[] = {HUGE_VALF, -HUGE_VALF};
    const float nan = NAN;
    int32_t many[100];
    size_t n_problems;
    for (int i = 0; i < 100; i++)
        many[i] = i - 50;
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "test");
    gg_scalar(w, "most", TSR_GGUF_U64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    gg_scalar(w, "least", TSR_GGUF_I64, "\0\0\0\0\0\0\0\x80", 8);
    gg_scalar(w, "nan", TSR_GGUF_F32, &nan, 4);
    gg_array(w, "odd", TSR_GGUF_F32, 2, odd, sizeof odd);
    gg_array(w, "many", TSR_GGUF_I32, 100, many, sizeof many);
    gg_str(w, "broken", "a\xff" "b");
    gg_write(w, test_path(test_root, "meta.gguf"));
    gg_free(w);
    tsr_json *v = info_json(test_path(test_root, "meta.gguf"), 0, 0, &n_problems);
    const tsr_json *m = tsr_json_get(v, "metadata");
    assert_int_equal(size_of(v, "version"), 3);
    assert_int_equal(tsr_json_len(m), 7);
    assert_string_equal(text_of(tsr_json_get(m, "most"), "value"), "18446744073709551615");
    int64_t least = 0;
    assert_true(tsr_json_to_i64(tsr_json_get(tsr_json_get(m, "least"), "value"), &least) && least == INT64_MIN);
    assert_string_equal(text_of(tsr_json_get(m, "nan"), "value"), "nan");
    assert_string_equal(text_of(tsr_json_get(m, "broken"), "value"), "a\xef\xbf\xbd" "b");
    const tsr_json *values = tsr_json_get(tsr_json_get(m, "odd"), "values");
    assert_string_equal(tsr_json_string(tsr_json_at(values, 1), NULL), "-inf");
    const tsr_json *long_one = tsr_json_get(m, "many");
    assert_string_equal(text_of(long_one, "of"), "i32");
    assert_int_equal(size_of(long_one, "count"), 100);
    assert_int_equal(tsr_json_len(tsr_json_get(long_one, "first")), 8);
    assert_null(tsr_json_get(long_one, "values"));
    tsr_json_free(v);
    v = info_json(test_path(test_root, "meta.gguf"), 1, 0, &n_problems);
    values = tsr_json_get(tsr_json_get(tsr_json_get(v, "metadata"), "many"), "values");
    assert_int_equal(tsr_json_len(values), 100);
    assert_true(tsr_json_to_i64(tsr_json_at(values, 99), &least) && least == 49);
    tsr_json_free(v);
}

static void text_for_people_is_short_and_harmless(void **state)
{
    (void)state;
    static const char evil[] = "red \033[31m\x07 bell\nnext \xe2\x80\xae turned \xff\xfe\xc2\x9b" "31m";
    char longer[600];
    size_t n_problems;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "test");
    gg_str(w, "evil", evil);
    gg_strs(w, "evils", 1, (const char *const[]){evil});
    gg_str(w, "longer", longer);
    gg_array(w, "bytes", TSR_GGUF_U8, 4000, zeros, 4000);
    gg_tensor(w, "a.weight", F32, 2, (const size_t[]){2, 3}, zeros, 24);
    gg_write(w, test_path(test_root, "text.gguf"));
    gg_free(w);
    char *text = info(test_path(test_root, "text.gguf"), (tessera_file_opts){0}, &n_problems);
    for (const char *s = text; *s; s++)
        if ((unsigned char)*s < 0x20 && *s != '\n')
            fail_msg("a control character 0x%02x", (unsigned)*s);
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_null(strstr(text, "\xc2\x9b"));
    assert_null(strstr(text, "\xff"));
    assert_non_null(strstr(text, "red \\x1b[31m\\x07 bell\\nnext \\u202e turned \\xff\\xfe\\u009b31m\n"));
    assert_non_null(strstr(text, "xxx... (599 bytes)\n"));
    assert_non_null(strstr(text, "u8[4000]       0, 0, 0, 0, 0, 0, 0, 0, ...\n"));
    assert_non_null(strstr(text, "GGUF version 3, alignment 32\n"));
    assert_non_null(strstr(text, "a.weight F32     [2, 3]"));
    assert_non_null(strstr(text, "F32          1 tensors                6 values       24 B\n"));
    assert_true(strlen(text) < 3000);
    tessera_free(text);
    text = info(test_path(test_root, "text.gguf"), (tessera_file_opts){.full = 1}, &n_problems);
    assert_non_null(strstr(text, longer));
    assert_true(strlen(text) > 12000);
    tessera_free(text);
    text = info(test_path(test_root, "text.gguf"), (tessera_file_opts){.color = 1}, &n_problems);
    assert_non_null(strstr(text, "\033[1mmetadata\033[0m"));
    tessera_free(text);
}

/* A line of text that begins and ends so. */
static void assert_line(const char *text, const char *begin, const char *end)
{
    const char *at = strstr(text, begin), *eol = at ? strchr(at, '\n') : NULL;
    if (!eol || (size_t)(eol - at) < strlen(end) || memcmp(eol - strlen(end), end, strlen(end)) != 0)
        fail_msg("no line '%s...%s' in: %s", begin, end, text);
}

/* All is told that a file holds which no model can be made of. */
static void types_that_are_not_supported_are_named(void **state)
{
    (void)state;
    static const size_t shape[] = {2, 256};
    size_t n_problems;
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "gemma4");
    gg_tensor(w, "blk.0.ffn_up.weight", IQ2_XXS, 2, shape, zeros, 2 * 66);
    gg_tensor(w, "norm.weight", F32, 1, (const size_t[]){4}, zeros, 16);
    gg_tensor(w, "blk.0.ffn_gate.weight", IQ2_XXS, 2, shape, zeros, 2 * 66);
    gg_write(w, test_path(test_root, "iq2.gguf"));
    gg_free(w);
    char *text = info(test_path(test_root, "iq2.gguf"), (tessera_file_opts){0}, &n_problems);
    assert_int_equal(n_problems, 0);
    assert_non_null(strstr(text, "general.architecture string         gemma4\n"));
    assert_line(text, "  blk.0.ffn_up.weight   IQ2_XXS [2, 256] ", "  not supported");
    assert_line(text, "  blk.0.ffn_gate.weight IQ2_XXS [2, 256] ", "  not supported");
    assert_line(text, "  norm.weight           F32     [4] ", ""); /* which is: three marks in all */
    assert_null(strstr(strstr(strstr(strstr(text, "not supported") + 1, "not supported") + 1, "not supported") + 1,
                       "not supported"));
    assert_non_null(strstr(text, "  IQ2_XXS      2 tensors             1024 values      264 B  not supported\n"));
    assert_non_null(strstr(text, "  F32          1 tensors                4 values       16 B\n"));
    assert_non_null(strstr(text, "  all          3 tensors             1028 values      280 B\n"));
    tessera_free(text);
    tsr_json *v = info_json(test_path(test_root, "iq2.gguf"), 0, 1, &n_problems);
    const tsr_json *list = tsr_json_get(v, "tensors"), *check = tsr_json_get(v, "check");
    assert_int_equal(tsr_json_len(list), 3);
    for (size_t i = 0; i < 3; i++) {
        bool supported = i != 1, opens = true;
        assert_true(tsr_json_to_bool(tsr_json_get(tsr_json_at(list, i), "supported"), &supported));
        assert_int_equal(supported, i == 1);
        assert_string_equal(text_of(tsr_json_at(list, i), "type"), i == 1 ? "F32" : "IQ2_XXS");
        assert_true(tsr_json_to_bool(tsr_json_get(check, "opens"), &opens) && !opens);
    }
    assert_int_equal(n_problems, 1);
    assert_int_equal(size_of(check, "bytes"), 16); /* what can be read */
    assert_non_null(strstr(text_of(check, "why_not"), "tensor blk.0.ffn_up.weight at byte "));
    assert_non_null(strstr(text_of(check, "why_not"), "type IQ2_XXS is not supported"));
    tsr_json_free(v);
    tessera_model *m;
    tessera_error err = {TESSERA_OK, ""};
    assert_int_equal(tessera_model_open(&m, test_path(test_root, "iq2.gguf"), NULL, &err), TESSERA_ERR_MODEL);
    assert_non_null(strstr(err.text, "type IQ2_XXS is not supported"));
}

/* A mmproj is opened anew for --check, and then refused like a model. */
static void a_mmproj_of_such_a_type_does_not_open(void **state)
{
    (void)state;
    size_t n_problems;
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "clip");
    gg_tensor(w, "mm.input_projection.weight", IQ2_XXS, 2, (const size_t[]){2, 256}, zeros, 2 * 66);
    gg_write(w, test_path(test_root, "mmproj-iq2.gguf"));
    gg_free(w);
    char *text = info(test_path(test_root, "mmproj-iq2.gguf"), (tessera_file_opts){.check = 1}, &n_problems);
    assert_int_equal(n_problems, 1);
    assert_non_null(strstr(text, "tensor mm.input_projection.weight at byte "));
    assert_non_null(strstr(text, ": type IQ2_XXS is not supported\n"));
    tessera_free(text);
}

/* ---- --check ---- */

static void values_that_are_not_finite_are_found(void **state)
{
    (void)state;
    enum { ROWS = 3, COLS = 20000 };
    static float f[ROWS * COLS];
    static uint16_t b[64];
    unsigned char q8[4 * 34] = {0}, q4k[2 * 144] = {0};
    size_t n_problems;
    f[2 * COLS + 17000] = NAN;
    f[2 * COLS + 17001] = -HUGE_VALF;
    b[40] = 0xff80;        /* minus infinity */
    q8[2 * 34 + 1] = 0x7c; /* an infinite scale; its numbers are 0 and 1 */
    q8[2 * 34 + 2 + 31] = 1;
    q4k[144 + 3] = 0x7e; /* the smaller of two scales is NaN */
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "test");
    gg_tensor(w, "good", F32, 1, (const size_t[]){4}, zeros, 16);
    gg_tensor(w, "f", F32, 2, (const size_t[]){ROWS, COLS}, f, sizeof f);
    gg_tensor(w, "b", BF16, 3, (const size_t[]){2, 2, 16}, b, sizeof b);
    gg_tensor(w, "q8", Q8_0, 2, (const size_t[]){2, 64}, q8, sizeof q8);
    gg_tensor(w, "q4k", Q4_K, 2, (const size_t[]){2, 256}, q4k, sizeof q4k);
    gg_tensor(w, "ids", I32, 1, (const size_t[]){2}, "\0\0\x80\x7f\0\0\x80\x7f", 8);
    gg_write(w, test_path(test_root, "bad.gguf"));
    gg_free(w);
    tsr_json *v = info_json(test_path(test_root, "bad.gguf"), 0, 1, &n_problems);
    const tsr_json *c = tsr_json_get(v, "check"), *list = tsr_json_get(c, "not_finite");
    static const struct {
        const char *name, *value;
        size_t row, element, count;
    } want[] = {{"f", "nan", 2, 17000, 2}, {"b", "-inf", 2, 8, 1}, {"q8", "nan", 1, 0, 32}, {"q4k", "nan", 1, 0, 256}};
    assert_int_equal(tsr_json_len(list), 4);
    for (size_t i = 0; i < 4; i++) {
        const tsr_json *t = tsr_json_at(list, i);
        assert_string_equal(text_of(t, "tensor"), want[i].name);
        assert_string_equal(text_of(t, "value"), want[i].value);
        assert_int_equal(size_of(t, "row"), want[i].row);
        assert_int_equal(size_of(t, "element"), want[i].element);
        assert_int_equal(size_of(t, "count"), want[i].count);
    }
    assert_int_equal(n_problems, 5);
    bool opens = true;
    assert_true(tsr_json_to_bool(tsr_json_get(c, "opens"), &opens) && !opens);
    assert_non_null(strstr(text_of(c, "why_not"), "'test'"));
    tsr_json_free(v);
    char *text = info(test_path(test_root, "bad.gguf"), (tessera_file_opts){.check = 1}, &n_problems);
    assert_non_null(strstr(text, "tensor f: row 2, element 17000 is NaN; 2 values of 60000 are not finite\n"));
    assert_non_null(strstr(text, "does not open: "));
    tessera_free(text);
}

static void files_that_open_are_said_to(void **state)
{
    (void)state;
    static const char *const names[] = {"e2b", "12b", "26b"};
    tsr_error err = {TSR_OK, ""};
    size_t n_problems;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *dir = test_path(test_root, names[i]);
        assert_int_equal(oracle_model_write(dir, names[i], &err), TSR_OK);
        char *text = info(dir, (tessera_file_opts){.check = 1}, &n_problems);
        if (n_problems)
            fail_msg("%s: %s", names[i], text);
        assert_non_null(strstr(text, "every value is finite\n  opens\n"));
        tessera_free(text);
    }
    static const char *const mmproj[] = {"mmproj-gguf-e.gguf", "mmproj-gguf-moe.gguf"};
    for (size_t i = 0; i < sizeof mmproj / sizeof *mmproj; i++) {
        char *text = info(test_path(TSR_SOURCE_DIR "/tests/oracle/gguf", mmproj[i]), (tessera_file_opts){.check = 1},
                          &n_problems);
        if (n_problems)
            fail_msg("%s: %s", mmproj[i], text);
        tessera_free(text);
    }
}

static void broken_files_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t len;
        tessera_status st;
        const char *why;
    } rows[] = {
        {"none.gguf", NULL, 0, TESSERA_ERR_NOINPUT, "none.gguf"},
        {"cut.gguf", "GGUF\3\0\0\0", 8, TESSERA_ERR_MODEL, "cut.gguf: header at byte 4"},
        {"text.gguf", "hello, world", 12, TESSERA_ERR_MODEL, "does not begin with GGUF"},
        {"text.safetensors", "\377\377\377\377\377\377\377\377{}", 10, TESSERA_ERR_MODEL, "text.safetensors"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text;
        size_t n;
        tessera_error err = {TESSERA_OK, ""};
        const char *path = test_path(test_root, rows[i].name);
        if (rows[i].bytes)
            test_write_file(path, rows[i].bytes, rows[i].len);
        tessera_status st = tessera_file_info(path, NULL, &text, &n, &err);
        if (st != rows[i].st || !strstr(err.text, rows[i].why))
            fail_msg("%s: %d: %s", rows[i].name, (int)st, err.text);
        assert_null(text);
    }
}

static void telling_survives_every_failed_allocation(void **state)
{
    (void)state;
    const char *dir = test_path(test_root, "oom");
    tsr_error e = {TSR_OK, ""};
    assert_int_equal(oracle_model_write(dir, "text", &e), TSR_OK);
    const char *const paths[] = {GGUF_DIR "/split-00001-of-00003.gguf", test_path(test_root, "oom")};
    for (size_t p = 0; p < 2; p++)
        for (int as_json = 0; as_json < 2; as_json++) {
            size_t step = 1, reached = 0;
            for (size_t k = 1;; k += step) {
                char *text;
                size_t n, live = tsr_alloc_live();
                tessera_error err = {TESSERA_OK, ""};
                tessera_file_opts o = {.as_json = as_json};
                tsr_alloc_fail_at(k);
                tessera_status st = tessera_file_info(paths[p], &o, &text, &n, &err);
                tsr_alloc_fail_at(0);
                tessera_free(text);
                assert_int_equal(tsr_alloc_live(), live);
                reached = k;
                if (st == TESSERA_OK)
                    break;
                if (st != TESSERA_ERR_NOMEM)
                    fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
                step = 1 + k / 40; /* hundreds of tensors are alike */
            }
            assert_true(reached > 20);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_every_container_are_told),
        cmocka_unit_test(metadata_is_told_with_its_types),
        cmocka_unit_test(text_for_people_is_short_and_harmless),
        cmocka_unit_test(types_that_are_not_supported_are_named),
        cmocka_unit_test(a_mmproj_of_such_a_type_does_not_open),
        cmocka_unit_test(values_that_are_not_finite_are_found),
        cmocka_unit_test(files_that_open_are_said_to),
        cmocka_unit_test(broken_files_are_errors),
        cmocka_unit_test(telling_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
