/* Films of any length with answers from a script in place of a model's: windows, notes, the last prompt, stopping. */
#include "test_main.h"

#include <stdio.h>

#include "film.h"
#include "result_internal.h"
#include "test_tmp.h"
#include "tiny_model.h"
#include "tsr_alloc.h"

enum { MOST = 12 };

typedef struct script {
    const char *answers[MOST]; /* in order; the last one stays */
    size_t n;
    char text[MOST][1024]; /* of each prompt: its last text part */
    char first[MOST][1024]; /* its first text part */
    double start[MOST], end[MOST], fps[MOST];
    size_t max_tokens[MOST], n_parts[MOST];
    bool has_film[MOST], has_schema[MOST];
    char sheets[MOST][32], notes[2048], shown[256];
    size_t stop_at; /* windows after which the work is stopped */
    size_t fail_at; /* prompts after which one fails */
    bool fails_first;
} script;

static int on_event(void *user, const tessera_event *ev)
{
    script *s = user;
    char *to = ev->kind == TESSERA_EVENT_NOTE ? s->notes : s->shown;
    size_t most = ev->kind == TESSERA_EVENT_NOTE ? sizeof s->notes : sizeof s->shown, at = strlen(to);
    if (ev->kind != TESSERA_EVENT_STAGE)
        snprintf(to + at, most - at, "%.*s", (int)ev->len, ev->text);
    return ev->kind == TESSERA_EVENT_STAGE && s->stop_at && strcmp(ev->text, "window") == 0 && ev->done == s->stop_at;
}

static void keep(script *s, const tessera_request *rq)
{
    size_t k = s->n;
    for (size_t i = 0; i < rq->n_parts; i++) {
        const tessera_part *p = &rq->parts[i];
        s->has_film[k] = s->has_film[k] || p->kind == TESSERA_PART_VIDEO;
        if (p->kind != TESSERA_PART_TEXT)
            continue;
        int len = (int)(p->text_len ? p->text_len : strlen(p->text));
        if (!s->first[k][0])
            snprintf(s->first[k], sizeof s->first[k], "%.*s", len, p->text);
        snprintf(s->text[k], sizeof s->text[k], "%.*s", len, p->text);
    }
    s->start[k] = rq->start;
    s->end[k] = rq->end;
    s->fps[k] = rq->fps;
    s->max_tokens[k] = rq->max_tokens;
    s->n_parts[k] = rq->n_parts;
    s->has_schema[k] = rq->schema != NULL;
    snprintf(s->sheets[k], sizeof s->sheets[k], "%s", rq->contact_sheet ? rq->contact_sheet : "");
}

static script *the_script; /* `user` is whatever watches */

/* As tsri_run: the answer is also shown. */
static tsr_status ask(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err)
{
    script *s = the_script;
    const char *text = s->answers[0];
    (void)m, (void)given;
    assert_true(s->n < MOST);
    for (size_t i = 0; i <= s->n && s->answers[i]; i++)
        text = s->answers[i];
    keep(s, rq);
    *out = NULL;
    if (s->fails_first || (s->fail_at && s->n == s->fail_at))
        return tsr_fail(err, TSR_ERR_DATA, "the film is damaged");
    s->n++;
    tessera_event ev = {.kind = TESSERA_EVENT_TEXT, .text = text, .len = strlen(text)};
    fn(user, &ev);
    return scripted_result(out, text, NULL, err);
}

static tsri_films films_of(tsri_film *at, size_t n, double window, size_t note)
{
    tsri_films f = {.at = at, .n = n};
    f.plan = (tsri_film_plan){.mode = TSRI_FILM_WINDOWS, .fps = 1, .window = window, .note_tokens = note};
    for (size_t i = 0; i < n; i++)
        f.plan.n_windows += tsri_film_windows(at[i].need.seconds, window);
    return f;
}

static tsri_film film(size_t part, double begin, double end)
{
    return (tsri_film){.part = part, .name = "x/long.mp4", .begin = begin, .end = end, .need = {end - begin, 78, 0}};
}

static tessera_request request(const tessera_part *parts, size_t n)
{
    tessera_request rq = tessera_request_default();
    rq.parts = parts;
    rq.n_parts = n;
    return rq;
}

