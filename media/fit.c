/* fit.c: the size to which a picture is brought so that it fills a budget of soft tokens: pure
 * arithmetic on numbers, in double precision and in the reference's order of operations, since a
 * floor stands behind every product. Reference: MODEL.md, "Fitting a picture". */
#include "tsr_image.h"

#include <math.h>
#include <stdint.h>

#include "tsr_alloc.h"

/* Above this, a product of two sides is no longer exact in a double. */
#define EXACT_MAX ((size_t)1 << 53)

static bool product_fits(size_t *out, size_t a, size_t b)
{
    return tsr_mul_size(out, a, b) && *out <= EXACT_MAX;
}

/* A side that rounded down to nothing becomes one cell; the other follows the aspect. */
static size_t long_side(size_t longer, size_t shorter, size_t cell, size_t max_tokens)
{
    size_t cells = (size_t)floor((double)longer / (double)shorter);
    return (cells < max_tokens ? cells : max_tokens) * cell;
}

tsr_status tsr_image_fit(size_t *out_width, size_t *out_height, size_t *n_tokens, size_t width, size_t height,
                         size_t patch, size_t pool, size_t max_tokens, tsr_error *err)
{
    size_t area, cell, cell_area, target;
    *out_width = *out_height = *n_tokens = 0;
    if (width == 0 || height == 0 || patch == 0 || pool == 0 || max_tokens == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "fit: a size of 0 (%zux%zu, patch %zu, pool %zu, budget %zu)", width,
                        height, patch, pool, max_tokens);
    if (!product_fits(&area, width, height) || !product_fits(&cell, patch, pool) ||
        !product_fits(&cell_area, cell, cell) || !product_fits(&target, cell_area, max_tokens))
        return tsr_fail(err, TSR_ERR_LIMIT, "fit: %zux%zu with cells of %zux%zu and budget %zu is too large",
                        width, height, patch, pool, max_tokens);

    double factor = sqrt((double)target / (double)area);
    size_t h = (size_t)floor(factor * (double)height / (double)cell) * cell;
    size_t w = (size_t)floor(factor * (double)width / (double)cell) * cell;
    if (h == 0 && w == 0)
        return tsr_fail(err, TSR_ERR_DATA, "fit: a picture of %zux%zu fits no cell of %zu pixels", width, height,
                        cell);
    if (h == 0) {
        h = cell;
        w = long_side(width, height, cell, max_tokens);
    } else if (w == 0) {
        w = cell;
        h = long_side(height, width, cell, max_tokens);
    }
    if (h * w > target)
        return tsr_fail(err, TSR_ERR_DATA, "fit: %zux%zu would become %zux%zu, more than the budget of %zu tokens",
                        width, height, w, h, max_tokens);
    *out_width = w;
    *out_height = h;
    *n_tokens = (w / cell) * (h / cell);
    return TSR_OK;
}
