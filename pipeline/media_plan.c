/* media_plan.c: what each file is and how many soft tokens it will be, before films and sounds are
 * decoded. A picture is decoded here: its size is known only when its header is believed. */
#include <math.h>
#include <string.h>

#include "budget.h"
#include "tsr_alloc.h"
#include "tsr_audio.h"
#include "tsr_kind.h"
#include "tsr_pdf.h"

enum { SNIFF_BYTES = 4096, DEFAULT_MAX_PAGES = 200 };

/* ---- what is it? ---- */

static tsr_status open_source(tsri_input *in, const tessera_part *p, size_t max_spool, tsr_error *err)
{
    in->name = p->path ? p->path : "memory";
    if (p->data || !p->path)
        return tsr_source_open_memory(&in->source, p->data ? p->data : "", p->data ? p->len : 0, in->name, err);
    return tsr_source_open(&in->source, p->path, max_spool, err);
}

/* What the container's headers say, looked up once for each file. */
static tsr_status probe(tsri_input *in, tsr_error *err)
{
    if (in->has_facts)
        return TSR_OK;
    tsr_status st = tsr_media_probe(&in->facts, in->source, err);
    in->has_facts = st == TSR_OK;
    return st;
}

static tsr_status kind_of_container(tsri_input *in, tessera_part_kind *kind, tsr_error *err)
{
    tsr_status st = probe(in, err);
    if (st != TSR_OK)
        return st;
    if (!in->facts.has_video && !in->facts.has_audio)
        return tsr_fail(err, TSR_ERR_DATA, "%s: holds neither pictures nor sound", in->name);
    *kind = in->facts.has_video ? TESSERA_PART_VIDEO : TESSERA_PART_AUDIO;
    return TSR_OK;
}

static tsr_status kind_of(tsri_input *in, tessera_part_kind *kind, tsr_error *err)
{
    unsigned char head[SNIFF_BYTES];
    size_t n;
    tsr_status st = tsr_source_read(in->source, 0, head, sizeof head, &n, err);
    if (st != TSR_OK)
        return st;
    tsr_kind k = tsr_kind_of(head, n);
    switch (tsr_kind_class_of(k)) {
    case TSR_CLASS_IMAGE:
        *kind = TESSERA_PART_IMAGE; /* a kind that is not read is refused by the decoder, by name */
        return TSR_OK;
    case TSR_CLASS_AUDIO: *kind = TESSERA_PART_AUDIO; return TSR_OK;
    case TSR_CLASS_PDF: *kind = TESSERA_PART_PDF; return TSR_OK;
    case TSR_CLASS_CONTAINER: return kind_of_container(in, kind, err);
    case TSR_CLASS_OTHER: break;
    }
    return tsr_fail(err, TSR_ERR_DATA, "%s: is neither picture, sound, film nor PDF (its bytes look like: %s)",
                    in->name, tsr_kind_name(k));
}

/* A part that names its kind must hold it: a film is no picture, whatever its option says. */
static tsr_status check_kind(const tsri_input *in, tessera_part_kind want, tessera_part_kind have, tsr_error *err)
{
    static const char *const names[] = {[TESSERA_PART_IMAGE] = "a picture", [TESSERA_PART_AUDIO] = "a sound",
                                        [TESSERA_PART_VIDEO] = "a film", [TESSERA_PART_PDF] = "a PDF"};
    bool ok = want == TESSERA_PART_FILE || want == have || (want == TESSERA_PART_AUDIO && have == TESSERA_PART_VIDEO);
    if (!ok)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is %s, not %s", in->name, names[have], names[want]);
    return TSR_OK;
}

tsr_status tsri_input_open(tsri_input *in, const tessera_part *part, size_t max_spool, tessera_part_kind *kind,
                           tsr_error *err)
{
    tsr_status st = open_source(in, part, max_spool, err);
    if (st == TSR_OK)
        st = kind_of(in, kind, err);
    return st == TSR_OK ? check_kind(in, part->kind, *kind, err) : st;
}

