/* gguf_write.c: metadata and tensor records gathered in memory, then one pass over the file.
 *
 * The layout is that of gguf_read.c. Records are kept as the bytes they will be, so that what is written
 * is what was put; only the tensors' offsets are filled in when all are known. */
#include "tsr_gguf_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_internal.h"
#include "ggml_types_internal.h"
#include "gguf_internal.h"
#include "tsr_alloc.h"

enum {
    VERSION = 3,
    DEFAULT_ALIGNMENT = 32,
    MIN_ALIGNMENT = 8,
    MAX_ALIGNMENT = 1 << 20,
    MAX_TENSOR_NAME = 63,
    FIRST_ROOM = 4096
};

static const char ALIGNMENT_KEY[] = "general.alignment";

typedef struct blob {
    unsigned char *at;
    size_t n, room;
} blob;

typedef struct record {
    char *name;
    uint32_t type_id;
    unsigned n_dims;
    size_t shape[TSR_MAX_DIMS];
    size_t n_bytes;
} record;

struct tsr_gguf_writer {
    char *path, *tmp; /* tmp: the file under way; NULL before begin and after finish */
    int fd;
    size_t alignment;
    tsr_error first; /* failure of a put or add */
    blob pairs;
    char **keys; /* [n_keys], room as a blob's */
    size_t n_keys, keys_room;
    record *tensors;
    size_t n_tensors, tensors_room;
    bool begun, synced;
    size_t current, done; /* the tensor being written, and its bytes so far */
    uint64_t total;
};

/* ---- memory ---- */

static tsr_status fail_memory(tsr_error *err, const tsr_gguf_writer *w)
{
    return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the header of %s", w->path);
}

/* Room for one more element of an array that doubles. */
static bool grow(void *array, size_t *room, size_t n, size_t size)
{
    void **at = array;
    size_t more = *room ? *room : 16, bytes;
    if (n < *room)
        return true;
    if (!tsr_mul_size(&more, more, 2) || !tsr_mul_size(&bytes, more, size))
        return false;
    void *p = tsr_realloc(*at, bytes);
    if (!p)
        return false;
    *at = p;
    *room = more;
    return true;
}

/* len bytes more, to be filled; NULL when memory is short. */
static unsigned char *extend(blob *b, size_t len)
{
    size_t need, room = b->room ? b->room : FIRST_ROOM;
    if (!tsr_add_size(&need, b->n, len))
        return NULL;
    while (room < need)
        if (!tsr_mul_size(&room, room, 2))
            return NULL;
    if (room != b->room) {
        unsigned char *p = tsr_realloc(b->at, room);
        if (!p)
            return NULL;
        b->at = p;
        b->room = room;
    }
    b->n = need;
    return b->at + need - len;
}

static bool add_bytes(blob *b, const void *data, size_t len)
{
    unsigned char *p = extend(b, len);
    if (p && len)
        memcpy(p, data, len);
    return p != NULL;
}

/* The low n bytes of u, little-endian. */
static bool add_uint(blob *b, uint64_t u, size_t n)
{
    unsigned char *p = extend(b, n);
    for (size_t i = 0; p && i < n; i++)
        p[i] = (unsigned char)(u >> 8 * i);
    return p != NULL;
}

static bool add_text(blob *b, const char *s, size_t len)
{
    return add_uint(b, len, 8) && add_bytes(b, s, len);
}

/* ---- opening ---- */

tsr_status tsr_gguf_writer_open(tsr_gguf_writer **out, const char *path, size_t alignment, tsr_error *err)
{
    size_t a = alignment ? alignment : DEFAULT_ALIGNMENT;
    *out = NULL;
    if (a < MIN_ALIGNMENT || a > MAX_ALIGNMENT || (a & (a - 1)) != 0)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: an alignment of %zu is no power of two from %d to %d", path, a,
                        (int)MIN_ALIGNMENT, (int)MAX_ALIGNMENT);
    tsr_gguf_writer *w = tsr_calloc(1, sizeof *w);
    if (w) {
        w->fd = -1;
        w->alignment = a;
        w->path = tsr_strdup(path);
    }
    if (!w || !w->path) {
        tsr_free(w);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    }
    if (a != DEFAULT_ALIGNMENT)
        tsr_gguf_put_u32(w, ALIGNMENT_KEY, (uint32_t)a);
    *out = w;
    return TSR_OK;
}

void tsr_gguf_writer_close(tsr_gguf_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->tmp)
        unlink(w->tmp);
    for (size_t i = 0; i < w->n_keys; i++)
        tsr_free(w->keys[i]);
    for (size_t i = 0; i < w->n_tensors; i++)
        tsr_free(w->tensors[i].name);
    tsr_free(w->keys);
    tsr_free(w->tensors);
    tsr_free(w->pairs.at);
    tsr_free(w->tmp);
    tsr_free(w->path);
    tsr_free(w);
}

