/* tiny_model.c: configurations, tensors and their values. A value is an integer hash of the tensor's
 * name and the element's index, so that file and reference never disagree. */
#include "tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "st_writer.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_rows.h"

#define ROPE                                                                                                 \
    "\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000.0},"         \
    "\"full_attention\":{\"rope_type\":\"proportional\",\"partial_rotary_factor\":0.25,\"rope_theta\":1000000.0}}"

const char *const tiny_config[TINY_N] = {
    [TINY_E] = "{\"model_type\":\"gemma4\",\"tie_word_embeddings\":true,\"text_config\":{\"model_type\":\"gemma4_text\","
               "\"num_hidden_layers\":7,\"hidden_size\":40,\"num_attention_heads\":4,\"num_key_value_heads\":1,"
               "\"head_dim\":16,\"global_head_dim\":32,\"num_global_key_value_heads\":null,\"intermediate_size\":52,"
               "\"use_double_wide_mlp\":true,\"num_kv_shared_layers\":3,\"vocab_size\":91,"
               "\"vocab_size_per_layer_input\":91,\"hidden_size_per_layer_input\":12,\"sliding_window\":7,"
               "\"layer_types\":[\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\","
               "\"full_attention\",\"sliding_attention\",\"full_attention\"],"
               "\"final_logit_softcapping\":30.0,\"attention_k_eq_v\":false,\"enable_moe_block\":false," ROPE "}}",
    [TINY_DENSE] = "{\"model_type\":\"gemma4\",\"text_config\":{\"model_type\":\"gemma4_text\",\"num_hidden_layers\":5,"
                   "\"hidden_size\":44,\"num_attention_heads\":4,\"num_key_value_heads\":4,\"head_dim\":12,"
                   "\"intermediate_size\":60,\"vocab_size\":83,\"hidden_size_per_layer_input\":0,\"sliding_window\":9,"
                   "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\","
                   "\"sliding_attention\",\"full_attention\"],\"attention_k_eq_v\":true,"
                   "\"per_layer_config\":{\"1\":{\"head_dim\":40,\"num_key_value_heads\":2},"
                   "\"04\":{\"head_dim\":40,\"num_key_value_heads\":2}},"
                   "\"final_logit_softcapping\":30.0,\"use_bidirectional_attention\":\"vision\"}}",
    [TINY_EXPERTS] = "{\"model_type\":\"gemma4\",\"text_config\":{\"num_hidden_layers\":7,\"hidden_size\":36,"
                     "\"num_attention_heads\":6,\"num_key_value_heads\":3,\"num_global_key_value_heads\":2,"
                     "\"head_dim\":14,\"global_head_dim\":24,\"intermediate_size\":28,\"vocab_size\":77,"
                     "\"hidden_size_per_layer_input\":0,\"sliding_window\":6,\"attention_k_eq_v\":true,"
                     "\"enable_moe_block\":true,\"num_experts\":7,\"top_k_experts\":3,\"moe_intermediate_size\":20,"
                     "\"final_logit_softcapping\":30.0,\"use_bidirectional_attention\":\"vision\"}}",
    [TINY_UNIFIED] = "{\"model_type\":\"gemma4_unified\",\"text_config\":{\"model_type\":\"gemma4_unified_text\","
                     "\"num_hidden_layers\":3,\"hidden_size\":48,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
                     "\"num_global_key_value_heads\":1,\"head_dim\":12,\"global_head_dim\":24,"
                     "\"intermediate_size\":64,\"vocab_size\":95,\"sliding_window\":8,\"attention_k_eq_v\":true,"
                     "\"layer_types\":[\"sliding_attention\",\"sliding_attention\",\"full_attention\"]}}",
    [TINY_TEXT] = "{\"model_type\":\"gemma4_text\",\"tie_word_embeddings\":false,\"num_hidden_layers\":4,"
                  "\"hidden_size\":32,\"num_attention_heads\":2,\"num_key_value_heads\":2,\"head_dim\":16,"
                  "\"global_head_dim\":16,\"intermediate_size\":40,\"vocab_size\":70,\"vocab_size_per_layer_input\":80,"
                  "\"hidden_size_per_layer_input\":8,\"num_kv_shared_layers\":1,\"sliding_window\":5,"
                  "\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\",\"full_attention\"]," ROPE "}",
};

