/* transcribe_plan.c: a window opens where somebody speaks and closes at a pause; where it grows too long without
 * one, the next begins before it ends, so that a word that the cut goes through is whole in one of the two. */
#include "transcribe_plan.h"

#include <string.h>

enum {
    FRAMES_PER_SECOND = TSR_VOICE_RATE / TSR_VOICE_FRAME,
    LEAST_VOICED = 4, /* frames; less is a click */
    LEAST_GAP = 6     /* between stretches, to be a pause at all */
};

static size_t frames(double seconds)
{
    return (size_t)(seconds * FRAMES_PER_SECOND + 0.5);
}

static size_t between(size_t x, size_t least, size_t most)
{
    return x < least ? least : x > most ? most : x;
}

tsri_plan_opts tsri_plan_opts_for(double seconds, double overlap, double pause, bool all_sound)
{
    tsri_plan_opts o = {.all_sound = all_sound};
    o.longest = between(frames(seconds), FRAMES_PER_SECOND, TSRI_PLAN_LONGEST);
    o.overlap = between(frames(overlap), 1, o.longest / 3);
    o.pause = between(frames(pause), LEAST_GAP, 60 * FRAMES_PER_SECOND);
    o.good = o.longest / 3;
    o.short_pause = between(o.pause * 2 / 5, LEAST_GAP, o.pause);
    o.margin = between(frames(0.2), 1, o.short_pause);
    return o;
}

void tsri_plan_begin(tsri_plan *p, const tsri_plan_opts *o)
{
    memset(p, 0, sizeof *p);
    p->o = *o;
}

uint64_t tsri_plan_oldest(const tsri_plan *p)
{
    if (p->is_open)
        return p->w.from;
    return p->at > p->done + p->o.margin ? p->at - p->o.margin : p->done;
}

/* ---- stretches ---- */

static void add_stretch(tsri_window *w, uint64_t from, uint64_t to)
{
    tsri_stretch *last = w->n_voiced ? &w->voiced[w->n_voiced - 1] : NULL;
    if (last && (last->to == from || w->n_voiced == TSRI_PLAN_STRETCHES))
        last->to = to;
    else
        w->voiced[w->n_voiced++] = (tsri_stretch){from, to};
}

static void keep_voiced(tsri_window *w, uint64_t from, uint64_t to)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_voiced; i++) {
        tsri_stretch s = w->voiced[i];
        s.from = s.from > from ? s.from : from;
        s.to = s.to < to ? s.to : to;
        if (s.from < s.to)
            w->voiced[n++] = s;
    }
    w->n_voiced = n;
}

void tsri_window_clip(tsri_window *w, uint64_t from, uint64_t to)
{
    w->from = from;
    w->to = to;
    keep_voiced(w, from, to);
    if (w->n_voiced == 0)
        add_stretch(w, from, to);
}

static uint64_t n_voiced_frames(const tsri_window *w)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n_voiced; i++)
        n += w->voiced[i].to - w->voiced[i].from;
    return n;
}

static uint64_t last_voiced(const tsri_window *w)
{
    return w->n_voiced ? w->voiced[w->n_voiced - 1].to : w->from;
}

double tsri_window_place(const tsri_window *w, double part, bool is_beginning)
{
    double left = part * (double)n_voiced_frames(w);
    for (size_t i = 0; i < w->n_voiced; i++) {
        double len = (double)(w->voiced[i].to - w->voiced[i].from);
        bool is_last = i + 1 == w->n_voiced;
        if (left < len || (left == len && !is_beginning) || is_last)
            return (double)w->voiced[i].from + (left < len ? left : len);
        left -= len;
    }
    return (double)w->from + part * (double)(w->to - w->from);
}

/* ---- cuts ---- */

/* The frame in [from, to) that is softest with its neighbors. levels[0] is frame `first`; n of them. */
static uint64_t softest(const float *levels, uint64_t first, size_t n, uint64_t from, uint64_t to)
{
    uint64_t best = from;
    float least = 0;
    for (uint64_t f = from; f < to; f++) {
        float sum = levels[f - first < n ? f - first : n - 1]; /* counts twice */
        for (uint64_t k = f > first ? f - 1 : f; k <= f + 1; k++)
            sum += levels[k - first < n ? k - first : n - 1];
        if (f == from || sum < least) {
            least = sum;
            best = f;
        }
    }
    return best;
}

/* The longest pause between stretches that begins in [from, to). False where there is none. */
static bool longest_gap(const tsri_window *w, uint64_t from, uint64_t to, tsri_stretch *gap)
{
    bool found = false;
    for (size_t i = 1; i < w->n_voiced; i++) {
        tsri_stretch g = {w->voiced[i - 1].to, w->voiced[i].from};
        if (g.from < from || g.from >= to || g.to - g.from < LEAST_GAP)
            continue;
        if (!found || g.to - g.from >= gap->to - gap->from)
            *gap = g;
        found = true;
    }
    return found;
}

/* What is left of the open window begins at `from`. */
static void go_on(tsri_plan *p, uint64_t from, tsri_cut begins)
{
    size_t skip = (size_t)(from - p->w.from), n = (size_t)(p->at - p->w.from);
    memmove(p->levels, p->levels + skip, (n - skip) * sizeof *p->levels);
    p->w.from = from;
    p->w.begins = begins;
    keep_voiced(&p->w, from, p->at);
}

