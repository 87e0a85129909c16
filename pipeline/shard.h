/* shard.h: which part of a manifest is this process's own: told, or found in what a scheduler put into the environment.
 */
#ifndef TSR_SHARD_H
#define TSR_SHARD_H

#include <stddef.h>

#include "tsr_status.h"

typedef struct tsri_shard {
    size_t index, count; /* index < count */
    char source[160];    /* the variables that said it; "" when it was told */
    const char *warning; /* what may be wrong with it; NULL: nothing */
} tsri_shard;

/* A variable's value, NULL when it isn't set. */
typedef const char *tsri_env_fn(void *user, const char *name);

/* text: "I/N" with I from 0; "auto"; "auto/N", where only I is found. NULL: 0/1. TSR_ERR_USAGE names what is wrong,
 * missing or contradicts. */
tsr_status tsri_shard_find(tsri_shard *out, const char *text, tsri_env_fn *env, void *user, tsr_error *err);

/* `pattern` with each {shard} and %s replaced by "3-of-8", the first number as wide as the last one is; the caller's
 * (tsr_free), NULL when memory is short. */
char *tsri_shard_name(const char *pattern, const tsri_shard *shard);

#endif
