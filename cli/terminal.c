/* terminal.c: progress and notes on stderr, pieces of the answer on stdout, signals. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t terminal_interrupted;

static void on_signal(int sig)
{
    terminal_interrupted = sig;
}

void terminal_catch_signals(void)
{
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_signal;
    sa.sa_flags = (int)SA_RESETHAND; /* the second signal acts as ever */
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sa.sa_handler = SIG_IGN; /* a closed pipe is an error of write, reported as such */
    sa.sa_flags = 0;
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGXFSZ, &sa, NULL); /* and so is a file that may not grow */
}

/* A signal that comes just before the wait would not end it: we look for it now and then. */
int terminal_wait_input(void)
{
    enum { LOOK_MS = 200 };
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&in, 1, LOOK_MS);
    if (terminal_interrupted)
        return -1;
    return ready == 0 || (ready < 0 && errno == EINTR) ? 0 : 1; /* what else fails, reading tells */
}

void terminal_init(terminal *t, const options *o)
{
    memset(t, 0, sizeof *t);
    t->o = o;
    t->show_progress = o->progress == PROGRESS_AUTO && !o->quiet && isatty(STDERR_FILENO);
    t->stream = !o->json;
}

void terminal_wipe(terminal *t)
{
    if (t->progress_line)
        fprintf(stderr, "\r\033[K");
    t->progress_line = false;
}

void terminal_write(terminal *t, const char *text, size_t len)
{
    if (len == 0 || t->write_failed)
        return;
    terminal_wipe(t);
    if (fwrite(text, 1, len, stdout) != len || (isatty(STDOUT_FILENO) && fflush(stdout) != 0)) {
        t->write_failed = true;
        t->write_errno = errno;
    }
    t->last = text[len - 1];
}

int terminal_finish(terminal *t)
{
    terminal_wipe(t);
    if (!t->write_failed && fflush(stdout) != 0) {
        t->write_failed = true;
        t->write_errno = errno;
    }
    if (!t->write_failed)
        return 0;
    fprintf(stderr, "tessera: standard output: %s\n", strerror(t->write_errno));
    return 74;
}

bool terminal_has_color(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO);
}

/* The stages that all of the work is made of; the others are steps within them. */
static bool is_whole(const tessera_event *ev)
{
    static const char *const stages[] = {"window", "scenes", "page", "sound", "batch"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strlen(stages[i]) == ev->len && memcmp(stages[i], ev->text, ev->len) == 0)
            return true;
    return false;
}

void terminal_whole(terminal *t, const tessera_event *ev, long n_failed)
{
    bool is_news = progress_note(&t->whole, ev->text, ev->len, ev->done, ev->total);
    t->n_failed = n_failed;
    if (t->o->progress == PROGRESS_JSON && is_news) {
        progress_show_json(&t->whole, n_failed);
    } else if (t->show_progress && progress_is_due(&t->whole)) {
        fprintf(stderr, "\r\033[K");
        progress_show_line(&t->whole, n_failed);
        fflush(stderr);
        t->progress_line = true;
    }
}

/* A step stands behind the whole that it is part of. */
static void show_step(terminal *t, const tessera_event *ev)
{
    if (t->o->progress == PROGRESS_JSON) {
        fprintf(stderr, "{\"stage\":");
        progress_put_string(ev->text, ev->len);
        fprintf(stderr, ",\"done\":%zu,\"total\":%zu}\n", ev->done, ev->total);
    } else if (t->show_progress && !(t->stream && ev->len == 6 && memcmp(ev->text, "answer", 6) == 0)) {
        /* while the answer streams, its own text shows the progress */
        bool is_part = t->whole.has_begun && t->whole.done < t->whole.total;
        fprintf(stderr, "\r\033[K");
        if (is_part)
            progress_show_line(&t->whole, t->n_failed);
        fprintf(stderr, "%s%.*s", is_part ? ": " : "", (int)ev->len, ev->text);
        if (ev->total)
            fprintf(stderr, " %zu/%zu", ev->done, ev->total);
        fflush(stderr);
        t->progress_line = true;
    }
}

static void show_stage(terminal *t, const tessera_event *ev)
{
    if (is_whole(ev))
        terminal_whole(t, ev, PROGRESS_NOT_COUNTED);
    else
        show_step(t, ev);
}

static void show_note(terminal *t, const tessera_event *ev)
{
    if (t->o->quiet)
        return;
    terminal_wipe(t);
    fprintf(stderr, "tessera: note: %.*s\n", (int)ev->len, ev->text);
}

int terminal_event(void *user, const tessera_event *ev)
{
    terminal *t = user;
    switch (ev->kind) {
    case TESSERA_EVENT_STAGE: show_stage(t, ev); break;
    case TESSERA_EVENT_TEXT:
        if (t->stream)
            terminal_write(t, ev->text, ev->len);
        break;
    case TESSERA_EVENT_THOUGHT:
        if (!t->o->quiet && (t->o->verbose || isatty(STDERR_FILENO))) {
            terminal_wipe(t);
            fwrite(ev->text, 1, ev->len, stderr);
            fflush(stderr);
        }
        break;
    case TESSERA_EVENT_NOTE: show_note(t, ev); break;
    }
    return terminal_interrupted || t->write_failed;
}

void terminal_log(void *user, tessera_log_level level, const char *line)
{
    terminal *t = user;
    if (level > TESSERA_LOG_WARN && !t->o->verbose)
        return;
    if (level > TESSERA_LOG_ERROR && t->o->quiet)
        return;
    terminal_wipe(t);
    fprintf(stderr, "tessera: %s\n", line);
}
