/* pdf.c: a document through pdfinfo (what is there) and pdftoppm (one page as PPM). What they print is
 * read as untrusted bytes too: it is made from the document. */
#include "tsr_pdf.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pdf_internal.h"
#include "source_internal.h"
#include "tsr_alloc.h"

enum { HEAD_BYTES = 1024, TAIL_BYTES = 4096, INFO_BYTES = 1 << 20, MAX_PAGES = 1000000, PPM_HEAD = 64 };

tsr_pdf_opts tsr_pdf_opts_default(void)
{
    const tsr_pdf_opts o = {178956970, UINT64_C(2) << 30, UINT64_C(2) << 30, 60, 60000};
    return o;
}

/* ---- what can be seen without poppler ---- */

static bool contains(const unsigned char *p, size_t n, const char *what)
{
    size_t k = strlen(what);
    for (size_t i = 0; i + k <= n; i++)
        if (memcmp(p + i, what, k) == 0)
            return true;
    return false;
}

static tsr_status check_ends(const tsr_source *src, const tsr_pdf_opts *opts, tsr_error *err)
{
    unsigned char b[TAIL_BYTES];
    const char *name = tsr_source_name(src);
    uint64_t size = tsr_source_size(src);
    size_t n;
    if (size == 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is empty", name);
    if (size > opts->max_bytes)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %llu bytes, the limit is %llu", name, (unsigned long long)size,
                        (unsigned long long)opts->max_bytes);
    tsr_status st = tsr_source_read(src, 0, b, HEAD_BYTES, &n, err);
    if (st == TSR_OK && !contains(b, n, "%PDF-"))
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is no PDF document", name);
    if (st != TSR_OK)
        return st;
    st = tsr_source_read(src, size > TAIL_BYTES ? size - TAIL_BYTES : 0, b, TAIL_BYTES, &n, err);
    if (st == TSR_OK && !contains(b, n, "%%EOF"))
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: it is cut short, its end mark is missing", name);
    return st;
}

/* ---- poppler ---- */

/* The first line of what a program complained about, without control characters. */
static void first_line(char *out, size_t cap, const char *text)
{
    size_t n = strcspn(text, "\n");
    n = n < cap - 1 ? n : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    out[n] = '\0';
}

tsr_status tsri_pdf_refuse(const tsr_pdf *d, const tsri_run_result *r, const char *what, tsr_error *err)
{
    char why[200];
    first_line(why, sizeof why, r->errors);
    if (strstr(r->errors, "ncorrect password") || strstr(r->errors, "ncrypt") || strstr(r->errors, "ecurity handler"))
        return tsr_fail(err, TSR_ERR_DATA, "%s: is encrypted: it needs a password", d->name);
    if (strstr(r->errors, "last page (0)"))
        return tsr_fail(err, TSR_ERR_DATA, "%s: is empty: it has no pages", d->name);
    if (r->signal)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: %s (signal %d ended the program)", d->name, what,
                        r->signal);
    return tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: %s%s%s", d->name, what, why[0] ? ": " : "", why);
}

/* Run pdfinfo over pages first to last; its output is terminated. */
static tsr_status run_info(const tsr_pdf *d, size_t page, char **text, tsr_error *err)
{
    char number[32];
    tsri_run_result r;
    const tsri_run_limits limits = {INFO_BYTES, d->opts.max_memory, d->opts.cpu_seconds, d->opts.timeout_ms};
    snprintf(number, sizeof number, "%zu", page);
    const char *const argv[] = {"pdfinfo", "-f", number, "-l", number, TSRI_PDF_INPUT, NULL};
    tsr_status st = tsri_run_program(&r, d->pdfinfo, argv, d->fd, &limits, "pdfinfo", err);
    if (st != TSR_OK)
        return st;
    if (r.exit_code != 0)
        st = tsri_pdf_refuse(d, &r, "it cannot be opened", err);
    else if (!(*text = tsr_strndup((const char *)r.out, r.out_len)))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", d->name);
    tsr_free(r.out);
    return st;
}

/* What follows the last line that begins with `key`. Titles and other texts of the document are printed
 * before, so the last one is pdfinfo's own. */
