/* grammar_guide.c: from a place in the grammar to the tokens that may come, and to the end in time.
 *
 * The mask of a place is found by walking the tree of tokens with the grammar, once for each place that goes on alike as
 * far as a token reaches (tsri_run_near), and kept. Tokens run out slowly: as long as each token leaves enough of them
 * (`reach`), that mask is the answer; else the walk is done for this place itself, and tokens are left out behind which
 * the shortest end (`need`) would not fit. The shortest end is spelled out byte by byte and cut into the longest tokens;
 * the first of those leads to a place whose shortest end is the rest, so one token at least always fits. */
#include <math.h>
#include <string.h>

#include "grammar_run_internal.h"
#include "grammar_vocab_internal.h"
#include "tsr_alloc.h"

enum {
    MASK_POOL_BYTES = 16 << 20,
    MASKS_LEAST = 8,
    MASKS_MOST = 1024,
    PLAN_MOST = 1 << 16, /* bytes of a shortest end that is spelled out; of a longer one each byte counts as a token */
    MANY_NODES = 64, /* below a node of a tree: then it is worth looking whether all can be decided at once */
    WALK_BUDGET = 1 << 25 /* items looked at for one token: about a second */
};

typedef enum phase {
    MAY_THINK, /* nothing has come yet: a thought, or the answer */
    THINKS,
    ANSWERS,
    DONE
} phase;

struct tsr_guide {
    const tsr_grammar *grammar;
    const tsr_vocab *v;
    tsr_guide_opts o;
    tsri_run *run;
    phase phase;
    size_t n_tokens; /* that came */
    size_t least;    /* tokens of the shortest answer, without its end */

    uint32_t now, plan; /* places, kept in lists of one */
    size_t one;
    uint32_t path[TSRI_TOKEN_MOST + 2 + TSRI_PLAIN_PATH]; /* places on the way to a node of a tree */
    size_t n_path;
    const uint32_t *rows[TSRI_TOKEN_MOST + 2];
    size_t end_at[TSRI_TOKEN_MOST + 2];
    uint8_t *plan_text; /* [PLAN_MOST] */

    uint32_t *pool; /* [n_masks][n_words] */
    uint32_t *owner; /* [n_masks] the place; TSRI_NONE */
    size_t n_masks, next_mask;
    unsigned age; /* of the run when the owners were right */
    uint32_t *tight; /* [n_words] */
    const uint32_t *full; /* what tight is a part of; NULL: the last mask left nothing out for want of tokens */
};

/* ---- opening ---- */

static tsr_status check_bytes(const tsr_guide *g, tsr_error *err)
{
    for (unsigned b = 0; b < 256; b++)
        if (g->grammar->byte_used[b] && !g->v->has_byte[b])
            return tsr_fail(err, TSR_ERR_UNSUPPORTED,
                            "the model's vocabulary has no token for the byte 0x%02X, which the grammar may need", b);
    return TSR_OK;
}

static tsr_status take_memory(tsr_guide *g, tsr_error *err)
{
    size_t n_words = g->v->n_words, n = MASK_POOL_BYTES / (n_words * sizeof(uint32_t));
    g->n_masks = n < MASKS_LEAST ? MASKS_LEAST : n > MASKS_MOST ? MASKS_MOST : n;
    size_t words;
    if (!tsr_mul_size(&words, g->n_masks, n_words))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: masks of tokens");
    tsr_status st = tsr_alloc_array(&g->pool, words, sizeof *g->pool, "masks of tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&g->owner, g->n_masks, sizeof *g->owner, "masks of tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&g->tight, n_words, sizeof *g->tight, "masks of tokens", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&g->plan_text, PLAN_MOST, 1, "the end of an answer", err);
    if (st == TSR_OK)
        st = tsri_run_open(&g->run, g->grammar, (uint32_t)g->v->longest + 1, err);
    if (st == TSR_OK)
        memset(g->owner, 0xFF, g->n_masks * sizeof *g->owner);
    return st;
}

static uint32_t need_of(tsr_guide *g, uint32_t place);

