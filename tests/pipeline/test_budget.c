/* How many soft tokens a picture gets when nobody says: by its size, the request and the model. */
#include "test_main.h"

#include <stdio.h>

#include "budget.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tiny_model.h"

static void the_smallest_that_keeps_the_size(void **state)
{
    static const struct {
        size_t width, height, most, want;
    } cases[] = {
        {16, 16, 280, 70},      {402, 401, 280, 70},     {403, 403, 280, 140},   {567, 567, 280, 140},
        {570, 570, 280, 280},   {4000, 3000, 280, 280},  {4000, 3000, 560, 560}, {4000, 3000, 1120, 1120},
        {1000, 1000, 1120, 560}, {20000, 3, 1120, 70},   {4000, 3000, 70, 70},   {SIZE_MAX, SIZE_MAX, 1120, 1120},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tsri_budget_for(cases[i].width, cases[i].height, 48, cases[i].most) != cases[i].want)
            fail_msg("%zux%zu, at most %zu: %zu", cases[i].width, cases[i].height, cases[i].most,
                     tsri_budget_for(cases[i].width, cases[i].height, 48, cases[i].most));
}

static void the_request_and_the_model_set_the_limit(void **state)
{
    tessera_request rq = tessera_request_default();
    (void)state;
    assert_int_equal(tsri_budget_trained(tiny_model), 1120); /* the file says nothing */
    assert_int_equal(tsri_budget_most(tiny_model, &rq, false), 280);
    assert_int_equal(tsri_budget_most(tiny_model, &rq, true), 560);
    rq.max_budget = 1120;
    assert_int_equal(tsri_budget_most(tiny_model, &rq, false), 1120);
}

/* A PPM of one color. */
static const char *picture(const char *name, size_t width, size_t height)
{
    const char *path = test_path(test_root, name);
    size_t n = width * height * 3;
    char *bytes = must_realloc(NULL, n + 32);
    int head = snprintf(bytes, 32, "P6 %zu %zu 255\n", width, height);
    memset(bytes + head, 90, n);
    test_write_file(path, bytes, (size_t)head + n);
    free(bytes);
    return path;
}

static char *told(size_t budget, const char *path)
{
    tessera_request rq = tessera_request_default();
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    char *text = NULL;
    tessera_part parts[] = {{.kind = TESSERA_PART_IMAGE, .path = path}, {.kind = TESSERA_PART_TEXT, .text = "x"}};
    rq.parts = parts;
    rq.n_parts = 2;
    rq.max_tokens = 1;
    rq.budget = budget;
    if (tessera_run(tiny_model, &rq, NULL, NULL, &r, &err) != TESSERA_OK || tessera_result_json(r, &text, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    tessera_result_free(r);
    return text;
}

static void a_note_tells_what_is_lost_and_what_keeps_it(void **state)
{
    (void)state;
    const char *large = picture("large.ppm", 1800, 900), *small = picture("small.ppm", 100, 50);
    char *text = told(TESSERA_BUDGET_AUTO, small);
    assert_non_null(strstr(text, "\"budget\":70"));
    assert_null(strstr(text, "small print"));
    tessera_free(text);
    text = told(TESSERA_BUDGET_AUTO, large);
    assert_non_null(strstr(text, "\"budget\":280"));
    tessera_free(text);
    text = told(TESSERA_BUDGET_AUTO, picture("huge.ppm", 3000, 1500));
    assert_non_null(strstr(text, "huge.ppm: seen at 3"));
    assert_non_null(strstr(text, "small print may be lost; --budget 560 keeps more"));
    tessera_free(text);
    text = told(0, small); /* the library's own default stays */
    assert_non_null(strstr(text, "\"budget\":280"));
    tessera_free(text);
    text = told(70, test_path(test_root, "huge.ppm")); /* asked for: nothing to tell */
    assert_null(strstr(text, "small print"));
    tessera_free(text);
}

static void other_budgets_are_refused(void **state)
{
    tessera_part part = {.kind = TESSERA_PART_TEXT, .text = "x"};
    tessera_request rq = tessera_request_default();
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    (void)state;
    rq.parts = &part;
    rq.n_parts = 1;
    rq.max_budget = 100;
    assert_int_equal(tessera_run(tiny_model, &rq, NULL, NULL, &r, &err), TESSERA_ERR_USAGE);
    assert_non_null(strstr(err.text, "at most 100"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_that_keeps_the_size),
        cmocka_unit_test(the_request_and_the_model_set_the_limit),
        cmocka_unit_test(a_note_tells_what_is_lost_and_what_keeps_it),
        cmocka_unit_test(other_budgets_are_refused),
    };
    return cmocka_run_group_tests(tests, tiny_model_open, tiny_model_close);
}
