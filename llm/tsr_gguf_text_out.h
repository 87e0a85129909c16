/* tsr_gguf_text_out.h: the text model written as a GGUF file (architecture "gemma4"): the reverse of
 * tsr_gguf_text.h, with its table of names. Keys, their forms and their order are those of llama.cpp's
 * converter.
 *
 * The puts keep a failure in the writer, as all its puts do. */
#ifndef TSR_GGUF_TEXT_OUT_H
#define TSR_GGUF_TEXT_OUT_H

#include "tsr_gguf_write.h"
#include "tsr_text_config.h"
#include "tsr_tokenizer_export.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The keys "gemma4.*". */
void tsr_gguf_text_put_config(tsr_gguf_writer *w, const tsr_text_config *c);

/* The keys "tokenizer.*". suppress: ids that are never sampled, [n_suppress]; no key without any. */
void tsr_gguf_text_put_tokenizer(tsr_gguf_writer *w, const tsr_tokenizer_export *e, const int32_t *suppress,
                                 size_t n_suppress);

/* Add to `out` under GGUF names: every tensor of `from` (Hugging Face names) that the table knows, and the
 * frequency factors, which no checkpoint has. An lm_head that is the embedding table again, to the bit, is
 * left out: readers take the table then. What the table doesn't know is left to others. `from` must
 * outlive `out`. */
tsr_status tsr_gguf_text_rename(tsr_weights *out, const tsr_weights *from, const tsr_text_config *c, tsr_error *err);

/* Whether a reader of the file finds the model that was written: TSR_ERR_UNSUPPORTED names what the file
 * can't say (a key of config.json); `file` stands in front. */
tsr_status tsr_gguf_text_compare(const tsr_text_config *written, const tsr_text_config *read, const char *file,
                                 tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
