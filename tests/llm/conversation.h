/* conversation.h: the fixtures' messages, whose media are places alone, as the template takes them. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "tsr_chat.h"

/* Messages in the widespread JSON form: [{"role", "content": string | [parts] | null, "reasoning" or
 * "reasoning_content"?, "tool_calls"?, "tool_responses"?, "name"?, "tool_call_id"?}], parts
 * {"type": "text" | "image" | "audio" | "video", "text"?}. The messages borrow from `json`. */
typedef struct conversation {
    tsr_chat_message *messages;
    size_t n_messages;
    tsr_chat_part *parts; /* of all messages */
} conversation;

/* TSR_ERR_USAGE for another form, naming the message; *out is then empty. Its owner deinits it. */
tsr_status conversation_parse(conversation *out, const tsr_json *json, tsr_error *err);
void conversation_deinit(conversation *c); /* zeroed is fine */

#endif
