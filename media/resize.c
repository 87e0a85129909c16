/* resize.c: antialiased bicubic resize of 8-bit RGB in integer arithmetic, so that the result equals
 * the reference's bit for bit.
 *
 * Two passes, each rounded to 8 bits. A pass is a table of windows: for every output position the
 * first source position, the number of taps and the taps themselves, computed in double precision,
 * normalised to sum 1 and rounded to COEFF_BITS fraction bits. Reference: Pillow 13 (its older
 * releases always run the horizontal pass first); MODEL.md, "Resizing". */
#include "tsr_image.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tsr_alloc.h"

/* 8 bits for the value and 2 for the overshoot of the negative lobes leave 22 in an int32. The taps
 * of one window sum to 1 and their magnitudes to less than 2, so no sum leaves int32. */
enum { COEFF_BITS = 32 - 8 - 2, CHANNELS = 3 };

typedef struct window {
    size_t first, n; /* source positions */
} window;

/* One pass from n_in to n_out positions. */
typedef struct plan {
    size_t n_out, max_taps;
    window *windows; /* [n_out] */
    int32_t *taps;   /* [n_out, max_taps] */
} plan;

/* Keys' kernel with a = -1/2. The grouping of the terms is part of the contract. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static int32_t to_fixed(double w)
{
    double one = (double)(1 << COEFF_BITS);
    return w < 0 ? (int32_t)(-0.5 + w * one) : (int32_t)(0.5 + w * one);
}

static void plan_deinit(plan *p)
{
    tsr_free(p->windows);
    tsr_free(p->taps);
    memset(p, 0, sizeof *p);
}

/* The window of output position i; `weights` is scratch of max_taps doubles. */
static void plan_window(plan *p, size_t i, size_t n_in, double scale, double *weights)
{
    double filter_scale = scale < 1.0 ? 1.0 : scale;
    double support = 2.0 * filter_scale, inverse = 1.0 / filter_scale;
    double center = ((double)i + 0.5) * scale, sum = 0.0;
    double low = center - support + 0.5, high = center + support + 0.5;
    size_t first = low < 0 ? 0 : (size_t)low, end = (size_t)high;
    int32_t *taps = p->taps + i * p->max_taps;

    if (end > n_in)
        end = n_in;
    p->windows[i].first = first;
    p->windows[i].n = end - first;
    for (size_t k = 0; k < end - first; k++) {
        weights[k] = cubic(((double)(k + first) - center + 0.5) * inverse);
        sum += weights[k];
    }
    for (size_t k = 0; k < end - first; k++)
        taps[k] = to_fixed(sum != 0.0 ? weights[k] / sum : weights[k]);
}

