/* enc_ref.c: the encoders once more, slowly and in f64, written from their description alone. Sizes are those of
 * enc_model.h; tensors are read from the weights by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enc_model.h"
#include "test_tmp.h"

static double *doubles(size_t n)
{
    double *p = must_realloc(NULL, (n + 1) * sizeof *p);
    memset(p, 0, n * sizeof *p);
    return p;
}

static double *tensor(const tsr_weights *w, const char *prefix, const char *name)
{
    char full[192];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const tsr_view *v = tsr_weights_find(w, full);
    if (!v) {
        fprintf(stderr, "no tensor %s\n", full);
        exit(1);
    }
    double *out = doubles(v->n_elems);
    size_t cols = tsr_view_cols(v);
    float *row = must_realloc(NULL, cols * sizeof *row);
    for (size_t r = 0; r < tsr_view_rows(v); r++) {
        tsr_view_decode(v, r, 0, cols, row);
        for (size_t c = 0; c < cols; c++)
            out[r * cols + c] = (double)row[c];
    }
    free(row);
    return out;
}

static double scalar(const tsr_weights *w, const char *prefix, const char *name, const char *limit, double fallback)
{
    char full[192];
    snprintf(full, sizeof full, "%s%s.%s", prefix, name, limit);
    if (!tsr_weights_find(w, full))
        return fallback;
    double *p = tensor(w, full, ""), x = p[0];
    free(p);
    return x;
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* y [n, out] = x [n, in] times the matrix `name`, which is [out, in]. */
static void product(const tsr_weights *w, const char *prefix, const char *name, const double *x, size_t n, size_t in,
                    size_t out, double *y)
{
    double *m = tensor(w, prefix, name);
    for (size_t i = 0; i < n; i++)
        for (size_t o = 0; o < out; o++) {
            double sum = 0.0;
            for (size_t k = 0; k < in; k++)
                sum += x[i * in + k] * m[o * in + k];
            y[i * out + o] = sum;
        }
    free(m);
}

static double *linear(const tsr_weights *w, const char *prefix, const char *name, const double *x, size_t n, size_t in,
                      size_t out, bool use_limits)
{
    double widen = use_limits ? 1.0 : INFINITY; /* a factor that makes a limit infinite */
    double in_lo = scalar(w, prefix, name, "input_min", -INFINITY) * widen;
    double in_hi = scalar(w, prefix, name, "input_max", INFINITY) * widen;
    double out_lo = scalar(w, prefix, name, "output_min", -INFINITY) * widen;
    double out_hi = scalar(w, prefix, name, "output_max", INFINITY) * widen;
    double *clamped = doubles(n * in), *y = doubles(n * out);
    char full[128];
    snprintf(full, sizeof full, "%s.linear.weight", name);
    for (size_t i = 0; i < n * in; i++)
        clamped[i] = clamp(x[i], in_lo, in_hi);
    product(w, prefix, full, clamped, n, in, out, y);
    for (size_t i = 0; i < n * out; i++)
        y[i] = clamp(y[i], out_lo, out_hi);
    free(clamped);
    return y;
}

static void rms_row(double *x, const double *weight, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    double scale = 1.0 / sqrt(sum / (double)n + 1e-6);
    for (size_t i = 0; i < n; i++)
        x[i] *= weight ? scale * weight[i] : scale;
}

/* A normed copy; name NULL: without weight. */
static double *rms(const tsr_weights *w, const char *prefix, const char *name, const double *x, size_t n, size_t dim)
{
    double *weight = name ? tensor(w, prefix, name) : NULL, *y = doubles(n * dim);
    memcpy(y, x, n * dim * sizeof *y);
    for (size_t i = 0; i < n; i++)
        rms_row(y + i * dim, weight, dim);
    free(weight);
    return y;
}

static void add_to(double *h, double *x, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        h[i] += scale * x[i];
    free(x);
}

static void layer_norm_row(double *x, const double *weight, const double *bias, size_t n, double eps)
{
    double mean = 0.0, var = 0.0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) / sqrt(var + eps) * weight[i] + (bias ? bias[i] : 0.0);
}

