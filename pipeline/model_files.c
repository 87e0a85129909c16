/* model_files.c: which files, and what of a configuration they hold. */
#include "model_files.h"

#include <string.h>

#include "model_find.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_gguf_text.h"
#include "tsr_gguf_towers.h"

enum { MAX_CONFIG_BYTES = 64 << 20 };

static tsr_status no_memory(const char *what, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", what);
}

/* ---- a folder as published ---- */

/* Read DIR/name; *out is NULL when an optional file is absent. path_out, unless NULL, receives its path. */
static tsr_status read_json(tsr_json **out, const tsri_model_files *f, const char *name, bool required, char **path_out,
                            tsr_error *err)
{
    *out = NULL;
    char *path = tsr_path_join(f->dir, name);
    if (!path)
        return no_memory(name, err);
    tsr_status st = TSR_OK;
    if (required || tsr_file_exists(path))
        st = tsr_json_parse_file(out, path, MAX_CONFIG_BYTES, err);
    if (path_out && st == TSR_OK)
        *path_out = path;
    else
        tsr_free(path);
    return st;
}

static tsr_status open_published(tsri_model_files *f, const char *mmproj, tsr_error *err)
{
    if (mmproj)
        return tsr_fail(err, TSR_ERR_USAGE,
                        "%s: a mmproj, but %s is no GGUF model: it holds its vision and sound itself", mmproj, f->path);
    return read_json(&f->config, f, "config.json", true, &f->config_name, err);
}

/* ---- GGUF ---- */

/* The widths of the text model and of what the mmproj makes for it must be one. */
static tsr_status check_width(const tsri_model_files *f, tsr_error *err)
{
    static const char *const keys[] = {"clip.vision.projection_dim", "clip.audio.projection_dim"};
    uint64_t width = 0;
    tsr_status st = tsr_gguf_get_u64(f->text, "gemma4.embedding_length", TSR_GGUF_REQUIRED, &width, err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && st == TSR_OK; i++) {
        uint64_t n = width;
        st = tsr_gguf_get_u64(f->mmproj, keys[i], TSR_GGUF_OPTIONAL, &n, err);
        if (st == TSR_OK && n != width)
            st = tsr_fail(err, TSR_ERR_MODEL,
                          "%s: key %s: is %llu, but %s has an embedding_length of %llu: this mmproj is of another model",
                          tsr_gguf_path(f->mmproj), keys[i], (unsigned long long)n, f->path, (unsigned long long)width);
    }
    return st;
}

/* The encoder-free kind makes it a 12B, which has neither per-layer embeddings nor experts. */
static tsr_status check_kind(tsri_model_files *f, tsr_error *err)
{
    const tsr_json *text = tsr_json_get(f->config, "text_config");
    const tsr_json *vision = tsr_json_get(f->config, "vision_config"), *audio = tsr_json_get(f->config, "audio_config");
    bool free_vision = tsr_json_get(vision, "mm_embed_dim"), free_audio = tsr_json_get(audio, "audio_embed_dim");
    bool has_experts = false;
    size_t ple = 0;
    if (!free_vision && !free_audio)
        return TSR_OK;
    if ((vision && !free_vision) || (audio && !free_audio))
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: a tower for one sense and an encoder-free part for the other",
                        tsr_gguf_path(f->mmproj));
    tsr_json_to_size(tsr_json_get(text, "hidden_size_per_layer_input"), &ple);
    tsr_json_to_bool(tsr_json_get(text, "enable_moe_block"), &has_experts);
    if (ple || has_experts)
        return tsr_fail(err, TSR_ERR_MODEL,
                        "%s: the encoder-free parts of a 12B, but %s has %s: this mmproj is of another model",
                        tsr_gguf_path(f->mmproj), f->path, ple ? "per-layer embeddings" : "experts");
    return tsr_json_set(f->config, "model_type", tsr_json_new_string("gemma4_unified", 14)) ? TSR_OK
                                                                                            : no_memory(f->path, err);
}

