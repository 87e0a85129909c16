/* mel.c: the log-mel front end. Rounds where the reference rounds: windowed samples, the real and
 * imaginary parts and the magnitude are f32; the FFT itself, the filter bank, its product and the
 * logarithm are f64. */
#include "tsr_mel.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "config_internal.h"
#include "tsr_alloc.h"

enum { MAX_MELS = 1024, MAX_FFT = 1 << 16 };

static const double PI = 3.14159265358979323846;

/* One triangle: weights [first, first + n) over the FFT's bins; n is 0 where it falls between bins. */
typedef struct triangle {
    size_t first, n;
    size_t at; /* of its first weight in `weights` */
} triangle;

struct tsr_mel {
    tsr_mel_opts opts;
    float *window;       /* [frame_len] */
    triangle *triangles; /* [n_mels] */
    double *weights;     /* those of all triangles one after the other */
    double *twiddles;    /* [fft_len / 2] pairs: cos, -sin of 2 pi i / fft_len */
    double *re, *im;     /* [fft_len] */
    double *magnitude;   /* [fft_len / 2 + 1] */
};

tsr_mel_opts tsr_mel_opts_default(void)
{
    return (tsr_mel_opts){
        .n_mels = 128,
        .rate_hz = 16000,
        .frame_len = 320,
        .hop_len = 160,
        .fft_len = 512,
        .min_hz = 0.0,
        .max_hz = 8000.0,
        .floor = 1e-3,
    };
}

/* A number that must be 0 (or, for a factor, 1): a step that is not built. */
static tsr_status require_number(const tsr_json *j, const char *key, double wanted, tsr_error *err)
{
    double found = wanted;
    tsr_status st = tsri_enc_config_double(j, "feature extractor", key, wanted, &found, err);
    if (st == TSR_OK && !(found == wanted))
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "feature extractor: %s is %g, only %g is supported", key, found, wanted);
    return st;
}

static tsr_status require_absent(const tsr_json *j, const char *key, tsr_error *err)
{
    if (tsr_json_get_set(j, key))
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "feature extractor: %s is not supported", key);
    return TSR_OK;
}

/* A length in samples is given by its ..._ms key; the plain key is derived from it when the reference
 * saves and ignored when it loads, so a contradiction means that the file is not what it seems. */
static tsr_status read_length(const tsr_json *j, const char *key_ms, const char *key, double default_ms, size_t rate_hz,
                              size_t *out, tsr_error *err)
{
    double ms = default_ms;
    tsr_status st = tsri_enc_config_double(j, "feature extractor", key_ms, default_ms, &ms, err);
    if (st != TSR_OK)
        return st;
    double len = nearbyint((double)rate_hz * ms / 1000.0);
    if (!(len >= 1.0 && len <= MAX_FFT))
        return tsr_fail(err, TSR_ERR_MODEL, "feature extractor: %s is %g", key_ms, ms);
    *out = (size_t)len;
    size_t saved = *out;
    st = tsri_enc_config_size(j, "feature extractor", key, *out, 1, MAX_FFT, &saved, err);
    if (st == TSR_OK && saved != *out)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "feature extractor: %s is %zu where %s of %g ms gives %zu", key, saved,
                      key_ms, ms, *out);
    return st;
}

static tsr_status read_fft_len(const tsr_json *j, tsr_mel_opts *o, tsr_error *err)
{
    bool overdrive = false;
    tsr_status st = tsri_enc_config_bool(j, "feature extractor", "fft_overdrive", false, &overdrive, err);
    if (st != TSR_OK)
        return st;
    o->fft_len = 1;
    while (o->fft_len < o->frame_len)
        o->fft_len *= 2;
    if (overdrive)
        o->fft_len *= 2;
    size_t saved = o->fft_len;
    st = tsri_enc_config_size(j, "feature extractor", "fft_length", o->fft_len, 1, MAX_FFT, &saved, err);
    if (st == TSR_OK && saved != o->fft_len)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "feature extractor: fft_length is %zu where %zu samples give %zu", saved,
                      o->frame_len, o->fft_len);
    return st;
}

static tsr_status require_plain(const tsr_json *j, tsr_error *err)
{
    tsr_status st = require_number(j, "preemphasis", 0.0, err);
    if (st == TSR_OK)
        st = require_number(j, "dither", 0.0, err);
    if (st == TSR_OK)
        st = require_number(j, "input_scale_factor", 1.0, err);
    if (st == TSR_OK)
        st = require_number(j, "sampling_rate", 16000.0, err);
    if (st == TSR_OK)
        st = require_absent(j, "per_bin_mean", err);
    if (st == TSR_OK)
        st = require_absent(j, "per_bin_stddev", err);
    return st;
}

