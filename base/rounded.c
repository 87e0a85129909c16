/* rounded.c: products of weights with rounded inputs: of block types with int8, or, where the processor multiplies tiles of BF16,
 * of these and BF16 with BF16.
 *
 * One to three rows of input: each row of weights is read once, in its file's own bytes (decode is bound by that). More:
 * an item takes 64 outputs, with BF16 up to 256; 32 rows of weights at a time, and a stretch of them that the first cache
 * holds, become a panel in the worker's scratch, which all rows of input pass by. The item's panels of one stretch come one after the other, so
 * that the second cache holds the inputs' stretch, and their sums stay in scratch before the last stretch: rows of y lie so
 * far apart, often by a power of two, that the caches would not keep them. Borders depend on shapes alone.
 *
 * Of a feed-forward block an item makes the same outputs of gate and up. What they become is the next product's input: it is
 * rounded from the scratch, and stands nowhere as floats. */
#include "rounded_internal.h"

#include <assert.h>
#include <string.h>

#include "counts_internal.h"
#include "pairs_internal.h"
#include "pool_internal.h"
#include "quant_internal.h"
#include "tsr_rows.h"

enum {
    GEMV_MAX_ROWS = 3,    /* up to here weights are multiplied row by row */
    GEMV_TILE = 32,       /* outputs of an item then, at least; at best a product is so many items, */
    GEMV_ITEMS = 24,      /* for each of which memory must be waited for once */
    ITEM_OUT = 64,        /* outputs of an item of panels, half of all where it has a gate's and its up's */
    PAIRS_OUT = 256,      /* outputs, all of them, of an item of pairs, at most: inputs come from the third cache that much more seldom */
    PAIRS_ITEMS = 3,      /* of which each thread should get so many */
    SUM_ROWS = 1024,      /* rows of input whose sums are kept at once, at most, */
    SUM_FLOATS = SUM_ROWS * 2 * ITEM_OUT, /* and the sums */
    GATE_MOST = 16384,    /* outputs of a gate's item for few rows, at most */
    ROUND_ROWS = 4        /* rows of input that an item rounds */
};

/* What an item of panels has in its worker's scratch; sums: [outputs / 32, rows, 32], of a gate, then of its up. */
typedef struct panel_scratch {
    tsri_int8_panel panel;
    _Alignas(64) uint32_t pairs[TSRI_PAIRS_K / 2 * TSRI_INT8_OUT];
    float sums[SUM_FLOATS];
} panel_scratch;

_Static_assert(sizeof(panel_scratch) <= TSR_POOL_SCRATCH_BYTES, "an item of panels fits the scratch");
_Static_assert((int)GEMV_MAX_ROWS * 2 * GATE_MOST * sizeof(float) <= TSR_POOL_SCRATCH_BYTES, "so does one of a few rows' gate");
_Static_assert(TSRI_INT8_PANEL_K % TSRI_QUANT_MAX_ELEMS == 0 && TSRI_PAIRS_K % TSRI_QUANT_MAX_ELEMS == 0, "no block is cut");
_Static_assert((int)TSRI_PAIRS_K <= (int)TSRI_INT8_PANEL_K, "a panel of pairs is made of one of int8");

/* ---- inputs ---- */

enum { SOME_BLOCKS = 16 }; /* that are rounded at once */

/* Of `now` blocks of row `to`, from block `first` on, what belongs to the input alone. */
static void put_corrections(const tsri_int8_input *in, size_t to, size_t first, size_t now, int32_t *halves, tsri_int8_form form)
{
    const float *xs = in->xs + to * in->lds + first;
    size_t each = (size_t)TSRI_INT8_BLOCK / form.group, n_sums = each * now;
    for (size_t g = 0; each == 1 && g < now; g++)
        halves[g] = halves[2 * g] + halves[2 * g + 1];
    int32_t *corr = (int32_t *)in->corr + to * in->ldc + each * first;
    for (size_t g = 0; !form.offsets && g < n_sums; g++)
        corr[g] = -(int32_t)form.zero * halves[g];
    for (size_t g = 0; form.offsets && g < n_sums; g++)
        ((float *)(void *)corr)[g] = xs[g / each] * (float)halves[g];
}

