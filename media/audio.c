/* audio.c: demux, decode, mix to mono, resample, one packet at a time. The mix is done here and not by FFmpeg, whose
 * own downmix weights the channels by their place in the room. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audio_internal.h"
#include "ff_internal.h"
#include "tsr_alloc.h"

enum { LEAST_HOLE_MS = 100 /* shorter ones are rounding and jitter of time stamps */ };
#define MOST_TIME_US INT64_C(1000000000000) /* eleven days; later stamps are no times */
enum { MAX_PADDING = 4096 /* samples that an encoder may have put behind the end to fill its last frame */ };

typedef struct state {
    tsri_ff_input in;
    tsr_audio_opts opts;
    tsr_audio_facts *facts; /* the caller's */
    bool each_call;         /* the deadline is for each piece */
    AVStream *stream;
    AVCodecContext *codec;
    AVPacket *pkt;
    AVFrame *frame;
    tsri_resampler *resampler;
    unsigned rate, channels; /* of the first frame */
    int64_t at;              /* place of the next decoded sample on the file's time line */
    int64_t hole;            /* samples of silence still to come before the frame at hand */
    bool has_frame;          /* s->frame waits behind a hole */
    bool drained;            /* no packets are left */
    int64_t from, to;        /* the part to keep on that line; to: INT64_MAX is all */
    uint64_t n_decoded, n_kept, n_out, max_kept, slack;
    double *sum; /* [frame] scratch of the mix, and its result */
    float *mono;
    size_t scratch_cap;
    tsri_samples *out; /* the caller's, during a call */
} state;

/* ---- the mean of the channels ---- */

/* Add channel c of the frame to s->sum as full scale 1. False for a sample type that is not known. */
#define ADD(type, expr)                                                       \
    do {                                                                      \
        const type *x = (const type *)(const void *)base;                     \
        for (size_t i = 0; i < n; i++)                                        \
            sum[i] += (expr);                                                 \
        return true;                                                          \
    } while (0)

static bool add_channel(double *sum, const AVFrame *f, size_t c, size_t n_channels)
{
    bool planar = av_sample_fmt_is_planar(f->format) != 0;
    size_t n = (size_t)f->nb_samples, step = planar ? 1 : n_channels, first = planar ? 0 : c;
    const uint8_t *base = f->extended_data[planar ? c : 0];
    switch (av_get_packed_sample_fmt(f->format)) {
    case AV_SAMPLE_FMT_U8:
        ADD(uint8_t, ((double)x[first + i * step] - 128.0) / 128.0);
    case AV_SAMPLE_FMT_S16:
        ADD(int16_t, (double)x[first + i * step] / 32768.0);
    case AV_SAMPLE_FMT_S32:
        ADD(int32_t, (double)x[first + i * step] / 2147483648.0);
    case AV_SAMPLE_FMT_S64:
        ADD(int64_t, (double)x[first + i * step] / 9223372036854775808.0);
    case AV_SAMPLE_FMT_FLT:
        ADD(float, (double)x[first + i * step]);
    case AV_SAMPLE_FMT_DBL:
        ADD(double, x[first + i * step]);
    default:
        return false;
    }
}

static tsr_status reserve_scratch(state *s, size_t n, tsr_error *err)
{
    if (n <= s->scratch_cap)
        return TSR_OK;
    tsr_free(s->sum);
    tsr_free(s->mono);
    s->sum = NULL;
    s->mono = NULL;
    s->scratch_cap = 0;
    tsr_status st = tsr_alloc_array(&s->sum, n, sizeof *s->sum, "sound of one frame", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&s->mono, n, sizeof *s->mono, "sound of one frame", err);
    if (st == TSR_OK)
        s->scratch_cap = n;
    return st;
}

