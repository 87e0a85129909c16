/* places.c: the environment's words about where models lie. An empty variable is one that is not set. */
#include "places.h"

#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

static const char *env(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

/* BASE/TAIL, or NULL and TSR_OK without a base. "~/" at the beginning of the base is HOME. */
static tsr_status below(char **out, const char *base, const char *tail, tsr_error *err)
{
    const char *home = env("HOME");
    *out = NULL;
    if (!base || (strncmp(base, "~/", 2) == 0 && !home))
        return TSR_OK;
    char *real = strncmp(base, "~/", 2) == 0 ? tsr_path_join(home, base + 2) : tsr_strdup(base);
    if (real && *tail)
        *out = tsr_path_join(real, tail);
    else if (real)
        *out = tsr_strdup(real);
    tsr_free(real);
    return *out ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s/%s", base, tail);
}

/* The first variable that is set, with its tail. */
static tsr_status first_set(char **out, const char *const (*rows)[2], size_t n, tsr_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (env(rows[i][0]))
            return below(out, env(rows[i][0]), rows[i][1], err);
    return TSR_OK;
}

tsr_status tsri_hf_cache_path(char **out, tsr_error *err)
{
    static const char *const rows[][2] = {{"HF_HUB_CACHE", ""},
                                          {"HF_HOME", "hub"},
                                          {"XDG_CACHE_HOME", "huggingface/hub"},
                                          {"HOME", ".cache/huggingface/hub"}};
    return first_set(out, rows, sizeof rows / sizeof *rows, err);
}

/* path becomes the list's; NULL adds nothing. */
static tsr_status add(tsri_places *p, const char *what, char *path, bool is_hf, bool is_flat, tsr_error *err)
{
    if (!path)
        return TSR_OK;
    tsri_place *grown = tsr_realloc(p->at, (p->n + 1) * sizeof *grown);
    if (!grown) {
        tsr_free(path);
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: places of models");
    }
    p->at = grown;
    p->at[p->n++] = (tsri_place){what, path, is_hf, is_flat};
    return TSR_OK;
}

typedef struct row {
    const char *what;
    bool is_flat;
    const char *const (*vars)[2];
    size_t n_vars;
} row;

static tsr_status add_usual(tsri_places *p, tsr_error *err)
{
    static const char *const llama[][2] = {
        {"LLAMA_CACHE", ""}, {"XDG_CACHE_HOME", "llama.cpp"}, {"HOME", ".cache/llama.cpp"}};
    static const char *const studio[][2] = {{"HOME", ".lmstudio/models"}};
    static const char *const old_studio[][2] = {{"HOME", ".cache/lm-studio/models"}};
    static const char *const own[][2] = {{"XDG_DATA_HOME", "tessera/models"}, {"HOME", ".local/share/tessera/models"}};
    static const row rows[] = {
        {"llama.cpp's cache", true, llama, 3},
        {"LM Studio", false, studio, 1},
        {"LM Studio", false, old_studio, 1},
        {"tessera's own folder", false, own, 2},
    };
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && st == TSR_OK; i++) {
        char *path;
        st = first_set(&path, rows[i].vars, rows[i].n_vars, err);
        if (st == TSR_OK)
            st = add(p, rows[i].what, path, false, rows[i].is_flat, err);
    }
    return st;
}

static tsr_status add_list(tsri_places *p, const char *list, tsr_error *err)
{
    tsr_status st = TSR_OK;
    while (list && *list && st == TSR_OK) {
        size_t n = strcspn(list, ":");
        char *path = n ? tsr_strndup(list, n) : NULL, *real = NULL;
        if (n && !path)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: TESSERA_MODELS");
        st = below(&real, path, "", err);
        tsr_free(path);
        if (st == TSR_OK)
            st = add(p, "TESSERA_MODELS", real, false, false, err);
        list += n + (list[n] == ':');
    }
    return st;
}

tsr_status tsri_places_find(tsri_places *out, tsr_error *err)
{
    char *path;
    *out = (tsri_places){0};
    tsr_status st = tsri_hf_cache_path(&path, err);
    if (st == TSR_OK)
        st = add(out, "Hugging Face cache", path, true, false, err);
    if (st == TSR_OK)
        st = add_usual(out, err);
    if (st == TSR_OK)
        st = below(&path, TSR_DATA_DIR, "models", err);
    if (st == TSR_OK)
        st = add(out, "installed with tessera", path, false, false, err);
    if (st == TSR_OK)
        st = add_list(out, env("TESSERA_MODELS"), err);
    if (st != TSR_OK)
        tsri_places_deinit(out);
    return st;
}

void tsri_places_deinit(tsri_places *p)
{
    for (size_t i = 0; i < p->n; i++)
        tsr_free(p->at[i].path);
    tsr_free(p->at);
    *p = (tsri_places){0};
}
