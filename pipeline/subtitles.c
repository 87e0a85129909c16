/* subtitles.c: lines are filled word by word; a cue ends where two lines are full, or at the end of a sentence that
 * is worth a cue, and its two lines are made of like length. */
#include "subtitles.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

enum { WORTH_A_CUE = 20 /* columns from which the end of a sentence ends a cue */ };

/* What is never cut: a word, or a piece of one that is longer than a line. */
typedef struct atom {
    size_t from, to; /* bytes */
    size_t columns;
    bool is_spaced, ends_sentence;
} atom;

typedef struct maker {
    const char *text;
    atom *at; /* [n] */
    size_t n, cap;
    const tsri_window *w;
    double offset_s;
    size_t total; /* columns of all */
    tsr_error *err;
} maker;

/* ---- columns ---- */

static size_t columns_of(uint32_t c)
{
    bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1f9ff) || (c >= 0x20000 && c <= 0x3ffff);
    bool none = (c >= 0x0300 && c <= 0x036f) || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f);
    return none ? 0 : wide ? 2 : 1;
}

static bool ends_sentence(uint32_t c)
{
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xff01 || c == 0xff1f ||
           c == 0x061f || c == 0x0964;
}

/* ---- atoms ---- */

static tsr_status add_atom(maker *m, atom a)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 64, bytes;
        atom *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(m->at, bytes) : NULL;
        if (!grown)
            return tsr_fail(m->err, TSR_ERR_NOMEM, "out of memory: %zu words", cap);
        m->at = grown;
        m->cap = cap;
    }
    m->at[m->n++] = a;
    m->total += a.columns + a.is_spaced;
    return TSR_OK;
}

static tsr_status add_word(maker *m, const tsri_word *w)
{
    tsr_status st = TSR_OK;
    atom a = {.from = w->from, .to = w->from, .is_spaced = w->is_spaced && m->n > 0};
    while (a.to < w->to && st == TSR_OK) {
        uint32_t c;
        bool ok;
        size_t k = tsr_utf8_read(m->text + a.to, w->to - a.to, &c, &ok), wide = columns_of(c);
        if (a.columns + wide > TSRI_CUE_COLUMNS) {
            st = add_atom(m, a);
            a = (atom){.from = a.to, .to = a.to};
        }
        a.to += k;
        a.columns += wide;
        a.ends_sentence = ends_sentence(c);
    }
    return st == TSR_OK ? add_atom(m, a) : st;
}

/* ---- lines ---- */

/* Columns of atoms [i, end) in one line. */
static size_t width(const maker *m, size_t i, size_t end)
{
    size_t n = 0;
    for (size_t k = i; k < end; k++)
        n += m->at[k].columns + (k > i && m->at[k].is_spaced);
    return n;
}

/* Where the line that begins at atom i ends: as many as fit, at least one. */
static size_t line_end(const maker *m, size_t i)
{
    size_t end = i + 1, n = m->at[i].columns;
    while (end < m->n && n + m->at[end].columns + m->at[end].is_spaced <= TSRI_CUE_COLUMNS) {
        n += m->at[end].columns + m->at[end].is_spaced;
        end++;
    }
    return end;
}

static size_t cue_end(const maker *m, size_t i)
{
    size_t end = line_end(m, i);
    if (end < m->n)
        end = line_end(m, end);
    size_t n = 0;
    for (size_t k = i; k + 1 < end; k++) {
        n += m->at[k].columns + m->at[k].is_spaced;
        if (m->at[k].ends_sentence && n >= WORTH_A_CUE)
            return k + 1;
    }
    return end;
}

/* Where the second line of the cue [i, end) begins; end: one line is enough. */
static size_t break_of(const maker *m, size_t i, size_t end)
{
    size_t whole = width(m, i, end), best = line_end(m, i), least = SIZE_MAX;
    if (whole <= TSRI_CUE_COLUMNS)
        return end;
    for (size_t k = i + 1; k < end; k++) {
        size_t a = width(m, i, k), b = width(m, k, end), apart = a > b ? a - b : b - a;
        if (a <= TSRI_CUE_COLUMNS && b <= TSRI_CUE_COLUMNS && apart < least) {
            least = apart;
            best = k;
        }
    }
    return best;
}

/* ---- times ---- */

static double place_s(const maker *m, size_t columns_before, bool is_beginning)
{
    double part = m->total ? (double)columns_before / (double)m->total : 0;
    return m->offset_s + tsri_window_place(m->w, part, is_beginning) * TSR_VOICE_FRAME / TSR_VOICE_RATE;
}

static int64_t at_least(double ms, int64_t least)
{
    int64_t x = ms < 9e15 ? (int64_t)llround(ms) : INT64_MAX / 2;
    return x > least ? x : least;
}

