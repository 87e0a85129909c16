/* tokenizer_json.c: a pull reader for one large JSON file.
 *
 * tokenizer.json holds over two million strings. A tree of them costs 1.3 s and 180 MB with the
 * JSON library that reads everything else, so the two big values are read in place, and only the
 * small ones are handed to it. Strings are checked to be UTF-8 by their reader, not here. */
#include "tokenizer_internal.h"

#include <string.h>

enum { MAX_NESTING = 64 };

tsr_status tsri_pull_fail(tsri_pull *p, tsr_status st, const char *what)
{
    size_t line = 1, column = 1;
    if (p->status != TSR_OK) return p->status;
    for (size_t i = 0; i < p->at && i < p->len; i++) {
        column = p->text[i] == '\n' ? 1 : column + 1;
        line += p->text[i] == '\n';
    }
    p->status = tsr_fail(p->err, st, "%s: line %zu, column %zu: %s", p->name, line, column, what);
    return p->status;
}

static void bad(tsri_pull *p, const char *what)
{
    tsri_pull_fail(p, TSR_ERR_MODEL, what);
}

char tsri_pull_peek(tsri_pull *p)
{
    if (p->status != TSR_OK) return 0;
    while (p->at < p->len) {
        char c = p->text[p->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        p->at++;
    }
    return 0;
}

bool tsri_pull_take(tsri_pull *p, char c)
{
    char what[] = "'?' expected";
    if (tsri_pull_peek(p) == c && p->status == TSR_OK) {
        p->at++;
        return true;
    }
    what[1] = c;
    bad(p, what);
    return false;
}

bool tsri_pull_more(tsri_pull *p, bool *first, char close)
{
    char c = tsri_pull_peek(p);
    if (p->status != TSR_OK) return false;
    if (c == close) {
        p->at++;
        return false;
    }
    if (!*first) return tsri_pull_take(p, ',');
    *first = false;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The four digits after "\u". */
static uint32_t take_unit(tsri_pull *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int d = p->at < p->len ? hex_digit(p->text[p->at]) : -1;
        if (d < 0) {
            bad(p, "four hex digits expected");
            return 0;
        }
        v = v << 4 | (uint32_t)d;
        p->at++;
    }
    return v;
}

static size_t take_unicode(tsri_pull *p, char *dst)
{
    uint32_t cp = take_unit(p), low;
    if (cp >= 0xD800 && cp < 0xE000) {
        if (cp >= 0xDC00 || p->len - p->at < 6 || memcmp(p->text + p->at, "\\u", 2) != 0) {
            bad(p, "half a surrogate pair");
            return 0;
        }
        p->at += 2;
        low = take_unit(p);
        if (low < 0xDC00 || low >= 0xE000) {
            bad(p, "half a surrogate pair");
            return 0;
        }
        cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    return tsr_utf8_write(dst, cp);
}

/* What follows a backslash; at most 4 bytes, from at least 2 (6 or 12 for the longer ones). */
static size_t take_escape(tsri_pull *p, char *dst)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *hit;
    char c = p->at < p->len ? p->text[p->at] : 0;

    if (c == 'u') {
        p->at++;
        return take_unicode(p, dst);
    }
    hit = c ? strchr(from, c) : NULL;
    if (!hit) {
        bad(p, "unknown escape");
        return 0;
    }
    p->at++;
    *dst = to[hit - from];
    return 1;
}

size_t tsri_pull_string(tsri_pull *p, char *dst, size_t cap)
{
    size_t n = 0;
    if (!tsri_pull_take(p, '"')) return 0;
    while (p->status == TSR_OK) {
        char c;
        if (p->at >= p->len) {
            bad(p, "string without an end");
            break;
        }
        c = p->text[p->at];
        if (c == '"') {
            p->at++;
            return n;
        }
        if ((unsigned char)c < 0x20) {
            bad(p, "control character in a string");
            break;
        }
        if (cap - n < TSR_UTF8_MAX) {
            bad(p, "the string is too long");
            break;
        }
        p->at++;
        if (c == '\\') {
            n += take_escape(p, dst + n);
        } else {
            dst[n++] = c;
        }
    }
    return 0;
}

/* Past a string, unread. */
static void skip_string(tsri_pull *p)
{
    p->at++;
    while (p->at < p->len) {
        char c = p->text[p->at++];
        if (c == '"') return;
        if (c == '\\' && p->at < p->len) p->at++;
    }
    bad(p, "string without an end");
}

bool tsri_pull_key(tsri_pull *p, char *dst, size_t cap, size_t *len)
{
    size_t from, n;
    if (tsri_pull_peek(p) != '"') {
        bad(p, "a key expected");
        return false;
    }
    from = p->at + 1;
    skip_string(p);
    n = p->status == TSR_OK ? p->at - 1 - from : 0;
    *len = n < cap ? n : cap - 1;
    memcpy(dst, p->text + from, *len);
    dst[*len] = '\0';
    return tsri_pull_take(p, ':');
}

int64_t tsri_pull_int(tsri_pull *p)
{
    int64_t v = 0;
    size_t from;
    if (tsri_pull_peek(p) < '0' || p->text[p->at] > '9') {
        bad(p, "an integer >= 0 expected");
        return 0;
    }
    for (from = p->at; p->at < p->len && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++) {
        if (p->at - from >= 15) {
            bad(p, "the integer is too large");
            return 0;
        }
        v = v * 10 + (p->text[p->at] - '0');
    }
    if (p->at < p->len && strchr(".eE", p->text[p->at])) bad(p, "an integer expected");
    return v;
}

static void skip_scalar(tsri_pull *p)
{
    size_t from = p->at;
    while (p->at < p->len && !strchr(",]} \t\r\n", p->text[p->at])) p->at++;
    if (p->at == from) bad(p, "a value expected");
}

tsri_span tsri_pull_skip(tsri_pull *p)
{
    size_t depth = 0, from;
    tsri_pull_peek(p);
    from = p->at;
    do {
        switch (tsri_pull_peek(p)) {
        case '{':
        case '[':
            p->at++;
            if (++depth > MAX_NESTING) bad(p, "nested too deeply");
            break;
        case '}':
        case ']':
            p->at++;
            if (depth == 0) bad(p, "a value expected");
            else depth--;
            break;
        case '"': skip_string(p); break;
        case ',':
        case ':':
            p->at++;
            if (depth == 0) bad(p, "a value expected");
            break;
        case '\0': bad(p, "the text ends too early"); break;
        default: skip_scalar(p);
        }
    } while (depth && p->status == TSR_OK);
    return (tsri_span){from, p->status == TSR_OK ? p->at - from : 0};
}
