/* tiles.h: a large picture is cut into a grid of tiles that overlap, so that small things are seen at their size.
 *
 * Pure arithmetic, but for tsri_tile_cut; any thread. All sizes are pixels. */
#ifndef TSR_TILES_H
#define TSR_TILES_H

#include "tsr_image.h"

enum { TSRI_TILES_MOST = 64, TSRI_TILES_AUTO_MOST = 16 };

/* Of a tile's side, what it shares with its neighbor: what is no larger is whole in one of them. */
#define TSRI_TILE_OVERLAP 0.2

typedef struct tsri_tile {
    size_t x, y, width, height; /* within the picture */
} tsri_tile;

typedef struct tsri_grid {
    size_t width, height;           /* of the picture */
    size_t columns, rows;           /* 1 x 1: nothing is cut */
    size_t tile_width, tile_height; /* the same for all tiles */
} tsri_grid;

/* The grid of as few tiles, `most` >= 1 at most, as have at most `pixels` each. Where no grid suffices (always with 0), the
 * one whose longer side is shortest; of several the one with fewer tiles. */
tsri_grid tsri_grid_for(size_t width, size_t height, double pixels, size_t most);

size_t tsri_grid_n(const tsri_grid *g); /* tiles; 0 where nothing is cut */

/* The i-th tile, row by row. Together they cover the picture. */
tsri_tile tsri_grid_tile(const tsri_grid *g, size_t i);

/* The pixels of a tile; out is zeroed or deinit'ed before, the caller deinits it. TSR_ERR_NOMEM. */
tsr_status tsri_tile_cut(tsr_image *out, const tsr_image *picture, const tsri_tile *tile, tsr_error *err);

#endif
