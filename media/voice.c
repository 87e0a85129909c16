/* voice.c: a spectrum every 20 ms, its power in bands against their floors, and two thresholds. */
#include "tsr_voice.h"

#include <math.h>
#include <string.h>

#include "tsr_alloc.h"

enum {
    N_FFT = 512,
    LOG_FFT = 9,
    N_BANDS = 20,
    SPAN = 20,    /* frames of a stretch whose least power is kept */
    N_SPANS = 8,  /* stretches that a floor looks back: 3.2 s */
    ON_BANDS = 5, /* bands that must stand out for speech to begin */
    STAY_BANDS = 3,
    ON_FRAMES = 3, /* of the last four */
    OFF_FRAMES = 6 /* quiet frames that end it */
};

#define LOW_HZ 100.0
#define HIGH_HZ 7600.0
#define LEAST_DB (-90.0f)
#define QUIET_DB (-82.0f) /* no floor is lower: what is softer than this is nobody speaking */
#define ON_DB 11.0f       /* above the floor */
#define STAY_DB 7.0f
#define REACH_DB 35.0f /* bands so far below the loudest one may be the window's leakage of a tone */
#define SMOOTHING 0.8f       /* of what lets it stay: a pause shows within two frames */
#define FLOOR_SMOOTHING 0.4f /* of what becomes the floor: the least of noise is not far below its mean */

struct tsr_voice {
    float history[N_FFT]; /* the newest samples, oldest first */
    size_t n_new;         /* of the frame that is not whole yet */
    float window[N_FFT], scale;
    float cosine[N_FFT / 2], sine[N_FFT / 2];
    size_t edges[N_BANDS + 1]; /* bins */
    float power[N_BANDS], slow[N_BANDS]; /* smoothed */
    float least[N_SPANS][N_BANDS], now[N_BANDS]; /* dB; of whole stretches, and of the one that runs */
    size_t span, at;                             /* which is written next; frames in the one that runs */
    unsigned recent;                             /* one bit a frame: enough bands stood out */
    size_t n_quiet;
    bool is_voiced;
};

/* ---- opening ---- */

