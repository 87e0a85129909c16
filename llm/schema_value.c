/* schema_value.c: whether a value fits a goal (for enum and const), and whether two goals have nothing in common (for
 * oneOf, which is an anyOf when its branches are apart). Steps are counted, so that a schema can't keep us busy. */
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

static tsr_status count_step(tsri_schema *s)
{
    if (++s->n_looked < TSRI_LOOKED_MOST)
        return TSR_OK;
    return tsr_fail(s->err, TSR_ERR_LIMIT, "%s: the schema has too many ways to be read", s->name);
}

/* ---- equality ---- */

static bool equal(const tsr_json *a, const tsr_json *b);

static bool equal_numbers(const tsr_json *a, const tsr_json *b)
{
    tsri_decimal x, y;
    tsri_decimal_read(&x, a);
    tsri_decimal_read(&y, b);
    return tsri_decimal_compare(&x, &y) == 0;
}

static bool equal_objects(const tsr_json *a, const tsr_json *b)
{
    if (tsr_json_len(a) != tsr_json_len(b))
        return false;
    for (void *it = tsr_json_first(a); it; it = tsr_json_next(a, it)) {
        const tsr_json *other = tsr_json_get(b, tsr_json_key(it));
        if (!other || !equal(tsr_json_value(it), other))
            return false;
    }
    return true;
}

static bool equal_arrays(const tsr_json *a, const tsr_json *b)
{
    if (tsr_json_len(a) != tsr_json_len(b))
        return false;
    for (size_t i = 0; i < tsr_json_len(a); i++)
        if (!equal(tsr_json_at(a, i), tsr_json_at(b, i)))
            return false;
    return true;
}

/* As deep as the parser lets a text nest. */
static bool equal(const tsr_json *a, const tsr_json *b)
{
    bool x, y;
    size_t n, m;
    if (tsr_json_is_number(a) && tsr_json_is_number(b))
        return equal_numbers(a, b);
    if (tsr_json_to_bool(a, &x) && tsr_json_to_bool(b, &y))
        return x == y;
    const char *s = tsr_json_string(a, &n), *t = tsr_json_string(b, &m);
    if (s && t)
        return n == m && memcmp(s, t, n) == 0;
    if (tsr_json_is_array(a) && tsr_json_is_array(b))
        return equal_arrays(a, b);
    if (tsr_json_is_object(a) && tsr_json_is_object(b))
        return equal_objects(a, b);
    return tsr_json_is_null(a) && tsr_json_is_null(b);
}

/* ---- values ---- */

static bool among_values(const tsri_schema *s, const tsr_json *v, const tsri_goal *goal)
{
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *one = tsr_json_get(goal->parts[i].at, "const"), *list = tsr_json_get(goal->parts[i].at, "enum");
        bool found = !list || (list == s->list && v == s->listed);
        for (size_t k = 0; k < tsr_json_len(list) && !found; k++)
            found = equal(v, tsr_json_at(list, k));
        if (!found || (one && !equal(v, one)))
            return false;
    }
    return true;
}

static unsigned type_of(const tsr_json *v)
{
    tsri_decimal d;
    if (tsr_json_is_number(v)) {
        tsri_decimal_read(&d, v);
        return tsri_decimal_is_whole(&d) ? TSRI_TYPE_WHOLE : TSRI_TYPE_REAL;
    }
    return tsr_json_is_null(v)     ? TSRI_TYPE_NULL
           : tsr_json_is_bool(v)   ? TSRI_TYPE_BOOL
           : tsr_json_is_object(v) ? TSRI_TYPE_OBJECT
           : tsr_json_is_array(v)  ? TSRI_TYPE_ARRAY
                                   : TSRI_TYPE_STRING;
}

static tsr_status string_fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    tsri_string_goal g;
    size_t len, n = 0;
    const char *text = tsr_json_string(v, &len);
    tsr_status st = tsri_goal_string(s, goal, &g);
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    *ok = st == TSR_OK && n >= g.min && n <= g.max;
    for (size_t i = 0; i < g.n_patterns && *ok && st == TSR_OK; i++)
        st = tsri_regex_find(g.patterns[i], text, len, ok, s->err);
    tsr_free(g.patterns);
    return st;
}

static tsr_status number_fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    tsri_number_goal g;
    tsri_decimal d;
    bool never;
    tsr_status st = tsri_goal_number(s, goal, false, &g, &never);
    tsri_decimal_read(&d, v);
    *ok = st == TSR_OK && !never && tsri_number_fits(&g, &d);
    return st;
}