/* s->mono := the mean over the frame's channels. */
static tsr_status mix(state *s, tsr_error *err)
{
    const AVFrame *f = s->frame;
    size_t n = (size_t)f->nb_samples, n_channels = (size_t)f->ch_layout.nb_channels;
    tsr_status st = reserve_scratch(s, n, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        s->sum[i] = 0.0;
    for (size_t c = 0; c < n_channels; c++)
        if (!add_channel(s->sum, f, c, n_channels))
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: samples of FFmpeg's type %d are not read", s->in.name,
                            f->format);
    for (size_t i = 0; i < n; i++) {
        s->mono[i] = (float)(s->sum[i] / (double)n_channels);
        if (!isfinite(s->mono[i]))
            return tsr_fail(err, TSR_ERR_DATA, "%s: sample %llu is not a finite number", s->in.name,
                            (unsigned long long)(s->n_decoded + i));
    }
    return TSR_OK;
}

/* ---- one decoded frame ---- */

static tsr_status too_long(const state *s, double seconds, bool is_known, tsr_error *err)
{
    return tsri_audio_too_long(s->in.name, seconds, is_known, s->opts.max_seconds, err);
}

static int64_t us_to_samples(int64_t us, unsigned rate)
{
    return av_rescale_rnd(us, rate, 1000000, AV_ROUND_NEAR_INF);
}

/* An MP4 file's edit list says where the sound ends inside its last frame; FFmpeg leaves the rest in. */
static bool has_exact_length(const state *s)
{
    return strcmp(s->in.container.demuxer, "mov") == 0 && s->stream->duration != AV_NOPTS_VALUE &&
           s->stream->duration > 0;
}

static tsr_status take_first_frame(state *s, tsr_error *err)
{
    const AVFrame *f = s->frame;
    s->rate = (unsigned)f->sample_rate;
    s->channels = (unsigned)f->ch_layout.nb_channels;
    s->from = s->opts.start_us > 0 ? us_to_samples(s->opts.start_us, s->rate) : INT64_MIN;
    s->to = s->opts.end_us >= 0 ? us_to_samples(s->opts.end_us, s->rate) : INT64_MAX;
    s->max_kept = (uint64_t)floor(s->opts.max_seconds * s->rate + 1e-6);
    if (has_exact_length(s))
        s->slack = MAX_PADDING;
    if (f->pts != AV_NOPTS_VALUE) {
        int64_t us = av_rescale_q(f->pts, s->codec->pkt_timebase, AV_TIME_BASE_Q);
        s->at = us_to_samples(us - tsri_ff_origin_us(&s->in), s->rate);
    }
    s->facts->sample_rate = s->rate;
    s->facts->channels = s->channels;
    s->facts->start_us = av_rescale_rnd(s->at > s->from ? s->at : s->from, 1000000, s->rate, AV_ROUND_NEAR_INF);
    return tsri_resampler_open(&s->resampler, s->rate, s->opts.sample_rate, TSRI_ENGINE_BEST, s->in.name, err);
}

/* The next n samples of the file's time line: what lies in the part to keep goes to the resampler. */
static tsr_status take_samples(state *s, const float *samples, int64_t n, tsr_error *err)
{
    int64_t skip = 0, keep;
    if (s->at < s->from)
        skip = s->from - s->at < n ? s->from - s->at : n;
    keep = n - skip;
    if (s->to != INT64_MAX && s->at + n > s->to)
        keep = s->to - s->at - skip > 0 ? s->to - s->at - skip : 0;
    s->at += n;
    s->n_decoded += (uint64_t)n;
    s->n_kept += (uint64_t)keep;
    if (s->n_kept > s->max_kept + s->slack)
        return too_long(s, (double)s->max_kept / s->rate, false, err);
    return keep ? tsri_resampler_push(s->resampler, samples + skip, (size_t)keep, s->out, err) : TSR_OK;
}

