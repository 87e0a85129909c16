/* grammar_internal.h: what a grammar is inside: a network of states over bytes. Written by grammar_gbnf.c and the
 * schema_*.c, checked by grammar_finish.c, read by grammar_run.c and grammar_guide.c.
 *
 * A rule is a start and an end state and what lies between them. An arc takes one byte of a range, nothing, or
 * whatever another rule takes (a call), once or several times (a repetition). Nothing leaves the end state of a rule.
 * Texts are UTF-8: no arc spells anything else. */
#ifndef TSRI_GRAMMAR_H
#define TSRI_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_grammar.h"

enum {
    TSRI_NET_MAX_STATES = 1 << 20, /* limits of one grammar, so that a short text can't ask for much memory */
    TSRI_NET_MAX_ARCS = 1 << 21,
    TSRI_NET_MAX_RULES = 1 << 18,
    TSRI_PLAIN_MOST = 63, /* a longer run of plain characters counts as this one */
    TSRI_LONGEST = 1 << 28 /* bytes of a shortest text that we still count */
};
#define TSRI_NO_MAX UINT32_MAX /* a repetition without an upper bound */
#define TSRI_NEVER UINT32_MAX  /* the distance of a state from which no text ends */
#define TSRI_NONE UINT32_MAX

typedef enum tsri_arc_kind { TSRI_ARC_BYTES, TSRI_ARC_EMPTY, TSRI_ARC_CALL, TSRI_ARC_REPEAT } tsri_arc_kind;

typedef struct tsri_arc {
    uint32_t from, to;
    uint32_t what; /* CALL: the rule; REPEAT: the entry of `repeats` */
    uint8_t kind, lo, hi; /* BYTES: from lo to hi, both included */
    bool tail;     /* CALL: nothing is left to do at `to` but to return */
} tsri_arc;

typedef struct tsri_repeat {
    uint32_t rule, min, max, to;
} tsri_repeat;

typedef struct tsri_rule {
    uint32_t start, end;
    uint32_t name;  /* in `names`; TSRI_NONE: made on the way, its owner has the name */
    uint32_t owner; /* the rule it was made for; itself when it has a name */
    uint32_t rank;  /* a rule that calls another before any byte has the lower rank */
    uint32_t least; /* bytes of its shortest text; TSRI_NEVER: there is none */
    bool plain;     /* takes any single plain character (see tsri_net_chars) */
} tsri_rule;

typedef struct tsri_link { /* one plain character leads from a state to another */
    uint32_t from, to;
} tsri_link;

struct tsr_grammar { /* the network; while it is written, `status` keeps the first failure */
    tsri_arc *arcs; /* finished: those of a state side by side, in the order of states */
    size_t n_arcs, cap_arcs;
    size_t n_states;
    uint32_t *first; /* finished: [n_states + 1] in `arcs` */
    uint32_t *dist;  /* finished: [n_states] bytes of the shortest way to the end of the state's rule */
    uint8_t *is_end; /* finished: [n_states] the end of a rule */
    uint8_t *run;    /* finished: [n_states] so many plain characters can come one after the other, whatever they are */
    uint32_t *run_far; /* finished: [n_states] at least the bytes to the end of the rule behind each of those */
    tsri_rule *rules;
    size_t n_rules, cap_rules;
    tsri_repeat *repeats;
    size_t n_repeats, cap_repeats;
    tsri_link *links;
    size_t n_links, cap_links;
    char *names; /* terminated, one after the other */
    size_t names_len, names_cap;
    uint32_t root;
    bool byte_used[256]; /* finished: some arc takes it */
    uint8_t class_of[256]; /* finished: bytes of one class are taken by the same arcs; classes in the order of bytes */
    uint32_t n_classes;
    tsr_status status;
    tsr_error *err; /* only while it is written */
};

/* The value of a hexadecimal digit, -1 for other characters. */
static inline int tsri_hex(char c)
{
    int low = c | 0x20;
    return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* ---- writing; after a failure all of these do nothing ---- */

/* An empty network; NULL when memory is short. tsr_grammar_close frees it. */
tsr_grammar *tsri_net_new(tsr_error *err);
tsr_status tsri_net_fail(tsr_grammar *g, tsr_status st, const char *fmt, ...) TSR_PRINTF(3, 4);

uint32_t tsri_net_state(tsr_grammar *g);
/* name NULL: a rule made on the way for `owner`. */
uint32_t tsri_net_rule(tsr_grammar *g, const char *name, size_t name_len, uint32_t owner);
void tsri_net_empty(tsr_grammar *g, uint32_t from, uint32_t to);
void tsri_net_bytes(tsr_grammar *g, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to);
void tsri_net_call(tsr_grammar *g, uint32_t from, uint32_t rule, uint32_t to);
void tsri_net_repeat(tsr_grammar *g, uint32_t from, uint32_t rule, uint32_t min, uint32_t max, uint32_t to);
void tsri_net_text(tsr_grammar *g, uint32_t from, const char *s, size_t len, uint32_t to);
const char *tsri_net_rule_name(const tsr_grammar *g, uint32_t rule);

/* Sets of characters: sorted ranges apart from each other. Zeroed is empty; tsri_chars_deinit frees. */
typedef struct tsri_range {
    uint32_t lo, hi;
} tsri_range;

typedef struct tsri_chars {
    tsri_range *at;
    size_t n, cap;
} tsri_chars;

enum { TSRI_LAST_CHAR = 0x10FFFF };

void tsri_chars_deinit(tsri_chars *c);
tsr_status tsri_chars_add(tsri_chars *c, uint32_t lo, uint32_t hi, tsr_error *err); /* lo <= hi */
tsr_status tsri_chars_join(tsri_chars *c, const tsri_chars *other, tsr_error *err);
tsr_status tsri_chars_negate(tsri_chars *c, tsr_error *err); /* surrogates stay out */
bool tsri_chars_has(const tsri_chars *c, uint32_t ch);
bool tsri_chars_all(const tsri_chars *c, uint32_t lo, uint32_t hi); /* has each of them */
tsr_status tsri_chars_common(tsri_chars *out, const tsri_chars *a, const tsri_chars *b, tsr_error *err);

/* One character of the set, in UTF-8; as_json: as it stands in a JSON string, where each character has one spelling:
 * \" \\ \b \f \n \r \t, \u00xx for other controls, itself else. Surrogates are left out. A set that holds all plain
 * characters (U+0020 and above but for " \ and U+007F) makes a link. */
void tsri_net_chars(tsr_grammar *g, uint32_t from, const tsri_chars *set, bool as_json, uint32_t to);
/* The same by way of a rule that takes one character of the set, for sets whose spelling is long. */
void tsri_net_chars_by(tsr_grammar *g, uint32_t from, const tsri_chars *set, uint32_t rule, uint32_t to);
bool tsri_is_plain(uint32_t ch);
/* Plain characters come in 32 kinds: small letters, capitals, digits, the space, all beyond ASCII, and signs. The kind of
 * the character that a byte is, or is a part of, as a bit. */
uint32_t tsri_plain_kind(uint8_t byte);
/* The spelling of one character in a JSON string; gives the bytes written, 6 at most. */
size_t tsri_json_char(char out[8], uint32_t ch);

/* ---- finishing ---- */

/* Check and index the network whose whole texts are those of `root`. TSR_ERR_USAGE names a rule that is left-recursive,
 * or says that no text ends. */
tsr_status tsri_net_finish(tsr_grammar *g, uint32_t root);

#endif
