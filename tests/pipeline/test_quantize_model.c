/* Models written as GGUF: what was written runs as the model it was made of, whatever the road and the number of
 * threads; what cannot be written is named; and however it ends, old files are whole. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generation.h"
#include "hash_model.h"
#include "recipes.h"
#include "st_writer.h"
#include "tessera.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_gguf.h"

/* ---- helpers ---- */

typedef struct path {
    char at[512];
} path;

static path in_root(const char *name)
{
    path p;
    snprintf(p.at, sizeof p.at, "%s/%s", test_root, name);
    return p;
}

static path below(path dir, const char *name)
{
    path p;
    snprintf(p.at, sizeof p.at, "%.255s/%.200s", dir.at, name);
    return p;
}

static path model_folder(const char *name)
{
    path dir = in_root(name);
    tsr_error err = {TSR_OK, ""};
    if (oracle_model_write_once(dir.at, name, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
    return dir;
}

static path empty_folder(const char *name)
{
    path dir = in_root(name);
    assert_int_equal(mkdir(dir.at, 0700), 0);
    return dir;
}

static char *must_quantize(const char *in, const char *out, tessera_quantize_opts o)
{
    tessera_error err = {TESSERA_OK, ""};
    char *report;
    if (tessera_quantize(in, out, &o, NULL, NULL, &report, &err) != TESSERA_OK)
        fail_msg("%s: %s", in, err.text);
    return report;
}

static void quantize_quietly(const char *in, const char *out, const char *type, const char *mmproj_type)
{
    tessera_quantize_opts o = {.type = type, .mmproj_type = mmproj_type, .threads = 2};
    tessera_free(must_quantize(in, out, o));
}

static void refuse(const char *in, const char *out, tessera_quantize_opts o, tessera_status want, const char *named)
{
    tessera_error err = {TESSERA_OK, ""};
    char *report = (char *)1;
    size_t live = tsr_alloc_live();
    tessera_status st = tessera_quantize(in, out, &o, NULL, NULL, &report, &err);
    if (st != want || !strstr(err.text, named))
        fail_msg("wanted %d with '%s', got %d: %s", (int)want, named, (int)st, err.text);
    assert_null(report);
    assert_int_equal(tsr_alloc_live(), live);
}

static void assert_same_bytes(const char *a, const char *b)
{
    size_t la, lb;
    unsigned char *x = test_read_file(a, &la), *y = test_read_file(b, &lb);
    if (la != lb || memcmp(x, y, la) != 0)
        fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

/* Greedy tokens of a prompt, its logits and the rows of its media in the folder `dump`. */
static void run(const char *model, path dump, bool sees, bool hears)
{
    tessera_error err = {TESSERA_OK, ""};
    tessera_model_opts o = {.threads = 1};
    tessera_model *m;
    tessera_result *r;
    tessera_part parts[3];
    size_t n = 0;
    path picture = in_root("picture.ppm"), sound = in_root("sound.wav");
    if (tessera_model_open(&m, model, &o, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    if (sees)
        parts[n++] = (tessera_part){.kind = TESSERA_PART_IMAGE, .path = picture.at};
    parts[n++] = (tessera_part){.kind = TESSERA_PART_TEXT, .text = "What is the world?"};
    if (hears)
        parts[n++] = (tessera_part){.kind = TESSERA_PART_AUDIO, .path = sound.at};
    tessera_request rq = tessera_request_default();
    rq.parts = parts;
    rq.n_parts = n;
    rq.temperature = 0;
    rq.max_tokens = 3;
    rq.budget = 70;
    rq.dump = dump.at;
    rq.dump_all_logits = 1;
    if (tessera_run(m, &rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s: %s", model, err.text);
    tessera_result_free(r);
    tessera_model_close(m);
}

static void assert_same_dumps(path a, path b, bool sees, bool hears)
{
    const char *sound_rows = sees ? "part1_rows.npy" : "part0_rows.npy"; /* media are counted */
    assert_same_bytes(below(a, "prompt_ids.npy").at, below(b, "prompt_ids.npy").at);
    if (sees)
        assert_same_bytes(below(a, "part0_rows.npy").at, below(b, "part0_rows.npy").at);
    if (hears)
        assert_same_bytes(below(a, sound_rows).at, below(b, sound_rows).at);
    assert_same_bytes(below(a, "logits.npy").at, below(b, "logits.npy").at);
    assert_same_bytes(below(a, "token_ids.npy").at, below(b, "token_ids.npy").at);
}

static void make_media(void)
{
    static const uint32_t seed = 7;
    struct stat sb;
    if (stat(in_root("picture.ppm").at, &sb) == 0)
        return;
    assert_int_equal(oracle_picture_write(in_root("picture.ppm").at, 200, 100, 3, 16, NULL), TSR_OK);
    assert_int_equal(oracle_sound_write(in_root("sound.wav").at, 8000, &seed, 1, NULL), TSR_OK);
}

/* ---- the same model ---- */

static void f32_files_are_the_model_to_the_bit(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool sees, hears;
    } models[] = {{"e2b", true, true}, {"12b", true, true}, {"26b", true, false}, {"text", false, false}};
    make_media();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char name[64];
        path from = model_folder(models[i].name);
        snprintf(name, sizeof name, "same-%s", models[i].name);
        path to = empty_folder(name), a = below(to, "a"), b = below(to, "b"), file = below(to, "m-f32.gguf");
        quantize_quietly(from.at, file.at, "f32", "f32");
        assert_int_equal(test_tmp_count(to.at), models[i].sees ? 2 : 1);
        run(from.at, a, models[i].sees, models[i].hears);
        run(file.at, b, models[i].sees, models[i].hears); /* finds its mmproj beside it */
        assert_same_dumps(a, b, models[i].sees, models[i].hears);
    }
}

/* Folder -> GGUF -> GGUF gives the bytes of folder -> GGUF, of both files. */
static void gguf_of_a_gguf_is_that_of_the_folder(void **state)
{
    (void)state;
    path from = model_folder("e2b"), to = empty_folder("twice");
    path plain = below(to, "m-F32.gguf"), plain_towers = below(to, "mmproj-m-F32.gguf");
    quantize_quietly(from.at, plain.at, "f32", "f32");
    quantize_quietly(from.at, below(to, "direct-q8_0.gguf").at, "q8_0", "q8_0");
    tessera_quantize_opts o = {.type = "q8_0", .mmproj_type = "q8_0", .mmproj = plain_towers.at};
    tessera_free(must_quantize(plain.at, below(to, "by-way-q8_0.gguf").at, o));
    assert_same_bytes(below(to, "direct-q8_0.gguf").at, below(to, "by-way-q8_0.gguf").at);
    assert_same_bytes(below(to, "mmproj-direct-Q8_0.gguf").at, below(to, "mmproj-by-way-Q8_0.gguf").at);
    /* a mmproj alone takes --type */
    tessera_free(must_quantize(plain_towers.at, below(to, "alone.gguf").at, (tessera_quantize_opts){.type = "q8_0"}));
    assert_same_bytes(below(to, "mmproj-direct-Q8_0.gguf").at, below(to, "alone.gguf").at);
    /* and each half can be asked for alone */
    o = (tessera_quantize_opts){.only = "mmproj", .mmproj_type = "q8_0"};
    tessera_free(must_quantize(from.at, below(to, "half.gguf").at, o));
    assert_same_bytes(below(to, "mmproj-direct-Q8_0.gguf").at, below(to, "half.gguf").at);
    o = (tessera_quantize_opts){.only = "text", .type = "q8_0"};
    tessera_free(must_quantize(from.at, below(to, "other-half.gguf").at, o));
    assert_same_bytes(below(to, "direct-q8_0.gguf").at, below(to, "other-half.gguf").at);
    assert_int_equal(test_tmp_count(to.at), 9);
}

/* ---- a text model whose rows are whole blocks ---- */

static const char WIDE_CONFIG[] =
    "{\"model_type\": \"gemma4_text\", \"architectures\": [\"Gemma4ForCausalLM\"], \"num_hidden_layers\": 2,"
    " \"hidden_size\": 256, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"head_dim\": 64,"
    " \"global_head_dim\": 128, \"intermediate_size\": 256, \"hidden_size_per_layer_input\": 0, \"vocab_size\": 1298,"
    " \"layer_types\": [\"sliding_attention\", \"full_attention\"], \"sliding_window\": 16,"
    " \"use_bidirectional_attention\": \"vision\", \"final_logit_softcapping\": 30.0, \"bos_token_id\": 2}";

typedef struct odd_value {
    const char *tensor;
    size_t at;
    float value;
} odd_value;

static void add_wide(st_writer *w, const char *name, size_t rows, size_t cols, float offset, float scale, odd_value odd)
{
    size_t shape[2] = {rows, cols}, n = rows * (cols ? cols : 1);
    float *x = must_realloc(NULL, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = oracle_hash_value(oracle_hash_seed(name), i, (double)offset, (double)scale);
    if (odd.tensor && strcmp(odd.tensor, name) == 0)
        x[odd.at] = odd.value;
    st_add_f32(w, name, TSR_F32, cols ? 2 : 1, shape, x);
    free(x);
}

static path wide_folder(const char *folder, odd_value odd)
{
    path dir = empty_folder(folder);
    st_writer *w = st_new();
    char name[96];
    static const struct {
        const char *name;
        size_t rows[2], cols[2]; /* of the sliding and the full layer */
    } rows[] = {
        {"self_attn.q_proj", {128, 256}, {256, 256}}, {"self_attn.k_proj", {64, 128}, {256, 256}},
        {"self_attn.v_proj", {64, 128}, {256, 256}},  {"self_attn.o_proj", {256, 256}, {128, 256}},
        {"mlp.gate_proj", {256, 256}, {256, 256}},    {"mlp.up_proj", {256, 256}, {256, 256}},
        {"mlp.down_proj", {256, 256}, {256, 256}},    {"self_attn.q_norm", {64, 128}, {0, 0}},
        {"self_attn.k_norm", {64, 128}, {0, 0}},      {"input_layernorm", {256, 256}, {0, 0}},
        {"post_attention_layernorm", {256, 256}, {0, 0}}, {"pre_feedforward_layernorm", {256, 256}, {0, 0}},
        {"post_feedforward_layernorm", {256, 256}, {0, 0}},
    };
    add_wide(w, "model.embed_tokens.weight", 1298, 256, 0, 0.25f, odd);
    add_wide(w, "model.norm.weight", 256, 0, 1, 0.5f, odd);
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            bool is_norm = rows[i].cols[l] == 0;
            snprintf(name, sizeof name, "model.layers.%zu.%s.weight", l, rows[i].name);
            add_wide(w, name, rows[i].rows[l], rows[i].cols[l], is_norm ? 1.0f : 0.0f, is_norm ? 0.5f : 0.1f, odd);
        }
        snprintf(name, sizeof name, "model.layers.%zu.layer_scalar", l);
        add_wide(w, name, 1, 0, 1, 0.1f, odd);
    }
    st_write(w, below(dir, "model.safetensors").at);
    st_free(w);
    test_write_file(below(dir, "config.json").at, WIDE_CONFIG, strlen(WIDE_CONFIG));
    size_t len;
    unsigned char *tokenizer = test_read_file(TSR_ORACLE_DIR "/tokenizer/tokenizer.json", &len);
    test_write_file(below(dir, "tokenizer.json").at, tokenizer, len);
    free(tokenizer);
    return dir;
}

static const odd_value NONE = {NULL, 0, 0};

static double cosine(path a, path b)
{
    size_t n, m;
    float *x = test_read_npy(below(a, "logits.npy").at, &n), *y = test_read_npy(below(b, "logits.npy").at, &m);
    double xy = 0, xx = 0, yy = 0;
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    free(x);
    free(y);
    return xy / sqrt(xx * yy);
}

static void expect_type(const char *file, const char *tensor, tsr_type type)
{
    tsr_gguf *g;
    assert_int_equal(tsr_gguf_open(&g, file, NULL), TSR_OK);
    const tsr_gguf_tensor *t = tsr_gguf_find_tensor(g, tensor);
    assert_non_null(t);
    assert_int_equal(t->view.type, type);
    tsr_gguf_close(g);
}

static void files_of_block_types_run_and_are_near_the_model(void **state)
{
    (void)state;
    /* seen: 0.9999, 0.991, 0.988, 0.91 */
    static const struct {
        const char *type;
        tsr_type v, down, table;
        double near;
    } types[] = {
        {"q8_0", TSR_Q8_0, TSR_Q8_0, TSR_Q8_0, 0.9995},
        {"q4_k_m", TSR_Q6_K, TSR_Q6_K, TSR_Q6_K, 0.97},
        {"iq4_xs", TSR_IQ4_XS, TSR_IQ4_XS, TSR_Q6_K, 0.95},
        {"q2_k", TSR_Q3_K, TSR_Q3_K, TSR_Q6_K, 0.7},
    };
    path from = wide_folder("wide", NONE), to = empty_folder("types"), exact = below(to, "exact");
    run(from.at, exact, false, false);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        path file = below(to, "m.gguf"), dump = below(to, types[i].type);
        tessera_quantize_opts o = {.type = types[i].type, .force = 1};
        tessera_free(must_quantize(from.at, file.at, o));
        expect_type(file.at, "blk.1.attn_v.weight", types[i].v);
        expect_type(file.at, "blk.1.ffn_down.weight", types[i].down);
        expect_type(file.at, "token_embd.weight", types[i].table);
        expect_type(file.at, "blk.0.attn_norm.weight", TSR_F32);
        run(file.at, dump, false, false);
        double near = cosine(exact, dump);
        print_message("%s: cosine of the logits %.5f\n", types[i].type, near);
        assert_true(near >= types[i].near && near < 1.0);
    }
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    (void)state;
    path from = in_root("wide"), to = empty_folder("threads");
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        tessera_quantize_opts o = {.type = "q4_k_m", .threads = threads};
        tessera_free(must_quantize(from.at, below(to, threads == 1 ? "1.gguf" : "3.gguf").at, o));
    }
    assert_same_bytes(below(to, "1.gguf").at, below(to, "3.gguf").at);
}

static void blocks_are_rounded_again_only_when_asked(void **state)
{
    (void)state;
    path from = in_root("wide"), to = empty_folder("again"), q8 = below(to, "q8.gguf"), q4 = below(to, "q4.gguf");
    quantize_quietly(from.at, q8.at, "q8_0", NULL);
    tessera_quantize_opts o = {.type = "q4_0"};
    refuse(q8.at, q4.at, o, TESSERA_ERR_USAGE, "tensor blk.0.attn_k.weight is Q8_0 already");
    assert_int_equal(test_tmp_count(to.at), 1);
    o.allow_requantize = 1;
    tessera_free(must_quantize(q8.at, q4.at, o));
    expect_type(q4.at, "blk.0.attn_q.weight", TSR_Q4_0);
    o = (tessera_quantize_opts){.type = "q8_0"}; /* stays what it is */
    tessera_free(must_quantize(q8.at, below(to, "copy.gguf").at, o));
    assert_same_bytes(q8.at, below(to, "copy.gguf").at);
}

/* A scale in a block that would be copied as it is. */
static void blocks_that_are_copied_are_looked_at(void **state)
{
    (void)state;
    path from = in_root("wide"), to = empty_folder("looked"), file = below(to, "q8.gguf");
    tsr_gguf *g;
    size_t len;
    quantize_quietly(from.at, file.at, "q8_0", NULL);
    assert_int_equal(tsr_gguf_open(&g, file.at, NULL), TSR_OK);
    uint64_t at = tsr_gguf_find_tensor(g, "blk.1.attn_k.weight")->offset + 9 * 34; /* row 1, the second block */
    tsr_gguf_close(g);
    unsigned char *bytes = test_read_file(file.at, &len);
    bytes[at] = 0x00;
    bytes[at + 1] = 0x7e; /* NaN */
    test_write_file(file.at, bytes, len);
    free(bytes);
    refuse(file.at, below(to, "copy.gguf").at, (tessera_quantize_opts){.type = "q8_0"}, TESSERA_ERR_MODEL,
           "tensor blk.1.attn_k.weight: element [1, 32] is");
    assert_int_equal(test_tmp_count(to.at), 1);
}

static void expect_name(const char *file, const char *want)
{
    tsr_gguf *g;
    tsr_gguf_str name;
    assert_int_equal(tsr_gguf_open(&g, file, NULL), TSR_OK);
    assert_int_equal(tsr_gguf_get_str(g, "general.name", TSR_GGUF_REQUIRED, &name, NULL), TSR_OK);
    assert_int_equal(name.len, strlen(want));
    assert_memory_equal(name.data, want, name.len);
    tsr_gguf_close(g);
}

static void files_are_named_after_the_folder_or_the_repository(void **state)
{
    (void)state;
    path to = empty_folder("named"), repo = empty_folder("models--org--Tiny-it");
    path snapshots = below(repo, "snapshots"), revision = below(snapshots, "0123abcd");
    assert_int_equal(mkdir(snapshots.at, 0700), 0);
    assert_int_equal(oracle_model_write(revision.at, "text", NULL), TSR_OK);
    quantize_quietly(revision.at, below(to, "a.gguf").at, "f16", NULL);
    expect_name(below(to, "a.gguf").at, "Tiny-it");
    quantize_quietly(below(model_folder("text"), "/").at, below(to, "b.gguf").at, "f16", NULL);
    expect_name(below(to, "b.gguf").at, "text");
}

/* ---- telling ---- */

typedef struct heard {
    size_t n_stages, n_notes, total;
    char first_note[256];
    size_t stop_after; /* stages; 0: never */
    bool die;          /* then */
} heard;

static int hear(void *user, const tessera_event *ev)
{
    heard *h = user;
    if (ev->kind == TESSERA_EVENT_NOTE && h->n_notes++ == 0)
        snprintf(h->first_note, sizeof h->first_note, "%.*s", (int)ev->len, ev->text);
    if (ev->kind != TESSERA_EVENT_STAGE)
        return 0;
    h->n_stages++;
    h->total = ev->total;
    assert_true(ev->done < ev->total);
    if (h->stop_after == 0 || h->n_stages < h->stop_after)
        return 0;
    if (h->die)
        kill(getpid(), SIGKILL);
    return 1;
}

static void what_falls_back_is_told(void **state)
{
    (void)state;
    path from = model_folder("text"), to = empty_folder("told");
    tessera_quantize_opts o = {.type = "q4_k_m", .as_json = 1};
    tessera_error err = {TESSERA_OK, ""};
    heard h = {0};
    char *report;
    assert_int_equal(tessera_quantize(from.at, below(to, "m.gguf").at, &o, hear, &h, &report, &err), TESSERA_OK);
    assert_string_equal(h.first_note, "blk.0.attn_k.weight: rows of 72 are no whole blocks of Q4_K: F16 instead");
    assert_int_equal(h.n_stages, h.total);
    assert_non_null(strstr(report, "\"tensor\": \"blk.0.attn_k.weight\""));
    assert_non_null(strstr(report, "\"wanted\": \"Q4_K\""));
    assert_non_null(strstr(report, "\"row\": 72"));
    assert_non_null(strstr(report, "\"type\": \"Q4_K_M\""));
    tessera_free(report);
    o.as_json = 0;
    o.force = 1;
    report = must_quantize(from.at, below(to, "m.gguf").at, o);
    assert_non_null(strstr(report, "m.gguf: Q4_K_M, "));
    assert_non_null(strstr(report, "of another type than meant"));
    tessera_free(report);
}

/* ---- refusals ---- */

static void weights_that_no_type_can_say_are_named(void **state)
{
    (void)state;
    static const struct {
        odd_value odd;
        const char *type;
        tessera_status st;
        const char *named;
    } cases[] = {
        {{"model.layers.1.mlp.up_proj.weight", 300, NAN}, "q8_0", TESSERA_ERR_MODEL,
         "tensor blk.1.ffn_up.weight: element [1, 44] is nan"},
        {{"model.embed_tokens.weight", 1298 * 256 - 1, -INFINITY}, "f32", TESSERA_ERR_MODEL,
         "tensor token_embd.weight: element [1297, 255] is -inf"},
        {{"model.layers.0.mlp.down_proj.weight", 0, 70000}, "f16", TESSERA_ERR_UNSUPPORTED,
         "tensor blk.0.ffn_down.weight: element [0, 0] is 70000, which F16 cannot say"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "odd-%zu", i);
        path from = wide_folder(name, cases[i].odd);
        snprintf(name, sizeof name, "odd-out-%zu", i);
        path to = empty_folder(name);
        test_write_file(below(to, "m.gguf").at, "precious", 8);
        refuse(from.at, below(to, "m.gguf").at, (tessera_quantize_opts){.type = cases[i].type, .force = 1},
               cases[i].st, cases[i].named);
        size_t len;
        unsigned char *old = test_read_file(below(to, "m.gguf").at, &len);
        assert_int_equal(len, 8);
        free(old);
        assert_int_equal(test_tmp_count(to.at), 1);
    }
}

static void places_and_options_are_checked_before_anything_is_written(void **state)
{
    (void)state;
    path from = model_folder("e2b"), to = empty_folder("places"), file = below(to, "m.gguf"), other = below(to, "n.gguf");
    tessera_quantize_opts q8 = {.type = "q8_0"}, forced = {.type = "q8_0", .force = 1};
    quantize_quietly(from.at, file.at, "f32", "f32");
    refuse(from.at, file.at, q8, TESSERA_ERR_USAGE, "exists; --force");
    refuse(file.at, file.at, forced, TESSERA_ERR_USAGE, "written over itself");
    assert_int_equal(symlink(file.at, below(to, "link.gguf").at), 0);
    refuse(file.at, below(to, "link.gguf").at, forced, TESSERA_ERR_USAGE, "written over itself");
    assert_int_equal(unlink(below(to, "link.gguf").at), 0);
    refuse(from.at, below(from, "model.safetensors").at, forced, TESSERA_ERR_USAGE, "written over itself");
    refuse(from.at, below(from, "tokenizer.json").at, forced, TESSERA_ERR_USAGE, "written over itself");
    refuse(from.at, to.at, forced, TESSERA_ERR_USAGE, "is a folder");
    refuse(from.at, "/dev/null", forced, TESSERA_ERR_USAGE, "no regular file");
    refuse(from.at, below(to, "no/m.gguf").at, q8, TESSERA_ERR_NOINPUT, "no/m.gguf");
    refuse(below(to, "nothing").at, other.at, q8, TESSERA_ERR_NOINPUT, "nothing");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = "q9"}, TESSERA_ERR_USAGE, "--type q9: a text model can be f32");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = NULL}, TESSERA_ERR_USAGE, "--type is missing");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = "q8_0", .mmproj_type = "q4_0"}, TESSERA_ERR_USAGE,
           "f32, f16, bf16, q8_0");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = "q8_0", .only = "all"}, TESSERA_ERR_USAGE, "--only all");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = "q8_0", .mmproj_out = other.at}, TESSERA_ERR_USAGE, "one file");
    refuse(from.at, other.at, (tessera_quantize_opts){.type = "q8_0", .mmproj = file.at}, TESSERA_ERR_USAGE, "--mmproj");
    refuse(file.at, other.at, (tessera_quantize_opts){.type = "q8_0", .mmproj = file.at}, TESSERA_ERR_USAGE, "text model");
    refuse(file.at, other.at, (tessera_quantize_opts){.only = "mmproj"}, TESSERA_ERR_USAGE, "has no towers");
    path text = model_folder("text");
    refuse(text.at, other.at, (tessera_quantize_opts){.only = "mmproj"}, TESSERA_ERR_USAGE, "has no towers");
    assert_int_equal(test_tmp_count(to.at), 2);
}

