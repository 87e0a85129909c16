/* tsr_weights.h: the tensors of a model, memory-mapped: opened from a folder of safetensors (one file
 * or sharded), or gathered from any other container by who knows its names.
 *
 * Parts take what they need through one table (tsr_weights_take) and so claim it; when all parts
 * are built, tsr_weights_check_unclaimed names what nobody knew. A tsr_weights is written by one
 * thread while a model opens and read by any number afterwards. */
#ifndef TSR_WEIGHTS_H
#define TSR_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_weights tsr_weights;

/* Open PATH: a folder (model.safetensors, else model.safetensors.index.json with its shards) or one
 * .safetensors file. Offsets, shapes and types are checked against the bytes there are; TSR_ERR_MODEL
 * names file, tensor and reason. On failure *out is NULL. */
tsr_status tsr_weights_open(tsr_weights **out, const char *path, tsr_error *err);
void tsr_weights_close(tsr_weights *w); /* NULL is fine; every view dies with it */

/* ---- a table filled from elsewhere ----
 *
 * Names are always those of Hugging Face's checkpoints, whatever the file calls its tensors. */

/* An empty table; `path` is named in messages. On failure *out is NULL. */
tsr_status tsr_weights_new(tsr_weights **out, const char *path, tsr_error *err);

/* One more tensor; the bytes of the view outlive w. TSR_ERR_MODEL when there is one of that name. */
tsr_status tsr_weights_add(tsr_weights *w, const char *name, const tsr_view *view, tsr_error *err);
/* The same for a view into `memory` from tsr_alloc, which is taken over, also on failure. */
tsr_status tsr_weights_add_owned(tsr_weights *w, const char *name, const tsr_view *view, void *memory,
                                 tsr_error *err);

/* Close `thing` when w closes, after all views are gone; what was kept last goes first. On failure
 * (TSR_ERR_NOMEM) it is closed at once. */
tsr_status tsr_weights_keep(tsr_weights *w, void *thing, void (*close)(void *), tsr_error *err);

/* What a file calls the tensor `name` of ours, into buf (terminated; cut short where cap is too
 * small). False when it is none of the file's kind. */
typedef bool (*tsr_weights_alias)(const char *name, char *buf, size_t cap);

/* From now on messages about tensors that `alias` knows give its name and `file`, which is copied. */
tsr_status tsr_weights_set_alias(tsr_weights *w, const char *file, tsr_weights_alias alias, tsr_error *err);

/* ---- asking ---- */

const char *tsr_weights_path(const tsr_weights *w); /* what was opened, for messages */

size_t tsr_weights_count(const tsr_weights *w);
const char *tsr_weights_name(const tsr_weights *w, size_t i); /* sorted by name */
const tsr_view *tsr_weights_view(const tsr_weights *w, size_t i);

/* NULL when there is no such tensor. Does not claim it. */
const tsr_view *tsr_weights_find(const tsr_weights *w, const char *name);

/* True when at least one tensor's name begins with prefix. */
bool tsr_weights_has_prefix(const tsr_weights *w, const char *prefix);

/* One tensor that a part wants. Exactly one of view and f32 is set. */
typedef struct tsr_weight_spec {
    const char *name; /* appended to the prefix given to tsr_weights_take */
    tsr_view *view;   /* receives the view; n_dims 0 and data NULL when optional and absent */
    float **f32;      /* or: receives the decoded values, tsr_alloc'ed, the caller's; NULL if absent */
    unsigned n_dims;  /* shape[i] == 0 accepts any size > 0; n_dims 0 is a scalar, and also takes [1] */
    size_t shape[TSR_MAX_DIMS];
    bool optional;
} tsr_weight_spec;

/* Look up, check and claim every row of the table; types are those that tsr_type_info
 * calls float, block types among them. The first missing,
 * mis-shaped or mis-typed tensor is a TSR_ERR_MODEL that names it with wanted and found. What was
 * decoded before a failure stays with the caller (its deinit frees it). */
tsr_status tsr_weights_take(tsr_weights *w, const char *prefix, const tsr_weight_spec *specs, size_t n_specs,
                            tsr_error *err);

/* Claim tensors that may be there but aren't used: every name that begins with prefix and ends
 * with suffix ("" matches all). Returns how many. */
size_t tsr_weights_ignore(tsr_weights *w, const char *prefix, const char *suffix);

/* TSR_ERR_MODEL naming the first unclaimed tensor and how many there are. */
tsr_status tsr_weights_check_unclaimed(const tsr_weights *w, tsr_error *err);

/* Bytes mapped in all files that tsr_weights_open opened; who keeps other files counts those. */
size_t tsr_weights_mapped_bytes(const tsr_weights *w);

/* tsr_file_let_go for all of these bytes: for when what had to be decoded is. */
void tsr_weights_let_go(const tsr_weights *w);

#ifdef __cplusplus
}
#endif
#endif
