/* model_internal.h: an open model as the pipeline's files see it. */
#ifndef TSR_MODEL_INTERNAL_H
#define TSR_MODEL_INTERNAL_H

#include "generation.h"
#include "model_files.h"
#include "tessera.h"
#include "tsr_decoder.h"
#include "tsr_grammar.h"
#include "tsr_log.h"
#include "tsr_hearing.h"
#include "tsr_tokenizer.h"
#include "tsr_vision.h"
#include "tsr_weights.h"

/* Ids found by their strings; -1 where the tokenizer has no such entry. */
typedef struct tsri_ids {
    int32_t bos, eos, turn_end, tool_response;
    int32_t image, audio, video; /* soft-token placeholders, never sampled */
} tsri_special_ids;

struct tessera_model {
    char *path;      /* as given */
    tsri_model_files files;
    const char *dir; /* files.dir */
    tsr_log log;
    tsr_pool *pool;
    tsr_weights *weights;
    tsr_decoder *decoder;
    tsr_vision *vision; /* NULL: sees nothing */
    tsr_hearing *hearing;   /* NULL: hears nothing */
    tsr_tokenizer *tokenizer;
    tsr_vocab *vocab; /* NULL until the first answer under a grammar */
    tsri_generation generation;
    tsri_special_ids ids;
};

const tsr_text_config *tsri_model_config(const tessera_model *m);

/* "E2B/E4B" and so on; "12B or 31B" of a GGUF text model alone, which doesn't tell: only their towers differ. */
const char *tsri_model_variant(const tessera_model *m);

/* Turn an error of the inner parts into the public one; returns the public status. */
tessera_status tsri_public(tessera_error *out, tsr_status st, const tsr_error *err);

#endif