tessera_status tessera_sniff(const tessera_part *part, tessera_part_kind *kind, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsri_input in = {0};
    tessera_part_kind have = part->kind;
    tsr_status st = TSR_OK;
    if (part->kind == TESSERA_PART_TEXT || part->kind == TESSERA_PART_SYSTEM)
        st = tsr_fail(&err, TSR_ERR_USAGE, "a text part has no bytes to look at");
    if (st == TSR_OK)
        st = tsri_input_open(&in, part, TSRI_DEFAULT_MAX_FILE_BYTES, &have, &err);
    if (st == TSR_OK)
        *kind = part->kind == TESSERA_PART_FILE ? have : part->kind;
    tsr_source_close(in.source);
    return tsri_public(perr, st, &err);
}

/* ---- the senses ---- */

static tsr_status lacks(const tessera_model *m, const char *name, const char *what, tsr_error *err)
{
    bool alone = m->files.text && !m->files.mmproj;
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: this model (%s) cannot %s weights%s", name,
                    tsri_model_variant(m), what,
                    alone ? ": they stand in a mmproj file, and none that belongs to this model is beside it" : "");
}

tsr_status tsri_need_vision(const tessera_model *m, const char *name, tsr_error *err)
{
    return m->vision ? TSR_OK : lacks(m, name, "see: it has no vision", err);
}

static tsr_status need_vision(const tsri_media_list *l, size_t part, tsr_error *err)
{
    return tsri_need_vision(l->model, l->inputs[part].name, err);
}

tsr_status tsri_need_hearing(const tessera_model *m, const char *name, tsr_error *err)
{
    return m->hearing ? TSR_OK : lacks(m, name, "hear: it has no audio", err);
}

static tsr_status need_hearing(const tsri_media_list *l, size_t part, tsr_error *err)
{
    return tsri_need_hearing(l->model, l->inputs[part].name, err);
}

/* ---- pictures ---- */

static tsr_status read_all(const tsri_input *in, const tessera_request *rq, unsigned char **out, size_t *len,
                           tsr_error *err)
{
    size_t most = tsri_or_size(rq->max_file_bytes, TSRI_DEFAULT_MAX_FILE_BYTES), got = 0;
    uint64_t size = tsr_source_size(in->source);
    *out = NULL;
    *len = 0;
    if (size > most)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %llu bytes, the limit is %zu", in->name, (unsigned long long)size, most);
    tsr_status st = tsr_alloc_array(out, (size_t)size + 1, 1, in->name, err);
    if (st == TSR_OK)
        st = tsr_source_read(in->source, 0, *out, (size_t)size, &got, err);
    if (st != TSR_OK) {
        tsr_free(*out);
        *out = NULL;
    }
    *len = got;
    return st;
}

tsr_status tsri_input_decode(tsr_image *out, const tsri_input *in, const tessera_request *rq, tsr_error *err)
{
    unsigned char *bytes = NULL;
    size_t len;
    tsr_image_limits limits = tsr_image_limits_default();
    limits.max_pixels = tsri_or_size(rq->max_pixels, limits.max_pixels);
    tsr_status st = read_all(in, rq, &bytes, &len, err);
    if (st == TSR_OK)
        st = tsr_image_decode(out, bytes, len, in->name, &limits, err);
    tsr_free(bytes);
    return st;
}

/* A decoded picture becomes a fitted one. */
static tsr_status plan_picture(tsri_media_list *l, size_t part, const tsr_image *whole, tsr_error *err)
{
    tsri_media *m = tsri_media_add(l, TSRI_IMAGE, part, err);
    if (!m)
        return TSR_ERR_NOMEM;
    m->source_width = whole->width;
    m->source_height = whole->height;
    tsr_status st = tsri_media_fit(l, m, tsri_budget_of(l, m), err);
    if (st == TSR_OK)
        st = tsri_budget_note(l, m, err);
    if (st == TSR_OK && !(m->pictures = tsr_calloc(1, sizeof *m->pictures)))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", l->inputs[part].name);
    if (st != TSR_OK)
        return st;
    m->n_pictures = 1;
    m->n_tokens = m->tokens_each;
    return tsr_image_resize(&m->pictures[0], whole, m->width, m->height, err);
}