/* `now` blocks of a row, from block `first` on, in the order of nibbles. */
static void put_by_nibbles(int8_t *row, const int8_t *blocks, size_t first, size_t now)
{
    enum { HALF = TSRI_INT8_BLOCK / 2 };
    for (size_t b = first; b < first + now; b++, blocks += TSRI_INT8_BLOCK) {
        int8_t *to = row + b / 4 * 4 * TSRI_INT8_BLOCK + b % 4 * HALF;
        memcpy(to, blocks, HALF);
        memcpy(to + 4 * HALF, blocks + HALF, HALF);
    }
}

/* Values [at, at + n) of a row, whole blocks. */
static void round_part(const tsri_int8_kernels *kern, const tsri_int8_input *in, size_t to, size_t at, const float *x, size_t n,
                       tsri_int8_form form)
{
    int32_t halves[2 * SOME_BLOCKS];
    int8_t unordered[2][SOME_BLOCKS * TSRI_INT8_BLOCK];
    for (size_t first = at / TSRI_INT8_BLOCK, end = (at + n) / TSRI_INT8_BLOCK, now; first < end; first += now) {
        now = tsri_least(SOME_BLOCKS, end - first);
        int8_t *p = in->in_order ? unordered[0] : in->p + to * in->ldp + first * TSRI_INT8_BLOCK;
        if (in->lo)
            kern->round_fine(p, in->in_order ? unordered[1] : in->lo + (p - in->p), in->xs + to * in->lds + first, halves,
                             x + first * TSRI_INT8_BLOCK - at, now);
        else
            kern->round(p, in->xs + to * in->lds + first, halves, x + first * TSRI_INT8_BLOCK - at, now);
        if (in->in_order)
            put_by_nibbles(in->p + to * in->ldp, unordered[0], first, now);
        if (in->in_order && in->lo)
            put_by_nibbles(in->lo + to * in->ldp, unordered[1], first, now);
        put_corrections(in, to, first, now, halves, form);
    }
}

/* Block `block` of n rows from `to` on, which follow each other in x: SOME_BLOCKS at most, not in the order of nibbles. Kernels take some blocks
 * much faster than as many times one. */
static void round_column(const tsri_int8_kernels *kern, const tsri_int8_input *in, size_t to, size_t block, const float *x, size_t n,
                         tsri_int8_form form)
{
    int8_t p[SOME_BLOCKS * TSRI_INT8_BLOCK];
    float xs[SOME_BLOCKS];
    int32_t halves[2 * SOME_BLOCKS];
    assert(n <= SOME_BLOCKS && !in->in_order);
    kern->round(p, xs, halves, x, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(in->p + (to + i) * in->ldp + block * TSRI_INT8_BLOCK, p + i * TSRI_INT8_BLOCK, TSRI_INT8_BLOCK);
        in->xs[(to + i) * in->lds + block] = xs[i];
        put_corrections(in, to + i, block, 1, halves + 2 * i, form);
    }
}

/* Zeros behind a row of k values: kernels may read on to its end; k is whole blocks. */
static void clear_rest(const tsri_int8_input *in, size_t to, size_t k, tsri_int8_form form)
{
    size_t full = k / TSRI_INT8_PAD * TSRI_INT8_PAD; /* beyond it the order of nibbles mixes zeros with blocks */
    memset(in->p + to * in->ldp + full, 0, in->ldp - full);
    if (in->lo)
        memset(in->lo + to * in->ldp + full, 0, in->ldp - full);
    memset(in->xs + to * in->lds + k / TSRI_INT8_BLOCK, 0, (in->lds - k / TSRI_INT8_BLOCK) * sizeof *in->xs);
    memset((float *)in->corr + to * in->ldc + k / form.group, 0, (in->ldc - k / form.group) * sizeof(float));
}

