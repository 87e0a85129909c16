/* utf8.c: UTF-8 with replacement, white space and case. The rules are Python's, since the
 * reference handles all text in Python: the tests compare every one of them with it. */
#include "tsr_utf8.h"

#include <string.h>

#include "tsr_alloc.h"
#include "utf8_case_internal.h"

void tsr_text_deinit(tsr_text *t)
{
    tsr_free(t->at);
    memset(t, 0, sizeof *t);
}

tsr_status tsr_text_add(tsr_text *t, const void *bytes, size_t len, tsr_error *err)
{
    size_t need, cap = t->cap ? t->cap : 64;
    char *grown;

    if (!tsr_add_size(&need, t->len, len)) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: text too long");
    if (need > t->cap || !t->at) {
        while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        grown = tsr_realloc(t->at, cap);
        if (!grown) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: text needs %zu bytes", cap);
        t->at = grown;
        t->cap = cap;
    }
    if (len) memcpy(t->at + t->len, bytes, len);
    t->len = need;
    return TSR_OK;
}

/* The range that the second byte must lie in; it excludes overlong forms, surrogates and values
 * above U+10FFFF. Gives the length of the character, 0 when `b` can't start one. */
static size_t lead_byte(unsigned b, unsigned *low, unsigned *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (b >= 0xC2 && b <= 0xDF) return 2;
    if (b >= 0xE0 && b <= 0xEF) {
        if (b == 0xE0) *low = 0xA0;
        if (b == 0xED) *high = 0x9F;
        return 3;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (b == 0xF0) *low = 0x90;
        if (b == 0xF4) *high = 0x8F;
        return 4;
    }
    return 0;
}

size_t tsr_utf8_read(const char *s, size_t len, uint32_t *cp, bool *ok)
{
    unsigned b = (unsigned char)s[0], low, high;
    size_t want, at;
    uint32_t value;

    *ok = true;
    if (b < 0x80) {
        *cp = b;
        return 1;
    }
    want = lead_byte(b, &low, &high);
    value = want ? b & (0xFFu >> (want + 1)) : 0;
    for (at = 1; at < want && at < len; at++) {
        unsigned c = (unsigned char)s[at];
        if (c < low || c > high) break;
        value = value << 6 | (c & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *ok = want != 0 && at == want;
    *cp = *ok ? value : TSR_UTF8_REPLACEMENT;
    return at;
}

size_t tsr_utf8_write(char out[TSR_UTF8_MAX], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool tsr_utf8_valid(const char *s, size_t len)
{
    size_t at = 0;
    uint32_t cp;
    bool ok = true;

    while (at < len && ok) at += tsr_utf8_read(s + at, len - at, &cp, &ok);
    return ok;
}

tsr_status tsr_utf8_repair(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    size_t at = 0, good_from = 0, n;
    tsr_status st = TSR_OK;
    uint32_t cp;
    bool ok;

    while (at < len && st == TSR_OK) {
        n = tsr_utf8_read(s + at, len - at, &cp, &ok);
        if (!ok) {
            st = tsr_text_add(out, s + good_from, at - good_from, err);
            if (st == TSR_OK) st = tsr_text_add(out, "\xEF\xBF\xBD", 3, err);
            good_from = at + n;
        }
        at += n;
    }
    return st == TSR_OK ? tsr_text_add(out, s + good_from, at - good_from, err) : st;
}

size_t tsr_utf8_open_tail(const char *s, size_t len)
{
    size_t back, want, n;
    unsigned low, high;
    uint32_t cp;
    bool ok;

    for (back = 1; back <= 3 && back <= len; back++) {
        const char *p = s + len - back;
        if (((unsigned char)*p & 0xC0) == 0x80) continue;
        want = lead_byte((unsigned char)*p, &low, &high);
        if (want <= back) return 0;
        n = tsr_utf8_read(p, back, &cp, &ok);
        return n == back ? back : 0;
    }
    return 0;
}

bool tsr_utf8_is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

void tsr_utf8_strip(const char **s, size_t *len)
{
    size_t n, back;
    uint32_t cp;
    bool ok;

    while (*len) {
        n = tsr_utf8_read(*s, *len, &cp, &ok);
        if (!tsr_utf8_is_space(cp)) break;
        *s += n;
        *len -= n;
    }
    while (*len) {
        for (back = 1; back < *len && ((unsigned char)(*s)[*len - back] & 0xC0) == 0x80; back++) continue;
        tsr_utf8_read(*s + *len - back, back, &cp, &ok);
        if (!tsr_utf8_is_space(cp)) break;
        *len -= back;
    }
}

/* The characters that `cp` becomes, in a table sorted by its first column; itself when absent. */
static size_t map_case(const tsri_case_row *rows, size_t n_rows, uint32_t cp, uint32_t out[3])
{
    size_t low = 0, high = n_rows, n = 1;

    out[0] = cp;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const tsri_case_row *r = rows + mid;
        if (cp < r->first) {
            high = mid;
        } else if (cp > r->last) {
            low = mid + 1;
        } else {
            if ((cp - r->first) % r->step != 0) return 1;
            out[0] = (uint32_t)((int32_t)cp + r->delta);
            if (r->more[0]) out[n++] = r->more[0];
            if (r->more[1]) out[n++] = r->more[1];
            return n;
        }
    }
    return 1;
}

static tsr_status change_case(tsr_text *out, const char *s, size_t len, const tsri_case_row *rows, size_t n_rows,
                              tsr_error *err)
{
    tsr_status st = TSR_OK;
    size_t at = 0;

    while (at < len && st == TSR_OK) {
        uint32_t cp, to[3];
        bool ok;
        at += tsr_utf8_read(s + at, len - at, &cp, &ok);
        size_t n = map_case(rows, n_rows, cp, to);
        for (size_t i = 0; i < n && st == TSR_OK; i++) {
            char buf[TSR_UTF8_MAX];
            st = tsr_text_add(out, buf, tsr_utf8_write(buf, to[i]), err);
        }
    }
    return st;
}

tsr_status tsr_utf8_upper(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    return change_case(out, s, len, tsri_case_upper, tsri_case_upper_n, err);
}

tsr_status tsr_utf8_lower(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    return change_case(out, s, len, tsri_case_lower, tsri_case_lower_n, err);
}
