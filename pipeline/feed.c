/* feed.c: lines of a file through one buffer, which grows to the longest line and no further. */
#include "feed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tsr_alloc.h"

enum { PIECE = 64 << 10 };

tsri_feed tsri_feed_begin(int fd, const char *path, size_t max_line)
{
    return (tsri_feed){.fd = fd, .path = path, .max_line = max_line};
}

void tsri_feed_deinit(tsri_feed *f)
{
    tsr_free(f->buf);
    f->buf = NULL;
    f->cap = f->at = f->end = 0;
}

/* Room for one more piece behind what is kept. */
static tsr_status make_room(tsri_feed *f, tsr_error *err)
{
    if (f->at > 0) {
        memmove(f->buf, f->buf + f->at, f->end - f->at);
        f->end -= f->at;
        f->at = 0;
    }
    if (f->cap - f->end >= PIECE)
        return TSR_OK;
    size_t cap;
    if (!tsr_mul_size(&cap, f->cap, 2) || !tsr_add_size(&cap, cap, PIECE))
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: line %zu is too long", f->path, f->number + 1);
    char *grown = tsr_realloc(f->buf, cap);
    if (!grown)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: line %zu needs %zu bytes", f->path, f->number + 1, cap);
    f->buf = grown;
    f->cap = cap;
    return TSR_OK;
}

static tsr_status read_piece(tsri_feed *f, tsr_error *err)
{
    tsr_status st = make_room(f, err);
    while (st == TSR_OK) {
        ssize_t n = pread(f->fd, f->buf + f->end, f->cap - f->end, (off_t)f->read_to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tsr_fail(err, TSR_ERR_IO, "%s: line %zu: cannot be read (errno %d)", f->path, f->number + 1, errno);
        f->ended = n == 0;
        f->end += (size_t)n;
        f->read_to += n;
        break;
    }
    return st;
}

static void give(tsri_feed *f, tsri_feed_line *line, size_t len, bool too_long, bool has_end)
{
    f->number++;
    line->at = f->buf + f->at;
    line->len = too_long ? 0 : len;
    line->number = f->number;
    line->too_long = too_long;
    line->has_end = has_end;
    f->at += len + has_end;
}

tsr_status tsri_feed_next(tsri_feed *f, tsri_feed_line *line, bool *got, tsr_error *err)
{
    size_t seen = 0; /* bytes from f->at on that hold no newline */
    bool too_long = false;
    *got = false;
    *line = (tsri_feed_line){.offset = f->read_to - (int64_t)(f->end - f->at)};
    for (;;) {
        const char *newline = f->end > f->at + seen ? memchr(f->buf + f->at + seen, '\n', f->end - f->at - seen) : NULL;
        size_t len = newline ? (size_t)(newline - f->buf) - f->at : f->end - f->at;
        too_long = too_long || len > f->max_line;
        if (newline || f->ended) {
            *got = newline || len > 0 || too_long;
            if (*got)
                give(f, line, len, too_long, newline != NULL);
            return TSR_OK;
        }
        if (too_long) /* nothing of it is kept */
            f->at = f->end;
        seen = f->end - f->at;
        tsr_status st = read_piece(f, err);
        if (st != TSR_OK)
            return st;
    }
}

bool tsri_feed_is_blank(const tsri_feed_line *line)
{
    for (size_t i = 0; i < line->len; i++)
        if (line->at[i] != ' ' && line->at[i] != '\t' && line->at[i] != '\r')
            return false;
    return !line->too_long;
}
