/* chat.c: lines become turns or commands. A turn that fails is told, and the talk goes on as it was before. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat_line.h"
#include "input.h"

enum { MAX_MESSAGES_BYTES = 64 << 20, MAX_WAITING = 64, DEFAULT_MAX_TOKENS = 1024 /* as tessera.h has it */ };

typedef struct chat {
    tessera_chat *talk;
    tessera_request rq; /* how turns are answered */
    const options *o;
    terminal *t;
    chat_line *in;
    bool is_terminal;
    tessera_part waiting[MAX_WAITING]; /* files for the next turn; their paths are ours */
    size_t n_waiting;
    char *file;         /* that this talk was written to or read from */
    tessera_usage last; /* of the last answer */
    bool ends, was_interrupted;
    int code;
} chat;

/* ---- telling ---- */

static void remember_code(chat *c, int code)
{
    if (!c->is_terminal && c->code == 0)
        c->code = code;
}

static void complain(chat *c, const tessera_error *err)
{
    terminal_wipe(c->t);
    fprintf(stderr, "tessera: %s\n", err->text[0] ? err->text : tessera_status_name(err->status));
    remember_code(c, tessera_exit_code(err->status));
}

static void complain_of(chat *c, const char *what, const char *why, int code)
{
    fprintf(stderr, "tessera: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    remember_code(c, code);
}

static void say(const chat *c, const char *line)
{
    if (!c->o->quiet)
        fprintf(stderr, "%s\n", line);
}

/* ---- files for the next turn ---- */

static void drop_waiting(chat *c)
{
    while (c->n_waiting)
        free((char *)c->waiting[--c->n_waiting].path);
}

static void attach(chat *c, tessera_part_kind kind, const char *path)
{
    tessera_error err = {0};
    tessera_part_kind found;
    tessera_part p = {.kind = TESSERA_PART_FILE, .path = path};
    if (c->n_waiting == MAX_WAITING) {
        complain_of(c, "no more files go with one turn", path, 2);
        return;
    }
    if (tessera_sniff(&p, &found, &err) != TESSERA_OK) {
        complain(c, &err);
        return;
    }
    p.kind = kind == TESSERA_PART_FILE ? found : kind;
    p.path = realpath(path, NULL); /* what is saved may be read again from elsewhere */
    if (!p.path) {
        complain_of(c, path, strerror(errno), 74);
        return;
    }
    c->waiting[c->n_waiting++] = p;
    if (c->is_terminal)
        say(c, "goes with what you say next");
}

/* ---- turns ---- */

static void show(chat *c, const tessera_result *r)
{
    tessera_error err = {0};
    char *text;
    if (!c->o->json) {
        if (c->t->last != '\n')
            terminal_write(c->t, "\n", 1);
    } else if (tessera_result_json(r, &text, &err) == TESSERA_OK) {
        terminal_write(c->t, text, strlen(text));
        terminal_write(c->t, "\n", 1);
        tessera_free(text);
    } else {
        complain(c, &err);
    }
    if (terminal_finish(c->t)) { /* nobody reads on */
        c->ends = true;
        c->code = 74;
    }
}

/* An answer that isn't whole says why. */
static void tell_cut(const chat *c, const tessera_result *r)
{
    size_t most = c->rq.max_tokens ? c->rq.max_tokens : DEFAULT_MAX_TOKENS;
    if (strcmp(tessera_result_finish_reason(r), "length") == 0)
        say(c, c->last.completion_tokens < most ? "(cut: the context is full; --ctx raises it, /undo and /clear make room)"
                                                : "(cut: as long as --max-tokens permits)");
}

/* A pipe ends when it is interrupted, a person may only have heard enough. */
static void after_interrupt(chat *c)
{
    if (!terminal_interrupted)
        return;
    c->ends = !c->is_terminal || terminal_interrupted == SIGTERM;
    if (c->ends) {
        c->code = 130;
        return;
    }
    terminal_wipe(c->t);
    say(c, "(stopped)");
    terminal_interrupted = 0;
    terminal_catch_signals();
}

/* text NULL: the last question again. */
static void answer(chat *c, const char *text)
{
    tessera_part parts[MAX_WAITING + 1], said = {.kind = TESSERA_PART_TEXT, .text = text};
    tessera_error err = {0};
    tessera_result *r;
    c->rq.parts = parts;
    c->rq.n_parts = input_order(parts, c->waiting, c->n_waiting, &said, text ? 1 : 0);
    c->t->last = '\0'; /* an answer without any text is a line too */
    if (tessera_chat_turn(c->talk, &c->rq, terminal_event, c->t, &r, &err) == TESSERA_OK) {
        c->last = tessera_result_usage(r);
        show(c, r);
        tell_cut(c, r);
    } else if (err.status != TESSERA_ERR_CANCELLED || !terminal_interrupted) {
        complain(c, &err);
        if (c->n_waiting && c->is_terminal)
            say(c, "its files are no longer attached");
    }
    tessera_result_free(r);
    drop_waiting(c);
    after_interrupt(c);
}

/* ---- commands ---- */

static void do_image(chat *c, const char *arg) { attach(c, TESSERA_PART_IMAGE, arg); }
static void do_audio(chat *c, const char *arg) { attach(c, TESSERA_PART_AUDIO, arg); }
static void do_video(chat *c, const char *arg) { attach(c, TESSERA_PART_VIDEO, arg); }
static void do_pdf(chat *c, const char *arg) { attach(c, TESSERA_PART_PDF, arg); }
static void do_file(chat *c, const char *arg) { attach(c, TESSERA_PART_FILE, arg); }

static void do_system(chat *c, const char *arg)
{
    tessera_error err = {0};
    if (tessera_chat_system(c->talk, arg, &err) != TESSERA_OK)
        complain(c, &err);
}

static void do_think(chat *c, const char *arg)
{
    bool on = arg && strcmp(arg, "on") == 0;
    if (on || (arg && strcmp(arg, "off") == 0))
        c->rq.think = on;
    else
        complain_of(c, "/think takes on or off", NULL, 2);
}

static void do_clear(chat *c, const char *arg)
{
    (void)arg;
    tessera_chat_clear(c->talk);
    drop_waiting(c);
}

static void do_undo(chat *c, const char *arg)
{
    tessera_error err = {0};
    (void)arg;
    if (tessera_chat_undo(c->talk, 0, &err) != TESSERA_OK)
        complain(c, &err);
}

static void do_retry(chat *c, const char *arg)
{
    tessera_error err = {0};
    (void)arg;
    if (tessera_chat_undo(c->talk, 1, &err) != TESSERA_OK)
        complain(c, &err);
    else
        answer(c, NULL);
}

/* Whole or not at all. */
static bool write_file(const char *path, const char *text)
{
    size_t len = strlen(path), n = strlen(text);
    char *beside = malloc(len + 8);
    int fd = -1;
    bool ok = false;
    if (beside) {
        memcpy(beside, path, len);
        memcpy(beside + len, ".XXXXXX", 8);
        fd = mkstemp(beside);
    }
    if (fd >= 0) {
        FILE *f = fdopen(fd, "wb");
        ok = f && fwrite(text, 1, n, f) == n && fputc('\n', f) != EOF;
        ok = (f ? fclose(f) : close(fd)) == 0 && ok && rename(beside, path) == 0;
        int why = errno;
        if (!ok)
            unlink(beside);
        errno = why;
    }
    free(beside);
    return ok;
}

static bool keep_name(chat *c, const char *path)
{
    char *name = strdup(path);
    if (!name)
        return false;
    free(c->file);
    c->file = name;
    return true;
}

static void save(chat *c, const char *path, bool force)
{
    tessera_error err = {0};
    char *text;
    if (!force && !(c->file && strcmp(c->file, path) == 0) && access(path, F_OK) == 0) {
        complain_of(c, path, "is there already ('/save! FILE' replaces it)", 2);
        return;
    }
    if (tessera_chat_messages(c->talk, &text, &err) != TESSERA_OK) {
        complain(c, &err);
        return;
    }
    if (!write_file(path, text) || !keep_name(c, path))
        complain_of(c, path, strerror(errno), 74);
    tessera_free(text);
}

static void do_save(chat *c, const char *arg) { save(c, arg, false); }
static void do_save_over(chat *c, const char *arg) { save(c, arg, true); }

static void do_load(chat *c, const char *arg)
{
    tessera_error err = {0};
    size_t len;
    char *text, *dir = NULL;
    int rc = input_read(arg, MAX_MESSAGES_BYTES, &text, &len);
    if (rc == 0 && !(dir = input_folder(arg)))
        complain_of(c, arg, "out of memory", rc = 75);
    else if (rc == 0 && tessera_chat_load(c->talk, text, dir, arg, 0, &err) != TESSERA_OK)
        complain(c, &err);
    else if (rc == 0)
        keep_name(c, arg);
    remember_code(c, rc);
    free(text);
    free(dir);
}

static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static void do_stats(chat *c, const char *arg)
{
    const tessera_usage *u = &c->last;
    size_t read = u->prompt_tokens - u->cached_tokens;
    (void)arg;
    fprintf(stderr, "%zu messages; the last turn: %zu tokens, %zu of them new in %.2f s (%.0f/s), media %.2f s; answer %zu tokens in %.2f s (%.1f/s)\n",
            tessera_chat_count(c->talk), u->prompt_tokens, read, u->prefill_s, rate(read, u->prefill_s), u->encode_s,
            u->completion_tokens, u->decode_s, rate(u->completion_tokens ? u->completion_tokens - 1 : 0, u->decode_s));
}

static void do_quit(chat *c, const char *arg)
{
    (void)arg;
    c->ends = true;
}

static void do_help(chat *c, const char *arg);

static const struct command_of {
    const char *name;
    void (*run)(chat *c, const char *arg);
    const char *arg; /* in the help; NULL: takes none. In brackets: may be left out */
    const char *help;
} commands[] = {
    {"image", do_image, "FILE", "a picture that goes with what you say next"},
    {"audio", do_audio, "FILE", "a sound likewise"},
    {"video", do_video, "FILE", "a film likewise"},
    {"pdf", do_pdf, "FILE", "a document likewise"},
    {"file", do_file, "FILE", "any of these; its kind is found from its bytes"},
    {"system", do_system, "[TEXT]", "the system text; without TEXT there is none"},
    {"think", do_think, "on|off", "let the model think first, or not"},
    {"retry", do_retry, NULL, "answer the last question again"},
    {"undo", do_undo, NULL, "take back the last question and its answer"},
    {"clear", do_clear, NULL, "take back all but the system text"},
    {"save", do_save, "FILE", "write the messages (OpenAI's form; --messages reads them)"},
    {"save!", do_save_over, "FILE", "the same over a file that is there"},
    {"load", do_load, "FILE", "go on from such a file, in place of what was said"},
    {"stats", do_stats, NULL, "tokens and times of the last turn"},
    {"help", do_help, NULL, "this"},
    {"quit", do_quit, NULL, "end (as Ctrl-D)"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void do_help(chat *c, const char *arg)
{
    (void)c, (void)arg;
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(stderr, "/%-6s %-8s %s\n", commands[i].name, commands[i].arg ? commands[i].arg : "", commands[i].help);
    fprintf(stderr, "A line that ends with \\ goes on in the next one; // at its start says a slash. Ctrl-C stops an answer.\n"
                    "A talk that no longer fits its context is refused, never cut: --ctx raises it, /undo and /clear make room.\n");
}

static void obey(chat *c, char *line)
{
    size_t n = strcspn(line, " \t");
    char *arg = line + n + strspn(line + n, " \t");
    line[n] = '\0';
    for (size_t i = strlen(arg); i && (arg[i - 1] == ' ' || arg[i - 1] == '\t'); i--)
        arg[i - 1] = '\0';
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct command_of *k = &commands[i];
        if (strcmp(line, k->name) != 0)
            continue;
        if (k->arg ? !*arg && *k->arg != '[' : *arg)
            complain_of(c, k->arg ? "needs an argument" : "takes no argument", k->name, 2);
        else
            k->run(c, *arg ? arg : NULL);
        return;
    }
    complain_of(c, "unknown command; /help lists them", line, 2);
}

/* ---- the talk ---- */

static void take_line(chat *c, const char *line)
{
    if (line[0] == '/' && line[1] != '/') {
        char *copy = strdup(line + 1);
        if (copy)
            obey(c, copy);
        else
            complain_of(c, "out of memory", NULL, 75);
        free(copy);
    } else if (line[strspn(line, " \t")]) {
        answer(c, line + (line[0] == '/'));
    }
}

static void interrupt(chat *c, bool ends)
{
    if (ends || terminal_interrupted == SIGTERM || !c->is_terminal) {
        c->ends = true;
        c->code = 130;
        return;
    }
    c->was_interrupted = true;
    terminal_interrupted = 0;
    terminal_catch_signals();
    say(c, "(again, or Ctrl-D, to end)");
}

static void listen(chat *c)
{
    const char *line;
    switch (chat_line_read(c->in, &line)) {
    case CHAT_LINE:
        c->was_interrupted = false;
        take_line(c, line);
        break;
    case CHAT_DROPPED:
        interrupt(c, false);
        break;
    case CHAT_INTERRUPTED: /* twice in a row: enough */
        interrupt(c, c->was_interrupted);
        break;
    case CHAT_END:
        if (c->is_terminal)
            fputs("\n", stdout);
        c->ends = true;
        break;
    case CHAT_FAILED:
        c->ends = true;
        c->code = 74;
        break;
    }
}

/* What the command line says. */
static bool begin(chat *c)
{
    tessera_error err = {0};
    const tessera_request *rq = &c->o->rq;
    const char *system = NULL;
    if (rq->messages && tessera_chat_load(c->talk, rq->messages, rq->messages_dir, rq->messages_name, 0, &err) != TESSERA_OK)
        return complain(c, &err), false;
    for (size_t i = 0; i < c->o->n_parts && c->code == 0; i++) {
        const tessera_part *p = &c->o->parts[i];
        if (p->kind != TESSERA_PART_SYSTEM)
            attach(c, p->kind, p->path);
        else if (system)
            complain_of(c, "chat takes one --system", NULL, c->code = 2);
        else
            system = p->text;
    }
    if (system && tessera_chat_system(c->talk, system, &err) != TESSERA_OK)
        complain(c, &err);
    return c->code == 0;
}

int chat_run(tessera_model *m, const options *o, terminal *t)
{
    tessera_error err = {0};
    chat c = {.rq = o->rq, .o = o, .t = t};
    c.rq.messages = c.rq.messages_dir = c.rq.messages_name = NULL;
    if (tessera_chat_open(&c.talk, m, &err) != TESSERA_OK) {
        complain(&c, &err);
        return tessera_exit_code(err.status);
    }
    bool good = begin(&c); /* what is wrong with the command line ends it, for people too */
    c.is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (good && !(c.in = chat_line_open(c.is_terminal)))
        complain_of(&c, "out of memory", NULL, c.code = 75);
    if (c.in && c.is_terminal)
        say(&c, "/help lists the commands");
    while (c.in && !c.ends)
        listen(&c);
    chat_line_close(c.in);
    drop_waiting(&c);
    free(c.file);
    tessera_chat_close(c.talk);
    return c.code;
}
