/* read from files to Markdown, text and JSON, with answers from a script in place of a model's. */
#include "test_main.h"

#include <stdio.h>

#include "read.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tiny_model.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

typedef struct script {
    const char *answers[4]; /* in the order of the pages; the last one stays */
    const char *finish;
    size_t n; /* pages asked about */
    char names[4][64], questions[4][4096];
    const char *schema;
    size_t budget, max_budget, max_tokens;
    char notes[2048];
    size_t stop_at; /* pages after which the work is stopped; 0: never */
} script;

static int on_event(void *user, const tessera_event *ev)
{
    script *s = user;
    size_t at = strlen(s->notes);
    if (ev->kind == TESSERA_EVENT_NOTE)
        snprintf(s->notes + at, sizeof s->notes - at, "%.*s\n", (int)ev->len, ev->text);
    return ev->kind == TESSERA_EVENT_STAGE && s->stop_at && ev->done == s->stop_at;
}

static tsr_status ask(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err)
{
    script *s = user;
    const char *text = s->answers[0];
    (void)m, (void)fn;
    assert_true(s->n < 4 && given->width > 0);
    for (size_t i = 0; i <= s->n && s->answers[i]; i++)
        text = s->answers[i];
    const tessera_part *picture = &rq->parts[rq->n_parts - 2], *question = picture + 1;
    assert_int_equal(picture->kind, TESSERA_PART_IMAGE);
    snprintf(s->names[s->n], sizeof s->names[0], "%s", strrchr(picture->path, '/') + 1);
    snprintf(s->questions[s->n++], sizeof s->questions[0], "%.*s", (int)question->text_len, question->text);
    s->schema = rq->schema;
    s->budget = rq->budget;
    s->max_budget = rq->max_budget;
    s->max_tokens = rq->max_tokens;
    return scripted_result(out, text, s->finish, err);
}

static const char *sample(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/samples/%s", TSR_SOURCE_DIR, name);
    return p;
}

static const char *fixture(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/media/fixtures_streams/%s", TSR_SOURCE_DIR, name);
    return path;
}

typedef struct outcome {
    tsr_status st;
    tsr_error err;
    char *text;
    size_t n_failed;
} outcome;

static outcome read_files(script *s, const tessera_read_opts *o, const tessera_request *settings, size_t n, const char *const *files)
{
    tessera_part parts[8];
    tessera_request rq = settings ? *settings : tessera_request_default();
    outcome r = {.err = {TSR_OK, ""}};
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++)
        parts[i] = (tessera_part){.kind = TESSERA_PART_FILE, .path = files[i]};
    rq.parts = parts;
    rq.n_parts = n;
    rq.dpi = rq.dpi ? rq.dpi : 36; /* small pictures: nobody looks at them here */
    r.st = tsri_read(tiny_model, &rq, o, ask, on_event, s, &r.text, &r.n_failed, &r.err);
    return r;
}

static outcome read_file(script *s, const tessera_read_opts *o, const tessera_request *settings, const char *file)
{
    return read_files(s, o, settings, 1, &file);
}

static tsr_json *parse(const char *text)
{
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    if (tsr_json_parse(&v, text, strlen(text), "output", &e) != TSR_OK)
        fail_msg("%s: %s", text, e.text);
    return v;
}

