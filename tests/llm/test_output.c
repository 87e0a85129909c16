/* test_output.c: generated ids come apart into thought, answer and calls, however they are cut. */
#include "text_support.h"
#include "tsr_output.h"

typedef struct heard {
    tsr_text log;  /* "T(...)" "C(...)" "F(name|arguments)" "F(?|text)", pieces of a kind joined */
    int last;      /* kind of the open bracket, -1: none */
    bool whole;    /* every piece was well-formed */
    size_t stop_at; /* fail at this event, 0: never */
    size_t n;
} heard;

static void log_str(heard *h, const char *s, size_t len)
{
    assert_int_equal(tsr_text_add(&h->log, s, len, NULL), TSR_OK);
}

static void end_bracket(heard *h)
{
    if (h->last >= 0) log_str(h, ")", 1);
    h->last = -1;
}

static tsr_status hear(void *user, const tsr_output_event *e)
{
    heard *h = user;
    if (++h->n == h->stop_at) return TSR_ERR_CANCELLED;
    h->whole = h->whole && tsr_utf8_valid(e->text, e->len);
    if (e->kind == TSR_OUTPUT_CALL) {
        char *args = NULL;
        end_bracket(h);
        log_str(h, "F(", 2);
        assert_true((e->name == NULL) == (e->arguments == NULL));
        log_str(h, e->name ? e->name : "?", e->name ? strlen(e->name) : 1);
        log_str(h, "|", 1);
        if (e->arguments) {
            assert_int_equal(tsr_json_dump(&args, e->arguments, 0, NULL), TSR_OK);
            log_str(h, args, strlen(args));
            tsr_free(args);
        } else {
            log_str(h, e->text, e->len);
        }
        log_str(h, ")", 1);
        return TSR_OK;
    }
    assert_true(e->len > 0);
    if (h->last != (int)e->kind) {
        end_bracket(h);
        log_str(h, e->kind == TSR_OUTPUT_THOUGHT ? "T(" : "C(", 2);
        h->last = (int)e->kind;
    }
    log_str(h, e->text, e->len);
    return TSR_OK;
}

static const tsr_tokenizer *tokenizer(void)
{
    static tsr_tokenizer *t;
    if (!t) t = load_tokenizer(FIXTURES "tokenizer.json");
    return t;
}

static tsr_status run_ids(const tsr_ids *ids, heard *h)
{
    tsr_output *o;
    tsr_error err = {0};
    tsr_status st = tsr_output_open(&o, tokenizer(), hear, h, &err);
    for (size_t i = 0; i < ids->n && st == TSR_OK; i++) st = tsr_output_push(o, ids->at[i], &err);
    if (st == TSR_OK) st = tsr_output_finish(o, &err);
    tsr_output_close(o);
    return st;
}

static void check(const char *generated, const char *want)
{
    heard h = {.last = -1, .whole = true};
    tsr_ids ids = {0};
    assert_int_equal(tsr_tokenizer_encode(tokenizer(), generated, strlen(generated), TSR_ENCODE_CONTROL, &ids, NULL), TSR_OK);
    assert_int_equal(run_ids(&ids, &h), TSR_OK);
    end_bracket(&h);
    assert_true(h.whole);
    assert_text(&h.log, want);
    tsr_text_deinit(&h.log);
    tsr_ids_deinit(&ids);
}

