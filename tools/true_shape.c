/* true_shape: write a model folder in E2B's real sizes, random and sparse, and a picture of 280 soft tokens.
 *
 * usage: true_shape OUT_DIR
 *
 * The per-layer table alone has 2.35e9 elements, so that an index held in 32 bits cannot survive. Of the
 * 10 GB that the weight file seems to have, about 3 GB are real: of the tables one row in 16 is written
 * (and all rows below 512 and above 255,990), of the large matrices every second block of 4 KB; the rest
 * are holes, which read as zeros. Weights are no copy of anything: a hash fills them. The tokenizer is
 * made up too, but has 262,144 entries with the true ids of the control tokens (MODEL.md section 1.4). */
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    N_LAYERS = 35, FIRST_SHARED = 15, HIDDEN = 1536, N_HEADS = 8, HEAD_SLIDING = 256, HEAD_FULL = 512, FFN = 6144,
    PLE = 256, VOCAB = 262144,
    V_LAYERS = 16, V_HIDDEN = 768, V_FFN = 3072, V_HEAD = 64, V_POSITIONS = 10240,
    A_LAYERS = 12, A_HIDDEN = 1024, A_HEADS = 8, A_KERNEL = 5, A_OUT = 1536,
    BLOCK = 4096, N_LEVELS = 4096, WIDTH = 960, HEIGHT = 672
};

typedef enum fill { FILL_ALL, FILL_HALF, FILL_ROWS } fill;

typedef struct tensor {
    char name[120];
    unsigned n_dims;
    size_t shape[4];
    double offset, scale;
    fill how;
    uint64_t at; /* bytes from the start of the data */
} tensor;

static tensor *tensors;
static size_t n_tensors, cap_tensors;
static const char *out_dir;

static void die(const char *what)
{
    fprintf(stderr, "true_shape: %s: %s\n", what, strerror(errno));
    exit(74);
}

static FILE *create(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        die(path);
    return f;
}

static void finish(FILE *f, const char *name)
{
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        die(name);
}

/* ---- the list of tensors ---- */

static uint64_t n_elements(const tensor *t)
{
    uint64_t n = 1;
    for (unsigned i = 0; i < t->n_dims; i++)
        n *= t->shape[i];
    return n;
}

static tensor *add(unsigned n_dims, size_t a, size_t b, size_t c, size_t d, double offset, double scale,
                   const char *format, ...)
{
    va_list ap;
    if (n_tensors == cap_tensors) {
        cap_tensors = cap_tensors ? 2 * cap_tensors : 1024;
        tensors = realloc(tensors, cap_tensors * sizeof *tensors);
        if (!tensors)
            die("memory");
    }
    tensor *t = &tensors[n_tensors++];
    *t = (tensor){.n_dims = n_dims, .shape = {a, b, c, d}, .offset = offset, .scale = scale};
    va_start(ap, format);
    vsnprintf(t->name, sizeof t->name, format, ap);
    va_end(ap);
    if (n_elements(t) * 2 > 64 * BLOCK)
        t->how = FILL_HALF;
    return t;
}

static void linear(const char *prefix, const char *name, size_t n_out, size_t n_in)
{
    add(2, n_out, n_in, 0, 0, 0, sqrt(6.0 / (double)n_in), "%s%s.weight", prefix, name);
}

static void norm(const char *prefix, const char *name, size_t n)
{
    add(1, n, 0, 0, 0, 1.0, 0.3, "%s%s.weight", prefix, name);
}

/* Small, so that scores of random queries and keys stay small too: large ones pick single keys and turn
 * a rounding into another answer, and then two builds could not be compared. */
static void head_norm(const char *prefix, const char *name, size_t n)
{
    add(1, n, 0, 0, 0, 0.25, 0.1, "%s%s.weight", prefix, name);
}

static void clipped(const char *prefix, const char *name, size_t n_out, size_t n_in)
{
    static const char *const limit[] = {"input_min", "input_max", "output_min", "output_max"};
    add(2, n_out, n_in, 0, 0, 0, sqrt(6.0 / (double)n_in), "%s%s.linear.weight", prefix, name);
    for (int i = 0; i < 4; i++)
        add(0, 0, 0, 0, 0, i % 2 ? 6.0 : -6.0, 0.5, "%s%s.%s", prefix, name, limit[i]);
}

static void four_norms(const char *p, size_t n)
{
    norm(p, "input_layernorm", n);
    norm(p, "post_attention_layernorm", n);
    norm(p, "pre_feedforward_layernorm", n);
    norm(p, "post_feedforward_layernorm", n);
}

