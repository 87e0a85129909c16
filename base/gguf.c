/* gguf.c: a GGUF file, or all parts of a split one, as one table of metadata and tensors.
 *
 * The parts of a split file are NAME-00001-of-0000N.gguf to NAME-0000N-of-0000N.gguf; each holds
 * split.no (from 0), split.count and split.tensors.count (of all parts). The first has the metadata. */
#include "gguf_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "tsr_alloc.h"

enum { SUFFIX_BYTES = 20 }; /* "-00001-of-00002.gguf" */

typedef struct split {
    uint64_t no, count, n_tensors;
} split;

static tsr_status bad_split(const tsri_gguf_part *p, const char *key, const char *why, tsr_error *err)
{
    const tsri_gguf_pair *kv = tsri_gguf_part_find(p, key);
    if (!kv)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is missing", p->path, key);
    return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: %s", p->path, key, kv->value.at, why);
}

static bool split_number(const tsri_gguf_part *p, const char *key, uint64_t *out)
{
    const tsri_gguf_pair *kv = tsri_gguf_part_find(p, key);
    return kv && !kv->value.is_array && tsr_gguf_value_u64(&kv->value, 0, out);
}

/* count 1 without any split key: a file that is whole. */
static tsr_status read_split(const tsri_gguf_part *p, split *s, tsr_error *err)
{
    *s = (split){.count = 1, .n_tensors = p->n_tensors};
    if (!tsri_gguf_part_find(p, "split.count"))
        return TSR_OK;
    if (!split_number(p, "split.count", &s->count))
        return bad_split(p, "split.count", "is no whole number", err);
    if (s->count <= 1) { /* 0 and 1 are both written for a file in one piece */
        s->count = 1;
        return TSR_OK;
    }
    if (s->count > TSRI_GGUF_MAX_PARTS)
        return bad_split(p, "split.count", "more than 1024 parts", err);
    if (!split_number(p, "split.no", &s->no))
        return bad_split(p, "split.no", "is no whole number", err);
    if (s->no >= s->count)
        return bad_split(p, "split.no", "not below split.count", err);
    if (!split_number(p, "split.tensors.count", &s->n_tensors))
        return bad_split(p, "split.tensors.count", "is no whole number", err);
    if (s->n_tensors < p->n_tensors || s->n_tensors > TSRI_GGUF_MAX_TENSORS)
        return bad_split(p, "split.tensors.count", "does not fit the tensors in this part", err);
    return TSR_OK;
}

static bool all_digits(const char *s, size_t n, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *out = 10 * *out + (uint64_t)(s[i] - '0');
    }
    return true;
}

bool tsr_gguf_split_name(const char *path, uint64_t *no, uint64_t *count)
{
    size_t len = strlen(path);
    const char *s = path + (len > SUFFIX_BYTES ? len - SUFFIX_BYTES : 0);
    return len > SUFFIX_BYTES && s[0] == '-' && all_digits(s + 1, 5, no) && memcmp(s + 6, "-of-", 4) == 0 &&
           all_digits(s + 10, 5, count) && strcmp(s + 15, ".gguf") == 0;
}

char *tsr_gguf_split_path(const char *path, uint64_t no)
{
    size_t len = strlen(path);
    char *p = tsr_strdup(path), digits[8];
    if (!p)
        return NULL;
    snprintf(digits, sizeof digits, "%05u", (unsigned)(no % 100000));
    memcpy(p + len - SUFFIX_BYTES + 1, digits, 5);
    return p;
}

/* The first file's name and keys must tell the same story. */
static tsr_status check_first(const tsri_gguf_part *p, const split *s, tsr_error *err)
{
    uint64_t no = 0, count = 0;
    bool named = tsr_gguf_split_name(p->path, &no, &count);
    if (s->count == 1 && named && count > 1)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: named as one of %llu parts, but key split.count does not say so",
                        p->path, (unsigned long long)count);
    if (s->count == 1)
        return TSR_OK;
    if (!named)
        return bad_split(p, "split.count", "the file is one of several, but not named NAME-00001-of-0000N.gguf", err);
    if (count != s->count)
        return bad_split(p, "split.count", "differs from the number of parts in the file's name", err);
    if (s->no != 0 || no != 1)
        return bad_split(p, "split.no", s->no + 1 == no ? "this is not the first part: open NAME-00001-of-0000N.gguf"
                                                         : "differs from the number in the file's name", err);
    return TSR_OK;
}

static tsr_status check_other(const tsr_gguf *g, const tsri_gguf_part *p, size_t i, const split *first, tsr_error *err)
{
    split s;
    const tsri_gguf_pair *a = tsri_gguf_part_find(&g->parts[0], "general.architecture");
    const tsri_gguf_pair *b = tsri_gguf_part_find(p, "general.architecture");
    tsr_status st = read_split(p, &s, err);
    if (st != TSR_OK)
        return st;
    if (s.count != first->count)
        return bad_split(p, "split.count", "differs from that of the first part", err);
    if (s.no != i)
        return bad_split(p, "split.no", "differs from the number in the file's name", err);
    if (s.n_tensors != first->n_tensors)
        return bad_split(p, "split.tensors.count", "differs from that of the first part", err);
    if (a && b && (a->value.n_bytes != b->value.n_bytes || memcmp(a->value.data, b->value.data, a->value.n_bytes) != 0))
        return bad_split(p, "general.architecture", "differs from that of the first part", err);
    return TSR_OK;
}

