/* test_film_cli.c: films and pages as people ask about them, with the small model: plans, windows, sheets, frames at scenes;
 * read, and answers by a schema or a grammar. What the model says is its own affair. */
#include <stdio.h>

#include "program.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_json.h"

#define run(...) program_run(test_root, __VA_ARGS__)
#define MODEL "-m|" TSR_SOURCE_DIR "/models/nano"
#define CUTS TSR_SOURCE_DIR "/tests/media/fixtures_streams/cuts.mp4"
#define BALL TSR_SOURCE_DIR "/samples/ball.mp4"
#define INVOICE TSR_SOURCE_DIR "/samples/invoice.pdf"
#define EMPTY_SCHEMA "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}},\"required\":[\"ok\"],\"additionalProperties\":false}"

static tsr_json *json_of(const outcome *o)
{
    tsr_json *v;
    tsr_error e = {0};
    if (tsr_json_parse(&v, o->out, o->out_len, "output", &e) != TSR_OK)
        fail_msg("%s: %s", e.text, o->out);
    return v;
}

static size_t size_at(const tsr_json *v, const char *key)
{
    size_t n = 0;
    if (!tsr_json_to_size(tsr_json_get(v, key), &n))
        fail_msg("no number '%s'", key);
    return n;
}

static double number(const tsr_json *list, size_t i)
{
    double x = -1;
    assert_true(tsr_json_to_double(tsr_json_at(list, i), &x));
    return x;
}

/* ---- films ---- */

static void a_plan_tells_the_moments_of_frames_at_scenes(void **state)
{
    (void)state;
    outcome o = run("ask|" MODEL "|" CUTS "|--frames|auto|--fps|0.5|--plan|what?");
    program_expect(&o, 0, "");
    assert_non_null(strstr(o.out, "3 cuts found; frames at\n  00:00.0 00:01.4 "));
    assert_non_null(strstr(o.out, " 00:06.2 00:08.0"));
    forget(&o);
    o = run("caption|" MODEL "|" CUTS "|--frames|auto|--fps|0.5|--plan|--chapters|--json");
    program_expect(&o, 0, "");
    tsr_json *v = json_of(&o);
    const tsr_json *film = tsr_json_at(tsr_json_get(v, "films"), 0);
    assert_int_equal(tsr_json_len(tsr_json_get(film, "times")), 5);
    assert_int_equal(size_at(film, "frames"), 5);
    assert_int_equal(size_at(film, "cuts"), 3);
    tsr_json_free(v);
    forget(&o);
}

static void the_answer_has_the_planned_moments(void **state)
{
    (void)state;
    outcome plan = run("ask|" MODEL "|" CUTS "|--frames|auto|--fps|0.5|--plan|--json|what?");
    outcome o = run("ask|" MODEL "|" CUTS "|--frames|auto|--fps|0.5|--json|-n|4|what?");
    program_expect(&plan, 0, "");
    program_expect(&o, 0, "");
    tsr_json *p = json_of(&plan), *v = json_of(&o);
    const tsr_json *want = tsr_json_get(tsr_json_at(tsr_json_get(p, "films"), 0), "times");
    const tsr_json *got = tsr_json_get(tsr_json_at(tsr_json_get(v, "media"), 0), "frame_times");
    assert_int_equal(tsr_json_len(got), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(number(got, i) == number(want, i));
    tsr_json_free(p);
    tsr_json_free(v);
    forget(&plan);
    forget(&o);
}

static void what_frames_can_not_be_is_wrong_usage(void **state)
{
    (void)state;
    outcome o = run("ask|" MODEL "|" CUTS "|--frames|some|what?");
    program_expect(&o, 2, "--frames");
    forget(&o);
    o = run("ask|" MODEL "|" CUTS "|--frames|auto|--sampler|hf|what?");
    program_expect(&o, 2, "--sampler hf");
    forget(&o);
}

/* ---- pages ---- */

static void read_gives_text_and_files_whole_or_not_at_all(void **state)
{
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "page.md"));
    outcome o = run("read|" MODEL "|" INVOICE "|-n|16|--budget|70"), f = run("read|" MODEL "|" INVOICE "|-n|16|--budget|70|-o|%s", path);
    program_expect(&o, o.code == 65 ? 65 : 0, o.code == 65 ? "cut off" : ""); /* the small model may end sooner */
    assert_int_equal(f.code, o.code);
    assert_true(o.out_len > 0 && f.out_len == 0);
    size_t n;
    unsigned char *written = test_read_file(path, &n);
    assert_true(n == o.out_len && memcmp(written, o.out, n) == 0);
    free(written);
    forget(&o);
    forget(&f);
    o = run("read|" MODEL "|" INVOICE "|-n|8|-o|" INVOICE);
    program_expect(&o, 2, "written over a file that is read");
    forget(&o);
}

