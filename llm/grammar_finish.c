/* grammar_finish.c: a written network becomes one that can be run. In this order: the bytes of shortest texts (so that
 * an answer can always be brought to its end), the ways around what can be empty, the order in which rules call each
 * other before any byte, and how many plain characters can come anywhere. */
#include <string.h>

#include "grammar_internal.h"
#include "tsr_alloc.h"

/* ---- shortest texts: Knuth's form of Dijkstra's algorithm, from the ends backwards ---- */

typedef struct queue { /* a heap of (distance, state), the least first */
    uint64_t *at;
    size_t n, cap;
} queue;

static bool put(tsr_grammar *g, queue *q, uint32_t dist, uint32_t state)
{
    size_t i = q->n;
    if (q->n == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 1024;
        uint64_t *at = tsr_realloc(q->at, cap * sizeof *at);
        if (!at)
            return tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar"), false;
        q->at = at;
        q->cap = cap;
    }
    q->n++;
    uint64_t x = (uint64_t)dist << 32 | state;
    for (; i && q->at[(i - 1) / 2] > x; i = (i - 1) / 2)
        q->at[i] = q->at[(i - 1) / 2];
    q->at[i] = x;
    return true;
}

static uint64_t take(queue *q)
{
    uint64_t top = q->at[0], x = q->at[--q->n];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < q->n) {
        if (child + 1 < q->n && q->at[child + 1] < q->at[child])
            child++;
        if (q->at[child] >= x)
            break;
        q->at[i] = q->at[child];
        i = child;
    }
    q->at[i] = x;
    return top;
}

/* Lists of arcs: by the state they lead to, and by the rule they call. */
typedef struct lists {
    uint32_t *into, *of_rule;           /* the first arc of a list, [n_states], [n_rules] */
    uint32_t *next_into, *next_of_rule; /* the one after, [n_arcs] */
    uint32_t *rule_of_start;            /* [n_states] the rule that starts there */
} lists;

static void lists_deinit(lists *l)
{
    tsr_free(l->into);
    tsr_free(l->of_rule);
    tsr_free(l->next_into);
    tsr_free(l->next_of_rule);
    tsr_free(l->rule_of_start);
}

static uint32_t *filled(tsr_grammar *g, size_t n, uint32_t value)
{
    uint32_t *at = NULL;
    if (g->status != TSR_OK || (g->status = tsr_alloc_array(&at, n, sizeof *at, "a grammar", g->err)) != TSR_OK)
        return NULL;
    for (size_t i = 0; i < n; i++)
        at[i] = value;
    return at;
}

static uint32_t rule_of_arc(const tsr_grammar *g, const tsri_arc *a)
{
    return a->kind == TSRI_ARC_CALL ? a->what : a->kind == TSRI_ARC_REPEAT ? g->repeats[a->what].rule : TSRI_NONE;
}

static bool lists_init(lists *l, tsr_grammar *g)
{
    l->into = filled(g, g->n_states, TSRI_NONE);
    l->rule_of_start = filled(g, g->n_states, TSRI_NONE);
    l->of_rule = filled(g, g->n_rules, TSRI_NONE);
    l->next_into = filled(g, g->n_arcs, TSRI_NONE);
    l->next_of_rule = filled(g, g->n_arcs, TSRI_NONE);
    if (g->status != TSR_OK)
        return false;
    for (uint32_t i = 0; i < g->n_arcs; i++) {
        uint32_t rule = rule_of_arc(g, &g->arcs[i]);
        l->next_into[i] = l->into[g->arcs[i].to];
        l->into[g->arcs[i].to] = i;
        if (rule != TSRI_NONE) {
            l->next_of_rule[i] = l->of_rule[rule];
            l->of_rule[rule] = i;
        }
    }
    for (uint32_t i = 0; i < g->n_rules; i++)
        l->rule_of_start[g->rules[i].start] = i;
    return true;
}

