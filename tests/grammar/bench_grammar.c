/* bench_grammar.c: the cost of a grammar with a vocabulary of 262,144 made-up pieces, as CSV: compiling, and per token the
 * mask and the push, over answers from random logits.
 *
 * usage: bench_grammar [N_VOCAB [ANSWERS [TOKENS]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "big_vocab.h"
#include "tsr_alloc.h"
#include "tsr_grammar.h"
#include "tsr_sampler.h"

static const struct {
    const char *name, *text;
    bool is_gbnf;
} cases[] = {
    {"any JSON", "true", false},
    {"person", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\",\"minimum\":0,"
               "\"maximum\":150},\"email\":{\"type\":\"string\",\"pattern\":\"^[^@ ]+@[^@ ]+[.][a-z]{2,8}$\"}},"
               "\"required\":[\"name\",\"age\",\"email\"],\"additionalProperties\":false}", false},
    {"short strings", "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
                      "\"maxLength\":12},\"note\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":40}},\"required\":"
                      "[\"id\",\"note\"],\"additionalProperties\":false}}", false},
    {"one long string", "{\"type\":\"string\",\"maxLength\":10000}", false},
    {"boxes", "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"box_2d\":{\"type\":\"array\",\"items\":"
              "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000},\"minItems\":4,\"maxItems\":4},\"label\":{\"type\":"
              "\"string\"}},\"required\":[\"box_2d\",\"label\"],\"additionalProperties\":false}}", false},
    {"tree", "{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
             "\"children\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/node\"}}},\"required\":[\"name\",\"children\"],"
             "\"additionalProperties\":false}}}", false},
    {"GBNF text", "root ::= line+\nline ::= \"- \" [^\\n]{1,200} \"\\n\"", true},
    {"GBNF words", "root ::= word (\" \" word)*\nword ::= [a-zA-Z]+ [.,;]?", true},
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* the machine may be busy with other things */
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void die(const tsr_error *err)
{
    fprintf(stderr, "bench_grammar: %s\n", err->text);
    exit(1);
}

typedef struct bench {
    tsr_vocab *v;
    size_t n_vocab, n_answers, n_tokens;
    float *logits;
    double *ms; /* of each token */
    uint64_t random;
} bench;

static void fill_logits(bench *b)
{
    for (size_t i = 0; i < b->n_vocab; i++) {
        b->random = b->random * 6364136223846793005u + 1442695040888963407u;
        b->logits[i] = (float)(b->random >> 40) / (float)(1 << 22);
    }
}

/* As many tokens as asked for; an answer that ends is followed by another. */
static size_t run(bench *b, const tsr_grammar *g)
{
    tsr_error err = {0};
    tsr_sampler *s;
    tsr_sampler_opts so = tsr_sampler_opts_default();
    size_t n = 0;
    so.temperature = 1;
    so.seed = 3;
    if (tsr_sampler_open(&s, &so, b->n_vocab, &err) != TSR_OK)
        die(&err);
    for (size_t answer = 0; answer < b->n_answers; answer++) {
        tsr_guide *guide;
        tsr_guide_opts o = {.max_tokens = b->n_tokens};
        if (tsr_guide_open(&guide, g, b->v, &o, &err) != TSR_OK)
            die(&err);
        for (size_t i = 0; i < b->n_tokens; i++) {
            const uint32_t *mask;
            int32_t id;
            fill_logits(b);
            double start = now_ms();
            if (tsr_guide_mask(guide, &mask, &err) != TSR_OK)
                die(&err);
            double middle = now_ms();
            tsr_sampler_allow(s, mask);
            if (tsr_sampler_next(s, b->logits, &id, &err) != TSR_OK)
                die(&err);
            double chosen = now_ms();
            if (tsr_guide_push(guide, id, &err) != TSR_OK)
                die(&err);
            b->ms[n++] = middle - start + now_ms() - chosen;
            if (id == 1)
                break;
        }
        tsr_guide_close(guide);
    }
    tsr_sampler_close(s);
    return n;
}

int main(int argc, char **argv)
{
    tsr_error err = {0};
    const int32_t end = 1;
    bench b = {.n_vocab = argc > 1 ? strtoul(argv[1], NULL, 10) : 262144, .n_answers = argc > 2 ? strtoul(argv[2], NULL, 10) : 5,
               .n_tokens = argc > 3 ? strtoul(argv[3], NULL, 10) : 400, .random = 1};
    tsr_tokenizer *t = big_vocab_open(b.n_vocab, &err);
    tsr_vocab_opts vo = {.n_vocab = b.n_vocab, .ends = &end, .n_ends = 1};
    if (!t)
        die(&err);
    double start = now_ms();
    if (tsr_vocab_open(&b.v, t, &vo, &err) != TSR_OK)
        die(&err);
    printf("# vocabulary of %zu: %.0f ms to read\n", b.n_vocab, now_ms() - start);
    printf("grammar,compile_ms,tokens,mean_ms,median_ms,p99_ms,max_ms\n");
    b.logits = calloc(b.n_vocab, sizeof *b.logits);
    b.ms = calloc(b.n_answers * b.n_tokens, sizeof *b.ms);
    for (size_t i = 0; b.logits && b.ms && i < sizeof cases / sizeof *cases; i++) {
        tsr_grammar *g;
        double sum = 0;
        start = now_ms();
        tsr_status st = cases[i].is_gbnf ? tsr_grammar_from_gbnf(&g, cases[i].text, strlen(cases[i].text), "bench", &err)
                                         : tsr_grammar_from_schema(&g, cases[i].text, strlen(cases[i].text), "bench", &err);
        if (st != TSR_OK)
            die(&err);
        double compile = now_ms() - start;
        size_t n = run(&b, g);
        for (size_t k = 0; k < n; k++)
            sum += b.ms[k];
        qsort(b.ms, n, sizeof *b.ms, by_size);
        printf("%s,%.2f,%zu,%.3f,%.3f,%.3f,%.3f\n", cases[i].name, compile, n, sum / (double)n, b.ms[n / 2],
               b.ms[n * 99 / 100], b.ms[n - 1]);
        tsr_grammar_close(g);
    }
    free(b.logits);
    free(b.ms);
    tsr_vocab_close(b.v);
    tsr_tokenizer_close(t);
    return 0;
}
