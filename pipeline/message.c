/* message.c: the list of messages, and reading it. Writing is in message_write.c. */
#include "message.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

/* ---- the list ---- */

void tsri_message_deinit(tsri_message *m)
{
    tsri_parts_deinit(&m->parts);
    tsr_json_free(m->doc);
    *m = (tsri_message){.role = TSR_ROLE_SYSTEM};
}

void tsri_messages_cut(tsri_messages *l, size_t n)
{
    while (l->n > n)
        tsri_message_deinit(&l->at[--l->n]);
}

void tsri_messages_deinit(tsri_messages *l)
{
    tsri_messages_cut(l, 0);
    tsr_free(l->at);
    *l = (tsri_messages){0};
}

tsri_message *tsri_messages_add(tsri_messages *l, tsr_role role, tsr_error *err)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 8;
        tsri_message *grown = tsr_realloc(l->at, room * sizeof *grown);
        if (!grown) {
            tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu messages", room);
            return NULL;
        }
        l->at = grown;
        l->room = room;
    }
    l->at[l->n] = (tsri_message){.role = role};
    return &l->at[l->n++];
}

bool tsri_messages_have_system(const tsri_messages *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].role == TSR_ROLE_SYSTEM || l->at[i].role == TSR_ROLE_DEVELOPER)
            return true;
    return false;
}

size_t tsri_messages_parts(const tsri_messages *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->at[i].parts.n;
    return n;
}

static bool is_among(const char *key, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

/* ---- parts of a message ---- */

/* What holds a file: {"type": TYPE, TYPE: {FIELD: file, OTHER: string}}. message_write.c writes the same. */
static const struct holder {
    const char *type, *field, *other;
    tessera_part_kind kind;
    bool is_base64; /* FIELD is base64 without the head of a data: URL */
} holders[] = {
    {"image_url", "url", "detail", TESSERA_PART_IMAGE, false},
    {"input_audio", "data", "format", TESSERA_PART_AUDIO, true},
    {"audio_url", "url", NULL, TESSERA_PART_AUDIO, false},
    {"video_url", "url", NULL, TESSERA_PART_VIDEO, false},
    {"file", "file_data", "filename", TESSERA_PART_FILE, false},
};

static const struct holder *holder_of(const char *type)
{
    for (size_t i = 0; i < sizeof holders / sizeof *holders; i++)
        if (type && strcmp(type, holders[i].type) == 0)
            return &holders[i];
    return NULL;
}

static tsr_status check_part(const tsr_json *part, const char *type, const tsr_json *value, const struct holder *h,
                             tsr_error *err)
{
    for (void *it = tsr_json_first(part); it; it = tsr_json_next(part, it))
        if (strcmp(tsr_json_key(it), "type") != 0 && strcmp(tsr_json_key(it), type) != 0)
            return tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" of a part \"%s\" is not known", tsr_json_key(it),
                            type);
    if (h && !tsr_json_is_object(value))
        return tsr_fail(err, TSR_ERR_USAGE, "\"%s\" must be an object with \"%s\"", type, h->field);
    for (void *it = h ? tsr_json_first(value) : NULL; it; it = tsr_json_next(value, it))
        if (strcmp(tsr_json_key(it), h->field) != 0 && !(h->other && strcmp(tsr_json_key(it), h->other) == 0))
            return tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" of \"%s\" is not known", tsr_json_key(it), type);
    return TSR_OK;
}

/* "detail" is a wish about cost that --budget and "budget" state exactly; what a format is, its bytes tell. */
static tsr_status check_other(const struct holder *h, const tsr_json *other, tsr_error *err)
{
    static const char *const formats[] = {"wav", "mp3", "flac", "ogg", "opus", "m4a", "aac", "aiff", "amr"};
    const char *text;
    tsr_status st = tsri_plain_string(&text, other, h->other, err);
    if (st == TSR_OK && strcmp(h->other, "detail") == 0 && strcmp(text, "auto") != 0)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED,
                      "\"detail\": \"%.100s\": only \"auto\"; \"budget\" beside \"messages\" says it", text);
    if (st == TSR_OK && strcmp(h->other, "format") == 0 && !is_among(text, formats, sizeof formats / sizeof *formats))
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "\"format\": \"%.100s\" is no format of sound that is read", text);
    return st;
}

