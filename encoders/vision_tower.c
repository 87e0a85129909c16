/* vision_tower.c: the vision transformer of E2B, E4B, 26B and 31B (MODEL.md, "Vision tower"): patch
 * projection plus learned x and y positions, sandwich-norm layers with full attention and 2-D RoPE, 3 x 3
 * mean pool, optional standardisation, projector.
 *
 * Pictures of one size run together: their rows share the products, each attends to itself alone. Activations are f32. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "config_internal.h"
#include "tsr_alloc.h"
#include "tsr_attention.h"
#include "tsr_matmul.h"
#include "tsr_patches.h"
#include "vision_internal.h"

enum {
    MAX_HEADS = 1024,
    PREFIX_BYTES = 96
};

static const char PART[] = "vision_config";
static const char ROOT[] = "model.vision_tower.";

typedef struct layer {
    tsri_enc_linear q, k, v, o, gate, up, down;
    float *input_norm, *post_attention_norm, *pre_ffn_norm, *post_ffn_norm; /* [hidden] */
    float *q_norm, *k_norm;                                                 /* [head_dim] */
} layer;

struct tsri_vision_tower {
    tsr_pool *workers;
    size_t hidden, ffn, n_heads, n_kv, head_dim;
    size_t patch, pool, text_hidden;
    float eps;
    double rope_theta;
    tsr_view input_proj;      /* [hidden, patch * patch * 3] */
    tsr_view position_table;  /* [2, positions, hidden] */
    tsr_view projector;       /* [text_hidden, hidden] */
    float *std_bias, *std_scale; /* [hidden], or both NULL */
    layer *layers;
    size_t n_layers;
    tsr_pixel_values pixel_values;
    tsri_enc_scratch scratch;
};

/* ---- opening ---- */

