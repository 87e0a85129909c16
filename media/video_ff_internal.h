/* video_ff_internal.h: an open film, shared by video.c (opening, the table of packets) and
 * video_decode.c (the walk through them); video_picture.c makes pictures of decoded frames. */
#ifndef TSR_VIDEO_FF_INTERNAL_H
#define TSR_VIDEO_FF_INTERNAL_H

#include "ff_internal.h"
#include "video_internal.h"

/* One packet of the film's stream, in the container's own order. */
typedef struct tsri_packet {
    int64_t pts, dts, pos; /* pts in the stream's time base; dts or pos AV_NOPTS_VALUE or -1 where unknown */
    bool is_key, is_hidden; /* hidden: needed by others, not shown */
    bool is_picked;
} tsri_packet;

typedef struct tsri_picture_maker {
    struct SwsContext *sws;
    int format, width, height, matrix, range, location; /* what sws was made for */
    unsigned char *rgb;                                 /* [height, stride] scratch */
    size_t rgb_cap;
    tsri_turn turn;
    size_t square_width, square_height; /* upright, of the result */
    size_t max_pixels;
} tsri_picture_maker;

/* out: as facts.width x facts.height. The frame may be of another size than announced. */
tsr_status tsri_picture_make(tsri_picture_maker *m, tsr_image *out, const AVFrame *f, const char *name, tsr_error *err);
void tsri_picture_maker_deinit(tsri_picture_maker *m);

struct tsr_video {
    const tsr_source *src;
    tsr_video_opts opts;
    tsri_ff_limits limits;
    tsr_video_facts facts;

    tsri_packet *packets; /* [n_packets] */
    size_t n_packets, packets_cap;
    uint32_t *shown;   /* [n_shown] packets in order of display */
    int64_t *shown_us; /* [n_shown] */
    size_t n_shown;
    bool has_pts;      /* every packet has a time: frames are told apart by it */
    int64_t origin_us;

    tsr_video_pick *picks;
    size_t n_picks, next_pick;

    /* The walk; zero until the first frame is wanted. */
    tsri_ff_input in;
    AVStream *stream;
    AVCodecContext *codec;
    AVPacket *pkt;
    AVFrame *frame, *current, *ahead; /* current: the newest at or before the pick; ahead: one beyond it */
    int64_t current_pts, ahead_pts;
    bool has_current, has_ahead, current_damaged, ahead_damaged;
    size_t next_packet;  /* place in the table of what the demuxer gives next */
    size_t n_out;        /* frames out of the decoder since the start, for films without times */
    bool drained;
    bool linear;         /* no short cuts any more: decode every frame from the beginning */
    bool no_seek;        /* jumps read on instead of seeking */
    size_t first_damage, last_damage; /* packets since the last good key frame; SIZE_MAX, 0: none */
    size_t first_packet; /* where this run of decoding began */
    tsri_picture_maker maker;
};

/* Picks by time, of the film that the table describes, are moved to scenes: the part is looked through once. */
tsr_status tsri_video_move_to_scenes(tsr_video *v, const tsri_film *film, tsr_error *err);

/* Decode up to the pick; v->current is then its frame. */
tsr_status tsri_video_find(tsr_video *v, const tsr_video_pick *pick, tsr_error *err);
void tsri_video_stop(tsr_video *v); /* free all that the walk holds */

#endif
