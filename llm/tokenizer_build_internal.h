/* tokenizer_build_internal.h: how a reader of some file fills a tokenizer.
 *
 * begin; names and name for each id; index; added for each added token; merge for each merge, the first
 * first; the settings in t; finish; end. Each returns TSR_OK or has recorded what failed, except where it
 * gives *why: then it is TSR_ERR_MODEL, and the reader records it with the place in its file. */
#ifndef TSRI_TOKENIZER_BUILD_H
#define TSRI_TOKENIZER_BUILD_H

#include "tokenizer_internal.h"

typedef struct tsri_vocab {
    tsr_tokenizer *t;
    const char *file, *names_at, *merges_at; /* of the source, and its places, in messages */
    size_t n_names, tokens_cap, merges_cap;
    tsr_error *err;
} tsri_vocab;

tsr_status tsri_vocab_begin(tsri_vocab *b, const char *file, const char *names_at, const char *merges_at,
                            tsr_error *err);
tsr_status tsri_vocab_end(tsri_vocab *b, tsr_status st, tsr_tokenizer **out); /* st again; *out NULL unless TSR_OK */

tsr_status tsri_vocab_names(tsri_vocab *b, size_t n_bytes); /* room for all names, below 2^32 */
/* The len bytes that stand at the end of `names` become the name of an id that has none. */
tsr_status tsri_vocab_name(tsri_vocab *b, size_t id, size_t len, const char **why);
/* Make them findable, and find names that stand twice. n_more: that will come one by one. */
tsr_status tsri_vocab_index(tsri_vocab *b, size_t n_more);
tsr_status tsri_vocab_index_name(tsri_vocab *b, size_t id);

/* The named id is matched before text is merged; before the normalizer unless `normalized`. */
tsr_status tsri_vocab_added(tsri_vocab *b, size_t id, bool special, bool normalized);

tsr_status tsri_vocab_merges(tsri_vocab *b, size_t n); /* room for n; not needed */
tsr_status tsri_vocab_merge(tsri_vocab *b, const char *l, size_t l_len, const char *r, size_t r_len, const char **why);

tsr_status tsri_vocab_finish(tsri_vocab *b); /* needs unk, byte_fallback and fuse_unk of t */

/* The model's own control tokens (MODEL.md): control even where a file forgets to mark them. NULL ends. */
extern const char *const tsri_control_names[];

/* Text of a file for an error message: short, printable. */
enum { TSRI_QUOTE_BYTES = 48 };
const char *tsri_quote(char out[TSRI_QUOTE_BYTES + 1], const char *s, size_t len);

#endif
