/* schema_write.c: a goal becomes states and arcs between two states: alternatives, values, and each type in turn. */
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

static const tsri_range every_char[] = {{0, TSRI_LAST_CHAR}};
/* Read only: its ranges are not its own. */
static tsri_chars any_set(void)
{
    return (tsri_chars){.at = (tsri_range *)(uintptr_t)every_char, .n = 1, .cap = 1};
}

static void write_byte(tsri_schema *s, uint32_t from, char c, uint32_t to)
{
    tsri_net_bytes(s->g, from, (uint8_t)c, (uint8_t)c, to);
}

static void write_space(tsri_schema *s, uint32_t from, uint32_t to)
{
    tsri_net_call(s->g, from, s->space, to);
}

/* A colon, and perhaps a space. */
static void write_colon(tsri_schema *s, uint32_t from, uint32_t to)
{
    uint32_t colon = tsri_net_state(s->g);
    write_byte(s, from, ':', colon);
    write_byte(s, colon, ' ', to);
    tsri_net_empty(s->g, colon, to);
}

static void write_string(tsri_schema *s, const char *text, size_t len, uint32_t from, uint32_t to)
{
    uint32_t at = tsri_net_state(s->g);
    write_byte(s, from, '"', at);
    for (size_t i = 0; i < len && s->g->status == TSR_OK;) {
        char out[8];
        uint32_t ch, next = tsri_net_state(s->g);
        bool ok;
        i += tsr_utf8_read(text + i, len - i, &ch, &ok);
        tsri_net_text(s->g, at, out, tsri_json_char(out, ch), next);
        at = next;
    }
    write_byte(s, at, '"', to);
}

/* ---- values of enum and const ---- */

static void write_value(tsri_schema *s, const tsr_json *v, uint32_t from, uint32_t to);

static void write_members_of(tsri_schema *s, const tsr_json *v, uint32_t from, uint32_t to)
{
    uint32_t at = from;
    bool first = true;
    for (void *it = tsr_json_first(v); it; it = tsr_json_next(v, it), first = false) {
        uint32_t comma = tsri_net_state(s->g), key = tsri_net_state(s->g), colon = tsri_net_state(s->g);
        uint32_t value = tsri_net_state(s->g), next = tsri_net_state(s->g);
        write_byte(s, at, first ? '{' : ',', comma);
        write_space(s, comma, key);
        write_string(s, tsr_json_key(it), strlen(tsr_json_key(it)), key, colon);
        write_colon(s, colon, value);
        write_value(s, tsr_json_value(it), value, next);
        at = next;
    }
    uint32_t close = tsri_net_state(s->g);
    write_space(s, at, close);
    write_byte(s, close, '}', to);
}

static void write_elements_of(tsri_schema *s, const tsr_json *v, uint32_t from, uint32_t to)
{
    uint32_t at = from;
    for (size_t i = 0; i < tsr_json_len(v); i++) {
        uint32_t comma = tsri_net_state(s->g), value = tsri_net_state(s->g), next = tsri_net_state(s->g);
        write_byte(s, at, i ? ',' : '[', comma);
        write_space(s, comma, value);
        write_value(s, tsr_json_at(v, i), value, next);
        at = next;
    }
    uint32_t close = tsri_net_state(s->g);
    write_space(s, at, close);
    write_byte(s, close, ']', to);
}

static void write_value(tsri_schema *s, const tsr_json *v, uint32_t from, uint32_t to)
{
    char number[40];
    bool b;
    size_t len;
    const char *text = tsr_json_string(v, &len);
    if (text)
        write_string(s, text, len, from, to);
    else if (tsr_json_is_number(v))
        tsri_net_text(s->g, from, number, tsri_number_text(number, v), to);
    else if (tsr_json_to_bool(v, &b))
        tsri_net_text(s->g, from, b ? "true" : "false", b ? 4 : 5, to);
    else if (tsr_json_is_null(v))
        tsri_net_text(s->g, from, "null", 4, to);
    else if (tsr_json_len(v) == 0)
        tsri_net_text(s->g, from, tsr_json_is_array(v) ? "[]" : "{}", 2, to);
    else if (tsr_json_is_array(v))
        write_elements_of(s, v, from, to);
    else
        write_members_of(s, v, from, to);
}

