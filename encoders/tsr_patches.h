/* tsr_patches.h: a fitted picture becomes patch vectors (MODEL.md, "Patches"). */
#ifndef TSR_PATCHES_H
#define TSR_PATCHES_H

#include <stddef.h>

#include "tsr_image.h"
#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a byte of a picture stands for. */
typedef struct tsr_pixel_values {
    float of[256];
} tsr_pixel_values;

/* x/255 in f32. The reference's picture path (Pillow's: f64 product with 1/255, rounded to f32) and its
 * film path (f32 division) give these same bits for all 256 bytes; its torchvision path multiplies in f32
 * and so differs in the last bit of 126 of them. */
tsr_pixel_values tsr_pixel_values_unit(void);
/* 2 (x/255 - 0.5) in f32: what the towers see. */
tsr_pixel_values tsr_pixel_values_signed(void);

/* Cut a picture into patches of patch x patch pixels, row-major over the picture. out: [n_patches,
 * patch * patch * 3], the caller's; each vector is ordered (row in patch, column in patch, channel). Both
 * sides of the picture must be multiples of patch (TSR_ERR_USAGE), cap counts the floats of out
 * (TSR_ERR_LIMIT). Pure; any thread. */
tsr_status tsr_patches_cut(float *out, size_t cap, const tsr_image *img, size_t patch, const tsr_pixel_values *values,
                           tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
