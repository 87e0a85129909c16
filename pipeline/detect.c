/* detect.c: boxes in pictures, pages and frames. Gemma's answer doesn't say which of several pictures a box belongs to,
 * so each is shown in a prompt of its own, one after the other. */
#include "detect.h"

#include <stdio.h>
#include <string.h>

#include "boxes.h"
#include "budget.h"
#include "detect_out.h"
#include "json_build.h"
#include "overlay.h"
#include "result_internal.h"
#include "run.h"
#include "text_build.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "views.h"

/* Corrections that are told while work goes on; the result holds all. */
enum { MOST_TOLD = 5 };

typedef struct detect {
    tessera_model *m;
    const tessera_request *rq;
    const tessera_detect_opts *o;
    tsri_ask_fn *ask;
    tessera_event_fn fn;
    void *user;
    tsri_views *views;
    tessera_part *parts; /* system texts, the picture, the question: [n_parts] */
    size_t n_parts, picture; /* which of them is the picture */
    tsr_text question;
    tsri_detect_format format;
    tsri_build boxes;    /* of all pictures */
    tsri_build pictures; /* one object for each */
    size_t n_done, n_failed;
    bool cancelled;
    tsr_error first; /* of the pictures that failed */
    tsr_error *err;
} detect;

/* ---- the form of the answer ---- */

/* What the model learned to write, in its fence or without: the list of boxes alone. Labels end, and so does white
 * space. */
#define LIST_OF(item) \
    "root ::= \"```json\\n\" list \"\\n```\" | list\n" \
    "list ::= \"[\" ws (item (\",\" ws item)* ws)? \"]\"\n" \
    "item ::= \"{\" ws (" item " \",\" ws label | label \",\" ws " item ") ws \"}\"\n" \
    "label ::= \"\\\"label\\\":\" \" \"? \"\\\"\" char{0,128} \"\\\"\"\n" \
    "char ::= [^\"\\\\\\x00-\\x1F\\x7F] | \"\\\\\" [\"\\\\/bfnrt]\n" \
    "number ::= \"0\" | [1-9] [0-9]{0,2} | \"1000\"\n" \
    "ws ::= (\" \" | \"\\n\" \" \"{0,16})?\n"

static const char box_grammar[] =
    LIST_OF("box") "box ::= \"\\\"box_2d\\\":\" \" \"? \"[\" ws number (\",\" ws number){3} ws \"]\"\n";
static const char point_grammar[] =
    LIST_OF("point") "point ::= \"\\\"point\\\":\" \" \"? \"[\" ws number \",\" ws number ws \"]\"\n";

/* ---- the question ---- */

static tsr_status write_question(detect *d)
{
    static const char boxes[] = " Answer with a JSON list of objects {\"box_2d\": [y1, x1, y2, x2], \"label\": ...}, "
                                "coordinates in thousandths of the image's height and width.";
    static const char points[] = " Answer with a JSON list of objects {\"point\": [y, x], \"label\": ...}, "
                                 "coordinates in thousandths of the image's height and width.";
    const char *labels = d->o->labels, *point = d->o->point;
    const char *pieces[] = {point    ? "Point to this in the image: "
                            : labels ? "Detect these objects in the image: "
                                     : "Detect all objects in the image",
                            point ? point : labels ? labels : "", ".", point ? points : boxes};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces && st == TSR_OK; i++)
        st = tsr_text_add(&d->question, pieces[i], strlen(pieces[i]), d->err);
    return st;
}

static tsr_status make_parts(detect *d)
{
    if (d->rq->schema || d->rq->grammar)
        return tsr_fail(d->err, TSR_ERR_USAGE, "detect has a grammar of its own");
    if (!(d->parts = tsr_calloc(d->rq->n_parts + 2, sizeof *d->parts)))
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the prompt");
    for (size_t i = 0; i < d->rq->n_parts; i++) {
        if (d->rq->parts[i].kind == TESSERA_PART_TEXT)
            return tsr_fail(d->err, TSR_ERR_USAGE, "detect asks its own question; part %zu is a text", i);
        if (d->rq->parts[i].kind == TESSERA_PART_SYSTEM)
            d->parts[d->n_parts++] = d->rq->parts[i];
    }
    d->picture = d->n_parts++;
    d->parts[d->picture].kind = TESSERA_PART_IMAGE;
    tsr_status st = write_question(d);
    d->parts[d->n_parts++] =
        (tessera_part){.kind = TESSERA_PART_TEXT, .text = d->question.at, .text_len = d->question.len};
    return st;
}

/* ---- telling ---- */

static int tell(detect *d, const char *text)
{
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = text, .len = strlen(text)};
    return d->fn ? d->fn(d->user, &ev) : 0;
}

