/* source.c: bytes of a file by pread, or of memory. What cannot be read at any place twice (pipes,
 * standard input) is taken into memory whole. */
#include "source_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

struct tsr_source {
    int fd;                    /* -1: memory */
    const unsigned char *data; /* memory, else NULL */
    unsigned char *owned;      /* what was spooled, freed by the close */
    uint64_t size;
    char *name;
};

static tsr_source *new_source(const char *name)
{
    tsr_source *s = tsr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fd = -1;
    s->name = tsr_strdup(name);
    if (!s->name) {
        tsr_free(s);
        return NULL;
    }
    return s;
}

static tsr_status spool(tsr_source *s, const char *path, size_t max_spool, tsr_error *err)
{
    size_t len;
    tsr_status st = tsr_file_read(&s->owned, &len, path, max_spool, err);
    if (st != TSR_OK)
        return st;
    s->data = s->owned;
    s->size = len;
    return TSR_OK;
}

static tsr_status open_regular(tsr_source *s, const char *path, tsr_error *err)
{
    struct stat sb;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0)
        return tsr_fail_errno(err, path, "cannot be opened");
    if (fstat(s->fd, &sb) != 0)
        return tsr_fail_errno(err, path, "cannot be examined");
    if (!S_ISREG(sb.st_mode))
        return tsr_fail(err, TSR_ERR_NOINPUT, "%s: is not a regular file", path);
    s->size = (uint64_t)sb.st_size;
    return TSR_OK;
}

tsr_status tsr_source_open(tsr_source **out, const char *path, size_t max_spool, tsr_error *err)
{
    struct stat sb;
    bool is_stdin = strcmp(path, "-") == 0;
    *out = NULL;
    tsr_source *s = new_source(is_stdin ? "standard input" : path);
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    tsr_status st;
    if (!is_stdin && stat(path, &sb) != 0)
        st = tsr_fail_errno(err, path, "cannot be opened");
    else if (!is_stdin && S_ISREG(sb.st_mode))
        st = open_regular(s, path, err);
    else
        st = spool(s, path, max_spool, err);
    if (st != TSR_OK) {
        tsr_source_close(s);
        return st;
    }
    *out = s;
    return TSR_OK;
}

tsr_status tsr_source_open_memory(tsr_source **out, const void *data, size_t len, const char *name, tsr_error *err)
{
    *out = NULL;
    tsr_source *s = new_source(name ? name : "memory");
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name ? name : "memory");
    s->data = data;
    s->size = len;
    *out = s;
    return TSR_OK;
}

void tsr_source_close(tsr_source *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    tsr_free(s->owned);
    tsr_free(s->name);
    tsr_free(s);
}

const char *tsr_source_name(const tsr_source *s)
{
    return s->name;
}

uint64_t tsr_source_size(const tsr_source *s)
{
    return s->size;
}

tsr_status tsr_source_read(const tsr_source *s, uint64_t at, void *buf, size_t n, size_t *got, tsr_error *err)
{
    unsigned char *p = buf;
    *got = 0;
    if (at >= s->size)
        return TSR_OK;
    if (n > s->size - at)
        n = (size_t)(s->size - at);
    if (s->fd < 0) {
        if (n > 0)
            memcpy(buf, s->data + at, n);
        *got = n;
        return TSR_OK;
    }
    while (*got < n) {
        ssize_t r = pread(s->fd, p + *got, n - *got, (off_t)(at + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return tsr_fail_errno(err, s->name, "cannot be read");
        if (r == 0)
            break; /* it has become shorter */
        *got += (size_t)r;
    }
    return TSR_OK;
}

/* ---- a descriptor for another program ---- */

static tsr_status write_all(int fd, const unsigned char *p, uint64_t len, const char *name, tsr_error *err)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len > 1u << 30 ? 1u << 30 : (size_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tsr_fail_errno(err, name, "cannot be copied into a temporary file");
        p += n;
        len -= (uint64_t)n;
    }
    return TSR_OK;
}

static tsr_status open_nameless(int *fd, const char *name, tsr_error *err)
{
    const char *dir = getenv("TMPDIR");
    char *path = tsr_path_join(dir && dir[0] == '/' ? dir : "/tmp", "tessera-XXXXXX");
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    tsr_status st = TSR_OK;
    *fd = mkstemp(path);
    if (*fd < 0)
        st = tsr_fail_errno(err, path, "temporary file cannot be made");
    else if (unlink(path) != 0 || fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0)
        st = tsr_fail_errno(err, path, "temporary file cannot be set up");
    tsr_free(path);
    return st;
}

tsr_status tsri_source_dup_fd(const tsr_source *s, int *fd, tsr_error *err)
{
    if (s->fd >= 0) {
        *fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
        return *fd >= 0 ? TSR_OK : tsr_fail_errno(err, s->name, "descriptor cannot be copied");
    }
    *fd = -1;
    tsr_status st = open_nameless(fd, s->name, err);
    if (st == TSR_OK)
        st = write_all(*fd, s->data, s->size, s->name, err);
    if (st != TSR_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return st;
}
