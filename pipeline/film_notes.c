/* film_notes.c: see the header. */
#include "film_notes.h"

#include <string.h>

#include "film_time.h"
#include "tsr_alloc.h"

/* ---- a line ---- */

typedef struct line {
    const char *at;
    size_t len;
} line;

static void drop(line *l, size_t n)
{
    l->at += n;
    l->len -= n;
}

static void drop_any(line *l, const char *these)
{
    while (l->len && strchr(these, *l->at) && *l->at)
        drop(l, 1);
}

static bool drop_text(line *l, const char *text)
{
    size_t n = strlen(text);
    if (l->len < n || memcmp(l->at, text, n) != 0)
        return false;
    drop(l, n);
    return true;
}

/* Dashes between times, and before what happens. */
static void drop_joint(line *l)
{
    do
        drop_any(l, " \t*-:])");
    while (drop_text(l, "\xe2\x80\x93") || drop_text(l, "\xe2\x80\x94"));
}

/* Its time, and the one that it lasts to, are taken off. */
static bool take_time(line *l, double *at_s)
{
    line rest = *l;
    double until;
    drop_any(&rest, " \t*-[(");
    drop_text(&rest, "\xe2\x80\xa2");
    drop_any(&rest, " \t*-[(");
    size_t n = tsri_film_time_read(rest.at, rest.len, at_s);
    if (n == 0)
        return false;
    drop(&rest, n);
    drop_joint(&rest);
    drop_any(&rest, "[(");
    if ((n = tsri_film_time_read(rest.at, rest.len, &until)) > 0) {
        drop(&rest, n);
        drop_joint(&rest);
    }
    *l = rest;
    return true;
}

static void trim(line *l)
{
    drop_any(l, " \t\r*`-");
    while (l->len && strchr(" \t\r*`", l->at[l->len - 1]) && l->at[l->len - 1])
        l->len--;
}

/* ---- the list ---- */

static tsr_status add(tsri_film_notes *notes, const line *l, double at_s, bool has_time, tsr_error *err)
{
    if (notes->n == notes->cap) {
        size_t cap = notes->cap ? 2 * notes->cap : 16, bytes;
        tsri_film_note *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(notes->at, bytes) : NULL;
        if (!grown)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu notes", cap);
        notes->at = grown;
        notes->cap = cap;
    }
    tsri_film_note note = {.at_s = at_s, .to_s = at_s, .has_time = has_time, .from = notes->text.len, .len = l->len};
    tsr_status st = tsr_text_add(&notes->text, l->at, l->len, err);
    if (st == TSR_OK)
        notes->at[notes->n++] = note;
    return st;
}

static tsr_status read_line(tsri_film_notes *notes, line l, double from_s, double to_s, double *last_s, tsr_error *err)
{
    double at_s = *last_s;
    bool has_time = take_time(&l, &at_s);
    trim(&l);
    if (l.len == 0)
        return TSR_OK;
    /* Whole seconds are written: a window that begins at 2.5 s has notes at 00:02. */
    if (has_time && (at_s < *last_s - 1 || at_s < from_s - 1 || at_s > to_s))
        notes->n_moved++;
    at_s = at_s < *last_s ? *last_s : at_s > to_s ? to_s : at_s;
    *last_s = at_s;
    return add(notes, &l, at_s, has_time, err);
}

tsr_status tsri_film_notes_read(tsri_film_notes *notes, const char *answer, size_t len, double from_s, double to_s,
                                tsr_error *err)
{
    size_t first = notes->n;
    double last_s = from_s;
    tsr_status st = TSR_OK;
    for (size_t at = 0; at < len && st == TSR_OK;) {
        const char *end = memchr(answer + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (answer + at)) : len - at;
        st = read_line(notes, (line){answer + at, n}, from_s, to_s, &last_s, err);
        at += n + 1;
    }
    for (size_t i = first; i < notes->n; i++)
        notes->at[i].to_s = i + 1 < notes->n ? notes->at[i + 1].at_s : to_s;
    return st;
}

tsr_status tsri_film_notes_write(const tsri_film_notes *notes, size_t first, tsr_text *out, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = first; i < notes->n && st == TSR_OK; i++) {
        const tsri_film_note *n = &notes->at[i];
        char time[TSRI_FILM_TIME];
        tsri_film_time_write(time, n->at_s, false);
        st = tsr_text_add(out, time, strlen(time), err);
        if (st == TSR_OK)
            st = tsr_text_add(out, " ", 1, err);
        if (st == TSR_OK)
            st = tsr_text_add(out, notes->text.at + n->from, n->len, err);
        if (st == TSR_OK)
            st = tsr_text_add(out, "\n", 1, err);
    }
    return st;
}

void tsri_film_notes_deinit(tsri_film_notes *notes)
{
    tsr_text_deinit(&notes->text);
    tsr_free(notes->at);
    memset(notes, 0, sizeof *notes);
}