static double mel(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

static void lay_bands(tsr_voice *v)
{
    double low = mel(LOW_HZ), step = (mel(HIGH_HZ) - low) / N_BANDS;
    for (size_t b = 0; b <= N_BANDS; b++) {
        double hz = 700.0 * (pow(10.0, (low + step * (double)b) / 2595.0) - 1.0);
        v->edges[b] = (size_t)(hz * N_FFT / TSR_VOICE_RATE + 0.5);
    }
}

static void make_tables(tsr_voice *v)
{
    const double tau = 6.283185307179586;
    double sum = 0;
    for (size_t i = 0; i < N_FFT; i++) {
        double w = 0.5 - 0.5 * cos(tau * (double)i / N_FFT);
        v->window[i] = (float)w;
        sum += w * w;
    }
    v->scale = (float)(2.0 / (N_FFT * sum)); /* the bins of white noise then add up to its mean square */
    for (size_t i = 0; i < N_FFT / 2; i++) {
        v->cosine[i] = (float)cos(tau * (double)i / N_FFT);
        v->sine[i] = (float)-sin(tau * (double)i / N_FFT);
    }
}

tsr_status tsr_voice_open(tsr_voice **out, tsr_error *err)
{
    *out = NULL;
    tsr_voice *v = tsr_calloc(1, sizeof *v);
    if (!v)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: voice detection needs %zu bytes", sizeof *v);
    lay_bands(v);
    make_tables(v);
    for (size_t b = 0; b < N_BANDS; b++) {
        v->now[b] = 0;
        for (size_t s = 0; s < N_SPANS; s++)
            v->least[s][b] = QUIET_DB;
    }
    *out = v;
    return TSR_OK;
}

void tsr_voice_close(tsr_voice *v)
{
    tsr_free(v);
}

/* ---- the spectrum ---- */

static size_t reversed(size_t i)
{
    size_t r = 0;
    for (size_t b = 0; b < LOG_FFT; b++)
        r |= (i >> b & 1) << (LOG_FFT - 1 - b);
    return r;
}

/* One stage of the transform: butterflies between points `half` apart. */
static void turn(const tsr_voice *v, float *re, float *im, size_t half)
{
    for (size_t first = 0; first < N_FFT; first += 2 * half)
        for (size_t k = 0; k < half; k++) {
            float c = v->cosine[k * (N_FFT / 2 / half)], s = v->sine[k * (N_FFT / 2 / half)];
            size_t a = first + k, b = a + half;
            float x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
            re[b] = re[a] - x;
            im[b] = im[a] - y;
            re[a] += x;
            im[a] += y;
        }
}

static void band_powers(const tsr_voice *v, float powers[N_BANDS])
{
    float re[N_FFT], im[N_FFT];
    memset(im, 0, sizeof im);
    for (size_t i = 0; i < N_FFT; i++)
        re[reversed(i)] = v->history[i] * v->window[i];
    for (size_t half = 1; half < N_FFT; half *= 2)
        turn(v, re, im, half);
    for (size_t b = 0; b < N_BANDS; b++) {
        powers[b] = 0;
        for (size_t k = v->edges[b]; k < v->edges[b + 1]; k++)
            powers[b] += (re[k] * re[k] + im[k] * im[k]) * v->scale;
    }
}

/* ---- floors and decisions ---- */

static float decibel(float power)
{
    return power > 1e-9f ? 10.0f * log10f(power) : LEAST_DB;
}

static float floor_of(const tsr_voice *v, size_t b)
{
    float least = v->now[b];
    for (size_t s = 0; s < N_SPANS; s++)
        least = v->least[s][b] < least ? v->least[s][b] : least;
    return least > QUIET_DB ? least : QUIET_DB;
}

static void remember(tsr_voice *v, const float db[N_BANDS])
{
    for (size_t b = 0; b < N_BANDS; b++)
        v->now[b] = db[b] < v->now[b] ? db[b] : v->now[b];
    if (++v->at < SPAN)
        return;
    memcpy(v->least[v->span], v->now, sizeof v->now);
    for (size_t b = 0; b < N_BANDS; b++)
        v->now[b] = 0;
    v->span = (v->span + 1) % N_SPANS;
    v->at = 0;
}

static size_t bits_of(unsigned x)
{
    size_t n = 0;
    for (; x; x >>= 1)
        n += x & 1;
    return n;
}

static void decide(tsr_voice *v, size_t n_on, size_t n_stay)
{
    v->recent = (v->recent << 1 | (n_on >= ON_BANDS)) & 15;
    v->n_quiet = n_stay >= STAY_BANDS ? 0 : v->n_quiet + 1;
    if (bits_of(v->recent) >= ON_FRAMES)
        v->is_voiced = true;
    else if (v->n_quiet >= OFF_FRAMES)
        v->is_voiced = false;
}

static tsr_voice_frame judge(tsr_voice *v)
{
    float powers[N_BANDS], now_db[N_BANDS], db[N_BANDS], slow_db[N_BANDS], sum = 0, loudest = LEAST_DB;
    size_t n_on = 0, n_stay = 0;
    band_powers(v, powers);
    for (size_t b = 0; b < N_BANDS; b++) {
        v->power[b] += SMOOTHING * (powers[b] - v->power[b]);
        v->slow[b] += FLOOR_SMOOTHING * (powers[b] - v->slow[b]);
        now_db[b] = decibel(powers[b]); /* a click is in two frames at most, and no beginning */
        db[b] = decibel(v->power[b]);
        slow_db[b] = decibel(v->slow[b]);
        sum += powers[b];
        loudest = now_db[b] > loudest ? now_db[b] : loudest;
    }
    for (size_t b = 0; b < N_BANDS; b++) {
        float least = floor_of(v, b);
        n_on += now_db[b] > loudest - REACH_DB && now_db[b] > least + ON_DB;
        n_stay += db[b] > loudest - REACH_DB && db[b] > least + STAY_DB;
    }
    remember(v, slow_db);
    decide(v, n_on, n_stay);
    return (tsr_voice_frame){v->is_voiced, decibel(sum)};
}

size_t tsr_voice_push(tsr_voice *v, const float *samples, size_t n, tsr_voice_frame *frames)
{
    size_t n_frames = 0;
    while (n > 0) {
        size_t k = TSR_VOICE_FRAME - v->n_new < n ? TSR_VOICE_FRAME - v->n_new : n;
        memmove(v->history, v->history + k, (N_FFT - k) * sizeof *v->history);
        memcpy(v->history + N_FFT - k, samples, k * sizeof *samples);
        samples += k;
        n -= k;
        v->n_new += k;
        if (v->n_new < TSR_VOICE_FRAME)
            break;
        v->n_new = 0;
        frames[n_frames++] = judge(v);
    }
    return n_frames;
}
