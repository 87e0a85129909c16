/* weight_file.c: both containers as one table. The readers of base/ check everything; what is read again here (the
 * header of a safetensors file, for order and places) has passed them. */
#include "weight_file.h"

#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

enum { LEN_BYTES = 8, MAX_INDEX_BYTES = 64 << 20 };

static tsr_status no_memory(const tsri_weight_file *f, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", f->path);
}

/* path becomes the table's. */
static tsr_status add_part(tsri_weight_file *f, char *path, uint64_t n_bytes, tsr_json *header, tsr_error *err)
{
    tsri_weight_part *grown = path ? tsr_realloc(f->parts, (f->n_parts + 1) * sizeof *grown) : NULL;
    if (!grown) {
        tsr_free(path);
        tsr_json_free(header);
        return no_memory(f, err);
    }
    f->parts = grown;
    f->parts[f->n_parts++] = (tsri_weight_part){path, n_bytes, header};
    return TSR_OK;
}

/* ---- GGUF ---- */

static tsr_status list_gguf(tsri_weight_file *f, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < tsr_gguf_n_parts(f->gguf) && st == TSR_OK; i++)
        st = add_part(f, tsr_strdup(tsr_gguf_part_path(f->gguf, i)), tsr_gguf_part_bytes(f->gguf, i), NULL, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&f->rows, tsr_gguf_n_tensors(f->gguf), sizeof *f->rows, f->path, err);
    for (size_t i = 0; st == TSR_OK && i < tsr_gguf_n_tensors(f->gguf); i++) {
        const tsr_gguf_tensor *t = tsr_gguf_tensor_at(f->gguf, i);
        f->rows[f->n_rows++] = (tsri_weight_row){t->name, t->traits, &t->view, t->part, t->offset};
    }
    return st;
}

/* ---- safetensors ---- */

/* The rows of the last part, in the order of its header. */
static tsr_status list_header(tsri_weight_file *f, const tsr_json *header, uint64_t data, tsr_error *err)
{
    for (void *it = tsr_json_first(header); it; it = tsr_json_next(header, it)) {
        const char *name = tsr_json_key(it);
        size_t begin = 0;
        if (strcmp(name, "__metadata__") == 0)
            continue;
        const tsr_view *view = tsr_weights_find(f->weights, name);
        if (!view || f->n_rows == tsr_weights_count(f->weights) ||
            !tsr_json_to_size(tsr_json_at(tsr_json_get(tsr_json_value(it), "data_offsets"), 0), &begin))
            return tsr_fail(err, TSR_ERR_MODEL, "%s: changed while it was read", f->parts[f->n_parts - 1].path);
        f->rows[f->n_rows++] = (tsri_weight_row){name, tsr_type_info(view->type), view, f->n_parts - 1, data + begin};
    }
    return TSR_OK;
}

/* path becomes the table's. */
static tsr_status list_shard(tsri_weight_file *f, char *path, tsr_error *err)
{
    tsr_mapping map = {0};
    tsr_json *header = NULL;
    uint64_t len = 0;
    tsr_status st = path ? tsr_file_map(&map, path, err) : no_memory(f, err);
    for (size_t i = 0; i < LEN_BYTES && i < map.bytes.len; i++)
        len |= (uint64_t)map.bytes.data[i] << 8 * i;
    if (st == TSR_OK && (map.bytes.len < LEN_BYTES || len > map.bytes.len - LEN_BYTES))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: changed while it was read", path);
    if (st == TSR_OK)
        st = tsr_json_parse(&header, map.bytes.data + LEN_BYTES, (size_t)len, path, err);
    if (st != TSR_OK)
        tsr_free(path);
    else
        st = add_part(f, path, map.bytes.len, header, err);
    tsr_file_unmap(&map);
    return st == TSR_OK ? list_header(f, header, LEN_BYTES + len, err) : st;
}

static bool is_listed(const tsri_weight_file *f, const char *path)
{
    for (size_t i = 0; i < f->n_parts; i++)
        if (strcmp(f->parts[i].path, path) == 0)
            return true;
    return false;
}

static tsr_status list_shards(tsri_weight_file *f, const char *index, tsr_error *err)
{
    tsr_json *doc = NULL;
    tsr_status st = tsr_json_parse_file(&doc, index, MAX_INDEX_BYTES, err);
    const tsr_json *map = tsr_json_get(doc, "weight_map");
    for (void *it = tsr_json_first(map); it && st == TSR_OK; it = tsr_json_next(map, it)) {
        const char *name = tsr_json_string(tsr_json_value(it), NULL);
        char *path = name ? tsr_path_join(f->path, name) : NULL;
        if (path && is_listed(f, path))
            tsr_free(path);
        else
            st = list_shard(f, path, err);
    }
    tsr_json_free(doc);
    return st;
}

static tsr_status list_safetensors(tsri_weight_file *f, tsr_error *err)
{
    tsr_status st = tsr_alloc_array(&f->rows, tsr_weights_count(f->weights), sizeof *f->rows, f->path, err);
    if (st != TSR_OK)
        return st;
    if (!tsr_file_is_dir(f->path))
        return list_shard(f, tsr_strdup(f->path), err);
    char *single = tsr_path_join(f->path, "model.safetensors");
    char *index = tsr_path_join(f->path, "model.safetensors.index.json");
    if (!single || !index)
        st = no_memory(f, err);
    else if (tsr_file_exists(single))
        st = list_shard(f, tsr_strdup(single), err);
    else
        st = list_shards(f, index, err);
    tsr_free(single);
    tsr_free(index);
    return st;
}

/* ---- both ---- */

tsr_status tsri_weight_file_open(tsri_weight_file *out, const char *path, tsr_error *err)
{
    bool gguf = false;
    *out = (tsri_weight_file){.path = tsr_strdup(path)};
    tsr_status st = out->path ? tsr_gguf_sniff(&gguf, path, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (st == TSR_OK && gguf) {
        st = tsr_gguf_look(&out->gguf, path, err);
        if (st == TSR_OK)
            st = list_gguf(out, err);
    } else if (st == TSR_OK) {
        st = tsr_weights_open(&out->weights, path, err);
        if (st == TSR_OK)
            st = list_safetensors(out, err);
    }
    if (st != TSR_OK)
        tsri_weight_file_close(out);
    return st;
}

void tsri_weight_file_close(tsri_weight_file *f)
{
    tsr_free(f->rows);
    for (size_t i = 0; i < f->n_parts; i++) {
        tsr_json_free(f->parts[i].header);
        tsr_free(f->parts[i].path);
    }
    tsr_free(f->parts);
    tsr_gguf_close(f->gguf);
    tsr_weights_close(f->weights);
    tsr_free(f->path);
    *f = (tsri_weight_file){0};
}
