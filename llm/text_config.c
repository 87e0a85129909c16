/* text_config.c: config.json becomes numbers per layer. Keys and defaults are those of the
 * reference's Gemma4TextConfig and Gemma4UnifiedTextConfig. */
#include "tsr_text_config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

enum {
    DEFAULT_PATTERN = 6, /* without layer_types every sixth layer is a full one */
    SHOWN_BYTES = 80     /* of a bad value in a message */
};

typedef struct reader {
    const tsr_json *text; /* text_config, or the root of a text-only file */
    const tsr_json *root;
    const char *prefix; /* "text_config." or "" */
    const char *file;
    tsr_error *err;
    bool unified; /* model_type gemma4_unified: other defaults */
} reader;

/* ---- messages ---- */

/* "FILE: PREFIX KEY is VALUE; expected WHAT". */
static tsr_status bad(const reader *r, tsr_status st, const char *key, const tsr_json *v, const char *expected)
{
    char *shown = NULL;
    if (!v)
        return tsr_fail(r->err, st, "%s: %s%s is missing; expected %s", r->file, r->prefix, key, expected);
    if (tsr_json_dump(&shown, v, 0, NULL) != TSR_OK)
        shown = NULL;
    bool cut = shown && strlen(shown) > SHOWN_BYTES;
    st = tsr_fail(r->err, st, "%s: %s%s is %.*s%s; expected %s", r->file, r->prefix, key, SHOWN_BYTES,
                  shown ? shown : "(?)", cut ? "..." : "", expected);
    tsr_free(shown);
    return st;
}

static tsr_status bad_range(const reader *r, const char *key, const tsr_json *v, size_t min, size_t max)
{
    char expected[96];
    snprintf(expected, sizeof expected, "an integer in [%zu, %zu]", min, max);
    return bad(r, TSR_ERR_MODEL, key, v, expected);
}

/* ---- single values; an absent key leaves *out, the default, as it is ---- */

static tsr_status as_size(const reader *r, const char *key, const tsr_json *v, size_t min, size_t max, size_t *out)
{
    size_t n;
    if (!tsr_json_to_size(v, &n) || n < min || n > max)
        return bad_range(r, key, v, min, max);
    *out = n;
    return TSR_OK;
}

static tsr_status get_size(const reader *r, const char *key, size_t min, size_t max, size_t *out)
{
    const tsr_json *v = tsr_json_get(r->text, key);
    return v ? as_size(r, key, v, min, max, out) : TSR_OK;
}

static tsr_status get_bool(const reader *r, const char *key, bool *out)
{
    const tsr_json *v = tsr_json_get(r->text, key);
    if (v && !tsr_json_to_bool(v, out))
        return bad(r, TSR_ERR_MODEL, key, v, "true or false");
    return TSR_OK;
}

static tsr_status as_positive(const reader *r, const char *key, const tsr_json *v, double *out)
{
    double x;
    if (!tsr_json_to_double(v, &x) || !isfinite(x) || !(x > 0.0) || !((float)x > 0.0f) || !isfinite((float)x))
        return bad(r, TSR_ERR_MODEL, key, v, "a finite number > 0");
    *out = x;
    return TSR_OK;
}

static bool is_text(const tsr_json *v, const char *want)
{
    size_t len = 0;
    const char *s = tsr_json_string(v, &len);
    return s && len == strlen(want) && memcmp(s, want, len) == 0;
}

/* ---- which file this is ---- */

static tsr_status find_text(reader *r)
{
    static const char *const multimodal[] = {"gemma4", "gemma4_unified"};
    static const char *const text_only[] = {"gemma4_text", "gemma4_unified_text"};
    if (!tsr_json_is_object(r->root))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: the top level is no object", r->file);
    const tsr_json *type = tsr_json_get_set(r->root, "model_type");
    for (size_t i = 0; i < 2; i++) {
        r->unified = i == 1;
        if (is_text(type, multimodal[i])) {
            r->text = tsr_json_get_set(r->root, "text_config");
            if (!tsr_json_is_object(r->text))
                return bad(r, TSR_ERR_MODEL, "text_config", r->text, "an object");
            r->prefix = "text_config.";
            return TSR_OK;
        }
        if (is_text(type, text_only[i])) {
            r->text = r->root;
            return TSR_OK;
        }
    }
    return bad(r, TSR_ERR_MODEL, "model_type", type,
               "\"gemma4\", \"gemma4_unified\", \"gemma4_text\" or \"gemma4_unified_text\"");
}

