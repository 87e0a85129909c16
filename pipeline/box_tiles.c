/* box_tiles.c: see the header. Merging works on a list of what was seen beside the boxes: which part of the picture the
 * box comes from, and at which of its edges it was cut off. */
#include "box_tiles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"

enum { LEFT, TOP, RIGHT, BOTTOM, EDGES }; /* in the order of xyxy */

static const double SAME = 0.5;      /* of the area that two boxes cover, what they have in common */
static const double WITHIN = 0.8;    /* of the smaller one */
static const double LIKE = 1.0 / 3;  /* of the larger one, where one lies within the other */
static const double NEAR_EDGE = 0.01; /* of a tile's side: so near to its border a box is cut off by it */
static const double SAME_POINT = 0.02; /* of a tile's longer side */

typedef struct sight {
    tsri_box *box;
    size_t part[EDGES]; /* of the picture, that it was seen in */
    bool cut[EDGES];
    bool gone;
} sight;

typedef struct merge {
    tsri_boxes *boxes;
    const tsri_grid *g;
    sight *at;      /* [n], in the order of the boxes */
    sight **ranked; /* [n], the better ones first */
    size_t n;
    tsr_error *err;
} merge;

/* ---- from tiles to the picture ---- */

/* Thousandths of a tile become those of the picture, in tenths. */
static double rescale(double v, size_t from, size_t tile, size_t whole)
{
    double x = ((double)from * TSRI_BOX_SCALE + v * (double)tile) / (double)whole;
    return floor(10 * x + 0.5) / 10;
}

static void move_box(tsri_box *b, const tsri_grid *g, size_t i)
{
    tsri_tile t = tsri_grid_tile(g, i);
    for (size_t k = 0; k < 4; k++)
        b->xyxy[k] += k % 2 ? t.y : t.x;
    for (size_t k = 0; k < (b->is_point ? 2 : 4); k++)
        b->given[k] = k % 2 ? rescale(b->given[k], t.x, t.width, g->width)
                            : rescale(b->given[k], t.y, t.height, g->height);
    b->tile = i + 1;
}

static tsr_status take_corrections(tsri_boxes *all, const tsri_boxes *b, size_t i, tsr_error *err)
{
    char line[1024];
    for (size_t k = 0; k < tsr_json_len(b->corrections); k++) {
        snprintf(line, sizeof line, "tile %zu, %s", i + 1, tsr_json_string(tsr_json_at(b->corrections, k), NULL));
        if (!tsr_json_append(all->corrections, tsr_json_new_string(line, strlen(line))))
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: corrections of boxes");
    }
    return TSR_OK;
}

static tsr_status make_room(tsri_boxes *all, size_t n, tsr_error *err)
{
    if (n > TSRI_MAX_BOXES - all->n)
        return tsr_fail(err, TSR_ERR_LIMIT, "the tiles have more than %d boxes", TSRI_MAX_BOXES);
    if (all->n + n <= all->cap)
        return TSR_OK;
    tsri_box *at = tsr_realloc(all->at, (all->n + n) * sizeof *at);
    if (!at)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu boxes", all->n + n);
    all->at = at;
    all->cap = all->n + n;
    return TSR_OK;
}

tsr_status tsri_boxes_take_tile(tsri_boxes *all, tsri_boxes *b, const tsri_grid *g, size_t i, tsr_error *err)
{
    tsr_status st = take_corrections(all, b, i, err);
    if (st == TSR_OK)
        st = make_room(all, b->n, err);
    if (st != TSR_OK)
        return st;
    for (size_t k = 0; k < b->n; k++) {
        move_box(&b->at[k], g, i);
        all->at[all->n++] = b->at[k];
    }
    b->n = 0; /* their labels are the picture's now */
    tsri_boxes_deinit(b);
    return TSR_OK;
}

/* ---- telling ---- */

static const char *view_name(char buf[40], const sight *s)
{
    if (!s->box->tile)
        return "the whole picture";
    snprintf(buf, 40, "tile %zu", s->box->tile);
    return buf;
}

/* "box in tile 3 at 10, 20, 30, 40 (cat): left out, tile 1 has it too" */
static tsr_status tell(const merge *m, const sight *s, const sight *other, const char *what)
{
    char view[40], thing[160], line[120];
    const size_t *e = s->box->xyxy;
    snprintf(thing, sizeof thing, "%s in %s at %zu, %zu", s->box->is_point ? "point" : "box", view_name(view, s), e[0], e[1]);
    size_t at = strlen(thing);
    if (!s->box->is_point)
        snprintf(thing + at, sizeof thing - at, ", %zu, %zu", e[2], e[3]);
    snprintf(line, sizeof line, "%s %s", what, view_name(view, other));
    return tsri_boxes_tell(m->boxes, thing, s->box->label, s->box->label_len, line, m->err);
}

