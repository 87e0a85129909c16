/* contact_sheet.c: frames are reduced, set on a dark ground in rows, and lettered. */
#include "contact_sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "film_time.h"
#include "overlay_internal.h"
#include "tsr_alloc.h"

enum { GAP = TSRI_SHEET_GAP, MOST_HEIGHT = 32767, LEAST_CELL = 84, LEAST_WIDTH = 320, GROUND = 0x22 };

/* ---- where things are ---- */

static size_t columns_for(size_t n, size_t width, size_t height)
{
    size_t c = 1, most = (TSRI_SHEET_WIDTH - GAP) / (LEAST_CELL + GAP);
    while (c < n && c < most && 3 * c * width < 4 * ((n + c - 1) / c) * height)
        c++;
    return c;
}

static size_t at_least(size_t x, size_t least)
{
    return x > least ? x : least;
}

static size_t title_height(double letters)
{
    return (size_t)ceil(letters * 1.8);
}

tsri_sheet_grid tsri_sheet_grid_for(size_t n, size_t width, size_t height, size_t top)
{
    tsri_sheet_grid g = {.columns = columns_for(n, at_least(width, LEAST_CELL), height)};
    size_t room = (TSRI_SHEET_WIDTH - GAP) / g.columns;
    room = at_least(room > GAP ? room - GAP : 1, LEAST_CELL);
    double scale = width > room ? (double)room / (double)width : 1;
    g.rows = (n + g.columns - 1) / g.columns;
    g.frame_width = at_least((size_t)((double)width * scale), 1);
    g.frame_height = at_least((size_t)((double)height * scale), 1);
    g.cell_width = at_least(g.frame_width, LEAST_CELL);
    g.letters = floor((double)g.cell_width / 14);
    g.letters = g.letters < 12 ? 12 : g.letters > 24 ? 24 : g.letters;
    g.cell_height = g.frame_height + (size_t)ceil(g.letters * 1.5);
    g.top = top + title_height(g.letters);
    return g;
}

static size_t cell_x(const tsri_sheet_grid *g, size_t i)
{
    return GAP + i % g->columns * (g->cell_width + GAP);
}

static size_t cell_y(const tsri_sheet_grid *g, size_t i)
{
    return g->top + i / g->columns * (g->cell_height + GAP);
}

static size_t grid_bottom(const tsri_sheet_grid *g)
{
    return g->top + g->rows * (g->cell_height + GAP);
}

/* ---- what is on it ---- */

typedef struct sheet {
    const tsri_sheet_film *films;
    size_t n;
    tsri_sheet_grid *grids; /* [n] */
    tsr_image ground;
    tsri_caption *captions; /* of films and frames, [n_captions] */
    size_t n_captions;
} sheet;

static tsr_status plan_sheet(sheet *s, const char *path, tsr_error *err)
{
    size_t top = GAP, n_captions = s->n, bytes;
    s->ground.width = LEAST_WIDTH;
    tsr_status st = tsr_alloc_array(&s->grids, s->n, sizeof *s->grids, "the contact sheet", err);
    for (size_t i = 0; i < s->n && st == TSR_OK; i++) {
        const tsri_sheet_film *f = &s->films[i];
        s->grids[i] = tsri_sheet_grid_for(f->n, f->frames[0].width, f->frames[0].height, top);
        s->ground.width = at_least(s->ground.width, GAP + s->grids[i].columns * (s->grids[i].cell_width + GAP));
        top = grid_bottom(&s->grids[i]);
        n_captions += f->n;
        if (top > MOST_HEIGHT)
            st = tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu frames don't fit on a sheet of %d pixels", path, n_captions - s->n,
                          MOST_HEIGHT);
    }
    s->ground.height = top;
    if (st == TSR_OK)
        st = tsr_alloc_array(&s->captions, n_captions, sizeof *s->captions, "the contact sheet", err);
    if (st == TSR_OK && !tsr_mul_size(&bytes, s->ground.width * 3, s->ground.height))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the contact sheet");
    if (st == TSR_OK)
        st = tsr_alloc_array(&s->ground.rgb, bytes, 1, "the contact sheet", err);
    if (st == TSR_OK)
        memset(s->ground.rgb, GROUND, bytes);
    return st;
}

