/* tsr_decoder.h: the text decoder. Token ids and rows of floats go in, logits come out.
 *
 * A tsr_decoder is the model: read-only after opening, shared by any number of contexts and threads.
 * A tsr_context is one conversation: its key/value cache and all scratch, sized when it opens, so
 * that prefill and the token loop allocate nothing. One thread at a time uses a context, and the
 * pool it was opened with must serve nobody else meanwhile.
 *
 * Activations are f32; weights stay in the file's own type. Results do not depend on the number of
 * threads; how a prompt is cut into chunks changes them only by f32 rounding (which now and then turns
 * one value of a rounded cache into its neighbour). */
#ifndef TSR_DECODER_H
#define TSR_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_pool.h"
#include "tsr_text_config.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the model ---- */

typedef struct tsr_decoder tsr_decoder;

/* Find and check every tensor that `config` calls for (prefix "model.language_model.", or "model." in
 * a text-only checkpoint) and claim it in `w`, which must outlive the decoder; config is copied.
 * K/V tensors in layers that share another layer's are claimed and not used. lm_head.weight, where
 * there is one, is the output; else the embedding table is, unless config->tied is false.
 * TSR_ERR_MODEL names the first missing, mis-shaped or mis-typed tensor. On failure *out is NULL. */
tsr_status tsr_decoder_open(tsr_decoder **out, tsr_weights *w, const tsr_text_config *config, tsr_error *err);
void tsr_decoder_close(tsr_decoder *d); /* NULL is fine; after all its contexts */

const tsr_text_config *tsr_decoder_config(const tsr_decoder *d);

/* ---- a conversation ---- */

typedef struct tsr_context tsr_context;

typedef struct tsr_context_opts {
    size_t ctx_tokens; /* positions that the cache can hold */
    size_t max_chunk;  /* tokens that go through the layers at once; scratch grows with it */
    size_t max_block;  /* longest run of vision soft tokens where those see each other: such a run is
                          never split, so a larger one than max_chunk makes scratch larger */
    tsr_type kv_type;  /* of the cache: F32, F16, BF16 or Q8_0; TSR_KV_CHOSEN: tsr_decoder_kv_type's */
    size_t slack;      /* newest positions that can always be taken back (tsr_context_truncate); 0: 64 */
    bool keep_all;     /* run every layer for every position, also where nobody wants its logits */
} tsr_context_opts;

/* No type: the context chooses. */
#define TSR_KV_CHOSEN TSR_N_TYPES

/* 4096 positions, chunks of 512, blocks of 512, a chosen cache, 64 to take back, keep_all off. */
tsr_context_opts tsr_context_opts_default(void);

/* opts NULL: the default. The cache of full layers is reserved for ctx_tokens but its memory is
 * touched only as it fills; sliding layers hold window - 1 + slack + max(max_chunk, max_block) rows. d and pool
 * must outlive the context. TSR_ERR_USAGE for zero sizes, TSR_ERR_UNSUPPORTED for another kv_type or one
 * that a layer's keys may overflow. On failure *out is NULL. */
tsr_status tsr_context_open(tsr_context **out, const tsr_decoder *d, tsr_pool *pool, const tsr_context_opts *opts,
                            tsr_error *err);
void tsr_context_close(tsr_context *c); /* NULL is fine */

size_t tsr_context_tokens(const tsr_context *c);   /* positions held so far */
size_t tsr_context_capacity(const tsr_context *c); /* ctx_tokens */

/* The cache's type where none is asked for: F32 where all matrices that make keys are F32, so that such a
 * model stays exact, or where keys could be too large for F16 (their norm's weights bound them); else F16. */
tsr_type tsr_decoder_kv_type(const tsr_decoder *d);

/* Bytes that the cache of a context opened with `opts` (NULL: the default) reserves. Statuses as there. */
tsr_status tsr_context_plan_cache(size_t *bytes, const tsr_decoder *d, const tsr_context_opts *opts, tsr_error *err);

