/* name_order.c: a list of sorted chunks. One sorted array would move half of all names for each that comes in the
 * worst order, which for the tens of thousands that a file may hold is seconds; here it is at most a chunk, and now
 * and then the list of chunks. No order of coming is worse than that, as it would be for a hash or a plain tree. */
#include "name_order_internal.h"

#include <string.h>

#include "tsr_alloc.h"

void tsri_name_order_deinit(tsri_name_order *o)
{
    for (size_t i = 0; i < o->n_chunks; i++)
        tsr_free(o->chunks[i]);
    tsr_free(o->chunks);
    *o = (tsri_name_order){0};
}

/* The first chunk whose last name does not come before `name`; n_chunks when there is none. */
static size_t find_chunk(const tsri_name_order *o, const char *name)
{
    size_t lo = 0, hi = o->n_chunks;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const tsri_name_chunk *c = o->chunks[mid];
        if (strcmp(c->at[c->n - 1].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

tsri_name_place tsri_name_order_find(const tsri_name_order *o, const char *name)
{
    tsri_name_place p = {find_chunk(o, name), 0};
    size_t hi = p.chunk < o->n_chunks ? o->chunks[p.chunk]->n : 0;
    while (p.at < hi) {
        size_t mid = p.at + (hi - p.at) / 2;
        if (strcmp(o->chunks[p.chunk]->at[mid].name, name) < 0)
            p.at = mid + 1;
        else
            hi = mid;
    }
    return p;
}

const tsri_named *tsri_name_order_next(const tsri_name_order *o, tsri_name_place *p)
{
    if (p->chunk < o->n_chunks && p->at == o->chunks[p->chunk]->n)
        *p = (tsri_name_place){p->chunk + 1, 0};
    return p->chunk < o->n_chunks ? &o->chunks[p->chunk]->at[p->at++] : NULL;
}

const tsri_named *tsri_name_order_nth(const tsri_name_order *o, size_t i)
{
    size_t c = 0;
    for (; i >= o->chunks[c]->n; c++)
        i -= o->chunks[c]->n;
    return &o->chunks[c]->at[i];
}

static tsr_status no_memory(const tsri_name_order *o, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu names", o->n + 1);
}

/* A new chunk at place `c` of the list, for the upper half of the one before it. */
static tsr_status add_chunk(tsri_name_order *o, size_t c, tsr_error *err)
{
    if (o->n_chunks == o->cap_chunks) {
        size_t cap = o->cap_chunks ? 2 * o->cap_chunks : 8;
        tsri_name_chunk **grown = tsr_realloc(o->chunks, cap * sizeof *grown);
        if (!grown)
            return no_memory(o, err);
        o->chunks = grown;
        o->cap_chunks = cap;
    }
    tsri_name_chunk *chunk = tsr_alloc(sizeof *chunk);
    if (!chunk)
        return no_memory(o, err);
    chunk->n = 0;
    memmove(&o->chunks[c + 1], &o->chunks[c], (o->n_chunks - c) * sizeof *o->chunks);
    o->n_moved += o->n_chunks - c;
    o->chunks[c] = chunk;
    o->n_chunks++;
    return TSR_OK;
}

/* Room for one more at p, which then may be another place. */
static tsr_status make_room(tsri_name_order *o, tsri_name_place *p, tsr_error *err)
{
    if (o->n_chunks == 0)
        return add_chunk(o, 0, err);
    if (p->chunk == o->n_chunks) /* behind the last name */
        *p = (tsri_name_place){o->n_chunks - 1, o->chunks[o->n_chunks - 1]->n};
    tsri_name_chunk *full = o->chunks[p->chunk];
    if (full->n < TSRI_NAME_CHUNK)
        return TSR_OK;
    tsr_status st = add_chunk(o, p->chunk + 1, err);
    if (st != TSR_OK)
        return st;
    tsri_name_chunk *upper = o->chunks[p->chunk + 1];
    full->n = TSRI_NAME_CHUNK / 2;
    upper->n = TSRI_NAME_CHUNK - full->n;
    memcpy(upper->at, &full->at[full->n], upper->n * sizeof *upper->at);
    o->n_moved += upper->n;
    if (p->at > full->n)
        *p = (tsri_name_place){p->chunk + 1, p->at - full->n};
    return TSR_OK;
}

tsr_status tsri_name_order_add(tsri_name_order *o, const char *name, size_t number, bool *is_new, tsr_error *err)
{
    tsri_name_place p = tsri_name_order_find(o, name), next = p;
    const tsri_named *after = tsri_name_order_next(o, &next);
    *is_new = !after || strcmp(after->name, name) != 0;
    if (!*is_new)
        return TSR_OK;
    tsr_status st = make_room(o, &p, err);
    if (st != TSR_OK)
        return st;
    tsri_name_chunk *c = o->chunks[p.chunk];
    memmove(&c->at[p.at + 1], &c->at[p.at], (c->n - p.at) * sizeof *c->at);
    o->n_moved += c->n - p.at;
    c->at[p.at] = (tsri_named){name, number};
    c->n++;
    o->n++;
    return TSR_OK;
}
