/* part_list.c: see the header. */
#include "part_list.h"

#include <string.h>

#include "part_source.h"
#include "tsr_alloc.h"

void tsri_parts_deinit(tsri_parts *l)
{
    for (size_t i = 0; i < l->n_owned; i++)
        tsr_free(l->owned[i]);
    tsr_free(l->owned);
    tsr_free(l->at);
    *l = (tsri_parts){0};
}

tsr_status tsri_parts_keep(tsri_parts *l, void *block, tsr_error *err)
{
    if (block && l->n_owned == l->owned_room) {
        size_t room = l->owned_room ? 2 * l->owned_room : 8;
        void **grown = tsr_realloc(l->owned, room * sizeof *grown);
        if (!grown) {
            tsr_free(block);
            block = NULL;
        } else {
            l->owned = grown;
            l->owned_room = room;
        }
    }
    if (!block)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a request");
    l->owned[l->n_owned++] = block;
    return TSR_OK;
}

tsr_status tsri_parts_add(tsri_parts *l, tessera_part part, tsr_error *err)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 8;
        tessera_part *grown = tsr_realloc(l->at, room * sizeof *grown);
        if (!grown)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu parts", room);
        l->at = grown;
        l->room = room;
    }
    l->at[l->n++] = part;
    return TSR_OK;
}

tsr_status tsri_parts_add_text(tsri_parts *l, tessera_part_kind kind, const char *text, tsr_error *err)
{
    return tsri_parts_add(l, (tessera_part){.kind = kind, .text = text}, err);
}

tsr_status tsri_parts_copy(tsri_parts *l, const tessera_part *part, tsr_error *err)
{
    tessera_part copy = *part;
    tsr_status st = TSR_OK;
    if (part->text) {
        copy.text_len = part->text_len ? part->text_len : strlen(part->text);
        char *text = tsr_strndup(part->text, copy.text_len);
        copy.text = text;
        st = tsri_parts_keep(l, text, err);
    }
    if (st == TSR_OK && part->path) {
        char *path = tsr_strdup(part->path);
        copy.path = path;
        st = tsri_parts_keep(l, path, err);
    }
    if (st == TSR_OK && part->data) {
        char *data = tsr_strndup(part->data, part->len);
        copy.data = data;
        st = tsri_parts_keep(l, data, err);
    }
    return st == TSR_OK ? tsri_parts_add(l, copy, err) : st;
}

tsr_status tsri_parts_add_file(tsri_parts *l, tessera_part_kind kind, const char *text, const char *dir, const char *name,
                               tsr_error *err)
{
    char *path;
    unsigned char *data;
    size_t len;
    tsr_status st = tsri_part_source(text, dir ? dir : "", &path, &data, &len, err);
    if (st == TSR_OK)
        st = tsri_parts_keep(l, path ? (void *)path : data, err);
    if (st == TSR_OK && path && !dir)
        st = tsr_fail(err, TSR_ERR_PERM, "%.100s: files are not read from here: give a data: URL", text);
    if (st == TSR_OK)
        st = tsri_parts_add(l, (tessera_part){.kind = kind, .path = path ? path : name, .data = data, .len = len}, err);
    return st;
}

tsr_status tsri_plain_string(const char **out, const tsr_json *v, const char *what, tsr_error *err)
{
    size_t len;
    *out = tsr_json_string(v, &len);
    if (!*out)
        return tsr_fail(err, TSR_ERR_USAGE, "\"%s\" must be a string", what);
    if (strlen(*out) != len)
        return tsr_fail(err, TSR_ERR_USAGE, "\"%s\" holds a NUL character", what);
    return TSR_OK;
}