static void text_tensors(void)
{
    const char *root = "model.language_model.";
    char p[100];
    add(2, VOCAB, N_LAYERS * PLE, 0, 0, 0, 0.1, "%sembed_tokens_per_layer.weight", root)->how = FILL_ROWS;
    add(2, VOCAB, HIDDEN, 0, 0, 0, 0.04, "%sembed_tokens.weight", root)->how = FILL_ROWS;
    linear(root, "per_layer_model_projection", N_LAYERS * PLE, HIDDEN);
    norm(root, "per_layer_projection_norm", PLE);
    for (int i = 0; i < N_LAYERS; i++) {
        size_t d = i % 5 == 4 ? HEAD_FULL : HEAD_SLIDING;
        size_t ffn = i >= FIRST_SHARED ? 2 * FFN : FFN;
        snprintf(p, sizeof p, "%slayers.%d.", root, i);
        four_norms(p, HIDDEN);
        linear(p, "self_attn.q_proj", N_HEADS * d, HIDDEN);
        linear(p, "self_attn.k_proj", d, HIDDEN); /* layers that share keys carry them too, unused */
        linear(p, "self_attn.v_proj", d, HIDDEN);
        linear(p, "self_attn.o_proj", HIDDEN, N_HEADS * d);
        head_norm(p, "self_attn.q_norm", d);
        head_norm(p, "self_attn.k_norm", d);
        linear(p, "mlp.gate_proj", ffn, HIDDEN);
        linear(p, "mlp.up_proj", ffn, HIDDEN);
        linear(p, "mlp.down_proj", HIDDEN, ffn);
        linear(p, "per_layer_input_gate", PLE, HIDDEN);
        linear(p, "per_layer_projection", HIDDEN, PLE);
        norm(p, "post_per_layer_input_norm", HIDDEN);
        add(1, 1, 0, 0, 0, 0.9, 0.1, "%slayer_scalar", p);
    }
    add(1, HIDDEN, 0, 0, 0, 16.0, 8.0, "%snorm.weight", root);
}

static void vision_tensors(void)
{
    const char *root = "model.vision_tower.";
    char p[100];
    linear(root, "patch_embedder.input_proj", V_HIDDEN, 768);
    add(3, 2, V_POSITIONS, V_HIDDEN, 0, 0, 0.5, "%spatch_embedder.position_embedding_table", root);
    for (int i = 0; i < V_LAYERS; i++) {
        snprintf(p, sizeof p, "%sencoder.layers.%d.", root, i);
        four_norms(p, V_HIDDEN);
        clipped(p, "self_attn.q_proj", V_HIDDEN, V_HIDDEN);
        clipped(p, "self_attn.k_proj", V_HIDDEN, V_HIDDEN);
        clipped(p, "self_attn.v_proj", V_HIDDEN, V_HIDDEN);
        clipped(p, "self_attn.o_proj", V_HIDDEN, V_HIDDEN);
        head_norm(p, "self_attn.q_norm", V_HEAD);
        head_norm(p, "self_attn.k_norm", V_HEAD);
        clipped(p, "mlp.gate_proj", V_FFN, V_HIDDEN);
        clipped(p, "mlp.up_proj", V_FFN, V_HIDDEN);
        clipped(p, "mlp.down_proj", V_HIDDEN, V_FFN);
    }
    linear("model.embed_vision.", "embedding_projection", HIDDEN, V_HIDDEN);
}

static void feed_forward(const char *layer, int k)
{
    char p[110];
    snprintf(p, sizeof p, "%sfeed_forward%d.", layer, k);
    norm(p, "pre_layer_norm", A_HIDDEN);
    norm(p, "post_layer_norm", A_HIDDEN);
    clipped(p, "ffw_layer_1", 4 * A_HIDDEN, A_HIDDEN);
    clipped(p, "ffw_layer_2", A_HIDDEN, 4 * A_HIDDEN);
}

