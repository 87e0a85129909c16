/* detect_out.h: the boxes of all pictures in the forms that other tools read.
 *
 *   jsonl  one box on a line, with its file and the picture's size
 *   coco   {"images", "annotations", "categories"}; bbox is [x, y, width, height] in pixels; points are keypoints
 *   csv    a header, then one box on a line (RFC 4180); of a point x2 and y2 are empty
 *   yolo   files in a folder: for each picture NAME.txt with "class x-center y-center width height" in shares of the
 *          picture, and classes.txt with the names; points can't be written so */
#ifndef TSR_DETECT_OUT_H
#define TSR_DETECT_OUT_H

#include <stdbool.h>

#include "tsr_json.h"

typedef enum tsri_detect_format { TSRI_BOXES_JSON, TSRI_BOXES_JSONL, TSRI_BOXES_COCO, TSRI_BOXES_CSV, TSRI_BOXES_YOLO } tsri_detect_format;

/* NULL is json. TSR_ERR_USAGE with the names there are. */
tsr_status tsri_detect_format_find(tsri_detect_format *out, const char *name, tsr_error *err);

/* `pictures` is the list of detect's whole result (tessera.h); those without "boxes" have failed and are left out.
 * `labels` ("car,bicycle", or NULL) number the categories first, then each label at its first box. *out is the text,
 * terminated, the caller's (tsr_free); of yolo the names of the files that were written into `folder`, which is made
 * when it isn't there. TSR_ERR_USAGE: two pictures would have one file; IO, PERM, NOMEM. */
tsr_status tsri_detect_write(tsri_detect_format format, const tsr_json *pictures, const char *labels, const char *folder,
                             char **out, tsr_error *err);

#endif
