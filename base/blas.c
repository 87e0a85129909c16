/* blas.c: OpenBLAS as the plain F32 product.
 *
 * Older OpenBLAS builds compute wrong results on some newer processors, silently. So the first use
 * multiplies a few shapes both ways; a build that fails is left alone for the rest of the process. */
#include "blas_internal.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tsr_cpu.h"
#include "tsr_matmul.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static tsri_sgemm_fn product; /* the one in use */
static char backend[192];

static void clear(float *row, size_t n)
{
    memset(row, 0, n * sizeof *row);
}

static void gemm_c(bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                   size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        float *row = c + i * ldc;
        if (!add)
            clear(row, n);
        for (size_t j = 0; j < n; j++)
            row[j] += tsr_dot(a + i * lda, b + j * ldb, k);
    }
}

static void gemm_blas(bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                      float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, b,
                (blasint)ldb, add ? 1.0f : 0.0f, c, (blasint)ldc);
}

enum { CHECK_DIM = 160 };

static float noise(uint32_t i)
{
    uint32_t h = i * 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (float)(h >> 8) * 0x1p-23f - 1.0f;
}

/* With values in -1 .. 1 a right product differs by far less than the limit, one that is off by a part
 * in ten thousand by more. */
static bool agrees(tsri_sgemm_fn fn, size_t m, size_t n, size_t k, const float *a, const float *b, float *got, float *want)
{
    float limit = 1.5e-7f * (float)k * sqrtf((float)k);
    memset(got, 0xff, m * n * sizeof *got); /* NaN: what is not written is found */
    fn(false, m, n, k, a, k, b, k, got, n);
    gemm_c(false, m, n, k, a, k, b, k, want, n);
    for (size_t i = 0; i < m * n; i++)
        if (!(fabsf(got[i] - want[i]) <= limit))
            return false;
    fn(true, m, n, k, a, k, b, k, got, n); /* and once more on top */
    for (size_t i = 0; i < m * n; i++)
        if (!(fabsf(got[i] - 2 * want[i]) <= 2 * limit))
            return false;
    return true;
}

/* The buffer is static: a check that could run out of memory would make results depend on it. */
static bool self_check(tsri_sgemm_fn fn)
{
    static const size_t shapes[][3] = {{1, 33, 65}, {7, 48, 160}, {33, 1, 17}, {64, 64, 64}, {151, 37, 129}, {160, 160, 160}};
    const size_t area = (size_t)CHECK_DIM * CHECK_DIM;
    static float buf[4 * CHECK_DIM * CHECK_DIM];
    bool ok = true;
    for (size_t i = 0; i < 2 * area; i++)
        buf[i] = noise((uint32_t)i);
    for (size_t s = 0; ok && s < sizeof shapes / sizeof *shapes; s++)
        ok = agrees(fn, shapes[s][0], shapes[s][1], shapes[s][2], buf, buf + area, buf + 2 * area, buf + 3 * area);
    return ok;
}

bool tsri_sgemm_use(tsri_sgemm_fn candidate)
{
    openblas_set_num_threads(1); /* the pool is ours; nested threads would fight it */
    if (!candidate)
        candidate = gemm_blas;
    bool trusted = self_check(candidate);
    product = trusted ? candidate : gemm_c;
    const char *version = openblas_get_config();
    while (*version == ' ')
        version++;
    int version_len = 0; /* "OpenBLAS 0.3.21 ...": the first two words */
    for (int spaces = 0; version[version_len]; version_len++)
        if (version[version_len] == ' ' && ++spaces == 2)
            break;
    snprintf(backend, sizeof backend, trusted ? "%.*s (%s)" : "plain C: %.*s (%s) failed its check", version_len, version,
             openblas_get_corename());
    return trusted;
}

static void init(void)
{
    tsri_sgemm_use(NULL);
}

void tsri_sgemm(bool add, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) { /* which CBLAS takes for a wrong stride */
        for (size_t i = 0; i < m && !add; i++)
            clear(c + i * ldc, n);
        return;
    }
    pthread_once(&once, init);
    tsri_sgemm_fn fn = tsr_cpu_get() == TSR_CPU_C ? gemm_c : product; /* --cpu c means plain C everywhere */
    fn(add, m, n, k, a, lda, b, ldb, c, ldc);
}

const char *tsr_matmul_backend(void)
{
    pthread_once(&once, init);
    return tsr_cpu_get() == TSR_CPU_C ? "plain C" : backend;
}
