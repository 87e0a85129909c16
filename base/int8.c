/* int8.c: forms of the block types, the tables of kernels, and the product.
 *
 * One to three rows of input: each row of weights is read once, in its file's own bytes (decode is bound by that). More:
 * an item takes 64 outputs; 32 rows of weights at a time, and a stretch of them that the first cache holds, become a panel
 * in the worker's scratch, which all rows of input pass by. The item's panels of one stretch come one after the other, so
 * that the second cache holds the inputs' stretch, and their sums stay in scratch before the last stretch: rows of y lie so
 * far apart, often by a power of two, that the caches would not keep them. Borders depend on shapes alone. */
#include "int8_internal.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "counts_internal.h"
#include "pool_internal.h"
#include "quant_internal.h"

enum {
    GEMV_MAX_ROWS = 3,    /* up to here weights are multiplied row by row */
    GEMV_TILE = 32,       /* outputs of an item then, at least; at best a product is so many items, */
    GEMV_ITEMS = 24,      /* for each of which memory must be waited for once */
    ITEM_OUT = 64,        /* outputs of an item of panels */
    SUM_ROWS = 1024,      /* rows of input whose sums are kept at once */
    ROUND_ROWS = 4        /* rows of input that an item rounds */
};

/* What an item of panels has in its worker's scratch: of a gated pair [rows, 2, ITEM_OUT], else [rows, ITEM_OUT]. */
typedef struct panel_scratch {
    tsri_int8_panel panel;
    float sums[SUM_ROWS * 2 * ITEM_OUT];
} panel_scratch;

_Static_assert(sizeof(panel_scratch) <= TSR_POOL_SCRATCH_BYTES, "an item of panels fits the scratch");
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

/* What block b of a row tells beside its numbers: sums of four, eight of them. */
static void note_sums(const tsri_int8_input *in, size_t to, size_t b, const int32_t sums[8], float xs, tsri_int8_form form)
{
    int32_t halves[2] = {sums[0] + sums[1] + sums[2] + sums[3], sums[4] + sums[5] + sums[6] + sums[7]};
    size_t n = (size_t)TSRI_INT8_BLOCK / form.group;
    if (n == 1)
        halves[0] += halves[1];
    for (size_t g = 0; g < n; g++)
        if (form.offsets)
            ((float *)in->corr)[to * in->ldc + n * b + g] = xs * (float)halves[g];
        else
            ((int32_t *)in->corr)[to * in->ldc + n * b + g] = -(int32_t)form.zero * halves[g];
    for (size_t i = 0; in->lanes && i < 8; i++)
        in->lanes[to * in->ldl + 8 * b + i] = -(int32_t)form.zero * sums[i];
}

void tsri_int8_round_row(const tsri_int8_kernels *kern, const tsri_int8_input *in, size_t to, const float *x, size_t k,
                         tsri_int8_form form)
{
    int8_t *p = in->p + to * in->ldp;
    float *xs = in->xs + to * in->lds;
    memset(p + k, 0, in->ldp - k); /* kernels may read on to the end of a row; k is whole blocks */
    memset(xs + k / TSRI_INT8_BLOCK, 0, (in->lds - k / TSRI_INT8_BLOCK) * sizeof *xs);
    memset((float *)in->corr + to * in->ldc + k / form.group, 0, (in->ldc - k / form.group) * sizeof(float));
    if (in->lanes)
        memset(in->lanes + to * in->ldl + k / 4, 0, (in->ldl - k / 4) * sizeof *in->lanes);
    for (size_t b = 0; b < k / TSRI_INT8_BLOCK; b++) {
        int32_t sums[8];
        xs[b] = kern->round32(p + b * TSRI_INT8_BLOCK, sums, x + b * TSRI_INT8_BLOCK);
        note_sums(in, to, b, sums, xs[b], form);
    }
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
    bool gated; /* of two: p[0].y := gelu(p[0].y) * p[1].y */
    const float *x;
    size_t ldx, n, k;
    size_t tile[TSR_PRODUCTS_MOST];    /* outputs of an item of each */
    size_t n_items[TSR_PRODUCTS_MOST];
    tsri_int8_form form;
    tsri_int8_input in;
    const tsri_int8_kernels *kern;
} job;

static void round_rows(const job *j, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++)
        tsri_int8_round_row(j->kern, &j->in, i, j->x + i * j->ldx, j->k, j->form);
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
    for (; !j->gated && item >= j->n_items[w]; w++)
        item -= j->n_items[w];
    *o = item * j->tile[w];
    *end = tsri_least(*o + j->tile[w], j->p[w].w->shape[0]);
    return &j->p[w];
}

static void by_rows(const job *j, const tsr_product *p, size_t o, size_t end)
{
    size_t row_bytes = tsr_view_row_bytes(p->w);
    for (size_t i = 0; i < j->n; i++)
        j->kern->rows(p->y + i * p->ldy + o, p->w->type, (const uint8_t *)p->w->data + o * row_bytes, row_bytes, end - o,
                      &j->in, i, j->k);
}

