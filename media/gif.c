/* gif.c: the first picture of a GIF, on the logical screen, as Pillow gives it: around a picture that
 * is smaller than the screen lies the transparent colour, or colour 0; a picture that is larger
 * enlarges the screen; colours past the palette are black, and a palette that is a plain grey ramp
 * (or none at all) goes on as one.
 *
 * Layout: header and screen, global palette, blocks: extensions ('!'), pictures (','), the end (';').
 * The picture's data are LZW codes of growing width in sub-blocks of up to 255 bytes. */
#include <string.h>

#include "image_internal.h"
#include "tsr_alloc.h"

enum { SCREEN_END = 13, MAX_CODES = 4096, MAX_CODE_BITS = 12, NO_COLOUR = 256 };

typedef struct gif {
    tsri_source *src;
    size_t at; /* next byte */
    size_t width, height;
    size_t x, y, w, h; /* the picture on the screen */
    bool interlaced;
    unsigned clear_colour; /* transparent index, or NO_COLOUR */
    unsigned char palette[256][3];
    unsigned char *index; /* [h, w], rows in display order */
} gif;

static tsr_status truncated(const gif *g)
{
    return tsri_source_fail(g->src, TSR_ERR_DATA, "truncated: the file ends before its first picture does, at byte %zu",
                            g->src->len);
}

static size_t left_of(const gif *g)
{
    return g->src->len - g->at;
}

/* ---- headers ---- */

static void set_ramp(gif *g)
{
    for (size_t i = 0; i < 256; i++)
        memset(g->palette[i], (int)i, 3);
}

static tsr_status read_palette(gif *g, unsigned flags)
{
    size_t n = (size_t)2 << (flags & 7);
    const unsigned char *p = g->src->data + g->at;
    bool is_ramp = true;
    if (3 * n > left_of(g))
        return truncated(g);
    g->at += 3 * n;
    for (size_t i = 0; i < 3 * n; i++)
        is_ramp = is_ramp && p[i] == i / 3;
    if (is_ramp) /* set already, unless by a coloured global palette, which then stays (Pillow's reading) */
        return TSR_OK;
    memset(g->palette, 0, sizeof g->palette);
    memcpy(g->palette, p, 3 * n);
    return TSR_OK;
}

static tsr_status skip_blocks(gif *g)
{
    for (;;) {
        if (left_of(g) < 1)
            return truncated(g);
        size_t n = g->src->data[g->at++];
        if (n == 0)
            return TSR_OK;
        if (n > left_of(g))
            return truncated(g);
        g->at += n;
    }
}

static tsr_status read_extension(gif *g)
{
    enum { GRAPHIC_CONTROL = 249, IS_TRANSPARENT = 1 };
    const unsigned char *p = g->src->data + g->at;
    if (left_of(g) < 1)
        return truncated(g);
    g->at++;
    if (p[0] == GRAPHIC_CONTROL && left_of(g) >= 5 && p[1] >= 4)
        g->clear_colour = p[2] & IS_TRANSPARENT ? p[5] : g->clear_colour;
    return skip_blocks(g);
}

static tsr_status read_place(gif *g)
{
    enum { HAS_PALETTE = 128, IS_INTERLACED = 64 };
    const unsigned char *p = g->src->data + g->at;
    if (left_of(g) < 9)
        return truncated(g);
    g->at += 9;
    g->x = tsri_le16(p);
    g->y = tsri_le16(p + 2);
    g->w = tsri_le16(p + 4);
    g->h = tsri_le16(p + 6);
    g->interlaced = (p[8] & IS_INTERLACED) != 0;
    if (g->w == 0 || g->h == 0)
        return tsri_source_fail(g->src, TSR_ERR_DATA, "a picture of %zux%zu at byte %zu", g->w, g->h, g->at);
    if (g->x + g->w > g->width)
        g->width = g->x + g->w;
    if (g->y + g->h > g->height)
        g->height = g->y + g->h;
    return p[8] & HAS_PALETTE ? read_palette(g, p[8]) : TSR_OK;
}

