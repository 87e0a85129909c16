/* gguf_text_facts.c: the keys of architecture gemma4 become numbers, each checked as the configuration
 * checks its own, so that a refusal names the file's key. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gguf_text_internal.h"
#include "tsr_alloc.h"

enum { KEY_BYTES = 96 };

/* rope_freqs divides a frequency by this where it stands still. */
static const float STILL = 1e30f;

typedef struct key_name {
    char s[KEY_BYTES];
} key_name;

static key_name key_of(const tsri_gguf_facts *f, const char *key)
{
    key_name k;
    snprintf(k.s, sizeof k.s, "%s.%s", f->arch, key);
    return k;
}

static tsr_status bad_key(const tsri_gguf_facts *f, tsr_status st, const char *key, tsr_error *err, const char *fmt,
                          ...) TSR_PRINTF(5, 6);

/* "FILE: key NAME: REASON". */
static tsr_status bad_key(const tsri_gguf_facts *f, tsr_status st, const char *key, tsr_error *err, const char *fmt,
                          ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return tsr_fail(err, st, "%s: key %s.%s: %s", tsr_gguf_path(f->g), f->arch, key, why);
}

/* ---- single numbers ---- */

typedef enum who { MODEL = 1, DRAFTER = 2 } who;

typedef struct count_key {
    const char *key;
    size_t at; /* of the uint32_t in tsri_gguf_facts */
    uint32_t min, max;
    unsigned of; /* bits of who */
    tsr_gguf_need need;
} count_key;

#define FACT(member) offsetof(tsri_gguf_facts, member)

static const count_key COUNTS[] = {
    {"block_count", FACT(n_layers), 1, TSR_TEXT_MAX_LAYERS, MODEL | DRAFTER, TSR_GGUF_REQUIRED},
    {"embedding_length", FACT(hidden), 1, TSR_TEXT_MAX_HIDDEN, MODEL | DRAFTER, TSR_GGUF_REQUIRED},
    {"context_length", FACT(positions), 1, TSR_TEXT_MAX_POSITIONS, MODEL | DRAFTER, TSR_GGUF_REQUIRED},
    {"attention.sliding_window", FACT(window), 1, TSR_TEXT_MAX_POSITIONS, MODEL | DRAFTER, TSR_GGUF_REQUIRED},
    {"embedding_length_per_layer_input", FACT(ple_dim), 0, TSR_TEXT_MAX_PLE_DIM, MODEL, TSR_GGUF_REQUIRED},
    {"expert_count", FACT(n_experts), 0, TSR_TEXT_MAX_EXPERTS, MODEL, TSR_GGUF_OPTIONAL},
    {"embedding_length_out", FACT(backbone), 1, TSR_TEXT_MAX_HIDDEN, DRAFTER, TSR_GGUF_REQUIRED},
};

static tsr_status get_count(tsri_gguf_facts *f, const count_key *c, tsr_error *err)
{
    uint32_t *out = (uint32_t *)(void *)((char *)f + c->at);
    tsr_status st = tsr_gguf_get_u32(f->g, key_of(f, c->key).s, c->need, out, err);
    if (st == TSR_OK && tsr_gguf_find(f->g, key_of(f, c->key).s) && (*out < c->min || *out > c->max))
        return bad_key(f, TSR_ERR_MODEL, c->key, err, "is %u; expected a number in [%u, %u]", (unsigned)*out,
                       (unsigned)c->min, (unsigned)c->max);
    return st;
}

static tsr_status read_counts(tsri_gguf_facts *f, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS && st == TSR_OK; i++)
        if (COUNTS[i].of & (f->drafter ? DRAFTER : MODEL))
            st = get_count(f, &COUNTS[i], err);
    return st;
}

static tsr_status read_experts(tsri_gguf_facts *f, tsr_error *err)
{
    if (f->n_experts == 0)
        return TSR_OK;
    const count_key used = {"expert_used_count", FACT(top_k), 1, f->n_experts, MODEL, TSR_GGUF_REQUIRED};
    const count_key width = {"expert_feed_forward_length", FACT(expert_width), 1, TSR_TEXT_MAX_FFN, MODEL,
                             TSR_GGUF_REQUIRED};
    tsr_status st = get_count(f, &used, err);
    return st == TSR_OK ? get_count(f, &width, err) : st;
}

