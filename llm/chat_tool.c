/* chat_tool.c: tool declarations, calls and responses.
 *
 * The order of a property's fields, which fields are shown for which type, and the closing brace
 * of `parameters` and `response` that stands only where a type stands: all as the template has it. */
#include <string.h>

#include "chat_internal.h"

static void write_properties(tsri_writer *w, const tsr_json *properties, size_t depth);

/* A separator before every field but the first. */
static void comma(tsri_writer *w, bool *any)
{
    if (*any) tsri_write_str(w, ",");
    *any = true;
}

/* `required:[...]` */
static void write_required(tsri_writer *w, const tsr_json *list)
{
    if (!tsr_json_is_array(list)) tsri_write_fail(w, TSR_ERR_USAGE, "tools: \"required\" must be a list");
    tsri_write_str(w, "required:[");
    for (size_t i = 0; i < tsr_json_len(list); i++) {
        if (i) tsri_write_str(w, ",");
        tsri_write_quoted(w, tsr_json_at(list, i));
    }
    tsri_write_str(w, "]");
}

static void write_item_type(tsri_writer *w, const tsr_json *type)
{
    tsri_write_str(w, "type:");
    if (tsr_json_is_string(type)) {
        tsri_write_quoted_upper(w, type);
        return;
    }
    if (!tsr_json_is_array(type)) tsri_write_fail(w, TSR_ERR_USAGE, "tools: \"type\" must be a string or a list");
    tsri_write_str(w, "[");
    for (size_t i = 0; i < tsr_json_len(type); i++) {
        if (i) tsri_write_str(w, ",");
        tsri_write_quoted_upper(w, tsr_json_at(type, i));
    }
    tsri_write_str(w, "]");
}

static void write_item_field(tsri_writer *w, const char *key, const tsr_json *v, size_t depth)
{
    if (strcmp(key, "properties") == 0) {
        tsri_write_str(w, "properties:{");
        if (tsr_json_is_object(v)) write_properties(w, v, depth + 1);
        tsri_write_str(w, "}");
    } else if (strcmp(key, "required") == 0) {
        write_required(w, v);
    } else if (strcmp(key, "type") == 0) {
        write_item_type(w, v);
    } else {
        tsri_write_str(w, key);
        tsri_write_str(w, ":");
        tsri_write_argument(w, v, true, depth + 1);
    }
}

/* `items:{...}` of an array. */
static void write_items(tsri_writer *w, const tsr_json *items, size_t depth)
{
    tsri_members m;
    bool any = false;
    tsri_sort_members(w, items, &m);
    tsri_write_str(w, "items:{");
    for (size_t i = 0; i < m.n; i++) {
        if (tsr_json_is_null(m.at[i].value)) continue;
        comma(w, &any);
        write_item_field(w, m.at[i].key, m.at[i].value, depth);
    }
    tsri_write_str(w, "}");
    tsri_members_deinit(&m);
}

static void write_object_fields(tsri_writer *w, const tsr_json *v, bool *any, size_t depth)
{
    const tsr_json *inner = tsr_json_get(v, "properties");
    comma(w, any);
    tsri_write_str(w, "properties:{");
    write_properties(w, tsr_json_is_object(inner) ? inner : v, depth + 1); /* without: the other keys */
    tsri_write_str(w, "}");
    if (tsri_truthy(tsr_json_get(v, "required"))) {
        comma(w, any);
        write_required(w, tsr_json_get(v, "required"));
    }
}

/* `KEY:{...}` */
static void write_property(tsri_writer *w, const char *key, const tsr_json *v, size_t depth)
{
    const tsr_json *type = tsr_json_get(v, "type"), *items = tsr_json_get(v, "items");
    bool any = false;

    tsri_write_str(w, key);
    tsri_write_str(w, ":{");
    if (tsri_truthy(tsr_json_get(v, "description"))) {
        comma(w, &any);
        tsri_write_str(w, "description:");
        tsri_write_quoted(w, tsr_json_get(v, "description"));
    }
    if (tsri_upper_is(w, type, "STRING")) {
        if (tsri_truthy(tsr_json_get(v, "enum"))) {
            comma(w, &any);
            tsri_write_str(w, "enum:");
            tsri_write_argument(w, tsr_json_get(v, "enum"), true, depth);
        }
    } else if (tsri_upper_is(w, type, "ARRAY") && tsr_json_is_object(items) && tsr_json_len(items)) {
        comma(w, &any);
        write_items(w, items, depth);
    }
    if (tsri_truthy(tsr_json_get(v, "nullable"))) {
        comma(w, &any);
        tsri_write_str(w, "nullable:true");
    }
    if (tsri_upper_is(w, type, "OBJECT")) write_object_fields(w, v, &any, depth);
    comma(w, &any);
    tsri_write_str(w, "type:");
    tsri_write_quoted_upper(w, type);
    tsri_write_str(w, "}");
}

