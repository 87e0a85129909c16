/* input.c: a stream is read in doubling steps up to a limit; one byte more is an error, not a cut. */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *name, const char *why, int code)
{
    fprintf(stderr, "tessera: %s: %s\n", name, why);
    return code;
}

static int read_stream(FILE *f, const char *name, size_t max_bytes, char **out, size_t *len)
{
    size_t cap = 65536, n = 0;
    char *buf = malloc(cap + 1);
    while (buf) {
        n += fread(buf + n, 1, cap - n, f);
        if (n < cap)
            break;
        if (cap > max_bytes) {
            free(buf);
            return complain(name, "is longer than the limit", 65);
        }
        cap *= 2;
        char *grown = realloc(buf, cap + 1);
        if (!grown)
            free(buf);
        buf = grown;
    }
    if (!buf)
        return complain(name, "out of memory", 75);
    if (ferror(f)) {
        free(buf);
        return complain(name, strerror(errno), 74);
    }
    if (n > max_bytes) {
        free(buf);
        return complain(name, "is longer than the limit", 65);
    }
    buf[n] = '\0';
    *out = buf;
    *len = n;
    return 0;
}

int input_read(const char *path, size_t max_bytes, char **out, size_t *len)
{
    *out = NULL;
    *len = 0;
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", max_bytes, out, len);
    FILE *f = fopen(path, "rb");
    if (!f)
        return complain(path, strerror(errno), errno == ENOENT || errno == ENOTDIR ? 66 : errno == EACCES ? 77 : 74);
    int rc = read_stream(f, path, max_bytes, out, len);
    fclose(f);
    return rc;
}

char *input_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash && slash != path ? (size_t)(slash - path) : 1;
    char *folder = malloc(len + 1);
    if (!folder)
        return NULL;
    memcpy(folder, slash ? path : ".", len);
    folder[len] = '\0';
    return folder;
}

size_t input_order(tessera_part *to, const tessera_part *files, size_t n_files, const tessera_part *said, size_t n_said)
{
    size_t n = 0;
    for (size_t i = 0; i < n_files; i++)
        if (files[i].kind != TESSERA_PART_AUDIO)
            to[n++] = files[i];
    for (size_t i = 0; i < n_said; i++)
        to[n++] = said[i];
    for (size_t i = 0; i < n_files; i++)
        if (files[i].kind == TESSERA_PART_AUDIO)
            to[n++] = files[i];
    return n;
}
