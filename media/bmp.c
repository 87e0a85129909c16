/* bmp.c: Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, bit fields, RLE4 and RLE8, as Pillow
 * reads them: 32 bits without fields have no alpha, 5- and 6-bit samples become v * 255 / max.
 *
 * Layout: 14 bytes of file header, an information header whose first word is its length, masks (when
 * they are not in the header), a palette, and rows that are padded to 4 bytes, bottom row first. */
#include <string.h>

#include "image_internal.h"
#include "tsr_alloc.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

typedef struct bmp {
    tsri_source *src;
    size_t width, height, stride;
    size_t header_len, pixels_at;
    bool top_down;
    unsigned bits, compression;
    size_t n_colours;
    unsigned char palette[256][3]; /* RGB */
    uint32_t masks[4];             /* R, G, B, A */
    int byte_of[4];                /* 32 bits: place of R, G, B and A in a pixel; A may be -1 */
} bmp;

static tsr_status truncated(const bmp *b, size_t need)
{
    return tsri_source_fail(b->src, TSR_ERR_DATA, "truncated: %zu bytes where %zu are needed", b->src->len, need);
}

/* ---- header ---- */

static tsr_status read_info(bmp *b)
{
    const tsri_source *src = b->src;
    const unsigned char *p = src->data;
    if (src->len < FILE_HEADER + 4)
        return truncated(b, FILE_HEADER + 4);
    b->header_len = tsri_le32(p + FILE_HEADER);
    if (src->len - FILE_HEADER < b->header_len)
        return truncated(b, FILE_HEADER + b->header_len);
    p += FILE_HEADER;
    if (b->header_len == CORE_HEADER) {
        b->width = tsri_le16(p + 4);
        b->height = tsri_le16(p + 6);
        b->bits = tsri_le16(p + 10);
        return TSR_OK;
    }
    uint32_t height = tsri_le32(p + 8);
    b->top_down = height >> 24 == 0xff; /* a negative height */
    b->height = b->top_down ? 0u - height : height;
    b->width = tsri_le32(p + 4);
    b->bits = tsri_le16(p + 14);
    b->compression = tsri_le32(p + 16);
    b->n_colours = tsri_le32(p + 32);
    return TSR_OK;
}

/* The masks stand in the longer headers, or after a header of 40 bytes. */
static tsr_status read_masks(bmp *b, size_t *at)
{
    size_t n = b->header_len >= 56 ? 4 : 3, masks_at = FILE_HEADER + 40;
    if (b->header_len < 52) {
        masks_at = *at;
        *at += 12;
    }
    if (masks_at + 4 * n > b->src->len)
        return truncated(b, masks_at + 4 * n);
    for (size_t i = 0; i < n; i++)
        b->masks[i] = tsri_le32(b->src->data + masks_at + 4 * i);
    return TSR_OK;
}

static bool masks_are(const bmp *b, uint32_t r, uint32_t g, uint32_t blue)
{
    return b->masks[0] == r && b->masks[1] == g && b->masks[2] == blue;
}