/* Walk the blocks up to the data of the first picture. Bytes that start no block are passed over. */
static tsr_status find_picture(gif *g)
{
    while (left_of(g) > 0) {
        tsr_status st = TSR_OK;
        unsigned c = g->src->data[g->at++];
        if (c == ',')
            return read_place(g);
        if (c == ';')
            return tsri_source_fail(g->src, TSR_ERR_DATA, "no picture before the end mark at byte %zu", g->at - 1);
        if (c == '!')
            st = read_extension(g);
        if (st != TSR_OK)
            return st;
    }
    return truncated(g);
}

static tsr_status read_header(gif *g)
{
    const unsigned char *p = g->src->data;
    if (g->src->len < SCREEN_END)
        return truncated(g);
    g->at = SCREEN_END;
    g->width = tsri_le16(p + 6);
    g->height = tsri_le16(p + 8);
    g->clear_colour = NO_COLOUR;
    set_ramp(g);
    tsr_status st = p[10] & 128 ? read_palette(g, p[10]) : TSR_OK;
    if (st == TSR_OK)
        st = find_picture(g);
    if (st == TSR_OK)
        st = tsri_source_check_size(g->src, g->width, g->height);
    return st;
}

/* ---- codes ---- */

typedef struct lzw {
    unsigned short link[MAX_CODES];   /* the code that a code extends */
    unsigned char last[MAX_CODES];    /* the pixel by which it does */
    unsigned char text[MAX_CODES + 1]; /* one code spelt out, from the end of the array backwards */
    unsigned clear, min_bits, bits, next, previous;
    unsigned first;   /* first pixel of the last code */
    bool after_clear; /* the next code stands for itself */
    uint32_t pool;    /* bits not yet used, lowest first */
    unsigned n_pool;
    size_t block; /* bytes left of the sub-block */
} lzw;

static void lzw_clear(lzw *z)
{
    z->next = z->clear + 2;
    z->bits = z->min_bits + 1;
    z->after_clear = true;
}

/* The next code. A sub-block must be whole before any of it is used. */
static tsr_status read_code(gif *g, lzw *z, unsigned *code)
{
    while (z->n_pool < z->bits) {
        if (left_of(g) < 1)
            return truncated(g);
        unsigned c = g->src->data[g->at++];
        if (z->block == 0) {
            if (c > left_of(g))
                return truncated(g);
            z->block = c;
            continue;
        }
        z->block--;
        z->pool |= (uint32_t)c << z->n_pool;
        z->n_pool += 8;
    }
    *code = z->pool & ((1u << z->bits) - 1);
    z->pool >>= z->bits;
    z->n_pool -= z->bits;
    return TSR_OK;
}

static void lzw_add(lzw *z)
{
    if (z->next >= MAX_CODES)
        return;
    z->last[z->next] = (unsigned char)z->first;
    z->link[z->next] = (unsigned short)z->previous;
    if (z->next == (1u << z->bits) - 1 && z->bits < MAX_CODE_BITS)
        z->bits++;
    z->next++;
}

/* Spell out one code at the end of z->text. Returns the number of pixels, 0 for a code that cannot be. */
static size_t lzw_spell(lzw *z, unsigned code)
{
    size_t at = sizeof z->text;
    unsigned c = code;
    if (z->after_clear) {
        if (c >= z->clear)
            return 0;
        z->first = c;
        z->text[--at] = (unsigned char)c;
        z->after_clear = false;
    } else {
        if (c > z->next || c >= MAX_CODES)
            return 0;
        if (c == z->next) { /* the code that is being made: the last one and its own first pixel */
            z->text[--at] = (unsigned char)z->first;
            c = z->previous;
        }
        for (; c >= z->clear; c = z->link[c]) {
            if (at <= 1)
                return 0;
            z->text[--at] = z->last[c];
        }
        z->text[--at] = (unsigned char)c;
        z->first = c;
        lzw_add(z);
    }
    z->previous = code;
    return sizeof z->text - at;
}

