/* batch_option.c: the options that a line may hold, each once, with the range it may have. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "batch_line.h"
#include "tsr_alloc.h"

typedef enum value_kind { COUNT, LONG, REAL, FLAG, BUDGET, FRAMES } value_kind; /* the last two: a count, or "auto" */

enum { BOTH = TSRI_FORM_SHORT | TSRI_FORM_OPENAI };

#define AT(member) offsetof(tessera_request, member)

static const struct field {
    const char *key;
    int forms; /* of tsri_batch_form */
    value_kind kind;
    size_t at; /* in tessera_request */
    double least, most;
} fields[] = {
    {"max_tokens", BOTH, COUNT, AT(max_tokens), 1, 1e7},
    {"max_completion_tokens", TSRI_FORM_OPENAI, COUNT, AT(max_tokens), 1, 1e7},
    {"temperature", BOTH, REAL, AT(temperature), 0, 100},
    {"top_k", BOTH, LONG, AT(top_k), 0, 1e6},
    {"top_p", BOTH, REAL, AT(top_p), 0, 1},
    {"min_p", BOTH, REAL, AT(min_p), 0, 1},
    {"repetition_penalty", BOTH, REAL, AT(repetition_penalty), 1e-3, 100},
    {"presence_penalty", BOTH, REAL, AT(presence_penalty), -100, 100},
    {"frequency_penalty", BOTH, REAL, AT(frequency_penalty), -100, 100},
    {"think", BOTH, FLAG, AT(think), 0, 1},
    {"budget", BOTH, BUDGET, AT(budget), 70, 1120},
    {"video_budget", BOTH, COUNT, AT(video_budget), 70, 1120},
    {"fps", BOTH, REAL, AT(fps), 1e-6, 1000},
    {"frames", BOTH, FRAMES, AT(frames), 1, 1e6},
    {"start", BOTH, REAL, AT(start), 0, 1e7},
    {"end", BOTH, REAL, AT(end), 1e-3, 1e7},
    {"with_sound", BOTH, FLAG, AT(with_sound), 0, 1},
};

static tsr_status out_of_range(const struct field *f, const char *what, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_USAGE, "\"%s\" must be %s from %g to %g", f->key, what, f->least, f->most);
}

static tsr_status set_field(tessera_request *rq, const struct field *f, const tsr_json *v, tsr_error *err)
{
    void *to = (char *)rq + f->at;
    const char *text = tsr_json_string(v, NULL);
    bool flag;
    double x;
    int64_t n;
    switch (f->kind) {
    case FLAG:
        if (!tsr_json_to_bool(v, &flag))
            return tsr_fail(err, TSR_ERR_USAGE, "\"%s\" must be true or false", f->key);
        *(int *)to = flag;
        return TSR_OK;
    case REAL:
        if (!tsr_json_to_double(v, &x) || !isfinite(x) || x < f->least || x > f->most)
            return out_of_range(f, "a number", err);
        *(double *)to = x;
        return TSR_OK;
    case BUDGET:
    case FRAMES:
        if (text && strcmp(text, "auto") == 0) {
            *(size_t *)to = f->kind == BUDGET ? TESSERA_BUDGET_AUTO : TESSERA_FRAMES_AUTO;
            return TSR_OK;
        }
        break;
    case COUNT:
    case LONG:
        break;
    }
    if (!tsr_json_to_i64(v, &n) || (double)n < f->least || (double)n > f->most)
        return out_of_range(f, "an integer", err);
    if (f->kind == LONG)
        *(long *)to = (long)n;
    else
        *(size_t *)to = (size_t)n;
    return TSR_OK;
}

/* ---- those that are no number ---- */

static tsr_status set_seed(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    int64_t n;
    if (!tsr_json_to_i64(v, &n) || n < 0)
        return tsr_fail(err, TSR_ERR_USAGE, "\"seed\" must be an integer of at least 0");
    l->rq.seed = (uint64_t)n;
    l->rq.seed_set = 1;
    return TSR_OK;
}

static tsr_status set_stop(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    size_t n = tsr_json_is_array(v) ? tsr_json_len(v) : 1;
    const char **stops;
    tsr_status st = tsr_alloc_array(&stops, n, sizeof *stops, "stop strings", err);
    if (st == TSR_OK)
        st = tsri_parts_keep(&l->parts, stops, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        st = tsri_plain_string(&stops[i], tsr_json_is_array(v) ? tsr_json_at(v, i) : v, "stop", err);
        if (st == TSR_OK && !*stops[i])
            st = tsr_fail(err, TSR_ERR_USAGE, "\"stop\" holds an empty string");
    }
    if (st == TSR_OK) {
        l->rq.stop = stops;
        l->rq.n_stop = n;
    }
    return st;
}

static tsr_status set_json(tsri_batch_line *l, const char **to, const tsr_json *v, tsr_error *err)
{
    char *text;
    tsr_status st = tsr_json_dump(&text, v, 0, err);
    if (st == TSR_OK)
        st = tsri_parts_keep(&l->parts, text, err);
    if (st == TSR_OK)
        *to = text;
    return st;
}

/* What a line says about the form of its answer takes the place of what the settings say. */
static tsr_status set_structure(tsri_batch_line *l, const tsr_json *schema, const char *grammar, const char *name,
                                tsr_error *err)
{
    l->rq.schema = NULL;
    l->rq.grammar = grammar;
    l->rq.grammar_name = name;
    return schema ? set_json(l, &l->rq.schema, schema, err) : TSR_OK;
}

