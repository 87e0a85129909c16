/* boxes.h: the model's answer to "detect" becomes boxes in pixels.
 *
 * Gemma writes a JSON list of {"box_2d": [y1, x1, y2, x2], "label": ...}, mostly in a ```json fence, at times a
 * single object, numbers with fractions, further keys, or {"point": [y, x], "label": ...}; coordinates are
 * thousandths of the picture's height and width. Whatever is put right on the way is told. */
#ifndef TSR_BOXES_H
#define TSR_BOXES_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_json.h"

enum { TSRI_BOX_SCALE = 1000, TSRI_MAX_BOXES = 10000 };

typedef struct tsri_box {
    char *label; /* terminated; "" where the answer gave none */
    size_t label_len;
    bool is_point;
    double given[4]; /* y1, x1, y2, x2 as the answer has them; of a point y, x */
    size_t xyxy[4];  /* pixels: edges x1 < x2 <= width, y1 < y2 <= height; of a point [0, 1] are the pixel's x, y */
    size_t tile;     /* of the picture, from 1, that it was seen in; 0: the whole picture (box_tiles.h) */
} tsri_box;

typedef struct tsri_boxes {
    tsri_box *at;
    size_t n, cap;
    tsr_json *corrections; /* array of strings, without control characters */
} tsri_boxes;

/* Read the boxes of an answer about a picture of width x height > 0. Boxes whose edges are in the wrong order are
 * put in order, coordinates outside 0..1000 are clamped to it; boxes without area, repeated ones (same label, nine
 * tenths in common) and entries that hold no box are left out: each is a line in `corrections`. An empty list is a
 * good answer. TSR_ERR_DATA, with the text (shortened), when the answer is no JSON or nothing in it is a box;
 * TSR_ERR_LIMIT, TSR_ERR_NOMEM. On failure *out is zeroed; else the caller deinits it. */
tsr_status tsri_boxes_parse(tsri_boxes *out, const char *text, size_t len, size_t width, size_t height, tsr_error *err);
void tsri_boxes_deinit(tsri_boxes *b); /* zeroed is fine */

/* Leave out the boxes (not the points) of fewer than `least` pixels, each with a line in `corrections`.
 * TSR_ERR_NOMEM. */
tsr_status tsri_boxes_leave_small(tsri_boxes *b, size_t least, tsr_error *err);

/* One more correction: "THING (LABEL): WHAT", the label escaped and shortened; NULL or empty: it has none. TSR_ERR_NOMEM. */
tsr_status tsri_boxes_tell(tsri_boxes *out, const char *thing, const char *label, size_t label_len, const char *what,
                           tsr_error *err);

/* Pixels of a box. */
double tsri_box_area(const size_t xyxy[4]);
/* Pixels that two boxes have in common. */
double tsri_box_common(const size_t a[4], const size_t b[4]);

/* {"label", "box_2d" as given, "xyxy"}, of a point {"label", "point", "xy"}, with "tile" where there is one; NULL when
 * memory is short. */
tsr_json *tsri_box_json(const tsri_box *b);

#endif
