/* test_model_find.c: what stands after -m is found on disk, in a cache laid out as the Hub's own programs do it,
 * and what is missing is told by name with the command that downloads it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "gguf_writer.h"
#include "hf_cache.h"
#include "model_find.h"
#include "places.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

enum { F32 = 0 };

static const char commit_a[] = "0123456789abcdef0123456789abcdef01234567";
static const char commit_b[] = "0199999999abcdef0123456789abcdef01234567";

static char *root;

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

/* ROOT/hub/models--org--repo/ENTRY; its folders are made. */
static const char *in_repo(const char *repo, const char *entry)
{
    static char path[1024];
    char dir[1024];
    snprintf(path, sizeof path, "%s/hub/models--%s/%s", root, repo, entry);
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    make_dirs(dir);
    return path;
}

/* A file of a snapshot, as a link into blobs/; NULL bytes: a link to nothing. */
static void put(const char *repo, const char *commit, const char *name, const void *bytes, size_t len)
{
    static unsigned n_blobs;
    char entry[600], blob[600], target[700];
    snprintf(blob, sizeof blob, "blobs/%08u", n_blobs++);
    if (bytes)
        test_write_file(in_repo(repo, blob), bytes, len);
    snprintf(entry, sizeof entry, "snapshots/%s/%s", commit, name);
    snprintf(target, sizeof target, "%s../../%s", strchr(name, '/') ? "../" : "", blob);
    assert_int_equal(symlink(target, in_repo(repo, entry)), 0);
}

static void put_ref(const char *repo, const char *name, const char *commit)
{
    char entry[600];
    snprintf(entry, sizeof entry, "refs/%s", name);
    test_write_file(in_repo(repo, entry), commit, strlen(commit));
}

/* A GGUF of two tensors' worth of a text model or a mmproj of this width. */
static void put_gguf(const char *repo, const char *commit, const char *name, bool is_mmproj, size_t width)
{
    static const float zeros[64];
    const size_t embd[] = {2, width}, proj[] = {width, 2};
    size_t len;
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", is_mmproj ? "clip" : "gemma4");
    gg_tensor(w, is_mmproj ? "mm.input_projection.weight" : "token_embd.weight", F32, 2, is_mmproj ? proj : embd, zeros,
              2 * width * sizeof *zeros);
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    put(repo, commit, name, bytes, len);
    free(bytes);
    gg_free(w);
}

static void put_safetensors(const char *repo, const char *commit, bool second_shard)
{
    static const char index[] = "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                                "\"b\":\"model-00002-of-00002.safetensors\",\"c\":\"model-00002-of-00002.safetensors\"}}";
    put(repo, commit, "config.json", "{}", 2);
    put(repo, commit, "tokenizer.json", "{}", 2);
    put(repo, commit, "model.safetensors.index.json", index, sizeof index - 1);
    put(repo, commit, "model-00001-of-00002.safetensors", "x", 1);
    put(repo, commit, "model-00002-of-00002.safetensors", second_shard ? "x" : NULL, 1);
}

/* path and mmproj below the repository's snapshot of this commit; mmproj NULL: none. */
static void expect_found(const char *spec, const char *repo, const char *commit, const char *path, const char *mmproj)
{
    char *p, *mm, want[1400];
    tsr_error err = {TSR_OK, ""};
    if (tsri_find_model(spec, &p, &mm, &err) != TSR_OK)
        fail_msg("%s: %s", spec, err.text);
    snprintf(want, sizeof want, "%s/hub/models--%s/snapshots/%s%s%s", root, repo, commit, *path ? "/" : "", path);
    assert_string_equal(p, want);
    if (mmproj) {
        snprintf(want, sizeof want, "%s/hub/models--%s/snapshots/%s/%s", root, repo, commit, mmproj);
        assert_non_null(mm);
        assert_string_equal(mm, want);
    } else {
        assert_null(mm);
    }
    tsr_free(p);
    tsr_free(mm);
}

