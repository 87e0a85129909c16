/* random_rows.h: random weights of any float type, made as bytes and not by rounding: codes are random bits, scales
 * are set so that the decoded values have the size that is asked for. The same seed gives the same bytes. */
#ifndef BENCH_RANDOM_ROWS_H
#define BENCH_RANDOM_ROWS_H

#include "tsr_tensor.h"

typedef struct random_bits {
    uint64_t state;
} random_bits;

random_bits random_of_name(const char *name);

/* How a tensor's values lie, by its name (Hugging Face's or GGUF's) and shape: uniform in mean - reach .. mean +
 * reach, or in a block type of that variance. Chosen so that activations keep their size from layer to layer. */
typedef struct value_range {
    double mean, reach;
} value_range;

value_range value_range_of(const char *name, unsigned n_dims, const size_t *dims);

/* What random_rows needs to know of a type and a range; made once for a tensor. */
typedef struct row_recipe {
    tsr_type type;
    double unit;             /* blocks: standard deviation where the scale is 1 */
    value_range range;
    uint32_t level[1 << 12]; /* plain types: bits of the values, low bytes first */
} row_recipe;

void row_recipe_init(row_recipe *r, tsr_type type, value_range range);

/* Fill n bytes, whole blocks, at dst (of no alignment). */
void random_rows(const row_recipe *r, random_bits *bits, unsigned char *dst, size_t n);

#endif
