/* quantize_types.c: the mixtures as tables. Facts: which tensors llama.cpp's quantizer lifts (src/llama-quant.cpp)
 * and which its converter leaves in F32 (conversion/base.py and gemma.py), as far as these models have them. */
#include "quantize_types.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tsr_gguf_name.h"

enum { NAME_BYTES = 96 };

static const tsri_mixture MIXTURES[] = {
    {"f32", "F32", TSR_F32, true},          {"f16", "F16", TSR_F16, true},
    {"bf16", "BF16", TSR_BF16, true},       {"q8_0", "Q8_0", TSR_Q8_0, true},
    {"q4_0", "Q4_0", TSR_Q4_0, false},      {"q4_1", "Q4_1", TSR_Q4_1, false},
    {"q5_0", "Q5_0", TSR_Q5_0, false},      {"q5_1", "Q5_1", TSR_Q5_1, false},
    {"q2_k", "Q2_K", TSR_Q2_K, false},      {"q3_k_s", "Q3_K_S", TSR_Q3_K, false},
    {"q3_k_m", "Q3_K_M", TSR_Q3_K, false},  {"q3_k_l", "Q3_K_L", TSR_Q3_K, false},
    {"q4_k_s", "Q4_K_S", TSR_Q4_K, false},  {"q4_k_m", "Q4_K_M", TSR_Q4_K, false},
    {"q5_k_s", "Q5_K_S", TSR_Q5_K, false},  {"q5_k_m", "Q5_K_M", TSR_Q5_K, false},
    {"q6_k", "Q6_K", TSR_Q6_K, false},      {"iq4_nl", "IQ4_NL", TSR_IQ4_NL, false},
    {"iq4_xs", "IQ4_XS", TSR_IQ4_XS, false}, {"mxfp4", "MXFP4_MOE", TSR_MXFP4, false},
};

enum { N_MIXTURES = sizeof MIXTURES / sizeof *MIXTURES };

static bool same_letters(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b))
        a++, b++;
    return *a == *b;
}

const tsri_mixture *tsri_mixture_find(const char *name)
{
    for (size_t i = 0; i < N_MIXTURES; i++)
        if (same_letters(MIXTURES[i].name, name))
            return &MIXTURES[i];
    return NULL;
}

void tsri_mixture_names(char *buf, size_t cap, bool for_towers)
{
    size_t n = 0;
    buf[0] = 0;
    for (size_t i = 0; i < N_MIXTURES && n < cap; i++)
        if (!for_towers || MIXTURES[i].for_towers)
            n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", MIXTURES[i].name);
}

/* ---- what is lifted above the base ---- */

typedef enum role { ROLE_NONE, ROLE_ATTN_V, ROLE_ATTN_OUTPUT, ROLE_FFN_DOWN } role;

typedef enum where {
    EVERYWHERE,
    FIRST_2,    /* layers, counted among those that have the tensor */
    FIRST_4,
    FIRST_8TH,  /* of all layers */
    FIRST_16TH,
    SENSITIVE,  /* the first and the last eighth, and every third layer between */
    GROUPED     /* everywhere in models with four or more query heads for each key head */
} where;