/* Bytes of one row of int8, and the arrays of n rows laid out one after the other. */
static size_t lay_out_int8(tsri_int8_input *in, unsigned char *at, size_t n, size_t k, bool in_order, bool fine)
{
    size_t row = tsri_whole(k, TSRI_INT8_PAD) + 64; /* an odd number of lines: rows spread over a cache's sets */
    *in = (tsri_int8_input){.in_order = in_order, .ldp = row, .lds = tsri_whole(row / 32, 16), .ldc = tsri_whole(row / 16, 16)};
    if (at) {
        in->p = (int8_t *)at;
        in->lo = fine ? in->p + n * in->ldp : NULL;
        in->xs = (float *)(void *)(at + (fine ? 2 : 1) * n * in->ldp);
        in->corr = in->xs + n * in->lds;
    }
    return (fine ? 2 : 1) * in->ldp + 4 * (in->lds + in->ldc);
}

/* Rows of input of k elements: int8, or pairs. */
typedef struct input {
    size_t k;
    tsri_int8_form form; /* of the weights that int8 is to go with */
    tsri_int8_input int8, fine; /* fine: of 16 bits, for fine products */
    uint32_t *pairs;
    size_t ld_pairs; /* of a stretch of all rows */
} input;

typedef struct job {
    tsr_product p[TSR_PRODUCTS_MOST];
    size_t n_products;
    const tsr_mlp *mlp; /* whose gate p[0].w is, alone: what it and the up make becomes `mid`; NULL: outputs go to p's y */
    const float *x;
    size_t ldx, n;
    bool few, plain, fine; /* rows of weights, one at a time; some products aren't fine, some are; of neither, pairs alone */
    size_t tile[TSR_PRODUCTS_MOST];    /* outputs of an item of each */
    size_t n_items[TSR_PRODUCTS_MOST], all_items, threads;
    input in, mid;
    const tsri_int8_kernels *int8;
    const tsri_pairs_kernels *pairs; /* NULL: not this way */
} job;

/* Bytes of one row of input; and n rows are laid out. */
static size_t lay_out(const job *j, input *in, unsigned char *at, size_t n)
{
    if (!j->pairs) {
        bool in_order = j->few && in->form.nibbles && j->int8->by_nibbles;
        size_t row = j->plain ? lay_out_int8(&in->int8, at, n, in->k, in_order, false) : 0;
        return row + (j->fine ? lay_out_int8(&in->fine, at ? at + n * row : NULL, n, in->k, in_order, true) : 0);
    }
    in->ld_pairs = tsri_whole(n, TSRI_PAIRS_ROWS) * TSRI_PAIRS_K / 2;
    in->pairs = (uint32_t *)(void *)at;
    return tsri_whole(in->k, TSRI_PAIRS_K) / 2 * sizeof *in->pairs;
}

/* Values [at, at + n) of row `to`. */
static void round_values(const job *j, const input *in, size_t to, size_t at, const float *x, size_t n)
{
    if (!j->pairs) {
        round_part(j->int8, &in->int8, to, at, x, n, in->form);
        return;
    }
    size_t row = to / TSRI_PAIRS_ROWS * TSRI_PAIRS_ROWS * TSRI_PAIRS_K + to % TSRI_PAIRS_ROWS * TSRI_PAIRS_WHOLE;
    for (size_t end = at + n, now; at < end; at += now, x += now) {
        now = tsri_least(TSRI_PAIRS_K - at % TSRI_PAIRS_K, end - at);
        j->pairs->round(in->pairs + at / TSRI_PAIRS_K * in->ld_pairs + (row + at % TSRI_PAIRS_K * TSRI_PAIRS_ROWS) / 2, x, now);
    }
}

