/* Answers become boxes: shapes of JSON that are taken, corrections that are told, pixels, and texts that are refused. */
#include "test_main.h"

#include <stdio.h>

#include "boxes.h"
#include "tsr_alloc.h"

static tsri_boxes parse(const char *text, size_t width, size_t height)
{
    tsri_boxes b;
    tsr_error e = {TSR_OK, ""};
    if (tsri_boxes_parse(&b, text, strlen(text), width, height, &e) != TSR_OK)
        fail_msg("%s: %s", text, e.text);
    return b;
}

/* "label:x1,y1,x2,y2 ..." of boxes, "label:x,y" of points. */
static void describe(char *buf, size_t size, const tsri_boxes *b)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < b->n && at < size; i++) {
        const size_t *p = b->at[i].xyxy;
        at += (size_t)snprintf(buf + at, size - at, "%s%s:%zu,%zu", i ? " " : "", b->at[i].label, p[0], p[1]);
        if (!b->at[i].is_point && at < size)
            at += (size_t)snprintf(buf + at, size - at, ",%zu,%zu", p[2], p[3]);
    }
}

typedef struct sample {
    const char *text, *boxes; /* of a picture of 400 x 200 */
    size_t n_corrections;
    const char *told; /* part of the first correction, or NULL */
} sample;

static const sample good[] = {
    {"```json\n[{\"box_2d\": [100, 250, 500, 750], \"label\": \"cat\"}]\n```", "cat:100,20,300,100", 0, NULL},
    {"[{\"box_2d\": [100, 250, 500, 750], \"label\": \"cat\"}]", "cat:100,20,300,100", 0, NULL},
    {"  {\"box_2d\": [0, 0, 1000, 1000], \"label\": \"all\"}\n", "all:0,0,400,200", 0, NULL},
    {"```\n[{\"label\": \"a\", \"box_2d\": [10.4, 0, 500, 500.0], \"score\": 0.9}]", "a:0,2,200,100", 0, NULL},
    {"[]", "", 0, NULL},
    {"```json\n[]\n```", "", 0, NULL},
    {"{\"objects\": [{\"box_2d\": [0,0,500,500], \"label\": \"a\"}], \"n\": 1}", "a:0,0,200,100", 0, NULL},
    {"[[{\"box_2d\": [0,0,500,500], \"label\": \"a\"}]]", "a:0,0,200,100", 0, NULL},
    {"[{\"box_2d\": [[0,0,500,500],[500,500,1000,1000]], \"label\": \"a\"}]", "a:0,0,200,100 a:200,100,400,200", 0, NULL},
    {"{\"box_2d\": [0,0,500,500], \"label\": \"a\"},\n{\"box_2d\": [0,0,500,500], \"label\": \"b\"}",
     "a:0,0,200,100 b:0,0,200,100", 0, NULL},
    {"[{\"point\": [500, 250], \"label\": \"ear\"}, {\"point\": [1000, 1000], \"label\": \"end\"}]", "ear:100,100 end:399,199",
     0, NULL},
    {"[{\"box_2d\": [500, 0, 100, 500], \"label\": \"a\"}]", "a:0,20,200,100", 1, "entry 1 (a): y1 and y2 were swapped"},
    {"[{\"box_2d\": [100, 500, 500, 0], \"label\": \"a\"}]", "a:0,20,200,100", 1, "x1 and x2 were swapped"},
    {"[{\"box_2d\": [500, 500, 100, 0], \"label\": \"a\"}]", "a:0,20,200,100", 1, "y1 and y2, x1 and x2"},
    {"[{\"box_2d\": [-5, -1e300, 500, 1e300], \"label\": \"a\"}]", "a:0,0,400,100", 1, "clamped"},
    {"[{\"box_2d\": [0, 0, 123456789012345678901234567890, 500], \"label\": \"a\"}]", "a:0,0,200,200", 1, "clamped"},
    {"[{\"box_2d\": [5, 5, 5, 900], \"label\": \"a\"}]", "", 1, "no area"},
    {"[{\"box_2d\": [1100, 5, 1200, 900], \"label\": \"a\"}]", "", 2, "clamped"},
    {"[{\"box_2d\": [0, 0, 1, 1], \"label\": \"dot\"}]", "dot:0,0,1,1", 0, NULL},
    {"[{\"box_2d\": [999.9, 999.9, 1000, 1000], \"label\": \"dot\"}]", "dot:399,199,400,200", 0, NULL},
    {"[{\"box_2d\": [0,0,500,500], \"label\": \"a\"}, {\"box_2d\": [0,0,500,501], \"label\": \"a\"}, "
     "{\"box_2d\": [0,0,500,500], \"label\": \"b\"}]",
     "a:0,0,200,100 b:0,0,200,100", 1, "entry 2 (a): left out, it repeats"},
    {"[{\"box_2d\": [0,0,500,500]}]", ":0,0,200,100", 1, "entry 1: has no label"},
    {"[{\"box_2d\": [0,0,500], \"label\": \"a\"}]", "", 1, "four numbers"},
    {"[{\"box_2d\": [0,0,500,\"7\"], \"label\": \"a\"}]", "", 1, "four numbers"},
    {"[{\"box_2d\": [0,0,500,null], \"label\": \"a\"}]", "", 1, "four numbers"},
    {"[{\"point\": [0,0,5], \"label\": \"a\"}]", "", 1, "two numbers"},
    {"[7, {\"box_2d\": [0,0,500,500], \"label\": \"a\"}]", "a:0,0,200,100", 1, "entry 1: left out, it is no object"},
    {"[{\"label\": \"q\"}, {\"box_2d\": [0,0,500,500], \"label\": \"a\"}]", "a:0,0,200,100", 1, "entry 1 (q): left out"},
    {"Here you are:\n```json\n[{\"box_2d\": [0,0,500,500], \"label\": \"a\"}]\n```\nBye [x].", "a:0,0,200,100", 1, "text beside"},
    {"[{\"box_2d\": [0,0,500,500], \"label\": \"<b>\\u001b[31m\\u0000\\\"]}\"}]", "<b>\033[31m:0,0,200,100", 0, NULL},
    {"[{\"box_2d\": [9,0,5,500], \"label\": \"\\u001b[31mred\"}]", "\033[31mred:0,1,200,2", 1, "(\\x1b[31mred)"},
};

