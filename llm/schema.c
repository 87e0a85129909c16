/* schema.c: from the text of a JSON Schema to a finished grammar: parse, then write goal after goal until each that was
 * asked for has its rule. */
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"

enum { INDENT_MOST = 20 }; /* spaces behind a new line */

/* ---- goals ---- */

static uint64_t hash_of(const tsri_goal *goal)
{
    uint64_t h = goal->never;
    for (size_t i = 0; i < goal->n; i++)
        h = (h ^ ((uintptr_t)goal->parts[i].at >> 3)) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 31;
}

/* Goals that are asked for have made no choices yet. */
static bool same(const tsri_goal *a, const tsri_goal *b)
{
    bool same = a->n == b->n && a->never == b->never;
    for (size_t i = 0; i < a->n && same; i++)
        same = a->parts[i].at == b->parts[i].at;
    return same;
}

static uint32_t *slot_of(const tsri_schema *s, const tsri_goal *goal)
{
    size_t i = (size_t)hash_of(goal) & (s->n_slots - 1);
    while (s->slots[i] && !same(&s->goals[s->slots[i] - 1], goal))
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static tsr_status make_room(tsri_schema *s)
{
    if (s->n_goals < s->cap_goals)
        return TSR_OK;
    size_t cap = s->cap_goals ? 2 * s->cap_goals : 64;
    if (cap > TSRI_GOAL_MOST)
        return tsr_fail(s->err, TSR_ERR_LIMIT, "%s: the schema has more than %d parts that differ", s->name, TSRI_GOAL_MOST);
    tsri_goal *goals = tsr_realloc(s->goals, cap * sizeof *goals);
    if (goals)
        s->goals = goals;
    uint32_t *rules = goals ? tsr_realloc(s->rule_of, cap * sizeof *rules) : NULL;
    if (rules)
        s->rule_of = rules;
    uint32_t *slots = rules ? tsr_calloc(4 * cap, sizeof *slots) : NULL;
    if (!slots)
        return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: a schema");
    tsr_free(s->slots);
    s->slots = slots;
    s->n_slots = 4 * cap;
    s->cap_goals = cap;
    for (size_t i = 0; i < s->n_goals; i++)
        *slot_of(s, &s->goals[i]) = (uint32_t)i + 1;
    return TSR_OK;
}

tsr_status tsri_schema_rule(tsri_schema *s, tsri_goal *goal, uint32_t *rule)
{
    tsr_status st = make_room(s);
    uint32_t *slot = st == TSR_OK ? slot_of(s, goal) : NULL;
    if (st == TSR_OK && *slot) {
        *rule = s->rule_of[*slot - 1];
        tsri_goal_deinit(goal);
        return TSR_OK;
    }
    if (st == TSR_OK) {
        *rule = tsri_net_rule(s->g, NULL, 0, TSRI_NONE);
        st = s->g->status;
    }
    if (st != TSR_OK) {
        tsri_goal_deinit(goal);
        return st;
    }
    s->rule_of[s->n_goals] = *rule;
    s->goals[s->n_goals] = *goal;
    *slot = (uint32_t)++s->n_goals;
    memset(goal, 0, sizeof *goal);
    return TSR_OK;
}

/* ---- rules that all share ---- */

static void write_space_rule(tsri_schema *s)
{
    tsr_grammar *g = s->g;
    uint32_t blank = tsri_net_rule(g, NULL, 0, TSRI_NONE), line = tsri_net_state(g);
    s->space = tsri_net_rule(g, NULL, 0, TSRI_NONE);
    if (g->status != TSR_OK)
        return;
    uint32_t start = g->rules[s->space].start, end = g->rules[s->space].end;
    tsri_net_bytes(g, g->rules[blank].start, ' ', ' ', g->rules[blank].end);
    tsri_net_empty(g, start, end);
    tsri_net_bytes(g, start, ' ', ' ', end);
    tsri_net_bytes(g, start, '\n', '\n', line);
    tsri_net_repeat(g, line, blank, 0, INDENT_MOST, end);
}

static void write_any_char_rule(tsri_schema *s)
{
    tsri_chars any = {0};
    s->any_char = tsri_net_rule(s->g, NULL, 0, TSRI_NONE);
    if (s->g->status == TSR_OK)
        s->g->status = tsri_chars_add(&any, 0, TSRI_LAST_CHAR, s->g->err);
    if (s->g->status == TSR_OK)
        tsri_net_chars(s->g, s->g->rules[s->any_char].start, &any, true, s->g->rules[s->any_char].end);
    tsri_chars_deinit(&any);
}

/* ---- the whole ---- */

/* Levels of nesting, counted up to one more than are allowed. */
static unsigned depth_of(const tsr_json *v, unsigned at)
{
    unsigned most = at;
    if (at > TSR_GRAMMAR_MAX_DEPTH)
        return at;
    for (void *it = tsr_json_first(v); it; it = tsr_json_next(v, it)) {
        unsigned d = depth_of(tsr_json_value(it), at + 1);
        most = d > most ? d : most;
    }
    for (size_t i = 0; tsr_json_is_array(v) && i < tsr_json_len(v); i++) {
        unsigned d = depth_of(tsr_json_at(v, i), at + 1);
        most = d > most ? d : most;
    }
    return most;
}

static tsr_status write_all(tsri_schema *s)
{
    tsri_goal root = {0};
    uint32_t rule;
    tsr_status st = tsri_goal_add(s, &root, s->doc);
    if (st == TSR_OK)
        st = tsri_schema_rule(s, &root, &rule);
    tsri_goal_deinit(&root);
    while (st == TSR_OK && s->n_written < s->n_goals) {
        tsri_goal goal = s->goals[s->n_written]; /* the list may move, its parts stay */
        const tsri_rule *r = &s->g->rules[s->rule_of[s->n_written++]];
        st = tsri_goal_write(s, &goal, r->start, r->end);
    }
    return st == TSR_OK ? tsri_net_finish(s->g, s->rule_of[0]) : st;
}

static void schema_deinit(tsri_schema *s)
{
    for (size_t i = 0; i < s->n_goals; i++)
        tsri_goal_deinit(&s->goals[i]);
    for (size_t i = 0; i < s->n_patterns; i++) {
        tsri_regex_deinit(&s->patterns[i]->regex);
        tsr_free(s->patterns[i]);
    }
    tsr_free(s->goals);
    tsr_free(s->rule_of);
    tsr_free(s->slots);
    tsr_free(s->patterns);
    tsr_free(s->checked);
    tsr_json_free(s->doc);
}

static tsr_status read_schema(tsri_schema *s, const char *text, size_t len)
{
    tsr_error why = {TSR_OK, ""};
    if (len > TSR_GRAMMAR_MAX_BYTES)
        return tsr_fail(s->err, TSR_ERR_LIMIT, "%s: has %zu bytes; schemas are read up to %d", s->name, len,
                        TSR_GRAMMAR_MAX_BYTES);
    tsr_status st = tsr_json_parse(&s->doc, text, len, s->name, &why);
    if (st != TSR_OK)
        return tsr_fail(s->err, st == TSR_ERR_MODEL ? TSR_ERR_USAGE : st, "%s", why.text);
    if (!tsr_json_is_object(s->doc) && !tsr_json_is_bool(s->doc))
        return tsr_fail(s->err, TSR_ERR_USAGE, "%s: is no JSON Schema: an object, true or false is expected", s->name);
    if (depth_of(s->doc, 0) > TSR_GRAMMAR_MAX_DEPTH)
        return tsr_fail(s->err, TSR_ERR_LIMIT, "%s: is nested more than %d deep", s->name, TSR_GRAMMAR_MAX_DEPTH);
    return TSR_OK;
}

tsr_status tsr_grammar_from_schema(tsr_grammar **out, const char *text, size_t len, const char *name, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsri_schema s = {.name = name, .err = err};
    *out = NULL;
    tsr_status st = read_schema(&s, text, len);
    if (st == TSR_OK && !(s.g = tsri_net_new(&why)))
        st = TSR_ERR_NOMEM;
    if (st == TSR_OK) {
        write_space_rule(&s);
        write_any_char_rule(&s);
        st = write_all(&s);
    }
    if (st != TSR_OK && s.g && s.g->status == TSR_ERR_USAGE)
        tsr_fail(err, st, "%s: no value that comes to an end satisfies the schema", name);
    else if (st != TSR_OK)
        tsr_fail(err, st, "%s: %s", name, why.text); /* what failed above has told already */
    if (st == TSR_OK)
        *out = s.g;
    else
        tsr_grammar_close(s.g);
    schema_deinit(&s);
    return st;
}
