/* gguf_towers_turn.c: tensors that lie in another order in mmproj files, both ways.
 *
 * Patches: we cut pictures pixel after pixel (y, x, channel), the file's columns follow a convolution's kernel
 * (channel, y, x). Nothing is rounded: plain types are moved as they are, block types become F32 first. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "layer_internal.h"
#include "tsr_alloc.h"
#include "tsr_gguf_towers.h"

enum { CHANNELS = 3 };

typedef struct turning {
    const tsr_gguf_tower_tensor *row;
    const tsr_view *in;
    const char *name;
    bool to_file;
} turning;

static tsr_status bad_shape(const turning *t, const char *wanted, tsr_error *err)
{
    char have[96] = "";
    size_t n = 0;
    for (unsigned d = 0; d < t->in->n_dims && n < sizeof have; d++)
        n += (size_t)snprintf(have + n, sizeof have - n, "%s%zu", d ? ", " : "", t->in->shape[d]);
    return tsr_fail(err, TSR_ERR_MODEL, "%s: shape [%s], expected %s", t->name, have, wanted);
}

/* A view of n_bytes of new memory with the shape given. */
static tsr_status make(tsr_view *out, void **memory, tsr_type type, unsigned n_dims, const size_t *shape,
                       size_t n_bytes, const turning *t, tsr_error *err)
{
    tsr_status st = tsr_alloc_array(memory, n_bytes, 1, t->name, err);
    if (st == TSR_OK)
        st = tsr_view_make(out, type, n_dims, shape, *memory, n_bytes, t->name, err);
    if (st != TSR_OK) {
        tsr_free(*memory);
        *memory = NULL;
    }
    return st;
}

static tsr_status same_bytes(tsr_view *out, unsigned n_dims, const size_t *shape, const turning *t, tsr_error *err)
{
    return tsr_view_make(out, t->in->type, n_dims, shape, t->in->data, t->in->n_bytes, t->name, err);
}

/* ---- patches ---- */

/* Pixels of a patch's side; 0 when `cols` isn't the values of a square patch. */
static size_t side_of(size_t cols)
{
    size_t pixels = cols / CHANNELS, side = (size_t)sqrt((double)pixels);
    return cols % CHANNELS == 0 && side > 0 && side * side == pixels ? side : 0;
}

/* Move one row of `pixels` · CHANNELS elements of `size` bytes. */
static void turn_row(unsigned char *dst, const unsigned char *src, size_t pixels, size_t size, bool to_file)
{
    for (size_t c = 0; c < CHANNELS; c++)
        for (size_t p = 0; p < pixels; p++) {
            size_t ours = (p * CHANNELS + c) * size, theirs = (c * pixels + p) * size;
            memcpy(dst + (to_file ? theirs : ours), src + (to_file ? ours : theirs), size);
        }
}

/* The rows and columns of a patch tensor: [rows, cols], [cols], or as a convolution's kernel [rows, 3, side, side]. */
static bool patch_shape(const tsr_view *v, size_t *rows, size_t *cols)
{
    *rows = v->n_dims == 1 ? 1 : v->shape[0];
    *cols = v->n_dims == 0 ? 0 : v->n_elems / *rows;
    if (v->n_dims == 4)
        return v->shape[1] == CHANNELS && v->shape[2] == v->shape[3];
    return (v->n_dims == 1 || v->n_dims == 2) && side_of(*cols) > 0;
}

/* Row r of the tensor as a matrix of `cols` columns, into dst. */
static const unsigned char *decode_row(const tsr_view *v, size_t r, size_t cols, float *dst)
{
    size_t len = tsr_view_cols(v), n = cols / len; /* rows of the view in one of ours */
    for (size_t i = 0; i < n; i++)
        tsr_view_decode(v, r * n + i, 0, len, dst + i * len);
    return (const unsigned char *)dst;
}

static tsr_status turn_patch(tsr_view *out, void **memory, const turning *t, tsr_error *err)
{
    size_t rows, cols, n_bytes;
    if (!patch_shape(t->in, &rows, &cols))
        return bad_shape(t, "a square patch of 3 channels", err);
    size_t side = side_of(cols), shape[4] = {rows, cols, 1, 1};
    unsigned n_dims = t->in->n_dims == 1 ? 1 : 2;
    bool is_block = tsr_type_is_block(t->in->type);
    tsr_type type = is_block ? TSR_F32 : t->in->type;
    if (n_dims == 1)
        shape[0] = cols;
    if (t->to_file && t->row->towers == TSR_GGUF_GEMMA4V) {
        n_dims = 4;
        shape[1] = CHANNELS;
        shape[2] = shape[3] = side;
    }
    size_t size = tsr_type_info(type)->block_bytes;
    float *decoded = NULL; /* one row */
    if (!tsr_mul_size(&n_bytes, t->in->n_elems, size))
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: too large", t->name);
    tsr_status st = is_block ? tsr_alloc_array(&decoded, cols, sizeof *decoded, t->name, err) : TSR_OK;
    if (st == TSR_OK)
        st = make(out, memory, type, n_dims, shape, n_bytes, t, err);
    for (size_t r = 0; st == TSR_OK && r < rows; r++) {
        const unsigned char *src = (const unsigned char *)t->in->data + r * cols * size;
        if (is_block)
            src = decode_row(t->in, r, cols, decoded);
        turn_row((unsigned char *)*memory + r * cols * size, src, side * side, size, t->to_file);
    }
    tsr_free(decoded);
    return st;
}