static tsr_status check_text_type(const reader *r)
{
    const tsr_json *type = tsr_json_get_set(r->text, "model_type");
    const char *want = r->unified ? "gemma4_unified_text" : "gemma4_text";
    if (type && !is_text(type, want))
        return bad(r, TSR_ERR_MODEL, "model_type", type, r->unified ? "\"gemma4_unified_text\"" : "\"gemma4_text\"");
    return TSR_OK;
}

/* ---- groups of keys ---- */

static tsr_status read_sizes(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    c->n_layers = 30;
    c->hidden = 2304;
    c->n_heads = 8;
    c->vocab = 262144;
    c->window = r->unified ? 1024 : 512;
    c->max_positions = r->unified ? 262144 : 131072;
    if ((st = get_size(r, "num_hidden_layers", 1, TSR_TEXT_MAX_LAYERS, &c->n_layers)) != TSR_OK ||
        (st = get_size(r, "hidden_size", 1, TSR_TEXT_MAX_HIDDEN, &c->hidden)) != TSR_OK ||
        (st = get_size(r, "num_attention_heads", 1, TSR_TEXT_MAX_HEADS, &c->n_heads)) != TSR_OK ||
        (st = get_size(r, "vocab_size", 1, INT32_MAX, &c->vocab)) != TSR_OK ||
        (st = get_size(r, "sliding_window", 1, TSR_TEXT_MAX_POSITIONS, &c->window)) != TSR_OK ||
        (st = get_size(r, "max_position_embeddings", 1, TSR_TEXT_MAX_POSITIONS, &c->max_positions)) != TSR_OK ||
        (st = get_size(r, "num_kv_shared_layers", 0, c->n_layers - 1, &c->n_shared)) != TSR_OK)
        return st;
    return TSR_OK;
}

static tsr_status read_scalars(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    double eps = 1e-6, cap = 0.0;
    const tsr_json *v = tsr_json_get(r->text, "rms_norm_eps");
    if (v && (st = as_positive(r, "rms_norm_eps", v, &eps)) != TSR_OK)
        return st;
    v = tsr_json_get_set(r->text, "final_logit_softcapping");
    if (v && (st = as_positive(r, "final_logit_softcapping", v, &cap)) != TSR_OK)
        return st;
    c->eps = (float)eps;
    c->soft_cap = (float)cap;

    size_t pad = 0;
    v = tsr_json_get_set(r->text, "pad_token_id");
    if (v && (st = as_size(r, "pad_token_id", v, 0, c->vocab - 1, &pad)) != TSR_OK)
        return st;
    c->pad_id = (int32_t)pad;

    /* Of a multimodal file the top level decides; text_config's own value is not looked at. */
    c->tied = true;
    v = tsr_json_get(r->root, "tie_word_embeddings");
    if (v && !tsr_json_to_bool(v, &c->tied))
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: tie_word_embeddings is neither true nor false", r->file);
    return TSR_OK;
}

static tsr_status read_ple(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    if (r->unified)
        return TSR_OK; /* the unified model knows no such keys, whatever the file says */
    c->ple_dim = 256;
    c->ple_vocab = 262144;
    if ((st = get_size(r, "hidden_size_per_layer_input", 0, TSR_TEXT_MAX_PLE_DIM, &c->ple_dim)) != TSR_OK)
        return st;
    if (c->ple_dim == 0) {
        c->ple_vocab = 0;
        return TSR_OK;
    }
    if ((st = get_size(r, "vocab_size_per_layer_input", 1, INT32_MAX, &c->ple_vocab)) != TSR_OK)
        return st;
    if ((size_t)c->pad_id >= c->ple_vocab)
        return tsr_fail(r->err, TSR_ERR_MODEL, "%s: %spad_token_id is %d; expected less than vocab_size_per_layer_input %zu",
                        r->file, r->prefix, (int)c->pad_id, c->ple_vocab);
    return TSR_OK;
}

