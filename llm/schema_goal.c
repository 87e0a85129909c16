/* schema_goal.c: a goal, the schemas that a value must satisfy together, and what they say in common of each type. */
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"

void tsri_goal_deinit(tsri_goal *goal)
{
    tsr_free(goal->parts);
    memset(goal, 0, sizeof *goal);
}

static tsr_status append(tsri_schema *s, tsri_goal *goal, tsri_part part)
{
    if (goal->n == goal->cap) {
        size_t cap = goal->cap ? 2 * goal->cap : 4;
        if (goal->n == TSRI_PARTS_MOST)
            return tsri_schema_fail(s, TSR_ERR_LIMIT, part.at, NULL, "more than %d schemas must hold together here",
                                    TSRI_PARTS_MOST);
        tsri_part *parts = tsr_realloc(goal->parts, cap * sizeof *parts);
        if (!parts)
            return tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: a schema");
        goal->parts = parts;
        goal->cap = cap;
    }
    goal->parts[goal->n++] = part;
    return TSR_OK;
}

/* The place of a schema in the goal, SIZE_MAX: it isn't there. */
static size_t place_of(const tsri_goal *goal, const tsr_json *at)
{
    for (size_t i = 0; i < goal->n; i++)
        if (goal->parts[i].at == at)
            return i;
    return SIZE_MAX;
}

static bool rests_on(const tsri_goal *goal, size_t part, size_t other)
{
    for (; part != SIZE_MAX; part = goal->parts[part].by)
        if (part == other)
            return true;
    return false;
}

/* A schema that is there already holds by what brought it; but one that part `by` itself rests on holds by nothing. */
static tsr_status add_one(tsri_schema *s, tsri_goal *goal, const tsr_json *schema, size_t by)
{
    bool holds;
    if (tsr_json_to_bool(schema, &holds)) {
        goal->never = goal->never || !holds;
        return TSR_OK;
    }
    size_t place = place_of(goal, schema);
    if (place != SIZE_MAX) {
        goal->never = goal->never || rests_on(goal, by, place);
        return TSR_OK;
    }
    tsr_status st = tsri_schema_check(s, schema);
    return st == TSR_OK ? append(s, goal, (tsri_part){.at = schema, .by = by}) : st;
}

static tsr_status add_with_all(tsri_schema *s, tsri_goal *goal, const tsr_json *schema, size_t by)
{
    size_t i = goal->n;
    tsr_status st = add_one(s, goal, schema, by);
    for (; i < goal->n && st == TSR_OK; i++) {
        const tsr_json *at = goal->parts[i].at, *all = tsr_json_get(at, "allOf"), *target = NULL;
        for (size_t k = 0; k < tsr_json_len(all) && st == TSR_OK; k++)
            st = add_one(s, goal, tsr_json_at(all, k), i);
        if (st == TSR_OK && tsr_json_get(at, "$ref"))
            st = tsri_schema_resolve(s, at, &target);
        if (st == TSR_OK && target)
            st = add_one(s, goal, target, i);
    }
    return st;
}

tsr_status tsri_goal_add(tsri_schema *s, tsri_goal *goal, const tsr_json *schema)
{
    return add_with_all(s, goal, schema, SIZE_MAX);
}

static tsr_status copy(tsri_schema *s, tsri_goal *out, const tsri_goal *goal)
{
    memset(out, 0, sizeof *out);
    tsr_status st = tsr_alloc_array(&out->parts, goal->n, sizeof *out->parts, "a schema", s->err);
    if (st != TSR_OK)
        return st;
    memcpy(out->parts, goal->parts, goal->n * sizeof *out->parts);
    out->n = out->cap = goal->n;
    out->never = goal->never;
    return TSR_OK;
}

const tsr_json *tsri_goal_choice(const tsri_goal *goal, size_t *part, bool *is_one)
{
    for (size_t i = 0; i < goal->n; i++) {
        const tsri_part *p = &goal->parts[i];
        const tsr_json *any = p->any_done ? NULL : tsr_json_get(p->at, "anyOf");
        const tsr_json *one = p->one_done ? NULL : tsr_json_get(p->at, "oneOf");
        *part = i;
        *is_one = !any;
        if (any || one)
            return any ? any : one;
    }
    return NULL;
}

