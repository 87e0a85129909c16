/* tensor_internal.h: the sizes of a tensor, also where nothing here can read its type. */
#ifndef TSR_TENSOR_INTERNAL_H
#define TSR_TENSOR_INTERNAL_H

#include "tsr_tensor.h"

/* Shape, elements and bytes of a tensor of type t, checked as by tsr_view_make, which does the rest: *v has neither
 * data (NULL) nor one of our types (TSR_N_TYPES), and after a failure anything. */
tsr_status tsri_view_measure(tsr_view *v, const tsr_type_traits *t, unsigned n_dims, const size_t *shape,
                             const char *what, tsr_error *err);

#endif
