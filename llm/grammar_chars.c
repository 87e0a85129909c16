/* grammar_chars.c: sets of characters, and their spelling in UTF-8 and in JSON strings as arcs. */
#include <stdio.h>
#include <string.h>

#include "grammar_internal.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

enum { SURROGATE_LO = 0xD800, SURROGATE_HI = 0xDFFF };

void tsri_chars_deinit(tsri_chars *c)
{
    tsr_free(c->at);
    memset(c, 0, sizeof *c);
}

static tsr_status make_room(tsri_chars *c, tsr_error *err)
{
    if (c->n < c->cap)
        return TSR_OK;
    size_t cap = c->cap ? 2 * c->cap : 8;
    tsri_range *at = tsr_realloc(c->at, cap * sizeof *at);
    if (!at)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a set of %zu ranges", cap);
    c->at = at;
    c->cap = cap;
    return TSR_OK;
}

tsr_status tsri_chars_add(tsri_chars *c, uint32_t lo, uint32_t hi, tsr_error *err)
{
    size_t i = 0, last;
    tsr_status st = make_room(c, err);
    if (st != TSR_OK)
        return st;
    while (i < c->n && c->at[i].hi + 1 < lo)
        i++;
    for (last = i; last < c->n && c->at[last].lo <= hi + 1; last++) {
        lo = c->at[last].lo < lo ? c->at[last].lo : lo;
        hi = c->at[last].hi > hi ? c->at[last].hi : hi;
    }
    memmove(c->at + i + 1, c->at + last, (c->n - last) * sizeof *c->at);
    c->n = c->n - (last - i) + 1;
    c->at[i] = (tsri_range){lo, hi};
    return TSR_OK;
}

tsr_status tsri_chars_join(tsri_chars *c, const tsri_chars *other, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < other->n && st == TSR_OK; i++)
        st = tsri_chars_add(c, other->at[i].lo, other->at[i].hi, err);
    return st;
}

tsr_status tsri_chars_negate(tsri_chars *c, tsr_error *err)
{
    tsri_chars out = {0};
    uint32_t next = 0;
    tsr_status st = tsri_chars_add(c, SURROGATE_LO, SURROGATE_HI, err);
    for (size_t i = 0; i < c->n && st == TSR_OK; i++) {
        if (c->at[i].lo > next)
            st = tsri_chars_add(&out, next, c->at[i].lo - 1, err);
        next = c->at[i].hi + 1;
    }
    if (st == TSR_OK && next <= TSRI_LAST_CHAR)
        st = tsri_chars_add(&out, next, TSRI_LAST_CHAR, err);
    tsri_chars_deinit(c);
    *c = out;
    return st;
}

bool tsri_chars_has(const tsri_chars *c, uint32_t ch)
{
    return tsri_chars_all(c, ch, ch);
}

bool tsri_chars_all(const tsri_chars *c, uint32_t lo, uint32_t hi)
{
    size_t a = 0, b = c->n;
    while (a < b) {
        size_t mid = a + (b - a) / 2;
        if (c->at[mid].hi < lo)
            a = mid + 1;
        else
            b = mid;
    }
    return a < c->n && c->at[a].lo <= lo && hi <= c->at[a].hi;
}

tsr_status tsri_chars_common(tsri_chars *out, const tsri_chars *a, const tsri_chars *b, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0, k = 0; i < a->n && k < b->n && st == TSR_OK;) {
        uint32_t lo = a->at[i].lo > b->at[k].lo ? a->at[i].lo : b->at[k].lo;
        uint32_t hi = a->at[i].hi < b->at[k].hi ? a->at[i].hi : b->at[k].hi;
        if (lo <= hi)
            st = tsri_chars_add(out, lo, hi, err);
        if (a->at[i].hi < b->at[k].hi)
            i++;
        else
            k++;
    }
    return st;
}

bool tsri_is_plain(uint32_t ch)
{
    return ch >= 0x20 && ch != '"' && ch != '\\' && ch != 0x7F && (ch < SURROGATE_LO || ch > SURROGATE_HI);
}

static bool has_all_plain(const tsri_chars *c)
{
    return tsri_chars_all(c, 0x20, '"' - 1) && tsri_chars_all(c, '"' + 1, '\\' - 1) &&
           tsri_chars_all(c, '\\' + 1, 0x7E) && tsri_chars_all(c, 0x80, SURROGATE_LO - 1) &&
           tsri_chars_all(c, SURROGATE_HI + 1, TSRI_LAST_CHAR);
}

/* ---- UTF-8 ---- */

typedef struct speller {
    tsr_grammar *g;
    uint32_t from, to;
    uint32_t rest[4]; /* [n]: a state from which any n continuation bytes lead to `to`; made when first needed */
} speller;

static uint32_t any_rest(speller *s, size_t n)
{
    if (n == 0)
        return s->to;
    if (s->rest[n] == TSRI_NONE) {
        uint32_t next = any_rest(s, n - 1);
        s->rest[n] = tsri_net_state(s->g);
        tsri_net_bytes(s->g, s->rest[n], 0x80, 0xBF, next);
    }
    return s->rest[n];
}

