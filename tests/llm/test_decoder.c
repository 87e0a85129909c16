/* The decoder against a plain f64 computation, and against itself: cached, chunked, threaded,
 * with rows dropped. Each promise holds for every kind of model. */
#include "tiny_run.h"

#include <math.h>
#include <stdio.h>

#include "tsr_alloc.h"

enum { N = 180 }; /* positions: many windows, and enough for the sliding rows to move */

/* f32 against f64 or f32 over seven layers. */
static const double LIMIT = 1e-5; /* observed: 5e-6 */

static void assert_near(const float *got, const float *want, size_t n)
{
    double d = tiny_between(got, want, n);
    if (!(d <= LIMIT))
        fail_msg("distance %g", d);
}

static void check_against_f64(tiny_kind kind, tsr_type type, size_t n, size_t chunk, bool soft)
{
    tiny_model m;
    tiny_prompt p;
    tiny_open(&m, kind, type, 1);
    tiny_prompt_make(&p, &m.config, n, soft, 3);
    size_t n_logits = n * m.config.vocab, n_hidden = m.config.n_layers * n * m.config.hidden;
    double *want = malloc(n_logits * sizeof *want), *want_h = malloc(n_hidden * sizeof *want_h);
    float *got_h = malloc(n_hidden * sizeof *got_h);
    tiny_reference(kind, type, TSR_F32, &p.in, want, want_h);
    tsr_context *c = tiny_context(&m, n, chunk, false);
    float *got = tiny_prefill(c, &m, &p.in, got_h);
    double d = tiny_distance(got, want, n_logits), dh = tiny_distance(got_h, want_h, n_hidden);
    if (!(d <= LIMIT) || !(dh <= LIMIT))
        fail_msg("kind %d, type %d, chunk %zu: logits %g, hidden %g", (int)kind, (int)type, chunk, d, dh);
    free(want);
    free(want_h);
    free(got_h);
    free(got);
    tsr_context_close(c);
    tiny_prompt_free(&p);
    tiny_close(&m);
}

static void logits_and_hidden_states_equal_a_plain_f64_computation(void **state)
{
    (void)state;
    for (int kind = 0; kind < TINY_N; kind++) {
        check_against_f64((tiny_kind)kind, TSR_F32, N, 512, true);
        check_against_f64((tiny_kind)kind, TSR_F32, N, 512, false);
        check_against_f64((tiny_kind)kind, TSR_BF16, N, 13, true);
        check_against_f64((tiny_kind)kind, TSR_F16, N, 1, true);
    }
}

/* Longer than several tiles of keys, so that running maxima and sums are carried over. */
static void a_long_context_equals_a_plain_f64_computation(void **state)
{
    (void)state;
    check_against_f64(TINY_UNIFIED, TSR_F32, 700, 512, true);
    check_against_f64(TINY_UNIFIED, TSR_F32, 700, 1, true);
}

static void chunk_size_changes_nothing_but_rounding(void **state)
{
    (void)state;
    static const size_t chunks[] = {1, 2, 3, 5, 7, 16, 33, 64, N};
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tiny_prompt p;
        tiny_open(&m, (tiny_kind)kind, TSR_F32, 1);
        tiny_prompt_make(&p, &m.config, N, true, 5);
        tsr_context *whole = tiny_context(&m, N, N, true);
        float *want = tiny_prefill(whole, &m, &p.in, NULL);
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
            tsr_context *c = tiny_context(&m, N + 11, chunks[i], true);
            float *got = tiny_prefill(c, &m, &p.in, NULL);
            assert_near(got, want, N * m.config.vocab);
            assert_int_equal(tsr_context_tokens(c), N);
            free(got);
            tsr_context_close(c);
        }
        free(want);
        tsr_context_close(whole);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

