/* schema_string.c: strings that match several patterns and have a length between bounds. The patterns' networks run side
 * by side, with a count of characters; each combination of their states that can be reached is a state of the grammar. */
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"

/* ---- formats ---- */

#define YEAR "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP_YEAR "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE \
    "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)" \
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" LEAP_YEAR "-02-29)"
#define HOUR_MINUTE "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
/* RFC 3339; a leap second is the last of a day of UTC. */
#define TIME \
    "(?:" HOUR_MINUTE ":[0-5][0-9](?:\\.[0-9]{1,18})?(?:[Zz]|[+-]" HOUR_MINUTE ")" \
    "|23:59:60(?:\\.[0-9]{1,18})?(?:[Zz]|[+-]00:00))"
#define HEX "[0-9a-fA-F]"

const char *tsri_format_pattern(const char *format)
{
    if (strcmp(format, "date") == 0)
        return "^" DATE "$";
    if (strcmp(format, "date-time") == 0)
        return "^" DATE "[Tt]" TIME "$";
    if (strcmp(format, "uuid") == 0)
        return "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$";
    return NULL;
}

/* ---- the product ---- */

enum { PATTERNS_MOST = 8 };

/* For each pattern its state times two, and one more when its end was taken for the text's; then the characters so far,
 * up to the most that matters. */
typedef struct combination {
    uint32_t of[PATTERNS_MOST];
    uint64_t count;
    uint32_t state; /* of the grammar */
} combination;

typedef struct char_rule { /* a set whose spelling is long is a rule, written once */
    tsri_chars set;
    uint32_t rule;
} char_rule;

typedef struct product {
    tsr_grammar *g;
    const tsri_string_goal *goal;
    uint64_t count_most;
    combination *at;
    size_t n, cap;
    uint32_t *slots; /* open addressing: index + 1 */
    size_t n_slots;
    char_rule *rules;
    size_t n_rules, cap_rules;
    uint32_t to;
} product;

static uint64_t hash_of(const product *p, const combination *c)
{
    uint64_t h = c->count * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < p->goal->n_patterns; i++)
        h = (h ^ c->of[i]) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 31;
}

static bool same(const product *p, const combination *a, const combination *b)
{
    return a->count == b->count && memcmp(a->of, b->of, p->goal->n_patterns * sizeof *a->of) == 0;
}

static uint32_t *slot_of(const product *p, const combination *c)
{
    size_t i = (size_t)hash_of(p, c) & (p->n_slots - 1);
    while (p->slots[i] && !same(p, &p->at[p->slots[i] - 1], c))
        i = (i + 1) & (p->n_slots - 1);
    return &p->slots[i];
}

static bool grow(product *p)
{
    tsr_grammar *g = p->g;
    if (p->n == TSRI_PRODUCT_STATES)
        return tsri_net_fail(g, TSR_ERR_LIMIT, "patterns and lengths together are too large"), false;
    if (p->n < p->cap)
        return true;
    size_t cap = p->cap ? 2 * p->cap : 64;
    combination *at = tsr_realloc(p->at, cap * sizeof *at);
    if (at)
        p->at = at;
    uint32_t *slots = at ? tsr_calloc(4 * cap, sizeof *slots) : NULL;
    if (!slots)
        return tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a pattern"), false;
    tsr_free(p->slots);
    p->slots = slots;
    p->n_slots = 4 * cap;
    p->cap = cap;
    for (size_t i = 0; i < p->n; i++)
        *slot_of(p, &p->at[i]) = (uint32_t)i + 1;
    return true;
}

/* The state of a combination, new ones are worked on later. */
static uint32_t state_of(product *p, const combination *c)
{
    if (p->g->status != TSR_OK || !grow(p))
        return 0;
    uint32_t *slot = slot_of(p, c);
    if (*slot)
        return p->at[*slot - 1].state;
    combination own = *c;
    own.state = tsri_net_state(p->g);
    p->at[p->n] = own;
    *slot = (uint32_t)++p->n;
    return own.state;
}

