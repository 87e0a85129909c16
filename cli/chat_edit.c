/* chat_edit.c: libedit. Ctrl-C is a key of the line here; while the model answers the terminal is as ever and the signal comes,
 * and so it may just before libedit sets the terminal. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "chat_edit.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "terminal.h"

enum { REMEMBERED = 1000, END_KEY = 4 /* Ctrl-D */ };

struct chat_edit {
    EditLine *el;
    History *lines;
    const char *file;
    bool stopped, had_text, more;
    unsigned columns; /* of the terminal, 0: not known yet */
};

static char *prompt(EditLine *el)
{
    static char first[] = "> ", next[] = ". ";
    chat_edit *e;
    el_get(el, EL_CLIENTDATA, &e);
    return e->more ? next : first;
}

/* Columns from the prompt's first to `end` in the line. */
static size_t columns_to(EditLine *el, const wchar_t *end)
{
    size_t n = strlen(prompt(el));
    for (const wchar_t *c = el_wline(el)->buffer; c < end; c++) {
        int width = wcwidth(*c);
        n += width > 0 ? (size_t)width : 0;
    }
    return n;
}

/* What was typed stays on the screen, and ^C stands behind it. */
static unsigned char stop(EditLine *el, int key)
{
    chat_edit *e;
    const LineInfoW *l = el_wline(el);
    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    e->stopped = true;
    e->had_text = l->lastchar > l->buffer;
    if (e->columns) {
        size_t at = columns_to(el, l->cursor), end = columns_to(el, l->lastchar);
        size_t down = end / e->columns - at / e->columns, right = end % e->columns;
        if (down)
            printf("\033[%zuB", down);
        putchar('\r');
        if (right)
            printf("\033[%zuC", right);
    }
    return CC_NEWLINE;
}

/* Terminals that break lines anew leave the cursor in the row of its column; the line is drawn again from its beginning. */
static void follow_size(chat_edit *e)
{
    struct winsize now;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_col == e->columns)
        return;
    bool was_known = e->columns != 0;
    e->columns = now.ws_col;
    if (!was_known)
        return;
    size_t up = columns_to(e->el, el_wline(e->el)->cursor) / e->columns;
    if (up)
        printf("\033[%zuA", up);
    fputs("\r\033[J", stdout);
    fflush(stdout);
    el_resize(e->el);
    el_set(e->el, EL_REFRESH);
}

/* A byte: 1, 0 at the end of the input, -1. */
static int get_byte(chat_edit *e, char *out)
{
    for (;;) {
        int ready = terminal_wait_input();
        if (ready < 0)
            return -1;
        follow_size(e);
        if (ready == 0)
            continue;
        ssize_t got = read(STDIN_FILENO, out, 1);
        if (got >= 0 || errno != EINTR)
            return (int)got;
    }
}

/* As libedit's own, but that a signal of ours ends it. */
static int get_char(EditLine *el, wchar_t *out)
{
    char bytes[MB_LEN_MAX];
    chat_edit *e;
    el_get(el, EL_CLIENTDATA, &e);
    for (size_t n = 0; n < sizeof bytes;) {
        mbstate_t state = {0};
        int got = get_byte(e, bytes + n);
        if (terminal_interrupted)
            stop(el, 0);
        if (got <= 0)
            return got;
        size_t used = mbrtowc(out, bytes, ++n, &state);
        if (used == (size_t)-2)
            continue; /* there is more of it */
        if (used == (size_t)-1)
            *out = L'?'; /* no character of this locale */
        if (used == 0)
            *out = END_KEY; /* so one that was pressed before libedit has set the terminal arrives */
        return 1;
    }
    return -1;
}

static bool set_up(chat_edit *e)
{
    HistEvent ev;
    e->el = el_init("tessera", stdin, stdout, stderr);
    e->lines = history_init();
    if (!e->el || !e->lines)
        return false;
    history(e->lines, &ev, H_SETSIZE, REMEMBERED);
    history(e->lines, &ev, H_SETUNIQUE, 1);
    if (e->file)
        history(e->lines, &ev, H_LOAD, e->file); /* not there yet the first time */
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, prompt);
    el_set(e->el, EL_GETCFN, get_char);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_HIST, history, e->lines);
    el_set(e->el, EL_ADDFN, "tessera-stop", "drop the line", stop);
    el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
    el_set(e->el, EL_BIND, "^C", "tessera-stop", NULL);
    el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    return true;
}

chat_edit *chat_edit_open(const char *file)
{
    setlocale(LC_CTYPE, ""); /* what is one character */
    chat_edit *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->file = file;
    if (set_up(e))
        return e;
    e->file = NULL;
    chat_edit_close(e);
    return NULL;
}

void chat_edit_close(chat_edit *e)
{
    HistEvent ev;
    if (!e)
        return;
    if (e->file) {
        mode_t was = umask(077);
        history(e->lines, &ev, H_SAVE, e->file);
        umask(was);
    }
    if (e->lines)
        history_end(e->lines);
    if (e->el)
        el_end(e->el);
    free(e);
}

chat_line_kind chat_edit_read(chat_edit *e, bool more, const char **line, size_t *len)
{
    HistEvent ev;
    int n = 0;
    e->stopped = false;
    e->more = more;
    *line = el_gets(e->el, &n);
    if (e->stopped) {
        fputs("^C\n", stdout);
        fflush(stdout);
        return e->had_text ? CHAT_DROPPED : CHAT_INTERRUPTED;
    }
    if (!*line || n <= 0)
        return CHAT_END;
    *len = (size_t)n;
    if (n > 1)
        history(e->lines, &ev, H_ENTER, *line);
    return CHAT_LINE;
}
