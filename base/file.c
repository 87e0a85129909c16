/* file.c: whole files, mapped or read, and the replace that leaves the old file whole on failure. */
#define _DEFAULT_SOURCE /* madvise */
#include "file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tsr_alloc.h"

enum { MAX_TMP_NAMES = 64 };

/* Open a regular file (or, where allowed, anything readable that is no directory). */
static tsr_status open_file(int *fd, off_t *size, const char *path, bool regular_only, tsr_error *err)
{
    struct stat sb;
    *fd = open(path, O_RDONLY | O_CLOEXEC | (regular_only ? O_NONBLOCK : 0));
    if (*fd < 0)
        return tsr_fail_errno(err, path, "cannot be opened");
    tsr_status st = TSR_OK;
    if (fstat(*fd, &sb) != 0)
        st = tsr_fail_errno(err, path, "cannot be examined");
    else if (S_ISDIR(sb.st_mode))
        st = tsr_fail(err, TSR_ERR_NOINPUT, "%s: is a folder, not a file", path);
    else if (regular_only && !S_ISREG(sb.st_mode))
        st = tsr_fail(err, TSR_ERR_NOINPUT, "%s: is not a regular file", path);
    if (st != TSR_OK) {
        close(*fd);
        *fd = -1;
        return st;
    }
    *size = S_ISREG(sb.st_mode) ? sb.st_size : -1;
    return TSR_OK;
}

tsr_status tsr_file_map(tsr_mapping *out, const char *path, tsr_error *err)
{
    int fd;
    off_t size = 0;
    memset(out, 0, sizeof *out);
    tsr_status st = open_file(&fd, &size, path, true, err);
    if (st != TSR_OK)
        return st;
    if (size > 0) {
        void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            st = tsr_fail_errno(err, path, "cannot be mapped");
        } else {
            out->base = p;
            out->bytes.data = p;
            out->bytes.len = (size_t)size;
        }
    }
    close(fd);
    return st;
}

void tsr_file_unmap(tsr_mapping *m)
{
    if (m->base)
        munmap(m->base, m->bytes.len);
    memset(m, 0, sizeof *m);
}

void tsr_file_let_go(const void *bytes, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), into = (uintptr_t)bytes % page;
    if (n > 0)
        madvise((unsigned char *)(uintptr_t)bytes - into, n + into, MADV_DONTNEED); /* where that can't be they stay */
}

/* Grow by doubling up to max_bytes; a full buffer is probed with one byte, which tells the end of the
 * file from one that is too long. */
static tsr_status read_all(int fd, unsigned char **out, size_t *len, size_t hint, const char *path, size_t max_bytes,
                           tsr_error *err)
{
    size_t cap = hint < max_bytes ? hint + 1 : max_bytes, n = 0;
    tsr_status st = TSR_OK;
    unsigned char *buf = tsr_alloc(cap + 1);
    if (!buf)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", path, cap);
    for (;;) {
        unsigned char probe;
        bool full = n == cap;
        ssize_t got = full ? read(fd, &probe, 1) : read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            st = tsr_fail_errno(err, path, "cannot be read");
            break;
        }
        if (got == 0)
            break;
        if (!full) {
            n += (size_t)got;
            continue;
        }
        if (cap >= max_bytes) {
            st = tsr_fail(err, TSR_ERR_LIMIT, "%s: longer than the limit of %zu bytes", path, max_bytes);
            break;
        }
        size_t grown = cap < max_bytes / 2 ? cap * 2 : max_bytes; /* cap >= 1: 0 has met the limit above */
        unsigned char *more = tsr_realloc(buf, grown + 1);
        if (!more) {
            st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", path, grown);
            break;
        }
        buf = more;
        cap = grown;
        buf[n++] = probe;
    }
    if (st != TSR_OK) {
        tsr_free(buf);
        return st;
    }
    buf[n] = 0;
    *out = buf;
    *len = n;
    return TSR_OK;
}