static tsr_status take_frame(state *s, tsr_error *err)
{
    const AVFrame *f = s->frame;
    tsr_status st = TSR_OK;
    if (f->nb_samples <= 0)
        return TSR_OK;
    if (f->sample_rate <= 0 || f->sample_rate > TSRI_MAX_RATE || f->ch_layout.nb_channels <= 0 ||
        f->ch_layout.nb_channels > TSRI_MAX_CHANNELS)
        return tsr_fail(err, TSR_ERR_DATA, "%s: sound of %d channels at %d Hz is not possible", s->in.name,
                        f->ch_layout.nb_channels, f->sample_rate);
    if (s->rate == 0)
        st = take_first_frame(s, err);
    else if ((unsigned)f->sample_rate != s->rate)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: the sample rate changes from %u to %d Hz at %.2f s", s->in.name,
                        s->rate, f->sample_rate, (double)s->n_decoded / s->rate);
    if (st == TSR_OK)
        st = mix(s, err);
    if (st != TSR_OK)
        return st;
    return take_samples(s, s->mono, f->nb_samples, err);
}

/* ---- holes ---- */

/* Containers whose time stamps are kept for each packet, and not counted from bytes. */
static bool has_own_times(const state *s)
{
    const char *d = s->in.container.demuxer;
    return strcmp(d, "mov") == 0 || strcmp(d, "matroska") == 0;
}

/* Samples between where the sound is and where its time stamp says that the frame begins; small ones are rounding. */
static int64_t hole_before(const state *s)
{
    const AVFrame *f = s->frame;
    if (s->rate == 0 || f->pts == AV_NOPTS_VALUE || !has_own_times(s))
        return 0;
    int64_t us = av_rescale_q(f->pts, s->codec->pkt_timebase, AV_TIME_BASE_Q) - tsri_ff_origin_us(&s->in);
    if (us < 0 || us > MOST_TIME_US)
        return 0;
    int64_t n = us_to_samples(us, s->rate) - s->at;
    return n > (int64_t)(s->rate * LEAST_HOLE_MS / 1000) ? n : 0;
}

/* A second of the hole becomes silence, or all of it that lies before the part to keep. */
static tsr_status fill_hole(state *s, tsr_error *err)
{
    int64_t n = s->hole < (int64_t)s->rate ? s->hole : (int64_t)s->rate;
    tsr_status st = reserve_scratch(s, (size_t)n, err);
    if (st != TSR_OK)
        return st;
    if (s->at < s->from)
        n = s->from - s->at < s->hole ? s->from - s->at : s->hole;
    else
        memset(s->mono, 0, (size_t)n * sizeof *s->mono);
    s->hole -= n;
    s->facts->hole_us += av_rescale(n, 1000000, s->rate);
    return take_samples(s, s->mono, n, err);
}

/* ---- the loop ---- */

static tsr_status check_packet(state *s, tsr_error *err)
{
    if (s->in.container.kind != TSR_KIND_MP3 || s->pkt->size < 4)
        return TSR_OK;
    size_t whole = tsri_mpeg_audio_frame_bytes(s->pkt->data);
    if ((size_t)s->pkt->size >= whole)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_DATA, "%s: is cut short: a frame of %zu bytes has %d", s->in.name, whole,
                    s->pkt->size);
}

/* Take all frames that the decoder has, up to one that stands behind a hole. */
static tsr_status take_frames(state *s, tsr_error *err)
{
    for (;;) {
        int e = s->has_frame ? 0 : avcodec_receive_frame(s->codec, s->frame);
        if (e == AVERROR(EAGAIN) || e == AVERROR_EOF)
            return TSR_OK;
        if (e < 0)
            return tsri_ff_fail(&s->in, e, "its sound is damaged", err);
        s->hole = s->has_frame ? 0 : hole_before(s);
        s->has_frame = s->hole > 0;
        if (s->has_frame) {
            s->facts->n_holes++;
            return TSR_OK;
        }
        tsr_status st = take_frame(s, err);
        av_frame_unref(s->frame);
        if (st != TSR_OK)
            return st;
    }
}

/* Hand the packet (NULL: the end) to the decoder and take what comes out. */
static tsr_status decode_packet(state *s, const AVPacket *pkt, tsr_error *err)
{
    int e = avcodec_send_packet(s->codec, pkt);
    if (e < 0 && !(e == AVERROR_EOF && !pkt))
        return tsri_ff_fail(&s->in, e, "its sound is damaged", err);
    return take_frames(s, err);
}

