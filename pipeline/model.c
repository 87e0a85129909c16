/* model.c: files become an open model, its parts all checked against each other. */
#include "model_internal.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_file.h"
#include "tsr_json.h"
#include "tsr_matmul.h"

const tsr_text_config *tsri_model_config(const tessera_model *m)
{
    return tsr_decoder_config(m->decoder);
}

/* The public log levels and statuses are the inner ones under other names. */
_Static_assert((int)TESSERA_LOG_DEBUG == (int)TSR_LOG_DEBUG, "log levels agree");

typedef struct log_bridge {
    void (*fn)(void *user, tessera_log_level level, const char *line);
    void *user;
} log_bridge;

static void forward_log(void *user, tsr_log_level level, const char *text)
{
    const log_bridge *b = user;
    b->fn(b->user, (tessera_log_level)level, text);
}

const char *tsri_model_variant(const tessera_model *m)
{
    tsr_variant v = tsri_model_config(m)->variant;
    return v == TSR_VARIANT_31B && m->files.text && !m->files.mmproj ? "12B or 31B" : tsr_variant_name(v);
}

static tsr_status open_sound(tessera_model *m, tsr_error *err)
{
    const tsr_json *extractor;
    if (!tsr_hearing_present(m->weights))
        return TSR_OK;
    tsr_status st = tsri_model_files_extractor(&extractor, &m->files, err);
    return st == TSR_OK ? tsr_hearing_open(&m->hearing, m->weights, tsr_json_get_set(m->files.config, "audio_config"),
                                           extractor, tsri_model_config(m)->hidden, m->pool, err)
                        : st;
}

static tsr_status open_parts(tessera_model *m, tsr_error *err)
{
    tsr_text_config text = {0};
    const tsr_json *config = m->files.config;
    tsr_status st = tsr_text_config_parse(&text, config, m->files.config_name, err);
    if (st != TSR_OK)
        return st;
    st = tsri_model_files_weights(&m->weights, &m->files, err);
    if (st == TSR_OK)
        st = tsr_decoder_open(&m->decoder, m->weights, &text, err);
    tsr_text_config_deinit(&text);
    if (st == TSR_OK && tsr_vision_present(m->weights))
        st = tsr_vision_open(&m->vision, m->weights, tsr_json_get_set(config, "vision_config"),
                             tsri_model_config(m)->hidden, m->pool, err);
    if (st == TSR_OK)
        st = open_sound(m, err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(m->weights, err);
    return st;
}

/* The file that the tokenizer was read from, for messages: "DIR/tokenizer.json" or the GGUF. */
static tsr_status lacks_token(const tessera_model *m, const char *text, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_MODEL, "%s%s: the token %s is missing", m->files.text ? m->files.path : m->files.dir,
                    m->files.text ? "" : "/tokenizer.json", text);
}

static tsr_status find_id(const tessera_model *m, const char *text, bool required, int32_t *out, tsr_error *err)
{
    *out = tsr_tokenizer_id_of(m->tokenizer, text);
    return *out < 0 && required ? lacks_token(m, text, err) : TSR_OK;
}

/* config.json may name the id as well; then both must agree. */
static tsr_status cross_check(const tessera_model *m, const char *key, int32_t id, tsr_error *err)
{
    int64_t told;
    if (id >= 0 && tsr_json_to_i64(tsr_json_get_set(m->files.config, key), &told) && told != id)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is %lld, the tokenizer's id is %ld", m->files.config_name, key,
                        (long long)told, (long)id);
    return TSR_OK;
}

/* A GGUF file names some by role: BOS must be ours, and what ends an answer a control token. */
static tsr_status cross_check_gguf(const tessera_model *m, tsr_error *err)
{
    static const char *const roles[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                        "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof roles / sizeof *roles && st == TSR_OK; i++) {
        int32_t id = m->ids.bos;
        if (!tsr_gguf_find(m->files.text, roles[i]))
            continue;
        st = tsr_gguf_get_i32(m->files.text, roles[i], TSR_GGUF_REQUIRED, &id, err);
        if (st == TSR_OK && i == 0 && id != m->ids.bos)
            st = tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is %ld; the tokenizer's <bos> is %ld", m->files.path,
                          roles[i], (long)id, (long)m->ids.bos);
        else if (st == TSR_OK && !tsr_tokenizer_is_control(m->tokenizer, id))
            st = tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is %ld, which is no control token", m->files.path, roles[i],
                          (long)id);
    }
    return st;
}

