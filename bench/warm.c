/* warm: prefill and decode of a text model in one process that has warmed up, as bench/rival_python.py times them of others.
 *
 * usage: warm MODEL THREADS N_DECODE N_PROMPT [--no-skip] [--cpu LEVEL]
 *
 * The same context serves all: a prompt of that length and some tokens, then it is emptied and both are timed. Logits of the last
 * position; which tokens follow costs the same. One line of JSON on stdout. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"
#include "tsr_alloc.h"
#include "tsr_clock.h"

enum { WARM_UP_TOKENS = 4, BOS = 2, FIRST_ID = 1000, SOME_IDS = 100000 };

static int fail(const char *what)
{
    fprintf(stderr, "warm: %s\n", what);
    return 1;
}

static tsr_status decode(tsr_context *c, size_t n, float *logits, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        st = tsr_context_step(c, FIRST_ID + (int32_t)i, logits, err);
    return st;
}

static tsr_status keep(void *user, size_t at, const float *logits)
{
    float *first = user;
    (void)at;
    *first = logits[0];
    return TSR_OK;
}

static int measure(const tessera_model *m, size_t n_prompt, size_t n_decode, bool no_skip)
{
    const tsr_text_config *cfg = tsri_model_config(m);
    tsr_context_opts o = tsr_context_opts_default();
    tsr_context *c = NULL;
    tsr_error err = {0};
    int32_t *ids = tsr_calloc(n_prompt, sizeof *ids);
    float *logits = tsr_calloc(cfg->vocab, sizeof *logits);
    o.ctx_tokens = n_prompt + n_decode + WARM_UP_TOKENS;
    o.keep_all = no_skip;
    if (!ids || !logits || cfg->vocab < FIRST_ID + SOME_IDS)
        return fail("out of memory, or too small a vocabulary");
    for (size_t i = 0; i < n_prompt; i++)
        ids[i] = i ? (int32_t)(FIRST_ID + i * 7919 % SOME_IDS) : BOS;
    tsr_input in = {.n = n_prompt, .ids = ids};
    tsr_prefill_sink sink = {.user = logits, .on_logits = keep};
    tsr_status st = tsr_context_open(&c, m->decoder, m->pool, &o, &err);
    double t[3] = {0.0};
    for (int warm = 1; warm >= 0 && st == TSR_OK; warm--) {
        tsr_context_reset(c);
        t[0] = tsr_clock_s();
        if ((st = tsr_context_prefill(c, &in, &sink, &err)) != TSR_OK)
            break;
        t[1] = tsr_clock_s();
        st = decode(c, warm ? WARM_UP_TOKENS : n_decode, logits, &err);
        t[2] = tsr_clock_s();
    }
    if (st == TSR_OK)
        printf("{\"prompt_tokens\": %zu, \"prefill_s\": %.6f, \"decode_tokens\": %zu, \"decode_s\": %.6f}\n", n_prompt, t[1] - t[0],
               n_decode, t[2] - t[1]);
    tsr_context_close(c);
    tsr_free(ids);
    tsr_free(logits);
    return st == TSR_OK ? 0 : fail(err.text);
}

int main(int argc, char **argv)
{
    tessera_model_opts opts = {0};
    tessera_error err = {0};
    tessera_model *m;
    bool no_skip = false;
    if (argc < 5)
        return fail("usage: warm MODEL THREADS N_DECODE N_PROMPT [--no-skip] [--cpu LEVEL]");
    opts.threads = (unsigned)strtoul(argv[2], NULL, 10);
    size_t n_decode = strtoul(argv[3], NULL, 10), n_prompt = strtoul(argv[4], NULL, 10);
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "--no-skip") == 0)
            no_skip = true;
        else if (strcmp(argv[i], "--cpu") == 0 && i + 1 < argc)
            opts.cpu = argv[++i];
        else
            return fail("unknown argument");
    }
    if (n_prompt == 0 || n_decode == 0)
        return fail("N_DECODE and N_PROMPT are whole numbers above 0");
    if (tessera_model_open(&m, argv[1], &opts, &err) != TESSERA_OK)
        return fail(err.text);
    if (tsr_pool_set_products(m->pool, TSR_PRODUCTS_FAST, NULL) != TSR_OK)
        return fail("out of memory");
    int rc = measure(m, n_prompt, n_decode, no_skip);
    tessera_model_close(m);
    return rc;
}
