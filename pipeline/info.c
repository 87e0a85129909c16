/* info.c: what an open model is and costs, as JSON and as lines for people; tokens of a text. */
#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "json_build.h"
#include "media_part.h"
#include "model_internal.h"
#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_kv_cache.h"
#include "tsr_matmul.h"


static tsr_json *text_facts(const tsr_text_config *c)
{
    tsri_build o = tsri_build_object();
    size_t n_full = 0;
    for (size_t l = 0; l < c->n_layers; l++)
        n_full += c->layers[l].type == TSR_LAYER_FULL;
    tsri_put_size(&o, "layers", c->n_layers);
    tsri_put_size(&o, "full_layers", n_full);
    tsri_put_size(&o, "kv_shared_layers", c->n_shared);
    tsri_put_size(&o, "hidden", c->hidden);
    tsri_put_size(&o, "heads", c->n_heads);
    tsri_put_size(&o, "vocab", c->vocab);
    tsri_put_size(&o, "sliding_window", c->window);
    tsri_put_size(&o, "max_positions", c->max_positions);
    tsri_put_size(&o, "per_layer_embedding", c->ple_dim);
    tsri_put_size(&o, "experts", c->n_experts);
    tsri_put_size(&o, "experts_per_token", c->n_experts ? c->top_k : 0);
    tsri_put_bool(&o, "bidirectional_vision", c->bidirectional_vision);
    return tsri_build_end(&o);
}

static tsr_json *vision_facts(const tessera_model *m)
{
    if (!m->vision)
        return tsr_json_new_null();
    tsr_vision_info v = tsr_vision_describe(m->vision);
    tsri_build o = tsri_build_object(), list = tsri_build_list();
    tsri_put_text(&o, "kind", v.is_unified ? "encoder-free" : "tower");
    tsri_put_size(&o, "layers", v.n_layers);
    tsri_put_size(&o, "hidden", v.hidden);
    tsri_put_size(&o, "patch", v.patch);
    tsri_put_size(&o, "pooling", v.pool);
    tsri_put_size(&o, "positions", v.max_positions);
    for (size_t i = 0; i < TSRI_N_BUDGETS; i++)
        tsri_add_size(&list, tsri_budgets[i]);
    tsri_put(&o, "budgets", tsri_build_end(&list));
    tsri_put_size(&o, "max_trained_soft_tokens", tsri_budget_trained(m));
    return tsri_build_end(&o);
}

static tsr_json *sound_facts(const tessera_model *m)
{
    if (!m->hearing)
        return tsr_json_new_null();
    tsr_hearing_info s = tsr_hearing_describe(m->hearing);
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "kind", s.is_unified ? "encoder-free" : "conformer");
    tsri_put_size(&o, "layers", s.n_layers);
    tsri_put_size(&o, "hidden", s.hidden);
    tsri_put_size(&o, "sample_rate", s.rate_hz);
    tsri_put_size(&o, "tokens_per_second", 25);
    tsri_put_size(&o, "max_seconds", TSRI_MAX_SOUND_SECONDS);
    return tsri_build_end(&o);
}

static size_t n_parameters(const tessera_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < tsr_weights_count(m->weights); i++)
        n += tsr_weights_view(m->weights, i)->n_elems;
    return n;
}

static void bytes_of_types(const tessera_model *m, size_t of_type[TSR_N_TYPES])
{
    memset(of_type, 0, TSR_N_TYPES * sizeof *of_type);
    for (size_t i = 0; i < tsr_weights_count(m->weights); i++)
        of_type[tsr_weights_view(m->weights, i)->type] += tsr_weights_view(m->weights, i)->n_bytes;
}

/* How many parameters, and bytes of each type, the files hold. */
static tsr_json *weight_facts(const tessera_model *m)
{
    size_t of_type[TSR_N_TYPES];
    tsri_build o = tsri_build_object(), types = tsri_build_object();
    bytes_of_types(m, of_type);
    for (int t = 0; t < TSR_N_TYPES; t++)
        if (of_type[t])
            tsri_put_size(&types, tsr_type_info((tsr_type)t)->name, of_type[t]);
    tsri_put_size(&o, "tensors", tsr_weights_count(m->weights));
    tsri_put_size(&o, "parameters", n_parameters(m));
    tsri_put(&o, "bytes_by_type", tsri_build_end(&types));
    return tsri_build_end(&o);
}