static tsr_status write_values(tsri_schema *s, const tsri_goal *goal, const tsr_json *values, bool is_const, uint32_t from,
                               uint32_t to)
{
    size_t n = is_const ? 1 : tsr_json_len(values);
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        const tsr_json *v = is_const ? values : tsr_json_at(values, i);
        bool ok;
        s->list = values;
        s->listed = v;
        st = tsri_value_fits(s, v, goal, &ok);
        if (st == TSR_OK && ok)
            write_value(s, v, from, to);
    }
    return st;
}

/* ---- arrays ---- */

static tsr_status write_element(tsri_schema *s, const tsri_goal *goal, size_t i, uint32_t from, uint32_t to)
{
    tsri_goal element;
    uint32_t rule;
    tsr_status st = tsri_goal_element(s, goal, i, &element);
    if (st == TSR_OK)
        st = tsri_schema_rule(s, &element, &rule);
    if (st == TSR_OK)
        tsri_net_call(s->g, from, rule, to);
    return st;
}

/* So many more elements than there are, each behind a comma. */
static tsr_status write_more_elements(tsri_schema *s, const tsri_goal *goal, size_t i, uint32_t min, uint32_t max,
                                      uint32_t from, uint32_t to)
{
    uint32_t rule = tsri_net_rule(s->g, NULL, 0, TSRI_NONE), value = tsri_net_state(s->g), comma = tsri_net_state(s->g);
    if (s->g->status != TSR_OK)
        return s->g->status;
    uint32_t end = s->g->rules[rule].end;
    write_byte(s, s->g->rules[rule].start, ',', comma);
    write_space(s, comma, value);
    tsri_net_repeat(s->g, from, rule, min, max, to);
    return write_element(s, goal, i, value, end);
}

static size_t longest_prefix(const tsri_goal *goal)
{
    size_t n = 0;
    for (size_t i = 0; i < goal->n; i++) {
        size_t len = tsr_json_len(tsr_json_get(goal->parts[i].at, "prefixItems"));
        n = len > n ? len : n;
    }
    return n;
}

static tsr_status write_array(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    uint64_t min, max;
    size_t n_prefix = longest_prefix(goal), n_single = n_prefix ? n_prefix : 1;
    uint32_t at = tsri_net_state(s->g), close = tsri_net_state(s->g);
    tsr_status st = TSR_OK;
    tsri_goal_lengths(goal, "minItems", "maxItems", &min, &max);
    if (min >= TSRI_NO_MAX)
        return tsr_fail(s->err, TSR_ERR_LIMIT, "%s: an array of %llu elements or more can't be written", s->name,
                        (unsigned long long)min);
    if (max < min)
        return TSR_OK;
    write_byte(s, from, '[', at);
    write_byte(s, close, ']', to);
    if (min == 0)
        tsri_net_empty(s->g, at, close);
    uint32_t spaced = tsri_net_state(s->g);
    write_space(s, spaced, close);
    for (size_t i = 0; i < n_single && i < max && st == TSR_OK; i++) {
        uint32_t comma = at, value = tsri_net_state(s->g), next = tsri_net_state(s->g);
        if (i) {
            comma = tsri_net_state(s->g);
            write_byte(s, at, ',', comma);
        }
        write_space(s, comma, value);
        st = write_element(s, goal, i, value, next);
        at = next;
        if (i + 1 >= min)
            tsri_net_empty(s->g, at, spaced);
    }
    if (st != TSR_OK || max <= n_single)
        return st;
    uint32_t more_min = min > n_single ? (uint32_t)(min - n_single) : 0;
    uint32_t more_max = max - n_single < TSRI_NO_MAX ? (uint32_t)(max - n_single) : TSRI_NO_MAX;
    return write_more_elements(s, goal, n_single, more_min, more_max, at, spaced);
}

/* ---- objects ---- */

