/* info_file_json.c: what a file of weights holds, for programs. */
#include <math.h>
#include <string.h>

#include "info_file.h"
#include "json_build.h"
#include "tsr_utf8.h"

/* Bytes of a file as a string: what is no UTF-8 becomes U+FFFD. NULL when memory is short. */
static tsr_json *new_text(const char *s, size_t len)
{
    tsr_text t = {0};
    if (tsr_utf8_valid(s, len))
        return tsr_json_new_string(s, len);
    tsr_json *v = tsr_utf8_repair(&t, s, len, NULL) == TSR_OK ? tsr_json_new_string(t.at, t.len) : NULL;
    tsr_text_deinit(&t);
    return v;
}

/* JSON has neither NaN nor infinity nor, here, whole numbers beyond int64: those are strings. */
static tsr_json *new_real(double d)
{
    if (isfinite(d))
        return tsr_json_new_double(d);
    return isnan(d) ? tsr_json_new_string("nan", 3) : tsr_json_new_string(d > 0 ? "inf" : "-inf", d > 0 ? 3 : 4);
}

static tsr_json *new_u64(uint64_t u)
{
    char digits[24];
    size_t n = sizeof digits;
    if (u <= INT64_MAX)
        return tsr_json_new_i64((int64_t)u);
    for (; u; u /= 10)
        digits[--n] = (char)('0' + u % 10);
    return tsr_json_new_string(digits + n, sizeof digits - n);
}

static tsr_json *new_number(const tsr_gguf_value *v, size_t i)
{
    uint64_t u;
    int64_t n;
    double d = 0;
    bool b;
    if (tsr_gguf_value_u64(v, i, &u))
        return new_u64(u);
    if (tsr_gguf_value_i64(v, i, &n))
        return tsr_json_new_i64(n);
    if (tsr_gguf_value_bool(v, i, &b))
        return tsr_json_new_bool(b);
    tsr_gguf_value_f64(v, i, &d);
    return new_real(d);
}

static tsr_json *elements(const tsr_gguf_value *v, size_t n)
{
    tsri_build list = tsri_build_list();
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    for (size_t i = 0; i < n && !list.failed; i++)
        tsri_add(&list, tsr_gguf_strs_next(&it, &s) ? new_text(s.data, s.len) : new_number(v, i));
    return tsri_build_end(&list);
}

static tsr_json *value(const tsr_gguf_value *v, bool full)
{
    tsri_build o = tsri_build_object();
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    tsri_put_text(&o, "type", v->is_array ? "array" : tsr_gguf_type_name(v->type));
    if (!v->is_array) {
        tsri_put(&o, "value", tsr_gguf_strs_next(&it, &s) ? new_text(s.data, s.len) : new_number(v, 0));
        return tsri_build_end(&o);
    }
    bool whole = full || v->n <= TSRI_LONG_ARRAY;
    tsri_put_text(&o, "of", tsr_gguf_type_name(v->type));
    tsri_put_size(&o, "count", v->n);
    tsri_put(&o, whole ? "values" : "first", elements(v, whole ? v->n : TSRI_SHOWN_ELEMENTS));
    return tsri_build_end(&o);
}

static tsr_json *gguf_metadata(const tsr_gguf *g, bool full)
{
    tsri_build o = tsri_build_object();
    for (size_t i = 0; i < tsr_gguf_n_keys(g) && !o.failed; i++)
        tsri_put(&o, tsr_gguf_key(g, i), value(tsr_gguf_value_at(g, i), full));
    return tsri_build_end(&o);
}

/* The header's own object, in the form that GGUF's keys have; the format knows strings alone. */
static tsr_json *safetensors_metadata(const tsr_json *header)
{
    tsri_build o = tsri_build_object();
    const tsr_json *m = tsr_json_get(header, "__metadata__");
    for (void *it = tsr_json_first(m); it && !o.failed; it = tsr_json_next(m, it)) {
        size_t len = 0;
        const char *s = tsr_json_string(tsr_json_value(it), &len);
        tsri_build one = tsri_build_object();
        tsri_put_text(&one, "type", "string");
        tsri_put(&one, "value", s ? tsr_json_new_string(s, len) : tsr_json_new_null());
        tsri_put(&o, tsr_json_key(it), tsri_build_end(&one));
    }
    return tsri_build_end(&o);
}

