/* patches.c: pictures cut into patch vectors. */
#include "tsr_patches.h"

#include "tsr_alloc.h"

tsr_pixel_values tsr_pixel_values_unit(void)
{
    tsr_pixel_values v;
    for (unsigned i = 0; i < 256; i++)
        v.of[i] = (float)i / 255.0f;
    return v;
}

tsr_pixel_values tsr_pixel_values_signed(void)
{
    tsr_pixel_values v = tsr_pixel_values_unit();
    for (unsigned i = 0; i < 256; i++)
        v.of[i] = 2.0f * (v.of[i] - 0.5f);
    return v;
}

static void cut_one(float *out, const tsr_image *img, size_t x, size_t y, size_t patch, const tsr_pixel_values *values)
{
    for (size_t r = 0; r < patch; r++) {
        const unsigned char *src = img->rgb + ((y + r) * img->width + x) * 3;
        for (size_t i = 0; i < patch * 3; i++)
            out[i] = values->of[src[i]];
        out += patch * 3;
    }
}

tsr_status tsr_patches_cut(float *out, size_t cap, const tsr_image *img, size_t patch, const tsr_pixel_values *values,
                           tsr_error *err)
{
    size_t n = 0;
    if (patch == 0 || img->width == 0 || img->height == 0 || img->width % patch != 0 || img->height % patch != 0)
        return tsr_fail(err, TSR_ERR_USAGE, "patches: a picture of %zu x %zu is not made of patches of %zu", img->width,
                        img->height, patch);
    if (!tsr_mul_size(&n, img->width, img->height) || !tsr_mul_size(&n, n, 3) || n > cap)
        return tsr_fail(err, TSR_ERR_LIMIT, "patches: %zu x %zu pixels do not fit into %zu values", img->width,
                        img->height, cap);
    for (size_t y = 0; y < img->height; y += patch) {
        for (size_t x = 0; x < img->width; x += patch) {
            cut_one(out, img, x, y, patch, values);
            out += patch * patch * 3;
        }
    }
    return TSR_OK;
}
