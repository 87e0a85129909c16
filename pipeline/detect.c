/* detect.c: boxes in pictures, pages and frames. Gemma's answer doesn't say which of several pictures a box belongs to,
 * so each is shown in a prompt of its own, one after the other. */
#include "detect.h"

#include <stdio.h>
#include <string.h>

#include "detect_look.h"
#include "detect_out.h"
#include "json_build.h"
#include "overlay.h"
#include "run.h"
#include "text_build.h"
#include "tiles.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

/* Corrections that are told while work goes on; the result holds all. */
enum { MOST_TOLD = 5 };

/* Pages that are cut into tiles are rendered with the detail of print, unless a resolution is asked for. */
enum { TILED_DPI = 200 };

typedef struct detect {
    tessera_model *m;
    tessera_request settings; /* the request, with what detect itself says */
    const tessera_request *rq;
    const tessera_detect_opts *o;
    tsri_looker looker;
    tsri_views *views;
    tsr_text question;
    tsri_detect_format format;
    tsri_build boxes;    /* of all pictures */
    tsri_build pictures; /* one object for each */
    tsr_text plan;       /* lines for people, when no more is wanted */
    size_t n_done, n_failed, prompts, soft_tokens;
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
    tsri_looker *l = &d->looker;
    if (d->rq->schema || d->rq->grammar)
        return tsr_fail(d->err, TSR_ERR_USAGE, "detect has a grammar of its own");
    if (!(l->parts = tsr_calloc(d->rq->n_parts + 2, sizeof *l->parts)))
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the prompt");
    for (size_t i = 0; i < d->rq->n_parts; i++) {
        if (d->rq->parts[i].kind == TESSERA_PART_TEXT)
            return tsr_fail(d->err, TSR_ERR_USAGE, "detect asks its own question; part %zu is a text", i);
        if (d->rq->parts[i].kind == TESSERA_PART_SYSTEM)
            l->parts[l->n_parts++] = d->rq->parts[i];
    }
    l->picture = l->n_parts++;
    l->parts[l->picture].kind = TESSERA_PART_IMAGE;
    tsr_status st = write_question(d);
    l->parts[l->n_parts++] =
        (tessera_part){.kind = TESSERA_PART_TEXT, .text = d->question.at, .text_len = d->question.len};
    return st;
}

static void make_settings(detect *d)
{
    tessera_request *rq = &d->settings;
    *rq = *d->rq;
    rq->grammar = d->o->point ? point_grammar : box_grammar;
    rq->grammar_name = d->o->point ? "list of points" : "list of boxes";
    if (d->o->tiles && !rq->dpi)
        rq->dpi = TILED_DPI;
    d->rq = rq;
    d->looker.rq = rq;
}

/* ---- telling ---- */

