/* grammar_tool.c: schemas and grammars from outside, for the checks in Python.
 *
 * usage: grammar_tool TOKENIZER. Each line of standard input is a JSON object {"schema" or "grammar", "texts": [...],
 * "generate": how many, "max_tokens", "seed"}; each line of output one of {"status", "error"} or {"accepts": [...],
 * "outputs": [...], "ms": of compiling}. Outputs come from random logits, through the sampler. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tsr_alloc.h"
#include "tsr_grammar.h"
#include "tsr_json.h"
#include "tsr_sampler.h"

typedef struct tool {
    tsr_tokenizer *t;
    tsr_vocab *v;
    size_t n_vocab;
    int32_t end;
    float *logits;
    uint64_t random;
} tool;

static void check(bool ok, const char *what, const tsr_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "grammar_tool: %s: %s\n", what, err ? err->text : "");
    exit(1);
}

static uint32_t next_random(tool *t)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(t->random >> 33);
}

static tsr_json *generate(tool *t, const tsr_grammar *g, size_t max_tokens, tsr_error *err)
{
    tsr_guide *guide;
    tsr_sampler *sampler;
    tsr_text text = {0};
    tsr_ids ids = {0};
    tsr_sampler_opts so = tsr_sampler_opts_default();
    tsr_guide_opts go = {.max_tokens = max_tokens};
    so.temperature = 1;
    so.seed = t->random;
    if (tsr_guide_open(&guide, g, t->v, &go, err) != TSR_OK)
        return NULL;
    check(tsr_sampler_open(&sampler, &so, t->n_vocab, err) == TSR_OK, "sampler", err);
    for (;;) {
        int32_t id = -1;
        const uint32_t *mask;
        for (size_t i = 0; i < t->n_vocab; i++)
            t->logits[i] = (float)(next_random(t) % 1000) / 100.0f;
        check(tsr_guide_mask(guide, &mask, err) == TSR_OK, "mask", err);
        tsr_sampler_allow(sampler, mask);
        check(tsr_sampler_next(sampler, t->logits, &id, err) == TSR_OK, "sampling", err);
        check(tsr_guide_push(guide, id, err) == TSR_OK, "push", err);
        if (id == t->end)
            break;
        check(tsr_ids_add(&ids, id, err) == TSR_OK, "ids", err);
        check(ids.n < max_tokens, "no end in time", NULL);
    }
    check(tsr_tokenizer_decode(t->t, ids.at, ids.n, false, &text, err) == TSR_OK, "decode", err);
    tsr_json *out = tsr_json_new_string(text.at ? text.at : "", text.len);
    tsr_text_deinit(&text);
    tsr_ids_deinit(&ids);
    tsr_sampler_close(sampler);
    tsr_guide_close(guide);
    return out;
}

static tsr_status compile(const tsr_json *job, tsr_grammar **g, tsr_error *err)
{
    size_t len;
    const char *gbnf = tsr_json_string(tsr_json_get(job, "grammar"), &len);
    if (gbnf)
        return tsr_grammar_from_gbnf(g, gbnf, len, "grammar", err);
    char *text;
    check(tsr_json_dump(&text, tsr_json_get(job, "schema"), 0, err) == TSR_OK, "schema", err);
    tsr_status st = tsr_grammar_from_schema(g, text, strlen(text), "schema", err);
    tsr_free(text);
    return st;
}

static tsr_json *refused(tsr_status st, const tsr_error *err)
{
    tsr_json *o = tsr_json_new_object();
    tsr_json_set(o, "status", tsr_json_new_i64(st));
    tsr_json_set(o, "error", tsr_json_new_string(err->text, strlen(err->text)));
    return o;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static tsr_json *work(tool *t, const tsr_json *job)
{
    tsr_error err = {0};
    tsr_grammar *g;
    double start = now_ms();
    tsr_status st = compile(job, &g, &err);
    double ms = now_ms() - start;
    if (st != TSR_OK)
        return refused(st, &err);
    tsr_json *o = tsr_json_new_object(), *accepts = tsr_json_new_array(), *outputs = tsr_json_new_array();
    const tsr_json *texts = tsr_json_get(job, "texts");
    size_t n = 0, max_tokens = 200, seed = 1;
    for (size_t i = 0; i < tsr_json_len(texts) && st == TSR_OK; i++) {
        size_t len;
        bool ok;
        const char *s = tsr_json_string(tsr_json_at(texts, i), &len);
        st = tsr_grammar_matches(g, s, len, &ok, &err);
        tsr_json_append(accepts, tsr_json_new_bool(ok));
    }
    tsr_json_to_size(tsr_json_get(job, "generate"), &n);
    tsr_json_to_size(tsr_json_get(job, "max_tokens"), &max_tokens);
    tsr_json_to_size(tsr_json_get(job, "seed"), &seed);
    t->random = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        tsr_json *out = generate(t, g, max_tokens, &err);
        st = out ? TSR_OK : err.status;
        tsr_json_append(outputs, out);
    }
    tsr_grammar_close(g);
    tsr_json_set(o, "accepts", accepts);
    tsr_json_set(o, "outputs", outputs);
    tsr_json_set(o, "ms", tsr_json_new_double(ms));
    if (st == TSR_OK)
        return o;
    tsr_json_free(o);
    return refused(st, &err);
}

int main(int argc, char **argv)
{
    tool t = {0};
    tsr_error err = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    check(argc == 2, "usage: grammar_tool TOKENIZER", NULL);
    check(tsr_tokenizer_open(&t.t, argv[1], &err) == TSR_OK, "tokenizer", &err);
    t.n_vocab = tsr_tokenizer_count(t.t);
    t.end = tsr_tokenizer_id_of(t.t, "<eos>");
    t.logits = calloc(t.n_vocab, sizeof *t.logits);
    tsr_vocab_opts o = {.n_vocab = t.n_vocab, .ends = &t.end, .n_ends = 1};
    check(t.logits && tsr_vocab_open(&t.v, t.t, &o, &err) == TSR_OK, "vocabulary", &err);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        tsr_json *job;
        char *text;
        check(tsr_json_parse(&job, line, (size_t)len, "line", &err) == TSR_OK, "line", &err);
        tsr_json *out = work(&t, job);
        check(tsr_json_dump(&text, out, 0, &err) == TSR_OK, "output", &err);
        puts(text);
        fflush(stdout);
        tsr_free(text);
        tsr_json_free(out);
        tsr_json_free(job);
    }
    free(line);
    free(t.logits);
    tsr_vocab_close(t.v);
    tsr_tokenizer_close(t.t);
    return 0;
}
