/* split.c: see the header. Rows become panels 32 at a time, values two rows at a time; the panels stay in the second cache while
 * all vectors pass by. */
#include "split_internal.h"

#include <string.h>

#include "counts_internal.h"
#include "pool_internal.h"
#include "rows_internal.h"
#include "tsr_rows.h"

enum { OUTS = 32, LINE = 16, WEIGHTS = TSRI_ROWS_TILE / 2 };

tsri_split_multiply_fn tsri_split_multiply(void)
{
#if defined(TSR_HAVE_X86_SIMD)
    if (tsr_cpu_get() >= TSR_CPU_AMX)
        return tsri_split_multiply_amx;
#endif
    return NULL;
}

static size_t half_row(size_t dim)
{
    return dim / 2 + LINE; /* not a power of two */
}

bool tsri_split_takes(const tsr_pool *pool, tsr_type type, size_t dim)
{
    return tsri_pool_inputs(pool) && tsri_split_multiply() && type != TSR_F32 && dim % OUTS == 0;
}

size_t tsri_split_floats(size_t dim, size_t n)
{
    return n * 2 * (half_row(dim) + WEIGHTS) + TSRI_ROWS_TILE * dim + 3 * OUTS * dim;
}

void tsri_split_begin(tsri_split *s, size_t dim, size_t n, bool rounded, float *room)
{
    *s = (tsri_split){.gemm = tsri_gemm_dot(tsr_cpu_get()), .multiply = tsri_split_multiply(), .n = n, .dim = dim, .halves = rounded ? 1 : 2,
                      .rows = room};
    s->rest = s->rows + OUTS * dim;
    s->pairs = (uint32_t *)(void *)(s->rest + OUTS * dim);
    s->panels = s->pairs + OUTS * dim;
    s->vectors = s->panels + TSRI_ROWS_TILE * dim;
    s->weights = s->vectors + n * 2 * half_row(dim);
}

/* n numbers to their larger halves and, `apart` further on, their smaller ones, if there are such. */
static void halve(const tsri_split *s, uint32_t *to, size_t apart, const float *x, size_t n)
{
    s->gemm->round(to, x, n);
    if (s->halves == 2) {
        s->gemm->rest(s->rest, x, n);
        s->gemm->round(to + apart, s->rest, n);
    }
}

void tsri_split_vector(const tsri_split *s, size_t i, const float *x)
{
    halve(s, s->vectors + i * 2 * half_row(s->dim), half_row(s->dim), x, s->dim);
}

void tsri_split_scores(const tsri_split *s, tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, float *scores)
{
    size_t dim = s->dim, panel = OUTS * dim / 2;
    for (size_t r = 0; r < n_rows; r += OUTS) {
        size_t n = tsri_least(OUTS, n_rows - r);
        tsr_rows_read(type, rows + r * row_bytes, n, dim, s->rows);
        for (size_t i = 0; i < n; i++)
            halve(s, s->pairs + i * dim / 2, panel, s->rows + i * dim, dim);
        for (size_t half = 0; half < s->halves; half++)
            s->gemm->pack_bf16(s->panels + half * panel, (const uint16_t *)(const void *)(s->pairs + half * panel), dim, n, dim);
        s->multiply(scores + r, TSRI_ROWS_TILE, false, s->panels, s->halves == 2 ? panel : 0, s->vectors, half_row(dim), 2 * half_row(dim), s->n, dim / 2);
    }
}

void tsri_split_mix(const tsri_split *s, tsr_type type, const unsigned char *rows, size_t row_bytes, size_t n_rows, const float *w,
                    float *y)
{
    size_t dim = s->dim, steps = tsri_parts(n_rows, 2), panel = OUTS * steps, all = panel * (dim / OUTS);
    for (size_t r = 0; r < n_rows; r += 2) {
        bool odd = r + 1 < n_rows;
        tsr_rows_read(type, rows + r * row_bytes, odd ? 2 : 1, dim, s->rows);
        if (s->halves == 2)
            s->gemm->rest(s->rest, s->rows, odd ? 2 * dim : dim);
        for (size_t half = 0; half < s->halves; half++) {
            const float *from = half ? s->rest : s->rows;
            for (size_t p = 0; p < dim; p += OUTS)
                s->gemm->pair_rows(s->panels + half * all + p / OUTS * panel + r / 2 * OUTS, from + p, odd ? from + dim + p : NULL, OUTS);
        }
    }
    for (size_t i = 0; i < s->n; i++)
        halve(s, s->weights + i * 2 * WEIGHTS, WEIGHTS, w + i * TSRI_ROWS_TILE, n_rows);
    for (size_t p = 0; p < dim; p += OUTS)
        s->multiply(y + p, dim, true, s->panels + p / OUTS * panel, s->halves == 2 ? all : 0, s->weights, WEIGHTS, 2 * WEIGHTS, s->n, steps);
}