static void layer_norm(const tsr_weights *w, const char *prefix, const char *name, double *x, size_t n, size_t dim)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    double *weight = tensor(w, prefix, full);
    snprintf(full, sizeof full, "%s.bias", name);
    double *bias = tensor(w, prefix, full);
    for (size_t i = 0; i < n; i++)
        layer_norm_row(x + i * dim, weight, bias, dim, 1e-5);
    free(weight);
    free(bias);
}

static void softmax(double *x, size_t n)
{
    double top = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - top);
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double pixel(const tsr_image *img, size_t x, size_t y, size_t c)
{
    return (double)img->rgb[(y * img->width + x) * 3 + c] / 255.0;
}

/* ---- vision tower ---- */

static void rope_half(double *x, size_t n, double position)
{
    for (size_t i = 0; i < n / 2; i++) {
        double angle = position * pow(100.0, -2.0 * (double)i / (double)n);
        double a = x[i], b = x[i + n / 2];
        x[i] = a * cos(angle) - b * sin(angle);
        x[i + n / 2] = b * cos(angle) + a * sin(angle);
    }
}

static void prepare(const tsr_weights *w, const char *p, const char *norm, double *x, size_t n, size_t n_heads, size_t grid_w)
{
    double *weight = norm ? tensor(w, p, norm) : NULL;
    for (size_t i = 0; i < n * n_heads; i++) {
        double *head = x + i * ENC_HEAD_DIM;
        size_t patch = i / n_heads;
        rms_row(head, weight, ENC_HEAD_DIM);
        if (!norm)
            continue;
        rope_half(head, ENC_HEAD_DIM / 2, (double)(patch % grid_w));
        rope_half(head + ENC_HEAD_DIM / 2, ENC_HEAD_DIM / 2, (double)(patch / grid_w));
    }
    free(weight);
}

static double *vision_attention(const tsr_weights *w, const char *p, const double *x, size_t n, size_t grid_w, bool limits)
{
    size_t d = ENC_HEAD_DIM, dq = ENC_HEADS * d, dk = ENC_KV * d;
    double *q = linear(w, p, "self_attn.q_proj", x, n, ENC_HIDDEN, dq, limits);
    double *k = linear(w, p, "self_attn.k_proj", x, n, ENC_HIDDEN, dk, limits);
    double *v = linear(w, p, "self_attn.v_proj", x, n, ENC_HIDDEN, dk, limits);
    double *out = doubles(n * dq), *score = doubles(n);
    prepare(w, p, "self_attn.q_norm.weight", q, n, ENC_HEADS, grid_w);
    prepare(w, p, "self_attn.k_norm.weight", k, n, ENC_KV, grid_w);
    prepare(w, p, NULL, v, n, ENC_KV, grid_w);
    for (size_t head = 0; head < ENC_HEADS; head++)
        for (size_t i = 0; i < n; i++) {
            size_t kv = head * ENC_KV / ENC_HEADS;
            for (size_t j = 0; j < n; j++) {
                score[j] = 0.0;
                for (size_t c = 0; c < d; c++)
                    score[j] += q[i * dq + head * d + c] * k[j * dk + kv * d + c];
            }
            softmax(score, n);
            for (size_t j = 0; j < n; j++)
                for (size_t c = 0; c < d; c++)
                    out[i * dq + head * d + c] += score[j] * v[j * dk + kv * d + c];
        }
    double *y = linear(w, p, "self_attn.o_proj", out, n, dq, ENC_HIDDEN, limits);
    free(q);
    free(k);
    free(v);
    free(out);
    free(score);
    return y;
}

static void vision_layer(const tsr_weights *w, size_t index, double *h, size_t n, size_t grid_w, bool limits)
{
    char p[96];
    snprintf(p, sizeof p, "model.vision_tower.encoder.layers.%zu.", index);
    double *x = rms(w, p, "input_layernorm.weight", h, n, ENC_HIDDEN);
    double *y = vision_attention(w, p, x, n, grid_w, limits);
    add_to(h, rms(w, p, "post_attention_layernorm.weight", y, n, ENC_HIDDEN), n * ENC_HIDDEN, 1.0);
    free(x);
    free(y);
    x = rms(w, p, "pre_feedforward_layernorm.weight", h, n, ENC_HIDDEN);
    double *gate = linear(w, p, "mlp.gate_proj", x, n, ENC_HIDDEN, ENC_FFN, limits);
    double *up = linear(w, p, "mlp.up_proj", x, n, ENC_HIDDEN, ENC_FFN, limits);
    for (size_t i = 0; i < n * ENC_FFN; i++)
        gate[i] = gelu_tanh(gate[i]) * up[i];
    y = linear(w, p, "mlp.down_proj", gate, n, ENC_FFN, ENC_HIDDEN, limits);
    add_to(h, rms(w, p, "post_feedforward_layernorm.weight", y, n, ENC_HIDDEN), n * ENC_HIDDEN, 1.0);
    free(x);
    free(y);
    free(gate);
    free(up);
}