static tsr_status read_experts(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    bool enabled = false;
    if (r->unified)
        return TSR_OK;
    if ((st = get_bool(r, "enable_moe_block", &enabled)) != TSR_OK || !enabled)
        return st;
    const char *width_key = "moe_intermediate_size";
    if (!tsr_json_get_set(r->text, width_key) && tsr_json_get_set(r->text, "expert_intermediate_size"))
        width_key = "expert_intermediate_size"; /* the older name */
    const tsr_json *n = tsr_json_get(r->text, "num_experts"), *k = tsr_json_get(r->text, "top_k_experts");
    if ((st = as_size(r, "num_experts", n, 1, TSR_TEXT_MAX_EXPERTS, &c->n_experts)) != TSR_OK ||
        (st = as_size(r, "top_k_experts", k, 1, c->n_experts, &c->top_k)) != TSR_OK)
        return st;
    return as_size(r, width_key, tsr_json_get(r->text, width_key), 1, TSR_TEXT_MAX_FFN, &c->expert_width);
}

static tsr_status read_unsupported(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    bool bias = false;
    const tsr_json *v = tsr_json_get(r->text, "hidden_activation");
    if (v && !is_text(v, "gelu_pytorch_tanh"))
        return bad(r, TSR_ERR_UNSUPPORTED, "hidden_activation", v, "\"gelu_pytorch_tanh\"");
    if ((st = get_bool(r, "attention_bias", &bias)) != TSR_OK)
        return st;
    if (bias)
        return bad(r, TSR_ERR_UNSUPPORTED, "attention_bias", tsr_json_get(r->text, "attention_bias"), "false");
    c->bidirectional_vision = r->unified;
    v = tsr_json_get(r->text, "use_bidirectional_attention");
    if (!v)
        return TSR_OK;
    c->bidirectional_vision = is_text(v, "vision");
    if (!c->bidirectional_vision && !tsr_json_is_null(v))
        return bad(r, is_text(v, "all") ? TSR_ERR_UNSUPPORTED : TSR_ERR_MODEL, "use_bidirectional_attention", v,
                   "null or \"vision\"");
    return TSR_OK;
}

/* ---- layers ---- */

static tsr_status read_layer_types(const reader *r, tsr_text_config *c)
{
    const tsr_json *v = tsr_json_get_set(r->text, "layer_types");
    for (size_t i = 0; i < c->n_layers && !v; i++)
        c->layers[i].type = (i + 1) % DEFAULT_PATTERN ? TSR_LAYER_SLIDING : TSR_LAYER_FULL;
    if (v && (!tsr_json_is_array(v) || tsr_json_len(v) != c->n_layers))
        return bad(r, TSR_ERR_MODEL, "layer_types", v, "a list with one entry per layer (num_hidden_layers)");
    for (size_t i = 0; i < c->n_layers && v; i++) {
        const tsr_json *t = tsr_json_at(v, i);
        if (is_text(t, "sliding_attention"))
            c->layers[i].type = TSR_LAYER_SLIDING;
        else if (is_text(t, "full_attention"))
            c->layers[i].type = TSR_LAYER_FULL;
        else
            return bad(r, TSR_ERR_UNSUPPORTED, "layer_types", t, "\"sliding_attention\" or \"full_attention\"");
    }
    c->layers[c->n_layers - 1].type = TSR_LAYER_FULL; /* the reference forces the last one */
    return TSR_OK;
}

/* The flat form: full layers have a head dim of their own, and, where K is V, a KV head count. */
static tsr_status read_flat_heads(const reader *r, tsr_text_config *c, bool k_eq_v)
{
    tsr_status st;
    size_t dim = 512, n_kv = 0;
    const tsr_json *v = tsr_json_get_set(r->text, "num_global_key_value_heads");
    if ((st = get_size(r, "global_head_dim", 2, TSR_TEXT_MAX_HEAD_DIM, &dim)) != TSR_OK)
        return st;
    if (v && (st = as_size(r, "num_global_key_value_heads", v, 1, TSR_TEXT_MAX_HEADS, &n_kv)) != TSR_OK)
        return st;
    for (size_t i = 0; i < c->n_layers; i++) {
        if (c->layers[i].type != TSR_LAYER_FULL)
            continue;
        c->layers[i].head_dim = dim;
        if (k_eq_v && n_kv)
            c->layers[i].n_kv_heads = n_kv;
    }
    return TSR_OK;
}