/* Which weights there are, and how they are multiplied unless --exact asks otherwise. */
static tsr_json *path_facts(const tessera_model *m)
{
    tsri_build o = tsri_build_object();
    size_t of_type[TSR_N_TYPES];
    bytes_of_types(m, of_type);
    for (int t = 0; t < TSR_N_TYPES; t++)
        if (of_type[t] && tsr_type_info((tsr_type)t)->is_float)
            tsri_put_text(&o, tsr_type_info((tsr_type)t)->name, tsr_matmul_path((tsr_type)t));
    return tsri_build_end(&o);
}

/* The files of a GGUF model, part by part; otherwise the folder or file. */
static tsr_json *file_facts(const tessera_model *m)
{
    const tsr_gguf *const both[] = {m->files.text, m->files.mmproj};
    tsri_build list = tsri_build_list();
    if (!m->files.text)
        tsri_add_text(&list, m->files.path);
    for (size_t i = 0; i < 2; i++)
        for (size_t part = 0; both[i] && part < tsr_gguf_n_parts(both[i]); part++)
            tsri_add_text(&list, tsr_gguf_part_path(both[i], part));
    return tsri_build_end(&list);
}

/* The cache of a run that asks for no type, with one chunk of `positions` at most. */
static size_t cache_bytes(const tessera_model *m, size_t positions)
{
    size_t bytes;
    tsr_context_opts o = tsr_context_opts_default();
    o.ctx_tokens = positions;
    return tsr_context_plan_cache(&bytes, m->decoder, &o, NULL) == TSR_OK ? bytes : 0;
}

enum { SOME_POSITIONS = 4096 };

static size_t most_positions(const tessera_model *m)
{
    size_t most = tsri_model_config(m)->max_positions;
    return most ? most : SOME_POSITIONS;
}

static tsr_json *cache_facts(const tessera_model *m)
{
    const size_t at[] = {SOME_POSITIONS, most_positions(m)};
    tsri_build o = tsri_build_object(), sizes = tsri_build_list();
    for (size_t i = 0; i < 2; i++) {
        tsri_build s = tsri_build_object();
        tsri_put_size(&s, "positions", at[i]);
        tsri_put_size(&s, "bytes", cache_bytes(m, at[i]));
        tsri_add(&sizes, tsri_build_end(&s));
    }
    tsri_put_text(&o, "type", tsr_kv_type_name(tsr_decoder_kv_type(m->decoder)));
    tsri_put(&o, "sizes", tsri_build_end(&sizes));
    return tsri_build_end(&o);
}

static tsr_json *facts(const tessera_model *m)
{
    const tsr_text_config *c = tsri_model_config(m);
    tsri_build o = tsri_build_object(), takes = tsri_build_list();
    tsri_add_text(&takes, "text");
    if (m->vision) {
        tsri_add_text(&takes, "image");
        tsri_add_text(&takes, "video");
    }
    if (m->hearing)
        tsri_add_text(&takes, "audio");
    tsri_put_text(&o, "model", m->path);
    tsri_put_text(&o, "format", m->files.text ? "GGUF" : "safetensors");
    tsri_put(&o, "files", file_facts(m));
    tsri_put_text(&o, "variant", tsri_model_variant(m));
    tsri_put(&o, "modalities", tsri_build_end(&takes));
    tsri_put(&o, "text", text_facts(c));
    tsri_put(&o, "vision", vision_facts(m));
    tsri_put(&o, "audio", sound_facts(m));
    tsri_put(&o, "weights", weight_facts(m));
    tsri_put(&o, "kv_cache", cache_facts(m));
    tsri_put_size(&o, "mapped_bytes", tsri_model_files_mapped_bytes(&m->files, m->weights));
    tsri_put_size(&o, "resident_bytes", tsr_alloc_live_bytes());
    tsri_put_size(&o, "threads", tsr_pool_threads(m->pool));
    tsri_put_text(&o, "cpu", tsr_cpu_level_name(tsr_cpu_get()));
    tsri_put_text(&o, "products", tsr_matmul_backend());
    tsri_put(&o, "path", path_facts(m));
    return tsri_build_end(&o);
}

static void put_line(tsr_text *out, tsr_status *st, tsr_error *err, const char *fmt, ...) TSR_PRINTF(4, 5);

static void put_line(tsr_text *out, tsr_status *st, tsr_error *err, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (*st == TSR_OK && n > 0)
        *st = tsr_text_add(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1, err);
}

