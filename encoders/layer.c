/* layer.c: linear layers with clip limits, norms over rows, scratch. */
#include "layer_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_matmul.h"

enum { ROWS_PER_ITEM = 16, SCRATCH_ALIGN = 16 /* floats: every buffer starts on a cache line */ };

tsr_status tsri_enc_linear_set_limits(tsri_enc_linear *lin, const char *prefix, const char *name, tsr_error *err)
{
    float *to[4] = {&lin->in_min, &lin->in_max, &lin->out_min, &lin->out_max};
    for (size_t i = 0; i < 4; i++) {
        tsr_view_decode(&lin->limit_views[i], 0, 0, 1, to[i]);
        if (isnan(*to[i]))
            return tsr_fail(err, TSR_ERR_MODEL, "%s%s: a clip limit is not a number", prefix, name);
    }
    lin->clipped = true;
    return TSR_OK;
}

static bool is_open(tsri_enc_range r)
{
    return r.min == -INFINITY && r.max == INFINITY;
}

static bool is_same(tsri_enc_range a, tsri_enc_range b)
{
    return a.min == b.min && a.max == b.max;
}

void tsri_enc_clamp_row(float *y, const float *x, size_t n, tsri_enc_range to)
{
    tsr_clamp(y, x, to.min, to.max, n);
}

tsri_enc_range tsri_enc_range_then(tsri_enc_range first, tsri_enc_range second)
{
    tsri_enc_range both;
    tsr_clamp(&both.min, &first.min, second.min, second.max, 1);
    tsr_clamp(&both.max, &first.max, second.min, second.max, 1);
    return both;
}

tsri_enc_range tsri_enc_in(const tsri_enc_linear *lin)
{
    return lin->clipped ? (tsri_enc_range){lin->in_min, lin->in_max} : tsri_enc_open_range();
}

tsri_enc_range tsri_enc_out(const tsri_enc_linear *lin)
{
    return lin->clipped ? (tsri_enc_range){lin->out_min, lin->out_max} : tsri_enc_open_range();
}

tsri_enc_range tsri_enc_common_in(const tsri_enc_linear *const *lins, size_t n)
{
    tsri_enc_range common = tsri_enc_in(lins[0]);
    for (size_t i = 1; i < n; i++)
        if (!is_same(tsri_enc_in(lins[i]), common))
            return tsri_enc_open_range();
    return common;
}

typedef struct rows_job {
    tsri_enc_rows_fn fn;
    void *ctx;
    size_t n_rows;
} rows_job;

static void rows_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const rows_job *j = ctx;
    size_t first = item * ROWS_PER_ITEM, left = j->n_rows - first;
    (void)worker;
    (void)scratch;
    j->fn(j->ctx, first, left < ROWS_PER_ITEM ? left : ROWS_PER_ITEM);
}

