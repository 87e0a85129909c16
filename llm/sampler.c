/* sampler.c: see the header. Weights are exp(logit - highest) in double; nothing is sorted over the
 * whole vocabulary: top-k keeps a heap of k, top-p takes the likeliest off a heap until it has
 * enough. */
#include "tsr_sampler.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tsr_alloc.h"

struct tsr_sampler {
    tsr_sampler_opts opts;
    size_t n_vocab;
    float *scores;    /* [n_vocab] */
    int32_t *ids;     /* [n_vocab] candidates */
    double *weights;  /* [n_vocab] of the candidates */
    float *best;      /* [top_k] a heap, the least first */
    uint8_t *banned;  /* [n_vocab] */
    uint32_t *counts; /* [n_vocab] in the answer */
    uint8_t *seen;    /* [n_vocab] in prompt or answer */
    int32_t *seen_ids; /* [n_vocab] those with `seen` set */
    size_t n_seen, n_candidates;
    const uint32_t *allowed; /* bits of ids; NULL: all */
    uint64_t random[4];
};

tsr_sampler_opts tsr_sampler_opts_default(void)
{
    return (tsr_sampler_opts){.top_p = 1, .repetition_penalty = 1};
}

/* ---- Random numbers: xoshiro256**, seeded by splitmix64 (Blackman and Vigna) ---- */

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static void seed_random(uint64_t state[4], uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        state[i] = z ^ z >> 31;
    }
}

/* In [0, 1), 53 bits. */
static double next_random(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

/* ---- Opening ---- */

static tsr_status check_range(const char *name, double x, bool ok, tsr_error *err)
{
    return ok && isfinite(x) ? TSR_OK : tsr_fail(err, TSR_ERR_USAGE, "sampling: %s is %g", name, x);
}

static tsr_status check(const tsr_sampler_opts *o, size_t n_vocab, tsr_error *err)
{
    tsr_status st = check_range("temperature", o->temperature, o->temperature >= 0, err);
    if (st == TSR_OK) st = check_range("top-p", o->top_p, o->top_p >= 0 && o->top_p <= 1, err);
    if (st == TSR_OK) st = check_range("min-p", o->min_p, o->min_p >= 0 && o->min_p <= 1, err);
    if (st == TSR_OK) st = check_range("repetition penalty", o->repetition_penalty, o->repetition_penalty > 0, err);
    if (st == TSR_OK) st = check_range("presence penalty", o->presence_penalty, true, err);
    if (st == TSR_OK) st = check_range("frequency penalty", o->frequency_penalty, true, err);
    if (st == TSR_OK && (n_vocab == 0 || n_vocab > INT32_MAX))
        st = tsr_fail(err, TSR_ERR_USAGE, "sampling: a vocabulary of %zu", n_vocab);
    return st;
}

static void ban(tsr_sampler *s, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < s->n_vocab) s->banned[ids[i]] = 1;
}

tsr_status tsr_sampler_open(tsr_sampler **out, const tsr_sampler_opts *opts, size_t n_vocab, tsr_error *err)
{
    tsr_sampler *s;
    tsr_status st = check(opts, n_vocab, err);
    size_t k;

    *out = NULL;
    if (st != TSR_OK) return st;
    s = tsr_calloc(1, sizeof *s);
    if (!s) return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: sampling");
    s->opts = *opts;
    s->n_vocab = n_vocab;
    if (s->opts.top_k >= n_vocab) s->opts.top_k = 0;
    k = s->opts.top_k ? s->opts.top_k : 1;
    s->scores = tsr_calloc(n_vocab, sizeof *s->scores);
    s->ids = tsr_calloc(n_vocab, sizeof *s->ids);
    s->weights = tsr_calloc(n_vocab, sizeof *s->weights);
    s->best = tsr_calloc(k, sizeof *s->best);
    s->banned = tsr_calloc(n_vocab, sizeof *s->banned);
    s->counts = tsr_calloc(n_vocab, sizeof *s->counts);
    s->seen = tsr_calloc(n_vocab, sizeof *s->seen);
    s->seen_ids = tsr_calloc(n_vocab, sizeof *s->seen_ids);
    if (!s->scores || !s->ids || !s->weights || !s->best || !s->banned || !s->counts || !s->seen || !s->seen_ids) {
        tsr_sampler_close(s);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: sampling from %zu tokens", n_vocab);
    }
    ban(s, opts->suppress, opts->n_suppress);
    ban(s, opts->never, opts->n_never);
    s->opts.suppress = s->opts.never = NULL; /* borrowed only until now */
    seed_random(s->random, opts->seed);
    *out = s;
    return TSR_OK;
}