/* The first row that fits decides. */
static const struct {
    const char *mixture;
    role role;
    where where;
    tsr_type type;
} LIFTED[] = {
    {"q2_k", ROLE_ATTN_V, GROUPED, TSR_Q4_K},
    {"q2_k", ROLE_ATTN_V, EVERYWHERE, TSR_Q3_K},
    {"q2_k", ROLE_ATTN_OUTPUT, EVERYWHERE, TSR_Q3_K},
    {"q2_k", ROLE_FFN_DOWN, EVERYWHERE, TSR_Q3_K},
    {"q3_k_m", ROLE_ATTN_V, FIRST_2, TSR_Q5_K},
    {"q3_k_m", ROLE_ATTN_V, EVERYWHERE, TSR_Q4_K},
    {"q3_k_m", ROLE_ATTN_OUTPUT, EVERYWHERE, TSR_Q4_K},
    {"q3_k_m", ROLE_FFN_DOWN, FIRST_16TH, TSR_Q5_K},
    {"q3_k_m", ROLE_FFN_DOWN, EVERYWHERE, TSR_Q4_K},
    {"q3_k_l", ROLE_ATTN_V, EVERYWHERE, TSR_Q5_K},
    {"q3_k_l", ROLE_ATTN_OUTPUT, EVERYWHERE, TSR_Q5_K},
    {"q3_k_l", ROLE_FFN_DOWN, EVERYWHERE, TSR_Q5_K},
    {"q4_k_s", ROLE_ATTN_V, FIRST_4, TSR_Q5_K},
    {"q4_k_s", ROLE_FFN_DOWN, FIRST_8TH, TSR_Q5_K},
    {"q4_k_m", ROLE_ATTN_V, SENSITIVE, TSR_Q6_K},
    {"q4_k_m", ROLE_FFN_DOWN, SENSITIVE, TSR_Q6_K},
    {"q5_k_m", ROLE_ATTN_V, SENSITIVE, TSR_Q6_K},
    {"q5_k_m", ROLE_FFN_DOWN, SENSITIVE, TSR_Q6_K},
    {"iq4_nl", ROLE_ATTN_V, GROUPED, TSR_Q5_K},
    {"iq4_nl", ROLE_FFN_DOWN, FIRST_8TH, TSR_Q5_K},
    {"iq4_xs", ROLE_ATTN_V, GROUPED, TSR_Q5_K},
    {"iq4_xs", ROLE_FFN_DOWN, FIRST_8TH, TSR_Q5_K},
};

/* Where a type's blocks do not divide a row; F16 where these don't either. Types that are missing here have blocks of
 * 32 themselves. */
static const struct {
    tsr_type wanted, instead;
} FALLBACKS[] = {
    {TSR_Q2_K, TSR_Q4_0}, {TSR_Q3_K, TSR_Q4_0}, {TSR_Q4_K, TSR_Q5_0},
    {TSR_Q5_K, TSR_Q5_1}, {TSR_Q6_K, TSR_Q8_0}, {TSR_IQ4_XS, TSR_IQ4_NL},
};

/* ---- the model ---- */

static const tsr_view *of_layer(const tsr_weights *tensors, const char *pattern, size_t layer)
{
    char name[NAME_BYTES];
    tsr_gguf_name_print(name, sizeof name, pattern, layer);
    return tsr_weights_find(tensors, name);
}

tsri_mixture_model tsri_mixture_look(const tsr_weights *tensors)
{
    tsri_mixture_model m = {.tensors = tensors};
    m.has_output = tsr_weights_find(tensors, "output.weight") != NULL;
    m.has_experts = of_layer(tensors, "blk.#.ffn_gate_inp.weight", 0) != NULL;
    while (of_layer(tensors, "blk.#.attn_q.weight", m.n_layers))
        m.n_attn_v += of_layer(tensors, "blk.#.attn_v.weight", m.n_layers++) != NULL;
    const tsr_view *q = of_layer(tensors, "blk.#.attn_q.weight", 0), *k = of_layer(tensors, "blk.#.attn_k.weight", 0);
    m.is_grouped = q && k && q->shape[0] / k->shape[0] >= 4;
    return m;
}

/* How many layers before this one have an attn_v. */
static size_t attn_v_before(const tsri_mixture_model *m, size_t layer)
{
    size_t n = 0;
    for (size_t i = 0; i < layer && i < m->n_layers; i++)
        n += of_layer(m->tensors, "blk.#.attn_v.weight", i) != NULL;
    return n;
}