static void expect_refused(const char *spec, tsr_status st, const char *a, const char *b)
{
    char *p, *mm;
    tsr_error err = {TSR_OK, ""};
    size_t live = tsr_alloc_live();
    assert_int_not_equal(tsri_find_model(spec, &p, &mm, &err), TSR_OK);
    assert_null(p);
    assert_null(mm);
    assert_int_equal(tsr_alloc_live(), live);
    assert_error(&err, st, a, b);
    assert_non_null(strstr(err.text, spec));
}

static void types_are_found_in_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"gemma-4-E2B-it-Q4_K_M.gguf", "Q4_K_M"},
        {"gemma-4-E2B-it-q8_0.gguf", "Q8_0"},
        {"gemma-4-E2B-it.Q5_K_S.gguf", "Q5_K_S"},
        {"gemma-4-E2B-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"},
        {"gemma-4-E2B-it-IQ4_XS.gguf", "IQ4_XS"},
        {"gemma-4-E2B-it-IQ4_NL.gguf", "IQ4_NL"},
        {"gemma-4-26B-A4B-it-MXFP4_MOE.gguf", "MXFP4_MOE"},
        {"gemma-4-E2B-it-BF16-00001-of-00002.gguf", "BF16"},
        {"BF16/model-00001-of-00002.gguf", "BF16"},
        {"gemma-4-E4B-it-qat-q4_0.gguf", "Q4_0"},
        {"gemma_4_q4_0_it.gguf", "Q4_0"},
        {"qat-q4_0-requantized-Q6_K.gguf", "Q6_K"},
        {"mmproj-F16.gguf", "F16"},
        {"mmproj-model-f32.gguf", "F32"},
        {"TQ1_0.gguf", "TQ1_0"},
        {"Q2_K_L.gguf", "Q2_K_L"},
        {"model.gguf", ""},
        {"Q4.gguf", ""},
        {"FAQ4_0.gguf", ""},
        {"Q4_0x.gguf", ""},
        {"BF160.gguf", ""},
        {"Q4_K_Mini.gguf", "Q4_K"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char tag[TSRI_TAG_BYTES];
        tsri_type_tag(tag, rows[i][0]);
        if (strcmp(tag, rows[i][1]) != 0)
            fail_msg("%s: '%s', wanted '%s'", rows[i][0], tag, rows[i][1]);
    }
}

static void names_that_can_be_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "hf:", "hf:org", "hf:org/", "hf:/repo", "hf:org/repo/more", "hf:../repo", "hf:org/..", "hf:org/re po",
        "hf:org/repo@", "hf:org/repo@../x", "hf:org/repo@a//b", "hf:org/repo:", "hf:org/repo@main:", "hf:org/repo:a:b",
        "hf:org/repo:../q", "hf:-o/repo", "hf:org/repo:Q4;rm", "hf:org/repo@$(x)", "hf:org/r\xc3\xa9po"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(bad[i], TSR_ERR_USAGE, "the form is hf:ORG/REPO[@REVISION][:QUANT]", NULL);
}

static void what_is_not_in_the_cache_is_told_with_the_command(void **state)
{
    (void)state;
    expect_refused("hf:google/gemma-4-E2B-it", TSR_ERR_NOINPUT, "is not in the Hugging Face cache ",
                   "/hub; this would download it: hf download google/gemma-4-E2B-it");
    expect_refused("hf:google/gemma-4-E2B-it@v1:q8_0", TSR_ERR_NOINPUT,
                   "hf download google/gemma-4-E2B-it --revision v1 --include '*q8_0*' '*mmproj*'", NULL);
    put_ref("org--rev", "main", commit_a);
    put_safetensors("org--rev", commit_a, true);
    expect_refused("hf:org/rev@v2", TSR_ERR_NOINPUT, "has no revision v2 in the Hugging Face cache ",
                   "hf download org/rev --revision v2");
    put_ref("org--dead", "main", commit_a); /* the reference of a snapshot that was deleted */
    make_dirs(in_repo("org--dead", "snapshots"));
    expect_refused("hf:org/dead", TSR_ERR_NOINPUT, "is not in the Hugging Face cache", "hf download org/dead");
}

