/* quantize_source.c: an open model, or GGUF files, asked for tensors and metadata of either half. */
#include "quantize_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "model_find.h"
#include "model_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_gguf_text.h"
#include "tsr_gguf_text_out.h"
#include "tsr_gguf_towers.h"
#include "tsr_gguf_towers_out.h"
#include "tsr_json.h"

enum { QUANTIZATION_VERSION = 2, NAME_BYTES = 256 };

struct tsri_source {
    char *path, *mmproj_path;
    tsr_gguf *gguf[TSRI_N_HALVES]; /* a GGUF source: one or both; else NULL */
    tessera_model *model;          /* the other kind */
    tsr_pool *pool;                /* the model's, or own_pool */
    tsr_pool *own_pool;
};

/* ---- opening ---- */

static tsr_status open_gguf(tsri_source *s, const char *path, tsr_error *err)
{
    tsr_gguf *g;
    tsr_status st = tsr_gguf_open(&g, path, err);
    if (st != TSR_OK)
        return st;
    tsr_gguf_kind kind = tsr_gguf_text_kind(g);
    tsri_half half = kind == TSR_GGUF_KIND_MMPROJ ? TSRI_TOWERS : TSRI_TEXT;
    if (kind == TSR_GGUF_KIND_OTHER)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: neither a gemma4 text model nor a mmproj", path);
    else if (s->gguf[half])
        st = tsr_fail(err, TSR_ERR_USAGE, "%s: another %s than %s", path,
                      half == TSRI_TEXT ? "text model" : "mmproj", tsr_gguf_path(s->gguf[half]));
    if (st != TSR_OK)
        tsr_gguf_close(g);
    else
        s->gguf[half] = g;
    return st;
}

/* Keys that no reader would take are not copied. */
static tsr_status check_gguf(const tsri_source *s, tsr_error *err)
{
    tsr_json *config = NULL;
    tsr_status st = TSR_OK;
    const tsr_gguf *text = s->gguf[TSRI_TEXT], *towers = s->gguf[TSRI_TOWERS];
    if (text && tsr_gguf_text_kind(text) == TSR_GGUF_KIND_TEXT)
        st = tsr_gguf_text_config(&config, text, err);
    else if (!(config = tsr_json_new_object()))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", s->path);
    if (st == TSR_OK && towers)
        st = tsr_gguf_towers_config(config, towers, err);
    tsr_json_free(config);
    return st;
}

static tsr_status open_model(tsri_source *s, unsigned threads, tsr_error *err)
{
    tessera_error perr = {0};
    tessera_model_opts o = {.threads = threads};
    if (tessera_model_open(&s->model, s->path, &o, &perr) != TESSERA_OK)
        return tsr_fail(err, (tsr_status)perr.status, "%s", perr.text);
    s->pool = s->model->pool;
    return TSR_OK;
}

static tsr_status open_all(tsri_source *s, const char *mmproj, unsigned threads, tsr_error *err)
{
    bool gguf = false;
    tsr_status st = tsr_gguf_sniff(&gguf, s->path, err);
    if (st == TSR_OK && !gguf && mmproj)
        st = tsr_fail(err, TSR_ERR_USAGE, "%s: has its own towers; --mmproj is for GGUF text models", s->path);
    if (st != TSR_OK || !gguf)
        return st == TSR_OK ? open_model(s, threads, err) : st;
    if (mmproj) {
        tsr_free(s->mmproj_path);
        if (!(s->mmproj_path = tsr_strdup(mmproj)))
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", mmproj);
    }
    st = open_gguf(s, s->path, err);
    if (st == TSR_OK && s->mmproj_path)
        st = open_gguf(s, s->mmproj_path, err);
    if (st == TSR_OK)
        st = check_gguf(s, err);
    if (st == TSR_OK)
        st = tsr_pool_open(&s->own_pool, threads, err);
    s->pool = s->own_pool;
    return st;
}

tsr_status tsri_source_open(tsri_source **out, const char *in, const char *mmproj, unsigned threads, tsr_error *err)
{
    *out = NULL;
    tsri_source *s = tsr_calloc(1, sizeof *s);
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", in);
    tsr_status st = tsri_find_model(in, &s->path, &s->mmproj_path, err);
    if (st == TSR_OK)
        st = open_all(s, mmproj, threads, err);
    if (st == TSR_OK)
        *out = s;
    else
        tsri_source_close(s);
    return st;
}

void tsri_source_close(tsri_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < TSRI_N_HALVES; i++)
        tsr_gguf_close(s->gguf[i]);
    tessera_model_close(s->model);
    tsr_pool_close(s->own_pool);
    tsr_free(s->mmproj_path);
    tsr_free(s->path);
    tsr_free(s);
}

/* ---- asking ---- */

tsr_pool *tsri_source_pool(const tsri_source *s)
{
    return s->pool;
}

const char *tsri_source_path(const tsri_source *s, tsri_half half)
{
    return s->gguf[half] ? tsr_gguf_path(s->gguf[half]) : s->path;
}

