/* schema_ref.c: places in a schema: their JSON pointers in errors, what a $ref names, and whether all keywords there are
 * known. A keyword that we can't hold to is refused by its name, since leaving it out would promise too much. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"

enum { POINTER_SHOWN = 300 };

/* ---- pointers ---- */

static size_t add_token(char *buf, size_t at, const char *key)
{
    for (; *key && at + 2 < POINTER_SHOWN; key++) {
        if (*key == '~' || *key == '/') {
            buf[at++] = '~';
            buf[at++] = *key == '~' ? '0' : '1';
        } else {
            buf[at++] = (unsigned char)*key < 0x20 ? '?' : *key;
        }
    }
    return at;
}

/* Write the pointer of `target` behind the `at` bytes of buf; false: it isn't below `v`. */
static bool find_pointer(const tsr_json *v, const tsr_json *target, char *buf, size_t at)
{
    char number[24];
    buf[at] = '\0';
    if (v == target)
        return true;
    size_t here = at < POINTER_SHOWN ? at + 1 : at;
    if (at < POINTER_SHOWN)
        buf[at] = '/';
    for (void *it = tsr_json_first(v); it; it = tsr_json_next(v, it))
        if (find_pointer(tsr_json_value(it), target, buf, add_token(buf, here, tsr_json_key(it))))
            return true;
    for (size_t i = 0; tsr_json_is_array(v) && i < tsr_json_len(v); i++) {
        snprintf(number, sizeof number, "%zu", i);
        if (find_pointer(tsr_json_at(v, i), target, buf, add_token(buf, here, number)))
            return true;
    }
    return false;
}

tsr_status tsri_schema_fail(tsri_schema *s, tsr_status st, const tsr_json *at, const char *keyword, const char *fmt, ...)
{
    char pointer[POINTER_SHOWN + 8] = "", what[400];
    va_list ap;
    if (!find_pointer(s->doc, at, pointer, 0))
        pointer[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return tsr_fail(s->err, st, "%s: #%s%s%.80s: %s", s->name, pointer, keyword ? "/" : "", keyword ? keyword : "", what);
}

/* One token of a pointer in a URI fragment, unescaped into `out`; gives what follows it. NULL: ill-formed. */
static const char *read_token(const char *p, const char *end, char *out)
{
    for (; p < end && *p != '/'; out++) {
        char c = *p++;
        if (c == '%') {
            if (end - p < 2 || tsri_hex(p[0]) < 0 || tsri_hex(p[1]) < 0)
                return NULL;
            c = (char)(tsri_hex(p[0]) << 4 | tsri_hex(p[1]));
            p += 2;
        }
        if (c == '~' && (p == end || (*p != '0' && *p != '1')))
            return NULL;
        if (c == '~')
            c = *p++ == '0' ? '~' : '/';
        if (c == '\0')
            return NULL;
        *out = c;
    }
    *out = '\0';
    return p;
}

static const tsr_json *child_of(const tsr_json *v, const char *token)
{
    size_t i = 0;
    const char *p = token;
    if (!tsr_json_is_array(v))
        return tsr_json_get(v, token);
    for (; *p >= '0' && *p <= '9' && p - token < 10; p++)
        i = 10 * i + (size_t)(*p - '0');
    return *p || p == token || (token[0] == '0' && token[1]) ? NULL : tsr_json_at(v, i);
}

tsr_status tsri_schema_resolve(tsri_schema *s, const tsr_json *from, const tsr_json **out)
{
    size_t len;
    const char *ref = tsr_json_string(tsr_json_get(from, "$ref"), &len), *p = ref + 1, *end = ref + len;
    const tsr_json *at = s->doc;
    if (*ref != '#' || (len > 1 && ref[1] != '/'))
        return tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, from, "$ref",
                                "only pointers into the same schema (\"#/...\") are supported, not \"%.100s\"", ref);
    char *token = tsr_alloc(len + 1);
    if (!token)
        return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: a schema");
    while (p && p < end && at) {
        p = read_token(p + 1, end, token);
        at = p ? child_of(at, token) : NULL;
        if (p && p < end && tsr_json_string(tsr_json_get(at, "$id"), NULL)) {
            tsr_free(token);
            return tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, from, "$ref", "points through a schema with a $id of its own");
        }
    }
    tsr_free(token);
    bool is_schema = at && (tsr_json_is_object(at) || tsr_json_is_bool(at));
    if (!is_schema)
        return tsri_schema_fail(s, TSR_ERR_USAGE, from, "$ref", "there is no schema at \"%.100s\"", ref);
    *out = at;
    return TSR_OK;
}