typedef struct keys {
    const char **at;
    size_t n;
} keys;

static tsr_status add_key(tsri_schema *s, const tsri_goal *goal, keys *k, const char *key)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->at[i], key) == 0)
            return TSR_OK;
    if (k->n == TSRI_KEYS_MOST || strlen(key) > TSRI_KEYS_MOST)
        return tsri_schema_fail(s, TSR_ERR_LIMIT, goal->parts[0].at, NULL, "names more than %d keys, or one of so many bytes",
                                TSRI_KEYS_MOST);
    k->at[k->n++] = key;
    return TSR_OK;
}

/* Keys in the order of the schema: those of properties, then those only required. */
static tsr_status collect_keys(tsri_schema *s, const tsri_goal *goal, keys *k)
{
    tsr_status st = tsr_alloc_array(&k->at, TSRI_KEYS_MOST, sizeof *k->at, "keys of a schema", s->err);
    for (size_t i = 0; i < goal->n && st == TSR_OK; i++) {
        const tsr_json *p = tsr_json_get(goal->parts[i].at, "properties");
        for (void *it = tsr_json_first(p); it && st == TSR_OK; it = tsr_json_next(p, it))
            st = add_key(s, goal, k, tsr_json_key(it));
    }
    for (size_t i = 0; i < goal->n && st == TSR_OK; i++) {
        const tsr_json *names = tsr_json_get(goal->parts[i].at, "required");
        for (size_t n = 0; n < tsr_json_len(names) && st == TSR_OK; n++)
            st = add_key(s, goal, k, tsr_json_string(tsr_json_at(names, n), NULL));
    }
    return st;
}

