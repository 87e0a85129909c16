/* batch_openai.c: a line in the form of OpenAI's batches: the last message becomes parts, those before it stay
 * messages. */
#include <stdio.h>
#include <string.h>

#include "batch_line.h"
#include "message.h"
#include "tsr_alloc.h"

static bool is_among(const char *key, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

/* ---- messages ---- */

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
        return tsri_parts_keep(&l->parts, list.at, err);
    }
    tsr_text_deinit(&list);
    return st;
}

/* The parts of the last message go on as the request's own. */
static tsr_status take_parts(tsri_batch_line *l, tsri_parts *from, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < from->n && st == TSR_OK; i++)
        st = tsri_parts_add(&l->parts, from->at[i], err);
    while (from->n_owned && st == TSR_OK)
        st = tsri_parts_keep(&l->parts, from->owned[--from->n_owned], err);
    return st;
}

static tsr_status use_messages(tsri_batch_line *l, tsri_messages *read, const tsr_json *messages,
                               const tessera_request *settings, const char *dir, tsr_error *err)
{
    tsri_message *last = &read->at[read->n - 1];
    bool is_user = last->role == TSR_ROLE_USER;
    size_t n_earlier = is_user ? read->n - 1 : read->n;
    tsr_status st = TSR_OK;
    if (!is_user && last->role != TSR_ROLE_TOOL)
        return tsr_fail(err, TSR_ERR_USAGE, "the last message must be the user's or a tool's");
    if (!tsri_messages_have_system(read))
        st = tsri_batch_add_system(l, settings, err);
    l->rq.messages = NULL;
    l->rq.messages_dir = dir;
    if (st == TSR_OK && n_earlier)
        st = keep_earlier(l, messages, n_earlier, err);
    return st == TSR_OK && is_user ? take_parts(l, &last->parts, err) : st;
}

static tsr_status read_messages(tsri_batch_line *l, const tsr_json *messages, const tessera_request *settings,
                                const char *dir, tsr_error *err)
{
    tsri_messages read = {0};
    tsr_status st = tsri_messages_read(&read, messages, dir, err);
    if (st == TSR_OK)
        st = use_messages(l, &read, messages, settings, dir, err);
    tsri_messages_deinit(&read);
    return st;
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
    if (st == TSR_OK && model && (st = tsri_plain_string(&text, model, "model", err)) == TSR_OK)
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