static tsr_status get_real(const tsri_gguf_facts *f, const char *key, tsr_gguf_need need, float least, float *out,
                           tsr_error *err)
{
    tsr_status st = tsr_gguf_get_f32(f->g, key_of(f, key).s, need, out, err);
    if (st == TSR_OK && tsr_gguf_find(f->g, key_of(f, key).s) && (*out < least || (least > 0 && *out <= 0)))
        return bad_key(f, TSR_ERR_MODEL, key, err, "is %g; expected %s", (double)*out,
                       least > 0 ? "a number > 0" : "a number >= 0");
    return st;
}

/* The sliding layers' base is 1e4 where the file is silent, as in the reference. */
static tsr_status read_reals(tsri_gguf_facts *f, tsr_error *err)
{
    const float tiny = 1e-38f;
    tsr_status st = get_real(f, "attention.layer_norm_rms_epsilon", TSR_GGUF_REQUIRED, tiny, &f->eps, err);
    f->theta[TSR_LAYER_SLIDING] = 1e4f;
    if (st == TSR_OK)
        st = get_real(f, "final_logit_softcapping", TSR_GGUF_OPTIONAL, 0, &f->soft_cap, err);
    if (st == TSR_OK)
        st = get_real(f, "rope.freq_base", TSR_GGUF_REQUIRED, tiny, &f->theta[TSR_LAYER_FULL], err);
    if (st == TSR_OK)
        st = get_real(f, "rope.freq_base_swa", TSR_GGUF_OPTIONAL, tiny, &f->theta[TSR_LAYER_SLIDING], err);
    return st;
}

/* ---- numbers per layer ---- */

static tsr_layer_type type_of(const tsri_gguf_facts *f, size_t layer)
{
    return f->sliding[layer] ? TSR_LAYER_SLIDING : TSR_LAYER_FULL;
}

static tsr_status read_pattern(tsri_gguf_facts *f, tsr_error *err)
{
    const char *key = "attention.sliding_window_pattern";
    tsr_status st = tsr_alloc_array(&f->sliding, f->n_layers, sizeof *f->sliding, key, err);
    if (st == TSR_OK)
        st = tsr_gguf_get_bools(f->g, key_of(f, key).s, TSR_GGUF_REQUIRED, f->sliding, f->n_layers, err);
    if (st == TSR_OK && f->sliding[f->n_layers - 1])
        return bad_key(f, TSR_ERR_MODEL, key, err, "the last layer is a sliding one; expected it to be full");
    return st;
}

static bool has_type(const tsri_gguf_facts *f, tsr_layer_type t)
{
    for (size_t i = 0; i < f->n_layers; i++)
        if (type_of(f, i) == t)
            return true;
    return false;
}

/* Layers at the end that read the last layer of their type before them. A drafter has no others. */
static tsr_status read_shared(tsri_gguf_facts *f, tsr_error *err)
{
    const char *key = "attention.shared_kv_layers";
    const count_key c = {key, FACT(n_shared), 0, f->n_layers - 1, MODEL, TSR_GGUF_OPTIONAL};
    if (f->drafter) {
        f->n_shared = f->n_layers;
        return TSR_OK;
    }
    tsr_status st = get_count(f, &c, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = f->n_layers - f->n_shared; i < f->n_layers; i++) {
        size_t source = 0;
        while (source < f->n_layers - f->n_shared && f->sliding[source] != f->sliding[i])
            source++;
        if (source == f->n_layers - f->n_shared)
            return bad_key(f, TSR_ERR_MODEL, key, err, "is %u; expected a layer of layer %zu's type among the first %u",
                           (unsigned)f->n_shared, i, (unsigned)(f->n_layers - f->n_shared));
    }
    return TSR_OK;
}

static tsr_status read_head_dim(tsri_gguf_facts *f, tsr_layer_type t, const char *k_key, const char *v_key,
                                const char *rope_key, tsr_error *err)
{
    uint32_t dim = 0;
    if (!has_type(f, t))
        return TSR_OK;
    tsr_status st = tsr_gguf_get_u32(f->g, key_of(f, k_key).s, TSR_GGUF_REQUIRED, &dim, err);
    if (st != TSR_OK)
        return st;
    if (dim < 2 || dim > TSR_TEXT_MAX_HEAD_DIM || dim % 2)
        return bad_key(f, TSR_ERR_MODEL, k_key, err, "is %u; expected an even number in [2, %d]", (unsigned)dim,
                       TSR_TEXT_MAX_HEAD_DIM);
    const char *const equal[] = {v_key, rope_key};
    for (size_t i = 0; i < 2; i++) {
        uint32_t n = dim;
        st = tsr_gguf_get_u32(f->g, key_of(f, equal[i]).s, TSR_GGUF_OPTIONAL, &n, err);
        if (st != TSR_OK)
            return st;
        if (n != dim)
            return bad_key(f, TSR_ERR_UNSUPPORTED, equal[i], err, "is %u; expected %u as in %s.%s", (unsigned)n,
                           (unsigned)dim, f->arch, k_key);
    }
    f->head_dim[t] = dim;
    return TSR_OK;
}

