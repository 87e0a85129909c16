/* media_part.c: the list of media parts: adding, fitting, encoding, telling about them. */
#include "media_part.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json_build.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

const char *tsri_media_kind_name(tsri_media_kind k)
{
    static const char *const names[] = {"image", "page", "video", "audio"};
    return names[k];
}

double tsri_or(double value, double otherwise)
{
    return value > 0 ? value : otherwise;
}

size_t tsri_or_size(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

unsigned tsri_deadline_ms(const tessera_request *rq)
{
    double ms = tsri_or(rq->media_deadline, 120) * 1000;
    return ms < 4e9 ? (unsigned)ceil(ms) : 4000000000u;
}

tsr_status tsri_spare_inputs(const tessera_request *rq, const char *path, const char *what, tsr_error *err)
{
    for (size_t i = 0; i < rq->n_parts; i++) {
        const tessera_part *p = &rq->parts[i];
        if (p->path && !p->data && tsr_file_is_same(path, p->path))
            return tsr_fail(err, TSR_ERR_USAGE, "%s: %s would be written over a file that is read", path, what);
    }
    return TSR_OK;
}

tsri_media *tsri_media_add(tsri_media_list *l, tsri_media_kind kind, size_t part, tsr_error *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        tsri_media *grown = tsr_realloc(l->at, cap * sizeof *grown);
        if (!grown) {
            tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu media parts", cap);
            return NULL;
        }
        l->at = grown;
        l->cap = cap;
    }
    tsri_media *m = &l->at[l->n++];
    *m = (tsri_media){.kind = kind, .part = part};
    return m;
}

tsr_status tsri_media_report(const tsri_media_list *l, const char *stage, size_t done, size_t total, tsr_error *err)
{
    tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = stage, .len = strlen(stage), .done = done, .total = total};
    if (l->fn && l->fn(l->user, &ev))
        return tsr_fail(err, TSR_ERR_CANCELLED, "stopped on request while at work on: %s", stage);
    return TSR_OK;
}

tsr_status tsri_media_note(const tsri_media_list *l, tsr_error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = text, .len = strlen(text)};
    if (n < 0 || !tsr_json_append(l->notes, tsr_json_new_string(text, strlen(text))))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: notes");
    if (l->fn && l->fn(l->user, &ev))
        return tsr_fail(err, TSR_ERR_CANCELLED, "stopped on request");
    return TSR_OK;
}

tsr_status tsri_media_fit(const tsri_media_list *l, tsri_media *m, size_t budget, tsr_error *err)
{
    tsr_vision_info v = tsr_vision_describe(l->model->vision);
    tsr_error why = {TSR_OK, ""};
    size_t cells;
    m->budget = budget;
    tsr_status st = tsr_image_fit(&m->width, &m->height, &cells, m->source_width, m->source_height, v.patch, v.pool,
                                  budget, &why);
    if (st == TSR_OK)
        st = tsr_vision_tokens_for(l->model->vision, m->width, m->height, &m->tokens_each, &why);
    if (st != TSR_OK)
        return tsr_fail(err, st, "%s: %s", l->inputs[m->part].name, why.text);
    return TSR_OK;
}

/* Pictures go through the tower in batches of at most this many. */
enum { BATCH = 16 };

static tsr_status encode_pictures(const tsri_media_list *l, tsri_media *m, const char *stage, tsr_error *err)
{
    size_t hidden = tsri_model_config(l->model)->hidden, done = 0;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < m->n_pictures && st == TSR_OK; i += BATCH) {
        size_t n = m->n_pictures - i < BATCH ? m->n_pictures - i : BATCH, got = 0;
        st = tsri_media_report(l, stage, i, m->n_pictures, err);
        if (st == TSR_OK)
            st = tsr_vision_encode(l->model->vision, m->pictures + i, n, m->rows + done * hidden, m->n_tokens - done,
                                   &got, err);
        done += got;
    }
    if (st == TSR_OK && done != m->n_tokens)
        st = tsr_fail(err, TSR_ERR_BUG, "%s: %zu rows for %zu soft tokens", stage, done, m->n_tokens);
    return st;
}

