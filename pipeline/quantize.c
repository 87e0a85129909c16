/* quantize.c: a model becomes GGUF files, written beside their places and put there together. */
#include "quantize.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model_internal.h"
#include "tsr_alloc.h"
#include "tsr_clock.h"
#include "tsr_file.h"

typedef struct job {
    const char *in, *out;
    const tessera_quantize_opts *o;
    tessera_event_fn event;
    void *user;
    const tsri_mixture *mix[TSRI_N_HALVES];
    bool wanted[TSRI_N_HALVES];
    tsri_source *source;
    tsri_row_work *work;
    tsri_gguf_out files[TSRI_N_HALVES];
    size_t n_files;
    size_t n_tensors, n_done; /* of all files */
    const char *current;      /* tensor */
    tsr_error *err;
} job;

/* ---- the order of tensors ---- */

const char *tsri_gguf_out_name(const tsri_gguf_out *o, size_t i)
{
    return tsr_weights_name(o->tensors, o->order[i]);
}

const tsr_view *tsri_gguf_out_view(const tsri_gguf_out *o, size_t i)
{
    return tsr_weights_view(o->tensors, o->order[i]);
}

uint64_t tsri_gguf_out_bytes(const tsri_gguf_out *o, size_t i)
{
    const tsr_type_traits *t = tsr_type_info(o->choices[i].type);
    return (uint64_t)(tsri_gguf_out_view(o, i)->n_elems / t->block_elems) * t->block_bytes;
}

typedef struct named {
    const char *name;
    size_t i;
} named;

static unsigned long take_number(const char **s)
{
    char *end;
    unsigned long n = strtoul(*s, &end, 10);
    *s = end;
    return n;
}

/* Numbers in names count as numbers, so that layer 10 follows layer 9. */
static int by_name(const void *a, const void *b)
{
    const char *x = ((const named *)a)->name, *y = ((const named *)b)->name;
    while (*x && *y) {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            unsigned long m = take_number(&x), n = take_number(&y);
            if (m != n)
                return m < n ? -1 : 1;
        } else if (*x != *y) {
            break;
        } else {
            x++, y++;
        }
    }
    return (unsigned char)*x - (unsigned char)*y;
}

static tsr_status sort_tensors(tsri_gguf_out *o, tsr_error *err)
{
    named *names = NULL;
    o->n = tsr_weights_count(o->tensors);
    tsr_status st = tsr_alloc_array(&names, o->n, sizeof *names, o->path, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&o->order, o->n, sizeof *o->order, o->path, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&o->choices, o->n, sizeof *o->choices, o->path, err);
    if (st == TSR_OK) {
        for (size_t i = 0; i < o->n; i++)
            names[i] = (named){tsr_weights_name(o->tensors, i), i};
        qsort(names, o->n, sizeof *names, by_name);
        for (size_t i = 0; i < o->n; i++)
            o->order[i] = names[i].i;
    }
    tsr_free(names);
    return st;
}

/* ---- telling ---- */

static bool tell(const job *j, tessera_event_kind kind, const char *text, size_t done, size_t total)
{
    tessera_event ev = {.kind = kind, .text = text, .len = strlen(text), .done = done, .total = total};
    return !j->event || j->event(j->user, &ev) == 0;
}

static bool tick(void *user)
{
    const job *j = user;
    return tell(j, TESSERA_EVENT_STAGE, j->current, j->n_done, j->n_tensors);
}

static void tell_fallback(const job *j, const tsri_gguf_out *o, size_t i)
{
    char line[256];
    const tsri_type_choice *c = &o->choices[i];
    snprintf(line, sizeof line, "%s: rows of %zu are no whole blocks of %s: %s instead", tsri_gguf_out_name(o, i),
             tsr_view_cols(tsri_gguf_out_view(o, i)), tsr_type_info(c->wanted)->name, tsr_type_info(c->type)->name);
    tell(j, TESSERA_EVENT_NOTE, line, 0, 0);
}

/* ---- planning ---- */

static tsr_status check_tensor(const job *j, const tsri_gguf_out *o, size_t i)
{
    const char *name = tsri_gguf_out_name(o, i), *file = tsri_source_path(j->source, o->half);
    const tsr_view *v = tsri_gguf_out_view(o, i);
    tsr_type to = o->choices[i].type;
    if (!tsr_type_info(v->type)->is_float)
        return tsr_fail(j->err, TSR_ERR_MODEL, "%s: tensor %s: type %s, expected a float type", file, name,
                        tsr_type_info(v->type)->name);
    if (tsr_type_is_block(v->type) && v->type != to && !j->o->allow_requantize)
        return tsr_fail(j->err, TSR_ERR_USAGE,
                        "%s: tensor %s is %s already, and %s made of it is worse than %s made of the original; "
                        "--allow-requantize does it",
                        file, name, tsr_type_info(v->type)->name, tsr_type_info(to)->name, tsr_type_info(to)->name);
    return TSR_OK;
}