static tsr_status array_fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    uint64_t min, max;
    tsr_status st = TSR_OK;
    tsri_goal_lengths(goal, "minItems", "maxItems", &min, &max);
    *ok = tsr_json_len(v) >= min && tsr_json_len(v) <= max;
    for (size_t i = 0; i < tsr_json_len(v) && *ok && st == TSR_OK; i++) {
        tsri_goal element;
        st = tsri_goal_element(s, goal, i, &element);
        if (st == TSR_OK)
            st = tsri_value_fits(s, tsr_json_at(v, i), &element, ok);
        tsri_goal_deinit(&element);
    }
    return st;
}

static tsr_status object_fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    tsr_status st = TSR_OK;
    *ok = true;
    for (size_t i = 0; i < goal->n; i++) {
        const tsr_json *names = tsr_json_get(goal->parts[i].at, "required");
        for (size_t k = 0; k < tsr_json_len(names); k++)
            *ok = *ok && tsr_json_get(v, tsr_json_string(tsr_json_at(names, k), NULL));
    }
    for (void *it = tsr_json_first(v); it && *ok && st == TSR_OK; it = tsr_json_next(v, it)) {
        tsri_goal member;
        st = tsri_goal_member(s, goal, tsr_json_key(it), &member);
        if (st == TSR_OK)
            st = tsri_value_fits(s, tsr_json_value(it), &member, ok);
        tsri_goal_deinit(&member);
    }
    return st;
}

/* All choices are made. */
static tsr_status fits_alone(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    unsigned type = type_of(v);
    *ok = !goal->never && (tsri_goal_types(goal) & type) && among_values(s, v, goal);
    if (!*ok)
        return TSR_OK;
    switch (type) {
    case TSRI_TYPE_STRING: return string_fits(s, v, goal, ok);
    case TSRI_TYPE_WHOLE: case TSRI_TYPE_REAL: return number_fits(s, v, goal, ok);
    case TSRI_TYPE_ARRAY: return array_fits(s, v, goal, ok);
    case TSRI_TYPE_OBJECT: return object_fits(s, v, goal, ok);
    default: return TSR_OK;
    }
}

static tsr_status fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    size_t part, n_fit = 0;
    bool is_one;
    const tsr_json *branches = goal->never ? NULL : tsri_goal_choice(goal, &part, &is_one);
    tsr_status st = TSR_OK;
    *ok = false;
    if (goal->never)
        return st;
    if (!branches)
        return fits_alone(s, v, goal, ok);
    for (size_t i = 0; i < tsr_json_len(branches) && st == TSR_OK && (is_one || n_fit == 0); i++) {
        tsri_goal with;
        bool fits_too = false;
        st = tsri_goal_choose(s, &with, goal, part, is_one, i);
        if (st == TSR_OK)
            st = tsri_value_fits(s, v, &with, &fits_too);
        tsri_goal_deinit(&with);
        n_fit += fits_too;
    }
    *ok = is_one ? n_fit == 1 : n_fit > 0;
    return st;
}

tsr_status tsri_value_fits(tsri_schema *s, const tsr_json *v, const tsri_goal *goal, bool *ok)
{
    *ok = false;
    if (s->depth == TSRI_LOOKED_DEEP)
        s->n_looked = TSRI_LOOKED_MOST;
    tsr_status st = count_step(s);
    s->depth++;
    if (st == TSR_OK)
        st = fits(s, v, goal, ok);
    s->depth--;
    return st;
}

/* ---- two goals ---- */

static tsr_status values_apart(tsri_schema *s, const tsr_json *values, bool is_const, const tsri_goal *a,
                               const tsri_goal *b, bool *apart)
{
    size_t n = is_const ? 1 : tsr_json_len(values);
    tsr_status st = TSR_OK;
    *apart = true;
    for (size_t i = 0; i < n && *apart && st == TSR_OK; i++) {
        const tsr_json *v = is_const ? values : tsr_json_at(values, i);
        bool fits_a, fits_b = false;
        s->list = values;
        s->listed = v;
        st = tsri_value_fits(s, v, a, &fits_a);
        if (st == TSR_OK && fits_a)
            st = tsri_value_fits(s, v, b, &fits_b);
        *apart = !fits_b;
    }
    return st;
}

static bool lengths_apart(const tsri_goal *a, const tsri_goal *b, const char *min_key, const char *max_key)
{
    uint64_t min_a, max_a, min_b, max_b;
    tsri_goal_lengths(a, min_key, max_key, &min_a, &max_a);
    tsri_goal_lengths(b, min_key, max_key, &min_b, &max_b);
    return max_a < min_b || max_b < min_a || max_a < min_a || max_b < min_b;
}

static bool is_below(const tsri_number_goal *a, const tsri_number_goal *b)
{
    int c = a->has_max && b->has_min ? tsri_decimal_compare(&a->max, &b->min) : 1;
    return c < 0 || (c == 0 && (a->under_max || b->over_min));
}

