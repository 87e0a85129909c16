/* weights.c: all tensors of a model in one table, and who claimed which. */
#include "tsr_weights.h"

#include <stdio.h>
#include <string.h>

#include "name_order_internal.h"
#include "safetensors_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

enum { MAX_SHARDS = 1024, MAX_INDEX_BYTES = 64 << 20, NAME_BYTES = 512 };

typedef struct entry {
    char *name;
    tsr_view view;
    bool claimed;
    size_t shard;
} entry;

typedef struct kept {
    void *thing;
    void (*close)(void *);
    struct kept *before;
} kept;

typedef struct alias {
    tsr_weights_alias of;
    char *file;
    struct alias *before;
} alias;

struct tsr_weights {
    char *path;
    tsr_mapping *shards;
    size_t n_shards;
    entry *entries; /* as they came */
    size_t n_entries, cap_entries;
    tsri_name_order order; /* of entries, by name */
    kept *kept;     /* the last first */
    alias *aliases; /* likewise */
};

/* A tensor as messages name it: by the file it is from, or would be, in that file's words. */
typedef struct place {
    const char *file;
    char name[NAME_BYTES];
} place;

static place place_of(const tsr_weights *w, const char *name)
{
    place p = {.file = w->path};
    for (const alias *a = w->aliases; a; a = a->before)
        if (a->of(name, p.name, sizeof p.name)) {
            p.file = a->file;
            return p;
        }
    snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

static tsr_status grow(tsr_weights *w, tsr_error *err)
{
    size_t cap = w->cap_entries ? 2 * w->cap_entries : 256;
    entry *grown = tsr_realloc(w->entries, cap * sizeof *grown);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: %zu tensors", w->path, cap);
    w->entries = grown;
    w->cap_entries = cap;
    return TSR_OK;
}

/* *is_new is false, and nothing has changed, where there is one of that name. */
static tsr_status insert(tsr_weights *w, entry e, bool *is_new, tsr_error *err)
{
    *is_new = true;
    tsr_status st = w->n_entries == w->cap_entries ? grow(w, err) : TSR_OK;
    if (st != TSR_OK)
        return st;
    e.name = tsr_strdup(e.name);
    if (!e.name)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", w->path);
    st = tsri_name_order_add(&w->order, e.name, w->n_entries, is_new, err);
    if (st == TSR_OK && *is_new)
        w->entries[w->n_entries++] = e;
    else
        tsr_free(e.name);
    return st;
}

static tsr_status add_tensor(void *user, const char *name, const tsr_view *view, tsr_error *err)
{
    tsr_weights *w = user;
    bool is_new;
    entry e = {.name = (char *)name, .view = *view, .shard = w->n_shards - 1};
    e.view.in_file = true;
    tsr_status st = insert(w, e, &is_new, err);
    if (st == TSR_OK && !is_new)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s stands in more than one shard", w->path, name);
    return st;
}

static tsr_status open_shard(tsr_weights *w, const char *path, tsr_error *err)
{
    tsr_mapping *grown = tsr_realloc(w->shards, (w->n_shards + 1) * sizeof *grown);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    w->shards = grown;
    tsr_status st = tsr_file_map(&w->shards[w->n_shards], path, err);
    if (st != TSR_OK)
        return st;
    w->n_shards++;
    return tsri_safetensors_read(w->shards[w->n_shards - 1].bytes, path, add_tensor, w, err);
}

/* The shard's place in `names`, added when new. Names may not leave the folder. */
static tsr_status shard_index(size_t *out, const char **names, size_t *n, const char *name, const char *index,
                              tsr_error *err)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return TSR_OK;
        }
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: shard name '%s' is not a plain file name", index, name);
    if (*n == MAX_SHARDS)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: more than %d shards", index, MAX_SHARDS);
    *out = *n;
    names[(*n)++] = name;
    return TSR_OK;
}

/* The file name that weight_map gives for a tensor; NULL when it is no string, or cut short by a NUL. */
static const char *file_name(const tsr_json *v)
{
    size_t len;
    const char *s = tsr_json_string(v, &len);
    return s && strlen(s) == len ? s : NULL;
}

