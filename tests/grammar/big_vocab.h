/* big_vocab.h: a made-up vocabulary of any size with the mix of a real one: byte tokens, words with and without a space
 * before them, pieces with quotes and brackets, runs of white space, characters of many scripts. The same on every run. */
#ifndef BIG_VOCAB_H
#define BIG_VOCAB_H

#include <stddef.h>

#include "tsr_tokenizer.h"

/* Ids 0 to 5 are control: <pad>, <eos>, <bos>, <unk>, <|channel>, <channel|>. NULL when it can't be made. */
tsr_tokenizer *big_vocab_open(size_t n, tsr_error *err);

#endif
