/* subsample.c: four mel frames become one row: twice a 3 x 3 convolution of stride 2 with one frame and one
 * band of zeros around, LayerNorm over channels, ReLU; then a projection (MODEL.md, "Subsampling").
 *
 * Maps are [time, mel, channel], channel fastest, which is also the order that the projection reads. One
 * output time step is one item: its windows are gathered in the worker's scratch and multiplied at once. */
#include <string.h>

#include "audio_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"

static const char ROOT[] = "model.audio_tower.subsample_conv_projection.";

static size_t half(size_t n)
{
    return n / 2 + n % 2;
}

static size_t window_len(const tsri_subsample *s, size_t stage)
{
    return 9 * (stage == 0 ? 1 : s->channels[0]);
}

/* [out, in, 3, 3] as in the file becomes [out, 3, 3, in]. */
static tsr_status turn_kernel(float **kernel, size_t n_out, size_t n_in, tsr_error *err)
{
    float *turned = NULL;
    tsr_status st = tsr_alloc_array(&turned, n_out * n_in * 9, sizeof *turned, "convolution", err);
    if (st != TSR_OK)
        return st;
    for (size_t o = 0; o < n_out; o++)
        for (size_t c = 0; c < n_in; c++)
            for (size_t k = 0; k < 9; k++)
                turned[(o * 9 + k) * n_in + c] = (*kernel)[(o * n_in + c) * 9 + k];
    tsr_free(*kernel);
    *kernel = turned;
    return TSR_OK;
}

tsr_status tsri_subsample_take(tsri_subsample *s, tsr_weights *w, tsr_error *err)
{
    size_t c0 = s->channels[0], c1 = s->channels[1];
    const tsr_weight_spec specs[] = {
        {"layer0.conv.weight", NULL, &s->conv[0], 4, {c0, 1, 3, 3}, false},
        {"layer1.conv.weight", NULL, &s->conv[1], 4, {c1, c0, 3, 3}, false},
        TSRI_ENC_VECTOR("layer0.norm.weight", s->norm[0], c0),
        TSRI_ENC_VECTOR("layer1.norm.weight", s->norm[1], c1),
        TSRI_ENC_MATRIX("input_proj_linear.weight", s->proj, s->hidden, half(half(s->n_mels)) * c1),
    };
    tsr_status st = tsr_weights_take(w, ROOT, specs, sizeof specs / sizeof *specs, err);
    if (st == TSR_OK)
        st = turn_kernel(&s->conv[1], c1, c0, err); /* with one channel in, both orders are one */
    return st;
}

void tsri_subsample_deinit(tsri_subsample *s)
{
    for (size_t i = 0; i < 2; i++) {
        tsr_free(s->conv[i]);
        tsr_free(s->norm[i]);
    }
}

tsr_status tsri_subsample_plan(const tsri_subsample *s, size_t n_frames, size_t *total, tsr_error *err)
{
    size_t t1 = half(n_frames), f1 = half(s->n_mels);
    tsr_status st = tsri_enc_scratch_plan(total, t1, f1 * s->channels[0], "hearing", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_plan(total, half(t1), half(f1) * s->channels[1], "hearing", err);
    return st;
}

typedef struct conv_job {
    const float *in;     /* [n_time, n_mels, n_in] */
    const float *kernel; /* [n_out, 9 * n_in] */
    const float *norm;
    float *out; /* [half(n_time), half(n_mels), n_out] */
    size_t n_time, n_mels, n_in, n_out;
    size_t block; /* output bands whose windows fit the scratch */
    float eps;
} conv_job;

/* The 3 x 3 window around (2 t, 2 f); outside of the map are zeros. */
static void gather(const conv_job *j, size_t t, size_t f, float *window)
{
    size_t n_in = j->n_in;
    for (size_t k = 0; k < 9; k++, window += n_in) {
        size_t y = 2 * t + k / 3, x = 2 * f + k % 3; /* counted from -1 */
        if (y == 0 || x == 0 || y > j->n_time || x > j->n_mels)
            memset(window, 0, n_in * sizeof *window);
        else
            memcpy(window, j->in + ((y - 1) * j->n_mels + x - 1) * n_in, n_in * sizeof *window);
    }
}

static void conv_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const conv_job *j = ctx;
    size_t bands = half(j->n_mels), len = 9 * j->n_in;
    float *windows = scratch, *out = j->out + item * bands * j->n_out;
    (void)worker;
    for (size_t first = 0; first < bands; first += j->block) {
        size_t n = bands - first < j->block ? bands - first : j->block;
        for (size_t f = 0; f < n; f++)
            gather(j, item, first + f, windows + f * len);
        tsr_gemm_nt(n, j->n_out, len, windows, len, j->kernel, len, out + first * j->n_out, j->n_out);
    }
    for (size_t f = 0; f < bands; f++, out += j->n_out) {
        tsri_enc_layer_norm_row(out, out, j->norm, NULL, j->n_out, j->eps);
        for (size_t c = 0; c < j->n_out; c++)
            out[c] = out[c] < 0.0f ? 0.0f : out[c]; /* what is not a number stays, as in torch.relu */
    }
}

static void convolve(const tsri_subsample *s, tsr_pool *pool, size_t stage, const float *in, size_t n_time,
                     size_t n_mels, float *out)
{
    conv_job j = {.in = in, .kernel = s->conv[stage], .norm = s->norm[stage], .out = out, .n_time = n_time};
    j.n_mels = n_mels;
    j.n_in = stage == 0 ? 1 : s->channels[0];
    j.n_out = s->channels[stage];
    j.eps = s->eps;
    j.block = TSR_POOL_SCRATCH_BYTES / sizeof(float) / window_len(s, stage);
    tsr_pool_run(pool, half(n_time), conv_item, &j);
}

void tsri_subsample_run(const tsri_subsample *s, tsr_pool *pool, tsri_enc_scratch *scratch, const float *mel,
                        size_t n_frames, float *out, const tsri_enc_tap *tap)
{
    size_t t1 = half(n_frames), t2 = half(t1), f1 = half(s->n_mels), f2 = half(f1);
    float *first = tsri_enc_scratch_take(scratch, t1, f1 * s->channels[0]);
    float *second = tsri_enc_scratch_take(scratch, t2, f2 * s->channels[1]);
    convolve(s, pool, 0, mel, n_frames, s->n_mels, first);
    tsri_enc_tap_show(tap, "conv", 0, first, t1, f1 * s->channels[0]);
    convolve(s, pool, 1, first, t1, f1, second);
    tsri_enc_tap_show(tap, "conv", 1, second, t2, f2 * s->channels[1]);
    tsr_matmul(pool, &s->proj, second, f2 * s->channels[1], t2, out, s->hidden);
}
