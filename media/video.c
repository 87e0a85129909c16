/* video.c: opening a film: its stream, its geometry, the table of its packets, and the plan. The table
 * costs one pass of demuxing and makes everything after it exact: how many frames there are, when each
 * comes on show, and from which key frame it can be decoded. */
#include "tsr_video.h"

#include <libavutil/display.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "video_ff_internal.h"

/* ---- geometry ---- */

static tsri_turn turn_of(const AVStream *s)
{
    int32_t m[9];
    size_t n = 0;
    const uint8_t *data = av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &n);
    if (!data || n < sizeof m)
        return tsri_turn_of_matrix(NULL);
    memcpy(m, data, sizeof m);
    return tsri_turn_of_matrix(m);
}

/* Width of the stored frame with square pixels: only the width is scaled, so that no line is lost. */
static double square_width(double width, double aspect)
{
    double w = floor(width * aspect + 0.5);
    return w < 1 ? 1 : w;
}

static tsr_status measure(tsr_video *v, AVStream *s, tsr_error *err)
{
    const AVCodecParameters *p = s->codecpar;
    const char *name = tsr_source_name(v->src);
    AVRational a = av_guess_sample_aspect_ratio(v->in.fmt, s, NULL);
    tsri_turn t = turn_of(s);
    tsr_video_facts *f = &v->facts;
    if (p->width <= 0 || p->height <= 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: its pictures have no size", name);
    f->coded_width = (size_t)p->width;
    f->coded_height = (size_t)p->height;
    f->pixel_aspect = a.num > 0 && a.den > 0 ? av_q2d(a) : 1.0;
    double w = square_width(p->width, f->pixel_aspect), h = p->height;
    if (w * h > (double)v->opts.max_pixels || (double)p->width * h > (double)v->opts.max_pixels)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: frames of %d x %d pixels (shown as %.0f x %.0f), the limit is %zu",
                        name, p->width, p->height, w, h, v->opts.max_pixels);
    f->width = t.transpose ? f->coded_height : (size_t)w;
    f->height = t.transpose ? (size_t)w : f->coded_height;
    f->mirrored = t.transpose ? t.flip_x == t.flip_y : t.flip_x != t.flip_y;
    f->turned = t.transpose ? (t.flip_y ? 270 : 90) : (t.flip_y ? 180 : 0);
    v->maker.turn = t;
    v->maker.square_width = f->width;
    v->maker.square_height = f->height;
    v->maker.max_pixels = v->opts.max_pixels;
    return TSR_OK;
}

static double average_fps(const AVStream *s)
{
    AVRational r = s->avg_frame_rate.num > 0 && s->avg_frame_rate.den > 0 ? s->avg_frame_rate : s->r_frame_rate;
    return r.num > 0 && r.den > 0 ? av_q2d(r) : 0.0;
}

static void fill_facts(tsr_video *v, const AVStream *s)
{
    tsr_video_facts *f = &v->facts;
    snprintf(f->container, sizeof f->container, "%s", v->in.container.name);
    snprintf(f->codec, sizeof f->codec, "%s", tsri_ff_codec_name(s));
    f->fps = average_fps(s);
    f->has_audio = tsri_ff_find_stream(&v->in, AVMEDIA_TYPE_AUDIO) != NULL;
}

/* ---- the table of packets ---- */

/* VP8 stores pictures that are only there to be predicted from; its header says which. */
static bool is_hidden(const AVPacket *p, const AVStream *s)
{
    bool is_vp8_unshown = s->codecpar->codec_id == AV_CODEC_ID_VP8 && p->size > 0 && !(p->data[0] & 0x10);
    return p->flags & AV_PKT_FLAG_DISCARD || is_vp8_unshown;
}

static tsr_status add_packet(tsr_video *v, const AVPacket *p, bool hidden, tsr_error *err)
{
    if (v->n_packets == v->packets_cap) {
        size_t cap = v->packets_cap ? v->packets_cap * 2 : 256, bytes;
        tsri_packet *more = tsr_mul_size(&bytes, cap, sizeof *more) ? tsr_realloc(v->packets, bytes) : NULL;
        if (!more)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: a table of %zu packets", tsr_source_name(v->src),
                            cap);
        v->packets = more;
        v->packets_cap = cap;
    }
    tsri_packet *t = &v->packets[v->n_packets++];
    t->pts = p->pts;
    t->dts = p->dts;
    t->pos = p->pos;
    t->is_key = (p->flags & AV_PKT_FLAG_KEY) != 0;
    t->is_hidden = hidden;
    t->is_picked = false;
    return TSR_OK;
}

