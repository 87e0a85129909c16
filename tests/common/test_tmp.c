/* test_tmp.c: temporary folders and whole files for tests, by plain POSIX calls. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "test_tmp.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int ok, const char *what, const char *path)
{
    if (!ok) {
        perror(path);
        fprintf(stderr, "test helper: cannot %s %s\n", what, path);
        exit(EXIT_FAILURE);
    }
}

void *must_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    must(q != NULL, "allocate for", "a test");
    return q;
}

char *test_tmp_make(void)
{
    const char *base = getenv("TMPDIR");
    size_t cap = strlen(base ? base : "/tmp") + 32;
    char *dir = must_realloc(NULL, cap);
    snprintf(dir, cap, "%s/tessera-test-XXXXXX", base ? base : "/tmp");
    must(mkdtemp(dir) != NULL, "make", dir);
    return dir;
}

static int remove_one(const char *path, const struct stat *sb, int kind, struct FTW *at)
{
    (void)sb;
    (void)kind;
    (void)at;
    return remove(path);
}

void test_tmp_remove(char *dir)
{
    if (!dir)
        return;
    must(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, "remove", dir);
    free(dir);
}

size_t test_tmp_count(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    must(d != NULL, "list", dir);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* . and .. */
}

const char *test_path(const char *dir, const char *name)
{
    static char ring[4][4096];
    static unsigned at;
    char *p = ring[at++ % 4];
    must(snprintf(p, sizeof ring[0], "%s/%s", dir, name) < (int)sizeof ring[0], "name", name);
    return p;
}

void test_write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    must(f != NULL, "create", path);
    must(len == 0 || fwrite(data, 1, len, f) == len, "write", path);
    must(fclose(f) == 0, "close", path);
}

unsigned char *test_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    must(f != NULL, "open", path);
    must(fseek(f, 0, SEEK_END) == 0, "seek in", path);
    long size = ftell(f);
    must(size >= 0 && fseek(f, 0, SEEK_SET) == 0, "seek in", path);
    unsigned char *data = must_realloc(NULL, (size_t)size + 1);
    must(fread(data, 1, (size_t)size, f) == (size_t)size, "read", path);
    fclose(f);
    data[size] = 0;
    *len = (size_t)size;
    return data;
}

void *test_read_npy(const char *path, size_t *n)
{
    size_t len;
    unsigned char *bytes = test_read_file(path, &len);
    must(len >= 10, "find a header in", path);
    size_t head = 10 + (size_t)bytes[8] + 256 * (size_t)bytes[9];
    must(len >= head, "find numbers in", path);
    memmove(bytes, bytes + head, len - head);
    *n = (len - head) / 4;
    return bytes;
}
