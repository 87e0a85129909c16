/* tsr_vision.h: fitted pictures become soft tokens for the language model.
 *
 * Two kinds stand behind it, told apart by their tensors: the vision towers (E2B, E4B, 26B, 31B) and the
 * encoder-free embedder (12B). Everything needed to plan a prompt is known without encoding. */
#ifndef TSR_VISION_H
#define TSR_VISION_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_image.h"
#include "tsr_json.h"
#include "tsr_pool.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_vision tsr_vision; /* weights and scratch; one thread at a time */

/* True when the weights hold anything of a vision part. */
bool tsr_vision_present(const tsr_weights *w);

/* Build the vision part. `config` is the vision_config object (NULL: its defaults), borrowed for the
 * call; `w` and `pool` must outlive *out. text_hidden is the width of the language model. All vision
 * tensors are claimed. TSR_ERR_MODEL names a missing or mis-shaped tensor or a configuration value that
 * contradicts them; TSR_ERR_UNSUPPORTED a kind of layer that is not built. On failure *out is NULL. */
tsr_status tsr_vision_open(tsr_vision **out, tsr_weights *w, const tsr_json *config, size_t text_hidden, tsr_pool *pool,
                           tsr_error *err);
void tsr_vision_close(tsr_vision *v); /* NULL is fine */

typedef struct tsr_vision_info {
    bool is_unified;      /* the encoder-free kind */
    size_t patch;         /* pixels of a patch's side, and */
    size_t pool;          /* patches of a soft token's side, as tsr_image_fit takes them */
    size_t max_positions; /* entries of the position table for each axis */
    size_t hidden, n_layers; /* of the tower; the embedding width and 0 for the encoder-free kind */
    size_t text_hidden;   /* floats of a row */
} tsr_vision_info;

tsr_vision_info tsr_vision_describe(const tsr_vision *v);

/* Soft tokens of a fitted picture of this size. TSR_ERR_USAGE when a side is no multiple of
 * patch * pool; TSR_ERR_LIMIT when a position would pass the position table or the picture has more than
 * 262,144 patches. */
tsr_status tsr_vision_tokens_for(const tsr_vision *v, size_t width, size_t height, size_t *n_tokens, tsr_error *err);

/* Encode pictures, each on its own: a batch gives the same bits as its pictures one by one. rows: [cap,
 * text_hidden] f32, the caller's, filled picture after picture, each row-major over its grid of tokens.
 * *n_rows receives the rows written. All sizes are checked before anything is encoded: as tsr_vision_tokens_for,
 * and TSR_ERR_LIMIT when cap is too small (*n_rows then holds the number needed). TSR_ERR_MODEL names the first row
 * that isn't finite and the step where that began. Small pictures of one size that follow each other share the products,
 * up to the patches of a large one. Scratch grows to the largest picture or such group seen and is kept. */
tsr_status tsr_vision_encode(tsr_vision *v, const tsr_image *images, size_t n_images, float *rows, size_t cap,
                             size_t *n_rows, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
