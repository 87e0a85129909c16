/* message_write.c: messages as JSON that message.c reads again. */
#include <string.h>

#include "json_build.h"
#include "message.h"
#include "part_source.h"
#include "tsr_alloc.h"

/* A path as it is, bytes as a data: URL. */
static tsr_json *source(const tessera_part *p, tsr_error *err)
{
    char *url;
    if (!p->data && p->path)
        return tsr_json_new_string(p->path, strlen(p->path));
    if (tsri_data_url(&url, p->data, p->data ? p->len : 0, err) != TSR_OK)
        return NULL;
    tsr_json *v = tsr_json_new_string(url, strlen(url));
    tsr_free(url);
    return v;
}

/* {"type": TYPE, TYPE: {FIELD: file}}; the names are those of `holders` in message.c. */
static tsr_json *media_part(const tessera_part *p, tsr_error *err)
{
    const char *type = p->kind == TESSERA_PART_IMAGE   ? "image_url"
                       : p->kind == TESSERA_PART_AUDIO ? "audio_url"
                       : p->kind == TESSERA_PART_VIDEO ? "video_url"
                                                       : "file";
    tsri_build part = tsri_build_object(), value = tsri_build_object();
    tsri_put(&value, strcmp(type, "file") == 0 ? "file_data" : "url", source(p, err));
    tsri_put_text(&part, "type", type);
    tsri_put(&part, type, tsri_build_end(&value));
    return tsri_build_end(&part);
}

static tsr_json *text_of(const tessera_part *p)
{
    return tsr_json_new_string(p->text ? p->text : "", p->text_len ? p->text_len : p->text ? strlen(p->text) : 0);
}

static tsr_json *content(const tsri_parts *parts, tsr_error *err)
{
    if (parts->n == 0)
        return tsr_json_new_string("", 0);
    if (parts->n == 1 && parts->at[0].kind == TESSERA_PART_TEXT)
        return text_of(&parts->at[0]);
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < parts->n; i++) {
        const tessera_part *p = &parts->at[i];
        if (p->kind == TESSERA_PART_TEXT) {
            tsri_build part = tsri_build_object();
            tsri_put_text(&part, "type", "text");
            tsri_put(&part, "text", text_of(p));
            tsri_add(&list, tsri_build_end(&part));
        } else {
            tsri_add(&list, media_part(p, err));
        }
    }
    return tsri_build_end(&list);
}

/* A copy of the message as it was read, whose content is what its parts are now. */
static tsr_json *from_doc(const tsri_message *m, tsr_error *err)
{
    char *text;
    tsr_json *copy = NULL;
    if (tsr_json_dump(&text, m->doc, 0, err) != TSR_OK)
        return NULL;
    if (tsr_json_parse(&copy, text, strlen(text), "message", err) != TSR_OK)
        copy = NULL;
    tsr_free(text);
    if (copy && m->parts.n && !tsr_json_set(copy, "content", content(&m->parts, err))) {
        tsr_json_free(copy);
        copy = NULL;
    }
    return copy;
}

static tsr_json *message_json(const tsri_message *m, tsr_error *err)
{
    static const char *const roles[] = {[TSR_ROLE_SYSTEM] = "system", [TSR_ROLE_DEVELOPER] = "developer",
                                        [TSR_ROLE_USER] = "user", [TSR_ROLE_ASSISTANT] = "assistant",
                                        [TSR_ROLE_TOOL] = "tool"};
    if (m->doc)
        return from_doc(m, err);
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "role", roles[m->role]);
    tsri_put(&o, "content", content(&m->parts, err));
    return tsri_build_end(&o);
}

tsr_status tsri_messages_json(const tsri_messages *l, tsr_json **out, tsr_error *err)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < l->n; i++)
        tsri_add(&list, message_json(&l->at[i], err));
    *out = tsri_build_end(&list);
    return *out ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: messages");
}
