/* test_model_sizes.c: the table of model files in docs/formats.md, computed from the real models' shapes by the rules
 * that quantize and the cache follow. With the argument --print the program writes the table. */
#include <math.h>
#include <stdio.h>

#include "quantize_types.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_kv_cache.h"
#include "tsr_weights.h"

enum { VOCAB = 262144, SLIDING_DIM = 256, FULL_DIM = 512, CHUNK = 512 };

/* MODEL.md, "The five variants". */
typedef struct variant {
    const char *name;
    size_t n_layers, hidden, n_heads, kv_sliding, kv_full, ffn, ffn_shared;
    size_t period; /* every period-th layer is full */
    size_t n_shared, window, ple;
    bool k_eq_v;
    size_t n_experts, expert_width;
    bool large_tower, has_tower, hears;
} variant;

static const variant variants[] = {
    {"E2B", 35, 1536, 8, 1, 1, 6144, 12288, 5, 20, 512, 256, false, 0, 0, false, true, true},
    {"E4B", 42, 2560, 8, 2, 2, 10240, 10240, 6, 18, 512, 256, false, 0, 0, false, true, true},
    {"12B", 48, 3840, 16, 8, 1, 15360, 15360, 6, 0, 1024, 0, true, 0, 0, false, false, true},
    {"26B-A4B", 30, 2816, 16, 8, 2, 2112, 2112, 6, 0, 1024, 0, true, 128, 704, true, true, false},
    {"31B", 60, 5376, 32, 16, 4, 21504, 21504, 6, 0, 1024, 0, true, 0, 0, true, true, false},
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

static const char *const types[] = {"bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "iq4_xs", "q3_k_m", "q2_k"};
enum { N_COLUMNS = sizeof types / sizeof *types };

/* ---- shapes ---- */

static void add(tsr_weights *w, const char *name, unsigned n_dims, size_t a, size_t b, size_t c)
{
    tsr_view v;
    tsr_error err = {TSR_OK, ""};
    /* Sizes alone are asked of these views. */
    if (tsr_view_make(&v, TSR_BF16, n_dims, (const size_t[]){a, b, c}, NULL, SIZE_MAX, name, &err) != TSR_OK ||
        tsr_weights_add(w, name, &v, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static void add_layer(tsr_weights *w, const char *prefix, size_t l, const char *name, unsigned n_dims, size_t a, size_t b,
                      size_t c)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%zu.%s", prefix, l, name);
    add(w, full, n_dims, a, b, c);
}

static bool is_full(const variant *m, size_t l)
{
    return (l + 1) % m->period == 0;
}

static void add_attention(tsr_weights *w, const variant *m, size_t l)
{
    size_t d = is_full(m, l) ? FULL_DIM : SLIDING_DIM, n_kv = is_full(m, l) ? m->kv_full : m->kv_sliding, h = m->hidden;
    add_layer(w, "blk", l, "attn_q.weight", 2, m->n_heads * d, h, 1);
    add_layer(w, "blk", l, "attn_q_norm.weight", 1, d, 1, 1);
    add_layer(w, "blk", l, "attn_output.weight", 2, h, m->n_heads * d, 1);
    if (l >= m->n_layers - m->n_shared)
        return;
    add_layer(w, "blk", l, "attn_k.weight", 2, n_kv * d, h, 1);
    add_layer(w, "blk", l, "attn_k_norm.weight", 1, d, 1, 1);
    if (!m->k_eq_v || !is_full(m, l))
        add_layer(w, "blk", l, "attn_v.weight", 2, n_kv * d, h, 1);
}

static void add_ffn(tsr_weights *w, const variant *m, size_t l)
{
    size_t h = m->hidden, f = l >= m->n_layers - m->n_shared ? m->ffn_shared : m->ffn, e = m->n_experts;
    add_layer(w, "blk", l, "ffn_gate.weight", 2, f, h, 1);
    add_layer(w, "blk", l, "ffn_up.weight", 2, f, h, 1);
    add_layer(w, "blk", l, "ffn_down.weight", 2, h, f, 1);
    if (e == 0)
        return;
    add_layer(w, "blk", l, "ffn_gate_inp.weight", 2, e, h, 1);
    add_layer(w, "blk", l, "ffn_gate_up_exps.weight", 3, e, 2 * m->expert_width, h);
    add_layer(w, "blk", l, "ffn_down_exps.weight", 3, e, h, m->expert_width);
}

static void add_text(tsr_weights *w, const variant *m)
{
    size_t h = m->hidden;
    add(w, "token_embd.weight", 2, VOCAB, h, 1);
    add(w, "output_norm.weight", 1, h, 1, 1);
    if (m->ple) {
        add(w, "per_layer_token_embd.weight", 2, VOCAB, m->n_layers * m->ple, 1);
        add(w, "per_layer_model_proj.weight", 2, m->n_layers * m->ple, h, 1);
    }
    for (size_t l = 0; l < m->n_layers; l++) {
        add_attention(w, m, l);
        add_ffn(w, m, l);
        add_layer(w, "blk", l, "attn_norm.weight", 1, h, 1, 1); /* the other norms are a few kilobytes more */
        if (m->ple) {
            add_layer(w, "blk", l, "inp_gate.weight", 2, m->ple, h, 1);
            add_layer(w, "blk", l, "proj.weight", 2, h, m->ple, 1);
        }
    }
}

static void add_tower(tsr_weights *w, const variant *m)
{
    size_t n = m->large_tower ? 27 : 16, h = m->large_tower ? 1152 : 768, f = m->large_tower ? 4304 : 3072;
    static const char *const squares[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_out.weight"};
    add(w, "v.patch_embd.weight", 2, h, 768, 1);
    add(w, "v.position_embd.weight", 3, 2, 10240, h);
    for (size_t l = 0; l < n; l++) {
        for (size_t i = 0; i < 4; i++)
            add_layer(w, "v.blk", l, squares[i], 2, h, h, 1);
        add_layer(w, "v.blk", l, "ffn_gate.weight", 2, f, h, 1);
        add_layer(w, "v.blk", l, "ffn_up.weight", 2, f, h, 1);
        add_layer(w, "v.blk", l, "ffn_down.weight", 2, h, f, 1);
    }
    add(w, "mm.input_projection.weight", 2, m->hidden, h, 1);
}

static void add_hearing(tsr_weights *w, const variant *m)
{
    enum { H = 1024, F = 4096, LAYERS = 12, OUT = 1536 };
    static const char *const squares[] = {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_out.weight",
                                          "attn_k_rel.weight", "conv_pw2.weight"};
    add(w, "a.conv1d.0.weight", 2, 128, 9, 1);
    add(w, "a.conv1d.1.weight", 2, 32, 128 * 9, 1);
    add(w, "a.input_projection.weight", 2, H, H, 1);
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
            add_layer(w, "a.blk", l, squares[i], 2, H, H, 1);
        add_layer(w, "a.blk", l, "ffn_up.weight", 2, F, H, 1);
        add_layer(w, "a.blk", l, "ffn_down.weight", 2, H, F, 1);
        add_layer(w, "a.blk", l, "ffn_up_1.weight", 2, F, H, 1);
        add_layer(w, "a.blk", l, "ffn_down_1.weight", 2, H, F, 1);
        add_layer(w, "a.blk", l, "conv_pw1.weight", 2, 2 * H, H, 1);
        add_layer(w, "a.blk", l, "conv_dw.weight", 2, H, 5, 1);
    }
    add(w, "a.pre_encode.out.weight", 2, OUT, H, 1);
    add(w, "mm.a.input_projection.weight", 2, m->hidden, OUT, 1);
}

static void add_unified(tsr_weights *w, const variant *m)
{
    add(w, "v.patch_embd.weight", 2, m->hidden, 6912, 1);
    add(w, "v.position_embd.weight", 3, 2, 1120, m->hidden);
    add(w, "mm.input_projection.weight", 2, m->hidden, m->hidden, 1);
    add(w, "mm.a.input_projection.weight", 2, m->hidden, 640, 1);
}

/* ---- sums ---- */

static tsr_weights *new_table(void)
{
    tsr_weights *w;
    assert_int_equal(tsr_weights_new(&w, "sizes", NULL), TSR_OK);
    return w;
}

static uint64_t bytes_as(const tsr_view *v, tsr_type type)
{
    const tsr_type_traits *t = tsr_type_info(type);
    assert_int_equal(tsr_view_cols(v) % t->block_elems, 0);
    return (uint64_t)(v->n_elems / t->block_elems) * t->block_bytes;
}

static uint64_t text_bytes(const tsr_weights *w, const char *type)
{
    const tsri_mixture *mix = tsri_mixture_find(type);
    tsri_mixture_model m = tsri_mixture_look(w);
    uint64_t n = 0;
    for (size_t i = 0; i < tsr_weights_count(w); i++) {
        const tsr_view *v = tsr_weights_view(w, i);
        n += bytes_as(v, tsri_mixture_text_type(mix, &m, tsr_weights_name(w, i), v).type);
    }
    return n;
}

static uint64_t tower_bytes(const variant *m, const char *type)
{
    const tsri_mixture *mix = tsri_mixture_find(type);
    tsr_weights *w = new_table();
    uint64_t n = 0;
    if (!m->has_tower)
        add_unified(w, m);
    else
        add_tower(w, m);
    if (m->has_tower && m->hears)
        add_hearing(w, m);
    for (size_t i = 0; i < tsr_weights_count(w); i++) {
        const tsr_view *v = tsr_weights_view(w, i);
        n += bytes_as(v, tsri_mixture_tower_type(mix, tsr_weights_name(w, i), v).type);
    }
    tsr_weights_close(w);
    return n;
}

static size_t cache_bytes(const variant *m, size_t ctx, tsr_type type)
{
    tsr_kv_layer_spec layers[64] = {{0, 0, 0, 0}};
    size_t n;
    for (size_t l = 0; l < m->n_layers - m->n_shared; l++) {
        bool full = is_full(m, l);
        layers[l] = (tsr_kv_layer_spec){full ? m->kv_full : m->kv_sliding, full ? FULL_DIM : SLIDING_DIM,
                                        full ? 0 : m->window, 0};
    }
    assert_int_equal(tsr_kv_cache_plan(&n, layers, m->n_layers, ctx, CHUNK, type, NULL), TSR_OK);
    return n;
}

/* ---- the table ---- */

static void table_line(char *line, size_t cap, const variant *m)
{
    tsr_weights *w = new_table();
    add_text(w, m);
    size_t n = (size_t)snprintf(line, cap, "| %s |", m->name);
    for (size_t i = 0; i < N_COLUMNS; i++)
        n += (size_t)snprintf(line + n, cap - n, " %.1f |", (double)text_bytes(w, types[i]) / 1e9);
    snprintf(line + n, cap - n, " %.2f | %.2f |", (double)tower_bytes(m, "bf16") / 1e9, (double)tower_bytes(m, "q8_0") / 1e9);
    tsr_weights_close(w);
}

/* What 1,000 more positions take, and what the sliding layers take once they are full. */
static void cache_line(char *line, size_t cap, const variant *m)
{
    static const tsr_type kinds[] = {TSR_F32, TSR_F16, TSR_Q8_0};
    enum { FAR = 100000 };
    size_t n = (size_t)snprintf(line, cap, "| %s |", m->name);
    for (size_t i = 0; i < 3; i++) {
        double each = (double)(cache_bytes(m, FAR + 1000, kinds[i]) - cache_bytes(m, FAR, kinds[i]));
        double fixed = (double)cache_bytes(m, FAR, kinds[i]) - each * FAR / 1000;
        n += (size_t)snprintf(line + n, cap - n, " %.1f + %.0f |", each / 1e6, fixed / 1e6);
    }
}

static void the_tables_in_the_docs_are_computed(void **state)
{
    (void)state;
    size_t len;
    unsigned char *docs = test_read_file(TSR_SOURCE_DIR "/docs/formats.md", &len);
    for (size_t i = 0; i < N_VARIANTS; i++) {
        char line[512];
        table_line(line, sizeof line, &variants[i]);
        if (!strstr((const char *)docs, line))
            fail_msg("docs/formats.md lacks: %s", line);
        cache_line(line, sizeof line, &variants[i]);
        if (!strstr((const char *)docs, line))
            fail_msg("docs/formats.md lacks: %s", line);
    }
    free(docs);
}

/* As the model card counts them: all parameters in billions. */
static void the_shapes_have_the_published_numbers_of_parameters(void **state)
{
    (void)state;
    static const double want[] = {5.1, 8.0, 12.0, 25.8, 31.2}; /* with towers; text alone is 25.2 and 30.7 */
    for (size_t i = 0; i < N_VARIANTS; i++) {
        tsr_weights *w = new_table();
        double n = 0;
        add_text(w, &variants[i]);
        if (!variants[i].has_tower)
            add_unified(w, &variants[i]);
        else
            add_tower(w, &variants[i]);
        if (variants[i].has_tower && variants[i].hears)
            add_hearing(w, &variants[i]);
        for (size_t k = 0; k < tsr_weights_count(w); k++)
            n += (double)tsr_weights_view(w, k)->n_elems;
        tsr_weights_close(w);
        print_message("%s: %.3f billion parameters\n", variants[i].name, n / 1e9);
        if (fabs(n / 1e9 - want[i]) > 0.05 * want[i])
            fail_msg("%s: %.3f billion, published %.1f", variants[i].name, n / 1e9, want[i]);
    }
}

static void print_tables(void)
{
    char line[512];
    for (size_t i = 0; i < N_VARIANTS; i++) {
        table_line(line, sizeof line, &variants[i]);
        print_message("%s\n", line);
    }
    for (size_t i = 0; i < N_VARIANTS; i++) {
        cache_line(line, sizeof line, &variants[i]);
        print_message("%s\n", line);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shapes_have_the_published_numbers_of_parameters),
        cmocka_unit_test(the_tables_in_the_docs_are_computed),
    };
    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        print_tables();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
