/* detect_look.c: the whole picture first, then its tiles, each in a prompt of its own. Tiles are no larger than what the
 * model sees at half their size; pages, which are rendered for them, at their size. */
#include "detect_look.h"

#include <stdio.h>
#include <string.h>

#include "box_tiles.h"
#include "budget.h"
#include "json_build.h"
#include "result_internal.h"
#include "tsr_vision.h"

/* Of a picture's side, what must be left when the model sees it: as where a note tells that small print is lost. */
static const double KEPT = 0.5, KEPT_OF_PAGES = 1;

/* One picture on its way. */
typedef struct state {
    const tsri_looker *l;
    const tsri_view *v;
    tsri_look *out;
    tessera_request rq; /* of each prompt */
    char name[512];
    tsri_grid grid;
    size_t n_tiles;
    tsri_build tiles; /* one object for each */
    tsr_error *err;
} state;

void tsri_looker_tell(const tsri_looker *l, const char *line)
{
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = line, .len = strlen(line)};
    if (l->fn)
        l->fn(l->user, &ev);
}

/* ---- the plan ---- */

static void begin(state *s)
{
    const tsri_looker *l = s->l;
    tsri_view_name(s->name, sizeof s->name, s->v);
    s->rq = *l->rq;
    s->rq.parts = l->parts;
    s->rq.n_parts = l->n_parts;
    if (s->v->kind == TSRI_PAGE && !s->rq.max_budget)
        s->rq.max_budget = tsri_budget_most(l->m, &s->rq, true); /* it is handed on as a picture */
    if (s->v->kind == TSRI_VIDEO)
        s->rq.budget = tsri_or_size(s->rq.video_budget, TSRI_DEFAULT_VIDEO_BUDGET);
}

static void make_grid(state *s)
{
    const tsr_image *p = &s->v->picture;
    size_t most = s->l->o->tiles;
    double pixels = 0;
    if (most == TESSERA_TILES_AUTO) {
        tsr_vision_info see = tsr_vision_describe(s->l->m->vision);
        double side = (double)(see.patch * see.pool) / (s->v->kind == TSRI_PAGE ? KEPT_OF_PAGES : KEPT);
        size_t budget = s->rq.budget == TESSERA_BUDGET_AUTO ? tsri_budget_most(s->l->m, &s->rq, false)
                                                            : tsri_or_size(s->rq.budget, TSRI_DEFAULT_BUDGET);
        pixels = (double)budget * side * side;
        most = TSRI_TILES_AUTO_MOST;
    }
    s->grid = tsri_grid_for(p->width, p->height, pixels, most ? most : 1);
    s->n_tiles = tsri_grid_n(&s->grid);
}

/* Soft tokens of a picture of this size. */
static tsr_status count(state *s, size_t width, size_t height, size_t *n)
{
    tsri_input in = {.name = s->name};
    tsri_media_list list = {.model = s->l->m, .rq = &s->rq, .inputs = &in};
    tsri_media one = {.kind = TSRI_IMAGE, .source_width = width, .source_height = height};
    tsr_status st = tsri_media_fit(&list, &one, tsri_budget_of(&list, &one), s->err);
    *n = one.tokens_each;
    return st;
}

static tsr_json *plan_json(const state *s)
{
    tsri_build o = tsri_build_object();
    const tsri_grid *g = &s->grid;
    tsri_put_size(&o, "prompts", s->out->prompts);
    tsri_put_size(&o, "soft_tokens", s->out->soft_tokens);
    tsri_put_size(&o, "tiles", s->n_tiles);
    const struct { const char *key; size_t n; } of_tiles[] = {{"columns", g->columns}, {"rows", g->rows},
                                                              {"tile_width", g->tile_width}, {"tile_height", g->tile_height}};
    for (size_t i = 0; i < 4 && s->n_tiles; i++)
        tsri_put_size(&o, of_tiles[i].key, of_tiles[i].n);
    return tsri_build_end(&o);
}

static tsr_status put_fact(state *s, const char *key, tsr_json *v)
{
    if (!s->out->facts)
        s->out->facts = tsr_json_new_object();
    tsri_build o = {s->out->facts, s->out->facts == NULL};
    tsri_put(&o, key, v);
    return o.failed ? tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: the result") : TSR_OK;
}

static tsr_status make_plan(state *s)
{
    tsri_look *out = s->out;
    const tsri_grid *g = &s->grid;
    size_t of_whole = 0, of_tile = 0;
    char cut[160] = "";
    tsr_status st = count(s, g->width, g->height, &of_whole);
    if (st == TSR_OK && s->n_tiles)
        st = count(s, g->tile_width, g->tile_height, &of_tile);
    if (st != TSR_OK)
        return st;
    out->prompts = 1 + s->n_tiles;
    out->soft_tokens = of_whole + s->n_tiles * of_tile;
    if (s->n_tiles)
        snprintf(cut, sizeof cut, " and in %zu tiles (%zu x %zu of %zux%zu)", s->n_tiles, g->columns, g->rows, g->tile_width,
                 g->tile_height);
    snprintf(out->plan, sizeof out->plan, "%s: %zux%zu, seen whole%s: %zu prompt%s, %zu soft tokens", s->name, g->width,
             g->height, cut, out->prompts, out->prompts > 1 ? "s" : "", out->soft_tokens);
    return TSR_OK;
}

/* ---- asking ---- */

