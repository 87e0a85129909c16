/* video_decode.c: the walk from pick to pick. Decoding either goes on from where it stands or jumps to
 * the last key frame at or before the pick; the table of packets says which, and makes sure that
 * what the demuxer gives after a jump is what was meant. Frames that are neither picked nor predicted
 * from are not decoded. Where these short cuts do not lead to exactly the frame that was planned (a
 * stream that refreshes its picture little by little, a packet without a frame), the film is decoded
 * from its beginning and in full instead: the pictures are the same either way.
 *
 * A frame is told by its time stamp; in films without time stamps by counting. */
#include <string.h>

#include "video_ff_internal.h"

void tsri_video_stop(tsr_video *v)
{
    av_frame_free(&v->frame);
    av_frame_free(&v->current);
    av_frame_free(&v->ahead);
    av_packet_free(&v->pkt);
    avcodec_free_context(&v->codec);
    tsri_ff_close(&v->in);
    v->stream = NULL;
    v->has_current = v->has_ahead = false;
}

/* ---- damage: where it begins in the order of decoding, since frames before it are whole ---- */

static void forget_damage(tsr_video *v)
{
    v->first_damage = SIZE_MAX;
    v->last_damage = 0;
}

static void add_damage(tsr_video *v, size_t packet)
{
    v->first_damage = packet < v->first_damage ? packet : v->first_damage;
    v->last_damage = packet > v->last_damage ? packet : v->last_damage;
}

/* ---- starting ---- */

/* Open at the first packet. */
static tsr_status start(tsr_video *v, tsr_error *err)
{
    tsri_video_stop(v);
    v->next_packet = v->first_packet = v->n_out = 0;
    v->drained = false;
    forget_damage(v);
    tsr_status st = tsri_ff_open(&v->in, v->src, &v->limits, err);
    if (st != TSR_OK)
        return st;
    v->stream = tsri_ff_find_stream(&v->in, AVMEDIA_TYPE_VIDEO);
    if (!v->stream)
        return tsr_fail(err, TSR_ERR_IO, "%s: changed while it was read", v->in.name);
    tsri_ff_select(&v->in, v->stream);
    v->pkt = av_packet_alloc();
    v->frame = av_frame_alloc();
    v->current = av_frame_alloc();
    v->ahead = av_frame_alloc();
    if (!v->pkt || !v->frame || !v->current || !v->ahead)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", v->in.name);
    /* Each picture of these codecs stands alone, so an error concerns no other picture. */
    bool is_still = v->stream->codecpar->codec_id == AV_CODEC_ID_MJPEG ||
                    v->stream->codecpar->codec_id == AV_CODEC_ID_PRORES;
    return tsri_ff_open_decoder(&v->codec, &v->in, v->stream, is_still ? AV_EF_EXPLODE : 0, err);
}

/* ---- packets ---- */

/* The next packet, which must be the one that the table has here. */
static tsr_status read_packet(tsr_video *v, bool *end, tsr_error *err)
{
    tsr_status st = tsri_ff_read(&v->in, v->stream, v->pkt, end, err);
    if (st != TSR_OK || *end)
        return st;
    if (v->next_packet >= v->n_packets ||
        (v->has_pts && v->pkt->pts != v->packets[v->next_packet].pts)) {
        av_packet_unref(v->pkt);
        return tsr_fail(err, TSR_ERR_IO, "%s: changed while it was read", v->in.name);
    }
    v->next_packet++;
    return TSR_OK;
}

static size_t find_by_pts(const tsr_video *v, int64_t pts)
{
    size_t low = 0, high = v->n_shown;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->packets[v->shown[mid]].pts < pts)
            low = mid + 1;
        else
            high = mid;
    }
    return low < v->n_shown && v->packets[v->shown[low]].pts == pts ? v->shown[low] : SIZE_MAX;
}

/* Let the container seek to packet `key`. *ok false: it landed elsewhere, the position is lost. The
 * packet that showed where we are is left in v->pkt. */
