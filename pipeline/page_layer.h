/* page_layer.h: the text layer of a page, as text for the model and as JSON. */
#ifndef TSR_PAGE_LAYER_H
#define TSR_PAGE_LAYER_H

#include "tsr_json.h"
#include "tsr_page_text.h"
#include "tsr_utf8.h"

/* Append the page's text in its order of reading: a line for each, an empty line between blocks; at most max_bytes, cut
 * between lines. *n_whole: the bytes of all of it. */
tsr_status tsri_layer_text(tsr_text *out, const tsr_page_text *t, size_t max_bytes, size_t *n_whole, tsr_error *err);

/* {"words", "bytes", "given_bytes", "blocks": [{"box", "text"}]}; NULL when memory is short. */
tsr_json *tsri_layer_json(const tsr_page_text *t, size_t n_whole, size_t n_given);

/* [x0, y0, x1, y1] in points; NULL when memory is short. */
tsr_json *tsri_page_box_json(const tsr_page_box *box);

#endif
