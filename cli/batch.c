/* batch.c: what of a batch people and programs see while it runs and when it ends. */
#include "batch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct watch {
    const options *o;
    terminal *t;
    tessera_batch_facts facts;
    double began, shown; /* seconds */
    size_t last;         /* lines done that were shown */
    bool has_shown;
} watch;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* At the pace of this call so far; negative: not known yet. */
static double seconds_left(const watch *w)
{
    const tessera_batch_facts *f = &w->facts;
    size_t left = f->lines - f->before - f->done;
    return f->done ? (now_s() - w->began) / (double)f->done * (double)left : left ? -1 : 0;
}

static void show_json(const watch *w)
{
    const tessera_batch_facts *f = &w->facts;
    double left = seconds_left(w);
    fprintf(stderr,
            "{\"stage\":\"batch\",\"done\":%zu,\"total\":%zu,\"failed\":%zu,\"seconds_left\":", f->before + f->done,
            f->lines, f->failed);
    if (left < 0)
        fprintf(stderr, "null}\n");
    else
        fprintf(stderr, "%.1f}\n", left);
}

static void show_line(const watch *w)
{
    const tessera_batch_facts *f = &w->facts;
    double left = seconds_left(w);
    fprintf(stderr, "\r\033[K%zu of %zu lines, %zu failed", f->before + f->done, f->lines, f->failed);
    if (left >= 0) {
        unsigned long s = (unsigned long)(left + 0.5);
        fprintf(stderr, ", %lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
    }
    fflush(stderr);
    w->t->progress_line = true;
}

/* Asked often: JSON tells every line that is done, the terminal twice a second. */
static void show(watch *w)
{
    size_t done = w->facts.before + w->facts.done;
    bool news = !w->has_shown || done != w->last;
    if (w->o->progress == PROGRESS_JSON && news)
        show_json(w);
    else if (w->t->show_progress && (!w->has_shown || now_s() - w->shown > 0.5)) {
        show_line(w);
        w->shown = now_s();
    }
    w->has_shown = true;
    w->last = done;
}

static int on_event(void *user, const tessera_event *ev)
{
    watch *w = user;
    if (ev->kind == TESSERA_EVENT_STAGE)
        show(w);
    else
        terminal_event(w->t, ev);
    return terminal_interrupted;
}

static int summary(const watch *w)
{
    const tessera_batch_facts *f = &w->facts;
    char text[400];
    if (!w->o->quiet)
        fprintf(stderr, "tessera: %zu of %zu lines answered, %zu of them now; %zu failed\n", f->before + f->done,
                f->lines, f->done, f->failed);
    if (!w->o->json)
        return 0;
    snprintf(
        text, sizeof text,
        "{\"lines\":%zu,\"before\":%zu,\"done\":%zu,\"failed\":%zu,\"shard\":%zu,\"shards\":%zu,\"cancelled\":%s}\n",
        f->lines, f->before, f->done, f->failed, f->shard, f->n_shards, f->cancelled ? "true" : "false");
    terminal_write(w->t, text, strlen(text));
    return terminal_finish(w->t);
}

int batch_run(tessera_model *m, options *o, terminal *t)
{
    watch w = {.o = o, .t = t, .began = now_s()};
    tessera_error err = {0};
    o->rq.parts = o->parts;
    o->rq.n_parts = o->n_parts;
    tessera_status st = tessera_batch(m, o->words[0], o->out, &o->rq, &o->batch, on_event, &w, &w.facts, &err);
    terminal_wipe(t);
    if (st != TESSERA_OK) {
        fprintf(stderr, "tessera: %s\n", err.text[0] ? err.text : tessera_status_name(st));
        return tessera_exit_code(st);
    }
    int rc = summary(&w);
    return rc ? rc : w.facts.cancelled ? 130 : w.facts.failed ? tessera_exit_code(TESSERA_ERR_DATA) : 0;
}
