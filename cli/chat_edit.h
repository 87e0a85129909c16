/* chat_edit.h: lines edited on a terminal, with a history: by libedit, where the build has it. */
#ifndef TSR_CLI_CHAT_EDIT_H
#define TSR_CLI_CHAT_EDIT_H

#include "chat_line.h"

typedef struct chat_edit chat_edit;

/* `history`: file of earlier lines, borrowed; NULL: none. NULL: this build can't, or memory is short. */
chat_edit *chat_edit_open(const char *history);
void chat_edit_close(chat_edit *e); /* writes the history, for its owner alone; NULL is fine */

/* As chat_line_read, of one line; `more`: it goes on from the last one. */
chat_line_kind chat_edit_read(chat_edit *e, bool more, const char **line, size_t *len);

#endif
