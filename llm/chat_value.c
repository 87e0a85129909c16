/* chat_value.c: JSON values as the reference's template prints them. It runs in Python, so a bare
 * value is what str() gives: None, True, 1e-07, ['a', 'b']. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat_internal.h"
#include "tsr_alloc.h"

bool tsri_truthy(const tsr_json *v)
{
    bool b = false;
    double x = 0;
    size_t len = 0;
    if (tsr_json_to_bool(v, &b)) return b;
    if (tsr_json_to_double(v, &x)) return x != 0;
    if (tsr_json_string(v, &len)) return len > 0;
    return tsr_json_len(v) > 0;
}

/* repr() of a float: the fewest digits that read back the same, an exponent below 1e-4 and from
 * 1e16 on. */
static void print_double(char *out, size_t cap, double x)
{
    char digits[32], *mantissa = digits, *e;
    int n, exponent, point;

    for (n = 0; n < 17; n++) {
        snprintf(digits, sizeof digits, "%.*e", n, x);
        if (strtod(digits, NULL) == x) break;
    }
    e = strchr(digits, 'e');
    exponent = (int)strtol(e + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        *e = '\0';
        snprintf(out, cap, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (*mantissa == '-') mantissa++;
    point = n - exponent; /* digits after the point */
    snprintf(out, cap, "%.*f", point > 1 ? point : 1, x);
}

static tsr_status print_number(tsr_text *out, const tsr_json *v, tsr_error *err)
{
    char buf[352];
    int64_t n;
    double x = 0;
    if (tsr_json_is_integer(v) && tsr_json_to_i64(v, &n)) {
        snprintf(buf, sizeof buf, "%lld", (long long)n);
    } else {
        tsr_json_to_double(v, &x);
        print_double(buf, sizeof buf, x);
    }
    return tsr_text_add(out, buf, strlen(buf), err);
}

/* repr() of a string, whose characters above U+00AD all count as printable. */
static tsr_status print_string(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    char quote = memchr(s, '\'', len) && !memchr(s, '"', len) ? '"' : '\'', buf[8];
    tsr_status st = tsr_text_add(out, &quote, 1, err);
    size_t n;
    for (size_t at = 0; at < len && st == TSR_OK; at += n) {
        uint32_t cp;
        bool ok;
        n = tsr_utf8_read(s + at, len - at, &cp, &ok);
        if (cp == (uint32_t)quote || cp == '\\') snprintf(buf, sizeof buf, "\\%c", (int)cp);
        else if (cp == '\n' || cp == '\r' || cp == '\t') snprintf(buf, sizeof buf, "\\%c", "tn??r"[cp - 9]);
        else if (cp < 0x20 || (cp >= 0x7F && cp <= 0xA0) || cp == 0xAD) snprintf(buf, sizeof buf, "\\x%02x", (unsigned)cp);
        else buf[0] = '\0';
        st = buf[0] ? tsr_text_add(out, buf, strlen(buf), err) : tsr_text_add(out, s + at, n, err);
    }
    return st == TSR_OK ? tsr_text_add(out, &quote, 1, err) : st;
}

static tsr_status print_value(tsr_text *out, const tsr_json *v, bool inside, size_t depth, tsr_error *err);

static tsr_status print_list(tsr_text *out, const tsr_json *v, size_t depth, tsr_error *err)
{
    tsr_status st = tsr_text_add(out, "[", 1, err);
    for (size_t i = 0; i < tsr_json_len(v) && st == TSR_OK; i++) {
        if (i) st = tsr_text_add(out, ", ", 2, err);
        if (st == TSR_OK) st = print_value(out, tsr_json_at(v, i), true, depth + 1, err);
    }
    return st == TSR_OK ? tsr_text_add(out, "]", 1, err) : st;
}

static tsr_status print_object(tsr_text *out, const tsr_json *v, size_t depth, tsr_error *err)
{
    tsr_status st = tsr_text_add(out, "{", 1, err);
    bool first = true;
    for (void *it = tsr_json_first(v); it && st == TSR_OK; it = tsr_json_next(v, it), first = false) {
        if (!first) st = tsr_text_add(out, ", ", 2, err);
        if (st == TSR_OK) st = print_string(out, tsr_json_key(it), strlen(tsr_json_key(it)), err);
        if (st == TSR_OK) st = tsr_text_add(out, ": ", 2, err);
        if (st == TSR_OK) st = print_value(out, tsr_json_value(it), true, depth + 1, err);
    }
    return st == TSR_OK ? tsr_text_add(out, "}", 1, err) : st;
}

/* str(), or repr() when `inside` a list or object. */
static tsr_status print_value(tsr_text *out, const tsr_json *v, bool inside, size_t depth, tsr_error *err)
{
    bool b = false;
    size_t len = 0;
    const char *s = tsr_json_string(v, &len);
    if (depth > TSRI_CHAT_MAX_NESTING) return tsr_fail(err, TSR_ERR_LIMIT, "chat: values nested more than 100 deep");
    if (s) return inside ? print_string(out, s, len, err) : tsr_text_add(out, s, len, err);
    if (tsr_json_is_null(v)) return tsr_text_add(out, "None", 4, err);
    if (tsr_json_to_bool(v, &b)) return tsr_text_add(out, b ? "True" : "False", b ? 4 : 5, err);
    if (tsr_json_is_number(v)) return print_number(out, v, err);
    if (tsr_json_is_array(v)) return print_list(out, v, depth, err);
    return tsr_json_is_object(v) ? print_object(out, v, depth, err) : TSR_OK;
}

void tsri_write_value(tsri_writer *w, const tsr_json *v)
{
    tsr_text t = {0};
    tsr_status st = print_value(&t, v, false, 0, w->err);
    if (st == TSR_OK) tsri_write(w, t.at, t.len);
    else tsri_write_fail(w, st, "");
    tsr_text_deinit(&t);
}

void tsri_write_quoted(tsri_writer *w, const tsr_json *v)
{
    tsri_write_control(w, TSRI_QUOTE);
    tsri_write_value(w, v);
    tsri_write_control(w, TSRI_QUOTE);
}

static tsr_status upper_value(tsr_text *out, const tsr_json *v, tsr_error *err)
{
    tsr_text t = {0};
    tsr_status st = print_value(&t, v, false, 0, err);
    if (st == TSR_OK) st = tsr_utf8_upper(out, t.at, t.len, err);
    tsr_text_deinit(&t);
    return st;
}

void tsri_write_quoted_upper(tsri_writer *w, const tsr_json *v)
{
    tsr_text t = {0};
    tsr_status st = upper_value(&t, v, w->err);
    if (st != TSR_OK) tsri_write_fail(w, st, "");
    tsri_write_control(w, TSRI_QUOTE);
    tsri_write(w, t.at, t.len);
    tsri_write_control(w, TSRI_QUOTE);
    tsr_text_deinit(&t);
}

bool tsri_upper_is(tsri_writer *w, const tsr_json *v, const char *upper)
{
    tsr_text t = {0};
    tsr_status st = upper_value(&t, v, w->err);
    bool same = st == TSR_OK && t.len == strlen(upper) && memcmp(t.at, upper, t.len) == 0;
    if (st != TSR_OK) tsri_write_fail(w, st, "");
    tsr_text_deinit(&t);
    return same;
}

static int by_lower_key(const void *pa, const void *pb)
{
    const tsri_member *a = pa, *b = pb;
    size_t n = a->lower.len < b->lower.len ? a->lower.len : b->lower.len;
    int c = n ? memcmp(a->lower.at, b->lower.at, n) : 0; /* UTF-8 sorts as its characters do */
    if (c) return c;
    if (a->lower.len != b->lower.len) return a->lower.len < b->lower.len ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

void tsri_sort_members(tsri_writer *w, const tsr_json *object, tsri_members *out)
{
    size_t n = tsr_json_len(object);
    tsr_status st;
    *out = (tsri_members){0};
    if (w->status != TSR_OK) return;
    if (!tsr_json_is_object(object)) {
        tsri_write_fail(w, TSR_ERR_USAGE, "an object expected where the template sorts keys");
        return;
    }
    out->at = tsr_calloc(n, sizeof *out->at);
    if (!out->at) {
        tsri_write_fail(w, TSR_ERR_NOMEM, "out of memory: keys");
        return;
    }
    for (void *it = tsr_json_first(object); it && w->status == TSR_OK; it = tsr_json_next(object, it)) {
        tsri_member *m = out->at + out->n;
        *m = (tsri_member){.key = tsr_json_key(it), .value = tsr_json_value(it), .place = out->n++};
        st = tsr_utf8_lower(&m->lower, m->key, strlen(m->key), w->err);
        if (st != TSR_OK) tsri_write_fail(w, st, "");
    }
    if (w->status != TSR_OK) tsri_members_deinit(out);
    else qsort(out->at, out->n, sizeof *out->at, by_lower_key);
}

void tsri_members_deinit(tsri_members *m)
{
    for (size_t i = 0; i < m->n; i++) tsr_text_deinit(&m->at[i].lower);
    tsr_free(m->at);
    *m = (tsri_members){0};
}

static void write_mapping(tsri_writer *w, const tsr_json *v, bool quote_keys, size_t depth)
{
    tsri_members m;
    tsri_sort_members(w, v, &m);
    tsri_write_str(w, "{");
    for (size_t i = 0; i < m.n; i++) {
        if (i) tsri_write_str(w, ",");
        if (quote_keys) tsri_write_control(w, TSRI_QUOTE);
        tsri_write_str(w, m.at[i].key);
        if (quote_keys) tsri_write_control(w, TSRI_QUOTE);
        tsri_write_str(w, ":");
        tsri_write_argument(w, m.at[i].value, quote_keys, depth + 1);
    }
    tsri_write_str(w, "}");
    tsri_members_deinit(&m);
}

void tsri_write_argument(tsri_writer *w, const tsr_json *v, bool quote_keys, size_t depth)
{
    bool b = false;
    if (depth > TSRI_CHAT_MAX_NESTING) {
        tsri_write_fail(w, TSR_ERR_LIMIT, "values nested more than 100 deep");
    } else if (tsr_json_is_string(v)) {
        tsri_write_quoted(w, v);
    } else if (tsr_json_to_bool(v, &b)) {
        tsri_write_str(w, b ? "true" : "false");
    } else if (tsr_json_is_object(v)) {
        write_mapping(w, v, quote_keys, depth);
    } else if (tsr_json_is_array(v)) {
        tsri_write_str(w, "[");
        for (size_t i = 0; i < tsr_json_len(v); i++) {
            if (i) tsri_write_str(w, ",");
            tsri_write_argument(w, tsr_json_at(v, i), quote_keys, depth + 1);
        }
        tsri_write_str(w, "]");
    } else {
        tsri_write_value(w, v); /* a number, or None */
    }
}
