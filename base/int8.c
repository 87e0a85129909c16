/* int8.c: forms of the block types, the tables of kernels, and the product.
 *
 * One to three rows of input: each row of weights is read once, in its file's own bytes (decode is bound by that). More:
 * an item takes 64 outputs; 32 rows of weights at a time, and a stretch of them that the first cache holds, become a panel
 * in the worker's scratch, which all rows of input pass by. The item's panels of one stretch come one after the other, so
 * that the second cache holds the inputs' stretch, and their sums stay in scratch before the last stretch: rows of y lie so
 * far apart, often by a power of two, that the caches would not keep them. Borders depend on shapes alone.
 *
 * Of a feed-forward block an item makes the same outputs of gate and up. What they become is the next product's input: it is
 * rounded from the scratch, and stands nowhere as floats. */
#include "int8_internal.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "counts_internal.h"
#include "pool_internal.h"
#include "quant_internal.h"
#include "tsr_rows.h"

enum {
    GEMV_MAX_ROWS = 3,    /* up to here weights are multiplied row by row */
    GEMV_TILE = 32,       /* outputs of an item then, at least; at best a product is so many items, */
    GEMV_ITEMS = 24,      /* for each of which memory must be waited for once */
    ITEM_OUT = 64,        /* outputs of an item of panels */
    SUM_ROWS = 1024,      /* rows of input whose sums are kept at once; half as many of a gate and its up */
    GATE_MOST = 16384,    /* outputs of a gate's item for few rows, at most */
    ROUND_ROWS = 4        /* rows of input that an item rounds */
};

/* What an item of panels has in its worker's scratch: of a gate and its up [rows, 2, ITEM_OUT], else [rows, ITEM_OUT]. */
typedef struct panel_scratch {
    tsri_int8_panel panel;
    float sums[SUM_ROWS * 2 * ITEM_OUT];
} panel_scratch;

_Static_assert(sizeof(panel_scratch) <= TSR_POOL_SCRATCH_BYTES, "an item of panels fits the scratch");
_Static_assert((int)GEMV_MAX_ROWS * 2 * GATE_MOST * sizeof(float) <= TSR_POOL_SCRATCH_BYTES, "so does one of a few rows' gate");
_Static_assert(TSRI_INT8_PANEL_K % TSRI_QUANT_MAX_ELEMS == 0, "no block is cut");

tsri_int8_form tsri_int8_form_of(tsr_type type)
{
    static const tsri_int8_form forms[TSR_N_TYPES] = {
        [TSR_Q8_0] = {32, 128, false, 255},   [TSR_Q4_0] = {32, 8, false, 15},  [TSR_Q4_1] = {32, 0, true, 15},
        [TSR_Q5_0] = {32, 16, false, 31},     [TSR_Q5_1] = {32, 0, true, 31},   [TSR_Q2_K] = {16, 0, true, 3},
        [TSR_Q3_K] = {16, 4, false, 7},       [TSR_Q4_K] = {32, 0, true, 15},   [TSR_Q5_K] = {32, 0, true, 31},
        [TSR_Q6_K] = {16, 32, false, 63},     [TSR_IQ4_NL] = {32, 128, false, 241},
        [TSR_IQ4_XS] = {32, 128, false, 241}, [TSR_MXFP4] = {32, 12, false, 24},
    };
    return forms[type];
}

void tsri_int8_init(tsri_int8_kernels *k, tsr_cpu_level level)
{
    tsri_int8_init_c(k);
#if defined(TSR_HAVE_X86_SIMD)
    if (level >= TSR_CPU_AVX2)
        tsri_int8_init_avx2(k);
    if (level >= TSR_CPU_AVX512_VNNI)
        tsri_int8_init_vnni(k);
#elif defined(TSR_HAVE_ARM_SIMD)
    if (level >= TSR_CPU_NEON_DOTPROD)
        tsri_int8_init_dotprod(k);
    if (level >= TSR_CPU_NEON_I8MM)
        tsri_int8_init_i8mm(k);
#else
    (void)level;
#endif
}

static tsri_int8_kernels tables[TSR_N_CPU_LEVELS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_tables(void)
{
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++)
        tsri_int8_init(&tables[l], (tsr_cpu_level)l);
}

const tsri_int8_kernels *tsri_int8_get(void)
{
    pthread_once(&once, init_tables);
    return &tables[tsr_cpu_get()];
}

/* ---- inputs ---- */

