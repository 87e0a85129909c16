/* dump.h: every rung of a request as .npy files in one folder, for comparison with the reference.
 *
 * prompt_ids int32 [n]; for media part K in the order given: partK_pixels uint8 [h, w, 3] (a film:
 * [n, h, w, 3]), partK_mel f32 [frames, mels] (encoder-free: [n, 640] samples), partK_rows f32 [tokens,
 * hidden]; logits f32 [positions, vocab]; token_ids int32 [n]. */
#ifndef TSR_DUMP_H
#define TSR_DUMP_H

#include "media_part.h"
#include "tsr_npy.h"

typedef struct tsri_dump {
    const char *dir; /* NULL: every call does nothing */
    tsr_npy_writer *logits;
    size_t vocab;
} tsri_dump;

/* Make the folder, parents included. dir may be NULL. */
tsr_status tsri_dump_open(tsri_dump *d, const char *dir, size_t vocab, tsr_error *err);
/* keep: the logits so far become their file. */
tsr_status tsri_dump_close(tsri_dump *d, bool keep, tsr_error *err);

tsr_status tsri_dump_ids(tsri_dump *d, const char *name, const int32_t *ids, size_t n, tsr_error *err);
tsr_status tsri_dump_part(tsri_dump *d, size_t k, const tsri_media *part, size_t hidden, tsr_error *err);
tsr_status tsri_dump_logits(tsri_dump *d, const float *row, tsr_error *err);

#endif