static tsr_status plan_init(plan *p, size_t n_in, size_t n_out, tsr_error *err)
{
    double scale = (double)n_in / (double)n_out, *weights = NULL;
    size_t n_taps;
    tsr_status st = TSR_ERR_LIMIT;

    memset(p, 0, sizeof *p);
    p->n_out = n_out;
    p->max_taps = (size_t)ceil(2.0 * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    if (!tsr_mul_size(&n_taps, n_out, p->max_taps)) {
        tsr_fail(err, st, "resize: %zu positions of %zu taps are too many", n_out, p->max_taps);
        goto done;
    }
    if ((st = tsr_alloc_array(&p->windows, n_out, sizeof *p->windows, "resize windows", err)) != TSR_OK ||
        (st = tsr_alloc_array(&p->taps, n_taps, sizeof *p->taps, "resize taps", err)) != TSR_OK ||
        (st = tsr_alloc_array(&weights, p->max_taps, sizeof *weights, "resize weights", err)) != TSR_OK)
        goto done;
    for (size_t i = 0; i < n_out; i++)
        plan_window(p, i, n_in, scale, weights);
done:
    tsr_free(weights);
    if (st != TSR_OK)
        plan_deinit(p);
    return st;
}

static unsigned char to_byte(int32_t sum)
{
    int32_t v = sum >> COEFF_BITS; /* arithmetic shift: the sum may be negative */
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_horizontal(unsigned char *dst, const unsigned char *src, const plan *p)
{
    for (size_t i = 0; i < p->n_out; i++, dst += CHANNELS) {
        const int32_t *tap = p->taps + i * p->max_taps;
        const unsigned char *s = src + p->windows[i].first * CHANNELS;
        int32_t r = 1 << (COEFF_BITS - 1), g = r, b = r;
        for (size_t n = p->windows[i].n; n > 0; n--, s += CHANNELS, tap++) {
            r += s[0] * *tap;
            g += s[1] * *tap;
            b += s[2] * *tap;
        }
        dst[0] = to_byte(r);
        dst[1] = to_byte(g);
        dst[2] = to_byte(b);
    }
}

/* One output row from the rows of its window; `sums` is scratch of one row. Row by row, so that each
 * source row is read in order and the inner loop vectorises. */
static void row_vertical(unsigned char *dst, const unsigned char *src, size_t stride, const int32_t *taps,
                         size_t n_taps, int32_t *sums)
{
    for (size_t x = 0; x < stride; x++)
        sums[x] = 1 << (COEFF_BITS - 1);
    for (size_t k = 0; k < n_taps; k++) {
        const unsigned char *s = src + k * stride;
        const int32_t tap = taps[k];
        for (size_t x = 0; x < stride; x++)
            sums[x] += s[x] * tap;
    }
    for (size_t x = 0; x < stride; x++)
        dst[x] = to_byte(sums[x]);
}

static tsr_status pixels_alloc(tsr_image *img, size_t width, size_t height, const char *what, tsr_error *err)
{
    size_t row;
    memset(img, 0, sizeof *img);
    if (!tsr_mul_size(&row, width, CHANNELS))
        return tsr_fail(err, TSR_ERR_LIMIT, "resize: a width of %zu pixels is too large", width);
    tsr_status st = tsr_alloc_array(&img->rgb, height, row, what, err);
    if (st == TSR_OK) {
        img->width = width;
        img->height = height;
    }
    return st;
}

/* Horizontal pass over rows [first, end) of src into a new picture of end - first rows. */
static tsr_status pass_horizontal(tsr_image *out, const tsr_image *src, size_t width, size_t first, size_t end,
                                  tsr_error *err)
{
    plan p;
    tsr_status st = plan_init(&p, src->width, width, err);
    if (st != TSR_OK)
        return st;
    st = pixels_alloc(out, width, end - first, "resized rows", err);
    for (size_t y = first; st == TSR_OK && y < end; y++)
        row_horizontal(out->rgb + (y - first) * width * CHANNELS, src->rgb + y * src->width * CHANNELS, &p);
    plan_deinit(&p);
    return st;
}

/* Vertical pass; row 0 of src is row `first` of the picture that the plan speaks of. */
static tsr_status pass_vertical(tsr_image *out, const tsr_image *src, size_t first, const plan *p, tsr_error *err)
{
    size_t stride = src->width * CHANNELS;
    int32_t *sums = NULL;
    tsr_status st = tsr_alloc_array(&sums, stride, sizeof *sums, "resize sums", err);
    if (st == TSR_OK)
        st = pixels_alloc(out, src->width, p->n_out, "resized picture", err);
    for (size_t y = 0; st == TSR_OK && y < p->n_out; y++)
        row_vertical(out->rgb + y * stride, src->rgb + (p->windows[y].first - first) * stride, stride,
                     p->taps + y * p->max_taps, p->windows[y].n, sums);
    tsr_free(sums);
    return st;
}

static tsr_status copy(tsr_image *dst, const tsr_image *src, tsr_error *err)
{
    tsr_status st = pixels_alloc(dst, src->width, src->height, "copied picture", err);
    if (st == TSR_OK)
        memcpy(dst->rgb, src->rgb, src->width * src->height * CHANNELS);
    return st;
}

/* Which pass runs first decides the rounding in between, so the reference's rule is part of the
 * result: vertical first where the height shrinks by more than twice what the width shrinks by. */
static bool vertical_first(const tsr_image *src, size_t width, size_t height)
{
    if (height >= src->height)
        return false;
    return width >= src->width || src->width - width < (src->height - height + 1) / 2;
}

static tsr_status resize_down_across(tsr_image *dst, const tsr_image *src, size_t width, const plan *down,
                                     tsr_error *err)
{
    tsr_image mid = {0, 0, NULL};
    tsr_status st = pass_vertical(&mid, src, 0, down, err);
    if (st == TSR_OK)
        st = pass_horizontal(dst, &mid, width, 0, mid.height, err);
    tsr_image_deinit(&mid);
    return st;
}

/* Only the rows that the vertical pass reads go through the horizontal one. */
static tsr_status resize_across_down(tsr_image *dst, const tsr_image *src, size_t width, const plan *down,
                                     tsr_error *err)
{
    const window *last = &down->windows[down->n_out - 1];
    size_t first = down->windows[0].first;
    tsr_image mid = {0, 0, NULL};
    tsr_status st = pass_horizontal(&mid, src, width, first, last->first + last->n, err);
    if (st == TSR_OK)
        st = pass_vertical(dst, &mid, first, down, err);
    tsr_image_deinit(&mid);
    return st;
}

tsr_status tsr_image_resize(tsr_image *dst, const tsr_image *src, size_t width, size_t height, tsr_error *err)
{
    plan down;
    memset(dst, 0, sizeof *dst);
    if (width == 0 || height == 0 || src->width == 0 || src->height == 0)
        return tsr_fail(err, TSR_ERR_USAGE, "resize: %zux%zu to %zux%zu has a side of 0", src->width, src->height,
                        width, height);
    if (width == src->width && height == src->height)
        return copy(dst, src, err);
    if (height == src->height)
        return pass_horizontal(dst, src, width, 0, height, err);

    tsr_status st = plan_init(&down, src->height, height, err);
    if (st != TSR_OK)
        return st;
    if (width == src->width)
        st = pass_vertical(dst, src, 0, &down, err);
    else if (vertical_first(src, width, height))
        st = resize_down_across(dst, src, width, &down, err);
    else
        st = resize_across_down(dst, src, width, &down, err);
    plan_deinit(&down);
    return st;
}