/* Keys that the template takes for fields of the schema itself, even where they name properties. */
static bool is_schema_key(const char *key)
{
    static const char *const keys[] = {"description", "type", "properties", "required", "nullable"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static void write_properties(tsri_writer *w, const tsr_json *properties, size_t depth)
{
    tsri_members m;
    bool any = false;
    if (depth > TSRI_CHAT_MAX_NESTING) {
        tsri_write_fail(w, TSR_ERR_LIMIT, "tools: properties nested more than 100 deep");
        return;
    }
    tsri_sort_members(w, properties, &m);
    for (size_t i = 0; i < m.n; i++) {
        if (is_schema_key(m.at[i].key)) continue;
        comma(w, &any);
        write_property(w, m.at[i].key, m.at[i].value, depth);
    }
    tsri_members_deinit(&m);
}

static void write_parameters(tsri_writer *w, const tsr_json *params)
{
    tsri_write_str(w, ",parameters:{");
    if (tsri_truthy(tsr_json_get(params, "properties"))) {
        tsri_write_str(w, "properties:{");
        write_properties(w, tsr_json_get(params, "properties"), 0);
        tsri_write_str(w, "},");
    }
    if (tsri_truthy(tsr_json_get(params, "required"))) {
        write_required(w, tsr_json_get(params, "required"));
        tsri_write_str(w, ",");
    }
    if (tsri_truthy(tsr_json_get(params, "type"))) {
        tsri_write_str(w, "type:");
        tsri_write_quoted_upper(w, tsr_json_get(params, "type"));
        tsri_write_str(w, "}");
    }
}

static void write_response_schema(tsri_writer *w, const tsr_json *schema)
{
    tsri_write_str(w, ",response:{");
    if (tsri_truthy(tsr_json_get(schema, "description"))) {
        tsri_write_str(w, "description:");
        tsri_write_quoted(w, tsr_json_get(schema, "description"));
        tsri_write_str(w, ",");
    }
    if (tsri_upper_is(w, tsr_json_get(schema, "type"), "OBJECT")) {
        tsri_write_str(w, "type:");
        tsri_write_quoted_upper(w, tsr_json_get(schema, "type"));
        tsri_write_str(w, "}");
    }
}

void tsri_write_declaration(tsri_writer *w, const tsr_json *tool)
{
    const tsr_json *f = tsr_json_get(tool, "function");
    if (!tsr_json_is_object(f)) {
        tsri_write_fail(w, TSR_ERR_USAGE, "tools: each tool needs a \"function\" object");
        return;
    }
    tsri_write_control(w, "<|tool>");
    tsri_write_str(w, "declaration:");
    tsri_write_value(w, tsr_json_get(f, "name"));
    tsri_write_str(w, "{description:");
    tsri_write_quoted(w, tsr_json_get(f, "description"));
    if (tsri_truthy(tsr_json_get(f, "parameters"))) write_parameters(w, tsr_json_get(f, "parameters"));
    if (tsr_json_get(f, "response")) write_response_schema(w, tsr_json_get(f, "response"));
    tsri_write_str(w, "}");
    tsri_write_control(w, "<tool|>");
}

/* `k:v,k2:v2`, keys bare. */
static void write_fields(tsri_writer *w, const tsr_json *object)
{
    tsri_members m;
    tsri_sort_members(w, object, &m);
    for (size_t i = 0; i < m.n; i++) {
        if (i) tsri_write_str(w, ",");
        tsri_write_str(w, m.at[i].key);
        tsri_write_str(w, ":");
        tsri_write_argument(w, m.at[i].value, false, 0);
    }
    tsri_members_deinit(&m);
}

void tsri_write_call(tsri_writer *w, const tsr_json *call)
{
    const tsr_json *f = tsr_json_get(call, "function"), *args = tsr_json_get_set(f, "arguments");
    tsr_json *parsed = NULL;
    size_t len = 0;
    const char *s = tsr_json_string(args, &len);

    if (!tsr_json_is_object(f)) {
        tsri_write_fail(w, TSR_ERR_USAGE, "tool_calls: each call needs a \"function\" object");
        return;
    }
    /* Arguments often come as JSON inside a string; printed as they are they'd stand in two braces. */
    if (s && len) {
        if (tsr_json_parse(&parsed, s, len, "tool_calls: arguments", NULL) != TSR_OK || !tsr_json_is_object(parsed))
            tsri_write_fail(w, TSR_ERR_USAGE, "tool_calls: arguments must be a JSON object");
        args = parsed;
    } else if (args && !s && !tsr_json_is_object(args)) {
        tsri_write_fail(w, TSR_ERR_USAGE, "tool_calls: arguments must be a JSON object");
    }
    tsri_write_control(w, "<|tool_call>");
    tsri_write_str(w, "call:");
    tsri_write_value(w, tsr_json_get(f, "name"));
    tsri_write_str(w, "{");
    if (tsr_json_is_object(args)) write_fields(w, args);
    tsri_write_str(w, "}");
    tsri_write_control(w, "<tool_call|>");
    tsr_json_free(parsed);
}

void tsri_write_response(tsri_writer *w, const char *name, const tsr_json *v, const char *text, size_t len)
{
    tsri_write_control(w, "<|tool_response>");
    tsri_write_str(w, "response:");
    tsri_write_str(w, name);
    tsri_write_str(w, "{");
    if (tsr_json_is_object(v)) {
        write_fields(w, v);
    } else {
        tsri_write_str(w, "value:");
        if (v) {
            tsri_write_argument(w, v, false, 0);
        } else {
            tsri_write_control(w, TSRI_QUOTE);
            tsri_write(w, text, len);
            tsri_write_control(w, TSRI_QUOTE);
        }
    }
    tsri_write_str(w, "}");
    tsri_write_control(w, "<tool_response|>");
}
