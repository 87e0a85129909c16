/* feed.h: a file as lines, one after the other, in memory that one line needs. */
#ifndef TSR_FEED_H
#define TSR_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

typedef struct tsri_feed {
    int fd;           /* of a regular file, the owner's; its position is left alone */
    const char *path; /* in errors; borrowed */
    size_t max_line;  /* bytes */
    char *buf;
    size_t cap, at, end;
    int64_t read_to; /* offset in the file of buf[end] */
    size_t number;   /* of the last line given */
    bool ended;
} tsri_feed;

typedef struct tsri_feed_line {
    const char *at; /* [len] without its newline, until the next call */
    size_t len;
    size_t number;  /* from 1 */
    int64_t offset; /* of its first byte in the file */
    bool too_long;  /* more than max_line bytes: passed over, len is 0 */
    bool has_end;   /* a newline follows: only the last line may lack it */
} tsri_feed_line;

tsri_feed tsri_feed_begin(int fd, const char *path, size_t max_line);
void tsri_feed_deinit(tsri_feed *f);

/* The next line; *got is false at the end. TSR_ERR_IO, TSR_ERR_NOMEM. */
tsr_status tsri_feed_next(tsri_feed *f, tsri_feed_line *line, bool *got, tsr_error *err);

/* White space alone. */
bool tsri_feed_is_blank(const tsri_feed_line *line);

#endif
