/* grammar_store.c: see the header. Frames and places are found by hashing what they hold; those with counts cut to
 * near_most are made with them. */
#include "grammar_store_internal.h"

#include <string.h>

#include "tsr_alloc.h"

enum {
    MAX_PLACES = 1 << 14,
    MAX_ROWS = 1 << 13,
    MAX_ITEMS = 1 << 19,
    MAX_FRAMES = 1 << 16,
    MAX_WAYS = 1 << 18,
    PLACE_SLOTS = 2 * MAX_PLACES,
    FRAME_SLOTS = 2 * MAX_FRAMES
};

/* Places that are to be forgotten are marked in one array, and get new numbers in another. */
_Static_assert(MAX_PLACES + MAX_FRAMES <= TSRI_STORE_SCRATCH / sizeof(uint32_t), "scratch of tsri_store_forget");

/* ---- opening ---- */

tsr_status tsri_store_open(tsri_store *s, const tsr_grammar *g, uint32_t near_most, tsr_error *err)
{
    tsr_status st = TSR_OK;
    *s = (tsri_store){.g = g, .near_most = near_most};
    struct { void *at; size_t n, size; } parts[] = {
        {&s->places, MAX_PLACES, sizeof *s->places}, {&s->items, MAX_ITEMS, sizeof *s->items},
        {&s->frames, MAX_FRAMES, sizeof *s->frames}, {&s->ways, MAX_WAYS, sizeof *s->ways},
        {&s->rows, (size_t)MAX_ROWS * g->n_classes, sizeof *s->rows}, {&s->place_slots, PLACE_SLOTS, sizeof(uint32_t)},
        {&s->frame_slots, FRAME_SLOTS, sizeof(uint32_t)}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == TSR_OK; i++)
        st = tsr_alloc_array(parts[i].at, parts[i].n, parts[i].size, "running a grammar", err);
    if (st != TSR_OK)
        return st;
    memset(s->place_slots, 0, PLACE_SLOTS * sizeof(uint32_t));
    memset(s->frame_slots, 0, FRAME_SLOTS * sizeof(uint32_t));
    memset(s->frames, 0, sizeof *s->frames);
    memset(s->places, 0, 2 * sizeof *s->places);
    s->places[TSRI_DEAD] = (tsri_place){.dist = TSRI_NEVER, .row = TSRI_NONE, .near = TSRI_DEAD, .mask = TSRI_NONE,
                                         .plain_next = TSRI_DEAD};
    s->n_frames = 1;
    s->n_places = 2;
    return TSR_OK;
}

void tsri_store_deinit(tsri_store *s)
{
    void *parts[] = {s->places, s->items, s->frames, s->ways, s->rows, s->place_slots, s->frame_slots};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tsr_free(parts[i]);
}

bool tsri_store_give_row(tsri_store *s, uint32_t place)
{
    if (s->places[place].row != TSRI_NONE)
        return true;
    if (s->n_rows == MAX_ROWS)
        return false;
    s->places[place].row = s->n_rows++;
    memset(s->rows + (size_t)s->places[place].row * s->g->n_classes, 0, s->g->n_classes * sizeof *s->rows);
    return true;
}

/* ---- sorting: few elements mostly, so by shrinking gaps ---- */

static const size_t gaps[] = {9841, 3280, 1093, 364, 121, 40, 13, 4, 1};

static bool way_before(const tsri_way *a, const tsri_way *b)
{
    if (a->to != b->to)
        return a->to < b->to;
    if (a->frame != b->frame)
        return a->frame < b->frame;
    if (a->times != b->times)
        return a->times < b->times;
    return a->must != b->must ? a->must < b->must : a->may < b->may;
}

