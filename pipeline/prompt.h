/* prompt.h: a request and its planned media become prompt ids, and fit into the context or not. */
#ifndef TSRI_PROMPT_H
#define TSRI_PROMPT_H

#include "media_part.h"
#include "tsr_prompt.h"

/* Render and encode with the soft-token counts that the media parts have now. On failure *out is
 * empty; else the caller's (tsr_prompt_deinit). */
tsr_status tsri_prompt_build(tsr_prompt *out, const tsri_media_list *media, tsr_error *err);

/* TSR_ERR_LIMIT when the prompt and one new token do not fit into `ctx` positions, saying what would. */
tsr_status tsri_prompt_check_fit(const tsr_prompt *p, const tsri_media_list *media, size_t ctx, tsr_error *err);

#endif