static tsr_status plan_image(tsri_media_list *l, size_t part, tsr_error *err)
{
    tsr_image whole = {0};
    tsr_status st = need_vision(l, part, err);
    if (st == TSR_OK)
        st = tsri_input_decode(&whole, &l->inputs[part], l->rq, err);
    if (st == TSR_OK)
        st = plan_picture(l, part, &whole, err);
    tsr_image_deinit(&whole);
    return st;
}

static tsr_status plan_given(tsri_media_list *l, size_t part, tsr_error *err)
{
    l->inputs[part].name = l->rq->parts[part].path;
    tsr_status st = need_vision(l, part, err);
    return st == TSR_OK ? plan_picture(l, part, l->given, err) : st;
}

/* ---- sound ---- */

static double us_to_s(int64_t us)
{
    return (double)us / 1e6;
}

/* The file is probed; begin and end cut a film's sound as its frames are. */
static tsr_status plan_sound(tsri_media_list *l, size_t part, double begin, double end, tsr_error *err)
{
    double most = tsri_or(l->rq->max_audio_seconds, TSRI_MAX_SOUND_SECONDS);
    int64_t audio_us = l->inputs[part].facts.audio_us;
    tsr_status st = need_hearing(l, part, err);
    tsri_media *m = st == TSR_OK ? tsri_media_add(l, TSRI_AUDIO, part, err) : NULL;
    if (!m)
        return st != TSR_OK ? st : TSR_ERR_NOMEM;
    m->seconds = audio_us > 0 ? us_to_s(audio_us) : 0;
    m->begin = begin;
    m->end = end > 0 && (m->seconds <= 0 || end < m->seconds) ? end : m->seconds;
    double told = m->end > begin ? m->end - begin : 0; /* 0: unknown until it is decoded */
    double rate_hz = (double)tsr_hearing_describe(l->model->hearing).rate_hz;
    size_t n = (size_t)((told > 0 && told < most ? told : most) * rate_hz);
    m->n_tokens = tsr_hearing_tokens_for(l->model->hearing, n);
    return TSR_OK;
}

/* Samples in memory have a length that is known, and a part's path is their name alone. */
static tsr_status plan_given_sound(tsri_media_list *l, size_t part, tsr_error *err)
{
    double seconds = (double)l->given_sound->n_samples / l->given_sound->sample_rate;
    l->inputs[part].name = l->rq->parts[part].path;
    l->inputs[part].facts.audio_us = (int64_t)(seconds * 1e6 + 0.5);
    return plan_sound(l, part, 0, 0, err);
}

static tsr_status plan_audio(tsri_media_list *l, size_t part, tsr_error *err)
{
    tsr_status st = probe(&l->inputs[part], err);
    if (st == TSR_OK && !l->inputs[part].facts.has_audio)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: holds no sound", l->inputs[part].name);
    return st == TSR_OK ? plan_sound(l, part, 0, 0, err) : st;
}

/* ---- films ---- */

tsr_video_opts tsri_video_opts(const tessera_request *rq)
{
    tsr_video_opts o = tsr_video_opts_default();
    o.fps = rq->fps > 0 ? rq->fps : 0;
    o.scenes = rq->frames == TESSERA_FRAMES_AUTO;
    o.n_frames = o.scenes ? 0 : rq->frames;
    o.hf = rq->sampler == TESSERA_FRAMES_HF;
    o.start_us = (int64_t)(rq->start * 1e6 + 0.5);
    o.end_us = rq->end > 0 ? (int64_t)(rq->end * 1e6 + 0.5) : -1;
    o.max_frames = tsri_or_size(rq->max_frames, o.max_frames);
    o.max_pixels = tsri_or_size(rq->max_pixels, o.max_pixels);
    o.max_seconds = tsri_or(rq->max_film_seconds, o.max_seconds);
    o.max_packets = rq->max_packets ? rq->max_packets : o.max_packets;
    o.timeout_ms = tsri_deadline_ms(rq);
    return o;
}

