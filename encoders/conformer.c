/* conformer.c: one layer of the sound tower (MODEL.md, "Conformer layer"): half-step feed-forward, attention over
 * a causal window with relative positions and a logit cap, light convolution, half-step feed-forward, norm.
 *
 * The reference cuts the sequence into chunks to compute the same window; nothing resets at their borders. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audio_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"

enum { NAME_BYTES = 128 };

static const float NORM_EPS = 1e-6f; /* of the norms that do not follow the configuration in the reference */

/* ---- opening ---- */

/* Mmproj files hold this factor finished, under a name of its own; it is never undone. */
static const char FINISHED_SCALE[] = "self_attn.per_dim_softplus";

static bool scale_is_finished(const tsr_weights *w, const char *prefix)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", prefix, FINISHED_SCALE);
    return tsr_weights_find(w, name) != NULL;
}

static tsr_status take_tensors(tsri_conformer *c, const tsri_conformer_shape *s, tsr_weights *w, const char *prefix,
                               bool finished_scale, float **conv, tsr_error *err)
{
    size_t h = s->hidden;
    const tsr_weight_spec specs[] = {
        TSRI_ENC_LINEAR("feed_forward1.ffw_layer_1", c->ffn[0].up, 4 * h, h),
        TSRI_ENC_LINEAR("feed_forward1.ffw_layer_2", c->ffn[0].down, h, 4 * h),
        TSRI_ENC_VECTOR("feed_forward1.pre_layer_norm.weight", c->ffn[0].pre_norm, h),
        TSRI_ENC_VECTOR("feed_forward1.post_layer_norm.weight", c->ffn[0].post_norm, h),
        TSRI_ENC_LINEAR("feed_forward2.ffw_layer_1", c->ffn[1].up, 4 * h, h),
        TSRI_ENC_LINEAR("feed_forward2.ffw_layer_2", c->ffn[1].down, h, 4 * h),
        TSRI_ENC_VECTOR("feed_forward2.pre_layer_norm.weight", c->ffn[1].pre_norm, h),
        TSRI_ENC_VECTOR("feed_forward2.post_layer_norm.weight", c->ffn[1].post_norm, h),
        TSRI_ENC_LINEAR("self_attn.q_proj", c->q, h, h),
        TSRI_ENC_LINEAR("self_attn.k_proj", c->k, h, h),
        TSRI_ENC_LINEAR("self_attn.v_proj", c->v, h, h),
        TSRI_ENC_LINEAR("self_attn.post", c->post, h, h),
        TSRI_ENC_MATRIX("self_attn.relative_k_proj.weight", c->relative, h, h),
        TSRI_ENC_VECTOR(finished_scale ? FINISHED_SCALE : "self_attn.per_dim_scale", c->per_dim, s->head_dim),
        TSRI_ENC_VECTOR("norm_pre_attn.weight", c->norm_pre_attn, h),
        TSRI_ENC_VECTOR("norm_post_attn.weight", c->norm_post_attn, h),
        TSRI_ENC_VECTOR("norm_out.weight", c->norm_out, h),
        TSRI_ENC_LINEAR("lconv1d.linear_start", c->conv_start, 2 * h, h),
        TSRI_ENC_LINEAR("lconv1d.linear_end", c->conv_end, h, h),
        {"lconv1d.depthwise_conv1d.weight", NULL, conv, 3, {h, 1, s->conv_kernel}, false},
        TSRI_ENC_VECTOR("lconv1d.pre_layer_norm.weight", c->conv_pre_norm, h),
        TSRI_ENC_VECTOR("lconv1d.conv_norm.weight", c->conv_norm, h),
    };
    return tsr_weights_take(w, prefix, specs, sizeof specs / sizeof *specs, err);
}