size_t tsri_sort_ways(tsri_way *at, size_t n)
{
    size_t kept = 0;
    for (size_t k = 0; k < sizeof gaps / sizeof *gaps; k++)
        for (size_t i = gaps[k]; i < n; i++) {
            tsri_way x = at[i];
            size_t j = i;
            for (; j >= gaps[k] && way_before(&x, &at[j - gaps[k]]); j -= gaps[k])
                at[j] = at[j - gaps[k]];
            at[j] = x;
        }
    for (size_t i = 0; i < n; i++)
        if (i == 0 || way_before(&at[kept - 1], &at[i]))
            at[kept++] = at[i];
    return kept;
}

static bool item_before(tsri_item a, tsri_item b)
{
    return a.state != b.state ? a.state < b.state : a.frame < b.frame;
}

size_t tsri_sort_items(tsri_item *at, size_t n)
{
    size_t kept = 0;
    for (size_t k = 0; k < sizeof gaps / sizeof *gaps; k++)
        for (size_t i = gaps[k]; i < n; i++) {
            tsri_item x = at[i];
            size_t j = i;
            for (; j >= gaps[k] && item_before(x, at[j - gaps[k]]); j -= gaps[k])
                at[j] = at[j - gaps[k]];
            at[j] = x;
        }
    for (size_t i = 0; i < n; i++)
        if (i == 0 || item_before(at[kept - 1], at[i]))
            at[kept++] = at[i];
    return kept;
}

/* ---- frames and places, once for each content ---- */

static uint32_t hash_ways(const tsri_way *w, size_t n)
{
    uint32_t h = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        h = tsri_mix(tsri_mix(tsri_mix(tsri_mix(h, w[i].to), w[i].frame), w[i].must), w[i].may);
    return h;
}

static uint32_t hash_items(const tsri_item *at, size_t n, bool can_end)
{
    uint32_t h = (uint32_t)n * 2 + can_end;
    for (size_t i = 0; i < n; i++)
        h = tsri_mix(tsri_mix(h, at[i].state), at[i].frame);
    return h;
}

static uint32_t *frame_slot(tsri_store *s, const tsri_way *w, size_t n)
{
    uint32_t i = hash_ways(w, n) % FRAME_SLOTS;
    for (; s->frame_slots[i]; i = (i + 1) % FRAME_SLOTS) {
        const tsri_frame *f = &s->frames[s->frame_slots[i]];
        if (f->n_ways == n && memcmp(s->ways + f->ways_at, w, n * sizeof *w) == 0)
            break;
    }
    return &s->frame_slots[i];
}

static uint32_t way_dist(const tsri_store *s, const tsri_way *w)
{
    if (w->to == TSRI_NONE)
        return 0;
    uint64_t beneath = s->frames[w->frame].dist;
    if (!w->times)
        return tsri_longest(beneath + s->g->dist[w->to]);
    const tsri_repeat *rep = &s->g->repeats[w->to];
    return tsri_longest(beneath + s->g->dist[rep->to] + (uint64_t)w->must * s->g->rules[rep->rule].least);
}

static uint32_t way_extra(const tsri_store *s, const tsri_way *w)
{
    uint64_t beneath = s->frames[w->frame].extra;
    if (w->times && w->must > s->near_most)
        beneath += (uint64_t)(w->must - s->near_most) * s->g->rules[s->g->repeats[w->to].rule].least;
    return tsri_longest(beneath);
}

static tsri_way cut_way(const tsri_store *s, tsri_way w)
{
    w.frame = s->frames[w.frame].near;
    if (w.times && w.must > s->near_most)
        w.must = s->near_most;
    if (w.times && w.may != TSRI_NO_MAX && w.may > s->near_most)
        w.may = s->near_most;
    return w;
}