tsr_status tsr_guide_open(tsr_guide **out, const tsr_grammar *grammar, const tsr_vocab *vocab,
                          const tsr_guide_opts *opts, tsr_error *err)
{
    tsr_guide *g = tsr_calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a grammar's guide");
    g->grammar = grammar;
    g->v = vocab;
    g->o = *opts;
    g->one = 1;
    g->phase = opts->thinks ? MAY_THINK : ANSWERS;
    tsr_status st = check_bytes(g, err);
    if (st == TSR_OK)
        st = take_memory(g, err);
    if (st == TSR_OK) {
        tsri_run_budget(g->run, WALK_BUDGET);
        g->now = g->plan = tsri_run_start(g->run);
        tsri_run_keep(g->run, 0, &g->now, &g->one);
        tsri_run_keep(g->run, 1, g->path, &g->n_path);
        tsri_run_keep(g->run, 2, &g->plan, &g->one);
        g->least = need_of(g, g->now);
        st = tsri_run_status(g->run, err);
    }
    if (st == TSR_OK && g->least >= opts->max_tokens)
        st = tsr_fail(err, TSR_ERR_USAGE, "the shortest answer that the grammar permits takes %zu tokens with its end; %zu "
                      "are allowed", g->least + 1, opts->max_tokens);
    if (st == TSR_OK)
        *out = g;
    else
        tsr_guide_close(g);
    return st;
}

void tsr_guide_close(tsr_guide *g)
{
    if (!g)
        return;
    tsri_run_close(g->run);
    tsr_free(g->pool);
    tsr_free(g->owner);
    tsr_free(g->tight);
    tsr_free(g->plan_text);
    tsr_free(g);
}

/* ---- the shortest end ---- */

/* The lowest byte that brings the end one byte nearer. */
static uint8_t byte_nearer(tsr_guide *g, uint32_t place)
{
    const tsri_place *p = tsri_run_place(g->run, place);
    unsigned best = 256;
    for (uint32_t k = 0; k < p->n_items; k++) {
        tsri_item it = tsri_run_item(g->run, p, k);
        uint64_t beneath = tsri_run_frame_dist(g->run, it.frame);
        for (uint32_t i = g->grammar->first[it.state]; i < g->grammar->first[it.state + 1]; i++) {
            const tsri_arc *a = &g->grammar->arcs[i];
            if (a->kind == TSRI_ARC_BYTES && a->lo < best && g->grammar->dist[a->to] + beneath + 1 == p->dist)
                best = a->lo;
        }
    }
    return (uint8_t)best; /* there is one: dist is of a shortest way */
}

static size_t count_tokens(const tsr_guide *g, size_t len)
{
    size_t n = 0;
    for (size_t at = 0, took; at < len; at += took, n++)
        if (tsri_vocab_longest(g->v, g->plan_text + at, len - at, &took) < 0)
            took = 1; /* can't be: each byte of the grammar is a token */
    return n;
}

/* Tokens of a shortest way from `place` to the end, without the token that ends the answer. */
static uint32_t need_of(tsr_guide *g, uint32_t place)
{
    const tsri_place *p = tsri_run_place(g->run, place);
    uint32_t dist = p->dist;
    if (p->need != TSRI_NONE || dist >= PLAN_MOST)
        return p->need != TSRI_NONE ? p->need : dist;
    unsigned age = tsri_run_age(g->run);
    g->plan = place;
    for (uint32_t i = 0; i < dist && g->plan != TSRI_DEAD; i++) {
        g->plan_text[i] = byte_nearer(g, g->plan);
        g->plan = tsri_run_step(g->run, &g->plan, g->plan_text[i]);
    }
    uint32_t need = (uint32_t)count_tokens(g, dist);
    if (tsri_run_age(g->run) == age)
        tsri_run_place(g->run, place)->need = need;
    return need;
}

/* ---- walking ---- */

typedef struct walk {
    uint32_t *mask;
    uint32_t limit; /* tokens are set whose places need no more */
    bool by_need;   /* else every token is set, and `most` is in bytes */
    uint32_t most;  /* the most that a place behind a token needs */
} walk;