/* "07" is layer 7. False for anything but digits or for numbers >= limit. */
static bool layer_index(const char *key, size_t limit, size_t *out)
{
    size_t n = 0;
    if (!*key)
        return false;
    for (; *key; key++) {
        if (*key < '0' || *key > '9')
            return false;
        n = n * 10 + (size_t)(*key - '0');
        if (n >= limit)
            return false;
    }
    *out = n;
    return true;
}

static tsr_status read_override(const reader *r, tsr_layer_config *l, const char *index, const tsr_json *o)
{
    tsr_status st = TSR_OK;
    char key[96];
    if (!tsr_json_is_object(o)) {
        snprintf(key, sizeof key, "per_layer_config.%s", index);
        return bad(r, TSR_ERR_MODEL, key, o, "an object");
    }
    for (void *it = tsr_json_first(o); it && st == TSR_OK; it = tsr_json_next(o, it)) {
        const char *name = tsr_json_key(it);
        const tsr_json *v = tsr_json_value(it);
        snprintf(key, sizeof key, "per_layer_config.%s.%.40s", index, name);
        if (strcmp(name, "head_dim") == 0)
            st = as_size(r, key, v, 2, TSR_TEXT_MAX_HEAD_DIM, &l->head_dim);
        else if (strcmp(name, "num_key_value_heads") == 0)
            st = as_size(r, key, v, 1, TSR_TEXT_MAX_HEADS, &l->n_kv_heads);
        else
            st = bad(r, TSR_ERR_UNSUPPORTED, key, v, "only head_dim and num_key_value_heads there");
    }
    return st;
}

static tsr_status read_overrides(const reader *r, tsr_text_config *c, const tsr_json *o)
{
    tsr_status st = TSR_OK;
    if (tsr_json_is_null(o))
        return TSR_OK;
    if (!tsr_json_is_object(o))
        return bad(r, TSR_ERR_MODEL, "per_layer_config", o, "an object");
    for (void *it = tsr_json_first(o); it && st == TSR_OK; it = tsr_json_next(o, it)) {
        size_t i;
        if (!layer_index(tsr_json_key(it), c->n_layers, &i))
            return tsr_fail(r->err, TSR_ERR_MODEL,
                            "%s: %sper_layer_config has the key \"%.40s\"; expected a layer in [0, %zu]", r->file,
                            r->prefix, tsr_json_key(it), c->n_layers - 1);
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        st = read_override(r, &c->layers[i], index, tsr_json_value(it));
    }
    return st;
}

static tsr_status read_heads(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    bool k_eq_v = false;
    size_t dim = 256, n_kv = 4;
    if ((st = get_bool(r, "attention_k_eq_v", &k_eq_v)) != TSR_OK ||
        (st = get_size(r, "head_dim", 2, TSR_TEXT_MAX_HEAD_DIM, &dim)) != TSR_OK ||
        (st = get_size(r, "num_key_value_heads", 1, TSR_TEXT_MAX_HEADS, &n_kv)) != TSR_OK)
        return st;
    for (size_t i = 0; i < c->n_layers; i++) {
        c->layers[i].head_dim = dim;
        c->layers[i].n_kv_heads = n_kv;
        c->layers[i].k_eq_v = k_eq_v && c->layers[i].type == TSR_LAYER_FULL;
    }
    const tsr_json *overrides = tsr_json_get(r->text, "per_layer_config");
    return overrides ? read_overrides(r, c, overrides) : read_flat_heads(r, c, k_eq_v);
}

