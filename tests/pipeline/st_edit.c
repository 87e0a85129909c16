/* st_edit.c: header edits by text; the data stays as it is and offsets count from the header's end. */
#include "st_edit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool st_edit_read(st_edit *e, const char *path)
{
    memset(e, 0, sizeof *e);
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    bool ok = fseek(f, 0, SEEK_END) == 0;
    long size = ok ? ftell(f) : -1;
    ok = size > 8 && fseek(f, 0, SEEK_SET) == 0;
    if (ok) {
        e->len = (size_t)size;
        e->file = malloc(e->len);
        ok = e->file && fread(e->file, 1, e->len, f) == e->len;
    }
    fclose(f);
    for (int i = 0; ok && i < 8; i++)
        e->header_len |= (size_t)e->file[i] << 8 * i;
    ok = ok && e->header_len <= e->len - 8;
    if (ok)
        e->header = calloc(e->header_len + 1, 1);
    if (!e->header)
        return false;
    memcpy(e->header, e->file + 8, e->header_len);
    return true;
}

void st_edit_free(st_edit *e)
{
    free(e->file);
    free(e->header);
    memset(e, 0, sizeof *e);
}

/* "name":{ of the i-th tensor; names of this format hold no escapes. */
bool st_edit_name(const st_edit *e, size_t i, char *name, size_t cap)
{
    const char *at = e->header;
    for (size_t seen = 0; (at = strstr(at, "\"dtype\"")) != NULL; at++, seen++) {
        if (seen != i)
            continue;
        const char *brace = at;
        while (brace > e->header && *brace != '{')
            brace--;
        const char *close = brace;
        while (close > e->header && *close != '"')
            close--;
        const char *open = close - 1;
        while (open > e->header && *open != '"')
            open--;
        size_t n = (size_t)(close - open - 1);
        if (n >= cap)
            return false;
        memcpy(name, open + 1, n);
        name[n] = '\0';
        return true;
    }
    return false;
}

static bool write_header(const st_edit *e, const char *path, const char *header, size_t n)
{
    size_t padded = (n + 7) / 8 * 8;
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    bool ok = true;
    for (int i = 0; i < 8; i++)
        ok = ok && fputc((int)(padded >> 8 * i & 255), f) != EOF;
    ok = ok && fwrite(header, 1, n, f) == n;
    for (size_t i = n; i < padded; i++)
        ok = ok && fputc(' ', f) != EOF;
    size_t data = 8 + e->header_len;
    ok = ok && fwrite(e->file + data, 1, e->len - data, f) == e->len - data;
    return fclose(f) == 0 && ok;
}

static char *find_name(const st_edit *e, const char *name)
{
    char quoted[600];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    return strstr(e->header, quoted);
}

static bool replace_at(const st_edit *e, const char *path, const char *at, size_t from_len, const char *to)
{
    size_t head = (size_t)(at - e->header), to_len = strlen(to), n = e->header_len - from_len + to_len;
    char *text = malloc(n + 1);
    if (!text)
        return false;
    memcpy(text, e->header, head);
    memcpy(text + head, to, to_len);
    memcpy(text + head + to_len, at + from_len, e->header_len - head - from_len);
    bool ok = write_header(e, path, text, n);
    free(text);
    return ok;
}

bool st_edit_write(const st_edit *e, const char *path, const char *name, const char *from, const char *to)
{
    const char *object = find_name(e, name);
    const char *end = object ? strchr(object, '}') : NULL;
    const char *at = object ? strstr(object, from) : NULL;
    if (!at || !end || at > end)
        return false;
    return replace_at(e, path, at, strlen(from), to);
}

bool st_edit_rename(const st_edit *e, const char *path, const char *name, const char *to)
{
    const char *at = find_name(e, name);
    return at && replace_at(e, path, at + 1, strlen(name), to);
}
