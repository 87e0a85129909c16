/* test_schema.c: each keyword of JSON Schema by values that fit and values that don't (schemas/, in the form of
 * JSON-Schema-Test-Suite), what is refused, numbers against plain arithmetic, and hostile schemas. */
#include <stdio.h>

#include "common/test_main.h"
#include "grammar_run_internal.h"
#include "tsr_alloc.h"
#include "tsr_grammar.h"
#include "tsr_json.h"

static tsr_status compile(tsr_grammar **g, const char *text, tsr_error *err)
{
    return tsr_grammar_from_schema(g, text, strlen(text), "test", err);
}

static bool matches(const tsr_grammar *g, const char *text)
{
    bool ok;
    tsr_error err = {0};
    if (tsr_grammar_matches(g, text, strlen(text), &ok, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return ok;
}

/* The same with a run that serves many texts. */
static bool run_matches(tsri_run *r, const char *text)
{
    const size_t one = 1;
    uint32_t place = tsri_run_start(r);
    tsri_run_keep(r, 0, &place, &one);
    for (; *text; text++)
        place = tsri_run_step(r, &place, (uint8_t)*text);
    tsri_run_keep(r, 0, NULL, NULL);
    return place != TSRI_DEAD && tsri_run_place(r, place)->can_end;
}

static char *dump(const tsr_json *v)
{
    char *text;
    assert_int_equal(tsr_json_dump(&text, v, 0, NULL), TSR_OK);
    return text;
}

static tsr_json *load(const char *name)
{
    char path[1024];
    tsr_error err = {0};
    tsr_json *v;
    snprintf(path, sizeof path, "%s/schemas/%s", TSR_TEST_DIR, name);
    if (tsr_json_parse_file(&v, path, 1 << 22, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return v;
}

/* ---- keywords ---- */

static void check_group(const tsr_json *group)
{
    tsr_error err = {0};
    tsr_grammar *g;
    const tsr_json *tests = tsr_json_get(group, "tests");
    char *schema = dump(tsr_json_get(group, "schema"));
    if (compile(&g, schema, &err) != TSR_OK)
        fail_msg("%s\n%s", err.text, schema);
    tsri_run *r;
    assert_int_equal(tsri_run_open(&r, g, UINT32_MAX / 2, NULL), TSR_OK);
    for (size_t i = 0; i < tsr_json_len(tests); i++) {
        bool valid = false;
        char *text = dump(tsr_json_get(tsr_json_at(tests, i), "data"));
        tsr_json_to_bool(tsr_json_get(tsr_json_at(tests, i), "valid"), &valid);
        if (run_matches(r, text) != valid)
            fail_msg("%s: should be %d: %s\n%s", tsr_json_string(tsr_json_get(group, "description"), NULL), valid, text,
                     schema);
        tsr_free(text);
    }
    tsr_free(schema);
    tsri_run_close(r);
    tsr_grammar_close(g);
}

static void each_keyword_is_held_to(void **state)
{
    tsr_json *groups = load("keywords.json");
    (void)state;
    assert_true(tsr_json_len(groups) > 40);
    for (size_t i = 0; i < tsr_json_len(groups); i++)
        check_group(tsr_json_at(groups, i));
    tsr_json_free(groups);
}

static void what_cannot_be_held_to_is_refused_by_name(void **state)
{
    tsr_json *groups = load("refused.json");
    (void)state;
    assert_true(tsr_json_len(groups) > 30);
    for (size_t i = 0; i < tsr_json_len(groups); i++) {
        const tsr_json *group = tsr_json_at(groups, i);
        const char *says = tsr_json_string(tsr_json_get(group, "refused"), NULL);
        tsr_error err = {0};
        tsr_grammar *g;
        char *schema = dump(tsr_json_get(group, "schema"));
        tsr_status st = compile(&g, schema, &err);
        assert_null(g);
        assert_true(st == TSR_ERR_UNSUPPORTED || st == TSR_ERR_USAGE || st == TSR_ERR_LIMIT);
        assert_error(&err, st, "test: ", says);
        tsr_free(schema);
    }
    tsr_json_free(groups);
}

/* ---- form ---- */

static void white_space_is_one_blank_or_one_line_at_most(void **state)
{
    tsr_grammar *g;
    (void)state;
    assert_int_equal(compile(&g, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}},\"required\":[\"a\"],"
                                 "\"additionalProperties\":false}", NULL), TSR_OK);
    assert_true(matches(g, "{\"a\":[1,2]}"));
    assert_true(matches(g, "{\"a\": [1, 2]}"));
    assert_true(matches(g, "{\n  \"a\": [\n    1,\n    2\n  ]\n}"));
    assert_true(matches(g, "{ \"a\": [] }"));
    assert_false(matches(g, "{  \"a\":[]}"));
    assert_false(matches(g, "{\"a\" :[]}"));
    assert_false(matches(g, "{\n\n\"a\":[]}"));
    assert_false(matches(g, "{\"a\":[]}\n"));
    assert_false(matches(g, " {\"a\":[]}"));
    tsr_grammar_close(g);
}

static void each_string_has_one_spelling(void **state)
{
    tsr_grammar *g;
    (void)state;
    assert_int_equal(compile(&g, "{\"type\":\"string\"}", NULL), TSR_OK);
    assert_true(matches(g, "\"\\n\\u0001\\\"/\xC3\xA9\x7F\""));
    assert_false(matches(g, "\"\\/\""));
    assert_false(matches(g, "\"\\u00e9\""));
    assert_false(matches(g, "\"\\u000a\""));
    assert_false(matches(g, "\"\xED\xA0\x80\"")); /* half a surrogate pair */
    assert_false(matches(g, "\"\xC0\x80\""));
    assert_false(matches(g, "\"\n\""));
    tsr_grammar_close(g);
}

static void numbers_end(void **state)
{
    tsr_grammar *g;
    (void)state;
    assert_int_equal(compile(&g, "{\"type\":\"number\"}", NULL), TSR_OK);
    assert_true(matches(g, "-123456789012345678.12345678901234567e-99"));
    assert_false(matches(g, "1234567890123456789"));
    assert_false(matches(g, "0.123456789012345678"));
    assert_false(matches(g, "1e100"));
    assert_false(matches(g, "01"));
    assert_false(matches(g, "-0"));
    assert_false(matches(g, "1."));
    assert_false(matches(g, "+1"));
    tsr_grammar_close(g);
}

/* ---- numbers, in hundredths ---- */

static void put_number(char *out, size_t size, int hundredths)
{
    int whole = hundredths / 100, part = abs(hundredths % 100);
    const char *sign = hundredths < 0 ? "-" : "";
    if (part == 0)
        snprintf(out, size, "%s%d", sign, abs(whole));
    else if (part % 10 == 0)
        snprintf(out, size, "%s%d.%d", sign, abs(whole), part / 10);
    else
        snprintf(out, size, "%s%d.%02d", sign, abs(whole), part);
}

typedef struct bounds {
    int min, max, step; /* hundredths; step 0: none */
    bool over, under, whole;
} bounds;

static bool fits(const bounds *b, int x)
{
    return (b->over ? x > b->min : x >= b->min) && (b->under ? x < b->max : x <= b->max) &&
           (!b->whole || x % 100 == 0) && (!b->step || x % b->step == 0);
}

static void check_bounds(const bounds *b)
{
    char schema[300], min[32], max[32], step[64] = "", text[32];
    bool any = false;
    tsr_grammar *g;
    tsr_error err = {0};
    put_number(min, sizeof min, b->min);
    put_number(max, sizeof max, b->max);
    if (b->step)
        put_number(text, sizeof text, b->step), snprintf(step, sizeof step, ",\"multipleOf\":%s", text);
    snprintf(schema, sizeof schema, "{\"type\":\"%s\",\"%s\":%s,\"%s\":%s%s}", b->whole ? "integer" : "number",
             b->over ? "exclusiveMinimum" : "minimum", min, b->under ? "exclusiveMaximum" : "maximum", max, step);
    for (int x = b->min - 1; x <= b->max + 1; x++)
        any = any || fits(b, x);
    tsr_status st = compile(&g, schema, &err);
    if (!any && b->step) {
        assert_error(&err, TSR_ERR_USAGE, "no value", NULL);
        return;
    }
    if (st != TSR_OK && !any) /* without a step there may be finer values */
        return;
    if (st != TSR_OK)
        fail_msg("%s\n%s", err.text, schema);
    tsri_run *r;
    assert_int_equal(tsri_run_open(&r, g, UINT32_MAX / 2, NULL), TSR_OK);
    for (int x = -1300; x <= 1300; x++) {
        put_number(text, sizeof text, x);
        if (run_matches(r, text) != fits(b, x))
            fail_msg("%s should be %d\n%s", text, fits(b, x), schema);
    }
    tsri_run_close(r);
    tsr_grammar_close(g);
}

static void numbers_between_bounds_are_those_of_arithmetic(void **state)
{
    static const int ends[] = {-1100, -250, -100, -99, -5, 0, 1, 99, 100, 305, 999, 1200};
    static const int steps[] = {0, 100, 300, 25, 7};
    enum { N_ENDS = sizeof ends / sizeof *ends };
    uint32_t random = 1;
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        bounds b = {.step = steps[i % 5]};
        random = random * 1664525 + 1013904223;
        b.over = random >> 28 & 1;
        b.under = random >> 29 & 1;
        b.whole = random >> 30 & 1;
        size_t a = (random >> 8) % N_ENDS, c = (random >> 16) % N_ENDS;
        b.min = ends[a < c ? a : c];
        b.max = ends[a < c ? c : a];
        check_bounds(&b);
    }
}

/* ---- hostile schemas ---- */

static tsr_status compile_text(tsr_text *t)
{
    tsr_grammar *g;
    tsr_error err = {0};
    tsr_status st = tsr_grammar_from_schema(&g, t->at, t->len, "test", &err);
    tsr_grammar_close(g);
    tsr_text_deinit(t);
    return st;
}

static void add(tsr_text *t, const char *s)
{
    assert_int_equal(tsr_text_add(t, s, strlen(s), NULL), TSR_OK);
}

static void hostile_schemas_end_soon(void **state)
{
    tsr_text t = {0};
    char line[200];
    (void)state;
    for (int i = 0; i < 300; i++) /* deep */
        add(&t, "{\"items\":");
    add(&t, "true");
    for (int i = 0; i < 300; i++)
        add(&t, "}");
    assert_int_equal(compile_text(&t), TSR_ERR_LIMIT);
    add(&t, "{\"allOf\":["); /* choices that multiply */
    for (int i = 0; i < 20; i++)
        add(&t, i ? ",{\"anyOf\":[{\"minLength\":1},{\"maxLength\":9}]}" : "{\"anyOf\":[{\"minLength\":1},{\"maxLength\":9}]}");
    add(&t, "]}");
    assert_int_equal(compile_text(&t), TSR_ERR_LIMIT);
    add(&t, "{\"type\":\"string\",\"maxLength\":5000,\"allOf\":[{\"pattern\":\"a.{500}b\"},{\"pattern\":\"c.{500}d\"}]}");
    assert_int_equal(compile_text(&t), TSR_ERR_LIMIT); /* patterns that multiply */
    add(&t, "{\"$defs\":{"); /* lists that refer to each other, compared for oneOf */
    for (int i = 0; i < 8; i++) {
        snprintf(line, sizeof line, "\"n%d\":{\"oneOf\":[{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"$ref\":"
                 "\"#/$defs/n%d\"}}},{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"$ref\":\"#/$defs/n%d\"}}}]},",
                 i, (i + 1) % 8, (i + 3) % 8);
        add(&t, line);
    }
    add(&t, "\"x\":true},\"$ref\":\"#/$defs/n0\"}");
    tsr_status st = compile_text(&t);
    assert_true(st == TSR_ERR_UNSUPPORTED || st == TSR_ERR_LIMIT);
}

static void large_schemas_compile(void **state)
{
    tsr_text t = {0};
    char line[200];
    (void)state;
    add(&t, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 300; i++) {
        snprintf(line, sizeof line, "%s\"key %d\":{\"type\":\"string\",\"pattern\":\"^[a-z]{1,20}$\",\"maxLength\":%d}", i ? "," : "",
                 i, 5 + i % 10);
        add(&t, line);
    }
    add(&t, "},\"required\":[\"key 299\"],\"additionalProperties\":{\"enum\":[");
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "%s\"value %d\"", i ? "," : "", i * 7);
        add(&t, line);
    }
    add(&t, "]}}");
    tsr_grammar *g;
    assert_int_equal(tsr_grammar_from_schema(&g, t.at, t.len, "test", NULL), TSR_OK);
    assert_true(matches(g, "{\"key 0\":\"abcde\",\"key 150\":\"q\",\"key 299\":\"z\",\"key 300\":\"value 6993\"}"));
    assert_false(matches(g, "{\"key 299\":\"z\",\"key 300\":\"value 1\"}"));
    tsr_grammar_close(g);
    tsr_text_deinit(&t);
}