static uint32_t add_frame(tsri_store *s, const tsri_way *w, size_t n, uint32_t near)
{
    tsri_frame f = {.ways_at = s->n_ways, .n_ways = (uint32_t)n, .dist = TSRI_LONGEST};
    if (s->n_frames == MAX_FRAMES || n > MAX_WAYS - s->n_ways) {
        s->full = true;
        return 0;
    }
    memmove(s->ways + s->n_ways, w, n * sizeof *w); /* the cut form is there already */
    s->n_ways += (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        uint32_t d = way_dist(s, &w[i]), x = way_extra(s, &w[i]);
        f.dist = d < f.dist ? d : f.dist;
        f.extra = x > f.extra ? x : f.extra;
    }
    uint32_t id = s->n_frames++;
    f.near = near ? near : id;
    s->frames[id] = f;
    *frame_slot(s, w, n) = id;
    return id;
}

/* ways: sorted, without doubles; they may be changed. The cut form comes first, so that numbers grow from what a
 * frame needs to itself. */
uint32_t tsri_frame_of(tsri_store *s, tsri_way *w, size_t n)
{
    uint32_t id = *frame_slot(s, w, n), near = 0;
    bool same = true;
    if (id)
        return id;
    for (size_t i = 0; i < n && same; i++) {
        tsri_way c = cut_way(s, w[i]);
        same = !way_before(&c, &w[i]) && !way_before(&w[i], &c);
    }
    if (!same) {
        if (n > MAX_WAYS - s->n_ways) {
            s->full = true;
            return 0;
        }
        tsri_way *cut = s->ways + s->n_ways; /* room that add_frame would use next: it copies onto itself */
        for (size_t i = 0; i < n; i++)
            cut[i] = cut_way(s, w[i]);
        size_t n_cut = tsri_sort_ways(cut, n);
        near = *frame_slot(s, cut, n_cut);
        if (!near)
            near = add_frame(s, cut, n_cut, 0);
        if (!near)
            return 0;
    }
    return add_frame(s, w, n, near);
}

/* items: sorted, without doubles. */
uint32_t tsri_place_of(tsri_store *s, const tsri_item *at, size_t n, bool can_end, uint8_t run, uint32_t run_dist)
{
    uint32_t i = hash_items(at, n, can_end) % PLACE_SLOTS;
    if (n == 0 && !can_end)
        return TSRI_DEAD;
    for (; s->place_slots[i]; i = (i + 1) % PLACE_SLOTS) {
        const tsri_place *p = &s->places[s->place_slots[i]];
        if (p->n_items == n && p->can_end == can_end && memcmp(s->items + p->items_at, at, n * sizeof *at) == 0)
            return s->place_slots[i];
    }
    if (s->n_places == MAX_PLACES || n > MAX_ITEMS - s->n_items) {
        s->full = true;
        return TSRI_DEAD;
    }
    tsri_place p = {.items_at = s->n_items, .n_items = (uint32_t)n, .dist = can_end ? 0 : TSRI_LONGEST, .row = TSRI_NONE,
                    .near = TSRI_NONE, .mask = TSRI_NONE, .need = TSRI_NONE, .reach = TSRI_NONE, .can_end = can_end,
                    .run = run, .run_dist = run_dist};
    for (size_t k = 0; k < n; k++) {
        const tsri_frame *f = &s->frames[at[k].frame];
        uint32_t d = tsri_longest((uint64_t)s->g->dist[at[k].state] + f->dist);
        p.dist = d < p.dist ? d : p.dist;
        p.extra = f->extra > p.extra ? f->extra : p.extra;
    }
    memmove(s->items + s->n_items, at, n * sizeof *at);
    s->n_items += (uint32_t)n;
    s->place_slots[i] = s->n_places;
    s->places[s->n_places] = p;
    return s->n_places++;
}

/* ---- forgetting ---- */

