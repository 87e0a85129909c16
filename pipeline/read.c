/* read.c: pages become text. Each is shown in a prompt of its own: its picture, then what its text layer says, then the
 * question. */
#include "read.h"

#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "json_build.h"
#include "page_fields.h"
#include "page_layer.h"
#include "result_internal.h"
#include "run.h"
#include "text_build.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "views.h"

enum { DEFAULT_MAX_LAYER = 16384, DEFAULT_MAX_TOKENS = 4096, MOST_FOR_PAGES = 1120 };

typedef enum form { FORM_MD, FORM_TXT, FORM_JSON } form;

static const char *const form_names[] = {"md", "txt", "json"};

typedef struct reading {
    tessera_model *m;
    tessera_request rq; /* the caller's, with what pages need */
    const tessera_read_opts *o;
    tsri_ask_fn *ask;
    tessera_event_fn fn;
    void *user;
    form form;
    tsri_views *views;
    tessera_part *parts; /* system texts, the picture, the question: [n_parts] */
    size_t n_parts, picture;
    tsr_text text;    /* of all pages, in their form */
    tsri_build pages; /* one object for each */
    size_t n_seen, n_done, n_failed;
    bool cancelled;
    tsr_error first; /* of the pages that failed */
    tsr_error *err;
} reading;

/* One page on its way. */
typedef struct page {
    const tsri_view *v;
    char name[512];
    tsr_page_text layer;
    bool has_layer; /* it was read and holds words */
    size_t n_layer, n_given; /* its bytes, and how many of them the model gets */
    tsr_text question;
    const char *text; /* the answer without fence and white space at its end: [len] */
    size_t len;
    bool is_cut;      /* it ends where tokens ran out */
    tsr_json *value;  /* of the form JSON */
    tsr_json *fields;
} page;

/* ---- telling ---- */

static void tell(const reading *d, const page *p, const char *what)
{
    char line[1536];
    int n = snprintf(line, sizeof line, "%s: %s", p->name, what);
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = line, .len = n < (int)sizeof line ? (size_t)n : sizeof line - 1};
    if (d->fn)
        d->fn(d->user, &ev);
}

/* ---- the question ---- */

static tsr_status add(tsr_text *t, const char *s, tsr_error *err)
{
    return tsr_text_add(t, s, strlen(s), err);
}

static tsr_status write_question(const reading *d, page *p)
{
    static const char *const questions[] = {
        ("Write down all that stands on this page as Markdown, in the order of reading: headings, paragraphs, lists, "
         "tables. Answer with the Markdown alone."),
        "Write down all text on this page, in the order of reading. Answer with the text alone.",
        "Fill in what stands on this page. Answer with JSON alone, of this JSON Schema:\n"};
    tsr_error *err = d->err;
    tsr_text *q = &p->question;
    tsr_status st = TSR_OK;
    if (p->has_layer && !d->o->no_layer) {
        st = add(q, "The text that the file holds for this page (it may lack what is drawn, and stand in another order):\n\n", err);
        size_t before = q->len;
        if (st == TSR_OK)
            st = tsri_layer_text(q, &p->layer, tsri_or_size(d->o->max_layer, DEFAULT_MAX_LAYER), &p->n_layer, err);
        p->n_given = q->len - before;
        if (st == TSR_OK)
            st = add(q, "\n", err);
        if (p->n_given == 0)
            q->len = 0;
    }
    if (st == TSR_OK)
        st = add(q, questions[d->form], err);
    return st == TSR_OK && d->form == FORM_JSON ? add(q, d->rq.schema, err) : st;
}

static tsr_status make_parts(reading *d)
{
    const tessera_request *rq = &d->rq;
    if (!(d->parts = tsr_calloc(rq->n_parts + 2, sizeof *d->parts)))
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the prompt");
    for (size_t i = 0; i < rq->n_parts; i++) {
        if (rq->parts[i].kind == TESSERA_PART_TEXT)
            return tsr_fail(d->err, TSR_ERR_USAGE, "read asks its own question; part %zu is a text", i);
        if (rq->parts[i].kind == TESSERA_PART_SYSTEM)
            d->parts[d->n_parts++] = rq->parts[i];
    }
    d->picture = d->n_parts;
    d->n_parts += 2;
    return TSR_OK;
}

/* ---- the result ---- */

