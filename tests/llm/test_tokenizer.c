/* test_tokenizer.c: ids and text equal to the `tokenizers` package, and files that lie are refused.
 * The strings are those of fixtures_text/recipe.py, made here from the same integers. */
#include "fuzz_tokenizer.h"
#include "text_recipe.h"
#include "tsr_file.h"

typedef struct fixture {
    tsr_tokenizer *t;
    tsr_json *cases;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f.t = load_tokenizer(FIXTURES "tokenizer.json");
    f.cases = load_json(FIXTURES "tokenizer_cases.json");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    tsr_tokenizer_close(f->t);
    tsr_json_free(f->cases);
    return 0;
}

static void check_blocks(const fixture *f, const char *key, tsr_encode_mode mode)
{
    const tsr_json *first = mode == TSR_ENCODE_PLAIN ? tsr_json_get(f->cases, "first") : NULL;
    check_recipe(f->t, tsr_json_get(f->cases, key), first, mode);
}

static void plain_text_of_10000_strings_has_the_reference_ids(void **state)
{
    check_blocks(*state, "plain", TSR_ENCODE_PLAIN);
}

static void control_text_of_10000_strings_has_the_reference_ids(void **state)
{
    check_blocks(*state, "control", TSR_ENCODE_CONTROL);
}

static void make_ids(tsr_ids *out, const tsr_tokenizer *t, uint64_t seed)
{
    rng r = {seed};
    char name[8], c[TSR_UTF8_MAX];
    out->n = 0;
    for (uint64_t n = below(&r, 16); n > 0; n--) {
        uint64_t kind = below(&r, 4);
        if (kind < 2) {
            tsr_ids_add(out, (int32_t)below(&r, tsr_tokenizer_count(t) + 5), NULL);
        } else {
            size_t len = 1;
            if (kind == 2) c[0] = (char)below(&r, 256);
            else len = tsr_utf8_write(c, 0x80 + (uint32_t)below(&r, 0x600));
            for (size_t i = 0; i < len; i++) {
                snprintf(name, sizeof name, "<0x%02X>", (unsigned)(unsigned char)c[i]);
                tsr_ids_add(out, tsr_tokenizer_id_of(t, name), NULL);
            }
        }
    }
}

/* At once, and one by one with only whole characters between. */
static void decoding_gives_the_reference_text(void **state)
{
    const fixture *f = *state;
    for (int control = 0; control < 2; control++) {
        uint64_t h = HASH_START;
        tsr_ids ids = {0};
        tsr_text all = {0}, parts = {0};
        for (uint64_t i = 0; i < 3000; i++) {
            tsr_detok d;
            all.len = parts.len = 0;
            make_ids(&ids, f->t, i);
            tsr_detok_init(&d, f->t, control != 0);
            assert_int_equal(tsr_tokenizer_decode(f->t, ids.at, ids.n, control != 0, &all, NULL), TSR_OK);
            for (size_t k = 0; k < ids.n; k++) {
                size_t from = parts.len;
                assert_int_equal(tsr_detok_push(&d, ids.at[k], &parts, NULL), TSR_OK);
                assert_true(parts.len == from || tsr_utf8_valid(parts.at + from, parts.len - from));
            }
            assert_int_equal(tsr_detok_finish(&d, &parts, NULL), TSR_OK);
            assert_int_equal(parts.len, all.len);
            if (all.len) assert_memory_equal(parts.at, all.at, all.len);
            h = hash_number(hash_bytes(h, all.at, all.len), 0xFFFFFFFFu);
            tsr_detok_deinit(&d);
        }
        assert_hash(h, tsr_json_get(f->cases, control ? "decoded_control" : "decoded_plain"));
        tsr_ids_deinit(&ids);
        tsr_text_deinit(&all);
        tsr_text_deinit(&parts);
    }
}