/* ---- values ---- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* In [-1, 1). */
static double unit(uint64_t seed, size_t i)
{
    return (double)(mix(seed ^ mix(i)) >> 11) * 0x1p-52 - 1.0;
}

static uint64_t name_seed(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* The embedding is small beside the layers and the final norm large: otherwise the tied output only
 * echoes the last token. */
static double value_at(const tiny_tensor *t, size_t i)
{
    double u = unit(name_seed(t->name), i);
    if (ends_with(t->name, "embed_tokens.weight"))
        return 0.1 * u;
    if (ends_with(t->name, "embed_tokens_per_layer.weight"))
        return 0.3 * u;
    if (ends_with(t->name, "model.norm.weight"))
        return 6.0 + 2.0 * u;
    if (ends_with(t->name, "q_norm.weight") || ends_with(t->name, "k_norm.weight"))
        return 0.5 + 0.2 * u; /* keeps the softmax from being a maximum */
    if (t->n_dims == 1)
        return 0.9 + 0.4 * u; /* norms, scales, layer scalars */
    return 1.7 * u / sqrt((double)t->shape[t->n_dims - 1]);
}

/* As the file holds it. */
static float stored(const tiny_tensor *t, tsr_type type, size_t i)
{
    float v = (float)value_at(t, i);
    if (type == TSR_BF16)
        return tsr_bf16_to_f32(tsr_f32_to_bf16(v));
    return type == TSR_F16 ? tsr_f16_to_f32(tsr_f32_to_f16(v)) : v;
}

/* ---- tensors ---- */

typedef struct list {
    tiny_tensor *t;
    size_t n;
    const char *prefix;
} list;

static void put(list *l, const char *name, size_t a, size_t b, size_t c)
{
    l->t = must_realloc(l->t, (l->n + 1) * sizeof *l->t);
    tiny_tensor *t = &l->t[l->n++];
    if ((size_t)snprintf(t->name, sizeof t->name, "%s%s", l->prefix, name) >= sizeof t->name)
        abort();
    t->n_dims = c ? 3 : b ? 2 : 1;
    t->shape[0] = a;
    t->shape[1] = b;
    t->shape[2] = c;
    t->n_elems = a * (b ? b : 1) * (c ? c : 1);
}

static void put_layer(list *l, const tsr_text_config *c, size_t i)
{
    const tsr_layer_config *lc = &c->layers[i];
    size_t h = c->hidden, q = c->n_heads * lc->head_dim, kv = lc->n_kv_heads * lc->head_dim, e = c->n_experts;
    char prefix[64];
    const char *outer = l->prefix;
    snprintf(prefix, sizeof prefix, "%slayers.%zu.", outer, i);
    l->prefix = prefix;
    put(l, "input_layernorm.weight", h, 0, 0);
    put(l, "post_attention_layernorm.weight", h, 0, 0);
    put(l, "pre_feedforward_layernorm.weight", h, 0, 0);
    put(l, "post_feedforward_layernorm.weight", h, 0, 0);
    put(l, "layer_scalar", 1, 0, 0);
    put(l, "self_attn.q_proj.weight", q, h, 0);
    put(l, "self_attn.q_norm.weight", lc->head_dim, 0, 0);
    put(l, "self_attn.o_proj.weight", h, q, 0);
    put(l, "self_attn.k_proj.weight", kv, h, 0); /* present but unused in shared layers */
    put(l, "self_attn.k_norm.weight", lc->head_dim, 0, 0);
    if (!lc->k_eq_v)
        put(l, "self_attn.v_proj.weight", kv, h, 0);
    put(l, "mlp.gate_proj.weight", lc->ffn_width, h, 0);
    put(l, "mlp.up_proj.weight", lc->ffn_width, h, 0);
    put(l, "mlp.down_proj.weight", h, lc->ffn_width, 0);
    if (c->ple_dim) {
        put(l, "per_layer_input_gate.weight", c->ple_dim, h, 0);
        put(l, "per_layer_projection.weight", h, c->ple_dim, 0);
        put(l, "post_per_layer_input_norm.weight", h, 0, 0);
    }
    if (e) {
        put(l, "router.proj.weight", e, h, 0);
        put(l, "router.scale", h, 0, 0);
        put(l, "router.per_expert_scale", e, 0, 0);
        put(l, "experts.gate_up_proj", e, 2 * c->expert_width, h);
        put(l, "experts.down_proj", e, h, c->expert_width);
        put(l, "post_feedforward_layernorm_1.weight", h, 0, 0);
        put(l, "post_feedforward_layernorm_2.weight", h, 0, 0);
        put(l, "pre_feedforward_layernorm_2.weight", h, 0, 0);
    }
    l->prefix = outer;
}

tiny_tensor *tiny_tensors(tiny_kind kind, const tsr_text_config *c, size_t *n)
{
    list l = {.prefix = kind == TINY_TEXT ? "model." : "model.language_model."};
    put(&l, "embed_tokens.weight", c->vocab, c->hidden, 0);
    put(&l, "norm.weight", c->hidden, 0, 0);
    if (c->ple_dim) {
        put(&l, "embed_tokens_per_layer.weight", c->ple_vocab, c->n_layers * c->ple_dim, 0);
        put(&l, "per_layer_model_projection.weight", c->n_layers * c->ple_dim, c->hidden, 0);
        put(&l, "per_layer_projection_norm.weight", c->ple_dim, 0, 0);
    }
    for (size_t i = 0; i < c->n_layers; i++)
        put_layer(&l, c, i);
    l.prefix = "";
    if (!c->tied)
        put(&l, "lm_head.weight", c->vocab, c->hidden, 0);
    *n = l.n;
    return l.t;
}

static void write_tensor(st_writer *w, const tiny_tensor *t, const float *values, tsr_type type, tiny_fault fault)
{
    size_t shape[3] = {t->shape[0], t->shape[1], t->shape[2]}, n = t->n_elems;
    if (fault == TINY_MISSING)
        return;
    if (fault == TINY_WRONG_SHAPE) {
        n = n / shape[0] * (shape[0] + 1);
        shape[0]++;
    }
    float *v = must_realloc(NULL, n * sizeof *v);
    memset(v, 0, n * sizeof *v);
    memcpy(v, values, t->n_elems * sizeof *v);
    if (fault == TINY_NAN)
        v[n / 2] = NAN;
    if (fault == TINY_INF)
        v[n / 2] = -INFINITY;
    if (fault == TINY_WRONG_TYPE)
        st_add(w, t->name, TSR_I32, t->n_dims, shape, v);
    else
        st_add_f32(w, t->name, type, t->n_dims, shape, v);
    free(v);
}

void tiny_parse(tiny_kind kind, tsr_text_config *out)
{
    tsr_json *j;
    assert_int_equal(tsr_json_parse(&j, tiny_config[kind], strlen(tiny_config[kind]), "config.json", NULL), TSR_OK);
    tsr_error err = {0};
    if (tsr_text_config_parse(out, j, "config.json", &err) != TSR_OK)
        fail_msg("%s", err.text);
    tsr_json_free(j);
}

/* All values, one tensor after the other; the caller's. */
static float *all_values(const tiny_tensor *t, size_t n, tsr_type type)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += t[i].n_elems;
    float *v = must_realloc(NULL, total * sizeof *v);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n_elems; k++)
            v[at++] = stored(&t[i], type, k);
    return v;
}

