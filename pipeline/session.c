/* session.c: see the header. */
#include "session.h"

#include <string.h>

#include "tsr_alloc.h"

/* ---- media ---- */

void tsri_session_cut(tsri_session *s, size_t n_parts)
{
    while (s->n_media && s->media[s->n_media - 1].part >= n_parts)
        tsri_media_free(&s->media[--s->n_media]);
    if (s->n_parts > n_parts)
        s->n_parts = n_parts;
}

void tsri_session_deinit(tsri_session *s)
{
    tsri_session_cut(s, 0);
    tsr_free(s->media);
    tsr_free(s->spans);
    tsr_ids_deinit(&s->ids);
    tsr_context_close(s->ctx);
    *s = (tsri_session){.ctx = NULL};
}

/* Nothing is held any more, and nothing is known of it. */
static void forget(tsri_session *s)
{
    s->ids.n = s->n_spans = 0;
    if (s->ctx)
        tsr_context_reset(s->ctx);
}

/* Keys, values and rows that fast products have made are not those of exact ones. */
static void suit_products(tsri_session *s, bool is_exact)
{
    if (s->is_exact != is_exact) {
        tsri_session_cut(s, 0);
        forget(s);
    }
    s->is_exact = is_exact;
}

tsr_status tsri_session_lend(tsri_session *s, tsri_media_list *l, tsr_error *err)
{
    suit_products(s, l->rq->exact != 0);
    tsr_status st = tsr_alloc_array(&l->at, s->n_media, sizeof *l->at, "media of earlier messages", err);
    if (st != TSR_OK)
        return st;
    if (s->n_media)
        memcpy(l->at, s->media, s->n_media * sizeof *l->at);
    l->n = l->cap = l->n_kept = s->n_media;
    l->n_kept_parts = s->n_parts;
    return TSR_OK;
}

/* Pixels and features have become rows. */
static void drop_sources(tsri_media *m)
{
    for (size_t i = 0; m->pictures && i < m->n_pictures; i++)
        tsr_image_deinit(&m->pictures[i]);
    tsr_free(m->pictures);
    tsr_free(m->features);
    m->pictures = NULL;
    m->features = NULL;
}

tsr_status tsri_session_take(tsri_session *s, tsri_media_list *l, tsr_error *err)
{
    tsri_media *grown = tsr_realloc(s->media, (l->n ? l->n : 1) * sizeof *grown);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu media parts", l->n);
    s->media = grown;
    for (size_t i = l->n_kept; i < l->n; i++) {
        drop_sources(&l->at[i]);
        s->media[s->n_media++] = l->at[i];
    }
    l->n = l->n_kept; /* handed over */
    s->n_parts = l->rq->n_parts;
    return TSR_OK;
}

/* ---- the context ---- */

static bool is_same_span(const tsri_kept_span *k, const tsr_prompt_span *sp, const tsri_media_list *l)
{
    uint64_t serial = l->at[sp->part].serial;
    return serial && k->serial == serial && k->frame == sp->frame && k->start == sp->start && k->len == sp->len;
}

/* Positions at the front that the context and the prompt have in common, without the prompt's last. Placeholders of soft
 * tokens are alike; what stands for them may not be. */
static size_t common_positions(const tsri_session *s, const tsr_prompt *p, const tsri_media_list *l)
{
    size_t n = 0, most = p->ids.n - 1 < s->ids.n ? p->ids.n - 1 : s->ids.n;
    while (n < most && s->ids.at[n] == p->ids.at[n])
        n++;
    for (size_t i = 0; i < p->n_spans && p->spans[i].start < n; i++)
        if (i >= s->n_spans || !is_same_span(&s->spans[i], &p->spans[i], l) || p->spans[i].start + p->spans[i].len > n)
            return p->spans[i].start;
    return n;
}

static bool suits(const tsr_context_opts *has, const tsr_context_opts *wanted)
{
    return has->ctx_tokens == wanted->ctx_tokens && has->kv_type == wanted->kv_type && has->keep_all == wanted->keep_all &&
           has->max_block >= wanted->max_block && has->slack >= wanted->slack;
}

static tsr_status open_context(tsri_session *s, const tessera_model *m, const tsr_context_opts *o, tsr_error *err)
{
    if (s->ctx && suits(&s->opts, o))
        return TSR_OK;
    tsr_context_close(s->ctx);
    s->ctx = NULL;
    s->ids.n = s->n_spans = 0;
    s->opts = *o;
    return tsr_context_open(&s->ctx, m->decoder, m->pool, o, err);
}

tsr_status tsri_session_fit(tsri_session *s, const tessera_model *m, const tsr_context_opts *o, const tsr_prompt *p,
                            tsri_media_list *l, size_t *n_cached, tsr_error *err)
{
    tsr_status st = open_context(s, m, o, err);
    *n_cached = 0;
    if (st != TSR_OK)
        return st;
    *n_cached = common_positions(s, p, l);
    for (size_t i = 0; i < l->n; i++)
        if (!l->at[i].serial)
            l->at[i].serial = ++s->last_serial;
    if (tsr_context_truncate(s->ctx, *n_cached, NULL) != TSR_OK) {
        forget(s);
        *n_cached = 0;
    }
    return TSR_OK;
}

static tsr_status note_ids(tsri_session *s, const tsr_prompt *p, const tsr_ids *answer)
{
    size_t held = tsr_context_tokens(s->ctx);
    tsr_status st = TSR_OK;
    s->ids.n = 0;
    for (size_t i = 0; i < held && st == TSR_OK; i++)
        st = tsr_ids_add(&s->ids, i < p->ids.n ? p->ids.at[i] : answer->at[i - p->ids.n], NULL);
    return st;
}

static tsr_status note_spans(tsri_session *s, const tsr_prompt *p, const tsri_media_list *l)
{
    tsri_kept_span *grown = tsr_realloc(s->spans, (p->n_spans ? p->n_spans : 1) * sizeof *grown);
    if (!grown)
        return TSR_ERR_NOMEM;
    s->spans = grown;
    s->n_spans = 0;
    for (size_t i = 0; i < p->n_spans && p->spans[i].start + p->spans[i].len <= s->ids.n; i++)
        s->spans[s->n_spans++] = (tsri_kept_span){.start = p->spans[i].start, .len = p->spans[i].len,
                                                  .frame = p->spans[i].frame, .serial = l->at[p->spans[i].part].serial};
    return TSR_OK;
}

void tsri_session_note(tsri_session *s, const tsr_prompt *p, const tsri_media_list *l, const tsr_ids *answer)
{
    if (!s->ctx)
        return;
    if (note_ids(s, p, answer) != TSR_OK || note_spans(s, p, l) != TSR_OK)
        forget(s);
}