/* ---- metadata ---- */

static bool may_go_on(tsr_gguf_writer *w, const char *what, const char *name)
{
    if (w->begun)
        tsr_fail(&w->first, TSR_ERR_BUG, "%s: %s %s comes after the header was written", w->path, what, name);
    return w->first.status == TSR_OK;
}

/* Readers take printable ASCII. */
static bool check_name(tsr_gguf_writer *w, const char *what, const char *name, size_t max)
{
    size_t len = strlen(name);
    bool plain = true;
    for (size_t i = 0; i < len; i++)
        plain = plain && name[i] >= 0x20 && name[i] <= 0x7e;
    if (len == 0 || len > max || !plain)
        tsr_fail(&w->first, TSR_ERR_USAGE, "%s: %s %.100s: a name of 1 to %zu printable ASCII characters is needed",
                 w->path, what, plain ? name : "(unprintable)", max);
    return w->first.status == TSR_OK;
}

/* The key and the number of its type. False when something failed, now or before. */
static bool put_key(tsr_gguf_writer *w, const char *key, tsr_gguf_type type)
{
    if (!may_go_on(w, "key", key) || !check_name(w, "key", key, TSRI_GGUF_MAX_KEY_LEN))
        return false;
    char *copy = tsr_strdup(key);
    if (!copy || !grow(&w->keys, &w->keys_room, w->n_keys, sizeof *w->keys)) {
        tsr_free(copy);
        fail_memory(&w->first, w);
        return false;
    }
    w->keys[w->n_keys++] = copy;
    if (!add_text(&w->pairs, key, strlen(key)) || !add_uint(&w->pairs, (uint64_t)type, 4))
        fail_memory(&w->first, w);
    return w->first.status == TSR_OK;
}

static void put_number(tsr_gguf_writer *w, const char *key, tsr_gguf_type type, uint64_t bits)
{
    if (put_key(w, key, type) && !add_uint(&w->pairs, bits, tsri_gguf_type_bytes(type)))
        fail_memory(&w->first, w);
}

void tsr_gguf_put_u8(tsr_gguf_writer *w, const char *key, uint8_t v)
{
    put_number(w, key, TSR_GGUF_U8, v);
}

void tsr_gguf_put_i8(tsr_gguf_writer *w, const char *key, int8_t v)
{
    put_number(w, key, TSR_GGUF_I8, (uint64_t)(int64_t)v);
}

void tsr_gguf_put_u16(tsr_gguf_writer *w, const char *key, uint16_t v)
{
    put_number(w, key, TSR_GGUF_U16, v);
}

void tsr_gguf_put_i16(tsr_gguf_writer *w, const char *key, int16_t v)
{
    put_number(w, key, TSR_GGUF_I16, (uint64_t)(int64_t)v);
}

void tsr_gguf_put_u32(tsr_gguf_writer *w, const char *key, uint32_t v)
{
    put_number(w, key, TSR_GGUF_U32, v);
}

void tsr_gguf_put_i32(tsr_gguf_writer *w, const char *key, int32_t v)
{
    put_number(w, key, TSR_GGUF_I32, (uint64_t)(int64_t)v);
}

void tsr_gguf_put_u64(tsr_gguf_writer *w, const char *key, uint64_t v)
{
    put_number(w, key, TSR_GGUF_U64, v);
}

void tsr_gguf_put_i64(tsr_gguf_writer *w, const char *key, int64_t v)
{
    put_number(w, key, TSR_GGUF_I64, (uint64_t)v);
}

void tsr_gguf_put_f32(tsr_gguf_writer *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_number(w, key, TSR_GGUF_F32, bits);
}

void tsr_gguf_put_f64(tsr_gguf_writer *w, const char *key, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_number(w, key, TSR_GGUF_F64, bits);
}

void tsr_gguf_put_bool(tsr_gguf_writer *w, const char *key, bool v)
{
    put_number(w, key, TSR_GGUF_BOOL, v);
}

void tsr_gguf_put_str(tsr_gguf_writer *w, const char *key, const char *s, size_t len)
{
    if (put_key(w, key, TSR_GGUF_STR) && !add_text(&w->pairs, s, len))
        fail_memory(&w->first, w);
}

static bool put_array_head(tsr_gguf_writer *w, const char *key, tsr_gguf_type type, size_t n)
{
    if (!put_key(w, key, TSR_GGUF_ARRAY))
        return false;
    if (!add_uint(&w->pairs, (uint64_t)type, 4) || !add_uint(&w->pairs, n, 8))
        fail_memory(&w->first, w);
    return w->first.status == TSR_OK;
}

