/* chat_line.c: see the header. */
#include "chat_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "chat_edit.h"
#include "terminal.h"

enum { MOST = 64 << 20 }; /* bytes of a line */

struct chat_line {
    bool is_terminal;
    chat_edit *edit;   /* NULL: lines come by getline */
    char *history;     /* its file */
    char *line;        /* of getline */
    size_t cap;
    char *whole;       /* lines put together, [room] */
    size_t len, room;
};

/* $XDG_STATE_HOME/tessera/history, its folder made; NULL: there is no such place. */
static char *history_file(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char path[4096];
    bool by_home = !state || *state != '/';
    if (by_home && (!home || *home != '/'))
        return NULL;
    int n = snprintf(path, sizeof path, "%s%s/tessera/history", by_home ? home : state, by_home ? "/.local/state" : "");
    if (n < 0 || (size_t)n >= sizeof path)
        return NULL;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return NULL;
        *slash = '/';
    }
    return strdup(path);
}

chat_line *chat_line_open(bool is_terminal)
{
    chat_line *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->is_terminal = is_terminal;
    if (is_terminal) {
        l->history = history_file();
        l->edit = chat_edit_open(l->history);
    }
    return l;
}

void chat_line_close(chat_line *l)
{
    if (!l)
        return;
    chat_edit_close(l->edit);
    free(l->history);
    free(l->line);
    free(l->whole);
    free(l);
}

static chat_line_kind plain(chat_line *l, bool more, const char **line, size_t *len)
{
    if (l->is_terminal) {
        fputs(more ? ". " : "> ", stdout);
        fflush(stdout);
    }
    errno = 0;
    int ready = l->is_terminal ? 0 : 1;
    while (ready == 0)
        ready = terminal_wait_input();
    ssize_t n = ready < 0 ? -1 : getline(&l->line, &l->cap, stdin);
    if (n > 0) {
        *line = l->line;
        *len = (size_t)n;
        return CHAT_LINE;
    }
    if (terminal_interrupted) {
        clearerr(stdin);
        if (l->is_terminal)
            fputs("\n", stdout);
        return CHAT_INTERRUPTED;
    }
    if (feof(stdin))
        return CHAT_END;
    fprintf(stderr, "tessera: standard input: %s\n", strerror(errno));
    return CHAT_FAILED;
}

static bool append(chat_line *l, const char *s, size_t n)
{
    if (n > MOST - l->len) {
        fprintf(stderr, "tessera: standard input: a line of more than %d bytes\n", MOST);
        return false;
    }
    if (l->len + n + 1 > l->room) {
        size_t room = 2 * (l->len + n + 1);
        char *grown = realloc(l->whole, room);
        if (!grown) {
            fprintf(stderr, "tessera: standard input: out of memory\n");
            return false;
        }
        l->whole = grown;
        l->room = room;
    }
    memcpy(l->whole + l->len, s, n);
    l->len += n;
    l->whole[l->len] = '\0';
    return true;
}

chat_line_kind chat_line_read(chat_line *l, const char **line)
{
    l->len = 0;
    for (bool more = false;; more = true) {
        const char *s;
        size_t n = 0;
        chat_line_kind kind = l->edit ? chat_edit_read(l->edit, more, &s, &n) : plain(l, more, &s, &n);
        if (kind == CHAT_END && more)
            break; /* nothing came after the backslash */
        if (kind != CHAT_LINE)
            return kind;
        while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
            n--;
        bool goes_on = n && s[n - 1] == '\\';
        if (!append(l, s, goes_on ? n - 1 : n) || (goes_on && !append(l, "\n", 1)))
            return CHAT_FAILED;
        if (!goes_on)
            break;
    }
    *line = l->whole;
    return CHAT_LINE;
}
