/* shapes.h: the five variants in their true sizes (MODEL.md section 1), and a tiny one for tests: which tensors a
 * checkpoint has, under Hugging Face's names, and its configuration. */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SHAPE_VOCAB = 262144 };

typedef struct shape {
    const char *name; /* "e2b" */
    bool is_unified;  /* 12B: no towers */
    size_t n_layers, hidden, n_heads, kv_sliding, kv_full, head_sliding, head_full, ffn, period, n_shared, window;
    size_t positions, ple, n_experts, top_k, expert_width;
    bool k_eq_v, wide_shared, is_bidirectional;
    size_t v_layers, v_hidden, v_ffn, v_heads, v_positions;
    bool v_clipped, v_standard;
    size_t a_layers, a_hidden, a_heads; /* 0: hears nothing */
} shape;

const shape *shape_find(const char *name); /* NULL: none of that name */
void shape_names(FILE *to);                /* "e2b, e4b, ..." */

typedef struct shape_tensor {
    char name[120];
    unsigned n_dims;
    size_t dims[4]; /* unused ones are 1 */
    uint64_t n_elems;
} shape_tensor;

/* All tensors, the largest first: then each large one can begin at a block of the disk. *out is the caller's (free);
 * NULL when memory is short. */
size_t shape_tensors(const shape *s, shape_tensor **out);

void shape_write_config(const shape *s, FILE *f);            /* config.json */
void shape_write_generation_config(const shape *s, FILE *f); /* generation_config.json */

#endif
