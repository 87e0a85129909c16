/* JSON behind our names: types, refusals with a place, and memory that runs short. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_json.h"

static tsr_json *parse(const char *text)
{
    tsr_json *v;
    tsr_error e = {0};
    if (tsr_json_parse(&v, text, strlen(text), "t", &e) != TSR_OK)
        fail_msg("%s: %s", text, e.text);
    return v;
}

/* First in the list: nothing has made a JSON value before. */
static void dump_gives_a_block_that_is_ours(void **state)
{
    (void)state;
    char *text;
    size_t live = tsr_alloc_live();
    tsr_json *v = tsr_json_new_bool(true);
    assert_int_equal(tsr_json_dump(&text, v, 0, NULL), TSR_OK);
    assert_int_equal(tsr_alloc_live(), live + 1);
    assert_string_equal(text, "true");
    tsr_free(text);
    tsr_json_free(v);
}

static void every_type_is_read(void **state)
{
    (void)state;
    int64_t i = 7;
    size_t n = 7;
    double d = 7;
    bool b = false;
    tsr_json *v = parse("{\"i\": -3, \"d\": 2.5, \"s\": \"a\\u0000b\", \"t\": true, \"n\": null, \"a\": [1, 2, 3]}");
    assert_true(tsr_json_is_object(v));
    assert_int_equal(tsr_json_len(v), 6);
    assert_true(tsr_json_to_i64(tsr_json_get(v, "i"), &i) && i == -3);
    assert_false(tsr_json_to_size(tsr_json_get(v, "i"), &n));
    assert_true(tsr_json_to_double(tsr_json_get(v, "i"), &d) && d == -3.0);
    assert_true(tsr_json_to_double(tsr_json_get(v, "d"), &d) && d == 2.5);
    assert_false(tsr_json_to_i64(tsr_json_get(v, "d"), &i));
    assert_true(tsr_json_to_bool(tsr_json_get(v, "t"), &b) && b);
    assert_true(tsr_json_is_null(tsr_json_get(v, "n")));
    assert_null(tsr_json_get_set(v, "n"));
    assert_non_null(tsr_json_get_set(v, "i"));
    assert_memory_equal(tsr_json_string(tsr_json_get(v, "s"), &n), "a\0b", 4);
    assert_int_equal(n, 3);
    const tsr_json *a = tsr_json_get(v, "a");
    assert_int_equal(tsr_json_len(a), 3);
    assert_true(tsr_json_to_size(tsr_json_at(a, 2), &n) && n == 3);
    assert_null(tsr_json_at(a, 3));
    tsr_json_free(v);
}

static void missing_values_say_no(void **state)
{
    (void)state;
    int64_t i = 1;
    size_t n = 2;
    double d = 3;
    bool b = true;
    assert_null(tsr_json_get(NULL, "k"));
    assert_null(tsr_json_at(NULL, 0));
    assert_null(tsr_json_string(NULL, &n));
    assert_int_equal(n, 0);
    n = 2;
    assert_false(tsr_json_to_i64(NULL, &i) || tsr_json_to_size(NULL, &n) || tsr_json_to_double(NULL, &d) ||
                 tsr_json_to_bool(NULL, &b));
    assert_true(i == 1 && n == 2 && d == 3.0 && b);
    assert_int_equal(tsr_json_len(NULL), 0);
    assert_null(tsr_json_first(NULL));
    assert_false(tsr_json_is_null(NULL) || tsr_json_is_object(NULL) || tsr_json_is_array(NULL) ||
                 tsr_json_is_string(NULL) || tsr_json_is_number(NULL) || tsr_json_is_bool(NULL));
    tsr_json_free(NULL);
}

static void objects_keep_their_order(void **state)
{
    (void)state;
    tsr_json *v = parse("{\"z\": 1, \"a\": 2, \"m\": 3, \"b\": 4}");
    char keys[5] = {0};
    size_t n = 0;
    for (void *it = tsr_json_first(v); it; it = tsr_json_next(v, it))
        keys[n++] = tsr_json_key(it)[0];
    assert_string_equal(keys, "zamb");
    tsr_json_free(v);
}

