/* audio_internal.h: what makes the samples behind tsr_audio.h, a piece at each call: a container that FFmpeg reads
 * (audio.c), or bytes that are still coming in (audio_live.c). audio_stream.c hands them out. */
#ifndef TSR_AUDIO_INTERNAL_H
#define TSR_AUDIO_INTERNAL_H

#include <stdbool.h>

#include "resample_internal.h"
#include "tsr_audio.h"

typedef struct tsri_sound_maker {
    /* Append some samples to *out (perhaps none); *end when there will be no more. The last call may shorten *out by
     * up to `hold` samples, so these are not handed out before the end. */
    tsr_status (*more)(void *self, tsri_samples *out, bool *end, tsr_error *err);
    void (*close)(void *self);
    void *self; /* NULL: nothing to close */
    size_t hold;
} tsri_sound_maker;

tsr_status tsri_audio_check_opts(const tsr_audio_opts *o, tsr_error *err);

/* Fill *m and *facts, whose place must not change: rate, channels and start come with the first samples.
 * `each_call`: the deadline is for each piece, else for all. On failure there is nothing to close. */
tsr_status tsri_sound_from_file(tsri_sound_maker *m, tsr_audio_facts *facts, const tsr_source *src,
                                const tsr_audio_opts *opts, bool each_call, tsr_error *err);

/* The same for bytes that come in: samples as they are (raw_rate > 0) or a WAV. Another kind of file is read whole into
 * memory, at most max_spool bytes, and goes the way of a file. */
tsr_status tsri_sound_from_reader(tsri_sound_maker *m, tsr_audio_facts *facts, const tsr_audio_reader *reader,
                                  unsigned raw_rate, size_t max_spool, const tsr_audio_opts *opts, tsr_error *err);

enum { TSRI_MAX_RATE = 768000, TSRI_MAX_CHANNELS = 64 };

/* "NAME: 31.00 s of sound, the limit is 30 s". */
tsr_status tsri_audio_too_long(const char *name, double seconds, bool is_known, double limit, tsr_error *err);

#endif
