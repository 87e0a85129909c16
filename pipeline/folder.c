/* folder.c: one walk over a folder, and sense made of the names in it. */
#include "folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tsr_alloc.h"
#include "tsr_file.h"
#include "tsr_gguf.h"
#include "tsr_json.h"

enum { MAX_ENTRIES = 65536, MAX_DEPTH = 3, MAX_PARTS = 1024, MAX_INDEX_BYTES = 64 << 20 };

/* ---- lists of names ---- */

tsr_status tsri_names_add(tsri_names *list, const char *s, size_t len, tsr_error *err)
{
    if ((list->n & (list->n - 1)) == 0) { /* room doubles at powers of two */
        char **grown = tsr_realloc(list->at, (list->n ? 2 * list->n : 1) * sizeof *grown);
        if (!grown)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a list of %zu names", list->n + 1);
        list->at = grown;
    }
    list->at[list->n] = tsr_strndup(s, len);
    if (!list->at[list->n])
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a list of %zu names", list->n + 1);
    list->n++;
    return TSR_OK;
}

void tsri_names_deinit(tsri_names *list)
{
    for (size_t i = 0; i < list->n; i++)
        tsr_free(list->at[i]);
    tsr_free(list->at);
    *list = (tsri_names){0};
}

char *tsri_names_join(const tsri_names *list, size_t most)
{
    size_t shown = list->n < most ? list->n : most, cap = 48, len = 0;
    for (size_t i = 0; i < shown; i++)
        cap += strlen(list->at[i]) + 2;
    char *s = tsr_alloc(cap);
    if (!s)
        return NULL;
    s[0] = '\0';
    for (size_t i = 0; i < shown; i++)
        len += (size_t)snprintf(s + len, cap - len, "%s%s", i ? ", " : "", list->at[i]);
    if (shown < list->n)
        snprintf(s + len, cap - len, " and %zu more", list->n - shown);
    return s;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static tsr_status read_names(tsri_names *out, DIR *d, const char *dir, tsr_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return errno ? tsr_fail(err, TSR_ERR_IO, "%s: cannot be read: errno %d", dir, errno) : TSR_OK;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (out->n == MAX_ENTRIES)
            return tsr_fail(err, TSR_ERR_LIMIT, "%s: more than %d entries", dir, MAX_ENTRIES);
        tsr_status st = tsri_names_add(out, e->d_name, strlen(e->d_name), err);
        if (st != TSR_OK)
            return st;
    }
}

tsr_status tsri_folder_names(tsri_names *out, const char *dir, tsr_error *err)
{
    *out = (tsri_names){0};
    DIR *d = opendir(dir);
    if (!d)
        return tsr_fail(err, tsr_status_from_errno(errno), "%s: no folder that can be read", dir);
    tsr_status st = read_names(out, d, dir, err);
    closedir(d);
    if (st == TSR_OK && out->n)
        qsort(out->at, out->n, sizeof *out->at, by_text);
    if (st != TSR_OK)
        tsri_names_deinit(out);
    return st;
}

/* ---- types in names ---- */

static size_t match_word(const char *s, const char *word)
{
    size_t n = 0;
    while (word[n] && toupper((unsigned char)s[n]) == word[n])
        n++;
    return word[n] || isalnum((unsigned char)s[n]) ? 0 : n;
}

/* The longest of the words that stands at s and is followed by no letter or digit. */
static size_t match_any(const char *s, const char *const *words, size_t n_words)
{
    size_t best = 0;
    for (size_t i = 0; i < n_words; i++) {
        size_t n = match_word(s, words[i]);
        best = n > best ? n : best;
    }
    return best;
}

/* "Q4_K_M", "IQ4_XS", "TQ1_0": a number of bits and at least one of the tails. */
static size_t match_quant(const char *s)
{
    static const char *const tails[] = {"_0", "_1", "_K", "_S", "_M", "_L", "_XS", "_XXS", "_XL", "_XXL", "_NL"};
    size_t n = toupper((unsigned char)*s) == 'I' || toupper((unsigned char)*s) == 'T';
    if (toupper((unsigned char)s[n]) != 'Q' || !isdigit((unsigned char)s[n + 1]))
        return 0;
    n += 2;
    for (size_t whole = 0;; whole = n) {
        size_t tail = match_any(s + n, tails, sizeof tails / sizeof *tails);
        if (tail == 0)
            return whole;
        n += tail;
    }
}