static tsr_status find_ids(tessera_model *m, tsr_error *err)
{
    const struct {
        const char *text;
        bool required;
        int32_t *id;
        const char *key;
    } rows[] = {
        {"<bos>", true, &m->ids.bos, "bos_token_id"},
        {"<eos>", true, &m->ids.eos, NULL},
        {"<turn|>", true, &m->ids.turn_end, NULL},
        {"<|tool_response>", false, &m->ids.tool_response, NULL},
        {"<|image|>", m->vision != NULL, &m->ids.image, "image_token_id"},
        {"<|video|>", false, &m->ids.video, "video_token_id"},
        {"<|audio|>", m->hearing != NULL, &m->ids.audio, "audio_token_id"},
    };
    int64_t video;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsr_status st = find_id(m, rows[i].text, rows[i].required, rows[i].id, err);
        if (st == TSR_OK && rows[i].key)
            st = cross_check(m, rows[i].key, *rows[i].id, err);
        if (st != TSR_OK)
            return st;
    }
    /* Some tokenizers do not name the film placeholder; the configuration then does. */
    if (m->ids.video < 0 && tsr_json_to_i64(tsr_json_get_set(m->files.config, "video_token_id"), &video) && video >= 0 &&
        (uint64_t)video < tsri_model_config(m)->vocab)
        m->ids.video = (int32_t)video;
    return m->files.text ? cross_check_gguf(m, err) : TSR_OK;
}

static tsr_status check_rows(const tessera_model *m, const char *file, tsr_error *err)
{
    size_t n = tsr_tokenizer_count(m->tokenizer), rows = tsri_model_config(m)->vocab;
    if (n > rows)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %zu entries, the model has only %zu embedding rows", file, n, rows);
    return TSR_OK;
}

static tsr_status open_tokenizer(tessera_model *m, tsr_error *err)
{
    char *path = m->files.text ? tsr_strdup(m->files.path) : tsr_path_join(m->files.dir, "tokenizer.json");
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", m->files.dir);
    tsr_status st = m->files.text ? tsr_tokenizer_open_gguf(&m->tokenizer, m->files.text, err)
                                  : tsr_tokenizer_open(&m->tokenizer, path, err);
    if (st == TSR_OK)
        st = check_rows(m, path, err);
    tsr_free(path);
    return st == TSR_OK ? find_ids(m, err) : st;
}

static tsr_status open_generation(tessera_model *m, tsr_error *err)
{
    size_t vocab = tsri_model_config(m)->vocab;
    return m->files.text ? tsri_generation_read_gguf(&m->generation, m->files.text, vocab, err)
                         : tsri_generation_read(&m->generation, m->files.dir, vocab, err);
}

static tsr_status open_all(tessera_model *m, const char *path, const tessera_model_opts *o, tsr_error *err)
{
    tsr_cpu_level level = tsr_cpu_detect();
    tsr_status st = o->cpu ? tsr_cpu_parse(&level, o->cpu, err) : TSR_OK;
    if (st != TSR_OK)
        return st;
    tsr_cpu_set(level);
    m->path = tsr_strdup(path);
    st = m->path ? tsri_model_files_open(&m->files, path, o->mmproj, err)
                 : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    m->dir = m->files.dir;
    if (st == TSR_OK)
        st = tsr_pool_open(&m->pool, o->threads, err);
    if (st == TSR_OK)
        st = open_parts(m, err);
    if (st == TSR_OK)
        st = open_tokenizer(m, err);
    if (st == TSR_OK)
        st = open_generation(m, err);
    if (st == TSR_OK)
        tsri_model_files_let_go(&m->files, m->weights);
    return st;
}

tessera_status tessera_model_open(tessera_model **out, const char *path, const tessera_model_opts *opts,
                                  tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tessera_model_opts o = opts ? *opts : (tessera_model_opts){0};
    *out = NULL;
    tessera_model *m = tsr_calloc(1, sizeof *m);
    if (!m)
        return tsri_public(perr, tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: %s", path), &err);
    if (o.log) {
        log_bridge *b = tsr_alloc(sizeof *b);
        if (!b) {
            tsr_free(m);
            return tsri_public(perr, tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: %s", path), &err);
        }
        *b = (log_bridge){o.log, o.log_user};
        m->log = (tsr_log){forward_log, b, TSR_LOG_DEBUG};
    }
    tsr_status st = open_all(m, path, &o, &err);
    if (st != TSR_OK) {
        tessera_model_close(m);
        return tsri_public(perr, st, &err);
    }
    tsr_log_write(&m->log, TSR_LOG_INFO, "%s: %s, %u threads, kernels %s, %s", path,
                  tsri_model_variant(m), tsr_pool_threads(m->pool),
                  tsr_cpu_level_name(tsr_cpu_get()), tsr_matmul_backend());
    if (m->files.unfit)
        tsr_log_write(&m->log, TSR_LOG_WARN, "%s takes text alone: %s", path, m->files.unfit);
    *out = m;
    return TESSERA_OK;
}

void tessera_model_close(tessera_model *m)
{
    if (!m)
        return;
    tsri_generation_deinit(&m->generation);
    tsr_vocab_close(m->vocab);
    tsr_tokenizer_close(m->tokenizer);
    tsr_hearing_close(m->hearing);
    tsr_vision_close(m->vision);
    tsr_decoder_close(m->decoder);
    tsr_weights_close(m->weights);
    tsr_pool_close(m->pool);
    tsri_model_files_close(&m->files);
    tsr_free(m->log.user);
    tsr_free(m->path);
    tsr_free(m);
}

unsigned tessera_model_senses(const tessera_model *m)
{
    return (m->vision ? (unsigned)TESSERA_SENSE_PICTURES : 0u) | (m->hearing ? (unsigned)TESSERA_SENSE_SOUND : 0u);
}
