/* test_tokenizer_gguf.c: a GGUF file and the tokenizer.json that it was made from open the same tokenizer, what
 * is exported is what the converter of llama.cpp writes, and metadata that lies is refused with its key. */
#include "fuzz_tokenizer.h"
#include "gguf_internal.h"
#include "gguf_writer.h"
#include "test_tmp.h"
#include "text_recipe.h"
#include "tsr_file.h"
#include "tsr_tokenizer_export.h"

#include <stdlib.h>

#define ORACLE TSR_SOURCE_DIR "/tests/oracle/tokenizer"

/* ---- Two tokenizers that are one ---- */

static tsr_gguf *open_gguf(const char *path)
{
    tsr_gguf *g;
    tsr_error err = {0};
    if (tsr_gguf_open(&g, path, &err) != TSR_OK) fail_msg("%s", err.text);
    return g;
}

static tsr_tokenizer *open_tokenizer(const tsr_gguf *g)
{
    tsr_tokenizer *t;
    tsr_error err = {0};
    if (tsr_tokenizer_open_gguf(&t, g, &err) != TSR_OK) fail_msg("%s", err.text);
    return t;
}

static void assert_same_tokens(const tsr_tokenizer *a, const tsr_tokenizer *b)
{
    assert_int_equal(tsr_tokenizer_count(a), tsr_tokenizer_count(b));
    for (int32_t id = 0; id < (int32_t)tsr_tokenizer_count(a); id++) {
        size_t a_len, b_len;
        const char *s = tsr_tokenizer_piece(a, id, &a_len), *r = tsr_tokenizer_piece(b, id, &b_len);
        assert_int_equal(a_len, b_len);
        assert_true(!s == !r);
        if (s) assert_memory_equal(s, r, a_len);
        assert_int_equal(tsr_tokenizer_is_control(a, id), tsr_tokenizer_is_control(b, id));
        assert_int_equal(tsr_tokenizer_byte_of(a, id), tsr_tokenizer_byte_of(b, id));
    }
}

static void assert_same_text(const tsr_tokenizer *a, const tsr_tokenizer *b, const tsr_ids *ids)
{
    for (int control = 0; control < 2; control++) {
        tsr_text x = {0}, y = {0};
        assert_int_equal(tsr_tokenizer_decode(a, ids->at, ids->n, control, &x, NULL), TSR_OK);
        assert_int_equal(tsr_tokenizer_decode(b, ids->at, ids->n, control, &y, NULL), TSR_OK);
        assert_int_equal(x.len, y.len);
        if (x.len) assert_memory_equal(x.at, y.at, x.len);
        tsr_text_deinit(&x);
        tsr_text_deinit(&y);
    }
}

static void assert_same(const tsr_tokenizer *a, const tsr_tokenizer *b)
{
    tsr_text text = {0};
    tsr_ids x = {0}, y = {0};
    assert_same_tokens(a, b);
    for (uint64_t i = 0; i < 10000; i++) {
        tsr_encode_mode mode = i % 2 ? TSR_ENCODE_CONTROL : TSR_ENCODE_PLAIN;
        x.n = y.n = 0;
        make_text(&text, a, i);
        assert_int_equal(tsr_tokenizer_encode(a, text.at, text.len, mode, &x, NULL), TSR_OK);
        assert_int_equal(tsr_tokenizer_encode(b, text.at, text.len, mode, &y, NULL), TSR_OK);
        if (x.n != y.n || (x.n && memcmp(x.at, y.at, x.n * sizeof *x.at))) fail_msg("string %d differs", (int)i);
        assert_same_text(a, b, &x);
    }
    tsr_text_deinit(&text);
    tsr_ids_deinit(&x);
    tsr_ids_deinit(&y);
}

