/* name_order_internal.h: names in order, each with a number, however they come. */
#ifndef TSR_NAME_ORDER_INTERNAL_H
#define TSR_NAME_ORDER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_status.h"

enum { TSRI_NAME_CHUNK = 256 };

typedef struct tsri_named {
    const char *name; /* the caller's: stays where it is */
    size_t number;
} tsri_named;

typedef struct tsri_name_chunk {
    size_t n; /* > 0 */
    tsri_named at[TSRI_NAME_CHUNK];
} tsri_name_chunk;

/* All zero is an order of no names. */
typedef struct tsri_name_order {
    tsri_name_chunk **chunks; /* sorted, each and one after the other */
    size_t n_chunks, cap_chunks;
    size_t n;       /* names */
    size_t n_moved; /* names and chunks that gave way to others so far: the work done, apart from comparing */
} tsri_name_order;

void tsri_name_order_deinit(tsri_name_order *o); /* names stay */

/* A place between names; valid until the next name comes. */
typedef struct tsri_name_place {
    size_t chunk, at;
} tsri_name_place;

/* Before the first name that does not come before `name` (strcmp). */
tsri_name_place tsri_name_order_find(const tsri_name_order *o, const char *name);
/* What comes next, and the place steps over it; NULL behind the last. */
const tsri_named *tsri_name_order_next(const tsri_name_order *o, tsri_name_place *p);
const tsri_named *tsri_name_order_nth(const tsri_name_order *o, size_t i); /* i < o->n */

/* *is_new is false when the name is there already; then nothing changes. TSR_ERR_NOMEM leaves all as it was. */
tsr_status tsri_name_order_add(tsri_name_order *o, const char *name, size_t number, bool *is_new, tsr_error *err);

#endif
