/* test_structure.c: schemas and grammars in requests, on a tiny model whose answers mean nothing: the form alone holds. */
#include <stdio.h>

#include "common/test_main.h"
#include "common/test_tmp.h"
#include "hash_model.h"
#include "recipes.h"
#include "tessera.h"
#include "tsr_json.h"

static char *root;
static tessera_model *model;
static const tessera_part part = {.kind = TESSERA_PART_TEXT, .text = "Hello"};

static tessera_request request(void)
{
    tessera_request rq = tessera_request_default();
    rq.parts = &part;
    rq.n_parts = 1;
    rq.max_tokens = 40;
    rq.temperature = 1;
    rq.seed_set = 1;
    return rq;
}

static tessera_result *must_run(const tessera_request *rq)
{
    tessera_error err = {0};
    tessera_result *r;
    if (tessera_run(model, rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return r;
}

static void an_answer_satisfies_its_schema(void **state)
{
    tessera_request rq = request();
    (void)state;
    rq.schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}},"
                "\"required\":[\"a\",\"n\"],\"additionalProperties\":false}";
    for (rq.seed = 1; rq.seed <= 5; rq.seed++) {
        tessera_result *r = must_run(&rq);
        const char *text = tessera_result_text(r);
        tsr_json *v;
        if (tsr_json_parse(&v, text, strlen(text), "answer", NULL) != TSR_OK)
            fail_msg("no JSON: %s", text);
        assert_true(tsr_json_is_string(tsr_json_get(v, "a")) && tsr_json_is_integer(tsr_json_get(v, "n")));
        assert_int_equal(tsr_json_len(v), 2);
        tsr_json_free(v);
        tessera_result_free(r);
    }
}

static void the_result_names_the_grammar(void **state)
{
    tessera_request rq = request();
    char *text;
    tsr_json *v;
    bool closed = true;
    (void)state;
    rq.grammar = "root ::= \"yes\" | \"no\"";
    rq.grammar_name = "answer.gbnf";
    rq.temperature = 0;
    tessera_result *r = must_run(&rq);
    assert_true(strcmp(tessera_result_text(r), "yes") == 0 || strcmp(tessera_result_text(r), "no") == 0);
    assert_string_equal(tessera_result_finish_reason(r), "stop");
    assert_int_equal(tessera_result_json(r, &text, NULL), TESSERA_OK);
    assert_int_equal(tsr_json_parse(&v, text, strlen(text), "result", NULL), TSR_OK);
    const tsr_json *g = tsr_json_get(v, "grammar");
    assert_string_equal(tsr_json_string(tsr_json_get(g, "kind"), NULL), "gbnf");
    assert_string_equal(tsr_json_string(tsr_json_get(g, "name"), NULL), "answer.gbnf");
    assert_true(tsr_json_to_bool(tsr_json_get(g, "closed_early"), &closed) && !closed);
    tsr_json_free(v);
    tessera_free(text);
    tessera_result_free(r);
}

static void an_answer_that_would_go_on_is_closed_and_told(void **state)
{
    tessera_request rq = request();
    char *text;
    (void)state;
    rq.grammar = "root ::= \"(\" [a-z ]{1000,2000} \")\" | \"(\" [a-z]* \")\"";
    rq.max_tokens = 10;
    tessera_result *r = must_run(&rq);
    const char *answer = tessera_result_text(r);
    assert_true(answer[0] == '(' && answer[strlen(answer) - 1] == ')');
    assert_int_equal(tessera_result_json(r, &text, NULL), TESSERA_OK);
    if (strcmp(tessera_result_finish_reason(r), "length") == 0)
        assert_true(strstr(text, "\"closed_early\":true") && strstr(text, "the tokens ran out"));
    tessera_free(text);
    tessera_result_free(r);
}

static void expect(const tessera_request *rq, tessera_status st, const char *says)
{
    tessera_error err = {0};
    tessera_result *r;
    tessera_status got = tessera_run(model, rq, NULL, NULL, &r, &err);
    if (got != st || !strstr(err.text, says))
        fail_msg("wanted %d with '%s', got %d: %s", (int)st, says, (int)got, err.text);
}

static void what_cannot_be_is_refused(void **state)
{
    static const char *const stops[] = {"x"};
    tessera_request rq = request();
    (void)state;
    rq.schema = "{\"type\":\"array\",\"uniqueItems\":true}";
    expect(&rq, TESSERA_ERR_UNSUPPORTED, "schema: #/uniqueItems");
    rq.schema = "{\"type\":\"string\",\"minLength\":40000}";
    expect(&rq, TESSERA_ERR_USAGE, "the shortest answer that the grammar permits");
    rq.schema = "{";
    expect(&rq, TESSERA_ERR_USAGE, "schema");
    rq.schema = "true";
    rq.stop = stops;
    rq.n_stop = 1;
    expect(&rq, TESSERA_ERR_USAGE, "a schema and stop strings exclude each other");
    rq.n_stop = 0;
    rq.tools = "[]";
    expect(&rq, TESSERA_ERR_USAGE, "a schema and tools exclude each other");
    rq.tools = NULL;
    rq.grammar = "root ::= \"x\"";
    expect(&rq, TESSERA_ERR_USAGE, "exclude each other");
    rq.schema = NULL;
    rq.grammar = "root ::= x";
    rq.grammar_name = "my.gbnf";
    expect(&rq, TESSERA_ERR_USAGE, "my.gbnf: line 1, column 10: a rule is named and never defined: x");
}

static int open_model(void **state)
{
    char dir[512];
    tsr_error err = {0};
    (void)state;
    root = test_tmp_make();
    snprintf(dir, sizeof dir, "%s", test_path(root, "e2b"));
    return oracle_model_write(dir, "e2b", &err) == TSR_OK &&
                   tessera_model_open(&model, dir, &(tessera_model_opts){.threads = 1}, NULL) == TESSERA_OK
               ? 0
               : -1;
}

static int close_model(void **state)
{
    (void)state;
    tessera_model_close(model);
    test_tmp_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_satisfies_its_schema),
        cmocka_unit_test(the_result_names_the_grammar),
        cmocka_unit_test(an_answer_that_would_go_on_is_closed_and_told),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
