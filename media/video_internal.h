/* video_internal.h: the parts of a film's life: the plan (video_plan.c, plain arithmetic), the table of
 * packets (video.c), the decoder's walk (video_decode.c), the picture (video_picture.c). */
#ifndef TSR_VIDEO_INTERNAL_H
#define TSR_VIDEO_INTERNAL_H

#include "tsr_video.h"

/* ---- the plan ---- */

typedef struct tsri_film {
    const char *name;        /* for messages */
    const int64_t *shown_us; /* [n_frames] when each frame comes on show, never decreasing */
    size_t n_frames;         /* >= 1 */
    int64_t end_us;          /* of the last frame */
    int64_t slack_us;        /* how far rounding of the container's clock may have moved a time */
    double fps;              /* average, 0 unknown */
} tsri_film;

/* *picks is the caller's (tsr_free). */
tsr_status tsri_video_plan(tsr_video_pick **picks, size_t *n_picks, const tsri_film *film, const tsr_video_opts *opts,
                           tsr_error *err);
/* The frame on show at a moment, which is kept as it was asked for. */
tsr_video_pick tsri_video_pick_at(const tsri_film *film, double t_us);
/* What can be refused without knowing the film. */
tsr_status tsri_video_check_opts(const tsr_video_opts *opts, tsr_error *err);

/* ---- upright pictures ---- */

/* How a stored frame becomes an upright one: transposed (rows become columns) first, then mirrored. */
typedef struct tsri_turn {
    bool transpose, flip_x, flip_y;
} tsri_turn;

/* The nearest of the eight turns that a display matrix (16.16 fixed point, as MP4 stores it) asks for.
 * NULL is upright. */
tsri_turn tsri_turn_of_matrix(const int32_t m[9]);

/* dst [h', w', 3] without gaps := src [h, w, 3] with rows of `stride` bytes, turned. */
void tsri_turn_rgb(unsigned char *dst, const unsigned char *src, size_t width, size_t height, size_t stride,
                   tsri_turn turn);

#endif