static tsr_status read_rope(tsri_vision_tower *t, const tsr_json *cfg, tsr_error *err)
{
    const tsr_json *rope = tsr_json_get_set(cfg, "rope_parameters");
    if (rope && !tsr_json_is_object(rope))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: rope_parameters is not an object", PART);
    tsr_status st = tsri_enc_config_require(rope, PART, "rope_type", "axial", "default", err);
    double flat = 100.0;
    if (st == TSR_OK)
        st = tsri_enc_config_double(cfg, PART, "rope_theta", 100.0, &flat, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(rope, PART, "rope_theta", flat, &t->rope_theta, err);
    if (st == TSR_OK && !(t->rope_theta > 0.0))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: rope_theta is %g", PART, t->rope_theta);
    return st;
}

static tsr_status read_heads(tsri_vision_tower *t, const tsr_json *cfg, tsr_error *err)
{
    tsr_status st = tsri_enc_config_size(cfg, PART, "num_attention_heads", 12, 1, MAX_HEADS, &t->n_heads, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "num_key_value_heads", 12, 1, MAX_HEADS, &t->n_kv, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "head_dim", 64, 1, TSR_ATTENTION_MAX_DIM, &t->head_dim, err);
    if (st == TSR_OK && t->n_heads % t->n_kv != 0)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: %zu heads over %zu key heads", PART, t->n_heads, t->n_kv);
    if (st == TSR_OK && t->head_dim % 4 != 0)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: head_dim is %zu, two axes need a multiple of 4", PART, t->head_dim);
    return st;
}

static tsr_status read_config(tsri_vision_tower *t, const tsr_json *cfg, tsr_error *err)
{
    tsr_status st = tsri_enc_config_size(cfg, PART, "hidden_size", 768, 4, TSRI_ENC_MAX_WIDTH, &t->hidden, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "intermediate_size", 3072, 1, TSRI_ENC_MAX_WIDTH, &t->ffn, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "num_hidden_layers", 16, 1, TSRI_ENC_MAX_LAYERS, &t->n_layers, err);
    if (st == TSR_OK)
        st = read_heads(t, cfg, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "patch_size", 16, 1, 256, &t->patch, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(cfg, PART, "pooling_kernel_size", 3, 1, TSRI_ENC_MAX_POOL, &t->pool, err);
    if (st == TSR_OK)
        st = tsri_enc_config_eps(cfg, PART, &t->eps, err);
    if (st == TSR_OK)
        st = tsri_enc_config_require(cfg, PART, "hidden_activation", "gelu_pytorch_tanh", NULL, err);
    if (st == TSR_OK)
        st = read_rope(t, cfg, err);
    return st;
}

static tsr_status take_outer(tsri_vision_tower *t, const tsri_vision_open_args *a, tsr_vision_info *info, tsr_error *err)
{
    size_t h = t->hidden;
    bool standardize; /* std_scale is then required by the table below */
    tsr_status st = tsri_enc_config_agree(a->config, PART, "standardize", a->w, "model.vision_tower.std_bias",
                                          &standardize, err);
    if (st != TSR_OK)
        return st;
    const tsr_weight_spec specs[] = {
        TSRI_ENC_MATRIX("vision_tower.patch_embedder.input_proj.weight", t->input_proj, h, t->patch * t->patch * 3),
        {"vision_tower.patch_embedder.position_embedding_table", &t->position_table, NULL, 3, {2, 0, h}, false},
        TSRI_ENC_MATRIX("embed_vision.embedding_projection.weight", t->projector, t->text_hidden, h),
        TSRI_ENC_VECTOR("vision_tower.std_bias", t->std_bias, h),
        TSRI_ENC_VECTOR("vision_tower.std_scale", t->std_scale, h),
    };
    size_t n = sizeof specs / sizeof *specs;
    st = tsr_weights_take(a->w, "model.", specs, standardize ? n : n - 2, err);
    if (st != TSR_OK)
        return st;
    info->max_positions = t->position_table.shape[1];
    size_t stated = info->max_positions;
    st = tsri_enc_config_size(a->config, PART, "position_embedding_size", stated, 1, SIZE_MAX, &stated, err);
    if (st == TSR_OK && stated != info->max_positions)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: position_embedding_size is %zu, the table has %zu", PART, stated,
                      info->max_positions);
    return st;
}

static tsr_status take_limits(layer *l, tsr_weights *w, const char *prefix, tsr_error *err)
{
    const tsr_weight_spec specs[] = {
        TSRI_ENC_LIMITS("self_attn.q_proj", l->q), TSRI_ENC_LIMITS("self_attn.k_proj", l->k),
        TSRI_ENC_LIMITS("self_attn.v_proj", l->v), TSRI_ENC_LIMITS("self_attn.o_proj", l->o),
        TSRI_ENC_LIMITS("mlp.gate_proj", l->gate), TSRI_ENC_LIMITS("mlp.up_proj", l->up),
        TSRI_ENC_LIMITS("mlp.down_proj", l->down),
    };
    struct {
        tsri_enc_linear *lin;
        const char *name;
    } all[] = {{&l->q, "self_attn.q_proj"},  {&l->k, "self_attn.k_proj"}, {&l->v, "self_attn.v_proj"},
               {&l->o, "self_attn.o_proj"},  {&l->gate, "mlp.gate_proj"}, {&l->up, "mlp.up_proj"},
               {&l->down, "mlp.down_proj"}};
    tsr_status st = tsr_weights_take(w, prefix, specs, sizeof specs / sizeof *specs, err);
    for (size_t i = 0; i < sizeof all / sizeof *all && st == TSR_OK; i++)
        st = tsri_enc_linear_set_limits(all[i].lin, prefix, all[i].name, err);
    return st;
}

static tsr_status take_layer(tsri_vision_tower *t, tsr_weights *w, size_t index, bool clipped, tsr_error *err)
{
    layer *l = &t->layers[index];
    size_t h = t->hidden, dq = t->n_heads * t->head_dim, dk = t->n_kv * t->head_dim;
    const tsr_weight_spec specs[] = {
        TSRI_ENC_LINEAR("self_attn.q_proj", l->q, dq, h),
        TSRI_ENC_LINEAR("self_attn.k_proj", l->k, dk, h),
        TSRI_ENC_LINEAR("self_attn.v_proj", l->v, dk, h),
        TSRI_ENC_LINEAR("self_attn.o_proj", l->o, h, dq),
        TSRI_ENC_LINEAR("mlp.gate_proj", l->gate, t->ffn, h),
        TSRI_ENC_LINEAR("mlp.up_proj", l->up, t->ffn, h),
        TSRI_ENC_LINEAR("mlp.down_proj", l->down, h, t->ffn),
        TSRI_ENC_VECTOR("self_attn.q_norm.weight", l->q_norm, t->head_dim),
        TSRI_ENC_VECTOR("self_attn.k_norm.weight", l->k_norm, t->head_dim),
        TSRI_ENC_VECTOR("input_layernorm.weight", l->input_norm, h),
        TSRI_ENC_VECTOR("post_attention_layernorm.weight", l->post_attention_norm, h),
        TSRI_ENC_VECTOR("pre_feedforward_layernorm.weight", l->pre_ffn_norm, h),
        TSRI_ENC_VECTOR("post_feedforward_layernorm.weight", l->post_ffn_norm, h),
    };
    char prefix[PREFIX_BYTES];
    snprintf(prefix, sizeof prefix, "%sencoder.layers.%zu.", ROOT, index);
    tsr_status st = tsr_weights_take(w, prefix, specs, sizeof specs / sizeof *specs, err);
    if (st == TSR_OK && clipped)
        st = take_limits(l, w, prefix, err);
    return st;
}

static tsr_status take_layers(tsri_vision_tower *t, const tsri_vision_open_args *a, tsr_error *err)
{
    bool clipped;
    tsr_status st = tsri_enc_config_agree(a->config, PART, "use_clipped_linears", a->w,
                                          "model.vision_tower.encoder.layers.0.self_attn.q_proj.input_min", &clipped, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&t->layers, t->n_layers, sizeof *t->layers, "vision layers", err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < t->n_layers; i++)
        t->layers[i] = (layer){0};
    for (size_t i = 0; i < t->n_layers && st == TSR_OK; i++)
        st = take_layer(t, a->w, i, clipped, err);
    return st;
}

tsr_status tsri_vision_tower_open(tsri_vision_tower **out, const tsri_vision_open_args *args, tsr_vision_info *info,
                                  tsr_error *err)
{
    *out = NULL;
    tsri_vision_tower *t = tsr_calloc(1, sizeof *t);
    if (!t)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: vision tower");
    t->workers = args->pool;
    t->text_hidden = args->text_hidden;
    t->pixel_values = tsr_pixel_values_signed();
    tsr_status st = read_config(t, args->config, err);
    if (st == TSR_OK)
        st = take_outer(t, args, info, err);
    if (st == TSR_OK)
        st = take_layers(t, args, err);
    if (st != TSR_OK) {
        tsri_vision_tower_close(t);
        return st;
    }
    /* Buffers that older files hold and nobody needs. */
    tsr_weights_ignore(args->w, "model.vision_tower.encoder.rotary_emb.inv_freq", "");
    tsr_weights_ignore(args->w, "model.vision_tower.encoder.rotary_emb.original_inv_freq", "");
    info->patch = t->patch;
    info->pool = t->pool;
    info->hidden = t->hidden;
    info->n_layers = t->n_layers;
    info->text_hidden = t->text_hidden;
    *out = t;
    return TSR_OK;
}

void tsri_vision_tower_close(tsri_vision_tower *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->layers && i < t->n_layers; i++) {
        layer *l = &t->layers[i];
        tsr_free(l->input_norm);
        tsr_free(l->post_attention_norm);
        tsr_free(l->pre_ffn_norm);
        tsr_free(l->post_ffn_norm);
        tsr_free(l->q_norm);
        tsr_free(l->k_norm);
    }
    tsr_free(t->layers);
    tsr_free(t->std_bias);
    tsr_free(t->std_scale);
    tsri_enc_scratch_deinit(&t->scratch);
    tsr_free(t);
}