static void a_converted_file_opens_the_tokenizer_of_its_json(void **state)
{
    tsr_gguf *g = open_gguf(FIXTURES "converted.gguf");
    tsr_tokenizer *t = open_tokenizer(g), *want = load_tokenizer(ORACLE "/tokenizer.json");
    (void)state;
    tsr_gguf_close(g); /* nothing of it is kept */
    assert_same(want, t);
    tsr_tokenizer_close(t);
    tsr_tokenizer_close(want);
}

/* ---- Export ---- */

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

/* ---- Files made here ---- */

enum { FIRST_BYTE = 16, N_OWN = 16, N_TOKENS = FIRST_BYTE + 256 };

/* One file: 16 tokens of its own, then those of the bytes. What is NULL or 0 here is as it should be. */
typedef struct spec {
    const char *model, *pre;
    const char *own[N_OWN]; /* the first ones; the others are "w3" ... */
    int32_t types[N_OWN];   /* 0: NORMAL */
    const char *merges[8];
    size_t n_types, n_scores; /* claimed by arrays of that length; 0: N_TOKENS */
    int no_byte;              /* one byte's token is called otherwise */
    const char *leave_out;    /* a key */
    const char *wrong;        /* a key that gets a string */
    const char *id_key;
    uint32_t id;
    bool prefix;
} spec;

#define KEY(name) "tokenizer.ggml." name

static bool writes(const spec *s, gg_writer *w, const char *key)
{
    if (s->wrong && strcmp(s->wrong, key) == 0) gg_str(w, key, "what");
    return !(s->wrong && strcmp(s->wrong, key) == 0) && !(s->leave_out && strcmp(s->leave_out, key) == 0);
}

static void put_tokens(const spec *s, gg_writer *w)
{
    char names[N_TOKENS][8];
    const char *tokens[N_TOKENS];
    int32_t types[N_TOKENS + 8] = {0};
    float scores[N_TOKENS + 8] = {0};
    size_t n_types = s->n_types ? s->n_types : N_TOKENS, n_scores = s->n_scores ? s->n_scores : N_TOKENS;
    for (int i = 0; i < N_TOKENS; i++) {
        bool byte = i >= FIRST_BYTE && i - FIRST_BYTE != s->no_byte - 1;
        types[i] = byte ? TSR_TOKEN_BYTE : i < N_OWN && s->types[i] ? s->types[i] : TSR_TOKEN_NORMAL;
        snprintf(names[i], sizeof names[i], byte ? "<0x%02X>" : "w%d", (unsigned)(byte ? i - FIRST_BYTE : i));
        tokens[i] = i < N_OWN && s->own[i] ? s->own[i] : names[i];
    }
    if (writes(s, w, KEY("tokens"))) gg_strs(w, KEY("tokens"), N_TOKENS, tokens);
    if (writes(s, w, KEY("scores"))) gg_array(w, KEY("scores"), TSR_GGUF_F32, n_scores, scores, 4 * n_scores);
    if (writes(s, w, KEY("token_type"))) gg_array(w, KEY("token_type"), TSR_GGUF_I32, n_types, types, 4 * n_types);
}

static gg_writer *file_of(const spec *s)
{
    static const unsigned char yes[] = {1};
    gg_writer *w = gg_new();
    size_t n = 0;
    if (writes(s, w, KEY("model"))) gg_str(w, KEY("model"), s->model ? s->model : "gemma4");
    if (s->pre) gg_str(w, KEY("pre"), s->pre);
    put_tokens(s, w);
    while (n < sizeof s->merges / sizeof *s->merges && s->merges[n]) n++;
    if (writes(s, w, KEY("merges"))) gg_strs(w, KEY("merges"), n, s->merges);
    if (s->id_key) gg_u32(w, s->id_key, s->id);
    if (s->prefix) gg_scalar(w, KEY("add_space_prefix"), TSR_GGUF_BOOL, yes, 1);
    return w;
}

