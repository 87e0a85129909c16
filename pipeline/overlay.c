/* overlay.c: names, sizes, colors and texts of overlays. */
#include "overlay_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_utf8.h"

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    for (size_t i = 0; i < m && n > m; i++) {
        char c = path[n - m + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != end[i])
            return false;
    }
    return n > m;
}

tsri_overlay_kind tsri_overlay_kind_of(const char *path)
{
    return ends_in(path, ".png") ? TSRI_OVERLAY_PNG : ends_in(path, ".svg") ? TSRI_OVERLAY_SVG : TSRI_OVERLAY_NONE;
}

tsr_status tsri_overlay_check(const char *path, tsr_error *err)
{
    if (tsri_overlay_kind_of(path) == TSRI_OVERLAY_NONE)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: an overlay ends in .png or .svg", path);
    if (!tsri_overlay_can_draw())
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: this build has no cairo, which draws overlays", path);
    return TSR_OK;
}

char *tsri_overlay_path(const char *path, size_t i, size_t n)
{
    size_t stem = strlen(path) - 4, room = strlen(path) + 24; /* ".png", ".svg" */
    char *out = n == 1 ? tsr_strdup(path) : tsr_alloc(room);
    if (out && n != 1)
        snprintf(out, room, "%.*s-%zu%s", (int)stem, path, i + 1, path + stem);
    return out;
}

tsri_overlay_style tsri_overlay_style_for(size_t width, size_t height)
{
    double side = sqrt((double)width * (double)height);
    tsri_overlay_style s = {.line = floor(side / 220 + 0.5), .letters = side / 30};
    s.line = s.line < 2 ? 2 : s.line;
    s.casing = s.line < 4 ? 1 : s.line / 4;
    s.letters = s.letters < 11 ? 11 : s.letters;
    if (s.letters > (double)height / 4) /* strips and tiny pictures */
        s.letters = height < 24 ? 6 : (double)height / 4;
    s.pad = s.letters * 0.25;
    return s;
}

/* The palette of Okabe and Ito (2008) without black, told apart with every kind of color vision; neighbours in this
 * order differ in lightness too. */
static const tsri_rgb palette[] = {{230, 159, 0}, {0, 114, 178},  {240, 228, 66}, {213, 94, 0},
                                   {86, 180, 233}, {204, 121, 167}, {0, 158, 115}};
enum { N_COLORS = sizeof palette / sizeof *palette };

tsri_rgb tsri_overlay_color(size_t k, unsigned *dashes)
{
    *dashes = (unsigned)(k / N_COLORS % 3);
    return palette[k % N_COLORS];
}

/* Relative luminance, sRGB. */
static double luminance(tsri_rgb c)
{
    const unsigned char v[] = {c.r, c.g, c.b};
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        double x = v[i] / 255.0;
        sum += weight[i] * (x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4));
    }
    return sum;
}

tsri_rgb tsri_overlay_contrast(tsri_rgb c)
{
    double l = luminance(c);
    bool black = (l + 0.05) / 0.05 > 1.05 / (l + 0.05);
    return black ? (tsri_rgb){0, 0, 0} : (tsri_rgb){255, 255, 255};
}

static bool same_label(const tsri_box *a, const tsri_box *b)
{
    return a->label_len == b->label_len && memcmp(a->label, b->label, a->label_len) == 0;
}

void tsri_overlay_number_labels(size_t *number, const tsri_box *boxes, size_t n)
{
    size_t n_labels = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < i && !same_label(&boxes[i], &boxes[j]))
            j++;
        number[i] = j < i ? number[j] : n_labels++;
    }
}

/* What moves the pen or the direction of text, and what no font has. */
static bool is_drawn(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
           !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff;
}

void tsri_overlay_text(char out[TSRI_OVERLAY_TEXT], const tsri_box *box)
{
    enum { MOST = 40 };
    size_t at = 0, n = 0, len = 0;
    while (at < box->label_len && n < MOST) {
        uint32_t c;
        bool ok;
        size_t step = tsr_utf8_read(box->label + at, box->label_len - at, &c, &ok);
        len += tsr_utf8_write(out + len, !ok ? TSR_UTF8_REPLACEMENT : is_drawn(c) ? c : ' ');
        at += step;
        n++;
    }
    if (at < box->label_len)
        len += tsr_utf8_write(out + len, 0x2026); /* an ellipsis */
    out[len] = '\0';
}