/* ---- running ---- */

typedef struct run {
    tsri_vision_tower *t;
    const tsri_enc_tap *tap;
    size_t n_images, grid_w, grid_h; /* patches of each picture, and */
    size_t n;                        /* of all */
    float *h;                 /* [n, hidden]: the stream */
    float *x;                 /* [n, hidden]: what a block reads, then what it gives */
    float *clamped;           /* [n, hidden] */
    float *work;              /* patches; q, k and v; gate and up: never two of these at once */
    float *cos, *sin;         /* [longer side, head_dim / 4] */
} run;

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static tsr_status plan_run(run *r, tsr_error *err)
{
    tsri_vision_tower *t = r->t;
    size_t longer = most(r->grid_w, r->grid_h), dims = t->head_dim / 4, total = 0;
    size_t attention = r->n * (t->n_heads + 2 * t->n_kv) * t->head_dim; /* all factors are bounded above */
    size_t work = most(most(attention, r->n * t->patch * t->patch * 3), least(r->n, TSR_MLP_ROWS) * t->ffn * 2);
    const struct {
        float **at;
        size_t rows, cols;
    } parts[] = {{&r->h, r->n, t->hidden}, {&r->x, r->n, t->hidden}, {&r->clamped, r->n, t->hidden},
                 {&r->work, 1, work},      {&r->cos, longer, dims},  {&r->sin, longer, dims}};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == TSR_OK; i++)
        st = tsri_enc_scratch_plan(&total, parts[i].rows, parts[i].cols, "vision", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_reserve(&t->scratch, total, "vision scratch", err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == TSR_OK; i++)
        *parts[i].at = tsri_enc_scratch_take(&t->scratch, parts[i].rows, parts[i].cols);
    return st;
}