/* path becomes the part's, also on failure; NULL: out of memory. */
static tsr_status open_part(tsr_gguf *g, char *path, tsr_error *err)
{
    tsri_gguf_part *p = &g->parts[g->n_parts++];
    *p = (tsri_gguf_part){.path = path, .any_type = g->any_type};
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a part of a GGUF file");
    tsr_status st = tsr_file_map(&p->map, path, err);
    if (st == TSR_OK)
        st = tsri_gguf_read(p, p->map.bytes, err);
    for (size_t i = 0; i < p->n_tensors && st == TSR_OK; i++)
        p->tensors[i].view.in_file = true;
    return st;
}

static tsr_status open_others(tsr_gguf *g, const split *first, tsr_error *err)
{
    size_t count = (size_t)first->count;
    tsri_gguf_part *grown = tsr_realloc(g->parts, count * sizeof *grown);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: %zu parts", g->parts[0].path, count);
    g->parts = grown;
    tsr_status st = TSR_OK;
    size_t n_tensors = g->parts[0].n_tensors;
    for (size_t i = 1; i < count && st == TSR_OK; i++) {
        st = open_part(g, tsr_gguf_split_path(g->parts[0].path, i + 1), err);
        if (st == TSR_OK)
            st = check_other(g, &g->parts[i], i, first, err);
        if (st == TSR_OK && g->parts[i].n_tensors > first->n_tensors - n_tensors) /* before more memory is taken */
            st = bad_split(&g->parts[i], "split.tensors.count", "is less than the parts up to this one hold", err);
        n_tensors += g->parts[i].n_tensors;
    }
    return st;
}

static int by_name(const void *a, const void *b)
{
    const tsr_gguf_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static tsr_status check_names(const tsr_gguf *g, tsr_error *err)
{
    for (size_t i = 1; i < g->n_tensors; i++) {
        const tsr_gguf_tensor *a = g->sorted[i - 1], *b = g->sorted[i];
        if (strcmp(a->name, b->name) != 0)
            continue;
        const tsr_gguf_tensor *later = a > b ? a : b; /* of one array, in the file's order */
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s at byte %zu: stands %s twice", g->parts[later->part].path,
                        later->name, later->at, g->n_parts == 1 ? "in the file" : "in the parts");
    }
    return TSR_OK;
}

/* All parts' tensors in one table. */
static tsr_status join(tsr_gguf *g, const split *first, tsr_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_parts; i++)
        n += g->parts[i].n_tensors;
    if (n != first->n_tensors)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key split.tensors.count says %llu, the parts hold %zu tensors",
                        g->parts[0].path, (unsigned long long)first->n_tensors, n);
    tsr_status st = tsr_alloc_array(&g->tensors, n, sizeof *g->tensors, g->parts[0].path, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&g->sorted, n, sizeof *g->sorted, g->parts[0].path, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < g->n_parts; i++)
        for (size_t k = 0; k < g->parts[i].n_tensors; k++) {
            g->tensors[g->n_tensors] = g->parts[i].tensors[k];
            g->tensors[g->n_tensors].part = i;
            g->sorted[g->n_tensors] = &g->tensors[g->n_tensors];
            g->n_tensors++;
        }
    qsort(g->sorted, n, sizeof *g->sorted, by_name);
    return check_names(g, err);
}

static tsr_gguf *new_gguf(bool any_type)
{
    tsr_gguf *g = tsr_calloc(1, sizeof *g);
    if (g)
        g->any_type = any_type;
    if (g && !(g->parts = tsr_calloc(1, sizeof *g->parts))) {
        tsr_free(g);
        g = NULL;
    }
    return g;
}

static tsr_status finish(tsr_gguf **out, tsr_gguf *g, tsr_status st)
{
    if (st == TSR_OK)
        *out = g;
    else
        tsr_gguf_close(g);
    return st;
}

/* A safetensors file begins with the length of its header, which begins with a brace. */
tsr_status tsr_gguf_sniff(bool *is_gguf, const char *path, tsr_error *err)
{
    tsr_mapping map;
    size_t n = strlen(path);
    *is_gguf = false;
    if (tsr_file_is_dir(path))
        return TSR_OK;
    tsr_status st = tsr_file_map(&map, path, err);
    if (st != TSR_OK)
        return st;
    bool other = map.bytes.len > 8 && map.bytes.data[8] == '{';
    *is_gguf = map.bytes.len >= 4 && memcmp(map.bytes.data, "GGUF", 4) == 0;
    if (!*is_gguf && !other)
        *is_gguf = n > 5 && strcmp(path + n - 5, ".gguf") == 0;
    tsr_file_unmap(&map);
    return TSR_OK;
}