static double *vision_embed(const tsr_weights *w, const tsr_image *img)
{
    size_t grid_w = img->width / 16, n = grid_w * (img->height / 16);
    double *patches = doubles(n * 768), *h = doubles(n * ENC_HIDDEN);
    double *table = tensor(w, "model.vision_tower.patch_embedder.", "position_embedding_table");
    for (size_t i = 0; i < n * 768; i++) {
        size_t patch = i / 768, row = i % 768 / 48, col = i % 48 / 3;
        patches[i] = 2.0 * (pixel(img, patch % grid_w * 16 + col, patch / grid_w * 16 + row, i % 3) - 0.5);
    }
    product(w, "model.vision_tower.patch_embedder.", "input_proj.weight", patches, n, 768, ENC_HIDDEN, h);
    for (size_t i = 0; i < n * ENC_HIDDEN; i++) {
        size_t patch = i / ENC_HIDDEN, c = i % ENC_HIDDEN;
        h[i] += table[patch % grid_w * ENC_HIDDEN + c] + table[(ENC_POSITIONS + patch / grid_w) * ENC_HIDDEN + c];
    }
    free(patches);
    free(table);
    return h;
}

double *enc_ref_vision_tower(const tsr_weights *w, const tsr_image *img, bool use_limits)
{
    size_t grid_w = img->width / 16, n = grid_w * (img->height / 16), tokens = n / 9;
    double *h = vision_embed(w, img);
    for (size_t i = 0; i < ENC_LAYERS; i++)
        vision_layer(w, i, h, n, grid_w, use_limits);
    double *pooled = doubles(tokens * ENC_HIDDEN), *rows = doubles(tokens * ENC_TEXT_HIDDEN);
    for (size_t p = 0; p < n; p++) {
        size_t cell = p % grid_w / 3 + grid_w / 3 * (p / grid_w / 3);
        for (size_t c = 0; c < ENC_HIDDEN; c++)
            pooled[cell * ENC_HIDDEN + c] += h[p * ENC_HIDDEN + c] / 9.0 * sqrt((double)ENC_HIDDEN);
    }
    if (tsr_weights_find(w, "model.vision_tower.std_bias")) {
        double *bias = tensor(w, "model.vision_tower.", "std_bias"), *scale = tensor(w, "model.vision_tower.", "std_scale");
        for (size_t i = 0; i < tokens * ENC_HIDDEN; i++)
            pooled[i] = (pooled[i] - bias[i % ENC_HIDDEN]) * scale[i % ENC_HIDDEN];
        free(bias);
        free(scale);
    }
    double *x = rms(w, "", NULL, pooled, tokens, ENC_HIDDEN);
    product(w, "model.embed_vision.", "embedding_projection.weight", x, tokens, ENC_HIDDEN, ENC_TEXT_HIDDEN, rows);
    free(x);
    free(pooled);
    free(h);
    return rows;
}