static tsr_json *size_json(double w, double h, bool is_whole)
{
    tsri_build size = tsri_build_list();
    tsri_add(&size, is_whole ? tsr_json_new_i64((int64_t)w) : tsr_json_new_double(w));
    tsri_add(&size, is_whole ? tsr_json_new_i64((int64_t)h) : tsr_json_new_double(h));
    return tsri_build_end(&size);
}

/* The run's own result, and what is known of the page. p->value and p->fields are handed over. */
static tsr_status add_page(reading *d, page *p, const tessera_result *r, const char *failure)
{
    const tsri_view *v = p->v;
    tsr_json *base = r ? tsri_result_json(r, d->err) : tsr_json_new_object();
    tsri_build o = {base, base == NULL};
    tsri_views_put_place(d->views, &o, v, true);
    if (v->picture.rgb)
        tsri_put(&o, "source_size", size_json((double)v->picture.width, (double)v->picture.height, true));
    if (p->has_layer)
        tsri_put(&o, "size_pt", size_json(p->layer.width, p->layer.height, false));
    tsri_put(&o, "layer", p->has_layer ? tsri_layer_json(&p->layer, p->n_layer, p->n_given) : tsr_json_new_null());
    if (r)
        tsri_put(&o, "text", tsr_json_new_string(p->text, p->len));
    if (r)
        tsri_put_bool(&o, "cut", p->is_cut);
    if (p->value)
        tsri_put(&o, "value", p->value);
    if (p->fields)
        tsri_put(&o, "fields", p->fields);
    p->value = p->fields = NULL;
    if (v->warning[0])
        tsri_put_text(&o, "warning", v->warning);
    if (failure)
        tsri_put_text(&o, "error", failure);
    tsri_add(&d->pages, tsri_build_end(&o));
    return d->pages.failed ? tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result as JSON") : TSR_OK;
}

/* What stands before a page's text: in Markdown, where there are several pages, a rule and which page it is; in plain text a form
 * feed. */
static tsr_status begin_page(reading *d, const page *p)
{
    char line[640], name[sizeof p->name];
    bool several = tsri_views_n(d->views) > 1;
    if (d->form == FORM_TXT)
        return d->n_seen ? add(&d->text, "\f", d->err) : TSR_OK;
    if (d->form == FORM_JSON || !several)
        return TSR_OK;
    snprintf(name, sizeof name, "%s", p->name);
    for (char *at = name; (at = strstr(at, "--"));)
        at[1] = '_'; /* a name doesn't end the comment */
    snprintf(line, sizeof line, "%s<!-- %s -->\n\n", d->n_seen ? "\n---\n\n" : "", name);
    return add(&d->text, line, d->err);
}

/* {"page", "value"}, or "error" in place of the value. */
static tsr_status write_json_page(reading *d, const page *p, const char *failure)
{
    tsri_build o = tsri_build_object();
    char *head = NULL, *value = NULL;
    tsri_views_put_place(d->views, &o, p->v, false);
    if (failure)
        tsri_put_text(&o, "error", failure);
    tsr_json *place = tsri_build_end(&o);
    tsr_status st = place ? tsr_json_dump(&head, place, 0, d->err) : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: a page");
    if (st == TSR_OK && !failure)
        st = tsr_json_dump(&value, p->value, 0, d->err);
    if (st == TSR_OK)
        st = add(&d->text, d->n_seen ? ",\n " : "[\n ", d->err);
    if (st == TSR_OK)
        st = tsr_text_add(&d->text, head, strlen(head) - (failure ? 0 : 1), d->err);
    if (st == TSR_OK && !failure)
        st = add(&d->text, tsr_json_len(place) ? ",\"value\":" : "\"value\":", d->err);
    if (st == TSR_OK && !failure)
        st = add(&d->text, value, d->err);
    if (st == TSR_OK && !failure)
        st = add(&d->text, "}", d->err);
    tsr_json_free(place);
    tsr_free(head);
    tsr_free(value);
    return st;
}

static tsr_status write_page(reading *d, const page *p, const char *failure)
{
    tsr_status st = d->form == FORM_JSON ? write_json_page(d, p, failure) : begin_page(d, p);
    if (st == TSR_OK && !failure && d->form != FORM_JSON)
        st = tsr_text_add(&d->text, p->text, p->len, d->err);
    if (st == TSR_OK && !failure && d->form != FORM_JSON && p->len)
        st = add(&d->text, "\n", d->err);
    if (st == TSR_OK && failure && d->form == FORM_MD)
        st = add(&d->text, "<!-- this page could not be read -->\n", d->err);
    d->n_seen++;
    return st;
}

