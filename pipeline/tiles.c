/* tiles.c: c tiles of width w that share a part o of it with their neighbors cover (c - (c - 1) o) w pixels. */
#include "tiles.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tsr_alloc.h"

static size_t side(size_t whole, size_t n)
{
    double share = (double)n - (double)(n - 1) * TSRI_TILE_OVERLAP;
    size_t s = (size_t)ceil((double)whole / share);
    return s < 1 ? 1 : s < whole ? s : whole;
}

static tsri_grid grid(size_t width, size_t height, size_t columns, size_t rows)
{
    return (tsri_grid){.width = width, .height = height, .columns = columns, .rows = rows,
                       .tile_width = side(width, columns), .tile_height = side(height, rows)};
}

static size_t longer(const tsri_grid *g)
{
    return g->tile_width > g->tile_height ? g->tile_width : g->tile_height;
}

/* Is `a` what is wanted rather than `b`, which has no more tiles? */
static bool suits_more(const tsri_grid *a, const tsri_grid *b, double pixels)
{
    bool fits = (double)a->tile_width * (double)a->tile_height <= pixels;
    bool other_fits = (double)b->tile_width * (double)b->tile_height <= pixels;
    bool fewer = other_fits && b->columns * b->rows < a->columns * a->rows;
    return fits != other_fits ? fits : longer(a) < longer(b) && !fewer;
}

/* A tile has a pixel at least that is not its neighbor's. */
static bool can_cut(size_t width, size_t height, size_t columns, size_t rows)
{
    return columns <= width && rows <= height;
}

tsri_grid tsri_grid_for(size_t width, size_t height, double pixels, size_t most)
{
    tsri_grid best = grid(width, height, 1, 1);
    for (size_t n = 2; n <= most; n++)
        for (size_t columns = 1; columns <= n; columns++) {
            tsri_grid g = grid(width, height, columns, n / columns);
            if (n % columns == 0 && can_cut(width, height, columns, n / columns) && suits_more(&g, &best, pixels))
                best = g;
        }
    return best;
}

size_t tsri_grid_n(const tsri_grid *g)
{
    size_t n = g->columns * g->rows;
    return n > 1 ? n : 0;
}

static size_t place(size_t whole, size_t tile, size_t n, size_t i)
{
    return n > 1 ? (size_t)((double)i * (double)(whole - tile) / (double)(n - 1) + 0.5) : 0;
}

tsri_tile tsri_grid_tile(const tsri_grid *g, size_t i)
{
    return (tsri_tile){.x = place(g->width, g->tile_width, g->columns, i % g->columns),
                       .y = place(g->height, g->tile_height, g->rows, i / g->columns),
                       .width = g->tile_width, .height = g->tile_height};
}

tsr_status tsri_tile_cut(tsr_image *out, const tsr_image *picture, const tsri_tile *tile, tsr_error *err)
{
    size_t row = 3 * tile->width; /* no more than the picture's, which is in memory */
    tsr_status st = tsr_alloc_array(&out->rgb, tile->height, row, "a tile of a picture", err);
    if (st != TSR_OK)
        return st;
    out->width = tile->width;
    out->height = tile->height;
    for (size_t y = 0; y < tile->height; y++)
        memcpy(out->rgb + y * row, picture->rgb + 3 * ((tile->y + y) * picture->width + tile->x), row);
    return TSR_OK;
}