/* ---- keywords ---- */

typedef enum form {
    ANNOTATION,
    DRAFT,        /* the address of a published draft */
    SCHEMA,
    SCHEMAS,      /* a list of one or more */
    SCHEMA_BY_KEY,
    COUNT,        /* an integer from 0 */
    NUMBER,
    STEP,         /* a number above 0 */
    NAMES,        /* a list of strings, each once */
    TEXT,
    TYPE,
    VALUES,       /* a list of one or more */
    VALUE,
    ID,
    FALSE_ONLY,   /* false says nothing */
    ZERO_ONLY     /* so does 0 */
} form;

static const struct keyword {
    const char *name;
    form form;
} keywords[] = {
    {"$schema", DRAFT}, {"$comment", ANNOTATION}, {"title", ANNOTATION}, {"description", ANNOTATION},
    {"default", ANNOTATION}, {"examples", ANNOTATION}, {"deprecated", ANNOTATION}, {"readOnly", ANNOTATION},
    {"writeOnly", ANNOTATION}, {"$id", ID}, {"$defs", SCHEMA_BY_KEY}, {"definitions", SCHEMA_BY_KEY}, {"$ref", TEXT},
    {"type", TYPE}, {"enum", VALUES}, {"const", VALUE}, {"anyOf", SCHEMAS}, {"oneOf", SCHEMAS}, {"allOf", SCHEMAS},
    {"properties", SCHEMA_BY_KEY}, {"additionalProperties", SCHEMA}, {"required", NAMES}, {"items", SCHEMA},
    {"prefixItems", SCHEMAS}, {"minItems", COUNT}, {"maxItems", COUNT}, {"minLength", COUNT}, {"maxLength", COUNT},
    {"pattern", TEXT}, {"format", TEXT}, {"minimum", NUMBER}, {"maximum", NUMBER}, {"exclusiveMinimum", NUMBER},
    {"exclusiveMaximum", NUMBER}, {"multipleOf", STEP}, {"uniqueItems", FALSE_ONLY}, {"minProperties", ZERO_ONLY}};

static tsr_status bad_form(tsri_schema *s, const tsr_json *at, const char *key, const char *wants)
{
    return tsri_schema_fail(s, TSR_ERR_USAGE, at, key, "must be %s", wants);
}

static bool is_schema(const tsr_json *v)
{
    return tsr_json_is_object(v) || tsr_json_is_bool(v);
}

static bool is_count(const tsr_json *v)
{
    double x;
    return tsr_json_to_double(v, &x) && x >= 0 && x == floor(x) && x < 9e15;
}

static bool are_schemas(const tsr_json *v)
{
    for (size_t i = 0; i < tsr_json_len(v); i++)
        if (!is_schema(tsr_json_at(v, i)))
            return false;
    return tsr_json_is_array(v) && tsr_json_len(v) > 0;
}

static bool are_schemas_by_key(const tsr_json *v)
{
    for (void *it = tsr_json_first(v); it; it = tsr_json_next(v, it))
        if (!is_schema(tsr_json_value(it)))
            return false;
    return tsr_json_is_object(v);
}

