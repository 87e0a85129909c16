/* grammar_gbnf.c: reading GBNF, the notation of llama.cpp: rules "name ::= ...", literals, character classes, ".", groups,
 * alternatives, ? * + {m} {m,} {m,n}, comments. Names are letters, digits, "-" and "_". A rule goes on over a line's end
 * inside a group, behind "::=" and around "|". */
#include <string.h>

#include "grammar_internal.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

typedef struct symbol { /* a rule by name, and where it was named first */
    uint32_t rule;
    size_t at;
    bool defined;
} symbol;

typedef struct parser {
    const char *text, *name;
    size_t len, at;
    tsr_grammar *g;
    symbol *symbols; /* open addressing; rule TSRI_NONE: empty. n_slots is a power of two */
    size_t n_slots, n_symbols;
    uint32_t owner; /* the rule that is being read */
    unsigned depth;
} parser;

/* ---- telling ---- */

static void fail_at(parser *p, size_t at, tsr_status st, const char *what, const char *detail, size_t detail_len)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < p->len; i++) {
        bool new_line = p->text[i] == '\n';
        line += new_line;
        column = new_line ? 1 : column + (((unsigned char)p->text[i] & 0xC0) != 0x80);
    }
    detail_len = detail_len < 80 ? detail_len : 80;
    tsri_net_fail(p->g, st, "%s: line %zu, column %zu: %s%s%.*s", p->name, line, column, what, detail_len ? " " : "",
                  (int)detail_len, detail_len ? detail : "");
}

static void fail(parser *p, const char *what)
{
    fail_at(p, p->at, TSR_ERR_USAGE, what, NULL, 0);
}

static bool good(const parser *p)
{
    return p->g->status == TSR_OK;
}

/* ---- characters ---- */

static char peek(const parser *p)
{
    return p->at < p->len ? p->text[p->at] : '\0';
}

static bool at_end(const parser *p)
{
    return p->at >= p->len;
}

