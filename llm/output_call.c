/* output_call.c: the text of one tool call becomes a name and a JSON object.
 *
 * call:NAME{key:value,...} with bare keys; a value is a string between quote tokens (0xFF here), a
 * number, true, false, null, a list or another object. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_output.h"

enum { QUOTE_BYTE = 0xFF, MAX_NESTING = 100, MAX_NUMBER = 63 };

typedef struct cursor {
    const char *at, *end;
    bool no_memory;
} cursor;

static tsr_json *take_value(cursor *c, size_t depth);

/* A value just made; NULL means that memory is short. */
static tsr_json *made(cursor *c, tsr_json *v)
{
    c->no_memory |= v == NULL;
    return v;
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && strchr(" \n\r\t", *c->at) && *c->at) c->at++;
}

static bool take(cursor *c, char want)
{
    skip_space(c);
    if (c->at >= c->end || *c->at != want) return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* The text up to the next quote token, past it. */
static const char *take_quoted(cursor *c, size_t *len)
{
    const char *from = c->at + 1, *to;
    if (c->at >= c->end || (unsigned char)*c->at != QUOTE_BYTE) return NULL;
    to = memchr(from, QUOTE_BYTE, (size_t)(c->end - from));
    if (!to) return NULL;
    c->at = to + 1;
    *len = (size_t)(to - from);
    return from;
}

static tsr_json *take_number(cursor *c)
{
    char buf[MAX_NUMBER + 1], *end;
    size_t n = 0;
    bool real = false;
    long long whole;
    double x;

    while (c->at + n < c->end && n < MAX_NUMBER && strchr("+-.0123456789eE", c->at[n]) && c->at[n]) {
        real |= strchr(".eE", c->at[n]) != NULL;
        buf[n] = c->at[n];
        n++;
    }
    buf[n] = '\0';
    if (n == 0 || buf[0] == '+') return NULL;
    c->at += n;
    if (!real) {
        errno = 0;
        whole = strtoll(buf, &end, 10);
        if (*end == '\0' && errno == 0) return made(c, tsr_json_new_i64(whole));
    }
    x = strtod(buf, &end);
    return *end == '\0' && isfinite(x) ? made(c, tsr_json_new_double(x)) : NULL;
}

static tsr_json *take_list(cursor *c, size_t depth)
{
    tsr_json *list = made(c, tsr_json_new_array()), *v;
    if (take(c, ']')) return list;
    do {
        v = take_value(c, depth + 1);
        if (!v) goto bad;
        if (!tsr_json_append(list, v)) {
            c->no_memory = true;
            goto bad;
        }
    } while (take(c, ','));
    if (take(c, ']')) return list;
bad:
    tsr_json_free(list);
    return NULL;
}

/* A key is what stands before the colon; one between quote tokens loses them. */
static char *take_key(cursor *c)
{
    const char *from, *colon, *end;
    size_t len;
    char *key;

    skip_space(c);
    from = take_quoted(c, &len);
    if (!from) {
        colon = memchr(c->at, ':', (size_t)(c->end - c->at));
        end = memchr(c->at, '}', (size_t)(c->end - c->at));
        if (!colon || (end && end < colon)) return NULL;
        from = c->at;
        len = (size_t)(colon - from);
        c->at = colon;
        tsr_utf8_strip(&from, &len);
    }
    if (memchr(from, '\0', len) || !tsr_utf8_valid(from, len)) return NULL;
    if (!take(c, ':')) return NULL;
    key = tsr_strndup(from, len);
    c->no_memory |= key == NULL;
    return key;
}

static tsr_json *take_object(cursor *c, size_t depth)
{
    tsr_json *object = made(c, tsr_json_new_object()), *v;
    char *key;
    bool ok;

    if (take(c, '}')) return object;
    do {
        key = take_key(c);
        v = key ? take_value(c, depth + 1) : NULL;
        ok = v && tsr_json_set(object, key, v);
        c->no_memory |= v && !ok;
        tsr_free(key);
        if (!ok) goto bad;
    } while (take(c, ','));
    if (take(c, '}')) return object;
bad:
    tsr_json_free(object);
    return NULL;
}

/* NULL when there is none, or memory is short. */
static tsr_json *take_value(cursor *c, size_t depth)
{
    const char *s;
    size_t len;

    if (depth > MAX_NESTING) return NULL;
    skip_space(c);
    s = take_quoted(c, &len);
    if (s) return made(c, tsr_json_new_string(s, len));
    if (take(c, '{')) return take_object(c, depth);
    if (take(c, '[')) return take_list(c, depth);
    if (take_word(c, "true")) return made(c, tsr_json_new_bool(true));
    if (take_word(c, "false")) return made(c, tsr_json_new_bool(false));
    if (take_word(c, "null") || take_word(c, "None")) return made(c, tsr_json_new_null()); /* the template prints None */
    return take_number(c);
}

/* What stands between "call:" and the brace, past it. */
static const char *take_name(cursor *c, size_t *len)
{
    const char *from, *brace;
    skip_space(c);
    if (!take_word(c, "call:")) return NULL;
    from = c->at;
    brace = memchr(from, '{', (size_t)(c->end - from));
    if (!brace) return NULL;
    *len = (size_t)(brace - from);
    if (memchr(from, QUOTE_BYTE, *len) || memchr(from, '\0', *len)) return NULL;
    tsr_utf8_strip(&from, len);
    c->at = brace + 1;
    return *len ? from : NULL;
}

tsr_status tsr_call_parse(const char *text, size_t len, char **name, tsr_json **arguments, tsr_error *err)
{
    cursor c = {.at = text, .end = text + len};
    size_t name_len;
    const char *from = len ? take_name(&c, &name_len) : NULL;

    *name = NULL;
    *arguments = from ? take_object(&c, 0) : NULL;
    if (*arguments) {
        skip_space(&c);
        if (c.at == c.end && !(*name = tsr_strndup(from, name_len))) c.no_memory = true;
    }
    if (*name) return TSR_OK;
    tsr_json_free(*arguments);
    *arguments = NULL;
    return c.no_memory ? tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a tool call")
                       : tsr_fail(err, TSR_ERR_DATA, "a tool call that can't be read");
}