static tsr_json *parts(const tsri_weight_file *f)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < f->n_parts; i++) {
        tsri_build o = tsri_build_object();
        tsri_put(&o, "file", new_text(f->parts[i].path, strlen(f->parts[i].path)));
        tsri_put_size(&o, "bytes", (size_t)f->parts[i].n_bytes);
        if (i > 0 && tsr_json_get(f->parts[i].header, "__metadata__"))
            tsri_put(&o, "metadata", safetensors_metadata(f->parts[i].header));
        tsri_add(&list, tsri_build_end(&o));
    }
    return tsri_build_end(&list);
}

static tsr_json *tensors(const tsri_weight_file *f)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < f->n_rows && !list.failed; i++) {
        const tsri_weight_row *r = &f->rows[i];
        tsri_build o = tsri_build_object(), shape = tsri_build_list();
        for (unsigned d = 0; d < r->view->n_dims; d++)
            tsri_add_size(&shape, r->view->shape[d]);
        tsri_put(&o, "name", new_text(r->name, strlen(r->name)));
        tsri_put_text(&o, "type", r->type->name);
        tsri_put_bool(&o, "supported", tsri_weight_row_is_supported(r));
        tsri_put(&o, "shape", tsri_build_end(&shape));
        tsri_put_size(&o, "bytes", r->view->n_bytes);
        tsri_put_size(&o, "offset", (size_t)r->offset);
        tsri_put_size(&o, "part", r->part);
        tsri_add(&list, tsri_build_end(&o));
    }
    return tsri_build_end(&list);
}

static tsr_json *sums(const tsri_weight_file *f)
{
    tsri_type_sum s[TSRI_MOST_TYPES];
    size_t n = tsri_sum_types(s, f);
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < n; i++) {
        tsri_build o = tsri_build_object();
        tsri_put_text(&o, "type", s[i].type->name);
        tsri_put_bool(&o, "supported", s[i].is_supported);
        tsri_put_size(&o, "tensors", s[i].n_tensors);
        tsri_put_size(&o, "values", (size_t)s[i].n_elems);
        tsri_put_size(&o, "bytes", (size_t)s[i].n_bytes);
        tsri_add(&list, tsri_build_end(&o));
    }
    return tsri_build_end(&list);
}

static tsr_json *check_facts(const tsri_file_check *c)
{
    tsri_build o = tsri_build_object(), list = tsri_build_list();
    for (size_t i = 0; i < c->n_bad; i++) {
        const tsri_bad_tensor *b = &c->bad[i];
        tsri_build one = tsri_build_object();
        tsri_put(&one, "tensor", new_text(b->row->name, strlen(b->row->name)));
        tsri_put_size(&one, "row", b->at_row);
        tsri_put_size(&one, "element", b->at_elem);
        tsri_put(&one, "value", new_real(b->value));
        tsri_put_size(&one, "count", b->n_bad);
        tsri_add(&list, tsri_build_end(&one));
    }
    tsri_put_size(&o, "bytes", (size_t)c->n_bytes);
    tsri_put(&o, "not_finite", tsri_build_end(&list));
    tsri_put_bool(&o, "opens", !c->open_error);
    if (c->open_error)
        tsri_put(&o, "why_not", new_text(c->open_error, strlen(c->open_error)));
    return tsri_build_end(&o);
}

tsr_status tsri_info_file_json(char **out, const tsri_weight_file *f, const tsri_file_check *check, bool full,
                               tsr_error *err)
{
    tsri_build o = tsri_build_object();
    tsri_put(&o, "file", new_text(f->path, strlen(f->path)));
    tsri_put_text(&o, "format", f->gguf ? "GGUF" : "safetensors");
    if (f->gguf) {
        tsri_put_size(&o, "version", tsr_gguf_version(f->gguf));
        tsri_put_size(&o, "alignment", tsr_gguf_alignment(f->gguf));
    }
    tsri_put(&o, "parts", parts(f));
    tsri_put(&o, "metadata", f->gguf ? gguf_metadata(f->gguf, full) : safetensors_metadata(f->parts[0].header));
    tsri_put(&o, "tensors", tensors(f));
    tsri_put(&o, "types", sums(f));
    if (check)
        tsri_put(&o, "check", check_facts(check));
    tsr_json *v = tsri_build_end(&o);
    tsr_status st = v ? tsr_json_dump(out, v, 2, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: facts of %s", f->path);
    tsr_json_free(v);
    return st;
}