static void audio_tensors(void)
{
    const char *root = "model.audio_tower.";
    char p[100];
    add(4, 128, 1, 3, 3, 0, 0.5, "%ssubsample_conv_projection.layer0.conv.weight", root);
    norm(root, "subsample_conv_projection.layer0.norm", 128);
    add(4, 32, 128, 3, 3, 0, 0.05, "%ssubsample_conv_projection.layer1.conv.weight", root);
    norm(root, "subsample_conv_projection.layer1.norm", 32);
    linear(root, "subsample_conv_projection.input_proj_linear", A_HIDDEN, A_HIDDEN);
    for (int i = 0; i < A_LAYERS; i++) {
        snprintf(p, sizeof p, "%slayers.%d.", root, i);
        feed_forward(p, 1);
        feed_forward(p, 2);
        norm(p, "norm_pre_attn", A_HIDDEN);
        norm(p, "norm_post_attn", A_HIDDEN);
        norm(p, "norm_out", A_HIDDEN);
        clipped(p, "self_attn.q_proj", A_HIDDEN, A_HIDDEN);
        clipped(p, "self_attn.k_proj", A_HIDDEN, A_HIDDEN);
        clipped(p, "self_attn.v_proj", A_HIDDEN, A_HIDDEN);
        clipped(p, "self_attn.post", A_HIDDEN, A_HIDDEN);
        linear(p, "self_attn.relative_k_proj", A_HIDDEN, A_HIDDEN);
        add(1, A_HIDDEN / A_HEADS, 0, 0, 0, 0.5, 0.5, "%sself_attn.per_dim_scale", p);
        norm(p, "lconv1d.pre_layer_norm", A_HIDDEN);
        norm(p, "lconv1d.conv_norm", A_HIDDEN);
        clipped(p, "lconv1d.linear_start", 2 * A_HIDDEN, A_HIDDEN);
        add(3, A_HIDDEN, 1, A_KERNEL, 0, 0, 0.5, "%slconv1d.depthwise_conv1d.weight", p);
        clipped(p, "lconv1d.linear_end", A_HIDDEN, A_HIDDEN);
    }
    linear(root, "output_proj", A_OUT, A_HIDDEN);
    add(1, A_OUT, 0, 0, 0, 0, 0.3, "%soutput_proj.bias", root);
    linear("model.embed_audio.", "embedding_projection", HIDDEN, A_OUT);
}

