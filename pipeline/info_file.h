/* info_file.h: a looked-at file of weights, as lines for people and as JSON. */
#ifndef TSR_INFO_FILE_H
#define TSR_INFO_FILE_H

#include "file_check.h"

typedef struct tsri_type_sum {
    const tsr_type_traits *type;
    bool is_supported;
    size_t n_tensors;
    uint64_t n_elems, n_bytes;
} tsri_type_sum;

enum { TSRI_MOST_TYPES = 64 }; /* more than any container has */

/* What each type takes, most bytes first. Returns how many types there are. */
size_t tsri_sum_types(tsri_type_sum sums[TSRI_MOST_TYPES], const tsri_weight_file *f);

enum {
    TSRI_SHOWN_ELEMENTS = 8, /* of a long array */
    TSRI_LONG_ARRAY = 64,    /* more elements than this, in JSON */
    TSRI_SHOWN_BYTES = 100   /* of a long string, for people */
};

/* check may be NULL; full: nothing is shortened. *out is the caller's (tsr_free). */
tsr_status tsri_info_file_text(char **out, const tsri_weight_file *f, const tsri_file_check *check, bool full,
                               bool color, tsr_error *err);
tsr_status tsri_info_file_json(char **out, const tsri_weight_file *f, const tsri_file_check *check, bool full,
                               tsr_error *err);

#endif