tsr_status tsri_goal_choose(tsri_schema *s, tsri_goal *out, const tsri_goal *goal, size_t part, bool is_one, size_t branch)
{
    const tsr_json *list = tsr_json_get(goal->parts[part].at, is_one ? "oneOf" : "anyOf");
    tsr_status st = copy(s, out, goal);
    if (st != TSR_OK)
        return st;
    if (is_one)
        out->parts[part].one_done = true;
    else
        out->parts[part].any_done = true;
    st = add_with_all(s, out, tsr_json_at(list, branch), part);
    if (st != TSR_OK)
        tsri_goal_deinit(out);
    return st;
}

/* ---- types ---- */

static unsigned type_of_name(const char *name)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"null", TSRI_TYPE_NULL}, {"boolean", TSRI_TYPE_BOOL}, {"object", TSRI_TYPE_OBJECT},
                 {"array", TSRI_TYPE_ARRAY}, {"number", TSRI_TYPE_WHOLE | TSRI_TYPE_REAL}, {"integer", TSRI_TYPE_WHOLE},
                 {"string", TSRI_TYPE_STRING}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(name, types[i].name) == 0)
            return types[i].type;
    return 0;
}

static unsigned types_of(const tsr_json *type)
{
    unsigned types = 0;
    if (tsr_json_string(type, NULL))
        return type_of_name(tsr_json_string(type, NULL));
    for (size_t i = 0; i < tsr_json_len(type); i++)
        types |= type_of_name(tsr_json_string(tsr_json_at(type, i), NULL));
    return types;
}

unsigned tsri_goal_types(const tsri_goal *goal)
{
    unsigned types = goal->never ? 0 : TSRI_TYPE_ALL;
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *type = tsr_json_get(goal->parts[i].at, "type");
        if (type)
            types &= types_of(type);
    }
    return types;
}

const tsr_json *tsri_goal_values(const tsri_goal *goal, bool *is_const)
{
    const tsr_json *best = NULL;
    *is_const = false;
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *c = tsr_json_get(goal->parts[i].at, "const"), *e = tsr_json_get(goal->parts[i].at, "enum");
        if (c) {
            *is_const = true;
            return c;
        }
        if (e && (!best || tsr_json_len(e) < tsr_json_len(best)))
            best = e;
    }
    return best;
}

/* ---- strings and numbers ---- */

void tsri_goal_lengths(const tsri_goal *goal, const char *min_key, const char *max_key, uint64_t *min, uint64_t *max)
{
    *min = 0;
    *max = UINT64_MAX;
    for (size_t i = 0; i < goal->n; i++) {
        double x;
        if (tsr_json_to_double(tsr_json_get(goal->parts[i].at, min_key), &x) && (uint64_t)x > *min)
            *min = (uint64_t)x;
        if (tsr_json_to_double(tsr_json_get(goal->parts[i].at, max_key), &x) && (uint64_t)x < *max)
            *max = (uint64_t)x;
    }
}

tsr_status tsri_goal_string(tsri_schema *s, const tsri_goal *goal, tsri_string_goal *out)
{
    static const char *const keys[] = {"pattern", "format"};
    memset(out, 0, sizeof *out);
    tsri_goal_lengths(goal, "minLength", "maxLength", &out->min, &out->max);
    tsr_status st = tsr_alloc_array(&out->patterns, 2 * goal->n + 1, sizeof *out->patterns, "patterns", s->err);
    for (size_t i = 0; i < 2 * goal->n && st == TSR_OK; i++)
        if (tsr_json_get(goal->parts[i / 2].at, keys[i % 2])) {
            st = tsri_schema_pattern(s, goal->parts[i / 2].at, keys[i % 2], &out->patterns[out->n_patterns]);
            out->n_patterns += st == TSR_OK;
        }
    return st;
}

