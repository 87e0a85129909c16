/* prompt_file.c: see the header. Texts stay where they were read; a mark between them becomes a path. */
#include "prompt_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input.h"

typedef struct reader {
    prompt_file *p;
    const char *name, *end;
    char *folder; /* where paths start */
    size_t room, line;
} reader;

static const struct {
    const char *word;
    tessera_part_kind kind;
} kinds[] = {
    {"image", TESSERA_PART_IMAGE}, {"audio", TESSERA_PART_AUDIO}, {"video", TESSERA_PART_VIDEO},
    {"pdf", TESSERA_PART_PDF},     {"file", TESSERA_PART_FILE},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static int complain(const reader *r, const char *what, const char *why, int code)
{
    fprintf(stderr, "tessera: %s: line %zu: %s: %s\n", r->name, r->line, what, why);
    return code;
}

static int add(reader *r, tessera_part part)
{
    prompt_file *p = r->p;
    if (p->n_parts == r->room) {
        size_t room = 2 * r->room + 8;
        tessera_part *grown = realloc(p->parts, room * sizeof *grown);
        if (!grown)
            return complain(r, "its parts", "out of memory", 75);
        p->parts = grown;
        r->room = room;
    }
    p->parts[p->n_parts++] = part;
    return 0;
}

static int add_text(reader *r, const char *from, const char *to)
{
    if (from == to)
        return 0;
    return add(r, (tessera_part){.kind = TESSERA_PART_TEXT, .text = from, .text_len = (size_t)(to - from)});
}

static char *join(const char *folder, const char *path, size_t len)
{
    size_t before = *path == '/' ? 0 : strlen(folder) + 1;
    char *whole = malloc(before + len + 1);
    if (!whole)
        return NULL;
    if (before) {
        memcpy(whole, folder, before - 1);
        whole[before - 1] = '/';
    }
    memcpy(whole + before, path, len);
    whole[before + len] = '\0';
    return whole;
}

static int add_file(reader *r, tessera_part_kind kind, const char *path, size_t len)
{
    if (len == 0 || memchr(path, '\0', len))
        return complain(r, "a mark", len ? "its path holds a NUL byte" : "has no path", 2);
    char *whole = join(r->folder, path, len);
    if (!whole)
        return complain(r, "a path", "out of memory", 75);
    int rc = access(whole, R_OK) == 0 ? 0 : complain(r, whole, strerror(errno), errno == EACCES ? 77 : 66);
    if (rc == 0)
        rc = add(r, (tessera_part){.kind = kind, .path = whole});
    if (rc)
        free(whole);
    return rc;
}

static const char *find(const char *from, const char *end, const char *pair)
{
    for (; from + 1 < end; from++)
        if (from[0] == pair[0] && from[1] == pair[1])
            return from;
    return NULL;
}

/* The end of the word of a mark at `from`, where its colon stands; NULL: it is no mark. */
static const char *find_colon(const reader *r, const char *from)
{
    const char *at = from;
    while (at < r->end && *at >= 'a' && *at <= 'z')
        at++;
    return at > from && at < r->end && *at == ':' ? at : NULL;
}

/* `word` begins behind the braces; *next is where the text goes on. */
static int take_mark(reader *r, const char *word, const char *colon, const char **next)
{
    const char *line_end = memchr(colon, '\n', (size_t)(r->end - colon));
    const char *close = find(colon, line_end ? line_end : r->end, "}}");
    char shown[32];
    snprintf(shown, sizeof shown, "{{%.*s:", (int)(colon - word < 20 ? colon - word : 20), word);
    if (!close)
        return complain(r, shown, "does not end with }} on its line", 2);
    *next = close + 2;
    for (size_t i = 0; i < N_KINDS; i++)
        if (strlen(kinds[i].word) == (size_t)(colon - word) && memcmp(kinds[i].word, word, (size_t)(colon - word)) == 0)
            return add_file(r, kinds[i].kind, colon + 1, (size_t)(close - colon - 1));
    return complain(r, shown, "known are image, audio, video, pdf, file; \\{{ is a text", 2);
}

static void count_lines(reader *r, const char *from, const char *to)
{
    for (; from < to; from++)
        r->line += *from == '\n';
}

static int split(reader *r, const char *at)
{
    const char *text = at; /* begin of what has not been added */
    int rc = 0;
    for (const char *mark; rc == 0 && (mark = find(at, r->end, "{{"));) {
        const char *colon = find_colon(r, mark + 2);
        count_lines(r, at, mark);
        if (mark > text && mark[-1] == '\\') {
            rc = add_text(r, text, mark - 1);
            text = mark;
            at = mark + 2;
        } else if (colon) {
            rc = add_text(r, text, mark);
            if (rc == 0)
                rc = take_mark(r, mark + 2, colon, &at);
            text = at;
        } else {
            at = mark + 1;
        }
    }
    return rc ? rc : add_text(r, text, r->end);
}

int prompt_file_split(prompt_file *p, const char *path, const char *bytes, size_t len)
{
    reader r = {.p = p, .name = strcmp(path, "-") == 0 ? "standard input" : path, .folder = input_folder(path), .line = 1};
    while (len && bytes[len - 1] == '\n') /* an editor's last line ends, a prompt does not */
        len--;
    r.end = bytes + len;
    int rc = r.folder ? split(&r, bytes) : complain(&r, "its folder", "out of memory", 75);
    if (rc == 0 && p->n_parts == 0)
        rc = complain(&r, "the prompt", "is empty", 2);
    free(r.folder);
    return rc;
}

void prompt_file_free(prompt_file *p)
{
    for (size_t i = 0; i < p->n_parts; i++)
        free((char *)p->parts[i].path);
    free(p->parts);
    *p = (prompt_file){.parts = NULL};
}
