/* tokenizer_internal.h: the tables of an open tokenizer, shared by reading (tokenizer_build.c) and
 * use (tokenizer.c), and the pull reader under the former (tokenizer_json.c). */
#ifndef TSRI_TOKENIZER_H
#define TSRI_TOKENIZER_H

#include "tsr_tokenizer.h"

enum { TSRI_SPACE_LEN = 3, TSRI_PAIR_BITS = 20 };
#define TSRI_SPACE "\xE2\x96\x81" /* U+2581 stands for a space */

enum tsri_token_flag {
    TSRI_TOKEN_PRESENT = 1,
    TSRI_TOKEN_ADDED = 2,
    TSRI_TOKEN_CONTROL = 4,
    TSRI_TOKEN_BYTE = 8, /* "<0xHH>" */
    TSRI_TOKEN_NORMALIZED = 16 /* added, and matched after the normalizer */
};

typedef struct tsri_token {
    uint32_t at, len; /* in `names` */
    uint8_t flags, byte;
} tsri_token;

/* left + right = whole; its place in the table is its rank. */
typedef struct tsri_merge {
    int32_t left, right, whole;
} tsri_merge;

/* One node of a tree of added tokens, by bytes; children are a list. */
typedef struct tsri_node {
    int32_t child, sibling; /* -1: none */
    int32_t id;             /* of the token that ends here, -1: none */
    uint8_t byte;
} tsri_node;

typedef struct tsri_trie {
    tsri_node *nodes;
    size_t n, cap;
    int32_t root[256];
} tsri_trie;

struct tsr_tokenizer {
    char *names;
    size_t names_len, names_cap;
    tsri_token *tokens; /* [n_ids] */
    size_t n_ids;

    uint32_t *by_name; /* open addressing: id + 1, 0 empty; n_slots is a power of two */
    size_t n_name_slots;

    tsri_merge *merges;
    size_t n_merges;
    uint32_t *by_pair; /* as by_name, of merges */
    size_t n_pair_slots;

    tsri_trie raw, normalized; /* added tokens matched before and after the normalizer */

    /* Bit h(a, b) is set when some entry holds the characters a, b side by side. Where it is clear
     * no merge can cross, so that each side is encoded alone. `whole_text` forbids the cut. */
    uint8_t *pairs; /* [2^TSRI_PAIR_BITS / 8] */
    bool whole_text;

    int32_t byte_id[256]; /* -1: none */
    bool byte_fallback, fuse_unk;
    int32_t unk; /* -1: unknown characters vanish */
};

uint64_t tsri_hash_more(uint64_t h, const char *s, size_t len);
#define TSRI_HASH_START 0xCBF29CE484222325u
uint64_t tsri_hash_end(uint64_t h);

/* The entry that is the two parts put together; -1: none. */
int32_t tsri_tokenizer_find(const tsr_tokenizer *t, const char *a, size_t a_len, const char *b, size_t b_len);

/* The rank of the merge of two ids, -1 when there is none. */
int32_t tsri_tokenizer_merge(const tsr_tokenizer *t, int32_t left, int32_t right);
uint32_t tsri_pair_bit(uint32_t a, uint32_t b); /* of two characters */

/* ---- The pull reader: JSON read in place, one value at a time; the first failure sticks. ---- */

typedef struct tsri_pull {
    const char *text;
    size_t len, at;
    const char *name; /* of the file */
    tsr_error *err;
    tsr_status status;
} tsri_pull;

/* Bytes [at, at + len) of the text: one JSON value. */
typedef struct tsri_span {
    size_t at, len;
} tsri_span;

tsr_status tsri_pull_fail(tsri_pull *p, tsr_status st, const char *what);
char tsri_pull_peek(tsri_pull *p); /* the next byte that isn't white space; 0 at the end */
bool tsri_pull_take(tsri_pull *p, char c); /* that byte, or a failure */

/* Walk an object or array: enter, then while (more) read one member. False at its end and after a
 * failure. *first is the walk's state, true at the start. */
bool tsri_pull_more(tsri_pull *p, bool *first, char close);

/* A string, unescaped into dst, where TSR_UTF8_MAX bytes must stay free. Gives its length. */
size_t tsri_pull_string(tsri_pull *p, char *dst, size_t cap);
bool tsri_pull_key(tsri_pull *p, char *dst, size_t cap, size_t *len); /* and its colon; cut at cap - 1 */
int64_t tsri_pull_int(tsri_pull *p); /* 0 .. 2^53, no fraction */
tsri_span tsri_pull_skip(tsri_pull *p); /* any value; nesting at most 64 */

#endif