static const tessera_part usual[] = {{.kind = TESSERA_PART_SYSTEM, .text = "Be short."},
                                     {.kind = TESSERA_PART_VIDEO, .path = "x/long.mp4"},
                                     {.kind = TESSERA_PART_TEXT, .text = "When does the dog bark?"}};

static void every_window_is_asked_and_the_answer_comes_from_the_notes(void **state)
{
    script s = {.answers = {"00:05 a cat\n- 00:40: a dog barks", "**01:10** it rains", "nothing new", "At 00:40."}};
    tsri_film at = film(1, 0, 150);
    tsri_films f = films_of(&at, 1, 60, 128);
    tessera_request rq = request(usual, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    rq.schema = "{}";
    rq.contact_sheet = "s.png";
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_OK);
    assert_int_equal(s.n, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_true(s.start[i] == 60.0 * (double)i && s.end[i] == (i == 2 ? 150.0 : 60.0 * (double)(i + 1)) && s.fps[i] == 1);
        assert_int_equal(s.max_tokens[i], 128);
        assert_true(s.has_film[i] && !s.has_schema[i] && s.n_parts[i] == 3);
        assert_non_null(strstr(s.text[i], "When does the dog bark?"));
    }
    assert_non_null(strstr(s.text[1], "part 2 of 3 of a film, from 01:00 to 02:00"));
    assert_non_null(strstr(s.text[2], "00:05 a cat\n00:40 a dog barks\n01:10 it rains\n"));
    assert_string_equal(s.sheets[0], "s-1.png");
    assert_string_equal(s.sheets[2], "s-3.png");
    assert_true(!s.has_film[3] && s.has_schema[3] && s.n_parts[3] == 3);
    assert_string_equal(s.sheets[3], "");
    assert_string_equal(s.text[3], "When does the dog bark?");
    assert_non_null(strstr(s.first[3], "the film long.mp4, which was watched to 02:30."));
    assert_non_null(strstr(s.first[3], "00:05 a cat\n00:40 a dog barks\n01:10 it rains\n02:00 nothing new\n"));
    assert_string_equal(tessera_result_text(r), "At 00:40.");
    assert_string_equal(s.shown, "At 00:40."); /* notes are not shown as an answer */
    assert_non_null(strstr(s.notes, "notes on 3 windows of 60 seconds"));
    const tsr_json *windows = tsr_json_get(r->film, "windows"), *notes = tsr_json_get(tsr_json_at(windows, 0), "notes");
    assert_int_equal(tsr_json_len(windows), 3);
    assert_int_equal(tsr_json_len(notes), 2);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(notes, 1), "time"), NULL), "00:40");
    assert_int_equal(tsr_json_len(r->notes), 1);
    tessera_result_free(r);
}

static void past_an_hour_notes_have_hours_and_stamps_go_on(void **state)
{
    script s = {.answers = {"60:30 a bus", "1:01:05 a tram", "fine"}};
    tsri_film at = film(1, 3600, 3720);
    tsri_films f = films_of(&at, 1, 60, 64);
    tessera_request rq = request(usual, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_OK);
    assert_non_null(strstr(s.text[1], "from 61:00 to 62:00"));
    assert_non_null(strstr(s.first[2], "1:00:30 a bus\n1:01:05 a tram\n"));
    tessera_result_free(r);
}

static void several_films_have_notes_of_their_own(void **state)
{
    static const tessera_part parts[] = {{.kind = TESSERA_PART_VIDEO, .path = "a"}, {.kind = TESSERA_PART_TEXT, .text = "and"},
                                         {.kind = TESSERA_PART_VIDEO, .path = "b"}, {.kind = TESSERA_PART_TEXT, .text = "differ how?"}};
    script s = {.answers = {"00:00 one", "00:01 two", "last"}};
    tsri_film at[] = {film(0, 0, 10), film(2, 0, 10)};
    tsri_films f = films_of(at, 2, 60, 64);
    tessera_request rq = request(parts, 4);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_OK);
    assert_int_equal(s.n, 3);
    assert_null(strstr(s.text[1], "one")); /* of another film */
    assert_non_null(strstr(s.text[0], "and\ndiffer how?"));
    assert_non_null(strstr(s.first[2], "00:00 one\n"));
    assert_null(strstr(s.first[2], "two"));
    tessera_result_free(r);
}