/* For tsr_video_opts.stop; user: the list. */
static bool is_stopped(void *user)
{
    tsr_error err = {TSR_OK, ""};
    return tsri_media_report(user, "looking through a film", 0, 1, &err) != TSR_OK;
}

static tsr_status plan_film_sound(tsri_media_list *l, size_t part, tsr_error *err)
{
    tsr_status st = need_hearing(l, part, err);
    if (st == TSR_OK)
        st = probe(&l->inputs[part], err);
    if (st == TSR_OK && !l->inputs[part].facts.has_audio)
        return tsri_media_note(l, err, "%s has no sound; its frames go in alone", l->inputs[part].name);
    return st == TSR_OK ? plan_sound(l, part, l->rq->start, l->rq->end, err) : st;
}

static tsr_status plan_video(tsri_media_list *l, size_t part, tsr_error *err)
{
    tsr_video_opts o = tsri_video_opts(l->rq);
    o.stop = is_stopped;
    o.stop_user = l;
    tsr_status st = need_vision(l, part, err);
    tsri_media *m = st == TSR_OK ? tsri_media_add(l, TSRI_VIDEO, part, err) : NULL;
    if (!m)
        return st != TSR_OK ? st : TSR_ERR_NOMEM;
    st = tsr_video_open(&m->film, l->inputs[part].source, &o, err);
    if (st != TSR_OK)
        return st;
    const tsr_video_facts *facts = tsr_video_get_facts(m->film);
    const tsr_video_pick *picks = tsr_video_get_picks(m->film, &m->n_pictures);
    m->source_width = facts->width;
    m->source_height = facts->height;
    m->seconds = us_to_s(facts->duration_us);
    m->begin = l->rq->start;
    m->end = l->rq->end > 0 && l->rq->end < m->seconds ? l->rq->end : m->seconds;
    st = tsri_media_fit(l, m, tsri_or_size(l->rq->video_budget, TSRI_DEFAULT_VIDEO_BUDGET), err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&m->times, m->n_pictures, sizeof *m->times, "frame times", err);
    if (st == TSR_OK && !tsr_mul_size(&m->n_tokens, m->n_pictures, m->tokens_each))
        st = tsr_fail(err, TSR_ERR_LIMIT, "%s: too many frames", l->inputs[part].name);
    for (size_t i = 0; st == TSR_OK && i < m->n_pictures; i++)
        m->times[i] = picks[i].time_s;
    if (st == TSR_OK && l->rq->with_sound)
        st = plan_film_sound(l, part, err); /* m may move: not used after this */
    return st;
}

/* ---- documents ---- */

/* Pixels of a page's side at a resolution, rounded up as poppler does. */
static size_t side_px(double pt, double dpi)
{
    double px = ceil(pt * dpi / 72);
    return px >= 1 ? (size_t)px : 1;
}

tsr_status tsri_page_dpi(double *dpi, const tsri_input *in, size_t page, const tessera_request *rq,
                         const tessera_model *m, tsr_error *err)
{
    double w, h;
    size_t budget = rq->budget == TESSERA_BUDGET_AUTO ? tsri_budget_most(m, rq, true)
                                                      : tsri_or_size(rq->budget, TSRI_DEFAULT_BUDGET);
    tsr_vision_info v = tsr_vision_describe(m->vision);
    tsr_status st = tsr_pdf_page_size(in->pdf, page, &w, &h, err);
    if (st == TSR_OK)
        *dpi = rq->dpi ? rq->dpi : tsr_pdf_dpi_for(w, h, budget * v.patch * v.pool * v.patch * v.pool);
    return st;
}

