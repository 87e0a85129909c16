/* vision_unified.c: the encoder-free picture path of 12B (MODEL.md, "12B pictures"): blocks of 48 x 48 pixels
 * in [0, 1] through LayerNorm, a dense layer, LayerNorm, factorised positions, LayerNorm, rms and projector. */
#include <math.h>
#include <stdint.h>

#include "config_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"
#include "tsr_patches.h"
#include "vision_internal.h"

static const char PART[] = "vision_config";
static const float LAYER_NORM_EPS = 1e-5f;

/* Published files use the first names, the reference's own modules the second. */
static const char *const PREFIXES[] = {"model.vision_embedder.", "model.embed_vision."};
static const char *const PROJECTORS[] = {"model.embed_vision.embedding_projection.weight",
                                         "model.embed_vision.multimodal_embedder.embedding_projection.weight"};

struct tsri_vision_unified {
    tsr_pool *workers;
    size_t block, width, hidden, text_hidden; /* pixels of a side, values of a block, of the embedding, of a row */
    float eps;
    float *ln1_w, *ln1_b, *dense_b, *ln2_w, *ln2_b, *pos_w, *pos_b;
    tsr_view dense;     /* [hidden, width] */
    tsr_view positions; /* [positions, 2, hidden]: x, then y */
    tsr_view projector; /* [text_hidden, hidden] */
    tsr_pixel_values pixel_values;
    tsri_enc_scratch scratch;
};

static const char *prefix_in(const tsr_weights *w)
{
    if (tsr_weights_has_prefix(w, PREFIXES[0]))
        return PREFIXES[0];
    return tsr_weights_has_prefix(w, "model.embed_vision.patch_") ? PREFIXES[1] : NULL;
}

bool tsri_vision_unified_present(const tsr_weights *w)
{
    return prefix_in(w) != NULL;
}

static tsr_status take(tsri_vision_unified *u, const tsri_vision_open_args *a, tsr_vision_info *info, tsr_error *err)
{
    size_t h = u->hidden;
    const tsr_weight_spec specs[] = {
        TSRI_ENC_VECTOR("patch_ln1.weight", u->ln1_w, u->width), TSRI_ENC_VECTOR("patch_ln1.bias", u->ln1_b, u->width),
        TSRI_ENC_MATRIX("patch_dense.weight", u->dense, h, u->width), TSRI_ENC_VECTOR("patch_dense.bias", u->dense_b, h),
        TSRI_ENC_VECTOR("patch_ln2.weight", u->ln2_w, h),        TSRI_ENC_VECTOR("patch_ln2.bias", u->ln2_b, h),
        {"pos_embedding", &u->positions, NULL, 3, {0, 2, h}, false},
        TSRI_ENC_VECTOR("pos_norm.weight", u->pos_w, h),         TSRI_ENC_VECTOR("pos_norm.bias", u->pos_b, h),
    };
    const char *name = PROJECTORS[tsr_weights_find(a->w, PROJECTORS[1]) != NULL];
    const tsr_weight_spec projector = TSRI_ENC_MATRIX(name, u->projector, u->text_hidden, h);
    tsr_status st = tsr_weights_take(a->w, prefix_in(a->w), specs, sizeof specs / sizeof *specs, err);
    if (st == TSR_OK)
        st = tsr_weights_take(a->w, "", &projector, 1, err);
    if (st != TSR_OK)
        return st;
    info->max_positions = u->positions.shape[0];
    size_t stated = info->max_positions;
    st = tsri_enc_config_size(a->config, PART, "mm_posemb_size", stated, 1, SIZE_MAX, &stated, err);
    if (st == TSR_OK && stated != info->max_positions)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: mm_posemb_size is %zu, the table has %zu", PART, stated,
                      info->max_positions);
    return st;
}

