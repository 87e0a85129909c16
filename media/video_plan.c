/* video_plan.c: which frames of a film are picked, from times alone. */
#include <math.h>
#include <string.h>

#include "tsr_alloc.h"
#include "video_internal.h"

enum { HF_FRAMES = 32 };
static const double HF_DEFAULT_FPS = 24.0;

tsr_video_opts tsr_video_opts_default(void)
{
    tsr_video_opts o;
    memset(&o, 0, sizeof o);
    o.end_us = -1;
    o.seek_bytes = UINT64_C(4) << 20;
    o.max_frames = 512;
    o.max_pixels = 178956970;
    o.max_seconds = 86400.0;
    o.max_bytes = UINT64_C(64) << 30;
    o.max_packets = 4000000;
    o.timeout_ms = 120000;
    return o;
}

tsr_status tsri_video_check_opts(const tsr_video_opts *o, tsr_error *err)
{
    if (!(o->fps >= 0) || o->fps > 1000)
        return tsr_fail(err, TSR_ERR_USAGE, "film: %g frames per second is outside 0 to 1,000", o->fps);
    if (o->fps > 0 && o->n_frames > 0)
        return tsr_fail(err, TSR_ERR_USAGE, "film: frames per second and a number of frames exclude each other");
    if (o->hf && o->fps > 0)
        return tsr_fail(err, TSR_ERR_USAGE, "film: the sampler 'hf' takes no frames per second");
    if (o->hf && (o->start_us != 0 || o->end_us >= 0))
        return tsr_fail(err, TSR_ERR_USAGE, "film: the sampler 'hf' takes no start and no end");
    if (o->scenes && (o->hf || o->n_frames > 0))
        return tsr_fail(err, TSR_ERR_USAGE, "film: frames at scenes are as many as frames by time; no number goes with them");
    if (o->start_us < 0)
        return tsr_fail(err, TSR_ERR_USAGE, "film: a start of %.3f s is before the film", (double)o->start_us / 1e6);
    if (o->end_us >= 0 && o->end_us <= o->start_us)
        return tsr_fail(err, TSR_ERR_USAGE, "film: the part from %.3f s to %.3f s is empty", (double)o->start_us / 1e6,
                        (double)o->end_us / 1e6);
    if (o->n_frames > o->max_frames)
        return tsr_fail(err, TSR_ERR_LIMIT, "film: %zu frames, the limit is %zu", o->n_frames, o->max_frames);
    return TSR_OK;
}

/* The last frame that is on show at t; before the first one, the first one. */
static size_t frame_at(const tsri_film *film, int64_t t_us)
{
    size_t low = 0, high = film->n_frames; /* shown[low] <= t < shown[high] */
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (film->shown_us[mid] <= t_us + film->slack_us)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static tsr_status new_picks(tsr_video_pick **picks, size_t n, const tsri_film *film, const tsr_video_opts *o,
                            tsr_error *err)
{
    if (n > o->max_frames)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu frames would be picked, the limit is %zu", film->name, n,
                        o->max_frames);
    return tsr_alloc_array(picks, n, sizeof **picks, "picked frames", err);
}

tsr_video_pick tsri_video_pick_at(const tsri_film *film, double t_us)
{
    tsr_video_pick p;
    p.time_us = llround(t_us);
    p.time_s = t_us / 1e6;
    p.frame = frame_at(film, p.time_us);
    p.shown_us = film->shown_us[p.frame];
    return p;
}

/* Moments start + i * step for i < n. */
static tsr_status plan_moments(tsr_video_pick **picks, size_t n, double step_us, const tsri_film *film,
                               const tsr_video_opts *o, tsr_error *err)
{
    tsr_status st = new_picks(picks, n, film, o, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        (*picks)[i] = tsri_video_pick_at(film, (double)o->start_us + (double)i * step_us);
    return TSR_OK;
}

static tsr_status plan_by_time(tsr_video_pick **picks, size_t *n, int64_t end_us, const tsri_film *film,
                               const tsr_video_opts *o, tsr_error *err)
{
    double step = 1e6 / (o->fps > 0 ? o->fps : 1.0);
    /* The end is a sum of two rounded times. */
    double length = (double)(end_us - o->start_us) - 2.0 * (double)film->slack_us;
    double count = length > 0 ? ceil(length / step) : 1.0;
    if (count > 1e9)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %.0f frames would be picked, the limit is %zu", film->name, count,
                        o->max_frames);
    *n = count < 1 ? 1 : (size_t)count;
    return plan_moments(picks, *n, step, film, o, err);
}

static tsr_status plan_by_count(tsr_video_pick **picks, size_t *n, int64_t end_us, const tsri_film *film,
                                const tsr_video_opts *o, tsr_error *err)
{
    size_t first = frame_at(film, o->start_us), last = frame_at(film, end_us - 1 - 2 * film->slack_us);
    size_t there = last > first ? last - first + 1 : 1;
    *n = o->n_frames < there ? o->n_frames : there;
    return plan_moments(picks, *n, (double)(end_us - o->start_us) / (double)*n, film, o, err);
}

static tsr_status plan_hf(tsr_video_pick **picks, size_t *n, const tsri_film *film, const tsr_video_opts *o,
                          tsr_error *err)
{
    size_t want = o->n_frames > 0 ? o->n_frames : HF_FRAMES;
    double fps = film->fps > 0 ? film->fps : HF_DEFAULT_FPS;
    *n = want < film->n_frames ? want : film->n_frames;
    tsr_status st = new_picks(picks, *n, film, o, err);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < *n; i++) {
        tsr_video_pick *p = &(*picks)[i];
        p->frame = (size_t)((uint64_t)i * film->n_frames / *n);
        p->shown_us = film->shown_us[p->frame];
        p->time_s = (double)p->frame / fps;
        p->time_us = llround(p->time_s * 1e6);
    }
    return TSR_OK;
}

tsr_status tsri_video_plan(tsr_video_pick **picks, size_t *n_picks, const tsri_film *film, const tsr_video_opts *o,
                           tsr_error *err)
{
    int64_t end = o->end_us >= 0 && o->end_us < film->end_us ? o->end_us : film->end_us;
    *picks = NULL;
    *n_picks = 0;
    if (o->hf)
        return plan_hf(picks, n_picks, film, o, err);
    if (o->start_us > 0 && o->start_us >= end)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a start of %.3f s is not before its end at %.3f s", film->name,
                        (double)o->start_us / 1e6, (double)end / 1e6);
    if (o->n_frames > 0)
        return plan_by_count(picks, n_picks, end, film, o, err);
    return plan_by_time(picks, n_picks, end, film, o, err);
}