void tiny_write(const char *dir, tiny_kind kind, tsr_type type, const char *name, tiny_fault fault)
{
    /* The last model's values are kept: tests write the same one with a hundred faults. */
    static float *kept;
    static tiny_kind kept_kind = TINY_N;
    static tsr_type kept_type;
    tsr_text_config c;
    size_t n, at = 0;
    tiny_parse(kind, &c);
    tiny_tensor *t = tiny_tensors(kind, &c, &n);
    if (kept_kind != kind || kept_type != type) {
        free(kept);
        kept = all_values(t, n, type);
        kept_kind = kind;
        kept_type = type;
    }
    st_writer *w = st_new();
    for (size_t i = 0; i < n; i++) {
        write_tensor(w, &t[i], kept + at, type, name && strcmp(name, t[i].name) == 0 ? fault : TINY_GOOD);
        at += t[i].n_elems;
    }
    st_write(w, test_path(dir, "model.safetensors"));
    st_free(w);
    free(t);
    tsr_text_config_deinit(&c);
}

/* ---- an opened model ---- */

void tiny_open(tiny_model *m, tiny_kind kind, tsr_type type, unsigned n_threads)
{
    tsr_error err = {0};
    memset(m, 0, sizeof *m);
    m->n_live = tsr_alloc_live();
    m->kind = kind;
    m->type = type;
    m->kv_type = TSR_F32;
    m->dir = test_tmp_make();
    tiny_write(m->dir, kind, type, NULL, TINY_GOOD);
    tiny_parse(kind, &m->config);
    if (tsr_weights_open(&m->weights, m->dir, &err) != TSR_OK || tsr_pool_open(&m->pool, n_threads, &err) != TSR_OK ||
        tsr_decoder_open(&m->decoder, m->weights, &m->config, &err) != TSR_OK ||
        tsr_weights_check_unclaimed(m->weights, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

void tiny_close(tiny_model *m)
{
    tsr_decoder_close(m->decoder);
    tsr_pool_close(m->pool);
    tsr_weights_close(m->weights);
    tsr_text_config_deinit(&m->config);
    test_tmp_remove(m->dir);
    assert_int_equal(tsr_alloc_live(), m->n_live);
}

tsr_context *tiny_context(const tiny_model *m, size_t ctx_tokens, size_t max_chunk, bool keep_all)
{
    tsr_error err = {0};
    tsr_context *c;
    tsr_context_opts o = tsr_context_opts_default();
    o.ctx_tokens = ctx_tokens;
    o.max_chunk = max_chunk;
    o.max_block = 32;
    o.keep_all = keep_all;
    o.kv_type = m->kv_type;
    if (tsr_context_open(&c, m->decoder, m->pool, &o, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return c;
}

/* ---- prompts ---- */

/* Runs of soft tokens: pictures shorter and longer than the windows, two with one token between
 * them, a sound, and a sound that touches a picture. */
static const struct run {
    size_t at, n;
    tsr_token_kind kind;
} runs[] = {{2, 4, TSR_TOKEN_VISION},  {8, 17, TSR_TOKEN_VISION}, {26, 6, TSR_TOKEN_VISION},
            {34, 9, TSR_TOKEN_AUDIO},  {43, 5, TSR_TOKEN_VISION}, {60, 12, TSR_TOKEN_VISION}};

void tiny_prompt_make(tiny_prompt *p, const tsr_text_config *c, size_t n, bool soft, uint64_t seed)
{
    size_t n_runs = soft ? sizeof runs / sizeof *runs : 0, n_rows = 0;
    memset(p, 0, sizeof *p);
    p->ids = must_realloc(NULL, n * sizeof *p->ids);
    p->kinds = must_realloc(NULL, n);
    p->wanted = must_realloc(NULL, n);
    p->rows = must_realloc(NULL, n * c->hidden * sizeof *p->rows);
    p->spans = must_realloc(NULL, sizeof runs / sizeof *runs * sizeof *p->spans);
    memset(p->kinds, TSR_TOKEN_TEXT, n);
    memset(p->wanted, 1, n);
    for (size_t i = 0; i < n; i++)
        p->ids[i] = (int32_t)(mix(seed + i) % c->vocab);
    for (size_t i = 0; i < n * c->hidden; i++)
        p->rows[i] = (float)(2.0 * unit(seed ^ 0x55u, i));
    for (size_t i = 0; i < n_runs && runs[i].at + runs[i].n <= n; i++) {
        memset(p->kinds + runs[i].at, (int)runs[i].kind, runs[i].n);
        for (size_t k = 0; k < runs[i].n; k++)
            p->ids[runs[i].at + k] = -1; /* nobody may look at it */
        p->spans[p->in.n_soft++] =
            (tsr_soft_span){.at = runs[i].at, .n = runs[i].n, .rows = p->rows + n_rows * c->hidden};
        n_rows += runs[i].n;
    }
    p->in.n = n;
    p->in.ids = p->ids;
    p->in.kinds = p->kinds;
    p->in.wanted = p->wanted;
    p->in.soft = p->spans;
}

void tiny_prompt_free(tiny_prompt *p)
{
    free(p->ids);
    free(p->kinds);
    free(p->wanted);
    free(p->rows);
    free(p->spans);
}

/* ---- the reference in f64 ---- */

typedef struct ref {
    tiny_kind kind;
    tsr_type type, kv_type;
    tsr_text_config c;
    tiny_tensor *t;
    size_t n_t, layer;
    const tsr_input *in;
    size_t n;
    double *k[16], *v[16]; /* per layer [n, n_kv, d] */
} ref;

static double *doubles(size_t n)
{
    double *p = must_realloc(NULL, n * sizeof *p);
    memset(p, 0, n * sizeof *p);
    return p;
}

/* The values of a tensor named without prefix; the caller's. */
static double *tensor(const ref *r, const char *name)
{
    char full[96];
    const char *prefix = r->kind == TINY_TEXT ? "model." : "model.language_model.";
    if (strcmp(name, "lm_head.weight") == 0)
        prefix = "";
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (size_t i = 0; i < r->n_t; i++) {
        if (strcmp(r->t[i].name, full) != 0)
            continue;
        double *v = doubles(r->t[i].n_elems);
        for (size_t k = 0; k < r->t[i].n_elems; k++)
            v[k] = (double)stored(&r->t[i], r->type, k);
        return v;
    }
    fail_msg("the reference wants %s", full);
    return NULL;
}

static double *of_layer(const ref *r, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "layers.%zu.%s", r->layer, name);
    return tensor(r, full);
}

static void norm(double *y, const double *x, const double *w, size_t n)
{
    double s = 0.0;
    for (size_t i = 0; i < n; i++)
        s += x[i] * x[i];
    s = pow(s / (double)n + 1e-6, -0.5);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * (w ? w[i] : 1.0);
}

static void linear(double *y, const double *w, const double *x, size_t rows, size_t cols)
{
    for (size_t o = 0; o < rows; o++) {
        y[o] = 0.0;
        for (size_t i = 0; i < cols; i++)
            y[o] += w[o * cols + i] * x[i];
    }
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

/* Angles are made in f32, as the reference's; all else in f64. */
static void rotate(const ref *r, double *x, size_t pos, tsr_layer_type type, size_t d)
{
    double theta = type == TSR_LAYER_FULL ? 1e6 : 1e4;
    size_t turning = type == TSR_LAYER_FULL ? d / 8 : d / 2;
    (void)r;
    for (size_t i = 0; i < turning; i++) {
        float f = 1.0f / (float)pow(theta, (double)((float)(2 * i) / (float)d));
        double angle = (double)((float)pos * f), a = x[i], b = x[i + d / 2];
        x[i] = a * cos(angle) - b * sin(angle);
        x[i + d / 2] = b * cos(angle) + a * sin(angle);
    }
}

static bool same_block(const ref *r, size_t a, size_t b)
{
    size_t lo = a < b ? a : b, hi = a < b ? b : a;
    for (size_t i = lo; i <= hi; i++)
        if (r->in->kinds[i] != TSR_TOKEN_VISION)
            return false;
    return true;
}

static bool sees(const ref *r, tsr_layer_type type, size_t q, size_t k)
{
    if (type == TSR_LAYER_FULL)
        return k <= q;
    bool both = r->c.bidirectional_vision && same_block(r, q, k);
    return (k <= q || both) && (long)k > (long)q - (long)r->c.window;
}

/* As a cache holds it. */
static void round_row(const ref *r, double *x, size_t d)
{
    _Alignas(16) unsigned char row[2048];
    float f[256];
    assert_true(d <= 256);
    if (r->kv_type == TSR_F32)
        return;
    for (size_t i = 0; i < d; i++)
        f[i] = (float)x[i];
    tsr_row_write(r->kv_type, row, f, d);
    tsr_rows_read(r->kv_type, row, 1, d, f);
    for (size_t i = 0; i < d; i++)
        x[i] = (double)f[i];
}

static void make_kv(ref *r, const double *x)
{
    const tsr_layer_config *lc = &r->c.layers[r->layer];
    size_t d = lc->head_dim, w = lc->n_kv_heads * d;
    double *wk = of_layer(r, "self_attn.k_proj.weight"), *nk = of_layer(r, "self_attn.k_norm.weight");
    double *wv = lc->k_eq_v ? NULL : of_layer(r, "self_attn.v_proj.weight"), *k = doubles(r->n * w), *v = doubles(r->n * w);
    for (size_t p = 0; p < r->n; p++) {
        linear(k + p * w, wk, x + p * r->c.hidden, w, r->c.hidden);
        if (wv)
            linear(v + p * w, wv, x + p * r->c.hidden, w, r->c.hidden);
        else
            memcpy(v + p * w, k + p * w, w * sizeof *v);
        for (size_t h = 0; h < lc->n_kv_heads; h++) {
            norm(v + p * w + h * d, v + p * w + h * d, NULL, d);
            norm(k + p * w + h * d, k + p * w + h * d, nk, d);
            rotate(r, k + p * w + h * d, p, lc->type, d);
            round_row(r, k + p * w + h * d, d);
            round_row(r, v + p * w + h * d, d);
        }
    }
    r->k[r->layer] = k;
    r->v[r->layer] = v;
    free(wk);
    free(nk);
    free(wv);
}

/* One head of one query: out [d]. */
static void attend(const ref *r, const double *q, size_t pos, size_t head, double *out)
{
    const tsr_layer_config *lc = &r->c.layers[r->layer];
    size_t d = lc->head_dim, w = lc->n_kv_heads * d, at = head / (r->c.n_heads / lc->n_kv_heads) * d;
    const double *k = r->k[lc->kv_source] + at, *v = r->v[lc->kv_source] + at;
    double *s = doubles(r->n), top = -1e300, sum = 0.0;
    for (size_t p = 0; p < r->n; p++) {
        for (size_t i = 0; i < d; i++)
            s[p] += q[i] * k[p * w + i];
        if (sees(r, lc->type, pos, p) && s[p] > top)
            top = s[p];
    }
    for (size_t p = 0; p < r->n; p++) {
        s[p] = sees(r, lc->type, pos, p) ? exp(s[p] - top) : 0.0;
        sum += s[p];
    }
    memset(out, 0, d * sizeof *out);
    for (size_t p = 0; p < r->n; p++)
        for (size_t i = 0; i < d; i++)
            out[i] += s[p] / sum * v[p * w + i];
    free(s);
}

static void attention(ref *r, double *h)
{
    const tsr_layer_config *lc = &r->c.layers[r->layer];
    size_t hid = r->c.hidden, d = lc->head_dim, w = r->c.n_heads * d;
    double *x = doubles(r->n * hid), *q = doubles(w), *a = doubles(w), *y = doubles(hid);
    double *wi = of_layer(r, "input_layernorm.weight"), *wp = of_layer(r, "post_attention_layernorm.weight");
    double *wq = of_layer(r, "self_attn.q_proj.weight"), *nq = of_layer(r, "self_attn.q_norm.weight");
    double *wo = of_layer(r, "self_attn.o_proj.weight");
    for (size_t p = 0; p < r->n; p++)
        norm(x + p * hid, h + p * hid, wi, hid);
    if (lc->has_kv)
        make_kv(r, x);
    for (size_t p = 0; p < r->n; p++) {
        linear(q, wq, x + p * hid, w, hid);
        for (size_t i = 0; i < r->c.n_heads; i++) {
            norm(q + i * d, q + i * d, nq, d);
            rotate(r, q + i * d, p, lc->type, d);
            attend(r, q + i * d, p, i, a + i * d);
        }
        linear(y, wo, a, hid, w);
        norm(y, y, wp, hid);
        for (size_t i = 0; i < hid; i++)
            h[p * hid + i] += y[i];
    }
    double *const owned[] = {x, q, a, y, wi, wp, wq, nq, wo};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}

/* y = W_down (gelu(gate rows x) * up rows x). */
static void gated(double *y, const double *gate, const double *up, const double *down, const double *x, size_t width,
                  size_t hid)
{
    double *g = doubles(width), *u = doubles(width);
    linear(g, gate, x, width, hid);
    linear(u, up, x, width, hid);
    for (size_t i = 0; i < width; i++)
        g[i] = gelu(g[i]) * u[i];
    linear(y, down, g, hid, width);
    free(g);
    free(u);
}

typedef struct ref_experts {
    double *scale, *proj, *per, *in, *out, *pre, *post;
} ref_experts;

static void load_experts(const ref *r, ref_experts *e)
{
    e->scale = of_layer(r, "router.scale");
    e->proj = of_layer(r, "router.proj.weight");
    e->per = of_layer(r, "router.per_expert_scale");
    e->in = of_layer(r, "experts.gate_up_proj");
    e->out = of_layer(r, "experts.down_proj");
    e->pre = of_layer(r, "pre_feedforward_layernorm_2.weight");
    e->post = of_layer(r, "post_feedforward_layernorm_2.weight");
}

static void free_experts(ref_experts *e)
{
    double *const owned[] = {e->scale, e->proj, e->per, e->in, e->out, e->pre, e->post};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}

/* p [n]: the weights of the chosen experts, 0 for the others. */
static void choose(const ref *r, const ref_experts *w, const double *h, double *p)
{
    size_t hid = r->c.hidden, n = r->c.n_experts;
    double *z = doubles(hid), total = 0.0;
    bool taken[64] = {false};
    norm(z, h, NULL, hid);
    for (size_t i = 0; i < hid; i++)
        z[i] *= w->scale[i] / sqrt((double)hid);
    linear(p, w->proj, z, n, hid);
    for (size_t i = 0; i < n; i++)
        p[i] = exp(p[i]); /* small numbers: no need for a maximum */
    for (size_t k = 0; k < r->c.top_k; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!taken[i] && (best == n || p[i] > p[best]))
                best = i;
        taken[best] = true;
        total += p[best];
    }
    for (size_t i = 0; i < n; i++)
        p[i] = taken[i] ? p[i] / total * w->per[i] : 0.0;
    free(z);
}

static void experts(const ref *r, const ref_experts *w, const double *h, double *y)
{
    size_t hid = r->c.hidden, n = r->c.n_experts, width = r->c.expert_width;
    double *p = doubles(n), *x = doubles(hid), *e = doubles(hid);
    choose(r, w, h, p);
    norm(x, h, w->pre, hid);
    memset(y, 0, hid * sizeof *y);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 0.0)
            continue;
        const double *gate = w->in + i * 2 * width * hid;
        gated(e, gate, gate + width * hid, w->out + i * hid * width, x, width, hid);
        for (size_t k = 0; k < hid; k++)
            y[k] += p[i] * e[k];
    }
    norm(y, y, w->post, hid);
    free(p);
    free(x);
    free(e);
}

static void feed_forward(const ref *r, double *h)
{
    size_t hid = r->c.hidden, width = r->c.layers[r->layer].ffn_width;
    double *pre = of_layer(r, "pre_feedforward_layernorm.weight"), *post = of_layer(r, "post_feedforward_layernorm.weight");
    double *gate = of_layer(r, "mlp.gate_proj.weight"), *up = of_layer(r, "mlp.up_proj.weight");
    double *down = of_layer(r, "mlp.down_proj.weight"), *x = doubles(hid), *y = doubles(hid), *b = doubles(hid);
    double *p1 = r->c.n_experts ? of_layer(r, "post_feedforward_layernorm_1.weight") : NULL;
    ref_experts e = {0};
    if (p1)
        load_experts(r, &e);
    for (size_t p = 0; p < r->n; p++) {
        norm(x, h + p * hid, pre, hid);
        gated(y, gate, up, down, x, width, hid);
        if (p1) {
            norm(y, y, p1, hid);
            experts(r, &e, h + p * hid, b);
        }
        for (size_t i = 0; i < hid; i++)
            y[i] += b[i];
        norm(y, y, post, hid);
        for (size_t i = 0; i < hid; i++)
            h[p * hid + i] += y[i];
    }
    free_experts(&e);
    double *const owned[] = {pre, post, gate, up, down, x, y, b, p1};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}

static double root_of(const ref *r, size_t n)
{
    float f = (float)sqrt((double)n);
    return (double)(r->type == TSR_BF16 ? tsr_bf16_to_f32(tsr_f32_to_bf16(f)) : f);
}

/* [n, n_layers, ple_dim] */
static double *per_layer_inputs(const ref *r, const double *h)
{
    size_t hid = r->c.hidden, d = r->c.ple_dim, w = r->c.n_layers * d;
    if (d == 0)
        return NULL;
    double *table = tensor(r, "embed_tokens_per_layer.weight"), *proj = tensor(r, "per_layer_model_projection.weight");
    double *nw = tensor(r, "per_layer_projection_norm.weight"), *out = doubles(r->n * w);
    for (size_t p = 0; p < r->n; p++) {
        size_t id = r->in->kinds[p] == TSR_TOKEN_TEXT ? (size_t)r->in->ids[p] : 0;
        linear(out + p * w, proj, h + p * hid, w, hid);
        for (size_t l = 0; l < r->c.n_layers; l++) {
            double *o = out + p * w + l * d;
            for (size_t i = 0; i < d; i++)
                o[i] /= sqrt((double)hid);
            norm(o, o, nw, d);
            for (size_t i = 0; i < d; i++)
                o[i] = (o[i] + table[id * w + l * d + i] * root_of(r, d)) / sqrt(2.0);
        }
    }
    free(table);
    free(proj);
    free(nw);
    return out;
}

static void add_per_layer(const ref *r, double *h, const double *ple)
{
    size_t hid = r->c.hidden, d = r->c.ple_dim;
    double *gate = of_layer(r, "per_layer_input_gate.weight"), *proj = of_layer(r, "per_layer_projection.weight");
    double *nw = of_layer(r, "post_per_layer_input_norm.weight"), *g = doubles(d), *y = doubles(hid);
    for (size_t p = 0; p < r->n; p++) {
        linear(g, gate, h + p * hid, d, hid);
        for (size_t i = 0; i < d; i++)
            g[i] = gelu(g[i]) * ple[(p * r->c.n_layers + r->layer) * d + i];
        linear(y, proj, g, hid, d);
        norm(y, y, nw, hid);
        for (size_t i = 0; i < hid; i++)
            h[p * hid + i] += y[i];
    }
    free(gate);
    free(proj);
    free(nw);
    free(g);
    free(y);
}

static double *load_stream(const ref *r)
{
    size_t hid = r->c.hidden;
    double *embed = tensor(r, "embed_tokens.weight"), *h = doubles(r->n * hid);
    for (size_t p = 0; p < r->n; p++)
        for (size_t i = 0; i < hid && r->in->kinds[p] == TSR_TOKEN_TEXT; i++)
            h[p * hid + i] = embed[(size_t)r->in->ids[p] * hid + i] * root_of(r, hid);
    for (size_t s = 0; s < r->in->n_soft; s++)
        for (size_t i = 0; i < r->in->soft[s].n * hid; i++)
            h[r->in->soft[s].at * hid + i] = (double)r->in->soft[s].rows[i];
    free(embed);
    return h;
}

static void to_logits(const ref *r, const double *h, double *logits)
{
    size_t hid = r->c.hidden, vocab = r->c.vocab;
    double *nw = tensor(r, "norm.weight"), *x = doubles(hid);
    double *out = tensor(r, r->c.tied ? "embed_tokens.weight" : "lm_head.weight");
    for (size_t p = 0; p < r->n; p++) {
        norm(x, h + p * hid, nw, hid);
        linear(logits + p * vocab, out, x, vocab, hid);
        for (size_t i = 0; i < vocab && r->c.soft_cap > 0.0f; i++)
            logits[p * vocab + i] = 30.0 * tanh(logits[p * vocab + i] / 30.0);
    }
    free(nw);
    free(x);
    free(out);
}

void tiny_reference(tiny_kind kind, tsr_type type, tsr_type kv_type, const tsr_input *in, double *logits,
                    double *hidden)
{
    ref r = {.kind = kind, .type = type, .kv_type = kv_type, .in = in, .n = in->n};
    tiny_parse(kind, &r.c);
    r.t = tiny_tensors(kind, &r.c, &r.n_t);
    size_t hid = r.c.hidden;
    double *h = load_stream(&r), *ple = per_layer_inputs(&r, h);
    for (r.layer = 0; r.layer < r.c.n_layers; r.layer++) {
        attention(&r, h);
        feed_forward(&r, h);
        if (ple)
            add_per_layer(&r, h, ple);
        double *scalar = of_layer(&r, "layer_scalar");
        for (size_t i = 0; i < r.n * hid; i++)
            h[i] *= scalar[0];
        free(scalar);
        if (hidden)
            memcpy(hidden + r.layer * r.n * hid, h, r.n * hid * sizeof *h);
    }
    to_logits(&r, h, logits);
    for (size_t i = 0; i < r.c.n_layers; i++) {
        free(r.k[i]);
        free(r.v[i]);
    }
    free(h);
    free(ple);
    free(r.t);
    tsr_text_config_deinit(&r.c);
}