static tsr_status plan_page(tsri_media_list *l, size_t part, size_t page, tsr_error *err)
{
    double w, h;
    const tsri_input *in = &l->inputs[part];
    tsri_media *m = tsri_media_add(l, TSRI_PAGE, part, err);
    if (!m)
        return TSR_ERR_NOMEM;
    m->page = page;
    tsr_status st = tsri_page_dpi(&m->dpi, in, page, l->rq, l->model, err);
    if (st == TSR_OK)
        st = tsr_pdf_page_size(in->pdf, page, &w, &h, err);
    if (st != TSR_OK)
        return st;
    m->source_width = side_px(w, m->dpi);
    m->source_height = side_px(h, m->dpi);
    st = tsri_media_fit(l, m, tsri_budget_of(l, m), err);
    m->n_tokens = m->tokens_each;
    return st;
}

tsr_status tsri_input_open_pdf(tsri_input *in, const tessera_request *rq, size_t **pages, size_t *n, tsr_error *err)
{
    tsr_pdf_opts o = tsr_pdf_opts_default();
    o.max_pixels = tsri_or_size(rq->max_pixels, o.max_pixels);
    if (rq->media_deadline > 0)
        o.timeout_ms = tsri_deadline_ms(rq);
    tsr_status st = tsr_pdf_open(&in->pdf, in->source, &o, err);
    if (st == TSR_OK)
        st = tsr_pdf_pages_parse(pages, n, rq->pages, tsr_pdf_n_pages(in->pdf),
                                 tsri_or_size(rq->max_pages, DEFAULT_MAX_PAGES), err);
    return st;
}

static tsr_status plan_pdf(tsri_media_list *l, size_t part, tsr_error *err)
{
    size_t *pages = NULL, n = 0;
    tsr_status st = need_vision(l, part, err);
    if (st == TSR_OK)
        st = tsri_input_open_pdf(&l->inputs[part], l->rq, &pages, &n, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        st = plan_page(l, part, pages[i], err);
    tsr_free(pages);
    return st;
}

/* ---- all parts ---- */

static tsr_status plan_part(tsri_media_list *l, size_t part, tsr_error *err)
{
    const tessera_part *p = &l->rq->parts[part];
    tessera_part_kind kind;
    if (l->given && p->kind == TESSERA_PART_IMAGE)
        return plan_given(l, part, err);
    if (l->given_sound && p->kind == TESSERA_PART_AUDIO)
        return plan_given_sound(l, part, err);
    size_t most = tsri_or_size(l->rq->max_file_bytes, TSRI_DEFAULT_MAX_FILE_BYTES);
    tsr_status st = tsri_input_open(&l->inputs[part], p, most, &kind, err);
    if (st != TSR_OK)
        return st;
    switch (p->kind == TESSERA_PART_FILE ? kind : p->kind) {
    case TESSERA_PART_IMAGE: return plan_image(l, part, err);
    case TESSERA_PART_AUDIO: return plan_audio(l, part, err);
    case TESSERA_PART_VIDEO: return plan_video(l, part, err);
    case TESSERA_PART_PDF: return plan_pdf(l, part, err);
    default: return tsr_fail(err, TSR_ERR_BUG, "part %zu is no media part", part);
    }
}

tsr_status tsri_media_plan(tsri_media_list *l, tsr_error *err)
{
    l->inputs = tsr_calloc(l->rq->n_parts, sizeof *l->inputs);
    if (!l->inputs)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu parts", l->rq->n_parts);
    tsr_status st = TSR_OK;
    for (size_t i = l->n_kept_parts; i < l->rq->n_parts && st == TSR_OK; i++) {
        tessera_part_kind k = l->rq->parts[i].kind;
        if (k == TESSERA_PART_TEXT || k == TESSERA_PART_SYSTEM)
            continue;
        st = tsri_media_report(l, "reading files", i, l->rq->n_parts, err);
        if (st == TSR_OK)
            st = plan_part(l, i, err);
    }
    return st;
}
