/* container_internal.h: which container a source is, judged by its bytes, and whether its outermost
 * structure is all there. Knows no decoder library. */
#ifndef TSR_CONTAINER_INTERNAL_H
#define TSR_CONTAINER_INTERNAL_H

#include <stdbool.h>

#include "tsr_kind.h"
#include "tsr_source.h"

/* A container that is read. */
typedef struct tsri_container {
    tsr_kind kind;
    const char *name;    /* "wav"; for messages and facts */
    const char *demuxer; /* FFmpeg's name of the one demuxer that may open it */
} tsri_container;

/* Find the container. TSR_ERR_DATA for an empty file, TSR_ERR_UNSUPPORTED naming the kind for all that
 * is not in the table (pictures, text and playlists among them). */
tsr_status tsri_container_find(tsri_container *out, const tsr_source *src, tsr_error *err);

/* TSR_ERR_DATA when the file's own structure says that it is longer than it is, or that its index is
 * missing. What cannot be seen from outside (a live recording without sizes, an MP3 stream cut
 * between two frames) passes. */
tsr_status tsri_container_check_whole(const tsri_container *c, const tsr_source *src, tsr_error *err);

/* Bytes of the MPEG audio frame that this header starts; 0 when it is none or has a free bit rate. */
size_t tsri_mpeg_audio_frame_bytes(const unsigned char header[4]);

#endif
