/* page_fields.h: where on a page the values of a JSON answer stand, by the words of its text layer. */
#ifndef TSR_PAGE_FIELDS_H
#define TSR_PAGE_FIELDS_H

#include "tsr_json.h"
#include "tsr_page_text.h"

/* *out: a list with an object for each text and number in `value`, at any depth:
 *   {"path": JSON pointer, "value", "page", "box": [x0, y0, x1, y1] in points or null, "match", "occurrences"}
 * "match" says how it was found among the words of one block: "exact", the same characters in whole words; "folded", the
 * same but for case, white space, kinds of quotes and dashes, ligatures; "part", likewise, beginning or ending inside a
 * word, but not inside a number or a run of letters; "number", the same number written in another way; null, not found.
 * The box is that of the whole words, at the first of so many occurrences of this kind. layer NULL: nothing is found.
 * page 0: none is told. The caller's; on failure NULL. TSR_ERR_NOMEM. */
tsr_status tsri_fields_find(tsr_json **out, const tsr_json *value, const tsr_page_text *layer, size_t page, tsr_error *err);

#endif
