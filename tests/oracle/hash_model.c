/* hash_model.c: manifests/NAME.json and configs/NAME/ become a model folder, as make_models.py does it.
 *
 * A manifest holds "files" and "tensors", each tensor as [name, shape, offset, scale, file number], sorted by name. */
#include "hash_model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes.h"
#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_json.h"

enum { PATH_BYTES = 1024, MAX_CONFIG_BYTES = 1 << 22, MAX_DIMS = 4 };

typedef struct tensor {
    const char *name;
    size_t n_dims;
    size_t shape[MAX_DIMS];
    size_t n; /* elements */
    double offset, scale;
    size_t file;
} tensor;

typedef struct model {
    const char *dir;
    char base[32]; /* name without "-bf16" */
    bool bf16;
    tsr_json *doc;
    const tsr_json *files, *tensors;
} model;

/* ---- values ---- */

uint32_t oracle_hash_seed(const char *name)
{
    uint32_t h = 0x811C9DC5u;
    for (; *name != '\0'; name++) {
        h = (h ^ (unsigned char)*name) * 0x01000193u;
    }
    return h;
}

float oracle_hash_value(uint32_t seed, uint64_t i, double offset, double scale)
{
    uint32_t x = oracle_mix32((uint32_t)(i * 0x9E3779B1u + seed));
    double u = (double)((int32_t)(x >> 8) - 8388608) / 8388608.0;
    return (float)(offset + scale * u);
}

uint16_t oracle_bf16_from_f32(float v)
{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return (uint16_t)((b + 0x7FFFu + ((b >> 16) & 1u)) >> 16);
}

/* ---- text under construction ---- */

typedef struct text {
    char *s;
    size_t len, cap;
    bool failed; /* memory was short; sticks */
} text;

static void text_add(text *t, const char *s, size_t n)
{
    if (!t->failed && n + 1 > t->cap - t->len) {
        size_t cap = (t->cap + n + 1) * 2;
        char *grown = tsr_realloc(t->s, cap);
        t->failed = grown == NULL;
        if (grown != NULL) {
            t->s = grown;
            t->cap = cap;
        }
    }
    if (!t->failed) {
        memcpy(t->s + t->len, s, n);
        t->len += n;
        t->s[t->len] = '\0';
    }
}

static void text_addf(text *t, const char *fmt, ...) TSR_PRINTF(2, 3);
static void text_addf(text *t, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line) {
        t->failed = true;
        return;
    }
    text_add(t, line, (size_t)n);
}

/* ---- the manifest ---- */

static tsr_status take_tensor(tensor *t, const tsr_json *row, tsr_error *err)
{
    const tsr_json *shape = tsr_json_at(row, 1);
    memset(t, 0, sizeof *t);
    t->name = tsr_json_string(tsr_json_at(row, 0), NULL);
    t->n_dims = tsr_json_len(shape);
    t->n = 1;
    if (t->name == NULL || t->n_dims > MAX_DIMS || !tsr_json_to_double(tsr_json_at(row, 2), &t->offset) ||
        !tsr_json_to_double(tsr_json_at(row, 3), &t->scale) || !tsr_json_to_size(tsr_json_at(row, 4), &t->file)) {
        return tsr_fail(err, TSR_ERR_MODEL, "manifest: a tensor's row is not understood");
    }
    for (size_t i = 0; i < t->n_dims; i++) {
        if (!tsr_json_to_size(tsr_json_at(shape, i), &t->shape[i]) || !tsr_mul_size(&t->n, t->n, t->shape[i])) {
            return tsr_fail(err, TSR_ERR_MODEL, "manifest: %s: bad shape", t->name);
        }
    }
    return TSR_OK;
}

static const char *file_name(const model *m, size_t file)
{
    const char *s = tsr_json_string(tsr_json_at(m->files, file), NULL);
    return s != NULL ? s : "?";
}