static tsr_status take_limits(tsri_conformer *c, tsr_weights *w, const char *prefix, tsr_error *err)
{
    const tsr_weight_spec specs[] = {
        TSRI_ENC_LIMITS("feed_forward1.ffw_layer_1", c->ffn[0].up), TSRI_ENC_LIMITS("feed_forward1.ffw_layer_2", c->ffn[0].down),
        TSRI_ENC_LIMITS("feed_forward2.ffw_layer_1", c->ffn[1].up), TSRI_ENC_LIMITS("feed_forward2.ffw_layer_2", c->ffn[1].down),
        TSRI_ENC_LIMITS("self_attn.q_proj", c->q),                  TSRI_ENC_LIMITS("self_attn.k_proj", c->k),
        TSRI_ENC_LIMITS("self_attn.v_proj", c->v),                  TSRI_ENC_LIMITS("self_attn.post", c->post),
        TSRI_ENC_LIMITS("lconv1d.linear_start", c->conv_start),     TSRI_ENC_LIMITS("lconv1d.linear_end", c->conv_end),
    };
    tsri_enc_linear *all[] = {&c->ffn[0].up, &c->ffn[0].down, &c->ffn[1].up, &c->ffn[1].down, &c->q,
                              &c->k,         &c->v,           &c->post,      &c->conv_start,  &c->conv_end};
    tsr_status st = tsr_weights_take(w, prefix, specs, sizeof specs / sizeof *specs, err);
    for (size_t i = 0; i < sizeof all / sizeof *all && st == TSR_OK; i++)
        st = tsri_enc_linear_set_limits(all[i], prefix, specs[4 * i].name, err);
    return st;
}

tsr_status tsri_conformer_take(tsri_conformer *c, const tsri_conformer_shape *s, tsr_weights *w, const char *prefix,
                               const float *encodings, tsr_pool *pool, tsr_error *err)
{
    float *conv = NULL; /* [hidden, conv_kernel] */
    bool finished_scale = scale_is_finished(w, prefix);
    tsr_status st = take_tensors(c, s, w, prefix, finished_scale, &conv, err);
    if (st == TSR_OK && s->clipped)
        st = take_limits(c, w, prefix, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&c->conv, s->conv_kernel * s->hidden, sizeof *c->conv, "convolution", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&c->distances, s->n_distances * s->hidden, sizeof *c->distances, "relative keys", err);
    if (st != TSR_OK)
        goto done;
    for (size_t i = 0; i < s->hidden; i++)
        for (size_t k = 0; k < s->conv_kernel; k++)
            c->conv[k * s->hidden + i] = conv[i * s->conv_kernel + k];
    for (size_t i = 0; !finished_scale && i < s->head_dim; i++)
        c->per_dim[i] = tsri_enc_softplus(c->per_dim[i]);
    tsr_matmul(pool, &c->relative, encodings, s->hidden, s->n_distances, c->distances, s->hidden);
done:
    tsr_free(conv);
    return st;
}