void tsr_sampler_close(tsr_sampler *s)
{
    if (!s) return;
    tsr_free(s->scores);
    tsr_free(s->ids);
    tsr_free(s->weights);
    tsr_free(s->best);
    tsr_free(s->banned);
    tsr_free(s->counts);
    tsr_free(s->seen);
    tsr_free(s->seen_ids);
    tsr_free(s);
}

/* ---- What was seen ---- */

static bool mark_seen(tsr_sampler *s, int32_t id)
{
    if (id < 0 || (size_t)id >= s->n_vocab) return false;
    if (!s->seen[id]) s->seen_ids[s->n_seen++] = id;
    s->seen[id] = 1;
    return true;
}

void tsr_sampler_see_prompt(tsr_sampler *s, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) mark_seen(s, ids[i]);
}

void tsr_sampler_see(tsr_sampler *s, int32_t id)
{
    if (mark_seen(s, id)) s->counts[id]++;
}

/* ---- Choosing ---- */

void tsr_sampler_allow(tsr_sampler *s, const uint32_t *allowed)
{
    s->allowed = allowed;
}

static bool is_out(const tsr_sampler *s, size_t id)
{
    return s->banned[id] || (s->allowed && !(s->allowed[id / 32] >> (id % 32) & 1));
}

static tsr_status take_scores(tsr_sampler *s, const float *logits, tsr_error *err)
{
    for (size_t i = 0; i < s->n_vocab; i++) {
        if (isnan(logits[i])) return tsr_fail(err, TSR_ERR_MODEL, "sampling: the logit of token %zu is not a number", i);
        s->scores[i] = is_out(s, i) ? -INFINITY : logits[i];
    }
    return TSR_OK;
}

static void penalize(tsr_sampler *s)
{
    const tsr_sampler_opts *o = &s->opts;
    float repetition = (float)o->repetition_penalty;
    for (size_t i = 0; i < s->n_seen; i++) {
        int32_t id = s->seen_ids[i];
        float *x = s->scores + id;
        if (repetition != 1.0f) *x = *x < 0 ? *x * repetition : *x / repetition;
        if (s->counts[id]) *x -= (float)(o->presence_penalty + o->frequency_penalty * s->counts[id]);
    }
}