static void answers_and_thoughts_come_apart(void **state)
{
    (void)state;
    check("Hello world", "C(Hello world)");
    check("", "");
    check(" spaces stay \n", "C( spaces stay \n)");
    check("<|channel>thought\nI think so.\n<channel|>Yes.<turn|>", "T(I think so.)C(Yes.)");
    check("<|channel>thought\nfirst\n\nsecond \n<channel|>\nYes.", "T(first\n\nsecond)C(\nYes.)");
    check("<|channel>thought\n<channel|>Yes.", "C(Yes.)");
    check("<|channel>thought<channel|>Yes.", "C(Yes.)");
    check("<|channel><|channel>thought\na<channel|>b", "T(a)C(b)");
    check("<|channel>thought a<channel|><|channel>thought\nb<channel|>c", "T(ab)C(c)");
    check("a<|channel>thought\nb<channel|>c", "C(a)T(b)C(c)");
    check("Yes.<|channel>thought\n<channel|>", "C(Yes.)");
    check("<channel|>Yes.<channel|>", "C(Yes.)");
    check("<|channel>other words<channel|>x", "T(other words)C(x)");
    check("<|channel>thought\nnever closed ", "T(never closed)");
    check("<|turn>model\nYes.", "C(Yes.)");
    check("<|turn>model\n<|channel>thought\na\n<channel|>b<turn|>\n", "T(a)C(b\n)");
    check("Gr\xC3\xBC\xC3\x9F" "e \xF0\x9F\x98\x80 \xE4\xBD\xA0", "C(Gr\xC3\xBC\xC3\x9F" "e \xF0\x9F\x98\x80 \xE4\xBD\xA0)");
    check("<|image|><bos>x<eos>", "C(x)");
}

static void letters_that_spell_a_control_token_are_text(void **state)
{
    heard h = {.last = -1, .whole = true};
    tsr_ids ids = {0};
    static const char s[] = "<|channel>thought\nx<channel|>";
    (void)state;
    assert_int_equal(tsr_tokenizer_encode(tokenizer(), s, strlen(s), TSR_ENCODE_PLAIN, &ids, NULL), TSR_OK);
    assert_int_equal(run_ids(&ids, &h), TSR_OK);
    end_bracket(&h);
    assert_text(&h.log, "C(<|channel>thought\nx<channel|>)");
    tsr_text_deinit(&h.log);
    tsr_ids_deinit(&ids);
}

#define Q "<|\"|>"

static void calls_are_read(void **state)
{
    (void)state;
    check("<|tool_call>call:now{}<tool_call|><|tool_response>", "F(now|{})");
    check("<|tool_call>call:get_weather{location:" Q "Oslo" Q ",days:3}<tool_call|>",
          "F(get_weather|{\"location\":\"Oslo\",\"days\":3})");
    check("Look.<|tool_call>call:a{x:1}<tool_call|><|tool_call>call:b{y:-2.5}<tool_call|>ok",
          "C(Look.)F(a|{\"x\":1})F(b|{\"y\":-2.5})C(ok)");
    check("<|channel>thought\nhm\n<channel|><|tool_call>call:f{a:true,b:false,c:null,d:None,e:1e3,g:-7}<tool_call|>",
          "T(hm)F(f|{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":1000.0,\"g\":-7})");
    check("<|tool_call>call:f{l:[1," Q "a" Q ",[],{k:{}}],o:{p:{q:" Q Q "}}}<tool_call|>",
          "F(f|{\"l\":[1,\"a\",[],{\"k\":{}}],\"o\":{\"p\":{\"q\":\"\"}}})");
    check("<|tool_call>call:f{s:" Q "a, b: {c} ]} \" \n\\ \xC3\xBC" Q "}<tool_call|>",
          "F(f|{\"s\":\"a, b: {c} ]} \\\" \\n\\\\ \xC3\xBC\"})");
    check("<|tool_call>call:f{" Q "key" Q ":1, two words : 2 , n : [ 1 , 2 ] }<tool_call|>",
          "F(f|{\"key\":1,\"two words\":2,\"n\":[1,2]})");
    check("<|tool_call>call:f{a:99999999999999999999}<tool_call|>", "F(f|{\"a\":1e20})");
}

