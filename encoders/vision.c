/* vision.c: the one door to both vision kinds: choosing one, planning sizes, encoding batches. */
#include "tsr_vision.h"

#include <stdio.h>

#include "tsr_alloc.h"
#include "vision_internal.h"

enum { MIN_BATCH_TOKENS = 16 };

struct tsr_vision {
    tsri_vision_tower *tower; /* exactly one of the two is set */
    tsri_vision_unified *unified;
    tsr_vision_info info;
    tsri_enc_tap tap;
};

bool tsr_vision_present(const tsr_weights *w)
{
    return tsr_weights_has_prefix(w, "model.vision_tower.") || tsr_weights_has_prefix(w, "model.vision_embedder.") ||
           tsr_weights_has_prefix(w, "model.embed_vision.");
}

tsr_status tsr_vision_open(tsr_vision **out, tsr_weights *w, const tsr_json *config, size_t text_hidden, tsr_pool *pool,
                           tsr_error *err)
{
    *out = NULL;
    if (config && !tsr_json_is_object(config))
        return tsr_fail(err, TSR_ERR_MODEL, "vision_config is not an object");
    tsr_vision *v = tsr_calloc(1, sizeof *v);
    if (!v)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: vision");
    tsri_vision_open_args args = {w, config, text_hidden, pool};
    tsr_status st;
    if (tsri_vision_unified_present(w))
        st = tsri_vision_unified_open(&v->unified, &args, &v->info, err);
    else
        st = tsri_vision_tower_open(&v->tower, &args, &v->info, err);
    if (st != TSR_OK) {
        tsr_vision_close(v);
        return st;
    }
    *out = v;
    return TSR_OK;
}

void tsr_vision_close(tsr_vision *v)
{
    if (!v)
        return;
    tsri_vision_tower_close(v->tower);
    tsri_vision_unified_close(v->unified);
    tsr_free(v);
}

tsr_vision_info tsr_vision_describe(const tsr_vision *v)
{
    return v->info;
}

void tsri_vision_set_tap(tsr_vision *v, tsri_enc_tap tap)
{
    v->tap = tap;
}

tsr_status tsr_vision_tokens_for(const tsr_vision *v, size_t width, size_t height, size_t *n_tokens, tsr_error *err)
{
    *n_tokens = 0;
    size_t cell = v->info.patch * v->info.pool;
    if (width == 0 || height == 0 || width % cell != 0 || height % cell != 0)
        return tsr_fail(err, TSR_ERR_USAGE, "vision: %zu x %zu is not made of cells of %zu pixels", width, height, cell);
    size_t unit = v->info.is_unified ? cell : v->info.patch;
    size_t longer = width > height ? width : height;
    if (longer / unit > v->info.max_positions)
        return tsr_fail(err, TSR_ERR_LIMIT, "vision: %zu x %zu needs position %zu, the table has %zu", width, height,
                        longer / unit - 1, v->info.max_positions);
    size_t n_patches = 0;
    if (!tsr_mul_size(&n_patches, width / v->info.patch, height / v->info.patch) || n_patches > TSRI_VISION_MAX_PATCHES)
        return tsr_fail(err, TSR_ERR_LIMIT, "vision: %zu x %zu has more than %d patches", width, height,
                        TSRI_VISION_MAX_PATCHES);
    *n_tokens = (width / cell) * (height / cell);
    return TSR_OK;
}

static tsr_status count_rows(const tsr_vision *v, const tsr_image *images, size_t n_images, size_t *n_rows,
                             tsr_error *err)
{
    *n_rows = 0;
    for (size_t i = 0; i < n_images; i++) {
        size_t n = 0;
        tsr_status st = tsr_vision_tokens_for(v, images[i].width, images[i].height, &n, err);
        if (st == TSR_OK && !tsr_add_size(n_rows, *n_rows, n))
            st = tsr_fail(err, TSR_ERR_LIMIT, "vision: too many soft tokens");
        if (st != TSR_OK) {
            *n_rows = 0;
            return st;
        }
    }
    return TSR_OK;
}

/* n pictures of one size. */
static tsr_status encode_with(tsr_vision *v, const tsr_image *images, size_t n, float *rows, const tsri_enc_tap *tap,
                              tsr_error *err)
{
    return v->unified ? tsri_vision_unified_encode(v->unified, images, rows, tap, err)
                      : tsri_vision_tower_encode(v->tower, images, n, rows, tap, err);
}

/* Of how many pictures, from the first on, the rows go through the products together. Products of very few rows are made
 * another way, whose bits differ: pictures of so few tokens go alone. The encoder-free kind has no layers to share, and a
 * tap wants one picture. */
static size_t batch_of(const tsr_vision *v, const tsr_image *images, size_t n_images, size_t n_tokens)
{
    size_t patches = n_tokens * v->info.pool * v->info.pool, n = 1;
    if (v->unified || v->tap.fn || n_tokens < MIN_BATCH_TOKENS)
        return 1;
    while (n < n_images && (n + 1) * patches <= TSRI_VISION_BATCH_PATCHES && images[n].width == images->width &&
           images[n].height == images->height)
        n++;
    return n;
}

/* n pictures of one size, each of n_tokens rows. Rows that aren't finite would poison every token after them: a second run,
 * of that picture, finds where they come from. */
static tsr_status encode_batch(tsr_vision *v, const tsr_image *images, size_t n, size_t index, float *rows,
                               size_t n_tokens, tsr_error *err)
{
    char what[64];
    tsr_status st = encode_with(v, images, n, rows, &v->tap, err);
    size_t bad = st == TSR_OK ? tsri_enc_first_bad_row(rows, n * n_tokens, v->info.text_hidden) : n * n_tokens;
    if (bad == n * n_tokens)
        return st;
    size_t at = bad / n_tokens;
    tsri_enc_fault fault;
    tsri_enc_tap tap = tsri_enc_fault_tap(&fault);
    st = encode_with(v, images + at, 1, rows + at * n_tokens * v->info.text_hidden, &tap, err);
    snprintf(what, sizeof what, "vision: picture %zu", index + at);
    return st == TSR_OK ? tsri_enc_fault_fail(&fault, what, bad % n_tokens, err) : st;
}

tsr_status tsr_vision_encode(tsr_vision *v, const tsr_image *images, size_t n_images, float *rows, size_t cap,
                             size_t *n_rows, tsr_error *err)
{
    size_t need = 0, cell = v->info.patch * v->info.pool;
    tsr_status st = count_rows(v, images, n_images, &need, err);
    *n_rows = need;
    if (st != TSR_OK)
        return st;
    if (need > cap)
        return tsr_fail(err, TSR_ERR_LIMIT, "vision: %zu rows are needed, there is room for %zu", need, cap);
    for (size_t i = 0, n; i < n_images && st == TSR_OK; i += n) {
        size_t n_tokens = (images[i].width / cell) * (images[i].height / cell);
        n = batch_of(v, images + i, n_images - i, n_tokens);
        st = encode_batch(v, images + i, n, i, rows, n_tokens, err);
        rows += n * n_tokens * v->info.text_hidden;
    }
    if (st != TSR_OK)
        *n_rows = 0;
    return st;
}
