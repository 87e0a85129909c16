/* fuzz_grammar.h: what the fuzzer and its replay share. */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* Compile the bytes, as a JSON Schema when they begin with one of {tf and as GBNF else, and if that works guide a few short
 * answers. Returns the compiler's status; a broken promise (a status that has no business here, an answer that isn't one, a
 * leak) ends the process. */
tsr_status fuzz_grammar(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
