/* png.c: PNG through libpng, which unpacks, unfilters and deinterlaces; the way from samples to RGB is
 * ours, so that it follows Pillow in every corner:
 *   - grey of 2 and 4 bits is scaled to 8; its tRNS value is compared with the scaled sample unscaled;
 *   - 16-bit colour keeps the high bytes; its tRNS values are compared by their low bytes;
 *   - 16-bit grey keeps the high byte (Pillow would clip it); its tRNS value is compared in full;
 *   - palette indices past the palette are black.
 * An animated file gives its first picture (the IDAT chunks). */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "image_internal.h"
#include "tsr_alloc.h"

/* deflate reaches 1032:1 at the most. */
enum { SIGNATURE_BYTES = 8, CHUNK_FRAME_BYTES = 12, MAX_INFLATE = 1032 };

typedef struct chunk {
    const unsigned char *p; /* NULL: none */
    size_t n;
} chunk;

/* All state lives here and not in locals, since errors leave through longjmp. */
typedef struct reader {
    tsri_source *src;
    tsr_image *out;
    size_t at; /* bytes handed to the library */
    png_structp png;
    png_infop info;
    jmp_buf out_of_library;
    tsr_status status;
    bool memory_failed; /* the library shrugs off some failed requests; we do not */

    size_t width, height, row_bytes;
    unsigned depth, colour; /* as in the file */
    unsigned char palette[256][4];
    bool is_keyed; /* one grey or colour value is transparent */
    unsigned key[3];
    unsigned char *rows; /* [1 or height, row_bytes] samples */
} reader;

/* ---- what the library calls ---- */

static void on_error(png_structp png, png_const_charp text)
{
    reader *r = png_get_error_ptr(png);
    if (r->status == TSR_OK)
        r->status = tsri_source_fail(r->src, r->memory_failed ? TSR_ERR_NOMEM : TSR_ERR_DATA, "%s, near byte %zu",
                                     text, r->at);
    longjmp(r->out_of_library, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t n)
{
    reader *r = png_get_mem_ptr(png);
    void *p = tsr_alloc(n);
    if (!p)
        r->memory_failed = true;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    tsr_free(p);
}

static void on_read(png_structp png, png_bytep dst, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->src->len - r->at) {
        r->at = r->src->len;
        png_error(png, "truncated: the file ends inside the picture");
    }
    memcpy(dst, r->src->data + r->at, n);
    r->at += n;
}

static void stop_on(reader *r, tsr_status st)
{
    if (st != TSR_OK) {
        r->status = st;
        longjmp(r->out_of_library, 1);
    }
}

/* ---- chunks that we read ourselves ---- */

/* The last chunk of this name; before the pixels only, if asked. The library checks the checksums. */
static chunk find_chunk(const tsri_source *src, const char *name, bool before_pixels)
{
    chunk found = {NULL, 0};
    size_t at = SIGNATURE_BYTES;
    while (src->len - at >= CHUNK_FRAME_BYTES) {
        const unsigned char *p = src->data + at;
        size_t n = tsri_be32(p);
        if (n > src->len - at - CHUNK_FRAME_BYTES || (before_pixels && memcmp(p + 4, "IDAT", 4) == 0))
            break;
        if (memcmp(p + 4, name, 4) == 0)
            found = (chunk){p + 8, n};
        at += CHUNK_FRAME_BYTES + n;
    }
    return found;
}

