/* vision_attention.c: full attention of one picture. Work is cut into (head, block of queries); a block's
 * scores against all keys live in its worker's scratch, so that memory does not grow with the square of
 * the patches. */
#include "tsr_matmul.h"
#include "vision_internal.h"

enum { MAX_BLOCK = 64 };

typedef struct attend_job {
    const tsri_attention *a;
    size_t block, n_blocks;
} attend_job;

/* The result may replace the queries: this item alone reads these rows of this head, and does so first. */
static void attend_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const attend_job *j = ctx;
    const tsri_attention *a = j->a;
    float *scores = scratch; /* [m, n] */
    (void)worker;
    size_t head = item / j->n_blocks, first = item % j->n_blocks * j->block;
    size_t m = a->n - first < j->block ? a->n - first : j->block;
    size_t ldq = a->n_heads * a->head_dim, ldk = a->n_kv * a->head_dim;
    size_t kv = head / (a->n_heads / a->n_kv);
    float *q = a->q + first * ldq + head * a->head_dim;
    tsr_gemm_nt(m, a->n, a->head_dim, q, ldq, a->k + kv * a->head_dim, ldk, scores, a->n);
    for (size_t i = 0; i < m; i++)
        tsr_softmax(scores + i * a->n, a->n);
    tsr_gemm_nn(m, a->head_dim, a->n, scores, a->n, a->v + kv * a->head_dim, ldk, q, ldq);
}

void tsri_vision_attend(tsr_pool *pool, const tsri_attention *a)
{
    attend_job j = {.a = a};
    j.block = TSRI_VISION_MAX_PATCHES / a->n;
    if (j.block > MAX_BLOCK)
        j.block = MAX_BLOCK;
    j.n_blocks = (a->n + j.block - 1) / j.block;
    tsr_pool_run(pool, a->n_heads * j.n_blocks, attend_item, &j);
}
