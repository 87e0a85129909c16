/* test_model_list.c: what lies on a disk is listed with the name to open it by, what it is, and what is wrong. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gguf_writer.h"
#include "hash_model.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_json.h"

#define ORACLE_GGUF TSR_SOURCE_DIR "/tests/oracle/gguf"

static void make_dirs(const char *path)
{
    char p[1024];
    snprintf(p, sizeof p, "%s", path);
    for (char *s = p + 1; *s; s++)
        if (*s == '/') {
            *s = '\0';
            mkdir(p, 0777);
            *s = '/';
        }
    assert_true(mkdir(p, 0777) == 0 || access(p, F_OK) == 0);
}

/* ROOT/NAME, whose folder is made. */
static const char *at(const char *name)
{
    static char path[1024];
    char dir[1024];
    snprintf(path, sizeof path, "%s/%s", test_root, name);
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    make_dirs(dir);
    return path;
}

static void copy(const char *from, const char *to)
{
    size_t len;
    unsigned char *bytes = test_read_file(from, &len);
    test_write_file(at(to), bytes, len);
    free(bytes);
}

static void write_model(const char *name, const char *to)
{
    tsr_error err = {TSR_OK, ""};
    if (oracle_model_write(at(to), name, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
}

static char *list(const char *folder, int as_json, int color)
{
    char *text;
    size_t n;
    tessera_error err = {TESSERA_OK, ""};
    if (tessera_models_list(&folder, folder ? 1 : 0, as_json, color, &text, &n, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return text;
}

static tsr_json *list_json(const char *folder)
{
    tsr_json *v;
    tsr_error err = {TSR_OK, ""};
    char *text = list(folder, 1, 0);
    if (tsr_json_parse(&v, text, strlen(text), "list", &err) != TSR_OK)
        fail_msg("%s", err.text);
    tessera_free(text);
    return v;
}

typedef struct want {
    const char *name; /* its end */
    const char *variant, *type;
    bool sees, hears;
    const char *mmproj;  /* its end; NULL: none */
    const char *problem; /* a part of one of them; NULL: none */
} want;

static bool ends_with(const char *s, const char *tail)
{
    size_t a = strlen(s), b = strlen(tail);
    return a >= b && strcmp(s + a - b, tail) == 0;
}

static void expect_row(const tsr_json *row, const want *w)
{
    const char *name = tsr_json_string(tsr_json_get(row, "name"), NULL);
    const char *mmproj = tsr_json_string(tsr_json_get(row, "mmproj"), NULL);
    const tsr_json *problems = tsr_json_get(row, "problems");
    bool sees = false, hears = false, told = w->problem == NULL;
    assert_string_equal(tsr_json_string(tsr_json_get(row, "variant"), NULL), w->variant);
    assert_string_equal(tsr_json_string(tsr_json_get(row, "type"), NULL), w->type);
    assert_true(tsr_json_to_bool(tsr_json_get(row, "sees"), &sees) && tsr_json_to_bool(tsr_json_get(row, "hears"), &hears));
    if (sees != w->sees || hears != w->hears)
        fail_msg("%s: sees %d, hears %d", name, sees, hears);
    if (w->mmproj ? !mmproj || !ends_with(mmproj, w->mmproj) : mmproj != NULL)
        fail_msg("%s: mmproj %s", name, mmproj ? mmproj : "none");
    for (size_t i = 0; i < tsr_json_len(problems); i++) {
        const char *p = tsr_json_string(tsr_json_at(problems, i), NULL);
        if (!w->problem)
            fail_msg("%s: %s", name, p);
        told |= strstr(p, w->problem) != NULL;
    }
    if (!told)
        fail_msg("%s: '%s' is not told", name, w->problem);
}

/* Exactly these rows, in this order. */
static void expect(const char *folder, const want *rows, size_t n)
{
    tsr_json *v = list_json(folder);
    const tsr_json *models = tsr_json_get(v, "models");
    for (size_t i = 0; i < n; i++) {
        const char *name = tsr_json_string(tsr_json_get(tsr_json_at(models, i), "name"), NULL);
        if (!name || !ends_with(name, rows[i].name))
            fail_msg("row %zu: %s, wanted %s", i, name ? name : "none", rows[i].name);
        expect_row(tsr_json_at(models, i), &rows[i]);
    }
    assert_int_equal(tsr_json_len(models), n);
    tsr_json_free(v);
}

#define EXPECT(folder, rows) expect(folder, rows, sizeof rows / sizeof *rows)

static void every_variant_is_told_by_its_structure(void **state)
{
    (void)state;
    static const want rows[] = {
        {"all/12b", "12B", "F32", true, true, NULL, NULL},    {"all/26b", "26B-A4B", "F32", true, false, NULL, NULL},
        {"all/31b", "31B", "F32", true, false, NULL, NULL},   {"all/e2b", "E2B", "F32", true, true, NULL, NULL},
        {"all/e2b-bf16", "E2B", "BF16", true, true, NULL, NULL}, {"all/e4b", "E4B", "F32", true, true, NULL, NULL},
    };
    static const char *const names[] = {"12b", "26b", "31b", "e2b", "e2b-bf16", "e4b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char to[64];
        snprintf(to, sizeof to, "all/%s", names[i]);
        write_model(names[i], to);
    }
    EXPECT(at("all"), rows);
}

static void gguf_models_are_told_with_their_mmproj(void **state)
{
    (void)state;
    static const want rows[] = {
        {"gg/e.gguf", "E2B", "Q8_0", true, true, "gg/mmproj-e.gguf", NULL},
        {"gg/moe.gguf", "26B-A4B", "Q8_0", true, false, "gg/mmproj-moe.gguf", NULL},
        {"gg/other.gguf", "-", "Q4_K_M", false, false, NULL, "'qwen3'"},
        {"gg/part-Q4_0-00001-of-00002.gguf", "-", "Q4_0", false, false, NULL, "missing: part-Q4_0-00001-of-00002.gguf"},
        {"gg/alone/e.gguf", "E2B", "Q8_0", false, false, NULL, NULL},
        {"gg/towers/mmproj-e.gguf", "mmproj", "Q8_0", true, true, NULL, NULL},
    };
    copy(ORACLE_GGUF "/gguf-e.gguf", "gg/e.gguf");
    copy(ORACLE_GGUF "/gguf-moe.gguf", "gg/moe.gguf");
    copy(ORACLE_GGUF "/mmproj-gguf-e.gguf", "gg/mmproj-e.gguf");
    copy(ORACLE_GGUF "/mmproj-gguf-moe.gguf", "gg/mmproj-moe.gguf");
    copy(ORACLE_GGUF "/gguf-e.gguf", "gg/alone/e.gguf");
    copy(ORACLE_GGUF "/mmproj-gguf-e.gguf", "gg/towers/mmproj-e.gguf");
    copy(ORACLE_GGUF "/gguf-e.gguf", "gg/part-Q4_0-00002-of-00002.gguf");
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "qwen3");
    gg_u32(w, "general.file_type", 15);
    gg_write(w, at("gg/other.gguf"));
    gg_free(w);
    tsr_json *v = list_json(at("gg"));
    tsr_json_free(v);
    EXPECT(at("gg"), rows);
    static const want one[] = {{"gg/e.gguf", "E2B", "Q8_0", true, true, "gg/mmproj-e.gguf", NULL}}; /* a file */
    EXPECT(at("gg/e.gguf"), one);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const want rows[] = {
        {"bad/broken.gguf", "-", "-", false, false, NULL, "header at byte 0"},
        {"bad/config", "-", "-", false, false, NULL, "config.json"},
        {"bad/other", "-", "-", false, false, NULL, "llama"},
        {"bad/weights", "E4B", "-", false, false, NULL, "missing: model.safetensors"},
    };
    test_write_file(at("bad/broken.gguf"), "hello", 5);
    write_model("e4b", "bad/config");
    test_write_file(at("bad/config/config.json"), "{", 1);
    write_model("e4b", "bad/other");
    test_write_file(at("bad/other/config.json"), "{\"model_type\": \"llama\"}", 23);
    write_model("e4b", "bad/weights");
    remove(at("bad/weights/model.safetensors"));
    test_write_file(at("bad/weights/x.safetensors"), "", 0);
    assert_int_equal(symlink("..", at("bad/weights/loop")), 0);
    assert_int_equal(symlink(".", at("bad/self")), 0);
    EXPECT(at("bad"), rows);
    char *text = list(at("bad"), 0, 1);
    assert_non_null(strstr(text, "NAME"));
    assert_non_null(strstr(text, "\033[31m    ! "));
    tessera_free(text);
}

static void the_hugging_face_cache_is_told_by_names_to_open(void **state)
{
    (void)state;
    static const want rows[] = {
        {"hf:google/gemma-4-tiny", "E2B", "F32", true, true, NULL, NULL},
        {"hf:google/gemma-4-tiny@old", "E4B", "F32", true, true, NULL, NULL},
        {"hf:pub/gemma-GGUF:Q4_K_M", "-", "Q4_K_M", false, false, NULL, "downloads have not ended: blobs/1234.incomplete"},
        {"hf:pub/gemma-GGUF:Q8_0", "E2B", "Q8_0", true, true, "/mmproj-F32.gguf", NULL},
        {"hf:pub/half", "-", "-", false, false, NULL, "1 downloads have not ended: blobs/9.incomplete"},
    };
    char hub[1024];
    snprintf(hub, sizeof hub, "%s/hub", test_root);
    write_model("e2b", "hub/models--google--gemma-4-tiny/snapshots/aaaa");
    write_model("e4b", "hub/models--google--gemma-4-tiny/snapshots/bbbb");
    test_write_file(at("hub/models--google--gemma-4-tiny/refs/main"), "aaaa", 4);
    test_write_file(at("hub/models--google--gemma-4-tiny/refs/old"), "bbbb", 4);
    copy(ORACLE_GGUF "/gguf-e.gguf", "hub/models--pub--gemma-GGUF/snapshots/cccc/gemma-Q8_0.gguf");
    copy(ORACLE_GGUF "/mmproj-gguf-e.gguf", "hub/models--pub--gemma-GGUF/snapshots/cccc/mmproj-F32.gguf");
    assert_int_equal(symlink("../../blobs/1234", at("hub/models--pub--gemma-GGUF/snapshots/cccc/gemma-Q4_K_M.gguf")), 0);
    test_write_file(at("hub/models--pub--gemma-GGUF/blobs/1234.incomplete"), "", 0);
    test_write_file(at("hub/models--pub--half/blobs/9.incomplete"), "", 0);
    make_dirs(at("hub/models--pub--tokenizer/snapshots/dddd"));
    make_dirs(at("hub/datasets--pub--data/snapshots/eeee"));
    make_dirs(at("home"));
    setenv("HOME", at("home"), 1);
    setenv("HF_HUB_CACHE", hub, 1);
    EXPECT(NULL, rows);
    tessera_model *m;
    tessera_error err = {TESSERA_OK, ""};
    if (tessera_model_open(&m, "hf:google/gemma-4-tiny@old", NULL, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    tessera_model_close(m);
}

static void nothing_found_says_where_it_looked(void **state)
{
    (void)state;
    static const char *const vars[] = {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LLAMA_CACHE"};
    char more[1024], *out;
    size_t n;
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++)
        unsetenv(vars[i]);
    make_dirs(at("empty/more"));
    snprintf(more, sizeof more, "%s", at("empty/more"));
    setenv("TESSERA_MODELS", more, 1);
    setenv("HOME", at("empty"), 1);
    char *text = list(NULL, 0, 0);
    assert_non_null(strstr(text, "no model files; looked in:\n"));
    assert_non_null(strstr(text, "/empty/.cache/huggingface/hub (is not there)\n"));
    assert_non_null(strstr(text, "/empty/.lmstudio/models (is not there)\n"));
    assert_non_null(strstr(text, more));
    tessera_free(text);
    unsetenv("TESSERA_MODELS");
    tessera_error err = {TESSERA_OK, ""};
    const char *folder = "/no/such/folder";
    assert_int_equal(tessera_models_list(&folder, 1, 0, 0, &out, &n, &err), TESSERA_ERR_NOINPUT);
    assert_null(out);
    assert_non_null(strstr(err.text, folder));
}

static void listing_survives_every_failed_allocation(void **state)
{
    (void)state;
    copy(ORACLE_GGUF "/gguf-e.gguf", "oom/e.gguf");
    copy(ORACLE_GGUF "/mmproj-gguf-e.gguf", "oom/mmproj-e.gguf");
    write_model("text", "oom/text");
    for (size_t k = 1;; k += 1 + k / 40) { /* hundreds of tensors are alike */
        char *text, folder[1024];
        const char *f = folder;
        size_t n, live = tsr_alloc_live();
        tessera_error err = {TESSERA_OK, ""};
        snprintf(folder, sizeof folder, "%s/oom", test_root);
        tsr_alloc_fail_at(k);
        tessera_status st = tessera_models_list(&f, 1, k % 2, 0, &text, &n, &err);
        tsr_alloc_fail_at(0);
        tessera_free(text);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TESSERA_OK) {
            assert_true(k > 100);
            break;
        }
        if (st != TESSERA_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
    }
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_root_make, test_root_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(every_variant_is_told_by_its_structure),
        IN_FOLDER(gguf_models_are_told_with_their_mmproj),
        IN_FOLDER(what_is_wrong_is_told),
        IN_FOLDER(the_hugging_face_cache_is_told_by_names_to_open),
        IN_FOLDER(nothing_found_says_where_it_looked),
        IN_FOLDER(listing_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
