/* schema_regex.c: regular expressions as JSON Schema has them (ECMA-262, flag u) become a network over characters. The
 * text is read into a tree first, since a repetition writes its content several times. */
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

typedef enum node_kind { N_CHARS, N_START, N_END, N_CAT, N_ALT, N_REPEAT } node_kind;

typedef struct node {
    node_kind kind;
    uint32_t set;          /* CHARS */
    uint32_t child, next;  /* the first content; its neighbour. TSRI_NONE: none */
    uint32_t min, max;     /* REPEAT */
} node;

typedef struct reader {
    const char *text;
    size_t len, at;
    node *nodes;
    size_t n_nodes, cap_nodes;
    tsri_regex *out;
    unsigned depth;
    tsr_error *err;
    tsr_status status;
} reader;

static uint32_t fail(reader *r, tsr_status st, const char *what)
{
    if (r->status == TSR_OK)
        r->status = tsr_fail(r->err, st, "%s, at byte %zu", what, r->at);
    return 0;
}

static uint32_t bad(reader *r, const char *what)
{
    return fail(r, TSR_ERR_USAGE, what);
}

static bool good(const reader *r)
{
    return r->status == TSR_OK;
}

/* ---- growing ---- */

static bool grow(reader *r, void *at, size_t n, size_t *cap, size_t size)
{
    void **p = at;
    size_t want = *cap ? 2 * *cap : 32;
    if (!good(r))
        return false;
    if (n < *cap)
        return true;
    void *grown = n < TSRI_REGEX_STATES * 4u ? tsr_realloc(*p, want * size) : NULL;
    if (!grown)
        return n < TSRI_REGEX_STATES * 4u ? fail(r, TSR_ERR_NOMEM, "out of memory: a pattern")
                                          : fail(r, TSR_ERR_LIMIT, "the pattern is too large");
    *p = grown;
    *cap = want;
    return true;
}

static uint32_t add_node(reader *r, node n)
{
    void *at = r->nodes;
    if (!grow(r, &at, r->n_nodes, &r->cap_nodes, sizeof *r->nodes))
        return 0;
    r->nodes = at;
    n.next = TSRI_NONE;
    r->nodes[r->n_nodes] = n;
    return (uint32_t)r->n_nodes++;
}

/* Takes the set over. */
static uint32_t add_set(reader *r, tsri_chars *set)
{
    void *at = r->out->sets;
    if (!grow(r, &at, r->out->n_sets, &r->out->cap_sets, sizeof *r->out->sets)) {
        tsri_chars_deinit(set);
        return 0;
    }
    r->out->sets = at;
    r->out->sets[r->out->n_sets] = *set;
    memset(set, 0, sizeof *set);
    return (uint32_t)r->out->n_sets++;
}

static uint32_t chars_node(reader *r, tsri_chars *set)
{
    uint32_t id = add_set(r, set);
    return add_node(r, (node){.kind = N_CHARS, .set = id, .child = TSRI_NONE});
}

static void add_range(reader *r, tsri_chars *set, uint32_t lo, uint32_t hi)
{
    if (good(r))
        r->status = tsri_chars_add(set, lo, hi, r->err);
}

/* ---- characters and classes ---- */

static char peek(const reader *r)
{
    return r->at < r->len ? r->text[r->at] : '\0';
}

static bool at_end(const reader *r)
{
    return r->at >= r->len;
}

static bool take(reader *r, char c)
{
    if (at_end(r) || peek(r) != c)
        return false;
    r->at++;
    return true;
}

static bool take_text(reader *r, const char *s)
{
    size_t n = strlen(s);
    if (r->len - r->at < n || memcmp(r->text + r->at, s, n) != 0)
        return false;
    r->at += n;
    return true;
}

static uint32_t take_char(reader *r)
{
    uint32_t ch;
    bool ok;
    r->at += tsr_utf8_read(r->text + r->at, r->len - r->at, &ch, &ok);
    return ok ? ch : bad(r, "the pattern is not UTF-8");
}

static bool hex(reader *r, int n_digits, uint32_t *x)
{
    *x = 0;
    for (int i = 0; i < n_digits; i++) {
        int h = tsri_hex(peek(r));
        if (h < 0 || at_end(r))
            return false;
        *x = *x << 4 | (uint32_t)h;
        r->at++;
    }
    return true;
}

