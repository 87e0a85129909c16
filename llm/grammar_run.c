/* grammar_run.c: see the header. A step has two phases: what returns from rules after the byte is followed first; then
 * rules are entered, lowest rank first, so that each frame has all its ways when it is made. A rule that was entered at
 * a place can't return there: what can be empty has a way around (grammar_finish.c). */
#include "grammar_run_internal.h"

#include <string.h>

#include "tsr_alloc.h"

enum {
    MAX_PLACES = 1 << 14,
    MAX_ROWS = 1 << 13,
    MAX_ITEMS = 1 << 19,
    MAX_FRAMES = 1 << 16,
    MAX_WAYS = 1 << 18,
    MAX_WORK = 1 << 16, /* items of one step */
    PLACE_SLOTS = 2 * MAX_PLACES,
    FRAME_SLOTS = 2 * MAX_FRAMES,
    SEEN_SLOTS = 2 * MAX_WORK,
    MAX_PLAIN = 1 << 12 /* items of tsri_run_plain_most */
};

typedef struct pending { /* a way into a rule that is to be entered */
    tsri_way way;
    uint32_t next;
} pending;

typedef struct seen_slot {
    uint32_t state, frame, when;
} seen_slot;

struct tsri_run {
    const tsr_grammar *g;
    uint32_t near_most;
    tsri_place *places; /* [MAX_PLACES]; the first two stand for TSRI_NOT_KNOWN and TSRI_DEAD */
    tsri_item *items;   /* [MAX_ITEMS] */
    tsri_frame *frames; /* [MAX_FRAMES]; the first is none */
    tsri_way *ways;     /* [MAX_WAYS] */
    uint32_t *rows;     /* [MAX_ROWS * 256] */
    uint32_t n_places, n_items, n_frames, n_ways, n_rows;
    uint32_t *place_slots, *frame_slots; /* open addressing; 0: empty */
    unsigned age;

    /* one step */
    tsri_item *work, *shift; /* [MAX_WORK]: still to be followed; waiting for a byte */
    size_t n_work, n_shift;
    seen_slot *seen; /* [SEEN_SLOTS]; of this step when `when` is */
    uint32_t when;
    size_t n_seen;
    pending *pending; /* [MAX_WORK] */
    uint32_t n_pending;
    uint32_t *pending_of; /* [n_rules] the first; TSRI_NONE */
    uint32_t *heap;       /* [n_rules] of ranks */
    size_t n_heap;
    uint32_t *rule_of_rank; /* [n_rules] */
    tsri_way *gathered;     /* [MAX_WORK] */
    bool can_end;
    uint8_t run;
    uint32_t run_dist;

    tsri_item *before, *between, *after; /* [MAX_PLAIN] of tsri_run_plain_most */
    size_t n_after;
    bool plain_ended; /* some reading ended with the character taken last */

    struct {
        uint32_t *at;
        const size_t *n;
    } keep[TSRI_KEEP_LISTS];
    uint64_t budget;
    bool full;
    tsr_status status;
};

/* ---- opening ---- */

static tsr_status take(void *out, size_t n, size_t size, tsr_error *err)
{
    return tsr_alloc_array(out, n, size, "running a grammar", err);
}