void tsri_conformer_deinit(tsri_conformer *c)
{
    for (size_t i = 0; i < 2; i++) {
        tsr_free(c->ffn[i].pre_norm);
        tsr_free(c->ffn[i].post_norm);
    }
    float *all[] = {c->per_dim,  c->distances,     c->norm_pre_attn, c->norm_post_attn,
                    c->norm_out, c->conv_pre_norm, c->conv_norm,     c->conv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tsr_free(all[i]);
}

/* ---- running ---- */

typedef struct values_job {
    const tsri_conformer_shape *s;
    const tsri_conformer *c;
    const tsri_conformer_run *r;
    float *a, *b, *v;
} values_job;

/* A norm whose inputs were already bounded by `is_in`, before its own bound. */
static tsri_enc_norm norm_of(const tsri_conformer_shape *s, const float *weight, tsri_enc_range is_in)
{
    tsri_enc_range clip = {-s->clip, s->clip};
    return (tsri_enc_norm){weight, s->hidden, NORM_EPS, tsri_enc_range_then(is_in, clip), tsri_enc_open_range()};
}

static void feed_forward(const tsri_conformer_ffn *f, const tsri_conformer_shape *s, const tsri_conformer_run *r)
{
    tsri_enc_norm pre = norm_of(s, f->pre_norm, tsri_enc_open_range());
    tsri_enc_norm post = norm_of(s, f->post_norm, tsri_enc_out(&f->down));
    const tsri_enc_mlp mlp = {&f->up, NULL, &f->down, TSR_SILU};
    pre.out = tsri_enc_in(&f->up);
    tsri_enc_rms(r->pool, &pre, r->h, r->n, r->x);
    tsri_enc_mlp_run(r->pool, &mlp, r->x, pre.out, r->n, r->x, r->work, NULL);
    tsri_enc_rms_add(r->pool, &post, r->x, r->n, s->residual_weight, r->h);
}

/* Outputs of the products become queries, keys and values. q and k get their factors in the order of the reference. */
static void scale_rows(void *ctx, size_t first, size_t n)
{
    const values_job *j = ctx;
    const float q_scale = (float)(1.0 / sqrt((double)j->s->head_dim) / log(2.0));
    const float k_scale = (float)(log(1.0 + exp(1.0)) / log(2.0));
    const float *restrict per_dim = j->c->per_dim;
    size_t h = j->s->hidden, d = j->s->head_dim;
    for (size_t t = first; t < first + n; t++) {
        float *restrict q = j->a + t * h, *restrict k = j->b + t * h, *v = j->v + t * h;
        tsri_enc_clamp_row(q, q, h, tsri_enc_out(&j->c->q));
        tsri_enc_clamp_row(k, k, h, tsri_enc_out(&j->c->k));
        tsri_enc_clamp_row(v, v, h, tsri_enc_out(&j->c->v));
        for (size_t at = 0; at < h; at += d)
            for (size_t i = 0; i < d; i++)
                q[at + i] = q[at + i] * q_scale * per_dim[i];
        for (size_t i = 0; i < h; i++)
            k[i] *= k_scale;
    }
}

/* One query of one head. Key at distance d = query - key; entry p of the relative keys stands for
 * n_past - d = p, and beyond the last entry there is no relative term. */
static void attend_one(const values_job *j, size_t t, size_t head, float *logits)
{
    const tsri_conformer_shape *s = j->s;
    size_t h = s->hidden, d = s->head_dim, at = head * d;
    size_t from = t + 1 > s->n_past ? t + 1 - s->n_past : 0;
    size_t to = j->r->n - t > s->n_future ? t + s->n_future : j->r->n - 1;
    const float *q = j->a + t * h + at;
    for (size_t key = from; key <= to; key++) {
        size_t p = s->n_past + key - t; /* at least 1: distance n_past itself is masked */
        float logit = tsr_dot(q, j->b + key * h + at, d);
        if (p < s->n_distances)
            logit += tsr_dot(q, j->c->distances + p * h + at, d);
        logits[key - from] = tanhf(logit / s->logit_cap) * s->logit_cap;
    }
    tsr_softmax(logits, to - from + 1);
    float *out = j->r->x + t * h + at;
    memset(out, 0, d * sizeof *out);
    for (size_t key = from; key <= to; key++)
        tsr_axpy(out, logits[key - from], j->v + key * h + at, d);
}

static void attend_item(void *ctx, size_t item, unsigned worker, void *scratch)
{
    const values_job *j = ctx;
    float *out = j->r->x + item * j->s->hidden;
    (void)worker;
    for (size_t head = 0; head < j->s->n_heads; head++)
        attend_one(j, item, head, scratch);
    tsri_enc_clamp_row(out, out, j->s->hidden, tsri_enc_in(&j->c->post));
}

static void attention(const tsri_conformer *c, const tsri_conformer_shape *s, const tsri_conformer_run *r)
{
    size_t h = s->hidden;
    const tsri_enc_linear *const qkv[] = {&c->q, &c->k, &c->v};
    tsri_enc_norm pre = norm_of(s, c->norm_pre_attn, tsri_enc_open_range());
    tsri_enc_norm post = norm_of(s, c->norm_post_attn, tsri_enc_out(&c->post));
    float *q = r->work, *k = q + r->n * h, *v = k + r->n * h;
    values_job j = {.s = s, .c = c, .r = r, .a = q, .b = k, .v = v};
    pre.out = tsri_enc_common_in(qkv, 3);
    tsri_enc_rms(r->pool, &pre, r->h, r->n, r->x);
    tsri_enc_linears_run(r->pool, qkv, 3, r->x, h, pre.out, r->n, (float *const[]){q, k, v}, (const size_t[]){h, h, h}, r->clamped);
    tsri_enc_rows(r->pool, r->n, scale_rows, &j);
    tsr_pool_run(r->pool, r->n, attend_item, &j);
    tsri_enc_linear_run(r->pool, &c->post, r->x, h, tsri_enc_in(&c->post), r->n, q, h, NULL);
    tsri_enc_rms_add(r->pool, &post, q, r->n, 1.0f, r->h);
}

/* a: [n, 2 hidden] gives x: [n, hidden] = first half times sigmoid of the second. */
static void glu_rows(void *ctx, size_t first, size_t n)
{
    const values_job *j = ctx;
    size_t h = j->s->hidden;
    for (size_t t = first; t < first + n; t++) {
        float *a = j->a + t * 2 * h;
        tsri_enc_clamp_row(a, a, 2 * h, tsri_enc_out(&j->c->conv_start));
        tsr_sigmoid_mul(j->r->x + t * h, a, a + h, h);
    }
}

/* x to a: y_t = sum over k of w[k] x[t - kernel + 1 + k], then norm and SiLU, as the product after takes it. */
static void conv_rows(void *ctx, size_t first, size_t n)
{
    const values_job *j = ctx;
    const tsri_conformer_shape *s = j->s;
    size_t h = s->hidden, kernel = s->conv_kernel;
    for (size_t t = first; t < first + n; t++) {
        float *restrict y = j->a + t * h;
        memset(y, 0, h * sizeof *y);
        for (size_t k = 0; k < kernel; k++) {
            if (t + k + 1 < kernel)
                continue;
            const float *restrict x = j->r->x + (t + k + 1 - kernel) * h, *restrict w = j->c->conv + k * h;
            for (size_t i = 0; i < h; i++)
                y[i] += w[i] * x[i];
        }
        tsri_enc_clamp_row(y, y, h, (tsri_enc_range){-s->clip, s->clip});
        tsr_rms_norm(y, y, j->c->conv_norm, h, s->eps);
        tsr_sigmoid_mul(y, y, y, h);
        tsri_enc_clamp_row(y, y, h, tsri_enc_in(&j->c->conv_end));
    }
}

static void add_rows(void *ctx, size_t first, size_t n)
{
    const values_job *j = ctx;
    size_t h = j->s->hidden;
    for (size_t t = first; t < first + n; t++) {
        float *x = j->r->x + t * h;
        tsri_enc_clamp_row(x, x, h, tsri_enc_out(&j->c->conv_end));
        tsr_axpy(j->r->h + t * h, 1.0f, x, h);
    }
}

static void light_conv(const tsri_conformer *c, const tsri_conformer_shape *s, const tsri_conformer_run *r)
{
    size_t h = s->hidden;
    const tsri_enc_norm pre = {c->conv_pre_norm, h, s->eps, tsri_enc_open_range(), tsri_enc_in(&c->conv_start)};
    values_job j = {.s = s, .c = c, .r = r, .a = r->work};
    tsri_enc_rms(r->pool, &pre, r->h, r->n, r->x);
    tsri_enc_linear_run(r->pool, &c->conv_start, r->x, h, pre.out, r->n, r->work, 2 * h, NULL);
    tsri_enc_rows(r->pool, r->n, glu_rows, &j);
    tsri_enc_rows(r->pool, r->n, conv_rows, &j);
    tsri_enc_linear_run(r->pool, &c->conv_end, r->work, h, tsri_enc_in(&c->conv_end), r->n, r->x, h, NULL);
    tsri_enc_rows(r->pool, r->n, add_rows, &j);
}

void tsri_conformer_apply(const tsri_conformer *c, const tsri_conformer_shape *s, const tsri_conformer_run *r)
{
    const tsri_enc_norm out = norm_of(s, c->norm_out, tsri_enc_open_range());
    feed_forward(&c->ffn[0], s, r);
    attention(c, s, r);
    light_conv(c, s, r);
    feed_forward(&c->ffn[1], s, r);
    tsri_enc_rms(r->pool, &out, r->h, r->n, r->h);
}