/* Behind "\u": HHHH, a surrogate pair of two, or {H...}. */
static uint32_t unicode_escape(reader *r)
{
    uint32_t x = 0, low;
    if (take(r, '{')) {
        size_t start = r->at;
        uint32_t digit;
        while (r->at - start < 8 && hex(r, 1, &digit))
            x = x << 4 | digit;
        if (r->at == start || !take(r, '}') || x > TSRI_LAST_CHAR)
            return bad(r, "\\u{...} names no character");
    } else if (!hex(r, 4, &x)) {
        return bad(r, "\\u lacks its four hexadecimal digits");
    }
    if (x >= 0xD800 && x <= 0xDBFF) {
        size_t here = r->at;
        if (take_text(r, "\\u") && hex(r, 4, &low) && low >= 0xDC00 && low <= 0xDFFF)
            return 0x10000 + ((x - 0xD800) << 10) + (low - 0xDC00);
        r->at = here;
    }
    return x >= 0xD800 && x <= 0xDFFF ? bad(r, "half a surrogate pair is no character") : x;
}

/* \d \w \s and their complements. False: not one of them. */
static bool class_escape(reader *r, char c, tsri_chars *set)
{
    static const uint32_t digits[] = {'0', '9'}, words[] = {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'},
                          spaces[] = {9, 13, 32, 32, 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029,
                                      0x202F, 0x202F, 0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF};
    const uint32_t *ranges = NULL;
    tsri_chars own = {0};
    size_t n = 0;
    switch (c) {
    case 'd': case 'D': ranges = digits; n = 2; break;
    case 'w': case 'W': ranges = words; n = 8; break;
    case 's': case 'S': ranges = spaces; n = 20; break;
    default: return false;
    }
    for (size_t i = 0; i < n; i += 2)
        add_range(r, &own, ranges[i], ranges[i + 1]);
    if (good(r) && c < 'a')
        r->status = tsri_chars_negate(&own, r->err);
    if (good(r))
        r->status = tsri_chars_join(set, &own, r->err);
    tsri_chars_deinit(&own);
    return true;
}

/* Behind the "\" of one character. */
static uint32_t char_escape(reader *r, bool in_class)
{
    char c = peek(r);
    uint32_t x;
    if (at_end(r))
        return bad(r, "a \\ stands at the end");
    if (c == 'p' || c == 'P')
        return fail(r, TSR_ERR_UNSUPPORTED, "Unicode properties (\\p{...}) are not supported");
    if (c >= '1' && c <= '9')
        return fail(r, TSR_ERR_UNSUPPORTED, "back-references are not supported");
    if (c == 'k')
        return fail(r, TSR_ERR_UNSUPPORTED, "back-references (\\k<name>) are not supported");
    if ((c == 'b' || c == 'B') && !in_class)
        return fail(r, TSR_ERR_UNSUPPORTED, "word boundaries (\\b, \\B) are not supported");
    r->at++;
    switch (c) {
    case 't': return '\t';
    case 'n': return '\n';
    case 'v': return '\v';
    case 'f': return '\f';
    case 'r': return '\r';
    case '0': return peek(r) >= '0' && peek(r) <= '9' && !at_end(r) ? bad(r, "octal escapes are no escapes") : 0;
    case 'b': return '\b';
    case 'x': return hex(r, 2, &x) ? x : bad(r, "\\x lacks its two hexadecimal digits");
    case 'u': return unicode_escape(r);
    case 'c':
        c = peek(r);
        r->at++;
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? (uint32_t)c & 31 : bad(r, "\\c lacks its letter");
    default: break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        r->at--;
        return bad(r, "unknown escape");
    }
    r->at--;
    return take_char(r);
}

/* One character of a class, or a whole set put into `set` (*is_set). */
static uint32_t class_atom(reader *r, tsri_chars *set, bool *is_set)
{
    *is_set = false;
    if (!take(r, '\\'))
        return take_char(r);
    if (!at_end(r) && class_escape(r, peek(r), set)) {
        r->at++;
        *is_set = true;
        return 0;
    }
    return char_escape(r, true);
}

static void class_range(reader *r, tsri_chars *set)
{
    bool a_set, b_set = false;
    uint32_t lo = class_atom(r, set, &a_set), hi = lo;
    if (good(r) && peek(r) == '-' && r->at + 1 < r->len && r->text[r->at + 1] != ']') {
        r->at++;
        hi = class_atom(r, set, &b_set);
        if (a_set || b_set)
            bad(r, "a class like \\d is no end of a range");
        else if (hi < lo)
            bad(r, "a range ends before it begins");
    }
    if (good(r) && !a_set)
        add_range(r, set, lo, hi);
}

static uint32_t read_class(reader *r)
{
    tsri_chars set = {0};
    bool negated = take(r, '^');
    while (good(r) && peek(r) != ']') {
        if (at_end(r))
            bad(r, "a class has no closing ]");
        else
            class_range(r, &set);
    }
    r->at++;
    if (good(r) && negated)
        r->status = tsri_chars_negate(&set, r->err);
    return chars_node(r, &set);
}

/* ---- structure ---- */

static uint32_t read_alternatives(reader *r);

static uint32_t read_group(reader *r)
{
    uint32_t inner;
    if (take(r, '?')) {
        if (peek(r) == '=' || peek(r) == '!')
            return fail(r, TSR_ERR_UNSUPPORTED, "look-ahead is not supported");
        if (take_text(r, "<=") || take_text(r, "<!"))
            return fail(r, TSR_ERR_UNSUPPORTED, "look-behind is not supported");
        if (take(r, '<')) {
            while (!at_end(r) && peek(r) != '>')
                r->at++;
            if (!take(r, '>'))
                return bad(r, "a group's name has no closing >");
        } else if (!take(r, ':')) {
            return fail(r, TSR_ERR_UNSUPPORTED, "flags of a group are not supported");
        }
    }
    if (++r->depth > TSR_GRAMMAR_MAX_DEPTH)
        return fail(r, TSR_ERR_LIMIT, "groups are nested more than 256 deep");
    inner = read_alternatives(r);
    r->depth--;
    if (good(r) && !take(r, ')'))
        bad(r, "a group has no closing )");
    return inner;
}

static uint32_t read_dot(reader *r)
{
    tsri_chars set = {0};
    add_range(r, &set, '\n', '\n');
    add_range(r, &set, '\r', '\r');
    add_range(r, &set, 0x2028, 0x2029);
    if (good(r))
        r->status = tsri_chars_negate(&set, r->err);
    return chars_node(r, &set);
}

static uint32_t read_atom(reader *r)
{
    tsri_chars set = {0};
    uint32_t ch;
    if (take(r, '('))
        return read_group(r);
    if (take(r, '['))
        return read_class(r);
    if (take(r, '.'))
        return read_dot(r);
    if (take(r, '^'))
        return add_node(r, (node){.kind = N_START, .child = TSRI_NONE});
    if (take(r, '$'))
        return add_node(r, (node){.kind = N_END, .child = TSRI_NONE});
    if (peek(r) == '*' || peek(r) == '+' || peek(r) == '?')
        return bad(r, "nothing stands before a repetition");
    if (take(r, '\\')) {
        if (!at_end(r) && class_escape(r, peek(r), &set)) {
            r->at++;
            return chars_node(r, &set);
        }
        ch = char_escape(r, false);
    } else {
        ch = take_char(r);
    }
    add_range(r, &set, ch, ch);
    return chars_node(r, &set);
}

static bool take_number(reader *r, uint32_t *n)
{
    uint64_t x = 0;
    size_t start = r->at;
    while (!at_end(r) && peek(r) >= '0' && peek(r) <= '9') {
        x = x < TSRI_NO_MAX ? 10 * x + (uint64_t)(peek(r) - '0') : x;
        r->at++;
    }
    *n = x < TSRI_NO_MAX ? (uint32_t)x : TSRI_NO_MAX - 1;
    return r->at > start;
}

/* {m} {m,} {m,n}; anything else is no repetition, and "{" is a character. */
static bool take_bounds(reader *r, uint32_t *min, uint32_t *max)
{
    size_t here = r->at;
    if (take(r, '{') && take_number(r, min)) {
        *max = *min;
        if (take(r, ',') && !take_number(r, max))
            *max = TSRI_NO_MAX;
        if (take(r, '}'))
            return true;
    }
    r->at = here;
    return false;
}

static uint32_t read_repeated(reader *r)
{
    uint32_t atom = read_atom(r), min, max;
    if (take(r, '*'))
        min = 0, max = TSRI_NO_MAX;
    else if (take(r, '+'))
        min = 1, max = TSRI_NO_MAX;
    else if (take(r, '?'))
        min = 0, max = 1;
    else if (!take_bounds(r, &min, &max))
        return atom;
    take(r, '?'); /* as few as there can be: the same texts */
    if (good(r) && max < min)
        return bad(r, "a repetition ends before it begins");
    if (!at_end(r) && strchr("*+?", peek(r)) && peek(r))
        return bad(r, "a repetition is repeated");
    return add_node(r, (node){.kind = N_REPEAT, .child = atom, .min = min, .max = max});
}

static uint32_t read_sequence(reader *r)
{
    uint32_t cat = add_node(r, (node){.kind = N_CAT, .child = TSRI_NONE}), last = TSRI_NONE;
    while (good(r) && !at_end(r) && peek(r) != '|' && peek(r) != ')') {
        uint32_t n = read_repeated(r);
        if (!good(r))
            break;
        if (last == TSRI_NONE)
            r->nodes[cat].child = n;
        else
            r->nodes[last].next = n;
        last = n;
    }
    return cat;
}

static uint32_t read_alternatives(reader *r)
{
    uint32_t alt = add_node(r, (node){.kind = N_ALT, .child = TSRI_NONE}), last = TSRI_NONE;
    do {
        uint32_t n = read_sequence(r);
        if (!good(r))
            break;
        if (last == TSRI_NONE)
            r->nodes[alt].child = n;
        else
            r->nodes[last].next = n;
        last = n;
    } while (take(r, '|'));
    return alt;
}

/* ---- writing the network ---- */

static uint32_t new_state(reader *r)
{
    if (r->out->n_states == TSRI_REGEX_STATES)
        return fail(r, TSR_ERR_LIMIT, "the pattern is too large when its repetitions are written out");
    return (uint32_t)r->out->n_states++;
}

static void add_arc(reader *r, uint32_t from, uint32_t to, tsri_re_kind kind, uint32_t set)
{
    void *at = r->out->arcs;
    if (!grow(r, &at, r->out->n_arcs, &r->out->cap_arcs, sizeof *r->out->arcs))
        return;
    r->out->arcs = at;
    r->out->arcs[r->out->n_arcs++] = (tsri_re_arc){from, to, set, kind};
}

static void write_node(reader *r, uint32_t id, uint32_t from, uint32_t to);

static void write_repeat(reader *r, const node *n, uint32_t from, uint32_t to)
{
    uint32_t child = n->child, min = n->min, max = n->max;
    for (uint32_t i = 0; i < min && good(r); i++) {
        uint32_t next = new_state(r);
        write_node(r, child, from, next);
        from = next;
    }
    if (max == TSRI_NO_MAX) {
        uint32_t a = new_state(r), b = new_state(r);
        add_arc(r, from, a, TSRI_RE_EMPTY, 0);
        write_node(r, child, a, b);
        add_arc(r, b, a, TSRI_RE_EMPTY, 0);
        add_arc(r, a, to, TSRI_RE_EMPTY, 0);
        return;
    }
    for (uint32_t i = min; i < max && good(r); i++) {
        uint32_t next = new_state(r);
        add_arc(r, from, to, TSRI_RE_EMPTY, 0);
        write_node(r, child, from, next);
        from = next;
    }
    add_arc(r, from, to, TSRI_RE_EMPTY, 0);
}

/* Arcs may come into `from` and leave `to` beside those written here, but an arc written here never leaves `to`, nor
 * does one come into `from`. */
static void write_node(reader *r, uint32_t id, uint32_t from, uint32_t to)
{
    node n = r->nodes[id];
    if (!good(r))
        return;
    switch (n.kind) {
    case N_START: add_arc(r, from, to, TSRI_RE_START, 0); return;
    case N_END: add_arc(r, from, to, TSRI_RE_END, 0); return;
    case N_CHARS: add_arc(r, from, to, TSRI_RE_CHARS, n.set); return;
    case N_REPEAT: write_repeat(r, &n, from, to); return;
    case N_ALT:
        for (uint32_t c = n.child; c != TSRI_NONE && good(r); c = r->nodes[c].next)
            write_node(r, c, from, to);
        return;
    case N_CAT: break;
    }
    for (uint32_t c = n.child; c != TSRI_NONE && good(r); c = r->nodes[c].next) {
        uint32_t next = new_state(r);
        write_node(r, c, from, next);
        from = next;
    }
    add_arc(r, from, to, TSRI_RE_EMPTY, 0);
}

static int by_from(const void *a, const void *b)
{
    const tsri_re_arc *x = a, *y = b;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->to > y->to) - (x->to < y->to);
}