static void pages_that_can_not_be_read_have_exit_codes(void **state)
{
    static const struct {
        const char *line, *says;
        int code;
    } rows[] = {
        {"read|" MODEL, "at least one FILE", 2},
        {"read|" MODEL "|/no/such.pdf", "/no/such.pdf", 66},
        {"read|" MODEL "|" INVOICE "|--pages|7", "7", 2},
        {"read|" MODEL "|" INVOICE "|--format|json", "schema", 2},
        {"read|" MODEL "|" INVOICE "|--format|txt|--schema|" EMPTY_SCHEMA, "schema", 2},
        {"read|" MODEL "|" BALL, "is a film", 65},
        {"read|" MODEL "|" TSR_SOURCE_DIR "/README.md", "README.md", 65},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        outcome o = run("%s", rows[i].line);
        program_expect(&o, rows[i].code, rows[i].says);
        assert_string_equal(o.out, "");
        forget(&o);
    }
}

static void read_by_a_schema_gives_its_value(void **state)
{
    (void)state;
    outcome o = run("read|" MODEL "|" INVOICE "|--budget|70|--schema|%s", EMPTY_SCHEMA);
    program_expect(&o, 0, "");
    tsr_json *v = json_of(&o);
    const tsr_json *value = tsr_json_get(tsr_json_at(v, 0), "value");
    assert_int_equal(tsr_json_len(value), 1);
    assert_non_null(tsr_json_get(value, "ok"));
    tsr_json_free(v);
    forget(&o);
}

/* ---- schemas and grammars ---- */

static void an_answer_by_a_schema_is_its_json(void **state)
{
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "schema.json"));
    test_write_file(path, EMPTY_SCHEMA, strlen(EMPTY_SCHEMA));
    outcome o = run("ask|" MODEL "|--temperature|0|--schema|%s|yes?", path), p = run("ask|" MODEL "|--temperature|0|--schema|" EMPTY_SCHEMA "|yes?");
    program_expect(&o, 0, "");
    program_expect(&p, 0, "");
    assert_string_equal(o.out, p.out);
    tsr_json *v = json_of(&o);
    assert_non_null(tsr_json_get(v, "ok"));
    tsr_json_free(v);
    forget(&o);
    forget(&p);
}

static void an_answer_by_a_grammar_is_of_it(void **state)
{
    static const char grammar[] = "root ::= \"left\" | \"right\"\n";
    char path[512], bad[512];
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "g.gbnf"));
    snprintf(bad, sizeof bad, "%s", test_path(test_root, "bad.gbnf"));
    test_write_file(path, grammar, sizeof grammar - 1);
    test_write_file(bad, "root ::= nothing\n", 17);
    outcome o = run("ask|" MODEL "|--grammar|%s|where?", path);
    program_expect(&o, 0, "");
    assert_true(strcmp(o.out, "left\n") == 0 || strcmp(o.out, "right\n") == 0);
    forget(&o);
    o = run("ask|" MODEL "|--grammar|%s|where?", bad);
    program_expect(&o, 2, "bad.gbnf");
    forget(&o);
    o = run("ask|" MODEL "|--grammar|/no/such.gbnf|where?");
    program_expect(&o, 66, "/no/such.gbnf");
    forget(&o);
    o = run("ask|" MODEL "|--grammar|%s|--schema|{}|where?", path);
    program_expect(&o, 2, "exclude each other");
    forget(&o);
    o = run("ask|" MODEL "|--schema|{\"type\":7}|where?");
    program_expect(&o, 2, "type");
    forget(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_tells_the_moments_of_frames_at_scenes),
        cmocka_unit_test(the_answer_has_the_planned_moments),
        cmocka_unit_test(what_frames_can_not_be_is_wrong_usage),
        cmocka_unit_test(read_gives_text_and_files_whole_or_not_at_all),
        cmocka_unit_test(pages_that_can_not_be_read_have_exit_codes),
        cmocka_unit_test(read_by_a_schema_gives_its_value),
        cmocka_unit_test(an_answer_by_a_schema_is_its_json),
        cmocka_unit_test(an_answer_by_a_grammar_is_of_it),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