static void each_failed_allocation_is_told(void **state)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"^[^x]{2}y\",\"maxLength\":5},\"b\":{\"oneOf\":[{\"type\":"
        "\"integer\",\"minimum\":3},{\"enum\":[\"x\",[null]]}]}},\"required\":[\"a\"],\"allOf\":[{\"$ref\":\"#/$defs/d\"}],"
        "\"$defs\":{\"d\":{\"additionalProperties\":{\"prefixItems\":[{\"format\":\"uuid\"}]}}}}";
    (void)state;
    for (size_t k = 1;; k += 1 + k / 50) {
        tsr_error err = {0};
        tsr_grammar *g;
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_grammar_from_schema(&g, schema, sizeof schema - 1, "test", &err);
        tsr_alloc_fail_at(0);
        tsr_grammar_close(g);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_error(&err, TSR_ERR_NOMEM, NULL, NULL);
        assert_null(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keyword_is_held_to),
        cmocka_unit_test(what_cannot_be_held_to_is_refused_by_name),
        cmocka_unit_test(white_space_is_one_blank_or_one_line_at_most),
        cmocka_unit_test(each_string_has_one_spelling),
        cmocka_unit_test(numbers_end),
        cmocka_unit_test(numbers_between_bounds_are_those_of_arithmetic),
        cmocka_unit_test(hostile_schemas_end_soon),
        cmocka_unit_test(large_schemas_compile),
        cmocka_unit_test(each_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
