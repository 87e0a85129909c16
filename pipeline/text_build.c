/* text_build.c: lines for people, and what of a file's text may reach a terminal. */
#include "text_build.h"

#include <stdio.h>
#include <string.h>

tsri_lines tsri_lines_begin(bool color, tsr_error *err)
{
    return (tsri_lines){.st = TSR_OK, .err = err, .color = color};
}

static void put(tsri_lines *l, const char *s, size_t n)
{
    if (l->st == TSR_OK)
        l->st = tsr_text_add(&l->text, s, n, l->err);
}

tsr_status tsri_lines_end(tsri_lines *l, char **out)
{
    put(l, "", 1);
    *out = l->st == TSR_OK ? l->text.at : NULL;
    if (l->st != TSR_OK)
        tsr_text_deinit(&l->text);
    l->text = (tsr_text){0};
    return l->st;
}

void tsri_print(tsri_lines *l, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0)
        put(l, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void tsri_style_begin(tsri_lines *l, tsri_style style)
{
    static const char *const starts[] = {
        [TSRI_PLAIN] = "", [TSRI_HEAD] = "\033[1m", [TSRI_DIM] = "\033[2m", [TSRI_BAD] = "\033[31m"};
    if (l->color)
        put(l, starts[style], strlen(starts[style]));
}

void tsri_style_end(tsri_lines *l, tsri_style style)
{
    if (l->color && style != TSRI_PLAIN)
        put(l, "\033[0m", 4);
}

/* Control characters of both sets, and marks that change the direction of what follows. */
static bool is_harmless(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) &&
           c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0x200e && c != 0x200f;
}

static void put_escape(tsri_lines *l, const char *s, size_t n, uint32_t c, bool is_utf8)
{
    if (is_utf8 && c == '\n')
        put(l, "\\n", 2);
    else if (is_utf8 && c == '\t')
        put(l, "\\t", 2);
    else if (is_utf8 && c >= 0x80)
        tsri_print(l, "\\u%04x", (unsigned)c);
    else
        for (size_t i = 0; i < n; i++)
            tsri_print(l, "\\x%02x", (unsigned)(unsigned char)s[i]);
}

void tsri_print_escaped(tsri_lines *l, const char *s, size_t len, size_t max_bytes)
{
    size_t at = 0;
    while (at < len && l->st == TSR_OK) {
        uint32_t c;
        bool ok;
        size_t n = tsr_utf8_read(s + at, len - at, &c, &ok);
        if (at + n > max_bytes) {
            put(l, "...", 3);
            return;
        }
        if (ok && is_harmless(c))
            put(l, s + at, n);
        else
            put_escape(l, s + at, n, c, ok);
        at += n;
    }
}

void tsri_bytes_text(char buf[16], uint64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double x = (double)n;
    size_t u = 0;
    while (x >= 1023.95 && u + 1 < sizeof units / sizeof *units) { /* what would show as 1024.0 */
        x /= 1024;
        u++;
    }
    snprintf(buf, 16, u ? "%.1f %s" : "%.0f %s", x, units[u]);
}