/* Largest first: then every large tensor begins at a block, and a block of a hole lies in one tensor. */
static int by_size(const void *a, const void *b)
{
    uint64_t na = n_elements(a), nb = n_elements(b);
    if (na != nb)
        return na < nb ? 1 : -1;
    return strcmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

/* ---- the weight file ---- */

typedef struct rng { uint64_t s; } rng;

static uint64_t next(rng *r)
{
    uint64_t z = r->s += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint16_t bf16(double v)
{
    float f = (float)v;
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return (uint16_t)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}

static void write_at(int fd, const void *data, size_t len, uint64_t at)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die("model.safetensors");
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
}

static void fill_random(uint16_t *to, size_t n, rng *r, const uint16_t *level)
{
    for (size_t i = 0; i < n; i += 4) {
        uint64_t bits = next(r);
        for (size_t k = i; k < n && k < i + 4; k++, bits >>= 16)
            to[k] = level[bits & (N_LEVELS - 1)];
    }
}

/* The rows that a table has: those of control tokens, and one in 16. The rows of what ends an answer are
 * left out, so that their logits are 0 and sixteen tokens always come. */
static bool has_row(size_t id)
{
    if (id == 1 || id == 50 || id == 106)
        return false;
    return id < 512 || id % 16 == 5 || id > 255990;
}

static void write_tensor(int fd, const tensor *t, uint64_t data_at)
{
    static uint16_t buf[N_LAYERS * PLE], level[N_LEVELS];
    rng r = {0};
    for (const char *c = t->name; *c; c++)
        r.s = (r.s ^ (unsigned char)*c) * 0x100000001B3u;
    for (int i = 0; i < N_LEVELS; i++)
        level[i] = bf16(t->offset + t->scale * (i + 0.5 - N_LEVELS / 2) / (N_LEVELS / 2));
    uint64_t n = n_elements(t), at = data_at + t->at;
    if (t->how == FILL_ROWS) {
        size_t width = t->shape[1];
        for (size_t id = 0; id < t->shape[0]; id++)
            if (has_row(id)) {
                fill_random(buf, width, &r, level);
                write_at(fd, buf, width * 2, at + (uint64_t)id * width * 2);
            }
        return;
    }
    size_t step = BLOCK / 2;
    for (uint64_t i = 0; i < n; i += step) {
        size_t m = n - i < step ? (size_t)(n - i) : step;
        if (t->how == FILL_HALF && i / step % 2 == 1)
            continue;
        fill_random(buf, m, &r, level);
        write_at(fd, buf, m * 2, at + i * 2);
    }
}

static char *header(size_t *len)
{
    size_t cap = n_tensors * 260 + BLOCK, n = 8;
    char *h = malloc(cap);
    if (!h)
        die("memory");
    n += (size_t)sprintf(h + n, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n_tensors; i++) {
        const tensor *t = &tensors[i];
        n += (size_t)snprintf(h + n, cap - n, ",\"%s\":{\"dtype\":\"BF16\",\"shape\":[", t->name);
        for (unsigned k = 0; k < t->n_dims; k++)
            n += (size_t)snprintf(h + n, cap - n, "%s%zu", k ? "," : "", t->shape[k]);
        n += (size_t)snprintf(h + n, cap - n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->at,
                              (unsigned long long)(t->at + 2 * n_elements(t)));
    }
    h[n++] = '}';
    while (n % BLOCK)
        h[n++] = ' ';
    for (int i = 0; i < 8; i++)
        h[i] = (char)((n - 8) >> (8 * i));
    *len = n;
    return h;
}

static void write_weights(void)
{
    char path[4096];
    uint64_t total = 0;
    size_t len;
    text_tensors();
    vision_tensors();
    audio_tensors();
    qsort(tensors, n_tensors, sizeof *tensors, by_size);
    for (size_t i = 0; i < n_tensors; i++) {
        tensors[i].at = total;
        total += 2 * n_elements(&tensors[i]);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", out_dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0)
        die(path);
    char *h = header(&len);
    if (ftruncate(fd, (off_t)(len + total)) != 0)
        die(path);
    write_at(fd, h, len, 0);
    for (size_t i = 0; i < n_tensors; i++)
        write_tensor(fd, &tensors[i], len);
    struct stat st;
    if (fstat(fd, &st) != 0 || close(fd) != 0)
        die(path);
    printf("%s: %zu tensors, %.2f GB, %.2f GB of them on disk\n", path, n_tensors, (double)st.st_size / 1e9,
           (double)st.st_blocks * 512 / 1e9);
    free(h);
    free(tensors);
}

/* ---- configuration ---- */

static void write_config(void)
{
    FILE *f = create("config.json");
    fprintf(f, "{\n \"architectures\": [\"Gemma4ForConditionalGeneration\"],\n \"model_type\": \"gemma4\",\n"
               " \"dtype\": \"bfloat16\",\n \"audio_token_id\": 258881,\n \"boa_token_id\": 256000,\n"
               " \"boi_token_id\": 255999,\n \"eoa_token_index\": 258883,\n \"eoi_token_id\": 258882,\n"
               " \"eos_token_id\": [1, 106],\n \"image_token_id\": 258880,\n \"video_token_id\": 258884,\n"
               " \"initializer_range\": 0.02,\n \"tie_word_embeddings\": true,\n"
               " \"vision_soft_tokens_per_image\": 280,\n \"text_config\": {\n");
    fprintf(f, "  \"model_type\": \"gemma4_text\", \"dtype\": \"bfloat16\", \"vocab_size\": %d,\n"
               "  \"vocab_size_per_layer_input\": %d, \"hidden_size\": %d, \"hidden_size_per_layer_input\": %d,\n"
               "  \"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d,\n"
               "  \"num_key_value_heads\": 1, \"num_global_key_value_heads\": null, \"head_dim\": %d,\n"
               "  \"global_head_dim\": %d, \"num_kv_shared_layers\": %d, \"use_double_wide_mlp\": true,\n",
            VOCAB, VOCAB, HIDDEN, PLE, FFN, N_LAYERS, N_HEADS, HEAD_SLIDING, HEAD_FULL, N_LAYERS - FIRST_SHARED);
    fprintf(f, "  \"attention_bias\": false, \"attention_dropout\": 0.0, \"attention_k_eq_v\": false,\n"
               "  \"bos_token_id\": 2, \"eos_token_id\": 1, \"pad_token_id\": 0, \"enable_moe_block\": false,\n"
               "  \"expert_intermediate_size\": null, \"num_experts\": null, \"top_k_experts\": null,\n"
               "  \"final_logit_softcapping\": 30.0, \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
               "  \"initializer_range\": 0.02, \"max_position_embeddings\": 131072, \"rms_norm_eps\": 1e-06,\n"
               "  \"sliding_window\": 512, \"tie_word_embeddings\": true, \"use_bidirectional_attention\": null,\n"
               "  \"use_cache\": true, \"rope_parameters\": {\n"
               "   \"full_attention\": {\"partial_rotary_factor\": 0.25, \"rope_theta\": 1000000.0, "
               "\"rope_type\": \"proportional\"},\n"
               "   \"sliding_attention\": {\"rope_theta\": 10000.0, \"rope_type\": \"default\"}},\n"
               "  \"layer_types\": [");
    for (int i = 0; i < N_LAYERS; i++)
        fprintf(f, "%s\"%s_attention\"", i ? ", " : "", i % 5 == 4 ? "full" : "sliding");
    fprintf(f, "]\n },\n \"vision_config\": {\n"
               "  \"model_type\": \"gemma4_vision\", \"attention_bias\": false, \"attention_dropout\": 0.0,\n"
               "  \"default_output_length\": 280, \"head_dim\": %d, \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
               "  \"hidden_size\": %d, \"intermediate_size\": %d, \"max_position_embeddings\": 131072,\n"
               "  \"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"num_hidden_layers\": %d,\n"
               "  \"patch_size\": 16, \"pooling_kernel_size\": 3, \"position_embedding_size\": %d,\n"
               "  \"rms_norm_eps\": 1e-06, \"rope_parameters\": {\"rope_theta\": 100.0, \"rope_type\": \"axial\"},\n"
               "  \"standardize\": false, \"use_clipped_linears\": true\n },\n",
            V_HEAD, V_HIDDEN, V_FFN, V_HIDDEN / V_HEAD, V_HIDDEN / V_HEAD, V_LAYERS, V_POSITIONS);
    fprintf(f, " \"audio_config\": {\n"
               "  \"model_type\": \"gemma4_audio\", \"attention_chunk_size\": 12, \"attention_context_left\": 13,\n"
               "  \"attention_context_right\": 0, \"attention_invalid_logits_value\": -1000000000.0,\n"
               "  \"attention_logit_cap\": 50.0, \"conv_kernel_size\": %d, \"gradient_clipping\": 10000000000.0,\n"
               "  \"hidden_act\": \"silu\", \"hidden_size\": %d, \"num_attention_heads\": %d,\n"
               "  \"num_hidden_layers\": %d, \"output_proj_dims\": %d, \"residual_weight\": 0.5,\n"
               "  \"rms_norm_eps\": 1e-06, \"subsampling_conv_channels\": [128, 32], \"use_clipped_linears\": true\n"
               " }\n}\n", A_KERNEL, A_HIDDEN, A_HEADS, A_LAYERS, A_OUT);
    finish(f, "config.json");
    f = create("generation_config.json");
    fprintf(f, "{\"bos_token_id\": 2, \"do_sample\": true, \"eos_token_id\": [1, 106, 50], \"pad_token_id\": 0,\n"
               " \"temperature\": 1.0, \"top_k\": 64, \"top_p\": 0.95}\n");
    finish(f, "generation_config.json");
}

/* ---- tokenizer ---- */

static const struct { int id; const char *text; } controls[] = {
    {0, "<pad>"}, {1, "<eos>"}, {2, "<bos>"}, {3, "<unk>"}, {4, "<mask>"},
    {46, "<|tool>"}, {47, "<tool|>"}, {48, "<|tool_call>"}, {49, "<tool_call|>"},
    {50, "<|tool_response>"}, {51, "<tool_response|>"}, {52, "<|\\\"|>"}, {98, "<|think|>"},
    {100, "<|channel>"}, {101, "<channel|>"}, {105, "<|turn>"}, {106, "<turn|>"},
    {255999, "<|image>"}, {256000, "<|audio>"}, {258880, "<|image|>"}, {258881, "<|audio|>"},
    {258882, "<image|>"}, {258883, "<audio|>"}, {258884, "<|video|>"},
};
enum { N_CONTROLS = sizeof controls / sizeof *controls, NEWLINE = 107, SPACES = 138, BYTES = 238, CHARS = 494 };
#define SPACE "\xE2\x96\x81" /* U+2581 */

static const char *control_of(int id)
{
    for (int i = 0; i < N_CONTROLS; i++)
        if (controls[i].id == id)
            return controls[i].text;
    return NULL;
}

/* Ordinary words: all strings of 2 and 3 letters, then those of 1, 2 and 3 behind a space, then of 4. */
typedef struct words { int stage; long k; } words;

static void next_word(words *w, char *out)
{
    static const struct { int space, letters; long n; } stage[] = {
        {0, 2, 676}, {0, 3, 17576}, {1, 1, 26}, {1, 2, 676}, {1, 3, 17576}, {0, 4, 456976}};
    if (w->k == stage[w->stage].n) {
        w->stage++;
        w->k = 0;
    }
    long k = w->k++;
    int n = stage[w->stage].letters;
    size_t at = stage[w->stage].space ? sizeof SPACE - 1 : 0;
    memcpy(out, SPACE, at);
    for (int i = n - 1; i >= 0; i--, k /= 26)
        out[at + (size_t)i] = (char)('a' + k % 26);
    out[at + (size_t)n] = '\0';
}

static void repeat(FILE *f, const char *s, int n)
{
    for (int i = 0; i < n; i++)
        fputs(s, f);
}

static void entry(FILE *f, int id, words *w)
{
    char word[16];
    if (control_of(id))
        fputs(control_of(id), f);
    else if (id >= NEWLINE && id < SPACES)
        repeat(f, "\\n", id - NEWLINE + 1);
    else if (id >= SPACES && id < SPACES + 31)
        repeat(f, SPACE, id - SPACES + 2);
    else if (id >= BYTES && id < CHARS)
        fprintf(f, "<0x%02X>", (unsigned)(id - BYTES));
    else if (id < CHARS)
        fprintf(f, "<unused%d>", id);
    else if (id == CHARS)
        fputs(SPACE, f);
    else if (id <= CHARS + 94) { /* '!' to '~' */
        int c = '!' + id - CHARS - 1;
        fprintf(f, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    } else {
        next_word(w, word);
        fputs(word, f);
    }
}

static void write_merges(FILE *f, long n_words)
{
    words w = {0};
    char word[16];
    for (int i = 1; i < 31; i++) {
        fputs(i > 1 ? ",\n[\"" : "[\"", f);
        repeat(f, "\\n", i);
        fputs("\", \"\\n\"]", f);
    }
    for (int i = 1; i < 32; i++) {
        fputs(",\n[\"", f);
        repeat(f, SPACE, i);
        fputs("\", \"" SPACE "\"]", f);
    }
    for (long i = 0; i < n_words; i++) {
        next_word(&w, word);
        size_t n = strlen(word) - 1;
        fprintf(f, ",\n[\"%.*s\", \"%c\"]", (int)n, word, word[n]);
    }
}

static void write_tokenizer(void)
{
    FILE *f = create("tokenizer.json");
    words w = {0};
    long n_words = 0;
    fputs("{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [\n", f);
    for (int i = 0; i < N_CONTROLS; i++)
        fprintf(f, "{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                   "\"normalized\": false, \"special\": true}%s\n", controls[i].id, controls[i].text,
                i + 1 < N_CONTROLS ? "," : "],");
    fputs("\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SPACE "\"},\n"
          "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, \"behavior\": "
          "\"MergedWithPrevious\", \"invert\": false},\n"
          "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<bos>\", "
          "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": "
          "\"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}], \"special_tokens\": {\"<bos>\": "
          "{\"id\": \"<bos>\", \"ids\": [2], \"tokens\": [\"<bos>\"]}}},\n"
          "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": "
          "\"" SPACE "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]},\n"
          "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\", "
          "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": true, "
          "\"byte_fallback\": true, \"ignore_merges\": false, \"vocab\": {\n", f);
    for (int id = 0; id < VOCAB; id++) {
        fputs(id ? ",\n\"" : "\"", f);
        entry(f, id, &w);
        fprintf(f, "\": %d", id);
        n_words += id > CHARS + 94 && !control_of(id);
    }
    fputs("},\n\"merges\": [\n", f);
    write_merges(f, n_words);
    fputs("]}}\n", f);
    finish(f, "tokenizer.json");
}

/* 960 x 672 fills a budget of 280 exactly and is not resized: 20 x 14 soft tokens. */
static void write_picture(void)
{
    FILE *f = create("picture.ppm");
    fprintf(f, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int dx = x - WIDTH / 2, dy = y - HEIGHT / 2;
            int inside = dx * dx + dy * dy < 200 * 200;
            fputc(inside ? 214 : x * 255 / WIDTH, f);
            fputc(inside ? 39 : y * 255 / HEIGHT, f);
            fputc(inside ? 40 : (x / 48 + y / 48) % 2 ? 255 : 96, f);
        }
    finish(f, "picture.ppm");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: true_shape OUT_DIR\n");
        return 2;
    }
    out_dir = argv[1];
    if (mkdir(out_dir, 0755) != 0 && errno != EEXIST)
        die(out_dir);
    write_config();
    write_tokenizer();
    write_picture();
    write_weights();
    return 0;
}