static uint32_t longest(uint64_t x)
{
    return x < TSRI_LONGEST ? (uint32_t)x : TSRI_LONGEST;
}

/* The bytes to the end of its rule along one arc; TSRI_NEVER while something on it isn't known. */
static uint32_t along(const tsr_grammar *g, const tsri_arc *a)
{
    uint32_t rest = g->dist[a->to];
    if (rest == TSRI_NEVER)
        return TSRI_NEVER;
    if (a->kind == TSRI_ARC_BYTES)
        return longest((uint64_t)rest + 1);
    if (a->kind == TSRI_ARC_EMPTY)
        return rest;
    uint64_t times = a->kind == TSRI_ARC_CALL ? 1 : g->repeats[a->what].min;
    uint32_t least = g->rules[rule_of_arc(g, a)].least;
    if (times && least == TSRI_NEVER)
        return TSRI_NEVER;
    return longest(rest + (times ? times * least : 0));
}

static void try_arc(tsr_grammar *g, queue *q, const uint8_t *done, uint32_t i)
{
    const tsri_arc *a = &g->arcs[i];
    uint32_t x = along(g, a);
    if (!done[a->from] && x != TSRI_NEVER)
        put(g, q, x, a->from);
}

static void measure(tsr_grammar *g)
{
    lists l = {0};
    queue q = {0};
    uint8_t *done = tsr_calloc(g->n_states, 1);
    g->dist = filled(g, g->n_states, TSRI_NEVER);
    if (!done)
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
    for (size_t i = 0; i < g->n_rules; i++)
        g->rules[i].least = TSRI_NEVER;
    if (lists_init(&l, g))
        for (size_t i = 0; i < g->n_rules && g->status == TSR_OK; i++)
            put(g, &q, 0, g->rules[i].end);
    while (q.n && g->status == TSR_OK) {
        uint64_t top = take(&q);
        uint32_t s = (uint32_t)top, rule = l.rule_of_start[s];
        if (done[s])
            continue;
        done[s] = 1;
        g->dist[s] = (uint32_t)(top >> 32);
        for (uint32_t i = l.into[s]; i != TSRI_NONE; i = l.next_into[i])
            try_arc(g, &q, done, i);
        if (rule == TSRI_NONE)
            continue;
        g->rules[rule].least = g->dist[s];
        for (uint32_t i = l.of_rule[rule]; i != TSRI_NONE; i = l.next_of_rule[i])
            try_arc(g, &q, done, i);
    }
    lists_deinit(&l);
    tsr_free(q.at);
    tsr_free(done);
}

/* ---- arcs: dead ones go, ways around what can be empty come ---- */

static void go_around(tsr_grammar *g)
{
    size_t n = g->n_arcs, kept = 0;
    for (size_t i = 0; i < n && g->status == TSR_OK; i++) {
        tsri_arc a = g->arcs[i];
        bool empty = a.kind == TSRI_ARC_CALL && g->rules[a.what].least == 0;
        if (a.kind == TSRI_ARC_REPEAT) {
            tsri_repeat *r = &g->repeats[a.what];
            if (g->rules[r->rule].least == 0)
                r->min = 0; /* each time may be empty: the times that take bytes are what counts */
            empty = r->min == 0;
        }
        if (empty)
            tsri_net_empty(g, a.from, a.to);
    }
    if (g->status != TSR_OK)
        return;
    for (size_t i = 0; i < g->n_arcs; i++) {
        uint32_t rule = rule_of_arc(g, &g->arcs[i]);
        bool dead = g->dist[g->arcs[i].to] == TSRI_NEVER || (rule != TSRI_NONE && g->rules[rule].least == TSRI_NEVER);
        if (!dead)
            g->arcs[kept++] = g->arcs[i];
    }
    g->n_arcs = kept;
}