static tsr_status choose_types(const job *j, tsri_gguf_out *o)
{
    tsri_mixture_model m = tsri_mixture_look(o->tensors);
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < o->n && st == TSR_OK; i++) {
        const char *name = tsri_gguf_out_name(o, i);
        const tsr_view *v = tsri_gguf_out_view(o, i);
        o->choices[i] = o->half == TSRI_TEXT ? tsri_mixture_text_type(o->mix, &m, name, v)
                                             : tsri_mixture_tower_type(o->mix, name, v);
        st = check_tensor(j, o, i);
        if (st == TSR_OK)
            tsr_gguf_add_tensor(o->writer, name, o->choices[i].type, v->n_dims, v->shape);
    }
    return st;
}

static tsr_status plan_file(job *j, tsri_gguf_out *o)
{
    tsr_status st = tsri_source_tensors(&o->tensors, j->source, o->half, j->err);
    if (st == TSR_OK)
        st = sort_tensors(o, j->err);
    if (st == TSR_OK)
        st = tsr_gguf_writer_open(&o->writer, o->path, 0, j->err);
    if (st == TSR_OK)
        st = tsri_source_put(j->source, o->half, o->tensors, o->mix, o->writer, j->err);
    if (st == TSR_OK)
        st = choose_types(j, o);
    j->n_tensors += o->n;
    return st;
}

/* ---- places ---- */

static tsr_status check_place(const job *j, const tsri_gguf_out *o)
{
    const char *path = o->path;
    bool is_second = o->half != TSRI_TEXT && j->wanted[TSRI_TEXT];
    struct stat sb;
    if (stat(path, &sb) != 0)
        return TSR_OK; /* what else may be wrong shows when the file is created */
    if (S_ISDIR(sb.st_mode))
        return tsr_fail(j->err, TSR_ERR_USAGE, "%s: is a folder; name the file", path);
    if (!S_ISREG(sb.st_mode))
        return tsr_fail(j->err, TSR_ERR_USAGE, "%s: is no regular file", path);
    if (tsri_source_is_file(j->source, path))
        return tsr_fail(j->err, TSR_ERR_USAGE, "%s: would be written over itself", path);
    if (!j->o->force)
        return tsr_fail(j->err, TSR_ERR_USAGE, "%s: exists; --force replaces it%s", path,
                        is_second ? ", --only text keeps it" : "");
    return TSR_OK;
}

static tsr_status name_file(job *j, tsri_gguf_out *o)
{
    if (o->half == TSRI_TEXT || !j->wanted[TSRI_TEXT])
        o->path = tsr_strdup(j->out);
    else if (j->o->mmproj_out)
        o->path = tsr_strdup(j->o->mmproj_out);
    else
        return tsri_mmproj_name(&o->path, j->out, o->mix, j->err);
    return o->path ? TSR_OK : tsr_fail(j->err, TSR_ERR_NOMEM, "out of memory: %s", j->out);
}

static tsr_status place_files(job *j)
{
    tsr_status st = TSR_OK;
    for (size_t h = 0; h < TSRI_N_HALVES && st == TSR_OK; h++) {
        if (!j->wanted[h])
            continue;
        tsri_gguf_out *o = &j->files[j->n_files++];
        o->half = (tsri_half)h;
        o->mix = j->mix[h];
        st = name_file(j, o);
        if (st == TSR_OK)
            st = check_place(j, o);
    }
    if (st == TSR_OK && j->n_files == 2 && strcmp(j->files[0].path, j->files[1].path) == 0)
        st = tsr_fail(j->err, TSR_ERR_USAGE, "%s: the text model and the mmproj cannot be one file", j->out);
    return st;
}

/* ---- options ---- */

static tsr_status find_mixture(const job *j, tsri_half half, const char *name, const char *option,
                               const tsri_mixture **out)
{
    char names[256];
    bool towers = half == TSRI_TOWERS;
    *out = tsri_mixture_find(name);
    if (*out && (!towers || (*out)->for_towers))
        return TSR_OK;
    tsri_mixture_names(names, sizeof names, towers);
    return tsr_fail(j->err, TSR_ERR_USAGE, "%s %s: %s can be %s", option, name,
                    towers ? "vision and sound" : "a text model", names);
}

