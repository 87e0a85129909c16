/* model_facts.c: headers and configurations become a line about a model. Everything goes through the checks that
 * opening it would make of them; what they refuse becomes the model's problem. */
#include "model_facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model_files.h"
#include "tsr_alloc.h"
#include "tsr_gguf_text.h"
#include "tsr_gguf_towers.h"
#include "tsr_hearing.h"
#include "tsr_json.h"
#include "tsr_text_config.h"
#include "tsr_vision.h"

enum { MOST_MISSING = 4 };

/* What `why` says becomes a problem; only memory is a failure. */
static tsr_status note(tsri_model_facts *m, tsr_status st, const tsr_error *why, tsr_error *err)
{
    if (st == TSR_OK)
        return TSR_OK;
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(err, st, "%s", why->text);
    return tsri_names_add(&m->problems, why->text, strlen(why->text), err);
}

static tsr_status note_missing(tsri_model_facts *m, const tsri_names *missing, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    if (missing->n == 0)
        return TSR_OK;
    char *names = tsri_names_join(missing, MOST_MISSING);
    if (!names)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", m->path);
    tsr_fail(&why, TSR_ERR_NOINPUT, "not whole; missing: %s", names);
    tsr_free(names);
    return note(m, TSR_ERR_NOINPUT, &why, err);
}

/* E2B is the one whose layers without keys of their own are wider. */
static const char *variant_name(const tsr_text_config *c)
{
    switch (c->variant) {
    case TSR_VARIANT_E: return c->layers[c->n_layers - 1].ffn_width > c->layers[0].ffn_width ? "E2B" : "E4B";
    case TSR_VARIANT_26B: return "26B-A4B";
    case TSR_VARIANT_12B: return "12B";
    case TSR_VARIANT_31B: return "31B";
    }
    return "-";
}

static tsr_status begin(tsri_model_facts *m, const char *name, const char *path, const char *format, tsr_error *err)
{
    *m = (tsri_model_facts){.name = tsr_strdup(name), .path = tsr_strdup(path), .format = format, .variant = "-",
                            .type = "-"};
    return m->name && m->path ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
}

static tsr_status end(tsri_model_facts *m, tsr_status st)
{
    if (st != TSR_OK)
        tsri_model_facts_deinit(m);
    return st;
}

/* ---- safetensors ---- */

/* The type that takes the most bytes. */
static void main_type(char type[TSRI_TAG_BYTES], const uint64_t bytes[TSR_N_TYPES])
{
    int best = 0;
    for (int t = 1; t < TSR_N_TYPES; t++)
        best = bytes[t] > bytes[best] ? t : best;
    if (bytes[best])
        snprintf(type, TSRI_TAG_BYTES, "%s", tsr_type_info((tsr_type)best)->name);
}

static tsr_status read_config(tsri_model_facts *m, const tsri_model_files *files, tsr_error *why)
{
    tsr_text_config c = {0};
    tsr_status st = tsr_text_config_parse(&c, files->config, files->config_name, why);
    if (st == TSR_OK)
        m->variant = variant_name(&c);
    if (st == TSR_OK && files->text && !files->mmproj && (c.variant == TSR_VARIANT_12B || c.variant == TSR_VARIANT_31B))
        m->variant = c.hidden == 3840 ? "12B" : c.hidden == 5376 ? "31B" : "12B/31B"; /* the towers would tell */
    tsr_text_config_deinit(&c);
    return st;
}

static tsr_status read_tensors(tsri_model_facts *m, const tsri_model_files *files, tsr_error *why)
{
    uint64_t bytes[TSR_N_TYPES] = {0};
    tsr_weights *w;
    tsr_status st = tsri_model_files_weights(&w, files, why);
    if (st != TSR_OK)
        return st;
    for (size_t i = 0; i < tsr_weights_count(w); i++)
        bytes[tsr_weights_view(w, i)->type] += tsr_weights_view(w, i)->n_bytes;
    main_type(m->type, bytes);
    m->sees = tsr_vision_present(w);
    m->hears = tsr_hearing_present(w);
    tsr_weights_close(w);
    return TSR_OK;
}

/* Of other models nobody wants to know the tensors, and of half a model they can't be told. */
static tsr_status read_folder(tsri_model_facts *m, bool whole, tsr_error *why)
{
    tsri_model_files files;
    tsr_status st = tsri_model_files_open(&files, m->path, NULL, why);
    if (st == TSR_OK)
        st = read_config(m, &files, why);
    if (st == TSR_OK && whole)
        st = read_tensors(m, &files, why);
    tsri_model_files_close(&files);
    return st;
}

