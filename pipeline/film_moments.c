/* film_moments.c: the moments of the frames that a plan leads to, found as the run will find them. */
#include "film.h"

#include <string.h>

#include "media_part.h"
#include "tsr_alloc.h"

static tsr_status add_picks(tsri_film *f, const tsr_video *v, tsr_error *err)
{
    size_t n, bytes;
    const tsr_video_pick *picks = tsr_video_get_picks(v, &n);
    double *more = tsr_mul_size(&bytes, f->n_moments + n, sizeof *more) ? tsr_realloc(f->moments, bytes) : NULL;
    if (!more)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the moments of %zu frames", n);
    f->moments = more;
    for (size_t i = 0; i < n; i++)
        f->moments[f->n_moments++] = picks[i].time_s;
    f->n_cuts += tsr_video_get_facts(v)->n_cuts;
    return TSR_OK;
}

typedef struct listener {
    tessera_event_fn fn;
    void *user;
    tessera_event ev; /* how far the work is */
} listener;

/* For tsr_video_opts.stop. */
static bool is_stopped(void *user)
{
    listener *l = user;
    return l->fn && l->fn(l->user, &l->ev);
}

/* One prompt's part of the film. */
static tsr_status look_at_part(tsri_film *f, const tsr_source *source, tessera_request rq, double from, double to, listener *l,
                               tsr_error *err)
{
    tsr_video *v;
    rq.start = from;
    rq.end = to;
    tsr_video_opts o = tsri_video_opts(&rq);
    o.stop = is_stopped;
    o.stop_user = l;
    tsr_status st = tsr_video_open(&v, source, &o, err);
    if (st == TSR_OK)
        st = add_picks(f, v, err);
    tsr_video_close(v);
    return st;
}

static tsr_status look_at_film(const tsri_films *f, tsri_film *film, const tsr_source *source, const tessera_request *rq,
                               tessera_event_fn fn, void *user, tsr_error *err)
{
    bool whole = f->plan.mode == TSRI_FILM_WHOLE;
    size_t n = whole ? 1 : tsri_film_windows(film->need.seconds, f->plan.window);
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        listener l = {fn, user, {.kind = TESSERA_EVENT_STAGE, .text = "scenes", .len = 6, .done = i, .total = n}};
        double from = film->begin + (whole ? 0 : (double)i * f->plan.window);
        double to = whole || i + 1 == n ? film->end : from + f->plan.window;
        if (is_stopped(&l))
            return tsr_fail(err, TSR_ERR_CANCELLED, "stopped on request while scenes were looked for");
        st = look_at_part(film, source, *rq, from, to, &l, err);
    }
    return st;
}

tsr_status tsri_films_find_moments(tsri_films *f, const tessera_request *rq, tessera_event_fn fn, void *user, tsr_error *err)
{
    tessera_request own = *rq;
    tsr_status st = TSR_OK;
    own.fps = f->plan.fps;
    for (size_t i = 0; i < f->n && st == TSR_OK; i++) {
        tsri_input in = {0};
        tessera_part_kind kind;
        st = tsri_input_open(&in, &rq->parts[f->at[i].part], tsri_or_size(rq->max_file_bytes, TSRI_DEFAULT_MAX_FILE_BYTES), &kind,
                             err);
        if (st == TSR_OK)
            st = look_at_film(f, &f->at[i], in.source, &own, fn, user, err);
        tsr_source_close(in.source);
    }
    return st;
}
