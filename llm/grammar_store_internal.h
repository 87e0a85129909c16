/* grammar_store_internal.h: the positions of a run over a grammar, and the frames that they return to, kept once for each
 * content (grammar_run_internal.h says what they are). Used by grammar_run.c alone.
 *
 * All memory is taken at the beginning. What finds none left sets `full`, and gives 0 or TSRI_DEAD: then the places that are
 * not kept are to be forgotten. */
#ifndef TSRI_GRAMMAR_STORE_H
#define TSRI_GRAMMAR_STORE_H

#include "grammar_run_internal.h"

typedef struct tsri_store {
    const tsr_grammar *g;
    uint32_t near_most;
    tsri_place *places; /* the first two stand for TSRI_NOT_KNOWN and TSRI_DEAD */
    tsri_item *items;
    tsri_frame *frames; /* the first is none */
    tsri_way *ways;
    uint32_t *rows; /* [n_rows][g->n_classes] */
    uint32_t n_places, n_items, n_frames, n_ways, n_rows;
    uint32_t *place_slots, *frame_slots; /* open addressing; 0: empty */
    struct {
        uint32_t *at;
        const size_t *n;
    } keep[TSRI_KEEP_LISTS];
    unsigned age; /* how often places were forgotten */
    bool full;
} tsri_store;

/* After a failure too, what there is is freed by tsri_store_deinit. */
tsr_status tsri_store_open(tsri_store *s, const tsr_grammar *g, uint32_t near_most, tsr_error *err);
void tsri_store_deinit(tsri_store *s);

/* Sort, and leave out doubles; gives how many stay. */
size_t tsri_sort_ways(tsri_way *at, size_t n);
size_t tsri_sort_items(tsri_item *at, size_t n);

/* The frame of these ways: sorted, without doubles; they may be changed. */
uint32_t tsri_frame_of(tsri_store *s, tsri_way *w, size_t n);

/* The place of these items: sorted, without doubles. */
uint32_t tsri_place_of(tsri_store *s, const tsri_item *at, size_t n, bool can_end, uint8_t run, uint32_t run_dist);

/* Give a place its row of steps; false when there is none left. */
bool tsri_store_give_row(tsri_store *s, uint32_t place);

/* Forget all places but those kept, and all rows. Two arrays of TSRI_STORE_SCRATCH bytes that serve meanwhile. */
enum { TSRI_STORE_SCRATCH = 1 << 19 };
void tsri_store_forget(tsri_store *s, void *bytes, void *words);

/* A step of hashing. */
static inline uint32_t tsri_mix(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x9E3779B1u;
    return h ^ h >> 15;
}

/* The sum, or the most that counts. */
static inline uint32_t tsri_longest(uint64_t x)
{
    return x < TSRI_LONGEST ? (uint32_t)x : TSRI_LONGEST;
}

#endif