/* Element i of n numbers of `size` bytes each in the machine's order. */
static uint64_t element(const void *data, size_t size, size_t i)
{
    const unsigned char *p = (const unsigned char *)data + i * size;
    uint16_t h;
    uint32_t w;
    uint64_t d;
    switch (size) {
    case 1: return *p;
    case 2: memcpy(&h, p, sizeof h); return h;
    case 4: memcpy(&w, p, sizeof w); return w;
    default: memcpy(&d, p, sizeof d); return d;
    }
}

void tsr_gguf_put_array(tsr_gguf_writer *w, const char *key, tsr_gguf_type type, const void *data, size_t n)
{
    size_t size = tsri_gguf_type_bytes(type);
    if (size == 0)
        tsr_fail(&w->first, TSR_ERR_BUG, "%s: key %s: an array of numbers was meant", w->path, key);
    bool ok = put_array_head(w, key, type, n);
    for (size_t i = 0; i < n && ok; i++)
        if (!add_uint(&w->pairs, element(data, size, i), size))
            ok = fail_memory(&w->first, w) == TSR_OK;
}

void tsr_gguf_put_strs(tsr_gguf_writer *w, const char *key, const tsr_gguf_str *strs, size_t n)
{
    bool ok = put_array_head(w, key, TSR_GGUF_STR, n);
    for (size_t i = 0; i < n && ok; i++)
        if (!add_text(&w->pairs, strs[i].data, strs[i].len))
            ok = fail_memory(&w->first, w) == TSR_OK;
}

void tsr_gguf_put_value(tsr_gguf_writer *w, const char *key, const tsr_gguf_value *v)
{
    bool ok = v->is_array ? put_array_head(w, key, v->type, v->n) : put_key(w, key, v->type);
    if (ok && !add_bytes(&w->pairs, v->data, v->n_bytes))
        fail_memory(&w->first, w);
}

/* ---- tensors ---- */

/* Sizes and blocks as the reader checks them, without data. */
static bool measure(tsr_gguf_writer *w, record *r, const char *name, tsr_type type, const size_t *shape)
{
    char what[TSR_ERROR_TEXT];
    tsr_view v;
    snprintf(what, sizeof what, "%s: tensor %s", w->path, name);
    if (tsr_view_make(&v, type, r->n_dims, shape, NULL, SIZE_MAX, what, &w->first) != TSR_OK)
        return false;
    if (!tsri_ggml_type_id(type, &r->type_id))
        tsr_fail(&w->first, TSR_ERR_UNSUPPORTED, "%s: GGUF has no type %s", what, tsr_type_info(type)->name);
    r->n_bytes = v.n_bytes;
    memcpy(r->shape, v.shape, sizeof r->shape);
    return w->first.status == TSR_OK;
}

void tsr_gguf_add_tensor(tsr_gguf_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape)
{
    record r = {.n_dims = n_dims};
    if (!may_go_on(w, "tensor", name) || !check_name(w, "tensor", name, MAX_TENSOR_NAME) ||
        !measure(w, &r, name, type, shape))
        return;
    r.name = tsr_strdup(name);
    if (!r.name || !grow(&w->tensors, &w->tensors_room, w->n_tensors, sizeof *w->tensors)) {
        tsr_free(r.name);
        fail_memory(&w->first, w);
        return;
    }
    w->tensors[w->n_tensors++] = r;
}

/* ---- the header ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* names: [n], sorted here. */
static tsr_status refuse_twins(const tsr_gguf_writer *w, const char *what, const char **names, size_t n, tsr_error *err)
{
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return tsr_fail(err, TSR_ERR_USAGE, "%s: %s %s was given twice", w->path, what, names[i]);
    return TSR_OK;
}

static tsr_status check_twins(const tsr_gguf_writer *w, tsr_error *err)
{
    size_t n = w->n_keys > w->n_tensors ? w->n_keys : w->n_tensors;
    const char **names;
    tsr_status st = tsr_alloc_array(&names, n, sizeof *names, w->path, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < w->n_keys; i++)
        names[i] = w->keys[i];
    st = refuse_twins(w, "key", names, w->n_keys, err);
    for (size_t i = 0; i < w->n_tensors; i++)
        names[i] = w->tensors[i].name;
    if (st == TSR_OK)
        st = refuse_twins(w, "tensor", names, w->n_tensors, err);
    tsr_free(names);
    return st;
}

static size_t padding(const tsr_gguf_writer *w, uint64_t at)
{
    return (size_t)(-at & (w->alignment - 1));
}

static bool add_record(blob *b, const record *r, uint64_t offset)
{
    bool ok = add_text(b, r->name, strlen(r->name)) && add_uint(b, r->n_dims, 4);
    for (unsigned d = r->n_dims; d-- > 0 && ok;)
        ok = add_uint(b, r->shape[d], 8);
    return ok && add_uint(b, r->type_id, 4) && add_uint(b, offset, 8);
}