tsr_status tsr_mel_opts_read(tsr_mel_opts *out, const tsr_json *extractor, tsr_error *err)
{
    tsr_mel_opts o = tsr_mel_opts_default();
    *out = o;
    tsr_status st = require_plain(extractor, err);
    if (st == TSR_OK)
        st = tsri_enc_config_size(extractor, "feature extractor", "feature_size", o.n_mels, 1, MAX_MELS, &o.n_mels, err);
    if (st == TSR_OK)
        st = read_length(extractor, "frame_length_ms", "frame_length", 20.0, o.rate_hz, &o.frame_len, err);
    if (st == TSR_OK)
        st = read_length(extractor, "hop_length_ms", "hop_length", 10.0, o.rate_hz, &o.hop_len, err);
    if (st == TSR_OK)
        st = read_fft_len(extractor, &o, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(extractor, "feature extractor", "min_frequency", o.min_hz, &o.min_hz, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(extractor, "feature extractor", "max_frequency", o.max_hz, &o.max_hz, err);
    if (st == TSR_OK)
        st = tsri_enc_config_double(extractor, "feature extractor", "mel_floor", o.floor, &o.floor, err);
    if (st == TSR_OK)
        *out = o;
    return st;
}

static tsr_status check_opts(const tsr_mel_opts *o, tsr_error *err)
{
    bool pow2 = o->fft_len && (o->fft_len & (o->fft_len - 1)) == 0;
    if (o->n_mels == 0 || o->n_mels > MAX_MELS || o->rate_hz < 2 || o->hop_len == 0 || o->frame_len == 0 || !pow2 ||
        o->fft_len < 4 || o->fft_len > MAX_FFT || o->frame_len > o->fft_len)
        return tsr_fail(err, TSR_ERR_MODEL, "mel: %zu filters, %zu Hz, frame %zu, hop %zu, fft %zu", o->n_mels, o->rate_hz,
                        o->frame_len, o->hop_len, o->fft_len);
    if (!(o->min_hz >= 0.0 && o->min_hz < o->max_hz && o->max_hz <= (double)o->rate_hz / 2.0))
        return tsr_fail(err, TSR_ERR_MODEL, "mel: filters from %g to %g Hz at a rate of %zu Hz", o->min_hz, o->max_hz,
                        o->rate_hz);
    if (!(o->floor > 0.0 && o->floor < 1e6))
        return tsr_fail(err, TSR_ERR_MODEL, "mel: a floor of %g", o->floor);
    return TSR_OK;
}

static double mel_of_hz(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

static double hz_of_mel(double mel)
{
    return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
}

/* Edge k of n_mels + 2, evenly spaced on the mel scale. */
static double edge_hz(const tsr_mel_opts *o, size_t k)
{
    double lo = mel_of_hz(o->min_hz), hi = mel_of_hz(o->max_hz);
    size_t last = o->n_mels + 1;
    double mel = k == last ? hi : lo + (hi - lo) / (double)last * (double)k;
    return hz_of_mel(mel);
}

static double triangle_at(double hz, double left, double peak, double right)
{
    double up = (hz - left) / (peak - left), down = (right - hz) / (right - peak);
    double w = up < down ? up : down;
    return w > 0.0 ? w : 0.0;
}

/* Fills m->triangles; with `weights` NULL only counts. Returns the number of weights. */
static size_t fill_triangles(tsr_mel *m, double *weights)
{
    const tsr_mel_opts *o = &m->opts;
    size_t n_bins = o->fft_len / 2 + 1, total = 0;
    double bin_hz = (double)(o->rate_hz / 2) / (double)(n_bins - 1);
    for (size_t f = 0; f < o->n_mels; f++) {
        double left = edge_hz(o, f), peak = edge_hz(o, f + 1), right = edge_hz(o, f + 2);
        triangle t = {.at = total};
        for (size_t b = 0; b < n_bins; b++) {
            double w = triangle_at(bin_hz * (double)b, left, peak, right);
            if (!(w > 0.0))
                continue;
            if (t.n == 0)
                t.first = b;
            if (weights)
                weights[total] = w;
            t.n++;
            total++;
        }
        m->triangles[f] = t;
    }
    return total;
}

static void fill_tables(tsr_mel *m)
{
    const tsr_mel_opts *o = &m->opts;
    for (size_t i = 0; i < o->frame_len; i++)
        m->window[i] = (float)(0.5 - 0.5 * cos(2.0 * PI * (double)i / (double)o->frame_len));
    for (size_t i = 0; i < o->fft_len / 2; i++) {
        double angle = 2.0 * PI * (double)i / (double)o->fft_len;
        m->twiddles[2 * i] = cos(angle);
        m->twiddles[2 * i + 1] = -sin(angle);
    }
}

tsr_status tsr_mel_open(tsr_mel **out, const tsr_mel_opts *opts, tsr_error *err)
{
    *out = NULL;
    tsr_status st = check_opts(opts, err);
    if (st != TSR_OK)
        return st;
    tsr_mel *m = tsr_calloc(1, sizeof *m);
    if (!m)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: mel");
    m->opts = *opts;
    size_t n = opts->fft_len;
    st = tsr_alloc_array(&m->window, opts->frame_len, sizeof *m->window, "mel window", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->triangles, opts->n_mels, sizeof *m->triangles, "mel filters", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->twiddles, n, sizeof *m->twiddles, "mel twiddles", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->re, n, sizeof *m->re, "mel spectrum", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->im, n, sizeof *m->im, "mel spectrum", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->magnitude, n / 2 + 1, sizeof *m->magnitude, "mel magnitude", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->weights, fill_triangles(m, NULL), sizeof *m->weights, "mel weights", err);
    if (st != TSR_OK) {
        tsr_mel_close(m);
        return st;
    }
    fill_triangles(m, m->weights);
    fill_tables(m);
    *out = m;
    return TSR_OK;
}

void tsr_mel_close(tsr_mel *m)
{
    if (!m)
        return;
    tsr_free(m->weights);
    tsr_free(m->magnitude);
    tsr_free(m->im);
    tsr_free(m->re);
    tsr_free(m->twiddles);
    tsr_free(m->triangles);
    tsr_free(m->window);
    tsr_free(m);
}

size_t tsr_mel_width(const tsr_mel *m)
{
    return m->opts.n_mels;
}

/* A frame needs one sample past its end, and frame_len / 2 zeros stand before the first sample. */
size_t tsr_mel_frames(const tsr_mel *m, size_t n_samples)
{
    size_t need = m->opts.frame_len + 1 - m->opts.frame_len / 2;
    if (n_samples < need)
        return 0;
    return (n_samples - need) / m->opts.hop_len + 1;
}

static size_t bit_reverse(size_t i, size_t n)
{
    size_t r = 0;
    for (; n > 1; n /= 2, i /= 2)
        r = r * 2 + (i & 1);
    return r;
}

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

/* In place, radix 2, decimation in time. */
static void fft(tsr_mel *m)
{
    size_t n = m->opts.fft_len;
    for (size_t i = 0; i < n; i++) {
        size_t r = bit_reverse(i, n);
        if (r > i) {
            swap(&m->re[i], &m->re[r]);
            swap(&m->im[i], &m->im[r]);
        }
    }
    for (size_t half = 1; half < n; half *= 2) {
        size_t step = n / (2 * half);
        for (size_t at = 0; at < n; at += 2 * half) {
            for (size_t i = 0; i < half; i++) {
                double c = m->twiddles[2 * i * step], s = m->twiddles[2 * i * step + 1];
                double *ar = &m->re[at + i], *ai = &m->im[at + i];
                double *br = ar + half, *bi = ai + half;
                double tr = *br * c - *bi * s, ti = *br * s + *bi * c;
                *br = *ar - tr;
                *bi = *ai - ti;
                *ar += tr;
                *ai += ti;
            }
        }
    }
}

/* first: index of the frame's first sample, counted with the leading zeros. */
static void load_frame(tsr_mel *m, const float *samples, size_t n_samples, size_t first)
{
    size_t pad = m->opts.frame_len / 2;
    for (size_t i = 0; i < m->opts.frame_len; i++) {
        size_t at = first + i;
        float x = at >= pad && at - pad < n_samples ? samples[at - pad] : 0.0f;
        float windowed = x * m->window[i];
        m->re[i] = (double)windowed;
    }
    memset(m->re + m->opts.frame_len, 0, (m->opts.fft_len - m->opts.frame_len) * sizeof *m->re);
    memset(m->im, 0, m->opts.fft_len * sizeof *m->im);
}

static void filter_frame(const tsr_mel *m, float *out)
{
    for (size_t f = 0; f < m->opts.n_mels; f++) {
        const triangle *t = &m->triangles[f];
        double sum = 0.0;
        for (size_t i = 0; i < t->n; i++)
            sum += m->magnitude[t->first + i] * m->weights[t->at + i];
        out[f] = (float)log(sum + m->opts.floor);
    }
}

void tsr_mel_compute(tsr_mel *m, const float *samples, size_t n_samples, float *frames)
{
    size_t n_frames = tsr_mel_frames(m, n_samples);
    for (size_t i = 0; i < n_frames; i++) {
        load_frame(m, samples, n_samples, i * m->opts.hop_len);
        fft(m);
        for (size_t b = 0; b <= m->opts.fft_len / 2; b++)
            m->magnitude[b] = (double)hypotf((float)m->re[b], (float)m->im[b]);
        filter_frame(m, frames + i * m->opts.n_mels);
    }
}