static tsr_status ask(state *s, const tsr_image *picture, const char *name, tessera_result **r, tsr_error *err)
{
    const tsri_looker *l = s->l;
    l->parts[l->picture].path = name;
    tsr_status st = l->ask(l->m, &s->rq, picture, l->fn, l->user, r, err);
    if (st == TSR_OK && strcmp((*r)->finish, "cancelled") == 0)
        st = tsr_fail(err, TSR_ERR_CANCELLED, "%s: stopped on request before the answer was complete", name);
    return st;
}

/* The answer's boxes, checked; `err` says what is wrong with them. */
static tsr_status read_boxes(const tessera_result *r, const tsr_image *picture, const char *name, tsri_boxes *b,
                             tsr_error *err)
{
    tsr_error inner = {TSR_OK, ""};
    bool cut = strcmp(r->finish, "length") == 0;
    tsr_status st = tsri_boxes_parse(b, r->text.at, r->text.len - 1, picture->width, picture->height, &inner);
    if (st != TSR_OK)
        tsr_fail(err, st, "%s: %s%s", name,
                 cut ? "(the answer was cut off at --max-tokens or the context) " : "", inner.text);
    return st;
}

static tsr_status look_at_whole(state *s)
{
    tessera_result *r = NULL;
    tsr_status st = ask(s, &s->v->picture, s->name, &r, s->err);
    if (st == TSR_OK && !(s->out->facts = tsri_result_json(r, s->err)))
        st = TSR_ERR_NOMEM;
    if (st == TSR_OK)
        st = read_boxes(r, &s->v->picture, s->name, &s->out->boxes, s->err);
    tessera_result_free(r);
    return st;
}

static tsr_status add_tile(state *s, const tsri_tile *t, const tessera_result *r, const char *failure)
{
    tsr_json *base = r ? tsri_result_json(r, s->err) : tsr_json_new_object();
    tsri_build o = {base, base == NULL}, xyxy = tsri_build_list();
    const size_t edges[] = {t->x, t->y, t->x + t->width, t->y + t->height};
    for (size_t i = 0; i < 4; i++)
        tsri_add_size(&xyxy, edges[i]);
    tsri_put(&o, "xyxy", tsri_build_end(&xyxy));
    if (failure)
        tsri_put_text(&o, "error", failure);
    tsri_add(&s->tiles, tsri_build_end(&o));
    return s->tiles.failed ? tsr_fail(s->err, TSR_ERR_NOMEM, "out of memory: the result of a tile") : TSR_OK;
}

static tsr_status look_at_tile(state *s, size_t i)
{
    char name[600];
    tsr_image piece = {0};
    tsri_boxes b = {0};
    tessera_result *r = NULL;
    tsr_error why = {TSR_OK, ""};
    tsri_tile t = tsri_grid_tile(&s->grid, i);
    snprintf(name, sizeof name, "%s, tile %zu of %zu", s->name, i + 1, s->n_tiles);
    tsr_status st = tsri_tile_cut(&piece, &s->v->picture, &t, &why);
    if (st == TSR_OK)
        st = ask(s, &piece, name, &r, &why);
    if (st == TSR_OK)
        st = read_boxes(r, &piece, name, &b, &why);
    if (st == TSR_OK)
        st = tsri_boxes_take_tile(&s->out->boxes, &b, &s->grid, i, &why);
    if (st == TSR_OK || tsri_is_of_one_view(st)) {
        s->out->n_failed += st != TSR_OK;
        if (st != TSR_OK)
            tsri_looker_tell(s->l, why.text);
        st = add_tile(s, &t, r, st == TSR_OK ? NULL : why.text);
    } else {
        tsr_fail(s->err, st, "%s", why.text);
    }
    tsri_boxes_deinit(&b);
    tessera_result_free(r);
    tsr_image_deinit(&piece);
    return st;
}

static tsr_status look_at_tiles(state *s)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < s->n_tiles && st == TSR_OK; i++) {
        tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = "tile", .len = 4, .done = i, .total = s->n_tiles};
        if (s->l->fn && s->l->fn(s->l->user, &ev))
            return tsr_fail(s->err, TSR_ERR_CANCELLED, "%s: stopped on request", s->name);
        st = look_at_tile(s, i);
    }
    if (st == TSR_OK)
        st = tsri_boxes_merge(&s->out->boxes, &s->grid, s->err);
    return st;
}

/* ---- one picture ---- */

static tsr_status look(state *s)
{
    tsr_status st = look_at_whole(s);
    if (st == TSR_OK && s->n_tiles) {
        s->tiles = tsri_build_list();
        st = look_at_tiles(s);
        tsr_json *tiles = tsri_build_end(&s->tiles);
        tsr_status put = put_fact(s, "tiles", tiles);
        st = st == TSR_OK ? put : st;
    }
    if (st == TSR_OK && s->l->o->min_area)
        st = tsri_boxes_leave_small(&s->out->boxes, s->l->o->min_area, s->err);
    return st;
}

tsr_status tsri_look_at(tsri_look *out, const tsri_looker *l, const tsri_view *v, bool plan_only, tsr_error *err)
{
    state s = {.l = l, .v = v, .out = out, .err = err};
    tsr_status st = TSR_OK;
    memset(out, 0, sizeof *out);
    begin(&s);
    make_grid(&s);
    if (plan_only || l->o->tiles)
        st = make_plan(&s);
    if (st == TSR_OK && s.n_tiles && !plan_only)
        tsri_looker_tell(l, out->plan);
    if (st == TSR_OK && !plan_only)
        st = look(&s);
    if (st == TSR_OK && out->prompts)
        st = put_fact(&s, "plan", plan_json(&s));
    return st;
}

void tsri_look_deinit(tsri_look *look)
{
    tsri_boxes_deinit(&look->boxes);
    tsr_json_free(look->facts);
    memset(look, 0, sizeof *look);
}