static void pages_become_markdown(void **state)
{
    script s = {.answers = {"```markdown\n# Invoice\n\n| a | b |\n```\n", "Care  \n"}};
    (void)state;
    outcome r = read_file(&s, NULL, NULL, sample("invoice.pdf"));
    if (r.st != TSR_OK)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.n_failed, 0);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.names[1], "invoice.pdf, page 2");
    char *second = strstr(r.text, "\n---\n\n<!-- ");
    assert_non_null(second);
    assert_ptr_equal(strstr(r.text, "<!-- "), r.text);
    assert_non_null(strstr(r.text, "invoice.pdf, page 1 -->\n\n# Invoice\n\n| a | b |\n\n---\n"));
    assert_string_equal(strstr(second, "page 2"), "page 2 -->\n\nCare\n");
    tessera_free(r.text);
    /* the text layer stands before the question, in poppler's order */
    const char *layer = strstr(s.questions[0], "The Kite Workshop\n\nInvoice 2041\n"), *q = strstr(s.questions[0], "as Markdown");
    assert_true(layer && q && layer < q);
    assert_int_equal(s.budget, TESSERA_BUDGET_AUTO);
    assert_int_equal(s.max_budget, 1120);
    assert_int_equal(s.max_tokens, 4096);
    s = (script){.answers = {"Care"}};
    tessera_request rq = tessera_request_default();
    rq.pages = "2";
    rq.budget = 280;
    r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_string_equal(r.text, "Care\n"); /* one page is bare */
    assert_int_equal(s.budget, 280);
    tessera_free(r.text);
}

static void a_name_does_not_end_the_comment(void **state)
{
    char files[2][512];
    size_t len;
    script s = {.answers = {"x"}};
    (void)state;
    unsigned char *p = test_read_file(sample("line.png"), &len);
    for (size_t i = 0; i < 2; i++) {
        snprintf(files[i], sizeof files[i], "%s", test_path(test_root, i ? "b-->.png" : "a---b.png"));
        test_write_file(files[i], p, len);
    }
    free(p);
    outcome r = read_files(&s, NULL, NULL, 2, (const char *const[]){files[0], files[1]});
    assert_int_equal(r.st, TSR_OK);
    assert_non_null(strstr(r.text, "a-_-b.png -->\n\nx\n"));
    assert_non_null(strstr(r.text, "b-_>.png -->\n\nx\n"));
    tessera_free(r.text);
}

static void plain_text_has_form_feeds(void **state)
{
    script s = {.answers = {"one", "two\n\n"}};
    (void)state;
    outcome r = read_file(&s, &(tessera_read_opts){.format = "txt"}, NULL, sample("invoice.pdf"));
    assert_string_equal(r.text, "one\n\ftwo\n");
    assert_non_null(strstr(s.questions[0], "Write down all text"));
    tessera_free(r.text);
}

#define SCHEMA "{\"type\":\"object\",\"properties\":{\"number\":{\"type\":\"string\"},\"total\":{\"type\":\"number\"}}}"

static void a_schema_gives_values_with_boxes(void **state)
{
    script s = {.answers = {"{\"number\": \"2041\", \"total\": 74.74, \"box\": 34, \"who\": \"Bob\"}", "{\"number\": \"x\"}"}};
    tessera_request rq = tessera_request_default();
    double x0 = 0, y0 = 0;
    size_t n = 0;
    (void)state;
    rq.schema = SCHEMA;
    outcome r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_string_equal(r.text, "[\n {\"page\":1,\"value\":{\"number\":\"2041\",\"total\":74.74,\"box\":34,\"who\":\"Bob\"}},\n"
                                " {\"page\":2,\"value\":{\"number\":\"x\"}}\n]\n");
    assert_ptr_equal(s.schema, rq.schema);
    assert_non_null(strstr(s.questions[0], SCHEMA));
    tessera_free(r.text);
    s.n = 0;
    r = read_file(&s, &(tessera_read_opts){.as_json = 1}, &rq, sample("invoice.pdf"));
    tsr_json *v = parse(r.text);
    const tsr_json *p = tsr_json_at(tsr_json_get(v, "pages"), 0), *fields = tsr_json_get(p, "fields"), *f = tsr_json_at(fields, 0);
    assert_string_equal(tsr_json_string(tsr_json_get(v, "format"), NULL), "json");
    assert_int_equal(tsr_json_len(fields), 4);
    assert_string_equal(tsr_json_string(tsr_json_get(f, "path"), NULL), "/number");
    assert_string_equal(tsr_json_string(tsr_json_get(f, "match"), NULL), "exact");
    assert_true(tsr_json_to_double(tsr_json_at(tsr_json_get(f, "box"), 0), &x0) && x0 > 117 && x0 < 118);
    assert_true(tsr_json_to_double(tsr_json_at(tsr_json_get(f, "box"), 1), &y0) && y0 > 94 && y0 < 95);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(fields, 2), "match"), NULL), "number"); /* 34.00 */
    assert_true(tsr_json_is_null(tsr_json_get(tsr_json_at(fields, 3), "box")));
    const tsr_json *layer = tsr_json_get(p, "layer");
    assert_true(tsr_json_to_size(tsr_json_get(layer, "words"), &n) && n > 20);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(tsr_json_get(layer, "blocks"), 1), "text"), NULL), "Invoice 2041");
    tsr_json_free(v);
    tessera_free(r.text);
}

