/* main.c: a command becomes a list of parts, the library runs it, the result is printed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "chat.h"
#include "input.h"
#include "manual.h"
#include "options.h"
#include "prompt_file.h"
#include "terminal.h"
#include "tessera.h"
#include "transcribe.h"

enum { MAX_TEXT_BYTES = 64 << 20 };

typedef struct job {
    options o;
    terminal term;
    tessera_model *model;
    char *stdin_bytes; /* what "-" stood for; NULL until it is read */
    size_t stdin_len;
    bool stdin_taken;
    char *tools, *messages, *messages_dir, *structure;
    char *prompt_bytes;
    prompt_file prompt; /* its texts are those bytes, or standard input's */
} job;

/* Work that Ctrl-C has ended needs no message. */
static int fail(job *j, const tessera_error *err)
{
    if (err->status == TESSERA_ERR_CANCELLED && terminal_interrupted)
        return 130;
    terminal_wipe(&j->term);
    fprintf(stderr, "tessera: %s\n", err->text[0] ? err->text : tessera_status_name(err->status));
    return tessera_exit_code(err->status);
}

static int usage(const char *what)
{
    fprintf(stderr, "tessera: %s\n", what);
    return 2;
}

/* "-" may stand for one part only. */
static int take_stdin(job *j, size_t max_bytes)
{
    if (j->stdin_taken)
        return usage("standard input ('-') can be used once");
    j->stdin_taken = true;
    return input_read("-", max_bytes, &j->stdin_bytes, &j->stdin_len);
}

static int fill_from_stdin(job *j, tessera_part *p)
{
    bool is_text = p->kind == TESSERA_PART_TEXT || p->kind == TESSERA_PART_SYSTEM;
    const char *source = is_text ? p->text : p->path;
    if (!source || strcmp(source, "-") != 0)
        return 0;
    size_t limit = j->o.rq.max_file_bytes ? j->o.rq.max_file_bytes : (size_t)2 << 30;
    int rc = take_stdin(j, is_text ? MAX_TEXT_BYTES : limit);
    if (rc)
        return rc;
    if (is_text) {
        p->text = j->stdin_bytes;
        p->text_len = j->stdin_len;
    } else {
        p->path = "standard input";
        p->data = j->stdin_bytes;
        p->len = j->stdin_len;
    }
    return 0;
}