/* weight_map and the shards must tell the same story in both directions. */
static tsr_status check_map(const tsr_weights *w, const tsr_json *map, const char **names, size_t n, const char *index,
                            tsr_error *err)
{
    size_t shard = 0;
    if (tsr_json_len(map) != w->n_entries)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: weight_map names %zu tensors, the shards hold %zu", index,
                        tsr_json_len(map), w->n_entries);
    for (size_t i = 0; i < w->n_entries; i++) {
        const char *file = file_name(tsr_json_get(map, w->entries[i].name));
        if (!file)
            return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is in a shard but not in weight_map", index,
                            w->entries[i].name);
        tsr_status st = shard_index(&shard, names, &n, file, index, err);
        if (st != TSR_OK)
            return st;
        if (shard != w->entries[i].shard)
            return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is not in the shard %s that weight_map names", index,
                            w->entries[i].name, file);
    }
    return TSR_OK;
}

static tsr_status open_sharded(tsr_weights *w, const char *dir, const char *index, tsr_error *err)
{
    tsr_json *doc = NULL;
    const char **names = NULL;
    size_t n = 0, at;
    tsr_status st = tsr_json_parse_file(&doc, index, MAX_INDEX_BYTES, err);
    if (st != TSR_OK)
        return st;
    const tsr_json *map = tsr_json_get(doc, "weight_map");
    if (!tsr_json_is_object(map))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: weight_map is missing or no object", index);
    if (st == TSR_OK)
        st = tsr_alloc_array(&names, MAX_SHARDS, sizeof *names, "shard names", err);
    for (void *it = tsr_json_first(map); it && st == TSR_OK; it = tsr_json_next(map, it)) {
        const char *file = file_name(tsr_json_value(it));
        if (!file)
            st = tsr_fail(err, TSR_ERR_MODEL, "%s: weight_map of %s is no file name", index, tsr_json_key(it));
        else
            st = shard_index(&at, names, &n, file, index, err);
    }
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        char *path = tsr_path_join(dir, names[i]);
        st = path ? open_shard(w, path, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", index);
        tsr_free(path);
    }
    if (st == TSR_OK)
        st = check_map(w, map, names, n, index, err);
    tsr_free(names);
    tsr_json_free(doc);
    return st;
}

static tsr_status open_folder(tsr_weights *w, const char *dir, tsr_error *err)
{
    char *single = tsr_path_join(dir, "model.safetensors");
    char *index = tsr_path_join(dir, "model.safetensors.index.json");
    tsr_status st;
    if (!single || !index)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
    else if (tsr_file_exists(single)) /* where both are there, transformers takes this one */
        st = open_shard(w, single, err);
    else if (tsr_file_exists(index))
        st = open_sharded(w, dir, index, err);
    else
        st = tsr_fail(err, TSR_ERR_NOINPUT, "%s: holds neither model.safetensors nor model.safetensors.index.json", dir);
    tsr_free(single);
    tsr_free(index);
    return st;
}

tsr_status tsr_weights_new(tsr_weights **out, const char *path, tsr_error *err)
{
    *out = NULL;
    tsr_weights *w = tsr_calloc(1, sizeof *w);
    if (w)
        w->path = tsr_strdup(path);
    if (!w || !w->path) {
        tsr_free(w);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    }
    *out = w;
    return TSR_OK;
}

tsr_status tsr_weights_open(tsr_weights **out, const char *path, tsr_error *err)
{
    tsr_weights *w;
    *out = NULL;
    tsr_status st = tsr_weights_new(&w, path, err);
    if (st != TSR_OK)
        return st;
    if (tsr_file_is_dir(path))
        st = open_folder(w, path, err);
    else
        st = open_shard(w, path, err);
    if (st != TSR_OK) {
        tsr_weights_close(w);
        return st;
    }
    *out = w;
    return TSR_OK;
}

