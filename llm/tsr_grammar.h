/* tsr_grammar.h: what an answer must look like, as a GBNF grammar or a JSON Schema, and which tokens may come next.
 *
 *   tsr_grammar   the compiled grammar, read-only, any number of threads
 *   tsr_vocab     the texts of a tokenizer's tokens as trees of bytes, read-only, any number of threads
 *   tsr_guide     one answer under way: gives masks over the vocabulary, hears the tokens chosen; one thread
 *
 * docs/structured-output.md says what is supported and how an answer is brought to its end. */
#ifndef TSR_GRAMMAR_H
#define TSR_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"
#include "tsr_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TSR_GRAMMAR_MAX_BYTES = 4 << 20, /* of a text given */
    TSR_GRAMMAR_MAX_DEPTH = 256      /* of groups in it, of a schema's nesting */
};

typedef struct tsr_grammar tsr_grammar;

/* Compile a GBNF grammar; its rule "root" is the whole answer. `name` stands for the text in errors, which give line and
 * column. TSR_ERR_USAGE for what is wrong in it (left recursion and a grammar without any finite text among it);
 * TSR_ERR_UNSUPPORTED for token literals; TSR_ERR_LIMIT, TSR_ERR_NOMEM. On failure *out is NULL. */
tsr_status tsr_grammar_from_gbnf(tsr_grammar **out, const char *text, size_t len, const char *name, tsr_error *err);

/* Compile a JSON Schema (draft 2020-12). TSR_ERR_UNSUPPORTED names a keyword that can't be held to, with its JSON
 * pointer; TSR_ERR_USAGE says what is wrong, or that no value can satisfy the schema. Else as above. */
tsr_status tsr_grammar_from_schema(tsr_grammar **out, const char *text, size_t len, const char *name, tsr_error *err);

void tsr_grammar_close(tsr_grammar *g); /* NULL is fine */

/* Whether `text` is a whole text of the grammar, in *ok. TSR_ERR_LIMIT when it is too ambiguous to say; TSR_ERR_NOMEM. */
tsr_status tsr_grammar_matches(const tsr_grammar *g, const char *text, size_t len, bool *ok, tsr_error *err);

/* ---- tokens ---- */

typedef struct tsr_vocab tsr_vocab;

typedef struct tsr_vocab_opts {
    size_t n_vocab; /* rows of the embedding: bits of a mask */
    const int32_t *never; /* ids that may not come, beside control tokens: [n_never]. Borrowed while opening */
    size_t n_never;
    const int32_t *ends; /* ids that end an answer: [n_ends] */
    size_t n_ends;
} tsr_vocab_opts;

/* Read the texts of all tokens of `t`, as decoding gives them (a byte token is its byte). Control tokens and those
 * without a name take no part. Nothing of `t` is kept. On failure *out is NULL. */
tsr_status tsr_vocab_open(tsr_vocab **out, const tsr_tokenizer *t, const tsr_vocab_opts *opts, tsr_error *err);
void tsr_vocab_close(tsr_vocab *v); /* NULL is fine */

/* ---- guiding ---- */

typedef struct tsr_guide tsr_guide;

typedef struct tsr_guide_opts {
    size_t max_tokens; /* that may come in all, the one that ends the answer among them */
    bool thinks;       /* a thought may come first: what the grammar says begins when its channel closes */
    int32_t channel_open, channel_close; /* with `thinks` */
} tsr_guide_opts;

/* `grammar` and `vocab` must outlive it. TSR_ERR_USAGE when max_tokens can't hold the shortest answer;
 * TSR_ERR_UNSUPPORTED when the vocabulary can't spell a byte of the grammar. All memory is taken now. */
tsr_status tsr_guide_open(tsr_guide **out, const tsr_grammar *grammar, const tsr_vocab *vocab,
                          const tsr_guide_opts *opts, tsr_error *err);
void tsr_guide_close(tsr_guide *g); /* NULL is fine */

/* The tokens that may come next: bit `id % 32` of word `id / 32`, for n_vocab ids. At least one is set. Ends are set
 * where the grammar can end. As tokens run out, those from which the answer could not be brought to its end in time
 * are left out. Valid until the next call. TSR_ERR_LIMIT when the grammar is too ambiguous; nothing is allocated. */
tsr_status tsr_guide_mask(tsr_guide *g, const uint32_t **mask, tsr_error *err);

/* A token was chosen out of the last mask. */
tsr_status tsr_guide_push(tsr_guide *g, int32_t id, tsr_error *err);

/* Whether the last mask left out, for want of tokens alone, the one with the highest of `logits` [n_vocab]. */
bool tsr_guide_cuts(const tsr_guide *g, const float *logits);

#ifdef __cplusplus
}
#endif
#endif