static tsr_status model_open(model *m, const char *dir, const char *name, tsr_error *err)
{
    char path[PATH_BYTES];
    size_t n = strlen(name);
    memset(m, 0, sizeof *m);
    m->dir = dir;
    m->bf16 = n > 5 && strcmp(name + n - 5, "-bf16") == 0;
    n -= m->bf16 ? 5 : 0;
    if (n >= sizeof m->base) {
        return tsr_fail(err, TSR_ERR_USAGE, "no such oracle model: %s", name);
    }
    memcpy(m->base, name, n);
    (void)snprintf(path, sizeof path, "%s/manifests/%s.json", TSR_ORACLE_DIR, m->base);
    tsr_status st = tsr_json_parse_file(&m->doc, path, MAX_CONFIG_BYTES, err);
    if (st == TSR_OK) {
        m->files = tsr_json_get(m->doc, "files");
        m->tensors = tsr_json_get(m->doc, "tensors");
    }
    return st;
}

/* ---- weights ---- */

static void put_values(unsigned char *p, const tensor *t, bool bf16)
{
    uint32_t seed = oracle_hash_seed(t->name);
    for (size_t i = 0; i < t->n; i++) {
        float v = oracle_hash_value(seed, i, t->offset, t->scale);
        uint32_t b;
        memcpy(&b, &v, sizeof b);
        if (bf16) {
            b = oracle_bf16_from_f32(v);
        }
        for (size_t k = 0; k < (bf16 ? 2u : 4u); k++) {
            *p++ = (unsigned char)(b >> (8 * k));
        }
    }
}

