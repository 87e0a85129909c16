/* test_rounding.c: what rounded inputs do to the logits of the shipped model: products as they are by default beside exact ones of the
 * same file, at the CPU levels that this processor has, at each token of answers that are given. The whole measure, for every type, is
 * `make quant-table`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/test_main.h"
#include "common/test_root.h"
#include "common/test_tmp.h"
#include "tessera.h"
#include "tsr_cpu.h"

typedef struct question {
    tessera_part_kind kind; /* TEXT: no file */
    const char *file, *text;
    char answer[300]; /* the published weights' */
    size_t n_before;  /* tokens of the prompt before it */
} question;

static question questions[] = {
    {TESSERA_PART_IMAGE, "scene.png", "Describe this image.", "", 0},
    {TESSERA_PART_AUDIO, "numbers.wav", "What is said?", "", 0},
    {TESSERA_PART_TEXT, NULL, "What can you do?", "", 0},
    {TESSERA_PART_TEXT, NULL, "Write 3 7 2 in German words.", "", 0},
};
enum { N_QUESTIONS = sizeof questions / sizeof *questions };

/* What docs/numerics.md promises of each token; what is seen of all of them together (0.15e-5 to 0.9e-5), with something to spare; and how
 * near to the best token another one must be that takes its place. */
#define LIMIT_TOKEN 5e-4
#define LIMIT_MEAN 1.5e-5
#define LIMIT_TIE 0.1

static tessera_model *must_open(const char *path, const char *cpu)
{
    tessera_error err;
    tessera_model *m = NULL;
    if (tessera_model_open(&m, path, &(tessera_model_opts){.cpu = cpu}, &err) != TESSERA_OK)
        fail_msg("%s: %s", path, err.text);
    return m;
}

/* The question with an answer begun, or "": what follows of up to n tokens, the caller's. All logits of the prompt go to `dump`. */
static tessera_result *ask(tessera_model *m, const question *q, const char *answer, bool exact, size_t n, const char *dump)
{
    char file[600], text[600];
    tessera_part parts[3] = {{.kind = TESSERA_PART_TEXT, .text = "<|turn>user\n"}, {.kind = q->kind, .path = file}};
    tessera_request rq = tessera_request_default();
    tessera_result *r = NULL;
    tessera_error err;
    snprintf(file, sizeof file, TSR_SOURCE_DIR "/samples/%s", q->file ? q->file : "");
    snprintf(text, sizeof text, "%s<turn|>\n<|turn>model\n%s", q->text, answer);
    rq.n_parts = q->file ? 3 : 2;
    parts[rq.n_parts - 1] = (tessera_part){.kind = TESSERA_PART_TEXT, .text = text};
    rq.parts = parts;
    rq.raw = 1;
    rq.budget = 70;
    rq.kv = "f32";
    rq.temperature = 0;
    rq.max_tokens = n;
    rq.exact = exact;
    rq.dump = dump;
    rq.dump_all_logits = 1;
    if (tessera_run(m, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s: %s", q->text, err.text);
    return r;
}

static size_t n_prompt(const char *dump)
{
    size_t n;
    free(test_read_npy(test_path(dump, "prompt_ids.npy"), &n));
    return n;
}

typedef struct distance {
    size_t n_tokens, n_other; /* those whose best token is another */
    double sum, most, tie;    /* of 1 - cosine; by how much the exact logits prefer their own best token, at most */
} distance;

static void add_token(distance *d, const float *exact, const float *fast, size_t vocab)
{
    double xy = 0, xx = 0, yy = 0;
    size_t a = 0, b = 0;
    for (size_t i = 0; i < vocab; i++) {
        double x = (double)exact[i], y = (double)fast[i];
        xy += x * y;
        xx += x * x;
        yy += y * y;
        a = exact[i] > exact[a] ? i : a;
        b = fast[i] > fast[b] ? i : b;
    }
    double far = 1 - xy / sqrt(xx * yy);
    d->n_tokens++;
    d->n_other += a != b;
    d->sum += far;
    d->most = fmax(d->most, far);
    d->tie = fmax(d->tie, (double)exact[a] - (double)exact[b]);
}

/* The tokens of q's answer, and the one after it. */
static void add_question(distance *d, tessera_model *m, const question *q)
{
    size_t n[2], rows = 0;
    float *logits[2];
    for (size_t fast = 0; fast < 2; fast++) {
        char *dump = test_tmp_make();
        tessera_result_free(ask(m, q, q->answer, !fast, 1, dump));
        rows = n_prompt(dump);
        logits[fast] = test_read_npy(test_path(dump, "logits.npy"), &n[fast]);
        test_tmp_remove(dump);
    }
    assert_int_equal(n[0], n[1]);
    assert_true(rows > q->n_before && n[0] % rows == 0);
    size_t vocab = n[0] / rows;
    for (size_t i = q->n_before - 1; i < rows; i++)
        add_token(d, logits[0] + i * vocab, logits[1] + i * vocab, vocab);
    free(logits[0]);
    free(logits[1]);
}

static void find_answers(void)
{
    tessera_model *m = must_open(TSR_SOURCE_DIR "/models/nano", NULL);
    char *dump = test_tmp_make();
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        tessera_result *r = ask(m, &questions[i], "", true, 40, dump);
        snprintf(questions[i].answer, sizeof questions[i].answer, "%s", tessera_result_text(r));
        assert_true(questions[i].answer[0] != 0);
        questions[i].n_before = n_prompt(dump);
        tessera_result_free(r);
    }
    test_tmp_remove(dump);
    tessera_model_close(m);
}

static void check_level(const char *file, tsr_cpu_level level)
{
    tessera_model *m = must_open(file, tsr_cpu_level_name(level));
    distance d = {0};
    for (size_t i = 0; i < N_QUESTIONS; i++)
        add_question(&d, m, &questions[i]);
    tessera_model_close(m);
    double mean = d.sum / (double)d.n_tokens;
    printf("%s %s: %zu tokens, 1 - cosine %.1e in the mean, %.1e at most; %zu other best tokens, by %.2f at most\n", strrchr(file, '/') + 1,
           tsr_cpu_level_name(level), d.n_tokens, mean, d.most, d.n_other, d.tie);
    assert_true(mean > 0 && mean <= LIMIT_MEAN && d.most <= LIMIT_TOKEN && d.tie <= LIMIT_TIE);
}

/* All levels for one type; for the others those with kernels for it of their own. */
static void logits_stay_near_the_exact_ones_at_every_level(void **state)
{
    static const char *const types[] = {"q4_0", "q8_0", "q4_k_m", "q2_k"};
    const tsr_cpu_level best = tsr_cpu_detect();
    (void)state;
    find_answers();
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        tessera_error err;
        char file[600], *report = NULL;
        snprintf(file, sizeof file, "%s/%s", test_root, types[t]);
        tessera_quantize_opts o = {.type = types[t]};
        if (tessera_quantize(TSR_SOURCE_DIR "/models/nano", file, &o, NULL, NULL, &report, &err) != TESSERA_OK)
            fail_msg("%s", err.text);
        tessera_free(report);
        for (int l = TSR_CPU_C; l <= (int)best; l++)
            if (t == 0 || l == TSR_CPU_AVX2 || l == TSR_CPU_AVX512_VNNI || l == (int)best)
                check_level(file, (tsr_cpu_level)l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logits_stay_near_the_exact_ones_at_every_level, test_root_make, test_root_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