/* Arcs of a state side by side. */
static void sort_arcs(tsr_grammar *g)
{
    tsri_arc *sorted = NULL;
    if (g->status != TSR_OK)
        return;
    g->status = tsr_alloc_array(&sorted, g->n_arcs, sizeof *sorted, "a grammar", g->err);
    g->first = filled(g, g->n_states + 2, 0);
    if (g->status != TSR_OK) {
        tsr_free(sorted);
        return;
    }
    for (size_t i = 0; i < g->n_arcs; i++)
        g->first[g->arcs[i].from + 2]++;
    for (size_t s = 2; s < g->n_states + 2; s++)
        g->first[s] += g->first[s - 1];
    for (size_t i = 0; i < g->n_arcs; i++)
        sorted[g->first[g->arcs[i].from + 1]++] = g->arcs[i];
    tsr_free(g->arcs);
    g->arcs = sorted;
    g->cap_arcs = g->n_arcs;
}

static void mark_ends(tsr_grammar *g)
{
    if (g->status != TSR_OK)
        return;
    g->is_end = tsr_calloc(g->n_states, 1);
    g->run = tsr_calloc(g->n_states, 1);
    g->run_far = tsr_calloc(g->n_states, sizeof *g->run_far);
    if (!g->is_end || !g->run || !g->run_far) {
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
        return;
    }
    for (size_t i = 0; i < g->n_rules; i++) /* nothing leaves the end of a rule */
        g->is_end[g->rules[i].end] = 1;
}

static void sort_bytes(tsr_grammar *g)
{
    bool begins[257] = {true};
    for (size_t i = 0; i < g->n_arcs; i++) {
        const tsri_arc *a = &g->arcs[i];
        if (a->kind != TSRI_ARC_BYTES)
            continue;
        begins[a->lo] = begins[a->hi + 1] = true;
        for (unsigned b = a->lo; b <= a->hi; b++)
            g->byte_used[b] = true;
    }
    for (unsigned b = 0; b < 256; b++) {
        g->n_classes += begins[b];
        g->class_of[b] = (uint8_t)(g->n_classes - 1);
    }
}

/* A state from which only empty arcs go on, one for each, to the end. */
static bool is_tail(const tsr_grammar *g, uint32_t s)
{
    for (int steps = 0; steps < 16; steps++) {
        if (g->is_end[s])
            return true;
        if (g->first[s + 1] - g->first[s] != 1 || g->arcs[g->first[s]].kind != TSRI_ARC_EMPTY)
            return false;
        s = g->arcs[g->first[s]].to;
    }
    return false;
}

static void mark_tails(tsr_grammar *g)
{
    for (size_t i = 0; i < g->n_arcs && g->status == TSR_OK; i++)
        if (g->arcs[i].kind == TSRI_ARC_CALL)
            g->arcs[i].tail = is_tail(g, g->arcs[i].to);
}

/* ---- the order of calls ---- */

/* A depth-first walk over rules: from each through the states that it reaches without a byte to the rules it calls
 * there. `where` walks over states of all open rules; a frame of `open` remembers where its own begin. */
typedef struct walk {
    tsr_grammar *g;
    uint32_t *stack; /* of (state, its next arc), two entries each */
    size_t n, cap;
    uint32_t *open; /* rules on the way, and where the states of each begin in `stack` */
    size_t n_open, cap_open;
    uint8_t *seen; /* [n_states] */
    uint8_t *colour; /* [n_rules] 0 new, 1 open, 2 done */
    uint32_t next_rank;
} walk;

static bool push_two(walk *w, uint32_t **at, size_t *n, size_t *cap, uint32_t a, uint32_t b)
{
    if (*n + 2 > *cap) {
        size_t want = *cap ? 2 * *cap : 256;
        uint32_t *grown = tsr_realloc(*at, want * sizeof **at);
        if (!grown)
            return tsri_net_fail(w->g, TSR_ERR_NOMEM, "out of memory: a grammar"), false;
        *at = grown;
        *cap = want;
    }
    (*at)[(*n)++] = a;
    (*at)[(*n)++] = b;
    return true;
}