void tsr_weights_close(tsr_weights *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_entries; i++)
        tsr_free(w->entries[i].name);
    for (size_t i = 0; i < w->n_shards; i++)
        tsr_file_unmap(&w->shards[i]);
    while (w->kept) {
        kept *k = w->kept;
        w->kept = k->before;
        k->close(k->thing);
        tsr_free(k);
    }
    while (w->aliases) {
        alias *a = w->aliases;
        w->aliases = a->before;
        tsr_free(a->file);
        tsr_free(a);
    }
    tsr_free(w->entries);
    tsri_name_order_deinit(&w->order);
    tsr_free(w->shards);
    tsr_free(w->path);
    tsr_free(w);
}

tsr_status tsr_weights_keep(tsr_weights *w, void *thing, void (*close)(void *), tsr_error *err)
{
    kept *k = tsr_alloc(sizeof *k);
    if (!k) {
        close(thing);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", w->path);
    }
    *k = (kept){thing, close, w->kept};
    w->kept = k;
    return TSR_OK;
}

tsr_status tsr_weights_set_alias(tsr_weights *w, const char *file, tsr_weights_alias of, tsr_error *err)
{
    alias *a = tsr_alloc(sizeof *a);
    char *copy = tsr_strdup(file);
    if (!a || !copy) {
        tsr_free(a);
        tsr_free(copy);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", file);
    }
    *a = (alias){of, copy, w->aliases};
    w->aliases = a;
    return TSR_OK;
}

const char *tsr_weights_path(const tsr_weights *w)
{
    return w->path;
}

size_t tsr_weights_count(const tsr_weights *w)
{
    return w->n_entries;
}

const char *tsr_weights_name(const tsr_weights *w, size_t i)
{
    return tsri_name_order_nth(&w->order, i)->name;
}

const tsr_view *tsr_weights_view(const tsr_weights *w, size_t i)
{
    return &w->entries[tsri_name_order_nth(&w->order, i)->number].view;
}

/* Step over the next entry in the order of names whose name begins with prefix; NULL when there is none. */
static entry *next_entry(const tsr_weights *w, tsri_name_place *p, const char *prefix)
{
    const tsri_named *e = tsri_name_order_next(&w->order, p);
    return e && strncmp(e->name, prefix, strlen(prefix)) == 0 ? &w->entries[e->number] : NULL;
}

static entry *find(const tsr_weights *w, const char *name)
{
    tsri_name_place p = tsri_name_order_find(&w->order, name);
    entry *e = next_entry(w, &p, name);
    return e && strcmp(e->name, name) == 0 ? e : NULL;
}

const tsr_view *tsr_weights_find(const tsr_weights *w, const char *name)
{
    const entry *e = find(w, name);
    return e ? &e->view : NULL;
}

tsr_status tsr_weights_add(tsr_weights *w, const char *name, const tsr_view *view, tsr_error *err)
{
    bool is_new;
    tsr_status st = insert(w, (entry){.name = (char *)name, .view = *view}, &is_new, err);
    if (st != TSR_OK || is_new)
        return st;
    place p = place_of(w, name);
    return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is there twice", p.file, p.name);
}

tsr_status tsr_weights_add_owned(tsr_weights *w, const char *name, const tsr_view *view, void *memory, tsr_error *err)
{
    tsr_status st = tsr_weights_keep(w, memory, tsr_free, err);
    return st == TSR_OK ? tsr_weights_add(w, name, view, err) : st;
}

bool tsr_weights_has_prefix(const tsr_weights *w, const char *prefix)
{
    tsri_name_place p = tsri_name_order_find(&w->order, prefix);
    return next_entry(w, &p, prefix) != NULL;
}

static void shape_text(char *buf, size_t cap, unsigned n_dims, const size_t *shape)
{
    size_t n = (size_t)snprintf(buf, cap, "[");
    for (unsigned d = 0; d < n_dims && n < cap; d++) {
        if (shape[d])
            n += (size_t)snprintf(buf + n, cap - n, "%s%zu", d ? ", " : "", shape[d]);
        else
            n += (size_t)snprintf(buf + n, cap - n, "%sany", d ? ", " : "");
    }
    if (n < cap)
        snprintf(buf + n, cap - n, "]");
}