tsr_status tsri_vision_unified_open(tsri_vision_unified **out, const tsri_vision_open_args *args, tsr_vision_info *info,
                                    tsr_error *err)
{
    *out = NULL;
    tsri_vision_unified *u = tsr_calloc(1, sizeof *u);
    if (!u)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: vision embedder");
    u->workers = args->pool;
    u->text_hidden = args->text_hidden;
    u->pixel_values = tsr_pixel_values_unit();
    info->is_unified = true;
    tsr_status st = tsri_enc_config_size(args->config, PART, "patch_size", 16, 1, 256, &info->patch, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(args->config, PART, "pooling_kernel_size", 3, 1, TSRI_ENC_MAX_POOL, &info->pool, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(args->config, PART, "mm_embed_dim", 3840, 1, TSRI_ENC_MAX_WIDTH, &u->hidden, err);
    if (st == TSR_OK)
        st = tsri_enc_config_eps(args->config, PART, &u->eps, err);
    if (st == TSR_OK) {
        u->block = info->patch * info->pool;
        u->width = u->block * u->block * 3;
        st = take(u, args, info, err);
    }
    if (st != TSR_OK) {
        tsri_vision_unified_close(u);
        return st;
    }
    info->hidden = u->hidden;
    info->text_hidden = u->text_hidden;
    *out = u;
    return TSR_OK;
}

void tsri_vision_unified_close(tsri_vision_unified *u)
{
    if (!u)
        return;
    float *all[] = {u->ln1_w, u->ln1_b, u->dense_b, u->ln2_w, u->ln2_b, u->pos_w, u->pos_b};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tsr_free(all[i]);
    tsri_enc_scratch_deinit(&u->scratch);
    tsr_free(u);
}

typedef struct run {
    const tsri_vision_unified *u;
    size_t grid_w;
    float *blocks; /* [n, width] */
    float *h;      /* [n, hidden] */
} run;

static void norm_blocks(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    for (size_t p = first; p < first + n; p++) {
        float *x = r->blocks + p * r->u->width;
        tsri_enc_layer_norm_row(x, x, r->u->ln1_w, r->u->ln1_b, r->u->width, LAYER_NORM_EPS);
    }
}

static void add_bias(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    size_t hidden = r->u->hidden;
    for (size_t p = first; p < first + n; p++)
        for (size_t i = 0; i < hidden; i++)
            r->h[p * hidden + i] += r->u->dense_b[i];
}

static void norm_dense(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    size_t hidden = r->u->hidden;
    for (size_t p = first; p < first + n; p++) {
        float *h = r->h + p * hidden;
        tsri_enc_layer_norm_row(h, h, r->u->ln2_w, r->u->ln2_b, hidden, LAYER_NORM_EPS);
    }
}

static void add_positions(void *ctx, size_t first, size_t n)
{
    const run *r = ctx;
    size_t hidden = r->u->hidden;
    float ex[64], ey[64];
    for (size_t p = first; p < first + n; p++) {
        size_t x = p % r->grid_w, y = p / r->grid_w;
        float *h = r->h + p * hidden;
        for (size_t at = 0; at < hidden; at += 64) {
            size_t m = hidden - at < 64 ? hidden - at : 64;
            tsr_view_decode(&r->u->positions, 2 * x, at, m, ex);
            tsr_view_decode(&r->u->positions, 2 * y + 1, at, m, ey);
            for (size_t i = 0; i < m; i++)
                h[at + i] += ex[i] + ey[i];
        }
        tsri_enc_layer_norm_row(h, h, r->u->pos_w, r->u->pos_b, hidden, LAYER_NORM_EPS);
    }
}

tsr_status tsri_vision_unified_encode(tsri_vision_unified *u, const tsr_image *img, float *rows, const tsri_enc_tap *tap,
                                      tsr_error *err)
{
    run r = {.u = u, .grid_w = img->width / u->block};
    size_t n = r.grid_w * (img->height / u->block), total = 0;
    tsr_status st = tsri_enc_scratch_plan(&total, n, u->width, "vision", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_plan(&total, n, u->hidden, "vision", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_reserve(&u->scratch, total, "vision scratch", err);
    if (st != TSR_OK)
        return st;
    r.blocks = tsri_enc_scratch_take(&u->scratch, n, u->width);
    r.h = tsri_enc_scratch_take(&u->scratch, n, u->hidden);
    st = tsr_patches_cut(r.blocks, n * u->width, img, u->block, &u->pixel_values, err);
    if (st != TSR_OK)
        return st;
    tsri_enc_tap_show(tap, "patches", 0, r.blocks, n, u->width);
    tsri_enc_rows(u->workers, n, norm_blocks, &r);
    tsri_enc_tap_show(tap, "ln1", 0, r.blocks, n, u->width);
    tsr_matmul(u->workers, &u->dense, r.blocks, u->width, n, r.h, u->hidden);
    tsri_enc_rows(u->workers, n, add_bias, &r);
    tsri_enc_tap_show(tap, "dense", 0, r.h, n, u->hidden);
    tsri_enc_rows(u->workers, n, norm_dense, &r);
    tsri_enc_tap_show(tap, "ln2", 0, r.h, n, u->hidden);
    tsri_enc_rows(u->workers, n, add_positions, &r);
    tsri_enc_tap_show(tap, "embed", 0, r.h, n, u->hidden);
    tsri_enc_norm plain = {NULL, u->hidden, u->eps, tsri_enc_open_range(), tsri_enc_open_range()};
    tsri_enc_rms(u->workers, &plain, r.h, n, r.h);
    tsr_matmul(u->workers, &u->projector, r.h, u->hidden, n, rows, u->text_hidden);
    tsri_enc_tap_show(tap, "rows", 0, rows, n, u->text_hidden);
    return TSR_OK;
}
