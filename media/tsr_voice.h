/* tsr_voice.h: where in a sound somebody may be speaking, told while it comes in.
 *
 * Twenty bands from 100 to 7,600 Hz are each compared with a running noise floor of their own: the least that was
 * there in the last three seconds. Speech is broad, so a frame counts where several bands stand out at once; it
 * begins at one threshold and ends at a lower one. Steady noise becomes floor after three seconds, beeps and tunes
 * of pure tones are too narrow; music of rich instruments and crowds do pass: what is said is the model's to find.
 * In doubt it says yes. */
#ifndef TSR_VOICE_H
#define TSR_VOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TSR_VOICE_RATE = 16000, /* Hz of the samples */
    TSR_VOICE_FRAME = 320   /* samples of a frame: 20 ms */
};

typedef struct tsr_voice_frame {
    bool is_voiced;
    float level_db; /* power of the bands together, of full scale; at least -90 */
} tsr_voice_frame;

typedef struct tsr_voice tsr_voice; /* about 20 kB; one thread at a time */

/* At the start the floor is taken to be silence, so that no beginning is lost. On failure *out is NULL. */
tsr_status tsr_voice_open(tsr_voice **out, tsr_error *err);
void tsr_voice_close(tsr_voice *v); /* NULL is fine */

/* Take n samples, mono, full scale 1, finite. Frame k is about samples [320 k, 320 k + 320) and is told once these are
 * there; later samples don't change it. frames: room for n / 320 + 1; gives how many were filled. */
size_t tsr_voice_push(tsr_voice *v, const float *samples, size_t n, tsr_voice_frame *frames);

#ifdef __cplusplus
}
#endif
#endif