static tsr_status set_schema(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    if (!tsr_json_is_object(v) && !tsr_json_is_bool(v))
        return tsr_fail(err, TSR_ERR_USAGE, "\"schema\" must be a JSON Schema");
    if (tsr_json_get_set(l->doc, "grammar"))
        return tsr_fail(err, TSR_ERR_USAGE, "\"schema\" and \"grammar\" exclude each other");
    return set_structure(l, v, NULL, NULL, err);
}

static tsr_status set_grammar(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    const char *text;
    tsr_status st = tsri_plain_string(&text, v, "grammar", err);
    return st == TSR_OK ? set_structure(l, NULL, text, NULL, err) : st;
}

static tsr_status check_keys(const tsr_json *object, const char *known, const char *where, tsr_error *err)
{
    for (void *it = tsr_json_first(object); it; it = tsr_json_next(object, it)) {
        const char *key = tsr_json_key(it), *found = strstr(known, key);
        size_t len = strlen(key);
        while (found && !((found == known || found[-1] == ' ') && (found[len] == ' ' || found[len] == '\0')))
            found = strstr(found + 1, key);
        if (!found || len == 0)
            return tsr_fail(err, TSR_ERR_USAGE, "the key \"%.100s\" of \"%s\" is not known", key, where);
    }
    return TSR_OK;
}

/* {"type": "text" | "json_object" | "json_schema", "json_schema": {"name", "schema", "strict", "description"}} */
static tsr_status set_response_format(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    const char *type = tsr_json_string(tsr_json_get(v, "type"), NULL);
    const tsr_json *holder = tsr_json_get_set(v, "json_schema"), *schema = tsr_json_get_set(holder, "schema");
    if (!type)
        return tsr_fail(err, TSR_ERR_USAGE, "\"response_format\" must be an object with a \"type\"");
    tsr_status st = check_keys(v, "type json_schema", "response_format", err);
    if (st == TSR_OK && holder)
        st = check_keys(holder, "name schema strict description", "json_schema", err);
    if (st != TSR_OK)
        return st;
    if (strcmp(type, "text") == 0)
        return set_structure(l, NULL, NULL, NULL, err);
    if (strcmp(type, "json_object") == 0) {
        st = set_structure(l, NULL, NULL, "response_format", err);
        l->rq.schema = "{\"type\":\"object\"}";
        return st;
    }
    if (strcmp(type, "json_schema") != 0)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "\"response_format\": the type \"%.100s\" is not supported", type);
    if (!schema)
        return tsr_fail(err, TSR_ERR_USAGE, "\"response_format\" has no \"json_schema\" with a \"schema\"");
    return set_structure(l, schema, NULL, "response_format", err);
}

static tsr_status set_tools(tsri_batch_line *l, const tsr_json *v, tsr_error *err)
{
    if (!tsr_json_is_array(v))
        return tsr_fail(err, TSR_ERR_USAGE, "\"tools\" must be a list");
    l->rq.tools = NULL;
    return tsr_json_len(v) ? set_json(l, &l->rq.tools, v, err) : TSR_OK;
}

/* A key that OpenAI's clients send and that has one value here. */
static tsr_status expect_only(const char *key, bool is_it, const char *value, tsr_error *err)
{
    return is_it ? TSR_OK : tsr_fail(err, TSR_ERR_UNSUPPORTED, "\"%s\" can only be %s", key, value);
}

static tsr_status expect_alone(const char *key, const tsr_json *v, tsr_error *err)
{
    int64_t n = 0;
    bool flag = true;
    const char *text = tsr_json_string(v, NULL);
    if (strcmp(key, "n") == 0)
        return expect_only(key, tsr_json_to_i64(v, &n) && n == 1, "1", err);
    if (strcmp(key, "stream") == 0)
        return expect_only(key, tsr_json_to_bool(v, &flag) && !flag, "false", err);
    return expect_only(key, text && strcmp(text, "auto") == 0, "\"auto\"", err);
}

static bool is_one_of(const char *key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

static tsr_status set_other(tsri_batch_line *l, const char *key, const tsr_json *v, bool *known, tsr_error *err)
{
    *known = true;
    if (strcmp(key, "seed") == 0)
        return set_seed(l, v, err);
    if (strcmp(key, "stop") == 0)
        return set_stop(l, v, err);
    if (strcmp(key, "pages") == 0)
        return tsri_plain_string(&l->rq.pages, v, key, err);
    if (strcmp(key, "schema") == 0)
        return set_schema(l, v, err);
    if (strcmp(key, "grammar") == 0)
        return set_grammar(l, v, err);
    if (strcmp(key, "tools") == 0)
        return set_tools(l, v, err);
    if (strcmp(key, "response_format") == 0)
        return set_response_format(l, v, err);
    return expect_alone(key, v, err);
}

tsr_status tsri_batch_option(tsri_batch_line *l, const char *key, const tsr_json *v, tsri_batch_form form, bool *known,
                             tsr_error *err)
{
    static const char *const shorts[] = {"seed", "stop", "pages", "schema", "grammar"};
    static const char *const openais[] = {"seed", "stop",   "pages",      "tools", "response_format",
                                          "n",    "stream", "tool_choice"};
    bool is_short = form == TSRI_FORM_SHORT;
    *known = true;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((fields[i].forms & (int)form) && strcmp(key, fields[i].key) == 0)
            return tsr_json_is_null(v) ? TSR_OK : set_field(&l->rq, &fields[i], v, err);
    *known = is_short ? is_one_of(key, shorts, sizeof shorts / sizeof *shorts)
                      : is_one_of(key, openais, sizeof openais / sizeof *openais);
    return !*known || tsr_json_is_null(v) ? TSR_OK : set_other(l, key, v, known, err);
}