/* input_audio has base64 by OpenAI's rules; a URL, or a path with an extension, is known by a colon or a point, which
 * base64 lacks. */
static tsr_status add_sound(tsri_parts *l, const char *text, const char *dir, tsr_error *err)
{
    static const char head[] = "data:;base64,";
    if (strpbrk(text, ".:"))
        return tsri_parts_add_file(l, TESSERA_PART_AUDIO, text, dir, "input_audio", err);
    size_t len = strlen(text), size;
    char *url = tsr_add_size(&size, len, sizeof head) ? tsr_alloc(size) : NULL;
    if (!url)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: sound");
    memcpy(url, head, sizeof head - 1);
    memcpy(url + sizeof head - 1, text, len + 1);
    tsr_status st = tsri_parts_add_file(l, TESSERA_PART_AUDIO, url, dir, "input_audio", err);
    tsr_free(url);
    return st;
}

/* Texts are copied: the JSON need not live on. */
static tsr_status add_text(tsri_parts *l, const char *text, tsr_error *err)
{
    return tsri_parts_copy(l, &(tessera_part){.kind = TESSERA_PART_TEXT, .text = text}, err);
}

static tsr_status add_part(tsri_message *m, const tsr_json *part, const char *dir, tsr_error *err)
{
    const char *type = tsr_json_string(tsr_json_get(part, "type"), NULL), *text;
    const struct holder *h = holder_of(type);
    const tsr_json *value = type ? tsr_json_get(part, type) : NULL;
    if (!type)
        return tsr_fail(err, TSR_ERR_USAGE, "a part of \"content\" must be an object with a \"type\"");
    if (!h && strcmp(type, "text") != 0)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "a part of the type \"%.100s\" is not supported", type);
    if (h && m->role != TSR_ROLE_USER)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "a part of the type \"%s\" can stand in a user's message alone", type);
    tsr_status st = check_part(part, type, value, h, err);
    if (st == TSR_OK && h && h->other && tsr_json_get_set(value, h->other))
        st = check_other(h, tsr_json_get(value, h->other), err);
    if (st == TSR_OK)
        st = tsri_plain_string(&text, h ? tsr_json_get(value, h->field) : value, h ? h->field : "text", err);
    if (st != TSR_OK)
        return st;
    if (!h)
        return add_text(&m->parts, text, err);
    return h->is_base64 ? add_sound(&m->parts, text, dir, err)
                        : tsri_parts_add_file(&m->parts, h->kind, text, dir, h->type, err);
}

/* An empty text is no content, but of a tool. What a tool answers may be any value: it stays in `doc`. */
static tsr_status add_content(tsri_message *m, const tsr_json *content, const char *dir, tsr_error *err)
{
    const char *text;
    tsr_status st = TSR_OK;
    bool is_free = m->role == TSR_ROLE_TOOL || m->role == TSR_ROLE_ASSISTANT;
    if (tsr_json_is_array(content)) {
        if (tsr_json_len(content) == 0 && !is_free)
            return tsr_fail(err, TSR_ERR_USAGE, "\"content\" is empty");
        for (size_t i = 0; i < tsr_json_len(content) && st == TSR_OK; i++)
            st = add_part(m, tsr_json_at(content, i), dir, err);
        return st;
    }
    if (is_free && (!content || tsr_json_is_null(content)))
        return TSR_OK;
    if (m->role == TSR_ROLE_TOOL && !tsr_json_is_string(content))
        return TSR_OK;
    if ((st = tsri_plain_string(&text, content, "content", err)) != TSR_OK)
        return st;
    return *text || m->role != TSR_ROLE_ASSISTANT ? add_text(&m->parts, text, err) : TSR_OK;
}