static tsr_status read_heads(tsri_gguf_facts *f, uint32_t *per_layer, tsr_error *err)
{
    const char *key = "attention.head_count";
    tsr_status st = tsr_gguf_get_u32s(f->g, key_of(f, key).s, TSR_GGUF_REQUIRED, per_layer, f->n_layers, err);
    if (st != TSR_OK)
        return st;
    f->n_heads = per_layer[0];
    for (size_t i = 0; i < f->n_layers; i++)
        if (per_layer[i] != f->n_heads)
            return bad_key(f, TSR_ERR_UNSUPPORTED, key, err, "layer %zu has %u; expected %u as in layer 0", i,
                           (unsigned)per_layer[i], (unsigned)f->n_heads);
    if (f->n_heads < 1 || f->n_heads > TSR_TEXT_MAX_HEADS)
        return bad_key(f, TSR_ERR_MODEL, key, err, "is %u; expected a number in [1, %d]", (unsigned)f->n_heads,
                       TSR_TEXT_MAX_HEADS);
    return TSR_OK;
}

static tsr_status read_kv_heads(tsri_gguf_facts *f, uint32_t *per_layer, tsr_error *err)
{
    const char *key = "attention.head_count_kv";
    tsr_status st = tsr_gguf_get_u32s(f->g, key_of(f, key).s, TSR_GGUF_REQUIRED, per_layer, f->n_layers, err);
    for (size_t i = 0; i < f->n_layers && st == TSR_OK; i++) {
        uint32_t n = per_layer[i], *of_type = &f->n_kv[type_of(f, i)];
        if (n == 0 || f->n_heads % n)
            st = bad_key(f, TSR_ERR_MODEL, key, err, "layer %zu has %u; expected a divisor of the %u heads", i,
                         (unsigned)n, (unsigned)f->n_heads);
        else if (*of_type && *of_type != n)
            st = bad_key(f, TSR_ERR_UNSUPPORTED, key, err, "layer %zu has %u; expected %u as in layers of its type", i,
                         (unsigned)n, (unsigned)*of_type);
        *of_type = n;
    }
    return st;
}

static tsr_status read_ffn(tsri_gguf_facts *f, uint32_t *per_layer, tsr_error *err)
{
    const char *key = "feed_forward_length";
    size_t first_shared = f->n_layers - f->n_shared, last = f->n_layers - 1;
    tsr_status st = tsr_gguf_get_u32s(f->g, key_of(f, key).s, TSR_GGUF_REQUIRED, per_layer, f->n_layers, err);
    if (st != TSR_OK)
        return st;
    f->ffn_width = per_layer[0];
    if (f->ffn_width < 1 || f->ffn_width > TSR_TEXT_MAX_FFN)
        return bad_key(f, TSR_ERR_MODEL, key, err, "is %u; expected a number in [1, %d]", (unsigned)f->ffn_width,
                       TSR_TEXT_MAX_FFN);
    f->wide = first_shared > 0 && first_shared < f->n_layers && per_layer[last] == 2 * f->ffn_width;
    for (size_t i = 0; i < f->n_layers; i++) {
        uint32_t want = f->wide && i >= first_shared ? 2 * f->ffn_width : f->ffn_width;
        if (per_layer[i] != want)
            return bad_key(f, TSR_ERR_UNSUPPORTED, key, err, "layer %zu has %u; expected %u", i,
                           (unsigned)per_layer[i], (unsigned)want);
    }
    return TSR_OK;
}

