/* test_real_vocab.c: the tokenizer with a real vocabulary of 262,144 entries, which isn't kept here.
 *
 * TSR_REAL_VOCAB names its tokenizer.json (tools/real_vocab.sh fetches one); TSR_REAL_VOCAB_CASES may
 * name a folder with gemma-4.inp, strings separated by a line, and gemma-4.out, a line of ids for
 * each. Without the first everything is skipped, without the second the last test. */
#include <stdlib.h>
#include <time.h>

#include "text_recipe.h"
#include "tsr_file.h"

static const char SEPARATOR[] = "\n__ggml_vocab_test__\n";

/* The variable's value; skips the test when it isn't set. */
static const char *need(const char *variable)
{
    const char *v = getenv(variable);
    if (!v || !*v) {
        print_message("skipped: %s isn't set\n", variable);
        skip();
    }
    return v;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One second of the processor's time in a release build; sanitizers make it several. */
static void opening_takes_at_most_a_second(void **state)
{
    const char *path = need("TSR_REAL_VOCAB");
    double before = now(), took;
    tsr_tokenizer *t = load_tokenizer(path);
    (void)state;
    took = now() - before;
    print_message("%zu ids in %.3f s, %.1f MB\n", tsr_tokenizer_count(t), took, (double)tsr_alloc_peak_bytes() / 1e6);
    assert_true(tsr_tokenizer_count(t) >= 262144);
#ifdef NDEBUG
    assert_true(took <= 1.0);
#endif
    tsr_tokenizer_close(t);
}

static void strings_have_the_reference_ids(void **state)
{
    tsr_tokenizer *t = load_tokenizer(need("TSR_REAL_VOCAB"));
    tsr_json *cases = load_json(FIXTURES "real_vocab_cases.json");
    (void)state;
    check_recipe(t, tsr_json_get(cases, "plain"), NULL, TSR_ENCODE_PLAIN);
    check_recipe(t, tsr_json_get(cases, "control"), NULL, TSR_ENCODE_CONTROL);
    tsr_json_free(cases);
    tsr_tokenizer_close(t);
}

static char *read_case_file(const char *folder, const char *name)
{
    char *path = tsr_path_join(folder, name);
    unsigned char *text;
    size_t len;
    tsr_error err = {0};
    if (tsr_file_read(&text, &len, path, 1 << 20, &err) != TSR_OK) fail_msg("%s", err.text);
    tsr_free(path);
    return (char *)text;
}

static void published_cases_have_their_ids(void **state)
{
    const char *folder = need("TSR_REAL_VOCAB_CASES");
    tsr_tokenizer *t = load_tokenizer(need("TSR_REAL_VOCAB"));
    char *inp = read_case_file(folder, "gemma-4.inp"), *out = read_case_file(folder, "gemma-4.out");
    const char *s = inp, *want = out;
    size_t n = 0;
    tsr_ids ids = {0};
    (void)state;
    for (bool more = true; more; n++) {
        const char *end = strstr(s, SEPARATOR);
        more = end != NULL;
        if (!end) end = s + strlen(s);
        ids.n = 0;
        assert_int_equal(tsr_tokenizer_encode(t, s, (size_t)(end - s), TSR_ENCODE_PLAIN, &ids, NULL), TSR_OK);
        for (size_t i = 0; i < ids.n; i++) {
            char *after;
            long id = strtol(want, &after, 10);
            if (after == want || id != ids.at[i]) fail_msg("case %zu: id %zu is %d, not %ld", n, i, (int)ids.at[i], id);
            want = after;
        }
        want += strspn(want, " ");
        if (*want != '\n') fail_msg("case %zu: more ids than %zu", n, ids.n);
        want++;
        s = end + strlen(SEPARATOR);
    }
    print_message("%zu cases\n", n);
    assert_true(n > 1);
    tsr_ids_deinit(&ids);
    tsr_free(inp);
    tsr_free(out);
    tsr_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_takes_at_most_a_second),
        cmocka_unit_test(strings_have_the_reference_ids),
        cmocka_unit_test(published_cases_have_their_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
