/* tiny_run.c: see the header. */
#include "tiny_run.h"

#include <math.h>

typedef struct capture {
    float *logits; /* [n, vocab] */
    float *hidden; /* [n_layers, n, hidden] or NULL */
    size_t n, vocab, width, n_layers, n_calls;
} capture;

static tsr_status on_logits(void *user, size_t at, const float *logits)
{
    capture *c = user;
    c->n_calls++;
    memcpy(c->logits + at * c->vocab, logits, c->vocab * sizeof *logits);
    return TSR_OK;
}

static tsr_status on_hidden(void *user, size_t stage, size_t at, size_t n, const float *rows)
{
    capture *c = user;
    if (stage >= 1 && stage <= c->n_layers)
        memcpy(c->hidden + ((stage - 1) * c->n + at) * c->width, rows, n * c->width * sizeof *rows);
    return TSR_OK;
}

float *tiny_prefill(tsr_context *ctx, const tiny_model *m, const tsr_input *in, float *hidden)
{
    tsr_error err = {0};
    capture c = {.n = in->n, .vocab = m->config.vocab, .width = m->config.hidden, .n_layers = m->config.n_layers};
    c.logits = calloc(in->n * c.vocab, sizeof *c.logits);
    c.hidden = hidden;
    tsr_prefill_sink sink = {.user = &c, .on_logits = on_logits, .on_hidden = hidden ? on_hidden : NULL};
    if (tsr_context_prefill(ctx, in, &sink, &err) != TSR_OK)
        fail_msg("%s", err.text);
    size_t n_wanted = 0;
    for (size_t i = 0; i < in->n; i++)
        n_wanted += in->wanted ? in->wanted[i] != 0 : i + 1 == in->n;
    assert_int_equal(c.n_calls, n_wanted);
    return c.logits;
}

double tiny_distance(const float *got, const double *want, size_t n)
{
    double diff = 0.0, top = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= 1e300))
            return HUGE_VAL;
        diff = d > diff ? d : diff;
        top = fabs(want[i]) > top ? fabs(want[i]) : top;
    }
    return diff / top;
}

double tiny_between(const float *got, const float *want, size_t n)
{
    double *w = malloc(n * sizeof *w);
    for (size_t i = 0; i < n; i++)
        w[i] = (double)want[i];
    double d = tiny_distance(got, w, n);
    free(w);
    return d;
}
