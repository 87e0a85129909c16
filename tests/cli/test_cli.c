/* test_cli.c: runs the program: exit codes, streams, standard input, and the library's own answer. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gguf_writer.h"
#include "hash_model.h"
#include "recipes.h"
#include "tessera.h"
#include "program.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_json.h"

static char *root;
static char model[512], picture[512], sound[512], odd[512];

static pid_t start(char **argv, const char *in, const char *out, const char *err)
{
    int from = open(in, O_RDONLY);
    pid_t pid = program_start(argv, NULL, from, out, err);
    close(from);
    return pid;
}

static outcome run_to(const char *in, const char *out_path, const char *fmt, ...) TSR_PRINTF(3, 4);

static outcome run_to(const char *in, const char *out_path, const char *fmt, ...)
{
    char line[4096], *argv[MAX_ARGS + 1], err_path[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t)n < sizeof line);
    program_words(line, '|', argv);
    snprintf(err_path, sizeof err_path, "%s", test_path(root, "stderr"));
    outcome o = {0};
    o.code = program_wait(start(argv, in, out_path, err_path));
    size_t err_len;
    o.err = (char *)test_read_file(err_path, &err_len);
    if (strncmp(out_path, "/dev/", 5) != 0)
        o.out = (char *)test_read_file(out_path, &o.out_len);
    return o;
}

#define RUN(...) run_to("/dev/null", test_path(root, "stdout"), __VA_ARGS__)

static void expect_code(const char *what, outcome o, int code, const char *named)
{
    if (o.code != code || !strstr(o.err, named))
        fail_msg("%s: wanted exit code %d and '%s', got %d: %s", what, code, named, o.code, o.err);
    if (code != 0 && o.out && o.out_len)
        fail_msg("%s: failed and still wrote to standard output: %s", what, o.out);
    forget(&o);
}

static void every_kind_of_failure_has_its_exit_code(void **state)
{
    (void)state;
    char text[512], locked[512];
    snprintf(text, sizeof text, "%s", test_path(root, "notes.txt"));
    test_write_file(text, "words\n", 6);
    snprintf(locked, sizeof locked, "%s", test_path(root, "nothing.json"));
    expect_code("no command", RUN("frobnicate"), 2, "frobnicate");
    expect_code("no model", RUN("ask|hello"), 2, "-m MODEL");
    expect_code("unknown option", RUN("ask|-m|%s|--frob|x", model), 2, "--frob");
    expect_code("bad number", RUN("ask|-m|%s|--top-p|2|x", model), 2, "--top-p");
    expect_code("bad budget", RUN("caption|-m|%s|--budget|99|%s", model, picture), 2, "--budget");
    expect_code("an option of another command", RUN("transcribe|-m|%s|--labels|a|%s", model, sound), 2, "--labels");
    expect_code("no file", RUN("caption|-m|%s", model), 2, "FILE");
    expect_code("missing file", RUN("caption|-m|%s|/no/such.png", model), 66, "/no/such.png");
    expect_code("missing model", RUN("ask|-m|/no/such|x"), 66, "/no/such");
    expect_code("text is no picture", RUN("caption|-m|%s|%s", model, text), 65, "notes.txt");
    expect_code("an empty file", RUN("caption|-m|%s|/dev/null", model), 65, "/dev/null");
    expect_code("a model that is none", RUN("ask|-m|%s|x", text), 66, "config.json");
    expect_code("cpu", RUN("ask|-m|%s|--cpu|sparc|x", model), 2, "sparc");
    expect_code("a cache that is none", RUN("ask|-m|%s|--kv|q4|x", model), 2, "f32, f16, bf16, q8");
    expect_code("boxes in a sound", RUN("detect|-m|%s|%s", model, sound), 65, "is a sound");
    expect_code("a dump folder that cannot be", RUN("ask|-m|%s|x|--dump|/proc/none", model), 74, "/proc/none");
    expect_code("context", RUN("ask|-m|%s|--ctx|20|%s|what?", model, picture), 65, "context");
    expect_code("stdin twice", RUN("run|-m|%s|--text|-|--image|-", model), 2, "once");
    expect_code("run with words", RUN("run|-m|%s|word", model), 2, "word");
    expect_code("info of nothing", RUN("info"), 2, "-m MODEL");
    expect_code("info of two things", RUN("info|-m|%s|%s", model, text), 2, "-m MODEL or one FILE");
    expect_code("info of a text", RUN("info|%s", text), 78, "notes.txt");
    expect_code("a folder that is not there", RUN("models|/no/such"), 66, "/no/such");
    expect_code("an option that models lacks", RUN("models|--top-p|1"), 2, "--top-p");
    expect_code("not in the cache", RUN("ask|-m|hf:org/none|x"), 66, "hf download org/none");
    expect_code("tokenizer damaged", RUN("tokenize|-m|%s|x", odd), 78, "tokenizer.json");
}

static void completions_and_the_manual_know_every_option(void **state)
{
    static const struct {
        const char *form, *wanted[4];
    } cases[] = {
        {"bash", {"complete -o filenames -F _tessera tessera", "detect:--format) COMPREPLY=($(compgen -W 'json jsonl coco csv yolo'", " --repetition-penalty", "quantize:--type)"}},
        {"zsh", {"#compdef tessera", "'--kv=[", ":TYPE:(f32 f16 bf16 q8)'", "--with-sound["}},
        {"fish", {"complete -c tessera -f -n __fish_use_subcommand -a transcribe", "-l budget -x -a 'auto 70 140 280 560 1120'", "-l model -s m -r", "detect"}},
        {"man", {".TH TESSERA 1", "\\fB\\-\\-output\\-dir\\fR \\fIDIR\\fR", ".SH EXIT STATUS", "NO_COLOR"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome o = RUN("completions|%s", cases[i].form);
        assert_int_equal(o.code, 0);
        for (size_t k = 0; k < 4; k++)
            if (!strstr(o.out, cases[i].wanted[k]))
                fail_msg("%s lacks %s", cases[i].form, cases[i].wanted[k]);
        forget(&o);
    }
    expect_code("no such shell", RUN("completions|csh"), 2, "fish");
    expect_code("no shell", RUN("completions"), 2, "bash");
}

static void help_and_version_go_to_standard_output(void **state)
{
    static const char *const verbs[] = {"caption", "ask", "transcribe", "detect", "run", "info", "tokenize"};
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        outcome o = RUN("%s|--help", verbs[i]);
        assert_int_equal(o.code, 0);
        assert_non_null(strstr(o.out, "--model"));
        assert_int_equal(strlen(o.err), 0);
        forget(&o);
    }
    outcome o = RUN("--version");
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, TESSERA_VERSION));
    assert_non_null(strstr(o.out, "lines of chat: ")); /* a part that a build may lack */
    forget(&o);
}