static void enter_state(walk *w, uint32_t s)
{
    if (!w->seen[s] && push_two(w, &w->stack, &w->n, &w->cap, s, w->g->first[s]))
        w->seen[s] = 1;
}

static void enter_rule(walk *w, uint32_t rule)
{
    w->colour[rule] = 1;
    if (push_two(w, &w->open, &w->n_open, &w->cap_open, rule, (uint32_t)w->n))
        enter_state(w, w->g->rules[rule].start);
}

static void refuse_left_recursion(walk *w, uint32_t rule)
{
    uint32_t caller = w->open[w->n_open - 2];
    const char *name = tsri_net_rule_name(w->g, rule), *by = tsri_net_rule_name(w->g, caller);
    if (strcmp(name, by) == 0)
        tsri_net_fail(w->g, TSR_ERR_USAGE, "rule %s is left-recursive: it calls itself before it takes any character",
                      name);
    else
        tsri_net_fail(w->g, TSR_ERR_USAGE,
                      "rule %s is left-recursive: by way of %s it calls itself before it takes any character", name, by);
}

static void step_walk(walk *w)
{
    uint32_t *top = w->stack + w->n - 2;
    const tsr_grammar *g = w->g;
    if (top[1] == g->first[top[0] + 1]) {
        w->n -= 2;
        return;
    }
    const tsri_arc *a = &g->arcs[top[1]++];
    uint32_t rule = rule_of_arc(g, a);
    if (a->kind == TSRI_ARC_EMPTY)
        enter_state(w, a->to);
    else if (rule != TSRI_NONE && w->colour[rule] == 0)
        enter_rule(w, rule);
    else if (rule != TSRI_NONE && w->colour[rule] == 1)
        refuse_left_recursion(w, rule);
}

static void rank_rules(tsr_grammar *g)
{
    walk w = {.g = g, .seen = tsr_calloc(g->n_states, 1), .colour = tsr_calloc(g->n_rules, 1),
              .next_rank = (uint32_t)g->n_rules};
    if (!w.seen || !w.colour)
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
    for (uint32_t i = 0; i < g->n_rules && g->status == TSR_OK; i++) {
        if (w.colour[i] == 0)
            enter_rule(&w, i);
        while (w.n_open && g->status == TSR_OK) {
            if (w.n > w.open[w.n_open - 1]) {
                step_walk(&w);
                continue;
            }
            uint32_t rule = w.open[w.n_open - 2]; /* all that it calls is done and ranked above */
            w.colour[rule] = 2;
            g->rules[rule].rank = --w.next_rank;
            w.n_open -= 2;
        }
    }
    tsr_free(w.stack);
    tsr_free(w.open);
    tsr_free(w.seen);
    tsr_free(w.colour);
}

/* ---- plain characters ---- */

/* Empty arcs that are followed to the next link, and arcs of a state that are looked at; what lies further counts as none. */
enum { NEAR = 3, FEW = 16 };

static uint32_t end_of_few(const tsr_grammar *g, uint32_t s)
{
    uint32_t end = g->first[s + 1];
    return end - g->first[s] < FEW ? end : g->first[s] + FEW;
}

/* The longest run from any state that `s` reaches without a byte, and the bytes behind it. */
static void look_near(const tsr_grammar *g, uint32_t s, int depth, uint8_t *run, uint32_t *far)
{
    *run = g->run[s] > *run ? g->run[s] : *run;
    *far = g->run_far[s] > *far ? g->run_far[s] : *far;
    for (uint32_t i = g->first[s]; depth && i < end_of_few(g, s); i++)
        if (g->arcs[i].kind == TSRI_ARC_EMPTY)
            look_near(g, g->arcs[i].to, depth - 1, run, far);
}

