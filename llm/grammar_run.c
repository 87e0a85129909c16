/* grammar_run.c: see the header. A step has two phases: what returns from rules after the byte is followed first; then
 * rules are entered, lowest rank first, so that each frame has all its ways when it is made. A rule that was entered at
 * a place can't return there: what can be empty has a way around (grammar_finish.c). */
#include "grammar_store_internal.h"

#include <string.h>

#include "tsr_alloc.h"

enum {
    MAX_WORK = 1 << 16, /* items of one step */
    SEEN_SLOTS = 2 * MAX_WORK
};

typedef struct pending { /* a way into a rule that is to be entered */
    tsri_way way;
    uint32_t next;
} pending;

typedef struct seen_slot {
    uint32_t state, frame, when;
} seen_slot;

struct tsri_run {
    tsri_store s;

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

    uint64_t budget;
    tsr_status status;
};

/* The arrays of one step are free between steps. */
_Static_assert(MAX_WORK * sizeof(tsri_item) >= TSRI_STORE_SCRATCH, "scratch of tsri_store_forget");

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
    st = tsri_store_open(&r->s, g, near_most, err);
    struct { void *at; size_t n, size; } parts[] = {
        {&r->work, MAX_WORK, sizeof *r->work},
        {&r->shift, MAX_WORK, sizeof *r->shift}, {&r->seen, SEEN_SLOTS, sizeof *r->seen},
        {&r->pending, MAX_WORK, sizeof *r->pending}, {&r->pending_of, n_rules, sizeof(uint32_t)},
        {&r->heap, n_rules, sizeof(uint32_t)}, {&r->rule_of_rank, n_rules, sizeof(uint32_t)},
        {&r->gathered, MAX_WORK, sizeof *r->gathered}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == TSR_OK; i++)
        st = take(parts[i].at, parts[i].n, parts[i].size, err);
    if (st != TSR_OK) {
        tsri_run_close(r);
        return st;
    }
    memset(r->seen, 0, SEEN_SLOTS * sizeof *r->seen);
    memset(r->pending_of, 0xFF, n_rules * sizeof(uint32_t));
    for (uint32_t i = 0; i < n_rules; i++)
        r->rule_of_rank[g->rules[i].rank] = i;
    r->budget = UINT64_MAX;
    *out = r;
    return TSR_OK;
}

void tsri_run_close(tsri_run *r)
{
    if (!r)
        return;
    tsri_store_deinit(&r->s);
    void *parts[] = {r->work, r->shift, r->seen, r->pending, r->pending_of, r->heap, r->rule_of_rank, r->gathered, r};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tsr_free(parts[i]);
}