static void answers_of_many_shapes_are_read_and_corrections_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char have[256];
        tsri_boxes b = parse(good[i].text, 400, 200);
        describe(have, sizeof have, &b);
        if (strcmp(have, good[i].boxes) != 0)
            fail_msg("%s: wanted '%s', got '%s'", good[i].text, good[i].boxes, have);
        const char *first = tsr_json_string(tsr_json_at(b.corrections, 0), NULL);
        if (tsr_json_len(b.corrections) != good[i].n_corrections ||
            (good[i].told && !strstr(first, good[i].told)))
            fail_msg("%s: %zu corrections, the first: %s", good[i].text, tsr_json_len(b.corrections), first ? first : "");
        tsri_boxes_deinit(&b);
    }
}

static void what_is_no_list_of_boxes_is_refused_with_its_text(void **state)
{
    static const char *const bad[][2] = {
        {"", "(nothing)"},
        {"I see a cat.", "I see a cat."},
        {"```json\n```", "```json"},
        {"[{\"box_2d\": [0, 0, 5", "[{\"box_2d\": [0, 0, 5"},
        {"[{\"box_2d\": [0, 0, 5, NaN]}]", "NaN"},
        {"[{\"box_2d\": [0, 0, 5, Infinity]}]", "Infinity"},
        {"[{\"box_2d\": [0, 0, 5, 1e999]}]", "1e999"},
        {"[{\"label\": \"cat\"}]", "has a box_2d"},
        {"[1, 2, 3, 4]", "has a box_2d"},
        {"{\"label\": \"a\", \"label\": \"b\"}", "duplicate"},
        {"[{\"a\": \033[31m", "\\x1b[31m"},
        {"]]]]}}}", "]]]]}}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsri_boxes b;
        tsr_error e = {TSR_OK, ""};
        size_t live = tsr_alloc_live();
        if (tsri_boxes_parse(&b, bad[i][0], strlen(bad[i][0]), 40, 20, &e) == TSR_OK)
            fail_msg("%s: was taken", bad[i][0]);
        assert_error(&e, TSR_ERR_DATA, "is no list of boxes", bad[i][1]);
        assert_null(b.at);
        assert_int_equal(tsr_alloc_live(), live);
    }
}

static void any_cut_and_any_flipped_byte_gives_boxes_or_an_error(void **state)
{
    static const char text[] = "x ```json\n[{\"box_2d\": [900, 0, 5, 1500], \"label\": \"a\\u00e9\\\"\"}, {\"point\": [1, 2]}, "
                               "{\"o\": [{\"box_2d\": [[1,2,3,4]]}]}]\n``` y";
    (void)state;
    for (size_t n = 0; n < sizeof text; n++)
        for (int flip = 0; flip < 256; flip += n == sizeof text - 1 ? 256 : 15) {
            char *exact = malloc(n + 1); /* reading past it is seen by the sanitizer */
            assert_non_null(exact);
            memcpy(exact, text, n);
            if (n)
                exact[n - 1] = (char)(exact[n - 1] ^ flip);
            tsri_boxes b;
            tsr_error e = {TSR_OK, ""};
            tsr_status st = tsri_boxes_parse(&b, exact, n, 7, 1, &e);
            assert_true(st == TSR_OK || (st == TSR_ERR_DATA && e.text[0]));
            tsri_boxes_deinit(&b);
            free(exact);
        }
}

static void deep_nesting_is_left_out(void **state)
{
    (void)state;
    char text[1100];
    memset(text, '[', 500);
    memset(text + 500, ']', 500);
    text[1000] = '\0';
    tsri_boxes b;
    tsr_error e = {TSR_OK, ""};
    assert_int_equal(tsri_boxes_parse(&b, text, 1000, 4, 2, &e), TSR_ERR_DATA);
    memset(text, '[', 1000);
    assert_int_equal(tsri_boxes_parse(&b, text, 1000, 4, 2, &e), TSR_ERR_DATA);
}

static char *many(size_t n)
{
    char *text = malloc(n * 80 + 16);
    size_t at = 1;
    assert_non_null(text);
    text[0] = '[';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, 80, "%s{\"box_2d\": [%zu, %zu, %zu, %zu], \"label\": \"a\"}", i ? "," : "",
                               i / 150 * 5, i % 150 * 5, i / 150 * 5 + 4, i % 150 * 5 + 4);
    text[at] = ']';
    text[at + 1] = '\0';
    return text;
}

