/* ggml_types.c: ggml's type numbers. Facts: ggml.h (enum ggml_type); numbers that it retired keep their names,
 * so that an old file is refused by name. What is supported has the same name here and there; of the rest the blocks'
 * sizes (ggml-common.h), so that such a file can be looked at. And the numbers of whole files' mixtures: llama.h (enum
 * llama_ftype). */
#include "ggml_types_internal.h"

#include <ctype.h>
#include <stddef.h>

#include "tsr_gguf.h"

/* Of a type that is ours the name alone: tensor.c holds the rest. */
#define OURS(name) {name, 0, 0, true}
#define GONE(name) {name, 0, 0, false} /* or never in a file: how it was laid out is no longer told */

static const tsr_type_traits types[] = {
    [0] = OURS("F32"),     [1] = OURS("F16"),     [2] = OURS("Q4_0"),    [3] = OURS("Q4_1"),
    [4] = GONE("Q4_2"),    [5] = GONE("Q4_3"),    [6] = OURS("Q5_0"),    [7] = OURS("Q5_1"),
    [8] = OURS("Q8_0"),    [9] = GONE("Q8_1"),    [10] = OURS("Q2_K"),   [11] = OURS("Q3_K"),
    [12] = OURS("Q4_K"),   [13] = OURS("Q5_K"),   [14] = OURS("Q6_K"),   [15] = {"Q8_K", 256, 292, false},
    [16] = {"IQ2_XXS", 256, 66, false},           [17] = {"IQ2_XS", 256, 74, false},
    [18] = {"IQ3_XXS", 256, 98, false},           [19] = {"IQ1_S", 256, 50, false},
    [20] = OURS("IQ4_NL"),                        [21] = {"IQ3_S", 256, 110, false},
    [22] = {"IQ2_S", 256, 82, false},             [23] = OURS("IQ4_XS"),
    [24] = {"I8", 1, 1, false},                   [25] = {"I16", 1, 2, false},
    [26] = OURS("I32"),    [27] = OURS("I64"),    [28] = {"F64", 1, 8, false}, [29] = {"IQ1_M", 256, 56, false},
    [30] = OURS("BF16"),                          [31] = {"Q4_0_4_4", 32, 18, false},
    [32] = {"Q4_0_4_8", 32, 18, false},           [33] = {"Q4_0_8_8", 32, 18, false},
    [34] = {"TQ1_0", 256, 54, false},             [35] = {"TQ2_0", 256, 66, false},
    [36] = {"IQ4_NL_4_4", 32, 18, false},         [37] = {"IQ4_NL_4_8", 32, 18, false},
    [38] = {"IQ4_NL_8_8", 32, 18, false},         [39] = OURS("MXFP4"),
    [40] = {"NVFP4", 64, 36, false},              [41] = {"Q1_0", 128, 18, false},
};

enum { N_TYPES = sizeof types / sizeof *types };

const char *tsri_ggml_type_name(uint32_t id)
{
    return id < N_TYPES ? types[id].name : NULL;
}

bool tsri_ggml_type_find(uint32_t id, tsr_type *out)
{
    const char *name = tsri_ggml_type_name(id);
    return name && tsr_type_from_name(name, out);
}

const tsr_type_traits *tsri_ggml_type_other(uint32_t id)
{
    return id < N_TYPES && types[id].block_elems ? &types[id] : NULL;
}

bool tsri_ggml_type_id(tsr_type t, uint32_t *id)
{
    for (uint32_t i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, tsr_type_info(t)->name) == 0) {
            *id = i;
            return true;
        }
    return false;
}

static const char *const mixtures[] = {
    [0] = "F32",      [1] = "F16",      [2] = "Q4_0",     [3] = "Q4_1",    [7] = "Q8_0",       [8] = "Q5_0",
    [9] = "Q5_1",     [10] = "Q2_K",    [11] = "Q3_K_S",  [12] = "Q3_K_M", [13] = "Q3_K_L",    [14] = "Q4_K_S",
    [15] = "Q4_K_M",  [16] = "Q5_K_S",  [17] = "Q5_K_M",  [18] = "Q6_K",   [19] = "IQ2_XXS",   [20] = "IQ2_XS",
    [21] = "Q2_K_S",  [22] = "IQ3_XS",  [23] = "IQ3_XXS", [24] = "IQ1_S",  [25] = "IQ4_NL",    [26] = "IQ3_S",
    [27] = "IQ3_M",   [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",     [32] = "BF16",
    [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4_MOE", [39] = "NVFP4", [40] = "Q1_0",
};

enum { N_MIXTURES = sizeof mixtures / sizeof *mixtures };

const char *tsr_gguf_file_type_name(uint32_t id)
{
    return id < N_MIXTURES ? mixtures[id] : NULL;
}

static bool same_letters(const char *a, const char *b)
{
    while (*a && toupper((unsigned char)*a) == toupper((unsigned char)*b))
        a++, b++;
    return *a == *b;
}

bool tsr_gguf_file_type_find(const char *name, uint32_t *id)
{
    for (uint32_t i = 0; i < N_MIXTURES; i++)
        if (mixtures[i] && same_letters(mixtures[i], name)) {
            *id = i;
            return true;
        }
    return false;
}