/* The layouts that the reference knows; all others are refused by it and by us. */
static bool take_masks_32(bmp *b)
{
    static const struct {
        uint32_t masks[4];
        int byte_of[4];
    } known[] = {
        {{0xff0000, 0xff00, 0xff, 0}, {2, 1, 0, -1}},
        {{0xff000000, 0xff0000, 0xff00, 0}, {3, 2, 1, -1}},
        {{0xff000000, 0xff00, 0xff, 0}, {3, 1, 0, -1}},
        {{0xff000000, 0xff0000, 0xff00, 0xff}, {3, 2, 1, 0}},
        {{0xff, 0xff00, 0xff0000, 0xff000000}, {0, 1, 2, 3}},
        {{0xff0000, 0xff00, 0xff, 0xff000000}, {2, 1, 0, 3}},
        {{0xff000000, 0xff00, 0xff, 0xff0000}, {3, 1, 0, 2}},
        {{0, 0, 0, 0}, {2, 1, 0, 3}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (memcmp(b->masks, known[i].masks, sizeof b->masks) != 0)
            continue;
        memcpy(b->byte_of, known[i].byte_of, sizeof b->byte_of);
        return true;
    }
    return false;
}

static tsr_status check_coding(bmp *b, size_t *at)
{
    static const int plain[4] = {2, 1, 0, -1};
    bool indexed = b->bits == 1 || b->bits == 4 || b->bits == 8;
    if (!indexed && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return tsri_source_fail(b->src, TSR_ERR_UNSUPPORTED, "%u bits a pixel", b->bits);
    memcpy(b->byte_of, plain, sizeof plain);
    if (b->compression == RAW)
        return TSR_OK;
    if (b->compression == RLE8 || b->compression == RLE4) {
        if (b->bits == 4 || b->bits == 8)
            return TSR_OK;
        return tsri_source_fail(b->src, TSR_ERR_DATA, "run-length coding with %u bits a pixel", b->bits);
    }
    if (b->compression != BITFIELDS)
        return tsri_source_fail(b->src, TSR_ERR_UNSUPPORTED, "compression %u", b->compression);
    tsr_status st = read_masks(b, at);
    if (st != TSR_OK)
        return st;
    bool known = b->bits == 32 ? take_masks_32(b)
                 : b->bits == 24 ? masks_are(b, 0xff0000, 0xff00, 0xff)
                 : b->bits == 16 && (masks_are(b, 0xf800, 0x7e0, 0x1f) || masks_are(b, 0x7c00, 0x3e0, 0x1f));
    return known ? TSR_OK : tsri_source_fail(b->src, TSR_ERR_UNSUPPORTED, "a bit-field layout that is not known");
}

/* Colours past the palette are black; but a palette that is a plain grey ramp goes on as one. */
static tsr_status read_palette(bmp *b, size_t at)
{
    size_t entry = b->header_len == CORE_HEADER ? 3 : 4;
    if (b->n_colours == 0)
        b->n_colours = (size_t)1 << b->bits;
    if (b->n_colours > 65536)
        return tsri_source_fail(b->src, TSR_ERR_DATA, "a palette of %zu colours", b->n_colours);
    bool is_ramp = b->n_colours > 2;
    size_t there = at < b->src->len ? (b->src->len - at) / entry : 0; /* it may reach into the pixels */
    for (size_t i = 0; i < b->n_colours && i < there && i < 256; i++) {
        const unsigned char *p = b->src->data + at + i * entry;
        tsri_put_rgb(b->palette[i], p[2], p[1], p[0]);
        is_ramp = is_ramp && p[0] == i && p[1] == i && p[2] == i;
    }
    for (size_t i = b->n_colours; is_ramp && i < 256; i++)
        memset(b->palette[i], (int)i, 3);
    b->pixels_at = at + b->n_colours * entry;
    return TSR_OK;
}

static tsr_status read_header(bmp *b)
{
    tsr_status st = read_info(b);
    if (st != TSR_OK)
        return st;
    size_t at = FILE_HEADER + b->header_len, stated = tsri_le32(b->src->data + 10);
    if ((st = check_coding(b, &at)) != TSR_OK)
        return st;
    b->pixels_at = at;
    if (b->bits <= 8 && (st = read_palette(b, at)) != TSR_OK)
        return st;
    /* Some writers state the place right behind the header, where the palette stands. */
    if (stated != 0 && !(b->bits <= 8 && stated == FILE_HEADER + b->header_len))
        b->pixels_at = stated;
    if ((st = tsri_source_check_size(b->src, b->width, b->height)) != TSR_OK)
        return st;
    b->stride = (b->width * b->bits + 31) / 32 * 4;
    return TSR_OK;
}

/* ---- rows ---- */

static void put_indexed(const bmp *b, unsigned char *dst, const unsigned char *s)
{
    for (size_t x = 0; x < b->width; x++, dst += 3) {
        size_t bit = x * b->bits;
        unsigned v = (unsigned)s[bit / 8] >> (8 - b->bits - bit % 8) & ((1u << b->bits) - 1);
        memcpy(dst, b->palette[v], 3);
    }
}

static void put_16(const bmp *b, unsigned char *dst, const unsigned char *s)
{
    bool six = b->compression == BITFIELDS && b->masks[1] == 0x7e0; /* 5-6-5, else 5-5-5 */
    for (size_t x = 0; x < b->width; x++, dst += 3, s += 2) {
        unsigned v = tsri_le16(s), red = v >> (six ? 11 : 10) & 31, green = v >> 5 & (six ? 63 : 31), blue = v & 31;
        tsri_put_rgb(dst, (unsigned char)(red * 255 / 31), (unsigned char)(green * 255 / (six ? 63 : 31)),
                     (unsigned char)(blue * 255 / 31));
    }
}

static void put_32(const bmp *b, unsigned char *dst, const unsigned char *s)
{
    for (size_t x = 0; x < b->width; x++, dst += 3, s += 4)
        tsri_put_rgba(dst, s[b->byte_of[0]], s[b->byte_of[1]], s[b->byte_of[2]],
                      b->byte_of[3] < 0 ? 255 : s[b->byte_of[3]]);
}

static void put_row(const bmp *b, unsigned char *dst, const unsigned char *s)
{
    switch (b->bits) {
    case 16: put_16(b, dst, s); break;
    case 24:
        for (size_t x = 0; x < b->width; x++, dst += 3, s += 3)
            tsri_put_rgb(dst, s[2], s[1], s[0]);
        break;
    case 32: put_32(b, dst, s); break;
    default: put_indexed(b, dst, s);
    }
}

static unsigned char *row_at(const bmp *b, tsr_image *out, size_t y)
{
    return out->rgb + (b->top_down ? y : b->height - 1 - y) * b->width * 3;
}

static tsr_status decode_raw(bmp *b, tsr_image *out)
{
    /* The padding of the last row may be missing. */
    size_t need = b->stride * (b->height - 1) + (b->width * b->bits + 7) / 8;
    if (b->pixels_at > b->src->len || need > b->src->len - b->pixels_at)
        return truncated(b, b->pixels_at + need);
    tsr_status st = tsri_source_begin(b->src, out, b->width, b->height);
    for (size_t y = 0; st == TSR_OK && y < b->height; y++)
        put_row(b, row_at(b, out, y), b->src->data + b->pixels_at + y * b->stride);
    return st;
}

/* ---- run-length coding ---- */

typedef struct run {
    const bmp *b;
    unsigned char *index; /* [height, width] palette indices, first row first */
    size_t n, n_max;      /* written so far, and in all */
    size_t at;            /* next byte of the file */
    size_t x;             /* pixels since the last end-of-row code, which alone starts a new row */
} run;

static void put_index(run *r, unsigned v)
{
    if (r->n < r->n_max)
        r->index[r->n++] = (unsigned char)v;
}

/* n pixels of one colour, or of two in turns; what would pass the end of the row is dropped. */
static void run_encoded(run *r, size_t n, unsigned byte)
{
    size_t left = r->x < r->b->width ? r->b->width - r->x : 0;
    bool nibbles = r->b->compression == RLE4;
    if (n > left)
        n = left;
    for (size_t i = 0; i < n; i++)
        put_index(r, !nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
    r->x += n;
}

/* n pixels as they are, padded to an even number of bytes. False when the file ends first. */
static bool run_literal(run *r, size_t n)
{
    bool nibbles = r->b->compression == RLE4;
    size_t n_bytes = nibbles ? (n + 1) / 2 : n;
    const unsigned char *s = r->b->src->data + r->at;
    if (n > r->n_max - r->n) {
        n = r->n_max - r->n;
        n_bytes = nibbles ? (n + 1) / 2 : n;
    }
    if (n_bytes > r->b->src->len - r->at)
        return false;
    for (size_t i = 0; i < n; i++)
        put_index(r, !nibbles ? s[i] : i % 2 == 0 ? s[i / 2] >> 4 : s[i / 2] & 15);
    r->at += n_bytes;
    r->at += r->at % 2 && r->at < r->b->src->len;
    r->x += n;
    return true;
}

/* One two-byte code. False at the end of the picture or of the file. */
static bool run_step(run *r)
{
    const unsigned char *p = r->b->src->data + r->at;
    if (r->b->src->len - r->at < 2)
        return false;
    r->at += 2;
    if (p[0] != 0) {
        run_encoded(r, p[0], p[1]);
        return true;
    }
    switch (p[1]) {
    case 0: /* end of the row */
        while (r->n % r->b->width != 0)
            put_index(r, 0);
        r->x = 0;
        return true;
    case 1: return false;
    case 2: /* skip right and up */
        if (r->b->src->len - r->at < 2)
            return false;
        for (size_t i = p[2] + p[3] * r->b->width; i > 0 && r->n < r->n_max; i--)
            put_index(r, 0);
        r->at += 2;
        r->x = r->n % r->b->width;
        return true;
    default: return run_literal(r, p[1]);
    }
}

static tsr_status decode_rle(bmp *b, tsr_image *out)
{
    run r = {b, NULL, 0, b->width * b->height, b->pixels_at, 0};
    if (b->pixels_at > b->src->len)
        return truncated(b, b->pixels_at);
    /* A skip of 255 rows takes four bytes, the longest step there is. */
    if (b->height / 256 > b->src->len)
        return tsri_source_fail(b->src, TSR_ERR_DATA, "truncated: %zu bytes are too few for %zux%zu", b->src->len,
                                b->width, b->height);
    tsr_status st = tsr_alloc_array(&r.index, b->height, b->width, "bmp indices", b->src->err);
    if (st != TSR_OK)
        return st;
    while (r.n < r.n_max && run_step(&r)) {
    }
    if (r.n < r.n_max)
        st = tsri_source_fail(b->src, TSR_ERR_DATA, "truncated: the runs give %zu of %zu pixels, up to byte %zu", r.n,
                              r.n_max, r.at);
    if (st == TSR_OK)
        st = tsri_source_begin(b->src, out, b->width, b->height);
    for (size_t y = 0; st == TSR_OK && y < b->height; y++) {
        unsigned char *dst = row_at(b, out, y);
        for (size_t x = 0; x < b->width; x++, dst += 3)
            memcpy(dst, b->palette[r.index[y * b->width + x]], 3);
    }
    tsr_free(r.index);
    return st;
}

tsr_status tsri_bmp_decode(tsri_source *src, tsr_image *out)
{
    bmp b;
    memset(&b, 0, sizeof b);
    b.src = src;
    tsr_status st = read_header(&b);
    if (st != TSR_OK)
        return st;
    return b.compression == RLE8 || b.compression == RLE4 ? decode_rle(&b, out) : decode_raw(&b, out);
}
