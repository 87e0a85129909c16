/* batch_openai.c: a line in the form of OpenAI's batches: the last message becomes parts, those before it stay
 * messages. */
#include <stdio.h>
#include <string.h>

#include "batch_line.h"
#include "tsr_alloc.h"

static bool is_role(const tsr_json *message, const char *role)
{
    const char *text = tsr_json_string(tsr_json_get(message, "role"), NULL);
    return text && strcmp(text, role) == 0;
}

static bool is_among(const char *key, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

/* ---- parts of a message ---- */

/* What holds a file: {"type": TYPE, TYPE: {FIELD: file, OTHER: string}}. */
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
    tsr_status st = tsri_batch_string(&text, other, h->other, err);
    if (st == TSR_OK && strcmp(h->other, "detail") == 0 && strcmp(text, "auto") != 0)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED,
                      "\"detail\": \"%.100s\": only \"auto\"; \"budget\" beside \"messages\" says it", text);
    if (st == TSR_OK && strcmp(h->other, "format") == 0 && !is_among(text, formats, sizeof formats / sizeof *formats))
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "\"format\": \"%.100s\" is no format of sound that is read", text);
    return st;
}

/* input_audio has base64 by OpenAI's rules; a URL, or a path with an extension, is known by a colon or a point, which
 * base64 lacks. */
static tsr_status add_sound(tsri_batch_line *l, const char *text, const char *dir, tsr_error *err)
{
    static const char head[] = "data:;base64,";
    if (strpbrk(text, ".:"))
        return tsri_batch_add_file(l, TESSERA_PART_AUDIO, text, dir, "input_audio", err);
    size_t len = strlen(text), size;
    char *url = tsr_add_size(&size, len, sizeof head) ? tsr_alloc(size) : NULL;
    if (!url)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: sound");
    memcpy(url, head, sizeof head - 1);
    memcpy(url + sizeof head - 1, text, len + 1);
    tsr_status st = tsri_batch_add_file(l, TESSERA_PART_AUDIO, url, dir, "input_audio", err);
    tsr_free(url);
    return st;
}

static tsr_status add_part(tsri_batch_line *l, const tsr_json *part, const char *dir, tsr_error *err)
{
    const char *type = tsr_json_string(tsr_json_get(part, "type"), NULL), *text;
    const struct holder *h = holder_of(type);
    const tsr_json *value = type ? tsr_json_get(part, type) : NULL;
    if (!type)
        return tsr_fail(err, TSR_ERR_USAGE, "a part of \"content\" must be an object with a \"type\"");
    if (!h && strcmp(type, "text") != 0)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "a part of the type \"%.100s\" is not supported", type);
    tsr_status st = check_part(part, type, value, h, err);
    if (st == TSR_OK && h && h->other && tsr_json_get_set(value, h->other))
        st = check_other(h, tsr_json_get(value, h->other), err);
    if (st == TSR_OK)
        st = tsri_batch_string(&text, h ? tsr_json_get(value, h->field) : value, h ? h->field : "text", err);
    if (st != TSR_OK)
        return st;
    if (!h)
        return tsri_batch_add_text(l, TESSERA_PART_TEXT, text, err);
    return h->is_base64 ? add_sound(l, text, dir, err) : tsri_batch_add_file(l, h->kind, text, dir, h->type, err);
}

static tsr_status add_content(tsri_batch_line *l, const tsr_json *content, const char *dir, tsr_error *err)
{
    const char *text;
    tsr_status st = TSR_OK;
    if (tsr_json_is_array(content)) {
        if (tsr_json_len(content) == 0)
            return tsr_fail(err, TSR_ERR_USAGE, "\"content\" of the last message is empty");
        for (size_t i = 0; i < tsr_json_len(content) && st == TSR_OK; i++)
            st = add_part(l, tsr_json_at(content, i), dir, err);
        return st;
    }
    st = tsri_batch_string(&text, content, "content", err);
    return st == TSR_OK ? tsri_batch_add_text(l, TESSERA_PART_TEXT, text, err) : st;
}

/* ---- messages ---- */

static tsr_status check_message(const tsr_json *m, size_t i, bool is_last, tsr_error *err)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    static const char *const keys[] = {"role",      "content",          "name", "tool_calls", "tool_call_id",
                                       "reasoning", "reasoning_content"};
    const char *role = tsr_json_string(tsr_json_get(m, "role"), NULL);
    const tsr_json *content = tsr_json_get(m, "content");
    if (!role || !is_among(role, roles, sizeof roles / sizeof *roles))
        return tsr_fail(err, TSR_ERR_USAGE, "message %zu: \"role\" must be system, developer, user, assistant or tool",
                        i);
    for (void *it = tsr_json_first(m); it; it = tsr_json_next(m, it))
        if (!is_among(tsr_json_key(it), keys, sizeof keys / sizeof *keys))
            return tsr_fail(err, TSR_ERR_USAGE, "message %zu: the key \"%.100s\" is not known", i, tsr_json_key(it));
    for (size_t k = 0; !is_last && tsr_json_is_array(content) && k < tsr_json_len(content); k++) {
        const char *type = tsr_json_string(tsr_json_get(tsr_json_at(content, k), "type"), NULL);
        if (!type || strcmp(type, "text") != 0)
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "message %zu: only the last message can hold anything but text",
                            i);
    }
    return TSR_OK;
}

