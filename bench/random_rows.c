/* random_rows.c: where each type keeps its scales is told in docs/formats.md. */
#include "random_rows.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { N_LEVELS = 1 << 12, PROBE_BLOCKS = 512, MAX_BLOCK_BYTES = 256, MAX_BLOCK_ELEMS = 256, E8M0_ONE = 127 };

/* ---- bits ---- */

random_bits random_of_name(const char *name)
{
    random_bits r = {0};
    for (const char *c = name; *c; c++)
        r.state = (r.state ^ (unsigned char)*c) * 0x100000001B3u;
    return r;
}

static uint64_t next(random_bits *r)
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* ---- ranges ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* The first line whose text is in the name wins. Norms of queries and keys are small, so that scores of random ones
 * stay small too: large ones pick single keys and turn a rounding into another answer. */
value_range value_range_of(const char *name, unsigned n_dims, const size_t *dims)
{
    static const struct {
        const char *part;
        value_range range;
    } known[] = {
        {"put_min", {-6.0, 0.5}},         {"put_max", {6.0, 0.5}},
        {"q_norm", {0.25, 0.1}},          {"k_norm", {0.25, 0.1}},
        {"layer_scalar", {0.9, 0.1}},     {"layer_output_scale", {0.9, 0.1}},
        {"output_norm", {16.0, 8.0}},     {"language_model.norm", {16.0, 8.0}},
        {"per_dim_scale", {0.5, 0.5}},    {"position_embd", {0.0, 0.5}},
        {"pos_embedding", {0.0, 0.5}},    {"position_embedding_table", {0.0, 0.5}},
        {"std_bias", {0.0, 0.5}},         {"layer0.conv", {0.0, 0.5}},
        {"conv1d.0.weight", {0.0, 0.5}},  {"layer1.conv", {0.0, 0.05}},
        {"conv1d.1.weight", {0.0, 0.05}}, {"depthwise_conv", {0.0, 0.5}},
        {"conv_dw", {0.0, 0.5}},          {"embed_tokens_per_layer", {0.0, 0.1}},
        {"per_layer_token_embd", {0.0, 0.1}}, {"embed_tokens", {0.0, 0.04}},
        {"token_embd", {0.0, 0.04}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(name, known[i].part))
            return known[i].range;
    if (ends_with(name, "bias"))
        return (value_range){0.0, 0.3};
    if (n_dims < 2)
        return (value_range){1.0, 0.3};
    return (value_range){0.0, sqrt(6.0 / (double)dims[n_dims - 1])};
}

/* ---- scales ---- */

typedef struct scales {
    tsr_type type;
    size_t d, m;  /* bytes of a block where the f16 scale and offset stand; m 0: no offset */
    double ratio; /* the offset's scale for a scale of 1, so that the values' mean is 0 */
} scales;

static const scales places[] = {
    {TSR_Q8_0, 0, 0, 0},       {TSR_Q4_0, 0, 0, 0},      {TSR_Q4_1, 0, 2, -7.5},   {TSR_Q5_0, 0, 0, 0},
    {TSR_Q5_1, 0, 2, -15.5},   {TSR_Q2_K, 80, 82, 1.5},  {TSR_Q3_K, 108, 0, 0},    {TSR_Q4_K, 0, 2, 7.5},
    {TSR_Q5_K, 0, 2, 15.5},    {TSR_Q6_K, 208, 0, 0},    {TSR_IQ4_NL, 0, 0, 0},    {TSR_IQ4_XS, 0, 0, 0},
};

static const scales *places_of(tsr_type type)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i].type == type)
            return &places[i];
    return NULL;
}

static void put_16(unsigned char *at, uint16_t v)
{
    at[0] = (unsigned char)v;
    at[1] = (unsigned char)(v >> 8);
}

/* The scale of one block around `middle`, three quarters to five quarters of it. */
static void set_scale(tsr_type type, unsigned char *block, double middle, uint64_t bits)
{
    const scales *p = places_of(type);
    double d = middle * (0.75 + (double)(bits & 0xffff) / 0x20000);
    if (!p) { /* MXFP4: a power of two */
        double e = E8M0_ONE + round(log2(d));
        block[0] = (unsigned char)(e < 1 ? 1 : e > 254 ? 254 : e);
        return;
    }
    put_16(block + p->d, tsr_f32_to_f16((float)d));
    if (p->m)
        put_16(block + p->m, tsr_f32_to_f16((float)(d * p->ratio)));
}

static void fill_blocks(const row_recipe *r, random_bits *bits, double middle, unsigned char *dst, size_t n)
{
    size_t step = tsr_type_info(r->type)->block_bytes, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t b = next(bits);
        memcpy(dst + i, &b, 8);
    }
    for (; i < n; i++)
        dst[i] = (unsigned char)next(bits);
    for (i = 0; i < n; i += step)
        set_scale(r->type, dst + i, middle, next(bits));
}

/* Standard deviation of random blocks whose scale is about 1. */
static double measure(const row_recipe *r)
{
    static unsigned char blocks[PROBE_BLOCKS * MAX_BLOCK_BYTES];
    static float values[PROBE_BLOCKS * MAX_BLOCK_ELEMS];
    const tsr_type_traits *t = tsr_type_info(r->type);
    random_bits bits = {1};
    size_t n = PROBE_BLOCKS * t->block_elems;
    double sum = 0;
    assert(t->block_bytes <= MAX_BLOCK_BYTES && t->block_elems <= MAX_BLOCK_ELEMS);
    fill_blocks(r, &bits, 1.0, blocks, PROBE_BLOCKS * t->block_bytes);
    tsr_view v = {.data = blocks, .type = r->type, .n_dims = 2, .shape = {1, n, 1, 1}, .n_elems = n,
                  .n_bytes = PROBE_BLOCKS * t->block_bytes};
    tsr_view_decode(&v, 0, 0, n, values);
    for (size_t i = 0; i < n; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum / (double)n);
}

/* ---- entry points ---- */

static uint32_t bits_of(tsr_type type, double v)
{
    float f = (float)v;
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return type == TSR_F32 ? b : type == TSR_F16 ? tsr_f32_to_f16(f) : tsr_f32_to_bf16(f);
}

void row_recipe_init(row_recipe *r, tsr_type type, value_range range)
{
    *r = (row_recipe){.type = type, .range = range};
    if (tsr_type_is_block(type)) {
        assert(range.mean == 0);
        r->unit = measure(r);
        return;
    }
    for (size_t i = 0; i < N_LEVELS; i++)
        r->level[i] = bits_of(type, range.mean + range.reach * ((double)i + 0.5 - N_LEVELS / 2) / (N_LEVELS / 2));
}

static void fill_plain(const row_recipe *r, random_bits *bits, unsigned char *dst, size_t n)
{
    size_t size = tsr_type_info(r->type)->block_bytes;
    for (size_t i = 0; i < n; i += 4 * size) {
        uint64_t b = next(bits);
        for (size_t k = i; k < n && k < i + 4 * size; k += size, b >>= 16)
            memcpy(dst + k, &r->level[b & (N_LEVELS - 1)], size);
    }
}

void random_rows(const row_recipe *r, random_bits *bits, unsigned char *dst, size_t n)
{
    if (tsr_type_is_block(r->type))
        fill_blocks(r, bits, r->range.reach / sqrt(3.0) / r->unit, dst, n); /* the deviation of a uniform value */
    else
        fill_plain(r, bits, dst, n);
}
