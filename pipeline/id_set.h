/* id_set.h: which line of a manifest an id stands in. Ids are known by 128 bits of SipHash under a key of the set's
 * own, so that no manifest can be made whose ids collide; a line costs at most 64 bytes. */
#ifndef TSR_ID_SET_H
#define TSR_ID_SET_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* SipHash-2-4 with 128 bits of result. */
void tsri_siphash(uint64_t out[2], const uint64_t key[2], const void *bytes, size_t len);

typedef struct tsri_id_slot {
    uint64_t hash[2];
    uint64_t line; /* 0: empty */
} tsri_id_slot;

typedef struct tsri_id_set {
    uint64_t key[2];
    tsri_id_slot *slots; /* [cap], a power of two */
    size_t cap, n;
} tsri_id_set;

tsri_id_set tsri_id_set_begin(void);
void tsri_id_set_deinit(tsri_id_set *s);

size_t tsri_id_set_find(const tsri_id_set *s, const void *id, size_t len); /* its line; 0: it is not there */

/* Add an id of line > 0. *other (not NULL) is 0, or the line that has the id already; then nothing is added. */
tsr_status tsri_id_set_add(tsri_id_set *s, const void *id, size_t len, size_t line, size_t *other, tsr_error *err);

#endif