tsr_status tsri_run_open(tsri_run **out, const tsr_grammar *g, uint32_t near_most, tsr_error *err)
{
    tsri_run *r = tsr_calloc(1, sizeof *r);
    size_t n_rules = g->n_rules;
    *out = NULL;
    tsr_status st = r ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: running a grammar");
    if (st != TSR_OK)
        return st;
    r->g = g;
    r->near_most = near_most;
    struct { void *at; size_t n, size; } parts[] = {
        {&r->places, MAX_PLACES, sizeof *r->places}, {&r->items, MAX_ITEMS, sizeof *r->items},
        {&r->frames, MAX_FRAMES, sizeof *r->frames}, {&r->ways, MAX_WAYS, sizeof *r->ways},
        {&r->rows, (size_t)MAX_ROWS * 256, sizeof *r->rows}, {&r->place_slots, PLACE_SLOTS, sizeof(uint32_t)},
        {&r->frame_slots, FRAME_SLOTS, sizeof(uint32_t)}, {&r->work, MAX_WORK, sizeof *r->work},
        {&r->shift, MAX_WORK, sizeof *r->shift}, {&r->seen, SEEN_SLOTS, sizeof *r->seen},
        {&r->pending, MAX_WORK, sizeof *r->pending}, {&r->pending_of, n_rules, sizeof(uint32_t)},
        {&r->heap, n_rules, sizeof(uint32_t)}, {&r->rule_of_rank, n_rules, sizeof(uint32_t)},
        {&r->gathered, MAX_WORK, sizeof *r->gathered},
        {&r->before, MAX_PLAIN, sizeof *r->before}, {&r->between, MAX_PLAIN, sizeof *r->between},
        {&r->after, MAX_PLAIN, sizeof *r->after}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == TSR_OK; i++)
        st = take(parts[i].at, parts[i].n, parts[i].size, err);
    if (st != TSR_OK) {
        tsri_run_close(r);
        return st;
    }
    memset(r->place_slots, 0, PLACE_SLOTS * sizeof(uint32_t));
    memset(r->frame_slots, 0, FRAME_SLOTS * sizeof(uint32_t));
    memset(r->seen, 0, SEEN_SLOTS * sizeof *r->seen);
    memset(r->pending_of, 0xFF, n_rules * sizeof(uint32_t));
    for (uint32_t i = 0; i < n_rules; i++)
        r->rule_of_rank[g->rules[i].rank] = i;
    memset(r->frames, 0, sizeof *r->frames);
    memset(r->places, 0, 2 * sizeof *r->places);
    r->places[TSRI_DEAD] = (tsri_place){.dist = TSRI_NEVER, .row = TSRI_NONE, .near = TSRI_DEAD, .mask = TSRI_NONE};
    r->n_frames = 1;
    r->n_places = 2;
    r->budget = UINT64_MAX;
    *out = r;
    return TSR_OK;
}

void tsri_run_close(tsri_run *r)
{
    if (!r)
        return;
    void *parts[] = {r->places, r->items, r->frames, r->ways, r->rows, r->place_slots, r->frame_slots, r->work,
                     r->shift, r->seen, r->pending, r->pending_of, r->heap, r->rule_of_rank, r->gathered,
                     r->before, r->between, r->after, r};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tsr_free(parts[i]);
}

void tsri_run_keep(tsri_run *r, unsigned list, uint32_t *at, const size_t *n)
{
    r->keep[list].at = at;
    r->keep[list].n = n;
}

void tsri_run_budget(tsri_run *r, uint64_t steps)
{
    r->budget = steps;
}

tsr_status tsri_run_status(const tsri_run *r, tsr_error *err)
{
    if (r->status == TSR_ERR_LIMIT)
        return tsr_fail(err, r->status, "the grammar is too ambiguous: the text can be read in too many ways at once");
    return r->status;
}

tsri_place *tsri_run_place(tsri_run *r, uint32_t place)
{
    return &r->places[place];
}

tsri_item tsri_run_item(const tsri_run *r, const tsri_place *p, uint32_t i)
{
    return r->items[p->items_at + i];
}

uint32_t tsri_run_frame_dist(const tsri_run *r, uint32_t frame)
{
    return r->frames[frame].dist;
}

unsigned tsri_run_age(const tsri_run *r)
{
    return r->age;
}

const uint32_t *tsri_run_row(const tsri_run *r, uint32_t place)
{
    uint32_t row = r->places[place].row;
    return row == TSRI_NONE ? NULL : r->rows + (size_t)row * 256;
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

static size_t sort_ways(tsri_way *at, size_t n)
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

static size_t sort_items(tsri_item *at, size_t n)
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

static uint32_t mix(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x9E3779B1u;
    return h ^ h >> 15;
}

static uint32_t hash_ways(const tsri_way *w, size_t n)
{
    uint32_t h = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        h = mix(mix(mix(mix(h, w[i].to), w[i].frame), w[i].must), w[i].may);
    return h;
}

static uint32_t hash_items(const tsri_item *at, size_t n, bool can_end)
{
    uint32_t h = (uint32_t)n * 2 + can_end;
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, at[i].state), at[i].frame);
    return h;
}

