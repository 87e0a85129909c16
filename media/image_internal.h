/* image_internal.h: what the picture decoders share. A decoder turns the bytes of one source into a
 * tsr_image of plain RGB, blended onto white, not yet turned upright; image.c calls it and cleans up. */
#ifndef TSR_IMAGE_INTERNAL_H
#define TSR_IMAGE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_image.h"

/* One file in memory. Lives on the stack of tsr_image_decode. */
typedef struct tsri_source {
    const unsigned char *data;
    size_t len;
    const char *name;   /* the file, for errors */
    const char *format; /* "jpeg", for errors */
    tsr_image_limits limits;
    unsigned orientation; /* EXIF 1-8, set by the decoder; 1 = upright */
    tsr_error *err;
} tsri_source;

/* "NAME: FORMAT: ..." recorded with status `st`, which is returned. */
tsr_status tsri_source_fail(const tsri_source *src, tsr_status st, const char *fmt, ...) TSR_PRINTF(3, 4);

/* Check a size against the limits: both sides at least 1. */
tsr_status tsri_source_check_size(const tsri_source *src, size_t width, size_t height);

/* Check the size and take the memory for it; the pixels are not set. */
tsr_status tsri_source_begin(const tsri_source *src, tsr_image *out, size_t width, size_t height);

/* Decoders: *out is zeroed before; on failure it may hold memory, which the caller frees. */
tsr_status tsri_jpeg_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_png_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_webp_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_bmp_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_tga_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_gif_decode(tsri_source *src, tsr_image *out);
tsr_status tsri_pnm_decode(tsri_source *src, tsr_image *out);

/* The Orientation tag of a TIFF block, with or without "Exif\0\0" before it: 1-8, or 0 when the block
 * has no tag 0x0112. Any other value of the tag reads as 1. Never reads past len. */
unsigned tsri_exif_orientation(const unsigned char *data, size_t len);

/* The same from an XMP packet (tiff:Orientation); 0 when there is none. */
unsigned tsri_xmp_orientation(const unsigned char *data, size_t len);

/* Turn a picture upright in place of its old pixels. */
tsr_status tsri_image_orient(tsr_image *img, unsigned orientation, tsr_error *err);

static inline unsigned tsri_le16(const unsigned char *p)
{
    return (unsigned)p[1] << 8 | p[0];
}

static inline uint32_t tsri_le32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline unsigned tsri_be16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t tsri_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void tsri_put_rgb(unsigned char *dst, unsigned char r, unsigned char g, unsigned char b)
{
    dst[0] = r;
    dst[1] = g;
    dst[2] = b;
}

/* One value over white: the alpha composition of Pillow with an opaque white ground, whose colours
 * carry 7 fraction bits through a rounded division by 255. */
static inline unsigned char tsri_over_white(unsigned char value, unsigned char alpha)
{
    uint32_t front = (uint32_t)alpha * 128, sum = value * front + 255 * (255 * 128 - front) + (128 << 7);
    return (unsigned char)((((sum >> 8) + sum) >> 8) >> 7);
}

static inline void tsri_put_rgba(unsigned char *dst, unsigned char r, unsigned char g, unsigned char b,
                                 unsigned char a)
{
    if (a == 0)
        tsri_put_rgb(dst, 255, 255, 255);
    else
        tsri_put_rgb(dst, tsri_over_white(r, a), tsri_over_white(g, a), tsri_over_white(b, a));
}

#endif