static void whole_safetensors_are_taken_before_gguf(void **state)
{
    (void)state;
    put_ref("org--st", "main", commit_a);
    put_safetensors("org--st", commit_a, true);
    put_gguf("org--st", commit_a, "x-Q8_0.gguf", false, 8);
    expect_found("hf:org/st", "org--st", commit_a, "", NULL);
    expect_found("hf:org/st:q8_0", "org--st", commit_a, "x-Q8_0.gguf", NULL);
    expect_refused("hf:org/st:q4_0", TSR_ERR_NOINPUT, "no GGUF of that type is there; there is: Q8_0",
                   "hf download org/st --include '*q4_0*'");
}

static void what_is_not_whole_is_named(void **state)
{
    (void)state;
    put_ref("org--part", "main", commit_a);
    put_safetensors("org--part", commit_a, false);
    test_write_file(in_repo("org--part", "blobs/ffff.incomplete"), "half", 4);
    expect_refused("hf:org/part", TSR_ERR_NOINPUT,
                   "missing: model-00002-of-00002.safetensors, (download not ended: blobs/ffff.incomplete); ",
                   "hf download org/part");
    expect_refused("hf:org/part:Q8_0", TSR_ERR_NOINPUT, "no GGUF text model is there", NULL);
    put_gguf("org--part", commit_a, "x-Q8_0.gguf", false, 8);
    expect_found("hf:org/part", "org--part", commit_a, "x-Q8_0.gguf", NULL);
    put_ref("org--bare", "main", commit_a);
    put("org--bare", commit_a, "README.md", "hello", 5);
    expect_refused("hf:org/bare", TSR_ERR_NOINPUT, "missing: any model file", "hf download org/bare");
    put_ref("org--cut", "main", commit_a);
    put("org--cut", commit_a, "x-Q8_0.gguf", NULL, 0);
    expect_refused("hf:org/cut", TSR_ERR_NOINPUT, "missing: x-Q8_0.gguf", NULL);
    put_ref("org--split", "main", commit_a);
    put_gguf("org--split", commit_a, "BF16/x-BF16-00001-of-00003.gguf", false, 8);
    put_gguf("org--split", commit_a, "BF16/x-BF16-00003-of-00003.gguf", false, 8);
    expect_refused("hf:org/split", TSR_ERR_NOINPUT, "missing: BF16/x-BF16-00002-of-00003.gguf", NULL);
    put_gguf("org--split", commit_a, "BF16/x-BF16-00002-of-00003.gguf", false, 8);
    expect_found("hf:org/split:bf16", "org--split", commit_a, "BF16/x-BF16-00001-of-00003.gguf", NULL);
    put_ref("org--tail", "main", commit_a);
    put_gguf("org--tail", commit_a, "x-F16-00002-of-00002.gguf", false, 8);
    expect_refused("hf:org/tail", TSR_ERR_NOINPUT, "missing: x-F16-00001-of-00002.gguf", NULL);
}

static void one_of_several_must_be_chosen(void **state)
{
    (void)state;
    put_ref("org--many", "main", commit_a);
    put_gguf("org--many", commit_a, "x-Q4_K_M.gguf", false, 8);
    put_gguf("org--many", commit_a, "x-UD-Q4_K_XL.gguf", false, 8);
    put_gguf("org--many", commit_a, "x-Q4_K_S.gguf", false, 8);
    put_gguf("org--many", commit_a, "x-Q4_K.gguf", false, 8);
    put_gguf("org--many", commit_a, "y-Q8_0.gguf", false, 8);
    put_gguf("org--many", commit_a, "z-Q8_0.gguf", false, 8);
    expect_refused("hf:org/many", TSR_ERR_USAGE, "choose one with hf:ORG/REPO:QUANT",
                   ": Q4_K, Q4_K_M, Q4_K_S, UD-Q4_K_XL, y-Q8_0.gguf, z-Q8_0.gguf");
    expect_found("hf:org/many:q4_k_m", "org--many", commit_a, "x-Q4_K_M.gguf", NULL);
    expect_found("hf:org/many:Q4_K", "org--many", commit_a, "x-Q4_K.gguf", NULL);
    expect_found("hf:org/many:Q4_K_XL", "org--many", commit_a, "x-UD-Q4_K_XL.gguf", NULL);
    expect_found("hf:org/many:ud-q4_k_xl", "org--many", commit_a, "x-UD-Q4_K_XL.gguf", NULL);
    expect_found("hf:org/many:z-Q8_0.gguf", "org--many", commit_a, "z-Q8_0.gguf", NULL);
    expect_found("hf:org/many:z-q8_0", "org--many", commit_a, "z-Q8_0.gguf", NULL);
    expect_refused("hf:org/many:q8_0", TSR_ERR_USAGE, "several GGUF models answer", "z-Q8_0.gguf");
    expect_refused("hf:org/many:Q4", TSR_ERR_NOINPUT, "no GGUF of that type", "Q4_K_M");
}