/* The rule of `"key": value`. */
static tsr_status member_rule(tsri_schema *s, const tsri_goal *goal, const char *key, uint32_t *rule)
{
    tsri_goal member;
    uint32_t value_rule;
    tsr_status st = tsri_goal_member(s, goal, key, &member);
    if (st == TSR_OK)
        st = tsri_schema_rule(s, &member, &value_rule);
    if (st != TSR_OK)
        return st;
    uint32_t colon = tsri_net_state(s->g), value = tsri_net_state(s->g);
    *rule = tsri_net_rule(s->g, NULL, 0, TSRI_NONE);
    if (s->g->status != TSR_OK)
        return s->g->status;
    write_string(s, key, strlen(key), s->g->rules[*rule].start, colon);
    write_colon(s, colon, value);
    tsri_net_call(s->g, value, value_rule, s->g->rules[*rule].end);
    return TSR_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Any key but those sorted in [lo, hi), which are alike up to byte `at`; its opening quote is written. */
static tsr_status write_other_key(tsri_schema *s, char *const *sorted, size_t lo, size_t hi, size_t at, uint32_t from,
                                  uint32_t free_key, uint32_t to)
{
    tsri_chars used = {0};
    tsr_status st = TSR_OK;
    bool is_key = lo < hi && sorted[lo][at] == '\0';
    if (!is_key)
        write_byte(s, from, '"', to);
    for (size_t i = lo + is_key; i < hi && st == TSR_OK && s->g->status == TSR_OK;) {
        uint32_t ch, own;
        bool ok;
        size_t n = tsr_utf8_read(sorted[i] + at, strlen(sorted[i] + at), &ch, &ok), end = i;
        while (end < hi && strncmp(sorted[end] + at, sorted[i] + at, n) == 0)
            end++;
        uint32_t next = tsri_net_state(s->g);
        tsri_chars one = {.at = &(tsri_range){ch, ch}, .n = 1, .cap = 1};
        own = ch;
        st = tsri_chars_add(&used, own, own, s->err);
        tsri_net_chars(s->g, from, &one, true, next);
        if (st == TSR_OK)
            st = write_other_key(s, sorted, i, end, at + n, next, free_key, to);
        i = end;
    }
    if (st == TSR_OK)
        st = tsri_chars_negate(&used, s->err);
    if (st == TSR_OK)
        tsri_net_chars(s->g, from, &used, true, free_key);
    tsri_chars_deinit(&used);
    return st;
}

/* The rule of a member that no schema names; TSRI_NONE: there is none. */
static tsr_status other_rule(tsri_schema *s, const tsri_goal *goal, const keys *k, uint32_t *rule)
{
    tsri_goal rest;
    uint32_t value_rule;
    tsr_status st = tsri_goal_rest(s, goal, &rest);
    *rule = TSRI_NONE;
    if (st != TSR_OK || rest.never) {
        if (st == TSR_OK)
            tsri_goal_deinit(&rest);
        return st;
    }
    st = tsri_schema_rule(s, &rest, &value_rule);
    if (st != TSR_OK)
        return st;
    uint32_t open = tsri_net_state(s->g), free_key = tsri_net_state(s->g), again = tsri_net_state(s->g);
    uint32_t colon = tsri_net_state(s->g), value = tsri_net_state(s->g);
    *rule = tsri_net_rule(s->g, NULL, 0, TSRI_NONE);
    if (s->g->status != TSR_OK)
        return s->g->status;
    char **sorted;
    st = tsr_alloc_array(&sorted, k->n, sizeof *sorted, "keys of a schema", s->err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < k->n; i++)
        sorted[i] = (char *)(uintptr_t)k->at[i];
    qsort(sorted, k->n, sizeof *sorted, by_text);
    tsri_chars any = any_set();
    write_byte(s, s->g->rules[*rule].start, '"', open);
    tsri_net_chars_by(s->g, free_key, &any, s->any_char, again);
    tsri_net_empty(s->g, again, free_key);
    write_byte(s, free_key, '"', colon);
    if (k->n == 0)
        tsri_net_empty(s->g, open, free_key);
    else
        st = write_other_key(s, sorted, 0, k->n, 0, open, free_key, colon);
    write_colon(s, colon, value);
    tsri_net_call(s->g, value, value_rule, s->g->rules[*rule].end);
    tsr_free(sorted);
    return st;
}

/* Two rows of states run along the keys: no member is written yet, or some are and a comma comes first. */
static tsr_status write_members(tsri_schema *s, const tsri_goal *goal, const keys *k, uint32_t from, uint32_t to)
{
    uint32_t none = from, some = tsri_net_state(s->g), other;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i <= k->n && st == TSR_OK && s->g->status == TSR_OK; i++) {
        bool rest = i == k->n;
        uint32_t rule = TSRI_NONE, next_none = tsri_net_state(s->g), next_some = rest ? some : tsri_net_state(s->g);
        uint32_t spaced = tsri_net_state(s->g), comma = tsri_net_state(s->g);
        if (rest)
            st = other_rule(s, goal, k, &rule);
        else
            st = member_rule(s, goal, k->at[i], &rule);
        if (st == TSR_OK && rule != TSRI_NONE) {
            write_space(s, none, spaced);
            write_byte(s, some, ',', comma);
            write_space(s, comma, spaced);
            tsri_net_call(s->g, spaced, rule, next_some);
        }
        if (rest)
            break;
        if (!tsri_goal_requires(goal, k->at[i])) {
            tsri_net_empty(s->g, none, next_none);
            tsri_net_empty(s->g, some, next_some);
        }
        none = next_none;
        some = next_some;
    }
    other = tsri_net_state(s->g);
    write_byte(s, none, '}', to);
    write_space(s, some, other);
    write_byte(s, other, '}', to);
    return st;
}

static tsr_status write_object(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    keys k = {0};
    uint32_t open = tsri_net_state(s->g);
    tsr_status st = collect_keys(s, goal, &k);
    write_byte(s, from, '{', open);
    if (st == TSR_OK)
        st = write_members(s, goal, &k, open, to);
    tsr_free(k.at);
    return st;
}

/* ---- the other types, and alternatives ---- */

static tsr_status write_text(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    tsri_string_goal g;
    uint32_t open = tsri_net_state(s->g), close = tsri_net_state(s->g);
    tsr_status st = tsri_goal_string(s, goal, &g);
    if (st == TSR_OK) {
        write_byte(s, from, '"', open);
        tsri_string_write(s->g, &g, s->any_char, open, close);
        write_byte(s, close, '"', to);
    }
    tsr_free(g.patterns);
    return st;
}