static void tell_corrections(detect *d, const tsri_boxes *b, const char *name)
{
    size_t n = tsr_json_len(b->corrections);
    char line[768];
    for (size_t i = 0; i < n && i < MOST_TOLD; i++) {
        snprintf(line, sizeof line, "%s: %s", name, tsr_json_string(tsr_json_at(b->corrections, i), NULL));
        tsri_looker_tell(&d->looker, line);
    }
    snprintf(line, sizeof line, "%s: %zu further corrections stand in the whole result (--json)", name,
             n > MOST_TOLD ? n - MOST_TOLD : 0);
    if (n > MOST_TOLD)
        tsri_looker_tell(&d->looker, line);
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

/* The run's own result, and what the answer means. look->facts and its corrections are handed over; NULL: nothing was
 * answered. `good`: the boxes are. */
static tsr_status add_picture(detect *d, const tsri_view *v, tsri_look *look, bool good, const char *overlay,
                              const char *failure)
{
    tsr_json *base = look && look->facts ? look->facts : tsr_json_new_object();
    tsri_build o = {base, base == NULL};
    if (look)
        look->facts = NULL;
    tsri_views_put_place(d->views, &o, v, true);
    if (v->picture.rgb)
        tsri_put(&o, "source_size", size_json(&v->picture));
    if (v->warning[0])
        tsri_put_text(&o, "warning", v->warning);
    if (failure)
        tsri_put_text(&o, "error", failure);
    if (good) {
        tsri_put(&o, "boxes", boxes_json(d, &look->boxes, v, &d->boxes));
        tsri_put(&o, "corrections", look->boxes.corrections);
        look->boxes.corrections = NULL;
    }
    if (overlay)
        tsri_put_text(&o, "overlay", overlay);
    tsri_add(&d->pictures, tsri_build_end(&o));
    if (d->pictures.failed || d->boxes.failed)
        return tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the result as JSON");
    return TSR_OK;
}

/* ---- one picture ---- */

/* look NULL: the picture could not even be read. */
static tsr_status set_aside(detect *d, const tsri_view *v, tsri_look *look, size_t n, const tsr_error *why)
{
    if (d->n_failed == 0)
        d->first = *why;
    d->n_failed += n;
    tsr_status st = add_picture(d, v, look, false, NULL, why->text);
    if (tsri_views_n(d->views) > 1)
        tsri_looker_tell(&d->looker, why->text);
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

static void warn(detect *d, const tsri_view *v, const char *name)
{
    char line[1024];
    snprintf(line, sizeof line, "%s may lack something: %s", name, v->warning);
    if (v->warning[0])
        tsri_looker_tell(&d->looker, line);
}

static tsr_status add_plan(detect *d, const tsri_view *v, tsri_look *look)
{
    d->prompts += look->prompts;
    d->soft_tokens += look->soft_tokens;
    tsr_status st = tsr_text_add(&d->plan, look->plan, strlen(look->plan), d->err);
    if (st == TSR_OK)
        st = tsr_text_add(&d->plan, "\n", 1, d->err);
    return st == TSR_OK ? add_picture(d, v, look, false, NULL, NULL) : st;
}

static tsr_status look_at(detect *d, const tsri_view *v, size_t i)
{
    tsri_look look;
    tsr_error why = {TSR_OK, ""};
    char name[512], *overlay = NULL;
    tsri_view_name(name, sizeof name, v);
    warn(d, v, name);
    tsr_status st = tsri_look_at(&look, &d->looker, v, d->o->plan != 0, &why);
    if (st == TSR_OK && !d->o->plan) {
        tell_corrections(d, &look.boxes, name);
        st = draw(d, v, &look.boxes, i, &overlay, &why);
    }
    if (st == TSR_OK) {
        d->n_done++;
        d->n_failed += look.n_failed != 0;
        st = d->o->plan ? add_plan(d, v, &look) : add_picture(d, v, &look, true, overlay, NULL);
    } else {
        st = tsri_is_of_one_view(st) ? set_aside(d, v, &look, 1, &why) : tsr_fail(d->err, st, "%s", why.text);
    }
    tsri_look_deinit(&look);
    tsr_free(overlay);
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
        if (d->looker.fn && d->looker.fn(d->looker.user, &ev))
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

/* The pictures and their sums, or a line for each and one for all. */
static tsr_status write_plan(detect *d, char **out)
{
    char sum[96];
    snprintf(sum, sizeof sum, "in all %zu prompts, %zu soft tokens\n", d->prompts, d->soft_tokens);
    if (!d->o->as_json) {
        tsr_status st = tsr_text_add(&d->plan, sum, strlen(sum) + 1, d->err);
        *out = st == TSR_OK ? d->plan.at : NULL;
        if (st == TSR_OK)
            d->plan = (tsr_text){0};
        return st;
    }
    tsri_build o = tsri_build_object();
    tsri_put(&o, "pictures", tsri_build_end(&d->pictures));
    tsri_put_size(&o, "prompts", d->prompts);
    tsri_put_size(&o, "soft_tokens", d->soft_tokens);
    tsr_json *whole = tsri_build_end(&o);
    tsr_status st = whole ? tsr_json_dump(out, whole, 0, d->err) : tsr_fail(d->err, TSR_ERR_NOMEM, "out of memory: the plan");
    tsr_json_free(whole);
    return st;
}

static tsr_status write_result(detect *d, int as_json, char **out)
{
    if (d->o->plan)
        return write_plan(d, out);
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
        if (tsr_file_exists(path))
            st = tsri_spare_inputs(d->rq, path, "the overlay", d->err);
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
    if (st == TSR_OK && d->o->tiles != TESSERA_TILES_AUTO && d->o->tiles > TSRI_TILES_MOST)
        return tsr_fail(d->err, TSR_ERR_USAGE, "%zu tiles are more than %d", d->o->tiles, TSRI_TILES_MOST);
    if (st == TSR_OK && d->o->tiles && d->rq->dump)
        return tsr_fail(d->err, TSR_ERR_USAGE, "a dump is of one picture, and tiles are several");
    if (st == TSR_OK && d->o->plan && (d->o->overlay || d->format != TSRI_BOXES_JSON))
        return tsr_fail(d->err, TSR_ERR_USAGE, "a plan has no boxes to write or draw");
    return st == TSR_OK && d->o->overlay ? tsri_overlay_check(d->o->overlay, d->err) : st;
}

static tsr_status detect_all(detect *d, char **out)
{
    tsr_status st = check_opts(d);
    if (st == TSR_OK)
        st = make_parts(d);
    make_settings(d);
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
    detect d = {.m = m, .rq = rq, .o = opts ? opts : &none, .err = err, .boxes = tsri_build_list(),
                .pictures = tsri_build_list()};
    d.looker = (tsri_looker){.m = m, .o = d.o, .ask = ask, .fn = fn, .user = user};
    *out = NULL;
    tsr_status st = detect_all(&d, out);
    *n_failed = d.n_failed;
    tsri_views_close(d.views);
    tsr_text_deinit(&d.question);
    tsr_text_deinit(&d.plan);
    tsr_free(d.looker.parts);
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
