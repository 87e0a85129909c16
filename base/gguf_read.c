/* gguf_read.c: the bytes of one GGUF file become checked tables.
 *
 * Layout, all little-endian: "GGUF", u32 version, u64 tensors, u64 pairs; then each pair (string key,
 * u32 type, value), each tensor's record (string name, u32 dimensions, u64 each, u32 type, u64 offset),
 * and from the next multiple of general.alignment on the data. A string is a u64 length and its bytes;
 * an array is u32 element type, u64 count, elements.
 * Reference: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
#include "gguf_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "ggml_types_internal.h"
#include "tensor_internal.h"
#include "tsr_alloc.h"

enum {
    HEADER_BYTES = 24,
    MIN_PAIR_BYTES = 8 + 4 + 1,            /* an empty key, its type, one byte */
    MIN_TENSOR_BYTES = 8 + 4 + 4 + 8,      /* an empty name of a scalar */
    DEFAULT_ALIGNMENT = 32,
    WHERE_BYTES = 256
};

typedef struct reader {
    const char *path;
    const unsigned char *start, *at, *end;
    char where[WHERE_BYTES]; /* "key general.name": what is being read */
    size_t record;           /* byte where that begins */
    tsr_error *err;
} reader;

typedef struct range {
    size_t begin, end;
    const tsr_gguf_tensor *tensor;
} range;

TSR_PRINTF(2, 3) static tsr_status bad(const reader *r, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %s at byte %zu: %s", r->path, r->where, r->record, why);
}

static size_t left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

static size_t position(const reader *r)
{
    return (size_t)(r->at - r->start);
}

static bool take_u32(reader *r, uint32_t *out)
{
    *out = 0;
    if (left(r) < 4)
        return false;
    for (int i = 0; i < 4; i++)
        *out |= (uint32_t)*r->at++ << 8 * i;
    return true;
}

static bool take_u64(reader *r, uint64_t *out)
{
    *out = 0;
    if (left(r) < 8)
        return false;
    for (int i = 0; i < 8; i++)
        *out |= (uint64_t)*r->at++ << 8 * i;
    return true;
}

static tsr_status cut(const reader *r)
{
    return bad(r, "the file ends inside it, after %zu bytes", (size_t)(r->end - r->start));
}

/* A key or tensor name in memory of its own; `role` and `i` stand in errors until the name is known. */
static tsr_status take_name(reader *r, char **out, const char *role, size_t i, size_t max_len)
{
    uint64_t len;
    *out = NULL;
    r->record = position(r);
    snprintf(r->where, sizeof r->where, "%s %zu", role, i);
    if (!take_u64(r, &len))
        return cut(r);
    if (len > left(r))
        return bad(r, "a name of %llu bytes, %zu are left", (unsigned long long)len, left(r));
    if (len == 0 || len > max_len)
        return bad(r, "a name of %zu bytes, 1 to %zu are allowed", (size_t)len, max_len);
    for (size_t k = 0; k < len; k++)
        if (r->at[k] < 0x20 || r->at[k] > 0x7e)
            return bad(r, "its name holds the byte 0x%02x, which is no printable ASCII", r->at[k]);
    *out = tsr_strndup((const char *)r->at, (size_t)len);
    if (!*out)
        return tsr_fail(r->err, TSR_ERR_NOMEM, "out of memory: %s: %s %zu", r->path, role, i);
    snprintf(r->where, sizeof r->where, "%s %.200s", role, *out);
    r->at += len;
    return TSR_OK;
}

static tsr_status skip_strings(reader *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t len;
        if (!take_u64(r, &len))
            return cut(r);
        if (len > left(r))
            return bad(r, "string %zu has %llu bytes, %zu are left", i, (unsigned long long)len, left(r));
        r->at += len;
    }
    return TSR_OK;
}

static tsr_status skip_elements(reader *r, const tsr_gguf_value *v)
{
    if (v->type == TSR_GGUF_STR)
        return skip_strings(r, v->n);
    for (size_t i = 0; i < v->n && v->type == TSR_GGUF_BOOL; i++)
        if (r->at[i] > 1)
            return bad(r, "a bool of value %u", r->at[i]);
    r->at += v->n * tsri_gguf_type_bytes(v->type);
    return TSR_OK;
}