static void what_a_gguf_file_cannot_say_is_refused(void **state)
{
    (void)state;
    path from = wide_folder("unsaid", NONE), to = empty_folder("unsaid-out");
    size_t len;
    unsigned char *config = test_read_file(below(from, "config.json").at, &len);
    char *at = strstr((char *)config, "\"vision\"");
    memcpy(at, "null    ", 8); /* without per-layer embeddings readers take "vision" */
    test_write_file(below(from, "config.json").at, config, len);
    free(config);
    refuse(from.at, below(to, "m.gguf").at, (tessera_quantize_opts){.type = "f32"}, TESSERA_ERR_UNSUPPORTED,
           "use_bidirectional_attention");
    assert_int_equal(test_tmp_count(to.at), 0);
}

/* ---- an end in the middle ---- */

static void assert_old_files(path dir, size_t n_files)
{
    static const char *const names[] = {"m.gguf", "mmproj-m-BF16.gguf"};
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        unsigned char *old = test_read_file(below(dir, names[i]).at, &len);
        assert_int_equal(len, 8);
        assert_memory_equal(old, "precious", 8);
        free(old);
    }
    assert_int_equal(test_tmp_count(dir.at), n_files);
}

static path old_files(const char *name)
{
    path to = empty_folder(name);
    test_write_file(below(to, "m.gguf").at, "precious", 8);
    test_write_file(below(to, "mmproj-m-BF16.gguf").at, "precious", 8);
    return to;
}

