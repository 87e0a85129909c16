/* compare.c: reading .npy files and measuring differences.
 *
 * An .npy file is "\x93NUMPY", two version bytes, the header's length (2 bytes in version 1, 4 in
 * version 2), a Python dictionary as text, then the elements. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

enum { NPY_MAX_BYTES = 1 << 30, NPY_MAX_HEADER = 4096 };

static size_t type_size(oracle_npy_type t)
{
    return t == ORACLE_U8 ? 1 : 4;
}

static bool parse_type(oracle_npy *a, const char *header)
{
    if (strstr(header, "'fortran_order': False") == NULL) {
        return false;
    }
    if (strstr(header, "'descr': '<f4'") != NULL) {
        a->type = ORACLE_F32;
    } else if (strstr(header, "'descr': '<i4'") != NULL) {
        a->type = ORACLE_I32;
    } else if (strstr(header, "'descr': '|u1'") != NULL) {
        a->type = ORACLE_U8;
    } else {
        return false;
    }
    return true;
}

static bool parse_shape(oracle_npy *a, const char *header)
{
    const char *p = strstr(header, "'shape': (");
    a->n = 1;
    a->n_dims = 0;
    if (p == NULL) {
        return false;
    }
    for (p += strlen("'shape': ("); *p != ')';) {
        char *end = NULL;
        unsigned long long v = strtoull(p, &end, 10);
        if (end == p || a->n_dims == ORACLE_NPY_MAX_DIMS || v > NPY_MAX_BYTES) {
            return false;
        }
        a->shape[a->n_dims++] = (size_t)v;
        if (!tsr_mul_size(&a->n, a->n, (size_t)v)) {
            return false;
        }
        for (p = end; *p == ',' || *p == ' '; p++) {
        }
    }
    return true;
}

/* The header's text into `text`; *at receives where the elements begin. */
static bool take_header(const unsigned char *f, size_t len, char text[NPY_MAX_HEADER + 1], size_t *at)
{
    size_t head, n;
    if (len < 12 || memcmp(f, "\x93NUMPY", 6) != 0 || (f[6] != 1 && f[6] != 2)) {
        return false;
    }
    head = f[6] == 1 ? 10 : 12;
    n = (size_t)f[8] | (size_t)f[9] << 8;
    if (f[6] == 2) {
        n |= (size_t)f[10] << 16 | (size_t)f[11] << 24;
    }
    if (n > NPY_MAX_HEADER || n > len - head) {
        return false;
    }
    memcpy(text, f + head, n);
    text[n] = '\0';
    *at = head + n;
    return true;
}

tsr_status oracle_npy_read(oracle_npy *out, const char *path, tsr_error *err)
{
    unsigned char *file = NULL;
    size_t len = 0, at = 0, n_bytes = 0;
    char header[NPY_MAX_HEADER + 1];
    tsr_status st;

    memset(out, 0, sizeof *out);
    st = tsr_file_read(&file, &len, path, NPY_MAX_BYTES, err);
    if (st != TSR_OK) {
        goto done;
    }
    if (!take_header(file, len, header, &at) || !parse_type(out, header) || !parse_shape(out, header)) {
        st = tsr_fail(err, TSR_ERR_DATA, "%s: not an .npy file of f32, i32 or u8", path);
        goto done;
    }
    if (!tsr_mul_size(&n_bytes, out->n, type_size(out->type)) || n_bytes != len - at) {
        st = tsr_fail(err, TSR_ERR_DATA, "%s: %zu elements announced, %zu bytes there", path, out->n, len - at);
        goto done;
    }
    st = tsr_alloc_array(&out->data, out->n, type_size(out->type), "an .npy array", err);
    if (st == TSR_OK && n_bytes > 0) {
        memcpy(out->data, file + at, n_bytes);
    }
done:
    tsr_free(file);
    if (st != TSR_OK) {
        oracle_npy_free(out);
    }
    return st;
}

void oracle_npy_free(oracle_npy *a)
{
    tsr_free(a->data);
    memset(a, 0, sizeof *a);
}

size_t oracle_npy_row_len(const oracle_npy *a)
{
    size_t n = 1;
    for (size_t i = 1; i < a->n_dims; i++) {
        n *= a->shape[i];
    }
    return n;
}

static bool both_finite(float a, float b)
{
    return isfinite(a) && isfinite(b);
}

static double cosine_of(double aa, double bb, double ab)
{
    if (aa == 0.0 && bb == 0.0) {
        return 1.0;
    }
    return aa == 0.0 || bb == 0.0 ? 0.0 : ab / (sqrt(aa) * sqrt(bb));
}

void oracle_diff_f32(oracle_diff *out, const float *got, const float *want, size_t n)
{
    double aa = 0.0, bb = 0.0, ab = 0.0, sq = 0.0, largest = 0.0;

    memset(out, 0, sizeof *out);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        double a = (double)got[i], b = (double)want[i], d = fabs(a - b);
        bool bad = !both_finite(got[i], want[i]);
        if (bad ? out->n_not_finite == 0 : out->n_not_finite == 0 && d > out->max_abs) {
            out->worst = i;
            out->got = a;
            out->want = b;
        }
        if (bad) {
            out->n_not_finite++;
            continue;
        }
        out->max_abs = d > out->max_abs ? d : out->max_abs;
        largest = fabs(b) > largest ? fabs(b) : largest;
        aa += a * a;
        bb += b * b;
        ab += a * b;
        sq += d * d;
    }
    out->rms = n == 0 ? 0.0 : sqrt(sq / (double)n);
    out->max_rel = out->max_abs == 0.0 ? 0.0 : largest == 0.0 ? HUGE_VAL : out->max_abs / largest;
    out->cosine = cosine_of(aa, bb, ab);
}

bool oracle_diff_within_abs(const oracle_diff *d, double limit)
{
    return d->n_not_finite == 0 && d->max_abs <= limit;
}

bool oracle_diff_within_rel(const oracle_diff *d, double limit)
{
    return d->n_not_finite == 0 && d->max_rel <= limit;
}

bool oracle_diff_cosine_over(const oracle_diff *d, double limit)
{
    return d->n_not_finite == 0 && d->cosine >= limit;
}

size_t oracle_argmax(const float *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = v[i] > v[best] ? i : best;
    }
    return best;
}

uint32_t oracle_crc32(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t table[256], c = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t t = i;
        for (int k = 0; k < 8; k++) {
            t = (t & 1u) != 0 ? 0xEDB88320u ^ (t >> 1) : t >> 1;
        }
        table[i] = t;
    }
    for (size_t i = 0; i < n; i++) {
        c = table[(c ^ p[i]) & 0xFFu] ^ (c >> 8);
    }
    return c ^ 0xFFFFFFFFu;
}