static tsr_status read_layers(tsri_gguf_facts *f, tsr_error *err)
{
    uint32_t *per_layer = NULL;
    tsr_status st = read_pattern(f, err);
    if (st == TSR_OK)
        st = read_shared(f, err);
    if (st == TSR_OK)
        st = read_head_dim(f, TSR_LAYER_FULL, "attention.key_length", "attention.value_length", "rope.dimension_count",
                           err);
    if (st == TSR_OK)
        st = read_head_dim(f, TSR_LAYER_SLIDING, "attention.key_length_swa", "attention.value_length_swa",
                           "rope.dimension_count_swa", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&per_layer, f->n_layers, sizeof *per_layer, "numbers per layer", err);
    if (st == TSR_OK)
        st = read_heads(f, per_layer, err);
    if (st == TSR_OK)
        st = read_kv_heads(f, per_layer, err);
    if (st == TSR_OK)
        st = read_ffn(f, per_layer, err);
    tsr_free(per_layer);
    return st;
}

/* ---- what would change the computation ---- */

/* Keys that other architectures of the same family of files know: where they are there, they must say
 * what is built here. */
static tsr_status check_neutral(const tsri_gguf_facts *f, tsr_error *err)
{
    static const struct {
        const char *key;
        float value;
    } rows[] = {
        {"attention.scale", 1},        {"attn_logit_softcapping", 0}, {"rope.scaling.factor", 1},
        {"rope.scale_linear", 1},      {"expert_gating_func", 1},     {"expert_weights_scale", 1},
        {"expert_shared_count", 0},    {"expert_group_count", 0},     {"leading_dense_block_count", 0},
        {"logit_scale", 1},            {"residual_scale", 1},
    };
    static const char *const truths[] = {"attention.causal", "expert_weights_norm"};
    static const char none[] = "none";
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && st == TSR_OK; i++) {
        float x = rows[i].value;
        st = tsr_gguf_get_f32(f->g, key_of(f, rows[i].key).s, TSR_GGUF_OPTIONAL, &x, err);
        if (st == TSR_OK && x != rows[i].value)
            st = bad_key(f, TSR_ERR_UNSUPPORTED, rows[i].key, err, "is %g; expected %g", (double)x,
                         (double)rows[i].value);
    }
    for (size_t i = 0; i < sizeof truths / sizeof *truths && st == TSR_OK; i++) {
        bool x = true;
        st = tsr_gguf_get_bool(f->g, key_of(f, truths[i]).s, TSR_GGUF_OPTIONAL, &x, err);
        if (st == TSR_OK && !x)
            st = bad_key(f, TSR_ERR_UNSUPPORTED, truths[i], err, "is false; expected true");
    }
    tsr_gguf_str s = {none, strlen(none)};
    if (st == TSR_OK)
        st = tsr_gguf_get_str(f->g, key_of(f, "rope.scaling.type").s, TSR_GGUF_OPTIONAL, &s, err);
    if (st == TSR_OK && (s.len != strlen(none) || memcmp(s.data, none, s.len) != 0))
        st = bad_key(f, TSR_ERR_UNSUPPORTED, "rope.scaling.type", err, "is '%.*s'; expected 'none'",
                     (int)(s.len < 40 ? s.len : 40), s.data);
    return st;
}

/* ---- what tensors say ---- */

/* Rows of a matrix whose width is known. */
static tsr_status rows_of(const tsri_gguf_facts *f, const char *name, size_t width, size_t *rows, tsr_error *err)
{
    const tsr_gguf_tensor *t = tsr_gguf_find_tensor(f->g, name);
    if (!t)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is missing", tsr_gguf_path(f->g), name);
    if (t->view.n_dims != 2 || t->view.shape[1] != width || t->view.shape[0] > INT32_MAX)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: %u dimensions, the last %zu; expected rows of %zu",
                        tsr_gguf_path(f->g), name, t->view.n_dims,
                        t->view.n_dims ? t->view.shape[t->view.n_dims - 1] : 1, width);
    *rows = t->view.shape[0];
    return TSR_OK;
}

static tsr_status read_vocab(tsri_gguf_facts *f, tsr_error *err)
{
    uint64_t told;
    tsr_status st = rows_of(f, "token_embd.weight", f->hidden, &f->vocab, err);
    if (st == TSR_OK && f->ple_dim)
        st = rows_of(f, "per_layer_token_embd.weight", (size_t)f->n_layers * f->ple_dim, &f->ple_vocab, err);
    told = f->vocab;
    if (st == TSR_OK)
        st = tsr_gguf_get_u64(f->g, key_of(f, "vocab_size").s, TSR_GGUF_OPTIONAL, &told, err);
    if (st == TSR_OK && told != f->vocab)
        return bad_key(f, TSR_ERR_MODEL, "vocab_size", err, "is %llu; token_embd.weight has %zu rows",
                       (unsigned long long)told, f->vocab);
    size_t rows = f->ple_vocab && f->ple_vocab < f->vocab ? f->ple_vocab : f->vocab;
    if (st == TSR_OK)
        st = tsr_gguf_get_u32(f->g, "tokenizer.ggml.padding_token_id", TSR_GGUF_OPTIONAL, &f->pad_id, err);
    if (st == TSR_OK && f->pad_id >= rows)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key tokenizer.ggml.padding_token_id: is %u; there are %zu rows",
                        tsr_gguf_path(f->g), (unsigned)f->pad_id, rows);
    return st;
}