static tessera_status write_over(path from, path to, heard *h, tessera_error *err)
{
    tessera_quantize_opts o = {.type = "q8_0", .force = 1, .threads = 1};
    char *report;
    tessera_status st = tessera_quantize(from.at, below(to, "m.gguf").at, &o, hear, h, &report, err);
    tessera_free(report);
    return st;
}

/* The text model is complete by then, the mmproj is not: neither takes its place. */
static void stopped_work_leaves_both_old_files(void **state)
{
    (void)state;
    path from = model_folder("e2b"), to = old_files("stopped");
    static const size_t stops[] = {1, 100, 200};
    for (size_t i = 0; i < 3; i++) {
        heard h = {.stop_after = stops[i]};
        tessera_error err = {TESSERA_OK, ""};
        assert_int_equal(write_over(from, to, &h, &err), TESSERA_ERR_CANCELLED);
        assert_int_equal(h.n_stages, stops[i]);
        assert_old_files(to, 2);
    }
}

static int die_in_the_middle(path from, path to)
{
    heard h = {.stop_after = 200, .die = true};
    tessera_error err = {TESSERA_OK, ""};
    (void)write_over(from, to, &h, &err);
    return 1;
}

static int fill_the_disk(path from, path to)
{
    struct rlimit small = {200000, 200000};
    heard h = {0};
    tessera_error err = {TESSERA_OK, ""};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 2;
    return write_over(from, to, &h, &err) == TESSERA_ERR_IO && strstr(err.text, "m.gguf") ? 0 : 3;
}

