/* transcribe.c: each file's document goes out as it becomes certain: to standard output, or to a file NAME.part that
 * gets its name at the end. Sound on standard input is heard while it comes; what comes while the model is at work
 * is kept here. */
#include "transcribe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 1 << 16,
    MOST_WAITING = 1 << 26, /* bytes of standard input kept while the model is at work: half an hour of speech */
    MOST_AFTER = 1 << 21,   /* and of these that are still heard after an interrupt */
    LOOK_EVERY_MS = 200     /* for an interrupt, while nothing comes */
};

typedef struct input {
    unsigned char *at; /* [n] of cap, malloc'ed: what came and was not asked for yet */
    size_t n, cap;
    bool is_open;  /* it is what is heard now */
    bool is_flow;  /* a pipe or a device: it doesn't wait for us */
    bool ended;
    bool stopped;  /* by an interrupt: no more is read */
    size_t n_after; /* bytes given since then */
} input;

typedef struct work {
    const options *o;
    terminal *t;
    input in;
    FILE *f;            /* stdout or the file that grows */
    char *path, *part;  /* its names; NULL: stdout */
    bool write_failed;
    int write_errno;
    bool told_soon;
} work;

static const char *const extensions[] = {[TESSERA_TRANSCRIPT_TXT] = "txt", [TESSERA_TRANSCRIPT_SRT] = "srt",
                                         [TESSERA_TRANSCRIPT_VTT] = "vtt", [TESSERA_TRANSCRIPT_TSV] = "tsv",
                                         [TESSERA_TRANSCRIPT_JSON] = "json"};