static void a_layer_is_cut_or_left_away_and_scans_have_none(void **state)
{
    script s = {.answers = {"x"}};
    tessera_request rq = tessera_request_default();
    (void)state;
    rq.pages = "1";
    outcome r = read_file(&s, &(tessera_read_opts){.max_layer = 40}, &rq, sample("invoice.pdf"));
    assert_non_null(strstr(s.questions[0], "Invoice 2041\n\n"));
    assert_null(strstr(s.questions[0], "Customer"));
    assert_non_null(strstr(s.notes, "page 1: of the "));
    assert_non_null(strstr(s.notes, "the model gets the first 32 (--max-layer)"));
    tessera_free(r.text);
    s.n = 0;
    r = read_file(&s, &(tessera_read_opts){.max_layer = 1}, &rq, sample("invoice.pdf")); /* less than a line */
    assert_ptr_equal(strstr(s.questions[0], "Write down"), s.questions[0]);
    tessera_free(r.text);
    s = (script){.answers = {"x"}};
    r = read_file(&s, &(tessera_read_opts){.no_layer = 1}, &rq, sample("invoice.pdf"));
    assert_null(strstr(s.questions[0], "Kite"));
    assert_string_equal(s.notes, "");
    tessera_free(r.text);
    s.n = 0;
    r = read_file(&s, &(tessera_read_opts){.as_json = 1}, NULL, sample("shapes.png"));
    assert_int_equal(r.st, TSR_OK);
    assert_ptr_equal(strstr(s.questions[0], "Write down"), s.questions[0]);
    assert_non_null(strstr(r.text, "\"layer\":null"));
    assert_null(strstr(r.text, "\"page\":"));
    tessera_free(r.text);
}

static void documents_that_cannot_be_read_are_refused_by_name(void **state)
{
    static const char empty[] = "";
    char path[512];
    script s = {.answers = {"x"}};
    tessera_request rq = tessera_request_default();
    (void)state;
    outcome r = read_file(&s, NULL, NULL, fixture("locked.pdf"));
    assert_error(&r.err, TSR_ERR_DATA, "locked.pdf", "encrypted");
    r = read_file(&s, NULL, NULL, fixture("none.pdf"));
    assert_error(&r.err, TSR_ERR_DATA, "none.pdf", "no pages");
    snprintf(path, sizeof path, "%s", test_path(test_root, "bad.pdf"));
    test_write_file(path, "%PDF-1.4\nnothing", 16);
    r = read_file(&s, NULL, NULL, path);
    assert_error(&r.err, TSR_ERR_DATA, "bad.pdf", "damaged");
    test_write_file(path, empty, 0);
    r = read_file(&s, NULL, NULL, path);
    assert_error(&r.err, TSR_ERR_DATA, "bad.pdf", "empty");
    r = read_file(&s, NULL, NULL, sample("ball.mp4"));
    assert_error(&r.err, TSR_ERR_DATA, "ball.mp4", "is a film");
    r = read_file(&s, NULL, NULL, sample("train.mp3"));
    assert_error(&r.err, TSR_ERR_DATA, "train.mp3", "is a sound");
    rq.pages = "3";
    r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_error(&r.err, TSR_ERR_USAGE, "page 3", NULL);
    r = read_files(&s, NULL, NULL, 0, NULL);
    assert_int_equal(r.st, TSR_ERR_USAGE);
    assert_int_equal(s.n, 0);
}

