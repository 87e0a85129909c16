/* video_scenes.h: where a film cuts to another scene, told from small pictures of it, and where frames go so that each scene
 * has one. Plain arithmetic: nothing is opened or decoded here. */
#ifndef TSR_VIDEO_SCENES_H
#define TSR_VIDEO_SCENES_H

#include "tsr_image.h"
#include "video_internal.h"

/* A picture is looked at as TSRI_SCENE_WIDTH x TSRI_SCENE_HEIGHT means of luma and two differences of color. */
enum { TSRI_SCENE_WIDTH = 16, TSRI_SCENE_HEIGHT = 9, TSRI_SCENE_CELLS = TSRI_SCENE_WIDTH * TSRI_SCENE_HEIGHT };
#define TSRI_SCENE_STEP_US INT64_C(200000) /* between the pictures that are looked at */

typedef struct tsri_scene_look {
    float cell[TSRI_SCENE_CELLS][3]; /* Y, B - Y, R - Y; full scale is 255 */
    int64_t time_us;
} tsri_scene_look;

/* RGB of any size becomes a look. */
void tsri_scene_look_at(tsri_scene_look *out, const tsr_image *img, int64_t time_us);

typedef struct tsri_scene_cut {
    int64_t time_us; /* of the first picture behind it */
    double strength; /* difference of the pictures around it, 0 to 255 */
} tsri_scene_cut;

/* Three looks are kept, whatever the film's length. Zeroed is new. */
typedef struct tsri_scene_finder {
    tsri_scene_look before, now; /* the last but one, the last */
    size_t n;                    /* looks so far */
    double step_before, step;    /* difference from the one before to `before`, and from `before` to `now` */
    double level;                /* running mean of the steps inside of scenes */
    bool waits;                  /* for the picture to come to rest after a cut */
    int64_t last_cut_us;
    bool has_cut;
} tsri_scene_finder;

/* The next look, in order of time. True: the one before it, `*cut`, is the first of another scene. It is where the picture
 * changes at once, more than at any time near it (a fade does so in many small steps), by much more than inside the scene
 * (the running level), stays changed (a flash does not), had come to rest since the last cut, and is not within a second of
 * that one. */
bool tsri_scene_push(tsri_scene_finder *f, const tsri_scene_look *look, tsri_scene_cut *cut);

/* Frames are never further apart than this many fixed steps. */
enum { TSRI_SCENE_GAP = 2 };

/* n moments of [begin, end) in order, at begin, cuts, and between them: as many of the strongest cuts as leave no gap of more than
 * TSRI_SCENE_GAP times (end - begin) / n, also to the end; what is left over goes where gaps are longest. cuts [n_cuts] are in
 * order of time; those outside of the part don't count. n >= 1. moments_us: [n], the caller's. */
tsr_status tsri_scene_place(int64_t *moments_us, size_t n, int64_t begin_us, int64_t end_us, const tsri_scene_cut *cuts,
                            size_t n_cuts, tsr_error *err);

#endif
