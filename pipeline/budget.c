/* budget.c: small pictures need few soft tokens, large ones get what the task and the model allow. */
#include "budget.h"

#include <stdio.h>

#include "tsr_vision.h"

enum { MOST_FOR_PICTURES = 280, MOST_FOR_PAGES = 560 };
static const double LEGIBLE = 0.5; /* of its size; print of 12 pixels is 6 high then */

const size_t tsri_budgets[TSRI_N_BUDGETS] = {70, 140, 280, 560, 1120};

bool tsri_is_budget(size_t n)
{
    for (size_t i = 0; i < TSRI_N_BUDGETS; i++)
        if (tsri_budgets[i] == n)
            return true;
    return false;
}

size_t tsri_budget_for(size_t width, size_t height, size_t cell, size_t most)
{
    double tokens = (double)width * (double)height / ((double)cell * (double)cell);
    for (size_t i = 0; i < TSRI_N_BUDGETS; i++)
        if ((double)tsri_budgets[i] >= tokens || tsri_budgets[i] >= most)
            return tsri_budgets[i];
    return most;
}

size_t tsri_budget_trained(const tessera_model *m)
{
    size_t n;
    if (tsr_json_to_size(tsr_json_get_set(m->files.config, "max_trained_soft_tokens"), &n) && tsri_is_budget(n))
        return n;
    return tsri_budgets[TSRI_N_BUDGETS - 1];
}

size_t tsri_budget_most(const tessera_model *m, const tessera_request *rq, bool is_page)
{
    size_t asked = tsri_or_size(rq->max_budget, is_page ? MOST_FOR_PAGES : MOST_FOR_PICTURES), can = tsri_budget_trained(m);
    return asked < can ? asked : can;
}

static size_t cell_of(const tsri_media_list *l)
{
    tsr_vision_info v = tsr_vision_describe(l->model->vision);
    return v.patch * v.pool;
}

size_t tsri_budget_of(const tsri_media_list *l, const tsri_media *m)
{
    if (l->rq->budget != TESSERA_BUDGET_AUTO)
        return tsri_or_size(l->rq->budget, TSRI_DEFAULT_BUDGET);
    return tsri_budget_for(m->source_width, m->source_height, cell_of(l),
                           tsri_budget_most(l->model, l->rq, m->kind == TSRI_PAGE));
}

tsr_status tsri_budget_note(const tsri_media_list *l, const tsri_media *m, tsr_error *err)
{
    double kept = (double)m->width / (double)m->source_width;
    char advice[48] = "";
    if (l->rq->budget != TESSERA_BUDGET_AUTO || kept >= LEGIBLE)
        return TSR_OK;
    size_t enough = tsri_budget_for((size_t)(LEGIBLE * (double)m->source_width), (size_t)(LEGIBLE * (double)m->source_height),
                                    cell_of(l), tsri_budget_trained(l->model));
    if (enough > m->budget)
        snprintf(advice, sizeof advice, "; --budget %zu keeps more", enough);
    return tsri_media_note(l, err, "%s: seen at %.0f %% of its size, small print may be lost%s", l->inputs[m->part].name,
                           100 * kept, advice);
}
