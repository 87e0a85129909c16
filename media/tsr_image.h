/* tsr_image.h: picture files become plain 8-bit RGB, and RGB is resized.
 *
 * Everything here is pure: no globals, any thread, nothing but the arguments. */
#ifndef TSR_IMAGE_H
#define TSR_IMAGE_H

#include <stddef.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A picture: rgb is [height, width, 3], 0-255, rows without padding, top row first, already
 * turned upright by its EXIF orientation, transparency composited onto white. */
typedef struct tsr_image {
    size_t width, height;
    unsigned char *rgb; /* tsr_alloc'ed; freed by tsr_image_deinit */
} tsr_image;

typedef struct tsr_image_limits {
    size_t max_side;    /* pixels; default 65,535 */
    size_t max_pixels;  /* default 178,956,970, as Pillow's bomb limit; checked before memory is taken */
} tsr_image_limits;

tsr_image_limits tsr_image_limits_default(void);

/* Decode one picture from memory: JPEG, PNG, WebP, BMP, TGA, GIF, PNM; of an animation the first frame.
 * The pixels are those of Pillow 13 (convert("RGB"), with transparency alpha_composite onto white), but
 * that grey of 16 bits keeps its high byte. `name` stands in errors; `limits` NULL: the defaults.
 * TSR_ERR_DATA: no picture, damaged or truncated; TSR_ERR_LIMIT: too large; TSR_ERR_UNSUPPORTED: a kind
 * that is known but not read (HEIC, AVIF, TIFF, ... by name). On failure *out is zeroed. */
tsr_status tsr_image_decode(tsr_image *out, const void *data, size_t len, const char *name,
                            const tsr_image_limits *limits, tsr_error *err);
void tsr_image_deinit(tsr_image *img); /* zeroed is fine; leaves it zeroed */

/* Antialiased bicubic (a = -0.5), bit for bit as Pillow's 8-bit resize. dst is zeroed or deinit'ed
 * before; equal sizes copy. */
tsr_status tsr_image_resize(tsr_image *dst, const tsr_image *src, size_t width, size_t height, tsr_error *err);

/* The size to which a picture is fitted: each side a multiple of patch * pool, at most max_tokens
 * cells of (patch * pool)^2 pixels, aspect kept, small ones scaled up (MODEL.md, "Fitting a picture").
 * TSR_ERR_DATA when no such size exists (extreme aspect). *n_tokens receives the number of cells. */
tsr_status tsr_image_fit(size_t *out_width, size_t *out_height, size_t *n_tokens, size_t width, size_t height,
                         size_t patch, size_t pool, size_t max_tokens, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
