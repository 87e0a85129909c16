/* overlay_labels.c: where labels go. The picture is covered with a grid of cells, a third of a label high; a cell is
 * taken by one label at most, and knows how many boxes lie on it. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "overlay_internal.h"
#include "tsr_alloc.h"

typedef struct grid {
    double cell;
    size_t columns, rows;
    unsigned char *taken; /* [rows, columns] by a label */
    unsigned short *boxes; /* [rows, columns] how many are on it */
    double width, height; /* of the picture */
} grid;

typedef struct cells {
    size_t x0, y0, x1, y1; /* half open */
} cells;

static size_t cell_of(double x, size_t n, double cell)
{
    double c = x / cell;
    return c <= 0 ? 0 : c >= (double)n ? n : (size_t)c;
}

static cells cells_of(const grid *g, double x, double y, double w, double h)
{
    return (cells){cell_of(x, g->columns, g->cell), cell_of(y, g->rows, g->cell),
                   cell_of(ceil((x + w) / g->cell) * g->cell, g->columns, g->cell),
                   cell_of(ceil((y + h) / g->cell) * g->cell, g->rows, g->cell)};
}

static tsr_status grid_open(grid *g, double label_height, size_t width, size_t height, tsr_error *err)
{
    g->cell = label_height / 3 > 2 ? label_height / 3 : 2;
    g->width = (double)width;
    g->height = (double)height;
    g->columns = (size_t)ceil(g->width / g->cell);
    g->rows = (size_t)ceil(g->height / g->cell);
    size_t n;
    if (!tsr_mul_size(&n, g->columns, g->rows))
        n = SIZE_MAX;
    tsr_status st = tsr_alloc_array(&g->taken, n, sizeof *g->taken, "places of labels", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&g->boxes, n, sizeof *g->boxes, "places of labels", err);
    if (st != TSR_OK)
        return st;
    memset(g->taken, 0, n * sizeof *g->taken);
    memset(g->boxes, 0, n * sizeof *g->boxes);
    return TSR_OK;
}

static cells cells_of_box(const grid *g, const tsri_box *b)
{
    double x = (double)b->xyxy[0], y = (double)b->xyxy[1];
    return cells_of(g, x, y, b->is_point ? 1 : (double)b->xyxy[2] - x, b->is_point ? 1 : (double)b->xyxy[3] - y);
}

static void mark_boxes(grid *g, const tsri_box *boxes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cells c = cells_of_box(g, &boxes[i]);
        for (size_t y = c.y0; y < c.y1; y++)
            for (size_t x = c.x0; x < c.x1; x++)
                if (g->boxes[y * g->columns + x] < USHRT_MAX)
                    g->boxes[y * g->columns + x]++;
    }
}

static void take(grid *g, cells c)
{
    for (size_t y = c.y0; y < c.y1; y++)
        memset(g->taken + y * g->columns + c.x0, 1, c.x1 - c.x0);
}

static bool is_free(const grid *g, cells c)
{
    for (size_t y = c.y0; y < c.y1; y++)
        if (memchr(g->taken + y * g->columns + c.x0, 1, c.x1 - c.x0))
            return false;
    return true;
}

static bool is_inside(const cells *c, size_t x, size_t y)
{
    return x >= c->x0 && x < c->x1 && y >= c->y0 && y < c->y1;
}

/* How much of a place lies on other labels (weighs most) and on boxes that are not its own. */
static double crowding(const grid *g, cells c, cells own)
{
    double labels = 0, boxes = 0, n = (double)((c.x1 - c.x0) * (c.y1 - c.y0));
    for (size_t y = c.y0; y < c.y1; y++)
        for (size_t x = c.x0; x < c.x1; x++) {
            labels += g->taken[y * g->columns + x];
            boxes += g->boxes[y * g->columns + x] > (is_inside(&own, x, y) ? 1 : 0);
        }
    return n > 0 ? (100 * labels + boxes) / n : 0;
}

enum { N_SPOTS = 10 };

typedef struct spot {
    double x, y, cost; /* cost: what speaks against it from the first; covering the own box does */
} spot;

