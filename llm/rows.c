/* rows.c: small operations that treat every row alone, shared out in blocks of rows. */
#include "decoder_internal.h"
#include "tsr_matmul.h"

typedef struct rows_job {
    tsr_context *c;
    tsri_row_fn fn;
    const void *arg;
    size_t n;
} rows_job;

static void run_block(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const rows_job *j = ctx;
    size_t end = (item + 1) * TSRI_ROWS_PER_ITEM;
    (void)worker;
    for (size_t r = item * TSRI_ROWS_PER_ITEM; r < end && r < j->n; r++)
        j->fn(j->c, j->arg, r, scratch);
}

void tsri_for_rows(tsr_context *c, size_t n, tsri_row_fn fn, const void *arg)
{
    rows_job j = {.c = c, .fn = fn, .arg = arg, .n = n};
    tsr_pool_run(c->pool, (n + TSRI_ROWS_PER_ITEM - 1) / TSRI_ROWS_PER_ITEM, run_block, &j);
}

void tsri_note_row(tsr_context *c, size_t r, bool finite)
{
    if (!finite && c->bad[r] == TSRI_NOWHERE)
        c->bad[r] = (uint8_t)c->place;
}

/* The operands of one operation; each function below uses some of them. */
typedef struct operands {
    float *y, *normed;
    const float *x, *w;
    float s;
} operands;

static void norm_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const operands *o = arg;
    size_t hidden = c->d->config.hidden;
    (void)scratch;
    tsri_note_row(c, r, tsr_rms_norm(o->y + r * hidden, o->x + r * hidden, o->w, hidden, c->d->config.eps));
}

void tsri_norm_rows(tsr_context *c, float *y, const float *x, const float *w)
{
    operands o = {.y = y, .x = x, .w = w};
    tsri_for_rows(c, c->n, norm_row, &o);
}

/* y is scratch of the caller's: normed in place, then added. */
static void add_normed_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const operands *o = arg;
    size_t hidden = c->d->config.hidden;
    float *h = o->y + r * hidden, *y = o->normed + r * hidden;
    (void)scratch;
    tsri_note_row(c, r, tsr_rms_norm(y, y, o->w, hidden, c->d->config.eps));
    for (size_t i = 0; i < hidden; i++)
        h[i] += y[i];
}

void tsri_add_normed_rows(tsr_context *c, float *h, float *y, const float *w)
{
    operands o = {.y = h, .normed = y, .w = w};
    tsri_for_rows(c, c->n, add_normed_row, &o);
}

static void add_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const operands *o = arg;
    size_t hidden = c->d->config.hidden;
    float *y = o->y + r * hidden;
    const float *x = o->x + r * hidden;
    (void)scratch;
    for (size_t i = 0; i < hidden; i++)
        y[i] += x[i];
}

void tsri_add_rows(tsr_context *c, float *y, const float *x)
{
    operands o = {.y = y, .x = x};
    tsri_for_rows(c, c->n, add_row, &o);
}

static void scale_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const operands *o = arg;
    size_t hidden = c->d->config.hidden;
    float *y = o->y + r * hidden;
    (void)scratch;
    for (size_t i = 0; i < hidden; i++)
        y[i] *= o->s;
}

void tsri_scale_rows(tsr_context *c, float *h, float s)
{
    operands o = {.y = h, .s = s};
    tsri_for_rows(c, c->n, scale_row, &o);
}
