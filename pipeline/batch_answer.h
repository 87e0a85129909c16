/* batch_answer.h: what a request gave, as one line of the file of answers. */
#ifndef TSR_BATCH_ANSWER_H
#define TSR_BATCH_ANSWER_H

#include "batch_line.h"
#include "tsr_utf8.h"

/* Append the answer in the line's own form, with its newline. TSR_ERR_NOMEM. */
tsr_status tsri_batch_answer(tsr_text *out, const tsri_batch_line *l, const tessera_result *r, tsr_error *err);

/* The same of a request that failed. */
tsr_status tsri_batch_refusal(tsr_text *out, const tsri_batch_line *l, const tsr_error *why, tsr_error *err);

#endif
