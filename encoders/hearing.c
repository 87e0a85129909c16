/* hearing.c: the one door to both sound kinds, and the encoder-free kind itself (MODEL.md, "12B sound"):
 * frames of raw samples, rms, projector. */
#include "tsr_hearing.h"

#include <math.h>
#include <string.h>

#include "audio_internal.h"
#include "config_internal.h"
#include "tsr_alloc.h"
#include "tsr_matmul.h"
#include "tsr_mel.h"

static const char PROJECTOR[] = "model.embed_audio.embedding_projection.weight";

/* The encoder-free kind. */
typedef struct unified {
    size_t frame; /* samples of a soft token */
    float eps;
    tsr_view projector; /* [text_hidden, frame] */
    tsri_enc_scratch scratch;
} unified;

struct tsr_hearing {
    tsr_pool *workers;
    tsr_mel *mel; /* with the tower */
    tsri_audio_tower *tower;
    unified unified;
    tsr_hearing_info info;
    tsri_enc_tap tap;
};

bool tsr_hearing_present(const tsr_weights *w)
{
    return tsr_weights_has_prefix(w, "model.audio_tower.") || tsr_weights_has_prefix(w, "model.embed_audio.");
}

static tsr_status open_tower(tsr_hearing *a, tsr_weights *w, const tsr_json *config, const tsr_json *extractor,
                             tsr_error *err)
{
    tsr_mel_opts opts;
    tsr_status st = tsr_mel_opts_read(&opts, extractor, err);
    if (st == TSR_OK)
        st = tsr_mel_open(&a->mel, &opts, err);
    if (st != TSR_OK)
        return st;
    a->info.rate_hz = opts.rate_hz;
    a->info.feature_width = opts.n_mels;
    return tsri_audio_tower_open(&a->tower, w, config, opts.n_mels, a->info.text_hidden, a->workers, &a->info, err);
}

static tsr_status open_unified(tsr_hearing *a, tsr_weights *w, const tsr_json *config, const tsr_json *extractor,
                               tsr_error *err)
{
    unified *u = &a->unified;
    size_t saved = 0, rate_hz = 16000;
    tsr_status st = tsri_enc_config_size(config, "audio_config", "audio_embed_dim", 640, 1, TSRI_ENC_MAX_WIDTH,
                                         &u->frame, err);
    if (st == TSR_OK)
        st = tsri_enc_config_eps(config, "audio_config", &u->eps, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(extractor, "feature extractor", "audio_samples_per_token", u->frame, 1, 1 << 16, &saved,
                                  err);
    if (st == TSR_OK && saved != u->frame)
        st = tsr_fail(err, TSR_ERR_MODEL, "feature extractor: audio_samples_per_token is %zu, audio_embed_dim is %zu",
                      saved, u->frame);
    if (st == TSR_OK)
        st = tsri_enc_config_size(extractor, "feature extractor", "sampling_rate", rate_hz, 1, 1 << 20, &rate_hz, err);
    if (st == TSR_OK && rate_hz != 16000)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "feature extractor: sampling_rate is %zu, only 16000 is supported",
                      rate_hz);
    if (st != TSR_OK)
        return st;
    a->info.is_unified = true;
    a->info.rate_hz = rate_hz;
    a->info.feature_width = u->frame;
    const tsr_weight_spec spec = TSRI_ENC_MATRIX(PROJECTOR, u->projector, a->info.text_hidden, u->frame);
    return tsr_weights_take(w, "", &spec, 1, err);
}

tsr_status tsr_hearing_open(tsr_hearing **out, tsr_weights *w, const tsr_json *config, const tsr_json *extractor,
                            size_t text_hidden, tsr_pool *pool, tsr_error *err)
{
    *out = NULL;
    if ((config && !tsr_json_is_object(config)) || (extractor && !tsr_json_is_object(extractor)))
        return tsr_fail(err, TSR_ERR_MODEL, "audio_config or feature extractor is not an object");
    tsr_hearing *a = tsr_calloc(1, sizeof *a);
    if (!a)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: hearing");
    a->workers = pool;
    a->info.text_hidden = text_hidden;
    tsr_status st;
    if (tsr_weights_has_prefix(w, "model.audio_tower."))
        st = open_tower(a, w, config, extractor, err);
    else
        st = open_unified(a, w, config, extractor, err);
    if (st != TSR_OK) {
        tsr_hearing_close(a);
        return st;
    }
    *out = a;
    return TSR_OK;
}

void tsr_hearing_close(tsr_hearing *a)
{
    if (!a)
        return;
    tsri_audio_tower_close(a->tower);
    tsr_mel_close(a->mel);
    tsri_enc_scratch_deinit(&a->unified.scratch);
    tsr_free(a);
}