static bool take(parser *p, char c)
{
    if (at_end(p) || peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool is_space(const parser *p, bool lines)
{
    char c = peek(p);
    return !at_end(p) && (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')));
}

static void skip_space(parser *p, bool lines)
{
    for (;;) {
        if (is_space(p, lines))
            p->at++;
        else if (peek(p) == '#')
            while (!at_end(p) && peek(p) != '\n' && peek(p) != '\r')
                p->at++;
        else
            return;
    }
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint32_t take_hex(parser *p, int n_digits)
{
    uint32_t x = 0;
    size_t start = p->at;
    for (int i = 0; i < n_digits; i++, p->at++) {
        int h = tsri_hex(peek(p));
        if (h < 0) {
            fail(p, "an escape lacks hexadecimal digits (\\xHH, \\uHHHH, \\UHHHHHHHH)");
            return 0;
        }
        x = x << 4 | (uint32_t)h;
    }
    if (x > TSRI_LAST_CHAR || (x >= 0xD800 && x <= 0xDFFF))
        fail_at(p, start, TSR_ERR_USAGE, "an escape names no Unicode character", NULL, 0);
    return x;
}

static uint32_t take_escape(parser *p)
{
    char c = peek(p);
    p->at++;
    switch (c) {
    case 'x': return take_hex(p, 2);
    case 'u': return take_hex(p, 4);
    case 'U': return take_hex(p, 8);
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    case '\\': case '"': case '[': case ']': case '-': return (uint32_t)c;
    default: break;
    }
    p->at--;
    fail(p, "unknown escape; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\xHH \\uHHHH \\UHHHHHHHH");
    return 0;
}

static uint32_t take_char(parser *p)
{
    uint32_t ch;
    bool ok;
    if (take(p, '\\'))
        return take_escape(p);
    size_t n = tsr_utf8_read(p->text + p->at, p->len - p->at, &ch, &ok);
    if (!ok)
        fail(p, "the text is not UTF-8 here");
    p->at += n;
    return ch;
}

/* ---- names ---- */

static uint64_t hash_of(const char *s, size_t n)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static symbol *slot_of(const parser *p, const char *name, size_t len)
{
    size_t i = (size_t)hash_of(name, len) & (p->n_slots - 1);
    for (; p->symbols[i].rule != TSRI_NONE; i = (i + 1) & (p->n_slots - 1)) {
        const char *has = tsri_net_rule_name(p->g, p->symbols[i].rule);
        if (strlen(has) == len && memcmp(has, name, len) == 0)
            break;
    }
    return &p->symbols[i];
}

static bool grow_symbols(parser *p)
{
    parser old = *p;
    if (2 * (p->n_symbols + 1) <= p->n_slots)
        return true;
    p->n_slots = p->n_slots ? 2 * p->n_slots : 64;
    p->symbols = tsr_alloc(p->n_slots * sizeof *p->symbols);
    if (!p->symbols) {
        p->symbols = old.symbols;
        p->n_slots = old.n_slots;
        tsri_net_fail(p->g, TSR_ERR_NOMEM, "out of memory: names of rules");
        return false;
    }
    for (size_t i = 0; i < p->n_slots; i++)
        p->symbols[i].rule = TSRI_NONE;
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.symbols[i].rule == TSRI_NONE)
            continue;
        const char *name = tsri_net_rule_name(p->g, old.symbols[i].rule);
        *slot_of(p, name, strlen(name)) = old.symbols[i];
    }
    tsr_free(old.symbols);
    return true;
}

/* The rule of a name that stands at `at`, made when it is new. NULL after a failure. */
static symbol *symbol_of(parser *p, size_t at, size_t len)
{
    if (!good(p) || !grow_symbols(p))
        return NULL;
    symbol *s = slot_of(p, p->text + at, len);
    if (s->rule != TSRI_NONE)
        return s;
    uint32_t rule = tsri_net_rule(p->g, p->text + at, len, 0);
    if (!good(p))
        return NULL;
    *s = (symbol){.rule = rule, .at = at};
    p->n_symbols++;
    return s;
}

static size_t take_name(parser *p)
{
    size_t start = p->at;
    while (!at_end(p) && is_name_char(peek(p)))
        p->at++;
    if (p->at == start)
        fail(p, "a rule's name is expected (letters, digits, - and _)");
    return start;
}

/* ---- what stands in a rule ---- */

static void read_alternatives(parser *p, uint32_t from, uint32_t to, bool nested);

static void read_literal(parser *p, uint32_t from, uint32_t to)
{
    size_t start = p->at - 1;
    while (good(p) && peek(p) != '"') {
        char utf8[TSR_UTF8_MAX];
        if (at_end(p)) {
            fail_at(p, start, TSR_ERR_USAGE, "this literal has no closing \"", NULL, 0);
            return;
        }
        uint32_t ch = take_char(p), next = tsri_net_state(p->g);
        if (!good(p))
            return;
        tsri_net_text(p->g, from, utf8, tsr_utf8_write(utf8, ch), next);
        from = next;
    }
    p->at++;
    tsri_net_empty(p->g, from, to);
}

static void read_range(parser *p, tsri_chars *set)
{
    size_t start = p->at;
    uint32_t lo = take_char(p), hi = lo;
    if (peek(p) == '-' && p->at + 1 < p->len && p->text[p->at + 1] != ']') {
        p->at++;
        hi = take_char(p);
    }
    if (!good(p))
        return;
    if (hi < lo)
        fail_at(p, start, TSR_ERR_USAGE, "a range of characters ends before it begins:", p->text + start, p->at - start);
    else if (tsri_chars_add(set, lo, hi, p->g->err) != TSR_OK)
        p->g->status = TSR_ERR_NOMEM;
}

static void read_class(parser *p, uint32_t from, uint32_t to)
{
    tsri_chars set = {0};
    size_t start = p->at - 1;
    bool negated = take(p, '^');
    while (good(p) && peek(p) != ']') {
        if (at_end(p))
            fail_at(p, start, TSR_ERR_USAGE, "this character class has no closing ]", NULL, 0);
        else
            read_range(p, &set);
    }
    p->at++;
    if (good(p) && negated)
        p->g->status = tsri_chars_negate(&set, p->g->err);
    if (good(p) && set.n == 0)
        fail_at(p, start, TSR_ERR_USAGE, "this character class is empty", NULL, 0);
    if (good(p))
        tsri_net_chars(p->g, from, &set, false, to);
    tsri_chars_deinit(&set);
}

static void read_any(parser *p, uint32_t from, uint32_t to)
{
    tsri_chars set = {0};
    p->g->status = tsri_chars_add(&set, 0, TSRI_LAST_CHAR, p->g->err);
    if (good(p))
        tsri_net_chars(p->g, from, &set, false, to);
    tsri_chars_deinit(&set);
}

static void read_group(parser *p, uint32_t from, uint32_t to)
{
    size_t start = p->at - 1;
    if (p->depth == TSR_GRAMMAR_MAX_DEPTH) {
        fail_at(p, start, TSR_ERR_LIMIT, "groups are nested more than 256 deep", NULL, 0);
        return;
    }
    p->depth++;
    read_alternatives(p, from, to, true);
    p->depth--;
    if (good(p) && !take(p, ')'))
        fail_at(p, start, TSR_ERR_USAGE, "this group has no closing )", NULL, 0);
}

/* False where no element begins. */
static bool read_element(parser *p, uint32_t from, uint32_t to)
{
    char c = peek(p);
    if (at_end(p))
        return false;
    if (is_name_char(c)) {
        size_t start = take_name(p);
        symbol *s = symbol_of(p, start, p->at - start);
        if (s)
            tsri_net_call(p->g, from, s->rule, to);
        return true;
    }
    if (c == '<' || (c == '!' && p->at + 1 < p->len && p->text[p->at + 1] == '<')) {
        fail_at(p, p->at, TSR_ERR_UNSUPPORTED, "token literals (<...>) are not supported: write characters", NULL, 0);
        return true;
    }
    if (!strchr("\"[.(", c) || c == '\0')
        return false;
    p->at++;
    switch (c) {
    case '"': read_literal(p, from, to); break;
    case '[': read_class(p, from, to); break;
    case '.': read_any(p, from, to); break;
    default: read_group(p, from, to); break;
    }
    return true;
}

static bool take_count(parser *p, uint32_t *n)
{
    uint64_t x = 0;
    size_t start = p->at;
    while (!at_end(p) && peek(p) >= '0' && peek(p) <= '9') {
        x = 10 * x + (uint64_t)(peek(p) - '0');
        p->at++;
        if (x >= TSRI_NO_MAX) {
            fail_at(p, start, TSR_ERR_LIMIT, "a repetition counts more than 4294967294 times", NULL, 0);
            return false;
        }
    }
    *n = (uint32_t)x;
    return p->at > start;
}

static void read_bounds(parser *p, uint32_t *min, uint32_t *max)
{
    size_t start = p->at - 1;
    skip_space(p, true);
    bool ok = take_count(p, min);
    *max = *min;
    skip_space(p, true);
    if (ok && take(p, ',')) {
        skip_space(p, true);
        if (!take_count(p, max))
            *max = TSRI_NO_MAX;
        skip_space(p, true);
    }
    if (!good(p))
        return;
    if (!ok || !take(p, '}'))
        fail_at(p, start, TSR_ERR_USAGE, "a repetition is written {m}, {m,} or {m,n}", NULL, 0);
    else if (*max < *min)
        fail_at(p, start, TSR_ERR_USAGE, "a repetition ends before it begins:", p->text + start, p->at - start);
}

/* What comes from a to b is written; it may come so many times between `from` and the state given back. */
static uint32_t read_quantifier(parser *p, uint32_t from, uint32_t a, uint32_t b)
{
    tsr_grammar *g = p->g;
    char c = peek(p);
    uint32_t min = 0, max = 0;
    if (at_end(p) || !strchr("*+?{", c) || c == '\0') {
        tsri_net_empty(g, from, a);
        return b;
    }
    p->at++;
    if (c != '{') {
        tsri_net_empty(g, from, a);
        if (c != '+')
            tsri_net_empty(g, a, b);
        if (c != '?')
            tsri_net_empty(g, b, a);
        return b;
    }
    read_bounds(p, &min, &max);
    if (!good(p))
        return b;
    uint32_t rule = tsri_net_rule(g, NULL, 0, p->owner), to = tsri_net_state(g);
    if (!good(p))
        return b;
    tsri_net_empty(g, g->rules[rule].start, a);
    tsri_net_empty(g, b, g->rules[rule].end);
    tsri_net_repeat(g, from, rule, min, max, to);
    return to;
}

static void read_sequence(parser *p, uint32_t from, uint32_t to, bool nested)
{
    while (good(p)) {
        uint32_t a = tsri_net_state(p->g), b = tsri_net_state(p->g);
        skip_space(p, nested);
        if (!read_element(p, a, b))
            break;
        skip_space(p, nested);
        from = good(p) ? read_quantifier(p, from, a, b) : from;
        skip_space(p, nested);
        if (good(p) && !at_end(p) && strchr("*+?{", peek(p)) && peek(p))
            fail(p, "two repetitions follow each other: put the first into a group");
    }
    tsri_net_empty(p->g, from, to);
}

/* Whether the next line goes on with "|". */
static bool goes_on(parser *p)
{
    size_t here = p->at;
    skip_space(p, true);
    if (peek(p) == '|')
        return true;
    p->at = here;
    return false;
}

static void read_alternatives(parser *p, uint32_t from, uint32_t to, bool nested)
{
    for (;;) {
        uint32_t start = tsri_net_state(p->g);
        tsri_net_empty(p->g, from, start);
        read_sequence(p, start, to, nested);
        if (!good(p) || !goes_on(p))
            return;
        p->at++;
        skip_space(p, true);
    }
}

static void read_rule(parser *p)
{
    size_t start = take_name(p), len = p->at - start;
    skip_space(p, false);
    if (!good(p))
        return;
    if (p->len - p->at < 3 || memcmp(p->text + p->at, "::=", 3) != 0) {
        fail(p, "::= is expected behind a rule's name");
        return;
    }
    p->at += 3;
    skip_space(p, true);
    symbol *s = symbol_of(p, start, len);
    if (!s)
        return;
    if (s->defined) {
        fail_at(p, start, TSR_ERR_USAGE, "a rule is defined twice:", p->text + start, len);
        return;
    }
    s->defined = true;
    p->owner = s->rule;
    read_alternatives(p, p->g->rules[s->rule].start, p->g->rules[s->rule].end, false);
    skip_space(p, false);
    if (good(p) && !at_end(p) && peek(p) != '\n' && peek(p) != '\r')
        fail(p, "the end of the rule is expected here, or literals, classes, names, groups");
}

static void check_symbols(parser *p)
{
    for (size_t i = 0; i < p->n_slots; i++) {
        const symbol *s = &p->symbols[i];
        if (s->rule != TSRI_NONE && !s->defined) {
            const char *name = tsri_net_rule_name(p->g, s->rule);
            fail_at(p, s->at, TSR_ERR_USAGE, "a rule is named and never defined:", name, strlen(name));
        }
    }
}

static void read_all(parser *p)
{
    if (p->len >= 3 && memcmp(p->text, "\xEF\xBB\xBF", 3) == 0)
        p->at = 3;
    for (skip_space(p, true); good(p) && !at_end(p); skip_space(p, true))
        read_rule(p);
    if (good(p))
        check_symbols(p);
    const symbol *root = good(p) && p->n_slots ? slot_of(p, "root", 4) : NULL;
    if (good(p) && (!root || root->rule == TSRI_NONE))
        tsri_net_fail(p->g, TSR_ERR_USAGE, "%s: there is no rule \"root\"", p->name);
    tsr_error why = {TSR_OK, ""};
    tsr_error *err = p->g->err;
    if (!good(p))
        return;
    p->g->err = &why;
    if (tsri_net_finish(p->g, root->rule) != TSR_OK)
        tsr_fail(err, p->g->status, "%s: %s", p->name, why.text);
}

tsr_status tsr_grammar_from_gbnf(tsr_grammar **out, const char *text, size_t len, const char *name, tsr_error *err)
{
    *out = NULL;
    if (len > TSR_GRAMMAR_MAX_BYTES)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: has %zu bytes; grammars are read up to %d", name, len,
                        TSR_GRAMMAR_MAX_BYTES);
    parser p = {.text = text, .len = len, .name = name, .g = tsri_net_new(err)};
    if (!p.g)
        return TSR_ERR_NOMEM;
    read_all(&p);
    tsr_status st = p.g->status;
    tsr_free(p.symbols);
    if (st == TSR_OK)
        *out = p.g;
    else
        tsr_grammar_close(p.g);
    return st;
}
