/* info_file.c: what a file of weights holds, for people. */
#include "info_file.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_find.h"
#include "model_internal.h"
#include "tessera.h"
#include "text_build.h"
#include "tsr_alloc.h"

enum { WIDEST_NAME = 60, SHAPE_BYTES = 96 };

static int by_bytes(const void *a, const void *b)
{
    const tsri_type_sum *x = a, *y = b;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes > y->n_bytes ? -1 : 1;
    return strcmp(x->type->name, y->type->name);
}

size_t tsri_sum_types(tsri_type_sum sums[TSRI_MOST_TYPES], const tsri_weight_file *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_rows; i++) {
        const tsri_weight_row *r = &f->rows[i];
        size_t t = 0;
        while (t < n && sums[t].type != r->type)
            t++;
        if (t == n) {
            assert(n < TSRI_MOST_TYPES);
            sums[n++] = (tsri_type_sum){.type = r->type, .is_supported = tsri_weight_row_is_supported(r)};
        }
        sums[t].n_tensors++;
        sums[t].n_elems += r->view->n_elems;
        sums[t].n_bytes += r->view->n_bytes;
    }
    qsort(sums, n, sizeof *sums, by_bytes);
    return n;
}

/* ---- values ---- */

static void print_number(tsri_lines *l, const tsr_gguf_value *v, size_t i)
{
    uint64_t u;
    int64_t n;
    double d;
    bool b;
    if (tsr_gguf_value_u64(v, i, &u))
        tsri_print(l, "%llu", (unsigned long long)u);
    else if (tsr_gguf_value_i64(v, i, &n))
        tsri_print(l, "%lld", (long long)n);
    else if (tsr_gguf_value_bool(v, i, &b))
        tsri_print(l, b ? "true" : "false");
    else if (tsr_gguf_value_f64(v, i, &d))
        tsri_print(l, v->type == TSR_GGUF_F32 ? "%.7g" : "%.16g", d);
}

static void print_array(tsri_lines *l, const tsr_gguf_value *v, bool full)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    size_t shown = full || v->n <= TSRI_SHOWN_ELEMENTS ? v->n : TSRI_SHOWN_ELEMENTS;
    for (size_t i = 0; i < shown && l->st == TSR_OK; i++) {
        tsri_print(l, i ? ", " : "");
        if (tsr_gguf_strs_next(&it, &s)) {
            tsri_print(l, "\"");
            tsri_print_escaped(l, s.data, s.len, full ? SIZE_MAX : TSRI_SHOWN_BYTES / 4);
            tsri_print(l, "\"");
        } else {
            print_number(l, v, i);
        }
    }
    if (shown < v->n)
        tsri_print(l, ", ...");
}

static void print_string(tsri_lines *l, const tsr_gguf_value *v, bool full)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    tsr_gguf_strs_next(&it, &s);
    tsri_print_escaped(l, s.data, s.len, full ? SIZE_MAX : TSRI_SHOWN_BYTES);
    if (s.len > TSRI_SHOWN_BYTES && !full)
        tsri_print(l, " (%zu bytes)", s.len);
}

static void print_value(tsri_lines *l, const tsr_gguf_value *v, bool full)
{
    char type[48];
    snprintf(type, sizeof type, v->is_array ? "%s[%zu]" : "%s", tsr_gguf_type_name(v->type), v->n);
    tsri_print(l, "%-14s ", type);
    if (v->is_array)
        print_array(l, v, full);
    else if (v->type == TSR_GGUF_STR)
        print_string(l, v, full);
    else
        print_number(l, v, 0);
    tsri_print(l, "\n");
}

/* ---- sections ---- */

static void head(tsri_lines *l, const char *title, size_t n, const char *of)
{
    tsri_print(l, "\n");
    tsri_style_begin(l, TSRI_HEAD);
    tsri_print(l, "%s", title);
    tsri_style_end(l, TSRI_HEAD);
    tsri_print(l, "  %zu %s\n", n, of);
}

