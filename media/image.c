/* image.c: the door of the picture decoders: finds the kind, checks limits, calls the decoder of the
 * format and turns the result upright. */
#include "tsr_image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image_internal.h"
#include "tsr_alloc.h"
#include "tsr_kind.h"

enum { CHANNELS = 3 };

tsr_image_limits tsr_image_limits_default(void)
{
    tsr_image_limits limits = {65535, 178956970};
    return limits;
}

void tsr_image_deinit(tsr_image *img)
{
    tsr_free(img->rgb);
    memset(img, 0, sizeof *img);
}

/* ---- what decoders call ---- */

tsr_status tsri_source_fail(const tsri_source *src, tsr_status st, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    return tsr_fail(src->err, st, "%s: %s: %s", src->name, src->format, text);
}

tsr_status tsri_source_check_size(const tsri_source *src, size_t width, size_t height)
{
    size_t area;
    if (width == 0 || height == 0)
        return tsri_source_fail(src, TSR_ERR_DATA, "a size of %zux%zu", width, height);
    if (width > src->limits.max_side || height > src->limits.max_side)
        return tsri_source_fail(src, TSR_ERR_LIMIT, "%zux%zu is over the limit of %zu pixels a side", width, height,
                                src->limits.max_side);
    if (!tsr_mul_size(&area, width, height) || area > src->limits.max_pixels)
        return tsri_source_fail(src, TSR_ERR_LIMIT, "%zux%zu is over the limit of %zu pixels", width, height,
                                src->limits.max_pixels);
    return TSR_OK;
}

tsr_status tsri_source_begin(const tsri_source *src, tsr_image *out, size_t width, size_t height)
{
    size_t row;
    tsr_status st = tsri_source_check_size(src, width, height);
    if (st != TSR_OK)
        return st;
    if (!tsr_mul_size(&row, width, CHANNELS))
        return tsri_source_fail(src, TSR_ERR_LIMIT, "a row of %zu pixels", width);
    if ((st = tsr_alloc_array(&out->rgb, height, row, "decoded picture", src->err)) != TSR_OK)
        return st;
    out->width = width;
    out->height = height;
    return TSR_OK;
}

/* ---- orientation ---- */

/* Pixel (x, y) of the upright picture comes from src[start + y * down + x * across], in pixels. */
typedef struct walk {
    size_t start;
    ptrdiff_t across, down;
} walk;

static walk walk_of(unsigned orientation, size_t width, size_t height)
{
    ptrdiff_t w = (ptrdiff_t)width;
    size_t right = width - 1, bottom = (height - 1) * width;
    switch (orientation) {
    case 2: return (walk){right, -1, w};
    case 3: return (walk){bottom + right, -1, -w};
    case 4: return (walk){bottom, 1, -w};
    case 5: return (walk){0, w, 1};
    case 6: return (walk){bottom, -w, 1};
    case 7: return (walk){bottom + right, -w, -1};
    case 8: return (walk){right, w, -1};
    default: return (walk){0, 1, w};
    }
}

tsr_status tsri_image_orient(tsr_image *img, unsigned orientation, tsr_error *err)
{
    bool swapped = orientation >= 5;
    tsr_image up = {swapped ? img->height : img->width, swapped ? img->width : img->height, NULL};
    if (orientation < 2 || orientation > 8)
        return TSR_OK;
    tsr_status st = tsr_alloc_array(&up.rgb, up.height, up.width * CHANNELS, "upright picture", err);
    if (st != TSR_OK)
        return st;
    walk w = walk_of(orientation, img->width, img->height);
    unsigned char *dst = up.rgb;
    for (size_t y = 0; y < up.height; y++) {
        ptrdiff_t at = (ptrdiff_t)w.start + (ptrdiff_t)y * w.down;
        for (size_t x = 0; x < up.width; x++, dst += CHANNELS, at += w.across)
            memcpy(dst, img->rgb + at * CHANNELS, CHANNELS);
    }
    tsr_image_deinit(img);
    *img = up;
    return TSR_OK;
}

/* ---- the door ---- */

typedef tsr_status (*decode_fn)(tsri_source *src, tsr_image *out);

static decode_fn decoder_of(tsr_kind kind)
{
    switch (kind) {
    case TSR_KIND_JPEG: return tsri_jpeg_decode;
    case TSR_KIND_PNG: return tsri_png_decode;
    case TSR_KIND_WEBP: return tsri_webp_decode;
    case TSR_KIND_BMP: return tsri_bmp_decode;
    case TSR_KIND_TGA: return tsri_tga_decode;
    case TSR_KIND_GIF: return tsri_gif_decode;
    case TSR_KIND_PNM: return tsri_pnm_decode;
    default: return NULL;
    }
}

static tsr_status refuse(tsr_kind kind, const char *name, tsr_error *err)
{
    if (kind == TSR_KIND_EMPTY)
        return tsr_fail(err, TSR_ERR_DATA, "%s: the file is empty", name);
    if (kind == TSR_KIND_UNKNOWN)
        return tsr_fail(err, TSR_ERR_DATA, "%s: not a picture of any kind known here", name);
    if (tsr_kind_class_of(kind) == TSR_CLASS_IMAGE)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: %s pictures are not supported; convert it to png or jpeg",
                        name, tsr_kind_name(kind));
    return tsr_fail(err, TSR_ERR_DATA, "%s: not a picture: the bytes are those of %s", name, tsr_kind_name(kind));
}

tsr_status tsr_image_decode(tsr_image *out, const void *data, size_t len, const char *name,
                            const tsr_image_limits *limits, tsr_error *err)
{
    tsr_kind kind = tsr_kind_of(data, len);
    decode_fn decode = decoder_of(kind);
    tsri_source src = {data, len, name ? name : "picture", tsr_kind_name(kind), tsr_image_limits_default(), 1, err};

    memset(out, 0, sizeof *out);
    if (!decode)
        return refuse(kind, src.name, err);
    if (limits)
        src.limits = *limits;
    tsr_status st = decode(&src, out);
    if (st == TSR_OK)
        st = tsri_image_orient(out, src.orientation, err);
    if (st != TSR_OK)
        tsr_image_deinit(out);
    return st;
}