/* Rounded as the reference computes it in f32: the exponent, the power and its reciprocal. At position 3,000 the
 * last bit of a frequency is worth 2e-4 of an angle. */
static void fill_rope(run *r)
{
    size_t half = r->t->head_dim / 2, n_freq = half / 2, longer = most(r->grid_w, r->grid_h);
    for (size_t i = 0; i < n_freq; i++) {
        float exponent = (float)(2 * i) / (float)half;
        float freq = 1.0f / (float)pow(r->t->rope_theta, (double)exponent);
        for (size_t p = 0; p < longer; p++) {
            float angle = (float)p * freq;
            r->cos[p * n_freq + i] = cosf(angle);
            r->sin[p * n_freq + i] = sinf(angle);
        }
    }
}

/* `h` holds the projected patches; the two position rows are summed first, as in the reference. */
static void add_positions(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    size_t hidden = r->t->hidden, positions = r->t->position_table.shape[1];
    float ex[64], ey[64];
    for (size_t p = first; p < first + n; p++) {
        size_t x = p % r->grid_w, y = p / r->grid_w % r->grid_h;
        for (size_t at = 0; at < hidden; at += 64) {
            size_t m = least(64, hidden - at);
            float *h = r->h + p * hidden + at;
            tsr_view_decode(&r->t->position_table, x, at, m, ex);
            tsr_view_decode(&r->t->position_table, positions + y, at, m, ey);
            for (size_t i = 0; i < m; i++)
                h[i] += ex[i] + ey[i];
        }
    }
}

static tsr_status embed(run *r, const tsr_image *images, tsr_error *err)
{
    tsri_vision_tower *t = r->t;
    size_t width = t->patch * t->patch * 3, each = r->grid_w * r->grid_h * width;
    for (size_t i = 0; i < r->n_images; i++) {
        tsr_status st = tsr_patches_cut(r->work + i * each, each, &images[i], t->patch, &t->pixel_values, err);
        if (st != TSR_OK)
            return st;
    }
    tsri_enc_tap_show(r->tap, "patches", 0, r->work, r->n, width);
    tsr_matmul(t->workers, &t->input_proj, r->work, width, r->n, r->h, t->hidden);
    tsri_enc_rows(t->workers, r->n, add_positions, r);
    tsri_enc_tap_show(r->tap, "embed", 0, r->h, r->n, t->hidden);
    return TSR_OK;
}

