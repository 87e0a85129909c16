/* chat.c: a talk: the messages so far, and the session that knows them. */
#include <string.h>

#include "json_build.h"
#include "message.h"
#include "result_internal.h"
#include "run.h"
#include "session.h"
#include "tsr_alloc.h"

struct tessera_chat {
    tessera_model *m;
    tsri_messages messages;
    tsri_session session;
};

tessera_status tessera_chat_open(tessera_chat **out, tessera_model *m, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    *out = tsr_calloc(1, sizeof **out);
    if (!*out)
        return tsri_public(perr, tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: a talk"), &err);
    (*out)->m = m;
    return TESSERA_OK;
}

void tessera_chat_close(tessera_chat *c)
{
    if (!c)
        return;
    tsri_session_deinit(&c->session);
    tsri_messages_deinit(&c->messages);
    tsr_free(c);
}

size_t tessera_chat_count(const tessera_chat *c)
{
    return c->messages.n;
}

/* Keep the first n messages. */
static void cut(tessera_chat *c, size_t n)
{
    tsri_messages_cut(&c->messages, n);
    tsri_session_cut(&c->session, tsri_messages_parts(&c->messages));
}

static bool is_system(const tsri_message *m)
{
    return m->role == TSR_ROLE_SYSTEM || m->role == TSR_ROLE_DEVELOPER;
}

/* 1 where the first message is a system text, else 0. */
static size_t n_system(const tessera_chat *c)
{
    return c->messages.n && is_system(&c->messages.at[0]);
}

/* ---- a turn ---- */

static tsr_status check_turn(const tessera_chat *c, const tessera_request *rq, tsr_error *err)
{
    tsr_role last = c->messages.n ? c->messages.at[c->messages.n - 1].role : TSR_ROLE_ASSISTANT;
    if (rq->raw || rq->messages || rq->dump || rq->contact_sheet)
        return tsr_fail(err, TSR_ERR_USAGE, "a turn takes no messages, raw prompt, dump or contact sheet");
    if (rq->n_parts == 0 && last != TSR_ROLE_USER && last != TSR_ROLE_TOOL)
        return tsr_fail(err, TSR_ERR_USAGE, "there is nothing to answer");
    for (size_t i = 0; i < rq->n_parts; i++) {
        const tessera_part *p = &rq->parts[i];
        if ((unsigned)p->kind > (unsigned)TESSERA_PART_PDF || p->kind == TESSERA_PART_SYSTEM)
            return tsr_fail(err, TSR_ERR_USAGE, "part %zu of a turn is of no kind that a user can say", i);
        if (p->kind != TESSERA_PART_TEXT && !p->data && p->path && strcmp(p->path, "-") == 0)
            return tsr_fail(err, TSR_ERR_USAGE, "standard input can be read once, and a talk may need it again");
    }
    return TSR_OK;
}

static tsr_status add_question(tessera_chat *c, const tessera_request *rq, tsr_error *err)
{
    tsri_message *m = rq->n_parts ? tsri_messages_add(&c->messages, TSR_ROLE_USER, err) : NULL;
    tsr_status st = rq->n_parts && !m ? TSR_ERR_NOMEM : TSR_OK;
    for (size_t i = 0; i < rq->n_parts && st == TSR_OK; i++)
        st = tsri_parts_copy(&m->parts, &rq->parts[i], err);
    return st;
}

/* Calls stay in the message as JSON, with the thought that led to them. */
static tsr_status keep_calls(tsri_message *m, const tessera_result *r, tsr_error *err)
{
    char *text = NULL;
    tsr_json *calls = NULL;
    tsri_build o = tsri_build_object();
    tsr_status st = tsr_json_dump(&text, r->tool_calls, 0, err);
    if (st == TSR_OK)
        st = tsr_json_parse(&calls, text, strlen(text), "tool calls", err);
    tsri_put_text(&o, "role", "assistant");
    if (r->thought.len > 1)
        tsri_put(&o, "reasoning", tsr_json_new_string(r->thought.at, r->thought.len - 1));
    if (calls)
        tsri_put(&o, "tool_calls", calls);
    m->doc = tsri_build_end(&o);
    tsr_free(text);
    return st == TSR_OK && !m->doc ? tsr_fail(err, TSR_ERR_NOMEM, "out of memory: tool calls") : st;
}

static tsr_status add_answer(tessera_chat *c, const tessera_result *r, tsr_error *err)
{
    tsri_message *m = tsri_messages_add(&c->messages, TSR_ROLE_ASSISTANT, err);
    tessera_part text = {.kind = TESSERA_PART_TEXT, .text = r->text.at, .text_len = r->text.len - 1};
    tsr_status st = m ? TSR_OK : TSR_ERR_NOMEM;
    if (st == TSR_OK && text.text_len)
        st = tsri_parts_copy(&m->parts, &text, err);
    return st == TSR_OK && r->tool_calls ? keep_calls(m, r, err) : st;
}

static tsr_status take_turn(tessera_chat *c, const tessera_request *rq, tessera_event_fn fn, void *user,
                            tessera_result **out, tsr_error *err)
{
    size_t before = c->messages.n, most = tsri_model_config(c->m)->max_positions;
    tessera_request how = *rq;
    tsr_status st = check_turn(c, rq, err);
    if (st != TSR_OK)
        return st;
    how.parts = NULL;
    how.n_parts = 0;
    if (!how.ctx)
        how.ctx = most && most < TESSERA_CHAT_CTX ? most : TESSERA_CHAT_CTX;
    st = add_question(c, rq, err);
    if (st == TSR_OK)
        st = tsri_run_kept(c->m, &how, &c->messages, &c->session, fn, user, out, err);
    if (st == TSR_OK)
        st = add_answer(c, *out, err);
    if (st != TSR_OK) {
        cut(c, before);
        tessera_result_free(*out);
        *out = NULL;
    }
    return st;
}

tessera_status tessera_chat_turn(tessera_chat *c, const tessera_request *rq, tessera_event_fn fn, void *user,
                                 tessera_result **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    *out = NULL;
    return tsri_public(perr, take_turn(c, rq, fn, user, out, &err), &err);
}

/* ---- changing what was said ---- */

static tsr_status make_system(tsri_message *m, const char *text, tsr_error *err)
{
    *m = (tsri_message){.role = TSR_ROLE_SYSTEM};
    tsr_status st = tsri_parts_copy(&m->parts, &(tessera_part){.kind = TESSERA_PART_TEXT, .text = text}, err);
    if (st != TSR_OK)
        tsri_message_deinit(m);
    return st;
}

/* Parts of later messages move by one where a system text comes or goes. */
static void shift_media(tessera_chat *c, size_t had, size_t has)
{
    for (size_t i = 0; i < c->session.n_media; i++)
        c->session.media[i].part = c->session.media[i].part - had + has;
    if (c->session.n_parts >= had)
        c->session.n_parts = c->session.n_parts - had + has;
}

static tsr_status set_system(tessera_chat *c, const char *text, tsr_error *err)
{
    size_t had = n_system(c), had_parts = had ? c->messages.at[0].parts.n : 0, n = c->messages.n;
    tsri_message made = {.role = TSR_ROLE_SYSTEM};
    tsr_status st = text ? make_system(&made, text, err) : TSR_OK;
    if (st == TSR_OK && text && !had && !tsri_messages_add(&c->messages, TSR_ROLE_SYSTEM, err)) {
        tsri_message_deinit(&made);
        st = TSR_ERR_NOMEM;
    }
    if (st != TSR_OK)
        return st;
    tsri_message *at = c->messages.at;
    if (had)
        tsri_message_deinit(&at[0]);
    if (text && !had && n)
        memmove(at + 1, at, n * sizeof *at);
    else if (!text && had && n > 1)
        memmove(at, at + 1, (n - 1) * sizeof *at);
    if (text)
        at[0] = made;
    else
        c->messages.n -= had;
    shift_media(c, had_parts, made.parts.n);
    return TSR_OK;
}

tessera_status tessera_chat_system(tessera_chat *c, const char *text, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_public(perr, set_system(c, text, &err), &err);
}

tessera_status tessera_chat_undo(tessera_chat *c, int keep_question, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    size_t n = c->messages.n;
    while (n && c->messages.at[n - 1].role != TSR_ROLE_USER)
        n--;
    if (n == 0)
        return tsri_public(perr, tsr_fail(&err, TSR_ERR_USAGE, "nothing was asked yet"), &err);
    cut(c, keep_question ? n : n - 1);
    return TESSERA_OK;
}

void tessera_chat_clear(tessera_chat *c)
{
    cut(c, n_system(c));
}

/* ---- out and in ---- */

tessera_status tessera_chat_messages(const tessera_chat *c, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsr_json *list = NULL;
    *out = NULL;
    tsr_status st = tsri_messages_json(&c->messages, &list, &err);
    if (st == TSR_OK)
        st = tsr_json_dump(out, list, 2, &err);
    tsr_json_free(list);
    return tsri_public(perr, st, &err);
}

static const tessera_part *part_at(const tsri_messages *l, size_t i)
{
    for (size_t k = 0; k < l->n; i -= l->at[k++].parts.n)
        if (i < l->at[k].parts.n)
            return &l->at[k].parts.at[i];
    return NULL;
}

/* Parts at the front whose media are the same: a file may have changed, bytes are compared. */
static size_t same_parts(const tsri_messages *a, const tsri_messages *b)
{
    size_t n = 0;
    for (const tessera_part *x, *y; (x = part_at(a, n)) && (y = part_at(b, n)); n++) {
        bool are_texts = x->kind == TESSERA_PART_TEXT && y->kind == TESSERA_PART_TEXT;
        bool are_bytes = x->data && y->data && x->kind == y->kind && x->len == y->len;
        if (!are_texts && !(are_bytes && memcmp(x->data, y->data, x->len) == 0))
            break;
    }
    return n;
}

static tsr_status append_messages(tessera_chat *c, const char *text, const char *dir, const char *name, tsr_error *err)
{
    size_t before = c->messages.n;
    tsr_status st = tsri_messages_parse(&c->messages, text, name, dir, err);
    if (st != TSR_OK)
        tsri_messages_cut(&c->messages, before);
    return st;
}

tessera_status tessera_chat_load(tessera_chat *c, const char *messages, const char *dir, const char *name, int append,
                                 tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsri_messages read = {0};
    name = name ? name : "messages";
    if (append)
        return tsri_public(perr, append_messages(c, messages, dir, name, &err), &err);
    tsr_status st = tsri_messages_parse(&read, messages, name, dir, &err);
    if (st == TSR_OK) {
        tsri_session_cut(&c->session, same_parts(&c->messages, &read));
        tsri_messages_deinit(&c->messages);
        c->messages = read;
    } else {
        tsri_messages_deinit(&read);
    }
    return tsri_public(perr, st, &err);
}