/* What is wanted of what there is, each half's type. Towers written alone take --type, too. */
static tsr_status choose_halves(job *j)
{
    const char *only = j->o->only, *type = j->o->type, *towers = j->o->mmproj_type;
    if (only && strcmp(only, "text") != 0 && strcmp(only, "mmproj") != 0)
        return tsr_fail(j->err, TSR_ERR_USAGE, "--only %s: it is text or mmproj", only);
    j->wanted[TSRI_TEXT] = tsri_source_has(j->source, TSRI_TEXT) && !(only && strcmp(only, "mmproj") == 0);
    j->wanted[TSRI_TOWERS] = tsri_source_has(j->source, TSRI_TOWERS) && !(only && strcmp(only, "text") == 0);
    if (!j->wanted[TSRI_TEXT] && !j->wanted[TSRI_TOWERS])
        return tsr_fail(j->err, TSR_ERR_USAGE, "%s: has no %s", j->in, only && only[0] == 'm' ? "towers" : "text model");
    bool both = j->wanted[TSRI_TEXT] && j->wanted[TSRI_TOWERS];
    if (j->o->mmproj_out && !both)
        return tsr_fail(j->err, TSR_ERR_USAGE, "--mmproj-out %s: only one file is written, which is %s",
                        j->o->mmproj_out, j->out);
    if (!type && j->wanted[TSRI_TEXT])
        return tsr_fail(j->err, TSR_ERR_USAGE, "--type is missing");
    tsr_status st = TSR_OK;
    if (j->wanted[TSRI_TEXT])
        st = find_mixture(j, TSRI_TEXT, type, "--type", &j->mix[TSRI_TEXT]);
    if (st == TSR_OK && j->wanted[TSRI_TOWERS])
        st = towers                ? find_mixture(j, TSRI_TOWERS, towers, "--mmproj-type", &j->mix[TSRI_TOWERS])
             : !both && type       ? find_mixture(j, TSRI_TOWERS, type, "--type", &j->mix[TSRI_TOWERS])
                                   : find_mixture(j, TSRI_TOWERS, "bf16", "--mmproj-type", &j->mix[TSRI_TOWERS]);
    return st;
}

/* ---- writing ---- */

static tsr_status write_file(job *j, tsri_gguf_out *o)
{
    tsr_status st = tsr_gguf_writer_begin(o->writer, j->err);
    for (size_t i = 0; i < o->n && st == TSR_OK; i++) {
        j->current = tsri_gguf_out_name(o, i);
        if (o->choices[i].type != o->choices[i].wanted)
            tell_fallback(j, o, i);
        st = tsri_row_work_write(j->work, o->writer, j->current, tsri_gguf_out_view(o, i), o->choices[i].type, tick, j,
                                 j->err);
        j->n_done++;
    }
    if (st == TSR_OK)
        st = tsr_gguf_writer_sync(o->writer, j->err);
    if (st == TSR_OK)
        st = tsri_source_compare(j->source, o->half, tsr_gguf_writer_temporary(o->writer), j->err);
    return st;
}

static tsr_status quantize(job *j)
{
    tsr_status st = j->o->type ? find_mixture(j, TSRI_TEXT, j->o->type, "--type", &j->mix[TSRI_TEXT]) : TSR_OK;
    if (st == TSR_OK)
        st = tsri_source_open(&j->source, j->in, j->o->mmproj, j->o->threads, j->err);
    if (st == TSR_OK)
        st = choose_halves(j);
    if (st == TSR_OK)
        st = place_files(j);
    for (size_t i = 0; i < j->n_files && st == TSR_OK; i++)
        st = plan_file(j, &j->files[i]);
    if (st == TSR_OK)
        st = tsri_row_work_open(&j->work, tsri_source_pool(j->source), j->err);
    for (size_t i = 0; i < j->n_files && st == TSR_OK; i++)
        st = write_file(j, &j->files[i]);
    for (size_t i = 0; i < j->n_files && st == TSR_OK; i++)
        st = tsr_gguf_writer_finish(j->files[i].writer, j->err);
    return st;
}

static void clean_up(job *j)
{
    for (size_t i = 0; i < j->n_files; i++) {
        tsr_gguf_writer_close(j->files[i].writer);
        tsr_weights_close(j->files[i].tensors);
        tsr_free(j->files[i].order);
        tsr_free(j->files[i].choices);
        tsr_free(j->files[i].path);
    }
    tsri_row_work_close(j->work);
    tsri_source_close(j->source);
}

tessera_status tessera_quantize(const char *in, const char *out, const tessera_quantize_opts *opts,
                                tessera_event_fn event, void *user, char **report, tessera_error *perr)
{
    static const tessera_quantize_opts none;
    tsr_error err = {TSR_OK, ""};
    job j = {.in = in, .out = out, .o = opts ? opts : &none, .event = event, .user = user, .err = &err};
    double began = tsr_clock_s();
    *report = NULL;
    tsr_status st = quantize(&j);
    if (st == TSR_OK)
        st = tsri_quantize_report(report, j.files, j.n_files, tsr_clock_s() - began, j.o->as_json != 0, &err);
    clean_up(&j);
    return tsri_public(perr, st, &err);
}