static void files_of_weights_are_listed_and_looked_into(void **state)
{
    static const float nan[] = {NAN};
    char path[512];
    (void)state;
    outcome o = RUN("models|%s", model);
    if (o.code != 0 || !strstr(o.out, "E2B") || !strstr(o.out, "SEES") || strchr(o.out, '\033'))
        fail_msg("%d: %s%s", o.code, o.out, o.err);
    forget(&o);
    o = RUN("models|--json|%s", model);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"looked_in\""));
    forget(&o);
    o = RUN("info|%s", model);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "model.language_model.embed_tokens.weight"));
    forget(&o);
    o = RUN("info|--check|%s", model);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "every value is finite\n  opens\n"));
    forget(&o);
    snprintf(path, sizeof path, "%s", test_path(root, "bad.gguf"));
    gg_writer *w = gg_new();
    gg_tensor(w, "t", 0, 1, (const size_t[]){1}, nan, sizeof nan);
    gg_write(w, path);
    gg_free(w);
    o = RUN("info|--check|%s", path); /* what was found is on standard output, that there is something in the code */
    if (o.code != 78 || !strstr(o.out, "tensor t: row 0, element 0 is NaN"))
        fail_msg("%d: %s%s", o.code, o.out, o.err);
    forget(&o);
    snprintf(path, sizeof path, "%s", test_path(root, "iq2.gguf"));
    w = gg_new();
    gg_tensor(w, "t", 16, 1, (const size_t[]){256}, (const unsigned char[66]){0}, 66);
    gg_write(w, path);
    gg_free(w);
    o = RUN("info|%s", path); /* told, but not opened */
    if (o.code != 0 || !strstr(o.out, "  t    IQ2_XXS [256] ") || !strstr(o.out, "  not supported\n"))
        fail_msg("%d: %s%s", o.code, o.out, o.err);
    forget(&o);
    expect_code("a type that is not supported", RUN("ask|-m|%s|hello", path), 78, "type IQ2_XXS is not supported");
}

