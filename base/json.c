/* json.c: jansson behind our names. tsr_json is jansson's json_t; nothing else includes it.
 *
 * jansson's allocator is process-wide and is set once, to ours, before the first value is made:
 * an embedding program that uses jansson itself then shares our counted allocator, which is
 * harmless since both ends always agree. */
#include "tsr_json.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* jansson does not check every growth of its buffers: memory that ran short in the middle of a token
 * can give a shortened string instead of an error. So each refusal is noted for its thread. */
static _Thread_local bool memory_was_short;

static void *noting_alloc(size_t n)
{
    void *p = tsr_alloc(n);
    if (!p)
        memory_was_short = true;
    return p;
}

static void init(void)
{
    json_set_alloc_funcs(noting_alloc, tsr_free);
    json_object_seed(0); /* from the system: a fixed seed would let a file collide its keys */
}

static json_t *in(const tsr_json *v)
{
    return (json_t *)(uintptr_t)v; /* jansson's readers take const where they promise it */
}

static tsr_json *wrap(json_t *v)
{
    return (tsr_json *)v;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_number(char c)
{
    return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Whether the number at s, n characters long, is an integer that int64_t cannot hold. */
static bool is_wide_integer(const char *s, size_t n)
{
    bool negative = n > 0 && s[0] == '-';
    size_t digits = n - negative;
    for (size_t i = negative; i < n; i++)
        if (!is_digit(s[i]))
            return false;
    if (digits != 19)
        return digits > 19;
    return memcmp(s + negative, negative ? "9223372036854775808" : "9223372036854775807", 19) > 0;
}

/* Copy `text` to dst (room for 2 bytes more for each 20) with ".0" after every integer that is too
 * wide, so that it is read as a double. Returns the new length. */
static size_t widen_integers(char *dst, const char *text, size_t len)
{
    size_t at = 0;
    bool in_string = false;
    for (size_t i = 0; i < len;) {
        size_t n = 1;
        if (in_string)
            n = text[i] == '\\' && i + 1 < len ? 2 : 1;
        else
            while (in_number(text[i]) && i + n < len && in_number(text[i + n]))
                n++;
        if (n == 1 && text[i] == '"')
            in_string = !in_string;
        memcpy(dst + at, text + i, n);
        at += n;
        if (!in_string && is_wide_integer(text + i, n)) {
            memcpy(dst + at, ".0", 2);
            at += 2;
        }
        i += n;
    }
    return at;
}

/* NULL with je filled on failure, memory_was_short telling which kind. */
static json_t *load(const void *text, size_t len, json_error_t *je)
{
    memory_was_short = false;
    json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, je);
    if (v && memory_was_short) {
        json_decref(v);
        return NULL;
    }
    if (!v && json_error_code(je) == json_error_out_of_memory)
        memory_was_short = true;
    return v;
}

tsr_status tsr_json_parse(tsr_json **out, const void *text, size_t len, const char *name, tsr_error *err)
{
    json_error_t je;
    pthread_once(&once, init);
    *out = NULL;
    if (len == 0)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: is empty, not JSON", name);
    json_t *v = load(text, len, &je);
    if (!v && !memory_was_short && json_error_code(&je) == json_error_numeric_overflow) {
        char *wide = noting_alloc(len + len / 10 + 2);
        if (wide)
            v = load(wide, widen_integers(wide, text, len), &je);
        tsr_free(wide);
    }
    if (!v && memory_was_short)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    if (!v)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: line %d, column %d: %s", name, je.line, je.column, je.text);
    *out = wrap(v);
    return TSR_OK;
}

tsr_status tsr_json_parse_file(tsr_json **out, const char *path, size_t max_bytes, tsr_error *err)
{
    unsigned char *text;
    size_t len;
    *out = NULL;
    tsr_status st = tsr_file_read(&text, &len, path, max_bytes, err);
    if (st != TSR_OK)
        return st;
    st = tsr_json_parse(out, text, len, path, err);
    tsr_free(text);
    return st;
}

void tsr_json_free(tsr_json *doc)
{
    json_decref(in(doc));
}

bool tsr_json_is_object(const tsr_json *v) { return json_is_object(in(v)); }
bool tsr_json_is_array(const tsr_json *v) { return json_is_array(in(v)); }
bool tsr_json_is_string(const tsr_json *v) { return json_is_string(in(v)); }
bool tsr_json_is_number(const tsr_json *v) { return json_is_number(in(v)); }
bool tsr_json_is_integer(const tsr_json *v) { return json_is_integer(in(v)); }
bool tsr_json_is_bool(const tsr_json *v) { return json_is_boolean(in(v)); }
bool tsr_json_is_null(const tsr_json *v) { return json_is_null(in(v)); }

const tsr_json *tsr_json_get(const tsr_json *object, const char *key)
{
    return wrap(json_object_get(in(object), key));
}

const tsr_json *tsr_json_get_set(const tsr_json *object, const char *key)
{
    const tsr_json *v = tsr_json_get(object, key);
    return tsr_json_is_null(v) ? NULL : v;
}

size_t tsr_json_len(const tsr_json *v)
{
    return json_is_array(in(v)) ? json_array_size(in(v)) : json_object_size(in(v));
}

const tsr_json *tsr_json_at(const tsr_json *array, size_t i)
{
    return wrap(json_array_get(in(array), i));
}

void *tsr_json_first(const tsr_json *object) { return json_object_iter(in(object)); }
void *tsr_json_next(const tsr_json *object, void *it) { return json_object_iter_next(in(object), it); }
const char *tsr_json_key(void *it) { return json_object_iter_key(it); }
const tsr_json *tsr_json_value(void *it) { return wrap(json_object_iter_value(it)); }

const char *tsr_json_string(const tsr_json *v, size_t *len)
{
    if (len)
        *len = json_string_length(in(v));
    return json_string_value(in(v));
}

bool tsr_json_to_i64(const tsr_json *v, int64_t *out)
{
    if (!tsr_json_is_integer(v))
        return false;
    *out = json_integer_value(in(v));
    return true;
}

bool tsr_json_to_size(const tsr_json *v, size_t *out)
{
    int64_t n;
    if (!tsr_json_to_i64(v, &n) || n < 0)
        return false;
    *out = (size_t)n;
    return true;
}

bool tsr_json_to_double(const tsr_json *v, double *out)
{
    if (!tsr_json_is_number(v))
        return false;
    *out = json_number_value(in(v));
    return true;
}

bool tsr_json_to_bool(const tsr_json *v, bool *out)
{
    if (!tsr_json_is_bool(v))
        return false;
    *out = json_is_true(in(v));
    return true;
}

tsr_json *tsr_json_new_object(void)
{
    pthread_once(&once, init);
    return wrap(json_object());
}

tsr_json *tsr_json_new_array(void)
{
    pthread_once(&once, init);
    return wrap(json_array());
}

tsr_json *tsr_json_new_string(const char *s, size_t len)
{
    pthread_once(&once, init);
    return wrap(json_stringn(s, len));
}

tsr_json *tsr_json_new_i64(int64_t n)
{
    pthread_once(&once, init);
    return wrap(json_integer(n));
}

tsr_json *tsr_json_new_double(double x)
{
    pthread_once(&once, init);
    return isfinite(x) ? wrap(json_real(x)) : NULL;
}

/* These two allocate nothing. */
tsr_json *tsr_json_new_bool(bool b) { return wrap(json_boolean(b)); }
tsr_json *tsr_json_new_null(void) { return wrap(json_null()); }

bool tsr_json_set(tsr_json *object, const char *key, tsr_json *v)
{
    return json_object_set_new(in(object), key, in(v)) == 0;
}

bool tsr_json_append(tsr_json *array, tsr_json *v)
{
    return json_array_append_new(in(array), in(v)) == 0;
}

tsr_status tsr_json_dump(char **out, const tsr_json *v, unsigned indent, tsr_error *err)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(9) | (indent ? JSON_INDENT(indent & 31u) : JSON_COMPACT);
    pthread_once(&once, init);
    memory_was_short = false;
    *out = json_dumps(in(v), flags);
    if (*out && memory_was_short) {
        tsr_free(*out);
        *out = NULL;
    }
    if (!*out && !memory_was_short)
        return tsr_fail(err, TSR_ERR_BUG, "JSON output: the value is missing or holds itself");
    if (!*out)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: JSON output");
    return TSR_OK;
}
