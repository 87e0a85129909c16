/* transcribe_plan.h: which stretches of a long sound the model hears at once. Frames of voice detection come in,
 * windows come out, each as soon as it is known. Pure arithmetic; memory for one window. */
#ifndef TSR_TRANSCRIBE_PLAN_H
#define TSR_TRANSCRIBE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "tsr_voice.h"

/* All places and lengths are in frames of TSR_VOICE_FRAME samples. */
typedef struct tsri_stretch {
    uint64_t from, to; /* to: the frame after the last */
} tsri_stretch;

typedef enum tsri_cut {
    TSRI_CUT_PAUSE,  /* nobody speaks there */
    TSRI_CUT_OVERLAP /* somebody does: the neighbor hears a part of the same */
} tsri_cut;

enum { TSRI_PLAN_STRETCHES = 256 };

typedef struct tsri_window {
    uint64_t from, to;
    tsri_cut begins, ends;
    tsri_stretch voiced[TSRI_PLAN_STRETCHES]; /* where somebody speaks in it, in order */
    size_t n_voiced;
} tsri_window;

typedef struct tsri_plan_opts {
    size_t longest;     /* of a window: 1 to TSRI_PLAN_LONGEST */
    size_t overlap;     /* where no pause is found; less than half of `longest` */
    size_t pause;       /* silence that ends every window */
    size_t good;        /* length from which a shorter silence does, `short_pause` */
    size_t short_pause;
    size_t margin;      /* silence that a window keeps before and after what is said */
    bool all_sound;     /* leave nothing out: windows touch */
} tsri_plan_opts;

enum { TSRI_PLAN_LONGEST = 1500 }; /* 30 s */

/* Windows of at most `seconds`, which touch over `overlap` seconds where they must, cut at silences of `pause`
 * seconds. */
tsri_plan_opts tsri_plan_opts_for(double seconds, double overlap, double pause, bool all_sound);

typedef struct tsri_plan {
    tsri_plan_opts o;
    uint64_t at;   /* frames so far */
    uint64_t done; /* everything before is in a window, or in none for good */
    bool is_open;
    tsri_window w; /* the one that grows */
    float levels[TSRI_PLAN_LONGEST]; /* dB, from w.from on */
} tsri_plan;

void tsri_plan_begin(tsri_plan *p, const tsri_plan_opts *o);

/* Take the next frame. True when a window is complete, in *out. */
bool tsri_plan_push(tsri_plan *p, const tsr_voice_frame *frame, tsri_window *out);
/* There are no more frames: true when there is a last window. */
bool tsri_plan_end(tsri_plan *p, tsri_window *out);

/* The first frame that a window to come may still hold. */
uint64_t tsri_plan_oldest(const tsri_plan *p);

/* A window in two, at the pause in its middle half that is longest or else overlapping at the frame where `levels`
 * (dB of its frames, [to - from]) are lowest. Both halves are at least a quarter of it, w at least 8 frames. */
void tsri_plan_halve(const tsri_window *w, const float *levels, size_t overlap, tsri_window *left, tsri_window *right);

/* The place of a window's text at `part` (0 to 1) of its length, as if it were spoken evenly over what is voiced. A
 * place at a pause is after it for a beginning, before it for an end. In frames. */
double tsri_window_place(const tsri_window *w, double part, bool is_beginning);

/* What is voiced of w within [from, to); the whole of it where nothing is. */
void tsri_window_clip(tsri_window *w, uint64_t from, uint64_t to);

#endif
