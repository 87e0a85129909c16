/* chat_internal.h: the growing list of segments and the printing of values, shared by chat.c
 * (turns), chat_value.c (values) and chat_tool.c (declarations, calls, responses). */
#ifndef TSRI_CHAT_H
#define TSRI_CHAT_H

#include "tsr_chat.h"

enum { TSRI_CHAT_MAX_NESTING = 100 };

#define TSRI_QUOTE "<|\"|>"

/* Segments under way: text is kept by offset until all is known. The first failure sticks. */
typedef struct tsri_writer {
    tsr_text text;
    struct tsr_segments *segments;
    tsr_status status;
    tsr_error *err;
} tsri_writer;

void tsri_write(tsri_writer *w, const char *s, size_t len); /* plain text, well-formed */
void tsri_write_str(tsri_writer *w, const char *s);
void tsri_write_control(tsri_writer *w, const char *name);
void tsri_write_media(tsri_writer *w, tsr_part_kind kind, size_t index);
void tsri_write_fail(tsri_writer *w, tsr_status st, const char *what);

/* A value as Python's str() prints it; nothing for a missing one. */
void tsri_write_value(tsri_writer *w, const tsr_json *v);
void tsri_write_quoted(tsri_writer *w, const tsr_json *v);                /* between quote tokens */
void tsri_write_quoted_upper(tsri_writer *w, const tsr_json *v);          /* in upper case as well */
bool tsri_truthy(const tsr_json *v);                                      /* as Python's bool() */
bool tsri_upper_is(tsri_writer *w, const tsr_json *v, const char *upper); /* str(v).upper() == upper */

/* An argument: strings between quote tokens, keys sorted, quoted too when `quote_keys`. */
void tsri_write_argument(tsri_writer *w, const tsr_json *v, bool quote_keys, size_t depth);

/* The members of an object in the order of their keys without regard to case. */
typedef struct tsri_member {
    const char *key;
    const tsr_json *value;
    tsr_text lower;
    size_t place;
} tsri_member;

typedef struct tsri_members {
    tsri_member *at;
    size_t n;
} tsri_members;

void tsri_sort_members(tsri_writer *w, const tsr_json *object, tsri_members *out); /* empty after a failure */
void tsri_members_deinit(tsri_members *m);

void tsri_write_declaration(tsri_writer *w, const tsr_json *tool);
void tsri_write_call(tsri_writer *w, const tsr_json *call);

/* A tool's result: `v`, or the text when v is NULL. */
void tsri_write_response(tsri_writer *w, const char *name, const tsr_json *v, const char *text, size_t len);

#endif
