/* grammar_plain.c: where plain characters lead (grammar_internal.h says which are plain). Inside a JSON string or a line
 * of text all of them lead to the same place, inside a word all letters do, and what is true there is true behind each. */
#include "grammar_run_internal.h"

/* The encodings of the plain characters: a first byte, a second one, and so many more from 0x80 to 0xBF. */
static const struct {
    uint8_t lo, hi, lo2, hi2, n;
} forms[] = {
    {0x20, '"' - 1, 0, 0, 1}, {'"' + 1, '\\' - 1, 0, 0, 1}, {'\\' + 1, 0x7E, 0, 0, 1},
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};

enum { FIRST_FORM_BEYOND_ASCII = 3 };

uint32_t tsri_plain_kind(uint8_t byte)
{
    if (byte >= 0x80)
        return 1u << 4;
    if (byte == ' ')
        return 1u << 3;
    if (byte >= '0' && byte <= '9')
        return 1u << 2;
    if (byte >= 'A' && byte <= 'Z')
        return 1u << 1;
    if (byte >= 'a' && byte <= 'z')
        return 1u << 0;
    return 1u << (5 + byte % 27); /* some signs share a kind */
}

typedef struct looker {
    tsri_run *r;
    uint32_t *path; /* as in the header */
    size_t *n;
    uint32_t to; /* where those looked at so far lead; TSRI_NOT_KNOWN before the first */
} looker;

/* Byte `at` of form f is taken behind the last place on the path, and then what follows it. False when that leads elsewhere
 * than before. */
static bool look(looker *l, size_t f, int at)
{
    const uint8_t *class_of = tsri_run_grammar(l->r)->class_of;
    unsigned lo = at == 0 ? forms[f].lo : at == 1 ? forms[f].lo2 : 0x80;
    unsigned hi = at == 0 ? forms[f].hi : at == 1 ? forms[f].hi2 : 0xBF;
    for (unsigned b = lo; b <= hi; b++) {
        if (b > lo && class_of[b] == class_of[b - 1])
            continue;
        uint32_t next = tsri_run_step(l->r, &l->path[*l->n - 1], (uint8_t)b);
        if (at + 1 < forms[f].n && next != TSRI_DEAD) {
            l->path[(*l->n)++] = next;
            bool same = look(l, f, at + 1);
            --*l->n;
            if (!same)
                return false;
            continue;
        }
        if (l->to != TSRI_NOT_KNOWN && l->to != next)
            return false;
        l->to = next;
    }
    return true;
}

uint32_t tsri_run_plain_next(tsri_run *r, uint32_t *path, size_t *n)
{
    looker l = {r, path, n, TSRI_NOT_KNOWN};
    const uint32_t *place = &path[*n - 1]; /* it gets another number when places are forgotten */
    unsigned age = tsri_run_age(r);
    bool same = true;
    if (tsri_run_place(r, *place)->plain_next != TSRI_NOT_KNOWN)
        return tsri_run_place(r, *place)->plain_next;
    for (size_t f = 0; f < sizeof forms / sizeof *forms && same; f++)
        same = look(&l, f, 0);
    if (tsri_run_age(r) != age || tsri_run_status(r, NULL) != TSR_OK) /* l.to may be a number of before */
        return TSRI_NONE;
    tsri_run_place(r, *place)->plain_next = same ? l.to : TSRI_NONE;
    return tsri_run_place(r, *place)->plain_next;
}

uint32_t tsri_run_loops(tsri_run *r, uint32_t *path, size_t *n)
{
    const uint32_t *place = &path[*n - 1];
    unsigned age = tsri_run_age(r);
    uint32_t loops = UINT32_MAX;
    if (tsri_run_place(r, *place)->knows_loops)
        return tsri_run_place(r, *place)->loops;
    for (unsigned b = ' '; b <= '~'; b++)
        if (b != '"' && b != '\\' && tsri_run_step(r, place, (uint8_t)b) != *place)
            loops &= ~tsri_plain_kind((uint8_t)b);
    looker l = {r, path, n, *place};
    for (size_t f = FIRST_FORM_BEYOND_ASCII; f < sizeof forms / sizeof *forms; f++)
        if (!look(&l, f, 0)) {
            loops &= ~tsri_plain_kind(forms[f].lo);
            break;
        }
    if (tsri_run_age(r) != age || tsri_run_status(r, NULL) != TSR_OK) /* numbers of before were compared */
        return 0;
    tsri_run_place(r, *place)->knows_loops = true;
    tsri_run_place(r, *place)->loops = loops;
    return loops;
}