static tsr_status open_path(tsr_gguf **out, const char *path, bool any_type, tsr_error *err)
{
    split first;
    *out = NULL;
    tsr_gguf *g = new_gguf(any_type);
    if (!g)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    tsr_status st = open_part(g, tsr_strdup(path), err);
    if (st == TSR_OK)
        st = read_split(&g->parts[0], &first, err);
    if (st == TSR_OK)
        st = check_first(&g->parts[0], &first, err);
    if (st == TSR_OK && first.count > 1)
        st = open_others(g, &first, err);
    if (st == TSR_OK)
        st = join(g, &first, err);
    return finish(out, g, st);
}

tsr_status tsr_gguf_open(tsr_gguf **out, const char *path, tsr_error *err)
{
    return open_path(out, path, false, err);
}

tsr_status tsr_gguf_look(tsr_gguf **out, const char *path, tsr_error *err)
{
    return open_path(out, path, true, err);
}

static tsr_status open_bytes(tsr_gguf **out, tsr_bytes file, const char *path, bool any_type, tsr_error *err)
{
    split first;
    *out = NULL;
    tsr_gguf *g = new_gguf(any_type);
    if (!g)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    tsri_gguf_part *p = &g->parts[g->n_parts++];
    *p = (tsri_gguf_part){.path = tsr_strdup(path), .any_type = any_type};
    tsr_status st = p->path ? tsri_gguf_read(p, file, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (st == TSR_OK)
        st = read_split(p, &first, err);
    if (st == TSR_OK && first.count > 1)
        st = bad_split(p, "split.count", "the bytes are one part of several", err);
    if (st == TSR_OK)
        st = join(g, &first, err);
    return finish(out, g, st);
}

tsr_status tsri_gguf_open_bytes(tsr_gguf **out, tsr_bytes file, const char *path, tsr_error *err)
{
    return open_bytes(out, file, path, false, err);
}

tsr_status tsri_gguf_look_bytes(tsr_gguf **out, tsr_bytes file, const char *path, tsr_error *err)
{
    return open_bytes(out, file, path, true, err);
}

void tsr_gguf_close(tsr_gguf *g)
{
    if (!g)
        return;
    tsr_free(g->sorted);
    tsr_free(g->tensors);
    for (size_t i = 0; i < g->n_parts; i++)
        tsri_gguf_part_deinit(&g->parts[i]);
    tsr_free(g->parts);
    tsr_free(g);
}

const char *tsr_gguf_path(const tsr_gguf *g)
{
    return g->parts[0].path;
}

uint32_t tsr_gguf_version(const tsr_gguf *g)
{
    return g->parts[0].version;
}

size_t tsr_gguf_alignment(const tsr_gguf *g)
{
    return g->parts[0].alignment;
}

size_t tsr_gguf_n_parts(const tsr_gguf *g)
{
    return g->n_parts;
}

const char *tsr_gguf_part_path(const tsr_gguf *g, size_t part)
{
    return g->parts[part].path;
}

size_t tsr_gguf_part_bytes(const tsr_gguf *g, size_t part)
{
    return g->parts[part].map.bytes.len;
}

void tsr_gguf_let_go(const tsr_gguf *g)
{
    for (size_t i = 0; i < g->n_parts; i++)
        tsr_file_let_go(g->parts[i].map.bytes.data, g->parts[i].map.bytes.len);
}

size_t tsr_gguf_mapped_bytes(const tsr_gguf *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_parts; i++)
        n += tsr_gguf_part_bytes(g, i);
    return n;
}

size_t tsr_gguf_n_keys(const tsr_gguf *g)
{
    return g->parts[0].n_pairs;
}

const char *tsr_gguf_key(const tsr_gguf *g, size_t i)
{
    return g->parts[0].pairs[i].key;
}

const tsr_gguf_value *tsr_gguf_value_at(const tsr_gguf *g, size_t i)
{
    return &g->parts[0].pairs[i].value;
}

const tsr_gguf_value *tsr_gguf_find(const tsr_gguf *g, const char *key)
{
    const tsri_gguf_pair *kv = tsri_gguf_part_find(&g->parts[0], key);
    return kv ? &kv->value : NULL;
}

size_t tsr_gguf_n_tensors(const tsr_gguf *g)
{
    return g->n_tensors;
}

const tsr_gguf_tensor *tsr_gguf_tensor_at(const tsr_gguf *g, size_t i)
{
    return &g->tensors[i];
}

const tsr_gguf_tensor *tsr_gguf_find_tensor(const tsr_gguf *g, const char *name)
{
    tsr_gguf_tensor want = {.name = name};
    const tsr_gguf_tensor *w = &want, **hit = NULL;
    if (g->n_tensors)
        hit = bsearch(&w, g->sorted, g->n_tensors, sizeof *g->sorted, by_name);
    return hit ? *hit : NULL;
}
