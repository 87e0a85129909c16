/* gguf_text.c: a Gemma 4 GGUF file as a configuration and a table of tensors. */
#include "tsr_gguf_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf_text_internal.h"
#include "tsr_gguf_name.h"

enum { NAME_BYTES = 128, SHOWN_BYTES = 40 };

/* ---- which file this is ---- */

static bool is_text(tsr_gguf_str s, const char *want)
{
    return s.len == strlen(want) && memcmp(s.data, want, s.len) == 0;
}

tsr_gguf_kind tsr_gguf_text_kind(const tsr_gguf *g)
{
    static const char *const drafters[] = {"gemma4-assistant", "gemma4_assistant", "gemma4_mtp"};
    tsr_gguf_str arch = {"", 0};
    tsr_gguf_get_str(g, "general.architecture", TSR_GGUF_OPTIONAL, &arch, NULL);
    if (is_text(arch, "gemma4"))
        return TSR_GGUF_KIND_TEXT;
    if (is_text(arch, "clip"))
        return TSR_GGUF_KIND_MMPROJ;
    for (size_t i = 0; i < sizeof drafters / sizeof *drafters; i++)
        if (is_text(arch, drafters[i]))
            return TSR_GGUF_KIND_DRAFTER;
    return TSR_GGUF_KIND_OTHER;
}

static tsr_status refuse_other(const tsr_gguf *g, tsr_error *err)
{
    const char *file = tsr_gguf_path(g);
    tsr_gguf_str arch = {"", 0};
    tsr_status st = tsr_gguf_get_str(g, "general.architecture", TSR_GGUF_REQUIRED, &arch, err);
    int shown = (int)(arch.len < SHOWN_BYTES ? arch.len : SHOWN_BYTES);
    if (st != TSR_OK)
        return st;
    switch (tsr_gguf_text_kind(g)) {
    case TSR_GGUF_KIND_MMPROJ:
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key general.architecture: is 'clip': this file holds the vision "
                        "and sound parts of a model (an mmproj); expected the text model, 'gemma4'", file);
    case TSR_GGUF_KIND_DRAFTER:
        st = is_text(arch, "gemma4-assistant") ? tsri_gguf_drafter_check(g, err) : TSR_OK;
        return st != TSR_OK ? st
                            : tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key general.architecture: is '%.*s': a drafter, "
                                       "which guesses tokens for a larger model and can't answer alone", file, shown,
                                       arch.data);
    default:
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key general.architecture: is '%.*s'; expected 'gemma4'", file,
                        shown, arch.data);
    }
}

/* ---- the configuration ---- */

/* Every put takes part in one chain of truths, tested once at its end. */
static bool put_size(tsr_json *o, const char *key, size_t n)
{
    return tsr_json_set(o, key, tsr_json_new_i64((int64_t)n));
}

static bool put_real(tsr_json *o, const char *key, double x)
{
    return tsr_json_set(o, key, tsr_json_new_double(x));
}

static bool put_bool(tsr_json *o, const char *key, bool b)
{
    return tsr_json_set(o, key, tsr_json_new_bool(b));
}

static bool put_text(tsr_json *o, const char *key, const char *s)
{
    return tsr_json_set(o, key, tsr_json_new_string(s, strlen(s)));
}

/* A new member that is an object or list; NULL when memory is short. */
static tsr_json *put_new(tsr_json *o, const char *key, tsr_json *v)
{
    return tsr_json_set(o, key, v) ? v : NULL;
}

static bool put_sizes(tsr_json *o, const tsri_gguf_facts *f)
{
    bool sliding = f->head_dim[TSR_LAYER_SLIDING] > 0;
    tsr_layer_type usual = sliding ? TSR_LAYER_SLIDING : TSR_LAYER_FULL;
    return put_size(o, "num_hidden_layers", f->n_layers) && put_size(o, "hidden_size", f->hidden) &&
           put_size(o, "num_attention_heads", f->n_heads) && put_size(o, "num_key_value_heads", f->n_kv[usual]) &&
           put_size(o, "head_dim", f->head_dim[usual]) && put_size(o, "intermediate_size", f->ffn_width) &&
           put_bool(o, "use_double_wide_mlp", f->wide) && put_size(o, "vocab_size", f->vocab) &&
           put_size(o, "sliding_window", f->window) && put_size(o, "max_position_embeddings", f->positions) &&
           put_size(o, "num_kv_shared_layers", f->n_shared) && put_bool(o, "attention_k_eq_v", f->k_eq_v) &&
           put_real(o, "rms_norm_eps", (double)f->eps) && put_size(o, "pad_token_id", f->pad_id) &&
           put_size(o, "hidden_size_per_layer_input", f->ple_dim) &&
           (!f->ple_dim || put_size(o, "vocab_size_per_layer_input", f->ple_vocab)) &&
           (!(f->soft_cap > 0) || put_real(o, "final_logit_softcapping", (double)f->soft_cap)) &&
           tsr_json_set(o, "use_bidirectional_attention",
                        f->ple_dim ? tsr_json_new_null() : tsr_json_new_string("vision", 6));
}

