/* output.c: the stream of generated ids as a state machine, and stop strings.
 *
 * Only control tokens change the state: a model that spells "<|channel>" in letters writes text.
 * Forms that models produce beside the ideal one are tolerated: a turn header at the start, a
 * channel opened twice, an empty channel, a lone channel end. */
#include "tsr_output.h"

#include <string.h>

#include "tsr_alloc.h"

typedef enum state {
    IN_CONTENT,
    IN_HEADER,  /* after <|turn>, up to the end of the line */
    IN_CHANNEL, /* after <|channel>, before the thought's first letter */
    IN_THOUGHT,
    IN_CALL
} state;

static const char CHANNEL_NAME[] = "thought";
enum { QUOTE_BYTE = 0xFF }; /* stands for the quote token inside a call; no UTF-8 holds it */

struct tsr_output {
    const tsr_tokenizer *t;
    tsr_output_fn fn;
    void *user;
    state in;
    tsr_detok detok;
    tsr_text piece; /* fresh text */
    tsr_text held;  /* CHANNEL: the name so far; THOUGHT: white space that may be the last; CALL: the call */
    int32_t turn, channel, channel_end, call, call_end, quote; /* -1: the tokenizer has none */
};

tsr_status tsr_output_open(tsr_output **out, const tsr_tokenizer *t, tsr_output_fn fn, void *user, tsr_error *err)
{
    tsr_output *o = tsr_calloc(1, sizeof *o);
    *out = o;
    if (!o) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: output");
    o->t = t;
    o->fn = fn;
    o->user = user;
    tsr_detok_init(&o->detok, t, false);
    o->turn = tsr_tokenizer_id_of(t, "<|turn>");
    o->channel = tsr_tokenizer_id_of(t, "<|channel>");
    o->channel_end = tsr_tokenizer_id_of(t, "<channel|>");
    o->call = tsr_tokenizer_id_of(t, "<|tool_call>");
    o->call_end = tsr_tokenizer_id_of(t, "<tool_call|>");
    o->quote = tsr_tokenizer_id_of(t, "<|\"|>");
    return TSR_OK;
}

void tsr_output_close(tsr_output *o)
{
    if (!o) return;
    tsr_detok_deinit(&o->detok);
    tsr_text_deinit(&o->piece);
    tsr_text_deinit(&o->held);
    tsr_free(o);
}

static tsr_status emit(tsr_output *o, tsr_output_kind kind, const char *s, size_t len)
{
    tsr_output_event e = {.kind = kind, .text = s, .len = len};
    return len ? o->fn(o->user, &e) : TSR_OK;
}

/* ---- Text in each state ---- */

/* Hand on all but the white space at the end, which is lost if the thought ends there. */
static tsr_status thought_text(tsr_output *o, const char *s, size_t len, tsr_error *err)
{
    const char *start = s;
    size_t solid = len;
    tsr_status st;

    tsr_utf8_strip(&start, &solid);
    if (solid == 0) return tsr_text_add(&o->held, s, len, err);
    solid += (size_t)(start - s); /* white space before stays */
    st = emit(o, TSR_OUTPUT_THOUGHT, o->held.at, o->held.len);
    o->held.len = 0;
    if (st == TSR_OK) st = emit(o, TSR_OUTPUT_THOUGHT, s, solid);
    return st == TSR_OK ? tsr_text_add(&o->held, s + solid, len - solid, err) : st;
}

/* The channel's name, then white space, then the thought. */
static tsr_status channel_text(tsr_output *o, const char *s, size_t len, tsr_error *err)
{
    size_t name_len = strlen(CHANNEL_NAME), rest;
    const char *p;
    tsr_status st = tsr_text_add(&o->held, s, len, err);

    if (st != TSR_OK) return st;
    if (o->held.len < name_len && memcmp(o->held.at, CHANNEL_NAME, o->held.len) == 0) return TSR_OK;
    p = o->held.at;
    rest = o->held.len;
    if (rest >= name_len && memcmp(p, CHANNEL_NAME, name_len) == 0) {
        p += name_len;
        rest -= name_len;
    }
    while (rest) {
        uint32_t cp;
        bool ok;
        size_t n = tsr_utf8_read(p, rest, &cp, &ok);
        if (!tsr_utf8_is_space(cp)) break;
        p += n;
        rest -= n;
    }
    if (!rest) return TSR_OK;
    o->in = IN_THOUGHT;
    s = o->held.at; /* thought_text fills `held` anew */
    o->held = (tsr_text){0};
    st = thought_text(o, p, rest, err);
    tsr_free((char *)(uintptr_t)s);
    return st;
}