static tsr_status open_spec(tsr_tokenizer **t, const spec *s, tsr_error *err)
{
    gg_writer *w = file_of(s);
    size_t len;
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    tsr_gguf *g;
    tsr_status st;
    if (tsri_gguf_open_bytes(&g, (tsr_bytes){bytes, len}, "t.gguf", err) != TSR_OK) fail_msg("%s", err->text);
    st = tsr_tokenizer_open_gguf(t, g, err);
    tsr_gguf_close(g);
    gg_free(w);
    free(bytes);
    return st;
}

static void assert_encodes(const tsr_tokenizer *t, const char *text, tsr_encode_mode mode, const int32_t *want,
                           size_t n)
{
    tsr_ids ids = {0};
    assert_int_equal(tsr_tokenizer_encode(t, text, strlen(text), mode, &ids, NULL), TSR_OK);
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.at, want, n * sizeof *want);
    tsr_ids_deinit(&ids);
}

static void types_say_what_is_control_and_what_is_added(void **state)
{
    static const spec s = {
        .own = {"<?>", "<x>", "<|tool_call>", "[t]", "<|video|>", "[PAD5]", "[PAD7]", "a", "b", "ab", "abab"},
        .types = {TSR_TOKEN_UNKNOWN, TSR_TOKEN_CONTROL, TSR_TOKEN_USER_DEFINED, TSR_TOKEN_USER_DEFINED,
                  TSR_TOKEN_NORMAL, TSR_TOKEN_UNUSED, TSR_TOKEN_UNUSED},
        .merges = {"a b", "ab ab"},
    };
    static const bool control[] = {true, true, true, false, true, false, false, false};
    tsr_tokenizer *t;
    tsr_error err = {0};
    (void)state;
    if (open_spec(&t, &s, &err) != TSR_OK) fail_msg("%s", err.text);
    for (int32_t i = 0; i < 8; i++) assert_int_equal(tsr_tokenizer_is_control(t, i), control[i]);
    assert_int_equal(tsr_tokenizer_id_of(t, "[PAD5]"), -1); /* the filler of its own row */
    assert_int_equal(tsr_tokenizer_id_of(t, "[PAD7]"), 6);  /* a name like another */
    assert_int_equal(tsr_tokenizer_count(t), N_TOKENS);
    assert_encodes(t, "ababab<x>[t]", TSR_ENCODE_CONTROL, (const int32_t[]){10, 9, 1, 3}, 4);
    assert_encodes(t, "[t]<|video|><?>", TSR_ENCODE_CONTROL, (const int32_t[]){3, 4, 0}, 3);
    assert_encodes(t, "[t]<x>", TSR_ENCODE_PLAIN,
                   (const int32_t[]){3, FIRST_BYTE + '<', FIRST_BYTE + 'x', FIRST_BYTE + '>'}, 4);
    tsr_tokenizer_close(t);
}

