/* tsr_audio.h: the sound of a file becomes mono samples at one rate, at once or piece by piece.
 *
 * Read are wav, aiff, caf, au, mp3, flac, ogg, aac, amr and the sound of mp4, mov, 3gp, mkv, webm, avi
 * and mpeg-ts. Pure but for FFmpeg's log, which is silenced for the whole process at the first use. Any
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
    unsigned timeout_ms;   /* for the whole decoding, of a stream for each piece; default 120,000; 0: none */
} tsr_audio_opts;

tsr_audio_opts tsr_audio_opts_default(void);

/* What the file holds, before mixing and resampling. */
typedef struct tsr_audio_facts {
    char container[16], codec[32]; /* "wav", "pcm_s16le" */
    unsigned sample_rate, channels;
    int64_t duration_us; /* of the whole sound by the headers, -1 unknown */
    int64_t start_us;    /* of the first sample on the file's time line (0:00 is the first frame of a film), as its time
                          * stamps have it: 0 or near it in most files */
    size_t n_holes;      /* so far: places where the time stamps of MP4, MOV, 3GP, Matroska and WebM jump ahead, by more than */
    int64_t hole_us;     /* 0.1 s; silence stands there, this long in all, so that what comes later keeps its time */
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

/* ---- piece by piece ---- */

typedef struct tsr_audio_stream tsr_audio_stream; /* one thread at a time */

/* The same samples in pieces, as they are asked for: memory does not grow with the length of the sound. src must
 * outlive the stream. Statuses as of tsr_audio_decode; what the header cannot tell comes from tsr_audio_stream_read.
 * On failure *out is NULL. */
tsr_status tsr_audio_stream_open(tsr_audio_stream **out, const tsr_source *src, const tsr_audio_opts *opts,
                                 tsr_error *err);

/* Bytes that come in while they are read. */
typedef struct tsr_audio_reader {
    /* Wait for at least one byte and put up to n > 0 into buf: how many; 0 at the end; TSR_READ_FAILED when they
     * cannot be had; TSR_READ_STOPPED when no more are wanted, which is an end that is not held against the sound. */
    ptrdiff_t (*read)(void *user, void *buf, size_t n);
    void *user;
    const char *name; /* for messages; must outlive the stream */
} tsr_audio_reader;

enum { TSR_READ_FAILED = -1, TSR_READ_STOPPED = -2 };

/* A stream of what *reader gives (copied). raw_rate > 0: 16-bit samples, little-endian, mono, at that rate. 0: a
 * file; a WAV of plain samples is decoded while it comes in, whatever size its header claims; all else is read to
 * its end first: TSR_ERR_LIMIT beyond max_spool bytes. TSR_ERR_IO when reading fails. opts: start_us and end_us are
 * not for bytes that come in (TSR_ERR_USAGE). */
tsr_status tsr_audio_stream_open_live(tsr_audio_stream **out, const tsr_audio_reader *reader, unsigned raw_rate,
                                      size_t max_spool, const tsr_audio_opts *opts, tsr_error *err);
void tsr_audio_stream_close(tsr_audio_stream *s); /* NULL is fine */

/* Facts so far; start_us is known once samples have come. Lives as long as the stream. */
const tsr_audio_facts *tsr_audio_stream_facts(const tsr_audio_stream *s);

/* The next samples, up to cap > 0 of them into samples (the caller's); *n receives how many, fewer than cap where
 * waiting for more would hold them back; 0 only at the end. A failure comes after all samples before it were given,
 * and stays. */
tsr_status tsr_audio_stream_read(tsr_audio_stream *s, float *samples, size_t cap, size_t *n, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
