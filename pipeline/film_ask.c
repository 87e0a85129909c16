/* film_ask.c: what is asked about films: about a window, and about the notes in place of a film. */
#include "film.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "film_time.h"

static tsr_status add_text(tsr_text *out, const char *s, tsr_error *err)
{
    return tsr_text_add(out, s, strlen(s), err);
}

/* As the time stamps of frames: minutes go on past an hour. */
static void write_stamp(char out[TSRI_FILM_TIME], double s)
{
    snprintf(out, TSRI_FILM_TIME, "%02.0f:%02.0f", floor(s / 60), floor(fmod(s, 60)));
}

tsr_status tsri_film_ask_window(tsr_text *out, const tsri_films *f, size_t i, size_t n, double from, double to,
                                const char *question, const char *before, size_t before_len, tsr_error *err)
{
    char head[256], a[TSRI_FILM_TIME], b[TSRI_FILM_TIME];
    write_stamp(a, from);
    write_stamp(b, to);
    snprintf(head, sizeof head, "This is part %zu of %zu of a film, from %s to %s.", n + 1,
             tsri_film_windows(f->at[i].need.seconds, f->plan.window > 0 ? f->plan.window : 1), a, b);
    tsr_status st = add_text(out, head, err);
    if (st == TSR_OK && before_len)
        st = add_text(out, " The notes on what came before end with:\n", err);
    if (st == TSR_OK && before_len)
        st = tsr_text_add(out, before, before_len, err);
    if (st == TSR_OK)
        st = add_text(out, before_len ? "Write notes on this part: " : " Write notes on it: ", err);
    if (st == TSR_OK)
        st = add_text(out, "a line for each thing that happens, which begins with its time as MM:SS.", err);
    if (st == TSR_OK && *question)
        st = add_text(out, " The notes will be used for this: ", err);
    return st == TSR_OK ? add_text(out, question, err) : st;
}

/* The file's name, without its folders and what could end the line. */
static tsr_status add_name(tsr_text *out, const char *name, tsr_error *err)
{
    const char *slash = strrchr(name, '/');
    char clean[128];
    snprintf(clean, sizeof clean, "%s", slash && slash[1] ? slash + 1 : name);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    return add_text(out, clean, err);
}

tsr_status tsri_film_ask_last(tsr_text *out, const tsri_films *f, size_t i, tsr_error *err)
{
    char time[TSRI_FILM_TIME];
    tsri_film_time_write(time, f->at[i].end, false);
    tsr_status st = add_text(out, "These are notes on the film ", err);
    if (st == TSR_OK)
        st = add_name(out, f->at[i].name, err);
    if (st == TSR_OK)
        st = add_text(out, ", which was watched to ", err);
    if (st == TSR_OK)
        st = add_text(out, time, err);
    return st == TSR_OK ? add_text(out, ". Each begins with its time; answer from them, and name the times.\n", err) : st;
}

tsr_status tsri_film_question(tsr_text *out, const tessera_request *rq, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < rq->n_parts && st == TSR_OK; i++) {
        const tessera_part *p = &rq->parts[i];
        if (p->kind != TESSERA_PART_TEXT || !p->text)
            continue;
        if (out->len)
            st = add_text(out, "\n", err);
        if (st == TSR_OK)
            st = tsr_text_add(out, p->text, p->text_len ? p->text_len : strlen(p->text), err);
    }
    return st == TSR_OK ? tsr_text_add(out, "", 1, err) : st; /* terminated */
}