void tsri_enc_rows(tsr_pool *pool, size_t n_rows, tsri_enc_rows_fn fn, void *ctx)
{
    rows_job j = {fn, ctx, n_rows};
    tsr_pool_run(pool, (n_rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, rows_item, &j);
}

typedef struct clamp_job {
    const float *x;
    size_t ldx, cols;
    float *y;
    tsri_enc_range to;
} clamp_job;

static void clamp_rows(void *ctx, size_t first, size_t n)
{
    const clamp_job *j = ctx;
    for (size_t r = first; r < first + n; r++)
        tsri_enc_clamp_row(j->y + r * j->cols, j->x + r * j->ldx, j->cols, j->to);
}

/* x as a layer with this range of inputs wants it: x itself, or clamped, in tmp. */
static const float *clamped(tsr_pool *pool, tsri_enc_range in, tsri_enc_range is_in, const float *x, size_t *ldx, size_t cols,
                            size_t n, float *tmp)
{
    if (is_same(in, is_in) || is_open(in))
        return x;
    clamp_job j = {x, *ldx, cols, tmp, in};
    tsri_enc_rows(pool, n, clamp_rows, &j);
    *ldx = cols;
    return tmp;
}

void tsri_enc_linear_run(tsr_pool *pool, const tsri_enc_linear *lin, const float *x, size_t ldx, tsri_enc_range is_in,
                         size_t n, float *y, size_t ldy, float *tmp)
{
    x = clamped(pool, tsri_enc_in(lin), is_in, x, &ldx, tsr_view_cols(&lin->w), n, tmp);
    tsr_matmul(pool, &lin->w, x, ldx, n, y, ldy);
}

void tsri_enc_linears_run(tsr_pool *pool, const tsri_enc_linear *const *lins, size_t n_lins, const float *x, size_t ldx,
                          tsri_enc_range is_in, size_t n, float *const *y, const size_t *ldy, float *tmp)
{
    tsr_product p[TSR_PRODUCTS_MOST] = {{0}};
    bool as_it_is = true;
    assert(n_lins <= TSR_PRODUCTS_MOST);
    for (size_t i = 0; i < n_lins; i++) {
        p[i] = (tsr_product){&lins[i]->w, y[i], ldy[i], false};
        as_it_is = as_it_is && is_same(tsri_enc_in(lins[i]), is_in);
    }
    if (as_it_is)
        tsr_matmul_each(pool, p, n_lins, x, ldx, n);
    for (size_t i = 0; !as_it_is && i < n_lins; i++)
        tsri_enc_linear_run(pool, lins[i], x, ldx, is_in, n, y[i], ldy[i], tmp);
}

/* ---- feed-forward blocks ---- */

typedef struct mlp_job {
    const tsr_mlp *mlp;
    float *work;
    size_t width;
} mlp_job;

static void activate_rows(void *ctx, size_t first, size_t n)
{
    const mlp_job *j = ctx;
    for (float *g = j->work + first * 2 * j->width; n > 0; n--, g += 2 * j->width)
        tsr_mlp_activate(j->mlp, g, g + j->width, j->width);
}

/* Gate and up want x in ranges of their own. */
static void run_apart(tsr_pool *pool, const tsri_enc_mlp *m, const tsr_mlp *mlp, const float *x, tsri_enc_range is_in, size_t n,
                      float *y, float *work, float *tmp)
{
    size_t cols = tsr_view_cols(mlp->gate), width = tsr_view_rows(mlp->gate), out = tsr_view_rows(mlp->down);
    mlp_job j = {mlp, work, width};
    for (size_t now; n > 0; n -= now, x += now * cols, y += now * out) {
        now = n < TSR_MLP_ROWS ? n : TSR_MLP_ROWS;
        tsri_enc_linear_run(pool, m->gate, x, cols, is_in, now, work, 2 * width, tmp);
        tsri_enc_linear_run(pool, m->up, x, cols, is_in, now, work + width, 2 * width, tmp);
        tsri_enc_rows(pool, now, activate_rows, &j);
        tsr_matmul(pool, mlp->down, work, 2 * width, now, y, out);
    }
}

void tsri_enc_mlp_run(tsr_pool *pool, const tsri_enc_mlp *m, const float *x, tsri_enc_range is_in, size_t n, float *y, float *work,
                      float *tmp)
{
    tsri_enc_range gate = tsri_enc_out(m->gate), up = m->up ? tsri_enc_out(m->up) : gate, mid = tsri_enc_in(m->down);
    const tsr_mlp_limits limits = {gate.min, gate.max, up.min, up.max, mid.min, mid.max};
    tsr_mlp mlp = {&m->gate->w, m->up ? &m->up->w : NULL, &m->down->w, m->activation, &limits};
    size_t cols = tsr_view_cols(mlp.gate), ldx = cols;
    if (m->up && !is_same(tsri_enc_in(m->up), tsri_enc_in(m->gate))) {
        run_apart(pool, m, &mlp, x, is_in, n, y, work, tmp);
        return;
    }
    x = clamped(pool, tsri_enc_in(m->gate), is_in, x, &ldx, cols, n, tmp);
    tsr_mlp_run(pool, &mlp, x, ldx, n, y, tsr_view_rows(mlp.down), work);
}

typedef struct rms_job {
    const tsri_enc_norm *norm;
    const float *x;
    float *y;
    float *h; /* NULL: y alone */
    float scale;
} rms_job;

static void rms_rows(void *ctx, size_t first, size_t n)
{
    const rms_job *j = ctx;
    size_t dim = j->norm->dim;
    for (size_t r = first; r < first + n; r++) {
        const float *x = j->x + r * dim;
        float *y = j->y + r * dim;
        if (!is_open(j->norm->in)) {
            tsri_enc_clamp_row(y, x, dim, j->norm->in);
            x = y;
        }
        tsr_rms_norm(y, x, j->norm->weight, dim, j->norm->eps);
        tsri_enc_clamp_row(y, y, dim, j->norm->out);
        if (j->h)
            tsr_axpy(j->h + r * dim, j->scale, y, dim);
    }
}

void tsri_enc_rms(tsr_pool *pool, const tsri_enc_norm *norm, const float *x, size_t n, float *y)
{
    rms_job j = {norm, x, y, NULL, 1.0f};
    tsri_enc_rows(pool, n, rms_rows, &j);
}

void tsri_enc_rms_add(tsr_pool *pool, const tsri_enc_norm *norm, float *x, size_t n, float scale, float *h)
{
    rms_job j = {norm, x, x, h, scale};
    tsri_enc_rows(pool, n, rms_rows, &j);
}

void tsri_enc_layer_norm_row(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    double sum = 0.0, sq = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - mean;
        sq += d * d;
    }
    double inv = 1.0 / sqrt(sq / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) {
        double v = ((double)x[i] - mean) * inv * (double)w[i];
        y[i] = (float)(b ? v + (double)b[i] : v);
    }
}