static void index_arcs(reader *r)
{
    tsri_regex *o = r->out;
    if (!good(r))
        return;
    qsort(o->arcs, o->n_arcs, sizeof *o->arcs, by_from);
    r->status = tsr_alloc_array(&o->first, o->n_states + 1, sizeof *o->first, "a pattern", r->err);
    for (size_t s = 0, i = 0; s <= o->n_states && good(r); s++) {
        while (i < o->n_arcs && o->arcs[i].from < s)
            i++;
        o->first[s] = (uint32_t)i;
    }
}

/* Anything, the pattern, anything. */
static void write_search(reader *r, uint32_t root)
{
    tsri_chars any = {0};
    add_range(r, &any, 0, TSRI_LAST_CHAR);
    uint32_t set = add_set(r, &any);
    r->out->n_states = 2;
    uint32_t before = new_state(r), start = new_state(r), end = new_state(r), behind = new_state(r);
    add_arc(r, 0, before, TSRI_RE_EMPTY, 0);
    add_arc(r, before, before, TSRI_RE_CHARS, set);
    add_arc(r, before, start, TSRI_RE_EMPTY, 0);
    write_node(r, root, start, end);
    add_arc(r, end, behind, TSRI_RE_EMPTY, 0);
    add_arc(r, behind, behind, TSRI_RE_CHARS, set);
    add_arc(r, behind, 1, TSRI_RE_EMPTY, 0);
}