static size_t best_of(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Put x into the heap of the k highest, the least of them first. */
static void keep_best(float *heap, size_t k, float x)
{
    size_t i = 0, child;
    while ((child = 2 * i + 1) < k) {
        if (child + 1 < k && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= x) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

/* The k-th highest score; -inf when k is off. */
static float top_k_limit(tsr_sampler *s)
{
    size_t k = s->opts.top_k;
    if (!k) return -INFINITY;
    for (size_t i = 0; i < k; i++) s->best[i] = -INFINITY;
    for (size_t i = 0; i < s->n_vocab; i++)
        if (s->scores[i] > s->best[0]) keep_best(s->best, k, s->scores[i]);
    return s->best[0];
}

/* Candidates in the order of their ids, with weights relative to the best; gives their sum. */
static double collect(tsr_sampler *s, float limit, float highest)
{
    double sum = 0;
    s->n_candidates = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        double w;
        if (s->scores[i] < limit || s->scores[i] == -INFINITY) continue;
        w = exp((double)s->scores[i] - (double)highest);
        s->ids[s->n_candidates] = (int32_t)i;
        s->weights[s->n_candidates++] = w;
        sum += w;
    }
    return sum;
}

/* Candidate a stands before b: higher score, then lower id. */
static bool stands_before(const tsr_sampler *s, size_t a, size_t b)
{
    float x = s->scores[s->ids[a]], y = s->scores[s->ids[b]];
    return x != y ? x > y : s->ids[a] < s->ids[b];
}

static void swap(tsr_sampler *s, size_t a, size_t b)
{
    int32_t id = s->ids[a];
    double w = s->weights[a];
    s->ids[a] = s->ids[b];
    s->weights[a] = s->weights[b];
    s->ids[b] = id;
    s->weights[b] = w;
}

/* A heap over the first n candidates, the likeliest first. */
static void sift_down(tsr_sampler *s, size_t i, size_t n)
{
    size_t child;
    while ((child = 2 * i + 1) < n) {
        if (child + 1 < n && stands_before(s, child + 1, child)) child++;
        if (!stands_before(s, child, i)) break;
        swap(s, child, i);
        i = child;
    }
}

/* Keep the likeliest candidates until those before hold top_p of `sum`; gives their sum. They are
 * taken off a heap to the end of the list, then moved to its front, the likeliest first. */
static double cut_top_p(tsr_sampler *s, double sum)
{
    size_t n = s->n_candidates, left = n;
    double kept = 0;

    for (size_t i = n / 2; i-- > 0;) sift_down(s, i, n);
    do {
        swap(s, 0, --left);
        kept += s->weights[left];
        sift_down(s, 0, left);
    } while (left && kept < s->opts.top_p * sum);
    for (size_t i = 0; i < (n - left) / 2; i++) swap(s, left + i, n - 1 - i);
    s->n_candidates = n - left;
    memmove(s->ids, s->ids + left, s->n_candidates * sizeof *s->ids);
    memmove(s->weights, s->weights + left, s->n_candidates * sizeof *s->weights);
    return kept;
}

/* Weights are relative to the best, so the limit is min_p itself. */
static double cut_min_p(tsr_sampler *s)
{
    double kept = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->n_candidates; i++) {
        if (s->weights[i] < s->opts.min_p) continue;
        s->ids[n] = s->ids[i];
        s->weights[n++] = s->weights[i];
        kept += s->weights[i];
    }
    s->n_candidates = n;
    return kept;
}

static int32_t draw(tsr_sampler *s, double sum)
{
    double target = next_random(s->random), at = 0;
    size_t chosen = s->n_candidates - 1;
    for (size_t i = 0; i < s->n_candidates; i++) s->weights[i] /= sum;
    for (size_t i = 0; i < s->n_candidates; i++) {
        at += s->weights[i];
        if (target >= at) continue;
        chosen = i;
        break;
    }
    return s->ids[chosen];
}

static int32_t sample(tsr_sampler *s, float highest)
{
    float t = (float)s->opts.temperature;
    double sum;
    for (size_t i = 0; i < s->n_vocab; i++) s->scores[i] /= t;
    highest /= t;
    sum = collect(s, top_k_limit(s), highest);
    if (s->opts.top_p < 1) sum = cut_top_p(s, sum);
    if (s->opts.min_p > 0) sum = cut_min_p(s);
    return draw(s, sum);
}

tsr_status tsr_sampler_next(tsr_sampler *s, const float *logits, int32_t *id, tsr_error *err)
{
    tsr_status st = take_scores(s, logits, err);
    size_t best;

    s->n_candidates = 0;
    if (st != TSR_OK) return st;
    penalize(s);
    best = best_of(s->scores, s->n_vocab);
    if (!isfinite(s->scores[best]))
        return tsr_fail(err, TSR_ERR_MODEL, "sampling: the highest logit is %g", (double)s->scores[best]);
    if (s->opts.temperature > 0 && isfinite(s->scores[best] / (float)s->opts.temperature)) {
        *id = sample(s, s->scores[best]);
    } else { /* so cold that only the best has a chance */
        *id = (int32_t)best;
        s->ids[0] = *id;
        s->weights[0] = 1;
        s->n_candidates = 1;
    }
    tsr_sampler_see(s, *id);
    return TSR_OK;
}

size_t tsr_sampler_candidates(const tsr_sampler *s, const int32_t **ids, const double **probs)
{
    *ids = s->ids;
    *probs = s->weights;
    return s->n_candidates;
}
