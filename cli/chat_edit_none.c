/* chat_edit_none.c: a build without libedit. Lines are then edited as the terminal itself does it. */
#include "chat_edit.h"

chat_edit *chat_edit_open(const char *history)
{
    (void)history;
    return NULL;
}

void chat_edit_close(chat_edit *e)
{
    (void)e;
}

chat_line_kind chat_edit_read(chat_edit *e, bool more, const char **line, size_t *len)
{
    (void)e, (void)more, (void)line, (void)len;
    return CHAT_END;
}
