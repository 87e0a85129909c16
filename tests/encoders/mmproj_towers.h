/* mmproj_towers.h: towers opened both ways, from a folder and from an mmproj file, and their rows compared.
 *
 * A failed check ends the test; what goes wrong in making input ends the test program. */
#ifndef MMPROJ_TOWERS_H
#define MMPROJ_TOWERS_H

#include "enc_model.h"
#include "mmproj_model.h"
#include "tsr_hearing.h"
#include "tsr_vision.h"

typedef struct mm_towers {
    size_t text_hidden;
    tsr_weights *w;
    tsr_json *config;
    tsr_pool *pool;
    tsr_vision *v;  /* NULL: sees nothing */
    tsr_hearing *a; /* NULL: hears nothing */
} mm_towers;

/* As a model's opener does it; *t is to be closed also after a failure. */
tsr_status mm_try_file(mm_towers *t, mm_model *m, size_t text_hidden, tsr_error *err);
void mm_open_file(mm_towers *t, mm_model *m, size_t text_hidden);
void mm_open_folder(mm_towers *t, const char *dir);
/* The safetensors route of a small encoder; `sense` is "vision" or "audio". */
void mm_open_small(mm_towers *t, enc_model *m, const char *sense);
void mm_close(mm_towers *t);

/* The file that the converter would make of them. */
mm_model mm_file_of(const mm_towers *t);

/* The kinds of small encoders. */
enum { MM_CLIPPED, MM_PLAIN, MM_UNIFIED, MM_MODULES, MM_SOUND, MM_SOUND_PLAIN, MM_SOUND_UNIFIED, MM_N_KINDS };

const char *mm_sense(size_t kind);
enc_model mm_small_model(size_t kind);
mm_model mm_small_file(size_t kind);
bool mm_is_limit(const char *name);

/* Of the rows of a picture and of a sound, whatever of it these towers can take: the largest difference over the
 * largest magnitude. All values must be finite. */
double mm_row_difference(const mm_towers *a, const mm_towers *b);
void assert_same_rows(const mm_towers *a, const mm_towers *b); /* to the bit */
/* The same, or not the same, for files of small encoders. */
void assert_rows(mm_model *a, mm_model *b, bool same);

#endif
