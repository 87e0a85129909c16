/* budget.h: how many soft tokens a picture gets. */
#ifndef TSR_BUDGET_H
#define TSR_BUDGET_H

#include "media_part.h"

enum { TSRI_N_BUDGETS = 5 };
extern const size_t tsri_budgets[TSRI_N_BUDGETS]; /* 70, 140, 280, 560, 1120 */

bool tsri_is_budget(size_t n);

/* The smallest of the budgets at which a picture of width x height pixels keeps its size, at most `most` (one of them);
 * a soft token covers cell x cell pixels. */
size_t tsri_budget_for(size_t width, size_t height, size_t cell, size_t most);

/* The largest budget that the model was made for: "max_trained_soft_tokens" of its config.json; 1120 where it says nothing. */
size_t tsri_budget_trained(const tessera_model *m);

/* The largest that the model was made for and `rq` allows for a picture, or a page. */
size_t tsri_budget_most(const tessera_model *m, const tessera_request *rq, bool is_page);

/* The budget of a picture or page: the request's; 280 where it has none; for TESSERA_BUDGET_AUTO by its size. */
size_t tsri_budget_of(const tsri_media_list *l, const tsri_media *m);

/* For TESSERA_BUDGET_AUTO: a note where a picture has lost so much of its size that small print is lost, with the budget
 * that keeps it. TSR_ERR_NOMEM, CANCELLED. */
tsr_status tsri_budget_note(const tsri_media_list *l, const tsri_media *m, tsr_error *err);

#endif
