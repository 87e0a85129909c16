/* test_tokenizer_export.c: what is exported is what the converter of llama.cpp writes, and opens again as the same
 * tokenizer. */
#include "test_tmp.h"
#include "tokenizer_same.h"
#include "tsr_tokenizer_export.h"

#include <stdlib.h>

static void assert_strs(const tsr_gguf *g, const char *key, const tsr_gguf_str *strs, size_t n)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(tsr_gguf_find(g, key));
    tsr_gguf_str s;
    assert_int_equal(tsr_gguf_find(g, key)->n, n);
    for (size_t i = 0; tsr_gguf_strs_next(&it, &s); i++) {
        assert_int_equal(s.len, strs[i].len);
        assert_memory_equal(s.data, strs[i].data, s.len);
    }
}

/* Control tokens that the converter's tokenizer class doesn't know as special in this small vocabulary. */
static bool is_forgotten(const tsr_gguf_str *s)
{
    static const char *const names[] = {"<|tool>", "<tool|>", "<|video|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (s->len == strlen(names[i]) && memcmp(s->data, names[i], s->len) == 0) return true;
    return false;
}

static void an_exported_tokenizer_is_what_the_converter_writes(void **state)
{
    tsr_gguf *g = open_gguf(FIXTURES "converted.gguf");
    tsr_tokenizer_export e;
    size_t n_forgotten = 0;
    tsr_error err = {0};
    (void)state;
    if (tsr_tokenizer_export_folder(&e, ORACLE, 0, &err) != TSR_OK) fail_msg("%s", err.text);
    assert_string_equal(e.model, "gemma4");
    assert_strs(g, "tokenizer.ggml.tokens", e.tokens, e.n_tokens);
    assert_strs(g, "tokenizer.ggml.merges", e.merges, e.n_merges);
    for (size_t i = 0; i < e.n_tokens; i++) {
        int64_t type;
        double score;
        assert_true(tsr_gguf_value_i64(tsr_gguf_find(g, "tokenizer.ggml.token_type"), i, &type));
        assert_true(tsr_gguf_value_f64(tsr_gguf_find(g, "tokenizer.ggml.scores"), i, &score));
        assert_true(e.scores[i] == (float)score);
        n_forgotten += is_forgotten(e.tokens + i);
        assert_int_equal(e.types[i], is_forgotten(e.tokens + i) ? TSR_TOKEN_CONTROL : type);
    }
    assert_int_equal(n_forgotten, 3);
    assert_int_equal(e.n_ids, 5);
    for (size_t i = 0; i < e.n_ids; i++) {
        uint32_t id = 0;
        assert_int_equal(tsr_gguf_get_u32(g, e.ids[i].key, TSR_GGUF_REQUIRED, &id, NULL), TSR_OK);
        assert_int_equal(e.ids[i].id, id);
    }
    assert_null(e.chat_template.data);
    assert_int_equal(e.n_normalized, 0);
    tsr_tokenizer_export_deinit(&e);
    tsr_gguf_close(g);
}

/* Through a file, and back. */
static tsr_tokenizer *round_trip(const tsr_tokenizer_export *e)
{
    char *dir = test_tmp_make();
    const char *path = test_path(dir, "t.gguf");
    tsr_gguf_writer *w;
    tsr_tokenizer *t;
    tsr_gguf *g;
    tsr_error err = {0};
    assert_int_equal(tsr_gguf_writer_open(&w, path, 0, &err), TSR_OK);
    tsr_gguf_put_str(w, "general.architecture", "gemma4", 6);
    tsr_tokenizer_export_put(e, w);
    if (tsr_gguf_writer_begin(w, &err) != TSR_OK || tsr_gguf_writer_finish(w, &err) != TSR_OK) fail_msg("%s", err.text);
    tsr_gguf_writer_close(w);
    g = open_gguf(path);
    t = open_tokenizer(g);
    tsr_gguf_close(g);
    test_tmp_remove(dir);
    return t;
}

/* A vocabulary with every awkward corner: added tokens that aren't special, that are matched after the
 * normalizer, and that the vocabulary lacks. */
static void an_exported_tokenizer_opens_again_with_the_reference_ids(void **state)
{
    tsr_tokenizer *want = load_tokenizer(FIXTURES "tokenizer.json"), *t;
    tsr_json *cases = load_json(FIXTURES "tokenizer_cases.json");
    tsr_tokenizer_export e;
    tsr_error err = {0};
    (void)state;
    if (tsr_tokenizer_export_init(&e, want, 0, &err) != TSR_OK) fail_msg("%s", err.text);
    assert_int_equal(e.n_normalized, 1);
    t = round_trip(&e);
    check_recipe(t, tsr_json_get(cases, "plain"), tsr_json_get(cases, "first"), TSR_ENCODE_PLAIN);
    check_recipe(t, tsr_json_get(cases, "control"), NULL, TSR_ENCODE_CONTROL);
    assert_same(want, t);
    tsr_tokenizer_export_deinit(&e);
    tsr_tokenizer_close(t);
    tsr_tokenizer_close(want);
    tsr_json_free(cases);
}

static void rows_without_a_token_stay_without(void **state)
{
    tsr_tokenizer *want = load_tokenizer(ORACLE "/tokenizer.json"), *t;
    size_t n = tsr_tokenizer_count(want);
    tsr_tokenizer_export e;
    tsr_error err = {0};
    (void)state;
    assert_int_equal(tsr_tokenizer_export_init(&e, want, n - 1, &err), TSR_ERR_MODEL);
    assert_non_null(strstr(err.text, "embedding table"));
    assert_int_equal(tsr_tokenizer_export_init(&e, want, n + 6, NULL), TSR_OK);
    assert_int_equal(e.n_tokens, n + 6);
    assert_int_equal(e.types[n + 5], TSR_TOKEN_UNUSED);
    assert_int_equal(strncmp(e.tokens[n + 5].data, "[PAD1303]", e.tokens[n + 5].len), 0);
    t = round_trip(&e);
    assert_same_tokens(want, t);
    assert_int_equal(tsr_tokenizer_id_of(t, "[PAD1303]"), -1);
    tsr_tokenizer_export_deinit(&e);
    tsr_tokenizer_close(t);
    tsr_tokenizer_close(want);
}

/* ---- Roles and templates of a folder ---- */

static void assert_role(const tsr_tokenizer_export *e, const char *key, uint32_t id)
{
    for (size_t i = 0; i < e->n_ids; i++) {
        if (strcmp(e->ids[i].key, key) != 0) continue;
        assert_int_equal(e->ids[i].id, id);
        return;
    }
    fail_msg("no %s", key);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    if (text) test_write_file(test_path(dir, name), text, strlen(text));
}

static tsr_status export_with(tsr_tokenizer_export *e, const char *tokenizer_config, const char *config,
                              const char *jinja, tsr_error *err)
{
    char *dir = test_tmp_make();
    size_t len;
    unsigned char *json = test_read_file(ORACLE "/tokenizer.json", &len);
    tsr_status st;
    test_write_file(test_path(dir, "tokenizer.json"), json, len);
    put_file(dir, "tokenizer_config.json", tokenizer_config);
    put_file(dir, "config.json", config);
    put_file(dir, "chat_template.jinja", jinja);
    st = tsr_tokenizer_export_folder(e, dir, 0, err);
    free(json);
    test_tmp_remove(dir);
    return st;
}

static void roles_come_by_name_then_by_number(void **state)
{
    static const char names[] = "{\"bos_token\":{\"content\":\"<bos>\"},\"eos_token\":\"<turn|>\","
                                "\"unk_token\":\"a\"}";
    static const char ids[] = "{\"bos_token_id\":7,\"eos_token_id\":[1,106],\"text_config\":{\"pad_token_id\":0}}";
    tsr_tokenizer_export e;
    (void)state;
    assert_int_equal(export_with(&e, names, ids, NULL, NULL), TSR_OK);
    assert_int_equal(e.n_ids, 3); /* "a" is no added token */
    assert_role(&e, "tokenizer.ggml.bos_token_id", 2);
    assert_role(&e, "tokenizer.ggml.eos_token_id", 106);
    assert_role(&e, "tokenizer.ggml.padding_token_id", 0);
    tsr_tokenizer_export_deinit(&e);
}

static void the_template_is_that_of_the_folder(void **state)
{
    static const struct {
        const char *config, *jinja, *want;
    } cases[] = {
        {NULL, NULL, NULL},
        {"{}", "a {{ b }}", "a {{ b }}"},
        {"{\"chat_template\":\"in\"}", "out", "in"},
        {"{\"chat_template\":[{\"name\":\"x\",\"template\":\"1\"},{\"name\":\"default\",\"template\":\"2\"}]}", NULL,
         "2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_tokenizer_export e;
        assert_int_equal(export_with(&e, cases[i].config, NULL, cases[i].jinja, NULL), TSR_OK);
        assert_true(!cases[i].want == !e.chat_template.data);
        if (cases[i].want) {
            assert_int_equal(e.chat_template.len, strlen(cases[i].want));
            assert_memory_equal(e.chat_template.data, cases[i].want, e.chat_template.len);
        }
        tsr_tokenizer_export_deinit(&e);
    }
}

static void a_folder_that_lies_is_refused(void **state)
{
    static const struct {
        const char *tokenizer_config, *config, *jinja, *says;
    } cases[] = {
        {"{", NULL, NULL, "tokenizer_config.json"},
        {NULL, "[", NULL, "config.json"},
        {NULL, "{\"pad_token_id\":5000}", NULL, "pad_token_id: 5000"},
        {NULL, "{\"pad_token_id\":-1}", NULL, "pad_token_id: -1"},
        {NULL, NULL, "\xFF", "chat_template.jinja"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_tokenizer_export e;
        tsr_error err = {0};
        tsr_status st = export_with(&e, cases[i].tokenizer_config, cases[i].config, cases[i].jinja, &err);
        assert_int_equal(st, TSR_ERR_MODEL);
        if (!strstr(err.text, cases[i].says)) fail_msg("\"%s\" instead of \"%s\"", err.text, cases[i].says);
        assert_null(e.tokens);
    }
}

/* ---- What an export can't say ---- */

/* A tokenizer.json of all bytes but one (-1: of all), then `entries`, whose ids begin at 256. */
static char *json_of(int no_byte, bool fallback, const char *entries, const char *merges, const char *added)
{
    enum { CAP = 1 << 14 };
    char *s = must_realloc(NULL, CAP);
    int n = snprintf(s, CAP,
                     "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
                     "\"content\":\"\xE2\x96\x81\"},"
                     "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
                     "\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},"
                     "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},\"added_tokens\":[%s],"
                     "\"model\":{\"byte_fallback\":%s,\"merges\":[%s],\"vocab\":{\"first\":300%s",
                     added, fallback ? "true" : "false", merges, entries);
    for (int b = 0; b < 256; b++)
        if (b != no_byte) n += snprintf(s + n, CAP - (size_t)n, ",\"<0x%02X>\":%d", (unsigned)b, b);
    n += snprintf(s + n, CAP - (size_t)n, "}}}");
    assert_in_range(n, 1, CAP - 1);
    return s;
}

static tsr_tokenizer *open_json(char *json)
{
    tsr_tokenizer *t;
    tsr_error err = {0};
    if (tsr_tokenizer_open_bytes(&t, json, strlen(json), "t.json", &err) != TSR_OK) fail_msg("%s", err.text);
    free(json);
    return t;
}

static void what_the_arrays_cannot_say_is_refused(void **state)
{
    static const struct {
        int no_byte;
        bool fallback;
        const char *entries, *merges, *added, *says;
    } cases[] = {
        {0x7F, true, "", "", "", "a tokenizer without a token for byte 0x7F"},
        {-1, false, "", "", "", "without a token for byte 0x00"},
        {-1, true, "", "", "{\"id\":65,\"content\":\"<0x41>\"}",
         "token 65, \"<0x41>\": an added token that stands for a byte"},
        {-1, true, ",\"<turn|>\":256", "", "", "token 256, \"<turn|>\": a control token that isn't among"},
        {-1, true, ",\"a b\":256,\"c\":257,\"a bc\":258", "[\"a b\",\"c\"]", "",
         "token 256, \"a b\": it merges, and holds"},
        {-1, true, ",\"[PAD270]\":256", "", "", "token 256, \"[PAD270]\": the name of a row"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_tokenizer *t = open_json(json_of(cases[i].no_byte, cases[i].fallback, cases[i].entries, cases[i].merges,
                                             cases[i].added));
        tsr_tokenizer_export e;
        tsr_error err = {0};
        assert_int_equal(tsr_tokenizer_export_init(&e, t, 0, &err), TSR_ERR_UNSUPPORTED);
        if (!strstr(err.text, cases[i].says)) fail_msg("\"%s\" instead of \"%s\"", err.text, cases[i].says);
        assert_null(e.tokens);
        tsr_tokenizer_close(t);
    }
}

/* Ids without a name in the middle, an entry that is a space, and types of each kind. */
static void an_odd_tokenizer_survives_the_round_trip(void **state)
{
    tsr_tokenizer *want = open_json(json_of(-1, true, ",\" \":260,\"c\":261,\" c\":262,\"<|channel>\":263,\"<x>\":264",
                                            "[\" \",\"c\"]",
                                            "{\"id\":263,\"content\":\"<|channel>\",\"special\":true},"
                                            "{\"id\":264,\"content\":\"<x>\",\"special\":true},"
                                            "{\"id\":310,\"content\":\"<y>\",\"special\":false,\"normalized\":false}"));
    tsr_tokenizer *t;
    tsr_tokenizer_export e;
    (void)state;
    assert_int_equal(tsr_tokenizer_export_init(&e, want, 0, NULL), TSR_OK);
    assert_int_equal(e.n_tokens, 311);
    assert_int_equal(e.types[0x41], TSR_TOKEN_BYTE);
    assert_int_equal(e.types[256], TSR_TOKEN_UNUSED);
    assert_int_equal(e.types[261], TSR_TOKEN_NORMAL);
    assert_int_equal(e.types[263], TSR_TOKEN_USER_DEFINED);
    assert_int_equal(e.types[264], TSR_TOKEN_CONTROL);
    assert_int_equal(e.types[310], TSR_TOKEN_USER_DEFINED);
    t = round_trip(&e);
    assert_same(want, t);
    tsr_tokenizer_export_deinit(&e);
    tsr_tokenizer_close(t);
    tsr_tokenizer_close(want);
}

static void exporting_survives_every_failed_allocation(void **state)
{
    size_t live = tsr_alloc_live();
    (void)state;
    for (size_t k = 1;; k++) {
        tsr_tokenizer_export e;
        tsr_status st;
        tsr_alloc_fail_at(k);
        st = tsr_tokenizer_export_folder(&e, ORACLE, 0, NULL);
        tsr_alloc_fail_at(0);
        tsr_tokenizer_export_deinit(&e);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exported_tokenizer_is_what_the_converter_writes),
        cmocka_unit_test(an_exported_tokenizer_opens_again_with_the_reference_ids),
        cmocka_unit_test(rows_without_a_token_stay_without),
        cmocka_unit_test(roles_come_by_name_then_by_number),
        cmocka_unit_test(the_template_is_that_of_the_folder),
        cmocka_unit_test(a_folder_that_lies_is_refused),
        cmocka_unit_test(what_the_arrays_cannot_say_is_refused),
        cmocka_unit_test(an_odd_tokenizer_survives_the_round_trip),
        cmocka_unit_test(exporting_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