static void round_rows(const job *j, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        const float *x = j->x + i * j->ldx;
        if (j->plain)
            clear_rest(&j->in.int8, i, j->in.k, j->in.form);
        if (j->plain || j->pairs)
            round_values(j, &j->in, i, 0, x, j->in.k);
        if (j->fine) {
            clear_rest(&j->in.fine, i, j->in.k, j->in.form);
            round_part(j->int8, &j->in.fine, i, 0, x, j->in.k, j->in.form);
        }
        if (j->mlp && !j->pairs)
            clear_rest(&j->mid.int8, i, j->mid.k, j->mid.form);
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

/* Sums of an item: of the first 32 outputs row i begins at at[i * ld], those of the next `panel` further on. */
typedef struct sums {
    float *at;
    size_t ld, panel;
} sums;

/* Outputs [o, end) of rows [first, first + n): of the gate, g, and of its up become those of the next input. Where they are in
 * panels, rows of one follow each other. */
static void gate_rows(const job *j, size_t first, size_t n, size_t o, size_t end, sums g, sums up)
{
    size_t width = j->few ? end - o : TSRI_INT8_OUT, most = j->few ? 1 : SOME_BLOCKS; /* rows that follow each other */
    assert((end - o) % width == 0); /* blocks of the next input are whole */
    for (; o < end; o += width, g.at += g.panel, up.at += up.panel)
        for (size_t i = 0, rows; i < n; i += rows) {
            float *at = g.at + i * g.ld;
            rows = tsri_least(most, n - i);
            tsr_mlp_activate(j->mlp, at, up.at + i * up.ld, rows * width);
            if (!j->few && !j->pairs) {
                round_column(j->int8, &j->mid.int8, first + i, o / TSRI_INT8_BLOCK, at, rows, j->mid.form);
                continue;
            }
            for (size_t r = 0; r < rows; r++)
                round_values(j, &j->mid, first + i + r, o, at + r * g.ld, width);
        }
}

static void by_rows(const job *j, const tsr_view *w, const tsri_int8_input *x, size_t o, size_t end, sums y)
{
    size_t row_bytes = tsr_view_row_bytes(w), some = j->n > 1 ? GEMV_TILE : end - o; /* rows that the second cache holds */
    for (size_t now; o < end; o += now, y.at += now) {
        now = tsri_least(some, end - o);
        for (size_t i = 0; i < j->n; i++)
            j->int8->rows(y.at + i * y.ld, w->type, (const uint8_t *)w->data + o * row_bytes, row_bytes, now, x, i, j->in.k);
    }
}

/* Items are taken in order by whichever thread is free. Threads in turns get what is next to what they had last: memory that was asked
 * for beyond an item's end is of use to its own thread. */
static size_t in_turns(const job *j, size_t item)
{
    size_t each = j->all_items / j->threads, turned = each * j->threads;
    return item < turned ? item % j->threads * each + item / j->threads : item;
}

static void rows_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    size_t o, end;
    const tsr_product *p = outputs_of(j, in_turns(j, item), &o, &end);
    (void)worker;
    if (!j->mlp) {
        by_rows(j, p->w, p->fine ? &j->in.fine : &j->in.int8, o, end, (sums){p->y + o, p->ldy, TSRI_INT8_OUT});
        return;
    }
    sums gate = {scratch, 2 * (end - o), TSRI_INT8_OUT}, up = {gate.at + (end - o), gate.ld, TSRI_INT8_OUT};
    by_rows(j, p->w, &j->in.int8, o, end, gate);
    if (j->mlp->up)
        by_rows(j, j->mlp->up, &j->in.int8, o, end, up);
    gate_rows(j, 0, j->n, o, end, gate, up);
}

/* A panel: rows [o, o + n) of w, elements [k, k + n_k). n 0: none. */
typedef struct panel_place {
    const tsr_view *w;
    size_t o, n, k, n_k;
} panel_place;