double *enc_ref_vision_unified(const tsr_weights *w, const tsr_image *img)
{
    bool modules = tsr_weights_find(w, "model.embed_vision.patch_ln1.weight") != NULL;
    const char *p = modules ? "model.embed_vision." : "model.vision_embedder.";
    size_t grid_w = img->width / 48, n = grid_w * (img->height / 48), width = 6912;
    double *x = doubles(n * width), *h = doubles(n * ENC_HIDDEN), *rows = doubles(n * ENC_TEXT_HIDDEN);
    for (size_t i = 0; i < n * width; i++) {
        size_t block = i / width, row = i % width / 144, col = i % 144 / 3;
        x[i] = pixel(img, block % grid_w * 48 + col, block / grid_w * 48 + row, i % 3);
    }
    layer_norm(w, p, "patch_ln1", x, n, width);
    product(w, p, "patch_dense.weight", x, n, width, ENC_HIDDEN, h);
    double *bias = tensor(w, p, "patch_dense.bias"), *table = tensor(w, p, "pos_embedding");
    for (size_t i = 0; i < n * ENC_HIDDEN; i++)
        h[i] += bias[i % ENC_HIDDEN];
    layer_norm(w, p, "patch_ln2", h, n, ENC_HIDDEN);
    for (size_t i = 0; i < n * ENC_HIDDEN; i++) {
        size_t block = i / ENC_HIDDEN, c = i % ENC_HIDDEN;
        h[i] += table[(block % grid_w * 2) * ENC_HIDDEN + c] + table[(block / grid_w * 2 + 1) * ENC_HIDDEN + c];
    }
    layer_norm(w, p, "pos_norm", h, n, ENC_HIDDEN);
    double *normed = rms(w, "", NULL, h, n, ENC_HIDDEN);
    product(w, "model.embed_vision.",
            modules ? "multimodal_embedder.embedding_projection.weight" : "embedding_projection.weight", normed, n,
            ENC_HIDDEN, ENC_TEXT_HIDDEN, rows);
    free(x);
    free(h);
    free(bias);
    free(table);
    free(normed);
    return rows;
}

/* ---- sound tower ---- */

/* in: [channel in][time][mel], out likewise, both axes halved. */
static double *convolution(const tsr_weights *w, size_t stage, const double *in, size_t c_in, size_t c_out, size_t n_time,
                           size_t n_mel)
{
    char name[64];
    const char *p = "model.audio_tower.subsample_conv_projection.";
    size_t t2 = (n_time + 1) / 2, f2 = (n_mel + 1) / 2;
    snprintf(name, sizeof name, "layer%zu.conv.weight", stage);
    double *kernel = tensor(w, p, name);
    snprintf(name, sizeof name, "layer%zu.norm.weight", stage);
    double *norm = tensor(w, p, name), *out = doubles(c_out * t2 * f2), *column = doubles(c_out);
    for (size_t t = 0; t < t2; t++)
        for (size_t f = 0; f < f2; f++) {
            for (size_t o = 0; o < c_out; o++) {
                column[o] = 0.0;
                for (size_t i = 0; i < c_in * 9; i++) {
                    size_t y = 2 * t + i % 9 / 3, x = 2 * f + i % 3; /* one more than the place in `in` */
                    if (y >= 1 && x >= 1 && y <= n_time && x <= n_mel)
                        column[o] += kernel[o * c_in * 9 + i] * in[(i / 9 * n_time + y - 1) * n_mel + x - 1];
                }
            }
            layer_norm_row(column, norm, NULL, c_out, 1e-6);
            for (size_t o = 0; o < c_out; o++)
                out[(o * t2 + t) * f2 + f] = column[o] > 0.0 ? column[o] : 0.0;
        }
    free(kernel);
    free(norm);
    free(column);
    return out;
}

static void sound_ffn(const tsr_weights *w, const char *layer, const char *which, double *h, size_t n, bool limits)
{
    char p[128];
    snprintf(p, sizeof p, "%s%s.", layer, which);
    double *x = rms(w, p, "pre_layer_norm.weight", h, n, ENC_HIDDEN);
    double *up = linear(w, p, "ffw_layer_1", x, n, ENC_HIDDEN, 4 * ENC_HIDDEN, limits);
    for (size_t i = 0; i < n * 4 * ENC_HIDDEN; i++)
        up[i] *= sigmoid(up[i]);
    double *down = linear(w, p, "ffw_layer_2", up, n, 4 * ENC_HIDDEN, ENC_HIDDEN, limits);
    add_to(h, rms(w, p, "post_layer_norm.weight", down, n, ENC_HIDDEN), n * ENC_HIDDEN, 0.5);
    free(x);
    free(up);
    free(down);
}

