/* file_check.c: values are decoded as the products decode them, so that a scale that is not finite shows in the
 * values it makes. */
#include "file_check.h"

#include <math.h>

#include "tessera.h"
#include "tsr_alloc.h"
#include "tsr_gguf_text.h"
#include "tsr_gguf_towers.h"
#include "tsr_hearing.h"
#include "tsr_pool.h"
#include "tsr_vision.h"

enum { CHUNK = 8192 }; /* whole blocks of every type */

static void scan_row(tsri_bad_tensor *b, const tsr_view *v, size_t row, float *chunk)
{
    size_t cols = tsr_view_cols(v);
    for (size_t at = 0; at < cols; at += CHUNK) {
        size_t n = cols - at < CHUNK ? cols - at : CHUNK;
        tsr_view_decode(v, row, at, n, chunk);
        for (size_t i = 0; i < n; i++) {
            if (isfinite(chunk[i]))
                continue;
            if (b->n_bad++ == 0) {
                b->at_row = row;
                b->at_elem = at + i;
                b->value = (double)chunk[i];
            }
        }
    }
}

static tsr_status scan(tsri_file_check *c, const tsri_weight_row *row, float *chunk, tsr_error *err)
{
    tsri_bad_tensor b = {.row = row};
    if (!tsri_weight_row_is_supported(row) || !row->type->is_float)
        return TSR_OK;
    for (size_t r = 0; r < tsr_view_rows(row->view); r++)
        scan_row(&b, row->view, r, chunk);
    c->n_bytes += row->view->n_bytes;
    if (b.n_bad == 0)
        return TSR_OK;
    tsri_bad_tensor *grown = tsr_realloc(c->bad, (c->n_bad + 1) * sizeof *grown);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: tensors with bad values");
    c->bad = grown;
    c->bad[c->n_bad++] = b;
    return TSR_OK;
}

/* The width of the text model that a mmproj belongs to, by its own word. */
static tsr_status text_width(const tsr_gguf *g, uint32_t *width, tsr_error *err)
{
    *width = 0;
    tsr_status st = tsr_gguf_get_u32(g, "clip.vision.projection_dim", TSR_GGUF_OPTIONAL, width, err);
    return st == TSR_OK && *width == 0
               ? tsr_gguf_get_u32(g, "clip.audio.projection_dim", TSR_GGUF_REQUIRED, width, err) : st;
}

static tsr_status open_parts(tsr_weights *w, const tsr_json *config, size_t width, tsr_error *err)
{
    tsr_pool *pool = NULL;
    tsr_vision *vision = NULL;
    tsr_hearing *hearing = NULL;
    tsr_status st = tsr_pool_open(&pool, 1, err);
    if (st == TSR_OK && tsr_vision_present(w))
        st = tsr_vision_open(&vision, w, tsr_json_get_set(config, "vision_config"), width, pool, err);
    if (st == TSR_OK && tsr_hearing_present(w))
        st = tsr_hearing_open(&hearing, w, tsr_json_get_set(config, "audio_config"),
                              tsr_json_get_set(config, "feature_extractor"), width, pool, err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(w, err);
    tsr_hearing_close(hearing);
    tsr_vision_close(vision);
    tsr_pool_close(pool);
    return st;
}

/* Opened anew: what was looked at may hold what can't be. */
static tsr_status open_towers(const char *path, tsr_error *err)
{
    uint32_t width;
    tsr_gguf *g = NULL;
    tsr_weights *w = NULL;
    tsr_json *config = tsr_json_new_object();
    tsr_status st = config ? tsr_gguf_open(&g, path, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (st == TSR_OK)
        st = text_width(g, &width, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_config(config, g, err);
    if (st == TSR_OK)
        st = tsr_weights_new(&w, path, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_weights(w, g, err);
    if (st == TSR_OK)
        st = open_parts(w, config, width, err);
    tsr_weights_close(w);
    tsr_gguf_close(g);
    tsr_json_free(config);
    return st;
}

static tsr_status open_model(const char *path, tsr_error *err)
{
    tessera_model *m;
    tessera_error e = {TESSERA_OK, ""};
    tessera_model_opts o = {.threads = 1};
    if (tessera_model_open(&m, path, &o, &e) != TESSERA_OK)
        return tsr_fail(err, (tsr_status)e.status, "%s", e.text);
    tessera_model_close(m);
    return TSR_OK;
}

static tsr_status try_open(tsri_file_check *c, const tsri_weight_file *f, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    bool towers = f->gguf && tsr_gguf_text_kind(f->gguf) == TSR_GGUF_KIND_MMPROJ;
    tsr_status st = towers ? open_towers(f->path, &why) : open_model(f->path, &why);
    if (st == TSR_OK)
        return TSR_OK;
    c->open_error = tsr_strdup(why.text);
    return st == TSR_ERR_NOMEM || !c->open_error ? tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", f->path) : TSR_OK;
}

tsr_status tsri_file_check_run(tsri_file_check *out, const tsri_weight_file *f, tsr_error *err)
{
    float *chunk;
    *out = (tsri_file_check){0};
    tsr_status st = tsr_alloc_array(&chunk, CHUNK, sizeof *chunk, f->path, err);
    for (size_t i = 0; i < f->n_rows && st == TSR_OK; i++)
        st = scan(out, &f->rows[i], chunk, err);
    tsr_free(chunk);
    if (st == TSR_OK)
        st = try_open(out, f, err);
    if (st != TSR_OK)
        tsri_file_check_deinit(out);
    return st;
}

void tsri_file_check_deinit(tsri_file_check *c)
{
    tsr_free(c->bad);
    tsr_free(c->open_error);
    *c = (tsri_file_check){0};
}
