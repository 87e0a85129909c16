/* test_sampler.c: the choice equal to transformers' processors (fixtures_text/make_sampler.py), the
 * random numbers to the published generator, and no allocation in the loop. */
#include <math.h>

#include "text_support.h"
#include "tsr_sampler.h"

enum { N_VOCAB = 300 };

static void make_logits(float *out, uint64_t seed, uint64_t spread)
{
    rng r = {seed};
    for (size_t i = 0; i < N_VOCAB; i++) out[i] = (float)((double)below(&r, spread) - (double)(spread / 2)) / 64;
}

static double number(const tsr_json *o, const char *key, double otherwise)
{
    tsr_json_to_double(tsr_json_get(o, key), &otherwise);
    return otherwise;
}

static size_t id_list(const tsr_json *o, const char *key, int32_t *out)
{
    const tsr_json *list = tsr_json_get(o, key);
    for (size_t i = 0; i < tsr_json_len(list); i++) {
        int64_t id = 0;
        tsr_json_to_i64(tsr_json_at(list, i), &id);
        out[i] = (int32_t)id;
    }
    return tsr_json_len(list);
}

static tsr_sampler *open_case(const tsr_json *o)
{
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    int32_t ids[N_VOCAB];
    size_t n;
    tsr_sampler *s;
    opts.temperature = number(o, "temperature", 0);
    opts.top_k = (size_t)number(o, "top_k", 0);
    opts.top_p = number(o, "top_p", 1);
    opts.min_p = number(o, "min_p", 0);
    opts.repetition_penalty = number(o, "repetition", 1);
    opts.presence_penalty = number(o, "presence", 0);
    opts.frequency_penalty = number(o, "frequency", 0);
    opts.n_suppress = id_list(o, "suppress", ids);
    opts.suppress = ids;
    assert_int_equal(tsr_sampler_open(&s, &opts, N_VOCAB, NULL), TSR_OK);
    n = id_list(o, "prompt", ids);
    tsr_sampler_see_prompt(s, ids, n);
    n = id_list(o, "answer", ids);
    for (size_t i = 0; i < n; i++) tsr_sampler_see(s, ids[i]);
    return s;
}

static void candidates_are_those_of_the_reference(void **state)
{
    tsr_json *doc = load_json(FIXTURES "sampler.json");
    const tsr_json *cases = tsr_json_get(doc, "cases");
    (void)state;
    assert_true(tsr_json_len(cases) >= 40);
    for (size_t i = 0; i < tsr_json_len(cases); i++) {
        const tsr_json *c = tsr_json_at(cases, i), *kept = tsr_json_get(c, "kept");
        tsr_sampler *s = open_case(tsr_json_get(c, "opts"));
        float logits[N_VOCAB];
        const int32_t *ids;
        const double *probs;
        double by_id[N_VOCAB] = {0}, sum = 0, highest = 0;
        int32_t id = -1;
        size_t n;
        make_logits(logits, (uint64_t)number(c, "seed", 0), (uint64_t)number(c, "spread", 0));
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
        n = tsr_sampler_candidates(s, &ids, &probs);
        if (n != (size_t)number(c, "n_kept", 0)) fail_msg("case %zu: %zu candidates", i, n);
        for (size_t k = 0; k < n; k++) {
            by_id[ids[k]] = probs[k];
            sum += probs[k];
            highest = fmax(highest, probs[k]);
        }
        assert_true(by_id[id] > 0);
        assert_true(fabs(sum - 1) < 1e-12);
        assert_true(fabs(highest - number(c, "highest", 0)) < 1e-6);
        for (size_t k = 0; k < tsr_json_len(kept); k++) {
            double want_id = -1, want = -1;
            tsr_json_to_double(tsr_json_at(tsr_json_at(kept, k), 0), &want_id);
            tsr_json_to_double(tsr_json_at(tsr_json_at(kept, k), 1), &want);
            if (!(fabs(by_id[(size_t)want_id] - want) < 1e-6))
                fail_msg("case %zu: token %d has %g, not %g", i, (int)want_id, by_id[(size_t)want_id], want);
        }
        tsr_sampler_close(s);
    }
    tsr_json_free(doc);
}

/* With equal logits the k-th of n tokens is drawn when the random number lies in its n-th part. */
static void random_numbers_are_those_of_the_generator(void **state)
{
    tsr_json *doc = load_json(FIXTURES "sampler.json");
    const tsr_json *want = tsr_json_get(doc, "random_42");
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    enum { N = 1 << 16 };
    float *logits = tsr_calloc(N, sizeof *logits);
    tsr_sampler *s;
    (void)state;
    opts.temperature = 1;
    opts.seed = 42;
    assert_int_equal(tsr_sampler_open(&s, &opts, N, NULL), TSR_OK);
    for (size_t i = 0; i < tsr_json_len(want); i++) {
        double u = -1;
        int32_t id;
        tsr_json_to_double(tsr_json_at(want, i), &u);
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
        assert_int_equal(id, (int32_t)floor(u * N));
    }
    tsr_sampler_close(s);
    tsr_free(logits);
    tsr_json_free(doc);
}

