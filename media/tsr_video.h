/* tsr_video.h: a film becomes a few pictures, each with its time.
 *
 * Opening plans: it reads the container through (demuxing only, nothing is decoded) and so knows every
 * frame's time, which of them will be picked, and the size they will have. Frames are then decoded
 * one at a time. Read are mp4, mov, 3gp, mkv, webm, avi, ogg and mpeg-ts; in the last, recordings begin
 * anywhere, and are shown from the first key frame on, which stands for the moments before it. A tsr_video
 * belongs to one thread at a time; its source must outlive it.
 *
 * Time 0 is the film's first frame; a frame is on show from its time stamp until the next one's, so
 * variable frame rates need nothing special. */
#ifndef TSR_VIDEO_H
#define TSR_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_image.h"
#include "tsr_source.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which frames. Three ways, which exclude each other (TSR_ERR_USAGE):
 * - by time, the default: the frame on show at t = start + k / fps for every such t before the end;
 * - n_frames: at most that many moments start + i * (end - start) / n, n at most the number of
 *   frames on show in that part;
 * - hf: the reference's sampler: of all N frames those numbered floor(i * N / n), n = n_frames or 32 and at
 *   most N, at the times number / average frame rate (24 where unknown). Takes no start or end. */
typedef struct tsr_video_opts {
    double fps;        /* frames per second to pick; 0: 1 */
    size_t n_frames;   /* 0: by time */
    bool hf;
    bool scenes;       /* as many as by time, but where scenes begin, no two further apart than twice the step, also to the
                        * end: the part is decoded once to find the cuts. Not with n_frames, hf */
    int64_t start_us;  /* default 0 */
    int64_t end_us;    /* negative, the default: the film's end; later than that means the same */

    bool decode_all;     /* decode every frame, without short cuts: slower, the same pictures */
    uint64_t seek_bytes; /* shorter gaps are read through instead of seeked over; default 4 MiB */

    size_t max_frames;    /* picked; default 512 */
    size_t max_pixels;    /* of one frame, before and after scaling to square pixels; default 178,956,970 */
    double max_seconds;   /* of the whole film; default 86,400 */
    uint64_t max_bytes;   /* of the source; default 64 GiB */
    uint64_t max_packets; /* of the film's stream; default 4,000,000 */
    unsigned timeout_ms;  /* for each call; default 120,000; 0: none */
    bool (*stop)(void *stop_user); /* asked now and then, twenty times a second at most, by the thread that calls; true ends
                                    * the call with TSR_ERR_CANCELLED. NULL, the default: nobody is asked */
    void *stop_user;
} tsr_video_opts;

tsr_video_opts tsr_video_opts_default(void);

typedef struct tsr_video_facts {
    char container[16], codec[32]; /* "mp4", "h264" */
    size_t width, height;             /* of the pictures: upright, square pixels */
    size_t coded_width, coded_height; /* as stored */
    unsigned turned;     /* degrees clockwise by which frames are turned upright: 0, 90, 180, 270 */
    bool mirrored;       /* and mirrored left to right after that */
    double pixel_aspect; /* width / height of a stored pixel */
    int64_t duration_us; /* from time 0 to the end of the last frame */
    double fps;          /* average, by the header; 0 unknown */
    size_t n_frames;     /* that the film holds */
    size_t n_cuts;       /* scenes: cuts found in the part that is used */
    bool has_audio;
} tsr_video_facts;

/* A frame to be decoded. Times never decrease from pick to pick; neighbours may show the same frame. */
typedef struct tsr_video_pick {
    size_t frame;     /* its number in order of display, from 0 */
    int64_t shown_us; /* when it comes on show */
    int64_t time_us;  /* the moment that was asked for: what a prompt's time stamp is made from */
    double time_s;    /* the same moment in seconds, unrounded */
} tsr_video_pick;

typedef struct tsr_video tsr_video;

/* Open and plan; opts NULL: the defaults. TSR_ERR_DATA: damaged, cut short (as far as that can be known)
 * or without moving pictures (cover pictures are none); TSR_ERR_UNSUPPORTED: a container or codec that
 * is not read, by name; TSR_ERR_LIMIT; TSR_ERR_USAGE: options that contradict each other or the film;
 * TSR_ERR_BUSY: out of time; TSR_ERR_CANCELLED: stopped. On failure *out is NULL. */
tsr_status tsr_video_open(tsr_video **out, const tsr_source *src, const tsr_video_opts *opts, tsr_error *err);
void tsr_video_close(tsr_video *v); /* NULL is fine */

const tsr_video_facts *tsr_video_get_facts(const tsr_video *v);
/* [*n], *n >= 1; lives as long as the film. */
const tsr_video_pick *tsr_video_get_picks(const tsr_video *v, size_t *n);

/* Decode the next pick into *out (zeroed or deinit'ed before; the caller deinits it): RGB by the stream's
 * own matrix and range (unmarked: BT.601 below 720 lines, else BT.709), alpha ignored, upright, of
 * facts.width x facts.height. *end is set, and nothing decoded, when all are done. TSR_ERR_DATA when
 * the picture or what it is predicted from is damaged. After a failure only close is of use. */
tsr_status tsr_video_next(tsr_video *v, tsr_image *out, bool *end, tsr_error *err);

/* What a file holds, by its headers alone. */
typedef struct tsr_media_facts {
    char container[16];
    bool has_audio, has_video;
    char audio_codec[32], video_codec[32]; /* "" where there is none */
    int64_t audio_us, video_us;            /* by the headers; -1 unknown or none */
} tsr_media_facts;

tsr_status tsr_media_probe(tsr_media_facts *out, const tsr_source *src, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