/* ---- what was seen ---- */

static bool is_near(size_t a, size_t b, size_t side)
{
    double margin = NEAR_EDGE * (double)side;
    return fabs((double)a - (double)b) <= (margin > 1 ? margin : 1);
}

/* A border of a tile that is also one of the picture cuts nothing off. */
static sight look(tsri_box *b, const tsri_grid *g)
{
    const size_t whole[EDGES] = {0, 0, g->width, g->height};
    sight s = {.box = b};
    memcpy(s.part, whole, sizeof whole);
    if (!b->tile)
        return s;
    tsri_tile t = tsri_grid_tile(g, b->tile - 1);
    memcpy(s.part, (const size_t[]){t.x, t.y, t.x + t.width, t.y + t.height}, sizeof whole);
    for (size_t e = 0; e < EDGES && !b->is_point; e++)
        s.cut[e] = s.part[e] != whole[e] && is_near(b->xyxy[e], s.part[e], e % 2 ? t.height : t.width);
    return s;
}

static bool is_cut(const sight *s)
{
    return s->cut[LEFT] || s->cut[TOP] || s->cut[RIGHT] || s->cut[BOTTOM];
}

/* May they be one thing at all? */
static bool are_alike(const sight *a, const sight *b)
{
    const tsri_box *x = a->box, *y = b->box;
    return !a->gone && !b->gone && x->tile != y->tile && x->is_point == y->is_point && x->label_len == y->label_len &&
           memcmp(x->label, y->label, x->label_len) == 0;
}

/* ---- parts ---- */

static void clip(size_t out[EDGES], const size_t box[EDGES], const size_t a[EDGES], const size_t b[EDGES])
{
    for (size_t e = 0; e < EDGES; e++) {
        size_t most = a[e] > b[e] ? a[e] : b[e], least = a[e] < b[e] ? a[e] : b[e];
        size_t border = e < RIGHT ? most : least; /* of what a and b share */
        out[e] = e < RIGHT ? (box[e] > border ? box[e] : border) : (box[e] < border ? box[e] : border);
    }
    for (size_t e = 0; e < RIGHT; e++)
        out[e + RIGHT] = out[e + RIGHT] > out[e] ? out[e + RIGHT] : out[e];
}

/* Does `a`, cut off at `edge`, go on in `b`, which is cut off at the opposite one? */
static bool goes_on(const sight *a, const sight *b, size_t edge)
{
    size_t back = edge - RIGHT;
    return a->cut[edge] && b->cut[back] && a->part[back] < b->part[back] && b->part[back] < a->part[edge];
}

static bool are_parts(const sight *a, const sight *b)
{
    size_t x[EDGES], y[EDGES];
    if (!goes_on(a, b, RIGHT) && !goes_on(b, a, RIGHT) && !goes_on(a, b, BOTTOM) && !goes_on(b, a, BOTTOM))
        return false;
    clip(x, a->box->xyxy, a->part, b->part);
    clip(y, b->box->xyxy, a->part, b->part);
    double common = tsri_box_common(x, y);
    return common > 0 && common >= SAME * (tsri_box_area(x) + tsri_box_area(y) - common);
}

static void give_thousandths(tsri_box *b, const tsri_grid *g)
{
    for (size_t k = 0; k < 4; k++) { /* y1, x1, y2, x2 */
        size_t e = k ^ 1;
        b->given[k] = rescale(0, b->xyxy[e], 0, e % 2 ? g->height : g->width);
    }
}

/* Each edge is that of the box which reaches farther there. */
static tsr_status join(const merge *m, sight *a, sight *b)
{
    tsr_status st = tell(m, b, a, "joined with its other part in");
    for (size_t e = 0; e < EDGES; e++) {
        size_t x = a->box->xyxy[e], y = b->box->xyxy[e];
        bool farther = e < RIGHT ? y < x : y > x;
        a->box->xyxy[e] = farther ? y : x;
        a->cut[e] = farther ? b->cut[e] : x == y ? a->cut[e] && b->cut[e] : a->cut[e];
        bool wider = e < RIGHT ? b->part[e] < a->part[e] : b->part[e] > a->part[e];
        a->part[e] = wider ? b->part[e] : a->part[e];
    }
    give_thousandths(a->box, m->g);
    b->gone = true;
    return st;
}

