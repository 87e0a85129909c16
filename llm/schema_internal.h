/* schema_internal.h: a JSON Schema becomes a grammar.
 *
 * A goal is a list of schemas that a value must satisfy together: $ref and allOf make it longer, anyOf and oneOf make
 * several of it. Each goal is one rule of the grammar, made once; schema.c keeps the list of those still to be written.
 * JSON comes out in one form: keys in the order of the schema, strings with as few escapes as there can be, and at
 * places where white space may stand nothing, one space, or a new line with its indent. */
#ifndef TSRI_SCHEMA_H
#define TSRI_SCHEMA_H

#include "grammar_internal.h"
#include "tsr_json.h"

enum {
    TSRI_GOAL_MOST = 1 << 16,  /* goals of a schema */
    TSRI_ALONE_MOST = 4096,    /* alternatives of a goal, once its anyOf and oneOf are multiplied out */
    TSRI_PARTS_MOST = 256,     /* schemas of a goal */
    TSRI_LOOKED_MOST = 1 << 18, /* steps of comparing values with schemas, and how deep they go */
    TSRI_LOOKED_DEEP = 1000,
    TSRI_KEYS_MOST = 4096,     /* that an object's schema names, and bytes of each */
    TSRI_REGEX_STATES = 1 << 17, /* of one pattern, its repetitions written out */
    TSRI_PRODUCT_STATES = 1 << 17 /* of patterns and lengths together */
};

/* ---- regular expressions (schema_regex.c): a network over characters ---- */

typedef enum tsri_re_kind { TSRI_RE_EMPTY, TSRI_RE_CHARS, TSRI_RE_START, TSRI_RE_END } tsri_re_kind;

typedef struct tsri_re_arc {
    uint32_t from, to;
    uint32_t set; /* CHARS: in `sets` */
    tsri_re_kind kind; /* START, END: nothing is taken, and only there */
} tsri_re_arc;

/* What a text must be for the pattern to be found in it. From state 0 to state 1. */
typedef struct tsri_regex {
    tsri_re_arc *arcs; /* finished: those of a state side by side */
    size_t n_arcs, cap_arcs;
    uint32_t *first; /* [n_states + 1] */
    size_t n_states;
    tsri_chars *sets;
    size_t n_sets, cap_sets;
} tsri_regex;

/* As ECMA-262 with its flag u reads it; an unanchored search. TSR_ERR_UNSUPPORTED names look-around, back-references,
 * word boundaries, Unicode properties; TSR_ERR_USAGE, LIMIT, NOMEM. On failure *out is zeroed. */
tsr_status tsri_regex_parse(tsri_regex *out, const char *pattern, size_t len, tsr_error *err);
void tsri_regex_deinit(tsri_regex *r);
/* Whether it is found in a text (UTF-8). */
tsr_status tsri_regex_find(const tsri_regex *r, const char *text, size_t len, bool *found, tsr_error *err);

/* ---- strings (schema_string.c) ---- */

typedef struct tsri_string_goal {
    const tsri_regex **patterns;
    size_t n_patterns;
    uint64_t min, max; /* characters; max UINT64_MAX: none */
} tsri_string_goal;

/* The content of a JSON string, between its quotes. TSR_ERR_LIMIT when patterns and lengths together are too large.
 * any: a rule that takes one character of a string. */
void tsri_string_write(tsr_grammar *g, const tsri_string_goal *goal, uint32_t any, uint32_t from, uint32_t to);

/* The pattern of a format; NULL: not one that we hold to. */
const char *tsri_format_pattern(const char *format);

/* ---- numbers (schema_number.c) ---- */

enum { TSRI_DIGITS_MOST = 700 };

/* (-1)^negative * whole.fraction, without superfluous zeros: whole of 0 is "" */
typedef struct tsri_decimal {
    bool negative;
    uint8_t whole[TSRI_DIGITS_MOST], fraction[TSRI_DIGITS_MOST];
    size_t n_whole, n_fraction;
} tsri_decimal;

/* From the shortest text that reads back as the number. */
void tsri_decimal_read(tsri_decimal *d, const tsr_json *number);
int tsri_decimal_compare(const tsri_decimal *a, const tsri_decimal *b);
bool tsri_decimal_is_whole(const tsri_decimal *d);

typedef struct tsri_number_goal {
    bool whole; /* integers alone */
    bool has_min, has_max, over_min, under_max; /* over, under: not the bound itself */
    tsri_decimal min, max;
    uint32_t step;       /* 0: any; else multiples of step / 10^step_digits */
    size_t step_digits;
} tsri_number_goal;

/* multipleOf as step and digits; false: too long to be held to. */
bool tsri_step_read(const tsr_json *multiple, uint32_t *step, size_t *digits);
/* The step of what is in both; false: too large. */
bool tsri_step_join(uint32_t *step, size_t *digits, uint32_t other, size_t other_digits);
bool tsri_number_fits(const tsri_number_goal *goal, const tsri_decimal *x);
void tsri_number_write(tsr_grammar *g, const tsri_number_goal *goal, uint32_t from, uint32_t to);
/* The shortest text of a number, integers without fraction; gives its length. */
size_t tsri_number_text(char out[40], const tsr_json *number);