static void mark_kept(tsri_store *s, uint8_t *place_kept, uint8_t *frame_kept)
{
    for (size_t k = 0; k < TSRI_KEEP_LISTS; k++)
        for (size_t i = 0; s->keep[k].at && i < *s->keep[k].n; i++)
            place_kept[s->keep[k].at[i]] = 1;
    for (uint32_t i = 2; i < s->n_places; i++)
        for (uint32_t k = 0; place_kept[i] && k < s->places[i].n_items; k++)
            frame_kept[s->items[s->places[i].items_at + k].frame] = 1;
    for (uint32_t i = s->n_frames; i-- > 1;) {
        const tsri_frame *f = &s->frames[i];
        if (!frame_kept[i])
            continue;
        frame_kept[f->near] = 1;
        for (uint32_t k = 0; k < f->n_ways; k++)
            frame_kept[s->ways[f->ways_at + k].frame] = 1;
    }
}

/* new_frame[i]: the number that frame i gets. */
static void pack_frames(tsri_store *s, const uint8_t *kept, uint32_t *new_frame)
{
    uint32_t n = 1, n_ways = 0;
    new_frame[0] = 0;
    for (uint32_t i = 1; i < s->n_frames; i++) {
        tsri_frame f = s->frames[i];
        if (!kept[i])
            continue;
        memmove(s->ways + n_ways, s->ways + f.ways_at, f.n_ways * sizeof *s->ways);
        f.ways_at = n_ways;
        for (uint32_t k = 0; k < f.n_ways; k++)
            s->ways[n_ways + k].frame = new_frame[s->ways[n_ways + k].frame];
        n_ways += f.n_ways;
        f.near = f.near == i ? n : new_frame[f.near];
        new_frame[i] = n;
        s->frames[n++] = f;
    }
    s->n_frames = n;
    s->n_ways = n_ways;
    memset(s->frame_slots, 0, FRAME_SLOTS * sizeof(uint32_t));
    for (uint32_t i = 1; i < n; i++)
        *frame_slot(s, s->ways + s->frames[i].ways_at, s->frames[i].n_ways) = i;
}

static void pack_places(tsri_store *s, const uint8_t *kept, const uint32_t *new_frame, uint32_t *new_place)
{
    uint32_t n = 2, n_items = 0;
    memset(s->place_slots, 0, PLACE_SLOTS * sizeof(uint32_t));
    new_place[0] = 0;
    new_place[TSRI_DEAD] = TSRI_DEAD;
    for (uint32_t i = 2; i < s->n_places; i++) {
        tsri_place p = s->places[i];
        if (!kept[i])
            continue;
        memmove(s->items + n_items, s->items + p.items_at, p.n_items * sizeof *s->items);
        p.items_at = n_items;
        for (uint32_t k = 0; k < p.n_items; k++)
            s->items[n_items + k].frame = new_frame[s->items[n_items + k].frame];
        n_items += p.n_items;
        p.row = p.near = p.mask = p.reach = TSRI_NONE;
        p.plain_next = TSRI_NOT_KNOWN;
        new_place[i] = n;
        uint32_t slot = hash_items(s->items + p.items_at, p.n_items, p.can_end) % PLACE_SLOTS;
        while (s->place_slots[slot])
            slot = (slot + 1) % PLACE_SLOTS;
        s->place_slots[slot] = n;
        s->places[n++] = p;
    }
    s->n_places = n;
    s->n_items = n_items;
    s->n_rows = 0;
}

/* The order of frames stays as it was, so sorted items and ways stay sorted. */
void tsri_store_forget(tsri_store *s, void *bytes, void *words)
{
    uint8_t *place_kept = bytes, *frame_kept = place_kept + MAX_PLACES;
    uint32_t *new_frame = words, *new_place = new_frame + MAX_FRAMES;
    memset(place_kept, 0, MAX_PLACES + MAX_FRAMES);
    mark_kept(s, place_kept, frame_kept);
    pack_frames(s, frame_kept, new_frame);
    pack_places(s, place_kept, new_frame, new_place);
    for (size_t k = 0; k < TSRI_KEEP_LISTS; k++)
        for (size_t i = 0; s->keep[k].at && i < *s->keep[k].n; i++)
            s->keep[k].at[i] = new_place[s->keep[k].at[i]];
    s->age++;
}
