/* batch_line.c: a line's form and id, the short form, and what both forms share. */
#include "batch_line.h"

#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

enum { MOST_ID_BYTES = 1024 };

/* ---- what both forms share ---- */

void tsri_batch_line_deinit(tsri_batch_line *l)
{
    tsri_parts_deinit(&l->parts);
    tsr_text_deinit(&l->key);
    tsr_json_free(l->doc);
    *l = (tsri_batch_line){.number = 0};
}

tsr_status tsri_batch_add_system(tsri_batch_line *l, const tessera_request *settings, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < settings->n_parts && st == TSR_OK; i++)
        st = tsri_parts_add(&l->parts, settings->parts[i], err);
    return st;
}

/* ---- form and id ---- */

tsr_status tsri_batch_key(tsr_text *key, const tsr_json *id, size_t number, tsr_error *err)
{
    char digits[32];
    size_t len;
    int64_t n = 0;
    const char *text = tsr_json_string(id, &len);
    bool is_number = tsr_json_to_i64(id, &n);
    tsr_status st = tsr_text_add(key, text ? "s" : is_number ? "n" : "l", 1, err);
    if (!text) {
        int written = is_number ? snprintf(digits, sizeof digits, "%lld", (long long)n)
                                : snprintf(digits, sizeof digits, "%zu", number);
        text = digits;
        len = (size_t)written;
    }
    return st == TSR_OK ? tsr_text_add(key, text, len, err) : st;
}