static void stopped_there_are_notes_and_failed_at_once_there_is_nothing(void **state)
{
    script s = {.answers = {"00:00 one"}, .stop_at = 1};
    tsri_film at = film(1, 0, 180);
    tsri_films f = films_of(&at, 1, 60, 64);
    tessera_request rq = request(usual, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_CANCELLED);
    assert_error(&e, TSR_ERR_CANCELLED, "1 of 3 windows", NULL);
    assert_string_equal(tessera_result_text(r), "00:00 one\n");
    assert_string_equal(r->finish, "cancelled");
    tessera_result_free(r);
    s = (script){.answers = {"00:00 one"}, .fails_first = true};
    e = (tsr_error){TSR_OK, ""};
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_DATA);
    assert_error(&e, TSR_ERR_DATA, "window 1 of 3 (00:00 to 01:00): the film is damaged", NULL);
    assert_null(r);
    rq.dump = "d";
    e = (tsr_error){TSR_OK, ""};
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_USAGE);
}

static void a_later_window_that_fails_keeps_the_notes_before_it(void **state)
{
    script s = {.answers = {"00:05 one", "01:05 two"}, .fail_at = 2};
    tsri_film at = film(1, 0, 180);
    tsri_films f = films_of(&at, 1, 60, 64);
    tessera_request rq = request(usual, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_DATA);
    assert_error(&e, TSR_ERR_DATA, "window 3 of 3 (02:00 to 03:00): the film is damaged", NULL);
    assert_string_equal(tessera_result_text(r), "00:05 one\n01:05 two\n");
    assert_string_equal(r->finish, "failed");
    const tsr_json *windows = tsr_json_get(r->film, "windows");
    assert_int_equal(tsr_json_len(windows), 3);
    assert_null(tsr_json_get(tsr_json_at(windows, 1), "error"));
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(windows, 2), "error"), NULL), e.text);
    assert_string_equal(tsr_json_string(tsr_json_get(r->film, "error"), NULL), e.text);
    tsr_json *v = tsri_result_json(r, &e);
    assert_non_null(v);
    tsr_json_free(v);
    tessera_result_free(r);
}

static void an_answer_that_fails_keeps_all_notes(void **state)
{
    static const tessera_part parts[] = {{.kind = TESSERA_PART_VIDEO, .path = "a"}, {.kind = TESSERA_PART_VIDEO, .path = "b"},
                                         {.kind = TESSERA_PART_TEXT, .text = "differ how?"}};
    script s = {.answers = {"00:00 one", "00:01 two"}, .fail_at = 2};
    tsri_film at[] = {film(0, 0, 10), film(1, 0, 10)};
    at[0].name = "a";
    at[1].name = "b";
    tsri_films f = films_of(at, 2, 60, 64);
    tessera_request rq = request(parts, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_DATA);
    assert_error(&e, TSR_ERR_DATA, "the answer from the notes on 2 windows: the film is damaged", NULL);
    assert_string_equal(tessera_result_text(r), "a:\n00:00 one\nb:\n00:01 two\n");
    tessera_result_free(r);
}

/* A window shows one film, but the picture beside it is of the request as well. */
static void sheets_spare_all_files_of_the_request(void **state)
{
    char *dir = test_tmp_make();
    char picture[512], sheet[512];
    snprintf(picture, sizeof picture, "%s", test_path(dir, "s-2.png"));
    snprintf(sheet, sizeof sheet, "%s", test_path(dir, "s.png"));
    test_write_file(picture, "x", 1);
    const tessera_part parts[] = {{.kind = TESSERA_PART_VIDEO, .path = "a"}, {.kind = TESSERA_PART_IMAGE, .path = picture},
                                  {.kind = TESSERA_PART_TEXT, .text = "same?"}};
    script s = {.answers = {"00:00 one"}};
    tsri_film at = film(0, 0, 120);
    tsri_films f = films_of(&at, 1, 60, 64);
    tessera_request rq = request(parts, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    rq.contact_sheet = sheet;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_ERR_USAGE);
    assert_error(&e, TSR_ERR_USAGE, "s-2.png: the contact sheet would be written over a file that is read", NULL);
    assert_int_equal(s.n, 0);
    test_tmp_remove(dir);
}