/* Where frames have no time of their own (old AVI files), the decoding times stand in: frames are
 * shown at the same moments, only in another order. */
static void fill_missing_times(tsr_video *v)
{
    v->has_pts = true;
    for (size_t i = 0; i < v->n_packets; i++)
        if (v->packets[i].pts == AV_NOPTS_VALUE)
            v->has_pts = false;
    if (v->has_pts)
        return;
    for (size_t i = 0; i < v->n_packets; i++) {
        tsri_packet *p = &v->packets[i];
        int64_t after = i > 0 ? v->packets[i - 1].pts + 1 : 0;
        p->pts = p->dts != AV_NOPTS_VALUE && (i == 0 || p->dts >= after) ? p->dts : after;
    }
}

/* A recording of a broadcast begins anywhere: what is shown before its first picture that stands alone can't be decoded. */
static void hide_undecodable(tsr_video *v)
{
    size_t key = 0;
    if (v->in.container.kind != TSR_KIND_MPEGTS)
        return;
    while (key < v->n_packets && !v->packets[key].is_key)
        key++;
    if (key == v->n_packets)
        return;
    for (size_t i = 0; i < v->n_packets; i++)
        if (i < key || v->packets[i].pts < v->packets[key].pts)
            v->packets[i].is_hidden = true;
}

typedef struct sort_row {
    int64_t pts;
    uint32_t packet;
} sort_row;

static int by_pts(const void *a, const void *b)
{
    const sort_row *x = a, *y = b;
    if (x->pts != y->pts)
        return x->pts < y->pts ? -1 : 1;
    return x->packet < y->packet ? -1 : x->packet > y->packet;
}

static int64_t to_us(const tsr_video *v, int64_t pts, AVRational tb)
{
    return av_rescale_q_rnd(pts, tb, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX) - v->origin_us;
}

static tsr_status sort_packets(tsr_video *v, AVRational tb, tsr_error *err)
{
    sort_row *rows = NULL;
    size_t n = 0;
    tsr_status st = tsr_alloc_array(&rows, v->n_packets, sizeof *rows, "a film's table", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&v->shown, v->n_packets, sizeof *v->shown, "a film's table", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&v->shown_us, v->n_packets, sizeof *v->shown_us, "a film's table", err);
    if (st != TSR_OK)
        goto done;
    for (size_t i = 0; i < v->n_packets; i++)
        if (!v->packets[i].is_hidden)
            rows[n++] = (sort_row){v->packets[i].pts, (uint32_t)i};
    qsort(rows, n, sizeof *rows, by_pts);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && rows[i].pts == rows[i - 1].pts)
            v->linear = true; /* a jump could land on the wrong one */
        v->shown[i] = rows[i].packet;
        v->shown_us[i] = to_us(v, rows[i].pts, tb);
    }
    v->n_shown = n;
done:
    tsr_free(rows);
    return st;
}

/* Seconds by which decoding times go back; any numbers may stand there. */
static double seconds_back(const AVStream *s, int64_t from, int64_t to)
{
    return from != AV_NOPTS_VALUE && to != AV_NOPTS_VALUE ? ((double)from - (double)to) * av_q2d(s->time_base) : 0.0;
}

