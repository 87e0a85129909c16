/* tga.c: Truevision pictures: palette, grey, grey with alpha, 15/16, 24 and 32 bits, plain and
 * run-length coded, all four origins, as Pillow reads them: the top bit of 16-bit pixels is inverted
 * alpha, a palette's alpha is dropped, a run may not pass the end of a row (literals may).
 *
 * Layout: 18 bytes of header, an id field, a palette, pixels; perhaps a footer of 26 bytes that leads
 * to an extension area, whose byte 494 says whether alpha means anything. */
#include <string.h>

#include "image_internal.h"
#include "tsr_alloc.h"

enum { HEADER = 18, FOOTER = 26, ATTRIBUTES_AT = 494, MAX_PIXEL = 4 };

typedef enum pixel { INDEX, GREY, BIT, GREY_ALPHA, BGRA15, BGR, BGRA } pixel;

typedef struct tga {
    tsri_source *src;
    size_t width, height, at;
    pixel pixel;
    size_t pixel_bytes; /* 0 for single bits */
    size_t row_bytes;
    bool is_coded, bottom_up, right_to_left, no_alpha;
    unsigned char palette[256][3]; /* RGB */
} tga;

static tsr_status truncated(const tga *t)
{
    return tsri_source_fail(t->src, TSR_ERR_DATA, "truncated: the file ends inside the picture, at byte %zu of %zu",
                            t->at, t->src->len);
}

static void put_bgra15(unsigned char *dst, const unsigned char *s, bool keep_alpha)
{
    unsigned v = tsri_le16(s);
    tsri_put_rgba(dst, (unsigned char)((v >> 10 & 31) * 255 / 31), (unsigned char)((v >> 5 & 31) * 255 / 31),
                  (unsigned char)((v & 31) * 255 / 31), keep_alpha && v >> 15 ? 0 : 255);
}

static tsr_status find_pixel(tga *t, unsigned type, unsigned depth)
{
    static const struct {
        unsigned type, depth;
        pixel pixel;
        size_t bytes;
    } known[] = {{1, 8, INDEX, 1}, {3, 1, BIT, 0},    {3, 8, GREY, 1}, {3, 16, GREY_ALPHA, 2},
                 {2, 16, BGRA15, 2}, {2, 24, BGR, 3}, {2, 32, BGRA, 4}};
    t->is_coded = (type & 8) != 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].type != (type & 7) || known[i].depth != depth || type > 11)
            continue;
        if (known[i].bytes == 0 && t->is_coded)
            break;
        t->pixel = known[i].pixel;
        t->pixel_bytes = known[i].bytes;
        t->row_bytes = known[i].bytes ? t->width * known[i].bytes : (t->width + 7) / 8;
        return TSR_OK;
    }
    return tsri_source_fail(t->src, TSR_ERR_UNSUPPORTED, "picture type %u with %u bits a pixel", type, depth);
}

/* Colours below the first one of the file and past the last are black. */
static tsr_status read_palette(tga *t)
{
    const unsigned char *p = t->src->data;
    size_t first = tsri_le16(p + 3), n = tsri_le16(p + 5), bits = p[7], entry = bits / 8;
    if (bits != 16 && bits != 24 && bits != 32)
        return tsri_source_fail(t->src, TSR_ERR_UNSUPPORTED, "a palette of %zu bits a colour", bits);
    if (t->at > t->src->len || n * entry > t->src->len - t->at)
        return truncated(t);
    for (size_t i = 0; i < n && first + i < 256; i++) {
        const unsigned char *s = p + t->at + i * entry;
        if (bits == 16)
            put_bgra15(t->palette[first + i], s, false);
        else
            tsri_put_rgb(t->palette[first + i], s[2], s[1], s[0]);
    }
    t->at += n * entry;
    return TSR_OK;
}

/* The footer's extension area may declare the alpha channel void. */
static bool alpha_is_void(const tsri_source *src)
{
    if (src->len < FOOTER || memcmp(src->data + src->len - 18, "TRUEVISION-XFILE.\0", 18) != 0)
        return false;
    size_t ext = tsri_le32(src->data + src->len - FOOTER);
    return ext != 0 && ext < src->len && src->len - ext > ATTRIBUTES_AT && src->data[ext + ATTRIBUTES_AT] == 0;
}

static tsr_status read_header(tga *t)
{
    const unsigned char *p = t->src->data;
    if (t->src->len < HEADER)
        return truncated(t);
    t->width = tsri_le16(p + 12);
    t->height = tsri_le16(p + 14);
    t->bottom_up = (p[17] & 0x20) == 0;
    t->right_to_left = (p[17] & 0x10) != 0;
    t->at = HEADER + p[0];
    tsr_status st = tsri_source_check_size(t->src, t->width, t->height);
    if (st == TSR_OK)
        st = find_pixel(t, p[2], p[16]);
    if (st == TSR_OK && p[1] > 1)
        st = tsri_source_fail(t->src, TSR_ERR_DATA, "palette type %u", p[1]);
    if (st == TSR_OK && t->pixel == INDEX && p[1] == 0)
        st = tsri_source_fail(t->src, TSR_ERR_DATA, "palette indices without a palette");
    if (st == TSR_OK && p[1] == 1)
        st = read_palette(t);
    if (st == TSR_OK && t->at > t->src->len)
        st = truncated(t);
    t->no_alpha = alpha_is_void(t->src);
    return st;
}

