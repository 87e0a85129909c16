/* film_plan.h: how films of any length go into a context: whole, with so many frames a second, or window by window.
 * Pure arithmetic; nothing is opened here. */
#ifndef TSR_FILM_PLAN_H
#define TSR_FILM_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_status.h"

/* One film, or the part of it that is used. */
typedef struct tsri_film_need {
    double seconds;
    size_t frame_tokens;  /* positions of one frame: soft tokens, markers, time stamp */
    double sound_tokens;  /* positions of a second of the sound that goes along; 0: none does */
} tsri_film_need;

typedef struct tsri_film_room {
    size_t ctx;           /* positions of the context */
    size_t answer;        /* of these, for the answer */
    size_t whole_others;  /* positions of all else in the prompt that holds the films whole */
    size_t window_others; /* of all else in the prompt of one window, without the notes that it carries along */
    size_t last_others;   /* of all else in the prompt that holds the notes in place of the films */
    size_t max_frames;    /* of a film in one prompt */
    double max_sound;     /* seconds of sound in one prompt */
    double fps;           /* that was asked for; 0: the planner chooses */
    bool windows_only;    /* timed notes are what is wanted; there is no last prompt */
} tsri_film_room;

typedef enum tsri_film_mode {
    TSRI_FILM_WHOLE,  /* all films in one prompt */
    TSRI_FILM_WINDOWS /* notes of each window, then an answer from the notes */
} tsri_film_mode;

/* The model card's films: a minute, one frame a second. */
enum { TSRI_FILM_WINDOW_FRAMES = 60, TSRI_FILM_WHOLE_STEP = 4 /* seconds between frames, at most, of whole films */ };

typedef struct tsri_film_plan {
    tsri_film_mode mode;
    double fps;           /* of every film; 1, 1/2, 1/3, ... where it was not asked for */
    size_t n_frames;      /* in all */
    double window;        /* windows: seconds of each; the last of a film may be shorter. Whole: 0 */
    size_t n_windows;     /* of all films; whole: 0 */
    size_t note_tokens;   /* new tokens of the notes of a window; a window carries as many of those before it. Whole: 0 */
    size_t prompt_tokens; /* positions of the longest prompt with frames */
    size_t last_tokens;   /* windows: of the prompt of the answer, with all notes at their longest; 0: there is none */
} tsri_film_plan;

/* Plan for n films, n >= 1. Whole where a frame every TSRI_FILM_WHOLE_STEP seconds fits (or the frames that were asked
 * for), else windows of at most TSRI_FILM_WINDOW_FRAMES frames, with frames as close as there is room for. TSR_ERR_LIMIT,
 * saying what is missing, when there is no way. */
tsr_status tsri_film_plan_make(tsri_film_plan *out, const tsri_film_need *films, size_t n, const tsri_film_room *room,
                               tsr_error *err);

/* Frames at 0, 1 / fps, 2 / fps, ... before the end; at least one. */
size_t tsri_film_frames(double seconds, double fps);
/* Windows of a film; at least one. */
size_t tsri_film_windows(double seconds, double window);

#endif