static tsr_status open_mmproj(tsri_model_files *f, const char *path, tsr_error *err)
{
    tsr_status st = tsr_gguf_open(&f->mmproj, path, err);
    if (st == TSR_OK && tsr_gguf_text_kind(f->mmproj) == TSR_GGUF_KIND_TEXT)
        st = tsr_fail(err, TSR_ERR_USAGE, "%s: is a text model, no mmproj", path);
    if (st == TSR_OK)
        st = check_width(f, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_config(f->config, f->mmproj, err);
    return st == TSR_OK ? check_kind(f, err) : st;
}

static tsr_status open_gguf(tsri_model_files *f, const char *mmproj, const char *found, tsr_error *err)
{
    char *beside = NULL;
    tsr_status st = tsr_gguf_open(&f->text, f->path, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_refuse_inline(f->text, err);
    if (st == TSR_OK)
        st = tsr_gguf_text_config(&f->config, f->text, err);
    if (st == TSR_OK && !(f->config_name = tsr_strdup(f->path)))
        st = no_memory(f->path, err);
    if (st == TSR_OK && !mmproj && !found)
        st = tsri_find_mmproj(f->path, &beside, err);
    const char *path = mmproj ? mmproj : found ? found : beside;
    if (st == TSR_OK && path)
        st = open_mmproj(f, path, err);
    else if (st == TSR_OK)
        st = tsri_find_unfit_mmproj(f->path, &f->unfit, err);
    tsr_free(beside);
    return st;
}

/* ---- both ---- */

static tsr_status find_dir(tsri_model_files *f, tsr_error *err)
{
    const char *slash = strrchr(f->path, '/');
    if (tsr_file_is_dir(f->path))
        f->dir = tsr_strdup(f->path);
    else
        f->dir = slash ? tsr_strndup(f->path, slash == f->path ? 1 : (size_t)(slash - f->path)) : tsr_strdup(".");
    if (!f->dir)
        return no_memory(f->path, err);
    if (!tsr_file_exists(f->path))
        return tsr_fail(err, TSR_ERR_NOINPUT, "%s: no such model folder or file", f->path);
    return TSR_OK;
}

tsr_status tsri_model_files_open(tsri_model_files *f, const char *spec, const char *mmproj, tsr_error *err)
{
    char *found = NULL;
    bool is_gguf = false;
    *f = (tsri_model_files){0};
    tsr_status st = tsri_find_model(spec, &f->path, &found, err);
    if (st == TSR_OK)
        st = find_dir(f, err);
    if (st == TSR_OK)
        st = tsr_gguf_sniff(&is_gguf, f->path, err);
    if (st == TSR_OK)
        st = is_gguf ? open_gguf(f, mmproj, found, err) : open_published(f, mmproj, err);
    tsr_free(found);
    return st;
}

void tsri_model_files_close(tsri_model_files *f)
{
    tsr_json_free(f->processor);
    tsr_json_free(f->config);
    tsr_gguf_close(f->mmproj);
    tsr_gguf_close(f->text);
    tsr_free(f->config_name);
    tsr_free(f->unfit);
    tsr_free(f->dir);
    tsr_free(f->path);
    *f = (tsri_model_files){0};
}

tsr_status tsri_model_files_weights(tsr_weights **w, const tsri_model_files *f, tsr_error *err)
{
    if (!f->text)
        return tsr_weights_open(w, f->path, err);
    tsr_status st = tsr_weights_new(w, f->path, err);
    if (st == TSR_OK)
        st = tsr_gguf_text_weights(*w, f->text, err);
    if (st == TSR_OK && f->mmproj)
        st = tsr_gguf_towers_weights(*w, f->mmproj, err);
    if (st != TSR_OK) {
        tsr_weights_close(*w);
        *w = NULL;
    }
    return st;
}

/* In a folder it stands in processor_config.json, or is preprocessor_config.json. */
tsr_status tsri_model_files_extractor(const tsr_json **out, tsri_model_files *f, tsr_error *err)
{
    const char *key = "feature_extractor";
    *out = NULL;
    if (f->text) {
        *out = tsr_json_get_set(f->config, key);
        return TSR_OK;
    }
    tsr_json_free(f->processor); /* of an earlier call */
    f->processor = NULL;
    tsr_status st = read_json(&f->processor, f, "processor_config.json", false, NULL, err);
    *out = tsr_json_get_set(f->processor, key);
    if (st != TSR_OK || *out)
        return st;
    tsr_json_free(f->processor);
    st = read_json(&f->processor, f, "preprocessor_config.json", false, NULL, err);
    if (tsr_json_get_set(f->processor, "feature_extractor_type"))
        *out = f->processor;
    return st;
}

void tsri_model_files_let_go(const tsri_model_files *f, const tsr_weights *w)
{
    tsr_weights_let_go(w);
    if (f->text)
        tsr_gguf_let_go(f->text);
    if (f->mmproj)
        tsr_gguf_let_go(f->mmproj);
}

size_t tsri_model_files_mapped_bytes(const tsri_model_files *f, const tsr_weights *w)
{
    return tsr_weights_mapped_bytes(w) + (f->text ? tsr_gguf_mapped_bytes(f->text) : 0) +
           (f->mmproj ? tsr_gguf_mapped_bytes(f->mmproj) : 0);
}