float tsri_enc_softplus(float x)
{
    return x > 20.0f ? x : log1pf(expf(x));
}

tsr_status tsri_enc_scratch_plan(size_t *total, size_t rows, size_t cols, const char *what, tsr_error *err)
{
    size_t n;
    if (!tsr_mul_size(&n, rows, cols) || !tsr_add_size(&n, n, SCRATCH_ALIGN - 1) ||
        !tsr_add_size(total, *total, n / SCRATCH_ALIGN * SCRATCH_ALIGN))
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu x %zu values of scratch are too many", what, rows, cols);
    return TSR_OK;
}

tsr_status tsri_enc_scratch_reserve(tsri_enc_scratch *s, size_t total, const char *what, tsr_error *err)
{
    s->used = 0;
    if (total <= s->cap)
        return TSR_OK;
    tsri_enc_scratch_deinit(s);
    tsr_status st = tsr_alloc_array(&s->data, total, sizeof *s->data, what, err);
    if (st == TSR_OK)
        s->cap = total;
    return st;
}

float *tsri_enc_scratch_take(tsri_enc_scratch *s, size_t rows, size_t cols)
{
    size_t n = (rows * cols + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
    float *p = s->data + s->used;
    assert(n <= s->cap - s->used);
    s->used += n;
    return p;
}

void tsri_enc_scratch_deinit(tsri_enc_scratch *s)
{
    tsr_free(s->data);
    *s = (tsri_enc_scratch){0};
}

void tsri_enc_tap_show(const tsri_enc_tap *tap, const char *rung, size_t index, const float *data, size_t rows,
                       size_t cols)
{
    if (tap->fn)
        tap->fn(tap->user, rung, index, data, rows, cols);
}

size_t tsri_enc_first_bad_row(const float *rows, size_t n_rows, size_t width)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < width; i++)
            if (!isfinite(rows[r * width + i]))
                return r;
    return n_rows;
}

static void note_fault(void *user, const char *rung, size_t index, const float *data, size_t rows, size_t cols)
{
    tsri_enc_fault *fault = user;
    if (!fault->rung && tsri_enc_first_bad_row(data, rows, cols) < rows)
        *fault = (tsri_enc_fault){rung, index};
}

tsri_enc_tap tsri_enc_fault_tap(tsri_enc_fault *fault)
{
    *fault = (tsri_enc_fault){0};
    return (tsri_enc_tap){note_fault, fault};
}

tsr_status tsri_enc_fault_fail(const tsri_enc_fault *fault, const char *what, size_t row, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_MODEL, "%s: row %zu is not finite, first at \"%s\" %zu", what, row,
                    fault->rung ? fault->rung : "rows", fault->index);
}
