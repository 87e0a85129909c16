/* Where values stand on a page: by words that are made here. */
#include "test_main.h"

#include <stdio.h>

#include "page_fields.h"
#include "page_layer.h"
#include "tsr_alloc.h"

enum { MAX_WORDS = 64 };

typedef struct made {
    tsr_page_text t;
    tsr_page_word words[MAX_WORDS];
    tsr_page_line lines[MAX_WORDS];
    tsr_page_block blocks[MAX_WORDS];
    char chars[1024];
} made;

/* Words between spaces; '\n' ends a line, '|' a block. The i-th word is 8 points wide, at x = 10 * i, y = 20 * line. */
static void make(made *m, const char *text)
{
    memset(m, 0, sizeof *m);
    m->t = (tsr_page_text){.width = 700, .height = 900, .words = m->words, .lines = m->lines, .blocks = m->blocks, .chars = m->chars};
    snprintf(m->chars, sizeof m->chars, "%s", text);
    m->t.n_blocks = m->t.n_lines = 1;
    for (char *at = m->chars; *at;) {
        size_t n = strcspn(at, " \n|"), l = m->t.n_lines - 1;
        char end = at[n];
        m->words[m->t.n_words] = (tsr_page_word){.text = at, .len = n,
                                                 .box = {10.0 * (double)m->t.n_words, 20.0 * (double)l,
                                                         10.0 * (double)m->t.n_words + 8, 20.0 * (double)l + 12}};
        m->t.n_words++;
        m->lines[l].n++;
        m->blocks[m->t.n_blocks - 1].n = l + 1 - m->blocks[m->t.n_blocks - 1].first;
        if (end == '\n' || end == '|') {
            m->lines[l + 1].first = m->t.n_words;
            m->t.n_lines++;
        }
        if (end == '|') {
            m->blocks[m->t.n_blocks].first = l + 1;
            m->t.n_blocks++;
        }
        at[n] = '\0';
        at += n + (end != '\0');
    }
}

static tsr_json *find(const char *json, const tsr_page_text *t, size_t page)
{
    tsr_json *value, *fields = NULL;
    tsr_error e = {TSR_OK, ""};
    if (tsr_json_parse(&value, json, strlen(json), "value", &e) != TSR_OK ||
        tsri_fields_find(&fields, value, t, page, &e) != TSR_OK)
        fail_msg("%s: %s", json, e.text);
    tsr_json_free(value);
    return fields;
}

