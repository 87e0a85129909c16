/* gguf_towers.c: the tensors of an mmproj file into the one table of weights, turned where the file has them in
 * another order. */
#include "gguf_towers_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_gguf_name.h"

enum { NAME_BYTES = 256, LABEL_BYTES = 1024 };

typedef struct adding {
    tsr_weights *w;
    const tsr_gguf *g;
    unsigned towers;
    size_t n_layers[2];   /* of gemma4v and gemma4a */
    bool has_limits[2];   /* of the same: at least one clip limit */
} adding;

static size_t index_of(unsigned towers)
{
    return towers & TSRI_GGUF_SOUND_TOWERS ? 1 : 0;
}

/* For messages about `name` of ours, as tsr_weights_set_alias wants it. */
static bool name_in_file(const char *name, char *buf, size_t cap)
{
    size_t layer;
    const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_hf(name, &layer);
    if (row)
        tsr_gguf_name_print(buf, cap, row->gguf, layer);
    return row != NULL;
}

static tsr_status refuse(const adding *a, const tsr_gguf_tensor *t, const char *reason, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s %s", tsr_gguf_path(a->g), t->name, reason);
}

/* The norm before the projector has no weight in the reference; older writers put ones there. */
static bool is_soft_norm(const adding *a, const char *name)
{
    return ((a->towers & TSRI_GGUF_VISION_TOWERS) && strcmp(name, "mm.soft_emb_norm.weight") == 0) ||
           ((a->towers & TSRI_GGUF_SOUND_TOWERS) && strcmp(name, "mm.a.soft_emb_norm.weight") == 0);
}

static tsr_status check_ones(const adding *a, const tsr_gguf_tensor *t, tsr_error *err)
{
    float x[64];
    size_t cols = tsr_view_cols(&t->view);
    for (size_t r = 0; r < tsr_view_rows(&t->view); r++)
        for (size_t at = 0; at < cols; at += 64) {
            size_t n = cols - at < 64 ? cols - at : 64;
            tsr_view_decode(&t->view, r, at, n, x);
            for (size_t i = 0; i < n; i++)
                if (x[i] != 1.0f)
                    return tsr_fail(err, TSR_ERR_UNSUPPORTED,
                                    "%s: tensor %s: a weight of %g, this norm has none but ones", tsr_gguf_path(a->g),
                                    t->name, (double)x[i]);
        }
    return TSR_OK;
}

static tsr_status check_row(const adding *a, const tsr_gguf_tensor *t, const tsr_gguf_tower_tensor *row, size_t layer,
                            tsr_error *err)
{
    if (!row && !is_soft_norm(a, t->name))
        return refuse(a, t, "is unknown", err);
    if (row && strchr(row->gguf, '#') && layer >= a->n_layers[index_of(row->towers)])
        return refuse(a, t, "is of a layer beyond block_count", err);
    if (!tsr_type_info(t->view.type)->is_float)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: type %s, expected a float type", tsr_gguf_path(a->g),
                        t->name, tsr_type_info(t->view.type)->name);
    return row ? TSR_OK : check_ones(a, t, err);
}

static tsr_status add_one(adding *a, const tsr_gguf_tensor *t, tsr_error *err)
{
    char name[NAME_BYTES], label[LABEL_BYTES];
    size_t layer = 0;
    tsr_view view;
    void *memory = NULL;
    const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_gguf(a->towers, t->name, &layer);
    tsr_status st = check_row(a, t, row, layer, err);
    if (st != TSR_OK || !row)
        return st;
    if (row->turn == TSR_GGUF_TURN_SCALAR)
        a->has_limits[index_of(row->towers)] = true;
    tsr_gguf_name_print(name, sizeof name, row->hf, layer);
    snprintf(label, sizeof label, "%s: tensor %s", tsr_gguf_path(a->g), t->name);
    st = tsr_gguf_tower_from_file(&view, &memory, row, &t->view, label, err);
    if (st != TSR_OK)
        return st;
    return memory ? tsr_weights_add_owned(a->w, name, &view, memory, err) : tsr_weights_add(a->w, name, &view, err);
}

/* A limit that the file leaves out doesn't limit: what the reference's layers start with. */
static tsr_status add_open_limit(adding *a, const tsr_gguf_tower_tensor *row, size_t layer, tsr_error *err)
{
    static const float open[2] = {-INFINITY, INFINITY};
    char name[NAME_BYTES];
    tsr_view view;
    tsr_gguf_name_print(name, sizeof name, row->hf, layer);
    if (tsr_weights_find(a->w, name))
        return TSR_OK;
    bool is_max = strcmp(name + strlen(name) - 4, "_max") == 0;
    tsr_status st = tsr_view_make(&view, TSR_F32, 0, NULL, &open[is_max], sizeof *open, name, err);
    return st == TSR_OK ? tsr_weights_add(a->w, name, &view, err) : st;
}

/* Where one limit of a tower is there, all its linear layers get theirs. */
static tsr_status add_open_limits(adding *a, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; st == TSR_OK && i < tsr_gguf_n_tensors(a->g); i++) {
        size_t layer, n;
        const char *name = tsr_gguf_tensor_at(a->g, i)->name;
        const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_gguf(a->towers, name, &layer);
        const tsr_gguf_tower_tensor *end = tsr_gguf_tower_tensors(&n) + n;
        if (!row || row->turn == TSR_GGUF_TURN_SCALAR || !a->has_limits[index_of(row->towers)])
            continue;
        for (row++; st == TSR_OK && row < end && row->turn == TSR_GGUF_TURN_SCALAR; row++)
            st = add_open_limit(a, row, layer, err);
    }
    return st;
}

tsr_status tsr_gguf_towers_weights(tsr_weights *w, const tsr_gguf *g, tsr_error *err)
{
    adding a = {.w = w, .g = g};
    tsr_status st = tsri_gguf_towers_in(&a.towers, g, err);
    if (st == TSR_OK && (a.towers & TSR_GGUF_GEMMA4V))
        st = tsri_gguf_towers_n_layers(g, TSR_GGUF_GEMMA4V, &a.n_layers[0], err);
    if (st == TSR_OK && (a.towers & TSR_GGUF_GEMMA4A))
        st = tsri_gguf_towers_n_layers(g, TSR_GGUF_GEMMA4A, &a.n_layers[1], err);
    if (st == TSR_OK)
        st = tsr_weights_set_alias(w, tsr_gguf_path(g), name_in_file, err);
    for (size_t i = 0; st == TSR_OK && i < tsr_gguf_n_tensors(g); i++)
        st = add_one(&a, tsr_gguf_tensor_at(g, i), err);
    return st == TSR_OK ? add_open_limits(&a, err) : st;
}