static int fill_parts(job *j)
{
    for (size_t i = 0; i < j->o.n_parts; i++) {
        int rc = fill_from_stdin(j, &j->o.parts[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static void add(job *j, tessera_part part)
{
    j->o.parts[j->o.n_parts++] = part;
}

static bool make_room(job *j, size_t more)
{
    tessera_part *grown = realloc(j->o.parts, (j->o.n_parts + more + 1) * sizeof *grown);
    if (!grown)
        return false;
    j->o.parts = grown;
    return true;
}

static int order_parts(job *j, const tessera_part *said, size_t n_said)
{
    options *o = &j->o;
    size_t n = o->n_parts;
    tessera_error err = {0};
    tessera_part *files = make_room(j, n_said) ? calloc(n + 1, sizeof *files) : NULL;
    if (!files)
        return usage("out of memory"), 75;
    memcpy(files, o->parts, n * sizeof *files);
    for (size_t i = 0; i < n; i++)
        if (files[i].kind == TESSERA_PART_FILE && tessera_sniff(&files[i], &files[i].kind, &err) != TESSERA_OK) {
            free(files);
            return fail(j, &err);
        }
    o->n_parts = input_order(o->parts, files, n, said, n_said);
    free(files);
    return 0;
}

static int order_around(job *j, const char *text)
{
    return order_parts(j, &(tessera_part){.kind = TESSERA_PART_TEXT, .text = text}, 1);
}

static int read_prompt(job *j)
{
    const char *path = j->o.prompt_file;
    bool is_stdin = strcmp(path, "-") == 0;
    size_t len;
    int rc = is_stdin ? take_stdin(j, MAX_TEXT_BYTES) : input_read(path, MAX_TEXT_BYTES, &j->prompt_bytes, &len);
    if (rc)
        return rc;
    return is_stdin ? prompt_file_split(&j->prompt, path, j->stdin_bytes, j->stdin_len)
                    : prompt_file_split(&j->prompt, path, j->prompt_bytes, len);
}

/* At its place among the other parts. */
static int insert_prompt(job *j)
{
    size_t n = j->prompt.n_parts, at = j->o.prompt_at;
    if (!make_room(j, n))
        return usage("out of memory"), 75;
    tessera_part *parts = j->o.parts;
    memmove(parts + at + n, parts + at, (j->o.n_parts - at) * sizeof *parts);
    memcpy(parts + at, j->prompt.parts, n * sizeof *parts);
    j->o.n_parts += n;
    return 0;
}

static void add_files(job *j, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++)
        add(j, (tessera_part){.kind = TESSERA_PART_FILE, .path = j->o.words[i]});
}

static const char *caption_prompt(const job *j)
{
    unsigned seen = 0;
    for (size_t i = 0; i < j->o.n_parts; i++)
        if (j->o.parts[i].kind != TESSERA_PART_SYSTEM)
            seen |= 1u << j->o.parts[i].kind;
    if (seen == 1u << TESSERA_PART_IMAGE)
        return "Describe this image.";
    if (seen == 1u << TESSERA_PART_VIDEO)
        return "Describe this video.";
    if (seen == 1u << TESSERA_PART_AUDIO)
        return "Describe this audio.";
    if (seen == 1u << TESSERA_PART_PDF)
        return "Describe this document.";
    return "Describe what is given here.";
}

static int plan_caption(job *j)
{
    add_files(j, j->o.n_words);
    if (j->o.n_parts == 0)
        return usage("caption needs at least one FILE");
    int rc = fill_parts(j);
    if (!rc)
        rc = order_parts(j, NULL, 0);
    if (rc)
        return rc;
    return j->o.chapters ? 0 : order_around(j, caption_prompt(j));
}

/* The question stands in a file: all words are files, and come before or after it. */
static int plan_prompt(job *j)
{
    add_files(j, j->o.n_words);
    int rc = fill_parts(j);
    if (!rc)
        rc = read_prompt(j);
    return rc ? rc : order_parts(j, j->prompt.parts, j->prompt.n_parts);
}

static int plan_ask(job *j)
{
    if (j->o.prompt_file)
        return plan_prompt(j);
    if (j->o.n_words == 0)
        return usage("ask needs a question");
    add_files(j, j->o.n_words - 1);
    int rc = fill_parts(j);
    const char *question = j->o.words[j->o.n_words - 1];
    if (!rc && strcmp(question, "-") == 0) {
        rc = take_stdin(j, MAX_TEXT_BYTES);
        question = j->stdin_bytes;
    }
    return rc ? rc : order_around(j, question);
}

static int plan(job *j)
{
    switch (j->o.cmd) {
    case CMD_CAPTION: return plan_caption(j);
    case CMD_ASK: return plan_ask(j);
    default: break;
    }
    if (j->o.n_parts == 0 && !j->o.prompt_file)
        return usage("run needs at least one part (--text, --image, --audio, --video, --pdf, --prompt-file)");
    int rc = fill_parts(j);
    if (!rc && j->o.prompt_file)
        rc = read_prompt(j);
    return rc || !j->o.prompt_file ? rc : insert_prompt(j);
}

/* A schema stands in a file or in the option itself. */
static bool is_inline(const char *schema)
{
    return *schema == '{' || strcmp(schema, "true") == 0 || strcmp(schema, "false") == 0;
}

static int read_structure(job *j)
{
    tessera_request *rq = &j->o.rq;
    const char *path = rq->schema ? rq->schema : rq->grammar;
    size_t len;
    if (!path || (rq->schema && is_inline(path)))
        return 0;
    int rc = input_read(path, MAX_TEXT_BYTES, &j->structure, &len);
    if (!rc && strlen(j->structure) != len) {
        fprintf(stderr, "tessera: %s: holds a NUL byte\n", path);
        return 2;
    }
    rq->grammar_name = path;
    rq->schema = rq->schema ? j->structure : NULL;
    rq->grammar = rq->grammar ? j->structure : NULL;
    return rc;
}

/* Paths in a file start at its folder. */
static int find_folder(job *j, const char *path)
{
    j->messages_dir = input_folder(path);
    if (!j->messages_dir)
        return usage("out of memory"), 75;
    j->o.rq.messages_name = path;
    j->o.rq.messages_dir = j->messages_dir;
    return 0;
}

static int read_json_files(job *j)
{
    size_t len;
    int rc = 0;
    if (j->o.rq.tools)
        rc = input_read(j->o.rq.tools, MAX_TEXT_BYTES, &j->tools, &len);
    if (!rc && j->o.rq.messages)
        rc = input_read(j->o.rq.messages, MAX_TEXT_BYTES, &j->messages, &len);
    if (!rc && j->messages)
        rc = find_folder(j, j->o.rq.messages);
    j->o.rq.tools = j->tools;
    j->o.rq.messages = j->messages;
    return rc ? rc : read_structure(j);
}

static int open_model(job *j)
{
    tessera_error err = {0};
    tessera_model_opts mo = {
        .threads = j->o.threads, .cpu = j->o.cpu, .mmproj = j->o.mmproj, .log = terminal_log, .log_user = &j->term};
    if (tessera_model_open(&j->model, j->o.model, &mo, &err) != TESSERA_OK)
        return fail(j, &err);
    return 0;
}

static int print_owned(job *j, char *text)
{
    terminal_write(&j->term, text, strlen(text));
    if (j->term.last != '\n')
        terminal_write(&j->term, "\n", 1);
    tessera_free(text);
    return terminal_finish(&j->term);
}

static int show_plan(job *j)
{
    tessera_error err = {0};
    char *text;
    if (tessera_film_plan(j->model, &j->o.rq, j->o.chapters, j->o.json, terminal_event, &j->term, &text, &err) != TESSERA_OK)
        return fail(j, &err);
    return print_owned(j, text);
}

static int chapters(job *j)
{
    tessera_error err = {0};
    char *text;
    tessera_status st = tessera_chapters(j->model, &j->o.rq, j->o.form, terminal_event, &j->term, &text, &err);
    if (st != TESSERA_OK && !text)
        return fail(j, &err);
    int rc = *text ? print_owned(j, text) : (tessera_free(text), terminal_finish(&j->term)); /* also what a failure has left */
    if (st != TESSERA_OK)
        return fail(j, &err);
    return rc == 0 && terminal_interrupted ? 130 : rc;
}

/* On lines of its own. */
static void write_line(job *j, const char *text)
{
    if (j->term.last && j->term.last != '\n')
        terminal_write(&j->term, "\n", 1);
    terminal_write(&j->term, text, strlen(text));
    if (j->term.last != '\n')
        terminal_write(&j->term, "\n", 1);
}

/* ask and caption take films of any length; run takes what it is given. */
static int generate(job *j)
{
    tessera_error err = {0};
    tessera_result *r = NULL;
    int rc = plan(j);
    if (!rc)
        rc = read_json_files(j);
    if (!rc)
        rc = open_model(j);
    if (rc)
        return rc;
    j->o.rq.parts = j->o.parts;
    j->o.rq.n_parts = j->o.n_parts;
    if (j->o.plan)
        return show_plan(j);
    if (j->o.chapters)
        return chapters(j);
    tessera_status st = j->o.cmd == CMD_RUN ? tessera_run(j->model, &j->o.rq, terminal_event, &j->term, &r, &err)
                                            : tessera_watch(j->model, &j->o.rq, terminal_event, &j->term, &r, &err);
    if (st != TESSERA_OK && !r)
        return fail(j, &err);
    if (j->o.json) {
        char *text;
        tessera_error why = {0};
        rc = tessera_result_json(r, &text, &why) == TESSERA_OK ? print_owned(j, text) : fail(j, &why);
    } else {
        if (st != TESSERA_OK) /* notes on what was seen before the failure: they have not streamed */
            write_line(j, tessera_result_text(r));
        else if (j->term.last != '\n')
            terminal_write(&j->term, "\n", 1);
        rc = terminal_finish(&j->term);
    }
    tessera_result_free(r);
    if (st != TESSERA_OK)
        return fail(j, &err);
    return rc == 0 && terminal_interrupted ? 130 : rc;
}

static int transcribe(job *j)
{
    int rc = transcribe_check(&j->o);
    if (!rc)
        rc = fill_parts(j);
    for (size_t i = 0; i < j->o.n_words && !rc; i++)
        if (strcmp(j->o.words[i], "-") == 0 && j->stdin_taken)
            rc = usage("standard input ('-') can be used once");
    if (!rc)
        rc = open_model(j);
    return rc ? rc : transcribe_files(j->model, &j->o, &j->term);
}

static int batch(job *j)
{
    int rc = fill_parts(j);
    if (!rc)
        rc = read_json_files(j);
    if (!rc)
        rc = open_model(j);
    return rc ? rc : batch_run(j->model, &j->o, &j->term);
}

static int chat(job *j)
{
    add_files(j, j->o.n_words);
    int rc = read_json_files(j);
    if (!rc)
        rc = open_model(j);
    return rc ? rc : chat_run(j->model, &j->o, &j->term);
}

/* The start of what looks at each picture by itself: detect, read. */
static int begin_views(job *j, const char *no_files)
{
    if (j->o.n_words == 0)
        return usage(no_files);
    if (!j->o.temperature_set)
        j->o.rq.temperature = 0;
    add_files(j, j->o.n_words);
    int rc = fill_parts(j);
    if (!rc)
        rc = read_json_files(j);
    if (!rc)
        rc = open_model(j);
    j->o.rq.parts = j->o.parts;
    j->o.rq.n_parts = j->o.n_parts;
    j->term.stream = false; /* the answer is read here before anyone sees it */
    return rc;
}

/* Exit code 65 when some of several pictures have failed. */
static int end_views(int rc, size_t n_failed)
{
    return rc ? rc : terminal_interrupted ? 130 : n_failed ? tessera_exit_code(TESSERA_ERR_DATA) : 0;
}

static int detect(job *j)
{
    tessera_error err = {0};
    tessera_detect_opts o = {.labels = j->o.labels, .point = j->o.point, .overlay = j->o.overlay, .format = j->o.box_format,
                             .folder = j->o.output_dir, .min_area = j->o.min_area, .tiles = j->o.tiles, .plan = j->o.plan,
                             .as_json = j->o.json};
    char *text;
    size_t n_failed;
    j->o.rq.max_budget = 560; /* small things count */
    int rc = begin_views(j, "detect needs at least one FILE");
    if (rc)
        return rc;
    if (tessera_detect(j->model, &j->o.rq, &o, terminal_event, &j->term, &text, &n_failed, &err) != TESSERA_OK)
        return fail(j, &err);
    return end_views(print_owned(j, text), n_failed);
}

static int read_pages(job *j)
{
    tessera_error err = {0};
    char *text;
    size_t n_failed;
    j->o.read.as_json = j->o.json;
    int rc = begin_views(j, "read needs at least one FILE");
    if (rc)
        return rc;
    tessera_status st = tessera_read(j->model, &j->o.rq, &j->o.read, terminal_event, &j->term, &text, &n_failed, &err);
    if (st != TESSERA_OK && !text)
        return fail(j, &err);
    if (st == TESSERA_OK && j->o.read.path)
        tessera_free(text);
    else
        rc = print_owned(j, text); /* also what could not be written: hours of work may be in it */
    return st == TESSERA_OK ? end_views(rc, n_failed) : fail(j, &err);
}

/* Exit code 78 when --check has found something. */
static int info_file(job *j, const char *path)
{
    tessera_error err = {0};
    tessera_file_opts fo = {
        .as_json = j->o.json, .full = j->o.full, .check = j->o.check, .color = terminal_has_color()};
    size_t n_problems;
    char *text;
    if (tessera_file_info(path, &fo, &text, &n_problems, &err) != TESSERA_OK)
        return fail(j, &err);
    int rc = print_owned(j, text);
    return rc ? rc : n_problems ? tessera_exit_code(TESSERA_ERR_MODEL) : 0;
}

static int info(job *j)
{
    tessera_error err = {0};
    char *text;
    if (j->o.n_words || j->o.check || j->o.full)
        return info_file(j, j->o.n_words ? j->o.words[0] : j->o.model);
    int rc = open_model(j);
    if (rc)
        return rc;
    if (tessera_model_info(j->model, j->o.json, &text, &err) != TESSERA_OK)
        return fail(j, &err);
    return print_owned(j, text);
}

static int quantize(job *j)
{
    tessera_error err = {0};
    char *text;
    j->o.quantize.mmproj = j->o.mmproj;
    j->o.quantize.threads = j->o.threads;
    j->o.quantize.as_json = j->o.json;
    if (tessera_quantize(j->o.words[0], j->o.words[1], &j->o.quantize, terminal_event, &j->term, &text, &err) != TESSERA_OK)
        return fail(j, &err);
    return print_owned(j, text);
}

static int models(job *j)
{
    tessera_error err = {0};
    size_t n;
    char *text;
    if (tessera_models_list(j->o.words, j->o.n_words, j->o.json, terminal_has_color(), &text, &n, &err) != TESSERA_OK)
        return fail(j, &err);
    return print_owned(j, text);
}

static int tokenize(job *j)
{
    tessera_error err = {0};
    char *text;
    int rc = 0;
    if (j->o.n_words != 1)
        return usage("tokenize needs one TEXT (quote it), or '-'");
    const char *in = j->o.words[0];
    size_t len = strlen(in);
    if (strcmp(in, "-") == 0) {
        rc = take_stdin(j, MAX_TEXT_BYTES);
        in = j->stdin_bytes;
        len = j->stdin_len;
    }
    if (!rc)
        rc = open_model(j);
    if (rc)
        return rc;
    if (tessera_tokenize_text(j->model, in, len, j->o.rq.raw, j->o.json, &text, &err) != TESSERA_OK)
        return fail(j, &err);
    return print_owned(j, text);
}

static int completions(job *j)
{
    if (j->o.n_words != 1 || !manual_print(j->o.words[0]))
        return usage("completions takes one word: bash, zsh, fish or man");
    return fflush(stdout) == 0 ? 0 : 74;
}

int main(int argc, char **argv)
{
    static job j;
    int rc = options_parse(&j.o, argc, argv);
    if (rc == 1 || rc > 1) {
        options_free(&j.o);
        return rc == 1 ? (fflush(stdout) == 0 ? 0 : 74) : rc;
    }
    terminal_init(&j.term, &j.o);
    terminal_catch_signals();
    if (j.o.cmd == CMD_INFO)
        rc = info(&j);
    else if (j.o.cmd == CMD_COMPLETIONS)
        rc = completions(&j);
    else if (j.o.cmd == CMD_MODELS)
        rc = models(&j);
    else if (j.o.cmd == CMD_QUANTIZE)
        rc = quantize(&j);
    else if (j.o.cmd == CMD_TOKENIZE)
        rc = tokenize(&j);
    else if (j.o.cmd == CMD_DETECT)
        rc = detect(&j);
    else if (j.o.cmd == CMD_READ)
        rc = read_pages(&j);
    else if (j.o.cmd == CMD_TRANSCRIBE)
        rc = transcribe(&j);
    else if (j.o.cmd == CMD_BATCH)
        rc = batch(&j);
    else if (j.o.cmd == CMD_CHAT)
        rc = chat(&j);
    else
        rc = generate(&j);
    tessera_model_close(j.model);
    free(j.stdin_bytes);
    free(j.tools);
    free(j.messages);
    free(j.messages_dir);
    free(j.structure);
    prompt_file_free(&j.prompt);
    free(j.prompt_bytes);
    options_free(&j.o);
    return rc;
}