static const char *last_value(const char *text, const char *key)
{
    const char *found = NULL;
    size_t n = strlen(key);
    for (const char *at = text; at && *at;) {
        if (strncmp(at, key, n) == 0)
            found = at + n;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return found;
}

static tsr_status count_pages(tsr_pdf *d, tsr_error *err)
{
    char *text = NULL;
    tsr_status st = run_info(d, 1, &text, err);
    if (st != TSR_OK)
        return st;
    const char *v = last_value(text, "Pages:");
    long n = v ? strtol(v, NULL, 10) : -1;
    if (n < 0)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: the number of its pages is not known", d->name);
    else if (n == 0)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is empty: it has no pages", d->name);
    else if (n > MAX_PAGES)
        st = tsr_fail(err, TSR_ERR_LIMIT, "%s: %ld pages, the limit is %d", d->name, n, MAX_PAGES);
    else
        d->n_pages = (size_t)n;
    tsr_free(text);
    return st;
}

tsr_status tsr_pdf_open(tsr_pdf **out, const tsr_source *src, const tsr_pdf_opts *opts, tsr_error *err)
{
    const tsr_pdf_opts def = tsr_pdf_opts_default();
    *out = NULL;
    opts = opts ? opts : &def;
    tsr_status st = check_ends(src, opts, err);
    if (st != TSR_OK)
        return st;
    tsr_pdf *d = tsr_calloc(1, sizeof *d);
    if (!d)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", tsr_source_name(src));
    d->opts = *opts;
    d->name = tsr_source_name(src);
    d->fd = -1;
    st = tsri_find_program(&d->pdfinfo, "pdfinfo", TSRI_PDF_PACKAGE, err);
    if (st == TSR_OK)
        st = tsri_find_program(&d->pdftoppm, "pdftoppm", TSRI_PDF_PACKAGE, err);
    if (st == TSR_OK)
        st = tsri_source_dup_fd(src, &d->fd, err);
    if (st == TSR_OK)
        st = count_pages(d, err);
    if (st != TSR_OK) {
        tsr_pdf_close(d);
        return st;
    }
    *out = d;
    return TSR_OK;
}

void tsr_pdf_close(tsr_pdf *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        close(d->fd);
    tsr_free(d->pdfinfo);
    tsr_free(d->pdftoppm);
    tsr_free(d->pdftotext);
    tsr_free(d);
}

size_t tsr_pdf_n_pages(const tsr_pdf *d)
{
    return d->n_pages;
}

const char *tsr_pdf_warning(const tsr_pdf *d)
{
    return d->warning;
}

/* ---- one page ---- */

tsr_status tsri_pdf_check_page(const tsr_pdf *d, size_t page, tsr_error *err)
{
    if (page >= 1 && page <= d->n_pages)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_USAGE, "%s: there is no page %zu, the document has %zu", d->name, page, d->n_pages);
}

/* "612 x 792 pts (letter)" */
static bool take_size(const char *v, double *w, double *h)
{
    char *end;
    if (!v)
        return false;
    *w = strtod(v, &end);
    if (end == v || strncmp(end, " x ", 3) != 0)
        return false;
    v = end + 3;
    *h = strtod(v, &end);
    return end != v && isfinite(*w) && isfinite(*h) && *w > 0 && *h > 0;
}

tsr_status tsr_pdf_page_size(tsr_pdf *d, size_t page, double *width_pt, double *height_pt, tsr_error *err)
{
    char *text = NULL, key[48];
    tsr_status st = tsri_pdf_check_page(d, page, err);
    if (st == TSR_OK)
        st = run_info(d, page, &text, err);
    if (st != TSR_OK)
        return st;
    snprintf(key, sizeof key, "Page %4zu size:", page);
    if (!take_size(last_value(text, key), width_pt, height_pt)) {
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: page %zu has no size", d->name, page);
    } else {
        snprintf(key, sizeof key, "Page %4zu rot:", page);
        const char *v = last_value(text, key);
        long turn = v ? strtol(v, NULL, 10) : 0;
        if (turn == 90 || turn == 270) {
            double w = *width_pt;
            *width_pt = *height_pt;
            *height_pt = w;
        }
    }
    tsr_free(text);
    return st;
}

/* One number of a PPM header: space, comments, digits. */
static bool take_number(const unsigned char *p, size_t n, size_t *at, size_t *value)
{
    size_t i = *at;
    *value = 0;
    while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r'))
        i++;
    size_t first = i;
    for (; i < n && p[i] >= '0' && p[i] <= '9' && *value < 1000000; i++)
        *value = *value * 10 + (size_t)(p[i] - '0');
    *at = i;
    return i > first;
}

/* out := the one binary PPM in p; it owns a copy. */
static tsr_status take_ppm(const tsr_pdf *d, size_t page, const unsigned char *p, size_t n, tsr_image *out,
                           tsr_error *err)
{
    size_t at = 2, w, h, top, bytes;
    bool ok = n > 2 && p[0] == 'P' && p[1] == '6' && take_number(p, n, &at, &w) && take_number(p, n, &at, &h) &&
              take_number(p, n, &at, &top) && top == 255 && w > 0 && h > 0 && at < n;
    if (!ok || h > d->opts.max_pixels / w || !tsr_mul_size(&bytes, w * h, 3) || n - at - 1 != bytes)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: page %zu did not become a picture", d->name, page);
    tsr_status st = tsr_alloc_array(&out->rgb, bytes, 1, "a page", err);
    if (st != TSR_OK)
        return st;
    memcpy(out->rgb, p + at + 1, bytes);
    out->width = w;
    out->height = h;
    return TSR_OK;
}

