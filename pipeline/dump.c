/* dump.c: arrays of a request into files; logits stream row by row, since all of them can be large. */
#include "dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

enum { NAME_BYTES = 64 };

static tsr_status make_dir(const char *path, tsr_error *err)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return TSR_OK;
    int e = errno;
    tsr_status st = tsr_status_from_errno(e);
    return tsr_fail(err, st == TSR_ERR_NOINPUT ? TSR_ERR_IO : st, "%s: cannot be made: %s", path, strerror(e));
}

/* a, a/b, a/b/c: each prefix that ends before a slash, then the whole. */
static tsr_status make_dirs(const char *dir, tsr_error *err)
{
    char *path = tsr_strdup(dir);
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
    tsr_status st = TSR_OK;
    for (char *c = path + 1; *path && *c && st == TSR_OK; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        st = make_dir(path, err);
        *c = '/';
    }
    if (st == TSR_OK)
        st = make_dir(path, err);
    if (st == TSR_OK && !tsr_file_is_dir(path))
        st = tsr_fail(err, TSR_ERR_IO, "%s: is not a folder", path);
    tsr_free(path);
    return st;
}

static tsr_status path_of(const tsri_dump *d, const char *name, char **out, tsr_error *err)
{
    *out = tsr_path_join(d->dir, name);
    return *out ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", d->dir);
}

tsr_status tsri_dump_open(tsri_dump *d, const char *dir, size_t vocab, tsr_error *err)
{
    *d = (tsri_dump){.dir = dir, .vocab = vocab};
    if (!dir)
        return TSR_OK;
    if (!*dir)
        return tsr_fail(err, TSR_ERR_USAGE, "the dump folder has no name");
    char *path = NULL;
    tsr_status st = make_dirs(dir, err);
    if (st == TSR_OK)
        st = path_of(d, "logits.npy", &path, err);
    if (st == TSR_OK)
        st = tsr_npy_open(&d->logits, path, TSR_F32, 2, (size_t[]){0, vocab}, err);
    tsr_free(path);
    return st;
}

tsr_status tsri_dump_close(tsri_dump *d, bool keep, tsr_error *err)
{
    tsr_npy_writer *w = d->logits;
    d->logits = NULL;
    return tsr_npy_close(w, keep, err);
}

static tsr_status write(const tsri_dump *d, const char *name, tsr_type type, unsigned n_dims, const size_t *shape,
                        const void *data, tsr_error *err)
{
    char *path;
    tsr_status st = path_of(d, name, &path, err);
    if (st == TSR_OK)
        st = tsr_npy_write(path, type, n_dims, shape, data, err);
    tsr_free(path);
    return st;
}

tsr_status tsri_dump_ids(tsri_dump *d, const char *name, const int32_t *ids, size_t n, tsr_error *err)
{
    char file[NAME_BYTES];
    if (!d->dir)
        return TSR_OK;
    snprintf(file, sizeof file, "%s.npy", name);
    return write(d, file, TSR_I32, 1, &n, ids, err);
}

/* The frames of a film are pictures of one size in separate memory. */
static tsr_status write_frames(const tsri_dump *d, const char *name, const tsri_media *p, tsr_error *err)
{
    char *path;
    tsr_npy_writer *w = NULL;
    tsr_status st = path_of(d, name, &path, err);
    if (st == TSR_OK)
        st = tsr_npy_open(&w, path, TSR_U8, 4, (size_t[]){0, p->height, p->width, 3}, err);
    for (size_t i = 0; i < p->n_pictures && st == TSR_OK; i++)
        st = tsr_npy_append(w, p->pictures[i].rgb, 1, err);
    tsr_status closed = tsr_npy_close(w, st == TSR_OK, err);
    tsr_free(path);
    return st != TSR_OK ? st : closed;
}

tsr_status tsri_dump_part(tsri_dump *d, size_t k, const tsri_media *p, size_t hidden, tsr_error *err)
{
    char name[NAME_BYTES];
    tsr_status st = TSR_OK;
    if (!d->dir)
        return TSR_OK;
    snprintf(name, sizeof name, "part%zu_pixels.npy", k);
    if (p->kind == TSRI_VIDEO)
        st = write_frames(d, name, p, err);
    else if (p->kind != TSRI_AUDIO)
        st = write(d, name, TSR_U8, 3, (size_t[]){p->height, p->width, 3}, p->pictures[0].rgb, err);
    snprintf(name, sizeof name, "part%zu_mel.npy", k);
    if (st == TSR_OK && p->kind == TSRI_AUDIO)
        st = write(d, name, TSR_F32, 2, (size_t[]){p->n_features, p->feature_width}, p->features, err);
    snprintf(name, sizeof name, "part%zu_rows.npy", k);
    if (st == TSR_OK)
        st = write(d, name, TSR_F32, 2, (size_t[]){p->n_tokens, hidden}, p->rows, err);
    return st;
}

tsr_status tsri_dump_logits(tsri_dump *d, const float *row, tsr_error *err)
{
    return d->logits ? tsr_npy_append(d->logits, row, 1, err) : TSR_OK;
}
