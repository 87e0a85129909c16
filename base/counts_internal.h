/* counts_internal.h: counts of rows, columns and the parts that they are cut into. */
#ifndef TSR_COUNTS_INTERNAL_H
#define TSR_COUNTS_INTERNAL_H

#include <stddef.h>

static inline size_t tsri_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Parts of at most `of` that n is cut into. */
static inline size_t tsri_parts(size_t n, size_t of)
{
    return (n + of - 1) / of;
}

/* n, up to whole parts of `of`. */
static inline size_t tsri_whole(size_t n, size_t of)
{
    return tsri_parts(n, of) * of;
}

#endif