static tsri_caption *add_caption(sheet *s, size_t x, double y, double letters)
{
    tsri_caption *c = &s->captions[s->n_captions++];
    *c = (tsri_caption){.x = (double)x, .y = y, .letters = letters};
    return c;
}

/* The file's name without its folders. */
static void write_title(char out[TSRI_OVERLAY_TEXT], const char *name)
{
    const char *slash = strrchr(name, '/');
    char whole[256];
    snprintf(whole, sizeof whole, "%s", slash && slash[1] ? slash + 1 : name);
    tsri_box b = {.label = whole, .label_len = strlen(whole)};
    tsri_overlay_text(out, &b);
}

static tsr_status put_frame(sheet *s, const tsri_sheet_grid *g, const tsr_image *frame, size_t i, tsr_error *err)
{
    tsr_image small = {0};
    tsr_status st = tsr_image_resize(&small, frame, g->frame_width, g->frame_height, err);
    size_t x = cell_x(g, i) + (g->cell_width - g->frame_width) / 2, y = cell_y(g, i);
    for (size_t row = 0; st == TSR_OK && row < small.height; row++)
        memcpy(s->ground.rgb + ((y + row) * s->ground.width + x) * 3, small.rgb + row * small.width * 3, small.width * 3);
    tsr_image_deinit(&small);
    return st;
}

/* Tenths are told where whole seconds would not tell neighbors apart, or would not be the truth. */
static bool needs_tenths(const tsri_sheet_film *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (fabs(f->times[i] - floor(f->times[i] + 0.5)) > 0.05)
            return true;
    return false;
}

static tsr_status put_film(sheet *s, const tsri_sheet_film *f, const tsri_sheet_grid *g, tsr_error *err)
{
    bool tenths = needs_tenths(f);
    tsr_status st = TSR_OK;
    write_title(add_caption(s, GAP, (double)g->top - 0.6 * g->letters, 1.1 * g->letters)->text, f->name);
    for (size_t i = 0; i < f->n && st == TSR_OK; i++) {
        double y = (double)(cell_y(g, i) + g->cell_height) - 0.4 * g->letters;
        tsri_film_time_write(add_caption(s, cell_x(g, i), y, g->letters)->text, f->times[i], tenths);
        st = put_frame(s, g, &f->frames[i], i, err);
    }
    return st;
}

tsr_status tsri_sheet_write(const char *path, const tsri_sheet_film *films, size_t n, tsr_error *err)
{
    sheet s = {.films = films, .n = n};
    tsr_status st = plan_sheet(&s, path, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        st = put_film(&s, &films[i], &s.grids[i], err);
    if (st == TSR_OK)
        st = tsri_captions_write(path, &s.ground, s.captions, s.n_captions, err);
    tsr_image_deinit(&s.ground);
    tsr_free(s.captions);
    tsr_free(s.grids);
    return st;
}

/* ---- of a request ---- */

tsr_status tsri_contact_sheet_check(const tsri_media_list *l, const char *path, tsr_error *err)
{
    size_t n_films = 0;
    if (tsri_overlay_kind_of(path) != TSRI_OVERLAY_PNG)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a contact sheet ends in .png", path);
    if (!tsri_overlay_can_draw())
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: this build has no cairo, which letters contact sheets", path);
    for (size_t i = 0; i < l->n; i++)
        n_films += l->at[i].kind == TSRI_VIDEO;
    if (n_films == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a contact sheet shows frames of films, and there is no film", path);
    return tsri_spare_inputs(l->rq, path, "the contact sheet", err);
}

tsr_status tsri_contact_sheet_write(const tsri_media_list *l, const char *path, tsr_error *err)
{
    tsri_sheet_film *films = NULL;
    size_t n = 0;
    tsr_status st = tsri_media_report(l, "contact sheet", 0, 1, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&films, l->n, sizeof *films, "the contact sheet", err);
    for (size_t i = 0; i < l->n && st == TSR_OK; i++) {
        const tsri_media *m = &l->at[i];
        if (m->kind == TSRI_VIDEO)
            films[n++] = (tsri_sheet_film){l->inputs[m->part].name, m->pictures, m->times, m->n_pictures};
    }
    if (st == TSR_OK)
        st = tsri_sheet_write(path, films, n, err);
    tsr_free(films);
    return st;
}
