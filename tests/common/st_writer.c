/* st_writer.c: the header is built as text beside the data, so that order and offsets are plain to see. */
#include "st_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_buffer.h"

struct st_writer {
    buffer header; /* without its closing brace */
    buffer data;
};

static void append_text(buffer *b, const char *s)
{
    append(b, s, strlen(s));
}

static void append_number(buffer *b, size_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", n);
    append_text(b, text);
}

st_writer *st_new(void)
{
    st_writer *w = must_realloc(NULL, sizeof *w);
    memset(w, 0, sizeof *w);
    append_text(&w->header, "{");
    return w;
}

void st_free(st_writer *w)
{
    if (!w)
        return;
    free(w->header.at);
    free(w->data.at);
    free(w);
}

void st_add(st_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape, const void *data)
{
    size_t n_bytes = tsr_type_info(type)->block_bytes;
    buffer *h = &w->header;
    append_text(h, h->len > 1 ? ",\"" : "\"");
    append_text(h, name);
    append_text(h, "\":{\"dtype\":\"");
    append_text(h, tsr_type_info(type)->name);
    append_text(h, "\",\"shape\":[");
    for (unsigned d = 0; d < n_dims; d++) {
        append_text(h, d ? "," : "");
        append_number(h, shape[d]);
        n_bytes *= shape[d];
    }
    append_text(h, "],\"data_offsets\":[");
    append_number(h, w->data.len);
    append_text(h, ",");
    append_number(h, w->data.len + n_bytes);
    append_text(h, "]}");
    append(&w->data, data, n_bytes);
}

void st_add_f32(st_writer *w, const char *name, tsr_type type, unsigned n_dims, const size_t *shape,
                const float *values)
{
    size_t n = 1;
    for (unsigned d = 0; d < n_dims; d++)
        n *= shape[d];
    if (type == TSR_F32) {
        st_add(w, name, type, n_dims, shape, values);
        return;
    }
    uint16_t *half = must_realloc(NULL, n * sizeof *half);
    for (size_t i = 0; i < n; i++)
        half[i] = type == TSR_BF16 ? tsr_f32_to_bf16(values[i]) : tsr_f32_to_f16(values[i]);
    st_add(w, name, type, n_dims, shape, half);
    free(half);
}

unsigned char *st_raw(const char *header, size_t header_len, const void *data, size_t data_len, size_t *len)
{
    *len = 8 + header_len + data_len;
    unsigned char *f = must_realloc(NULL, *len);
    for (int i = 0; i < 8; i++)
        f[i] = (unsigned char)((uint64_t)header_len >> 8 * i);
    if (header_len)
        memcpy(f + 8, header, header_len);
    if (data_len)
        memcpy(f + 8 + header_len, data, data_len);
    return f;
}

unsigned char *st_bytes(const st_writer *w, size_t *len)
{
    buffer h = {0};
    append(&h, w->header.at, w->header.len);
    append_text(&h, "}");
    while (h.len % 8)
        append_text(&h, " ");
    unsigned char *f = st_raw((const char *)h.at, h.len, w->data.at, w->data.len, len);
    free(h.at);
    return f;
}

void st_write(const st_writer *w, const char *path)
{
    size_t len;
    unsigned char *f = st_bytes(w, &len);
    test_write_file(path, f, len);
    free(f);
}