tsr_hearing_info tsr_hearing_describe(const tsr_hearing *a)
{
    return a->info;
}

void tsri_hearing_set_tap(tsr_hearing *a, tsri_enc_tap tap)
{
    a->tap = tap;
}

static size_t divide_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
}

static size_t rows_of_frames(const tsr_hearing *a, size_t n_frames)
{
    return a->info.is_unified ? n_frames : divide_up(divide_up(n_frames, 2), 2);
}

size_t tsr_hearing_frames_for(const tsr_hearing *a, size_t n_samples)
{
    return a->info.is_unified ? divide_up(n_samples, a->unified.frame) : tsr_mel_frames(a->mel, n_samples);
}

size_t tsr_hearing_tokens_for(const tsr_hearing *a, size_t n_samples)
{
    return rows_of_frames(a, tsr_hearing_frames_for(a, n_samples));
}

void tsr_hearing_features(tsr_hearing *a, const float *samples, size_t n_samples, float *features)
{
    if (!a->info.is_unified) {
        tsr_mel_compute(a->mel, samples, n_samples, features);
        return;
    }
    size_t n = tsr_hearing_frames_for(a, n_samples) * a->unified.frame;
    for (size_t i = 0; i < n; i++)
        features[i] = i < n_samples ? samples[i] : 0.0f;
}

static tsr_status encode_unified(tsr_hearing *a, const float *features, size_t n_frames, float *rows,
                                 const tsri_enc_tap *tap, tsr_error *err)
{
    unified *u = &a->unified;
    size_t total = 0;
    tsr_status st = tsri_enc_scratch_plan(&total, n_frames, u->frame, "hearing", err);
    if (st == TSR_OK)
        st = tsri_enc_scratch_reserve(&u->scratch, total, "hearing scratch", err);
    if (st != TSR_OK)
        return st;
    float *x = tsri_enc_scratch_take(&u->scratch, n_frames, u->frame);
    tsri_enc_norm plain = {NULL, u->frame, u->eps, tsri_enc_open_range(), tsri_enc_open_range()};
    tsri_enc_rms(a->workers, &plain, features, n_frames, x);
    tsr_matmul(a->workers, &u->projector, x, u->frame, n_frames, rows, a->info.text_hidden);
    tsri_enc_tap_show(tap, "rows", 0, rows, n_frames, a->info.text_hidden);
    return TSR_OK;
}

static tsr_status encode_with(tsr_hearing *a, const float *features, size_t n_frames, float *rows,
                              const tsri_enc_tap *tap, tsr_error *err)
{
    return a->info.is_unified ? encode_unified(a, features, n_frames, rows, tap, err)
                              : tsri_audio_tower_encode(a->tower, features, n_frames, rows, tap, err);
}

/* As for pictures; but features of the caller's may be at fault too. */
static tsr_status encode_one(tsr_hearing *a, const float *features, size_t n_frames, float *rows, size_t n_rows,
                             tsr_error *err)
{
    tsr_status st = encode_with(a, features, n_frames, rows, &a->tap, err);
    size_t bad = st == TSR_OK ? tsri_enc_first_bad_row(rows, n_rows, a->info.text_hidden) : n_rows;
    if (bad == n_rows)
        return st;
    size_t frame = tsri_enc_first_bad_row(features, n_frames, a->info.feature_width);
    if (frame < n_frames)
        return tsr_fail(err, TSR_ERR_DATA, "hearing: frame %zu of the clip is not finite", frame);
    tsri_enc_fault fault;
    tsri_enc_tap tap = tsri_enc_fault_tap(&fault);
    st = encode_with(a, features, n_frames, rows, &tap, err);
    return st == TSR_OK ? tsri_enc_fault_fail(&fault, "hearing", bad, err) : st;
}

tsr_status tsr_hearing_encode(tsr_hearing *a, const float *features, size_t n_frames, float *rows, size_t cap,
                              size_t *n_rows, tsr_error *err)
{
    *n_rows = rows_of_frames(a, n_frames);
    if (n_frames == 0)
        return tsr_fail(err, TSR_ERR_DATA, "hearing: the clip is too short to give a frame");
    if (*n_rows > cap)
        return tsr_fail(err, TSR_ERR_LIMIT, "hearing: %zu rows are needed, there is room for %zu", *n_rows, cap);
    tsr_status st = encode_one(a, features, n_frames, rows, *n_rows, err);
    if (st != TSR_OK)
        *n_rows = 0;
    return st;
}