static tsr_status scan(tsr_video *v, AVStream *s, int64_t *last_duration, tsr_error *err)
{
    AVPacket *pkt = av_packet_alloc();
    bool end = false;
    int64_t last = INT64_MIN, last_dts = AV_NOPTS_VALUE;
    tsr_status st = pkt ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", v->in.name);
    *last_duration = 0;
    while (st == TSR_OK && !end) {
        st = tsri_ff_read(&v->in, s, pkt, &end, err);
        if (st != TSR_OK || end)
            break;
        bool hidden = is_hidden(pkt, s);
        int64_t t = pkt->pts != AV_NOPTS_VALUE ? pkt->pts : pkt->dts;
        if (t > INT64_MAX / 4 || (t < INT64_MIN / 4 && t != AV_NOPTS_VALUE)) {
            st = tsr_fail(err, TSR_ERR_DATA, "%s: is damaged: a frame at an impossible time", v->in.name);
            break;
        }
        double back = seconds_back(s, last_dts, pkt->dts);
        if (back > 1.0) { /* frames would be shown among those of another time; less is what muxers get wrong */
            st = tsr_fail(err, TSR_ERR_DATA, "%s: its time stamps jump back, by %.1f s before frame %zu: two films in one file, or "
                          "damage", v->in.name, back, v->n_packets);
            break;
        }
        last_dts = pkt->dts != AV_NOPTS_VALUE ? pkt->dts : last_dts;
        if (t != AV_NOPTS_VALUE && t >= last && !hidden) {
            last = t;
            *last_duration = pkt->duration > 0 ? pkt->duration : 0;
        }
        st = add_packet(v, pkt, hidden, err);
        av_packet_unref(pkt);
    }
    av_packet_free(&pkt);
    return st;
}

/* ---- the plan ---- */

/* When the last frame's length isn't told, it is as long as frames are on average. */
static int64_t end_of(const tsr_video *v, AVRational tb, int64_t last_duration)
{
    size_t n = v->n_shown;
    int64_t last = v->shown_us[n - 1];
    if (last_duration > 0 && last_duration < INT64_MAX / 4)
        return last + av_rescale_q(last_duration, tb, AV_TIME_BASE_Q);
    if (n > 1 && last > v->shown_us[0])
        return last + (last - v->shown_us[0]) / (int64_t)(n - 1);
    return last + (v->facts.fps > 0 ? (int64_t)(1e6 / v->facts.fps) : 40000);
}

/* Matroska keeps time in milliseconds; a frame at 1/30 s is then written as 0.033. */
static int64_t slack_of(AVRational tb)
{
    double half_tick = av_q2d(tb) * 1e6 / 2;
    return 1 + (int64_t)(half_tick < 500 ? half_tick : 500);
}

static tsr_status plan(tsr_video *v, AVRational tb, int64_t last_duration, tsr_error *err)
{
    const char *name = tsr_source_name(v->src);
    if (v->n_shown == 0)
        return tsr_fail(err, TSR_ERR_DATA,
                        "%s: holds no frames (data that lies in other files is never opened)", name);
    v->facts.n_frames = v->n_shown;
    v->facts.duration_us = end_of(v, tb, last_duration);
    if ((double)v->facts.duration_us / 1e6 > v->opts.max_seconds)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: a film of %.0f s, the limit is %.0f s", name,
                        (double)v->facts.duration_us / 1e6, v->opts.max_seconds);
    const tsri_film film = {name, v->shown_us, v->n_shown, v->facts.duration_us, slack_of(tb), v->facts.fps};
    tsr_status st = tsri_video_plan(&v->picks, &v->n_picks, &film, &v->opts, err);
    if (st == TSR_OK && v->opts.scenes)
        st = tsri_video_move_to_scenes(v, &film, err);
    for (size_t i = 0; st == TSR_OK && i < v->n_picks; i++)
        v->packets[v->shown[v->picks[i].frame]].is_picked = true;
    return st;
}

static tsr_status survey(tsr_video *v, tsr_error *err)
{
    AVCodecContext *codec = NULL;
    int64_t last_duration;
    AVStream *s = tsri_ff_find_stream(&v->in, AVMEDIA_TYPE_VIDEO);
    if (!s)
        return tsr_fail(err, TSR_ERR_DATA, "%s: holds no moving pictures", v->in.name);
    fill_facts(v, s);
    v->origin_us = tsri_ff_origin_us(&v->in);
    tsr_status st = measure(v, s, err);
    if (st == TSR_OK) /* only to refuse what cannot be decoded before anything else is done */
        st = tsri_ff_open_decoder(&codec, &v->in, s, 0, err);
    avcodec_free_context(&codec);
    if (st == TSR_OK)
        st = tsri_ff_check_index(&v->in, s, err);
    if (st != TSR_OK)
        return st;
    tsri_ff_select(&v->in, s);
    st = scan(v, s, &last_duration, err);
    if (st == TSR_OK) {
        fill_missing_times(v);
        hide_undecodable(v);
        st = sort_packets(v, s->time_base, err);
    }
    return st == TSR_OK ? plan(v, s->time_base, last_duration, err) : st;
}