static size_t match_tag(const char *s)
{
    static const char *const words[] = {"F32", "F16", "BF16", "MXFP4", "MXFP4_MOE", "NVFP4"};
    size_t ud = strncmp(s, "UD-", 3) == 0 || strncmp(s, "ud-", 3) == 0 ? 3 : 0;
    size_t n = match_any(s + ud, words, sizeof words / sizeof *words);
    if (n == 0)
        n = match_quant(s + ud);
    return n ? ud + n : 0;
}

void tsri_type_tag(char tag[TSRI_TAG_BYTES], const char *name)
{
    tag[0] = '\0';
    for (const char *s = name; *s; s++) {
        size_t n = s == name || !isalnum((unsigned char)s[-1]) ? match_tag(s) : 0;
        if (n == 0 || n >= TSRI_TAG_BYTES)
            continue;
        for (size_t i = 0; i < n; i++)
            tag[i] = (char)toupper((unsigned char)s[i]);
        tag[n] = '\0';
        s += n - 1;
    }
}

/* ---- the scan ---- */

static bool ends_with(const char *s, const char *tail)
{
    size_t a = strlen(s), b = strlen(tail);
    return a > b && strcmp(s + a - b, tail) == 0;
}

/* What mmproj files are called everywhere: mmproj-F16.gguf, x.mmproj-Q8_0.gguf, mmproj-model-f16.gguf. */
static bool says_mmproj(const char *path)
{
    const char *slash = strrchr(path, '/');
    for (const char *s = slash ? slash : path; *s; s++) {
        size_t n = 0;
        while (n < 6 && tolower((unsigned char)s[n]) == "mmproj"[n])
            n++;
        if (n == 6)
            return true;
    }
    return false;
}

static tsr_status add_missing(tsri_names *list, const char *name, tsr_error *err)
{
    return tsri_names_add(list, name, strlen(name), err);
}

/* Note one file of `file`: its bytes, or that it's not there. */
static tsr_status count_part(tsri_gguf_file *file, const char *path, size_t root, tsr_error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0 || !S_ISREG(sb.st_mode))
        return add_missing(&file->missing, path + root, err);
    file->n_bytes += (uint64_t)sb.st_size;
    return TSR_OK;
}