static tsr_status seek(tsr_video *v, size_t key, bool *ok, tsr_error *err)
{
    const tsri_packet *k = &v->packets[key];
    bool by_dts = strcmp(v->in.container.demuxer, "mov") == 0 && k->dts != AV_NOPTS_VALUE, end = false;
    *ok = false;
    if (av_seek_frame(v->in.fmt, v->stream->index, by_dts ? k->dts : k->pts, AVSEEK_FLAG_BACKWARD) < 0)
        return TSR_OK;
    for (;;) {
        tsr_status st = tsri_ff_read(&v->in, v->stream, v->pkt, &end, err);
        if (st != TSR_OK || end)
            return st;
        size_t at = v->pkt->pts == AV_NOPTS_VALUE ? SIZE_MAX : find_by_pts(v, v->pkt->pts);
        if (at != SIZE_MAX) {
            v->next_packet = at + 1;
            *ok = at <= key;
            if (!*ok)
                av_packet_unref(v->pkt);
            return TSR_OK;
        }
        av_packet_unref(v->pkt);
    }
}

static bool is_worth_seeking(const tsr_video *v, size_t key)
{
    int64_t here = v->packets[v->next_packet].pos, there = v->packets[key].pos;
    return !v->no_seek && here >= 0 && there > here && (uint64_t)(there - here) >= v->opts.seek_bytes;
}

/* Read on without decoding until v->pkt is packet `key`. */
static tsr_status read_up_to(tsr_video *v, size_t key, tsr_error *err)
{
    bool end = false;
    while (v->next_packet <= key) {
        av_packet_unref(v->pkt);
        tsr_status st = read_packet(v, &end, err);
        if (st != TSR_OK)
            return st;
        if (end)
            return tsr_fail(err, TSR_ERR_IO, "%s: changed while it was read", v->in.name);
    }
    return TSR_OK;
}

static bool may_cut_short(const tsr_video *v)
{
    return v->has_pts && !v->linear && !v->opts.decode_all;
}

/* v->pkt is the packet before v->next_packet. */
static tsr_status send_packet(tsr_video *v, tsr_error *err)
{
    bool skip = may_cut_short(v) && !v->packets[v->next_packet - 1].is_picked;
    v->codec->skip_frame = skip ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    int e = avcodec_send_packet(v->codec, v->pkt);
    av_packet_unref(v->pkt);
    if (e == AVERROR(ENOMEM))
        return tsri_ff_fail(&v->in, e, "decoding", err);
    if (e < 0)
        add_damage(v, v->next_packet - 1);
    return TSR_OK;
}

static void drop_frames(tsr_video *v)
{
    av_frame_unref(v->current);
    av_frame_unref(v->ahead);
    v->has_current = v->has_ahead = false;
}

/* Begin a new run of decoding at the key packet. */
static tsr_status jump(tsr_video *v, size_t key, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (is_worth_seeking(v, key)) {
        bool ok;
        st = seek(v, key, &ok, err);
        if (st == TSR_OK && !ok) {
            v->no_seek = true;
            st = start(v, err);
        }
    }
    if (st == TSR_OK)
        st = read_up_to(v, key, err);
    if (st != TSR_OK)
        return st;
    drop_frames(v);
    avcodec_flush_buffers(v->codec);
    v->drained = false;
    forget_damage(v);
    v->first_packet = key;
    return send_packet(v, err);
}

/* ---- frames ---- */

typedef enum step { STEP_FRAME, STEP_END } step;

/* The next frame in order of display, in v->frame. */
static tsr_status next_frame(tsr_video *v, step *what, tsr_error *err)
{
    for (;;) {
        bool end = false;
        int e = avcodec_receive_frame(v->codec, v->frame);
        if (e >= 0) {
            *what = STEP_FRAME;
            return TSR_OK;
        }
        if (e == AVERROR_EOF || (e != AVERROR(EAGAIN) && v->drained)) {
            *what = STEP_END;
            return TSR_OK;
        }
        if (e == AVERROR(ENOMEM))
            return tsri_ff_fail(&v->in, e, "decoding", err);
        if (e != AVERROR(EAGAIN)) {
            add_damage(v, v->next_packet - 1);
            continue;
        }
        tsr_status st = read_packet(v, &end, err);
        if (st == TSR_OK && !end)
            st = send_packet(v, err);
        if (st != TSR_OK)
            return st;
        if (end) {
            v->drained = true;
            avcodec_send_packet(v->codec, NULL);
        }
    }
}

/* The frame's time in the table's terms. */
static int64_t pts_of(tsr_video *v)
{
    if (v->has_pts && v->frame->pts != AV_NOPTS_VALUE) /* FFmpeg's "best effort" guesses anew where order is broken */
        return v->frame->pts;
    if (v->has_pts && v->frame->best_effort_timestamp != AV_NOPTS_VALUE)
        return v->frame->best_effort_timestamp;
    size_t k = v->n_out < v->n_shown ? v->n_out : v->n_shown - 1;
    return v->packets[v->shown[k]].pts;
}

