/* fuzz_tokenizer.h: what the fuzzer and its replay share. */
#ifndef FUZZ_TOKENIZER_H
#define FUZZ_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* Open the bytes as a tokenizer.json, or as a GGUF file when they begin with "GGUF", and if that works encode
 * and decode a text with it. Returns the reader's status; a broken promise (a status that has no business
 * here, a leak) ends the process. */
tsr_status fuzz_tokenizer(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