/* The display row that comes after row y of an interlaced picture; h when there is none. */
static size_t next_interlaced(size_t y, size_t h, unsigned *pass)
{
    static const unsigned char start[4] = {0, 4, 2, 1}, step[4] = {8, 8, 4, 2};
    y += step[*pass];
    while (y >= h) {
        if (++*pass > 3)
            return h;
        y = start[*pass];
    }
    return y;
}

static tsr_status decode_codes(gif *g, lzw *z)
{
    size_t x = 0, y = 0;
    unsigned pass = 0;
    while (y < g->h) {
        unsigned code = 0;
        tsr_status st = read_code(g, z, &code);
        if (st != TSR_OK)
            return st;
        if (code == z->clear) {
            lzw_clear(z);
            continue;
        }
        if (code == z->clear + 1)
            return tsri_source_fail(g->src, TSR_ERR_DATA, "truncated: the codes end after %zu rows, at byte %zu", y,
                                    g->at);
        size_t n = lzw_spell(z, code);
        if (n == 0)
            return tsri_source_fail(g->src, TSR_ERR_DATA, "a code that is not in the table, at byte %zu", g->at);
        for (const unsigned char *s = z->text + sizeof z->text - n; n > 0 && y < g->h; n--, s++) {
            g->index[y * g->w + x] = *s;
            if (++x < g->w)
                continue;
            x = 0;
            y = g->interlaced ? next_interlaced(y, g->h, &pass) : y + 1;
        }
    }
    return TSR_OK;
}

static tsr_status decode_picture(gif *g)
{
    lzw *z = NULL;
    tsr_status st;
    if (left_of(g) < 1)
        return truncated(g);
    unsigned bits = g->src->data[g->at++];
    if (bits < 1 || bits > MAX_CODE_BITS - 1)
        return tsri_source_fail(g->src, TSR_ERR_DATA, "codes of %u bits at byte %zu", bits, g->at - 1);
    if (g->w * g->h / MAX_CODES > left_of(g)) /* a code, more than a byte, spells 4,096 pixels at most */
        return truncated(g);
    if ((st = tsr_alloc_array(&z, 1, sizeof *z, "gif codes", g->src->err)) != TSR_OK ||
        (st = tsr_alloc_array(&g->index, g->h, g->w, "gif indices", g->src->err)) != TSR_OK)
        goto done;
    memset(z, 0, sizeof *z);
    z->min_bits = bits;
    z->clear = 1u << bits;
    lzw_clear(z);
    st = decode_codes(g, z);
done:
    tsr_free(z);
    return st;
}

static void put(const gif *g, unsigned char *dst, unsigned index)
{
    if (index == g->clear_colour)
        memset(dst, 255, 3);
    else
        memcpy(dst, g->palette[index], 3);
}

static tsr_status compose(gif *g, tsr_image *out)
{
    tsr_status st = tsri_source_begin(g->src, out, g->width, g->height);
    if (st != TSR_OK)
        return st;
    if (g->w != g->width || g->h != g->height) {
        size_t n = g->width * g->height;
        for (size_t i = 0; i < n; i++)
            put(g, out->rgb + 3 * i, g->clear_colour == NO_COLOUR ? 0 : g->clear_colour);
    }
    for (size_t y = 0; y < g->h; y++) {
        unsigned char *dst = out->rgb + ((g->y + y) * g->width + g->x) * 3;
        for (size_t x = 0; x < g->w; x++, dst += 3)
            put(g, dst, g->index[y * g->w + x]);
    }
    return TSR_OK;
}

tsr_status tsri_gif_decode(tsri_source *src, tsr_image *out)
{
    gif g;
    memset(&g, 0, sizeof g);
    g.src = src;
    tsr_status st = read_header(&g);
    if (st == TSR_OK)
        st = decode_picture(&g);
    if (st == TSR_OK)
        st = compose(&g, out);
    tsr_free(g.index);
    return st;
}
