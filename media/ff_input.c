/* ff_input.c: opens a container for sound and film. FFmpeg sees our bytes through a custom I/O
 * context; it may open nothing itself: the list of protocols is empty, the hook that opens further
 * files refuses, and external data references stay closed. The demuxer is the one that
 * container.c chose; decoders come from the table below. */
#include "ff_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tsr_clock.h"

enum { IO_BUFFER = 1 << 16, PROBE_BYTES = 5 << 20, ANALYZE_US = 5 * AV_TIME_BASE, MAX_STREAMS = 64 };

/* ---- what may decode ---- */

typedef struct codec_row {
    enum AVCodecID id;
    const char *decoders[2]; /* in order of preference */
} codec_row;

static const codec_row codecs[] = {
    {AV_CODEC_ID_PCM_S8, {"pcm_s8"}},
    {AV_CODEC_ID_PCM_U8, {"pcm_u8"}},
    {AV_CODEC_ID_PCM_S16LE, {"pcm_s16le"}},
    {AV_CODEC_ID_PCM_S16BE, {"pcm_s16be"}},
    {AV_CODEC_ID_PCM_U16LE, {"pcm_u16le"}},
    {AV_CODEC_ID_PCM_S24LE, {"pcm_s24le"}},
    {AV_CODEC_ID_PCM_S24BE, {"pcm_s24be"}},
    {AV_CODEC_ID_PCM_S32LE, {"pcm_s32le"}},
    {AV_CODEC_ID_PCM_S32BE, {"pcm_s32be"}},
    {AV_CODEC_ID_PCM_F32LE, {"pcm_f32le"}},
    {AV_CODEC_ID_PCM_F32BE, {"pcm_f32be"}},
    {AV_CODEC_ID_PCM_F64LE, {"pcm_f64le"}},
    {AV_CODEC_ID_PCM_F64BE, {"pcm_f64be"}},
    {AV_CODEC_ID_PCM_ALAW, {"pcm_alaw"}},
    {AV_CODEC_ID_PCM_MULAW, {"pcm_mulaw"}},
    {AV_CODEC_ID_ADPCM_MS, {"adpcm_ms"}},
    {AV_CODEC_ID_ADPCM_IMA_WAV, {"adpcm_ima_wav"}},
    {AV_CODEC_ID_ADPCM_IMA_QT, {"adpcm_ima_qt"}},
    {AV_CODEC_ID_MP3, {"mp3float", "mp3"}},
    {AV_CODEC_ID_MP2, {"mp2float", "mp2"}},
    {AV_CODEC_ID_MP1, {"mp1float", "mp1"}},
    {AV_CODEC_ID_AAC, {"aac"}},
    {AV_CODEC_ID_ALAC, {"alac"}},
    {AV_CODEC_ID_FLAC, {"flac"}},
    {AV_CODEC_ID_VORBIS, {"vorbis"}},
    {AV_CODEC_ID_OPUS, {"opus", "libopus"}},
    {AV_CODEC_ID_SPEEX, {"speex", "libspeex"}},
    {AV_CODEC_ID_AC3, {"ac3"}},
    {AV_CODEC_ID_EAC3, {"eac3"}},
    {AV_CODEC_ID_AMR_NB, {"amrnb", "libopencore_amrnb"}},
    {AV_CODEC_ID_AMR_WB, {"amrwb", "libopencore_amrwb"}},
    {AV_CODEC_ID_H264, {"h264"}},
    {AV_CODEC_ID_HEVC, {"hevc"}},
    {AV_CODEC_ID_VP8, {"vp8"}},
    {AV_CODEC_ID_VP9, {"vp9"}},
    {AV_CODEC_ID_AV1, {"libdav1d"}},
    {AV_CODEC_ID_MPEG4, {"mpeg4"}},
    {AV_CODEC_ID_H263, {"h263"}},
    {AV_CODEC_ID_MPEG2VIDEO, {"mpeg2video"}},
    {AV_CODEC_ID_MPEG1VIDEO, {"mpeg1video"}},
    {AV_CODEC_ID_MJPEG, {"mjpeg"}},
    {AV_CODEC_ID_THEORA, {"theora"}},
    {AV_CODEC_ID_PRORES, {"prores"}},
};

enum { N_CODECS = sizeof codecs / sizeof codecs[0] };

static const AVCodec *find_decoder(enum AVCodecID id)
{
    for (size_t i = 0; i < N_CODECS; i++) {
        if (codecs[i].id != id)
            continue;
        const AVCodec *c = avcodec_find_decoder_by_name(codecs[i].decoders[0]);
        if (!c && codecs[i].decoders[1])
            c = avcodec_find_decoder_by_name(codecs[i].decoders[1]);
        return c;
    }
    return NULL;
}