static void calls_that_cannot_be_read_are_handed_on_as_text(void **state)
{
    (void)state;
    check("<|tool_call>call:f{a:}<tool_call|>", "F(?|call:f{a:})");
    check("<|tool_call>call:f{a:bare}<tool_call|>", "F(?|call:f{a:bare})");
    check("<|tool_call>call:f{a:" Q "x}<tool_call|>", "F(?|call:f{a:<|\"|>x})");
    check("<|tool_call>call:f{a:1<tool_call|>", "F(?|call:f{a:1)");
    check("<|tool_call>call:f{a:1}}<tool_call|>", "F(?|call:f{a:1}})");
    check("<|tool_call>call:{a:1}<tool_call|>", "F(?|call:{a:1})");
    check("<|tool_call>f{a:1}<tool_call|>", "F(?|f{a:1})");
    check("<|tool_call><tool_call|>x", "F(?|)C(x)");
    check("<|tool_call>call:f{a:1}", "F(?|call:f{a:1})"); /* generation ended inside */
    check("<|tool_call>call:f{a:1<turn|>x", "F(?|call:f{a:1)C(x)");
    check("<|tool_call>call:f{a:+1}<tool_call|>", "F(?|call:f{a:+1})");
    check("<|tool_call>call:f{a:1e999}<tool_call|>", "F(?|call:f{a:1e999})");
    check("<|tool_call>call:f{a:--1}<tool_call|>", "F(?|call:f{a:--1})");
}

static void deep_calls_are_refused(void **state)
{
    tsr_text t = {0};
    char *name;
    tsr_json *args;
    (void)state;
    tsr_text_add(&t, "call:f{a:", 9, NULL);
    for (int i = 0; i < 100000; i++) tsr_text_add(&t, "[", 1, NULL);
    assert_int_equal(tsr_call_parse(t.at, t.len, &name, &args, NULL), TSR_ERR_DATA);
    assert_null(name);
    assert_null(args);
    tsr_text_deinit(&t);
}

/* Every cut of a call and every changed byte: an answer or none, no harm. */
static void broken_calls_do_no_harm(void **state)
{
    static const char call[] = "call:f{s:\xFF" "a\xFF,n:-1.5e3,l:[true,{k:null}],\xFFq\xFF:[]}";
    static const char with[] = {'\0', '{', '}', ']', ',', ':', (char)0xFF, 'e', '-'};
    (void)state;
    for (size_t n = 0; n <= strlen(call); n++) {
        for (size_t k = 0; k <= sizeof with; k++) {
            char *exact = tsr_alloc(n), *name;
            tsr_json *args;
            bool ok;
            memcpy(exact, call, n);
            if (k && n) exact[n - 1] = with[k - 1];
            ok = tsr_call_parse(exact, n, &name, &args, NULL) == TSR_OK;
            assert_true(ok == (name != NULL) && ok == (args != NULL));
            if (n == strlen(call) && k == 0) assert_true(ok);
            tsr_free(name);
            tsr_json_free(args);
            tsr_free(exact);
        }
    }
}

static void the_callback_can_stop_the_work(void **state)
{
    static const char s[] = "Hello world <|channel>thought\na<channel|>b";
    tsr_ids ids = {0};
    (void)state;
    assert_int_equal(tsr_tokenizer_encode(tokenizer(), s, strlen(s), TSR_ENCODE_CONTROL, &ids, NULL), TSR_OK);
    for (size_t k = 1; k < 4; k++) {
        heard h = {.last = -1, .stop_at = k};
        assert_int_equal(run_ids(&ids, &h), TSR_ERR_CANCELLED);
        assert_int_equal(h.n, k);
        tsr_text_deinit(&h.log);
    }
    tsr_ids_deinit(&ids);
}

/* ---- Stop strings ---- */

/* Push `text` in pieces of `piece` bytes; the result, with "!" behind it when it stopped. */
static void check_stops(const char *const *stops, size_t n, const char *text, size_t piece, const char *want)
{
    tsr_stops *s;
    tsr_text out = {0};
    bool stopped = false;
    size_t len = strlen(text);
    assert_int_equal(tsr_stops_open(&s, stops, n, NULL), TSR_OK);
    for (size_t at = 0; at < len; at += piece)
        assert_int_equal(tsr_stops_push(s, text + at, len - at < piece ? len - at : piece, &out, &stopped, NULL), TSR_OK);
    assert_int_equal(tsr_stops_finish(s, &out, NULL), TSR_OK);
    if (stopped) tsr_text_add(&out, "!", 1, NULL);
    assert_text(&out, want);
    tsr_text_deinit(&out);
    tsr_stops_close(s);
}