static void revisions_are_branches_commits_or_their_beginnings(void **state)
{
    (void)state;
    put_gguf("org--revs", commit_a, "a-Q8_0.gguf", false, 8);
    expect_found("hf:org/revs", "org--revs", commit_a, "a-Q8_0.gguf", NULL); /* no main, but only one */
    put_gguf("org--revs", commit_b, "b-Q8_0.gguf", false, 8);
    expect_refused("hf:org/revs", TSR_ERR_NOINPUT, "is not in the Hugging Face cache", NULL);
    put_ref("org--revs", "main", commit_b);
    put_ref("org--revs", "v1.0", commit_a);
    put_ref("org--revs", "refs/pr/7", commit_a);
    expect_found("hf:org/revs", "org--revs", commit_b, "b-Q8_0.gguf", NULL);
    expect_found("hf:org/revs@main", "org--revs", commit_b, "b-Q8_0.gguf", NULL);
    expect_found("hf:org/revs@v1.0:Q8_0", "org--revs", commit_a, "a-Q8_0.gguf", NULL);
    expect_found("hf:org/revs@refs/pr/7", "org--revs", commit_a, "a-Q8_0.gguf", NULL);
    expect_found("hf:org/revs@0123456789abcdef0123456789abcdef01234567", "org--revs", commit_a, "a-Q8_0.gguf", NULL);
    expect_found("hf:org/revs@0123456", "org--revs", commit_a, "a-Q8_0.gguf", NULL);
    expect_refused("hf:org/revs@01", TSR_ERR_NOINPUT, "has no revision 01", NULL);
    put_ref("org--revs", "evil", "../../../../etc");
    expect_refused("hf:org/revs@evil", TSR_ERR_NOINPUT, "has no revision evil", NULL);
}

