/* made_up_vocab.h: a tokenizer of the published one's size and form that is no copy of it. */
#ifndef BENCH_MADE_UP_VOCAB_H
#define BENCH_MADE_UP_VOCAB_H

#include <stdio.h>

void made_up_vocab_write(FILE *f); /* tokenizer.json; errors stay in f */

#endif
