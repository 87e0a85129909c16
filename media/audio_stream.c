/* audio_stream.c: samples as they are made are handed out in the caller's pieces, or all at once. */
#include <string.h>

#include "audio_internal.h"
#include "tsr_alloc.h"

struct tsr_audio_stream {
    tsri_sound_maker maker;
    tsr_audio_facts facts;
    tsri_samples made; /* not handed out yet, from `taken` on */
    size_t taken;
    bool ended;
    tsr_error failure; /* told once the samples before it are given */
};

tsr_audio_opts tsr_audio_opts_default(void)
{
    const tsr_audio_opts o = {16000, 0, -1, 30.0, UINT64_C(8) << 30, 8000000, 120000};
    return o;
}

void tsr_audio_deinit(tsr_audio *a)
{
    tsr_free(a->samples);
    memset(a, 0, sizeof *a);
}

tsr_status tsri_audio_check_opts(const tsr_audio_opts *o, tsr_error *err)
{
    if (o->sample_rate < 1000 || o->sample_rate > TSRI_MAX_RATE)
        return tsr_fail(err, TSR_ERR_USAGE, "audio: a sample rate of %u Hz is outside 1,000 to %d", o->sample_rate,
                        TSRI_MAX_RATE);
    if (!(o->max_seconds > 0) || o->max_seconds > 1e6)
        return tsr_fail(err, TSR_ERR_USAGE, "audio: a limit of %g seconds is outside 0 to 1,000,000", o->max_seconds);
    if (o->start_us < 0 || (o->end_us >= 0 && o->end_us <= o->start_us))
        return tsr_fail(err, TSR_ERR_USAGE, "audio: the part from %.3f s to %.3f s is empty", (double)o->start_us / 1e6,
                        (double)o->end_us / 1e6);
    return TSR_OK;
}

tsr_status tsri_audio_too_long(const char *name, double seconds, bool is_known, double limit, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_LIMIT, "%s: %s%.2f s of sound, the limit is %g s", name, is_known ? "" : "more than ",
                    seconds, limit);
}

/* ---- at once ---- */

static tsr_status make_all(tsri_sound_maker *m, tsri_samples *out, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (bool end = false; st == TSR_OK && !end;)
        st = m->more(m->self, out, &end, err);
    return st;
}

tsr_status tsr_audio_decode(tsr_audio *out, const tsr_source *src, const tsr_audio_opts *opts, tsr_error *err)
{
    const tsr_audio_opts o = opts ? *opts : tsr_audio_opts_default();
    tsri_sound_maker m;
    tsri_samples made = {0};
    memset(out, 0, sizeof *out);
    tsr_status st = tsri_audio_check_opts(&o, err);
    if (st == TSR_OK)
        st = tsri_sound_from_file(&m, &out->source, src, &o, false, err);
    if (st == TSR_OK) {
        st = make_all(&m, &made, err);
        m.close(m.self);
    }
    if (st == TSR_OK) {
        out->samples = made.data;
        out->n_samples = made.n;
        out->sample_rate = o.sample_rate;
    } else {
        tsr_free(made.data);
        memset(out, 0, sizeof *out);
    }
    return st;
}

/* ---- piece by piece ---- */

static tsr_status new_stream(tsr_audio_stream **out, const tsr_audio_opts *o, const char *name, tsr_error *err)
{
    *out = NULL;
    tsr_status st = tsri_audio_check_opts(o, err);
    if (st == TSR_OK && !(*out = tsr_calloc(1, sizeof **out)))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    return st;
}

/* The stream, or NULL after a failure. */
static tsr_status hand_over(tsr_audio_stream **out, tsr_status st)
{
    if (st != TSR_OK) {
        tsr_free(*out); /* no maker, no samples yet */
        *out = NULL;
    }
    return st;
}

tsr_status tsr_audio_stream_open(tsr_audio_stream **out, const tsr_source *src, const tsr_audio_opts *opts,
                                 tsr_error *err)
{
    const tsr_audio_opts o = opts ? *opts : tsr_audio_opts_default();
    tsr_status st = new_stream(out, &o, tsr_source_name(src), err);
    if (st == TSR_OK)
        st = tsri_sound_from_file(&(*out)->maker, &(*out)->facts, src, &o, true, err);
    return hand_over(out, st);
}

tsr_status tsr_audio_stream_open_live(tsr_audio_stream **out, const tsr_audio_reader *reader, unsigned raw_rate,
                                      size_t max_spool, const tsr_audio_opts *opts, tsr_error *err)
{
    const tsr_audio_opts o = opts ? *opts : tsr_audio_opts_default();
    tsr_status st = new_stream(out, &o, reader->name, err);
    if (st == TSR_OK)
        st = tsri_sound_from_reader(&(*out)->maker, &(*out)->facts, reader, raw_rate, max_spool, &o, err);
    return hand_over(out, st);
}

void tsr_audio_stream_close(tsr_audio_stream *s)
{
    if (!s)
        return;
    s->maker.close(s->maker.self);
    tsr_free(s->made.data);
    tsr_free(s);
}

const tsr_audio_facts *tsr_audio_stream_facts(const tsr_audio_stream *s)
{
    return &s->facts;
}

static size_t ready(const tsr_audio_stream *s)
{
    size_t left = s->made.n - s->taken, hold = s->ended ? 0 : s->maker.hold;
    return left > hold ? left - hold : 0;
}

/* What was handed out makes room for what comes. */
static void drop_taken(tsr_audio_stream *s)
{
    if (s->taken == 0)
        return;
    s->made.n -= s->taken;
    memmove(s->made.data, s->made.data + s->taken, s->made.n * sizeof *s->made.data);
    s->taken = 0;
}

tsr_status tsr_audio_stream_read(tsr_audio_stream *s, float *samples, size_t cap, size_t *n, tsr_error *err)
{
    while (ready(s) == 0 && !s->ended) {
        drop_taken(s);
        if (s->maker.more(s->maker.self, &s->made, &s->ended, &s->failure) != TSR_OK)
            s->ended = true;
    }
    *n = ready(s) < cap ? ready(s) : cap;
    if (*n > 0)
        memcpy(samples, s->made.data + s->taken, *n * sizeof *samples);
    s->taken += *n;
    return *n == 0 && s->failure.status != TSR_OK ? tsr_fail(err, s->failure.status, "%s", s->failure.text) : TSR_OK;
}
