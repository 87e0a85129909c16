/* overlay_internal.h: what overlays need before anything is drawn. */
#ifndef TSR_OVERLAY_INTERNAL_H
#define TSR_OVERLAY_INTERNAL_H

#include "overlay.h"

typedef enum tsri_overlay_kind { TSRI_OVERLAY_NONE, TSRI_OVERLAY_PNG, TSRI_OVERLAY_SVG } tsri_overlay_kind;

tsri_overlay_kind tsri_overlay_kind_of(const char *path); /* by the end of its name, in any case of letters */

bool tsri_overlay_can_draw(void); /* this build has cairo */

/* Line width, size of letters and gaps for a picture, in pixels. */
typedef struct tsri_overlay_style {
    double line, casing, letters, pad;
} tsri_overlay_style;

tsri_overlay_style tsri_overlay_style_for(size_t width, size_t height);

typedef struct tsri_rgb {
    unsigned char r, g, b;
} tsri_rgb;

/* The color and the dashes (0: none; 1, 2) of the k-th label: seven colors, then the same ones dashed. */
tsri_rgb tsri_overlay_color(size_t k, unsigned *dashes);
/* Black or white, whichever stands out more from `c`. */
tsri_rgb tsri_overlay_contrast(tsri_rgb c);

/* The number of each box's label, counted from 0 in the order in which labels first come up: [n]. */
void tsri_overlay_number_labels(size_t *number, const tsri_box *boxes, size_t n);

/* A label's text as it is drawn: without control characters, at most 40 characters. Terminated UTF-8. */
enum { TSRI_OVERLAY_TEXT = 176 };
void tsri_overlay_text(char out[TSRI_OVERLAY_TEXT], const tsri_box *box);

/* Where a label goes. */
typedef struct tsri_label {
    double width, height; /* given; width 0: nothing to place */
    double x, y;          /* found: its upper left corner */
    bool is_far;          /* it doesn't touch its box: a line should lead there */
} tsri_label;

/* Place the labels of boxes, in their order: at the box, within the picture, clear of all labels placed before and of
 * other boxes as far as can be; else nearby; else on others, where there is no room. */
tsr_status tsri_overlay_place(tsri_label *labels, const tsri_box *boxes, size_t n, size_t width, size_t height,
                              const tsri_overlay_style *style, tsr_error *err);

/* A line of text on a picture: where its baseline begins, and the size of its letters, in pixels. */
typedef struct tsri_caption {
    double x, y, letters;
    char text[TSRI_OVERLAY_TEXT];
} tsri_caption;

/* Letter a picture in a light color and write it as a PNG, whole or not at all. Statuses as of tsri_overlay_write. */
tsr_status tsri_captions_write(const char *path, const tsr_image *picture, const tsri_caption *captions, size_t n,
                               tsr_error *err);

#endif