/* rope_freqs divides the frequencies of full layers: by 1 where they turn, by 1e30 where they stand still. */
static tsr_status read_rope_freqs(tsri_gguf_facts *f, tsr_error *err)
{
    const char *name = "rope_freqs.weight", *file = tsr_gguf_path(f->g);
    const tsr_gguf_tensor *t = tsr_gguf_find_tensor(f->g, name);
    size_t n = f->head_dim[TSR_LAYER_FULL] / 2;
    float x[TSR_TEXT_MAX_HEAD_DIM / 2];
    if (!t)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is missing", file, name);
    if (t->view.n_elems != n || tsr_view_cols(&t->view) != n || !tsr_type_info(t->view.type)->is_float)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: %zu elements of type %s; expected [%zu] of F32", file, name,
                        t->view.n_elems, tsr_type_info(t->view.type)->name, n);
    tsr_view_decode(&t->view, 0, 0, n, x);
    while (f->n_rotated < n && x[f->n_rotated] == 1.0f)
        f->n_rotated++;
    for (size_t i = f->n_rotated; i < n; i++)
        if (!(x[i] >= STILL))
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: tensor %s: element %zu is %g; expected ones, then 1e30",
                            file, name, i, (double)x[i]);
    return TSR_OK;
}

/* V comes from K where no full layer has a matrix of its own for it. */
static void find_k_eq_v(tsri_gguf_facts *f)
{
    char name[KEY_BYTES];
    f->k_eq_v = true;
    for (size_t i = 0; i < f->n_layers - f->n_shared; i++) {
        snprintf(name, sizeof name, "blk.%zu.attn_v.weight", i);
        if (!f->sliding[i] && tsr_gguf_find_tensor(f->g, name))
            f->k_eq_v = false;
    }
}

/* The converter writes num_global_key_value_heads wherever the configuration has it, the model uses it
 * only where V comes from K. Elsewhere the matrix tells whether the sliding layers' number holds. */
static void correct_kv_heads(tsri_gguf_facts *f)
{
    char name[KEY_BYTES];
    size_t i = 0;
    while (f->sliding[i])
        i++;
    snprintf(name, sizeof name, "blk.%zu.attn_k.weight", i);
    const tsr_gguf_tensor *k = tsr_gguf_find_tensor(f->g, name);
    size_t sliding_rows = (size_t)f->n_kv[TSR_LAYER_SLIDING] * f->head_dim[TSR_LAYER_FULL];
    if (!f->k_eq_v && sliding_rows && k && k->view.n_dims == 2 && k->view.shape[0] == sliding_rows)
        f->n_kv[TSR_LAYER_FULL] = f->n_kv[TSR_LAYER_SLIDING];
}

/* ---- entry points ---- */

tsr_status tsri_gguf_facts_read(tsri_gguf_facts *f, const tsr_gguf *g, bool drafter, tsr_error *err)
{
    tsr_status st;
    *f = (tsri_gguf_facts){.g = g, .drafter = drafter};
    snprintf(f->arch, sizeof f->arch, "%s", drafter ? "gemma4-assistant" : "gemma4");
    if ((st = read_counts(f, err)) != TSR_OK || (st = read_experts(f, err)) != TSR_OK ||
        (st = read_layers(f, err)) != TSR_OK || (st = read_reals(f, err)) != TSR_OK ||
        (st = check_neutral(f, err)) != TSR_OK || (st = read_vocab(f, err)) != TSR_OK ||
        (st = read_rope_freqs(f, err)) != TSR_OK)
        return st;
    if (!drafter) {
        find_k_eq_v(f);
        correct_kv_heads(f);
    }
    return TSR_OK;
}

void tsri_gguf_facts_deinit(tsri_gguf_facts *f)
{
    tsr_free(f->sliding);
    f->sliding = NULL;
}