tsr_status tsri_regex_parse(tsri_regex *out, const char *pattern, size_t len, tsr_error *err)
{
    reader r = {.text = pattern, .len = len, .out = out, .err = err};
    memset(out, 0, sizeof *out);
    uint32_t root = read_alternatives(&r);
    if (good(&r) && !at_end(&r))
        bad(&r, "a ) closes no group");
    if (good(&r))
        write_search(&r, root);
    index_arcs(&r);
    tsr_free(r.nodes);
    if (r.status != TSR_OK)
        tsri_regex_deinit(out);
    return r.status;
}

void tsri_regex_deinit(tsri_regex *r)
{
    for (size_t i = 0; i < r->n_sets; i++)
        tsri_chars_deinit(&r->sets[i]);
    tsr_free(r->sets);
    tsr_free(r->arcs);
    tsr_free(r->first);
    memset(r, 0, sizeof *r);
}

/* ---- finding ---- */

/* Follow arcs that take nothing, from the states listed. in: [n_states] marks. */
static size_t close_states(const tsri_regex *r, uint32_t *list, size_t n, uint8_t *in, bool at_start, bool at_end_of_text)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = r->first[list[i]]; k < r->first[list[i] + 1]; k++) {
            const tsri_re_arc *a = &r->arcs[k];
            bool open = a->kind == TSRI_RE_EMPTY || (a->kind == TSRI_RE_START && at_start) ||
                        (a->kind == TSRI_RE_END && at_end_of_text);
            if (open && !in[a->to]) {
                in[a->to] = 1;
                list[n++] = a->to;
            }
        }
    return n;
}

