/* quantize_report.c: names of files, and what is told when they are written. */
#include "quantize.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "text_build.h"
#include "tsr_alloc.h"

/* ---- names ---- */

static bool ends_with_type(const char *stem, size_t len, const char *type)
{
    size_t n = strlen(type);
    if (len <= n || (stem[len - n - 1] != '-' && stem[len - n - 1] != '.' && stem[len - n - 1] != '_'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (toupper((unsigned char)stem[len - n + i]) != toupper((unsigned char)type[i]))
            return false;
    return true;
}

/* Bytes of `stem` before a type that ends it ("gemma-4-E2B-it-Q4_K_M", "gemma.q8_0"). */
static size_t without_type(const char *stem, size_t len)
{
    for (uint32_t id = 0; id < 64; id++) {
        const char *type = tsr_gguf_file_type_name(id);
        if (type && ends_with_type(stem, len, type))
            return len - strlen(type) - 1;
    }
    return ends_with_type(stem, len, "mxfp4") ? len - 6 : len;
}

tsr_status tsri_mmproj_name(char **path, const char *out, const tsri_mixture *mix, tsr_error *err)
{
    const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
    size_t dir_len = (size_t)(name - out), len = strlen(name), cap = strlen(out) + 48;
    if (len > 5 && strcmp(name + len - 5, ".gguf") == 0)
        len -= 5;
    len = without_type(name, len);
    *path = tsr_alloc(cap);
    if (!*path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", out);
    snprintf(*path, cap, "%.*smmproj-%.*s-%s.gguf", (int)dir_len, out, (int)len, name, mix->file_type);
    return TSR_OK;
}

/* ---- the report ---- */

typedef struct sums {
    uint64_t n_bytes, n_elems;
    uint64_t of_type[TSR_N_TYPES];
    size_t n_fallbacks;
} sums;

static sums add_up(const tsri_gguf_out *o)
{
    sums s = {0};
    for (size_t i = 0; i < o->n; i++) {
        uint64_t bytes = tsri_gguf_out_bytes(o, i);
        s.n_bytes += bytes;
        s.n_elems += tsri_gguf_out_view(o, i)->n_elems;
        s.of_type[o->choices[i].type] += bytes;
        s.n_fallbacks += o->choices[i].type != o->choices[i].wanted;
    }
    return s;
}

static tsr_json *fallbacks(const tsri_gguf_out *o)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < o->n; i++) {
        const tsri_type_choice *c = &o->choices[i];
        if (c->type == c->wanted)
            continue;
        tsri_build b = tsri_build_object();
        tsri_put_text(&b, "tensor", tsri_gguf_out_name(o, i));
        tsri_put_text(&b, "wanted", tsr_type_info(c->wanted)->name);
        tsri_put_text(&b, "type", tsr_type_info(c->type)->name);
        tsri_put_size(&b, "row", tsr_view_cols(tsri_gguf_out_view(o, i)));
        tsri_add(&list, tsri_build_end(&b));
    }
    return tsri_build_end(&list);
}

static double bits_per_weight(const sums *s)
{
    return s->n_elems ? 8.0 * (double)s->n_bytes / (double)s->n_elems : 0.0;
}

static tsr_json *file_json(const tsri_gguf_out *o)
{
    sums s = add_up(o);
    tsri_build b = tsri_build_object(), types = tsri_build_object();
    for (int t = 0; t < TSR_N_TYPES; t++)
        if (s.of_type[t])
            tsri_put_size(&types, tsr_type_info((tsr_type)t)->name, s.of_type[t]);
    tsri_put_text(&b, "file", o->path);
    tsri_put_text(&b, "holds", o->half == TSRI_TEXT ? "text" : "mmproj");
    tsri_put_text(&b, "type", o->mix->file_type);
    tsri_put_size(&b, "bytes", tsr_gguf_writer_total_bytes(o->writer));
    tsri_put_size(&b, "tensors", o->n);
    tsri_put_size(&b, "parameters", s.n_elems);
    tsri_put_real(&b, "bits_per_weight", bits_per_weight(&s));
    tsri_put(&b, "bytes_by_type", tsri_build_end(&types));
    tsri_put(&b, "fallbacks", fallbacks(o));
    return tsri_build_end(&b);
}

static tsr_status report_json(char **out, const tsri_gguf_out *files, size_t n_files, double seconds, tsr_error *err)
{
    tsri_build b = tsri_build_object(), list = tsri_build_list();
    for (size_t i = 0; i < n_files; i++)
        tsri_add(&list, file_json(&files[i]));
    tsri_put(&b, "files", tsri_build_end(&list));
    tsri_put_real(&b, "seconds", seconds);
    tsr_json *v = tsri_build_end(&b);
    tsr_status st = v ? tsr_json_dump(out, v, 2, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the report");
    tsr_json_free(v);
    return st;
}

static void file_lines(tsri_lines *l, const tsri_gguf_out *o)
{
    sums s = add_up(o);
    char size[16];
    tsri_bytes_text(size, tsr_gguf_writer_total_bytes(o->writer));
    tsri_print_escaped(l, o->path, strlen(o->path), SIZE_MAX);
    tsri_print(l, ": %s, %s, %.2f bits per weight, %zu tensors", o->mix->file_type, size, bits_per_weight(&s), o->n);
    if (s.n_fallbacks)
        tsri_print(l, ", %zu of another type than meant", s.n_fallbacks);
    tsri_print(l, "\n   ");
    for (int t = 0; t < TSR_N_TYPES; t++)
        if (s.of_type[t]) {
            tsri_bytes_text(size, s.of_type[t]);
            tsri_print(l, " %s %s", tsr_type_info((tsr_type)t)->name, size);
        }
    tsri_print(l, "\n");
}

tsr_status tsri_quantize_report(char **out, const tsri_gguf_out *files, size_t n_files, double seconds, bool as_json,
                                tsr_error *err)
{
    if (as_json)
        return report_json(out, files, n_files, seconds, err);
    tsri_lines l = tsri_lines_begin(false, err);
    for (size_t i = 0; i < n_files; i++)
        file_lines(&l, &files[i]);
    return tsri_lines_end(&l, out);
}