static void tell_corrections(detect *d, const tsri_boxes *b, const char *name)
{
    size_t n = tsr_json_len(b->corrections);
    char line[768];
    for (size_t i = 0; i < n && i < MOST_TOLD; i++) {
        snprintf(line, sizeof line, "%s: %s", name, tsr_json_string(tsr_json_at(b->corrections, i), NULL));
        tell(d, line);
    }
    snprintf(line, sizeof line, "%s: %zu further corrections stand in the whole result (--json)", name,
             n > MOST_TOLD ? n - MOST_TOLD : 0);
    if (n > MOST_TOLD)
        tell(d, line);
}

/* ---- JSON ---- */

static tsr_json *boxes_json(const detect *d, const tsri_boxes *b, const tsri_view *v, tsri_build *also_to)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < b->n; i++) {
        tsri_build for_all = {tsri_box_json(&b->at[i]), false};
        for_all.failed = !for_all.v;
        tsri_views_put_place(d->views, &for_all, v, false);
        tsri_add(&list, tsri_box_json(&b->at[i]));
        tsri_add(also_to, tsri_build_end(&for_all));
    }
    return tsri_build_end(&list);
}

static tsr_json *size_json(const tsr_image *picture)
{
    tsri_build size = tsri_build_list();
    tsri_add_size(&size, picture->width);
    tsri_add_size(&size, picture->height);
    return tsri_build_end(&size);
}

/* The run's own result, and what the answer means. b->corrections is handed over. */
static tsr_status add_picture(detect *d, const tsri_view *v, const tessera_result *r, tsri_boxes *b,
                              const char *overlay, const char *failure)
{
    tsr_json *base = r ? tsri_result_json(r, d->err) : tsr_json_new_object();
    tsri_build o = {base, base == NULL};
    tsri_views_put_place(d->views, &o, v, true);
    if (v->picture.rgb)
        tsri_put(&o, "source_size", size_json(&v->picture));
    if (v->warning[0])
        tsri_put_text(&o, "warning", v->warning);
    if (failure)
        tsri_put_text(&o, "error", failure);
    if (b) {
        tsri_put(&o, "boxes", boxes_json(d, b, v, &d->boxes));
        tsri_put(&o, "corrections", b->corrections);
        b->corrections = NULL;
    }
    if (overlay)
        tsri_put_text(&o, "overlay", overlay);
    tsri_add(&d->pictures, tsri_build_end(&o));
    if (d->pictures.failed || d->boxes.failed)
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result as JSON");
    return TSR_OK;
}

/* ---- one picture ---- */

static tsr_status set_aside(detect *d, const tsri_view *v, const tessera_result *r, size_t n, const tsr_error *why)
{
    if (d->n_failed == 0)
        d->first = *why;
    d->n_failed += n;
    tsr_status st = add_picture(d, v, r, NULL, NULL, why->text);
    if (tsri_views_n(d->views) > 1)
        tell(d, why->text);
    return st;
}

static tsr_status draw(const detect *d, const tsri_view *v, const tsri_boxes *b, size_t i, char **path, tsr_error *why)
{
    if (!d->o->overlay)
        return TSR_OK;
    if (!(*path = tsri_overlay_path(d->o->overlay, i, tsri_views_n(d->views))))
        return tsr_fail(why, TSR_ERR_NOMEM, "out of memory: the name of an overlay");
    return tsri_overlay_write(*path, &v->picture, b->at, b->n, why);
}

/* The answer's boxes, checked, those of `least` pixels and more; `why` says what is wrong with them. */
static tsr_status read_boxes(const tessera_result *r, const tsri_view *v, const char *name, size_t least, tsri_boxes *b,
                             tsr_error *why)
{
    tsr_error inner = {TSR_OK, ""};
    bool cut = strcmp(r->finish, "length") == 0;
    tsr_status st = tsri_boxes_parse(b, r->text.at, r->text.len - 1, v->picture.width, v->picture.height, &inner);
    if (st == TSR_OK && least)
        st = tsri_boxes_leave_small(b, least, &inner);
    if (st != TSR_OK)
        tsr_fail(why, st, "%s: %s%s", name,
                 cut ? "(the answer was cut off at --max-tokens or the context) " : "", inner.text);
    return st;
}

