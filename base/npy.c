/* npy.c: a 128-byte header of fixed size, so that the row count can be put in at the end.
 * Format: NumPy's documentation of lib.format, version 1.0. */
#include "tsr_npy.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "file_internal.h"
#include "tsr_alloc.h"

enum { HEADER_BYTES = 128, MAX_DIMS_TEXT = 60 /* what the fixed header has room for */ };

struct tsr_npy_writer {
    char *path, *tmp;
    FILE *f;
    tsr_type type;
    unsigned n_dims;
    size_t shape[TSR_MAX_DIMS];
    size_t row_bytes;
    bool failed;
};

static const char *descr(tsr_type t)
{
    switch (t) {
    case TSR_F32: return "<f4";
    case TSR_I32: return "<i4";
    case TSR_U8: return "|u1";
    default: return NULL;
    }
}

/* False when the numbers are too long for the header, which no array that exists can reach. */
static bool make_header(char h[HEADER_BYTES], tsr_type type, unsigned n_dims, const size_t *shape)
{
    char dims[96], text[HEADER_BYTES];
    int n = 0;
    dims[0] = '\0';
    for (unsigned d = 0; d < n_dims; d++) /* at most 4 * 22 characters */
        n += snprintf(dims + n, sizeof dims - (size_t)n, "%zu,%s", shape[d], d + 1 < n_dims ? " " : "");
    if (n > MAX_DIMS_TEXT)
        return false;
    n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr(type), dims);
    memset(h, ' ', HEADER_BYTES);
    memcpy(h, "\x93NUMPY\x01\x00", 8);
    h[8] = HEADER_BYTES - 10;
    h[9] = 0;
    memcpy(h + 10, text, (size_t)n); /* at most 55 + MAX_DIMS_TEXT of 117 */
    h[HEADER_BYTES - 1] = '\n';
    return true;
}

static tsr_status fail_io(tsr_npy_writer *w, const char *what, tsr_error *err)
{
    w->failed = true;
    int e = errno;
    return tsr_fail(err, tsr_status_from_errno(e), "%s: %s (errno %d)", w->path, what, e);
}

static void destroy(tsr_npy_writer *w)
{
    if (w->f)
        fclose(w->f);
    tsr_free(w->path);
    tsr_free(w->tmp);
    tsr_free(w);
}

static tsr_status check_array(const char *path, tsr_type type, unsigned n_dims, const size_t *shape, size_t *row_bytes,
                              tsr_error *err)
{
    char header[HEADER_BYTES];
    if (!descr(type) || n_dims == 0 || n_dims > TSR_MAX_DIMS)
        return tsr_fail(err, TSR_ERR_BUG, "%s: arrays of %s with %u dimensions are not written", path,
                        tsr_type_info(type)->name, n_dims);
    *row_bytes = tsr_type_info(type)->block_bytes;
    bool ok = true;
    for (unsigned d = 1; d < n_dims && ok; d++)
        ok = tsr_mul_size(row_bytes, *row_bytes, shape[d]);
    if (!ok || !make_header(header, type, n_dims, shape))
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: the shape overflows", path);
    return TSR_OK;
}

/* The temporary file with a header that says 0 rows. */
static tsr_status begin(tsr_npy_writer *w, tsr_error *err)
{
    char header[HEADER_BYTES];
    int fd;
    tsr_status st = tsri_file_create_beside(&fd, &w->tmp, w->path, err);
    if (st != TSR_OK)
        return st;
    w->f = fdopen(fd, "wb");
    if (!w->f) {
        st = fail_io(w, "cannot be opened", err);
        close(fd);
        return st;
    }
    make_header(header, w->type, w->n_dims, w->shape);
    if (fwrite(header, 1, sizeof header, w->f) != sizeof header)
        return fail_io(w, "cannot be written", err);
    return TSR_OK;
}

tsr_status tsr_npy_open(tsr_npy_writer **out, const char *path, tsr_type type, unsigned n_dims, const size_t *shape,
                        tsr_error *err)
{
    size_t row_bytes;
    *out = NULL;
    tsr_status st = check_array(path, type, n_dims, shape, &row_bytes, err);
    if (st != TSR_OK)
        return st;
    tsr_npy_writer *w = tsr_calloc(1, sizeof *w);
    if (!w)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    w->type = type;
    w->n_dims = n_dims;
    w->row_bytes = row_bytes;
    for (unsigned d = 1; d < n_dims; d++)
        w->shape[d] = shape[d];
    w->path = tsr_strdup(path);
    st = w->path ? begin(w, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (st != TSR_OK) {
        tsr_npy_close(w, false, NULL);
        return st;
    }
    *out = w;
    return TSR_OK;
}

tsr_status tsr_npy_append(tsr_npy_writer *w, const void *rows, size_t n_rows, tsr_error *err)
{
    if (n_rows && w->row_bytes && fwrite(rows, w->row_bytes, n_rows, w->f) != n_rows)
        return fail_io(w, "cannot be written", err);
    w->shape[0] += n_rows;
    return TSR_OK;
}

static tsr_status finish(tsr_npy_writer *w, tsr_error *err)
{
    char header[HEADER_BYTES];
    if (!make_header(header, w->type, w->n_dims, w->shape))
        return fail_io(w, "has too many rows", err);
    if (fseek(w->f, 0, SEEK_SET) != 0 || fwrite(header, 1, sizeof header, w->f) != sizeof header || fflush(w->f) != 0)
        return fail_io(w, "cannot be written", err);
    FILE *f = w->f;
    w->f = NULL;
    if (fclose(f) != 0)
        return fail_io(w, "cannot be closed", err);
    tsr_status st = tsri_file_place(w->tmp, w->path, err);
    w->failed |= st != TSR_OK;
    return st;
}

tsr_status tsr_npy_close(tsr_npy_writer *w, bool keep, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (!w)
        return TSR_OK;
    if (keep && w->failed)
        st = tsr_fail(err, TSR_ERR_IO, "%s: not kept, since writing it failed before", w->path);
    else if (keep)
        st = finish(w, err);
    if (w->tmp && (!keep || w->failed))
        unlink(w->tmp);
    destroy(w);
    return st;
}

tsr_status tsr_npy_write(const char *path, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                         tsr_error *err)
{
    tsr_npy_writer *w;
    tsr_status st = tsr_npy_open(&w, path, type, n_dims, shape, err);
    if (st != TSR_OK)
        return st;
    st = tsr_npy_append(w, data, shape[0], err);
    tsr_status closed = tsr_npy_close(w, st == TSR_OK, err);
    return st != TSR_OK ? st : closed;
}
