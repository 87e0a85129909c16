/* The questions that a model is asked about speech, and what is refused before it is asked. */
#include "test_main.h"

#include <stdio.h>

#include "hash_model.h"
#include "recipes.h"
#include "test_tmp.h"
#include "transcribe_ask.h"
#include "tsr_alloc.h"

static tsr_status open_asker(tsri_asker *a, const tessera_request *rq, tessera_transcribe_opts o, tsr_error *e)
{
    static tessera_transcribe_opts kept;
    kept = o;
    tsr_error_clear(e);
    return tsri_asker_open(a, NULL, "talk.mp3", rq, &kept, e);
}

static void expect_question(tessera_transcribe_opts o, const char *want)
{
    const tessera_request rq = tessera_request_default();
    tsr_error e = {TSR_OK, ""};
    tsri_asker a;
    if (open_asker(&a, &rq, o, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(a.n_parts, 2);
    assert_int_equal(a.parts[0].kind, TESSERA_PART_TEXT); /* what is heard stands after the text */
    assert_int_equal(a.parts[1].kind, TESSERA_PART_AUDIO);
    assert_int_equal(a.parts[0].text_len, strlen(want));
    assert_memory_equal(a.parts[0].text, want, strlen(want));
    tsri_asker_deinit(&a);
}

#define RULES                                                                        \
    "\n\nFollow these specific instructions for formatting the answer:\n"            \
    "* Only output the transcription, with no newlines.\n"                           \
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of three."

static void questions_are_those_of_the_model_card(void **state)
{
    (void)state;
    expect_question((tessera_transcribe_opts){0}, "Transcribe the following speech segment in its original language." RULES);
    expect_question((tessera_transcribe_opts){.language = "German"},
                    "Transcribe the following speech segment in German into German text." RULES);
    expect_question((tessera_transcribe_opts){.prompt = "Ada Lovelace"},
                    "Transcribe the following speech segment in its original language." RULES
                    "\n* Names and words that may occur, written like this: Ada Lovelace");
    expect_question((tessera_transcribe_opts){.language = "English", .translate = "French"},
                    "Transcribe the following speech segment in English, then translate it into French.\n"
                    "When formatting the answer, first output the transcription in English, then one newline, then output the "
                    "string 'French: ', then the translation in French.");
}

static void system_texts_stand_in_front(void **state)
{
    (void)state;
    const tessera_part parts[] = {{.kind = TESSERA_PART_SYSTEM, .text = "Be exact."}};
    tessera_request rq = tessera_request_default();
    tsr_error e = {TSR_OK, ""};
    tsri_asker a;
    rq.parts = parts;
    rq.n_parts = 1;
    assert_int_equal(open_asker(&a, &rq, (tessera_transcribe_opts){0}, &e), TSR_OK);
    assert_int_equal(a.n_parts, 3);
    assert_int_equal(a.parts[0].kind, TESSERA_PART_SYSTEM);
    tsri_asker_deinit(&a);
}

static void what_is_no_language_or_no_system_text_is_refused(void **state)
{
    (void)state;
    static char long_name[200];
    const tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = "a.png"}};
    tessera_request rq = tessera_request_default();
    tsr_error e = {TSR_OK, ""};
    tsri_asker a;
    memset(long_name, 'x', sizeof long_name - 1);
    const char *const bad[] = {"", "Ger\nman", long_name};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(open_asker(&a, &rq, (tessera_transcribe_opts){.language = bad[i]}, &e), TSR_ERR_USAGE);
        assert_non_null(strstr(e.text, "language"));
        assert_int_equal(open_asker(&a, &rq, (tessera_transcribe_opts){.translate = bad[i]}, &e), TSR_ERR_USAGE);
        assert_non_null(strstr(e.text, "translate"));
    }
    rq.parts = parts;
    rq.n_parts = 1;
    assert_int_equal(open_asker(&a, &rq, (tessera_transcribe_opts){0}, &e), TSR_ERR_USAGE);
    assert_non_null(strstr(e.text, "part 0"));
}

/* Before the sound is looked at. */
static void a_model_without_ears_says_so(void **state)
{
    (void)state;
    char *root = test_tmp_make(), path[512];
    tsr_error e = {TSR_OK, ""};
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    const tessera_sound sound = {.path = "/no/such.wav"};
    snprintf(path, sizeof path, "%s", test_path(root, "model"));
    if (oracle_model_write(path, "31b", &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(tessera_model_open(&m, path, NULL, &err), TESSERA_OK);
    assert_int_equal(tessera_transcribe(m, &sound, NULL, NULL, NULL, NULL, NULL, NULL, &err), TESSERA_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "/no/such.wav: this model"));
    assert_non_null(strstr(err.text, "cannot hear"));
    tessera_model_close(m);
    test_tmp_remove(root);
}

static void asking_survives_every_failed_allocation(void **state)
{
    (void)state;
    const tessera_request rq = tessera_request_default();
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsri_asker a;
        tsr_error e = {TSR_OK, ""};
        tsr_alloc_fail_at(k);
        tsr_status st = open_asker(&a, &rq, (tessera_transcribe_opts){.language = "German", .prompt = "x"}, &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            tsri_asker_deinit(&a);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_int_equal(tsr_alloc_live(), live);
    }
    assert_int_equal(tsr_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_those_of_the_model_card),
        cmocka_unit_test(system_texts_stand_in_front),
        cmocka_unit_test(what_is_no_language_or_no_system_text_is_refused),
        cmocka_unit_test(a_model_without_ears_says_so),
        cmocka_unit_test(asking_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
