/* gguf_name.c: patterns of tensor names, matched and printed. */
#include "tsr_gguf_name.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DIGITS = 6 };

bool tsr_gguf_name_match(const char *pattern, const char *name, size_t *layer)
{
    const char *hole = strchr(pattern, '#');
    *layer = 0;
    if (!hole)
        return strcmp(pattern, name) == 0;
    size_t head = (size_t)(hole - pattern), n = 0, digits = 0;
    if (strncmp(pattern, name, head) != 0)
        return false;
    name += head;
    while (digits < MAX_DIGITS && name[digits] >= '0' && name[digits] <= '9')
        n = n * 10 + (size_t)(name[digits++] - '0');
    if (digits == 0 || (digits > 1 && name[0] == '0') || strcmp(hole + 1, name + digits) != 0)
        return false;
    *layer = n;
    return true;
}

bool tsr_gguf_name_print(char *out, size_t cap, const char *pattern, size_t layer)
{
    const char *hole = strchr(pattern, '#');
    int n = hole ? snprintf(out, cap, "%.*s%zu%s", (int)(hole - pattern), pattern, layer, hole + 1)
                 : snprintf(out, cap, "%s", pattern);
    return n >= 0 && (size_t)n < cap;
}
