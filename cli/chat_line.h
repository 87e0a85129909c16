/* chat_line.h: what is said next in a chat: a line from a terminal, edited and remembered where the build can, or one from a
 * pipe. One thread. */
#ifndef TSR_CLI_CHAT_LINE_H
#define TSR_CLI_CHAT_LINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct chat_line chat_line;

typedef enum chat_line_kind {
    CHAT_LINE,        /* a line, without its end */
    CHAT_END,         /* of the input */
    CHAT_DROPPED,     /* Ctrl-C, and something had been typed, as far as that can be known */
    CHAT_INTERRUPTED, /* Ctrl-C, and nothing had been; or SIGTERM (terminal_interrupted) */
    CHAT_FAILED       /* told on stderr */
} chat_line_kind;

/* `is_terminal`: people sit there, who want a prompt. NULL: out of memory. */
chat_line *chat_line_open(bool is_terminal);
void chat_line_close(chat_line *l); /* writes the history; NULL is fine */

/* The next line, NUL-terminated, valid until the next call. A line that ends with a backslash goes on in the next one. */
chat_line_kind chat_line_read(chat_line *l, const char **line);

#endif