static tsr_status read_value(reader *r, tsr_gguf_value *v)
{
    uint32_t type;
    uint64_t n = 1;
    *v = (tsr_gguf_value){.at = r->record};
    if (!take_u32(r, &type))
        return cut(r);
    v->is_array = type == TSR_GGUF_ARRAY;
    if (v->is_array && (!take_u32(r, &type) || !take_u64(r, &n)))
        return cut(r);
    if (v->is_array && type == TSR_GGUF_ARRAY)
        return bad(r, "an array of arrays, which no model uses");
    if (type >= TSR_GGUF_N_TYPES)
        return bad(r, "value type %u is unknown", type);
    v->type = (tsr_gguf_type)type;
    size_t least = v->type == TSR_GGUF_STR ? 8 : tsri_gguf_type_bytes(v->type);
    if (n > left(r) / least)
        return v->is_array ? bad(r, "%llu elements, %zu bytes are left", (unsigned long long)n, left(r)) : cut(r);
    if (n > TSRI_GGUF_MAX_META_BYTES / least)
        return bad(r, "%llu elements, the metadata may have %zu bytes", (unsigned long long)n,
                   (size_t)TSRI_GGUF_MAX_META_BYTES);
    v->n = (size_t)n;
    v->data = r->at;
    tsr_status st = skip_elements(r, v);
    v->n_bytes = (size_t)(r->at - v->data);
    if (st == TSR_OK && position(r) > TSRI_GGUF_MAX_META_BYTES)
        return bad(r, "ends at byte %zu, the metadata may have %zu bytes", position(r),
                   (size_t)TSRI_GGUF_MAX_META_BYTES);
    return st;
}