static tsr_status join_parts(const merge *m)
{
    tsr_status st = TSR_OK;
    for (bool again = true; again && st == TSR_OK;) { /* what was joined may reach over the next border too */
        again = false;
        for (size_t i = 0; i < m->n; i++)
            for (size_t k = 0; k < m->n && st == TSR_OK && is_cut(&m->at[i]); k++)
                if (k != i && is_cut(&m->at[k]) && are_alike(&m->at[i], &m->at[k]) && are_parts(&m->at[i], &m->at[k])) {
                    st = join(m, &m->at[i], &m->at[k]);
                    again = true;
                }
    }
    return st;
}

/* ---- what was seen twice ---- */

static double area_of(const sight *s)
{
    return s->box->is_point ? 1 : tsri_box_area(s->box->xyxy);
}

/* The better ones first; else in the order of the boxes, so that the order is one. */
static int by_rank(const void *pa, const void *pb)
{
    const sight *a = *(sight *const *)pa, *b = *(sight *const *)pb;
    if (is_cut(a) != is_cut(b))
        return is_cut(a) ? 1 : -1;
    if ((a->box->tile == 0) != (b->box->tile == 0))
        return a->box->tile == 0 ? 1 : -1;
    if (area_of(a) != area_of(b))
        return area_of(a) < area_of(b) ? 1 : -1;
    return a > b ? 1 : a < b ? -1 : 0;
}

static bool are_one_point(const merge *m, const tsri_box *a, const tsri_box *b)
{
    size_t side = m->g->tile_width > m->g->tile_height ? m->g->tile_width : m->g->tile_height;
    double dx = (double)a->xyxy[0] - (double)b->xyxy[0], dy = (double)a->xyxy[1] - (double)b->xyxy[1];
    return hypot(dx, dy) <= SAME_POINT * (double)side + 1;
}

typedef enum verdict { APART, REPEATED, PART } verdict;

/* `s` beside `better`, which stays. */
static verdict judge(const merge *m, const sight *better, const sight *s)
{
    if (s->box->is_point)
        return are_one_point(m, better->box, s->box) ? REPEATED : APART;
    double a = area_of(better), b = area_of(s), common = tsri_box_common(better->box->xyxy, s->box->xyxy);
    double smaller = a < b ? a : b, larger = a < b ? b : a;
    if (common >= SAME * (a + b - common) || (common >= WITHIN * smaller && smaller >= LIKE * larger))
        return REPEATED;
    return is_cut(s) && common >= WITHIN * b ? PART : APART;
}

static tsr_status leave_out(const merge *m)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < m->n && st == TSR_OK; i++)
        for (size_t k = 0; k < i && st == TSR_OK && !m->ranked[i]->gone; k++) {
            sight *better = m->ranked[k], *s = m->ranked[i];
            verdict v = are_alike(better, s) ? judge(m, better, s) : APART;
            if (v == APART)
                continue;
            s->gone = true;
            st = tell(m, s, better, v == PART ? "left out, it is a part of what was seen in" : "left out, it was also seen in");
        }
    return st;
}

static void pack(const merge *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->at[i].gone)
            tsr_free(m->boxes->at[i].label);
        else
            m->boxes->at[n++] = m->boxes->at[i];
    }
    m->boxes->n = n;
}

tsr_status tsri_boxes_merge(tsri_boxes *b, const tsri_grid *g, tsr_error *err)
{
    merge m = {.boxes = b, .g = g, .n = b->n, .err = err};
    if (b->n == 0)
        return TSR_OK;
    tsr_status st = tsr_alloc_array(&m.at, m.n, sizeof *m.at, "boxes of tiles", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m.ranked, m.n, sizeof *m.ranked, "boxes of tiles", err);
    for (size_t i = 0; i < m.n && st == TSR_OK; i++) {
        m.at[i] = look(&b->at[i], g);
        m.ranked[i] = &m.at[i];
    }
    if (st == TSR_OK)
        st = join_parts(&m);
    if (st == TSR_OK) {
        qsort(m.ranked, m.n, sizeof(sight *), by_rank);
        st = leave_out(&m);
        pack(&m);
    }
    tsr_free(m.ranked);
    tsr_free(m.at);
    return st;
}
