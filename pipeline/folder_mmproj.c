/* folder_mmproj.c: which mmproj belongs to which text model. Folders of several models hold several, so the
 * widths decide: each variant has its own, and a projector ends in that of its text model. Among those that fit, a
 * name that the two have in common speaks for a mmproj. */
#include "folder.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_gguf.h"

/* Rows of the projection that a mmproj ends in, for pictures or else for sound; 0 when it has none. */
static size_t projected_width(const tsr_gguf *g)
{
    static const char *const names[] = {"mm.input_projection.weight", "mm.a.input_projection.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tsr_gguf_tensor *t = tsr_gguf_find_tensor(g, names[i]);
        if (t && t->view.n_dims == 2)
            return t->view.shape[0];
    }
    return 0;
}

static size_t text_width(const tsr_gguf *g)
{
    const tsr_gguf_tensor *t = tsr_gguf_find_tensor(g, "token_embd.weight");
    return t && t->view.n_dims == 2 ? t->view.shape[1] : 0;
}

static tsr_status width_of(size_t *out, const char *path, size_t (*width)(const tsr_gguf *g), tsr_error *err)
{
    tsr_gguf *g;
    *out = 0;
    tsr_status st = tsr_gguf_open(&g, path, err);
    if (st == TSR_OK)
        *out = width(g);
    tsr_gguf_close(g);
    return st;
}

static bool same_folder(const char *a, const char *b)
{
    const char *x = strrchr(a, '/'), *y = strrchr(b, '/');
    size_t n = x ? (size_t)(x - a) : 0;
    return (x != NULL) == (y != NULL) && (!x || ((size_t)(y - b) == n && memcmp(a, b, n) == 0));
}

enum { STEM_BYTES = 256 };

static void cut_out(char *s, const char *word)
{
    char *at = *word ? strstr(s, word) : NULL;
    if (at)
        memmove(at, at + strlen(word), strlen(at + strlen(word)) + 1);
}

static bool is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}

/* What a name says of the model: "mmproj-Gemma-4-E2B-it-BF16.gguf" and "gemma-4-e2b-it.Q8_0.gguf" are both of
 * "gemma-4-e2b-it", "mmproj-F16.gguf" says nothing. */
static void stem_of(char stem[STEM_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char tag[TSRI_TAG_BYTES];
    size_t n = 0, first = 0;
    tsri_type_tag(tag, name);
    for (; name[n] && n + 1 < STEM_BYTES; n++)
        stem[n] = (char)tolower((unsigned char)name[n]);
    stem[n] = '\0';
    for (char *t = tag; *t; t++)
        *t = (char)tolower((unsigned char)*t);
    char *split = strstr(stem, "-00001-of-"), *end = strstr(stem, ".gguf");
    if (end)
        *end = '\0';
    if (split)
        *split = '\0';
    cut_out(stem, "mmproj");
    cut_out(stem, tag);
    for (n = strlen(stem); n > 0 && is_separator(stem[n - 1]); n--)
        stem[n - 1] = '\0';
    while (is_separator(stem[first]))
        first++;
    memmove(stem, stem + first, n + 1 - (first < n ? first : n));
}

/* Whether `part` stands in s as whole words. */
static bool has_words(const char *s, const char *part)
{
    size_t n = strlen(part);
    for (const char *at = s; n && (at = strstr(at, part)); at++)
        if ((at == s || is_separator(at[-1])) && (at[n] == '\0' || is_separator(at[n])))
            return true;
    return false;
}

static bool are_kin(const char *a, const char *b)
{
    char x[STEM_BYTES], y[STEM_BYTES];
    stem_of(x, a);
    stem_of(y, b);
    return has_words(x, y) || has_words(y, x);
}

/* Less is better: the folder, then the name, then the type. */
static unsigned rank(const tsri_gguf_file *f, const char *gguf)
{
    static const char *const types[] = {"BF16", "F16", "F32", "Q8_0"};
    unsigned n = 0;
    while (n < sizeof types / sizeof *types && strcmp(types[n], f->tag) != 0)
        n++;
    return n + (are_kin(f->path, gguf) ? 0 : 100) + (same_folder(f->path, gguf) ? 0 : 1000);
}

tsr_status tsri_folder_mmproj(char **path, const tsri_folder *f, const char *gguf, tsr_error *err)
{
    const tsri_gguf_file *best = NULL;
    tsr_error first_bad = {TSR_OK, ""};
    size_t want, is;
    *path = NULL;
    size_t n = 0;
    for (size_t i = 0; i < f->n_ggufs; i++)
        n += f->ggufs[i].is_mmproj;
    if (n == 0)
        return TSR_OK;
    tsr_status st = width_of(&want, gguf, text_width, NULL);
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(err, st, "out of memory: %s", gguf);
    if (st != TSR_OK || want == 0) /* for the opener to tell */
        return TSR_OK;
    for (size_t i = 0; i < f->n_ggufs; i++) {
        const tsri_gguf_file *c = &f->ggufs[i];
        if (!c->is_mmproj || (best && rank(c, gguf) >= rank(best, gguf)))
            continue;
        if (width_of(&is, c->path, projected_width, &first_bad) == TSR_OK && is == want)
            best = c;
    }
    if (first_bad.status == TSR_ERR_NOMEM || (!best && first_bad.status != TSR_OK))
        return tsr_fail(err, first_bad.status, "%s", first_bad.text);
    if (best && !(*path = tsr_strdup(best->path)))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", best->path);
    return TSR_OK;
}

tsr_status tsri_folder_unfit_mmproj(char **text, const tsri_folder *f, const char *gguf, tsr_error *err)
{
    static const char format[] = "%s does not belong to it: it is made for a width of %zu, the text model has %zu";
    size_t want, is, i = 0;
    *text = NULL;
    while (i < f->n_ggufs && !f->ggufs[i].is_mmproj)
        i++;
    if (i == f->n_ggufs)
        return TSR_OK;
    tsr_status st = width_of(&want, gguf, text_width, err);
    if (st == TSR_OK)
        st = width_of(&is, f->ggufs[i].path, projected_width, err);
    if (st != TSR_OK)
        return st;
    size_t cap = strlen(f->ggufs[i].path) + sizeof format + 40; /* two numbers of 20 digits */
    if (!(*text = tsr_alloc(cap)))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", f->ggufs[i].path);
    snprintf(*text, cap, format, f->ggufs[i].path, is, want);
    return TSR_OK;
}