static tsr_status header_text(tsr_output *o, const char *s, size_t len)
{
    const char *line = memchr(s, '\n', len);
    if (!line) return TSR_OK;
    o->in = IN_CONTENT;
    return emit(o, TSR_OUTPUT_CONTENT, line + 1, len - (size_t)(line + 1 - s));
}

static tsr_status take_piece(tsr_output *o, tsr_error *err)
{
    const char *s = o->piece.at;
    size_t len = o->piece.len;
    o->piece.len = 0;
    if (!len) return TSR_OK;
    switch (o->in) {
    case IN_HEADER: return header_text(o, s, len);
    case IN_CHANNEL: return channel_text(o, s, len, err);
    case IN_THOUGHT: return thought_text(o, s, len, err);
    case IN_CALL: return tsr_text_add(&o->held, s, len, err);
    case IN_CONTENT: break;
    }
    return emit(o, TSR_OUTPUT_CONTENT, s, len);
}

static tsr_status flush(tsr_output *o, tsr_error *err)
{
    tsr_status st = tsr_detok_finish(&o->detok, &o->piece, err);
    return st == TSR_OK ? take_piece(o, err) : st;
}

/* ---- Calls ---- */

/* The call with its quote tokens spelled out. */
static tsr_status spell(const tsr_text *call, tsr_text *out, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < call->len && st == TSR_OK; i++) {
        bool quote = (unsigned char)call->at[i] == QUOTE_BYTE;
        st = quote ? tsr_text_add(out, "<|\"|>", 5, err) : tsr_text_add(out, call->at + i, 1, err);
    }
    return st;
}

static tsr_status end_call(tsr_output *o, bool whole, tsr_error *err)
{
    tsr_output_event e = {.kind = TSR_OUTPUT_CALL};
    tsr_text spelled = {0};
    char *name = NULL;
    tsr_json *arguments = NULL;
    tsr_status st = spell(&o->held, &spelled, err);

    o->in = IN_CONTENT;
    if (st == TSR_OK && whole && tsr_call_parse(o->held.at, o->held.len, &name, &arguments, NULL) == TSR_ERR_NOMEM)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a tool call");
    if (st == TSR_OK) {
        e.text = spelled.at ? spelled.at : "";
        e.len = spelled.len;
        e.name = name;
        e.arguments = arguments;
        st = o->fn(o->user, &e);
    }
    o->held.len = 0;
    tsr_text_deinit(&spelled);
    tsr_free(name);
    tsr_json_free(arguments);
    return st;
}

/* ---- Entry points ---- */

/* Leave the state we are in, dropping an empty thought and the white space that ends one. */
static tsr_status leave(tsr_output *o, tsr_error *err)
{
    tsr_status st = flush(o, err);
    if (st == TSR_OK && o->in == IN_CALL) st = end_call(o, false, err);
    o->held.len = 0;
    if (o->in != IN_HEADER) o->in = IN_CONTENT;
    return st;
}

static tsr_status enter(tsr_output *o, state in, tsr_error *err)
{
    tsr_status st = leave(o, err);
    o->in = in;
    return st;
}