/* Values [at, at + n) of a row, whole blocks. */
static void round_part(const tsri_int8_kernels *kern, const tsri_int8_input *in, size_t to, size_t at, const float *x, size_t n,
                       tsri_int8_form form)
{
    enum { SOME = 16 };
    int32_t halves[2 * SOME];
    for (size_t first = at / TSRI_INT8_BLOCK, end = (at + n) / TSRI_INT8_BLOCK, now; first < end; first += now) {
        now = tsri_least(SOME, end - first);
        float *xs = in->xs + to * in->lds + first;
        int32_t *fours = in->lanes ? in->lanes + to * in->ldl + 8 * first : NULL;
        kern->round(in->p + to * in->ldp + first * TSRI_INT8_BLOCK, xs, halves, fours, x + first * TSRI_INT8_BLOCK - at, now);
        size_t each = (size_t)TSRI_INT8_BLOCK / form.group, n_sums = each * now;
        for (size_t g = 0; each == 1 && g < now; g++)
            halves[g] = halves[2 * g] + halves[2 * g + 1];
        int32_t *corr = (int32_t *)in->corr + to * in->ldc + each * first;
        for (size_t g = 0; !form.offsets && g < n_sums; g++)
            corr[g] = -(int32_t)form.zero * halves[g];
        for (size_t g = 0; form.offsets && g < n_sums; g++)
            ((float *)(void *)corr)[g] = xs[g / each] * (float)halves[g];
        for (size_t i = 0; fours && i < 8 * now; i++)
            fours[i] *= -(int32_t)form.zero;
    }
}

/* Zeros behind a row of k values: kernels may read on to its end; k is whole blocks. */
static void clear_rest(const tsri_int8_input *in, size_t to, size_t k, tsri_int8_form form)
{
    memset(in->p + to * in->ldp + k, 0, in->ldp - k);
    memset(in->xs + to * in->lds + k / TSRI_INT8_BLOCK, 0, (in->lds - k / TSRI_INT8_BLOCK) * sizeof *in->xs);
    memset((float *)in->corr + to * in->ldc + k / form.group, 0, (in->ldc - k / form.group) * sizeof(float));
    if (in->lanes)
        memset(in->lanes + to * in->ldl + k / 4, 0, (in->ldl - k / 4) * sizeof *in->lanes);
}

/* Bytes of one row of input, and the arrays of n rows laid out one after the other. */
static size_t lay_out(tsri_int8_input *in, unsigned char *at, size_t n, size_t k, bool lanes)
{
    size_t row = (tsri_parts(k, TSRI_INT8_PAD) | 1) * TSRI_INT8_PAD; /* an odd number of lines: rows spread over a cache's sets */
    *in = (tsri_int8_input){.ldp = row, .lds = tsri_whole(row / 32, 16), .ldc = tsri_whole(row / 16, 16), .ldl = lanes ? row / 4 : 0};
    if (at) {
        in->p = (int8_t *)at;
        in->xs = (float *)(void *)(at + n * in->ldp);
        in->corr = in->xs + n * in->lds;
        in->lanes = lanes ? (int32_t *)in->corr + n * in->ldc : NULL;
    }
    return in->ldp + 4 * (in->lds + in->ldc + in->ldl);
}

typedef struct job {
    tsr_product p[TSR_PRODUCTS_MOST];
    size_t n_products;
    const tsr_mlp *mlp; /* whose gate p[0].w is, alone: what it and the up make becomes `mid`; NULL: outputs go to p's y */
    const float *x;
    size_t ldx, n, k;
    bool few;
    size_t tile[TSR_PRODUCTS_MOST];    /* outputs of an item of each */
    size_t n_items[TSR_PRODUCTS_MOST];
    tsri_int8_form form, mid_form;
    tsri_int8_input in, mid;
    const tsri_int8_kernels *kern;
} job;

static void round_rows(const job *j, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        clear_rest(&j->in, i, j->k, j->form);
        round_part(j->kern, &j->in, i, 0, j->x + i * j->ldx, j->k, j->form);
        if (j->mlp)
            clear_rest(&j->mid, i, j->mlp->gate->shape[0], j->mid_form);
    }
}

static void round_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    (void)worker;
    (void)scratch;
    round_rows(j, item * ROUND_ROWS, tsri_least((item + 1) * ROUND_ROWS, j->n));
}

/* ---- items ---- */

/* The product, from output *o on to before *end, that item `item` belongs to. */
static const tsr_product *outputs_of(const job *j, size_t item, size_t *o, size_t *end)
{
    size_t w = 0;
    for (; item >= j->n_items[w]; w++)
        item -= j->n_items[w];
    *o = item * j->tile[w];
    *end = tsri_least(*o + j->tile[w], j->p[w].w->shape[0]);
    return &j->p[w];
}

/* Sums of an item: row i begins at at[i * ld]. */
typedef struct sums {
    float *at;
    size_t ld;
} sums;