static bool put_experts(tsr_json *o, const tsri_gguf_facts *f)
{
    if (f->n_experts == 0)
        return put_bool(o, "enable_moe_block", false);
    return put_bool(o, "enable_moe_block", true) && put_size(o, "num_experts", f->n_experts) &&
           put_size(o, "top_k_experts", f->top_k) && put_size(o, "moe_intermediate_size", f->expert_width);
}

/* Types of all layers, and what full ones have otherwise. */
static bool put_layers(tsr_json *o, const tsri_gguf_facts *f)
{
    tsr_json *types = put_new(o, "layer_types", tsr_json_new_array());
    tsr_json *overrides = put_new(o, "per_layer_config", tsr_json_new_object());
    bool ok = types && overrides;
    for (size_t i = 0; i < f->n_layers && ok; i++) {
        const char *type = f->sliding[i] ? "sliding_attention" : "full_attention";
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        ok = tsr_json_append(types, tsr_json_new_string(type, strlen(type)));
        if (f->sliding[i] || !ok)
            continue;
        tsr_json *full = put_new(overrides, key, tsr_json_new_object());
        ok = full && put_size(full, "head_dim", f->head_dim[TSR_LAYER_FULL]) &&
             put_size(full, "num_key_value_heads", f->n_kv[TSR_LAYER_FULL]);
    }
    return ok;
}

/* The share whose product with the head dim, rounded down, gives the number back. */
static double rotated_share(size_t n_rotated, size_t head_dim)
{
    double share = 2.0 * (double)n_rotated / (double)head_dim;
    if ((size_t)floor(share * (double)head_dim / 2.0) < n_rotated)
        share = nextafter(share, 2.0);
    return share;
}

static bool put_rope(tsr_json *o, const tsri_gguf_facts *f)
{
    tsr_json *rope = put_new(o, "rope_parameters", tsr_json_new_object());
    tsr_json *sliding = rope ? put_new(rope, "sliding_attention", tsr_json_new_object()) : NULL;
    tsr_json *full = rope ? put_new(rope, "full_attention", tsr_json_new_object()) : NULL;
    return sliding && full && put_text(sliding, "rope_type", "default") &&
           put_real(sliding, "rope_theta", (double)f->theta[TSR_LAYER_SLIDING]) &&
           put_text(full, "rope_type", "proportional") &&
           put_real(full, "rope_theta", (double)f->theta[TSR_LAYER_FULL]) &&
           put_real(full, "partial_rotary_factor", rotated_share(f->n_rotated, f->head_dim[TSR_LAYER_FULL]));
}

static tsr_status make_config(tsr_json **out, const tsri_gguf_facts *f, tsr_error *err)
{
    tsr_json *root = tsr_json_new_object(), *text = NULL;
    bool ok = root && put_text(root, "model_type", "gemma4") && put_bool(root, "tie_word_embeddings", true);
    if (ok)
        text = put_new(root, "text_config", tsr_json_new_object());
    if (!text || !put_sizes(text, f) || !put_experts(text, f) || !put_layers(text, f) || !put_rope(text, f)) {
        tsr_json_free(root);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the configuration of %s", tsr_gguf_path(f->g));
    }
    *out = root;
    return TSR_OK;
}

tsr_status tsr_gguf_text_config(tsr_json **out, const tsr_gguf *g, tsr_error *err)
{
    tsri_gguf_facts f;
    *out = NULL;
    if (tsr_gguf_text_kind(g) != TSR_GGUF_KIND_TEXT)
        return refuse_other(g, err);
    tsr_status st = tsri_gguf_facts_read(&f, g, false, err);
    if (st == TSR_OK)
        st = make_config(out, &f, err);
    tsri_gguf_facts_deinit(&f);
    return st;
}

/* ---- the tensors ---- */

/* What the file calls one of our tensors; those that are not ours keep the name that they have there. */
static bool file_name(const char *name, char *buf, size_t cap)
{
    size_t layer;
    const tsr_gguf_text_tensor *row = tsr_gguf_text_find_hf(name, &layer);
    if (row)
        tsr_gguf_name_print(buf, cap, row->gguf, layer);
    return row != NULL;
}

tsr_status tsr_gguf_text_weights(tsr_weights *w, const tsr_gguf *g, tsr_error *err)
{
    tsr_status st = tsr_weights_set_alias(w, tsr_gguf_path(g), file_name, err);
    for (size_t i = 0; i < tsr_gguf_n_tensors(g) && st == TSR_OK; i++) {
        const tsr_gguf_tensor *t = tsr_gguf_tensor_at(g, i);
        char name[NAME_BYTES];
        size_t layer;
        const tsr_gguf_text_tensor *row = tsr_gguf_text_find_gguf(t->name, &layer);
        if (row && !row->hf)
            continue; /* the configuration has read it */
        if (row)
            tsr_gguf_name_print(name, sizeof name, row->hf, layer);
        st = tsr_weights_add(w, row ? name : t->name, &t->view, err);
    }
    return st;
}
