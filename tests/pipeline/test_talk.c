/* test_talk.c: a talk answers as requests with the same messages do, and reads again only what is new. */
#include <stdio.h>
#include <string.h>

#include "recipes.h"
#include "result_internal.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tessera.h"
#include "tiny_model.h"

static tessera_result *turn(tessera_chat *c, const tessera_part *parts, size_t n)
{
    tessera_error err = {0};
    tessera_request rq = greedy_request(parts, n);
    tessera_result *r;
    if (tessera_chat_turn(c, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return r;
}

static tessera_chat *open_chat(void)
{
    tessera_error err = {0};
    tessera_chat *c;
    assert_int_equal(tessera_chat_open(&c, tiny_model, &err), TESSERA_OK);
    return c;
}

static void a_second_turn_reads_only_what_is_new_and_answers_the_same(void **state)
{
    char picture[512];
    tsr_error terr = {TSR_OK, ""};
    tessera_error err = {0};
    (void)state;
    snprintf(picture, sizeof picture, "%s", test_path(test_root, "picture.ppm"));
    assert_int_equal(oracle_picture_write(picture, 200, 120, 3, 16, &terr), TSR_OK);
    tessera_part first[] = {{.kind = TESSERA_PART_IMAGE, .path = picture}, {.kind = TESSERA_PART_TEXT, .text = "What?"}};
    tessera_part second[] = {{.kind = TESSERA_PART_TEXT, .text = "And then?"}};
    tessera_chat *c = open_chat();
    tessera_result *a = turn(c, first, 2);
    assert_int_equal(a->cached_tokens, 0);
    char *messages;
    assert_int_equal(tessera_chat_messages(c, &messages, &err), TESSERA_OK);
    remove(picture); /* what was seen stays */
    tessera_result *b = turn(c, second, 1);
    assert_true(b->cached_tokens >= a->prompt_tokens);
    assert_true(b->cached_tokens < b->prompt_tokens);
    assert_int_equal(tessera_chat_count(c), 4);
    assert_int_equal(oracle_picture_write(picture, 200, 120, 3, 16, &terr), TSR_OK);
    tessera_request rq = greedy_request(second, 1);
    rq.messages = messages;
    rq.messages_dir = ".";
    tessera_result *whole;
    if (tessera_run(tiny_model, &rq, NULL, NULL, &whole, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(whole->prompt_tokens, b->prompt_tokens);
    assert_int_equal(whole->ids.n, b->ids.n);
    assert_memory_equal(whole->ids.at, b->ids.at, b->ids.n * sizeof *b->ids.at);
    tessera_free(messages);
    tessera_result_free(a);
    tessera_result_free(b);
    tessera_result_free(whole);
    tessera_chat_close(c);
}

static void what_is_taken_back_is_answered_again_alike(void **state)
{
    tessera_error err = {0};
    tessera_part ask[] = {{.kind = TESSERA_PART_TEXT, .text = "Count."}};
    (void)state;
    tessera_chat *c = open_chat();
    tessera_result *a = turn(c, ask, 1);
    assert_int_equal(tessera_chat_undo(c, 1, &err), TESSERA_OK);
    assert_int_equal(tessera_chat_count(c), 1);
    tessera_result *b = turn(c, NULL, 0);
    assert_int_equal(b->cached_tokens, a->prompt_tokens - 1);
    assert_string_equal(tessera_result_text(a), tessera_result_text(b));
    tessera_chat_clear(c);
    assert_int_equal(tessera_chat_count(c), 0);
    assert_int_equal(tessera_chat_undo(c, 0, &err), TESSERA_ERR_USAGE);
    tessera_result_free(a);
    tessera_result_free(b);
    tessera_chat_close(c);
}

static void a_full_context_and_bad_messages_leave_the_talk_as_it_was(void **state)
{
    tessera_error err = {0};
    tessera_part ask[] = {{.kind = TESSERA_PART_TEXT, .text = "Count."}};
    tessera_request rq = greedy_request(ask, 1);
    tessera_result *r;
    (void)state;
    tessera_chat *c = open_chat();
    rq.ctx = 4;
    assert_int_equal(tessera_chat_turn(c, &rq, NULL, NULL, &r, &err), TESSERA_ERR_LIMIT);
    assert_non_null(strstr(err.text, "the context 4"));
    assert_int_equal(tessera_chat_count(c), 0);
    err = (tessera_error){0};
    assert_int_equal(tessera_chat_load(c, "{\"role\":\"user\",\"content\":\"a\"}\n\n{\"role\":\"king\"}", NULL, "t.jsonl", 0, &err),
                     TESSERA_ERR_DATA);
    assert_non_null(strstr(err.text, "t.jsonl: line 3: message 1: \"role\" must be"));
    err = (tessera_error){0};
    assert_int_equal(tessera_chat_load(c, "[{\"role\":\"user\",\"content\":\"a\"},\n {\"role\":\"king\"}]", NULL, "t.json", 0, &err),
                     TESSERA_ERR_DATA);
    assert_non_null(strstr(err.text, "t.json: line 2: message 1: \"role\" must be"));
    assert_int_equal(tessera_chat_count(c), 0);
    tessera_chat_close(c);
}

/* The cache's type is alike for both, so that nothing else keeps them apart. */
static tessera_result *ask_with_products(tessera_chat *c, const tessera_part *parts, size_t n, int exact)
{
    tessera_error err = {0};
    tessera_request rq = greedy_request(parts, n);
    tessera_result *r;
    rq.exact = exact;
    rq.kv = "f32";
    if (tessera_chat_turn(c, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return r;
}

static void what_fast_products_made_serves_no_exact_turn(void **state)
{
    char picture[512];
    tsr_error terr = {TSR_OK, ""};
    (void)state;
    snprintf(picture, sizeof picture, "%s", test_path(test_root, "exact.ppm"));
    assert_int_equal(oracle_picture_write(picture, 200, 120, 3, 16, &terr), TSR_OK);
    tessera_part first[] = {{.kind = TESSERA_PART_IMAGE, .path = picture}, {.kind = TESSERA_PART_TEXT, .text = "What?"}};
    tessera_part next[] = {{.kind = TESSERA_PART_TEXT, .text = "And then?"}};
    tessera_chat *c = open_chat();
    static const struct {
        int exact;
        bool is_kept;
        size_t n_media; /* that were read for the turn */
    } turns[] = {{0, false, 1}, {0, true, 0}, {1, false, 1}, {1, true, 0}, {0, false, 1}};
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        tessera_result *r = ask_with_products(c, i ? next : first, i ? 1 : 2, turns[i].exact);
        assert_int_equal(r->cached_tokens > 0, turns[i].is_kept);
        assert_int_equal(tsr_json_len(r->media), turns[i].n_media);
        tessera_result_free(r);
    }
    tessera_chat_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_turn_reads_only_what_is_new_and_answers_the_same),
        cmocka_unit_test(what_is_taken_back_is_answered_again_alike),
        cmocka_unit_test(what_fast_products_made_serves_no_exact_turn),
        cmocka_unit_test(a_full_context_and_bad_messages_leave_the_talk_as_it_was),
    };
    return cmocka_run_group_tests(tests, tiny_model_open, tiny_model_close);
}