static bool are_names(const tsr_json *v)
{
    for (size_t i = 0; i < tsr_json_len(v); i++) {
        size_t len;
        const char *s = tsr_json_string(tsr_json_at(v, i), &len);
        if (!s || strlen(s) != len)
            return false;
    }
    return tsr_json_is_array(v);
}

static bool is_type_name(const tsr_json *v)
{
    static const char *const names[] = {"null", "boolean", "object", "array", "number", "integer", "string"};
    const char *s = tsr_json_string(v, NULL);
    for (size_t i = 0; s && i < sizeof names / sizeof *names; i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return false;
}

static bool is_type(const tsr_json *v)
{
    for (size_t i = 0; tsr_json_is_array(v) && i < tsr_json_len(v); i++)
        if (!is_type_name(tsr_json_at(v, i)))
            return false;
    return is_type_name(v) || (tsr_json_is_array(v) && tsr_json_len(v) > 0);
}

/* Of the published drafts: what they disagree about is refused by its form. */
static bool is_draft(const tsr_json *v)
{
    static const char *const drafts[] = {"https://json-schema.org/draft/2020-12/schema",
                                         "https://json-schema.org/draft/2019-09/schema",
                                         "http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-06/schema"};
    const char *s = tsr_json_string(v, NULL);
    for (size_t i = 0; s && i < sizeof drafts / sizeof *drafts; i++) {
        size_t n = strlen(drafts[i]);
        if (strncmp(s, drafts[i], n) == 0 && (s[n] == '\0' || strcmp(s + n, "#") == 0))
            return true;
    }
    return false;
}

static tsr_status check_keyword(tsri_schema *s, const tsr_json *at, const char *key, const tsr_json *v)
{
    const struct keyword *k = NULL;
    double x = 0;
    bool b = true;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(key, keywords[i].name) == 0)
            k = &keywords[i];
    if (!k)
        return tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, key, "this keyword is not supported");
    switch (k->form) {
    case ANNOTATION: case VALUE: return TSR_OK;
    case DRAFT:
        return is_draft(v) ? TSR_OK
                           : tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, key, "is not the address of a published draft");
    case SCHEMA:
        if (tsr_json_is_array(v) && strcmp(key, "items") == 0)
            return bad_form(s, at, key, "a schema; for a list of them write prefixItems");
        return is_schema(v) ? TSR_OK : bad_form(s, at, key, "a schema");
    case SCHEMAS: return are_schemas(v) ? TSR_OK : bad_form(s, at, key, "a list of one or more schemas");
    case SCHEMA_BY_KEY: return are_schemas_by_key(v) ? TSR_OK : bad_form(s, at, key, "an object of schemas");
    case COUNT: return is_count(v) ? TSR_OK : bad_form(s, at, key, "an integer from 0");
    case NUMBER: return tsr_json_is_number(v) ? TSR_OK : bad_form(s, at, key, "a number");
    case STEP: return tsr_json_to_double(v, &x) && x > 0 ? TSR_OK : bad_form(s, at, key, "a number above 0");
    case NAMES: return are_names(v) ? TSR_OK : bad_form(s, at, key, "a list of strings without NUL");
    case TEXT: return tsr_json_string(v, NULL) ? TSR_OK : bad_form(s, at, key, "a string");
    case TYPE: return is_type(v) ? TSR_OK : bad_form(s, at, key, "a type's name, or a list of them");
    case VALUES: return tsr_json_is_array(v) && tsr_json_len(v) ? TSR_OK : bad_form(s, at, key, "a list of one or more values");
    case ID:
        if (!tsr_json_string(v, NULL))
            return bad_form(s, at, key, "a string");
        return at == s->doc ? TSR_OK : tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, key, "is not supported below the root");
    case FALSE_ONLY:
        if (tsr_json_to_bool(v, &b) && !b)
            return TSR_OK;
        return b && tsr_json_is_bool(v) ? tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, key, "this keyword is not supported")
                                        : bad_form(s, at, key, "true or false");
    case ZERO_ONLY:
        if (!is_count(v))
            return bad_form(s, at, key, "an integer from 0");
        tsr_json_to_double(v, &x);
        return x <= 0 ? TSR_OK : tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, key, "this keyword is not supported");
    }
    return TSR_OK;
}