/* Elements of a row in a panel, at most. */
static size_t stretch_of(const job *j)
{
    return j->pairs ? TSRI_PAIRS_K : TSRI_INT8_PANEL_K;
}

static panel_place panel_at(const job *j, const tsr_view *w, size_t o, size_t end, size_t k)
{
    bool none = o >= end || k >= j->in.k;
    return (panel_place){w, o, none ? 0 : tsri_least(TSRI_INT8_OUT, end - o), k, none ? 0 : tsri_least(stretch_of(j), j->in.k - k)};
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
static void add_stretch(const job *j, const tsr_view *w, bool fine, size_t o, size_t end, size_t first, size_t n, size_t k, sums from,
                        sums to, panel_place after, panel_scratch *s)
{
    panel_place now = panel_at(j, w, o, end, k), next;
    for (; now.n > 0; now = next, from.at += from.panel, to.at += to.panel) {
        next = panel_at(j, w, now.o + TSRI_INT8_OUT, end, k);
        const float *f = k ? from.at : NULL;
        if (j->pairs) {
            j->pairs->pack(s->pairs, &s->panel, w->type, bytes_of(now), tsr_view_row_bytes(w), now.n, now.n_k);
            ask_for(next.n > 0 ? next : after);
            j->pairs->tile(to.at, to.ld, f, from.ld, s->pairs, j->in.pairs + k / TSRI_PAIRS_K * j->in.ld_pairs + first * TSRI_PAIRS_K / 2, n,
                           now.n_k, now.n);
            continue;
        }
        j->int8->pack(&s->panel, w->type, bytes_of(now), tsr_view_row_bytes(w), now.n, now.n_k);
        ask_for(next.n > 0 ? next : after);
        j->int8->tile(to.at, to.ld, f, from.ld, &s->panel, j->in.form, fine ? &j->in.fine : &j->in.int8, first, n, k, now.n_k, now.n);
    }
}

static void panels_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const job *j = ctx;
    panel_scratch *s = scratch;
    size_t o, end;
    const tsr_product *p = outputs_of(j, item, &o, &end);
    const tsr_view *up = j->mlp ? j->mlp->up : NULL;
    size_t n_out = tsri_whole(end - o, TSRI_INT8_OUT), width = up ? 2 * n_out : n_out;
    size_t most = tsri_least(SUM_ROWS, SUM_FLOATS / width) / TSRI_PAIRS_ROWS * TSRI_PAIRS_ROWS, parts = tsri_parts(j->n, most);
    (void)worker;
    for (size_t first = 0, n; first < j->n; first += n, parts--) {
        n = tsri_least(tsri_whole(tsri_parts(j->n - first, parts), TSRI_PAIRS_ROWS), j->n - first);
        assert(n * width <= SUM_FLOATS);
        sums a = {s->sums, TSRI_INT8_OUT, n * TSRI_INT8_OUT}, b = {a.at + n_out * n, a.ld, a.panel};
        for (size_t k = 0; k < j->in.k; k += stretch_of(j)) {
            panel_place next = panel_at(j, p->w, o, end, k + stretch_of(j));
            sums to = next.n == 0 && !j->mlp ? (sums){p->y + first * p->ldy + o, p->ldy, TSRI_INT8_OUT} : a;
            add_stretch(j, p->w, p->fine, o, end, first, n, k, a, to, up ? panel_at(j, up, o, end, k) : next, s);
            if (up)
                add_stretch(j, up, false, o, end, first, n, k, b, b, next, s);
        }
        if (j->mlp)
            gate_rows(j, first, n, o, end, a, b);
    }
}

/* Outputs of an item of panels. */
static size_t panel_outputs(const job *j, size_t out, unsigned threads)
{
    if (!j->pairs)
        return ITEM_OUT;
    size_t n = j->mlp && j->mlp->up ? PAIRS_OUT / 2 : PAIRS_OUT;
    while (n > ITEM_OUT && tsri_parts(out, n) < (size_t)threads * PAIRS_ITEMS)
        n /= 2;
    return n;
}