static bool same_sets(const tsri_chars *a, const tsri_chars *b)
{
    return a->n == b->n && memcmp(a->at, b->at, a->n * sizeof *a->at) == 0;
}

/* Few sets are in use at once: the list is short, or the last are what comes again. */
static uint32_t rule_of(product *p, const tsri_chars *set)
{
    for (size_t i = p->n_rules, looked = 0; i-- > 0 && looked < 32; looked++)
        if (same_sets(&p->rules[i].set, set))
            return p->rules[i].rule;
    if (p->n_rules == p->cap_rules) {
        size_t cap = p->cap_rules ? 2 * p->cap_rules : 8;
        char_rule *at = tsr_realloc(p->rules, cap * sizeof *at);
        if (!at)
            return (uint32_t)tsri_net_fail(p->g, TSR_ERR_NOMEM, "out of memory: a pattern");
        p->rules = at;
        p->cap_rules = cap;
    }
    char_rule r = {{0}, tsri_net_rule(p->g, NULL, 0, TSRI_NONE)};
    if (p->g->status != TSR_OK || (p->g->status = tsri_chars_join(&r.set, set, p->g->err)) != TSR_OK) {
        tsri_chars_deinit(&r.set);
        return 0;
    }
    tsri_net_chars(p->g, p->g->rules[r.rule].start, set, true, p->g->rules[r.rule].end);
    p->rules[p->n_rules++] = r;
    return r.rule;
}

static void write_chars(product *p, uint32_t from, const tsri_chars *set, uint32_t to)
{
    bool is_short = set->n == 0 || (set->at[0].lo >= 0x20 && set->at[set->n - 1].hi < 0x80);
    if (set->n && is_short)
        tsri_net_chars(p->g, from, set, true, to);
    else if (set->n)
        tsri_net_chars_by(p->g, from, set, rule_of(p, set), to);
}

/* One arc of each pattern from number i on; what all of them take is in `set`. */
static void take_char(product *p, const combination *c, combination *next, size_t i, const tsri_chars *set)
{
    const tsri_string_goal *goal = p->goal;
    if (p->g->status != TSR_OK)
        return;
    if (i == goal->n_patterns) {
        uint32_t to = state_of(p, next);
        write_chars(p, c->state, set, to);
        return;
    }
    const tsri_regex *r = goal->patterns[i];
    for (uint32_t k = r->first[c->of[i] / 2]; k < r->first[c->of[i] / 2 + 1] && p->g->status == TSR_OK; k++) {
        const tsri_re_arc *a = &r->arcs[k];
        tsri_chars both = {0};
        if (a->kind != TSRI_RE_CHARS)
            continue;
        next->of[i] = 2 * a->to;
        if (i == 0) {
            take_char(p, c, next, 1, &r->sets[a->set]);
            continue;
        }
        p->g->status = tsri_chars_common(&both, set, &r->sets[a->set], p->g->err);
        if (both.n)
            take_char(p, c, next, i + 1, &both);
        tsri_chars_deinit(&both);
    }
}

static void write_arcs(product *p, size_t index)
{
    combination c = p->at[index], next = c;
    bool all_end = c.count >= p->goal->min, none_ended = true;
    for (size_t i = 0; i < p->goal->n_patterns && p->g->status == TSR_OK; i++) {
        const tsri_regex *r = p->goal->patterns[i];
        uint32_t state = c.of[i] / 2, ended = c.of[i] & 1;
        all_end = all_end && state == 1;
        none_ended = none_ended && !ended;
        for (uint32_t k = r->first[state]; k < r->first[state + 1] && p->g->status == TSR_OK; k++) {
            const tsri_re_arc *a = &r->arcs[k];
            if (a->kind == TSRI_RE_CHARS || (a->kind == TSRI_RE_START && c.count > 0))
                continue;
            next = c;
            next.of[i] = 2 * a->to + (a->kind == TSRI_RE_END ? 1 : ended);
            tsri_net_empty(p->g, c.state, state_of(p, &next));
        }
    }
    if (all_end)
        tsri_net_empty(p->g, c.state, p->to);
    next = c;
    next.count = c.count < p->count_most ? c.count + 1 : c.count;
    if (none_ended && c.count < p->goal->max)
        take_char(p, &c, &next, 0, NULL);
}

