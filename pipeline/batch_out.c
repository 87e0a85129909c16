/* batch_out.c: lock, read, cut, append, sync.
 *
 * A killed process can tear the last line only, since each is one write at the end. A power cut can lose any part of
 * what was not synced: such parts read as NUL bytes, which no answer holds. */
#include "batch_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feed.h"
#include "tsr_clock.h"

/* Answers are no longer than a context makes them. */
enum { MOST_LINE_BYTES = 1 << 30, SYNC_EVERY_S = 2 };

static const char head[] = "{\"id\":"; /* of every answer */

/* ---- opening ---- */

static tsr_status check_file(const tsri_batch_out *o, int in, tsr_error *err)
{
    struct stat a, b;
    if (fstat(o->fd, &a) != 0 || fstat(in, &b) != 0)
        return tsr_fail_errno(err, o->path, "cannot be examined");
    if (!S_ISREG(a.st_mode))
        return tsr_fail(err, TSR_ERR_USAGE,
                        "%s: is not a regular file, which answers need so that work can go on after a kill", o->path);
    if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: is the manifest itself", o->path);
    return TSR_OK;
}

static tsr_status lock(const tsri_batch_out *o, tsr_error *err)
{
    int rc;
    do
        rc = flock(o->fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return TSR_OK;
    if (errno == EWOULDBLOCK)
        return tsr_fail(err, TSR_ERR_BUSY, "%s: another process is writing to it", o->path);
    return tsr_fail_errno(err, o->path, "cannot be locked");
}

tsr_status tsri_batch_out_open(tsri_batch_out *o, const char *path, int in, bool restart, tsr_error *err)
{
    *o = (tsri_batch_out){.path = path, .synced_at = tsr_clock_s()};
    o->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (o->fd < 0)
        return tsr_fail_errno(err, path, "cannot be opened");
    tsr_status st = check_file(o, in, err);
    if (st == TSR_OK)
        st = lock(o, err);
    if (st == TSR_OK && restart && ftruncate(o->fd, 0) != 0)
        st = tsr_fail_errno(err, path, "cannot be emptied");
    if (st != TSR_OK) {
        close(o->fd);
        o->fd = -1;
    }
    return st;
}

/* ---- what is there ---- */

static bool begins_like_an_answer(const tsri_feed_line *line)
{
    size_t n = line->len < sizeof head - 1 ? line->len : sizeof head - 1;
    return memcmp(line->at, head, n) == 0 || line->at[0] == '\0';
}

/* Without its newline, or with lost parts in it. */
static bool is_torn(const tsri_feed_line *line)
{
    return begins_like_an_answer(line) && (!line->has_end || memchr(line->at, '\0', line->len));
}

static tsr_status read_line(const tsri_batch_out *o, const tsri_feed_line *line, tsri_batch_seen_fn *fn, void *user,
                            tsr_error *err)
{
    tsr_json *answer = NULL;
    tsr_error json = {TSR_OK, ""};
    tsr_status st = line->too_long ? TSR_ERR_DATA : tsr_json_parse(&answer, line->at, line->len, o->path, &json);
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(err, st, "%s", json.text);
    if (st != TSR_OK || !line->has_end || !tsr_json_is_object(answer) || line->len < sizeof head - 1 ||
        !begins_like_an_answer(line))
        st = tsr_fail(err, TSR_ERR_DATA,
                      "%s: line %zu is no answer of a batch: give another file, or --restart to begin anew", o->path,
                      line->number);
    else
        st = fn(user, answer, line->number, err);
    tsr_json_free(answer);
    return st;
}

static tsr_status cut(tsri_batch_out *o, tsr_error *err)
{
    if (ftruncate(o->fd, (off_t)o->size) != 0)
        return tsr_fail_errno(err, o->path, "cannot be cut after its last whole line");
    return TSR_OK;
}

tsr_status tsri_batch_out_read(tsri_batch_out *o, tsri_batch_seen_fn *fn, void *user, int64_t *n_cut, tsr_error *err)
{
    tsri_feed feed = tsri_feed_begin(o->fd, o->path, MOST_LINE_BYTES);
    tsri_feed_line line;
    struct stat sb;
    bool got, torn = false;
    *n_cut = 0;
    tsr_status st = tsri_feed_next(&feed, &line, &got, err);
    while (st == TSR_OK && got && !torn) {
        torn = line.len > 0 && is_torn(&line);
        if (!torn)
            st = read_line(o, &line, fn, user, err);
        if (st == TSR_OK && !torn) {
            o->size = line.offset + (int64_t)line.len + 1;
            st = tsri_feed_next(&feed, &line, &got, err);
        }
    }
    tsri_feed_deinit(&feed);
    if (st != TSR_OK || !torn)
        return st;
    if (fstat(o->fd, &sb) != 0)
        return tsr_fail_errno(err, o->path, "cannot be examined");
    *n_cut = (int64_t)sb.st_size - o->size;
    return cut(o, err);
}

/* ---- appending ---- */

static tsr_status sync_now(tsri_batch_out *o, tsr_error *err)
{
    if (o->dirty && fdatasync(o->fd) != 0)
        return tsr_fail_errno(err, o->path, "cannot be synced");
    o->dirty = false;
    o->synced_at = tsr_clock_s();
    return TSR_OK;
}

/* The system may take less than all of it only when it cannot take the rest: then the part is taken back. */
tsr_status tsri_batch_out_add(tsri_batch_out *o, const char *line, size_t len, tsr_error *err)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(o->fd, line + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            tsr_status st = tsr_fail_errno(err, o->path, "cannot be written");
            if (done)
                cut(o, NULL); /* if this fails too, the next run does it */
            return st;
        }
        done += (size_t)n;
    }
    o->size += (int64_t)len;
    o->dirty = true;
    return tsr_clock_s() - o->synced_at >= SYNC_EVERY_S ? sync_now(o, err) : TSR_OK;
}

tsr_status tsri_batch_out_close(tsri_batch_out *o, tsr_error *err)
{
    if (o->fd < 0)
        return TSR_OK;
    tsr_status st = sync_now(o, err);
    if (close(o->fd) != 0 && st == TSR_OK)
        st = tsr_fail_errno(err, o->path, "cannot be closed");
    o->fd = -1;
    return st;
}