static tsr_status check_heads(const reader *r, tsr_text_config *c)
{
    for (size_t i = 0; i < c->n_layers; i++) {
        const tsr_layer_config *l = &c->layers[i];
        size_t *of_type = &c->head_dim[l->type];
        if (l->head_dim % 2)
            return tsr_fail(r->err, TSR_ERR_MODEL, "%s: the head dim of layer %zu is %zu; expected an even number",
                            r->file, i, l->head_dim);
        if (c->n_heads % l->n_kv_heads)
            return tsr_fail(r->err, TSR_ERR_MODEL,
                            "%s: layer %zu has %zu key/value heads; expected a divisor of num_attention_heads %zu", r->file,
                            i, l->n_kv_heads, c->n_heads);
        if (*of_type && *of_type != l->head_dim)
            return tsr_fail(r->err, TSR_ERR_MODEL,
                            "%s: the head dim of layer %zu is %zu; expected %zu as in the other layers of its type",
                            r->file, i, l->head_dim, *of_type);
        *of_type = l->head_dim;
    }
    return TSR_OK;
}

/* Shared layers read the last layer of their own type that still computes K and V. */
static tsr_status link_shared(const reader *r, tsr_text_config *c)
{
    size_t first_shared = c->n_layers - c->n_shared;
    size_t last_of[TSR_N_LAYER_TYPES] = {SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < first_shared; i++) {
        c->layers[i].has_kv = true;
        c->layers[i].kv_source = i;
        last_of[c->layers[i].type] = i;
    }
    for (size_t i = first_shared; i < c->n_layers; i++) {
        tsr_layer_config *l = &c->layers[i];
        l->kv_source = last_of[l->type];
        if (l->kv_source == SIZE_MAX)
            return tsr_fail(r->err, TSR_ERR_MODEL,
                            "%s: %snum_kv_shared_layers is %zu; expected a layer of layer %zu's type among the first %zu",
                            r->file, r->prefix, c->n_shared, i, first_shared);
        if (c->layers[l->kv_source].n_kv_heads != l->n_kv_heads)
            return tsr_fail(r->err, TSR_ERR_MODEL,
                            "%s: layer %zu has %zu key/value heads; expected %zu as in layer %zu, which it reads", r->file,
                            i, l->n_kv_heads, c->layers[l->kv_source].n_kv_heads, l->kv_source);
    }
    return TSR_OK;
}

static tsr_status read_ffn(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    bool wide = false;
    size_t width = 9216;
    if ((st = get_bool(r, "use_double_wide_mlp", &wide)) != TSR_OK ||
        (st = get_size(r, "intermediate_size", 1, TSR_TEXT_MAX_FFN, &width)) != TSR_OK)
        return st;
    for (size_t i = 0; i < c->n_layers; i++)
        c->layers[i].ffn_width = wide && !c->layers[i].has_kv ? 2 * width : width;
    return TSR_OK;
}

/* ---- RoPE ---- */

static tsr_status read_rope_of(const reader *r, const tsr_json *p, const char *type, size_t head_dim, tsr_rope_config *out)
{
    tsr_status st;
    char key[96];
    double part = 1.0;
    snprintf(key, sizeof key, "rope_parameters.%s", type);
    if (!tsr_json_is_object(p))
        return bad(r, TSR_ERR_MODEL, key, p, "an object");
    const tsr_json *kind = tsr_json_get(p, "rope_type");
    snprintf(key, sizeof key, "rope_parameters.%s.rope_type", type);
    bool proportional = is_text(kind, "proportional");
    if (!proportional && !is_text(kind, "default"))
        return bad(r, TSR_ERR_UNSUPPORTED, key, kind, "\"default\" or \"proportional\"");
    snprintf(key, sizeof key, "rope_parameters.%s.rope_theta", type);
    if ((st = as_positive(r, key, tsr_json_get(p, "rope_theta"), &out->theta)) != TSR_OK)
        return st;
    out->n_rotated = head_dim / 2;
    if (!proportional)
        return TSR_OK; /* that type reads no other key */
    const tsr_json *v = tsr_json_get_set(p, "partial_rotary_factor");
    snprintf(key, sizeof key, "rope_parameters.%s.partial_rotary_factor", type);
    if (v && (!tsr_json_to_double(v, &part) || !(part >= 0.0 && part <= 1.0)))
        return bad(r, TSR_ERR_MODEL, key, v, "a number in [0, 1]");
    out->n_rotated = (size_t)floor(part * (double)head_dim / 2.0);
    v = tsr_json_get_set(p, "factor");
    snprintf(key, sizeof key, "rope_parameters.%s.factor", type);
    return v ? as_positive(r, key, v, &out->factor) : TSR_OK;
}

