/* rungs.c: the ladder from token ids to greedy tokens, with its limits.
 *
 * refs/CASE/expect.json gives for each rung its whole shape and which rows of it were kept: rows 0, step,
 * 2 * step, ... and the last one. A row is an entry of the first axis; a picture's or a film's row is a line. */
#include "rungs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "tsr_json.h"

#define LIMIT_MEL_ABS 1e-4
#define LIMIT_REL 1e-4
#define LIMIT_COSINE_BF16 0.9999

enum { PATH_BYTES = 1024, MAX_EXPECT_BYTES = 1 << 20 };

typedef struct ladder {
    const char *case_name, *dump_dir;
    bool bf16;
    size_t n_sure; /* greedy tokens before the first near-tie */
    size_t n_failed;
} ladder;

typedef struct rung {
    const char *name;
    const tsr_json *spec;
    oracle_npy got, want; /* the whole dump; the kept rows */
    size_t step, n_rows, row_len;
} rung;

static void report(ladder *l, const char *name, bool ok, const char *what)
{
    printf("  %-4s %-14s %s\n", ok ? "ok" : "FAIL", name, what);
    l->n_failed += ok ? 0 : 1;
}

static bool same_shape(const oracle_npy *a, const tsr_json *shape)
{
    size_t want = 0;
    if (a->n_dims != tsr_json_len(shape)) {
        return false;
    }
    for (size_t i = 0; i < a->n_dims; i++) {
        if (!tsr_json_to_size(tsr_json_at(shape, i), &want) || want != a->shape[i]) {
            return false;
        }
    }
    return true;
}

static void print_shapes(char *out, size_t cap, const oracle_npy *a, const tsr_json *shape)
{
    size_t n = 0, want = 0;
    n += (size_t)snprintf(out + n, cap - n, "shape is [");
    for (size_t i = 0; i < a->n_dims && n < cap; i++) {
        n += (size_t)snprintf(out + n, cap - n, " %zu", a->shape[i]);
    }
    n += n < cap ? (size_t)snprintf(out + n, cap - n, " ], not [") : 0;
    for (size_t i = 0; i < tsr_json_len(shape) && n < cap; i++) {
        (void)tsr_json_to_size(tsr_json_at(shape, i), &want);
        n += (size_t)snprintf(out + n, cap - n, " %zu", want);
    }
    if (n < cap) {
        (void)snprintf(out + n, cap - n, " ]");
    }
}

/* Which row of the whole array the k-th kept row is. */
static size_t row_of(const rung *r, size_t k)
{
    size_t row = k * r->step;
    return row < r->n_rows ? row : r->n_rows - 1;
}

static bool open_rung(ladder *l, rung *r)
{
    char path[PATH_BYTES], what[256];
    tsr_error err;
    tsr_error_clear(&err);
    (void)snprintf(path, sizeof path, "%s/refs/%s/%s.npy", TSR_ORACLE_DIR, l->case_name, r->name);
    tsr_status st = oracle_npy_read(&r->want, path, &err);
    if (st == TSR_OK) {
        (void)snprintf(path, sizeof path, "%s/%s.npy", l->dump_dir, r->name);
        st = oracle_npy_read(&r->got, path, &err);
    }
    if (st != TSR_OK) {
        report(l, r->name, false, err.text);
        return false;
    }
    if (!same_shape(&r->got, tsr_json_get(r->spec, "shape"))) {
        print_shapes(what, sizeof what, &r->got, tsr_json_get(r->spec, "shape"));
        report(l, r->name, false, what);
        return false;
    }
    if (r->got.type != r->want.type || !tsr_json_to_size(tsr_json_get(r->spec, "step"), &r->step) || r->step == 0) {
        report(l, r->name, false, "element type differs");
        return false;
    }
    r->row_len = oracle_npy_row_len(&r->want);
    r->n_rows = r->row_len == 0 ? 0 : r->got.n / r->row_len;
    return true;
}

static void close_rung(rung *r)
{
    oracle_npy_free(&r->got);
    oracle_npy_free(&r->want);
}

/* The kept rows of the dump, moved to the front of its own memory. */
static void gather(rung *r)
{
    size_t size = r->row_len * (r->got.type == ORACLE_U8 ? 1 : 4);
    char *base = r->got.data;
    for (size_t k = 0; k < r->want.shape[0]; k++) {
        memmove(base + k * size, base + row_of(r, k) * size, size);
    }
}

static void check_ids(ladder *l, const rung *r, size_t n)
{
    char what[128];
    const int32_t *a = r->got.data, *b = r->want.data;
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    if (i < n) {
        (void)snprintf(what, sizeof what, "[%zu] is %" PRId32 ", not %" PRId32, i, a[i], b[i]);
    } else {
        (void)snprintf(what, sizeof what, "%zu of %zu equal", n, r->want.n);
    }
    report(l, r->name, i == n, what);
}

static void check_pixels(ladder *l, rung *r)
{
    char what[160];
    const char *crc = tsr_json_string(tsr_json_get(r->spec, "crc32"), NULL);
    uint32_t got = oracle_crc32(r->got.data, r->got.n);
    bool ok = crc != NULL && strtoul(crc, NULL, 16) == got;
    size_t n_bad = 0;
    int worst = 0;
    gather(r);
    const uint8_t *a = r->got.data, *b = r->want.data;
    for (size_t i = 0; i < r->want.n; i++) {
        int d = abs((int)a[i] - (int)b[i]);
        n_bad += d != 0 ? 1 : 0;
        worst = d > worst ? d : worst;
    }
    (void)snprintf(what, sizeof what, "crc %08" PRIx32 "/%s, %zu of %zu kept values differ by up to %d (limit 0)", got,
                   crc != NULL ? crc : "?", n_bad, r->want.n, worst);
    report(l, r->name, ok && n_bad == 0, what);
}