static void a_whole_film_is_asked_about_once(void **state)
{
    script s = {.answers = {"yes"}};
    tsri_film at = film(1, 0, 60);
    tsri_films f = {.at = &at, .n = 1, .plan = {.mode = TSRI_FILM_WHOLE, .fps = 0.5, .n_frames = 30}};
    tessera_request rq = request(usual, 3);
    tessera_result *r;
    tsr_error e = {TSR_OK, ""};
    (void)state;
    the_script = &s;
    assert_int_equal(tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e), TSR_OK);
    assert_true(s.n == 1 && s.fps[0] == 0.5 && s.has_film[0]);
    assert_non_null(strstr(s.notes, "every 2 seconds"));
    assert_null(tsr_json_get(r->film, "windows"));
    tessera_result_free(r);
}

static void no_memory_is_an_error_at_every_place(void **state)
{
    tsri_film at = film(1, 0, 120);
    tsri_films f = films_of(&at, 1, 60, 64);
    tessera_request rq = request(usual, 3);
    (void)state;
    for (size_t k = 1;; k++) {
        script s = {.answers = {"00:00 one", "01:05 two", "answer"}};
        tessera_result *r;
        tsr_error e = {TSR_OK, ""};
        size_t live = tsr_alloc_live();
        the_script = &s;
        tsr_alloc_fail_at(k);
        tsr_status st = tsri_films_watch(NULL, &rq, &f, ask, on_event, &s, &r, &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            tessera_result_free(r);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        tessera_result_free(r); /* the notes before it, where there are any */
        assert_int_equal(tsr_alloc_live(), live);
    }
}

/* ---- notes ---- */

static void notes_are_read_as_models_write_them(void **state)
{
    static const char answer[] = "Here are the notes:\n\n* [01:02] A car.\n- 01:05 - 01:07: It turns.\r\n00:10 early\n99:00 late\n"
                                 "**01:30** \xe2\x80\x93 **Rain.**\n01:40\n```\n";
    tsri_film_notes notes = {0};
    tsr_text out = {0};
    tsr_error e = {TSR_OK, ""};
    (void)state;
    assert_int_equal(tsri_film_notes_read(&notes, answer, strlen(answer), 60, 120, &e), TSR_OK);
    assert_int_equal(tsri_film_notes_write(&notes, 0, &out, &e), TSR_OK);
    assert_int_equal(tsr_text_add(&out, "", 1, &e), TSR_OK);
    assert_string_equal(out.at, "01:00 Here are the notes:\n01:02 A car.\n01:05 It turns.\n01:05 early\n02:00 late\n02:00 Rain.\n");
    assert_int_equal(notes.n_moved, 3);
    assert_false(notes.at[0].has_time);
    assert_true(notes.at[1].to_s == 65 && notes.at[5].to_s == 120);
    assert_int_equal(tsri_film_notes_read(&notes, "", 0, 120, 180, &e), TSR_OK);
    assert_int_equal(notes.n, 6);
    tsr_text_deinit(&out);
    tsri_film_notes_deinit(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_is_asked_and_the_answer_comes_from_the_notes),
        cmocka_unit_test(past_an_hour_notes_have_hours_and_stamps_go_on),
        cmocka_unit_test(several_films_have_notes_of_their_own),
        cmocka_unit_test(stopped_there_are_notes_and_failed_at_once_there_is_nothing),
        cmocka_unit_test(a_later_window_that_fails_keeps_the_notes_before_it),
        cmocka_unit_test(an_answer_that_fails_keeps_all_notes),
        cmocka_unit_test(sheets_spare_all_files_of_the_request),
        cmocka_unit_test(a_whole_film_is_asked_about_once),
        cmocka_unit_test(no_memory_is_an_error_at_every_place),
        cmocka_unit_test(notes_are_read_as_models_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