/* ---- the schema ---- */

typedef enum tsri_type {
    TSRI_TYPE_NULL = 1,
    TSRI_TYPE_BOOL = 2,
    TSRI_TYPE_OBJECT = 4,
    TSRI_TYPE_ARRAY = 8,
    TSRI_TYPE_WHOLE = 16, /* numbers without a fraction */
    TSRI_TYPE_REAL = 32,  /* the others */
    TSRI_TYPE_STRING = 64,
    TSRI_TYPE_ALL = 127
} tsri_type;

typedef struct tsri_part { /* a schema of a goal */
    const tsr_json *at;
    size_t by; /* the part that brought it: its place in the goal; SIZE_MAX: none */
    bool any_done, one_done; /* a branch of its anyOf, its oneOf is in the goal */
} tsri_part;

typedef struct tsri_goal {
    tsri_part *parts;
    size_t n, cap;
    bool never; /* false is among them, or a schema that rests on nothing but itself */
} tsri_goal;

typedef struct tsri_pattern { /* a "pattern" or "format", read once */
    const tsr_json *at;
    tsri_regex regex;
} tsri_pattern;

typedef struct tsri_schema {
    tsr_json *doc;
    const char *name;
    tsr_grammar *g;
    tsri_goal *goals;  /* by number; rule_of[i] is that of goal i */
    uint32_t *rule_of;
    size_t n_goals, cap_goals, n_written;
    uint32_t *slots; /* open addressing: goal + 1 */
    size_t n_slots;
    tsri_pattern **patterns;
    size_t n_patterns, cap_patterns;
    const tsr_json **checked; /* open addressing: schemas whose keywords are known */
    size_t n_checked, n_checked_slots;
    uint32_t space, any_char; /* rules */
    size_t n_alone;  /* alternatives of the goal that is being written */
    unsigned depth;  /* of comparing */
    const tsr_json *listed, *list; /* the value that is being compared stands in this enum */
    size_t n_looked; /* steps of comparing values with schemas, and schemas with each other */
    tsr_error *err;
} tsri_schema;

/* Fails with the JSON pointer of the schema `at` and perhaps its keyword. Gives the status. */
tsr_status tsri_schema_fail(tsri_schema *s, tsr_status st, const tsr_json *at, const char *keyword, const char *fmt, ...)
    TSR_PRINTF(5, 6);

/* schema_goal.c */
void tsri_goal_deinit(tsri_goal *goal);
tsr_status tsri_goal_add(tsri_schema *s, tsri_goal *goal, const tsr_json *schema); /* with what $ref and allOf bring */

/* The first choice that is still to be made: NULL when there is none; else the branches, and the part and keyword. */
const tsr_json *tsri_goal_choice(const tsri_goal *goal, size_t *part, bool *is_one);
/* The goal with one branch of it. */
tsr_status tsri_goal_choose(tsri_schema *s, tsri_goal *out, const tsri_goal *goal, size_t part, bool is_one, size_t branch);
unsigned tsri_goal_types(const tsri_goal *goal);
tsr_status tsri_goal_string(tsri_schema *s, const tsri_goal *goal, tsri_string_goal *out); /* the caller's: patterns */
tsr_status tsri_goal_number(tsri_schema *s, const tsri_goal *goal, bool whole, tsri_number_goal *out, bool *never);
/* Of a member; of the element at `i`, SIZE_MAX: those behind all prefixItems. */
tsr_status tsri_goal_member(tsri_schema *s, const tsri_goal *goal, const char *key, tsri_goal *out);
tsr_status tsri_goal_rest(tsri_schema *s, const tsri_goal *goal, tsri_goal *out); /* of members that no schema names */
tsr_status tsri_goal_element(tsri_schema *s, const tsri_goal *goal, size_t i, tsri_goal *out);
void tsri_goal_lengths(const tsri_goal *goal, const char *min_key, const char *max_key, uint64_t *min, uint64_t *max);
const tsr_json *tsri_goal_values(const tsri_goal *goal, bool *is_const); /* its shortest enum or const; NULL: none */
bool tsri_goal_requires(const tsri_goal *goal, const char *key);

/* schema_ref.c: what a $ref names; and whether the keywords of a schema are known and well-formed. */
tsr_status tsri_schema_resolve(tsri_schema *s, const tsr_json *from, const tsr_json **out);
tsr_status tsri_schema_check(tsri_schema *s, const tsr_json *at);
tsr_status tsri_schema_pattern(tsri_schema *s, const tsr_json *at, const char *keyword, const tsri_regex **out);

/* schema_value.c */
tsr_status tsri_value_fits(tsri_schema *s, const tsr_json *value, const tsri_goal *goal, bool *ok);
tsr_status tsri_goals_apart(tsri_schema *s, const tsri_goal *a, const tsri_goal *b, bool *apart); /* nothing fits both */

/* schema_write.c */
tsr_status tsri_goal_write(tsri_schema *s, const tsri_goal *goal, uint32_t from, uint32_t to);
/* schema.c: the rule of a goal, which is taken over. */
tsr_status tsri_schema_rule(tsri_schema *s, tsri_goal *goal, uint32_t *rule);

#endif
