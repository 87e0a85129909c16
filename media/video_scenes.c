/* video_scenes.c: see the header. A cut is told from three looks that follow each other; frames are given to cuts by
 * strength, then to the longest gaps. */
#include "video_scenes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"

#define LEAST_STEP 12.0      /* of 255: what noise and motion between two looks stay below in a quiet scene */
#define OVER_LEVEL 3.0       /* times the running level */
#define OVER_NEIGHBOR 2.5    /* times the steps before and behind it */
#define STAYS 0.6            /* of the step: how different the next look still is from the one before the cut */
#define AT_REST 0.5          /* of the least step of a cut: the second threshold, below which the next cut may come */
#define LEVEL_WEIGHT 0.1     /* of a new step in the running level */
#define APART_US INT64_C(1000000)

/* ---- looks ---- */

static void add_row(double sum[TSRI_SCENE_WIDTH][3], const tsr_image *img, size_t y)
{
    const unsigned char *p = img->rgb + y * img->width * 3;
    for (size_t i = 0; i < TSRI_SCENE_WIDTH; i++) {
        size_t from = i * img->width / TSRI_SCENE_WIDTH, to = (i + 1) * img->width / TSRI_SCENE_WIDTH;
        double rgb[3] = {0, 0, 0};
        to = to > from ? to : from + 1; /* narrow pictures: a column counts for several cells */
        for (size_t x = from; x < to; x++)
            for (size_t c = 0; c < 3; c++)
                rgb[c] += p[3 * x + c];
        for (size_t c = 0; c < 3; c++)
            sum[i][c] += rgb[c] / (double)(to - from);
    }
}

void tsri_scene_look_at(tsri_scene_look *out, const tsr_image *img, int64_t time_us)
{
    out->time_us = time_us;
    for (size_t k = 0; k < TSRI_SCENE_HEIGHT; k++) {
        double sum[TSRI_SCENE_WIDTH][3] = {{0}};
        size_t from = k * img->height / TSRI_SCENE_HEIGHT, to = (k + 1) * img->height / TSRI_SCENE_HEIGHT;
        to = to > from ? to : from + 1;
        for (size_t y = from; y < to; y++)
            add_row(sum, img, y);
        for (size_t i = 0; i < TSRI_SCENE_WIDTH; i++) {
            double n = (double)(to - from), r = sum[i][0] / n, g = sum[i][1] / n, b = sum[i][2] / n;
            double luma = 0.299 * r + 0.587 * g + 0.114 * b; /* BT.601 */
            float *cell = out->cell[k * TSRI_SCENE_WIDTH + i];
            cell[0] = (float)luma;
            cell[1] = (float)(b - luma);
            cell[2] = (float)(r - luma);
        }
    }
}

/* Mean over cells; color counts half. */
static double difference(const tsri_scene_look *a, const tsri_scene_look *b)
{
    double sum = 0;
    for (size_t i = 0; i < TSRI_SCENE_CELLS; i++)
        sum += fabs((double)a->cell[i][0] - (double)b->cell[i][0]) +
               0.5 * (fabs((double)a->cell[i][1] - (double)b->cell[i][1]) + fabs((double)a->cell[i][2] - (double)b->cell[i][2]));
    return sum / TSRI_SCENE_CELLS;
}

/* ---- cuts ---- */

/* Is f->now, which `next` follows after a step of `after`, the first of another scene? */
static bool is_cut(const tsri_scene_finder *f, const tsri_scene_look *next, double after)
{
    double least = f->level * OVER_LEVEL > LEAST_STEP ? f->level * OVER_LEVEL : LEAST_STEP;
    double near_by = f->step_before > after ? f->step_before : after;
    bool is_apart = !f->has_cut || f->now.time_us - f->last_cut_us >= APART_US;
    return f->n >= 2 && !f->waits && is_apart && f->step >= least && f->step >= OVER_NEIGHBOR * near_by &&
           difference(next, &f->before) >= STAYS * f->step;
}

bool tsri_scene_push(tsri_scene_finder *f, const tsri_scene_look *look, tsri_scene_cut *cut)
{
    double after = f->n ? difference(look, &f->now) : 0;
    bool found = is_cut(f, look, after);
    if (found) {
        *cut = (tsri_scene_cut){f->now.time_us, f->step};
        f->last_cut_us = f->now.time_us;
        f->has_cut = f->waits = true;
    } else if (f->n >= 2) {
        f->level += LEVEL_WEIGHT * (f->step - f->level);
    }
    f->waits = f->waits && after > AT_REST * LEAST_STEP && after > AT_REST * OVER_LEVEL * f->level;
    f->before = f->now;
    f->now = *look;
    f->step_before = f->step;
    f->step = after;
    f->n++;
    return found;
}