/* The message is about the file, so it doesn't hold the word after -m. */
static void expect_broken_mmproj(void)
{
    char *p, *mm;
    tsr_error err = {TSR_OK, ""};
    assert_int_equal(tsri_find_model("hf:org/mb", &p, &mm, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "mmproj-F16.gguf: header at byte 4", NULL);
    assert_null(p);
    assert_null(mm);
}

static void mmproj_of_the_models_width_is_taken(void **state)
{
    (void)state;
    put_ref("org--mm", "main", commit_a);
    put_gguf("org--mm", commit_a, "x-Q8_0.gguf", false, 8);
    put_gguf("org--mm", commit_a, "mmproj-BF16.gguf", true, 6); /* another model's */
    expect_found("hf:org/mm", "org--mm", commit_a, "x-Q8_0.gguf", NULL);
    put_gguf("org--mm", commit_a, "mmproj-F32.gguf", true, 8);
    expect_found("hf:org/mm", "org--mm", commit_a, "x-Q8_0.gguf", "mmproj-F32.gguf");
    put_gguf("org--mm", commit_a, "x.MMPROJ-f16.gguf", true, 8);
    expect_found("hf:org/mm", "org--mm", commit_a, "x-Q8_0.gguf", "x.MMPROJ-f16.gguf");
    put_gguf("org--mm", commit_a, "sub/x-Q4_0.gguf", false, 8);
    put_gguf("org--mm", commit_a, "sub/mmproj-Q8_0.gguf", true, 8);
    expect_found("hf:org/mm:Q4_0", "org--mm", commit_a, "sub/x-Q4_0.gguf", "sub/mmproj-Q8_0.gguf");
    put_ref("org--kin", "main", commit_a);
    put_gguf("org--kin", commit_a, "Tuned-E2B.Q4_K_M.gguf", false, 8);
    put_gguf("org--kin", commit_a, "other-Q8_0.gguf", false, 8);
    put_gguf("org--kin", commit_a, "mmproj-BF16.gguf", true, 8);
    put_gguf("org--kin", commit_a, "tuned-e2b.mmproj-Q8_0.gguf", true, 8);
    expect_found("hf:org/kin:Q4_K_M", "org--kin", commit_a, "Tuned-E2B.Q4_K_M.gguf", "tuned-e2b.mmproj-Q8_0.gguf");
    expect_found("hf:org/kin:Q8_0", "org--kin", commit_a, "other-Q8_0.gguf", "mmproj-BF16.gguf");
    put_ref("org--mb", "main", commit_a);
    put_gguf("org--mb", commit_a, "x-Q8_0.gguf", false, 8);
    put("org--mb", commit_a, "mmproj-F16.gguf", "GGUF", 4);
    expect_broken_mmproj();
    put_gguf("org--mb", commit_a, "mmproj-Q8_0.gguf", true, 8); /* one that fits, although another is broken */
    expect_found("hf:org/mb", "org--mb", commit_a, "x-Q8_0.gguf", "mmproj-Q8_0.gguf");
}

static void paths_are_themselves_and_folders_may_hold_one_gguf(void **state)
{
    (void)state;
    char *p, *mm, dir[1024];
    tsr_error err = {TSR_OK, ""};
    assert_int_equal(tsri_find_model("/no/such.gguf", &p, &mm, &err), TSR_OK); /* opening it will tell */
    assert_string_equal(p, "/no/such.gguf");
    assert_null(mm);
    tsr_free(p);
    put_gguf("org--dir", commit_a, "x-Q8_0.gguf", false, 8);
    put_gguf("org--dir", commit_a, "mmproj-F16.gguf", true, 8);
    snprintf(dir, sizeof dir, "%s/hub/models--org--dir/snapshots/%s", root, commit_a);
    expect_found(dir, "org--dir", commit_a, "x-Q8_0.gguf", "mmproj-F16.gguf");
    snprintf(dir, sizeof dir, "%s/hub/models--org--dir/snapshots/%s/x-Q8_0.gguf", root, commit_a);
    assert_int_equal(tsri_find_mmproj(dir, &mm, &err), TSR_OK);
    assert_non_null(strstr(mm, "/mmproj-F16.gguf"));
    tsr_free(mm);
    put_gguf("org--unfit", commit_a, "x-Q8_0.gguf", false, 8);
    snprintf(dir, sizeof dir, "%s/hub/models--org--unfit/snapshots/%s/x-Q8_0.gguf", root, commit_a);
    assert_int_equal(tsri_find_unfit_mmproj(dir, &mm, &err), TSR_OK);
    assert_null(mm);
    put_gguf("org--unfit", commit_a, "mmproj-F16.gguf", true, 6); /* another model's */
    assert_int_equal(tsri_find_mmproj(dir, &mm, &err), TSR_OK);
    assert_null(mm);
    assert_int_equal(tsri_find_unfit_mmproj(dir, &mm, &err), TSR_OK);
    assert_non_null(strstr(mm, "/mmproj-F16.gguf does not belong to it: it is made for a width of 6, the text model has 8"));
    tsr_free(mm);
    put_gguf("org--dir", commit_a, "y-Q4_0.gguf", false, 8);
    snprintf(dir, sizeof dir, "%s/hub/models--org--dir/snapshots/%s", root, commit_a);
    expect_refused(dir, TSR_ERR_USAGE, "several GGUF models are there; name the file: Q8_0, Q4_0", NULL);
    put("org--dir", commit_a, "config.json", "{}", 2); /* a model folder: its opener says what it lacks */
    expect_found(dir, "org--dir", commit_a, "", NULL);
}

static void the_environment_says_where_the_cache_is(void **state)
{
    (void)state;
    static const struct {
        const char *hub, *home, *xdg, *user, *want;
    } rows[] = {
        {"/a", "/b", "/c", "/d", "/a"},
        {NULL, "/b", "/c", "/d", "/b/hub"},
        {"", "/b", "/c", "/d", "/b/hub"},
        {NULL, NULL, "/c", "/d", "/c/huggingface/hub"},
        {NULL, NULL, NULL, "/d", "/d/.cache/huggingface/hub"},
        {NULL, "~/hf", NULL, "/d", "/d/hf/hub"},
        {NULL, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const vars[][2] = {{"HF_HUB_CACHE", rows[i].hub},
                                       {"HF_HOME", rows[i].home},
                                       {"XDG_CACHE_HOME", rows[i].xdg},
                                       {"HOME", rows[i].user}};
        char *path;
        for (size_t k = 0; k < 4; k++)
            vars[k][1] ? setenv(vars[k][0], vars[k][1], 1) : unsetenv(vars[k][0]);
        assert_int_equal(tsri_hf_cache_path(&path, NULL), TSR_OK);
        if (rows[i].want)
            assert_string_equal(path, rows[i].want);
        else
            assert_null(path);
        tsr_free(path);
    }
    expect_refused("hf:org/x", TSR_ERR_NOINPUT, "Neither HF_HOME nor HOME is set", NULL);
    setenv("HOME", "/d", 1);
    setenv("TESSERA_MODELS", "/m1::~/m2", 1);
    tsri_places p;
    assert_int_equal(tsri_places_find(&p, NULL), TSR_OK);
    assert_true(p.at[0].is_hf);
    assert_string_equal(p.at[1].path, "/d/.cache/llama.cpp");
    assert_string_equal(p.at[4].path, "/d/.local/share/tessera/models");
    assert_string_equal(p.at[p.n - 2].path, "/m1");
    assert_string_equal(p.at[p.n - 1].path, "/d/m2");
    tsri_places_deinit(&p);
}

static void finding_survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char *const specs[] = {"hf:org/oom", "hf:org/oom:Q4_0", "hf:org/oomst@main", "hf:org/none"};
    put_ref("org--oom", "main", commit_a);
    put_gguf("org--oom", commit_a, "x-Q8_0.gguf", false, 8);
    put_gguf("org--oom", commit_a, "mmproj-F16.gguf", true, 8);
    put_ref("org--oomst", "main", commit_a);
    put_safetensors("org--oomst", commit_a, false);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        for (size_t k = 1;; k++) {
            char *p, *mm;
            tsr_error err = {TSR_OK, ""};
            size_t live = tsr_alloc_live();
            tsr_alloc_fail_at(k);
            tsr_status st = tsri_find_model(specs[i], &p, &mm, &err);
            tsr_alloc_fail_at(0);
            tsr_free(p);
            tsr_free(mm);
            assert_int_equal(tsr_alloc_live(), live);
            if (st != TSR_ERR_NOMEM) {
                assert_int_equal(st, i == 0 ? TSR_OK : TSR_ERR_NOINPUT);
                assert_true(k > 8);
                break;
            }
            assert_null(p);
            assert_null(mm);
        }
}

static int set_up(void **state)
{
    char hub[1024];
    (void)state;
    root = test_tmp_make();
    snprintf(hub, sizeof hub, "%s/hub", root);
    unsetenv("HF_HOME");
    unsetenv("TESSERA_MODELS");
    return setenv("HF_HUB_CACHE", hub, 1);
}

static int tear_down(void **state)
{
    (void)state;
    tsr_alloc_fail_at(0); /* a failed assertion leaves it armed */
    test_tmp_remove(root);
    return 0;
}

#define IN_CACHE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found_in_names),
        IN_CACHE(names_that_can_be_none_are_refused),
        IN_CACHE(what_is_not_in_the_cache_is_told_with_the_command),
        IN_CACHE(whole_safetensors_are_taken_before_gguf),
        IN_CACHE(what_is_not_whole_is_named),
        IN_CACHE(one_of_several_must_be_chosen),
        IN_CACHE(revisions_are_branches_commits_or_their_beginnings),
        IN_CACHE(mmproj_of_the_models_width_is_taken),
        IN_CACHE(paths_are_themselves_and_folders_may_hold_one_gguf),
        IN_CACHE(the_environment_says_where_the_cache_is),
        IN_CACHE(finding_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