/* Characters whose encodings have the same length, and whose bytes before the first that differs are followed by all
 * there are: one range for each byte. */
static void spell_block(speller *s, uint32_t lo, uint32_t hi)
{
    char a[TSR_UTF8_MAX], b[TSR_UTF8_MAX];
    size_t n = tsr_utf8_write(a, lo);
    uint32_t at = s->from;
    tsr_utf8_write(b, hi);
    for (size_t i = 0; i < n; i++) {
        bool whole = true; /* all that follows is any continuation byte */
        for (size_t k = i + 1; k < n; k++)
            whole = whole && (uint8_t)a[k] == 0x80 && (uint8_t)b[k] == 0xBF;
        uint32_t next = whole ? any_rest(s, n - 1 - i) : tsri_net_state(s->g);
        tsri_net_bytes(s->g, at, (uint8_t)a[i], (uint8_t)b[i], next);
        if (whole)
            return;
        at = next;
    }
}

static void spell_range(speller *s, uint32_t lo, uint32_t hi)
{
    static const uint32_t last_of_length[] = {0x7F, 0x7FF, 0xFFFF, TSRI_LAST_CHAR};
    while (lo <= hi && s->g->status == TSR_OK) {
        uint32_t end = hi;
        for (int i = 0; i < 4; i++)
            if (lo <= last_of_length[i]) {
                end = end < last_of_length[i] ? end : last_of_length[i];
                break;
            }
        size_t n = lo > 0xFFFF ? 3 : lo > 0x7FF ? 2 : lo > 0x7F ? 1 : 0;
        for (size_t i = 1; i <= n; i++) {
            uint32_t low_bits = (1u << (6 * i)) - 1;
            if ((lo & ~low_bits) == (end & ~low_bits))
                continue;
            if (lo & low_bits)
                end = lo | low_bits;
            else if ((end & low_bits) != low_bits)
                end = (end & ~low_bits) - 1;
        }
        spell_block(s, lo, end);
        lo = end + 1;
    }
}

static void spell_without_surrogates(speller *s, uint32_t lo, uint32_t hi)
{
    if (lo < SURROGATE_LO)
        spell_range(s, lo, hi < SURROGATE_LO ? hi : SURROGATE_LO - 1);
    if (hi > SURROGATE_HI)
        spell_range(s, lo > SURROGATE_HI ? lo : SURROGATE_HI + 1, hi);
}

/* ---- JSON strings ---- */

size_t tsri_json_char(char out[8], uint32_t ch)
{
    static const char plain_name[] = "\"\\\b\f\n\r\t", short_name[] = "\"\\bfnrt";
    const char *p = ch && ch < 0x80 ? strchr(plain_name, (int)ch) : NULL;
    if (p) {
        out[0] = '\\';
        out[1] = short_name[p - plain_name];
        return 2;
    }
    if (ch < 0x20)
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)ch);
    return tsr_utf8_write(out, ch);
}

static void spell_escaped(speller *s, const tsri_chars *set, uint32_t ch)
{
    char out[8];
    if (!tsri_chars_has(set, ch))
        return;
    size_t n = tsri_json_char(out, ch);
    tsri_net_text(s->g, s->from, out, n, s->to);
}

static void add_link(tsr_grammar *g, uint32_t from, const tsri_chars *set, uint32_t to)
{
    if (g->status != TSR_OK || !has_all_plain(set))
        return;
    if (g->n_links == g->cap_links) {
        size_t cap = g->cap_links ? 2 * g->cap_links : 16;
        tsri_link *at = tsr_realloc(g->links, cap * sizeof *at);
        if (!at) {
            tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
            return;
        }
        g->links = at;
        g->cap_links = cap;
    }
    g->links[g->n_links++] = (tsri_link){from, to};
}

void tsri_net_chars(tsr_grammar *g, uint32_t from, const tsri_chars *set, bool as_json, uint32_t to)
{
    speller s = {g, from, to, {TSRI_NONE, TSRI_NONE, TSRI_NONE, TSRI_NONE}};
    for (uint32_t ch = 0; ch < 0x20 && as_json; ch++)
        spell_escaped(&s, set, ch);
    if (as_json) {
        spell_escaped(&s, set, '"');
        spell_escaped(&s, set, '\\');
    }
    for (size_t i = 0; i < set->n && g->status == TSR_OK; i++) {
        uint32_t lo = set->at[i].lo, hi = set->at[i].hi;
        if (!as_json) {
            spell_without_surrogates(&s, lo, hi);
            continue;
        }
        static const tsri_range bare[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, TSRI_LAST_CHAR}};
        for (size_t k = 0; k < sizeof bare / sizeof *bare; k++) {
            uint32_t a = lo > bare[k].lo ? lo : bare[k].lo, b = hi < bare[k].hi ? hi : bare[k].hi;
            if (a <= b)
                spell_without_surrogates(&s, a, b);
        }
    }
    add_link(g, from, set, to);
}

void tsri_net_chars_by(tsr_grammar *g, uint32_t from, const tsri_chars *set, uint32_t rule, uint32_t to)
{
    tsri_net_call(g, from, rule, to);
    add_link(g, from, set, to);
}