static void ill_formed_bytes_become_what_python_makes_of_them(void **state)
{
    static const unsigned char hot[] = {0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED,
                                        0xA0, 0xC0, 0xE0, 0xF4, 0x90, 0x41, 0xBF, 0xFF};
    const fixture *f = *state;
    uint64_t h = HASH_START;
    tsr_text out = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        rng r = {i};
        char s[16];
        tsr_ids a = {0}, b = {0};
        size_t n = (size_t)below(&r, 13);
        for (size_t k = 0; k < n; k++) s[k] = (char)(below(&r, 2) ? below(&r, 256) : hot[below(&r, sizeof hot)]);
        out.len = 0;
        assert_int_equal(tsr_utf8_repair(&out, s, n, NULL), TSR_OK);
        h = hash_number(hash_bytes(h, out.at, out.len), 0xFFFFFFFFu);
        assert_int_equal(tsr_tokenizer_encode(f->t, s, n, TSR_ENCODE_PLAIN, &a, NULL), TSR_OK);
        assert_int_equal(tsr_tokenizer_encode(f->t, out.at, out.len, TSR_ENCODE_PLAIN, &b, NULL), TSR_OK);
        assert_int_equal(a.n, b.n);
        if (a.n) assert_memory_equal(a.at, b.at, a.n * sizeof *a.at);
        tsr_ids_deinit(&a);
        tsr_ids_deinit(&b);
    }
    assert_hash(h, tsr_json_get(f->cases, "repaired"));
    tsr_text_deinit(&out);
}

static void case_and_space_are_those_of_python(void **state)
{
    const fixture *f = *state;
    const tsr_json *spaces = tsr_json_get(f->cases, "spaces");
    uint64_t upper = HASH_START, lower = HASH_START;
    size_t n_spaces = 0;
    tsr_text t = {0};
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char c[TSR_UTF8_MAX];
        size_t n;
        int64_t space = -1;
        if (cp >= 0xD800 && cp < 0xE000) continue;
        n = tsr_utf8_write(c, cp);
        t.len = 0;
        tsr_utf8_upper(&t, c, n, NULL);
        upper = hash_bytes(upper, t.at, t.len);
        t.len = 0;
        tsr_utf8_lower(&t, c, n, NULL);
        lower = hash_bytes(lower, t.at, t.len);
        if (!tsr_utf8_is_space(cp)) continue;
        tsr_json_to_i64(tsr_json_at(spaces, n_spaces++), &space);
        assert_int_equal(space, cp);
    }
    assert_int_equal(n_spaces, tsr_json_len(spaces));
    assert_hash(upper, tsr_json_get(f->cases, "upper"));
    assert_hash(lower, tsr_json_get(f->cases, "lower"));
    tsr_text_deinit(&t);
}

static void open_tails_are_found(void **state)
{
    (void)state;
    assert_int_equal(tsr_utf8_open_tail("a", 1), 0);
    assert_int_equal(tsr_utf8_open_tail("a\xE2", 2), 1);
    assert_int_equal(tsr_utf8_open_tail("a\xE2\x82", 3), 2);
    assert_int_equal(tsr_utf8_open_tail("a\xE2\x82\xAC", 4), 0);
    assert_int_equal(tsr_utf8_open_tail("\xF0\x9F\x98", 3), 3);
    assert_int_equal(tsr_utf8_open_tail("\xED\xA0", 2), 0); /* no character starts so */
    assert_int_equal(tsr_utf8_open_tail("\x80\x80\x80\x80", 4), 0);
}

static void user_text_never_becomes_a_control_token(void **state)
{
    const fixture *f = *state;
    for (size_t id = 0; id < tsr_tokenizer_count(f->t); id++) {
        size_t len;
        const char *s = tsr_tokenizer_piece(f->t, (int32_t)id, &len);
        tsr_ids ids = {0};
        if (!tsr_tokenizer_is_control(f->t, (int32_t)id)) continue;
        assert_int_equal(tsr_tokenizer_encode(f->t, s, len, TSR_ENCODE_PLAIN, &ids, NULL), TSR_OK);
        for (size_t i = 0; i < ids.n; i++) assert_false(tsr_tokenizer_is_control(f->t, ids.at[i]));
        ids.n = 0;
        assert_int_equal(tsr_tokenizer_encode(f->t, s, len, TSR_ENCODE_CONTROL, &ids, NULL), TSR_OK);
        assert_int_equal(ids.n, 1);
        assert_int_equal(ids.at[0], id);
        tsr_ids_deinit(&ids);
    }
}

static void ids_without_a_name_print_nothing(void **state)
{
    const fixture *f = *state;
    const int32_t ids[] = {(int32_t)tsr_tokenizer_count(f->t), 1 << 30, -1, INT32_MIN, INT32_MAX};
    tsr_text t = {0};
    size_t len = 9;
    assert_int_equal(tsr_tokenizer_decode(f->t, ids, sizeof ids / sizeof *ids, true, &t, NULL), TSR_OK);
    assert_int_equal(t.len, 0);
    assert_null(tsr_tokenizer_piece(f->t, ids[0], &len));
    assert_int_equal(len, 0);
    assert_int_equal(tsr_tokenizer_id_of(f->t, "no such entry"), -1);
    tsr_text_deinit(&t);
}

