/* Chapters of films with answers from a script in place of a model's. */
#include "test_main.h"


#include "film_chapters.h"
#include "tiny_model.h"
#include "tsr_alloc.h"

static const char *answers[8];
static size_t n_asked, stop_after, fail_at; /* fail_at: the n-th window, from 1 */

static tsr_status ask(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err)
{
    const char *text = answers[n_asked++];
    (void)m, (void)rq, (void)given, (void)fn, (void)user;
    *out = NULL;
    if (n_asked == fail_at)
        return tsr_fail(err, TSR_ERR_LIMIT, "f.mp4: the context is full");
    return scripted_result(out, text, NULL, err);
}

static int on_event(void *user, const tessera_event *ev)
{
    (void)user;
    return ev->kind == TESSERA_EVENT_STAGE && stop_after && ev->done == stop_after;
}

/* Three minutes in windows of one. */
static tsr_status chapters(tessera_transcript_form form, const char *a, const char *b, const char *c, char **out, tsr_error *err)
{
    static const tessera_part parts[] = {{.kind = TESSERA_PART_VIDEO, .path = "f.mp4"}};
    tsri_film film = {.name = "f.mp4", .begin = 0, .end = 180, .need = {180, 78, 0}};
    tsri_films f = {.at = &film, .n = 1, .room = {.windows_only = true}};
    tessera_request rq = tessera_request_default();
    f.plan = (tsri_film_plan){.mode = TSRI_FILM_WINDOWS, .fps = 1, .window = 60, .n_windows = 3, .note_tokens = 256};
    rq.parts = parts;
    rq.n_parts = 1;
    answers[0] = a;
    answers[1] = b;
    answers[2] = c;
    n_asked = 0;
    return tsri_films_chapters(NULL, &rq, &f, form, ask, on_event, NULL, out, err);
}

static void expect(tessera_transcript_form form, const char *a, const char *b, const char *c, const char *want)
{
    char *out;
    tsr_error e = {TSR_OK, ""};
    if (chapters(form, a, b, c, &out, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_string_equal(out, want);
    tsr_free(out);
}

static void chapters_are_lines_with_times(void **state)
{
    (void)state;
    expect(TESSERA_TRANSCRIPT_TXT, "00:00 a\n00:30 b", "- 01:30: c", "no time", "00:00 a\n00:30 b\n01:30 c\n02:00 no time\n");
    expect(TESSERA_TRANSCRIPT_TXT, "", "", "", "");
}

static void what_goes_on_is_one_chapter_and_one_moment_too(void **state)
{
    (void)state;
    expect(TESSERA_TRANSCRIPT_SRT, "00:00 It rains.", "01:00 It rains.", "02:10 Sun.\n02:10 Wind.",
           "1\n00:00:00,000 --> 00:02:00,000\nIt rains.\n\n2\n00:02:10,000 --> 00:03:00,000\nSun. Wind.\n\n");
}

static void subtitles_are_cut_into_cues_and_never_go_back(void **state)
{
    (void)state;
    expect(TESSERA_TRANSCRIPT_VTT, "00:05 One.", "01:00 Two.", "00:10 Early.",
           "WEBVTT\n\n00:00:05.000 --> 00:01:00.000\nOne.\n\n00:01:00.000 --> 00:02:00.000\nTwo.\n\n"
           "00:02:00.000 --> 00:03:00.000\nEarly.\n\n");
    expect(TESSERA_TRANSCRIPT_TSV, "00:05 One.", "", "", "start\tend\ttext\n5000\t60000\tOne.\n");
}

static void json_tells_what_the_model_said_and_what_was_moved(void **state)
{
    char *out;
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    size_t n = 0;
    (void)state;
    assert_int_equal(chapters(TESSERA_TRANSCRIPT_JSON, "00:05 One.", "Two.", "09:00 Late.", &out, &e), TSR_OK);
    assert_int_equal(tsr_json_parse(&v, out, strlen(out), "chapters", &e), TSR_OK);
    const tsr_json *list = tsr_json_get(v, "chapters"), *windows = tsr_json_get(v, "windows");
    assert_int_equal(tsr_json_len(list), 3);
    assert_int_equal(tsr_json_len(windows), 3);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(list, 2), "time"), NULL), "03:00");
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(windows, 2), "text"), NULL), "09:00 Late.");
    assert_true(tsr_json_to_size(tsr_json_get(v, "moved_times"), &n) && n == 1);
    tsr_json_free(v);
    tsr_free(out);
}

static void stopped_it_gives_what_there_is(void **state)
{
    (void)state;
    stop_after = 2;
    expect(TESSERA_TRANSCRIPT_TXT, "00:00 a", "01:00 b", "02:00 c", "00:00 a\n01:00 b\n");
    stop_after = 0;
}

static void a_window_that_fails_keeps_the_chapters_before_it(void **state)
{
    static const char why[] = "window 3 of 3 (02:00 to 03:00): f.mp4: the context is full";
    char *out;
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    fail_at = 3;
    assert_int_equal(chapters(TESSERA_TRANSCRIPT_TXT, "00:00 a", "01:00 b", "", &out, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, why, NULL);
    assert_string_equal(out, "00:00 a\n01:00 b\n");
    tsr_free(out);
    e = (tsr_error){TSR_OK, ""};
    assert_int_equal(chapters(TESSERA_TRANSCRIPT_JSON, "00:00 a", "01:00 b", "", &out, &e), TSR_ERR_LIMIT);
    assert_int_equal(tsr_json_parse(&v, out, strlen(out), "chapters", NULL), TSR_OK);
    assert_string_equal(tsr_json_string(tsr_json_get(v, "error"), NULL), why);
    assert_int_equal(tsr_json_len(tsr_json_get(v, "windows")), 3);
    assert_int_equal(tsr_json_len(tsr_json_get(v, "chapters")), 2);
    tsr_json_free(v);
    tsr_free(out);
    fail_at = 1;
    e = (tsr_error){TSR_OK, ""};
    assert_int_equal(chapters(TESSERA_TRANSCRIPT_TXT, "", "", "", &out, &e), TSR_ERR_LIMIT);
    assert_null(out);
    fail_at = 0;
}

static void no_memory_is_an_error_at_every_place(void **state)
{
    static const tessera_transcript_form forms[] = {TESSERA_TRANSCRIPT_SRT, TESSERA_TRANSCRIPT_JSON};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 1;; k++) {
            char *out;
            tsr_error e = {TSR_OK, ""};
            size_t live = tsr_alloc_live();
            tsr_alloc_fail_at(k);
            tsr_status st = chapters(forms[i], "00:05 One.", "01:00 Two.", "02:00 Three.", &out, &e);
            tsr_alloc_fail_at(0);
            if (st == TSR_OK) {
                tsr_free(out);
                break;
            }
            assert_int_equal(st, TSR_ERR_NOMEM);
            tsr_free(out); /* the chapters before it, where there are any */
            assert_int_equal(tsr_alloc_live(), live);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chapters_are_lines_with_times),
        cmocka_unit_test(what_goes_on_is_one_chapter_and_one_moment_too),
        cmocka_unit_test(subtitles_are_cut_into_cues_and_never_go_back),
        cmocka_unit_test(json_tells_what_the_model_said_and_what_was_moved),
        cmocka_unit_test(stopped_it_gives_what_there_is),
        cmocka_unit_test(a_window_that_fails_keeps_the_chapters_before_it),
        cmocka_unit_test(no_memory_is_an_error_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