static tsri_cue make_cue(const maker *m, size_t i, size_t end, size_t before, size_t after, int64_t *last_ms)
{
    size_t second = break_of(m, i, end);
    tsri_cue c = {.lines = {m->text + m->at[i].from, NULL}, .lens = {m->at[second - 1].to - m->at[i].from, 0}};
    if (second < end) {
        c.lines[1] = m->text + m->at[second].from;
        c.lens[1] = m->at[end - 1].to - m->at[second].from;
    }
    c.from_ms = at_least(place_s(m, before, true) * 1000, *last_ms);
    c.to_ms = at_least(place_s(m, after, false) * 1000, c.from_ms + 1);
    c.from_is_guess = i > 0 || m->w->begins == TSRI_CUT_OVERLAP;
    c.to_is_guess = end < m->n || m->w->ends == TSRI_CUT_OVERLAP;
    *last_ms = c.to_ms;
    return c;
}

static tsr_status make_cues(maker *m, int64_t *last_ms, tsri_cue_fn *fn, void *user)
{
    tsr_status st = TSR_OK;
    size_t before = 0;
    for (size_t i = 0; i < m->n && st == TSR_OK;) {
        size_t end = cue_end(m, i), after = before;
        for (size_t k = i; k < end; k++)
            after += m->at[k].columns + m->at[k].is_spaced;
        tsri_cue c = make_cue(m, i, end, before, after, last_ms);
        st = fn(user, &c, m->err);
        before = after;
        i = end;
    }
    return st;
}

tsr_status tsri_cues_make(const tsri_words *words, const tsri_window *w, double offset_s, int64_t *last_ms,
                          tsri_cue_fn *fn, void *user, tsr_error *err)
{
    maker m = {.text = words->text.at, .w = w, .offset_s = offset_s, .err = err};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < words->n && st == TSR_OK; i++)
        st = add_word(&m, &words->at[i]);
    if (st == TSR_OK)
        st = make_cues(&m, last_ms, fn, user);
    tsr_free(m.at);
    return st;
}

/* ---- files ---- */

const char *tsri_cue_head(tsri_cue_form form)
{
    return form == TSRI_CUE_VTT ? "WEBVTT\n\n" : form == TSRI_CUE_TSV ? "start\tend\ttext\n" : "";
}

static size_t print_time(char *buf, size_t size, int64_t ms, char point)
{
    int n = snprintf(buf, size, "%02" PRId64 ":%02d:%02d%c%03d", ms / 3600000, (int)(ms / 60000 % 60),
                     (int)(ms / 1000 % 60), point, (int)(ms % 1000));
    return n > 0 ? (size_t)n : 0;
}

static tsr_status write_head(tsr_text *out, tsri_cue_form form, size_t n, const tsri_cue *c, tsr_error *err)
{
    char line[128], from[40], to[40];
    char point = form == TSRI_CUE_SRT ? ',' : '.';
    int len;
    print_time(from, sizeof from, c->from_ms, point);
    print_time(to, sizeof to, c->to_ms, point);
    if (form == TSRI_CUE_TSV)
        len = snprintf(line, sizeof line, "%" PRId64 "\t%" PRId64 "\t", c->from_ms, c->to_ms);
    else if (form == TSRI_CUE_SRT)
        len = snprintf(line, sizeof line, "%zu\n%s --> %s\n", n, from, to);
    else
        len = snprintf(line, sizeof line, "%s --> %s\n", from, to);
    return tsr_text_add(out, line, len > 0 ? (size_t)len : 0, err);
}

static const char *escape_of(char c)
{
    return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
}

/* WebVTT has marks of its own; an arrow of SRT must not be made of text. */
static tsr_status write_line(tsr_text *out, tsri_cue_form form, const char *s, size_t len, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < len && st == TSR_OK; i++) {
        const char *as = form == TSRI_CUE_VTT ? escape_of(s[i]) : NULL;
        bool is_arrow = form == TSRI_CUE_SRT && i + 2 < len && memcmp(s + i, "-->", 3) == 0;
        if (as)
            st = tsr_text_add(out, as, strlen(as), err);
        else if (!is_arrow)
            st = tsr_text_add(out, s + i, 1, err);
    }
    return st;
}

tsr_status tsri_cue_write(tsr_text *out, tsri_cue_form form, size_t n, const tsri_cue *c, tsr_error *err)
{
    const char *between = form == TSRI_CUE_TSV ? " " : "\n", *end = form == TSRI_CUE_TSV ? "\n" : "\n\n";
    tsr_status st = write_head(out, form, n, c, err);
    for (size_t i = 0; i < TSRI_CUE_LINES && st == TSR_OK; i++) {
        if (i > 0 && c->lens[i] > 0)
            st = tsr_text_add(out, between, 1, err);
        if (st == TSR_OK)
            st = write_line(out, form, c->lines[i], c->lens[i], err);
    }
    return st == TSR_OK ? tsr_text_add(out, end, strlen(end), err) : st;
}