tsr_status tsr_pdf_render(tsr_pdf *d, size_t page, double dpi, tsr_image *out, tsr_error *err)
{
    double w_pt, h_pt;
    char number[32], resolution[32];
    tsri_run_result r;
    memset(out, 0, sizeof *out);
    d->warning[0] = '\0';
    if (!(dpi >= 1 && dpi <= 2400))
        return tsr_fail(err, TSR_ERR_USAGE, "%s: %g dots per inch is outside 1 to 2,400", d->name, dpi);
    tsr_status st = tsr_pdf_page_size(d, page, &w_pt, &h_pt, err);
    if (st != TSR_OK)
        return st;
    double w = ceil(w_pt * dpi / 72) + 1, h = ceil(h_pt * dpi / 72) + 1;
    if (w * h > (double)d->opts.max_pixels)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: page %zu would have %.0f x %.0f pixels, the limit is %zu", d->name,
                        page, w - 1, h - 1, d->opts.max_pixels);
    const tsri_run_limits limits = {(size_t)(w * h) * 3 + PPM_HEAD, d->opts.max_memory, d->opts.cpu_seconds,
                                    d->opts.timeout_ms};
    snprintf(number, sizeof number, "%zu", page);
    snprintf(resolution, sizeof resolution, "%.4f", dpi);
    const char *const argv[] = {"pdftoppm", "-r", resolution, "-f", number, "-l", number, "-cropbox", TSRI_PDF_INPUT, NULL};
    st = tsri_run_program(&r, d->pdftoppm, argv, d->fd, &limits, "pdftoppm", err);
    if (st != TSR_OK)
        return st;
    if (r.exit_code != 0 || r.out_len == 0)
        st = tsri_pdf_refuse(d, &r, "a page cannot be drawn", err);
    else
        st = take_ppm(d, page, r.out, r.out_len, out, err);
    first_line(d->warning, sizeof d->warning, r.errors);
    tsr_free(r.out);
    return st;
}

double tsr_pdf_dpi_for(double width_pt, double height_pt, size_t target_pixels)
{
    const double spare = 1.25, low = 50, high = 600;
    double area = width_pt * height_pt;
    if (!(area > 0) || !isfinite(area))
        return low;
    double dpi = ceil(spare * 72 * sqrt((double)target_pixels / area));
    return dpi < low ? low : dpi > high ? high : dpi;
}

/* ---- page ranges ---- */

typedef struct range {
    size_t first, last;
} range;

static tsr_status bad_pages(const char *text, const char *why, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_USAGE, "pages '%.100s': %s", text, why);
}

static bool take_page(const char **at, size_t *page)
{
    const char *p = *at;
    *page = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (*page <= MAX_PAGES)
            *page = *page * 10 + (size_t)(*p - '0');
    bool ok = p != *at;
    *at = p;
    return ok;
}

/* One "N", "N-M" or "N-" and the comma behind it. */
static tsr_status take_range(const char *text, const char **at, size_t n_pages, range *r, tsr_error *err)
{
    char why[96];
    if (!take_page(at, &r->first))
        return bad_pages(text, "a page number is missing", err);
    r->last = r->first;
    if (**at == '-') {
        ++*at;
        if (**at == '\0' || **at == ',')
            r->last = n_pages > r->first ? n_pages : r->first;
        else if (!take_page(at, &r->last))
            return bad_pages(text, "a page number is missing", err);
    }
    if (**at != '\0' && **at != ',')
        return bad_pages(text, "only numbers, '-' and ',' are understood", err);
    if (r->first == 0)
        return bad_pages(text, "pages are counted from 1", err);
    if (r->last < r->first)
        return bad_pages(text, "a range runs backwards", err);
    if (r->last > n_pages) {
        snprintf(why, sizeof why, "there is no page %zu, the document has %zu", r->first > n_pages ? r->first : r->last,
                 n_pages);
        return bad_pages(text, why, err);
    }
    if (**at == ',' && *++*at == '\0')
        return bad_pages(text, "a page number is missing", err);
    return TSR_OK;
}

/* Walk the text; with pages NULL only count. */
static tsr_status walk_pages(const char *text, size_t n_pages, size_t max, size_t *pages, size_t *n, tsr_error *err)
{
    const char *at = text;
    *n = 0;
    do {
        range r = {1, n_pages};
        tsr_status st = *text ? take_range(text, &at, n_pages, &r, err) : TSR_OK;
        if (st != TSR_OK)
            return st;
        if (r.last - r.first >= max - *n)
            return tsr_fail(err, TSR_ERR_LIMIT, "pages '%.100s': more than the limit of %zu pages", text, max);
        for (size_t p = r.first; p <= r.last; p++, ++*n)
            if (pages)
                pages[*n] = p;
    } while (*at);
    return TSR_OK;
}

tsr_status tsr_pdf_pages_parse(size_t **pages, size_t *n, const char *text, size_t n_pages, size_t max, tsr_error *err)
{
    *pages = NULL;
    *n = 0;
    text = text ? text : "";
    tsr_status st = walk_pages(text, n_pages, max, NULL, n, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(pages, *n, sizeof **pages, "page numbers", err);
    if (st == TSR_OK)
        st = walk_pages(text, n_pages, max, *pages, n, err);
    return st;
}
