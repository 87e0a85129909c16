/* overlay_none.c: stands in for overlay_cairo.c in a build without cairo. */
#include "overlay_internal.h"

bool tsri_overlay_can_draw(void)
{
    return false;
}

tsr_status tsri_overlay_write(const char *path, const tsr_image *picture, const tsri_box *boxes, size_t n,
                              tsr_error *err)
{
    (void)picture, (void)boxes, (void)n;
    return tsri_overlay_check(path, err);
}

tsr_status tsri_captions_write(const char *path, const tsr_image *picture, const tsri_caption *captions, size_t n,
                               tsr_error *err)
{
    (void)picture, (void)captions, (void)n;
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: this build has no cairo, which letters pictures", path);
}