static uint32_t *frame_slot(tsri_run *r, const tsri_way *w, size_t n)
{
    uint32_t i = hash_ways(w, n) % FRAME_SLOTS;
    for (; r->frame_slots[i]; i = (i + 1) % FRAME_SLOTS) {
        const tsri_frame *f = &r->frames[r->frame_slots[i]];
        if (f->n_ways == n && memcmp(r->ways + f->ways_at, w, n * sizeof *w) == 0)
            break;
    }
    return &r->frame_slots[i];
}

static uint32_t longest(uint64_t x)
{
    return x < TSRI_LONGEST ? (uint32_t)x : TSRI_LONGEST;
}

static uint32_t way_dist(const tsri_run *r, const tsri_way *w)
{
    if (w->to == TSRI_NONE)
        return 0;
    uint64_t beneath = r->frames[w->frame].dist;
    if (!w->times)
        return longest(beneath + r->g->dist[w->to]);
    const tsri_repeat *rep = &r->g->repeats[w->to];
    return longest(beneath + r->g->dist[rep->to] + (uint64_t)w->must * r->g->rules[rep->rule].least);
}

static uint32_t way_extra(const tsri_run *r, const tsri_way *w)
{
    uint64_t beneath = r->frames[w->frame].extra;
    if (w->times && w->must > r->near_most)
        beneath += (uint64_t)(w->must - r->near_most) * r->g->rules[r->g->repeats[w->to].rule].least;
    return longest(beneath);
}

static tsri_way cut_way(const tsri_run *r, tsri_way w)
{
    w.frame = r->frames[w.frame].near;
    if (w.times && w.must > r->near_most)
        w.must = r->near_most;
    if (w.times && w.may != TSRI_NO_MAX && w.may > r->near_most)
        w.may = r->near_most;
    return w;
}

static uint32_t add_frame(tsri_run *r, const tsri_way *w, size_t n, uint32_t near)
{
    tsri_frame f = {.ways_at = r->n_ways, .n_ways = (uint32_t)n, .dist = TSRI_LONGEST};
    if (r->n_frames == MAX_FRAMES || n > MAX_WAYS - r->n_ways) {
        r->full = true;
        return 0;
    }
    memmove(r->ways + r->n_ways, w, n * sizeof *w); /* the cut form is there already */
    r->n_ways += (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        uint32_t d = way_dist(r, &w[i]), x = way_extra(r, &w[i]);
        f.dist = d < f.dist ? d : f.dist;
        f.extra = x > f.extra ? x : f.extra;
    }
    uint32_t id = r->n_frames++;
    f.near = near ? near : id;
    r->frames[id] = f;
    *frame_slot(r, w, n) = id;
    return id;
}

/* ways: sorted, without doubles; they may be changed. The cut form comes first, so that numbers grow from what a
 * frame needs to itself. */
static uint32_t frame_of(tsri_run *r, tsri_way *w, size_t n)
{
    uint32_t id = *frame_slot(r, w, n), near = 0;
    bool same = true;
    if (id)
        return id;
    for (size_t i = 0; i < n && same; i++) {
        tsri_way c = cut_way(r, w[i]);
        same = !way_before(&c, &w[i]) && !way_before(&w[i], &c);
    }
    if (!same) {
        if (n > MAX_WAYS - r->n_ways) {
            r->full = true;
            return 0;
        }
        tsri_way *cut = r->ways + r->n_ways; /* room that add_frame would use next: it copies onto itself */
        for (size_t i = 0; i < n; i++)
            cut[i] = cut_way(r, w[i]);
        size_t n_cut = sort_ways(cut, n);
        near = *frame_slot(r, cut, n_cut);
        if (!near)
            near = add_frame(r, cut, n_cut, 0);
        if (!near)
            return 0;
    }
    return add_frame(r, w, n, near);
}