static tsr_status encode_one(const tsri_media_list *l, tsri_media *m, const char *stage, tsr_error *err)
{
    size_t hidden = tsri_model_config(l->model)->hidden, got = 0, cells;
    if (!tsr_mul_size(&cells, m->n_tokens, hidden))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", stage);
    tsr_status st = tsr_alloc_array(&m->rows, cells, sizeof *m->rows, stage, err);
    if (st == TSR_OK && m->kind != TSRI_AUDIO)
        return encode_pictures(l, m, stage, err);
    if (st == TSR_OK)
        st = tsri_media_report(l, stage, 0, 1, err);
    if (st == TSR_OK)
        st = tsr_hearing_encode(l->model->hearing, m->features, m->n_features, m->rows, m->n_tokens, &got, err);
    if (st == TSR_OK && got != m->n_tokens)
        st = tsr_fail(err, TSR_ERR_BUG, "%s: %zu rows for %zu soft tokens", stage, got, m->n_tokens);
    return st;
}

tsr_status tsri_media_encode(tsri_media_list *l, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = l->n_kept; i < l->n && st == TSR_OK; i++) {
        char stage[96];
        snprintf(stage, sizeof stage, "%s %zu of %zu", tsri_media_kind_name(l->at[i].kind), i - l->n_kept + 1,
                 l->n - l->n_kept);
        st = encode_one(l, &l->at[i], stage, err);
    }
    return st;
}

void tsri_media_free(tsri_media *m)
{
    for (size_t i = 0; m->pictures && i < m->n_pictures; i++)
        tsr_image_deinit(&m->pictures[i]);
    tsr_free(m->pictures);
    tsr_free(m->times);
    tsr_free(m->features);
    tsr_free(m->rows);
    tsr_video_close(m->film);
}

void tsri_media_deinit(tsri_media_list *l)
{
    for (size_t i = l->n_kept; i < l->n; i++)
        tsri_media_free(&l->at[i]);
    for (size_t i = 0; l->inputs && i < l->rq->n_parts; i++) {
        tsr_pdf_close(l->inputs[i].pdf);
        tsr_source_close(l->inputs[i].source);
    }
    tsr_free(l->at);
    tsr_free(l->inputs);
    memset(l, 0, sizeof *l);
}

static tsr_json *size_list(size_t width, size_t height)
{
    tsri_build b = tsri_build_list();
    tsri_add_size(&b, width);
    tsri_add_size(&b, height);
    return tsri_build_end(&b);
}

static tsr_json *real_list(const double *x, size_t n)
{
    tsri_build b = tsri_build_list();
    for (size_t i = 0; i < n; i++)
        tsri_add(&b, tsr_json_new_double(x[i]));
    return tsri_build_end(&b);
}

tsr_json *tsri_media_json(const tsri_media_list *l, const tsri_media *m)
{
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "kind", tsri_media_kind_name(m->kind));
    tsri_put_text(&o, "name", l->inputs[m->part].name);
    if (m->kind == TSRI_PAGE) {
        tsri_put_size(&o, "page", m->page);
        tsri_put_real(&o, "dpi", m->dpi);
    }
    if (m->kind != TSRI_AUDIO) { /* both as [width, height] */
        tsri_put(&o, "source_size", size_list(m->source_width, m->source_height));
        tsri_put(&o, "size", size_list(m->width, m->height));
        tsri_put_size(&o, "budget", m->budget);
    }
    tsri_put_size(&o, "tokens", m->n_tokens);
    if (m->kind == TSRI_VIDEO || m->kind == TSRI_AUDIO) {
        tsri_put_real(&o, "seconds", m->end - m->begin);
        tsri_put(&o, "covered", real_list((const double[]){m->begin, m->end}, 2));
    }
    if (m->kind == TSRI_VIDEO) {
        tsri_put_size(&o, "tokens_per_frame", m->tokens_each);
        tsri_put(&o, "frame_times", real_list(m->times, m->n_pictures));
    }
    return tsri_build_end(&o);
}
