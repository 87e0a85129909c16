/* conversation.c: see the header. */
#include "conversation.h"

#include <string.h>

#include "tsr_alloc.h"

typedef struct name_value {
    const char *name;
    int value;
} name_value;

static const name_value roles[] = {
    {"system", TSR_ROLE_SYSTEM},       {"developer", TSR_ROLE_DEVELOPER}, {"user", TSR_ROLE_USER},
    {"assistant", TSR_ROLE_ASSISTANT}, {"model", TSR_ROLE_ASSISTANT},     {"tool", TSR_ROLE_TOOL},
};
static const name_value kinds[] = {
    {"text", TSR_PART_TEXT},
    {"image", TSR_PART_IMAGE},
    {"audio", TSR_PART_AUDIO},
    {"video", TSR_PART_VIDEO},
};

static bool look_up(const name_value *list, size_t n, const char *name, int *out)
{
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp(list[i].name, name) != 0) continue;
        *out = list[i].value;
        return true;
    }
    return false;
}

static tsr_status parse_part(tsr_chat_part *out, const tsr_json *v, size_t message, tsr_error *err)
{
    int kind;
    if (!look_up(kinds, sizeof kinds / sizeof *kinds, tsr_json_string(tsr_json_get(v, "type"), NULL), &kind))
        return tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: a part must be text, image, audio or video", message);
    out->kind = (tsr_part_kind)kind;
    out->text = tsr_json_string(tsr_json_get(v, "text"), &out->len);
    if (out->kind == TSR_PART_TEXT && !out->text)
        return tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: a text part without text", message);
    return TSR_OK;
}

/* Gives the parts used, which stand at `parts`. An empty string is no content. */
static tsr_status parse_content(tsr_chat_message *m, const tsr_json *v, tsr_chat_part *parts, size_t message,
                                tsr_error *err)
{
    tsr_status st = TSR_OK;
    size_t len;
    const char *s = tsr_json_string(v, &len);

    m->parts = parts;
    if (s) {
        parts[0] = (tsr_chat_part){.kind = TSR_PART_TEXT, .text = s, .len = len};
        m->n_parts = len || m->role == TSR_ROLE_TOOL;
    } else if (tsr_json_is_array(v)) {
        for (; m->n_parts < tsr_json_len(v) && st == TSR_OK; m->n_parts++)
            st = parse_part(parts + m->n_parts, tsr_json_at(v, m->n_parts), message, err);
    } else if (m->role == TSR_ROLE_TOOL) {
        m->response = v;
    } else if (v && !tsr_json_is_null(v)) {
        st = tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: content must be a string or a list of parts", message);
    }
    return st;
}

static tsr_status parse_message(tsr_chat_message *m, const tsr_json *v, tsr_chat_part *parts, size_t i, tsr_error *err)
{
    const char *reasoning;
    size_t len = 0;
    int role;

    if (!look_up(roles, sizeof roles / sizeof *roles, tsr_json_string(tsr_json_get(v, "role"), NULL), &role))
        return tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: role must be system, developer, user, assistant or tool", i);
    m->role = (tsr_role)role;
    reasoning = tsr_json_string(tsr_json_get(v, "reasoning"), &len);
    if (!reasoning || !len) reasoning = tsr_json_string(tsr_json_get(v, "reasoning_content"), &len);
    m->reasoning = reasoning;
    m->reasoning_len = reasoning ? len : 0;
    m->tool_calls = tsr_json_get_set(v, "tool_calls");
    m->tool_responses = tsr_json_get_set(v, "tool_responses");
    m->name = tsr_json_string(tsr_json_get(v, "name"), NULL);
    m->tool_call_id = tsr_json_string(tsr_json_get(v, "tool_call_id"), NULL);
    return parse_content(m, tsr_json_get(v, "content"), parts, i, err);
}

tsr_status conversation_parse(conversation *out, const tsr_json *json, tsr_error *err)
{
    size_t n = tsr_json_len(json), n_parts = 0;
    tsr_status st = TSR_OK;

    *out = (conversation){0};
    if (!tsr_json_is_array(json) || n == 0) return tsr_fail(err, TSR_ERR_USAGE, "chat: messages must be a list, not empty");
    for (size_t i = 0; i < n; i++) {
        const tsr_json *content = tsr_json_get(tsr_json_at(json, i), "content");
        n_parts += tsr_json_is_array(content) ? tsr_json_len(content) : 1;
    }
    out->messages = tsr_calloc(n, sizeof *out->messages);
    out->parts = tsr_calloc(n_parts, sizeof *out->parts);
    if (!out->messages || !out->parts) st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu messages", n);
    n_parts = 0;
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        st = parse_message(out->messages + i, tsr_json_at(json, i), out->parts + n_parts, i, err);
        n_parts += out->messages[i].n_parts;
        out->n_messages++;
    }
    if (st != TSR_OK) conversation_deinit(out);
    return st;
}

void conversation_deinit(conversation *c)
{
    tsr_free(c->messages);
    tsr_free(c->parts);
    *c = (conversation){0};
}