void tsri_run_keep(tsri_run *r, unsigned list, uint32_t *at, const size_t *n)
{
    r->s.keep[list].at = at;
    r->s.keep[list].n = n;
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

const tsr_grammar *tsri_run_grammar(const tsri_run *r)
{
    return r->s.g;
}

tsri_place *tsri_run_place(tsri_run *r, uint32_t place)
{
    return &r->s.places[place];
}

tsri_item tsri_run_item(const tsri_run *r, const tsri_place *p, uint32_t i)
{
    return r->s.items[p->items_at + i];
}

uint32_t tsri_run_frame_dist(const tsri_run *r, uint32_t frame)
{
    return r->s.frames[frame].dist;
}

unsigned tsri_run_age(const tsri_run *r)
{
    return r->s.age;
}

const uint32_t *tsri_run_row(const tsri_run *r, uint32_t place)
{
    uint32_t row = r->s.places[place].row;
    return row == TSRI_NONE ? NULL : r->s.rows + (size_t)row * r->s.g->n_classes;
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
    uint32_t i = tsri_mix(tsri_mix(0, state), frame) % SEEN_SLOTS;
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
        heap_put(r, r->s.g->rules[rule].rank);
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
    const tsri_repeat *rep = &r->s.g->repeats[entry];
    if (r->s.g->rules[rep->rule].plain) {
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
        follow(r, r->s.g->repeats[w->to].to, w->frame);
}

static void follow_arc(tsri_run *r, const tsri_arc *a, uint32_t frame)
{
    const tsri_frame *f = &r->s.frames[frame];
    if (a->kind == TSRI_ARC_EMPTY) {
        follow(r, a->to, frame);
    } else if (a->kind == TSRI_ARC_REPEAT) {
        const tsri_repeat *rep = &r->s.g->repeats[a->what];
        enter_times(r, a->what, rep->min ? rep->min - 1 : 0, rep->max == TSRI_NO_MAX ? rep->max : rep->max - 1, frame);
    } else if (!a->tail) {
        enter(r, a->what, (tsri_way){.to = a->to, .frame = frame});
    } else { /* nothing is left to do here: it returns where we would return to */
        for (uint32_t i = 0; i < f->n_ways && r->status == TSR_OK; i++)
            if (spend(r))
                enter(r, a->what, r->s.ways[f->ways_at + i]);
    }
}

static void follow_all(tsri_run *r, bool may_return)
{
    const tsr_grammar *g = r->s.g;
    while (r->n_work && r->status == TSR_OK) {
        tsri_item it = r->work[--r->n_work];
        const tsri_frame *f = &r->s.frames[it.frame];
        bool waits = false;
        if (!spend(r))
            return;
        for (uint32_t i = 0; g->is_end[it.state] && may_return && i < f->n_ways && r->status == TSR_OK; i++)
            if (spend(r))
                go_back(r, &r->s.ways[f->ways_at + i]);
        for (uint32_t i = g->first[it.state]; i < g->first[it.state + 1]; i++) {
            if (g->arcs[i].kind == TSRI_ARC_BYTES)
                waits = true;
            else
                follow_arc(r, &g->arcs[i], it.frame);
        }
        if (waits)
            r->shift[r->n_shift++] = it; /* no more than were followed */
        if (g->run[it.state])
            note_run(r, g->run[it.state], tsri_longest((uint64_t)g->run_far[it.state] + r->s.frames[it.frame].dist));
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
        if (r->status != TSR_OK || r->s.full)
            continue;
        uint32_t frame = tsri_frame_of(&r->s, r->gathered, tsri_sort_ways(r->gathered, n));
        if (r->s.full)
            continue;
        follow(r, r->s.g->rules[rule].start, frame);
        follow_all(r, false);
    }
    r->n_shift = r->status == TSR_OK && !r->s.full ? tsri_sort_items(r->shift, r->n_shift) : 0;
}

/* Put what the items take of a byte into `work`. */
static void take_byte(tsri_run *r, const tsri_place *p, uint8_t byte)
{
    const tsr_grammar *g = r->s.g;
    const tsri_item *items = r->s.items + p->items_at;
    for (size_t k = 0; k < p->n_items; k++)
        for (uint32_t i = g->first[items[k].state]; i < g->first[items[k].state + 1]; i++)
            if (g->arcs[i].kind == TSRI_ARC_BYTES && g->arcs[i].lo <= byte && g->arcs[i].hi >= byte)
                follow(r, g->arcs[i].to, items[k].frame);
}

uint32_t tsri_run_start(tsri_run *r)
{
    tsri_way end = {.to = TSRI_NONE};
    begin_step(r);
    uint32_t frame = tsri_frame_of(&r->s, &end, 1);
    follow(r, r->s.g->rules[r->s.g->root].start, frame);
    follow_all(r, false);
    close_step(r);
    /* Like any rule, the root does not return where it was entered: the empty text is asked for by its length. */
    bool empty = r->s.g->rules[r->s.g->root].least == 0;
    return r->status == TSR_OK && !r->s.full ? tsri_place_of(&r->s, r->shift, r->n_shift, empty, r->run, r->run_dist) : TSRI_DEAD;
}

static uint32_t step_once(tsri_run *r, uint32_t place, uint8_t byte)
{
    begin_step(r);
    take_byte(r, &r->s.places[place], byte);
    close_step(r);
    return r->status == TSR_OK && !r->s.full ? tsri_place_of(&r->s, r->shift, r->n_shift, r->can_end, r->run, r->run_dist) : TSRI_DEAD;
}

uint32_t tsri_run_step(tsri_run *r, const uint32_t *place, uint8_t byte)
{
    uint32_t next = TSRI_DEAD;
    if (r->status != TSR_OK || *place == TSRI_DEAD)
        return TSRI_DEAD;
    if (!tsri_store_give_row(&r->s, *place)) {
        tsri_store_forget(&r->s, r->shift, r->work);
        tsri_store_give_row(&r->s, *place);
    }
    const uint8_t class = r->s.g->class_of[byte];
    const uint32_t *row = tsri_run_row(r, *place);
    if (row[class] != TSRI_NOT_KNOWN)
        return row[class];
    next = step_once(r, *place, byte);
    if (r->s.full) {
        r->s.full = false;
        tsri_store_forget(&r->s, r->shift, r->work);
        tsri_store_give_row(&r->s, *place);
        next = step_once(r, *place, byte);
        if (r->s.full)
            fail_full(r);
        r->s.full = false;
    }
    if (r->status == TSR_OK)
        r->s.rows[(size_t)r->s.places[*place].row * r->s.g->n_classes + class] = next;
    return r->status == TSR_OK ? next : TSRI_DEAD;
}

static uint32_t near_once(tsri_run *r, uint32_t place)
{
    const tsri_place *p = &r->s.places[place];
    for (uint32_t i = 0; i < p->n_items; i++) {
        tsri_item it = r->s.items[p->items_at + i];
        r->shift[i] = (tsri_item){it.state, r->s.frames[it.frame].near};
    }
    return tsri_place_of(&r->s, r->shift, tsri_sort_items(r->shift, p->n_items), p->can_end, p->run, p->run_dist);
}

uint32_t tsri_run_near(tsri_run *r, const uint32_t *place)
{
    if (r->status != TSR_OK || r->s.places[*place].near != TSRI_NONE)
        return r->status == TSR_OK ? r->s.places[*place].near : TSRI_DEAD;
    uint32_t near = near_once(r, *place);
    if (r->s.full) {
        r->s.full = false;
        tsri_store_forget(&r->s, r->shift, r->work);
        near = near_once(r, *place);
        if (r->s.full)
            fail_full(r);
        r->s.full = false;
    }
    r->s.places[*place].near = near;
    return near;
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
    *ok = st == TSR_OK && place != TSRI_DEAD && r->s.places[place].can_end;
    tsri_run_close(r);
    return st;
}