static double mib(size_t n)
{
    return (double)n / (1024.0 * 1024.0);
}

/* "Q4_K 3103.1 MiB, F32 0.9 MiB": what the tensors take. */
static void type_lines(const tessera_model *m, tsr_text *out, tsr_status *st, tsr_error *err)
{
    const char *before = "types       ";
    size_t of_type[TSR_N_TYPES];
    bytes_of_types(m, of_type);
    for (int t = 0; t < TSR_N_TYPES; t++) {
        if (of_type[t])
            put_line(out, st, err, "%s%s %.1f MiB", before, tsr_type_info((tsr_type)t)->name, mib(of_type[t]));
        before = of_type[t] ? ", " : before;
    }
    put_line(out, st, err, "\n");
}

/* "Q4_K int8, BF16 exact": how weights of each type are multiplied. */
static void product_lines(const tessera_model *m, tsr_text *out, tsr_status *st, tsr_error *err)
{
    const char *before = "products    ";
    size_t of_type[TSR_N_TYPES];
    bytes_of_types(m, of_type);
    for (int t = 0; t < TSR_N_TYPES; t++) {
        bool has = of_type[t] && tsr_type_info((tsr_type)t)->is_float;
        if (has)
            put_line(out, st, err, "%s%s %s", before, tsr_type_info((tsr_type)t)->name, tsr_matmul_path((tsr_type)t));
        before = has ? ", " : before;
    }
    put_line(out, st, err, " inputs (all exact with --exact); kernels %s, %s, %u threads\n", tsr_cpu_level_name(tsr_cpu_get()),
             tsr_matmul_backend(), tsr_pool_threads(m->pool));
}

static void file_lines(const tessera_model *m, tsr_text *out, tsr_status *st, tsr_error *err)
{
    if (!m->files.text)
        return;
    put_line(out, st, err, "text        %s", m->files.path);
    if (tsr_gguf_n_parts(m->files.text) > 1)
        put_line(out, st, err, " and %zu more parts", tsr_gguf_n_parts(m->files.text) - 1);
    put_line(out, st, err, "\nmmproj      %s\n", m->files.mmproj ? tsr_gguf_path(m->files.mmproj) : "none");
}

static tsr_status facts_text(const tessera_model *m, tsr_text *out, tsr_error *err)
{
    const tsr_text_config *c = tsri_model_config(m);
    tsr_status st = TSR_OK;
    put_line(out, &st, err, "model       %s\n", m->path);
    file_lines(m, out, &st, err);
    put_line(out, &st, err, "variant     Gemma 4 %s\n", tsri_model_variant(m));
    put_line(out, &st, err, "takes       text%s%s\n", m->vision ? ", pictures, films, pages" : "",
             m->hearing ? ", sound" : "");
    put_line(out, &st, err, "decoder     %zu layers (%zu share keys and values), width %zu, %zu heads, window %zu, "
             "up to %zu positions\n", c->n_layers, c->n_shared, c->hidden, c->n_heads, c->window, c->max_positions);
    if (c->n_experts)
        put_line(out, &st, err, "experts     %zu, %zu per token\n", c->n_experts, c->top_k);
    if (m->vision) {
        tsr_vision_info v = tsr_vision_describe(m->vision);
        if (v.is_unified)
            put_line(out, &st, err, "vision      encoder-free, width %zu\n", v.hidden);
        else
            put_line(out, &st, err, "vision      tower of %zu layers, width %zu\n", v.n_layers, v.hidden);
        put_line(out, &st, err, "budgets     70, 140, 280, 560, 1120 soft tokens per picture%s\n",
                 tsri_budget_trained(m) < tsri_budgets[TSRI_N_BUDGETS - 1] ? "; the larger ones untrained" : "");
    }
    if (m->hearing) {
        tsr_hearing_info s = tsr_hearing_describe(m->hearing);
        if (s.is_unified)
            put_line(out, &st, err, "audio       encoder-free, 25 soft tokens per second, 30 s at most\n");
        else
            put_line(out, &st, err, "audio       conformer of %zu layers, width %zu; 25 soft tokens per second, 30 s at "
                     "most\n", s.n_layers, s.hidden);
    }
    put_line(out, &st, err, "weights     %zu tensors, %.3f M parameters, %.1f MiB mapped from files\n",
             tsr_weights_count(m->weights), (double)n_parameters(m) / 1e6,
             mib(tsri_model_files_mapped_bytes(&m->files, m->weights)));
    type_lines(m, out, &st, err);
    put_line(out, &st, err, "cache       %s unless asked otherwise: %.1f MiB for %d positions, %.1f MiB for %zu\n",
             tsr_kv_type_name(tsr_decoder_kv_type(m->decoder)), mib(cache_bytes(m, SOME_POSITIONS)), SOME_POSITIONS,
             mib(cache_bytes(m, most_positions(m))), most_positions(m));
    put_line(out, &st, err, "resident    %.1f MiB of our own\n", mib(tsr_alloc_live_bytes()));
    product_lines(m, out, &st, err);
    return st == TSR_OK ? tsr_text_add(out, "", 1, err) : st;
}

