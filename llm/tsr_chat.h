/* tsr_chat.h: a conversation becomes the text and control tokens that the model was trained on.
 *
 * The published chat template as code: turns, thinking, tools, media in place (MODEL.md, "Chat
 * template"). What a user or a tool says is text, never control, whatever it holds. Pure functions
 * of their arguments; any thread. */
#ifndef TSR_CHAT_H
#define TSR_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_json.h"
#include "tsr_status.h"
#include "tsr_utf8.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tsr_role {
    TSR_ROLE_SYSTEM,
    TSR_ROLE_DEVELOPER, /* as the first message the same as SYSTEM */
    TSR_ROLE_USER,
    TSR_ROLE_ASSISTANT,
    TSR_ROLE_TOOL /* the result of a call of the last assistant message */
} tsr_role;

typedef enum tsr_part_kind { TSR_PART_TEXT, TSR_PART_IMAGE, TSR_PART_AUDIO, TSR_PART_VIDEO } tsr_part_kind;

const char *tsr_part_kind_name(tsr_part_kind k); /* "text", "image", "audio", "video" */

typedef struct tsr_chat_part {
    tsr_part_kind kind;
    const char *text; /* TEXT only; any bytes, ill-formed UTF-8 becomes U+FFFD */
    size_t len;
} tsr_chat_part;

/* Zeroed fields mean "not there"; a message without parts has no content. Everything is borrowed
 * for the call. */
typedef struct tsr_chat_message {
    tsr_role role;
    const tsr_chat_part *parts;
    size_t n_parts;

    /* ASSISTANT. reasoning is shown again only beside calls made after the last user message.
     * tool_calls: [{"id"?, "function": {"name", "arguments": object or its JSON as a string}}];
     * tool_responses: [{"name"?, "response": any}], else TOOL messages that follow are taken. */
    const char *reasoning;
    size_t reasoning_len;
    const tsr_json *tool_calls, *tool_responses;

    /* TOOL: the call it answers, by id or name. response: its content when that isn't text. */
    const char *name, *tool_call_id;
    const tsr_json *response;
} tsr_chat_message;

typedef struct tsr_chat_opts {
    bool thinking;          /* ask for a thought before the answer */
    bool empty_thought;     /* 12B, 26B, 31B: with thinking off the model's turn starts with an empty thought */
    bool generation_prompt; /* end with the opening of the model's turn */
    const tsr_json *tools;  /* [{"function": {"name", "description", "parameters", "response"?}}]; NULL: none */
} tsr_chat_opts;

tsr_chat_opts tsr_chat_opts_default(void); /* no thinking, no empty thought, a generation prompt, no tools */

typedef enum tsr_segment_kind {
    TSR_SEGMENT_TEXT,    /* plain: encoded without control tokens, the whole segment at once */
    TSR_SEGMENT_CONTROL, /* the name of one control token */
    TSR_SEGMENT_MEDIA    /* what the media part becomes (tsr_prompt.h) */
} tsr_segment_kind;

typedef struct tsr_segment {
    tsr_segment_kind kind;
    const char *text; /* TEXT, CONTROL; well-formed, terminated */
    size_t len;
    tsr_part_kind media; /* MEDIA */
    size_t media_index;  /* counts media parts of the whole conversation, in the order given */
} tsr_segment;

typedef struct tsr_segments tsr_segments; /* no two TEXT segments stand side by side */

/* Render. The caller owns *out (tsr_segments_free), NULL on failure. TSR_ERR_USAGE: no message, or
 * a call, tool or response of a form that the template can't show; TSR_ERR_LIMIT: values nested
 * more than 100 deep. */
tsr_status tsr_chat_render(tsr_segments **out, const tsr_chat_message *messages, size_t n_messages,
                           const tsr_chat_opts *opts, tsr_error *err);
void tsr_segments_free(tsr_segments *s); /* NULL is fine */
size_t tsr_segments_count(const tsr_segments *s);
const tsr_segment *tsr_segments_at(const tsr_segments *s, size_t i);
size_t tsr_segments_media(const tsr_segments *s); /* how many MEDIA segments there are */

/* Append what the template would print: control tokens by name, media as their placeholder. */
tsr_status tsr_segments_print(const tsr_segments *s, tsr_text *out, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
