/* shapes.c: the numbers are those of MODEL.md section 1, the names those of its section on files. */
#include "shapes.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { V_PATCH = 768, V_BLOCK = 6912, A_OUT = 1536, A_KERNEL = 5, A_SAMPLES = 640 };

static const shape shapes[] = {
    {.name = "e2b", .n_layers = 35, .hidden = 1536, .n_heads = 8, .kv_sliding = 1, .kv_full = 1, .head_sliding = 256,
     .head_full = 512, .ffn = 6144, .period = 5, .n_shared = 20, .window = 512, .positions = 131072, .ple = 256,
     .wide_shared = true, .v_layers = 16, .v_hidden = 768, .v_ffn = 3072, .v_heads = 12, .v_positions = 10240,
     .v_clipped = true, .a_layers = 12, .a_hidden = 1024, .a_heads = 8},
    {.name = "e4b", .n_layers = 42, .hidden = 2560, .n_heads = 8, .kv_sliding = 2, .kv_full = 2, .head_sliding = 256,
     .head_full = 512, .ffn = 10240, .period = 6, .n_shared = 18, .window = 512, .positions = 131072, .ple = 256,
     .v_layers = 16, .v_hidden = 768, .v_ffn = 3072, .v_heads = 12, .v_positions = 10240, .v_clipped = true,
     .a_layers = 12, .a_hidden = 1024, .a_heads = 8},
    {.name = "12b", .is_unified = true, .n_layers = 48, .hidden = 3840, .n_heads = 16, .kv_sliding = 8, .kv_full = 1,
     .head_sliding = 256, .head_full = 512, .ffn = 15360, .period = 6, .window = 1024, .positions = 262144,
     .k_eq_v = true, .is_bidirectional = true, .v_positions = 1120},
    {.name = "26b", .n_layers = 30, .hidden = 2816, .n_heads = 16, .kv_sliding = 8, .kv_full = 2, .head_sliding = 256,
     .head_full = 512, .ffn = 2112, .period = 6, .window = 1024, .positions = 262144, .n_experts = 128, .top_k = 8,
     .expert_width = 704, .k_eq_v = true, .is_bidirectional = true, .v_layers = 27, .v_hidden = 1152, .v_ffn = 4304,
     .v_heads = 16, .v_positions = 10240, .v_standard = true},
    {.name = "31b", .n_layers = 60, .hidden = 5376, .n_heads = 32, .kv_sliding = 16, .kv_full = 4, .head_sliding = 256,
     .head_full = 512, .ffn = 21504, .period = 6, .window = 1024, .positions = 262144, .k_eq_v = true,
     .is_bidirectional = true, .v_layers = 27, .v_hidden = 1152, .v_ffn = 4304, .v_heads = 16, .v_positions = 10240,
     .v_standard = true},
    {.name = "tiny", .n_layers = 4, .hidden = 32, .n_heads = 2, .kv_sliding = 1, .kv_full = 1, .head_sliding = 32,
     .head_full = 64, .ffn = 64, .period = 2, .n_shared = 2, .window = 16, .positions = 4096, .ple = 32,
     .wide_shared = true, .v_layers = 1, .v_hidden = 32, .v_ffn = 64, .v_heads = 2, .v_positions = 128,
     .v_clipped = true, .a_layers = 1, .a_hidden = 64, .a_heads = 2},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

const shape *shape_find(const char *name)
{
    for (size_t i = 0; i < N_SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

void shape_names(FILE *to)
{
    for (size_t i = 0; i < N_SHAPES; i++)
        fprintf(to, "%s%s", i ? ", " : "", shapes[i].name);
}

static bool is_full(const shape *s, size_t layer)
{
    return layer % s->period == s->period - 1;
}

/* ---- tensors ---- */

typedef struct list {
    shape_tensor *at;
    size_t n, cap;
    bool failed;
} list;

static void add(list *l, unsigned n_dims, size_t a, size_t b, size_t c, size_t d, const char *format, ...)
{
    va_list ap;
    if (l->n == l->cap && !l->failed) {
        size_t cap = l->cap ? 2 * l->cap : 1024;
        shape_tensor *more = realloc(l->at, cap * sizeof *more);
        l->failed = !more;
        l->at = more ? more : l->at;
        l->cap = more ? cap : l->cap;
    }
    if (l->failed)
        return;
    shape_tensor *t = &l->at[l->n++];
    *t = (shape_tensor){.n_dims = n_dims, .dims = {a, b, c, d}, .n_elems = 1};
    for (unsigned i = 0; i < n_dims; i++)
        t->n_elems *= t->dims[i];
    va_start(ap, format);
    vsnprintf(t->name, sizeof t->name, format, ap);
    va_end(ap);
}

static void matrix(list *l, const char *prefix, const char *name, size_t n_out, size_t n_in)
{
    add(l, 2, n_out, n_in, 1, 1, "%s%s.weight", prefix, name);
}

static void vector(list *l, const char *prefix, const char *name, size_t n)
{
    add(l, 1, n, 1, 1, 1, "%s%s", prefix, name);
}

static void norm(list *l, const char *prefix, const char *name, size_t n)
{
    add(l, 1, n, 1, 1, 1, "%s%s.weight", prefix, name);
}

static void clipped(list *l, const char *prefix, const char *name, size_t n_out, size_t n_in, bool has_limits)
{
    static const char *const limit[] = {"input_min", "input_max", "output_min", "output_max"};
    add(l, 2, n_out, n_in, 1, 1, "%s%s.linear.weight", prefix, name);
    for (size_t i = 0; i < 4 && has_limits; i++)
        add(l, 0, 1, 1, 1, 1, "%s%s.%s", prefix, name, limit[i]);
}

static void four_norms(list *l, const char *p, size_t n)
{
    norm(l, p, "input_layernorm", n);
    norm(l, p, "post_attention_layernorm", n);
    norm(l, p, "pre_feedforward_layernorm", n);
    norm(l, p, "post_feedforward_layernorm", n);
}

static void text_attention(list *l, const shape *s, size_t i, const char *p)
{
    size_t d = is_full(s, i) ? s->head_full : s->head_sliding;
    size_t n_kv = is_full(s, i) ? s->kv_full : s->kv_sliding;
    matrix(l, p, "self_attn.q_proj", s->n_heads * d, s->hidden);
    matrix(l, p, "self_attn.k_proj", n_kv * d, s->hidden); /* layers that share keys carry them too, unused */
    if (!(s->k_eq_v && is_full(s, i)))
        matrix(l, p, "self_attn.v_proj", n_kv * d, s->hidden);
    matrix(l, p, "self_attn.o_proj", s->hidden, s->n_heads * d);
    norm(l, p, "self_attn.q_norm", d);
    norm(l, p, "self_attn.k_norm", d);
}

static void text_experts(list *l, const shape *s, const char *p)
{
    matrix(l, p, "router.proj", s->n_experts, s->hidden);
    vector(l, p, "router.scale", s->hidden);
    vector(l, p, "router.per_expert_scale", s->n_experts);
    add(l, 3, s->n_experts, 2 * s->expert_width, s->hidden, 1, "%sexperts.gate_up_proj", p);
    add(l, 3, s->n_experts, s->hidden, s->expert_width, 1, "%sexperts.down_proj", p);
    norm(l, p, "post_feedforward_layernorm_1", s->hidden);
    norm(l, p, "post_feedforward_layernorm_2", s->hidden);
    norm(l, p, "pre_feedforward_layernorm_2", s->hidden);
}

static void text_layer(list *l, const shape *s, size_t i)
{
    char p[100];
    size_t ffn = s->wide_shared && i >= s->n_layers - s->n_shared ? 2 * s->ffn : s->ffn;
    snprintf(p, sizeof p, "model.language_model.layers.%zu.", i);
    four_norms(l, p, s->hidden);
    text_attention(l, s, i, p);
    matrix(l, p, "mlp.gate_proj", ffn, s->hidden);
    matrix(l, p, "mlp.up_proj", ffn, s->hidden);
    matrix(l, p, "mlp.down_proj", s->hidden, ffn);
    vector(l, p, "layer_scalar", 1);
    if (s->n_experts)
        text_experts(l, s, p);
    if (!s->ple)
        return;
    matrix(l, p, "per_layer_input_gate", s->ple, s->hidden);
    matrix(l, p, "per_layer_projection", s->hidden, s->ple);
    norm(l, p, "post_per_layer_input_norm", s->hidden);
}

static void text_tensors(list *l, const shape *s)
{
    static const char root[] = "model.language_model.";
    matrix(l, root, "embed_tokens", SHAPE_VOCAB, s->hidden);
    norm(l, root, "norm", s->hidden);
    for (size_t i = 0; i < s->n_layers; i++)
        text_layer(l, s, i);
    if (!s->ple)
        return;
    matrix(l, root, "embed_tokens_per_layer", SHAPE_VOCAB, s->n_layers * s->ple);
    matrix(l, root, "per_layer_model_projection", s->n_layers * s->ple, s->hidden);
    norm(l, root, "per_layer_projection_norm", s->ple);
}

static void vision_layer(list *l, const shape *s, size_t i)
{
    char p[100];
    size_t h = s->v_hidden;
    snprintf(p, sizeof p, "model.vision_tower.encoder.layers.%zu.", i);
    four_norms(l, p, h);
    clipped(l, p, "self_attn.q_proj", h, h, s->v_clipped);
    clipped(l, p, "self_attn.k_proj", h, h, s->v_clipped);
    clipped(l, p, "self_attn.v_proj", h, h, s->v_clipped);
    clipped(l, p, "self_attn.o_proj", h, h, s->v_clipped);
    norm(l, p, "self_attn.q_norm", h / s->v_heads);
    norm(l, p, "self_attn.k_norm", h / s->v_heads);
    clipped(l, p, "mlp.gate_proj", s->v_ffn, h, s->v_clipped);
    clipped(l, p, "mlp.up_proj", s->v_ffn, h, s->v_clipped);
    clipped(l, p, "mlp.down_proj", h, s->v_ffn, s->v_clipped);
}

static void vision_tensors(list *l, const shape *s)
{
    static const char root[] = "model.vision_tower.";
    matrix(l, root, "patch_embedder.input_proj", s->v_hidden, V_PATCH);
    add(l, 3, 2, s->v_positions, s->v_hidden, 1, "%spatch_embedder.position_embedding_table", root);
    for (size_t i = 0; i < s->v_layers; i++)
        vision_layer(l, s, i);
    if (s->v_standard) {
        vector(l, root, "std_bias", s->v_hidden);
        vector(l, root, "std_scale", s->v_hidden);
    }
    matrix(l, "model.embed_vision.", "embedding_projection", s->hidden, s->v_hidden);
}

static void norm_and_bias(list *l, const char *prefix, const char *name, size_t n)
{
    norm(l, prefix, name, n);
    add(l, 1, n, 1, 1, 1, "%s%s.bias", prefix, name);
}

static void unified_tensors(list *l, const shape *s)
{
    static const char root[] = "model.vision_embedder.";
    norm_and_bias(l, root, "patch_ln1", V_BLOCK);
    matrix(l, root, "patch_dense", s->hidden, V_BLOCK);
    add(l, 1, s->hidden, 1, 1, 1, "%spatch_dense.bias", root);
    norm_and_bias(l, root, "patch_ln2", s->hidden);
    add(l, 3, s->v_positions, 2, s->hidden, 1, "%spos_embedding", root);
    norm_and_bias(l, root, "pos_norm", s->hidden);
    matrix(l, "model.embed_vision.", "embedding_projection", s->hidden, s->hidden);
    matrix(l, "model.embed_audio.", "embedding_projection", s->hidden, A_SAMPLES);
}

static void feed_forward(list *l, const char *layer, int k, size_t h)
{
    char p[110];
    snprintf(p, sizeof p, "%sfeed_forward%d.", layer, k);
    norm(l, p, "pre_layer_norm", h);
    norm(l, p, "post_layer_norm", h);
    clipped(l, p, "ffw_layer_1", 4 * h, h, true);
    clipped(l, p, "ffw_layer_2", h, 4 * h, true);
}

static void audio_layer(list *l, const shape *s, size_t i)
{
    char p[100];
    size_t h = s->a_hidden;
    snprintf(p, sizeof p, "model.audio_tower.layers.%zu.", i);
    feed_forward(l, p, 1, h);
    feed_forward(l, p, 2, h);
    norm(l, p, "norm_pre_attn", h);
    norm(l, p, "norm_post_attn", h);
    norm(l, p, "norm_out", h);
    clipped(l, p, "self_attn.q_proj", h, h, true);
    clipped(l, p, "self_attn.k_proj", h, h, true);
    clipped(l, p, "self_attn.v_proj", h, h, true);
    clipped(l, p, "self_attn.post", h, h, true);
    matrix(l, p, "self_attn.relative_k_proj", h, h);
    vector(l, p, "self_attn.per_dim_scale", h / s->a_heads);
    norm(l, p, "lconv1d.pre_layer_norm", h);
    norm(l, p, "lconv1d.conv_norm", h);
    clipped(l, p, "lconv1d.linear_start", 2 * h, h, true);
    add(l, 3, h, 1, A_KERNEL, 1, "%slconv1d.depthwise_conv1d.weight", p);
    clipped(l, p, "lconv1d.linear_end", h, h, true);
}

static void audio_tensors(list *l, const shape *s)
{
    static const char root[] = "model.audio_tower.";
    add(l, 4, 128, 1, 3, 3, "%ssubsample_conv_projection.layer0.conv.weight", root);
    norm(l, root, "subsample_conv_projection.layer0.norm", 128);
    add(l, 4, 32, 128, 3, 3, "%ssubsample_conv_projection.layer1.conv.weight", root);
    norm(l, root, "subsample_conv_projection.layer1.norm", 32);
    matrix(l, root, "subsample_conv_projection.input_proj_linear", s->a_hidden, 1024);
    for (size_t i = 0; i < s->a_layers; i++)
        audio_layer(l, s, i);
    matrix(l, root, "output_proj", A_OUT, s->a_hidden);
    vector(l, root, "output_proj.bias", A_OUT);
    matrix(l, "model.embed_audio.", "embedding_projection", s->hidden, A_OUT);
}

static int by_size(const void *a, const void *b)
{
    const shape_tensor *x = a, *y = b;
    if (x->n_elems != y->n_elems)
        return x->n_elems < y->n_elems ? 1 : -1;
    return strcmp(x->name, y->name);
}

size_t shape_tensors(const shape *s, shape_tensor **out)
{
    list l = {0};
    text_tensors(&l, s);
    if (s->is_unified)
        unified_tensors(&l, s);
    if (s->v_layers)
        vision_tensors(&l, s);
    if (s->a_layers)
        audio_tensors(&l, s);
    if (l.failed) {
        free(l.at);
        *out = NULL;
        return 0;
    }
    qsort(l.at, l.n, sizeof *l.at, by_size);
    *out = l.at;
    return l.n;
}

/* ---- configuration ---- */

static const char *yes(bool b)
{
    return b ? "true" : "false";
}

static void write_text_config(const shape *s, FILE *f)
{
    const char *kind = s->is_unified ? "gemma4_unified_text" : "gemma4_text";
    fprintf(f, " \"text_config\": {\n  \"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": %zu,\n", kind,
            SHAPE_VOCAB, s->hidden);
    if (!s->is_unified)
        fprintf(f, "  \"vocab_size_per_layer_input\": %d, \"hidden_size_per_layer_input\": %zu,\n", SHAPE_VOCAB,
                s->ple);
    fprintf(f, "  \"intermediate_size\": %zu, \"num_hidden_layers\": %zu, \"num_attention_heads\": %zu,\n"
               "  \"num_key_value_heads\": %zu, \"head_dim\": %zu, \"global_head_dim\": %zu,\n",
            s->ffn, s->n_layers, s->n_heads, s->kv_sliding, s->head_sliding, s->head_full);
    if (s->k_eq_v)
        fprintf(f, "  \"num_global_key_value_heads\": %zu,\n", s->kv_full);
    fprintf(f, "  \"attention_k_eq_v\": %s, \"num_kv_shared_layers\": %zu, \"use_double_wide_mlp\": %s,\n",
            yes(s->k_eq_v), s->n_shared, yes(s->wide_shared));
    if (s->n_experts)
        fprintf(f, "  \"enable_moe_block\": true, \"num_experts\": %zu, \"top_k_experts\": %zu, "
                   "\"moe_intermediate_size\": %zu,\n", s->n_experts, s->top_k, s->expert_width);
    fprintf(f, "  \"attention_bias\": false, \"attention_dropout\": 0.0, \"bos_token_id\": 2, \"eos_token_id\": 1,\n"
               "  \"pad_token_id\": 0, \"final_logit_softcapping\": 30.0, \"hidden_activation\": "
               "\"gelu_pytorch_tanh\",\n  \"max_position_embeddings\": %zu, \"rms_norm_eps\": 1e-06, "
               "\"sliding_window\": %zu,\n  \"tie_word_embeddings\": true, \"use_bidirectional_attention\": %s,\n",
            s->positions, s->window, s->is_bidirectional ? "\"vision\"" : "null");
    fprintf(f, "  \"rope_parameters\": {\n   \"full_attention\": {\"partial_rotary_factor\": 0.25, \"rope_theta\": "
               "1000000.0, \"rope_type\": \"proportional\"},\n   \"sliding_attention\": {\"rope_theta\": 10000.0, "
               "\"rope_type\": \"default\"}},\n  \"layer_types\": [");
    for (size_t i = 0; i < s->n_layers; i++)
        fprintf(f, "%s\"%s_attention\"", i ? ", " : "", is_full(s, i) ? "full" : "sliding");
    fprintf(f, "]\n },\n");
}

static void write_tower_configs(const shape *s, FILE *f)
{
    fprintf(f, " \"vision_config\": {\n  \"model_type\": \"gemma4_vision\", \"default_output_length\": 280, "
               "\"head_dim\": %zu,\n  \"hidden_activation\": \"gelu_pytorch_tanh\", \"hidden_size\": %zu, "
               "\"intermediate_size\": %zu,\n  \"num_attention_heads\": %zu, \"num_key_value_heads\": %zu, "
               "\"num_hidden_layers\": %zu,\n  \"patch_size\": 16, \"pooling_kernel_size\": 3, "
               "\"position_embedding_size\": %zu,\n  \"rms_norm_eps\": 1e-06, \"rope_parameters\": {\"rope_theta\": "
               "100.0, \"rope_type\": \"axial\"},\n  \"standardize\": %s, \"use_clipped_linears\": %s\n }",
            s->v_hidden / s->v_heads, s->v_hidden, s->v_ffn, s->v_heads, s->v_heads, s->v_layers, s->v_positions,
            yes(s->v_standard), yes(s->v_clipped));
    if (s->a_layers)
        fprintf(f, ",\n \"audio_config\": {\n  \"model_type\": \"gemma4_audio\", \"attention_chunk_size\": 12, "
                   "\"attention_context_left\": 13,\n  \"attention_context_right\": 0, "
                   "\"attention_invalid_logits_value\": -1000000000.0,\n  \"attention_logit_cap\": 50.0, "
                   "\"conv_kernel_size\": %d, \"gradient_clipping\": 10000000000.0,\n  \"hidden_act\": \"silu\", "
                   "\"hidden_size\": %zu, \"num_attention_heads\": %zu,\n  \"num_hidden_layers\": %zu, "
                   "\"output_proj_dims\": %d, \"residual_weight\": 0.5,\n  \"rms_norm_eps\": 1e-06, "
                   "\"subsampling_conv_channels\": [128, 32], \"use_clipped_linears\": true\n }",
                A_KERNEL, s->a_hidden, s->a_heads, s->a_layers, A_OUT);
    fprintf(f, "\n}\n");
}

static void write_unified_configs(const shape *s, FILE *f)
{
    fprintf(f, " \"vision_config\": {\n  \"model_type\": \"gemma4_unified_vision\", \"mm_embed_dim\": %zu, "
               "\"mm_posemb_size\": %zu,\n  \"model_patch_size\": 48, \"output_proj_dims\": %zu, \"patch_size\": 16, "
               "\"pooling_kernel_size\": 3,\n  \"rms_norm_eps\": 1e-06\n },\n",
            s->hidden, s->v_positions, s->hidden);
    fprintf(f, " \"audio_config\": {\n  \"model_type\": \"gemma4_unified_audio\", \"audio_embed_dim\": %d, "
               "\"audio_samples_per_token\": %d,\n  \"hidden_size\": %d, \"output_proj_dims\": %d, "
               "\"rms_norm_eps\": 1e-06\n }\n}\n", A_SAMPLES, A_SAMPLES, A_SAMPLES, A_SAMPLES);
}

void shape_write_config(const shape *s, FILE *f)
{
    fprintf(f, "{\n \"architectures\": [\"%s\"],\n \"model_type\": \"%s\", \"dtype\": \"bfloat16\",\n",
            s->is_unified ? "Gemma4UnifiedForConditionalGeneration" : "Gemma4ForConditionalGeneration",
            s->is_unified ? "gemma4_unified" : "gemma4");
    fputs(" \"audio_token_id\": 258881, \"boa_token_id\": 256000, \"boi_token_id\": 255999, "
          "\"eoa_token_index\": 258883,\n \"eoi_token_id\": 258882, \"eos_token_id\": [1, 106], "
          "\"image_token_id\": 258880, \"video_token_id\": 258884,\n \"tie_word_embeddings\": true, "
          "\"vision_soft_tokens_per_image\": 280,\n", f);
    write_text_config(s, f);
    if (s->is_unified)
        write_unified_configs(s, f);
    else
        write_tower_configs(s, f);
}

void shape_write_generation_config(const shape *s, FILE *f)
{
    fprintf(f, "{\"bos_token_id\": 2, \"do_sample\": true, \"eos_token_id\": [1, 106, 50], \"pad_token_id\": 0,\n"
               "%s \"temperature\": 1.0, \"top_k\": 64, \"top_p\": 0.95}\n",
            s->is_unified ? " \"suppress_tokens\": [258883, 258882],\n" : "");
}
