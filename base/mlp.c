/* mlp.c: feed-forward blocks. With rounded inputs what lies between the products stays in the workers' scratch (rounded.c);
 * else it stands in the caller's, some rows at a time. */
#include <assert.h>

#include "counts_internal.h"
#include "rounded_internal.h"
#include "tsr_matmul.h"

enum { ACTIVATE_ROWS = 4 /* rows of an item */ };

void tsr_mlp_activate(const tsr_mlp *m, float *g, float *u, size_t n)
{
    const tsr_mlp_limits *l = m->limits;
    if (l)
        tsr_clamp(g, g, l->gate_min, l->gate_max, n);
    if (l && m->up)
        tsr_clamp(u, u, l->up_min, l->up_max, n);
    if (m->activation == TSR_SILU)
        tsr_sigmoid_mul(g, g, g, n);
    else
        tsr_gelu_mul(g, m->up ? u : NULL, n);
    if (l)
        tsr_clamp(g, g, l->mid_min, l->mid_max, n);
}

typedef struct job {
    const tsr_mlp *m;
    float *g;
    size_t ld, n, width;
} job;

static void activate_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t end = tsri_least((item + 1) * ACTIVATE_ROWS, j->n);
    (void)worker;
    (void)scratch;
    for (size_t i = item * ACTIVATE_ROWS; i < end; i++)
        tsr_mlp_activate(j->m, j->g + i * j->ld, j->g + i * j->ld + j->width, j->width);
}

/* n rows at once. */
static void run_rows(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy, float *work)
{
    size_t width = m->gate->shape[0], ld = m->up ? 2 * width : width;
    const tsr_product both[2] = {{m->gate, work, ld, false}, {m->up, work + width, ld, false}};
    job j = {m, work, ld, n, width};
    tsr_matmul_each(pool, both, m->up ? 2 : 1, x, ldx, n);
    tsr_pool_run(pool, tsri_parts(n, ACTIVATE_ROWS), activate_item, &j);
    tsr_matmul(pool, m->down, work, ld, n, y, ldy);
}

void tsr_mlp_run(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy, float *work)
{
    assert(m->down->shape[1] == m->gate->shape[0] && !(m->up && m->activation == TSR_SILU));
    assert(!m->up || (m->up->shape[0] == m->gate->shape[0] && m->up->shape[1] == m->gate->shape[1]));
    if (n > 0 && tsri_rounded_mlp(pool, m, x, ldx, n, y, ldy))
        return;
    for (size_t at = 0; at < n; at += TSR_MLP_ROWS)
        run_rows(pool, m, x + at * ldx, ldx, tsri_least(TSR_MLP_ROWS, n - at), y + at * ldy, ldy, work);
}