/* ---- frames ---- */

typedef struct places {
    int64_t *at; /* [n] of [cap]: begin and the cuts that have a frame, in order */
    size_t n;
    int64_t end_us;
    double most_us; /* between frames */
} places;

/* Frames that a gap of this length needs inside of it. */
static size_t fill_of(const places *p, int64_t gap_us)
{
    double pieces = ceil((double)gap_us / p->most_us - 1e-9);
    return pieces > 1 ? (size_t)pieces - 1 : 0;
}

static int64_t after(const places *p, size_t i)
{
    return i + 1 < p->n ? p->at[i + 1] : p->end_us;
}

/* Put the cut in where that needs no more than *spare frames, which it takes. */
static void try_cut(places *p, int64_t time_us, size_t *spare)
{
    size_t i = p->n - 1;
    while (i > 0 && p->at[i] > time_us)
        i--;
    int64_t left = time_us - p->at[i], right = after(p, i) - time_us;
    if (left <= 0 || right <= 0)
        return;
    size_t more = 1 + fill_of(p, left) + fill_of(p, right), before = fill_of(p, left + right);
    if (more > before + *spare)
        return;
    *spare -= more - before;
    memmove(p->at + i + 2, p->at + i + 1, (p->n - i - 1) * sizeof *p->at);
    p->at[i + 1] = time_us;
    p->n++;
}

static int by_strength(const void *a, const void *b)
{
    const tsri_scene_cut *x = a, *y = b;
    if (x->strength != y->strength)
        return x->strength > y->strength ? -1 : 1;
    return x->time_us < y->time_us ? -1 : x->time_us > y->time_us;
}

/* What is still to give goes into the longest gaps, one by one. */
static void spread(const places *p, size_t *inside, size_t spare)
{
    for (size_t i = 0; i < p->n; i++)
        inside[i] = fill_of(p, after(p, i) - p->at[i]);
    for (; spare > 0; spare--) {
        size_t longest = 0;
        double most = -1;
        for (size_t i = 0; i < p->n; i++) {
            double gap = (double)(after(p, i) - p->at[i]) / (double)(inside[i] + 1);
            longest = gap > most + 0.5 ? i : longest;
            most = gap > most + 0.5 ? gap : most;
        }
        inside[longest]++;
    }
}

static void write_moments(const places *p, const size_t *inside, int64_t *out)
{
    for (size_t i = 0; i < p->n; i++) {
        double gap = (double)(after(p, i) - p->at[i]) / (double)(inside[i] + 1);
        for (size_t k = 0; k <= inside[i]; k++)
            *out++ = p->at[i] + llround((double)k * gap);
    }
}

tsr_status tsri_scene_place(int64_t *moments_us, size_t n, int64_t begin_us, int64_t end_us, const tsri_scene_cut *cuts,
                            size_t n_cuts, tsr_error *err)
{
    places p = {.n = 1, .end_us = end_us, .most_us = TSRI_SCENE_GAP * (double)(end_us - begin_us) / (double)n};
    tsri_scene_cut *order = NULL;
    size_t *inside = NULL;
    tsr_status st = tsr_alloc_array(&p.at, n + 1, sizeof *p.at, "frames of scenes", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&inside, n + 1, sizeof *inside, "frames of scenes", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&order, n_cuts + 1, sizeof *order, "cuts", err);
    if (st == TSR_OK) {
        p.at[0] = begin_us;
        size_t spare = n - 1 - fill_of(&p, end_us - begin_us);
        if (n_cuts)
            memcpy(order, cuts, n_cuts * sizeof *order);
        qsort(order, n_cuts, sizeof *order, by_strength);
        for (size_t i = 0; i < n_cuts; i++)
            if (order[i].time_us > begin_us && order[i].time_us < end_us)
                try_cut(&p, order[i].time_us, &spare);
        spread(&p, inside, spare);
        write_moments(&p, inside, moments_us);
    }
    tsr_free(order);
    tsr_free(inside);
    tsr_free(p.at);
    return st;
}
