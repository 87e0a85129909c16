/* test_real_vocab.c: the tokenizer with a real vocabulary of 262,144 entries, which isn't kept here: as its
 * tokenizer.json, and as the GGUF file that is made of it.
 *
 * TSR_REAL_VOCAB names the tokenizer.json (tools/real_vocab.sh fetches one); TSR_REAL_VOCAB_CASES may
 * name a folder with gemma-4.inp, strings separated by a line, and gemma-4.out, a line of ids for
 * each; TSR_REAL_VOCAB_GGUF a GGUF file by another writer, a model's for example, for the same cases. Without the
 * first everything is skipped, without the second the last test. */
#include <stdlib.h>
#include <time.h>

#include "test_tmp.h"
#include "tokenizer_same.h"
#include "tsr_file.h"
#include "tsr_tokenizer_export.h"

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

/* The vocabulary as a GGUF file of nothing else. */
static void write_gguf(const char *path, const char *json)
{
    tsr_tokenizer *t = load_tokenizer(json);
    tsr_tokenizer_export e;
    tsr_gguf_writer *w;
    tsr_error err = {0};
    if (tsr_tokenizer_export_init(&e, t, 0, &err) != TSR_OK) fail_msg("%s", err.text);
    assert_int_equal(tsr_gguf_writer_open(&w, path, 0, &err), TSR_OK);
    tsr_tokenizer_export_put(&e, w);
    if (tsr_gguf_writer_begin(w, &err) != TSR_OK || tsr_gguf_writer_finish(w, &err) != TSR_OK) fail_msg("%s", err.text);
    tsr_gguf_writer_close(w);
    tsr_tokenizer_export_deinit(&e);
    tsr_tokenizer_close(t);
}

static tsr_tokenizer *load_gguf(const char *path)
{
    tsr_gguf *g = open_gguf(path);
    tsr_tokenizer *t = open_tokenizer(g);
    tsr_gguf_close(g);
    return t;
}

/* Two routes to one tokenizer, and perhaps one to another's file. */
typedef struct route {
    const char *name;
    tsr_tokenizer *(*load)(const char *path);
    const char *path;
    double seconds; /* to open it */
} route;

enum { OWN_ROUTES = 2 };

typedef struct routes {
    char *dir, *gguf;
    route at[OWN_ROUTES + 1];
    size_t n;
} routes;

static int make_routes(void **state)
{
    static routes r;
    const char *json = getenv("TSR_REAL_VOCAB");
    *state = &r;
    if (!json || !*json) return 0; /* each test skips itself */
    r.dir = test_tmp_make();
    r.gguf = tsr_path_join(r.dir, "vocab.gguf");
    write_gguf(r.gguf, json);
    r.at[0] = (route){"tokenizer.json", load_tokenizer, json, 1.0};
    r.at[1] = (route){"gguf", load_gguf, r.gguf, 0.5};
    r.n = OWN_ROUTES;
    const char *other = getenv("TSR_REAL_VOCAB_GGUF");
    if (other && *other) r.at[r.n++] = (route){"gguf by another writer", load_gguf, other, 0.5};
    return 0;
}

static int remove_routes(void **state)
{
    routes *r = *state;
    tsr_free(r->gguf);
    test_tmp_remove(r->dir);
    return 0;
}

/* A second of the processor's time in a release build, and half of it for arrays that needn't be parsed;
 * sanitizers make it several. */
static void opening_takes_at_most_a_second(void **state)
{
    const routes *r = *state;
    need("TSR_REAL_VOCAB");
    for (size_t i = 0; i < r->n; i++) {
        double before = now(), took;
        tsr_tokenizer *t = r->at[i].load(r->at[i].path);
        took = now() - before;
        print_message("%s: %zu ids in %.3f s, %.1f MB\n", r->at[i].name, tsr_tokenizer_count(t), took,
                      (double)tsr_alloc_live_bytes() / 1e6);
        assert_true(tsr_tokenizer_count(t) >= 262144);
#ifdef NDEBUG
        assert_true(took <= r->at[i].seconds);
#endif
        tsr_tokenizer_close(t);
    }
}

static void strings_have_the_reference_ids(void **state)
{
    const routes *r = *state;
    tsr_json *cases;
    need("TSR_REAL_VOCAB");
    cases = load_json(FIXTURES "real_vocab_cases.json");
    for (size_t i = 0; i < OWN_ROUTES; i++) {
        tsr_tokenizer *t = r->at[i].load(r->at[i].path);
        check_recipe(t, tsr_json_get(cases, "plain"), NULL, TSR_ENCODE_PLAIN);
        check_recipe(t, tsr_json_get(cases, "control"), NULL, TSR_ENCODE_CONTROL);
        tsr_tokenizer_close(t);
    }
    tsr_json_free(cases);
}

static void every_token_is_the_same(void **state)
{
    const routes *r = *state;
    tsr_tokenizer *a, *b;
    need("TSR_REAL_VOCAB");
    a = r->at[0].load(r->at[0].path);
    b = r->at[1].load(r->at[1].path);
    assert_same_tokens(a, b);
    tsr_tokenizer_close(a);
    tsr_tokenizer_close(b);
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

static void check_published(const tsr_tokenizer *t, const char *s, const char *want)
{
    size_t n = 0;
    tsr_ids ids = {0};
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
}

static void published_cases_have_their_ids(void **state)
{
    const routes *r = *state;
    const char *folder = need("TSR_REAL_VOCAB_CASES");
    char *inp, *out;
    need("TSR_REAL_VOCAB");
    inp = read_case_file(folder, "gemma-4.inp");
    out = read_case_file(folder, "gemma-4.out");
    for (size_t i = 0; i < r->n; i++) {
        tsr_tokenizer *t = r->at[i].load(r->at[i].path);
        check_published(t, inp, out);
        tsr_tokenizer_close(t);
    }
    tsr_free(inp);
    tsr_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_takes_at_most_a_second),
        cmocka_unit_test(strings_have_the_reference_ids),
        cmocka_unit_test(every_token_is_the_same),
        cmocka_unit_test(published_cases_have_their_ids),
    };
    return cmocka_run_group_tests(tests, make_routes, remove_routes);
}