static tsr_status push_control(tsr_output *o, int32_t id, tsr_error *err)
{
    static const char quote = (char)QUOTE_BYTE;
    tsr_status st;

    if (id == o->channel) return enter(o, IN_CHANNEL, err);
    if (id == o->call) return enter(o, IN_CALL, err);
    if (id == o->turn) return enter(o, IN_HEADER, err);
    if (id == o->channel_end) return o->in == IN_CALL ? TSR_OK : enter(o, IN_CONTENT, err);
    if (o->in != IN_CALL) return TSR_OK;
    st = flush(o, err);
    if (st == TSR_OK && id == o->quote) return tsr_text_add(&o->held, &quote, 1, err);
    if (st == TSR_OK && id == o->call_end) return end_call(o, true, err);
    return st == TSR_OK ? leave(o, err) : st; /* no other control token belongs into a call */
}

tsr_status tsr_output_push(tsr_output *o, int32_t id, tsr_error *err)
{
    tsr_status st;
    if (tsr_tokenizer_is_control(o->t, id)) return push_control(o, id, err);
    st = tsr_detok_push(&o->detok, id, &o->piece, err);
    return st == TSR_OK ? take_piece(o, err) : st;
}

tsr_status tsr_output_finish(tsr_output *o, tsr_error *err)
{
    return leave(o, err);
}

/* ---- Stop strings ---- */

struct tsr_stops {
    char **strings;
    size_t n, longest;
    tsr_text held;
    bool stopped;
};

tsr_status tsr_stops_open(tsr_stops **out, const char *const *strings, size_t n, tsr_error *err)
{
    tsr_stops *s = tsr_calloc(1, sizeof *s);
    tsr_status st = TSR_OK;

    *out = NULL;
    if (s) s->strings = tsr_calloc(n, sizeof *s->strings);
    if (!s || !s->strings) st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: stop strings");
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        size_t len = strlen(strings[i]);
        if (len == 0) st = tsr_fail(err, TSR_ERR_USAGE, "stop string %zu is empty", i);
        if (st == TSR_OK && !(s->strings[s->n++] = tsr_strdup(strings[i])))
            st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: stop strings");
        if (len > s->longest) s->longest = len;
    }
    if (st == TSR_OK) {
        *out = s;
        s = NULL;
    }
    tsr_stops_close(s);
    return st;
}

void tsr_stops_close(tsr_stops *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) tsr_free(s->strings[i]);
    tsr_free(s->strings);
    tsr_text_deinit(&s->held);
    tsr_free(s);
}

/* The length of the longest stop string that `text` ends with; 0: none. */
static size_t stop_at_end(const tsr_stops *s, const char *text, size_t len)
{
    size_t found = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = strlen(s->strings[i]);
        if (n > found && n <= len && memcmp(text + len - n, s->strings[i], n) == 0) found = n;
    }
    return found;
}

/* The longest end of `text` that a stop string starts with. */
static size_t open_at_end(const tsr_stops *s, const char *text, size_t len)
{
    for (size_t n = len < s->longest ? len : s->longest; n > 0; n--)
        for (size_t i = 0; i < s->n; i++)
            if (n < strlen(s->strings[i]) && memcmp(text + len - n, s->strings[i], n) == 0) return n;
    return 0;
}

tsr_status tsr_stops_push(tsr_stops *s, const char *text, size_t len, tsr_text *out, bool *stopped, tsr_error *err)
{
    size_t end = s->held.len, kept = 0;
    tsr_status st;

    *stopped = s->stopped;
    if (s->stopped) return TSR_OK;
    st = tsr_text_add(&s->held, text, len, err);
    if (st != TSR_OK) return st;
    /* Byte by byte, so that the same text in other pieces stops at the same place. */
    for (; end < s->held.len && !kept; end++) kept = stop_at_end(s, s->held.at, end + 1);
    s->stopped = kept > 0;
    if (!s->stopped) kept = open_at_end(s, s->held.at, end);
    st = tsr_text_add(out, s->held.at, end - kept, err);
    if (st != TSR_OK) return st;
    if (kept) memmove(s->held.at, s->held.at + end - kept, kept);
    s->held.len = kept;
    *stopped = s->stopped;
    return TSR_OK;
}

tsr_status tsr_stops_finish(tsr_stops *s, tsr_text *out, tsr_error *err)
{
    tsr_status st = s->stopped ? TSR_OK : tsr_text_add(out, s->held.at, s->held.len, err);
    s->held.len = 0;
    return st;
}