/* ---- one page ---- */

/* r may be NULL; n pages are counted. */
static tsr_status set_aside(reading *d, page *p, const tessera_result *r, size_t n, const tsr_error *why)
{
    if (d->n_failed == 0)
        d->first = *why;
    d->n_failed += n;
    tsr_status st = write_page(d, p, why->text);
    if (st == TSR_OK)
        st = add_page(d, p, r, why->text);
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = why->text, .len = strlen(why->text)};
    if (d->fn && tsri_views_n(d->views) > 1)
        d->fn(d->user, &ev);
    return st;
}

/* A layer that can't be read leaves the picture, and is told. */
static tsr_status read_layer(const reading *d, page *p)
{
    tsr_error why = {TSR_OK, ""};
    char line[1200];
    if (p->v->kind != TSRI_PAGE)
        return TSR_OK;
    tsr_status st = tsr_pdf_page_text(p->v->pdf, p->v->page, &p->layer, &why);
    p->has_layer = st == TSR_OK && p->layer.n_words > 0;
    if (st == TSR_OK || !tsri_is_of_one_view(st) || st == TSR_ERR_UNSUPPORTED)
        return st == TSR_OK ? TSR_OK : tsr_fail(d->err, st, "%s", why.text);
    snprintf(line, sizeof line, "its text layer is not used: %s", why.text);
    tell(d, p, line);
    return TSR_OK;
}

/* One color everywhere, and no words. */
static bool is_empty(const page *p)
{
    const tsr_image *i = &p->v->picture;
    size_t n = i->width * i->height * 3;
    if (p->has_layer || n < 6)
        return false;
    return memcmp(i->rgb, i->rgb + 3, n - 3) == 0;
}

/* The whole answer in a fence is meant without it. */
static void take_text(page *p, const tessera_result *r)
{
    const char *s = r->text.at;
    size_t n = r->text.len - 1;
    tsr_utf8_strip(&s, &n);
    const char *line = memchr(s, '\n', n);
    if (n > 6 && memcmp(s, "```", 3) == 0 && line && memcmp(s + n - 3, "```", 3) == 0 && s[n - 4] == '\n') {
        size_t head = (size_t)(line - s) + 1;
        n = n - 4 > head ? n - 4 - head : 0;
        s += head;
    }
    p->text = s;
    p->len = n;
    p->is_cut = strcmp(r->finish, "length") == 0;
}

static tsr_status take_value(page *p, tsr_error *why)
{
    tsr_error inner = {TSR_OK, ""};
    tsr_status st = tsr_json_parse(&p->value, p->text, p->len, "the answer", &inner);
    if (st == TSR_ERR_MODEL)
        st = TSR_ERR_DATA;
    if (st != TSR_OK)
        return tsr_fail(why, st, "%s: %s%s", p->name, p->is_cut ? "(cut off at --max-tokens or the context) " : "", inner.text);
    return tsri_fields_find(&p->fields, p->value, p->has_layer ? &p->layer : NULL, p->v->kind == TSRI_PAGE ? p->v->page : 0, why);
}

static tsr_status use_answer(reading *d, page *p, const tessera_result *r)
{
    tsr_error why = {TSR_OK, ""};
    take_text(p, r);
    tsr_status st = d->form == FORM_JSON ? take_value(p, &why) : TSR_OK;
    if (st != TSR_OK)
        return tsri_is_of_one_view(st) ? set_aside(d, p, r, 1, &why) : tsr_fail(d->err, st, "%s", why.text);
    d->n_done++;
    if (p->is_cut) {
        d->n_failed++; /* its text stays, but it is not the whole page */
        tell(d, p, "the answer was cut off at --max-tokens or the context; what there is of it is kept");
    }
    st = write_page(d, p, NULL);
    return st == TSR_OK ? add_page(d, p, r, NULL) : st;
}

