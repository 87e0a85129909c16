/* film_plan.c: see the header. Sizes are computed in f64, which holds every count that can matter here exactly; what
 * is compared with the context is far below 2^53. */
#include "film_plan.h"

#include <math.h>

/* Notes shorter than the last of these say nothing. */
static const size_t note_sizes[] = {256, 128, 64};
enum { N_NOTE_SIZES = sizeof note_sizes / sizeof *note_sizes };

#define LONGEST_STEP 3600.0 /* seconds between frames */

static double count(double x)
{
    double n = ceil(x - 1e-9 * (x > 1 ? x : 1)); /* 0.1 * 10 makes one, not two */
    return n >= 1 ? n : 1;
}

size_t tsri_film_frames(double seconds, double fps)
{
    double n = count(seconds * fps);
    return n < 1e15 ? (size_t)n : (size_t)1e15;
}

size_t tsri_film_windows(double seconds, double window)
{
    return tsri_film_frames(seconds, 1 / window);
}

typedef struct planner {
    const tsri_film_need *films;
    size_t n;
    const tsri_film_room *room;
    tsri_film_plan *out;
} planner;

static bool has_sound(const planner *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->films[i].sound_tokens > 0)
            return true;
    return false;
}

/* Positions of `seconds` of a film. */
static double tokens_of(const tsri_film_need *f, double seconds, double fps)
{
    return count(seconds * fps) * (double)f->frame_tokens + ceil(seconds * f->sound_tokens);
}

static size_t all_frames(const planner *p, double fps)
{
    double n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += count(p->films[i].seconds * fps);
    return n < 1e15 ? (size_t)n : (size_t)1e15;
}

/* ---- whole ---- */

static bool try_whole(planner *p, double fps)
{
    double need = (double)p->room->whole_others, most = (double)p->room->ctx - (double)p->room->answer;
    for (size_t i = 0; i < p->n; i++) {
        const tsri_film_need *f = &p->films[i];
        if (count(f->seconds * fps) > (double)p->room->max_frames || (f->sound_tokens > 0 && f->seconds > p->room->max_sound))
            return false;
        need += tokens_of(f, f->seconds, fps);
    }
    if (need > most)
        return false;
    *p->out = (tsri_film_plan){.mode = TSRI_FILM_WHOLE, .fps = fps, .n_frames = all_frames(p, fps),
                               .prompt_tokens = (size_t)need};
    return true;
}

static bool plan_whole(planner *p)
{
    if (p->room->windows_only)
        return false;
    if (p->room->fps > 0)
        return try_whole(p, p->room->fps);
    for (int step = 1; step <= TSRI_FILM_WHOLE_STEP; step++)
        if (try_whole(p, 1.0 / step))
            return true;
    return false;
}

/* ---- windows ---- */

static double count_windows(const planner *p, double window)
{
    double n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += count(p->films[i].seconds / window);
    return n;
}

/* Of a window of `frames` frames, of the film that takes most. */
static double window_tokens(const planner *p, double frames, double fps, size_t note)
{
    double most = 0;
    for (size_t i = 0; i < p->n; i++) {
        double seconds = p->films[i].seconds < frames / fps ? p->films[i].seconds : frames / fps;
        double own = tokens_of(&p->films[i], seconds, fps);
        most = own > most ? own : most;
    }
    return (double)p->room->window_others + (double)note + most;
}

/* The longest window, in frames, that leaves room for its notes; 0: none does. */
static double frames_that_fit(const planner *p, double fps, size_t note)
{
    double most = TSRI_FILM_WINDOW_FRAMES;
    if (most > (double)p->room->max_frames)
        most = (double)p->room->max_frames;
    if (has_sound(p) && most > floor(p->room->max_sound * fps + 1e-9))
        most = floor(p->room->max_sound * fps + 1e-9);
    while (most >= 1 && window_tokens(p, most, fps, note) + (double)note > (double)p->room->ctx)
        most--;
    return most;
}

static bool try_windows(planner *p, double fps, size_t note)
{
    double frames = frames_that_fit(p, fps, note);
    if (frames < 1)
        return false;
    double window = frames / fps, n = count_windows(p, window);
    double last = p->room->windows_only ? 0 : (double)p->room->last_others + n * (double)note;
    if (last + (double)p->room->answer > (double)p->room->ctx && !p->room->windows_only)
        return false;
    *p->out = (tsri_film_plan){.mode = TSRI_FILM_WINDOWS, .fps = fps, .n_frames = all_frames(p, fps), .window = window,
                               .n_windows = (size_t)n, .note_tokens = note,
                               .prompt_tokens = (size_t)window_tokens(p, frames, fps, note), .last_tokens = (size_t)last};
    return true;
}

static bool plan_windows(planner *p)
{
    double least = p->room->fps > 0 ? 1 / p->room->fps : 1;
    for (double step = least; step <= (p->room->fps > 0 ? least : LONGEST_STEP); step *= 2)
        for (size_t k = 0; k < N_NOTE_SIZES; k++)
            if (try_windows(p, 1 / step, note_sizes[k]))
                return true;
    return false;
}

/* ---- the whole ---- */

static tsr_status refuse(const planner *p, tsr_error *err)
{
    size_t note = note_sizes[N_NOTE_SIZES - 1];
    double one = window_tokens(p, 1, p->room->fps > 0 ? p->room->fps : 1, note) + (double)note, seconds = 0;
    for (size_t i = 0; i < p->n; i++)
        seconds += p->films[i].seconds;
    if (one > (double)p->room->ctx)
        return tsr_fail(err, TSR_ERR_LIMIT,
                        "a single frame with the question and its notes needs %.0f positions, the context has %zu", one,
                        p->room->ctx);
    return tsr_fail(err, TSR_ERR_LIMIT,
                    "notes on %.0f seconds of film%s and the answer don't fit a context of %zu: shorten the film (start, "
                    "end), %s",
                    seconds, has_sound(p) ? " with its sound, 30 seconds at a time," : "", p->room->ctx,
                    has_sound(p) ? "or leave the sound out" : p->room->fps > 0 ? "or ask for fewer frames" : "or the answer");
}

tsr_status tsri_film_plan_make(tsri_film_plan *out, const tsri_film_need *films, size_t n, const tsri_film_room *room,
                               tsr_error *err)
{
    planner p = {.films = films, .n = n, .room = room, .out = out};
    *out = (tsri_film_plan){.mode = TSRI_FILM_WHOLE};
    return plan_whole(&p) || plan_windows(&p) ? TSR_OK : refuse(&p, err);
}
