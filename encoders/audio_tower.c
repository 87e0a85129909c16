/* audio_tower.c: the sound tower of E2B and E4B (MODEL.md, "Sound"): subsampling, conformer layers, output
 * projection with bias, projector into the language model. Activations are f32. */
#include <math.h>
#include <stdio.h>

#include "audio_internal.h"
#include "config_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"

enum { MAX_WINDOW = 4096, PREFIX_BYTES = 64 };

static const char PART[] = "audio_config";

struct tsri_audio_tower {
    tsr_pool *pool;
    tsri_subsample subsample;
    tsri_conformer_shape shape;
    tsri_conformer *layers;
    size_t n_layers;
    size_t width, text_hidden; /* width: of the output projection */
    tsr_view output;           /* [width, hidden] */
    float *output_bias;        /* [width] */
    tsr_view projector;        /* [text_hidden, width] */
    tsri_enc_scratch scratch;
};

/* The reference cuts chunks of `chunk` queries, each with `left` - 1 keys before and `right` after it: a query sees
 * left - 1 keys, itself among them, and right - 1 after it; positions run from half of the context down to 0. */
static tsr_status read_window(tsri_conformer_shape *s, const tsr_json *cfg, tsr_error *err)
{
    size_t chunk = 0, left = 0, right = 0;
    double cap = 0.0, masked = 0.0;
    tsr_status st = tsri_enc_config_size(cfg, PART, "attention_chunk_size", 12, 1, MAX_WINDOW, &chunk, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "attention_context_left", 13, 2, MAX_WINDOW, &left, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "attention_context_right", 0, 0, MAX_WINDOW, &right, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(cfg, PART, "attention_logit_cap", 50.0, &cap, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(cfg, PART, "attention_invalid_logits_value", -1e9, &masked, err);
    if (st != TSR_OK)
        return st;
    if (!(cap > 0.0 && cap < 1e6))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: attention_logit_cap is %g", PART, cap);
    if (!(masked <= -2.0 * cap - 200.0)) /* a masked key has to weigh exactly nothing */
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: attention_invalid_logits_value is %g", PART, masked);
    s->n_past = left - 1;
    s->n_future = right > 0 ? right - 1 : 0;
    s->n_distances = (chunk + left - 1 + right) / 2 + 1;
    s->logit_cap = (float)cap;
    return TSR_OK;
}

static tsr_status read_channels(tsri_subsample *s, const tsr_json *cfg, tsr_error *err)
{
    const tsr_json *list = tsr_json_get_set(cfg, "subsampling_conv_channels");
    s->channels[0] = 128;
    s->channels[1] = 32;
    if (!list)
        return TSR_OK;
    if (tsr_json_len(list) != 2 || !tsr_json_to_size(tsr_json_at(list, 0), &s->channels[0]) ||
        !tsr_json_to_size(tsr_json_at(list, 1), &s->channels[1]) || s->channels[0] < 1 || s->channels[1] < 1 ||
        s->channels[0] > 4096 || s->channels[1] > 4096)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: subsampling_conv_channels is not a pair of sizes", PART);
    return TSR_OK;
}

static tsr_status read_numbers(tsri_conformer_shape *s, const tsr_json *cfg, tsr_error *err)
{
    double residual = 0.0, clip = 0.0;
    tsr_status st = tsri_enc_config_double(cfg, PART, "residual_weight", 0.5, &residual, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(cfg, PART, "gradient_clipping", 1e10, &clip, err);
    if (st == TSR_OK && !(clip > 0.0))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: gradient_clipping is %g", PART, clip);
    if (st == TSR_OK)
        st = tsri_enc_config_eps(cfg, PART, &s->eps, err);
    s->residual_weight = (float)residual;
    s->clip = clip < 3e38 ? (float)clip : INFINITY;
    return st;
}

static tsr_status read_config(tsri_audio_tower *t, const tsr_json *cfg, tsr_error *err)
{
    tsri_conformer_shape *s = &t->shape;
    tsr_status st = tsri_enc_config_size(cfg, PART, "hidden_size", 1024, 2, TSRI_ENC_MAX_WIDTH, &s->hidden, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "num_hidden_layers", 12, 1, TSRI_ENC_MAX_LAYERS, &t->n_layers, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "num_attention_heads", 8, 1, s->hidden, &s->n_heads, err);
    if (st == TSR_OK && (s->hidden % s->n_heads != 0 || s->hidden % 2 != 0))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: hidden_size %zu with %zu heads", PART, s->hidden, s->n_heads);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "conv_kernel_size", 5, 1, 1024, &s->conv_kernel, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "output_proj_dims", 1536, 1, TSRI_ENC_MAX_WIDTH, &t->width, err);
    if (st == TSR_OK)
        st = tsri_enc_config_require(cfg, PART, "hidden_act", "silu", NULL, err);
    if (st == TSR_OK)
        st = read_numbers(s, cfg, err);
    if (st == TSR_OK)
        st = read_window(s, cfg, err);
    if (st == TSR_OK)
        st = read_channels(&t->subsample, cfg, err);
    if (st != TSR_OK)
        return st;
    s->head_dim = s->hidden / s->n_heads;
    t->subsample.hidden = s->hidden;
    t->subsample.eps = s->eps;
    return TSR_OK;
}

/* [n_distances, hidden]: sines, then cosines, of the distances n_distances - 1 down to 0. */
static tsr_status make_encodings(const tsri_conformer_shape *s, float **out, tsr_error *err)
{
    size_t n = s->hidden / 2;
    tsr_status st = tsr_alloc_array(out, s->n_distances * s->hidden, sizeof **out, "position encodings", err);
    if (st != TSR_OK)
        return st;
    float step = (float)-(log(10000.0) / (double)(n > 1 ? n - 1 : 1));
    for (size_t i = 0; i < n; i++) {
        float inv = (float)exp((double)((float)i * step));
        for (size_t p = 0; p < s->n_distances; p++) {
            float angle = (float)(s->n_distances - 1 - p) * inv;
            (*out)[p * s->hidden + i] = sinf(angle);
            (*out)[p * s->hidden + n + i] = cosf(angle);
        }
    }
    return TSR_OK;
}

static tsr_status take_layers(tsri_audio_tower *t, tsr_weights *w, const tsr_json *cfg, tsr_error *err)
{
    float *encodings = NULL;
    char prefix[PREFIX_BYTES];
    tsr_status st = tsri_enc_config_agree(cfg, PART, "use_clipped_linears", w,
                                          "model.audio_tower.layers.0.self_attn.q_proj.input_min", &t->shape.clipped, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->layers, t->n_layers, sizeof *t->layers, "sound layers", err);
    for (size_t i = 0; st == TSR_OK && i < t->n_layers; i++)
        t->layers[i] = (tsri_conformer){0};
    if (st == TSR_OK)
        st = make_encodings(&t->shape, &encodings, err);
    for (size_t i = 0; st == TSR_OK && i < t->n_layers; i++) {
        snprintf(prefix, sizeof prefix, "model.audio_tower.layers.%zu.", i);
        st = tsri_conformer_take(&t->layers[i], &t->shape, w, prefix, encodings, t->pool, err);
    }
    tsr_free(encodings);
    return st;
}

static tsr_status take_outer(tsri_audio_tower *t, tsr_weights *w, tsr_error *err)
{
    const tsr_weight_spec specs[] = {
        TSRI_ENC_MATRIX("audio_tower.output_proj.weight", t->output, t->width, t->shape.hidden),
        TSRI_ENC_VECTOR("audio_tower.output_proj.bias", t->output_bias, t->width),
        TSRI_ENC_MATRIX("embed_audio.embedding_projection.weight", t->projector, t->text_hidden, t->width),
    };
    return tsr_weights_take(w, "model.", specs, sizeof specs / sizeof *specs, err);
}

/* Buffers that older files hold and nobody needs. */
static void ignore_buffers(const tsri_audio_tower *t, tsr_weights *w)
{
    char name[PREFIX_BYTES + 32];
    tsr_weights_ignore(w, "model.audio_tower.rel_pos_enc.inv_timescales", "");
    for (size_t i = 0; i < t->n_layers; i++) {
        snprintf(name, sizeof name, "model.audio_tower.layers.%zu.self_attn.softcap", i);
        tsr_weights_ignore(w, name, "");
    }
}

tsr_status tsri_audio_tower_open(tsri_audio_tower **out, tsr_weights *w, const tsr_json *config, size_t n_mels,
                                 size_t text_hidden, tsr_pool *pool, tsr_hearing_info *info, tsr_error *err)
{
    *out = NULL;
    tsri_audio_tower *t = tsr_calloc(1, sizeof *t);
    if (!t)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: sound tower");
    t->pool = pool;
    t->text_hidden = text_hidden;
    t->subsample.n_mels = n_mels;
    tsr_status st = read_config(t, config, err);
    if (st == TSR_OK)
        st = take_outer(t, w, err);
    if (st == TSR_OK)
        st = tsri_subsample_take(&t->subsample, w, err);
    if (st == TSR_OK)
        st = take_layers(t, w, config, err);
    if (st != TSR_OK) {
        tsri_audio_tower_close(t);
        return st;
    }
    ignore_buffers(t, w);
    info->hidden = t->shape.hidden;
    info->n_layers = t->n_layers;
    *out = t;
    return TSR_OK;
}

void tsri_audio_tower_close(tsri_audio_tower *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->layers && i < t->n_layers; i++)
        tsri_conformer_deinit(&t->layers[i]);
    tsr_free(t->layers);
    tsri_subsample_deinit(&t->subsample);
    tsr_free(t->output_bias);
    tsri_enc_scratch_deinit(&t->scratch);
    tsr_free(t);
}

typedef struct bias_job {
    float *x;
    const float *bias;
    size_t width;
} bias_job;

static void add_bias(void *ctx, size_t first, size_t n)
{
    const bias_job *j = ctx;
    for (size_t t = first; t < first + n; t++)
        for (size_t i = 0; i < j->width; i++)
            j->x[t * j->width + i] += j->bias[i];
}

static tsr_status plan_run(tsri_audio_tower *t, size_t n_frames, size_t n, tsr_error *err)
{
    size_t total = 0, widths[] = {t->shape.hidden, t->shape.hidden, t->shape.hidden, 4 * t->shape.hidden, t->width};
    tsr_status st = tsri_subsample_plan(&t->subsample, n_frames, &total, err);
    for (size_t i = 0; i < sizeof widths / sizeof *widths && st == TSR_OK; i++)
        st = tsri_enc_scratch_plan(&total, n, widths[i], "hearing", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_reserve(&t->scratch, total, "hearing scratch", err);
    return st;
}

tsr_status tsri_audio_tower_encode(tsri_audio_tower *t, const float *mel, size_t n_frames, float *rows,
                                   const tsri_enc_tap *tap, tsr_error *err)
{
    size_t n = (n_frames + 3) / 4, h = t->shape.hidden;
    tsr_status st = plan_run(t, n_frames, n, err);
    if (st != TSR_OK)
        return st;
    tsri_conformer_run r = {.pool = t->pool, .n = n};
    r.h = tsri_enc_scratch_take(&t->scratch, n, h);
    r.x = tsri_enc_scratch_take(&t->scratch, n, h);
    r.clamped = tsri_enc_scratch_take(&t->scratch, n, h);
    r.work = tsri_enc_scratch_take(&t->scratch, n, 4 * h);
    float *out = tsri_enc_scratch_take(&t->scratch, n, t->width);
    tsri_subsample_run(&t->subsample, t->pool, &t->scratch, mel, n_frames, r.h, tap);
    tsri_enc_tap_show(tap, "subsampled", 0, r.h, n, h);
    for (size_t i = 0; i < t->n_layers; i++) {
        tsri_conformer_apply(&t->layers[i], &t->shape, &r);
        tsri_enc_tap_show(tap, "layer", i, r.h, n, h);
    }
    tsr_matmul(t->pool, &t->output, r.h, h, n, out, t->width);
    bias_job bias = {out, t->output_bias, t->width};
    tsri_enc_rows(t->pool, n, add_bias, &bias);
    tsri_enc_tap_show(tap, "output", 0, out, n, t->width);
    tsri_enc_norm plain = {NULL, t->width, t->shape.eps, tsri_enc_open_range(), tsri_enc_open_range()};
    tsri_enc_rms(t->pool, &plain, out, n, out);
    tsr_matmul(t->pool, &t->projector, out, t->width, n, rows, t->text_hidden);
    tsri_enc_tap_show(tap, "rows", 0, rows, n, t->text_hidden);
    return TSR_OK;
}