/* ---- rows ---- */

static void put_pixel(const tga *t, unsigned char *dst, const unsigned char *row, size_t x)
{
    const unsigned char *s = row + x * t->pixel_bytes;
    switch (t->pixel) {
    case INDEX: memcpy(dst, t->palette[s[0]], 3); break;
    case GREY: memset(dst, s[0], 3); break;
    case BIT: memset(dst, row[x / 8] >> (7 - x % 8) & 1 ? 255 : 0, 3); break;
    case GREY_ALPHA: tsri_put_rgba(dst, s[0], s[0], s[0], s[1]); break;
    case BGRA15: put_bgra15(dst, s, !t->no_alpha); break;
    case BGR: tsri_put_rgb(dst, s[2], s[1], s[0]); break;
    case BGRA: tsri_put_rgba(dst, s[2], s[1], s[0], t->no_alpha ? 255 : s[3]); break;
    }
}

static void put_row(const tga *t, tsr_image *out, size_t y, const unsigned char *row)
{
    unsigned char *dst = out->rgb + (t->bottom_up ? t->height - 1 - y : y) * t->width * 3;
    for (size_t x = 0; x < t->width; x++)
        put_pixel(t, dst + 3 * (t->right_to_left ? t->width - 1 - x : x), row, x);
}

static tsr_status decode_raw(tga *t, tsr_image *out)
{
    if (t->row_bytes * t->height > t->src->len - t->at)
        return truncated(t);
    tsr_status st = tsri_source_begin(t->src, out, t->width, t->height);
    for (size_t y = 0; st == TSR_OK && y < t->height; y++)
        put_row(t, out, y, t->src->data + t->at + y * t->row_bytes);
    return st;
}

/* ---- run-length coding ---- */

typedef struct coder {
    size_t left; /* pixels left of the packet */
    bool repeat;
    unsigned char value[MAX_PIXEL]; /* the pixel of a run */
} coder;

static tsr_status next_packet(tga *t, coder *c, size_t room)
{
    const tsri_source *src = t->src;
    if (t->at >= src->len)
        return truncated(t);
    unsigned head = src->data[t->at++];
    c->left = (head & 127) + 1;
    c->repeat = head >> 7;
    size_t need = c->repeat ? t->pixel_bytes : c->left * t->pixel_bytes;
    if (need > src->len - t->at)
        return truncated(t);
    if (!c->repeat)
        return TSR_OK;
    if (c->left > room)
        return tsri_source_fail(src, TSR_ERR_DATA, "a run passes the end of its row at byte %zu", t->at);
    memcpy(c->value, src->data + t->at, t->pixel_bytes);
    t->at += t->pixel_bytes;
    return TSR_OK;
}

static tsr_status fill_row(tga *t, coder *c, unsigned char *row)
{
    for (size_t x = 0; x < t->width; x++, c->left--) {
        if (c->left == 0) {
            tsr_status st = next_packet(t, c, t->width - x);
            if (st != TSR_OK)
                return st;
        }
        if (c->repeat) {
            memcpy(row + x * t->pixel_bytes, c->value, t->pixel_bytes);
        } else {
            memcpy(row + x * t->pixel_bytes, t->src->data + t->at, t->pixel_bytes);
            t->at += t->pixel_bytes;
        }
    }
    return TSR_OK;
}

static tsr_status decode_coded(tga *t, tsr_image *out)
{
    coder c = {0, false, {0}};
    unsigned char *row = NULL;
    /* A packet gives at most 128 pixels for its head and one pixel. */
    if (t->width * t->height / 128 * (1 + t->pixel_bytes) > t->src->len - t->at)
        return truncated(t);
    tsr_status st = tsr_alloc_array(&row, 1, t->row_bytes, "tga row", t->src->err);
    if (st == TSR_OK)
        st = tsri_source_begin(t->src, out, t->width, t->height);
    for (size_t y = 0; st == TSR_OK && y < t->height; y++)
        if ((st = fill_row(t, &c, row)) == TSR_OK)
            put_row(t, out, y, row);
    tsr_free(row);
    return st;
}

tsr_status tsri_tga_decode(tsri_source *src, tsr_image *out)
{
    tga t;
    memset(&t, 0, sizeof t);
    t.src = src;
    tsr_status st = read_header(&t);
    if (st != TSR_OK)
        return st;
    return t.is_coded ? decode_coded(&t, out) : decode_raw(&t, out);
}