/* r: the relative keys of distances 0 .. 12. */
static double *relative_keys(const tsr_weights *w, const char *p)
{
    double *pe = doubles(13 * ENC_HIDDEN), *r = doubles(13 * ENC_HIDDEN);
    size_t half = ENC_HIDDEN / 2;
    for (size_t d = 0; d < 13; d++)
        for (size_t i = 0; i < half; i++) {
            double angle = (double)d * exp(-(double)i * log(10000.0) / (double)(half - 1));
            pe[d * ENC_HIDDEN + i] = sin(angle);
            pe[d * ENC_HIDDEN + half + i] = cos(angle);
        }
    product(w, p, "self_attn.relative_k_proj.weight", pe, 13, ENC_HIDDEN, ENC_HIDDEN, r);
    free(pe);
    return r;
}

static void sound_attention(const tsr_weights *w, const char *p, double *h, size_t n, bool limits)
{
    size_t d = ENC_HIDDEN / ENC_HEADS;
    double *x = rms(w, p, "norm_pre_attn.weight", h, n, ENC_HIDDEN);
    double *q = linear(w, p, "self_attn.q_proj", x, n, ENC_HIDDEN, ENC_HIDDEN, limits);
    double *k = linear(w, p, "self_attn.k_proj", x, n, ENC_HIDDEN, ENC_HIDDEN, limits);
    double *v = linear(w, p, "self_attn.v_proj", x, n, ENC_HIDDEN, ENC_HIDDEN, limits);
    double *per_dim = tensor(w, p, "self_attn.per_dim_scale"), *r = relative_keys(w, p), *out = doubles(n * ENC_HIDDEN);
    for (size_t i = 0; i < n; i++)
        for (size_t head = 0; head < ENC_HEADS; head++) {
            double logits[12];
            size_t n_keys = i + 1 < 12 ? i + 1 : 12;
            for (size_t dist = 0; dist < n_keys; dist++) {
                double s = 0.0;
                for (size_t c = head * d; c < (head + 1) * d; c++) {
                    double qc = q[i * ENC_HIDDEN + c] / sqrt((double)d) / log(2.0) * log1p(exp(per_dim[c % d]));
                    double kc = k[(i - dist) * ENC_HIDDEN + c] * log(1.0 + exp(1.0)) / log(2.0);
                    s += qc * (kc + r[dist * ENC_HIDDEN + c]);
                }
                logits[dist] = 50.0 * tanh(s / 50.0);
            }
            softmax(logits, n_keys);
            for (size_t dist = 0; dist < n_keys; dist++)
                for (size_t c = head * d; c < (head + 1) * d; c++)
                    out[i * ENC_HIDDEN + c] += logits[dist] * v[(i - dist) * ENC_HIDDEN + c];
        }
    double *post = linear(w, p, "self_attn.post", out, n, ENC_HIDDEN, ENC_HIDDEN, limits);
    add_to(h, rms(w, p, "norm_post_attn.weight", post, n, ENC_HIDDEN), n * ENC_HIDDEN, 1.0);
    double *all[] = {x, q, k, v, per_dim, r, out, post};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void sound_conv(const tsr_weights *w, const char *layer, double *h, size_t n, bool limits)
{
    char p[128];
    snprintf(p, sizeof p, "%slconv1d.", layer);
    double *x = rms(w, p, "pre_layer_norm.weight", h, n, ENC_HIDDEN);
    double *start = linear(w, p, "linear_start", x, n, ENC_HIDDEN, 2 * ENC_HIDDEN, limits);
    double *kernel = tensor(w, p, "depthwise_conv1d.weight"), *y = doubles(n * ENC_HIDDEN);
    for (size_t t = 0; t < n; t++)
        for (size_t c = 0; c < ENC_HIDDEN; c++)
            x[t * ENC_HIDDEN + c] = start[t * 2 * ENC_HIDDEN + c] * sigmoid(start[t * 2 * ENC_HIDDEN + ENC_HIDDEN + c]);
    for (size_t t = 0; t < n; t++)
        for (size_t c = 0; c < ENC_HIDDEN; c++)
            for (size_t k = 0; k < ENC_CONV; k++)
                if (t + k >= ENC_CONV - 1)
                    y[t * ENC_HIDDEN + c] += kernel[c * ENC_CONV + k] * x[(t + k - ENC_CONV + 1) * ENC_HIDDEN + c];
    double *normed = rms(w, p, "conv_norm.weight", y, n, ENC_HIDDEN);
    for (size_t i = 0; i < n * ENC_HIDDEN; i++)
        normed[i] *= sigmoid(normed[i]);
    add_to(h, linear(w, p, "linear_end", normed, n, ENC_HIDDEN, ENC_HIDDEN, limits), n * ENC_HIDDEN, 1.0);
    free(x);
    free(start);
    free(kernel);
    free(y);
    free(normed);
}

static double *sound_subsample(const tsr_weights *w, const float *mel, size_t n_frames)
{
    double *in = doubles(n_frames * ENC_MELS);
    for (size_t i = 0; i < n_frames * ENC_MELS; i++)
        in[i] = (double)mel[i];
    size_t t1 = (n_frames + 1) / 2, t2 = (t1 + 1) / 2, bands = ENC_MELS / 4, width = bands * ENC_CHANNELS_1;
    double *one = convolution(w, 0, in, 1, ENC_CHANNELS_0, n_frames, ENC_MELS);
    double *two = convolution(w, 1, one, ENC_CHANNELS_0, ENC_CHANNELS_1, t1, ENC_MELS / 2);
    double *flat = doubles(t2 * width), *h = doubles(t2 * ENC_HIDDEN);
    for (size_t i = 0; i < t2 * width; i++)
        flat[i] = two[(i % ENC_CHANNELS_1 * t2 + i / width) * bands + i % width / ENC_CHANNELS_1];
    product(w, "model.audio_tower.subsample_conv_projection.", "input_proj_linear.weight", flat, t2, width, ENC_HIDDEN, h);
    free(in);
    free(one);
    free(two);
    free(flat);
    return h;
}

double *enc_ref_sound_tower(const tsr_weights *w, const float *mel, size_t n_frames, bool use_limits)
{
    size_t n = (n_frames + 3) / 4;
    double *h = sound_subsample(w, mel, n_frames);
    for (size_t i = 0; i < ENC_LAYERS; i++) {
        char p[96];
        snprintf(p, sizeof p, "model.audio_tower.layers.%zu.", i);
        sound_ffn(w, p, "feed_forward1", h, n, use_limits);
        sound_attention(w, p, h, n, use_limits);
        sound_conv(w, p, h, n, use_limits);
        sound_ffn(w, p, "feed_forward2", h, n, use_limits);
        double *normed = rms(w, p, "norm_out.weight", h, n, ENC_HIDDEN);
        memcpy(h, normed, n * ENC_HIDDEN * sizeof *h);
        free(normed);
    }
    double *out = doubles(n * ENC_SOUND_WIDTH), *rows = doubles(n * ENC_TEXT_HIDDEN);
    double *bias = tensor(w, "model.audio_tower.", "output_proj.bias");
    product(w, "model.audio_tower.", "output_proj.weight", h, n, ENC_HIDDEN, ENC_SOUND_WIDTH, out);
    for (size_t i = 0; i < n * ENC_SOUND_WIDTH; i++)
        out[i] += bias[i % ENC_SOUND_WIDTH];
    double *normed = rms(w, "", NULL, out, n, ENC_SOUND_WIDTH);
    product(w, "model.embed_audio.", "embedding_projection.weight", normed, n, ENC_SOUND_WIDTH, ENC_TEXT_HIDDEN, rows);
    free(h);
    free(out);
    free(bias);
    free(normed);
    return rows;
}

double *enc_ref_sound_unified(const tsr_weights *w, const float *samples, size_t n_samples)
{
    size_t n = (n_samples + 639) / 640;
    double *x = doubles(n * 640), *rows = doubles(n * ENC_TEXT_HIDDEN);
    for (size_t i = 0; i < n_samples; i++)
        x[i] = (double)samples[i];
    double *normed = rms(w, "", NULL, x, n, 640);
    product(w, "model.embed_audio.", "embedding_projection.weight", normed, n, 640, ENC_TEXT_HIDDEN, rows);
    free(x);
    free(normed);
    return rows;
}

double enc_difference(const float *got, const double *want, size_t n)
{
    double worst = 0.0, top = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d < INFINITY))
            return INFINITY;
        worst = d > worst ? d : worst;
        top = fabs(want[i]) > top ? fabs(want[i]) : top;
    }
    return top > 0.0 ? worst / top : worst;
}