static tsr_status write_number(tsri_schema *s, const tsri_goal *goal, bool whole, uint32_t from, uint32_t to)
{
    tsri_number_goal g;
    bool never;
    tsr_status st = tsri_goal_number(s, goal, whole, &g, &never);
    if (st == TSR_OK && !never)
        tsri_number_write(s->g, &g, from, to);
    return st;
}

/* All choices are made. */
static tsr_status write_alone(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    bool is_const;
    unsigned types = tsri_goal_types(goal);
    const tsr_json *values = tsri_goal_values(goal, &is_const);
    tsr_status st = TSR_OK;
    if (++s->n_alone > TSRI_ALONE_MOST)
        return tsri_schema_fail(s, TSR_ERR_LIMIT, goal->n ? goal->parts[0].at : s->doc, NULL,
                                "anyOf and oneOf multiply to more than %d alternatives", TSRI_ALONE_MOST);
    if (goal->never)
        return TSR_OK;
    if (values)
        return write_values(s, goal, values, is_const, from, to);
    if (types & TSRI_TYPE_NULL)
        tsri_net_text(s->g, from, "null", 4, to);
    if (types & TSRI_TYPE_BOOL) {
        tsri_net_text(s->g, from, "true", 4, to);
        tsri_net_text(s->g, from, "false", 5, to);
    }
    if (types & (TSRI_TYPE_WHOLE | TSRI_TYPE_REAL))
        st = write_number(s, goal, !(types & TSRI_TYPE_REAL), from, to);
    if (st == TSR_OK && (types & TSRI_TYPE_STRING))
        st = write_text(s, goal, from, to);
    if (st == TSR_OK && (types & TSRI_TYPE_ARRAY))
        st = write_array(s, goal, from, to);
    if (st == TSR_OK && (types & TSRI_TYPE_OBJECT))
        st = write_object(s, goal, from, to);
    return st;
}

static tsr_status check_pair(tsri_schema *s, const tsri_goal *goal, size_t part, size_t a, size_t b)
{
    tsri_goal x = {0}, y = {0};
    bool apart = false;
    tsr_status st = tsri_goal_choose(s, &x, goal, part, true, a);
    if (st == TSR_OK)
        st = tsri_goal_choose(s, &y, goal, part, true, b);
    if (st == TSR_OK)
        st = tsri_goals_apart(s, &x, &y, &apart);
    tsri_goal_deinit(&x);
    tsri_goal_deinit(&y);
    if (st == TSR_OK && !apart)
        st = tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, goal->parts[part].at, "oneOf",
                              "branches %zu and %zu may hold together; supported are branches that can't (else write anyOf)",
                              a, b);
    return st;
}

static tsr_status check_one(tsri_schema *s, const tsri_goal *goal, size_t part, size_t n)
{
    tsr_status st = TSR_OK;
    for (size_t b = 1; b < n; b++)
        for (size_t a = 0; a < b && st == TSR_OK; a++)
            st = check_pair(s, goal, part, a, b);
    return st;
}

static tsr_status write_goal(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    size_t part;
    bool is_one;
    const tsr_json *branches = goal->never ? NULL : tsri_goal_choice(goal, &part, &is_one);
    tsr_status st = TSR_OK;
    if (!branches)
        return write_alone(s, goal, from, to);
    if (is_one)
        st = check_one(s, goal, part, tsr_json_len(branches));
    for (size_t i = 0; i < tsr_json_len(branches) && st == TSR_OK; i++) {
        tsri_goal with;
        st = tsri_goal_choose(s, &with, goal, part, is_one, i);
        if (st == TSR_OK)
            st = write_goal(s, &with, from, to);
        tsri_goal_deinit(&with);
    }
    return st;
}

tsr_status tsri_goal_write(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to)
{
    s->n_alone = 0;
    tsr_status st = write_goal(s, goal, from, to);
    return st == TSR_OK ? s->g->status : st;
}
