/* structure.h: what a request says about the form of its answer. */
#ifndef TSR_STRUCTURE_H
#define TSR_STRUCTURE_H

#include "model_internal.h"
#include "result_internal.h"
#include "tsr_grammar.h"

typedef struct tsri_structure {
    tsr_grammar *grammar; /* NULL: the answer is free */
    tsr_guide *guide;
} tsri_structure;

/* Compile the request's schema or grammar, if it has one; *facts says which. TSR_ERR_USAGE for what it can't stand beside;
 * else as tsr_grammar.h says. */
tsr_status tsri_structure_read(tsri_structure *s, const tessera_request *rq, tsri_grammar_facts *facts, tsr_error *err);

/* Make a guide for an answer of at most max_tokens. The model keeps the texts of its tokens from the first time on. */
tsr_status tsri_structure_begin(tsri_structure *s, tessera_model *m, const tessera_request *rq, size_t max_tokens,
                                tsr_error *err);

void tsri_structure_deinit(tsri_structure *s); /* zeroed is fine */

#endif