tsr_status tsri_regex_find(const tsri_regex *r, const char *text, size_t len, bool *found, tsr_error *err)
{
    uint8_t *in = tsr_calloc(r->n_states, 1);
    uint32_t *now = tsr_calloc(r->n_states, sizeof *now), *next = tsr_calloc(r->n_states, sizeof *next);
    size_t n = 1, at = 0;
    *found = false;
    tsr_status st = in && now && next ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a pattern");
    for (bool start = true; st == TSR_OK; start = false) {
        uint32_t ch;
        bool ok;
        size_t n_next = 0;
        n = close_states(r, now, n, in, start, at == len);
        if (at == len)
            break;
        at += tsr_utf8_read(text + at, len - at, &ch, &ok);
        memset(in, 0, r->n_states);
        for (size_t i = 0; i < n; i++)
            for (uint32_t k = r->first[now[i]]; k < r->first[now[i] + 1]; k++)
                if (r->arcs[k].kind == TSRI_RE_CHARS && !in[r->arcs[k].to] && tsri_chars_has(&r->sets[r->arcs[k].set], ch)) {
                    in[r->arcs[k].to] = 1;
                    next[n_next++] = r->arcs[k].to;
                }
        uint32_t *t = now;
        now = next;
        next = t;
        n = n_next;
    }
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        *found = *found || now[i] == 1;
    tsr_free(in);
    tsr_free(now);
    tsr_free(next);
    return st;
}