static int by_key(const void *a, const void *b)
{
    const tsri_gguf_pair *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static tsr_status sort_pairs(tsri_gguf_part *p, reader *r)
{
    tsr_status st = tsr_alloc_array(&p->sorted, p->n_pairs, sizeof *p->sorted, r->path, r->err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < p->n_pairs; i++)
        p->sorted[i] = &p->pairs[i];
    qsort(p->sorted, p->n_pairs, sizeof *p->sorted, by_key);
    for (size_t i = 1; i < p->n_pairs; i++) {
        const tsri_gguf_pair *a = p->sorted[i - 1], *b = p->sorted[i];
        if (strcmp(a->key, b->key) != 0)
            continue;
        r->record = a->value.at > b->value.at ? a->value.at : b->value.at;
        snprintf(r->where, sizeof r->where, "key %.200s", b->key);
        return bad(r, "stands in the file twice");
    }
    return TSR_OK;
}

static tsr_status read_pairs(tsri_gguf_part *p, reader *r, size_t n)
{
    tsr_status st = tsr_alloc_array(&p->pairs, n, sizeof *p->pairs, r->path, r->err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        tsri_gguf_pair *kv = &p->pairs[i];
        st = take_name(r, &kv->key, "key", i, TSRI_GGUF_MAX_KEY_LEN);
        p->n_pairs += kv->key != NULL;
        if (st == TSR_OK)
            st = read_value(r, &kv->value);
    }
    return st == TSR_OK ? sort_pairs(p, r) : st;
}

const tsri_gguf_pair *tsri_gguf_part_find(const tsri_gguf_part *p, const char *key)
{
    tsri_gguf_pair want = {.key = (char *)(uintptr_t)key}; /* compared, never written */
    const tsri_gguf_pair *w = &want, **hit = NULL;
    if (p->n_pairs)
        hit = bsearch(&w, p->sorted, p->n_pairs, sizeof *p->sorted, by_key);
    return hit ? *hit : NULL;
}

static tsr_status read_alignment(tsri_gguf_part *p, reader *r)
{
    const tsri_gguf_pair *kv = tsri_gguf_part_find(p, "general.alignment");
    uint64_t n = DEFAULT_ALIGNMENT;
    if (kv) {
        snprintf(r->where, sizeof r->where, "key general.alignment");
        r->record = kv->value.at;
        if (kv->value.is_array || !tsr_gguf_value_u64(&kv->value, 0, &n))
            return bad(r, "is no whole number");
    }
    if (n == 0 || (n & (n - 1)) != 0 || n > UINT32_MAX)
        return bad(r, "%llu is no power of two", (unsigned long long)n);
    p->alignment = (size_t)n;
    return TSR_OK;
}

/* Dimensions in PyTorch's order, as many as the record has. */
static tsr_status read_shape(reader *r, uint32_t *n_dims, size_t shape[TSR_MAX_DIMS])
{
    if (!take_u32(r, n_dims))
        return cut(r);
    if (*n_dims > TSR_MAX_DIMS)
        return bad(r, "%u dimensions, at most %d are possible", *n_dims, TSR_MAX_DIMS);
    for (uint32_t d = 0; d < *n_dims; d++) {
        uint64_t size;
        if (!take_u64(r, &size))
            return cut(r);
        if (size > SIZE_MAX)
            return bad(r, "the shape overflows");
        shape[*n_dims - 1 - d] = (size_t)size;
    }
    return TSR_OK;
}

/* *type is TSR_N_TYPES for one that is not supported, which passes where the file is only looked at. */
static tsr_status read_type(const tsri_gguf_part *p, reader *r, tsr_type *type, const tsr_type_traits **traits)
{
    uint32_t id;
    if (!take_u32(r, &id))
        return cut(r);
    bool is_ours = tsri_ggml_type_find(id, type);
    *traits = is_ours ? tsr_type_info(*type) : p->any_type ? tsri_ggml_type_other(id) : NULL;
    if (*traits)
        return TSR_OK;
    const char *name = tsri_ggml_type_name(id);
    return name ? bad(r, "type %s is not supported", name) : bad(r, "type %u is unknown", id);
}

/* The view's own checks, told of this record. */
typedef struct label {
    char text[TSR_ERROR_TEXT];
} label;

static label label_of(const reader *r)
{
    label l;
    snprintf(l.text, sizeof l.text, "%s: %s at byte %zu", r->path, r->where, r->record);
    return l;
}

/* The offset, still from the begin of the data, waits in *span. */
static tsr_status read_tensor(const tsri_gguf_part *p, reader *r, tsr_gguf_tensor *t, range *span)
{
    uint64_t offset;
    uint32_t n_dims;
    size_t shape[TSR_MAX_DIMS] = {0};
    tsr_type type = TSR_N_TYPES;
    tsr_status st = read_shape(r, &n_dims, shape);
    if (st == TSR_OK)
        st = read_type(p, r, &type, &t->traits);
    if (st == TSR_OK)
        st = tsri_view_measure(&t->view, t->traits, n_dims, shape, label_of(r).text, r->err);
    if (st != TSR_OK)
        return st;
    t->view.type = type;
    if (!take_u64(r, &offset))
        return cut(r);
    if (offset % p->alignment != 0)
        return bad(r, "its offset %llu is no multiple of the alignment %zu", (unsigned long long)offset, p->alignment);
    if (offset > SIZE_MAX || !tsr_add_size(&span->end, (size_t)offset, t->view.n_bytes))
        return bad(r, "its offset %llu overflows", (unsigned long long)offset);
    span->begin = (size_t)offset;
    span->tensor = t;
    return TSR_OK;
}

static tsr_status read_tensors(tsri_gguf_part *p, reader *r, range *spans, size_t n)
{
    tsr_status st = tsr_alloc_array(&p->tensors, n, sizeof *p->tensors, r->path, r->err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        tsr_gguf_tensor *t = &p->tensors[i];
        char *name;
        memset(t, 0, sizeof *t);
        st = take_name(r, &name, "tensor", i, TSRI_GGUF_MAX_NAME_LEN);
        t->name = name;
        t->at = r->record;
        p->n_tensors += name != NULL;
        if (st == TSR_OK)
            st = read_tensor(p, r, t, &spans[i]);
    }
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const range *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->tensor->at < y->tensor->at ? -1 : x->tensor->at > y->tensor->at;
}

/* All writers fill up with zeros; anything else, and bytes that belong to no tensor, tell of a count that is wrong. */
static tsr_status check_padding(const tsri_gguf_part *p, reader *r, size_t used, size_t data, size_t end)
{
    size_t len = (size_t)(r->end - r->start);
    snprintf(r->where, sizeof r->where, "padding");
    for (r->record = used; r->record < data && r->record < len; r->record++)
        if (r->start[r->record] != 0)
            return bad(r, "a byte of value 0x%02x between the last record and the data", r->start[r->record]);
    r->record = data + end;
    if (r->record < len && len - r->record >= p->alignment)
        return bad(r, "%zu bytes follow that belong to no tensor", len - r->record);
    return TSR_OK;
}

/* The data begins at the next multiple of the alignment; a file without tensors may end before. */
static tsr_status place_data(const tsri_gguf_part *p, reader *r, range *spans)
{
    size_t used = position(r), data, end = 0, len = (size_t)(r->end - r->start);
    data = used % p->alignment ? used + (p->alignment - used % p->alignment) : used;
    qsort(spans, p->n_tensors, sizeof *spans, by_begin);
    for (size_t i = 0; i < p->n_tensors; i++) {
        tsr_gguf_tensor *t = &p->tensors[spans[i].tensor - p->tensors];
        r->record = t->at;
        snprintf(r->where, sizeof r->where, "tensor %.200s", t->name);
        if (data > len || spans[i].end > len - data)
            return bad(r, "its data lies at bytes %zu to %zu behind byte %zu, the file has %zu bytes: is it cut off?",
                       spans[i].begin, spans[i].end, data, len);
        if (spans[i].begin < end)
            return bad(r, "its data overlaps that of tensor %.100s", spans[i - 1].tensor->name);
        end = spans[i].end;
        t->offset = data + spans[i].begin;
        const tsr_view v = t->view;
        if (v.type == TSR_N_TYPES)
            continue;
        tsr_status st = tsr_view_make(&t->view, v.type, v.n_dims, v.shape, r->start + t->offset, v.n_bytes,
                                      label_of(r).text, r->err);
        if (st != TSR_OK)
            return st;
    }
    return check_padding(p, r, used, data, end);
}

static tsr_status read_header(tsri_gguf_part *p, reader *r, uint64_t *n_tensors, uint64_t *n_pairs)
{
    size_t len = left(r);
    snprintf(r->where, sizeof r->where, "header");
    if (len < 4 || memcmp(r->at, "GGUF", 4) != 0)
        return bad(r, "the file does not begin with GGUF");
    r->at += 4;
    r->record = 4;
    if (!take_u32(r, &p->version))
        return cut(r);
    if (p->version != 0 && (p->version & 0xffffu) == 0)
        return bad(r, "a big-endian file, which is not supported");
    if (p->version != 2 && p->version != 3)
        return bad(r, "version %u is not supported, 2 and 3 are", p->version);
    if (len < HEADER_BYTES)
        return cut(r);
    r->record = 8;
    take_u64(r, n_tensors);
    take_u64(r, n_pairs);
    if (*n_tensors > left(r) / MIN_TENSOR_BYTES || *n_tensors > TSRI_GGUF_MAX_TENSORS)
        return bad(r, "%llu tensors, %zu bytes are left and %d are possible", (unsigned long long)*n_tensors, left(r),
                   (int)TSRI_GGUF_MAX_TENSORS);
    r->record = 16;
    if (*n_pairs > left(r) / MIN_PAIR_BYTES || *n_pairs > TSRI_GGUF_MAX_KEYS)
        return bad(r, "%llu keys, %zu bytes are left and %d are possible", (unsigned long long)*n_pairs, left(r),
                   (int)TSRI_GGUF_MAX_KEYS);
    return TSR_OK;
}

tsr_status tsri_gguf_read(tsri_gguf_part *p, tsr_bytes file, tsr_error *err)
{
    static const unsigned char none[1];
    reader r = {.path = p->path, .start = file.len ? file.data : none, .err = err};
    uint64_t n_tensors = 0, n_pairs = 0;
    range *spans = NULL;
    r.at = r.start;
    r.end = r.start + file.len;
    tsr_status st = read_header(p, &r, &n_tensors, &n_pairs);
    if (st == TSR_OK)
        st = read_pairs(p, &r, (size_t)n_pairs);
    if (st == TSR_OK)
        st = read_alignment(p, &r);
    if (st == TSR_OK)
        st = tsr_alloc_array(&spans, (size_t)n_tensors, sizeof *spans, p->path, err);
    if (st == TSR_OK)
        st = read_tensors(p, &r, spans, (size_t)n_tensors);
    if (st == TSR_OK)
        st = place_data(p, &r, spans);
    tsr_free(spans);
    return st;
}

void tsri_gguf_part_deinit(tsri_gguf_part *p)
{
    for (size_t i = 0; i < p->n_pairs; i++)
        tsr_free(p->pairs[i].key);
    for (size_t i = 0; i < p->n_tensors; i++)
        tsr_free((void *)(uintptr_t)p->tensors[i].name);
    tsr_free(p->pairs);
    tsr_free(p->sorted);
    tsr_free(p->tensors);
    tsr_free(p->path);
    tsr_file_unmap(&p->map);
    memset(p, 0, sizeof *p);
}