/* ---- messages ---- */

static tsr_status find_role(tsr_role *out, const tsr_json *message, tsr_error *err)
{
    static const char *const names[] = {[TSR_ROLE_SYSTEM] = "system", [TSR_ROLE_DEVELOPER] = "developer",
                                        [TSR_ROLE_USER] = "user", [TSR_ROLE_ASSISTANT] = "assistant",
                                        [TSR_ROLE_TOOL] = "tool"};
    const char *role = tsr_json_string(tsr_json_get(message, "role"), NULL);
    for (size_t i = 0; role && i < sizeof names / sizeof *names; i++)
        if (strcmp(role, names[i]) == 0) {
            *out = (tsr_role)i;
            return TSR_OK;
        }
    return tsr_fail(err, TSR_ERR_USAGE, "\"role\" must be system, developer, user, assistant or tool");
}

static tsr_status keep_doc(tsri_message *m, const tsr_json *message, tsr_error *err)
{
    char *text;
    tsr_status st = tsr_json_dump(&text, message, 0, err);
    if (st == TSR_OK)
        st = tsr_json_parse(&m->doc, text, strlen(text), "message", err);
    tsr_free(text);
    return st;
}

static tsr_status read_message(tsri_messages *out, const tsr_json *message, const char *dir, tsr_error *err)
{
    static const char *const keys[] = {"role",           "content",      "reasoning", "reasoning_content",
                                       "tool_responses", "tool_call_id", "name",      "tool_calls"};
    tsr_role role = TSR_ROLE_USER;
    bool is_plain = true;
    tsr_status st = find_role(&role, message, err);
    for (void *it = tsr_json_first(message); it && st == TSR_OK; it = tsr_json_next(message, it)) {
        if (!is_among(tsr_json_key(it), keys, sizeof keys / sizeof *keys))
            st = tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" is not known", tsr_json_key(it));
        is_plain = is_plain && is_among(tsr_json_key(it), keys, 2);
    }
    tsri_message *m = st == TSR_OK ? tsri_messages_add(out, role, err) : NULL;
    if (!m)
        return st != TSR_OK ? st : TSR_ERR_NOMEM;
    if (!is_plain || role == TSR_ROLE_TOOL)
        st = keep_doc(m, message, err);
    return st == TSR_OK ? add_content(m, tsr_json_get(message, "content"), dir, err) : st;
}

/* The failed message is named, and counted from 0. */
static tsr_status read_numbered(tsri_messages *out, const tsr_json *message, size_t i, const char *dir, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = read_message(out, message, dir, &why);
    return st == TSR_OK ? st : tsr_fail(err, st, "message %zu: %s", i, why.text);
}

tsr_status tsri_messages_read(tsri_messages *out, const tsr_json *list, const char *dir, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (!tsr_json_is_array(list) || tsr_json_len(list) == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "\"messages\" must be a list, not empty");
    for (size_t i = 0; i < tsr_json_len(list) && st == TSR_OK; i++)
        st = read_numbered(out, tsr_json_at(list, i), i, dir, err);
    return st;
}

/* ---- from text ---- */

/* The line on which element i of a list stands; the text is known to be a JSON list of more than i elements. */
static size_t line_of_element(const char *s, size_t i)
{
    size_t line = 1, depth = 0;
    bool in_string = false, wanted = false;
    for (; *s; s++) {
        line += *s == '\n';
        if (in_string) {
            if (*s == '\\' && s[1])
                s++;
            else
                in_string = *s != '"';
        } else if (strchr(" \t\r\n", *s)) {
            continue;
        } else if (wanted) {
            return line;
        } else if (*s == '"') {
            in_string = true;
        } else if (*s == '[' || *s == '{') {
            wanted = ++depth == 1 && i == 0;
        } else if (*s == ']' || *s == '}') {
            depth--;
        } else if (*s == ',' && depth == 1) {
            wanted = --i == 0;
        }
    }
    return line;
}

