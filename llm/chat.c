/* chat.c: turns. The published template is a single pass over the messages with one piece of
 * state, the kind of what was shown last; its odd corners (what closes a turn, when the next one
 * gets a header) follow from that state and are kept. */
#include <string.h>

#include "chat_internal.h"
#include "tsr_alloc.h"

struct tsr_segments {
    tsr_segment *at;
    size_t n, cap, n_media;
    char *text;
};

/* ---- Writing segments ---- */

void tsri_write_fail(tsri_writer *w, tsr_status st, const char *what)
{
    if (w->status == TSR_OK) w->status = tsr_fail(w->err, st, "chat: %s", what);
}

static tsr_segment *add_segment(tsri_writer *w, tsr_segment_kind kind)
{
    struct tsr_segments *s = w->segments;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 32, bytes;
        tsr_segment *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(s->at, bytes) : NULL;
        if (!grown) {
            tsri_write_fail(w, TSR_ERR_NOMEM, "out of memory");
            return NULL;
        }
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->n] = (tsr_segment){.kind = kind};
    return s->at + s->n++;
}

static void add_bytes(tsri_writer *w, const char *s, size_t len)
{
    if (w->status == TSR_OK) w->status = tsr_text_add(&w->text, s, len, w->err);
}

void tsri_write(tsri_writer *w, const char *s, size_t len)
{
    struct tsr_segments *all = w->segments;
    tsr_segment *last = all->n ? all->at + all->n - 1 : NULL;
    if (!len || w->status != TSR_OK) return;
    if (!last || last->kind != TSR_SEGMENT_TEXT) {
        if (w->text.len) add_bytes(w, "", 1); /* ends the text before */
        last = add_segment(w, TSR_SEGMENT_TEXT);
    }
    if (!last) return;
    add_bytes(w, s, len);
    last->len += len;
}

void tsri_write_str(tsri_writer *w, const char *s)
{
    tsri_write(w, s, strlen(s));
}

void tsri_write_control(tsri_writer *w, const char *name)
{
    tsr_segment *s;
    if (w->status != TSR_OK) return;
    s = add_segment(w, TSR_SEGMENT_CONTROL);
    if (!s) return;
    s->text = name; /* a literal of ours */
    s->len = strlen(name);
}

void tsri_write_media(tsri_writer *w, tsr_part_kind kind, size_t index)
{
    tsr_segment *s;
    if (w->status != TSR_OK) return;
    s = add_segment(w, TSR_SEGMENT_MEDIA);
    if (!s) return;
    s->media = kind;
    s->media_index = index;
    w->segments->n_media++;
}

/* Text segments follow each other in the buffer, each with a zero byte after it. */
static void place_text(tsri_writer *w)
{
    struct tsr_segments *s = w->segments;
    size_t at = 0;
    add_bytes(w, "", 1);
    if (w->status != TSR_OK) return;
    s->text = w->text.at;
    w->text = (tsr_text){0};
    for (size_t i = 0; i < s->n; i++) {
        if (s->at[i].kind != TSR_SEGMENT_TEXT) continue;
        s->at[i].text = s->text + at;
        at += s->at[i].len + 1;
    }
}

/* ---- Text of a message ---- */

typedef void (*text_sink)(tsri_writer *w, const char *s, size_t len);

/* Hand on well-formed text. */
static void with_repair(tsri_writer *w, const char *s, size_t len, text_sink sink)
{
    tsr_text good = {0};
    tsr_status st;
    if (tsr_utf8_valid(s, len)) {
        sink(w, s, len);
        return;
    }
    st = tsr_utf8_repair(&good, s, len, w->err);
    if (st == TSR_OK) sink(w, good.at, good.len);
    else tsri_write_fail(w, st, "");
    tsr_text_deinit(&good);
}

static void write_stripped(tsri_writer *w, const char *s, size_t len)
{
    tsr_utf8_strip(&s, &len);
    tsri_write(w, s, len);
}