/* Rotates the pairs (i, i + n) of one half of a head by its axis's angles. */
static void rotate(float *x, const float *cos, const float *sin, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float a = x[i], b = x[i + n];
        x[i] = a * cos[i] - b * sin[i];
        x[i + n] = b * cos[i] + a * sin[i];
    }
}

typedef struct heads_job {
    const run *r;
    const layer *l;
    float *q, *k, *v;
} heads_job;

static void norm_and_rotate(const run *r, size_t p, float *row, size_t n_heads, const float *w)
{
    size_t d = r->t->head_dim, n_freq = d / 4;
    size_t x = p % r->grid_w * n_freq, y = p / r->grid_w % r->grid_h * n_freq;
    for (size_t head = 0; head < n_heads; head++, row += d) {
        tsr_rms_norm(row, row, w, d, r->t->eps);
        rotate(row, r->cos + x, r->sin + x, n_freq);
        rotate(row + d / 2, r->cos + y, r->sin + y, n_freq);
    }
}

/* Outputs of the products become queries, keys and values. */
static void prepare_heads(void *ctx, size_t first, size_t n)
{
    const heads_job *j = ctx;
    const tsri_vision_tower *t = j->r->t;
    size_t d = t->head_dim, dq = t->n_heads * d, dk = t->n_kv * d;
    for (size_t p = first; p < first + n; p++) {
        float *q = j->q + p * dq, *k = j->k + p * dk, *v = j->v + p * dk;
        tsri_enc_clamp_row(q, q, dq, tsri_enc_out(&j->l->q));
        tsri_enc_clamp_row(k, k, dk, tsri_enc_out(&j->l->k));
        tsri_enc_clamp_row(v, v, dk, tsri_enc_out(&j->l->v));
        norm_and_rotate(j->r, p, q, t->n_heads, j->l->q_norm);
        norm_and_rotate(j->r, p, k, t->n_kv, j->l->k_norm);
        for (size_t at = 0; at < dk; at += d)
            tsr_rms_norm(v + at, v + at, NULL, d, t->eps);
    }
}

static tsri_enc_norm norm_of(const tsri_vision_tower *t, const float *weight)
{
    return (tsri_enc_norm){weight, t->hidden, t->eps, tsri_enc_open_range(), tsri_enc_open_range()};
}

/* r->h in; r->x: the output projection's result, not clamped. */
static void attention(run *r, const layer *l)
{
    const tsri_vision_tower *t = r->t;
    const tsri_enc_linear *const qkv[] = {&l->q, &l->k, &l->v};
    size_t dq = t->n_heads * t->head_dim, dk = t->n_kv * t->head_dim;
    float *q = r->work, *k = q + r->n * dq, *v = k + r->n * dk;
    tsri_enc_norm in = norm_of(t, l->input_norm);
    in.out = tsri_enc_common_in(qkv, 3);
    tsri_enc_rms(t->workers, &in, r->h, r->n, r->x);
    tsri_enc_linears_run(t->workers, qkv, 3, r->x, t->hidden, in.out, r->n, (float *const[]){q, k, v}, (const size_t[]){dq, dk, dk},
                         r->clamped);
    heads_job heads = {r, l, q, k, v};
    tsri_enc_rows(t->workers, r->n, prepare_heads, &heads);
    tsri_enc_range to = tsri_enc_in(&l->o);
    tsr_attention a = {.n_sets = r->n_images, .n = r->grid_w * r->grid_h, .n_heads = t->n_heads, .n_kv = t->n_kv,
                       .head_dim = t->head_dim, .q = q, .k = k, .v = v, .out = q,
                       .ldq = dq, .ldk = dk, .ldv = dk, .ldout = dq, .min = to.min, .max = to.max,
                       .rounded = tsr_type_may_round(l->q.w.type)};
    tsr_attend_all(t->workers, &a);
    tsri_enc_linear_run(t->workers, &l->o, q, dq, to, r->n, r->x, t->hidden, NULL);
}

