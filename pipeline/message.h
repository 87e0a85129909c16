/* message.h: messages in the form of OpenAI's chat, read and written. The one home of that form: lines of batches,
 * histories and talks come through here. */
#ifndef TSR_MESSAGE_H
#define TSR_MESSAGE_H

#include <stdbool.h>

#include "part_list.h"
#include "tsr_chat.h"

/* One turn. Its media are parts with paths or bytes. */
typedef struct tsri_message {
    tsr_role role;
    tsri_parts parts; /* texts; of a user also media */
    tsr_json *doc;    /* the message as JSON where it holds more than role and content (calls, a tool's answer); else NULL */
} tsri_message;

typedef struct tsri_messages {
    tsri_message *at; /* [n] */
    size_t n, room;
} tsri_messages;

void tsri_message_deinit(tsri_message *m);
void tsri_messages_deinit(tsri_messages *l); /* zeroed is fine */

/* Append an empty message; NULL, with the error set, when memory is short. */
tsri_message *tsri_messages_add(tsri_messages *l, tsr_role role, tsr_error *err);
/* Keep the first n. */
void tsri_messages_cut(tsri_messages *l, size_t n);

/* Read a list of messages, appending to `out`. Paths of media start at `dir`; NULL: only data: URLs are taken. Every key
 * is known or refused by its name. "message 2: ..." in errors counts from 0. On failure *out holds what was read. */
tsr_status tsri_messages_read(tsri_messages *out, const tsr_json *list, const char *dir, tsr_error *err);
/* The same from text: a JSON list, or one message on each line (blank lines count for nothing). Errors begin with
 * "NAME: line L", also where a message is wrong, and are TSR_ERR_DATA where the text is. */
tsr_status tsri_messages_parse(tsri_messages *out, const char *text, const char *name, const char *dir, tsr_error *err);

/* A list that tsri_messages_read takes again, the caller's: bytes as data: URLs, paths as they are. */
tsr_status tsri_messages_json(const tsri_messages *l, tsr_json **out, tsr_error *err);

bool tsri_messages_have_system(const tsri_messages *l);
size_t tsri_messages_parts(const tsri_messages *l); /* of all messages */

/* Fill in all but the parts; what it borrows lives as long as m. */
void tsri_message_show(tsr_chat_message *out, const tsri_message *m);

#endif
