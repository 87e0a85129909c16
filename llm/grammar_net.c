/* grammar_net.c: writing the network of a grammar. Arrays grow up to fixed limits; the first failure sticks. */
#include <stdarg.h>
#include <string.h>

#include "grammar_internal.h"
#include "tsr_alloc.h"

tsr_grammar *tsri_net_new(tsr_error *err)
{
    tsr_grammar *g = tsr_calloc(1, sizeof *g);
    if (!g) {
        tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a grammar");
        return NULL;
    }
    g->err = err;
    return g;
}

void tsr_grammar_close(tsr_grammar *g)
{
    if (!g)
        return;
    tsr_free(g->arcs);
    tsr_free(g->first);
    tsr_free(g->dist);
    tsr_free(g->is_end);
    tsr_free(g->run);
    tsr_free(g->run_far);
    tsr_free(g->rules);
    tsr_free(g->repeats);
    tsr_free(g->links);
    tsr_free(g->names);
    tsr_free(g);
}

tsr_status tsri_net_fail(tsr_grammar *g, tsr_status st, const char *fmt, ...)
{
    va_list ap;
    if (g->status != TSR_OK)
        return g->status;
    va_start(ap, fmt);
    g->status = tsr_failv(g->err, st, fmt, ap);
    va_end(ap);
    return g->status;
}

/* Room for one more of n entries; *cap counts entries. */
static bool grow(tsr_grammar *g, void **at, size_t n, size_t *cap, size_t size, size_t most, const char *what)
{
    if (g->status != TSR_OK)
        return false;
    if (n == most) {
        tsri_net_fail(g, TSR_ERR_LIMIT, "the grammar has more than %zu %s", most, what);
        return false;
    }
    if (n < *cap)
        return true;
    size_t want = *cap ? 2 * *cap : 64;
    void *grown = tsr_realloc(*at, want * size);
    if (!grown) {
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar with %zu %s", want, what);
        return false;
    }
    *at = grown;
    *cap = want;
    return true;
}

uint32_t tsri_net_state(tsr_grammar *g)
{
    if (g->status == TSR_OK && g->n_states == TSRI_NET_MAX_STATES)
        tsri_net_fail(g, TSR_ERR_LIMIT, "the grammar has more than %d states", TSRI_NET_MAX_STATES);
    return g->status == TSR_OK ? (uint32_t)g->n_states++ : 0;
}

static void add_arc(tsr_grammar *g, tsri_arc arc)
{
    void *at = g->arcs;
    if (grow(g, &at, g->n_arcs, &g->cap_arcs, sizeof *g->arcs, TSRI_NET_MAX_ARCS, "arcs")) {
        g->arcs = at;
        g->arcs[g->n_arcs++] = arc;
    }
}

static uint32_t add_name(tsr_grammar *g, const char *name, size_t len)
{
    size_t at = g->names_len;
    while (g->status == TSR_OK && g->names_cap < at + len + 1) {
        size_t cap = g->names_cap ? 2 * g->names_cap : 256;
        char *grown = tsr_realloc(g->names, cap);
        if (!grown) {
            tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
            break;
        }
        g->names = grown;
        g->names_cap = cap;
    }
    if (g->status != TSR_OK)
        return 0;
    memcpy(g->names + at, name, len);
    g->names[at + len] = '\0';
    g->names_len = at + len + 1;
    return (uint32_t)at;
}

uint32_t tsri_net_rule(tsr_grammar *g, const char *name, size_t name_len, uint32_t owner)
{
    void *at = g->rules;
    if (!grow(g, &at, g->n_rules, &g->cap_rules, sizeof *g->rules, TSRI_NET_MAX_RULES, "rules"))
        return 0;
    g->rules = at;
    uint32_t id = (uint32_t)g->n_rules++;
    g->rules[id] = (tsri_rule){.name = TSRI_NONE, .owner = owner};
    if (name) {
        uint32_t place = add_name(g, name, name_len);
        g->rules[id].name = place;
        g->rules[id].owner = id;
    }
    uint32_t start = tsri_net_state(g), end = tsri_net_state(g);
    g->rules[id].start = start;
    g->rules[id].end = end;
    return id;
}

const char *tsri_net_rule_name(const tsr_grammar *g, uint32_t rule)
{
    const tsri_rule *r = &g->rules[rule];
    while (r->name == TSRI_NONE && r->owner != TSRI_NONE && r != &g->rules[r->owner])
        r = &g->rules[r->owner];
    return r->name == TSRI_NONE ? "(unnamed)" : g->names + r->name;
}

void tsri_net_empty(tsr_grammar *g, uint32_t from, uint32_t to)
{
    add_arc(g, (tsri_arc){.from = from, .to = to, .kind = TSRI_ARC_EMPTY});
}

void tsri_net_bytes(tsr_grammar *g, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to)
{
    add_arc(g, (tsri_arc){.from = from, .to = to, .kind = TSRI_ARC_BYTES, .lo = lo, .hi = hi});
}

void tsri_net_call(tsr_grammar *g, uint32_t from, uint32_t rule, uint32_t to)
{
    add_arc(g, (tsri_arc){.from = from, .to = to, .kind = TSRI_ARC_CALL, .what = rule});
}

void tsri_net_repeat(tsr_grammar *g, uint32_t from, uint32_t rule, uint32_t min, uint32_t max, uint32_t to)
{
    void *at = g->repeats;
    if (max == 0) {
        tsri_net_empty(g, from, to);
        return;
    }
    if (!grow(g, &at, g->n_repeats, &g->cap_repeats, sizeof *g->repeats, TSRI_NET_MAX_RULES, "repetitions"))
        return;
    g->repeats = at;
    g->repeats[g->n_repeats] = (tsri_repeat){.rule = rule, .min = min, .max = max, .to = to};
    add_arc(g, (tsri_arc){.from = from, .to = to, .kind = TSRI_ARC_REPEAT, .what = (uint32_t)g->n_repeats++});
}

void tsri_net_text(tsr_grammar *g, uint32_t from, const char *s, size_t len, uint32_t to)
{
    if (len == 0)
        tsri_net_empty(g, from, to);
    for (size_t i = 0; i < len && g->status == TSR_OK; i++) {
        uint32_t next = i + 1 == len ? to : tsri_net_state(g);
        tsri_net_bytes(g, from, (uint8_t)s[i], (uint8_t)s[i], next);
        from = next;
    }
}
