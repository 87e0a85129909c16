/* kernels.c: which variant serves each level, and the float helpers that have one variant. */
#include "kernels_internal.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "quant_internal.h"
#include "tsr_matmul.h"

void tsri_kernels_init(tsri_kernels *k, tsr_cpu_level level)
{
    tsri_kernels_init_c(k);
#if defined(TSR_HAVE_X86_SIMD)
    if (level >= TSR_CPU_AVX2)
        tsri_kernels_init_avx2(k);
    if (level >= TSR_CPU_AVX512)
        tsri_kernels_init_avx512(k);
#elif defined(TSR_HAVE_ARM_SIMD)
    if (level >= TSR_CPU_NEON)
        tsri_kernels_init_neon(k);
#else
    (void)level;
#endif
}

/* One constant table for each level, so that reading is free of locks and tests may switch. */
static tsri_kernels tables[TSR_N_CPU_LEVELS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_tables(void)
{
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++)
        tsri_kernels_init(&tables[l], (tsr_cpu_level)l);
}

const tsri_kernels *tsri_kernels_get(void)
{
    pthread_once(&once, init_tables);
    return &tables[tsr_cpu_get()];
}

void tsr_view_decode(const tsr_view *v, size_t row, size_t at, size_t n, float *dst)
{
    const unsigned char *p = (const unsigned char *)v->data + row * tsr_view_row_bytes(v);
    if (v->type == TSR_Q8_0 && at % TSRI_Q8_ELEMS == 0) {
        tsri_kernels_get()->decode_q8_0(dst, p + at / TSRI_Q8_ELEMS * TSRI_Q8_BYTES, n);
        return;
    }
    if (tsr_type_is_block(v->type)) {
        tsri_quant_decode(v->type, p, at, n, dst);
        return;
    }
    switch (v->type) {
    case TSR_F32: memcpy(dst, p + at * 4, n * 4); break;
    case TSR_BF16: tsri_kernels_get()->decode_bf16(dst, (const uint16_t *)(const void *)p + at, n); break;
    case TSR_F16: tsri_kernels_get()->decode_f16(dst, (const uint16_t *)(const void *)p + at, n); break;
    default: memset(dst, 0, n * sizeof *dst); break; /* tsr_weights_take lets float types through only */
    }
}

float tsr_dot(const float *a, const float *b, size_t n)
{
    return tsri_kernels_get()->dot_f32(a, b, n);
}

void tsr_axpy(float *y, float a, const float *x, size_t n)
{
    tsri_kernels_get()->axpy_f32(y, a, x, n);
}

bool tsr_rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    return tsri_kernels_get()->rms_norm(y, x, w, n, eps);
}

void tsr_softmax(float *x, size_t n)
{
    const tsri_kernels *k = tsri_kernels_get();
    float inv = (float)(1.0 / k->exp_sum(x, k->max_f32(x, n), n));
    for (size_t i = 0; i < n; i++)
        x[i] *= inv;
}

void tsr_gelu_mul(float *g, const float *u, size_t n)
{
    tsri_kernels_get()->gelu_mul(g, u, n);
}

void tsr_soft_cap(float *x, float cap, size_t n)
{
    tsri_kernels_get()->soft_cap(x, cap, n);
}

void tsr_sigmoid_mul(float *y, const float *a, const float *b, size_t n)
{
    tsri_kernels_get()->sigmoid_mul(y, a, b, n);
}

void tsr_clamp(float *y, const float *x, float min, float max, size_t n)
{
    if (min == -INFINITY && max == INFINITY) {
        if (y != x)
            memcpy(y, x, n * sizeof *y);
        return;
    }
    tsri_kernels_get()->clamp(y, x, min, max, n);
}