/* A clean key frame ends what was damaged before it. */
static bool note_damage(tsr_video *v, size_t packet)
{
    if (v->frame->decode_error_flags != 0 || v->frame->flags & AV_FRAME_FLAG_CORRUPT)
        add_damage(v, packet);
    else if (v->frame->key_frame && packet > v->last_damage)
        forget_damage(v);
    else if (v->frame->key_frame && packet > v->first_damage)
        v->first_damage = packet + 1;
    return packet >= v->first_damage;
}

/* Sort v->frame in before or behind the pick. */
static void take_frame(tsr_video *v, int64_t want)
{
    int64_t key_pts = v->packets[v->first_packet].pts, pts = pts_of(v);
    v->n_out++;
    if (v->first_packet > 0 && pts < key_pts) { /* shown before the key frame, predicted from what we skipped */
        av_frame_unref(v->frame);
        return;
    }
    size_t packet = v->has_pts ? find_by_pts(v, pts) : v->next_packet - 1;
    bool is_damaged = note_damage(v, packet != SIZE_MAX ? packet : v->next_packet - 1);
    if (pts <= want && v->has_current && pts < v->current_pts) { /* damaged films come out of order */
        av_frame_unref(v->frame);
        return;
    }
    AVFrame *to = pts <= want ? v->current : v->ahead;
    av_frame_unref(to);
    av_frame_move_ref(to, v->frame);
    if (pts <= want) {
        v->has_current = true;
        v->current_pts = pts;
        v->current_damaged = is_damaged;
    } else {
        v->has_ahead = true;
        v->ahead_pts = pts;
        v->ahead_damaged = is_damaged;
    }
}

static void ahead_becomes_current(tsr_video *v)
{
    av_frame_unref(v->current);
    av_frame_move_ref(v->current, v->ahead);
    v->current_pts = v->ahead_pts;
    v->current_damaged = v->ahead_damaged;
    v->has_current = true;
    v->has_ahead = false;
}

/* Decode until the frame at `want`, or one behind it, or the end is seen. */
static tsr_status decode_up_to(tsr_video *v, int64_t want, tsr_error *err)
{
    if (v->has_ahead && v->ahead_pts <= want)
        ahead_becomes_current(v);
    while (!v->has_ahead && !(v->has_current && v->current_pts == want)) {
        step what;
        tsr_status st = next_frame(v, &what, err);
        if (st != TSR_OK)
            return st;
        if (what == STEP_END)
            break;
        take_frame(v, want);
    }
    /* A film may begin with frames that cannot be decoded: the first that can is on show till then. */
    if (!v->has_current && v->has_ahead && v->first_packet == 0)
        ahead_becomes_current(v);
    return TSR_OK;
}

/* The last key frame from which the packet can be decoded; 0 where there is none. */
static size_t key_before(const tsr_video *v, size_t packet)
{
    size_t k = packet;
    while (k > 0 && !(v->packets[k].is_key && v->packets[k].pts <= v->packets[packet].pts))
        k--;
    return k;
}

static bool is_found(const tsr_video *v, int64_t want)
{
    return v->has_current && (v->current_pts == want || !may_cut_short(v));
}

tsr_status tsri_video_find(tsr_video *v, const tsr_video_pick *pick, tsr_error *err)
{
    size_t packet = v->shown[pick->frame];
    int64_t want = v->packets[packet].pts;
    tsr_status st = TSR_OK;
    if (v->codec)
        tsri_ff_begin(&v->in);
    else
        st = start(v, err);
    if (st == TSR_OK && may_cut_short(v) && !(v->has_current && v->current_pts == want)) {
        size_t key = key_before(v, packet);
        if (key > v->next_packet)
            st = jump(v, key, err);
    }
    if (st == TSR_OK)
        st = decode_up_to(v, want, err);
    if (st == TSR_OK && !is_found(v, want) && may_cut_short(v)) {
        v->linear = true;
        st = start(v, err);
        if (st == TSR_OK)
            st = decode_up_to(v, want, err);
    }
    if (st != TSR_OK)
        return st;
    if (!v->has_current)
        return tsr_fail(err, TSR_ERR_DATA, "%s: no picture can be decoded at %.3f s", v->in.name,
                        (double)pick->time_us / 1e6);
    if (v->current_damaged)
        return tsr_fail(err, TSR_ERR_DATA, "%s: the picture at %.3f s is damaged", v->in.name,
                        (double)pick->shown_us / 1e6);
    return TSR_OK;
}