static void quantize_writes_files_that_answer_the_same(void **state)
{
    (void)state;
    char out[512];
    snprintf(out, sizeof out, "%s", test_path(root, "m-f32.gguf"));
    outcome o = RUN("quantize|%s|%s|--type|f32|--mmproj-type|f32|--progress|json", model, out);
    if (o.code != 0 || !strstr(o.out, "m-f32.gguf: F32, ") || !strstr(o.out, "mmproj-m-F32.gguf: F32, ") ||
        !strstr(o.err, "{\"stage\":\"token_embd.weight\",\"done\":"))
        fail_msg("%d: %s%s", o.code, o.out, o.err);
    forget(&o);
    outcome a = RUN("ask|-m|%s|--temperature|0|--max-tokens|5|%s|What?", model, picture);
    outcome b = RUN("ask|-m|%s|--temperature|0|--max-tokens|5|%s|What?", out, picture);
    assert_int_equal(b.code, 0);
    assert_string_equal(a.out, b.out);
    forget(&a);
    forget(&b);
    expect_code("a file that exists", RUN("quantize|%s|%s|--type|q8_0", model, out), 2, "--force");
    expect_code("itself", RUN("quantize|%s|%s|--type|q8_0|--force", out, out), 2, "over itself");
    expect_code("no type", RUN("quantize|%s|%s.2", model, out), 2, "--type");
    expect_code("no such type", RUN("quantize|%s|%s.2|--type|q7", model, out), 2, "q4_k_m");
    expect_code("one word", RUN("quantize|%s|--type|q8_0", model), 2, "IN and OUT");
    expect_code("no such folder", RUN("quantize|%s|/no/such/m.gguf|--type|q8_0", model), 66, "/no/such/m.gguf");
    o = RUN("quantize|%s|%s.2|--type|q4_k_m|--only|text|--json", model, out);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "note: blk.0.attn_k.weight: rows of 88 are no whole blocks of Q4_K: F16 instead"));
    assert_non_null(strstr(o.out, "\"fallbacks\""));
    forget(&o);
}

static void json_is_one_object_with_the_promised_keys(void **state)
{
    static const char *const keys[] = {"text", "token_ids", "finish_reason", "usage", "media", "timings", "notes"};
    static const char *const counts[] = {"prompt_tokens", "image_tokens", "audio_tokens", "video_tokens",
                                         "completion_tokens"};
    (void)state;
    outcome o = RUN("run|-m|%s|--text|a|--image|%s|--audio|%s|--temperature|0|--max-tokens|4|--json|--budget|70", model,
                    picture, sound);
    if (o.code != 0)
        fail_msg("%d: %s", o.code, o.err);
    tsr_error err = {TSR_OK, ""};
    tsr_json *doc;
    if (tsr_json_parse(&doc, o.out, o.out_len, "output", &err) != TSR_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(tsr_json_get(doc, keys[i]));
    const tsr_json *usage = tsr_json_get(doc, "usage");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_true(tsr_json_is_integer(tsr_json_get(usage, counts[i])));
    size_t n = 0;
    assert_true(tsr_json_to_size(tsr_json_get(usage, "audio_tokens"), &n));
    assert_int_equal(n, 14); /* 9000 samples: 56 frames */
    assert_int_equal(tsr_json_len(tsr_json_get(doc, "media")), 2);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(tsr_json_get(doc, "media"), 1), "kind"), NULL), "audio");
    tsr_json_free(doc);
    forget(&o);
}

