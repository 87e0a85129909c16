/* rope.c: rotary positions in the half-split form: pair (i, i + head_dim / 2). "default" turns all
 * pairs; "proportional" turns the first n_rotated with the frequencies of the whole head dim, and
 * leaves the others exactly as they are. Angles are f32 products, as the reference's. */
#include <math.h>

#include "decoder_internal.h"

void tsri_rope_frequencies(float *inv_freq, const tsr_rope_config *rope, size_t head_dim)
{
    float base = (float)rope->theta;
    for (size_t i = 0; i < rope->n_rotated; i++) {
        float exponent = (float)(2 * i) / (float)head_dim;
        inv_freq[i] = 1.0f / (float)pow((double)base, (double)exponent) / (float)rope->factor;
    }
}

static void fill_row(tsr_context *c, const void *arg, size_t r, void *scratch)
{
    const tsr_decoder *d = c->d;
    float pos = (float)c->pos[r];
    (void)arg;
    (void)scratch;
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        size_t n = d->config.rope[t].n_rotated;
        for (size_t i = 0; i < n; i++) {
            float angle = pos * d->inv_freq[t][i];
            c->rope[t].cos[r * n + i] = cosf(angle);
            c->rope[t].sin[r * n + i] = sinf(angle);
        }
    }
}

void tsri_rope_fill(tsr_context *c)
{
    tsri_for_rows(c, c->n, fill_row, NULL);
}

void tsri_rope_apply(float *x, const float *cos, const float *sin, size_t n_rotated, size_t head_dim)
{
    float *lo = x, *hi = x + head_dim / 2;
    for (size_t i = 0; i < n_rotated; i++) {
        float a = lo[i], b = hi[i];
        lo[i] = a * cos[i] - b * sin[i];
        hi[i] = b * cos[i] + a * sin[i];
    }
}