/* items: sorted, without doubles. */
static uint32_t place_of(tsri_run *r, const tsri_item *at, size_t n, bool can_end, uint8_t run, uint32_t run_dist)
{
    uint32_t i = hash_items(at, n, can_end) % PLACE_SLOTS;
    if (n == 0 && !can_end)
        return TSRI_DEAD;
    for (; r->place_slots[i]; i = (i + 1) % PLACE_SLOTS) {
        const tsri_place *p = &r->places[r->place_slots[i]];
        if (p->n_items == n && p->can_end == can_end && memcmp(r->items + p->items_at, at, n * sizeof *at) == 0)
            return r->place_slots[i];
    }
    if (r->n_places == MAX_PLACES || n > MAX_ITEMS - r->n_items) {
        r->full = true;
        return TSRI_DEAD;
    }
    tsri_place p = {.items_at = r->n_items, .n_items = (uint32_t)n, .dist = can_end ? 0 : TSRI_LONGEST, .row = TSRI_NONE,
                    .near = TSRI_NONE, .mask = TSRI_NONE, .need = TSRI_NONE, .reach = TSRI_NONE, .can_end = can_end,
                    .run = run, .run_dist = run_dist};
    for (size_t k = 0; k < n; k++) {
        const tsri_frame *f = &r->frames[at[k].frame];
        uint32_t d = longest((uint64_t)r->g->dist[at[k].state] + f->dist);
        p.dist = d < p.dist ? d : p.dist;
        p.extra = f->extra > p.extra ? f->extra : p.extra;
    }
    memmove(r->items + r->n_items, at, n * sizeof *at);
    r->n_items += (uint32_t)n;
    r->place_slots[i] = r->n_places;
    r->places[r->n_places] = p;
    return r->n_places++;
}

/* ---- forgetting ---- */

static void mark_kept(tsri_run *r, uint8_t *place_kept, uint8_t *frame_kept)
{
    for (size_t k = 0; k < TSRI_KEEP_LISTS; k++)
        for (size_t i = 0; r->keep[k].at && i < *r->keep[k].n; i++)
            place_kept[r->keep[k].at[i]] = 1;
    for (uint32_t i = 2; i < r->n_places; i++)
        for (uint32_t k = 0; place_kept[i] && k < r->places[i].n_items; k++)
            frame_kept[r->items[r->places[i].items_at + k].frame] = 1;
    for (uint32_t i = r->n_frames; i-- > 1;) {
        const tsri_frame *f = &r->frames[i];
        if (!frame_kept[i])
            continue;
        frame_kept[f->near] = 1;
        for (uint32_t k = 0; k < f->n_ways; k++)
            frame_kept[r->ways[f->ways_at + k].frame] = 1;
    }
}

/* new_frame[i]: the number that frame i gets. */
static void pack_frames(tsri_run *r, const uint8_t *kept, uint32_t *new_frame)
{
    uint32_t n = 1, n_ways = 0;
    new_frame[0] = 0;
    for (uint32_t i = 1; i < r->n_frames; i++) {
        tsri_frame f = r->frames[i];
        if (!kept[i])
            continue;
        memmove(r->ways + n_ways, r->ways + f.ways_at, f.n_ways * sizeof *r->ways);
        f.ways_at = n_ways;
        for (uint32_t k = 0; k < f.n_ways; k++)
            r->ways[n_ways + k].frame = new_frame[r->ways[n_ways + k].frame];
        n_ways += f.n_ways;
        f.near = f.near == i ? n : new_frame[f.near];
        new_frame[i] = n;
        r->frames[n++] = f;
    }
    r->n_frames = n;
    r->n_ways = n_ways;
    memset(r->frame_slots, 0, FRAME_SLOTS * sizeof(uint32_t));
    for (uint32_t i = 1; i < n; i++)
        *frame_slot(r, r->ways + r->frames[i].ways_at, r->frames[i].n_ways) = i;
}

