/* media_load.c: films become fitted frames and sounds become features, in memory. */
#include <stdio.h>

#include "budget.h"
#include "tsr_alloc.h"

static tsr_status load_frame(const tsri_media_list *l, tsri_media *m, size_t i, tsr_error *err)
{
    tsr_image frame = {0};
    bool end = false;
    tsr_status st = tsri_media_report(l, "decoding film", i, m->n_pictures, err);
    if (st == TSR_OK)
        st = tsr_video_next(m->film, &frame, &end, err);
    if (st == TSR_OK && end)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: ends after %zu of %zu planned frames", l->inputs[m->part].name, i,
                      m->n_pictures);
    if (st == TSR_OK)
        st = tsr_image_resize(&m->pictures[i], &frame, m->width, m->height, err);
    tsr_image_deinit(&frame);
    return st;
}

static tsr_status load_video(const tsri_media_list *l, tsri_media *m, tsr_error *err)
{
    m->pictures = tsr_calloc(m->n_pictures, sizeof *m->pictures);
    if (!m->pictures)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu frames", m->n_pictures);
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < m->n_pictures && st == TSR_OK; i++)
        st = load_frame(l, m, i, err);
    tsr_video_close(m->film);
    m->film = NULL;
    return st;
}

static tsr_audio_opts audio_opts(const tessera_request *rq, const tsri_media *m)
{
    tsr_audio_opts o = tsr_audio_opts_default();
    o.max_seconds = tsri_or(rq->max_audio_seconds, o.max_seconds);
    o.start_us = (int64_t)(m->begin * 1e6 + 0.5);
    o.end_us = m->seconds > 0 && m->end >= m->seconds ? -1 : m->end > 0 ? (int64_t)(m->end * 1e6 + 0.5) : -1;
    o.max_packets = rq->max_packets ? rq->max_packets : o.max_packets;
    o.timeout_ms = tsri_deadline_ms(rq);
    return o;
}

static tsr_status make_features(const tsri_media_list *l, tsri_media *m, const tsr_audio *sound, tsr_error *err)
{
    const tsri_input *in = &l->inputs[m->part];
    tsr_status st = TSR_OK;
    m->n_features = tsr_hearing_frames_for(l->model->hearing, sound->n_samples);
    m->feature_width = tsr_hearing_describe(l->model->hearing).feature_width;
    m->n_tokens = tsr_hearing_tokens_for(l->model->hearing, sound->n_samples);
    m->end = m->begin + (double)sound->n_samples / sound->sample_rate;
    if (m->n_tokens == 0)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: %zu samples at %u Hz are too short to give a soft token", in->name,
                      sound->n_samples, sound->sample_rate);
    size_t n = 0;
    if (st == TSR_OK && !tsr_mul_size(&n, m->n_features, m->feature_width))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->features, n, sizeof *m->features, in->name, err);
    if (st == TSR_OK)
        tsr_hearing_features(l->model->hearing, sound->samples, sound->n_samples, m->features);
    return st;
}

static tsr_status load_audio(const tsri_media_list *l, tsri_media *m, tsr_error *err)
{
    tsr_audio sound = {0};
    tsr_audio_opts o = audio_opts(l->rq, m);
    if (l->given_sound)
        return make_features(l, m, l->given_sound, err);
    tsr_status st = tsri_media_report(l, "decoding sound", 0, 1, err);
    if (st == TSR_OK)
        st = tsr_audio_decode(&sound, l->inputs[m->part].source, &o, err);
    if (st == TSR_OK && sound.source.n_holes)
        st = tsri_media_note(l, err, "%s: its sound has %zu hole%s; %.2f s of silence stand there", l->inputs[m->part].name,
                             sound.source.n_holes, sound.source.n_holes == 1 ? "" : "s", (double)sound.source.hole_us / 1e6);
    if (st == TSR_OK)
        st = make_features(l, m, &sound, err);
    tsr_audio_deinit(&sound);
    return st;
}

static tsr_status load_page(const tsri_media_list *l, tsri_media *m, tsr_error *err)
{
    const tsri_input *in = &l->inputs[m->part];
    tsr_image whole = {0};
    char stage[64];
    snprintf(stage, sizeof stage, "rendering page %zu", m->page);
    tsr_status st = tsri_media_report(l, stage, 0, 1, err);
    if (st == TSR_OK)
        st = tsr_pdf_render(in->pdf, m->page, m->dpi, &whole, err);
    if (st != TSR_OK)
        return st;
    m->source_width = whole.width;
    m->source_height = whole.height;
    m->pictures = tsr_calloc(1, sizeof *m->pictures);
    m->n_pictures = m->pictures ? 1 : 0;
    if (!m->pictures)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in->name);
    if (st == TSR_OK)
        st = tsri_media_fit(l, m, tsri_budget_of(l, m), err);
    if (st == TSR_OK)
        st = tsr_image_resize(&m->pictures[0], &whole, m->width, m->height, err);
    m->n_tokens = m->tokens_each;
    tsr_image_deinit(&whole);
    const char *warning = tsr_pdf_warning(in->pdf);
    if (st == TSR_OK && l->rq->dpi)
        st = tsri_budget_note(l, m, err);
    if (st == TSR_OK && warning[0])
        st = tsri_media_note(l, err, "%s: page %zu may lack something: %s", in->name, m->page, warning);
    return st;
}

static tsr_status load_one(const tsri_media_list *l, tsri_media *m, tsr_error *err)
{
    switch (m->kind) {
    case TSRI_VIDEO: return load_video(l, m, err);
    case TSRI_AUDIO: return load_audio(l, m, err);
    case TSRI_PAGE: return load_page(l, m, err);
    case TSRI_IMAGE: break; /* there since it was planned */
    }
    return TSR_OK;
}

tsr_status tsri_media_load(tsri_media_list *l, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = l->n_kept; i < l->n && st == TSR_OK; i++) {
        size_t planned = l->at[i].n_tokens;
        st = load_one(l, &l->at[i], err);
        l->changed = l->changed || l->at[i].n_tokens != planned;
    }
    return st;
}
