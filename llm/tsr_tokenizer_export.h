/* tsr_tokenizer_export.h: a tokenizer as the arrays and ids that a GGUF file keeps under tokenizer.ggml.*, as
 * llama.cpp's converter writes them for the published vocabulary. Two things are better here: every control
 * token has its type, also where that converter doesn't know it (<|video|>), and other added tokens are
 * USER_DEFINED, so that every reader finds them before it merges.
 *
 * The keys, in that converter's order (it may add that no EOS and no separator are added, which readers
 * take for granted):
 *   tokenizer.ggml.model             str     model
 *   tokenizer.ggml.tokens            [str]   tokens
 *   tokenizer.ggml.scores            [f32]   scores
 *   tokenizer.ggml.token_type        [i32]   types
 *   tokenizer.ggml.merges            [str]   merges
 *   ids[i].key                       u32     ids[i].id, for each i
 *   tokenizer.ggml.add_bos_token     bool    true
 *   tokenizer.chat_template          str     chat_template, unless its data is NULL
 *   tokenizer.ggml.add_space_prefix  bool    false
 * and one of our own, only where n_normalized > 0 (the published vocabulary has none):
 *   TSR_TOKENIZER_NORMALIZED_KEY     [i32]   normalized
 * tsr_tokenizer_open_gguf (tsr_tokenizer.h) makes the same tokenizer of them again. */
#ifndef TSR_TOKENIZER_EXPORT_H
#define TSR_TOKENIZER_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf_write.h"
#include "tsr_json.h"
#include "tsr_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Types of tokens, numbered as in tokenizer.ggml.token_type. */
typedef enum tsr_token_type {
    TSR_TOKEN_NORMAL = 1,
    TSR_TOKEN_UNKNOWN = 2,
    TSR_TOKEN_CONTROL = 3,      /* found in text that the caller wrote; not printed */
    TSR_TOKEN_USER_DEFINED = 4, /* found in any text before it is merged; printed */
    TSR_TOKEN_UNUSED = 5,       /* a row without a token */
    TSR_TOKEN_BYTE = 6          /* "<0xHH>" */
} tsr_token_type;

/* Ids of the tokens that are found after spaces became U+2581 ("normalized" in tokenizer.json), which
 * the types can't say. */
#define TSR_TOKENIZER_NORMALIZED_KEY "tessera.tokenizer.normalized"

enum { TSR_TOKENIZER_MAX_ROLES = 6 };

typedef struct tsr_tokenizer_role {
    const char *key; /* "tokenizer.ggml.bos_token_id"; static */
    uint32_t id;
} tsr_tokenizer_role;

/* Zeroed is empty. Everything is owned by it or, where said, by the tokenizer that it was made from. */
typedef struct tsr_tokenizer_export {
    const char *model;    /* "gemma4"; static */
    tsr_gguf_str *tokens; /* [n_tokens]; the bytes are the tokenizer's */
    float *scores;        /* [n_tokens] */
    int32_t *types;       /* [n_tokens] of tsr_token_type */
    size_t n_tokens;
    tsr_gguf_str *merges; /* [n_merges], "left right", the first merges first */
    size_t n_merges;
    int32_t *normalized; /* [n_normalized] ids */
    size_t n_normalized;
    tsr_tokenizer_role ids[TSR_TOKENIZER_MAX_ROLES];
    size_t n_ids;
    tsr_gguf_str chat_template; /* data NULL: none; as it stands in the folder */

    char *merge_text, *filler_text, *template_text; /* what the spans point to */
    tsr_tokenizer *owned;                           /* of tsr_tokenizer_export_folder */
} tsr_tokenizer_export;

void tsr_tokenizer_export_deinit(tsr_tokenizer_export *e);

/* Tokens, scores, types and merges of `t`, which must outlive e. n_rows: of the embedding table, where
 * that has more rows than `t` has ids; ids without a name become "[PADn]", unused. 0: as many as ids.
 * TSR_ERR_UNSUPPORTED names a token or merge that these arrays can't say; TSR_ERR_MODEL when n_rows is
 * smaller than the number of ids. On failure e is empty. */
tsr_status tsr_tokenizer_export_init(tsr_tokenizer_export *e, const tsr_tokenizer *t, size_t n_rows, tsr_error *err);

/* The ids of e: each role (bos, eos, unk, sep, pad, mask) by the name of its token in a
 * tokenizer_config.json, else by its number in a config.json or that one's text_config. Either may be
 * NULL; a role that neither names isn't written. TSR_ERR_MODEL: the number of no token. On failure e has
 * no ids. */
tsr_status tsr_tokenizer_export_ids(tsr_tokenizer_export *e, const tsr_tokenizer *t, const tsr_json *tokenizer_config,
                                    const tsr_json *config, tsr_error *err);

/* All of it from a folder's tokenizer.json and, where they are there, its config.json,
 * tokenizer_config.json (which may hold the template) and chat_template.jinja. On failure e is empty. */
tsr_status tsr_tokenizer_export_folder(tsr_tokenizer_export *e, const char *folder, size_t n_rows, tsr_error *err);

/* All keys above, into a file that is being written. */
void tsr_tokenizer_export_put(const tsr_tokenizer_export *e, tsr_gguf_writer *w);

#ifdef __cplusplus
}
#endif
#endif