static void bad_text_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "   ",         "{",           "}",       "[1,]",      "{\"a\":1,}",
                                      "{'a':1}", "[1] [2]",     "nul",         "01",      "1e400",     "\"\\ud800\"",
                                      "\"\x80\"", "\"\xc0\xaf\"", "{\"a\":1,\"a\":2}", "\"a\nb\"", "[1 2]",    "NaN",
                                      "-",       "\"open",      "{\"a\\u0000\":1}", "+1",  "\xef\xbb\xbf{}", "-1e999"};
    size_t live = tsr_alloc_live();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_json *v = (tsr_json *)&live;
        tsr_error e = {0};
        if (tsr_json_parse(&v, bad[i], strlen(bad[i]), "file.json", &e) != TSR_ERR_MODEL)
            fail_msg("accepted: %s", bad[i]);
        assert_null(v);
        assert_error(&e, TSR_ERR_MODEL, "file.json: ", i ? "line " : "empty");
    }
    tsr_error e = {0};
    tsr_json *v;
    assert_int_equal(tsr_json_parse(&v, "{\n \"a\": x}", 10, "f", &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "f: line 2, column 7", NULL);
    assert_int_equal(tsr_json_parse(&v, "{}\0", 3, "f", NULL), TSR_ERR_MODEL);
    assert_int_equal(tsr_alloc_live(), live);
}