static bool is_sensitive(size_t i, size_t n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool holds(where w, const tsri_mixture_model *m, size_t i, size_t n)
{
    switch (w) {
    case EVERYWHERE: return true;
    case FIRST_2: return i < 2;
    case FIRST_4: return i < 4;
    case FIRST_8TH: return i < n / 8;
    case FIRST_16TH: return i < n / 16;
    case SENSITIVE: return is_sensitive(i, n);
    case GROUPED: return m->is_grouped;
    }
    return false;
}

static role role_of(const char *name, size_t *layer)
{
    static const struct {
        const char *pattern;
        role role;
    } roles[] = {
        {"blk.#.attn_v.weight", ROLE_ATTN_V},
        {"blk.#.attn_output.weight", ROLE_ATTN_OUTPUT},
        {"blk.#.ffn_down.weight", ROLE_FFN_DOWN},
        {"blk.#.ffn_down_exps.weight", ROLE_FFN_DOWN},
    };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (tsr_gguf_name_match(roles[i].pattern, name, layer))
            return roles[i].role;
    return ROLE_NONE;
}

static tsr_type lift(const tsri_mixture *mix, const tsri_mixture_model *m, const char *name)
{
    size_t layer = 0;
    role r = role_of(name, &layer);
    size_t i = r == ROLE_ATTN_V ? attn_v_before(m, layer) : layer, n = r == ROLE_ATTN_V ? m->n_attn_v : m->n_layers;
    for (size_t k = 0; k < sizeof LIFTED / sizeof *LIFTED && r != ROLE_NONE; k++)
        if (strcmp(LIFTED[k].mixture, mix->name) == 0 && LIFTED[k].role == r && holds(LIFTED[k].where, m, i, n))
            return LIFTED[k].type;
    return mix->base;
}

/* ---- one tensor ---- */

static bool divides(tsr_type t, const tsr_view *v)
{
    return tsr_view_cols(v) % tsr_type_info(t)->block_elems == 0;
}

static tsri_type_choice fit(tsr_type wanted, const tsr_view *v)
{
    tsri_type_choice c = {wanted, wanted};
    for (size_t i = 0; i < sizeof FALLBACKS / sizeof *FALLBACKS && !divides(c.type, v); i++)
        if (FALLBACKS[i].wanted == wanted)
            c.type = FALLBACKS[i].instead;
    if (!divides(c.type, v))
        c.type = TSR_F16;
    return c;
}

static tsri_type_choice exactly(tsr_type type)
{
    return (tsri_type_choice){type, type};
}

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), m = strlen(tail);
    return n >= m && strcmp(name + n - m, tail) == 0;
}

/* F32 on both sides; where a file has blocks here, it keeps them. */
static tsri_type_choice plain(const tsr_view *v)
{
    return exactly(tsr_type_is_block(v->type) ? v->type : TSR_F32);
}

/* The table that tokens are looked up in and, without an output of its own, scored with. */
static tsr_type table_type(const tsri_mixture *mix, const tsri_mixture_model *m, bool is_output, const tsr_view *v)
{
    if (!is_output && m->has_output)
        return mix->base == TSR_MXFP4 ? TSR_Q8_0 : mix->base;
    return mix->base == TSR_Q8_0 || mix->base == TSR_MXFP4 || !divides(mix->base, v) ? TSR_Q8_0 : TSR_Q6_K;
}

/* MXFP4 is for what makes a model large: the experts, or the matrices of a model without them. */
static tsr_type mxfp4_type(const tsri_mixture_model *m, const tsr_view *v)
{
    return m->has_experts && v->n_dims < 3 ? TSR_Q8_0 : TSR_MXFP4;
}

tsri_type_choice tsri_mixture_text_type(const tsri_mixture *mix, const tsri_mixture_model *m, const char *name,
                                        const tsr_view *v)
{
    bool is_output = strcmp(name, "output.weight") == 0;
    if (v->n_dims < 2 || !ends_with(name, ".weight") || ends_with(name, "_norm.weight") ||
        ends_with(name, "ffn_gate_inp.weight"))
        return plain(v);
    if (!tsr_type_is_block(mix->base))
        return exactly(mix->base);
    if (strcmp(name, "per_layer_model_proj.weight") == 0)
        return exactly(v->type);
    if (is_output || strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return fit(table_type(mix, m, is_output, v), v);
    return fit(mix->base == TSR_MXFP4 ? mxfp4_type(m, v) : lift(mix, m, name), v);
}

/* The convolutions and what follows them, and the positions; the kernel of the patches is F16 at most. */
static bool stays_f32(const char *name)
{
    return strncmp(name, "a.conv1d.", 9) == 0 || strcmp(name, "a.input_projection.weight") == 0 ||
           strstr(name, ".conv_dw.") || strstr(name, "position_embd");
}

tsri_type_choice tsri_mixture_tower_type(const tsri_mixture *mix, const char *name, const tsr_view *v)
{
    if (v->n_dims < 2 || !ends_with(name, ".weight") || ends_with(name, "_norm.weight") || stays_f32(name))
        return plain(v);
    if (strcmp(name, "v.patch_embd.weight") == 0)
        return mix->base == TSR_F16 ? exactly(TSR_F16) : plain(v);
    return fit(mix->base, v);
}