static void print_facts(tsri_lines *l, const tsri_weight_file *f)
{
    char size[16];
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < f->n_parts; i++)
        n_bytes += f->parts[i].n_bytes;
    tsri_bytes_text(size, n_bytes);
    tsri_print(l, "file      ");
    tsri_print_escaped(l, f->path, strlen(f->path), SIZE_MAX);
    tsri_print(l, "\nformat    ");
    if (f->gguf)
        tsri_print(l, "GGUF version %u, alignment %zu\n", (unsigned)tsr_gguf_version(f->gguf),
                   tsr_gguf_alignment(f->gguf));
    else
        tsri_print(l, "safetensors\n");
    tsri_print(l, "size      %s in %zu %s (%llu bytes)\n", size, f->n_parts, f->n_parts == 1 ? "file" : "files",
               (unsigned long long)n_bytes);
    for (size_t i = 0; i < f->n_parts && f->n_parts > 1; i++) {
        tsri_bytes_text(size, f->parts[i].n_bytes);
        tsri_print(l, "  %4zu %10s  ", i + 1, size);
        tsri_print_escaped(l, f->parts[i].path, strlen(f->parts[i].path), SIZE_MAX);
        tsri_print(l, "\n");
    }
}

static void print_gguf_metadata(tsri_lines *l, const tsr_gguf *g, bool full)
{
    int widest = 0;
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++) {
        int n = (int)strlen(tsr_gguf_key(g, i));
        widest = n > widest && n <= WIDEST_NAME ? n : widest;
    }
    head(l, "metadata", tsr_gguf_n_keys(g), "keys");
    for (size_t i = 0; i < tsr_gguf_n_keys(g) && l->st == TSR_OK; i++) {
        tsri_print(l, "  %-*s ", widest, tsr_gguf_key(g, i));
        print_value(l, tsr_gguf_value_at(g, i), full);
    }
}

/* Of the first file; the others' say the same (all are in the JSON). */
static void print_safetensors_metadata(tsri_lines *l, const tsri_weight_file *f, bool full)
{
    const tsr_json *m = tsr_json_get(f->parts[0].header, "__metadata__");
    if (!tsr_json_is_object(m))
        return;
    head(l, "metadata", tsr_json_len(m), "keys");
    for (void *it = tsr_json_first(m); it && l->st == TSR_OK; it = tsr_json_next(m, it)) {
        size_t len = 0;
        const char *s = tsr_json_string(tsr_json_value(it), &len);
        tsri_print(l, "  ");
        tsri_print_escaped(l, tsr_json_key(it), strlen(tsr_json_key(it)), SIZE_MAX);
        tsri_print(l, "  ");
        if (s)
            tsri_print_escaped(l, s, len, full ? SIZE_MAX : TSRI_SHOWN_BYTES);
        tsri_print(l, "\n");
    }
}

static void shape_text(char buf[SHAPE_BYTES], const tsr_view *v)
{
    size_t n = (size_t)snprintf(buf, SHAPE_BYTES, "[");
    for (unsigned d = 0; d < v->n_dims; d++)
        n += (size_t)snprintf(buf + n, SHAPE_BYTES - n, d ? ", %zu" : "%zu", v->shape[d]);
    snprintf(buf + n, SHAPE_BYTES - n, "]");
}

/* The end of a line that names a type. */
static void print_support(tsri_lines *l, bool is_supported)
{
    if (!is_supported) {
        tsri_style_begin(l, TSRI_BAD);
        tsri_print(l, "  not supported");
        tsri_style_end(l, TSRI_BAD);
    }
    tsri_print(l, "\n");
}

static void print_tensors(tsri_lines *l, const tsri_weight_file *f)
{
    int widest = 4, widest_shape = 5;
    char shape[SHAPE_BYTES];
    for (size_t i = 0; i < f->n_rows; i++) {
        int n = (int)strlen(f->rows[i].name);
        widest = n > widest && n <= WIDEST_NAME ? n : widest;
        shape_text(shape, f->rows[i].view);
        widest_shape = (int)strlen(shape) > widest_shape ? (int)strlen(shape) : widest_shape;
    }
    head(l, "tensors", f->n_rows, "(shapes as in PyTorch, the last dimension contiguous)");
    tsri_style_begin(l, TSRI_DIM);
    tsri_print(l, "  %-*s %-7s %-*s %14s %14s%s\n", widest, "name", "type", widest_shape, "shape", "bytes", "offset",
               f->n_parts > 1 ? "  file" : "");
    tsri_style_end(l, TSRI_DIM);
    for (size_t i = 0; i < f->n_rows && l->st == TSR_OK; i++) {
        const tsri_weight_row *r = &f->rows[i];
        size_t len = strlen(r->name);
        shape_text(shape, r->view);
        tsri_print(l, "  ");
        tsri_print_escaped(l, r->name, len, SIZE_MAX);
        tsri_print(l, "%*s %-7s %-*s %14zu %14llu", len < (size_t)widest ? widest - (int)len : 0, "",
                   r->type->name, widest_shape, shape, r->view->n_bytes, (unsigned long long)r->offset);
        if (f->n_parts > 1)
            tsri_print(l, "  %4zu", r->part + 1);
        print_support(l, tsri_weight_row_is_supported(r));
    }
}