static bool take_need(walk *w, uint32_t need)
{
    w->most = need > w->most ? need : w->most;
    return need <= w->limit;
}

static bool take_place(tsr_guide *g, walk *w, uint32_t place)
{
    uint32_t x = tsri_run_place(g->run, place)->dist;
    bool fits_never = x > (uint64_t)w->limit * g->v->longest; /* even if each token were the longest */
    if (w->by_need && !fits_never && (x > w->limit || x > w->most)) /* need is no more than dist */
        x = need_of(g, place);
    return take_need(w, x);
}

static void set_tokens(uint32_t *mask, const tsri_tree *t, size_t from, size_t to)
{
    for (uint32_t k = t->first[from]; k < t->first[to]; k++)
        tsri_set_bit(mask, (size_t)t->tokens[k]);
}

/* Decide over node i of the tree of plain tokens, which leads to the last place on the path, and all below it at once,
 * where those go on whatever they are: false where that isn't known. */
static bool take_below(tsr_guide *g, size_t i, walk *w)
{
    const tsri_tree *t = &g->v->plain;
    const tsri_place *p = tsri_run_place(g->run, g->path[g->n_path - 1]);
    bool takes;
    if (p->run >= g->v->longest_run && p->run_dist <= w->limit && p->dist <= w->limit)
        takes = take_need(w, p->run_dist > p->dist ? p->run_dist : p->dist);
    else if ((p->knows_loops || t->skip[i] - i >= MANY_NODES) &&
             (t->below[i] & ~tsri_run_loops(g->run, g->path, &g->n_path)) == 0)
        takes = take_place(g, w, g->path[g->n_path - 1]);
    else
        return false;
    if (takes)
        set_tokens(w->mask, t, i, t->skip[i]);
    return true;
}

/* Set the tokens of the tree that can come at path[0]. */
static void walk_tree(tsr_guide *g, const tsri_tree *t, walk *w)
{
    size_t d = 0;
    bool plain = t == &g->v->plain;
    unsigned age = tsri_run_age(g->run);
    g->n_path = 1;
    g->rows[0] = NULL;
    g->end_at[0] = t->n;
    for (size_t i = 0; i < t->n;) {
        uint8_t byte = t->byte[i];
        uint32_t next = TSRI_NOT_KNOWN;
        while (i >= g->end_at[d])
            d--;
        if (!g->rows[d])
            g->rows[d] = tsri_run_row(g->run, g->path[d]);
        if (g->rows[d])
            next = g->rows[d][g->grammar->class_of[byte]];
        if (next == TSRI_NOT_KNOWN) {
            g->n_path = d + 1;
            next = tsri_run_step(g->run, &g->path[d], byte);
        }
        bool below = next != TSRI_DEAD && t->skip[i] > i + 1;
        if (next != TSRI_DEAD) {
            g->path[d + 1] = next;
            g->n_path = d + 2;
            if (plain && below && take_below(g, i, w))
                below = false;
            else if (t->first[i] < t->first[i + 1] && take_place(g, w, g->path[d + 1]))
                set_tokens(w->mask, t, i, i + 1);
        }
        if (tsri_run_age(g->run) != age) { /* places were forgotten: those on the path have new numbers and no rows */
            memset(g->rows, 0, sizeof g->rows);
            age = tsri_run_age(g->run);
        }
        if (below) {
            d++;
            g->rows[d] = NULL;
            g->end_at[d] = t->skip[i];
            i++;
        } else {
            i = t->skip[i];
        }
    }
}