tsr_status tsr_file_read(unsigned char **out, size_t *len, const char *path, size_t max_bytes, tsr_error *err)
{
    int fd;
    off_t size = -1;
    *out = NULL;
    *len = 0;
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, out, len, 65536, "standard input", max_bytes, err);
    tsr_status st = open_file(&fd, &size, path, false, err);
    if (st != TSR_OK)
        return st;
    if (size >= 0 && (unsigned long long)size > max_bytes)
        st = tsr_fail(err, TSR_ERR_LIMIT, "%s: %lld bytes, the limit is %zu", path, (long long)size, max_bytes);
    else
        st = read_all(fd, out, len, size > 0 ? (size_t)size : 65536, path, max_bytes, err);
    close(fd);
    return st;
}

tsr_status tsri_file_write(int fd, const void *data, size_t len, const char *path, tsr_error *err)
{
    const unsigned char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tsr_fail_errno(err, path, "cannot be written");
        p += n;
        len -= (size_t)n;
    }
    return TSR_OK;
}

/* What an earlier run left behind, or another thread is writing, is passed over by the next name. */
tsr_status tsri_file_create_beside(int *fd, char **tmp, const char *path, tsr_error *err)
{
    size_t cap = strlen(path) + 48;
    *fd = -1;
    *tmp = tsr_alloc(cap);
    if (!*tmp)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    for (int i = 0; i < MAX_TMP_NAMES; i++) {
        snprintf(*tmp, cap, "%s.%ld-%d.tmp", path, (long)getpid(), i);
        *fd = open(*tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0)
            return TSR_OK;
        if (errno != EEXIST)
            break;
    }
    tsr_status st = tsr_fail_errno(err, path, "cannot be created");
    tsr_free(*tmp);
    *tmp = NULL;
    return st;
}

tsr_status tsri_file_reserve(int fd, size_t len, const char *path, tsr_error *err)
{
    int e = len > INT64_MAX ? EFBIG : posix_fallocate(fd, 0, (off_t)len);
    if (e != ENOSPC && e != EFBIG && e != EDQUOT)
        return TSR_OK; /* a file system that cannot reserve is none that is full */
    errno = e;
    return tsr_fail_errno(err, path, "cannot be written");
}

tsr_status tsri_file_sync(int fd, const char *path, tsr_error *err)
{
    return fsync(fd) == 0 ? TSR_OK : tsr_fail_errno(err, path, "cannot be synced");
}

/* The new name is safe only when its folder is; where a folder cannot be synced, that is the system's way. */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? tsr_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : tsr_strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    tsr_free(dir);
}

tsr_status tsri_file_place(const char *tmp, const char *path, tsr_error *err)
{
    if (rename(tmp, path) != 0)
        return tsr_fail_errno(err, path, "cannot be renamed into place");
    sync_folder_of(path);
    return TSR_OK;
}

tsr_status tsr_file_replace(const char *path, const void *data, size_t len, tsr_error *err)
{
    char *tmp;
    int fd;
    tsr_status st = tsri_file_create_beside(&fd, &tmp, path, err);
    if (st != TSR_OK)
        return st;
    st = tsri_file_write(fd, data, len, path, err);
    if (st == TSR_OK)
        st = tsri_file_sync(fd, path, err);
    if (close(fd) != 0 && st == TSR_OK)
        st = tsr_fail_errno(err, path, "cannot be closed");
    if (st == TSR_OK)
        st = tsri_file_place(tmp, path, err);
    if (st != TSR_OK)
        unlink(tmp);
    tsr_free(tmp);
    return st;
}

bool tsr_file_is_dir(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

bool tsr_file_exists(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0;
}

bool tsr_file_is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

char *tsr_path_join(const char *dir, const char *name)
{
    size_t a = strlen(dir), b = strlen(name);
    char *p = tsr_alloc(a + b + 2);
    if (p)
        snprintf(p, a + b + 2, "%s%s%s", dir, a > 0 && dir[a - 1] == '/' ? "" : "/", name);
    return p;
}