/* Runs of one character are the worst case of a merge loop that looks at every pair again. */
static void long_runs_encode_in_time(void **state)
{
    const fixture *f = *state;
    enum { N = 1 << 20 };
    char *s = tsr_alloc(N);
    static const char fill[] = "\n a0\t";
    assert_non_null(s);
    for (size_t k = 0; k < strlen(fill); k++) {
        tsr_ids ids = {0};
        memset(s, fill[k], N);
        assert_int_equal(tsr_tokenizer_encode(f->t, s, N, TSR_ENCODE_PLAIN, &ids, NULL), TSR_OK);
        assert_in_range(ids.n, 1, N);
        tsr_ids_deinit(&ids);
    }
    tsr_free(s);
}

/* ---- Files that lie ---- */

#define NORMALIZER "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}"
#define DECODER                                                                                                        \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"}," \
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}"
#define ADDED(more) "\"added_tokens\":[{\"id\":0,\"content\":\"<eos>\",\"special\":true}" more "]"
#define MODEL(vocab, merges) "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define VOCAB "\"<eos>\":0,\"a\":1,\"b\":2,\"ab\":3,\"\xE2\x96\x81\":4,\"\\u00e9\\ud83d\\ude00\":5,\"abab\":6,\"<0xC3>\":7"
#define MERGES "[\"a\",\"b\"],\"ab ab\""
#define FILE_OF(vocab, merges, added) "{" NORMALIZER ",\"pre_tokenizer\":null," DECODER "," added "," MODEL(vocab, merges) "}"
static const char good[] = FILE_OF(VOCAB, MERGES, ADDED(""));

static tsr_status open_text(const char *s, size_t len, tsr_error *err)
{
    tsr_tokenizer *t;
    tsr_status st = tsr_tokenizer_open_bytes(&t, s, len, "tok.json", err);
    if (st == TSR_OK) tsr_tokenizer_close(t);
    else assert_null(t);
    return st;
}

static void both_forms_of_a_merge_are_read(void **state)
{
    tsr_tokenizer *t;
    tsr_ids ids = {0};
    (void)state;
    assert_int_equal(tsr_tokenizer_open_bytes(&t, good, strlen(good), "tok.json", NULL), TSR_OK);
    assert_int_equal(tsr_tokenizer_encode(t, "ababab", 6, TSR_ENCODE_PLAIN, &ids, NULL), TSR_OK);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.at[0], 6);
    assert_int_equal(ids.at[1], 3);
    assert_int_equal(tsr_tokenizer_id_of(t, "\xC3\xA9\xF0\x9F\x98\x80"), 5);
    tsr_ids_deinit(&ids);
    tsr_tokenizer_close(t);
}