static int nibble(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "Raw profile type exif": three lines of heading, then hex digits broken over lines. Only the first
 * kilobyte is needed, since the tag stands in the first directory. */
static unsigned raw_profile_orientation(const char *text, size_t len)
{
    unsigned char bytes[1024];
    size_t n = 0, at = 0;
    int high = -1;
    for (unsigned lines = 0; lines < 3 && at < len; at++)
        lines += text[at] == '\n';
    for (; at < len && n < sizeof bytes; at++) {
        int v = nibble((unsigned char)text[at]);
        if (v < 0)
            continue;
        if (high >= 0)
            bytes[n++] = (unsigned char)(high << 4 | v);
        high = high < 0 ? v : -1;
    }
    return tsri_exif_orientation(bytes, n);
}

static unsigned orientation_of(reader *r)
{
    png_textp text = NULL;
    int n_text = 0;
    unsigned raw = 0, xmp = 0;
    chunk exif = find_chunk(r->src, "eXIf", false);
    unsigned found = exif.p ? tsri_exif_orientation(exif.p, exif.n) : 0;

    (void)png_get_text(r->png, r->info, &text, &n_text);
    for (int i = 0; i < n_text; i++) {
        size_t n = text[i].text_length ? text[i].text_length : text[i].itxt_length;
        if (strcmp(text[i].key, "Raw profile type exif") == 0)
            raw = raw_profile_orientation(text[i].text, n);
        else if (strcmp(text[i].key, "XML:com.adobe.xmp") == 0)
            xmp = tsri_xmp_orientation((const unsigned char *)text[i].text, n);
    }
    if (!exif.p)
        found = raw;
    return found ? found : xmp ? xmp : 1;
}

static void read_palette(reader *r)
{
    png_colorp colours = NULL;
    int n = 0;
    chunk trns = find_chunk(r->src, "tRNS", true);
    (void)png_get_PLTE(r->png, r->info, &colours, &n);
    for (size_t i = 0; i < 256; i++) {
        bool known = i < (size_t)n;
        r->palette[i][0] = known ? colours[i].red : 0;
        r->palette[i][1] = known ? colours[i].green : 0;
        r->palette[i][2] = known ? colours[i].blue : 0;
        r->palette[i][3] = i < trns.n ? trns.p[i] : 255;
    }
}

static void read_key(reader *r)
{
    size_t n = r->colour == PNG_COLOR_TYPE_RGB ? 3 : 1;
    chunk trns = find_chunk(r->src, "tRNS", true);
    if (!trns.p)
        return;
    if (trns.n < 2 * n)
        png_error(r->png, "a tRNS chunk that is too short");
    for (size_t c = 0; c < n; c++)
        r->key[c] = tsri_be16(trns.p + 2 * c);
    if (r->depth == 1)
        r->key[0] = r->key[0] ? 255 : 0;
    else if (r->depth < 16 || r->colour == PNG_COLOR_TYPE_RGB)
        for (size_t c = 0; c < n; c++)
            r->key[c] &= 255;
    r->is_keyed = true;
}

/* ---- samples to RGB ---- */

static void put_grey(const reader *r, unsigned char *dst, const unsigned char *s)
{
    static const unsigned char scale[9] = {0, 255, 85, 0, 17, 0, 0, 0, 1};
    bool wide = r->depth == 16;
    unsigned char v = wide ? s[0] : (unsigned char)(s[0] * scale[r->depth]);
    unsigned whole = wide ? tsri_be16(s) : v;
    bool clear = r->is_keyed && whole == r->key[0];
    tsri_put_rgba(dst, v, v, v, clear ? 0 : 255);
}

static void put_colour(const reader *r, unsigned char *dst, const unsigned char *s)
{
    bool clear = r->is_keyed && s[0] == r->key[0] && s[1] == r->key[1] && s[2] == r->key[2];
    tsri_put_rgba(dst, s[0], s[1], s[2], clear ? 0 : 255);
}

static void put_row(const reader *r, size_t y, const unsigned char *s)
{
    unsigned char *dst = r->out->rgb + y * r->width * 3, *end = dst + r->width * 3;
    for (; dst < end; dst += 3) {
        switch (r->colour) {
        case PNG_COLOR_TYPE_GRAY:
            put_grey(r, dst, s);
            s += r->depth == 16 ? 2 : 1;
            break;
        case PNG_COLOR_TYPE_GRAY_ALPHA:
            tsri_put_rgba(dst, s[0], s[0], s[0], s[1]);
            s += 2;
            break;
        case PNG_COLOR_TYPE_RGB:
            put_colour(r, dst, s);
            s += 3;
            break;
        case PNG_COLOR_TYPE_RGB_ALPHA:
            tsri_put_rgba(dst, s[0], s[1], s[2], s[3]);
            s += 4;
            break;
        default: /* palette */
            tsri_put_rgba(dst, r->palette[*s][0], r->palette[*s][1], r->palette[*s][2], r->palette[*s][3]);
            s += 1;
        }
    }
}

/* ---- decoding ---- */

/* Everything that can neither change pixels nor orientation is skipped unread (its checksum is checked). */
static void setup(reader *r)
{
    static const png_byte skipped[] = "iCCP\0sRGB\0gAMA\0cHRM\0bKGD\0hIST\0sPLT\0pHYs\0oFFs\0pCAL\0sCAL\0tIME\0sBIT\0eXIf";
    png_set_read_fn(r->png, r, on_read);
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
    png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff); /* ours are checked in read_head */
}

static void read_head(reader *r)
{
    png_read_info(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    r->height = png_get_image_height(r->png, r->info);
    r->depth = png_get_bit_depth(r->png, r->info);
    r->colour = png_get_color_type(r->png, r->info);
    stop_on(r, tsri_source_check_size(r->src, r->width, r->height));

    if (r->colour == PNG_COLOR_TYPE_PALETTE)
        read_palette(r);
    else if (r->colour == PNG_COLOR_TYPE_GRAY || r->colour == PNG_COLOR_TYPE_RGB)
        read_key(r);
    if (png_get_rowbytes(r->png, r->info) * r->height / MAX_INFLATE > r->src->len)
        png_error(r->png, "truncated: the file is too short for its size in pixels");
    png_set_packing(r->png);
    if (r->colour != PNG_COLOR_TYPE_GRAY)
        png_set_strip_16(r->png);
}

static void read_pixels(reader *r)
{
    int n_passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->row_bytes = png_get_rowbytes(r->png, r->info);
    stop_on(r, tsr_alloc_array(&r->rows, n_passes > 1 ? r->height : 1, r->row_bytes, "png rows", r->src->err));
    stop_on(r, tsri_source_begin(r->src, r->out, r->width, r->height));
    for (int pass = 0; pass < n_passes; pass++) {
        for (size_t y = 0; y < r->height; y++) {
            unsigned char *row = r->rows + (n_passes > 1 ? y * r->row_bytes : 0);
            png_read_row(r->png, row, NULL);
            if (pass == n_passes - 1)
                put_row(r, y, row);
        }
    }
}

static void decode(reader *r)
{
    setup(r);
    read_head(r);
    read_pixels(r);
    png_read_end(r->png, r->info); /* metadata may follow the pixels */
    r->src->orientation = orientation_of(r);
}

static void protect(reader *r)
{
    if (setjmp(r->out_of_library) == 0)
        decode(r);
}

tsr_status tsri_png_decode(tsri_source *src, tsr_image *out)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.src = src;
    r.out = out;
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning, &r, on_alloc, on_free);
    if (r.png)
        r.info = png_create_info_struct(r.png);
    if (r.info)
        protect(&r);
    if (r.status == TSR_OK && (!r.info || r.memory_failed))
        r.status = tsri_source_fail(src, TSR_ERR_NOMEM, "out of memory");
    png_destroy_read_struct(&r.png, &r.info, NULL);
    tsr_free(r.rows);
    return r.status;
}