/* ---- the others ---- */

/* [n, 2, h] and [2, n, h]; rows of h move as whole rows, blocks or not. */
static tsr_status turn_positions(tsr_view *out, void **memory, const turning *t, tsr_error *err)
{
    const tsr_view *v = t->in;
    if (v->n_dims != 3 || v->shape[t->to_file ? 1 : 0] != 2)
        return bad_shape(t, t->to_file ? "[any, 2, any]" : "[2, any, any]", err);
    size_t shape[3] = {v->shape[1], v->shape[0], v->shape[2]}, bytes = tsr_view_row_bytes(v);
    tsr_status st = make(out, memory, v->type, 3, shape, v->n_bytes, t, err);
    for (size_t i = 0; st == TSR_OK && i < shape[0]; i++)
        for (size_t j = 0; j < shape[1]; j++)
            memcpy((unsigned char *)*memory + (i * shape[1] + j) * bytes,
                   (const unsigned char *)v->data + (j * shape[0] + i) * bytes, bytes);
    return st;
}

static tsr_status turn_softplus(tsr_view *out, void **memory, const turning *t, tsr_error *err)
{
    if (t->in->n_dims != 1)
        return bad_shape(t, "[any]", err);
    size_t n = t->in->n_elems;
    if (!t->to_file)
        return same_bytes(out, 1, t->in->shape, t, err);
    if (!tsr_type_info(t->in->type)->is_float)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: type %s, expected a float type", t->name,
                        tsr_type_info(t->in->type)->name);
    tsr_status st = make(out, memory, TSR_F32, 1, t->in->shape, n * sizeof(float), t, err);
    if (st == TSR_OK) {
        float *x = *memory;
        tsr_view_decode(t->in, 0, 0, n, x);
        for (size_t i = 0; i < n; i++)
            x[i] = tsri_enc_softplus(x[i]);
    }
    return st;
}

static tsr_status turn_depthwise(tsr_view *out, const turning *t, tsr_error *err)
{
    const tsr_view *v = t->in;
    bool has_middle = v->n_dims == 3 && v->shape[1] == 1;
    if (!has_middle && (v->n_dims != 2 || t->to_file))
        return bad_shape(t, t->to_file ? "[any, 1, any]" : "[any, any]", err);
    size_t rows = v->shape[0], kernel = v->shape[v->n_dims - 1];
    size_t ours[3] = {rows, 1, kernel}, theirs[2] = {rows, kernel};
    return t->to_file ? same_bytes(out, 2, theirs, t, err) : same_bytes(out, 3, ours, t, err);
}

static tsr_status turn_scalar(tsr_view *out, const turning *t, tsr_error *err)
{
    if (t->in->n_elems != 1)
        return bad_shape(t, "one value", err);
    size_t one = 1;
    return same_bytes(out, t->to_file ? 1 : 0, &one, t, err);
}

static tsr_status turn(tsr_view *out, void **memory, const turning *t, tsr_error *err)
{
    *out = (tsr_view){0};
    *memory = NULL;
    switch (t->row->turn) {
    case TSR_GGUF_TURN_PATCH: return turn_patch(out, memory, t, err);
    case TSR_GGUF_TURN_POSITIONS: return turn_positions(out, memory, t, err);
    case TSR_GGUF_TURN_SOFTPLUS: return turn_softplus(out, memory, t, err);
    case TSR_GGUF_TURN_DEPTHWISE: return turn_depthwise(out, t, err);
    case TSR_GGUF_TURN_SCALAR: return turn_scalar(out, t, err);
    case TSR_GGUF_AS_IS: break;
    }
    *out = *t->in;
    return TSR_OK;
}

tsr_status tsr_gguf_tower_to_file(tsr_view *out, void **memory, const tsr_gguf_tower_tensor *row, const tsr_view *in,
                                  const char *name, tsr_error *err)
{
    turning t = {row, in, name, true};
    return turn(out, memory, &t, err);
}

tsr_status tsr_gguf_tower_from_file(tsr_view *out, void **memory, const tsr_gguf_tower_tensor *row, const tsr_view *in,
                                    const char *name, tsr_error *err)
{
    turning t = {row, in, name, false};
    return turn(out, memory, &t, err);
}