static int status_of(int (*fn)(path from, path to), path from, path to)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fn(from, to));
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void kill_and_full_disk_leave_both_old_files(void **state)
{
    (void)state;
    path from = model_folder("e2b"), to = old_files("killed"), full = old_files("full");
    int status = status_of(fill_the_disk, from, full);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_old_files(full, 2);
    status = status_of(die_in_the_middle, from, to);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_old_files(to, 4); /* and what the dead process left */
}

static void failed_allocations_are_survived(void **state)
{
    (void)state;
    path from = model_folder("text"), to = empty_folder("memory");
    tessera_quantize_opts o = {.type = "f16", .threads = 1};
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k += 1 + k / 8) {
        tessera_error err = {TESSERA_OK, ""};
        char *report;
        tsr_alloc_fail_at(k);
        tessera_status st = tessera_quantize(from.at, below(to, "m.gguf").at, &o, NULL, NULL, &report, &err);
        tsr_alloc_fail_at(0);
        tessera_free(report);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TESSERA_OK)
            break;
        if (st != TESSERA_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
        if (test_tmp_count(to.at) != 0)
            break; /* only the report was left to make */
    }
}

static void another_type_beside_the_same_mmproj_takes_only_text(void **state)
{
    (void)state;
    path from = model_folder("e2b"), to = empty_folder("two-types");
    tessera_quantize_opts o = {.type = "f16", .threads = 1};
    tessera_free(must_quantize(from.at, below(to, "a-F16.gguf").at, o));
    refuse(from.at, below(to, "a-F32.gguf").at, (tessera_quantize_opts){.type = "f32", .threads = 1},
           TESSERA_ERR_USAGE, "exists; --force replaces it, --only text keeps it");
    refuse(from.at, below(to, "a-F16.gguf").at, o, TESSERA_ERR_USAGE, "a-F16.gguf: exists; --force replaces it");
    assert_int_equal(test_tmp_count(to.at), 2);
}