static void one_token_at_a_time_equals_one_prefill(void **state)
{
    (void)state;
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tiny_prompt p;
        tsr_error err = {0};
        tiny_open(&m, (tiny_kind)kind, TSR_F32, 1);
        size_t vocab = m.config.vocab;
        tiny_prompt_make(&p, &m.config, N, false, 8);
        tsr_context *whole = tiny_context(&m, N, N, true), *c = tiny_context(&m, N, 4, false);
        float *want = tiny_prefill(whole, &m, &p.in, NULL), *got = malloc(N * vocab * sizeof *got);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(tsr_context_step(c, p.ids[i], got + i * vocab, &err), TSR_OK);
        assert_near(got, want, N * vocab);
        free(want);
        free(got);
        tsr_context_close(whole);
        tsr_context_close(c);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

static void rows_that_nobody_wants_do_not_change_the_wanted_ones(void **state)
{
    (void)state;
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tiny_prompt p;
        tsr_error err = {0};
        tiny_open(&m, (tiny_kind)kind, TSR_F32, 1);
        size_t vocab = m.config.vocab;
        tiny_prompt_make(&p, &m.config, N, true, 9);
        tsr_context *all = tiny_context(&m, N + 8, 20, true), *some = tiny_context(&m, N + 8, 20, false);
        float *want = tiny_prefill(all, &m, &p.in, NULL);
        for (size_t i = 0; i < N; i++)
            p.wanted[i] = i == 0 || i % 17 == 3 || i + 1 == N; /* in some chunks none */
        memset(p.wanted + 40, 0, 30);
        float *got = tiny_prefill(some, &m, &p.in, NULL);
        for (size_t i = 0; i < N; i++)
            if (p.wanted[i])
                assert_near(got + i * vocab, want + i * vocab, vocab);
        /* What the dropped rows left in the cache is complete. */
        for (int32_t id = 1; id < 8; id++) {
            assert_int_equal(tsr_context_step(all, id, want, &err), TSR_OK);
            assert_int_equal(tsr_context_step(some, id, got, &err), TSR_OK);
            assert_near(got, want, vocab);
        }
        free(want);
        free(got);
        tsr_context_close(all);
        tsr_context_close(some);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

static void no_wanted_list_means_the_last_position(void **state)
{
    (void)state;
    tiny_model m;
    tiny_prompt p;
    tiny_open(&m, TINY_E, TSR_F32, 1);
    tiny_prompt_make(&p, &m.config, N, true, 9);
    tsr_context *c = tiny_context(&m, N, 20, false);
    float *want = tiny_prefill(c, &m, &p.in, NULL);
    tsr_context_reset(c);
    p.in.wanted = NULL;
    float *got = tiny_prefill(c, &m, &p.in, NULL);
    assert_near(got + (N - 1) * m.config.vocab, want + (N - 1) * m.config.vocab, m.config.vocab);
    free(want);
    free(got);
    tsr_context_close(c);
    tiny_prompt_free(&p);
    tiny_close(&m);
}

static void one_and_many_threads_give_the_same_bits(void **state)
{
    (void)state;
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tiny_prompt p;
        tsr_error err = {0};
        tsr_pool *pool;
        tiny_open(&m, (tiny_kind)kind, TSR_BF16, 1);
        size_t vocab = m.config.vocab;
        tiny_prompt_make(&p, &m.config, N, true, 12);
        tsr_context *one = tiny_context(&m, N + 2, 40, false);
        assert_int_equal(tsr_pool_open(&pool, 5, &err), TSR_OK);
        tsr_pool *first = m.pool;
        m.pool = pool;
        tsr_context *five = tiny_context(&m, N + 2, 40, false);
        m.pool = first;
        float *want = tiny_prefill(one, &m, &p.in, NULL), *got = tiny_prefill(five, &m, &p.in, NULL);
        assert_memory_equal(got, want, N * vocab * sizeof *got);
        for (int32_t id = 4; id < 6; id++) {
            assert_int_equal(tsr_context_step(one, id, want, &err), TSR_OK);
            assert_int_equal(tsr_context_step(five, id, got, &err), TSR_OK);
            assert_memory_equal(got, want, vocab * sizeof *got);
        }
        free(want);
        free(got);
        tsr_context_close(one);
        tsr_context_close(five);
        tsr_pool_close(pool);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

static void prefill_and_the_token_loop_allocate_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tiny_prompt p;
        tsr_error err = {0};
        tiny_open(&m, (tiny_kind)kind, TSR_F32, 2);
        tiny_prompt_make(&p, &m.config, N, true, 12);
        tsr_context *c = tiny_context(&m, N + 50, 30, false);
        float *logits = malloc(m.config.vocab * sizeof *logits);
        size_t before = tsr_alloc_count();
        assert_int_equal(tsr_context_prefill(c, &p.in, NULL, &err), TSR_OK);
        for (int32_t i = 0; i < 50; i++)
            assert_int_equal(tsr_context_step(c, i, logits, &err), TSR_OK);
        assert_int_equal(tsr_alloc_count(), before);
        free(logits);
        tsr_context_close(c);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

static void reset_forgets_and_two_conversations_do_not_mix(void **state)
{
    (void)state;
    tiny_model m;
    tiny_prompt a, b;
    tiny_open(&m, TINY_E, TSR_F32, 1);
    size_t bytes = N * m.config.vocab * sizeof(float);
    tiny_prompt_make(&a, &m.config, N, true, 1);
    tiny_prompt_make(&b, &m.config, N, true, 2);
    tsr_context *one = tiny_context(&m, N, 24, false), *two = tiny_context(&m, N, 24, false);
    float *first = tiny_prefill(one, &m, &a.in, NULL), *other = tiny_prefill(two, &m, &b.in, NULL);
    assert_memory_not_equal(first, other, bytes);
    tsr_context_reset(one);
    assert_int_equal(tsr_context_tokens(one), 0);
    float *again = tiny_prefill(one, &m, &b.in, NULL);
    assert_memory_equal(again, other, bytes);
    free(first);
    free(other);
    free(again);
    tsr_context_close(one);
    tsr_context_close(two);
    tiny_prompt_free(&a);
    tiny_prompt_free(&b);
    tiny_close(&m);
}

static void truncating_to_a_held_prefix_equals_never_having_gone_on(void **state)
{
    (void)state;
    enum { LEN = 200 };
    for (int kind = 0; kind < TINY_N; kind++) {
        tiny_model m;
        tsr_error err = {0};
        tiny_open(&m, (tiny_kind)kind, TSR_F32, 1);
        size_t vocab = m.config.vocab;
        float *want = malloc(vocab * sizeof *want), *got = malloc(vocab * sizeof *got);
        tsr_context *plain = tiny_context(&m, 300, 8, false), *back = tiny_context(&m, 300, 8, false);
        for (int32_t i = 0; i < LEN; i++)
            assert_int_equal(tsr_context_step(plain, (i * 7) % 60, want, &err), TSR_OK);
        for (int32_t i = 0; i < LEN - 1; i++)
            assert_int_equal(tsr_context_step(back, (i * 7) % 60, NULL, &err), TSR_OK);
        for (int32_t i = 0; i < 64; i++)
            assert_int_equal(tsr_context_step(back, 11, NULL, &err), TSR_OK);
        assert_int_equal(tsr_context_truncate(back, LEN - 1, &err), TSR_OK);
        assert_int_equal(tsr_context_step(back, ((LEN - 1) * 7) % 60, got, &err), TSR_OK);
        assert_memory_equal(got, want, vocab * sizeof *got);
        /* Too far back for the sliding layers: refused, and nothing is lost. */
        assert_int_equal(tsr_context_truncate(back, LEN + 1, NULL), TSR_ERR_USAGE);
        assert_int_equal(tsr_context_truncate(back, 2, NULL), TSR_ERR_LIMIT);
        assert_int_equal(tsr_context_tokens(back), LEN);
        assert_int_equal(tsr_context_step(back, 5, got, &err), TSR_OK);
        assert_int_equal(tsr_context_step(plain, 5, want, &err), TSR_OK);
        assert_memory_equal(got, want, vocab * sizeof *got);
        assert_int_equal(tsr_context_truncate(back, 0, &err), TSR_OK);
        assert_int_equal(tsr_context_tokens(back), 0);
        free(want);
        free(got);
        tsr_context_close(plain);
        tsr_context_close(back);
        tiny_close(&m);
    }
}

static void a_second_prefill_goes_on_where_the_first_ended(void **state)
{
    (void)state;
    tiny_model m;
    tiny_prompt p;
    tiny_open(&m, TINY_DENSE, TSR_F32, 1);
    size_t vocab = m.config.vocab;
    tiny_prompt_make(&p, &m.config, N, true, 6);
    tsr_context *c = tiny_context(&m, N, 64, false);
    float *want = tiny_prefill(c, &m, &p.in, NULL);
    tsr_context_reset(c);
    tsr_input head = p.in, tail = p.in;
    head.n = 33; /* a border outside of every picture */
    head.n_soft = 3;
    tail.n = N - 33;
    tail.ids += 33;
    tail.kinds += 33;
    tail.wanted += 33;
    tail.soft += 3;
    tail.n_soft -= 3;
    for (size_t i = 3; i < p.in.n_soft; i++)
        p.spans[i].at -= 33;
    float *a = tiny_prefill(c, &m, &head, NULL), *b = tiny_prefill(c, &m, &tail, NULL);
    assert_near(a, want, 33 * vocab);
    assert_near(b, want + 33 * vocab, (N - 33) * vocab);
    free(a);
    free(b);
    free(want);
    tsr_context_close(c);
    tiny_prompt_free(&p);
    tiny_close(&m);
}

/* ---- stops ---- */

typedef struct stopper {
    size_t at, progress;
} stopper;

static tsr_status stop_progress(void *user, size_t done, size_t total)
{
    stopper *s = user;
    assert_int_equal(total, N);
    s->progress = done;
    return done >= s->at ? TSR_ERR_CANCELLED : TSR_OK;
}

static void a_stopped_prefill_holds_whole_chunks_and_can_go_on(void **state)
{
    (void)state;
    tiny_model m;
    tiny_prompt p;
    tsr_error err = {0};
    tiny_open(&m, TINY_TEXT, TSR_F32, 1);
    tiny_prompt_make(&p, &m.config, N, false, 6);
    tsr_context *c = tiny_context(&m, N, 16, false), *d = tiny_context(&m, N, 16, false);
    stopper s = {.at = 20};
    tsr_prefill_sink sink = {.user = &s, .on_progress = stop_progress};
    assert_int_equal(tsr_context_prefill(c, &p.in, &sink, &err), TSR_ERR_CANCELLED);
    assert_int_equal(err.status, TSR_ERR_CANCELLED);
    assert_int_equal(s.progress, 32);
    assert_int_equal(tsr_context_tokens(c), 32);
    float *want = tiny_prefill(d, &m, &p.in, NULL);
    tsr_input rest = {.n = N - 32, .ids = p.ids + 32};
    float *got = tiny_prefill(c, &m, &rest, NULL);
    size_t vocab = m.config.vocab;
    assert_near(got + (N - 33) * vocab, want + (N - 1) * vocab, vocab);
    free(got);
    free(want);
    tsr_context_close(c);
    tsr_context_close(d);
    tiny_prompt_free(&p);
    tiny_close(&m);
}

/* ---- refusals ---- */

static void refuse(tsr_context *c, const tsr_input *in, tsr_status st, const char *a, const char *b)
{
    tsr_error err = {0};
    size_t held = tsr_context_tokens(c);
    assert_int_equal(tsr_context_prefill(c, in, NULL, &err), st);
    assert_error(&err, st, a, b);
    assert_int_equal(tsr_context_tokens(c), held);
}

static void a_bad_input_is_refused_before_anything_is_computed(void **state)
{
    (void)state;
    tiny_model m;
    tiny_prompt p;
    tiny_open(&m, TINY_DENSE, TSR_F32, 1);
    tiny_prompt_make(&p, &m.config, N, true, 6);
    tsr_context *c = tiny_context(&m, N, 16, false), *small = tiny_context(&m, N - 1, 16, false);
    tsr_input in = p.in;

    refuse(small, &p.in, TSR_ERR_LIMIT, "180 would come", "room for 179");
    in.n = 0;
    refuse(c, &in, TSR_ERR_USAGE, "no positions", NULL);
    p.ids[0] = -1;
    refuse(c, &p.in, TSR_ERR_USAGE, "position 0", "id -1");
    p.ids[0] = 83;
    refuse(c, &p.in, TSR_ERR_USAGE, "id 83", "vocabulary has 83");
    p.ids[0] = 3;
    p.kinds[1] = 3;
    refuse(c, &p.in, TSR_ERR_USAGE, "position 1", "kind 3");
    p.kinds[1] = TSR_TOKEN_AUDIO;
    refuse(c, &p.in, TSR_ERR_USAGE, "54 positions are soft", "53 rows");
    p.kinds[1] = TSR_TOKEN_TEXT;
    p.kinds[3] = TSR_TOKEN_TEXT;
    p.ids[3] = 0;
    refuse(c, &p.in, TSR_ERR_USAGE, "position 3 is text", NULL);
    p.kinds[3] = TSR_TOKEN_VISION;
    p.rows[5] = NAN;
    refuse(c, &p.in, TSR_ERR_DATA, "position 2", "not finite at 5");
    p.rows[5] = 0.0f;
    p.spans[1].at = 4;
    refuse(c, &p.in, TSR_ERR_USAGE, "overlap", NULL);
    p.spans[1].at = 8;
    p.spans[5].n = SIZE_MAX;
    refuse(c, &p.in, TSR_ERR_USAGE, "do not lie in 180", NULL);
    p.spans[5].n = 12;
    memset(p.kinds + 2, TSR_TOKEN_VISION, 40);
    in = (tsr_input){.n = N, .ids = p.ids, .kinds = p.kinds, .soft = p.spans, .n_soft = 2};
    p.spans[0] = (tsr_soft_span){.at = 2, .n = 46, .rows = p.rows};
    p.spans[1] = (tsr_soft_span){.at = 60, .n = 12, .rows = p.rows};
    refuse(c, &in, TSR_ERR_LIMIT, "40 vision tokens from position 2", "at most 32");

    tsr_context_close(c);
    tsr_context_close(small);
    tiny_prompt_free(&p);
    tiny_close(&m);
}

static void a_full_context_refuses_the_next_token(void **state)
{
    (void)state;
    tiny_model m;
    tsr_error err = {0};
    tiny_open(&m, TINY_E, TSR_F32, 1);
    tsr_context *c = tiny_context(&m, 3, 512, false);
    assert_int_equal(tsr_context_capacity(c), 3);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(tsr_context_step(c, i, NULL, &err), TSR_OK);
    assert_int_equal(tsr_context_step(c, 0, NULL, &err), TSR_ERR_LIMIT);
    assert_int_equal(tsr_context_tokens(c), 3);
    tsr_context_close(c);
    tiny_close(&m);
}

static void bad_context_options_are_refused(void **state)
{
    (void)state;
    tiny_model m;
    tsr_context *c;
    tiny_open(&m, TINY_UNIFIED, TSR_F32, 1);
    tsr_context_opts o = tsr_context_opts_default();
    o.ctx_tokens = 0;
    assert_int_equal(tsr_context_open(&c, m.decoder, m.pool, &o, NULL), TSR_ERR_USAGE);
    o.ctx_tokens = (size_t)1 << 40;
    assert_int_equal(tsr_context_open(&c, m.decoder, m.pool, &o, NULL), TSR_ERR_USAGE);
    o.ctx_tokens = 10;
    o.max_chunk = 0;
    assert_int_equal(tsr_context_open(&c, m.decoder, m.pool, &o, NULL), TSR_ERR_USAGE);
    o.max_chunk = 10;
    o.kv_type = TSR_Q4_0;
    assert_int_equal(tsr_context_open(&c, m.decoder, m.pool, &o, NULL), TSR_ERR_UNSUPPORTED);
    assert_null(c);
    assert_int_equal(tsr_context_open(&c, m.decoder, m.pool, NULL, NULL), TSR_OK);
    assert_true(tsr_context_cache_bytes(c) > 0 && tsr_context_scratch_bytes(c) > 0);
    tsr_context_close(c);
    tiny_close(&m);
}

static void pictures_see_ahead_only_where_the_variant_says_so(void **state)
{
    (void)state;
    static const tiny_kind kinds[] = {TINY_E, TINY_DENSE, TINY_EXPERTS, TINY_UNIFIED};
    for (size_t i = 0; i < 4; i++) {
        tiny_model m;
        tiny_prompt p;
        tiny_open(&m, kinds[i], TSR_F32, 1);
        tiny_prompt_make(&p, &m.config, N, true, 21);
        tsr_context *c = tiny_context(&m, N, 64, false);
        float *a = tiny_prefill(c, &m, &p.in, NULL);
        for (size_t k = 0; k < m.config.hidden; k++)
            p.rows[3 * m.config.hidden + k] += 1.0f; /* the last row of the first picture, position 5 */
        tsr_context_reset(c);
        float *b = tiny_prefill(c, &m, &p.in, NULL);
        assert_near(a + m.config.vocab, b + m.config.vocab, m.config.vocab); /* the text before it */
        bool moved = tiny_between(a + 2 * m.config.vocab, b + 2 * m.config.vocab, m.config.vocab) > 1e-3;
        assert_int_equal(moved, kinds[i] != TINY_E);
        assert_int_equal(moved, m.config.bidirectional_vision);
        free(a);
        free(b);
        tsr_context_close(c);
        tiny_prompt_free(&p);
        tiny_close(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_and_hidden_states_equal_a_plain_f64_computation),
        cmocka_unit_test(a_long_context_equals_a_plain_f64_computation),
        cmocka_unit_test(chunk_size_changes_nothing_but_rounding),
        cmocka_unit_test(one_token_at_a_time_equals_one_prefill),
        cmocka_unit_test(rows_that_nobody_wants_do_not_change_the_wanted_ones),
        cmocka_unit_test(no_wanted_list_means_the_last_position),
        cmocka_unit_test(one_and_many_threads_give_the_same_bits),
        cmocka_unit_test(prefill_and_the_token_loop_allocate_nothing),
        cmocka_unit_test(reset_forgets_and_two_conversations_do_not_mix),
        cmocka_unit_test(truncating_to_a_held_prefix_equals_never_having_gone_on),
        cmocka_unit_test(a_second_prefill_goes_on_where_the_first_ended),
        cmocka_unit_test(a_stopped_prefill_holds_whole_chunks_and_can_go_on),
        cmocka_unit_test(a_bad_input_is_refused_before_anything_is_computed),
        cmocka_unit_test(a_full_context_refuses_the_next_token),
        cmocka_unit_test(bad_context_options_are_refused),
        cmocka_unit_test(pictures_see_ahead_only_where_the_variant_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