static tsr_status read_rope(const reader *r, tsr_text_config *c)
{
    static const char *const name[TSR_N_LAYER_TYPES] = {"sliding_attention", "full_attention"};
    const tsr_json *all = tsr_json_get_set(r->text, "rope_parameters");
    if (all && !tsr_json_is_object(all))
        return bad(r, TSR_ERR_MODEL, "rope_parameters", all, "an object keyed by layer type");
    for (size_t t = 0; t < TSR_N_LAYER_TYPES; t++) {
        tsr_rope_config *rope = &c->rope[t];
        if (c->head_dim[t] == 0)
            continue;
        rope->factor = 1.0;
        if (all) {
            tsr_status st = read_rope_of(r, tsr_json_get(all, name[t]), name[t], c->head_dim[t], rope);
            if (st != TSR_OK)
                return st;
        } else {
            rope->theta = t == TSR_LAYER_SLIDING ? 1e4 : 1e6;
            rope->n_rotated = t == TSR_LAYER_SLIDING ? c->head_dim[t] / 2 : c->head_dim[t] / 8;
        }
    }
    return TSR_OK;
}

/* ---- entry points ---- */

static tsr_status read_layers(const reader *r, tsr_text_config *c)
{
    tsr_status st;
    c->layers = tsr_calloc(c->n_layers, sizeof *c->layers);
    if (!c->layers)
        return tsr_fail(r->err, TSR_ERR_NOMEM, "out of memory: %zu layers", c->n_layers);
    if ((st = read_layer_types(r, c)) != TSR_OK || (st = read_heads(r, c)) != TSR_OK ||
        (st = check_heads(r, c)) != TSR_OK || (st = link_shared(r, c)) != TSR_OK || (st = read_ffn(r, c)) != TSR_OK)
        return st;
    return read_rope(r, c);
}

static void name_variant(const reader *r, tsr_text_config *c)
{
    if (c->ple_dim)
        c->variant = TSR_VARIANT_E;
    else if (c->n_experts)
        c->variant = TSR_VARIANT_26B;
    else
        c->variant = r->unified ? TSR_VARIANT_12B : TSR_VARIANT_31B;
    c->empty_thought = c->variant != TSR_VARIANT_E;
}

tsr_status tsr_text_config_parse(tsr_text_config *out, const tsr_json *root, const char *file, tsr_error *err)
{
    tsr_status st;
    reader r = {.root = root, .prefix = "", .file = file, .err = err};
    memset(out, 0, sizeof *out);
    if ((st = find_text(&r)) == TSR_OK && (st = check_text_type(&r)) == TSR_OK && (st = read_sizes(&r, out)) == TSR_OK &&
        (st = read_scalars(&r, out)) == TSR_OK && (st = read_ple(&r, out)) == TSR_OK &&
        (st = read_experts(&r, out)) == TSR_OK && (st = read_unsupported(&r, out)) == TSR_OK)
        st = read_layers(&r, out);
    if (st == TSR_OK)
        name_variant(&r, out);
    else
        tsr_text_config_deinit(out);
    return st;
}

tsr_status tsr_text_config_copy(tsr_text_config *out, const tsr_text_config *from, tsr_error *err)
{
    memset(out, 0, sizeof *out);
    tsr_layer_config *layers = NULL;
    tsr_status st = tsr_alloc_array(&layers, from->n_layers, sizeof *layers, "layer configuration", err);
    if (st != TSR_OK)
        return st;
    *out = *from;
    out->layers = memcpy(layers, from->layers, from->n_layers * sizeof *layers);
    return TSR_OK;
}

void tsr_text_config_deinit(tsr_text_config *c)
{
    if (!c)
        return;
    tsr_free(c->layers);
    memset(c, 0, sizeof *c);
}

const char *tsr_variant_name(tsr_variant v)
{
    switch (v) {
    case TSR_VARIANT_E:
        return "E2B/E4B";
    case TSR_VARIANT_26B:
        return "26B-A4B";
    case TSR_VARIANT_12B:
        return "12B Unified";
    case TSR_VARIANT_31B:
        return "31B";
    }
    return "unknown";
}