/* What is wrong in text of a user is bad data, whatever the reader of model files calls it. */
static tsr_status as_data(tsr_status st)
{
    return st == TSR_ERR_MODEL || st == TSR_ERR_USAGE ? TSR_ERR_DATA : st;
}

static tsr_status parse_list(tsri_messages *out, const char *text, const char *name, const char *dir, tsr_error *err)
{
    tsr_json *doc = NULL;
    tsr_error why = {TSR_OK, ""};
    tsr_status st = tsr_json_parse(&doc, text, strlen(text), name, &why);
    if (st != TSR_OK)
        return tsr_fail(err, as_data(st), "%s", why.text);
    if (tsr_json_len(doc) == 0)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: holds no messages", name);
    for (size_t i = 0; i < tsr_json_len(doc) && st == TSR_OK; i++) {
        st = read_numbered(out, tsr_json_at(doc, i), i, dir, &why);
        if (st != TSR_OK)
            st = tsr_fail(err, as_data(st), "%s: line %zu: %s", name, line_of_element(text, i), why.text);
    }
    tsr_json_free(doc);
    return st;
}

static tsr_status parse_line(tsri_messages *out, const char *line, size_t len, size_t i, const char *dir, tsr_error *why)
{
    tsr_json *doc = NULL;
    tsr_error json = {TSR_OK, ""};
    tsr_status st = tsr_json_parse(&doc, line, len, "message", &json);
    const char *place = st == TSR_OK ? NULL : strstr(json.text, "column"); /* its line is always 1 */
    if (st == TSR_OK && !tsr_json_is_object(doc))
        st = tsr_fail(why, TSR_ERR_DATA, "is no JSON object");
    else if (st == TSR_OK)
        st = read_numbered(out, doc, i, dir, why);
    else
        tsr_fail(why, st, "%s", place ? place : json.text);
    tsr_json_free(doc);
    return st;
}

static tsr_status parse_lines(tsri_messages *out, const char *text, const char *name, const char *dir, tsr_error *err)
{
    size_t number = 1, i = 0;
    for (const char *s = text; *s; number++) {
        size_t len = strcspn(s, "\n"), body = strspn(s, " \t\r\n") < len ? len : 0;
        tsr_error why = {TSR_OK, ""};
        tsr_status st = body ? parse_line(out, s, body, i++, dir, &why) : TSR_OK;
        if (st != TSR_OK)
            return tsr_fail(err, as_data(st), "%s: line %zu: %s", name, number, why.text);
        s += len + (s[len] == '\n');
    }
    return i ? TSR_OK : tsr_fail(err, TSR_ERR_DATA, "%s: holds no messages", name);
}

tsr_status tsri_messages_parse(tsri_messages *out, const char *text, const char *name, const char *dir, tsr_error *err)
{
    const char *first = text + strspn(text, " \t\r\n");
    return *first == '[' ? parse_list(out, text, name, dir, err) : parse_lines(out, text, name, dir, err);
}

/* ---- for the template ---- */

void tsri_message_show(tsr_chat_message *out, const tsri_message *m)
{
    const tsr_json *content = tsr_json_get(m->doc, "content");
    size_t len = 0;
    *out = (tsr_chat_message){.role = m->role};
    out->reasoning = tsr_json_string(tsr_json_get(m->doc, "reasoning"), &len);
    if (!out->reasoning || !len)
        out->reasoning = tsr_json_string(tsr_json_get(m->doc, "reasoning_content"), &len);
    out->reasoning_len = out->reasoning ? len : 0;
    out->tool_calls = tsr_json_get_set(m->doc, "tool_calls");
    out->tool_responses = tsr_json_get_set(m->doc, "tool_responses");
    out->name = tsr_json_string(tsr_json_get(m->doc, "name"), NULL);
    out->tool_call_id = tsr_json_string(tsr_json_get(m->doc, "tool_call_id"), NULL);
    if (m->role == TSR_ROLE_TOOL && !tsr_json_is_string(content) && !tsr_json_is_array(content))
        out->response = content;
}