static bool ends_near(const tsr_grammar *g, uint32_t s, int depth)
{
    if (g->is_end[s])
        return true;
    for (uint32_t i = g->first[s]; depth && i < end_of_few(g, s); i++)
        if (g->arcs[i].kind == TSRI_ARC_EMPTY && ends_near(g, g->arcs[i].to, depth - 1))
            return true;
    return false;
}

/* In each pass, from the last link to the first as chains are written, a run grows by at least one; a loop grows to the
 * most there is. Bytes that still grow behind the last pass are taken as the most there can be. */
static void measure_runs(tsr_grammar *g)
{
    bool changed = g->status == TSR_OK, last = false;
    for (int pass = 0; changed; pass++) {
        changed = false;
        last = pass == TSRI_PLAIN_MOST;
        for (size_t i = g->n_links; i-- > 0;) {
            const tsri_link *l = &g->links[i];
            uint8_t run = 0;
            uint32_t far = g->dist[l->to];
            if (far == TSRI_NEVER)
                continue;
            look_near(g, l->to, NEAR, &run, &far);
            run = run < TSRI_PLAIN_MOST ? (uint8_t)(run + 1) : TSRI_PLAIN_MOST;
            if (run <= g->run[l->from] && far <= g->run_far[l->from])
                continue;
            g->run[l->from] = run > g->run[l->from] ? run : g->run[l->from];
            g->run_far[l->from] = last ? TSRI_LONGEST : far;
            changed = !last;
        }
    }
    for (size_t i = 0; last && i < g->n_links; i++)
        g->run_far[g->links[i].from] = TSRI_LONGEST;
}

/* A link leaves a state that `s` reaches without a byte. `link_to_end`: [n_states] those whose link ends a rule. */
static bool links_near(const tsr_grammar *g, const uint8_t *link_to_end, uint32_t s, int depth)
{
    if (link_to_end[s])
        return true;
    for (uint32_t i = g->first[s]; depth && i < end_of_few(g, s); i++)
        if (g->arcs[i].kind == TSRI_ARC_EMPTY && links_near(g, link_to_end, g->arcs[i].to, depth - 1))
            return true;
    return false;
}

/* Rules that begin with a link and end right behind it. Nothing but its calls leads into a rule and out of it, so a link
 * that is reached from its start and reaches an end is its own. */
static void mark_plain_rules(tsr_grammar *g)
{
    uint8_t *link_to_end = tsr_calloc(g->n_states, 1);
    if (!link_to_end) {
        tsri_net_fail(g, TSR_ERR_NOMEM, "out of memory: a grammar");
        return;
    }
    for (size_t k = 0; k < g->n_links; k++)
        if (ends_near(g, g->links[k].to, NEAR))
            link_to_end[g->links[k].from] = 1;
    for (size_t i = 0; i < g->n_rules; i++)
        g->rules[i].plain = links_near(g, link_to_end, g->rules[i].start, NEAR);
    tsr_free(link_to_end);
}

tsr_status tsri_net_finish(tsr_grammar *g, uint32_t root)
{
    if (g->status != TSR_OK)
        return g->status;
    g->root = root;
    measure(g);
    if (g->status == TSR_OK && g->rules[root].least == TSRI_NEVER)
        return tsri_net_fail(g, TSR_ERR_USAGE, "no text ever satisfies it");
    if (g->status == TSR_OK && g->rules[root].least >= TSRI_LONGEST)
        return tsri_net_fail(g, TSR_ERR_LIMIT, "its shortest text has %d bytes or more", TSRI_LONGEST);
    go_around(g);
    sort_arcs(g);
    mark_ends(g);
    sort_bytes(g);
    mark_tails(g);
    if (g->status == TSR_OK)
        rank_rules(g);
    measure_runs(g);
    if (g->status == TSR_OK)
        mark_plain_rules(g);
    tsr_free(g->links);
    g->links = NULL;
    g->n_links = g->cap_links = 0;
    g->err = NULL;
    return g->status;
}