/* Outputs [o, end) of rows [first, first + n): of the gate, g, and of its up become those of the next input. */
static void gate_rows(const job *j, size_t first, size_t n, size_t o, size_t end, sums g, sums up)
{
    for (size_t i = 0; i < n; i++) {
        tsr_mlp_activate(j->mlp, g.at + i * g.ld, up.at + i * up.ld, end - o);
        round_part(j->kern, &j->mid, first + i, o, g.at + i * g.ld, end - o, j->mid_form);
    }
}

static void by_rows(const job *j, const tsr_view *w, size_t o, size_t end, sums y)
{
    size_t row_bytes = tsr_view_row_bytes(w);
    for (size_t i = 0; i < j->n; i++)
        j->kern->rows(y.at + i * y.ld, w->type, (const uint8_t *)w->data + o * row_bytes, row_bytes, end - o, &j->in, i, j->k);
}

static void rows_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t o, end;
    const tsr_product *p = outputs_of(j, item, &o, &end);
    (void)worker;
    if (!j->mlp) {
        by_rows(j, p->w, o, end, (sums){p->y + o, p->ldy});
        return;
    }
    sums gate = {scratch, 2 * (end - o)}, up = {gate.at + (end - o), gate.ld};
    by_rows(j, p->w, o, end, gate);
    if (j->mlp->up)
        by_rows(j, j->mlp->up, o, end, up);
    gate_rows(j, 0, j->n, o, end, gate, up);
}

/* A panel: rows [o, o + n) of w, elements [k, k + n_k). n 0: none. */
typedef struct panel_place {
    const tsr_view *w;
    size_t o, n, k, n_k;
} panel_place;

static panel_place panel_at(const job *j, const tsr_view *w, size_t o, size_t end, size_t k)
{
    bool none = o >= end || k >= j->k;
    return (panel_place){w, o, none ? 0 : tsri_least(TSRI_INT8_OUT, end - o), k, none ? 0 : tsri_least(TSRI_INT8_PANEL_K, j->k - k)};
}

static const uint8_t *bytes_of(panel_place p)
{
    const tsr_type_traits *t = tsr_type_info(p.w->type);
    return (const uint8_t *)p.w->data + p.o * tsr_view_row_bytes(p.w) + p.k / t->block_elems * t->block_bytes;
}

/* Memory that is needed when the panel at work is done: its rows lie too far apart for the processor's own prefetching. */
static void ask_for(panel_place p)
{
    enum { LINE = 64 };
    size_t row_bytes = tsr_view_row_bytes(p.w), n_bytes = tsr_row_bytes(p.w->type, p.n_k);
    const uint8_t *row = bytes_of(p);
    for (size_t r = 0; r < p.n; r++, row += row_bytes)
        for (size_t at = 0; at < n_bytes; at += LINE)
            __builtin_prefetch(row + at, 0, 2);
}

/* to = from + products of outputs [o, end) with rows [first, first + n) of x over the stretch from k on; `after`: the panel that
 * comes next. */
static void add_stretch(const job *j, const tsr_view *w, size_t o, size_t end, size_t first, size_t n, size_t k, sums from,
                        sums to, panel_place after, tsri_int8_panel *panel)
{
    panel_place now = panel_at(j, w, o, end, k), next;
    for (; now.n > 0; now = next, from.at += TSRI_INT8_OUT, to.at += TSRI_INT8_OUT) {
        next = panel_at(j, w, now.o + TSRI_INT8_OUT, end, k);
        j->kern->pack(panel, w->type, bytes_of(now), tsr_view_row_bytes(w), now.n, now.n_k);
        ask_for(next.n > 0 ? next : after);
        j->kern->tile(to.at, to.ld, k ? from.at : NULL, from.ld, panel, j->form, &j->in, first, n, k, now.n_k, now.n);
    }
}

static void panels_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    panel_scratch *s = scratch;
    size_t o, end;
    const tsr_product *p = outputs_of(j, item, &o, &end);
    const tsr_view *up = j->mlp ? j->mlp->up : NULL;
    sums a = {s->sums, j->mlp ? 2 * ITEM_OUT : ITEM_OUT}, b = {a.at + ITEM_OUT, a.ld};
    size_t parts = tsri_parts(j->n, j->mlp ? SUM_ROWS / 2 : SUM_ROWS);
    (void)worker;
    for (size_t first = 0, n; first < j->n; first += n, parts--) {
        n = tsri_parts(j->n - first, parts);
        for (size_t k = 0; k < j->k; k += TSRI_INT8_PANEL_K) {
            panel_place next = panel_at(j, p->w, o, end, k + TSRI_INT8_PANEL_K);
            sums to = next.n == 0 && !j->mlp ? (sums){p->y + first * p->ldy + o, p->ldy} : a;
            add_stretch(j, p->w, o, end, first, n, k, a, to, up ? panel_at(j, up, o, end, k) : next, &s->panel);
            if (up)
                add_stretch(j, up, o, end, first, n, k, b, b, next, &s->panel);
        }
        if (j->mlp)
            gate_rows(j, first, n, o, end, a, b);
    }
}