/* The least cosine of any row: one bad position must not hide among good ones. */
static double least_cosine(const rung *r)
{
    double least = 1.0;
    for (size_t k = 0; k < r->want.shape[0]; k++) {
        oracle_diff d;
        size_t at = k * r->row_len;
        oracle_diff_f32(&d, (const float *)r->got.data + at, (const float *)r->want.data + at, r->row_len);
        least = d.cosine < least ? d.cosine : least;
    }
    return least;
}

static void check_floats(ladder *l, rung *r)
{
    char what[256];
    oracle_diff d;
    bool mel = strstr(r->name, "_mel") != NULL;
    gather(r);
    oracle_diff_f32(&d, r->got.data, r->want.data, r->want.n);
    d.cosine = least_cosine(r);
    bool ok = mel       ? oracle_diff_within_abs(&d, LIMIT_MEL_ABS)
              : l->bf16 ? oracle_diff_cosine_over(&d, LIMIT_COSINE_BF16)
                        : oracle_diff_within_rel(&d, LIMIT_REL);
    (void)snprintf(what, sizeof what,
                   "abs %.2e%s rel %.2e%s rms %.2e least cos %.7f%s not finite %zu; worst in kept row %zu: %g, not %g",
                   d.max_abs, mel ? " (limit 1e-4)" : "", d.max_rel, mel || l->bf16 ? "" : " (limit 1e-4)", d.rms,
                   d.cosine, l->bf16 && !mel ? " (limit 0.9999)" : "", d.n_not_finite,
                   r->row_len ? d.worst / r->row_len : 0, d.got, d.want);
    report(l, r->name, ok, what);
}

static void check_top(ladder *l, const rung *r)
{
    char what[96];
    size_t k = r->want.shape[0] - 1;
    const float *got = (const float *)r->got.data + k * r->row_len;
    const float *want = (const float *)r->want.data + k * r->row_len;
    size_t a = oracle_argmax(got, r->row_len), b = oracle_argmax(want, r->row_len);
    (void)snprintf(what, sizeof what, "last position's top token %zu, reference %zu%s", a, b,
                   l->n_sure == 0 ? " (near-tie)" : "");
    report(l, "top", a == b || l->n_sure == 0, what);
}

static void check_tokens(ladder *l, const rung *r)
{
    size_t n = l->n_sure < r->want.n ? l->n_sure : r->want.n;
    if (r->got.n < n) {
        report(l, r->name, false, "generation ended early");
        return;
    }
    check_ids(l, r, n);
}

/* Token counts may differ after a near-tie, so token_ids come without the shape check. */
static bool open_tokens(ladder *l, rung *r)
{
    char path[PATH_BYTES];
    tsr_error err;
    tsr_error_clear(&err);
    (void)snprintf(path, sizeof path, "%s/refs/%s/%s.npy", TSR_ORACLE_DIR, l->case_name, r->name);
    tsr_status st = oracle_npy_read(&r->want, path, &err);
    (void)snprintf(path, sizeof path, "%s/%s.npy", l->dump_dir, r->name);
    if (st == TSR_OK) {
        st = oracle_npy_read(&r->got, path, &err);
    }
    if (st != TSR_OK || r->got.type != ORACLE_I32 || (l->n_sure >= r->want.n && r->got.n != r->want.n)) {
        report(l, r->name, false, st != TSR_OK ? err.text : "number or type of tokens differs");
        return false;
    }
    return true;
}

static void check_rung(ladder *l, const char *name, const tsr_json *spec)
{
    rung r = {0};
    r.name = name;
    r.spec = spec;
    if (strcmp(name, "margins") == 0) {
        return;
    }
    if (strcmp(name, "token_ids") == 0) {
        if (open_tokens(l, &r)) {
            check_tokens(l, &r);
        }
    } else if (open_rung(l, &r)) {
        if (r.want.type == ORACLE_I32) {
            check_ids(l, &r, r.want.n);
        } else if (r.want.type == ORACLE_U8) {
            check_pixels(l, &r);
        } else {
            check_floats(l, &r);
        }
        if (strcmp(name, "logits") == 0) {
            check_top(l, &r);
        }
    }
    close_rung(&r);
}

size_t oracle_rungs_check(const char *case_name, const char *dump_dir, bool bf16)
{
    char path[PATH_BYTES];
    tsr_json *doc = NULL;
    tsr_error err;
    ladder l = {case_name, dump_dir, bf16, 0, 0};

    tsr_error_clear(&err);
    (void)snprintf(path, sizeof path, "%s/refs/%s/expect.json", TSR_ORACLE_DIR, case_name);
    if (tsr_json_parse_file(&doc, path, MAX_EXPECT_BYTES, &err) != TSR_OK ||
        !tsr_json_to_size(tsr_json_get(doc, "n_sure_tokens"), &l.n_sure)) {
        report(&l, "expect.json", false, err.text);
    } else {
        const tsr_json *rungs = tsr_json_get(doc, "rungs");
        for (void *it = tsr_json_first(rungs); it != NULL; it = tsr_json_next(rungs, it)) {
            check_rung(&l, tsr_json_key(it), tsr_json_value(it));
        }
    }
    tsr_json_free(doc);
    return l.n_failed;
}
