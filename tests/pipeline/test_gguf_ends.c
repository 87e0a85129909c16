/* What ends an answer, and what is never sampled, goes from a folder into the GGUF file that is made of it: with all
 * other ids suppressed, each end that the model may choose ends its answer, and no placeholder is among the ids. */
#include <stdio.h>
#include <unistd.h>

#include "hash_model.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "text_build.h"
#include "tsr_alloc.h"

enum { VOCAB = 1298, EOS = 1, TOOL_RESPONSE = 50, TURN_END = 106, ORDINARY = 300, OTHER = 301,
       IMAGE = 1293, AUDIO = 1294, VIDEO = 1297, N_SEEDS = 5, MOST = 60 };

static const int32_t placeholders[] = {IMAGE, AUDIO, VIDEO};

static bool is_in(int32_t id, const int32_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == id)
            return true;
    return false;
}

/* A model that samples almost evenly, and only among the placeholders and `open`; `ends` is a list of ids, or NULL
 * for no key. */
static void write_folder(const char *dir, const int32_t *open, size_t n_open, const char *ends)
{
    tsr_error err = {TSR_OK, ""};
    char *text;
    assert_int_equal(oracle_model_write(dir, "text", &err), TSR_OK);
    tsri_lines l = tsri_lines_begin(false, &err);
    tsri_print(&l, "{\"do_sample\": true, \"temperature\": 100.0, \"top_k\": 0, \"top_p\": 1.0, ");
    if (ends)
        tsri_print(&l, "\"eos_token_id\": %s, ", ends);
    tsri_print(&l, "\"suppress_tokens\": [");
    const char *comma = "";
    for (int32_t id = 0; id < VOCAB; id++)
        if (!is_in(id, open, n_open) && !is_in(id, placeholders, 3)) {
            tsri_print(&l, "%s%d", comma, (int)id);
            comma = ", ";
        }
    tsri_print(&l, "]}");
    assert_int_equal(tsri_lines_end(&l, &text), TSR_OK);
    test_write_file(test_path(dir, "generation_config.json"), text, strlen(text));
    tsr_free(text);
}

static void quantize(const char *dir, const char *file)
{
    tessera_error err = {TESSERA_OK, ""};
    tessera_quantize_opts o = {.type = "f32", .force = 1, .threads = 1};
    char *report;
    if (tessera_quantize(dir, file, &o, NULL, NULL, &report, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    tessera_free(report);
}

typedef struct answer {
    int32_t ids[MOST];
    size_t n;
    char finish[16];
} answer;

static answer sample(tessera_model *m, uint64_t seed)
{
    answer a = {0};
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    const tessera_part part = {.kind = TESSERA_PART_TEXT, .text = "Count."};
    tessera_request rq = tessera_request_default();
    rq.parts = &part;
    rq.n_parts = 1;
    rq.max_tokens = MOST;
    rq.seed = seed;
    rq.seed_set = 1;
    if (tessera_run(m, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    const int32_t *ids = tessera_result_token_ids(r, &a.n);
    assert_true(a.n > 0 && a.n <= MOST);
    memcpy(a.ids, ids, a.n * sizeof *ids);
    snprintf(a.finish, sizeof a.finish, "%s", tessera_result_finish_reason(r));
    tessera_result_free(r);
    return a;
}

static tessera_model *open_model(const char *path)
{
    tessera_model *m;
    tessera_error err = {TESSERA_OK, ""};
    tessera_model_opts o = {.threads = 1};
    if (tessera_model_open(&m, path, &o, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return m;
}

/* Answers of the folder and of its GGUF file are the same; all ids are among `open`, and `end` stands last or
 * nowhere. */
static void check_answers(const int32_t *open, size_t n_open, int32_t end, const char *ends)
{
    char dir[256], file[256];
    size_t n_ended = 0, n_ids = 0;
    snprintf(dir, sizeof dir, "%s", test_path(test_root, "model"));
    snprintf(file, sizeof file, "%s", test_path(test_root, "model.gguf"));
    write_folder(dir, open, n_open, ends);
    quantize(dir, file);
    tessera_model *folder = open_model(dir), *gguf = open_model(file);
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        answer a = sample(folder, seed), b = sample(gguf, seed);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
        assert_string_equal(a.finish, b.finish);
        for (size_t i = 0; i < b.n; i++) {
            if (!is_in(b.ids[i], open, n_open))
                fail_msg("id %d was sampled", (int)b.ids[i]);
            if (b.ids[i] == end && i + 1 < b.n)
                fail_msg("%d did not end the answer", (int)end);
        }
        assert_string_equal(b.finish, b.ids[b.n - 1] == end ? "stop" : "length");
        n_ended += b.ids[b.n - 1] == end;
        n_ids += b.n;
    }
    assert_int_equal(n_ended, end >= 0 ? N_SEEDS : 0);
    assert_true(n_ids > 2 * N_SEEDS); /* ends were not all there was to choose */
    tessera_model_close(folder);
    tessera_model_close(gguf);
}

static void each_end_ends_the_answer(void **state)
{
    (void)state;
    static const int32_t ends[] = {EOS, TURN_END, TOOL_RESPONSE};
    for (size_t i = 0; i < 3; i++) {
        const int32_t open[] = {ORDINARY, OTHER, ends[i]};
        check_answers(open, 3, ends[i], "[1, 106, 50]");
        check_answers(open, 3, ends[i], NULL); /* then they follow from what they are */
    }
}

static void placeholders_are_never_sampled(void **state)
{
    (void)state;
    const int32_t open[] = {ORDINARY, OTHER};
    check_answers(open, 2, -1, "[1, 106, 50]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_ends_the_answer),
        cmocka_unit_test(placeholders_are_never_sampled),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
