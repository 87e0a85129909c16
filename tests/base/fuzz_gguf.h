/* fuzz_gguf.h: the fuzzer's entry, which the test replays on the corpus, and its look at one file. */
#ifndef FUZZ_GGUF_H
#define FUZZ_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Read everything that the file offers; aborts where a promise of the header is broken: a span or view
 * outside the bytes, a name that isn't found, a conversion that contradicts another. */
void fuzz_gguf_walk(const tsr_gguf *g, const uint8_t *data, size_t len);

/* Open, walk, close; aborts when memory is kept or the error doesn't tell what was returned. */
tsr_status fuzz_gguf(const uint8_t *data, size_t len);

#endif