/* pages.pdf: three pages of one color, then a word. */
static void empty_pages_are_told_and_the_others_stay(void **state)
{
    script s = {.answers = {"Seven"}};
    tessera_request rq = tessera_request_default();
    (void)state;
    rq.pages = "3,4";
    outcome r = read_file(&s, NULL, &rq, fixture("pages.pdf"));
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.n_failed, 1);
    assert_int_equal(s.n, 1);
    assert_non_null(strstr(s.notes, "pages.pdf, page 3: is empty: nothing is drawn on it"));
    assert_non_null(strstr(r.text, "page 3 -->\n\n<!-- this page could not be read -->\n\n---\n"));
    tessera_free(r.text);
    rq.pages = "3";
    r = read_file(&s, NULL, &rq, fixture("pages.pdf"));
    assert_error(&r.err, TSR_ERR_DATA, "pages.pdf, page 3", "is empty");
    assert_null(r.text);
}

static void answers_that_are_not_whole_are_told(void **state)
{
    script s = {.answers = {"half of"}, .finish = "length"};
    tessera_request rq = tessera_request_default();
    (void)state;
    rq.pages = "1";
    outcome r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.n_failed, 1);
    assert_string_equal(r.text, "half of\n");
    assert_non_null(strstr(s.notes, "cut off at --max-tokens"));
    tessera_free(r.text);
    s = (script){.answers = {"{\"a\": ", "{}"}};
    rq.pages = NULL;
    rq.schema = "{}";
    r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_int_equal(r.n_failed, 1);
    tsr_json *v = parse(r.text);
    assert_non_null(tsr_json_string(tsr_json_get(tsr_json_at(v, 0), "error"), NULL));
    assert_true(tsr_json_is_object(tsr_json_get(tsr_json_at(v, 1), "value")));
    tsr_json_free(v);
    tessera_free(r.text);
    s = (script){.answers = {"x"}, .finish = "cancelled"};
    r = read_file(&s, NULL, NULL, sample("invoice.pdf"));
    assert_int_equal(r.st, TSR_ERR_CANCELLED);
    s = (script){.answers = {"x"}, .stop_at = 1};
    r = read_file(&s, &(tessera_read_opts){.as_json = 1}, NULL, sample("invoice.pdf"));
    assert_int_equal(r.st, TSR_OK);
    assert_non_null(strstr(r.text, "\"cancelled\":true"));
    tessera_free(r.text);
}

static void what_contradicts_itself_is_refused_early(void **state)
{
    script s = {.answers = {"x"}};
    tessera_request rq = tessera_request_default();
    (void)state;
    outcome r = read_file(&s, &(tessera_read_opts){.format = "doc"}, NULL, sample("invoice.pdf"));
    assert_error(&r.err, TSR_ERR_USAGE, "'doc'", "md, txt or json");
    r = read_file(&s, &(tessera_read_opts){.format = "json"}, NULL, sample("invoice.pdf"));
    assert_error(&r.err, TSR_ERR_USAGE, "needs a schema", NULL);
    rq.schema = "{}";
    r = read_file(&s, &(tessera_read_opts){.format = "md"}, &rq, sample("invoice.pdf"));
    assert_error(&r.err, TSR_ERR_USAGE, "for the form json", NULL);
    rq.schema = NULL;
    rq.grammar = "root ::= \"a\"";
    r = read_file(&s, NULL, &rq, sample("invoice.pdf"));
    assert_error(&r.err, TSR_ERR_USAGE, "no grammar", NULL);
    assert_int_equal(s.n, 0);
}