static void broken_files_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text;
        tsr_status st;
        const char *says;
    } files[] = {
        {"", TSR_ERR_MODEL, "tok.json"},
        {"[]", TSR_ERR_MODEL, "column 1"},
        {"{}", TSR_ERR_MODEL, "no \"model\""},
        {"{\"model\":{},\"model\":{}}", TSR_ERR_MODEL, "a key stands twice"},
        {"{\"model\":{}} x", TSR_ERR_MODEL, "after the end"},
        {FILE_OF("\"a\":1,\"b\":1", "", ADDED("")), TSR_ERR_MODEL, "an id that another entry has"},
        {FILE_OF("\"a\":1,\"a\":2", "", ADDED("")), TSR_ERR_MODEL, "ids 1 and 2 are both \"a\""},
        {FILE_OF("\"a\":4194304", "", ADDED("")), TSR_ERR_MODEL, "out of range"},
        {FILE_OF("\"a\":-1", "", ADDED("")), TSR_ERR_MODEL, "integer >= 0"},
        {FILE_OF("\"a\":1.5", "", ADDED("")), TSR_ERR_MODEL, "integer expected"},
        {FILE_OF("\"a\":99999999999999999999", "", ADDED("")), TSR_ERR_MODEL, "too large"},
        {FILE_OF("\"\":1", "", ADDED("")), TSR_ERR_MODEL, "without text"},
        {FILE_OF("\"\xFF\":1", "", ADDED("")), TSR_ERR_MODEL, "UTF-8"},
        {FILE_OF("\"\\ud800x\":1", "", ADDED("")), TSR_ERR_MODEL, "surrogate"},
        {FILE_OF("", "", ADDED("")), TSR_ERR_MODEL, "empty vocabulary"},
        {FILE_OF(VOCAB, "[\"a\",\"x\"]", ADDED("")), TSR_ERR_MODEL, "what is no entry"},
        {FILE_OF(VOCAB, "[\"b\",\"a\"]", ADDED("")), TSR_ERR_MODEL, "result is no entry"},
        {FILE_OF(VOCAB, MERGES "," MERGES, ADDED("")), TSR_ERR_MODEL, "merges[2] repeats merges[0]"},
        {FILE_OF(VOCAB, "\"ab\"", ADDED("")), TSR_ERR_MODEL, "one space"},
        {FILE_OF(VOCAB, "[\"a\"]", ADDED("")), TSR_ERR_MODEL, "',' expected"},
        {FILE_OF(VOCAB, "7", ADDED("")), TSR_ERR_MODEL, "'\"' expected"},
        {FILE_OF(VOCAB, MERGES, ADDED(",{\"id\":9,\"content\":\"a\"}")), TSR_ERR_MODEL, "vocabulary says 1"},
        {FILE_OF(VOCAB, MERGES, ADDED(",{\"id\":1,\"content\":\"new\"}")), TSR_ERR_MODEL, "an id that another entry has"},
        {FILE_OF(VOCAB, MERGES, ADDED(",{\"id\":-1,\"content\":\"new\"}")), TSR_ERR_MODEL, "added_tokens[1]"},
        {FILE_OF(VOCAB, MERGES, ADDED(",{\"id\":9,\"content\":\"\"}")), TSR_ERR_MODEL, "content"},
        {FILE_OF(VOCAB, MERGES, ADDED(",{\"id\":9,\"content\":\"q\",\"lstrip\":true}")), TSR_ERR_UNSUPPORTED, "lstrip"},
        {"{" NORMALIZER "," DECODER ",\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," MODEL(VOCAB, MERGES) "}",
         TSR_ERR_UNSUPPORTED, "pre_tokenizer of type \"ByteLevel\""},
        {"{\"normalizer\":{\"type\":\"NFC\"}," DECODER "," MODEL(VOCAB, MERGES) "}", TSR_ERR_UNSUPPORTED,
         "normalizer of type \"NFC\""},
        {"{" NORMALIZER ",\"decoder\":{\"type\":\"WordPiece\"}," MODEL(VOCAB, MERGES) "}", TSR_ERR_UNSUPPORTED,
         "decoder of type \"WordPiece\""},
        {"{" NORMALIZER "," DECODER ",\"model\":{\"type\":\"Unigram\",\"vocab\":[],\"merges\":[]}}", TSR_ERR_UNSUPPORTED,
         "model type"},
        {"{" NORMALIZER "," DECODER ",\"model\":{\"dropout\":0.5,\"vocab\":{\"a\":0},\"merges\":[]}}",
         TSR_ERR_UNSUPPORTED, "dropout"},
        {"{" NORMALIZER "," DECODER ",\"model\":{\"unk_token\":\"?\",\"vocab\":{\"a\":0},\"merges\":[]}}", TSR_ERR_MODEL,
         "unk_token is no entry"},
        {"{" NORMALIZER "," DECODER ",\"model\":{\"vocab\":{\"a\":0}}}", TSR_ERR_MODEL, "no \"merges\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tsr_error err = {0};
        tsr_status st = open_text(files[i].text, strlen(files[i].text), &err);
        if (st != files[i].st || !strstr(err.text, files[i].says) || !strstr(err.text, "tok.json"))
            fail_msg("file %zu: status %d, \"%s\"; wanted \"%s\"", i, st, err.text, files[i].says);
    }
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    assert_int_equal(open_text(good, strlen(good), NULL), TSR_OK);
    for (size_t n = 0; n < strlen(good); n++) {
        char *exact = tsr_alloc(n);
        tsr_error err = {0};
        memcpy(exact, good, n);
        assert_int_not_equal(open_text(exact, n, &err), TSR_OK);
        assert_string_not_equal(err.text, "");
        tsr_free(exact);
    }
}