/* Outputs are shared out, and the items run. */
static void run_items(tsr_pool *pool, job *j)
{
    size_t out = 0, items = 0;
    for (size_t i = 0; i < j->n_products; i++)
        out += j->p[i].w->shape[0];
    for (size_t i = 0; i < j->n_products; i++) {
        j->tile[i] = j->few ? tsri_whole(tsri_parts(out, GEMV_ITEMS), GEMV_TILE) : panel_outputs(j, out, tsr_pool_threads(pool));
        if (j->few && j->mlp)
            j->tile[i] = tsri_least(j->tile[i], GATE_MOST);
        j->n_items[i] = tsri_parts(j->p[i].w->shape[0], j->tile[i]);
        items += j->n_items[i];
    }
    j->all_items = items;
    j->threads = tsr_pool_threads(pool);
    tsr_pool_run(pool, items, j->few ? rows_item : panels_item, j);
}

static void run_rounding(tsr_pool *pool, job *j)
{
    if (j->few)
        round_rows(j, 0, j->n);
    else
        tsr_pool_run(pool, tsri_parts(j->n, ROUND_ROWS), round_item, j);
}

/* Whether weights can be multiplied so, with so many rows. */
static bool is_pairs(const tsr_view *w, size_t n)
{
    return n >= TSRI_PAIRS_MIN_ROWS && tsri_pairs_get() && tsr_type_may_round(w->type) &&
           w->shape[1] % TSRI_PAIRS_WHOLE == 0 && w->shape[1] <= TSRI_PAIRS_MAX_K;
}

static bool is_int8(const tsr_view *w)
{
    return tsr_type_is_block(w->type);
}

static bool is_right_size(const tsr_pool *pool, const tsr_view *w)
{
    return w->n_dims == 2 && tsri_pool_inputs(pool) && w->shape[0] > 0 && w->shape[1] > 0 && w->shape[1] <= TSRI_INT8_MAX_K;
}

/* in_order: inputs of types with nibbles are in an order of their own. */
static bool same_form(tsr_type a, tsr_type b, bool in_order)
{
    tsri_int8_form x = tsri_int8_form_of(a), y = tsri_int8_form_of(b);
    return x.group == y.group && x.zero == y.zero && x.offsets == y.offsets && (!in_order || x.nibbles == y.nibbles);
}

typedef enum way { WAY_NONE, WAY_INT8, WAY_PAIRS } way;

/* How all of these products can be made together. */
static way way_of(const tsr_pool *pool, const tsr_product *p, size_t n_products, size_t n)
{
    bool pairs = true, int8 = true, in_order = n <= GEMV_MAX_ROWS && tsri_int8_get()->by_nibbles;
    if (n_products > TSR_PRODUCTS_MOST)
        return WAY_NONE;
    for (size_t i = 0; i < n_products; i++) {
        const tsr_view *w = p[i].w;
        if (!is_right_size(pool, w) || w->shape[1] != p->w->shape[1])
            return WAY_NONE;
        pairs &= is_pairs(w, n);
        int8 &= is_int8(w) && same_form(w->type, p->w->type, in_order);
    }
    return pairs ? WAY_PAIRS : int8 ? WAY_INT8 : WAY_NONE;
}

/* What n rows of so many bytes each take. */
static size_t bytes_of_rows(const job *j, size_t n, size_t row_bytes)
{
    return (j->pairs ? tsri_whole(n, TSRI_PAIRS_ROWS) : n) * row_bytes;
}

/* As many passes as rows of so many bytes make: into so many, about alike. */
static size_t n_passes(const job *j, size_t row_bytes)
{
    size_t most = TSRI_POOL_INPUT_BYTES / row_bytes, fit = j->pairs ? most / TSRI_PAIRS_ROWS * TSRI_PAIRS_ROWS : most;
    assert(fit > (j->few ? 0 : GEMV_MAX_ROWS));
    return tsri_parts(j->n, fit);
}

