/* fuzz_grammar.c: any bytes as a grammar or a schema.
 *
 * With clang: -fsanitize=fuzzer,address,undefined (target fuzz_grammar, present when TSR_FUZZ is on). Without it test_gbnf
 * replays the corpus and broken forms of it through the same code. */
#include "fuzz_grammar.h"

#include <stdlib.h>
#include <string.h>

#include "big_vocab.h"
#include "tsr_alloc.h"
#include "tsr_grammar.h"

enum { N_VOCAB = 700, ANSWERS = 2, TOKENS = 40 };

static void promise(bool kept)
{
    if (!kept)
        abort();
}

/* Opened once: it lives as long as the process. */
static tsr_tokenizer *tokenizer;
static tsr_vocab *vocab;

static void open_vocab(void)
{
    const int32_t end = 1;
    tsr_error err = {0};
    if (vocab)
        return;
    tokenizer = big_vocab_open(N_VOCAB, &err);
    tsr_vocab_opts o = {.n_vocab = N_VOCAB, .ends = &end, .n_ends = 1};
    promise(tokenizer && tsr_vocab_open(&vocab, tokenizer, &o, &err) == TSR_OK);
}

static int32_t pick(const uint32_t *mask, uint32_t random)
{
    for (size_t i = 0; i < N_VOCAB; i++) {
        size_t id = (random + i) % N_VOCAB;
        if (mask[id / 32] >> (id % 32) & 1)
            return (int32_t)id;
    }
    return -1;
}

static void guide(const tsr_grammar *g, uint32_t seed)
{
    tsr_guide *guide;
    tsr_guide_opts o = {.max_tokens = TOKENS};
    tsr_text text = {0};
    tsr_ids ids = {0};
    bool ok;
    int32_t id = -1;
    tsr_status st = tsr_guide_open(&guide, g, vocab, &o, NULL);
    if (st != TSR_OK) {
        promise(st == TSR_ERR_USAGE || st == TSR_ERR_LIMIT);
        return;
    }
    while (id != 1 && st == TSR_OK) {
        const uint32_t *mask;
        st = tsr_guide_mask(guide, &mask, NULL);
        if (st != TSR_OK)
            break;
        seed = seed * 1664525 + 1013904223;
        id = pick(mask, seed >> 8);
        promise(id >= 0);
        st = tsr_guide_push(guide, id, NULL);
        promise(ids.n < TOKENS && tsr_ids_add(&ids, id, NULL) == TSR_OK);
    }
    promise(st == TSR_OK || st == TSR_ERR_LIMIT);
    if (st == TSR_OK) {
        promise(tsr_tokenizer_decode(tokenizer, ids.at, ids.n, false, &text, NULL) == TSR_OK);
        st = tsr_grammar_matches(g, text.at ? text.at : "", text.len, &ok, NULL);
        promise(st == TSR_ERR_LIMIT || (st == TSR_OK && ok));
    }
    tsr_text_deinit(&text);
    tsr_ids_deinit(&ids);
    tsr_guide_close(guide);
}

tsr_status fuzz_grammar(const uint8_t *data, size_t len)
{
    tsr_error err = {0};
    tsr_grammar *g = NULL;
    const char *text = (const char *)data;
    bool is_schema = len && strchr("{tf", text[0]) && text[0];
    open_vocab();
    size_t live = tsr_alloc_live();
    tsr_status st = is_schema ? tsr_grammar_from_schema(&g, text, len, "fuzz", &err)
                              : tsr_grammar_from_gbnf(&g, text, len, "fuzz", &err);
    promise(st == err.status && (g != NULL) == (st == TSR_OK));
    promise(st == TSR_OK || st == TSR_ERR_USAGE || st == TSR_ERR_UNSUPPORTED || st == TSR_ERR_LIMIT);
    for (uint32_t i = 0; g && i < ANSWERS; i++)
        guide(g, i + 1);
    tsr_grammar_close(g);
    promise(tsr_alloc_live() == live);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_grammar(data, len);
    return 0;
}