/* *data_bytes: of all tensors, each but the last padded, and so is it: readers of other makes ask for that. */
static tsr_status make_header(const tsr_gguf_writer *w, blob *b, uint64_t *data_bytes, tsr_error *err)
{
    uint64_t offset = 0;
    bool ok = add_bytes(b, "GGUF", 4) && add_uint(b, VERSION, 4) && add_uint(b, w->n_tensors, 8) &&
              add_uint(b, w->n_keys, 8) && add_bytes(b, w->pairs.at, w->pairs.n);
    for (size_t i = 0; i < w->n_tensors && ok; i++) {
        const record *r = &w->tensors[i];
        ok = add_record(b, r, offset);
        if (r->n_bytes > INT64_MAX - offset - w->alignment)
            return tsr_fail(err, TSR_ERR_LIMIT, "%s: tensor %s: the file would pass 2^63 bytes", w->path, r->name);
        offset += r->n_bytes;
        offset += padding(w, offset);
    }
    unsigned char *zeros = ok ? extend(b, padding(w, b->n)) : NULL;
    if (!zeros)
        return fail_memory(err, w);
    memset(zeros, 0, (size_t)(b->at + b->n - zeros));
    *data_bytes = offset;
    return TSR_OK;
}

tsr_status tsr_gguf_writer_begin(tsr_gguf_writer *w, tsr_error *err)
{
    blob head = {0};
    uint64_t data_bytes = 0;
    if (w->begun)
        return tsr_fail(err, TSR_ERR_BUG, "%s: the header was written before", w->path);
    if (w->first.status != TSR_OK)
        return tsr_fail(err, w->first.status, "%s", w->first.text);
    tsr_status st = check_twins(w, err);
    if (st == TSR_OK)
        st = make_header(w, &head, &data_bytes, err);
    if (st == TSR_OK)
        st = tsri_file_create_beside(&w->fd, &w->tmp, w->path, err);
    if (st == TSR_OK) {
        w->begun = true;
        w->total = head.n + data_bytes;
        st = tsri_file_reserve(w->fd, (size_t)w->total, w->path, err);
    }
    if (st == TSR_OK)
        st = tsri_file_write(w->fd, head.at, head.n, w->path, err);
    tsr_free(head.at);
    return st;
}

uint64_t tsr_gguf_writer_total_bytes(const tsr_gguf_writer *w)
{
    return w->total;
}

const char *tsr_gguf_writer_temporary(const tsr_gguf_writer *w)
{
    return w->tmp;
}

/* ---- data ---- */

static tsr_status pad(tsr_gguf_writer *w, size_t n, tsr_error *err)
{
    static const unsigned char zeros[512];
    tsr_status st = TSR_OK;
    for (size_t k; n > 0 && st == TSR_OK; n -= k) {
        k = n < sizeof zeros ? n : sizeof zeros;
        st = tsri_file_write(w->fd, zeros, k, w->path, err);
    }
    return st;
}

tsr_status tsr_gguf_writer_data(tsr_gguf_writer *w, const void *data, size_t len, tsr_error *err)
{
    const unsigned char *p = data;
    tsr_status st = TSR_OK;
    if (w->fd < 0 || w->synced)
        return tsr_fail(err, TSR_ERR_BUG, "%s: data outside of begin and finish", w->path);
    while (len > 0 && st == TSR_OK) {
        if (w->current == w->n_tensors)
            return tsr_fail(err, TSR_ERR_BUG, "%s: %zu bytes of data more than its tensors hold", w->path, len);
        size_t left = w->tensors[w->current].n_bytes - w->done, n = len < left ? len : left;
        st = tsri_file_write(w->fd, p, n, w->path, err);
        p += n;
        len -= n;
        w->done += n;
        if (st == TSR_OK && n == left) {
            st = pad(w, padding(w, w->done), err);
            w->current++;
            w->done = 0;
        }
    }
    return st;
}

tsr_status tsr_gguf_writer_sync(tsr_gguf_writer *w, tsr_error *err)
{
    if (w->fd < 0 || w->current < w->n_tensors)
        return tsr_fail(err, TSR_ERR_BUG, "%s: %s", w->path, w->fd < 0 ? "nothing was begun" : "data is missing");
    if (w->synced)
        return TSR_OK;
    tsr_status st = tsri_file_sync(w->fd, w->path, err);
    w->synced = st == TSR_OK;
    return st;
}

tsr_status tsr_gguf_writer_finish(tsr_gguf_writer *w, tsr_error *err)
{
    tsr_status st = tsr_gguf_writer_sync(w, err);
    if (st == TSR_OK)
        st = tsri_file_place(w->tmp, w->path, err);
    if (st != TSR_OK)
        return st;
    close(w->fd); /* synced: nothing is left to fail */
    w->fd = -1;
    tsr_free(w->tmp);
    w->tmp = NULL;
    return TSR_OK;
}