static tsr_status use_answer(detect *d, const tsri_view *v, const tessera_result *r, size_t i)
{
    char name[512], *overlay = NULL;
    tsri_boxes b = {0};
    tsr_error why = {TSR_OK, ""};
    tsri_view_name(name, sizeof name, v);
    tsr_status st = read_boxes(r, v, name, d->o->min_area, &b, &why);
    if (st == TSR_OK) {
        tell_corrections(d, &b, name);
        st = draw(d, v, &b, i, &overlay, &why);
    }
    if (st == TSR_OK) {
        d->n_done++;
        st = add_picture(d, v, r, &b, overlay, NULL);
    } else {
        st = tsri_is_of_one_view(st) ? set_aside(d, v, r, 1, &why) : tsr_fail(d->err, st, "%s", why.text);
    }
    tsri_boxes_deinit(&b);
    tsr_free(overlay);
    return st;
}

static tsr_status look_at(detect *d, const tsri_view *v, size_t i)
{
    tessera_request rq = *d->rq;
    tessera_result *r = NULL;
    tsr_error why = {TSR_OK, ""};
    char name[512];
    tsri_view_name(name, sizeof name, v);
    d->parts[d->picture].path = name;
    rq.parts = d->parts;
    rq.n_parts = d->n_parts;
    rq.grammar = d->o->point ? point_grammar : box_grammar;
    rq.grammar_name = d->o->point ? "list of points" : "list of boxes";
    if (v->kind == TSRI_PAGE && !rq.max_budget)
        rq.max_budget = tsri_budget_most(d->m, &rq, true); /* it is handed on as a picture */
    if (v->kind == TSRI_VIDEO)
        rq.budget = tsri_or_size(rq.video_budget, TSRI_DEFAULT_VIDEO_BUDGET);
    if (v->warning[0]) {
        char line[1024];
        snprintf(line, sizeof line, "%s may lack something: %s", name, v->warning);
        tell(d, line);
    }
    tsr_status st = d->ask(d->m, &rq, &v->picture, d->fn, d->user, &r, &why);
    if (st == TSR_OK && strcmp(r->finish, "cancelled") == 0)
        st = tsr_fail(&why, TSR_ERR_CANCELLED, "%s: stopped on request before the answer was complete", name);
    if (st == TSR_OK)
        st = use_answer(d, v, r, i);
    else if (tsri_is_of_one_view(st))
        st = set_aside(d, v, NULL, 1, &why);
    else
        tsr_fail(d->err, st, "%s", why.text);
    tessera_result_free(r);
    return st;
}

/* ---- all pictures ---- */

static tsr_status look_at_all(detect *d)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; st == TSR_OK;) {
        tsri_view v;
        bool end;
        size_t n_skipped;
        tsr_error why = {TSR_OK, ""};
        tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = "picture", .len = 7, .done = i,
                            .total = tsri_views_n(d->views)};
        if (d->fn && d->fn(d->user, &ev))
            return tsr_fail(d->err, TSR_ERR_CANCELLED, "stopped on request");
        st = tsri_views_next(d->views, &v, &end, &n_skipped, &why);
        if (st == TSR_OK && end)
            break;
        if (st == TSR_OK)
            st = look_at(d, &v, i);
        else
            st = tsri_is_of_one_view(st) ? set_aside(d, &v, NULL, n_skipped, &why) : tsr_fail(d->err, st, "%s", why.text);
        i += n_skipped ? n_skipped : 1;
        tsr_image_deinit(&v.picture);
    }
    return st;
}

/* The bare list, one box on a line. */
static tsr_status write_list(char **out, const tsr_json *list, tsr_error *err)
{
    tsr_text text = {0};
    size_t n = tsr_json_len(list);
    tsr_status st = tsr_text_add(&text, "[", 1, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        char *box;
        st = tsr_json_dump(&box, tsr_json_at(list, i), 0, err);
        if (st == TSR_OK)
            st = tsr_text_add(&text, i ? ",\n " : "\n ", i ? 3 : 2, err);
        if (st == TSR_OK)
            st = tsr_text_add(&text, box, strlen(box), err);
        tsr_free(box);
    }
    if (st == TSR_OK)
        st = tsr_text_add(&text, n ? "\n]" : "]", n ? 3 : 2, err);
    if (st == TSR_OK)
        *out = text.at;
    else
        tsr_text_deinit(&text);
    return st;
}

static tsr_status write_format(detect *d, char **out)
{
    tsr_json *pictures = tsri_build_end(&d->pictures);
    tsr_status st = pictures ? tsri_detect_write(d->format, pictures, d->o->labels, d->o->folder, out, d->err)
                             : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result");
    tsr_json_free(pictures);
    return st;
}