/* llama.cpp computes another activation where the key is not there. */
static void a_vision_tower_says_its_activation(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool has_tower;
    } rows[] = {{"26b", true}, {"12b", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool gelu = false;
        tsr_gguf *g;
        path file = in_root("mmproj-gelu.gguf");
        tessera_quantize_opts o = {.type = "bf16", .only = "mmproj", .force = 1, .threads = 1};
        tessera_free(must_quantize(model_folder(rows[i].model).at, file.at, o));
        assert_int_equal(tsr_gguf_open(&g, file.at, NULL), TSR_OK);
        assert_int_equal(tsr_gguf_get_bool(g, "clip.use_gelu", TSR_GGUF_OPTIONAL, &gelu, NULL), TSR_OK);
        assert_int_equal(gelu, rows[i].has_tower);
        tsr_gguf_close(g);
    }
}

static void expect_same_sampling(const char *generation_config)
{
    enum { VOCAB = 1 << 20 };
    path dir = model_folder("text"), gguf = in_root("sampling.gguf"), config = below(dir, "generation_config.json");
    tsri_generation a, b;
    tsr_gguf *g;
    tsr_error err = {TSR_OK, ""};
    if (generation_config)
        test_write_file(config.at, generation_config, strlen(generation_config));
    else
        unlink(config.at);
    unlink(gguf.at);
    quantize_quietly(dir.at, gguf.at, "f32", NULL);
    assert_int_equal(tsr_gguf_open(&g, gguf.at, &err), TSR_OK);
    assert_int_equal(tsri_generation_read(&a, dir.at, VOCAB, &err), TSR_OK);
    assert_int_equal(tsri_generation_read_gguf(&b, g, VOCAB, &err), TSR_OK);
    assert_int_equal(a.do_sample, b.do_sample);
    assert_int_equal(a.top_k, b.top_k);
    assert_true(!a.do_sample || (float)a.temperature == (float)b.temperature);
    assert_true((float)a.top_p == (float)b.top_p && (float)a.min_p == (float)b.min_p);
    assert_true((float)a.repetition_penalty == (float)b.repetition_penalty);
    tsri_generation_deinit(&a);
    tsri_generation_deinit(&b);
    tsr_gguf_close(g);
}

