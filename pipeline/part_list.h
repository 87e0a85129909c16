/* part_list.h: a growing list of request parts with the memory that they borrow. */
#ifndef TSR_PART_LIST_H
#define TSR_PART_LIST_H

#include <stddef.h>

#include "tessera.h"
#include "tsr_json.h"
#include "tsr_status.h"

/* Zeroed is empty. */
typedef struct tsri_parts {
    tessera_part *at; /* [n] */
    size_t n, room;
    void **owned; /* [n_owned] blocks that parts borrow */
    size_t n_owned, owned_room;
} tsri_parts;

void tsri_parts_deinit(tsri_parts *l);

/* Take over a block of memory (NULL: memory was short), also on failure. */
tsr_status tsri_parts_keep(tsri_parts *l, void *block, tsr_error *err);

/* `part` is added as it is: what it borrows must live as long as the list. */
tsr_status tsri_parts_add(tsri_parts *l, tessera_part part, tsr_error *err);
tsr_status tsri_parts_add_text(tsri_parts *l, tessera_part_kind kind, const char *text, tsr_error *err);
/* The same with copies of texts, names and bytes. */
tsr_status tsri_parts_copy(tsri_parts *l, const tessera_part *part, tsr_error *err);

/* `text` names a file as part_source.h says, its paths relative to `dir`; its bytes, if it holds them, are kept. `name`
 * is then theirs in messages. dir NULL: paths and file: URLs are refused, TSR_ERR_PERM. */
tsr_status tsri_parts_add_file(tsri_parts *l, tessera_part_kind kind, const char *text, const char *dir, const char *name,
                               tsr_error *err);

/* A JSON string without NUL characters, borrowed; `what` names it in errors. */
tsr_status tsri_plain_string(const char **out, const tsr_json *v, const char *what, tsr_error *err);

#endif