static tsr_status write_result(detect *d, int as_json, char **out)
{
    if (d->format != TSRI_BOXES_JSON)
        return write_format(d, out);
    tsr_json *boxes = tsri_build_end(&d->boxes);
    tsr_status st = boxes ? TSR_OK : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result");
    if (st == TSR_OK && !as_json)
        st = write_list(out, boxes, d->err);
    if (st != TSR_OK || !as_json) {
        tsr_json_free(boxes);
        return st;
    }
    tsri_build o = tsri_build_object();
    tsri_put(&o, "boxes", boxes);
    tsri_put(&o, "pictures", tsri_build_end(&d->pictures));
    tsri_put_size(&o, "failed", d->n_failed);
    tsri_put_bool(&o, "cancelled", d->cancelled);
    tsr_json *whole = tsri_build_end(&o);
    st = whole ? tsr_json_dump(out, whole, 0, d->err) : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result");
    tsr_json_free(whole);
    return st;
}

/* A picture is not drawn over. */
static tsr_status spare_files(const detect *d)
{
    size_t n = tsri_views_n(d->views);
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        char *path = tsri_overlay_path(d->o->overlay, i, n);
        if (!path)
            return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the name of an overlay");
        for (size_t k = 0; k < d->rq->n_parts && st == TSR_OK && tsr_file_exists(path); k++)
            if (d->rq->parts[k].path && !d->rq->parts[k].data && tsr_file_is_same(path, d->rq->parts[k].path))
                st = tsr_fail(d->err, TSR_ERR_USAGE, "%s: the overlay would be written over the picture", path);
        tsr_free(path);
    }
    return st;
}

static tsr_status check_opts(detect *d)
{
    tsr_status st = tsri_detect_format_find(&d->format, d->o->format, d->err);
    if (st == TSR_OK && d->format != TSRI_BOXES_JSON && d->o->as_json)
        return tsr_fail(d->err, TSR_ERR_USAGE, "the whole result is JSON; it has no form '%s'", d->o->format);
    if (st == TSR_OK && (d->format == TSRI_BOXES_YOLO) != (d->o->folder != NULL))
        return tsr_fail(d->err, TSR_ERR_USAGE, d->o->folder ? "a folder is for boxes in the form yolo alone"
                                                            : "boxes in the form yolo need a folder (--output-dir DIR)");
    if (st == TSR_OK && d->o->point && (d->o->labels || d->format == TSRI_BOXES_YOLO))
        return tsr_fail(d->err, TSR_ERR_USAGE, d->o->labels ? "either labels or a thing to point to"
                                                            : "points can't be written in the form yolo");
    return st == TSR_OK && d->o->overlay ? tsri_overlay_check(d->o->overlay, d->err) : st;
}

static tsr_status detect_all(detect *d, char **out)
{
    tsr_status st = check_opts(d);
    if (st == TSR_OK)
        st = make_parts(d);
    if (st == TSR_OK)
        st = tsri_views_open(&d->views, d->m, d->rq, d->err);
    if (st == TSR_OK && tsri_views_n(d->views) == 0)
        st = tsr_fail(d->err, TSR_ERR_USAGE, "detect needs at least one picture, film or PDF");
    if (st == TSR_OK && d->o->overlay)
        st = spare_files(d);
    if (st == TSR_OK && d->rq->dump && tsri_views_n(d->views) > 1)
        st = tsr_fail(d->err, TSR_ERR_USAGE, "a dump is of one picture, and here are %zu", tsri_views_n(d->views));
    if (st == TSR_OK)
        st = look_at_all(d);
    if (st == TSR_ERR_CANCELLED && d->n_done) {
        tsr_error_clear(d->err); /* what is done is kept */
        d->cancelled = true;
        st = TSR_OK;
    }
    if (st == TSR_OK && d->n_done == 0)
        st = tsr_fail(d->err, d->first.status, "%s", d->first.text);
    return st == TSR_OK ? write_result(d, d->o->as_json, out) : st;
}

tsr_status tsri_detect(tessera_model *m, const tessera_request *rq, const tessera_detect_opts *opts, tsri_ask_fn *ask,
                       tessera_event_fn fn, void *user, char **out, size_t *n_failed, tsr_error *err)
{
    static const tessera_detect_opts none = {0};
    detect d = {.m = m, .rq = rq, .o = opts ? opts : &none, .ask = ask, .fn = fn, .user = user, .err = err,
                .boxes = tsri_build_list(), .pictures = tsri_build_list()};
    *out = NULL;
    tsr_status st = detect_all(&d, out);
    *n_failed = d.n_failed;
    tsri_views_close(d.views);
    tsr_text_deinit(&d.question);
    tsr_free(d.parts);
    tsr_json_free(d.boxes.v);
    tsr_json_free(d.pictures.v);
    return st;
}

tessera_status tessera_detect(tessera_model *m, const tessera_request *rq, const tessera_detect_opts *opts,
                              tessera_event_fn fn, void *user, char **out, size_t *n_failed, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_public(perr, tsri_detect(m, rq, opts, tsri_run, fn, user, out, n_failed, &err), &err);
}