tsr_status tsri_facts_of_folder(tsri_model_facts *out, const char *name, const tsri_folder *f, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = begin(out, name, f->path, "safetensors", err);
    out->n_bytes = f->safetensors_bytes;
    if (st == TSR_OK)
        st = note_missing(out, &f->missing, err);
    if (st == TSR_OK && f->has_config)
        st = note(out, read_folder(out, f->missing.n == 0, &why), &why, err);
    return end(out, st);
}

/* ---- GGUF ---- */

static void gguf_type(char type[TSRI_TAG_BYTES], const tsr_gguf *g, const char *tag)
{
    uint64_t bytes[TSR_N_TYPES] = {0};
    uint32_t id = UINT32_MAX;
    const char *name = tsr_gguf_get_u32(g, "general.file_type", TSR_GGUF_OPTIONAL, &id, NULL) == TSR_OK
                           ? tsr_gguf_file_type_name(id) : NULL;
    for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++) {
        const tsr_view *v = &tsr_gguf_tensor_at(g, i)->view;
        bytes[v->type] += v->n_bytes;
    }
    if (name || *tag)
        snprintf(type, TSRI_TAG_BYTES, "%s", name ? name : tag);
    else
        main_type(type, bytes);
}

/* The senses that towers' configurations give. */
static void take_senses(tsri_model_facts *m, const tsr_json *config)
{
    m->sees = tsr_json_get_set(config, "vision_config") != NULL;
    m->hears = tsr_json_get_set(config, "audio_config") != NULL;
}

static tsr_status read_towers(tsri_model_facts *m, const tsr_gguf *g, tsr_error *why)
{
    tsr_json *config = tsr_json_new_object();
    tsr_status st = config ? tsr_gguf_towers_config(config, g, why)
                           : tsr_fail(why, TSR_ERR_NOMEM, "out of memory: %s", m->path);
    if (st == TSR_OK)
        take_senses(m, config);
    tsr_json_free(config);
    return st;
}

static tsr_status keep_mmproj(tsri_model_facts *m, const char *path, tsr_error *why)
{
    struct stat sb;
    if (stat(path, &sb) == 0)
        m->n_bytes += (uint64_t)sb.st_size;
    m->mmproj = tsr_strdup(path);
    return m->mmproj ? TSR_OK : tsr_fail(why, TSR_ERR_NOMEM, "out of memory: %s", path);
}

static tsr_status read_model(tsri_model_facts *m, const tsri_folder *f, tsr_error *why)
{
    char *mmproj;
    tsri_model_files files = {0};
    tsr_status st = tsri_folder_mmproj(&mmproj, f, m->path, why);
    if (st == TSR_OK)
        st = tsri_model_files_open(&files, m->path, mmproj, why);
    if (st == TSR_OK)
        st = read_config(m, &files, why);
    if (st == TSR_OK)
        take_senses(m, files.config);
    if (st == TSR_OK && files.mmproj)
        st = keep_mmproj(m, tsr_gguf_path(files.mmproj), why);
    tsri_model_files_close(&files);
    tsr_free(mmproj);
    return st;
}

static tsr_status read_open_gguf(tsri_model_facts *m, const tsri_folder *f, const tsr_gguf *g, tsr_error *why)
{
    switch (tsr_gguf_text_kind(g)) {
    case TSR_GGUF_KIND_MMPROJ:
        m->variant = "mmproj";
        return read_towers(m, g, why);
    case TSR_GGUF_KIND_DRAFTER:
        m->variant = "drafter";
        break; /* opening it says what that means */
    case TSR_GGUF_KIND_TEXT:
    case TSR_GGUF_KIND_OTHER: break;
    }
    return read_model(m, f, why);
}

tsr_status tsri_facts_of_gguf(tsri_model_facts *out, const char *name, const tsri_folder *f, const tsri_gguf_file *file,
                              tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsr_gguf *g;
    tsr_status st = begin(out, name, file->path, "GGUF", err), found;
    out->n_bytes = file->n_bytes;
    if (st == TSR_OK && *file->tag)
        memcpy(out->type, file->tag, sizeof out->type);
    if (st != TSR_OK || file->missing.n)
        return end(out, st == TSR_OK ? note_missing(out, &file->missing, err) : st);
    found = tsr_gguf_open(&g, file->path, &why);
    if (found == TSR_OK) {
        gguf_type(out->type, g, file->tag);
        found = read_open_gguf(out, f, g, &why);
    }
    tsr_gguf_close(g);
    return end(out, note(out, found, &why, err));
}

void tsri_model_facts_deinit(tsri_model_facts *m)
{
    tsr_free(m->name);
    tsr_free(m->path);
    tsr_free(m->mmproj);
    tsri_names_deinit(&m->problems);
    *m = (tsri_model_facts){0};
}