static const char *find(const char *s, size_t len, const char *what)
{
    size_t n = strlen(what);
    for (; len >= n; s++, len--)
        if (memcmp(s, what, n) == 0) return s;
    return NULL;
}

/* What is left of a model's text without its thoughts: between two `<channel|>` only what comes
 * before a `<|channel>`. */
static void write_without_thoughts(tsri_writer *w, const char *s, size_t len)
{
    static const char open[] = "<|channel>", close[] = "<channel|>";
    const char *end = s + len;
    tsr_text kept = {0};
    tsr_status st = TSR_OK;

    while (st == TSR_OK) {
        const char *cut = find(s, (size_t)(end - s), close);
        const char *stop = cut ? cut : end, *thought = find(s, (size_t)(stop - s), open);
        st = tsr_text_add(&kept, s, (size_t)((thought ? thought : stop) - s), w->err);
        if (!cut) break;
        s = cut + strlen(close);
    }
    if (st == TSR_OK) write_stripped(w, kept.at, kept.len);
    else tsri_write_fail(w, st, "");
    tsr_text_deinit(&kept);
}

/* ---- Messages ---- */

typedef enum shown { SHOWN_OTHER, SHOWN_CALL, SHOWN_RESPONSE } shown;

typedef struct renderer {
    tsri_writer w;
    const tsr_chat_message *messages; /* without a leading system message */
    size_t n_messages;
    size_t n_after_user; /* the first message after the last of the user's */
    size_t n_media;      /* media parts so far */
    shown last;
} renderer;

static void write_parts(renderer *r, const tsr_chat_message *m)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        const tsr_chat_part *p = m->parts + i;
        if (p->kind != TSR_PART_TEXT) {
            tsri_write_media(&r->w, p->kind, r->n_media++);
            r->last = SHOWN_OTHER;
        } else {
            with_repair(&r->w, p->text, p->len, m->role == TSR_ROLE_ASSISTANT ? write_without_thoughts : write_stripped);
        }
    }
}

/* The name of what a TOOL message answers: of the last call whose id is the same, where "none" is
 * the same as "none"; else its own. */
static const char *responder(const tsr_chat_message *caller, const tsr_chat_message *m)
{
    const char *name = m->name ? m->name : "unknown";
    for (size_t i = 0; i < tsr_json_len(caller->tool_calls); i++) {
        const tsr_json *call = tsr_json_at(caller->tool_calls, i);
        const char *id = tsr_json_string(tsr_json_get(call, "id"), NULL);
        const char *called = tsr_json_string(tsr_json_get(tsr_json_get(call, "function"), "name"), NULL);
        bool same = id && m->tool_call_id ? strcmp(id, m->tool_call_id) == 0 : !id && !m->tool_call_id;
        if (same && called) name = called;
    }
    return name;
}

static void write_tool_message(renderer *r, const tsr_chat_message *caller, const tsr_chat_message *m)
{
    tsr_text text = {0}, good = {0};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < m->n_parts && st == TSR_OK; i++) st = tsr_text_add(&text, m->parts[i].text, m->parts[i].len, r->w.err);
    if (st == TSR_OK) st = tsr_utf8_repair(&good, text.at, text.len, r->w.err);
    if (st == TSR_OK) tsri_write_response(&r->w, responder(caller, m), m->response, good.at, good.len);
    else tsri_write_fail(&r->w, st, "");
    tsr_text_deinit(&text);
    tsr_text_deinit(&good);
}