/* The table as FFmpeg wants it, for the decoders that it opens itself while it looks at streams. */
static char *codec_whitelist(void)
{
    char text[1024];
    size_t n = 0;
    for (size_t i = 0; i < N_CODECS; i++)
        for (size_t k = 0; k < 2; k++) {
            const char *name = codecs[i].decoders[k];
            size_t len = name ? strlen(name) : 0;
            if (!name || n + len + 2 > sizeof text)
                continue;
            if (n > 0)
                text[n++] = ',';
            memcpy(text + n, name, len);
            n += len;
        }
    text[n] = '\0';
    return av_strdup(text);
}

const char *tsri_ff_codec_name(const AVStream *stream)
{
    return avcodec_get_name(stream->codecpar->codec_id);
}

/* ---- time and errors ---- */

void tsri_ff_begin(tsri_ff_input *in)
{
    in->timed_out = in->stopped = false;
    in->deadline_ns = in->limits.timeout_ms ? tsr_clock_ns() + (int64_t)in->limits.timeout_ms * 1000000 : 0;
}

enum { ASK_EVERY_NS = 50000000 };

/* Out of time, or stopped: whichever came first stays. */
static bool is_over(tsri_ff_input *in)
{
    int64_t now = in->deadline_ns || in->limits.stop ? tsr_clock_ns() : 0;
    if (in->timed_out || in->stopped)
        return true;
    in->timed_out = in->deadline_ns && now > in->deadline_ns;
    if (!in->timed_out && in->limits.stop && now - in->asked_ns >= ASK_EVERY_NS) {
        in->asked_ns = now;
        in->stopped = in->limits.stop(in->limits.stop_user);
    }
    return in->timed_out || in->stopped;
}

tsr_status tsri_ff_check_time(tsri_ff_input *in, tsr_error *err)
{
    if (!is_over(in))
        return TSR_OK;
    if (in->stopped)
        return tsr_fail(err, TSR_ERR_CANCELLED, "%s: stopped on request while it was read", in->name);
    return tsr_fail(err, TSR_ERR_BUSY, "%s: decoding took longer than the limit of %u ms", in->name,
                    in->limits.timeout_ms);
}

tsr_status tsri_ff_fail(tsri_ff_input *in, int e, const char *what, tsr_error *err)
{
    char why[AV_ERROR_MAX_STRING_SIZE];
    if (in->timed_out || in->stopped)
        return tsri_ff_check_time(in, err);
    if (in->io_error.status != TSR_OK)
        return tsr_fail(err, in->io_error.status, "%s", in->io_error.text);
    if (e == AVERROR(ENOMEM))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: %s", in->name, what);
    if (av_strerror(e, why, sizeof why) < 0)
        snprintf(why, sizeof why, "error %d", e);
    bool missing = e == AVERROR_DECODER_NOT_FOUND || e == AVERROR_DEMUXER_NOT_FOUND || e == AVERROR_PATCHWELCOME ||
                   e == AVERROR(ENOSYS);
    return tsr_fail(err, missing ? TSR_ERR_UNSUPPORTED : TSR_ERR_DATA, "%s: %s: %s", in->name, what, why);
}

/* ---- what FFmpeg calls ---- */

static int on_interrupt(void *opaque)
{
    return is_over(opaque);
}

static int on_read(void *opaque, uint8_t *buf, int n)
{
    tsri_ff_input *in = opaque;
    size_t got;
    if (is_over(in))
        return AVERROR_EXIT;
    if (tsr_source_read(in->src, in->at, buf, (size_t)n, &got, &in->io_error) != TSR_OK)
        return AVERROR(EIO);
    in->at += got;
    return got > 0 ? (int)got : AVERROR_EOF;
}

static int64_t on_seek(void *opaque, int64_t offset, int whence)
{
    tsri_ff_input *in = opaque;
    int64_t size = (int64_t)tsr_source_size(in->src), base;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return size;
    if (whence == SEEK_SET)
        base = 0;
    else if (whence == SEEK_CUR)
        base = (int64_t)in->at;
    else if (whence == SEEK_END)
        base = size;
    else
        return AVERROR(EINVAL);
    if (offset < -base || offset > INT64_MAX - base)
        return AVERROR(EINVAL);
    in->at = (uint64_t)(base + offset);
    return base + offset;
}

/* Playlists, external tracks, fonts: nothing that a file names is ever opened. */
static int refuse_open(AVFormatContext *s, AVIOContext **pb, const char *url, int flags, AVDictionary **options)
{
    (void)s;
    (void)url;
    (void)flags;
    (void)options;
    *pb = NULL;
    return AVERROR(EPERM);
}