static tsr_status ask(reading *d, page *p)
{
    tessera_request rq = d->rq;
    tessera_result *r = NULL;
    tsr_error why = {TSR_OK, ""};
    d->parts[d->picture] = (tessera_part){.kind = TESSERA_PART_IMAGE, .path = p->name};
    d->parts[d->picture + 1] = (tessera_part){.kind = TESSERA_PART_TEXT, .text = p->question.at, .text_len = p->question.len};
    rq.parts = d->parts;
    rq.n_parts = d->n_parts;
    tsr_status st = d->ask(d->m, &rq, &p->v->picture, d->fn, d->user, &r, &why);
    if (st == TSR_OK && strcmp(r->finish, "cancelled") == 0)
        st = tsr_fail(&why, TSR_ERR_CANCELLED, "%s: stopped on request before the answer was complete", p->name);
    if (st == TSR_OK)
        st = use_answer(d, p, r);
    else if (tsri_is_of_one_view(st))
        st = set_aside(d, p, NULL, 1, &why);
    else
        tsr_fail(d->err, st, "%s", why.text);
    tessera_result_free(r);
    return st;
}

static void tell_before(const reading *d, const page *p)
{
    char line[700];
    if (p->v->warning[0]) {
        snprintf(line, sizeof line, "may lack something: %s", p->v->warning);
        tell(d, p, line);
    }
    if (p->n_given < p->n_layer) {
        snprintf(line, sizeof line, "of the %zu bytes of its text layer the model gets the first %zu (--max-layer)", p->n_layer,
                 p->n_given);
        tell(d, p, line);
    }
}

static tsr_status read_page(reading *d, page *p)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = read_layer(d, p);
    if (st == TSR_OK && is_empty(p)) {
        tsr_fail(&why, TSR_ERR_DATA, "%s: is empty: nothing is drawn on it", p->name);
        return set_aside(d, p, NULL, 1, &why);
    }
    if (st == TSR_OK)
        st = write_question(d, p);
    if (st != TSR_OK)
        return st;
    tell_before(d, p);
    return ask(d, p);
}

static void page_deinit(page *p)
{
    tsr_page_text_deinit(&p->layer);
    tsr_text_deinit(&p->question);
    tsr_json_free(p->value);
    tsr_json_free(p->fields);
}

/* ---- all pages ---- */

static tsr_status read_all(reading *d)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; st == TSR_OK;) {
        tsri_view v;
        bool end;
        size_t n_skipped;
        tsr_error why = {TSR_OK, ""};
        tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = "page", .len = 4, .done = i, .total = tsri_views_n(d->views)};
        if (d->fn && d->fn(d->user, &ev))
            return tsr_fail(d->err, TSR_ERR_CANCELLED, "stopped on request");
        st = tsri_views_next(d->views, &v, &end, &n_skipped, &why);
        if (st == TSR_OK && end)
            break;
        page p = {.v = &v};
        tsri_view_name(p.name, sizeof p.name, &v);
        if (st == TSR_OK)
            st = read_page(d, &p);
        else
            st = tsri_is_of_one_view(st) ? set_aside(d, &p, NULL, n_skipped, &why) : tsr_fail(d->err, st, "%s", why.text);
        i += n_skipped ? n_skipped : 1;
        page_deinit(&p);
        tsr_image_deinit(&v.picture);
    }
    return st;
}

static tsr_status write_whole(reading *d, char **out)
{
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "format", form_names[d->form]);
    tsri_put(&o, "pages", tsri_build_end(&d->pages));
    tsri_put_size(&o, "failed", d->n_failed);
    tsri_put_bool(&o, "cancelled", d->cancelled);
    tsr_json *whole = tsri_build_end(&o);
    tsr_status st = whole ? tsr_json_dump(out, whole, 0, d->err) : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result");
    tsr_json_free(whole);
    return st;
}

static tsr_status write_text(reading *d, char **out)
{
    tsr_status st = d->form == FORM_JSON ? add(&d->text, "\n]\n", d->err) : TSR_OK;
    if (st == TSR_OK)
        st = tsr_text_add(&d->text, "", 1, d->err);
    if (st == TSR_OK) {
        *out = d->text.at;
        d->text = (tsr_text){0};
    }
    return st;
}

/* ---- what was asked for ---- */

static tsr_status check_opts(reading *d)
{
    const char *name = d->o->format ? d->o->format : d->rq.schema ? "json" : "md";
    size_t i = 0;
    while (i < 3 && strcmp(name, form_names[i]) != 0)
        i++;
    if (i == 3)
        return tsr_fail(d->err, TSR_ERR_USAGE, "pages become md, txt or json, not '%s'", name);
    d->form = (form)i;
    if (d->rq.grammar)
        return tsr_fail(d->err, TSR_ERR_USAGE, "read takes a schema, but no grammar");
    if (d->rq.schema && d->form != FORM_JSON)
        return tsr_fail(d->err, TSR_ERR_USAGE, "a schema is for the form json, not %s", name);
    if (!d->rq.schema && d->form == FORM_JSON)
        return tsr_fail(d->err, TSR_ERR_USAGE, "the form json needs a schema (--schema)");
    return TSR_OK;
}