/* The plain tokens of path[0], by the places behind so many plain characters; false when those aren't the same for all. */
static bool take_chain(tsr_guide *g, walk *w)
{
    const tsr_vocab *v = g->v;
    g->path[1] = g->path[0];
    g->n_path = 2;
    for (size_t n = 1; n <= v->longest_run; n++) {
        uint32_t next = tsri_run_plain_next(g->run, g->path, &g->n_path);
        if (next == TSRI_NONE || next == TSRI_DEAD)
            return next == TSRI_DEAD;
        size_t last = next == g->path[1] ? v->longest_run : n;
        g->path[1] = next;
        const uint32_t *shorter = v->up_to + (n - 1) * v->n_words, *these = v->up_to + last * v->n_words;
        if (take_place(g, w, next))
            for (size_t i = 0; i < v->n_words; i++)
                w->mask[i] |= these[i] & ~shorter[i];
        n = last;
    }
    return true;
}

/* The mask of path[0] within w's limit, without ends. Plain tokens come out of the table as far as they all fit. */
static void make_mask(tsr_guide *g, walk *w)
{
    const tsr_vocab *v = g->v;
    const tsri_place *p = tsri_run_place(g->run, g->path[0]);
    size_t run = p->run_dist > w->limit ? 0 : p->run < v->longest_run ? p->run : v->longest_run;
    memcpy(w->mask, v->up_to + run * v->n_words, v->n_words * sizeof *w->mask); /* of length 0: none */
    if (run)
        w->most = p->run_dist;
    walk_tree(g, &v->other, w);
    if (run < v->longest_run && !take_chain(g, w))
        walk_tree(g, &v->plain, w);
}

/* The mask of g->now as the grammar has it, ends included; NULL after a failure. */
static const uint32_t *full_mask(tsr_guide *g)
{
    size_t n_words = g->v->n_words;
    uint32_t near = tsri_run_near(g->run, &g->now);
    g->path[0] = near;
    g->n_path = 1;
    if (tsri_run_age(g->run) != g->age) {
        memset(g->owner, 0xFF, g->n_masks * sizeof *g->owner);
        g->age = tsri_run_age(g->run);
    }
    uint32_t slot = tsri_run_place(g->run, near)->mask;
    if (slot == TSRI_NONE || g->owner[slot] != near) {
        slot = (uint32_t)g->next_mask;
        g->next_mask = (g->next_mask + 1) % g->n_masks;
        if (g->owner[slot] != TSRI_NONE)
            tsri_run_place(g->run, g->owner[slot])->mask = TSRI_NONE;
        g->owner[slot] = TSRI_NONE;
        uint32_t *mask = g->pool + slot * n_words;
        walk w = {.mask = mask, .limit = TSRI_NEVER};
        make_mask(g, &w);
        if (tsri_run_status(g->run, NULL) != TSR_OK)
            return NULL;
        if (tsri_run_age(g->run) != g->age) {
            memset(g->owner, 0xFF, g->n_masks * sizeof *g->owner);
            g->age = tsri_run_age(g->run);
        }
        tsri_place *p = tsri_run_place(g->run, g->path[0]);
        for (size_t i = 0; i < n_words && p->can_end; i++)
            mask[i] |= g->v->ends[i];
        p->mask = slot;
        p->reach_bound = w.most; /* no place needs more than the bytes to its end */
        g->owner[slot] = g->path[0];
    }
    tsri_place *now = tsri_run_place(g->run, g->now);
    uint64_t bound = (uint64_t)tsri_run_place(g->run, g->path[0])->reach_bound + now->extra;
    now->reach_bound = g->now == g->path[0] ? now->reach_bound : bound < TSRI_LONGEST ? (uint32_t)bound : TSRI_LONGEST;
    return g->pool + slot * n_words;
}

/* As the full mask, but only tokens behind which no more than `limit` are needed. */
static void tight_mask(tsr_guide *g, uint32_t limit)
{
    walk w = {.mask = g->tight, .limit = limit, .by_need = true};
    g->path[0] = g->now;
    g->n_path = 1;
    make_mask(g, &w);
    tsri_run_place(g->run, g->now)->reach = w.most;
}

static void add_ends(tsr_guide *g, uint32_t *mask)
{
    for (size_t i = 0; i < g->v->n_words; i++)
        mask[i] |= g->v->ends[i];
}

