/* tsr_gguf_towers.h: the vision and sound parts of an mmproj file (GGUF, architecture "clip"): their
 * configuration in the form of config.json, and their tensors under the names and in the layout that
 * tsr_vision_open and tsr_hearing_open take. The same table serves who writes such a file.
 *
 * Projectors: gemma4v and gemma4a (towers), gemma4uv and gemma4ua (encoder-free). docs/formats.md says
 * which keys are read and where this differs from other readers. */
#ifndef TSR_GGUF_TOWERS_H
#define TSR_GGUF_TOWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_gguf.h"
#include "tsr_json.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading ---- */

/* Add "vision_config", "audio_config" and "feature_extractor" to `config`, each where the file has that part;
 * other members stay. Where text_config.hidden_size is set already, the file's projection_dim must equal it.
 * TSR_ERR_UNSUPPORTED names another architecture or projector, or a setting that is not built; TSR_ERR_MODEL a key
 * or tensor that is missing, of another kind or contradicts another. After an error `config` may hold some of it. */
tsr_status tsr_gguf_towers_config(tsr_json *config, const tsr_gguf *g, tsr_error *err);

/* Add every tensor to `w` under its Hugging Face name. `g` must outlive w: most views point into the file. What
 * lies in another order there is copied into memory that w owns: the patch projection and, of the encoder-free
 * kind, its first norm and the position table; in their own type, or F32 where a block type's rows are cut (12B: 70 MB
 * from 16 bits, 141 MB from F32; the others 1 to 4 MB). TSR_ERR_MODEL names, as the file calls it, a tensor that is
 * missing, unknown, of no float type or of a shape that can't be turned. After an error w holds some of them. */
tsr_status tsr_gguf_towers_weights(tsr_weights *w, const tsr_gguf *g, tsr_error *err);

/* TSR_ERR_UNSUPPORTED when a text model's file holds a vision or sound part itself (Ollama's single-file layout),
 * which nothing here reads. */
tsr_status tsr_gguf_towers_refuse_inline(const tsr_gguf *g, tsr_error *err);

/* ---- the table of names ---- */

typedef enum tsr_gguf_tower {
    TSR_GGUF_GEMMA4V = 1,
    TSR_GGUF_GEMMA4UV = 2,
    TSR_GGUF_GEMMA4A = 4,
    TSR_GGUF_GEMMA4UA = 8
} tsr_gguf_tower;

const char *tsr_gguf_tower_name(tsr_gguf_tower tower); /* "gemma4v" */

/* How the file's tensor differs from ours. */
typedef enum tsr_gguf_turn {
    TSR_GGUF_AS_IS,
    TSR_GGUF_TURN_PATCH,     /* [.., patch²·3] here, pixel after pixel; [.., 3, patch, patch] there, channel after
                                channel: of gemma4v with these dimensions, of gemma4uv flat */
    TSR_GGUF_TURN_POSITIONS, /* [n, 2, h] here, [2, n, h] there */
    TSR_GGUF_TURN_SOFTPLUS,  /* raw here, softplus of it there; never undone: what is read has a row of its own */
    TSR_GGUF_TURN_DEPTHWISE, /* [h, 1, k] here, [h, k] there */
    TSR_GGUF_TURN_SCALAR     /* [] here, [1] there */
} tsr_gguf_turn;

/* One tensor, or one of each layer: then the names are patterns as in tsr_gguf_name.h. */
typedef struct tsr_gguf_tower_tensor {
    const char *gguf;
    const char *hf;      /* as published, or ours where what is read is another thing */
    const char *hf_also; /* another name of files by the reference's own modules, or NULL */
    unsigned towers;     /* bits of tsr_gguf_tower: whose it is */
    tsr_gguf_turn turn;
    bool optional;
} tsr_gguf_tower_tensor;

/* All rows, n of them. Behind the row of a linear layer stand its clip limits, the only scalars. */
const tsr_gguf_tower_tensor *tsr_gguf_tower_tensors(size_t *n);

/* The row of a tensor by one of our names (hf, hf_also), or by its name in a file that holds these towers (bits); NULL
 * when there is none. *layer receives the number at '#', 0 without one. */
const tsr_gguf_tower_tensor *tsr_gguf_tower_find_hf(const char *name, size_t *layer);
const tsr_gguf_tower_tensor *tsr_gguf_tower_find_gguf(unsigned towers, const char *name, size_t *layer);

/* The tensor as the file holds it (to_file) and as the towers take it (from_file), by the row's turn. *out points into
 * `in`'s bytes and *memory is NULL, or into *memory, the caller's (tsr_free). Plain types keep theirs; softplus
 * and a block type whose rows are cut give F32. `name` stands in errors, which are TSR_ERR_MODEL (a shape that
 * can't be turned) and TSR_ERR_NOMEM; then *memory is NULL. */
tsr_status tsr_gguf_tower_to_file(tsr_view *out, void **memory, const tsr_gguf_tower_tensor *row, const tsr_view *in,
                                  const char *name, tsr_error *err);
tsr_status tsr_gguf_tower_from_file(tsr_view *out, void **memory, const tsr_gguf_tower_tensor *row, const tsr_view *in,
                                    const char *name, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
