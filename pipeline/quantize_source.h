/* quantize_source.h: what is to be written as GGUF: a Hugging Face model, or GGUF files, as tensors under GGUF names
 * and as metadata. */
#ifndef TSR_QUANTIZE_SOURCE_H
#define TSR_QUANTIZE_SOURCE_H

#include "quantize_types.h"
#include "tessera.h"
#include "tsr_gguf_write.h"
#include "tsr_pool.h"

/* The two files that a model is made of. */
typedef enum tsri_half { TSRI_TEXT, TSRI_TOWERS, TSRI_N_HALVES } tsri_half;

typedef struct tsri_source tsri_source;

/* `in` is what stands after -m (model_find.h). A model is opened as for running, so that only what runs is
 * written; of GGUF files the keys are checked. mmproj: the towers' file of a GGUF text model, or NULL. What `only`
 * leaves out need not be there. On failure *out is NULL. */
tsr_status tsri_source_open(tsri_source **out, const char *in, const char *mmproj, unsigned threads, tsr_error *err);
void tsri_source_close(tsri_source *s); /* NULL is fine */

tsr_pool *tsri_source_pool(const tsri_source *s);
const char *tsri_source_path(const tsri_source *s, tsri_half half); /* for messages */
bool tsri_source_has(const tsri_source *s, tsri_half half);

/* True when PATH is a file that the source consists of. */
bool tsri_source_is_file(const tsri_source *s, const char *path);

/* The tensors of one half under GGUF names; the caller's, before the source closes. */
tsr_status tsri_source_tensors(tsr_weights **out, const tsri_source *s, tsri_half half, tsr_error *err);

/* All metadata of one half. The puts' own failures stay in w. */
tsr_status tsri_source_put(tsri_source *s, tsri_half half, const tsr_weights *tensors, const tsri_mixture *mix,
                           tsr_gguf_writer *w, tsr_error *err);

/* Whether the written file, complete at `path`, says the same model. */
tsr_status tsri_source_compare(const tsri_source *s, tsri_half half, const char *path, tsr_error *err);

#endif
