/* ff_internal.h: FFmpeg behind one door. A container is opened from a source of ours, with one
 * demuxer chosen by us, decoders from one table, no protocol, and a deadline.
 *
 * Included by ff_input.c, audio.c, video*.c and nothing else: no FFmpeg type goes further. */
#ifndef TSR_FF_INTERNAL_H
#define TSR_FF_INTERNAL_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container_internal.h"
#include "tsr_source.h"

typedef struct tsri_ff_limits {
    uint64_t max_bytes;   /* of the source */
    uint64_t max_packets; /* taken from the container since it was opened */
    size_t max_pixels;    /* of one decoded frame */
    unsigned timeout_ms;  /* from tsri_ff_begin on; 0: none */
    bool (*stop)(void *stop_user); /* as in tsr_video_opts */
    void *stop_user;
} tsri_ff_limits;

typedef struct tsri_ff_input {
    const tsr_source *src;
    const char *name; /* the source's, for messages */
    tsri_container container;
    tsri_ff_limits limits;
    AVFormatContext *fmt;
    uint64_t at;           /* read position of our I/O callback */
    int64_t deadline_ns;   /* 0: none */
    int64_t asked_ns;      /* when `stop` was asked last */
    bool timed_out, stopped;
    uint64_t n_packets;
    tsr_error io_error;    /* the source's own failure, which FFmpeg only knows as a number */
} tsri_ff_input;

/* Open the container and find out about its streams. *in is the caller's memory, whose address must
 * not change until tsri_ff_close; on failure it is closed. */
tsr_status tsri_ff_open(tsri_ff_input *in, const tsr_source *src, const tsri_ff_limits *limits, tsr_error *err);
void tsri_ff_close(tsri_ff_input *in); /* zeroed is fine */

/* The clock of the deadline starts anew. */
void tsri_ff_begin(tsri_ff_input *in);
tsr_status tsri_ff_check_time(tsri_ff_input *in, tsr_error *err);

/* Turn an FFmpeg error number into a status: "NAME: WHAT: reason". */
tsr_status tsri_ff_fail(tsri_ff_input *in, int av_error, const char *what, tsr_error *err);

/* The stream to use: the one marked as default, else the first; cover pictures and thumbnails are no
 * film. NULL when there is none of this type. */
AVStream *tsri_ff_find_stream(const tsri_ff_input *in, enum AVMediaType type);
/* Demux nothing but this stream. */
void tsri_ff_select(tsri_ff_input *in, const AVStream *stream);

/* A decoder from the table for the stream, opened on one thread. `err_recognition` as FFmpeg's.
 * TSR_ERR_UNSUPPORTED names the codec. The caller frees it with avcodec_free_context. */
tsr_status tsri_ff_open_decoder(AVCodecContext **out, tsri_ff_input *in, const AVStream *stream, int err_recognition,
                                tsr_error *err);
const char *tsri_ff_codec_name(const AVStream *stream);

/* The next packet of the selected stream, in pkt (unreferenced before). *end is set when there is no
 * more. A packet that the demuxer knows to be cut is TSR_ERR_DATA. */
tsr_status tsri_ff_read(tsri_ff_input *in, const AVStream *stream, AVPacket *pkt, bool *end, tsr_error *err);

/* TSR_ERR_DATA when the container's table of this stream's packets points beyond the end of the file. */
tsr_status tsri_ff_check_index(const tsri_ff_input *in, AVStream *stream, tsr_error *err);

/* Microseconds of a stream by the headers; the container's length counts where it holds one stream.
 * -1 when they don't say or when it is only estimated from the bit rate. */
int64_t tsri_ff_duration_us(const tsri_ff_input *in, const AVStream *stream);

/* The time stamp that is 0:00 of the file, in microseconds, for pictures and sound alike: that of a film's
 * first frame, so that the k-th second begins with frame k * rate also where encoder delay lets the sound
 * begin some milliseconds earlier; without a film the container's start, at least zero. */
int64_t tsri_ff_origin_us(const tsri_ff_input *in);

#endif