static void nested(char *text, size_t depth, const char *open, const char *close)
{
    text[0] = '\0';
    size_t n = 0, a = strlen(open), b = strlen(close);
    for (size_t i = 0; i < depth; i++, n += a)
        memcpy(text + n, open, a);
    for (size_t i = 0; i < depth; i++, n += b)
        memcpy(text + n, close, b);
    text[n] = '\0';
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    enum { FAR = 1000000 };
    char *text = must_realloc(NULL, 8 * (size_t)FAR);
    tsr_json *v;
    tsr_error e = {0};
    nested(text, 2047, "[", "]");
    tsr_json_free(parse(text));
    nested(text, 2049, "[", "]");
    assert_int_equal(tsr_json_parse(&v, text, strlen(text), "t", &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "t: line 1", "depth");
    nested(text, FAR, "[", "]");
    assert_int_equal(tsr_json_parse(&v, text, strlen(text), "t", NULL), TSR_ERR_MODEL);
    nested(text, FAR, "{\"a\":", "}");
    assert_int_equal(tsr_json_parse(&v, text, strlen(text), "t", NULL), TSR_ERR_MODEL);
    free(text);
}

static void wide_integers_become_doubles(void **state)
{
    (void)state;
    int64_t i;
    double d;
    size_t n;
    tsr_json *v = parse("{\"max\": 1000000000000000019884624838656, \"s\": \"\\\"99999999999999999999\\\\\","
                        "\"top\": 9223372036854775807, \"bottom\": -9223372036854775808,"
                        "\"over\": 9223372036854775808, \"under\": -9223372036854775809,"
                        "\"list\": [18446744073709551616,18446744073709551616], \"f\": 1.5, \"last\": 7}");
    assert_true(tsr_json_to_double(tsr_json_get(v, "max"), &d) && d == 1e30);
    assert_false(tsr_json_to_i64(tsr_json_get(v, "max"), &i));
    assert_string_equal(tsr_json_string(tsr_json_get(v, "s"), NULL), "\"99999999999999999999\\");
    assert_true(tsr_json_to_i64(tsr_json_get(v, "top"), &i) && i == INT64_MAX);
    assert_true(tsr_json_to_i64(tsr_json_get(v, "bottom"), &i) && i == INT64_MIN);
    assert_true(tsr_json_to_double(tsr_json_get(v, "over"), &d) && d == 0x1p63);
    assert_true(tsr_json_to_double(tsr_json_get(v, "under"), &d) && d == -0x1p63);
    assert_true(tsr_json_to_double(tsr_json_at(tsr_json_get(v, "list"), 1), &d) && d == 0x1p64);
    assert_true(tsr_json_to_double(tsr_json_get(v, "f"), &d) && d == 1.5);
    assert_true(tsr_json_to_size(tsr_json_get(v, "last"), &n) && n == 7);
    tsr_json_free(v);
    v = parse("18446744073709551616");
    assert_true(tsr_json_to_double(v, &d) && d == 0x1p64);
    tsr_json_free(v);
}

static void built_values_read_back(void **state)
{
    (void)state;
    char *text;
    tsr_json *o = tsr_json_new_object(), *a = tsr_json_new_array();
    assert_true(tsr_json_append(a, tsr_json_new_i64(INT64_MIN)) && tsr_json_append(a, tsr_json_new_double(0.1)) &&
                tsr_json_append(a, tsr_json_new_null()) && tsr_json_append(a, tsr_json_new_string("q\"\n", 3)));
    assert_true(tsr_json_set(o, "list", a) && tsr_json_set(o, "yes", tsr_json_new_bool(true)));
    assert_false(tsr_json_set(o, "nan", tsr_json_new_double(NAN)));
    assert_null(tsr_json_new_double((double)INFINITY));
    assert_null(tsr_json_new_string("\xff", 1));
    assert_int_equal(tsr_json_dump(&text, o, 0, NULL), TSR_OK);
    assert_string_equal(text, "{\"list\":[-9223372036854775808,0.1,null,\"q\\\"\\n\"],\"yes\":true}");
    tsr_free(text);
    tsr_json_free(o);
    assert_int_equal(tsr_json_dump(&text, NULL, 0, NULL), TSR_ERR_BUG);
    assert_null(text);
}

/* Long keys and strings make the reader's buffers grow in the middle of a token. */
static char *long_text(void)
{
    enum { LONG = 5000 };
    char *text = must_realloc(NULL, 4 * LONG);
    size_t n = 0;
    n += (size_t)snprintf(text + n, 4 * LONG - n, "{\"");
    memset(text + n, 'k', LONG);
    n += LONG;
    n += (size_t)snprintf(text + n, 4 * LONG - n, "\": \"");
    memset(text + n, 'v', LONG);
    n += LONG;
    snprintf(text + n, 4 * LONG - n, "\", \"a\": [1, 2.5, {\"b\": null}], \"wide\": 99999999999999999999}");
    return text;
}

static void parse_tells_short_memory_from_bad_text(void **state)
{
    (void)state;
    char *text = long_text();
    size_t live = tsr_alloc_live(), n_failed = 0, n;
    for (size_t k = 1;; k++) {
        tsr_json *v;
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_json_parse(&v, text, strlen(text), "t", &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) { /* then nothing is lost */
            assert_int_equal(tsr_json_len(v), 3);
            const tsr_json *first = tsr_json_value(tsr_json_first(v));
            assert_int_equal(strlen(tsr_json_key(tsr_json_first(v))), 5000);
            assert_non_null(tsr_json_string(first, &n));
            assert_int_equal(n, 5000);
            tsr_json_free(v);
            break;
        }
        assert_error(&e, TSR_ERR_NOMEM, "out of memory: t", NULL);
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(v);
        assert_int_equal(tsr_alloc_live(), live);
        n_failed++;
    }
    assert_true(n_failed > 20);
    assert_int_equal(tsr_alloc_live(), live);
    free(text);
}

static void dump_survives_every_failed_allocation(void **state)
{
    (void)state;
    char *source = long_text(), *text, *whole;
    tsr_json *v = parse(source);
    size_t live = tsr_alloc_live();
    assert_int_equal(tsr_json_dump(&whole, v, 2, NULL), TSR_OK);
    for (size_t k = 1;; k++) {
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_json_dump(&text, v, 2, NULL);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(text);
        assert_int_equal(tsr_alloc_live(), live + 1);
    }
    assert_string_equal(text, whole);
    tsr_free(text);
    tsr_free(whole);
    tsr_json_free(v);
    free(source);
}

static void files_are_named_in_errors(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    tsr_json *v;
    tsr_error e = {0}, f = {0}, g = {0};
    test_write_file(test_path(dir, "a.json"), "{\"a\": }", 7);
    assert_int_equal(tsr_json_parse_file(&v, test_path(dir, "a.json"), 100, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "/a.json: line 1", NULL);
    assert_int_equal(tsr_json_parse_file(&v, test_path(dir, "a.json"), 6, &f), TSR_ERR_LIMIT);
    assert_error(&f, TSR_ERR_LIMIT, "/a.json", NULL);
    assert_int_equal(tsr_json_parse_file(&v, test_path(dir, "b.json"), 6, &g), TSR_ERR_NOINPUT);
    assert_null(v);
    test_tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump_gives_a_block_that_is_ours),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(missing_values_say_no),
        cmocka_unit_test(objects_keep_their_order),
        cmocka_unit_test(bad_text_is_refused_with_its_place),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(wide_integers_become_doubles),
        cmocka_unit_test(built_values_read_back),
        cmocka_unit_test(parse_tells_short_memory_from_bad_text),
        cmocka_unit_test(dump_survives_every_failed_allocation),
        cmocka_unit_test(files_are_named_in_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