/* Outputs are shared out, and the items run. */
static void run_items(tsr_pool *pool, job *j)
{
    size_t out = 0, items = 0;
    for (size_t i = 0; i < j->n_products; i++)
        out += j->p[i].w->shape[0];
    for (size_t i = 0; i < j->n_products; i++) {
        j->tile[i] = j->few ? tsri_whole(tsri_parts(out, GEMV_ITEMS), GEMV_TILE) : ITEM_OUT;
        if (j->few && j->mlp)
            j->tile[i] = tsri_least(j->tile[i], GATE_MOST);
        j->n_items[i] = tsri_parts(j->p[i].w->shape[0], j->tile[i]);
        items += j->n_items[i];
    }
    tsr_pool_run(pool, items, j->few ? rows_item : panels_item, j);
}

static void run_rounding(tsr_pool *pool, job *j)
{
    if (j->few)
        round_rows(j, 0, j->n);
    else
        tsr_pool_run(pool, tsri_parts(j->n, ROUND_ROWS), round_item, j);
}

static bool is_rounded(const tsr_pool *pool, const tsr_view *w)
{
    return w->n_dims == 2 && tsr_type_is_block(w->type) && tsri_pool_inputs(pool) && w->shape[0] > 0 && w->shape[1] > 0 &&
           w->shape[1] <= TSRI_INT8_MAX_K;
}

static bool same_form(tsr_type a, tsr_type b)
{
    tsri_int8_form x = tsri_int8_form_of(a), y = tsri_int8_form_of(b);
    return x.group == y.group && x.zero == y.zero && x.offsets == y.offsets;
}

bool tsri_int8_takes(const tsr_pool *pool, const tsr_product *p, size_t n_products)
{
    bool ok = n_products <= TSR_PRODUCTS_MOST;
    for (size_t i = 0; i < n_products && ok; i++)
        ok = is_rounded(pool, p[i].w) && same_form(p[i].w->type, p[0].w->type) && p[i].w->shape[1] == p[0].w->shape[1];
    return ok;
}

static job job_of(const tsr_view *w, const float *x, size_t ldx, size_t n)
{
    job j = {.x = x, .ldx = ldx, .k = w->shape[1], .few = n <= GEMV_MAX_ROWS, .form = tsri_int8_form_of(w->type),
             .kern = tsri_int8_get()};
    assert(j.form.group);
    return j;
}

/* As many passes as rows of so many bytes make: into so many, about alike. */
static size_t n_passes(size_t n, size_t row_bytes)
{
    size_t most = TSRI_POOL_INPUT_BYTES / row_bytes;
    assert(most > GEMV_MAX_ROWS);
    return tsri_parts(n, most);
}

void tsri_int8_products(tsr_pool *pool, const tsr_product *p, size_t n_products, const float *x, size_t ldx, size_t n)
{
    job j = job_of(p->w, x, ldx, n);
    j.n_products = n_products;
    assert(n_products <= TSR_PRODUCTS_MOST);
    for (size_t at = 0, left = n_passes(n, lay_out(&j.in, NULL, 0, j.k, j.few)); left > 0; left--, at += j.n) {
        j.n = tsri_parts(n - at, left);
        j.x = x + at * ldx;
        for (size_t i = 0; i < n_products; i++)
            j.p[i] = (tsr_product){p[i].w, p[i].y + at * p[i].ldy, p[i].ldy};
        lay_out(&j.in, tsri_pool_inputs(pool), j.n, j.k, j.few);
        run_rounding(pool, &j);
        run_items(pool, &j);
    }
}

void tsri_int8_mlp(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    job first = job_of(m->gate, x, ldx, n), second = job_of(m->down, NULL, 0, n);
    size_t row = lay_out(&first.in, NULL, 0, first.k, first.few), mid = lay_out(&first.mid, NULL, 0, second.k, first.few);
    first.n_products = second.n_products = 1;
    first.mlp = m;
    first.mid_form = second.form;
    for (size_t at = 0, left = n_passes(n, row + mid); left > 0; left--, at += first.n) {
        first.n = second.n = tsri_parts(n - at, left);
        first.x = x + at * ldx;
        first.p[0] = (tsr_product){.w = m->gate};
        second.p[0] = (tsr_product){m->down, y + at * ldy, ldy};
        lay_out(&first.in, tsri_pool_inputs(pool), first.n, first.k, first.few);
        lay_out(&first.mid, (unsigned char *)tsri_pool_inputs(pool) + first.n * row, first.n, second.k, first.few);
        second.in = first.mid;
        run_rounding(pool, &first);
        run_items(pool, &first);
        run_items(pool, &second);
    }
}
