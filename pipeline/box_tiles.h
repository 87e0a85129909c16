/* box_tiles.h: boxes that were found in tiles of a picture become boxes of the picture, each thing once. */
#ifndef TSR_BOX_TILES_H
#define TSR_BOX_TILES_H

#include "boxes.h"
#include "tiles.h"

/* Hand the boxes of tile i of the grid (from 0) over to those of the picture: pixels and thousandths become the picture's
 * (thousandths in tenths), corrections get "tile 3, " in front; *b is zeroed. TSR_ERR_LIMIT: more than TSRI_MAX_BOXES in
 * all; TSR_ERR_NOMEM. On failure both are still the caller's to deinit. */
tsr_status tsri_boxes_take_tile(tsri_boxes *all, tsri_boxes *b, const tsri_grid *g, size_t i, tsr_error *err);

/* What was seen twice or in parts becomes one box; boxes of one view (the whole picture, a tile) stay apart. In this order,
 * among boxes of one label:
 *
 *   joined    two parts of what reaches over the border of two tiles, which agree where the tiles overlap
 *   left out  of two boxes that are the same thing (half of what they cover, or four fifths of the smaller one where it
 *             isn't below a third of the other) the one that is cut off by a border; else the whole picture's, whose
 *             edges are less exact; else the smaller one
 *   left out  a part, cut off by a border, four fifths of which lie in another box
 *
 * Points are the same within a fiftieth of a tile's longer side. Each is a line in `corrections`. TSR_ERR_NOMEM. */
tsr_status tsri_boxes_merge(tsri_boxes *b, const tsri_grid *g, tsr_error *err);

#endif
