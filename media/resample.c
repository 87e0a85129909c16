/* resample.c: FFmpeg's libswresample on one channel. With the soxr engine at its default of 20 bits the
 * result is that of "soxr HQ", which the reference's audio loader uses too. */
#include "resample_internal.h"

#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <limits.h>
#include <string.h>

#include "tsr_alloc.h"

enum { PIECE = 1 << 16 };

struct tsri_resampler {
    SwrContext *swr; /* NULL: the rates are equal */
    unsigned from_hz, to_hz;
    uint64_t n_in, n_out;
    bool started;
    const char *name;
};

tsr_status tsri_samples_reserve(tsri_samples *s, size_t n, const char *name, tsr_error *err)
{
    size_t need, cap = s->cap > SIZE_MAX / 8 ? s->cap : s->cap * 2, bytes;
    if (tsr_add_size(&need, s->n, n) && need <= s->cap)
        return TSR_OK;
    if (cap < need)
        cap = need;
    if (need == 0 || !tsr_mul_size(&bytes, cap, sizeof *s->data))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: samples", name);
    float *more = tsr_realloc(s->data, bytes);
    if (!more)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes of samples", name, bytes);
    s->data = more;
    s->cap = cap;
    return TSR_OK;
}

static bool try_engine(tsri_resampler *r, tsri_engine engine)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    bool ok = swr_alloc_set_opts2(&r->swr, &mono, AV_SAMPLE_FMT_FLT, (int)r->to_hz, &mono, AV_SAMPLE_FMT_FLT,
                                  (int)r->from_hz, 0, NULL) >= 0;
    if (engine == TSRI_ENGINE_SOXR) {
        ok = ok && av_opt_set_int(r->swr, "resampler", SWR_ENGINE_SOXR, 0) >= 0;
    } else {
        /* A longer filter than the default of 32 taps: a narrower band is lost below the limit. */
        ok = ok && av_opt_set_int(r->swr, "filter_size", 64, 0) >= 0;
    }
    ok = ok && swr_init(r->swr) >= 0;
    if (!ok)
        swr_free(&r->swr);
    return ok;
}

tsr_status tsri_resampler_open(tsri_resampler **out, unsigned from_hz, unsigned to_hz, tsri_engine engine,
                               const char *name, tsr_error *err)
{
    *out = NULL;
    tsri_resampler *r = tsr_calloc(1, sizeof *r);
    if (!r)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    r->from_hz = from_hz;
    r->to_hz = to_hz;
    r->name = name;
    bool ok = from_hz == to_hz || (engine != TSRI_ENGINE_SWR && try_engine(r, TSRI_ENGINE_SOXR)) ||
              (engine != TSRI_ENGINE_SOXR && try_engine(r, TSRI_ENGINE_SWR));
    if (!ok) {
        tsri_resampler_close(r);
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: cannot be resampled from %u to %u Hz", name, from_hz, to_hz);
    }
    *out = r;
    return TSR_OK;
}

void tsri_resampler_close(tsri_resampler *r)
{
    if (!r)
        return;
    swr_free(&r->swr);
    tsr_free(r);
}

/* One call into the engine; in NULL drains it. *n_out receives what was appended. */
static tsr_status convert(tsri_resampler *r, const float *in, size_t n, tsri_samples *out, size_t *n_out,
                          tsr_error *err)
{
    int room = swr_get_out_samples(r->swr, (int)n);
    size_t want = room > 0 ? (size_t)room + 64 : PIECE;
    const uint8_t *src[1];
    uint8_t *dst[1];
    *n_out = 0;
    tsr_status st = tsri_samples_reserve(out, want, r->name, err);
    if (st != TSR_OK)
        return st;
    memcpy(&src[0], &in, sizeof in);
    float *end = out->data + out->n;
    memcpy(&dst[0], &end, sizeof end);
    int got = swr_convert(r->swr, dst, (int)want, in ? src : NULL, (int)n);
    if (got < 0)
        return tsr_fail(err, got == AVERROR(ENOMEM) ? TSR_ERR_NOMEM : TSR_ERR_BUG, "%s: resampling failed (%d)",
                        r->name, got);
    *n_out = (size_t)got;
    out->n += (size_t)got;
    r->n_out += (size_t)got;
    return TSR_OK;
}

tsr_status tsri_resampler_push(tsri_resampler *r, const float *in, size_t n, tsri_samples *out, tsr_error *err)
{
    tsr_status st = TSR_OK;
    r->started = true;
    r->n_in += n;
    if (!r->swr) {
        st = tsri_samples_reserve(out, n, r->name, err);
        if (st == TSR_OK && n > 0) {
            memcpy(out->data + out->n, in, n * sizeof *in);
            out->n += n;
        }
        return st;
    }
    while (n > 0 && st == TSR_OK) {
        size_t k = n < PIECE ? n : PIECE, got;
        st = convert(r, in, k, out, &got, err);
        in += k;
        n -= k;
    }
    return st;
}

tsr_status tsri_resampler_finish(tsri_resampler *r, tsri_samples *out, tsr_error *err)
{
    uint64_t want = (r->n_in * r->to_hz + r->from_hz / 2) / r->from_hz;
    size_t got = 1;
    if (!r->swr || !r->started)
        return TSR_OK;
    for (unsigned i = 0; got > 0 && i < 1000; i++) {
        tsr_status st = convert(r, NULL, 0, out, &got, err);
        if (st != TSR_OK)
            return st;
    }
    if (r->n_out > want) { /* the engine's own rounding, or the ringing behind the end: in what was just drained */
        size_t excess = (size_t)(r->n_out - want);
        out->n -= excess < out->n ? excess : out->n;
    }
    if (r->n_out < want) {
        size_t lack = (size_t)(want - r->n_out);
        tsr_status st = tsri_samples_reserve(out, lack, r->name, err);
        if (st != TSR_OK)
            return st;
        memset(out->data + out->n, 0, lack * sizeof *out->data);
        out->n += lack;
    }
    return TSR_OK;
}