tessera_status tessera_model_info(const tessera_model *m, int as_json, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsr_status st;
    *out = NULL;
    if (!as_json) {
        tsr_text text = {0};
        st = facts_text(m, &text, &err);
        if (st == TSR_OK)
            *out = text.at;
        else
            tsr_text_deinit(&text);
        return tsri_public(perr, st, &err);
    }
    tsr_json *o = facts(m);
    st = o ? tsr_json_dump(out, o, 2, &err) : tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: the facts of %s", m->path);
    tsr_json_free(o);
    return tsri_public(perr, st, &err);
}

/* ---- tokens ---- */

static tsr_status encode(const tessera_model *m, const char *text, size_t len, int control, tsr_ids *ids,
                         tsr_error *err)
{
    if (!control)
        return tsr_tokenizer_encode(m->tokenizer, text, len, TSR_ENCODE_PLAIN, ids, err);
    tsr_status st = tsr_ids_add(ids, m->ids.bos, err);
    if (st == TSR_OK)
        st = tsr_tokenizer_encode(m->tokenizer, text, len, TSR_ENCODE_CONTROL, ids, err);
    if (st == TSR_OK && ids->n > 1 && ids->at[1] == m->ids.bos) { /* typed out as well: one is enough */
        memmove(ids->at, ids->at + 1, (ids->n - 1) * sizeof *ids->at);
        ids->n--;
    }
    return st;
}

tessera_status tessera_tokenize(const tessera_model *m, const char *text, size_t len, int parse_control, int32_t **ids,
                                size_t *n, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsr_ids found = {0};
    *ids = NULL;
    *n = 0;
    tsr_status st = encode(m, text, len, parse_control, &found, &err);
    if (st != TSR_OK) {
        tsr_ids_deinit(&found);
        return tsri_public(perr, st, &err);
    }
    *ids = found.at;
    *n = found.n;
    return TESSERA_OK;
}

static tsr_json *tokens_json(const tessera_model *m, const tsr_ids *ids)
{
    tsri_build o = tsri_build_object(), list = tsri_build_list(), names = tsri_build_list();
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *piece = tsr_tokenizer_piece(m->tokenizer, ids->at[i], &len);
        tsri_add(&list, tsr_json_new_i64(ids->at[i]));
        tsri_add(&names, piece ? tsr_json_new_string(piece, len) : tsr_json_new_null());
    }
    tsri_put(&o, "token_ids", tsri_build_end(&list));
    tsri_put(&o, "tokens", tsri_build_end(&names));
    return tsri_build_end(&o);
}

static tsr_status tokens_line(const tsr_ids *ids, char **out, tsr_error *err)
{
    tsr_text text = {0};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < ids->n && st == TSR_OK; i++)
        put_line(&text, &st, err, "%s%ld", i ? " " : "", (long)ids->at[i]);
    if (st == TSR_OK)
        st = tsr_text_add(&text, "\n", 2, err); /* with its terminator */
    if (st == TSR_OK)
        *out = text.at;
    else
        tsr_text_deinit(&text);
    return st;
}

tessera_status tessera_tokenize_text(const tessera_model *m, const char *text, size_t len, int parse_control,
                                     int as_json, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsr_ids ids = {0};
    *out = NULL;
    tsr_status st = encode(m, text, len, parse_control, &ids, &err);
    if (st == TSR_OK && !as_json) {
        st = tokens_line(&ids, out, &err);
    } else if (st == TSR_OK) {
        tsr_json *o = tokens_json(m, &ids);
        st = o ? tsr_json_dump(out, o, 0, &err) : tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: tokens as JSON");
        tsr_json_free(o);
    }
    tsr_ids_deinit(&ids);
    return tsri_public(perr, st, &err);
}