static void rows_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t o, end;
    const tsr_product *p = outputs_of(j, item, &o, &end);
    (void)worker;
    (void)scratch;
    by_rows(j, p, o, end);
    if (!j->gated)
        return;
    by_rows(j, &j->p[1], o, end);
    for (size_t i = 0; i < j->n; i++)
        tsr_gelu_mul(p->y + i * p->ldy + o, j->p[1].y + i * j->p[1].ldy + o, end - o);
}

/* Sums of an item: row i begins at at[i * ld]. */
typedef struct sums {
    float *at;
    size_t ld;
} sums;

/* to = from + products of outputs [o, end) with rows [first, first + n) of x over the stretch from k on. */
static void add_stretch(const job *j, const tsr_view *w, size_t o, size_t end, size_t first, size_t n, size_t k, sums from,
                        sums to, tsri_int8_panel *panel)
{
    const tsr_type_traits *t = tsr_type_info(w->type);
    size_t row_bytes = tsr_view_row_bytes(w), n_k = tsri_least(TSRI_INT8_PANEL_K, j->k - k);
    const uint8_t *bytes = (const uint8_t *)w->data + k / t->block_elems * t->block_bytes;
    for (size_t at = 0; at < end - o; at += TSRI_INT8_OUT) {
        size_t n_out = tsri_least(TSRI_INT8_OUT, end - o - at);
        j->kern->pack(panel, w->type, bytes + (o + at) * row_bytes, row_bytes, n_out, n_k);
        j->kern->tile(to.at + at, to.ld, k ? from.at + at : NULL, from.ld, panel, j->form, &j->in, first, n, k, n_k, n_out);
    }
}

static void panels_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    panel_scratch *s = scratch;
    size_t o, end;
    const tsr_product *p = outputs_of(j, item, &o, &end);
    (void)worker;
    for (size_t first = 0, n; first < j->n; first += n) {
        n = tsri_least(SUM_ROWS, j->n - first);
        sums y = {p->y + first * p->ldy + o, p->ldy}, a = {s->sums, j->gated ? 2 * ITEM_OUT : ITEM_OUT}, b = {a.at + ITEM_OUT, a.ld};
        for (size_t k = 0; k < j->k; k += TSRI_INT8_PANEL_K) {
            bool last = j->k - k <= TSRI_INT8_PANEL_K;
            add_stretch(j, p->w, o, end, first, n, k, a, last ? y : a, &s->panel);
            if (j->gated)
                add_stretch(j, j->p[1].w, o, end, first, n, k, b, b, &s->panel);
        }
        for (size_t i = 0; j->gated && i < n; i++)
            tsr_gelu_mul(y.at + i * y.ld, b.at + i * b.ld, end - o);
    }
}

/* Gives the number of items. */
static size_t share_out(job *j, bool few)
{
    size_t out = 0, items = 0, n = j->gated ? 1 : j->n_products;
    for (size_t i = 0; i < n; i++)
        out += j->p[i].w->shape[0];
    for (size_t i = 0; i < n; i++) {
        j->tile[i] = few ? tsri_whole(tsri_parts(out, GEMV_ITEMS), GEMV_TILE) : ITEM_OUT;
        j->n_items[i] = tsri_parts(j->p[i].w->shape[0], j->tile[i]);
        items += j->n_items[i];
    }
    return items;
}

/* As many rows of x as the pool's memory for inputs holds. */
static void pass(tsr_pool *pool, job *j, bool few)
{
    size_t items = share_out(j, few);
    lay_out(&j->in, tsri_pool_inputs(pool), j->n, j->k, few);
    if (few)
        round_rows(j, 0, j->n);
    else
        tsr_pool_run(pool, tsri_parts(j->n, ROUND_ROWS), round_item, j);
    tsr_pool_run(pool, items, few ? rows_item : panels_item, j);
}

bool tsri_int8_same_form(tsr_type a, tsr_type b)
{
    tsri_int8_form x = tsri_int8_form_of(a), y = tsri_int8_form_of(b);
    return x.group == y.group && x.zero == y.zero && x.offsets == y.offsets;
}

void tsri_int8_products(tsr_pool *pool, const tsr_product *p, size_t n_products, bool gated, const float *x, size_t ldx,
                        size_t n)
{
    job j = {.n_products = n_products, .gated = gated, .ldx = ldx, .k = p->w->shape[1], .form = tsri_int8_form_of(p->w->type),
             .kern = tsri_int8_get()};
    bool few = n <= GEMV_MAX_ROWS;
    size_t most = TSRI_POOL_INPUT_BYTES / lay_out(&j.in, NULL, 0, j.k, few);
    assert(most > GEMV_MAX_ROWS && j.form.group && n_products <= TSR_PRODUCTS_MOST);
    for (size_t at = 0, left = tsri_parts(n, most); left > 0; left--, at += j.n) {
        j.n = tsri_parts(n - at, left); /* about alike */
        j.x = x + at * ldx;
        for (size_t i = 0; i < n_products; i++)
            j.p[i] = (tsr_product){p[i].w, p[i].y + at * p[i].ldy, p[i].ldy};
        pass(pool, &j, few);
    }
}