static bool is_past_range(const state *s)
{
    return s->rate != 0 && s->to != INT64_MAX && s->at >= s->to;
}

/* ---- before and after ---- */

/* The length by the headers, -1 unknown. A PCM file cannot be longer than its bytes: writers into
 * a pipe leave a size of gigabytes. */
static int64_t length_us(const state *s)
{
    const AVCodecParameters *p = s->stream->codecpar;
    int64_t us = tsri_ff_duration_us(&s->in, s->stream);
    if (us >= 0 && p->block_align > 0 && p->sample_rate > 0 && av_get_exact_bits_per_sample(p->codec_id) > 0) {
        int64_t n = (int64_t)tsr_source_size(s->in.src) / p->block_align;
        int64_t most = av_rescale(n, 1000000, p->sample_rate);
        us = us < most ? us : most;
    }
    return us;
}

static tsr_status check_length(const state *s, int64_t us, tsr_error *err)
{
    if (us < 0)
        return TSR_OK;
    int64_t end = s->opts.end_us >= 0 && s->opts.end_us < us ? s->opts.end_us : us;
    double kept = (double)(end - s->opts.start_us) / 1e6;
    /* One codec frame more or less is for the samples themselves to decide. */
    return kept > s->opts.max_seconds + 0.1 ? too_long(s, kept, true, err) : TSR_OK;
}

static tsr_status prepare(state *s, tsr_error *err)
{
    tsr_audio_facts *facts = s->facts;
    s->stream = tsri_ff_find_stream(&s->in, AVMEDIA_TYPE_AUDIO);
    if (!s->stream)
        return tsr_fail(err, TSR_ERR_DATA, "%s: holds no sound", s->in.name);
    const AVCodecParameters *p = s->stream->codecpar;
    facts->duration_us = length_us(s);
    facts->sample_rate = p->sample_rate > 0 ? (unsigned)p->sample_rate : 0;
    facts->channels = p->ch_layout.nb_channels > 0 ? (unsigned)p->ch_layout.nb_channels : 0;
    snprintf(facts->container, sizeof facts->container, "%s", s->in.container.name);
    snprintf(facts->codec, sizeof facts->codec, "%s", tsri_ff_codec_name(s->stream));
    tsr_status st = check_length(s, facts->duration_us, err);
    if (st == TSR_OK)
        st = tsri_ff_check_index(&s->in, s->stream, err);
    if (st != TSR_OK)
        return st;
    tsri_ff_select(&s->in, s->stream);
    int strict = AV_EF_EXPLODE | AV_EF_BITSTREAM;
    if (p->codec_id != AV_CODEC_ID_MP3) /* there the sums are often wrong in good files */
        strict |= AV_EF_CRCCHECK;
    st = tsri_ff_open_decoder(&s->codec, &s->in, s->stream, strict, err);
    s->pkt = av_packet_alloc();
    s->frame = av_frame_alloc();
    if (st == TSR_OK && (!s->pkt || !s->frame))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", s->in.name);
    return st;
}

/* FLAC files tell how many samples they hold. */
static tsr_status check_all_there(const state *s, tsr_error *err)
{
    int64_t says_us = s->facts->duration_us;
    if (s->n_decoded == 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: holds no sound that can be decoded", s->in.name);
    if (s->n_kept == 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: has no sound in the part asked for: it ends at %.2f s", s->in.name,
                        (double)s->at / s->rate);
    if (s->in.container.kind != TSR_KIND_FLAC || says_us < 0 || is_past_range(s))
        return TSR_OK;
    int64_t says = us_to_samples(says_us, s->rate);
    if ((int64_t)s->n_decoded + 1 >= says)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_DATA, "%s: is cut short: %llu of %lld samples are there", s->in.name,
                    (unsigned long long)s->n_decoded, (long long)says);
}

