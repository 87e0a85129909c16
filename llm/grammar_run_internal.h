/* grammar_run_internal.h: running a grammar over bytes.
 *
 * A position in a text is a set of items (state of the network, frame): where each reading of the text so far is, and
 * where it returns to. A frame holds the ways to return from one rule, each with a frame of its own beneath; readings
 * share frames. Frames and positions are kept once for each content, so that positions that go on alike are the same,
 * and the step from one by a byte is found once and remembered: the grammar becomes, as far as it is used, a table.
 * All memory is taken when a run opens; when it is full, all but the positions in use are forgotten. */
#ifndef TSRI_GRAMMAR_RUN_H
#define TSRI_GRAMMAR_RUN_H

#include "grammar_internal.h"

enum {
    TSRI_DEAD = 1,   /* the position that no text goes on from */
    TSRI_NOT_KNOWN = 0
};

typedef struct tsri_item {
    uint32_t state, frame;
} tsri_item;

/* One way to return. `to`: a state, or an entry of `repeats` when `times` is set, with how often the rule must and may
 * come again. Frame 0 is none: returning to it ends the whole text. */
typedef struct tsri_way {
    uint32_t to, frame;
    uint32_t must, may;
    uint32_t times;
} tsri_way;

typedef struct tsri_frame {
    uint32_t ways_at, n_ways;
    uint32_t dist;  /* bytes of the shortest way from the end of its rule to the end of the text */
    uint32_t extra; /* as tsri_place.extra */
    uint32_t near;  /* the frame with all counts cut to `near_most`, perhaps itself */
} tsri_frame;

typedef struct tsri_place {
    uint32_t items_at, n_items;
    uint32_t dist;  /* bytes of the shortest way to the end of the text */
    uint32_t extra; /* the most bytes by which cutting the counts makes `dist` shorter */
    uint32_t row;   /* of steps; TSRI_NONE: none yet */
    uint32_t near;  /* the place with all counts cut; TSRI_NONE: not looked for */
    uint32_t mask;  /* grammar_guide.c: its mask; TSRI_NONE */
    uint32_t need;  /* grammar_guide.c: tokens of a shortest way to the end; TSRI_NONE: not known */
    uint32_t reach; /* grammar_guide.c: the most `need` behind any token; TSRI_NONE: not known */
    uint32_t reach_bound; /* grammar_guide.c: at least `reach`, in bytes; known with the mask */
    uint32_t plain_next; /* grammar_plain.c: the place behind any plain character; TSRI_NONE: they differ; TSRI_NOT_KNOWN */
    uint32_t loops; /* grammar_plain.c: once knows_loops, the kinds of plain characters that lead back to the place */
    uint32_t run_dist; /* at least the bytes to the end behind each of those that `run` counts */
    bool can_end, knows_loops;
    uint8_t run; /* so many plain characters can come, whatever they are */
} tsri_place;

typedef struct tsri_run tsri_run;

const tsr_grammar *tsri_run_grammar(const tsri_run *r);

/* near_most: counts above it are alike to whoever looks at so many bytes. The grammar must outlive. */
tsr_status tsri_run_open(tsri_run **out, const tsr_grammar *g, uint32_t near_most, tsr_error *err);
void tsri_run_close(tsri_run *r); /* NULL is fine */

/* Forgetting keeps the places in at[0 .. *n), which get new numbers in the array itself. One array for each list. */
void tsri_run_keep(tsri_run *r, unsigned list, uint32_t *at, const size_t *n);
enum { TSRI_KEEP_LISTS = 3 };

/* Items that may be looked at from now on; then TSR_ERR_LIMIT. */
void tsri_run_budget(tsri_run *r, uint64_t steps);

/* The first place, and the place behind a byte. *place must stand in a list that is kept; what is given back does not
 * stand there yet. TSRI_DEAD also after a failure: tsri_run_status. */
uint32_t tsri_run_start(tsri_run *r);
uint32_t tsri_run_step(tsri_run *r, const uint32_t *place, uint8_t byte);
tsr_status tsri_run_status(const tsri_run *r, tsr_error *err);

tsri_place *tsri_run_place(tsri_run *r, uint32_t place);
tsri_item tsri_run_item(const tsri_run *r, const tsri_place *p, uint32_t i);
uint32_t tsri_run_frame_dist(const tsri_run *r, uint32_t frame);
unsigned tsri_run_age(const tsri_run *r); /* how often places were forgotten */

/* Remembered steps of a place, one for each class of bytes: TSRI_NOT_KNOWN, or a place. NULL when it has none yet. */
const uint32_t *tsri_run_row(const tsri_run *r, uint32_t place);

/* The place with all counts cut to near_most: as far as so many bytes go, it takes the same. */
uint32_t tsri_run_near(tsri_run *r, const uint32_t *place);

/* The place behind path[*n - 1] and one plain character, whichever: TSRI_DEAD when none can come, TSRI_NONE when they lead
 * to different places. `path` is a list that is kept, *n of it in use, with room for TSRI_PLAIN_PATH more. */
uint32_t tsri_run_plain_next(tsri_run *r, uint32_t *path, size_t *n);
enum { TSRI_PLAIN_PATH = 3 };

/* The kinds (tsri_plain_kind) of which every character leads from path[*n - 1] to that place itself. */
uint32_t tsri_run_loops(tsri_run *r, uint32_t *path, size_t *n);

#endif