static void sampling_stays_what_the_folder_wants(void **state)
{
    (void)state;
    path config = below(model_folder("text"), "generation_config.json");
    struct stat sb;
    size_t len = 0;
    unsigned char *old = stat(config.at, &sb) == 0 ? test_read_file(config.at, &len) : NULL;
    expect_same_sampling("{\"do_sample\": false, \"temperature\": 0.7, \"top_k\": 20}"); /* greedy, whatever it says */
    expect_same_sampling("{\"do_sample\": true, \"temperature\": 0.7, \"top_p\": 0.9, \"min_p\": 0.05}");
    expect_same_sampling("{\"do_sample\": true, \"repetition_penalty\": 1.1}");
    expect_same_sampling("{}");
    expect_same_sampling(NULL);
    if (old)
        test_write_file(config.at, old, len);
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_files_are_the_model_to_the_bit),
        cmocka_unit_test(gguf_of_a_gguf_is_that_of_the_folder),
        cmocka_unit_test(files_of_block_types_run_and_are_near_the_model),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(blocks_are_rounded_again_only_when_asked),
        cmocka_unit_test(blocks_that_are_copied_are_looked_at),
        cmocka_unit_test(files_are_named_after_the_folder_or_the_repository),
        cmocka_unit_test(what_falls_back_is_told),
        cmocka_unit_test(a_vision_tower_says_its_activation),
        cmocka_unit_test(sampling_stays_what_the_folder_wants),
        cmocka_unit_test(another_type_beside_the_same_mmproj_takes_only_text),
        cmocka_unit_test(weights_that_no_type_can_say_are_named),
        cmocka_unit_test(places_and_options_are_checked_before_anything_is_written),
        cmocka_unit_test(what_a_gguf_file_cannot_say_is_refused),
        cmocka_unit_test(stopped_work_leaves_both_old_files),
        cmocka_unit_test(kill_and_full_disk_leave_both_old_files),
        cmocka_unit_test(failed_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("quantize_model", tests, test_root_make, test_root_remove);
}
