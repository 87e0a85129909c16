/* part_source.c: paths, file: URLs and data: URLs (RFC 2397, RFC 4648, RFC 8089). */
#include "part_source.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

enum { MOST_SHOWN = 100 };

/* ---- base64 ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

tsr_status tsri_base64(unsigned char **out, size_t *n, const char *text, size_t len, const char *what, tsr_error *err)
{
    size_t pad = len > 1 && text[len - 1] == '=' ? text[len - 2] == '=' ? 2 : 1 : 0;
    *out = NULL;
    *n = 0;
    if (len == 0 || len % 4 != 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: %zu characters are no base64 (a multiple of 4)", what, len);
    unsigned char *bytes = tsr_alloc(len / 4 * 3);
    if (!bytes)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", what, len / 4 * 3);
    for (size_t i = 0; i < len; i += 4) {
        unsigned long word = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = i + k >= len - pad ? 0 : base64_digit(text[i + k]);
            if (digit < 0) {
                tsr_free(bytes);
                return tsr_fail(err, TSR_ERR_DATA, "%s: character %zu is not of base64", what, i + k);
            }
            word = word << 6 | (unsigned long)digit;
        }
        bytes[*n] = (unsigned char)(word >> 16);
        bytes[*n + 1] = (unsigned char)(word >> 8);
        bytes[*n + 2] = (unsigned char)word;
        *n += 3;
    }
    *n -= pad;
    *out = bytes;
    return TSR_OK;
}

tsr_status tsri_data_url(char **out, const void *bytes, size_t n, tsr_error *err)
{
    static const char head[] = "data:;base64,";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    size_t size = 0;
    *out = NULL;
    if (tsr_mul_size(&size, n / 3 + 1, 4) && tsr_add_size(&size, size, sizeof head))
        *out = tsr_alloc(size);
    if (!*out)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a data: URL of %zu bytes", n);
    memcpy(*out, head, sizeof head);
    char *to = *out + sizeof head - 1;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned long word = (unsigned long)from[i] << 16 | (left > 1 ? (unsigned long)from[i + 1] << 8 : 0) |
                             (left > 2 ? from[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            *to++ = k > left ? '=' : digits[word >> (18 - 6 * k) & 63];
    }
    *to = '\0';
    return TSR_OK;
}

static bool begins(const char *text, const char *with)
{
    for (; *with; text++, with++)
        if (tolower((unsigned char)*text) != *with)
            return false;
    return true;
}

static tsr_status read_data_url(const char *text, unsigned char **data, size_t *len, tsr_error *err)
{
    static const char mark[] = ";base64";
    const char *comma = strchr(text, ',');
    size_t head = comma ? (size_t)(comma - text) : 0;
    if (!comma)
        return tsr_fail(err, TSR_ERR_DATA, "a data: URL without its ',' (%.40s)", text);
    if (head < sizeof mark - 1 || !begins(comma - (sizeof mark - 1), mark))
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "a data: URL that is not ;base64 (%.*s)", head < 40 ? (int)head : 40,
                        text);
    return tsri_base64(data, len, comma + 1, strlen(comma + 1), "data: URL", err);
}

/* ---- paths ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What stands after "file:": "///path" or "//localhost/path", with %20 and the like. */
static tsr_status read_file_url(const char *rest, char **path, tsr_error *err)
{
    const char *from = begins(rest, "//localhost/") ? rest + 11 : begins(rest, "///") ? rest + 2 : NULL;
    if (!from)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "file:%.*s is not file:///PATH", MOST_SHOWN, rest);
    char *to = *path = tsr_alloc(strlen(from) + 1);
    if (!to)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a path");
    while (*from) {
        int high = *from == '%' ? hex_digit(from[1]) : 0, low = *from == '%' && high >= 0 ? hex_digit(from[2]) : 0;
        if (high < 0 || low < 0 || (*from == '%' && high + low == 0)) {
            tsr_free(*path);
            *path = NULL;
            return tsr_fail(err, TSR_ERR_DATA, "file:%.*s: '%%' without two digits that are not 00", MOST_SHOWN, rest);
        }
        *to++ = *from == '%' ? (char)(high * 16 + low) : *from;
        from += *from == '%' ? 3 : 1;
    }
    *to = '\0';
    return TSR_OK;
}

/* Length of "https" in "https://..."; 0: it is no URL. */
static size_t scheme_len(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (n && text[n] && strchr("+.-", text[n])))
        n++;
    return n && isalpha((unsigned char)text[0]) && strncmp(text + n, "://", 3) == 0 ? n : 0;
}

tsr_status tsri_part_source(const char *text, const char *dir, char **path, unsigned char **data, size_t *len,
                             tsr_error *err)
{
    size_t scheme = scheme_len(text), shown = strcspn(text, "?#"); /* what follows may be a secret */
    *path = NULL;
    *data = NULL;
    *len = 0;
    if (!*text)
        return tsr_fail(err, TSR_ERR_DATA, "an empty file name");
    if (begins(text, "data:"))
        return read_data_url(text, data, len, err);
    if (begins(text, "file:"))
        return read_file_url(text + 5, path, err);
    if (scheme)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%.*s: URLs are not fetched; give a file, a file: URL or a data: URL",
                        (int)(shown < MOST_SHOWN ? shown : MOST_SHOWN), text);
    /* "-" names a file here, and standard input elsewhere */
    bool as_it_is = *text == '/' || (strcmp(dir, ".") == 0 && *text != '-');
    *path = as_it_is ? tsr_strdup(text) : tsr_path_join(dir, text);
    return *path ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a path");
}