/* Around and in the box; beside a point. */
static void list_spots(spot s[N_SPOTS], const tsri_box *b, const tsri_label *l, const tsri_overlay_style *style)
{
    double half = style->line / 2 + style->casing, x1 = (double)b->xyxy[0], y1 = (double)b->xyxy[1];
    double x2 = b->is_point ? x1 + 1 : (double)b->xyxy[2], y2 = b->is_point ? y1 + 1 : (double)b->xyxy[3];
    double inside = b->is_point ? 9 : 0.45, w = l->width, h = l->height;
    if (b->is_point)
        half = 4 * style->line;
    const spot all[N_SPOTS] = {
        {x1 - half, y1 - half - h, 0},         {x1 - half, y2 + half, 0.10},     {x2 + half - w, y1 - half - h, 0.15},
        {x2 + half - w, y2 + half, 0.20},      {x2 + half, y1 - half, 0.25},     {x1 - half - w, y1 - half, 0.30},
        {x1 - half, y1 - half, inside},        {x1 - half, y2 + half - h, inside + 0.05},
        {x2 + half - w, y1 - half, inside + 0.10}, {x2 + half - w, y2 + half - h, inside + 0.15}};
    memcpy(s, all, sizeof all);
}

/* Into the picture from left and right, within its box also from above and below. False: it doesn't fit. */
static bool fit_in(const grid *g, spot *s, const tsri_label *l, bool is_beside, bool is_inside_box)
{
    double x = s->x + l->width > g->width ? g->width - l->width : s->x;
    x = x < 0 ? 0 : x;
    if (is_beside && fabs(x - s->x) > 0.5)
        return false;
    s->x = x;
    if (is_inside_box && l->height <= g->height)
        s->y = s->y < 0 ? 0 : s->y + l->height > g->height ? g->height - l->height : s->y;
    return s->y >= -0.01 && s->y + l->height <= g->height + 0.01;
}

/* The nearest place in rings of cells around a box's corner that no label has. */
static bool find_nearby(const grid *g, tsri_label *l, const tsri_box *b)
{
    enum { RINGS = 24 };
    long cx = (long)((double)b->xyxy[0] / g->cell), cy = (long)((double)b->xyxy[1] / g->cell);
    for (long ring = 1; ring <= RINGS; ring++)
        for (long dy = -ring; dy <= ring; dy++)
            for (long dx = -ring; dx <= ring; dx += labs(dy) == ring ? 1 : 2 * ring) {
                double x = (double)(cx + dx) * g->cell, y = (double)(cy + dy) * g->cell;
                if (x < 0 || y < 0 || x + l->width > g->width || y + l->height > g->height ||
                    !is_free(g, cells_of(g, x, y, l->width, l->height)))
                    continue;
                l->x = x;
                l->y = y;
                return true;
            }
    return false;
}

static void place(grid *g, tsri_label *l, const tsri_box *b, const tsri_overlay_style *style)
{
    spot spots[N_SPOTS], best = {.cost = 1e9};
    cells own = cells_of_box(g, b);
    list_spots(spots, b, l, style);
    for (size_t i = 0; i < N_SPOTS; i++) {
        if (!fit_in(g, &spots[i], l, i == 4 || i == 5, i >= 6 && !b->is_point))
            continue;
        spots[i].cost += crowding(g, cells_of(g, spots[i].x, spots[i].y, l->width, l->height), own);
        if (spots[i].cost < best.cost)
            best = spots[i];
    }
    l->x = best.cost < 1e9 ? best.x : 0;
    l->y = best.cost < 1e9 ? best.y : 0;
    if (!is_free(g, cells_of(g, l->x, l->y, l->width, l->height)) || best.cost >= 1e9)
        l->is_far = find_nearby(g, l, b);
    take(g, cells_of(g, l->x, l->y, l->width, l->height));
}

tsr_status tsri_overlay_place(tsri_label *labels, const tsri_box *boxes, size_t n, size_t width, size_t height,
                              const tsri_overlay_style *style, tsr_error *err)
{
    grid g = {0};
    double tallest = style->letters;
    for (size_t i = 0; i < n; i++)
        tallest = labels[i].height > tallest ? labels[i].height : tallest;
    tsr_status st = grid_open(&g, tallest, width, height, err);
    if (st == TSR_OK) {
        mark_boxes(&g, boxes, n);
        for (size_t i = 0; i < n; i++)
            if (labels[i].width > 0)
                place(&g, &labels[i], &boxes[i], style);
    }
    tsr_free(g.taken);
    tsr_free(g.boxes);
    return st;
}
