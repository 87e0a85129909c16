/* Opening the decoder: each tensor missing, mis-shaped or mis-typed is named; memory may run out
 * anywhere; weights that are not numbers end in a status. */
#include "tiny_model.h"

#include <stdio.h>

#include "test_tmp.h"
#include "tsr_alloc.h"

static tsr_status open_in(const char *dir, const tsr_text_config *c, tsr_error *err)
{
    tsr_weights *w;
    tsr_decoder *d;
    memset(err, 0, sizeof *err);
    tsr_status st = tsr_weights_open(&w, dir, err);
    if (st != TSR_OK)
        return st;
    st = tsr_decoder_open(&d, w, c, err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(w, err);
    else
        assert_null(d);
    tsr_decoder_close(d);
    tsr_weights_close(w);
    return st;
}

/* K and V tensors that a shared layer carries without using them. */
static bool is_unused(const tsr_text_config *c, const char *name)
{
    size_t layer;
    const char *at = strstr(name, "layers.");
    if (!at || sscanf(at, "layers.%zu.", &layer) != 1 || c->layers[layer].has_kv)
        return false;
    return strstr(name, "k_proj") || strstr(name, "v_proj") || strstr(name, "k_norm");
}

static void each_tensor_missing_or_wrong_is_named(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    for (int kind = 0; kind < TINY_N; kind++) {
        tsr_text_config c;
        tsr_error err;
        size_t n;
        tiny_parse((tiny_kind)kind, &c);
        tiny_tensor *t = tiny_tensors((tiny_kind)kind, &c, &n);
        for (size_t i = 0; i < n; i++) {
            /* These two kinds have every sort of tensor between them. */
            int last = kind == TINY_E || kind == TINY_EXPERTS ? TINY_WRONG_TYPE : TINY_MISSING;
            for (int fault = TINY_MISSING; fault <= last; fault++) {
                tiny_write(dir, (tiny_kind)kind, TSR_F32, t[i].name, (tiny_fault)fault);
                tsr_status st = open_in(dir, &c, &err);
                if (is_unused(&c, t[i].name)) {
                    if (st != TSR_OK)
                        fail_msg("%s", err.text);
                    continue;
                }
                assert_int_equal(st, TSR_ERR_MODEL);
                assert_error(&err, TSR_ERR_MODEL, t[i].name, NULL);
            }
        }
        free(t);
        tsr_text_config_deinit(&c);
    }
    test_tmp_remove(dir);
    assert_int_equal(tsr_alloc_live(), 0);
}

static void a_config_that_disagrees_with_the_tensors_is_refused(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    tsr_text_config c;
    tsr_error err;
    tiny_parse(TINY_E, &c);
    tiny_write(dir, TINY_E, TSR_F32, NULL, TINY_GOOD);
    c.vocab++;
    assert_int_equal(open_in(dir, &c, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "embed_tokens.weight", "92");
    c.vocab--;
    c.layers[6].ffn_width /= 2;
    assert_int_equal(open_in(dir, &c, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "layers.6.mlp.gate_proj.weight", NULL);
    c.layers[6].ffn_width *= 2;
    c.n_layers--; /* the last layer's tensors belong to nobody */
    assert_int_equal(open_in(dir, &c, &err), TSR_ERR_MODEL);
    c.n_layers++;
    assert_int_equal(open_in(dir, &c, &err), TSR_OK);
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

static tsr_status open_and_run(const char *dir, const tsr_text_config *cfg, const tsr_input *in, float *logits)
{
    tsr_weights *w = NULL;
    tsr_pool *pool = NULL;
    tsr_decoder *d = NULL;
    tsr_context *c = NULL;
    tsr_context_opts o = tsr_context_opts_default();
    o.ctx_tokens = in->n + 1;
    tsr_status st;
    if ((st = tsr_weights_open(&w, dir, NULL)) == TSR_OK && (st = tsr_pool_open(&pool, 1, NULL)) == TSR_OK &&
        (st = tsr_decoder_open(&d, w, cfg, NULL)) == TSR_OK && (st = tsr_context_open(&c, d, pool, &o, NULL)) == TSR_OK &&
        (st = tsr_context_prefill(c, in, NULL, NULL)) == TSR_OK)
        st = tsr_context_step(c, 1, logits, NULL);
    tsr_context_close(c);
    tsr_decoder_close(d);
    tsr_pool_close(pool);
    tsr_weights_close(w);
    return st;
}

static void opening_and_running_survive_every_failed_allocation(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    for (int kind = 0; kind < TINY_N; kind++) {
        tsr_text_config c;
        tiny_prompt p;
        tiny_parse((tiny_kind)kind, &c);
        tiny_write(dir, (tiny_kind)kind, TSR_BF16, NULL, TINY_GOOD);
        tiny_prompt_make(&p, &c, 30, true, 4);
        float *logits = malloc(c.vocab * sizeof *logits);
        size_t live = tsr_alloc_live();
        for (size_t k = 1;; k++) {
            tsr_alloc_fail_at(k);
            tsr_status st = open_and_run(dir, &c, &p.in, logits);
            tsr_alloc_fail_at(0);
            assert_int_equal(tsr_alloc_live(), live);
            if (st == TSR_OK)
                break;
            assert_int_equal(st, TSR_ERR_NOMEM);
        }
        free(logits);
        tiny_prompt_free(&p);
        tsr_text_config_deinit(&c);
    }
    test_tmp_remove(dir);
}

static void weights_that_are_not_numbers_end_in_a_status(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    for (int kind = 0; kind < TINY_N; kind++) {
        tsr_text_config c;
        tiny_prompt p;
        size_t n;
        tiny_parse((tiny_kind)kind, &c);
        tiny_tensor *t = tiny_tensors((tiny_kind)kind, &c, &n);
        tiny_prompt_make(&p, &c, 60, true, 4);
        float *logits = malloc(c.vocab * sizeof *logits);
        for (size_t i = 0; i < n; i++) {
            tiny_write(dir, (tiny_kind)kind, TSR_F32, t[i].name, TINY_NAN);
            tsr_status st = open_and_run(dir, &c, &p.in, logits);
            /* One element of a table or of an expert may never be met. */
            bool may_miss = strstr(t[i].name, "embed_tokens") || strstr(t[i].name, "expert") ||
                            is_unused(&c, t[i].name);
            if (st != TSR_ERR_MODEL && !(st == TSR_OK && may_miss))
                fail_msg("%s: status %d", t[i].name, (int)st);
        }
        free(logits);
        free(t);
        tiny_prompt_free(&p);
        tsr_text_config_deinit(&c);
    }
    test_tmp_remove(dir);
}

/* A second output matrix is the output; a copy of the table changes nothing. */
static void a_separate_output_matrix_is_used_where_there_is_one(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    tsr_text_config c;
    tsr_error err;
    tiny_parse(TINY_TEXT, &c);
    tiny_write(dir, TINY_TEXT, TSR_F32, "lm_head.weight", TINY_MISSING);
    assert_int_equal(open_in(dir, &c, &err), TSR_ERR_MODEL);
    c.tied = true;
    assert_int_equal(open_in(dir, &c, &err), TSR_OK);
    tiny_prompt p;
    tiny_prompt_make(&p, &c, 9, false, 4);
    float *tied = malloc(c.vocab * sizeof *tied), *own = malloc(c.vocab * sizeof *own);
    assert_int_equal(open_and_run(dir, &c, &p.in, tied), TSR_OK);
    tiny_write(dir, TINY_TEXT, TSR_F32, NULL, TINY_GOOD);
    assert_int_equal(open_and_run(dir, &c, &p.in, own), TSR_OK);
    assert_memory_not_equal(tied, own, c.vocab * sizeof *own);
    free(tied);
    free(own);
    tiny_prompt_free(&p);
    tsr_text_config_deinit(&c);
    test_tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor_missing_or_wrong_is_named),
        cmocka_unit_test(a_config_that_disagrees_with_the_tensors_is_refused),
        cmocka_unit_test(opening_and_running_survive_every_failed_allocation),
        cmocka_unit_test(weights_that_are_not_numbers_end_in_a_status),
        cmocka_unit_test(a_separate_output_matrix_is_used_where_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