static void detect_prints_a_list_whatever_the_model_says(void **state)
{
    (void)state;
    outcome o = RUN("detect|-m|%s|%s|--max-tokens|4|--labels|a,b", model, picture);
    assert_int_equal(o.code, 0);
    assert_int_equal(o.out[0], '[');
    assert_non_null(strstr(o.err, "brought to the nearest end that its grammar has"));
    forget(&o);
    expect_code("no file", RUN("detect|-m|%s", model), 2, "FILE");
    expect_code("two files, one missing", RUN("detect|-m|%s|%s|/no/such.png", model, picture), 66, "/no/such.png");
    expect_code("an overlay that is none", RUN("detect|-m|%s|%s|--overlay|o.jpg", model, picture), 2, ".png or .svg");
    expect_code("sound of films", RUN("detect|-m|%s|%s|--with-sound", model, picture), 2, "--with-sound");
    expect_code("no such form", RUN("detect|-m|%s|%s|--format|xml", model, picture), 2, "yolo");
    expect_code("yolo without a folder", RUN("detect|-m|%s|%s|--format|yolo", model, picture), 2, "--output-dir");
    expect_code("no area", RUN("detect|-m|%s|%s|--min-area|x", model, picture), 2, "--min-area");
    expect_code("two dumps", RUN("detect|-m|%s|%s|%s|--dump|%s/d", model, picture, picture, root), 2, "one picture");
    expect_code("one tile", RUN("detect|-m|%s|%s|--tiles|1", model, picture), 2, "--tiles");
    expect_code("a plan that draws", RUN("detect|-m|%s|%s|--plan|--overlay|%s/o.png", model, picture, root), 2, "no boxes");
    o = RUN("detect|-m|%s|%s|--tiles|2|--plan", model, picture);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "96x64, seen whole and in 2 tiles (2 x 1 of 54x64): 3 prompts, "));
    assert_string_equal(o.err, ""); /* nothing was asked */
    forget(&o);
    o = RUN("detect|-m|%s|%s|--tiles|2|--max-tokens|4|--json", model, picture);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"tiles\":[{"));
    forget(&o);
}

static void the_program_gives_the_librarys_answer(void **state)
{
    (void)state;
    tessera_error err = {TESSERA_OK, ""};
    tessera_model *m;
    tessera_result *r;
    tessera_part parts[] = {{.kind = TESSERA_PART_IMAGE, .path = picture}, {.kind = TESSERA_PART_TEXT, .text = "What is it?"}};
    tessera_request rq = tessera_request_default();
    rq.parts = parts;
    rq.n_parts = 2;
    rq.temperature = 0;
    rq.budget = TESSERA_BUDGET_AUTO; /* as the program has it */
    rq.max_tokens = 16;
    assert_int_equal(tessera_model_open(&m, model, NULL, &err), TESSERA_OK);
    assert_int_equal(tessera_run(m, &rq, NULL, NULL, &r, &err), TESSERA_OK);
    outcome o = RUN("ask|-m|%s|%s|What is it?|--temperature|0|--max-tokens|16", model, picture);
    assert_int_equal(o.code, 0);
    size_t n = strlen(tessera_result_text(r));
    assert_true(o.out_len >= n && o.out_len <= n + 1);
    assert_memory_equal(o.out, tessera_result_text(r), n);
    assert_int_equal(strlen(o.err), 0);
    forget(&o);
    tessera_result_free(r);
    tessera_model_close(m);
}

static void standard_input_is_a_file_or_a_text(void **state)
{
    (void)state;
    char out[512], question[512];
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    snprintf(question, sizeof question, "%s", test_path(root, "question"));
    test_write_file(question, "What is it?", 11);
    outcome a = RUN("ask|-m|%s|%s|What is it?|--temperature|0|-n|8", model, picture);
    outcome b = run_to(picture, out, "ask|-m|%s|-|What is it?|--temperature|0|-n|8", model);
    outcome c = run_to(question, out, "ask|-m|%s|%s|-|--temperature|0|-n|8", model, picture);
    assert_int_equal(a.code, 0);
    assert_int_equal(b.code, 0);
    assert_int_equal(c.code, 0);
    assert_string_equal(a.out, b.out);
    assert_string_equal(a.out, c.out);
    forget(&a);
    forget(&b);
    forget(&c);
}