static void draws_follow_the_probabilities(void **state)
{
    enum { N = 40000 };
    const float logits[4] = {0, logf(2), logf(4), logf(3)}; /* 0.1, 0.2, 0.4, 0.3 */
    size_t counts[4] = {0};
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    tsr_sampler *s;
    (void)state;
    opts.temperature = 1;
    opts.seed = 7;
    assert_int_equal(tsr_sampler_open(&s, &opts, 4, NULL), TSR_OK);
    for (size_t i = 0; i < N; i++) {
        int32_t id;
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
        counts[id]++;
    }
    for (size_t i = 0; i < 4; i++) {
        double p = expf(logits[i]) / 10, sigma = sqrt(p * (1 - p) / N);
        assert_true(fabs((double)counts[i] / N - p) < 5 * sigma);
    }
    tsr_sampler_close(s);
}

static void greedy_takes_the_lowest_of_equal_ids_and_never_a_banned_one(void **state)
{
    const float logits[6] = {1, 5, 5, 9, 5, 9};
    const int32_t suppress[] = {3, -4, 99}, never[] = {5};
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    tsr_sampler *s;
    int32_t id;
    (void)state;
    assert_int_equal(tsr_sampler_open(&s, &opts, 6, NULL), TSR_OK);
    assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
    assert_int_equal(id, 3);
    tsr_sampler_close(s);
    opts.suppress = suppress;
    opts.n_suppress = 3;
    opts.never = never;
    opts.n_never = 1;
    assert_int_equal(tsr_sampler_open(&s, &opts, 6, NULL), TSR_OK);
    assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
    assert_int_equal(id, 1);
    tsr_sampler_close(s);
}

static void penalties_act_on_what_was_chosen(void **state)
{
    const float logits[3] = {1, 0.9f, 0.2f};
    const int32_t want[] = {0, 1, 0, 1};
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    tsr_sampler *s;
    (void)state;
    opts.frequency_penalty = 0.3;
    assert_int_equal(tsr_sampler_open(&s, &opts, 3, NULL), TSR_OK);
    for (size_t i = 0; i < 4; i++) {
        int32_t id;
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
        assert_int_equal(id, want[i]);
    }
    tsr_sampler_close(s);
}

static void logits_that_are_no_numbers_are_refused(void **state)
{
    float logits[3] = {0, NAN, 1};
    const int32_t all[] = {0, 1, 2};
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    tsr_error err = {0};
    tsr_sampler *s;
    int32_t id;
    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        opts.temperature = sampled;
        opts.top_k = sampled ? 2 : 0;
        tsr_error_clear(&err);
        logits[1] = NAN;
        assert_int_equal(tsr_sampler_open(&s, &opts, 3, NULL), TSR_OK);
        assert_int_equal(tsr_sampler_next(s, logits, &id, &err), TSR_ERR_MODEL);
        assert_non_null(strstr(err.text, "token 1"));
        logits[1] = INFINITY;
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_ERR_MODEL);
        tsr_sampler_close(s);
    }
    opts = tsr_sampler_opts_default();
    opts.suppress = all;
    opts.n_suppress = 3;
    logits[1] = 2;
    assert_int_equal(tsr_sampler_open(&s, &opts, 3, NULL), TSR_OK);
    assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_ERR_MODEL);
    tsr_sampler_close(s);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    tsr_sampler_opts o[8];
    static const char *const says[] = {"temperature", "temperature", "top-p", "top-p", "min-p", "repetition", "presence",
                                       "vocabulary"};
    (void)state;
    for (size_t i = 0; i < 8; i++) o[i] = tsr_sampler_opts_default();
    o[0].temperature = -0.1;
    o[1].temperature = NAN;
    o[2].top_p = 1.1;
    o[3].top_p = -1;
    o[4].min_p = 2;
    o[5].repetition_penalty = 0;
    o[6].presence_penalty = INFINITY;
    for (size_t i = 0; i < 8; i++) {
        tsr_error err = {0};
        tsr_sampler *s;
        assert_int_equal(tsr_sampler_open(&s, o + i, i == 7 ? 0 : 5, &err), TSR_ERR_USAGE);
        assert_null(s);
        assert_non_null(strstr(err.text, says[i]));
    }
}

static void the_loop_allocates_nothing(void **state)
{
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    float logits[N_VOCAB];
    tsr_sampler *s;
    size_t before;
    (void)state;
    opts.temperature = 0.8;
    opts.top_k = 64;
    opts.top_p = 0.95;
    opts.min_p = 0.01;
    opts.repetition_penalty = 1.1;
    assert_int_equal(tsr_sampler_open(&s, &opts, N_VOCAB, NULL), TSR_OK);
    before = tsr_alloc_count();
    for (uint64_t i = 0; i < 50; i++) {
        int32_t id;
        make_logits(logits, i, 500);
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
    }
    assert_int_equal(tsr_alloc_count(), before);
    tsr_sampler_close(s);
}

static void very_cold_is_greedy_and_open_survives_failed_allocations(void **state)
{
    const float logits[3] = {1, 3, 2};
    tsr_sampler_opts opts = tsr_sampler_opts_default();
    size_t live = tsr_alloc_live();
    (void)state;
    opts.temperature = 1e-40;
    for (size_t k = 1;; k++) {
        tsr_sampler *s;
        int32_t id = -1;
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_sampler_open(&s, &opts, 3, NULL);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
            assert_int_equal(id, 1);
            tsr_sampler_close(s);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_int_equal(tsr_alloc_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_those_of_the_reference),
        cmocka_unit_test(random_numbers_are_those_of_the_generator),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(greedy_takes_the_lowest_of_equal_ids_and_never_a_banned_one),
        cmocka_unit_test(penalties_act_on_what_was_chosen),
        cmocka_unit_test(logits_that_are_no_numbers_are_refused),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(the_loop_allocates_nothing),
        cmocka_unit_test(very_cold_is_greedy_and_open_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