tsr_status tsr_video_open(tsr_video **out, const tsr_source *src, const tsr_video_opts *opts, tsr_error *err)
{
    const tsr_video_opts def = tsr_video_opts_default();
    *out = NULL;
    opts = opts ? opts : &def;
    tsr_status st = tsri_video_check_opts(opts, err);
    if (st != TSR_OK)
        return st;
    tsr_video *v = tsr_calloc(1, sizeof *v);
    if (!v)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", tsr_source_name(src));
    v->src = src;
    v->opts = *opts;
    v->limits = (tsri_ff_limits){.max_bytes = opts->max_bytes, .max_packets = opts->max_packets, .max_pixels = opts->max_pixels,
                                 .timeout_ms = opts->timeout_ms, .stop = opts->stop, .stop_user = opts->stop_user};
    if (v->limits.max_packets > UINT32_MAX)
        v->limits.max_packets = UINT32_MAX;
    st = tsri_ff_open(&v->in, src, &v->limits, err);
    if (st == TSR_OK)
        st = survey(v, err);
    tsri_ff_close(&v->in);
    if (st != TSR_OK) {
        tsr_video_close(v);
        return st;
    }
    *out = v;
    return TSR_OK;
}

void tsr_video_close(tsr_video *v)
{
    if (!v)
        return;
    tsri_video_stop(v);
    tsri_picture_maker_deinit(&v->maker);
    tsr_free(v->packets);
    tsr_free(v->shown);
    tsr_free(v->shown_us);
    tsr_free(v->picks);
    tsr_free(v);
}

const tsr_video_facts *tsr_video_get_facts(const tsr_video *v)
{
    return &v->facts;
}

const tsr_video_pick *tsr_video_get_picks(const tsr_video *v, size_t *n)
{
    *n = v->n_picks;
    return v->picks;
}

tsr_status tsr_video_next(tsr_video *v, tsr_image *out, bool *end, tsr_error *err)
{
    *end = v->next_pick == v->n_picks;
    if (*end)
        return TSR_OK;
    const tsr_video_pick *p = &v->picks[v->next_pick];
    tsr_status st = tsri_video_find(v, p, err);
    if (st == TSR_OK)
        st = tsri_picture_make(&v->maker, out, v->current, v->in.name, err);
    if (st == TSR_OK)
        v->next_pick++;
    return st;
}

/* ---- probing ---- */

tsr_status tsr_media_probe(tsr_media_facts *out, const tsr_source *src, tsr_error *err)
{
    const tsr_video_opts o = tsr_video_opts_default();
    const tsri_ff_limits limits = {.max_bytes = o.max_bytes, .max_packets = o.max_packets, .max_pixels = o.max_pixels,
                                   .timeout_ms = o.timeout_ms};
    tsri_ff_input in;
    memset(out, 0, sizeof *out);
    out->audio_us = out->video_us = -1;
    tsr_status st = tsri_ff_open(&in, src, &limits, err);
    if (st != TSR_OK)
        return st;
    const AVStream *a = tsri_ff_find_stream(&in, AVMEDIA_TYPE_AUDIO), *v = tsri_ff_find_stream(&in, AVMEDIA_TYPE_VIDEO);
    snprintf(out->container, sizeof out->container, "%s", in.container.name);
    out->has_audio = a != NULL;
    out->has_video = v != NULL;
    if (a) {
        snprintf(out->audio_codec, sizeof out->audio_codec, "%s", tsri_ff_codec_name(a));
        out->audio_us = tsri_ff_duration_us(&in, a);
    }
    if (v) {
        snprintf(out->video_codec, sizeof out->video_codec, "%s", tsri_ff_codec_name(v));
        out->video_us = tsri_ff_duration_us(&in, v);
    }
    tsri_ff_close(&in);
    return TSR_OK;
}