static job job_of(way how, const tsr_view *w, const float *x, size_t ldx, size_t n)
{
    return (job){.x = x, .ldx = ldx, .n = n, .few = how == WAY_INT8 && n <= GEMV_MAX_ROWS,
                 .plain = how == WAY_INT8, .in = {.k = w->shape[1], .form = tsri_int8_form_of(w->type)}, .int8 = tsri_int8_get(),
                 .pairs = how == WAY_PAIRS ? tsri_pairs_get() : NULL};
}

/* All of j's rows, which it has yet to lay out, in as many passes as they need. */
static void run_passes(tsr_pool *pool, job j, const tsr_product *p, size_t n_products)
{
    const float *x = j.x;
    size_t n = j.n;
    j.n_products = n_products;
    for (size_t at = 0, left = n_passes(&j, lay_out(&j, &j.in, NULL, 0)); left > 0; left--, at += j.n) {
        j.n = tsri_parts(n - at, left);
        j.x = x + at * j.ldx;
        for (size_t i = 0; i < n_products; i++)
            j.p[i] = (tsr_product){p[i].w, p[i].y + at * p[i].ldy, p[i].ldy, p[i].fine};
        lay_out(&j, &j.in, tsri_pool_inputs(pool), j.n);
        run_rounding(pool, &j);
        run_items(pool, &j);
    }
}

bool tsri_rounded_products(tsr_pool *pool, const tsr_product *p, size_t n_products, const float *x, size_t ldx, size_t n)
{
    way how = way_of(pool, p, n_products, n);
    if (how == WAY_NONE)
        return false;
    job j = job_of(how, p->w, x, ldx, n);
    size_t n_fine = 0;
    for (size_t i = 0; i < n_products; i++)
        n_fine += p[i].fine;
    j.fine = how == WAY_INT8 && n_fine > 0;
    j.plain = how == WAY_INT8 && n_fine < n_products;
    run_passes(pool, j, p, n_products);
    return true;
}

bool tsri_rounded_fine(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    if (n > TSR_FINE_ROWS || !is_right_size(pool, w) || !is_int8(w))
        return false;
    job j = job_of(WAY_INT8, w, x, ldx, n);
    j.few = j.fine = true;
    j.plain = false;
    run_passes(pool, j, &(tsr_product){w, y, ldy, true}, 1);
    return true;
}

bool tsri_rounded_mlp(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    const tsr_product both[2] = {{.w = m->gate}, {.w = m->up}}, down = {.w = m->down};
    way how = way_of(pool, both, m->up ? 2 : 1, n);
    if (how == WAY_NONE || way_of(pool, &down, 1, n) != how)
        return false;
    job first = job_of(how, m->gate, x, ldx, n), second = job_of(how, m->down, NULL, 0, n);
    first.mid = second.in;
    size_t row = lay_out(&first, &first.in, NULL, 0), mid = lay_out(&first, &first.mid, NULL, 0);
    first.n_products = second.n_products = 1;
    first.mlp = m;
    for (size_t at = 0, left = n_passes(&first, row + mid); left > 0; left--, at += first.n) {
        first.n = second.n = tsri_parts(n - at, left);
        first.x = x + at * ldx;
        first.p[0] = (tsr_product){.w = m->gate};
        second.p[0] = (tsr_product){m->down, y + at * ldy, ldy, false};
        lay_out(&first, &first.in, tsri_pool_inputs(pool), first.n);
        lay_out(&first, &first.mid, (unsigned char *)tsri_pool_inputs(pool) + bytes_of_rows(&first, first.n, row), first.n);
        second.in = first.mid;
        run_rounding(pool, &first);
        run_items(pool, &first);
        run_items(pool, &second);
    }
    return true;
}
