/* page_text.c: pdftotext -bbox-layout and what it prints, XHTML of one form alone:
 *
 *   ... <doc> <page width="" height=""> ( <flow> ( <block xMin="" yMin="" xMax="" yMax=""> ( <line ...>
 *   ( <word ...>text</word> )* </line> )* </block> )* </flow> )* </page> </doc> ...
 *
 * It is made from the document and so read as untrusted bytes. Each element has its own bytes, so that counting their
 * beginnings says how much memory all of them can need. */
#include "tsr_page_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pdf_internal.h"
#include "tsr_alloc.h"

enum { MAX_XML_BYTES = 32 << 20, MAX_DIGITS = 9 };

typedef struct reader {
    const char *begin, *at, *end;
    bool bad; /* sticks; `at` stays where it went wrong */
    tsr_page_text *t;
    char *chars; /* free from here on */
    size_t flow;
} reader;

/* ---- pieces ---- */

static bool wrong(reader *r)
{
    r->bad = true;
    return false;
}

static void skip_space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool starts(const reader *r, const char *text)
{
    size_t n = strlen(text);
    return !r->bad && n <= (size_t)(r->end - r->at) && memcmp(r->at, text, n) == 0;
}

static bool take(reader *r, const char *text)
{
    if (!starts(r, text))
        return wrong(r);
    r->at += strlen(text);
    return true;
}

/* Behind white space: is it this? Taken if so. */
static bool took(reader *r, const char *text)
{
    if (!r->bad)
        skip_space(r);
    return starts(r, text) && take(r, text);
}

static bool is_digit(const reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* "-12.345000": what a page may have, nothing with an exponent, no nan. */
static bool take_number(reader *r, double *out)
{
    double whole = 0, part = 0, unit = 1;
    bool minus = starts(r, "-") && take(r, "-");
    size_t n = 0;
    for (; is_digit(r) && n < MAX_DIGITS; n++)
        whole = whole * 10 + (*r->at++ - '0');
    if (n == 0 || is_digit(r))
        return wrong(r);
    if (starts(r, ".") && take(r, "."))
        for (n = 0; is_digit(r) && n < MAX_DIGITS; n++) {
            part = part * 10 + (*r->at++ - '0');
            unit *= 10;
        }
    *out = minus ? -(whole + part / unit) : whole + part / unit;
    return true;
}

/* ` NAME="NUMBER"` */
static bool take_attribute(reader *r, const char *name, double *out)
{
    return take(r, " ") && take(r, name) && take(r, "=\"") && take_number(r, out) && take(r, "\"");
}

static double within(double x, double most)
{
    return x < 0 ? 0 : x > most ? most : x;
}

/* The attributes of a box, the '>' behind them; *seen: some of it is on the page. */
static bool take_box(reader *r, tsr_page_box *box, bool *seen)
{
    double a, b, c, d;
    if (!take_attribute(r, "xMin", &a) || !take_attribute(r, "yMin", &b) || !take_attribute(r, "xMax", &c) ||
        !take_attribute(r, "yMax", &d) || !take(r, ">"))
        return false;
    double x0 = a < c ? a : c, x1 = a < c ? c : a, y0 = b < d ? b : d, y1 = b < d ? d : b;
    *seen = x1 >= 0 && y1 >= 0 && x0 <= r->t->width && y0 <= r->t->height;
    box->x0 = within(x0, r->t->width);
    box->x1 = within(x1, r->t->width);
    box->y0 = within(y0, r->t->height);
    box->y1 = within(y1, r->t->height);
    return true;
}

static void grow(tsr_page_box *box, const tsr_page_box *by)
{
    box->x0 = by->x0 < box->x0 ? by->x0 : box->x0;
    box->y0 = by->y0 < box->y0 ? by->y0 : box->y0;
    box->x1 = by->x1 > box->x1 ? by->x1 : box->x1;
    box->y1 = by->y1 > box->y1 ? by->y1 : box->y1;
}

/* ---- text ---- */

/* Bytes of the character at s, of n > 0 bytes; 0: it is no UTF-8. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
               (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

static bool take_entity(reader *r)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    static const char chars[] = "&<>\"'";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (starts(r, names[i])) {
            *r->chars++ = chars[i];
            return take(r, names[i]);
        }
    return wrong(r);
}

/* Up to the next '<', terminated. Control characters are left out; a byte that is no UTF-8 becomes '?'. */
static bool take_text(reader *r)
{
    while (r->at < r->end && *r->at != '<') {
        const unsigned char *s = (const unsigned char *)r->at;
        size_t n = utf8_len(s, (size_t)(r->end - r->at));
        if (*r->at == '&') {
            if (!take_entity(r))
                return false;
            continue;
        }
        bool control = s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && n == 2 && s[1] < 0xa0);
        if (n == 0)
            *r->chars++ = '?';
        for (size_t i = 0; i < n && !control; i++)
            *r->chars++ = r->at[i];
        r->at += n ? n : 1;
    }
    *r->chars++ = '\0';
    return true;
}

/* ---- elements: each begins behind its name ---- */

static bool take_word(reader *r)
{
    tsr_page_word w = {.text = r->chars};
    bool seen = false;
    if (!take_box(r, &w.box, &seen) || !take_text(r) || !take(r, "</word>"))
        return false;
    w.len = (size_t)(r->chars - w.text) - 1;
    if (seen && w.len > 0)
        r->t->words[r->t->n_words++] = w;
    return true;
}

