/* video_auto.c: a film is looked through at low resolution, and its picks are moved to where its scenes begin. */
#include <string.h>

#include "tsr_alloc.h"
#include "video_ff_internal.h"
#include "video_scenes.h"

typedef struct cut_list {
    tsri_scene_cut *at;
    size_t n, cap;
} cut_list;

static tsr_status add_cut(cut_list *l, const tsri_scene_cut *cut, tsr_error *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64, bytes;
        tsri_scene_cut *more = tsr_mul_size(&bytes, cap, sizeof *more) ? tsr_realloc(l->at, bytes) : NULL;
        if (!more)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu cuts", cap);
        l->at = more;
        l->cap = cap;
    }
    l->at[l->n++] = *cut;
    return TSR_OK;
}

/* A picture at a time is in memory. */
static tsr_status look_through(cut_list *l, tsr_video *v, tsr_error *err)
{
    size_t n;
    const tsr_video_pick *picks = tsr_video_get_picks(v, &n);
    tsri_scene_finder finder;
    tsr_status st = TSR_OK;
    memset(&finder, 0, sizeof finder);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        tsr_image img = {0};
        tsri_scene_look look;
        tsri_scene_cut cut;
        bool end;
        st = tsr_video_next(v, &img, &end, err);
        if (st == TSR_OK && end)
            break;
        if (st != TSR_OK)
            break;
        tsri_scene_look_at(&look, &img, picks[i].time_us);
        tsr_image_deinit(&img);
        if (tsri_scene_push(&finder, &look, &cut))
            st = add_cut(l, &cut, err);
    }
    return st;
}

static tsr_status find_cuts(cut_list *l, const tsr_video *v, int64_t end_us, tsr_error *err)
{
    tsr_video_opts o = v->opts;
    tsr_video *through;
    o.scenes = false;
    o.fps = 1e6 / (double)TSRI_SCENE_STEP_US;
    o.end_us = end_us;
    o.max_frames = SIZE_MAX;
    tsr_status st = tsr_video_open(&through, v->src, &o, err);
    if (st == TSR_OK)
        st = look_through(l, through, err);
    tsr_video_close(through);
    return st;
}

tsr_status tsri_video_move_to_scenes(tsr_video *v, const tsri_film *film, tsr_error *err)
{
    int64_t end = v->opts.end_us >= 0 && v->opts.end_us < film->end_us ? v->opts.end_us : film->end_us;
    int64_t *moments = NULL;
    cut_list l = {0};
    tsr_status st = tsr_alloc_array(&moments, v->n_picks, sizeof *moments, "picked frames", err);
    if (st == TSR_OK && end > v->opts.start_us)
        st = find_cuts(&l, v, end, err);
    if (st == TSR_OK && end > v->opts.start_us) {
        st = tsri_scene_place(moments, v->n_picks, v->opts.start_us, end, l.at, l.n, err);
        for (size_t i = 0; st == TSR_OK && i < v->n_picks; i++)
            v->picks[i] = tsri_video_pick_at(film, (double)moments[i]);
    }
    v->facts.n_cuts = l.n;
    tsr_free(l.at);
    tsr_free(moments);
    return st;
}
