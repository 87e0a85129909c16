/* tsr_tokenizer.h: text becomes token ids and back, as the published tokenizer.json says; a GGUF file
 * made from it gives the same tokenizer.
 *
 * BPE with byte fallback, spaces as U+2581. A tokenizer is read-only once open: any number of
 * threads may use one. Ids are equal to those of the `tokenizers` package (MODEL.md). */
#ifndef TSR_TOKENIZER_H
#define TSR_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf.h"
#include "tsr_status.h"
#include "tsr_utf8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits of a tokenizer.json and of the arrays of a GGUF file; beyond them TSR_ERR_LIMIT or TSR_ERR_MODEL. */
enum {
    TSR_TOKENIZER_MAX_BYTES = 256 << 20, /* of the file */
    TSR_TOKENIZER_MAX_IDS = 1 << 22,     /* every id is below it */
    TSR_TOKENIZER_MAX_ADDED = 1 << 17,   /* added tokens */
    TSR_TOKENIZER_MAX_ADDED_BYTES = 512  /* of one added token */
};

typedef struct tsr_tokenizer tsr_tokenizer;

/* Token ids in memory of the owner's that grow (tsr_ids_deinit). Zeroed is empty. */
typedef struct tsr_ids {
    int32_t *at;
    size_t n, cap;
} tsr_ids;

void tsr_ids_deinit(tsr_ids *ids);
tsr_status tsr_ids_add(tsr_ids *ids, int32_t id, tsr_error *err);
tsr_status tsr_ids_fill(tsr_ids *ids, int32_t id, size_t n, tsr_error *err); /* n times the same id */

/* Read a tokenizer.json. TSR_ERR_MODEL names file and place of what is broken; TSR_ERR_UNSUPPORTED
 * names a normalizer, pre-tokenizer, decoder or model that we don't know. On failure *out is NULL.
 * `name` stands for the file in errors. */
tsr_status tsr_tokenizer_open(tsr_tokenizer **out, const char *path, tsr_error *err);
tsr_status tsr_tokenizer_open_bytes(tsr_tokenizer **out, const void *json, size_t len, const char *name,
                                    tsr_error *err);

/* The same from the keys tokenizer.ggml.* of a GGUF file, from which nothing is kept:
 *   model       "gemma4" (or "gpt2" with a `pre` of "gemma4")
 *   tokens      UTF-8 with U+2581 for a space, each once, "<0x00>" to "<0xFF>" among them
 *   token_type  of each: CONTROL and UNKNOWN are control tokens, as are the model's own by their names,
 *               whatever their type; USER_DEFINED ones are matched before text is merged; "[PADn]" of type
 *               UNUSED is no token
 *   merges      "left right", the first merges first; scores can't stand in for them and are not used
 * Missing or contradicting: TSR_ERR_MODEL names file, key and element. Another model, a `pre` of another
 * name, add_space_prefix, or no merges: TSR_ERR_UNSUPPORTED. add_bos_token is for who renders no template:
 * encoding adds no BOS. tokenizer.chat_template isn't read, as no folder's is: tsr_chat.h writes what the
 * published one gives. */
tsr_status tsr_tokenizer_open_gguf(tsr_tokenizer **out, const tsr_gguf *g, tsr_error *err);

void tsr_tokenizer_close(tsr_tokenizer *t); /* NULL is fine */

typedef enum tsr_encode_mode {
    TSR_ENCODE_PLAIN,  /* control tokens typed in the text are text */
    TSR_ENCODE_CONTROL /* they are control: only for text that the caller wrote itself */
} tsr_encode_mode;

/* Append the ids of `text` (any bytes: ill-formed UTF-8 becomes U+FFFD). No BOS is added. On
 * failure `ids` is as before. */
tsr_status tsr_tokenizer_encode(const tsr_tokenizer *t, const char *text, size_t len, tsr_encode_mode mode,
                                tsr_ids *ids, tsr_error *err);

/* One above the highest id of the file: no fewer embedding rows will do. */
size_t tsr_tokenizer_count(const tsr_tokenizer *t);

/* The id of the entry that is exactly `text`, -1 when there is none. */
int32_t tsr_tokenizer_id_of(const tsr_tokenizer *t, const char *text);

/* The entry as the file writes it (U+2581 for a space, "<0x0A>" for a byte); NULL and *len 0 when
 * the id has no name. Lives as long as the tokenizer; not terminated. */
const char *tsr_tokenizer_piece(const tsr_tokenizer *t, int32_t id, size_t *len);

/* A control token: marked special in the file, or one of the model's own by name. */
bool tsr_tokenizer_is_control(const tsr_tokenizer *t, int32_t id);

/* The byte that the id stands for ("<0xHH>"), -1 for all others. */
int tsr_tokenizer_byte_of(const tsr_tokenizer *t, int32_t id);

/* Append the text of `ids`. Control tokens appear by name when `with_control`, else not at all;
 * ids without a name print nothing. Equals decode() of the `tokenizers` package: a run of byte
 * tokens that isn't well-formed as a whole gives one U+FFFD for each of its bytes. */
tsr_status tsr_tokenizer_decode(const tsr_tokenizer *t, const int32_t *ids, size_t n, bool with_control,
                                tsr_text *out, tsr_error *err);

/* The same for ids that come one by one: what is appended is always whole characters. A run of
 * byte tokens is held back until it ends, since its last byte decides what its first one prints.
 * One thread at a time; `t` must outlive it. */
typedef struct tsr_detok {
    const tsr_tokenizer *t;
    bool with_control;
    tsr_text run; /* bytes held back */
} tsr_detok;

void tsr_detok_init(tsr_detok *d, const tsr_tokenizer *t, bool with_control);
void tsr_detok_deinit(tsr_detok *d);
tsr_status tsr_detok_push(tsr_detok *d, int32_t id, tsr_text *out, tsr_error *err);
tsr_status tsr_detok_finish(tsr_detok *d, tsr_text *out, tsr_error *err); /* what is held back; then ready again */

#ifdef __cplusplus
}
#endif
#endif
