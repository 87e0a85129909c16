/* tsr_matmul.h: the one product behind every linear layer, and the small f32 kernels beside it.
 *
 * Weights stay in their file's own type, block types too; a row or a tile at a time is decoded to f32,
 * or, where products may be fast (tsr_pool.h), multiplied as it is. All functions cannot fail and allocate nothing. Tile
 * borders depend on shapes alone: any number of threads gives the same bits. Where there is no kernel of our own F32
 * products go through OpenBLAS (checked at first use against plain C; where it computes wrongly on this processor, the
 * plain C product stands in and tsr_matmul_backend says so). */
#ifndef TSR_MATMUL_H
#define TSR_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_pool.h"
#include "tsr_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[i, o] = sum_k x[i, k] * w[o, k] for i < n. x: [n, cols(w)] with row stride ldx, y: [n, rows(w)]
 * with row stride ldy (in floats), neither overlapping the other. w: 2-d, a float type. Called from
 * outside the pool's items. */
void tsr_matmul(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy);

enum { TSR_FINE_ROWS = 16 };

/* tsr_matmul with nearer inputs: where it would round those of weights of block types to int8, up to TSR_FINE_ROWS rows are rounded to 16
 * bits, each of them with the same bits however many there are. */
void tsr_matmul_fine(tsr_pool *pool, const tsr_view *w, const float *x, size_t ldx, size_t n, float *y, size_t ldy);

/* One of some products of the same x. */
typedef struct tsr_product {
    const tsr_view *w;
    float *y;
    size_t ldy;
    bool fine; /* where tsr_matmul would round inputs of block types to int8, they have 16 bits, however many rows there are */
} tsr_product;

enum { TSR_PRODUCTS_MOST = 3 };

/* tsr_matmul for each of them, all of as many columns, n_products at most TSR_PRODUCTS_MOST: those that aren't fine have the same bits, but
 * x is taken in, and the pool woken, once where that can be. */
void tsr_matmul_each(tsr_pool *pool, const tsr_product *p, size_t n_products, const float *x, size_t ldx, size_t n);

typedef enum tsr_activation { TSR_GELU_TANH, TSR_SILU } tsr_activation;

/* What values are clamped to, as by tsr_clamp: outputs of the gate, those of up, and what becomes down's input. */
typedef struct tsr_mlp_limits {
    float gate_min, gate_max, up_min, up_max, mid_min, mid_max;
} tsr_mlp_limits;

/* A feed-forward block: gate [width, cols], up of the same shape or NULL, down [out, width]. */
typedef struct tsr_mlp {
    const tsr_view *gate, *up, *down;
    tsr_activation activation; /* TSR_SILU has no up */
    const tsr_mlp_limits *limits; /* NULL: none */
} tsr_mlp;

enum { TSR_MLP_ROWS = 768 };

/* y := (activation(x gate^T) * (x up^T)) down^T, clamped as the limits say, with the bits of its products and tsr_gelu_mul or
 * tsr_sigmoid_mul. x: [n, cols], y: [n, out], row strides given; y may be x where those are the same. work: scratch, [n or
 * TSR_MLP_ROWS, whichever is less, 2 width, or width without up]; it isn't touched where all weights are multiplied by rounded
 * inputs in the same way. */
void tsr_mlp_run(tsr_pool *pool, const tsr_mlp *m, const float *x, size_t ldx, size_t n, float *y, size_t ldy, float *work);

/* What lies between its products, one-threaded: g := activation(g) * u, clamped, for n outputs of the gate, g, and of up. u isn't
 * read where there is no up, and is spent where there is. */
void tsr_mlp_activate(const tsr_mlp *m, float *g, float *u, size_t n);

/* How inputs of weights of this type are taken where products may be fast: "exact", or rounded to "int8", "bf16", or "int8/bf16": few
 * rows to the first, 16 and more to the other. */
const char *tsr_matmul_path(tsr_type type);

/* One-threaded, for use inside a pool item. c [m, n] = a [m, k] * b [n, k]^T, row strides given. */
void tsr_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                 size_t ldc);

float tsr_dot(const float *a, const float *b, size_t n);
void tsr_axpy(float *y, float a, const float *x, size_t n); /* y += a * x */

/* One row y = x * w / rms: x·(mean(x²)+eps)^(-1/2), times w where w isn't NULL. y may be x.
 * The mean is summed in f64, which no squares of f32 overflow: false exactly when a value of x is not finite. */
bool tsr_rms_norm(float *y, const float *x, const float *w, size_t n, float eps);

/* x := softmax(x) over n finite values or -INFINITY (at least one finite). */
void tsr_softmax(float *x, size_t n);

/* g := gelu_tanh(g) * u over n values; u NULL: g := gelu_tanh(g). */
void tsr_gelu_mul(float *g, const float *u, size_t n);

/* x := cap tanh(x / cap), NaN where x is not finite: an infinite one must not become an ordinary value. cap > 0. */
void tsr_soft_cap(float *x, float cap, size_t n);
/* y := a * sigmoid(b) over n values; y may be a, b or both (SiLU). */
void tsr_sigmoid_mul(float *y, const float *a, const float *b, size_t n);

/* y := x within min and max; y may be x. As torch.clamp: NaN stays, and max wins where min > max. */
void tsr_clamp(float *y, const float *x, float min, float max, size_t n);

/* "OpenBLAS 0.3.21 (SkylakeX)", "plain C", or "plain C: OpenBLAS ... failed its check". */
const char *tsr_matmul_backend(void);

#ifdef __cplusplus
}
#endif
#endif