static void ten_thousand_boxes_are_kept_and_too_many_refused(void **state)
{
    (void)state;
    char *text = many(10000);
    tsri_boxes b = parse(text, 30000, 20000);
    assert_int_equal(b.n, 10000);
    assert_int_equal(tsr_json_len(b.corrections), 0);
    tsri_boxes_deinit(&b);
    free(text);
    tsr_error e = {TSR_OK, ""};
    text = many(TSRI_MAX_BOXES + 1);
    assert_int_equal(tsri_boxes_parse(&b, text, strlen(text), 30000, 20000, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "10000 boxes", NULL);
    free(text);
}

static void memory_may_run_short_anywhere(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live(), k = 0;
    tsr_status st;
    do {
        tsri_boxes b;
        tsr_error e = {TSR_OK, ""};
        tsr_alloc_fail_at(++k);
        st = tsri_boxes_parse(&b, good[20].text, strlen(good[20].text), 400, 200, &e);
        tsr_alloc_fail_at(0);
        assert_true(st == TSR_OK || st == TSR_ERR_NOMEM);
        tsri_boxes_deinit(&b);
        assert_int_equal(tsr_alloc_live(), live);
    } while (st != TSR_OK);
    assert_true(k > 5);
}

static void a_box_is_told_as_it_was_given_and_in_pixels(void **state)
{
    (void)state;
    char *json;
    tsri_boxes b = parse("[{\"box_2d\": [500.5, 0, 100, 1200], \"label\": \"a\\u0000b\"}, {\"point\": [1, 2], \"label\": \"p\"}]", 400,
                         200);
    tsr_json *box = tsri_box_json(&b.at[0]), *point = tsri_box_json(&b.at[1]);
    assert_int_equal(tsr_json_dump(&json, box, 0, NULL), TSR_OK);
    assert_string_equal(json, "{\"label\":\"a\\u0000b\",\"box_2d\":[500.5,0,100,1200],\"xyxy\":[0,20,400,100]}");
    tsr_free(json);
    assert_int_equal(tsr_json_dump(&json, point, 0, NULL), TSR_OK);
    assert_string_equal(json, "{\"label\":\"p\",\"point\":[1,2],\"xy\":[1,0]}");
    tsr_free(json);
    tsr_json_free(box);
    tsr_json_free(point);
    tsri_boxes_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_many_shapes_are_read_and_corrections_told),
        cmocka_unit_test(what_is_no_list_of_boxes_is_refused_with_its_text),
        cmocka_unit_test(any_cut_and_any_flipped_byte_gives_boxes_or_an_error),
        cmocka_unit_test(deep_nesting_is_left_out),
        cmocka_unit_test(ten_thousand_boxes_are_kept_and_too_many_refused),
        cmocka_unit_test(memory_may_run_short_anywhere),
        cmocka_unit_test(a_box_is_told_as_it_was_given_and_in_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