/* The characters of a shortest text of the pattern, up to `most`: what it asks for by itself need not be counted. */
static uint64_t least_chars(const tsri_regex *r, uint64_t most, tsr_grammar *g)
{
    uint64_t n = 0;
    uint32_t *now = tsr_calloc(2 * r->n_states, sizeof *now), n_now = 1;
    uint8_t *in = tsr_calloc(r->n_states, 1);
    if (!now || !in)
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a pattern");
    while (g->status == TSR_OK && n < most && n_now) {
        uint32_t n_next = 0, *next = now + r->n_states;
        bool ends = false;
        for (uint32_t i = 0; i < n_now; i++) {
            ends = ends || now[i] == 1;
            for (uint32_t k = r->first[now[i]]; k < r->first[now[i] + 1]; k++)
                if (r->arcs[k].kind != TSRI_RE_CHARS && !in[r->arcs[k].to]) {
                    in[r->arcs[k].to] = 1;
                    now[n_now++] = r->arcs[k].to;
                }
        }
        if (ends)
            break;
        memset(in, 0, r->n_states);
        for (uint32_t i = 0; i < n_now; i++)
            for (uint32_t k = r->first[now[i]]; k < r->first[now[i] + 1]; k++)
                if (r->arcs[k].kind == TSRI_RE_CHARS && !in[r->arcs[k].to]) {
                    in[r->arcs[k].to] = 1;
                    next[n_next++] = r->arcs[k].to;
                }
        memcpy(now, next, n_next * sizeof *now);
        n_now = n_next;
        n++;
    }
    tsr_free(now);
    tsr_free(in);
    return n;
}

static void write_product(tsr_grammar *g, const tsri_string_goal *asked, uint32_t from, uint32_t to)
{
    tsri_string_goal goal = *asked;
    for (size_t i = 0; i < goal.n_patterns; i++)
        if (goal.min && goal.min <= 1024 && least_chars(goal.patterns[i], goal.min, g) >= goal.min)
            goal.min = 0;
    product p = {.g = g, .goal = &goal, .to = to};
    combination start = {.count = 0};
    p.count_most = goal.max != UINT64_MAX ? goal.max : goal.min ? goal.min : 1;
    p.count_most = p.count_most ? p.count_most : 1;
    tsri_net_empty(g, from, state_of(&p, &start));
    for (size_t i = 0; i < p.n && g->status == TSR_OK; i++)
        write_arcs(&p, i);
    for (size_t i = 0; i < p.n_rules; i++)
        tsri_chars_deinit(&p.rules[i].set);
    tsr_free(p.rules);
    tsr_free(p.at);
    tsr_free(p.slots);
}

void tsri_string_write(tsr_grammar *g, const tsri_string_goal *goal, uint32_t any, uint32_t from, uint32_t to)
{
    if (goal->max < goal->min)
        return; /* no text */
    if (goal->n_patterns > PATTERNS_MOST) {
        tsri_net_fail(g, TSR_ERR_LIMIT, "a string must match more than %d patterns at once", PATTERNS_MOST);
        return;
    }
    if (goal->n_patterns) {
        write_product(g, goal, from, to);
        return;
    }
    uint32_t max = goal->max < TSRI_NO_MAX ? (uint32_t)goal->max : TSRI_NO_MAX;
    if (goal->min >= TSRI_NO_MAX)
        tsri_net_fail(g, TSR_ERR_LIMIT, "a string of %llu characters or more can't be written",
                      (unsigned long long)goal->min);
    else
        tsri_net_repeat(g, from, any, (uint32_t)goal->min, max, to);
}