bool tsri_source_has(const tsri_source *s, tsri_half half)
{
    if (!s->model)
        return s->gguf[half] != NULL;
    return half == TSRI_TEXT || s->model->vision || s->model->hearing;
}

/* Any file of a model's folder that is no GGUF counts. */
static bool is_in_folder(const char *dir, const char *path)
{
    tsri_names names = {0};
    bool found = false;
    if (tsri_folder_names(&names, dir, NULL) != TSR_OK)
        return false;
    for (size_t i = 0; i < names.n && !found; i++) {
        size_t len = strlen(names.at[i]);
        char *file = len > 5 && strcmp(names.at[i] + len - 5, ".gguf") == 0 ? NULL : tsr_path_join(dir, names.at[i]);
        found = file && tsr_file_is_same(file, path);
        tsr_free(file);
    }
    tsri_names_deinit(&names);
    return found;
}

bool tsri_source_is_file(const tsri_source *s, const char *path)
{
    if (s->model)
        return tsr_file_is_same(s->path, path) || is_in_folder(s->model->files.dir, path);
    for (size_t h = 0; h < TSRI_N_HALVES; h++)
        for (size_t i = 0; s->gguf[h] && i < tsr_gguf_n_parts(s->gguf[h]); i++)
            if (tsr_file_is_same(tsr_gguf_part_path(s->gguf[h], i), path))
                return true;
    return false;
}

/* ---- tensors ---- */

static tsr_status add_gguf(tsr_weights *w, const tsr_gguf *g, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < tsr_gguf_n_tensors(g) && st == TSR_OK; i++)
        st = tsr_weights_add(w, tsr_gguf_tensor_at(g, i)->name, &tsr_gguf_tensor_at(g, i)->view, err);
    return st;
}

tsr_status tsri_source_tensors(tsr_weights **out, const tsri_source *s, tsri_half half, tsr_error *err)
{
    tsr_weights *w;
    *out = NULL;
    tsr_status st = tsr_weights_new(&w, tsri_source_path(s, half), err);
    if (st != TSR_OK)
        return st;
    if (s->gguf[half])
        st = add_gguf(w, s->gguf[half], err);
    else if (half == TSRI_TEXT)
        st = tsr_gguf_text_rename(w, s->model->weights, tsri_model_config(s->model), err);
    else
        st = tsr_gguf_towers_rename(w, s->model->weights, err);
    if (st == TSR_OK)
        *out = w;
    else
        tsr_weights_close(w);
    return st;
}

/* ---- metadata: a GGUF source ---- */

static bool is_replaced(const char *key)
{
    return strcmp(key, "general.alignment") == 0 || strncmp(key, "split.", 6) == 0 ||
           strcmp(key, "general.file_type") == 0 || strcmp(key, "general.quantization_version") == 0;
}

static void put_types(tsr_gguf_writer *w, const tsri_mixture *mix)
{
    uint32_t id = 0;
    tsr_gguf_file_type_find(mix->file_type, &id); /* the table of mixtures has the names of that one */
    tsr_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    tsr_gguf_put_u32(w, "general.file_type", id);
}

static void put_copied(tsr_gguf_writer *w, const tsr_gguf *g)
{
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++)
        if (!is_replaced(tsr_gguf_key(g, i)))
            tsr_gguf_put_value(w, tsr_gguf_key(g, i), tsr_gguf_value_at(g, i));
}

/* ---- metadata: a model ---- */

/* The folder's name; in the Hugging Face cache (models--ORG--NAME/snapshots/REVISION) the repository's. */
static void model_name(char name[NAME_BYTES], const char *dir)
{
    const char *parts[3] = {dir, dir, dir}; /* the last three components, the last one first */
    size_t len[3] = {0}, end = strlen(dir);
    for (size_t i = 0; i < 3; i++) {
        while (end > 0 && dir[end - 1] == '/')
            end--;
        size_t begin = end;
        while (begin > 0 && dir[begin - 1] != '/')
            begin--;
        parts[i] = dir + begin;
        len[i] = end - begin;
        end = begin;
    }
    size_t pick = 0, skip = 0;
    if (len[1] == 9 && memcmp(parts[1], "snapshots", 9) == 0 && len[2] > 8 && memcmp(parts[2], "models--", 8) == 0) {
        pick = 2;
        for (size_t i = 0; i + 2 <= len[2]; i++)
            if (memcmp(parts[2] + i, "--", 2) == 0)
                skip = i + 2;
    }
    snprintf(name, NAME_BYTES, "%.*s", (int)(len[pick] - skip), parts[pick] + skip);
}