static void parts_keep_the_order_given(void **state)
{
    (void)state;
    char a[512], b[512];
    size_t la, lb;
    snprintf(a, sizeof a, "%s", test_path(root, "order/deep/a"));
    snprintf(b, sizeof b, "%s", test_path(root, "order/b"));
    outcome x = RUN("run|-m|%s|--image|%s|--text|x|--dump|%s|--max-tokens|1|--temperature|0", model, picture, a);
    outcome y = RUN("run|-m|%s|--text|x|--image|%s|--dump|%s|--max-tokens|1|--temperature|0", model, picture, b);
    assert_int_equal(x.code, 0);
    assert_int_equal(y.code, 0);
    unsigned char *p = test_read_file(test_path(a, "prompt_ids.npy"), &la);
    unsigned char *q = test_read_file(test_path(b, "prompt_ids.npy"), &lb);
    assert_int_equal(la, lb);
    assert_true(memcmp(p, q, la) != 0);
    free(p);
    free(q);
    forget(&x);
    forget(&y);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    outcome o = run_to("/dev/null", "/dev/full", "info|-m|%s", model);
    assert_int_equal(o.code, 74);
    forget(&o);
}

static void an_interrupt_gives_what_there_is_and_130(void **state)
{
    (void)state;
    char line[2048], *argv[MAX_ARGS + 1], out[512], errs[512];
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    snprintf(errs, sizeof errs, "%s", test_path(root, "stderr"));
    snprintf(line, sizeof line, "run|-m|%s|--text|Tell|--temperature|0|--max-tokens|100000|--stop|never-said|--progress|json",
             model);
    program_words(line, '|', argv);
    pid_t pid = start(argv, "/dev/null", out, errs);
    for (int i = 0; i < 6000; i++) { /* until it answers, a minute at most */
        size_t n;
        unsigned char *e = test_read_file(errs, &n);
        bool answers = strstr((char *)e, "\"answer\"") != NULL;
        free(e);
        if (answers)
            break;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    kill(pid, SIGINT);
    int code = program_wait(pid);
    assert_true(code == 130 || code == 0); /* 0: the tiny model had come to an end by itself */
}

static int setup(void **state)
{
    (void)state;
    tsr_error err = {TSR_OK, ""};
    uint32_t seeds[] = {5};
    root = test_tmp_make();
    snprintf(model, sizeof model, "%s", test_path(root, "model"));
    snprintf(odd, sizeof odd, "%s", test_path(root, "odd"));
    snprintf(picture, sizeof picture, "%s", test_path(root, "picture.ppm"));
    snprintf(sound, sizeof sound, "%s", test_path(root, "sound.wav"));
    if (oracle_model_write(model, "e2b", &err) != TSR_OK || oracle_model_write(odd, "e2b", &err) != TSR_OK ||
        oracle_picture_write(picture, 96, 64, 3, 16, &err) != TSR_OK ||
        oracle_sound_write(sound, 9000, seeds, 1, &err) != TSR_OK)
        fail_msg("%s", err.text);
    test_write_file(test_path(odd, "tokenizer.json"), "{\"model\":", 9);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmp_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_failure_has_its_exit_code),
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(completions_and_the_manual_know_every_option),
        cmocka_unit_test(files_of_weights_are_listed_and_looked_into),
        cmocka_unit_test(quantize_writes_files_that_answer_the_same),
        cmocka_unit_test(json_is_one_object_with_the_promised_keys),
        cmocka_unit_test(detect_prints_a_list_whatever_the_model_says),
        cmocka_unit_test(the_program_gives_the_librarys_answer),
        cmocka_unit_test(standard_input_is_a_file_or_a_text),
        cmocka_unit_test(parts_keep_the_order_given),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(an_interrupt_gives_what_there_is_and_130),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
