/* model.c: a folder of files becomes an open model; what it is, told to people and programs. */
#include "model_internal.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_cpu.h"
#include "tsr_file.h"
#include "tsr_json.h"
#include "tsr_matmul.h"

enum { MAX_CONFIG_BYTES = 64 << 20 };

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

static tsr_status find_dir(tessera_model *m, const char *path, tsr_error *err)
{
    m->path = tsr_strdup(path);
    if (m->path && tsr_file_is_dir(path)) {
        m->dir = tsr_strdup(path);
    } else if (m->path) {
        const char *slash = strrchr(path, '/');
        m->dir = slash ? tsr_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : tsr_strdup(".");
    }
    if (!m->path || !m->dir)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (!tsr_file_exists(path))
        return tsr_fail(err, TSR_ERR_NOINPUT, "%s: no such model folder or file", path);
    return TSR_OK;
}

/* Read DIR/name; *out is NULL when an optional file is absent. */
static tsr_status read_json(tsr_json **out, const tessera_model *m, const char *name, bool required, char **path_out,
                            tsr_error *err)
{
    *out = NULL;
    char *path = tsr_path_join(m->dir, name);
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    tsr_status st = TSR_OK;
    if (required || tsr_file_exists(path))
        st = tsr_json_parse_file(out, path, MAX_CONFIG_BYTES, err);
    if (path_out && st == TSR_OK)
        *path_out = path;
    else
        tsr_free(path);
    return st;
}

/* The feature extractor's object stands in processor_config.json, or is preprocessor_config.json. */
static tsr_status open_sound(tessera_model *m, const tsr_json *config, tsr_error *err)
{
    tsr_json *processor = NULL, *pre = NULL;
    if (!tsr_hearing_present(m->weights))
        return TSR_OK;
    tsr_status st = read_json(&processor, m, "processor_config.json", false, NULL, err);
    const tsr_json *extractor = tsr_json_get_set(processor, "feature_extractor");
    if (st == TSR_OK && !extractor) {
        st = read_json(&pre, m, "preprocessor_config.json", false, NULL, err);
        if (tsr_json_get_set(pre, "feature_extractor_type"))
            extractor = pre;
    }
    if (st == TSR_OK)
        st = tsr_hearing_open(&m->hearing, m->weights, tsr_json_get_set(config, "audio_config"), extractor,
                            tsri_model_config(m)->hidden, m->pool, err);
    tsr_json_free(processor);
    tsr_json_free(pre);
    return st;
}

static tsr_status open_parts(tessera_model *m, const tsr_json *config, const char *config_path, tsr_error *err)
{
    tsr_text_config text = {0};
    tsr_status st = tsr_text_config_parse(&text, config, config_path, err);
    if (st != TSR_OK)
        return st;
    st = tsr_weights_open(&m->weights, m->path, err);
    if (st == TSR_OK)
        st = tsr_decoder_open(&m->decoder, m->weights, &text, err);
    tsr_text_config_deinit(&text);
    if (st == TSR_OK && tsr_vision_present(m->weights))
        st = tsr_vision_open(&m->vision, m->weights, tsr_json_get_set(config, "vision_config"),
                             tsri_model_config(m)->hidden, m->pool, err);
    if (st == TSR_OK)
        st = open_sound(m, config, err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(m->weights, err);
    return st;
}

static tsr_status find_id(const tessera_model *m, const char *text, bool required, int32_t *out, tsr_error *err)
{
    *out = tsr_tokenizer_id_of(m->tokenizer, text);
    if (*out < 0 && required)
        return tsr_fail(err, TSR_ERR_MODEL, "%s/tokenizer.json: the token %s is missing", m->dir, text);
    return TSR_OK;
}

/* config.json may name the id as well; then both must agree. */
static tsr_status cross_check(const tessera_model *m, const tsr_json *config, const char *key, int32_t id,
                              tsr_error *err)
{
    int64_t told;
    if (id >= 0 && tsr_json_to_i64(tsr_json_get_set(config, key), &told) && told != id)
        return tsr_fail(err, TSR_ERR_MODEL, "%s/config.json: %s is %lld, the tokenizer's id is %ld", m->dir, key,
                        (long long)told, (long)id);
    return TSR_OK;
}

static tsr_status find_ids(tessera_model *m, const tsr_json *config, tsr_error *err)
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
            st = cross_check(m, config, rows[i].key, *rows[i].id, err);
        if (st != TSR_OK)
            return st;
    }
    /* Some tokenizers do not name the film placeholder; the configuration then does. */
    if (m->ids.video < 0 && tsr_json_to_i64(tsr_json_get_set(config, "video_token_id"), &video) && video >= 0 &&
        (uint64_t)video < tsri_model_config(m)->vocab)
        m->ids.video = (int32_t)video;
    return TSR_OK;
}

static tsr_status open_tokenizer(tessera_model *m, const tsr_json *config, tsr_error *err)
{
    char *path = tsr_path_join(m->dir, "tokenizer.json");
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", m->dir);
    tsr_status st = tsr_tokenizer_open(&m->tokenizer, path, err);
    if (st == TSR_OK && tsr_tokenizer_count(m->tokenizer) > tsri_model_config(m)->vocab)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: %zu entries, the model has only %zu embedding rows", path,
                      tsr_tokenizer_count(m->tokenizer), tsri_model_config(m)->vocab);
    tsr_free(path);
    return st == TSR_OK ? find_ids(m, config, err) : st;
}

static tsr_status open_all(tessera_model *m, const char *path, const tessera_model_opts *o, tsr_error *err)
{
    tsr_json *config = NULL;
    char *config_path = NULL;
    tsr_cpu_level level = tsr_cpu_detect();
    tsr_status st = o->cpu ? tsr_cpu_parse(&level, o->cpu, err) : TSR_OK;
    if (st != TSR_OK)
        return st;
    tsr_cpu_set(level);
    st = find_dir(m, path, err);
    if (st == TSR_OK)
        st = tsr_pool_open(&m->pool, o->threads, err);
    if (st == TSR_OK)
        st = read_json(&config, m, "config.json", true, &config_path, err);
    if (st == TSR_OK)
        st = open_parts(m, config, config_path, err);
    if (st == TSR_OK)
        st = open_tokenizer(m, config, err);
    if (st == TSR_OK)
        st = tsri_generation_read(&m->generation, m->dir, tsri_model_config(m)->vocab, err);
    tsr_json_free(config);
    tsr_free(config_path);
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
                  tsr_variant_name(tsri_model_config(m)->variant), tsr_pool_threads(m->pool),
                  tsr_cpu_level_name(tsr_cpu_get()), tsr_matmul_backend());
    *out = m;
    return TESSERA_OK;
}

void tessera_model_close(tessera_model *m)
{
    if (!m)
        return;
    tsri_generation_deinit(&m->generation);
    tsr_tokenizer_close(m->tokenizer);
    tsr_hearing_close(m->hearing);
    tsr_vision_close(m->vision);
    tsr_decoder_close(m->decoder);
    tsr_weights_close(m->weights);
    tsr_pool_close(m->pool);
    tsr_free(m->log.user);
    tsr_free(m->dir);
    tsr_free(m->path);
    tsr_free(m);
}

unsigned tessera_model_senses(const tessera_model *m)
{
    return (m->vision ? (unsigned)TESSERA_SENSE_PICTURES : 0u) | (m->hearing ? (unsigned)TESSERA_SENSE_SOUND : 0u);
}