static bool mark_checked(tsri_schema *s, const tsr_json *at, bool *is_new)
{
    if (2 * (s->n_checked + 1) > s->n_checked_slots) {
        size_t n = s->n_checked_slots ? 2 * s->n_checked_slots : 64;
        const tsr_json **slots = tsr_calloc(n, sizeof *slots);
        if (!slots)
            return false;
        for (size_t i = 0; i < s->n_checked_slots; i++)
            if (s->checked[i]) {
                size_t k = ((uintptr_t)s->checked[i] >> 4) & (n - 1);
                while (slots[k])
                    k = (k + 1) & (n - 1);
                slots[k] = s->checked[i];
            }
        tsr_free(s->checked);
        s->checked = slots;
        s->n_checked_slots = n;
    }
    size_t k = ((uintptr_t)at >> 4) & (s->n_checked_slots - 1);
    while (s->checked[k] && s->checked[k] != at)
        k = (k + 1) & (s->n_checked_slots - 1);
    *is_new = !s->checked[k];
    s->n_checked += *is_new;
    s->checked[k] = at;
    return true;
}

tsr_status tsri_schema_check(tsri_schema *s, const tsr_json *at)
{
    bool is_new;
    tsr_status st = TSR_OK;
    if (!mark_checked(s, at, &is_new))
        return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: a schema");
    for (void *it = is_new ? tsr_json_first(at) : NULL; it && st == TSR_OK; it = tsr_json_next(at, it))
        st = check_keyword(s, at, tsr_json_key(it), tsr_json_value(it));
    const char *format = is_new && st == TSR_OK ? tsr_json_string(tsr_json_get(at, "format"), NULL) : NULL;
    if (format && !tsri_format_pattern(format))
        st = tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, "format",
                              "\"%.60s\" is not supported; known are date, date-time, uuid", format);
    uint32_t step;
    size_t digits;
    const tsr_json *multiple = tsr_json_get(at, "multipleOf");
    if (st == TSR_OK && multiple && !tsri_step_read(multiple, &step, &digits))
        st = tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, "multipleOf",
                              "is supported up to 10000 in units of its last digit, of which 40 stand behind the point");
    return st;
}

/* ---- patterns ---- */

tsr_status tsri_schema_pattern(tsri_schema *s, const tsr_json *at, const char *keyword, const tsri_regex **out)
{
    size_t len;
    const tsr_json *v = tsr_json_get(at, keyword);
    const char *text = tsr_json_string(v, &len);
    tsr_error why = {TSR_OK, ""};
    for (size_t i = 0; i < s->n_patterns; i++)
        if (s->patterns[i]->at == v) {
            *out = &s->patterns[i]->regex;
            return TSR_OK;
        }
    if (s->n_patterns == s->cap_patterns) {
        size_t cap = s->cap_patterns ? 2 * s->cap_patterns : 16;
        tsri_pattern **grown = tsr_realloc(s->patterns, cap * sizeof *grown);
        if (!grown)
            return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: patterns");
        s->patterns = grown;
        s->cap_patterns = cap;
    }
    if (strcmp(keyword, "format") == 0) {
        text = tsri_format_pattern(text);
        len = strlen(text);
    }
    tsri_pattern *p = tsr_calloc(1, sizeof *p);
    if (!p)
        return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: patterns");
    p->at = v;
    tsr_status st = tsri_regex_parse(&p->regex, text, len, &why);
    if (st != TSR_OK) {
        tsr_free(p);
        return tsri_schema_fail(s, st, at, keyword, "%s", why.text);
    }
    s->patterns[s->n_patterns++] = p;
    *out = &p->regex;
    return TSR_OK;
}
