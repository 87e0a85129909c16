/* fuzz_safetensors.h: what the fuzzer and the replay of its corpus share. */
#ifndef FUZZ_SAFETENSORS_H
#define FUZZ_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

/* Read the bytes as a file and touch the ends of every view. The callback cancels at tensor number
 * stop_at. Returns the reader's status; a broken promise (a status that has no business here, a leak)
 * ends the process. */
tsr_status fuzz_safetensors(const uint8_t *data, size_t len, size_t stop_at);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