static void print_sums(tsri_lines *l, const tsri_weight_file *f)
{
    tsri_type_sum sums[TSRI_MOST_TYPES], all = {0};
    size_t n = tsri_sum_types(sums, f);
    char size[16];
    head(l, "types", n, n == 1 ? "type" : "types");
    for (size_t i = 0; i < n; i++) {
        tsri_bytes_text(size, sums[i].n_bytes);
        tsri_print(l, "  %-7s %6zu tensors %16llu values %10s", sums[i].type->name, sums[i].n_tensors,
                   (unsigned long long)sums[i].n_elems, size);
        print_support(l, sums[i].is_supported);
        all.n_tensors += sums[i].n_tensors;
        all.n_elems += sums[i].n_elems;
        all.n_bytes += sums[i].n_bytes;
    }
    tsri_bytes_text(size, all.n_bytes);
    tsri_print(l, "  %-7s %6zu tensors %16llu values %10s\n", "all", all.n_tensors, (unsigned long long)all.n_elems,
               size);
}

static void print_check(tsri_lines *l, const tsri_file_check *c)
{
    char size[16];
    tsri_bytes_text(size, c->n_bytes);
    tsri_print(l, "\n");
    tsri_style_begin(l, TSRI_HEAD);
    tsri_print(l, "check");
    tsri_style_end(l, TSRI_HEAD);
    tsri_print(l, "  %s read\n", size);
    for (size_t i = 0; i < c->n_bad && l->st == TSR_OK; i++) {
        const tsri_bad_tensor *b = &c->bad[i];
        tsri_style_begin(l, TSRI_BAD);
        tsri_print(l, "  tensor ");
        tsri_print_escaped(l, b->row->name, strlen(b->row->name), SIZE_MAX);
        tsri_print(l, ": row %zu, element %zu is %s; %zu values of %zu are not finite\n", b->at_row, b->at_elem,
                   isnan(b->value) ? "NaN" : b->value > 0 ? "+infinity" : "-infinity", b->n_bad, b->row->view->n_elems);
        tsri_style_end(l, TSRI_BAD);
    }
    if (c->n_bad == 0)
        tsri_print(l, "  every value is finite\n");
    tsri_style_begin(l, c->open_error ? TSRI_BAD : TSRI_PLAIN);
    tsri_print(l, c->open_error ? "  does not open: " : "  opens");
    if (c->open_error)
        tsri_print_escaped(l, c->open_error, strlen(c->open_error), SIZE_MAX);
    tsri_style_end(l, c->open_error ? TSRI_BAD : TSRI_PLAIN);
    tsri_print(l, "\n");
}

tsr_status tsri_info_file_text(char **out, const tsri_weight_file *f, const tsri_file_check *check, bool full,
                               bool color, tsr_error *err)
{
    tsri_lines l = tsri_lines_begin(color, err);
    print_facts(&l, f);
    if (f->gguf)
        print_gguf_metadata(&l, f->gguf, full);
    else
        print_safetensors_metadata(&l, f, full);
    print_tensors(&l, f);
    print_sums(&l, f);
    if (check)
        print_check(&l, check);
    return tsri_lines_end(&l, out);
}

/* ---- the public function ---- */

tessera_status tessera_file_info(const char *path, const tessera_file_opts *opts, char **out, size_t *n_problems,
                                 tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tessera_file_opts o = opts ? *opts : (tessera_file_opts){0};
    tsri_weight_file f;
    tsri_file_check check = {0};
    char *real, *mmproj;
    *out = NULL;
    *n_problems = 0;
    tsr_status st = tsri_find_model(path, &real, &mmproj, &err);
    if (st == TSR_OK)
        st = tsri_weight_file_open(&f, real, &err);
    tsr_free(real);
    tsr_free(mmproj);
    if (st != TSR_OK)
        return tsri_public(perr, st, &err);
    if (o.check)
        st = tsri_file_check_run(&check, &f, &err);
    const tsri_file_check *c = o.check ? &check : NULL;
    if (st == TSR_OK && o.as_json)
        st = tsri_info_file_json(out, &f, c, o.full, &err);
    else if (st == TSR_OK)
        st = tsri_info_file_text(out, &f, c, o.full, o.color, &err);
    if (st == TSR_OK)
        *n_problems = check.n_bad + (check.open_error != NULL);
    tsri_file_check_deinit(&check);
    tsri_weight_file_close(&f);
    return tsri_public(perr, st, &err);
}
