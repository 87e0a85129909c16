/* gguf_writer.c: pairs and tensor records grow in one buffer each, since their counts come first. */
#include "gguf_writer.h"

#include <stdlib.h>
#include <string.h>

#include "test_buffer.h"

enum { HEADER_BYTES = 24 };

typedef struct mark_list {
    gg_mark *at;
    size_t n, cap;
} mark_list;

struct gg_writer {
    uint32_t version;
    size_t alignment;
    size_t n_pairs, n_tensors;
    buffer pairs, infos, data;
    mark_list pair_marks, info_marks, all;
};

static void pad(buffer *b, size_t alignment)
{
    while (b->len % alignment)
        append(b, "", 1);
}

static void append_number(buffer *b, uint64_t v, size_t n_bytes)
{
    unsigned char le[8];
    for (size_t i = 0; i < 8; i++)
        le[i] = (unsigned char)(v >> 8 * i);
    append(b, le, n_bytes);
}

static void mark(mark_list *m, const char *what, size_t at, size_t n_bytes)
{
    if (m->n == m->cap) {
        m->cap = 2 * m->cap + 16;
        m->at = must_realloc(m->at, m->cap * sizeof *m->at);
    }
    m->at[m->n++] = (gg_mark){.what = what, .at = at, .n_bytes = n_bytes};
}

static void marked(buffer *b, mark_list *m, const char *what, uint64_t v, size_t n_bytes)
{
    mark(m, what, b->len, n_bytes);
    append_number(b, v, n_bytes);
}

static void append_string(buffer *b, mark_list *m, const char *what, const char *s)
{
    marked(b, m, what, strlen(s), 8);
    append(b, s, strlen(s));
}

gg_writer *gg_new(void)
{
    gg_writer *w = must_realloc(NULL, sizeof *w);
    memset(w, 0, sizeof *w);
    w->version = 3;
    w->alignment = 32;
    return w;
}

void gg_free(gg_writer *w)
{
    if (!w)
        return;
    free(w->pairs.at);
    free(w->infos.at);
    free(w->data.at);
    free(w->pair_marks.at);
    free(w->info_marks.at);
    free(w->all.at);
    free(w);
}

void gg_set_version(gg_writer *w, uint32_t version)
{
    w->version = version;
}

void gg_set_alignment(gg_writer *w, size_t alignment)
{
    w->alignment = alignment;
}

static void begin_pair(gg_writer *w, const char *key, uint32_t type)
{
    append_string(&w->pairs, &w->pair_marks, "key length", key);
    marked(&w->pairs, &w->pair_marks, "value type", type, 4);
    w->n_pairs++;
}

void gg_scalar(gg_writer *w, const char *key, uint32_t type, const void *data, size_t n_bytes)
{
    begin_pair(w, key, type);
    append(&w->pairs, data, n_bytes);
}

void gg_u32(gg_writer *w, const char *key, uint32_t v)
{
    begin_pair(w, key, TSR_GGUF_U32);
    append_number(&w->pairs, v, 4);
}

void gg_f32(gg_writer *w, const char *key, float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    begin_pair(w, key, TSR_GGUF_F32);
    append_number(&w->pairs, u, 4);
}

void gg_str(gg_writer *w, const char *key, const char *v)
{
    begin_pair(w, key, TSR_GGUF_STR);
    append_string(&w->pairs, &w->pair_marks, "string length", v);
}

static void begin_array(gg_writer *w, const char *key, uint32_t elem_type, uint64_t n)
{
    begin_pair(w, key, TSR_GGUF_ARRAY);
    marked(&w->pairs, &w->pair_marks, "element type", elem_type, 4);
    marked(&w->pairs, &w->pair_marks, "array length", n, 8);
}

void gg_array(gg_writer *w, const char *key, uint32_t elem_type, uint64_t n, const void *data, size_t n_bytes)
{
    begin_array(w, key, elem_type, n);
    append(&w->pairs, data, n_bytes);
}

void gg_strs(gg_writer *w, const char *key, size_t n, const char *const *strings)
{
    begin_array(w, key, TSR_GGUF_STR, n);
    for (size_t i = 0; i < n; i++)
        append_string(&w->pairs, &w->pair_marks, "string length", strings[i]);
}

void gg_split(gg_writer *w, unsigned no, unsigned count, unsigned n_tensors)
{
    begin_pair(w, "split.no", TSR_GGUF_U16);
    append_number(&w->pairs, no, 2);
    begin_pair(w, "split.count", TSR_GGUF_U16);
    append_number(&w->pairs, count, 2);
    begin_pair(w, "split.tensors.count", TSR_GGUF_I32);
    append_number(&w->pairs, n_tensors, 4);
}

void gg_tensor_at(gg_writer *w, const char *name, uint32_t ggml_type, unsigned n_dims, const size_t *shape,
                  uint64_t offset)
{
    buffer *b = &w->infos;
    mark_list *m = &w->info_marks;
    append_string(b, m, "name length", name);
    marked(b, m, "dimensions", n_dims, 4);
    for (unsigned d = n_dims; d-- > 0;)
        marked(b, m, "dimension", shape[d], 8);
    marked(b, m, "tensor type", ggml_type, 4);
    marked(b, m, "offset", offset, 8);
    w->n_tensors++;
}

void gg_data(gg_writer *w, const void *data, size_t n_bytes)
{
    append(&w->data, data, n_bytes);
}

void gg_tensor(gg_writer *w, const char *name, uint32_t ggml_type, unsigned n_dims, const size_t *shape,
               const void *data, size_t n_bytes)
{
    pad(&w->data, w->alignment);
    gg_tensor_at(w, name, ggml_type, n_dims, shape, w->data.len);
    gg_data(w, data, n_bytes);
}

static void move_marks(mark_list *to, const mark_list *from, size_t by)
{
    for (size_t i = 0; i < from->n; i++)
        mark(to, from->at[i].what, from->at[i].at + by, from->at[i].n_bytes);
}

unsigned char *gg_bytes(gg_writer *w, size_t *len, size_t *header_len, const gg_mark **marks, size_t *n_marks)
{
    buffer f = {0};
    w->all.n = 0;
    append(&f, "GGUF", 4);
    append_number(&f, w->version, 4);
    marked(&f, &w->all, "tensor count", w->n_tensors, 8);
    marked(&f, &w->all, "pair count", w->n_pairs, 8);
    append(&f, w->pairs.at, w->pairs.len);
    append(&f, w->infos.at, w->infos.len);
    move_marks(&w->all, &w->pair_marks, HEADER_BYTES);
    move_marks(&w->all, &w->info_marks, HEADER_BYTES + w->pairs.len);
    if (header_len)
        *header_len = f.len;
    if (w->data.len) {
        pad(&f, w->alignment);
        append(&f, w->data.at, w->data.len);
    }
    if (marks)
        *marks = w->all.at;
    if (n_marks)
        *n_marks = w->all.n;
    *len = f.len;
    return f.at;
}

void gg_write(gg_writer *w, const char *path)
{
    size_t len;
    unsigned char *f = gg_bytes(w, &len, NULL, NULL, NULL);
    test_write_file(path, f, len);
    free(f);
}
