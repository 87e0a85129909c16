/* test_gbnf.c: the notation of GBNF, what is refused in it, and that no text can keep us busy or take much memory. */
#include <dirent.h>
#include <stdio.h>

#include "common/test_main.h"
#include "fuzz_grammar.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_grammar.h"

static tsr_grammar *compile(const char *text)
{
    tsr_error err = {0};
    tsr_grammar *g;
    if (tsr_grammar_from_gbnf(&g, text, strlen(text), "test", &err) != TSR_OK)
        fail_msg("%s\n%s", err.text, text);
    return g;
}

static bool matches(const tsr_grammar *g, const char *text)
{
    bool ok;
    tsr_error err = {0};
    if (tsr_grammar_matches(g, text, strlen(text), &ok, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return ok;
}

/* texts: those that match, NULL, those that don't, NULL. */
static void check(const char *grammar, const char *const *texts)
{
    tsr_grammar *g = compile(grammar);
    for (; *texts; texts++)
        if (!matches(g, *texts))
            fail_msg("should match: %s\n%s", *texts, grammar);
    for (texts++; *texts; texts++)
        if (matches(g, *texts))
            fail_msg("should not match: %s\n%s", *texts, grammar);
    tsr_grammar_close(g);
}

#define CHECK(grammar, ...) check(grammar, (const char *const[]){__VA_ARGS__, NULL})

static void the_notation_is_read(void **state)
{
    (void)state;
    CHECK("root ::= \"abc\"", "abc", NULL, "ab", "abcd", "");
    CHECK("root ::= \"\"", "", NULL, "a");
    CHECK("root ::= \"a\" \"b\" | \"c\"", "ab", "c", NULL, "a", "abc");
    CHECK("root ::= (\"a\" | \"b\") \"c\"", "ac", "bc", NULL, "c", "abc");
    CHECK("root ::= \"ab\"*", "", "ab", "abab", NULL, "a", "aba");
    CHECK("root ::= \"ab\"+ \"c\"?", "ab", "ababc", NULL, "", "c");
    CHECK("root ::= [a-cx]{2}", "ab", "xx", NULL, "a", "abc", "dd");
    CHECK("root ::= [ab]{2,}", "ab", "aabb", NULL, "a", "abc");
    CHECK("root ::= [ab]{0,2}", "", "a", "ab", NULL, "aba");
    CHECK("root ::= [ab]{ 1 , 2 }", "a", "ab", NULL, "", "aba");
    CHECK("root ::= \"a\"{0}", "", NULL, "a");
    CHECK("root ::= [^a-z\\n]", "A", "\xC3\xA9", "\"", NULL, "a", "\n", "");
    CHECK("root ::= [a\\-\\]\\[^-]+", "a-][^", NULL, "b");
    CHECK("root ::= . .", "ab", "a\n", "\xF0\x9F\x98\x80z", NULL, "a", "abc");
    CHECK("root ::= [\xE3\x81\x81-\xE3\x82\x9F]+", "\xE3\x81\x82\xE3\x82\x93", NULL, "\xE3\x82\xA2", "a");
    CHECK("root ::= \"\\x41\\u00e9\\U0001F600\\n\\t\\r\\\\\\\"\"", "A\xC3\xA9\xF0\x9F\x98\x80\n\t\r\\\"", NULL, "A");
    CHECK("root ::= [\\u0100-\\U0010FFFF]", "\xC4\x80", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBF", NULL, "\xC3\xBF", "a");
}

static void rules_call_each_other_over_lines_and_comments(void **state)
{
    (void)state;
    CHECK("# a comment\n\nroot ::= # another\n  item (\n\n \",\" # here too\n item)* |\n \"none\"\nitem ::= [a-z]+\r\n\n", "ab",
          "a,b,c", "none", NULL, "", "a,");
    CHECK("root ::= a-b_2\n  | \"x\"\na-b_2 ::= \"y\" ", "x", "y", NULL, "");
    CHECK("root ::= \"a\" root \"b\" | \"\"", "", "ab", "aaabbb", NULL, "aab", "ba");
    CHECK("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"", "x", "aaxbc", "aaaaxcbcb", NULL, "aaxb");
    CHECK("root ::= item | item \",\" root\nitem ::= \"x\"", "x", "x,x,x,x", NULL, "x,");
    CHECK("root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"(\" e \")\"", "1+2", "(1+(2+3))+4", NULL, "1+", "(1");
    CHECK("\xEF\xBB\xBFroot ::= a? a? a? b\na ::= \"x\" | \"\"\nb ::= a \"y\"", "y", "xy", "xxxxy", NULL, "xxxxxy");
}

static void repetitions_count_exactly(void **state)
{
    (void)state;
    tsr_grammar *g = compile("root ::= (\"a\" | \"bb\"){3,5} (\"c\"?){2,1000000} \"d\"");
    assert_true(matches(g, "aaad"));
    assert_true(matches(g, "abbabbad"));
    assert_true(matches(g, "bbbbbbbbbbccccccd"));
    assert_false(matches(g, "aad"));
    assert_false(matches(g, "aaaaaad"));
    tsr_grammar_close(g);
    g = compile("root ::= ([a-z]{2,3} \",\"){2} [0-9]{0,4294967294}");
    assert_true(matches(g, "ab,cde,123"));
    assert_false(matches(g, "ab,c,123"));
    tsr_grammar_close(g);
}

static const struct {
    const char *text, *says;
    tsr_status st;
} bad[] = {
    {"", "no rule \"root\"", TSR_ERR_USAGE},
    {"a ::= \"x\"", "no rule \"root\"", TSR_ERR_USAGE},
    {"root ::= \"x\"\nroot ::= \"y\"", "line 2, column 1: a rule is defined twice: root", TSR_ERR_USAGE},
    {"root ::= x", "never defined: x", TSR_ERR_USAGE},
    {"root = \"x\"", "::= is expected", TSR_ERR_USAGE},
    {"root ::= \"x", "no closing \"", TSR_ERR_USAGE},
    {"root ::= [a-", "no closing ]", TSR_ERR_USAGE},
    {"root ::= []", "class is empty", TSR_ERR_USAGE},
    {"root ::= [z-a]", "ends before it begins", TSR_ERR_USAGE},
    {"root ::= (\"x\"", "no closing )", TSR_ERR_USAGE},
    {"root ::= \"x\")", "end of the rule is expected", TSR_ERR_USAGE},
    {"root ::= *", "end of the rule is expected", TSR_ERR_USAGE},
    {"root ::= \"x\" **", "two repetitions", TSR_ERR_USAGE},
    {"root ::= \"x\"{2,1}", "ends before it begins", TSR_ERR_USAGE},
    {"root ::= \"x\"{a}", "{m}, {m,} or {m,n}", TSR_ERR_USAGE},
    {"root ::= \"x\"{99999999999}", "more than 4294967294", TSR_ERR_LIMIT},
    {"root ::= \"x\"{4000000000}", "shortest text", TSR_ERR_LIMIT},
    {"root ::= \"\\q\"", "unknown escape", TSR_ERR_USAGE},
    {"root ::= \"\\ud800\"", "no Unicode character", TSR_ERR_USAGE},
    {"root ::= \"\\x4\"", "hexadecimal", TSR_ERR_USAGE},
    {"root ::= \"\xFF\"", "not UTF-8", TSR_ERR_USAGE},
    {"root ::= <think> .*", "token literals", TSR_ERR_UNSUPPORTED},
    {"root ::= !<[12]>", "token literals", TSR_ERR_UNSUPPORTED},
    {"root ::= root \"a\" | \"b\"", "rule root is left-recursive", TSR_ERR_USAGE},
    {"root ::= e\ne ::= t \"x\" | \"y\"\nt ::= \"q\"? e \"z\" | \"w\"", "left-recursive", TSR_ERR_USAGE},
    {"root ::= n* root \"x\" | \"y\"\nn ::= \"q\"", "rule root is left-recursive", TSR_ERR_USAGE},
    {"root ::= \"a\" root", "no text ever", TSR_ERR_USAGE},
    {"root ::= a\na ::= \"x\" b\nb ::= \"y\" a", "no text ever", TSR_ERR_USAGE},
};

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_error err = {0};
        tsr_grammar *g;
        tsr_grammar_from_gbnf(&g, bad[i].text, strlen(bad[i].text), "test", &err);
        assert_null(g);
        assert_error(&err, bad[i].st, "test: ", bad[i].says);
    }
}

static void hostile_texts_end_soon(void **state)
{
    enum { N = 100000 };
    static char text[N + 64];
    tsr_error err = {0};
    tsr_grammar *g;
    bool ok;
    (void)state;
    memset(text, '(', N); /* groups in groups */
    memcpy(text, "root ::=", 8);
    assert_int_equal(tsr_grammar_from_gbnf(&g, text, N, "test", &err), TSR_ERR_LIMIT);
    for (size_t i = 0; i < 2000; i++) /* "a"? a thousand times over */
        memcpy(text + 9 + 5 * i, "\"a\"? ", 5);
    memcpy(text, "root ::= ", 9);
    assert_int_equal(tsr_grammar_from_gbnf(&g, text, 9 + 5 * 2000, "test", NULL), TSR_OK);
    assert_true(matches(g, "aaaaaaaaaaaa"));
    tsr_grammar_close(g);
    /* Each letter may begin a rule that never ends before the last one does: refused, or read in time. */
    g = compile("root ::= \"x\" root* | \"x\"");
    memset(text, 'x', N);
    tsr_status st = tsr_grammar_matches(g, text, 300, &ok, NULL);
    assert_true((st == TSR_OK && ok) || st == TSR_ERR_LIMIT);
    tsr_grammar_close(g);
}

/* More places than are kept at once, on one level and on many. */
static void long_and_deep_texts_are_read(void **state)
{
    enum { N = 40000, DEEP = 20000 };
    static char text[N + 1];
    tsr_grammar *g = compile("root ::= [a-y]{0,100000} \"z\" | list\nlist ::= \"[\" (list (\",\" list)*)? \"]\"");
    (void)state;
    memset(text, 'b', N);
    text[N - 1] = 'z';
    assert_true(matches(g, text));
    text[N - 1] = 'b';
    assert_false(matches(g, text));
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_true(matches(g, text));
    text[DEEP] = '[';
    assert_false(matches(g, text));
    tsr_grammar_close(g);
}

static void each_failed_allocation_is_told(void **state)
{
    const char *text = "root ::= a{2,9} ([^x] | \"\\u00e9\" b)* | .\na ::= \"x\"\nb ::= a? \"y\"";
    (void)state;
    for (size_t k = 1;; k++) {
        tsr_error err = {0};
        tsr_grammar *g;
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_grammar_from_gbnf(&g, text, strlen(text), "test", &err);
        tsr_alloc_fail_at(0);
        tsr_grammar_close(g);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
}

/* Each file of the fuzzer's corpus, cut and with bytes changed. */
static void break_file(const char *path)
{
    unsigned char *text;
    size_t len;
    assert_int_equal(tsr_file_read(&text, &len, path, 1 << 20, NULL), TSR_OK);
    fuzz_grammar(text, len);
    for (size_t cut = 0; cut < len; cut += 1 + len / 12)
        fuzz_grammar(text, cut);
    for (size_t i = 0; i < len; i += 1 + len / 12) {
        unsigned char c = text[i];
        text[i] = (unsigned char)(c ^ (1u << (i % 8)));
        fuzz_grammar(text, len);
        text[i] = c;
    }
    tsr_free(text);
}

static void the_corpus_of_the_fuzzer_breaks_no_promise(void **state)
{
    DIR *d = opendir(TSR_TEST_DIR "/corpus");
    size_t n = 0;
    (void)state;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/corpus/%s", TSR_TEST_DIR, e->d_name);
        break_file(path);
        n++;
    }
    closedir(d);
    assert_true(n >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_notation_is_read),
        cmocka_unit_test(rules_call_each_other_over_lines_and_comments),
        cmocka_unit_test(repetitions_count_exactly),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(hostile_texts_end_soon),
        cmocka_unit_test(long_and_deep_texts_are_read),
        cmocka_unit_test(each_failed_allocation_is_told),
        cmocka_unit_test(the_corpus_of_the_fuzzer_breaks_no_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
