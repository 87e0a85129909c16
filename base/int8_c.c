/* int8_c.c: the plain kernels: short, always built, the check for every other variant. */
#include <math.h>

#include "int8_forms.h"

static float round32(int8_t *p, int32_t sums[8], const float *x)
{
    float inverse, scale = tsri_int8_scale(x, 127.0f, &inverse);
    for (size_t i = 0; i < TSRI_INT8_BLOCK; i++)
        p[i] = isnan(scale) ? 0 : (int8_t)nearbyintf(x[i] * inverse);
    for (size_t i = 0; i < 8; i++)
        sums[i] = p[4 * i] + p[4 * i + 1] + p[4 * i + 2] + p[4 * i + 3];
    return scale;
}

static void round_blocks(int8_t *p, float *xs, int32_t *halves, const float *x, size_t n)
{
    tsri_int8_round_each(round32, p, xs, halves, x, n);
}

/* Share of group g of the panel's row r in its product with one row of input. */
static float group_share(const tsri_int8_panel *panel, tsri_int8_form form, size_t g, size_t r, const int8_t *p, const int8_t *lo,
                         float xs, const void *corr)
{
    const uint8_t *q = panel->q + g * form.group * TSRI_INT8_OUT + 4 * r;
    float a = panel->a[g * TSRI_INT8_OUT + r];
    int32_t sum = 0, zero;
    for (size_t i = 0; i < form.group; i++)
        sum += q[i / 4 * (4 * TSRI_INT8_OUT) + i % 4] * (lo ? 256 * p[i] + lo[i] : p[i]);
    if (form.offsets)
        return panel->o[g * TSRI_INT8_OUT + r] * *(const float *)corr + a * xs * (float)sum;
    memcpy(&zero, corr, sizeof zero);
    return a * xs * (float)(sum + zero);
}

static void tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                 const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    for (size_t i = 0; i < n; i++) {
        const int8_t *p = x->p + (first + i) * x->ldp + k0, *lo = x->lo ? x->lo + (p - x->p) : NULL;
        const float *xs = x->xs + (first + i) * x->lds + k0 / TSRI_INT8_BLOCK;
        const int32_t *corr = (const int32_t *)x->corr + (first + i) * x->ldc + k0 / form.group;
        for (size_t r = 0; r < n_out; r++) {
            float s = from ? from[i * ldf + r] : 0.0f;
            for (size_t g = 0; g < k / form.group; g++)
                s += group_share(panel, form, g, r, p + g * form.group, lo ? lo + g * form.group : NULL,
                                 xs[g * form.group / TSRI_INT8_BLOCK], corr + g);
            y[i * ldy + r] = s;
        }
    }
}

void tsri_int8_init_c(tsri_int8_kernels *k)
{
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = tsri_int8_round_fine, .pack = tsri_int8_pack_rows,
                             .tile = tile, .rows = tsri_int8_rows_by_blocks};
}
