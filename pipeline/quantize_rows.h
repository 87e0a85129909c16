/* quantize_rows.h: a tensor's values as another type, piece after piece into a file. */
#ifndef TSR_QUANTIZE_ROWS_H
#define TSR_QUANTIZE_ROWS_H

#include "tessera.h"
#include "tsr_gguf_write.h"
#include "tsr_pool.h"

/* Memory and threads of the work: the same for all tensors, whatever their size. */
typedef struct tsri_row_work tsri_row_work;

/* The pool outlives it. On failure *out is NULL. */
tsr_status tsri_row_work_open(tsri_row_work **out, tsr_pool *pool, tsr_error *err);
void tsri_row_work_close(tsri_row_work *w); /* NULL is fine */

/* Called now and then from the caller's thread. False stops the work: TSR_ERR_CANCELLED. */
typedef bool (*tsri_row_tick)(void *user);

/* Write all of `from` as `type` to the writer, whose next tensor it is; a block type that stays itself is copied.
 * The bytes don't depend on the number of threads. `name` stands in errors: TSR_ERR_MODEL for a value that is not
 * finite, TSR_ERR_UNSUPPORTED for one that is too large for the type. */
tsr_status tsri_row_work_write(tsri_row_work *w, tsr_gguf_writer *to, const char *name, const tsr_view *from,
                               tsr_type type, tsri_row_tick tick, void *user, tsr_error *err);

#endif