static void pack_places(tsri_run *r, const uint8_t *kept, const uint32_t *new_frame, uint32_t *new_place)
{
    uint32_t n = 2, n_items = 0;
    memset(r->place_slots, 0, PLACE_SLOTS * sizeof(uint32_t));
    new_place[0] = 0;
    new_place[TSRI_DEAD] = TSRI_DEAD;
    for (uint32_t i = 2; i < r->n_places; i++) {
        tsri_place p = r->places[i];
        if (!kept[i])
            continue;
        memmove(r->items + n_items, r->items + p.items_at, p.n_items * sizeof *r->items);
        p.items_at = n_items;
        for (uint32_t k = 0; k < p.n_items; k++)
            r->items[n_items + k].frame = new_frame[r->items[n_items + k].frame];
        n_items += p.n_items;
        p.row = p.near = p.mask = p.reach = TSRI_NONE;
        new_place[i] = n;
        uint32_t slot = hash_items(r->items + p.items_at, p.n_items, p.can_end) % PLACE_SLOTS;
        while (r->place_slots[slot])
            slot = (slot + 1) % PLACE_SLOTS;
        r->place_slots[slot] = n;
        r->places[n++] = p;
    }
    r->n_places = n;
    r->n_items = n_items;
    r->n_rows = 0;
}

/* The arrays of one step are free between steps, and serve here. The order of frames stays as it was, so sorted items
 * and ways stay sorted. */
static void forget(tsri_run *r)
{
    uint8_t *place_kept = (uint8_t *)r->shift, *frame_kept = place_kept + MAX_PLACES;
    uint32_t *new_frame = (uint32_t *)r->work, *new_place = new_frame + MAX_FRAMES;
    memset(place_kept, 0, MAX_PLACES + MAX_FRAMES);
    mark_kept(r, place_kept, frame_kept);
    pack_frames(r, frame_kept, new_frame);
    pack_places(r, place_kept, new_frame, new_place);
    for (size_t k = 0; k < TSRI_KEEP_LISTS; k++)
        for (size_t i = 0; r->keep[k].at && i < *r->keep[k].n; i++)
            r->keep[k].at[i] = new_place[r->keep[k].at[i]];
    r->age++;
}

/* ---- one step ---- */

static void fail_full(tsri_run *r)
{
    r->status = r->status == TSR_OK ? TSR_ERR_LIMIT : r->status;
}

static bool spend(tsri_run *r)
{
    if (r->budget == 0) {
        fail_full(r);
        return false;
    }
    r->budget--;
    return true;
}

static void follow(tsri_run *r, uint32_t state, uint32_t frame)
{
    uint32_t i = mix(mix(0, state), frame) % SEEN_SLOTS;
    for (; r->seen[i].when == r->when; i = (i + 1) % SEEN_SLOTS)
        if (r->seen[i].state == state && r->seen[i].frame == frame)
            return;
    if (r->n_seen == MAX_WORK || r->n_work == MAX_WORK) {
        fail_full(r);
        return;
    }
    r->seen[i] = (seen_slot){state, frame, r->when};
    r->n_seen++;
    r->work[r->n_work++] = (tsri_item){state, frame};
}