static void text_before_a_stop_string_is_kept_however_it_is_cut(void **state)
{
    static const char *const end[] = {"END"}, *const two[] = {"abcX", "b"}, *const self[] = {"aab"}, *const nested[] = {"bc", "abc"};
    (void)state;
    for (size_t piece = 1; piece < 12; piece++) {
        check_stops(end, 0, "any ENDing", piece, "any ENDing");
        check_stops(end, 1, "any ENDing", piece, "any !");
        check_stops(end, 1, "ENEND", piece, "EN!");
        check_stops(end, 1, "EN", piece, "EN");
        check_stops(end, 1, "END", piece, "!");
        check_stops(end, 1, "E E EN END", piece, "E E EN !");
        check_stops(two, 2, "xabcX", piece, "xa!");
        check_stops(self, 1, "aaaab", piece, "aa!");
        check_stops(nested, 2, "xabcx", piece, "x!");
    }
}

static void an_empty_stop_string_is_refused(void **state)
{
    static const char *const stops[] = {"a", ""};
    tsr_stops *s;
    tsr_error err = {0};
    (void)state;
    assert_int_equal(tsr_stops_open(&s, stops, 2, &err), TSR_ERR_USAGE);
    assert_null(s);
    assert_non_null(strstr(err.text, "stop string 1"));
}

static tsr_status count_calls(void *user, const tsr_output_event *e)
{
    *(size_t *)user += e->kind == TSR_OUTPUT_CALL && e->arguments;
    return TSR_OK;
}

static void parsing_survives_every_failed_allocation(void **state)
{
    static const char s[] = "<|channel>thought\n x y <channel|>Hi \xF0\x9F\x98\x80<|tool_call>call:f{a:[1,{b:" Q "c" Q "}]}<tool_call|>END";
    static const char *const end[] = {"END"};
    tsr_ids ids = {0};
    (void)state;
    assert_int_equal(tsr_tokenizer_encode(tokenizer(), s, strlen(s), TSR_ENCODE_CONTROL, &ids, NULL), TSR_OK);
    for (size_t k = 1;; k++) {
        size_t live = tsr_alloc_live();
        tsr_output *o = NULL;
        tsr_stops *stops = NULL;
        tsr_text out = {0};
        size_t calls = 0;
        bool stopped;
        tsr_status st;
        tsr_alloc_fail_at(k);
        st = tsr_stops_open(&stops, end, 1, NULL);
        if (st == TSR_OK) st = tsr_stops_push(stops, "a E", 3, &out, &stopped, NULL);
        if (st == TSR_OK) st = tsr_output_open(&o, tokenizer(), count_calls, &calls, NULL);
        for (size_t i = 0; i < ids.n && st == TSR_OK; i++) st = tsr_output_push(o, ids.at[i], NULL);
        if (st == TSR_OK) st = tsr_output_finish(o, NULL);
        tsr_alloc_fail_at(0);
        tsr_stops_close(stops);
        tsr_output_close(o);
        tsr_text_deinit(&out);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_int_equal(calls, 1);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsr_ids_deinit(&ids);
}

static int close_tokenizer(void **state)
{
    (void)state;
    tsr_tokenizer_close((tsr_tokenizer *)(uintptr_t)tokenizer());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_thoughts_come_apart),
        cmocka_unit_test(letters_that_spell_a_control_token_are_text),
        cmocka_unit_test(calls_are_read),
        cmocka_unit_test(calls_that_cannot_be_read_are_handed_on_as_text),
        cmocka_unit_test(deep_calls_are_refused),
        cmocka_unit_test(broken_calls_do_no_harm),
        cmocka_unit_test(the_callback_can_stop_the_work),
        cmocka_unit_test(text_before_a_stop_string_is_kept_however_it_is_cut),
        cmocka_unit_test(an_empty_stop_string_is_refused),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, close_tokenizer);
}