static void drop_log(void *avcl, int level, const char *fmt, va_list ap)
{
    (void)avcl;
    (void)level;
    (void)fmt;
    (void)ap;
}

/* FFmpeg's log goes to stderr of the whole process unless its one global callback is changed. */
static void silence_log(void)
{
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done))
        av_log_set_callback(drop_log);
}

/* ---- opening ---- */

static tsr_status make_context(tsri_ff_input *in, tsr_error *err)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);
    AVIOContext *pb = buffer ? avio_alloc_context(buffer, IO_BUFFER, 0, in, on_read, NULL, on_seek) : NULL;
    if (!pb) {
        av_free(buffer);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    }
    AVFormatContext *f = avformat_alloc_context();
    in->fmt = f;
    if (!f) {
        av_freep(&pb->buffer);
        avio_context_free(&pb);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    }
    f->pb = pb;
    f->flags |= AVFMT_FLAG_CUSTOM_IO;
    f->io_open = refuse_open;
    f->interrupt_callback.callback = on_interrupt;
    f->interrupt_callback.opaque = in;
    f->probesize = PROBE_BYTES;
    f->max_analyze_duration = ANALYZE_US;
    f->max_streams = MAX_STREAMS;
    f->protocol_whitelist = av_strdup("");
    f->format_whitelist = av_strdup(in->container.demuxer);
    f->codec_whitelist = codec_whitelist();
    if (!f->protocol_whitelist || !f->format_whitelist || !f->codec_whitelist)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    return TSR_OK;
}

/* avformat_open_input frees the context on failure, but never our I/O context. */
static void free_io(AVIOContext *pb)
{
    if (!pb)
        return;
    av_freep(&pb->buffer);
    avio_context_free(&pb);
}

static tsr_status open_container(tsri_ff_input *in, tsr_error *err)
{
    const AVInputFormat *demuxer = av_find_input_format(in->container.demuxer);
    AVDictionary *opts = NULL;
    if (!demuxer)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: this FFmpeg has no demuxer for %s", in->name,
                        in->container.name);
    if (strcmp(in->container.demuxer, "mov") == 0) {
        av_dict_set(&opts, "enable_drefs", "0", 0);
        av_dict_set(&opts, "use_absolute_path", "0", 0);
    }
    AVIOContext *pb = in->fmt->pb;
    int e = avformat_open_input(&in->fmt, "", demuxer, &opts);
    av_dict_free(&opts);
    if (e < 0) {
        free_io(pb);
        return tsri_ff_fail(in, e, "cannot be opened as sound or film", err);
    }
    e = avformat_find_stream_info(in->fmt, NULL);
    if (e < 0)
        return tsri_ff_fail(in, e, "its streams cannot be made out", err);
    return tsri_ff_check_time(in, err);
}

tsr_status tsri_ff_open(tsri_ff_input *in, const tsr_source *src, const tsri_ff_limits *limits, tsr_error *err)
{
    memset(in, 0, sizeof *in);
    in->src = src;
    in->name = tsr_source_name(src);
    in->limits = *limits;
    silence_log();
    tsri_ff_begin(in);
    uint64_t size = tsr_source_size(src);
    if (size > limits->max_bytes || size > INT64_MAX)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %llu bytes, the limit is %llu", in->name, (unsigned long long)size,
                        (unsigned long long)limits->max_bytes);
    tsr_status st = tsri_container_find(&in->container, src, err);
    if (st == TSR_OK)
        st = tsri_container_check_whole(&in->container, src, err);
    if (st == TSR_OK)
        st = make_context(in, err);
    if (st == TSR_OK)
        st = open_container(in, err);
    if (st != TSR_OK)
        tsri_ff_close(in);
    return st;
}

void tsri_ff_close(tsri_ff_input *in)
{
    if (!in->fmt)
        return;
    AVIOContext *pb = in->fmt->pb;
    avformat_close_input(&in->fmt);
    free_io(pb);
}

/* ---- streams ---- */

AVStream *tsri_ff_find_stream(const tsri_ff_input *in, enum AVMediaType type)
{
    AVStream *found = NULL;
    for (unsigned i = 0; i < in->fmt->nb_streams; i++) {
        AVStream *s = in->fmt->streams[i];
        if (s->codecpar->codec_type != type || s->disposition & AV_DISPOSITION_ATTACHED_PIC)
            continue;
        if (s->disposition & AV_DISPOSITION_DEFAULT)
            return s;
        if (!found)
            found = s;
    }
    return found;
}