/* "4.6B", "128x2.8B": two digits at least. Experts count as one of them and what all share. */
static void size_label(char label[32], const tsr_weights *tensors, size_t n_experts)
{
    double total = 0, unit = 1e3;
    const char *suffix = "K";
    for (size_t i = 0; i < tsr_weights_count(tensors); i++) {
        bool is_expert = strstr(tsr_weights_name(tensors, i), "_exps.weight") != NULL;
        total += (double)tsr_weights_view(tensors, i)->n_elems / (double)(is_expert ? n_experts : 1);
    }
    if (total > 1e12)
        unit = 1e12, suffix = "T";
    else if (total > 1e9)
        unit = 1e9, suffix = "B";
    else if (total > 1e6)
        unit = 1e6, suffix = "M";
    double scaled = total / unit;
    int digits = round(scaled) >= 10 ? 0 : round(scaled) >= 1 ? 1 : 2;
    char experts[24] = "";
    if (n_experts)
        snprintf(experts, sizeof experts, "%zux", n_experts);
    snprintf(label, 32, "%s%.*f%s", experts, digits, scaled, suffix);
}

static void put_text(tsr_gguf_writer *w, const char *key, const char *s)
{
    tsr_gguf_put_str(w, key, s, strlen(s));
}

/* What generation_config.json says; a temperature of 0 is greedy. */
static void put_sampling(tsr_gguf_writer *w, const tsri_generation *g)
{
    if (!g->found)
        return;
    tsr_gguf_put_i32(w, "general.sampling.top_k", (int32_t)g->top_k);
    tsr_gguf_put_f32(w, "general.sampling.top_p", (float)g->top_p);
    if (g->min_p > 0.0)
        tsr_gguf_put_f32(w, "general.sampling.min_p", (float)g->min_p);
    tsr_gguf_put_f32(w, "general.sampling.temp", g->do_sample ? (float)g->temperature : 0.0f);
    if (g->repetition_penalty != 1.0)
        tsr_gguf_put_f32(w, "general.sampling.penalty_repeat", (float)g->repetition_penalty);
}

static void put_general(const tsri_source *s, tsri_half half, const tsr_weights *tensors, tsr_gguf_writer *w)
{
    char name[NAME_BYTES], label[32];
    bool is_text = half == TSRI_TEXT;
    model_name(name, s->model->files.dir);
    size_label(label, tensors, is_text ? tsri_model_config(s->model)->n_experts : 0);
    put_text(w, "general.architecture", is_text ? "gemma4" : "clip");
    put_text(w, "general.type", is_text ? "model" : "mmproj");
    if (is_text)
        put_sampling(w, &s->model->generation);
    put_text(w, "general.name", name);
    put_text(w, "general.size_label", label);
}

static tsr_status put_text_model(const tsri_source *s, tsr_gguf_writer *w, tsr_error *err)
{
    const tessera_model *m = s->model;
    tsr_tokenizer_export e = {0};
    tsr_status st = tsr_tokenizer_export_folder(&e, m->files.dir, tsri_model_config(m)->vocab, err);
    if (st != TSR_OK)
        return st;
    tsr_gguf_text_put_config(w, tsri_model_config(m));
    tsr_gguf_text_put_tokenizer(w, &e, m->generation.suppress, m->generation.n_suppress);
    tsr_tokenizer_export_deinit(&e);
    return TSR_OK;
}

static tsr_status put_towers(const tsri_source *s, const tsr_weights *tensors, tsr_gguf_writer *w, tsr_error *err)
{
    tsri_model_files *files = &s->model->files;
    const tsr_json *extractor = NULL;
    tsr_status st = s->model->hearing ? tsri_model_files_extractor(&extractor, files, err) : TSR_OK;
    if (st == TSR_OK)
        st = tsr_gguf_towers_put_config(w, tensors, tsr_json_get_set(files->config, "vision_config"),
                                        tsr_json_get_set(files->config, "audio_config"), extractor, s->path, err);
    return st;
}

tsr_status tsri_source_put(tsri_source *s, tsri_half half, const tsr_weights *tensors, const tsri_mixture *mix,
                           tsr_gguf_writer *w, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (s->gguf[half]) {
        put_copied(w, s->gguf[half]);
    } else {
        put_general(s, half, tensors, w);
        st = half == TSRI_TEXT ? put_text_model(s, w, err) : put_towers(s, tensors, w, err);
    }
    put_types(w, mix);
    return st;
}

/* ---- reading back ---- */

tsr_status tsri_source_compare(const tsri_source *s, tsri_half half, const char *path, tsr_error *err)
{
    tsr_gguf *g;
    tsr_json *config = NULL;
    tsr_text_config read = {0};
    tsr_status st = tsr_gguf_open(&g, path, err);
    if (st != TSR_OK)
        return st;
    if (s->model && half == TSRI_TEXT) {
        st = tsr_gguf_text_config(&config, g, err);
        if (st == TSR_OK)
            st = tsr_text_config_parse(&read, config, path, err);
        if (st == TSR_OK)
            st = tsr_gguf_text_compare(tsri_model_config(s->model), &read, s->path, err);
    } else if (s->model) {
        config = tsr_json_new_object();
        st = config ? tsr_gguf_towers_config(config, g, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    }
    tsr_text_config_deinit(&read);
    tsr_json_free(config);
    tsr_gguf_close(g);
    return st;
}
