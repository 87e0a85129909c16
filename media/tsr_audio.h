/* tsr_audio.h: the sound of a file becomes mono samples at one rate.
 *
 * Read are wav, aiff, caf, au, mp3, flac, ogg, aac, amr and the sound of mp4, mov, 3gp, mkv, webm and
 * avi. Pure but for FFmpeg's log, which is silenced for the whole process at the first use. Any
 * thread; one call has one thread. */
#ifndef TSR_AUDIO_H
#define TSR_AUDIO_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_audio_opts {
    unsigned sample_rate;  /* of the result, Hz; default 16,000 */
    int64_t start_us;      /* the part to keep, on the file's own time line; default 0 */
    int64_t end_us;        /* negative, the default: to the end */
    double max_seconds;    /* of the part that is kept; default 30 */
    uint64_t max_bytes;    /* of the source; default 8 GiB */
    uint64_t max_packets;  /* default 8,000,000 */
    unsigned timeout_ms;   /* for the whole call; default 120,000; 0: none */
} tsr_audio_opts;

tsr_audio_opts tsr_audio_opts_default(void);

/* What the file holds, before mixing and resampling. */
typedef struct tsr_audio_facts {
    char container[16], codec[32]; /* "wav", "pcm_s16le" */
    unsigned sample_rate, channels;
    int64_t duration_us; /* of the whole sound by the headers, -1 unknown */
} tsr_audio_facts;

typedef struct tsr_audio {
    float *samples; /* [n_samples] mono, full scale is 1; freed by tsr_audio_deinit */
    size_t n_samples;
    unsigned sample_rate;
    tsr_audio_facts source;
} tsr_audio;

/* Decode the file's sound: the mean of the channels, then resampled where the rates differ, to
 * round(n * sample_rate / source rate) samples. At equal rates 16-bit samples are exactly s / 32768.
 * Never a silent cut: a sound longer than max_seconds is TSR_ERR_LIMIT, told from the header where that
 * is possible. TSR_ERR_DATA: damaged, cut short (as far as the format lets it be known) or without
 * sound; TSR_ERR_UNSUPPORTED: a container or codec that is not read, by name; TSR_ERR_BUSY: out of time.
 * On failure *out is zeroed. */
tsr_status tsr_audio_decode(tsr_audio *out, const tsr_source *src, const tsr_audio_opts *opts, tsr_error *err);
void tsr_audio_deinit(tsr_audio *a); /* zeroed is fine; leaves it zeroed */

#ifdef __cplusplus
}
#endif
#endif