static void values_are_found_in_one_of_four_ways(void **state)
{
    static const struct {
        const char *text, *value, *match;
        int first_x, last_x; /* of the box; -1: none */
        size_t n;
    } rows[] = {
        {"Invoice 2041 of May", "\"2041\"", "exact", 10, 18, 1},
        {"Invoice 2041 of May", "\"Invoice 2041\"", "exact", 0, 18, 1},
        {"Invoice 2041 of May", "2041", "exact", 10, 18, 1},
        {"to Ada\nExample here", "\"Ada Example\"", "exact", 10, 28, 1},
        {"to ADA Example", "\"ada  example\"", "folded", 10, 28, 1},
        {"\xef\xac\x81re \xe2\x80\x93 it\xe2\x80\x99s", "\"Fire - it's\"", "folded", 0, 28, 1},
        {"to Ada Example, here", "\"Ada Example\"", "part", 10, 28, 1},
        {"No.2041 x", "\"2041\"", "part", 0, 8, 1},
        {"sum \xe2\x82\xac""74.74", "\"74.74\"", "part", 10, 18, 1},
        {"sum 74.74", "\"74\"", NULL, -1, -1, 0},
        {"sum 74.74", "4.7", NULL, -1, -1, 0},
        {"Kitemaker", "\"Kite\"", NULL, -1, -1, 0},
        {"one|two", "\"one two\"", NULL, -1, -1, 0},
        {"a 2 b 2. c 2", "2", "exact", 10, 18, 2},
        {"sum 12.50", "12.5", "number", 10, 18, 1},
        {"sum 1,234.50 x", "1234.5", "number", 10, 18, 1},
        {"sum 1.234,50 x", "1234.5", "number", 10, 18, 1},
        {"sum 1,234 1,234,567", "1234", "number", 10, 18, 1},
        {"sum 1,234 1,234,567", "1234567", "number", 20, 28, 1},
        {"sum 12,50 (-7%)", "-7", "part", 20, 28, 1},
        {"loss -7,50", "-7.5", "number", 10, 18, 1},
        {"loss 7,50", "-7.5", NULL, -1, -1, 0},
        {"B7,50 1.2.3", "7.5", NULL, -1, -1, 0},
        {"x", "\"\"", NULL, -1, -1, 0},
        {"x", "\" \\u0000\"", NULL, -1, -1, 0},
        {"x", "\"a value longer than the whole page\"", NULL, -1, -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        made m;
        make(&m, rows[i].text);
        tsr_json *fields = find(rows[i].value, &m.t, 3);
        const tsr_json *f = tsr_json_at(fields, 0), *box = tsr_json_get(f, "box");
        const char *match = tsr_json_string(tsr_json_get(f, "match"), NULL);
        double x0 = -1, x1 = -1;
        size_t n = 9, page = 0;
        tsr_json_to_double(tsr_json_at(box, 0), &x0);
        tsr_json_to_double(tsr_json_at(box, 2), &x1);
        tsr_json_to_size(tsr_json_get(f, "occurrences"), &n);
        if ((match == NULL) != (rows[i].match == NULL) || (match && strcmp(match, rows[i].match) != 0) ||
            (int)x0 != rows[i].first_x || (int)x1 != rows[i].last_x || n != rows[i].n)
            fail_msg("row %zu: %s in '%s': %s, %g to %g, %zu times", i, rows[i].value, rows[i].text, match ? match : "null", x0, x1, n);
        assert_true(match || tsr_json_is_null(box));
        assert_true(tsr_json_to_size(tsr_json_get(f, "page"), &page) && page == 3);
        tsr_json_free(fields);
    }
}

static void paths_lead_to_every_text_and_number(void **state)
{
    made m;
    (void)state;
    make(&m, "Ada 7 x");
    tsr_json *fields = find("{\"a/b~\": [\"Ada\", {\"n\": 7}], \"t\": true, \"z\": null, \"s\": \"Eve\"}", &m.t, 0);
    static const char *const paths[] = {"/a~1b~0/0", "/a~1b~0/1/n", "/s"};
    assert_int_equal(tsr_json_len(fields), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(fields, i), "path"), NULL), paths[i]);
    assert_null(tsr_json_get(tsr_json_at(fields, 0), "page"));
    assert_true(tsr_json_is_null(tsr_json_get(tsr_json_at(fields, 2), "box")));
    tsr_json_free(fields);
    fields = find("\"Ada\"", NULL, 1); /* a scan */
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(fields, 0), "path"), NULL), "");
    assert_true(tsr_json_is_null(tsr_json_get(tsr_json_at(fields, 0), "match")));
    tsr_json_free(fields);
}

static void a_layer_is_cut_between_lines(void **state)
{
    static const struct {
        size_t most;
        const char *text;
    } rows[] = {{100, "a bc\nd\n\nef\n"}, {11, "a bc\nd\n\nef\n"}, {10, "a bc\nd\n"}, {7, "a bc\nd\n"}, {6, "a bc\n"}, {4, ""}, {0, ""}};
    made m;
    (void)state;
    make(&m, "a bc\nd|ef");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsr_text text = {0};
        size_t n;
        assert_int_equal(tsri_layer_text(&text, &m.t, rows[i].most, &n, NULL), TSR_OK);
        assert_int_equal(n, 11);
        assert_int_equal(text.len, strlen(rows[i].text));
        assert_true(text.len == 0 || memcmp(text.at, rows[i].text, text.len) == 0);
        tsr_text_deinit(&text);
    }
}

static void memory_may_run_short_anywhere(void **state)
{
    made m;
    tsr_json *value, *fields = NULL;
    static const char json[] = "{\"a\": [\"Ada Example\", 12.5], \"b\": \"x\"}";
    (void)state;
    make(&m, "to Ada Example, 12.50");
    assert_int_equal(tsr_json_parse(&value, json, sizeof json - 1, "value", NULL), TSR_OK);
    size_t live = tsr_alloc_live(), k = 0;
    tsr_status st;
    do {
        tsr_alloc_fail_at(++k);
        st = tsri_fields_find(&fields, value, &m.t, 1, NULL);
        tsr_alloc_fail_at(0);
        assert_true(st == TSR_OK || st == TSR_ERR_NOMEM);
        assert_true((fields != NULL) == (st == TSR_OK));
        tsr_json_free(fields);
        assert_int_equal(tsr_alloc_live(), live);
    } while (st != TSR_OK);
    assert_true(k > 10);
    tsr_json_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_in_one_of_four_ways),
        cmocka_unit_test(paths_lead_to_every_text_and_number),
        cmocka_unit_test(a_layer_is_cut_between_lines),
        cmocka_unit_test(memory_may_run_short_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
