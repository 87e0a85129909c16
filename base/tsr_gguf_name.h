/* tsr_gguf_name.h: names of tensors of which there is one per layer, as patterns: '#' stands for the
 * layer's number. Tables between the names of two containers are made of such pairs. */
#ifndef TSR_GGUF_NAME_H
#define TSR_GGUF_NAME_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* True when `name` is `pattern`, with a plain decimal number (no sign, no leading zero, at most six
 * digits) where that has its '#'. *layer receives the number, 0 without '#'. */
bool tsr_gguf_name_match(const char *pattern, const char *name, size_t *layer);

/* `pattern` with `layer` for '#', terminated. False, and cut short, when it doesn't fit into cap bytes. */
bool tsr_gguf_name_print(char *out, size_t cap, const char *pattern, size_t layer);

#ifdef __cplusplus
}
#endif
#endif
