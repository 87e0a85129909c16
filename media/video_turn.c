/* video_turn.c: frames are stored as the camera was held; the display matrix says how they are shown.
 * A stored point (x, y) is shown at (a x + c y, b x + d y) with [a b; c d] the matrix's corner. */
#include <string.h>

#include "video_internal.h"

static int64_t magnitude(int32_t v)
{
    return v < 0 ? -(int64_t)v : v;
}

tsri_turn tsri_turn_of_matrix(const int32_t m[9])
{
    tsri_turn t = {false, false, false};
    if (!m)
        return t;
    int32_t a = m[0], b = m[1], c = m[3], d = m[4];
    t.transpose = magnitude(b) + magnitude(c) > magnitude(a) + magnitude(d);
    t.flip_x = t.transpose ? c < 0 : a < 0;
    t.flip_y = t.transpose ? b < 0 : d < 0;
    return t;
}

void tsri_turn_rgb(unsigned char *dst, const unsigned char *src, size_t width, size_t height, size_t stride,
                   tsri_turn t)
{
    size_t w = t.transpose ? height : width, h = t.transpose ? width : height;
    for (size_t y = 0; y < h; y++) {
        size_t v = t.flip_y ? h - 1 - y : y;
        if (!t.transpose && !t.flip_x) {
            memcpy(dst, src + v * stride, w * 3);
            dst += w * 3;
            continue;
        }
        for (size_t x = 0; x < w; x++, dst += 3) {
            size_t u = t.flip_x ? w - 1 - x : x;
            memcpy(dst, src + (t.transpose ? u : v) * stride + (t.transpose ? v : u) * 3, 3);
        }
    }
}
