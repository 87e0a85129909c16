/* text_recipe.h: the strings of fixtures_text/recipe.py, made from the same integers. */
#ifndef TEXT_RECIPE_H
#define TEXT_RECIPE_H

#include "text_support.h"

/* String number `seed`; it depends on the entries of `t`. */
void make_text(tsr_text *out, const tsr_tokenizer *t, uint64_t seed);

/* Encode the strings 0 .. 9999 and compare: `blocks` holds one hash of the ids for each hundred,
 * `first` (may be NULL) the ids themselves of the first few. */
void check_recipe(const tsr_tokenizer *t, const tsr_json *blocks, const tsr_json *first, tsr_encode_mode mode);

#endif
