/* tsr_output.h: generated token ids become thought, answer and tool calls, as a stream.
 *
 * Every text handed on is whole UTF-8 characters. One thread at a time; the tokenizer must
 * outlive. */
#ifndef TSR_OUTPUT_H
#define TSR_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_json.h"
#include "tsr_status.h"
#include "tsr_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_output_kind {
    TSR_OUTPUT_CONTENT, /* the answer, as generated */
    TSR_OUTPUT_THOUGHT, /* the thinking channel without its name and the white space around it */
    TSR_OUTPUT_CALL     /* one whole tool call */
} tsr_output_kind;

/* Borrowed until the callback returns. */
typedef struct tsr_output_event {
    tsr_output_kind kind;
    const char *text; /* the piece; CALL: the call as written, quote tokens as <|"|> */
    size_t len;
    const char *name;          /* CALL: the function; NULL when the call can't be read */
    const tsr_json *arguments; /* CALL: an object; NULL when the call can't be read */
} tsr_output_event;

/* Anything but TSR_OK stops the work and is given back to the caller of push or finish. */
typedef tsr_status (*tsr_output_fn)(void *user, const tsr_output_event *event);

typedef struct tsr_output tsr_output;

tsr_status tsr_output_open(tsr_output **out, const tsr_tokenizer *t, tsr_output_fn fn, void *user, tsr_error *err);
void tsr_output_close(tsr_output *o); /* NULL is fine */

/* One generated id; control tokens other than those of channels and calls print nothing. */
tsr_status tsr_output_push(tsr_output *o, int32_t id, tsr_error *err);

/* The end of generation: hands on what was held back. A call without an end can't be read. */
tsr_status tsr_output_finish(tsr_output *o, tsr_error *err);

/* Read the text of one call: "call:NAME{key:value,...}", strings between quote tokens, which stand
 * as the byte 0xFF. *name and *arguments are the caller's (tsr_free, tsr_json_free), NULL on
 * failure; TSR_ERR_DATA when it isn't a call, or nested more than 100 deep. */
tsr_status tsr_call_parse(const char *text, size_t len, char **name, tsr_json **arguments, tsr_error *err);

/* ---- Stop strings ---- */

typedef struct tsr_stops tsr_stops; /* strings and what is held back of a stream */

/* strings: [n], terminated, not empty. n may be 0. */
tsr_status tsr_stops_open(tsr_stops **out, const char *const *strings, size_t n, tsr_error *err);
void tsr_stops_close(tsr_stops *s); /* NULL is fine */

/* Add text; what can no longer be part of a stop string is appended to `out`. *stopped is set once
 * the first of them is complete: what came before it has then been handed on, it and all that
 * follows never are. */
tsr_status tsr_stops_push(tsr_stops *s, const char *text, size_t len, tsr_text *out, bool *stopped, tsr_error *err);

/* The end of the stream: hands on what is held back, nothing after a stop. */
tsr_status tsr_stops_finish(tsr_stops *s, tsr_text *out, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
