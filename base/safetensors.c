/* safetensors.c: 8 bytes little-endian length of a JSON header, the header, then the data.
 * Format: https://huggingface.co/docs/safetensors. Every number is checked before it is used. */
#include "safetensors_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "tsr_alloc.h"
#include "tsr_json.h"

enum { MAX_HEADER_BYTES = 100 << 20, LEN_BYTES = 8 };

typedef struct reader {
    const char *path;
    const unsigned char *data; /* first byte after the header */
    size_t data_len;
    tsr_error *err;
} reader;

typedef struct range {
    size_t begin, end;
    const char *name;
} range;

/* The format knows no block types. */
static bool type_of(tsr_type *out, const char *s)
{
    return tsr_type_from_name(s, out) && !tsr_type_is_block(*out);
}

static tsr_status bad(const reader *r, const char *name, const char *why)
{
    return tsr_fail(r->err, TSR_ERR_MODEL, "%s: tensor %s: %s", r->path, name, why);
}

static tsr_status read_shape(const reader *r, const char *name, const tsr_json *list, unsigned *n_dims,
                             size_t shape[TSR_MAX_DIMS])
{
    if (!tsr_json_is_array(list))
        return bad(r, name, "shape is missing or no list");
    if (tsr_json_len(list) > TSR_MAX_DIMS)
        return bad(r, name, "has more than 4 dimensions");
    *n_dims = (unsigned)tsr_json_len(list);
    for (unsigned d = 0; d < *n_dims; d++)
        if (!tsr_json_to_size(tsr_json_at(list, d), &shape[d]))
            return bad(r, name, "a dimension is no whole number");
    return TSR_OK;
}

static tsr_status read_type(const reader *r, const char *name, const tsr_json *o, tsr_type *type)
{
    size_t len;
    const char *dtype = tsr_json_string(tsr_json_get(o, "dtype"), &len);
    if (!dtype || strlen(dtype) != len)
        return bad(r, name, "dtype is missing or no string");
    if (!type_of(type, dtype))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: tensor %s: type %.32s is not supported", r->path, name, dtype);
    return TSR_OK;
}

static tsr_status read_span(const reader *r, const char *name, const tsr_json *offsets, range *span)
{
    if (tsr_json_len(offsets) != 2 || !tsr_json_to_size(tsr_json_at(offsets, 0), &span->begin) ||
        !tsr_json_to_size(tsr_json_at(offsets, 1), &span->end))
        return bad(r, name, "data_offsets is not a pair of whole numbers");
    if (span->begin > span->end || span->end > r->data_len)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: tensor %s: bytes %zu to %zu lie outside the %zu bytes of data",
                        r->path, name, span->begin, span->end, r->data_len);
    span->name = name;
    return TSR_OK;
}

static tsr_status read_tensor(const reader *r, const char *name, const tsr_json *o, tsr_view *v, range *span)
{
    char what[TSR_ERROR_TEXT];
    tsr_type type = TSR_F32;
    unsigned n_dims = 0;
    size_t shape[TSR_MAX_DIMS] = {0};
    tsr_status st = read_type(r, name, o, &type);
    if (st == TSR_OK)
        st = read_shape(r, name, tsr_json_get(o, "shape"), &n_dims, shape);
    if (st == TSR_OK)
        st = read_span(r, name, tsr_json_get(o, "data_offsets"), span);
    if (st != TSR_OK)
        return st;
    size_t len = span->end - span->begin;
    snprintf(what, sizeof what, "%s: tensor %s", r->path, name);
    st = tsr_view_make(v, type, n_dims, shape, r->data + span->begin, len, what, r->err);
    if (st == TSR_OK && v->n_bytes != len)
        st = tsr_fail(r->err, TSR_ERR_MODEL, "%s: tensor %s: %zu bytes given, its shape and type need %zu", r->path,
                      name, len, v->n_bytes);
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const range *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static tsr_status check_cover(const reader *r, range *spans, size_t n)
{
    size_t at = 0;
    qsort(spans, n, sizeof *spans, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin < at)
            return bad(r, spans[i].name, "its data overlaps another tensor's");
        if (spans[i].begin > at)
            return bad(r, spans[i].name, "there is a hole before its data");
        at = spans[i].end;
    }
    if (at != r->data_len)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %zu bytes follow the last tensor", r->path, r->data_len - at);
    return TSR_OK;
}

static tsr_status read_header(const reader *r, const tsr_json *header, tsri_tensor_fn fn, void *user)
{
    size_t n = 0;
    range *spans;
    tsr_status st = tsr_alloc_array(&spans, tsr_json_len(header) + 1, sizeof *spans, r->path, r->err);
    for (void *it = tsr_json_first(header); it && st == TSR_OK; it = tsr_json_next(header, it)) {
        tsr_view v;
        if (strcmp(tsr_json_key(it), "__metadata__") == 0)
            continue;
        if (!tsr_json_is_object(tsr_json_value(it)))
            st = bad(r, tsr_json_key(it), "is no object");
        else
            st = read_tensor(r, tsr_json_key(it), tsr_json_value(it), &v, &spans[n]);
        if (st == TSR_OK) {
            n++;
            st = fn(user, tsr_json_key(it), &v, r->err);
        }
    }
    if (st == TSR_OK)
        st = check_cover(r, spans, n);
    tsr_free(spans);
    return st;
}

tsr_status tsri_safetensors_read(tsr_bytes file, const char *path, tsri_tensor_fn fn, void *user, tsr_error *err)
{
    uint64_t len = 0;
    char where[1024];
    if (file.len < LEN_BYTES)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %zu bytes, too short for a safetensors file", path, file.len);
    for (int i = 0; i < LEN_BYTES; i++)
        len |= (uint64_t)file.data[i] << 8 * i;
    if (len > MAX_HEADER_BYTES || len > file.len - LEN_BYTES)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: header of %llu bytes at byte 8, the file has %zu bytes", path,
                        (unsigned long long)len, file.len);
    reader r = {.path = path, .err = err};
    r.data = file.data + LEN_BYTES + len;
    r.data_len = file.len - LEN_BYTES - (size_t)len;
    snprintf(where, sizeof where, "%s: header", path);
    tsr_json *header;
    tsr_status st = tsr_json_parse(&header, file.data + LEN_BYTES, (size_t)len, where, err);
    if (st != TSR_OK)
        return st;
    if (!tsr_json_is_object(header))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: the header is no JSON object", path);
    else
        st = read_header(&r, header, fn, user);
    tsr_json_free(header);
    return st;
}