static bool take_line(reader *r)
{
    tsr_page_line l = {.first = r->t->n_words};
    bool seen;
    if (!take_box(r, &l.box, &seen))
        return false;
    while (took(r, "<word"))
        if (!take_word(r))
            return false;
    if (!took(r, "</line>"))
        return wrong(r);
    l.n = r->t->n_words - l.first;
    if (l.n == 0)
        return true;
    l.box = r->t->words[l.first].box;
    for (size_t i = 1; i < l.n; i++)
        grow(&l.box, &r->t->words[l.first + i].box);
    r->t->lines[r->t->n_lines++] = l;
    return true;
}

static bool take_block(reader *r)
{
    tsr_page_block b = {.first = r->t->n_lines, .flow = r->flow};
    bool seen;
    if (!take_box(r, &b.box, &seen))
        return false;
    while (took(r, "<line"))
        if (!take_line(r))
            return false;
    if (!took(r, "</block>"))
        return wrong(r);
    b.n = r->t->n_lines - b.first;
    if (b.n == 0)
        return true;
    b.box = r->t->lines[b.first].box;
    for (size_t i = 1; i < b.n; i++)
        grow(&b.box, &r->t->lines[b.first + i].box);
    r->t->blocks[r->t->n_blocks++] = b;
    return true;
}

static bool take_page(reader *r)
{
    double ignored; /* pdfinfo knows whether the page is turned, and this does not */
    if (!took(r, "<page") || !take_attribute(r, "width", &ignored) || !take_attribute(r, "height", &ignored) ||
        !take(r, ">"))
        return wrong(r);
    for (; took(r, "<flow>"); r->flow++) {
        while (took(r, "<block"))
            if (!take_block(r))
                return false;
        if (!took(r, "</flow>"))
            return wrong(r);
    }
    return (took(r, "</page>") && took(r, "</doc>")) || wrong(r);
}

/* ---- all of it ---- */

static const char *find(const char *at, const char *end, const char *what)
{
    size_t n = strlen(what);
    for (; (size_t)(end - at) >= n && (at = memchr(at, what[0], (size_t)(end - at) - n + 1)); at++)
        if (memcmp(at, what, n) == 0)
            return at;
    return NULL;
}

static size_t count(const reader *r, const char *what)
{
    size_t n = 0;
    for (const char *at = r->at; (at = find(at, r->end, what)); at++)
        n++;
    return n;
}

static tsr_status make_room(reader *r, tsr_error *err)
{
    tsr_page_text *t = r->t;
    static const char what[] = "the text of a page";
    size_t n_words = count(r, "<word");
    tsr_status st = tsr_alloc_array(&t->words, n_words, sizeof *t->words, what, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->lines, count(r, "<line"), sizeof *t->lines, what, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->blocks, count(r, "<block"), sizeof *t->blocks, what, err);
    /* A word's text and its end take less room than its element did. */
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->chars, (size_t)(r->end - r->at), 1, what, err);
    r->chars = t->chars;
    return st;
}

tsr_status tsri_page_text_parse(tsr_page_text *t, const char *xml, size_t len, const char *name, size_t page, tsr_error *err)
{
    const char *doc = find(xml, xml + len, "<doc>");
    reader r = {.begin = xml, .at = doc ? doc + strlen("<doc>") : xml, .end = xml + len, .bad = !doc, .t = t};
    tsr_status st = r.bad ? TSR_OK : make_room(&r, err);
    if (st == TSR_OK && (r.bad || !take_page(&r)))
        st = tsr_fail(err, TSR_ERR_DATA, "%s: page %zu: what pdftotext says about its text is not understood (byte %zu)",
                      name, page, (size_t)(r.at - r.begin));
    if (st != TSR_OK)
        tsr_page_text_deinit(t);
    return st;
}

void tsr_page_text_deinit(tsr_page_text *t)
{
    tsr_free(t->words);
    tsr_free(t->lines);
    tsr_free(t->blocks);
    tsr_free(t->chars);
    memset(t, 0, sizeof *t);
}

tsr_status tsr_pdf_page_text(tsr_pdf *d, size_t page, tsr_page_text *out, tsr_error *err)
{
    char number[32];
    tsri_run_result r = {0};
    const tsri_run_limits limits = {MAX_XML_BYTES, d->opts.max_memory, d->opts.cpu_seconds, d->opts.timeout_ms};
    memset(out, 0, sizeof *out);
    tsr_status st = tsri_pdf_check_page(d, page, err);
    if (st == TSR_OK && !d->pdftotext)
        st = tsri_find_program(&d->pdftotext, "pdftotext", TSRI_PDF_PACKAGE, err);
    if (st == TSR_OK)
        st = tsr_pdf_page_size(d, page, &out->width, &out->height, err);
    if (st != TSR_OK)
        goto done;
    snprintf(number, sizeof number, "%zu", page);
    const char *const argv[] = {"pdftotext", "-enc", "UTF-8", "-cropbox", "-bbox-layout", "-f", number, "-l", number,
                                TSRI_PDF_INPUT, "-", NULL};
    st = tsri_run_program(&r, d->pdftotext, argv, d->fd, &limits, "pdftotext", err);
    if (st != TSR_OK)
        goto done;
    if (r.exit_code != 0)
        st = tsri_pdf_refuse(d, &r, "the text of a page cannot be read", err);
    else
        st = tsri_page_text_parse(out, (const char *)r.out, r.out_len, d->name, page, err);
    tsr_free(r.out);
done:
    if (st != TSR_OK)
        tsr_page_text_deinit(out);
    return st;
}