/* The open window is complete at `to`; the next one, if the sound goes on, hears from `next` on. */
static bool cut(tsri_plan *p, uint64_t to, tsri_cut ends, uint64_t next, bool goes_on, tsri_window *out)
{
    *out = p->w;
    out->to = to;
    out->ends = ends;
    keep_voiced(out, out->from, to);
    bool is_sound = p->o.all_sound || n_voiced_frames(out) >= LEAST_VOICED || out->begins == TSRI_CUT_OVERLAP;
    if (out->n_voiced == 0)
        add_stretch(out, out->from, to);
    p->done = next;
    p->is_open = goes_on;
    if (goes_on)
        go_on(p, next, ends);
    return is_sound;
}

/* Nobody has spoken since the last stretch. */
static bool cut_at_end(tsri_plan *p, tsri_window *out)
{
    uint64_t last = last_voiced(&p->w), to = last + p->o.margin;
    if (p->o.all_sound)
        to = last + (p->at - last) / 2;
    to = to < p->at ? to : p->at;
    return cut(p, to, TSRI_CUT_PAUSE, to, p->o.all_sound, out);
}

static bool cut_at_gap(tsri_plan *p, tsri_stretch gap, tsri_window *out)
{
    uint64_t half = (gap.to - gap.from) / 2, keep = half < p->o.margin || p->o.all_sound ? half : p->o.margin;
    uint64_t to = gap.from + keep, next = p->o.all_sound ? to : gap.to - keep;
    return cut(p, to, TSRI_CUT_PAUSE, next, true, out);
}

static bool cut_in_speech(tsri_plan *p, tsri_window *out)
{
    uint64_t first = p->w.from, full = first + p->o.longest, slack = p->o.overlap / 3;
    uint64_t to = softest(p->levels, first, p->o.longest, full - slack, full);
    uint64_t next = softest(p->levels, first, p->o.longest, to - p->o.overlap, to - p->o.overlap + slack + 1);
    return cut(p, to > next ? to : full, TSRI_CUT_OVERLAP, next, true, out);
}

/* The window is as long as may be. */
static bool cut_somewhere(tsri_plan *p, tsri_window *out)
{
    tsri_stretch gap = {0};
    if (p->at - last_voiced(&p->w) >= LEAST_GAP)
        return cut_at_end(p, out);
    if (longest_gap(&p->w, p->w.from + p->o.longest / 6, p->at, &gap))
        return cut_at_gap(p, gap, out);
    return cut_in_speech(p, out);
}

/* ---- frames ---- */

static void open_window(tsri_plan *p, uint64_t frame)
{
    uint64_t from = p->o.all_sound || frame < p->done + p->o.margin ? p->done : frame - p->o.margin;
    p->w = (tsri_window){.from = from};
    p->is_open = true;
    for (uint64_t f = from; f < frame; f++)
        p->levels[f - from] = -90;
}

bool tsri_plan_push(tsri_plan *p, const tsr_voice_frame *frame, tsri_window *out)
{
    uint64_t f = p->at++;
    if (!p->is_open && (frame->is_voiced || p->o.all_sound))
        open_window(p, f);
    if (!p->is_open)
        return false;
    p->levels[f - p->w.from] = frame->level_db;
    if (frame->is_voiced)
        add_stretch(&p->w, f, f + 1);
    uint64_t last = last_voiced(&p->w), quiet = p->at - last;
    bool may_leave = p->w.n_voiced > 0 && (!p->o.all_sound || last - p->w.from >= p->o.good);
    if (may_leave && (quiet >= p->o.pause || (quiet >= p->o.short_pause && last - p->w.from >= p->o.good)))
        return cut_at_end(p, out);
    return p->at - p->w.from >= p->o.longest && cut_somewhere(p, out);
}

bool tsri_plan_end(tsri_plan *p, tsri_window *out)
{
    if (!p->is_open)
        return false;
    uint64_t to = last_voiced(&p->w) + p->o.margin;
    to = p->o.all_sound || to > p->at ? p->at : to;
    return cut(p, to, TSRI_CUT_PAUSE, to, false, out);
}

void tsri_plan_halve(const tsri_window *w, const float *levels, size_t overlap, tsri_window *left, tsri_window *right)
{
    uint64_t len = w->to - w->from, quarter = len / 4, half;
    tsri_stretch gap = {0};
    *left = *right = *w;
    if (longest_gap(w, w->from + quarter, w->to - quarter, &gap) && gap.to + quarter <= w->to) {
        left->to = right->from = gap.from + (gap.to - gap.from) / 2;
        left->ends = right->begins = TSRI_CUT_PAUSE;
    } else {
        half = softest(levels, w->from, (size_t)len, w->from + len * 3 / 8, w->from + len * 5 / 8 + 1);
        overlap = overlap < len / 4 ? overlap : (size_t)(len / 4);
        left->to = half + overlap / 2;
        right->from = left->to - overlap;
        left->ends = right->begins = TSRI_CUT_OVERLAP;
    }
    tsri_window_clip(left, left->from, left->to);
    tsri_window_clip(right, right->from, right->to);
}