tsr_type tsr_context_kv_type(const tsr_context *c); /* the cache's: what was asked for or chosen */

/* Bytes reserved for the cache and for scratch. */
size_t tsr_context_cache_bytes(const tsr_context *c);
size_t tsr_context_scratch_bytes(const tsr_context *c);

/* Forget everything. */
void tsr_context_reset(tsr_context *c);

/* Keep only the first n positions. The newest `slack` can always be taken back, and 0 is always right.
 * TSR_ERR_USAGE when n is more than there are; TSR_ERR_LIMIT when the sliding layers no longer hold the
 * window before n: then reset and feed the prefix again. The context is unchanged on failure. */
tsr_status tsr_context_truncate(tsr_context *c, size_t n, tsr_error *err);

/* ---- input ---- */

typedef enum tsr_token_kind {
    TSR_TOKEN_TEXT = 0,
    TSR_TOKEN_VISION = 1, /* image or video soft token */
    TSR_TOKEN_AUDIO = 2   /* audio soft token */
} tsr_token_kind;

/* Rows that stand in place of embeddings; not scaled. */
typedef struct tsr_soft_span {
    size_t at;         /* first position, counted from the start of this input */
    size_t n;          /* positions */
    const float *rows; /* [n, hidden] f32, finite */
} tsr_soft_span;

typedef struct tsr_input {
    size_t n;             /* positions, at least 1 */
    const int32_t *ids;   /* [n]; not looked at where kinds says soft */
    const uint8_t *kinds; /* [n] of tsr_token_kind; NULL: all text */
    const tsr_soft_span *soft; /* ascending, not overlapping; they cover exactly the non-text positions */
    size_t n_soft;
    const uint8_t *wanted; /* [n], non-zero where logits are wanted; NULL: the last position only */
} tsr_input;

/* Callbacks; each may be NULL. A status other than TSR_OK stops the work and is returned. They run
 * on the caller's thread and must not use the context. */
typedef struct tsr_prefill_sink {
    void *user;
    /* Logits after the soft-cap of input position `at`, in ascending order. logits: [vocab], valid
     * during the call. */
    tsr_status (*on_logits)(void *user, size_t at, const float *logits);
    /* `done` of `total` positions of this input are in the cache. */
    tsr_status (*on_progress)(void *user, size_t done, size_t total);
    /* For checks: the residual stream of input positions at, at + 1, …: rows [n, hidden]. Stage 0 is
     * what enters the first layer, l + 1 what leaves layer l, n_layers + 1 the rows after the final
     * norm (wanted positions only, one call per row). Set, it turns the skipping of unwanted
     * positions off. */
    tsr_status (*on_hidden)(void *user, size_t stage, size_t at, size_t n, const float *rows);
} tsr_prefill_sink;

/* Feed input->n positions after those already held. The prompt goes through in chunks of at most
 * max_chunk; where vision soft tokens see their block, a run of them is never split (runs at the
 * border of two inputs are two blocks). sink may be NULL.
 * Before anything is computed: TSR_ERR_USAGE for an id outside the vocabulary or spans and kinds that
 * disagree, TSR_ERR_LIMIT when the context or max_block is too small, TSR_ERR_DATA for a soft row
 * that is not finite. TSR_ERR_MODEL for values that stop being finite on the way, with the layer and what
 * it was at, or for such logits. After a failure or a stop the
 * context holds the chunks that were completed (tsr_context_tokens). */
tsr_status tsr_context_prefill(tsr_context *c, const tsr_input *input, const tsr_prefill_sink *sink, tsr_error *err);

/* Feed one token. logits: [vocab] f32 after the soft-cap, the caller's; NULL if not wanted.
 * Allocates nothing. Statuses as for prefill. */
tsr_status tsr_context_step(tsr_context *c, int32_t id, float *logits, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
