/* grammar_vocab_internal.h: the texts of the tokens as trees of bytes.
 *
 * Plain tokens (only plain characters, whole ones: grammar_internal.h) have a tree of their own, since a place inside a
 * JSON string takes all of them up to a length: those come out of a table, and the tree isn't walked. */
#ifndef TSRI_GRAMMAR_VOCAB_H
#define TSRI_GRAMMAR_VOCAB_H

#include "grammar_internal.h"

enum { TSRI_TOKEN_MOST = 512 }; /* bytes of one token's text; longer ones don't come */

/* Nodes in the order of a walk: the first child of node i is i + 1, the next node that is not below it skip[i]. */
typedef struct tsri_tree {
    uint8_t *byte;     /* [n] */
    uint32_t *skip;    /* [n] */
    uint32_t *below;   /* [n] kinds of plain characters in the texts below node i (tsri_plain_kind); plain trees only */
    uint32_t *first;   /* [n + 1] tokens that end at node i: tokens[first[i] .. first[i + 1]) */
    int32_t *tokens;
    size_t n, n_tokens;
} tsri_tree;

struct tsr_vocab {
    size_t n_vocab, n_words; /* of a mask */
    tsri_tree plain, other;
    uint32_t *up_to;   /* [longest_run + 1][n_words] plain tokens of so many characters or fewer */
    size_t longest_run;  /* characters of the longest plain token */
    size_t longest;      /* bytes of the longest token */
    uint32_t *all, *ends; /* [n_words] */
    char *texts;
    uint32_t *text_at; /* [n_vocab + 1]: of id from text_at[id] on; empty: takes no part */
    bool has_byte[256]; /* a token is just this byte */
};

/* The longest token that is a beginning of text; -1: none. *len receives its bytes. */
int32_t tsri_vocab_longest(const tsr_vocab *v, const uint8_t *text, size_t n, size_t *len);

static inline bool tsri_bit(const uint32_t *mask, size_t i)
{
    return mask[i / 32] >> (i % 32) & 1;
}

static inline void tsri_set_bit(uint32_t *mask, size_t i)
{
    mask[i / 32] |= 1u << (i % 32);
}

#endif