/* `left`: tokens that may still come. */
static const uint32_t *answer_mask(tsr_guide *g, size_t left)
{
    const uint32_t *full = full_mask(g);
    if (!full)
        return NULL;
    const tsri_place *p = tsri_run_place(g->run, g->now);
    bool can_end = p->can_end;
    size_t limit = left >= 2 ? left - 2 : 0; /* this token, and the end */
    if (left >= 2 && (p->reach_bound <= limit || (p->reach != TSRI_NONE && p->reach <= limit)))
        return full;
    if (left >= 2)
        tight_mask(g, limit < TSRI_NEVER ? (uint32_t)limit : TSRI_NEVER - 1);
    else
        memset(g->tight, 0, g->v->n_words * sizeof *g->tight);
    if (can_end)
        add_ends(g, g->tight);
    g->full = full;
    return g->tight;
}

/* ---- entry points ---- */

static bool has_room_to_think(const tsr_guide *g, size_t left)
{
    return left >= g->least + 3; /* one more token, the channel's close, the end */
}

static const uint32_t *thought_mask(tsr_guide *g, size_t left)
{
    memset(g->tight, 0, g->v->n_words * sizeof *g->tight);
    if (has_room_to_think(g, left))
        memcpy(g->tight, g->v->all, g->v->n_words * sizeof *g->tight);
    else
        g->full = g->v->all;
    tsri_set_bit(g->tight, (size_t)g->o.channel_close);
    return g->tight;
}

tsr_status tsr_guide_mask(tsr_guide *g, const uint32_t **mask, tsr_error *err)
{
    size_t left = g->o.max_tokens - g->n_tokens;
    g->full = NULL;
    *mask = NULL;
    if (left == 0 || g->phase == DONE)
        return tsr_fail(err, TSR_ERR_BUG, "grammar: asked for a token behind the end");
    tsri_run_budget(g->run, WALK_BUDGET);
    const uint32_t *m = g->phase == THINKS ? thought_mask(g, left) : answer_mask(g, left);
    tsr_status st = tsri_run_status(g->run, err);
    if (st != TSR_OK)
        return st;
    if (g->phase == MAY_THINK && has_room_to_think(g, left)) {
        if (m != g->tight)
            memcpy(g->tight, m, g->v->n_words * sizeof *g->tight);
        tsri_set_bit(g->tight, (size_t)g->o.channel_open);
        m = g->tight;
    }
    *mask = m;
    return TSR_OK;
}

static void step_text(tsr_guide *g, int32_t id)
{
    const tsr_vocab *v = g->v;
    for (uint32_t i = v->text_at[id]; i < v->text_at[id + 1] && g->now != TSRI_DEAD; i++)
        g->now = tsri_run_step(g->run, &g->now, (uint8_t)v->texts[i]);
}

tsr_status tsr_guide_push(tsr_guide *g, int32_t id, tsr_error *err)
{
    g->n_path = 0;
    g->n_tokens++;
    if (id < 0 || (size_t)id >= g->v->n_vocab)
        return tsr_fail(err, TSR_ERR_BUG, "grammar: there is no token %d", (int)id);
    if (g->phase == MAY_THINK && id == g->o.channel_open) {
        g->phase = THINKS;
    } else if (g->phase == THINKS) {
        g->phase = id == g->o.channel_close ? ANSWERS : THINKS;
    } else if (tsri_bit(g->v->ends, (size_t)id)) {
        g->phase = DONE;
    } else {
        g->phase = ANSWERS;
        step_text(g, id);
    }
    tsr_status st = tsri_run_status(g->run, err);
    if (st == TSR_OK && g->now == TSRI_DEAD)
        st = tsr_fail(err, TSR_ERR_BUG, "grammar: token %d was not in the mask", (int)id);
    return st;
}

bool tsr_guide_cuts(const tsr_guide *g, const float *logits)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; g->full && i < g->v->n_vocab; i++)
        if (tsri_bit(g->full, i) && (best == SIZE_MAX || logits[i] > logits[best]))
            best = i;
    return best != SIZE_MAX && !tsri_bit(g->tight, best);
}