static void a_file_with_any_byte_changed_does_no_harm(void **state)
{
    static const char with[] = {'\0', '"', '\\', '}', ']', ',', '9', '{', (char)0xFF};
    char *s = tsr_strdup(good);
    (void)state;
    for (size_t i = 0; i < strlen(good); i++) {
        for (size_t k = 0; k < sizeof with; k++) {
            s[i] = with[k];
            fuzz_tokenizer((const uint8_t *)s, strlen(good));
        }
        s[i] = good[i];
    }
    tsr_free(s);
}

static void the_corpus_of_the_fuzzer_opens(void **state)
{
    static const char *const names[] = {"pairs", "strings", "added", "bytes", "unknown", "escapes"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        unsigned char *text;
        size_t len;
        snprintf(path, sizeof path, "%s/corpus_tokenizer/%s.json", TSR_TEST_DIR, names[i]);
        assert_int_equal(tsr_file_read(&text, &len, path, 1 << 20, NULL), TSR_OK);
        assert_int_equal(fuzz_tokenizer(text, len), TSR_OK);
        tsr_free(text);
    }
}

/* Pieces of the file moved, doubled and dropped, many at once: the fuzz entry without a fuzzer. */
static void a_file_with_its_pieces_moved_does_no_harm(void **state)
{
    enum { CAP = 4096 };
    uint8_t s[CAP];
    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        rng r = {seed};
        size_t len = strlen(good);
        memcpy(s, good, len);
        for (uint64_t n = 1 + below(&r, 4); n > 0; n--) {
            size_t from = (size_t)below(&r, len), to = (size_t)below(&r, len), k = (size_t)below(&r, 40);
            if (k > len - from) k = len - from;
            if (k > len - to) k = len - to;
            if (below(&r, 3)) {
                memmove(s + to, s + from, k);
            } else if (below(&r, 2) && len + k <= CAP) {
                memmove(s + to + k, s + to, len - to);
                len += k;
            } else if (len > k + 1) {
                memmove(s + from, s + from + k, len - from - k);
                len -= k;
            }
        }
        fuzz_tokenizer(s, len);
    }
}

static void deep_nesting_is_refused(void **state)
{
    enum { N = 100000 };
    char *s = tsr_alloc(N);
    tsr_error err = {0};
    (void)state;
    memset(s, '[', N);
    memcpy(s, "{\"x\":", 5);
    assert_int_equal(open_text(s, N, &err), TSR_ERR_MODEL);
    assert_non_null(strstr(err.text, "nested"));
    tsr_free(s);
}

static void open_and_encode_survive_every_failed_allocation(void **state)
{
    size_t live = tsr_alloc_live();
    (void)state;
    for (size_t k = 1;; k++) {
        tsr_tokenizer *t = NULL;
        tsr_ids ids = {0};
        tsr_text text = {0};
        tsr_status st;
        tsr_alloc_fail_at(k);
        st = tsr_tokenizer_open_bytes(&t, good, strlen(good), "tok.json", NULL);
        if (st == TSR_OK) st = tsr_tokenizer_encode(t, "ab \xFF<eos>\xC3\xA9 b", 12, TSR_ENCODE_PLAIN, &ids, NULL);
        if (st == TSR_OK) st = tsr_tokenizer_decode(t, ids.at, ids.n, true, &text, NULL);
        tsr_alloc_fail_at(0);
        tsr_tokenizer_close(t);
        tsr_ids_deinit(&ids);
        tsr_text_deinit(&text);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_of_10000_strings_has_the_reference_ids),
        cmocka_unit_test(control_text_of_10000_strings_has_the_reference_ids),
        cmocka_unit_test(decoding_gives_the_reference_text),
        cmocka_unit_test(ill_formed_bytes_become_what_python_makes_of_them),
        cmocka_unit_test(case_and_space_are_those_of_python),
        cmocka_unit_test(open_tails_are_found),
        cmocka_unit_test(user_text_never_becomes_a_control_token),
        cmocka_unit_test(ids_without_a_name_print_nothing),
        cmocka_unit_test(long_runs_encode_in_time),
        cmocka_unit_test(both_forms_of_a_merge_are_read),
        cmocka_unit_test(broken_files_are_refused_with_their_place),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_file_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(the_corpus_of_the_fuzzer_opens),
        cmocka_unit_test(a_file_with_its_pieces_moved_does_no_harm),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(open_and_encode_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