static void the_result_is_written_whole_or_not_at_all(void **state)
{
    char path[512], copy[512];
    size_t len;
    script s = {.answers = {"x"}};
    tessera_read_opts o = {.path = path};
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "out.md"));
    outcome r = read_file(&s, &o, NULL, sample("shapes.png"));
    assert_int_equal(r.st, TSR_OK);
    char *text = (char *)test_read_file(path, &len);
    assert_string_equal(text, "x\n");
    free(text);
    tessera_free(r.text);
    s.n = 0;
    snprintf(path, sizeof path, "%s", test_path(test_root, "no/such/folder.md"));
    r = read_file(&s, &o, NULL, sample("shapes.png"));
    assert_error(&r.err, TSR_ERR_NOINPUT, "no/such", "no folder");
    snprintf(path, sizeof path, "%s", test_root);
    r = read_file(&s, &o, NULL, sample("shapes.png"));
    assert_error(&r.err, TSR_ERR_USAGE, "is a folder", NULL);
    unsigned char *p = test_read_file(sample("line.png"), &len);
    snprintf(copy, sizeof copy, "%s", test_path(test_root, "copy.png"));
    test_write_file(copy, p, len);
    free(p);
    snprintf(path, sizeof path, "%s", test_path(test_root, "./copy.png"));
    r = read_file(&s, &o, NULL, copy);
    assert_error(&r.err, TSR_ERR_USAGE, "copy.png", "over a file that is read");
    assert_int_equal(s.n, 0);
}

/* Request by request; on a page of a document, for which programs are run each time, at every 23rd. What the text layer and
 * its fields alone ask for is tried one by one in their own tests. */
static void memory_may_run_short(const char *file, const tessera_read_opts *o, size_t step)
{
    size_t live = tsr_alloc_live(), k = 1;
    outcome r;
    for (;; k += step) {
        script s = {.answers = {"{\"a\": \"Seven\", \"b\": 7}"}};
        tessera_request rq = tessera_request_default();
        rq.pages = "4";
        rq.schema = o->as_json ? "{}" : NULL;
        tsr_alloc_fail_at(k);
        r = read_file(&s, o, &rq, file);
        tsr_alloc_fail_at(0);
        if (r.st != TSR_OK && r.st != TSR_ERR_NOMEM)
            fail_msg("request %zu: %s", k, r.err.text);
        assert_true((r.text != NULL) == (r.st == TSR_OK));
        tessera_free(r.text);
        assert_int_equal(tsr_alloc_live(), live);
        if (r.st == TSR_OK)
            break;
    }
    assert_int_equal(r.n_failed, 0);
    assert_true(k > 30);
}

static void memory_may_run_short_anywhere(void **state)
{
    (void)state;
    memory_may_run_short(sample("line.png"), &(tessera_read_opts){.as_json = 1}, 1);
    memory_may_run_short(sample("line.png"), &(tessera_read_opts){.format = "md"}, 1);
    memory_may_run_short(fixture("pages.pdf"), &(tessera_read_opts){.as_json = 1}, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_become_markdown),
        cmocka_unit_test(a_name_does_not_end_the_comment),
        cmocka_unit_test(plain_text_has_form_feeds),
        cmocka_unit_test(a_schema_gives_values_with_boxes),
        cmocka_unit_test(a_layer_is_cut_or_left_away_and_scans_have_none),
        cmocka_unit_test(documents_that_cannot_be_read_are_refused_by_name),
        cmocka_unit_test(empty_pages_are_told_and_the_others_stay),
        cmocka_unit_test(answers_that_are_not_whole_are_told),
        cmocka_unit_test(what_contradicts_itself_is_refused_early),
        cmocka_unit_test(the_result_is_written_whole_or_not_at_all),
        cmocka_unit_test(memory_may_run_short_anywhere),
    };
    return cmocka_run_group_tests(tests, tiny_model_open, tiny_model_close);
}