static tsr_status check_spec(const tsr_weights *w, const char *name, const tsr_weight_spec *s, const tsr_view *v,
                             tsr_error *err)
{
    bool ok = s->n_dims == v->n_dims || (s->n_dims == 0 && v->n_dims == 1 && v->shape[0] == 1);
    for (unsigned d = 0; ok && d < s->n_dims; d++)
        ok = s->shape[d] == 0 || s->shape[d] == v->shape[d];
    if (ok && tsr_type_info(v->type)->is_float)
        return TSR_OK;
    place p = place_of(w, name);
    if (!ok) {
        char want[96], have[96];
        shape_text(want, sizeof want, s->n_dims, s->shape);
        shape_text(have, sizeof have, v->n_dims, v->shape);
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: shape %s, expected %s", p.file, p.name, have, want);
    }
    return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: type %s, expected F32, F16, BF16 or a block type", p.file,
                    p.name, tsr_type_info(v->type)->name);
}

static tsr_status take_one(tsr_weights *w, const char *prefix, const tsr_weight_spec *s, tsr_error *err)
{
    char name[NAME_BYTES];
    int n = snprintf(name, sizeof name, "%s%s", prefix, s->name);
    if (n < 0 || (size_t)n >= sizeof name)
        return tsr_fail(err, TSR_ERR_BUG, "tensor name too long: %s%s", prefix, s->name);
    if (s->view)
        memset(s->view, 0, sizeof *s->view);
    if (s->f32)
        *s->f32 = NULL;
    entry *e = find(w, name);
    if (!e && s->optional)
        return TSR_OK;
    if (!e) {
        place p = place_of(w, name);
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is missing", p.file, p.name);
    }
    tsr_status st = check_spec(w, name, s, &e->view, err);
    if (st != TSR_OK)
        return st;
    e->claimed = true;
    if (s->view)
        *s->view = e->view;
    if (s->f32) {
        st = tsr_alloc_array(s->f32, e->view.n_elems, sizeof **s->f32, name, err);
        size_t cols = tsr_view_cols(&e->view);
        for (size_t r = 0; st == TSR_OK && r < tsr_view_rows(&e->view); r++)
            tsr_view_decode(&e->view, r, 0, cols, *s->f32 + r * cols);
    }
    return st;
}

tsr_status tsr_weights_take(tsr_weights *w, const char *prefix, const tsr_weight_spec *specs, size_t n_specs,
                            tsr_error *err)
{
    for (size_t i = 0; i < n_specs; i++) {
        tsr_status st = take_one(w, prefix, &specs[i], err);
        if (st != TSR_OK) {
            for (size_t rest = i + 1; rest < n_specs; rest++) /* so that a deinit may free them all */
                if (specs[rest].f32)
                    *specs[rest].f32 = NULL;
            return st;
        }
    }
    return TSR_OK;
}

size_t tsr_weights_ignore(tsr_weights *w, const char *prefix, const char *suffix)
{
    size_t n = 0, tail = strlen(suffix), head = strlen(prefix);
    tsri_name_place p = tsri_name_order_find(&w->order, prefix);
    for (entry *e; (e = next_entry(w, &p, prefix));) {
        size_t len = strlen(e->name);
        if (len >= head + tail && strcmp(e->name + len - tail, suffix) == 0) {
            e->claimed = true;
            n++;
        }
    }
    return n;
}

tsr_status tsr_weights_check_unclaimed(const tsr_weights *w, tsr_error *err)
{
    const char *first = NULL;
    size_t n = 0;
    tsri_name_place p = {0, 0};
    for (const entry *e; (e = next_entry(w, &p, ""));)
        if (!e->claimed && n++ == 0)
            first = e->name;
    if (n == 0)
        return TSR_OK;
    place at = place_of(w, first);
    return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is unknown (%zu unknown in all)", at.file, at.name, n);
}

void tsr_weights_let_go(const tsr_weights *w)
{
    for (size_t i = 0; i < w->n_shards; i++)
        tsr_file_let_go(w->shards[i].bytes.data, w->shards[i].bytes.len);
}

size_t tsr_weights_mapped_bytes(const tsr_weights *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_shards; i++)
        n += w->shards[i].bytes.len;
    return n;
}
