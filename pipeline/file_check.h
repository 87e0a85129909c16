/* file_check.h: a full look at a file of weights: every value finite, and whether it opens. */
#ifndef TSR_FILE_CHECK_H
#define TSR_FILE_CHECK_H

#include "weight_file.h"

/* A tensor with values that are not finite. */
typedef struct tsri_bad_tensor {
    const tsri_weight_row *row;
    size_t at_row, at_elem; /* of the first one; rows of [e, r, c] count through e and r */
    double value;
    size_t n_bad;
} tsri_bad_tensor;

typedef struct tsri_file_check {
    tsri_bad_tensor *bad; /* in the file's order */
    size_t n_bad;
    uint64_t n_bytes;  /* scanned */
    char *open_error;  /* NULL: it opens as a model, or a mmproj as towers */
} tsri_file_check;

/* Read all float tensors of f and open its model. What is found is no failure; TSR_ERR_NOMEM is. On failure *out is
 * all zero. */
tsr_status tsri_file_check_run(tsri_file_check *out, const tsri_weight_file *f, tsr_error *err);
void tsri_file_check_deinit(tsri_file_check *c);

#endif