/* Take the encoder's padding off the end, then hold the result to the limit once more. */
static tsr_status finish(state *s, tsr_error *err)
{
    size_t before = s->out->n;
    tsr_status st = tsri_resampler_finish(s->resampler, s->out, err);
    if (st != TSR_OK)
        return st;
    s->n_out += s->out->n - before;
    int64_t says = has_exact_length(s) ? av_rescale_q(s->stream->duration, s->stream->time_base,
                                                      (AVRational){1, (int)s->rate})
                                       : INT64_MAX;
    int64_t excess = (int64_t)s->n_decoded - says;
    if (says != INT64_MAX && !is_past_range(s) && excess > 0 && excess <= MAX_PADDING &&
        (uint64_t)excess < s->n_kept) {
        s->n_kept -= (uint64_t)excess;
        uint64_t n = (s->n_kept * s->opts.sample_rate + s->rate / 2) / s->rate;
        uint64_t cut = n < s->n_out ? s->n_out - n : 0;
        s->out->n -= cut < s->out->n ? (size_t)cut : s->out->n;
    }
    return s->n_kept > s->max_kept ? too_long(s, (double)s->n_kept / s->rate, true, err) : TSR_OK;
}

static tsr_status read_packet(state *s, tsr_error *err)
{
    tsr_status st = tsri_ff_read(&s->in, s->stream, s->pkt, &s->drained, err);
    if (st == TSR_OK && !s->drained)
        st = check_packet(s, err);
    if (st == TSR_OK)
        st = decode_packet(s, s->drained ? NULL : s->pkt, err);
    av_packet_unref(s->pkt);
    return st;
}

/* One packet, or what the decoder still holds when there is none, or a piece of a hole. */
static tsr_status make_more(state *s, bool *end, tsr_error *err)
{
    size_t before = s->out->n;
    tsr_status st = s->hole > 0 ? fill_hole(s, err) : s->has_frame ? take_frames(s, err) : read_packet(s, err);
    s->n_out += s->out->n - before;
    *end = (s->drained && !s->has_frame) || is_past_range(s);
    return st;
}

static tsr_status more(void *self, tsri_samples *out, bool *end, tsr_error *err)
{
    state *s = self;
    s->out = out;
    if (s->each_call)
        tsri_ff_begin(&s->in);
    tsr_status st = make_more(s, end, err);
    if (st == TSR_OK && *end)
        st = check_all_there(s, err);
    if (st == TSR_OK && *end)
        st = finish(s, err);
    s->out = NULL;
    return st;
}

static void close_state(void *self)
{
    state *s = self;
    tsri_resampler_close(s->resampler);
    av_frame_free(&s->frame);
    av_packet_free(&s->pkt);
    avcodec_free_context(&s->codec);
    tsri_ff_close(&s->in);
    tsr_free(s->sum);
    tsr_free(s->mono);
    tsr_free(s);
}

/* Samples of the result that finish() may take back; +1 for rounding. */
static size_t padding_held(const state *s)
{
    unsigned rate = s->facts->sample_rate ? s->facts->sample_rate : 1;
    return has_exact_length(s) ? (size_t)((uint64_t)MAX_PADDING * s->opts.sample_rate / rate) + 1 : 0;
}

tsr_status tsri_sound_from_file(tsri_sound_maker *m, tsr_audio_facts *facts, const tsr_source *src,
                                const tsr_audio_opts *opts, bool each_call, tsr_error *err)
{
    memset(m, 0, sizeof *m);
    state *s = tsr_calloc(1, sizeof *s);
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", tsr_source_name(src));
    s->opts = *opts;
    s->facts = facts;
    s->each_call = each_call;
    const tsri_ff_limits limits = {.max_bytes = opts->max_bytes, .max_packets = opts->max_packets, .max_pixels = 1 << 26,
                                   .timeout_ms = opts->timeout_ms};
    tsr_status st = tsri_ff_open(&s->in, src, &limits, err);
    if (st == TSR_OK)
        st = prepare(s, err);
    if (st == TSR_OK)
        *m = (tsri_sound_maker){.more = more, .close = close_state, .self = s, .hold = padding_held(s)};
    else
        close_state(s);
    return st;
}