/* What the tools gave to the calls of message `i`; true when there was anything. */
static bool write_responses(renderer *r, size_t i)
{
    const tsr_chat_message *m = r->messages + i;
    bool any = false;

    for (size_t k = 0; k < tsr_json_len(m->tool_responses); k++, any = true) {
        const tsr_json *given = tsr_json_at(m->tool_responses, k), *v = tsr_json_get(given, "response");
        const char *name = tsr_json_string(tsr_json_get(given, "name"), NULL);
        if (!v) tsri_write_fail(&r->w, TSR_ERR_USAGE, "tool_responses: each needs a \"response\"");
        tsri_write_response(&r->w, name ? name : "unknown", v, "", 0);
    }
    if (!any && tsr_json_len(m->tool_calls)) {
        for (size_t k = i + 1; k < r->n_messages && r->messages[k].role == TSR_ROLE_TOOL; k++, any = true)
            write_tool_message(r, m, r->messages + k);
    }
    if (any) r->last = SHOWN_RESPONSE;
    return any;
}

static bool continues_turn(const renderer *r, size_t i)
{
    if (r->messages[i].role != TSR_ROLE_ASSISTANT) return false;
    while (i > 0 && r->messages[i - 1].role == TSR_ROLE_TOOL) i--;
    return i > 0 && r->messages[i - 1].role == TSR_ROLE_ASSISTANT;
}

static void write_header(renderer *r, tsr_role role)
{
    static const char *const names[] = {"system", "developer", "user", "model", "tool"};
    tsri_write_control(&r->w, "<|turn>");
    tsri_write_str(&r->w, names[role]);
    tsri_write_str(&r->w, "\n");
}

static void end_turn(renderer *r)
{
    tsri_write_control(&r->w, "<turn|>");
    tsri_write_str(&r->w, "\n");
}

static void write_message(renderer *r, size_t i)
{
    const tsr_chat_message *m = r->messages + i;
    size_t n_calls = tsr_json_len(m->tool_calls);
    bool answered;

    if (m->role == TSR_ROLE_TOOL) return; /* stands with the call */
    r->last = SHOWN_OTHER;
    if (!continues_turn(r, i)) write_header(r, m->role);
    if (m->reasoning && m->reasoning_len && n_calls && i >= r->n_after_user) {
        tsri_write_control(&r->w, "<|channel>");
        tsri_write_str(&r->w, "thought\n");
        with_repair(&r->w, m->reasoning, m->reasoning_len, tsri_write);
        tsri_write_str(&r->w, "\n");
        tsri_write_control(&r->w, "<channel|>");
    }
    for (size_t k = 0; k < n_calls; k++) tsri_write_call(&r->w, tsr_json_at(m->tool_calls, k));
    if (n_calls) r->last = SHOWN_CALL;
    answered = write_responses(r, i);
    write_parts(r, m);
    if (r->last == SHOWN_CALL) tsri_write_control(&r->w, "<|tool_response>"); /* the result comes next */
    else if (!answered || m->n_parts) end_turn(r);
}

/* The first turn: switch for thinking, system text, declarations. */
static void write_system(renderer *r, const tsr_chat_opts *opts)
{
    const tsr_chat_message *first = r->messages;
    bool leads = first->role == TSR_ROLE_SYSTEM || first->role == TSR_ROLE_DEVELOPER;

    if (!opts->thinking && !tsr_json_len(opts->tools) && !leads) return;
    write_header(r, TSR_ROLE_SYSTEM);
    if (opts->thinking) {
        tsri_write_control(&r->w, "<|think|>");
        tsri_write_str(&r->w, "\n");
    }
    if (leads) {
        write_parts(r, first);
        r->messages++;
        r->n_messages--;
    }
    for (size_t i = 0; i < tsr_json_len(opts->tools); i++) tsri_write_declaration(&r->w, tsr_json_at(opts->tools, i));
    end_turn(r);
}

static void write_generation_prompt(renderer *r, const tsr_chat_opts *opts)
{
    if (r->last != SHOWN_OTHER) return; /* the model goes on in its turn */
    write_header(r, TSR_ROLE_ASSISTANT);
    if (!opts->empty_thought || opts->thinking) return;
    tsri_write_control(&r->w, "<|channel>");
    tsri_write_str(&r->w, "thought\n");
    tsri_write_control(&r->w, "<channel|>");
}