static void other_writers_forms_open(void **state)
{
    static const spec specs[] = {
        {.pre = "gemma4"},
        {.pre = "default"},
        {.model = "gpt2", .pre = "gemma4"},
        {.leave_out = KEY("scores")},
        {.id_key = KEY("eos_token_id"), .id = 1},
        {.own = {" "}, .merges = {"  w1"}, .id_key = KEY("bos_token_id")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        tsr_tokenizer *t;
        tsr_error err = {0};
        spec s = specs[i];
        if (s.merges[0]) s.own[2] = " w1"; /* " " and "w1": the space that isn't first divides them */
        if (open_spec(&t, &s, &err) != TSR_OK) fail_msg("file %zu: %s", i, err.text);
        tsr_tokenizer_close(t);
    }
}

static char too_long[TSR_TOKENIZER_MAX_ADDED_BYTES + 2];

static void broken_metadata_is_refused_with_its_key(void **state)
{
    memset(too_long, 'x', sizeof too_long - 1);
    const struct {
        spec s;
        tsr_status st;
        const char *key, *says;
    } files[] = {
        {{.leave_out = KEY("model")}, TSR_ERR_MODEL, KEY("model"), "missing"},
        {{.leave_out = KEY("tokens")}, TSR_ERR_MODEL, KEY("tokens"), "is missing"},
        {{.leave_out = KEY("token_type")}, TSR_ERR_MODEL, KEY("token_type"), "is missing"},
        {{.leave_out = KEY("merges")}, TSR_ERR_UNSUPPORTED, KEY("merges"), "scores don't tell"},
        {{.wrong = KEY("tokens")}, TSR_ERR_MODEL, KEY("tokens"), "array of strings"},
        {{.wrong = KEY("token_type")}, TSR_ERR_MODEL, KEY("token_type"), "whole numbers"},
        {{.wrong = KEY("scores")}, TSR_ERR_MODEL, KEY("scores"), "array of numbers"},
        {{.wrong = KEY("merges")}, TSR_ERR_MODEL, KEY("merges"), "array of strings"},
        {{.n_types = N_TOKENS - 1}, TSR_ERR_MODEL, KEY("token_type"), "271 elements for 272 tokens"},
        {{.n_types = N_TOKENS + 1}, TSR_ERR_MODEL, KEY("token_type"), "273 elements for 272 tokens"},
        {{.n_scores = N_TOKENS - 1}, TSR_ERR_MODEL, KEY("scores"), "271 elements"},
        {{.n_scores = N_TOKENS + 1}, TSR_ERR_MODEL, KEY("scores"), "273 elements"},
        {{.model = "llama"}, TSR_ERR_UNSUPPORTED, KEY("model"), "\"llama\" isn't supported"},
        {{.model = "gpt2"}, TSR_ERR_UNSUPPORTED, KEY("model"), "\"gpt2\" isn't supported"},
        {{.model = "gpt2", .pre = "llama-bpe"}, TSR_ERR_UNSUPPORTED, KEY("model"), "\"gpt2\""},
        {{.pre = "llama-bpe"}, TSR_ERR_UNSUPPORTED, KEY("pre"), "\"llama-bpe\""},
        {{.prefix = true}, TSR_ERR_UNSUPPORTED, KEY("add_space_prefix"), "a space before"},
        {{.own = {"a", "a"}}, TSR_ERR_MODEL, KEY("tokens"), "ids 0 and 1 are both \"a\""},
        {{.own = {"a", ""}}, TSR_ERR_MODEL, KEY("tokens"), "element 1, \"\": an entry without text"},
        {{.own = {"a", "\xC3("}}, TSR_ERR_MODEL, KEY("tokens"), "element 1, \"?(\": an entry without text or not in"},
        {{.types = {0, 7}}, TSR_ERR_MODEL, KEY("token_type"), "element 1 is no type"},
        {{.types = {0, -1}}, TSR_ERR_MODEL, KEY("token_type"), "element 1 is no type"},
        {{.types = {0, TSR_TOKEN_BYTE}}, TSR_ERR_MODEL, KEY("tokens"), "element 1, \"w1\": of type BYTE"},
        {{.own = {too_long}, .types = {TSR_TOKEN_CONTROL}}, TSR_ERR_MODEL, KEY("tokens"), "512 bytes"},
        {{.no_byte = 1 + 0x41}, TSR_ERR_MODEL, KEY("tokens"), "no token \"<0x41>\""},
        {{.no_byte = 1 + 0xFF}, TSR_ERR_MODEL, KEY("tokens"), "no token \"<0xFF>\""},
        {{.own = {"a", "b", "ab"}, .merges = {"a b", "a x"}}, TSR_ERR_MODEL, KEY("merges"),
         "element 1, \"a x\": a merge of what is no entry"},
        {{.own = {"a", "b", "ab"}, .merges = {"a b", "b a"}}, TSR_ERR_MODEL, KEY("merges"),
         "element 1, \"b a\": a merge whose result"},
        {{.own = {"a", "b", "ab"}, .merges = {"a b", "a b"}}, TSR_ERR_MODEL, KEY("merges"), "[1] repeats"},
        {{.own = {"a", "b", "ab"}, .merges = {"ab"}}, TSR_ERR_MODEL, KEY("merges"), "element 0, \"ab\": a merge is"},
        {{.own = {"a", "b", "ab"}, .merges = {"a"}}, TSR_ERR_MODEL, KEY("merges"), "a merge is two"},
        {{.own = {"a", "b", "ab"}, .merges = {""}}, TSR_ERR_MODEL, KEY("merges"), "a merge is two"},
        {{.own = {"a", "b", "ab"}, .merges = {" b"}}, TSR_ERR_MODEL, KEY("merges"), "a merge is two"},
        {{.own = {"a", "b", "ab"}, .merges = {"a "}}, TSR_ERR_MODEL, KEY("merges"), "no entry"},
        {{.own = {"a", "b", "ab"}, .merges = {"a b "}}, TSR_ERR_MODEL, KEY("merges"), "no entry"},
        {{.id_key = KEY("bos_token_id"), .id = N_TOKENS}, TSR_ERR_MODEL, KEY("bos_token_id"), "no token"},
        {{.id_key = KEY("padding_token_id"), .id = UINT32_MAX}, TSR_ERR_MODEL, KEY("padding_token_id"), "no token"},
        {{.own = {"[PAD0]"}, .types = {TSR_TOKEN_UNUSED}, .id_key = KEY("unknown_token_id")}, TSR_ERR_MODEL,
         KEY("unknown_token_id"), "no token"},
        {{.wrong = KEY("model"), .leave_out = KEY("tokens")}, TSR_ERR_UNSUPPORTED, KEY("model"), "\"what\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tsr_error err = {0};
        tsr_tokenizer *t;
        tsr_status st = open_spec(&t, &files[i].s, &err);
        if (st != files[i].st || !strstr(err.text, files[i].says) || !strstr(err.text, files[i].key) ||
            strncmp(err.text, "t.gguf: ", 8) != 0)
            fail_msg("file %zu: status %d, \"%s\"; wanted \"%s\"", i, st, err.text, files[i].says);
        assert_null(t);
    }
}

/* ids: what tessera.tokenizer.normalized holds. */
static tsr_status open_normalized(uint32_t type, const int32_t *ids, size_t n, tsr_tokenizer **t, tsr_error *err)
{
    static const spec s = {.own = {"two w", "w"}, .types = {TSR_TOKEN_USER_DEFINED}};
    gg_writer *w = file_of(&s);
    size_t len;
    unsigned char *bytes;
    tsr_gguf *g;
    tsr_status st;
    gg_array(w, TSR_TOKENIZER_NORMALIZED_KEY, type, n, ids, n * sizeof *ids);
    bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    assert_int_equal(tsri_gguf_open_bytes(&g, (tsr_bytes){bytes, len}, "t.gguf", NULL), TSR_OK);
    st = tsr_tokenizer_open_gguf(t, g, err);
    tsr_gguf_close(g);
    gg_free(w);
    free(bytes);
    return st;
}

static void tokens_matched_after_the_normalizer_are_named(void **state)
{
    static const int32_t good[] = {0}, far[] = {N_TOKENS}, below[] = {-1};
    tsr_tokenizer *t;
    tsr_error err = {0};
    (void)state;
    assert_int_equal(open_normalized(TSR_GGUF_I32, good, 1, &t, NULL), TSR_OK);
    assert_encodes(t, "two\xE2\x96\x81w", TSR_ENCODE_PLAIN, good, 1);
    assert_encodes(t, "two w", TSR_ENCODE_PLAIN, good, 1);
    tsr_tokenizer_close(t);
    assert_int_equal(open_normalized(TSR_GGUF_I32, far, 1, &t, &err), TSR_ERR_MODEL);
    assert_non_null(strstr(err.text, "key " TSR_TOKENIZER_NORMALIZED_KEY));
    assert_int_equal(open_normalized(TSR_GGUF_I32, below, 1, &t, NULL), TSR_ERR_MODEL);
    assert_int_equal(open_normalized(TSR_GGUF_F32, good, 1, &t, NULL), TSR_ERR_MODEL);
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

/* ---- Failures everywhere ---- */

static const spec sample = {
    .own = {"<unk>", "<x>", "<|turn>", "[t]", "a", "b", "ab", "abab", "\xC3\xA9\xF0\x9F\x98\x80"},
    .types = {TSR_TOKEN_UNKNOWN, TSR_TOKEN_CONTROL, TSR_TOKEN_USER_DEFINED, TSR_TOKEN_USER_DEFINED},
    .merges = {"a b", "ab ab"},
    .id_key = KEY("unknown_token_id"),
};

static unsigned char *sample_bytes(size_t *len)
{
    gg_writer *w = file_of(&sample);
    unsigned char *bytes = gg_bytes(w, len, NULL, NULL, NULL);
    gg_free(w);
    return bytes;
}

static void opening_survives_every_failed_allocation(void **state)
{
    size_t len, live = tsr_alloc_live();
    unsigned char *bytes = sample_bytes(&len);
    tsr_gguf *g;
    (void)state;
    assert_int_equal(tsri_gguf_open_bytes(&g, (tsr_bytes){bytes, len}, "t.gguf", NULL), TSR_OK);
    for (size_t k = 1;; k++) {
        tsr_tokenizer *t;
        tsr_status st;
        tsr_alloc_fail_at(k);
        st = tsr_tokenizer_open_gguf(&t, g, NULL);
        tsr_alloc_fail_at(0);
        tsr_tokenizer_close(t);
        if (st == TSR_OK) break;
        assert_int_equal(st, TSR_ERR_NOMEM);
        assert_null(t);
    }
    tsr_gguf_close(g);
    assert_int_equal(tsr_alloc_live(), live);
    free(bytes);
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

static void a_file_with_any_byte_changed_does_no_harm(void **state)
{
    static const unsigned char with[] = {0x00, 0x03, ' '};
    size_t len;
    unsigned char *bytes = sample_bytes(&len);
    (void)state;
    assert_int_equal(fuzz_tokenizer(bytes, len), TSR_OK);
    for (size_t i = 0; i < len; i++) {
        unsigned char was = bytes[i];
        bytes[i] = (unsigned char)(was ? was ^ 1u << i % 8 : with[i % sizeof with]);
        fuzz_tokenizer(bytes, len);
        bytes[i] = was;
    }
    free(bytes);
}

static void the_corpus_of_the_fuzzer_opens(void **state)
{
    size_t len;
    unsigned char *bytes = test_read_file(TSR_TEST_DIR "/corpus_tokenizer/types.gguf", &len);
    (void)state;
    assert_int_equal(fuzz_tokenizer(bytes, len), TSR_OK);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_converted_file_opens_the_tokenizer_of_its_json),
        cmocka_unit_test(an_exported_tokenizer_is_what_the_converter_writes),
        cmocka_unit_test(an_exported_tokenizer_opens_again_with_the_reference_ids),
        cmocka_unit_test(rows_without_a_token_stay_without),
        cmocka_unit_test(roles_come_by_name_then_by_number),
        cmocka_unit_test(the_template_is_that_of_the_folder),
        cmocka_unit_test(a_folder_that_lies_is_refused),
        cmocka_unit_test(types_say_what_is_control_and_what_is_added),
        cmocka_unit_test(other_writers_forms_open),
        cmocka_unit_test(broken_metadata_is_refused_with_its_key),
        cmocka_unit_test(tokens_matched_after_the_normalizer_are_named),
        cmocka_unit_test(what_the_arrays_cannot_say_is_refused),
        cmocka_unit_test(an_odd_tokenizer_survives_the_round_trip),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        cmocka_unit_test(exporting_survives_every_failed_allocation),
        cmocka_unit_test(a_file_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(the_corpus_of_the_fuzzer_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
