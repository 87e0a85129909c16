/* model_facts.c: headers and configurations become a line about a model. Everything goes through the checks that
 * opening it would make of them; what they refuse becomes the model's problem. */
#include "model_facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_gguf_text.h"
#include "tsr_gguf_towers.h"
#include "tsr_hearing.h"
#include "tsr_json.h"
#include "tsr_text_config.h"
#include "tsr_vision.h"

enum { MAX_CONFIG_BYTES = 64 << 20, MOST_MISSING = 4 };

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

static tsr_status read_config(tsri_model_facts *m, tsr_error *why)
{
    tsr_json *config = NULL;
    tsr_text_config c = {0};
    char *path = tsr_path_join(m->path, "config.json");
    tsr_status st = path ? tsr_json_parse_file(&config, path, MAX_CONFIG_BYTES, why)
                         : tsr_fail(why, TSR_ERR_NOMEM, "out of memory: %s", m->path);
    if (st == TSR_OK)
        st = tsr_text_config_parse(&c, config, path, why);
    if (st == TSR_OK)
        m->variant = variant_name(&c);
    tsr_text_config_deinit(&c);
    tsr_json_free(config);
    tsr_free(path);
    return st;
}

static tsr_status read_tensors(tsri_model_facts *m, tsr_error *why)
{
    uint64_t bytes[TSR_N_TYPES] = {0};
    tsr_weights *w;
    tsr_status st = tsr_weights_open(&w, m->path, why);
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

tsr_status tsri_facts_of_folder(tsri_model_facts *out, const char *name, const tsri_folder *f, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = begin(out, name, f->path, "safetensors", err), found;
    out->n_bytes = f->safetensors_bytes;
    if (st == TSR_OK)
        st = note_missing(out, &f->missing, err);
    bool known = f->has_config;
    if (st == TSR_OK && f->has_config) {
        found = read_config(out, &why);
        known = found == TSR_OK;
        st = note(out, found, &why, err);
    }
    if (st == TSR_OK && known && f->missing.n == 0) { /* of other models nobody wants to know the tensors */
        tsr_error_clear(&why);
        found = read_tensors(out, &why);
        st = note(out, found, &why, err);
    }
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

/* What the file's keys amount to, through the checks of config.json. *hidden receives the width. */
static tsr_status read_text(tsri_model_facts *m, const tsr_gguf *g, size_t *hidden, tsr_error *why)
{
    tsr_json *config = NULL;
    tsr_text_config c = {0};
    tsr_status st = tsr_gguf_towers_refuse_inline(g, why);
    if (st == TSR_OK)
        st = tsr_gguf_text_config(&config, g, why);
    if (st == TSR_OK)
        st = tsr_text_config_parse(&c, config, m->path, why);
    if (st == TSR_OK) {
        m->variant = variant_name(&c);
        *hidden = c.hidden;
        if (c.variant == TSR_VARIANT_12B || c.variant == TSR_VARIANT_31B) /* told apart by the towers, or these sizes */
            m->variant = c.hidden == 3840 ? "12B" : c.hidden == 5376 ? "31B" : "12B/31B";
    }
    tsr_text_config_deinit(&c);
    tsr_json_free(config);
    return st;
}

static bool key_is(const tsr_gguf *g, const char *key, const char *want)
{
    tsr_gguf_str s = {"", 0};
    return tsr_gguf_get_str(g, key, TSR_GGUF_OPTIONAL, &s, NULL) == TSR_OK && s.len == strlen(want) &&
           memcmp(s.data, want, s.len) == 0;
}

static tsr_json *text_of_width(size_t hidden)
{
    tsr_json *config = tsr_json_new_object(), *text = tsr_json_new_object();
    bool good = tsr_json_set(text, "hidden_size", tsr_json_new_i64((int64_t)hidden));
    good &= tsr_json_set(config, "text_config", text);
    if (good)
        return config;
    tsr_json_free(config);
    return NULL;
}

/* The senses that an open mmproj gives; hidden 0: to no model in particular. */
static tsr_status read_towers(tsri_model_facts *m, const tsr_gguf *g, size_t hidden, tsr_error *why)
{
    tsr_json *config = hidden ? text_of_width(hidden) : tsr_json_new_object();
    tsr_status st = config ? tsr_gguf_towers_config(config, g, why)
                           : tsr_fail(why, TSR_ERR_NOMEM, "out of memory: %s", m->path);
    if (st == TSR_OK) {
        m->sees = tsr_json_get_set(config, "vision_config") != NULL;
        m->hears = tsr_json_get_set(config, "audio_config") != NULL;
        bool unified = key_is(g, "clip.vision.projector_type", "gemma4uv") || key_is(g, "clip.projector_type", "gemma4uv");
        if (strcmp(m->variant, "12B/31B") == 0)
            m->variant = unified ? "12B" : "31B";
    }
    tsr_json_free(config);
    return st;
}

static tsr_status read_mmproj(tsri_model_facts *m, const tsri_folder *f, size_t hidden, tsr_error *why)
{
    struct stat sb;
    tsr_gguf *g;
    tsr_status st = tsri_folder_mmproj(&m->mmproj, f, m->path, why);
    if (st != TSR_OK || !m->mmproj)
        return st;
    if (stat(m->mmproj, &sb) == 0)
        m->n_bytes += (uint64_t)sb.st_size;
    st = tsr_gguf_open(&g, m->mmproj, why);
    if (st == TSR_OK)
        st = read_towers(m, g, hidden, why);
    tsr_gguf_close(g);
    return st;
}

static tsr_status read_open_gguf(tsri_model_facts *m, const tsri_folder *f, const tsr_gguf *g, tsr_error *why)
{
    size_t hidden = 0;
    tsr_gguf_kind kind = tsr_gguf_text_kind(g);
    if (kind == TSR_GGUF_KIND_DRAFTER)
        m->variant = "drafter";
    if (kind == TSR_GGUF_KIND_MMPROJ) {
        m->variant = "mmproj";
        return read_towers(m, g, 0, why);
    }
    tsr_status st = read_text(m, g, &hidden, why);
    return st == TSR_OK ? read_mmproj(m, f, hidden, why) : st;
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