/* The header of one file, padded to 8 bytes, in `head`; the bytes of its tensors in *n_bytes. */
static tsr_status weights_header(text *head, size_t *n_bytes, const model *m, size_t file, tsr_error *err)
{
    tensor t;
    size_t at = 0;
    text_addf(head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < tsr_json_len(m->tensors); i++) {
        if (take_tensor(&t, tsr_json_at(m->tensors, i), err) != TSR_OK) {
            return TSR_ERR_MODEL;
        }
        if (t.file != file) {
            continue;
        }
        text_addf(head, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t.name, m->bf16 ? "BF16" : "F32");
        for (size_t k = 0; k < t.n_dims; k++) {
            text_addf(head, "%s%zu", k > 0 ? "," : "", t.shape[k]);
        }
        size_t end = at + t.n * (m->bf16 ? 2 : 4);
        text_addf(head, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    text_addf(head, "}");
    while (!head->failed && head->len % 8 != 0) {
        text_add(head, " ", 1);
    }
    *n_bytes = at;
    return head->failed ? tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a weight file's header") : TSR_OK;
}

static tsr_status write_weights(const model *m, size_t file, size_t *n_bytes, tsr_error *err)
{
    text head = {0};
    unsigned char *out = NULL;
    char path[PATH_BYTES];
    tsr_status st = weights_header(&head, n_bytes, m, file, err);
    if (st == TSR_OK) {
        st = tsr_alloc_array(&out, 8 + head.len + *n_bytes, 1, "a weight file", err);
    }
    if (st == TSR_OK) {
        unsigned char *p = out + 8 + head.len;
        for (size_t k = 0; k < 8; k++) {
            out[k] = (unsigned char)((uint64_t)head.len >> (8 * k));
        }
        memcpy(out + 8, head.s, head.len);
        for (size_t i = 0; i < tsr_json_len(m->tensors); i++) {
            tensor t;
            (void)take_tensor(&t, tsr_json_at(m->tensors, i), NULL); /* checked by weights_header */
            if (t.file == file) {
                put_values(p, &t, m->bf16);
                p += t.n * (m->bf16 ? 2 : 4);
            }
        }
        (void)snprintf(path, sizeof path, "%s/%s", m->dir, file_name(m, file));
        st = tsr_file_replace(path, out, 8 + head.len + *n_bytes, err);
    }
    tsr_free(out);
    tsr_free(head.s);
    return st;
}

static tsr_status write_index(const model *m, size_t total_bytes, tsr_error *err)
{
    text t = {0};
    char path[PATH_BYTES];
    tsr_status st = TSR_OK;
    text_addf(&t, "{\n  \"metadata\": {\n    \"total_size\": %zu\n  },\n  \"weight_map\": {", total_bytes);
    for (size_t i = 0; st == TSR_OK && i < tsr_json_len(m->tensors); i++) {
        tensor x;
        st = take_tensor(&x, tsr_json_at(m->tensors, i), err);
        if (st == TSR_OK) {
            text_addf(&t, "%s\n    \"%s\": \"%s\"", i > 0 ? "," : "", x.name, file_name(m, x.file));
        }
    }
    text_addf(&t, "\n  }\n}\n");
    if (st == TSR_OK && t.failed) {
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a weight index");
    }
    if (st == TSR_OK) {
        (void)snprintf(path, sizeof path, "%s/model.safetensors.index.json", m->dir);
        st = tsr_file_replace(path, t.s, t.len, err);
    }
    tsr_free(t.s);
    return st;
}

/* ---- configuration ---- */

/* Copy a file, with every "float32" made "bfloat16" for a BF16 model. */
static tsr_status copy_config(const char *from, const char *to, bool bf16, tsr_error *err)
{
    static const char old_type[] = "\"float32\"", new_type[] = "\"bfloat16\"";
    unsigned char *in = NULL;
    size_t len = 0;
    text out = {0};
    tsr_status st = tsr_file_read(&in, &len, from, MAX_CONFIG_BYTES, err);
    if (st == TSR_OK) {
        const char *p = (const char *)in, *hit;
        while (bf16 && (hit = strstr(p, old_type)) != NULL) {
            text_add(&out, p, (size_t)(hit - p));
            text_add(&out, new_type, sizeof new_type - 1);
            p = hit + sizeof old_type - 1;
        }
        text_add(&out, p, len - (size_t)(p - (const char *)in));
        st = out.failed ? tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", to)
                        : tsr_file_replace(to, out.s, out.len, err);
    }
    tsr_free(in);
    tsr_free(out.s);
    return st;
}

static tsr_status copy_configs(const model *m, tsr_error *err)
{
    static const char *const own[] = {"config.json", "generation_config.json", "processor_config.json"};
    static const char *const shared[] = {"tokenizer.json", "tokenizer_config.json"};
    char from[PATH_BYTES], to[PATH_BYTES];
    tsr_status st = TSR_OK;
    for (size_t i = 0; st == TSR_OK && i < sizeof own / sizeof *own; i++) {
        (void)snprintf(from, sizeof from, "%s/configs/%s/%s", TSR_ORACLE_DIR, m->base, own[i]);
        (void)snprintf(to, sizeof to, "%s/%s", m->dir, own[i]);
        if (tsr_file_exists(from)) {
            st = copy_config(from, to, m->bf16, err);
        }
    }
    for (size_t i = 0; st == TSR_OK && i < sizeof shared / sizeof *shared; i++) {
        (void)snprintf(from, sizeof from, "%s/tokenizer/%s", TSR_ORACLE_DIR, shared[i]);
        (void)snprintf(to, sizeof to, "%s/%s", m->dir, shared[i]);
        st = copy_config(from, to, false, err);
    }
    return st;
}

tsr_status oracle_model_write(const char *dir, const char *name, tsr_error *err)
{
    model m;
    size_t total = 0;
    tsr_status st = model_open(&m, dir, name, err);
    if (st == TSR_OK && mkdir(dir, 0777) != 0 && errno != EEXIST) {
        st = tsr_fail(err, tsr_status_from_errno(errno), "%s: cannot be made", dir);
    }
    if (st == TSR_OK) {
        st = copy_configs(&m, err);
    }
    for (size_t i = 0; st == TSR_OK && i < tsr_json_len(m.files); i++) {
        size_t n_bytes = 0;
        st = write_weights(&m, i, &n_bytes, err);
        total += n_bytes;
    }
    if (st == TSR_OK && tsr_json_len(m.files) > 1) {
        st = write_index(&m, total, err);
    }
    tsr_json_free(m.doc);
    return st;
}

tsr_status oracle_model_write_once(const char *dir, const char *name, tsr_error *err)
{
    char *config = tsr_path_join(dir, "config.json");
    if (!config) {
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
    }
    tsr_status st = tsr_file_exists(config) ? TSR_OK : oracle_model_write(dir, name, err);
    tsr_free(config);
    return st;
}
