/* batch_answer.c: answers and refusals, in OpenAI's form and in the short one.
 *
 * A line is written piece by piece, so that no value is copied. It holds nothing that differs between two runs of one
 * manifest but OpenAI's "created". */
#include "batch_answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "id_set.h"
#include "json_build.h"
#include "result_internal.h"
#include "tsr_alloc.h"

/* ---- writing ---- */

typedef struct writer {
    tsr_text *to;
    tsr_status st; /* the first failure sticks */
    tsr_error *err;
} writer;

static void put_raw(writer *w, const char *text, size_t len)
{
    if (w->st == TSR_OK)
        w->st = tsr_text_add(w->to, text, len, w->err);
}

static void put(writer *w, const char *text)
{
    put_raw(w, text, strlen(text));
}

static void put_json(writer *w, const tsr_json *v)
{
    char *text;
    if (w->st != TSR_OK)
        return;
    w->st = tsr_json_dump(&text, v, 0, w->err);
    if (w->st == TSR_OK)
        put(w, text);
    tsr_free(text);
}

static void put_string(writer *w, const char *s, size_t len)
{
    tsr_json *v = w->st == TSR_OK ? tsr_json_new_string(s, len) : NULL;
    if (w->st == TSR_OK && !v)
        w->st = tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: an answer");
    put_json(w, v);
    tsr_json_free(v);
}

static void put_count(writer *w, const char *before, size_t n)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%zu", n);
    put(w, before);
    put(w, digits);
}

static void put_id(writer *w, const tsri_batch_line *l)
{
    if (l->id)
        put_json(w, l->id);
    else
        put(w, "null");
}

/* The same for every run: a name of the request, not of the try. */
static void make_name(char name[40], const tsri_batch_line *l)
{
    static const uint64_t key[2] = {0, 0};
    uint64_t hash[2];
    tsri_siphash(hash, key, l->key.at, l->key.len);
    snprintf(name, 40, "%016llx%016llx", (unsigned long long)hash[0], (unsigned long long)hash[1]);
}

/* Texts of a result end with a NUL that is counted. */
static void put_text(writer *w, const tsr_text *t)
{
    put_string(w, t->at, t->len - 1);
}

/* ---- OpenAI's form ---- */

static void open_line(writer *w, const tsri_batch_line *l)
{
    char name[40];
    make_name(name, l);
    put(w, "{\"id\":\"batch_req_");
    put(w, name);
    put(w, "\",\"custom_id\":");
    put_id(w, l);
    if (!l->id)
        put_count(w, ",\"line\":", l->number);
}

static void open_response(writer *w, const tsri_batch_line *l, unsigned status)
{
    char name[40];
    make_name(name, l);
    put_count(w, ",\"response\":{\"status_code\":", status);
    put(w, ",\"request_id\":\"req_");
    put(w, name);
    put(w, "\",\"body\":");
}