void tsri_ff_select(tsri_ff_input *in, const AVStream *stream)
{
    for (unsigned i = 0; i < in->fmt->nb_streams; i++)
        if (in->fmt->streams[i] != stream)
            in->fmt->streams[i]->discard = AVDISCARD_ALL;
}

tsr_status tsri_ff_open_decoder(AVCodecContext **out, tsri_ff_input *in, const AVStream *stream, int err_recognition,
                                tsr_error *err)
{
    const AVCodec *codec = find_decoder(stream->codecpar->codec_id);
    *out = NULL;
    if (!codec)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: %s in codec '%s' is not read", in->name,
                        stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? "film" : "sound",
                        tsri_ff_codec_name(stream));
    AVCodecContext *c = avcodec_alloc_context3(codec);
    if (!c)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    int e = avcodec_parameters_to_context(c, stream->codecpar);
    if (e >= 0) {
        c->pkt_timebase = stream->time_base;
        c->thread_count = 1;
        c->max_pixels = in->limits.max_pixels > INT64_MAX ? INT64_MAX : (int64_t)in->limits.max_pixels;
        c->err_recognition = err_recognition;
        e = avcodec_open2(c, codec, NULL);
    }
    if (e < 0) {
        avcodec_free_context(&c);
        return tsri_ff_fail(in, e, "its decoder cannot be set up", err);
    }
    *out = c;
    return TSR_OK;
}

/* There the last packet just ends with the file: check_whole has compared the sizes where they are told. */
static bool has_plain_samples(const tsri_ff_input *in)
{
    tsr_kind k = in->container.kind;
    return k == TSR_KIND_WAV || k == TSR_KIND_AIFF || k == TSR_KIND_CAF || k == TSR_KIND_AU;
}

tsr_status tsri_ff_read(tsri_ff_input *in, const AVStream *stream, AVPacket *pkt, bool *end, tsr_error *err)
{
    *end = false;
    for (;;) {
        tsr_status st = tsri_ff_check_time(in, err);
        if (st != TSR_OK)
            return st;
        int e = av_read_frame(in->fmt, pkt);
        if (e == AVERROR_EOF && in->io_error.status == TSR_OK && !in->timed_out && !in->stopped) {
            *end = true;
            return TSR_OK;
        }
        if (e < 0)
            return tsri_ff_fail(in, e, "is damaged or cut short", err);
        if (++in->n_packets > in->limits.max_packets) {
            av_packet_unref(pkt);
            return tsr_fail(err, TSR_ERR_LIMIT, "%s: more than the limit of %llu packets", in->name,
                            (unsigned long long)in->limits.max_packets);
        }
        if (pkt->stream_index != stream->index) {
            av_packet_unref(pkt);
            continue;
        }
        if (pkt->flags & AV_PKT_FLAG_CORRUPT && !has_plain_samples(in)) {
            av_packet_unref(pkt);
            return tsr_fail(err, TSR_ERR_DATA, "%s: is damaged or cut short: a packet is not whole", in->name);
        }
        return TSR_OK;
    }
}

tsr_status tsri_ff_check_index(const tsri_ff_input *in, AVStream *stream, tsr_error *err)
{
    int64_t size = (int64_t)tsr_source_size(in->src);
    for (int i = 0; i < avformat_index_get_entries_count(stream); i++) {
        const AVIndexEntry *e = avformat_index_get_entry(stream, i);
        if (e && (e->pos > size || e->size > size - e->pos))
            return tsr_fail(err, TSR_ERR_DATA, "%s: is cut short: packet %d ends beyond the file", in->name, i);
    }
    return TSR_OK;
}

static unsigned n_real_streams(const tsri_ff_input *in)
{
    unsigned n = 0;
    for (unsigned i = 0; i < in->fmt->nb_streams; i++)
        n += !(in->fmt->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    return n;
}

int64_t tsri_ff_duration_us(const tsri_ff_input *in, const AVStream *stream)
{
    if (in->fmt->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return -1;
    if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
        return av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q);
    if (n_real_streams(in) == 1 && in->fmt->duration != AV_NOPTS_VALUE && in->fmt->duration > 0)
        return in->fmt->duration;
    return -1;
}

int64_t tsri_ff_origin_us(const tsri_ff_input *in)
{
    int64_t start = in->fmt->start_time;
    const AVStream *film = tsri_ff_find_stream(in, AVMEDIA_TYPE_VIDEO);
    if (film && film->start_time != AV_NOPTS_VALUE)
        return av_rescale_q(film->start_time, film->time_base, AV_TIME_BASE_Q);
    return start == AV_NOPTS_VALUE || start < 0 ? 0 : start;
}