static int complain(const char *what, const char *why, int code)
{
    fprintf(stderr, "tessera: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    return code;
}

static bool is_stdin(const char *word)
{
    return strcmp(word, "-") == 0;
}

int transcribe_check(const options *o)
{
    size_t n_stdin = 0;
    bool is_cues = o->form != TESSERA_TRANSCRIPT_TXT && o->form != TESSERA_TRANSCRIPT_JSON;
    for (size_t i = 0; i < o->n_words; i++)
        n_stdin += is_stdin(o->words[i]);
    if (o->n_words == 0)
        return complain("transcribe needs at least one FILE", NULL, 2);
    if (n_stdin > 1)
        return complain("standard input ('-') can be used once", NULL, 2);
    if (o->rate && (n_stdin == 0 || o->n_words > 1))
        return complain("--rate is for bare samples on standard input ('-')", NULL, 2);
    if (o->n_words > 1 && is_cues && !o->output_dir)
        return complain("several files in this form need --output-dir", NULL, 2);
    return 0;
}

/* ---- standard input ---- */

static bool wait_for_input(int ms)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

/* Keep what is there already, so that a recorder need not wait for the model. */
static void drain(input *in)
{
    bool may_read = in->is_open && in->is_flow && !terminal_interrupted;
    while (may_read && !in->ended && in->n < MOST_WAITING && wait_for_input(0)) {
        if (in->n + PIECE > in->cap) {
            size_t cap = in->cap ? 2 * in->cap : 4 * PIECE;
            unsigned char *grown = realloc(in->at, cap);
            if (!grown)
                return; /* it waits in the pipe */
            in->at = grown;
            in->cap = cap;
        }
        ssize_t n = read(STDIN_FILENO, in->at + in->n, PIECE);
        if (n < 0)
            return; /* the next blocking read tells */
        in->ended = n == 0;
        in->n += (size_t)n;
    }
}

/* What came before an interrupt is heard after it, as far as that doesn't take long. */
static ptrdiff_t read_stdin(void *user, void *buf, size_t n)
{
    input *in = user;
    if (in->n > 0 && in->n_after < MOST_AFTER) {
        n = n < in->n ? n : in->n;
        memcpy(buf, in->at, n);
        in->n -= n;
        memmove(in->at, in->at + n, in->n);
        in->n_after += terminal_interrupted ? n : 0;
        return (ptrdiff_t)n;
    }
    while (!in->ended) {
        if (terminal_interrupted) {
            in->stopped = true;
            return TESSERA_READ_STOPPED;
        }
        if (!wait_for_input(LOOK_EVERY_MS))
            continue;
        ssize_t got = read(STDIN_FILENO, buf, n);
        in->ended = got == 0;
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return TESSERA_READ_FAILED;
    }
    return 0;
}

static void look_at_stdin(input *in)
{
    struct stat sb;
    in->is_open = true;
    in->is_flow = fstat(STDIN_FILENO, &sb) == 0 && !S_ISREG(sb.st_mode);
}

/* ---- the document ---- */

static void write_text(work *w, const char *text, size_t len)
{
    if (w->write_failed)
        return;
    if (!w->path)
        terminal_wipe(w->t);
    if (fwrite(text, 1, len, w->f) != len || fflush(w->f) != 0) {
        w->write_failed = true;
        w->write_errno = errno;
    }
}

static int on_event(void *user, const tessera_event *ev)
{
    work *w = user;
    drain(&w->in);
    if (ev->kind == TESSERA_EVENT_TEXT)
        write_text(w, ev->text, ev->len);
    else
        terminal_event(w->t, ev);
    if (terminal_interrupted && !w->told_soon && !w->o->quiet) {
        terminal_wipe(w->t);
        fprintf(stderr, "tessera: note: what was read is finished first; interrupt again to stop at once\n");
    }
    w->told_soon = w->told_soon || terminal_interrupted;
    if (w->write_failed)
        return TESSERA_STOP;
    bool reads_on = w->in.is_open && !w->in.stopped && (w->in.n > 0 || !w->in.ended); /* it tells the end by itself */
    return terminal_interrupted && !reads_on ? TESSERA_STOP_SOON : TESSERA_GO_ON;
}

/* ---- its place ---- */

/* The name of a file's document without folder and extension: "talk" of "a/talk.mp3"; whole: "talk.mp3". */
static void base_name(const char *word, bool whole, const char **name, size_t *len)
{
    const char *slash = strrchr(word, '/'), *base = slash ? slash + 1 : word;
    const char *dot = strrchr(base, '.');
    *name = is_stdin(word) ? "stdin" : base;
    *len = is_stdin(word) ? 5 : dot && dot > base && !whole ? (size_t)(dot - base) : strlen(base);
}

/* Two files of one call that would have the same document keep their extensions: talk.mp3.srt, talk.wav.srt. */
static bool is_taken_twice(const options *o, const char *word)
{
    const char *a, *b;
    size_t n, m, same = 0;
    base_name(word, false, &a, &n);
    for (size_t i = 0; i < o->n_words; i++) {
        base_name(o->words[i], false, &b, &m);
        same += n == m && memcmp(a, b, n) == 0;
    }
    return same > 1;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static char *join(const char *dir, const char *name, size_t len, const char *extension, const char *tail)
{
    size_t n = strlen(dir) + len + strlen(extension) + strlen(tail) + 3;
    char *path = malloc(n);
    if (path)
        snprintf(path, n, "%s/%.*s.%s%s", dir, (int)len, name, extension, tail);
    return path;
}

static int open_document(work *w, const char *word)
{
    const options *o = w->o;
    const char *name;
    size_t len;
    w->f = stdout;
    if (!o->output_dir)
        return 0;
    base_name(word, is_taken_twice(o, word), &name, &len);
    if (mkdir(o->output_dir, 0777) != 0 && errno != EEXIST)
        return complain(o->output_dir, strerror(errno), errno == EACCES ? 77 : 74);
    w->path = join(o->output_dir, name, len, extensions[o->form], "");
    w->part = join(o->output_dir, name, len, extensions[o->form], ".part");
    if (!w->path || !w->part)
        return complain(word, "out of memory", 75);
    for (size_t i = 0; i < o->n_words; i++)
        if (is_same_file(w->path, o->words[i]))
            return complain(w->path, "the transcript would be written over a file that is to be heard", 2);
    w->f = fopen(w->part, "wb");
    return w->f ? 0 : complain(w->part, strerror(errno), errno == EACCES ? 77 : errno == ENOENT ? 66 : 74);
}

/* keep: what is there is worth its name. */
static int close_document(work *w, bool keep)
{
    int rc = 0;
    if (!w->path) {
        if (w->write_failed)
            rc = complain("standard output", strerror(w->write_errno), 74);
    } else if (w->f) {
        if (fclose(w->f) != 0 && !w->write_failed) {
            w->write_failed = true;
            w->write_errno = errno;
        }
        if (w->write_failed)
            rc = complain(w->part, strerror(w->write_errno), 74);
        else if (!keep)
            remove(w->part);
        else if (rename(w->part, w->path) != 0)
            rc = complain(w->path, strerror(errno), 74);
    }
    free(w->path);
    free(w->part);
    w->path = w->part = NULL;
    w->f = NULL;
    w->write_failed = false;
    return rc;
}

/* ---- files ---- */

static void head_line(work *w, const char *word, bool is_first)
{
    if (w->o->n_words < 2 || w->path || w->o->form != TESSERA_TRANSCRIPT_TXT)
        return;
    const char *pieces[] = {is_first ? "" : "\n", "==> ", is_stdin(word) ? "standard input" : word, " <==\n"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        write_text(w, pieces[i], strlen(pieces[i]));
}

static int transcribe_one(tessera_model *m, work *w, const char *word, bool is_first)
{
    const options *o = w->o;
    tessera_error err = {0};
    tessera_transcript facts = {0};
    tessera_sound sound = {.path = word};
    tessera_transcribe_opts to = {.language = o->language, .translate = o->translate, .prompt = o->prompt,
                                  .form = o->form, .window = o->window, .overlap = o->overlap, .pause = o->pause,
                                  .all_sound = o->all_sound};
    int rc = open_document(w, word);
    if (!rc) {
        if (is_stdin(word)) {
            look_at_stdin(&w->in);
            sound = (tessera_sound){.path = "standard input", .read = read_stdin, .read_user = &w->in,
                                    .rate = (unsigned)o->rate};
        }
        head_line(w, word, is_first);
        tessera_transcribe(m, &sound, &o->rq, &to, on_event, w, &facts, NULL, &err);
        w->in.is_open = false;
        terminal_wipe(w->t);
        if (err.status != TESSERA_OK)
            rc = complain(err.text[0] ? err.text : tessera_status_name(err.status), NULL,
                          tessera_exit_code(err.status));
        else if (facts.n_failed && !facts.cancelled)
            rc = tessera_exit_code(TESSERA_ERR_DATA);
    }
    int closed = close_document(w, facts.seconds > 0);
    return closed ? closed : rc;
}

int transcribe_files(tessera_model *m, options *o, terminal *t)
{
    work w = {.o = o, .t = t};
    int rc = 0;
    o->rq.parts = o->parts; /* system texts */
    o->rq.n_parts = o->n_parts;
    for (size_t i = 0; i < o->n_words && !terminal_interrupted; i++) {
        int one = transcribe_one(m, &w, o->words[i], i == 0);
        rc = rc ? rc : one;
    }
    free(w.in.at);
    return terminal_interrupted ? 130 : rc;
}
