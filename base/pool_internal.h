/* pool_internal.h: what the products keep in the pool. */
#ifndef TSR_POOL_INTERNAL_H
#define TSR_POOL_INTERNAL_H

#include "tsr_pool.h"

enum { TSRI_POOL_INPUT_BYTES = 20 << 20 };

/* Memory for the rounded inputs of one product, or of two that follow each other, aligned to 64 bytes; its pages are touched as
 * far as they are used. NULL while products are exact. One product at a time, as tsr_pool_run. */
void *tsri_pool_inputs(const tsr_pool *p);

#endif