static tsr_status count_parts(tsri_gguf_file *file, size_t root, tsr_error *err)
{
    uint64_t no, count;
    tsr_status st = TSR_OK;
    if (!tsr_gguf_split_name(file->path, &no, &count) || count > MAX_PARTS) /* too many: opening it will say so */
        return count_part(file, file->path, root, err);
    file->n_parts = (size_t)count;
    for (uint64_t i = 1; i <= count && st == TSR_OK; i++) {
        char *path = tsr_gguf_split_path(file->path, i);
        st = path ? count_part(file, path, root, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", file->path);
        tsr_free(path);
    }
    return st;
}

/* Names come sorted, so the other parts of a split file came shortly before. */
static bool is_known(const tsri_folder *f, const char *path)
{
    for (size_t i = f->n_ggufs; i-- > 0;)
        if (strcmp(f->ggufs[i].path, path) == 0)
            return true;
    return false;
}

/* path becomes the table's. `root`: the length of the scanned folder's part of it. */
static tsr_status add_gguf(tsri_folder *f, char *path, size_t root, tsr_error *err)
{
    tsri_gguf_file *grown = tsr_realloc(f->ggufs, (f->n_ggufs + 1) * sizeof *grown);
    if (!grown) {
        tsr_free(path);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s: %zu files", f->path, f->n_ggufs + 1);
    }
    f->ggufs = grown;
    tsri_gguf_file *file = &f->ggufs[f->n_ggufs++];
    *file = (tsri_gguf_file){.path = path, .name = path + root, .n_parts = 1, .is_mmproj = says_mmproj(path)};
    tsri_type_tag(file->tag, file->name);
    return count_parts(file, root, err);
}

/* A split file is known by its first part, whichever of its parts are there. */
static tsr_status see_gguf(tsri_folder *f, const char *path, size_t root, tsr_error *err)
{
    uint64_t no, count;
    bool is_part = tsr_gguf_split_name(path, &no, &count) && count <= MAX_PARTS;
    char *first = is_part ? tsr_gguf_split_path(path, 1) : tsr_strdup(path);
    if (!first)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", path);
    if (is_part && is_known(f, first)) {
        tsr_free(first);
        return TSR_OK;
    }
    return add_gguf(f, first, root, err);
}

static tsr_status walk(tsri_folder *f, const char *dir, unsigned depth, bool deep, size_t root, tsr_error *err);

static tsr_status see_entry(tsri_folder *f, const char *path, unsigned depth, bool deep, size_t root, tsr_error *err)
{
    if (tsr_file_is_dir(path)) {
        if (!deep)
            return tsri_names_add(&f->folders, path, strlen(path), err);
        return depth < MAX_DEPTH ? walk(f, path, depth + 1, deep, root, err) : TSR_OK;
    }
    if (ends_with(path, ".gguf"))
        return see_gguf(f, path, root, err);
    if (depth > 0)
        return TSR_OK;
    struct stat sb;
    f->has_config |= strcmp(path + root, "config.json") == 0;
    f->has_safetensors |= ends_with(path, ".safetensors") || ends_with(path, ".safetensors.index.json");
    if (ends_with(path, ".safetensors") && stat(path, &sb) == 0)
        f->safetensors_bytes += (uint64_t)sb.st_size;
    return TSR_OK;
}

static tsr_status walk(tsri_folder *f, const char *dir, unsigned depth, bool deep, size_t root, tsr_error *err)
{
    tsri_names names;
    tsr_status st = tsri_folder_names(&names, dir, err);
    for (size_t i = 0; i < names.n && st == TSR_OK; i++) {
        if (names.at[i][0] == '.')
            continue;
        char *path = tsr_path_join(dir, names.at[i]);
        st = path ? see_entry(f, path, depth, deep, root, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
        tsr_free(path);
    }
    tsri_names_deinit(&names);
    return st;
}

static tsr_status need(tsri_folder *f, const char *name, tsr_error *err)
{
    char *path = tsr_path_join(f->path, name);
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", f->path);
    tsr_status st = tsr_file_exists(path) ? TSR_OK : add_missing(&f->missing, name, err);
    tsr_free(path);
    return st;
}

/* Every shard that the index names, once. */
static tsr_status need_shards(tsri_folder *f, const char *index, tsr_error *err)
{
    tsr_json *doc = NULL;
    tsri_names seen = {0};
    tsr_status st = tsr_json_parse_file(&doc, index, MAX_INDEX_BYTES, err);
    const tsr_json *map = tsr_json_get(doc, "weight_map");
    for (void *it = tsr_json_first(map); it && st == TSR_OK; it = tsr_json_next(map, it)) {
        const char *shard = tsr_json_string(tsr_json_value(it), NULL);
        size_t i = 0;
        while (shard && i < seen.n && strcmp(seen.at[i], shard) != 0)
            i++;
        if (!shard || i < seen.n)
            continue;
        st = tsri_names_add(&seen, shard, strlen(shard), err);
        if (st == TSR_OK)
            st = need(f, shard, err);
    }
    tsri_names_deinit(&seen);
    tsr_json_free(doc);
    return st;
}

static tsr_status check_safetensors(tsri_folder *f, tsr_error *err)
{
    char *single = tsr_path_join(f->path, "model.safetensors");
    char *index = tsr_path_join(f->path, "model.safetensors.index.json");
    tsr_status st = single && index ? need(f, "config.json", err)
                                    : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", f->path);
    if (st == TSR_OK)
        st = need(f, "tokenizer.json", err);
    if (st == TSR_OK && !tsr_file_exists(single))
        st = tsr_file_exists(index) ? need_shards(f, index, err) : add_missing(&f->missing, "model.safetensors", err);
    tsr_free(single);
    tsr_free(index);
    return st;
}

tsr_status tsri_folder_scan(tsri_folder *out, const char *dir, bool deep, tsr_error *err)
{
    size_t root = strlen(dir);
    *out = (tsri_folder){.path = tsr_strdup(dir)};
    tsr_status st = out->path ? walk(out, dir, 0, deep, root + (root > 0 && dir[root - 1] != '/'), err)
                              : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", dir);
    if (st == TSR_OK && out->has_safetensors)
        st = check_safetensors(out, err);
    if (st != TSR_OK)
        tsri_folder_deinit(out);
    return st;
}

void tsri_folder_deinit(tsri_folder *f)
{
    for (size_t i = 0; i < f->n_ggufs; i++) {
        tsr_free(f->ggufs[i].path);
        tsri_names_deinit(&f->ggufs[i].missing);
    }
    tsr_free(f->ggufs);
    tsri_names_deinit(&f->missing);
    tsri_names_deinit(&f->folders);
    tsr_free(f->path);
    *f = (tsri_folder){0};
}