/* Messages [0, n) as JSON. */
static tsr_status keep_earlier(tsri_batch_line *l, const tsr_json *messages, size_t n, tsr_error *err)
{
    tsr_text list = {0};
    tsr_status st = tsr_text_add(&list, "[", 1, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        char *one = NULL;
        st = tsr_json_dump(&one, tsr_json_at(messages, i), 0, err);
        if (st == TSR_OK && i)
            st = tsr_text_add(&list, ",", 1, err);
        if (st == TSR_OK)
            st = tsr_text_add(&list, one, strlen(one), err);
        tsr_free(one);
    }
    if (st == TSR_OK)
        st = tsr_text_add(&list, "]", 2, err); /* with its end */
    if (st == TSR_OK) {
        l->rq.messages = list.at;
        return tsri_batch_keep(l, list.at, err);
    }
    tsr_text_deinit(&list);
    return st;
}

static tsr_status read_messages(tsri_batch_line *l, const tsr_json *messages, const tessera_request *settings,
                                const char *dir, tsr_error *err)
{
    size_t n = tsr_json_len(messages);
    bool has_system = false;
    tsr_status st = TSR_OK;
    if (!tsr_json_is_array(messages) || n == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "\"messages\" must be a list, not empty");
    const tsr_json *last = tsr_json_at(messages, n - 1);
    bool is_user = is_role(last, "user");
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        st = check_message(tsr_json_at(messages, i), i, is_user && i == n - 1, err);
        has_system =
            has_system || is_role(tsr_json_at(messages, i), "system") || is_role(tsr_json_at(messages, i), "developer");
    }
    if (st == TSR_OK && !is_user && !is_role(last, "tool"))
        st = tsr_fail(err, TSR_ERR_USAGE, "the last message must be the user's or a tool's");
    if (st == TSR_OK && !has_system)
        st = tsri_batch_add_system(l, settings, err);
    size_t n_earlier = is_user ? n - 1 : n;
    l->rq.messages = NULL;
    if (st == TSR_OK && n_earlier)
        st = keep_earlier(l, messages, n_earlier, err);
    return st == TSR_OK && is_user ? add_content(l, tsr_json_get(last, "content"), dir, err) : st;
}

/* ---- the line ---- */

static tsr_status check_head(const tsri_batch_line *l, tsr_error *err)
{
    static const char *const keys[] = {"custom_id", "method", "url", "body"};
    const char *method = tsr_json_string(tsr_json_get(l->doc, "method"), NULL);
    const char *url = tsr_json_string(tsr_json_get(l->doc, "url"), NULL);
    for (void *it = tsr_json_first(l->doc); it; it = tsr_json_next(l->doc, it))
        if (!is_among(tsr_json_key(it), keys, sizeof keys / sizeof *keys))
            return tsr_fail(err, TSR_ERR_USAGE,
                            "the key \"%.100s\" is not known beside \"custom_id\", \"method\", \"url\" and \"body\"",
                            tsr_json_key(it));
    if (!method || strcmp(method, "POST") != 0)
        return tsr_fail(err, TSR_ERR_USAGE, "\"method\" must be \"POST\"");
    if (!url)
        return tsr_fail(err, TSR_ERR_USAGE, "\"url\" must be \"/v1/chat/completions\"");
    if (strcmp(url, "/v1/chat/completions") != 0)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "\"url\": \"%.100s\": only \"/v1/chat/completions\" is supported",
                        url);
    if (!tsr_json_is_object(tsr_json_get(l->doc, "body")))
        return tsr_fail(err, TSR_ERR_USAGE, "\"body\" must be an object");
    return TSR_OK;
}

tsr_status tsri_batch_read_openai(tsri_batch_line *l, const tessera_request *settings, const char *dir, tsr_error *err)
{
    const tsr_json *body = tsr_json_get(l->doc, "body"), *model = tsr_json_get_set(body, "model");
    const char *text;
    tsr_status st = check_head(l, err);
    if (st == TSR_OK && model && (st = tsri_batch_string(&text, model, "model", err)) == TSR_OK)
        l->model = model;
    if (st == TSR_OK && tsr_json_get_set(body, "max_tokens") && tsr_json_get_set(body, "max_completion_tokens"))
        st =
            tsr_fail(err, TSR_ERR_USAGE, "\"max_tokens\" and \"max_completion_tokens\" are the same: give one of them");
    if (st == TSR_OK)
        st = read_messages(l, tsr_json_get(body, "messages"), settings, dir, err);
    for (void *it = tsr_json_first(body); it && st == TSR_OK; it = tsr_json_next(body, it)) {
        const char *key = tsr_json_key(it);
        bool known = strcmp(key, "model") == 0 || strcmp(key, "messages") == 0;
        if (!known)
            st = tsri_batch_option(l, key, tsr_json_value(it), TSRI_FORM_OPENAI, &known, err);
        if (st == TSR_OK && !known)
            st = tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" of \"body\" is not known", key);
    }
    return st;
}