/* A document is not written over; and what can't be written is told before hours of work. */
static tsr_status check_path(const reading *d)
{
    const char *path = d->o->path, *slash = path ? strrchr(path, '/') : NULL;
    if (!path)
        return TSR_OK;
    if (tsri_spare_inputs(&d->rq, path, "the result", d->err) != TSR_OK)
        return TSR_ERR_USAGE;
    if (tsr_file_is_dir(path))
        return tsr_fail(d->err, TSR_ERR_USAGE, "%s: is a folder; the result needs the name of a file", path);
    if (!slash || slash == path)
        return TSR_OK;
    char *dir = tsr_strndup(path, (size_t)(slash - path));
    if (!dir)
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the name of a folder");
    tsr_status st = tsr_file_is_dir(dir) ? TSR_OK : tsr_fail(d->err, TSR_ERR_NOINPUT, "%s: is no folder to write into", dir);
    tsr_free(dir);
    return st;
}

static tsr_status open_pages(reading *d)
{
    tsr_status st = tsri_views_open(&d->views, d->m, &d->rq, d->err);
    const char *film = st == TSR_OK ? tsri_views_film(d->views) : NULL;
    if (film)
        st = tsr_fail(d->err, TSR_ERR_DATA, "%s: is a film; wanted are PDFs and pictures of pages", film);
    if (st == TSR_OK && tsri_views_n(d->views) == 0)
        st = tsr_fail(d->err, TSR_ERR_USAGE, "read needs at least one PDF or picture of a page");
    if (st == TSR_OK && d->rq.dump && tsri_views_n(d->views) > 1)
        st = tsr_fail(d->err, TSR_ERR_USAGE, "a dump is of one page, and here are %zu", tsri_views_n(d->views));
    return st;
}

static tsr_status read_document(reading *d, char **out)
{
    tsr_status st = check_opts(d);
    if (st == TSR_OK)
        st = make_parts(d);
    if (st == TSR_OK)
        st = open_pages(d);
    if (st == TSR_OK)
        st = check_path(d);
    if (st == TSR_OK)
        st = read_all(d);
    if (st == TSR_ERR_CANCELLED && d->n_done) {
        tsr_error_clear(d->err); /* what is done is kept */
        d->cancelled = true;
        st = TSR_OK;
    }
    if (st == TSR_OK && d->n_done == 0)
        st = tsr_fail(d->err, d->first.status, "%s", d->first.text);
    if (st == TSR_OK)
        st = d->o->as_json ? write_whole(d, out) : write_text(d, out);
    return st == TSR_OK && d->o->path ? tsr_file_replace(d->o->path, *out, strlen(*out), d->err) : st;
}

tsr_status tsri_read(tessera_model *m, const tessera_request *rq, const tessera_read_opts *opts, tsri_ask_fn *ask_fn,
                     tessera_event_fn fn, void *user, char **out, size_t *n_failed, tsr_error *err)
{
    static const tessera_read_opts none = {0};
    reading d = {.m = m, .rq = *rq, .o = opts ? opts : &none, .ask = ask_fn, .fn = fn, .user = user, .err = err,
                 .pages = tsri_build_list()};
    *out = NULL;
    d.rq.budget = tsri_or_size(rq->budget, TESSERA_BUDGET_AUTO);
    d.rq.max_budget = tsri_or_size(rq->max_budget, MOST_FOR_PAGES);
    d.rq.max_tokens = tsri_or_size(rq->max_tokens, DEFAULT_MAX_TOKENS);
    tsr_status st = read_document(&d, out);
    *n_failed = d.n_failed;
    tsri_views_close(d.views);
    tsr_text_deinit(&d.text);
    tsr_free(d.parts);
    tsr_json_free(d.pages.v);
    return st;
}

tessera_status tessera_read(tessera_model *m, const tessera_request *rq, const tessera_read_opts *opts, tessera_event_fn fn,
                            void *user, char **out, size_t *n_failed, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_public(perr, tsri_read(m, rq, opts, tsri_run, fn, user, out, n_failed, &err), &err);
}
