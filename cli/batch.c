/* batch.c: what of a batch people and programs see while it runs and when it ends. */
#include "batch.h"

#include <stdio.h>
#include <string.h>

typedef struct watch {
    const options *o;
    terminal *t;
    tessera_batch_facts facts;
} watch;

static int on_event(void *user, const tessera_event *ev)
{
    watch *w = user;
    if (ev->kind == TESSERA_EVENT_STAGE)
        terminal_whole(w->t, ev, (long)w->facts.failed);
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
    watch w = {.o = o, .t = t};
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
