/* views.c: one reader for three kinds of files that hold pictures. */
#include "views.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

typedef struct file {
    tsri_input in;
    tessera_part_kind kind;
    size_t *pages; /* documents: their numbers, [n] */
    tsr_video *film;
    size_t n; /* pictures in it */
} file;

struct tsri_views {
    const tessera_model *model;
    const tessera_request *rq;
    file *files; /* [n_files] */
    size_t n_files, n;
    size_t file, at; /* the next picture: the at-th of files[file] */
};

static tsr_status open_file(file *f, const tsri_views *v, const tessera_part *part, tsr_error *err)
{
    tsr_status st = tsri_input_open(&f->in, part, tsri_or_size(v->rq->max_file_bytes, TSRI_DEFAULT_MAX_FILE_BYTES),
                                    &f->kind, err);
    if (st == TSR_OK)
        st = tsri_need_vision(v->model, f->in.name, err);
    if (st != TSR_OK)
        return st;
    f->n = 1;
    if (f->kind == TESSERA_PART_PDF)
        return tsri_input_open_pdf(&f->in, v->rq, &f->pages, &f->n, err);
    if (f->kind == TESSERA_PART_VIDEO) {
        tsr_video_opts o = tsri_video_opts(v->rq);
        st = tsr_video_open(&f->film, f->in.source, &o, err);
        if (st == TSR_OK)
            tsr_video_get_picks(f->film, &f->n);
        return st;
    }
    if (f->kind != TESSERA_PART_IMAGE)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is a sound; wanted are pictures, films and PDFs", f->in.name);
    return TSR_OK;
}

tsr_status tsri_views_open(tsri_views **out, const tessera_model *m, const tessera_request *rq, tsr_error *err)
{
    *out = NULL;
    tsri_views *v = tsr_calloc(1, sizeof *v);
    file *files = tsr_calloc(rq->n_parts, sizeof *files);
    if (!v || !files) {
        tsr_free(v);
        tsr_free(files);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu files", rq->n_parts);
    }
    *v = (tsri_views){.model = m, .rq = rq, .files = files};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < rq->n_parts && st == TSR_OK; i++) {
        if (rq->parts[i].kind == TESSERA_PART_TEXT || rq->parts[i].kind == TESSERA_PART_SYSTEM)
            continue;
        file *f = &v->files[v->n_files++];
        st = open_file(f, v, &rq->parts[i], err);
        v->n += f->n;
    }
    if (st == TSR_OK)
        *out = v;
    else
        tsri_views_close(v);
    return st;
}

void tsri_views_close(tsri_views *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n_files; i++) {
        tsr_free(v->files[i].pages);
        tsr_video_close(v->files[i].film);
        tsr_pdf_close(v->files[i].in.pdf);
        tsr_source_close(v->files[i].in.source);
    }
    tsr_free(v->files);
    tsr_free(v);
}

size_t tsri_views_n(const tsri_views *v)
{
    return v->n;
}

size_t tsri_views_n_files(const tsri_views *v)
{
    return v->n_files;
}

void tsri_view_name(char *buf, size_t size, const tsri_view *v)
{
    if (v->kind == TSRI_PAGE)
        snprintf(buf, size, "%s, page %zu", v->file, v->page);
    else if (v->kind == TSRI_VIDEO)
        snprintf(buf, size, "%s, at %.3f s", v->file, v->time_s);
    else
        snprintf(buf, size, "%s", v->file);
}

bool tsri_is_of_one_view(tsr_status st)
{
    return st == TSR_ERR_DATA || st == TSR_ERR_LIMIT || st == TSR_ERR_BUSY || st == TSR_ERR_UNSUPPORTED;
}

void tsri_views_put_place(const tsri_views *all, tsri_build *o, const tsri_view *v, bool whole)
{
    if (whole || tsri_views_n_files(all) > 1)
        tsri_put(o, "file", tsr_json_new_string(v->file, strlen(v->file)));
    if (v->kind == TSRI_PAGE)
        tsri_put_size(o, "page", v->page);
    if (v->kind == TSRI_PAGE && whole)
        tsri_put_real(o, "dpi", v->dpi);
    if (v->kind == TSRI_VIDEO)
        tsri_put_real(o, "time", v->time_s);
}

const char *tsri_views_film(const tsri_views *v)
{
    for (size_t i = 0; i < v->n_files; i++)
        if (v->files[i].kind == TESSERA_PART_VIDEO)
            return v->files[i].in.name;
    return NULL;
}

static tsr_status read_page(const tsri_views *v, const file *f, tsri_view *out, tsr_error *err)
{
    out->kind = TSRI_PAGE;
    out->page = f->pages[v->at];
    out->pdf = f->in.pdf;
    tsr_status st = tsri_page_dpi(&out->dpi, &f->in, out->page, v->rq, v->model, err);
    if (st == TSR_OK)
        st = tsr_pdf_render(f->in.pdf, out->page, out->dpi, &out->picture, err);
    if (st == TSR_OK)
        out->warning = tsr_pdf_warning(f->in.pdf);
    return st;
}

static tsr_status read_frame(const tsri_views *v, const file *f, tsri_view *out, tsr_error *err)
{
    size_t n;
    bool end = false;
    out->kind = TSRI_VIDEO;
    out->time_s = tsr_video_get_picks(f->film, &n)[v->at].time_s;
    tsr_status st = tsr_video_next(f->film, &out->picture, &end, err);
    if (st == TSR_OK && end)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: ends after %zu of %zu planned frames", f->in.name, v->at, n);
    return st;
}

tsr_status tsri_views_next(tsri_views *v, tsri_view *out, bool *end, size_t *n_skipped, tsr_error *err)
{
    memset(out, 0, sizeof *out);
    *n_skipped = 0;
    *end = v->file == v->n_files;
    if (*end)
        return TSR_OK;
    const file *f = &v->files[v->file];
    out->file = f->in.name;
    out->kind = TSRI_IMAGE;
    out->warning = "";
    tsr_status st = f->kind == TESSERA_PART_PDF     ? read_page(v, f, out, err)
                    : f->kind == TESSERA_PART_VIDEO ? read_frame(v, f, out, err)
                                                    : tsri_input_decode(&out->picture, &f->in, v->rq, err);
    if (st != TSR_OK)
        *n_skipped = f->n - v->at;
    if (st != TSR_OK || ++v->at == f->n) {
        v->file++;
        v->at = 0;
    }
    return st;
}
