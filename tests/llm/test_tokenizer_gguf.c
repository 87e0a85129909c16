/* test_tokenizer_gguf.c: a GGUF file and the tokenizer.json that it was made from open the same tokenizer, and
 * metadata that lies is refused with its key. */
#include "fuzz_tokenizer.h"
#include "gguf_internal.h"
#include "gguf_writer.h"
#include "test_tmp.h"
#include "tokenizer_same.h"
#include "tsr_tokenizer_export.h"

#include <stdlib.h>

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
        cmocka_unit_test(types_say_what_is_control_and_what_is_added),
        cmocka_unit_test(other_writers_forms_open),
        cmocka_unit_test(broken_metadata_is_refused_with_its_key),
        cmocka_unit_test(tokens_matched_after_the_normalizer_are_named),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        cmocka_unit_test(a_file_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(the_corpus_of_the_fuzzer_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
