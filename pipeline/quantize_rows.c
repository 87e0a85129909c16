/* quantize_rows.c: values are decoded, checked and rounded in pieces of a fixed number of elements, many at a time.
 *
 * Rows are whole blocks of both types, so a tensor is a run of blocks without gaps and pieces may cross rows. A
 * piece is the work of one thread, so the number of threads changes nothing. */
#include "quantize_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_quantize.h"

enum {
    PIECE_ELEMS = 32768, /* a multiple of every block; as f32 an eighth of a worker's scratch */
    BATCH_PIECES = 64,
    TICK_BATCHES = 8
};

_Static_assert(PIECE_ELEMS * sizeof(float) <= TSR_POOL_SCRATCH_BYTES, "a piece fits into the scratch");

typedef struct finding {
    tsr_quantize_result result;
    size_t at; /* element of the tensor */
    float value;
} finding;

struct tsri_row_work {
    tsr_pool *pool;
    unsigned char *out; /* [BATCH_PIECES] pieces of the widest type */
    finding found[BATCH_PIECES];
};

/* One batch: pieces from element `first` on. */
typedef struct batch {
    tsri_row_work *w;
    const tsr_view *from;
    tsr_type type;
    size_t first;
    bool is_copy; /* nothing is rounded, the values are only looked at */
} batch;

static size_t bytes_of(tsr_type type, size_t n_elems)
{
    const tsr_type_traits *t = tsr_type_info(type);
    return n_elems / t->block_elems * t->block_bytes;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Elements [at, at + n) of the whole tensor. */
static void decode(const tsr_view *v, size_t at, size_t n, float *dst)
{
    size_t cols = tsr_view_cols(v);
    while (n > 0) {
        size_t row = at / cols, col = at % cols, take = min_size(n, cols - col);
        tsr_view_decode(v, row, col, take, dst);
        at += take;
        dst += take;
        n -= take;
    }
}

static tsr_quantize_result look(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return TSR_QUANTIZE_NOT_FINITE;
    return TSR_QUANTIZE_OK;
}

/* The value to blame: the first that is not finite, else the largest. */
static void blame(finding *f, const float *x, size_t n, size_t first)
{
    size_t worst = 0;
    for (size_t i = 0; i < n && isfinite(x[worst]); i++)
        if (!(fabsf(x[i]) <= fabsf(x[worst])))
            worst = i;
    f->at = first + worst;
    f->value = x[worst];
}

static void do_piece(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const batch *b = ctx;
    (void)worker;
    float *x = scratch;
    size_t at = b->first + item * PIECE_ELEMS, n = min_size(PIECE_ELEMS, b->from->n_elems - at);
    finding *f = &b->w->found[item];
    decode(b->from, at, n, x);
    f->result = b->is_copy ? look(x, n) : tsr_quantize(b->type, x, n, b->w->out + item * bytes_of(b->type, PIECE_ELEMS));
    if (f->result != TSR_QUANTIZE_OK)
        blame(f, x, n, at);
}

tsr_status tsri_row_work_open(tsri_row_work **out, tsr_pool *pool, tsr_error *err)
{
    *out = NULL;
    tsri_row_work *w = tsr_calloc(1, sizeof *w);
    if (!w)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: rounding");
    w->pool = pool;
    tsr_status st = tsr_alloc_array(&w->out, BATCH_PIECES, PIECE_ELEMS * sizeof(float), "rounding", err);
    if (st == TSR_OK)
        *out = w;
    else
        tsr_free(w);
    return st;
}

void tsri_row_work_close(tsri_row_work *w)
{
    if (w)
        tsr_free(w->out);
    tsr_free(w);
}

/* "[3, 17]" of element `at`. */
static void print_index(char *buf, size_t cap, const tsr_view *v, size_t at)
{
    size_t index[TSR_MAX_DIMS], n = 0;
    for (unsigned d = v->n_dims; d-- > 0; at /= v->shape[d])
        index[d] = at % v->shape[d];
    buf[0] = 0;
    for (unsigned d = 0; d < v->n_dims && n < cap; d++)
        n += (size_t)snprintf(buf + n, cap - n, "%s%zu", d ? ", " : "", index[d]);
}

static tsr_status check(const batch *b, size_t n_pieces, const char *name, tsr_error *err)
{
    for (size_t i = 0; i < n_pieces; i++) {
        const finding *f = &b->w->found[i];
        char at[128];
        if (f->result == TSR_QUANTIZE_OK)
            continue;
        print_index(at, sizeof at, b->from, f->at);
        if (f->result == TSR_QUANTIZE_NOT_FINITE)
            return tsr_fail(err, TSR_ERR_MODEL, "tensor %s: element [%s] is %g", name, at, (double)f->value);
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "tensor %s: element [%s] is %g, which %s cannot say; take another type",
                        name, at, (double)f->value, tsr_type_info(b->type)->name);
    }
    return TSR_OK;
}

tsr_status tsri_row_work_write(tsri_row_work *w, tsr_gguf_writer *to, const char *name, const tsr_view *from,
                               tsr_type type, tsri_row_tick tick, void *user, tsr_error *err)
{
    batch b = {.w = w, .from = from, .type = type, .is_copy = from->type == type && tsr_type_is_block(type)};
    tsr_status st = TSR_OK;
    for (size_t done = 0; b.first < from->n_elems && st == TSR_OK; done++) {
        size_t n = min_size((size_t)BATCH_PIECES * PIECE_ELEMS, from->n_elems - b.first);
        size_t n_pieces = (n + PIECE_ELEMS - 1) / PIECE_ELEMS;
        const void *bytes = b.is_copy ? (const unsigned char *)from->data + bytes_of(type, b.first) : w->out;
        tsr_pool_run(w->pool, n_pieces, do_piece, &b);
        st = check(&b, n_pieces, name, err);
        if (st == TSR_OK)
            st = tsr_gguf_writer_data(to, bytes, bytes_of(type, n), err);
        if (st == TSR_OK && done % TICK_BATCHES == 0 && !tick(user))
            st = tsr_fail(err, TSR_ERR_CANCELLED, "stopped at tensor %s", name);
        b.first += n;
    }
    return st;
}