static tsr_status numbers_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    tsri_number_goal x, y;
    bool no_x, no_y = false;
    tsr_status st = tsri_goal_number(s, a, false, &x, &no_x);
    if (st == TSR_OK)
        st = tsri_goal_number(s, b, false, &y, &no_y);
    *apart = st == TSR_OK && (no_x || no_y || is_below(&x, &y) || is_below(&y, &x));
    return st;
}

static tsr_status elements_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    enum { LOOKED_AT = 16 };
    uint64_t min_a, min_b, max;
    tsr_status st = TSR_OK;
    tsri_goal_lengths(a, "minItems", "maxItems", &min_a, &max);
    tsri_goal_lengths(b, "minItems", "maxItems", &min_b, &max);
    uint64_t n = min_a > min_b ? min_a : min_b; /* what fits both has so many at least */
    for (size_t i = 0; i < n && i < LOOKED_AT && !*apart && st == TSR_OK; i++) {
        tsri_goal x = {0}, y = {0};
        st = tsri_goal_element(s, a, i, &x);
        if (st == TSR_OK)
            st = tsri_goal_element(s, b, i, &y);
        if (st == TSR_OK)
            st = tsri_goals_apart(s, &x, &y, apart);
        tsri_goal_deinit(&x);
        tsri_goal_deinit(&y);
    }
    return st;
}

/* A member that a requires and that can't fit both. */
static tsr_status members_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < a->n; i++) {
        const tsr_json *names = tsr_json_get(a->parts[i].at, "required");
        for (size_t k = 0; k < tsr_json_len(names) && !*apart && st == TSR_OK; k++) {
            const char *key = tsr_json_string(tsr_json_at(names, k), NULL);
            tsri_goal x = {0}, y = {0};
            st = tsri_goal_member(s, a, key, &x);
            if (st == TSR_OK)
                st = tsri_goal_member(s, b, key, &y);
            if (st == TSR_OK)
                st = tsri_goals_apart(s, &x, &y, apart);
            tsri_goal_deinit(&x);
            tsri_goal_deinit(&y);
        }
    }
    return st;
}

static tsr_status type_apart(tsri_schema *s, unsigned type, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    tsr_status st = TSR_OK;
    *apart = false;
    switch (type) {
    case TSRI_TYPE_STRING: *apart = lengths_apart(a, b, "minLength", "maxLength"); break;
    case TSRI_TYPE_WHOLE: case TSRI_TYPE_REAL: st = numbers_apart(s, a, b, apart); break;
    case TSRI_TYPE_ARRAY:
        *apart = lengths_apart(a, b, "minItems", "maxItems");
        if (!*apart)
            st = elements_apart(s, a, b, apart);
        break;
    case TSRI_TYPE_OBJECT:
        st = members_apart(s, a, b, apart);
        if (st == TSR_OK && !*apart)
            st = members_apart(s, b, a, apart);
        break;
    default: break;
    }
    return st;
}

static tsr_status apart_alone(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    bool is_const;
    unsigned both = tsri_goal_types(a) & tsri_goal_types(b);
    const tsr_json *values = tsri_goal_values(a, &is_const);
    tsr_status st = TSR_OK;
    *apart = both == 0;
    if (*apart)
        return st;
    if (values)
        return values_apart(s, values, is_const, a, b, apart);
    if ((values = tsri_goal_values(b, &is_const)))
        return values_apart(s, values, is_const, b, a, apart);
    *apart = true;
    for (unsigned type = 1; type <= TSRI_TYPE_STRING && *apart && st == TSR_OK; type *= 2)
        if (both & type)
            st = type_apart(s, type, a, b, apart);
    return st;
}

static tsr_status are_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    size_t part;
    bool is_one;
    tsr_status st = TSR_OK;
    const tsr_json *branches = tsri_goal_choice(a, &part, &is_one);
    bool in_a = branches != NULL;
    if (!branches && !(branches = tsri_goal_choice(b, &part, &is_one)))
        return apart_alone(s, a, b, apart);
    *apart = true;
    for (size_t i = 0; i < tsr_json_len(branches) && *apart && st == TSR_OK; i++) {
        tsri_goal with;
        st = tsri_goal_choose(s, &with, in_a ? a : b, part, is_one, i);
        if (st == TSR_OK)
            st = tsri_goals_apart(s, in_a ? &with : a, in_a ? b : &with, apart);
        tsri_goal_deinit(&with);
    }
    return st;
}

tsr_status tsri_goals_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart)
{
    enum { DEEP = 64 }; /* what goes on deeper is not called apart */
    tsr_status st = count_step(s);
    *apart = a->never || b->never;
    if (st != TSR_OK || *apart || s->depth >= DEEP)
        return st;
    s->depth++;
    st = are_apart(s, a, b, apart);
    s->depth--;
    return st;
}