static void heap_put(tsri_run *r, uint32_t rank)
{
    size_t i = r->n_heap++;
    for (; i && r->heap[(i - 1) / 2] > rank; i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = rank;
}

static uint32_t heap_take(tsri_run *r)
{
    uint32_t top = r->heap[0], x = r->heap[--r->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < r->n_heap) {
        if (child + 1 < r->n_heap && r->heap[child + 1] < r->heap[child])
            child++;
        if (r->heap[child] >= x)
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = x;
    return top;
}

static void enter(tsri_run *r, uint32_t rule, tsri_way way)
{
    if (r->n_pending == MAX_WORK) {
        fail_full(r);
        return;
    }
    if (r->pending_of[rule] == TSRI_NONE)
        heap_put(r, r->g->rules[rule].rank);
    r->pending[r->n_pending] = (pending){way, r->pending_of[rule]};
    r->pending_of[rule] = r->n_pending++;
}

static void note_run(tsri_run *r, uint8_t run, uint32_t dist)
{
    r->run = run > r->run ? run : r->run;
    r->run_dist = dist > r->run_dist ? dist : r->run_dist;
}

static void enter_times(tsri_run *r, uint32_t entry, uint32_t must, uint32_t may, uint32_t frame)
{
    const tsri_repeat *rep = &r->g->repeats[entry];
    if (r->g->rules[rep->rule].plain) {
        uint8_t run = may < TSRI_PLAIN_MOST - 1 ? (uint8_t)(may + 1) : TSRI_PLAIN_MOST;
        note_run(r, run, 0); /* the distance comes with the rule's start */
    }
    enter(r, rep->rule, (tsri_way){.to = entry, .frame = frame, .must = must, .may = may, .times = 1});
}

static void go_back(tsri_run *r, const tsri_way *w)
{
    if (w->to == TSRI_NONE) {
        r->can_end = true;
        return;
    }
    if (!w->times) {
        follow(r, w->to, w->frame);
        return;
    }
    if (w->may)
        enter_times(r, w->to, w->must ? w->must - 1 : 0, w->may == TSRI_NO_MAX ? w->may : w->may - 1, w->frame);
    if (w->must == 0)
        follow(r, r->g->repeats[w->to].to, w->frame);
}

static void follow_arc(tsri_run *r, const tsri_arc *a, uint32_t frame)
{
    const tsri_frame *f = &r->frames[frame];
    if (a->kind == TSRI_ARC_EMPTY) {
        follow(r, a->to, frame);
    } else if (a->kind == TSRI_ARC_REPEAT) {
        const tsri_repeat *rep = &r->g->repeats[a->what];
        enter_times(r, a->what, rep->min ? rep->min - 1 : 0, rep->max == TSRI_NO_MAX ? rep->max : rep->max - 1, frame);
    } else if (!a->tail) {
        enter(r, a->what, (tsri_way){.to = a->to, .frame = frame});
    } else { /* nothing is left to do here: it returns where we would return to */
        for (uint32_t i = 0; i < f->n_ways && r->status == TSR_OK; i++)
            if (spend(r))
                enter(r, a->what, r->ways[f->ways_at + i]);
    }
}

static void follow_all(tsri_run *r, bool may_return)
{
    const tsr_grammar *g = r->g;
    while (r->n_work && r->status == TSR_OK) {
        tsri_item it = r->work[--r->n_work];
        const tsri_frame *f = &r->frames[it.frame];
        bool waits = false;
        if (!spend(r))
            return;
        for (uint32_t i = 0; g->is_end[it.state] && may_return && i < f->n_ways && r->status == TSR_OK; i++)
            if (spend(r))
                go_back(r, &r->ways[f->ways_at + i]);
        for (uint32_t i = g->first[it.state]; i < g->first[it.state + 1]; i++) {
            if (g->arcs[i].kind == TSRI_ARC_BYTES)
                waits = true;
            else
                follow_arc(r, &g->arcs[i], it.frame);
        }
        if (waits)
            r->shift[r->n_shift++] = it; /* no more than were followed */
        if (g->run[it.state])
            note_run(r, g->run[it.state], longest((uint64_t)g->run_far[it.state] + r->frames[it.frame].dist));
    }
}

static void begin_step(tsri_run *r)
{
    if (++r->when == 0) {
        memset(r->seen, 0, SEEN_SLOTS * sizeof *r->seen);
        r->when = 1;
    }
    r->n_work = r->n_shift = r->n_seen = r->n_heap = 0;
    r->n_pending = 0;
    r->can_end = false;
    r->run = 0;
    r->run_dist = 0;
}

/* From the items in `work` to those in `shift`, sorted. */
static void close_step(tsri_run *r)
{
    follow_all(r, true);
    while (r->n_heap) {
        uint32_t rule = r->rule_of_rank[heap_take(r)];
        size_t n = 0;
        for (uint32_t i = r->pending_of[rule]; i != TSRI_NONE; i = r->pending[i].next)
            r->gathered[n++] = r->pending[i].way;
        r->pending_of[rule] = TSRI_NONE; /* also after a failure, so that the next step starts clean */
        if (r->status != TSR_OK || r->full)
            continue;
        uint32_t frame = frame_of(r, r->gathered, sort_ways(r->gathered, n));
        if (r->full)
            continue;
        follow(r, r->g->rules[rule].start, frame);
        follow_all(r, false);
    }
    r->n_shift = r->status == TSR_OK && !r->full ? sort_items(r->shift, r->n_shift) : 0;
}

/* Put what the items take of a byte from lo to hi into `work`. */
static void take_bytes(tsri_run *r, const tsri_item *items, size_t n, uint8_t lo, uint8_t hi)
{
    const tsr_grammar *g = r->g;
    for (size_t k = 0; k < n; k++)
        for (uint32_t i = g->first[items[k].state]; i < g->first[items[k].state + 1]; i++)
            if (g->arcs[i].kind == TSRI_ARC_BYTES && g->arcs[i].lo <= hi && g->arcs[i].hi >= lo)
                follow(r, g->arcs[i].to, items[k].frame);
}

uint32_t tsri_run_start(tsri_run *r)
{
    tsri_way end = {.to = TSRI_NONE};
    begin_step(r);
    uint32_t frame = frame_of(r, &end, 1);
    follow(r, r->g->rules[r->g->root].start, frame);
    follow_all(r, false);
    close_step(r);
    /* Like any rule, the root does not return where it was entered: the empty text is asked for by its length. */
    bool empty = r->g->rules[r->g->root].least == 0;
    return r->status == TSR_OK && !r->full ? place_of(r, r->shift, r->n_shift, empty, r->run, r->run_dist) : TSRI_DEAD;
}

static uint32_t step_once(tsri_run *r, uint32_t place, uint8_t byte)
{
    const tsri_place *p = &r->places[place];
    begin_step(r);
    take_bytes(r, r->items + p->items_at, p->n_items, byte, byte);
    close_step(r);
    return r->status == TSR_OK && !r->full ? place_of(r, r->shift, r->n_shift, r->can_end, r->run, r->run_dist) : TSRI_DEAD;
}

static bool give_row(tsri_run *r, uint32_t place)
{
    if (r->places[place].row != TSRI_NONE)
        return true;
    if (r->n_rows == MAX_ROWS)
        return false;
    r->places[place].row = r->n_rows++;
    memset(r->rows + (size_t)r->places[place].row * 256, 0, 256 * sizeof *r->rows);
    return true;
}

uint32_t tsri_run_step(tsri_run *r, const uint32_t *place, uint8_t byte)
{
    uint32_t next = TSRI_DEAD;
    if (r->status != TSR_OK || *place == TSRI_DEAD)
        return TSRI_DEAD;
    if (!give_row(r, *place)) {
        forget(r);
        give_row(r, *place);
    }
    uint32_t *row = r->rows + (size_t)r->places[*place].row * 256;
    if (row[byte] != TSRI_NOT_KNOWN)
        return row[byte];
    next = step_once(r, *place, byte);
    if (r->full) {
        r->full = false;
        forget(r);
        give_row(r, *place);
        next = step_once(r, *place, byte);
        if (r->full)
            fail_full(r);
        r->full = false;
    }
    if (r->status == TSR_OK)
        r->rows[(size_t)r->places[*place].row * 256 + byte] = next;
    return r->status == TSR_OK ? next : TSRI_DEAD;
}

static uint32_t near_once(tsri_run *r, uint32_t place)
{
    const tsri_place *p = &r->places[place];
    for (uint32_t i = 0; i < p->n_items; i++) {
        tsri_item it = r->items[p->items_at + i];
        r->shift[i] = (tsri_item){it.state, r->frames[it.frame].near};
    }
    return place_of(r, r->shift, sort_items(r->shift, p->n_items), p->can_end, p->run, p->run_dist);
}

uint32_t tsri_run_near(tsri_run *r, const uint32_t *place)
{
    if (r->status != TSR_OK || r->places[*place].near != TSRI_NONE)
        return r->status == TSR_OK ? r->places[*place].near : TSRI_DEAD;
    uint32_t near = near_once(r, *place);
    if (r->full) {
        r->full = false;
        forget(r);
        near = near_once(r, *place);
        if (r->full)
            fail_full(r);
        r->full = false;
    }
    r->places[*place].near = near;
    return near;
}

/* ---- plain characters ---- */

/* Add what is left of the items when one of the bytes and then `n` continuation bytes are taken to r->after. */
static bool take_plain(tsri_run *r, size_t n_items, uint8_t lo, uint8_t hi, int n)
{
    const tsri_item *items = r->before;
    for (int i = 0; i <= n; i++) {
        begin_step(r);
        take_bytes(r, items, n_items, i ? 0x80 : lo, i ? 0xBF : hi);
        close_step(r);
        if (r->status != TSR_OK || r->full || r->n_shift + r->n_after > MAX_PLAIN)
            return false;
        items = r->between;
        n_items = r->n_shift;
        memcpy(r->between, r->shift, n_items * sizeof *r->between);
    }
    r->plain_ended = r->plain_ended || r->can_end;
    memcpy(r->after + r->n_after, r->between, n_items * sizeof *r->after);
    r->n_after += n_items;
    return true;
}

/* What is left behind any plain character at all; in bytes, a little more than those. */
static bool take_any_plain(tsri_run *r, size_t n)
{
    r->n_after = 0;
    r->plain_ended = false;
    bool ok = take_plain(r, n, 0x20, '"' - 1, 0) && take_plain(r, n, '"' + 1, '\\' - 1, 0) &&
              take_plain(r, n, '\\' + 1, 0x7E, 0) && take_plain(r, n, 0xC2, 0xDF, 1) &&
              take_plain(r, n, 0xE0, 0xEF, 2) && take_plain(r, n, 0xF0, 0xF4, 3);
    r->full = false; /* there are too many readings: the answer is "more" */
    return ok;
}

size_t tsri_run_plain_most(tsri_run *r, uint32_t place, size_t most)
{
    const tsri_place *p = &r->places[place];
    size_t n = p->n_items, taken = 0;
    if (n > MAX_PLAIN)
        return most + 1;
    memcpy(r->before, r->items + p->items_at, n * sizeof *r->before);
    for (; taken <= most; taken++) {
        if (!take_any_plain(r, n))
            return most + 1;
        n = sort_items(r->after, r->n_after);
        memcpy(r->before, r->after, n * sizeof *r->before);
        /* What can end without another byte has no items left, but the character was taken. */
        if (n == 0)
            return r->plain_ended ? taken + 1 : taken;
    }
    return taken;
}

/* ---- whole texts ---- */

tsr_status tsr_grammar_matches(const tsr_grammar *g, const char *text, size_t len, bool *ok, tsr_error *err)
{
    tsri_run *r;
    const size_t one = 1;
    tsr_status st = tsri_run_open(&r, g, UINT32_MAX / 2, err);
    *ok = false;
    if (st != TSR_OK)
        return st;
    uint32_t place = tsri_run_start(r);
    tsri_run_keep(r, 0, &place, &one);
    for (size_t i = 0; i < len && place != TSRI_DEAD; i++)
        place = tsri_run_step(r, &place, (uint8_t)text[i]);
    st = tsri_run_status(r, err);
    *ok = st == TSR_OK && place != TSRI_DEAD && r->places[place].can_end;
    tsri_run_close(r);
    return st;
}