static void write_all(renderer *r, const tsr_chat_opts *opts)
{
    tsri_write_control(&r->w, "<bos>");
    write_system(r, opts);
    for (size_t i = 0; i < r->n_messages; i++)
        if (r->messages[i].role == TSR_ROLE_USER) r->n_after_user = i + 1;
    for (size_t i = 0; i < r->n_messages && r->w.status == TSR_OK; i++) write_message(r, i);
    if (opts->generation_prompt) write_generation_prompt(r, opts);
}

static tsr_status check(const tsr_chat_message *messages, size_t n, const tsr_chat_opts *opts, tsr_error *err)
{
    if (n == 0) return tsr_fail(err, TSR_ERR_USAGE, "chat: no messages");
    if (opts->tools && !tsr_json_is_array(opts->tools)) return tsr_fail(err, TSR_ERR_USAGE, "chat: tools must be a list");
    for (size_t i = 0; i < n; i++) {
        const tsr_chat_message *m = messages + i;
        if ((m->tool_calls && !tsr_json_is_array(m->tool_calls)) ||
            (m->tool_responses && !tsr_json_is_array(m->tool_responses)))
            return tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: calls and responses must be lists", i);
        for (size_t k = 0; k < m->n_parts; k++)
            if (m->role == TSR_ROLE_TOOL && m->parts[k].kind != TSR_PART_TEXT)
                return tsr_fail(err, TSR_ERR_USAGE, "chat: message %zu: a tool's result can't hold %s", i,
                                tsr_part_kind_name(m->parts[k].kind));
    }
    return TSR_OK;
}

tsr_chat_opts tsr_chat_opts_default(void)
{
    return (tsr_chat_opts){.generation_prompt = true};
}

tsr_status tsr_chat_render(tsr_segments **out, const tsr_chat_message *messages, size_t n_messages,
                           const tsr_chat_opts *opts, tsr_error *err)
{
    renderer r = {.messages = messages, .n_messages = n_messages};
    tsr_status st = check(messages, n_messages, opts, err);

    *out = NULL;
    if (st != TSR_OK) return st;
    r.w.err = err;
    r.w.segments = tsr_calloc(1, sizeof *r.w.segments);
    if (!r.w.segments) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: chat");
    write_all(&r, opts);
    if (r.w.status == TSR_OK) place_text(&r.w);
    if (r.w.status == TSR_OK) {
        *out = r.w.segments;
        r.w.segments = NULL;
    }
    tsr_segments_free(r.w.segments);
    tsr_text_deinit(&r.w.text);
    return r.w.status;
}

/* ---- Segments ---- */

void tsr_segments_free(tsr_segments *s)
{
    if (!s) return;
    tsr_free(s->at);
    tsr_free(s->text);
    tsr_free(s);
}

size_t tsr_segments_count(const tsr_segments *s)
{
    return s->n;
}

size_t tsr_segments_media(const tsr_segments *s)
{
    return s->n_media;
}

const tsr_segment *tsr_segments_at(const tsr_segments *s, size_t i)
{
    return s->at + i;
}

const char *tsr_part_kind_name(tsr_part_kind k)
{
    static const char *const names[] = {"text", "image", "audio", "video"};
    return names[k];
}

tsr_status tsr_segments_print(const tsr_segments *s, tsr_text *out, tsr_error *err)
{
    static const char *const placeholders[] = {"", "<|image|>", "<|audio|>", "<|video|>"};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < s->n && st == TSR_OK; i++) {
        const tsr_segment *g = s->at + i;
        const char *slot = placeholders[g->media];
        st = g->kind == TSR_SEGMENT_MEDIA ? tsr_text_add(out, slot, strlen(slot), err)
                                          : tsr_text_add(out, g->text, g->len, err);
    }
    return st;
}