static void raise_min(tsri_number_goal *out, const tsr_json *bound, bool over)
{
    tsri_decimal d;
    if (!bound)
        return;
    tsri_decimal_read(&d, bound);
    int c = out->has_min ? tsri_decimal_compare(&d, &out->min) : 1;
    if (c > 0 || (c == 0 && over)) {
        out->min = d;
        out->over_min = over;
    }
    out->has_min = true;
}

static void lower_max(tsri_number_goal *out, const tsr_json *bound, bool under)
{
    tsri_decimal d;
    if (!bound)
        return;
    tsri_decimal_read(&d, bound);
    int c = out->has_max ? tsri_decimal_compare(&d, &out->max) : -1;
    if (c < 0 || (c == 0 && under)) {
        out->max = d;
        out->under_max = under;
    }
    out->has_max = true;
}

tsr_status tsri_goal_number(tsri_schema *s, const tsri_goal *goal, bool whole, tsri_number_goal *out, bool *never)
{
    memset(out, 0, sizeof *out);
    out->whole = whole;
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *at = goal->parts[i].at, *multiple = tsr_json_get(at, "multipleOf");
        uint32_t step = 0;
        size_t digits = 0;
        raise_min(out, tsr_json_get(at, "minimum"), false);
        raise_min(out, tsr_json_get(at, "exclusiveMinimum"), true);
        lower_max(out, tsr_json_get(at, "maximum"), false);
        lower_max(out, tsr_json_get(at, "exclusiveMaximum"), true);
        if (!multiple)
            continue;
        tsri_step_read(multiple, &step, &digits);
        if (out->step && !tsri_step_join(&step, &digits, out->step, out->step_digits))
            return tsri_schema_fail(s, TSR_ERR_UNSUPPORTED, at, "multipleOf",
                                    "steps that must hold together here have none in common up to 10000");
        out->step = step;
        out->step_digits = digits;
    }
    int c = out->has_min && out->has_max ? tsri_decimal_compare(&out->min, &out->max) : -1;
    *never = c > 0 || (c == 0 && (out->over_min || out->under_max));
    return TSR_OK;
}

/* ---- members and elements ---- */

tsr_status tsri_goal_member(tsri_schema *s, const tsri_goal *goal, const char *key, tsri_goal *out)
{
    tsr_status st = TSR_OK;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < goal->n && st == TSR_OK; i++) {
        const tsr_json *at = goal->parts[i].at, *own = tsr_json_get(tsr_json_get(at, "properties"), key);
        if (!own)
            own = tsr_json_get(at, "additionalProperties");
        if (own)
            st = tsri_goal_add(s, out, own);
    }
    if (st != TSR_OK)
        tsri_goal_deinit(out);
    return st;
}

tsr_status tsri_goal_rest(tsri_schema *s, const tsri_goal *goal, tsri_goal *out)
{
    tsr_status st = TSR_OK;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < goal->n && st == TSR_OK; i++) {
        const tsr_json *rest = tsr_json_get(goal->parts[i].at, "additionalProperties");
        if (rest)
            st = tsri_goal_add(s, out, rest);
    }
    if (st != TSR_OK)
        tsri_goal_deinit(out);
    return st;
}

tsr_status tsri_goal_element(tsri_schema *s, const tsri_goal *goal, size_t i, tsri_goal *out)
{
    tsr_status st = TSR_OK;
    memset(out, 0, sizeof *out);
    for (size_t k = 0; k < goal->n && st == TSR_OK; k++) {
        const tsr_json *at = goal->parts[k].at, *prefix = tsr_json_get(at, "prefixItems");
        const tsr_json *own = i < tsr_json_len(prefix) ? tsr_json_at(prefix, i) : tsr_json_get(at, "items");
        if (own)
            st = tsri_goal_add(s, out, own);
    }
    if (st != TSR_OK)
        tsri_goal_deinit(out);
    return st;
}

bool tsri_goal_requires(const tsri_goal *goal, const char *key)
{
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *names = tsr_json_get(goal->parts[i].at, "required");
        for (size_t k = 0; k < tsr_json_len(names); k++)
            if (strcmp(tsr_json_string(tsr_json_at(names, k), NULL), key) == 0)
                return true;
    }
    return false;
}