static bool has_openai_key(const tsr_json *doc)
{
    static const char *const keys[] = {"custom_id", "method", "url", "body"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (tsr_json_get(doc, keys[i]))
            return true;
    return false;
}

static void find_id(tsri_batch_line *l, tsr_error *why)
{
    const char *key = l->is_openai ? "custom_id" : "id", *text;
    const tsr_json *id = tsr_json_get(l->doc, key);
    size_t len = 0;
    if (!id) {
        tsr_fail(why, TSR_ERR_USAGE, "\"%s\" is missing", key);
    } else if (!tsr_json_is_string(id) && (l->is_openai || !tsr_json_is_integer(id))) {
        tsr_fail(why, TSR_ERR_USAGE, "\"%s\" must be a string%s", key, l->is_openai ? "" : " or an integer");
    } else if ((text = tsr_json_string(id, &len)) && (len == 0 || len > MOST_ID_BYTES || strlen(text) != len)) {
        tsr_fail(why, TSR_ERR_USAGE, "\"%s\" must have 1 to %d bytes, no NUL among them", key, MOST_ID_BYTES);
    } else {
        l->id = id;
    }
}

tsr_status tsri_batch_line_open(tsri_batch_line *l, size_t number, const char *text, size_t len, tsr_error *why,
                                tsr_error *err)
{
    char name[48];
    *l = (tsri_batch_line){.number = number};
    snprintf(name, sizeof name, "line %zu", number);
    tsr_error json = {TSR_OK, ""};
    tsr_status st = tsr_json_parse(&l->doc, text, len, name, &json);
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(err, st, "%s", json.text);
    if (st != TSR_OK) {
        const char *place = strstr(json.text, "column"); /* jansson's line is always 1 */
        tsr_fail(why, TSR_ERR_DATA, "is no JSON: %s", place ? place : json.text);
    } else if (!tsr_json_is_object(l->doc)) {
        tsr_fail(why, TSR_ERR_DATA, "is no JSON object");
    } else {
        l->is_openai = has_openai_key(l->doc);
        find_id(l, why);
    }
    return tsri_batch_key(&l->key, l->id, number, err);
}

tsr_status tsri_batch_line_too_long(tsri_batch_line *l, size_t number, size_t max_bytes, tsr_error *why, tsr_error *err)
{
    *l = (tsri_batch_line){.number = number};
    tsr_fail(why, TSR_ERR_LIMIT, "longer than the limit of %zu bytes", max_bytes);
    return tsri_batch_key(&l->key, NULL, number, err);
}

/* ---- the short form ---- */

static const struct {
    const char *key;
    tessera_part_kind kind;
} files[] = {{"image", TESSERA_PART_IMAGE},
             {"audio", TESSERA_PART_AUDIO},
             {"video", TESSERA_PART_VIDEO},
             {"pdf", TESSERA_PART_PDF},
             {"files", TESSERA_PART_FILE}};
enum { N_FILES = sizeof files / sizeof *files };

static bool is_file_key(const char *key)
{
    for (size_t i = 0; i < N_FILES; i++)
        if (strcmp(key, files[i].key) == 0)
            return true;
    return false;
}

static tsr_status add_one(tsri_batch_line *l, size_t which, const tsr_json *v, const char *dir, tsr_error *err)
{
    const char *text;
    tsr_status st = tsri_plain_string(&text, v, files[which].key, err);
    return st == TSR_OK ? tsri_parts_add_file(&l->parts, files[which].kind, text, dir, files[which].key, err) : st;
}

/* A string or a list of strings. */
static tsr_status add_files(tsri_batch_line *l, size_t which, const tsr_json *v, const char *dir, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (!tsr_json_is_array(v))
        return add_one(l, which, v, dir, err);
    for (size_t i = 0; i < tsr_json_len(v) && st == TSR_OK; i++)
        st = add_one(l, which, tsr_json_at(v, i), dir, err);
    return st;
}

/* The model card's advice: what is seen stands before the text, what is heard after it. `first`: of the files. */
static tsr_status place_prompt(tsri_batch_line *l, size_t first, const char *prompt, tsr_error *err)
{
    size_t n = l->parts.n - first;
    tessera_part *all;
    tessera_error why = {TESSERA_OK, ""};
    tsr_status st = tsr_alloc_array(&all, n + 1, sizeof *all, "parts", err);
    if (st != TSR_OK)
        return st;
    for (size_t i = first; i < l->parts.n && st == TSR_OK; i++)
        if (l->parts.at[i].kind == TESSERA_PART_FILE && tessera_sniff(&l->parts.at[i], &l->parts.at[i].kind, &why) != TESSERA_OK)
            st = tsr_fail(err, (tsr_status)why.status, "%s", why.text);
    size_t at = 0;
    for (size_t i = first; i < l->parts.n; i++)
        if (l->parts.at[i].kind != TESSERA_PART_AUDIO)
            all[at++] = l->parts.at[i];
    all[at++] = (tessera_part){.kind = TESSERA_PART_TEXT, .text = prompt};
    for (size_t i = first; i < l->parts.n; i++)
        if (l->parts.at[i].kind == TESSERA_PART_AUDIO)
            all[at++] = l->parts.at[i];
    l->parts.n = first;
    for (size_t i = 0; i < at && st == TSR_OK; i++)
        st = tsri_parts_add(&l->parts, all[i], err);
    tsr_free(all);
    return st;
}

static tsr_status read_short(tsri_batch_line *l, const tessera_request *settings, const char *dir, tsr_error *err)
{
    const tsr_json *prompt = tsr_json_get_set(l->doc, "prompt"), *text = tsr_json_get_set(l->doc, "text");
    const tsr_json *system = tsr_json_get_set(l->doc, "system");
    const char *s = NULL;
    tsr_status st = TSR_OK;
    if (prompt && text)
        return tsr_fail(err, TSR_ERR_USAGE, "\"prompt\" and \"text\" are the same: give one of them");
    if (!prompt && !text)
        return tsr_fail(err, TSR_ERR_USAGE, "\"prompt\" is missing");
    if (system && (st = tsri_plain_string(&s, system, "system", err)) == TSR_OK)
        st = tsri_parts_add_text(&l->parts, TESSERA_PART_SYSTEM, s, err);
    else if (!system)
        st = tsri_batch_add_system(l, settings, err);
    size_t first = l->parts.n;
    for (void *it = tsr_json_first(l->doc); it && st == TSR_OK; it = tsr_json_next(l->doc, it)) {
        const char *key = tsr_json_key(it);
        const tsr_json *v = tsr_json_value(it);
        bool known = strcmp(key, "id") == 0 || strcmp(key, "prompt") == 0 || strcmp(key, "text") == 0 ||
                     strcmp(key, "system") == 0 || is_file_key(key);
        if (!known)
            st = tsri_batch_option(l, key, v, TSRI_FORM_SHORT, &known, err);
        for (size_t i = 0; i < N_FILES && st == TSR_OK; i++)
            if (strcmp(key, files[i].key) == 0 && !tsr_json_is_null(v))
                st = add_files(l, i, v, dir, err);
        if (st == TSR_OK && !known)
            st = tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" is not known", key);
    }
    if (st == TSR_OK)
        st = tsri_plain_string(&s, prompt ? prompt : text, prompt ? "prompt" : "text", err);
    return st == TSR_OK ? place_prompt(l, first, s, err) : st;
}

tsr_status tsri_batch_line_read(tsri_batch_line *l, const tessera_request *settings, const char *dir, tsr_error *why,
                                tsr_error *err)
{
    tsr_error bad = {TSR_OK, ""};
    l->rq = *settings;
    tsr_status st = l->is_openai ? tsri_batch_read_openai(l, settings, dir, &bad) : read_short(l, settings, dir, &bad);
    l->rq.parts = l->parts.at;
    l->rq.n_parts = l->parts.n;
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(err, st, "line %zu: %s", l->number, bad.text);
    if (st != TSR_OK)
        tsr_fail(why, st, "%s", bad.text);
    return TSR_OK;
}
