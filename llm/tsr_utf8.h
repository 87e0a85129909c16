/* tsr_utf8.h: UTF-8 as Python's codec sees it: decoding with replacement, white space, case.
 *
 * Pure functions on borrowed bytes; any thread. */
#ifndef TSR_UTF8_H
#define TSR_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TSR_UTF8_MAX = 4, TSR_UTF8_REPLACEMENT = 0xFFFD };

/* Bytes in memory of the owner's that grow (tsr_text_deinit). Zeroed is empty. `at` is not
 * terminated. */
typedef struct tsr_text {
    char *at;
    size_t len, cap;
} tsr_text;

void tsr_text_deinit(tsr_text *t);
tsr_status tsr_text_add(tsr_text *t, const void *bytes, size_t len, tsr_error *err);

/* Read one character of the `len` > 0 bytes at `s`; gives the bytes it takes (1..4). Ill-formed
 * input gives U+FFFD, *ok false, and takes the longest start of a character ("maximal subpart"). */
size_t tsr_utf8_read(const char *s, size_t len, uint32_t *cp, bool *ok);

/* Write `cp` (a scalar value, below 0x110000) and give the bytes written. */
size_t tsr_utf8_write(char out[TSR_UTF8_MAX], uint32_t cp);

bool tsr_utf8_valid(const char *s, size_t len);

/* Append `s` with each ill-formed part as U+FFFD, as bytes.decode("utf-8", "replace") does. */
tsr_status tsr_utf8_repair(tsr_text *out, const char *s, size_t len, tsr_error *err);

/* How many bytes at the end of `s` start a character that isn't complete (0..3). */
size_t tsr_utf8_open_tail(const char *s, size_t len);

/* Move *s and *len past the white space at both ends, as str.strip() does. Well-formed input. */
void tsr_utf8_strip(const char **s, size_t *len);
bool tsr_utf8_is_space(uint32_t cp); /* as str.isspace() */

/* Append `s` in upper or lower case, as str.upper() and str.lower() do (but for the Greek final
 * sigma, which is always the ordinary one). Well-formed input. */
tsr_status tsr_utf8_upper(tsr_text *out, const char *s, size_t len, tsr_error *err);
tsr_status tsr_utf8_lower(tsr_text *out, const char *s, size_t len, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