static void put_choice(writer *w, const tessera_result *r)
{
    put(w, "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (r->tool_calls && r->text.len <= 1)
        put(w, "null");
    else
        put_text(w, &r->text);
    if (r->thought.len > 1) {
        put(w, ",\"reasoning_content\":");
        put_text(w, &r->thought);
    }
    if (r->tool_calls) {
        put(w, ",\"tool_calls\":");
        put_json(w, r->tool_calls);
    }
    put(w, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":");
    put_string(w, r->finish, strlen(r->finish));
    put(w, "}]");
}

static void put_openai(writer *w, const tsri_batch_line *l, const tessera_result *r)
{
    char name[40];
    make_name(name, l);
    open_line(w, l);
    open_response(w, l, 200);
    put(w, "{\"id\":\"chatcmpl-");
    put(w, name);
    put_count(w, "\",\"object\":\"chat.completion\",\"created\":", (size_t)time(NULL));
    put(w, ",\"model\":");
    if (l->model)
        put_json(w, l->model);
    else
        put(w, "\"tessera\"");
    put(w, ",");
    put_choice(w, r);
    put_count(w, ",\"usage\":{\"prompt_tokens\":", r->prompt_tokens);
    put_count(w, ",\"completion_tokens\":", r->ids.n);
    put_count(w, ",\"total_tokens\":", r->prompt_tokens + r->ids.n);
    put_count(w, ",\"prompt_tokens_details\":{\"image_tokens\":", r->image_tokens);
    put_count(w, ",\"audio_tokens\":", r->audio_tokens);
    put_count(w, ",\"video_tokens\":", r->video_tokens);
    put(w, "}}");
    if (tsr_json_len(r->notes)) {
        put(w, ",\"notes\":");
        put_json(w, r->notes);
    }
    put(w, "}},\"error\":null}\n");
}

/* ---- the short form ---- */

static void put_short(writer *w, const tsri_batch_line *l, const tessera_result *r)
{
    static const char *const keys[] = {"thought", "tool_calls", "finish_reason", "usage",
                                       "media",   "film",       "grammar",       "seed",  "notes"};
    tsr_json *all = w->st == TSR_OK ? tsri_result_json(r, w->err) : NULL;
    if (w->st == TSR_OK && !all)
        w->st = tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: an answer");
    put(w, "{\"id\":");
    put_id(w, l);
    put(w, ",\"text\":");
    put_json(w, tsr_json_get(all, "text"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const tsr_json *v = tsr_json_get(all, keys[i]);
        if (!v || (strcmp(keys[i], "notes") == 0 && tsr_json_len(v) == 0))
            continue;
        put(w, ",\"");
        put(w, keys[i]);
        put(w, "\":");
        put_json(w, v);
    }
    put(w, "}\n");
    tsr_json_free(all);
}

tsr_status tsri_batch_answer(tsr_text *out, const tsri_batch_line *l, const tessera_result *r, tsr_error *err)
{
    writer w = {.to = out, .st = TSR_OK, .err = err};
    if (l->is_openai)
        put_openai(&w, l, r);
    else
        put_short(&w, l, r);
    return w.st;
}

/* ---- refusals ---- */

static const struct {
    tsr_status st;
    const char *code;
    unsigned http;
} codes[] = {
    {TSR_ERR_USAGE, "invalid_request", 400}, {TSR_ERR_DATA, "bad_data", 400},
    {TSR_ERR_NOINPUT, "no_such_input", 400}, {TSR_ERR_UNSUPPORTED, "not_supported", 400},
    {TSR_ERR_LIMIT, "limit_reached", 400},   {TSR_ERR_PERM, "not_permitted", 403},
    {TSR_ERR_BUSY, "deadline_passed", 503},  {TSR_ERR_NOMEM, "out_of_memory", 503},
    {TSR_ERR_IO, "input_output", 500},       {TSR_ERR_MODEL, "bad_model", 500},
    {TSR_ERR_BUG, "internal_error", 500},
};
enum { N_CODES = sizeof codes / sizeof *codes };

static void put_error(writer *w, const char *code, const tsr_error *why, bool has_type)
{
    put(w, "{\"code\":\"");
    put(w, code);
    put(w, "\",\"message\":");
    put_string(w, why->text, strlen(why->text));
    put(w, has_type ? ",\"type\":\"invalid_request_error\",\"param\":null}" : "}");
}

tsr_status tsri_batch_refusal(tsr_text *out, const tsri_batch_line *l, const tsr_error *why, tsr_error *err)
{
    writer w = {.to = out, .st = TSR_OK, .err = err};
    size_t i = 0;
    while (i + 1 < N_CODES && codes[i].st != why->status)
        i++;
    if (l->is_openai) {
        open_line(&w, l);
        open_response(&w, l, codes[i].http);
        put(&w, "{\"error\":");
        put_error(&w, codes[i].code, why, true);
        put(&w, "}}");
    } else {
        put(&w, "{\"id\":");
        put_id(&w, l);
        if (!l->id)
            put_count(&w, ",\"line\":", l->number);
    }
    put(&w, ",\"error\":");
    put_error(&w, codes[i].code, why, false);
    put(&w, "}\n");
    return w.st;
}