/* r->h in; r->x: the result, not clamped. */
static void feed_forward(run *r, const layer *l)
{
    const tsri_vision_tower *t = r->t;
    const tsri_enc_linear *const both[] = {&l->gate, &l->up};
    const tsri_enc_mlp mlp = {&l->gate, &l->up, &l->down, TSR_GELU_TANH};
    tsri_enc_norm pre = norm_of(t, l->pre_ffn_norm);
    pre.out = tsri_enc_common_in(both, 2);
    tsri_enc_rms(t->workers, &pre, r->h, r->n, r->x);
    tsri_enc_mlp_run(t->workers, &mlp, r->x, pre.out, r->n, r->x, r->work, r->clamped);
}

static void run_layer(run *r, const layer *l)
{
    const tsri_vision_tower *t = r->t;
    tsri_enc_norm post = norm_of(t, l->post_attention_norm), post_ffn = norm_of(t, l->post_ffn_norm);
    post.in = tsri_enc_out(&l->o);
    post_ffn.in = tsri_enc_out(&l->down);
    attention(r, l);
    tsri_enc_rms_add(t->workers, &post, r->x, r->n, 1.0f, r->h);
    feed_forward(r, l);
    tsri_enc_rms_add(t->workers, &post_ffn, r->x, r->n, 1.0f, r->h);
}

/* Soft tokens [first, first + n): mean of pool x pool patches, times sqrt(hidden), standardised, normed, into x. */
static void pool_rows(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    const tsri_vision_tower *t = r->t;
    size_t hidden = t->hidden, cells = r->grid_w / t->pool; /* a picture's height is whole cells too */
    float weight = 1.0f / (float)(t->pool * t->pool), root = (float)sqrt((double)hidden);
    for (size_t c = first; c < first + n; c++) {
        float *x = r->x + c * hidden;
        size_t corner = c / cells * t->pool * r->grid_w + c % cells * t->pool;
        for (size_t i = 0; i < hidden; i++) {
            float sum = 0.0f;
            for (size_t p = 0; p < t->pool * t->pool; p++)
                sum += weight * r->h[(corner + p / t->pool * r->grid_w + p % t->pool) * hidden + i];
            x[i] = sum * root;
            if (t->std_bias)
                x[i] = (x[i] - t->std_bias[i]) * t->std_scale[i];
        }
    }
}

tsr_status tsri_vision_tower_encode(tsri_vision_tower *t, const tsr_image *images, size_t n_images, float *rows,
                                    const tsri_enc_tap *tap, tsr_error *err)
{
    run r = {.t = t, .tap = tap, .n_images = n_images};
    r.grid_w = images->width / t->patch;
    r.grid_h = images->height / t->patch;
    r.n = n_images * r.grid_w * r.grid_h;
    tsr_status st = plan_run(&r, err);
    if (st == TSR_OK)
        st = embed(&r, images, err);
    if (st != TSR_OK)
        return st;
    fill_rope(&r);
    for (size_t i = 0; i < t->n_layers; i++) {
        run_layer(&r, &t->layers[i]);
        tsri_enc_tap_show(tap, "layer", i, r.h, r.n, t->hidden);
    }
    size_t n_tokens = r.n / (t->pool * t->pool);
    tsri_enc_rows(t->workers, n_tokens, pool_rows, &r);
    tsri_enc_tap_show(tap, "pooled", 0, r.x, n_tokens, t->hidden);
    tsri_enc_norm plain = norm_of(t, NULL);
    tsri_enc_rms(t->workers, &plain, r.x, n_tokens, r.x);
    tsr_matmul(t->workers, &t->projector, r.x, t->hidden, n_tokens, rows, t->text_hidden);
    tsri_enc_tap_show(tap, "rows", 0, rows, n_tokens, t->text_hidden);
    return TSR_OK;
}
